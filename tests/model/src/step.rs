//! The steps that gateways take by themselves, by the names of the code. Each is what happens between two moments at
//! which a crash makes a difference; what a crash inside of one leaves behind is a [fault](crate::faults).

use crate::cluster::{Cluster, Mutation};
use crate::state::{Attempt, Decided, Delivery, Lease, Life, RECEIVERS, Record, Standing, State, bit, mark};

/// What a gateway, or who operates it, may do.
#[expect(
    missing_docs,
    reason = "who and what of each step: `node`, `document`, `partition`, `delivery`, `generation`"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// `Intake::commit`, and the receipt after it.
    Commit { node: usize, document: usize },
    /// `Relay`: a record's generation goes to `DELIVERIES`, and that is written down.
    Publish { node: usize, delivery: usize },
    /// `Relay`: what happened to a record goes to `EVENTS`.
    Tell { node: usize, delivery: usize },
    /// `Leases`: the server has no holder, or forgot one that was not heard for 15 s; now it is this one. A new holder reads
    /// `EVENTS` to its end before it does anything; the old one may have been heard just in time.
    TakeLease { node: usize, partition: usize },
    /// `Takeover`: `hand_off` onto this disk, then the acknowledgement.
    TakeOver { node: usize, delivery: usize, oldest: bool },
    /// `Dispatch`: the lease is checked, and the attempt is written down.
    Attempt { node: usize, delivery: usize },
    /// The receiver takes it; `Settle` writes that.
    Settle { node: usize, delivery: usize },
    /// `Follow` reads `EVENTS` to the end.
    Follow { node: usize },
    /// The lease moved: `EVENTS` is read to its end, then the record goes out in the next generation.
    Requeue { node: usize, delivery: usize },
    /// A gateway starts again.
    Restart { node: usize },
    /// `Adopt`: an operator gives what a dead gateway kept to the other one.
    Adopt { dead: usize },
    /// A gateway that was adopted while it was silent hears of it.
    Notice { node: usize },
    /// An operator sends again what was given up.
    SendAgain { node: usize, delivery: usize },
}

impl Cluster {
    /// Takes a step; `false`: it cannot be taken, or changes nothing.
    pub(crate) fn step(&self, state: &mut State, step: Step) -> bool {
        match step {
            Step::Commit { node, document } => self.commit(state, node, document),
            Step::Publish { node, delivery } => self.publish(state, node, delivery, true),
            Step::Tell { node, delivery } => tell(state, node, delivery),
            Step::TakeLease { node, partition } => self.take_lease(state, node, partition),
            Step::TakeOver { node, delivery, oldest } => self.take_over(state, node, delivery, oldest),
            Step::Attempt { node, delivery } => self.attempt(state, node, delivery),
            Step::Settle { node, delivery } => self.settle(state, node, delivery),
            Step::Follow { node } => is_up(state, node) && self.follow_all(state, node),
            Step::Requeue { node, delivery } => self.requeue(state, node, delivery),
            Step::Restart { node } => {
                let may = state.nodes[node].life == Life::Down;
                if may {
                    state.nodes[node].life = Life::Up;
                    state.nodes[node].old = state.nodes[node].adopted;
                }
                may
            }
            Step::Adopt { dead } => {
                let node = state.nodes[dead];
                let is_gone = node.life == Life::Lost || self.every_fault && node.life == Life::Down;
                (is_gone || node.adopted) && self.adopt(state, dead)
            }
            Step::Notice { node } => {
                let may = is_up(state, node) && state.nodes[node].adopted && !state.nodes[node].old;
                if may {
                    state.nodes[node].old = true;
                    forget_leases(state, node);
                }
                may
            }
            Step::SendAgain { node, delivery } => self.send_again(state, node, delivery),
        }
    }

    /// It runs, and does more than drain.
    pub(crate) fn serves(&self, state: &State, node: usize) -> bool {
        is_up(state, node) && (!state.nodes[node].old || self.is(Mutation::AdoptKeepsEpoch))
    }

    fn commit(&self, state: &mut State, node: usize, document: usize) -> bool {
        if !self.serves(state, node) || !self.is_awaited(state, document) {
            return false;
        }
        if self.is(Mutation::ReceiptBeforeCommit) && !state.documents[document].receipt {
            state.documents[document].receipt = true;
            return true;
        }
        self.admit(state, node, document);
        state.documents[document].receipt = true;
        true
    }

    /// Whether a sender brings the document: it has no receipt, and no gateway that runs has admitted it.
    fn is_awaited(&self, state: &State, document: usize) -> bool {
        let first = &state.deliveries[self.first(document)];
        let runs = |node: usize| state.nodes[node].life == Life::Up && first.records[node].keeper;
        let told = state.documents[document].receipt;
        let owed = self.is(Mutation::ReceiptBeforeCommit) && !state.documents[document].committed;
        (!told || owed) && !runs(0) && !runs(1)
    }

    /// One delivery of a document.
    pub(crate) fn first(&self, document: usize) -> usize {
        document * RECEIVERS + if self.crossed { 0 } else { document }
    }

    /// The records of a document's deliveries are on this disk.
    pub(crate) fn admit(&self, state: &mut State, node: usize, document: usize) {
        state.documents[document].committed = true;
        for receiver in (0..self.receivers).filter(|receiver| self.carries(document, *receiver)) {
            let lease = state.leases[receiver];
            let delivery = &mut state.deliveries[document * RECEIVERS + receiver];
            let known = delivery.records[node].state != Standing::Absent;
            let record = &mut delivery.records[node];
            if !known || self.is(Mutation::CommitOverwrites) {
                *record = Record { state: Standing::Queued, generation: 1, ..Record::default() };
            }
            (record.keeper, record.untold) = (true, true);
            if !known && !self.is(Mutation::MadeWithoutReading) {
                self.follow(delivery, lease, node);
            }
        }
    }

    /// `written`: that the broker has it is known, and written down.
    pub(crate) fn publish(&self, state: &mut State, node: usize, delivery: usize, written: bool) -> bool {
        if !is_up(state, node) {
            return false;
        }
        let lease = state.leases[delivery % RECEIVERS];
        let delivery = &mut state.deliveries[delivery];
        let mut record = delivery.records[node];
        if !record.is_queued() || record.published {
            return false;
        }
        // Somebody had published it, and who took it over may not be there any more.
        let repeat = delivery.seen & mark(record.generation) != 0;
        if repeat && !is_at_holder(&record, lease) && !self.is(Mutation::RepeatIsTaken) {
            record.generation = delivery.highest() + 1;
        }
        let new = mark(record.generation);
        if delivery.seen & new == 0 {
            delivery.seen |= new;
            delivery.waiting |= new;
        }
        delivery.named |= bit(node as u8) * u8::from(record.keeper);
        record.published = written;
        delivery.records[node] = record;
        true
    }

    fn take_lease(&self, state: &mut State, node: usize, partition: usize) -> bool {
        let me = Some(node as u8);
        let before = state.leases[partition];
        let held = before.believes.contains(&true) && !self.is(Mutation::BeliefOutlivesLease);
        if !self.serves(state, node) || held || before.believes[node] {
            return false;
        }
        state.leases[partition].holder = me;
        state.leases[partition].believes[node] = true;
        if before.holder == me {
            return true;
        }
        let lease = state.leases[partition];
        for delivery in state.deliveries.iter_mut().skip(partition).step_by(RECEIVERS) {
            delivery.was_over = delivery.events.received > 0;
            for record in &mut delivery.records {
                record.moved |= before.holder.is_some() && record.state != Standing::Absent;
            }
            if !self.is(Mutation::HolderWithoutReading) {
                self.follow(delivery, lease, node);
            }
        }
        true
    }

    /// Of several messages the oldest, or the newest because the others are held by somebody who does not answer.
    fn take_over(&self, state: &mut State, node: usize, delivery: usize, oldest: bool) -> bool {
        let lease = state.leases[delivery % RECEIVERS];
        let next = state.deliveries[delivery].next_waiting(oldest);
        let Some(generation) = next.filter(|_| self.serves(state, node) && lease.believes[node]) else {
            return false;
        };
        let delivery = &mut state.deliveries[delivery];
        self.hand_off(delivery, lease, node, generation);
        delivery.waiting &= !mark(generation);
        true
    }

    /// A message onto a disk.
    pub(crate) fn hand_off(&self, delivery: &mut Delivery, lease: Lease, node: usize, generation: u8) {
        delivery.taken |= mark(generation);
        let me = bit(node as u8);
        if delivery.records[node].state == Standing::Absent {
            let (state, published) = (Standing::Queued, true);
            delivery.records[node] =
                Record { state, generation, published, untold: true, ..Record::default() };
            if !self.is(Mutation::MadeWithoutReading) {
                self.follow(delivery, lease, node);
            }
        }
        let record = &mut delivery.records[node];
        let higher = generation > record.generation;
        match record.state {
            // Whichever generation came: this is the place where it is attempted from now on.
            Standing::Queued if higher || record.at & me == 0 => {
                record.at = if higher { me } else { record.at | me };
                (record.published, record.moved) = (record.published || higher, false);
            }
            Standing::GivenUp if higher => {
                (record.state, record.at, record.published, record.moved) =
                    (Standing::Queued, me, true, false);
            }
            _ => return,
        }
        (record.generation, record.untold) = (record.generation.max(generation), true);
    }

    fn attempt(&self, state: &mut State, node: usize, delivery: usize) -> bool {
        let partition = delivery % RECEIVERS;
        let fenced = self.serves(state, node) && state.leases[partition].believes[node];
        let others = state.deliveries.iter().skip(partition).step_by(RECEIVERS);
        let busy = others.map(|other| other.records[node].attempt).any(|attempt| attempt != Attempt::None);
        let was_over = state.deliveries[delivery].was_over;
        let (may, unfenced) = (is_up(state, node) && !busy, self.is(Mutation::NoFencing));
        let record = &mut state.deliveries[delivery].records[node];
        let ours = record.is_queued() && record.at & bit(node as u8) != 0;
        if !may || !ours || !fenced && !unfenced {
            return false;
        }
        record.attempt = match fenced {
            _ if was_over => Attempt::Needless,
            true => Attempt::Begun,
            false => Attempt::Unfenced,
        };
        if self.is(Mutation::SettleBeforeDelivery) {
            (record.state, record.untold) = (Standing::Received, true);
        }
        true
    }

    fn settle(&self, state: &mut State, node: usize, delivery: usize) -> bool {
        let delivery = &mut state.deliveries[delivery];
        let record = &mut delivery.records[node];
        if record.attempt == Attempt::None {
            return false;
        }
        (record.attempt, delivery.received) = (Attempt::None, true);
        if record.is_queued() {
            (record.state, record.untold) = (Standing::Received, true);
        }
        true
    }

    pub(crate) fn requeue(&self, state: &mut State, node: usize, delivery: usize) -> bool {
        let lease = state.leases[delivery % RECEIVERS];
        let record = &state.deliveries[delivery].records[node];
        if !record.is_queued() || !record.moved || !self.serves(state, node) {
            return false;
        }
        let delivery = &mut state.deliveries[delivery];
        self.follow(delivery, lease, node);
        let record = &mut delivery.records[node];
        record.moved = false;
        if record.is_queued() && !is_at_holder(record, lease) {
            record.generation += 1;
            (record.at, record.published, record.untold) = (0, false, true);
        }
        true
    }

    fn send_again(&self, state: &mut State, node: usize, delivery: usize) -> bool {
        let given_up = state.deliveries[delivery].records[node].state == Standing::GivenUp;
        let may = given_up && state.deliveries[delivery].decided == Decided::GivenUp;
        if !may || !self.serves(state, node) {
            return false;
        }
        let lease = state.leases[delivery % RECEIVERS];
        let delivery = &mut state.deliveries[delivery];
        self.follow(delivery, lease, node);
        let next = delivery.highest().max(delivery.records[node].generation) + 1;
        let record = &mut delivery.records[node];
        if record.state == Standing::GivenUp {
            (record.state, record.generation, record.at) = (Standing::Queued, next, 0);
            (record.published, record.untold, record.moved) = (false, true, false);
            record.keeper = true;
            delivery.decided = Decided::Requeued;
        }
        true
    }
}

/// Sends what happened; what is not published yet only as far as it was accepted.
pub(crate) fn tell(state: &mut State, node: usize, delivery: usize) -> bool {
    if !is_up(state, node) {
        return false;
    }
    let delivery = &mut state.deliveries[delivery];
    let mut record = delivery.records[node];
    let names = bit(node as u8) * u8::from(record.keeper);
    let (before, complete) = (*delivery, record.published || record.is_final());
    if !record.untold || !complete && delivery.named & names == names {
        return false;
    }
    delivery.named |= names;
    if complete {
        let (me, events) = (bit(node as u8), &mut delivery.events);
        if record.state == Standing::Received {
            events.received = events.received.max(record.generation);
        }
        if record.generation > events.generation {
            (events.generation, events.at, events.given_up) = (record.generation, 0, false);
        }
        if record.generation == events.generation {
            events.at |= record.at & me;
            events.given_up |= record.state == Standing::GivenUp;
        }
        record.untold = false;
        delivery.records[node] = record;
        let other = &mut delivery.records[1 - node];
        other.unread |= delivery.events != before.events && other.state != Standing::Absent;
    }
    true
}

/// Whether it is known to be handed off where it will be attempted.
fn is_at_holder(record: &Record, lease: Lease) -> bool {
    lease.holder.is_some_and(|holder| record.at & bit(holder) != 0)
}

/// Whether it runs.
pub(crate) fn is_up(state: &State, node: usize) -> bool {
    state.nodes[node].life == Life::Up
}

/// A gateway believes in no lease any more.
pub(crate) fn forget_leases(state: &mut State, node: usize) {
    state.leases.iter_mut().for_each(|lease| lease.believes[node] = false);
}
