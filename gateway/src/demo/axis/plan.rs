//! What an axis is to be: who is connected to it, who exists, and how it treats what it is given.

use lienthong_schemas::organ::OrganId;
use serde::{Deserialize, Serialize};

/// A system that is connected to the axis.
#[derive(Clone)]
pub struct System {
    /// Its `systemid`.
    pub id: String,
    /// The key that it shares with the axis.
    pub secret: Vec<u8>,
    /// Whom it speaks for: each of these, and whoever is below one by whole groups of the code. Mail to them waits for it.
    pub organisations: Vec<OrganId>,
}

/// Whether an agency can be written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgencyState {
    /// It can.
    #[default]
    Open,
    /// It is listed, and packets to it are refused with 23.
    Locked,
    /// It is still listed, and packets to it are refused with 18.
    Closed,
    /// It is not listed, and packets to it are refused with 18.
    Deleted,
}

/// A line of the axis's lists of agencies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Agency {
    /// The code in use.
    pub code: String,
    /// The code of QCVN 102 that it had; may be empty. Packets may name either.
    pub old_code: String,
    /// Its name.
    pub name: String,
    /// The code of the one above it; may be empty.
    pub parent: String,
    /// Its address; may be empty.
    pub mail: String,
    /// Whether it can be written to.
    pub state: AgencyState,
}

impl Agency {
    /// One with a code and a name.
    pub fn named(code: &str, name: &str) -> Self {
        Self { code: code.to_owned(), name: name.to_owned(), ..Self::default() }
    }

    /// Whether this is one of its codes, in whatever letters.
    pub(super) fn has(&self, code: &str) -> bool {
        let code = code.trim();
        !code.is_empty() && (self.code.eq_ignore_ascii_case(code) || self.old_code.eq_ignore_ascii_case(code))
    }
}

/// How the axis treats what it is given.
#[derive(Clone, Debug)]
pub struct Habits {
    /// Codes of the first system, as they are, beside its [`System::organisations`].
    pub ours: Vec<String>,
    /// `to` limits the receivers; else they are those of the packet, whatever `to` says.
    pub honours_to: bool,
    /// Packets come out written anew: another order, the signature in another namespace, attachments zipped again, one
    /// more `TraceHeader`.
    pub rewrites: bool,
    /// What failed is listed again.
    pub offers_failed: bool,
    /// What both lists of agencies tell.
    pub agencies: Vec<Agency>,
    /// Packets are read: what is no edXML is refused with 22, a sender that the system does not speak for with 19,
    /// receivers by their [`AgencyState`]. Else everything is taken, for whomever.
    pub checks: bool,
    /// Requests must be exactly what the SDK makes, made within five minutes; else what a server has to accept is accepted:
    /// a timestamp as old as the client, both spellings of `docId` and of `hash-file`, GET and POST.
    pub exact: bool,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            ours: Vec::new(),
            honours_to: true,
            rewrites: false,
            offers_failed: false,
            agencies: Vec::new(),
            checks: false,
            exact: true,
        }
    }
}

impl Habits {
    /// The agency with this code.
    pub(super) fn agency(&self, code: &str) -> Option<&Agency> {
        self.agencies.iter().find(|agency| agency.has(code))
    }
}

/// The system that speaks for a code, by its place. Old codes count as the ones in use.
pub(super) fn owner(systems: &[System], habits: &Habits, code: &str) -> Option<usize> {
    if habits.ours.iter().any(|ours| ours == code) {
        return Some(0);
    }
    let in_use = habits.agency(code).map_or(code, |agency| &agency.code);
    let named = OrganId::parse(in_use).ok()?;
    // The nearest one above it wins: a department may have a system of its own.
    let mut above = std::iter::successors(Some(named), OrganId::parent);
    above.find_map(|code| systems.iter().position(|system| system.organisations.contains(&code)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(organisations: &[&str]) -> System {
        let organisations = organisations.iter().map(|code| OrganId::parse(code).expect("a code")).collect();
        System { id: String::new(), secret: Vec::new(), organisations }
    }

    #[test]
    fn a_system_speaks_for_whole_groups_and_the_nearest_one_counts() {
        let systems = [system(&["H55"]), system(&["H55.15", "G22"])];
        let old = Agency { old_code: "000.00.22.H55".to_owned(), ..Agency::named("H55.22", "Sở") };
        let habits = Habits { agencies: vec![old], ours: vec!["K01".to_owned()], ..Habits::default() };
        for (code, expected) in [
            ("H55", Some(0)),
            ("h55.2", Some(0)),
            ("H55.15", Some(1)),
            ("H55.15.03", Some(1)),
            ("H55.151", Some(0)),
            ("H551", None),
            ("G22.01", Some(1)),
            ("000.00.22.H55", Some(0)),
            ("000.00.23.H55", None),
            ("K01", Some(0)),
            ("K01.01", None),
        ] {
            assert_eq!(owner(&systems, &habits, code), expected, "{code}");
        }
    }
}
