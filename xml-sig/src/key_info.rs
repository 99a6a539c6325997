//! What a KeyInfo may hold (XML Signature section 4.4): an enveloped signature does not cover it, so anything else in it
//! would be content that nobody signed.

use crate::algorithms::DS;
use crate::reader::{Name, StartTag};
use crate::verdict::Objection;

/// The namespace of ECKeyValue (XML Signature 1.1, section 4.5.2.3).
const DS11: &str = "http://www.w3.org/2009/xmldsig11#";

/// An element of a KeyInfo.
struct Part {
    namespace: &'static str,
    local: &'static str,
    /// The one attribute that it may have; empty: none.
    attribute: &'static str,
    holds: Holds,
}

enum Holds {
    /// These elements, each any number of times, and white space.
    Parts(&'static [Part]),
    /// Text alone.
    Text,
}

const fn text(local: &'static str) -> Part {
    Part { namespace: DS, local, attribute: "", holds: Holds::Text }
}

const fn branch(local: &'static str, parts: &'static [Part]) -> Part {
    Part { namespace: DS, local, attribute: "", holds: Holds::Parts(parts) }
}

static KEY_INFO: Part = Part { attribute: "Id", ..branch("KeyInfo", KEY_INFO_PARTS) };
const KEY_INFO_PARTS: &[Part] = &[
    text("KeyName"),
    branch("KeyValue", KEY_VALUE),
    branch("X509Data", X509_DATA),
    Part { namespace: DS11, attribute: "Id", ..text("DEREncodedKeyValue") },
];
const KEY_VALUE: &[Part] = &[
    branch("RSAKeyValue", &[text("Modulus"), text("Exponent")]),
    branch(
        "DSAKeyValue",
        &[text("P"), text("Q"), text("G"), text("Y"), text("J"), text("Seed"), text("PgenCounter")],
    ),
    Part { namespace: DS11, attribute: "Id", ..branch("ECKeyValue", EC_KEY_VALUE) },
];
const EC_KEY_VALUE: &[Part] = &[
    Part { namespace: DS11, attribute: "URI", ..branch("NamedCurve", &[]) },
    Part { namespace: DS11, ..text("PublicKey") },
];
const X509_DATA: &[Part] = &[
    text("X509Certificate"),
    text("X509SubjectName"),
    branch("X509IssuerSerial", &[text("X509IssuerName"), text("X509SerialNumber")]),
    text("X509SKI"),
    text("X509CRL"),
    Part { namespace: DS11, attribute: "Algorithm", ..text("X509Digest") },
];

/// The open elements of a KeyInfo, itself included; empty outside.
#[derive(Default)]
pub(crate) struct KeyInfo {
    open: Vec<&'static Part>,
}

impl KeyInfo {
    /// An element begins: KeyInfo itself, or one in it. Whether it is an X509Certificate.
    pub(crate) fn start(&mut self, tag: &StartTag<'_>) -> Result<bool, Objection> {
        let part = match self.open.last() {
            None => Some(&KEY_INFO),
            Some(Part { holds: Holds::Parts(parts), .. }) => parts.iter().find(|part| part.is(&tag.name)),
            Some(_) => None,
        };
        let part = part.ok_or_else(|| out_of_place(&tag.name))?;
        only_attribute(tag, part.attribute)?;
        self.open.push(part);
        Ok(part.local == "X509Certificate")
    }

    /// Whether text may stand here.
    pub(crate) fn takes_text(&self) -> bool {
        matches!(self.open.last(), Some(Part { holds: Holds::Text, .. }))
    }

    /// The element that began last ends.
    pub(crate) fn end(&mut self) {
        self.open.pop();
    }
}

impl Part {
    fn is(&self, name: &Name<'_>) -> bool {
        name.is(self.namespace, self.local)
    }
}

/// No attribute but this one, which has no namespace; namespace declarations are no attributes.
pub(crate) fn only_attribute(tag: &StartTag<'_>, allowed: &str) -> Result<(), Objection> {
    match tag.attributes.iter().find(|attribute| !attribute.name.is("", allowed)) {
        None => Ok(()),
        Some(attribute) => {
            let (attribute, element) = (cut(attribute.name.local), cut(tag.name.local));
            Err(Objection::structure(format!("attribute {attribute} in {element}")))
        }
    }
}

pub(crate) fn out_of_place(name: &Name<'_>) -> Objection {
    Objection::structure(format!("{} is out of place in the Signature", cut(name.local)))
}

/// A text from the document, short enough for a verdict's detail.
fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}
