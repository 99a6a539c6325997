//! Two copies of one roll, of gateways that were apart: what one of them knows that the other does not.

use std::collections::HashSet;

use lienthong_schemas::organ::OrganId;

use super::{DECISIONS_MAX, Roll};

impl Roll {
    /// Whether something was decided or asked for that another copy says nothing of. That a list was looked at later, or
    /// waits, is no more than an axis says again.
    pub fn knows_more_than(&self, other: &Self) -> bool {
        let forgets = |at| other.decisions.len() >= DECISIONS_MAX && other.decisions[0].at > at;
        let decided = self.decisions.iter().any(|one| !other.decisions.contains(one) && !forgets(one.at));
        let asked = self.requests.iter().any(|request| {
            let code = &request.code;
            let waits = other.requests.iter().any(|one| one.code == *code && one.at >= request.at);
            let of = |one: &super::Decision| one.code.as_ref() == Some(code) && one.at >= request.at;
            !waits && !other.decisions.iter().any(of) && !other.withdrawn.contains(code)
        });
        // Who is gone is closed, and stays.
        let listed: HashSet<&OrganId> = other.entries.iter().map(|one| &one.code).collect();
        let has_more = self.entries.iter().any(|one| !listed.contains(&one.code));
        decided || asked || has_more || (self.home != other.home && !self.entries.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::directory::{Decided, Decision, Home, Listed, Request, Wish};
    use crate::record::SystemId;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn request(second: i64) -> Request {
        Request { code: OrganId::parse("H55.15").expect("a code"), wish: Wish::Delete, at: at(second) }
    }

    fn decision(second: i64, code: bool) -> Decision {
        Decision {
            at: at(second),
            decided: Decided::Approved,
            operator: String::new(),
            reason: String::new(),
            code: code.then(|| request(0).code),
            opened: 0,
            changed: 0,
            closed: 1,
        }
    }

    #[test]
    fn a_copy_knows_more_by_what_was_decided_or_asked_for() {
        let empty = Roll::new(Home::System(SystemId::parse("mot").expect("an id")));
        let with = |requests: &[i64], decisions: &[Decision]| {
            let requests = requests.iter().copied().map(request).collect();
            Roll { requests, decisions: decisions.to_vec(), ..empty.clone() }
        };
        let (asked, answered) = (with(&[5], &[]), with(&[], &[decision(9, true)]));
        assert!(asked.knows_more_than(&empty) && answered.knows_more_than(&empty));
        assert!(!empty.knows_more_than(&asked) && !asked.knows_more_than(&asked));
        assert!(
            !asked.knows_more_than(&answered) && answered.knows_more_than(&asked),
            "that was decided since"
        );
        assert!(with(&[10], &[]).knows_more_than(&answered), "it was asked for again");
        assert!(!asked.knows_more_than(&with(&[6], &[])), "the later one takes its place");
        let withdrawn = Roll { withdrawn: vec![request(0).code], ..empty.clone() };
        assert!(!asked.knows_more_than(&withdrawn));
        let listed = Listed {
            code: request(0).code,
            other: Vec::new(),
            name: "Sở".to_owned(),
            contact: String::new(),
            closed: None,
        };
        let listing = Roll { entries: vec![listed], ..empty.clone() };
        assert!(listing.knows_more_than(&empty) && !empty.knows_more_than(&listing));
        let looked_at = Roll { synced_at: Some(at(7)), ..empty.clone() };
        assert!(!looked_at.knows_more_than(&empty), "the axis says it again");
        let full: Vec<Decision> =
            (10..10 + DECISIONS_MAX as i64).map(|second| decision(second, false)).collect();
        assert!(!answered.knows_more_than(&with(&[], &full)), "that one has forgotten it");
        assert!(with(&[], &[decision(11, true)]).knows_more_than(&with(&[], &full)));
    }
}
