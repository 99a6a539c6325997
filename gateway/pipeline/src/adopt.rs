//! When a gateway is lost for good, with its disk: another one takes on what that had accepted and `EVENTS` knows of
//! (design.md B7). What it had accepted and not yet said there was on its disk only; that is what a receipt with
//! `durability: local` means.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use lienthong_schemas::ids::{DeliveryId, DocumentId};
use serde::{Deserialize, Serialize};

use crate::follow::Follow;
use crate::partitions::Partitions;
use crate::ports::{DeliveryMessage, Fault, Leases, Ports, SeenNode};
use crate::record::{Delivery, Event, NodeName};
use crate::relay::INLINE_BYTES_MAX;
use crate::wakes::Wakes;

/// A node that said a word within this time may be alive.
pub const ALIVE_WITHIN: Duration = Duration::from_secs(60);

/// Why a node is not adopted.
#[derive(Debug, thiserror::Error)]
pub enum AdoptRefused {
    /// This gateway is alone.
    #[error("trục này chạy một mình (this gateway is alone)")]
    Alone,
    /// Nobody of that name was ever there, or it is this gateway.
    #[error("không có nút {0} nào khác (there is no other node {0})")]
    Unknown(String),
    /// It was alive a moment ago.
    #[error(
        "nút {node} mới báo sống {age_seconds} giây trước; phải im ít nhất 60 giây (node {node} was alive {age_seconds} s ago; it must be silent for 60 s)"
    )]
    Alive {
        /// Which one.
        node: String,
        /// How long ago.
        age_seconds: u64,
    },
    /// Somebody else adopts it at this moment.
    #[error("đang có nút khác tiếp quản {0} (another node adopts {0} just now)")]
    Taken(String),
    /// Ours to mend; it may be asked for again, and goes on where it ended.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What an adoption came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopted {
    /// The node's epoch from now on.
    pub epoch: u64,
    /// Deliveries that this gateway keeps from now on.
    pub taken_on: u64,
    /// Deliveries of that node that are over, or were taken on before.
    pub settled: u64,
    /// What `EVENTS` knows of and no stream has the packet of, by document: only the lost disk has it.
    pub lost: BTreeMap<DocumentId, Vec<DeliveryId>>,
}

/// A node, for operators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// Its name.
    pub node: String,
    /// It is the one that was asked.
    pub own: bool,
    /// Seconds since it last said a word.
    pub age_seconds: u64,
    /// Its epoch as it stands.
    pub epoch: u64,
    /// It comes from an earlier epoch, and takes nothing on.
    pub drains: bool,
    /// Partitions that it holds.
    pub partitions: usize,
}

/// Adopts; see the module.
#[derive(Clone)]
pub struct Adopt {
    ports: Ports,
    leases: Arc<dyn Leases>,
    partitions: Arc<Partitions>,
    follow: Arc<Follow>,
    wakes: Wakes,
}

/// What `EVENTS` says of a delivery, whoever said it.
struct Said {
    document: DocumentId,
    generation: u32,
    accepted_there: bool,
    is_over: bool,
}

impl Adopt {
    /// For one of several gateways.
    pub fn new(
        ports: Ports,
        leases: Arc<dyn Leases>,
        partitions: Arc<Partitions>,
        follow: Arc<Follow>,
        wakes: Wakes,
    ) -> Self {
        Self { ports, leases, partitions, follow, wakes }
    }

    /// Every node that ever said a word.
    ///
    /// # Errors
    /// The broker does not answer.
    pub async fn nodes(&self) -> Result<Vec<NodeView>, Fault> {
        let seen = self.leases.look().await?;
        let own = self.partitions.own().map(|own| own.name().clone());
        let view = |node: &SeenNode| NodeView {
            node: node.word.node.to_string(),
            own: Some(&node.word.node) == own.as_ref(),
            age_seconds: node.age.as_secs(),
            epoch: node.epoch,
            drains: node.word.epoch < node.epoch,
            partitions: seen.leases.iter().filter(|lease| lease.node == node.word.node).count(),
        };
        Ok(seen.nodes.iter().map(view).collect())
    }

    /// Takes on what a lost node had accepted. Asked for again it finds what has come to be known since.
    ///
    /// # Errors
    /// See [`AdoptRefused`]; nothing is changed then, but for a fault in the middle.
    pub async fn adopt(&self, name: &str) -> Result<Adopted, AdoptRefused> {
        let own = self.partitions.own().ok_or(AdoptRefused::Alone)?;
        let unknown = || AdoptRefused::Unknown(name.to_owned());
        let node = NodeName::parse(name).filter(|node| node != own.name()).ok_or_else(unknown)?;
        let seen = self.leases.look().await?;
        let seen = seen.nodes.into_iter().find(|seen| seen.word.node == node).ok_or_else(unknown)?;
        if seen.age < ALIVE_WITHIN {
            let age_seconds = seen.age.as_secs();
            return Err(AdoptRefused::Alive { node: node.to_string(), age_seconds });
        }
        let raised = self.leases.raise(&node, seen.epoch).await?;
        let epoch = raised.ok_or_else(|| AdoptRefused::Taken(node.to_string()))?;
        tracing::warn!(%node, epoch, "what this node had accepted is taken on here");
        // What is known here is then as new as what is read below.
        self.follow.catch_up().await?;
        let said = self.accepted_by(&node).await?;
        let mut adopted = Adopted { epoch, ..Adopted::default() };
        self.take_on(&node, said, &mut adopted).await?;
        self.wakes.relay.notify_one();
        Ok(adopted)
    }

    /// What `EVENTS` has of deliveries that the node accepted.
    async fn accepted_by(&self, node: &NodeName) -> Result<HashMap<DeliveryId, Said>, Fault> {
        let mut said: HashMap<DeliveryId, Said> = HashMap::new();
        let end = self.ports.broker.events_span().await?.last.sequence;
        let events = self.ports.broker.events_after(0).await?;
        if events.is_end {
            return Ok(said);
        }
        let mut messages = events.messages;
        while let Some(message) = messages.next().await {
            let message = message?;
            for event in &message.followed {
                note(&mut said, node, event);
            }
            if message.sequence >= end {
                break;
            }
        }
        said.retain(|_, said| said.accepted_there);
        Ok(said)
    }

    async fn take_on(
        &self,
        node: &NodeName,
        mut said: HashMap<DeliveryId, Said>,
        adopted: &mut Adopted,
    ) -> Result<(), Fault> {
        let mut open = HashMap::new();
        for (id, said) in said.drain() {
            let known = self.ports.store.delivery(id).await?;
            match known {
                _ if said.is_over => adopted.settled += 1,
                Some(known) if known.state.is_final() => adopted.settled += 1,
                // It delivers it, or keeps it already.
                Some(known) => match known.foreign {
                    true => self.keep(known, said.generation, node, adopted).await?,
                    false => adopted.settled += 1,
                },
                None => drop(open.insert(id, said)),
            }
        }
        if open.is_empty() {
            return Ok(());
        }
        let mut found: HashMap<DeliveryId, DeliveryMessage> = HashMap::new();
        let mut messages = self.ports.broker.stored_deliveries().await?;
        while let Some(message) = messages.next().await {
            let message = message?;
            let id = message.delivery.id;
            let is_newer = |had: &DeliveryMessage| had.delivery.generation < message.delivery.generation;
            if open.contains_key(&id) && found.get(&id).is_none_or(is_newer) {
                // Its packet is put down at once: memory does not grow with what is adopted.
                self.bring(&message).await?;
                found.insert(id, DeliveryMessage { inline: None, ..message });
            }
        }
        for (id, said) in open {
            match found.remove(&id) {
                Some(message) => self.keep(message.delivery, said.generation, node, adopted).await?,
                None => adopted.lost.entry(said.document).or_default().push(id),
            }
        }
        Ok(())
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
        if kept {
            adopted.taken_on += 1;
        } else {
            adopted.settled += 1;
        }
        Ok(())
    }

    /// A packet that rides along is put into the spool. A larger one is in the Object Store for as long as its delivery is
    /// not over, and whoever takes it over brings it from there.
    async fn bring(&self, message: &DeliveryMessage) -> Result<(), Fault> {
        let Delivery { digest, bytes, .. } = message.delivery;
        if self.ports.spool.blob(digest).await?.is_some() {
            return Ok(());
        }
        let mut sink = self.ports.spool.receive_ours().await?;
        let packet = match &message.inline {
            Some(body) => {
                sink.write(body.clone()).await?;
                sink.finish().await?
            }
            None if bytes > INLINE_BYTES_MAX => self.ports.broker.fetch_blob(digest, sink).await?,
            None => return Err(Fault::new("adopt", "a small packet that does not ride along")),
        };
        if packet.digest() != digest {
            return Err(Fault::new("adopt", "a packet does not have its digest"));
        }
        self.ports.spool.adopt(packet).await
    }
}

fn note(said: &mut HashMap<DeliveryId, Said>, node: &NodeName, event: &Event) {
    let said = said.entry(event.delivery).or_insert_with(|| Said {
        document: event.document,
        generation: 1,
        accepted_there: false,
        is_over: false,
    });
    let by_node = event.node.as_ref().is_some_and(|life| life.node == *node);
    // An operator's word there is kept by that gateway like what it accepted.
    let keeps =
        matches!(event.entry.event.as_str(), "accepted" | "adopted" | "rebuilt" | "requeued" | "rerouted");
    said.accepted_there |= by_node && keeps;
    if event.generation >= said.generation {
        said.generation = event.generation;
        said.is_over = event.entry.state.is_final();
    }
}
