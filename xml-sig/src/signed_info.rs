//! SignedInfo as data: parsed from its canonical octets, every construct either known or refused by name.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::algorithms::{Canonicalisation, DS, DigestMethod, EXC_C14N, SignatureMethod, Transform};
use crate::c14n::Method;
use crate::chars::is_space;
use crate::driver::Drive;
use crate::error::ReadError;
use crate::events::{End, Open, Sink, TextForm};
use crate::limits::Limits;
use crate::reader::ReadOptions;
use crate::scope::XML_NAMESPACE;
use crate::verdict::{Invalid, Objection, Unusable};

/// What SignedInfo says about itself; known before anything is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Methods {
    pub(crate) canonicalisation: Canonicalisation,
    pub(crate) signature: SignatureMethod,
}

/// One Reference of the profile: the whole document without the Signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) method: Method,
    pub(crate) digest: DigestMethod,
    pub(crate) value: Vec<u8>,
}

/// A parsed SignedInfo.
pub(crate) struct SignedInfo {
    root: Node,
}

impl SignedInfo {
    /// Parses canonical octets.
    pub(crate) fn parse(octets: &[u8], limits: &Limits) -> Result<Self, Objection> {
        let mut tree = Tree { open: Vec::new(), root: None };
        let mut input = octets;
        // In canonical form the apex carries every binding and an attribute may grow when it is escaped.
        let limits = Limits {
            markup_bytes: limits.markup_bytes.saturating_mul(6),
            attributes: limits.attributes.saturating_add(limits.namespaces),
            ..limits.clone()
        };
        let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
        let read = Drive::new(&mut input, &options).and_then(|drive| drive.run(&mut tree));
        match (read, tree.root) {
            (Ok(_), Some(root)) if root.is("SignedInfo") => Ok(Self { root }),
            (Err(error), _) => Err(Objection::structure(format!("SignedInfo: {error}"))),
            _ => Err(Objection::structure("SignedInfo cannot be read")),
        }
    }

    /// CanonicalizationMethod and SignatureMethod.
    pub(crate) fn methods(&self, legacy_sha1: bool) -> Result<Methods, Objection> {
        self.root.only_attributes(&["Id"])?;
        self.root.no_text()?;
        let [canonicalisation, signature] =
            self.root.first_children(["CanonicalizationMethod", "SignatureMethod"])?;
        let uri = canonicalisation.algorithm()?;
        let Some(known) = Canonicalisation::from_uri(uri) else {
            return Err(Objection::algorithm(format!("CanonicalizationMethod {uri}")));
        };
        canonicalisation.no_parameters()?;
        let uri = signature.algorithm()?;
        let signature_known = SignatureMethod::from_uri(uri, legacy_sha1)?;
        if signature.children.iter().any(|child| child.is("HMACOutputLength")) {
            return Err(Objection::forbidden("HMACOutputLength"));
        }
        signature.no_parameters()?;
        Ok(Methods { canonicalisation: known, signature: signature_known })
    }

    /// The References; at least one.
    pub(crate) fn references(&self, limits: &Limits, legacy_sha1: bool) -> Result<Vec<Reference>, Objection> {
        let references = self.root.children.get(2..).unwrap_or_default();
        if references.is_empty() {
            return Err(Objection::structure("no Reference"));
        }
        if references.len() > limits.references {
            return Err(Objection::Invalid(Invalid::Limit, format!("{} References", references.len())));
        }
        references.iter().map(|node| reference(node, limits, legacy_sha1)).collect()
    }
}

/// Strict base64 (RFC 4648 section 4, padded), XML white space left out.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    let packed: Vec<u8> = text.bytes().filter(|&b| !is_space(b)).collect();
    STANDARD.decode(packed).ok()
}

fn reference(node: &Node, limits: &Limits, legacy_sha1: bool) -> Result<Reference, Objection> {
    if !node.is("Reference") {
        return Err(node.unexpected());
    }
    node.only_attributes(&["Id", "URI", "Type"])?;
    node.no_text()?;
    match node.attribute("URI") {
        Some("") => {}
        Some(uri) if uri.starts_with('#') => {
            return Err(Objection::Unusable(Unusable::Reference, format!("URI {}", cut(uri))));
        }
        Some(uri) => return Err(Objection::forbidden(format!("external URI {}", cut(uri)))),
        None => return Err(Objection::forbidden("a Reference without URI")),
    }
    let (transforms, rest) = match node.children.split_first() {
        Some((first, rest)) if first.is("Transforms") => {
            first.only_attributes(&[])?;
            first.no_text()?;
            (first.children.as_slice(), rest)
        }
        _ => (&[][..], node.children.as_slice()),
    };
    let method = canonicalisation(transforms, limits)?;
    let [digest_method, digest_value] = rest else {
        return Err(Objection::structure("a Reference without DigestMethod and DigestValue"));
    };
    if !digest_method.is("DigestMethod") || !digest_value.is("DigestValue") {
        return Err(Objection::structure("a Reference without DigestMethod and DigestValue"));
    }
    let digest = DigestMethod::from_uri(digest_method.algorithm()?, legacy_sha1)?;
    digest_method.no_parameters()?;
    digest_value.only_attributes(&[])?;
    if !digest_value.children.is_empty() {
        return Err(Objection::structure("an element inside a value"));
    }
    let value = base64(&digest_value.text).filter(|value| value.len() == digest.digest().size());
    let value =
        value.ok_or_else(|| Objection::structure("DigestValue is not base64 of the digest's length"))?;
    Ok(Reference { method, digest, value })
}

/// URI="" needs the enveloped transform, once and first, then at most one canonicalisation.
fn canonicalisation(transforms: &[Node], limits: &Limits) -> Result<Method, Objection> {
    if transforms.len() > limits.transforms {
        return Err(Objection::Invalid(Invalid::Limit, format!("{} Transforms", transforms.len())));
    }
    let mut chain = Vec::with_capacity(transforms.len());
    for node in transforms {
        if !node.is("Transform") {
            return Err(node.unexpected());
        }
        let uri = node.algorithm()?;
        chain.push(Transform::from_uri(uri)?);
        node.no_parameters()?;
    }
    match chain[..] {
        [Transform::Enveloped] => Ok(Method::Inclusive),
        [Transform::Enveloped, Transform::Canonical(canonicalisation)] => Ok(canonicalisation.method),
        [] | [Transform::Canonical(_), ..] => {
            Err(Objection::forbidden("URI=\"\" without enveloped-signature as its first transform"))
        }
        _ => Err(Objection::Unusable(Unusable::Reference, "an unusual order of transforms".to_owned())),
    }
}

/// An element of SignedInfo.
struct Node {
    namespace: String,
    local: String,
    attributes: Vec<(String, String, String)>,
    children: Vec<Node>,
    text: String,
}

impl Node {
    fn is(&self, local: &str) -> bool {
        self.namespace == DS && self.local == local
    }

    fn attribute(&self, local: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(ns, name, _)| ns.is_empty() && name == local)
            .map(|(_, _, value)| value.as_str())
    }

    /// No attributes but these; `xml:` ones may have been inherited by canonicalisation.
    fn only_attributes(&self, allowed: &[&str]) -> Result<(), Objection> {
        let fits = |(ns, name, _): &(String, String, String)| {
            ns == XML_NAMESPACE || (ns.is_empty() && allowed.contains(&name.as_str()))
        };
        match self.attributes.iter().find(|attribute| !fits(attribute)) {
            None => Ok(()),
            Some((_, name, _)) => {
                Err(Objection::structure(format!("attribute {} in {}", cut(name), cut(&self.local))))
            }
        }
    }

    fn algorithm(&self) -> Result<&str, Objection> {
        self.only_attributes(&["Algorithm"])?;
        let uri = self.attribute("Algorithm");
        uri.ok_or_else(|| Objection::structure(format!("{} without Algorithm", cut(&self.local))))
    }

    fn no_text(&self) -> Result<(), Objection> {
        if self.text.bytes().all(is_space) {
            return Ok(());
        }
        Err(Objection::structure(format!("text in {}", cut(&self.local))))
    }

    fn no_parameters(&self) -> Result<(), Objection> {
        match self.children.first() {
            None => self.no_text(),
            Some(child) if child.namespace == EXC_C14N && child.local == "InclusiveNamespaces" => {
                Err(Objection::algorithm("exclusive canonicalisation with a PrefixList"))
            }
            Some(child) => Err(child.unexpected()),
        }
    }

    fn first_children<const N: usize>(&self, names: [&str; N]) -> Result<[&Node; N], Objection> {
        let mut found = [self; N];
        for (at, name) in names.into_iter().enumerate() {
            match self.children.get(at) {
                Some(child) if child.is(name) => found[at] = child,
                Some(child) => return Err(child.unexpected()),
                None => return Err(Objection::structure(format!("no {name}"))),
            }
        }
        Ok(found)
    }

    fn unexpected(&self) -> Objection {
        Objection::structure(format!("{} is out of place in SignedInfo", cut(&self.local)))
    }
}

/// A text from the document, short enough for a verdict's detail.
fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

struct Tree {
    open: Vec<Node>,
    root: Option<Node>,
}

impl Sink for Tree {
    fn start(&mut self, open: &Open<'_>) -> Result<(), ReadError> {
        let owned = |a: &crate::reader::Attribute<'_>| {
            (a.name.namespace.to_owned(), a.name.local.to_owned(), a.value.to_owned())
        };
        self.open.push(Node {
            namespace: open.tag.name.namespace.to_owned(),
            local: open.tag.name.local.to_owned(),
            attributes: open.tag.attributes.iter().map(owned).collect(),
            children: Vec::new(),
            text: String::new(),
        });
        Ok(())
    }

    fn text(&mut self, chunk: &str, _: TextForm) -> Result<(), ReadError> {
        if let Some(node) = self.open.last_mut() {
            node.text.push_str(chunk);
        }
        Ok(())
    }

    fn end(&mut self, _: &End<'_>) -> Result<(), ReadError> {
        if let Some(node) = self.open.pop() {
            match self.open.last_mut() {
                Some(parent) => parent.children.push(node),
                None => self.root = Some(node),
            }
        }
        Ok(())
    }
}
