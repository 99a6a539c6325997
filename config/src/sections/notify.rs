//! `[notify]`: how senders learn of what could not be delivered (design.md B6).

use crate::reading::Section;

/// How a sender learns that a delivery was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenUpNotice {
    /// One status packet 02 from our own organisation, the receiver named in its Description.
    Status02,
    /// Not by packet: the sender asks our API.
    Api,
}

/// How senders learn of what could not be delivered.
#[derive(Clone, Debug)]
pub struct NotifySettings {
    /// For deliveries given up.
    pub given_up: GivenUpNotice,
}

impl NotifySettings {
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Self {
        let choices =
            [("status-02", Some(GivenUpNotice::Status02)), ("api", Some(GivenUpNotice::Api)), ("mail", None)];
        Self { given_up: section.choice("given_up", &choices, GivenUpNotice::Status02) }
    }
}
