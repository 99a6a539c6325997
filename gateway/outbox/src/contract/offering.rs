//! What waits in mailboxes, and what receivers say of it there.

use std::sync::Arc;

use lienthong_pipeline::ports::{OutboxStore, PerLane, Transition};
use lienthong_pipeline::record::{Delivery, Lane, MAILBOX_FAILS_MAX, MailboxWord, State, SystemId, Waiting};

use super::samples::*;

fn says(word: MailboxWord) -> Transition {
    Transition::Mailbox { word, note: "its word".to_owned() }
}

fn orders(found: &[Delivery]) -> Vec<u64> {
    found.iter().map(|delivery| delivery.order).collect()
}

async fn offered(
    store: &dyn OutboxStore,
    system: &SystemId,
    waiting: Waiting,
    after: PerLane,
    limit: usize,
) -> Vec<Delivery> {
    store.offered(system, waiting, after, limit).await.expect("read")
}

/// A system's mailbox holds what is `Offered` to any of its receivers: urgent first, then in order; documents and status
/// packets apart; a page goes on behind the last of each lane.
pub async fn a_mailbox_lists_urgent_first_and_then_in_order(store: Arc<dyn OutboxStore>) {
    let lanes =
        [(1, Lane::Normal), (2, Lane::Urgent), (3, Lane::Normal), (4, Lane::Urgent), (5, Lane::Normal)];
    let mut system = None;
    for (n, lane) in lanes {
        let mut delivery = delivery(n, "H02");
        delivery.lane = lane;
        if n == 5 {
            delivery.kind = "status".to_owned();
        }
        store.hand_off(delivery.clone()).await.expect("taken in");
        change(&*store, delivery.id, settled(State::Offered)).await;
        system = Some(delivery.route.system);
    }
    let waits = taken(&*store, 6, "H02").await;
    let system = system.expect("one");
    let documents = offered(&*store, &system, Waiting::Documents, PerLane::default(), 9).await;
    assert_eq!(orders(&documents), [2, 4, 1, 3], "{} only waits", waits.id);
    assert_eq!(orders(&offered(&*store, &system, Waiting::Statuses, PerLane::default(), 9).await), [5]);
    assert_eq!(
        orders(&offered(&*store, &system, Waiting::Documents, PerLane::default(), 3).await),
        [2, 4, 1]
    );
    let mut after = PerLane::default();
    (after[Lane::Urgent as usize], after[Lane::Normal as usize]) = (4, 1);
    assert_eq!(orders(&offered(&*store, &system, Waiting::Documents, after, 9).await), [3]);
    let ids = [documents[3].id, delivery_id(9, "H02"), documents[0].id];
    let found = store.deliveries(ids.to_vec()).await.expect("read");
    assert_eq!(
        found,
        [Some(documents[3].clone()), None, Some(documents[0].clone())],
        "in the order asked for"
    );
    let other = SystemId::parse("another").expect("an id");
    assert_eq!(offered(&*store, &other, Waiting::Documents, PerLane::default(), 9).await, []);
    change(&*store, documents[0].id, settled(State::Received)).await;
    change(&*store, documents[1].id, settled(State::Withdrawn)).await;
    assert_eq!(orders(&offered(&*store, &system, Waiting::Documents, PerLane::default(), 9).await), [1, 3]);
}

/// Each word is written once; none fits what does not wait in a mailbox.
pub async fn a_receiver_says_what_becomes_of_what_it_is_offered(store: Arc<dyn OutboxStore>) {
    let delivery = taken(&*store, 1, "H02").await;
    for word in [MailboxWord::Fetched, MailboxWord::Processing, MailboxWord::Failed] {
        refuse(&*store, delivery.id, says(word)).await;
    }
    let offered = change(&*store, delivery.id, settled(State::Offered)).await;
    let begun = offered.mailbox.expect("a mailbox");
    assert_eq!((begun.fetched, begun.processing, begun.fails), (false, false, 0));
    assert_eq!(offered.attempts, 1);
    let fetched = change(&*store, delivery.id, says(MailboxWord::Fetched)).await;
    assert_eq!(fetched.mailbox.map(|mailbox| mailbox.fetched), Some(true));
    refuse(&*store, delivery.id, says(MailboxWord::Fetched)).await;
    change(&*store, delivery.id, says(MailboxWord::Processing)).await;
    refuse(&*store, delivery.id, says(MailboxWord::Processing)).await;
    let done = change(&*store, delivery.id, settled(State::Received)).await;
    assert_eq!((done.state, done.attempts), (State::Received, 1), "what was offered was one attempt");
    refuse(&*store, delivery.id, says(MailboxWord::Failed)).await;
    let lines = words(&*store, delivery.id).await;
    assert_eq!(lines[lines.len() - 4..], ["settled", "fetched", "processing", "settled"]);
}

/// What a receiver cannot take is offered again, and parked in the end; the operator sends it again, and all begins anew.
pub async fn what_a_receiver_cannot_take_is_parked_in_the_end(store: Arc<dyn OutboxStore>) {
    let delivery = taken(&*store, 1, "H02").await;
    let system = delivery.route.system.clone();
    change(&*store, delivery.id, settled(State::Offered)).await;
    for fails in 1..MAILBOX_FAILS_MAX {
        change(&*store, delivery.id, says(MailboxWord::Processing)).await;
        let failed = change(&*store, delivery.id, says(MailboxWord::Failed)).await;
        let mailbox = failed.mailbox.expect("a mailbox");
        assert_eq!((failed.state, mailbox.fails, mailbox.processing), (State::Offered, fails, false));
    }
    assert_eq!(offered(&*store, &system, Waiting::Documents, PerLane::default(), 9).await.len(), 1);
    let parked = change(&*store, delivery.id, says(MailboxWord::Failed)).await;
    assert_eq!(parked.state, State::Parked);
    assert_eq!(offered(&*store, &system, Waiting::Documents, PerLane::default(), 9).await, []);
    change(&*store, delivery.id, requeued()).await;
    let message = store.delivery(delivery.id).await.expect("read").expect("known");
    store.hand_off(message).await.expect("taken");
    let again = change(&*store, delivery.id, settled(State::Offered)).await;
    assert_eq!(again.mailbox.map(|mailbox| mailbox.fails), Some(0));
    assert_eq!(offered(&*store, &system, Waiting::Documents, PerLane::default(), 9).await, [again]);
}
