//! The rolls of a running gateway: what stands beside the operator's directory file. Each change is on disk before it counts,
//! and then the one directory that everybody uses is swapped as a whole. What a change is, `pipeline::directory` decides;
//! `share` keeps what all of several gateways have the same, `sync` asks axes for their lists, `view` is what operators see.

pub mod share;
pub mod sync;
pub mod view;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use jiff::civil::Date;
use lienthong_monitoring::Metrics;
use lienthong_outbox::{RollFault, RollFiles};
use lienthong_pipeline::directory::{
    Beside, Decided, Directory, Home, Joined, LeftOut, List, Plan, Request, Roll, RollFull, Undecided,
};
use lienthong_pipeline::ports::{Clock, Fault};
use lienthong_pipeline::record::SystemId;
use lienthong_schemas::edxml::VIETNAM;
use lienthong_schemas::organ::{OrganGroup, OrganId};
use lienthong_schemas::rejections::Rejection;

use self::share::Sharing;

/// Codes that one line of the log names, at most.
const TOLD_MAX: usize = 20;

/// Decisions about one change, where other gateways were faster.
const TRIES: u32 = 4;

/// Why a roll did not change.
#[derive(Debug, thiserror::Error)]
pub enum RollTrouble {
    /// It would be too long.
    #[error(transparent)]
    Full(#[from] RollFull),
    /// Nothing waits, or its code is taken by now.
    #[error(transparent)]
    Undecided(#[from] Undecided),
    /// What waits is not what the operator has seen.
    #[error("what waits is of {0}")]
    Another(Timestamp),
    /// The disk does not take it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What all gateways share cannot be read or written now: whatever was asked for is to be asked for again.
    #[error(transparent)]
    Away(#[from] Fault),
}

/// Who decides, why, and about what.
#[derive(Clone, Copy, Debug)]
pub struct Word<'w> {
    /// The operator's name in the settings.
    pub operator: &'w str,
    /// Why; escaped.
    pub reason: &'w str,
    /// Only about what waits since then, to the last digit; `None`: whatever waits.
    pub since: Option<Timestamp>,
}

impl Word<'_> {
    /// Whether it is about what waits since then.
    fn is_about(&self, at: Timestamp) -> Result<(), RollTrouble> {
        let other = self.since.is_some_and(|since| since != at);
        if other { Err(RollTrouble::Another(at)) } else { Ok(()) }
    }
}

/// Why a request of a system was not taken.
#[derive(Debug)]
pub enum NotAsked {
    /// It has to change something.
    Rejected(Rejection),
    /// Ours.
    Trouble(RollTrouble),
}

impl From<RollTrouble> for NotAsked {
    fn from(trouble: RollTrouble) -> Self {
        Self::Trouble(trouble)
    }
}

/// All rolls, and the directory that they are part of. Its calls block.
pub struct Rolls {
    files: RollFiles,
    own: OrganId,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    directory: Arc<ArcSwap<Directory>>,
    /// Whoever changes a roll has it, while it asks the others, too.
    turn: Mutex<()>,
    /// Never kept while anybody is asked.
    state: Mutex<State>,
    /// Where gateways are several.
    sharing: Option<Sharing>,
}

struct State {
    rolls: BTreeMap<SystemId, Roll>,
    left_out: Vec<LeftOut>,
}

impl Rolls {
    /// Those of a data folder, beside the directory file.
    ///
    /// # Errors
    /// A newer program wrote one; the folder cannot be read.
    pub fn open(
        data_dir: &Path,
        own: OrganId,
        file: &Directory,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, RollFault> {
        let files = RollFiles::of(data_dir);
        let rolls: BTreeMap<_, _> = files.open()?.into_iter().collect();
        let (directory, left_out) = file.with_rolls(rolls.values());
        tell_left_out(&left_out);
        let directory = Arc::new(ArcSwap::from_pointee(directory));
        let state = Mutex::new(State { rolls, left_out });
        let (turn, sharing) = (Mutex::default(), None);
        let rolls = Self { files, own, clock, metrics, directory, turn, state, sharing };
        rolls.show(&rolls.state());
        Ok(rolls)
    }

    /// The directory: the file and the rolls.
    pub fn directory(&self) -> &Arc<ArcSwap<Directory>> {
        &self.directory
    }

    /// The operator's file was read again.
    pub fn rebase(&self, file: &Directory) {
        self.swap(&mut self.state(), file);
    }

    /// When the list of an axis was last looked at, and whether it has given its list by QĐ 20/2020 before.
    pub fn synced(&self, axis: &SystemId) -> (Option<Timestamp>, bool) {
        let state = self.state();
        let roll = state.rolls.get(axis).filter(|roll| roll.home == Home::Axis(axis.clone()));
        roll.map_or((None, false), |roll| (roll.synced_at, roll.has_qd20))
    }

    /// An axis has given its list.
    ///
    /// # Errors
    /// There is no room, in the roll or on the disk.
    pub fn take_list(&self, axis: &SystemId, list: &List) -> Result<Plan, RollTrouble> {
        let plan = self.change(&Home::Axis(axis.clone()), |roll, directory| {
            let lost = self.lost(directory)?;
            let (roll, plan) = roll.with_list(self.beside(directory, &lost), list.clone())?;
            Ok::<_, RollTrouble>((Some(roll), plan))
        })?;
        if plan.needs_approval {
            let (closes, opens, lost) = (plan.closes.len(), plan.opens.len(), ids(&plan.in_doubt));
            tracing::error!(%axis, closes, opens, ?lost,
                "too many agencies of an axis are gone, or a roll is lost: its list waits for an operator");
        } else if !plan.is_empty() {
            tell(axis, &plan, "the list of an axis was taken");
        }
        Ok(plan)
    }

    /// Whether a list of an axis would be taken as it is, without an operator's word.
    pub fn would_take(&self, axis: &SystemId, joined: &Joined) -> bool {
        let roll = self.state().of(&Home::Axis(axis.clone()));
        let directory = self.directory.load_full();
        let Ok(lost) = self.lost(&directory) else { return false };
        roll.plan(self.beside(&directory, &lost), joined).is_ok_and(|(plan, _)| !plan.needs_approval)
    }

    /// An operator's word on the list of an axis that waits.
    ///
    /// # Errors
    /// Nothing waits, or another list; there is no room.
    pub fn decide_list(
        &self,
        axis: &SystemId,
        decided: Decided,
        said: Word<'_>,
    ) -> Result<Plan, RollTrouble> {
        let Word { operator, reason, .. } = said;
        let plan = self.change(&Home::Axis(axis.clone()), |roll, directory| {
            if let Some(pending) = &roll.pending {
                said.is_about(pending.at)?;
            }
            let lost = self.lost(directory)?;
            let beside = self.beside(directory, &lost);
            let word = roll.with_word(beside, decided, self.clock.now(), (operator, reason))?;
            let (roll, plan) = word.ok_or(Undecided::Nothing)?;
            Ok::<_, RollTrouble>((Some(roll), plan))
        })?;
        tracing::info!(%axis, operator, reason, ?decided, "an operator has decided on the list of an axis");
        if decided == Decided::Approved {
            tell(axis, &plan, "the list of an axis was taken");
        }
        Ok(plan)
    }

    /// A system asks for an organisation to be registered or deleted.
    ///
    /// # Errors
    /// As [`Roll::with_request`]; the disk.
    pub fn ask(&self, system: &SystemId, scope: &[OrganGroup], request: &Request) -> Result<(), NotAsked> {
        let code = request.code.clone();
        let is_new = self.change(&Home::System(system.clone()), |roll, directory| {
            let roll = roll.with_request(self.beside(directory, &[]), scope, request.clone());
            let roll = roll.map_err(NotAsked::Rejected)?;
            let is_new = roll.is_some();
            Ok::<_, NotAsked>((roll, is_new))
        })?;
        if is_new {
            tracing::warn!(%system, %code, "a system asks for an agency to be registered or deleted: an operator decides");
        }
        Ok(())
    }

    /// An operator's word on what a system has asked for.
    ///
    /// # Errors
    /// Nothing waits, or another request; the code is taken by now; there is no room.
    pub fn answer(
        &self,
        system: &SystemId,
        code: &OrganId,
        decided: Decided,
        said: Word<'_>,
    ) -> Result<(), RollTrouble> {
        let Word { operator, reason, .. } = said;
        self.change(&Home::System(system.clone()), |roll, directory| {
            if let Some(request) = roll.requests.iter().find(|request| request.code == *code) {
                said.is_about(request.at)?;
            }
            let beside = self.beside(directory, &[]);
            let roll = roll.with_answer(beside, code, decided, self.clock.now(), (operator, reason))?;
            Ok::<_, RollTrouble>((Some(roll), ()))
        })?;
        tracing::info!(%system, %code, operator, reason, ?decided, "an operator has decided on an agency");
        Ok(())
    }

    /// Changes a roll: decided by what stands, once more where another gateway was faster, and then written, first where
    /// all share it. Nothing is written where nothing is to be.
    fn change<T, E: From<RollTrouble>>(
        &self,
        home: &Home,
        decide: impl Fn(&Roll, &Directory) -> Result<(Option<Roll>, T), E>,
    ) -> Result<T, E> {
        let (Home::Axis(id) | Home::System(id)) = home;
        let _turn = lock(&self.turn);
        for _ in 0..TRIES {
            let after = self.catch_up(id)?.after;
            let before = self.state().of(home);
            let (roll, said) = decide(&before, &self.directory.load_full())?;
            let Some(roll) = roll else { return Ok(said) };
            let put = self.put_shared(id, after, &roll).map_err(RollTrouble::from)?;
            if let Some(version) = put {
                self.put(&mut self.state(), id, roll).map_err(RollTrouble::from)?;
                self.know(id, version);
                return Ok(said);
            }
        }
        Err(RollTrouble::from(Fault::new("rolls", format!("others change the roll of {id} all the time")))
            .into())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The day it is in Vietnam.
    fn today(&self) -> Date {
        self.clock.now().to_zoned(VIETNAM.to_time_zone()).date()
    }

    fn beside<'d>(&'d self, directory: &'d Directory, lost: &'d [SystemId]) -> Beside<'d> {
        Beside { directory, own: &self.own, today: self.today(), lost }
    }

    /// Whose rolls are set aside, until somebody removes them: nobody knows which codes they had. An axis says again what
    /// its own had.
    fn lost(&self, directory: &Directory) -> io::Result<Vec<SystemId>> {
        let mut lost = self.files.set_aside()?;
        lost.retain(|id| !directory.lines().axes.contains_key(id));
        Ok(lost)
    }

    /// On disk first, then for everybody.
    fn put(&self, state: &mut State, id: &SystemId, roll: Roll) -> io::Result<()> {
        self.files.write(id, &roll)?;
        let before = state.rolls.insert(id.clone(), roll);
        let is_known = |before: &Roll| {
            let after = &state.rolls[id];
            (&before.home, &before.entries) == (&after.home, &after.entries)
        };
        if before.as_ref().is_some_and(is_known) {
            // Most lists say what the last one said: the directory stays as it is.
            self.show(state);
            return Ok(());
        }
        let file = self.directory.load_full();
        self.swap(state, &file);
        Ok(())
    }

    fn swap(&self, state: &mut State, file: &Directory) {
        let (directory, left_out) = file.with_rolls(state.rolls.values());
        if state.left_out != left_out {
            tell_left_out(&left_out);
            state.left_out = left_out;
        }
        self.directory.store(Arc::new(directory));
        self.show(state);
    }

    fn show(&self, state: &State) {
        let lists = state.rolls.values().filter(|roll| roll.pending.is_some()).count();
        let requests: usize = state.rolls.values().map(|roll| roll.requests.len()).sum();
        self.metrics.agency_lists_waiting.set(lists as u64);
        self.metrics.agency_requests_waiting.set(requests as u64);
    }
}

impl State {
    /// The roll of an axis or a system; an id that was the other kind's begins anew.
    fn of(&self, home: &Home) -> Roll {
        let (Home::Axis(id) | Home::System(id)) = home;
        let known = self.rolls.get(id).filter(|roll| roll.home == *home);
        known.cloned().unwrap_or_else(|| Roll::new(home.clone()))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ids(all: &[SystemId]) -> Vec<&str> {
    all.iter().map(SystemId::as_str).collect()
}

fn tell(axis: &SystemId, plan: &Plan, what: &str) {
    let some = |codes: &[OrganId]| codes.iter().take(TOLD_MAX).map(ToString::to_string).collect::<Vec<_>>();
    tracing::info!(
        %axis, what,
        opens = plan.opens.len(), changes = plan.changes.len(), closes = plan.closes.len(),
        opened = ?some(&plan.opens), closed = ?some(&plan.closes), "directory",
    );
}

fn tell_left_out(left_out: &[LeftOut]) {
    if !left_out.is_empty() {
        let some: Vec<_> =
            left_out.iter().take(TOLD_MAX).map(|one| (one.code.to_string(), one.why)).collect();
        tracing::warn!(
            count = left_out.len(),
            ?some,
            "organisations of rolls that the directory has no place for"
        );
    }
}

#[cfg(test)]
mod tests;
