//! What comes back of what we sent to an axis, and what only looks like it.

use super::super::world::{name_of, organ};
use super::*;

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
