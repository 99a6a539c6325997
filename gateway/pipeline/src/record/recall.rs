//! What a packet asks of the deliveries before it: written down with its admission, decided by the store in the batch
//! that takes it in, because only there it is certain what has gone out.

use lienthong_schemas::ids::DeliveryId;
use serde::{Deserialize, Serialize};

use super::Move;

/// A request to take a document back at one receiver. It succeeds if nothing of the document has gone out there
/// ([`super::Delivery::has_not_left`]); else nothing changes, and the packet that asks is delivered like any other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recall {
    /// The delivery that asks; one of the same admission.
    pub by: DeliveryId,
    /// What is asked.
    pub act: RecallAct,
    /// Every delivery before it of the document, and of what was sent about it, at that receiver; at least one.
    pub of: Vec<DeliveryId>,
    /// What it makes of business states if it succeeds, in place of [`super::Admission::moves`] of the same keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<Move>,
    /// Gateways are several: whoever serves the queue decides it when it takes the delivery that asks over, because only
    /// there it is certain what has gone out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_holder: bool,
}

impl Recall {
    /// Most deliveries that the recalls of one admission may name: they change in one batch of the store.
    pub const NAMED_MAX: usize = 10_000;
    /// Most deliveries that the recall of one message may name ([`super::super::ports::DeliveryMessage::recall`]).
    pub const OF_MESSAGE_MAX: usize = 64;
}

/// What a recall does when it succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecallAct {
    /// All become `withdrawn`, the delivery that asks with them: who never saw the document need not hear of it.
    Withdraw,
    /// All become `parked`, the delivery that asks with them. Where the document was withdrawn before, that delivery is
    /// withdrawn, too.
    Hold,
}
