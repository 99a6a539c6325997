//! How long pauses are, and how patient the gateway is: for all of an adapter, and for single lines of it.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;

use crate::record::SystemId;

/// How deliveries of one adapter are tried; from the settings.
#[derive(Clone, Copy, Debug)]
pub struct DispatchPolicy {
    /// Pause after the first failure; doubled after each further one.
    pub retry_first: Duration,
    /// Longest pause.
    pub retry_max: Duration,
    /// Age at which a delivery is given up.
    pub give_up_after: Duration,
    /// Attempts at once; a quarter of them only for the urgent lane, a tenth only for the normal one.
    pub concurrent: usize,
    /// Part of a pause that is random, 0.0 to 1.0, so that receivers are not all tried at one moment.
    pub jitter: f64,
}

/// What one system, or one axis, has otherwise than its adapter's [`DispatchPolicy`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinePolicy {
    /// See [`DispatchPolicy::retry_first`].
    pub retry_first: Option<Duration>,
    /// See [`DispatchPolicy::retry_max`].
    pub retry_max: Option<Duration>,
    /// See [`DispatchPolicy::give_up_after`].
    pub give_up_after: Option<Duration>,
}

/// All that the settings say of one adapter's attempts.
#[derive(Clone, Debug)]
pub struct Policies {
    /// For every line.
    pub all: DispatchPolicy,
    /// Exceptions, by system.
    pub lines: BTreeMap<SystemId, LinePolicy>,
}

/// How deliveries to one system are tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Retry {
    pub(crate) first: Duration,
    pub(crate) max: Duration,
    pub(crate) give_up_after: Duration,
    pub(crate) jitter: f64,
}

impl From<DispatchPolicy> for Policies {
    fn from(all: DispatchPolicy) -> Self {
        Self { all, lines: BTreeMap::new() }
    }
}

impl Policies {
    /// What counts for this system.
    pub(crate) fn of(&self, system: &SystemId) -> Retry {
        let line = self.lines.get(system).copied().unwrap_or_default();
        Retry {
            first: line.retry_first.unwrap_or(self.all.retry_first),
            max: line.retry_max.unwrap_or(self.all.retry_max),
            give_up_after: line.give_up_after.unwrap_or(self.all.give_up_after),
            jitter: self.all.jitter,
        }
    }
}

impl Retry {
    /// The pause after so many failures in a row, and not shorter than the receiver asked for.
    pub(crate) fn pause(&self, failures: u32, asked: Option<Duration>) -> Duration {
        let doubled = self.first.saturating_mul(1_u32 << failures.saturating_sub(1).min(20));
        let pause = doubled.min(self.max);
        let jitter = pause.mul_f64(self.jitter.clamp(0.0, 1.0) * rand::rng().random::<f64>());
        (pause + jitter).max(asked.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_own_pauses_where_it_says_so_and_its_adapters_else() {
        let seconds = Duration::from_secs;
        let all = DispatchPolicy {
            retry_first: seconds(5),
            retry_max: seconds(60),
            give_up_after: seconds(3_600),
            concurrent: 4,
            jitter: 0.0,
        };
        let system = |id| SystemId::parse(id).expect("an id");
        let slow =
            LinePolicy { retry_first: Some(seconds(50)), give_up_after: Some(seconds(9)), retry_max: None };
        let policies = Policies { all, lines: [(system("cham"), slow)].into() };
        let of = |id| {
            let retry = policies.of(&system(id));
            (retry.pause(1, None), retry.pause(2, None), retry.pause(u32::MAX, None), retry.give_up_after)
        };
        assert_eq!(of("khac"), (seconds(5), seconds(10), seconds(60), seconds(3_600)));
        assert_eq!(of("cham"), (seconds(50), seconds(60), seconds(60), seconds(9)));
        assert_eq!(
            policies.of(&system("khac")).pause(1, Some(seconds(7))),
            seconds(7),
            "as the receiver asked"
        );
    }
}
