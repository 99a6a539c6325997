//! [`KvLeases`]: leases in one key-value bucket, in which a value that is not written again ends by itself, and nodes in
//! another one. Every write counts only behind the entry that it knows, so of two that write one is told so.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lienthong_pipeline::ports::{Fault, Leases, NodeWord, Seen, SeenLease, SeenNode};
use lienthong_pipeline::record::{Fence, NodeName, Partition};
use tokio::time::timeout;
use tokio_util::sync::DropGuard;

use super::{Standing, value};
use crate::PLACE;
use crate::bucket::{Bucket, Entry};
use crate::jetstream::{Link, PUBLISH_WAIT};
use crate::streams::{KV_LEASES, KV_NODES, LEASES, NODES};
use crate::view::{Reading, View};

/// Every key, and most of them; nobody has so many nodes.
const ALL: &str = ">";
const KEYS_MAX: usize = 256;
/// Writes of one call behind an entry that turned out not to be the last one.
const TRIES: u32 = 4;
/// The server ends a lease some moments after its time; until then nobody can take it.
const ENDS_LATER: Duration = Duration::from_secs(1);

fn fault(cause: impl std::fmt::Display) -> Fault {
    Fault::new(PLACE, cause)
}

/// Leases over the connection of a [`crate::NatsBroker`]. It follows both buckets until it is dropped.
pub struct KvLeases {
    link: Arc<Link>,
    lease_ttl: Duration,
    leases: Bucket,
    nodes: Bucket,
    seen_leases: Arc<View<SeenLease>>,
    seen_nodes: Arc<View<Standing>>,
    /// Holdings of this process, each with the revision that was last written.
    held: Mutex<HashMap<Partition, (Fence, u64)>>,
    _ends_following: DropGuard,
}

impl KvLeases {
    pub(crate) fn new(link: &Arc<Link>, lease_ttl: Duration) -> Self {
        let closing = link.closing.child_token();
        let (seen_leases, seen_nodes) = (Arc::new(View::new()), Arc::new(View::new()));
        let of_leases = Reading {
            bucket: LEASES,
            stream: KV_LEASES,
            keys: ALL,
            keys_max: KEYS_MAX,
            read: |key, revision, body| Ok((value::read_lease(key, revision, body)?, None)),
        };
        let of_nodes = Reading {
            bucket: NODES,
            stream: KV_NODES,
            keys: ALL,
            keys_max: KEYS_MAX,
            read: |key, _, body| value::read_node(key, body),
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "they end with the link, or before; what fails is what look says"
        )]
        {
            let weak = || Arc::downgrade(link);
            tokio::spawn(seen_leases.clone().keep(of_leases, weak(), closing.clone()));
            tokio::spawn(seen_nodes.clone().keep(of_nodes, weak(), closing.clone()));
        }
        Self {
            link: link.clone(),
            lease_ttl,
            leases: Bucket { link: link.clone(), name: LEASES, stream: KV_LEASES },
            nodes: Bucket { link: link.clone(), name: NODES, stream: KV_NODES },
            seen_leases,
            seen_nodes,
            held: Mutex::default(),
            _ends_following: closing.drop_guard(),
        }
    }

    /// The outcome of a call within its time, with what the server refused meanwhile.
    async fn within<T>(&self, doing: &str, call: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let call = async {
            let done = timeout(PUBLISH_WAIT, call).await;
            done.unwrap_or_else(|_| Err(fault(format!("{doing} took too long"))))
        };
        self.link.explained(call).await
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Partition, (Fence, u64)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The revision of a holding as far as this process knows.
    fn known(&self, partition: Partition, fence: Fence) -> Option<u64> {
        self.held().get(&partition).filter(|(known, _)| *known == fence).map(|(_, revision)| *revision)
    }

    /// Its revision as the server has it, of this node where that is asked; `None`: it has ended.
    async fn revision(
        &self,
        partition: Partition,
        fence: Fence,
        node: Option<&NodeName>,
    ) -> Result<Option<u64>, Fault> {
        let key = value::lease_key(partition);
        let Some(Entry { revision, value: Some(body), .. }) = self.leases.last(&key).await? else {
            return Ok(None);
        };
        let lease = value::read_lease(&key, revision, &body).ok();
        let is_it =
            lease.is_some_and(|lease| lease.fence == fence && node.is_none_or(|node| lease.node == *node));
        Ok(is_it.then_some(revision))
    }

    async fn begin(&self, partition: Partition, word: &NodeWord) -> Result<Option<Fence>, Fault> {
        let (key, body) = (value::lease_key(partition), value::write_lease(word, None)?);
        let mut after = 0;
        for _ in 0..TRIES {
            if let Some(revision) = self.leases.put(&key, Some(body.clone()), after).await? {
                self.held().insert(partition, (Fence(revision), revision));
                return Ok(Some(Fence(revision)));
            }
            after = match self.leases.last(&key).await? {
                Some(Entry { value: Some(_), .. }) => return Ok(None),
                Some(deleted) => deleted.revision,
                None => 0,
            };
        }
        Ok(None)
    }

    /// Writes behind the last entry of a holding; `None`: it has ended. An acknowledgement that was lost is found out.
    async fn go_on(
        &self,
        partition: Partition,
        fence: Fence,
        word: Option<&NodeWord>,
    ) -> Result<Option<u64>, Fault> {
        let key = value::lease_key(partition);
        let body = word.map(|word| value::write_lease(word, Some(fence))).transpose()?;
        let mut known = self.known(partition, fence);
        for _ in 0..TRIES {
            let revision = match known.take() {
                Some(revision) => Some(revision),
                None => self.revision(partition, fence, word.map(|word| &word.node)).await?,
            };
            let Some(revision) = revision else { return Ok(None) };
            if let Some(written) = self.leases.put(&key, body.clone(), revision).await? {
                return Ok(Some(written));
            }
        }
        Err(fault(format!("others write the lease of partition {partition} all the time")))
    }

    /// Forgets a holding that has ended; a later one stays.
    fn ended(&self, partition: Partition, fence: Fence) {
        let mut held = self.held();
        if held.get(&partition).is_some_and(|(known, _)| *known == fence) {
            held.remove(&partition);
        }
    }

    /// Changes what is kept of a node, behind what was read; `None` where `change` says so.
    async fn change(
        &self,
        node: &NodeName,
        is_word: bool,
        change: impl Fn(Option<&Standing>) -> Option<Standing>,
    ) -> Result<Option<Standing>, Fault> {
        for _ in 0..TRIES {
            let last = self.nodes.last(node.as_str()).await?;
            let revision = last.as_ref().map_or(0, |entry| entry.revision);
            let before = match last {
                Some(Entry { written_at, value: Some(body), .. }) => {
                    let read = value::read_node(node.as_str(), &body);
                    let (standing, since) =
                        read.map_err(|found| fault(format!("node {node}: {}", found.cause)))?;
                    Some((standing, since.unwrap_or(written_at)))
                }
                _ => None,
            };
            let Some(after) = change(before.as_ref().map(|(standing, _)| standing)) else { return Ok(None) };
            let since = before.filter(|_| !is_word).map(|(_, since)| since);
            let body = value::write_node(&after, since)?;
            if self.nodes.put(node.as_str(), Some(body), revision).await?.is_some() {
                return Ok(Some(after));
            }
        }
        Err(fault(format!("others write about node {node} all the time")))
    }
}

#[async_trait]
impl Leases for KvLeases {
    async fn look(&self) -> Result<Seen, Fault> {
        let looked = async {
            self.link.connected()?;
            let connection = self.link.connection();
            let leases = self.seen_leases.lines(connection, self.lease_ttl + ENDS_LATER).await;
            let nodes = self.seen_nodes.lines(connection, Duration::MAX).await.into_iter();
            let nodes = nodes.map(|(Standing { word, epoch }, age)| SeenNode { word, epoch, age });
            Ok(Seen { leases: leases.into_iter().map(|(lease, _)| lease).collect(), nodes: nodes.collect() })
        };
        self.within("looking at leases", looked).await
    }

    async fn take(&self, partition: Partition, word: &NodeWord) -> Result<Option<Fence>, Fault> {
        self.within("taking a lease", self.begin(partition, word)).await
    }

    async fn renew(&self, partition: Partition, fence: Fence, word: &NodeWord) -> Result<bool, Fault> {
        match self.within("renewing a lease", self.go_on(partition, fence, Some(word))).await? {
            Some(revision) => {
                self.held().insert(partition, (fence, revision));
                Ok(true)
            }
            None => {
                self.ended(partition, fence);
                Ok(false)
            }
        }
    }

    async fn release(&self, partition: Partition, fence: Fence) -> Result<(), Fault> {
        self.within("releasing a lease", self.go_on(partition, fence, None)).await?;
        self.ended(partition, fence);
        Ok(())
    }

    async fn say(&self, word: &NodeWord) -> Result<u64, Fault> {
        let said = |before: Option<&Standing>| Some(Standing::after(before, word));
        let said = self.within("saying a word", self.change(&word.node, true, said)).await?;
        Ok(said.map_or(word.epoch, |standing| standing.epoch))
    }

    async fn raise(&self, node: &NodeName, epoch: u64) -> Result<Option<u64>, Fault> {
        let raised = |before: Option<&Standing>| before.and_then(|before| before.raised(epoch));
        let raised = self.within("raising an epoch", self.change(node, false, raised)).await?;
        Ok(raised.map(|standing| standing.epoch))
    }
}
