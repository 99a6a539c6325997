//! The schedule by itself: order, places, fairness, times.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::clock::after;

const START: Timestamp = Timestamp::UNIX_EPOCH;

fn at(seconds: u64) -> Timestamp {
    after(START, Duration::from_secs(seconds))
}

fn queue(name: &str) -> ReceiverToken {
    ReceiverToken::of(name)
}

fn turn(name: &str, lane: Lane) -> Option<(ReceiverToken, Errand)> {
    Some((queue(name), Errand::Serve(lane)))
}

fn next(schedule: &mut Schedule) -> Option<(ReceiverToken, Errand)> {
    schedule.next().map(|turn| (turn.queue, turn.errand))
}

/// An attempt was made, and there is more in the lane.
fn tried(lane: Lane) -> Report {
    Report { lane: Some((lane, Look::Maybe)), tried: 1, ..Report::default() }
}

fn looked(lane: Lane, look: Look) -> Report {
    Report { lane: Some((lane, look)), ..Report::default() }
}

use Lane::{Normal, Urgent};

#[test]
fn queues_have_their_turns_in_the_order_in_which_they_became_ready() {
    let mut schedule = Schedule::new(4);
    for name in ["Z", "A", "M"] {
        schedule.arrived(&queue(name), Normal);
    }
    schedule.arrived(&queue("A"), Normal);
    for name in ["Z", "A", "M"] {
        assert_eq!(next(&mut schedule), turn(name, Normal));
    }
    assert_eq!(next(&mut schedule), None, "each has one turn at a time");
    schedule.ended(&queue("M"), tried(Normal));
    schedule.ended(&queue("Z"), tried(Normal));
    assert_eq!(next(&mut schedule), turn("M", Normal));
    assert_eq!(next(&mut schedule), turn("Z", Normal));
}

#[test]
fn places_are_kept_for_either_lane() {
    for (concurrent, normal, urgent) in
        [(1, 1, 1), (2, 1, 1), (4, 3, 3), (8, 6, 7), (32, 24, 29), (100, 75, 90)]
    {
        for (lane, most) in [(Normal, normal), (Urgent, urgent)] {
            let mut schedule = Schedule::new(concurrent);
            for n in 0..200 {
                schedule.arrived(&queue(&format!("Q{n}")), lane);
            }
            let begun = std::iter::from_fn(|| schedule.next()).count();
            assert_eq!(begun, most, "{concurrent} places, {lane:?}");
            let other = if lane == Normal { Urgent } else { Normal };
            for n in 200..400 {
                schedule.arrived(&queue(&format!("Q{n}")), other);
            }
            let others = std::iter::from_fn(|| schedule.next()).count();
            assert_eq!(begun + others, concurrent, "every place is used when both lanes have something");
        }
    }
}

#[test]
fn urgent_goes_first_and_every_ninth_turn_is_a_normal_one() {
    let mut schedule = Schedule::new(1);
    schedule.arrived(&queue("N"), Normal);
    schedule.arrived(&queue("U"), Urgent);
    let mut lanes = Vec::new();
    for _ in 0..27 {
        let Some(Turn { queue, errand: Errand::Serve(lane), .. }) = schedule.next() else { panic!("a turn") };
        lanes.push(lane);
        schedule.ended(&queue, tried(lane));
    }
    let expected: Vec<Lane> =
        std::iter::repeat_n([vec![Urgent; 8], vec![Normal]].concat(), 3).flatten().collect();
    assert_eq!(lanes, expected);
}

#[test]
fn within_one_queue_neither_lane_starves() {
    let mut schedule = Schedule::new(32);
    schedule.arrived(&queue("A"), Normal);
    schedule.arrived(&queue("A"), Urgent);
    let mut lanes = Vec::new();
    for _ in 0..18 {
        let Some(Turn { queue, errand: Errand::Serve(lane), .. }) = schedule.next() else { panic!("a turn") };
        lanes.push(lane);
        schedule.ended(&queue, tried(lane));
    }
    let expected = [vec![Urgent; 8], vec![Normal], vec![Urgent; 8], vec![Normal]].concat();
    assert_eq!(lanes, expected);
}

#[test]
fn what_is_empty_or_not_due_costs_nothing_until_its_time() {
    let mut schedule = Schedule::new(4);
    for name in ["A", "B", "C"] {
        schedule.arrived(&queue(name), Normal);
        assert_eq!(next(&mut schedule), turn(name, Normal));
    }
    schedule.ended(&queue("A"), looked(Normal, Look::Nothing));
    schedule.ended(&queue("B"), looked(Normal, Look::Until(at(10))));
    schedule.ended(&queue("C"), looked(Normal, Look::Waits(at(20))));
    assert!(!schedule.knows(&queue("A")), "what is empty is forgotten");
    assert_eq!((next(&mut schedule), schedule.next_time()), (None, Some(at(10))));
    schedule.pass(at(9));
    assert_eq!(next(&mut schedule), None);
    schedule.arrived(&queue("B"), Urgent);
    schedule.arrived(&queue("C"), Urgent);
    assert_eq!(next(&mut schedule), turn("B", Urgent));
    schedule.ended(&queue("B"), looked(Urgent, Look::Nothing));
    assert_eq!(next(&mut schedule), turn("C", Urgent));
    schedule.ended(&queue("C"), looked(Urgent, Look::Nothing));
    assert_eq!(next(&mut schedule), turn("C", Normal), "what it waited for may have come");
    schedule.ended(&queue("C"), looked(Normal, Look::Nothing));
    assert_eq!(next(&mut schedule), None, "B is not due because something urgent came");
    schedule.pass(at(10));
    assert_eq!(next(&mut schedule), turn("B", Normal));
}

#[test]
fn what_comes_during_a_turn_is_looked_at_after_it() {
    let mut schedule = Schedule::new(4);
    schedule.arrived(&queue("A"), Normal);
    assert_eq!(next(&mut schedule), turn("A", Normal));
    schedule.arrived(&queue("A"), Normal);
    assert_eq!(next(&mut schedule), None);
    schedule.ended(&queue("A"), looked(Normal, Look::Nothing));
    assert_eq!(next(&mut schedule), turn("A", Normal));
    schedule.changed(&queue("A"));
    schedule.ended(&queue("A"), looked(Normal, Look::Until(at(99))));
    assert_eq!(next(&mut schedule), turn("A", Urgent));
    schedule.ended(&queue("A"), looked(Urgent, Look::Nothing));
    assert_eq!(next(&mut schedule), turn("A", Normal));
}

fn failed(lane: Lane, since: u64, until: u64) -> Report {
    let pause = Some(Pause { since: at(since), until: at(until) });
    Report { pause, ages: Some(Ages::Unknown), ..tried(lane) }
}

#[test]
fn a_paused_queue_is_asked_for_what_is_too_old_and_served_after_its_pause() {
    let ages = || Some((queue("A"), Errand::Ages));
    let old = |ages| Report { ages: Some(ages), ..Report::default() };
    let mut schedule = Schedule::new(4);
    schedule.arrived(&queue("A"), Normal);
    assert_eq!(next(&mut schedule), turn("A", Normal));
    schedule.ended(&queue("A"), failed(Normal, 0, 100));
    assert_eq!((schedule.paused(), next(&mut schedule)), (1, ages()));
    schedule.ended(&queue("A"), old(Ages::At(at(40))));
    assert_eq!((next(&mut schedule), schedule.next_time()), (None, Some(at(40))));
    schedule.arrived(&queue("A"), Normal);
    assert_eq!(next(&mut schedule), None, "what stands behind others is too old after them");
    schedule.arrived(&queue("A"), Urgent);
    assert_eq!(next(&mut schedule), ages(), "what is the first of its lane may be too old before them");
    schedule.ended(&queue("A"), old(Ages::At(at(30))));
    schedule.pass(at(30));
    assert_eq!(next(&mut schedule), ages());
    schedule.ended(&queue("A"), old(Ages::Never));
    schedule.pass(at(99));
    assert_eq!((next(&mut schedule), schedule.next_time()), (None, Some(at(100))));
    schedule.pass(at(100));
    assert_eq!((schedule.paused(), next(&mut schedule)), (0, turn("A", Urgent)));

    schedule.ended(&queue("A"), failed(Urgent, 100, 200));
    schedule.resumed(&queue("A"));
    let resumed = schedule.next().map(|turn| turn.errand);
    assert_eq!((schedule.paused(), resumed), (0, Some(Errand::Serve(Urgent))), "the operator ends a pause");
}

#[test]
fn a_clock_that_is_set_back_ends_pauses_that_have_not_begun_by_it() {
    let mut schedule = Schedule::new(4);
    for (name, since) in [("A", 50), ("B", 10)] {
        schedule.arrived(&queue(name), Normal);
        assert_eq!(next(&mut schedule), turn(name, Normal));
        schedule.ended(&queue(name), Report { ages: Some(Ages::Never), ..failed(Normal, since, 100) });
    }
    schedule.forget(at(20));
    assert_eq!(schedule.paused(), 1);
    assert_eq!(next(&mut schedule), turn("A", Urgent));
    let ages = schedule.next().expect("a turn");
    assert_eq!((ages.queue, ages.errand), (queue("B"), Errand::Ages));
}

fn held() -> Report {
    Report { ages: Some(Ages::Never), ..looked(Normal, Look::Held) }
}

#[test]
fn a_queue_whose_breaker_is_open_comes_again_when_it_is_let_go() {
    let mut schedule = Schedule::new(4);
    schedule.arrived(&queue("A"), Normal);
    assert_eq!(next(&mut schedule), turn("A", Normal));
    schedule.ended(&queue("A"), held());
    assert_eq!((next(&mut schedule), schedule.next_time()), (None, None));
    schedule.arrived(&queue("A"), Normal);
    schedule.found(&queue("A"));
    assert_eq!(schedule.next().map(|turn| turn.errand), Some(Errand::Serve(Urgent)), "its other lane may go");
    assert!(!schedule.released(&queue("A")), "it is busy, and asks by itself");
    schedule.ended(&queue("A"), looked(Urgent, Look::Nothing));
    assert_eq!(next(&mut schedule), turn("A", Normal));
    schedule.ended(&queue("A"), held());
    assert!(schedule.released(&queue("A")));
    assert_eq!(next(&mut schedule), turn("A", Normal));
    assert!(!schedule.released(&queue("B")), "nobody knows it");
}

/// What may happen to a schedule of a few queues.
#[derive(Clone, Debug)]
enum Event {
    Arrives(usize, Lane),
    Ends(usize, Ending),
    Passes(u64),
    Begins,
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    More,
    Empty,
    Later(u64),
    Paused(u64),
}

const QUEUES: usize = 5;

fn event() -> impl Strategy<Value = Event> {
    let lane = prop_oneof![Just(Urgent), Just(Normal)];
    let ending = prop_oneof![
        4 => Just(Ending::More),
        1 => Just(Ending::Empty),
        1 => (1..20_u64).prop_map(Ending::Later),
        1 => (1..20_u64).prop_map(Ending::Paused),
    ];
    prop_oneof![
        3 => (0..QUEUES, lane).prop_map(|(queue, lane)| Event::Arrives(queue, lane)),
        6 => (0..QUEUES, ending).prop_map(|(queue, ending)| Event::Ends(queue, ending)),
        1 => (1..10_u64).prop_map(Event::Passes),
        6 => Just(Event::Begins),
    ]
}

/// A model: which queue has something due in which lane, since how many turns of others.
#[derive(Clone, Copy, Debug, Default)]
struct Model {
    due: [bool; 2],
    until: [Option<u64>; 2],
    paused: Option<u64>,
    busy: Option<(Lane, bool)>,
    woken: [bool; 2],
    waited: usize,
}

proptest! {
    /// Whatever comes in whatever order: nobody has two turns at once, places are kept, nothing that is due is
    /// forgotten, and a queue with something due is not passed over more often than each other one has eight urgent
    /// turns and one.
    #[test]
    fn nobody_is_forgotten_or_passed_over_for_long(
        concurrent in 1..6_usize,
        events in proptest::collection::vec(event(), 1..400),
    ) {
        let names: Vec<ReceiverToken> = (0..QUEUES).map(|n| queue(&format!("Q{n}"))).collect();
        let mut schedule = Schedule::new(concurrent);
        let mut models = [Model::default(); QUEUES];
        let mut now = 0;
        for event in events {
            match event {
                Event::Arrives(n, lane) => {
                    schedule.arrived(&names[n], lane);
                    models[n].due[lane as usize] = true;
                    models[n].until[lane as usize] = None;
                    models[n].woken[lane as usize] = true;
                }
                Event::Passes(by) => {
                    now += by;
                    schedule.pass(at(now));
                    for model in &mut models {
                        model.paused.take_if(|until| *until <= now);
                        for lane in 0..2 {
                            if model.until[lane].take_if(|until| *until <= now).is_some() {
                                model.due[lane] = true;
                            }
                        }
                    }
                }
                Event::Begins => {
                    let Some(begun) = schedule.next() else {
                        let running = models.iter().filter(|model| model.busy.is_some()).count();
                        let ready = models.iter().any(|m| m.busy.is_none() && m.paused.is_none() && m.due != [false; 2]);
                        prop_assert!(!ready || running > 0, "somebody is ready, and nobody runs: {models:?}");
                        continue;
                    };
                    let n = names.iter().position(|name| *name == begun.queue).expect("one of ours");
                    prop_assert!(models[n].busy.is_none(), "one turn at a time");
                    let served = match begun.errand {
                        Errand::Serve(lane) => {
                            prop_assert!(models[n].due[lane as usize] && models[n].paused.is_none());
                            lane
                        }
                        Errand::Ages => {
                            prop_assert!(models[n].paused.is_some());
                            Normal
                        }
                    };
                    models[n].busy = Some((served, begun.errand == Errand::Ages));
                    (models[n].woken, models[n].waited) = ([false; 2], 0);
                    for model in &mut models {
                        if model.busy.is_none() && model.paused.is_none() && model.due != [false; 2] {
                            model.waited += 1;
                            prop_assert!(model.waited <= 9 * (QUEUES + 1), "{models:?}");
                        }
                    }
                    let running = models.iter().filter(|model| model.busy.is_some()).count();
                    prop_assert!(running <= concurrent);
                }
                Event::Ends(n, ending) => {
                    let Some((lane, ages)) = models[n].busy.take() else { continue };
                    if ages {
                        schedule.ended(&names[n], Report { ages: Some(Ages::Never), ..Report::default() });
                        continue;
                    }
                    let woken = models[n].woken[lane as usize];
                    let (report, due) = match ending {
                        Ending::More => (tried(lane), true),
                        Ending::Empty => (looked(lane, Look::Nothing), woken),
                        Ending::Later(by) => {
                            models[n].until[lane as usize] = (!woken).then_some(now + by);
                            (looked(lane, Look::Until(at(now + by))), woken)
                        }
                        Ending::Paused(by) => {
                            models[n].paused = Some(now + by);
                            (failed(lane, now, now + by), true)
                        }
                    };
                    models[n].due[lane as usize] = due;
                    schedule.ended(&names[n], report);
                }
            }
            prop_assert_eq!(schedule.paused(), models.iter().filter(|model| model.paused.is_some()).count() as u64);
        }
        // At last everything that is due is served.
        schedule.pass(at(now + 1_000));
        for (n, model) in models.iter().enumerate() {
            if let Some((lane, ages)) = model.busy {
                let report = if ages { Report::default() } else { looked(lane, Look::Nothing) };
                schedule.ended(&names[n], Report { ages: Some(Ages::Never), ..report });
            }
        }
        let mut served = std::collections::BTreeSet::new();
        while let Some(begun) = schedule.next() {
            let Errand::Serve(lane) = begun.errand else { panic!("nobody is paused") };
            served.insert((begun.queue.clone(), lane as usize));
            schedule.ended(&begun.queue, looked(lane, Look::Nothing));
        }
        for (n, model) in models.iter().enumerate() {
            for lane in 0..2 {
                let ended_so = model.busy.is_some_and(|(busy, ages)| !ages && busy as usize == lane);
                let due = (model.due[lane] && !ended_so) || model.until[lane].is_some() || (ended_so && model.woken[lane]);
                prop_assert!(!due || served.contains(&(names[n].clone(), lane)), "{n} {lane} {models:?}");
            }
        }
        prop_assert_eq!((schedule.next_time(), schedule.queues.len()), (None, 0));
    }
}

#[test]
fn a_run_ends_where_a_normal_one_has_its_turn() {
    let mut schedule = Schedule::new(4);
    schedule.arrived(&queue("A"), Urgent);
    let five = Report { tried: 5, ..tried(Urgent) };
    for _ in 0..2 {
        assert_eq!(schedule.next().map(|turn| turn.most), Some(URGENT_IN_A_ROW), "nobody else waits");
        schedule.ended(&queue("A"), five);
    }
    schedule.arrived(&queue("A"), Normal);
    let normal = schedule.next().map(|turn| (turn.errand, turn.most));
    assert_eq!(normal, Some((Errand::Serve(Normal), 1)), "ten were urgent, and more are");
    schedule.ended(&queue("A"), tried(Normal));
    assert_eq!(next(&mut schedule), turn("A", Urgent));
    schedule.ended(&queue("A"), five);
    assert_eq!(schedule.next().map(|turn| turn.most), Some(URGENT_IN_A_ROW - 5));
}

#[test]
fn who_is_let_go_before_its_turn_is_over_comes_again() {
    for lane in Lane::ALL {
        let mut schedule = Schedule::new(4);
        let told_to_wait = || Report { ages: Some(Ages::Never), ..looked(lane, Look::Held) };
        schedule.arrived(&queue("A"), lane);
        assert_eq!(next(&mut schedule), turn("A", lane));
        // The breaker told it to wait and closed, and the loop heard the second before the first.
        assert!(!schedule.released(&queue("A")), "it has a turn");
        schedule.ended(&queue("A"), told_to_wait());
        assert_eq!(next(&mut schedule), turn("A", lane), "nobody would let it go again");
        schedule.ended(&queue("A"), told_to_wait());
        assert_eq!(next(&mut schedule), None, "now it waits");
        assert!(schedule.released(&queue("A")));
        assert_eq!(next(&mut schedule), turn("A", lane));
        schedule.ended(&queue("A"), looked(lane, Look::Nothing));
        assert_eq!(next(&mut schedule), None);
    }
}
