//! Groups of organisations by whole groups of the canonical code: `H55` has `H55.15`, `000.00.15.H55` and itself, and neither
//! `H551` nor `H5`. For whom an axis speaks, and what a system may register, is said in such groups; homes are the directory's
//! business.

use std::fmt;

use super::{Form, OrganId, OrganIdFault};

/// A code and everything below it, old and new codes alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OrganGroup {
    code: OrganId,
    path: Vec<String>,
}

impl OrganGroup {
    /// The group of this code.
    pub fn of(code: &OrganId) -> Self {
        Self { code: code.clone(), path: path(code) }
    }

    /// The group that the settings wrote as a code.
    ///
    /// # Errors
    /// It is no code.
    pub fn parse(text: &str) -> Result<Self, OrganIdFault> {
        OrganId::parse(text).map(|code| Self::of(&code))
    }

    /// Whether an organisation with this code is in the group.
    pub fn contains(&self, code: &OrganId) -> bool {
        path(code).starts_with(&self.path)
    }

    /// Whether some code can be in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.path.starts_with(&other.path) || other.path.starts_with(&self.path)
    }
}

impl fmt::Display for OrganGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code.fmt(f)
    }
}

/// What both forms of one code have in common, whichever of them somebody wrote: `H55.15` and `000.00.15.H55` have the same.
/// Many bodies were renumbered, so equal paths may be two organisations: to be warned by, and never to be routed by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OrganPath(String);

impl OrganPath {
    /// That of this code.
    pub fn of(code: &OrganId) -> Self {
        // No code has this character.
        Self(path(code).join("/"))
    }
}

/// The groups of a code from the top down: old codes are turned round and lose their leading zeros. A level that is skipped
/// stays as zeros: nobody knows what it would be called. Codes that are of no form are cut as they are written, those that
/// have a level-1 code at their end turned round.
fn path(code: &OrganId) -> Vec<String> {
    let text = code.as_str();
    let groups = || text.split('.').map(str::to_owned);
    let level1_last = || {
        let last = text.rsplit('.').next();
        text.contains('.') && last.is_some() && code.level1_code() == last
    };
    let is_turned = match code.form() {
        Form::Old { .. } | Form::Shortened { .. } => true,
        Form::New { .. } | Form::System => false,
        Form::Enterprise => return text.split('-').map(str::to_owned).collect(),
        Form::Centre | Form::Other => level1_last(),
    };
    if !is_turned {
        return groups().collect();
    }
    let is_zero = |group: &String| group.bytes().all(|b| b == b'0');
    let mut path: Vec<String> = groups().skip_while(is_zero).collect();
    path.reverse();
    path
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::suggest_other_form;
    use super::*;

    fn code(text: &str) -> OrganId {
        OrganId::parse(text).expect("a code")
    }

    #[test]
    fn a_group_has_whole_groups_of_codes_old_and_new() {
        for (group, inside, outside) in [
            (
                "H55",
                &["H55", "h55.15", "H55.15.03", "000.00.00.H55", "000.00.15.H55", "15.H55", "00.00.008.H55"]
                    [..],
                &["H551", "H5", "H56", "H550.1", "000.00.15.H56", "H5.5", "XH55", "A.H55X"][..],
            ),
            (
                "000.00.15.H55",
                &["H55.15", "H55.15.03", "000.03.15.H55", "001.03.15.H55"],
                &["H55", "H55.1", "H55.150", "H55.16", "000.15.00.H55", "000.00.00.H55"],
            ),
            ("H55.15", &["000.00.15.H55"], &["000.00.15.H5", "H55.1"]),
            ("VXP.SAAS", &["vxp.saas.02"], &["VXP.SAASX.02", "VXP"]),
            ("0100109106", &["0100109106-001"], &["0100109107", "01001091061"]),
            ("000.00.00.W00", &["W00", "000.00.00.W00"], &["H00"]),
        ] {
            let group = OrganGroup::parse(group).expect("a group");
            for inside in inside {
                assert!(group.contains(&code(inside)), "{inside} in {group}");
            }
            for outside in outside {
                assert!(!group.contains(&code(outside)), "{outside} in {group}");
            }
        }
    }

    #[test]
    fn groups_overlap_when_one_is_in_the_other() {
        let overlaps = |a: &str, b: &str| {
            let (a, b) = (OrganGroup::of(&code(a)), OrganGroup::of(&code(b)));
            assert_eq!(a.overlaps(&b), b.overlaps(&a));
            a.overlaps(&b)
        };
        for (a, b) in [("H55", "H55"), ("H55", "000.00.15.H55"), ("H55.15.03", "H55.15")] {
            assert!(overlaps(a, b), "{a} {b}");
        }
        for (a, b) in [("H55", "H5"), ("H55", "H551"), ("H55.15", "H55.16"), ("G22", "H22")] {
            assert!(!overlaps(a, b), "{a} {b}");
        }
    }

    #[test]
    fn other_codes_have_other_paths() {
        let all =
            ["H55", "H55.15", "H55.015", "H551.5", "H55.1.5", "0100109106", "0100109106-001", "VXP.SAAS.02"];
        let paths: std::collections::HashSet<_> = all.iter().map(|text| OrganPath::of(&code(text))).collect();
        assert_eq!(paths.len(), all.len());
    }

    proptest! {
        #[test]
        fn both_forms_of_a_code_are_in_the_same_groups(
            text in "([0-9]{3}\\.[0-9]{2}\\.[0-9]{2}|000\\.00\\.[0-9]{2}|000\\.[0-9]{2}\\.[0-9]{2})\\.[A-Z][0-9]{2}",
            group in "[A-Z][0-9]{2}(\\.[0-9]{2}){0,2}",
        ) {
            let (old, group) = (code(&text), OrganGroup::parse(&group).expect("a group"));
            prop_assert!(OrganGroup::of(&old).contains(&old));
            if let Some(new) = suggest_other_form(&old) {
                let new = code(new.as_str());
                prop_assert_eq!(OrganPath::of(&old), OrganPath::of(&new));
                prop_assert_eq!(group.contains(&old), group.contains(&new));
                prop_assert!(OrganGroup::of(&new).contains(&old) && OrganGroup::of(&old).contains(&new));
            }
        }
    }
}
