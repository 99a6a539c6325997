//! Level-1 codes (mã cấp 1): whose they are, and which were closed by the mergers of 2025. The rows, their sources and
//! what is missing are in `schemas/data`. For display and findings; what is registered is the directory's business.

use std::sync::LazyLock;

use jiff::civil::Date;

use super::Certainty;
use crate::organ::OrganId;

const TABLE: &str = include_str!("../../data/level1-codes.tsv");

/// Every level-1 code of the table, by code.
static ALL: LazyLock<Vec<Level1>> = LazyLock::new(|| TABLE.lines().skip(1).filter_map(read).collect());

/// Whose code it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level1Kind {
    /// G: a ministry, a body of its rank or another of the Government.
    Government,
    /// H: a provincial People's Committee, UBND.
    Committee,
    /// K: a provincial People's Council, HĐND.
    Council,
}

impl Level1Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Government, Self::Committee, Self::Council];

    /// The word in the data: `government`, `committee`, `council`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Government => "government",
            Self::Committee => "committee",
            Self::Council => "council",
        }
    }

    /// What a clerk reads, Vietnamese and English.
    pub const fn wording(self) -> (&'static str, &'static str) {
        match self {
            Self::Government => ("cơ quan Chính phủ", "body of the Government"),
            Self::Committee => ("Ủy ban nhân dân cấp tỉnh", "provincial People's Committee"),
            Self::Council => ("Hội đồng nhân dân cấp tỉnh", "provincial People's Council"),
        }
    }
}

/// One level-1 code.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Level1 {
    /// `H55`.
    pub code: &'static str,
    /// Whose it is.
    pub kind: Level1Kind,
    /// Vietnamese name.
    pub vi: &'static str,
    /// English name.
    pub en: &'static str,
    /// First day, where it is known.
    pub valid_from: Option<Date>,
    /// Last day; `None` for an open code.
    pub valid_to: Option<Date>,
    /// The codes of those who took over.
    pub successor_codes: Vec<&'static str>,
    /// What the row rests on.
    pub certainty: Certainty,
    /// The same in words.
    pub source: &'static str,
}

impl Level1 {
    /// Every code of the table, by code.
    pub fn all() -> &'static [Self] {
        &ALL
    }

    /// The level-1 code in an organisation's code, where the table has it.
    pub fn of(id: &OrganId) -> Option<&'static Self> {
        level1(id.level1_code()?)
    }

    /// The code's last day was before this one.
    pub fn is_closed_on(&self, date: Date) -> bool {
        self.valid_to.is_some_and(|last| last < date)
    }

    /// Who took over; empty for an open code.
    pub fn successors(&self) -> impl Iterator<Item = &'static Self> + '_ {
        self.successor_codes.iter().filter_map(|code| level1(code))
    }

    /// What a clerk reads, Vietnamese and English.
    pub const fn wording(&self) -> (&'static str, &'static str) {
        (self.vi, self.en)
    }
}

/// The row of a level-1 code; letter case does not count. `None` does not mean that there is no such code.
pub fn level1(code: &str) -> Option<&'static Level1> {
    ALL.iter().find(|row| row.code.eq_ignore_ascii_case(code))
}

/// A row of the table; a test proves that none is passed over.
fn read(line: &'static str) -> Option<Level1> {
    let columns: Vec<&str> = line.split('\t').collect();
    let [code, kind, vi, en, from, to, successors, certainty, source] = columns[..] else { return None };
    Some(Level1 {
        code,
        kind: Level1Kind::ALL.into_iter().find(|k| k.as_str() == kind)?,
        vi,
        en,
        valid_from: day(from)?,
        valid_to: day(to)?,
        successor_codes: successors.split(',').filter(|code| !code.is_empty()).collect(),
        certainty: Certainty::parse(certainty)?,
        source,
    })
}

/// A day or none; the outer `None` is for a text that is neither.
fn day(text: &str) -> Option<Option<Date>> {
    if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_table_is_whole() {
        let rows = Level1::all();
        assert_eq!(rows.len(), TABLE.lines().count() - 1, "a row is not read");
        assert!(rows.is_sorted_by(|a, b| a.code < b.code), "twice, or out of order");
        for row in rows {
            let letter = match row.kind {
                Level1Kind::Government => 'G',
                Level1Kind::Committee => 'H',
                Level1Kind::Council => 'K',
            };
            assert!(row.code.starts_with(letter) && row.code.len() == 3, "{}", row.code);
            assert!(![row.vi, row.en, row.source].contains(&""), "{}", row.code);
            assert_eq!(level1(row.code), Some(row));
            assert_eq!(row.successors().count(), row.successor_codes.len(), "{}", row.code);
            assert_eq!(row.valid_to.is_some(), row.successors().next().is_some(), "{}", row.code);
            for successor in row.successors() {
                assert!(successor.valid_to.is_none() && successor.kind == row.kind, "{}", row.code);
            }
        }
    }

    #[test]
    fn sixty_three_provinces_became_thirty_four() {
        let (before, after) = (date(2025, 6, 30), date(2025, 7, 1));
        for kind in [Level1Kind::Committee, Level1Kind::Council] {
            let rows: Vec<_> = Level1::all().iter().filter(|row| row.kind == kind).collect();
            assert_eq!(rows.len(), 63);
            assert_eq!(rows.iter().filter(|row| !row.is_closed_on(before)).count(), 63);
            let open: Vec<_> = rows.iter().filter(|row| !row.is_closed_on(after)).collect();
            assert_eq!(open.len(), 34);
            assert_eq!(open.iter().filter(|row| row.vi.contains(" thành phố ")).count(), 6);
            let merged = open.iter().filter(|o| rows.iter().any(|r| r.successor_codes.contains(&o.code)));
            assert_eq!(merged.count(), 23);
        }
    }

    #[test]
    fn councils_follow_their_committees() {
        for committee in Level1::all().iter().filter(|row| row.kind == Level1Kind::Committee) {
            let council = level1(&committee.code.replace('H', "K")).expect("the same number");
            assert_eq!(council.vi.replace("HĐND", "UBND"), committee.vi);
            assert_eq!(council.valid_to, committee.valid_to);
            let numbers = |row: &Level1| row.successor_codes.iter().map(|c| &c[1..]).collect::<Vec<_>>();
            assert_eq!(numbers(council), numbers(committee));
        }
    }

    #[test]
    fn a_closed_code_names_its_successor_in_any_form() {
        for code in ["H03", "h03.12", "000.00.12.H03", "12.H03"] {
            let row = Level1::of(&OrganId::parse(code).expect("a code")).expect("a row");
            assert!(!row.is_closed_on(date(2025, 6, 30)) && row.is_closed_on(date(2025, 7, 1)));
            let successors: Vec<_> = row.successors().map(|s| s.vi).collect();
            assert_eq!(successors, ["UBND tỉnh Thái Nguyên"]);
        }
        let open = level1("H55").expect("a row");
        assert!(!open.is_closed_on(date(2099, 1, 1)) && open.successors().next().is_none());
        for other in ["", "H00", "H64", "A01", "W00", "H5", "H555"] {
            assert_eq!(level1(other), None, "{other}");
        }
        assert_eq!(Level1::of(&OrganId::parse("VXP.SAAS.02").expect("a code")), None);
    }
}
