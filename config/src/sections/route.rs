//! `[route]`: to whom a packet goes besides those that its `To` names.

use crate::reading::Section;

/// To whom an update (business type 2) goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateReceivers {
    /// To those that `To` names.
    To,
    /// And to those that its `ReceiverList` adds or removes.
    ToAndReceiverList,
}

/// To whom packets go.
#[derive(Clone, Debug)]
pub struct RouteSettings {
    /// Updates.
    pub update_receivers: UpdateReceivers,
}

impl RouteSettings {
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Self {
        let choices = [("to", UpdateReceivers::To), ("to+receiver-list", UpdateReceivers::ToAndReceiverList)];
        Self { update_receivers: section.choice("update_receivers", &choices, UpdateReceivers::To) }
    }
}
