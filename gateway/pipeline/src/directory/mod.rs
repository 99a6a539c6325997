//! The directory of organisations (design.md B5): who has which codes, where it is at home, what is asked of it.
//! Read from TOML as a whole or refused as a whole; a reload swaps it.

mod agencies;
mod copies;
mod entry;
mod held;
mod requests;
mod roll;
mod staging;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::civil::Date;
use lienthong_schemas::edxml::SignaturePolicy;
use lienthong_schemas::organ::{OrganGroup, OrganId};
use serde::{Deserialize, Serialize};
use xml_sig::{Authorities, Signers};

pub use self::agencies::{Agency, Comparison, GONE_PERCENT_MAX, Joined, LIST_LINES_MAX, joined};
use self::entry::{Entry, entries, organisation};
use self::held::Held;
pub use self::requests::{REQUESTS_MAX, Request, Undecided, Wish};
pub use self::roll::{
    DECISIONS_MAX, Decided, Decision, LeftOut, Listed, OTHER_CODES_MAX, Pending, ROLL_ENTRIES_MAX, Roll, Why,
};
pub use self::staging::{Beside, List, Plan, RollFull};
use crate::record::{AdapterKind, MailAddress, SystemId};
use crate::trust::TrustSets;

/// The home of an organisation: exactly one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Home {
    /// A connected system.
    System(SystemId),
    /// An axis, such as the Government Office's.
    Axis(SystemId),
}

/// What the settings say of a system or an axis that an organisation can be at home at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// How packets go there; `None`: it takes none.
    pub way: Option<AdapterKind>,
    /// Largest packet that can go there, in bytes.
    pub packet_bytes_max: Option<u64>,
}

/// All lines of the settings.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    /// Connected systems.
    pub systems: HashMap<SystemId, Line>,
    /// Axes.
    pub axes: HashMap<SystemId, Line>,
    /// Axes that speak for these groups only; others for whoever is not at home here.
    pub speak_for: HashMap<SystemId, Vec<OrganGroup>>,
}

impl Lines {
    /// Whether an axis may speak for a code that the directory does not have.
    pub fn may_speak(&self, axis: &SystemId, code: &OrganId) -> bool {
        self.speak_for.get(axis).is_none_or(|groups| groups.iter().any(|group| group.contains(code)))
    }

    fn of(&self, home: &Home) -> Option<Line> {
        match home {
            Home::System(system) => self.systems.get(system).copied(),
            Home::Axis(axis) => self.axes.get(axis).copied(),
        }
    }
}

/// Who says that a document has arrived (`answers`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answers {
    /// The receiver's own system.
    #[default]
    Receiver,
    /// We write one 01 on its behalf.
    AxisOnBehalf,
}

/// How an organisation is reached (`reach`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// By packet.
    #[default]
    Electronic,
    /// By paper only: the receipt says so.
    Paper,
}

/// One organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organisation {
    /// Its code now.
    pub id: OrganId,
    /// Other codes, old and new, that mean the same organisation.
    pub aliases: Vec<OrganId>,
    /// Its name.
    pub name: String,
    /// Where it is at home; `None` only for `reach = "paper"` and closed codes.
    pub home: Option<Home>,
    /// How packets go to its home; `None` when they do not.
    pub way: Option<AdapterKind>,
    /// Its mailbox; present where its home is reached by e-mail.
    pub mailbox: Option<MailAddress>,
    /// What is asked of its signatures.
    pub signature: SignaturePolicy,
    /// SHA-1 is taken from this sender.
    pub legacy_sha1: bool,
    /// Certificates that may sign for it. Nobody: a signature cannot be judged.
    pub signers: Arc<Signers>,
    /// The set of authorities that its signers' chains must lead to; `None`: the default one.
    pub trust: Option<String>,
    /// Who answers.
    pub answers: Answers,
    /// How it is reached.
    pub reach: Reach,
    /// First day of the code.
    pub valid_from: Option<Date>,
    /// Last day of the code.
    pub valid_to: Option<Date>,
    /// Who took over.
    pub successors: Vec<OrganId>,
    /// Telephone or mail of the clerk.
    pub contact: String,
    /// Largest packet it takes, in bytes.
    pub accepts_max_bytes: Option<u64>,
}

impl Organisation {
    /// Whether the code may be used on this day.
    pub fn is_open(&self, day: Date) -> bool {
        self.valid_from.is_none_or(|from| from <= day) && self.valid_to.is_none_or(|to| day <= to)
    }
}

/// Something wrong in the directory's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("organisation {place}: {rule}")]
pub struct DirectoryFault {
    /// Code or number of the entry, and the key.
    pub place: String,
    /// The rule that it breaks, Vietnamese first.
    pub rule: String,
}

/// All organisations, found by any of their codes.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    organisations: Vec<Organisation>,
    /// So many of them stand in the operator's file; those behind them, in rolls.
    written: usize,
    by_code: HashMap<OrganId, usize>,
    /// Who has which code in whichever form; with those that a roll has and this directory not.
    held: Held,
    /// From a successor to those that it took over from.
    before: HashMap<usize, Vec<usize>>,
    lines: Lines,
    trust: TrustSets,
}

impl Directory {
    /// Reads a directory. `load` gives the bytes of a certificate file named in it; `lines` and `trust` are what the
    /// settings know.
    ///
    /// # Errors
    /// Everything that is wrong, at once: unknown keys, bad codes, a code twice, two homes or none, an unknown system
    /// or axis, one that takes no packets, a mailbox missing where mail goes, or out of place, a successor that is not
    /// there, a cycle of successors, an unreadable certificate or subject, a binding twice, an unknown trust set, a subject
    /// without authorities to vouch for it.
    pub fn from_toml(
        text: &str,
        lines: &Lines,
        trust: &TrustSets,
        load: &mut dyn FnMut(&str) -> Result<Vec<u8>, String>,
    ) -> Result<Self, Vec<DirectoryFault>> {
        let mut faults = Vec::new();
        let mut organisations = Vec::new();
        for (number, table) in entries(text, &mut faults).into_iter().enumerate() {
            let named = table.get("organ_id").and_then(|v| v.as_str()).map(str::to_owned);
            let place = named.unwrap_or_else(|| format!("#{}", number + 1));
            let mut fault = |key: &str, rule: String| {
                faults.push(DirectoryFault { place: format!("{place}.{key}"), rule });
            };
            match Entry::deserialize(toml::Value::Table(table)) {
                Ok(entry) => organisations.extend(organisation(entry, lines, trust, load, &mut fault)),
                Err(error) => fault("", error.message().to_owned()),
            }
        }
        let by_code = index(&organisations, &mut faults);
        successors(&organisations, &by_code, &mut faults);
        if faults.is_empty() {
            let before = predecessors(&organisations, &by_code);
            let (written, held) = (organisations.len(), Held::of(&organisations));
            let (lines, trust) = (lines.clone(), trust.clone());
            Ok(Self { organisations, written, by_code, held, before, lines, trust })
        } else {
            Err(faults)
        }
    }

    /// The organisation that a code, old or new, means.
    pub fn find(&self, code: &OrganId) -> Option<&Organisation> {
        self.by_code.get(code).map(|&at| &self.organisations[at])
    }

    /// The code that the directory has for the organisation which a code means; the code itself when nobody has it.
    pub fn resolved(&self, code: &OrganId) -> OrganId {
        self.find(code).map_or_else(|| code.clone(), |organisation| organisation.id.clone())
    }

    /// The codes for which an organisation speaks on this day: its own, then those that were closed by then and that it
    /// took over, at once or by way of others; at most [`Directory::BODIES_MAX`]. A code that nobody has speaks for itself.
    pub fn bodies(&self, code: &OrganId, day: Date) -> Vec<OrganId> {
        let Some(&at) = self.by_code.get(code) else { return vec![code.clone()] };
        let mut found = vec![at];
        let mut next = 0;
        while let Some(&at) = found.get(next) {
            next += 1;
            for &before in self.before.get(&at).map_or(&[][..], Vec::as_slice) {
                let is_gone = !self.organisations[before].is_open(day);
                if is_gone && !found.contains(&before) && found.len() < Self::BODIES_MAX {
                    found.push(before);
                }
            }
        }
        found.into_iter().map(|at| self.organisations[at].id.clone()).collect()
    }

    /// Most codes that one organisation speaks for.
    pub const BODIES_MAX: usize = 64;

    /// The authorities that an organisation's signers are judged by.
    pub fn authorities_of(&self, organisation: &Organisation) -> Arc<Authorities> {
        // The set was there when the entry was read; a stranger's entry has nothing to be trusted by.
        self.trust.find(organisation.trust.as_deref()).cloned().unwrap_or_default()
    }

    /// What the settings that it was read with say of systems and axes.
    pub fn lines(&self) -> &Lines {
        &self.lines
    }

    /// The authorities that were read with it.
    pub fn trust(&self) -> &TrustSets {
        &self.trust
    }

    /// All of them: as written, and then those of rolls.
    pub fn organisations(&self) -> &[Organisation] {
        &self.organisations
    }

    /// Codes that are new, gone or changed in `next`, for the log. What changed in a trust set is no change of those that
    /// name it.
    pub fn difference(&self, next: &Self) -> BTreeMap<&'static str, Vec<String>> {
        fn of<'d>(directory: &'d Directory, code: &OrganId) -> Option<&'d Organisation> {
            directory.find(code).filter(|found| found.id == *code)
        }
        let mut lists: BTreeMap<_, Vec<String>> =
            ["added", "changed", "removed"].map(|list| (list, Vec::new())).into();
        let mut note = |list, code: &OrganId| lists.entry(list).or_default().push(code.to_string());
        for organisation in &next.organisations {
            match of(self, &organisation.id) {
                None => note("added", &organisation.id),
                Some(before) if before != organisation => note("changed", &organisation.id),
                Some(_) => {}
            }
        }
        let gone = self.organisations.iter().filter(|o| of(next, &o.id).is_none());
        gone.for_each(|organisation| note("removed", &organisation.id));
        lists
    }
}

fn index(organisations: &[Organisation], faults: &mut Vec<DirectoryFault>) -> HashMap<OrganId, usize> {
    let mut by_code = HashMap::new();
    for (at, organisation) in organisations.iter().enumerate() {
        for code in std::iter::once(&organisation.id).chain(&organisation.aliases) {
            if by_code.insert(code.clone(), at).is_some() {
                let rule = format!("mã {code} khai hai lần (the code {code} stands twice)");
                faults.push(DirectoryFault { place: organisation.id.to_string(), rule });
            }
        }
    }
    by_code
}

fn predecessors(
    organisations: &[Organisation],
    by_code: &HashMap<OrganId, usize>,
) -> HashMap<usize, Vec<usize>> {
    let mut before: HashMap<usize, Vec<usize>> = HashMap::new();
    for (at, organisation) in organisations.iter().enumerate() {
        for next in organisation.successors.iter().filter_map(|code| by_code.get(code)) {
            before.entry(*next).or_default().push(at);
        }
    }
    before
}

fn successors(
    organisations: &[Organisation],
    by_code: &HashMap<OrganId, usize>,
    faults: &mut Vec<DirectoryFault>,
) {
    // 0 = not seen, 1 = on the path that is being walked, 2 = free of cycles. Walked without recursion: the depth of a
    // chain of successors is the file's, not ours.
    let mut marks = vec![0_u8; organisations.len()];
    for start in 0..organisations.len() {
        let mut path = vec![(start, 0_usize)];
        while let Some((at, child)) = path.pop() {
            if child == 0 {
                if marks[at] == 2 {
                    continue;
                }
                marks[at] = 1;
            }
            let organisation = &organisations[at];
            let Some(code) = organisation.successors.get(child) else {
                marks[at] = 2;
                continue;
            };
            path.push((at, child + 1));
            let mut fault = |rule: String| {
                faults.push(DirectoryFault { place: format!("{}.successors", organisation.id), rule });
            };
            match by_code.get(code) {
                None => fault(format!("không có đơn vị {code} (no such organisation)")),
                Some(&next) if marks[next] == 1 => fault(format!("vòng lặp qua {code} (a cycle by {code})")),
                Some(&next) => path.push((next, 0)),
            }
        }
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod staging_tests;
