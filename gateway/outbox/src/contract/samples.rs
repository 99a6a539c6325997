//! Admissions for tests: every number makes another document, with the same ids each time.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use lienthong_pipeline::clock::ManualClock;
use lienthong_pipeline::ports::{Admitted, OutboxStore, Transition};
use lienthong_pipeline::record::{
    AdapterKind, Admission, Cover, Delivery, IdempotencyKey, Lane, Receipt, ReceiptLine, RecognitionKeys,
    Route, State, StatusSubject, SystemId,
};
use lienthong_schemas::ids::{CorrelationKey, DeliveryId, DocumentId, Operation, PacketDigest, digest16};
use lienthong_schemas::organ::OrganId;

use crate::Engine;

/// The time that [`clock`] shows.
pub const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// Damages the store in a folder so that it cannot be opened.
pub fn spoil(folder: &Path, engine: Engine) {
    match engine {
        Engine::Sled => std::fs::write(folder.join("conf"), b"segment_size: -1"),
        Engine::Redb => std::fs::write(folder.join(engine.file()), b"no store at all"),
    }
    .expect("overwritten");
}

/// Lays an admission into the spool of a data folder as a file that may not be on disk yet, and no packet with it: for
/// those who need very many.
///
/// # Errors
/// Those of the disk.
pub fn lay_down(data_dir: &Path, admission: &Admission) -> std::io::Result<()> {
    let name = admission.receipt.document_id.to_string();
    std::fs::write(data_dir.join("admissions").join(name), crate::spool::paper(admission)?)
}

/// A clock that stands at [`NOW`].
pub fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(NOW))
}

/// A time `seconds` after [`NOW`].
pub fn later(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOW.as_second() + seconds).expect("a time within range")
}

/// A code.
pub fn organ(code: &str) -> OrganId {
    OrganId::parse(code).expect("a code")
}

/// The packet of document `n`.
pub fn packet(n: u64) -> Vec<u8> {
    format!("<edXML n=\"{n}\"/>").into_bytes()
}

/// The id of document `n`.
pub fn document_id(n: u64) -> DocumentId {
    DocumentId::derive(&organ("H01"), &format!("{n}/UBND"), "0", &PacketDigest::of(&packet(n)))
}

/// The id of the delivery of document `n` to `receiver`.
pub fn delivery_id(n: u64, receiver: &str) -> DeliveryId {
    DeliveryId::derive(&document_id(n), &organ(receiver), Operation::Deliver)
}

/// Document `n` to these receivers: normal lane, queued, accepted `n` seconds after [`NOW`].
pub fn admission(n: u64, receivers: &[&str]) -> Admission {
    let deliveries: Vec<_> = receivers.iter().map(|receiver| delivery(n, receiver)).collect();
    let line = |delivery: &Delivery| ReceiptLine {
        delivery_id: delivery.id,
        receiver: delivery.route.receiver.clone(),
        state: delivery.state,
        state_vi: delivery.state.wording().0.to_owned(),
    };
    let receipt = Receipt {
        document_id: document_id(n),
        accepted_at: later(n as i64),
        from: organ("H01"),
        sender_document_id: format!("{n}/UBND"),
        kind: "0".to_owned(),
        sha256: PacketDigest::of(&packet(n)),
        bytes: packet(n).len() as u64,
        origin: system(),
        signature: "absent".to_owned(),
        signer: None,
        findings: vec!["SIGNATURE_ABSENT".to_owned()],
        remarks: Vec::new(),
        durability: "local".to_owned(),
        deliveries: deliveries.iter().map(line).collect(),
    };
    let name = Some(digest16(&[b"name", &n.to_be_bytes()]));
    let keys = RecognitionKeys {
        name,
        code: None,
        changes: None,
        kind: "0".to_owned(),
        semantic: None,
        status: None,
    };
    let (subject, cover) = (StatusSubject::default(), Cover::default());
    let (moves, recalls) = (Vec::new(), Vec::new());
    let from_axis = false;
    Admission { receipt, deliveries, keys, idempotency: None, subject, cover, moves, recalls, from_axis }
}

fn system() -> SystemId {
    SystemId::parse("vendor-1").expect("a system id")
}

/// One delivery of document `n`, correlated by the document's own id.
pub fn delivery(n: u64, receiver: &str) -> Delivery {
    Delivery {
        id: delivery_id(n, receiver),
        document: document_id(n),
        sender: organ("H01"),
        route: Route { receiver: organ(receiver), system: system(), adapter: AdapterKind::VendorHttp },
        lane: Lane::Normal,
        kind: "0".to_owned(),
        digest: PacketDigest::of(&packet(n)),
        bytes: packet(n).len() as u64,
        accepted_at: later(n as i64),
        since: None,
        correlations: vec![CorrelationKey::of(&format!("{n}/UBND"))],
        reportable: true,
        state: State::Queued,
        generation: 1,
        published: 0,
        handed_off: false,
        attempts: 0,
        document_failures: 0,
        due: later(n as i64),
        paused_at: None,
        elsewhere: None,
        foreign: false,
        contested: false,
        ours_to_fix: false,
        lease: None,
        may_have_arrived: false,
        order: 0,
        closed: false,
        mailbox: None,
        beyond: None,
    }
}

/// An idempotency key.
pub fn idempotency(key: &str) -> IdempotencyKey {
    IdempotencyKey { system: system(), key: key.to_owned() }
}

/// Admits document `n` to one receiver and returns its delivery as the store has it.
pub async fn admitted(store: &dyn OutboxStore, n: u64, receiver: &str) -> Delivery {
    let outcome = store.admit(&admission(n, &[receiver])).await.expect("admitted");
    assert_eq!(outcome, Admitted::Inserted);
    store.delivery(delivery_id(n, receiver)).await.expect("read").expect("known")
}

/// [`admitted`], published and handed off.
pub async fn taken(store: &dyn OutboxStore, n: u64, receiver: &str) -> Delivery {
    let delivery = admitted(store, n, receiver).await;
    let published = Transition::Published { generation: 1 };
    let delivery = store.transition(delivery.id, NOW, published).await.expect("written").expect("fits");
    store.hand_off(delivery.clone()).await.expect("handed off");
    store.delivery(delivery.id).await.expect("read").expect("known")
}

/// Settled with this state.
pub fn settled(state: State) -> Transition {
    Transition::Settled { state, note: format!("became {}", state.as_str()), untold: false }
}

/// Requeued.
pub fn requeued() -> Transition {
    Transition::Requeued { note: "by an operator".to_owned() }
}

/// A failed attempt that is not the document's fault.
pub fn failed(due: Timestamp) -> Transition {
    Transition::AttemptFailed {
        due,
        document_fault: false,
        ours_to_fix: false,
        may_have_arrived: false,
        note: "connect".to_owned(),
    }
}

/// Applies a change that must fit.
pub async fn change(store: &dyn OutboxStore, id: DeliveryId, change: Transition) -> Delivery {
    let text = format!("{change:?}");
    let changed = store.transition(id, NOW, change).await.expect("written");
    changed.unwrap_or_else(|| unfit(&text))
}

#[expect(clippy::panic, reason = "this is a test's assertion")]
fn unfit(change: &str) -> Delivery {
    panic!("{change} does not fit")
}

/// Applies a change that must not fit, and checks that nothing was written.
pub async fn refuse(store: &dyn OutboxStore, id: DeliveryId, change: Transition) {
    let before = seen(store, id).await;
    let text = format!("{change:?}");
    assert_eq!(store.transition(id, NOW, change).await.expect("read"), None, "{text}");
    assert_eq!(seen(store, id).await, before, "{text}");
}

async fn seen(store: &dyn OutboxStore, id: DeliveryId) -> (Option<Delivery>, usize, usize) {
    let delivery = store.delivery(id).await.expect("read");
    let history = store.history(id).await.expect("read").len();
    (delivery, history, store.unsent_events(usize::MAX).await.expect("read").len())
}

/// The words of a delivery's history, oldest first.
pub async fn words(store: &dyn OutboxStore, id: DeliveryId) -> Vec<String> {
    store.history(id).await.expect("read").into_iter().map(|line| line.event).collect()
}

/// Ids in the order given.
pub fn ids(deliveries: &[Delivery]) -> Vec<DeliveryId> {
    deliveries.iter().map(|delivery| delivery.id).collect()
}
