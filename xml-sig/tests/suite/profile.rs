//! What SignedInfo may ask for: references, transforms, methods and values outside the profile are refused by name.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::ecdsa::EcdsaSig;
use openssl::hash::{MessageDigest, hash};
use openssl::nid::Nid;
use xml_sig::{Limits, ReadOptions, Verdict, Warning};

use crate::support::*;

const XPATH: &str = "http://www.w3.org/TR/1999/REC-xpath-19991116";

#[test]
fn references_outside_the_profile_are_refused_by_name() {
    let right = Draft::new(rsa()).content_digest();
    let trust = pinned(&[rsa()]);
    let whole = |transforms: &[&str]| reference(" URI=\"\"", transforms, SHA256, &right);
    let list =
        &format!("<ec:InclusiveNamespaces xmlns:ec=\"{EXC}\" PrefixList=\"a\"></ec:InclusiveNamespaces>");
    let element_start = |uri: &str| format!("<ds:Transform Algorithm=\"{uri}\">");
    let parameter = whole(&[ENVELOPED, EXC])
        .replace(&element("Transform", EXC), &format!("{}{list}</ds:Transform>", element_start(EXC)));
    let cases = [
        ("none", String::new(), "invalid structure"),
        ("by an Id that is not there", reference(" URI=\"#a\"", &[EXC], SHA256, &right), "invalid id"),
        ("xpointer", reference(" URI=\"#xpointer(/)\"", &[ENVELOPED], SHA256, &right), "invalid forbidden"),
        ("external", reference(" URI=\"http://localhost/\"", &[], SHA256, &right), "invalid forbidden"),
        ("file", reference(" URI=\"file:///etc/passwd\"", &[], SHA256, &right), "invalid forbidden"),
        ("no URI", reference("", &[ENVELOPED], SHA256, &right), "invalid forbidden"),
        ("not enveloped", whole(&[]), "invalid forbidden"),
        ("canonicalised, not enveloped", whole(&[C14N]), "invalid forbidden"),
        ("XPath", whole(&[XPATH, ENVELOPED]), "invalid forbidden"),
        ("XPath later", whole(&[ENVELOPED, XPATH]), "invalid forbidden"),
        ("filter", whole(&[ENVELOPED, "http://www.w3.org/2002/06/xmldsig-filter2"]), "invalid forbidden"),
        ("XSLT", whole(&[ENVELOPED, "http://www.w3.org/TR/1999/REC-xslt-19991116"]), "invalid forbidden"),
        ("base64", whole(&[ENVELOPED, "http://www.w3.org/2000/09/xmldsig#base64"]), "invalid forbidden"),
        ("C14N 1.1", whole(&[ENVELOPED, "http://www.w3.org/2006/12/xml-c14n11"]), "valid"),
        ("C14N 1.2", whole(&[ENVELOPED, "http://www.w3.org/2006/12/xml-c14n12"]), "unusable algorithm"),
        ("PrefixList", parameter.clone(), "valid"),
        ("two PrefixLists", parameter.replace(list, &list.repeat(2)), "invalid structure"),
        (
            "PrefixList in C14N 1.0",
            parameter.replace(&element_start(EXC), &element_start(C14N)),
            "invalid structure",
        ),
        ("enveloped twice", whole(&[ENVELOPED, ENVELOPED]), "unusable reference"),
        ("three transforms", whole(&[ENVELOPED, C14N, EXC]), "unusable reference"),
        (
            "SHA-224",
            reference(" URI=\"\"", &[ENVELOPED], "http://www.w3.org/2001/04/xmldsig-more#sha224", &right),
            "unusable algorithm",
        ),
        (
            "MD5",
            reference(" URI=\"\"", &[ENVELOPED], "http://www.w3.org/2001/04/xmldsig-more#md5", &right),
            "invalid forbidden",
        ),
        (
            "SHA-1",
            reference(" URI=\"\"", &[ENVELOPED], "http://www.w3.org/2000/09/xmldsig#sha1", &right[..20]),
            "unusable sha1",
        ),
        ("short digest", reference(" URI=\"\"", &[ENVELOPED], SHA256, &right[..31]), "invalid structure"),
        ("empty digest", reference(" URI=\"\"", &[ENVELOPED], SHA256, &[]), "invalid structure"),
        (
            "right, then wrong",
            [whole(&[ENVELOPED]), reference(" URI=\"\"", &[ENVELOPED], SHA256, &[0; 32])].concat(),
            "invalid digest",
        ),
        (
            "foreign attribute",
            reference(" URI=\"\" x=\"\"", &[ENVELOPED], SHA256, &right),
            "invalid structure",
        ),
        (
            "Object in SignedInfo",
            format!("{}<ds:Object></ds:Object>", whole(&[ENVELOPED])),
            "invalid structure",
        ),
    ];
    for (name, references, verdict) in cases {
        let draft = Draft { references: Some(references), ..Draft::new(rsa()) };
        assert_eq!(judge(&draft.document(), &trust), verdict, "{name}");
        assert_ne!(judge(&draft.document(), &pinned(&[ec()])), "valid", "{name}");
    }
}

#[test]
fn methods_outside_the_profile_are_refused_by_name() {
    let trust = pinned(&[rsa()]);
    let more = |name: &str| format!("http://www.w3.org/2001/04/xmldsig-more#{name}");
    let method =
        |uri: &str| Draft { method: element("SignatureMethod", uri), ..Draft::new(rsa()) }.document();
    let canonical = |uri: &str| {
        Draft { canonicalisation: element("CanonicalizationMethod", uri), ..Draft::new(rsa()) }.document()
    };
    let truncated = element("SignatureMethod", RSA_SHA256)
        .replace("></", "><ds:HMACOutputLength>8</ds:HMACOutputLength></");
    let commented =
        canonical(&format!("{C14N}#WithComments")).replace("<ds:Reference ", "<!-- --><ds:Reference ");
    for (document, verdict) in [
        (method(&more("hmac-sha256")), "invalid forbidden"),
        (method("http://www.w3.org/2000/09/xmldsig#hmac-sha1"), "invalid forbidden"),
        (method(&more("rsa-md5")), "invalid forbidden"),
        (method(&more("rsa-sha224")), "unusable algorithm"),
        (method(&more("rsa-sha512")), "invalid signature-value"),
        (method("http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1"), "invalid signature-value"),
        (method("http://www.w3.org/2000/09/xmldsig#rsa-sha1"), "unusable sha1"),
        (method("u:unknown"), "unusable algorithm"),
        (method(ECDSA_SHA256), "invalid key-mismatch"),
        (Draft { method: truncated, ..Draft::new(rsa()) }.document(), "invalid forbidden"),
        (canonical("http://www.w3.org/2006/12/xml-c14n11"), "valid"),
        (canonical("http://www.w3.org/2006/12/xml-c14n12"), "unusable algorithm"),
        (canonical("http://www.w3.org/TR/1999/REC-xslt-19991116"), "unusable algorithm"),
        // The comment came after signing, and this method signs comments.
        (commented, "invalid signature-value"),
        (Draft { tail: "<ds:Object></ds:Object>", ..Draft::new(rsa()) }.document(), "valid"),
        (Draft { tail: "<ds:Object> 1</ds:Object>", ..Draft::new(rsa()) }.document(), "unusable object"),
        (Draft { tail: "<ds:Object><a></a></ds:Object>", ..Draft::new(rsa()) }.document(), "unusable object"),
    ] {
        assert_eq!(judge(&document, &trust), verdict, "{document}");
    }
    let koblitz = issue(&ec_key(Nid::SECP256K1), None, Wanted::default());
    let document =
        Draft { method: element("SignatureMethod", ECDSA_SHA256), ..Draft::new(&koblitz) }.document();
    assert_eq!(judge(&document, &pinned(&[&koblitz])), "unusable algorithm");
    let p384 = issue(&ec_key(Nid::SECP384R1), None, Wanted::default());
    let document = Draft { method: element("SignatureMethod", ECDSA_SHA256), ..Draft::new(&p384) }.document();
    assert_eq!(judge(&document, &pinned(&[&p384])), "valid");
}

#[test]
fn sha1_is_good_only_where_it_is_allowed_and_leaves_a_warning() {
    let digest = hash(MessageDigest::sha1(), b"<r><b>1000</b></r>").unwrap();
    let references = reference(" URI=\"\"", &[ENVELOPED], "http://www.w3.org/2000/09/xmldsig#sha1", &digest);
    let document = Draft {
        method: element("SignatureMethod", "http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
        digest: MessageDigest::sha1(),
        references: Some(references),
        ..Draft::new(rsa())
    }
    .document();
    assert_eq!(judge(&document, &pinned(&[rsa()])), "unusable sha1");
    let trust = xml_sig::Trust { legacy_sha1: true, ..pinned(&[rsa()]) };
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let judged = judge_with(document.as_bytes(), 0, &PLACES, &options, &trust).unwrap();
    let Verdict::Valid(valid) = judged.0 else { panic!("{:?}", judged.0) };
    assert_eq!(valid.warnings(), [Warning::Sha1]);
    assert_eq!(valid.digest_algorithm(), "http://www.w3.org/2000/09/xmldsig#sha1");
    assert_eq!(judge(&document.replace("1000", "1001"), &trust), "invalid digest");
}

#[test]
fn ecdsa_values_are_raw_and_of_exactly_64_bytes() {
    let document = Draft::new(ec()).document();
    let trust = pinned(&[ec()]);
    let from = document.find("<ds:SignatureValue>").unwrap() + "<ds:SignatureValue>".len();
    let to = document.find("</ds:SignatureValue>").unwrap();
    let raw = STANDARD.decode(&document[from..to]).unwrap();
    let with = |value: &[u8]| format!("{}{}{}", &document[..from], STANDARD.encode(value), &document[to..]);
    assert_eq!(judge(&with(&raw), &trust), "valid");
    let number = |bytes: &[u8]| openssl::bn::BigNum::from_slice(bytes).unwrap();
    let der =
        EcdsaSig::from_private_components(number(&raw[..32]), number(&raw[32..])).unwrap().to_der().unwrap();
    let longer = [&[0], &raw[..32], &[0], &raw[32..]].concat();
    for value in [&der[..], &longer, &raw[..63], &[0; 64], &[0xFF; 64], &[]] {
        assert_eq!(judge(&with(value), &trust), "invalid signature-value", "{} bytes", value.len());
    }
}
