//! Submissions by the SDK's protocol that go to some of the receivers of their packet (`to`), and what is said of their
//! sender (`from`).

use std::time::Duration;

use lienthong_adapters::contract::{failure, received};
use lienthong_pipeline::examine::Refused;
use lienthong_pipeline::intake::Accepted;
use lienthong_pipeline::ports::FailureClass;
use lienthong_pipeline::record::State;
use lienthong_schemas::edxml::{BusinessType, DocumentBuilder, StatusCode};
use lienthong_schemas::rejections::RejectionCode;

use super::world::{A, B, B_ALIAS, C, D, World, letter, name_of, status};

async fn to(world: &World, letter: DocumentBuilder, to: &[&str]) -> Result<Accepted, Refused> {
    world.bring_beside(letter.to_bytes().expect("written"), "mot", A, Some(to)).await
}

async fn taken(world: &World, letter: DocumentBuilder, chosen: &[&str]) -> Accepted {
    to(world, letter, chosen).await.expect("accepted")
}

fn code_of(refused: Result<Accepted, Refused>) -> (RejectionCode, String) {
    match refused.expect_err("refused") {
        Refused::Rejected(rejection) => (rejection.code, rejection.field.unwrap_or_default()),
        Refused::Fault(fault) => panic!("{fault}"),
    }
}

fn receivers(accepted: &Accepted) -> Vec<&str> {
    accepted.receipt.deliveries.iter().map(|line| line.receiver.as_str()).collect()
}

/// Submissions of one letter to one receiver after the other, in every way, and then to all.
async fn one_by_one(world: &mut World, letter: impl Fn() -> DocumentBuilder) {
    let first = taken(world, letter(), &[B]).await;
    assert_eq!((receivers(&first), first.replayed), (vec![B], false));
    let again = taken(world, letter(), &[B_ALIAS]).await;
    assert!(again.replayed, "the same, by an older code");
    assert_eq!(again.receipt, first.receipt);
    let second = taken(world, letter(), &[C]).await;
    assert_eq!((receivers(&second), second.replayed), (vec![C], false));
    assert_ne!(second.receipt.document_id, first.receipt.document_id);
    let both = taken(world, letter(), &[C, B, C]).await;
    assert!(both.replayed, "both have it");
    let rest = taken(world, letter(), &[D, C]).await;
    assert_eq!(receivers(&rest), [D], "who has it gets it no more");
    let whole =
        world.bring_beside(letter().to_bytes().expect("written"), "mot", A, None).await.expect("taken");
    assert!(whole.replayed, "all have it");
    let whole = taken(world, letter(), &[D, C, B]).await;
    assert!(whole.replayed);
    world.quiet().await;
    assert_eq!([B, C, D].map(|code| world.got(code).len()), [1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_letter_goes_to_those_that_are_chosen_and_to_each_once() {
    let mut world = World::new();
    one_by_one(&mut world, || letter(1, &[B, C, D])).await;
}

#[tokio::test(start_paused = true)]
async fn and_so_does_an_update_which_has_no_other_key_than_its_bytes() {
    let mut world = World::new();
    world.send(letter(1, &[B, C, D])).await;
    world.quiet().await;
    let update = || {
        letter(2, &[B, C, D])
            .business(BusinessType::Update, "Sửa ngày họp", &name_of(1))
            .document_id(&name_of(2))
    };
    let first = taken(&world, update(), &[B]).await;
    let rest = taken(&world, update(), &[B, C]).await;
    assert_eq!((receivers(&first), receivers(&rest)), (vec![B], vec![C]));
    assert!(taken(&world, update(), &[C, B]).await.replayed);
    world.quiet().await;
    assert_eq!([B, C, D].map(|code| world.got(code).len()), [2, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_large_packet_stays_with_the_broker_for_the_last_of_its_documents() {
    let mut world = World::new();
    let large = || {
        let scan = std::io::Read::take(std::io::repeat(9), 700_000);
        letter(1, &[B, C]).attach("scan.pdf", "application/pdf", scan)
    };
    let stored = |world: &World| {
        std::fs::read_dir(world.folder.path().join("object-store")).expect("a folder").count()
    };
    world.answer(|consignment, _| match consignment.delivery.route.receiver.as_str() {
        C => Err(failure(FailureClass::Receiver, "connect")),
        _ => Ok(received()),
    });
    let waits = taken(&world, large(), &[C]).await;
    let over = taken(&world, large(), &[B]).await;
    assert_eq!(waits.receipt.sha256, over.receipt.sha256);
    world.quiet().await;
    assert_eq!(world.states(&over.receipt).await, [State::Received]);
    assert_eq!((world.states(&waits.receipt).await, stored(&world)), (vec![State::Queued], 1));
    world.answer(|_, _| Ok(received()));
    world.advance(Duration::from_secs(60)).await;
    assert_eq!((world.states(&waits.receipt).await, stored(&world)), (vec![State::Received], 0));
}

#[tokio::test(start_paused = true)]
async fn all_at_first_leave_nobody_to_choose() {
    let mut world = World::new();
    let bytes = letter(1, &[B, C]).to_bytes().expect("written");
    let whole = world.bring_beside(bytes, "mot", A, None).await.expect("taken");
    let listed = taken(&world, letter(1, &[B, C]), &[C, B]).await;
    assert!(listed.replayed && listed.receipt == whole.receipt, "all of them are no choice");
    let some = taken(&world, letter(1, &[B, C]), &[C]).await;
    assert!(some.replayed && some.receipt == whole.receipt);
    let plain = world.accept(letter(1, &[B, C])).await;
    assert!(plain.replayed && plain.receipt == whole.receipt, "at the other door it is the same document");
    world.quiet().await;
    assert_eq!([B, C].map(|code| world.got(code).len()), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_chosen_whom_the_packet_does_not_name() {
    let mut world = World::new();
    let refused = |code, field: &str| (code, field.to_owned());
    let not_named = refused(RejectionCode::ReceiverNotInPacket, "XroadVnpt-to");
    assert_eq!(code_of(to(&world, letter(1, &[B]), &[B, C]).await), not_named);
    assert_eq!(code_of(to(&world, letter(1, &[B]), &["H01.99"]).await), not_named);
    let nobody = refused(RejectionCode::ReceiverMissing, "XroadVnpt-to");
    assert_eq!(code_of(to(&world, letter(1, &[B]), &[]).await), nobody);
    // A receiver that cannot be reached hinders only who chooses it.
    let unknown = refused(RejectionCode::ReceiverUnknown, "edXMLHeader/MessageHeader/To[2]/OrganId");
    assert_eq!(code_of(to(&world, letter(1, &[B, "H01.99"]), &["H01.99"]).await), unknown);
    assert_eq!(receivers(&taken(&world, letter(1, &[B, "H01.99"]), &[B]).await), [B]);
    world.quiet().await;
    assert_eq!((world.got(B).len(), world.got(C).len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn who_sends_is_said_as_the_packet_says_it() {
    let world = World::new();
    let bytes = || letter(1, &[B]).to_bytes().expect("written");
    let said = |from: &'static str| world.bring_beside(bytes(), "mot", from, None);
    let another = (RejectionCode::SenderNotYours, "XroadVnpt-from".to_owned());
    assert_eq!(code_of(said(B).await), another);
    assert_eq!(code_of(said("H01.99").await), another);
    let not_theirs = world.bring_beside(bytes(), "hai", A, None).await;
    assert_eq!(code_of(not_theirs).0, RejectionCode::SenderNotYours);
    assert!(said(A).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_status_goes_to_whom_it_answers() {
    let mut world = World::new();
    world.send(letter(1, &[B])).await;
    world.quiet().await;
    let word = || status(B, A, 1, StatusCode::Arrived, "2026-01-05T03:04:05Z", "");
    let wrong = world.bring_beside(word(), "hai", B, Some(&[C])).await;
    assert_eq!(code_of(wrong).0, RejectionCode::ReceiverNotInPacket);
    let by_alias = world.bring_beside(word(), "hai", B_ALIAS, Some(&[A])).await.expect("taken");
    assert_eq!(receivers(&by_alias), [A]);
    let again = world.bring_beside(word(), "hai", B, None).await.expect("taken");
    assert!(again.replayed && again.receipt == by_alias.receipt);
}
