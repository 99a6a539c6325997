//! What is recognised as what (design.md B3), and idempotency keys.

use std::time::Duration;

use lienthong_pipeline::examine::Refused;
use lienthong_pipeline::record::{IdempotencyKey, State};
use lienthong_schemas::edxml::{BusinessType, DocumentBuilder};
use lienthong_schemas::rejections::RejectionCode;

use super::world::{A, B, B_ALIAS, C, D, World, letter, name_of, system};

/// The same letter in other bytes: what differs is not part of its meaning.
fn in_other_bytes(number: u32, to: &[&str]) -> DocumentBuilder {
    letter(number, to).with_raw("Giám đốc", "Phó Giám đốc")
}

#[tokio::test(start_paused = true)]
async fn an_exact_repeat_gets_the_same_receipt_and_delivers_nothing_more() {
    let mut world = World::new();
    let first = world.accept(letter(1, &[B, C])).await;
    world.quiet().await;
    world.advance(Duration::from_secs(3600)).await;
    let again = world.accept(letter(1, &[B, C])).await;
    world.quiet().await;
    assert!(!first.replayed && again.replayed);
    assert_eq!(again.receipt, first.receipt);
    assert_eq!((world.adapter.attempts().len(), world.metrics.accepted.value()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn one_packet_brought_twice_at_one_moment_is_one_document() {
    let mut world = World::new();
    let (one, two, three) = tokio::join!(
        world.accept(letter(1, &[B])),
        world.accept(letter(1, &[B])),
        world.accept(in_other_bytes(1, &[B]))
    );
    assert_eq!([&one, &two, &three].iter().filter(|accepted| !accepted.replayed).count(), 1);
    assert_eq!(one.receipt.deliveries, two.receipt.deliveries);
    assert_eq!(one.receipt.deliveries, three.receipt.deliveries);
    world.quiet().await;
    assert_eq!((world.adapter.attempts().len(), world.metrics.accepted.value()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_same_letter_in_other_bytes_goes_to_new_receivers_only() {
    let mut world = World::new();
    let first = world.send(letter(1, &[B])).await;
    let same = world.accept(in_other_bytes(1, &[B])).await;
    assert!(same.replayed && same.receipt == first);
    let by_alias = world.accept(in_other_bytes(1, &[B_ALIAS])).await;
    assert!(by_alias.replayed && by_alias.receipt == first, "an old code names the same receiver");
    let more = world.accept(in_other_bytes(1, &[B, C])).await;
    assert!(!more.replayed && more.receipt.document_id != first.document_id);
    let receivers: Vec<&str> = more.receipt.deliveries.iter().map(|line| line.receiver.as_str()).collect();
    assert_eq!(receivers, [C]);
    world.quiet().await;
    assert_eq!((world.got(B).len(), world.got(C).len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn another_document_under_a_number_in_use_is_taken_with_a_finding_or_refused() {
    let mut world = World::new();
    world.send(letter(1, &[B])).await;
    let other = world.send(letter(1, &[C]).subject("V/v việc khác")).await;
    assert!(other.findings.iter().any(|finding| finding == "DOCID_REUSED"), "{:?}", other.findings);
    let rejection =
        world.refused(letter(1, &[D, B]).subject("V/v việc khác nữa"), RejectionCode::DocumentConflict).await;
    assert_eq!(rejection.code.row().status, 409);
    assert_eq!(rejection.field.as_deref(), Some("edXMLHeader/MessageHeader/To[2]/OrganId"));
    assert_eq!(rejection.detail.as_deref(), Some(B));
    world.refused(letter(1, &[B_ALIAS]).subject("V/v việc khác nữa"), RejectionCode::DocumentConflict).await;
    world.quiet().await;
    assert_eq!((world.got(B).len(), world.got(C).len(), world.got(D).len()), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_known_letter_does_not_bring_its_number_to_who_has_another_one_under_it() {
    let world = World::new();
    world.send(letter(1, &[B])).await;
    world.send(letter(1, &[C]).subject("V/v việc khác")).await;
    // The first letter again, for C too: C has another document under this DocumentId.
    world.refused(in_other_bytes(1, &[B, C]), RejectionCode::DocumentConflict).await;
    let wider = world.send(in_other_bytes(1, &[B, D])).await;
    assert!(wider.findings.iter().any(|finding| finding == "DOCID_REUSED"), "{:?}", wider.findings);
    assert_eq!(wider.deliveries.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn of_types_one_to_three_other_bytes_are_another_document() {
    let mut world = World::new();
    world.send(letter(1, &[B])).await;
    for kind in [BusinessType::Revoke, BusinessType::Update] {
        let once = |reason: &str| letter(1, &[B]).business(kind, reason, &name_of(1));
        let (first, second) = (world.accept(once("nhầm")).await, world.accept(once("nhầm lần nữa")).await);
        let again = world.accept(once("nhầm")).await;
        assert!(!first.replayed && !second.replayed && again.replayed, "{kind:?}");
        assert_eq!(again.receipt, first.receipt);
        assert_ne!(first.receipt.document_id, second.receipt.document_id);
    }
    let replacing = |reason: &str| letter(2, &[B]).replaces(reason, &[name_of(1)]);
    assert!(
        !world.accept(replacing("thay")).await.replayed
            && !world.accept(replacing("thay lại")).await.replayed
    );
    world.quiet().await;
    assert_eq!(world.got(B).len(), 7);
}

#[tokio::test(start_paused = true)]
async fn without_a_document_id_only_equal_bytes_are_a_repeat() {
    let mut world = World::new();
    let first = world.accept(letter(1, &[B]).document_id("")).await;
    assert!(world.accept(letter(1, &[B]).document_id("")).await.replayed);
    let other = world.accept(in_other_bytes(1, &[B]).document_id("")).await;
    assert!(!other.replayed && !other.receipt.findings.iter().any(|finding| finding == "DOCID_REUSED"));
    assert_ne!(other.receipt.document_id, first.receipt.document_id);
    world.quiet().await;
    assert_eq!(world.got(B).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_organisation_under_two_of_its_codes_is_repeated() {
    let world = World::new();
    for to in [[B, B_ALIAS], [B, B]] {
        let rejection = world.refused(letter(1, &to), RejectionCode::ReceiverRepeated).await;
        assert_eq!(rejection.field.as_deref(), Some("edXMLHeader/MessageHeader/To[2]/OrganId"));
    }
    assert_eq!(world.metrics.accepted.value(), 0);
}

fn key(of: &str, text: &str) -> Option<IdempotencyKey> {
    Some(IdempotencyKey { system: system(of), key: text.to_owned() })
}

#[tokio::test(start_paused = true)]
async fn an_idempotency_key_stands_for_one_body_of_one_system() {
    let world = World::new();
    let bytes = |number| letter(number, &[C]).to_bytes().expect("written");
    let first = world.bring_keyed(bytes(1), "mot", key("mot", "k")).await.expect("accepted");
    let again = world.bring_keyed(bytes(1), "mot", key("mot", "k")).await.expect("accepted");
    assert!(again.replayed && again.receipt == first.receipt);
    match world.bring_keyed(bytes(2), "mot", key("mot", "k")).await {
        Err(Refused::Rejected(rejection)) => {
            assert_eq!(rejection.code, RejectionCode::IdempotencyKeyReused);
            assert_eq!(rejection.code.row().status, 422);
        }
        other => panic!("{other:?}"),
    }
    let theirs = DocumentBuilder::new(B, &[A]).to_bytes().expect("written");
    let other_system = world.bring_keyed(theirs, "hai", key("hai", "k")).await.expect("another system's key");
    assert!(!other_system.replayed);

    world.clock.advance(Duration::from_secs(24 * 3600 + 1));
    let later = world.bring_keyed(bytes(2), "mot", key("mot", "k")).await.expect("the key is forgotten");
    assert!(!later.replayed);
}

#[tokio::test(start_paused = true)]
async fn an_idempotency_key_in_use_is_busy_and_a_refusal_sets_it_free() {
    let world = World::new();
    let busy = world.intake.begin(&system("mot"), "k").expect("free");
    let refused = world.intake.begin(&system("mot"), "k").err().expect("busy");
    assert_eq!(refused.code, RejectionCode::IdempotencyKeyInFlight);
    assert!(world.intake.begin(&system("hai"), "k").is_ok(), "another system's key");
    drop(busy);
    assert!(world.intake.begin(&system("mot"), "k").is_ok());
    for wrong in ["", "a b", "ệ", &"x".repeat(129)] {
        let refused = world.intake.begin(&system("mot"), wrong).err().expect("no key");
        assert_eq!(refused.code, RejectionCode::IdempotencyKeyInvalid, "{wrong:?}");
    }
    assert!(world.intake.begin(&system("mot"), &"x".repeat(128)).is_ok());

    let unknown = letter(1, &["H55.77"]).to_bytes().expect("written");
    assert!(world.bring_keyed(unknown, "mot", key("mot", "k")).await.is_err());
    let good = letter(1, &[B]).to_bytes().expect("written");
    let accepted =
        world.bring_keyed(good, "mot", key("mot", "k")).await.expect("the refused one left no key");
    assert_eq!(world.states(&accepted.receipt).await.len(), 1);
    assert_ne!(world.states(&accepted.receipt).await, [State::Parked]);
}
