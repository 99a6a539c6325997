//! Another way for a delivery: where it goes then, what it may not go past, and that a lost store changes nothing of it.

use lienthong_pipeline::operate::Target;
use lienthong_pipeline::ports::{Clock, Transition};
use lienthong_pipeline::record::{AdapterKind, BootId, Fence, Receipt, Route};
use lienthong_schemas::edxml::BusinessType;

use super::*;
use crate::pipeline::world::{Setup, Z, name_of, organ, system, taken};

fn to(code: &str) -> Act {
    Act::Reroute(Target::Receiver(organ(code)))
}

fn via(id: &str) -> Act {
    Act::Reroute(Target::Via(system(id)))
}

const BY_DIRECTORY: Act = Act::Reroute(Target::Directory);

fn route(receiver: &str, at: &str, adapter: AdapterKind) -> Route {
    Route { receiver: organ(receiver), system: system(at), adapter }
}

fn only(receipt: &Receipt) -> DeliveryId {
    receipt.deliveries[0].delivery_id
}

/// Whatever goes to these organisations cannot be delivered; everything else is.
fn dead(world: &World, codes: &'static [&'static str]) {
    world.answer(|consignment, _| match codes.contains(&consignment.delivery.route.receiver.as_str()) {
        true => Err(failure(FailureClass::Receiver, "connect")),
        false => Ok(taken(consignment)),
    });
}

/// What a directory may have besides.
const MOVED: &str = r#"
[[organisation]]
organ_id = "H55.20"
name = "Sở Hai Mươi"
home = { system = "hai" }
"#;
const MOVED_TO_THE_AXIS: &str = r#"
[[organisation]]
organ_id = "H55.20"
name = "Sở Hai Mươi"
home = { axis = "vpcp" }
"#;
const CLOSED_INTO_ONE: &str = r#"
[[organisation]]
organ_id = "H55.20"
name = "Sở Hai Mươi"
valid_to = "2025-12-31"
successors = ["H55.21"]
[[organisation]]
organ_id = "H55.21"
name = "Sở Hai Mốt"
home = { system = "thu" }
adapter = { mailbox = "van-thu@hai-mot.example.vn" }
"#;
const MOVING: &str = "H55.20";

async fn moving() -> World {
    let world = World::open(Setup { directory: MOVED.to_owned(), ..Setup::default() });
    dead(&world, &[MOVING]);
    world
}

#[tokio::test(start_paused = true)]
async fn what_waits_goes_where_its_receiver_is_by_now_under_the_same_id() {
    let mut world = moving().await;
    let receipt = world.send(letter(1, &[MOVING])).await;
    world.quiet().await;
    let id = only(&receipt);
    let outcome = act(&world, BY_DIRECTORY, id).await;
    assert_eq!((outcome.verdict, outcome.done), (Verdict::SameRoute, false));

    world.reload(MOVED_TO_THE_AXIS);
    world.quiet().await;
    assert_eq!(world.delivery(id).await.route.system, system("hai"), "nothing moves by itself");
    let outcome = act(&world, BY_DIRECTORY, id).await;
    let there = route(MOVING, "vpcp", AdapterKind::NationalAxis);
    assert_eq!((outcome.verdict, outcome.route.as_ref()), (Verdict::Rerouted, Some(&there)));
    assert_eq!(after(&outcome), (State::Queued, 2, false));
    world.answer(|consignment, _| Ok(taken(consignment)));
    world.quiet().await;
    let delivery = world.delivery(id).await;
    assert_eq!((delivery.state, &delivery.route), (State::HandedOver, &there));
    assert_eq!(world.consigned(), [(receipt.document_id, vec![MOVING.to_owned()])]);
    let attempts = world.adapter.attempts();
    assert!(
        attempts.iter().all(|attempt| attempt.seen.delivery == id && attempt.seen.receiver == organ(MOVING))
    );
    let lines = world.history(id).await;
    let note = format!("{MOVING} by national_axis vpcp; {NOTE}");
    assert!(lines.contains(&("rerouted".into(), note)), "{lines:?}");
    assert_eq!(world.metrics.operator_acts.of("reroute").value(), 1);
    assert_eq!(act(&world, BY_DIRECTORY, id).await.verdict, Verdict::WrongState);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_of_a_closed_code_goes_to_who_took_over() {
    let mut world = World::open(Setup { directory: MOVED.to_owned(), ..Setup::default() });
    world.answer(|_, _| Err(failure(FailureClass::Permanent, "http_410")));
    let receipt = world.send(letter(1, &[MOVING])).await;
    world.quiet().await;
    world.answer(|consignment, _| Ok(taken(consignment)));
    world.reload(CLOSED_INTO_ONE);
    let id = only(&receipt);
    let outcome = act(&world, BY_DIRECTORY, id).await;
    assert_eq!(outcome.route, Some(route("H55.21", "thu", AdapterKind::Email)));
    world.quiet().await;
    assert_eq!(world.delivery(id).await.state, State::HandedOver);
    assert!(dead_letters(&world.ports).await.is_empty());
    let last = world.adapter.attempts().pop().expect("an attempt").consignment;
    assert_eq!(last.addressee.name, "Sở Hai Mốt");
}

#[tokio::test(start_paused = true)]
async fn another_organisation_or_another_line_can_be_named() {
    let mut world = World::new();
    dead(&world, &[B]);
    let [first, second] = [world.send(letter(1, &[B])).await, world.send(letter(2, &[B])).await];
    world.quiet().await;
    let outcome = act(&world, to(C), only(&first)).await;
    assert_eq!(outcome.route, Some(route(C, "ba", AdapterKind::VendorHttp)));
    world.quiet().await;
    assert_eq!(world.states(&first).await, [State::Received]);
    assert_eq!(world.got(C).len(), 1);

    let outcome = act(&world, via("vpcp"), only(&second)).await;
    assert_eq!(
        (outcome.verdict, outcome.route.map(|route| route.receiver)),
        (Verdict::Rerouted, Some(organ(B)))
    );
    let known = world.delivery(only(&second)).await;
    assert_eq!(
        (known.accepted_at, known.since),
        (second.accepted_at, Some(world.clock.now())),
        "its age counts anew"
    );
}

#[tokio::test(start_paused = true)]
async fn a_way_that_cannot_be_gone_is_refused_with_why_and_changes_nothing() {
    let more = format!(
        "{CLOSED_INTO_ONE}[[organisation]]\norgan_id = \"H55.40\"\nname = \"Xã Giấy\"\nreach = \"paper\"\n\
         [[organisation]]\norgan_id = \"H55.41\"\nname = \"Xã Nhỏ\"\nhome = {{ system = \"ba\" }}\naccepts_max_bytes = 9\n"
    );
    let mut world = World::open(Setup { directory: more, ..Setup::default() });
    dead(&world, &[B]);
    let receipt = world.send(letter(1, &[B, C])).await;
    world.quiet().await;
    let (id, lines) = (only(&receipt), world.history(only(&receipt)).await);
    let refusals = [
        (to("H99"), Verdict::ReceiverUnknown),
        (to(MOVING), Verdict::ReceiverClosed),
        (to("H55.40"), Verdict::PaperOnly),
        (to("H55.41"), Verdict::TooLarge),
        (to(B), Verdict::SameRoute),
        (to(C), Verdict::HasItsOwn),
        (to(X), Verdict::NotNamed),
        (via("hai"), Verdict::SameRoute),
        (via("thu"), Verdict::NoMailbox),
        (via("nobody"), Verdict::SystemUnknown),
    ];
    for (wanted, verdict) in refusals {
        let outcome = act(&world, wanted.clone(), id).await;
        assert_eq!((outcome.verdict, outcome.done, outcome.route), (verdict, false, None), "{wanted:?}");
    }
    let blind = Operate::new(world.ports.clone(), world.wakes.clone(), world.metrics.clone());
    assert_eq!(blind.act(BY_DIRECTORY, &[id], &by()).await[0].verdict, Verdict::NoDirectory);
    world.reload(&format!("{CLOSED_INTO_ONE}{MOVED}").replacen("H55.20", "H55.29", 1));
    assert_eq!(world.history(id).await, lines);

    // An attempt is under way.
    let lease = Transition::Leased { boot: BootId::new(1), fence: Fence::ALONE };
    world.kill();
    world
        .ports
        .store
        .transition(id, world.clock.now(), lease)
        .await
        .expect("the store answers")
        .expect("fits");
    let outcome = act(&world, via("ba"), id).await;
    assert_eq!((outcome.verdict, outcome.done), (Verdict::UnderWay, false));
    world.lose_blob(&receipt);
    assert_eq!(world.history(id).await, lines);
    assert_eq!(world.metrics.operator_acts.of("reroute").value(), 0);
}

#[tokio::test(start_paused = true)]
async fn without_its_packet_nothing_is_put_in_anybodys_way() {
    let mut world = World::new();
    dead(&world, &[B]);
    let receipt = world.send(letter(1, &[B])).await;
    world.quiet().await;
    world.lose_blob(&receipt);
    assert_eq!(act(&world, to(C), only(&receipt)).await.verdict, Verdict::BlobMissing);
}

/// In the new queue its place is by its order: what is related and came later does not pass it.
#[tokio::test(start_paused = true)]
async fn what_is_related_in_the_new_queue_waits_for_it() {
    let mut world = moving().await;
    let first = world.send(letter(1, &[MOVING])).await;
    world.quiet().await;
    world.reload(MOVED_TO_THE_AXIS);
    dead(&world, &[MOVING, X]);
    let revokes = letter(2, &[MOVING]).business(BusinessType::Revoke, "nhầm", &name_of(1));
    let blocker = world.send(letter(3, &[X])).await;
    world.quiet().await;
    let second = world.send(revokes).await;
    world.quiet().await;
    assert_eq!(world.delivery(only(&second)).await.route.system, system("vpcp"));
    assert!(act(&world, BY_DIRECTORY, only(&first)).await.done);
    world.answer(|consignment, _| Ok(taken(consignment)));
    world.pass(SECOND * 200, SECOND * 10).await;
    let left: Vec<_> = world.consigned().into_iter().map(|(document, _)| document).collect();
    let place = |receipt: &Receipt| left.iter().rposition(|document| *document == receipt.document_id);
    assert!(place(&first).expect("left") < place(&second).expect("left"), "{left:?}");
    assert_eq!(world.states(&blocker).await, [State::HandedOver]);
}

/// Letter 1 and its revocation wait for one receiver that has moved behind the axis.
async fn two_related() -> (World, [DeliveryId; 2]) {
    let mut world = moving().await;
    let first = world.send(letter(1, &[MOVING])).await;
    let revokes = letter(2, &[MOVING]).business(BusinessType::Revoke, "nhầm", &name_of(1));
    let second = world.send(revokes).await;
    world.quiet().await;
    world.reload(MOVED_TO_THE_AXIS);
    (world, [only(&first), only(&second)])
}

#[tokio::test(start_paused = true)]
async fn what_is_related_never_overtakes_by_another_way() {
    let (mut world, [first, second]) = two_related().await;
    let outcome = act(&world, BY_DIRECTORY, second).await;
    assert_eq!((outcome.verdict, outcome.because), (Verdict::RelatedFirst, Some(first)));
    let outcome = act(&world, BY_DIRECTORY, first).await;
    assert_eq!((outcome.verdict, &outcome.parked), (Verdict::Rerouted, &vec![second]));
    let held = world.delivery(second).await;
    assert_eq!((held.state, held.route.system), (State::Parked, system("hai")));
    let last = world.history(second).await.pop().expect("a line");
    assert_eq!(last, ("parked".into(), format!("refers to rerouted delivery {first}")));
    world.answer(|consignment, _| Ok(taken(consignment)));
    world.pass(SECOND * 100, SECOND * 10).await;
    assert_eq!(world.delivery(first).await.state, State::HandedOver);
    assert_eq!(world.delivery(second).await.state, State::Parked, "until somebody decides");
    assert_eq!(act(&world, BY_DIRECTORY, second).await.verdict, Verdict::Rerouted);
    world.quiet().await;
    assert_eq!(world.delivery(second).await.state, State::HandedOver);
}

#[tokio::test(start_paused = true)]
async fn related_ones_go_another_way_together_in_their_order() {
    let (mut world, [first, second]) = two_related().await;
    world.answer(|consignment, _| Ok(taken(consignment)));
    let foreseen = hands(&world).foresee(BY_DIRECTORY, &[first, second], &by()).await;
    let done = hands(&world).act(BY_DIRECTORY, &[first, second], &by()).await;
    for (foreseen, done) in foreseen.iter().zip(&done) {
        assert_eq!((foreseen.verdict, &foreseen.route), (done.verdict, &done.route));
        assert!(foreseen.dry_run && foreseen.is_good() && !foreseen.done && done.done);
    }
    world.pass(SECOND * 100, SECOND * 10).await;
    let left: Vec<_> = world.consigned().into_iter().map(|(document, _)| document).collect();
    let mut documents = Vec::new();
    for id in [first, second] {
        documents.push(world.delivery(id).await.document);
    }
    assert_eq!(left, documents);
}

/// What goes to somebody else leaves what refers to it behind, held.
#[tokio::test(start_paused = true)]
async fn what_refers_to_one_that_goes_to_somebody_else_is_held() {
    let (mut world, [first, second]) = two_related().await;
    dead(&world, &[MOVING]);
    let outcome = act(&world, to(C), second).await;
    assert_eq!(outcome.verdict, Verdict::Rerouted, "who gets it has nothing to wait for");
    let outcome = act(&world, to(B), first).await;
    assert_eq!((outcome.verdict, outcome.parked.len()), (Verdict::Rerouted, 0), "it is not there any more");
    world.quiet().await;
    assert_eq!((world.got(B).len(), world.got(C).len()), (1, 1));
}

/// A part that leaves its consignment does not keep the others waiting, and one that joins leaves with them.
#[tokio::test(start_paused = true)]
async fn a_part_of_a_consignment_can_leave_it() {
    let more = "[[organisation]]\norgan_id = \"G01.09\"\nname = \"Bộ Chín\"\nhome = { axis = \"vpcp\" }\n";
    let mut world = World::open(Setup { directory: more.to_owned(), ..Setup::default() });
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
    let receipt = world.send(letter(1, &["G01.09", Y, Z])).await;
    world.quiet().await;
    world.reload(&more.replace("axis = \"vpcp\"", "system = \"ba\""));
    assert!(act(&world, BY_DIRECTORY, only(&receipt)).await.done);
    let tries = world.consigned().len();
    world.answer(|consignment, _| Ok(taken(consignment)));
    world.pass(SECOND * 30, SECOND * 10).await;
    assert_eq!(world.states(&receipt).await, [State::Received, State::HandedOver, State::HandedOver]);
    assert_eq!(world.consigned()[tries..], [(receipt.document_id, vec![Y.to_owned(), Z.to_owned()])]);
}

/// An exact repeat still finds the receiver served, and nobody gets the document twice.
#[tokio::test(start_paused = true)]
async fn a_repeat_after_a_reroute_makes_no_second_delivery() {
    let mut world = World::new();
    dead(&world, &[B]);
    let receipt = world.send(letter(1, &[B])).await;
    world.quiet().await;
    assert!(act(&world, to(C), only(&receipt)).await.done);
    world.quiet().await;
    for expected in [true, true] {
        let again = world.accept(letter(1, &[B])).await;
        assert_eq!((again.replayed, again.receipt.document_id), (expected, receipt.document_id));
    }
    world.quiet().await;
    assert_eq!(world.got(C).len(), 1);
}
