//! Loại văn bản: `DocumentType/Type`, `TypeDetail` and `TypeName` of a packet. Of the three only the name is to be
//! trusted: real packets contradict their numbers. The rows are in `document_types.rs`.

use std::sync::LazyLock;

use super::Certainty;
use super::document_types::ALL;
use super::name_key::name_key;

/// `DocumentType/Type` as the standard has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TypeGroup {
    /// 1, văn bản quy phạm pháp luật.
    Legal,
    /// 2, văn bản hành chính; also where the number is absent.
    Administrative,
}

impl TypeGroup {
    /// Both groups, by number.
    pub const ALL: [Self; 2] = [Self::Legal, Self::Administrative];

    /// The number in a packet.
    pub const fn digit(self) -> u8 {
        match self {
            Self::Legal => 1,
            Self::Administrative => 2,
        }
    }

    /// What a clerk reads, Vietnamese and English.
    pub const fn wording(self) -> (&'static str, &'static str) {
        match self {
            Self::Legal => ("văn bản quy phạm pháp luật", "legal document"),
            Self::Administrative => ("văn bản hành chính", "administrative document"),
        }
    }
}

/// One type of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocumentType {
    /// `Type`.
    pub group: TypeGroup,
    /// `TypeDetail`: 1 to 13 or 1 to 32. `None` for phiếu báo, which the standard has not numbered.
    pub detail: Option<u8>,
    /// Its Vietnamese name, as the standard writes it.
    pub vi: &'static str,
    /// Its English name.
    pub en: &'static str,
    /// It is one of the 29 administrative types of NĐ 30/2020/NĐ-CP article 7, in force; the others are of the past or
    /// no administrative ones.
    pub in_decree_30: bool,
    /// What the row rests on.
    pub certainty: Certainty,
}

impl DocumentType {
    /// Every type: the legal ones, then the administrative ones, each by number.
    pub const ALL: &[Self] = &ALL;

    /// The type that a packet's `Type` and `TypeDetail` stand for by the standard.
    pub fn by_code(kind: &str, detail: &str) -> Option<&'static Self> {
        let (kind, detail) = (number(kind)?, number(detail)?);
        ALL.iter().find(|t| i64::from(t.group.digit()) == kind && t.detail.map(i64::from) == Some(detail))
    }

    /// The types that a `TypeName` may mean. `Quyết định` is one of the legal and one of the administrative types;
    /// `Quyết định (cá biệt)` is the administrative one. Case, blanks, normal form and the place of the tone mark do
    /// not count.
    pub fn by_name(name: &str) -> Vec<&'static Self> {
        let whole = called(&name_key(name));
        if whole.is_empty() { called(&name_key(without_brackets(name))) } else { whole }
    }

    /// What a clerk reads, Vietnamese and English.
    pub const fn wording(&self) -> (&'static str, &'static str) {
        (self.vi, self.en)
    }
}

/// Whether a packet's numbers stand for its type's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// They do, by the standard or by the habit of a family of senders.
    Agrees,
    /// They stand for another type.
    Differs,
    /// There are no numbers, or the lists do not have them or the name.
    Unknown,
}

/// Compares `Type`, `TypeDetail` and `TypeName` as a packet has them.
///
/// A `TypeDetail` that is absent, 0 or -1 says nothing (the reference library writes none for -1). Senders that use the
/// .NET library write the number of the administrative list into `Type`: 18 is an official letter.
pub fn agrees(kind: &str, detail: &str, name: &str) -> Agreement {
    let named = DocumentType::by_name(name);
    let Some(kind) = number(kind) else { return Agreement::Unknown };
    if named.is_empty() {
        return Agreement::Unknown;
    }
    let detail = number(detail).filter(|detail| *detail > 0);
    let group = TypeGroup::ALL.into_iter().find(|group| i64::from(group.digit()) == kind);
    let yes = match (group, detail) {
        (Some(group), Some(detail)) if is_listed(group, detail) => {
            named.iter().any(|t| t.group == group && t.detail.map(i64::from) == Some(detail))
        }
        (Some(group), detail) => {
            let same_group = named.iter().any(|t| t.group == group);
            if same_group && detail.is_some() {
                // A number that the list does not have yet.
                return Agreement::Unknown;
            }
            same_group || is_index(kind, &named)
        }
        (None, _) if is_listed(TypeGroup::Administrative, kind) => is_index(kind, &named),
        (None, _) => return Agreement::Unknown,
    };
    if yes { Agreement::Agrees } else { Agreement::Differs }
}

/// The number that .NET senders write into `Type`.
fn is_index(kind: i64, named: &[&DocumentType]) -> bool {
    named.iter().any(|t| t.group == TypeGroup::Administrative && t.detail.map(i64::from) == Some(kind))
}

fn is_listed(group: TypeGroup, detail: i64) -> bool {
    ALL.iter().any(|t| t.group == group && t.detail.map(i64::from) == Some(detail))
}

/// The keys under which each type is found, by its place in [`ALL`].
static KEYS: LazyLock<Vec<[String; 3]>> = LazyLock::new(|| {
    let keys = |t: &DocumentType| {
        let full = name_key(t.vi);
        // `Quyết định cá biệt` is written for `Quyết định (cá biệt)`.
        let bare = full.replace(['(', ')'], "");
        [full, name_key(without_brackets(t.vi)), bare]
    };
    ALL.iter().map(keys).collect()
});

fn called(key: &str) -> Vec<&'static DocumentType> {
    ALL.iter().zip(KEYS.iter()).filter(|(_, keys)| keys.iter().any(|k| k == key)).map(|(t, _)| t).collect()
}

/// A name up to what stands in brackets.
fn without_brackets(name: &str) -> &str {
    name.split_once('(').map_or(name, |(base, _)| base)
}

/// A whole number as senders write it; `None` for anything else.
fn number(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    let fits = (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(name: &str) -> Vec<(u8, Option<u8>)> {
        DocumentType::by_name(name).iter().map(|t| (t.group.digit(), t.detail)).collect()
    }

    #[test]
    fn the_lists_are_whole() {
        let details =
            |group| -> Vec<_> { ALL.iter().filter(|t| t.group == group).filter_map(|t| t.detail).collect() };
        assert_eq!(details(TypeGroup::Legal), (1..=13).collect::<Vec<_>>());
        assert_eq!(details(TypeGroup::Administrative), (1..=32).collect::<Vec<_>>());
        assert_eq!(ALL.iter().filter(|t| t.in_decree_30).count(), 29);
        let inferred: Vec<_> =
            ALL.iter().filter(|t| t.certainty == Certainty::Inferred).filter_map(|t| t.detail).collect();
        assert_eq!(inferred, (10..=17).chain(27..=32).collect::<Vec<_>>());
        for t in &ALL {
            assert!(DocumentType::by_name(t.vi).contains(&t), "{}", t.vi);
            let Some(detail) = t.detail else { continue };
            let (kind, detail) = (t.group.digit().to_string(), detail.to_string());
            assert_eq!(DocumentType::by_code(&kind, &detail), Some(t));
            assert_eq!(agrees(&kind, &detail, t.vi), Agreement::Agrees, "{}", t.vi);
        }
    }

    #[test]
    fn types_are_found_by_any_spelling_of_their_name() {
        assert_eq!(names(" CÔNG  VĂN"), [(2, Some(18))]);
        assert_eq!(names("Bản thoả thuận"), [(2, Some(22))]);
        assert_eq!(names("Quyết định"), [(1, Some(8)), (2, Some(2))]);
        assert_eq!(names("Quyết định (cá biệt)"), [(2, Some(2))]);
        assert_eq!(names("quyết định cá biệt"), [(2, Some(2))]);
        assert_eq!(names("Quyết định (QPPL)"), [(1, Some(8)), (2, Some(2))]);
        assert_eq!(names("Chỉ thị"), [(1, Some(11)), (2, Some(3))]);
        assert_eq!(names("Phiếu báo"), [(2, None)]);
        for other in ["", " ", "(", "()", "Cong van", "Công văn khẩn", "18"] {
            assert_eq!(names(other), [], "{other}");
        }
    }

    #[test]
    fn numbers_are_held_against_the_name() {
        use Agreement::{Agrees, Differs, Unknown};
        for (kind, detail, name, expected) in [
            ("2", "18", "Công văn", Agrees),
            ("2", "0", "Công văn", Agrees),
            ("2", "-1", "Công văn", Agrees),
            ("2", "", "Công văn", Agrees),
            ("18", "", "Công văn", Agrees),
            ("18", "0", "công văn", Agrees),
            ("18", "18", "Công văn", Agrees),
            ("1", "8", "Quyết định", Agrees),
            ("2", "2", "Quyết định", Agrees),
            ("1", "", "Nghị quyết (cá biệt)", Agrees),
            ("2", "0", "Phiếu báo", Agrees),
            // The two that the samples have.
            ("1", "0", "Công văn", Differs),
            ("2", "1", "Báo cáo", Differs),
            ("14", "", "Công văn", Differs),
            ("2", "8", "Nghị định", Differs),
            ("2", "99", "Nghị định", Differs),
            ("2", "99", "Công văn", Unknown),
            ("33", "", "Công văn", Unknown),
            ("0", "", "Công văn", Unknown),
            ("-1", "18", "Công văn", Unknown),
            ("", "", "Công văn", Unknown),
            ("hai", "18", "Công văn", Unknown),
            ("2", "18", "", Unknown),
            ("2", "18", "Văn bản khác", Unknown),
        ] {
            assert_eq!(agrees(kind, detail, name), expected, "{kind:?} {detail:?} {name:?}");
        }
        assert_eq!(agrees("2", "mười tám", "Công văn"), Agrees);
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(kind in any::<String>(), detail in any::<String>(), name in any::<String>()) {
            let verdict = agrees(&kind, &detail, &name);
            prop_assert!(verdict == Agreement::Unknown || !DocumentType::by_name(&name).is_empty());
            let _ = DocumentType::by_code(&kind, &detail);
        }
    }
}
