//! `notify.given_up = "mail"`: the sender's organisation gets one letter for each delivery that is given up, whatever the
//! mail system does meanwhile, and nobody else's report waits for it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lienthong_adapters::contract::{MemoryNotifier, failure, received};
use lienthong_config::GivenUpNotice;
use lienthong_pipeline::ports::{DeliveryFailure, FailureClass, Notice};
use lienthong_pipeline::record::{Receipt, State};
use lienthong_pipeline::report::MailNotice;
use lienthong_pipeline::view::{self, ToldView, Viewer};

use super::world::{A, B, C, D, LATE_AFTER, Setup, World, letter, system};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

type Answer = Result<String, DeliveryFailure>;

/// A world whose receivers B and C are dead, and whose letters go out by `thu`.
fn world(answer: impl Fn(&Notice, usize) -> Answer + Send + Sync + 'static) -> (World, Arc<MemoryNotifier>) {
    world_of("", answer)
}

fn world_of(
    more: &str,
    answer: impl Fn(&Notice, usize) -> Answer + Send + Sync + 'static,
) -> (World, Arc<MemoryNotifier>) {
    let notifier = Arc::new(MemoryNotifier::answering(system("thu"), answer));
    let mail = Some(MailNotice { system: system("thu"), notifier: notifier.clone() });
    let directory = format!("{WITH_CONTACTS}{more}");
    let world = World::open(Setup { given_up: GivenUpNotice::Mail, mail, directory, ..Setup::default() });
    world.answer(|consignment, _| match consignment.delivery.route.receiver.as_str() {
        B | C => Err(failure(FailureClass::Receiver, "connect")),
        _ => Ok(received()),
    });
    (world, notifier)
}

/// Sends by the system `mot`, as A does, and reads mail.
const SENDER: &str = "H55.60";
const WITH_CONTACTS: &str = r#"
[[organisation]]
organ_id = "H55.60"
name = "Sở Sáu Mươi"
home = { system = "mot" }
contact = "Văn thư: 0208 123 456, <van-thu@so-60.example.vn>."
"#;

fn from_sender(number: u32, to: &[&str]) -> lienthong_schemas::edxml::DocumentBuilder {
    lienthong_schemas::edxml::DocumentBuilder::new(SENDER, to)
        .code(&number.to_string(), "S60")
        .document_id(&format!("{SENDER},2026/01/02,{number}/S60"))
        .subject("V/v họp")
}

fn took(_: &Notice, _: usize) -> Answer {
    Ok("SMTP 250".to_owned())
}

async fn told(world: &World, receipt: &Receipt) -> Option<ToldView> {
    let directory = world.directory();
    let shown =
        view::document(&world.ports, &directory, receipt.document_id, Viewer::Operator, LATE_AFTER).await;
    shown.expect("a view").expect("a document").deliveries.remove(0).told
}

#[tokio::test(start_paused = true)]
async fn a_sender_gets_one_letter_and_no_packet() {
    let (mut world, letters) = world(took);
    let receipt = world.send(from_sender(1, &[B])).await;
    world.pass(HOUR * 47, HOUR / 2).await;
    assert_eq!((letters.attempts().len(), told(&world, &receipt).await), (0, None));
    world.pass(HOUR * 3, HOUR / 2).await;
    assert_eq!(world.states(&receipt).await, [State::GivenUp]);
    let written = letters.attempts();
    assert_eq!((written.len(), world.metrics.accepted.value()), (1, 1), "no status packet besides");
    let notice = &written[0];
    assert_eq!(notice.mailbox.as_str(), "van-thu@so-60.example.vn", "from its contact");
    assert_eq!((notice.receiver.0.as_str(), notice.receiver.1.as_str()), (B, "Sở Hai"));
    assert_eq!((notice.sender.1.as_str(), notice.cover.code.as_str()), ("Sở Sáu Mươi", "1/S60"));
    assert_eq!(
        (notice.accepted_at, notice.delivery),
        (receipt.accepted_at, receipt.deliveries[0].delivery_id)
    );
    assert_eq!(notice.why.2, "connect: failed in memory");
    assert!(notice.given_up_at >= receipt.accepted_at + HOUR * 48);
    let view = told(&world, &receipt).await.expect("told");
    assert!(view.told && view.note.is_empty() && !view.vi.is_empty());
    world.pass(HOUR * 50, HOUR).await;
    assert_eq!(letters.attempts().len(), 1, "once");
    assert_eq!(world.metrics.notices.of("told").value(), 1);
    assert!(world.ports.store.pending_reports(9).await.expect("read").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_letter_is_tried_until_the_mail_system_takes_it() {
    let (mut world, letters) = world(|notice, nth| match nth {
        1..=5 => Err(failure(FailureClass::Receiver, "connect")),
        6 => Err(failure(FailureClass::OursToFix, "smtp_535")),
        _ => took(notice, nth),
    });
    let receipt = world.send(from_sender(1, &[B])).await;
    // The axis answers for D: a status packet, which waits for no letter.
    world.pass(HOUR * 49, HOUR / 2).await;
    let other = world.send(letter(2, &[D])).await;
    world.quiet().await;
    assert_eq!((world.states(&other).await, world.got(A).len()), (vec![State::Received], 1));
    world.pass(HOUR * 3, MINUTE).await;
    let written = letters.attempts();
    assert_eq!(written.len(), 7);
    assert!(written.iter().all(|notice| *notice == written[0]), "the same every time");
    assert!(told(&world, &receipt).await.expect("told").told);
    assert_eq!(world.metrics.notices.of("failed").value(), 6);
    assert_eq!(world.states(&receipt).await, [State::GivenUp]);
}

#[tokio::test(start_paused = true)]
async fn one_mailbox_that_takes_nothing_now_keeps_no_other_letter_waiting() {
    let more = "[[organisation]]\norgan_id = \"H55.61\"\nname = \"Xã 61\"\nhome = { system = \"mot\" }\n\
                contact = \"xa-61@xa.example.vn\"\n";
    let (mut world, letters) = world_of(more, |notice, nth| match notice.sender.0.as_str() {
        SENDER => Err(failure(FailureClass::Receiver, "smtp_450")),
        _ => took(notice, nth),
    });
    let locked = world.send(from_sender(1, &[B])).await;
    let from_61 = |number: u32| {
        lienthong_schemas::edxml::DocumentBuilder::new("H55.61", &[B])
            .code(&number.to_string(), "X61")
            .document_id(&format!("H55.61,2026/01/02,{number}/X61"))
    };
    let mut others = Vec::new();
    for number in 1..=3 {
        others.push(world.send(from_61(number)).await);
    }
    world.pass(HOUR * 49, HOUR / 2).await;
    for other in &others {
        assert!(told(&world, other).await.expect("told").told);
    }
    assert_eq!(told(&world, &locked).await, None, "still tried");
    let tries = letters.attempts().len();
    world.pass(HOUR, MINUTE * 5).await;
    assert_eq!(letters.attempts().len(), tries + 4, "every 15 minutes");
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_is_refused_for_good_is_said_where_the_sender_looks() {
    let (mut world, letters) = world(|_, _| Err(failure(FailureClass::Permanent, "smtp_550")));
    let receipt = world.send(from_sender(1, &[B])).await;
    // A has neither mailbox nor address.
    let nowhere = world.send(letter(1, &[C])).await;
    world.pass(HOUR * 50, HOUR / 2).await;
    assert_eq!(letters.attempts().len(), 1);
    let view = told(&world, &receipt).await.expect("not told");
    assert_eq!((view.told, view.note.as_str()), (false, "smtp_550: failed in memory"));
    let view = told(&world, &nowhere).await.expect("not told");
    assert!(!view.told && view.note.starts_with("no_address: ") && view.en.contains("could not be told"));
    assert_eq!((world.metrics.notices.of("refused").value(), world.metrics.accepted.value()), (2, 2));
    assert!(world.ports.store.pending_reports(9).await.expect("read").is_empty());
    let last = world.history(receipt.deliveries[0].delivery_id).await.pop().expect("a line");
    assert_eq!(last, ("not_told".into(), "smtp_550: failed in memory".into()));
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_was_cut_goes_again_under_its_id() {
    let seen = Arc::new(Mutex::new(0));
    let count = seen.clone();
    let (mut world, letters) = world(move |notice, nth| {
        *count.lock().expect("a number") += 1;
        took(notice, nth)
    });
    let receipt = world.send(from_sender(1, &[B, C])).await;
    world.pass(HOUR * 49, HOUR / 2).await;
    assert_eq!(letters.attempts().len(), 2, "one for each receiver");
    let ids: Vec<_> = letters.seen().into_iter().map(|letter| letter.id).collect();
    assert_ne!(ids[0], ids[1]);
    world.kill();
    world.start();
    world.pass(HOUR, MINUTE * 10).await;
    assert_eq!(*seen.lock().expect("a number"), 2, "what is written down is not told again after a restart");
    assert_eq!(world.states(&receipt).await, [State::GivenUp, State::GivenUp]);
}
