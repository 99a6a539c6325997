//! The breakers by themselves.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const FAILS: Showed = Showed::Fails(Standing::Failing);

fn at(seconds: u64) -> Timestamp {
    after(Timestamp::UNIX_EPOCH, Duration::from_secs(seconds))
}

fn queue(name: &str) -> ReceiverToken {
    ReceiverToken::of(name)
}

fn system(id: &str) -> SystemId {
    SystemId::parse(id).expect("an id")
}

/// Pauses of 10, 20, 40, 40 ... seconds.
fn retry() -> Retry {
    let seconds = Duration::from_secs;
    Retry { first: seconds(10), max: seconds(40), give_up_after: seconds(9_999), jitter: 0.0 }
}

fn tell(breakers: &mut Breakers, name: &str, showed: Showed, now: u64) -> Option<Change> {
    breakers.tell(&system("s"), &queue(name), showed, &retry(), at(now))
}

fn ask(breakers: &mut Breakers, name: &str, now: u64) -> Permit {
    breakers.ask(&system("s"), &queue(name), at(now))
}

/// Open since 0, until 10.
fn open() -> Breakers {
    let mut breakers = Breakers::default();
    assert_eq!(tell(&mut breakers, "A", FAILS, 0), None);
    assert_eq!(tell(&mut breakers, "B", FAILS, 0), None);
    assert_eq!(tell(&mut breakers, "C", FAILS, 0), Some(Change::Opened { until: at(10), first: true }));
    breakers
}

#[test]
fn it_opens_after_failures_in_a_row_of_more_than_one_queue() {
    let mut breakers = Breakers::default();
    for _ in 0..20 {
        assert_eq!(tell(&mut breakers, "A", FAILS, 0), None, "one queue says nothing of the others");
    }
    assert_eq!(ask(&mut breakers, "B", 0), Permit::Free);
    assert_eq!(tell(&mut breakers, "B", Showed::Works, 0), None);
    for name in ["A", "B"] {
        assert_eq!(tell(&mut breakers, name, FAILS, 0), None);
        assert_eq!(tell(&mut breakers, name, Showed::Nothing, 0), None, "that says nothing");
    }
    assert_eq!(breakers.standing(&system("s")), Standing::Fair);
    assert!(matches!(tell(&mut breakers, "A", FAILS, 0), Some(Change::Opened { first: true, .. })));
    assert_eq!(breakers.standing(&system("s")), Standing::Failing);
    assert_eq!(breakers.standing(&system("t")), Standing::Fair);
    assert_eq!(breakers.ask(&system("t"), &queue("A"), at(0)), Permit::Free, "another system");
    assert_eq!(breakers.count(), Count { open: 1, half_open: 0, waiting: 0 });
}

#[test]
fn exactly_one_is_tried_for_all_and_each_failure_doubles_the_pause() {
    let mut breakers = open();
    for name in ["A", "B", "C", "D"] {
        assert_eq!(ask(&mut breakers, name, 1), Permit::Wait);
        assert_eq!(ask(&mut breakers, name, 1), Permit::Wait);
    }
    assert_eq!(breakers.count().waiting, 4, "each waits once");
    let (mut now, pauses) = (0, [10, 20, 40, 40, 40, 40]);
    for (name, pauses) in ["A", "B", "C", "D", "A"].into_iter().zip(pauses.windows(2)) {
        assert_eq!(
            (breakers.due(at(now + pauses[0] - 1)), breakers.next()),
            (vec![], Some(at(now + pauses[0])))
        );
        now += pauses[0];
        assert_eq!(breakers.due(at(now)), [queue(name)], "the longest waiting");
        assert_eq!((breakers.due(at(now)), breakers.next()), (vec![], None), "one, until it comes back");
        assert_eq!(ask(&mut breakers, "E", now), Permit::Wait, "nobody takes its turn");
        assert_eq!(ask(&mut breakers, name, now), Permit::Probe);
        assert_eq!(ask(&mut breakers, "F", now), Permit::Wait);
        assert_eq!(breakers.count().half_open, 1);
        let until = at(now + pauses[1]);
        assert_eq!(tell(&mut breakers, name, FAILS, now), Some(Change::Opened { until, first: false }));
        assert_eq!(ask(&mut breakers, name, now), Permit::Wait);
        for passer_by in ["E", "F"] {
            breakers.of.get_mut(&system("s")).expect("it").waiting.remove(&queue(passer_by));
        }
    }
}

#[test]
fn it_closes_when_the_line_works_and_all_that_wait_come() {
    let mut breakers = open();
    for name in ["A", "B", "D"] {
        assert_eq!(ask(&mut breakers, name, 1), Permit::Wait);
    }
    assert_eq!(breakers.due(at(10)), [queue("A")]);
    assert_eq!(ask(&mut breakers, "A", 10), Permit::Probe);
    assert_eq!(tell(&mut breakers, "A", Showed::Works, 12), Some(Change::Closed));
    assert_eq!(breakers.due(at(12)), ["B", "D"].map(queue));
    assert_eq!(ask(&mut breakers, "B", 12), Permit::Free);
    assert!(breakers.of.is_empty(), "nothing is remembered of a line that works");

    let mut breakers = open();
    assert_eq!(ask(&mut breakers, "D", 1), Permit::Wait);
    assert_eq!(tell(&mut breakers, "E", Showed::Works, 2), Some(Change::Closed), "it was under way before");
    assert_eq!(breakers.due(at(2)), [queue("D")]);
}

#[test]
fn a_turn_that_comes_to_nothing_goes_to_the_next() {
    let mut breakers = open();
    for name in ["A", "B", "D"] {
        assert_eq!(ask(&mut breakers, name, 1), Permit::Wait);
    }
    assert_eq!(breakers.due(at(10)), [queue("A")]);
    breakers.pass(&queue("X"), at(10));
    assert_eq!(breakers.due(at(10)), []);
    breakers.pass(&queue("A"), at(10));
    assert_eq!(breakers.due(at(10)), [queue("B")]);
    assert_eq!(ask(&mut breakers, "B", 10), Permit::Probe);
    breakers.pass(&queue("B"), at(11));
    assert_eq!(breakers.due(at(11)), [queue("D")], "its permit was given back");
    assert_eq!(ask(&mut breakers, "D", 11), Permit::Probe);
    assert_eq!(tell(&mut breakers, "D", Showed::Nothing, 12), None);
    assert_eq!(ask(&mut breakers, "E", 12), Permit::Probe, "what shows nothing decides nothing");
    let until = at(12 + 20);
    assert_eq!(tell(&mut breakers, "E", FAILS, 12), Some(Change::Opened { until, first: false }));
}

#[test]
fn the_operator_ends_a_pause() {
    let mut breakers = open();
    for name in ["A", "B"] {
        assert_eq!(ask(&mut breakers, name, 1), Permit::Wait);
    }
    breakers.hasten(&queue("X"), at(2));
    assert_eq!(ask(&mut breakers, "A", 2), Permit::Wait, "X does not wait here");
    breakers.hasten(&queue("B"), at(3));
    assert_eq!(ask(&mut breakers, "B", 3), Permit::Probe);
}

#[test]
fn a_clock_that_is_set_back_ends_the_pause() {
    let mut breakers = Breakers::default();
    for name in ["A", "B", "C"] {
        tell(&mut breakers, name, FAILS, 1_000_000);
    }
    assert_eq!(ask(&mut breakers, "A", 1_000_001), Permit::Wait);
    assert_eq!(breakers.due(at(5)), [queue("A")]);
    assert_eq!(ask(&mut breakers, "A", 5), Permit::Probe);
}

proptest! {
    /// Whatever happens: never two probes at once, nobody who waits is forgotten, and a line that works is found to work.
    #[test]
    fn nobody_waits_for_ever(steps in proptest::collection::vec((0..6_usize, 0..4_u8, 0..15_u64), 1..200)) {
        let names: Vec<String> = (0..6).map(|n| format!("Q{n}")).collect();
        let mut breakers = Breakers::default();
        let (mut now, mut under_way) = (0, std::collections::BTreeMap::new());
        for (n, what, by) in steps {
            now += by;
            for queue in breakers.due(at(now)) {
                breakers.pass(&queue, at(now));
                breakers.ask(&system("s"), &queue, at(now));
                breakers.pass(&queue, at(now));
            }
            let name = names[n].as_str();
            match (under_way.get(name).copied(), what) {
                (None, _) => match ask(&mut breakers, name, now) {
                    Permit::Wait => prop_assert!(breakers.count().open + breakers.count().half_open == 1),
                    permit => {
                        under_way.insert(name, permit);
                    }
                },
                (Some(_), what) => {
                    under_way.remove(name);
                    match what {
                        0 | 1 => drop(tell(&mut breakers, name, FAILS, now)),
                        2 => drop(tell(&mut breakers, name, Showed::Works, now)),
                        _ => breakers.pass(&queue(name), at(now)),
                    }
                }
            }
            let probes = under_way.values().filter(|permit| **permit == Permit::Probe).count();
            let half_open = breakers.count().half_open as usize;
            prop_assert!(half_open <= 1 && probes >= half_open, "the one that is tried is under way");
        }
        for name in under_way.into_keys() {
            tell(&mut breakers, name, FAILS, now);
        }
        // Everybody asks; from now on the line works.
        let mut waiting: std::collections::BTreeSet<&str> = names.iter().map(String::as_str).collect();
        for _ in 0..20 {
            waiting.retain(|name| match ask(&mut breakers, name, now) {
                Permit::Wait => true,
                Permit::Free | Permit::Probe => {
                    tell(&mut breakers, name, Showed::Works, now);
                    false
                }
            });
            now += 40;
            breakers.due(at(now)).into_iter().for_each(|queue| breakers.pass(&queue, at(now)));
        }
        prop_assert!(waiting.is_empty());
    }
}
