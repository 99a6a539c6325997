//! Verification of what was changed: a document with a good Signature, and the input is a script of edits to it. If it is
//! still valid, all that is signed says what it said.

use std::sync::OnceLock;

use roxmltree::{Document, Node};
use xml_sig::{Coverage, Form, Method, Places};

use crate::apex::{is_inside, signature, whole};
use crate::edits::{Numbers, Script, edit};
use crate::judge::judge;
use crate::other_verifier::{fill, path, references};
use crate::signer::trust;

/// More edits than these leave nothing that is worth judging.
const EDITS_MAX: usize = 8;
const SIGNED_PARTS: &[&[(&str, &str)]] = &[&[("", "r"), ("", "h")], &[("", "r"), ("", "b")]];
const PARENTS: &[&[(&str, &str)]] = &[&[("", "r")], &[("", "r"), ("", "h")]];

/// A signed document.
struct Case {
    text: String,
    signed: Vec<Signed>,
    parts: &'static [&'static [(&'static str, &'static str)]],
}

/// What one Reference is about, as it was signed.
struct Signed {
    whole: bool,
    enveloped: bool,
    form: Form,
    octets: Vec<u8>,
}

/// Checks one input; returns whether the document is still valid.
pub fn check(input: &[u8]) -> bool {
    let cases = cases();
    let mut script = Script(input);
    let case = &cases[script.below(cases.len())];
    let mut document = case.text.clone().into_bytes();
    for _ in 0..EDITS_MAX {
        if script.is_over() {
            break;
        }
        edit(&mut document, &mut script);
    }
    let places = Places { parents: PARENTS, signed: case.parts };
    let Some(valid) = judge(&document, &places, trust()) else {
        assert!(
            document != case.text.as_bytes(),
            "the document as it was signed is not valid: {}",
            case.text
        );
        return false;
    };
    let text = String::from_utf8(document).expect("a valid document is UTF-8");
    case.compare(&text, valid.covers());
    true
}

impl Case {
    /// Everything signed must be there and be the same; every part that must be signed is.
    fn compare(&self, text: &str, covers: &Coverage) {
        // `judge` knows why when the other reader refuses it.
        let Ok(document) = Document::parse(text) else { return };
        let signature = signature(&document).expect("a valid document has a Signature");
        let mut covered: Vec<Node<'_, '_>> = Vec::new();
        for signed in &self.signed {
            let octets = |reference: &crate::other_verifier::Referred<'_, '_>| {
                (reference.form == signed.form && reference.enveloped == signed.enveloped)
                    .then(|| reference.octets(text, signature))
                    .flatten()
            };
            let found = references(signature).into_iter().flatten().find(|reference| {
                reference.element.is_none() == signed.whole
                    && octets(reference).as_ref() == Some(&signed.octets)
            });
            let found =
                found.unwrap_or_else(|| panic!("signed content is gone or changed, and it is valid: {text}"));
            covered.extend(found.element);
            if signed.whole {
                assert_eq!(covers, &Coverage::WholeDocument, "{text}");
                // Once more, whatever the References say. Declarations that nothing uses are no content to the exclusive
                // method.
                let plain = Form { method: Method::Exclusive, ..Form::default() };
                let before = Document::parse(&self.text).expect("the case is read");
                let before = whole(&self.text, crate::apex::signature(&before), &plain);
                let after = whole(text, Some(signature), &plain);
                assert!(before == after, "the content changed, and it is valid: {text}");
            }
        }
        let Coverage::Elements(paths) = covers else { return };
        assert_eq!(paths, &covered.iter().map(|element| path(*element)).collect::<Vec<_>>(), "{text}");
        for part in document.descendants().filter(|node| self.must_be_signed(*node)) {
            assert!(
                covered.iter().any(|element| is_inside(part, *element)),
                "{} is not signed: {text}",
                path(part)
            );
        }
    }

    fn must_be_signed(&self, node: Node<'_, '_>) -> bool {
        let path = path(node).steps;
        node.is_element()
            && self.parts.iter().any(|part| {
                let same = |(step, (namespace, local)): (&xml_sig::Step, &(&str, &str))| {
                    step.namespace == *namespace && step.local == *local
                };
                part.len() == path.len() && path.iter().zip(part.iter()).all(same)
            })
    }
}

/// One of each kind of signature in the profile.
fn cases() -> &'static [Case] {
    static CASES: OnceLock<Vec<Case>> = OnceLock::new();
    CASES.get_or_init(|| {
        const C14N: &str = "<ds:Transform Algorithm=\"http://www.w3.org/TR/2001/REC-xml-c14n-20010315\"/>";
        const EXC: &str = "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>";
        const LISTED: &str = "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"><InclusiveNamespaces \
            xmlns=\"http://www.w3.org/2001/10/xml-exc-c14n#\" PrefixList=\"p #default\"/></ds:Transform>";
        const ENVELOPED: &str = "<ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>";
        const OBJECT: &str = "<ds:Object Id=\"o\"><p:o/>1000</ds:Object>";
        let (inclusive, exclusive) = ("TR/2001/REC-xml-c14n-20010315", "2001/10/xml-exc-c14n#");
        let ecdsa = "2001/04/xmldsig-more#ecdsa-sha256";
        let pss = "2007/05/xmldsig-more#sha512-rsa-MGF1";
        let enveloped = |form: &str| reference("", &format!("{ENVELOPED}{form}"));
        vec![
            case("", inclusive, ecdsa, &enveloped(C14N), "", &[]),
            case("", exclusive, ecdsa, &enveloped(LISTED), "", &[]),
            case("", exclusive, ecdsa, &(reference("#h", EXC) + &reference("#b", "")), "", SIGNED_PARTS),
            case("h", inclusive, ecdsa, &(reference("#h", &format!("{ENVELOPED}{EXC}")) + &reference("#b", LISTED)), "", SIGNED_PARTS),
            case("", exclusive, ecdsa, &reference("#o", EXC), OBJECT, &[]),
            case("", exclusive, pss, &enveloped(EXC), "", &[]),
        ]
    })
}

fn reference(uri: &str, transforms: &str) -> String {
    let transforms = if transforms.is_empty() {
        String::new()
    } else {
        format!("<ds:Transforms>{transforms}</ds:Transforms>")
    };
    format!(
        "<ds:Reference URI=\"{uri}\">{transforms}<ds:DigestMethod \
         Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/><ds:DigestValue>{{D}}</ds:DigestValue></ds:Reference>"
    )
}

/// A document with a Signature of these parts, which stands in the root or in `h`.
fn case(
    parent: &str,
    form: &str,
    method: &str,
    references: &str,
    object: &str,
    parts: &'static [&'static [(&'static str, &'static str)]],
) -> Case {
    let certificate = if method.contains("rsa") { "{rsa}" } else { "{ec}" };
    let made = format!(
        "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:SignedInfo>\
         <ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/{form}\"/>\
         <ds:SignatureMethod Algorithm=\"http://www.w3.org/{method}\"/>{references}</ds:SignedInfo>\
         <ds:SignatureValue>{{W}}</ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}\
         </ds:X509Certificate></ds:X509Data></ds:KeyInfo>{object}</ds:Signature>"
    );
    let (in_h, in_root) = if parent == "h" { (made.as_str(), "") } else { ("", made.as_str()) };
    let text = fill(&format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!--c--><r xmlns:p=\"urn:p\" xml:lang=\"vi\">\n\
         <h Id=\"h\"><p:i p:c=\"\">x &amp; y\r\n</p:i>{in_h}</h><b a=\"1\" Id=\"b\"><a/><![CDATA[<1000>]]><?q z?><!--c--></b>\
         <c>unsigned</c>{in_root}</r>\n<?e e?>"
    ));
    let document = Document::parse(&text).expect("a case is read");
    let signature = signature(&document).expect("a case has a Signature");
    let signed = self::references(signature).into_iter().map(|reference| {
        let reference = reference.expect("a case's References make sense");
        let octets = reference.octets(&text, signature).expect("a case's References have octets");
        Signed {
            whole: reference.element.is_none(),
            enveloped: reference.enveloped,
            form: reference.form,
            octets,
        }
    });
    let signed = signed.collect();
    Case { text, signed, parts }
}
