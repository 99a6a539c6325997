//! The way by mail through every failure of design.md B6, over the running gateway, with a submission server that follows
//! a script: what becomes of the delivery, what its history and the metrics say, how long the mailbox is left alone.

use std::sync::Arc;

use acceptance::smtp::{Manner, Point, ScriptedSmtp};
use acceptance::{PAUSE, Stage, failures, letter_to, until};
use lienthong::demo::pki::peer_tls;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");
const EMAIL: &str = "email";
/// Codes with a mailbox.
const COMMUNE: &str = "H55.21.7";
const OTHER: &str = "H55.21.8";

async fn stage(settings: &[(&'static str, &str)]) -> (Stage, ScriptedSmtp) {
    let stage = Stage::open(PROGRAM, settings).await;
    let smtp = stage.with_mail(&[COMMUNE, OTHER]).await;
    (stage, smtp)
}

/// Nothing but what was submitted has been accepted, and nothing has come to the sender or other systems.
async fn nobody_was_told(stage: &Stage, submitted: u32) {
    assert_eq!(stage.metric("lienthong_accepted_total").await, f64::from(submitted), "no packet of our own");
    stage.nothing_else_arrived([0, 0, 0]);
}

/// A mailbox is left alone for a pause after each failure. Holds where only one mailbox is written to.
fn is_left_alone_after_failures(smtp: &ScriptedSmtp) {
    for pair in smtp.visits().windows(2).filter(|pair| !pair[0].taken) {
        let gap = pair[1].at - pair[0].at;
        assert!(gap >= PAUSE.mul_f64(0.99), "tried again after {gap:?}");
    }
}

/// The newest line of a delivery's history.
fn last_note(line: &Value) -> String {
    let last = line["history"].as_array().and_then(|all| all.last()).expect("a line");
    last["note"].as_str().expect("a note").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_of_the_mail_system_pauses_the_mailbox_and_passes_by_itself() {
    let (stage, smtp) = stage(&[]).await;
    let mut gateway = stage.start().await;
    let say = |text: &str| Manner::Say(text.to_owned());
    let rows = [
        (Some((Point::Rcpt, say("451 4.3.0 hop thu dang ban"))), "smtp_451"),
        (Some((Point::Rcpt, say("450 4.2.0 greylisted"))), "smtp_450"),
        (Some((Point::Message, say("452 4.3.1 het cho luu"))), "smtp_452"),
        (Some((Point::Mail, Manner::Hang)), "timeout"),
        (Some((Point::Rcpt, Manner::Cut)), "connection_lost"),
        (None, "connect"),
    ];
    for (at, (script, code)) in rows.into_iter().enumerate() {
        let number = 10 * u32::try_from(at + 1).expect("a small number");
        let before = stage.failures_of(EMAIL, "receiver").await;
        match &script {
            Some((point, manner)) => smtp.at(*point, manner.clone()),
            None => smtp.close().await,
        }
        let first = stage.sent_to(number, &[COMMUNE]).await;
        stage.delivery_fails(&first, COMMUNE, code).await;
        stage.pauses(EMAIL).await;
        assert!(stage.failures_of(EMAIL, "receiver").await > before, "{code} is a failure of the receiver");
        // An urgent document for the same mailbox waits as well.
        let second = stage.sent_urgently_to(number + 1, COMMUNE).await;
        smtp.is_well();
        if script.is_none() {
            smtp.reopen().await;
        }
        for id in [first, second] {
            let shown = stage.all_are(&id, "handed_over").await;
            let notes = failures(&shown["deliveries"][0]);
            assert!(notes.iter().all(|note| note.starts_with(&format!("{code}: "))), "{code}: {notes:?}");
        }
        let calm = until(async || (stage.paused(EMAIL).await == 0.0).then_some(())).await;
        assert!(calm.is_some(), "{code}: the pause is over");
        assert!(!stage.alarms(code), "{code} is not ours to fix");
    }
    for class in ["document", "permanent", "ours_to_fix"] {
        assert_eq!(stage.failures_of(EMAIL, class).await, 0.0, "{class}");
    }
    is_left_alone_after_failures(&smtp);
    assert_eq!(smtp.came().iter().filter(|came| came.taken).count(), 12, "each message is taken once");
    assert_eq!(stage.dead_letters(), Vec::<String>::new());
    nobody_was_told(&stage, 12).await;
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_mail_system_refuses_for_good_is_a_dead_letter() {
    let (stage, smtp) = stage(&[]).await;
    let mut gateway = stage.start().await;
    let rows = [
        (Point::Rcpt, "550 5.1.1 khong co hop thu nay", "smtp_550"),
        (Point::Data, "554 5.7.1 khong nhan", "smtp_554"),
        (Point::Message, "552 5.3.4 thu qua lon", "smtp_552"),
        (Point::Message, "554 5.6.0 noi dung bi chan", "smtp_554"),
    ];
    let mut dead = Vec::new();
    for (number, (point, said, code)) in (1..).zip(rows) {
        smtp.at(point, Manner::Say(said.to_owned()));
        let id = stage.sent_to(number, &[COMMUNE]).await;
        let line = stage.delivery_is(&id, COMMUNE, "refused").await;
        let note = last_note(&line);
        assert!(note.starts_with(&format!("{code}: ")) && note.contains(&said[4..]), "{note}");
        assert_eq!((&line["next_attempt"], failures(&line).len()), (&Value::Null, 0), "{line:#}");
        dead.push(line["delivery_id"].as_str().expect("an id").to_owned());
        // The mailbox itself is well: the next one does not wait.
        smtp.is_well();
        let next = stage.sent_to(100 + number, &[COMMUNE]).await;
        assert_eq!(stage.delivery_is(&next, COMMUNE, "handed_over").await["attempts"], 1);
        assert_eq!(stage.failures_of(EMAIL, "permanent").await, f64::from(number));
        assert_eq!(stage.paused(EMAIL).await, 0.0);
    }
    let mut listed = stage.dead_letters();
    listed.sort_unstable();
    dead.sort_unstable();
    assert_eq!(listed, dead);
    // What is refused is not tried again by itself; an operator can have it sent again, under the same id.
    stage.operator(&["dead-letters", "requeue", &dead[0], "--reason", "đã lập hộp thư"]);
    let sent_again = async || stage.operator(&["deliveries", "show", &dead[0]])["delivery"].clone();
    let again = until(async || Some(sent_again().await).filter(|line| line["state"] == "handed_over")).await;
    assert_eq!(again.expect("handed over")["generation"], 2);
    assert_eq!(stage.dead_letters().len(), 3);
    nobody_was_told(&stage, 8).await;
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_ours_to_fix_and_heals_with_the_right_one() {
    let (stage, smtp) = stage(&[("delivery", "give_up_after = \"1s\"")]).await;
    let file = stage.world.folder.join("mail.password");
    let right = std::fs::read_to_string(&file).expect("the password");
    std::fs::write(&file, "mat-khau-da-cu-roi").expect("written");
    let mut gateway = stage.start().await;
    let first = stage.sent_to(1, &[COMMUNE]).await;
    let line = stage.delivery_fails(&first, COMMUNE, "smtp_535").await;
    stage.pauses(EMAIL).await;
    assert!(stage.alarms("smtp_535"));
    let id = line["delivery_id"].as_str().expect("an id");
    assert_eq!(stage.operator(&["deliveries", "show", id])["delivery"]["ours_to_fix"], true);
    let second = stage.sent_to(2, &[COMMUNE]).await;
    stage.delivery_waits(&second, COMMUNE).await;
    let old = stage.delivery_when(&first, COMMUNE, |line| failures(line).len() >= 3).await;
    assert_eq!(old["state"], "queued", "older than anything else may become: {old:#}");
    assert!(stage.failures_of(EMAIL, "ours_to_fix").await >= 3.0);
    assert!(smtp.came().is_empty(), "not one byte of a packet has left");

    std::fs::write(&file, right).expect("written");
    stage.reload(&gateway).await;
    stage.all_are(&first, "handed_over").await;
    stage.all_are(&second, "handed_over").await;
    is_left_alone_after_failures(&smtp);
    assert_eq!(stage.metric("lienthong_given_up_total").await, 0.0, "never a 02 for what is ours");
    nobody_was_told(&stage, 2).await;
    let log = std::fs::read_to_string(&stage.world.log).expect("the log");
    assert!(!log.contains("mat-khau"), "no password is logged");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_with_a_wrong_name_is_ours_to_fix() {
    let (stage, smtp) = stage(&[]).await;
    // The gateway trusts the authority that vouches for the other name.
    let wrong =
        peer_tls(&stage.world.folder.join("wrong-ca.pem"), "thu.khac.example.vn").expect("certificates");
    let both = [smtp.ca(), wrong.ca.clone()].map(|ca| std::fs::read_to_string(ca).expect("a certificate"));
    std::fs::write(stage.world.folder.join("both.pem"), both.concat()).expect("written");
    stage.set("ca = \"mail-ca.pem\"", "ca = \"both.pem\"");
    let right = smtp.show(Arc::new(wrong));
    let mut gateway = stage.start().await;
    let id = stage.sent_to(1, &[COMMUNE]).await;
    stage.delivery_fails(&id, COMMUNE, "tls_name").await;
    stage.pauses(EMAIL).await;
    assert!(stage.alarms("tls_name"));
    assert!(stage.failures_of(EMAIL, "ours_to_fix").await >= 1.0);
    assert!(smtp.came().is_empty());
    // The mail system gets the right one: nobody has to touch the gateway.
    smtp.show(right);
    stage.all_are(&id, "handed_over").await;
    is_left_alone_after_failures(&smtp);
    nobody_was_told(&stage, 1).await;
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_cut_off_comes_again_as_the_same_message() {
    let (stage, smtp) = stage(&[]).await;
    let mut gateway = stage.start().await;
    // Before DATA is answered nothing has left; after the last dot nobody knows whose it is.
    for (number, point, code) in [(1, Point::Message, "cut_body"), (2, Point::Data, "connection_lost")] {
        let before = smtp.came().len();
        smtp.at(point, Manner::Cut);
        let packet = stage.signed(&format!("{number}.edxml"), letter_to(number, &[COMMUNE]));
        let id = stage.accepted(&packet).await;
        let line = stage.delivery_fails(&id, COMMUNE, code).await;
        smtp.is_well();
        stage.all_are(&id, "handed_over").await;
        let came = smtp.came()[before..].to_vec();
        let cut = came.iter().filter(|came| !came.taken).count();
        assert_eq!(cut > 0, point == Point::Message, "{cut} were cut at {point:?}");
        assert!(came.last().is_some_and(|came| came.taken) && came.len() == cut + 1, "{}", came.len());
        let delivery = line["delivery_id"].as_str().expect("an id");
        for message in &came {
            let message_id = message.header("Message-ID");
            assert!(message_id.contains(&id) && message_id.contains(delivery), "{message_id}");
            assert_eq!(message.without_date(), came[0].without_date());
            assert_eq!(message.packet(), std::fs::read(&packet).expect("the packet"));
        }
    }
    assert!(stage.failures_of(EMAIL, "document").await >= 1.0);
    assert!(stage.failures_of(EMAIL, "receiver").await >= 1.0);
    nobody_was_told(&stage, 2).await;
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_stumbles_three_times_is_parked_alone() {
    let (stage, smtp) = stage(&[]).await;
    let mut gateway = stage.start().await;
    let bad = stage.signed("1.edxml", letter_to(1, &[COMMUNE]));
    let digest = lienthong::demo::world::digest(&bad).expect("a digest").0;
    let of_bad = format!("X-Lienthong-Digest: sha-256={digest}");
    smtp.behave(move |point, text| match point {
        Point::Message if text.contains(&of_bad) => Manner::Say("451 4.7.1 bo quet virus loi".to_owned()),
        _ => Manner::Well,
    });
    let bad = stage.accepted(&bad).await;
    let next = stage.sent_to(2, &[COMMUNE]).await;
    let line = stage.delivery_when(&bad, COMMUNE, |line| line["state"] != "queued").await;
    assert_eq!(line["state"], "parked", "{line:#}");
    assert!(failures(&line).iter().all(|note| note.starts_with("smtp_451: ")), "{line:#}");
    assert_eq!(failures(&line).len(), 3, "{line:#}");
    stage.all_are(&next, "handed_over").await;
    // Another mailbox of the same mail system was never in question.
    let other = stage.sent_to(3, &[OTHER]).await;
    assert_eq!(stage.delivery_is(&other, OTHER, "handed_over").await["attempts"], 1);
    assert_eq!(stage.dead_letters(), [line["delivery_id"].as_str().expect("an id")]);
    stage.metric_reaches("lienthong_parked_total", 1.0).await;
    nobody_was_told(&stage, 3).await;
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
