//! The parser of signatures: a document around whatever Signature the input is. Its gaps are filled with right values, so
//! that a strange Signature is not merely a broken one: a trusted signer has signed it.

use std::sync::OnceLock;

use roxmltree::Document;
use xml_sig::{Places, Trust};

use crate::apex::{apex, signature};
use crate::judge::judge;
use crate::other_verifier::fill;
use crate::signer::trust;

const BEFORE: &str = "<r xmlns:p=\"urn:p\" xml:lang=\"vi\"><h Id=\"h\"><p:i Id=\"i\">1000</p:i></h>";
const AFTER: &str = "<b Id=\"b\" xmlns=\"urn:d\">x &amp; y<!--c--></b></r>";
const PLACES: Places<'static> = Places { parents: &[&[("", "r")]], signed: &[] };
/// In an input: the value that a trusted signer gave [`SIGNED`], and nothing else.
const REPLAYED: &str = "{V}";
/// The SignedInfo, in a form that is the same everywhere.
const SIGNED: &str = "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:SignedInfo>\
    <ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>\
    <ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256\"/>\
    <ds:Reference URI=\"\"><ds:Transforms>\
    <ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/></ds:Transforms>\
    <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/><ds:DigestValue>{D}</ds:DigestValue>\
    </ds:Reference></ds:SignedInfo><ds:SignatureValue>{W}</ds:SignatureValue></ds:Signature>";

/// Checks one input; returns whether it is valid.
pub fn check(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else {
        let document = [BEFORE.as_bytes(), input, AFTER.as_bytes()].concat();
        assert!(judge(&document, &PLACES, trust()).is_none(), "valid, and no UTF-8");
        return false;
    };
    let replay = replay();
    let document = fill(&format!("{BEFORE}{}{AFTER}", text.replace(REPLAYED, &replay.value)));
    let trust = Trust { legacy_sha1: true, ..trust().clone() };
    let valid = judge(document.as_bytes(), &PLACES, &trust).is_some();
    // With no gap for a value of its own, only the one SignedInfo can be good, in whatever spelling.
    if valid && !text.contains("{W}") {
        assert_eq!(
            octets(&document).as_ref(),
            Some(&replay.octets),
            "another SignedInfo is valid: {document}"
        );
    }
    valid
}

struct Replay {
    octets: Vec<u8>,
    value: String,
}

fn replay() -> &'static Replay {
    static REPLAY: OnceLock<Replay> = OnceLock::new();
    REPLAY.get_or_init(|| {
        let document = fill(&format!("{BEFORE}{SIGNED}{AFTER}"));
        assert!(judge(document.as_bytes(), &PLACES, trust()).is_some(), "what is replayed is not valid");
        let octets = octets(&document).expect("its SignedInfo");
        let parsed = Document::parse(&document).expect("it is read");
        let value = parsed.descendants().find(|node| node.tag_name().name() == "SignatureValue");
        let value = value.and_then(|value| value.text()).expect("its SignatureValue").to_owned();
        Replay { octets, value }
    })
}

/// SignedInfo in the exclusive form.
fn octets(text: &str) -> Option<Vec<u8>> {
    let document = Document::parse(text).ok()?;
    let signed_info = signature(&document)?.children().find(|node| node.tag_name().name() == "SignedInfo")?;
    apex(text, signed_info, None, &xml_sig::Form { method: xml_sig::Method::Exclusive, ..Default::default() })
}
