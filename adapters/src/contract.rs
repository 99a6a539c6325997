//! What every adapter keeps to, as a suite; and [`MemoryAdapter`], the one without a network, for tests of the pipeline.
//! The same for what waits at an axis, and for letters to senders.

mod inbox;
mod notices;

use std::future::poll_fn;
use std::sync::Arc;

use async_trait::async_trait;
use lienthong_pipeline::ports::{Adapter, Consignment, DeliveryFailure, FailureClass, Handover};
use lienthong_pipeline::record::{AdapterKind, Delivery, State};
use lienthong_schemas::ids::{DeliveryId, DocumentId, PacketDigest};
use lienthong_schemas::organ::OrganId;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::failure::{NOTE_BYTES_MAX, NOTE_CHARS_MAX, failed};
use crate::packet::PacketReader;

pub use inbox::{Call, Kept, MemoryInbox, MemorySink, inbox_holds};
pub use notices::{MemoryNotifier, SeenNotice, tells};

/// What a receiver saw of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The delivery's id.
    pub delivery: DeliveryId,
    /// The document's id.
    pub document: DocumentId,
    /// Who sends.
    pub sender: OrganId,
    /// Who receives.
    pub receiver: OrganId,
    /// `edxml::PacketKind::id_text`.
    pub kind: String,
    /// SHA-256 of the bytes that arrived.
    pub digest: PacketDigest,
    /// Their number.
    pub bytes: u64,
}

impl Seen {
    /// What the receiver of this delivery must see, on every attempt.
    pub fn of(delivery: &Delivery) -> Self {
        Self {
            delivery: delivery.id,
            document: delivery.document,
            sender: delivery.sender.clone(),
            receiver: delivery.route.receiver.clone(),
            kind: delivery.kind.clone(),
            digest: delivery.digest,
            bytes: delivery.bytes,
        }
    }
}

/// The contract of [`Adapter`]. `good` is a consignment whose packet is whole, over more than one second of `at`, and
/// whose receiver takes everything; `seen` returns what that receiver has seen whole, oldest first.
///
/// # Panics
/// When the adapter breaks the contract.
pub async fn holds(adapter: &dyn Adapter, good: &Consignment, seen: impl Fn() -> Vec<Seen>) {
    let expected = Seen::of(&good.delivery);
    assert_eq!(adapter.kind(), good.delivery.route.adapter, "it is the adapter of this route");

    let mut later = good.clone();
    later.at += jiff::SignedDuration::from_secs(3600);
    later.delivery.attempts += 1;
    for (attempt, consignment) in [(1, good), (2, &later)] {
        let handover = adapter.deliver(consignment).await.expect("a receiver that takes everything");
        let taken = [State::Received, State::HandedOver, State::Offered].contains(&handover.state);
        assert!(taken, "{:?} is not a state of what was handed over", handover.state);
        assert_note(&handover.note);
        assert_eq!(seen(), vec![expected.clone(); attempt], "each attempt shows the same ids and bytes");
    }

    let mut missing = good.clone();
    missing.packet.set_extension("not-there");
    assert_ours(adapter, &missing, "blob_missing").await;
    let mut longer = good.clone();
    longer.delivery.bytes += 1;
    assert_ours(adapter, &longer, "blob_length").await;
    let mut other = good.clone();
    other.delivery.digest = PacketDigest::of(b"another packet");
    assert_ours(adapter, &other, "blob_damaged").await;
    assert_eq!(seen().len(), 2, "a packet that is not whole on our disk reaches nobody whole");

    adapter.deliver(good).await.expect("our own trouble with one packet does not hinder the next");
    assert_eq!(seen(), vec![expected; 3]);
}

/// Trouble of our own copy: the class of that, under this code; never the receiver's fault.
async fn assert_ours(adapter: &dyn Adapter, consignment: &Consignment, code: &str) {
    let failure = adapter.deliver(consignment).await.expect_err(code);
    assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Packet, code));
    assert_eq!(failure.retry_after, None);
    assert_note(&failure.note);
}

fn assert_note(note: &str) {
    assert!(!note.is_empty(), "a note says something");
    assert!(
        note.chars().count() <= NOTE_CHARS_MAX && note.len() <= NOTE_BYTES_MAX,
        "a note is short: {note}"
    );
    assert!(!note.chars().any(char::is_control), "a note is one line of plain text: {note:?}");
}

type Answer = dyn Fn(&Consignment, usize) -> Result<Handover, DeliveryFailure> + Send + Sync;

/// An adapter whose receivers live in memory. It reads packets as a real one does, and answers by a script.
pub struct MemoryAdapter {
    kind: AdapterKind,
    answer: Arc<Answer>,
    attempts: watch::Sender<Vec<Attempt>>,
}

/// One attempt that reached its receiver in memory.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// What the adapter was given.
    pub consignment: Consignment,
    /// What the receiver saw, digest and length taken from the bytes that came.
    pub seen: Seen,
}

impl Default for MemoryAdapter {
    fn default() -> Self {
        Self::answering(|_, _| Ok(received()))
    }
}

impl MemoryAdapter {
    /// Answers each whole packet by this script. The number counts the attempts of the same delivery that have reached
    /// its receiver, from 1. It is of the kind [`AdapterKind::VendorHttp`].
    pub fn answering(
        script: impl Fn(&Consignment, usize) -> Result<Handover, DeliveryFailure> + Send + Sync + 'static,
    ) -> Self {
        let (answer, attempts) = (Arc::new(script), watch::Sender::default());
        Self { kind: AdapterKind::VendorHttp, answer, attempts }
    }

    /// Another adapter, of this kind, to the same receivers: one script, and one list of attempts.
    pub fn playing(&self, kind: AdapterKind) -> Self {
        Self { kind, answer: self.answer.clone(), attempts: self.attempts.clone() }
    }

    /// Every attempt that reached its receiver, whatever the script answered, oldest first.
    pub fn attempts(&self) -> Vec<Attempt> {
        self.attempts.borrow().clone()
    }

    /// Waits until there are this many.
    pub async fn attempted(&self, count: usize) -> Vec<Attempt> {
        let mut watch = self.attempts.subscribe();
        let reached = watch.wait_for(|attempts| attempts.len() >= count).await;
        reached.map(|attempts| attempts.clone()).unwrap_or_default()
    }
}

/// The answer of a receiver that took the packet.
pub fn received() -> Handover {
    Handover { state: State::Received, note: "received in memory".into(), known_as: None }
}

/// The answer of a relay that took the packet and does not say whether the receiver has it.
pub fn handed_over() -> Handover {
    Handover { state: State::HandedOver, note: "handed over in memory".into(), known_as: None }
}

/// The answer of a receiver that did not.
pub fn failure(class: FailureClass, code: &str) -> DeliveryFailure {
    failed(class, code, "failed in memory")
}

#[async_trait]
impl Adapter for MemoryAdapter {
    fn kind(&self) -> AdapterKind {
        self.kind
    }

    async fn deliver(&self, consignment: &Consignment) -> Result<Handover, DeliveryFailure> {
        let mut packet = PacketReader::open(consignment).await?;
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        while let Some(chunk) = poll_fn(|cx| packet.poll_chunk(cx)).await {
            let chunk = chunk?;
            hash.update(&chunk);
            bytes += chunk.len() as u64;
        }
        let digest = PacketDigest::from_bytes(hash.finalize().into());
        let seen = Seen { digest, bytes, ..Seen::of(&consignment.delivery) };
        let mut nth = 0;
        self.attempts.send_modify(|attempts| {
            nth = 1 + attempts.iter().filter(|past| past.seen.delivery == seen.delivery).count();
            attempts.push(Attempt { consignment: consignment.clone(), seen });
        });
        (self.answer)(consignment, nth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parcel::Parcel;

    #[tokio::test]
    async fn the_adapter_in_memory_holds_the_contract_in_every_kind() {
        for kind in AdapterKind::ALL {
            let adapter = MemoryAdapter::default().playing(kind);
            let parcel = Parcel::of(b"<edXML/>");
            let mut good = parcel.consignment();
            good.delivery.route.adapter = kind;
            let seen = || adapter.attempts().into_iter().map(|attempt| attempt.seen).collect();
            holds(&adapter, &good, seen).await;
        }
    }

    #[tokio::test]
    async fn kinds_in_memory_share_their_receivers() {
        let vendor = MemoryAdapter::default();
        let mail = vendor.playing(AdapterKind::Email);
        let parcel = Parcel::of(b"<edXML/>");
        mail.deliver(&parcel.consignment()).await.expect("taken");
        vendor.deliver(&parcel.consignment()).await.expect("taken");
        assert_eq!((vendor.attempts().len(), mail.attempts().len()), (2, 2));
    }

    #[tokio::test]
    async fn the_adapter_in_memory_answers_by_its_script() {
        let down = |_: &Consignment, nth| match nth {
            1 => Err(failure(FailureClass::Receiver, "http_503")),
            _ => Ok(received()),
        };
        let adapter = MemoryAdapter::answering(down);
        let parcel = Parcel::of(b"<edXML/>");
        let first = adapter.deliver(&parcel.consignment()).await;
        assert_eq!(first.expect_err("down").class, FailureClass::Receiver);
        assert_eq!(adapter.deliver(&parcel.consignment()).await, Ok(received()));
        assert_eq!(adapter.attempted(2).await.len(), 2);
    }
}
