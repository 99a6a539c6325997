//! What is odd about an attachment, with its place and value.

use super::archives::{jar, two};
use super::{built, letter_with_none, packet};
use crate::{codes, read};

const ATTACHED: &str = "AttachmentEncoded/Attachment[1]";
const LISTED: &str = "edXMLBody/edXMLManifest/Reference[1]";

/// (code, path, value) of all that is noticed about attachments, the writing of their names apart.
fn noticed(packet: &[u8]) -> Vec<(&'static str, String, String)> {
    let (envelope, _) = read(packet).expect("a packet");
    let remarks = envelope.claimed_content().findings.remarks();
    let about = |path: &str| path.starts_with("AttachmentEncoded") || path.starts_with("edXMLBody");
    let of_text = |code: &str| code.starts_with("TEXT_");
    remarks
        .iter()
        .filter(|r| about(&r.field) && !of_text(r.finding.code()))
        .map(|r| (r.finding.code(), r.field.clone(), r.detail.clone()))
        .collect()
}

fn at(code: &'static str, path: &str, detail: &str) -> (&'static str, String, String) {
    (code, path.to_owned(), detail.to_owned())
}

fn attached(name: &str, content_type: &str, bytes: &[u8]) -> Vec<(&'static str, String, String)> {
    noticed(&packet(name, content_type, bytes))
}

#[test]
fn a_plain_attachment_is_not_odd() {
    for (name, content_type, bytes) in [
        ("cv.pdf", "application/pdf", &b"%PDF-1.4 x"[..]),
        ("cv.txt", "text/plain", "Kính gửi".as_bytes()),
        ("Tờ trình số 12 (bản cuối).doc", "application/msword", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0"),
        ("so-lieu.bin", "application/octet-stream", &[0, 1, 2, 3]),
        ("anh.JPG", "image/jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF"),
    ] {
        assert_eq!(attached(name, content_type, bytes), [], "{name}");
    }
}

#[test]
fn types_that_differ_are_noticed() {
    let (data, kind) = (format!("{ATTACHED}/ContentTransferEncoded"), format!("{ATTACHED}/ContentType"));
    let (name, listed) = (format!("{ATTACHED}/AttachmentName"), format!("{LISTED}/ContentType"));
    let zip = jar(b"%PDF-1.4");
    assert_eq!(
        attached("a.pdf", "application/pdf", &zip),
        [at("CONTENT_TYPE_MISMATCH", &kind, "application/pdf"), at("ATTACHMENT_ZIPPED", &data, "a.pdf"),],
        "the manifest speaks of the file, and rightly"
    );
    assert_eq!(
        attached("a.pdf", "image/png", &zip),
        [
            at("CONTENT_TYPE_MISMATCH", &kind, "image/png"),
            at("CONTENT_TYPE_MISMATCH", &listed, "image/png"),
            at("ATTACHMENT_ZIPPED", &data, "a.pdf"),
        ]
    );
    assert_eq!(
        attached("a.pdf", "application/zip", b"%PDF-1.4"),
        [
            at("CONTENT_TYPE_MISMATCH", &kind, "application/zip"),
            at("CONTENT_TYPE_MISMATCH", &listed, "application/zip"),
        ]
    );
    assert_eq!(
        attached("cong-van.doc", "", b"<html><body>"),
        [at("ATTACHMENT_TYPE_DIFFERS", &name, "cong-van.doc: html")]
    );
    assert_eq!(
        attached("a.txt", "application/zip", &two(b"x", b"y")),
        [at("ATTACHMENT_SEVERAL_ENTRIES", &data, "2")]
    );
}

#[test]
fn programs_are_noticed_by_their_bytes_and_by_their_names() {
    let data = format!("{ATTACHED}/ContentTransferEncoded");
    let exe = [b"MZ\x90\0".as_slice(), &[0; 60]].concat();
    let program = |name| at("ATTACHMENT_PROGRAM", &data, name);
    assert_eq!(attached("cai-dat.exe", "", &exe), [program("cai-dat.exe")]);
    assert_eq!(attached("cai-dat.txt", "", &jar(&exe))[1], program("cai-dat.txt"), "in a ZIP too");
    assert_eq!(attached("a.VBS", "", b"MsgBox 1"), [program("a.VBS")]);
    assert_eq!(attached("a", "", b"#!/bin/sh\nrm"), [program("a")]);
}

#[test]
fn what_holds_nothing_or_rubbish_is_noticed() {
    let data = format!("{ATTACHED}/ContentTransferEncoded");
    assert_eq!(attached("a.pdf", "application/pdf", b""), [at("ATTACHMENT_EMPTY", &data, "a.pdf")]);
    assert_eq!(
        attached("a.txt", "", &jar(b"")),
        [at("ATTACHMENT_EMPTY", &data, "a.txt"), at("ATTACHMENT_ZIPPED", &data, "a.txt")]
    );
    let mangled = String::from_utf8_lossy(b"PK\x03\x04\x14\0\x08\x08\x08\0\xe9\xb3\xf2").into_owned();
    assert_eq!(
        attached("a.xlsx", "application/zip", mangled.as_bytes()),
        [at("ATTACHMENT_MANGLED", &data, "a.xlsx")],
        "what was mangled is not called a damaged ZIP besides"
    );
    let text = String::from_utf8(packet("a.pdf", "", b"%PDF-1.4")).expect("UTF-8");
    let strange = text.replacen("JVBERi0xLjQ=", "JVBE#Ri0xLjQgeCB4", 1);
    assert_eq!(
        noticed(strange.as_bytes()),
        [at("ATTACHMENT_BASE64", &data, "characters that are not base64")]
    );
    let cut = text.replacen("JVBERi0xLjQ=", "JVBERi0xL", 1);
    assert_eq!(noticed(cut.as_bytes()), [at("ATTACHMENT_BASE64", &data, "cut off")]);
    let slot = text.replacen("JVBERi0xLjQ=", "${__StringFromFile(a.pdf)}", 1);
    assert_eq!(noticed(slot.as_bytes()), [at("PLACEHOLDER_ATTACHMENT", &data, "a.pdf")]);
}

#[test]
fn names_that_are_no_file_names_are_noticed() {
    let field = format!("{ATTACHED}/AttachmentName");
    for (name, told) in
        [("../../x.pdf", "../../x.pdf"), ("a\u{202e}fdp.exe", "a\\u{202e}fdp.exe"), ("nul", "nul")]
    {
        assert!(
            attached(name, "", b"%PDF-1.4").contains(&at("ATTACHMENT_NAME_UNSAFE", &field, told)),
            "{name}"
        );
    }
    let decomposed = "Tie\u{302}\u{301}ng.pdf";
    assert_eq!(attached(decomposed, "", b"%PDF-1.4"), [], "letters with combining marks are letters");
    assert_eq!(attached("", "", b"%PDF-1.4"), [at("ATTACHMENT_NAME_MISSING", &field, "")]);
}

/// A packet of two attachments in which each `old` became `new`.
fn listed(changes: &[(&str, &str)]) -> Vec<u8> {
    let builder = letter_with_none();
    let builder = builder.attach("a.pdf", "", &b"%PDF-1.4"[..]).attach("b.pdf", "", &b"%PDF-1.5"[..]);
    let mut text = String::from_utf8(built(builder)).expect("UTF-8");
    for (old, new) in changes {
        assert!(text.contains(old), "{old}");
        text = text.replacen(old, new, 1);
    }
    text.into_bytes()
}

#[test]
fn references_match_by_content_id_and_then_by_position() {
    let (one, two) = ("cid:attachment-1", "cid:attachment-2");
    let references = |packet: &[u8]| {
        let (envelope, _) = read(packet).expect("a packet");
        let attachments = &envelope.claimed_content().attachments;
        (attachments.iter().map(|a| a.reference).collect::<Vec<_>>(), codes(&envelope))
    };
    assert_eq!(references(&listed(&[])), (vec![Some(0), Some(1)], vec![]));
    let crossed = listed(&[(one, "cid:x"), (two, one), ("cid:x", two)]);
    let names = "ATTACHMENT_NAME_DIFFERS";
    assert_eq!(references(&crossed), (vec![Some(1), Some(0)], vec![names]));
    let first_only = listed(&[(one, "cid:x")]);
    assert_eq!(references(&first_only), (vec![Some(0), Some(1)], vec!["ATTACHMENT_BY_POSITION"]));
    let none = listed(&[(one, ""), (two, "")]);
    let (found, told) = references(&none);
    assert_eq!(found, [Some(0), Some(1)]);
    assert!(told.contains(&"ATTACHMENT_BY_POSITION"), "{told:?}");
    let repeated = listed(&[(two, one)]);
    let expected = vec!["CONTENT_ID_REPEATED", "ATTACHMENT_BY_POSITION"];
    assert_eq!(references(&repeated), (vec![Some(0), Some(1)], expected));
}

#[test]
fn what_is_odd_about_the_manifest_has_its_place() {
    let second = "AttachmentEncoded/Attachment[2]";
    let form = listed(&[("cid:attachment-1", "attachment-1"), ("cid:attachment-2", "cid:cid:attachment-2")]);
    assert_eq!(
        noticed(&form),
        [
            at("CONTENT_ID_FORM", &format!("{LISTED}/ContentId"), "attachment-1"),
            at("CONTENT_ID_FORM", "edXMLBody/edXMLManifest/Reference[2]/ContentId", "cid:cid:attachment-2"),
        ]
    );
    let name = listed(&[("a.pdf", "khac.pdf")]);
    let expected = at("ATTACHMENT_NAME_DIFFERS", &format!("{LISTED}/AttachmentName"), "khac.pdf");
    assert_eq!(noticed(&name), [expected]);
    let start = "<edXML:Reference>";
    let text = String::from_utf8(listed(&[])).expect("UTF-8");
    let at_second = text.match_indices(start).nth(1).expect("two references").0;
    let end = at_second
        + text[at_second..].find("</edXML:Reference>").expect("its end")
        + "</edXML:Reference>".len();
    let shorter = [&text[..at_second], &text[end..]].concat();
    assert_eq!(noticed(shorter.as_bytes()), [at("ATTACHMENT_UNREFERENCED", second, "attachment-2")]);
    let from =
        text.rfind("<Attachment>").or_else(|| text.rfind("<edXML:Attachment>")).expect("an attachment");
    let to = from + text[from..].find("Attachment>\r\n  </").expect("its end") + "Attachment>".len();
    let fewer = [&text[..from], &text[to..]].concat();
    let unresolved = at("REFERENCE_UNRESOLVED", "edXMLBody/edXMLManifest/Reference[2]", "b.pdf");
    assert_eq!(noticed(fewer.as_bytes()), [unresolved]);
}
