//! What an axis took: it is asked what became of it, until it is known or the time is over.

use std::sync::Arc;

use lienthong_pipeline::ports::{AxisDocId, OutboxStore, Transition};
use lienthong_pipeline::record::{BeyondWord, Delivery, State, SystemId};

use super::samples::*;

fn handed_on(doc_id: &str) -> Transition {
    let doc_id = AxisDocId::parse(doc_id).expect("an id");
    Transition::HandedOn { doc_id, note: "the axis's OK".to_owned() }
}

/// A word of the axis, which is asked again after so many seconds.
fn heard(word: Option<BeyondWord>, again: Option<i64>) -> Transition {
    Transition::Heard { word, due: again.map(later), note: "its word".to_owned() }
}

async fn asked(store: &dyn OutboxStore, axis: &SystemId, seconds: i64, limit: usize) -> Vec<Delivery> {
    store.beyond(axis, later(seconds), limit).await.expect("read")
}

/// What an axis took under an id is due at once, and then when it was last said; whose time came first is first.
pub async fn what_an_axis_took_is_asked_about_in_the_order_of_its_time(store: Arc<dyn OutboxStore>) {
    let mut all = Vec::new();
    for n in 1..=4 {
        let delivery = taken(&*store, n, "H02").await;
        let change = if n == 4 { settled(State::HandedOver) } else { handed_on(&format!("id-{n}")) };
        let after = store.transition(delivery.id, later(n.cast_signed()), change).await.expect("written");
        all.push(after.expect("fits"));
    }
    let axis = all[0].route.system.clone();
    assert_eq!(all[0].state, State::HandedOver);
    let beyond = all[0].beyond.clone().expect("asked about");
    assert_eq!((beyond.doc_id.as_str(), beyond.since, beyond.due), ("id-1", later(1), Some(later(1))));
    assert_eq!((all[0].attempts, all[3].beyond.as_ref()), (1, None), "without an id nobody is asked");
    assert_eq!(ids(&asked(&*store, &axis, 0, 9).await), []);
    assert_eq!(ids(&asked(&*store, &axis, 2, 9).await), ids(&all[..2]));
    assert_eq!(ids(&asked(&*store, &axis, 9, 2).await), ids(&all[..2]));
    change(&*store, all[0].id, heard(None, Some(100))).await;
    change(&*store, all[1].id, heard(Some(BeyondWord::Initial), Some(50))).await;
    assert_eq!(ids(&asked(&*store, &axis, 49, 9).await), ids(&all[2..3]));
    assert_eq!(ids(&asked(&*store, &axis, 100, 9).await), [all[2].id, all[1].id, all[0].id]);
    let other = SystemId::parse("another").expect("an id");
    assert_eq!(asked(&*store, &other, 100, 9).await, []);
}

/// Each new word is one line; the same again is none; `done` ends it, and so does the end of the time.
pub async fn what_an_axis_says_is_written_once_and_done_is_received(store: Arc<dyn OutboxStore>) {
    let delivery = taken(&*store, 1, "H02").await;
    let axis = delivery.route.system.clone();
    refuse(&*store, delivery.id, heard(Some(BeyondWord::Done), None)).await;
    change(&*store, delivery.id, handed_on("id-1")).await;
    refuse(&*store, delivery.id, handed_on("id-2")).await;
    for word in [BeyondWord::Initial, BeyondWord::Initial, BeyondWord::Fail, BeyondWord::Fail] {
        let after = change(&*store, delivery.id, heard(Some(word), Some(10))).await;
        assert_eq!((after.state, after.attempts), (State::HandedOver, 1), "nothing is invented");
        assert_eq!(after.beyond.and_then(|beyond| beyond.said), Some(word));
    }
    change(&*store, delivery.id, heard(None, Some(20))).await;
    let done = change(&*store, delivery.id, heard(Some(BeyondWord::Done), Some(30))).await;
    assert_eq!((done.state, done.attempts, done.asked_beyond()), (State::Received, 1, None));
    refuse(&*store, delivery.id, heard(Some(BeyondWord::Fail), Some(40))).await;
    let lines = words(&*store, delivery.id).await;
    assert_eq!(lines[lines.len() - 4..], ["settled", "heard", "heard", "settled"]);
    let reported: Vec<_> = store.pending_reports(9).await.expect("read");
    assert_eq!(reported.len(), usize::from(done.reportable), "its sender may be told on behalf");

    let given_up = taken(&*store, 2, "H02").await;
    change(&*store, given_up.id, handed_on("id-3")).await;
    let over = change(&*store, given_up.id, heard(None, None)).await;
    assert_eq!((over.state, over.asked_beyond()), (State::HandedOver, None));
    assert_eq!(words(&*store, given_up.id).await.last().map(String::as_str), Some("heard"));
    refuse(&*store, given_up.id, heard(Some(BeyondWord::Done), None)).await;
    assert_eq!(asked(&*store, &axis, 1_000, 9).await, []);
}
