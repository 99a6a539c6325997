//! `[delivery]`: attempts, the pauses between them, and the end of patience.

use std::time::Duration;

use crate::reading::Section;
use crate::sections::retry::RetrySettings;
use crate::values::span::Span;

/// Most attempts at once that may be set.
const CONCURRENT_MAX: u16 = 1_024;
/// Longest time until a delivery is given up.
const MOST: Span = Span::new(Duration::from_secs(90 * 86_400));

/// Attempts, the pauses between them, and the end of patience.
#[derive(Clone, Debug)]
pub struct DeliverySettings {
    /// Pause after the first failed attempt; it doubles with each further one.
    pub retry_first: Duration,
    /// Longest pause.
    pub retry_max: Duration,
    /// Longest `timeout` that a line to a system or an axis may have. It bounds the settings and no attempt: each lasts as
    /// its line's `timeout` says.
    pub attempt_timeout: Duration,
    /// A delivery that is not over after this long is late: its sender sees that, and nothing else changes.
    pub late_after: Duration,
    /// A delivery that is not settled after this long is given up, and its sender told.
    pub give_up_after: Duration,
    /// Attempts at once, per adapter.
    pub concurrent: usize,
    /// Part of a pause that is drawn by lot, 0 to 1, so that receivers that come back are not hit by all at once.
    pub jitter: f64,
    /// For vendors' systems over HTTP.
    pub vendor_http: AdapterDeliverySettings,
    /// For mail systems.
    pub email: AdapterDeliverySettings,
    /// For axes.
    pub national_axis: AdapterDeliverySettings,
    /// For mailboxes, into which packets are only put: `retry` and `jitter` count where our own disk is in trouble.
    pub mailbox: AdapterDeliverySettings,
}

/// What holds for one adapter: as its table in `[delivery]` says, and `[delivery]` where that says nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdapterDeliverySettings {
    /// Pauses and patience of lines that have none of their own.
    pub retry: RetrySettings,
    /// Attempts at once.
    pub concurrent: usize,
    /// See [`DeliverySettings::jitter`].
    pub jitter: f64,
}

impl DeliverySettings {
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Self {
        let seconds = |n| Span::new(Duration::from_secs(n));
        let retry = RetrySettings::read(section, RetrySettings::default());
        let attempt_timeout = section.ranged("attempt_timeout", seconds(600), seconds(1), seconds(3_600));
        let late_after = late_after(section, Span::new(retry.give_up_after));
        let concurrent = section.count("concurrent", 32, 1, CONCURRENT_MAX);
        let jitter = section.ranged("jitter", 0.2, 0.0, 1.0);
        let all = AdapterDeliverySettings { retry, concurrent, jitter };
        let mut adapter = |name| section.section(name, |section| AdapterDeliverySettings::read(section, all));
        Self {
            retry_first: retry.retry_first,
            retry_max: retry.retry_max,
            attempt_timeout: attempt_timeout.duration(),
            late_after: late_after.duration(),
            give_up_after: retry.give_up_after,
            concurrent,
            jitter,
            vendor_http: adapter("vendor_http"),
            email: adapter("email"),
            national_axis: adapter("national_axis"),
            mailbox: adapter("mailbox"),
        }
    }
}

impl AdapterDeliverySettings {
    fn read(section: &mut Section<'_, '_>, all: Self) -> Self {
        let concurrent = section.ranged_if_set("concurrent", 1, u64::from(CONCURRENT_MAX));
        let concurrent = concurrent.and_then(|concurrent| usize::try_from(concurrent).ok());
        Self {
            retry: RetrySettings::read(section, all.retry),
            concurrent: concurrent.unwrap_or(all.concurrent),
            jitter: section.ranged_if_set("jitter", 0.0, 1.0).unwrap_or(all.jitter),
        }
    }
}

/// One day, or less where deliveries are given up sooner; set by hand it must not be longer than that.
fn late_after(section: &mut Section<'_, '_>, give_up_after: Span) -> Span {
    let (second, day) = (Span::new(Duration::from_secs(1)), Span::new(Duration::from_secs(86_400)));
    let default = if give_up_after < day { give_up_after } else { day };
    let default = if default < second { second } else { default };
    let late_after = section.ranged("late_after", default, second, MOST);
    if section.is_set("late_after") && late_after > give_up_after {
        section.contradiction("late_after", "dài hơn give_up_after", "longer than give_up_after");
    }
    late_after
}
