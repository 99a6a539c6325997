//! Documents under one name, as gateways that are several tell each other in `EVENTS` (design.md B3): who says it first
//! has the name at its receivers.

use std::collections::BTreeSet;

use lienthong_schemas::ids::{DocumentId, PacketDigest};
use lienthong_schemas::organ::OrganId;
use serde::{Deserialize, Serialize};

use super::NodeName;

/// A document under a name, said before its deliveries are published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameClaim {
    /// The document.
    pub document: DocumentId,
    /// The gateway that said it first.
    pub node: NodeName,
    /// Packet kind, as in the document id.
    pub kind: String,
    /// Its packet.
    pub digest: PacketDigest,
    /// As in [`super::RecognitionKeys::semantic`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub semantic: Option<PacketDigest>,
    /// To whom it goes: those who had it before, or another one in its place, are left out.
    pub receivers: BTreeSet<OrganId>,
}

/// What `EVENTS` has of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameClaims {
    /// The number of the message; 0: there is none.
    pub sequence: u64,
    /// The documents under it, the first one first; `None`: the message cannot be read.
    pub claims: Option<Vec<NameClaim>>,
}

impl NameClaims {
    /// Of a name of which nothing was said.
    pub fn nothing() -> Self {
        Self { sequence: 0, claims: Some(Vec::new()) }
    }

    /// Most documents of which one message tells.
    pub const DOCUMENTS_MAX: usize = 100;
    /// Most receivers of all of them.
    pub const RECEIVERS_MAX: usize = 10_000;
}
