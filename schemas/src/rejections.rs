//! Refusals: what the sender must change. Every one is a row of the one table in `rejections/table.rs` (invariant 6):
//! HTTP status, SDK code, metric label, problem text and `docs/rejections.md` all come from there.

mod render;
mod table;

use std::fmt;

pub use render::render_markdown;
pub use table::RejectionCode;

use crate::organ::OrganId;
use crate::safe_text::SafeText;

/// Longest `field` and longest `detail` of a rejection, in bytes after escaping.
pub const REJECTION_TEXT_BYTES_MAX: usize = 400;

/// One row of the table: what a code means to each of its readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The code for programs: `SIGNATURE_INVALID`. Never changes once released.
    pub name: &'static str,
    /// HTTP status (RFC 9110) of the problem (RFC 9457).
    pub status: u16,
    /// `ErrorCode` on the SDK door; empty where that door cannot meet it.
    pub sdk: &'static str,
    /// Label in metrics: the name in snake case.
    pub label: &'static str,
    /// Title, Vietnamese.
    pub title_vi: &'static str,
    /// Title, English.
    pub title_en: &'static str,
    /// The rule and what the sender must change, one sentence, Vietnamese.
    pub rule_vi: &'static str,
    /// The same in English.
    pub rule_en: &'static str,
}

impl RejectionCode {
    /// The code in addresses of the documentation and of problem types: `signature-invalid`.
    pub fn slug(self) -> String {
        self.row().label.replace('_', "-")
    }

    /// The code with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.row().name == name)
    }
}

/// The sender must change something: final, told to the sender, never retried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Which row.
    pub code: RejectionCode,
    /// Where: an element path (`edXMLHeader/MessageHeader/From/OrganId`), a header or a setting. Escaped.
    pub field: Option<String>,
    /// The value or the cause. Escaped by [`SafeText`] and cut.
    pub detail: Option<String>,
    /// What else is wrong with the same packet, in the order of the specification; at most [`Rejection::ALSO_MAX`].
    pub also: Vec<Also>,
    /// Who took over a closed organisation.
    pub successors: Vec<OrganId>,
    /// Retry-After, where trying again later helps.
    pub retry_after_seconds: Option<u32>,
}

/// A further error of a packet that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Also {
    /// Which row.
    pub code: RejectionCode,
    /// Where. Escaped and cut.
    pub field: Option<String>,
    /// The value or the cause. Escaped and cut.
    pub detail: Option<String>,
}

impl Rejection {
    /// Most further errors kept.
    pub const ALSO_MAX: usize = 20;

    /// One rejection for all the errors of a packet: the first, and the others with it. `None` without an error.
    pub fn of_all(errors: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut errors = errors.into_iter();
        let mut first = errors.next()?;
        let further = errors.map(|e| Also { code: e.code, field: e.field, detail: e.detail });
        first.also.extend(further.take(Self::ALSO_MAX));
        Some(first)
    }

    /// A rejection of this row, without a place or a cause yet.
    pub const fn new(code: RejectionCode) -> Self {
        Self {
            code,
            field: None,
            detail: None,
            also: Vec::new(),
            successors: Vec::new(),
            retry_after_seconds: None,
        }
    }

    /// Names the field. The text is escaped and cut to [`REJECTION_TEXT_BYTES_MAX`].
    #[must_use]
    pub fn at(mut self, field: impl AsRef<str>) -> Self {
        self.field = Some(printable(field.as_ref()));
        self
    }

    /// Names the value or cause. The text is escaped and cut to [`REJECTION_TEXT_BYTES_MAX`].
    #[must_use]
    pub fn because(mut self, detail: impl AsRef<str>) -> Self {
        self.detail = Some(printable(detail.as_ref()));
        self
    }
}

pub(crate) fn printable(text: &str) -> String {
    SafeText::new(text).cut(REJECTION_TEXT_BYTES_MAX).into_string()
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.row().name)?;
        if let Some(field) = &self.field {
            write!(f, " at {field}")?;
        }
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Rejection {}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_row_is_whole_and_its_names_agree() {
        let mut names = HashSet::new();
        for code in RejectionCode::ALL {
            let row = code.row();
            assert!(names.insert(row.name), "{} stands twice", row.name);
            assert_eq!(row.label, row.name.to_ascii_lowercase());
            assert_eq!(RejectionCode::from_name(row.name), Some(*code));
            let known = [400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 503, 507];
            assert!(known.contains(&row.status), "{}", row.name);
            assert!(["", "10", "15", "18", "19", "20", "21", "22", "23"].contains(&row.sdk), "{}", row.name);
            for text in [row.title_vi, row.title_en, row.rule_vi, row.rule_en] {
                assert!(!text.trim().is_empty() && text.trim() == text, "{}", row.name);
            }
            for rule in [row.rule_vi, row.rule_en] {
                assert!(rule.ends_with('.'), "{}: {rule}", row.name);
            }
        }
        assert_eq!(RejectionCode::SignatureInvalid.slug(), "signature-invalid");
        assert_eq!(RejectionCode::from_name("signature_invalid"), None);
    }

    #[test]
    fn a_rejection_prints_hostile_text_escaped_and_cut() {
        let hostile = format!("\x1b[2J{}", "x".repeat(10_000));
        let rejection = Rejection::new(RejectionCode::FieldInvalid).at("a\nb").because(hostile);
        let text = rejection.to_string();
        assert!(text.starts_with("FIELD_INVALID at a\\u{a}b: \\u{1b}[2Jxxx"), "{text}");
        assert!(text.len() < 2 * REJECTION_TEXT_BYTES_MAX, "{}", text.len());
    }
}
