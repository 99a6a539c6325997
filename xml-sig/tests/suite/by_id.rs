//! References to elements by their Ids: which element is meant, which octets are digested, and what it may cost.

use std::io::{self, BufReader, Read};

use xml_sig::{Limits, Places, Reach, ReadOptions, Unwatched, Verdict, locate};

use crate::parts::*;
use crate::support::{C14N, DS, Draft, ENVELOPED, EXC, PLACES, Record, ec, judge_with, pinned, word};

const WSU: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const A: &str = "<a Id=\"a\">1</a>";
const B: &str = "<b Id=\"b\"><c></c></b>";

#[test]
fn each_part_that_is_named_is_digested_in_the_form_that_is_asked_for() {
    let comments = format!("{C14N}#WithComments");
    for transforms in [&[][..], &[C14N], &[&comments], &[C14N_11], &[EXC]] {
        let references = [to("b", transforms, B), to("a", transforms, A)];
        let document = format!("<r>{A}{B}{}</r>", signature(&references));
        assert_eq!(told(&document, &PLACES), "valid /r/b[2], /r/a[1]", "{transforms:?}");
        for (from, to, outcome) in [
            (">1<", ">2<", "invalid digest"),
            (">1<", "><!-- not signed -->1<", "valid /r/b[2], /r/a[1]"),
            ("<c></c>", "<c/>", "valid /r/b[2], /r/a[1]"),
            ("<c></c>", "<?p?>", "invalid digest"),
            ("<c></c>", "<c> </c>", "invalid digest"),
            ("<b Id=", "<b x='' Id=", "invalid digest"),
            // What no Reference names may be anything.
            ("<r>", "<?p?><r x=''>9000", "valid /r/b[2], /r/a[1]"),
            (B, &format!("<x>9000</x>{B}"), "valid /r/b[3], /r/a[1]"),
            (A, &format!("<x>{A}</x>"), "valid /r/b[2], /r/x[1]/a[1]"),
        ] {
            let changed = document.replacen(from, to, 1);
            assert_ne!(changed, document);
            assert_eq!(told(&changed, &PLACES), outcome, "{from} to {to} {transforms:?}");
        }
    }
}

#[test]
fn a_wrong_digest_is_told_where_its_element_begins() {
    let document = format!("<r>{A}{B}{}</r>", signature(&[to("a", &[], A), to("b", &[], "<b></b>")]));
    let Verdict::Invalid { at, .. } = verdict(&document, &PLACES, &Limits::default(), 0) else {
        panic!("it fits")
    };
    assert_eq!(Some(at as usize), document.find(B));
}

#[test]
fn ids_are_the_attributes_of_the_vocabularies_that_are_signed() {
    let judged = |attribute: &str, declared: &str| {
        let octets = format!("<a{declared} {attribute}=\"i\"></a>");
        told(&format!("<r>{octets}{}</r>", signature(&[to("i", &[EXC], &octets)])), &PLACES)
    };
    for attribute in ["Id", "ID", "id", "AssertionID", "RequestID", "ResponseID", "xml:id"] {
        assert_eq!(judged(attribute, ""), "valid /r/a[1]", "{attribute}");
    }
    assert_eq!(judged("u:Id", &format!(" xmlns:u=\"{WSU}\"")), "valid /r/a[1]");
    for attribute in ["iD", "Ids", "name", "xml:Id", "ContentId"] {
        assert_eq!(judged(attribute, ""), "invalid id", "{attribute}");
    }
    assert_eq!(judged("u:Id", " xmlns:u=\"u:u\""), "invalid id");
    assert_eq!(judged("u:ID", &format!(" xmlns:u=\"{WSU}\"")), "invalid id");
}

#[test]
fn an_id_that_is_named_stands_once_in_the_whole_document() {
    let references = [to("a", &[EXC], A)];
    let signed = draft(&references);
    let signature = signed.signature();
    let document = format!("<r>{A}{signature}</r>");
    assert_eq!(told(&document, &PLACES), "valid /r/a[1]");
    let object = "<ds:Object><x Id=\"a\"/></ds:Object></ds:Signature>";
    for (before, after) in [
        ("<r>", "<r><x Id='a'/>"),
        ("<r>", "<r Id='a'>"),
        ("<r>", "<r><x ID='a'/>"),
        ("<r>", "<r><x xml:id='a'/>"),
        ("<r>", "<r><x Id='&#97;'/>"),
        (">1<", "><x Id='a'/>1<"),
        ("</r>", "<x><y AssertionID='a'/></x></r>"),
        ("<ds:Signature ", "<ds:Signature Id='a' "),
        ("<ds:SignatureValue>", "<ds:SignatureValue Id='a'>"),
        ("<ds:KeyInfo>", "<ds:KeyInfo Id='a'>"),
        ("</ds:Signature>", object),
        (A, "<x Id='a'/>again<x Id='a'/>"),
    ] {
        let changed = document.replacen(before, after, 1);
        assert_ne!(changed, document, "{before}");
        assert_eq!(told(&changed, &PLACES), "invalid id", "{after}");
    }
    // The genuine part is gone.
    assert_eq!(told(&document.replace(A, ""), &PLACES), "invalid id");
    assert_eq!(told(&document.replace("Id=\"a\"", "Id=\"A\""), &PLACES), "invalid id");
    // Another Id may stand as often as it likes.
    assert_eq!(told(&document.replace("<r>", "<r><x Id='b'/><x Id='b'/>"), &PLACES), "valid /r/a[3]");
    let own = [to("a", &[EXC], A).replace("<ds:Reference ", "<ds:Reference Id=\"a\" ")];
    assert_eq!(told(&format!("<r>{A}{}</r>", super::parts::signature(&own)), &PLACES), "invalid id");
}

#[test]
fn one_element_may_have_several_ids() {
    let octets = "<a ID=\"i\" Id=\"i\" id=\"j\"></a>";
    let document = format!("<r>{octets}{}</r>", signature(&[to("i", &[], octets), to("j", &[EXC], octets)]));
    assert_eq!(told(&document, &PLACES), "valid /r/a[1]");
}

#[test]
fn only_bare_names_lead_to_elements() {
    for (uri, outcome) in [
        ("#a", "valid /r/a[1]"),
        ("#", "invalid forbidden"),
        ("#xpointer(/)", "invalid forbidden"),
        ("#xpointer(id('a'))", "invalid forbidden"),
        ("#element(/1)", "invalid forbidden"),
        ("a", "invalid forbidden"),
        ("?#a", "invalid forbidden"),
        ("a.xml#a", "invalid forbidden"),
        ("##a", "invalid id"),
        ("#%61", "invalid id"),
        ("# a", "invalid id"),
    ] {
        let document = format!("<r>{A}{}</r>", signature(&[to_uri(uri, &[], A)]));
        assert_eq!(told(&document, &PLACES), outcome, "{uri}");
    }
}

#[test]
fn what_envelops_the_signature_is_taken_without_it() {
    let octets = "<r Id=\"r\"><b Id=\"b\">1</b></r>";
    let part = "<b Id=\"b\">1</b>";
    let around = |references: &[String]| octets.replace("</r>", &format!("{}</r>", signature(references)));
    for transforms in [&[ENVELOPED][..], &[ENVELOPED, EXC]] {
        assert_eq!(told(&around(&[to("r", transforms, octets)]), &PLACES), "valid /r", "{transforms:?}");
    }
    // A Signature cannot be digested with the digest in it.
    assert_eq!(told(&around(&[to("r", &[], octets)]), &PLACES), "invalid digest");
    let both = [to("r", &[ENVELOPED], octets), to("b", &[ENVELOPED], part)];
    assert_eq!(told(&around(&both), &PLACES), "valid /r, /r/b[1]", "one that envelops is enough");
    // The envelope was exchanged, and what it was is kept beside the Signature.
    let alone = [to("b", &[ENVELOPED], part)];
    assert_eq!(told(&around(&alone), &PLACES), "invalid structure");
    let mut moved = around(&[to("r", &[ENVELOPED], octets)]);
    moved.replace_range(..octets.len() - "</r>".len(), &format!("<r><x>{octets}</x>"));
    assert_eq!(told(&moved, &PLACES), "invalid structure");
    let header = "<h Id=\"h\">1</h>";
    let document = format!(
        "<r>{}</r>",
        header.replace("</h>", &format!("{}</h>", signature(&[to("h", &[ENVELOPED], header)])))
    );
    assert_eq!(told(&document, &PLACES), "valid /r/h[1]");
}

#[test]
fn parts_of_the_signature_can_be_signed_but_not_what_holds_the_digest() {
    let key_info =
        ec().key_info().replace("<ds:KeyInfo>", &format!("<ds:KeyInfo xmlns:ds=\"{DS}\" Id=\"k\">"));
    let document = |transforms: &[&str]| {
        let draft = Draft { key_info: key_info.clone(), ..draft(&[to("k", transforms, &key_info)]) };
        format!("<r>{}</r>", draft.signature())
    };
    assert_eq!(told(&document(&[EXC]), &PLACES), "valid /r/Signature[1]/KeyInfo[3]");
    let changed = document(&[EXC]).replace("<ds:X509Data>", "<ds:KeyName>x</ds:KeyName><ds:X509Data>");
    assert_eq!(told(&changed, &PLACES), "invalid digest");
    assert_eq!(told(&document(&[ENVELOPED, EXC]), &PLACES), "invalid structure");
    for (tag, named) in [("ds:Signature", "s"), ("ds:SignatureValue", "v"), ("ds:SignedInfo", "i")] {
        let attributes = if named == "i" { " Id=\"i\"" } else { "" };
        let of = |transforms: &[&str]| {
            let draft = Draft { signed_info_attributes: attributes, ..draft(&[to(named, transforms, A)]) };
            let signature = draft.signature();
            let signature = match named {
                "i" => signature,
                _ => signature.replacen(&format!("<{tag}"), &format!("<{tag} Id=\"{named}\""), 1),
            };
            told(&format!("<r>{signature}</r>"), &PLACES)
        };
        assert_eq!(of(&[]), "invalid digest", "{tag}");
        assert_eq!(of(&[ENVELOPED]), "invalid structure", "{tag}");
    }
}

#[test]
fn digests_of_one_byte_are_bounded_and_those_of_others_are_not_counted() {
    let c = "<c Id=\"c\"></c>";
    let b = format!("<b Id=\"b\">{c}</b>");
    let a = format!("<a Id=\"a\">{b}</a>");
    let [a, b, c] =
        [("a", &*a), ("b", &*b), ("c", c)].map(|(id, octets)| (to(id, &[], octets), octets.to_owned()));
    let whole = to_uri("", &[ENVELOPED], &format!("<r>{}</r>", a.1));
    let judged = |references: &[&String], digests: usize| {
        let references: Vec<String> = references.iter().map(|r| (*r).clone()).collect();
        let document = format!("<r>{}{}</r>", a.1, signature(&references));
        told_within(&document, &PLACES, &Limits { digests, ..Limits::default() })
    };
    assert_eq!(judged(&[&a.0, &b.0], 2), "valid /r/a[1], /r/a[1]/b[1]");
    assert_eq!(judged(&[&a.0, &b.0, &c.0], 2), "invalid limit");
    assert_eq!(judged(&[&a.0, &b.0, &c.0], 3), "valid /r/a[1], /r/a[1]/b[1], /r/a[1]/b[1]/c[1]");
    assert_eq!(judged(&[&whole, &b.0], 2), "valid the whole document");
    assert_eq!(judged(&[&whole, &a.0, &b.0], 2), "invalid limit");
    assert_eq!(judged(&[&whole], 1), "valid the whole document");
    assert_eq!(judged(&[&whole, &c.0], 1), "invalid limit");
    // The same twice is made once; in another form it is made once more.
    assert_eq!(judged(&[&a.0, &a.0, &a.0], 1), "valid /r/a[1]");
    let exclusive = to("a", &[EXC], &a.1);
    assert_eq!(judged(&[&a.0, &exclusive], 2), "valid /r/a[1]");
    assert_eq!(judged(&[&a.0, &exclusive], 1), "invalid limit");

    let parts: Vec<String> = (0..9).map(|i| format!("<p Id=\"p{i}\"></p>")).collect();
    let references: Vec<String> = (0..9).map(|i| to(&format!("p{i}"), &[], &parts[i])).collect();
    let document = |count: usize| format!("<r>{}{}</r>", parts.concat(), signature(&references[..count]));
    let limits = Limits { digests: 1, ..Limits::default() };
    assert!(
        told_within(&document(8), &PLACES, &limits).starts_with("valid"),
        "parts side by side are no burden"
    );
    assert_eq!(told_within(&document(9), &PLACES, &limits), "invalid limit", "nine References");
}

#[test]
fn a_part_inherits_namespaces_and_xml_attributes_in_the_inclusive_forms() {
    let document = |tag: &str, references: &[String]| {
        format!(
            "<r xmlns:p=\"u:p\" xml:lang=\"vi\" xml:id=\"x\"><q xml:base=\"u:q\"/>\
             <h xml:space=\"preserve\" xml:lang=\"en\">{tag}<b/></a></h>{}</r>",
            signature(references)
        )
    };
    for (tag, form, octets) in [
        (
            "<a Id=\"a\">",
            C14N,
            "<a xmlns:p=\"u:p\" Id=\"a\" xml:id=\"x\" xml:lang=\"en\" xml:space=\"preserve\"><b></b></a>",
        ),
        (
            "<a Id=\"a\">",
            C14N_11,
            "<a xmlns:p=\"u:p\" Id=\"a\" xml:lang=\"en\" xml:space=\"preserve\"><b></b></a>",
        ),
        ("<a Id=\"a\">", EXC, "<a Id=\"a\"><b></b></a>"),
        (
            "<a xml:lang='' Id=\"a\">",
            C14N,
            "<a xmlns:p=\"u:p\" Id=\"a\" xml:id=\"x\" xml:lang=\"\" xml:space=\"preserve\"><b></b></a>",
        ),
        (
            "<a xml:id='y' Id=\"a\">",
            C14N_11,
            "<a xmlns:p=\"u:p\" Id=\"a\" xml:id=\"y\" xml:lang=\"en\" xml:space=\"preserve\"><b></b></a>",
        ),
        (
            "<a xml:base='u:a' Id=\"a\">",
            C14N_11,
            "<a xmlns:p=\"u:p\" Id=\"a\" xml:base=\"u:a\" xml:lang=\"en\" xml:space=\"preserve\"><b></b></a>",
        ),
    ] {
        let signed = document(tag, &[to("a", &[form], octets)]);
        assert_eq!(told(&signed, &PLACES), "valid /r/h[2]/a[1]", "{tag} {form}");
        // Moved to where it inherits something else, it is another in the inclusive forms only.
        let moved = signed.replace("xml:lang=\"vi\"", "").replace("xml:lang=\"en\"", "xml:lang=\"fr\"");
        let kept = form == EXC || tag.contains("lang");
        assert_eq!(
            told(&moved, &PLACES),
            if kept { "valid /r/h[2]/a[1]" } else { "invalid digest" },
            "{tag} {form}"
        );
    }
    let based = |form: &str| {
        let octets = match form {
            EXC => "<a Id=\"a\"><b></b></a>",
            _ => "<a Id=\"a\" xml:base=\"u:r\"><b></b></a>",
        };
        format!("<r xml:base=\"u:r\"><a Id=\"a\"><b/></a>{}</r>", signature(&[to("a", &[form], octets)]))
    };
    assert_eq!(told(&based(C14N), &PLACES), "valid /r/a[1]");
    assert_eq!(told(&based(EXC), &PLACES), "valid /r/a[1]");
    assert_eq!(told(&based(C14N_11), &PLACES), "unusable algorithm", "its base would have to be worked out");
}

#[test]
fn a_default_namespace_that_is_taken_back_around_a_part_is_not_written() {
    let places = Places { parents: &[&[("u:r", "r")]], signed: &[] };
    let inside = "<b xmlns=\"u:b\"><c xmlns=\"\"></c></b>";
    let judged = |octets: &str, form: &str| {
        let signature = signature(&[to("a", &[form], octets)]);
        let document = format!("<r xmlns=\"u:r\"><h xmlns=\"\"><a Id=\"a\">{inside}</a></h>{signature}</r>");
        told(&document, &places)
    };
    for form in [C14N, C14N_11, EXC] {
        assert_eq!(judged(&format!("<a Id=\"a\">{inside}</a>"), form), "valid /r/h[1]/a[1]");
        assert_eq!(judged(&format!("<a xmlns=\"\" Id=\"a\">{inside}</a>"), form), "invalid digest");
        let octets = format!("<a xmlns=\"u:r\" Id=\"a\">{inside}</a>");
        let document = format!(
            "<r xmlns=\"u:r\"><a Id=\"a\">{inside}</a>{}</r>",
            signature(&[to("a", &[form], &octets)])
        );
        assert_eq!(told(&document, &places), "valid /r/a[1]");
    }
}

#[test]
fn listed_prefixes_are_written_at_the_apex_and_where_they_change() {
    let judged = |start: &str, list: &str, octets: &str| {
        let reference = with_prefix_list(&to("a", &[EXC], octets), list);
        let document = format!(
            "<r xmlns:p=\"u:1\" xmlns:q=\"u:q\"><h xmlns=\"u:d\">{start}<p:b xmlns:p=\"u:2\"><c xmlns:p=\"u:2\"></c>\
             </p:b><d xmlns=\"\"></d></{}></h>{}</r>",
            &start[1..start.find(' ').unwrap()],
            signature(&[reference])
        );
        told(&document, &PLACES)
    };
    let valid = "valid /r/h[1]/a[1]";
    let inside = "<p:b xmlns:p=\"u:2\"><c></c></p:b><d xmlns=\"\"></d>";
    let plain = format!("<a xmlns=\"u:d\" Id=\"a\">{inside}</a>");
    for list in ["", " ", "xml", "none of these", "#default", "&#x9;#default&#xA;xml"] {
        assert_eq!(judged("<a Id=\"a\">", list, &plain), valid, "{list}");
    }
    let listed = format!("<a xmlns=\"u:d\" xmlns:p=\"u:1\" Id=\"a\">{inside}</a>");
    for list in ["p", "p p", "xml p #default", "q2 p"] {
        assert_eq!(judged("<a Id=\"a\">", list, &listed), valid, "{list}");
    }
    let both = format!("<a xmlns=\"u:d\" xmlns:p=\"u:1\" xmlns:q=\"u:q\" Id=\"a\">{inside}</a>");
    assert_eq!(judged("<a Id=\"a\">", "q p", &both), valid);
    assert_eq!(judged("<a Id=\"a\">", "q", &both), "invalid digest");
    // The default namespace is not used by an apex with a prefix.
    let unused = format!(
        "<p:a xmlns:p=\"u:1\" Id=\"a\">{}</p:a>",
        inside.replace("<c>", "<c xmlns=\"u:d\">").replace("<d xmlns=\"\">", "<d>")
    );
    assert_eq!(judged("<p:a Id=\"a\">", "", &unused), valid);
    let unlisted = format!("<p:a xmlns=\"u:d\" xmlns:p=\"u:1\" Id=\"a\">{inside}</p:a>");
    assert_eq!(judged("<p:a Id=\"a\">", "#default", &unlisted), valid);
    assert_eq!(judged("<p:a Id=\"a\">", "", &unlisted), "invalid digest");
}

#[test]
fn prefix_lists_are_bounded_and_belong_to_the_exclusive_method() {
    let with = |count: usize| {
        let list: Vec<String> = (0..count).map(|i| format!("p{i}")).collect();
        let reference = with_prefix_list(&to("a", &[EXC], A), &list.join(" "));
        told(&format!("<r>{A}{}</r>", signature(&[reference])), &PLACES)
    };
    assert_eq!(with(64), "valid /r/a[1]");
    assert_eq!(with(65), "invalid limit");
    let inclusive = with_prefix_list(&to("a", &[EXC], A), "p").replace(
        &format!("<ds:Transform Algorithm=\"{EXC}\">"),
        &format!("<ds:Transform Algorithm=\"{C14N}\">"),
    );
    assert_eq!(told(&format!("<r>{A}{}</r>", signature(&[inclusive])), &PLACES), "invalid structure");
}

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

#[test]
fn a_relative_namespace_anywhere_takes_the_canonical_form_away() {
    let document = format!("<r>{A}{}<x/></r>", signature(&[to("a", &[EXC], A)]));
    for (from, to) in [
        ("<x/>", "<x xmlns:q='q'/>"),
        ("<r>", "<r><x xmlns='q'/>"),
        ("<ds:KeyInfo>", "<ds:KeyInfo xmlns:q='/q'>"),
    ] {
        let changed = document.replacen(from, to, 1);
        assert_ne!(changed, document);
        assert_eq!(told(&changed, &PLACES), "invalid relative-namespace", "{to}");
    }
}
