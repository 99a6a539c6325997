//! From the broker into this gateway's outbox: a message is acknowledged only after its delivery, and its packet, are
//! on this gateway's disk (design.md B7).

use std::time::Duration;

use futures_util::StreamExt;

use crate::clock::after;
use crate::crash::crash_point;
use crate::ports::{DeliveryMessage, Fault, HandOff, Ports, Taken};
use crate::record::{AdapterKind, Lane};
use crate::tasks::Tasks;
use crate::wakes::Wakes;

const AGAIN_AFTER: Duration = Duration::from_secs(2);
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Takes the messages of one adapter and lane.
pub struct Takeover {
    ports: Ports,
    adapter: AdapterKind,
    lane: Lane,
    wakes: Wakes,
}

impl Takeover {
    /// The takeover of one adapter and lane.
    pub fn new(ports: Ports, adapter: AdapterKind, lane: Lane, wakes: Wakes) -> Self {
        Self { ports, adapter, lane, wakes }
    }

    /// Runs until shutdown.
    pub async fn run(self, tasks: Tasks) -> Result<(), Fault> {
        while !tasks.is_stopping() {
            tokio::select! {
                outcome = self.take_all() => outcome?,
                () = tasks.stopped() => break,
            }
        }
        Ok(())
    }

    async fn take_all(&self) -> Result<(), Fault> {
        let mut messages = match self.ports.broker.deliveries(self.adapter, self.lane).await {
            Ok(messages) => messages,
            Err(fault) => {
                tracing::warn!(%fault, adapter = self.adapter.as_str(), "no messages yet");
                self.rest().await;
                return Ok(());
            }
        };
        while let Some(taken) = messages.next().await {
            self.take(taken).await?;
        }
        // The stream ends on shutdown only; one that ends by itself must not be asked for without a pause.
        self.rest().await;
        Ok(())
    }

    async fn rest(&self) {
        let due = after(self.ports.clock.now(), RETRY_AFTER);
        self.ports.clock.sleep_until(due).await;
    }

    async fn take(&self, taken: Box<dyn Taken>) -> Result<(), Fault> {
        let message = match taken.message() {
            Ok(message) => message,
            Err(fault) => {
                // The accepting gateway keeps its record, and the stream keeps the message until its age limit.
                tracing::error!(%fault, "a message that cannot be read was put aside");
                return ignore_broker(taken.ack().await);
            }
        };
        match self.hand_off(message).await {
            Ok(()) => ignore_broker(taken.ack().await),
            Err(fault) if fault.fatal => Err(fault),
            Err(fault) => {
                tracing::warn!(%fault, "not taken over yet");
                ignore_broker(taken.again(AGAIN_AFTER).await)
            }
        }
    }

    async fn hand_off(&self, message: DeliveryMessage) -> Result<(), Fault> {
        let (id, digest) = (message.delivery.id, message.delivery.digest);
        let (queue, lane) = (message.delivery.route.queue(), message.delivery.lane);
        let ours = self.ports.store.delivery(id).await?;
        if ours.is_some_and(|delivery| delivery.state.is_final()) {
            return Ok(());
        }
        if self.ports.spool.blob(digest).await?.is_none() {
            self.fetch(&message).await?;
        }
        let outcome = self.ports.store.hand_off(message.delivery).await?;
        crash_point("after-hand-off");
        tracing::debug!(delivery_id = %id, ?outcome, "taken over");
        // Known: nobody may have been woken when it was taken, because the answer of the store did not come.
        if outcome != HandOff::Settled {
            self.wakes.arrived(self.adapter, queue, lane);
        }
        if outcome == HandOff::Taken {
            self.wakes.relay.notify_one();
        }
        Ok(())
    }

    async fn fetch(&self, message: &DeliveryMessage) -> Result<(), Fault> {
        let mut sink = self.ports.spool.receive_ours().await?;
        let packet = match &message.inline {
            Some(body) => {
                sink.write(body.clone()).await?;
                sink.finish().await?
            }
            None => self.ports.broker.fetch_blob(message.delivery.digest, sink).await?,
        };
        if packet.digest() != message.delivery.digest {
            return Err(Fault::new("broker", "a packet does not have its digest"));
        }
        self.ports.spool.adopt(packet).await
    }
}

/// An acknowledgement that did not arrive means that the message comes again, which does no harm.
fn ignore_broker(outcome: Result<(), Fault>) -> Result<(), Fault> {
    if let Err(fault) = outcome {
        tracing::warn!(%fault, "not acknowledged; the message will come again");
    }
    Ok(())
}
