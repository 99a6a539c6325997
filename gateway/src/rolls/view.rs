//! Rolls as operators see them.

use jiff::Timestamp;
use lienthong_pipeline::directory::{Decision, Home, LeftOut, Plan, Request};
use lienthong_pipeline::record::SystemId;
use serde::{Deserialize, Serialize};

use super::Rolls;

/// One roll, without its organisations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollView {
    /// The axis or system.
    pub id: SystemId,
    /// Which of them.
    pub home: Home,
    /// Organisations that are open.
    pub open: usize,
    /// Organisations that are closed.
    pub closed: usize,
    /// When its list was last looked at.
    pub synced_at: Option<Timestamp>,
    /// The list that waits for an operator.
    pub pending: Option<PendingView>,
    /// What the system asks for.
    pub requests: Vec<Request>,
    /// The newest decisions.
    pub decisions: Vec<Decision>,
    /// Who of it has no place in the directory.
    pub left_out: Vec<LeftOut>,
}

/// A list that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingView {
    /// When it was asked for.
    pub at: Timestamp,
    /// Agencies in it.
    pub listed: usize,
    /// What taking it would do; `None`: it is too long to be taken.
    pub plan: Option<Plan>,
}

impl Rolls {
    /// All rolls, in the order of their ids. Blocks.
    pub fn views(&self) -> Vec<RollView> {
        let state = self.state();
        let directory = self.directory.load_full();
        let lost = self.lost(&directory).unwrap_or_else(|cause| {
            tracing::warn!(%cause, "which rolls are set aside is not known");
            Vec::new()
        });
        let mut views = Vec::new();
        for (id, roll) in &state.rolls {
            let open = roll.entries.iter().filter(|one| one.closed.is_none()).count();
            let pending = roll.pending.as_ref().map(|pending| PendingView {
                at: pending.at,
                listed: pending.agencies.len(),
                plan: roll.pending_plan(self.beside(&directory, &lost)).ok().flatten(),
            });
            let left_out = state.left_out.iter().filter(|one| one.home == roll.home).cloned();
            views.push(RollView {
                id: id.clone(),
                home: roll.home.clone(),
                open,
                closed: roll.entries.len() - open,
                synced_at: roll.synced_at,
                pending,
                requests: roll.requests.clone(),
                decisions: roll.decisions.clone(),
                left_out: left_out.collect(),
            });
        }
        views
    }
}
