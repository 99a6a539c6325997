//! Axes are asked what became of what they took: less and less often, until a receiver has it or the time is over.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use lienthong_adapters::contract::{Call, MemoryInbox};
use lienthong_pipeline::poll::PollPolicy;
use lienthong_pipeline::ports::{AxisDocId, FailureClass, Handover, SentEntry};
use lienthong_pipeline::record::{AdapterKind, BeyondWord, Receipt, State};
use lienthong_pipeline::tidings::ASKED_FOR;

use super::world::{B, World, X, Y, letter, system, taken};

const EVERY: Duration = Duration::from_secs(600);
const DAY: Duration = Duration::from_secs(86_400);

/// A gateway that asks the axis `vpcp`, which gives each document an id.
struct Asking {
    world: World,
    inbox: Arc<MemoryInbox>,
}

fn doc_id(receipt: &Receipt) -> AxisDocId {
    AxisDocId::parse(&format!("id-{}", receipt.document_id)).expect("an id")
}

fn entry(to: &str, word: Option<BeyondWord>, note: &str) -> SentEntry {
    SentEntry { to: to.to_owned(), word, note: note.to_owned() }
}

impl Asking {
    fn open() -> Self {
        let world = World::new();
        world.answer(|consignment, _| match consignment.delivery.route.adapter {
            AdapterKind::NationalAxis => {
                let id = format!("id-{}", consignment.delivery.document);
                let known_as = AxisDocId::parse(&id);
                Ok(Handover { state: State::HandedOver, note: id, known_as })
            }
            _ => Ok(taken(consignment)),
        });
        let mut asking = Self { world, inbox: Arc::new(MemoryInbox::new(system("vpcp"))) };
        asking.ask();
        asking
    }

    fn ask(&mut self) {
        let policy = PollPolicy { every: EVERY, sent_every: Some(EVERY), bytes_max: 100_000 };
        let policies = Arc::new(ArcSwap::from_pointee([(system("vpcp"), policy)].into()));
        self.world.ask(self.inbox.clone(), policies);
    }

    /// A letter to these, which was taken by everybody.
    async fn sent(&mut self, number: u32, to: &[&str]) -> Receipt {
        let receipt = self.world.send(letter(number, to)).await;
        self.world.quiet().await;
        receipt
    }

    async fn look(&mut self) {
        self.world.advance(EVERY).await;
    }

    fn asked(&self, receipt: &Receipt) -> usize {
        let call = Call::Sent(doc_id(receipt));
        self.inbox.calls().iter().filter(|asked| **asked == call).count()
    }

    fn became(&self, receipt: &Receipt, entries: &[SentEntry]) {
        self.inbox.became(&doc_id(receipt), entries.to_vec());
    }
}

#[tokio::test(start_paused = true)]
async fn done_is_received_and_everything_else_is_only_noted() {
    let mut asking = Asking::open();
    let receipt = asking.sent(1, &[X, B, Y]).await;
    let of = |code: &str| {
        let mut lines = receipt.deliveries.iter();
        lines.find(|line| line.receiver.as_str() == code).expect("a line").delivery_id
    };
    let (x, y) = (of(X), of(Y));
    assert_eq!(asking.inbox.calls(), [], "not before its time");
    asking.became(
        &receipt,
        &[
            entry("khac", Some(BeyondWord::Done), ""),
            entry(&X.to_lowercase(), Some(BeyondWord::Processing), ""),
            entry(Y, Some(BeyondWord::Fail), "hỏng tệp"),
        ],
    );
    asking.look().await;
    assert_eq!(asking.asked(&receipt), 1, "one question for all receivers");
    let note = format!("DocId {}", doc_id(&receipt));
    let last = async |asking: &Asking, id| asking.world.history(id).await.pop().expect("a line");
    assert_eq!(last(&asking, x).await, ("heard".to_owned(), format!("processing: {note}")));
    assert_eq!(last(&asking, y).await, ("heard".to_owned(), format!("fail: {note}; hỏng tệp")));
    assert_eq!(asking.world.states(&receipt).await, [State::HandedOver, State::Received, State::HandedOver]);

    let before = asking.world.history(x).await.len();
    asking.look().await;
    assert_eq!(
        (asking.asked(&receipt), asking.world.history(x).await.len()),
        (2, before),
        "no news, no line"
    );
    asking.became(
        &receipt,
        &[entry(X, Some(BeyondWord::Done), "2026/01/05 08:30:00"), entry(Y, Some(BeyondWord::Initial), "")],
    );
    asking.look().await;
    assert_eq!(asking.world.states(&receipt).await, [State::Received, State::Received, State::HandedOver]);
    let lines = asking.world.history(x).await;
    let settled = lines.into_iter().rfind(|(event, _)| event == "settled").expect("a line");
    assert_eq!(settled, ("settled".to_owned(), format!("done: {note}; 2026/01/05 08:30:00")));
    asking.became(&receipt, &[entry(X, Some(BeyondWord::Fail), ""), entry(Y, Some(BeyondWord::Done), "")]);
    asking.look().await;
    assert_eq!(asking.world.states(&receipt).await, [State::Received; 3], "done is the last word");
    let asked = asking.asked(&receipt);
    asking.world.pass(DAY, EVERY).await;
    assert_eq!(asking.asked(&receipt), asked, "all is known");
}

#[tokio::test(start_paused = true)]
async fn questions_become_rare_and_end_and_nothing_is_invented() {
    let mut asking = Asking::open();
    let receipt = asking.sent(1, &[X]).await;
    asking.became(&receipt, &[entry(X, None, "?")]);
    asking.world.pass(DAY, EVERY).await;
    let first_day = asking.asked(&receipt);
    assert!((10..40).contains(&first_day), "{first_day}");
    asking.world.pass(ASKED_FOR - DAY, DAY / 4).await;
    asking.world.pass(2 * DAY, DAY / 4).await;
    let all = asking.asked(&receipt);
    assert!((first_day + 25..first_day + 60).contains(&all), "{first_day} {all}");
    asking.world.pass(5 * DAY, DAY / 4).await;
    assert_eq!(asking.asked(&receipt), all, "its time is over");
    assert_eq!(asking.world.states(&receipt).await, [State::HandedOver]);
    let (event, note) = asking.world.history(receipt.deliveries[0].delivery_id).await.pop().expect("a line");
    assert!(event == "heard" && note.ends_with("not asked any more"), "{event} {note}");
}

#[tokio::test(start_paused = true)]
async fn one_that_the_axis_does_not_know_keeps_nobody_waiting() {
    let mut asking = Asking::open();
    let strange = asking.sent(1, &[X]).await;
    let known = asking.sent(2, &[Y]).await;
    asking.became(&known, &[entry(Y, Some(BeyondWord::Done), "")]);
    asking.look().await;
    assert_eq!(asking.world.states(&known).await, [State::Received]);
    assert_eq!(asking.world.states(&strange).await, [State::HandedOver]);
    assert_eq!(asking.world.metrics.axis_asked.of("failed").value(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_axis_in_trouble_is_asked_again_and_each_look_begins_with_another() {
    let mut asking = Asking::open();
    let receipts = [asking.sent(1, &[X]).await, asking.sent(2, &[X]).await];
    for receipt in &receipts {
        asking.became(receipt, &[entry(X, Some(BeyondWord::Done), "")]);
        asking.inbox.fails(Call::Sent(doc_id(receipt)), Some((FailureClass::Receiver, "http_502")));
    }
    asking.look().await;
    asking.look().await;
    assert_eq!(receipts.each_ref().map(|receipt| asking.asked(receipt)), [1, 1], "one failure ends a look");
    for receipt in &receipts {
        asking.inbox.fails(Call::Sent(doc_id(receipt)), None);
    }
    // What is due stands in the store.
    asking.world.kill();
    asking.world.start();
    asking.ask();
    asking.world.quiet().await;
    asking.look().await;
    for receipt in &receipts {
        assert_eq!(asking.world.states(receipt).await, [State::Received]);
    }
}
