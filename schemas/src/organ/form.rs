//! What the writing of a code says: its form, level, parent and level-1 code. None of it says that the code was issued,
//! and nothing is routed by it. Standards: QCVN 102:2016/BTTTT and QĐ 20/2020/QĐ-TTg (amended by QĐ 09/2025/QĐ-TTg).

use super::OrganId;

/// Groups of an old code: level 4, 3, 2, 1 from left to right.
const OLD_GROUPS: usize = 4;
/// Groups of a QĐ 20/2020 code taken, as in [`super::follows_a_standard`].
const NEW_GROUPS_MAX: usize = 8;
/// Characters of a QĐ 20/2020 code, article 4.
const NEW_BYTES_MAX: usize = 35;
/// Characters of a group after the first of a QĐ 20/2020 code; the limit is ours.
const NEW_GROUP_BYTES_MAX: usize = 10;

/// The form of a code. Letter case and blanks around it do not count; whether a code is written as its standard wants
/// is [`super::follows_a_standard`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// `000.00.15.H55`: QCVN 102:2016, 13 characters, level 1 at the right.
    Old {
        /// 1 to 4: that of the leftmost group that is not zero.
        level: u8,
    },
    /// `H55.15`: QĐ 20/2020 article 4, level 1 at the left.
    New {
        /// 1 to 8: the number of groups.
        level: u8,
    },
    /// `0100109106` or `0100109106-001`: QĐ 20/2020 article 5, the registration number of an enterprise.
    Enterprise,
    /// `28.22.H17`: an old code without its left groups, which no standard has.
    Shortened {
        /// 1 to 3: that of the leftmost group that is not zero.
        level: u8,
    },
    /// `VXP.SAAS.02`: a system's own id.
    System,
    /// `000.00.00.W00`, `001.00.20.TT2`, `W00.01`: an interconnection centre or one of its nodes.
    Centre,
    /// None of these.
    Other,
}

impl Form {
    /// The form of any text.
    pub fn of(code: &str) -> Self {
        let code = code.trim();
        let groups: Vec<&str> = code.split('.').take(NEW_GROUPS_MAX + 1).collect();
        if is_centre(code, &groups) {
            Self::Centre
        } else if is_old(&groups) {
            Self::Old { level: old_level(&groups) }
        } else if is_new(code, &groups) {
            Self::New { level: as_level(groups.len()) }
        } else if is_enterprise(code) {
            Self::Enterprise
        } else if is_shortened(&groups) {
            Self::Shortened { level: old_level(&groups) }
        } else if is_system(&groups) {
            Self::System
        } else {
            Self::Other
        }
    }

    /// The level of the organisation in the tree of its level-1 body; `None` where the form does not tell.
    pub const fn level(self) -> Option<u8> {
        match self {
            Self::Old { level } | Self::New { level } | Self::Shortened { level } => Some(level),
            Self::Enterprise | Self::System | Self::Centre | Self::Other => None,
        }
    }

    /// What a clerk reads, Vietnamese and English.
    pub const fn wording(self) -> (&'static str, &'static str) {
        match self {
            Self::Old { .. } => ("mã theo QCVN 102:2016", "code of QCVN 102:2016"),
            Self::New { .. } => ("mã theo QĐ 20/2020", "code of QĐ 20/2020"),
            Self::Enterprise => ("mã số doanh nghiệp", "registration number of an enterprise"),
            Self::Shortened { .. } => ("mã QCVN 102:2016 viết tắt", "shortened code of QCVN 102:2016"),
            Self::System => ("mã hệ thống", "id of a system"),
            Self::Centre => ("mã trung tâm kết nối", "code of an interconnection centre"),
            Self::Other => ("mã không theo mẫu nào", "code of no known form"),
        }
    }
}

impl OrganId {
    /// The form of this code.
    pub fn form(&self) -> Form {
        Form::of(self.as_str())
    }

    /// The code one level up, in the same form: `000.00.15.H55` is above `000.03.15.H55`, and `H55.15` above
    /// `H55.15.03`. `None` at level 1 and where the form has no levels. That code need not exist.
    pub fn parent(&self) -> Option<Self> {
        let code = self.as_str();
        match self.form() {
            Form::New { level: 2.. } => Self::parse(code.rsplit_once('.')?.0).ok(),
            Form::Old { level: 2.. } | Form::Shortened { level: 2.. } => {
                let mut groups: Vec<String> = code.split('.').map(str::to_owned).collect();
                let leftmost = groups.iter_mut().find(|group| !is_zero(group))?;
                *leftmost = "0".repeat(leftmost.len());
                Self::parse(&groups.join(".")).ok()
            }
            _ => None,
        }
    }

    /// The level-1 code in this code, wherever its form has it: `H55` of `H55.15`, of `000.00.15.H55` and of `15.H55`.
    /// Deviant codes keep theirs at one end (`00.00.008.K99`), so any form may have one.
    pub fn level1_code(&self) -> Option<&str> {
        let (first, last) = (self.as_str().split('.').next()?, self.as_str().rsplit('.').next()?);
        [first, last].into_iter().find(|group| is_level1(group))
    }

    /// The code names a unit of a level without naming the one above: in `002.00.20.H13` level 4 stands without a
    /// level 3. QCVN 102:2016 does not have it; real codes do.
    pub fn skips_a_level(&self) -> bool {
        matches!(self.form(), Form::Old { .. } | Form::Shortened { .. })
            && self
                .as_str()
                .split('.')
                .skip_while(|group| is_zero(group))
                .any(|group| !is_level1(group) && is_zero(group))
    }
}

fn is_centre(code: &str, groups: &[&str]) -> bool {
    let Some((last, left)) = groups.split_last() else { return false };
    let node = |t: &str| {
        let b = t.as_bytes();
        b.len() == 3
            && b[0].is_ascii_alphabetic()
            && b[1].is_ascii_alphabetic()
            && b[2].is_ascii_alphanumeric()
    };
    let old_layout = !left.is_empty() && left.len() < OLD_GROUPS && left.iter().all(|g| is_number(g, 2..=3));
    groups[0].eq_ignore_ascii_case("W00") && is_new(code, groups)
        || old_layout && (last.eq_ignore_ascii_case("W00") || left.len() == 3 && node(last))
}

fn is_old(groups: &[&str]) -> bool {
    matches!(groups, [v, z, y, m]
        if is_number(v, 3..=3) && is_number(z, 2..=2) && is_number(y, 2..=2) && is_level1(m))
}

fn is_new(code: &str, groups: &[&str]) -> bool {
    let group = |g: &&str| {
        (1..=NEW_GROUP_BYTES_MAX).contains(&g.len()) && g.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    code.len() <= NEW_BYTES_MAX
        && groups.len() <= NEW_GROUPS_MAX
        && is_level1(groups[0])
        && groups[1..].iter().all(group)
}

fn is_enterprise(code: &str) -> bool {
    match code.split_once('-') {
        Some((number, branch)) => is_number(number, 10..=10) && is_number(branch, 3..=3),
        None => is_number(code, 10..=10),
    }
}

fn is_shortened(groups: &[&str]) -> bool {
    match groups.split_last() {
        Some((m, left @ ([_] | [_, _]))) => is_level1(m) && left.iter().all(|g| is_number(g, 2..=3)),
        _ => false,
    }
}

fn is_system(groups: &[&str]) -> bool {
    let name = |g: &str| g.len() > 1 && g.bytes().all(|b| b.is_ascii_alphabetic());
    let part =
        |g: &&str| !g.is_empty() && g.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    (2..=NEW_GROUPS_MAX).contains(&groups.len()) && name(groups[0]) && groups[1..].iter().all(part)
}

/// `MXX` of both standards: a letter and two digits.
pub(super) fn is_level1(group: &str) -> bool {
    matches!(group.as_bytes(), [m, x, y] if m.is_ascii_alphabetic() && x.is_ascii_digit() && y.is_ascii_digit())
}

fn is_number(group: &str, digits: std::ops::RangeInclusive<usize>) -> bool {
    digits.contains(&group.len()) && group.bytes().all(|b| b.is_ascii_digit())
}

fn is_zero(group: &str) -> bool {
    group.bytes().all(|b| b == b'0')
}

/// The level of a code that has its level 1 at the right.
fn old_level(groups: &[&str]) -> u8 {
    let zeros = groups.iter().take_while(|group| is_zero(group)).count();
    as_level(groups.len().saturating_sub(zeros))
}

fn as_level(groups: usize) -> u8 {
    u8::try_from(groups).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::organ::follows_a_standard;

    fn id(code: &str) -> OrganId {
        OrganId::parse(code).expect("a code")
    }

    #[test]
    fn every_form_of_the_wild_is_told() {
        for (code, form) in [
            ("000.00.00.H49", Form::Old { level: 1 }),
            ("000.00.15.H55", Form::Old { level: 2 }),
            ("000.03.15.H55", Form::Old { level: 3 }),
            ("001.03.15.h55 ", Form::Old { level: 4 }),
            ("002.00.20.H13", Form::Old { level: 4 }),
            ("H55", Form::New { level: 1 }),
            ("H37.02.02", Form::New { level: 3 }),
            ("H37.DN.001", Form::New { level: 3 }),
            ("H55.242", Form::New { level: 2 }),
            ("0100109106", Form::Enterprise),
            ("0100109106-001", Form::Enterprise),
            ("28.22.H17", Form::Shortened { level: 3 }),
            ("00.99.H29", Form::Shortened { level: 2 }),
            ("15.H55", Form::Shortened { level: 2 }),
            ("00.00.H55", Form::Shortened { level: 1 }),
            ("vxp.saas.02", Form::System),
            ("000.00.00.W00", Form::Centre),
            ("00.22.W00", Form::Centre),
            ("W00.01", Form::Centre),
            ("W00.!", Form::Other),
            ("001.00.20.TT2", Form::Centre),
            ("001.00.20.JB2", Form::Centre),
            ("999.010.01.H22", Form::Other),
            ("99.99.99.G21", Form::Other),
            ("00.00.008.K99", Form::Other),
            ("", Form::Other),
            (".", Form::Other),
            ("đ55", Form::Other),
            ("H55.1.2.3.4.5.6.7.8", Form::Other),
        ] {
            assert_eq!(Form::of(code), form, "{code}");
        }
    }

    #[test]
    fn parents_are_of_the_same_form() {
        for (code, parent) in [
            ("001.03.15.H55", Some("000.03.15.H55")),
            ("000.03.15.H55", Some("000.00.15.H55")),
            ("000.00.15.H55", Some("000.00.00.H55")),
            ("000.00.00.H55", None),
            ("002.00.20.H13", Some("000.00.20.H13")),
            ("28.22.H17", Some("00.22.H17")),
            ("00.00.H17", None),
            ("H37.DN.001", Some("H37.DN")),
            ("H37", None),
            ("vxp.saas.02", None),
            ("0100109106-001", None),
        ] {
            assert_eq!(id(code).parent().as_ref().map(OrganId::as_str), parent, "{code}");
        }
    }

    #[test]
    fn the_level_1_code_is_found_at_either_end() {
        for (code, level1) in [
            ("000.00.15.H55", Some("H55")),
            ("h55.15", Some("H55")),
            ("28.22.H17", Some("H17")),
            ("999.010.01.H22", Some("H22")),
            ("00.00.008.K99", Some("K99")),
            ("00.22.W00", Some("W00")),
            ("001.00.20.TT2", None),
            ("vxp.saas.02", None),
            ("0100109106", None),
        ] {
            assert_eq!(id(code).level1_code(), level1, "{code}");
        }
    }

    #[test]
    fn a_level_that_is_skipped_is_seen() {
        for code in ["002.00.20.H13", "001.01.00.H44", "000.01.00.H44", "28.00.H17"] {
            assert!(id(code).skips_a_level(), "{code}");
        }
        for code in ["000.00.00.H55", "000.03.15.H55", "28.22.H17", "H55.00.01", "vxp.00.x", "000.00.00.H00"]
        {
            assert!(!id(code).skips_a_level(), "{code}");
        }
    }

    /// Codes, near-codes and texts.
    fn codes() -> impl Strategy<Value = String> {
        prop_oneof![
            "[0-9]{3}\\.[0-9]{2}\\.[0-9]{2}\\.[A-Z][0-9]{2}",
            "0{3}\\.0?[0-9]{1,2}\\.[0-9]{2,3}\\.[A-Z]{1,2}[0-9]{1,2}",
            "[A-Z][0-9]{2}(\\.[0-9A-Z]{1,4}){0,8}",
            "([0-9]{2,3}\\.){1,3}[A-Z][0-9]{2}",
            "[0-9A-Za-z._-]{1,64}",
        ]
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in any::<String>()) {
            let form = Form::of(&text);
            prop_assert_eq!(form, Form::of(&text.to_ascii_uppercase()));
        }

        #[test]
        fn parents_end_at_level_1_of_the_same_body(code in codes()) {
            let code = OrganId::parse(&code).expect("made to be one");
            let (mut at, mut steps) = (code.clone(), 0);
            while let Some(parent) = at.parent() {
                prop_assert!(parent.form().level() < at.form().level());
                prop_assert_eq!(std::mem::discriminant(&parent.form()), std::mem::discriminant(&at.form()));
                prop_assert_eq!(parent.level1_code(), code.level1_code());
                at = parent;
                steps += 1;
            }
            prop_assert!(steps < NEW_GROUPS_MAX);
            prop_assert!(matches!(at.form().level(), None | Some(1)));
        }

        #[test]
        fn forms_agree_with_the_standards(code in codes()) {
            let standard = matches!(Form::of(&code), Form::Old { .. } | Form::New { .. } | Form::Enterprise);
            let upper = code.to_ascii_uppercase();
            if standard {
                prop_assert!(follows_a_standard(&upper));
            } else if Form::of(&code) != Form::Centre {
                prop_assert!(!follows_a_standard(&upper));
            }
        }
    }
}
