//! Two passes over one document: the first may end with the Signature, and the verdict is the same.

use std::io::{self, BufReader, Read};

use xml_sig::{Limits, Reach, ReadOptions, Unwatched, locate};

use crate::parts::*;
use crate::support::{PLACES, Record, ec, judge_with, pinned, word};

const A: &str = "<a Id=\"a\">1</a>";
const B: &str = "<b Id=\"b\"><c></c></b>";

#[test]
fn the_second_pass_digests_what_it_reads_and_nothing_remembered() {
    let document = format!("<r>{A}{B}{}<x>1</x></r>", signature(&[to("a", &[], A), to("b", &[], B)]));
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    for (from, to, outcome) in [
        ("<x>1", "<x>2", "valid"),
        (">1<", ">2<", "invalid digest"),
        ("Id=\"b\"", "Id=\"c\"", "invalid id"),
        ("<x>1</x>", "<x Id='b'/>", "invalid id"),
        ("<r>", "<r> ", "invalid digest"),
        ("</ds:Signature>", " </ds:Signature>", "invalid digest"),
        ("<x>1</x>", &signature(&[]), "invalid duplicate"),
    ] {
        let other = document.replacen(from, to, 1);
        assert_ne!(other, document);
        for reach in [Reach::Signature, Reach::End] {
            let located = locate(&mut document.as_bytes(), &options, &PLACES, reach, &mut Unwatched).unwrap();
            let mut record = Record::default();
            let verdict = located.verify(&mut other.as_bytes(), &pinned(&[ec()]), &mut record).unwrap();
            assert_eq!(word(&verdict), outcome, "{from} to {to}, {reach:?}");
        }
    }
}

/// Fails when it is read.
struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("read too far"))
    }
}

#[test]
fn the_first_pass_can_end_with_the_signature() {
    let signed = format!("<r>{A}{}", signature(&[to("a", &[], A)]));
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let located = |document: &str, reach| {
        // One byte more is looked at: it tells whether the document ends there.
        let mut input = BufReader::with_capacity(1, Read::chain(document.as_bytes(), Failing));
        locate(&mut input, &options, &PLACES, reach, &mut Unwatched)
    };
    let found = located(&format!("{signed}<"), Reach::Signature).unwrap();
    assert!(found.signature_present());
    assert!(located(&format!("{signed}<"), Reach::End).is_err());
    let misplaced = signed.replace("<ds:Signature ", "<x><ds:Signature ") + "</x>";
    for elsewhere in [format!("<r>{A}</r>"), misplaced, "<r><Signature/></r>".to_owned()] {
        assert!(located(&elsewhere, Reach::Signature).is_err(), "{elsewhere}");
    }
    let verdict = found.verify(&mut format!("{signed}</r>").as_bytes(), &pinned(&[ec()]), &mut Unwatched);
    assert_eq!(word(&verdict.unwrap()), "valid");
}

#[test]
fn a_fault_behind_the_signature_is_met_in_the_second_pass() {
    let signed = format!("<r>{A}{}", signature(&[to("a", &[], A)]));
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    for rest in ["", "<q></r>", "</r><r/>", "<p:q/></r>", "&nbsp;</r>", "<!DOCTYPE r></r>"] {
        let document = format!("{signed}{rest}");
        let located = |document: &str, reach| {
            locate(&mut document.as_bytes(), &options, &PLACES, reach, &mut Unwatched)
        };
        let early = located(&document, Reach::End).err().map(|error| error.to_string());
        assert!(early.is_some(), "{rest}");
        // At the very end of the input, both are the first pass.
        if let Ok(located) = located(&document, Reach::Signature) {
            let late = located.verify(&mut document.as_bytes(), &pinned(&[ec()]), &mut Unwatched);
            assert_eq!(late.err().map(|error| error.to_string()), early, "{rest}");
        } else {
            assert_eq!(rest, "");
        }
    }
}

#[test]
fn whoever_needs_given_namespaces_is_never_better_or_worse_than_unusable() {
    let limits = Limits::default();
    let given = [("p", "u:given")];
    let options = ReadOptions { limits: &limits, initial_namespaces: &given };
    let judged = |document: &str| {
        word(&judge_with(document.as_bytes(), 7, &PLACES, &options, &pinned(&[ec()])).unwrap().0)
    };
    let right = format!("<r>{A}{}</r>", signature(&[to("a", &[], A)]));
    assert_eq!(judged(&right), "valid", "nothing was needed");
    let wrong = right.replace("</ds:SignatureValue>", "AAAA</ds:SignatureValue>");
    assert_eq!(judged(&wrong), "invalid signature-value");
    let twice = right.replace("</r>", &format!("{}</r>", signature(&[])));
    let elsewhere = right.replace("<ds:Signature ", "<x><ds:Signature ").replace("</r>", "</x></r>");
    let built = right.replace("<ds:KeyInfo>", "<x/><ds:KeyInfo>");
    let unsigned = right.replace(">1<", ">2<");
    for document in [right, wrong, twice, elsewhere, built, unsigned] {
        for (from, to) in [("<r>", "<r><p:x/>"), ("</r>", "<p:x/></r>"), ("</r>", "<x p:y=''/></r>")] {
            let changed = document.replacen(from, to, 1);
            assert_eq!(judged(&changed), "unusable namespaces", "{changed}");
        }
        let relative = document.replacen("<r>", "<r xmlns:q='q'>", 1).replacen("</r>", "<p:x/></r>", 1);
        assert_eq!(judged(&relative), "unusable namespaces", "{relative}");
    }
}

#[test]
fn given_namespaces_are_no_part_of_what_is_digested() {
    let limits = Limits::default();
    let given = [("p", "u:given"), ("", "u:given")];
    let options = ReadOptions { limits: &limits, initial_namespaces: &given };
    let part = "<p:a xmlns:p=\"u:1\" Id=\"a\"></p:a>";
    let document = format!("<r xmlns=''>{part}{}</r>", signature(&[to("a", &[], part)]));
    let judged = judge_with(document.as_bytes(), 7, &PLACES, &options, &pinned(&[ec()]));
    assert_eq!(word(&judged.unwrap().0), "valid");
}
