//! What the organisations say of one document at one receiver (spec edxml sections 5 and 6): the business state, and how
//! each word or packet moves it. No packet is refused for this: an illegal move is flagged, and still counts as below.
//!
//! | state | the receiver may say next |
//! |---|---|
//! | none | 01, 02, 03 |
//! | 01 | 02, 03 |
//! | 03 | 04, 05, 06 |
//! | 04 | 05, 06 |
//! | 05 | 04, 05, 06 |
//! | 02, 06, withdrawn | nothing: ends |
//! | any, with a type 1, 2 or 3 open | also 01: that packet has arrived; it moves none to 01 and nothing else |
//! | any, with a question open | also 15, 16: the answer to the newest question |
//!
//! The sender may ask in every state but 02 and withdrawn: by 13 while no other 13 is open, by a packet of type 1, 2 or 3
//! while no other such packet is open. Questions lie above the state: the chain goes on below them. 16, and 15 to a type
//! 2, take the newest question away and leave the state; 15 to any other makes the document withdrawn. The chain never
//! leaves an end again; only 15 leads from 02 or 06 to withdrawn. (An update that adds the receiver once more sends it the
//! document anew: that begins another chain.)
//!
//! An illegal move is flagged, and does this:
//!
//! | move | effect |
//! |---|---|
//! | a word that skips some (01 → 05), or 02 after 03, 04 or 05 | counts: it is what the receiver says of itself |
//! | a word that goes back or stands still (05 → 03, 04 → 04) | none: packets overtake each other, and are sent again |
//! | 01 to 06 after an end | none |
//! | 15 or 16 with nothing open | none |
//! | 13 while one is open | none: it is the same question |
//! | a type 1, 2 or 3 while one is open | takes the place of that one |
//! | a question in 02 or withdrawn | is open: the receiver has it and will answer |
//! | 13 by the receiver; any other word by the sender | none: it is not theirs to say |
//!
//! Moves are taken in the order of their arrival; timestamps do not matter. Who calls this leaves out repeats: the same
//! From, DocumentId, StatusCode and Timestamp.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::edxml::{BusinessType, StatusCode};

/// How far a document has come at one receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Sent; the receiver has said nothing.
    #[default]
    None,
    /// 01.
    Arrived,
    /// 02, an end.
    Refused,
    /// 03.
    Registered,
    /// 04.
    Assigned,
    /// 05.
    InProgress,
    /// 06, an end.
    Finished,
    /// The receiver agreed to give it up, or to another one in its place; an end.
    Withdrawn,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::Arrived,
        Self::Refused,
        Self::Registered,
        Self::Assigned,
        Self::InProgress,
        Self::Finished,
        Self::Withdrawn,
    ];

    /// The stable word: `none`, the two digits of the status code, `withdrawn`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Arrived => "01",
            Self::Refused => "02",
            Self::Registered => "03",
            Self::Assigned => "04",
            Self::InProgress => "05",
            Self::Finished => "06",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// What a clerk reads, Vietnamese and English.
    pub const fn wording(self) -> (&'static str, &'static str) {
        match self {
            Self::None => ("đã gửi, chưa có trạng thái", "sent, no status yet"),
            Self::Arrived => StatusCode::Arrived.wording(),
            Self::Refused => StatusCode::Refused.wording(),
            Self::Registered => StatusCode::Registered.wording(),
            Self::Assigned => StatusCode::Assigned.wording(),
            Self::InProgress => StatusCode::InProgress.wording(),
            Self::Finished => StatusCode::Finished.wording(),
            Self::Withdrawn => ("đã thu hồi hoặc được thay thế", "withdrawn or replaced"),
        }
    }

    /// 02, 06 and withdrawn: the chain ends here.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Refused | Self::Finished | Self::Withdrawn)
    }

    /// The stage that a word of the receiver stands for; `None` for 13, 15 and 16.
    const fn of(word: StatusCode) -> Option<Self> {
        match word {
            StatusCode::Arrived => Some(Self::Arrived),
            StatusCode::Refused => Some(Self::Refused),
            StatusCode::Registered => Some(Self::Registered),
            StatusCode::Assigned => Some(Self::Assigned),
            StatusCode::InProgress => Some(Self::InProgress),
            StatusCode::Finished => Some(Self::Finished),
            StatusCode::RecallAsked | StatusCode::ChangeAgreed | StatusCode::ChangeRefused => None,
        }
    }

    /// Whether the receiver may say this next.
    const fn leads_to(self, next: Self) -> bool {
        use Stage::{Arrived, Assigned, Finished, InProgress, None, Refused, Registered, Withdrawn};
        match self {
            None => matches!(next, Arrived | Refused | Registered),
            Arrived => matches!(next, Refused | Registered),
            Registered => matches!(next, Assigned | InProgress | Finished),
            Assigned => matches!(next, InProgress | Finished),
            InProgress => matches!(next, Assigned | InProgress | Finished),
            Refused | Finished | Withdrawn => false,
        }
    }

    /// Whether a word that is further along counts although others were left out. 04 and 05 are equally far.
    const fn skips_to(self, next: Self) -> bool {
        !self.is_end() && self.distance() < next.distance()
    }

    const fn distance(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Arrived => 1,
            Self::Registered => 2,
            Self::Assigned | Self::InProgress => 3,
            Self::Refused | Self::Finished | Self::Withdrawn => 4,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// What the sender asks of the receiver, which answers with 15 or 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Question {
    /// 13: give it back.
    Recall,
    /// A packet of type 1: give it up.
    Revoke,
    /// A packet of type 2: take these changes.
    Update,
    /// A packet of type 3: take another one in its place.
    Replace,
}

impl Question {
    /// Every question.
    pub const ALL: [Self; 4] = [Self::Recall, Self::Revoke, Self::Update, Self::Replace];

    /// The stable word: `13`, or the digit of the business type.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Recall => "13",
            Self::Revoke => "1",
            Self::Update => "2",
            Self::Replace => "3",
        }
    }

    /// What a clerk reads, Vietnamese and English.
    pub const fn wording(self) -> (&'static str, &'static str) {
        match self {
            Self::Recall => ("chờ trả lời yêu cầu lấy lại", "a recall waits for its answer"),
            Self::Revoke => ("chờ trả lời thu hồi", "a revocation waits for its answer"),
            Self::Update => ("chờ trả lời cập nhật", "an update waits for its answer"),
            Self::Replace => ("chờ trả lời thay thế", "a replacement waits for its answer"),
        }
    }

    /// It is asked by a packet of type 1, 2 or 3.
    pub const fn is_change(self) -> bool {
        !matches!(self, Self::Recall)
    }

    const fn of(kind: BusinessType) -> Option<Self> {
        match kind {
            BusinessType::New => None,
            BusinessType::Revoke => Some(Self::Revoke),
            BusinessType::Update => Some(Self::Update),
            BusinessType::Replace => Some(Self::Replace),
        }
    }
}

/// The business state of one document at one receiver. Written as at most [`BusinessState::BYTES_MAX`] bytes: the stage,
/// then what is open, the newest last: `05 2 13`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BusinessState {
    stage: Stage,
    /// A recall and a change at most, the newest first.
    newest: Option<Question>,
    below: Option<Question>,
}

/// What moves a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A status packet of the receiver about the sender's document.
    Receiver(StatusCode),
    /// A status packet of the sender about its own document: 13.
    Sender(StatusCode),
    /// A document packet of the sender about this document. Type 0 moves nothing.
    Packet(BusinessType),
}

/// Why a move is legal or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// It follows from the state before it.
    Follows,
    /// It leaves something out, and counts.
    Skips,
    /// The receiver has said it, or more, before.
    Behind,
    /// The document is at its end with this receiver.
    AfterEnd,
    /// An answer to nothing.
    NothingOpen,
    /// Such a question is open already.
    OpenAlready,
    /// Only the other side says this.
    NotTheirs,
}

impl Why {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Follows,
        Self::Skips,
        Self::Behind,
        Self::AfterEnd,
        Self::NothingOpen,
        Self::OpenAlready,
        Self::NotTheirs,
    ];

    /// What a clerk reads, Vietnamese and English.
    pub const fn wording(self) -> (&'static str, &'static str) {
        match self {
            Self::Follows => ("đúng trình tự", "it follows"),
            Self::Skips => ("bỏ qua bước trước đó", "steps were left out"),
            Self::Behind => ("đã báo hoặc đã qua bước này", "said before, or passed"),
            Self::AfterEnd => ("văn bản đã kết thúc ở nơi nhận này", "the document is at its end there"),
            Self::NothingOpen => ("không có yêu cầu nào chờ trả lời", "nothing waits for an answer"),
            Self::OpenAlready => {
                ("đang có yêu cầu chờ trả lời", "such a request waits for its answer already")
            }
            Self::NotTheirs => ("trạng thái này do bên kia báo", "only the other side says this"),
        }
    }
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Moved {
    /// The state after it.
    pub state: BusinessState,
    /// It follows from the state before it; if not, it is flagged, and delivered like any other.
    pub legal: bool,
    /// Why it is legal or not.
    pub why: Why,
}

impl BusinessState {
    /// Longest form when written, in bytes.
    pub const BYTES_MAX: usize = 64;

    /// How far the document has come.
    pub const fn stage(self) -> Stage {
        self.stage
    }

    /// What waits for an answer, the newest first.
    pub fn open(self) -> impl Iterator<Item = Question> {
        self.newest.into_iter().chain(self.below)
    }

    /// The sender's 13 waits for its answer.
    pub fn recall_pending(self) -> bool {
        self.open().any(|question| !question.is_change())
    }

    /// Withdrawn, and nobody was asked: it was taken back before it left, so there is nothing to answer.
    #[must_use]
    pub const fn taken_back() -> Self {
        Self { stage: Stage::Withdrawn, newest: None, below: None }
    }

    /// The receiver has given it up, or was asked to by a packet of type 1.
    pub fn is_given_up(self) -> bool {
        self.stage == Stage::Withdrawn || self.change_pending() == Some(Question::Revoke)
    }

    /// The packet of type 1, 2 or 3 that waits for its answer.
    pub fn change_pending(self) -> Option<Question> {
        self.open().find(|question| question.is_change())
    }

    /// What the event makes of this state; see the module.
    #[must_use]
    pub fn apply(self, event: Event) -> Moved {
        match event {
            Event::Receiver(StatusCode::ChangeAgreed) => self.answered(true),
            Event::Receiver(StatusCode::ChangeRefused) => self.answered(false),
            Event::Sender(StatusCode::RecallAsked) => self.asked(Question::Recall),
            Event::Receiver(word) => match Stage::of(word) {
                Some(next) => self.said(next),
                None => self.stays(Why::NotTheirs),
            },
            Event::Sender(_) => self.stays(Why::NotTheirs),
            Event::Packet(kind) => match Question::of(kind) {
                Some(change) => self.asked(change),
                None => self.stays(Why::Follows),
            },
        }
    }

    fn said(self, next: Stage) -> Moved {
        if next == Stage::Arrived && self.change_pending().is_some() {
            let stage = self.stage.max(Stage::Arrived);
            return Moved { state: Self { stage, ..self }, legal: true, why: Why::Follows };
        }
        let moved = |why| Moved { state: Self { stage: next, ..self }, legal: why == Why::Follows, why };
        match self.stage {
            stage if stage.leads_to(next) => moved(Why::Follows),
            stage if stage.is_end() => self.stays(Why::AfterEnd),
            stage if stage.skips_to(next) => moved(Why::Skips),
            _ => self.stays(Why::Behind),
        }
    }

    fn asked(self, question: Question) -> Moved {
        let of_its_kind = |open: Question| open.is_change() == question.is_change();
        let open = self.open().any(of_its_kind);
        if open && question == Question::Recall {
            return self.stays(Why::OpenAlready);
        }
        let below = self.open().find(|open| !of_its_kind(*open));
        let state = Self { newest: Some(question), below, ..self };
        let why = match self.stage {
            _ if open => Why::OpenAlready,
            Stage::Refused | Stage::Withdrawn => Why::AfterEnd,
            _ => Why::Follows,
        };
        Moved { state, legal: why == Why::Follows, why }
    }

    fn answered(self, agreed: bool) -> Moved {
        let Some(question) = self.newest else { return self.stays(Why::NothingOpen) };
        let gone = agreed && question != Question::Update;
        let stage = if gone { Stage::Withdrawn } else { self.stage };
        Moved { state: Self { stage, newest: self.below, below: None }, legal: true, why: Why::Follows }
    }

    fn stays(self, why: Why) -> Moved {
        Moved { state: self, legal: why == Why::Follows, why }
    }
}

impl fmt::Display for BusinessState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.stage.code())?;
        let oldest_first = self.below.into_iter().chain(self.newest);
        oldest_first.into_iter().try_for_each(|question| write!(f, " {}", question.code()))
    }
}

/// A text is not a written [`BusinessState`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a business state")]
pub struct BusinessStateFault;

impl FromStr for BusinessState {
    type Err = BusinessStateFault;

    fn from_str(text: &str) -> Result<Self, BusinessStateFault> {
        let mut words = text.split(' ');
        let stage = words.next().and_then(|word| Stage::ALL.into_iter().find(|stage| stage.code() == word));
        let mut state = Self { stage: stage.ok_or(BusinessStateFault)?, newest: None, below: None };
        for word in words {
            let question = Question::ALL.into_iter().find(|question| question.code() == word);
            let question = question.ok_or(BusinessStateFault)?;
            if state.open().any(|open| open.is_change() == question.is_change()) {
                return Err(BusinessStateFault);
            }
            state = Self { below: state.newest, newest: Some(question), ..state };
        }
        Ok(state)
    }
}

impl TryFrom<String> for BusinessState {
    type Error = BusinessStateFault;

    fn try_from(text: String) -> Result<Self, BusinessStateFault> {
        text.parse()
    }
}

impl From<BusinessState> for String {
    fn from(state: BusinessState) -> Self {
        state.to_string()
    }
}

#[cfg(test)]
mod tests;
