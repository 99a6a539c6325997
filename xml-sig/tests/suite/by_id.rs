//! References to elements by their Ids: which element is meant, and what its digests may cost.

use xml_sig::{Limits, Verdict};

use crate::parts::*;
use crate::support::{C14N, DS, Draft, ENVELOPED, EXC, PLACES, ec};

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
