//! When a gateway is lost for good, with its disk: another one takes on what that had accepted and `EVENTS` knows of
//! (design.md B7). What it had accepted and not yet said there was on its disk only; that is what a receipt with
//! `durability: local` means. What it comes to is read in `adopt/said.rs`, and written in `adopt/documents.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lienthong_schemas::ids::{DeliveryId, DocumentId};
use serde::{Deserialize, Serialize};

use crate::follow::Follow;
use crate::partitions::Partitions;
use crate::ports::{Fault, Leases, Ports, SeenNode};
use crate::record::NodeName;
use crate::wakes::Wakes;

mod documents;
mod said;

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
    /// Documents that this gateway answers for from now on: receipt, outcome, and what their senders are told.
    #[serde(default)]
    pub documents: u64,
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
        let said = said::accepted_by(&self.ports, &node).await?;
        let mut adopted = Adopted { epoch, ..Adopted::default() };
        let taken_on = self.take_on(&node, said, &mut adopted).await;
        // Also of what was taken on before a fault.
        self.wakes.relay.notify_one();
        self.wakes.report.notify_one();
        self.wakes.events.notify_one();
        taken_on?;
        Ok(adopted)
    }
}
