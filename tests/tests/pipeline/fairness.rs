//! Places and turns: nobody waits because of where its code stands in the alphabet, or of what others get; within one
//! receiver neither lane starves.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use lienthong_adapters::contract::{failure, received};
use lienthong_pipeline::dispatch::{Dispatch, DispatchPolicy};
use lienthong_pipeline::ports::{Adapter, Consignment, DeliveryFailure, FailureClass, Handover};
use lienthong_pipeline::record::{AdapterKind, BootId, Receipt, State};
use lienthong_pipeline::tasks::Tasks;
use lienthong_schemas::ids::DocumentId;
use tokio::sync::Semaphore;

use super::world::{B, C, D, Setup, World, letter};

const STEP: Duration = Duration::from_secs(10);

fn down(world: &World) {
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
}

fn up(world: &World) {
    world.answer(|_, _| Ok(received()));
}

fn one_place() -> Setup {
    let policy = DispatchPolicy { concurrent: 1, ..Setup::default().policy };
    Setup { policy, ..Setup::default() }
}

#[tokio::test(start_paused = true)]
async fn receivers_have_their_turns_one_after_the_other() {
    let mut world = World::open(one_place());
    world.kill();
    for number in 0..10 {
        world.send(letter(number, &[B])).await;
    }
    let others: Vec<Receipt> = [
        world.send(letter(20, &[C])).await,
        world.send(letter(21, &[D])).await,
        world.send(letter(22, &[D])).await,
    ]
    .into();
    world.start();
    world.quiet().await;
    let tried = world.tried();
    let place = |receipt: &Receipt| tried.iter().position(|id| *id == receipt.document_id).expect("tried");
    for (receipt, latest) in others.iter().zip([6, 6, 9]) {
        assert!(place(receipt) <= latest, "{} of {}", place(receipt), tried.len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_with_many_urgent_ones_gets_a_normal_one_after_every_eight() {
    let mut world = World::new();
    down(&world);
    let first = world.send(letter(0, &[B]).priority(2)).await;
    world.quiet().await;
    let mut urgent = vec![first.document_id];
    for number in 1..20 {
        urgent.push(world.send(letter(number, &[B]).priority(3)).await.document_id);
    }
    let mut normal: Vec<DocumentId> = Vec::new();
    for number in 30..34 {
        normal.push(world.send(letter(number, &[B])).await.document_id);
    }
    world.quiet().await;
    up(&world);
    world.advance(STEP).await;
    let tried = world.tried().split_off(1);
    let places: Vec<usize> =
        normal.iter().map(|id| tried.iter().position(|tried| tried == id).expect("tried")).collect();
    assert!(places[0] == 8 || places[0] == 7, "{places:?}: the failed attempt was one of the eight");
    assert_eq!(places[1], places[0] + 9);
    assert_eq!(places[2..], [22, 23], "when nothing urgent is left");
    let of = |all: &[DocumentId]| tried.iter().copied().filter(|id| all.contains(id)).collect::<Vec<_>>();
    assert_eq!((of(&urgent), of(&normal)), (urgent, normal), "each lane in its order");
}

/// An adapter whose receivers answer only when they are let.
struct Slow {
    let_go: Semaphore,
    under_way: Mutex<HashMap<String, usize>>,
    twice: AtomicBool,
}

#[async_trait]
impl Adapter for Slow {
    fn kind(&self) -> AdapterKind {
        AdapterKind::VendorHttp
    }
    async fn deliver(&self, consignment: &Consignment) -> Result<Handover, DeliveryFailure> {
        let receiver = consignment.delivery.route.receiver.to_string();
        let at_once = {
            let mut under_way = self.under_way.lock().expect("a map");
            let here = under_way.entry(receiver.clone()).or_default();
            *here += 1;
            *here
        };
        self.twice.fetch_or(at_once > 1, Ordering::Relaxed);
        self.let_go.acquire().await.expect("open").forget();
        *self.under_way.lock().expect("a map").get_mut(&receiver).expect("it is there") -= 1;
        Ok(received())
    }
}

impl Slow {
    fn under_way(&self) -> usize {
        self.under_way.lock().expect("a map").values().sum()
    }
}

#[tokio::test(start_paused = true)]
async fn an_urgent_packet_finds_a_place_however_many_receivers_hang_and_so_does_a_normal_one() {
    for (many, one) in [(0, 3), (3, 0)] {
        let codes: Vec<String> = (0..20).map(|n| format!("H55.7{n:02}")).collect();
        let entry = |code: &String| {
            format!("[[organisation]]\norgan_id = \"{code}\"\nname = \"Xã\"\nhome = {{ system = \"hai\" }}\n")
        };
        let directory: String = codes.iter().map(entry).collect();
        let mut world = World::open(Setup { directory, ..Setup::default() });
        world.kill();
        let slow = Arc::new(Slow {
            let_go: Semaphore::new(0),
            under_way: Mutex::default(),
            twice: AtomicBool::new(false),
        });
        world.start_without_dispatch();
        let policies = Arc::new(arc_swap::ArcSwap::from_pointee(Setup::default().policy.into()));
        let directory = Arc::new(arc_swap::ArcSwap::new(world.directory()));
        let (ports, metrics, wakes) = (world.ports.clone(), world.metrics.clone(), world.wakes.clone());
        let dispatch =
            Dispatch::new(ports, directory, slow.clone(), policies, metrics, wakes, BootId::new(1));
        let tasks = Tasks::new();
        tasks.spawn("dispatch", dispatch.run(tasks.clone()));
        for (number, code) in (0..).zip(&codes[..19]) {
            world.send(letter(number, &[code]).priority(many)).await;
            world.send(letter(100 + number, &[code]).priority(many)).await;
        }
        world.quiet().await;
        let kept = slow.under_way();
        assert!(kept < 8, "some of 8 places are kept for the other lane: {kept}");
        let other = world.send(letter(500, &[&codes[19]]).priority(one)).await;
        world.quiet().await;
        assert_eq!(slow.under_way(), kept + 1, "it has gone out");
        slow.let_go.add_permits(39);
        world.quiet().await;
        assert_eq!(world.states(&other).await, [State::Received]);
        assert_eq!(world.ports.store.stats().await.expect("stats").pending, 0);
        assert!(!slow.twice.load(Ordering::Relaxed), "one attempt at a time for each receiver");
        tasks.stop();
        assert!(tasks.join().await.is_empty());
    }
}
