//! Joins what the steps decided into the admission: receipt, deliveries, keys. Decides nothing itself.

use std::collections::BTreeSet;

use jiff::Timestamp;
use lienthong_schemas::edxml::VerifiedEnvelope;
use lienthong_schemas::edxml::correlations;
use lienthong_schemas::edxml::{Content, Finding, PacketKind};
use lienthong_schemas::ids::{DocumentId, PacketDigest};

use crate::intake::shown;
use crate::recognise::delivery_id;
use crate::record::{
    Admission, Cover, Delivery, IdempotencyKey, Lane, Receipt, ReceiptLine, RecognitionKeys, Remark,
    StatusSubject, SystemId,
};
use crate::route::Routed;
use crate::standing::{Effects, Notice};

/// What is known of a document besides its content.
pub(crate) struct Document {
    pub(crate) id: DocumentId,
    pub(crate) digest: PacketDigest,
    pub(crate) bytes: u64,
    pub(crate) accepted_at: Timestamp,
    pub(crate) origin: SystemId,
    /// That is an axis.
    pub(crate) from_axis: bool,
    /// Where it is when its receipt is given.
    pub(crate) durability: &'static str,
}

pub(crate) fn admission(
    document: &Document,
    envelope: &VerifiedEnvelope,
    routed: &[Routed],
    effects: &Effects,
    keys: RecognitionKeys,
    idempotency: Option<IdempotencyKey>,
) -> Admission {
    let content = envelope.content();
    let (findings, remarks) = noticed(envelope, &effects.notices);
    let receipt = Receipt {
        document_id: document.id,
        accepted_at: document.accepted_at,
        from: content.from.organ_id.clone(),
        sender_document_id: shown(content.document_id.as_deref().unwrap_or_default()),
        kind: content.kind.id_text().to_owned(),
        sha256: document.digest,
        bytes: document.bytes,
        origin: document.origin.clone(),
        signature: envelope.verdict_name().to_owned(),
        signer: envelope.signer().map(|signer| shown(&signer)),
        findings,
        remarks,
        durability: document.durability.to_owned(),
        deliveries: routed.iter().map(|routed| line(document.id, routed)).collect(),
    };
    let mut receivers = BTreeSet::new();
    let once = routed.iter().filter(|routed| receivers.insert(&routed.route.receiver));
    let deliveries = once.map(|routed| delivery(document, content, routed)).collect();
    let cover = cover(content, &receipt.signature);
    let (subject, moves, recalls) = (subject(content), effects.moves.clone(), effects.recalls.clone());
    let from_axis = document.from_axis;
    Admission { receipt, deliveries, keys, idempotency, subject, cover, moves, recalls, from_axis }
}

/// Findings of the packet and of what is known besides it, warnings first: each code once, and the first places.
fn noticed(envelope: &VerifiedEnvelope, notices: &[Notice]) -> (Vec<String>, Vec<Remark>) {
    let findings = envelope.findings();
    let mut kinds = findings.kinds().to_vec();
    for notice in notices {
        if !kinds.contains(&notice.finding) {
            kinds.push(notice.finding);
        }
    }
    kinds.sort_by_key(|finding| finding.severity());
    let read = findings.remarks().iter().map(|remark| (remark.finding, &remark.field, &remark.detail));
    let known = notices.iter().map(|notice| (notice.finding, &notice.field, &notice.detail));
    let mut places: Vec<_> = read.chain(known).collect();
    places.sort_by_key(|(finding, ..)| finding.severity());
    let places = first_places(places, &kinds);
    let remark = |(finding, field, detail): (Finding, &String, &String)| Remark {
        code: finding.code().to_owned(),
        field: shown(field),
        detail: shown(detail),
        ..Remark::default()
    };
    let codes = kinds.iter().map(|finding| finding.code().to_owned());
    (codes.collect(), places.into_iter().map(remark).collect())
}

/// As many places as are kept, in their order: many of one finding do not push out the first of another.
fn first_places<'a>(
    places: Vec<(Finding, &'a String, &'a String)>,
    kinds: &[Finding],
) -> Vec<(Finding, &'a String, &'a String)> {
    let mut further = Remark::KEPT_MAX.saturating_sub(kinds.len());
    let mut seen = BTreeSet::new();
    let mut kept = places;
    kept.retain(|(finding, ..)| {
        if seen.insert(*finding) {
            return true;
        }
        let room = further > 0;
        further -= usize::from(room);
        room
    });
    kept.truncate(Remark::KEPT_MAX);
    kept
}

fn line(document: DocumentId, routed: &Routed) -> ReceiptLine {
    ReceiptLine {
        delivery_id: delivery_id(document, &routed.route.receiver),
        receiver: routed.named.clone(),
        state: routed.state,
        state_vi: routed.state.wording().0.to_owned(),
    }
}

fn delivery(document: &Document, content: &Content, routed: &Routed) -> Delivery {
    let urgent = matches!(content.kind, PacketKind::Document(_)) && content.priority >= 1;
    Delivery {
        id: delivery_id(document.id, &routed.route.receiver),
        document: document.id,
        sender: content.from.organ_id.clone(),
        route: routed.route.clone(),
        lane: if urgent { Lane::Urgent } else { Lane::Normal },
        kind: content.kind.id_text().to_owned(),
        digest: document.digest,
        bytes: document.bytes,
        accepted_at: document.accepted_at,
        since: None,
        correlations: correlations(content),
        reportable: content.kind != PacketKind::Status,
        state: routed.state,
        generation: 1,
        published: 0,
        handed_off: false,
        attempts: 0,
        document_failures: 0,
        due: document.accepted_at,
        paused_at: None,
        elsewhere: None,
        foreign: false,
        contested: false,
        ours_to_fix: false,
        lease: None,
        may_have_arrived: false,
        order: 0,
        closed: false,
        mailbox: None,
        beyond: None,
    }
}

fn cover(content: &Content, signature: &str) -> Cover {
    let status = content.status.as_ref().map(|status| status.code.wording().0.to_owned());
    Cover {
        from_name: shown(&content.from.organ_name),
        code: shown(&format!("{}/{}", content.code_number, content.code_notation)),
        date: shown(&content.promulgation_date.text),
        subject: shown(&content.subject),
        priority: content.priority,
        type_name: shown(&status.unwrap_or_else(|| content.document_type_name.clone())),
        paper_follows: content.business.as_ref().map(|business| business.paper),
        signature: signature.to_owned(),
    }
}

/// What a status packet of ours would say of this document (spec edxml section 6).
fn subject(content: &Content) -> StatusSubject {
    StatusSubject {
        document_id: content.document_id.clone().unwrap_or_default(),
        code: format!("{}/{}", content.code_number, content.code_notation),
        promulgation_date: content.promulgation_date.text.clone(),
    }
}
