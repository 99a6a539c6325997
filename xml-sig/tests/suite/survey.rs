//! Every Signature of a document of any kind, each with its own verdict, and the documents in which what is signed was put
//! out of the way of what is read.

use std::io::{self, BufRead, BufReader, Cursor};

use xml_sig::{Limits, ReadError, survey};

use crate::parts::*;
use crate::support::{DS, Draft, ENVELOPED, EXC, ec, pinned, word};

const A: &str = "<a Id=\"a\">1</a>";

/// Offsets and verdicts, the same in all sizes of pieces.
fn surveyed_within(document: &str, limits: &Limits) -> Result<Vec<(u64, String)>, ReadError> {
    let judged = [0, 1, 7].map(|chunk| -> Result<Vec<(u64, String)>, ReadError> {
        let mut open = || -> io::Result<Box<dyn BufRead>> {
            let whole = Cursor::new(document.to_owned());
            Ok(if chunk == 0 { Box::new(whole) } else { Box::new(BufReader::with_capacity(chunk, whole)) })
        };
        let found = survey(&mut *open()?, limits)?;
        let judged = found.verify(&mut open, &pinned(&[ec()]))?;
        assert_eq!((judged.len(), judged.is_empty()), (found.len(), found.is_empty()));
        Ok(judged.iter().map(|judged| (judged.offset, word(&judged.verdict))).collect())
    });
    let [first, second, third] = judged;
    let first = first?;
    assert_eq!((&first, &first), (&second?, &third?), "{document}");
    Ok(first)
}

/// The verdicts, in the order of the Signatures' ends.
fn surveyed(document: &str) -> Vec<String> {
    let judged = surveyed_within(document, &Limits::default()).unwrap();
    judged.into_iter().map(|(_, verdict)| verdict).collect()
}

#[test]
fn each_signature_is_found_wherever_it_stands_and_judged_for_itself() {
    assert_eq!(surveyed("<r/>"), [""; 0]);
    assert_eq!(surveyed("<r><Signature/></r>"), [""; 0], "of another namespace");
    let good = signature(&[to("a", &[EXC], A)]);
    let wrong = good.replace("</ds:SignatureValue>", "AAAA</ds:SignatureValue>");
    let document = format!("<r>{A}{good}{wrong}</r>");
    let at = |part: &str| document.find(part).unwrap() as u64;
    assert_eq!(
        surveyed_within(&document, &Limits::default()).unwrap(),
        [(at(&good), "valid".to_owned()), (at(&wrong), "invalid signature-value".to_owned())]
    );
    let [first, second] =
        [("a", A), ("b", "<b Id=\"b\"><a></a></b>")].map(|(id, octets)| signature(&[to(id, &[EXC], octets)]));
    let document = format!("<r>{A}<b Id=\"b\"><a></a></b>{second}{first}</r>");
    assert_eq!(surveyed(&document), ["valid", "valid"]);
    assert_eq!(surveyed(&document.replace(">1<", ">2<")), ["valid", "invalid digest"]);
    assert_eq!(
        surveyed("<ds:Signature xmlns:ds='http://www.w3.org/2000/09/xmldsig#'/>"),
        ["invalid structure"]
    );
}

#[test]
fn only_its_own_signature_is_taken_out() {
    let inner_octets = "<a Id=\"a\">1</a>";
    let inner = inner_octets
        .replace("</a>", &format!("{}</a>", signature(&[to("a", &[ENVELOPED, EXC], inner_octets)])));
    let octets = format!("<r Id=\"r\">{inner}</r>");
    let outer = octets.replace("</r>", &format!("{}</r>", signature(&[to("r", &[ENVELOPED, EXC], &octets)])));
    assert_eq!(surveyed(&outer), ["valid", "valid"]);
    assert_eq!(surveyed(&outer.replace(">1<", ">2<")), ["invalid digest", "invalid digest"]);
    // The inner Signature is content of the outer one.
    let changed = outer.replacen("</ds:SignatureValue>", "\n</ds:SignatureValue>", 1);
    assert_eq!(surveyed(&changed), ["valid", "invalid digest"]);
}

#[test]
fn what_is_signed_stands_near_its_signature() {
    let sign = |octets: &str| signature(&[to("a", &[EXC], octets)]);
    for (document, verdict) in [
        (format!("<r>{A}{}</r>", sign(A)), "valid"),
        (format!("<r><x>{}</x>{A}</r>", sign(A)), "valid"),
        (format!("<r><x><y>{}</y></x>{A}</r>", sign(A)), "valid"),
        (format!("<r><x>{A}</x>{}</r>", sign(A)), "invalid coverage"),
        (format!("<r><x><y>{A}</y></x><z>{}</z></r>", sign(A)), "invalid coverage"),
    ] {
        assert_eq!(surveyed(&document), [verdict], "{document}");
    }
    let octets = format!("<ds:Object xmlns:ds=\"{DS}\" Id=\"a\">1</ds:Object>");
    let tail = "<ds:Object Id=\"a\">1</ds:Object>";
    let enveloping = Draft { tail, ..draft(&[to("a", &[EXC], &octets)]) }.signature();
    assert_eq!(surveyed(&format!("<r><x>{enveloping}</x></r>")), ["valid"]);
}

#[test]
fn an_element_of_the_name_of_a_signed_one_is_signed_too() {
    let document = format!("<r>{A}{}</r>", signature(&[to("a", &[EXC], A)]));
    for forged in ["<a/>", "<x><a>9</a></x>", "<q:a xmlns:q=''/>"] {
        for (before, after) in [("<r>", format!("<r>{forged}")), ("</r>", format!("{forged}</r>"))] {
            let changed = document.replacen(before, &after, 1);
            if forged.contains("q:") {
                assert!(
                    surveyed_within(&changed, &Limits::default()).is_err(),
                    "a prefix is bound to something"
                );
                continue;
            }
            assert_eq!(surveyed(&changed), ["invalid coverage"], "{changed}");
        }
    }
    for other in ["<A/>", "<a xmlns='u:a'/>", "<x a='1'/>"] {
        assert_eq!(surveyed(&document.replace("</r>", &format!("{other}</r>"))), ["valid"], "{other}");
    }
    assert_eq!(surveyed(&format!("<a>{}</a>", &document)), ["invalid coverage"], "around it");
    // Another Signature may cover it.
    let b = "<b Id=\"b\"><a>2</a></b>";
    let two = document.replace("</r>", &format!("{b}{}</r>", signature(&[to("b", &[EXC], b)])));
    assert_eq!(surveyed(&two), ["valid", "valid"]);
    let second_bad = two.replace("<a>2", "<a>9");
    assert_eq!(
        surveyed(&second_bad),
        ["invalid coverage", "invalid digest"],
        "what is not good covers nothing"
    );
}

#[test]
fn nothing_that_is_taken_for_content_hides_in_a_key_info() {
    let octets = "<a Id=\"a\">1</a>";
    let around = |key_info: &str| {
        let key_info = format!("<ds:KeyInfo>{key_info}</ds:KeyInfo>");
        let draft = Draft { key_info, ..draft(&[to("a", &[ENVELOPED, EXC], octets)]) };
        octets.replace("</a>", &format!("{}</a>", draft.signature()))
    };
    assert_eq!(surveyed(&around("<x><y Id='z'>anything</y></x><?p?>").replace("<?p?>", "")), ["valid"]);
    assert_eq!(surveyed(&around("<x><a>9</a></x>")), ["invalid coverage"]);
    let body = "<r><b>1</b></r>";
    let whole = |key_info: &str| {
        let key_info = format!("<ds:KeyInfo>{key_info}</ds:KeyInfo>");
        let draft = Draft { key_info, ..draft(&[to_uri("", &[ENVELOPED], body)]) };
        body.replace("</r>", &format!("{}</r>", draft.signature()))
    };
    assert_eq!(
        surveyed(&whole("<b>9</b>")),
        ["valid"],
        "what the names in a document mean is not known here"
    );
    assert_eq!(surveyed(&whole("<x><r><b>9</b></r></x>")), ["invalid coverage"], "another root");
}

#[test]
fn nothing_of_the_name_of_a_signed_element_hides_in_an_object() {
    let octets = "<a Id=\"a\">1</a>";
    let around = |object: &str| {
        let tail = format!("<ds:Object>{object}</ds:Object>");
        let draft = Draft { tail: &tail, ..draft(&[to("a", &[ENVELOPED, EXC], octets)]) };
        octets.replace("</a>", &format!("{}</a>", draft.signature()))
    };
    assert_eq!(surveyed(&around("<x>anything</x>")), ["valid"], "Objects are left alone");
    assert_eq!(surveyed(&around("<x><a>9</a></x>")), ["invalid coverage"]);
    let object = |id: &str| format!("<ds:Object Id=\"{id}\">1</ds:Object>");
    let signed = object("a").replacen(' ', &format!(" xmlns:ds=\"{DS}\" "), 1);
    let enveloping = |tail: &str| Draft { tail, ..draft(&[to("a", &[EXC], &signed)]) }.signature();
    assert_eq!(surveyed(&enveloping(&object("a"))), ["valid"]);
    for tail in [format!("{}{}", object("b"), object("a")), format!("{}{}", object("a"), object("b"))] {
        assert_eq!(surveyed(&enveloping(&tail)), ["invalid coverage"]);
    }
}

#[test]
fn the_parts_of_signatures_are_no_twins_of_each_other() {
    let key_info =
        ec().key_info().replace("<ds:KeyInfo>", &format!("<ds:KeyInfo xmlns:ds=\"{DS}\" Id=\"k\">"));
    let signs_its_key =
        Draft { key_info: key_info.clone(), ..draft(&[to("k", &[EXC], &key_info)]) }.signature();
    let other = signature(&[to("a", &[EXC], A)]);
    assert_eq!(surveyed(&format!("<r>{A}{signs_its_key}{other}</r>")), ["valid", "valid"]);
    let outside = format!("<r>{signs_its_key}<ds:KeyInfo xmlns:ds=\"{DS}\"/></r>");
    assert_eq!(surveyed(&outside), ["invalid coverage"]);
}

#[test]
fn ids_are_counted_over_the_whole_document_for_each_signature() {
    let document = format!("<r>{A}{}</r>", signature(&[to("a", &[EXC], A)]));
    for twin in ["<x Id='a'/>", "<x><y ID='a'/></x>"] {
        assert_eq!(surveyed(&document.replace("<r>", &format!("<r>{twin}"))), ["invalid id"]);
        assert_eq!(surveyed(&document.replace("</r>", &format!("{twin}</r>"))), ["invalid id"]);
    }
}

#[test]
fn signatures_are_bounded_wherever_they_stand() {
    let empty = format!("<ds:Signature xmlns:ds=\"{DS}\"/>");
    let nested = |count: usize| {
        let start = format!("<ds:Signature xmlns:ds=\"{DS}\"><ds:Object>");
        format!("<r>{}{}</r>", start.repeat(count), "</ds:Object></ds:Signature>".repeat(count))
    };
    let count = |document: &str| {
        let judged = surveyed_within(document, &Limits { signatures: 4, ..Limits::default() });
        judged.map(|judged| judged.len()).map_err(|error| error.to_string())
    };
    assert_eq!(count(&format!("<r>{}</r>", empty.repeat(4))), Ok(4));
    assert_eq!(count(&nested(4)), Ok(4));
    for over in [
        format!("<r>{}</r>", empty.repeat(5)),
        nested(5),
        nested(3).replace("</r>", &format!("{}</r>", empty.repeat(2))),
    ] {
        let error = count(&over).unwrap_err();
        assert!(error.starts_with("the limit signatures is exceeded"), "{error}");
    }
}

#[test]
fn xml_attributes_of_many_ancestors_cost_no_more_than_their_length() {
    // Each name another one, on 120 elements of 250 attributes around 16 Signatures: compared each with each, as often
    // as there are Signatures, they would keep a machine busy for minutes.
    let tag = |depth: usize| {
        let attributes: String = (0..250).map(|at| format!(" xml:a{depth}-{at}=''")).collect();
        format!("<x{attributes}>")
    };
    let tags: String = (0..120).map(tag).collect();
    let inclusive = draft(&[to("a", &[], A)]).signature().replacen(EXC, crate::support::C14N, 1);
    let document = format!("{tags}{}{}", inclusive.repeat(16), "</x>".repeat(120));
    let open = || -> io::Result<Box<dyn BufRead>> { Ok(Box::new(Cursor::new(document.clone()))) };
    let found = survey(&mut document.as_bytes(), &Limits::default()).unwrap();
    let judged = found.verify(&mut { open }, &pinned(&[ec()])).unwrap();
    assert_eq!(judged.len(), 16);
    assert!(judged.iter().all(
        |judged| word(&judged.verdict) == "invalid limit" || word(&judged.verdict) == "invalid structure"
    ));
}

#[test]
fn a_document_that_cannot_be_read_again_is_an_error() {
    let document = format!("<r>{A}{}</r>", signature(&[to("a", &[EXC], A)]));
    let found = survey(&mut document.as_bytes(), &Limits::default()).unwrap();
    let mut times = 0;
    let mut open = || -> io::Result<Box<dyn BufRead>> {
        times += 1;
        match times {
            1 => Ok(Box::new(Cursor::new(document.clone()))),
            _ => Err(io::Error::other("gone")),
        }
    };
    let error = found.verify(&mut open, &pinned(&[ec()])).unwrap_err();
    assert!(matches!(error, ReadError::Io(_)), "{error}");
}
