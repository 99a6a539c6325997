//! What it means that an axis knows no such receiver: its list may be newer than what it serves by, or the other way round.
//! Its word counts when its list, asked for after that, says the same (design.md B6).

use std::time::Duration;

use super::Turn;
use crate::ports::{DeliveryFailure, FailureClass};
use crate::record::Delivery;

/// How long an attempt waits for the list of an axis. Nothing else leaves by that axis meanwhile.
const LIST_WITHIN: Duration = Duration::from_secs(30);

impl Turn {
    /// What follows from a failure: what an axis does not know is looked up in its list first.
    pub(super) async fn class_of(&self, together: &[Delivery], failure: &DeliveryFailure) -> FailureClass {
        match failure.class {
            FailureClass::Unlisted { one_of_several: true } if together.len() > 1 => {
                FailureClass::OneOfSeveral
            }
            FailureClass::Unlisted { .. } => self.looked_up(together).await,
            class => class,
        }
    }

    async fn looked_up(&self, together: &[Delivery]) -> FailureClass {
        let Some(head) = together.first() else { return FailureClass::Document };
        let (axis, clock) = (&head.route.system, &*self.shared.ports.clock);
        let list = self.shared.lists.since(axis, clock.now(), LIST_WITHIN, clock);
        let list = tokio::select! {
            list = list => list,
            () = self.tasks.stopped() => None,
        };
        let receiver = &head.route.receiver;
        let Some(list) = list else {
            tracing::warn!(%axis, %receiver, "an axis knows no such receiver, and gives no list to look it up in");
            return FailureClass::Document;
        };
        let directory = self.shared.directory.load();
        let is_listed = |part: &Delivery| {
            let receiver = &part.route.receiver;
            let aliases = directory.find(receiver).map_or(&[][..], |found| &found.aliases);
            std::iter::once(receiver).chain(aliases).any(|code| list.has(code))
        };
        if together.iter().all(is_listed) {
            tracing::warn!(%axis, %receiver, "an axis knows no such receiver, and its list has it");
            return FailureClass::Document;
        }
        FailureClass::Permanent
    }
}
