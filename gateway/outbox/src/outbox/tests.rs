//! What becomes of calls while the store is broken, and what the one that takes its place knows.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use lienthong_pipeline::clock::ManualClock;
use lienthong_pipeline::ports::Spool;
use lienthong_pipeline::record::State;
use lienthong_pipeline::tasks::Tasks;
use tempfile::TempDir;

use super::*;
use crate::contract::samples::*;
use crate::store::Engine;

crate::over_both_engines! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    a_failed_barrier_stops_intake_and_the_store_comes_back;
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    damage_met_while_reading_brings_another_store;
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    a_confirmation_is_for_the_store_that_numbered_the_events;
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    nobody_is_kept_from_stopping_by_a_store_that_is_broken;
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    what_cannot_be_built_yet_is_built_later;
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    the_next_generation_begins_when_its_time_has_come;
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    what_is_too_old_goes_while_the_gateway_runs;
}

const DAY: Duration = Duration::from_secs(86_400);

/// A store that is tended, and its time.
struct Tended {
    dir: TempDir,
    outbox: Arc<Outbox>,
    spool: FileSpool,
    clock: Arc<ManualClock>,
    metrics: Arc<Metrics>,
    tasks: Tasks,
    replaced: Arc<AtomicU64>,
}

impl Tended {
    fn open(engine: Engine) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let (clock, metrics, tasks) = (clock(), Arc::new(Metrics::new("0.0.0-test")), Tasks::new());
        let options = OutboxOptions {
            keeper: engine.into(),
            clock: clock.clone(),
            rotate_every: DAY * 30,
            keep_documents: DAY * 40,
            keep_idempotency: DAY * 30,
        };
        let (outbox, spool, _) = Outbox::open(dir.path(), options, metrics.clone()).expect("opened");
        let (outbox, replaced) = (Arc::new(outbox), Arc::new(AtomicU64::new(0)));
        let count = replaced.clone();
        let counted = move || {
            count.fetch_add(1, Ordering::SeqCst);
        };
        let tend = outbox.clone().tend(counted, tasks.clone());
        tasks.spawn("outbox", tend);
        Self { dir, outbox, spool, clock, metrics, tasks, replaced }
    }

    async fn admit(&self, n: u64) -> Result<Admitted, Fault> {
        let admission = admission(n, &["H02"]);
        let mut writer = self.spool.receive().await.expect("a file");
        writer.write(Bytes::from(packet(n))).await.expect("written");
        self.spool.admit(writer.finish().await.expect("whole"), &admission).await.expect("admitted");
        self.outbox.admit(&admission).await
    }

    async fn fail_barriers(&self) {
        self.outbox.store().expect("it runs").fail_barriers().await;
    }

    /// Time passes until another store has taken the place of the broken one for the `nth` time.
    async fn replaced(&self, nth: u64) {
        while self.replaced.load(Ordering::SeqCst) < nth {
            self.clock.advance(std::time::Duration::from_secs(1));
            tokio::task::spawn_blocking(|| ()).await.expect("done");
        }
    }

    /// An hour passes after the other until this holds.
    async fn looked_after(&self, holds: impl Fn() -> bool) {
        while !holds() {
            self.clock.advance(Duration::from_secs(3_600));
            for _ in 0..20 {
                tokio::task::spawn_blocking(|| ()).await.expect("done");
            }
        }
    }

    fn broken(&self) -> usize {
        let entries = std::fs::read_dir(self.dir.path()).expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        names.filter(|name| name.to_string_lossy().starts_with("outbox.broken-")).count()
    }

    async fn end(self) {
        self.tasks.stop();
        assert!(self.tasks.join().await.is_empty());
        self.outbox.close().await.expect("closed");
    }
}

async fn a_failed_barrier_stops_intake_and_the_store_comes_back(engine: Engine) {
    let tended = Tended::open(engine);
    for n in [1, 2] {
        tended.admit(n).await.expect("admitted");
    }
    change(&*tended.outbox, delivery_id(1, "H02"), settled(State::Received)).await;
    tended.spool.settled(document_id(1), delivery_id(1, "H02"), State::Received, NOW).await.expect("noted");
    tended.fail_barriers().await;
    // The packet is in the spool, and its sender is told to come again.
    let fault = tended.admit(3).await.expect_err("the store is broken");
    assert!(!fault.fatal && fault.cause.contains("broken"), "{fault:?}");
    for fault in [tended.outbox.stats().await.err(), tended.outbox.check(false).await.err()] {
        assert!(!fault.expect("broken").fatal);
    }
    assert_eq!(tended.metrics.outbox_up.value(), 0);
    tended.replaced(1).await;
    assert_eq!((tended.metrics.outbox_up.value(), tended.metrics.outbox_restarts.value()), (1, 1));
    assert_eq!(tended.broken(), 1, "what may not be on disk is set aside");
    let delivery = async |n| tended.outbox.delivery(delivery_id(n, "H02")).await.expect("read");
    let states = [delivery(1).await, delivery(2).await, delivery(3).await];
    let states = states.map(|delivery| delivery.map(|delivery| delivery.state));
    assert_eq!(states, [Some(State::Received), Some(State::Queued), Some(State::Queued)]);
    assert_eq!(tended.admit(3).await.expect("known"), Admitted::Existing);
    assert_eq!(tended.admit(4).await.expect("taken again"), Admitted::Inserted);
    assert!(tended.outbox.check(true).await.expect("checked").is_clean());
    // And once more.
    tended.fail_barriers().await;
    assert!(tended.outbox.stats().await.is_err());
    tended.replaced(2).await;
    assert_eq!(tended.outbox.stats().await.expect("read").pending, 3);
    tended.end().await;
}

async fn damage_met_while_reading_brings_another_store(engine: Engine) {
    let tended = Tended::open(engine);
    for n in [1, 2] {
        tended.admit(n).await.expect("admitted");
    }
    tended.outbox.store().expect("it runs").damage(delivery_id(1, "H02")).await;
    let fault = tended.outbox.delivery(delivery_id(1, "H02")).await.expect_err("damaged");
    assert!(!fault.fatal, "{fault:?}");
    tended.replaced(1).await;
    assert!(tended.outbox.delivery(delivery_id(1, "H02")).await.expect("read").is_some());
    assert_eq!(tended.outbox.stats().await.expect("read").pending, 2);
    assert_eq!(tended.broken(), 1);
    tended.end().await;
}

async fn a_confirmation_is_for_the_store_that_numbered_the_events(engine: Engine) {
    let tended = Tended::open(engine);
    for n in [1, 2] {
        tended.admit(n).await.expect("admitted");
    }
    let unsent = async || tended.outbox.unsent_events(99).await.expect("read");
    let on_their_way: Vec<u64> = unsent().await.into_iter().map(|(number, _)| number).collect();
    assert_eq!(on_their_way.len(), 2);
    tended.fail_barriers().await;
    assert!(tended.outbox.stats().await.is_err());
    tended.replaced(1).await;
    let of_the_other = unsent().await;
    assert!(of_the_other.len() >= 2, "{of_the_other:?}");
    tended.outbox.events_sent(on_their_way).await.expect("nothing is wrong with them");
    assert_eq!(unsent().await, of_the_other, "no event of the other store is confirmed");
    let numbers = of_the_other.into_iter().map(|(number, _)| number).collect();
    tended.outbox.events_sent(numbers).await.expect("written");
    assert_eq!(unsent().await, []);
    tended.end().await;
}

async fn nobody_is_kept_from_stopping_by_a_store_that_is_broken(engine: Engine) {
    let tended = Tended::open(engine);
    tended.admit(1).await.expect("admitted");
    tended.fail_barriers().await;
    assert!(tended.outbox.stats().await.is_err());
    let outbox = tended.outbox.clone();
    tended.end().await;
    assert!(outbox.stats().await.expect_err("closed").fatal);
}

async fn what_cannot_be_built_yet_is_built_later(engine: Engine) {
    let tended = Tended::open(engine);
    tended.admit(1).await.expect("admitted");
    tended.fail_barriers().await;
    // A file where the admissions are stands for a disk that cannot be read.
    let (folder, aside) = (tended.dir.path().join("admissions"), tended.dir.path().join("elsewhere"));
    std::fs::rename(&folder, &aside).expect("away");
    std::fs::write(&folder, "").expect("written");
    assert!(tended.outbox.stats().await.is_err());
    for _ in 0..300 {
        tended.clock.advance(std::time::Duration::from_secs(1));
        tokio::task::spawn_blocking(|| ()).await.expect("done");
    }
    assert!(!tended.outbox.stats().await.expect_err("still broken").fatal);
    std::fs::remove_file(&folder).expect("gone");
    std::fs::rename(&aside, &folder).expect("back");
    tended.replaced(1).await;
    assert_eq!(tended.outbox.stats().await.expect("read").pending, 1);
    assert_eq!(tended.broken(), 1, "only what was in use is kept");
    tended.end().await;
}

async fn the_next_generation_begins_when_its_time_has_come(engine: Engine) {
    let tended = Tended::open(engine);
    let rotations = || tended.metrics.outbox_rotations.value();
    tended.admit(1).await.expect("admitted");
    tended.clock.advance(DAY * 29);
    tended.looked_after(|| tended.metrics.outbox_generations.value() == 1).await;
    assert_eq!(rotations(), 0);
    tended.clock.advance(DAY);
    tended.looked_after(|| rotations() == 1).await;
    tended.looked_after(|| tended.metrics.outbox_generations.value() == 2).await;
    tended.admit(2).await.expect("admitted");
    // It breaks: only what came since is built anew.
    tended.fail_barriers().await;
    assert!(tended.outbox.stats().await.is_err());
    tended.replaced(1).await;
    assert_eq!(tended.outbox.stats().await.expect("read").pending, 2);
    assert!(tended.outbox.check(true).await.expect("checked").is_clean());
    tended.end().await;
}

async fn what_is_too_old_goes_while_the_gateway_runs(engine: Engine) {
    let tended = Tended::open(engine);
    for n in [1, 2] {
        tended.admit(n).await.expect("admitted");
    }
    let id = delivery_id(1, "H02");
    change(&*tended.outbox, id, settled(State::Received)).await;
    tended.spool.settled(document_id(1), id, State::Received, NOW).await.expect("noted");
    change(&*tended.outbox, id, Transition::Reported).await;
    tended.spool.reported(document_id(1), id).await.expect("noted");
    tended.clock.advance(DAY * 20);
    tended.looked_after(|| tended.metrics.outbox_generations.value() == 1).await;
    assert_eq!(tended.metrics.pruned_documents.value(), 0);
    tended.looked_after(|| tended.metrics.pruned_documents.value() == 1).await;
    assert_eq!(tended.outbox.delivery(id).await.expect("read"), None);
    assert!(tended.outbox.delivery(delivery_id(2, "H02")).await.expect("read").is_some());
    assert!(tended.outbox.check(true).await.expect("checked").is_clean());
    assert!(tended.clock.now() >= later(40 * 86_400));
    tended.end().await;
}
