//! Who has a code in whichever form it is written, of the operator's file and of all rolls: a code that the file has in one form
//! is not to be taken in the other form by the list of an axis, nor while the system that has it is not connected.

use std::collections::HashMap;

use lienthong_schemas::organ::{OrganId, OrganPath};

use super::{Directory, Home, Lines, Organisation};

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

    /// Whether nobody is found by this code, and it is somebody's all the same: here or elsewhere.
    pub(super) fn is_twin(&self, code: &OrganId, home: &Home) -> bool {
        let is_had = |one: &Holder| one.home.as_ref() == Some(home) || one.bars(home, &self.lines);
        self.find(code).is_none() && self.held.holders(code).iter().any(is_had)
    }
}
