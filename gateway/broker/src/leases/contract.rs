//! What all leases do, as tests that both implementations pass: `run` on a stage with two gateways and a hand on their
//! cable. It asserts, and so is for tests only.

use std::time::Duration;

use async_trait::async_trait;
use lienthong_pipeline::ports::{Leases, NodeWord, Seen, SeenNode};
use lienthong_pipeline::record::{Fence, NodeName, Partition};
use tokio::time::{Instant, interval, timeout};

/// Longest wait for what must come.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Two gateways with the same leases, which nobody has held so far.
#[async_trait]
pub trait Stage: Send + Sync {
    /// As one gateway has them.
    fn one(&self) -> &dyn Leases;
    /// As the other has them.
    fn other(&self) -> &dyn Leases;
    /// How long a lease lasts.
    fn lease_ttl(&self) -> Duration;
    /// Begins an outage, and returns when every call fails for it.
    async fn stop(&self);
    /// Ends the outage.
    async fn start(&self);
}

/// The whole contract.
pub async fn run(stage: &dyn Stage) {
    becomes_ready(stage.one()).await;
    becomes_ready(stage.other()).await;
    of_two_that_take_a_partition_one_gets_it(stage).await;
    what_is_released_is_free_at_once(stage).await;
    what_is_renewed_stays_and_what_is_not_ends(stage).await;
    a_word_is_seen_and_its_age_grows(stage).await;
    an_epoch_is_raised_once_and_never_lowered(stage).await;
    an_epoch_is_not_lost_between_words(stage).await;
    in_an_outage_every_call_fails(stage).await;
}

/// A gateway's name.
pub fn name(text: &str) -> NodeName {
    NodeName::parse(text).expect("a name")
}

/// What a gateway says of itself.
pub fn word(node: &str, epoch: u64) -> NodeWord {
    NodeWord { node: name(node), epoch, store: 7 }
}

/// The partition of this number.
pub fn partition(number: usize) -> Partition {
    Partition::numbered(number).expect("there is one")
}

/// Asks again until the leases can be used.
pub async fn becomes_ready(leases: &dyn Leases) {
    sees(leases, |_| true).await;
}

/// Looks until this is so.
pub async fn sees(leases: &dyn Leases, is_so: impl Fn(&Seen) -> bool) -> Seen {
    let looked = async {
        let mut looks = interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            match leases.look().await {
                Ok(seen) if is_so(&seen) => return seen,
                Ok(_) => {}
                Err(fault) => tracing::debug!(%fault, "nothing is seen yet"),
            }
        }
    };
    timeout(PATIENCE, looked).await.expect("it is seen")
}

/// Tries until a partition is free, and takes it.
pub async fn takes(leases: &dyn Leases, of: Partition, word: &NodeWord) -> Fence {
    let taken = async {
        let mut tries = interval(LOOK_EVERY);
        loop {
            tries.tick().await;
            if let Ok(Some(fence)) = leases.take(of, word).await {
                return fence;
            }
        }
    };
    timeout(PATIENCE, taken).await.expect("it is free at last")
}

fn holder(seen: &Seen, of: Partition) -> Option<(NodeName, Fence)> {
    let lease = seen.leases.iter().find(|lease| lease.partition == of);
    lease.map(|lease| (lease.node.clone(), lease.fence))
}

fn of_node(seen: &Seen, node: &str) -> Option<SeenNode> {
    seen.nodes.iter().find(|seen| seen.word.node.as_str() == node).cloned()
}

async fn of_two_that_take_a_partition_one_gets_it(stage: &dyn Stage) {
    let (one, other) = (stage.one(), stage.other());
    let (a, b) = (word("a", 1), word("b", 1));
    for number in 0..8 {
        let of = partition(number);
        let (by_a, by_b) = tokio::join!(one.take(of, &a), other.take(of, &b));
        let (by_a, by_b) = (by_a.expect("asked"), by_b.expect("asked"));
        assert!(by_a.is_some() != by_b.is_some(), "one gets it: {by_a:?}, {by_b:?}");
        for (leases, word) in [(one, &a), (other, &b)] {
            assert_eq!(leases.take(of, word).await.expect("asked"), None, "somebody holds it");
        }
        let fence = by_a.or(by_b).expect("one got it");
        let (loser, of_loser) = if by_a.is_some() { (other, &b) } else { (one, &a) };
        assert!(!loser.renew(of, fence, of_loser).await.expect("asked"), "it is not that node's");
        let node = if by_a.is_some() { &a.node } else { &b.node };
        for leases in [one, other] {
            sees(leases, |seen| holder(seen, of) == Some((node.clone(), fence))).await;
        }
    }
}

async fn what_is_released_is_free_at_once(stage: &dyn Stage) {
    let (one, other, of) = (stage.one(), stage.other(), partition(10));
    let (a, b) = (word("a", 1), word("b", 1));
    let mut before = Fence::ALONE;
    for _ in 0..3 {
        let first = one.take(of, &a).await.expect("asked").expect("it is free");
        assert!(first > before, "later holdings have higher numbers");
        assert!(one.renew(of, first, &a).await.expect("asked"));
        one.release(of, first).await.expect("released");
        let second = other.take(of, &b).await.expect("asked").expect("it is free at once");
        assert!(second > first);
        assert!(!one.renew(of, first, &a).await.expect("asked"), "that holding has ended");
        one.release(of, first).await.expect("it has ended already");
        assert!(other.renew(of, second, &b).await.expect("asked"), "and takes nothing from anybody");
        sees(one, |seen| holder(seen, of) == Some((b.node.clone(), second))).await;
        other.release(of, second).await.expect("released");
        sees(one, |seen| holder(seen, of).is_none()).await;
        before = second;
    }
    one.release(partition(11), before).await.expect("nobody ever held it");
}

async fn what_is_renewed_stays_and_what_is_not_ends(stage: &dyn Stage) {
    let (one, other, lease_ttl) = (stage.one(), stage.other(), stage.lease_ttl());
    let (kept, left) = (partition(20), partition(21));
    let (a, b) = (word("a", 1), word("b", 1));
    let first = one.take(kept, &a).await.expect("asked").expect("it is free");
    let begun = Instant::now();
    let old = one.take(left, &a).await.expect("asked").expect("it is free");
    let mut renewals = interval(lease_ttl / 10);
    let mut taken = None;
    while begun.elapsed() < lease_ttl * 2 || taken.is_none() {
        assert!(begun.elapsed() < PATIENCE, "what was left ends");
        renewals.tick().await;
        assert!(one.renew(kept, first, &a).await.expect("asked"), "it is held");
        assert_eq!(other.take(kept, &b).await.expect("asked"), None);
        if taken.is_none() {
            taken = other.take(left, &b).await.expect("asked");
            assert!(taken.is_none() || begun.elapsed() >= lease_ttl, "it ended too early");
        } else {
            assert!(other.renew(left, taken.unwrap_or_default(), &b).await.expect("asked"));
        }
    }
    let new = taken.expect("taken");
    assert!(new > old);
    assert!(!one.renew(left, old, &a).await.expect("asked"), "that holding has ended");
    one.release(left, old).await.expect("it has ended already");
    assert!(other.renew(left, new, &b).await.expect("asked"));
    for leases in [one, other] {
        let seen = sees(leases, |seen| holder(seen, left) == Some((b.node.clone(), new))).await;
        assert_eq!(holder(&seen, kept), Some((a.node.clone(), first)), "the number of a holding stays");
    }
    for leases in [one, other] {
        // Nobody says that these ended.
        sees(leases, |seen| holder(seen, left).is_none() && holder(seen, kept).is_none()).await;
    }
}

async fn a_word_is_seen_and_its_age_grows(stage: &dyn Stage) {
    let (one, other) = (stage.one(), stage.other());
    assert!(of_node(&one.look().await.expect("looked"), "n").is_none(), "it has said nothing");
    assert_eq!(one.say(&word("n", 3)).await.expect("said"), 3);
    for leases in [one, other] {
        let seen = sees(leases, |seen| of_node(seen, "n").is_some()).await;
        let node = of_node(&seen, "n").expect("seen");
        assert_eq!((&node.word, node.epoch), (&word("n", 3), 3));
        assert!(node.age < PATIENCE, "it said so just now: {:?}", node.age);
    }
    let age = |seen: &Seen| of_node(seen, "n").map(|node| node.age);
    let second = Duration::from_secs(1);
    sees(other, |seen| age(seen).is_some_and(|age| age > second)).await;
    let built_anew = NodeWord { store: 8, ..word("n", 3) };
    assert_eq!(one.say(&built_anew).await.expect("said"), 3);
    let seen = sees(other, |seen| of_node(seen, "n").is_some_and(|node| node.word == built_anew)).await;
    assert!(age(&seen).is_some_and(|age| age <= second), "{seen:?}");
    one.say(&word("m", 1)).await.expect("said");
    let seen = sees(other, |seen| of_node(seen, "m").is_some()).await;
    let names: Vec<&str> = seen.nodes.iter().map(|node| node.word.node.as_str()).collect();
    assert_eq!(names, ["m", "n"], "by name");
}

async fn an_epoch_is_raised_once_and_never_lowered(stage: &dyn Stage) {
    let (one, other) = (stage.one(), stage.other());
    let (old, new) = (word("r", 1), NodeWord { store: 9, ..word("r", 2) });
    assert_eq!(one.raise(&name("r"), 1).await.expect("asked"), None, "nobody knows it");
    assert_eq!(one.say(&old).await.expect("said"), 1);
    for epoch in [0, 2, u64::MAX] {
        assert_eq!(other.raise(&name("r"), epoch).await.expect("asked"), None, "it is another one");
    }
    let second = Duration::from_secs(1);
    let is_old = |seen: &Seen| of_node(seen, "r").is_some_and(|node| node.age > second);
    sees(other, is_old).await;
    let (by_one, by_other) = tokio::join!(one.raise(&old.node, 1), other.raise(&old.node, 1));
    let mut raised = [by_one.expect("asked"), by_other.expect("asked")];
    raised.sort();
    assert_eq!(raised, [None, Some(2)], "once");
    let seen = sees(other, |seen| of_node(seen, "r").is_some_and(|node| node.epoch == 2)).await;
    let node = of_node(&seen, "r").expect("seen");
    assert_eq!(node.word, old, "that is still what it said");
    assert!(node.age > second, "and it said nothing since: {:?}", node.age);
    assert_eq!(one.say(&old).await.expect("said"), 2, "it is told");
    let is_young = |seen: &Seen| of_node(seen, "r").is_some_and(|node| node.age <= second && node.epoch == 2);
    sees(other, is_young).await;
    assert_eq!(one.say(&new).await.expect("said"), 2);
    assert_eq!(one.say(&old).await.expect("said"), 2);
    sees(other, |seen| of_node(seen, "r").is_some_and(|node| node.word == new)).await;
    let seen = sees(one, is_young).await;
    assert_eq!(
        of_node(&seen, "r").map(|node| node.word),
        Some(new.clone()),
        "the older word changed nothing"
    );
    let far = NodeWord { epoch: 40, ..new };
    assert_eq!(one.say(&far).await.expect("said"), 40, "it knows better");
    assert_eq!(other.raise(&name("r"), 40).await.expect("asked"), Some(41));
}

async fn an_epoch_is_not_lost_between_words(stage: &dyn Stage) {
    let (one, other) = (stage.one(), stage.other());
    let first = word("s", 1);
    assert_eq!(one.say(&first).await.expect("said"), 1);
    for epoch in 1..20 {
        let (said, raised) = tokio::join!(one.say(&first), other.raise(&first.node, epoch));
        let said = said.expect("said");
        assert_eq!(raised.expect("asked"), Some(epoch + 1));
        assert!(said == epoch || said == epoch + 1, "{said}");
    }
    assert_eq!(one.say(&first).await.expect("said"), 20);
}

async fn in_an_outage_every_call_fails(stage: &dyn Stage) {
    let (one, other) = (stage.one(), stage.other());
    let (held, free) = (partition(30), partition(31));
    let a = word("a", 1);
    let fence = one.take(held, &a).await.expect("asked").expect("it is free");
    one.say(&word("o", 5)).await.expect("said");
    stage.stop().await;
    for leases in [one, other] {
        assert!(leases.look().await.is_err());
        assert!(leases.take(free, &a).await.is_err());
        assert!(leases.renew(held, fence, &a).await.is_err());
        assert!(leases.release(held, fence).await.is_err());
        assert!(leases.say(&word("o", 6)).await.is_err());
        assert!(leases.raise(&name("o"), 5).await.is_err());
    }
    stage.start().await;
    let later = takes(other, held, &word("b", 1)).await;
    assert!(later > fence);
    for leases in [one, other] {
        let is_as_it_was = |node: SeenNode| (node.word.epoch, node.epoch) == (5, 5);
        sees(leases, |seen| of_node(seen, "o").is_some_and(is_as_it_was)).await;
    }
    assert!(!one.renew(held, fence, &a).await.expect("asked"), "it ended meanwhile");
    sees(one, |seen| holder(seen, held) == Some((name("b"), later))).await;
}
