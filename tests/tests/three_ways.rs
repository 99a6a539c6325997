//! One signed document to a vendor's system, a mailbox and two receivers behind the axis: each delivery settles as
//! design.md B6 says, nobody writes a status packet about it, and no kill of the gateway changes any of that.

use std::collections::BTreeMap;
use std::path::Path;

use acceptance::axis::{self, ScriptedAxis, receivers};
use acceptance::smtp::{self, Point, ScriptedSmtp};
use acceptance::{Stage, letter_to, until};
use lienthong::demo::world::{AGENCIES, digest};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");
const VENDOR: &str = AGENCIES[1].code;
const MAILBOX: &str = "H55.21.7";
const BEHIND: [&str; 2] = ["G91", "H91.02"];
/// Everybody, and the state in which a delivery there ends well.
const ENDS: [(&str, &str); 4] =
    [(VENDOR, "received"), (MAILBOX, "handed_over"), (BEHIND[0], "handed_over"), (BEHIND[1], "handed_over")];

/// A letter for all of them.
fn letter_for_all(stage: &Stage, number: u32) -> std::path::PathBuf {
    stage.signed(&format!("{number}.edxml"), letter_to(number, &ENDS.map(|(code, _)| code)))
}

/// Delivery ids by receiver, in a receipt or a view.
fn ids(lines: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let lines = lines.as_array().expect("deliveries").iter();
    lines.map(|line| (text(&line["receiver"]), text(&line["delivery_id"]))).collect()
}

/// Waits until every delivery has ended well; the document then.
async fn ended_well(stage: &Stage, id: &str) -> Value {
    for (receiver, state) in ENDS {
        stage.delivery_is(id, receiver, state).await;
    }
    stage.world.show(0, id).await.expect("an answer").body
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_ends_as_it_must_and_no_status_packet_is_invented() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let axis = stage.with_axis(&BEHIND, "").await;
    let directory = stage.world.folder.join("directory.toml");
    let mailbox = stage.with_checked_mail(MAILBOX).await;
    // We would answer for all of these if they were known to have the document; behind a relay nobody is.
    let mut text = std::fs::read_to_string(&directory).expect("the directory");
    for home in ["{ axis = \"vpcp\" }", "{ system = \"thu-kiem\" }"] {
        assert!(text.contains(home), "{text}");
        text = text.replace(home, &format!("{home}\nanswers = \"axis-on-behalf\""));
    }
    std::fs::write(&directory, text).expect("written");
    let mut gateway = stage.start().await;
    for number in 1..=2 {
        let packet = letter_for_all(&stage, number);
        let answer = stage.submit(&packet).await;
        let id = answer.document_id().expect("accepted");
        let shown = ended_well(&stage, &id).await;
        assert_eq!(ids(&answer.body["deliveries"]), ids(&shown["deliveries"]), "one id for life");
        for line in shown["deliveries"].as_array().expect("deliveries") {
            assert_eq!(line["attempts"], 1, "{line:#}");
            assert_eq!(line["next_attempt"], Value::Null, "{line:#}");
        }
        // Equal bytes on each way, read by code that shares nothing with the adapters.
        let sent = digest(&packet).expect("the packet");
        let taken =
            stage.world.receivers[1].wait_for(&id, acceptance::PATIENCE).await.expect("at the vendor");
        let kept = &mailbox.taken()[&ids(&shown["deliveries"])[MAILBOX]];
        let consigned = axis.axis.taken().pop().expect("at the axis");
        for (bytes, file) in
            [(taken.bytes, &taken.file), (kept.letter.bytes, &kept.file), (consigned.bytes, &consigned.file)]
        {
            assert_eq!((bytes, digest(file).expect("kept")), (sent.1, sent.clone()));
        }
        assert_eq!(kept.letter.document_id, id);
        assert!(kept.letter.subject.contains(&format!("thử nghiệm số {number}")), "{}", kept.letter.subject);
        assert_eq!(consigned.to, BEHIND);
        // Had the first one made a status packet, it would have come before the second one's end.
        for (state, each) in [("received", 1), ("handed_over", 3)] {
            let series = format!("lienthong_settled_total{{state=\"{state}\"}}");
            stage.metric_reaches(&series, f64::from(each * number)).await;
            assert_eq!(stage.metric(&series).await, f64::from(each * number), "{state}");
        }
        assert_eq!(stage.metric("lienthong_accepted_total").await, f64::from(number), "none of our own");
    }
    assert_eq!(stage.metric("lienthong_outbox_pending").await, 0.0);
    for (adapter, count) in [("vendor_http", 2.0), ("email", 2.0), ("national_axis", 4.0)] {
        let series = format!("lienthong_delivered_total{{adapter=\"{adapter}\"}}");
        stage.metric_reaches(&series, count).await;
        assert_eq!(stage.metric(&series).await, count, "{adapter}");
    }
    stage.nothing_else_arrived([0, 2, 0]);
    assert!(stage.world.receivers[1].taken().values().all(|taken| taken.kind != "status"));
    assert!(axis.axis.taken().iter().all(|taken| taken.message_type == "edoc"));
    assert_eq!((mailbox.taken().len(), axis.asked().len()), (2, 2));
    assert_eq!((mailbox.complaints(), axis.axis.complaints()), (Vec::<String>::new(), Vec::new()));
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

/// A stage with a scripted mail system and a scripted axis.
async fn scripted() -> (Stage, ScriptedSmtp, ScriptedAxis) {
    let stage = Stage::open(PROGRAM, &[]).await;
    let smtp = stage.with_mail(&[MAILBOX]).await;
    let axis = stage.with_axis(&BEHIND, "").await;
    (stage, smtp, axis)
}

/// Everything has come everywhere, with equal bytes and ids however often, and nothing else has.
fn is_everywhere(stage: &Stage, smtp: &ScriptedSmtp, axis: &ScriptedAxis, sent: &[(&str, &Path, &Value)]) {
    let bytes = |packet: &Path| std::fs::read(packet).expect("the packet");
    let vendor = stage.world.receivers[1].taken();
    for (id, packet, shown) in sent {
        let ids = ids(&shown["deliveries"]);
        let taken = &vendor[&ids[VENDOR]];
        assert_eq!((taken.document_id.as_str(), bytes(&taken.file)), (*id, bytes(packet)));
        let came = smtp.came();
        let mine: Vec<_> =
            came.iter().filter(|m| m.header("X-Lienthong-Delivery-Id") == ids[MAILBOX]).collect();
        assert!(mine.iter().any(|message| message.taken), "the mailbox has {id}");
        for message in mine {
            assert_eq!(message.header("Message-ID"), came_id(id, &ids[MAILBOX]));
            assert_eq!(message.packet(), bytes(packet));
        }
        let body = [bytes(packet), b"\r\n".to_vec()].concat();
        let asked = axis.asked();
        let mine: Vec<_> = asked.iter().filter(|asked| asked.body == body).collect();
        assert!(mine.iter().any(|asked| !asked.failed), "the axis has {id}");
        for asked in mine {
            assert_eq!(receivers(asked).expect("to"), BEHIND);
            assert_eq!(asked.header("XroadVnpt-hash-file"), mine_hash(&asked.body).as_deref());
        }
    }
    stage.nothing_else_arrived([0, sent.len(), 0]);
    assert_eq!(axis.axis.taken().len(), sent.len(), "no consignment twice");
    let kind = |message: &smtp::Came| message.header("X-Lienthong-Kind");
    assert!(smtp.came().iter().all(|message| kind(message) == "document:0"));
}

fn came_id(document: &str, delivery: &str) -> String {
    format!("<edxml.{document}.{delivery}@{}>", smtp::SENDER.rsplit('@').next().unwrap_or_default())
}

/// `hash-file` of a body that ends in CR LF, as the SDK writes it.
fn mine_hash(body: &[u8]) -> Option<String> {
    let digest = openssl::sha::sha256(body.strip_suffix(b"\r\n")?);
    Some(digest.iter().map(|byte| format!("{byte:x}")).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_killed_right_after_the_receipt_loses_nothing() {
    let (stage, smtp, axis) = scripted().await;
    let mut sent = Vec::new();
    for number in 1..=3 {
        let mut gateway = stage.start().await;
        let packet = letter_for_all(&stage, number);
        let answer = stage.submit(&packet).await;
        gateway.kill().await.expect("killed");
        sent.push((answer.document_id().expect("accepted"), packet, answer.body));
    }
    let mut gateway = stage.start().await;
    for (id, _, receipt) in &sent {
        let shown = ended_well(&stage, id).await;
        assert_eq!(ids(&receipt["deliveries"]), ids(&shown["deliveries"]), "one id for life");
        assert_eq!(&shown["receipt"], receipt, "the receipt is what was promised");
    }
    let all: Vec<_> =
        sent.iter().map(|(id, packet, receipt)| (id.as_str(), packet.as_path(), receipt)).collect();
    is_everywhere(&stage, &smtp, &axis, &all);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_killed_in_mid_delivery_goes_on_and_settled_stays_settled() {
    let (stage, smtp, axis) = scripted().await;
    let mut gateway = stage.start().await;
    // Both have the packet whole and have not said a word when the gateway dies.
    axis.is(axis::Manner::Hang);
    smtp.at(Point::Message, smtp::Manner::Hang);
    let packet = letter_for_all(&stage, 1);
    let answer = stage.submit(&packet).await;
    let id = answer.document_id().expect("accepted");
    // After that nothing is to be done for this delivery.
    let is_over = |line: &Value| {
        let has = |event: &str| {
            line["history"].as_array().is_some_and(|all| all.iter().any(|entry| entry["event"] == event))
        };
        has("settled") && has("published")
    };
    let settled = stage.delivery_when(&id, VENDOR, is_over).await;
    assert_eq!(settled["state"], "received");
    let under_way = until(async || (!axis.asked().is_empty() && !smtp.came().is_empty()).then_some(())).await;
    assert!(under_way.is_some(), "mail and axis are under way");
    gateway.kill().await.expect("killed");
    let before = (axis.asked().len(), smtp.came().len());

    axis.is(axis::Manner::Well);
    smtp.is_well();
    let mut gateway = stage.start().await;
    assert_eq!(stage.delivery(&id, VENDOR).await.expect("a line"), settled, "what is settled stays so");
    let shown = ended_well(&stage, &id).await;
    assert_eq!(ids(&answer.body["deliveries"]), ids(&shown["deliveries"]), "one id for life");
    assert_eq!((axis.asked().len(), smtp.came().len()), (before.0 + 1, before.1 + 1), "each once more");
    is_everywhere(&stage, &smtp, &axis, &[(&id, &packet, &answer.body)]);
    gateway.kill().await.expect("killed");

    let mut gateway = stage.start().await;
    let again = stage.world.show(0, &id).await.expect("an answer").body;
    assert_eq!(again, shown, "nothing about it changes any more");
    let second = letter_for_all(&stage, 2);
    let receipt = stage.submit(&second).await;
    let second_id = receipt.document_id().expect("accepted");
    ended_well(&stage, &second_id).await;
    assert_eq!(stage.world.show(0, &id).await.expect("an answer").body, shown);
    let all = [(id.as_str(), packet.as_path(), &answer.body), (&second_id, &second, &receipt.body)];
    is_everywhere(&stage, &smtp, &axis, &all);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
