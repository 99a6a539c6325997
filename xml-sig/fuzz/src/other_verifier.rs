//! A verifier of another kind: on a tree, with a handful of lines and none of the crate's rules. It takes a Signature as
//! well-built; what the crate calls valid must hold here too. It also fills in digests and values, to sign with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::hash::{MessageDigest, hash};
use roxmltree::{Document, Node};
use xml_sig::{Coverage, ElementPath, Form, Method, Step};

use crate::apex::{DS, apex, signature, whole};
use crate::other_reader::is_laxer;
use crate::signer::{ec, rsa, stranger};

const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
/// Attributes that are Ids to the crate, none of them in a namespace.
const IDS: [&str; 6] = ["Id", "ID", "id", "AssertionID", "RequestID", "ResponseID"];
const XML: &str = "http://www.w3.org/XML/1998/namespace";
const WSU: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";

/// A Reference with what it refers to.
pub(crate) struct Referred<'a, 'i> {
    /// `None`: the whole document.
    pub(crate) element: Option<Node<'a, 'i>>,
    /// The Signature is left out.
    pub(crate) enveloped: bool,
    /// The canonical form.
    pub(crate) form: Form,
    digest: MessageDigest,
    value: String,
}

impl<'a, 'i> Referred<'a, 'i> {
    fn of(reference: Node<'a, 'i>) -> Option<Self> {
        let document = reference.document();
        let element = match reference.attribute("URI")?.strip_prefix('#') {
            None if reference.attribute("URI") == Some("") => None,
            None => return None,
            Some(id) => {
                let mut named = document.descendants().filter(|node| has_id(*node, id));
                Some(named.next().filter(|_| named.next().is_none())?)
            }
        };
        let (mut enveloped, mut form) = (false, Form::default());
        for transform in
            child(reference, "Transforms").iter().flat_map(|t| t.children()).filter(Node::is_element)
        {
            match transform.attribute("Algorithm")? {
                ENVELOPED => enveloped = true,
                _ => form = Form { comments: false, ..form_of(transform)? },
            }
        }
        let digest = match child(reference, "DigestMethod")?.attribute("Algorithm")?.rsplit('#').next()? {
            "sha1" => MessageDigest::sha1(),
            "sha256" => MessageDigest::sha256(),
            "sha384" => MessageDigest::sha384(),
            "sha512" => MessageDigest::sha512(),
            _ => return None,
        };
        Some(Self { element, enveloped, form, digest, value: packed(child(reference, "DigestValue")?) })
    }

    /// The octets that are digested.
    pub(crate) fn octets(&self, text: &str, signature: Node<'_, '_>) -> Option<Vec<u8>> {
        let without = self.enveloped.then_some(signature);
        match self.element {
            Some(element) => apex(text, element, without, &self.form),
            None => whole(text, without, &self.form),
        }
    }

    fn made(&self, text: &str, signature: Node<'_, '_>) -> Option<String> {
        Some(STANDARD.encode(hash(self.digest, &self.octets(text, signature)?).ok()?))
    }
}

/// The References of a Signature, each `None` where it makes no sense.
pub(crate) fn references<'a, 'i>(signature: Node<'a, 'i>) -> Vec<Option<Referred<'a, 'i>>> {
    let signed_info = child(signature, "SignedInfo");
    let references =
        signed_info.iter().flat_map(|node| node.children()).filter(|n| n.has_tag_name((DS, "Reference")));
    references.map(Referred::of).collect()
}

/// What is wrong with a document that is said to have one good Signature, which covers this.
pub(crate) fn objection(text: &str, covers: &Coverage) -> Option<&'static str> {
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) if is_laxer(&error) => return None,
        Err(_) => return Some("the document is not read"),
    };
    let Some(signature) = signature(&document) else { return Some("no Signature") };
    if document.descendants().filter(|node| node.has_tag_name((DS, "Signature"))).count() > 1 {
        return Some("more than one Signature");
    }
    if !is_signed(text, signature) {
        return Some("SignatureValue");
    }
    let mut paths = Vec::new();
    for reference in references(signature) {
        let Some(reference) = reference else { return Some("a Reference that makes no sense") };
        if reference.made(text, signature).as_ref() != Some(&reference.value) {
            return Some("DigestValue");
        }
        paths.push(reference.element.map(path));
    }
    let covered = match covers {
        Coverage::WholeDocument => paths.contains(&None),
        Coverage::Elements(told) => {
            let named = |path: &Option<ElementPath>| path.as_ref().is_some_and(|path| told.contains(path));
            paths.iter().all(named) && told.iter().all(|path| paths.contains(&Some(path.clone())))
        }
    };
    (!covered || paths.is_empty()).then_some("coverage")
}

/// Where an element stands.
pub(crate) fn path(element: Node<'_, '_>) -> ElementPath {
    let mut steps: Vec<Step> = element
        .ancestors()
        .filter(Node::is_element)
        .map(|node| Step {
            namespace: node.tag_name().namespace().unwrap_or_default().to_owned(),
            local: node.tag_name().name().to_owned(),
            child: 1 + node.prev_siblings().skip(1).filter(Node::is_element).count(),
        })
        .collect();
    steps.reverse();
    if let Some(root) = steps.first_mut() {
        root.child = 1;
    }
    ElementPath { steps }
}

/// A document with its gaps filled: certificates for `{ec}`, `{rsa}` and `{stranger}`, the right digests for each `{D}`, and
/// then the value over SignedInfo by a trusted signer for `{W}`, by the stranger for `{X}`. What cannot be worked out stays.
pub(crate) fn fill(document: &str) -> String {
    let mut text = document
        .replace("{ec}", &ec().certificate)
        .replace("{rsa}", &rsa().certificate)
        .replace("{stranger}", &stranger().certificate);
    if text.contains("{D}") {
        for digest in digests(&text).unwrap_or_default() {
            text = text.replacen("{D}", &digest, 1);
        }
    }
    for (gap, trusted) in [("{W}", true), ("{X}", false)] {
        if text.contains(gap)
            && let Some(value) = value(&text, trusted)
        {
            text = text.replace(gap, &value);
        }
    }
    text
}

fn digests(text: &str) -> Option<Vec<String>> {
    let document = Document::parse(text).ok()?;
    let signature = signature(&document)?;
    let made = |reference: Option<Referred<'_, '_>>| reference?.made(text, signature);
    Some(references(signature).into_iter().map(|reference| made(reference).unwrap_or_default()).collect())
}

fn value(text: &str, trusted: bool) -> Option<String> {
    let document = Document::parse(text).ok()?;
    let (octets, method) = signed_octets(text, signature(&document)?)?;
    let signer = match trusted {
        true if method.contains("rsa") => rsa(),
        true => ec(),
        false => stranger(),
    };
    Some(signer.sign(&octets, &method))
}

/// Whether one of the two trusted signers made the SignatureValue.
fn is_signed(text: &str, signature: Node<'_, '_>) -> bool {
    let Some((octets, method)) = signed_octets(text, signature) else { return false };
    let value = child(signature, "SignatureValue").map(packed).and_then(|value| STANDARD.decode(value).ok());
    value.is_some_and(|value| [ec(), rsa()].iter().any(|signer| signer.has_signed(&octets, &method, &value)))
}

/// SignedInfo in the form that it asks for, and the URI of its SignatureMethod.
fn signed_octets(text: &str, signature: Node<'_, '_>) -> Option<(Vec<u8>, String)> {
    let signed_info = child(signature, "SignedInfo")?;
    let form = form_of(child(signed_info, "CanonicalizationMethod")?)?;
    let method = child(signed_info, "SignatureMethod")?.attribute("Algorithm")?.to_owned();
    Some((apex(text, signed_info, None, &form)?, method))
}

/// The canonical form that an element with an `Algorithm` names.
fn form_of(element: Node<'_, '_>) -> Option<Form> {
    let algorithm = element.attribute("Algorithm")?;
    let (uri, comments) = match algorithm.strip_suffix("WithComments") {
        Some(uri) => (uri.strip_suffix('#').filter(|uri| !uri.ends_with("exc-c14n")).unwrap_or(uri), true),
        None => (algorithm, false),
    };
    let method = match uri {
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315" => Method::Inclusive,
        "http://www.w3.org/2006/12/xml-c14n11" => Method::Inclusive11,
        "http://www.w3.org/2001/10/xml-exc-c14n#" => Method::Exclusive,
        _ => return None,
    };
    let list = element.children().find(|node| node.has_tag_name((uri, "InclusiveNamespaces")));
    let list = list.and_then(|list| list.attribute("PrefixList")).unwrap_or_default();
    Some(Form { method, comments, prefixes: list.split_ascii_whitespace().map(str::to_owned).collect() })
}

fn child<'a, 'i>(element: Node<'a, 'i>, local: &str) -> Option<Node<'a, 'i>> {
    element.children().find(|node| node.has_tag_name((DS, local)))
}

fn packed(element: Node<'_, '_>) -> String {
    let text: String = element.descendants().filter(Node::is_text).filter_map(|node| node.text()).collect();
    text.chars().filter(|c| !matches!(c, ' ' | '\t' | '\r' | '\n')).collect()
}

fn has_id(element: Node<'_, '_>, id: &str) -> bool {
    element.attributes().filter(|attribute| attribute.value() == id).any(|attribute| {
        match attribute.namespace() {
            None => IDS.contains(&attribute.name()),
            Some(XML) => attribute.name() == "id",
            Some(WSU) => attribute.name() == "Id",
            Some(_) => false,
        }
    })
}
