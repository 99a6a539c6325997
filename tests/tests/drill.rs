//! A short drill: real processes, power cuts and a little of everything that can go wrong, and every receipt compared with
//! what each receiver got. `./drill --seed S` plays a longer one; the plan of this one is that of its seed, which is
//! printed.
#![allow(clippy::panic, reason = "this is test code, though not in test functions")]

use std::path::PathBuf;
use std::time::Duration;

use acceptance::drill::{BrokerKind, Options, Plan, Scope, layer, run};
use rand::Rng;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");

fn scope() -> Scope {
    Scope {
        span: Duration::from_secs(12),
        items: 60,
        bytes_max: 3_000_000,
        blows: 14,
        layered: true,
        jumps: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_through_power_cuts_and_the_rest() {
    let seed: u64 = rand::rng().random_range(0..1 << 32);
    println!("seed {seed}");
    let options = Options {
        seed,
        length: Duration::from_secs(60),
        rounds: 2,
        program: PathBuf::from(PROGRAM),
        layer: Some(layer().expect("the layer builds")),
        brokers: vec![BrokerKind::Single],
        engines: vec![None],
        scope: scope(),
        heal_by_start: true,
    };
    let outcome = run(&options).await.expect("the drill goes on");
    println!("{}", outcome.text());
    assert!(outcome.is_good(), "seed {seed}:\n{}", outcome.text());
    let done =
        outcome.counts.iter().filter(|(name, _)| !name.starts_with("answered") && !name.starts_with("call"));
    assert!(done.count() > 3, "something was done to it: {:?}", outcome.counts);
}

#[test]
fn a_seed_is_a_plan() {
    let plan = |seed| Plan::draw(seed, 1_000, &scope());
    assert_eq!(plan(7), plan(7));
    assert_ne!(plan(7), plan(8));
    assert!(plan(7).blows.is_sorted_by_key(|timed| timed.at));
}
