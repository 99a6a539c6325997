//! Runs: small packets of one receiver that leave one after the other, begun together, while the outcome of the one before
//! goes to disk.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use lienthong_adapters::contract::{failure, received};
use lienthong_pipeline::dispatch::Dispatch;
use lienthong_pipeline::ports::{
    Adapter, Clock, Consignment, DeliveryFailure, FailureClass, Handover, Transition,
};
use lienthong_pipeline::record::{AdapterKind, BootId, Delivery, Receipt, State};
use lienthong_pipeline::tasks::Tasks;
use lienthong_schemas::ids::DeliveryId;

use super::hooks::{Fate, HookedStore, hooked};
use super::world::{B, Setup, World, letter};

const STEP: Duration = Duration::from_secs(10);

fn id(receipt: &Receipt) -> DeliveryId {
    receipt.deliveries[0].delivery_id
}

/// So many letters for one receiver wait when the gateway starts, all of them handed off.
async fn waiting(count: u32) -> (World, Arc<HookedStore>, Vec<Receipt>) {
    let (mut world, store) = hooked(Setup::default());
    world.kill();
    world.start_without_dispatch();
    let mut receipts = Vec::new();
    for number in 0..count {
        receipts.push(world.send(letter(number, &[B])).await);
    }
    world.quiet().await;
    world.kill();
    (world, store, receipts)
}

/// State, and whether it is leased, of each delivery, as often as an attempt began.
type Seen = Arc<Mutex<Vec<Vec<(State, bool)>>>>;

/// What the store has of each when an attempt begins.
fn watched(world: &World, receipts: &[Receipt], answer: impl Fn(usize) -> bool + Send + 'static) -> Seen {
    let (seen, ports) = (Arc::new(Mutex::new(Vec::new())), world.ports.clone());
    let (ids, noted): (Vec<DeliveryId>, _) = (receipts.iter().map(id).collect(), seen.clone());
    world.answer(move |_, _| {
        let now = |id: &DeliveryId| {
            let found = ports.store.delivery(*id).now_or_never().expect("at once").expect("it answers");
            let found = found.expect("it is known");
            (found.state, found.lease.is_some())
        };
        let mut noted = noted.lock().expect("what was seen");
        noted.push(ids.iter().map(now).collect());
        match answer(noted.len()) {
            true => Ok(received()),
            false => Err(failure(FailureClass::Receiver, "connect")),
        }
    });
    seen
}

async fn deliveries(world: &World, receipts: &[Receipt]) -> Vec<Delivery> {
    let mut found = Vec::new();
    for receipt in receipts {
        found.push(world.delivery(id(receipt)).await);
    }
    found
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_one_receiver_is_begun_together_and_leaves_in_its_order() {
    let (mut world, _, receipts) = waiting(11).await;
    let seen = watched(&world, &receipts, |_| true);
    world.start();
    world.quiet().await;
    let tried: Vec<_> = receipts.iter().map(|receipt| receipt.document_id).collect();
    assert_eq!(world.tried(), tried);
    for after in deliveries(&world, &receipts).await {
        assert_eq!((after.state, after.lease, after.attempts), (State::Received, None, 1));
        assert!(!after.may_have_arrived);
    }
    let seen = seen.lock().expect("what was seen");
    let begun = |at: usize| seen[at].iter().filter(|(_, leased)| *leased).count();
    assert_eq!((begun(0), begun(8)), (8, 3), "eight at most in one go: {seen:?}");
    for (nth, states) in seen.iter().enumerate() {
        assert!(states[nth].1, "it is on disk that it begins");
        let written = states.iter().take_while(|(state, _)| *state == State::Received).count();
        assert!(written + 1 >= nth, "only the outcome of the one before is under way: {states:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_that_is_not_taken_ends_the_run_and_the_others_have_not_begun() {
    let (mut world, _, receipts) = waiting(6).await;
    let seen = watched(&world, &receipts, |nth| nth != 3);
    world.start();
    world.quiet().await;
    assert_eq!(seen.lock().expect("what was seen").len(), 3);
    let after = deliveries(&world, &receipts).await;
    let shown: Vec<_> =
        after.iter().map(|d| (d.state, d.attempts, d.lease.is_some(), d.may_have_arrived)).collect();
    let (done, waits) = ((State::Received, 1, false, false), (State::Queued, 0, false, false));
    assert_eq!(shown, [done, done, (State::Queued, 1, false, false), waits, waits, waits]);
    world.advance(STEP).await;
    let tried: Vec<_> = [0, 1, 2, 2, 3, 4, 5].map(|nth: usize| receipts[nth].document_id).to_vec();
    assert_eq!(world.tried(), tried);
    for after in deliveries(&world, &receipts).await {
        assert_eq!(after.state, State::Received);
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_but_one_waits_for_an_outcome_that_is_not_on_disk() {
    let (mut world, store, receipts) = waiting(5).await;
    let seen = watched(&world, &receipts, |_| true);
    let second = id(&receipts[1]);
    store.transition.set(move |(id, change)| match change {
        Transition::Settled { .. } if *id == second => Fate::Hangs,
        _ => Fate::Passes,
    });
    world.start();
    world.quiet().await;
    assert_eq!(seen.lock().expect("what was seen").len(), 3, "the third was on its way meanwhile");
    let states = |after: Vec<Delivery>| after.iter().map(|d| d.state).collect::<Vec<_>>();
    let after = states(deliveries(&world, &receipts).await);
    assert_eq!(after, [State::Received, State::Queued, State::Queued, State::Queued, State::Queued]);

    // The next life repeats what it cannot know to be over, with the same ids, before what had not left.
    world.kill();
    let before = world.tried().len();
    store.transition.clear();
    world.start();
    world.quiet().await;
    let repeated: Vec<_> = receipts[1..].iter().map(|receipt| receipt.document_id).collect();
    assert_eq!(world.tried()[before..], repeated);
    assert_eq!(states(deliveries(&world, &receipts).await), [State::Received; 5]);
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_back_before_it_began_does_not_leave() {
    let (mut world, store, receipts) = waiting(4).await;
    let _seen = watched(&world, &receipts, |_| true);
    let (inner, taken, clock) = (store.inner(), id(&receipts[2]), world.clock.clone());
    store.transition.set(move |(id, change)| {
        if *id == taken && matches!(change, Transition::Leased { .. }) {
            let (state, note) = (State::Withdrawn, "taken back".to_owned());
            let withdrawn = Transition::Settled { state, note, untold: false };
            let done = inner.transition(*id, clock.now(), withdrawn).now_or_never();
            assert!(done.expect("at once").expect("it answers").is_some());
        }
        Fate::Passes
    });
    world.start();
    world.quiet().await;
    let tried: Vec<_> = [0, 1, 3].map(|nth: usize| receipts[nth].document_id).to_vec();
    assert_eq!(world.tried(), tried);
}

/// Takes the first packet, and hangs with the next.
struct Hangs(AtomicUsize);

#[async_trait]
impl Adapter for Hangs {
    fn kind(&self) -> AdapterKind {
        AdapterKind::VendorHttp
    }
    async fn deliver(&self, _: &Consignment) -> Result<Handover, DeliveryFailure> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(received()),
            _ => std::future::pending().await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_stops_in_a_run_leaves_no_word_of_what_had_not_left() {
    cut(false).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_behind_a_slow_one_can_be_taken_back_after_a_second() {
    cut(true).await;
}

/// A run of four hangs with its second one, until the gateway stops.
async fn cut(slow: bool) {
    let (mut world, _, receipts) = waiting(4).await;
    world.start_without_dispatch();
    let policies = Arc::new(arc_swap::ArcSwap::from_pointee(Setup::default().policy.into()));
    let directory = Arc::new(arc_swap::ArcSwap::new(world.directory()));
    let (ports, metrics, wakes) = (world.ports.clone(), world.metrics.clone(), world.wakes.clone());
    let adapter = Arc::new(Hangs(AtomicUsize::new(0)));
    let dispatch = Dispatch::new(ports, directory, adapter.clone(), policies, metrics, wakes, BootId::new(1));
    let tasks = Tasks::new();
    tasks.spawn("dispatch", dispatch.run(tasks.clone()));
    world.quiet().await;
    let begun = |after: Vec<Delivery>| after.iter().map(|d| d.lease.is_some()).collect::<Vec<_>>();
    assert_eq!(begun(deliveries(&world, &receipts).await), [false, true, true, true], "one is over");
    if slow {
        world.advance(Duration::from_secs(1)).await;
        assert_eq!(begun(deliveries(&world, &receipts).await), [false, true, false, false], "not for longer");
    }
    tasks.stop();
    assert!(tasks.join().await.is_empty());
    assert_eq!(adapter.0.load(Ordering::Relaxed), 2);
    assert_eq!(begun(deliveries(&world, &receipts).await), [false, true, false, false], "one was cut");
}
