//! `RECALL_INCOMPLETE`: who has the document, or is to have it, and is left out of its revocation.

use std::fmt::Write;

use super::*;

/// Closed at the end of January 2026; B took over.
const CLOSING: &str = r#"
[[organisation]]
organ_id = "H55.50"
name = "Sở Sắp Thôi"
valid_to = "2026-01-31"
successors = ["H55.02"]
home = { system = "ba" }
"#;

#[tokio::test(start_paused = true)]
async fn who_has_it_or_will_have_it_is_named() {
    let mut world = World::open(withdrawing());
    world.answer(|consignment, _| match consignment.delivery.route.receiver.as_str() {
        C => Err(failure(FailureClass::Permanent, "http_422")),
        D => Err(failure(FailureClass::Receiver, "connect")),
        _ => Ok(taken(consignment)),
    });
    world.send(letter(1, &[B, C, D, X])).await;
    world.quiet().await;
    let revoked = world.send(revocation(2, &[Y])).await;
    assert_eq!(told(&revoked), [("RECALL_INCOMPLETE", "G01.01, H55.02, H55.04")], "C refused it");
    let remark = revoked.remarks.iter().find(|remark| remark.code == "RECALL_INCOMPLETE").expect("one");
    assert_eq!(remark.field, "edXMLHeader/MessageHeader/To");
    // One after the other: who was asked before is not named again, whether it has answered or not.
    assert_eq!(
        told(&world.send(revocation(3, &[B_ALIAS])).await)[0],
        ("RECALL_INCOMPLETE", "G01.01, H55.04")
    );
    assert_eq!(told(&world.send(revocation(4, &[D])).await)[0], ("RECALL_INCOMPLETE", X));
    assert_eq!(told(&world.send(revocation(5, &[X])).await), []);
    // An update is for whom it likes.
    assert_eq!(told(&world.send(about(6, BusinessType::Update, &[B])).await), []);
}

#[tokio::test(start_paused = true)]
async fn who_took_a_body_over_is_asked_for_it() {
    let mut world = World::open(Setup { directory: CLOSING.to_owned(), ..withdrawing() });
    world.send(letter(1, &["H55.50"])).await;
    world.advance(Duration::from_secs(27 * 24 * 3600)).await;
    for (number, to) in [(2, B), (3, "H55.50"), (4, B_ALIAS)] {
        assert_eq!(told(&world.send(revocation(number, &[to])).await), [], "{to}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_many_the_first_are_named_and_the_others_counted() {
    let mut directory = String::new();
    let codes: Vec<String> = (10..22).map(|n| format!("H77.{n}")).collect();
    for code in &codes {
        let home = "home = { system = \"ba\" }";
        writeln!(directory, "[[organisation]]\norgan_id = \"{code}\"\nname = \"n\"\n{home}")
            .expect("written");
    }
    let mut world = World::open(Setup { directory, ..withdrawing() });
    let to: Vec<&str> = codes.iter().map(String::as_str).collect();
    world.send(letter(1, &to)).await;
    world.quiet().await;
    let revoked = world.send(revocation(2, &[B])).await;
    assert_eq!(told(&revoked), [("RECALL_INCOMPLETE", "H77.10, H77.11, H77.12, H77.13, H77.14 (+7)")]);
}

/// More packets about it than are looked through: some may have left, so nothing is taken back.
#[tokio::test(start_paused = true)]
async fn what_is_too_much_to_look_through_is_delivered_in_its_order() {
    let mut world = World::open(withdrawing());
    let down = Down::of(&world, &[B]);
    world.send(letter(1, &[B])).await;
    for number in 2..=50 {
        world.send(about(number, BusinessType::Update, &[B])).await;
    }
    let all = world.send(revocation(60, &[B])).await;
    assert_eq!(world.states(&all).await, [State::Withdrawn], "fifty are looked through");
    let revoked = world.send(revocation(61, &[B])).await;
    assert_eq!(world.states(&revoked).await, [State::Queued], "and not one more");
    all_back(&mut world, &down).await;
    assert_eq!(took(&world, B).last(), Some(&revoked.document_id));
}
