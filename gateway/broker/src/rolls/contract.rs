//! What all shared rolls do, as tests that both implementations pass: `run` on a stage with two gateways and a hand on their
//! cable. It asserts, and so is for tests only.

use std::time::Duration;

use async_trait::async_trait;
use lienthong_pipeline::directory::{Home, Listed, Roll};
use lienthong_pipeline::ports::{RollVersion, RollVersions, Shared, SharedRolls};
use lienthong_pipeline::record::SystemId;
use lienthong_schemas::organ::OrganId;
use tokio::time::{interval, timeout};

/// Longest wait for what must come.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Organisations of a nation.
const MANY: usize = 30_000;

/// Two gateways with the same rolls, of which there is none so far.
#[async_trait]
pub trait Stage: Send + Sync {
    /// As one gateway has them.
    fn one(&self) -> &dyn SharedRolls;
    /// As the other has them.
    fn other(&self) -> &dyn SharedRolls;
    /// Begins an outage, and returns when every call fails for it.
    async fn stop(&self);
    /// Ends the outage.
    async fn start(&self);
}

/// The whole contract.
pub async fn run(stage: &dyn Stage) {
    becomes_ready(stage.one()).await;
    becomes_ready(stage.other()).await;
    what_one_puts_the_other_sees_and_reads(stage).await;
    of_two_that_write_behind_the_same_one_does(stage).await;
    a_long_roll_is_read_whole_while_others_write_it(stage).await;
    in_an_outage_calls_fail_and_who_waits_goes_on(stage).await;
}

/// An axis or system.
pub fn id(text: &str) -> SystemId {
    SystemId::parse(text).expect("an id")
}

/// A roll of so many organisations, each of which has this name.
pub fn roll(axis: &str, count: usize, name: &str) -> Roll {
    let mut roll = Roll::new(Home::Axis(id(axis)));
    roll.entries.extend((0..count).map(|number| {
        Listed {
            code: OrganId::parse(&format!(
                "000.{:02}.{:02}.H{:02}",
                number % 100,
                number / 100 % 100,
                number / 10_000 + 1
            ))
            .expect("a code"),
            other: Vec::new(),
            name: name.to_owned(),
            contact: String::new(),
            closed: None,
        }
    }));
    roll
}

/// Asks again until it can be used.
pub async fn becomes_ready(rolls: &dyn SharedRolls) {
    let asked = async {
        let mut looks = interval(LOOK_EVERY);
        while rolls.read(&id("nobody"), None).await.is_err() {
            looks.tick().await;
        }
    };
    timeout(PATIENCE, asked).await.expect("it can be used");
}

/// Waits until this is so of what is shared.
pub async fn sees(rolls: &dyn SharedRolls, is_so: impl Fn(&RollVersions) -> bool) -> RollVersions {
    let seen = async {
        let mut seen = rolls.other_than(None).await;
        while !is_so(&seen) {
            seen = rolls.other_than(Some(&seen)).await;
        }
        seen
    };
    timeout(PATIENCE, seen).await.expect("it is seen")
}

/// What stands there, and which writing it is.
pub async fn read(rolls: &dyn SharedRolls, of: &str) -> (RollVersion, Shared) {
    rolls.read(&id(of), None).await.expect("asked").expect("nothing is known")
}

fn shared(roll: &Roll) -> Shared {
    Shared::Roll(Box::new(roll.clone()))
}

async fn what_one_puts_the_other_sees_and_reads(stage: &dyn Stage) {
    let (one, other) = (stage.one(), stage.other());
    for rolls in [one, other] {
        assert_eq!(read(rolls, "vpcp").await, (RollVersion::default(), Shared::Nothing));
        let none = rolls.read(&id("vpcp"), Some(RollVersion::default())).await;
        assert_eq!(none.expect("asked"), None, "that is known");
        assert_eq!(sees(rolls, |_| true).await, RollVersions::new());
    }
    let (first, second) = (roll("vpcp", 2, "Bộ \u{1f4dc} \"Một\""), roll("vpcp", 0, ""));
    let written = one.put(&id("vpcp"), 0, &first).await.expect("asked").expect("there was none");
    let seen = sees(other, |seen| !seen.is_empty()).await;
    assert_eq!(seen, [(id("vpcp"), written)].into());
    assert_eq!(read(other, "vpcp").await, (written, shared(&first)));
    assert_eq!(other.read(&id("vpcp"), Some(written)).await.expect("asked"), None);

    assert_eq!(other.put(&id("vpcp"), 0, &second).await.expect("asked"), None, "there is one");
    let further = written.revision + 1;
    assert_eq!(other.put(&id("vpcp"), further, &second).await.expect("asked"), None, "nobody wrote that");
    assert_eq!(read(one, "vpcp").await, (written, shared(&first)), "it stands");
    let later = other.put(&id("vpcp"), written.revision, &second).await.expect("asked").expect("behind it");
    assert!(later.revision > written.revision && later.write != written.write);
    let beside = one.put(&id("bac"), 0, &first).await.expect("asked").expect("another one's");
    for rolls in [one, other] {
        sees(rolls, |seen| *seen == [(id("vpcp"), later), (id("bac"), beside)].into()).await;
        assert_eq!(read(rolls, "vpcp").await, (later, shared(&second)));
        assert_eq!(read(rolls, "bac").await, (beside, shared(&first)));
    }
}

async fn of_two_that_write_behind_the_same_one_does(stage: &dyn Stage) {
    let (one, other) = (stage.one(), stage.other());
    let (a, b) = (roll("hai", 3, "a"), roll("hai", 3, "b"));
    let mut after = 0;
    for _ in 0..8 {
        let (of, of_a, of_b) = (id("hai"), &a, &b);
        let (by_one, by_other) = tokio::join!(one.put(&of, after, of_a), other.put(&of, after, of_b));
        let (by_one, by_other) = (by_one.expect("asked"), by_other.expect("asked"));
        assert!(by_one.is_some() != by_other.is_some(), "one does: {by_one:?}, {by_other:?}");
        let stands = if by_one.is_some() { &a } else { &b };
        let version = by_one.or(by_other).expect("one did");
        for rolls in [one, other] {
            assert_eq!(read(rolls, "hai").await, (version, shared(stands)));
        }
        after = version.revision;
    }
}

async fn a_long_roll_is_read_whole_while_others_write_it(stage: &dyn Stage) {
    let (one, other, of) = (stage.one(), stage.other(), id("dai"));
    let written: Vec<Roll> =
        [(MANY, "Sở Nông nghiệp và Môi trường"), (10, "ít"), (MANY / 4, "Ủy ban nhân dân")]
            .map(|(count, name)| roll("dai", count, name))
            .into();
    let first = one.put(&of, 0, &written[0]).await.expect("asked").expect("there was none");
    assert_eq!(read(other, "dai").await, (first, shared(&written[0])));
    let writing = async {
        let mut after = first.revision;
        for number in 1..=12 {
            let put = one.put(&of, after, &written[number % written.len()]).await.expect("asked");
            after = put.expect("nobody else writes").revision;
        }
        after
    };
    tokio::pin!(writing);
    let mut readings = 0;
    let last = loop {
        tokio::select! {
            last = &mut writing => break last,
            seen = other.read(&of, None) => {
                // Who writes without a pause may be faster than who reads; half a roll is nobody's.
                if let Ok(seen) = seen {
                    let (_, found) = seen.expect("there is one");
                    let is_whole = matches!(&found, Shared::Roll(roll) if written.contains(roll));
                    assert!(is_whole, "half a roll, or one that nobody wrote");
                    readings += 1;
                }
            }
        }
        tokio::task::yield_now().await;
    };
    let (version, stands) = read(other, "dai").await;
    assert_eq!((version.revision, stands), (last, shared(&written[0])));
    tracing::debug!(readings, "a long roll was read while it was written");
}

async fn in_an_outage_calls_fail_and_who_waits_goes_on(stage: &dyn Stage) {
    let (one, other) = (stage.one(), stage.other());
    let (before, after) = (roll("cuoi", 1, "trước"), roll("cuoi", 1, "sau"));
    let written = one.put(&id("cuoi"), 0, &before).await.expect("asked").expect("there was none");
    let known = sees(other, |seen| seen.contains_key(&id("cuoi"))).await;
    stage.stop().await;
    for rolls in [one, other] {
        assert!(rolls.read(&id("cuoi"), None).await.is_err());
        assert!(rolls.put(&id("cuoi"), written.revision, &after).await.is_err());
    }
    let (seen, later) = tokio::join!(timeout(PATIENCE, other.other_than(Some(&known))), async {
        stage.start().await;
        becomes_ready(one).await;
        assert_eq!(read(one, "cuoi").await, (written, shared(&before)), "it stands as it was");
        one.put(&id("cuoi"), written.revision, &after).await.expect("asked").expect("behind it")
    });
    assert_eq!(seen.expect("who waited sees it").get(&id("cuoi")), Some(&later));
    assert_eq!(read(other, "cuoi").await, (later, shared(&after)));
}
