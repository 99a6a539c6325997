//! The gateway is killed while an operator acts: each act is done or not done, nothing is lost, and store and spool
//! agree.
#![allow(clippy::panic, reason = "this is test code, though not in test functions")]

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use acceptance::until;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rustix::process::Signal;
use serde_json::Value;

use crate::{Hands, PROGRAM};

const LETTERS: u32 = 6;
const KILLS: u32 = 4;

/// Store and spool are whole and agree.
fn is_whole(hands: &Hands) {
    let checked = hands.json(0, &["outbox", "check", "--deep"]);
    assert_eq!(checked["faults"], Value::Array(Vec::new()), "{checked}");
}

/// A gateway that dies at this point, with a letter to agency 1 that is `state`; the document and its delivery.
async fn dying(hands: &Hands, point: &str, state: &str) -> (lienthong::demo::child::Gateway, String, String) {
    let stage = &hands.stage;
    let started = stage.start_with(&[("LIENTHONG_CRASH_AT", point)]).await;
    let gateway = started.unwrap_or_else(|fault| panic!("{fault}"));
    let document = stage.accepted(&stage.letter(1, &[1])).await;
    stage.all_are(&document, state).await;
    let id = hands.delivery_of(&document).await;
    (gateway, document, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requeue_that_was_cut_is_not_done_and_can_be_repeated() {
    let hands = Hands::open().await;
    let stage = &hands.stage;
    stage.world.receivers[1].answer_with(Some(410));
    let (mut gateway, document, id) = dying(&hands, "after-requeue-note", "refused").await;
    let cut = hands.run(&["dead-letters", "requeue", &id, "--reason", "x"]);
    assert_eq!(cut.status.code(), Some(3), "no answer, so nothing is promised");
    let end = gateway.end().await.expect("it dies at the point");
    assert_eq!(end.signal(), Some(Signal::ABORT.as_raw()));

    stage.world.receivers[1].answer_with(None);
    let mut gateway = stage.start().await;
    assert_eq!(hands.listed("dead-letters"), [id.as_str()]);
    is_whole(&hands);
    let again = hands.json(0, &["dead-letters", "requeue", &id, "--reason", "x"]);
    assert_eq!(again["outcomes"][0]["delivery"]["generation"], 2, "{again}");
    stage.all_are(&document, "received").await;
    is_whole(&hands);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_and_not_closed_is_told_once_and_still_listed() {
    let hands = Hands::open().await;
    let stage = &hands.stage;
    stage.world.receivers[1].close();
    let (mut gateway, document, id) = dying(&hands, "after-give-up", "queued").await;
    let cut = hands.run(&["dead-letters", "give-up", &id, "--reason", "x"]);
    assert_eq!(cut.status.code(), Some(3));
    let end = gateway.end().await.expect("it dies at the point");
    assert_eq!(end.signal(), Some(Signal::ABORT.as_raw()));

    let mut gateway = stage.start().await;
    stage.all_are(&document, "given_up").await;
    assert_eq!(hands.listed("dead-letters"), [id.as_str()]);
    let told = until(async || (!stage.world.receivers[0].taken().is_empty()).then_some(())).await;
    assert!(told.is_some(), "its sender is told");
    let closed = hands.json(0, &["dead-letters", "give-up", &id, "--reason", "x"]);
    assert_eq!(closed["outcomes"][0]["verdict"], "closed");
    assert!(hands.listed("dead-letters").is_empty());
    is_whole(&hands);
    stage.nothing_else_arrived([1, 0, 0]);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_at_any_moment_of_many_acts_leave_each_done_or_not_done() {
    let seed: u64 = rand::rng().random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let hands = Hands::open().await;
    let stage = &hands.stage;
    let mut gateway = stage.start().await;
    stage.world.receivers[1].answer_with(Some(410));
    let mut documents = Vec::new();
    for number in 0..LETTERS {
        documents.push(stage.accepted(&stage.letter(number, &[1])).await);
    }
    let mut all = BTreeSet::new();
    for document in &documents {
        stage.all_are(document, "refused").await;
        all.insert(hands.delivery_of(document).await);
    }
    for _ in 0..KILLS {
        let acting = Command::new(PROGRAM)
            .args(["dead-letters", "requeue", "--reason", "x", "-c", hands.config()])
            .args(&all)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut acting = acting.expect("it starts");
        let moment = Duration::from_millis(random.random_range(5..100));
        drop(tokio::time::timeout(moment, std::future::pending::<()>()).await);
        gateway.kill().await.expect("SIGKILL");
        // It may have been done, in part, or not at all; whatever it says.
        acting.wait().expect("it ends");
        gateway = stage.start().await;
        // Whatever is on its way again is refused again.
        for document in &documents {
            stage.all_are(document, "refused").await;
        }
        let listed: BTreeSet<String> = hands.listed("dead-letters").into_iter().collect();
        assert_eq!(listed, all, "none is lost");
        is_whole(&hands);
    }
    stage.world.receivers[1].answer_with(None);
    let words: Vec<&str> = all.iter().map(String::as_str).collect();
    hands.json(0, &[&["dead-letters", "requeue", "--reason", "x"], &words[..]].concat());
    for document in &documents {
        stage.all_are(document, "received").await;
    }
    let taken = stage.world.receivers[1].taken();
    assert_eq!(taken.keys().cloned().collect::<BTreeSet<_>>(), all, "each under its own id");
    assert!(taken.values().all(|taken| taken.times == 1), "{taken:#?}");
    is_whole(&hands);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
