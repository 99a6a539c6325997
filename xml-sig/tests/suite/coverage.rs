//! What must be signed is, wherever it stands, or the verdict says that it is not: the rule that stops wrapping.

use xml_sig::{Coverage, Limits, Places, Verdict};

use crate::parts::*;
use crate::support::{DS, Draft, ENVELOPED, EXC};

/// Each header and each part, a part in whatever namespace.
const RULE: Places<'static> = Places {
    parents: &[&[("", "r")], &[("", "r"), ("", "h")]],
    signed: &[&[("", "r"), ("", "h")], &[("", "r"), ("*", "p")]],
};
const H: &str = "<h Id=\"h\"><v>1000</v></h>";
const P: &str = "<p Id=\"p\">2</p>";
const FORGED: &str = "<p>9</p>";

/// Header and part, signed each for itself.
fn both() -> [String; 2] {
    [to("h", &[EXC], H), to("p", &[EXC], P)]
}

fn document() -> String {
    format!("<r>{H}{P}{}</r>", signature(&both()))
}

#[test]
fn all_that_must_be_signed_is_covered_by_itself_or_by_what_is_around_it() {
    assert_eq!(told(&document(), &RULE), "valid /r/h[1], /r/p[2]");
    let root = format!("<r Id=\"r\">{H}{P}</r>");
    let in_root = |references: &[String]| root.replace("</r>", &format!("{}</r>", signature(references)));
    assert_eq!(told(&in_root(&[to("r", &[ENVELOPED], &root)]), &RULE), "valid /r");
    assert_eq!(told(&in_root(&[to_uri("", &[ENVELOPED], &root)]), &RULE), "valid the whole document");
    let in_header = format!(
        "<r>{}{P}</r>",
        H.replace("</h>", &format!("{}</h>", signature(&[to("h", &[ENVELOPED, EXC], H), both()[1].clone()])))
    );
    assert_eq!(told(&in_header, &RULE), "valid /r/h[1], /r/p[2]");
    // Where nothing need be signed, it is the caller who looks at what is.
    let places = Places { signed: &[], ..RULE };
    assert_eq!(told(&document().replace(P, &format!("{P}{FORGED}")), &places), "valid /r/h[1], /r/p[2]");
}

#[test]
fn what_is_covered_is_told_as_paths_with_names_and_numbers() {
    let Verdict::Valid(valid) = verdict(&document(), &RULE, &Limits::default(), 0) else {
        panic!("it is good")
    };
    let Coverage::Elements(paths) = valid.covers() else { panic!("only parts are signed") };
    let steps = |at: usize| -> Vec<(&str, &str, usize)> {
        paths[at].steps.iter().map(|s| (s.namespace.as_str(), s.local.as_str(), s.child)).collect()
    };
    assert_eq!(steps(0), [("", "r", 1), ("", "h", 1)]);
    assert_eq!(steps(1), [("", "r", 1), ("", "p", 2)]);
}

#[test]
fn whatever_stands_where_something_signed_must_and_is_not_is_refused() {
    let document = document();
    let signature_at = document.find("<ds:Signature ").unwrap();
    let behind = |hidden: &str| format!("{}{hidden}</r>", &document[..document.len() - "</r>".len()]);
    let before = |hidden: &str| format!("<r>{hidden}{}", &document["<r>".len()..]);
    let between =
        |hidden: &str| format!("{}{hidden}{}", &document[..signature_at], &document[signature_at..]);
    for hidden in
        [FORGED, "<p/>", "<q:p xmlns:q='u:q'>9</q:p>", "<p xmlns='u:q'/>", "<h/>", "<h><h>1</h></h>"]
    {
        for (changed, at) in [
            (before(hidden), "<r>".len()),
            (between(hidden), signature_at),
            (behind(hidden), document.len() - "</r>".len()),
        ] {
            assert_eq!(told(&changed, &RULE), "invalid coverage", "{changed}");
            let Verdict::Invalid { at: told_at, .. } = verdict(&changed, &RULE, &Limits::default(), 0) else {
                panic!("{changed}")
            };
            assert_eq!(told_at, at as u64, "{changed}");
        }
    }
    // Elsewhere, or under another name, it is nothing that is read.
    for hidden in ["<x><p>9</p></x>", "<q:h xmlns:q='u:q'/>", "<P/>", "<r><p/></r>", "<x><r><h/></r></x>"] {
        assert_eq!(told(&behind(hidden), &RULE), "valid /r/h[1], /r/p[2]", "{hidden}");
    }
}

#[test]
fn a_signed_part_that_was_moved_does_not_vouch_for_what_stands_in_its_place() {
    let document = document();
    for place in ["x", "h2", "q:p", "p2"] {
        let wrapped = format!("<{place} xmlns:q=\"u:q\">{P}</{place}>").replace("p2", "x");
        for forged in
            [format!("{FORGED}{wrapped}"), format!("{wrapped}{FORGED}"), FORGED.replace('9', &wrapped)]
        {
            assert_eq!(told(&document.replacen(P, &forged, 1), &RULE), "invalid coverage", "{forged}");
        }
    }
    // The header with the Signature, moved: then no place is allowed.
    let deeper = document.replacen("<r>", "<r><h/><x><r>", 1).replacen("</r>", "</r></x></r>", 1);
    assert_eq!(told(&deeper, &RULE), "invalid position");
    // A part under a signed one: nothing is read there, and it is signed.
    let nested = format!("<h Id=\"h\">{P}</h>");
    let within = format!("<r>{nested}{}</r>", signature(&[to("h", &[EXC], &nested)]));
    assert_eq!(told(&within, &RULE), "valid /r/h[1]");
    assert_eq!(told(&within.replace("</h>", "</h><p/>"), &RULE), "invalid coverage");
}

#[test]
fn a_signed_part_that_was_moved_into_the_signature_does_not_either() {
    for tail in [format!("<ds:Object>{P}</ds:Object>"), format!("<ds:Object><x>{P}</x></ds:Object>")] {
        let draft = Draft { tail: &tail, ..draft(&both()) };
        let changed = format!("<r>{H}{FORGED}{}</r>", draft.signature());
        assert_eq!(told(&changed, &RULE), "invalid coverage");
        let without = changed.replace(FORGED, "");
        let direct = !tail.contains("<x>");
        let outcome =
            if direct { "valid /r/h[1], /r/Signature[2]/Object[4]/p[1]" } else { "unusable object" };
        assert_eq!(told(&without, &RULE), outcome);
    }
    // Nothing unknown may stand elsewhere in a Signature.
    let in_key_info = document().replace(P, FORGED).replace("</ds:KeyInfo>", &format!("{P}</ds:KeyInfo>"));
    assert_eq!(told(&in_key_info, &RULE), "invalid structure");
}

#[test]
fn a_signature_over_less_than_all_is_not_enough() {
    let with = |references: &[String]| told(&format!("<r>{H}{P}{}</r>", signature(references)), &RULE);
    let [h, p] = both();
    assert_eq!(with(&[h]), "invalid coverage");
    assert_eq!(with(&[p]), "invalid coverage");
    let key_info = crate::support::ec()
        .key_info()
        .replace("<ds:KeyInfo>", &format!("<ds:KeyInfo xmlns:ds=\"{DS}\" Id=\"k\">"));
    let draft = Draft { key_info: key_info.clone(), ..draft(&[to("k", &[EXC], &key_info)]) };
    assert_eq!(told(&format!("<r>{H}{}</r>", draft.signature()), &RULE), "invalid coverage");
    // Of a part, its content is not enough: it could be given another name, or attributes.
    let inner = "<v Id=\"v\">1000</v>";
    let document = format!("<r><h>{inner}</h>{}</r>", signature(&[to("v", &[EXC], inner)]));
    assert_eq!(told(&document, &RULE), "invalid coverage");
}

#[test]
fn the_first_of_two_faults_is_the_digest() {
    let changed = document().replace("1000", "9000").replace(P, &format!("{P}{FORGED}"));
    assert_eq!(told(&changed, &RULE), "invalid digest");
}

#[test]
fn what_cannot_be_judged_does_not_hide_what_is_refused() {
    // An Object that nobody signed, which anybody can add.
    let unsigned_object = document().replace("</ds:Signature>", "<ds:Object>x</ds:Object></ds:Signature>");
    // A form that is outside the profile for a part below an xml:base.
    let part = to("p", &[C14N_11], P);
    let based = format!("<r xml:base=\"u:r\">{H}{P}{}</r>", signature(&[both()[0].clone(), part]));
    for (document, alone) in [(unsigned_object, "unusable object"), (based, "unusable algorithm")] {
        assert_eq!(told(&document, &RULE), alone);
        for (before, added, outcome) in [
            ("</r>", FORGED, "invalid coverage"),
            ("<ds:Signature ", FORGED, "invalid coverage"),
            ("</r>", "<x Id='p'/>", "invalid id"),
            ("</r>", &signature(&both()), "invalid duplicate"),
            ("</r>", "<x xmlns='relative'/>", "invalid relative-namespace"),
        ] {
            let changed = document.replacen(before, &format!("{added}{before}"), 1);
            assert_eq!(told(&changed, &RULE), outcome, "{changed}");
        }
    }
}
