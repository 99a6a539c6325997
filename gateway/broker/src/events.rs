//! Reading `EVENTS`, from a number on, one message after the other. Nothing is acknowledged: who reads knows where it
//! stands. Whatever breaks the order ends the reading, and it is begun anew from there.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::stream::Stream;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use lienthong_pipeline::ports::{EventsAfter, EventsSpan, Fault, StoredEvents};
use lienthong_pipeline::record::{Event, EventsPlace, OwnNode};
use lienthong_schemas::ids::DocumentId;
use tokio::time::timeout;

use crate::jetstream::{Link, PUBLISH_WAIT};
use crate::streams::EVENTS;
use crate::{PLACE, message, reader};

/// Messages and bytes asked for at a time.
const MESSAGES_PER_PULL: usize = 256;
const BYTES_PER_PULL: usize = 2 * 1024 * 1024;
const HEARTBEAT: Duration = Duration::from_secs(5);
/// The server forgets a reader that has gone away after so long.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

fn fault(cause: impl std::fmt::Display) -> Fault {
    Fault::new(PLACE, cause)
}

async fn events(link: &Link) -> Result<Stream, Fault> {
    let found = async {
        let stream = link.usable().await?.get_stream(EVENTS).await;
        stream.inspect_err(|_| link.mistrust()).map_err(fault)
    };
    let found = timeout(PUBLISH_WAIT, found).await;
    found.unwrap_or_else(|_| Err(fault("looking at EVENTS took too long")))
}

/// See [`lienthong_pipeline::ports::Broker::events_span`].
pub(crate) async fn span(link: &Link) -> Result<EventsSpan, Fault> {
    let stream = events(link).await?;
    let info = stream.cached_info();
    let last = EventsPlace { stream: info.created.to_string(), sequence: info.state.last_sequence };
    Ok(EventsSpan { first: info.state.first_sequence, last })
}

/// See [`lienthong_pipeline::ports::Broker::events_after`].
pub(crate) async fn after(link: Arc<Link>, after: u64) -> Result<EventsAfter, Fault> {
    let begin = DeliverPolicy::ByStartSequence { start_sequence: after.saturating_add(1) };
    let config = reader::from(begin, FORGOTTEN_AFTER);
    let consumer = events(&link).await?.create_consumer(config).await.map_err(fault)?;
    let is_end = consumer.cached_info().num_pending == 0;
    let messages = consumer
        .stream()
        .max_messages_per_batch(MESSAGES_PER_PULL)
        .max_bytes_per_batch(BYTES_PER_PULL)
        .heartbeat(HEARTBEAT)
        .messages()
        .await
        .map_err(fault)?;
    let reader = Reader { link, messages, count: 0 };
    let messages = stream::unfold(Some(reader), |reader| async move {
        let mut reader = reader?;
        let link = reader.link.clone();
        let next = tokio::select! {
            biased;
            () = link.closing.cancelled() => return None,
            next = reader.next() => next?,
        };
        // After a fault nothing more comes.
        let reader = next.is_ok().then_some(reader);
        Some((next, reader))
    });
    Ok(EventsAfter { is_end, messages: messages.boxed() })
}

/// See [`lienthong_pipeline::ports::Broker::events_of`].
pub(crate) async fn of(
    link: Arc<Link>,
    document: DocumentId,
) -> Result<BoxStream<'static, Result<Vec<Event>, Fault>>, Fault> {
    let subject = message::events_subject(document);
    let config =
        pull::Config { filter_subject: subject, ..reader::from(DeliverPolicy::All, FORGOTTEN_AFTER) };
    let consumer = events(&link).await?.create_consumer(config).await.map_err(fault)?;
    let Ok(count @ 1..) = usize::try_from(consumer.cached_info().num_pending) else {
        return Ok(stream::empty().boxed());
    };
    let messages = consumer
        .stream()
        .max_messages_per_batch(MESSAGES_PER_PULL.min(count))
        .max_bytes_per_batch(BYTES_PER_PULL)
        .heartbeat(HEARTBEAT)
        .messages()
        .await
        .map_err(fault)?;
    Ok(reader::first(count, messages).map_ok(|message| written(&message)).boxed())
}

/// The events of a message, if it can be read.
fn written(message: &Message) -> Vec<Event> {
    message::decode_events(&message.payload).unwrap_or_else(|fault| {
        tracing::error!(subject = %message.subject, %fault, "an event cannot be read, and is left out");
        Vec::new()
    })
}

struct Reader {
    link: Arc<Link>,
    messages: pull::Stream,
    /// Messages that came.
    count: u64,
}

impl Reader {
    async fn next(&mut self) -> Option<Result<StoredEvents, Fault>> {
        Some(self.messages.next().await?.map_err(fault).and_then(|message| self.read(&message)))
    }

    fn read(&mut self, message: &Message) -> Result<StoredEvents, Fault> {
        let info = message.info().map_err(fault)?;
        self.count += 1;
        if info.consumer_sequence != self.count {
            return Err(fault(format!(
                "message {} of EVENTS came for {}",
                info.consumer_sequence, self.count
            )));
        }
        let posted = message::decode_posted(message.headers.as_ref(), &message.payload);
        let posted = posted.unwrap_or_else(|fault| {
            tracing::error!(sequence = info.stream_sequence, %fault, "an event cannot be read, and is left out");
            Vec::new()
        });
        let own = self.link.node.as_ref().map(OwnNode::name);
        let followed = message::decode_followed(message.headers.as_ref(), &message.payload, own);
        let followed = followed.unwrap_or_else(|fault| {
            tracing::error!(sequence = info.stream_sequence, %fault, "an event cannot be read, and is not followed");
            Vec::new()
        });
        Ok(StoredEvents { sequence: info.stream_sequence, posted, followed })
    }
}
