//! What makes guessing secrets slow: wrong signatures are counted by address and by `systemid`, in bounded memory. Who is
//! known at an address is always heard there; only its wrong signatures wait.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use lienthong_pipeline::record::SystemId;

use super::super::peers::who;

/// Wrong signatures that an address may make at once, and how soon it may make one more.
const BY_ADDRESS: Rate = Rate { burst: 10, one_more_after: Duration::from_secs(6) };
/// The same under one `systemid`, from addresses that it does not use.
const BY_ID: Rate = Rate { burst: 30, one_more_after: Duration::from_secs(2) };
/// Addresses, and ids, that are counted at once.
const COUNTED_MAX: usize = 4_096;
/// Addresses known of one system.
const SOURCES_MAX: usize = 64;
/// How long a wrong signature waits for its answer when its address has made too many.
pub(super) const WAIT: Duration = Duration::from_secs(1);

struct Rate {
    burst: u32,
    one_more_after: Duration,
}

/// Counts of wrong signatures, and where systems came from.
#[derive(Default)]
pub(super) struct Guard(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    addresses: Tallies<IpAddr>,
    ids: Tallies<String>,
    sources: HashMap<SystemId, VecDeque<IpAddr>>,
}

impl Guard {
    /// Whether a request is heard at all. `system` is the one of the id that it claims; `is_named`: its settings name this
    /// address.
    pub(super) fn hears(
        &self,
        claimed: &str,
        system: Option<&SystemId>,
        is_named: bool,
        address: IpAddr,
        now: Timestamp,
    ) -> bool {
        let address = who(address);
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known =
            system.and_then(|system| seen.sources.get(system)).is_some_and(|known| known.contains(&address));
        is_named
            || is_known
            || (seen.addresses.has_left(&address, &BY_ADDRESS, now)
                && seen.ids.has_left(claimed, &BY_ID, now))
    }

    /// A wrong signature: how long its answer waits.
    pub(super) fn failed(&self, claimed: &str, address: IpAddr, now: Timestamp) -> Duration {
        let address = who(address);
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = seen.addresses.take(address, &BY_ADDRESS, now);
        let left = seen.ids.take(claimed.to_owned(), &BY_ID, now) && left;
        if left { Duration::ZERO } else { WAIT }
    }

    /// A right signature of this system from this address; `true` when it was not known there. Its oldest address is
    /// forgotten for it.
    pub(super) fn came(&self, system: &SystemId, address: IpAddr) -> bool {
        let address = who(address);
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen.sources.entry(system.clone()).or_default();
        if known.contains(&address) {
            return false;
        }
        if known.len() == SOURCES_MAX {
            known.pop_front();
        }
        known.push_back(address);
        true
    }
}

/// How many more wrong signatures each of them may make.
struct Tallies<K>(HashMap<K, Tally>);

#[derive(Clone, Copy)]
struct Tally {
    left: u32,
    /// Since when it counts.
    at: Timestamp,
}

impl Tally {
    /// What is left now, with what time has given back.
    fn now(self, rate: &Rate, now: Timestamp) -> Self {
        let waited = now.duration_since(self.at).as_millis().max(0).unsigned_abs();
        let more = waited / rate.one_more_after.as_millis();
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        match more {
            0 if self.at <= now => self,
            // A clock that was set back gives nothing, and counts from now on.
            0 => Self { left: self.left, at: now },
            _ => Self { left: self.left.saturating_add(more).min(rate.burst), at: now },
        }
    }
}

impl<K> Default for Tallies<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Hash + Eq + Clone> Tallies<K> {
    fn has_left<Q: Hash + Eq + ?Sized>(&self, key: &Q, rate: &Rate, now: Timestamp) -> bool
    where
        K: std::borrow::Borrow<Q>,
    {
        self.0.get(key).is_none_or(|tally| tally.now(rate, now).left > 0)
    }

    /// One less; `false` when there was none left.
    fn take(&mut self, key: K, rate: &Rate, now: Timestamp) -> bool {
        if self.0.len() >= COUNTED_MAX && !self.0.contains_key(&key) {
            self.make_room(rate, now);
        }
        let tally = self.0.entry(key).or_insert(Tally { left: rate.burst, at: now });
        *tally = tally.now(rate, now);
        let had = tally.left > 0;
        tally.left = tally.left.saturating_sub(1);
        had
    }

    /// Forgets whoever has all of it again; else an eighth of them, those that were counted longest ago.
    fn make_room(&mut self, rate: &Rate, now: Timestamp) {
        self.0.retain(|_, tally| tally.now(rate, now).left < rate.burst);
        if self.0.len() < COUNTED_MAX {
            return;
        }
        let mut all: Vec<(Timestamp, K)> =
            self.0.iter().map(|(key, tally)| (tally.at, key.clone())).collect();
        all.select_nth_unstable_by_key(COUNTED_MAX / 8, |(at, _)| *at);
        for (_, key) in &all[..COUNTED_MAX / 8] {
            self.0.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAIMED: &str = "demo.sys.01";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("a time")
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_that_guesses_is_heard_no_more_until_it_has_waited() {
        let (guard, bad, other) = (Guard::default(), ip("192.0.2.1"), ip("192.0.2.2"));
        for _ in 0..BY_ADDRESS.burst {
            assert!(guard.hears(CLAIMED, None, false, bad, at(0)));
            assert_eq!(guard.failed(CLAIMED, bad, at(0)), Duration::ZERO);
        }
        assert!(!guard.hears(CLAIMED, None, false, bad, at(5)));
        assert!(guard.hears(CLAIMED, None, false, other, at(5)), "nobody else is hindered");
        assert!(guard.hears(CLAIMED, None, false, bad, at(6)), "one more");
        guard.failed(CLAIMED, bad, at(6));
        assert!(!guard.hears(CLAIMED, None, false, bad, at(11)));
        assert!(!guard.hears(CLAIMED, None, false, bad, at(-100)), "a clock set back gives nothing");
        assert!(guard.hears(CLAIMED, None, false, bad, at(3_600)));
    }

    #[test]
    fn an_id_that_is_guessed_at_from_everywhere_is_heard_at_its_own_addresses() {
        let (guard, system) = (Guard::default(), SystemId::parse("a").expect("an id"));
        let (own, named, strange) = (ip("10.0.0.1"), ip("10.0.0.2"), ip("203.0.113.9"));
        assert!(guard.came(&system, own), "it was never there");
        for n in 0..BY_ID.burst {
            guard.failed(CLAIMED, IpAddr::from([198, 51, 100, u8::try_from(n).expect("small")]), at(0));
        }
        let hears = |address, is_named| guard.hears(CLAIMED, Some(&system), is_named, address, at(1));
        assert_eq!((hears(strange, false), hears(own, false), hears(named, true)), (false, true, true));
        assert!(guard.hears("another", None, false, strange, at(1)));
        assert_eq!(guard.failed(CLAIMED, own, at(1)), WAIT, "what is wrong there waits");
        assert!(!guard.came(&system, own), "it is known there");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (guard, system) = (Guard::default(), SystemId::parse("a").expect("an id"));
        let address = |n: u32| IpAddr::from((0x0a00_0000 + n).to_be_bytes());
        for n in 0..10_000 {
            guard.failed(&n.to_string(), address(n), at(0));
            assert!(n > 200 || guard.came(&system, address(n)));
        }
        let seen = guard.0.lock().expect("a lock");
        assert!(seen.addresses.0.len() <= COUNTED_MAX && seen.ids.0.len() <= COUNTED_MAX);
        assert_eq!(seen.sources[&system].len(), SOURCES_MAX);
        assert!(seen.addresses.0.contains_key(&address(9_999)), "the newest is kept");
    }

    #[test]
    fn one_host_of_ipv6_is_one_address() {
        let (guard, system) = (Guard::default(), SystemId::parse("a").expect("an id"));
        assert!(guard.came(&system, ip("2001:db8::1")));
        assert!(!guard.came(&system, ip("2001:db8::2")));
        assert!(guard.came(&system, ip("::ffff:192.0.2.1")));
        assert!(!guard.came(&system, ip("192.0.2.1")));
    }
}
