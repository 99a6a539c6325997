//! Keeps the leases of one gateway: says that it is alive, takes what is for it, renews what it has, and gives away what
//! is for another one when nothing of it is under way. At shutdown it gives away everything.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use lienthong_monitoring::Metrics;
use tokio::time::Instant;

use super::plan::{SETTLED_AFTER, is_alive, plan};
use super::{BELIEVED_FOR, Held, Holder, Partitions};
use crate::clock::after;
use crate::ports::{Fault, Leases, NodeWord, Ports, RENEW_EVERY, Seen};
use crate::record::{Fence, NodeLife, NodeName, Partition};
use crate::tasks::Tasks;
use crate::wakes::Wakes;

/// How often it is looked at who holds what.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A partition is given away even while an attempt is under way when that lasts so long: the receiver may then see one
/// delivery twice, with the same ids.
const LEAVE_AT_LATEST: Duration = Duration::from_secs(60);
/// At shutdown, what is under way is waited for this long.
const END_WAIT: Duration = Duration::from_secs(5);

type Remember = dyn Fn(u64) -> Result<(), Fault> + Send + Sync;

/// See the module.
pub struct Keep {
    ports: Ports,
    leases: Arc<dyn Leases>,
    partitions: Arc<Partitions>,
    /// `None` until it was first among the others.
    epoch: Option<u64>,
    remember: Box<Remember>,
    word: NodeWord,
    metrics: Arc<Metrics>,
    wakes: Wakes,
    /// When each of the others was first seen alive without a break.
    since: HashMap<NodeName, Instant>,
    leaving: HashMap<Partition, Instant>,
    renewed: Option<Instant>,
}

impl Keep {
    /// For one of several gateways, with the epoch that it was last in; `None`: it is new.
    ///
    /// # Panics
    /// The partitions are those of a gateway that is alone.
    pub fn new(
        ports: Ports,
        leases: Arc<dyn Leases>,
        partitions: Arc<Partitions>,
        epoch: Option<u64>,
        metrics: Arc<Metrics>,
        wakes: Wakes,
    ) -> Self {
        let NodeLife { node, store } = partitions.own().expect("one of several").life();
        let word = NodeWord { node, epoch: epoch.unwrap_or(0), store };
        let (since, leaving, remember) = (HashMap::new(), HashMap::new(), Box::new(|_| Ok(())));
        Self {
            ports,
            leases,
            partitions,
            epoch,
            remember,
            word,
            metrics,
            wakes,
            since,
            leaving,
            renewed: None,
        }
    }

    /// The same, and the epoch that a new one begins in is written down by this before anything is taken.
    pub fn remembering(self, remember: impl Fn(u64) -> Result<(), Fault> + Send + Sync + 'static) -> Self {
        Self { remember: Box::new(remember), ..self }
    }

    /// Runs until shutdown. A server that is away is waited for; leases end meanwhile.
    ///
    /// # Errors
    /// None; it is a task like others.
    pub async fn run(mut self, tasks: Tasks) -> Result<(), Fault> {
        while !tasks.is_stopping() {
            if let Err(fault) = self.round().await {
                tracing::warn!(%fault, "leases are not kept up");
            }
            self.metrics.partitions_held.set(self.partitions.held() as u64);
            let due = after(self.ports.clock.now(), LOOK_EVERY);
            tokio::select! {
                () = self.ports.clock.sleep_until(due) => {}
                () = tasks.stopped() => {}
            }
        }
        self.end().await;
        Ok(())
    }

    async fn round(&mut self) -> Result<(), Fault> {
        let begun = Instant::now();
        if let Some(own) = self.partitions.own() {
            self.word.store = own.life().store;
        }
        if self.renewed.is_none_or(|at| begun - at >= RENEW_EVERY) {
            self.begin().await?;
            let epoch = self.leases.say(&self.word).await?;
            self.drain_if(epoch > self.word.epoch);
            self.renew().await?;
            self.renewed = Some(begun);
        }
        let seen = self.leases.look().await?;
        let others = self.others(&seen);
        self.note_holders(&seen);
        if self.partitions.drains() {
            let all = self.held().into_iter().map(|(partition, _)| partition);
            self.begin_to_leave(&all.collect::<Vec<_>>());
        } else {
            let plan = plan(&seen, &self.word.node, &others);
            self.take(&plan.take).await?;
            self.begin_to_leave(&plan.leave);
        }
        self.leave(LEAVE_AT_LATEST).await
    }

    /// A gateway with a new folder has nothing of what was adopted under its name before: it begins in the epoch that
    /// this left.
    async fn begin(&mut self) -> Result<(), Fault> {
        if self.epoch.is_none() {
            let seen = self.leases.look().await?;
            let known = seen.nodes.iter().find(|seen| seen.word.node == self.word.node);
            let epoch = known.map_or(0, |seen| seen.epoch);
            (self.remember)(epoch)?;
            (self.epoch, self.word.epoch) = (Some(epoch), epoch);
        }
        Ok(())
    }

    fn drain_if(&self, adopted: bool) {
        if adopted && !self.partitions.drains.send_replace(true) {
            tracing::error!(node = %self.word.node, epoch = self.word.epoch,
                "another gateway has adopted what this one accepted: it takes nothing on, and gives away what it has");
            self.partitions.changed();
        }
    }

    /// Who else takes part, for long enough.
    fn others(&mut self, seen: &Seen) -> Vec<NodeName> {
        let alive = seen.nodes.iter().filter(|node| is_alive(node)).map(|node| &node.word.node);
        let alive: Vec<&NodeName> = alive.filter(|node| **node != self.word.node).collect();
        self.since.retain(|node, _| alive.contains(&node));
        let now = Instant::now();
        for node in alive {
            self.since.entry(node.clone()).or_insert(now);
        }
        // Whoever holds something was there before this gateway looked.
        let holds = |node: &NodeName| seen.leases.iter().any(|lease| lease.node == *node);
        let settled = self.since.iter().filter(|(node, since)| now - **since >= SETTLED_AFTER || holds(node));
        settled.map(|(node, _)| node.clone()).collect()
    }

    /// Notes who holds what now.
    fn note_holders(&self, seen: &Seen) {
        let mut changed = false;
        {
            let mut slots = self.partitions.slots();
            for partition in Partition::all() {
                let lease = seen.leases.iter().find(|lease| lease.partition == partition);
                let word = |node: &NodeName| seen.nodes.iter().find(|seen| seen.word.node == *node);
                let holder = lease.map(|lease| {
                    let store = word(&lease.node).map_or(0, |node| node.word.store);
                    Holder { life: NodeLife { node: lease.node.clone(), store }, fence: lease.fence }
                });
                let slot = &mut slots[partition.number()];
                // What ended is known when somebody else has it: until then it is where it was.
                if holder.is_some() && slot.holder != holder {
                    slot.holder = holder;
                    changed = true;
                }
            }
        }
        if changed {
            self.partitions.changed();
        }
    }

    async fn take(&mut self, free: &[Partition]) -> Result<(), Fault> {
        let begun = Instant::now();
        let taken = free.iter().map(|partition| self.leases.take(*partition, &self.word));
        let taken = join_all(taken).await;
        let mut count = 0;
        for (partition, fence) in free.iter().zip(taken) {
            let Some(fence) = fence? else { continue };
            self.hold(*partition, Held { fence, until: begun + BELIEVED_FOR, leaving: false });
            count += 1;
        }
        if count > 0 {
            tracing::info!(count, node = %self.word.node, "dispatches for more partitions");
            self.partitions.changed();
        }
        Ok(())
    }

    fn hold(&self, partition: Partition, held: Held) {
        let mut slots = self.partitions.slots();
        let slot = &mut slots[partition.number()];
        let life = NodeLife { node: self.word.node.clone(), store: self.word.store };
        slot.holder = Some(Holder { life, fence: held.fence });
        slot.held = Some(held);
    }

    async fn renew(&mut self) -> Result<(), Fault> {
        let begun = Instant::now();
        let held = self.held();
        let renewed = held.iter().map(|(partition, fence)| self.leases.renew(*partition, *fence, &self.word));
        let renewed = join_all(renewed).await;
        let (mut lost, mut back, mut failed) = (0, 0, None);
        for ((partition, _), renewed) in held.into_iter().zip(renewed) {
            let mut slots = self.partitions.slots();
            let slot = &mut slots[partition.number()];
            match renewed {
                Ok(true) => {
                    if let Some(held) = &mut slot.held {
                        back += u32::from(held.until <= begun);
                        held.until = begun + BELIEVED_FOR;
                    }
                }
                Ok(false) => {
                    (slot.held, lost) = (None, lost + 1);
                    self.leaving.remove(&partition);
                }
                Err(fault) => failed = Some(fault),
            }
        }
        if lost > 0 {
            tracing::warn!(count = lost, node = %self.word.node, "partitions were lost to others");
            self.partitions.changed();
        }
        if back > 0 {
            tracing::info!(count = back, node = %self.word.node, "leases that nobody took meanwhile are held again");
            self.wakes.leases_taken();
        }
        failed.map_or(Ok(()), Err)
    }

    fn held(&self) -> Vec<(Partition, Fence)> {
        let slots = self.partitions.slots();
        let held = |partition: Partition| Some((partition, slots[partition.number()].held?.fence));
        Partition::all().filter_map(held).collect()
    }

    /// Nothing of these is begun from now on.
    fn begin_to_leave(&mut self, partitions: &[Partition]) {
        let mut slots = self.partitions.slots();
        for partition in partitions {
            if let Some(held) = &mut slots[partition.number()].held {
                held.leaving = true;
                self.leaving.entry(*partition).or_insert_with(Instant::now);
            }
        }
    }

    /// Ends the leases of what is to go to others, once nothing of it is under way.
    async fn leave(&mut self, at_latest: Duration) -> Result<(), Fault> {
        let idle = |partition: &Partition, since: &Instant| {
            !self.partitions.is_busy(*partition) || since.elapsed() >= at_latest
        };
        let gone = self.leaving.iter().filter(|(partition, since)| idle(partition, since));
        let gone: Vec<Partition> = gone.map(|(partition, _)| *partition).collect();
        let held: Vec<(Partition, Fence)> =
            self.held().into_iter().filter(|(partition, _)| gone.contains(partition)).collect();
        let released =
            join_all(held.iter().map(|(partition, fence)| self.leases.release(*partition, *fence)));
        let released: Result<Vec<()>, Fault> = released.await.into_iter().collect();
        if released.is_ok() {
            for partition in &gone {
                self.leaving.remove(partition);
                self.partitions.slots()[partition.number()].held = None;
            }
        }
        if !gone.is_empty() {
            tracing::info!(count = gone.len(), node = %self.word.node, "partitions were given to others");
            self.partitions.changed();
        }
        released.map(drop)
    }

    /// Gives everything away; a server that does not answer lets it end by itself.
    async fn end(&mut self) {
        let all: Vec<Partition> = self.held().into_iter().map(|(partition, _)| partition).collect();
        self.begin_to_leave(&all);
        let until = Instant::now() + END_WAIT;
        while all.iter().any(|partition| self.partitions.is_busy(*partition)) && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if let Ok(Err(fault)) = tokio::time::timeout(END_WAIT, self.leave(Duration::ZERO)).await {
            tracing::warn!(%fault, "leases end by themselves");
        }
    }
}
