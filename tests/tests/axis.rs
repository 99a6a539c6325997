//! The axis through every failure of design.md B6, over the running gateway: what becomes of the delivery, what its history
//! and the metrics say, how long the axis is left alone, and that nobody is told anything that no receiver has said.

use acceptance::axis::{Manner, ScriptedAxis, is_sent, receivers};
use acceptance::{Stage, answer, failures, is_left_alone_after_failures, letter_to, until};
use lienthong::demo::axis::Agency;
use lienthong::demo::world::AGENCIES;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");
/// Codes behind the axis.
const BEHIND: [&str; 3] = ["G91", "H91.02", "H91.03"];
const AXIS: &str = "national_axis";

/// A stage with an axis; `more` are lines of its section, `settings` such as [`Stage::open`] takes.
async fn stage(more: &str, settings: &[(&'static str, &str)]) -> (Stage, ScriptedAxis) {
    let stage = Stage::open(PROGRAM, settings).await;
    let axis = stage.with_axis(&BEHIND, more).await;
    (stage, axis)
}

/// The axis says that these are registered there, and nobody else.
fn lists(axis: &ScriptedAxis, codes: &[&str]) {
    let agencies = codes.iter().map(|code| Agency::named(code, code)).collect();
    axis.axis.adjust(|habits| habits.agencies = agencies);
}

/// Nothing but what was submitted has been accepted, nothing has come to the sender or the other vendors' systems, and
/// nobody has complained.
async fn nobody_was_told(stage: &Stage, axis: &ScriptedAxis, submitted: u32) {
    assert_eq!(stage.metric("lienthong_accepted_total").await, f64::from(submitted), "no packet of our own");
    stage.nothing_else_arrived([0, 0, 0]);
    assert_eq!(axis.axis.complaints(), Vec::<String>::new());
    for asked in axis.asked() {
        if is_sent(&asked) {
            assert_eq!(asked.header("XroadVnpt-messagetype"), Some("edoc"));
        } else {
            let path = asked.path();
            assert!(
                path.starts_with("/vxp/getAgenciesList"),
                "{path}: nothing but its list, where it refuses by it"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_one_consignment_with_exactly_its_receivers_there() {
    let (stage, axis) = stage("", &[]).await;
    let mut gateway = stage.start().await;
    let packet = stage.signed("1.edxml", letter_to(1, &["G91", AGENCIES[1].code, "H91.02"]));
    let id = stage.accepted(&packet).await;
    stage.delivery_is(&id, AGENCIES[1].code, "received").await;
    for code in ["G91", "H91.02"] {
        let line = stage.delivery_is(&id, code, "handed_over").await;
        let taken = &axis.axis.taken()[0].doc_id;
        let note = line["history"].as_array().expect("a history").last().expect("a line")["note"].clone();
        assert!(note.as_str().is_some_and(|note| note.contains(taken)), "{note} names {taken}");
    }
    let asked = axis.asked();
    assert_eq!(asked.len(), 1, "one consignment");
    assert_eq!(receivers(&asked[0]).expect("to"), ["G91", "H91.02"]);
    let taken = axis.axis.taken();
    assert_eq!((taken.len(), &taken[0].to), (1, &vec!["G91".to_owned(), "H91.02".to_owned()]));
    assert_eq!(std::fs::read(&taken[0].file).expect("kept"), std::fs::read(&packet).expect("sent"));
    stage.metric_reaches("lienthong_delivered_total{adapter=\"national_axis\"}", 2.0).await;
    stage.nothing_else_arrived([0, 1, 0]);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_axis_that_is_not_told_receivers_reads_them_from_the_packet() {
    let (stage, axis) = stage("to_header = \"omit\"\n", &[]).await;
    let mut gateway = stage.start().await;
    let ok = r#"{"status":"OK","ErrorCode":"0","ErrorDesc":"","DocId":"65a1b2c3d4e5f60718293a4b"}"#;
    axis.is(Manner::Say(answer("200 OK", &[("Content-Type", "application/json")], ok)));
    let id = stage.sent_to(1, &["G91", "H91.02"]).await;
    stage.all_are(&id, "handed_over").await;
    // One bad receiver refuses all of them: the axis cannot be told to serve the others.
    lists(&axis, &["H92"]);
    axis.behave(
        |asked| if is_sent(asked) { Manner::fail("18", "khong co don vi H91.03") } else { Manner::Well },
    );
    let id = stage.sent_to(2, &["G91", "H91.03"]).await;
    stage.all_are(&id, "refused").await;
    let asked: Vec<_> = axis.asked().into_iter().filter(is_sent).collect();
    assert_eq!(asked.len(), 2, "each document once");
    for asked in &asked {
        assert_eq!(receivers(asked), None);
        for header in ["XroadVnpt-sign-header-key", "XroadVnpt-sign-header"] {
            let signed = asked.header(header).expect("signed");
            assert!(!signed.contains(";to;") && !signed.contains("XroadVnpt-to"), "{signed}");
        }
    }
    assert_eq!(stage.dead_letters().len(), 2);
    assert_eq!(stage.failures_of(AXIS, "unlisted").await, 1.0);
    nobody_was_told(&stage, &axis, 2).await;
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_of_the_axis_pauses_it_and_passes_by_itself() {
    let (stage, axis) = stage("", &[]).await;
    let mut gateway = stage.start().await;
    let rows = [
        (Some(Manner::fail("20", "he thong ban")), "axis_20"),
        (Some(Manner::page("502 Bad Gateway", &[("Content-Type", "text/html")])), "http_502"),
        (Some(Manner::page("503 Service Unavailable", &[("Content-Type", "text/html")])), "http_503"),
        (Some(Manner::Hang), "timeout"),
        (None, "connect"),
    ];
    for (at, (manner, code)) in rows.into_iter().enumerate() {
        let number = 10 * u32::try_from(at + 1).expect("a small number");
        let before = (stage.failures_of(AXIS, "receiver").await, axis.asked().len());
        match &manner {
            Some(manner) => axis.is(manner.clone()),
            None => axis.close().await,
        }
        let first = stage.sent_to(number, &["G91"]).await;
        stage.delivery_fails(&first, "G91", code).await;
        stage.pauses(AXIS).await;
        assert!(stage.failures_of(AXIS, "receiver").await > before.0, "{code} is a failure of the receiver");
        // Another receiver behind the same axis waits as well, urgent as its document is.
        let second = stage.sent_urgently_to(number + 1, "H91.02").await;
        match &manner {
            Some(_) => axis.is(Manner::Well),
            None => axis.reopen().await,
        }
        for id in [first, second] {
            let shown = stage.all_are(&id, "handed_over").await;
            let notes = failures(&shown["deliveries"][0]);
            assert!(notes.iter().all(|note| note.starts_with(&format!("{code}: "))), "{code}: {notes:?}");
        }
        assert!(axis.asked().len() >= before.1 + if code == "connect" { 2 } else { 3 });
        let calm = until(async || (stage.paused(AXIS).await == 0.0).then_some(())).await;
        assert!(calm.is_some(), "{code}: the pause is over");
        assert!(!stage.alarms(code), "{code} is not ours to fix");
    }
    for class in ["document", "permanent", "ours_to_fix"] {
        assert_eq!(stage.failures_of(AXIS, class).await, 0.0, "{class}");
    }
    is_left_alone_after_failures(&axis.asked());
    assert_eq!(stage.dead_letters(), Vec::<String>::new());
    nobody_was_told(&stage, &axis, 10).await;
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_never_followed_and_raises_the_alarm() {
    let (stage, axis) = stage("", &[]).await;
    let mut gateway = stage.start().await;
    let elsewhere = axis.url().replace("/vxp", "/elsewhere/sendEdoc");
    for (number, status) in [(1, "301 Moved Permanently"), (2, "307 Temporary Redirect")] {
        axis.is(Manner::page(status, &[("Location", &elsewhere)]));
        let id = stage.sent_to(number, &["G91"]).await;
        let line = stage.delivery_fails(&id, "G91", "redirect").await;
        let note = failures(&line).pop().expect("a note");
        assert!(note.contains("/elsewhere/sendEdoc"), "an operator reads where to: {note}");
        stage.pauses(AXIS).await;
        assert!(is_ours(&stage, &line));
        // Who corrects the axis's side need not tell us.
        axis.is(Manner::Well);
        stage.all_are(&id, "handed_over").await;
    }
    assert!(stage.alarms("redirect"));
    assert!(stage.failures_of(AXIS, "ours_to_fix").await >= 2.0);
    is_left_alone_after_failures(&axis.asked());
    nobody_was_told(&stage, &axis, 2).await;
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

/// Whether an operator sees that a delivery waits for us.
fn is_ours(stage: &Stage, line: &Value) -> bool {
    let id = line["delivery_id"].as_str().expect("an id");
    stage.operator(&["deliveries", "show", id])["delivery"]["ours_to_fix"] == true
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_ours_to_fix_and_heals_with_the_right_one() {
    let (stage, axis) = stage("", &[("delivery", "give_up_after = \"1s\"")]).await;
    let file = stage.world.folder.join("axis.secret");
    let right = std::fs::read_to_string(&file).expect("the secret");
    std::fs::write(&file, "khong-phai-khoa-nay-0123456789ab").expect("written");
    let mut gateway = stage.start().await;
    let first = stage.sent_to(1, &["G91"]).await;
    let line = stage.delivery_fails(&first, "G91", "axis_15").await;
    stage.pauses(AXIS).await;
    assert!(stage.alarms("axis_15"));
    assert!(is_ours(&stage, &line));
    let second = stage.sent_to(2, &["H91.02"]).await;
    stage.delivery_waits(&second, "H91.02").await;
    // Older than anything else may become, it is still queued: never a 02 for what is ours to fix.
    let old = stage.delivery_when(&first, "G91", |line| failures(line).len() >= 3).await;
    assert_eq!(old["state"], "queued", "{old:#}");
    assert_eq!(stage.metric("lienthong_given_up_total").await, 0.0);
    assert!(stage.failures_of(AXIS, "ours_to_fix").await >= 3.0);
    assert_eq!(axis.axis.taken().len(), 0);
    let complaints = axis.axis.complaints();
    assert!(complaints.iter().all(|why| why.contains("HMAC")), "{complaints:?}");

    std::fs::write(&file, right).expect("written");
    stage.reload(&gateway).await;
    stage.all_are(&first, "handed_over").await;
    stage.all_are(&second, "handed_over").await;
    let refused = complaints.len();
    assert!(axis.asked().len() > refused, "the axis took the others");
    assert_eq!(stage.metric("lienthong_accepted_total").await, 2.0, "no packet of our own");
    assert_eq!(stage.metric("lienthong_settled_total{state=\"given_up\"}").await, 0.0);
    stage.nothing_else_arrived([0, 0, 0]);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_receiver_does_not_spoil_it_for_the_others() {
    let (stage, axis) = stage("", &[]).await;
    lists(&axis, &["G91", "H91.03"]);
    let mut gateway = stage.start().await;
    for (number, code, class) in [(1, "18", "unlisted"), (2, "23", "permanent")] {
        let (asked, before) = (axis.asked().len(), stage.failures_of(AXIS, class).await);
        axis.behave(move |asked| match receivers(asked) {
            Some(to) if to.iter().any(|code| code == "H91.02") => Manner::fail(code, "don vi nhan"),
            _ => Manner::Well,
        });
        let id = stage.sent_to(number, &BEHIND).await;
        let refused = stage.delivery_is(&id, "H91.02", "refused").await;
        let note = refused["history"].as_array().and_then(|all| all.last()).expect("a line")["note"].clone();
        assert!(note.as_str().is_some_and(|note| note.starts_with(&format!("axis_{code}: "))), "{note}");
        for other in ["G91", "H91.03"] {
            let line = stage.delivery_is(&id, other, "handed_over").await;
            assert_eq!(failures(&line).len(), 1, "the whole consignment failed once: {line:#}");
        }
        let all = axis.asked();
        let sent = all[asked..].iter().filter(|asked| is_sent(asked));
        let told: Vec<_> = sent.map(|asked| receivers(asked).expect("to")).collect();
        assert_eq!((told.len(), told[0].len()), (4, 3), "{told:?}");
        let mut singles: Vec<_> = told[1..].concat();
        singles.sort_unstable();
        assert_eq!(singles, BEHIND);
        let alone = if code == "18" { 2.0 } else { 1.0 };
        assert_eq!(stage.failures_of(AXIS, class).await, before + alone);
        let dead = stage.dead_letters();
        assert!(dead.iter().any(|id| *id == refused["delivery_id"]), "{dead:?}");
    }
    // Alone, a receiver that the axis does not know is refused at once; the next document does not wait.
    axis.behave(
        |asked| if is_sent(asked) { Manner::fail("18", "khong co don vi nay") } else { Manner::Well },
    );
    let alone = stage.sent_to(3, &["H91.02"]).await;
    stage.delivery_is(&alone, "H91.02", "refused").await;
    axis.is(Manner::Well);
    let next = stage.sent_to(4, &["G91"]).await;
    let line = stage.delivery_is(&next, "G91", "handed_over").await;
    assert_eq!(line["attempts"], 1);
    assert_eq!(stage.failures_of(AXIS, "one_of_several").await, 1.0);
    assert_eq!(stage.paused(AXIS).await, 0.0, "the axis is well");
    assert_eq!(stage.dead_letters().len(), 3);
    nobody_was_told(&stage, &axis, 4).await;
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_code_parks_the_document_alone_while_others_pass() {
    let (stage, axis) = stage("", &[]).await;
    let mut gateway = stage.start().await;
    let bad = stage.signed("1.edxml", letter_to(1, &["G91"]));
    let hash = lienthong::demo::world::digest(&bad).expect("a digest").0;
    let is_bad = move |asked: &acceptance::Asked| hash == hex_of(&asked.body[..asked.body.len() - 2]);
    axis.behave(move |asked| if is_bad(asked) { Manner::fail("99", "loi khac") } else { Manner::Well });
    let bad = stage.accepted(&bad).await;
    // Alone it is tried again and again: whether the axis fails or the document is not known.
    let line = stage.delivery_when(&bad, "G91", |line| failures(line).len() >= 4).await;
    assert_eq!(line["state"], "queued", "{line:#}");
    assert!(failures(&line).iter().all(|note| note.starts_with("axis_99: ")), "{line:#}");
    assert_eq!(stage.failures_of(AXIS, "receiver").await, 0.0);

    let others = [stage.sent_to(2, &["G91"]).await, stage.sent_to(3, &["H91.02"]).await];
    let parked = stage.delivery_is(&bad, "G91", "parked").await;
    for id in &others {
        stage.all_are(id, "handed_over").await;
    }
    stage.metric_reaches("lienthong_parked_total", 1.0).await;
    assert!(stage.failures_of(AXIS, "document").await >= 3.0);
    assert_eq!(stage.dead_letters(), [parked["delivery_id"].as_str().expect("an id")]);
    // It stays where it is, and the rest goes on.
    let later = stage.sent_to(4, &["G91"]).await;
    let line = stage.delivery_is(&later, "G91", "handed_over").await;
    assert_eq!(line["attempts"], 1);
    assert_eq!(stage.delivery(&bad, "G91").await.expect("a line"), parked);

    axis.is(Manner::Well);
    let id = parked["delivery_id"].as_str().expect("an id");
    stage.operator(&["dead-letters", "requeue", id, "--reason", "trục đã sửa"]);
    let line = stage.delivery_is(&bad, "G91", "handed_over").await;
    assert_eq!(line["delivery_id"], parked["delivery_id"], "one id for life");
    assert_eq!(stage.dead_letters(), Vec::<String>::new());
    nobody_was_told(&stage, &axis, 4).await;
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

fn hex_of(bytes: &[u8]) -> String {
    openssl::sha::sha256(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_after_a_lost_answer_has_the_same_bytes() {
    let (stage, axis) = stage("", &[]).await;
    let mut gateway = stage.start().await;
    // Nothing of the answer, its head and a part of its body.
    for (number, bytes) in [(1, 0), (2, 150)] {
        let before = axis.asked().len();
        axis.is(Manner::Lost(bytes));
        let packet = stage.signed(&format!("{number}.edxml"), letter_to(number, &["G91", "H91.02"]));
        let id = stage.accepted(&packet).await;
        stage.delivery_fails(&id, "G91", "cut_body").await;
        axis.is(Manner::Well);
        stage.all_are(&id, "handed_over").await;
        let asked = axis.asked()[before..].to_vec();
        assert!(asked.len() >= 2, "{}", asked.len());
        let sent = std::fs::read(&packet).expect("the packet");
        for again in &asked {
            assert_eq!(again.body, [sent.as_slice(), b"\r\n"].concat());
            for name in ["hash-file", "from", "to", "systemid", "messagetype", "servicetype"] {
                let name = format!("XroadVnpt-{name}");
                assert!(again.header(&name).is_some(), "{name}");
                assert_eq!(again.header(&name), asked[0].header(&name));
            }
        }
        let taken = axis.axis.taken();
        let taken = taken.last().expect("taken");
        assert_eq!(taken.times as usize, asked.len(), "each time under the same id: {taken:?}");
        assert_eq!(std::fs::read(&taken.file).expect("kept"), sent);
    }
    assert_eq!(axis.axis.taken().len(), 2, "no second copy of either");
    assert!(stage.failures_of(AXIS, "document").await >= 2.0);
    assert_eq!(stage.paused(AXIS).await, 0.0);
    is_left_alone_after_failures(&axis.asked());
    nobody_was_told(&stage, &axis, 2).await;
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
