//! What an axis says of its agencies beside what the directory says of them (design.md B5): for an operator to decide on.
//! Nothing of it changes the directory by itself, and no code that is at home here or elsewhere is ever moved.

use std::collections::{BTreeSet, HashSet};

use jiff::civil::Date;
use lienthong_schemas::organ::OrganId;
use serde::Serialize;

use super::{Directory, Home, Organisation};
use crate::record::SystemId;

/// More of what is behind an axis than this part gone at once, in per cent, and somebody has to say that it is so.
pub const GONE_PERCENT_MAX: usize = 5;

/// One agency of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Agency {
    /// Its code now.
    pub code: OrganId,
    /// Other codes, old and new, that mean the same agency.
    pub other: Vec<OrganId>,
    /// Its name; may be empty.
    pub name: String,
}

/// A list beside the directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Nobody in the directory has any of their codes.
    pub added: Vec<Agency>,
    /// They have another name, or codes that the directory does not have: the directory's code, and what the list says.
    pub changed: Vec<(OrganId, Agency)>,
    /// Behind this axis and open in the directory, and not in the list.
    pub gone: Vec<OrganId>,
    /// At home here, or behind another axis: as the directory says, whatever the list says.
    pub elsewhere: Vec<OrganId>,
    /// One agency of the list has codes of several organisations.
    pub ambiguous: Vec<Agency>,
    /// Equal in both.
    pub same: usize,
}

impl Comparison {
    /// The list of one axis beside the directory, on this day.
    pub fn of(directory: &Directory, axis: &SystemId, agencies: &[Agency], today: Date) -> Self {
        let behind = |found: &Organisation| matches!(&found.home, Some(Home::Axis(home)) if home == axis);
        let (mut comparison, mut listed) = (Self::default(), HashSet::new());
        for agency in agencies {
            let codes = || std::iter::once(&agency.code).chain(&agency.other);
            let found: BTreeSet<&OrganId> =
                codes().filter_map(|code| Some(&directory.find(code)?.id)).collect();
            listed.extend(found.iter().copied());
            let known = match found.len() {
                0 => {
                    comparison.added.push(agency.clone());
                    continue;
                }
                1 => found.first().and_then(|id| directory.find(id)),
                _ => None,
            };
            let Some(known) = known else {
                comparison.ambiguous.push(agency.clone());
                continue;
            };
            let has = |code: &OrganId| known.id == *code || known.aliases.contains(code);
            if !behind(known) {
                comparison.elsewhere.push(known.id.clone());
            } else if codes().all(has) && (agency.name.is_empty() || agency.name == known.name) {
                comparison.same += 1;
            } else {
                comparison.changed.push((known.id.clone(), agency.clone()));
            }
        }
        let open = || directory.organisations().iter().filter(|one| behind(one) && one.is_open(today));
        comparison.gone = open().filter(|one| !listed.contains(&one.id)).map(|one| one.id.clone()).collect();
        comparison
    }

    /// Whether so many are gone that somebody has to say that it is so: a list cut short looks the same.
    pub fn needs_approval(&self) -> bool {
        let kept = self.same + self.changed.len();
        self.gone.len() * 100 > (self.gone.len() + kept) * GONE_PERCENT_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{Line, Lines};
    use crate::record::AdapterKind;
    use crate::trust::TrustSets;

    fn organ(code: &str) -> OrganId {
        OrganId::parse(code).expect("a code")
    }

    fn axis() -> SystemId {
        SystemId::parse("vpcp").expect("an id")
    }

    fn agency(code: &str, other: &[&str], name: &str) -> Agency {
        Agency {
            code: organ(code),
            other: other.iter().map(|code| organ(code)).collect(),
            name: name.to_owned(),
        }
    }

    /// H55.01 at home here, G09 behind another axis, and these behind ours.
    fn directory(behind: &[(&str, &str)]) -> Directory {
        let mut text = "[[organisation]]\norgan_id = \"H55.01\"\nname = \"Sở Một\"\nhome = { system = \"mot\" }\n\
                        [[organisation]]\norgan_id = \"G09\"\nname = \"Bộ Chín\"\nhome = { axis = \"khac\" }\n"
            .to_owned();
        for (code, more) in behind {
            text += &format!(
                "[[organisation]]\norgan_id = \"{code}\"\nname = \"Bộ {code}\"\nhome = {{ axis = \"vpcp\" }}\n{more}\n"
            );
        }
        let line = |id: &str, way| {
            (SystemId::parse(id).expect("an id"), Line { way: Some(way), packet_bytes_max: None })
        };
        let axes = ["vpcp", "khac"].map(|id| line(id, AdapterKind::NationalAxis));
        let lines = Lines { systems: [line("mot", AdapterKind::VendorHttp)].into(), axes: axes.into() };
        let none = &mut |path: &str| Err(format!("no {path}"));
        Directory::from_toml(&text, &lines, &TrustSets::default(), none).expect("a directory")
    }

    fn today() -> Date {
        "2026-01-05".parse().expect("a day")
    }

    #[test]
    fn a_list_is_told_apart_from_the_directory_and_moves_nobody() {
        let directory = directory(&[
            ("G01", "aliases = [\"000.00.00.G01\"]"),
            ("G02", ""),
            ("G03", ""),
            ("G04", "valid_to = \"2025-12-31\"\nsuccessors = [\"G03\"]"),
        ]);
        let list = [
            agency("000.00.00.G01", &["G01"], "Bộ G01"),
            agency("G02", &["000.00.00.G02"], ""),
            agency("H55.01", &[], "Sở khác"),
            agency("G09", &[], "Bộ khác"),
            agency("G05", &["000.00.00.G05"], "Bộ Năm"),
            agency("G99", &["G01", "H55.01"], "lẫn"),
        ];
        let comparison = Comparison::of(&directory, &axis(), &list, today());
        let expected = Comparison {
            added: vec![list[4].clone()],
            changed: vec![(organ("G02"), list[1].clone())],
            gone: vec![organ("G03")],
            elsewhere: vec![organ("H55.01"), organ("G09")],
            ambiguous: vec![list[5].clone()],
            same: 1,
        };
        assert_eq!(comparison, expected, "G04 is closed already");
        assert!(comparison.needs_approval(), "one of three");
    }

    #[test]
    fn more_than_one_in_twenty_gone_waits_for_somebody() {
        let codes: Vec<String> = (1..=40).map(|n| format!("G80.{n}")).collect();
        let behind: Vec<(&str, &str)> = codes.iter().map(|code| (code.as_str(), "")).collect();
        let directory = directory(&behind);
        let list: Vec<Agency> = codes.iter().map(|code| agency(code, &[], "")).collect();
        for (gone, needs) in [(0, false), (1, false), (2, false), (3, true), (40, true)] {
            let comparison = Comparison::of(&directory, &axis(), &list[gone..], today());
            assert_eq!((comparison.gone.len(), comparison.needs_approval()), (gone, needs));
        }
    }
}
