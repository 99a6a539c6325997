//! What was noticed in a packet and did not hinder it, with a place and a weight. The list itself is in
//! `findings_table.rs`. Receipts and events carry the codes; what does hinder is a row of the table of rejections.

use std::fmt;

pub use super::findings_table::Finding;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The packet is refused: these are rows of the table of rejections, never a [`Finding`].
    Error,
    /// Somebody should look: what the packet says may not be what was meant, or a receiver may read it differently.
    Warning,
    /// Odd and harmless.
    Note,
}

impl Severity {
    /// The stable word: `error`, `warning`, `note`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }

    /// What a clerk reads, Vietnamese and English.
    pub const fn wording(self) -> (&'static str, &'static str) {
        match self {
            Self::Error => ("lỗi", "error"),
            Self::Warning => ("cảnh báo", "warning"),
            Self::Note => ("lưu ý", "note"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A finding with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// What.
    pub finding: Finding,
    /// Where: an element path, `edXMLHeader/MessageHeader/To[2]/OrganId`; escaped and cut, for it may name an element
    /// that the sender made up.
    pub field: String,
    /// The value or the cause, escaped and cut; empty where there is nothing to add.
    pub detail: String,
}

/// All that was noticed in one packet: warnings before notes, each kind in the order in which it was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    kinds: Vec<Finding>,
    /// Places seen of each kind, up to the most that are kept.
    places: Vec<usize>,
    remarks: Vec<Remark>,
}

impl Findings {
    /// Most places kept of one finding: a packet with 5,000 odd receivers has one oddity, not 5,000.
    pub const PLACES_MAX: usize = 20;

    /// Most places kept in all.
    pub const REMARKS_MAX: usize = 200;

    /// Notes a finding at a place, with a value or cause as it stands in the packet (empty for none).
    pub(super) fn add(&mut self, finding: Finding, field: impl Into<String>, detail: &str) {
        let kind = self.kinds.iter().position(|f| *f == finding).unwrap_or_else(|| {
            let at = self.kinds.partition_point(|f| f.severity() <= finding.severity());
            self.kinds.insert(at, finding);
            self.places.insert(at, 0);
            at
        });
        if self.places[kind] == Self::PLACES_MAX {
            return;
        }
        self.places[kind] += 1;
        let at = self.remarks.partition_point(|r| r.finding.severity() <= finding.severity());
        let field = crate::rejections::printable(&field.into());
        let remark = Remark { finding, field, detail: crate::rejections::printable(detail) };
        self.remarks.insert(at, remark);
        // What is least is dropped.
        self.remarks.truncate(Self::REMARKS_MAX);
    }

    /// Each finding once.
    pub fn kinds(&self) -> &[Finding] {
        &self.kinds
    }

    /// Where they are; at most [`Findings::PLACES_MAX`] of each and [`Findings::REMARKS_MAX`] in all.
    pub fn remarks(&self) -> &[Remark] {
        &self.remarks
    }

    /// Whether this was noticed.
    pub fn has(&self, finding: Finding) -> bool {
        self.kinds.contains(&finding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_stand_before_notes_and_each_keeps_its_order() {
        let mut findings = Findings::default();
        findings.add(Finding::SelfAddressed, "a", "");
        findings.add(Finding::ReasonMissing, "b", "x\u{1b}");
        findings.add(Finding::SelfAddressed, "c", "");
        findings.add(Finding::DateUnreadable, "d", "");
        let fields: Vec<_> = findings.remarks().iter().map(|r| r.field.as_str()).collect();
        assert_eq!(fields, ["b", "d", "a", "c"]);
        assert_eq!(
            findings.kinds(),
            [Finding::ReasonMissing, Finding::DateUnreadable, Finding::SelfAddressed]
        );
        assert_eq!(findings.remarks()[0].detail, "x\\u{1b}");
    }

    #[test]
    fn many_places_of_one_do_not_push_out_another() {
        let mut findings = Findings::default();
        for finding in Finding::ALL {
            for _ in 0..1_000 {
                findings.add(*finding, "x", "");
            }
        }
        assert_eq!(findings.kinds().len(), Finding::ALL.len());
        assert_eq!(
            findings.remarks().len(),
            Findings::REMARKS_MAX.min(Finding::ALL.len() * Findings::PLACES_MAX)
        );
    }

    #[test]
    fn codes_are_unique_and_worded_twice() {
        let mut codes: Vec<_> = Finding::ALL.iter().map(|f| f.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Finding::ALL.len());
        for finding in Finding::ALL {
            let (vi, en) = finding.wording();
            assert!(!vi.is_empty() && !en.is_empty() && finding.severity() != Severity::Error, "{finding}");
            assert_eq!(Finding::from_code(finding.code()), Some(*finding));
        }
    }
}
