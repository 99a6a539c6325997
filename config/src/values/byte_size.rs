//! Numbers of bytes as people write them: `200MB`, `64KiB`.

use std::fmt;
use std::str::FromStr;

/// A number of bytes. Decimal units (`kB MB GB TB`) are powers of 1000, binary ones (`KiB MiB GiB TiB`) of 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

/// The text is not a number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a number of bytes such as 200MB or 64KiB")]
pub struct ByteSizeFault;

/// Larger units first, so that printing finds the largest that fits.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

impl ByteSize {
    /// So many bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = ByteSizeFault;

    /// Reads digits and a unit, a blank between them allowed, case ignored; no unit means bytes.
    fn from_str(text: &str) -> Result<Self, ByteSizeFault> {
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| ByteSizeFault)?;
        let unit = match unit.trim_start() {
            "" => "B",
            unit => unit,
        };
        let (_, factor) =
            UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or(ByteSizeFault)?;
        number.checked_mul(*factor).map(Self).ok_or(ByteSizeFault)
    }
}

impl fmt::Display for ByteSize {
    /// The largest unit that gives a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = |(_, factor): &&(&str, u64)| self.0 != 0 && self.0.is_multiple_of(*factor);
        let (unit, factor) = UNITS.iter().find(exact).unwrap_or(&("B", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_printed() {
        for (text, bytes, printed) in [
            ("200MB", 200_000_000, "200MB"),
            ("64KiB", 65_536, "64KiB"),
            ("64 kib", 65_536, "64KiB"),
            ("16384", 16_384, "16KiB"),
            ("1kb", 1_000, "1kB"),
            ("1001", 1_001, "1001B"),
            ("0", 0, "0B"),
            ("16777215TiB", 16_777_215 << 40, "16777215TiB"),
        ] {
            let size: ByteSize = text.parse().expect(text);
            assert_eq!((size.bytes(), size.to_string().as_str()), (bytes, printed), "{text}");
            assert_eq!(printed.parse(), Ok(size));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "MB", "-1MB", "1.5GB", "1 M B", "16777216TiB", "99999999999999999999", "1PB", "١MB"]
        {
            assert_eq!(text.parse::<ByteSize>(), Err(ByteSizeFault), "{text}");
        }
    }
}
