//! What makes guessing secrets slow: wrong signatures are counted by address and by `systemid`, in bounded memory. Who is
//! known at an address is always heard there; only its wrong signatures wait. Where systems came from, and how often their
//! secrets were guessed at from elsewhere, outlives a restart.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use lienthong_pipeline::record::SystemId;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::super::peers::who;

/// Wrong signatures that an address may make at once, and how soon it may make one more.
const BY_ADDRESS: Rate = Rate { burst: 10, one_more_after: Duration::from_secs(6) };
/// The same under one `systemid`, from addresses that it does not use.
const BY_ID: Rate = Rate { burst: 30, one_more_after: Duration::from_secs(2) };
/// The same over days, whatever is started anew meanwhile: 200 a day.
const BY_SYSTEM: Rate = Rate { burst: 200, one_more_after: Duration::from_secs(432) };
/// Addresses, and ids, that are counted at once.
const COUNTED_MAX: usize = 4_096;
/// Addresses known of one system.
const SOURCES_MAX: usize = 64;
/// Systems of which something is remembered.
const SYSTEMS_MAX: usize = 4_096;
/// How long a wrong signature waits for its answer when its address has made too many.
pub(super) const WAIT: Duration = Duration::from_secs(1);

struct Rate {
    burst: u32,
    one_more_after: Duration,
}

/// Who asks.
#[derive(Clone, Copy)]
pub(super) struct Caller<'a> {
    /// The id that it claims.
    pub(super) claimed: &'a str,
    /// The system of that id, if there is one.
    pub(super) system: Option<&'a SystemId>,
    /// That system's settings name the address.
    pub(super) is_named: bool,
    /// From where.
    pub(super) address: IpAddr,
}

/// Counts of wrong signatures, and where systems came from.
#[derive(Default)]
pub(super) struct Guard {
    seen: Mutex<Seen>,
    changed: Notify,
}

#[derive(Default)]
struct Seen {
    addresses: Tallies<IpAddr>,
    ids: Tallies<String>,
    systems: Remembered,
}

/// What outlives a restart.
pub(super) type Remembered = BTreeMap<SystemId, OfSystem>;

/// What is remembered of one system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct OfSystem {
    /// Its addresses, that which came first in front.
    sources: VecDeque<IpAddr>,
    /// What is left of [`BY_SYSTEM`]; none: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    guesses: Option<Tally>,
}

impl OfSystem {
    fn has_left(&self, now: Timestamp) -> bool {
        self.guesses.is_none_or(|tally| tally.now(&BY_SYSTEM, now).left > 0)
    }

    /// One less; `true`: that was the last.
    fn take(&mut self, now: Timestamp) -> bool {
        let tally = self.guesses.get_or_insert(Tally { left: BY_SYSTEM.burst, at: now });
        *tally = tally.now(&BY_SYSTEM, now);
        let was_last = tally.left == 1;
        tally.left = tally.left.saturating_sub(1);
        was_last
    }
}

impl Seen {
    fn is_known(&self, caller: Caller<'_>, address: &IpAddr) -> bool {
        let known = caller.system.and_then(|system| self.systems.get(system));
        caller.is_named || known.is_some_and(|known| known.sources.contains(address))
    }
}

impl Guard {
    /// A guard that remembers this.
    pub(super) fn remembering(mut systems: Remembered) -> Self {
        while systems.len() > SYSTEMS_MAX {
            systems.pop_last();
        }
        for known in systems.values_mut() {
            known.sources.truncate(SOURCES_MAX);
        }
        let seen = Mutex::new(Seen { systems, ..Seen::default() });
        Self { seen, changed: Notify::new() }
    }

    /// Waits until there is something to remember that was not there when [`Guard::remembered`] was last asked.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What is to be remembered.
    pub(super) fn remembered(&self) -> Remembered {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).systems.clone()
    }

    /// Whether a request is heard at all.
    pub(super) fn hears(&self, caller: Caller<'_>, now: Timestamp) -> bool {
        let address = who(caller.address);
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let guessed_at = caller.system.and_then(|system| seen.systems.get(system));
        seen.is_known(caller, &address)
            || (seen.addresses.has_left(&address, &BY_ADDRESS, now)
                && seen.ids.has_left(caller.claimed, &BY_ID, now)
                && guessed_at.is_none_or(|system| system.has_left(now)))
    }

    /// A wrong signature: how long its answer waits.
    pub(super) fn failed(&self, caller: Caller<'_>, now: Timestamp) -> Duration {
        let address = who(caller.address);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let left = seen.addresses.take(address, &BY_ADDRESS, now);
        let left = seen.ids.take(caller.claimed.to_owned(), &BY_ID, now) && left;
        // A system that has its own secret wrong does not lock itself out of new addresses.
        let strange = caller.system.filter(|_| !seen.is_known(caller, &address));
        if let Some(system) = strange {
            if seen.systems.entry(system.clone()).or_default().take(now) {
                tracing::error!(%system, "its secret is guessed at: for hours it is heard only where it is known");
            }
            self.changed.notify_one();
        }
        if left { Duration::ZERO } else { WAIT }
    }

    /// A right signature of this system from this address; `true` when it was not known there. Its oldest address is
    /// forgotten for it.
    pub(super) fn came(&self, system: &SystemId, address: IpAddr) -> bool {
        let address = who(address);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = seen.systems.get(system)
            && known.sources.contains(&address)
        {
            return false;
        }
        let known = seen.systems.entry(system.clone()).or_default();
        if known.sources.len() >= SOURCES_MAX {
            known.sources.pop_front();
        }
        known.sources.push_back(address);
        self.changed.notify_one();
        true
    }
}

/// How many more wrong signatures each of them may make.
struct Tallies<K>(HashMap<K, Tally>);

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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

    fn caller(claimed: &str, address: IpAddr) -> Caller<'_> {
        Caller { claimed, system: None, is_named: false, address }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_that_guesses_is_heard_no_more_until_it_has_waited() {
        let (guard, bad, other) = (Guard::default(), ip("192.0.2.1"), ip("192.0.2.2"));
        for _ in 0..BY_ADDRESS.burst {
            assert!(guard.hears(caller(CLAIMED, bad), at(0)));
            assert_eq!(guard.failed(caller(CLAIMED, bad), at(0)), Duration::ZERO);
        }
        assert!(!guard.hears(caller(CLAIMED, bad), at(5)));
        assert!(guard.hears(caller(CLAIMED, other), at(5)), "nobody else is hindered");
        assert!(guard.hears(caller(CLAIMED, bad), at(6)), "one more");
        guard.failed(caller(CLAIMED, bad), at(6));
        assert!(!guard.hears(caller(CLAIMED, bad), at(11)));
        assert!(!guard.hears(caller(CLAIMED, bad), at(-100)), "a clock set back gives nothing");
        assert!(guard.hears(caller(CLAIMED, bad), at(3_600)));
    }

    #[test]
    fn an_id_that_is_guessed_at_from_everywhere_is_heard_at_its_own_addresses() {
        let (guard, system) = (Guard::default(), SystemId::parse("a").expect("an id"));
        let (own, named, strange) = (ip("10.0.0.1"), ip("10.0.0.2"), ip("203.0.113.9"));
        assert!(guard.came(&system, own), "it was never there");
        for n in 0..BY_ID.burst {
            guard.failed(
                caller(CLAIMED, IpAddr::from([198, 51, 100, u8::try_from(n).expect("small")])),
                at(0),
            );
        }
        let hears = |address, is_named| {
            let caller = Caller { system: Some(&system), is_named, ..caller(CLAIMED, address) };
            guard.hears(caller, at(1))
        };
        assert_eq!((hears(strange, false), hears(own, false), hears(named, true)), (false, true, true));
        assert!(guard.hears(caller("another", strange), at(1)));
        assert_eq!(guard.failed(caller(CLAIMED, own), at(1)), WAIT, "what is wrong there waits");
        assert!(!guard.came(&system, own), "it is known there");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (guard, system) = (Guard::default(), SystemId::parse("a").expect("an id"));
        let address = |n: u32| IpAddr::from((0x0a00_0000 + n).to_be_bytes());
        for n in 0..10_000 {
            guard.failed(caller(&n.to_string(), address(n)), at(0));
            assert!(n > 200 || guard.came(&system, address(n)));
        }
        let seen = guard.seen.lock().expect("a lock");
        assert!(seen.addresses.0.len() <= COUNTED_MAX && seen.ids.0.len() <= COUNTED_MAX);
        assert_eq!(seen.systems[&system].sources.len(), SOURCES_MAX);
        assert!(seen.addresses.0.contains_key(&address(9_999)), "the newest is kept");
    }

    #[test]
    fn who_guesses_for_days_is_bounded_whatever_is_started_anew() {
        let system = SystemId::parse("a").expect("an id");
        let (mut guard, own) = (Guard::default(), ip("10.0.0.1"));
        assert!(guard.came(&system, own));
        let (mut heard, day) = (0, 24 * 3_600);
        // Every two seconds from another address, and a restart every hour.
        for second in (0..3 * day).step_by(2) {
            if second % 3_600 == 0 {
                let kept = serde_json::to_vec(&guard.remembered()).expect("written");
                guard = Guard::remembering(serde_json::from_slice(&kept).expect("read"));
            }
            let address = IpAddr::from((0xc633_0000_u32 + second as u32 / 2).to_be_bytes());
            let caller = Caller { system: Some(&system), ..caller(CLAIMED, address) };
            if guard.hears(caller, at(second)) {
                heard += 1;
                guard.failed(caller, at(second));
            }
        }
        assert!((700..=4 * 200).contains(&heard), "{heard} guesses in three days");
        let known = Caller { system: Some(&system), ..caller(CLAIMED, own) };
        assert!(guard.hears(known, at(3 * day)), "where it is known it is heard");
        assert!(!guard.came(&system, own), "and that is no news after a restart");
        let before = guard.remembered();
        guard.failed(known, at(3 * day));
        assert_eq!(guard.remembered(), before, "its own mistakes are not held against it");
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
