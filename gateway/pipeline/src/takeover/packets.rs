//! The packets of messages that come from other gateways: they ride along, or are fetched from the Object Store.

use futures_util::StreamExt;
use lienthong_schemas::ids::PacketDigest;

use super::{ON_ITS_WAY, Outcome, Takeover};
use crate::clock::after;
use crate::fullness::Room;
use crate::ports::{DeliveryMessage, Fault};
use crate::record::{Delivery, State};

impl Takeover {
    /// Brings a packet here; `None` when it is here.
    pub(super) async fn bring(&self, message: &DeliveryMessage) -> Result<Option<Outcome>, Fault> {
        let (id, digest) = (message.delivery.id, message.delivery.digest);
        let ours = self.ports.store.delivery(id).await?;
        if ours.is_some_and(|delivery| delivery.state.is_final()) {
            return Ok(Some(Outcome::Ours));
        }
        if message.inline.as_ref().is_some_and(|body| PacketDigest::of(body) != digest) {
            let fault = Fault::new("broker", "the inline packet is not that of the digest");
            return Ok(Some(Outcome::Unreadable(fault)));
        }
        let _turn = self.fetching.take(digest).await;
        if self.ports.spool.blob(digest).await?.is_none() {
            if !self.has_room().await? {
                return Ok(Some(Outcome::NoRoom));
            }
            if let Err(fault) = self.fetch(message).await {
                return self.without(message, fault).await.map(Some);
            }
        }
        Ok(None)
    }

    /// A packet leaves the Object Store with the last delivery of its document. A message that comes out afterwards, to a
    /// gateway that knows nothing of it, waits for nothing: what became of it stands in `EVENTS`.
    async fn without(&self, message: &DeliveryMessage, fault: Fault) -> Result<Outcome, Fault> {
        let Delivery { id, document, generation, accepted_at, digest, .. } = message.delivery;
        if message.inline.is_some() || self.ports.broker.has_blob(digest).await? {
            return Err(fault);
        }
        let mut last = (generation, State::Queued);
        let mut messages = self.ports.broker.events_of(document).await?;
        while let Some(events) = messages.next().await {
            for event in events?.into_iter().filter(|event| event.delivery == id) {
                if event.outlasts(last) {
                    last = (last.0.max(event.generation), event.entry.state);
                }
            }
        }
        let (_, state) = last;
        // What an operator holds goes on under another generation.
        if state.is_final() || state == State::Parked {
            tracing::info!(delivery_id = %id, state = state.as_str(), "a message of what is over or held elsewhere");
            return Ok(Outcome::Ours);
        }
        // Behind a young one the others wait.
        if self.ports.clock.now() < after(accepted_at, ON_ITS_WAY) {
            return Err(fault);
        }
        tracing::warn!(delivery_id = %id, document_id = %document, "its packet is nowhere; others go on");
        Ok(Outcome::NoPacket)
    }

    /// Whether a packet that is not here may come. What is here already goes on whatever room there is: only deliveries
    /// that end make room.
    async fn has_room(&self) -> Result<bool, Fault> {
        let usage = self.ports.spool.usage().await?;
        let room = self.fullness.look(&usage);
        let (adapter, lane, percent) = (self.adapter.as_str(), self.lane.token(), usage.percent_full());
        match room {
            Room::NoMore => tracing::warn!(adapter, lane, percent, "no room: packets stay in the broker"),
            Room::Again => tracing::info!(adapter, lane, percent, "room again: packets are taken over"),
            Room::Some | Room::None => {}
        }
        self.metrics.takeover_paused.of(adapter).set(u64::from(!room.is_some()));
        Ok(room.is_some())
    }

    async fn fetch(&self, message: &DeliveryMessage) -> Result<(), Fault> {
        let _place = match message.inline {
            Some(_) => None,
            None => Some(self.fetches.acquire().await.map_err(|closed| Fault::new("takeover", closed))?),
        };
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
