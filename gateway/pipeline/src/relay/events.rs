//! The loop of events: the oldest first, those of one document together in one message, documents in parallel.

use std::collections::{HashMap, HashSet};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use lienthong_schemas::ids::DocumentId;
use tokio::sync::Notify;

use super::{Pause, Relay};
use crate::ports::Fault;
use crate::record::Event;

/// The last events of messages that failed, by document.
type Ends = HashMap<DocumentId, String>;

/// Events that go at a time; between two times deliveries have their turn.
const BATCH: usize = 64;
/// Events are gathered this long: most deliveries make several in a moment, and small messages are mostly envelope.
const GATHER: Duration = Duration::from_millis(50);
/// Documents whose admissions are known to be there; with more all is forgotten, and put again, which does nothing.
const ANNOUNCED_MAX: usize = 10_000;
/// Documents whose events go at once.
const DOCUMENTS_AT_ONCE: usize = 16;

/// Events of one document, in their order, and their numbers in the store.
#[derive(Default)]
struct Group {
    numbers: Vec<u64>,
    events: Vec<Event>,
}

impl Relay {
    /// Publishes for ever.
    pub(super) async fn publish_events(&self, work: &Notify) -> Result<(), Fault> {
        let mut pause = Pause::new();
        let mut again = Ends::new();
        loop {
            match self.send_events(&mut again).await {
                Ok(count) => {
                    pause = Pause::new();
                    if count == 0 {
                        work.notified().await;
                    }
                    if count < BATCH {
                        tokio::time::sleep(GATHER).await;
                    }
                    tokio::task::yield_now().await;
                }
                Err(fault) => self.rest(fault, &mut pause, "events are not published yet").await?,
            }
        }
    }

    /// One batch; returns how many there were. What fails goes again in the same message, because the broker knows a
    /// message by its first and last event; only a restart may put them together in another way, and then each event is
    /// known by its own id. Numbers are not kept meanwhile: the store may be another one by then.
    async fn send_events(&self, again: &mut Ends) -> Result<usize, Fault> {
        let events = self.ports.store.unsent_events(BATCH).await?;
        let count = events.len();
        let groups = grouped(events, again);
        let send = |group: Group| async {
            let sent = match self.announce(&group.events).await {
                Ok(()) => self.ports.broker.publish_events(&group.events).await,
                Err(fault) => Err(fault),
            };
            (group, sent)
        };
        let sending = futures_util::stream::iter(groups).map(send).buffer_unordered(DOCUMENTS_AT_ONCE);
        let (mut sent, mut outcome) = (Vec::new(), Ok(count));
        again.clear();
        for (group, done) in sending.collect::<Vec<_>>().await {
            match done {
                Ok(()) => sent.extend(group.numbers),
                Err(fault) => {
                    again.extend(group.events.last().map(|last| (last.document, last.id.clone())));
                    outcome = Err(fault);
                }
            }
        }
        if !sent.is_empty() {
            self.ports.store.events_sent(sent).await?;
            self.wakes.published.send_replace(());
        }
        outcome
    }
}

impl Relay {
    /// Before others hear that a document was accepted here, its admission is where they find it should this gateway be
    /// lost; once in a life, mostly.
    async fn announce(&self, events: &[Event]) -> Result<(), Fault> {
        let Some(accepted) = events.iter().find(|event| event.entry.event == "accepted") else {
            return Ok(());
        };
        let document = accepted.document;
        if self.partitions.own().is_none() || self.announced().contains(&document) {
            return Ok(());
        }
        match self.ports.spool.admission(document).await {
            Ok(None) => {}
            Ok(Some(admission)) => self.ports.broker.publish_admission(&admission).await?,
            // Its deliveries go on without it, here and at who adopts them.
            Err(fault) => tracing::error!(document_id = %document, %fault, "its admission cannot be read"),
        }
        let mut announced = self.announced();
        if announced.len() >= ANNOUNCED_MAX {
            announced.clear();
        }
        announced.insert(document);
        Ok(())
    }

    fn announced(&self) -> MutexGuard<'_, HashSet<DocumentId>> {
        self.announced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// By document, in their order. Of a document whose events are to go `again`, those that went before.
fn grouped(events: Vec<(u64, Event)>, again: &Ends) -> Vec<Group> {
    let (mut groups, mut at) = (Vec::<Group>::new(), HashMap::new());
    for (number, event) in events {
        let place = *at.entry(event.document).or_insert_with(|| {
            groups.push(Group::default());
            groups.len() - 1
        });
        let end = again.get(&event.document);
        let is_whole = groups[place].events.last().is_some_and(|last: &Event| Some(&last.id) == end);
        if !is_whole {
            groups[place].numbers.push(number);
            groups[place].events.push(event);
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use lienthong_schemas::ids::{DeliveryId, Operation, PacketDigest};
    use lienthong_schemas::organ::OrganId;

    use super::*;
    use crate::record::{Fence, HistoryEntry, State};

    fn event(document: &str, number: u64) -> (u64, Event) {
        let organ = OrganId::parse("H55").expect("a code");
        let document = DocumentId::derive(&organ, document, "0", &PacketDigest::of(b""));
        let delivery = DeliveryId::derive(&document, &organ, Operation::Deliver);
        let (state, event, note) = (State::Queued, String::new(), String::new());
        let entry = HistoryEntry { at: Timestamp::UNIX_EPOCH, state, event, attempt: 0, note };
        (
            number,
            Event {
                id: number.to_string(),
                document,
                delivery,
                receiver: organ,
                entry,
                generation: 1,
                node: None,
                fence: Fence::ALONE,
                offer: None,
            },
        )
    }

    fn numbers(events: Vec<(u64, Event)>, again: &Ends) -> Vec<Vec<u64>> {
        grouped(events, again).into_iter().map(|group| group.numbers).collect()
    }

    #[test]
    fn events_of_a_document_go_together_and_again_as_before() {
        let events = || vec![event("a", 1), event("b", 2), event("a", 3), event("a", 4)];
        assert_eq!(numbers(events(), &Ends::new()), [vec![1, 3, 4], vec![2]]);
        let again = Ends::from([(event("a", 0).1.document, "3".to_owned())]);
        assert_eq!(numbers(events(), &again), [vec![1, 3], vec![2]], "what came since waits");
        let gone = Ends::from([(event("a", 0).1.document, "0".to_owned())]);
        assert_eq!(numbers(events(), &gone), [vec![1, 3, 4], vec![2]]);
    }
}
