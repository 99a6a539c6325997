//! The judge sees what it is there for.

use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::clients::{Giver, Sent};
use super::super::plan::{Flaw, Item, Kind, Lasts, Trick};
use super::super::receivers::Arrival;
use super::{Case, Losses, Verdict, Views};

const CODES: [&str; 3] = ["S", "A", "B"];

/// Documents that were sent one after the other, what is shown of them, what came.
struct Play {
    sent: Vec<Sent>,
    views: Views,
    arrivals: Vec<Arrival>,
    begun: Instant,
    several: bool,
    lost: Losses,
}

impl Play {
    fn new() -> Self {
        Self {
            sent: vec![],
            views: HashMap::new(),
            arrivals: vec![],
            begun: Instant::now(),
            several: false,
            lost: Losses::new(),
        }
    }

    /// A document to A, with its receipt, shown in this state.
    fn send(&mut self, kind: Kind, priority: u8, state: &str) -> &mut Sent {
        let at = u32::try_from(self.sent.len()).expect("few");
        let (client, sender, bytes) = (0, 0, 0);
        let item = Item {
            at,
            client,
            sender,
            kind,
            receivers: vec![1],
            bytes,
            priority,
            trick: Trick::None,
            poison: None,
        };
        let time = |half: u32| self.begun + Duration::from_secs(u64::from(2 * at + half));
        self.sent.push(Sent {
            item,
            sha256: format!("digest {at}"),
            file: PathBuf::new(),
            begun: time(0),
            receipted: Some(time(1)),
            receipts: vec![json!({ "document_id": format!("document {at}") })],
            given_by: vec![giver(0)],
            tried: BTreeSet::from([0]),
            replayed: 0,
            refused: None,
            tries: 1,
        });
        let entry = json!({ "event": "settled", "state": state, "note": "why" });
        let line = json!({ "receiver": "A", "delivery_id": format!("delivery {at}"), "state": state, "history": [entry] });
        self.views.insert((0, format!("document {at}")), json!({ "deliveries": [line] }));
        self.sent.last_mut().expect("just sent")
    }

    /// Document `at` comes to A.
    fn comes(&mut self, at: u32, stored: bool, answered: u16) -> &mut Arrival {
        self.arrivals.push(Arrival {
            at: self.arrivals.len(),
            delivery_id: format!("delivery {at}"),
            document_id: format!("document {at}"),
            receiver: "A".to_owned(),
            announced: format!("digest {at}"),
            sha256: format!("digest {at}"),
            stored,
            answered,
        });
        self.arrivals.last_mut().expect("just come")
    }

    fn history(&mut self, at: u32, events: &[Value]) {
        let view = self.views.get_mut(&(0, format!("document {at}"))).expect("shown");
        view["deliveries"][0]["history"] = Value::from(events.to_vec());
    }

    fn verdict(&self) -> Verdict {
        let codes = CODES.map(str::to_owned);
        let right: RangeInclusive<Timestamp> =
            "2026-01-02T03:00:00Z".parse().expect("a time")..="2026-01-02T04:00:00Z".parse().expect("a time");
        let (sent, views, arrivals) = (&self.sent, &self.views, &self.arrivals);
        Case {
            sent,
            views,
            arrivals,
            codes: &codes,
            round_from: 0,
            several: self.several,
            lost: &self.lost,
            right,
        }
        .judge()
    }
}

fn giver(gateway: usize) -> Giver {
    Giver { gateway, life: 0, at: Instant::now() }
}

impl Sent {
    /// Another receipt, of this gateway.
    fn hears(&mut self, gateway: usize, document: &str) -> &mut Self {
        self.receipts.push(json!({ "document_id": document }));
        self.given_by.push(giver(gateway));
        self
    }
}

/// So many complaints: lost, wrongly settled, unequal, out of order, other.
fn counts(verdict: &Verdict) -> [usize; 5] {
    let Verdict { lost, wrongly_settled, unequal, disordered, other, .. } = verdict;
    [lost, wrongly_settled, unequal, disordered, other].map(Vec::len)
}

#[test]
fn what_arrived_in_order_is_good_however_often_it_came() {
    let mut play = Play::new();
    for at in 0..3 {
        play.send(Kind::Letter, 0, "received");
        play.comes(at, false, 503);
        play.comes(at, true, 0);
        play.comes(at, true, 200);
    }
    let verdict = play.verdict();
    assert!(verdict.is_good(), "{:?}", verdict.complaints());
    assert_eq!((verdict.documents, verdict.deliveries, verdict.repeats, verdict.pairs), (3, 3, 3, 3));
}

#[test]
fn what_is_not_shown_or_not_over_is_lost() {
    let mut play = Play::new();
    play.send(Kind::Letter, 0, "queued");
    play.send(Kind::Letter, 0, "parked");
    play.send(Kind::Letter, 0, "received");
    play.comes(2, true, 200);
    play.views.remove(&(0, "document 2".to_owned()));
    assert_eq!(counts(&play.verdict()), [3, 0, 0, 0, 0]);
}

#[test]
fn only_poison_for_ever_and_what_refers_to_it_may_stay_parked() {
    let mut play = Play::new();
    play.send(Kind::Letter, 0, "parked").item.poison = Some((1, Lasts::ForEver));
    play.send(Kind::Revoke(0), 0, "parked");
    assert!(play.verdict().is_good());
    play.sent[0].item.poison = Some((1, Lasts::UntilHealed));
    assert_eq!(counts(&play.verdict()), [2, 0, 0, 0, 0]);
}

#[test]
fn a_word_that_is_not_true_is_wrongly_settled() {
    let mut play = Play::new();
    play.send(Kind::Letter, 0, "received");
    play.send(Kind::Letter, 0, "withdrawn");
    play.send(Kind::Letter, 0, "refused");
    play.comes(1, true, 500);
    play.comes(2, false, 500);
    let verdict = play.verdict();
    assert_eq!(counts(&verdict)[1], 3, "{:?}", verdict.complaints());
}

#[test]
fn a_receiver_that_says_it_did_not_take_it_is_believed() {
    let mut play = Play::new();
    play.send(Kind::Letter, 0, "withdrawn");
    play.comes(0, true, 503);
    play.comes(0, true, 429);
    assert!(play.verdict().is_good());
    play.comes(0, true, 504);
    assert_eq!(counts(&play.verdict()), [0, 1, 0, 0, 0]);
}

#[test]
fn another_id_and_other_bytes_are_unequal() {
    let mut play = Play::new();
    play.send(Kind::Letter, 0, "received");
    play.comes(0, true, 200);
    play.comes(0, true, 200).delivery_id = "another".to_owned();
    play.comes(0, true, 200).sha256 = "others".to_owned();
    assert_eq!(counts(&play.verdict()), [0, 0, 2, 0, 0]);
}

#[test]
fn order_is_kept_in_a_lane_and_among_relatives_and_only_a_record_excuses() {
    let mut play = Play::new();
    play.send(Kind::Letter, 0, "received");
    play.send(Kind::Letter, 4, "received");
    play.comes(1, true, 200);
    play.comes(0, true, 200);
    assert!(play.verdict().is_good(), "lanes have no order between them");
    play.sent[1].item.kind = Kind::Update(0);
    assert_eq!(counts(&play.verdict()), [0, 0, 0, 1, 0], "relatives have");
    play.sent[1].item.kind = Kind::Status(0, "01");
    assert_eq!(counts(&play.verdict()), [0, 0, 0, 1, 0]);
    play.sent[1].item.kind = Kind::Status(7, "01");
    assert_eq!(counts(&play.verdict()), [0, 0, 0, 1, 0], "a status packet is never urgent");
    play.sent[1].item.kind = Kind::Letter;
    play.sent[1].item.priority = 0;
    assert_eq!(counts(&play.verdict()), [0, 0, 0, 1, 0]);
    play.sent[1].begun = play.begun;
    assert!(play.verdict().is_good(), "sent before the other's receipt");
    play.sent[1].begun = play.begun + Duration::from_secs(9);
    play.history(
        0,
        &[
            json!({ "event": "parked", "state": "parked", "note": "" }),
            json!({ "event": "settled", "note": "x" }),
        ],
    );
    let verdict = play.verdict();
    assert_eq!((verdict.is_good(), verdict.excused), (true, 1), "{:?}", verdict.complaints());
}

#[test]
fn only_failures_of_its_own_excuse_what_is_overtaken() {
    let mut play = Play::new();
    play.send(Kind::Letter, 0, "received");
    play.send(Kind::Letter, 0, "received");
    play.comes(1, true, 200);
    play.comes(0, true, 200);
    let failed = |note: &str| json!({ "event": "attempt_failed", "note": note });
    let once = [failed("HTTP 500: x"), failed("HTTP 503: x"), failed("Connection refused (os error 111)")];
    play.history(0, &once);
    assert_eq!(counts(&play.verdict()), [0, 0, 0, 1, 0], "a receiver that fails is waited for");
    play.history(0, &[&once[..], &[failed("connection closed before message completed")]].concat());
    let verdict = play.verdict();
    assert_eq!((verdict.is_good(), verdict.excused), (true, 1), "{:?}", verdict.complaints());
}

#[test]
fn what_an_urgent_relative_takes_along_and_what_is_late_is_counted_apart() {
    let mut play = Play::new();
    play.send(Kind::Letter, 0, "received");
    play.send(Kind::Letter, 0, "received");
    play.send(Kind::Update(1), 4, "received");
    for at in [1, 2, 0] {
        play.comes(at, true, 200);
    }
    let verdict = play.verdict();
    assert_eq!((verdict.is_good(), verdict.pulled), (true, 1), "{:?}", verdict.complaints());
    play.sent[2].item.kind = Kind::Letter;
    assert_eq!(counts(&play.verdict()), [0, 0, 0, 1, 0]);
    let at = |second: u32| format!("2026-01-02T03:04:{second:02}Z");
    play.history(1, &[json!({ "event": "settled", "at": at(5) })]);
    play.history(0, &[json!({ "event": "handed_off", "at": at(4) })]);
    assert_eq!(counts(&play.verdict()), [0, 0, 0, 1, 0], "it was there");
    play.history(0, &[json!({ "event": "rebuilt", "at": at(4) })]);
    assert_eq!((play.verdict().is_good(), play.verdict().unrecorded), (true, 1));
    play.history(0, &[json!({ "event": "handed_off", "at": at(6) })]);
    assert_eq!(counts(&play.verdict()), [0, 0, 0, 1, 0], "nobody waited for it");
    let accepted = |at: &str| json!({ "event": "accepted", "at": at });
    let handed_off = json!({ "event": "handed_off", "at": at(6) });
    play.history(0, &[accepted("2026-01-02T03:02:36Z"), handed_off.clone()]);
    assert_eq!(counts(&play.verdict()), [0, 0, 0, 1, 0], "it was not waited for long enough");
    play.history(0, &[accepted("2026-01-02T03:02:35Z"), handed_off]);
    let verdict = play.verdict();
    assert_eq!((verdict.is_good(), verdict.late), (true, 1), "{:?}", verdict.complaints());
    play.history(0, &[json!({ "event": "handed_off", "at": at(4) })]);
    assert_eq!(counts(&play.verdict()), [0, 0, 0, 1, 0]);
    play.history(1, &[json!({ "event": "settled", "at": "2026-01-03T03:04:05Z" })]);
    assert_eq!(play.verdict().late, 1, "the clock was wrong");
}

#[test]
fn receipts_that_differ_and_wrong_refusals_are_seen() {
    let mut play = Play::new();
    play.send(Kind::Letter, 0, "received").hears(0, "another");
    play.comes(0, true, 200);
    play.send(Kind::Malformed(Flaw::Tampered), 0, "received");
    play.comes(1, true, 200);
    let sent = play.send(Kind::Letter, 0, "received");
    sent.receipts.clear();
    sent.receipted = None;
    sent.refused = Some((422, "why".to_owned()));
    let verdict = play.verdict();
    assert_eq!(counts(&verdict)[4], 4, "{:?}", verdict.complaints());
}

#[test]
fn several_gateways_have_one_document_and_each_its_own_word() {
    let mut play = Play::new();
    play.several = true;
    let sent = play.send(Kind::Letter, 0, "received");
    sent.hears(1, "document 0").receipts[1]["accepted_at"] = json!("later");
    play.comes(0, true, 200);
    assert_eq!(counts(&play.verdict()), [1, 0, 0, 0, 0], "the other one shows nothing");
    let mut shown = play.views[&(0, "document 0".to_owned())].clone();
    play.views.insert((1, "document 0".to_owned()), shown.clone());
    let verdict = play.verdict();
    assert!(verdict.is_good(), "{:?}", verdict.complaints());
    assert_eq!((verdict.documents, verdict.deliveries), (1, 1));
    shown["deliveries"][0]["state"] = json!("withdrawn");
    play.views.insert((1, "document 0".to_owned()), shown);
    assert_eq!(counts(&play.verdict())[1], 1, "one of them says what is not so");
    play.views.insert((1, "document 0".to_owned()), play.views[&(0, "document 0".to_owned())].clone());
    play.sent[0].hears(1, "document 0");
    assert_eq!(counts(&play.verdict()), [0, 0, 0, 0, 1], "two receipts of one gateway");
}

#[test]
fn several_gateways_keep_the_order_of_what_is_about_one_document_and_went_to_one() {
    let mut play = Play::new();
    play.several = true;
    play.send(Kind::Letter, 0, "received");
    play.send(Kind::Letter, 0, "received");
    play.comes(1, true, 200);
    play.comes(0, true, 200);
    assert!(play.verdict().is_good(), "two documents");
    play.sent[1].item.kind = Kind::Update(0);
    assert_eq!(counts(&play.verdict()), [0, 0, 0, 1, 0]);
    play.sent[1].tried.insert(1);
    assert!(play.verdict().is_good(), "the other gateway may have it, too");
}

#[test]
fn what_a_lost_gateway_had_told_the_broker_has_to_arrive() {
    let mut play = Play::new();
    play.several = true;
    play.send(Kind::Letter, 0, "received");
    play.views.clear();
    play.lost.insert((0, 0), None);
    let verdict = play.verdict();
    assert_eq!((verdict.is_good(), verdict.only_on_a_lost_disk), (true, 1));
    play.lost.insert((0, 0), Some(Instant::now()));
    assert_eq!(counts(&play.verdict()), [1, 0, 0, 0, 0]);
    play.comes(0, true, 200);
    let verdict = play.verdict();
    assert_eq!((verdict.is_good(), verdict.only_on_a_lost_disk), (true, 0));
    play.comes(0, true, 200).delivery_id = "another".to_owned();
    assert_eq!(counts(&play.verdict()), [0, 0, 1, 0, 0]);
}
