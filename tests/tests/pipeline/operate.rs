//! What an operator does by hand: what changes, what does not, and that whatever an attempt brings later changes nothing.

mod again;
mod bulk;
mod looks;
mod rebuilt;
mod reroute;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lienthong_adapters::contract::{failure, received};
use lienthong_pipeline::operate::look::{self, Wanted};
use lienthong_pipeline::operate::{Act, By, Operate, Outcome, REASON_CHARS_MAX, Reason, Verdict};
use lienthong_pipeline::ports::{FailureClass, Listing, Ports};
use lienthong_pipeline::record::State;
use lienthong_schemas::ids::DeliveryId;

use super::world::{A, B, C, M, World, X, Y, letter};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const NOTE: &str = "operator lan: đã sửa bên nhận";

fn by() -> By {
    By { operator: "lan".to_owned(), reason: Reason::parse("đã sửa bên nhận").expect("a reason") }
}

fn hands(world: &World) -> Operate {
    let operate = Operate::new(world.ports.clone(), world.wakes.clone(), world.metrics.clone());
    operate.knowing(world.directory_in_use())
}

async fn act(world: &World, act: Act, id: DeliveryId) -> Outcome {
    let mut outcomes = hands(world).act(act, &[id], &by()).await;
    assert_eq!(outcomes.len(), 1);
    outcomes.remove(0)
}

async fn dead_letters(ports: &Ports) -> Vec<DeliveryId> {
    let page = look::list(ports, Listing::DeadLetters, &Wanted::default()).await.expect("a page");
    page.deliveries.iter().map(|line| line.delivery_id).collect()
}

fn after(outcome: &Outcome) -> (State, u32, bool) {
    let after = outcome.delivery.as_ref().expect("a delivery");
    (after.state, after.generation, after.closed)
}

#[tokio::test(start_paused = true)]
async fn a_retry_ends_a_pause_and_what_goes_before_it_is_tried_first() {
    let mut world = World::new();
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
    let first = world.send(letter(1, &[B])).await;
    let other = world.send(letter(2, &[C])).await;
    world.quiet().await;
    world.advance(SECOND * 10).await;
    let second = world.send(letter(3, &[B])).await;
    world.quiet().await;
    let tries = world.adapter.attempts().len();
    assert_eq!((tries, world.paused()), (4, 2), "both are paused for 20 s");

    world.answer(|_, _| Ok(received()));
    let outcome = act(&world, Act::Retry, second.deliveries[0].delivery_id).await;
    assert_eq!((outcome.verdict, outcome.done), (Verdict::Hastened, true));
    world.quiet().await;
    assert_eq!(world.states(&first).await, [State::Received], "without any time");
    assert_eq!(world.states(&second).await, [State::Received]);
    assert_eq!(world.tried()[tries..], [first.document_id, second.document_id], "in order");
    assert_eq!(
        (world.states(&other).await, world.paused()),
        (vec![State::Queued], 1),
        "nobody else is tried"
    );
    let lines = world.history(second.deliveries[0].delivery_id).await;
    assert!(lines.contains(&("hastened".into(), NOTE.into())), "{lines:?}");
    let lines = world.history(first.deliveries[0].delivery_id).await;
    let before = format!("{NOTE} (before {})", second.deliveries[0].delivery_id);
    assert!(lines.contains(&("hastened".into(), before)), "{lines:?}");
    assert_eq!(world.metrics.operator_acts.of("retry").value(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_fails_begins_the_pause_again() {
    let mut world = World::new();
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
    let receipt = world.send(letter(1, &[B])).await;
    world.quiet().await;
    assert!(act(&world, Act::Retry, receipt.deliveries[0].delivery_id).await.done);
    world.quiet().await;
    assert_eq!((world.adapter.attempts().len(), world.paused()), (2, 1));
    world.advance(SECOND * 19).await;
    assert_eq!(world.adapter.attempts().len(), 2, "its pause is the second one");
    world.advance(SECOND).await;
    assert_eq!(world.adapter.attempts().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_refused_with_what_to_do_instead_and_changes_nothing() {
    let mut world = World::new();
    world.answer(|consignment, _| match consignment.delivery.route.receiver.as_str() {
        B => Err(failure(FailureClass::Permanent, "http_410")),
        C => Err(failure(FailureClass::Receiver, "connect")),
        _ => Ok(super::world::taken(consignment)),
    });
    let receipt = world.send(letter(1, &[B, C, M])).await;
    world.quiet().await;
    world.broker.stop();
    let unpublished = world.send(letter(2, &[C])).await;
    world.quiet().await;
    assert_eq!(world.states(&receipt).await, [State::Refused, State::Queued, State::HandedOver]);
    let [refused, queued, over] = [0, 1, 2].map(|at| receipt.deliveries[at].delivery_id);
    let waiting = unpublished.deliveries[0].delivery_id;
    let nobody: DeliveryId = "0".repeat(32).parse().expect("an id");
    let expected = [
        (Act::Retry, refused, Verdict::IsDeadLetter),
        (Act::Retry, over, Verdict::WrongState),
        (Act::Retry, waiting, Verdict::NotTakenOver),
        (Act::Retry, nobody, Verdict::NotFound),
        (Act::Requeue, queued, Verdict::IsQueued),
        (Act::Requeue, waiting, Verdict::IsQueued),
        (Act::Requeue, over, Verdict::WrongState),
        (Act::Requeue, nobody, Verdict::NotFound),
        (Act::GiveUp, over, Verdict::WrongState),
        (Act::GiveUp, nobody, Verdict::NotFound),
    ];
    let mut lines = Vec::new();
    for id in [refused, queued, over, waiting] {
        lines.push(world.history(id).await);
    }
    for (wanted, id, verdict) in expected {
        let outcome = act(&world, wanted.clone(), id).await;
        assert_eq!((outcome.verdict, outcome.done), (verdict, false), "{wanted:?}");
        assert_eq!(outcome.delivery.is_none(), verdict == Verdict::NotFound);
        assert!(!outcome.text_vi.is_empty() && outcome.text_vi != outcome.text_en);
    }
    for (id, before) in [refused, queued, over, waiting].into_iter().zip(lines) {
        assert_eq!(world.history(id).await, before);
    }
    for act in Act::NAMES {
        assert_eq!(world.metrics.operator_acts.of(act).value(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_goes_again_under_its_id_in_the_next_generation() {
    let mut world = World::new();
    world.answer(|_, _| Err(failure(FailureClass::Permanent, "http_410")));
    let receipt = world.send(letter(1, &[B])).await;
    world.quiet().await;
    let id = receipt.deliveries[0].delivery_id;
    assert_eq!(dead_letters(&world.ports).await, [id]);

    world.answer(|_, _| Ok(received()));
    let outcome = act(&world, Act::Requeue, id).await;
    assert_eq!((outcome.verdict, after(&outcome)), (Verdict::Requeued, (State::Queued, 2, false)));
    assert_eq!(act(&world, Act::Requeue, id).await.verdict, Verdict::IsQueued, "a second one is not needed");
    world.quiet().await;
    assert_eq!(world.states(&receipt).await, [State::Received]);
    assert!(dead_letters(&world.ports).await.is_empty());
    let attempts = world.adapter.attempts();
    assert_eq!(attempts.len(), 2);
    assert_eq!(attempts[0].seen, attempts[1].seen, "the same ids");
    let lines = world.history(id).await;
    assert!(lines.contains(&("requeued".into(), NOTE.into())), "{lines:?}");
    assert_eq!(world.metrics.operator_acts.of("requeue").value(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_without_its_packet_is_not_put_in_anybodys_way() {
    let mut world = World::new();
    world.answer(|_, _| Err(failure(FailureClass::Permanent, "http_410")));
    let receipt = world.send(letter(1, &[B])).await;
    world.quiet().await;
    world.lose_blob(&receipt);
    let outcome = act(&world, Act::Requeue, receipt.deliveries[0].delivery_id).await;
    assert_eq!((outcome.verdict, after(&outcome)), (Verdict::BlobMissing, (State::Refused, 1, false)));
    let shown = look::show(&world.ports, None, receipt.deliveries[0].delivery_id).await.expect("shown");
    assert!(!shown.expect("it is there").packet_here);
}

/// A letter to B that is parked: its packet was gone for a moment.
async fn parked(world: &mut World) -> DeliveryId {
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
    let receipt = world.send(letter(1, &[B])).await;
    world.quiet().await;
    let blob = world.folder.path().join("blobs").join(receipt.sha256.to_string());
    let aside = world.folder.path().join("aside");
    std::fs::rename(&blob, &aside).expect("moved");
    world.answer(|consignment, _| Ok(super::world::taken(consignment)));
    world.advance(SECOND * 10).await;
    std::fs::rename(&aside, &blob).expect("moved back");
    assert_eq!(world.states(&receipt).await, [State::Parked]);
    receipt.deliveries[0].delivery_id
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_a_parked_one_has_its_sender_told_once() {
    let mut world = World::new();
    let id = parked(&mut world).await;
    let outcome = act(&world, Act::GiveUp, id).await;
    assert_eq!((outcome.verdict, after(&outcome)), (Verdict::GivenUp, (State::GivenUp, 1, true)));
    world.quiet().await;
    assert!(dead_letters(&world.ports).await.is_empty(), "it is dealt with");
    let told = world.got(A);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("<edXML:StatusCode>02</edXML:StatusCode>") && told[0].contains("(H55.02)"));
    let lines = world.history(id).await;
    for event in ["settled", "closed"] {
        assert!(lines.contains(&(event.into(), NOTE.into())), "{event} in {lines:?}");
    }
    assert_eq!(act(&world, Act::GiveUp, id).await.verdict, Verdict::ClosedBefore);
    world.pass(HOUR * 49, HOUR).await;
    assert_eq!(world.got(A).len(), 1);
    assert_eq!((world.metrics.given_up.value(), world.metrics.operator_acts.of("give_up").value()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_parked_one_is_sent_again_when_it_is_requeued() {
    let mut world = World::new();
    let id = parked(&mut world).await;
    assert_eq!(act(&world, Act::Requeue, id).await.verdict, Verdict::Requeued);
    world.quiet().await;
    assert_eq!(world.delivery(id).await.state, State::Received);
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_or_given_up_by_time_is_closed_and_nobody_hears_of_it_again() {
    let mut world = World::new();
    world.answer(|consignment, _| match consignment.delivery.route.receiver.as_str() {
        B => Err(failure(FailureClass::Permanent, "http_410")),
        C => Err(failure(FailureClass::Receiver, "connect")),
        _ => Ok(received()),
    });
    let receipt = world.send(letter(1, &[B, C])).await;
    world.pass(HOUR * 49, HOUR / 2).await;
    assert_eq!(world.states(&receipt).await, [State::Refused, State::GivenUp]);
    assert_eq!(world.got(A).len(), 1, "told of the one that was given up");
    let ids = [0, 1].map(|at| receipt.deliveries[at].delivery_id);
    let outcomes = hands(&world).act(Act::GiveUp, &[ids[0], ids[1], ids[0]], &by()).await;
    let verdicts: Vec<Verdict> = outcomes.iter().map(|outcome| outcome.verdict).collect();
    assert_eq!(verdicts, [Verdict::Closed, Verdict::Closed, Verdict::ClosedBefore], "one outcome each");
    world.pass(HOUR, HOUR / 2).await;
    assert_eq!(world.got(A).len(), 1);
    assert!(dead_letters(&world.ports).await.is_empty());
    assert_eq!(world.metrics.given_up.value(), 1);

    // A closed one may still be sent again.
    world.answer(|_, _| Ok(received()));
    assert_eq!(after(&act(&world, Act::Requeue, ids[0]).await), (State::Queued, 2, false));
    world.quiet().await;
    assert_eq!(world.delivery(ids[0]).await.state, State::Received);
}

/// Gives a delivery up from another thread while the adapter is at work on it; returns when that is done.
fn given_up_meanwhile(operate: &Arc<Operate>, id: DeliveryId) -> Outcome {
    let operate = operate.clone();
    let other = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(operate.act(Act::GiveUp, &[id], &by())).remove(0)
    });
    other.join().expect("it ends")
}

#[tokio::test(start_paused = true)]
async fn whatever_an_attempt_brings_later_does_not_resurrect_what_was_given_up() {
    let late = [Ok(received()), Err(FailureClass::Permanent), Err(FailureClass::Receiver)];
    let more = [Err(FailureClass::Document), Err(FailureClass::OursToFix), Err(FailureClass::Packet)];
    for outcome in late.into_iter().chain(more) {
        let mut world = World::new();
        let operate = Arc::new(hands(&world));
        let said = Arc::new(Mutex::new(Vec::new()));
        let (answer, heard) = (outcome.clone(), said.clone());
        world.answer(move |consignment, _| match consignment.delivery.route.receiver.as_str() {
            B => {
                let id = consignment.delivery.id;
                heard.lock().expect("heard").push(given_up_meanwhile(&operate, id));
                answer.clone().map_err(|class| failure(class, "late"))
            }
            _ => Ok(received()),
        });
        let receipt = world.send(letter(1, &[B])).await;
        world.quiet().await;
        let id = receipt.deliveries[0].delivery_id;
        let given_up = said.lock().expect("said").clone();
        assert_eq!(given_up.len(), 1, "one attempt");
        assert_eq!((given_up[0].verdict, after(&given_up[0])), (Verdict::GivenUp, (State::GivenUp, 1, true)));
        world.pass(HOUR * 50, HOUR).await;
        let delivery = world.delivery(id).await;
        assert_eq!((delivery.state, delivery.closed), (State::GivenUp, true), "{outcome:?}");
        assert_eq!(said.lock().expect("said").len(), 1, "never tried again: {outcome:?}");
        assert_eq!(world.got(A).len(), 1, "told once: {outcome:?}");
        let delivered = world.metrics.delivered.of("vendor_http").value();
        assert_eq!(delivered, 1, "what the sender was told, and not what came too late: {outcome:?}");
        let events: Vec<String> = world.history(id).await.into_iter().map(|(event, _)| event).collect();
        assert_eq!(
            events,
            ["accepted", "published", "handed_off", "settled", "closed", "reported"],
            "{outcome:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn parts_of_a_consignment_are_given_up_and_requeued_each_by_itself() {
    let mut world = World::new();
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
    let receipt = world.send(letter(1, &[X, Y])).await;
    world.quiet().await;
    let [x, y] = [0, 1].map(|at| receipt.deliveries[at].delivery_id);
    assert_eq!(act(&world, Act::GiveUp, x).await.verdict, Verdict::GivenUp);
    world.answer(|consignment, _| Ok(super::world::taken(consignment)));
    assert_eq!(act(&world, Act::Retry, y).await.verdict, Verdict::Hastened);
    world.quiet().await;
    assert_eq!(world.states(&receipt).await, [State::GivenUp, State::HandedOver]);
    assert_eq!(act(&world, Act::Requeue, x).await.verdict, Verdict::Requeued);
    world.quiet().await;
    assert_eq!(world.states(&receipt).await, [State::HandedOver, State::HandedOver]);
    let to: Vec<Vec<String>> = world.consigned().into_iter().map(|(_, to)| to).collect();
    assert_eq!(to, [vec![X, Y], vec![Y], vec![X]]);
}

#[test]
fn a_reason_has_its_limits_and_is_harmless() {
    let long = "ệ".repeat(REASON_CHARS_MAX);
    assert_eq!(Reason::parse(&long).expect("just fits").as_str(), long);
    assert!(Reason::parse(&(long + "ệ")).is_none());
    assert!(Reason::parse(" \r\n\t ").is_none());
    let hostile = Reason::parse("x\r\n{\"operator\":\"root\"}\u{1b}[31m\u{202e}\u{200b}").expect("escaped");
    assert_eq!(hostile.as_str(), "x\\u{d}\\u{a}{\"operator\":\"root\"}\\u{1b}[31m\\u{202e}\\u{200b}");
}
