//! Step recognise (design.md B3): is this a repeat, the same document for further receivers, or another document under
//! a number that is taken.

use std::collections::BTreeSet;

use lienthong_schemas::document_name;
use lienthong_schemas::edxml::{BusinessType, Content, PacketKind, VerifiedEnvelope, semantic_digest};
use lienthong_schemas::ids::{DeliveryId, DocumentId, PacketDigest, digest16};
use lienthong_schemas::organ::OrganId;
use lienthong_schemas::rejections::{Rejection, RejectionCode};

use crate::directory::{Directory, Home};
use crate::examine::Refused;
use crate::intake::Origin;
use crate::ports::OutboxStore;
use crate::record::RecognitionKeys;

/// What an admitted packet turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Recognised {
    /// The receipt of this document is given again.
    Repeat(DocumentId),
    /// A document, new for every receiver but those already served by an equal one.
    New {
        /// Receivers that have it already.
        served: BTreeSet<OrganId>,
        /// Its DocumentId was used for another document, for other receivers (`DOCID_REUSED`).
        reused: bool,
        /// The document of which an axis gave this copy in other bytes.
        copy_of: Option<DocumentId>,
    },
}

/// The keys of a packet of `sender`: the code that the directory has for its `From`, under whichever it was written.
pub fn keys(envelope: &VerifiedEnvelope, sender: &OrganId) -> RecognitionKeys {
    let content = envelope.content();
    let is_document = content.kind != PacketKind::Status;
    let name = content.document_id.as_ref().map(|id| document_name::by_document_id(sender, id));
    let code = format!("{}/{}", content.code_number, content.code_notation);
    let code = document_name::by_code(sender, &content.promulgation_date, &code);
    RecognitionKeys {
        name: name.filter(|_| is_document),
        code: code.filter(|_| is_document),
        changes: None,
        kind: content.kind.id_text().to_owned(),
        semantic: semantic_digest(envelope, sender),
        status: status_key(content, sender),
    }
}

fn status_key(content: &Content, sender: &OrganId) -> Option<[u8; 16]> {
    let status = content.status.as_ref()?;
    // Without a DocumentId two words of one second may be about two documents, and without a time a word that is said
    // again need not be a repeat: then the digest alone tells.
    let subject = content.response_for.first().filter(|subject| !subject.document_id.is_empty())?;
    if status.timestamp.text.is_empty() {
        return None;
    }
    let code = status.code.digits();
    Some(digest16(&[
        b"status",
        sender.as_str().as_bytes(),
        subject.organ_text.to_uppercase().as_bytes(),
        subject.document_id.as_bytes(),
        code.as_bytes(),
        status.timestamp.text.as_bytes(),
    ]))
}

/// What a packet is known by beside its keys, and who brought it for whom.
#[derive(Clone, Copy)]
pub struct Submission<'s> {
    /// Its document id.
    pub id: DocumentId,
    /// The packet's digest.
    pub digest: PacketDigest,
    /// Who brought it.
    pub origin: &'s Origin,
    /// The receivers that it is limited to.
    pub chosen: Option<&'s BTreeSet<OrganId>>,
}

/// Compares a packet with what the store knows. The caller holds the turn of this (From, DocumentId).
///
/// By the SDK's protocol the same bytes may come again for further receivers, whatever their type: each submission counts
/// for the receivers that it is limited to.
///
/// From an axis so may the same content in other bytes; receivers behind an axis do not count there, and nothing is
/// refused.
///
/// # Errors
/// [`RejectionCode::DocumentConflict`]: another document under this DocumentId went to a receiver of this one.
pub async fn recognise(
    store: &dyn OutboxStore,
    directory: &Directory,
    envelope: &VerifiedEnvelope,
    keys: &RecognitionKeys,
    submission: Submission<'_>,
) -> Result<Recognised, Refused> {
    let Submission { id, digest, origin, chosen } = submission;
    let content = envelope.content();
    let by_sdk = matches!(origin, Origin::Sdk { .. });
    let from_axis = matches!(origin, Origin::Axis { .. });
    let is_new = keys.status.is_none() && content.kind == PacketKind::Document(BusinessType::New);
    let met = store.met(id, keys.name.filter(|_| is_new || by_sdk || from_axis)).await?;
    // What another gateway accepted, and this one delivers, has no receipt here yet.
    if met.deliveries.iter().any(|delivery| !delivery.foreign) {
        return Ok(Recognised::Repeat(id));
    }
    if let Some(status) = keys.status {
        let seen = store.status_seen(status).await?;
        return Ok(seen.map_or_else(fresh, Recognised::Repeat));
    }
    let mut served = BTreeSet::new();
    let (mut equal, mut copy_of) = (None, None);
    let mut others = BTreeSet::new();
    for known in met.namesakes {
        if known.keys.kind != keys.kind || known.id == id {
            continue;
        }
        let receivers = store.deliveries_of(known.id).await?.into_iter().map(|d| d.route.receiver);
        if known.digest == digest || ((is_new || from_axis) && known.keys.semantic == keys.semantic) {
            equal = Some(known.id);
            if from_axis && known.digest != digest {
                copy_of = copy_of.or(equal);
            }
            served.extend(receivers);
        } else if is_new {
            others.extend(receivers);
        }
    }
    let named: Vec<OrganId> = content.to.iter().map(|to| directory.resolved(&to.organ_id)).collect();
    let is_wanted = |receiver: &OrganId| {
        let is_chosen = chosen.is_none_or(|chosen| chosen.contains(receiver));
        is_chosen && (!from_axis || is_ours(directory, receiver))
    };
    if let Some(equal) = equal
        && named.iter().filter(|receiver| is_wanted(receiver)).all(|receiver| served.contains(receiver))
    {
        return Ok(Recognised::Repeat(equal));
    }
    let conflicts =
        |receiver: &OrganId| is_wanted(receiver) && others.contains(receiver) && !served.contains(receiver);
    if let Some(at) = named.iter().position(conflicts).filter(|_| !from_axis) {
        let field = format!("edXMLHeader/MessageHeader/To[{}]/OrganId", at + 1);
        return Err(Rejection::new(RejectionCode::DocumentConflict)
            .at(field)
            .because(named[at].as_str())
            .into());
    }
    Ok(Recognised::New { reused: is_new && !others.is_empty(), served, copy_of })
}

/// Whether packets for this code leave by us, and not by an axis. Nobody does who is not in the directory.
pub(crate) fn is_ours(directory: &Directory, code: &OrganId) -> bool {
    directory.find(code).is_some_and(|found| !matches!(found.home, Some(Home::Axis(_))))
}

fn fresh() -> Recognised {
    Recognised::New { served: BTreeSet::new(), reused: false, copy_of: None }
}

/// The id of a delivery of this document to this organisation.
pub fn delivery_id(document: DocumentId, receiver: &OrganId) -> DeliveryId {
    DeliveryId::derive(&document, receiver, lienthong_schemas::ids::Operation::Deliver)
}

#[cfg(test)]
mod tests {
    use lienthong_schemas::edxml::{
        DocumentBuilder, EdxmlLimits, SignaturePolicy, StatusCode, StatusContact, StatusPacket, StatusSender,
        StatusSubject, read_envelope, vouch,
    };
    use xml_sig::Verdict;

    use super::*;

    fn organ(text: &str) -> OrganId {
        OrganId::parse(text).expect("a code")
    }

    fn keys_of(bytes: &[u8], sender: &str) -> RecognitionKeys {
        let mut open = || -> std::io::Result<Box<dyn std::io::BufRead>> {
            Ok(Box::new(std::io::Cursor::new(bytes.to_vec())))
        };
        let (envelope, repaired) = read_envelope(&mut open, &EdxmlLimits::default()).expect("a packet");
        let policy = SignaturePolicy::VerifyIfPresent;
        let envelope = vouch(envelope, Verdict::Absent, policy, repaired).expect("an unsigned packet");
        keys(&envelope, &organ(sender))
    }

    #[test]
    fn a_letter_has_the_same_keys_under_every_code_of_its_sender() {
        let letter = |from: &str| {
            DocumentBuilder::new(from, &["H55.16"]).document_id("one").to_bytes().expect("a letter")
        };
        let own = keys_of(&letter("H55.15"), "H55.15");
        assert!(own.name.is_some() && own.semantic.is_some());
        assert_eq!(keys_of(&letter("000.00.15.H55"), "H55.15"), own);
        let other = keys_of(&letter("H55.15"), "H55.14");
        assert!(other.name != own.name && other.semantic != own.semantic);
    }

    #[test]
    fn a_status_has_the_same_key_under_every_code_of_its_sender() {
        let status = |from: &str| {
            let packet = StatusPacket {
                from: StatusSender {
                    organ_id: organ(from),
                    organization_in_charge: String::new(),
                    organ_name: String::new(),
                    contact: StatusContact::default(),
                },
                response_for: StatusSubject {
                    organ_id: organ("H55.16"),
                    code: String::new(),
                    document_id: "one".to_owned(),
                    promulgation_date: String::new(),
                },
                staff: None,
                code: StatusCode::Registered,
                description: String::new(),
                timestamp: "2026-01-02T03:04:05Z".parse().expect("a time"),
            };
            packet.to_xml()
        };
        let own = keys_of(&status("H55.15"), "H55.15");
        assert!(own.status.is_some());
        assert_eq!(keys_of(&status("000.00.15.H55"), "H55.15"), own);
        assert_ne!(keys_of(&status("H55.15"), "H55.14").status, own.status);
    }
}
