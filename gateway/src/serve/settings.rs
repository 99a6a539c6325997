//! From files to values: settings, directory, certificates, tokens. All of it or nothing, with everything wrong listed.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lienthong_adapters::email::packet_bytes_max;
use lienthong_config::{ByteSize, Environment, Profile, Settings};
use lienthong_outbox::RollFiles;
use lienthong_pipeline::directory::{Directory, Line, Lines};
use lienthong_pipeline::record::{AdapterKind, SystemId};
use lienthong_pipeline::trust::TrustSets;
use lienthong_schemas::organ::{OrganGroup, OrganId};
use sha2::{Digest, Sha256};
use xml_sig::{Authorities, Certificate, Crl};

use super::files::{FilesSeen, read};
use super::written::Written;
use crate::cli::CommandFault;
use crate::cli::TRIAL_MARK;
use crate::http::auth::Credentials;

/// Largest directory file, in bytes: 10,000 organisations need about 4 MB.
const DIRECTORY_BYTES_MAX: u64 = 32 << 20;
/// Largest certificate or revocation list file, in bytes.
pub(super) const PEM_BYTES_MAX: u64 = 16 << 20;

/// Everything that the files say.
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// What stands in their file.
    pub written: Written,
    /// Our own code.
    pub own: OrganId,
    /// The organisations, with the authorities that their signers are judged by.
    pub directory: Arc<Directory>,
    /// SHA-256 of each file of authorities and revocation lists.
    pub trust_files: BTreeMap<PathBuf, [u8; 32]>,
    /// Every file that directory and authorities were read from.
    pub files: FilesSeen,
    /// Token hashes.
    pub credentials: Credentials,
}

impl Loaded {
    /// The directory with what stands beside its file, for commands that read the data folder of a gateway, running or
    /// not. What cannot be read is said in the log.
    pub fn with_rolls(&self) -> Directory {
        let rolls = RollFiles::of(&self.settings.gateway.data_dir).read().unwrap_or_else(|fault| {
            crate::cli::complain(&fault.to_string());
            Vec::new()
        });
        self.directory.with_rolls(rolls.iter().map(|(_, roll)| roll)).0
    }
}

/// Only the settings file; for commands that need no more.
pub fn load(file: &Path) -> Result<Settings, CommandFault> {
    Settings::load(file, &Environment::of_process()).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        CommandFault(format!("cấu hình có lỗi (settings have faults):\n{}", lines.join("\n")))
    })
}

/// Settings and every file that they name.
///
/// # Errors
/// One line for each thing that is wrong.
pub fn load_all(file: &Path) -> Result<Loaded, Vec<String>> {
    load_seen(file).1
}

/// The same, with the files that were looked at on the way.
pub(super) fn load_seen(file: &Path) -> (FilesSeen, Result<Loaded, Vec<String>>) {
    match Settings::load(file, &Environment::of_process()) {
        Ok(settings) => read_named(settings, Written::of(file)),
        Err(faults) => (FilesSeen::default(), Err(faults.iter().map(ToString::to_string).collect())),
    }
}

/// Reads every file that the settings name, at the start and at every reload. The files are looked at before they are
/// read: one that changes meanwhile is seen as changed at the next look.
pub(super) fn read_named(settings: Settings, written: Written) -> (FilesSeen, Result<Loaded, Vec<String>>) {
    let (mut files, mut faults) = (FilesSeen::default(), Vec::new());
    let own = OrganId::parse(&settings.gateway.organ_id);
    let own = own.map_err(|cause| faults.push(format!("gateway.organ_id: {cause}"))).ok();
    let mut trust_files = BTreeMap::new();
    let trust = trust_sets(&settings, &mut files, &mut trust_files, &mut faults);
    // Read also when something is wrong already, so that everything wrong is told, and every file is watched.
    let directory = directory(&settings, &trust, &mut files).map_err(|list| faults.extend(list)).ok();
    let loaded = match (own, directory) {
        (Some(own), Some(directory)) if faults.is_empty() => {
            let (credentials, directory) = (credentials(&settings), Arc::new(directory));
            Ok(Loaded { settings, written, own, directory, trust_files, files: files.clone(), credentials })
        }
        _ => Err(faults),
    };
    (files, loaded)
}

fn directory(
    settings: &Settings,
    trust: &TrustSets,
    files: &mut FilesSeen,
) -> Result<Directory, Vec<String>> {
    let file = &settings.directory.file;
    files.look_at(file.clone());
    let text = read(file, DIRECTORY_BYTES_MAX).and_then(|bytes| {
        String::from_utf8(bytes).map_err(|_| format!("{}: không phải UTF-8 (not UTF-8)", file.display()))
    });
    let text = text.map_err(|fault| vec![fault])?;
    let lines = lines(settings)?;
    let of_systems = settings.systems.iter().filter_map(|(id, system)| {
        let written = &system.sdk.as_ref()?.register_agencies;
        groups(&format!("systems.{id}.sdk.register_agencies"), written).err()
    });
    let strange: Vec<String> = of_systems.flatten().collect();
    if !strange.is_empty() {
        return Err(strange);
    }
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    let mut certificate = |path: &str| {
        let path = folder.join(path);
        files.look_at(path.clone());
        read(&path, PEM_BYTES_MAX)
    };
    let directory = Directory::from_toml(&text, &lines, trust, &mut certificate).map_err(|faults| {
        faults.iter().map(|fault| format!("{}: {fault}", file.display())).collect::<Vec<_>>()
    })?;
    let signers = || directory.organisations().iter().map(|organisation| &organisation.signers);
    let named = signers().flat_map(|s| s.certificates.iter().map(Certificate::subject));
    let bound = signers().flat_map(|s| s.subjects.iter().map(ToString::to_string));
    let mut faults = trial_marks(settings, named.chain(bound));
    faults.extend(unvouched(settings, &directory).map(|fault| format!("{}: {fault}", file.display())));
    if faults.is_empty() { Ok(directory) } else { Err(faults) }
}

/// Every set of the settings, with what could be read of it.
fn trust_sets(
    settings: &Settings,
    files: &mut FilesSeen,
    digests: &mut BTreeMap<PathBuf, [u8; 32]>,
    faults: &mut Vec<String>,
) -> TrustSets {
    let mut set = |key: &str, ca: &[PathBuf], crl: &[PathBuf]| {
        let mut pem = |key: &str, path: &PathBuf| {
            files.look_at(path.clone());
            let bytes = read(path, PEM_BYTES_MAX).map_err(|fault| format!("{key}: {fault}"))?;
            digests.insert(path.clone(), Sha256::digest(&bytes).into());
            Ok(bytes)
        };
        let unreadable = |key: &str, path: &Path, cause| format!("{key}: {}: {cause}", path.display());
        let mut found = Authorities::default();
        for path in ca {
            let key = format!("{key}.ca");
            let certificates = pem(&key, path)
                .and_then(|pem| Certificate::from_pem(&pem).map_err(|cause| unreadable(&key, path, cause)));
            certificates.map_or_else(|fault| faults.push(fault), |list| found.anchors.extend(list));
        }
        for path in crl {
            let key = format!("{key}.crl");
            let lists = pem(&key, path)
                .and_then(|pem| Crl::from_pem(&pem).map_err(|cause| unreadable(&key, path, cause)));
            lists.map_or_else(|fault| faults.push(fault), |list| found.crls.extend(list));
        }
        faults.extend(trial_marks(settings, found.anchors.iter().map(Certificate::subject)));
        found
    };
    let trust = &settings.trust;
    let default = set("trust", &trust.ca, &trust.crl);
    let named: Vec<_> = trust
        .sets
        .iter()
        .map(|(name, files)| (name.clone(), set(&format!("trust.sets.{name}"), &files.ca, &files.crl)))
        .collect();
    TrustSets::new(default, named)
}

fn credentials(settings: &Settings) -> Credentials {
    let pairs = settings.systems.iter().filter_map(|(id, system)| Some((SystemId::parse(id)?, system)));
    Credentials::new(
        pairs.flat_map(|(id, system)| system.token_sha256.iter().map(move |hash| (*hash, id.clone()))),
    )
}

/// Keys made by `keygen` or `demo` must not meet real traffic (design.md B8).
fn trial_marks(settings: &Settings, subjects: impl IntoIterator<Item = String>) -> Vec<String> {
    if settings.gateway.profile == Profile::Trial {
        return Vec::new();
    }
    let marked = subjects.into_iter().filter(|subject| subject.contains(TRIAL_MARK));
    marked
        .map(|subject| {
            format!("chứng thư thử nghiệm cần profile = \"trial\" (a trial certificate needs profile = \"trial\"): {subject}")
        })
        .collect()
}

/// A digest shows no trial mark, and without a chain nobody vouches for what it stands for: a certificate made by `keygen`
/// would sign for real.
fn unvouched(settings: &Settings, directory: &Directory) -> impl Iterator<Item = String> {
    let real = settings.gateway.profile != Profile::Trial;
    let bound = directory.organisations().iter().filter(move |organisation| {
        let by_digest = !organisation.signers.certificate_sha256.is_empty();
        real && by_digest && directory.authorities_of(organisation).anchors.is_empty()
    });
    bound.map(|organisation| {
        let set = organisation.trust.as_ref().map_or("trust".to_owned(), |name| format!("trust.sets.{name}"));
        format!(
            "organisation {}.certificate_sha256: [{set}] cần ca, hoặc dùng certificates ([{set}] needs a ca, or use \
             certificates)",
            organisation.id
        )
    })
}

/// What the directory may name as a home, and how packets go there.
///
/// # Errors
/// A group of organisations that is no code, or that two axes speak for.
pub fn lines(settings: &Settings) -> Result<Lines, Vec<String>> {
    let systems = settings.systems.iter().filter_map(|(id, system)| {
        let line = match (&system.vendor_http, &system.email) {
            (Some(_), _) => Line { way: Some(AdapterKind::VendorHttp), packet_bytes_max: None },
            (None, Some(email)) => Line {
                way: Some(AdapterKind::Email),
                packet_bytes_max: Some(packet_bytes_max(email.message_max.bytes())),
            },
            (None, None) => {
                let mailbox = system.sdk.as_ref().is_some_and(|sdk| sdk.mailbox);
                Line { way: mailbox.then_some(AdapterKind::Mailbox), packet_bytes_max: None }
            }
        };
        Some((SystemId::parse(id)?, line))
    });
    let axes = settings.axes.iter().filter_map(|(id, axis)| {
        let packet_bytes_max = axis.packet_max.map(ByteSize::bytes);
        Some((SystemId::parse(id)?, Line { way: Some(AdapterKind::NationalAxis), packet_bytes_max }))
    });
    Ok(Lines { systems: systems.collect(), axes: axes.collect(), speak_for: speak_for(settings)? })
}

/// For whom each axis speaks, where that is said. Two axes for one organisation, and nobody could tell who wrote.
fn speak_for(settings: &Settings) -> Result<HashMap<SystemId, Vec<OrganGroup>>, Vec<String>> {
    let (mut all, mut faults) = (Vec::<(&String, Vec<OrganGroup>)>::new(), Vec::new());
    for (id, axis) in settings.axes.iter().filter(|(_, axis)| !axis.speaks_for.is_empty()) {
        let groups = groups(&format!("axes.{id}.speaks_for"), &axis.speaks_for);
        let groups = groups.unwrap_or_else(|found| {
            faults.extend(found);
            Vec::new()
        });
        for (other, theirs) in &all {
            let shared = groups.iter().find(|group| theirs.iter().any(|their| group.overlaps(their)));
            if let Some(group) = shared {
                faults.push(format!(
                    "axes.{id}.speaks_for: {group} trùng với nhóm của [axes.{other}] (overlaps with a group of it)"
                ));
            }
        }
        all.push((id, groups));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(all.into_iter().filter_map(|(id, groups)| Some((SystemId::parse(id)?, groups))).collect())
}

/// Groups of organisations that the settings wrote under this key.
///
/// # Errors
/// Each that is no code.
pub(crate) fn groups(key: &str, written: &[String]) -> Result<Vec<OrganGroup>, Vec<String>> {
    let (mut groups, mut faults) = (Vec::new(), Vec::new());
    for text in written {
        match OrganGroup::parse(text) {
            Ok(group) => groups.push(group),
            Err(cause) => faults.push(format!("{key}: {text:?}: mã định danh sai ({cause})")),
        }
    }
    if faults.is_empty() { Ok(groups) } else { Err(faults) }
}

#[cfg(test)]
mod tests;
