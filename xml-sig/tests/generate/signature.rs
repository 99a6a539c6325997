//! Signature templates of every shape in the profile, for engines that fill templates in: empty DigestValue and
//! SignatureValue.

use super::document::{Document, Part};
use super::random::Random;

/// What kind of key is to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Rsa,
    P256,
    P384,
    P521,
}

pub(crate) const KEYS: [Key; 4] = [Key::Rsa, Key::P256, Key::P384, Key::P521];

/// How Signature and content stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `URI=""`, the Signature among the root's children.
    Whole,
    /// `#Id` References, the Signature among the root's children.
    Parts,
    /// The Signature is the root and has the content in an Object.
    Enveloping,
}

/// A document with an empty Signature in it.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pub(crate) text: String,
    pub(crate) shape: Shape,
    pub(crate) key: Key,
    pub(crate) pss: bool,
    /// Elements that References name.
    pub(crate) parts: Vec<Part>,
}

const INCLUSIVE: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
const INCLUSIVE_11: &str = "http://www.w3.org/2006/12/xml-c14n11";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const DIGESTS: [&str; 3] = [
    "http://www.w3.org/2001/04/xmlenc#sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512",
];

/// A template around a document; `certificate` is base64 for KeyInfo, which is left out without one.
pub(crate) fn template(
    random: &mut Random,
    document: &Document,
    key: Key,
    pss: bool,
    certificate: &str,
) -> Template {
    let shape = match random.below(4) {
        0 => Shape::Enveloping,
        1 | 2 if !document.parts.is_empty() => Shape::Parts,
        _ => Shape::Whole,
    };
    let prefix = random.pick(&["ds", "ds", "dsig", "", "p"]);
    let mut parts = Vec::new();
    let references = match shape {
        Shape::Whole => vec![("\"\"".to_owned(), true)],
        Shape::Parts => part_references(random, document, &mut parts),
        Shape::Enveloping => vec![("\"#the-object\"".to_owned(), false)],
    };
    let mut writer = Writer { random, prefix, text: String::new() };
    writer.signature(key, pss, &references, certificate);
    let signature = writer.text;
    let text = if shape == Shape::Enveloping {
        let colon = if prefix.is_empty() { "" } else { ":" };
        let object = format!(
            "<{prefix}{colon}Object Id=\"the-object\">{}</{prefix}{colon}Object>",
            &document.text[document.element.clone()]
        );
        let end = signature.rfind("</").unwrap_or(signature.len());
        format!("{}{object}{}", &signature[..end], &signature[end..])
    } else {
        document.with(random.below(document.joints.len()), &signature)
    };
    Template { text, shape, key, pss, parts }
}

/// The template with the values of its signed form, which another program may have written anew.
pub(crate) fn filled(template: &str, signed: &str) -> String {
    let mut text = template.to_owned();
    for local in ["DigestValue", "SignatureValue"] {
        let mut from = 0;
        for value in signed.split(&format!("{local}>")).skip(1).step_by(2) {
            let value = value.split('<').next().unwrap_or_default();
            let empty = format!("{local}></");
            let Some(at) = text[from..].find(&empty) else { break };
            let at = from + at + local.len() + 1;
            text.insert_str(at, value);
            // Past the end tag, which looks like an empty element's too.
            from = at + value.len() + text[at + value.len()..].find('>').unwrap_or(0);
        }
    }
    text
}

/// One to three elements, each with whether it holds the Signature.
fn part_references(random: &mut Random, document: &Document, parts: &mut Vec<Part>) -> Vec<(String, bool)> {
    let mut left: Vec<&Part> = document.parts.iter().collect();
    let mut references = Vec::new();
    for _ in 0..(1 + random.below(3)).min(left.len()) {
        let part = left.swap_remove(random.below(left.len()));
        references.push((format!("\"#{}\"", part.id), part.depth == 0));
        parts.push(part.clone());
    }
    references
}

struct Writer<'a> {
    random: &'a mut Random,
    prefix: &'static str,
    text: String,
}

impl Writer<'_> {
    fn name(&self, local: &str) -> String {
        if self.prefix.is_empty() { local.to_owned() } else { format!("{}:{local}", self.prefix) }
    }

    fn open(&mut self, local: &str, attributes: &str) {
        let name = self.name(local);
        self.text.push_str(&format!("<{name}{attributes}>"));
        self.space();
    }

    fn close(&mut self, local: &str) {
        let name = self.name(local);
        self.text.push_str(&format!("</{name}>"));
        self.space();
    }

    /// White space between elements.
    fn space(&mut self) {
        if self.random.one_in(3) {
            self.text.push_str(self.random.pick(&["\n", "\n  ", "\r\n", " ", "\t"]));
        }
    }

    fn empty(&mut self, local: &str, attributes: &str) {
        let name = self.name(local);
        self.text.push_str(&format!("<{name}{attributes}></{name}>"));
        self.space();
    }

    fn signature(&mut self, key: Key, pss: bool, references: &[(String, bool)], certificate: &str) {
        let colon = if self.prefix.is_empty() { "" } else { ":" };
        let mut attributes = format!(" xmlns{colon}{}=\"http://www.w3.org/2000/09/xmldsig#\"", self.prefix);
        if self.random.one_in(4) {
            attributes.push_str(" Id=\"the-signature\"");
        }
        self.open("Signature", &attributes);
        let attributes = if self.random.one_in(4) { " Id='the-info'" } else { "" };
        self.open("SignedInfo", attributes);
        self.canonicalisation("CanonicalizationMethod");
        let method = self.method(key, pss);
        self.empty("SignatureMethod", &format!(" Algorithm=\"{method}\""));
        for (uri, holds_signature) in references {
            self.reference(uri, *holds_signature);
        }
        self.close("SignedInfo");
        self.empty("SignatureValue", "");
        if !certificate.is_empty() {
            self.open("KeyInfo", "");
            self.open("X509Data", "");
            let name = self.name("X509Certificate");
            self.text.push_str(&format!("<{name}>{certificate}</{name}>"));
            self.close("X509Data");
            self.close("KeyInfo");
        }
        let name = self.name("Signature");
        self.text.push_str(&format!("</{name}>"));
    }

    fn method(&mut self, key: Key, pss: bool) -> String {
        let digest = self.random.pick(&["sha256", "sha384", "sha512"]);
        match (key, pss) {
            (Key::Rsa, true) => format!("http://www.w3.org/2007/05/xmldsig-more#{digest}-rsa-MGF1"),
            (Key::Rsa, false) => format!("http://www.w3.org/2001/04/xmldsig-more#rsa-{digest}"),
            _ => format!("http://www.w3.org/2001/04/xmldsig-more#ecdsa-{digest}"),
        }
    }

    fn reference(&mut self, uri: &str, holds_signature: bool) {
        self.open("Reference", &format!(" URI={uri}"));
        let canonicalisation = !self.random.one_in(3);
        if holds_signature || canonicalisation {
            self.open("Transforms", "");
            if holds_signature {
                self.empty("Transform", &format!(" Algorithm=\"{ENVELOPED}\""));
            }
            if canonicalisation {
                self.canonicalisation("Transform");
            }
            self.close("Transforms");
        }
        let digest = self.random.pick(&DIGESTS);
        self.empty("DigestMethod", &format!(" Algorithm=\"{digest}\""));
        self.empty("DigestValue", "");
        self.close("Reference");
    }

    fn canonicalisation(&mut self, local: &str) {
        let comments = self.random.one_in(4);
        if self.random.one_in(2) {
            let comments = if comments { "#WithComments" } else { "" };
            let method = if self.random.one_in(4) { INCLUSIVE_11 } else { INCLUSIVE };
            return self.empty(local, &format!(" Algorithm=\"{method}{comments}\""));
        }
        let comments = if comments { "WithComments" } else { "" };
        let algorithm = format!(" Algorithm=\"{EXCLUSIVE}{comments}\"");
        if self.random.one_in(2) {
            return self.empty(local, &algorithm);
        }
        self.open(local, &algorithm);
        let mut prefixes = String::new();
        while self.random.one_in(2) {
            prefixes
                .push_str(self.random.pick(&["p", "q", "r", "ds", "a.b", "#default", "unbound", "\u{111}"]));
            // xmlsec1 takes what is between two spaces for the prefix of the default namespace.
            prefixes.push_str(if self.random.one_in(16) { "  " } else { " " });
        }
        self.text.push_str(&format!(
            "<ec:InclusiveNamespaces xmlns:ec=\"{EXCLUSIVE}\" PrefixList=\"{}\"></ec:InclusiveNamespaces>",
            prefixes.trim()
        ));
        self.close(local);
    }
}
