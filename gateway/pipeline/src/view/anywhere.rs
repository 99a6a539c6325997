//! "Where is my document?", asked at a gateway that did not accept it: among several its admission and what became of it
//! stand in `EVENTS` (design.md B7), and every gateway answers the same people alike.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use lienthong_schemas::ids::{DeliveryId, DocumentId};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{DocumentView, Known, ToldView, Viewer, Visible, WHOLE_HISTORIES_MAX, known, shown, visible};
use crate::directory::Directory;
use crate::late::late_since;
use crate::partitions::Partitions;
use crate::ports::{Fault, Ports};
use crate::record::{Delivery, Event, HistoryEntry, NodeName, Receipt};

/// Documents that are looked for in `EVENTS` at once; others wait. Whoever asks for ids that nobody has costs the broker no
/// more than this.
const LOOKS_AT_ONCE: usize = 4;
/// Longest time until there is an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Lines of a history that are shown.
const LINES_MAX: usize = 50;

/// Documents of one gateway and, where it is one of several, of the others.
pub struct Anywhere {
    ports: Ports,
    partitions: Arc<Partitions>,
    looks: Semaphore,
}

impl Anywhere {
    /// Those that a gateway can show.
    pub fn new(ports: Ports, partitions: Arc<Partitions>) -> Self {
        Self { ports, partitions, looks: Semaphore::new(LOOKS_AT_ONCE) }
    }

    /// The view of a document, `None` when there is no such document for this viewer; see [`super::document`].
    ///
    /// # Errors
    /// Those of store and spool; and of the broker, which alone knows whether another gateway has it.
    pub async fn document(
        &self,
        directory: &Directory,
        id: DocumentId,
        viewer: Viewer<'_>,
        late_after: Duration,
    ) -> Result<Option<DocumentView>, Fault> {
        if let Known::Seen(view) = known(&self.ports, directory, id, viewer, late_after).await? {
            return Ok(view.map(|view| *view));
        }
        if self.partitions.own().is_none() {
            return Ok(None);
        }
        let looked = timeout(ANSWER_WITHIN, async {
            let _place = self.looks.acquire().await.map_err(|closed| Fault::new("view", closed))?;
            self.of_another(directory, id, viewer, late_after).await
        });
        let late =
            || Err(Fault::new("broker", "what other gateways said of a document did not come in time"));
        looked.await.unwrap_or_else(|_| late())
    }

    async fn of_another(
        &self,
        directory: &Directory,
        id: DocumentId,
        viewer: Viewer<'_>,
        late_after: Duration,
    ) -> Result<Option<DocumentView>, Fault> {
        let Some(admission) = self.ports.broker.admission(id).await? else { return Ok(None) };
        let mut receipt = admission.receipt;
        let visible = visible(directory, &mut receipt, admission.deliveries, viewer);
        let Some(Visible { deliveries, .. }) = visible else { return Ok(None) };
        let mut told = Told::of(deliveries, self.partitions.own().map(|own| own.name()));
        let mut messages = self.ports.broker.events_of(id).await?;
        while let Some(events) = messages.next().await {
            events?.into_iter().for_each(|event| told.note(event));
        }
        // What it delivers itself it may know better.
        let ids = told.lines.iter().map(|line| line.delivery.id).collect();
        for (line, own) in told.lines.iter_mut().zip(self.ports.store.deliveries(ids).await?) {
            line.meet(own);
        }
        Ok(Some(told.shown(receipt, late_after, &self.ports)))
    }
}

/// What gateways have said of the deliveries of a document.
struct Told<'a> {
    own: Option<&'a NodeName>,
    accepted_by: Option<NodeName>,
    at: HashMap<DeliveryId, usize>,
    lines: Vec<Line>,
    /// So many lines are kept of each.
    lines_max: usize,
}

struct Line {
    delivery: Delivery,
    history: VecDeque<HistoryEntry>,
    /// The last word on whether the sender was told.
    told: Option<HistoryEntry>,
}

impl<'a> Told<'a> {
    fn of(deliveries: Vec<Delivery>, own: Option<&'a NodeName>) -> Self {
        let lines_max = if deliveries.len() <= WHOLE_HISTORIES_MAX { LINES_MAX } else { 1 };
        let at = deliveries.iter().enumerate().map(|(at, delivery)| (delivery.id, at)).collect();
        let line = |delivery| Line { delivery, history: VecDeque::new(), told: None };
        let lines = deliveries.into_iter().map(line).collect();
        Self { own, accepted_by: None, at, lines, lines_max }
    }

    fn note(&mut self, mut event: Event) {
        let Some(line) = self.at.get(&event.delivery).and_then(|at| self.lines.get_mut(*at)) else { return };
        if let Some(node) = event.node.as_ref().map(|life| &life.node) {
            if matches!(event.entry.event.as_str(), "accepted" | "adopted") {
                self.accepted_by = Some(node.clone());
            }
            if Some(node) != self.own {
                let note = std::mem::take(&mut event.entry.note);
                let mark = format!("[{node}]");
                event.entry.note = if note.is_empty() { mark } else { format!("{mark} {note}") };
            }
        }
        line.note(event, self.lines_max);
    }

    fn shown(self, receipt: Receipt, late_after: Duration, ports: &Ports) -> DocumentView {
        let now = ports.clock.now();
        let shown = |Line { delivery, history, told }: Line| {
            let told = ToldView::of(&delivery, told.as_slice());
            let late_since = late_since(&delivery, late_after, now);
            shown(delivery, history.into(), told, late_since)
        };
        let deliveries = self.lines.into_iter().map(shown).collect();
        DocumentView {
            receipt: receipt.worded(),
            deliveries,
            copies: Vec::new(),
            accepted_by: self.accepted_by,
        }
    }
}

impl Line {
    fn note(&mut self, event: Event, lines_max: usize) {
        // An event may be stored twice.
        if self.history.contains(&event.entry) {
            return;
        }
        let delivery = &mut self.delivery;
        if event.outlasts((delivery.generation, delivery.state)) {
            delivery.state = event.entry.state;
            delivery.generation = delivery.generation.max(event.generation);
        }
        let entry = event.entry;
        delivery.attempts = delivery.attempts.max(entry.attempt);
        if matches!(entry.event.as_str(), "reported" | "not_told") {
            self.told = Some(entry.clone());
        }
        self.history.push_back(entry);
        if self.history.len() > lines_max {
            self.history.pop_front();
        }
    }

    /// What this gateway's store has of it, unless `EVENTS` has gone on since.
    fn meet(&mut self, own: Option<Delivery>) {
        let is_newer = |own: &Delivery| {
            own.generation >= self.delivery.generation
                && (own.state.is_final() || !self.delivery.state.is_final())
        };
        if let Some(own) = own.filter(is_newer) {
            self.delivery = own;
        }
    }
}
