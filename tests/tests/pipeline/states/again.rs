//! The same after a kill, after the store is lost, and when packets come at once: what holds is what the receipts say.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use lienthong_outbox::{Engine, open_or_rebuild};
use lienthong_pipeline::record::Admission;
use lienthong_schemas::business_state::{BusinessState, Event};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;

use super::*;
use crate::pipeline::hooks::{Fate, HookedStore};
use crate::pipeline::world::{clock, new_folder};

/// A world over the store on disk, in a folder that may have been used before.
pub(super) async fn on_disk(folder: TempDir) -> (World, Arc<HookedStore>) {
    let clock = clock();
    let (data, time) = (folder.path().to_owned(), clock.clone());
    let opening = tokio::task::spawn_blocking(move || open_or_rebuild(&data, Engine::default(), time));
    let (store, spool, _) = opening.await.expect("it ends").expect("opened");
    let store = HookedStore::over(store);
    let mut world = World::over(Setup::default(), clock, folder, store.clone(), Arc::new(spool));
    // What is to be delivered is of no interest here.
    world.kill();
    (world, store)
}

/// Another process opens what this one leaves; with `lost`, without the store.
pub(super) async fn opened_again(world: World, lost: bool) -> (World, Arc<HookedStore>) {
    world.ports.store.close().await.expect("closed");
    let folder = world.into_folder();
    std::fs::remove_dir_all(folder.path().join("object-store")).expect("another broker comes");
    if lost {
        std::fs::remove_dir_all(folder.path().join("outbox")).expect("lost");
    }
    on_disk(folder).await
}

/// Letters 1 and 2 at B and C.
pub(super) async fn all(world: &World) -> Vec<Option<Standing>> {
    let mut all = Vec::new();
    for (number, receiver) in [(1, B), (1, C), (2, B), (2, C)] {
        all.push(standing_of(&world.ports, number, receiver).await);
    }
    all
}

/// A packet about letter 1 or 2, and whose state it moves how.
type Told = (u32, &'static str, Event);

fn any(dice: &mut StdRng) -> (Told, u32) {
    let (number, receiver) = (dice.random_range(1..=2), [B, C][dice.random_range(0..2)]);
    let event = match dice.random_range(0..10) {
        0 => Event::Sender(StatusCode::RecallAsked),
        1 => Event::Packet(BusinessType::ALL[dice.random_range(1..3)]),
        _ => Event::Receiver(StatusCode::ALL[dice.random_range(0..9)]),
    };
    // Few timestamps: many are repeats, and they come in any order.
    ((number, receiver, event), dice.random_range(0..3))
}

async fn bring(world: &World, (number, receiver, event): Told, second: u32) {
    match event {
        Event::Receiver(code) => drop(say(world, receiver, A, number, code.digits(), second).await),
        Event::Sender(code) => drop(say(world, A, receiver, number, code.digits(), second).await),
        Event::Packet(kind) => {
            let reason = format!("lần {second}");
            drop(world.send(letter(number, &[receiver]).business(kind, &reason, "")).await);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn any_order_and_any_repeats_end_where_the_rules_end() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    for round in 0..8 {
        let mut dice = StdRng::seed_from_u64(seed + round);
        let world = World::new();
        for number in [1, 2] {
            world.send(letter(number, &[B, C])).await;
        }
        let (mut seen, mut expected) = (HashSet::new(), BTreeMap::<_, BusinessState>::new());
        for _ in 0..40 {
            let (told, second) = any(&mut dice);
            bring(&world, told, second).await;
            let (number, receiver, event) = told;
            if seen.insert((told, second)) {
                let state = expected.entry((number, receiver)).or_default();
                *state = state.apply(event).state;
            }
        }
        for ((number, receiver), expected) in expected {
            let found = standing_of(&world.ports, number, receiver).await;
            let found = found.map(|found| found.state).unwrap_or_default();
            assert_eq!(found, expected, "seed {seed}, round {round}: {number} at {receiver}");
        }
    }
}

#[tokio::test]
async fn a_store_that_is_built_anew_has_the_same_states() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let (world, _) = on_disk(new_folder()).await;
    for number in [1, 2] {
        world.send(letter(number, &[B, C])).await;
    }
    // The clock stands: the times of acceptance are all equal and tell nothing of the order.
    for _ in 0..60 {
        let (told, second) = any(&mut dice);
        bring(&world, told, second).await;
    }
    let before = all(&world).await;
    assert!(before.iter().flatten().count() > 0);
    let (world, _) = opened_again(world, false).await;
    assert_eq!(all(&world).await, before);
    let (world, _) = opened_again(world, true).await;
    assert_eq!(all(&world).await, before, "seed {seed}");
}

#[tokio::test]
async fn a_kill_between_admission_and_store_loses_no_move() {
    let (world, store) = on_disk(new_folder()).await;
    world.send(letter(1, &[B])).await;
    says(&world, B, "01").await;
    // The admission of the 03 is on disk; the store never hears of it.
    let (hangs, told) = (Arc::new(tokio::sync::Notify::new()), Arc::new(std::sync::Mutex::new(None)));
    let (hung, admission) = (hangs.clone(), told.clone());
    store.admit.set(move |found: &Admission| {
        *admission.lock().expect("a place") = Some(found.receipt.document_id);
        hung.notify_one();
        Fate::Hangs
    });
    let packet = status(B, A, 1, StatusCode::Registered, "2026-01-05T02:00:10Z", "");
    tokio::select! {
        accepted = world.bring(packet.clone(), "hai") => panic!("{accepted:?}"),
        () = hangs.notified() => {}
    }
    assert_eq!(state(&world, 1, B).await, "01");
    let id = told.lock().expect("a place").expect("an admission");
    let on_disk = world.ports.spool.admission(id).await.expect("read").expect("on disk");
    assert_eq!(on_disk.moves.len(), 1);
    let (world, _) = opened_again(world, false).await;
    assert_eq!(state(&world, 1, B).await, "03");
    let again = world.bring(packet, "hai").await.expect("accepted");
    assert!(again.replayed, "its sender never heard of it, and sends it again");
    assert_eq!(state(&world, 1, B).await, "03");
    assert_eq!(odd(&say(&world, B, A, 1, "05", 11).await), [""; 0]);
    let before = all(&world).await;
    let (world, _) = opened_again(world, true).await;
    assert_eq!(all(&world).await, before);
}

#[tokio::test]
async fn a_kill_before_the_admission_is_on_disk_leaves_nothing() {
    let (world, _) = on_disk(new_folder()).await;
    world.send(letter(1, &[B])).await;
    let mut sink = world.ports.spool.receive().await.expect("room");
    let packet = status(B, A, 1, StatusCode::Registered, "2026-01-05T02:00:10Z", "");
    sink.write(packet.clone().into()).await.expect("written");
    drop(sink.finish().await.expect("received"));
    let (world, _) = opened_again(world, false).await;
    assert_eq!(state(&world, 1, B).await, "-");
    assert!(!world.bring(packet, "hai").await.expect("accepted").replayed);
    assert_eq!(state(&world, 1, B).await, "03");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_that_come_at_once_move_one_after_the_other() {
    for _ in 0..10 {
        let mut world = World::new();
        world.kill();
        world.send(letter(1, &[B])).await;
        let (one, two, three, four, five) = tokio::join!(
            say(&world, B, A, 1, "03", 1),
            say(&world, B, A, 1, "04", 2),
            say(&world, B, A, 1, "05", 3),
            say(&world, A, B, 1, "13", 4),
            world.send(change(2, BusinessType::Update, &[B])),
        );
        let mut numbers = Vec::new();
        for receipt in [one, two, three, four, five] {
            let admission =
                world.ports.spool.admission(receipt.document_id).await.expect("read").expect("there");
            numbers.extend(admission.moves.iter().map(|change| change.number));
        }
        numbers.sort_unstable();
        let expected: Vec<u32> = (1..=numbers.len() as u32).collect();
        assert_eq!(numbers, expected, "no two moves began from one state");
        let standing = standing_of(&world.ports, 1, B).await.expect("a state");
        assert_eq!(standing.number as usize, numbers.len());
        let open: HashSet<_> = standing.state.open().map(|question| question.code()).collect();
        assert_eq!(open, HashSet::from(["13", "2"]), "nothing is lost");
    }
}
