//! Reading what `DELIVERIES` has, whoever acknowledged it, from its beginning to where it ended when asked.

use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::DeliverPolicy;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use lienthong_pipeline::ports::{DeliveryMessage, Fault};

use crate::jetstream::Link;
use crate::streams::DELIVERIES;
use crate::{PLACE, message, reader};

/// Messages and bytes asked for at a time.
const MESSAGES_PER_PULL: usize = 64;
const BYTES_PER_PULL: usize = 4 * 1024 * 1024;
const HEARTBEAT: Duration = Duration::from_secs(5);
/// The server forgets a reader that has gone away after so long.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

fn fault(cause: impl std::fmt::Display) -> Fault {
    Fault::new(PLACE, cause)
}

pub(crate) async fn deliveries(
    link: Arc<Link>,
) -> Result<BoxStream<'static, Result<DeliveryMessage, Fault>>, Fault> {
    let stream = link.usable().await?.get_stream(DELIVERIES).await;
    let stream = stream.inspect_err(|_| link.mistrust()).map_err(fault)?;
    let config = reader::from(DeliverPolicy::All, FORGOTTEN_AFTER);
    let consumer = stream.create_consumer(config).await.map_err(fault)?;
    let waiting = consumer.cached_info().num_pending;
    if waiting == 0 {
        return Ok(stream::empty().boxed());
    }
    let messages = consumer
        .stream()
        .max_messages_per_batch(MESSAGES_PER_PULL)
        .max_bytes_per_batch(BYTES_PER_PULL)
        .heartbeat(HEARTBEAT)
        .messages()
        .await
        .map_err(fault)?;
    let waiting = usize::try_from(waiting).unwrap_or(usize::MAX);
    Ok(reader::first(waiting, messages).try_filter_map(async |message| Ok(read(&message))).boxed())
}

fn read(message: &Message) -> Option<DeliveryMessage> {
    let none = HeaderMap::new();
    let headers = message.headers.as_ref().unwrap_or(&none);
    let read = message::decode(&message.subject, headers, &message.payload);
    read.inspect_err(|fault| tracing::error!(%fault, "a message that cannot be read is left out")).ok()
}
