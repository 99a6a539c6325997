//! Random admissions, looks and ends over a store of numbers: everything goes out, once, in the order of its queue.

use std::collections::{BTreeMap, HashSet, VecDeque};

use jiff::Timestamp;
use lienthong_schemas::ids::{DeliveryId, DocumentId, Operation, PacketDigest};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::record::{AdapterKind, Lane, Route, State, SystemId};

const QUEUES: usize = 90;

fn delivery(order: u64, queue: usize, lane: Lane, bytes: u64) -> Delivery {
    let receiver = OrganId::parse(&format!("H55.{queue}")).expect("a code");
    let digest = PacketDigest::of(&order.to_be_bytes());
    let document = DocumentId::derive(&receiver, &order.to_string(), "0", &digest);
    let system = SystemId::parse("one").expect("an id");
    Delivery {
        id: DeliveryId::derive(&document, &receiver, Operation::Deliver),
        document,
        sender: receiver.clone(),
        route: Route { receiver, system, adapter: AdapterKind::VendorHttp },
        lane,
        kind: "0".to_owned(),
        digest,
        bytes,
        accepted_at: Timestamp::UNIX_EPOCH,
        since: None,
        correlations: Vec::new(),
        reportable: true,
        state: State::Queued,
        generation: 1,
        published: 0,
        handed_off: false,
        attempts: 0,
        document_failures: 0,
        due: Timestamp::UNIX_EPOCH,
        paused_at: None,
        elsewhere: None,
        foreign: false,
        contested: false,
        ours_to_fix: false,
        lease: None,
        may_have_arrived: false,
        order,
        closed: false,
        mailbox: None,
        beyond: None,
    }
}

/// What the store and those who publish do.
struct Model {
    rng: StdRng,
    next: u64,
    store: BTreeMap<(Lane, u64), Delivery>,
    chains: Vec<Chain>,
    /// Pages that were read and not yet looked at.
    pages: VecDeque<Page>,
    aside: HashSet<Place>,
    sent: HashSet<u64>,
    looked_at: usize,
}

impl Model {
    fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            next: 0,
            store: BTreeMap::new(),
            chains: Vec::new(),
            pages: VecDeque::new(),
            aside: HashSet::new(),
            sent: HashSet::new(),
            looked_at: 0,
        }
    }

    fn admit(&mut self, under_way: &mut UnderWay) {
        // Most of it is for a few.
        let queue = if self.rng.random_bool(0.5) { 0 } else { self.rng.random_range(0..QUEUES) };
        let lane = if self.rng.random_bool(0.1) { Lane::Urgent } else { Lane::Normal };
        let bytes = if self.rng.random_bool(0.2) { INLINE_BYTES_MAX + 1 } else { 1 };
        self.next += 1;
        self.store.insert((lane, self.next), delivery(self.next, queue, lane, bytes));
        under_way.look_on();
    }

    fn read(&mut self, look: Look) {
        let behind = |(lane, order): &(Lane, u64)| *order > look.after[*lane as usize];
        let found = self.store.iter().filter(|(key, _)| behind(key)).map(|(_, delivery)| delivery.clone());
        let waiting: Vec<_> = found.take(look.limit).collect();
        self.looked_at += waiting.len();
        self.pages.push_back(Page { look, waiting });
    }

    fn choose(&mut self, under_way: &mut UnderWay) {
        let Some(page) = self.pages.pop_front() else { return };
        for chain in under_way.choose(page, |place| self.aside.contains(place)) {
            assert!(self.chains.iter().all(|other| other.queue != chain.queue), "one chain a queue");
            assert!(chain.deliveries.len() <= BATCH);
            self.chains.push(chain);
        }
        assert!(self.chains.len() <= QUEUES_AT_ONCE);
        assert!(self.chains.iter().filter(|chain| chain.is_large()).count() <= LARGE_AT_ONCE);
    }

    /// One chain goes out, or up to one that fails.
    fn end(&mut self, under_way: &mut UnderWay, may_fail: bool) {
        if self.chains.is_empty() {
            return;
        }
        let at = self.rng.random_range(0..self.chains.len());
        let chain = self.chains.swap_remove(at);
        let fails = may_fail && self.rng.random_bool(0.1);
        let good =
            if fails { self.rng.random_range(0..chain.deliveries.len()) } else { chain.deliveries.len() };
        for sent in &chain.deliveries[..good] {
            let place = place(sent);
            let waits = |(lane, order): &(Lane, u64)| *lane == sent.lane && *order < sent.order;
            let overtaken = self.store.iter().find(|(key, other)| waits(key) && super::place(other) == place);
            assert!(overtaken.is_none(), "{} overtakes {:?}", sent.order, overtaken.map(|(key, _)| key));
            assert!(self.store.remove(&(sent.lane, sent.order)).is_some(), "{} goes twice", sent.order);
            self.sent.insert(sent.order);
        }
        let outcome = match chain.deliveries.get(good) {
            Some(failed) => {
                self.aside.insert(place(failed));
                Err((place(failed), Fault::new("broker", "no")))
            }
            None => Ok(()),
        };
        let (count, large) = (chain.deliveries.len(), chain.is_large());
        under_way.end(&Ended { queue: chain.queue, count, large, outcome });
    }

    fn step(&mut self, under_way: &mut UnderWay) {
        if let Some(look) = under_way.next_look() {
            self.read(look);
        }
        match self.rng.random_range(0..10) {
            0..4 => self.choose(under_way),
            4..7 => self.end(under_way, true),
            7..9 => self.admit(under_way),
            _ if self.rng.random_bool(0.3) => self.expire(under_way),
            _ if self.rng.random_bool(0.05) => under_way.look_anew(),
            _ => {}
        }
    }

    fn expire(&mut self, under_way: &mut UnderWay) {
        for place in std::mem::take(&mut self.aside) {
            under_way.look_for(place.0);
        }
    }
}

#[test]
fn everything_goes_out_once_and_in_the_order_of_its_queue() {
    for seed in 0..60 {
        let mut model = Model::new(seed);
        let mut under_way = UnderWay::default();
        for _ in 0..2_000 {
            model.step(&mut under_way);
        }
        model.expire(&mut under_way);
        // What is left goes without news.
        for _ in 0..20_000 {
            match under_way.next_look() {
                Some(look) => model.read(look),
                None if !model.pages.is_empty() => {}
                None if !model.chains.is_empty() => model.end(&mut under_way, false),
                None => break,
            }
            model.choose(&mut under_way);
        }
        assert!(model.store.is_empty(), "seed {seed}: left behind {:?}", model.store.keys());
        assert_eq!(model.sent.len() as u64, model.next);
    }
}

#[test]
fn a_long_queue_is_looked_at_about_twice() {
    let mut model = Model::new(1);
    let mut under_way = UnderWay::default();
    for n in 1..=10_000 {
        model.store.insert((Lane::Normal, n), delivery(n, 0, Lane::Normal, 1));
    }
    loop {
        match under_way.next_look() {
            Some(look) => {
                model.read(look);
                model.choose(&mut under_way);
            }
            None if !model.chains.is_empty() => {
                model.end(&mut under_way, false);
                // News of what is not for this queue, again and again.
                under_way.look_on();
            }
            None => break,
        }
    }
    assert!(model.store.is_empty());
    assert!(model.looked_at < 25_000, "{}", model.looked_at);
}
