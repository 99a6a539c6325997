//! From a delivery to what an adapter is given: the packet's file, who gets it, what it is about. Behind an axis a
//! document is one consignment for all its receivers there (design.md B5). Decides nothing about time or failure.

use std::collections::HashSet;

use lienthong_schemas::ids::{DeliveryId, DocumentId};

use crate::directory::Directory;
use crate::ports::{Addressee, Consignment, DeliveryFailure, FailureClass, Fault, Ports};
use crate::record::{AdapterKind, Delivery, State};

/// Documents whose receivers are tried one by one are remembered up to this number; a forgotten one is merely tried as a
/// whole once more.
const SPLIT_MAX: usize = 10_000;

/// Deliveries that leave together, the head of the queue first.
pub(crate) type Together = Vec<Delivery>;

/// Documents of which one receiver spoilt the consignment for all: their deliveries leave one by one.
#[derive(Default)]
pub(crate) struct Split(HashSet<DocumentId>);

impl Split {
    pub(crate) fn insert(&mut self, document: DocumentId) {
        if self.0.len() >= SPLIT_MAX {
            self.0.clear();
        }
        self.0.insert(document);
    }

    fn contains(&self, document: DocumentId) -> bool {
        self.0.contains(&document)
    }
}

/// The deliveries that leave with `head`. `None`: one of them is still on its way through the broker, and the
/// consignment waits for it.
pub(crate) async fn together(
    ports: &Ports,
    head: Delivery,
    split: &Split,
) -> Result<Option<Together>, Fault> {
    if head.route.adapter != AdapterKind::NationalAxis || split.contains(head.document) {
        return Ok(Some(vec![head]));
    }
    let queue = head.route.queue();
    let mut all = ports.store.deliveries_of(head.document).await?;
    let is_part = |delivery: &Delivery| {
        delivery.state == State::Queued
            && delivery.route.adapter == head.route.adapter
            && delivery.route.queue() == queue
    };
    all.retain(|delivery| is_part(delivery) && delivery.id != head.id);
    if all.iter().any(|delivery| !delivery.handed_off) {
        return Ok(None);
    }
    all.insert(0, head);
    Ok(Some(all))
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
    let cover = match delivery.route.adapter {
        AdapterKind::Email => ports.spool.admission(delivery.document).await.map_err(ours)?,
        AdapterKind::VendorHttp | AdapterKind::NationalAxis => None,
    };
    let organisation = directory.find(&delivery.route.receiver);
    let addressee = organisation.map(|o| Addressee { name: o.name.clone(), mailbox: o.mailbox.clone() });
    Ok(Consignment {
        receivers: together.iter().map(|delivery| delivery.route.receiver.clone()).collect(),
        addressee: addressee.unwrap_or_default(),
        cover: cover.map(|admission| admission.cover).unwrap_or_default(),
        delivery,
        packet,
        at: ports.clock.now(),
    })
}

/// A failure on our side of the line.
pub(crate) fn failed(class: FailureClass, code: &str, note: String) -> DeliveryFailure {
    DeliveryFailure { class, code: code.to_owned(), note, retry_after: None }
}

/// The ids of deliveries that leave together, for the log.
pub(crate) fn ids(together: &[Delivery]) -> Vec<DeliveryId> {
    together.iter().map(|delivery| delivery.id).collect()
}
