//! What a list of an axis does to its roll (design.md B5): who is new comes in, who is gone is closed with a date, what stands
//! in the operator's file or is at home elsewhere stays as it is. When too many are gone, somebody has to say that it is so,
//! and until then nothing of the list counts.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use jiff::civil::Date;
use lienthong_schemas::organ::{OrganId, OrganPath};
use serde::{Deserialize, Serialize};

use super::agencies::{Agency, Comparison, GONE_PERCENT_MAX, Joined};
use super::roll::{Decided, Decision, Listed, OTHER_CODES_MAX, Pending, ROLL_ENTRIES_MAX, Roll};
use super::{Directory, Home};
use crate::record::SystemId;

/// What taking a list would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The list beside the directory.
    pub comparison: Comparison,
    /// Agencies of the list that the axis does not speak for, by the settings.
    pub outside: Vec<OrganId>,
    /// What would change if it were not in the operator's file, which the list never changes.
    pub in_file: Vec<OrganId>,
    /// Would come in, or are back.
    pub opens: Vec<OrganId>,
    /// Would have another name, or further codes.
    pub changes: Vec<OrganId>,
    /// Would be closed.
    pub closes: Vec<OrganId>,
    /// Systems whose registrations are lost: nobody knows whether a code that the list would bring in is theirs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub in_doubt: Vec<SystemId>,
    /// So many would be closed, or whose the codes are is so much in doubt, that an operator has to agree.
    pub needs_approval: bool,
}

impl Plan {
    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.opens.is_empty() && self.changes.is_empty() && self.closes.is_empty()
    }
}

/// Taking the list would make the roll longer than [`ROLL_ENTRIES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {ROLL_ENTRIES_MAX} organisations")]
pub struct RollFull;

/// A list as it came.
#[derive(Clone, Debug)]
pub struct List {
    /// When it was asked for.
    pub at: Timestamp,
    /// What it says.
    pub joined: Joined,
    /// The list by QĐ 20/2020 is in it.
    pub has_qd20: bool,
}

/// Beside which directory, for whom, and when a list is looked at.
#[derive(Clone, Copy)]
pub struct Beside<'d> {
    /// The directory, the roll with it.
    pub directory: &'d Directory,
    /// Our own code, which is never behind an axis.
    pub own: &'d OrganId,
    /// The day that it is.
    pub today: Date,
    /// Systems whose roll is damaged and set aside: which codes are theirs, nobody knows.
    pub lost: &'d [SystemId],
}

impl Roll {
    /// What this list would do, and the organisations after it.
    ///
    /// # Errors
    /// They would be too many.
    pub fn plan(&self, beside: Beside<'_>, joined: &Joined) -> Result<(Plan, Vec<Listed>), RollFull> {
        let (Home::Axis(axis) | Home::System(axis)) = &self.home;
        let Beside { directory, own, today, lost } = beside;
        let mut plan = Plan::default();
        let mut inside: Vec<Agency> = Vec::with_capacity(joined.agencies.len());
        let own = OrganPath::of(own);
        let speaks = |code: &OrganId| directory.lines().may_speak(axis, code) && OrganPath::of(code) != own;
        let mut outside = Vec::new();
        for agency in &joined.agencies {
            match codes(agency).all(speaks) {
                true => inside.push(agency.clone()),
                false => outside.push(agency),
            }
        }
        plan.outside.extend(outside.iter().map(|agency| agency.code.clone()));
        plan.comparison = Comparison::of(directory, axis, &inside, today);
        // Whoever the list names is not gone, whatever else it says of it.
        let others = outside.into_iter().chain(&joined.unclear).flat_map(codes);
        let named: HashSet<&OrganId> = others.filter_map(|code| Some(&directory.find(code)?.id)).collect();
        plan.comparison.gone.retain(|gone| !named.contains(gone));
        plan.comparison.ambiguous.extend(joined.unclear.iter().cloned());
        let next = self.next(&mut plan, today);
        let open = self.entries.iter().filter(|one| one.closed.is_none()).count();
        if !plan.opens.is_empty() || !plan.changes.is_empty() {
            plan.in_doubt = lost.to_vec();
        }
        plan.needs_approval = plan.closes.len() * 100 > open * GONE_PERCENT_MAX || !plan.in_doubt.is_empty();
        if next.len() > ROLL_ENTRIES_MAX { Err(RollFull) } else { Ok((plan, next)) }
    }

    /// The organisations as the list has them; what it changes is noted in the plan.
    fn next(&self, plan: &mut Plan, today: Date) -> Vec<Listed> {
        let mut next = self.entries.clone();
        let places: HashMap<OrganId, usize> =
            next.iter().enumerate().map(|(at, one)| (one.code.clone(), at)).collect();
        let Plan { comparison, in_file, opens, changes, closes, .. } = plan;
        for (known, agency) in comparison.changed.iter().chain(&comparison.back) {
            let Some(listed) = places.get(known).and_then(|at| next.get_mut(*at)) else {
                in_file.push(known.clone());
                continue;
            };
            let was_closed = listed.closed.take().is_some();
            if learn(listed, agency) && !was_closed {
                changes.push(known.clone());
            }
            if was_closed {
                opens.push(known.clone());
            }
        }
        for gone in &comparison.gone {
            match places.get(gone).and_then(|at| next.get_mut(*at)) {
                // Its last day was yesterday.
                Some(listed) => {
                    listed.closed = Some(today.yesterday().unwrap_or(today));
                    closes.push(gone.clone());
                }
                None => in_file.push(gone.clone()),
            }
        }
        for agency in &comparison.added {
            let mut listed = Listed {
                code: agency.code.clone(),
                other: Vec::new(),
                name: agency.code.to_string(),
                contact: String::new(),
                closed: None,
            };
            learn(&mut listed, agency);
            next.push(listed);
            opens.push(agency.code.clone());
        }
        next
    }

    /// The roll after this list: with it, or with the list waiting for an operator.
    ///
    /// # Errors
    /// They would be too many.
    pub fn with_list(&self, beside: Beside<'_>, list: List) -> Result<(Self, Plan), RollFull> {
        let (plan, entries) = self.plan(beside, &list.joined)?;
        let mut roll = self.clone();
        roll.has_qd20 |= list.has_qd20;
        roll.synced_at = Some(list.at);
        if plan.needs_approval {
            let Joined { agencies, unclear } = list.joined;
            roll.pending = Some(Pending { at: list.at, agencies, unclear });
            return Ok((roll, plan));
        }
        roll.pending = None;
        roll.entries = entries;
        if !plan.is_empty() {
            roll.decided(decision(&plan, list.at, Decided::Taken, "", ""));
        }
        Ok((roll, plan))
    }

    /// What the list that waits would do.
    ///
    /// # Errors
    /// They would be too many.
    pub fn pending_plan(&self, beside: Beside<'_>) -> Result<Option<Plan>, RollFull> {
        let Some(pending) = &self.pending else { return Ok(None) };
        self.plan(beside, &pending.joined()).map(|(plan, _)| Some(plan))
    }

    /// The roll after an operator's word on the list that waits; `None` when none does.
    ///
    /// # Errors
    /// They would be too many, and the word is to take them.
    pub fn with_word(
        &self,
        beside: Beside<'_>,
        decided: Decided,
        at: Timestamp,
        (operator, reason): (&str, &str),
    ) -> Result<Option<(Self, Plan)>, RollFull> {
        let mut roll = self.clone();
        let Some(pending) = roll.pending.take() else { return Ok(None) };
        let plan = match (self.plan(beside, &pending.joined()), decided) {
            (Ok((plan, _)), Decided::Rejected) => plan,
            (Err(RollFull), Decided::Rejected) => Plan::default(),
            (planned, Decided::Approved | Decided::Taken) => {
                let (plan, entries) = planned?;
                roll.entries = entries;
                plan
            }
        };
        roll.decided(decision(&plan, at, decided, operator, reason));
        Ok(Some((roll, plan)))
    }
}

impl Pending {
    fn joined(&self) -> Joined {
        Joined { agencies: self.agencies.clone(), unclear: self.unclear.clone() }
    }
}

fn codes(agency: &Agency) -> impl Iterator<Item = &OrganId> {
    std::iter::once(&agency.code).chain(&agency.other)
}

/// Takes the name and further codes of an agency; whether anything is new. A code that it had stays: documents are under
/// way to it.
fn learn(listed: &mut Listed, agency: &Agency) -> bool {
    let before = listed.clone();
    if !agency.name.is_empty() {
        listed.name.clone_from(&agency.name);
    }
    for code in codes(agency) {
        if listed.other.len() < OTHER_CODES_MAX && !listed.codes().any(|known| known == code) {
            listed.other.push(code.clone());
        }
    }
    *listed != before
}

fn decision(plan: &Plan, at: Timestamp, decided: Decided, operator: &str, reason: &str) -> Decision {
    Decision {
        at,
        decided,
        operator: operator.to_owned(),
        reason: reason.to_owned(),
        code: None,
        opened: plan.opens.len(),
        changed: plan.changes.len(),
        closed: plan.closes.len(),
    }
}
