//! Which deliveries go next: queues in parallel, of each queue a chain that goes one after the other. What was looked at in
//! the store is not looked at again, however much waits there: that it was is remembered by queue. No I/O.

use std::collections::{HashMap, HashSet};

use lienthong_schemas::organ::{OrganId, ReceiverToken};

use super::INLINE_BYTES_MAX;
use crate::ports::{Fault, PerLane};
use crate::record::Delivery;

/// Deliveries that are begun after one look, and most of a chain.
const BATCH: usize = 64;
/// Queues that publish at once; each has one message in flight.
const QUEUES_AT_ONCE: usize = 64;
/// Of these, with a packet that goes to the Object Store: the others do not wait for a slow upload.
const LARGE_AT_ONCE: usize = 48;
/// With more queues of small packets under way than this, the store is asked for others only when some were admitted.
const LOOK_BELOW: usize = 32;

/// Whom a delivery that cannot be published holds up: its receiver, in its queue. Behind an axis the others of the queue
/// go on.
pub(super) type Place = (ReceiverToken, OrganId);

pub(super) fn place(delivery: &Delivery) -> Place {
    (delivery.route.queue(), delivery.route.receiver.clone())
}

fn is_large(delivery: &Delivery) -> bool {
    delivery.bytes > INLINE_BYTES_MAX
}

/// Deliveries of one queue that go one after the other.
pub(super) struct Chain {
    pub(super) queue: ReceiverToken,
    pub(super) deliveries: Vec<Delivery>,
    /// The next one of its queue has no place.
    is_cut: bool,
}

impl Chain {
    pub(super) fn is_large(&self) -> bool {
        self.deliveries.iter().any(is_large)
    }
}

/// A chain that ended: all of it, or up to a delivery of this place.
pub(super) struct Ended {
    pub(super) queue: ReceiverToken,
    pub(super) count: usize,
    pub(super) large: bool,
    pub(super) outcome: Result<(), (Place, Fault)>,
}

/// A look at what the store has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) after: PerLane,
    pub(super) limit: usize,
    /// From the first one, for queues that were passed by; else for what was never looked at.
    again: bool,
}

/// What it showed.
pub(super) struct Page {
    pub(super) look: Look,
    pub(super) waiting: Vec<Delivery>,
}

/// What happened since a look began: it may not show that.
#[derive(Default)]
struct Since {
    /// Queues whose chains ended.
    ended: HashSet<ReceiverToken>,
    /// Nothing is known any more.
    all: bool,
}

/// What is under way, and what is known of the rest. Whatever is not published up to `seen` is under way, or its queue is
/// `behind`, `free` or `crowded`, or its place is set aside.
pub(super) struct UnderWay {
    queues: HashSet<ReceiverToken>,
    deliveries: usize,
    large: usize,
    seen: PerLane,
    /// There may be something after `seen`.
    more: bool,
    /// And it was just admitted.
    admitted: bool,
    /// Queues under way that have more up to `seen`.
    behind: HashSet<ReceiverToken>,
    /// Queues not under way that may have something up to `seen`: it is looked for from the beginning, before all else.
    free: HashSet<ReceiverToken>,
    /// How far it was.
    again: PerLane,
    /// Queues not under way for whose first delivery there was no place; free when a chain ends.
    crowded: HashSet<ReceiverToken>,
    /// A look is under way.
    looking: Option<Since>,
}

impl Default for UnderWay {
    fn default() -> Self {
        Self {
            queues: HashSet::new(),
            deliveries: 0,
            large: 0,
            seen: PerLane::default(),
            more: true,
            admitted: true,
            behind: HashSet::new(),
            free: HashSet::new(),
            again: PerLane::default(),
            crowded: HashSet::new(),
            looking: None,
        }
    }
}

impl UnderWay {
    /// Something came after everything else.
    pub(super) fn look_on(&mut self) {
        (self.more, self.admitted) = (true, true);
    }

    /// A queue may have something that was passed by.
    pub(super) fn look_for(&mut self, queue: ReceiverToken) {
        if self.queues.contains(&queue) {
            self.behind.insert(queue);
        } else {
            self.free.insert(queue);
            self.again = PerLane::default();
        }
    }

    /// Any delivery may be one to publish.
    pub(super) fn look_anew(&mut self) {
        (self.seen, self.again) = (PerLane::default(), PerLane::default());
        self.look_on();
        self.behind.clear();
        self.free.clear();
        self.crowded.clear();
        if let Some(since) = &mut self.looking {
            since.all = true;
        }
    }

    /// The look that is to be made now, if there is one and a place for what it may show.
    pub(super) fn next_look(&mut self) -> Option<Look> {
        let places = QUEUES_AT_ONCE.saturating_sub(self.queues.len());
        if self.looking.is_some() || places == 0 {
            return None;
        }
        let few = self.queues.len() - self.large < LOOK_BELOW;
        let look = if few && !self.free.is_empty() {
            Look { after: self.again, limit: BATCH + self.deliveries, again: true }
        } else if (few && self.more) || self.admitted {
            (self.more, self.admitted) = (false, false);
            Look { after: self.seen, limit: BATCH.min(places), again: false }
        } else {
            return None;
        };
        self.looking = Some(Since::default());
        Some(look)
    }

    /// The look that was under way came to nothing.
    pub(super) fn look_failed(&mut self) {
        self.looking = None;
        self.look_on();
    }

    /// Begins chains of what can go now. A queue whose first delivery has to wait waits whole.
    pub(super) fn choose(&mut self, page: Page, is_aside: impl Fn(&Place) -> bool) -> Vec<Chain> {
        let since = self.looking.take().unwrap_or_default();
        let Page { look, waiting } = page;
        if since.all || (look.again && look.after != self.again) {
            // Others look for what it would have shown.
            return Vec::new();
        }
        let is_whole = waiting.len() < look.limit;
        let mut reached = look.after;
        let mut chosen = Chosen::default();
        for delivery in waiting {
            let lane = delivery.lane as usize;
            reached[lane] = reached[lane].max(delivery.order);
            if look.again && delivery.order > self.seen[lane] {
                continue;
            }
            self.offer(delivery, look, &since, &is_aside, &mut chosen);
        }
        let is_over = is_whole || reached.iter().zip(&self.seen).all(|(reached, seen)| reached >= seen);
        match (look.again, is_over) {
            (false, _) => (self.seen, self.more) = (reached, self.more || !is_whole),
            // What was not found is not there.
            (true, true) => (self.free, self.again) = (HashSet::new(), PerLane::default()),
            (true, false) => {
                self.again = reached;
                self.free.retain(|queue| !chosen.at.contains_key(queue));
                // They may have more behind this page.
                self.behind.extend(chosen.at.keys().cloned());
            }
        }
        chosen.restart.into_iter().for_each(|queue| self.look_for(queue));
        chosen.chains
    }

    fn offer(
        &mut self,
        delivery: Delivery,
        look: Look,
        since: &Since,
        is_aside: &impl Fn(&Place) -> bool,
        chosen: &mut Chosen,
    ) {
        let queue = delivery.route.queue();
        let chain = chosen.at.get(&queue).copied();
        if chain.is_none() && self.queues.contains(&queue) {
            self.behind.insert(queue);
            return;
        }
        if since.ended.contains(&queue) {
            chosen.restart.insert(queue);
            return;
        }
        // The first of these queues are elsewhere.
        let is_later = self.crowded.contains(&queue) || (!look.again && self.free.contains(&queue));
        if is_later || is_aside(&place(&delivery)) {
            return;
        }
        let is_new_large = is_large(&delivery) && chain.is_none_or(|at| !chosen.chains[at].is_large());
        let no_place = chain.is_none() && self.queues.len() >= QUEUES_AT_ONCE;
        if no_place || chosen.count == BATCH || (is_new_large && self.large >= LARGE_AT_ONCE) {
            match chain {
                None => self.crowded.insert(queue),
                Some(at) => {
                    chosen.chains[at].is_cut = true;
                    self.behind.insert(queue)
                }
            };
            return;
        }
        if chain.is_some_and(|at| chosen.chains[at].is_cut) {
            return;
        }
        self.large += usize::from(is_new_large);
        self.deliveries += 1;
        chosen.count += 1;
        let at = chain.unwrap_or_else(|| {
            self.queues.insert(queue.clone());
            chosen.chains.push(Chain { queue: queue.clone(), deliveries: Vec::new(), is_cut: false });
            chosen.at.insert(queue, chosen.chains.len() - 1);
            chosen.chains.len() - 1
        });
        chosen.chains[at].deliveries.push(delivery);
    }

    /// A chain is over.
    pub(super) fn end(&mut self, ended: &Ended) {
        self.queues.remove(&ended.queue);
        self.deliveries -= ended.count;
        self.large -= usize::from(ended.large);
        if let Some(since) = &mut self.looking {
            since.ended.insert(ended.queue.clone());
        }
        if self.behind.remove(&ended.queue) || ended.outcome.is_err() {
            self.look_for(ended.queue.clone());
        }
        for queue in std::mem::take(&mut self.crowded) {
            self.look_for(queue);
        }
    }
}

/// What was chosen of one page.
#[derive(Default)]
struct Chosen {
    chains: Vec<Chain>,
    at: HashMap<ReceiverToken, usize>,
    count: usize,
    restart: HashSet<ReceiverToken>,
}

#[cfg(test)]
mod tests;
