//! Packets that are signed by their parts: good when every part that is read is signed, whatever name it goes by.

use lienthong_schemas::edxml::{NAMESPACE, PLACES, SignaturePolicy, covers_packet, vouch};
use xml_sig::{Limits, Places, Reach, ReadOptions, SigningKey, Trust, Unwatched, Verdict, locate};

use super::signer::{judged, signed, signed_by_parts, signer, trust};
use super::{built, letter};

const ENVELOPE: &str = "edXML:edXMLEnvelope";
const HEADER: &str = "edXML:edXMLHeader";
const BODY: &str = "edXML:edXMLBody";
const ATTACHMENTS: &str = "AttachmentEncoded";
const IN_HEADER: &str = "</edXML:edXMLHeader>";
const IN_ROOT: &str = "</edXML>";

/// `valid`, or the code of what is wrong; however far the first pass reads.
fn word(packet: &str, places: &Places<'_>, trust: &Trust) -> String {
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let [one, two] = [Reach::Signature, Reach::End].map(|reach| {
        let located =
            locate(&mut packet.as_bytes(), &options, places, reach, &mut Unwatched).expect("well-formed");
        match located.verify(&mut packet.as_bytes(), trust, &mut Unwatched).expect("the same bytes") {
            Verdict::Invalid { why, .. } => why.code(),
            other => other.name(),
        }
    });
    assert_eq!(one, two);
    one.to_owned()
}

#[test]
fn a_packet_signed_by_all_its_parts_is_accepted() {
    let key = signer("x");
    let trust = trust(key.certificates());
    for (parts, before) in [
        (&[ENVELOPE, ATTACHMENTS][..], IN_ROOT),
        (&[ENVELOPE, ATTACHMENTS], IN_HEADER),
        (&[HEADER, BODY, ATTACHMENTS], IN_ROOT),
        (&[HEADER, BODY, ATTACHMENTS], IN_HEADER),
        (&[ATTACHMENTS, BODY, HEADER], IN_HEADER),
    ] {
        let packet = signed_by_parts(&built(letter()), parts, before, &key);
        let (envelope, verdict) = judged(packet.as_bytes(), &trust, &[]);
        let accepted = vouch(envelope, verdict, SignaturePolicy::Required, false).expect("all is signed");
        assert_eq!(accepted.verdict_name(), "valid", "{parts:?}");
        assert_eq!(accepted.content().attachments.len(), 1);
        for (old, new) in [("H55.17", "H55.18"), ("JVBERi0", "JVBERi1"), ("cv.pdf", "vc.pdf")] {
            assert_eq!(word(&packet.replacen(old, new, 1), &PLACES, &trust), "digest", "{old}");
        }
    }
}

#[test]
fn a_part_that_is_read_and_not_signed_is_refused() {
    let key = signer("x");
    let trust = trust(key.certificates());
    for parts in [
        &[HEADER][..],
        &[BODY],
        &[ATTACHMENTS],
        &[ENVELOPE],
        &[HEADER, BODY],
        &[HEADER, ATTACHMENTS],
        &[BODY, ATTACHMENTS],
        &["edXML:MessageHeader", BODY, ATTACHMENTS],
        &[HEADER, BODY, "Attachment"],
    ] {
        let packet = signed_by_parts(&built(letter()), parts, IN_ROOT, &key);
        assert_eq!(word(&packet, &PLACES, &trust), "coverage", "{parts:?}");
    }
}

#[test]
fn what_is_put_beside_or_around_the_signed_parts_is_refused() {
    let key = signer("x");
    let trust = trust(key.certificates());
    let packet = signed_by_parts(&built(letter()), &[HEADER, BODY, ATTACHMENTS], IN_ROOT, &key);
    let envelope_end = "</edXML:edXMLEnvelope>";
    for (before, forged) in [
        ("<edXML:edXMLEnvelope", "<edXMLEnvelope><edXMLHeader/></edXMLEnvelope>"),
        (IN_ROOT, "<edXMLEnvelope><edXMLHeader/></edXMLEnvelope>"),
        (IN_ROOT, "<edXMLEnvelope xmlns=''><edXMLBody/></edXMLEnvelope>"),
        (IN_ROOT, "<AttachmentEncoded/>"),
        (IN_ROOT, "<AttachmentEncoded xmlns='u:x'/>"),
        (envelope_end, "<edXMLBody/>"),
        (envelope_end, "<x:edXMLHeader xmlns:x='u:x'/>"),
    ] {
        let changed = packet.replacen(before, &format!("{forged}{before}"), 1);
        assert_ne!(changed, packet);
        assert_eq!(word(&changed, &PLACES, &trust), "coverage", "{forged}");
    }
    // The genuine attachments in an extension, and others where they are read.
    let at = packet.find("<AttachmentEncoded").expect("attachments");
    let to = packet.find("</AttachmentEncoded>").expect("attachments") + "</AttachmentEncoded>".len();
    let genuine = &packet[at..to];
    for forged in [
        format!("<Extension>{genuine}</Extension><AttachmentEncoded/>"),
        format!("<AttachmentEncoded>{genuine}</AttachmentEncoded>"),
    ] {
        assert_eq!(word(&packet.replacen(genuine, &forged, 1), &PLACES, &trust), "coverage", "{forged}");
    }
    // What is not read may be there. A part that was signed may not be gone.
    assert_eq!(word(&packet.replacen(IN_ROOT, "<Extension/></edXML>", 1), &PLACES, &trust), "valid");
    assert_eq!(word(&packet.replacen(genuine, "", 1), &PLACES, &trust), "id");
}

#[test]
fn a_signature_over_something_that_is_no_packet_vouches_for_none() {
    let key = signer("x");
    let trust = trust(key.certificates());
    let other = format!("<edXML xmlns=\"{NAMESPACE}\"><Extension></Extension></edXML>");
    let other = signed_by_parts(other.as_bytes(), &["Extension"], IN_ROOT, &key);
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let verdict = || {
        let located =
            locate(&mut other.as_bytes(), &options, &PLACES, Reach::End, &mut Unwatched).expect("reads");
        located.verify(&mut other.as_bytes(), &trust, &mut Unwatched).expect("reads")
    };
    let Verdict::Valid(valid) = verdict() else { panic!("every part that is there is signed") };
    assert!(!covers_packet(&valid), "{}", valid.covers());
    let whole = signed(&built(letter()), &key);
    let envelope = || judged(&whole, &trust, &[]).0;
    let refused = vouch(envelope(), verdict(), SignaturePolicy::Required, false).expect_err("not signed");
    assert_eq!(refused.code.row().name, "SIGNATURE_UNUSABLE");
    let accepted =
        vouch(envelope(), verdict(), SignaturePolicy::VerifyIfPresent, false).expect("as unsigned");
    assert_eq!((accepted.verdict_name(), accepted.signer()), ("unusable", None));
}
