//! Signing: the document stays as it was, byte for byte, and what comes out verifies.

use std::io::{self, BufRead};

use xml_sig::{Limits, ReadOptions, SignError, SoftwareKey, sign};

use crate::support::*;

const HEADER: &[(&str, &str)] = &[("", "r"), ("", "h")];

fn signed_with(document: &str, parent: &[(&str, &str)], given: &[(&str, &str)]) -> Result<String, SignError> {
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: given };
    let mut output = Vec::new();
    let owned = document.as_bytes().to_vec();
    let mut input = move || -> io::Result<Box<dyn BufRead>> { Ok(Box::new(io::Cursor::new(owned.clone()))) };
    sign(&mut input, parent, &ec().signing_key(), &options, &mut output)?;
    Ok(String::from_utf8(output).unwrap())
}

#[test]
fn the_signature_is_the_last_child_and_the_rest_is_unchanged() {
    for document in [
        "<r><h></h></r>",
        "<r><h>x<i/></h ></r>",
        "\u{FEFF}<?xml version='1.0'?>\r\n<r xmlns:ds='u:other' xml:lang='&quot;&#10;vi'><h xml:space='preserve'  >\r\n</h>\n</r><!-- -->",
        "<r><a><h/></a><h xmlns:p='u:&amp;&lt;' a='/>'>\u{1EE6}y ban</h></r>",
    ] {
        let signed = signed_with(document, HEADER, &[]).unwrap();
        let from = signed.find("<ds:Signature ").unwrap();
        let to = signed.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
        assert!(signed[to..].starts_with("</h"), "{signed}");
        assert_eq!(format!("{}{}", &signed[..from], &signed[to..]), document);
        assert_eq!(judge(&signed, &pinned(&[ec()])), "valid", "{signed}");
    }
}

#[test]
fn an_empty_parent_is_opened_up() {
    for (document, before) in [("<r><h/></r>", "<r><h>"), ("<r><h a='' />\n</r>", "<r><h a='' >")] {
        let signed = signed_with(document, HEADER, &[]).unwrap();
        assert!(signed.starts_with(before) && signed.contains("</ds:Signature></h>"), "{signed}");
        assert_eq!(judge(&signed, &pinned(&[ec()])), "valid", "{signed}");
    }
    let signed = signed_with("<r/>", &[("", "r")], &[]).unwrap();
    assert_eq!(judge(&signed, &pinned(&[ec()])), "valid");
    let prefixed = signed_with("<p:r xmlns:p='u:p'/>", &[("u:p", "r")], &[]).unwrap();
    assert!(prefixed.ends_with("</ds:Signature></p:r>"), "{prefixed}");
}

#[test]
fn all_certificates_of_the_key_file_are_sent_along() {
    let both = [ec().certificate_pem(), rsa().certificate_pem()].concat();
    let key = SoftwareKey::from_pem(&ec().key_pem(), &both).unwrap();
    assert_eq!(key.certificate(), &ec().certificate());
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let mut output = Vec::new();
    let mut input = || -> io::Result<Box<dyn BufRead>> { Ok(Box::new(&b"<r/>"[..])) };
    sign(&mut input, &[("", "r")], &key, &options, &mut output).unwrap();
    let signed = String::from_utf8(output).unwrap();
    assert_eq!(signed.matches("<ds:X509Certificate>").count(), 2);
    assert_eq!(judge(&signed, &pinned(&[ec()])), "valid");
}

#[test]
fn documents_that_cannot_be_signed_are_refused() {
    let refused = |document: &str| signed_with(document, HEADER, &[]).unwrap_err();
    let signed = signed_with("<r><h/></r>", HEADER, &[]).unwrap();
    assert!(matches!(refused(&signed), SignError::AlreadySigned));
    assert!(matches!(refused("<r><b/></r>"), SignError::Parent(0)));
    assert!(matches!(refused("<r><h xmlns='u:h'/></r>"), SignError::Parent(0)));
    assert!(matches!(refused("<r><h/><h/></r>"), SignError::Parent(2)));
    assert!(matches!(refused("<r xmlns:p='p'><h/></r>"), SignError::RelativeNamespace));
    assert!(matches!(refused("<r><h></r>"), SignError::Read(_)));
    assert!(matches!(signed_with("<r><h p:a=''/></r>", HEADER, &[("p", "u:p")]), Err(SignError::Repaired)));
    assert!(signed_with("<r><h/></r>", HEADER, &[("p", "u:p")]).is_ok(), "nothing needed repair");
}

#[test]
fn a_document_that_changes_while_it_is_signed_is_refused() {
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let mut calls = 0;
    let mut input = || -> io::Result<Box<dyn BufRead>> {
        calls += 1;
        Ok(Box::new(if calls == 1 { &b"<r><h/></r>"[..] } else { &b"<r><h/></r>\n"[..] }))
    };
    let refused = sign(&mut input, HEADER, &ec().signing_key(), &options, &mut Vec::new());
    assert!(matches!(refused, Err(SignError::Changed)));
}
