//! Verdicts on signatures that are right, wrong, or outside the profile, each made with one thing changed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use xml_sig::{Coverage, Limits, Reach, ReadOptions, Signer, Verdict};

use crate::support::*;

fn options(limits: &Limits) -> ReadOptions<'_> {
    ReadOptions { limits, initial_namespaces: &[] }
}

#[test]
fn a_valid_verdict_says_who_signed_what_and_how() {
    let limits = Limits::default();
    for (identity, method) in [(rsa(), RSA_SHA256), (ec(), ECDSA_SHA256)] {
        let document = Draft::new(identity).document();
        let trust = pinned(&[ec(), rsa()]);
        for chunk in [0, 1, 7, 64 << 10] {
            let judged = judge_with(document.as_bytes(), chunk, &PLACES, &options(&limits), &trust);
            let (Verdict::Valid(valid), record) = judged.unwrap() else { panic!("not valid") };
            assert_eq!(valid.signer(), &Signer::Certificate(identity.certificate()));
            assert_eq!(valid.covers(), &Coverage::WholeDocument);
            assert_eq!(valid.signature_algorithm(), method);
            assert_eq!(valid.digest_algorithm(), SHA256);
            assert_eq!(valid.canonicalisation(), C14N);
            assert!(valid.warnings().is_empty());
            assert_eq!(record.events, ["<{}r", "<{}b", "\"1000", ">b", ">r"]);
        }
    }
}

#[test]
fn forms_inside_the_profile_are_valid() {
    let right = Draft::new(rsa()).content_digest();
    let value = STANDARD.encode(&right);
    let trust = pinned(&[rsa()]);
    let with_references =
        |references: String| Draft { references: Some(references), ..Draft::new(rsa()) }.document();
    let cases = [
        (
            "exclusive SignedInfo",
            Draft { canonicalisation: element("CanonicalizationMethod", EXC), ..Draft::new(rsa()) }
                .document(),
        ),
        (
            "with comments, there are none",
            Draft {
                canonicalisation: element("CanonicalizationMethod", &format!("{C14N}#WithComments")),
                ..Draft::new(rsa())
            }
            .document(),
        ),
        ("exclusive Reference", with_references(reference(" URI=\"\"", &[ENVELOPED, EXC], SHA256, &right))),
        (
            "comments are gone anyway",
            with_references(reference(
                " URI=\"\"",
                &[ENVELOPED, &format!("{C14N}#WithComments")],
                SHA256,
                &right,
            )),
        ),
        (
            "Ids and Type",
            with_references(reference(" Id=\"a\" Type=\"u:t\" URI=\"\"", &[ENVELOPED], SHA256, &right)),
        ),
        (
            "two References",
            with_references(
                [
                    reference(" URI=\"\"", &[ENVELOPED], SHA256, &right),
                    reference(" URI=\"\"", &[ENVELOPED, EXC], SHA256, &right),
                ]
                .concat(),
            ),
        ),
        (
            "white space in values",
            Draft::new(rsa()).document().replace("</ds:SignatureValue>", "\n\t </ds:SignatureValue>"),
        ),
        ("a comment in the content", Draft::new(rsa()).document().replace("1000", "1<!-- x -->000")),
        (
            "no KeyInfo, the pinned key fits",
            Draft { key_info: String::new(), ..Draft::new(rsa()) }.document(),
        ),
        (
            "another pinned key is tried",
            Draft {
                key_info: "<ds:KeyInfo><ds:KeyName>x</ds:KeyName></ds:KeyInfo>".into(),
                ..Draft::new(rsa())
            }
            .document(),
        ),
    ];
    assert!(cases[2].1.contains(&value));
    for (name, document) in &cases {
        assert_eq!(judge(document, &trust), "valid", "{name}");
    }
    assert_eq!(judge(&cases[9].1, &pinned(&[ec(), rsa()])), "valid");
}

#[test]
fn whatever_was_changed_after_signing_is_found() {
    let document = Draft::new(rsa()).document();
    let trust = pinned(&[rsa()]);
    for (from, to, verdict) in [
        ("1000", "9000", "invalid digest"),
        ("<b>", "<b c=\"\">", "invalid digest"),
        ("<r>", "<r>\n", "invalid digest"),
        ("<r>", "<?p?><r>", "invalid digest"),
        ("<b>", "<b xmlns:p=\"u:p\">", "invalid digest"),
        ("URI=\"\"", "Id=\"x\" URI=\"\"", "invalid signature-value"),
        ("<ds:SignatureValue>", "<ds:SignatureValue>A", "invalid signature-value"),
        ("</ds:SignatureValue>", "!</ds:SignatureValue>", "invalid signature-value"),
        ("<r>", "<r xml:lang=\"vi\">", "invalid signature-value"),
        ("<r>", "<r xmlns:p=\"u:p\">", "invalid signature-value"),
        ("<r>", "<r xmlns:p=\"p\">", "invalid relative-namespace"),
    ] {
        let changed = document.replacen(from, to, 1);
        assert_ne!(changed, document);
        assert_eq!(judge(&changed, &trust), verdict, "{from} to {to}");
    }
}

#[test]
fn structure_that_hides_something_is_refused() {
    let document = Draft::new(rsa()).document();
    let trust = pinned(&[rsa()]);
    let value_from = document.find("<ds:SignedInfo>").unwrap();
    let value_to = document.find("<ds:SignatureValue>").unwrap();
    let signed_info = &document[value_from..value_to];
    let no_value =
        format!("{}{}", &document[..value_to], &document[document.find("<ds:KeyInfo>").unwrap()..]);
    for (name, changed) in [
        ("comment in DigestValue", document.replace("</ds:DigestValue>", "<!-- --></ds:DigestValue>")),
        ("instruction in DigestValue", document.replace("</ds:DigestValue>", "<?p?></ds:DigestValue>")),
        ("element in DigestValue", document.replace("</ds:DigestValue>", "<x/></ds:DigestValue>")),
        (
            "comment in SignatureValue",
            document.replace("</ds:SignatureValue>", "<!-- --></ds:SignatureValue>"),
        ),
        ("element in SignatureValue", document.replace("</ds:SignatureValue>", "<x/></ds:SignatureValue>")),
        (
            "comment in X509Certificate",
            document.replace("</ds:X509Certificate>", "<!-- --></ds:X509Certificate>"),
        ),
        (
            "element in X509Certificate",
            document.replace("</ds:X509Certificate>", "<x/></ds:X509Certificate>"),
        ),
        ("two SignedInfo", document.replacen(signed_info, &format!("{signed_info}{signed_info}"), 1)),
        (
            "two SignatureValue",
            document.replace(
                "</ds:SignatureValue>",
                "</ds:SignatureValue><ds:SignatureValue></ds:SignatureValue>",
            ),
        ),
        ("two KeyInfo", document.replace("</ds:KeyInfo>", "</ds:KeyInfo><ds:KeyInfo/>")),
        ("no SignatureValue", no_value),
        ("no SignedInfo", document.replacen(signed_info, "", 1)),
        ("Object first", document.replace("<ds:SignedInfo>", "<ds:Object/><ds:SignedInfo>")),
        ("foreign element", document.replace("<ds:KeyInfo>", "<x/><ds:KeyInfo>")),
        ("text", document.replace("<ds:KeyInfo>", "x<ds:KeyInfo>")),
    ] {
        assert_ne!(changed, document, "{name}");
        assert_eq!(judge(&changed, &trust), "invalid structure", "{name}");
    }
}

#[test]
fn nothing_unsigned_can_hide_in_the_signature() {
    let document = Draft::new(rsa()).document();
    let trust = pinned(&[rsa()]);
    let forged = "<r><h></h><b>9000</b></r>";
    for (before, hidden) in [
        ("</ds:KeyInfo>", forged),
        ("<ds:X509Data>", forged),
        ("<ds:X509Certificate>", forged),
        ("</ds:X509Data>", "<b>9000</b>"),
        ("</ds:X509Data>", "<X509SKI>AA==</X509SKI>"),
        ("</ds:X509Data>", "<ds:KeyName>x</ds:KeyName>"),
        ("</ds:X509Data>", "<ds:X509IssuerSerial><ds:X509SKI/></ds:X509IssuerSerial>"),
        ("</ds:X509Data>", "<ds:X509IssuerSerial>1</ds:X509IssuerSerial>"),
        ("</ds:X509Data>", "<ds:X509SubjectName><b>x</b></ds:X509SubjectName>"),
        ("</ds:X509Data>", "<ds:X509SubjectName a=''>x</ds:X509SubjectName>"),
        ("</ds:X509Data>", "<ds:X509SubjectName xml:lang='vi'>x</ds:X509SubjectName>"),
        ("</ds:KeyInfo>", "<ds:X509Certificate/>"),
        ("</ds:KeyInfo>", "<ds:RetrievalMethod URI=''/>"),
        ("</ds:KeyInfo>", "<ds:KeyValue><b/></ds:KeyValue>"),
        ("</ds:KeyInfo>", "<ds:KeyValue><ds:RSAKeyValue>x</ds:RSAKeyValue></ds:KeyValue>"),
        ("</ds:KeyInfo>", "<ds:KeyValue><ds:ECKeyValue/></ds:KeyValue>"),
        ("</ds:KeyInfo>", "9000"),
        ("<ds:X509Certificate>", "9000"),
        ("</ds:KeyInfo>", "<?p 9000?>"),
        ("<ds:KeyInfo>", "<?p 9000?>"),
        ("<ds:SignedInfo>", "<?p 9000?>"),
        ("<ds:Reference ", "<?p 9000?>"),
        ("</ds:X509Data>", "<ds:X509SKI><?p 9000?></ds:X509SKI>"),
    ] {
        let changed = document.replacen(before, &format!("{hidden}{before}"), 1);
        assert_ne!(changed, document, "{before}");
        assert_eq!(judge(&changed, &trust), "invalid structure", "{hidden} before {before}");
    }
    for tag in ["<ds:Signature", "<ds:KeyInfo", "<ds:X509Data", "<ds:X509Certificate", "<ds:SignatureValue"] {
        for attribute in ["evil='1'", "xml:lang='vi'", "xmlns:q='u:q' q:Id='1'"] {
            let changed = document.replacen(tag, &format!("{tag} {attribute}"), 1);
            assert_eq!(judge(&changed, &trust), "invalid structure", "{attribute} in {tag}");
        }
    }
}

#[test]
fn what_signers_write_in_the_signature_is_allowed() {
    let trust = pinned(&[rsa()]);
    let parts = "<ds:KeyName>x</ds:KeyName>\n\
        <ds:KeyValue><ds:RSAKeyValue><ds:Modulus>AA==</ds:Modulus><ds:Exponent>AQAB</ds:Exponent></ds:RSAKeyValue></ds:KeyValue>\n\
        <ds:KeyValue><e:ECKeyValue xmlns:e='http://www.w3.org/2009/xmldsig11#'>\
        <e:NamedCurve URI='urn:oid:1.2.840.10045.3.1.7'/><e:PublicKey>BA==</e:PublicKey></e:ECKeyValue></ds:KeyValue>\n\
        <ds:X509Data><ds:X509SubjectName>CN=x</ds:X509SubjectName><ds:X509SKI>AA==</ds:X509SKI>\
        <ds:X509IssuerSerial><ds:X509IssuerName>CN=y</ds:X509IssuerName><ds:X509SerialNumber>7</ds:X509SerialNumber></ds:X509IssuerSerial>\
        <ds:X509CRL>AA==</ds:X509CRL></ds:X509Data><!-- a comment -->";
    let document = Draft::new(rsa()).document();
    let changed = document
        .replacen("</ds:KeyInfo>", &format!("\n{parts}\n</ds:KeyInfo>"), 1)
        .replacen("<ds:Signature ", "<ds:Signature Id='s' ", 1)
        .replacen("<ds:SignatureValue>", "<ds:SignatureValue Id='v'>", 1)
        .replacen("<ds:KeyInfo>", "<ds:KeyInfo Id='k'>", 1);
    assert_eq!(judge(&changed, &trust), "valid");
}

#[test]
fn nothing_unknown_stands_in_signed_info_even_when_it_is_signed() {
    let right = reference(" URI=\"\"", &[ENVELOPED], SHA256, &Draft::new(rsa()).content_digest());
    for (from, to) in [
        ("<ds:Transforms>", "<ds:Transforms a=\"\">"),
        ("<ds:Transforms>", "<ds:Transforms>9000"),
        ("<ds:Transforms>", "9000<ds:Transforms>"),
        ("<ds:Reference ", "9000<ds:Reference "),
        ("</ds:Reference>", "<b></b></ds:Reference>"),
        ("</ds:Reference>", "</ds:Reference><b></b>"),
        ("</ds:Transforms>", "<b></b></ds:Transforms>"),
    ] {
        let references = right.replacen(from, to, 1);
        assert_ne!(references, right);
        let document = Draft { references: Some(references), ..Draft::new(rsa()) }.document();
        assert_eq!(judge(&document, &pinned(&[rsa()])), "invalid structure", "{to}");
    }
}

#[test]
fn the_signature_must_be_one_and_in_its_place() {
    let draft = Draft::new(rsa());
    let signature = draft.signature();
    let trust = pinned(&[rsa()]);
    for (document, verdict) in [
        ("<r/>".to_owned(), "absent"),
        (format!("<r><b>{signature}</b></r>"), "invalid position"),
        (format!("<q>{signature}</q>"), "invalid position"),
        (signature.clone(), "invalid position"),
        (format!("<r xmlns='u:other'>{signature}</r>"), "invalid position"),
        (format!("<r><h/><h><i>{signature}</i></h></r>"), "invalid position"),
        (format!("<r>{signature}{signature}</r>"), "invalid duplicate"),
        (format!("<r>{signature}<b>{signature}</b></r>"), "invalid duplicate"),
        (
            draft
                .document()
                .replace("</ds:Signature>", &format!("<ds:Object>{signature}</ds:Object></ds:Signature>")),
            "invalid duplicate",
        ),
        (format!("<r><r>{signature}</r></r>"), "invalid position"),
        ("<r><Signature/></r>".to_owned(), "unusable wrong-namespace"),
        (
            "<r><h><Signature xmlns='https://www.w3.org/2000/09/xmldsig#'/></h></r>".to_owned(),
            "unusable wrong-namespace",
        ),
        ("<r><b><Signature/></b></r>".to_owned(), "absent"),
    ] {
        assert_eq!(judge(&document, &trust), verdict, "{document}");
    }
    let in_header = Draft { body: "<h></h>", ..Draft::new(rsa()) };
    let document = format!("<r><h>{}</h></r>", in_header.signature());
    assert_eq!(judge(&document, &trust), "valid");
}

#[test]
fn a_wrongly_namespaced_signature_does_not_hide_a_real_one() {
    let document = Draft { body: "<Signature></Signature>", ..Draft::new(rsa()) }.document();
    assert_eq!(judge(&document, &pinned(&[rsa()])), "valid");
}

#[test]
fn a_repaired_document_is_absent_or_unusable() {
    let limits = Limits::default();
    let given = [("p", "u:given"), ("ds", DS)];
    let options = ReadOptions { limits: &limits, initial_namespaces: &given };
    let judged = |document: &str| {
        let places = xml_sig::Places { parents: &[&[("", "r")]], signed: &[] };
        word(&judge_with(document.as_bytes(), 7, &places, &options, &pinned(&[rsa()])).unwrap().0)
    };
    let whole = Draft::new(rsa()).document();
    assert_eq!(judged(&whole), "valid", "nothing needed repair");
    let undeclared = Draft { body: "<p:b></p:b>", ..Draft::new(rsa()) }.document();
    assert_eq!(judged(&undeclared), "unusable namespaces");
    assert_eq!(
        judged(&undeclared.replace("</r>", &format!("{}</r>", Draft::new(rsa()).signature()))),
        "unusable namespaces"
    );
    assert_eq!(judged("<r><ds:Signature/></r>"), "unusable namespaces");
    assert_eq!(judged("<r p:x=''/>"), "absent");
}

#[test]
fn limits_of_the_signature_hold_at_their_value_and_not_one_past_it() {
    let trust = pinned(&[rsa()]);
    let judged = |document: &str, limits: &Limits| {
        word(&judge_with(document.as_bytes(), 7, &PLACES, &options(limits), &trust).unwrap().0)
    };
    let draft = Draft::new(rsa());
    let length = draft.signature().len();
    let document = draft.document();
    assert_eq!(judged(&document, &Limits { signature_bytes: length, ..Limits::default() }), "valid");
    let short = Limits { signature_bytes: length - 1, ..Limits::default() };
    assert_eq!(judged(&document, &short), "invalid limit");
    assert_eq!(judged(&document, &Limits { signature_bytes: 100, ..Limits::default() }), "invalid limit");

    let one = reference(" URI=\"\"", &[ENVELOPED], SHA256, &draft.content_digest());
    let with = |count: usize| Draft { references: Some(one.repeat(count)), ..Draft::new(rsa()) }.document();
    assert_eq!(judged(&with(8), &Limits::default()), "valid");
    assert_eq!(judged(&with(9), &Limits::default()), "invalid limit");

    let two = reference(" URI=\"\"", &[ENVELOPED, EXC], SHA256, &draft.content_digest());
    let document = Draft { references: Some(two), ..Draft::new(rsa()) }.document();
    assert_eq!(judged(&document, &Limits { transforms: 2, ..Limits::default() }), "valid");
    assert_eq!(judged(&document, &Limits { transforms: 1, ..Limits::default() }), "invalid limit");

    let data = rsa().key_info().replace("<ds:KeyInfo>", "").replace("</ds:KeyInfo>", "");
    let with = |count: usize| {
        let key_info = format!("<ds:KeyInfo>{}</ds:KeyInfo>", data.repeat(count));
        Draft { key_info, ..Draft::new(rsa()) }.document()
    };
    assert_eq!(judged(&with(16), &Limits::default()), "valid");
    assert_eq!(judged(&with(17), &Limits::default()), "invalid limit");
}

#[test]
fn names_of_nested_xml_attributes_are_bounded_together() {
    let limits = Limits { markup_bytes: 4096, ..Limits::default() };
    let nested = |depth: usize| {
        let tag = format!("<a xml:{}=''>", "x".repeat(1000));
        format!("<r>{}{}</r>", tag.repeat(depth), "</a>".repeat(depth))
    };
    let located = |document: &str| {
        let (options, mut record) = (options(&limits), Record::default());
        xml_sig::locate(&mut document.as_bytes(), &options, &PLACES, Reach::End, &mut record).err()
    };
    assert!(located(&nested(4)).is_none());
    let over = located(&nested(5)).map(|error| error.to_string()).unwrap_or_default();
    assert!(over.starts_with("the limit markup_bytes is exceeded"), "{over}");
    let beside = nested(1).replace("<r>", "").replace("</r>", "").repeat(20);
    assert!(located(&format!("<r>{beside}</r>")).is_none(), "closed elements give their names back");
}

#[test]
fn the_second_pass_must_read_the_document_of_the_first() {
    let limits = Limits::default();
    let document = Draft::new(rsa()).document();
    let moved = document.replace("<ds:KeyInfo>", "<ds:KeyInfo> ");
    let none = "<r><b>1000</b></r>";
    for other in [moved.as_str(), none, "<r><b>1000</b><h></h></r>"] {
        for reach in [Reach::Signature, Reach::End] {
            let (mut record, options) = (Record::default(), options(&limits));
            let located =
                xml_sig::locate(&mut document.as_bytes(), &options, &PLACES, reach, &mut record).unwrap();
            assert!(located.signature_present());
            let verdict = located.verify(&mut other.as_bytes(), &pinned(&[rsa()]), &mut record).unwrap();
            assert_eq!(word(&verdict), "invalid digest", "{other}");
        }
    }
}
