//! Where an operator may send a delivery instead, and what keeps its order then. Packets that share a DocumentId keep
//! their order at a receiver (design.md B6) although two queues know nothing of each other: what came earlier goes first,
//! or the reroute is refused; what came later and still waits is parked until somebody sends it the same way.

use std::collections::HashSet;

use jiff::civil::Date;
use lienthong_schemas::edxml::VIETNAM;
use lienthong_schemas::ids::DeliveryId;
use lienthong_schemas::organ::OrganId;
use serde::{Deserialize, Serialize};

use super::{By, Done, DryRun, Manner, Operate, Verdict, look};
use crate::crash::crash_point;
use crate::directory::{Directory, Home, Organisation, Reach};
use crate::ports::{Fault, Ports, Transition};
use crate::record::{AdapterKind, Delivery, Route, State, SystemId};
use crate::route::single_successor;

/// Related deliveries in one queue that are looked at, at most; behind more than these nothing is rerouted.
const RELATED_MAX: usize = 256;

/// Where to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Where the directory says by now: the home of its receiver, or of who alone took over from a closed one.
    Directory,
    /// To this organisation instead, at its home.
    Receiver(OrganId),
    /// To the same receiver, by this connected system or axis.
    Via(SystemId),
}

/// What a reroute would do.
struct Plan {
    route: Route,
    /// To be parked, so that they do not overtake it.
    later: Vec<Delivery>,
}

impl Operate {
    pub(super) async fn reroute(
        &self,
        delivery: &Delivery,
        target: &Target,
        manner: &Manner<'_>,
    ) -> Result<Done, Fault> {
        let Some(directory) = self.directory.as_ref().map(|directory| directory.load_full()) else {
            return Ok(Done::of(Verdict::NoDirectory, Some(delivery.clone())));
        };
        let refused = |verdict| Done::of(verdict, Some(delivery.clone()));
        match self.plan(&directory, delivery, target, manner.dry_run.as_ref()).await? {
            Err((verdict, because)) => Ok(Done { because, ..refused(verdict) }),
            Ok(Plan { route, later }) if manner.dry_run.is_some() => {
                let parked = later.iter().map(|later| later.id).collect();
                Ok(Done { route: Some(route), parked, ..refused(Verdict::Rerouted) })
            }
            Ok(plan) => self.send_elsewhere(delivery, plan, manner.by).await,
        }
    }

    /// What is to be done, or why nothing is, and because of which other delivery.
    async fn plan(
        &self,
        directory: &Directory,
        delivery: &Delivery,
        target: &Target,
        dry_run: Option<&DryRun<'_>>,
    ) -> Result<Result<Plan, (Verdict, Option<DeliveryId>)>, Fault> {
        match delivery.state {
            State::Queued if delivery.lease.is_some() => return Ok(Err((Verdict::UnderWay, None))),
            State::Queued | State::Parked | State::Refused | State::GivenUp => {}
            _ => return Ok(Err((Verdict::WrongState, None))),
        }
        let route = match way(&self.ports, directory, delivery, target).await? {
            Ok(route) => route,
            Err(verdict) => return Ok(Err((verdict, None))),
        };
        if self.ports.spool.blob(delivery.digest).await?.is_none() {
            return Ok(Err((Verdict::BlobMissing, None)));
        }
        let related = related(&self.ports, delivery, &route).await?;
        if related.more {
            return Ok(Err((Verdict::TooManyRelated, None)));
        }
        for earlier in &related.earlier {
            if !self.would_have_left(directory, earlier, target, dry_run).await? {
                return Ok(Err((Verdict::RelatedFirst, Some(earlier.id))));
            }
        }
        Ok(Ok(Plan { route, later: related.later }))
    }

    /// Whether a dry run has come past this one, and it would not be in its queue any more.
    async fn would_have_left(
        &self,
        directory: &Directory,
        earlier: &Delivery,
        target: &Target,
        dry_run: Option<&DryRun<'_>>,
    ) -> Result<bool, Fault> {
        let Some(dry_run) = dry_run else { return Ok(false) };
        if dry_run.moved.contains(&earlier.id) {
            return Ok(true);
        }
        let Some((listing, wanted)) = dry_run.covers else { return Ok(false) };
        if !look::is_wanted(&self.ports, listing, wanted, earlier).await? {
            return Ok(false);
        }
        // What stands before it has a lower order, so this ends.
        Ok(Box::pin(self.plan(directory, earlier, target, Some(dry_run))).await?.is_ok())
    }

    /// First what must not overtake it is held, then the note beside the admission, then the store: see
    /// [`Operate::requeue`].
    async fn send_elsewhere(&self, delivery: &Delivery, plan: Plan, by: &By) -> Result<Done, Fault> {
        let Delivery { id, document, .. } = *delivery;
        let Plan { route, later } = plan;
        let mut parked = Vec::with_capacity(later.len());
        for later in &later {
            if self.settle.park_one(later, format!("refers to rerouted delivery {id}")).await? {
                self.wakes.changed(later);
                parked.push(later.id);
            }
        }
        crash_point("after-reroute-parked");
        let _turn = self.wakes.noting.take(id).await;
        let at = self.ports.clock.now();
        self.ports.spool.rerouted(document, id, &route, at).await?;
        crash_point("after-reroute-note");
        let change = Transition::Rerouted { route: route.clone(), note: format!("{route}; {}", by.note()) };
        let after = self.ports.store.transition(id, at, change).await?;
        if after.is_some() {
            // Whatever waited behind it may go.
            self.wakes.changed(delivery);
            return Ok(Done { route: Some(route), parked, ..Done::of(Verdict::Rerouted, after) });
        }
        // An attempt or its outcome came between; that has the last word in the spool, too.
        if let Some(now) = self.ports.store.delivery(id).await? {
            self.ports.spool.rerouted(document, id, &now.route, at).await?;
            if now.state != State::Queued {
                self.ports.spool.settled(document, id, now.state, at).await?;
            }
        }
        Ok(Done { parked, ..Done::of(Verdict::Changed, None) })
    }
}

/// The related deliveries of one that is to leave its queue.
#[derive(Default)]
pub(super) struct Related {
    /// Those that came earlier and are not over, for the same receiver.
    pub(super) earlier: Vec<Delivery>,
    /// Those that came later and wait, for the same receiver, none of them under way.
    pub(super) later: Vec<Delivery>,
    /// There are more than can be looked at.
    pub(super) more: bool,
}

/// The way that a delivery would go.
///
/// # Errors
/// Why there is none.
pub(super) async fn way(
    ports: &Ports,
    directory: &Directory,
    delivery: &Delivery,
    target: &Target,
) -> Result<Result<Route, Verdict>, Fault> {
    let today = ports.clock.now().to_zoned(VIETNAM.to_time_zone()).date();
    let route = match decided(directory, delivery, target, today) {
        Ok(route) if route == delivery.route => return Ok(Err(Verdict::SameRoute)),
        Ok(route) => route,
        Err(verdict) => return Ok(Err(verdict)),
    };
    if route.receiver != delivery.route.receiver {
        let all = ports.store.deliveries_of(delivery.document).await?;
        if all.iter().any(|other| other.id != delivery.id && other.route.receiver == route.receiver) {
            return Ok(Err(Verdict::HasItsOwn));
        }
    }
    if route.adapter == AdapterKind::NationalAxis
        // Of a document that another gateway took in, neither its origin nor what it names is known here.
        && let Some(admission) = ports.spool.admission(delivery.document).await?
    {
        if admission.receipt.origin == route.system {
            return Ok(Err(Verdict::BackToItsAxis));
        }
        let mut named = admission.receipt.deliveries.iter().filter(|line| line.delivery_id == delivery.id);
        let bodies = directory.bodies(&route.receiver, today);
        let is_named = |code: &OrganId| {
            let named = directory.find(code).map_or(code, |organisation| &organisation.id);
            bodies.contains(named)
        };
        // An axis compares receivers with the packet, whose bytes stay as they are (design.md B5).
        if !named.all(|line| is_named(&line.receiver)) {
            return Ok(Err(Verdict::NotNamed));
        }
    }
    Ok(Ok(route))
}

fn decided(
    directory: &Directory,
    delivery: &Delivery,
    target: &Target,
    today: Date,
) -> Result<Route, Verdict> {
    let known = |code: &OrganId| directory.find(code).ok_or(Verdict::ReceiverUnknown);
    let receiver = match target {
        Target::Receiver(code) => {
            Some(known(code)?).filter(|named| named.is_open(today)).ok_or(Verdict::ReceiverClosed)?
        }
        Target::Directory | Target::Via(_) => {
            let named = known(&delivery.route.receiver)?;
            single_successor(directory, named, today).ok_or(Verdict::NoWayOut)?
        }
    };
    if receiver.reach == Reach::Paper {
        return Err(Verdict::PaperOnly);
    }
    let (system, adapter, most) = match target {
        Target::Via(system) => via(directory, receiver, system)?,
        Target::Directory | Target::Receiver(_) => at_home(receiver)?,
    };
    if [most, receiver.accepts_max_bytes].into_iter().flatten().any(|most| delivery.bytes > most) {
        return Err(Verdict::TooLarge);
    }
    Ok(Route { receiver: receiver.id.clone(), system, adapter })
}

type Way = (SystemId, AdapterKind, Option<u64>);

fn at_home(receiver: &Organisation) -> Result<Way, Verdict> {
    match (&receiver.home, receiver.way) {
        (Some(Home::System(system) | Home::Axis(system)), Some(adapter)) => {
            Ok((system.clone(), adapter, None))
        }
        _ => Err(Verdict::NoWayOut),
    }
}

fn via(directory: &Directory, receiver: &Organisation, system: &SystemId) -> Result<Way, Verdict> {
    let lines = directory.lines();
    let line = lines.systems.get(system).or_else(|| lines.axes.get(system)).ok_or(Verdict::SystemUnknown)?;
    match line.way {
        None => Err(Verdict::SystemUnknown),
        Some(AdapterKind::Email) if receiver.mailbox.is_none() => Err(Verdict::NoMailbox),
        Some(adapter) => Ok((system.clone(), adapter, line.packet_bytes_max)),
    }
}

/// What shares a DocumentId with a delivery in the queue that it is to leave, for the same receiver. Nothing while it
/// stays in that queue and with that receiver: there its order keeps it in its place.
pub(super) async fn related(ports: &Ports, delivery: &Delivery, route: &Route) -> Result<Related, Fault> {
    let mut related = Related::default();
    let queue = delivery.route.queue();
    let leaves = queue != route.queue();
    if !leaves && delivery.route.receiver == route.receiver {
        return Ok(related);
    }
    let mut seen = HashSet::new();
    for key in &delivery.correlations {
        let mut after = None;
        for documents in 0.. {
            let Some(first) = ports.store.first_correlated(&queue, *key, after).await? else { break };
            if documents == RELATED_MAX {
                related.more = true;
                return Ok(related);
            }
            // A document's deliveries mostly follow each other without a gap, so one step passes them all.
            let (document, mut end) = (first.document, first.order);
            related.add(first, delivery, route, &mut seen);
            for kin in ports.store.deliveries_of(document).await? {
                if kin.order == end.saturating_add(1) {
                    end = kin.order;
                    related.add(kin, delivery, route, &mut seen);
                }
            }
            after = Some(end);
        }
    }
    Ok(related)
}

impl Related {
    fn add(&mut self, kin: Delivery, of: &Delivery, route: &Route, seen: &mut HashSet<DeliveryId>) {
        let waits = matches!(kin.state, State::Queued | State::Parked);
        let beside = kin.route.queue() == of.route.queue() && kin.route.receiver == of.route.receiver;
        if kin.document == of.document || !waits || !beside || !seen.insert(kin.id) {
            return;
        }
        match kin.order < of.order {
            // Who gets it instead has not had the earlier one, and need not wait for it.
            true if route.receiver != of.route.receiver => {}
            true => self.earlier.push(kin),
            false if kin.state == State::Queued && kin.lease.is_none() => self.later.push(kin),
            false => {}
        }
    }
}
