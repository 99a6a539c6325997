//! What every index of mailboxes does.

use std::sync::Arc;

use jiff::Timestamp;
use lienthong_pipeline::ports::MailboxIndex;
use lienthong_pipeline::record::{
    EventsPlace, Lane, Mailbox, Offer, Place, Posted, State, SystemId, Waiting,
};

use super::samples::*;

/// What waits of document `n` at a system, accepted `n` seconds after [`NOW`].
pub fn posted(n: u64, at: &str, count: u64) -> Posted {
    let mut delivery = delivery(n, "H02");
    delivery.route.system = SystemId::parse(at).expect("an id");
    delivery.mailbox = Some(Mailbox::new(later(1_000)));
    delivery.state = State::Offered;
    let offer = Offer::of(&delivery).expect("it has a mailbox");
    Posted { count, offer, ..Posted::of_delivery(&delivery).expect("it has a mailbox") }
}

fn over(mut posted: Posted, count: u64, changed: Timestamp) -> Posted {
    posted.state = State::Received;
    posted.count = count;
    posted.offer.mailbox.changed = changed;
    posted
}

fn place(sequence: u64) -> Option<EventsPlace> {
    Some(EventsPlace { stream: "one".to_owned(), sequence })
}

async fn take(index: &dyn MailboxIndex, entries: &[Posted], read: u64) {
    index.take(index.life(), entries.to_vec(), place(read)).await.expect("taken");
}

async fn listed(index: &dyn MailboxIndex, system: &str, waiting: Waiting) -> Vec<Place> {
    let system = SystemId::parse(system).expect("an id");
    let found = index.waiting(&system, waiting, None, 100).await.expect("read");
    assert_eq!(index.count(&system, waiting, None, 100).await.expect("counted"), found.len());
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let page = index.waiting(&system, waiting, after, 1).await.expect("read");
        after = page.last().copied();
        match after {
            Some(last) => pages.push(last),
            None => break,
        }
    }
    assert_eq!(pages, found, "one by one it is the same list");
    found
}

fn places(posted: &[&Posted]) -> Vec<Place> {
    posted.iter().map(|posted| posted.place()).collect()
}

/// The whole suite, on an empty index.
pub async fn an_index_keeps_its_word(index: Arc<dyn MailboxIndex>) {
    let index = &*index;
    assert_eq!(index.read_up_to().await.expect("read"), None);
    what_waits_is_listed_in_order(index).await;
    what_is_known_later_counts(index).await;
    what_is_over_is_forgotten_in_time(index).await;
    all_of_it_is_lost_at_once(index).await;
}

async fn what_waits_is_listed_in_order(index: &dyn MailboxIndex) {
    let [one, two, three] = [1, 2, 3].map(|n| posted(n, "hop", 3));
    let mut urgent = posted(4, "hop", 3);
    urgent.offer.lane = Lane::Urgent;
    let mut status = posted(5, "hop", 3);
    status.offer.kind = "status".to_owned();
    let elsewhere = posted(6, "hop-vang", 3);
    // In whichever order events came.
    take(index, &[three.clone(), urgent.clone(), elsewhere.clone()], 1).await;
    take(index, &[one.clone(), status.clone(), two.clone()], 2).await;
    assert_eq!(index.read_up_to().await.expect("read"), place(2));
    assert_eq!(listed(index, "hop", Waiting::Documents).await, places(&[&urgent, &one, &two, &three]));
    assert_eq!(listed(index, "hop", Waiting::Statuses).await, places(&[&status]));
    assert_eq!(listed(index, "hop-vang", Waiting::Documents).await, places(&[&elsewhere]));
    assert_eq!(listed(index, "ho", Waiting::Documents).await, []);
    let system = one.offer.system.clone();
    for (lane, most, expected) in
        [(None, 2, 2), (Some(Lane::Urgent), 9, 1), (Some(Lane::Normal), 9, 3), (Some(Lane::Normal), 1, 1)]
    {
        let count = index.count(&system, Waiting::Documents, lane, most).await.expect("counted");
        assert_eq!(count, expected, "{lane:?}");
    }
    let unknown = delivery_id(99, "H02");
    let found = index.entries(vec![two.delivery, unknown, urgent.delivery]).await.expect("read");
    assert_eq!(found, [Some(two), None, Some(urgent)]);
    let all = index.systems(None, 9).await.expect("read");
    assert_eq!(all.iter().map(SystemId::as_str).collect::<Vec<_>>(), ["hop-vang", "hop"]);
    assert_eq!(index.systems(Some(&all[0]), 9).await.expect("read"), all[1..]);
    assert_eq!(index.systems(None, 1).await.expect("read"), all[..1]);
    assert_eq!(index.systems(Some(&all[1]), 9).await.expect("read"), []);
}

/// By generation and count, not by when it is heard; that is how events that come twice do no harm.
async fn what_is_known_later_counts(index: &dyn MailboxIndex) {
    let first = posted(10, "doi", 3);
    let parked = Posted { state: State::Parked, ..over(posted(10, "doi", 3), 6, later(2_000)) };
    take(index, &[first.clone(), parked.clone(), first.clone()], 3).await;
    assert_eq!(listed(index, "doi", Waiting::Documents).await, []);
    take(index, std::slice::from_ref(&first), 4).await;
    assert_eq!(listed(index, "doi", Waiting::Documents).await, [], "an old word changes nothing");
    assert_eq!(index.entries(vec![first.delivery]).await.expect("read"), [Some(parked)]);
    let mut again = posted(10, "doi", 1);
    again.offer.generation += 1;
    again.offer.order += 100;
    take(index, std::slice::from_ref(&again), 5).await;
    take(index, std::slice::from_ref(&first), 6).await;
    assert_eq!(listed(index, "doi", Waiting::Documents).await, places(&[&again]), "once, at one place");
    let moved = Posted { count: 2, offer: Offer { order: 7, ..again.offer.clone() }, ..again };
    take(index, std::slice::from_ref(&moved), 7).await;
    assert_eq!(listed(index, "doi", Waiting::Documents).await, places(&[&moved]));
    // A store that was built anew without the note of it offers it once more: done is done.
    let done = over(moved.clone(), 3, later(9_000));
    let mut anew = moved;
    anew.offer.generation += 9;
    take(index, &[done.clone(), anew], 7).await;
    assert_eq!(listed(index, "doi", Waiting::Documents).await, []);
    assert_eq!(index.entries(vec![first.delivery]).await.expect("read"), [Some(done)]);
}

async fn what_is_over_is_forgotten_in_time(index: &dyn MailboxIndex) {
    let waits = posted(20, "quen", 1);
    let gone = [21, 22, 23].map(|n| over(posted(n, "quen", 1), 2, later(3_000 + n as i64)));
    take(index, &[waits.clone(), gone[0].clone(), gone[1].clone(), gone[2].clone()], 8).await;
    let before = later(3_000 + 23);
    assert_eq!(
        index.forget(later(2_500), 9).await.expect("forgotten"),
        0,
        "all of it changed later, or waits"
    );
    assert_eq!(index.forget(before, 1).await.expect("forgotten"), 1);
    assert_eq!(index.forget(before, 9).await.expect("forgotten"), 1);
    assert_eq!(index.forget(before, 9).await.expect("forgotten"), 0);
    let ids = [&gone[0], &gone[1], &gone[2], &waits].map(|posted| posted.delivery);
    let left = index.entries(ids.to_vec()).await.expect("read");
    assert_eq!(left, [None, None, Some(gone[2].clone()), Some(waits)], "what waits stays for ever");
}

async fn all_of_it_is_lost_at_once(index: &dyn MailboxIndex) {
    let life = index.life();
    assert_eq!(index.life(), life, "it lives on");
    index.clear().await.expect("cleared");
    assert_ne!(index.life(), life);
    assert_eq!(index.read_up_to().await.expect("read"), None);
    assert_eq!(listed(index, "hop", Waiting::Documents).await, []);
    assert_eq!(index.systems(None, 9).await.expect("read"), []);
    let late = index.take(life, vec![posted(1, "hop", 9)], place(9)).await;
    assert!(late.is_err(), "what was read for an earlier life is refused");
    assert_eq!(index.read_up_to().await.expect("read"), None);
    take(index, &[posted(1, "hop", 9)], 10).await;
    assert_eq!(listed(index, "hop", Waiting::Documents).await.len(), 1);
}
