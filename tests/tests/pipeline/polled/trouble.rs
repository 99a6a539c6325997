//! Axes that fail: nothing is lost, nothing is confirmed early, and one entry does not hold up another.

use lienthong_adapters::contract::Call;
use lienthong_pipeline::ports::FailureClass;

use super::*;

const TIMEOUT: Option<(FailureClass, &str)> = Some((FailureClass::Receiver, "timeout"));

#[tokio::test(start_paused = true)]
async fn a_list_that_is_none_is_no_empty_list() {
    let mut polling = Polling::open();
    polling.look().await;
    let before = polling.world.metrics.axis_polled.value();
    polling.inbox.fails(Call::Waiting(Traffic::Documents), Some((FailureClass::Receiver, "bad_answer")));
    polling.put(B, &bytes(from_axis(1, &[B], "G22")));
    let word = status(X, A, 1, StatusCode::Arrived, "2026-01-05T02:00:00Z", "");
    polling.inbox.put(Traffic::Statuses, X, A, &word);
    polling.look().await;
    assert_eq!(polling.said(), [vec![], vec![Done]], "the other list is not to blame");
    assert_eq!(polling.polls("failed"), 1);
    assert_eq!(polling.world.metrics.axis_polled.value(), before, "an alarm counts from here");
    polling.inbox.fails(Call::Waiting(Traffic::Documents), None);
    polling.inbox.has_broken_lines(2);
    polling.look().await;
    assert_eq!(polling.said(), [[Done], [Done]]);
    assert!(polling.world.metrics.axis_polled.value() > before);
    assert_eq!(polling.count(Outcome::Broken), 4, "two in each list");
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_is_not_given_hinders_no_other_and_is_asked_for_less_and_less() {
    let mut polling = Polling::open();
    polling.world.quiet().await;
    let first = polling.put(B, &bytes(from_axis(1, &[B], "G22")));
    polling.put(C, &bytes(from_axis(2, &[C], "G22")));
    polling.inbox.fails(Call::Fetch(first.clone()), TIMEOUT);
    polling.look().await;
    assert_eq!(polling.said(), [vec![], vec![Done]]);
    for _ in 0..30 {
        polling.look().await;
    }
    let calls = polling.inbox.calls().into_iter();
    let asked = calls.filter(|call| *call == Call::Fetch(first.clone())).count();
    assert!((4..=8).contains(&asked), "{asked} in half an hour");
    assert_eq!(polling.polls("failed"), 0, "one packet is not the axis");
    polling.inbox.fails(Call::Fetch(first), None);
    polling.world.pass(Duration::from_secs(3_700), NEXT).await;
    assert_eq!((polling.said(), polling.world.got(B).len()), (vec![vec![Done], vec![Done]], 1));
}

#[tokio::test(start_paused = true)]
async fn an_axis_that_gives_nothing_of_what_it_lists_is_left_alone() {
    let mut polling = Polling::open();
    polling.world.quiet().await;
    let ids: Vec<_> = (1..=10).map(|n| polling.put(B, &bytes(from_axis(n, &[B], "G22")))).collect();
    for id in &ids {
        polling.inbox.fails(Call::Fetch(id.clone()), TIMEOUT);
    }
    polling.look().await;
    let fetches = polling.inbox.calls().into_iter().filter(|call| matches!(call, Call::Fetch(_))).count();
    assert_eq!((fetches, polling.polls("failed")), (3, 1));
    ids.into_iter().for_each(|id| polling.inbox.fails(Call::Fetch(id), None));
    for _ in 0..4 {
        polling.look().await;
    }
    assert!(polling.said().iter().all(|said| said == &[Done]), "{:?}", polling.said());
    assert_eq!(polling.world.got(B).len(), 10);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_confirmed_that_is_not_on_disk() {
    let mut polling = Polling::open();
    polling.world.quiet().await;
    polling.put(B, &bytes(from_axis(1, &[B], "G22")));
    let incoming = polling.world.folder.path().join("admissions");
    let away = polling.world.folder.path().join("away");
    std::fs::rename(&incoming, &away).expect("moved");
    polling.look().await;
    assert_eq!((polling.said(), polling.world.got(B).len()), (vec![vec![]], 0));
    assert_eq!(polling.quarantined(), Vec::<String>::new(), "our trouble is nobody's mistake");
    std::fs::rename(&away, &incoming).expect("moved back");
    polling.look().await;
    assert_eq!((polling.said(), polling.world.got(B).len()), (vec![vec![Done]], 1));
}
