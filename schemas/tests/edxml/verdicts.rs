//! The table of signature policies, cell by cell, with signatures that are really made and really broken.

use std::sync::Arc;

use lienthong_schemas::edxml::{
    DocumentBuilder, REPAIR_NAMESPACES, Severity, SignaturePolicy, VerifiedEnvelope, semantic_digest, vouch,
};
use lienthong_schemas::organ::OrganId;
use lienthong_schemas::rejections::Rejection;
use xml_sig::{Authorities, Trust};

use super::signer::{Authority, judged, signed, signed_with_sha1, signer, trust, trust_after_days};
use super::{built, letter};

use SignaturePolicy::{RecordOnly, Required, VerifyIfPresent};

type Judged = Result<VerifiedEnvelope, Rejection>;

fn vouched(packet: &[u8], trust: &Trust, policy: SignaturePolicy) -> Judged {
    let (envelope, verdict) = judged(packet, trust, &[]);
    vouch(envelope, verdict, policy, false)
}

/// What came out: the verdict's name and its warning, or the refusal's name.
fn told(judged: Judged) -> String {
    match judged {
        Ok(envelope) => {
            let warnings = envelope.findings().kinds().iter().filter(|f| f.severity() == Severity::Warning);
            let findings: Vec<_> = warnings.map(|f| f.code()).collect();
            format!("{} {}", envelope.verdict_name(), findings.join(" ")).trim_end().to_owned()
        }
        Err(rejection) => rejection.code.row().name.to_owned(),
    }
}

fn row(packet: &[u8], trust: &Trust) -> [String; 3] {
    [Required, VerifyIfPresent, RecordOnly].map(|policy| told(vouched(packet, trust, policy)))
}

#[test]
fn a_valid_signature_is_accepted_and_names_its_signer() {
    let key = signer("Sở thử nghiệm");
    let packet = signed(&built(letter()), &key);
    let trust = trust(&[key.certificate().clone()]);
    assert_eq!(row(&packet, &trust), ["valid", "valid", "valid"]);
    let envelope = vouched(&packet, &trust, Required).expect("a valid signature");
    assert!(envelope.signer().is_some_and(|s| s.contains("thử nghiệm")), "{:?}", envelope.signer());
    assert_eq!(envelope.content().attachments.len(), 1);
}

#[test]
fn no_signature_is_refused_only_where_one_is_required() {
    let key = signer("x");
    let trust = trust(&[key.certificate().clone()]);
    let expected = ["SIGNATURE_MISSING", "absent SIGNATURE_ABSENT", "absent"];
    assert_eq!(row(&built(letter()), &trust), expected);
}

#[test]
fn a_signature_that_cannot_be_judged_counts_as_none() {
    let key = signer("x");
    let packet = signed(&built(letter()), &key);
    let expected = ["SIGNATURE_UNUSABLE", "unusable SIGNATURE_UNUSABLE", "unusable SIGNATURE_UNUSABLE"];
    assert_eq!(row(&packet, &trust(&[])), expected, "no trust configured");
    let renamed = "<edXML:Signature><edXML:SignatureValue/></edXML:Signature></edXML:edXMLHeader>";
    let packet = built(letter().with_raw("</edXML:edXMLHeader>", renamed));
    let noticed = "unusable SIGNATURE_NAMESPACE SIGNATURE_UNUSABLE";
    let expected = ["SIGNATURE_UNUSABLE", noticed, noticed];
    assert_eq!(row(&packet, &trust(&[key.certificate().clone()])), expected, "in the wrong namespace");
}

#[test]
fn a_changed_packet_is_refused_unless_only_recorded() {
    let key = signer("x");
    let packet = String::from_utf8(signed(&built(letter()), &key)).expect("UTF-8");
    let trust = trust(&[key.certificate().clone()]);
    let expected = ["SIGNATURE_INVALID", "SIGNATURE_INVALID", "invalid SIGNATURE_INVALID_RECORDED"];
    // A receiver, an attachment outside the envelope, a subject: all of it is signed.
    for (old, new) in
        [("H55.17", "H55.18"), ("JVBERi0", "JVBERi1"), ("<edXML:Subject>V/v", "<edXML:Subject>V/V")]
    {
        assert!(packet.contains(old), "{old}");
        assert_eq!(row(packet.replacen(old, new, 1).as_bytes(), &trust), expected, "{old}");
    }
}

#[test]
fn a_signer_who_is_not_trusted_is_told_so() {
    let (key, other) = (signer("x"), signer("x"));
    let packet = signed(&built(letter()), &key);
    let foreign = vouched(&packet, &trust(&[other.certificate().clone()]), VerifyIfPresent);
    assert_eq!(told(foreign), "SIGNER_NOT_TRUSTED");
    let expired = trust_after_days(&[key.certificate().clone()], 11);
    for policy in [Required, VerifyIfPresent] {
        let rejection = vouched(&packet, &expired, policy).expect_err("an expired certificate");
        assert_eq!(rejection.code.row().name, "SIGNER_NOT_TRUSTED");
        assert!(rejection.detail.as_deref().is_some_and(|d| d.starts_with("expired: ")), "{rejection}");
    }
}

#[test]
fn a_missing_revocation_list_is_our_trouble_where_a_signature_is_required() {
    let (authority, other) = (Authority::new("CA"), Authority::new("CA"));
    let key = authority.signer("x");
    let packet = signed(&built(letter()), &key);
    let with = |crls| Trust {
        authorities: Arc::new(Authorities {
            anchors: vec![authority.certificate()],
            crls,
            ..Authorities::default()
        }),
        ..trust(&[key.certificate().clone()])
    };
    assert_eq!(row(&packet, &with(vec![authority.list()])), ["valid", "valid", "valid"]);
    let expected = ["REVOCATION_UNKNOWN", "unusable SIGNATURE_UNUSABLE", "unusable SIGNATURE_UNUSABLE"];
    assert_eq!(row(&packet, &with(vec![other.list()])), expected);
    let rejection = vouched(&packet, &with(vec![other.list()]), Required).expect_err("no list");
    assert_eq!((rejection.code.row().status, rejection.retry_after_seconds), (503, Some(900)));
    assert!(
        rejection.detail.as_deref().is_some_and(|d| d.starts_with("revocation-unknown: ")),
        "{rejection}"
    );
}

#[test]
fn sha1_of_a_sender_that_may_use_it_is_valid_with_a_finding() {
    let (packet, certificate) = signed_with_sha1(&built(letter()));
    let strict = trust(&[certificate]);
    let expected = ["SIGNATURE_UNUSABLE", "unusable SIGNATURE_UNUSABLE", "unusable SIGNATURE_UNUSABLE"];
    assert_eq!(row(&packet, &strict), expected);
    let legacy = Trust { legacy_sha1: true, ..strict };
    assert_eq!(row(&packet, &legacy), ["valid SIGNATURE_SHA1"; 3]);
}

#[test]
fn claims_alone_are_refused_but_never_accepted() {
    let (key, other) = (signer("x"), signer("y"));
    let packet = signed(&built(letter()), &key);
    // The verdict on a foreign signer comes before the second reading: all there is are the claims of the first.
    let (envelope, verdict) = judged(&packet, &trust(&[other.certificate().clone()]), &[]);
    assert!(envelope.claimed_content().attachments.is_empty());
    let rejection = vouch(envelope, verdict, RecordOnly, false).expect_err("attachments were not read");
    assert_eq!(rejection.code.row().name, "TRY_AGAIN_LATER");
}

#[test]
fn a_repaired_packet_is_never_better_than_unusable() {
    let key = signer("x");
    let packet = String::from_utf8(signed(&built(letter()), &key)).expect("UTF-8");
    let broken = packet.replacen("<edXML:Reference>", "<edXML:Reference xlink:href=\"\">", 1);
    let trust = trust(&[key.certificate().clone()]);
    let of = |policy| {
        let (envelope, verdict) = judged(broken.as_bytes(), &trust, REPAIR_NAMESPACES);
        told(vouch(envelope, verdict, policy, true))
    };
    assert_eq!(of(Required), "SIGNATURE_UNUSABLE");
    assert_eq!(of(VerifyIfPresent), "unusable UNDECLARED_PREFIX_REPAIRED SIGNATURE_UNUSABLE");
    // Even a verdict that says otherwise does not help a packet that was repaired.
    let (envelope, valid) = judged(packet.as_bytes(), &trust, &[]);
    let accepted = vouch(envelope, valid, VerifyIfPresent, true).expect("accepted as unsigned");
    assert_eq!((accepted.verdict_name(), accepted.signer()), ("unusable", None));
}

pub(super) fn semantic(builder: DocumentBuilder) -> Option<String> {
    let envelope = vouched(&built(builder), &trust(&[]), VerifyIfPresent).expect("a letter");
    let from = envelope.content().from.organ_id.clone();
    semantic_digest(&envelope, &from).map(|digest| digest.to_string())
}

#[test]
fn the_semantic_digest_sees_what_a_document_says_and_not_to_whom() {
    let attached = |to: &[&str]| {
        DocumentBuilder::new("H55.15", to).attach("cv.pdf", "application/pdf", &b"%PDF-1.4 x"[..])
    };
    let one = semantic(attached(&["H01"])).expect("a document of type 0");
    assert_eq!(semantic(attached(&["H02", "H03"])), Some(one.clone()), "receivers are left out");
    assert_eq!(
        semantic(attached(&["H01"]).trace("H01", "2026/01/02 03:04:05")),
        Some(one.clone()),
        "and hops"
    );
    assert_eq!(semantic(attached(&["H01"]).document_id("other")), Some(one.clone()), "and the key itself");
    let whitespace = semantic(attached(&["H01"]).with_raw("<edXML:Subject>", "<edXML:Subject>\n "));
    assert_eq!(whitespace, Some(one.clone()));
    for other in [
        attached(&["H01"]).subject("V/v khác"),
        attached(&["H01"]).code("13", "STN-VP"),
        attached(&["H01"]).code("12", "STN-TC"),
        attached(&["H01"]).date("2026/01/03"),
        attached(&["H01"]).due_date("2026/02/01"),
        attached(&["H01"]).type_name("Thông báo"),
        attached(&["H01"]).response_for("H01", "1/X", "y", "2026/01/01"),
        attached(&["H01"]).business(lienthong_schemas::edxml::BusinessType::New, "lý do", ""),
        attached(&["H01"]).attach("b.pdf", "application/pdf", &b"%PDF"[..]),
        DocumentBuilder::new("H55.14", &["H01"]).attach("cv.pdf", "application/pdf", &b"%PDF-1.4 x"[..]),
        DocumentBuilder::new("H55.15", &["H01"]).attach("cv.pdf", "application/pdf", &b"%PDF-1.4 y"[..]),
        DocumentBuilder::new("H55.15", &["H01"]),
    ] {
        assert_ne!(semantic(other), Some(one.clone()));
    }
    let revoked = attached(&["H01"]).business(lienthong_schemas::edxml::BusinessType::Revoke, "x", "y");
    assert_eq!(semantic(revoked), None, "other types have none");
}

#[test]
fn the_semantic_digest_goes_by_the_code_that_the_directory_has() {
    let letter = |from: &str| {
        let builder = DocumentBuilder::new(from, &["H01"]);
        vouched(&built(builder), &trust(&[]), VerifyIfPresent).expect("a letter")
    };
    let own = OrganId::parse("H55.15").expect("a code");
    let (one, by_alias) = (letter("H55.15"), letter("000.00.15.H55"));
    assert_eq!(semantic_digest(&one, &own), semantic_digest(&by_alias, &own));
    assert_ne!(semantic_digest(&one, &own), semantic_digest(&one, &by_alias.content().from.organ_id));
}

#[test]
fn a_policy_is_written_in_kebab_case() {
    for (policy, text) in
        [(Required, "required"), (VerifyIfPresent, "verify-if-present"), (RecordOnly, "record-only")]
    {
        assert_eq!(serde_json::to_string(&policy).expect("JSON"), format!("\"{text}\""));
    }
    assert_eq!(SignaturePolicy::default(), VerifyIfPresent);
}
