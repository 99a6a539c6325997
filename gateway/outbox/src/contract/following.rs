//! Deliveries that several gateways have to do with: what a lease moves, and what another one says in `EVENTS`.

use std::sync::Arc;

use lienthong_pipeline::ports::{Admitted, HandOff, OutboxStore, Transition};
use lienthong_pipeline::record::{BootId, Delivery, Event, Fence, HistoryEntry, NodeLife, NodeName, State};

use super::samples::*;

const THIS: BootId = BootId::new(1);

fn other() -> NodeLife {
    NodeLife { node: NodeName::parse("gw-2").expect("a name"), store: 7 }
}

fn moved() -> Transition {
    Transition::Moved { boot: THIS, note: "to gw-2".to_owned() }
}

/// What the other gateway says of a delivery.
fn says(delivery: &Delivery, word: &str, state: State, generation: u32) -> Transition {
    let (event, note) = (word.to_owned(), "its word".to_owned());
    let entry = HistoryEntry { at: later(50), state, event, attempt: 3, note };
    let Delivery { id, document, ref route, .. } = *delivery;
    Transition::Followed {
        event: Box::new(Event {
            id: format!("{id}:9"),
            document,
            delivery: id,
            receiver: route.receiver.clone(),
            entry,
            generation,
            node: Some(other()),
            fence: Fence(5),
            offer: None,
        }),
    }
}

async fn events(store: &dyn OutboxStore) -> usize {
    store.unsent_events(usize::MAX).await.expect("read").len()
}

/// What waits goes on in the next generation, whoever has it, but not under an attempt of this life; an attempt of another
/// life may have arrived.
pub async fn what_a_lease_moves_goes_on_in_the_next_generation(store: Arc<dyn OutboxStore>) {
    let waiting = admitted(&*store, 1, "H02").await;
    refuse(&*store, waiting.id, moved()).await;
    change(&*store, waiting.id, Transition::Published { generation: 1 }).await;
    let gone = change(&*store, waiting.id, moved()).await;
    assert_eq!((gone.generation, gone.published, gone.handed_off), (2, 1, false));
    assert!(!gone.has_not_left(), "who was to deliver it may have done so");
    assert_eq!(ids(&store.unpublished(9).await.expect("read")), [waiting.id]);
    let taken = taken(&*store, 2, "H02").await;
    for (boot, goes) in [(THIS, false), (BootId::new(2), true)] {
        let begun = Transition::Leased { boot, fence: Fence(4) };
        let begun = change(&*store, taken.id, begun).await;
        assert_eq!(begun.lease.map(|lease| lease.fence), Some(Fence(4)));
        if goes {
            let gone = change(&*store, taken.id, moved()).await;
            assert!(gone.may_have_arrived && gone.lease.is_none() && !gone.handed_off);
        } else {
            refuse(&*store, taken.id, moved()).await;
            change(&*store, taken.id, Transition::Unleased { boot }).await;
        }
    }
    for (n, state) in [(3, State::Parked), (4, State::Received), (5, State::Offered)] {
        let stands = taken_as(&*store, n, state).await;
        refuse(&*store, stands.id, moved()).await;
    }
}

async fn taken_as(store: &dyn OutboxStore, n: u64, state: State) -> Delivery {
    let delivery = taken(store, n, "H02").await;
    change(store, delivery.id, settled(state)).await
}

/// Who took it over is noted, and its attempts are counted; then it is nowhere on its way. It makes history, and no event.
pub async fn who_took_a_delivery_over_is_noted(store: Arc<dyn OutboxStore>) {
    let kept = admitted(&*store, 1, "H02").await;
    change(&*store, kept.id, Transition::Published { generation: 1 }).await;
    let before = events(&*store).await;
    let there = change(&*store, kept.id, says(&kept, "handed_off", State::Queued, 1)).await;
    assert_eq!((there.elsewhere.clone(), there.state), (Some(other()), State::Queued));
    assert_eq!(store.not_taken_over(later(1_000), 9).await.expect("read"), []);
    let failed = change(&*store, kept.id, says(&kept, "attempt_failed", State::Queued, 1)).await;
    assert_eq!((failed.attempts, failed.may_have_arrived), (3, true));
    refuse(&*store, kept.id, says(&kept, "accepted", State::Queued, 1)).await;
    assert_eq!(events(&*store).await, before);
    let history = store.history(kept.id).await.expect("read");
    assert_eq!(history.last().map(|line| line.note.as_str()), Some("[gw-2] its word"));
    // It comes back: then it is here.
    let message = Delivery { published: 1, ..kept.clone() };
    assert_eq!(store.hand_off(message).await.expect("handed off"), HandOff::Taken);
    let here = store.delivery(kept.id).await.expect("read").expect("known");
    assert!(here.handed_off && here.elsewhere.is_none());
    refuse(&*store, kept.id, says(&kept, "handed_off", State::Queued, 1)).await;
}

/// An outcome there is one here: the sender is told by the gateway that accepted, and only by that one.
pub async fn an_outcome_elsewhere_is_one_here(store: Arc<dyn OutboxStore>) {
    let kept = admitted(&*store, 1, "H02").await;
    change(&*store, kept.id, Transition::Published { generation: 1 }).await;
    let before = events(&*store).await;
    let over = change(&*store, kept.id, says(&kept, "settled", State::Received, 1)).await;
    assert_eq!((over.state, over.elsewhere.clone()), (State::Received, Some(other())));
    assert_eq!(events(&*store).await, before);
    assert_eq!(store.pending_reports(9).await.expect("read").len(), 1);
    refuse(&*store, kept.id, says(&kept, "settled", State::Received, 1)).await;
    refuse(&*store, kept.id, says(&kept, "settled", State::GivenUp, 1)).await;
    assert_eq!(store.stats().await.expect("numbers").pending, 0);

    let foreign = Delivery { published: 1, ..delivery(2, "H02") };
    store.hand_off(foreign.clone()).await.expect("handed off");
    let over = change(&*store, foreign.id, settled(State::Received)).await;
    assert!(over.foreign);
    assert_eq!(store.pending_reports(9).await.expect("read").len(), 1, "another one tells");
    assert_eq!(store.admit(&admission(2, &["H02"])).await.expect("admitted"), Admitted::Inserted);
    assert_eq!(store.pending_reports(9).await.expect("read").len(), 2, "and now this one too");
    let now = store.delivery(foreign.id).await.expect("read").expect("known");
    assert_eq!((now.state, now.foreign), (State::Received, false));

    // Of several in a row each is told.
    let more = [admitted(&*store, 3, "H02").await, admitted(&*store, 4, "H02").await];
    for kept in &more {
        change(&*store, kept.id, Transition::Published { generation: 1 }).await;
    }
    for kept in &more {
        change(&*store, kept.id, says(kept, "settled", State::Received, 1)).await;
    }
    let own = taken_as(&*store, 5, State::Received).await;
    let pending = store.pending_reports(9).await.expect("read");
    let last: Vec<_> = pending.iter().map(|report| report.delivery.id).skip(2).collect();
    assert_eq!(last, [more[0].id, more[1].id, own.id]);
    change(&*store, more[0].id, Transition::Reported).await;
    assert_eq!(store.pending_reports(9).await.expect("read").len(), 4);
}

/// What an operator sent again here is not ended by what was said of it before; what was sent again there goes on here.
pub async fn only_the_newest_generation_is_followed(store: Arc<dyn OutboxStore>) {
    let kept = taken(&*store, 1, "H02").await;
    change(&*store, kept.id, settled(State::GivenUp)).await;
    change(&*store, kept.id, requeued()).await;
    refuse(&*store, kept.id, says(&kept, "settled", State::GivenUp, 1)).await;
    refuse(&*store, kept.id, says(&kept, "settled", State::Received, 0)).await;
    let had = change(&*store, kept.id, says(&kept, "settled", State::Received, 1)).await;
    assert_eq!((had.state, had.generation), (State::Received, 2), "that the receiver has it holds for good");
    let again = taken(&*store, 2, "H02").await;
    change(&*store, again.id, settled(State::Parked)).await;
    let there = change(&*store, again.id, says(&again, "requeued", State::Queued, 2)).await;
    assert_eq!((there.state, there.generation, there.published), (State::Queued, 2, 2));
    assert!(!there.handed_off && there.elsewhere.is_none());
    let received = taken_as(&*store, 3, State::Received).await;
    refuse(&*store, received.id, says(&received, "requeued", State::Queued, 2)).await;
}

/// A newer message for what is over makes its end known in that generation: who sent it did not know.
pub async fn an_end_is_said_again_to_who_does_not_know_it(store: Arc<dyn OutboxStore>) {
    let over = taken_as(&*store, 1, State::Received).await;
    let before = events(&*store).await;
    let message = Delivery { generation: 4, published: 4, ..delivery(1, "H02") };
    assert_eq!(store.hand_off(message.clone()).await.expect("answered"), HandOff::Settled);
    let said = store.unsent_events(usize::MAX).await.expect("read");
    assert_eq!(said.len(), before + 1);
    let (_, last) = said.last().expect("one");
    assert_eq!((last.entry.state, last.generation), (State::Received, 4));
    assert_eq!(store.hand_off(message).await.expect("answered"), HandOff::Settled);
    assert_eq!(events(&*store).await, before + 1);
    let now = store.delivery(over.id).await.expect("read").expect("known");
    assert_eq!((now.state, now.generation), (State::Received, 4));
}
