//! What a delivery goes behind (design.md B6, Order): what it refers to, and, among several gateways, what the broker has of
//! its queue.

use std::collections::{BTreeMap, HashMap};
use std::sync::{MutexGuard, PoisonError};

use futures_util::future::join_all;
use lienthong_schemas::ids::{CorrelationKey, DeliveryId};
use lienthong_schemas::organ::ReceiverToken;

use super::Relay;
use super::bodies::Bodies;
use crate::ports::Fault;
use crate::record::{AdapterKind, Delivery, Lane};

/// Queues and lanes of which it is remembered what went last; with more all is forgotten.
const LAST_MAX: usize = 10_000;
/// Deliveries that are looked at for one key.
const LOOKED_AT_MAX: usize = 64;

impl Relay {
    /// An urgent packet does not overtake packets that it refers to, whoever of its queue those are for: what of them is not
    /// published goes first. The parts of one consignment do not wait for each other here.
    pub(super) async fn publish_after_kin(
        &self,
        bodies: &Bodies,
        delivery: Delivery,
        published: &mut BTreeMap<DeliveryId, u32>,
    ) -> Result<(), Fault> {
        // Before a normal packet for one receiver everything that it refers to stands in the same chain, or went before.
        if delivery.lane == Lane::Normal && delivery.route.adapter != AdapterKind::NationalAxis {
            return self.publish(bodies, delivery, published).await;
        }
        let kin = self.kin_of(&delivery).await?.into_iter().flatten();
        let waiting: BTreeMap<u64, DeliveryId> =
            kin.filter(Delivery::is_unpublished).map(|earlier| (earlier.order, earlier.id)).collect();
        for id in waiting.into_values() {
            // As it is on disk: nothing else may leave.
            if let Some(first) = self.ports.store.delivery(id).await?.filter(Delivery::is_unpublished) {
                self.publish(bodies, first, published).await?;
            }
        }
        self.publish(bodies, delivery, published).await
    }

    /// What the broker has of its queue and nobody took over yet, as far as is known: among several gateways a message may
    /// come to the one that serves the queue sooner than one before it. Of what it refers to the last is enough, because
    /// that one goes behind those before it.
    pub(super) async fn goes_after(&self, delivery: &Delivery) -> Result<Vec<DeliveryId>, Fault> {
        if self.partitions.own().is_none() {
            return Ok(Vec::new());
        }
        let last = self.last().get(&(delivery.route.queue(), delivery.lane)).copied();
        let last = match last {
            Some(last) => self.ports.store.delivery(last).await?,
            None => None,
        };
        let goes_first = |earlier: &Delivery| earlier.order < delivery.order && earlier.is_on_its_way();
        let kin = self.kin_of(delivery).await?;
        let kin = kin.into_iter().filter_map(|of_key| of_key.into_iter().find(Delivery::is_on_its_way));
        let mut after: Vec<DeliveryId> =
            kin.chain(last).filter(goes_first).map(|earlier| earlier.id).collect();
        after.sort_unstable();
        after.dedup();
        Ok(after)
    }

    /// For each of its keys, what has that key, too, and stands before it in its queue: queued or parked, of other
    /// documents, the last first, up to one that the broker has.
    async fn kin_of(&self, delivery: &Delivery) -> Result<Vec<Vec<Delivery>>, Fault> {
        let kin = delivery.correlations.iter().map(|key| self.kin(delivery, *key));
        join_all(kin).await.into_iter().collect()
    }

    async fn kin(&self, delivery: &Delivery, key: CorrelationKey) -> Result<Vec<Delivery>, Fault> {
        let (queue, store) = (delivery.route.queue(), &self.ports.store);
        let is_kin = |earlier: &Delivery| earlier.document != delivery.document;
        let first = store.first_correlated(&queue, key, None).await?;
        // The parts of one consignment may be many, and stand together.
        let Some(first) = first.filter(|first| first.order < delivery.order && is_kin(first)) else {
            return Ok(Vec::new());
        };
        let (mut kin, mut before) = (Vec::new(), delivery.order);
        for _ in 0..LOOKED_AT_MAX {
            let Some(earlier) = store.last_correlated(&queue, key, before).await? else { return Ok(kin) };
            before = earlier.order;
            let is_with_the_broker = earlier.is_on_its_way() && !earlier.is_unpublished();
            kin.extend(Some(earlier).filter(is_kin));
            if is_with_the_broker && kin.last().is_some_and(|last| last.order == before) {
                return Ok(kin);
            }
        }
        kin.push(first);
        Ok(kin)
    }

    pub(super) fn note_last(&self, delivery: &Delivery) {
        if self.partitions.own().is_some() {
            let mut last = self.last();
            if last.len() >= LAST_MAX {
                last.clear();
            }
            last.insert((delivery.route.queue(), delivery.lane), delivery.id);
        }
    }

    fn last(&self) -> MutexGuard<'_, HashMap<(ReceiverToken, Lane), DeliveryId>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
