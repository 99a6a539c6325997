//! The rules of the module, against a second telling of them: an oracle that knows only strings, a list and the table.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

/// Legal words of the receiver after each state.
const LEGAL: [(&str, &str); 8] = [
    ("none", "01 02 03"),
    ("01", "02 03"),
    ("02", ""),
    ("03", "04 05 06"),
    ("04", "05 06"),
    ("05", "04 05 06"),
    ("06", ""),
    ("withdrawn", ""),
];

/// Illegal words that count all the same.
const COUNTS: [(&str, &str); 8] = [
    ("none", "04 05 06"),
    ("01", "04 05 06"),
    ("02", ""),
    ("03", "02"),
    ("04", "02"),
    ("05", "02"),
    ("06", ""),
    ("withdrawn", ""),
];

fn among(table: [(&str, &str); 8], state: &str, word: &str) -> bool {
    let row = table.iter().find(|row| row.0 == state).expect("a row for each state");
    row.1.split(' ').any(|listed| listed == word)
}

/// Who says what: `r` the receiver, `s` the sender, `p` a packet of the sender.
type Told = (char, &'static str);

/// The rules, one after the other. Returns whether the move was legal.
fn naive(state: &mut String, open: &mut Vec<&'static str>, (who, word): Told) -> bool {
    match (who, word) {
        ('p', "0") => true,
        ('p', change) => {
            let others = open.iter().filter(|question| **question != "13").count();
            let legal = others == 0 && state != "02" && state != "withdrawn";
            open.retain(|question| *question == "13");
            open.push(change);
            legal
        }
        ('s', "13") if open.contains(&"13") => false,
        ('s', "13") => {
            open.push("13");
            state != "02" && state != "withdrawn"
        }
        ('r', "15" | "16") => {
            let Some(question) = open.pop() else { return false };
            if word == "15" && question != "2" {
                "withdrawn".clone_into(state);
            }
            true
        }
        ('s', _) | ('r', "13") => false,
        ('r', "01") if open.iter().any(|question| *question != "13") => {
            if state == "none" {
                "01".clone_into(state);
            }
            true
        }
        _ => {
            let legal = among(LEGAL, state, word);
            if legal || among(COUNTS, state, word) {
                word.clone_into(state);
            }
            legal
        }
    }
}

fn written(state: &str, open: &[&str]) -> String {
    let mut text = state.to_owned();
    open.iter().for_each(|question| text += &format!(" {question}"));
    text
}

fn event((who, word): Told) -> Event {
    match who {
        'p' => Event::Packet(BusinessType::parse(word).expect("a type")),
        's' => Event::Sender(StatusCode::parse(word).expect("a code")),
        _ => Event::Receiver(StatusCode::parse(word).expect("a code")),
    }
}

fn told() -> impl Strategy<Value = Told> {
    let words = StatusCode::ALL.map(StatusCode::digits);
    let packets = BusinessType::ALL.map(BusinessType::digit);
    prop_oneof![
        6 => proptest::sample::select(words.to_vec()).prop_map(|word| ('r', word)),
        1 => proptest::sample::select(words.to_vec()).prop_map(|word| ('s', word)),
        1 => Just(('s', "13")),
        2 => proptest::sample::select(packets.to_vec()).prop_map(|kind| ('p', kind)),
    ]
}

proptest! {
    /// A few timestamps only, so that many are repeats, and equal ones are common.
    #[test]
    fn any_order_and_any_repeats_end_where_the_rules_end(
        packets in proptest::collection::vec((told(), 0_u8..4), 0..40),
    ) {
        let mut seen = HashSet::new();
        let mut state = BusinessState::default();
        let (mut naive_state, mut naive_open) = ("none".to_owned(), Vec::new());
        for (at, packet) in packets.iter().enumerate() {
            let repeat = !seen.insert(*packet);
            prop_assert_eq!(repeat, packets[..at].contains(packet));
            if repeat {
                continue;
            }
            let moved = state.apply(event(packet.0));
            let legal = naive(&mut naive_state, &mut naive_open, packet.0);
            prop_assert_eq!(moved.legal, legal, "{:?} in {}", packet, state);
            prop_assert_eq!(moved.legal, moved.why == Why::Follows);
            state = moved.state;
            prop_assert_eq!(state.to_string(), written(&naive_state, &naive_open), "after {:?}", packet);
            prop_assert_eq!(state.to_string().parse(), Ok(state));
        }
    }

    #[test]
    fn no_text_makes_it_panic_and_what_is_read_is_written_the_same(text in "[0-9a-z ]{0,20}|\\PC*") {
        if let Ok(state) = text.parse::<BusinessState>() {
            prop_assert_eq!(state.to_string(), text);
        }
    }
}

fn all_states() -> Vec<BusinessState> {
    let mut known = vec![BusinessState::default()];
    let mut at = 0;
    while let Some(state) = known.get(at).copied() {
        at += 1;
        let words = StatusCode::ALL.into_iter();
        let events = words.flat_map(|code| [Event::Receiver(code), Event::Sender(code)]);
        for event in events.chain(BusinessType::ALL.map(Event::Packet)) {
            let next = state.apply(event).state;
            if !known.contains(&next) {
                known.push(next);
            }
        }
    }
    known
}

#[test]
fn every_state_is_written_small_and_read_back() {
    let states = all_states();
    // No question; a recall; one of three changes; both, in two orders; with each of eight stages, less 'none' with a
    // question answered.
    assert_eq!(states.len(), 8 * (1 + 1 + 3 + 6));
    for state in states {
        let json = serde_json::to_string(&state).expect("written");
        assert!(json.len() <= BusinessState::BYTES_MAX, "{json}");
        assert_eq!(serde_json::from_str::<BusinessState>(&json).expect("read"), state);
    }
    for text in ["", "00", "none ", "01 1 2", "01 13 13", "01 13 1 2", "1", "01  13", "withdrawn 4"] {
        assert_eq!(text.parse::<BusinessState>(), Err(BusinessStateFault), "{text:?}");
    }
}

/// Plays words such as `r01 s13 p2`; returns the last state, and where it was illegal.
fn play(told: &'static str) -> (String, Vec<(&'static str, Why)>) {
    let mut state = BusinessState::default();
    let mut flagged = Vec::new();
    for word in told.split(' ') {
        let who = word.chars().next().expect("who");
        let moved = state.apply(event((who, &word[1..])));
        if !moved.legal {
            flagged.push((word, moved.why));
        }
        state = moved.state;
    }
    (state.to_string(), flagged)
}

#[test]
fn legal_lives_are_not_flagged() {
    for (told, end) in [
        ("r01 r03 r04 r05 r04 r05 r05 r06", "06"),
        ("r03 r05", "05"),
        ("r02", "02"),
        ("r01 s13 r15", "withdrawn"),
        ("r01 r03 s13 r16 r05", "05"),
        ("s13 r01 r03 r16", "03"),
        ("r03 p1 r01 r15", "withdrawn"),
        ("r03 p2 r01 r15 r04", "04"),
        ("r03 p2 r16", "03"),
        ("r03 r06 p3 r15", "withdrawn"),
        ("r03 p2 s13 r16 r15", "03"),
        ("r03 p2 s13 r15 r16", "withdrawn"),
        ("p2 r01 r16", "01"),
    ] {
        assert_eq!(play(told), (end.to_owned(), vec![]), "{told}");
    }
}

#[test]
fn illegal_moves_are_flagged_and_end_as_the_table_says() {
    for (told, end, flagged) in [
        ("r01 r05 r06", "06", vec![("r05", Why::Skips)]),
        ("r03 r02", "02", vec![("r02", Why::Skips)]),
        ("r05 r03 r01", "05", vec![("r05", Why::Skips), ("r03", Why::Behind), ("r01", Why::Behind)]),
        ("r02 r03", "02", vec![("r03", Why::AfterEnd)]),
        ("s13 r15 r03 r06", "withdrawn", vec![("r03", Why::AfterEnd), ("r06", Why::AfterEnd)]),
        ("r01 r15 r16", "01", vec![("r15", Why::NothingOpen), ("r16", Why::NothingOpen)]),
        ("r01 s13 s13 r16", "01", vec![("s13", Why::OpenAlready)]),
        ("p2 p1 r15", "withdrawn", vec![("p1", Why::OpenAlready)]),
        ("r02 p1 r15", "withdrawn", vec![("p1", Why::AfterEnd)]),
        ("r02 s13", "02 13", vec![("s13", Why::AfterEnd)]),
        ("r01 r13 s03", "01", vec![("r13", Why::NotTheirs), ("s03", Why::NotTheirs)]),
    ] {
        assert_eq!(play(told), (end.to_owned(), flagged), "{told}");
    }
}

#[test]
fn everything_is_worded_twice() {
    let wordings = Stage::ALL.map(Stage::wording).into_iter();
    let wordings = wordings.chain(Question::ALL.map(Question::wording)).chain(Why::ALL.map(Why::wording));
    for (vi, en) in wordings {
        assert!(!vi.is_empty() && !en.is_empty() && vi != en);
    }
}

/// What the receiver may say in a stage, as a row of the tables in words.
fn row(stage: Stage) -> String {
    let next = Stage::ALL.into_iter().filter(|next| stage.leads_to(*next)).map(Stage::code);
    let next: Vec<_> = next.collect();
    format!("| {} | {} |", stage.code(), next.join(", "))
}

#[test]
fn the_tables_for_people_say_what_the_program_does() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(folder.join("../docs/status.md")).expect("the page");
    let module = include_str!("../business_state.rs");
    for stage in Stage::ALL {
        let ((vi, en), row) = (stage.wording(), row(stage));
        if stage.is_end() {
            assert!(row.ends_with("|  |") && module.contains("| 02, 06, withdrawn | nothing: ends |"));
        } else {
            assert!(module.contains(&row), "{row}");
        }
        let code = stage.code();
        let line = page.lines().find(|line| line.starts_with(&format!("| `{code}` |"))).expect(code);
        let next = row.rsplit('|').nth(1).expect("a cell").trim();
        let next = if next.is_empty() { "–" } else { next };
        assert!(line.contains(vi) && line.contains(en) && line.ends_with(&format!("| {next} |")), "{line}");
    }
}

#[test]
fn what_was_taken_back_before_it_left_leaves_nothing_to_answer() {
    let state = BusinessState::taken_back();
    assert_eq!(state.to_string(), "withdrawn");
    assert!(state.is_given_up() && state.open().next().is_none());
    for answer in [StatusCode::ChangeAgreed, StatusCode::ChangeRefused] {
        let moved = state.apply(Event::Receiver(answer));
        assert_eq!((moved.legal, moved.why, moved.state), (false, Why::NothingOpen, state));
    }
    for (written, given_up) in [("none", false), ("03 2 13", false), ("05 1", true), ("none 13 1", true)] {
        assert_eq!(written.parse::<BusinessState>().expect("a state").is_given_up(), given_up, "{written}");
    }
}
