//! Signatures that hold what they sign: ds:Object, and what of it must be covered.

use xml_sig::{Limits, Places};

use crate::parts::*;
use crate::support::{C14N, DS, Draft, ENVELOPED, EXC, PLACES};

/// The Signature is the root.
const ALONE: Places<'static> = Places { parents: &[&[]], signed: &[] };

/// As it stands in the Signature, which declares the prefix; and in canonical form.
fn object(id: &str, content: &str) -> [String; 2] {
    [
        format!("<ds:Object Id=\"{id}\">{content}</ds:Object>"),
        format!("<ds:Object xmlns:ds=\"{DS}\" Id=\"{id}\">{content}</ds:Object>"),
    ]
}

/// A Signature with these References and this tail.
fn with(references: &[String], tail: &str) -> String {
    Draft { tail, ..draft(references) }.signature()
}

#[test]
fn a_signature_may_be_the_root_and_hold_what_it_signs() {
    for transforms in [&[][..], &[C14N], &[EXC]] {
        let [written, octets] = object("o", "<b>1</b> text");
        let document = with(&[to("o", transforms, &octets)], &written);
        assert_eq!(told(&document, &ALONE), "valid /Signature/Object[4]");
        assert_eq!(told(&document, &PLACES), "invalid position");
        for (from, to, outcome) in [
            ("<b>1", "<b>2", "invalid digest"),
            (" text", "text", "invalid digest"),
            ("<ds:Object ", "<ds:Object MimeType='a' ", "invalid digest"),
            ("</ds:Object>", "</ds:Object><?p?>", "invalid structure"),
            ("</ds:Object>", "<?p?></ds:Object>", "invalid digest"),
            ("</ds:Object>", "<!-- --></ds:Object>", "valid /Signature/Object[4]"),
        ] {
            let changed = document.replacen(from, to, 1);
            assert_ne!(changed, document);
            assert_eq!(told(&changed, &ALONE), outcome, "{to}");
        }
    }
}

#[test]
fn an_object_that_no_reference_covers_makes_the_signature_unusable() {
    let ([one, octets], [two, octets_two]) = (object("o", "<b>1</b>"), object("t", "<b>2</b>"));
    let first = [to("o", &[], &octets)];
    assert_eq!(told(&with(&first, &format!("{one}{two}")), &ALONE), "unusable object");
    assert_eq!(told(&with(&first, &format!("{two}{one}")), &ALONE), "unusable object");
    let all = [to("o", &[], &octets), to("t", &[], &octets_two)];
    let outcome = "valid /Signature/Object[5], /Signature/Object[4]";
    assert_eq!(told(&with(&all, &format!("{two}{one}")), &ALONE), outcome);
    assert_eq!(
        told(&with(&first, &format!("{one}<ds:Object> \n</ds:Object>")), &ALONE),
        "valid /Signature/Object[4]"
    );
    assert_eq!(told(&with(&first, &format!("{one}<ds:Object>9</ds:Object>")), &ALONE), "unusable object");
    assert_eq!(told(&with(&first, &format!("{one}<ds:Object><x/></ds:Object>")), &ALONE), "unusable object");
    // The enveloped transform takes the Signature out, and its Objects with it.
    let body = "<b>1</b>";
    let whole = to_uri("", &[ENVELOPED], &format!("<r>{body}</r>"));
    let around = |references: &[String]| format!("<r>{body}{}</r>", with(references, &one));
    assert_eq!(told(&around(std::slice::from_ref(&whole)), &PLACES), "unusable object");
    let too = to("o", &[], &octets);
    assert_eq!(told(&around(&[whole.clone(), too]), &PLACES), "valid the whole document");
    assert_eq!(told(&around(&[whole.clone(), to("o", &[], "<b></b>")]), &PLACES), "invalid digest");
    // A root that is the Signature leaves nothing to be signed.
    let nothing = to_uri("", &[ENVELOPED], "");
    assert_eq!(told(&with(&[nothing], &one), &ALONE), "unusable object");
}

#[test]
fn an_object_is_covered_when_each_of_its_children_is() {
    let manifest = |id: &str| format!("<ds:Manifest xmlns:ds=\"{DS}\" Id=\"{id}\"><x></x></ds:Manifest>");
    let (m, n) = (manifest("m"), manifest("n"));
    let judged = |references: &[String], content: &str| {
        told(&with(references, &format!("<ds:Object>{content}</ds:Object>")), &ALONE)
    };
    let both = [to("m", &[], &m), to("n", &[], &n)];
    let valid = "valid /Signature/Object[4]/Manifest[1], /Signature/Object[4]/Manifest[2]";
    assert_eq!(judged(&both, &format!("{m}\n{n}")), valid);
    assert_eq!(judged(&both[..1], &m), "valid /Signature/Object[4]/Manifest[1]");
    assert_eq!(judged(&both[..1], &format!("{m}{n}")), "unusable object");
    assert_eq!(judged(&both[..1], &format!("{m}<x/>")), "unusable object");
    assert_eq!(judged(&both, &format!("{m}9{n}")), "unusable object", "text beside them");
    assert_eq!(judged(&both[..1], &format!("<x>{m}</x>")), "unusable object", "only something deep inside");
    assert_eq!(judged(&both[..1], &format!("<ds:Object>{m}</ds:Object>")), "unusable object");
}

#[test]
fn what_must_be_signed_may_lie_in_an_object() {
    let places = Places { parents: &[&[]], signed: &[&[(DS, "Signature"), (DS, "Object"), ("", "b")]] };
    let content = "<b Id=\"b\">1</b><c></c>";
    let [written, octets] = object("o", content);
    assert_eq!(told(&with(&[to("o", &[], &octets)], &written), &places), "valid /Signature/Object[4]");
    let part = "<b Id=\"b\">1</b>";
    let only = with(&[to("b", &[EXC], part)], &format!("<ds:Object>{part}<b>9</b></ds:Object>"));
    assert_eq!(told(&only, &places), "invalid coverage");
}

#[test]
fn objects_do_not_count_against_the_length_of_the_signature() {
    let [written, octets] = object("o", &"x".repeat(5000));
    let signature = with(&[to("o", &[], &octets)], &written);
    let rest = signature.len() - written.len();
    let judged =
        |signature_bytes| told_within(&signature, &ALONE, &Limits { signature_bytes, ..Limits::default() });
    assert_eq!(judged(rest), "valid /Signature/Object[4]");
    assert_eq!(judged(rest - 1), "invalid limit");
    let two = with(&[to("o", &[], &octets)], &format!("{written}<ds:Object/>"));
    let judged =
        |signature_bytes| told_within(&two, &ALONE, &Limits { signature_bytes, ..Limits::default() });
    assert_eq!(judged(rest), "valid /Signature/Object[4]");
}

#[test]
fn a_signature_in_an_object_is_one_too_many() {
    let inner = signature(&[to_uri("", &[ENVELOPED], "<r></r>")]);
    let [written, octets] = object("o", &inner);
    assert_eq!(told(&with(&[to("o", &[], &octets)], &written), &ALONE), "invalid duplicate");
    let outer = format!("<r>{}</r>", with(&[to("o", &[], &octets)], &written));
    assert_eq!(told(&outer, &PLACES), "invalid duplicate");
}
