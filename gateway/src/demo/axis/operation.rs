//! The operations of the protocol, by their names in URLs.

use serde::{Deserialize, Serialize};

macro_rules! operations {
    ($($name:ident = $text:literal, $body:literal, $what:literal;)*) => {
        /// An operation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Operation {
            $(#[doc = $what] #[serde(rename = $text)] $name,)*
        }

        impl Operation {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name in URLs.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// What the SDK sends as its body by POST; not of those that have one.
            pub(super) const fn body(self) -> &'static str {
                match self { $(Self::$name => $body),* }
            }
        }
    };
}

operations! {
    SendEdoc = "sendEdoc", "", "Takes a packet.";
    GetReceivedEdocList = "getReceivedEdocList", "", "What waits.";
    GetSentEdocList = "getSentEdocList", "", "What became of a packet.";
    GetEdoc = "getEdoc", "{}", "A packet in JSON.";
    DownloadEdoc = "downloadEdoc", "", "A packet as it is.";
    UpdateStatus = "updateStatus", "{}", "What became of what waited.";
    CountReceiveEdoc = "countReceiveEdoc", "{}", "How many documents wait.";
    CountReceiveStatus = "countReceiveStatus", "{}", "How many statuses wait.";
    GetAgenciesList = "getAgenciesList", "", "Who exists.";
    GetAgenciesListQd20 = "getAgenciesListQD20", "", "Who exists, with codes of both kinds.";
    GetSynchronizeUnit = "getSynchronizeUnit", "", "Who asks.";
    RegisterAgency = "registerAgency", "", "One more who exists.";
    DeleteAgency = "deleteAgency", "{}", "One fewer.";
}

/// What an answer has beside the three members of all, even when it is a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `DocId`.
    DocId,
    /// `data`, a list.
    List,
    /// `data`, a text.
    Text,
    /// Nothing.
    Plain,
    /// It is no JSON, and a failure has no body.
    File,
}

impl Operation {
    /// The operation of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|operation| operation.as_str() == name)
    }

    /// It takes a packet, or more about an agency.
    pub(super) const fn has_own_body(self) -> bool {
        matches!(self, Self::SendEdoc | Self::RegisterAgency)
    }

    pub(super) const fn shape(self) -> Shape {
        match self {
            Self::SendEdoc => Shape::DocId,
            Self::GetReceivedEdocList
            | Self::GetSentEdocList
            | Self::GetAgenciesList
            | Self::GetAgenciesListQd20 => Shape::List,
            Self::GetEdoc => Shape::Text,
            Self::DownloadEdoc => Shape::File,
            _ => Shape::Plain,
        }
    }
}
