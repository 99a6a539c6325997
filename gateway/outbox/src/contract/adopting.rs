//! Documents that a lost gateway had accepted, and that another one keeps from now on.

use std::collections::BTreeMap;
use std::sync::Arc;

use lienthong_pipeline::ports::{Admitted, Kept, Left, OutboxStore, Transition};
use lienthong_pipeline::record::{Admission, Delivery, State};
use lienthong_schemas::ids::DeliveryId;

use super::samples::*;
use crate::DELIVERIES_MAX;

type Said = BTreeMap<DeliveryId, Left>;

fn left(generation: u32, state: State) -> Left {
    Left { generation, state, at: later(70), reported: false, told: false }
}

async fn adopt(store: &dyn OutboxStore, admission: &Admission, said: Said) -> Option<Kept> {
    let (admission, said) = (Arc::new(admission.clone()), Arc::new(said));
    store.adopt_document(admission, said, "accepted by gw-2".to_owned()).await.expect("adopted")
}

async fn found(store: &dyn OutboxStore, n: u64, receiver: &str) -> Delivery {
    store.delivery(delivery_id(n, receiver)).await.expect("read").expect("known")
}

/// Recognised, and sent on in a generation above all that was seen, also what nobody had heard of; what an operator held is
/// held. Repeated, or admitted later, it stays as it is.
pub async fn an_adopted_document_is_one_of_ours(store: Arc<dyn OutboxStore>) {
    let mut lost = admission(1, &["H02", "H03", "H04", "H05"]);
    lost.deliveries[3].state = State::Paper;
    lost.keys.status = Some([9; 16]);
    lost.idempotency = Some(idempotency("k"));
    let said = Said::from([
        (delivery_id(1, "H02"), left(7, State::Queued)),
        (delivery_id(1, "H03"), left(2, State::Parked)),
    ]);
    let kept = adopt(&*store, &lost, said.clone()).await;
    assert_eq!(kept, Some(Kept { taken_on: 3, settled: 1 }));
    let sent = found(&*store, 1, "H02").await;
    assert_eq!((sent.state, sent.generation, sent.published, sent.foreign), (State::Queued, 8, 7, false));
    assert!(sent.may_have_arrived && !sent.handed_off);
    let unheard = found(&*store, 1, "H04").await;
    assert_eq!((unheard.state, unheard.generation), (State::Queued, 2));
    assert_eq!(
        (found(&*store, 1, "H03").await.state, found(&*store, 1, "H05").await.state),
        (State::Parked, State::Paper)
    );
    assert_eq!(ids(&store.unpublished(9).await.expect("read")), [sent.id, unheard.id]);
    assert_eq!(words(&*store, sent.id).await, ["adopted"]);

    let known = store.known(lost.keys.name.expect("a name")).await.expect("read");
    assert_eq!(known.iter().map(|known| known.id).collect::<Vec<_>>(), [document_id(1)]);
    assert_eq!(store.status_seen([9; 16]).await.expect("read"), Some(document_id(1)));
    let (document, _) = store.idempotent(&idempotency("k"), later(0)).await.expect("read").expect("known");
    assert_eq!(document, document_id(1));

    let events = store.unsent_events(usize::MAX).await.expect("read").len();
    assert_eq!(events, 4);
    assert_eq!(adopt(&*store, &lost, said).await, None);
    assert_eq!(store.admit(&lost).await.expect("known"), Admitted::Existing);
    assert_eq!(store.unsent_events(usize::MAX).await.expect("read").len(), events);
    assert_eq!(found(&*store, 1, "H02").await, sent);
}

/// Who was told by the lost one is not told again, nor after a requeue; who was not is.
pub async fn what_is_over_of_an_adopted_document_is_told_once(store: Arc<dyn OutboxStore>) {
    let codes = ["H02", "H03", "H04", "H05", "H06"];
    let told = |state| Left { reported: true, told: state == State::GivenUp, ..left(3, state) };
    let requeued_since = Left { told: true, ..left(4, State::Queued) };
    let said = Said::from([
        (delivery_id(1, "H02"), left(3, State::GivenUp)),
        (delivery_id(1, "H03"), told(State::GivenUp)),
        (delivery_id(1, "H04"), left(3, State::Received)),
        (delivery_id(1, "H05"), told(State::Received)),
        (delivery_id(1, "H06"), requeued_since),
    ]);
    let kept = adopt(&*store, &admission(1, &codes), said).await;
    assert_eq!(kept, Some(Kept { taken_on: 1, settled: 4 }));
    let pending = store.pending_reports(9).await.expect("read");
    let whom: Vec<_> = pending.iter().map(|report| (report.delivery.id, report.at)).collect();
    assert_eq!(whom, [(delivery_id(1, "H02"), later(70)), (delivery_id(1, "H04"), later(70))]);
    assert_eq!(ids(&store.unpublished(9).await.expect("read")), [delivery_id(1, "H06")]);
    for code in ["H03", "H06"] {
        let id = delivery_id(1, code);
        if code == "H03" {
            change(&*store, id, Transition::Requeued { note: String::new() }).await;
        }
        change(&*store, id, settled(State::GivenUp)).await;
        assert_eq!(store.pending_reports(9).await.expect("read").len(), 2, "{code} was told before");
    }
}

/// What this gateway delivers for the lost one goes on, and what it has ended is told; a document of its own stays.
pub async fn what_is_here_of_an_adopted_document_becomes_ours(store: Arc<dyn OutboxStore>) {
    for receiver in ["H02", "H03"] {
        let message = Delivery { published: 1, ..delivery(1, receiver) };
        store.hand_off(message).await.expect("handed off");
    }
    change(&*store, delivery_id(1, "H03"), settled(State::Received)).await;
    assert_eq!(store.pending_reports(9).await.expect("read"), []);
    let kept = adopt(&*store, &admission(1, &["H02", "H03"]), Said::new()).await;
    assert_eq!(kept, Some(Kept { taken_on: 1, settled: 1 }));
    let (goes_on, over) = (found(&*store, 1, "H02").await, found(&*store, 1, "H03").await);
    assert_eq!((goes_on.generation, goes_on.handed_off, goes_on.foreign), (1, true, false));
    assert_eq!((over.state, over.foreign), (State::Received, false));
    let pending = store.pending_reports(9).await.expect("read");
    assert_eq!(pending.iter().map(|report| report.delivery.id).collect::<Vec<_>>(), [over.id]);

    let own = admitted(&*store, 2, "H02").await;
    let said = Said::from([(own.id, left(5, State::Received))]);
    assert_eq!(adopt(&*store, &admission(2, &["H02"]), said).await, None);
    assert_eq!(found(&*store, 2, "H02").await, own);
}

/// Of what this gateway held, delivers and has ended, newer messages may be on their way: what is sent again is newer still.
pub async fn what_is_here_of_an_adopted_document_is_sent_again_beyond_all_others(
    store: Arc<dyn OutboxStore>,
) {
    let codes = ["H02", "H03", "H04"];
    for receiver in codes {
        let message = Delivery { published: 1, ..delivery(1, receiver) };
        store.hand_off(message).await.expect("handed off");
    }
    change(&*store, delivery_id(1, "H03"), settled(State::Parked)).await;
    change(&*store, delivery_id(1, "H04"), settled(State::GivenUp)).await;
    let said = codes.map(|code| (delivery_id(1, code), left(3, State::Queued)));
    adopt(&*store, &admission(1, &codes), Said::from(said)).await;
    let goes_on = found(&*store, 1, "H02").await;
    assert_eq!((goes_on.generation, goes_on.published, goes_on.handed_off), (3, 3, true));
    assert_eq!(store.unpublished(9).await.expect("read"), []);
    for code in ["H03", "H04"] {
        let id = delivery_id(1, code);
        change(&*store, id, requeued()).await;
        assert_eq!(found(&*store, 1, code).await.generation, 4, "{code}");
    }
    assert_eq!(store.unpublished(9).await.expect("read").len(), 2);
}

/// The limit itself is taken; over it nothing is written.
pub async fn five_thousand_receivers_are_adopted(store: Arc<dyn OutboxStore>) {
    let codes: Vec<String> = (0..=DELIVERIES_MAX).map(|n| format!("H{n}")).collect();
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    let over = (Arc::new(admission(1, &codes)), Arc::default());
    store.adopt_document(over.0, over.1, String::new()).await.expect_err("over the limit");
    assert_eq!(store.stats().await.expect("read").pending, 0);
    let kept = adopt(&*store, &admission(1, &codes[1..]), Said::new()).await;
    assert_eq!(kept, Some(Kept { taken_on: DELIVERIES_MAX as u64, settled: 0 }));
    assert_eq!(store.unpublished(usize::MAX).await.expect("read").len(), DELIVERIES_MAX);
}
