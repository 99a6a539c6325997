//! Độ khẩn: how urgent a document is (QCVN 102:2016, `OtherInfo/Priority`).

use serde::{Deserialize, Serialize};

/// `OtherInfo/Priority`. In serde it is its digit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Priority {
    /// 0, thường; also where the element is absent.
    #[default]
    Normal,
    /// 1, khẩn.
    Urgent,
    /// 2, thượng khẩn.
    VeryUrgent,
    /// 3, hỏa tốc.
    Express,
    /// 4, hỏa tốc hẹn giờ.
    ExpressAtHour,
}

/// A number that is no priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no priority: 0 to 4")]
pub struct PriorityUnknown(u8);

impl Priority {
    /// Every priority, by number.
    pub const ALL: [Self; 5] =
        [Self::Normal, Self::Urgent, Self::VeryUrgent, Self::Express, Self::ExpressAtHour];

    /// The digit in a packet, 0 to 4.
    pub const fn digit(self) -> u8 {
        match self {
            Self::Normal => 0,
            Self::Urgent => 1,
            Self::VeryUrgent => 2,
            Self::Express => 3,
            Self::ExpressAtHour => 4,
        }
    }

    /// The priority with this digit.
    pub fn from_digit(digit: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|priority| priority.digit() == digit)
    }

    /// The priority that a packet's text names; blanks around it do not count.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().as_bytes() {
            [digit @ b'0'..=b'9'] => Self::from_digit(digit - b'0'),
            _ => None,
        }
    }

    /// Anything but thường.
    pub fn is_urgent(self) -> bool {
        self != Self::Normal
    }

    /// What a clerk reads, Vietnamese and English.
    pub const fn wording(self) -> (&'static str, &'static str) {
        match self {
            Self::Normal => ("thường", "normal"),
            Self::Urgent => ("khẩn", "urgent"),
            Self::VeryUrgent => ("thượng khẩn", "very urgent"),
            Self::Express => ("hỏa tốc", "express"),
            Self::ExpressAtHour => ("hỏa tốc hẹn giờ", "express by a set hour"),
        }
    }
}

impl TryFrom<u8> for Priority {
    type Error = PriorityUnknown;
    fn try_from(digit: u8) -> Result<Self, PriorityUnknown> {
        Self::from_digit(digit).ok_or(PriorityUnknown(digit))
    }
}

impl From<Priority> for u8 {
    fn from(priority: Priority) -> Self {
        priority.digit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_are_their_digits() {
        for (n, priority) in (0..).zip(Priority::ALL) {
            assert_eq!(priority.digit(), n);
            assert_eq!(Priority::parse(&format!(" {n}\n")), Some(priority));
            assert_eq!(serde_json::to_string(&priority).expect("a number"), n.to_string());
            assert_eq!(serde_json::from_str::<Priority>(&n.to_string()).expect("a number"), priority);
        }
        for other in ["", "5", "9", "01", "-1", "khẩn", "4.0"] {
            assert_eq!(Priority::parse(other), None, "{other}");
        }
        assert!(serde_json::from_str::<Priority>("5").is_err());
        assert!(!Priority::default().is_urgent() && Priority::Urgent.is_urgent());
    }
}
