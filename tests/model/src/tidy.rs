//! States that will never differ in what they lead to are made one: what nobody looks at any more is forgotten.

use crate::cluster::{Cluster, Mutation};
use crate::state::{Decided, Delivery, Events, GENERATIONS, Life, Node, Record, Standing, State, mark};
use crate::step::{is_up, tell};

impl Cluster {
    /// Everybody who runs sends, reads and looks, until nothing is left to send, read or look at.
    pub(crate) fn say_all(&self, state: &mut State) {
        loop {
            let before = *state;
            for node in 0..2 {
                if is_up(state, node) {
                    self.follow_all(state, node);
                }
                for delivery in self.carried() {
                    if self.requeue(state, node, delivery) {
                        self.publish(state, node, delivery, true);
                    }
                    tell(state, node, delivery);
                }
            }
            if *state == before {
                return;
            }
        }
    }

    /// Forgets what makes no difference.
    pub(crate) fn tidy(&self, state: &mut State) {
        for node in &mut state.nodes {
            node.old &= node.life == Life::Up;
        }
        for delivery in &mut state.deliveries {
            if !self.is(Mutation::ReceivedOfItsGeneration) {
                forget_received(delivery);
                renumber(delivery, &state.nodes);
            }
        }
    }
}

/// Where `received` of any generation counts, generations mean nothing after it.
fn forget_received(delivery: &mut Delivery) {
    for record in &mut delivery.records {
        if record.state == Standing::Received {
            let Record { state, keeper, attempt, .. } = *record;
            let untold = record.untold && delivery.events.received == 0;
            *record = Record { state, generation: 1, keeper, untold, attempt, ..Record::default() };
        }
    }
    if delivery.events.received > 0 {
        delivery.events = Events { received: 1, ..Events::default() };
        delivery.decided = Decided::Nothing;
        delivery.seen &= delivery.waiting;
        delivery.taken = 0;
    }
}

/// Generations lose their numbers, not their order, where nothing has them any more. Messages that every record is past count
/// as of the first one.
fn renumber(delivery: &mut Delivery, nodes: &[Node; 2]) {
    let highest = delivery.highest();
    let Delivery { records, events, .. } = delivery;
    let blank = |at: usize| records[at].state == Standing::Absent && nodes[at].life != Life::Lost;
    let unknown = if (0..2).any(blank) { mark(events.generation) } else { 0 };
    let queued = |record: &&mut Record| matches!(record.state, Standing::Queued | Standing::GivenUp);
    let held = records.iter_mut().filter(queued).fold(unknown, |held, record| held | mark(record.generation));
    let least = (held & !1).trailing_zeros().min(u32::from(highest));
    let past = ((1_u16 << least) - 1) & !1 & delivery.waiting;
    let held = held | mark(events.generation) | mark(highest);
    let live = held | !delivery.seen | delivery.waiting & !past;
    let number = |generation: u8| match generation {
        0 | 1 => generation,
        _ => 2 + (2..generation).map(|earlier| u8::from(live & mark(earlier) != 0)).sum::<u8>(),
    };
    let moved = |bits: u16| {
        let first = bits & 0b10 | u16::from(bits & past != 0) << 1;
        let bits = bits & live & !past;
        (2..=GENERATIONS).filter(|of| bits & mark(*of) != 0).fold(first, |all, of| all | mark(number(of)))
    };
    let (seen, waiting, taken) = (moved(delivery.seen), moved(delivery.waiting), moved(delivery.taken));
    for record in records.iter_mut().filter(queued) {
        record.generation = number(record.generation);
    }
    events.generation = number(events.generation);
    (delivery.seen, delivery.waiting, delivery.taken) = (seen, waiting, taken);
}
