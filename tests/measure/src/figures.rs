//! Medians, ranges and percentiles.

use std::time::Duration;

/// Middle, least and greatest of some figures.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// Half of the figures are not above it; between the two middle ones of an even number.
    pub median: f64,
    /// The smallest.
    pub least: f64,
    /// The greatest.
    pub most: f64,
}

impl Spread {
    /// Of at least one figure; of none, all is zero.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
        let (half, last) = (sorted.len() / 2, sorted.len().saturating_sub(1));
        let median = if sorted.len() % 2 == 1 {
            at(half)
        } else {
            f64::midpoint(at(half.saturating_sub(1)), at(half))
        };
        Self { median, least: at(0), most: at(last) }
    }

    /// `median (least to most)` with this many digits after the point.
    pub fn show(&self, digits: usize) -> String {
        format!("{:.digits$} ({:.digits$} to {:.digits$})", self.median, self.least, self.most)
    }
}

/// The smallest of the durations that at least `share` (0 to 1) of them do not exceed, in milliseconds.
pub fn percentile_ms(durations: &mut [Duration], share: f64) -> f64 {
    durations.sort_unstable();
    let rank = (durations.len() as f64 * share).ceil() as usize;
    let found = durations.get(rank.saturating_sub(1)).copied().unwrap_or_default();
    found.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_lies_between_the_two_middle_figures() {
        let odd = Spread::of([3.0, 1.0, 2.0]);
        assert_eq!((odd.least, odd.median, odd.most), (1.0, 2.0, 3.0));
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert_eq!(odd.show(1), "2.0 (1.0 to 3.0)");
        assert_eq!(Spread::of([]).most, 0.0);
    }

    #[test]
    fn a_percentile_is_one_of_the_durations() {
        let mut hundred: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile_ms(&mut hundred, 0.5), 50.0);
        assert_eq!(percentile_ms(&mut hundred, 0.99), 99.0);
        assert_eq!(percentile_ms(&mut hundred, 1.0), 100.0);
    }
}
