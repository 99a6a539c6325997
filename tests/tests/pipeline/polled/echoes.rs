//! What comes back of what we sent to an axis, and what only looks like it.

use lienthong_adapters::contract::failure;
use lienthong_pipeline::ports::FailureClass;
use lienthong_pipeline::record::CopyRelation;

use super::super::world::{D, OWN, name_of, organ, taken};
use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn traced(number: u32, to: &[&str]) -> Vec<u8> {
    bytes(letter(number, to).trace("G22", "2026/01/02 03:04:06"))
}

#[tokio::test(start_paused = true)]
async fn what_we_sent_to_the_axis_is_confirmed_and_not_delivered() {
    let mut polling = Polling::open();
    let sent = polling.world.send(letter(1, &[B, X])).await;
    let word = status(A, X, 1, StatusCode::Finished, "2026-01-05T02:00:00Z", "");
    polling.world.bring(word.clone(), "mot").await.expect("accepted");
    let change = letter(1, &[X]).business(lienthong_schemas::edxml::BusinessType::Update, "sai", &name_of(1));
    let change_again = letter(1, &[X]).trace("G22", "2026/01/02 03:04:06").business(
        lienthong_schemas::edxml::BusinessType::Update,
        "sai",
        &name_of(1),
    );
    polling.world.send(change).await;
    polling.world.quiet().await;
    assert_eq!((polling.world.got(B).len(), polling.world.consigned().len()), (1, 3));
    // By its bytes; written anew; a status; a change written anew.
    let as_it_was =
        polling.world.ports.spool.read(sent.sha256, 1_000_000).await.expect("readable").expect("there");
    polling.put(B, &as_it_was);
    polling.put(B, &traced(1, &[B, X]));
    polling.inbox.put(Traffic::Statuses, A, X, &word);
    polling.put(B, &bytes(change_again));
    polling.look().await;
    polling.look().await;
    assert_eq!(polling.said(), [[Done], [Done], [Done], [Done]]);
    assert_eq!((polling.count(Outcome::Echo), polling.count(Outcome::Taken)), (4, 0));
    assert_eq!((polling.world.got(B).len(), polling.world.consigned().len()), (1, 3), "nobody gets it again");
    assert_eq!(polling.quarantined(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_we_never_sent_there_raises_the_alarm() {
    let mut polling = Polling::open();
    // Sent, but to nobody behind the axis; the same number with other words; a number that was never used.
    polling.world.send(letter(1, &[B])).await;
    polling.world.send(letter(2, &[X])).await;
    polling.world.quiet().await;
    polling.put(B, &traced(1, &[B]));
    polling.put(B, &bytes(letter(2, &[B]).subject("V/v khác")));
    polling.put(B, &traced(3, &[B]));
    polling.look().await;
    polling.look().await;
    assert_eq!(polling.said(), [[], [], []], "the axis hears nothing until somebody has looked");
    assert_eq!((polling.count(Outcome::Unmatched), polling.fetched()), (3, vec![1, 1, 1]));
    assert_eq!(polling.quarantined(), ["ECHO_UNMATCHED"; 3]);
    assert_eq!(polling.world.got(B).len(), 1);
    let sender =
        lienthong_outbox::quarantined(polling.world.folder.path()).expect("notes").remove(0).note.detail;
    assert_eq!(sender, organ(A).to_string());
}

/// An 01 on behalf of D and a 02 in our own name: an axis that writes them anew leaves nothing of their bytes.
#[tokio::test(start_paused = true)]
async fn what_we_reported_there_is_known_again_in_other_bytes() {
    let mut polling = Polling::open();
    polling.world.answer(|consignment, _| match consignment.delivery.route.receiver.as_str() {
        C => Err(failure(FailureClass::Receiver, "connect")),
        _ => Ok(taken(consignment)),
    });
    let letter = bytes(from_axis(1, &[C, D], "G22"));
    polling.put(C, &letter);
    polling.put(D, &letter);
    polling.look().await;
    polling.world.pass(HOUR * 49, HOUR / 2).await;
    let told = polling.world.got(X);
    assert_eq!(told.len(), 2, "{told:?}");
    for (from, packet) in [D, OWN].into_iter().zip(&told) {
        assert!(packet.contains(&format!("<edXML:OrganId>{from}</edXML:OrganId>")), "{packet}");
        polling.inbox.put(Traffic::Statuses, from, X, format!("{packet}\n").as_bytes());
    }
    // One that nobody here made.
    let forged = status(D, X, 7, StatusCode::Finished, "2026-01-05T02:00:00Z", "");
    polling.inbox.put(Traffic::Statuses, D, X, &forged);
    polling.look().await;
    assert_eq!((polling.count(Outcome::Echo), polling.count(Outcome::Unmatched)), (2, 1));
    assert_eq!(polling.said()[2..], [vec![Done], vec![Done], vec![]]);
    assert_eq!((polling.world.got(X).len(), polling.quarantined().len()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn what_comes_in_other_bytes_is_linked_to_what_we_hold() {
    let mut polling = Polling::open();
    let sent = polling.world.send(letter(1, &[X])).await;
    polling.world.quiet().await;
    let back = polling.put(B, &traced(1, &[X]));
    let first = bytes(from_axis(2, &[B, C], "G22"));
    let anew = bytes(from_axis(2, &[B, C], "G23"));
    polling.put(B, &first);
    let again = polling.put(B, &anew);
    let further = polling.put(C, &anew);
    polling.look().await;
    polling.look().await;
    assert_eq!(polling.said(), [[Done], [Done], [Done], [Done]]);
    let world = &polling.world;
    let seen = async |id, viewer| {
        let directory = world.directory();
        let view = view::document(&world.ports, &directory, id, viewer, LATE_AFTER).await;
        let copies = view.expect("the store answers").expect("a document").copies;
        copies
            .into_iter()
            .map(|seen| (seen.copy.relation, seen.copy.doc_id, seen.copy.document))
            .collect::<Vec<_>>()
    };
    let (mot, ba) = (system("mot"), system("ba"));
    let echo = vec![(CopyRelation::Echo, back.to_string(), None)];
    assert_eq!(seen(sent.document_id, Viewer::Operator).await, echo);
    assert_eq!(seen(sent.document_id, Viewer::System(&mot)).await, echo, "its sender");
    let documents = [B, C].map(|code| {
        let tried = world.adapter.attempts().into_iter();
        let mut of = tried.map(|attempt| attempt.consignment.delivery);
        of.find(|one| one.route.receiver.as_str() == code).expect("delivered").document
    });
    let expected = [
        (CopyRelation::Repeat, again.to_string(), None),
        (CopyRelation::TakenFor, further.to_string(), Some(documents[1])),
    ];
    assert_eq!(seen(documents[0], Viewer::Operator).await, expected);
    let copy_of = [(CopyRelation::CopyOf, further.to_string(), Some(documents[0]))];
    assert_eq!(seen(documents[1], Viewer::Operator).await, copy_of);
    assert_eq!(seen(documents[1], Viewer::System(&ba)).await, [], "a receiver has one packet");
}
