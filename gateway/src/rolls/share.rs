//! Rolls of several gateways: one of each, which all have. What stands there counts; a gateway's own file is its copy, by
//! which it starts and routes while the others cannot be reached. Nothing is decided then: two that decide apart would have
//! two rolls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lienthong_pipeline::axis_lists::AxisLists;
use lienthong_pipeline::clock::after;
use lienthong_pipeline::directory::{Home, Roll};
use lienthong_pipeline::ports::{Clock, Fault, RollText, RollVersion, RollVersions, Shared, SharedRolls};
use lienthong_pipeline::record::SystemId;
use lienthong_pipeline::tasks::Tasks;
use tokio::runtime::Handle;

use super::{RollTrouble, Rolls, TRIES, lock};

/// After trouble, what is shared is looked at again.
const AGAIN: Duration = Duration::from_secs(5);

/// What a gateway of several has beside its own rolls.
pub(super) struct Sharing {
    shared: Arc<dyn SharedRolls>,
    runtime: Handle,
    /// Which writing of each id was last seen, and its roll taken over.
    known: Mutex<BTreeMap<SystemId, RollVersion>>,
}

/// How a roll stands once it was looked at.
pub(super) struct Standing {
    /// The revision behind which a change is put.
    pub(super) after: u64,
    /// It was just found damaged.
    is_damaged: bool,
}

impl Standing {
    fn at(after: u64) -> Self {
        Self { after, is_damaged: false }
    }
}

impl Sharing {
    /// The outcome of a call. Whoever asks is on a thread that may block.
    fn wait<T>(&self, call: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        self.runtime.block_on(call)
    }
}

impl Rolls {
    /// The same, of one of several gateways. Rolls are then changed on threads that may block, and nowhere else.
    #[must_use]
    pub fn among(self, shared: Arc<dyn SharedRolls>, runtime: Handle) -> Self {
        Self { sharing: Some(Sharing { shared, runtime, known: Mutex::default() }), ..self }
    }

    /// Takes over what others have written about an id, or puts there what only this gateway has. Whether that is damaged,
    /// and an axis is to say again what it was.
    ///
    /// # Errors
    /// What is shared cannot be read or written; the disk does not take it.
    fn follow(&self, id: &SystemId) -> Result<bool, RollTrouble> {
        let _turn = lock(&self.turn);
        self.catch_up(id).map(|standing| standing.is_damaged)
    }

    /// The ids of which something else is shared than what was last seen.
    fn behind(&self, versions: &RollVersions) -> BTreeSet<SystemId> {
        let Some(sharing) = &self.sharing else { return BTreeSet::new() };
        let known = lock(&sharing.known);
        let other = versions.iter().filter(|(id, version)| known.get(*id) != Some(version));
        let mut behind: BTreeSet<SystemId> = other.map(|(id, _)| id.clone()).collect();
        let state = self.state();
        behind.extend(state.rolls.keys().filter(|id| !versions.contains_key(*id)).cloned());
        behind
    }

    /// What is shared under this id is what this gateway has when this returns. Whoever calls it has the turn.
    pub(super) fn catch_up(&self, id: &SystemId) -> Result<Standing, RollTrouble> {
        let Some(sharing) = &self.sharing else { return Ok(Standing::at(0)) };
        for _ in 0..TRIES {
            let known = lock(&sharing.known).get(id).copied();
            let Some((version, found)) = sharing.wait(sharing.shared.read(id, known))? else {
                return Ok(Standing::at(known.unwrap_or_default().revision));
            };
            let own = self.state().rolls.get(id).cloned();
            let to_put = match found {
                Shared::Roll(roll) => {
                    self.take_over(id, own, *roll)?;
                    None
                }
                Shared::Nothing => own,
                Shared::Damaged { why, checksum } => {
                    let Some(own) = own.filter(|own| checksum.is_some() && checksum == checksum_of(own))
                    else {
                        tracing::error!(%id, why, revision = version.revision,
                            "a roll that all gateways share is damaged: what this one has of it counts here until it is written again");
                        self.files.note_damaged(id, &why)?;
                        self.know(id, version);
                        return Ok(Standing { after: version.revision, is_damaged: true });
                    };
                    tracing::warn!(%id, why, "a roll that all gateways share is damaged: the same one is put there from this one's file");
                    Some(own)
                }
            };
            let Some(own) = to_put else {
                self.know(id, version);
                return Ok(Standing::at(version.revision));
            };
            if let Some(put) = self.put_shared(id, version.revision, &own)? {
                tracing::info!(%id, "a roll is shared with the other gateways");
                self.know(id, put);
                return Ok(Standing::at(put.revision));
            }
        }
        Err(Fault::new("rolls", format!("others change the roll of {id} all the time")).into())
    }

    /// Another gateway's roll takes the place of this one's.
    fn take_over(&self, id: &SystemId, own: Option<Roll>, roll: Roll) -> Result<(), RollTrouble> {
        if own.as_ref() == Some(&roll) {
            return Ok(());
        }
        if let Some(own) = own.filter(|own| own.knows_more_than(&roll)) {
            let path = self.files.set_apart(id, &own, self.clock.now())?;
            tracing::error!(%id, path = %path.display(),
                "the roll that all gateways share does not know what was decided or asked for here: it counts, and this one's is kept beside it");
        }
        let (organisations, waits) =
            (roll.entries.len(), roll.pending.is_some() || !roll.requests.is_empty());
        self.put(&mut self.state(), id, roll)?;
        tracing::info!(%id, organisations, waits, "a roll was taken over from the other gateways");
        Ok(())
    }

    /// Puts a roll where all gateways share it; `None`: another one was faster. Where this one is alone, nobody is.
    pub(super) fn put_shared(
        &self,
        id: &SystemId,
        after: u64,
        roll: &Roll,
    ) -> Result<Option<RollVersion>, Fault> {
        let Some(sharing) = &self.sharing else { return Ok(Some(RollVersion::default())) };
        sharing.wait(sharing.shared.put(id, after, roll))
    }

    /// This gateway has what that writing says.
    pub(super) fn know(&self, id: &SystemId, version: RollVersion) {
        if let Some(sharing) = &self.sharing {
            lock(&sharing.known).insert(id.clone(), version);
        }
    }

    fn is_of_axis(&self, id: &SystemId) -> bool {
        let is_axis = self.directory.load().lines().axes.contains_key(id);
        is_axis || self.state().rolls.get(id).is_some_and(|roll| matches!(roll.home, Home::Axis(_)))
    }
}

fn checksum_of(roll: &Roll) -> Option<String> {
    RollText::of(roll).ok().map(|text| text.checksum)
}

/// The task that follows what others write.
pub struct Follow {
    /// Which are kept the same.
    pub rolls: Arc<Rolls>,
    /// By what stands here.
    pub shared: Arc<dyn SharedRolls>,
    /// Where an axis is asked again whose roll is damaged.
    pub lists: Arc<AxisLists>,
    /// When to try again.
    pub clock: Arc<dyn Clock>,
}

impl Follow {
    /// Runs until shutdown.
    ///
    /// # Errors
    /// None: trouble passes until it is tried again.
    pub async fn run(self, tasks: Tasks) -> Result<(), Fault> {
        let (mut seen, mut said) = (None, String::new());
        loop {
            let versions = tokio::select! {
                versions = self.shared.other_than(seen.as_ref()) => versions,
                () = tasks.stopped() => return Ok(()),
            };
            let trouble = self.take_over(versions.clone()).await;
            seen = trouble.is_empty().then_some(versions);
            if trouble.is_empty() {
                said.clear();
                continue;
            }
            if trouble != said {
                tracing::warn!(trouble, "rolls are not taken over from the other gateways yet");
                said = trouble;
            }
            tokio::select! {
                () = self.clock.sleep_until(after(self.clock.now(), AGAIN)) => {}
                () = tasks.stopped() => return Ok(()),
            }
        }
    }

    /// Everything that is another one; why not.
    async fn take_over(&self, versions: RollVersions) -> String {
        let rolls = self.rolls.clone();
        let taken = tokio::task::spawn_blocking(move || {
            let (mut troubles, mut damaged) = (Vec::new(), Vec::new());
            for id in rolls.behind(&versions) {
                match rolls.follow(&id) {
                    Ok(true) if rolls.is_of_axis(&id) => damaged.push(id),
                    Ok(_) => {}
                    Err(trouble) => troubles.push(format!("{id}: {trouble}")),
                }
            }
            (troubles.join("; "), damaged)
        });
        match taken.await {
            Ok((troubles, damaged)) => {
                damaged.iter().for_each(|axis| self.lists.want_staged(axis));
                troubles
            }
            Err(panic) => panic.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
