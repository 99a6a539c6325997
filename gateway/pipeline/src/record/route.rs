//! Who is reached how: connected systems, mailboxes, adapters, lanes, and the route that is made of them.

use lienthong_schemas::organ::{OrganId, ReceiverToken};
use serde::{Deserialize, Serialize};

/// The id of a connected system, as the settings name it: `a-z 0-9 -`, at most 32 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SystemId(String);

impl SystemId {
    /// The id that the settings or the directory wrote; `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        (!text.is_empty() && text.len() <= 32 && text.bytes().all(fits)).then(|| Self(text.to_owned()))
    }

    /// The id of what the gateway itself writes (status packets). No connected system can have it.
    pub fn gateway() -> Self {
        Self("@gateway".to_owned())
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for SystemId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A mailbox: `local@domain` in printable ASCII, at most 254 characters (RFC 5321 section 4.5.3.1.3), without quoting,
/// comments or an address literal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MailAddress(String);

impl MailAddress {
    /// The address that a file wrote; `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let (local, domain) = text.split_once('@')?;
        let atom = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&b);
        let dotted = |part: &str, fits: &dyn Fn(u8) -> bool| {
            part.split('.').all(|label| !label.is_empty() && label.bytes().all(fits))
        };
        let name = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let fits = text.len() <= 254 && local.len() <= 64 && dotted(local, &atom) && dotted(domain, &name);
        fits.then(|| Self(text.to_owned()))
    }

    /// The address's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for MailAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The ways out. A new adapter is a folder in `adapters`, a variant here and a `match` arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterKind {
    /// HTTP POST of the packet to a vendor's document system.
    VendorHttp,
    /// A message with the packet attached, to a clerk's mailbox.
    Email,
    /// `sendEdoc` of the national SDK's protocol, to the Government Office axis or one that speaks like it.
    NationalAxis,
    /// A mailbox here, from which the receiver's system fetches by the national SDK's protocol.
    Mailbox,
}

impl AdapterKind {
    /// Every adapter there is.
    pub const ALL: [Self; 4] = [Self::VendorHttp, Self::Email, Self::NationalAxis, Self::Mailbox];

    /// The name in subjects, settings, labels and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VendorHttp => "vendor_http",
            Self::Email => "email",
            Self::NationalAxis => "national_axis",
            Self::Mailbox => "mailbox",
        }
    }
}

/// The lane of a delivery at every queue that is ours; from `OtherInfo/Priority` (1-4 are urgent).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// khẩn, thượng khẩn, hỏa tốc, hỏa tốc hẹn giờ.
    Urgent,
    /// thường.
    Normal,
}

impl Lane {
    /// Both lanes, urgent first.
    pub const ALL: [Self; 2] = [Self::Urgent, Self::Normal];

    /// The lane's token in subjects: `u` or `n`.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Urgent => "u",
            Self::Normal => "n",
        }
    }
}

/// Where a document of one receiver goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The receiving organisation, its code as the directory has it now.
    pub receiver: OrganId,
    /// The system, or the axis, that is this organisation's home.
    pub system: SystemId,
    /// How that system is reached.
    pub adapter: AdapterKind,
}

impl Route {
    /// `false` where nobody delivers: what is for paper, or waits for the operator to say who receives it.
    pub fn has_way_out(&self) -> bool {
        self.system != SystemId::gateway()
    }

    /// The queue in which deliveries wait for each other: one a receiver; behind an axis one for all its receivers,
    /// because there a document is one consignment for all of them (design.md B5).
    pub fn queue(&self) -> ReceiverToken {
        match self.adapter {
            AdapterKind::VendorHttp | AdapterKind::Email | AdapterKind::Mailbox => self.receiver.token(),
            AdapterKind::NationalAxis => Self::queue_of_axis(&self.system),
        }
    }

    /// That of all that leaves by an axis.
    pub fn queue_of_axis(axis: &SystemId) -> ReceiverToken {
        ReceiverToken::of(&format!("axis-{axis}"))
    }
}

impl std::fmt::Display for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} by {} {}", self.receiver, self.adapter.as_str(), self.system)
    }
}
