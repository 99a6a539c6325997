//! `retry_first`, `retry_max`, `give_up_after`: in `[delivery]` for all, in its tables for one adapter, in a line's own
//! section for that line.

use std::time::Duration;

use crate::reading::Section;
use crate::values::span::Span;

const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

/// Pauses and patience, all of them set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetrySettings {
    /// Pause after the first failed attempt; it doubles with each further one.
    pub retry_first: Duration,
    /// Longest pause.
    pub retry_max: Duration,
    /// A delivery that is not settled after this long is given up, and its sender told.
    pub give_up_after: Duration,
}

/// What one system or axis has otherwise than its adapter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineRetrySettings {
    /// See [`RetrySettings::retry_first`].
    pub retry_first: Option<Duration>,
    /// See [`RetrySettings::retry_max`].
    pub retry_max: Option<Duration>,
    /// See [`RetrySettings::give_up_after`].
    pub give_up_after: Option<Duration>,
}

impl Default for RetrySettings {
    /// 5 s, 15 min, 7 d.
    fn default() -> Self {
        Self {
            retry_first: Duration::from_secs(5),
            retry_max: Duration::from_secs(900),
            give_up_after: Duration::from_secs(7 * DAY),
        }
    }
}

impl RetrySettings {
    /// Reads these keys; what is not set is as in `above`.
    pub(crate) fn read(section: &mut Section<'_, '_>, above: Self) -> Self {
        let line = LineRetrySettings::read(section);
        if line.is_crossed(above) {
            section.contradiction("retry_first", "dài hơn retry_max", "longer than retry_max");
        }
        line.over(above)
    }
}

impl LineRetrySettings {
    /// Reads these keys, none of which must be set.
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Self {
        let seconds = |n| Span::new(Duration::from_secs(n));
        let least = Span::new(Duration::from_millis(10));
        Self {
            retry_first: section.ranged_if_set("retry_first", least, seconds(HOUR)).map(Span::duration),
            retry_max: section.ranged_if_set("retry_max", least, seconds(DAY)).map(Span::duration),
            give_up_after: section
                .ranged_if_set("give_up_after", seconds(1), seconds(90 * DAY))
                .map(Span::duration),
        }
    }

    /// The first pause is longer than the longest, and one of them is set here.
    pub(crate) fn is_crossed(self, above: RetrySettings) -> bool {
        let both = self.over(above);
        (self.retry_first.is_some() || self.retry_max.is_some()) && both.retry_first > both.retry_max
    }

    /// With these where they are set, and else as in `above`.
    pub fn over(self, above: RetrySettings) -> RetrySettings {
        RetrySettings {
            retry_first: self.retry_first.unwrap_or(above.retry_first),
            retry_max: self.retry_max.unwrap_or(above.retry_max),
            give_up_after: self.give_up_after.unwrap_or(above.give_up_after),
        }
    }
}
