//! A roll: organisations that stand beside the operator's directory file, because the list of an axis has them or because a
//! system has registered them. The file always wins; a roll never moves a code. What a list changes is decided in
//! `staging`, what a system may register in `requests`.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use lienthong_schemas::organ::OrganId;
use serde::{Deserialize, Serialize};
use xml_sig::Signers;

use super::agencies::Agency;
use super::held::Held;
use super::requests::Request;
use super::{Answers, Directory, Home, Organisation, Reach, predecessors};
use crate::record::AdapterKind;

/// Most organisations of one roll, those that are closed with them.
pub const ROLL_ENTRIES_MAX: usize = 50_000;
/// Most codes of one organisation of a roll besides its first one; what a list says beyond that is left out.
pub const OTHER_CODES_MAX: usize = 8;
/// Decisions that a roll remembers; the oldest go first.
pub const DECISIONS_MAX: usize = 50;

/// One organisation of a roll.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The code that it was first listed under; it stays, so that the ids of its deliveries do.
    pub code: OrganId,
    /// Other codes, old and new; at most [`OTHER_CODES_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other: Vec<OrganId>,
    /// Its name, escaped and cut.
    pub name: String,
    /// Telephone or mail; escaped and cut, may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub contact: String,
    /// Its last day, when it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Date>,
}

impl Listed {
    /// All its codes.
    pub fn codes(&self) -> impl Iterator<Item = &OrganId> {
        std::iter::once(&self.code).chain(&self.other)
    }
}

/// A list that waits for an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// When it was asked for.
    pub at: Timestamp,
    /// What it says.
    pub agencies: Vec<Agency>,
    /// Of whom it says something that cannot be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unclear: Vec<Agency>,
}

/// What was decided about a roll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decided {
    /// A list was taken as it came: few or none are gone.
    Taken,
    /// An operator agreed.
    Approved,
    /// An operator did not.
    Rejected,
}

/// A decision, for whoever asks later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// When.
    pub at: Timestamp,
    /// What.
    pub decided: Decided,
    /// Which operator, by the name in the settings; empty: nobody was needed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub operator: String,
    /// Why, in the operator's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// About one organisation only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<OrganId>,
    /// Organisations that came, or are back.
    #[serde(default)]
    pub opened: usize,
    /// Organisations with another name or further codes.
    #[serde(default)]
    pub changed: usize,
    /// Organisations that are closed since.
    #[serde(default)]
    pub closed: usize,
}

/// What stands beside the directory file for one axis or one system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roll {
    /// Where all of them are at home.
    pub home: Home,
    /// The organisations, in the order in which they came.
    #[serde(default)]
    pub entries: Vec<Listed>,
    /// When the list that was last taken or looked at was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synced_at: Option<Timestamp>,
    /// The axis has given its list by QĐ 20/2020, too: without it the other one says nothing of who is gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_qd20: bool,
    /// A list that waits for an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// What the system has asked for and nobody has decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<Request>,
    /// What it had asked for, and took back before anybody had decided: to take it back again is no error. The newest, at
    /// most [`super::REQUESTS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<OrganId>,
    /// The newest decisions, the oldest first; at most [`DECISIONS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<Decision>,
}

impl Roll {
    /// An empty one.
    pub fn new(home: Home) -> Self {
        Self {
            home,
            entries: Vec::new(),
            synced_at: None,
            has_qd20: false,
            pending: None,
            requests: Vec::new(),
            withdrawn: Vec::new(),
            decisions: Vec::new(),
        }
    }

    /// Remembers a decision.
    pub(super) fn decided(&mut self, decision: Decision) {
        if self.decisions.len() >= DECISIONS_MAX {
            self.decisions.remove(0);
        }
        self.decisions.push(decision);
    }
}

/// Why an organisation of a roll is not in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// One of its codes stands in the directory file, or in the roll of another one, in this or the other form.
    CodeTaken,
    /// The settings have no such axis or system, or it takes no packets, or only by mail.
    NoWay,
}

/// An organisation of a roll that is not in the directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Of which roll.
    pub home: Home,
    /// Its first code.
    pub code: OrganId,
    /// Why.
    pub why: Why,
}

impl Directory {
    /// The directory file with these rolls beside it, whatever stood beside it before; and who is left out. Systems' rolls
    /// come before those of axes, each kind in its order: of two that have one code, in whichever form, the first has it.
    pub fn with_rolls<'r>(&self, rolls: impl IntoIterator<Item = &'r Roll>) -> (Self, Vec<LeftOut>) {
        let organisations = self.organisations[..self.written].to_vec();
        let by_code = self.by_code.iter().filter(|(_, at)| **at < self.written);
        let mut next = Self {
            by_code: by_code.map(|(code, at)| (code.clone(), *at)).collect(),
            held: Held::of(&organisations),
            organisations,
            written: self.written,
            before: HashMap::new(),
            lines: self.lines.clone(),
            trust: self.trust.clone(),
        };
        let mut left_out = Vec::new();
        let is_axis = |roll: &&Roll| matches!(roll.home, Home::Axis(_));
        let (axes, systems): (Vec<_>, Vec<_>) = rolls.into_iter().partition(is_axis);
        for roll in systems.into_iter().chain(axes) {
            next.take_roll(roll, &mut left_out);
        }
        next.before = predecessors(&next.organisations, &next.by_code);
        (next, left_out)
    }

    fn take_roll(&mut self, roll: &Roll, left_out: &mut Vec<LeftOut>) {
        let line = self.lines.of(&roll.home).unwrap_or_default();
        let way = line.way.filter(|way| *way != AdapterKind::Email);
        for listed in &roll.entries {
            let mut leave =
                |why| left_out.push(LeftOut { home: roll.home.clone(), code: listed.code.clone(), why });
            let is_taken =
                |code| self.by_code.contains_key(code) || self.held_elsewhere(code, &roll.home).is_some();
            if way.is_some() && listed.codes().any(is_taken) {
                leave(Why::CodeTaken);
                continue;
            }
            // Who is not connected keeps its codes all the same.
            self.held.add(&listed.code, Some(&roll.home), listed.codes());
            let Some(way) = way else {
                leave(Why::NoWay);
                continue;
            };
            self.by_code.extend(listed.codes().map(|code| (code.clone(), self.organisations.len())));
            self.organisations.push(organisation(listed, &roll.home, way, line.packet_bytes_max));
        }
    }

    /// Whether the operator's file has the organisation that a code means, and not a roll.
    pub fn is_written(&self, code: &OrganId) -> bool {
        self.by_code.get(code).is_some_and(|at| *at < self.written)
    }
}

fn organisation(listed: &Listed, home: &Home, way: AdapterKind, most: Option<u64>) -> Organisation {
    Organisation {
        id: listed.code.clone(),
        aliases: listed.other.clone(),
        name: listed.name.clone(),
        home: Some(home.clone()),
        way: Some(way),
        mailbox: None,
        signature: lienthong_schemas::edxml::SignaturePolicy::default(),
        legacy_sha1: false,
        signers: Arc::new(Signers::default()),
        trust: None,
        answers: Answers::default(),
        reach: Reach::default(),
        valid_from: None,
        valid_to: listed.closed,
        successors: Vec::new(),
        contact: listed.contact.clone(),
        accepts_max_bytes: most,
    }
}
