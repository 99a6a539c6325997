//! What is remembered of a delivery that an axis took: how that axis is asked what became of it, and what it said last.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What an axis is asked of one delivery that it took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beyond {
    /// The axis's id of the submission, as `AxisDocId` takes it.
    pub doc_id: String,
    /// When the axis took it.
    pub since: Timestamp,
    /// When it is asked next, not before; `None`: no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// What it said last of the receiver; `None`: nothing yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<BeyondWord>,
}

/// What an axis says of a receiver behind it (`receiveStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BeyondWord {
    /// It waits there.
    Initial,
    /// The receiver is at work on it.
    Processing,
    /// The receiver has it.
    Done,
    /// The receiver said that it cannot take it. It may say otherwise later.
    Fail,
}

impl BeyondWord {
    /// Every word.
    pub const ALL: [Self; 4] = [Self::Initial, Self::Processing, Self::Done, Self::Fail];

    /// The word in the protocol.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Processing => "processing",
            Self::Done => "done",
            Self::Fail => "fail",
        }
    }

    /// The word that an axis wrote; `None` for one that is not known.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|word| word.as_str().eq_ignore_ascii_case(text.trim()))
    }
}
