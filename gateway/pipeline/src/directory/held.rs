//! Who has a code in whichever form it is written, of the operator's file and of all rolls: a code that the file has in one form
//! is not to be taken in the other form by the list of an axis, nor while the system that has it is not connected.

use std::collections::HashMap;

use lienthong_schemas::organ::{OrganId, OrganPath};

use super::{Directory, Home, Lines, Organisation};
use crate::record::SystemId;

/// An organisation that has a code of some path.
#[derive(Clone, Debug)]
struct Holder {
    id: OrganId,
    home: Option<Home>,
}

impl Holder {
    /// Whether it stands in the way of this home. Those of a system that the settings do not have any more stand in the way
    /// of axes only, whose lists nobody looks through; those of such an axis in nobody's.
    fn bars(&self, home: &Home, lines: &Lines) -> bool {
        match &self.home {
            Some(own) if own == home => false,
            Some(Home::System(_)) if matches!(home, Home::Axis(_)) => true,
            Some(own) => lines.of(own).is_some(),
            None => true,
        }
    }
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Held(HashMap<OrganPath, Vec<Holder>>);

impl Held {
    /// Those of the file.
    pub(super) fn of(organisations: &[Organisation]) -> Self {
        let mut held = Self::default();
        for one in organisations {
            held.add(&one.id, one.home.as_ref(), std::iter::once(&one.id).chain(&one.aliases));
        }
        held
    }

    /// One more has these codes.
    pub(super) fn add<'c>(
        &mut self,
        id: &OrganId,
        home: Option<&Home>,
        codes: impl Iterator<Item = &'c OrganId>,
    ) {
        for code in codes {
            let holders = self.0.entry(OrganPath::of(code)).or_default();
            if !holders.iter().any(|one| one.id == *id && one.home.as_ref() == home) {
                holders.push(Holder { id: id.clone(), home: home.cloned() });
            }
        }
    }

    fn holders(&self, code: &OrganId) -> &[Holder] {
        self.0.get(&OrganPath::of(code)).map_or(&[], Vec::as_slice)
    }
}

impl Directory {
    /// Who has this code in whichever form, connected or not, and is not at home there.
    pub(super) fn held_elsewhere(&self, code: &OrganId, home: &Home) -> Option<&OrganId> {
        let mut holders = self.held.holders(code).iter();
        holders.find(|one| one.bars(home, &self.lines)).map(|one| &one.id)
    }

    /// The organisation that speaks for itself under this code, in whichever form it is written: it is at home at a system,
    /// connected or not.
    pub fn held_by_system(&self, code: &OrganId) -> Option<&OrganId> {
        let is_system = |home: &Option<Home>| matches!(home, Some(Home::System(_)));
        match self.find(code) {
            Some(found) => Some(&found.id).filter(|_| is_system(&found.home)),
            None => self.held.holders(code).iter().find(|one| is_system(&one.home)).map(|one| &one.id),
        }
    }

    /// Whether an axis may speak for the organisation that a code means, in whichever form it is written: who is at home at a
    /// system speaks for itself; of an axis that speaks for groups, whoever is at home there, and of those whom nobody knows
    /// the groups' codes.
    pub fn is_spoken_for(&self, code: &OrganId, axis: &SystemId) -> bool {
        let here = Home::Axis(axis.clone());
        let home = match self.find(code) {
            Some(found) => found.home.as_ref(),
            None => {
                let mut holders = self.held.holders(code).iter();
                holders.find(|one| one.bars(&here, &self.lines)).and_then(|one| one.home.as_ref())
            }
        };
        match home {
            Some(Home::System(_)) => false,
            Some(home) => *home == here || !self.lines.speak_for.contains_key(axis),
            None => self.lines.may_speak(axis, code),
        }
    }

    /// Whether nobody is found by this code, and it is somebody's all the same: here or elsewhere.
    pub(super) fn is_twin(&self, code: &OrganId, home: &Home) -> bool {
        let is_had = |one: &Holder| one.home.as_ref() == Some(home) || one.bars(home, &self.lines);
        self.find(code).is_none() && self.held.holders(code).iter().any(is_had)
    }
}
