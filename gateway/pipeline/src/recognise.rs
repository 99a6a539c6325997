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
use crate::names::{Likeness, Relation};
use crate::ports::{Fault, OutboxStore};
use crate::record::{KnownDocument, NameClaim, RecognitionKeys};

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
    /// What other gateways took under its name.
    pub elsewhere: &'s [NameClaim],
}

/// The name under which others may be compared with this packet.
pub(crate) fn compared_by(content: &Content, keys: &RecognitionKeys, origin: &Origin) -> Option<[u8; 16]> {
    let is_new = keys.status.is_none() && content.kind == PacketKind::Document(BusinessType::New);
    keys.name.filter(|_| is_new || matches!(origin, Origin::Sdk { .. } | Origin::Axis { .. }))
}

/// Another document under the name.
struct Namesake {
    id: DocumentId,
    digest: PacketDigest,
    relation: Relation,
    receivers: Vec<OrganId>,
    is_here: bool,
}

/// What this gateway knows of the name, and what others took. Where another one took this very document, it is taken here as
/// it was there: in which place it stands under its name is said already.
async fn namesakes(
    store: &dyn OutboxStore,
    known: Vec<KnownDocument>,
    keys: &RecognitionKeys,
    Submission { id, digest, elsewhere, .. }: Submission<'_>,
) -> Result<Vec<Namesake>, Fault> {
    let own = Likeness { kind: &keys.kind, digest, semantic: keys.semantic };
    let mut namesakes = Vec::new();
    for known in known {
        let RecognitionKeys { kind, semantic, .. } = &known.keys;
        let relation = own.to(Likeness { kind, digest: known.digest, semantic: *semantic });
        if relation == Relation::Apart || known.id == id {
            continue;
        }
        let receivers = store.deliveries_of(known.id).await?.into_iter().map(|d| d.route.receiver).collect();
        namesakes.push(Namesake { id: known.id, digest: known.digest, relation, receivers, is_here: true });
    }
    if elsewhere.iter().any(|claim| claim.document == id) {
        namesakes.retain(|namesake| namesake.relation == Relation::Same);
        return Ok(namesakes);
    }
    for claim in elsewhere {
        let relation = own.to(claim.likeness());
        let is_known = namesakes.iter().any(|namesake| namesake.id == claim.document);
        if relation != Relation::Apart && !is_known {
            let receivers = claim.receivers.iter().cloned().collect();
            let (id, digest) = (claim.document, claim.digest);
            namesakes.push(Namesake { id, digest, relation, receivers, is_here: false });
        }
    }
    Ok(namesakes)
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
    let Submission { id, digest, origin, chosen, .. } = submission;
    let content = envelope.content();
    let from_axis = matches!(origin, Origin::Axis { .. });
    let met = store.met(id, compared_by(content, keys, origin)).await?;
    // What another gateway accepted, and this one delivers, has no receipt here yet.
    if met.deliveries.iter().any(|delivery| !delivery.foreign) {
        return Ok(Recognised::Repeat(id));
    }
    if let Some(status) = keys.status {
        let seen = store.status_seen(status).await?;
        return Ok(seen.map_or_else(fresh, Recognised::Repeat));
    }
    let (mut served, mut served_here) = (BTreeSet::new(), BTreeSet::new());
    let (mut equal, mut equal_here, mut copy_of) = (None, None, None);
    let mut others = BTreeSet::new();
    for known in namesakes(store, met.namesakes, keys, submission).await? {
        if known.relation == Relation::Other {
            others.extend(known.receivers);
            continue;
        }
        equal = Some(known.id);
        if from_axis && known.digest != digest {
            copy_of = copy_of.or(equal);
        }
        if known.is_here {
            equal_here = equal;
            served_here.extend(known.receivers.iter().cloned());
        }
        served.extend(known.receivers);
    }
    let named: Vec<OrganId> = content.to.iter().map(|to| directory.resolved(&to.organ_id)).collect();
    let is_wanted = |receiver: &OrganId| {
        let is_chosen = chosen.is_none_or(|chosen| chosen.contains(receiver));
        is_chosen && (!from_axis || is_ours(directory, receiver))
    };
    if equal.is_some()
        && named.iter().filter(|receiver| is_wanted(receiver)).all(|receiver| served.contains(receiver))
    {
        if let Some(equal) = equal_here {
            return Ok(Recognised::Repeat(equal));
        }
        // The receipt lies elsewhere: this one gets its own, and its deliveries end at the name that is claimed.
        served = served_here;
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
    Ok(Recognised::New { reused: !others.is_empty(), served, copy_of })
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
