//! `[notify]`: how senders learn of what could not be delivered (design.md B6).

use crate::reading::Section;

/// How a sender learns that a delivery was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenUpNotice {
    /// One status packet 02 from our own organisation, the receiver named in its Description.
    Status02,
    /// Not by packet: the sender asks our API.
    Api,
    /// A plain letter to the sender's organisation, by [`NotifySettings::mail_system`].
    Mail,
}

/// How senders learn of what could not be delivered.
#[derive(Clone, Debug)]
pub struct NotifySettings {
    /// For deliveries given up.
    pub given_up: GivenUpNotice,
    /// The connected system whose mail account letters to senders go out by; it is there when `given_up` is `Mail`.
    pub mail_system: Option<String>,
}

impl NotifySettings {
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Self {
        let choices = [
            ("status-02", GivenUpNotice::Status02),
            ("mail", GivenUpNotice::Mail),
            ("api", GivenUpNotice::Api),
        ];
        let given_up = section.choice("given_up", &choices, GivenUpNotice::Status02);
        if given_up == GivenUpNotice::Mail {
            section.needed("mail_system");
        }
        Self { given_up, mail_system: section.read("mail_system") }
    }
}
