//! A packet that an axis gave us (design.md B3, B5): what of it is ours, what is an echo of what we sent, and what nobody
//! here can account for. Nothing goes back to an axis.

use std::collections::BTreeSet;

use lienthong_schemas::document_name;
use lienthong_schemas::edxml::{Content, PacketKind, VerifiedEnvelope, content_digest};
use lienthong_schemas::ids::DocumentId;
use lienthong_schemas::organ::{OrganId, OrganPath};
use lienthong_schemas::rejections::{Rejection, RejectionCode};

use super::{Accepted, Intake, Origin};
use crate::directory::{Directory, Home};
use crate::examine::Refused;
use crate::ports::{AxisDocId, Fault, Incoming};
use crate::recognise::{is_ours, keys};
use crate::record::{AdapterKind, CopyRelation, IdempotencyKey, Route, SystemId};
use crate::report::says;
use crate::route::{Addressed, addressed, route};

/// What became of a packet that an axis gave.
#[derive(Clone, Debug)]
pub enum FromAxis {
    /// It is on disk here, now or since before, for whom the axis gave it: one of its receivers, or all of ours.
    Taken(Box<Accepted>),
    /// The same; but the axis does not say for whom, and somebody of ours cannot be reached: it must not hear that all is
    /// well.
    NotFor(Box<Rejection>),
    /// We sent it there ourselves, as this document.
    Echo(DocumentId),
    /// It says that an organisation of ours sent it, and we did not send it there.
    Unmatched(OrganId),
}

impl Intake {
    /// The document that an axis's id stands for, if its packet was taken before.
    ///
    /// # Errors
    /// The store fails.
    pub async fn known_from_axis(
        &self,
        axis: &SystemId,
        id: &AxisDocId,
    ) -> Result<Option<DocumentId>, Fault> {
        let not_before = self.ports.clock.now().saturating_sub(self.policy.idempotency);
        let not_before = not_before.unwrap_or(jiff::Timestamp::MIN);
        let known = self.ports.store.idempotent(&key(axis, id), not_before).await?;
        Ok(known.map(|(document, _)| document))
    }

    /// Takes a packet that an axis gave under `id`, for `to` if that is a code. Its key is that id: whatever bytes come
    /// under it later, it stands for this document.
    ///
    /// Must not be cancelled half way ([`crate::tasks::Tasks::complete`]).
    ///
    /// # Errors
    /// A packet that cannot be read or carried, or that is for nobody here; our own trouble.
    pub async fn admit_from_axis(
        &self,
        packet: Box<dyn Incoming>,
        axis: &SystemId,
        id: &AxisDocId,
        to: &str,
    ) -> Result<FromAxis, Refused> {
        let directory = self.directory.load_full();
        let origin = Origin::Axis { axis: axis.clone(), to: OrganId::parse(to).ok() };
        let bytes = packet.bytes();
        let (packet, envelope) = self.parse_and_verify(packet, &origin, directory.clone()).await?;
        let claimed = &envelope.content().from.organ_id;
        if let Some(sender) = self.own_sender(&directory, claimed).cloned() {
            let sent = self.sent_to(axis, &*packet, &envelope, &directory, &sender).await?;
            let Some(document) = sent else { return Ok(FromAxis::Unmatched(sender)) };
            self.link(&origin, &*packet, Some(&key(axis, id)), document, (CopyRelation::Echo, None)).await?;
            return Ok(FromAxis::Echo(document));
        }
        self.attribute_to_axis(&directory, claimed, axis)?;
        let unreached = self.unreached(&directory, envelope.content(), bytes, &origin)?;
        // One that the axis must hear a no about is not to be known as taken.
        let known_by = unreached.is_none().then(|| key(axis, id));
        let accepted = self.admit_verified(packet, envelope, &origin, known_by, directory).await?;
        let document = accepted.receipt.document_id;
        self.until_durable(document, &origin).await?;
        Ok(match unreached {
            Some(rejection) => FromAxis::NotFor(Box::new(rejection)),
            None => FromAxis::Taken(Box::new(accepted)),
        })
    }

    /// Step attribute: an axis speaks for whoever is not at home here; one that speaks for groups, for theirs only.
    pub(super) fn attribute_to_axis(
        &self,
        directory: &Directory,
        claimed: &OrganId,
        axis: &SystemId,
    ) -> Result<OrganId, Rejection> {
        let refuse = |code| {
            let field = "edXMLHeader/MessageHeader/From/OrganId";
            Rejection::new(code).at(field).because(format!("{claimed} by {axis}"))
        };
        if self.own_sender(directory, claimed).is_some() {
            return Err(refuse(RejectionCode::SenderNotYours));
        }
        if !directory.is_spoken_for(claimed, axis) {
            return Err(refuse(RejectionCode::AxisSpeaksNot));
        }
        Ok(directory.find(claimed).map_or_else(|| claimed.clone(), |found| found.id.clone()))
    }

    /// Who of ours sends under this code, in whichever form it is written: an organisation at home at a system, or the gateway
    /// itself.
    fn own_sender<'d>(&'d self, directory: &'d Directory, claimed: &OrganId) -> Option<&'d OrganId> {
        let own = &self.policy.own;
        let is_own = OrganPath::of(own) == OrganPath::of(claimed);
        directory.held_by_system(claimed).or_else(|| is_own.then_some(own))
    }

    /// Of these, those that are ours and can be reached; and of ours each who cannot be, and why.
    pub(super) fn of_ours<'c>(
        &self,
        directory: &Directory,
        content: &Content,
        to: Vec<Addressed<'c>>,
        bytes: u64,
    ) -> (Vec<Addressed<'c>>, Vec<Rejection>) {
        let (mut reached, mut unreached) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        for addressed in to.into_iter().filter(|addressed| is_ours(directory, addressed.code)) {
            if !seen.insert(directory.find(addressed.code).map(|found| &found.id)) {
                continue;
            }
            let mut alone = vec![addressed.clone()];
            match route(directory, content, &mut alone, bytes, self.today(), &BTreeSet::new()) {
                Ok((routed, _))
                    if routed.iter().any(|routed| routed.route.adapter == AdapterKind::NationalAxis) => {}
                Ok(_) if alone.is_empty() => {}
                Ok(_) => reached.push(addressed),
                Err(rejection) => unreached.push(rejection),
            }
        }
        (reached, unreached)
    }

    /// Why one of those does not get it whom the axis may mean: `None` when all get it.
    ///
    /// Fails when nobody here gets it.
    fn unreached(
        &self,
        directory: &Directory,
        content: &Content,
        bytes: u64,
        origin: &Origin,
    ) -> Result<Option<Rejection>, Rejection> {
        let nobody =
            |field: &str, code: &str| Rejection::new(RejectionCode::ReceiverUnknown).at(field).because(code);
        if content.kind == PacketKind::Status {
            let field = "edXMLHeader/MessageHeader/ResponseFor/OrganId";
            let subject = content.response_for.first().and_then(|subject| subject.organ_id.as_ref());
            return match subject {
                Some(code) if !is_ours(directory, code) => Err(nobody(field, code.as_str())),
                _ => Ok(None),
            };
        }
        let (mut all, _) = addressed(content, self.policy.update_receivers);
        if let Some(chosen) = origin.chosen(directory, content)? {
            all.retain(|one| chosen.contains(&directory.resolved(one.code)));
        }
        let (reached, mut unreached) = self.of_ours(directory, content, all, bytes);
        let rejection = unreached.pop();
        if reached.is_empty() {
            let (field, first) = ("edXMLHeader/MessageHeader/To/OrganId", content.to.first());
            let first = first.map_or("", |first| first.organ_text.as_str());
            return Err(rejection.unwrap_or_else(|| nobody(field, first)));
        }
        Ok(rejection)
    }

    /// The document of ours that went out by this axis and came back: by its bytes, its status, or its name and content.
    async fn sent_to(
        &self,
        axis: &SystemId,
        packet: &dyn Incoming,
        envelope: &VerifiedEnvelope,
        directory: &Directory,
        sender: &OrganId,
    ) -> Result<Option<DocumentId>, Fault> {
        let content = envelope.content();
        let known = keys(envelope, sender);
        let document_id = content.document_id.as_deref().unwrap_or_default();
        let exact = DocumentId::derive(sender, document_id, content.kind.id_text(), &packet.digest());
        let mut found = vec![exact];
        if let Some(status) = known.status {
            found.extend(self.ports.store.status_seen(status).await?);
            found.extend(self.reports(content, directory).await?);
        }
        let says = content_digest(envelope, sender);
        for name in known.names() {
            let of_name = self.ports.store.known(name).await?.into_iter();
            let same = of_name.filter(|document| {
                // Of types 1 to 3 the digest is known only where an axis brought it.
                let equal = document.keys.semantic.is_none() || document.keys.semantic == says;
                document.keys.kind == known.kind && equal
            });
            found.extend(same.map(|document| document.id));
        }
        for document in found {
            let deliveries = self.ports.store.deliveries_of(document).await?;
            let by_axis = |route: &Route| route.adapter == AdapterKind::NationalAxis && route.system == *axis;
            // Whoever is at home there has it, whichever way it went.
            let is_there = |route: &Route| {
                let found = directory.find(&route.receiver);
                found.is_some_and(|found| found.home.as_ref() == Some(&Home::Axis(axis.clone())))
            };
            if deliveries.iter().any(|delivery| by_axis(&delivery.route) || is_there(&delivery.route)) {
                return Ok(Some(document));
            }
        }
        Ok(None)
    }

    /// What we told a sender by this status, whatever an axis has made of its bytes: a report is known by what it is about.
    async fn reports(&self, content: &Content, directory: &Directory) -> Result<Vec<DocumentId>, Fault> {
        let (Some(status), Some(subject)) = (&content.status, content.response_for.first()) else {
            return Ok(Vec::new());
        };
        let Some(about) = subject.organ_id.as_ref().map(|code| directory.resolved(code)) else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        let name = document_name::by_document_id(&about, &subject.document_id);
        for document in self.ports.store.known(name).await? {
            for delivery in self.ports.store.deliveries_of(document.id).await? {
                let says = says(delivery.id, status.code);
                found.extend(self.ports.store.status_seen(says).await?);
            }
        }
        Ok(found)
    }
}

fn key(axis: &SystemId, id: &AxisDocId) -> IdempotencyKey {
    IdempotencyKey { system: axis.clone(), key: id.as_str().to_owned() }
}
