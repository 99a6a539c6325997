//! States where something is missing, comes back or fails half way.

use lienthong_schemas::business_state::Event;

use super::again::{all, on_disk, opened_again};
use super::*;
use crate::pipeline::hooks::Fate;
use crate::pipeline::world::new_folder;

/// A status packet without its `Timestamp`.
fn undated(code: StatusCode, why: &str) -> Vec<u8> {
    let packet = status(B, A, 1, code, "2026-01-05T02:00:10Z", why);
    let text = String::from_utf8(packet).expect("UTF-8");
    let (begin, end) =
        (text.find("<edXML:Timestamp>").expect("one"), text.find("</edXML:Timestamp>").expect("one"));
    format!("{}{}", &text[..begin], &text[end + "</edXML:Timestamp>".len()..]).into_bytes()
}

#[tokio::test(start_paused = true)]
async fn two_words_without_a_time_are_two() {
    let mut world = World::new();
    world.send(letter(1, &[B])).await;
    for (why, replayed) in [("giao phòng một", false), ("giao phòng hai", false), ("giao phòng hai", true)]
    {
        let accepted = world.bring(undated(StatusCode::InProgress, why), "hai").await.expect("accepted");
        assert_eq!(accepted.replayed, replayed, "{why}");
    }
    world.quiet().await;
    assert_eq!(world.got(A).len(), 2, "both are delivered");
}

#[tokio::test(start_paused = true)]
async fn what_the_gateway_knows_is_told_before_many_oddities_of_the_packet() {
    let world = World::new();
    let many = |letter: DocumentBuilder| {
        (0..30).fold(letter, |letter, n| letter.trace(&format!("28.{n}.H17"), "2026/01/02 08:00:00"))
    };
    let receipt = world.send(many(letter(2, &[B]).business(BusinessType::Revoke, "thôi", &name_of(9)))).await;
    assert_eq!(odd(&receipt), ["CHANGE_DOCUMENT_UNKNOWN"]);
    let codes: Vec<_> = receipt.remarks.iter().map(|remark| remark.code.as_str()).collect();
    assert!(codes.contains(&"CHANGE_DOCUMENT_UNKNOWN"), "{codes:?}");
    for code in receipt.findings.iter().filter(|code| codes.len() < 20 || code.starts_with("CHANGE")) {
        assert!(codes.contains(&code.as_str()), "{code} has no place in {codes:?}");
    }
}

/// Letter 1 of A to B, with `added` saying what an update makes of B as a receiver.
fn listing(number: u32, receiver_type: &str) -> DocumentBuilder {
    let list = format!(
        "<edXML:BussinessDocumentInfo><edXML:DocumentReceiver>1</edXML:DocumentReceiver><edXML:ReceiverList>\
         <edXML:Receiver><edXML:OrganId>{B}</edXML:OrganId><edXML:ReceiverType>{receiver_type}</edXML:ReceiverType>\
         </edXML:Receiver></edXML:ReceiverList></edXML:BussinessDocumentInfo></edXML:Bussiness>"
    );
    change(number, BusinessType::Update, &[B]).with_raw("</edXML:Bussiness>", &list)
}

#[tokio::test(start_paused = true)]
async fn who_is_added_again_begins_again() {
    let world = World::new();
    world.send(letter(1, &[B, C])).await;
    assert_eq!(says(&world, B, "01 03").await, [""; 0]);
    assert_eq!(odd(&world.send(listing(2, "0")).await), [""; 0]);
    assert_eq!(odd(&say(&world, B, A, 1, "15", 60).await), [""; 0]);
    assert_eq!(state(&world, 1, B).await, "withdrawn");
    assert_eq!(odd(&world.send(listing(3, "1")).await), [""; 0]);
    assert_eq!(state(&world, 1, B).await, "none", "for it the document is new");
    assert_eq!(odd(&say(&world, B, A, 1, "01", 61).await), [""; 0]);
    assert_eq!(odd(&say(&world, B, A, 1, "03", 62).await), [""; 0]);
    assert_eq!(odd(&world.send(listing(4, "1")).await), [""; 0]);
    assert_eq!(state(&world, 1, B).await, "03", "it was there already");
}

#[tokio::test]
async fn a_store_that_fails_once_leaves_the_states_that_a_new_one_has() {
    let (world, store) = on_disk(new_folder()).await;
    world.send(letter(1, &[B])).await;
    // The admission is on disk, the store refuses it, and the process lives on.
    store.admit.set(|_| Fate::Fails);
    let first = status(B, A, 1, StatusCode::Arrived, "2026-01-05T02:00:10Z", "");
    world.bring(first.clone(), "hai").await.expect_err("our trouble");
    store.admit.clear();
    world.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(odd(&say(&world, B, A, 1, "03", 11).await), [""; 0]);
    world.clock.advance(std::time::Duration::from_secs(1));
    world.bring(first, "hai").await.expect("sent again, and accepted");
    let live = all(&world).await;
    assert_eq!(
        live[0].expect("a state").state,
        lienthong_schemas::business_state::BusinessState::default()
            .apply(Event::Receiver(StatusCode::Registered))
            .state
    );
    let (world, _) = opened_again(world, false).await;
    assert_eq!(all(&world).await, live, "after a restart");
    let (world, _) = opened_again(world, true).await;
    assert_eq!(all(&world).await, live, "in a store that is built anew");
}

#[tokio::test]
async fn a_move_that_a_restart_finds_late_does_not_undo_a_later_one() {
    let (world, store) = on_disk(new_folder()).await;
    world.send(letter(1, &[B])).await;
    store.admit.set(|_| Fate::Fails);
    let first = status(B, A, 1, StatusCode::Arrived, "2026-01-05T02:00:10Z", "");
    world.bring(first, "hai").await.expect_err("our trouble");
    store.admit.clear();
    world.clock.advance(std::time::Duration::from_secs(1));
    say(&world, B, A, 1, "03", 11).await;
    let live = all(&world).await;
    let (world, _) = opened_again(world, false).await;
    assert_eq!(all(&world).await, live, "after a restart");
    let (world, _) = opened_again(world, true).await;
    assert_eq!(all(&world).await, live, "in a store that is built anew");
}
