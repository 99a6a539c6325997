//! Letters to senders about what was given up (`notify.given_up = "mail"`): what they say, to whom, and when the next one
//! is tried. One at a time; when the mail system fails, all wait.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use lienthong_monitoring::Metrics;
use lienthong_schemas::organ::OrganId;
use lienthong_schemas::safe_text::SafeText;
use tokio::task::JoinSet;

use crate::clock::after;
use crate::directory::{Directory, Organisation};
use crate::ports::{DeliveryFailure, FailureClass, Notice, Notifier, PendingReport};
use crate::record::{Admission, HistoryEntry, MailAddress, SystemId};

/// Pause after the first letter that failed; doubled after each further one.
const PAUSE_FIRST: Duration = Duration::from_secs(60);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(900);
/// A letter that is not taken now, although others are, is tried again after this.
pub(super) const LETTER_AGAIN_AFTER: Duration = Duration::from_secs(900);

/// How letters go out.
#[derive(Clone)]
pub struct MailNotice {
    /// By whose account (`notify.mail_system`).
    pub system: SystemId,
    /// By which hands.
    pub notifier: Arc<dyn Notifier>,
}

/// A letter's end.
pub(super) struct Ended {
    pub(super) pending: PendingReport,
    pub(super) outcome: Result<String, DeliveryFailure>,
}

/// The letter that is under way, and what is known of the mail system.
pub(super) struct Mailing {
    mail: Option<MailNotice>,
    under_way: JoinSet<Ended>,
    paused_until: Option<Timestamp>,
    failures: u32,
}

/// A permanent refusal: the mail system will not take this letter, or its receiver's will not.
pub(super) fn is_final(failure: &DeliveryFailure) -> bool {
    match failure.class {
        FailureClass::Permanent
        | FailureClass::OneOfSeveral
        | FailureClass::Packet
        | FailureClass::Unlisted { .. } => true,
        FailureClass::OursToFix | FailureClass::Receiver | FailureClass::Document => false,
    }
}

impl Mailing {
    pub(super) fn new(mail: Option<MailNotice>, metrics: &Metrics) -> Self {
        metrics.notices.declare(["told", "refused", "failed"]);
        Self { mail, under_way: JoinSet::new(), paused_until: None, failures: 0 }
    }

    /// The letter about a delivery; `None` when nobody writes letters, an error when there is nobody to write to.
    pub(super) fn notice(
        &self,
        directory: &Directory,
        pending: &PendingReport,
        admission: &Admission,
        lines: &[HistoryEntry],
    ) -> Option<Result<Notice, String>> {
        let mail = self.mail.as_ref()?;
        let delivery = &pending.delivery;
        let sender = directory.find(&delivery.sender);
        let Some(mailbox) = sender.and_then(mailbox) else {
            return Some(Err(format!(
                "no_address: the directory has no mail address for {}",
                delivery.sender
            )));
        };
        let addressed = super::addressed(delivery, admission);
        let name = |code: &OrganId| directory.find(code).map(|found| found.name.clone()).unwrap_or_default();
        Some(Ok(Notice {
            delivery: delivery.id,
            document: delivery.document,
            system: mail.system.clone(),
            sender: (delivery.sender.clone(), name(&delivery.sender)),
            mailbox,
            receiver: (addressed.clone(), name(addressed)),
            rerouted_to: Some(&delivery.route.receiver)
                .filter(|receiver| *receiver != addressed)
                .map(|receiver| (receiver.clone(), name(receiver))),
            cover: admission.cover.clone(),
            accepted_at: delivery.accepted_at,
            given_up_at: pending.at,
            why: why(lines),
        }))
    }

    /// Sends a letter. Whoever calls sees to it that none is under way.
    pub(super) fn begin(&mut self, pending: PendingReport, notice: Notice) {
        let Some(MailNotice { notifier, .. }) = self.mail.clone() else { return };
        self.under_way.spawn(async move {
            // A letter that makes the mail client panic must not end what tells all others.
            let attempt = AssertUnwindSafe(notifier.notify(&notice)).catch_unwind().await;
            let outcome = attempt.unwrap_or_else(|_| Err(panicked()));
            Ended { pending, outcome }
        });
    }

    /// Returns when a letter has ended; never while none is under way.
    pub(super) async fn ended(&mut self) -> Ended {
        match self.under_way.join_next().await {
            Some(Ok(ended)) => ended,
            // Cut at the end of the process, and nobody is left to hear of it.
            Some(Err(_)) | None => std::future::pending().await,
        }
    }

    /// Whether letters wait: for one that is under way, or for the mail system.
    pub(super) fn waits(&self, now: Timestamp) -> bool {
        !self.under_way.is_empty() || self.again_at(now).is_some()
    }

    /// When letters may go again, if they wait for the mail system.
    pub(super) fn again_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.paused_until.filter(|at| *at > now)
    }

    /// The mail system took or judged a letter.
    pub(super) fn works(&mut self) {
        (self.failures, self.paused_until) = (0, None);
    }

    /// A letter failed and is to be tried again: all wait when it is the mail system that failed, and it alone otherwise.
    /// When it may be tried again; others go before it.
    pub(super) fn failed(&mut self, failure: &DeliveryFailure, now: Timestamp) -> Timestamp {
        let of_the_letter = failure.class == FailureClass::Document
            || (failure.code.starts_with("smtp_4") && failure.code != "smtp_421");
        if of_the_letter {
            self.works();
            return after(now, LETTER_AGAIN_AFTER);
        }
        let pause = PAUSE_FIRST.saturating_mul(1 << self.failures.min(10)).min(PAUSE_MAX);
        self.failures = self.failures.saturating_add(1);
        self.paused_until = Some(after(now, pause));
        after(now, pause * 2)
    }
}

fn panicked() -> DeliveryFailure {
    let note = "the attempt failed inside the gateway".to_owned();
    let (class, code) = (FailureClass::Document, "panic".to_owned());
    DeliveryFailure { class, code, note, retry_after: None, may_have_arrived: true }
}

/// Where the directory says that an organisation reads mail: its mailbox, or the first address in its contact.
fn mailbox(organisation: &Organisation) -> Option<MailAddress> {
    let in_contact = || {
        let words = organisation.contact.split(|c: char| c.is_whitespace() || ",;<>()".contains(c));
        words.map(|word| word.trim_matches(['.', ':'])).find_map(MailAddress::parse)
    };
    organisation.mailbox.clone().or_else(in_contact)
}

/// Why a delivery was given up, in words, and its last failure.
fn why(lines: &[HistoryEntry]) -> (&'static str, &'static str, String) {
    let newest = |event: &str| {
        let line = lines.iter().rev().find(|line| line.event == event);
        line.map_or("", |line| line.note.as_str())
    };
    let failure = SafeText::new(newest("attempt_failed")).into_string();
    if newest("settled").starts_with("operator ") {
        return ("người trực trục quyết định thôi gửi", "the operator of the gateway gave it up", failure);
    }
    ("quá thời hạn gửi quy định", "not deliverable within the time set", failure)
}
