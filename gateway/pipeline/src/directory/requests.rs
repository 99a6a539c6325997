//! What a connected system asks to be registered or deleted (registerAgency, deleteAgency of the SDK): kept until an operator
//! has decided, and within whole groups of codes that the settings give it. Nobody is ever moved to it.

use jiff::Timestamp;
use jiff::civil::Date;
use lienthong_schemas::organ::{OrganGroup, OrganId, OrganPath};
use lienthong_schemas::rejections::{Rejection, RejectionCode};
use serde::{Deserialize, Serialize};

use super::roll::{Decided, Decision, Listed, ROLL_ENTRIES_MAX, Roll};
use super::staging::{Beside, RollFull};
use crate::record::AdapterKind;

/// Most requests of one system that wait at once.
pub const REQUESTS_MAX: usize = 200;

/// What a system asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// The organisation is to be at home at the system, under this name; texts are escaped and cut.
    Register {
        /// Its name.
        name: String,
        /// Its mail; may be empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        contact: String,
        /// The code above it, as the system says; for the operator to read.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        parent: String,
    },
    /// It is to be closed.
    Delete,
}

/// A wish for one organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Its code.
    pub code: OrganId,
    /// What is wished for.
    pub wish: Wish,
    /// Since when.
    pub at: Timestamp,
}

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    /// Nothing of that code waits.
    #[error("nothing waits")]
    Nothing,
    /// The code is at home elsewhere, or in the operator's file, by now.
    #[error("{0} is taken by now")]
    Taken(OrganId),
    /// There is no room.
    #[error(transparent)]
    Full(#[from] RollFull),
}

impl Roll {
    /// The roll with a request of its system; `None` when nothing has to be done for it. A later one about the same code
    /// takes the place of an earlier one, so that a repeat is no second one.
    ///
    /// # Errors
    /// The code is outside `scope`, at home elsewhere in this or its other form, in the operator's file, or not known where it is to be deleted; the
    /// system takes no packets; too many wait.
    pub fn with_request(
        &self,
        beside: Beside<'_>,
        scope: &[OrganGroup],
        request: Request,
    ) -> Result<Option<Self>, Rejection> {
        let code = &request.code;
        let refuse = |why| Rejection::new(why).at("code").because(code.as_str());
        let is_own = OrganPath::of(code) == OrganPath::of(beside.own);
        if !scope.iter().any(|group| group.contains(code)) || is_own {
            return Err(refuse(RejectionCode::AgencyOutOfScope));
        }
        let way = beside.directory.lines().of(&self.home).and_then(|line| line.way);
        if !matches!(way, Some(AdapterKind::Mailbox | AdapterKind::VendorHttp)) {
            let why = "the system has no way in that organisations could be registered behind";
            return Err(Rejection::new(RejectionCode::OperationOff).because(why));
        }
        let found = beside.directory.find(code);
        let is_delete = request.wish == Wish::Delete;
        if !is_delete && beside.directory.is_twin(code, &self.home) {
            let other = beside.directory.held_elsewhere(code, &self.home);
            return Err(refuse(other.map_or(RejectionCode::AgencyFixed, |_| RejectionCode::AgencyElsewhere)));
        }
        let mut roll = self.clone();
        roll.requests.retain(|other| other.code != *code);
        if !is_delete {
            roll.withdrawn.retain(|other| other != code);
        }
        let entry = found.and_then(|found| self.entries.iter().find(|one| one.code == found.id));
        let is_done = match (&request.wish, found, entry) {
            (_, Some(found), None) if found.home.as_ref() != Some(&self.home) => {
                return Err(refuse(if is_delete {
                    RejectionCode::NotFound
                } else {
                    RejectionCode::AgencyElsewhere
                }));
            }
            (Wish::Register { name, .. }, Some(found), None) if *name == found.name => true,
            (_, Some(_), None) => return Err(refuse(RejectionCode::AgencyFixed)),
            (Wish::Register { name, contact, .. }, _, Some(entry)) => {
                entry.closed.is_none() && entry.name == *name && entry.contact == *contact
            }
            (Wish::Delete, _, Some(entry)) => entry.closed.is_some(),
            (Wish::Delete, None, None) if roll.requests.len() < self.requests.len() => {
                roll.withdraw(code);
                true
            }
            // The SDK asks again when it did not hear the answer (spec vxp-api section 1).
            (Wish::Delete, None, None) if roll.withdrawn.contains(code) => true,
            (Wish::Delete, None, None) => return Err(refuse(RejectionCode::NotFound)),
            (Wish::Register { .. }, None, None) => false,
        };
        if is_done {
            return Ok((roll != *self).then_some(roll));
        }
        let same = |other: &&Request| other.code == *code && other.wish == request.wish;
        if self.requests.iter().find(same).is_some() {
            return Ok(None);
        }
        if roll.requests.len() >= REQUESTS_MAX {
            return Err(refuse(RejectionCode::AgencyRequestsTooMany));
        }
        roll.requests.push(request);
        Ok(Some(roll))
    }

    /// It was asked for, nobody had decided, and it is not asked for any more.
    fn withdraw(&mut self, code: &OrganId) {
        if self.withdrawn.len() >= REQUESTS_MAX {
            self.withdrawn.remove(0);
        }
        self.withdrawn.push(code.clone());
    }

    /// The roll after an operator's word on the request about this code.
    ///
    /// # Errors
    /// See [`Undecided`].
    pub fn with_answer(
        &self,
        beside: Beside<'_>,
        code: &OrganId,
        decided: Decided,
        at: Timestamp,
        (operator, reason): (&str, &str),
    ) -> Result<Self, Undecided> {
        let mut roll = self.clone();
        let place = roll.requests.iter().position(|request| request.code == *code);
        let request = roll.requests.remove(place.ok_or(Undecided::Nothing)?);
        let mut decision = Decision {
            at,
            decided,
            operator: operator.to_owned(),
            reason: reason.to_owned(),
            code: Some(code.clone()),
            opened: 0,
            changed: 0,
            closed: 0,
        };
        if decided == Decided::Approved {
            let known = beside.directory.find(code).map(|found| &found.id);
            let entry = known.and_then(|known| roll.entries.iter_mut().find(|one| one.code == *known));
            let is_twin = request.wish != Wish::Delete && beside.directory.is_twin(code, &self.home);
            match (known, entry) {
                (None, None) if is_twin => return Err(Undecided::Taken(code.clone())),
                (Some(_), None) => return Err(Undecided::Taken(code.clone())),
                (_, entry) => carry_out(request, entry, beside.today, &mut decision)
                    .into_iter()
                    .for_each(|listed| roll.entries.push(listed)),
            }
        }
        if roll.entries.len() > ROLL_ENTRIES_MAX {
            return Err(RollFull.into());
        }
        roll.decided(decision);
        Ok(roll)
    }
}

/// Does what was asked for to the entry that there is; an entry that is new.
fn carry_out(
    request: Request,
    entry: Option<&mut Listed>,
    today: Date,
    decision: &mut Decision,
) -> Option<Listed> {
    match (request.wish, entry) {
        (Wish::Register { name, contact, .. }, Some(entry)) => {
            match entry.closed.take() {
                Some(_) => decision.opened = 1,
                None => decision.changed = 1,
            }
            (entry.name, entry.contact) = (name, contact);
            None
        }
        (Wish::Register { name, contact, .. }, None) => {
            decision.opened = 1;
            Some(Listed { code: request.code, other: Vec::new(), name, contact, closed: None })
        }
        (Wish::Delete, entry) => {
            if let Some(entry) = entry {
                decision.closed = 1;
                entry.closed = Some(today.yesterday().unwrap_or(today));
            }
            None
        }
    }
}
