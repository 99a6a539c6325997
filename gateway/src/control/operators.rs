//! Who may give commands: user ids of this machine, and the name and role that the settings give them.

use std::collections::{BTreeMap, HashMap};

use lienthong_config::{OperatorRole, OperatorSettings};

use super::{Trouble, TroubleCode};

/// Somebody whom the settings know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name in the settings.
    pub name: String,
    /// What this one may do.
    pub role: OperatorRole,
}

impl Caller {
    /// # Errors
    /// A viewer may not act.
    pub fn may_act(&self) -> Result<(), Trouble> {
        match self.role {
            OperatorRole::Operator => Ok(()),
            OperatorRole::Viewer => Err(Trouble::new(
                TroubleCode::ViewerOnly,
                format!("{} chỉ được xem (role = \"viewer\")", self.name),
                format!("{} may only look (role = \"viewer\")", self.name),
            )),
        }
    }
}

/// Everybody whom the settings know, by user id.
#[derive(Clone, Debug, Default)]
pub struct Operators(HashMap<u32, Caller>);

impl Operators {
    /// Those of the settings; there a user id stands once.
    pub fn new(settings: &BTreeMap<String, OperatorSettings>) -> Self {
        let callers = settings
            .iter()
            .map(|(name, operator)| (operator.uid, Caller { name: name.clone(), role: operator.role }));
        Self(callers.collect())
    }

    /// Who this user is.
    ///
    /// # Errors
    /// The settings do not name this user id.
    pub fn caller(&self, uid: u32) -> Result<Caller, Trouble> {
        self.0.get(&uid).cloned().ok_or_else(|| {
            let entry = format!("[operators.<tên>] uid = {uid}, role = \"operator\" | \"viewer\"");
            Trouble::new(
                TroubleCode::UserUnknown,
                format!("người dùng {uid} không có trong cấu hình; cần {entry}"),
                format!("user {uid} is not in the settings; what is needed: {entry}"),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_known_by_its_id_and_a_viewer_only_looks() {
        let settings = BTreeMap::from([
            ("lan".to_owned(), OperatorSettings { uid: 1000, role: OperatorRole::Operator }),
            ("minh".to_owned(), OperatorSettings { uid: 1001, role: OperatorRole::Viewer }),
        ]);
        let operators = Operators::new(&settings);
        let lan = operators.caller(1000).expect("known");
        assert_eq!((lan.name.as_str(), lan.may_act()), ("lan", Ok(())));
        let refused = operators.caller(1001).expect("known").may_act().expect_err("a viewer");
        assert_eq!(refused.code, TroubleCode::ViewerOnly);
        // Root is nobody special.
        for uid in [0, 1002] {
            let trouble = operators.caller(uid).expect_err("unknown");
            assert_eq!(trouble.code, TroubleCode::UserUnknown);
            assert!(trouble.text_en.contains(&format!("uid = {uid}")), "{trouble}");
            assert!(trouble.text_vi.contains("[operators."), "{trouble}");
        }
    }
}
