//! What its sender takes back before it left (docs/recall.md): revocations, updates that remove a receiver, and 13.

use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lienthong_adapters::contract::failure;
use lienthong_config::Undelivered;
use lienthong_pipeline::ports::{DeliveryFailure, FailureClass, Transition};
use lienthong_pipeline::recognise::delivery_id;
use lienthong_pipeline::record::{BootId, Fence, Receipt, State};
use lienthong_schemas::document_name;
use lienthong_schemas::edxml::{BusinessType, DocumentBuilder, StatusCode};
use lienthong_schemas::ids::{DocumentId, StandingKey};

use super::world::{A, B, B_ALIAS, C, D, Setup, World, X, Y, Z, letter, name_of, organ, status, taken};

mod chance;
mod holders;
mod lists;

fn withdrawing() -> Setup {
    Setup { undelivered: Undelivered::Withdraw, ..Setup::default() }
}

/// Organisations that cannot be reached now: nothing arrives there, and it is certain that nothing does.
#[derive(Clone, Default)]
struct Down(Arc<Mutex<Vec<&'static str>>>);

impl Down {
    fn of(world: &World, organisations: &[&'static str]) -> Self {
        let down = Self::default();
        down.set(organisations);
        let asked = down.clone();
        world.answer(move |consignment, _| {
            let down = asked.0.lock().expect("a list");
            match consignment.receivers.iter().any(|to| down.iter().any(|code| to.as_str() == *code)) {
                true => Err(failure(FailureClass::Receiver, "connect")),
                false => Ok(taken(consignment)),
            }
        });
        down
    }

    fn set(&self, organisations: &[&'static str]) {
        *self.0.lock().expect("a list") = organisations.to_vec();
    }
}

/// A packet of A, numbered `number`, about letter 1.
fn about(number: u32, kind: BusinessType, to: &[&str]) -> DocumentBuilder {
    letter(number, to).business(kind, "thôi", &name_of(1))
}

fn revocation(number: u32, to: &[&str]) -> DocumentBuilder {
    about(number, BusinessType::Revoke, to)
}

/// A asks `to` for letter 1 back.
async fn asks_back(world: &World, to: &str, second: u32) -> Receipt {
    let at = format!("2026-01-05T02:00:{second:02}Z");
    let packet = status(A, to, 1, StatusCode::RecallAsked, &at, "gửi nhầm");
    world.bring(packet, "mot").await.expect("accepted").receipt
}

/// What the receipt says of recalls: codes with their details.
fn told(receipt: &Receipt) -> Vec<(&str, &str)> {
    let remarks = receipt.remarks.iter().filter(|remark| remark.code.starts_with("RECALL_"));
    remarks.map(|remark| (remark.code.as_str(), remark.detail.as_str())).collect()
}

/// The business state of letter 1 at a receiver as it is written.
async fn standing(world: &World, receiver: &str) -> String {
    let name = document_name::by_document_id(&organ(A), &name_of(1));
    let key = StandingKey::of(&name, &organ(receiver));
    let found = world.ports.store.standings(vec![key]).await.expect("the store answers")[0];
    found.map_or_else(|| "-".to_owned(), |standing| standing.state.to_string())
}

/// The documents that an organisation took, oldest first.
fn took(world: &World, organisation: &str) -> Vec<DocumentId> {
    let attempts = world.adapter.attempts().into_iter();
    let here = attempts.filter(|attempt| attempt.consignment.receivers.contains(&organ(organisation)));
    here.map(|attempt| attempt.seen.document).collect()
}

/// Everybody is back, and whatever can be delivered is.
async fn all_back(world: &mut World, down: &Down) {
    down.set(&[]);
    world.pass(Duration::from_secs(300), Duration::from_secs(20)).await;
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_has_not_left_is_withdrawn_with_its_revocation() {
    let mut world = World::open(withdrawing());
    let down = Down::of(&world, &[B]);
    let first = world.send(letter(1, &[B, C])).await;
    world.quiet().await;
    let tried = took(&world, B).len();
    assert_eq!(tried, 1, "it was tried, and nobody was there");
    let revoked = world.send(revocation(2, &[B, C])).await;
    assert_eq!(told(&revoked), [("RECALL_UNDELIVERED", B)]);
    world.quiet().await;
    assert_eq!(world.states(&first).await, [State::Withdrawn, State::Received]);
    assert_eq!(world.states(&revoked).await, [State::Withdrawn, State::Received]);
    all_back(&mut world, &down).await;
    assert_eq!(took(&world, B).len(), tried, "neither goes to who was away");
    assert_eq!(took(&world, C), [first.document_id, revoked.document_id]);

    // Both say why, the store owes no note, and nobody has to answer.
    let why = world.history(first.deliveries[0].delivery_id).await.pop().expect("a line");
    assert_eq!(why, ("withdrawn".to_owned(), format!("taken back by its sender in {}", revoked.document_id)));
    let why = world.history(revoked.deliveries[0].delivery_id).await.pop().expect("a line");
    assert_eq!(
        why,
        ("withdrawn".to_owned(), "what it takes back had not left, and was withdrawn".to_owned())
    );
    assert!(world.ports.store.pending_reports(9).await.expect("read").is_empty());
    assert_eq!(world.metrics.settled.of("withdrawn").value(), 2);
    assert_eq!((standing(&world, B).await, standing(&world, C).await), ("withdrawn".into(), "none 1".into()));
    let answer = status(B, A, 1, StatusCode::ChangeAgreed, "2026-01-05T03:00:00Z", "");
    let answer = world.bring(answer, "hai").await.expect("accepted").receipt;
    assert!(answer.findings.contains(&"STATUS_UNEXPECTED".to_owned()), "{:?}", answer.findings);

    // What it hears later of the same document it may have, and a second revocation has nothing left to take back.
    let again = world.send(revocation(3, &[B])).await;
    assert_eq!(told(&again), []);
    world.quiet().await;
    assert_eq!(world.states(&again).await, [State::Withdrawn]);
    assert_eq!((world.broker.waiting(), took(&world, B).len()), (0, tried));
}

/// The revocation comes before the letter was published, while it lies in the broker, or after it was taken over.
#[tokio::test(start_paused = true)]
async fn what_lies_in_the_broker_is_dropped_when_it_comes_out() {
    for rests in 0..40 {
        let is_published = rests % 4 != 0;
        let mut world = World::open(withdrawing());
        let _down = Down::of(&world, &[B]);
        world.broker.stop();
        let first = world.send(letter(1, &[B])).await;
        world.quiet().await;
        if is_published {
            world.broker.start();
            world.clock.advance(Duration::from_secs(60));
            for _ in 0..rests {
                tokio::task::yield_now().await;
            }
        }
        let revoked = world.send(revocation(2, &[B])).await;
        world.broker.start();
        world.pass(Duration::from_secs(600), Duration::from_secs(30)).await;
        let states = [world.states(&first).await, world.states(&revoked).await];
        // An attempt that was under way at that moment counts as delivered: then both stay.
        let under_way = is_published && states == [[State::Queued]; 2] && !took(&world, B).is_empty();
        assert!(under_way || states == [[State::Withdrawn]; 2], "{rests} rests: {states:?}");
        assert!(took(&world, B).iter().all(|id| *id == first.document_id), "{rests} rests");
        assert_eq!(world.broker.waiting(), 0, "{rests} rests");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_or_may_have_arrived_is_followed_by_its_revocation() {
    for leased in [true, false] {
        let mut world = World::open(withdrawing());
        let down = Down::of(&world, &[B]);
        if !leased {
            world.answer(|_, _| {
                Err(DeliveryFailure { may_have_arrived: true, ..failure(FailureClass::Receiver, "timeout") })
            });
        }
        let first = world.send(letter(1, &[B])).await;
        world.quiet().await;
        if leased {
            let (id, now) = (first.deliveries[0].delivery_id, world.ports.clock.now());
            let lease = Transition::Leased { boot: BootId::new(7), fence: Fence::ALONE };
            world.ports.store.transition(id, now, lease).await.expect("written").expect("fits");
        }
        let revoked = world.send(revocation(2, &[B])).await;
        assert_eq!(told(&revoked), []);
        world.quiet().await;
        assert_eq!(world.states(&first).await, [State::Queued]);
        world.answer(|consignment, _| Ok(taken(consignment)));
        all_back(&mut world, &down).await;
        assert_eq!(world.states(&first).await, [State::Received]);
        assert_eq!(world.states(&revoked).await, [State::Received]);
        let order = took(&world, B);
        assert_eq!(order.last(), Some(&revoked.document_id));
        assert_eq!(order.iter().filter(|id| **id == revoked.document_id).count(), 1, "in their order");
        assert_eq!(standing(&world, B).await, "none 1");
    }
}

#[tokio::test(start_paused = true)]
async fn the_settings_may_have_both_delivered() {
    let mut world = World::open(Setup { undelivered: Undelivered::Deliver, ..Setup::default() });
    let down = Down::of(&world, &[B]);
    let first = world.send(letter(1, &[B, C])).await;
    world.quiet().await;
    let revoked = world.send(revocation(2, &[B])).await;
    assert_eq!(told(&revoked), [("RECALL_INCOMPLETE", C)]);
    all_back(&mut world, &down).await;
    assert_eq!(took(&world, B)[1..], [first.document_id, revoked.document_id]);
}

#[tokio::test(start_paused = true)]
async fn all_that_was_sent_about_it_goes_with_it_and_a_replacement_does_not() {
    let mut world = World::open(withdrawing());
    let down = Down::of(&world, &[B]);
    let first = world.send(letter(1, &[B])).await;
    // An update with a name of its own, one with the same, and a document in its place.
    let update = world.send(about(2, BusinessType::Update, &[B])).await;
    let same_name = letter(1, &[B]).business(BusinessType::Update, "sửa", "").subject("khác");
    let same_name = world.send(same_name).await;
    let other = world.send(letter(4, &[B]).replaces("thay", &[name_of(1)])).await;
    // An attempt that is under way counts as one that arrived.
    world.quiet().await;
    let revoked = world.send(revocation(5, &[B])).await;
    assert_eq!(told(&revoked), [("RECALL_UNDELIVERED", B)]);
    world.quiet().await;
    for gone in [&first, &update, &same_name, &revoked] {
        assert_eq!(world.states(gone).await, [State::Withdrawn]);
    }
    all_back(&mut world, &down).await;
    assert_eq!(world.states(&other).await, [State::Received], "it is a document of its own");

    // One that arrived keeps all that is about it in its order.
    let mut world = World::open(withdrawing());
    let down = Down::of(&world, &[]);
    let first = world.send(letter(1, &[B])).await;
    world.quiet().await;
    down.set(&[B]);
    let update = world.send(about(2, BusinessType::Update, &[B])).await;
    world.quiet().await;
    let revoked = world.send(revocation(5, &[B])).await;
    assert_eq!(told(&revoked), []);
    all_back(&mut world, &down).await;
    let order = took(&world, B);
    assert_eq!(
        [order[0], order[order.len() - 2], order[order.len() - 1]],
        [first.document_id, update.document_id, revoked.document_id]
    );
}

#[tokio::test(start_paused = true)]
async fn a_replacement_of_a_letter_that_has_not_left_takes_nothing_back() {
    let mut world = World::open(withdrawing());
    let down = Down::of(&world, &[B]);
    let first = world.send(letter(1, &[B])).await;
    let other = world.send(letter(2, &[B]).replaces("thay", &[name_of(1)])).await;
    assert_eq!(told(&other), []);
    all_back(&mut world, &down).await;
    // It may have been tried while B was down.
    let order = took(&world, B);
    assert_eq!(order[order.len().saturating_sub(2)..], [first.document_id, other.document_id]);
}

/// Behind an axis a letter is one consignment; who is taken back from is left out of it.
#[tokio::test(start_paused = true)]
async fn behind_an_axis_the_consignment_leaves_for_the_others() {
    let mut world = World::open(withdrawing());
    let down = Down::of(&world, &[X, Y, Z]);
    let first = world.send(letter(1, &[X, Y, Z])).await;
    world.quiet().await;
    let some = world.send(revocation(2, &[X, Y])).await;
    assert_eq!(told(&some), [("RECALL_INCOMPLETE", Z), ("RECALL_UNDELIVERED", "G01.01, G01.02")]);
    world.quiet().await;
    assert_eq!(world.states(&first).await, [State::Withdrawn, State::Withdrawn, State::Queued]);
    assert_eq!(world.states(&some).await, [State::Withdrawn; 2]);
    let before = world.consigned().len();
    all_back(&mut world, &down).await;
    assert_eq!(world.consigned()[before..], [(first.document_id, vec![Z.to_owned()])]);

    let rest = world.send(revocation(3, &[X, Y, Z])).await;
    assert_eq!(told(&rest), []);
    world.quiet().await;
    assert_eq!(world.states(&rest).await, [State::Withdrawn, State::Withdrawn, State::HandedOver]);
    assert_eq!(world.consigned().last(), Some(&(rest.document_id, vec![Z.to_owned()])));
}

#[tokio::test(start_paused = true)]
async fn a_letter_asked_back_is_held_and_sent_on_or_withdrawn() {
    for revoked in [false, true] {
        let mut world = World::open(withdrawing());
        let down = Down::of(&world, &[B]);
        let first = world.send(letter(1, &[B, C])).await;
        world.quiet().await;
        let asked = asks_back(&world, B, 1).await;
        assert_eq!(told(&asked), [("RECALL_HELD", B)]);
        let delivered = asks_back(&world, C, 2).await;
        assert_eq!(told(&delivered), []);
        all_back(&mut world, &down).await;
        assert_eq!(world.states(&first).await, [State::Parked, State::Received]);
        assert_eq!(world.states(&asked).await, [State::Parked]);
        assert_eq!(took(&world, C), [first.document_id, delivered.document_id], "that one goes its way");
        assert_eq!((took(&world, B).len(), took(&world, A).len()), (1, 0), "nobody answers for the receiver");
        let (event, note) = world.history(first.deliveries[0].delivery_id).await.pop().expect("a line");
        assert_eq!(event, "held");
        assert!(note.contains("(13)") && note.contains(&asked.document_id.to_string()), "{note}");
        assert_eq!((standing(&world, B).await, world.metrics.parked.value()), ("none 13".into(), 2));

        if revoked {
            let revoked = world.send(revocation(2, &[B])).await;
            assert_eq!(told(&revoked), [("RECALL_INCOMPLETE", C), ("RECALL_UNDELIVERED", B)]);
            world.quiet().await;
            assert_eq!(world.states(&first).await, [State::Withdrawn, State::Received]);
            assert_eq!(world.states(&asked).await, [State::Withdrawn]);
            assert_eq!(world.states(&revoked).await, [State::Withdrawn]);
            assert_eq!((standing(&world, B).await, took(&world, B).len()), ("withdrawn".into(), 1));
            continue;
        }
        for id in [first.deliveries[0].delivery_id, asked.deliveries[0].delivery_id] {
            let again = Transition::Requeued { note: "operator".to_owned() };
            world
                .ports
                .store
                .transition(id, world.ports.clock.now(), again)
                .await
                .expect("written")
                .expect("fits");
        }
        world.wakes.relay.notify_one();
        world.quiet().await;
        assert_eq!(took(&world, B)[1..], [first.document_id, asked.document_id]);
    }
}

/// The old code of the receiver, and the one who took it over, are who was to have the letter.
#[tokio::test(start_paused = true)]
async fn whichever_code_names_the_receiver() {
    let mut world = World::open(withdrawing());
    let _down = Down::of(&world, &[B]);
    let first = world.send(letter(1, &[B_ALIAS, C])).await;
    world.quiet().await;
    let revoked = world.send(revocation(2, &[B, C])).await;
    world.quiet().await;
    assert_eq!(world.states(&first).await[0], State::Withdrawn);
    assert_eq!(world.states(&revoked).await[0], State::Withdrawn);
    assert_eq!(revoked.deliveries[0].delivery_id, delivery_id(revoked.document_id, &organ(B)));
}

#[tokio::test(start_paused = true)]
async fn a_large_letter_that_is_withdrawn_leaves_the_broker() {
    let mut world = World::open(withdrawing());
    let _down = Down::of(&world, &[B]);
    let large = letter(1, &[B]).attach("ban-ve.pdf", "application/pdf", std::io::repeat(7).take(400_000));
    let first = world.send(large).await;
    world.quiet().await;
    let store = world.folder.path().join("object-store");
    let stored = || std::fs::read_dir(&store).expect("a folder").count();
    assert_eq!(stored(), 1);
    world.send(revocation(2, &[B])).await;
    world.quiet().await;
    assert_eq!(world.states(&first).await, [State::Withdrawn]);
    assert_eq!(stored(), 0, "nobody will fetch it");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_killed_after_the_decision_notes_it_when_it_starts_again() {
    let mut world = World::open(withdrawing());
    let _down = Down::of(&world, &[B]);
    let first = world.send(letter(1, &[B])).await;
    world.quiet().await;
    world.kill();
    let revoked = world.send(revocation(2, &[B])).await;
    assert_eq!(world.ports.store.pending_reports(9).await.expect("read").len(), 2, "owed");
    world.start();
    world.quiet().await;
    assert!(world.ports.store.pending_reports(9).await.expect("read").is_empty());
    for receipt in [&first, &revoked] {
        let note = world.folder.path().join("admissions").join(format!("{}.settled", receipt.document_id));
        let note = std::fs::read_to_string(note).expect("a note");
        assert!(note.contains(" withdrawn "), "{note}");
    }
}
