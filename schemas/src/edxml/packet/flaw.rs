//! What keeps a packet from being written: each field by its path, and the rule that it breaks, in words for a clerk.

use std::fmt;
use std::io;

use crate::organ::OrganIdFault;
use crate::rejections::RejectionCode;

/// A field that is missing or that no rule of the standard allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketFlaw {
    /// Where the field stands: `edXMLHeader/MessageHeader/To[2]/OrganId`.
    pub field: String,
    /// What it must be.
    pub rule: FlawRule,
}

/// A rule that a field breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlawRule {
    /// It must be there and hold more than blanks.
    Missing,
    /// It must be an organisation code.
    OrganId(OrganIdFault),
    /// It names something that was named before.
    Repeated,
    /// It must be a day of the calendar, `yyyy/MM/dd`.
    Date,
    /// It must be a time, `yyyy/MM/dd HH:mm:ss`.
    Timestamp,
    /// It must be a whole number without a sign, of at most [`FlawRule::DIGITS_MAX`] digits.
    WholeNumber,
    /// It must be one of these.
    OneOf(&'static str),
    /// XML cannot carry this character.
    Character(char),
    /// It says `application/zip` of bytes that are no ZIP: receivers would fail to unzip them.
    NotZip,
    /// The bytes are a ZIP under a name that is none's: receivers would take the first file in it instead.
    ZipUnderOtherName,
    /// It names no attachment, or no reference names it.
    Unmatched,
    /// Our own reader, and so every gateway of ours, would refuse the packet: too long, too many. With the cause.
    Refused(RejectionCode, String),
}

impl FlawRule {
    /// Digits of a whole number: the least that receivers keep in 32 bits.
    pub const DIGITS_MAX: usize = 9;

    /// The rule in words, Vietnamese and English.
    pub fn wording(&self) -> (String, String) {
        let both = |vi: &str, en: &str| (vi.to_owned(), en.to_owned());
        match self {
            Self::Missing => both("bắt buộc phải có", "must be there"),
            Self::OrganId(fault) => (
                "phải là mã định danh của cơ quan, tổ chức".to_owned(),
                format!("must be an organisation code: {fault}"),
            ),
            Self::Repeated => both("bị lặp", "stands there twice"),
            Self::Date => {
                both("phải là ngày có thật, dạng yyyy/MM/dd", "must be a day of the calendar, yyyy/MM/dd")
            }
            Self::Timestamp => {
                both("phải là thời gian dạng yyyy/MM/dd HH:mm:ss", "must be a time, yyyy/MM/dd HH:mm:ss")
            }
            Self::WholeNumber => both(
                "phải là số nguyên không âm, nhiều nhất 9 chữ số",
                "must be a whole number without a sign, 9 digits at most",
            ),
            Self::OneOf(values) => {
                (format!("phải là một trong các giá trị: {values}"), format!("must be one of: {values}"))
            }
            Self::Character(c) => {
                let code = u32::from(*c);
                (
                    format!("có ký tự U+{code:04X} mà XML không chứa được"),
                    format!("holds U+{code:04X}, which XML cannot carry"),
                )
            }
            Self::NotZip => both(
                "khai application/zip nhưng nội dung không phải tệp ZIP",
                "says application/zip of bytes that are no ZIP",
            ),
            Self::ZipUnderOtherName => both(
                "nội dung là tệp ZIP nhưng tên tệp không phải của tệp ZIP; nơi nhận sẽ tự giải nén",
                "the bytes are a ZIP under another name; receivers would unpack it",
            ),
            Self::Refused(code, cause) => {
                let row = code.row();
                (format!("{} {cause}", row.rule_vi), format!("{} {cause}", row.rule_en))
            }
            Self::Unmatched => {
                both("tệp đính kèm và danh mục không khớp nhau", "attachments and manifest do not match")
            }
        }
    }
}

impl fmt::Display for PacketFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (vi, en) = self.rule.wording();
        write!(f, "{}: {vi} ({en})", self.field)
    }
}

/// Why a packet was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteFault {
    /// Nothing was written: these fields are missing or wrong.
    #[error("{}", listed(.0))]
    Flawed(Vec<PacketFlaw>),
    /// An attachment could not be opened or read. Part of the packet may have been written.
    #[error("attachment {}: {cause}", index + 1)]
    Attachment {
        /// Which, counted from 0.
        index: usize,
        /// What went wrong.
        cause: io::Error,
    },
    /// The packet could not be put where it was to go. Part of it may have been written.
    #[error(transparent)]
    Out(#[from] io::Error),
}

fn listed(flaws: &[PacketFlaw]) -> String {
    flaws.iter().map(PacketFlaw::to_string).collect::<Vec<_>>().join("\n")
}
