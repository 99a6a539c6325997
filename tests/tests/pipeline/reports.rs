//! What a sender is told by a status packet (design.md B6), and how status packets of organisations travel.

use std::sync::Arc;
use std::time::Duration;

use lienthong_adapters::contract::{MemoryNotifier, failure, received};
use lienthong_config::GivenUpNotice;
use lienthong_pipeline::operate::{Act, By, Operate, Reason, Target};
use lienthong_pipeline::ports::{FailureClass, Transition};
use lienthong_pipeline::record::{Receipt, State};
use lienthong_pipeline::report::MailNotice;
use lienthong_pipeline::view::{self, Viewer};
use lienthong_schemas::edxml::{BusinessType, StatusCode};

use super::hooks::{Fate, hooked};
use super::world::{A, B, C, D, LATE_AFTER, OWN, Setup, World, letter, name_of, organ, status, system};

const HOUR: Duration = Duration::from_secs(3600);
/// Changes its name.
const MOVED: &str = "H55.77";

/// B and C are dead; everybody else takes everything.
fn two_are_dead(world: &World) {
    world.answer(|consignment, _| match consignment.delivery.route.receiver.as_str() {
        B | C => Err(failure(FailureClass::Receiver, "connect")),
        _ => Ok(received()),
    });
}

/// How often a text stands in these packets.
fn holding(packets: &[String], text: &str) -> usize {
    packets.iter().filter(|packet| packet.contains(text)).count()
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_is_told_once_in_our_own_name() {
    let mut world = World::new();
    two_are_dead(&world);
    let receipt = world.send(letter(1, &[B])).await;
    world.pass(HOUR * 49, HOUR / 2).await;
    assert_eq!(world.states(&receipt).await, [State::GivenUp]);
    let told = world.got(A);
    assert_eq!(told.len(), 1, "{told:?}");
    for part in [
        &format!("<edXML:OrganId>{OWN}</edXML:OrganId>"),
        "<edXML:StatusCode>02</edXML:StatusCode>",
        "Sở Hai (H55.02)",
        &name_of(1),
        "<edXML:Code>1/STN-VP</edXML:Code>",
        "<edXML:PromulgationDate>2026/01/02</edXML:PromulgationDate>",
    ] {
        assert!(told[0].contains(part), "{part} in {}", told[0]);
    }
    world.pass(HOUR * 49, HOUR).await;
    assert_eq!(world.got(A).len(), 1);
    let last = world.history(receipt.deliveries[0].delivery_id).await.pop();
    assert_eq!(last, Some(("reported".into(), String::new())));
}

#[tokio::test(start_paused = true)]
async fn each_receiver_that_is_given_up_in_the_same_second_is_told_of() {
    let mut world = World::new();
    two_are_dead(&world);
    let receipt = world.send(letter(1, &[B, C])).await;
    world.pass(HOUR * 49, HOUR / 2).await;
    assert_eq!(world.states(&receipt).await, [State::GivenUp, State::GivenUp]);
    let told = world.got(A);
    assert_eq!((told.len(), holding(&told, "(H55.02)"), holding(&told, "(H55.03)")), (2, 1, 1), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn the_outcome_of_a_status_packet_makes_no_status_packet() {
    let mut world = World::new();
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
    let receipt = world.send(letter(1, &[B])).await;
    world.pass(HOUR * 200, HOUR).await;
    assert_eq!(world.states(&receipt).await, [State::GivenUp]);
    assert_eq!(
        (world.metrics.given_up.value(), world.metrics.accepted.value()),
        (2, 2),
        "the letter and one 02"
    );
    assert_eq!(world.ports.store.stats().await.expect("stats").pending, 0);
}

#[tokio::test(start_paused = true)]
async fn with_notify_api_nobody_is_told() {
    let mut world = World::open(Setup { given_up: GivenUpNotice::Api, ..Setup::default() });
    two_are_dead(&world);
    let receipt = world.send(letter(1, &[B])).await;
    world.pass(HOUR * 49, HOUR / 2).await;
    assert_eq!(world.states(&receipt).await, [State::GivenUp]);
    assert_eq!((world.got(A).len(), world.metrics.accepted.value()), (0, 1));
    assert!(world.ports.store.pending_reports(1).await.expect("reports").is_empty());
    assert!(
        world.ports.store.unsent_events(1).await.expect("events").is_empty(),
        "every event is in the stream"
    );
}

#[tokio::test(start_paused = true)]
async fn the_axis_answers_once_for_who_asked_it_to() {
    let mut world = World::new();
    let receipt = world.send(letter(1, &[D, B])).await;
    world.quiet().await;
    assert_eq!(world.states(&receipt).await, [State::Received, State::Received]);
    let told = world.got(A);
    assert_eq!(told.len(), 1, "one for D, none for B: {told:?}");
    for part in [
        &format!("<edXML:OrganId>{D}</edXML:OrganId>"),
        "<edXML:StatusCode>01</edXML:StatusCode>",
        "<edXML:Description>Trục liên thông báo thay:",
        &name_of(1),
    ] {
        assert!(told[0].contains(part), "{part} in {}", told[0]);
    }
    world.pass(HOUR, HOUR / 4).await;
    assert_eq!((world.got(A).len(), world.metrics.accepted.value()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn the_axis_does_not_answer_for_who_refused_or_got_a_status() {
    let mut world = World::new();
    world.answer(|_, _| Err(failure(FailureClass::Permanent, "http_422")));
    let refused = world.send(letter(1, &[D])).await;
    world.quiet().await;
    assert_eq!(world.states(&refused).await, [State::Refused]);
    world.answer(|_, _| Ok(received()));
    let to_d = status(A, D, 1, StatusCode::Registered, "2026-01-05T02:00:00Z", "");
    let accepted = world.bring(to_d, "mot").await.expect("accepted");
    world.quiet().await;
    assert_eq!(world.states(&accepted.receipt).await, [State::Received]);
    assert_eq!((world.got(A).len(), world.metrics.accepted.value()), (0, 2));
}

async fn answered(world: &World, code: StatusCode, at: &str, text: &str) -> (Receipt, bool) {
    let accepted = world.bring(status(B, A, 1, code, at, text), "hai").await.expect("accepted");
    (accepted.receipt, accepted.replayed)
}

#[tokio::test(start_paused = true)]
async fn a_status_packet_of_an_organisation_goes_to_whom_it_answers() {
    let mut world = World::new();
    world.send(letter(1, &[B])).await;
    world.quiet().await;
    let bytes = status(B, A, 1, StatusCode::Finished, "2026-01-05T02:00:00Z", "xong");
    let accepted = world.bring(bytes.clone(), "hai").await.expect("accepted");
    world.quiet().await;
    assert_eq!(world.states(&accepted.receipt).await, [State::Received]);
    assert_eq!(world.got(A), [String::from_utf8(bytes).expect("text")], "byte for byte");
}

#[tokio::test(start_paused = true)]
async fn a_repeated_status_packet_is_known_by_its_key() {
    let mut world = World::new();
    let at = "2026-01-05T02:00:00Z";
    let (first, replayed) = answered(&world, StatusCode::Registered, at, "").await;
    assert!(!replayed);
    // The same answer in other bytes.
    let (same, replayed) = answered(&world, StatusCode::Registered, at, "vào sổ số 5").await;
    assert!(replayed && same == first);
    for (code, at) in [(StatusCode::Finished, at), (StatusCode::Registered, "2026-01-05T02:00:01Z")] {
        let (other, replayed) = answered(&world, code, at, "").await;
        assert!(!replayed && other.document_id != first.document_id);
    }
    world.quiet().await;
    assert_eq!(world.got(A).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_status_packet_does_not_overtake_the_document_that_it_answers() {
    let mut world = World::new();
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
    // A copy for the sender itself, the answer to it, and an urgent revocation.
    let own = world.send(letter(1, &[A])).await;
    world.quiet().await;
    let (answer, _) = answered(&world, StatusCode::Registered, "2026-01-05T02:00:00Z", "").await;
    let revoked =
        world.send(letter(2, &[A]).priority(4).business(BusinessType::Revoke, "nhầm", &name_of(1))).await;
    world.quiet().await;
    world.answer(|_, _| Ok(received()));
    world.advance(Duration::from_secs(10)).await;
    let ids = [&own, &answer, &revoked].map(|receipt| receipt.document_id);
    assert_eq!(world.tried()[1..], ids);
}

#[tokio::test(start_paused = true)]
async fn a_report_that_cannot_be_made_is_tried_again_and_keeps_nobody_else_from_theirs() {
    let mut world = World::new();
    two_are_dead(&world);
    let damaged = world.send(letter(1, &[B])).await;
    let good = world.send(letter(2, &[B])).await;
    let paper = world.folder.path().join("admissions").join(damaged.document_id.to_string());
    let whole = std::fs::read(&paper).expect("an admission");
    std::fs::write(&paper, "torn").expect("damaged");
    world.pass(HOUR * 49, HOUR / 2).await;
    assert_eq!(world.states(&damaged).await, [State::GivenUp]);
    assert_eq!(world.states(&good).await, [State::GivenUp]);
    assert_eq!((world.got(A).len(), holding(&world.got(A), &name_of(2))), (1, 1));
    std::fs::write(&paper, whole).expect("mended");
    world.advance(Duration::from_secs(60)).await;
    assert_eq!((world.got(A).len(), holding(&world.got(A), &name_of(1))), (2, 1));
}

/// A kill after the 02 was admitted and before that is written down; meanwhile the directory got another name.
#[tokio::test(start_paused = true)]
async fn a_sender_is_told_once_whatever_the_directory_calls_the_receiver_by_then() {
    let called = |name: &str| {
        format!("[[organisation]]\norgan_id = \"{MOVED}\"\nname = \"{name}\"\nhome = {{ system = \"ba\" }}\n")
    };
    let (mut world, store) = hooked(Setup { directory: called("Xã Bảy"), ..Setup::default() });
    world.answer(|consignment, _| match consignment.delivery.route.receiver.as_str() {
        MOVED => Err(failure(FailureClass::Receiver, "connect")),
        _ => Ok(received()),
    });
    store.transition.set(|(_, change)| match change {
        Transition::Reported => Fate::Hangs,
        _ => Fate::Passes,
    });
    let receipt = world.send(letter(1, &[MOVED])).await;
    world.pass(HOUR * 49, HOUR / 2).await;
    assert_eq!(holding(&world.got(A), "Xã Bảy"), 1);
    world.kill();
    store.transition.clear();
    world.reload(&called("Phường Bảy"));
    world.start();
    world.advance(Duration::from_secs(10)).await;
    assert_eq!(world.got(A).len(), 1, "{:?}", world.got(A));
    let last = world.history(receipt.deliveries[0].delivery_id).await.pop();
    assert_eq!(last, Some(("reported".into(), String::new())));
}

/// Parked is no end: whoever holds it has to say so, in every way of telling.
#[tokio::test(start_paused = true)]
async fn what_is_held_or_refused_tells_nobody() {
    for given_up in [GivenUpNotice::Status02, GivenUpNotice::Api, GivenUpNotice::Mail] {
        let notifier = Arc::new(MemoryNotifier::answering(system("thu"), |_, _| Ok("taken".to_owned())));
        let mail = Some(MailNotice { system: system("thu"), notifier: notifier.clone() });
        let mut world = World::open(Setup { given_up, mail, ..Setup::default() });
        world.answer(|consignment, _| match consignment.delivery.route.receiver.as_str() {
            B => Err(failure(FailureClass::Packet, "bad_record")),
            C => Err(failure(FailureClass::Permanent, "http_422")),
            _ => Ok(received()),
        });
        let receipt = world.send(letter(1, &[B, C])).await;
        world.pass(HOUR * 100, HOUR).await;
        assert_eq!(world.states(&receipt).await, [State::Parked, State::Refused]);
        assert_eq!((world.got(A).len(), notifier.attempts().len()), (0, 0), "{given_up:?}");
        assert_eq!(world.metrics.notices.of("told").value(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_written_to_about_a_status_packet() {
    let notifier = Arc::new(MemoryNotifier::answering(system("thu"), |_, _| Ok("taken".to_owned())));
    let mail = Some(MailNotice { system: system("thu"), notifier: notifier.clone() });
    let mut world = World::open(Setup { given_up: GivenUpNotice::Mail, mail, ..Setup::default() });
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
    let to_a = status(B, A, 1, StatusCode::Registered, "2026-01-05T02:00:00Z", "");
    let accepted = world.bring(to_a, "hai").await.expect("accepted");
    world.pass(HOUR * 60, HOUR).await;
    assert_eq!(world.states(&accepted.receipt).await, [State::GivenUp]);
    assert_eq!((notifier.attempts().len(), world.metrics.accepted.value()), (0, 1));
}

/// The 02 of ours leaves what the receiver has said of the document as it is.
#[tokio::test(start_paused = true)]
async fn what_was_given_up_leaves_the_receivers_business_state_alone() {
    let mut world = World::new();
    two_are_dead(&world);
    let receipt = world.send(letter(1, &[B])).await;
    world.pass(HOUR * 49, HOUR / 2).await;
    assert_eq!((world.states(&receipt).await, world.got(A).len()), (vec![State::GivenUp], 1));
    let directory = world.directory();
    let shown = view::document(&world.ports, &directory, receipt.document_id, Viewer::Operator, LATE_AFTER);
    let shown = shown.await.expect("a view").expect("a document").deliveries.remove(0);
    let business = shown.business.expect("a business state");
    assert_eq!((business.code.as_str(), business.since), ("none", None));
    assert_eq!(world.metrics.anomalies.of("status_unexpected").value(), 0);
}

/// Who was sent it instead is named beside the receiver that the packet was for, and answers for nobody.
#[tokio::test(start_paused = true)]
async fn what_went_another_way_is_told_of_by_whom_it_was_for() {
    let mut world = World::new();
    two_are_dead(&world);
    let given_up = world.send(letter(1, &[B])).await;
    let taken = world.send(letter(2, &[C])).await;
    world.quiet().await;
    let operate = Operate::new(world.ports.clone(), world.wakes.clone(), world.metrics.clone());
    let operate = operate.knowing(world.directory_in_use());
    let by = By { operator: "lan".to_owned(), reason: Reason::parse("x").expect("a reason") };
    for (receipt, to) in [(&given_up, C), (&taken, D)] {
        let act = Act::Reroute(Target::Receiver(organ(to)));
        assert!(operate.act(act, &[receipt.deliveries[0].delivery_id], &by).await[0].done);
    }
    world.pass(HOUR * 49, HOUR / 2).await;
    assert_eq!(world.states(&given_up).await, [State::GivenUp]);
    assert_eq!(world.states(&taken).await, [State::Received]);
    let told = world.got(A);
    assert_eq!(told.len(), 1, "D has the letter, and it was not for D: {told:?}");
    let said = "Không gửi được văn bản đến Sở Hai (H55.02), đã chuyển sang Sở Ba (H55.03)";
    assert!(told[0].contains(said), "{}", told[0]);
}

#[tokio::test(start_paused = true)]
async fn with_notify_api_the_sender_sees_that_nobody_is_told() {
    let mut world = World::open(Setup { given_up: GivenUpNotice::Api, ..Setup::default() });
    two_are_dead(&world);
    let receipt = world.send(letter(1, &[B])).await;
    world.pass(HOUR * 49, HOUR / 2).await;
    let directory = world.directory();
    let shown = view::document(&world.ports, &directory, receipt.document_id, Viewer::Operator, LATE_AFTER);
    let told = shown.await.expect("a view").expect("a document").deliveries.remove(0).told.expect("said");
    assert!(!told.told && told.en.contains("nobody is told"), "{told:?}");
    assert_eq!(world.metrics.notices.of("refused").value(), 0, "that is no fault");
}

/// A sender whom no status packet reaches: that is said where it looks.
#[tokio::test(start_paused = true)]
async fn a_sender_that_takes_no_packets_sees_that_it_was_not_told() {
    let gone =
        "[[organisation]]\norgan_id = \"H55.70\"\nname = \"Xã Bảy Mươi\"\nhome = { system = \"mot\" }\n";
    let mut world = World::open(Setup { directory: gone.to_owned(), ..Setup::default() });
    two_are_dead(&world);
    let letter = lienthong_schemas::edxml::DocumentBuilder::new("H55.70", &[B]).code("1", "X70");
    let letter = letter.document_id("H55.70,2026/01/02,1/X70").to_bytes().expect("written");
    let receipt = world.bring(letter, "mot").await.expect("accepted").receipt;
    world.pass(HOUR * 40, HOUR / 2).await;
    world.reload("");
    world.pass(HOUR * 10, HOUR / 2).await;
    let directory = world.directory();
    let shown = view::document(&world.ports, &directory, receipt.document_id, Viewer::Operator, LATE_AFTER);
    let told = shown.await.expect("a view").expect("a document").deliveries.remove(0).told.expect("said");
    assert!(!told.told && !told.note.is_empty(), "{told:?}");
    assert_eq!(world.metrics.notices.of("refused").value(), 1);
}
