//! What a packet is: a document of one of four business types, or a status.

use std::fmt;

/// `BussinessDocType` \[sic\]: what a document packet does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BusinessType {
    /// 0, văn bản mới.
    New,
    /// 1, thu hồi: the receiver is asked to give the document up.
    Revoke,
    /// 2, cập nhật: content or receivers of an earlier document change.
    Update,
    /// 3, thay thế: a new document takes the place of those listed.
    Replace,
}

impl BusinessType {
    /// Every type, by number.
    pub const ALL: [Self; 4] = [Self::New, Self::Revoke, Self::Update, Self::Replace];

    /// The digit in a packet.
    pub const fn digit(self) -> &'static str {
        match self {
            Self::New => "0",
            Self::Revoke => "1",
            Self::Update => "2",
            Self::Replace => "3",
        }
    }

    /// The type that a packet's text names.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.digit() == text.trim())
    }

    /// What a clerk reads, Vietnamese and English.
    pub const fn wording(self) -> (&'static str, &'static str) {
        match self {
            Self::New => ("văn bản mới", "new document"),
            Self::Revoke => ("thu hồi", "revocation"),
            Self::Update => ("cập nhật", "update"),
            Self::Replace => ("thay thế", "replacement"),
        }
    }
}

/// Packet kind with its business type, as it enters ids and records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PacketKind {
    /// Gói tin văn bản.
    Document(BusinessType),
    /// Gói tin trạng thái.
    Status,
}

impl PacketKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Document(BusinessType::New),
        Self::Document(BusinessType::Revoke),
        Self::Document(BusinessType::Update),
        Self::Document(BusinessType::Replace),
        Self::Status,
    ];

    /// The text that enters document ids (design.md B1): `document:0` to `document:3`, `status`. Never changes.
    pub const fn id_text(self) -> &'static str {
        match self {
            Self::Document(BusinessType::New) => "document:0",
            Self::Document(BusinessType::Revoke) => "document:1",
            Self::Document(BusinessType::Update) => "document:2",
            Self::Document(BusinessType::Replace) => "document:3",
            Self::Status => "status",
        }
    }

    /// The kind with this [`PacketKind::id_text`].
    pub fn from_id_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.id_text() == text)
    }
}

impl fmt::Display for PacketKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id_text())
    }
}

/// `StatusCode` of a status packet. Codes 07 to 12 and 14 do not occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StatusCode {
    /// 01, đã đến: the receiver's software has it, no clerk yet.
    Arrived,
    /// 02, từ chối tiếp nhận, with a reason.
    Refused,
    /// 03, đã tiếp nhận, vào sổ.
    Registered,
    /// 04, phân công xử lý.
    Assigned,
    /// 05, đang xử lý.
    InProgress,
    /// 06, hoàn thành xử lý.
    Finished,
    /// 13, yêu cầu lấy lại: the original sender wants it back.
    RecallAsked,
    /// 15, đồng ý cập nhật / lấy lại.
    ChangeAgreed,
    /// 16, từ chối cập nhật / lấy lại, with a reason.
    ChangeRefused,
}

impl StatusCode {
    /// Every code, by number.
    pub const ALL: [Self; 9] = [
        Self::Arrived,
        Self::Refused,
        Self::Registered,
        Self::Assigned,
        Self::InProgress,
        Self::Finished,
        Self::RecallAsked,
        Self::ChangeAgreed,
        Self::ChangeRefused,
    ];

    /// The two digits in a packet.
    pub const fn digits(self) -> &'static str {
        match self {
            Self::Arrived => "01",
            Self::Refused => "02",
            Self::Registered => "03",
            Self::Assigned => "04",
            Self::InProgress => "05",
            Self::Finished => "06",
            Self::RecallAsked => "13",
            Self::ChangeAgreed => "15",
            Self::ChangeRefused => "16",
        }
    }

    /// The code that a packet's text names. `1` is taken for `01`: the leading zero is lost by some senders.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        Self::ALL.into_iter().find(|code| {
            let digits = code.digits();
            digits == text || digits.strip_prefix('0') == Some(text)
        })
    }

    /// What a clerk reads, Vietnamese and English.
    pub const fn wording(self) -> (&'static str, &'static str) {
        match self {
            Self::Arrived => ("đã đến", "arrived"),
            Self::Refused => ("từ chối tiếp nhận", "refused"),
            Self::Registered => ("đã tiếp nhận", "registered"),
            Self::Assigned => ("phân công xử lý", "assigned"),
            Self::InProgress => ("đang xử lý", "in progress"),
            Self::Finished => ("hoàn thành xử lý", "finished"),
            Self::RecallAsked => ("yêu cầu lấy lại văn bản", "recall asked for"),
            Self::ChangeAgreed => ("đồng ý cập nhật / lấy lại", "change or recall agreed"),
            Self::ChangeRefused => ("từ chối cập nhật / lấy lại", "change or recall refused"),
        }
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.digits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_back_from_their_id_text() {
        for kind in PacketKind::ALL {
            assert_eq!(PacketKind::from_id_text(kind.id_text()), Some(kind));
        }
        assert_eq!(PacketKind::from_id_text("document:4"), None);
        assert_eq!(BusinessType::parse(" 2\n"), Some(BusinessType::Update));
        assert_eq!(BusinessType::parse("44"), None);
    }

    #[test]
    fn status_codes_keep_their_zero_and_do_without() {
        for code in StatusCode::ALL {
            assert_eq!(StatusCode::parse(code.digits()), Some(code));
        }
        assert_eq!(StatusCode::parse(" 1 "), Some(StatusCode::Arrived));
        for unknown in ["", "0", "07", "14", "001", "3 4", "O1"] {
            assert_eq!(StatusCode::parse(unknown), None, "{unknown:?}");
        }
    }
}
