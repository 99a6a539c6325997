//! Taking on: document by document, the packet first, then the admission with what is noted beside it, then the store, as
//! intake does it. Cut off anywhere and asked for again, or after a start that found the admission and not the document,
//! it comes to the same.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::BufRead;
use std::sync::Arc;

use futures_util::StreamExt;
use lienthong_schemas::ids::{DeliveryId, DocumentId, PacketDigest};

use super::said::{Documents, Said};
use super::{Adopt, Adopted};
use crate::crash::crash_point;
use crate::ports::{DeliveryMessage, Fault, Incoming, Kept, Left};
use crate::record::{Admission, Delivery, NodeName, State};
use crate::relay::INLINE_BYTES_MAX;

/// What `DELIVERIES` has of the documents.
#[derive(Default)]
struct Found {
    /// The newest message of each delivery, without its packet.
    messages: HashMap<DeliveryId, Delivery>,
    /// Packets that are not to be had any more.
    gone: HashSet<PacketDigest>,
}

/// A packet that lies in the spool.
struct InSpool {
    digest: PacketDigest,
    bytes: u64,
}

impl Incoming for InSpool {
    fn digest(&self) -> PacketDigest {
        self.digest
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn open(&self) -> Result<Box<dyn BufRead + Send>, Fault> {
        Err(fault(format!("packet {} was removed from the spool just now", self.digest)))
    }
}

fn fault(cause: impl std::fmt::Display) -> Fault {
    Fault::new("adopt", cause)
}

impl Adopt {
    /// Whatever is not over, with the document that it belongs to.
    pub(super) async fn take_on(
        &self,
        node: &NodeName,
        mut said: Documents,
        adopted: &mut Adopted,
    ) -> Result<(), Fault> {
        said.retain(|_, deliveries| {
            let is_owed = deliveries.values().any(|said| said.left.is_owed());
            if !is_owed {
                adopted.settled += deliveries.values().filter(|said| said.accepted_there).count() as u64;
            }
            is_owed
        });
        if said.is_empty() {
            return Ok(());
        }
        let mut found = self.find(&mut said).await?;
        for (document, deliveries) in said {
            match self.ports.broker.admission(document).await? {
                Some(admission) => {
                    self.take_document(node, admission, deliveries, &mut found, adopted).await?;
                }
                // It was accepted by a program that did not say it there.
                None => self.take_deliveries(node, document, deliveries, &mut found, adopted).await?,
            }
        }
        Ok(())
    }

    /// Reads `DELIVERIES` once. Packets are put down at once: memory does not grow with what is adopted.
    async fn find(&self, said: &mut Documents) -> Result<Found, Fault> {
        let mut found = Found::default();
        let mut messages = self.ports.broker.stored_deliveries().await?;
        while let Some(message) = messages.next().await {
            let message = message?;
            let Some(deliveries) = said.get_mut(&message.delivery.document) else { continue };
            self.bring(&message, &mut found.gone).await?;
            let delivery = message.delivery;
            let nothing = || Said::nothing(delivery.accepted_at);
            let left = &mut deliveries.entry(delivery.id).or_insert_with(nothing).left;
            left.generation = left.generation.max(delivery.generation);
            let is_newer = |had: &Delivery| had.generation < delivery.generation;
            if found.messages.get(&delivery.id).is_none_or(is_newer) {
                found.messages.insert(delivery.id, delivery);
            }
        }
        Ok(found)
    }

    /// A document whose admission is there: this gateway is then the one that accepted it.
    async fn take_document(
        &self,
        node: &NodeName,
        admission: Admission,
        said: BTreeMap<DeliveryId, Said>,
        found: &mut Found,
        adopted: &mut Adopted,
    ) -> Result<(), Fault> {
        let document = admission.receipt.document_id;
        let left: BTreeMap<_, _> = said.into_iter().map(|(id, said)| (id, said.left)).collect();
        let noted = self.ports.spool.admission(document).await?;
        let ids = admission.deliveries.iter().map(|delivery| delivery.id).collect();
        let known = self.ports.store.deliveries(ids).await?;
        let (count, is_ours) = (known.len() as u64, |known: &Option<Delivery>| {
            known.as_ref().is_some_and(|known| !known.foreign)
        });
        if noted.is_some() && known.iter().all(is_ours) {
            (adopted.settled, adopted.documents) = (adopted.settled + count, adopted.documents + 1);
            return Ok(());
        }
        let admission = match noted {
            Some(noted) => noted,
            None => {
                if !self.has_packet(&admission, &mut found.gone).await? {
                    let is_open = |delivery: &&Delivery| {
                        left.get(&delivery.id).map_or(!delivery.state.is_final(), Left::is_owed)
                    };
                    let open = admission.deliveries.iter().filter(is_open).map(|delivery| delivery.id);
                    adopted.lost.entry(document).or_default().extend(open);
                    return Ok(());
                }
                self.note(&admission, &left, &known).await?;
                crash_point("adopt-noted");
                let Admission { receipt, .. } = &admission;
                let packet = Box::new(InSpool { digest: receipt.sha256, bytes: receipt.bytes });
                let earlier = self.ports.spool.admit(packet, &admission).await?;
                crash_point("adopt-admitted");
                earlier.unwrap_or(admission)
            }
        };
        let note = format!("accepted by {node}");
        let kept = self.ports.store.adopt_document(Arc::new(admission), Arc::new(left), note).await?;
        let Kept { taken_on, settled } = kept.unwrap_or(Kept { taken_on: 0, settled: count });
        adopted.taken_on += taken_on;
        adopted.settled += settled;
        adopted.documents += 1;
        Ok(())
    }

    /// What is over is noted before the admission is there: a start that finds the admission, and not the document in the
    /// store, does not send that again.
    async fn note(
        &self,
        admission: &Admission,
        left: &BTreeMap<DeliveryId, Left>,
        known: &[Option<Delivery>],
    ) -> Result<(), Fault> {
        let (spool, document) = (&self.ports.spool, admission.receipt.document_id);
        for (delivery, known) in admission.deliveries.iter().zip(known) {
            let Some(left) = left.get(&delivery.id) else { continue };
            let over = known.as_ref().map(|known| known.state).filter(|state| state.is_final());
            let (id, state, at) = (delivery.id, over.unwrap_or(left.state), left.at);
            match state {
                _ if state.is_final() && left.reported && left.state == state => {
                    spool.settled_untold(document, id, state, at).await?;
                }
                _ if state.is_final() => spool.settled(document, id, state, at).await?,
                // It was given up, and sent again since; who was told of that is not told again.
                State::Queued if left.told => {
                    spool.settled_untold(document, id, State::GivenUp, at).await?;
                    spool.rerouted(document, id, &delivery.route, at).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Deliveries of a document whose admission is nowhere: they go on, and that is all.
    async fn take_deliveries(
        &self,
        node: &NodeName,
        document: DocumentId,
        said: BTreeMap<DeliveryId, Said>,
        found: &mut Found,
        adopted: &mut Adopted,
    ) -> Result<(), Fault> {
        for (id, Said { left, accepted_there }) in said {
            if !accepted_there {
                continue;
            }
            let known = self.ports.store.delivery(id).await?;
            match known {
                _ if left.state.is_final() => adopted.settled += 1,
                Some(known) if known.state.is_final() => adopted.settled += 1,
                // It delivers it, or keeps it already.
                Some(known) => match known.foreign {
                    true => self.keep(known, left.generation, node, adopted).await?,
                    false => adopted.settled += 1,
                },
                None => match self.sendable(found.messages.remove(&id)).await? {
                    Some(message) => self.keep(message, left.generation, node, adopted).await?,
                    None => adopted.lost.entry(document).or_default().push(id),
                },
            }
        }
        Ok(())
    }

    /// What stood in a message, if its packet is here.
    async fn sendable(&self, found: Option<Delivery>) -> Result<Option<Delivery>, Fault> {
        let Some(found) = found else { return Ok(None) };
        Ok(self.ports.spool.blob(found.digest).await?.map(|_| found))
    }

    async fn keep(
        &self,
        delivery: Delivery,
        generation: u32,
        node: &NodeName,
        adopted: &mut Adopted,
    ) -> Result<(), Fault> {
        let at_least = generation.max(delivery.generation);
        let note = format!("accepted by {node}");
        let kept = self.ports.store.adopt(Delivery { generation: at_least, ..delivery }, note).await?;
        adopted.taken_on += u64::from(kept);
        adopted.settled += u64::from(!kept);
        Ok(())
    }

    /// Puts the packet of a message into the spool.
    async fn bring(&self, message: &DeliveryMessage, gone: &mut HashSet<PacketDigest>) -> Result<(), Fault> {
        let Delivery { digest, bytes, .. } = message.delivery;
        if self.ports.spool.blob(digest).await?.is_some() {
            return Ok(());
        }
        let Some(body) = &message.inline else {
            if bytes > INLINE_BYTES_MAX {
                self.fetch(digest, gone).await?;
            }
            return Ok(());
        };
        let mut sink = self.ports.spool.receive_ours().await?;
        sink.write(body.clone()).await?;
        let packet = sink.finish().await?;
        if packet.digest() != digest {
            return Err(fault("a packet does not have its digest"));
        }
        self.ports.spool.adopt(packet).await
    }

    /// Whether the packet is in the spool, or could be brought there: with large packets it is in the Object Store, and
    /// with those for mailboxes, for as long as a delivery is not over.
    async fn has_packet(
        &self,
        admission: &Admission,
        gone: &mut HashSet<PacketDigest>,
    ) -> Result<bool, Fault> {
        let digest = admission.receipt.sha256;
        if self.ports.spool.blob(digest).await?.is_none() {
            self.fetch(digest, gone).await?;
        }
        Ok(self.ports.spool.blob(digest).await?.is_some())
    }

    async fn fetch(&self, digest: PacketDigest, gone: &mut HashSet<PacketDigest>) -> Result<(), Fault> {
        if gone.contains(&digest) {
            return Ok(());
        }
        let sink = self.ports.spool.receive_ours().await?;
        match self.ports.broker.fetch_blob(digest, sink).await {
            Ok(packet) => self.ports.spool.adopt(packet).await,
            Err(fault) => {
                // Where the broker is away, nothing is known of what it has.
                self.ports.broker.ready().await?;
                tracing::warn!(%digest, %fault, "this packet is not to be had any more");
                gone.insert(digest);
                Ok(())
            }
        }
    }
}
