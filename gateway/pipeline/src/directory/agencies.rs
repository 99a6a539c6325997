//! What an axis says of its agencies beside what the directory says of them (design.md B5). Nothing here changes the
//! directory, and no code that is at home here or elsewhere is ever moved; what follows is decided in `staging`.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::civil::Date;
use lienthong_schemas::organ::OrganId;
use serde::{Deserialize, Serialize};

use super::{Directory, Home, Organisation};
use crate::record::SystemId;

/// More of what is behind an axis than this part gone at once, in per cent, and somebody has to say that it is so.
pub const GONE_PERCENT_MAX: usize = 5;

/// Most lines of one list of an axis; a longer one is no list.
pub const LIST_LINES_MAX: usize = 50_000;

/// One agency of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agency {
    /// Its code now.
    pub code: OrganId,
    /// Other codes, old and new, that mean the same agency.
    #[serde(default)]
    pub other: Vec<OrganId>,
    /// Its name; may be empty.
    #[serde(default)]
    pub name: String,
}

impl Agency {
    fn codes(&self) -> impl Iterator<Item = &OrganId> {
        std::iter::once(&self.code).chain(&self.other)
    }
}

/// The two lists of an axis as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// Each agency once.
    pub agencies: Vec<Agency>,
    /// Lines of one list that share a code and are not the same agency, such as two that each have the other's code
    /// as their old one: nobody can tell who is meant.
    pub unclear: Vec<Agency>,
}

/// One agency for all lines of both lists that have a code in common. In each list an agency has one code that counts, so
/// two of one list are two agencies, unless one of them has every code of the other and no other name.
pub fn joined(current: Vec<Agency>, newer: Vec<Agency>) -> Joined {
    let first_newer = current.len();
    let all: Vec<Agency> = current.into_iter().chain(newer).collect();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    // Which line a line belongs to; a line that belongs to itself has the group.
    let mut above: Vec<usize> = (0..all.len()).collect();
    let mut by_code: HashMap<&OrganId, usize> = HashMap::new();
    for (at, agency) in all.iter().enumerate() {
        for code in agency.codes() {
            let other = *by_code.entry(code).or_insert(at);
            let (one, other) = (top(&mut above, at), top(&mut above, other));
            above[one.max(other)] = one.min(other);
        }
    }
    let mut places: HashMap<usize, usize> = HashMap::new();
    for at in 0..all.len() {
        let place = *places.entry(top(&mut above, at)).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(at),
            None => groups.push(vec![at]),
        }
    }
    let mut joined = Joined::default();
    for group in groups {
        let lines = |newer: bool| {
            let of_list = move |at: &&usize| (**at >= first_newer) == newer;
            group.iter().filter(of_list).map(|at| &all[*at]).collect::<Vec<_>>()
        };
        match (one_of(&lines(false)), one_of(&lines(true))) {
            (Ok(current), Ok(newer)) => joined.agencies.extend(both(current, newer)),
            _ => joined.unclear.extend(group.iter().map(|at| all[*at].clone())),
        }
    }
    joined
}

fn top(above: &mut [usize], mut at: usize) -> usize {
    while above[at] != at {
        above[at] = above[above[at]];
        at = above[at];
    }
    at
}

/// The line that speaks for all of these, which are of one list; an error when there is none.
fn one_of<'a>(lines: &[&'a Agency]) -> Result<Option<&'a Agency>, ()> {
    let Some(most) = lines.iter().max_by_key(|line| line.other.len()) else { return Ok(None) };
    // The first of those that have as many codes.
    let speaker = lines.iter().find(|line| line.other.len() == most.other.len()).unwrap_or(most);
    let has: HashSet<&OrganId> = speaker.codes().collect();
    let same = |line: &&&Agency| {
        let named = line.name.is_empty() || line.name == speaker.name;
        named && line.codes().all(|code| has.contains(code))
    };
    if lines.iter().all(|line| same(&line)) { Ok(Some(*speaker)) } else { Err(()) }
}

fn both(current: Option<&Agency>, newer: Option<&Agency>) -> Option<Agency> {
    let (Some(first), second) = (current.or(newer), newer) else { return None };
    let mut agency = first.clone();
    for code in second.into_iter().flat_map(Agency::codes) {
        if agency.code != *code && !agency.other.contains(code) {
            agency.other.push(code.clone());
        }
    }
    if agency.name.is_empty() {
        agency.name = second.map(|second| second.name.clone()).unwrap_or_default();
    }
    Some(agency)
}

/// A list beside the directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// Nobody in the directory has any of their codes, nor the other form of one.
    pub added: Vec<Agency>,
    /// They have another name, or codes that the directory does not have: the directory's code, and what the list says.
    pub changed: Vec<(OrganId, Agency)>,
    /// Behind this axis and closed in the directory, and in the list again: as for [`Comparison::changed`].
    pub back: Vec<(OrganId, Agency)>,
    /// Behind this axis and open in the directory, and not in the list.
    pub gone: Vec<OrganId>,
    /// At home here, connected or not, or behind another axis, by this or the other form of a code: as the directory says, whatever the list says.
    pub elsewhere: Vec<OrganId>,
    /// One agency of the list has codes of several organisations.
    pub ambiguous: Vec<Agency>,
    /// Equal in both.
    pub same: usize,
}

impl Comparison {
    /// The list of one axis beside the directory, on this day.
    pub fn of(directory: &Directory, axis: &SystemId, agencies: &[Agency], today: Date) -> Self {
        let home = Home::Axis(axis.clone());
        let behind = |found: &Organisation| matches!(&found.home, Some(Home::Axis(home)) if home == axis);
        let (mut comparison, mut listed) = (Self::default(), HashSet::new());
        for agency in agencies {
            let found: BTreeSet<&OrganId> =
                agency.codes().filter_map(|code| Some(&directory.find(code)?.id)).collect();
            listed.extend(found.iter().copied());
            // Somebody has the other form of a code that nobody has as it is written.
            let mut unknown = agency.codes().filter(|code| directory.find(code).is_none());
            let twin = unknown.find_map(|code| directory.held_elsewhere(code, &home));
            let known = match (found.len(), twin) {
                (0, Some(other)) => {
                    comparison.elsewhere.push(other.clone());
                    continue;
                }
                (0, None) => {
                    comparison.added.push(agency.clone());
                    continue;
                }
                (1, twin) => {
                    let known = found.first().and_then(|id| directory.find(id));
                    known.filter(|known| twin.is_none() || !behind(known))
                }
                _ => None,
            };
            let Some(known) = known else {
                comparison.ambiguous.push(agency.clone());
                continue;
            };
            let has = |code: &OrganId| known.id == *code || known.aliases.contains(code);
            if !behind(known) {
                comparison.elsewhere.push(known.id.clone());
            } else if !known.is_open(today) {
                comparison.back.push((known.id.clone(), agency.clone()));
            } else if agency.codes().all(has) && (agency.name.is_empty() || agency.name == known.name) {
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
        let lines = Lines {
            systems: [line("mot", AdapterKind::VendorHttp)].into(),
            axes: axes.into(),
            ..Lines::default()
        };
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
            agency("G04", &[], ""),
        ];
        let comparison = Comparison::of(&directory, &axis(), &list, today());
        let expected = Comparison {
            added: vec![list[4].clone()],
            changed: vec![(organ("G02"), list[1].clone())],
            back: vec![(organ("G04"), list[6].clone())],
            gone: vec![organ("G03")],
            elsewhere: vec![organ("H55.01"), organ("G09")],
            ambiguous: vec![list[5].clone()],
            same: 1,
        };
        assert_eq!(comparison, expected);
        assert!(comparison.needs_approval(), "one of three");
    }

    #[test]
    fn two_lists_become_one_and_who_is_unclear_is_named() {
        let current = vec![
            agency("G05", &["000.00.00.G05"], "Bộ Năm"),
            agency("G06", &[], "Bộ Sáu"),
            agency("000.00.00.G05", &[], "Bộ Năm"),
            agency("G07", &["G08"], "Bộ Bảy"),
            agency("G08", &["G07"], "Bộ Tám"),
            agency("G06", &[], "Bộ Sáu"),
            agency("G10", &["G11"], "Bộ Mười"),
            agency("G11", &["G12"], "Bộ Mười Một"),
        ];
        let newer = vec![
            agency("G06", &["000.00.00.G06"], "Bộ Sáu (mới)"),
            agency("G20", &["000.00.00.G20"], ""),
            agency("G13", &["G08"], ""),
        ];
        let found = joined(current.clone(), newer.clone());
        assert_eq!(
            found.agencies,
            [current[0].clone(), agency("G06", &["000.00.00.G06"], "Bộ Sáu"), newer[1].clone()]
        );
        let unclear: Vec<&str> = found.unclear.iter().map(|one| one.code.as_str()).collect();
        assert_eq!(unclear, ["G07", "G08", "G13", "G10", "G11"]);
        assert_eq!(joined(Vec::new(), newer[..2].to_vec()).agencies, newer[..2]);
        // A chain as long as a list may be takes no time and no stack.
        let chain = (0..LIST_LINES_MAX).map(|n| agency(&format!("X{n}"), &[&format!("X{}", n + 1)], ""));
        let found = joined(chain.rev().collect(), Vec::new());
        assert_eq!((found.agencies.len(), found.unclear.len()), (0, LIST_LINES_MAX));
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
