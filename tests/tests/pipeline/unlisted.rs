//! An axis knows no such receiver: its word counts when its list says the same.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lienthong_adapters::contract::failure;
use lienthong_pipeline::ports::{Clock, FailureClass};
use lienthong_pipeline::record::State;
use lienthong_schemas::organ::OrganId;

use super::world::{A, AXIS, World, X, Y, Z, letter, organ, system, taken};

const HOUR: Duration = Duration::from_secs(3600);

/// What the axis lists; `None`: it gives no list. How often it was asked.
type List = Arc<Mutex<(Option<Vec<&'static str>>, u32)>>;

/// An axis that knows no [`Y`], and has this list.
fn open(list: Option<Vec<&'static str>>) -> (World, List) {
    let mut world = World::new();
    world.answer(|consignment, _| match consignment.receivers.contains(&organ(Y)) {
        true => {
            let one_of_several = consignment.receivers.len() > 1;
            Err(failure(FailureClass::Unlisted { one_of_several }, "axis_18"))
        }
        false => Ok(taken(consignment)),
    });
    let list = Arc::new(Mutex::new((list, 0)));
    let (lists, clock, says) = (world.lists.clone(), world.clock.clone(), list.clone());
    lists.serve();
    world.run(async move {
        loop {
            lists.wanted().await;
            if lists.take_wanted(&system("vpcp")) {
                let mut says = says.lock().expect("a list");
                says.1 += 1;
                let codes =
                    |all: &Vec<&str>| all.iter().map(|code| organ(code)).collect::<HashSet<OrganId>>();
                lists.looked(&system("vpcp"), clock.now(), says.0.as_ref().map(codes));
            }
        }
    });
    (world, list)
}

fn failed(world: &World) -> u64 {
    world.metrics.failed.of(AXIS, "unlisted").value()
}

#[tokio::test(start_paused = true)]
async fn who_is_in_no_list_is_refused_and_the_others_get_theirs() {
    let (mut world, list) = open(Some(vec![X, Z]));
    let receipt = world.send(letter(1, &[X, Y, Z])).await;
    world.quiet().await;
    use State::{HandedOver, Refused};
    assert_eq!(world.states(&receipt).await, [HandedOver, Refused, HandedOver]);
    assert_eq!((failed(&world), list.lock().expect("a list").1), (2, 1), "asked for the one alone");
}

#[tokio::test(start_paused = true)]
async fn who_is_in_the_list_is_tried_again_until_it_is_known() {
    let (mut world, list) = open(Some(vec![X, Y]));
    let receipt = world.send(letter(1, &[Y])).await;
    world.quiet().await;
    assert_eq!(world.states(&receipt).await, [State::Queued]);
    world.answer(|consignment, _| Ok(taken(consignment)));
    world.pass(HOUR, HOUR / 60).await;
    assert_eq!(world.states(&receipt).await, [State::HandedOver]);
    assert_eq!(list.lock().expect("a list").1, 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_list_nobody_is_refused() {
    let (mut world, list) = open(None);
    let first = world.send(letter(1, &[Y])).await;
    world.quiet().await;
    assert_eq!(world.states(&first).await, [State::Queued]);
    let paused = world.metrics.receivers_paused.of(AXIS).value();
    assert_eq!((paused, failed(&world)), (0, 1), "the axis is well");
    list.lock().expect("a list").0 = Some(vec![X]);
    world.pass(HOUR, HOUR / 60).await;
    assert_eq!(world.states(&first).await, [State::Refused]);
}

#[tokio::test(start_paused = true)]
async fn without_a_list_for_days_the_receiver_is_given_up_and_its_sender_told_once() {
    let (mut world, list) = open(None);
    let receipt = world.send(letter(1, &[Y])).await;
    world.quiet().await;
    world.pass(HOUR * 47, HOUR).await;
    assert_eq!(world.states(&receipt).await, [State::Queued]);
    world.pass(HOUR * 3, HOUR).await;
    assert_eq!(world.states(&receipt).await, [State::GivenUp]);
    world.pass(HOUR * 10, HOUR).await;
    let told = world.got(A);
    assert_eq!((told.len(), world.metrics.given_up.value()), (1, 1), "{told:?}");
    assert!(told[0].contains(&format!("({Y})")), "{told:?}");
    assert!(list.lock().expect("a list").1 > 1, "asked for after each attempt");
}

#[tokio::test(start_paused = true)]
async fn a_word_that_stays_against_the_list_parks_the_letter_while_others_pass() {
    let (mut world, _list) = open(Some(vec![X, Y]));
    let odd = world.send(letter(1, &[Y])).await;
    for number in 2..8 {
        world.send(letter(number, &[X])).await;
        world.pass(HOUR / 30, HOUR / 360).await;
    }
    assert_eq!(world.states(&odd).await, [State::Parked]);
}
