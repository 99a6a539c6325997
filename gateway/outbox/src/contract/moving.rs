//! Business states: they move with the admission of the packet that moves them, and the highest number holds.

use std::sync::Arc;

use lienthong_pipeline::ports::{Admitted, OutboxStore};
use lienthong_pipeline::record::{Admission, Move, Standing};
use lienthong_schemas::business_state::BusinessState;
use lienthong_schemas::ids::StandingKey;

use super::samples::*;

fn key(receiver: &str) -> StandingKey {
    StandingKey::of(&[7; 16], &organ(receiver))
}

fn state(text: &str) -> BusinessState {
    text.parse().expect("a state")
}

/// Document `n` to one receiver, which makes these moves.
fn moving(n: u64, moves: &[(&str, u32, &str)]) -> Admission {
    let moves = moves.iter().map(|(receiver, number, to)| Move {
        key: key(receiver),
        number: *number,
        state: state(to),
    });
    Admission { moves: moves.collect(), ..admission(n, &["H02"]) }
}

/// What stands at each of these receivers: state, since when, number.
async fn standing(store: &dyn OutboxStore, receivers: &[&str]) -> Vec<Option<(String, i64, u32)>> {
    let keys = receivers.iter().map(|receiver| key(receiver)).collect();
    let found = store.standings(keys).await.expect("read");
    let seconds = |standing: &Standing| standing.since.as_second() - NOW.as_second();
    found.iter().map(|found| found.map(|f| (f.state.to_string(), seconds(&f), f.number))).collect()
}

fn is(state: &str, since: i64, number: u32) -> Option<(String, i64, u32)> {
    Some((state.to_owned(), since, number))
}

/// `standings`: one for each key, in their order, and none where nothing was said.
pub async fn states_move_with_the_admission(store: Arc<dyn OutboxStore>) {
    assert_eq!(standing(&*store, &[]).await, []);
    assert_eq!(standing(&*store, &["H02", "H03"]).await, [None, None]);
    store.admit(&moving(1, &[("H02", 1, "01"), ("H03", 1, "none 2 13")])).await.expect("admitted");
    assert_eq!(
        standing(&*store, &["H03", "H09", "H02"]).await,
        [is("none 2 13", 1, 1), None, is("01", 1, 1)]
    );
    store.admit(&moving(2, &[("H02", 2, "03")])).await.expect("admitted");
    assert_eq!(standing(&*store, &["H02", "H03"]).await, [is("03", 2, 2), is("none 2 13", 1, 1)]);
    let again = moving(2, &[("H02", 3, "06")]);
    assert_eq!(store.admit(&again).await.expect("admitted"), Admitted::Existing);
    assert_eq!(standing(&*store, &["H02"]).await, [is("03", 2, 2)], "a repeat moves nothing");
}

/// In whichever order admissions come back, the last move holds.
pub async fn of_several_moves_the_highest_number_holds(store: Arc<dyn OutboxStore>) {
    for (n, number, to) in [(2, 2, "03"), (4, 4, "06"), (1, 1, "01"), (3, 3, "05")] {
        store.admit(&moving(n, &[("H02", number, to)])).await.expect("admitted");
    }
    assert_eq!(standing(&*store, &["H02"]).await, [is("06", 4, 4)]);
}

/// Of two moves of one number the one that was accepted later holds.
pub async fn of_moves_of_one_number_the_later_holds(store: Arc<dyn OutboxStore>) {
    for (receiver, order) in [("H02", [(1, "01"), (2, "03")]), ("H03", [(4, "03"), (3, "01")])] {
        for (n, to) in order {
            store.admit(&moving(n, &[(receiver, 1, to)])).await.expect("admitted");
        }
    }
    assert_eq!(standing(&*store, &["H02", "H03"]).await, [is("03", 2, 1), is("03", 4, 1)]);
}

/// The limit itself is taken; over it nothing is written.
pub async fn ten_thousand_moves_go_in_one_admission(store: Arc<dyn OutboxStore>) {
    let codes: Vec<String> = (0..=Move::PER_ADMISSION_MAX).map(|n| format!("H{n}")).collect();
    let moves: Vec<_> = codes.iter().map(|code| (code.as_str(), 1, "none 1")).collect();
    store.admit(&moving(1, &moves)).await.expect_err("over the limit");
    assert_eq!(standing(&*store, &["H0"]).await, [None]);
    store.admit(&moving(1, &moves[1..])).await.expect("admitted");
    let last = codes[Move::PER_ADMISSION_MAX].as_str();
    assert_eq!(standing(&*store, &["H0", "H1", last]).await, [None, is("none 1", 1, 1), is("none 1", 1, 1)]);
}

/// Documents under one (From, date, code) key are known like those under one (From, DocumentId) key.
pub async fn documents_are_known_by_their_code(store: Arc<dyn OutboxStore>) {
    let (name, code) = ([1; 16], [2; 16]);
    for (n, named, coded) in [(1, true, true), (2, false, true), (3, true, false)] {
        let mut document = admission(n, &["H02"]);
        document.keys.name = named.then_some(name);
        document.keys.code = coded.then_some(code);
        document.keys.changes = coded.then_some([n as u8; 16]);
        store.admit(&document).await.expect("admitted");
    }
    for (key, wanted) in [(name, [1, 3]), (code, [1, 2])] {
        let known = store.known(key).await.expect("read");
        assert_eq!(known.iter().map(|known| known.id).collect::<Vec<_>>(), wanted.map(document_id));
        for (known, n) in known.iter().zip(wanted) {
            assert_eq!(known.keys.changes, known.keys.code.map(|_| [n as u8; 16]));
        }
    }
}
