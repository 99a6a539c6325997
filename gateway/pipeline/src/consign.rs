//! From a delivery to what an adapter is given: who leaves together, the packet's file, what it is about. Behind an axis
//! a document is one consignment for all its receivers there (design.md B5). Who is next is decided in `queue`, what
//! follows from a failure in `dispatch`.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use lienthong_schemas::ids::{DeliveryId, DocumentId};
use lienthong_schemas::organ::OrganId;

use crate::clock::after;
use crate::directory::Directory;
use crate::ports::{Addressee, Consignment, DeliveryFailure, FailureClass, Fault, OutboxStore, Ports};
use crate::record::{AdapterKind, Admission, Delivery, State};

/// Most deliveries of one consignment; more leave in several, one after the other. The codes of all stand in one header
/// line, which the axis takes up to 64 KiB of (spec vxp-api section 2).
pub(crate) const RECEIVERS_MAX: usize = 500;

/// How long the parts of a consignment wait for one that is still on its way through the broker. A message that was lost
/// is published anew after ten minutes at the latest (`relay`), so the wait ends by itself with a whole consignment;
/// whatever takes longer is not about to come, and the other receivers get theirs without it.
pub(crate) const PARTS_WAIT: Duration = Duration::from_secs(15 * 60);

/// Documents remembered in one queue; when there are more, all are forgotten: they are tried as a whole once more, or
/// waited for anew.
const REMEMBERED_MAX: usize = 10_000;

/// Deliveries of one document that leave in one consignment, the head of the queue first; never empty.
pub(crate) type Together = Vec<Delivery>;

/// What was found of the consignment of a delivery.
pub(crate) enum Gathered {
    /// These leave together.
    Whole(Together),
    /// A part is still on its way through the broker.
    Late,
    /// The delivery is not queued any more.
    Gone,
}

/// What is remembered of the documents of one queue between two looks. A new process begins without it.
#[derive(Default)]
pub(crate) struct Memory {
    split: HashSet<DocumentId>,
    late: HashMap<DocumentId, Late>,
    held: HashMap<DocumentId, Timestamp>,
}

struct Late {
    /// The last part that was not handed off; looked at first, so that each hand-off of another one costs one look.
    part: DeliveryId,
    since: Timestamp,
    told: bool,
}

impl Memory {
    /// One receiver spoilt the consignment of this document for all: its deliveries leave one by one.
    pub(crate) fn split(&mut self, document: DocumentId) {
        if self.split.len() >= REMEMBERED_MAX {
            self.split.clear();
        }
        self.split.insert(document);
    }

    /// Since when the head of a lane waits for what is not here.
    pub(crate) fn held_since(&mut self, document: DocumentId, now: Timestamp) -> Timestamp {
        if self.held.len() >= REMEMBERED_MAX {
            self.held.clear();
        }
        let since = self.held.entry(document).or_insert(now);
        // A clock that shows an earlier time was set back: it begins to wait anew.
        *since = now.min(*since);
        *since
    }

    /// It does not wait any more.
    pub(crate) fn release(&mut self, document: DocumentId) {
        self.held.remove(&document);
    }

    /// The deliveries that leave with `head`.
    pub(crate) async fn gather(
        &mut self,
        store: &dyn OutboxStore,
        head: &Delivery,
        now: Timestamp,
    ) -> Result<Gathered, Fault> {
        if head.route.adapter != AdapterKind::NationalAxis || self.split.contains(&head.document) {
            return Ok(Gathered::Whole(vec![head.clone()]));
        }
        if let Some(late) = self.late.get(&head.document)
            && late.since <= now
            && now < after(late.since, PARTS_WAIT)
            && store.delivery(late.part).await?.is_some_and(|part| part.is_on_its_way())
        {
            return Ok(Gathered::Late);
        }
        let mut parts = parts(store, head).await?;
        if let Some(last) = parts.iter().rfind(|part| part.is_on_its_way())
            && self.waits_for(last, now)
        {
            return Ok(Gathered::Late);
        }
        if parts.iter().all(|part| part.handed_off) {
            self.late.remove(&head.document);
        }
        parts.retain(|part| part.handed_off);
        let Some(at) = parts.iter().position(|part| part.id == head.id) else { return Ok(Gathered::Gone) };
        parts[..=at].rotate_right(1);
        parts.truncate(RECEIVERS_MAX);
        Ok(Gathered::Whole(parts))
    }

    /// Whether the others still wait for this part.
    fn waits_for(&mut self, part: &Delivery, now: Timestamp) -> bool {
        if self.late.len() >= REMEMBERED_MAX {
            self.late.clear();
        }
        let anew = || Late { part: part.id, since: now, told: false };
        let late = self.late.entry(part.document).or_insert_with(anew);
        (late.part, late.since) = (part.id, now.min(late.since));
        let waits = now < after(late.since, PARTS_WAIT);
        if !waits && !late.told {
            late.told = true;
            tracing::error!(
                document_id = %part.document, delivery_id = %part.id, receiver = %part.route.receiver,
                "still not taken over: the other receivers of this consignment get theirs without it",
            );
        }
        waits
    }
}

/// What is queued of the document of `head` in the same queue, taken over or still on its way, in order.
async fn parts(store: &dyn OutboxStore, head: &Delivery) -> Result<Vec<Delivery>, Fault> {
    let queue = head.route.queue();
    let mut parts = store.deliveries_of(head.document).await?;
    let is_part = |part: &Delivery| {
        part.state == State::Queued && part.route.adapter == head.route.adapter && part.route.queue() == queue
    };
    parts.retain(is_part);
    Ok(parts)
}

/// `head`, and the parts of its consignment of which the same holds: what is over for all is written down at once.
pub(crate) async fn alike(
    store: &dyn OutboxStore,
    head: Delivery,
    holds: impl Fn(&Delivery) -> bool,
) -> Result<Together, Fault> {
    if head.route.adapter != AdapterKind::NationalAxis {
        return Ok(vec![head]);
    }
    let mut parts = parts(store, &head).await?;
    parts.retain(|part| part.handed_off && holds(part));
    parts.truncate(RECEIVERS_MAX);
    Ok(parts)
}

/// What the adapter is given for these deliveries.
pub(crate) async fn consignment(
    ports: &Ports,
    directory: &Directory,
    together: &[Delivery],
) -> Result<Consignment, DeliveryFailure> {
    let Some(delivery) = together.first().cloned() else {
        return Err(failed(FailureClass::Packet, "nothing", "a consignment of nothing".to_owned()));
    };
    // Too many open files, a disk that hangs: it may pass, and is no reason to end the gateway.
    let ours = |fault: Fault| failed(FailureClass::OursToFix, "spool", fault.to_string());
    let packet = ports.spool.blob(delivery.digest).await.map_err(ours)?;
    let packet = packet.ok_or_else(|| {
        let note = format!("blob {} is gone from the spool", delivery.digest);
        failed(FailureClass::Packet, "blob_missing", note)
    })?;
    // One damaged admission must not hold up a mailbox: if others pass meanwhile, it is that document's trouble.
    let damaged = |fault: Fault| failed(FailureClass::Document, "admission", fault.to_string());
    let admission = match delivery.route.adapter {
        AdapterKind::Email | AdapterKind::NationalAxis => {
            ports.spool.admission(delivery.document).await.map_err(damaged)?
        }
        AdapterKind::VendorHttp | AdapterKind::Mailbox => None,
    };
    if let Some(admission) = &admission {
        say_if_in_part(together, admission);
    }
    let organisation = directory.find(&delivery.route.receiver);
    let addressee = organisation.map(|o| Addressee { name: o.name.clone(), mailbox: o.mailbox.clone() });
    Ok(Consignment {
        receivers: named(together, admission.as_ref()),
        addressee: addressee.unwrap_or_default(),
        cover: admission.map(|admission| admission.cover).unwrap_or_default(),
        delivery,
        packet,
        at: ports.clock.now(),
    })
}

/// The receivers of these deliveries, each by every code under which the packet names it: an axis compares `to` with the
/// packet (spec vxp-api section 5), and codes that were closed into one organisation share its delivery. Of a document
/// that another gateway took in, only the directory's codes are known.
fn named(together: &[Delivery], admission: Option<&Admission>) -> Vec<OrganId> {
    let mut lines: HashMap<DeliveryId, Vec<&OrganId>> = HashMap::new();
    for line in admission.iter().flat_map(|admission| &admission.receipt.deliveries) {
        lines.entry(line.delivery_id).or_default().push(&line.receiver);
    }
    let codes = |delivery: &Delivery| match lines.get(&delivery.id) {
        Some(named) => named.iter().copied().cloned().collect(),
        None => vec![delivery.route.receiver.clone()],
    };
    together.iter().flat_map(codes).collect()
}

/// A receiver that is late, held, refused or sent its copy by itself has the others leave without it. An axis that is not
/// told receivers (`to_header = "omit"`) serves all that the packet names each time, so that some get it again; the
/// pipeline does not know how an axis is set up, and says it of every one.
fn say_if_in_part(together: &[Delivery], admission: &Admission) {
    let Some(head) = together.first() else { return };
    let queue = head.route.queue();
    // Who gets paper was never to leave.
    let leaves = |part: &&Delivery| part.state != State::Paper && part.route.queue() == queue;
    let whole = admission.deliveries.iter().filter(leaves).count();
    if together.len() < whole {
        tracing::warn!(
            document_id = %head.document, system = %head.route.system, receivers = together.len(), of = whole,
            "leaves in part: an axis that is not told its receivers serves the others as well",
        );
    }
}

/// A failure on our side of the line.
pub(crate) fn failed(class: FailureClass, code: &str, note: String) -> DeliveryFailure {
    DeliveryFailure { class, code: code.to_owned(), note, retry_after: None, may_have_arrived: false }
}

/// The ids of deliveries that leave together, for the log.
pub(crate) fn ids(together: &[Delivery]) -> Vec<DeliveryId> {
    together.iter().map(|delivery| delivery.id).collect()
}
