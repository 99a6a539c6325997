//! The packet for programs: every field, in the form that `docs/inspect.schema.json` fixes. Texts are escaped as everywhere.

use lienthong_schemas::codes::{Level1, ReceiverType};
use lienthong_schemas::edxml::{
    Attachment, Business, Content, DateText, FileFacts, PacketKind, Packing, Party, Remark, ResponseFor,
    Staff, Status,
};
use lienthong_schemas::rejections::{Rejection, RejectionCode};
use lienthong_schemas::safe_text::SafeText;
use serde_json::{Value, json};

use super::Inspected;
use super::extract::Names;
use super::signature::Judgement;
use super::words::{iso, priority};

/// The version of the form. It is raised when a key goes or changes its meaning; keys may be added at any time.
const FORMAT: u32 = 1;

/// A packet that was read.
pub(super) fn packet(seen: &Inspected) -> Value {
    let content = seen.envelope.claimed_content();
    let mut all = header(content);
    let more = json!({
        "format": FORMAT,
        "packet": { "bytes": seen.source.bytes, "sha256": seen.source.sha256 },
        "undeclared_prefixes_repaired": seen.repaired,
        "attachments": attachments(content, seen),
        "findings": seen.remarks.iter().map(finding).collect::<Vec<_>>(),
        "signature": signature(&seen.judgement),
    });
    for part in [more, body(content)] {
        if let (Value::Object(all), Value::Object(part)) = (&mut all, part) {
            all.extend(part);
        }
    }
    all
}

/// A packet that was refused: every error that is known.
pub(super) fn rejected(rejection: &Rejection) -> Value {
    let first = error(rejection.code, &rejection.field, &rejection.detail);
    let also = rejection.also.iter().map(|also| error(also.code, &also.field, &also.detail));
    json!({ "format": FORMAT, "rejected": std::iter::once(first).chain(also).collect::<Vec<_>>() })
}

fn error(code: RejectionCode, field: &Option<String>, detail: &Option<String>) -> Value {
    let row = code.row();
    json!({
        "code": row.name, "severity": "error", "field": field, "detail": detail,
        "vi": row.title_vi, "en": row.title_en, "rule_vi": row.rule_vi, "rule_en": row.rule_en,
    })
}

fn header(content: &Content) -> Value {
    let (kind_vi, kind_en) = match content.kind {
        PacketKind::Document(business) => {
            let (vi, en) = business.wording();
            (format!("gói tin văn bản: {vi}"), format!("document packet: {en}"))
        }
        PacketKind::Status => ("gói tin trạng thái".to_owned(), "status packet".to_owned()),
    };
    let (priority_vi, priority_en) = priority(content.priority);
    json!({
        "kind": content.kind.id_text(), "kind_vi": kind_vi, "kind_en": kind_en,
        "from": party(&content.from),
        "to": content.to.iter().map(party).collect::<Vec<_>>(),
        "document_id": content.document_id.as_deref().map(safe),
        "number": safe(&format!("{}/{}", content.code_number, content.code_notation)),
        "code_number": safe(&content.code_number), "code_notation": safe(&content.code_notation),
        "promulgation_place": safe(&content.promulgation_place),
        "promulgation_date": safe(&content.promulgation_date.text),
        "promulgation_date_iso": iso(&content.promulgation_date),
        "document_type": safe(&content.document_type_name),
        "document_type_code": safe(&content.document_type),
        "document_type_detail": safe(&content.document_type_detail),
        "subject": safe(&content.subject), "content_summary": safe(&content.content_summary),
        "signer": {
            "competence": safe(&content.signer.competence), "position": safe(&content.signer.position),
            "full_name": safe(&content.signer.full_name),
        },
        "due_date": safe(&content.due_date.text), "due_date_iso": iso(&content.due_date),
        "priority": content.priority, "priority_vi": priority_vi, "priority_en": priority_en,
        "to_places": texts(&content.to_places), "sphere": safe(&content.sphere),
        "typer_notation": safe(&content.typer_notation),
        "promulgation_amount": safe(&content.promulgation_amount), "page_amount": safe(&content.page_amount),
        "reply_fors": safe(&content.reply_fors), "reference_codes": safe(&content.reference_codes),
        "direction": safe(&content.direction), "appendixes": texts(&content.appendixes),
        "steering_type": safe(&content.steering_type), "task_codes": texts(&content.task_codes),
        "application_type": safe(&content.application_type),
    })
}

fn body(content: &Content) -> Value {
    let trace = content.trace.iter().map(|hop| {
        json!({
            "organ_text": safe(&hop.organ_text), "timestamp": safe(&hop.timestamp.text),
            "timestamp_iso": iso(&hop.timestamp),
        })
    });
    let manifest = content.manifest.iter().map(|reference| {
        json!({
            "content_id": safe(&reference.content_id), "content_type": safe(&reference.content_type),
            "name": safe(&reference.name), "description": safe(&reference.description),
            "href": safe(&reference.href), "role": safe(&reference.role),
            "link_type": safe(&reference.link_type),
        })
    });
    let unknown = content.unknown.iter().map(|element| {
        json!({
            "path": safe(&element.path), "namespace": safe(&element.namespace), "offset": element.offset,
            "text": safe(&element.text),
        })
    });
    let list = &content.trace_list;
    json!({
        "response_for": content.response_for.iter().map(response).collect::<Vec<_>>(),
        "business": content.business.as_ref().map(business),
        "trace_list": {
            "id": safe(&list.id), "version": safe(&list.version),
            "must_understand": safe(&list.must_understand), "actor": safe(&list.actor),
        },
        "trace": trace.collect::<Vec<_>>(),
        "status": content.status.as_ref().map(status),
        "manifest_version": safe(&content.manifest_version),
        "manifest": manifest.collect::<Vec<_>>(),
        "unknown": unknown.collect::<Vec<_>>(),
    })
}

fn party(party: &Party) -> Value {
    let level1 = Level1::of(&party.organ_id).map(|level1| {
        json!({
            "code": level1.code, "vi": level1.vi, "en": level1.en, "certainty": level1.certainty.as_str(),
            "valid_to": level1.valid_to.map(|day| day.to_string()), "successors": level1.successor_codes,
        })
    });
    json!({
        "organ_id": party.organ_id, "organ_text": safe(&party.organ_text), "name": safe(&party.organ_name),
        "organization_in_charge": safe(&party.organization_in_charge), "address": safe(&party.address),
        "email": safe(&party.email), "telephone": safe(&party.telephone), "fax": safe(&party.fax),
        "website": safe(&party.website),
        "level1": level1,
    })
}

fn response(response: &ResponseFor) -> Value {
    let (date, date_iso) = dated(&response.promulgation_date);
    json!({
        "organ_id": response.organ_id, "organ_text": safe(&response.organ_text),
        "code": safe(&response.code), "document_id": safe(&response.document_id),
        "promulgation_date": date, "promulgation_date_iso": date_iso,
    })
}

fn business(business: &Business) -> Value {
    let (type_vi, type_en) = business.kind.wording();
    let changes = business.receiver_changes.iter().map(|change| {
        let means = ReceiverType::parse(&change.receiver_type).map(|means| match means {
            ReceiverType::Added => "added",
            ReceiverType::Removed => "removed",
        });
        json!({
            "organ_id": change.organ_id, "organ_text": safe(&change.organ_text),
            "receiver_type": safe(&change.receiver_type), "change": means,
        })
    });
    let replaced = business.replaced.iter().map(|replaced| {
        json!({ "document_id": safe(&replaced.document_id), "organ_ids": texts(&replaced.organ_ids) })
    });
    json!({
        "type": business.kind.digit(), "type_vi": type_vi, "type_en": type_en,
        "document_id": business.document_id.as_deref().map(safe), "reason": safe(&business.reason),
        "paper": business.paper, "document_changed": business.document_changed,
        "receivers_changed": business.receivers_changed,
        "receiver_changes": changes.collect::<Vec<_>>(), "replaced": replaced.collect::<Vec<_>>(),
        "staff": business.staff.iter().map(staff).collect::<Vec<_>>(),
    })
}

fn staff(staff: &Staff) -> Value {
    json!({
        "department": safe(&staff.department), "department_id": safe(&staff.department_id),
        "name": safe(&staff.name), "staff_id": safe(&staff.staff_id), "email": safe(&staff.email),
        "mobile": safe(&staff.mobile),
    })
}

fn status(status: &Status) -> Value {
    let (meaning, meaning_en) = status.code.wording();
    let (timestamp, timestamp_iso) = dated(&status.timestamp);
    json!({
        "code": status.code.digits(), "meaning": meaning, "meaning_en": meaning_en,
        "description": safe(&status.description), "timestamp": timestamp, "timestamp_iso": timestamp_iso,
        "staff": status.staff.as_ref().map(staff),
    })
}

fn attachments(content: &Content, seen: &Inspected) -> Vec<Value> {
    let named = content.attachments.iter().zip(&seen.names);
    named.map(|(one, names)| attachment(one, names, seen.saved_in.is_some())).collect()
}

fn attachment(attachment: &Attachment, names: &Names, saved: bool) -> Value {
    let saved = saved && !attachment.placeholder;
    let (packing, levels) = match attachment.packing {
        Packing::Bare => ("bare", 0),
        Packing::Zipped(levels) => ("zipped", levels),
        Packing::FirstOfSeveral(levels) => ("first-of-several", levels),
        Packing::Unreadable => ("unreadable", 0),
    };
    json!({
        "name": safe(&attachment.name), "content_id": safe(&attachment.content_id),
        "content_type": safe(&attachment.content_type), "description": safe(&attachment.description),
        "field_name": safe(&attachment.field_name), "mime_type": safe(&attachment.mime_type),
        "format": safe(&attachment.format), "encoded_characters": attachment.encoded,
        "bytes": attachment.packed.bytes, "sha256": attachment.packed.sha256,
        "type": attachment.packed.kind.code(),
        "packing": packing, "zip_levels": levels, "file": file(&attachment.file),
        "reference": attachment.reference, "placeholder": attachment.placeholder,
        "safe_name": names.file, "saved": saved.then_some(&names.file),
        "saved_archive": names.archive.as_ref().filter(|_| saved),
    })
}

fn file(file: &FileFacts) -> Value {
    let (vi, en) = file.kind.wording();
    json!({ "bytes": file.bytes, "sha256": file.sha256, "type": file.kind.code(), "type_vi": vi, "type_en": en })
}

fn finding(remark: &Remark) -> Value {
    let (vi, en) = remark.finding.wording();
    json!({
        "code": remark.finding.code(), "severity": remark.finding.severity().as_str(),
        "field": safe(&remark.field), "detail": safe(&remark.detail), "vi": vi, "en": en,
    })
}

fn signature(judgement: &Judgement) -> Value {
    let (why_vi, why_en) = judgement.wording().unzip();
    let signer = judgement.signer.as_ref().map(|certificate| {
        json!({
            "subject": safe(&certificate.subject()), "issuer": safe(&certificate.issuer()),
            "serial": certificate.serial(), "not_before": certificate.not_before().to_string(),
            "not_after": certificate.not_after().to_string(), "sha256": hex::encode(certificate.sha256()),
        })
    });
    let algorithms = judgement.algorithms.map(|[signature, digest, canonicalisation]| {
        json!({ "signature": signature, "digest": digest, "canonicalisation": canonicalisation })
    });
    let checked = judgement.checked;
    json!({
        "verdict": judgement.verdict, "signer": signer, "covers": judgement.covers.as_deref().map(safe),
        "algorithms": algorithms, "sha1": judgement.sha1,
        "why": judgement.code, "why_vi": why_vi, "why_en": why_en,
        "detail": judgement.detail.as_deref().map(safe), "at": judgement.at,
        "checked": {
            "content": checked.content, "signer": checked.signer, "revocation": checked.revocation,
        },
    })
}

fn dated(date: &DateText) -> (Value, Option<String>) {
    (safe(&date.text), iso(date))
}

fn safe(text: &str) -> Value {
    Value::String(SafeText::new(text).into_string())
}

fn texts(texts: &[String]) -> Vec<Value> {
    texts.iter().map(|text| safe(text)).collect()
}
