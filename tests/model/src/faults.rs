//! What goes wrong. Each costs one of the faults that a run may have. A crash at a named point stands for the point of the
//! same name in the code.

use crate::cluster::{Cluster, Mutation};
use crate::state::{Attempt, Decided, Life, RECEIVERS, Record, Standing, State, mark};
use crate::step::{forget_leases, is_up};

/// One fault.
#[expect(
    missing_docs,
    reason = "who and what of each step: `node`, `document`, `partition`, `delivery`, `generation`"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The process ends between two steps.
    Crash { node: usize },
    /// It ends after the commit, before the receipt.
    CrashAfterCommit { node: usize, document: usize },
    /// It ends after the broker took a message, before that was written down.
    CrashAfterPublish { node: usize, delivery: usize },
    /// It ends after the hand-off, before the acknowledgement.
    CrashAfterHandOff { node: usize, delivery: usize, generation: u8 },
    /// It ends after the receiver took the packet, before that was written down.
    CrashAfterSend { node: usize, delivery: usize },
    /// It ends after an acknowledgement that came before the hand-off.
    CrashAfterEarlyAck { node: usize, delivery: usize, generation: u8 },
    /// It ends after the outcome was written down, before anybody was told.
    CrashAfterSettle { node: usize, delivery: usize },
    /// The machine is lost with its disk.
    Lose { node: usize },
    /// The broker took a message, and its answer was lost.
    LoseAck { node: usize, delivery: usize },
    /// A message comes again: its acknowledgement was lost, or the stream has it twice.
    Redeliver { delivery: usize, generation: u8 },
    /// A gateway pauses, or does not reach the broker, for longer than it believes in its leases. What it had begun goes on.
    Pause { node: usize },
    /// The hand-off of a gateway that paused in the middle of it. It looks at the lease again, and does not acknowledge.
    LateHandOff { node: usize, delivery: usize, generation: u8 },
    /// An attempt fails.
    Fail { node: usize, delivery: usize },
    /// The receiver took the packet, and its answer was lost.
    LoseAnswer { node: usize, delivery: usize },
    /// The receiver refuses, or the time is over.
    GiveUp { node: usize, delivery: usize },
    /// The sender brings a document to another gateway as well.
    Twice { node: usize, document: usize },
    /// A gateway that lives is silent for so long that it is adopted.
    AdoptSilent { node: usize },
}

impl Cluster {
    /// A fault happens; `false`: it cannot.
    pub(crate) fn fault(&self, state: &mut State, fault: Fault) -> bool {
        if state.faults == 0 || !self.strikes(state, fault) {
            return false;
        }
        state.faults -= 1;
        true
    }

    fn strikes(&self, state: &mut State, fault: Fault) -> bool {
        match fault {
            Fault::Crash { node } => is_up(state, node) && crash(state, node),
            Fault::CrashAfterCommit { node, document } => {
                let before = state.documents[document].receipt;
                let step = crate::step::Step::Commit { node, document };
                let committed = self.step(state, step) && state.documents[document].committed;
                state.documents[document].receipt = before;
                committed && !before && crash(state, node)
            }
            Fault::CrashAfterPublish { node, delivery } => {
                self.publish(state, node, delivery, false) && crash(state, node)
            }
            Fault::CrashAfterHandOff { node, delivery, generation } => {
                self.hands_off(state, node, delivery, generation, true) && crash(state, node)
            }
            Fault::CrashAfterSend { node, delivery } => {
                let begun = state.deliveries[delivery].records[node].attempt != Attempt::None;
                state.deliveries[delivery].received |= begun;
                begun && crash(state, node)
            }
            Fault::CrashAfterSettle { node, delivery } => {
                self.step(state, crate::step::Step::Settle { node, delivery }) && crash(state, node)
            }
            Fault::CrashAfterEarlyAck { node, delivery, generation } => {
                let early = self.is(Mutation::AckBeforeHandOff) && self.serves(state, node);
                let delivery_now = &mut state.deliveries[delivery];
                let may = early && delivery_now.waiting & mark(generation) != 0;
                if may && state.leases[delivery % RECEIVERS].believes[node] {
                    delivery_now.waiting &= !mark(generation);
                    return crash(state, node);
                }
                false
            }
            Fault::Lose { node } => lose(state, node),
            Fault::LoseAck { node, delivery } => self.publish(state, node, delivery, false),
            Fault::Redeliver { delivery, generation } => {
                let delivery = &mut state.deliveries[delivery];
                let may = delivery.seen & !delivery.waiting & mark(generation) != 0;
                delivery.waiting |= mark(generation) * u16::from(may);
                may
            }
            Fault::Pause { node } => {
                let may = state.leases.iter().any(|lease| lease.believes[node]);
                forget_leases(state, node);
                may
            }
            Fault::LateHandOff { node, delivery, generation } => {
                let held = state.leases[delivery % RECEIVERS].holder.is_some();
                let done = held && self.hands_off(state, node, delivery, generation, false);
                let record = &mut state.deliveries[delivery].records[node];
                record.moved |= done && record.is_queued() && !self.is(Mutation::MovesOnlyOnce);
                if done && self.is(Mutation::MovesOnlyOnce) {
                    state.deliveries[delivery].waiting &= !mark(generation);
                }
                done
            }
            Fault::Fail { node, delivery } => end_attempt(state, node, delivery),
            Fault::LoseAnswer { node, delivery } => {
                let ended = end_attempt(state, node, delivery);
                state.deliveries[delivery].received |= ended;
                ended
            }
            Fault::GiveUp { node, delivery } => give_up(state, node, delivery),
            Fault::Twice { node, document } => {
                let first = &state.deliveries[self.first(document)];
                let brought = state.documents[document].committed;
                let may = brought && !first.records[node].keeper && self.serves(state, node);
                if may {
                    self.admit(state, node, document);
                    state.documents[document].receipt = true;
                }
                may
            }
            Fault::AdoptSilent { node } => {
                let silent = is_up(state, node) && !state.nodes[node].adopted;
                let holds = state.leases.iter().any(|lease| lease.believes[node]);
                silent && !holds && self.adopt(state, node)
            }
        }
    }

    /// A hand-off without the acknowledgement, by a gateway that believes in its lease or by one that did.
    fn hands_off(
        &self,
        state: &mut State,
        node: usize,
        delivery: usize,
        generation: u8,
        believes: bool,
    ) -> bool {
        let may = state.deliveries[delivery].waiting & mark(generation) != 0 && self.serves(state, node);
        if !may || state.leases[delivery % RECEIVERS].believes[node] != believes {
            return false;
        }
        let lease = state.leases[delivery % RECEIVERS];
        self.hand_off(&mut state.deliveries[delivery], lease, node, generation);
        true
    }
}

/// What was in memory is gone.
fn crash(state: &mut State, node: usize) -> bool {
    state.nodes[node].life = Life::Down;
    forget_leases(state, node);
    state.deliveries.iter_mut().for_each(|delivery| delivery.records[node].attempt = Attempt::None);
    true
}

/// The last gateway is never lost: nobody could go on, and an operator begins with a fresh one.
fn lose(state: &mut State, node: usize) -> bool {
    let other = state.nodes[1 - node];
    if state.nodes[node].life == Life::Lost || other.life == Life::Lost || other.adopted {
        return false;
    }
    crash(state, node);
    state.nodes[node].life = Life::Lost;
    for (at, delivery) in state.deliveries.iter_mut().enumerate() {
        let had = std::mem::take(&mut delivery.records[node]);
        let (others, highest) = (delivery.records[1 - node], delivery.highest());
        let document = state.documents[at / RECEIVERS];
        let existed = had.state != Standing::Absent && document.receipt;
        let alone = others.state == Standing::Absent && delivery.named == 0;
        delivery.excepted |= existed && alone && !delivery.received;
        // So is an operator's order that did not leave this disk.
        let events = delivery.events;
        let ended = events.given_up && events.generation >= others.generation;
        let left = others.is_queued() && !ended || highest > others.generation.max(events.generation);
        if delivery.decided == Decided::Requeued && !left && had.is_queued() {
            delivery.decided = Decided::GivenUp;
        }
    }
    true
}

fn attempt_of(state: &mut State, node: usize, delivery: usize) -> Option<&mut Record> {
    let record = &mut state.deliveries[delivery].records[node];
    (record.attempt != Attempt::None).then_some(record)
}

fn end_attempt(state: &mut State, node: usize, delivery: usize) -> bool {
    attempt_of(state, node, delivery).map(|record| record.attempt = Attempt::None).is_some()
}

fn give_up(state: &mut State, node: usize, delivery: usize) -> bool {
    let Some(record) = attempt_of(state, node, delivery).filter(|record| record.is_queued()) else {
        return false;
    };
    (record.attempt, record.state, record.untold) = (Attempt::None, Standing::GivenUp, true);
    state.deliveries[delivery].decided = Decided::GivenUp;
    true
}
