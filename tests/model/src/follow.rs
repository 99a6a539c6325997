//! What a gateway learns from `EVENTS`, and what it takes over from a dead one by them.

use crate::cluster::{Cluster, Mutation};
use crate::state::{Delivery, Lease, RECEIVERS, Record, Standing, State, bit};

impl Cluster {
    /// Everything that one gateway did not read yet; `false`: there is nothing.
    pub(crate) fn follow_all(&self, state: &mut State, node: usize) -> bool {
        let mut any = false;
        for (at, delivery) in state.deliveries.iter_mut().enumerate() {
            if delivery.records[node].unread {
                self.follow(delivery, state.leases[at % RECEIVERS], node);
                any = true;
            }
        }
        any
    }

    /// What `EVENTS` say of one delivery, applied to one gateway's record.
    pub(crate) fn follow(&self, delivery: &mut Delivery, lease: Lease, node: usize) {
        let events = delivery.events;
        let record = &mut delivery.records[node];
        record.unread = false;
        if matches!(record.state, Standing::Absent | Standing::Received) {
            return;
        }
        // The receiver has it, whichever generation that was.
        let counts = self.is_counted(events.received, record.generation);
        if events.received > 0 && counts {
            record.state = Standing::Received;
            record.generation = record.generation.max(events.received);
        } else if events.generation > record.generation {
            record.state = if events.given_up { Standing::GivenUp } else { Standing::Queued };
            (record.generation, record.at, record.published) = (events.generation, events.at, true);
        } else if record.is_queued() {
            let same = events.generation == record.generation;
            if events.given_up && (same || self.is(Mutation::FollowIgnoresGeneration)) {
                record.state = Standing::GivenUp;
            } else if same {
                record.at |= events.at;
            }
        }
        // It lies at a gateway that will not attempt it.
        let elsewhere = lease.holder.is_some_and(|holder| record.at & !bit(holder) == record.at);
        record.moved |=
            record.is_queued() && record.at != 0 && elsewhere && !self.is(Mutation::MovesOnlyOnce);
    }

    fn is_counted(&self, received: u8, generation: u8) -> bool {
        !self.is(Mutation::ReceivedOfItsGeneration) || received >= generation
    }

    /// The other gateway keeps from now on what the dead one kept, as far as `EVENTS` and `DELIVERIES` tell. It may be asked
    /// for again: what a draining gateway brings later is covered then.
    pub(crate) fn adopt(&self, state: &mut State, dead: usize) -> bool {
        let heir = 1 - dead;
        if !self.serves(state, heir) || state.nodes[heir].adopted {
            return false;
        }
        let mut any = !std::mem::replace(&mut state.nodes[dead].adopted, true);
        for (at, delivery) in state.deliveries.iter_mut().enumerate() {
            if delivery.named & bit(dead as u8) != 0 {
                let before = *delivery;
                self.inherit(delivery, state.leases[at % RECEIVERS], heir);
                any |= *delivery != before;
            }
        }
        any
    }

    fn inherit(&self, delivery: &mut Delivery, lease: Lease, heir: usize) {
        let (highest, events) = (delivery.highest(), delivery.events);
        if events.received > 0 || events.given_up && events.generation == highest {
            return;
        }
        self.follow(delivery, lease, heir);
        // What was accepted was published in the first generation, or will be.
        let next = highest.max(1) + 1;
        let record = &mut delivery.records[heir];
        match record.state {
            Standing::Absent => {
                *record = Record { state: Standing::Queued, generation: next, ..Record::default() };
            }
            Standing::GivenUp if highest > record.generation => {
                let (state, keeper) = (Standing::Queued, record.keeper);
                *record = Record { state, generation: next, keeper, ..Record::default() };
            }
            Standing::Queued if !record.keeper => {
                if record.at & bit(heir as u8) == 0 {
                    (record.generation, record.at, record.published) = (next, 0, false);
                }
            }
            _ => return,
        }
        (record.keeper, record.untold) = (true, true);
    }
}
