//! A gateway that is cut at any moment and started again over what was on disk: every accepted document arrives, under
//! the same ids on every attempt.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use lienthong_adapters::contract::{Seen, failure, received};
use lienthong_outbox::{Engine, open_or_rebuild};
use lienthong_pipeline::clock::ManualClock;
use lienthong_pipeline::ports::FailureClass;
use lienthong_pipeline::record::{Receipt, State};
use lienthong_schemas::edxml::BusinessType;
use lienthong_schemas::ids::DeliveryId;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::Instant;

use super::world::{B, C, D, Setup, World, clock, letter, name_of, new_folder};

/// Receivers that fail in three of ten attempts, each time in another way.
fn moody(world: &World, seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    world.answer(move |_, _| match dice.random_range(0..10) {
        0 => Err(failure(FailureClass::Receiver, "timeout")),
        1 => Err(failure(FailureClass::OursToFix, "http_401")),
        2 => Err(failure(FailureClass::Receiver, "http_503")),
        _ => Ok(received()),
    });
}

/// Every attempt of a delivery showed the same ids and bytes, and they are those of the receipts.
fn assert_same_ids(world: &World, receipts: &[Receipt]) {
    let mut seen: HashMap<DeliveryId, Seen> = HashMap::new();
    for attempt in world.adapter.attempts() {
        let first = seen.entry(attempt.seen.delivery).or_insert_with(|| attempt.seen.clone());
        assert_eq!(*first, attempt.seen);
    }
    for receipt in receipts {
        for line in &receipt.deliveries {
            let seen = seen.get(&line.delivery_id).expect("every delivery reached its receiver");
            let expected = (receipt.document_id, &line.receiver, receipt.sha256, receipt.bytes);
            assert_eq!((seen.document, &seen.receiver, seen.digest, seen.bytes), expected);
        }
    }
}

/// What refers to a document never reached a receiver before it.
fn assert_kin_in_order(world: &World, pairs: &[(Receipt, Receipt)]) {
    let attempts = world.adapter.attempts();
    for (document, revocation) in pairs {
        for receiver in [B, C] {
            let first = |receipt: &Receipt| {
                attempts.iter().position(|attempt| {
                    attempt.seen.document == receipt.document_id && attempt.seen.receiver.as_str() == receiver
                })
            };
            assert!(first(document) < first(revocation), "at {receiver}");
        }
    }
}

async fn one_run(seed: u64) {
    println!("seed {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let mut world = World::new();
    moody(&world, seed);
    let (mut receipts, mut pairs) = (Vec::new(), Vec::new());
    for number in 0..12 {
        match dice.random_range(0..4) {
            0 => world.broker.stop(),
            1 => world.broker.start(),
            _ => {}
        }
        let document = world.send(letter(2 * number, &[B, C, D])).await;
        let revokes =
            letter(2 * number + 1, &[B, C]).business(BusinessType::Revoke, "nhầm", &name_of(2 * number));
        let revocation = world.send(revokes.priority(dice.random_range(0..5))).await;
        receipts.extend([document.clone(), revocation.clone()]);
        pairs.push((document, revocation));
        for _ in 0..dice.random_range(0..400) {
            tokio::task::yield_now().await;
        }
        world.kill();
        world.clock.advance(Duration::from_secs(dice.random_range(0..40)));
        world.start();
    }
    world.broker.start();
    world.answer(|_, _| Ok(received()));
    // What a killed gateway had taken and not acknowledged comes again after the broker's wait.
    tokio::time::advance(Duration::from_secs(61)).await;
    world.pass(Duration::from_secs(600), Duration::from_secs(5)).await;
    for receipt in &receipts {
        let states = world.states(receipt).await;
        assert!(states.iter().all(|state| *state == State::Received), "seed {seed}: {states:?}");
    }
    assert_same_ids(&world, &receipts);
    assert_kin_in_order(&world, &pairs);
    assert_eq!((world.broker.waiting(), world.metrics.given_up.value()), (0, 0), "seed {seed}");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_cut_at_any_moment_delivers_everything_after_it_starts_again() {
    let chance: u64 = rand::rng().random();
    for seed in [1, 2, 3, 4, 5, 6, 7, chance] {
        one_run(seed).await;
    }
}

/// Opens a gateway over the store on disk.
async fn on_disk(folder: tempfile::TempDir, clock: &Arc<ManualClock>) -> World {
    let (data, time) = (folder.path().to_owned(), clock.clone());
    let opening = tokio::task::spawn_blocking(move || open_or_rebuild(&data, Engine::default(), time));
    let (store, spool, _) = opening.await.expect("it ends").expect("opened");
    World::over(Setup::default(), clock.clone(), folder, Arc::new(store), Arc::new(spool))
}

/// Waits, in real time, until nothing is pending.
async fn until_settled(world: &World) {
    let end = Instant::now() + Duration::from_secs(60);
    while world.ports.store.stats().await.expect("stats").pending > 0 {
        assert!(Instant::now() < end, "not settled in time");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_same_way_leads_over_the_store_on_disk() {
    let (clock, folder) = (clock(), new_folder());
    let mut world = on_disk(folder, &clock).await;
    world.broker.stop();
    let mut receipts = Vec::new();
    for number in 1..=3 {
        receipts.push(world.send(letter(number, &[B, C])).await);
    }
    let repeat = world.accept(letter(1, &[B, C])).await;
    assert!(repeat.replayed && repeat.receipt == receipts[0]);

    // The process ends, and another one opens what it left.
    world.kill();
    world.ports.store.close().await.expect("closed");
    let folder = world.into_folder();
    std::fs::remove_dir_all(folder.path().join("object-store")).expect("another broker comes");
    let world = on_disk(folder, &clock).await;
    let repeat = world.accept(letter(2, &[B, C])).await;
    assert!(repeat.replayed && repeat.receipt == receipts[1]);
    receipts.push(world.send(letter(4, &[B, C]).priority(1)).await);
    until_settled(&world).await;
    for receipt in &receipts {
        assert_eq!(world.states(receipt).await, [State::Received, State::Received]);
    }
    assert_same_ids(&world, &receipts);
    assert_eq!(world.adapter.attempts().len(), 8);
    world.ports.store.close().await.expect("closed");
}
