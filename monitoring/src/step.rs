//! The twelve steps of a document (design.md part A), as metrics and logs name them.

/// A step of a document's way through the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Bytes under the limit come in.
    Receive,
    /// What the sender claims is read.
    Parse,
    /// The signature is judged.
    Verify,
    /// Who may speak for the sending organisation.
    Attribute,
    /// Reads as edXML, attachments decode, policy allows.
    Conform,
    /// New, a repeat, or a conflict.
    Recognise,
    /// Receivers become deliveries.
    Route,
    /// Everything is on disk; only now the receipt.
    Commit,
    /// Onto the broker.
    Publish,
    /// One attempt at the receiver.
    Deliver,
    /// The outcome is written down.
    Settle,
    /// The sender is told.
    Report,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Self; 12] = [
        Self::Receive,
        Self::Parse,
        Self::Verify,
        Self::Attribute,
        Self::Conform,
        Self::Recognise,
        Self::Route,
        Self::Commit,
        Self::Publish,
        Self::Deliver,
        Self::Settle,
        Self::Report,
    ];

    /// The step's name in labels and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Parse => "parse",
            Self::Verify => "verify",
            Self::Attribute => "attribute",
            Self::Conform => "conform",
            Self::Recognise => "recognise",
            Self::Route => "route",
            Self::Commit => "commit",
            Self::Publish => "publish",
            Self::Deliver => "deliver",
            Self::Settle => "settle",
            Self::Report => "report",
        }
    }
}
