//! A short drill: real processes, power cuts and a little of everything that can go wrong, and every receipt compared with
//! what each receiver got. `./drill --short --seed S` plays the same with another seed, `./drill` a longer one.
#![allow(clippy::panic, reason = "this is test code, though not in test functions")]

use std::path::PathBuf;
use std::time::Duration;

use acceptance::drill::{BrokerKind, Options, Plan, Scope, layer, run};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");
/// Always the same, so that what changes from one run to the next is the program and not the plan.
const SEED: u64 = 584_314_130;
/// Each plays other faults.
const ROUNDS: u32 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_through_power_cuts_and_the_rest() {
    let options = Options {
        seed: SEED,
        length: Duration::MAX,
        rounds: ROUNDS,
        program: PathBuf::from(PROGRAM),
        layer: Some(layer().expect("the layer builds")),
        brokers: vec![BrokerKind::Single],
        engines: vec![None],
        scope: Scope::SHORT,
        heal_by_start: true,
    };
    let outcome = run(&options).await.expect("the drill goes on");
    println!("{}", outcome.text());
    assert!(outcome.is_good(), "seed {SEED}:\n{}", outcome.text());
    let done =
        outcome.counts.iter().filter(|(name, _)| !name.starts_with("answered") && !name.starts_with("call"));
    assert!(done.count() > 3, "something was done to it: {:?}", outcome.counts);
}

#[test]
fn a_seed_is_a_plan() {
    let plan = |seed| Plan::draw(seed, 1_000, &Scope::SHORT);
    assert_eq!(plan(7), plan(7));
    assert_ne!(plan(7), plan(8));
    assert!(plan(7).blows.is_sorted_by_key(|timed| timed.at));
}
