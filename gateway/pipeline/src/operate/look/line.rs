//! One delivery in a list: with why it is where it is, since when, and who can do something about it, read from its
//! history.

use jiff::Timestamp;
use lienthong_schemas::ids::{DeliveryId, DocumentId};
use lienthong_schemas::organ::OrganId;
use serde::{Deserialize, Serialize};

use super::{safe, safe_line};
use crate::record::{AdapterKind, Cover, Delivery, HistoryEntry, Lane, State, SystemId};

/// One delivery in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its id.
    pub delivery_id: DeliveryId,
    /// Its document.
    pub document_id: DocumentId,
    /// From.
    pub sender: OrganId,
    /// To.
    pub receiver: OrganId,
    /// How.
    pub adapter: AdapterKind,
    /// By which system or axis.
    pub system: SystemId,
    /// Its lane.
    pub lane: Lane,
    /// Packet kind.
    pub kind: String,
    /// Transport state.
    pub state: State,
    /// That state in Vietnamese.
    pub state_vi: String,
    /// And in English.
    pub state_en: String,
    /// Attempts so far.
    pub attempts: u32,
    /// Raised by each requeue.
    pub generation: u32,
    /// Taken over for dispatch.
    pub handed_off: bool,
    /// The last attempt failed in a way that is ours to fix.
    pub ours_to_fix: bool,
    /// A dead letter that is dealt with.
    pub closed: bool,
    /// An attempt was cut, or ended without a word: the receiver may have it all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_have_arrived: bool,
    /// When its receipt was given.
    pub accepted_at: Timestamp,
    /// When the next attempt may be made, while it is queued.
    pub next_attempt: Option<Timestamp>,
    /// Since when it is late, while it is not over and should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_since: Option<Timestamp>,
    /// The newest line of its history.
    pub last: Option<HistoryEntry>,
    /// Since when it has been in its state, as far back as its history goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Of a dead letter: why it is one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Its last failed attempt, where that says more.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last_failure: String,
    /// Of a dead letter: who can do something about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix_by: Option<FixBy>,
    /// That in Vietnamese.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fix_by_vi: String,
    /// And in English.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fix_by_en: String,
    /// Of a dead letter that this gateway admitted: which document it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Brief>,
}

/// What tells an operator which document it is, in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brief {
    /// Number and notation.
    pub code: String,
    /// Date, as written.
    pub date: String,
    /// Subject.
    pub subject: String,
}

impl Brief {
    pub(super) fn of(cover: &Cover) -> Self {
        Self { code: safe(&cover.code), date: safe(&cover.date), subject: safe(&cover.subject) }
    }
}

/// Who can do something about a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FixBy {
    /// Us: settings, directory, another way.
    Operator,
    /// The receiver's system.
    Receiver,
    /// The sender: this packet is not taken, or is gone; another one is needed.
    Sender,
    /// Nobody before the one that it refers to.
    Earlier,
}

impl FixBy {
    /// In words, Vietnamese first.
    pub const fn wording(self) -> (&'static str, &'static str) {
        match self {
            Self::Operator => {
                ("người trực trục: cấu hình, danh bạ, đường gửi", "us: settings, directory, way")
            }
            Self::Receiver => ("hệ thống bên nhận", "the receiver's system"),
            Self::Sender => ("bên gửi: cần gói tin khác", "the sender: another packet is needed"),
            Self::Earlier => ("xử lý văn bản mà nó nói đến trước", "first the one that it refers to"),
        }
    }
}

/// Why a delivery is where it is, as its history has it.
#[derive(Default)]
pub(super) struct Why<'a> {
    reason: &'a str,
    last_failure: &'a str,
}

impl<'a> Why<'a> {
    pub(super) fn of(delivery: &Delivery, lines: &'a [HistoryEntry]) -> Self {
        let newest = |fits: &dyn Fn(&HistoryEntry) -> bool| {
            lines.iter().rev().find(|line| fits(line)).map_or("", |line| line.note.as_str())
        };
        let ended = |line: &HistoryEntry| matches!(line.event.as_str(), "settled" | "parked" | "contested");
        let is_dead = matches!(delivery.state, State::Parked | State::Refused | State::GivenUp);
        let reason = if is_dead { newest(&|line| ended(line) && line.state == delivery.state) } else { "" };
        Self { reason, last_failure: newest(&|line| line.event == "attempt_failed") }
    }

    /// Whether one of the texts has this code, or contains this text.
    pub(super) fn has(&self, wanted: &str) -> bool {
        let wanted = wanted.to_lowercase();
        let has = |text: &str| code(text) == wanted || text.to_lowercase().contains(&wanted);
        has(self.reason) || has(self.last_failure)
    }

    fn fix_by(&self, delivery: &Delivery) -> FixBy {
        let failure = if code(self.reason).is_empty() { self.last_failure } else { self.reason };
        match (delivery.state, code(failure)) {
            _ if !delivery.route.has_way_out() => FixBy::Operator,
            _ if self.reason.starts_with("refers to ") => FixBy::Earlier,
            (State::Parked, "document_conflict") => FixBy::Sender,
            (State::Parked, "blob_missing" | "blob_length" | "blob_damaged" | "bad_record") => FixBy::Sender,
            (State::Refused, "http_410" | "smtp_550" | "smtp_551" | "smtp_553") => FixBy::Operator,
            (State::Refused, _) => FixBy::Sender,
            _ => FixBy::Receiver,
        }
    }
}

/// The stable word that a failure's text begins with; empty when it begins with none.
fn code(text: &str) -> &str {
    let code = text.split_once(": ").map_or("", |(code, _)| code);
    let is_word = code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if is_word { code } else { "" }
}

/// When a delivery came into its state.
pub(super) fn since(delivery: &Delivery, lines: &[HistoryEntry]) -> Option<Timestamp> {
    lines.iter().rev().take_while(|line| line.state == delivery.state).last().map(|line| line.at)
}

impl Line {
    pub(super) fn new(delivery: &Delivery, lines: &[HistoryEntry]) -> Self {
        let (vi, en) = delivery.state.wording();
        let why = Why::of(delivery, lines);
        let is_dead = delivery.is_dead_letter();
        let fix_by = is_dead.then(|| why.fix_by(delivery));
        let (fix_by_vi, fix_by_en) = fix_by.map(FixBy::wording).unwrap_or_default();
        let said = |text: &str| if is_dead { safe(text) } else { String::new() };
        Self {
            delivery_id: delivery.id,
            document_id: delivery.document,
            sender: delivery.sender.clone(),
            receiver: delivery.route.receiver.clone(),
            adapter: delivery.route.adapter,
            system: delivery.route.system.clone(),
            lane: delivery.lane,
            kind: safe(&delivery.kind),
            state: delivery.state,
            state_vi: vi.to_owned(),
            state_en: en.to_owned(),
            attempts: delivery.attempts,
            generation: delivery.generation,
            handed_off: delivery.handed_off,
            ours_to_fix: delivery.ours_to_fix,
            closed: delivery.closed,
            accepted_at: delivery.accepted_at,
            next_attempt: (delivery.state == State::Queued).then_some(delivery.due),
            may_have_arrived: delivery.may_have_arrived,
            late_since: None,
            last: lines.last().cloned().map(safe_line),
            since: since(delivery, lines),
            reason: said(why.reason),
            last_failure: said(Some(why.last_failure).filter(|failure| *failure != why.reason).unwrap_or("")),
            fix_by,
            fix_by_vi: fix_by_vi.to_owned(),
            fix_by_en: fix_by_en.to_owned(),
            document: None,
        }
    }
}
