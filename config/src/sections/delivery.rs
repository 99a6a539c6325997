//! `[delivery]`: attempts, the pauses between them, and the end of patience.

use std::time::Duration;

use crate::reading::Section;
use crate::values::span::Span;

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
    /// A delivery that is not settled after this long is given up, and its sender told.
    pub give_up_after: Duration,
    /// Attempts at once, per adapter.
    pub concurrent: usize,
    /// Part of a pause that is drawn by lot, 0 to 1, so that receivers that come back are not hit by all at once.
    pub jitter: f64,
}

impl DeliverySettings {
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Self {
        let seconds = |n| Span::new(Duration::from_secs(n));
        let (hour, day) = (3_600, 86_400);
        let retry_first =
            section.ranged("retry_first", seconds(5), Span::new(Duration::from_millis(10)), seconds(hour));
        let retry_max =
            section.ranged("retry_max", seconds(900), Span::new(Duration::from_millis(10)), seconds(day));
        if retry_first > retry_max {
            section.contradiction("retry_first", "dài hơn retry_max", "longer than retry_max");
        }
        let attempt_timeout = section.ranged("attempt_timeout", seconds(600), seconds(1), seconds(hour));
        let give_up_after = section.ranged("give_up_after", seconds(7 * day), seconds(1), seconds(90 * day));
        Self {
            retry_first: retry_first.duration(),
            retry_max: retry_max.duration(),
            attempt_timeout: attempt_timeout.duration(),
            give_up_after: give_up_after.duration(),
            concurrent: section.count("concurrent", 32, 1, 1_024),
            jitter: section.ranged("jitter", 0.2, 0.0, 1.0),
        }
    }
}
