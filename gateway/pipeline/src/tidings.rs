//! What became of what axes took: they are asked again and again, less and less often, until a receiver has it or the time
//! is over (docs/national-axis.md). It never hinders polling. What an axis says is written down as it says it; only `done`
//! is more than a line of history.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use lienthong_monitoring::Metrics;
use lienthong_schemas::edxml::PacketKind;

use crate::clock::after;
use crate::directory::Directory;
use crate::poll::PollPolicies;
use crate::ports::{
    AxisDocId, AxisInbox, DeliveryFailure, FailureClass, Fault, Ports, SentEntry, Traffic, Transition,
};
use crate::record::{BeyondWord, Delivery, State, SystemId};
use crate::settle::Settle;
use crate::tasks::Tasks;
use crate::wakes::Wakes;

/// Deliveries that are looked for in one look; those of one submission are one question. The rest has its turn in the next
/// look, before those that were asked about in this one.
const LOOKED_AT_MAX: usize = 200;
/// So many questions in a row that are not answered, and the look ends.
const FAILURES_IN_A_ROW_MAX: u32 = 3;
/// The pause before the next question grows to this part of the age.
const PART_OF_AGE: u32 = 4;
/// The longest pause.
const AGAIN_MAX: Duration = Duration::from_secs(86_400);
/// How long an axis is asked about one delivery.
pub const ASKED_FOR: Duration = Duration::from_secs(30 * 86_400);
/// How often the settings are looked at for an axis that is asked since a reload.
const SETTINGS_EVERY: Duration = Duration::from_secs(10);

/// Asks the axes of one gateway.
pub struct Tidings {
    ports: Ports,
    inbox: Arc<dyn AxisInbox>,
    directory: Arc<ArcSwap<Directory>>,
    policies: Arc<ArcSwap<PollPolicies>>,
    metrics: Arc<Metrics>,
    settle: Settle,
}

/// The deliveries of one submission: what one question is about.
struct Question {
    doc_id: AxisDocId,
    traffic: Traffic,
    of: Vec<Delivery>,
}

impl Tidings {
    /// For one gateway. `policies` and `directory` may be replaced while it runs.
    pub fn new(
        ports: Ports,
        inbox: Arc<dyn AxisInbox>,
        directory: Arc<ArcSwap<Directory>>,
        policies: Arc<ArcSwap<PollPolicies>>,
        metrics: Arc<Metrics>,
        wakes: Wakes,
    ) -> Self {
        let settle = Settle::new(ports.clone(), metrics.clone(), wakes);
        Self { ports, inbox, directory, policies, metrics, settle }
    }

    /// Runs until shutdown.
    ///
    /// # Errors
    /// None: trouble of an axis, and ours, passes until the next look.
    pub async fn run(self, tasks: Tasks) -> Result<(), Fault> {
        let mut due: BTreeMap<SystemId, Timestamp> = BTreeMap::new();
        let mut asked: BTreeSet<SystemId> = BTreeSet::new();
        let mut looks = FuturesUnordered::new();
        loop {
            let (policies, now) = (self.policies.load_full(), self.ports.clock.now());
            due.retain(|axis, _| policies.contains_key(axis));
            let mut next = after(now, SETTINGS_EVERY);
            for (axis, every) in policies.iter().filter_map(|(axis, of)| Some((axis, of.sent_every?))) {
                let at = *due.entry(axis.clone()).or_insert_with(|| after(now, every));
                if asked.contains(axis) {
                    continue;
                }
                // A clock that was set back does not make it wait for longer than it would.
                if at <= now || at > after(now, every) {
                    asked.insert(axis.clone());
                    looks.push(self.look(axis.clone(), every, tasks.clone()));
                } else {
                    next = next.min(at);
                }
            }
            tokio::select! {
                Some((axis, every)) = looks.next(), if !looks.is_empty() => {
                    asked.remove(&axis);
                    due.insert(axis, after(self.ports.clock.now(), every));
                }
                () = self.ports.clock.sleep_until(next) => {}
                () = tasks.stopped() => return Ok(()),
            }
        }
    }

    /// Asks an axis about what is due.
    async fn look(&self, axis: SystemId, every: Duration, tasks: Tasks) -> (SystemId, Duration) {
        self.settle.write_notes().await;
        if let Err(fault) = self.questions(&axis, every, &tasks).await {
            tracing::warn!(%axis, %fault, "an axis is asked later what became of our packets");
        }
        (axis, every)
    }

    async fn questions(&self, axis: &SystemId, every: Duration, tasks: &Tasks) -> Result<(), Fault> {
        let now = self.ports.clock.now();
        let found = self.ports.store.beyond(axis, now, LOOKED_AT_MAX).await?;
        let mut failures = 0;
        for question in questions(found) {
            if tasks.is_stopping() {
                return Ok(());
            }
            let now = self.ports.clock.now();
            match self.inbox.sent(axis, &question.doc_id, question.traffic, now).await {
                Ok(entries) => {
                    failures = 0;
                    self.metrics.axis_asked.of("answered").inc();
                    self.note(&question, &entries, every).await?;
                }
                Err(failure) => {
                    self.metrics.axis_asked.of("failed").inc();
                    complain(axis, &failure);
                    // It is asked about this one later: the next look, whatever becomes of this one, begins with another.
                    self.note(&question, &[], every).await?;
                    failures += u32::from(failure.class != FailureClass::Permanent);
                    let is_axis = matches!(failure.class, FailureClass::OursToFix | FailureClass::Receiver);
                    if is_axis || failures == FAILURES_IN_A_ROW_MAX {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes down what an axis says of each delivery of a submission.
    async fn note(&self, question: &Question, entries: &[SentEntry], every: Duration) -> Result<(), Fault> {
        let (directory, now) = (self.directory.load_full(), self.ports.clock.now());
        for delivery in &question.of {
            let receiver = &delivery.route.receiver;
            let is_its = |entry: &&SentEntry| {
                let code = lienthong_schemas::organ::OrganId::parse(&entry.to).ok();
                code.is_some_and(|code| directory.resolved(&code) == *receiver)
            };
            // Of several lines the one that ends it: a list may have each step.
            let is_done = |entry: &&SentEntry| is_its(entry) && entry.word == Some(BeyondWord::Done);
            let entry = entries.iter().find(is_done).or_else(|| entries.iter().find(is_its));
            let word = entry.and_then(|entry| entry.word);
            let due = again(delivery, every, now);
            let note = noted(&question.doc_id, entry, due.is_none() && word != Some(BeyondWord::Done));
            let heard = Transition::Heard { word, due, note };
            if self.settle.heard(delivery, heard).await? == Some(State::Received) {
                tracing::info!(
                    delivery_id = %delivery.id, document_id = %delivery.document, %receiver,
                    state = State::Received.as_str(), "received, as the axis says",
                );
            }
        }
        Ok(())
    }
}

/// When an axis is asked about a delivery again; `None`: no more.
fn again(delivery: &Delivery, every: Duration, now: Timestamp) -> Option<Timestamp> {
    let since = delivery.beyond.as_ref()?.since;
    let age = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    let pause = every.max(age / PART_OF_AGE).min(AGAIN_MAX);
    (age < ASKED_FOR).then(|| after(now, pause))
}

/// What stands in the history.
fn noted(doc_id: &AxisDocId, entry: Option<&SentEntry>, is_last: bool) -> String {
    let mut note = format!("DocId {doc_id}");
    if let Some(entry) = entry {
        let word = entry.word.map_or("?", BeyondWord::as_str);
        note = format!("{word}: {note}");
        if !entry.note.is_empty() {
            note = format!("{note}; {}", entry.note);
        }
    }
    if is_last {
        note = format!("{note}; not asked any more");
    }
    note
}

/// In the order of the list, the deliveries of one submission together.
fn questions(found: Vec<Delivery>) -> Vec<Question> {
    let (mut questions, mut places): (Vec<Question>, BTreeMap<AxisDocId, usize>) = Default::default();
    for delivery in found {
        let doc_id = delivery.beyond.as_ref().and_then(|beyond| AxisDocId::parse(&beyond.doc_id));
        let Some(doc_id) = doc_id else { continue };
        let place = *places.entry(doc_id.clone()).or_insert(questions.len());
        match questions.get_mut(place) {
            Some(question) => question.of.push(delivery),
            None => {
                let is_status = delivery.kind == PacketKind::Status.id_text();
                let traffic = if is_status { Traffic::Statuses } else { Traffic::Documents };
                questions.push(Question { doc_id, traffic, of: vec![delivery] });
            }
        }
    }
    questions
}

fn complain(axis: &SystemId, failure: &DeliveryFailure) {
    let (code, note) = (failure.code.as_str(), failure.note.as_str());
    if failure.class == FailureClass::OursToFix {
        tracing::error!(%axis, code, note, "ours to fix: an axis does not say what became of our packets");
    } else {
        tracing::warn!(%axis, code, note, "an axis does not say what became of our packets");
    }
}
