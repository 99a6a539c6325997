//! The canonical form of a part: what it takes from the elements around it, and when there is none.

use xml_sig::Places;

use crate::parts::*;
use crate::support::{C14N, EXC, PLACES};

const A: &str = "<a Id=\"a\">1</a>";

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
