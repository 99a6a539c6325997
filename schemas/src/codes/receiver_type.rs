//! What an update does with one receiver (`BussinessDocumentInfo/ReceiverList/Receiver/ReceiverType`).

/// `ReceiverType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReceiverType {
    /// 0: no receiver any more; it treats the update as a revocation.
    Removed,
    /// 1: a receiver from now on; it treats the update as a new document.
    Added,
}

impl ReceiverType {
    /// Both, by number.
    pub const ALL: [Self; 2] = [Self::Removed, Self::Added];

    /// The digit in a packet.
    pub const fn digit(self) -> &'static str {
        match self {
            Self::Removed => "0",
            Self::Added => "1",
        }
    }

    /// The type that a packet's text names; blanks around it do not count.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.digit() == text.trim())
    }

    /// What a clerk reads, Vietnamese and English.
    pub const fn wording(self) -> (&'static str, &'static str) {
        match self {
            Self::Removed => ("bỏ khỏi nơi nhận", "removed from the receivers"),
            Self::Added => ("thêm vào nơi nhận", "added to the receivers"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receiver_types_are_read_from_their_digit() {
        assert_eq!(ReceiverType::parse(" 0 "), Some(ReceiverType::Removed));
        assert_eq!(ReceiverType::parse("1"), Some(ReceiverType::Added));
        for other in ["", "2", "01", "true"] {
            assert_eq!(ReceiverType::parse(other), None, "{other}");
        }
    }
}
