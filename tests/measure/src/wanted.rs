//! What figures must be and should be, and what was missed. The figures asked for are fixed: a miss is printed as one.

use crate::print;

/// What a figure must be, and what it should be.
#[derive(Clone, Copy)]
pub enum Wanted {
    /// Not more.
    AtMost {
        /// Above this the figure misses.
        must: f64,
        /// Above this it could be better.
        aim: Option<f64>,
    },
    /// Not less.
    AtLeast {
        /// Below this the figure misses.
        must: f64,
        /// Below this it could be better.
        aim: f64,
    },
}

/// The verdicts of a run.
#[derive(Default)]
pub struct Verdicts {
    judged: usize,
    missed: Vec<String>,
    musts_missed: usize,
}

impl Verdicts {
    /// `must <= 2.0 PASS, aim <= 1.4 MISS`; what is missed is kept for the end, under the words of `figure`.
    pub fn judge(&mut self, figure: &str, value: f64, wanted: Wanted) -> String {
        let at_most = |limit: f64| (format!("<= {limit}"), value <= limit);
        let at_least = |limit: f64| (format!(">= {limit}"), value >= limit);
        let (must, aim) = match wanted {
            Wanted::AtMost { must, aim } => (at_most(must), aim.map(at_most)),
            Wanted::AtLeast { must, aim } => (at_least(must), Some(at_least(aim))),
        };
        let mut parts = Vec::new();
        for (word, (limit, reached)) in std::iter::once(("must", must)).chain(aim.map(|aim| ("aim", aim))) {
            parts.push(format!("{word} {limit} {}", if reached { "PASS" } else { "MISS" }));
            self.judged += 1;
            if !reached {
                self.musts_missed += usize::from(word == "must");
                self.missed.push(format!("{word} {limit}: {figure}"));
            }
        }
        parts.join(", ")
    }

    /// Prints what was missed, all in one place. Whether all was reached that must be.
    pub fn conclude(&self) -> bool {
        let (judged, missed) = (self.judged, self.missed.len());
        print(&format!("\n{judged} figures were asked for, {missed} missed"));
        for line in &self.missed {
            print(&format!("  {line}"));
        }
        self.musts_missed == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_must_that_is_missed_is_not_forgotten() {
        let mut verdicts = Verdicts::default();
        let wanted = Wanted::AtMost { must: 2.0, aim: Some(1.5) };
        assert_eq!(verdicts.judge("a", 1.5, wanted), "must <= 2 PASS, aim <= 1.5 PASS");
        assert_eq!(verdicts.judge("a", 2.0, wanted), "must <= 2 PASS, aim <= 1.5 MISS");
        assert!(verdicts.conclude());
        assert_eq!(
            verdicts.judge("b", 1.9, Wanted::AtLeast { must: 2.0, aim: 3.0 }),
            "must >= 2 MISS, aim >= 3 MISS"
        );
        assert!(!verdicts.conclude());
        assert_eq!((verdicts.judged, verdicts.missed.len()), (6, 3));
        assert!(Verdicts::default().conclude());
    }
}
