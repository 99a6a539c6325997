//! `[operators.<name>]`: who may give commands over the control socket (design.md B8), told by their user id.

use std::collections::{BTreeMap, BTreeSet};

use crate::fault::{FaultCode, Rule};
use crate::reading::Section;

/// Longest name of an operator, in bytes.
pub const OPERATOR_NAME_BYTES_MAX: usize = 32;

/// What an operator may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorRole {
    /// Look and act.
    Operator,
    /// Look only.
    Viewer,
}

/// One operator.
#[derive(Clone, Debug)]
pub struct OperatorSettings {
    /// The user id of the one who connects; no other operator has it.
    pub uid: u32,
    /// What they may do.
    pub role: OperatorRole,
}

/// Reads all of them; the keys are their names, as the log and the history show them.
pub(crate) fn read(section: &mut Section<'_, '_>) -> BTreeMap<String, OperatorSettings> {
    let mut operators = BTreeMap::new();
    let mut uids = BTreeSet::new();
    for name in section.names() {
        if !is_name(&name) {
            let rule = Rule::new(
                "tên người vận hành chỉ gồm a-z, 0-9, dấu gạch nối, dấu chấm, tối đa 32 ký tự",
                "the name of an operator has a-z, 0-9, hyphens and dots only, at most 32",
            );
            section.fault(&name, FaultCode::WrongType, rule);
        }
        let operator = section.section(&name, |section| operator(&mut uids, section));
        operators.extend(operator.map(|operator| (name, operator)));
    }
    operators
}

fn is_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    (1..=OPERATOR_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(fits)
}

fn operator(uids: &mut BTreeSet<u32>, section: &mut Section<'_, '_>) -> Option<OperatorSettings> {
    section.needed("uid");
    // The last number means "no user" (chown(2)).
    let uid = section.ranged_if_set("uid", 0, u64::from(u32::MAX) - 1);
    let uid = uid.and_then(|uid| u32::try_from(uid).ok());
    if uid.is_some_and(|uid| !uids.insert(uid)) {
        let rule = Rule::new(
            "một uid khai cho hai người vận hành",
            "this uid stands twice; one user is one operator",
        );
        section.fault("uid", FaultCode::Duplicate, rule);
    }
    let roles = [("operator", OperatorRole::Operator), ("viewer", OperatorRole::Viewer)];
    let role = section.required_choice("role", &roles, OperatorRole::Viewer);
    Some(OperatorSettings { uid: uid?, role })
}
