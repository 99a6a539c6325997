//! What is remembered of business states: the state of a document at a receiver, and the moves that led there.

use jiff::Timestamp;
use lienthong_schemas::business_state::BusinessState;
use lienthong_schemas::ids::StandingKey;
use serde::{Deserialize, Serialize};

/// The business state of one document at one receiver. Where nothing has been said there is none, which stands for
/// [`BusinessState::default`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The state.
    pub state: BusinessState,
    /// Since when: acceptance of the packet that made it so.
    pub since: Timestamp,
    /// Number of the move that made it so.
    pub number: u32,
}

/// What an admitted packet makes of one business state. Moves of one state are numbered from 1, in the order of
/// acceptance; the highest number is what holds, in whichever order a store that is built anew finds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// Whose state.
    pub key: StandingKey,
    /// Its number.
    pub number: u32,
    /// The state from then on.
    pub state: BusinessState,
}

impl Move {
    /// Most moves of one admission: they go in one batch of the store. A packet that would make more moves the first ones.
    pub const PER_ADMISSION_MAX: usize = 10_000;
}
