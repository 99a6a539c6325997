//! A code of one standard written in the way of the other, for an operator to look at. Many bodies were renumbered, so
//! what counts is the list that the axis delivers (VXP getAgenciesListQD20, `code` and `code102`): a [`Suggestion`] is
//! no [`OrganId`] and cannot be made one but by reading what somebody typed.

use std::fmt;

use super::{Form, OrganId};

/// A code that may be the same organisation's in the other form. Never to be routed by, never written into a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion(String);

impl Suggestion {
    /// The code to show to an operator.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Suggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The same code in the other form, by construction: its groups in the other order, without the zero ones
/// (`000.03.15.H55` and `H55.15.03`). `None` where there is no such code: a level is skipped, a group is no number of
/// the width that QCVN 102:2016 has, there are more than four levels, or the form is another.
pub fn suggest_other_form(id: &OrganId) -> Option<Suggestion> {
    let text = match id.form() {
        Form::Old { .. } | Form::Shortened { .. } if !id.skips_a_level() => to_new(id.as_str()),
        Form::New { .. } => to_old(id.as_str())?,
        _ => return None,
    };
    Some(Suggestion(text))
}

fn to_new(code: &str) -> String {
    let zero = |group: &&str| group.bytes().all(|b| b == b'0');
    let mut groups: Vec<&str> = code.split('.').skip_while(zero).collect();
    groups.reverse();
    groups.join(".")
}

fn to_old(code: &str) -> Option<String> {
    let mut old = ["000", "00", "00", "000"];
    let mut groups = code.split('.');
    old[3] = groups.next()?;
    for (level, group) in groups.enumerate() {
        let place = 2_usize.checked_sub(level)?;
        let number = group.len() == old[place].len() && group.bytes().all(|b| b.is_ascii_digit());
        if !number || group == old[place] {
            return None;
        }
        old[place] = group;
    }
    Some(old.join("."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn other(code: &str) -> Option<String> {
        suggest_other_form(&OrganId::parse(code).expect("a code")).map(|s| s.to_string())
    }

    #[test]
    fn codes_are_turned_round() {
        for (old, new) in [
            ("000.00.00.H55", "H55"),
            ("000.00.15.H55", "H55.15"),
            ("000.03.15.H55", "H55.15.03"),
            ("001.03.15.H55", "H55.15.03.001"),
        ] {
            assert_eq!(other(old).as_deref(), Some(new));
            assert_eq!(other(new).as_deref(), Some(old));
        }
        assert_eq!(other("28.22.H17").as_deref(), Some("H17.22.28"));
        assert_eq!(other("00.99.H29").as_deref(), Some("H29.99"));
    }

    #[test]
    fn what_has_no_counterpart_gets_none() {
        for code in [
            "002.00.20.H13",
            "H55.242",
            "H37.DN.001",
            "H37.00",
            "H37.02.00",
            "H37.02.02.02",
            "H37.02.02.002.01",
            "000.00.00.W00",
            "001.00.20.TT2",
            "vxp.saas.02",
            "0100109106",
            "99.99.99.G21",
        ] {
            assert_eq!(other(code), None, "{code}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back_is_the_same_code(
            code in prop_oneof![
                "(000|[0-9]{3})\\.(00|[0-9]{2})\\.(00|[0-9]{2})\\.[A-Z][0-9]{2}",
                "[A-Z][0-9]{2}(\\.[0-9]{2}){0,2}",
                "[A-Z][0-9]{2}(\\.[0-9]{2}){2}\\.[0-9]{3}",
                "[A-Z][0-9]{2}(\\.[0-9A-Z]{1,4}){0,8}",
            ],
        ) {
            let id = OrganId::parse(&code).expect("made to be one");
            if let Some(there) = suggest_other_form(&id) {
                let there = OrganId::parse(there.as_str()).expect("a suggestion is a code");
                prop_assert_eq!(there.form().level(), id.form().level());
                prop_assert_eq!(there.level1_code(), id.level1_code());
                let back = suggest_other_form(&there).expect("the way back");
                prop_assert_eq!(back.as_str(), id.as_str());
            }
        }
    }
}
