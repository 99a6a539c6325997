//! Lengths of time as people write them: `30s`, `15m`, `7d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A length of time: a whole number and one unit (`ms s m min h d`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(Duration);

/// The text is not a length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a length of time such as 30s, 15m or 7d")]
pub struct SpanFault;

/// Unit and its length in milliseconds. Larger ones first, so that printing finds the largest that fits.
const UNITS: [(&str, u64); 6] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];

impl Span {
    /// This length.
    pub const fn new(length: Duration) -> Self {
        Self(length)
    }

    /// The length.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Span {
    type Err = SpanFault;

    /// Reads digits and a unit, a blank between them allowed. A number without unit is refused: `30` may mean anything.
    fn from_str(text: &str) -> Result<Self, SpanFault> {
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| SpanFault)?;
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit.trim_start()).ok_or(SpanFault)?;
        number.checked_mul(*factor).map(|ms| Self(Duration::from_millis(ms))).ok_or(SpanFault)
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        span.0
    }
}

impl fmt::Display for Span {
    /// The largest unit that gives a whole number; parts of a millisecond are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        let exact = |(_, factor): &&(&str, u64)| ms != 0 && ms.is_multiple_of(u128::from(*factor));
        let (unit, factor) = UNITS.iter().find(exact).unwrap_or(&("s", 1_000));
        write!(f, "{}{unit}", ms / u128::from(*factor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_printed() {
        for (text, ms, printed) in [
            ("30s", 30_000, "30s"),
            ("15m", 900_000, "15m"),
            ("15 min", 900_000, "15m"),
            ("7d", 604_800_000, "7d"),
            ("24h", 86_400_000, "1d"),
            ("1500ms", 1_500, "1500ms"),
            ("0s", 0, "0s"),
        ] {
            let span: Span = text.parse().expect(text);
            assert_eq!((span.duration().as_millis(), span.to_string().as_str()), (ms, printed), "{text}");
            assert_eq!(printed.parse(), Ok(span));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "30", "s", "-5s", "1.5h", "1h30m", "5 S", "213503982335d", "99999999999999999999s"] {
            assert_eq!(text.parse::<Span>(), Err(SpanFault), "{text}");
        }
        assert!("213503982334d".parse::<Span>().is_ok());
    }
}
