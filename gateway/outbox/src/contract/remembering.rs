//! What is found again: names, status keys, idempotency keys, history, events, numbers.

use std::sync::Arc;

use jiff::Timestamp;
use lienthong_pipeline::ports::{Met, OutboxStore, StoreStats, Transition};
use lienthong_pipeline::record::State;
use lienthong_schemas::ids::PacketDigest;

use super::samples::*;

/// Documents under one (From, DocumentId) key, with their keys and digests, in the order of admission.
pub async fn documents_are_known_by_their_name(store: Arc<dyn OutboxStore>) {
    let name = [7; 16];
    for n in [3, 1, 2] {
        let mut document = admission(n, if n == 2 { &[] } else { &["H02"] });
        document.keys.name = Some(name);
        document.keys.semantic = Some(PacketDigest::of(&packet(n)));
        store.admit(&document).await.expect("admitted");
    }
    let mut nameless = admission(4, &["H02"]);
    nameless.keys.name = None;
    store.admit(&nameless).await.expect("admitted");
    let known = store.known(name).await.expect("read");
    let found: Vec<_> = known.iter().map(|known| known.id).collect();
    assert_eq!(found, [3, 1, 2].map(document_id));
    for (known, n) in known.iter().zip([3, 1, 2]) {
        assert_eq!(known.digest, PacketDigest::of(&packet(n)));
        assert_eq!((known.keys.name, known.keys.semantic), (Some(name), Some(known.digest)));
    }
    assert_eq!(store.known([8; 16]).await.expect("read"), []);
}

/// `met` gives what `deliveries_of` and `known` give, of documents that are there and of others.
pub async fn a_document_is_met_with_its_deliveries_and_namesakes(store: Arc<dyn OutboxStore>) {
    let name = [7; 16];
    for n in [2, 1] {
        let mut document = admission(n, &["H02", "H03"]);
        document.keys.name = Some(name);
        store.admit(&document).await.expect("admitted");
    }
    for (n, name) in [(1, Some(name)), (2, Some([8; 16])), (3, Some(name)), (1, None), (3, None)] {
        let met = store.met(document_id(n), name).await.expect("read");
        let deliveries = store.deliveries_of(document_id(n)).await.expect("read");
        let namesakes = match name {
            Some(name) => store.known(name).await.expect("read"),
            None => Vec::new(),
        };
        assert_eq!(deliveries.len(), if n == 3 { 0 } else { 2 });
        assert_eq!(namesakes.len(), if name == Some([7; 16]) { 2 } else { 0 });
        assert_eq!(met, Met { deliveries, namesakes }, "{n} {name:?}");
        assert_eq!(met.is_nothing(), n == 3 && name.is_none());
    }
}

/// Of more than 1,000 documents under one name the newest 1,000 are known.
pub async fn of_one_name_the_newest_thousand_are_known(store: Arc<dyn OutboxStore>) {
    let name = [7; 16];
    let named = move |n: u64| {
        let mut document = admission(n, &["H02"]);
        document.keys.name = Some(name);
        document
    };
    for n in 0..3 {
        store.admit(&named(n)).await.expect("admitted");
    }
    let mut callers = tokio::task::JoinSet::new();
    for n in 3..1_003 {
        let store = store.clone();
        callers.spawn(async move { store.admit(&named(n)).await.expect("admitted") });
    }
    callers.join_all().await;
    let known = store.known(name).await.expect("read");
    let ids: std::collections::BTreeSet<_> = known.iter().map(|known| known.id).collect();
    assert_eq!((known.len(), ids), (1_000, (3..1_003).map(document_id).collect()));
}

/// `remember`: a further key for a document that was admitted before, from its own time on.
pub async fn a_remembered_key_stands_for_an_earlier_document(store: Arc<dyn OutboxStore>) {
    let mut document = admission(1, &["H02"]);
    document.idempotency = Some(idempotency("first"));
    store.admit(&document).await.expect("admitted");
    let (key, digest) = (idempotency("second"), PacketDigest::of(&packet(1)));
    store.remember(&key, document_id(1), digest, later(60)).await.expect("written");
    let wanted = Some((document_id(1), digest));
    assert_eq!(store.idempotent(&key, later(60)).await.expect("read"), wanted);
    assert_eq!(store.idempotent(&key, later(61)).await.expect("read"), None);
    assert_eq!(store.idempotent(&idempotency("first"), later(1)).await.expect("read"), wanted);
    assert_eq!(store.idempotent(&idempotency("first"), later(2)).await.expect("read"), None);
    assert_eq!(words(&*store, delivery_id(1, "H02")).await, ["accepted"], "no step of a delivery");
}

/// The document that a status key was first seen on.
pub async fn a_status_key_stays_with_its_first_document(store: Arc<dyn OutboxStore>) {
    assert_eq!(store.status_seen([7; 16]).await.expect("read"), None);
    for n in [2, 1] {
        let mut document = admission(n, &["H02"]);
        document.keys.status = Some([7; 16]);
        store.admit(&document).await.expect("admitted");
    }
    assert_eq!(store.status_seen([7; 16]).await.expect("read"), Some(document_id(2)));
}

/// An idempotency key stands for its document unless that is older than asked for; then it may be used anew.
pub async fn an_idempotency_key_counts_until_its_time(store: Arc<dyn OutboxStore>) {
    let key = idempotency(&"~".repeat(128));
    for n in [5, 6] {
        let mut document = admission(n, &["H02"]);
        document.idempotency = Some(key.clone());
        store.admit(&document).await.expect("admitted");
        let wanted = (document_id(n), PacketDigest::of(&packet(n)));
        let at = |seconds| store.idempotent(&key, later(seconds));
        assert_eq!(at(n as i64).await.expect("read"), Some(wanted));
        assert_eq!(at(n as i64 + 1).await.expect("read"), None);
    }
    let mut foreign = key.clone();
    foreign.system = lienthong_pipeline::record::SystemId::parse("vendor-2").expect("a system id");
    assert_eq!(store.idempotent(&foreign, Timestamp::MIN).await.expect("read"), None);
    assert_eq!(store.idempotent(&idempotency("~"), Timestamp::MIN).await.expect("read"), None);
}

/// The newest 50 lines, oldest first.
pub async fn history_keeps_the_newest_fifty_lines(store: Arc<dyn OutboxStore>) {
    let delivery = taken(&*store, 1, "H02").await;
    assert_eq!(words(&*store, delivery.id).await, ["accepted", "published", "handed_off"]);
    for n in 1..=60 {
        store.transition(delivery.id, later(n), failed(later(n))).await.expect("written").expect("fits");
    }
    let history = store.history(delivery.id).await.expect("read");
    let times: Vec<_> = history.iter().map(|line| line.at).collect();
    assert_eq!(times, (11..=60).map(later).collect::<Vec<_>>());
    let last = history.last().expect("a line");
    assert_eq!((last.event.as_str(), last.attempt, last.note.as_str()), ("attempt_failed", 60, "connect"));
}

/// A line is at most 512 bytes when written down: a note that is too long is cut, not refused.
pub async fn a_long_note_is_cut(store: Arc<dyn OutboxStore>) {
    let delivery = taken(&*store, 1, "H02").await;
    for unit in ["ệ", "\u{1}", "x"] {
        let note = unit.repeat(4_000);
        let change = Transition::AttemptFailed {
            due: NOW,
            document_fault: false,
            ours_to_fix: false,
            may_have_arrived: false,
            note,
        };
        store.transition(delivery.id, NOW, change).await.expect("written").expect("fits");
        let history = store.history(delivery.id).await.expect("read");
        let line = history.last().expect("a line");
        assert!(line.note.starts_with(unit) && line.note.ends_with('…'), "{:?}", line.note);
        assert!(serde_json::to_vec(line).expect("JSON").len() <= 512);
    }
}

/// Each change is one line of history and one event with the same content, counted per delivery.
pub async fn every_step_is_one_event(store: Arc<dyn OutboxStore>) {
    let delivery = taken(&*store, 1, "H02").await;
    change(&*store, delivery.id, failed(NOW)).await;
    change(&*store, delivery.id, settled(State::Received)).await;
    change(&*store, delivery.id, Transition::Reported).await;
    let history = store.history(delivery.id).await.expect("read");
    let events = store.unsent_events(99).await.expect("read");
    let words = ["accepted", "published", "handed_off", "attempt_failed", "settled", "reported"];
    assert_eq!(history.len(), words.len());
    assert_eq!(history[0].at, delivery.accepted_at);
    assert_eq!(history[2].at, NOW);
    for (n, (line, (_, event))) in history.iter().zip(&events).enumerate() {
        assert_eq!(line.event, words[n]);
        assert_eq!(event.id, format!("{}:{}", delivery.id, n + 1));
        assert_eq!((event.document, event.delivery), (delivery.document, delivery.id));
        assert_eq!((&event.receiver, &event.entry), (&delivery.route.receiver, line));
    }
    assert_eq!(events.len(), words.len());
}

/// Events come oldest first until they are said to be sent, in whatever order.
pub async fn events_wait_until_they_are_sent(store: Arc<dyn OutboxStore>) {
    assert_eq!(store.unsent_span().await.expect("read"), None);
    for n in 1..=4 {
        admitted(&*store, n, "H02").await;
    }
    let all = store.unsent_events(9).await.expect("read");
    assert_eq!(store.unsent_span().await.expect("read"), Some(all[0].0..=all[3].0));
    let events = store.unsent_events(3).await.expect("read");
    let documents: Vec<_> = events.iter().map(|(_, event)| event.document).collect();
    assert_eq!(documents, [1, 2, 3].map(document_id));
    store.events_sent(vec![events[2].0, events[0].0, u64::MAX]).await.expect("written");
    store.events_sent(vec![]).await.expect("written");
    store.events_sent(vec![events[0].0]).await.expect("written");
    let left = store.unsent_events(9).await.expect("read");
    let documents: Vec<_> = left.iter().map(|(_, event)| event.document).collect();
    assert_eq!(documents, [2, 4].map(document_id));
    assert_eq!(store.unsent_span().await.expect("read"), Some(all[1].0..=all[3].0));
    assert!(store.unsent_events(0).await.expect("read").is_empty());
    store.events_sent(left.into_iter().map(|(number, _)| number).collect()).await.expect("written");
    assert_eq!(store.unsent_span().await.expect("read"), None);
}

/// Pending, unpublished and the oldest pending, after each step.
pub async fn stats_follow_every_step(store: Arc<dyn OutboxStore>) {
    let stats = async || {
        let StoreStats { pending, unpublished, oldest_pending } = store.stats().await.expect("read");
        (pending, unpublished, oldest_pending)
    };
    assert_eq!(stats().await, (0, 0, None));
    store.admit(&admission(5, &["H02", "H03"])).await.expect("admitted");
    let young = taken(&*store, 9, "H02").await;
    assert_eq!(stats().await, (3, 2, Some(later(5))));
    let old = admitted(&*store, 1, "H02").await;
    assert_eq!(stats().await, (4, 3, Some(later(1))));
    change(&*store, old.id, settled(State::Withdrawn)).await;
    assert_eq!(stats().await, (3, 2, Some(later(5))));
    change(&*store, delivery_id(5, "H02"), Transition::Published { generation: 1 }).await;
    change(&*store, delivery_id(5, "H02"), settled(State::Offered)).await;
    change(&*store, delivery_id(5, "H03"), settled(State::Parked)).await;
    assert_eq!(stats().await, (3, 0, Some(later(5))));
    change(&*store, delivery_id(5, "H03"), settled(State::GivenUp)).await;
    change(&*store, delivery_id(5, "H02"), settled(State::Received)).await;
    assert_eq!(stats().await, (1, 0, Some(young.accepted_at)));
    change(&*store, delivery_id(5, "H03"), requeued()).await;
    assert_eq!(stats().await, (2, 1, Some(later(5))));
}
