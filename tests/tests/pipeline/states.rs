//! Business states (docs/status.md): who moves them by which packets, what is flagged, and that all of it is delivered.

use lienthong_pipeline::ports::Ports;
use lienthong_pipeline::record::{Receipt, Standing};
use lienthong_pipeline::view::{self, BusinessView, Viewer};
use lienthong_schemas::document_name;
use lienthong_schemas::edxml::{BusinessType, DocumentBuilder, StatusCode};
use lienthong_schemas::ids::StandingKey;

use super::world::{A, B, B_ALIAS, C, D, LATE_AFTER, OWN, Setup, World, letter, name_of, organ, status};

mod again;
mod limits;
mod reviewed;

/// The system at which an organisation of these tests is at home.
fn home(organisation: &str) -> &'static str {
    match organisation {
        A => "mot",
        C => "ba",
        _ => "hai",
    }
}

/// A word of `from` to `to` about letter `number` of A, at a second of its own.
async fn say(world: &World, from: &str, to: &str, number: u32, code: &str, second: u32) -> Receipt {
    let at = format!("2026-01-05T02:{:02}:{:02}Z", second / 60, second % 60);
    let code = StatusCode::parse(code).expect("a code");
    let packet = status(from, to, number, code, &at, "vì");
    world.bring(packet, home(from)).await.expect("accepted").receipt
}

/// Several words of `from` about letter 1 of A, one after the other; what was flagged.
async fn says(world: &World, from: &str, codes: &str) -> Vec<String> {
    let mut flagged = Vec::new();
    for (second, code) in codes.split(' ').enumerate() {
        let receipt = say(world, from, A, 1, code, second as u32).await;
        flagged.extend(odd(&receipt).into_iter().map(|finding| format!("{code} {finding}")));
    }
    flagged
}

/// Findings of a receipt that come from what is known besides the packet.
fn odd(receipt: &Receipt) -> Vec<&str> {
    let odd =
        |code: &&str| ["STATUS_D", "STATUS_SE", "STATUS_U", "CHANGE_"].iter().any(|of| code.starts_with(of));
    receipt.findings.iter().map(String::as_str).filter(odd).collect()
}

async fn standing_of(ports: &Ports, number: u32, receiver: &str) -> Option<Standing> {
    let name = document_name::by_document_id(&organ(A), &name_of(number));
    let key = StandingKey::of(&name, &organ(receiver));
    ports.store.standings(vec![key]).await.expect("the store answers")[0]
}

/// The state of letter `number` at a receiver as it is written; `-` where nothing was said.
async fn state(world: &World, number: u32, receiver: &str) -> String {
    let standing = standing_of(&world.ports, number, receiver).await;
    standing.map_or_else(|| "-".to_owned(), |standing| standing.state.to_string())
}

/// What the sender is shown of each delivery.
async fn shown(world: &World, receipt: &Receipt) -> Vec<Option<BusinessView>> {
    let directory = world.directory();
    let view =
        view::document(&world.ports, &directory, receipt.document_id, Viewer::Operator, LATE_AFTER).await;
    let view = view.expect("a view").expect("a document");
    view.deliveries.into_iter().map(|delivery| delivery.business).collect()
}

/// How often a kind was counted.
fn counted(world: &World, kind: &'static str) -> u64 {
    world.metrics.anomalies.of(kind).value()
}

fn change(number: u32, kind: BusinessType, to: &[&str]) -> DocumentBuilder {
    letter(number, to).business(kind, "thôi", &name_of(1))
}

#[tokio::test(start_paused = true)]
async fn a_legal_life_is_followed_and_shown() {
    let mut world = World::new();
    let receipt = world.send(letter(1, &[B, C])).await;
    let before = shown(&world, &receipt).await;
    let none = before[0].as_ref().expect("of a letter");
    assert_eq!((none.code.as_str(), none.since, none.pending.len()), ("none", None, 0));
    assert_eq!(none.vi, "đã gửi, chưa có trạng thái");
    let at = world.ports.clock.now();
    assert_eq!(says(&world, B, "01 03 04 05").await, [""; 0]);
    world.advance(std::time::Duration::from_secs(60)).await;
    assert_eq!(odd(&say(&world, B, A, 1, "05", 60).await), [""; 0], "05 may repeat");
    let after = shown(&world, &receipt).await;
    let busy = after[0].as_ref().expect("of a letter");
    assert_eq!((busy.code.as_str(), busy.vi.as_str(), busy.en.as_str()), ("05", "đang xử lý", "in progress"));
    assert_eq!(busy.since, Some(at), "since the first 05");
    assert_eq!(after[1], before[1], "each receiver has its own");
    assert_eq!(says(&world, C, "02").await, [""; 0]);
    assert_eq!(state(&world, 1, C).await, "02");
    world.quiet().await;
    assert_eq!(world.got(A).len(), 6, "all of it is delivered");
    let words = say(&world, B, A, 1, "06", 61).await;
    assert!(shown(&world, &words).await == [None], "a status packet has no state of its own");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_follow_is_delivered_flagged_and_counted() {
    let mut world = World::new();
    world.send(letter(1, &[B])).await;
    assert_eq!(says(&world, B, "02").await, [""; 0]);
    let late = say(&world, B, A, 1, "03", 9).await;
    assert_eq!(odd(&late), ["STATUS_UNEXPECTED"]);
    let remark = late.remarks.iter().find(|remark| remark.code == "STATUS_UNEXPECTED").expect("a remark");
    assert_eq!(
        (remark.field.as_str(), remark.detail.as_str()),
        ("edXMLHeader/MessageHeader/StatusCode", "02 → 03")
    );
    assert!(remark.vi.is_empty(), "words are not stored");
    let worded = late.clone().worded();
    let remark = worded.remarks.iter().find(|remark| remark.code == "STATUS_UNEXPECTED").expect("a remark");
    assert_eq!(
        (remark.severity.as_str(), remark.vi.as_str(), remark.en.as_str()),
        ("warning", "Trạng thái không đúng trình tự", "The status does not follow from the state before it")
    );
    assert_eq!(state(&world, 1, B).await, "02");
    world.quiet().await;
    assert_eq!(world.got(A).len(), 2);
    // What skips counts; what goes back does not.
    world.send(letter(2, &[B])).await;
    for (second, code, after) in [(1, "05", "05"), (2, "03", "05"), (3, "02", "02"), (4, "15", "02")] {
        assert_eq!(odd(&say(&world, B, A, 2, code, second).await), ["STATUS_UNEXPECTED"], "{code}");
        assert_eq!(state(&world, 2, B).await, after, "{code}");
    }
    assert_eq!(counted(&world, "status_unexpected"), 5);
    assert_eq!(world.metrics.accepted.value(), 2 + 2 + 4);
}

#[tokio::test(start_paused = true)]
async fn who_never_was_a_receiver_changes_nothing() {
    let mut world = World::new();
    world.send(letter(1, &[B])).await;
    let stranger = say(&world, C, A, 1, "03", 1).await;
    assert_eq!(odd(&stranger), ["STATUS_SENDER_UNRELATED"]);
    assert_eq!((state(&world, 1, B).await, state(&world, 1, C).await), ("-".to_owned(), "-".to_owned()));
    let unknown = say(&world, B, A, 7, "03", 2).await;
    assert_eq!(odd(&unknown), ["STATUS_DOCUMENT_UNKNOWN"]);
    // A has sent the letter to B, so C knows of none of A's by a recall either.
    let recall = say(&world, C, B, 1, "13", 3).await;
    assert_eq!(odd(&recall), ["STATUS_DOCUMENT_UNKNOWN"]);
    world.quiet().await;
    assert_eq!((world.got(A).len(), world.got(B).len()), (2, 2), "delivered all the same");
    assert_eq!(counted(&world, "status_sender_unrelated"), 1);
    assert_eq!(counted(&world, "status_document_unknown"), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_the_other_sides_to_say_changes_nothing() {
    let world = World::new();
    world.send(letter(1, &[B])).await;
    assert_eq!(says(&world, B, "01").await, [""; 0]);
    let by_receiver = say(&world, B, A, 1, "13", 5).await;
    let by_sender = say(&world, A, B, 1, "03", 6).await;
    for receipt in [by_receiver, by_sender] {
        assert_eq!(odd(&receipt), ["STATUS_UNEXPECTED"]);
    }
    assert_eq!(state(&world, 1, B).await, "01");
}

#[tokio::test(start_paused = true)]
async fn every_code_of_a_receiver_is_the_same_receiver() {
    let world = World::new();
    world.send(letter(1, &[B_ALIAS])).await;
    assert_eq!(says(&world, B, "01").await, [""; 0]);
    assert_eq!(says(&world, B_ALIAS, "03").await, [""; 0]);
    assert_eq!(state(&world, 1, B).await, "03");
    assert_eq!(odd(&say(&world, A, B_ALIAS, 1, "13", 9).await), [""; 0]);
    assert_eq!(state(&world, 1, B).await, "03 13");
}

/// Closed at the end of January 2026; B took over.
const CLOSING: &str = r#"
[[organisation]]
organ_id = "H55.50"
name = "Sở Sắp Thôi"
valid_to = "2026-01-31"
successors = ["H55.51"]
home = { system = "ba" }
[[organisation]]
organ_id = "H55.51"
name = "Sở Giữa"
valid_to = "2026-01-31"
successors = ["H55.02"]
home = { system = "ba" }
"#;

#[tokio::test(start_paused = true)]
async fn a_successor_counts_as_the_receiver_once_that_is_closed() {
    let mut world = World::open(Setup { directory: CLOSING.to_owned(), ..Setup::default() });
    let letter_1 = world.send(letter(1, &["H55.50"])).await;
    assert_eq!(says(&world, B, "01").await, ["01 STATUS_SENDER_UNRELATED"], "not yet");
    world.advance(std::time::Duration::from_secs(27 * 24 * 3600)).await;
    assert_eq!(odd(&say(&world, B, A, 1, "03", 9).await), [""; 0]);
    assert_eq!(
        (state(&world, 1, "H55.50").await, state(&world, 1, B).await),
        ("03".to_owned(), "-".to_owned())
    );
    // A recall that names the closed code, and a revocation that goes to who took over.
    assert_eq!(odd(&say(&world, A, "H55.50", 1, "13", 10).await), [""; 0]);
    let revoked = world.send(change(2, BusinessType::Revoke, &["H55.50"])).await;
    assert_eq!(odd(&revoked), [""; 0]);
    assert_eq!(state(&world, 1, "H55.50").await, "03 13 1");
    assert_eq!(odd(&say(&world, B, A, 1, "15", 11).await), [""; 0]);
    assert_eq!(state(&world, 1, "H55.50").await, "withdrawn 13");
    for receipt in [&letter_1, &revoked] {
        let seen = shown(&world, receipt).await;
        assert_eq!(seen[0].as_ref().map(|seen| seen.code.as_str()), Some("withdrawn"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_recall_waits_for_its_answer() {
    let world = World::new();
    let receipt = world.send(letter(1, &[B, C])).await;
    says(&world, B, "01 03").await;
    for to in [B, C] {
        assert_eq!(odd(&say(&world, A, to, 1, "13", 10).await), [""; 0]);
    }
    let waiting = shown(&world, &receipt).await;
    let pending = &waiting[0].as_ref().expect("of a letter").pending;
    assert_eq!((pending[0].code.as_str(), pending[0].vi.as_str()), ("13", "chờ trả lời yêu cầu lấy lại"));
    assert_eq!(odd(&say(&world, A, B, 1, "13", 11).await), ["STATUS_UNEXPECTED"], "one is open");
    assert_eq!(odd(&say(&world, B, A, 1, "16", 12).await), [""; 0]);
    assert_eq!(state(&world, 1, B).await, "03");
    assert_eq!(odd(&say(&world, A, B, 1, "13", 13).await), [""; 0], "asked again");
    assert_eq!(odd(&say(&world, B, A, 1, "15", 14).await), [""; 0]);
    assert_eq!(odd(&say(&world, C, A, 1, "15", 15).await), [""; 0]);
    assert_eq!(odd(&say(&world, B, A, 1, "06", 16).await), ["STATUS_UNEXPECTED"]);
    for to in [B, C] {
        assert_eq!(state(&world, 1, to).await, "withdrawn");
    }
}

#[tokio::test(start_paused = true)]
async fn packets_of_type_one_and_two_ask_about_the_document_they_name() {
    for own_number in [1, 2] {
        let world = World::new();
        world.send(letter(1, &[B, C])).await;
        says(&world, B, "01 03").await;
        let update = world.send(change(own_number, BusinessType::Update, &[B, C])).await;
        assert_eq!(odd(&update), [""; 0]);
        assert_eq!((state(&world, 1, B).await, state(&world, 1, C).await), ("03 2".into(), "none 2".into()));
        // The update has arrived; the answer may be about its own number.
        assert_eq!(odd(&say(&world, B, A, own_number, "01", 10).await), [""; 0]);
        assert_eq!(odd(&say(&world, B, A, own_number, "15", 11).await), [""; 0]);
        assert_eq!(state(&world, 1, B).await, "03");
        let revoked = world.send(change(own_number + 2, BusinessType::Revoke, &[B, C])).await;
        assert_eq!(odd(&revoked), ["CHANGE_UNEXPECTED"], "C has not answered the update");
        let remark =
            revoked.remarks.iter().find(|remark| remark.code == "CHANGE_UNEXPECTED").expect("a remark");
        assert_eq!(
            (remark.field.as_str(), remark.detail.as_str()),
            ("edXMLHeader/MessageHeader/To[2]/OrganId", "none 2 → type 1")
        );
        assert_eq!(odd(&say(&world, C, A, 1, "15", 12).await), [""; 0]);
        assert_eq!(odd(&say(&world, B, A, 1, "16", 13).await), [""; 0]);
        assert_eq!((state(&world, 1, B).await, state(&world, 1, C).await), ("03".into(), "withdrawn".into()));
        let seen = shown(&world, &revoked).await;
        let codes: Vec<_> = seen.iter().flatten().map(|seen| seen.code.as_str()).collect();
        assert_eq!(codes, ["03", "withdrawn"], "the revocation shows what became of the document");
        assert_eq!(counted(&world, "change_unexpected"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_replacement_asks_about_what_it_replaces_and_lives_on_its_own() {
    let world = World::new();
    world.send(letter(1, &[B, C])).await;
    world.send(letter(2, &[B])).await;
    let new = world.send(letter(3, &[B, C]).replaces("thay", &[name_of(1), name_of(2), name_of(9)])).await;
    assert_eq!(odd(&new), ["CHANGE_UNEXPECTED", "CHANGE_DOCUMENT_UNKNOWN"], "C has not 2, and nobody has 9");
    assert_eq!((state(&world, 1, B).await, state(&world, 1, C).await), ("none 3".into(), "none 3".into()));
    assert_eq!(state(&world, 2, B).await, "none 3");
    assert_eq!(odd(&say(&world, B, A, 3, "03", 1).await), [""; 0]);
    assert_eq!(odd(&say(&world, B, A, 1, "15", 2).await), [""; 0]);
    assert_eq!(odd(&say(&world, C, A, 1, "16", 3).await), [""; 0]);
    let states = (state(&world, 1, B).await, state(&world, 1, C).await, state(&world, 3, B).await);
    assert_eq!(states, ("withdrawn".into(), "none".into(), "03".into()));
}

#[tokio::test(start_paused = true)]
async fn an_update_of_the_receivers_begins_with_one_and_revokes_at_another() {
    let world = World::new();
    world.send(letter(1, &[B, C])).await;
    says(&world, C, "03").await;
    let reason = "<edXML:BussinessDocReason>thôi</edXML:BussinessDocReason>";
    let list = format!(
        "{reason}<edXML:BussinessDocumentInfo><edXML:DocumentReceiver>1</edXML:DocumentReceiver><edXML:ReceiverList>\
         <edXML:Receiver><edXML:OrganId>{D}</edXML:OrganId><edXML:ReceiverType>1</edXML:ReceiverType></edXML:Receiver>\
         <edXML:Receiver><edXML:OrganId>{C}</edXML:OrganId><edXML:ReceiverType>0</edXML:ReceiverType></edXML:Receiver>\
         </edXML:ReceiverList></edXML:BussinessDocumentInfo>"
    );
    let update = change(2, BusinessType::Update, &[B, C, D]).with_raw(reason, &list);
    assert_eq!(odd(&world.send(update).await), [""; 0]);
    let states = (state(&world, 1, B).await, state(&world, 1, C).await, state(&world, 1, D).await);
    assert_eq!(states, ("none 2".into(), "03 1".into(), "none".into()));
    assert_eq!(says(&world, D, "01 03").await, [""; 0], "it is a receiver from then on");
    assert_eq!(odd(&say(&world, C, A, 1, "15", 9).await), [""; 0]);
    assert_eq!((state(&world, 1, C).await, state(&world, 1, D).await), ("withdrawn".into(), "03".into()));
}

#[tokio::test(start_paused = true)]
async fn a_change_of_an_unknown_document_is_flagged_and_its_answer_fits() {
    let mut world = World::new();
    let revoked = world.send(change(2, BusinessType::Revoke, &[B])).await;
    assert_eq!(odd(&revoked), ["CHANGE_DOCUMENT_UNKNOWN"]);
    let remark = revoked.remarks.iter().find(|remark| remark.code == "CHANGE_DOCUMENT_UNKNOWN").expect("one");
    assert_eq!(remark.detail, name_of(1));
    assert_eq!(remark.field, "edXMLHeader/TraceHeaderList/Bussiness/DocumentId");
    assert_eq!(says(&world, B, "15").await, [""; 0]);
    assert_eq!(state(&world, 1, B).await, "withdrawn");
    world.quiet().await;
    assert_eq!(world.got(B).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_document_id_number_and_date_find_the_document() {
    let world = World::new();
    // By a packet that has none, and by a status that has another one.
    world.send(letter(1, &[B]).document_id("")).await;
    world.send(letter(2, &[B])).await;
    let at = "2026-01-05T02:00:00Z";
    let of = |number: u32, document_id: &str, code: &str| {
        let text = String::from_utf8(status(B, A, number, StatusCode::Registered, at, "")).expect("text");
        let text = text.replace(&format!(">{}<", name_of(number)), &format!(">{document_id}<"));
        text.replace(&format!(">{number}/STN-VP<"), &format!(">{code}<")).into_bytes()
    };
    for (number, document_id, code) in [(1, "", "1/stn-vp"), (2, "khác", "2/STN-vp")] {
        let receipt = world.bring(of(number, document_id, code), "hai").await.expect("accepted").receipt;
        assert_eq!(odd(&receipt), [""; 0], "{number}");
    }
    assert_eq!(state(&world, 2, B).await, "03");
    let again = world.bring(of(1, "khác nữa", "1/STN-VP"), "hai").await.expect("accepted").receipt;
    assert_eq!(odd(&again), ["STATUS_UNEXPECTED"], "03 was said of it");
    let strange = world.bring(of(3, "", "3/STN-VP"), "hai").await.expect("accepted").receipt;
    assert_eq!(odd(&strange), ["STATUS_DOCUMENT_UNKNOWN"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_gateway_says_is_the_receivers_only_on_its_behalf() {
    use lienthong_adapters::contract::{failure, received};
    use lienthong_pipeline::ports::FailureClass;
    let mut world = World::new();
    world.answer(|consignment, _| match consignment.delivery.route.receiver.as_str() {
        B => Err(failure(FailureClass::Receiver, "connect")),
        _ => Ok(received()),
    });
    world.send(letter(1, &[B, D])).await;
    world.quiet().await;
    assert_eq!((state(&world, 1, D).await, state(&world, 1, B).await), ("01".to_owned(), "-".to_owned()));
    assert_eq!(says(&world, D, "03").await, [""; 0]);
    let hour = std::time::Duration::from_secs(3600);
    world.pass(hour * 49, hour / 2).await;
    assert!(world.got(A).iter().any(|packet| packet.contains(OWN) && packet.contains(">02<")), "given up");
    assert_eq!(state(&world, 1, B).await, "-", "no word of B");
    for kind in lienthong_monitoring::Anomaly::ALL {
        assert_eq!(counted(&world, kind.as_str()), 0, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeat_is_no_move() {
    let world = World::new();
    world.send(letter(1, &[B])).await;
    let first = say(&world, B, A, 1, "05", 1).await;
    assert_eq!(odd(&first), ["STATUS_UNEXPECTED"]);
    let at = "2026-01-05T02:00:01Z";
    let other_bytes = status(B, A, 1, StatusCode::InProgress, at, "viết lại");
    let again = world.bring(other_bytes, "hai").await.expect("accepted");
    assert!(again.replayed && again.receipt == first);
    assert_eq!(standing_of(&world.ports, 1, B).await.map(|standing| standing.number), Some(1));
    assert_eq!(counted(&world, "status_unexpected"), 1);
}
