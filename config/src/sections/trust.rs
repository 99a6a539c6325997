//! `[trust]`: the authorities whose signatures on documents count. Never the operating system's list.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::fault::{FaultCode, Rule};
use crate::reading::Section;
use crate::sections::line::ids;

/// Named sets at most.
pub const TRUST_SETS_MAX: usize = 256;
/// Files in one list of a set.
pub const TRUST_FILES_MAX: usize = 256;

/// The authorities whose signatures on documents count: the set of every sender whose directory entry names none, and
/// those with a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustSettings {
    /// PEM files of certificates of authorities; none: only pinned certificates can sign.
    pub ca: Vec<PathBuf>,
    /// PEM files of their lists of revoked certificates; none: revocation is not checked.
    pub crl: Vec<PathBuf>,
    /// `[trust.sets.<name>]`: what an entry names by `trust = "…"`.
    pub sets: BTreeMap<String, TrustSetSettings>,
}

/// One named set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustSetSettings {
    /// PEM files of certificates of authorities; at least one.
    pub ca: Vec<PathBuf>,
    /// PEM files of their lists of revoked certificates; none: revocation is not checked.
    pub crl: Vec<PathBuf>,
}

impl TrustSettings {
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Self {
        let (ca, crl) = (files("ca", section), files("crl", section));
        if ca.is_empty() && !crl.is_empty() {
            section.contradiction("crl", "cần có ca", "needs ca");
        }
        let (mut sets, mut many) = (BTreeMap::new(), false);
        section.section("sets", |section| {
            let names = ids(section);
            many = names.len() > TRUST_SETS_MAX;
            for name in names {
                let set = section.section(&name, named_set);
                sets.insert(name, set);
            }
        });
        if many {
            let most = TRUST_SETS_MAX;
            let rule = Rule::new(format!("tối đa {most} tập"), format!("at most {most} sets"));
            section.fault("sets", FaultCode::OutOfRange, rule);
        }
        Self { ca, crl, sets }
    }
}

fn named_set(section: &mut Section<'_, '_>) -> TrustSetSettings {
    if !section.is_set("ca") {
        section.fault("ca", FaultCode::Missing, Rule::new("tập cần ít nhất một tệp ca", "a set needs ca"));
    }
    TrustSetSettings { ca: files("ca", section), crl: files("crl", section) }
}

fn files(key: &str, section: &mut Section<'_, '_>) -> Vec<PathBuf> {
    let files = section.files(key);
    if files.len() > TRUST_FILES_MAX {
        let most = TRUST_FILES_MAX;
        section.fault(
            key,
            FaultCode::OutOfRange,
            Rule::new(format!("tối đa {most} tệp"), format!("at most {most} files")),
        );
    }
    files
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::Environment;
    use crate::reading::Reading;

    /// What is read of `[trust]` beside the files `ca.pem` and `crl.pem`; or key and code of each fault.
    fn read(text: &str) -> Result<TrustSettings, Vec<(String, FaultCode)>> {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["ca.pem", "crl.pem"] {
            std::fs::write(folder.path().join(name), "x").expect("written");
        }
        let (file, environment) = (folder.path().join("lienthong.toml"), Environment::empty());
        let mut reading = Reading::new(&file, text, &environment);
        let read = reading.run(|root| Some(root.section("trust", TrustSettings::read)));
        let shortened = |paths: &mut Vec<PathBuf>| {
            for path in paths {
                *path = path.strip_prefix(folder.path()).map(Path::to_owned).expect("in the folder");
            }
        };
        let faults =
            |faults: Vec<crate::SettingsFault>| faults.into_iter().map(|f| (f.key, f.code)).collect();
        read.map_err(faults).map(|mut trust| {
            shortened(&mut trust.ca);
            shortened(&mut trust.crl);
            for set in trust.sets.values_mut() {
                shortened(&mut set.ca);
                shortened(&mut set.crl);
            }
            trust
        })
    }

    #[test]
    fn there_is_a_default_set_and_any_number_of_named_ones() {
        assert_eq!(read(""), Ok(TrustSettings::default()));
        let both = "ca = [\"ca.pem\"]\ncrl = [\"crl.pem\"]\n";
        let trust =
            read(&format!("[trust]\n{both}[trust.sets.bo-a]\n{both}[trust.sets.bo-b]\nca = [\"ca.pem\"]"));
        let trust = trust.expect("reads");
        let (ca, crl) = (vec![PathBuf::from("ca.pem")], vec![PathBuf::from("crl.pem")]);
        assert_eq!((&trust.ca, &trust.crl), (&ca, &crl));
        assert_eq!(trust.sets["bo-a"], TrustSetSettings { ca: ca.clone(), crl });
        assert_eq!(trust.sets["bo-b"], TrustSetSettings { ca, crl: Vec::new() });
        assert_eq!(trust.sets.len(), 2);
    }

    #[test]
    fn lists_need_authorities_and_sets_need_names() {
        let crl = "crl = [\"crl.pem\"]\n";
        let fault = |key: &str, code| Err(vec![(format!("trust.{key}"), code)]);
        assert_eq!(read(&format!("[trust]\n{crl}")), fault("crl", FaultCode::Contradiction));
        assert_eq!(read(&format!("[trust.sets.a]\n{crl}")), fault("sets.a.ca", FaultCode::Missing));
        assert_eq!(read("[trust.sets.a]\nca = [\"no.pem\"]"), fault("sets.a.ca", FaultCode::FileMissing));
        assert_eq!(read("[trust.sets.A]\nca = [\"ca.pem\"]"), fault("sets.A", FaultCode::WrongType));
        assert_eq!(
            read("[trust.sets.a]\nca = [\"ca.pem\"]\nclr = []"),
            fault("sets.a.clr", FaultCode::UnknownKey)
        );
        assert_eq!(read("[trust]\nsets = 1"), fault("sets", FaultCode::WrongType));
    }

    #[test]
    fn sets_and_files_are_counted() {
        let sets = |count: usize| {
            let all = (0..count).map(|at| format!("[trust.sets.s{at}]\nca = [\"ca.pem\"]\n"));
            read(&all.collect::<String>()).map(|trust| trust.sets.len())
        };
        assert_eq!(sets(TRUST_SETS_MAX), Ok(TRUST_SETS_MAX));
        assert_eq!(sets(TRUST_SETS_MAX + 1), Err(vec![("trust.sets".to_owned(), FaultCode::OutOfRange)]));
        let files = |count: usize| read(&format!("[trust]\nca = [{}]", "\"ca.pem\",".repeat(count)));
        assert_eq!(files(TRUST_FILES_MAX).map(|trust| trust.ca.len()), Ok(TRUST_FILES_MAX));
        assert_eq!(files(TRUST_FILES_MAX + 1), Err(vec![("trust.ca".to_owned(), FaultCode::OutOfRange)]));
    }
}
