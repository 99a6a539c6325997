//! What a reader of a bucket makes of its entries, whole and broken.

use super::*;

const KEYS_MAX: usize = 256;
const READING: Reading<u64> = Reading {
    bucket: "TEST",
    stream: "KV_TEST",
    keys: ">",
    keys_max: KEYS_MAX,
    read: |_, _, body| {
        let text = std::str::from_utf8(body).map_err(fault)?;
        Ok((text.parse().map_err(fault)?, None))
    },
};

fn board() -> Board<u64> {
    Board { lines: BTreeMap::new(), before: BTreeMap::new(), unread: HashSet::new() }
}

/// An entry that was written at this second of the server's clock.
fn entry<'e>(key: &'e str, revision: u64, second: i64, body: &'e str) -> Entry<'e> {
    let written_at = Timestamp::from_second(second).expect("a time");
    Entry { key, revision, written_at, body: Some(body.as_bytes()), was_there: true }
}

fn age(board: &Board<u64>, key: &str) -> u64 {
    board.lines[key].age().as_secs()
}

#[tokio::test(start_paused = true)]
async fn what_was_there_is_as_old_as_the_server_says() {
    let mut board = board();
    board.put(&READING, &entry("old", 1, 1_000, "1"));
    assert_eq!(age(&board, "old"), 0, "nothing says otherwise");
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(age(&board, "old"), 2);
    board.put(&READING, &entry("new", 2, 1_100, "2"));
    assert_eq!((age(&board, "old"), age(&board, "new")), (100, 0));
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!((age(&board, "old"), age(&board, "new")), (105, 5));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_does_not_age_what_came() {
    let mut board = board();
    board.put(&READING, &Entry { was_there: false, ..entry("a", 1, 1_000, "1") });
    board.put(&READING, &Entry { was_there: false, ..entry("b", 2, 90_000, "2") });
    assert_eq!((age(&board, "a"), age(&board, "b")), (0, 0), "a leader with another clock");
    tokio::time::advance(Duration::from_secs(3)).await;
    board.put(&READING, &Entry { was_there: false, ..entry("a", 3, 1_003, "1") });
    assert_eq!((age(&board, "a"), age(&board, "b")), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn reading_anew_makes_nothing_younger() {
    let view = View::<u64>::new();
    view.board().put(&READING, &Entry { was_there: false, ..entry("a", 1, 1_000, "1") });
    view.board().put(&READING, &Entry { was_there: false, ..entry("b", 2, 1_000, "2") });
    tokio::time::advance(Duration::from_secs(30)).await;
    view.begin();
    view.board().put(&READING, &entry("a", 1, 1_000, "1"));
    view.board().put(&READING, &entry("b", 3, 1_001, "3"));
    view.all_was_read(1);
    let seen = view.lines(1, Duration::MAX).await;
    assert_eq!(seen, [(1, Duration::from_secs(30)), (3, Duration::ZERO)]);
    assert_eq!(view.lines(1, Duration::from_secs(30)).await, [(3, Duration::ZERO)], "it ended by its age");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_seen_while_it_is_not_followed() {
    let view = View::<u64>::new();
    view.board().put(&READING, &entry("a", 1, 1_000, "1"));
    view.all_was_read(1);
    let waits = |connection| timeout(Duration::from_secs(1), view.lines(connection, Duration::MAX));
    assert!(waits(2).await.is_err(), "that is another connection");
    assert_eq!(waits(1).await.expect("it is followed").len(), 1);
    view.followed_on.send_replace(None);
    assert!(waits(1).await.is_err());
}

#[test]
fn what_cannot_be_read_is_left_out_and_remembered_once() {
    let mut board = board();
    board.put(&READING, &entry("a", 1, 1_000, "1"));
    board.put(&READING, &entry("a", 2, 1_000, "what?"));
    board.put(&READING, &entry("b", 3, 1_000, "1"));
    board.put(&READING, &Entry { body: None, ..entry("b", 4, 1_000, "") });
    assert!(board.lines.is_empty(), "unreadable, and deleted");
    assert_eq!(board.unread.len(), 1);
    for number in 0..2 * KEYS_MAX {
        board.put(&READING, &entry(&format!("k{number}"), 5, 1_000, "1"));
    }
    assert_eq!((board.lines.len(), board.unread.len()), (KEYS_MAX, UNREAD_MAX));
    board.put(&READING, &entry("k1", 6, 1_000, "2"));
    assert_eq!(board.lines["k1"].value, 2, "what is there goes on");
}
