//! Packets that wait at an axis: taken in once, confirmed after that, and none hinders another.

mod echoes;
mod groups;
mod receivers;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use lienthong_adapters::contract::MemoryInbox;
use lienthong_pipeline::poll::{Outcome, PollPolicies, PollPolicy};
use lienthong_pipeline::ports::Confirmation::{Done, Fail};
use lienthong_pipeline::ports::{AxisDocId, Confirmation, Traffic};
use lienthong_pipeline::view::{self, Viewer};
use lienthong_schemas::edxml::{DocumentBuilder, StatusCode};

use super::world::{A, B, C, LATE_AFTER, Setup, World, X, letter, status, system};

/// Longer than the time between two looks can be.
const EVERY: Duration = Duration::from_secs(60);
const NEXT: Duration = Duration::from_secs(67);

/// A gateway that polls the axis `vpcp`.
struct Polling {
    world: World,
    inbox: Arc<MemoryInbox>,
    policies: Arc<ArcSwap<PollPolicies>>,
}

impl Polling {
    fn open() -> Self {
        Self::over(World::new())
    }

    fn over(mut world: World) -> Self {
        let inbox = Arc::new(MemoryInbox::new(system("vpcp")));
        let policy = PollPolicy { every: EVERY, sent_every: None, bytes_max: 100_000 };
        let policies = Arc::new(ArcSwap::from_pointee([(system("vpcp"), policy)].into()));
        world.poll(inbox.clone(), policies.clone());
        Self { world, inbox, policies }
    }

    fn put(&self, to: &str, packet: &[u8]) -> AxisDocId {
        self.inbox.put(Traffic::Documents, X, to, packet)
    }

    /// The next look is over.
    async fn look(&mut self) {
        self.world.advance(NEXT).await;
    }

    fn count(&self, outcome: Outcome) -> u64 {
        self.world.metrics.axis_packets.of(outcome.as_str()).value()
    }

    fn polls(&self, result: &'static str) -> u64 {
        self.world.metrics.axis_polls.of(result).value()
    }

    fn said(&self) -> Vec<Vec<Confirmation>> {
        self.inbox.kept().into_iter().map(|kept| kept.said).collect()
    }

    fn fetched(&self) -> Vec<u32> {
        self.inbox.kept().into_iter().map(|kept| kept.fetched).collect()
    }

    /// Whether the axis was told of what is in quarantine.
    fn told(&self) -> Vec<bool> {
        let all = lienthong_outbox::quarantined(self.world.folder.path()).expect("a folder");
        all.into_iter().map(|aside| aside.note.told_fail).collect()
    }

    /// Reasons of what is in quarantine, the oldest first.
    fn quarantined(&self) -> Vec<String> {
        let all = lienthong_outbox::quarantined(self.world.folder.path()).expect("a folder");
        all.into_iter().map(|aside| aside.note.reason).collect()
    }
}

/// A letter of [`X`] with this number; two with different traces are one letter in other bytes.
fn from_axis(number: u32, to: &[&str], trace: &str) -> DocumentBuilder {
    DocumentBuilder::new(X, to)
        .code(&number.to_string(), "BM-VP")
        .document_id(&format!("{X},2026/01/02,{number}/BM-VP"))
        .trace(trace, "2026/01/02 03:04:05")
}

fn bytes(letter: DocumentBuilder) -> Vec<u8> {
    letter.to_bytes().expect("written")
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_delivered_and_confirmed_once() {
    let mut polling = Polling::open();
    let packet = bytes(from_axis(1, &[B], "G22"));
    polling.put(B, &packet);
    polling.look().await;
    assert_eq!(polling.world.got(B), [String::from_utf8(packet).expect("text")], "byte for byte");
    for _ in 0..3 {
        polling.look().await;
    }
    assert_eq!((polling.said(), polling.fetched()), (vec![vec![Done]], vec![1]));
    assert_eq!((polling.count(Outcome::Taken), polling.polls("failed")), (1, 0));
    assert!(polling.polls("answered") >= 4);
    assert_eq!(polling.world.got(B).len(), 1);
    let now = u64::try_from(polling.world.ports.clock.now().as_second()).expect("after 1970");
    let polled = polling.world.metrics.axis_polled.value().as_secs();
    assert!(now - polled <= NEXT.as_secs(), "{now} {polled}");
}

#[tokio::test(start_paused = true)]
async fn a_status_from_the_axis_moves_the_business_state() {
    let mut polling = Polling::open();
    let sent = polling.world.send(letter(1, &[X])).await;
    polling.world.quiet().await;
    let word = status(X, A, 1, StatusCode::Registered, "2026-01-05T02:00:00Z", "");
    polling.inbox.put(Traffic::Statuses, X, A, &word);
    polling.look().await;
    assert_eq!(polling.said(), [[Done]]);
    assert_eq!(polling.world.got(A), [String::from_utf8(word).expect("text")]);
    let (ports, directory) = (&polling.world.ports, polling.world.directory());
    let view = view::document(ports, &directory, sent.document_id, Viewer::Operator, LATE_AFTER).await;
    let view = view.expect("the store answers").expect("a document");
    let business = view.deliveries[0].business.as_ref().expect("a business state");
    assert_eq!(serde_json::to_value(business).expect("JSON")["code"], "03", "{business:?}");
}

#[tokio::test(start_paused = true)]
async fn an_axis_is_polled_since_a_reload_says_so() {
    let mut polling = Polling::open();
    let policies = polling.policies.swap(Arc::default());
    polling.put(B, &bytes(from_axis(1, &[B], "G22")));
    polling.world.pass(Duration::from_secs(600), Duration::from_secs(10)).await;
    assert_eq!(polling.fetched(), [0]);
    assert!(polling.world.metrics.axis_polled.value().is_zero(), "nothing is polled");
    polling.policies.store(policies);
    polling.world.advance(Duration::from_secs(10)).await;
    assert_eq!(polling.said(), [[Done]]);
}

#[tokio::test(start_paused = true)]
async fn a_packet_is_taken_once_whatever_is_killed() {
    let mut polling = Polling::open();
    polling.world.quiet().await;
    let id = polling.put(B, &bytes(from_axis(1, &[B], "G22")));
    let failure = Some((lienthong_pipeline::ports::FailureClass::Receiver, "timeout"));
    polling.inbox.fails(lienthong_adapters::contract::Call::Confirm(id.clone()), failure);
    polling.look().await;
    assert_eq!(polling.said(), [[]], "committed, and the axis did not hear of it");
    assert_eq!(polling.world.got(B).len(), 1);
    polling.world.kill();
    polling.inbox.fails(lienthong_adapters::contract::Call::Confirm(id), None);
    polling.world.start();
    polling.world.poll(polling.inbox.clone(), polling.policies.clone());
    polling.look().await;
    assert_eq!((polling.said(), polling.fetched()), (vec![vec![Done]], vec![1]), "only confirmed");
    assert_eq!(polling.count(Outcome::Repeated), 1);
    assert_eq!(polling.world.got(B).len(), 1, "no second copy");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_taken_is_set_aside_and_hinders_nobody() {
    let mut polling = Polling::open();
    let secret = bytes(from_axis(2, &[B], "G22").type_name("Mật"));
    let unreadable = b"<edXML".to_vec();
    let large = vec![b' '; 100_001];
    let for_nobody = bytes(from_axis(3, &["G09"], "G22"));
    let good = bytes(from_axis(1, &[B], "G22"));
    for packet in [&unreadable, &large, &secret, &for_nobody, &good] {
        polling.put(B, packet);
    }
    polling.look().await;
    assert_eq!(polling.said(), [vec![Fail], vec![Fail], vec![Fail], vec![Fail], vec![Done]]);
    let mut reasons = polling.quarantined();
    reasons.sort();
    assert_eq!(reasons, ["BODY_TOO_LARGE", "RECEIVER_UNKNOWN", "SECRET_NOT_CARRIED", "XML_MALFORMED"]);
    assert_eq!((polling.count(Outcome::Quarantined), polling.count(Outcome::Taken)), (4, 1));
    assert_eq!(polling.world.metrics.axis_quarantined.value(), 4);
    // The bytes are there for who has to look.
    let files = std::fs::read_dir(polling.world.folder.path().join("quarantine")).expect("a folder");
    let kept: Vec<Vec<u8>> = files
        .map(|file| file.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "edxml"))
        .map(|path| std::fs::read(path).expect("readable"))
        .collect();
    assert!(kept.len() == 3 && kept.contains(&unreadable) && kept.contains(&for_nobody));
    assert_eq!(polling.world.got(B).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_set_aside_is_not_fetched_until_the_operator_removes_it() {
    let mut polling = Polling::open();
    let id = polling.put(C, &bytes(from_axis(1, &["G09"], "G22")));
    // The axis lists it again and again.
    let failure = Some((lienthong_pipeline::ports::FailureClass::Receiver, "timeout"));
    polling.inbox.fails(lienthong_adapters::contract::Call::Confirm(id.clone()), failure);
    for _ in 0..3 {
        polling.look().await;
    }
    assert_eq!((polling.fetched(), polling.quarantined()), (vec![1], vec!["RECEIVER_UNKNOWN".to_owned()]));
    assert_eq!(polling.told(), [false], "it did not hear");
    std::fs::remove_dir_all(polling.world.folder.path().join("quarantine")).expect("removed");
    polling.inbox.fails(lienthong_adapters::contract::Call::Confirm(id), None);
    polling.look().await;
    assert_eq!((polling.fetched(), polling.told()), (vec![2], vec![true]));
    let kept = lienthong_outbox::quarantined(polling.world.folder.path()).expect("a folder").remove(0);
    assert!(kept.packet.is_some(), "the packet stays with the note");
}
