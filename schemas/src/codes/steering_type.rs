//! Loại chỉ đạo. Sources contradict each other on what its numbers mean, so nothing is decided by it.

use std::fmt;

/// `SteeringType` as a packet has it: carried and shown, never acted upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SteeringType(String);

impl SteeringType {
    /// A packet's text, trimmed; `None` when there is none.
    pub fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The text as written. Print it through `SafeText`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// It is a whole number, as it should be: the reference library cannot read a packet where it is none.
    pub fn is_number(&self) -> bool {
        let digits = self.0.strip_prefix('-').unwrap_or(&self.0);
        !digits.is_empty() && digits.len() <= 9 && digits.bytes().all(|b| b.is_ascii_digit())
    }

    /// What some producers mean by the number, Vietnamese and English; letters that are no steering carry 0 from one and
    /// 1 from another. `None` for numbers that no source names.
    pub fn wording(&self) -> Option<(&'static str, &'static str)> {
        match self.0.as_str() {
            "0" | "1" => Some(("không phải văn bản chỉ đạo", "not a steering document")),
            "2" => Some(("văn bản chỉ đạo", "steering document")),
            "3" => Some(("báo cáo chỉ đạo", "report on steering")),
            _ => None,
        }
    }
}

impl fmt::Display for SteeringType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steering_types_keep_their_text() {
        let read = |text: &str| SteeringType::of(text).map(|t| (t.to_string(), t.is_number()));
        assert_eq!(read(" 1\n"), Some(("1".to_owned(), true)));
        assert_eq!(read("-1"), Some(("-1".to_owned(), true)));
        assert_eq!(read("có"), Some(("có".to_owned(), false)));
        assert_eq!(read("1234567890"), Some(("1234567890".to_owned(), false)));
        assert_eq!(read(" "), None);
    }
}
