//! One look at one axis: both lists, and each entry by itself. The order of an entry is fixed: fetched, committed here, and
//! only then confirmed there. Whatever ends it half way, the next look begins it anew, and an entry that is known is only
//! confirmed again.

use std::collections::HashMap;
use std::io::BufRead;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lienthong_monitoring::Metrics;
use lienthong_schemas::ids::PacketDigest;
use lienthong_schemas::rejections::{Rejection, RejectionCode};

use super::PollPolicy;
use crate::clock::after;
use crate::crash::crash_point;
use crate::examine::Refused;
use crate::intake::{FromAxis, Intake, shown};
use crate::ports::{
    AxisDocId, AxisEntry, AxisInbox, Confirmation, DeliveryFailure, FailureClass, Fault, FetchFailure,
    Incoming, Ports, Traffic,
};
use crate::record::{Quarantined, SystemId};
use crate::tasks::Tasks;

/// So many entries in a row that an axis does not give, and the look ends: it is the axis.
const FAILURES_IN_A_ROW_MAX: u32 = 3;
/// Most entries whose failures are remembered; beyond it all are asked for again.
const REMEMBERED_MAX: usize = 10_000;
/// The longest pause of an entry that was not given.
const AGAIN_MAX: Duration = Duration::from_secs(3600);

/// What became of one entry, as metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is on disk here since now.
    Taken,
    /// It was on disk here already, and is confirmed.
    Repeated,
    /// We had sent it there; confirmed, and not delivered.
    Echo,
    /// It cannot be taken: set aside for the operator.
    Quarantined,
    /// It claims to be ours, and we did not send it: set aside, and an alarm.
    Unmatched,
    /// Not fetched, or not confirmed: it comes again.
    Failed,
    /// A line of a list that is none.
    Broken,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 7] = [
        Self::Taken,
        Self::Repeated,
        Self::Echo,
        Self::Quarantined,
        Self::Unmatched,
        Self::Failed,
        Self::Broken,
    ];

    /// The label in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Repeated => "repeated",
            Self::Echo => "echo",
            Self::Quarantined => "quarantined",
            Self::Unmatched => "unmatched",
            Self::Failed => "failed",
            Self::Broken => "broken",
        }
    }
}

/// Entries that an axis lists and does not give: how often in a row, and when they are asked for again.
#[derive(Debug, Default)]
pub(super) struct Patience(HashMap<AxisDocId, (u32, Timestamp)>);

impl Patience {
    fn has_to_wait(&self, id: &AxisDocId, now: Timestamp) -> bool {
        self.0.get(id).is_some_and(|(_, due)| now < *due && *due <= after(now, AGAIN_MAX))
    }

    /// It is left alone until the next look, and twice as long after each further failure.
    fn failed(&mut self, id: &AxisDocId, every: Duration, now: Timestamp) {
        let failures = self.0.get(id).map_or(0, |(failures, _)| *failures);
        let pause = every.saturating_mul(1 << failures.min(16)).min(AGAIN_MAX);
        if self.0.len() >= REMEMBERED_MAX {
            self.0.clear();
        }
        self.0.insert(id.clone(), (failures.saturating_add(1), after(now, pause)));
    }
}

/// Why a look ends before its end.
enum End {
    /// Ours: nothing more can be taken in now.
    Ours(Fault),
    /// The axis's: it does not give what it lists.
    Axis,
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        Self::Ours(fault)
    }
}

pub(super) struct Round<'r> {
    pub(super) axis: &'r SystemId,
    pub(super) policy: PollPolicy,
    pub(super) ports: &'r Ports,
    pub(super) intake: &'r Arc<Intake>,
    pub(super) inbox: &'r dyn AxisInbox,
    pub(super) metrics: &'r Metrics,
    pub(super) tasks: Tasks,
}

impl Round<'_> {
    /// Takes in what waits. `false` when the axis did not give a list, or nothing of one.
    pub(super) async fn look(&self, patience: &mut Patience) -> bool {
        let (mut answers, mut listed) = (true, Vec::new());
        for traffic in Traffic::ALL {
            let now = self.ports.clock.now();
            let list = match self.inbox.waiting(self.axis, traffic, now).await {
                Ok(list) => list,
                Err(failure) => {
                    self.complain(&failure, "an axis gives no list");
                    answers = false;
                    continue;
                }
            };
            if list.broken > 0 {
                self.metrics.axis_packets.of(Outcome::Broken.as_str()).add(list.broken as u64);
                let lines = list.broken;
                tracing::error!(axis = %self.axis, list = traffic.as_str(), lines, "an axis lists what is no entry");
            }
            listed.extend(list.entries.iter().map(|entry| entry.id.clone()));
            match self.entries(&list.entries, traffic, patience).await {
                Ok(()) => {}
                Err(End::Axis) => answers = false,
                Err(End::Ours(fault)) => {
                    tracing::error!(axis = %self.axis, %fault, "nothing is taken in from an axis now");
                    break;
                }
            }
        }
        if answers {
            patience.0.retain(|id, _| listed.contains(id));
        }
        match self.ports.spool.quarantine_count().await {
            Ok(count) => self.metrics.axis_quarantined.set(count),
            Err(fault) => tracing::warn!(%fault, "what is in quarantine cannot be counted now"),
        }
        answers
    }

    /// Each entry of a list, in its order. One that is odd hinders no other.
    async fn entries(
        &self,
        entries: &[AxisEntry],
        traffic: Traffic,
        patience: &mut Patience,
    ) -> Result<(), End> {
        let mut failures = 0;
        for entry in entries {
            if self.tasks.is_stopping() {
                return Ok(());
            }
            let now = self.ports.clock.now();
            if patience.has_to_wait(&entry.id, now) {
                continue;
            }
            match self.entry(entry, traffic).await? {
                Ok(outcome) => {
                    failures = 0;
                    if let Some(outcome) = outcome {
                        self.metrics.axis_packets.of(outcome.as_str()).inc();
                    }
                }
                Err(failure) => {
                    patience.failed(&entry.id, self.policy.every, now);
                    self.metrics.axis_packets.of(Outcome::Failed.as_str()).inc();
                    self.complain(&failure, "a packet of an axis comes again later");
                    failures += u32::from(failure.class != FailureClass::Permanent);
                    if failures == FAILURES_IN_A_ROW_MAX {
                        return Err(End::Axis);
                    }
                }
            }
        }
        Ok(())
    }

    /// One entry: `None` for one that is in quarantine.
    async fn entry(
        &self,
        entry: &AxisEntry,
        traffic: Traffic,
    ) -> Result<Result<Option<Outcome>, DeliveryFailure>, Fault> {
        if self.ports.spool.is_quarantined(self.axis, &entry.id).await? {
            return Ok(Ok(None));
        }
        if let Some(document) = self.intake.known_from_axis(self.axis, &entry.id).await? {
            tracing::info!(axis = %self.axis, id = %entry.id, document_id = %document, "confirmed again to an axis");
            return Ok(self.confirm(entry, Confirmation::Done, Outcome::Repeated).await);
        }
        let sink = self.ports.spool.receive().await?;
        let now = self.ports.clock.now();
        let packet = match self.inbox.fetch(self.axis, &entry.id, sink, self.policy.bytes_max, now).await {
            Ok(packet) => Arc::<dyn Incoming>::from(packet),
            Err(FetchFailure::Axis(failure)) => return Ok(Err(failure)),
            Err(FetchFailure::Ours(fault)) => return Err(fault),
            Err(FetchFailure::TooLarge { bytes_max }) => {
                let rejection = Rejection::new(RejectionCode::BodyTooLarge).because(format!("> {bytes_max}"));
                return self.refuse(entry, traffic, None, Reason::of(&rejection)).await;
            }
        };
        crash_point("after-axis-fetch");
        self.take_in(entry, traffic, packet).await
    }

    async fn take_in(
        &self,
        entry: &AxisEntry,
        traffic: Traffic,
        packet: Arc<dyn Incoming>,
    ) -> Result<Result<Option<Outcome>, DeliveryFailure>, Fault> {
        let admitted = {
            let (intake, axis, entry) = (self.intake.clone(), self.axis.clone(), entry.clone());
            let packet = Box::new(Shared(packet.clone()));
            let work = async move { intake.admit_from_axis(packet, &axis, &entry.id, &entry.to).await };
            self.tasks.complete(work).await.map_err(|ended| Fault::new("intake", ended))?
        };
        crash_point("after-axis-commit");
        match admitted {
            Ok(FromAxis::Taken(accepted)) => {
                if accepted.replayed {
                    return Ok(self.confirm(entry, Confirmation::Done, Outcome::Repeated).await);
                }
                // It counts from here on, whether or not the axis hears of it now.
                self.metrics.axis_packets.of(Outcome::Taken.as_str()).inc();
                Ok(self.confirm(entry, Confirmation::Done, Outcome::Taken).await.map(|_| None))
            }
            Ok(FromAxis::Echo(document)) => {
                tracing::info!(axis = %self.axis, id = %entry.id, document_id = %document, "what we sent came back");
                Ok(self.confirm(entry, Confirmation::Done, Outcome::Echo).await)
            }
            Ok(FromAxis::Unmatched(sender)) => {
                let why = Reason { code: "ECHO_UNMATCHED".to_owned(), detail: sender.to_string() };
                self.set_aside(self.note(entry, traffic, Some(&packet), &why), Some(packet)).await?;
                tracing::error!(axis = %self.axis, id = %entry.id, sender = %sender,
                    "an axis has a packet in the name of an organisation of ours that we did not send");
                Ok(Ok(Some(Outcome::Unmatched)))
            }
            Ok(FromAxis::NotFor(rejection)) | Err(Refused::Rejected(rejection)) => {
                self.refuse(entry, traffic, Some(packet), Reason::of(&rejection)).await
            }
            Err(Refused::Fault(fault)) => Err(fault),
        }
    }

    /// Says a word to the axis, now that it is true.
    async fn confirm(
        &self,
        entry: &AxisEntry,
        word: Confirmation,
        outcome: Outcome,
    ) -> Result<Option<Outcome>, DeliveryFailure> {
        let now = self.ports.clock.now();
        self.inbox.confirm(self.axis, &entry.id, word, now).await?;
        crash_point("after-axis-confirm");
        Ok(Some(outcome))
    }

    /// Puts an entry into quarantine, and tells the axis that we cannot take it.
    async fn refuse(
        &self,
        entry: &AxisEntry,
        traffic: Traffic,
        packet: Option<Arc<dyn Incoming>>,
        why: Reason,
    ) -> Result<Result<Option<Outcome>, DeliveryFailure>, Fault> {
        let note = self.note(entry, traffic, packet.as_ref(), &why);
        self.set_aside(note.clone(), packet).await?;
        let (reason, detail) = (why.code.as_str(), why.detail.as_str());
        tracing::error!(axis = %self.axis, id = %entry.id, reason, detail, "a packet of an axis is in quarantine");
        match self.confirm(entry, Confirmation::Fail, Outcome::Quarantined).await {
            // Written before, it would say so of an axis that was never reached.
            Ok(_) => self.set_aside(Quarantined { told_fail: true, ..note }, None).await?,
            // It is safe here, and the axis keeps it too.
            Err(failure) => self.complain(&failure, "an axis was not told that a packet is in quarantine"),
        }
        Ok(Ok(Some(Outcome::Quarantined)))
    }

    async fn set_aside(&self, note: Quarantined, packet: Option<Arc<dyn Incoming>>) -> Result<(), Fault> {
        self.ports.spool.quarantine(packet, &note).await
    }

    /// What is noted of a packet that was not taken; nobody was told yet.
    fn note(
        &self,
        entry: &AxisEntry,
        traffic: Traffic,
        packet: Option<&Arc<dyn Incoming>>,
        why: &Reason,
    ) -> Quarantined {
        Quarantined {
            axis: self.axis.clone(),
            doc_id: entry.id.to_string(),
            list: traffic.as_str().to_owned(),
            from: shown(&entry.from),
            to: shown(&entry.to),
            at: self.ports.clock.now(),
            reason: why.code.clone(),
            detail: why.detail.clone(),
            told_fail: false,
            sha256: packet.map(|packet| packet.digest()),
            bytes: packet.map(|packet| packet.bytes()),
        }
    }

    fn complain(&self, failure: &DeliveryFailure, what: &'static str) {
        let (axis, code, note) = (self.axis, failure.code.as_str(), failure.note.as_str());
        if failure.class == FailureClass::OursToFix {
            tracing::error!(%axis, code, note, what, "ours to fix: an axis does not let us in");
        } else {
            tracing::warn!(%axis, code, note, what, "an axis is in trouble");
        }
    }
}

/// Why a packet is in quarantine.
struct Reason {
    code: String,
    detail: String,
}

impl Reason {
    fn of(rejection: &Rejection) -> Self {
        let detail = rejection.to_string();
        Self { code: rejection.code.row().name.to_owned(), detail: shown(&detail) }
    }
}

/// A packet that is looked at after somebody had it who threw it away.
struct Shared(Arc<dyn Incoming>);

impl Incoming for Shared {
    fn digest(&self) -> PacketDigest {
        self.0.digest()
    }

    fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    fn open(&self) -> Result<Box<dyn BufRead + Send>, Fault> {
        self.0.open()
    }
}
