//! One DocumentId at two gateways (design.md B3): what another one took is known at the door, and what neither could know
//! of the other is found before it leaves.

use lienthong_pipeline::operate::{Act, By, Operate, Reason};
use lienthong_pipeline::record::{Receipt, State};
use lienthong_schemas::edxml::{DocumentBuilder, StatusCode};
use lienthong_schemas::rejections::RejectionCode;

use super::hooks::{Fate, Hook, publications};
use super::nodes::Pair;
use super::world::{A, World, letter, name_of, status};

/// Another letter under the same DocumentId.
fn other(number: u32, to: &[&str]) -> DocumentBuilder {
    letter(number, to).subject("V/v việc khác")
}

/// The same letter in other bytes.
fn in_other_bytes(number: u32, to: &[&str]) -> DocumentBuilder {
    letter(number, to).with_raw("Giám đốc", "Phó Giám đốc")
}

fn receivers(receipt: &Receipt) -> Vec<&str> {
    receipt.deliveries.iter().map(|line| line.receiver.as_str()).collect()
}

fn has_reuse(receipt: &Receipt) -> bool {
    receipt.findings.iter().any(|finding| finding == "DOCID_REUSED")
}

/// The note of a delivery's last line.
async fn note(world: &World, receipt: &Receipt, at: usize) -> String {
    let lines = world.history(receipt.deliveries[at].delivery_id).await;
    lines.into_iter().last().map(|(_, note)| note).expect("a line")
}

/// How many letters a receiver got, from both.
fn got(pair: &Pair, code: &str) -> usize {
    pair.got().into_iter().filter(|((receiver, _), _)| receiver == code).map(|(_, count)| count).sum()
}

fn codes(pair: &Pair) -> [String; 5] {
    pair.codes[..5].to_vec().try_into().expect("five")
}

#[tokio::test(start_paused = true)]
async fn what_another_gateway_took_is_answered_as_if_it_were_known_here() {
    let mut pair = Pair::new().await;
    let codes = codes(&pair);
    let [a, b, c, d, e] = codes.each_ref().map(String::as_str);
    pair.one.send(letter(1, &[a, b])).await;
    pair.pass(2).await;
    let rejection = pair.two.refused(other(1, &[c, b]), RejectionCode::DocumentConflict).await;
    assert_eq!(rejection.field.as_deref(), Some("edXMLHeader/MessageHeader/To[2]/OrganId"));
    assert_eq!(rejection.detail.as_deref(), Some(b));
    let disjoint = pair.two.send(other(1, &[c])).await;
    assert!(has_reuse(&disjoint));
    let more = pair.two.send(in_other_bytes(1, &[a, d])).await;
    assert_eq!(receivers(&more), [d], "only who has not got it");
    pair.pass(5).await;
    // The first gateway knows as much of what the second one took.
    pair.one.refused(letter(1, &[c]), RejectionCode::DocumentConflict).await;
    pair.one.refused(other(1, &[d]), RejectionCode::DocumentConflict).await;
    let own_again = pair.one.accept(letter(1, &[a, b])).await;
    assert!(own_again.replayed, "what it took itself");
    // Bytes that were taken there are taken here, under the same ids.
    let there = pair.one.accept(other(1, &[c])).await;
    assert_eq!(
        (there.replayed, there.receipt.deliveries.clone()),
        (false, disjoint.deliveries.clone()),
        "its receipt lies elsewhere"
    );
    pair.pass(5).await;
    assert_eq!([a, b, c, d, e].map(|code| got(&pair, code)), [1, 1, 1, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn what_says_the_same_as_a_letter_taken_elsewhere_goes_to_nobody_twice() {
    let mut pair = Pair::new().await;
    let codes = codes(&pair);
    let [a, b, ..] = codes.each_ref().map(String::as_str);
    let first = pair.one.send(letter(1, &[a, b])).await;
    pair.pass(2).await;
    // All that it is for have it, and the receipt lies elsewhere: this one gets a receipt of its own.
    let again = pair.two.accept(in_other_bytes(1, &[a])).await;
    assert!(!again.replayed && again.receipt.document_id != first.document_id);
    pair.pass(5).await;
    assert_eq!(pair.two.states(&again.receipt).await, [State::Withdrawn]);
    let note = note(&pair.two, &again.receipt, 0).await;
    assert!(
        note.starts_with("same_content: gw-1 ") && note.contains(&first.document_id.to_string()),
        "{note}"
    );
    assert_eq!((got(&pair, a), got(&pair, b)), (1, 1));
    assert_eq!(pair.two.metrics.parked.value(), 0);
}

#[tokio::test(start_paused = true)]
async fn of_two_letters_that_nobody_could_compare_the_later_one_is_held() {
    let mut pair = Pair::new().await;
    let codes = codes(&pair);
    let [a, b, c, d, _] = codes.each_ref().map(String::as_str);
    pair.broker.stop();
    let first = pair.one.send(letter(1, &[a, b, c])).await;
    let second = pair.two.send(other(1, &[b, c, d])).await;
    pair.two.kill();
    pair.broker.start();
    pair.pass(30).await;
    assert_eq!(pair.one.states(&first).await, [State::Received; 3]);
    pair.two.start();
    pair.pass(30).await;
    assert_eq!(pair.two.states(&second).await, [State::Parked, State::Parked, State::Received]);
    assert_eq!([a, b, c, d].map(|code| got(&pair, code)), [1, 1, 1, 1]);
    let note = note(&pair.two, &second, 0).await;
    assert!(
        note.starts_with("document_conflict: gw-1 đã nhận") && note.contains(&first.document_id.to_string()),
        "{note}"
    );
    let anomalies = &pair.two.metrics.anomalies;
    let counted = ["document_conflict", "document_id_reused"].map(|kind| anomalies.of(kind).value());
    assert_eq!((counted, pair.two.metrics.parked.value()), ([2, 1], 2));
    assert_eq!(pair.one.metrics.anomalies.of("document_conflict").value(), 0);
    // A kill leaves it as it is.
    pair.two.kill();
    pair.two.start();
    pair.pass(15).await;
    assert_eq!(pair.two.states(&second).await, [State::Parked, State::Parked, State::Received]);

    // The operator sends the one all the same, and gives the other one up.
    let two = &pair.two;
    let operate = Operate::new(two.ports.clone(), two.wakes.clone(), two.metrics.clone());
    let by = By { operator: "lan".to_owned(), reason: Reason::parse("đã hỏi").expect("a reason") };
    let ids: Vec<_> = second.deliveries.iter().map(|line| line.delivery_id).collect();
    assert!(operate.act(Act::Requeue, &ids[..1], &by).await[0].done);
    assert!(operate.act(Act::GiveUp, &ids[1..2], &by).await[0].done);
    pair.pass(10).await;
    let ends = [State::Received, State::GivenUp, State::Received];
    assert_eq!(pair.two.states(&second).await, ends);
    assert_eq!([a, b, c, d].map(|code| got(&pair, code)), [1, 2, 1, 1]);
    // Who sends it again hears that it was taken, at either gateway.
    assert!(pair.two.accept(other(1, &[b, c, d])).await.replayed);
    assert_eq!(pair.one.send(other(1, &[b, c, d])).await.deliveries, second.deliveries);
    pair.pass(10).await;
    assert_eq!([a, b, c, d].map(|code| got(&pair, code)), [1, 2, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn of_many_at_the_same_moment_each_receiver_gets_one() {
    let mut pair = Pair::new().await;
    let all = pair.codes.clone();
    let to: Vec<&str> = all.iter().map(String::as_str).collect();
    pair.broker.stop();
    let mut receipts = Vec::new();
    for number in 1..=12 {
        receipts.push((pair.one.send(letter(number, &to)).await, pair.two.send(other(number, &to)).await));
    }
    pair.broker.start();
    pair.pass(30).await;
    for (one, two) in &receipts {
        let (one, two) = (pair.one.states(one).await, pair.two.states(two).await);
        for (one, two) in one.iter().zip(&two) {
            let ends = [(State::Received, State::Parked), (State::Parked, State::Received)];
            assert!(ends.contains(&(*one, *two)), "{one:?} {two:?}");
        }
        assert!(one.iter().all(|state| *state == one[0]), "one of them has all of them");
    }
    assert!(to.iter().all(|code| got(&pair, code) == 12));
}

#[tokio::test(start_paused = true)]
async fn what_meets_nobody_goes_on() {
    let mut pair = Pair::new().await;
    let codes = codes(&pair);
    let [a, b, c, ..] = codes.each_ref().map(String::as_str);
    pair.broker.stop();
    let first = pair.one.send(letter(1, &[a])).await;
    let reused = pair.two.send(other(1, &[b])).await;
    let same = pair.two.send(in_other_bytes(2, &[a, c])).await;
    let again = pair.one.send(letter(2, &[a, b])).await;
    pair.two.kill();
    pair.broker.start();
    pair.pass(30).await;
    pair.two.start();
    pair.pass(30).await;
    for (world, receipt) in [(&pair.one, &first), (&pair.two, &reused), (&pair.one, &again)] {
        assert!(world.states(receipt).await.iter().all(|state| *state == State::Received));
    }
    assert_eq!(pair.two.states(&same).await, [State::Withdrawn, State::Received], "a has it already");
    assert_eq!([a, b, c].map(|code| got(&pair, code)), [2, 2, 1]);
    let anomalies = &pair.two.metrics.anomalies;
    let counted = ["document_conflict", "document_id_reused"].map(|kind| anomalies.of(kind).value());
    assert_eq!(counted, [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_kill_after_the_claim_loses_nothing_to_the_other_one() {
    let hook = Hook::default();
    let mut pair = Pair::wrapped(publications(&hook)).await;
    let codes = codes(&pair);
    let [a, b, ..] = codes.each_ref().map(String::as_str);
    hook.set(|_| Fate::Hangs);
    let first = pair.one.send(letter(1, &[a, b])).await;
    pair.pass(1).await;
    pair.one.kill();
    // Nothing of it left, and its name is had all the same.
    pair.two.refused(other(1, &[a]), RejectionCode::DocumentConflict).await;
    hook.clear();
    pair.one.start();
    pair.pass(30).await;
    assert_eq!(pair.one.states(&first).await, [State::Received; 2]);
    assert_eq!((got(&pair, a), got(&pair, b)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_status_that_both_are_told_in_other_bytes_arrives_once() {
    let mut pair = Pair::new().await;
    let codes = codes(&pair);
    pair.one.send(letter(1, &[&codes[0]])).await;
    pair.pass(2).await;
    pair.broker.stop();
    let said = |words: &str| status(&codes[0], A, 1, StatusCode::Registered, "2026-01-05T01:00:01Z", words);
    let first = pair.one.bring(said("đã nhận"), "hai").await.expect("taken").receipt;
    let second = pair.two.bring(said("đã nhận rồi"), "hai").await.expect("taken").receipt;
    assert_ne!(first.document_id, second.document_id);
    pair.broker.start();
    pair.pass(30).await;
    let mut ends = [pair.one.states(&first).await[0], pair.two.states(&second).await[0]];
    ends.sort_by_key(|state| state.as_str());
    assert_eq!(ends, [State::Received, State::Withdrawn]);
}

#[tokio::test(start_paused = true)]
async fn an_urgent_letter_brings_nothing_along_that_is_held() {
    let mut pair = Pair::new().await;
    let codes = codes(&pair);
    let to = [codes[0].as_str()];
    pair.broker.stop();
    let first = pair.one.send(letter(1, &to)).await;
    let held = pair.two.send(other(1, &to)).await;
    // It refers to the one that will be held, and is looked at before it.
    let urgent = letter(2, &to).response_for(A, "1/STN-VP", &name_of(1), "2026/01/02").priority(4);
    let urgent = pair.two.send(urgent).await;
    pair.two.kill();
    pair.broker.start();
    pair.pass(30).await;
    pair.two.start();
    pair.pass(30).await;
    assert_eq!(pair.one.states(&first).await, [State::Received]);
    assert_eq!(pair.two.states(&held).await, [State::Parked]);
    assert_eq!(pair.two.states(&urgent).await, [State::Received]);
    assert_eq!(got(&pair, to[0]), 2);
}
