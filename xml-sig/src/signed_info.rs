//! SignedInfo as data: parsed from its canonical octets, every construct either known or refused by name.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::algorithms::{Canonicalisation, DS, DigestMethod, EXC_C14N, SignatureMethod, Transform};
use crate::c14n::{Canonical, Form, Inherited, Method};
use crate::chars::is_space;
use crate::driver::Drive;
use crate::error::ReadError;
use crate::events::{End, Open, Place, Sink, TextForm};
use crate::limits::Limits;
use crate::octets::Bounded;
use crate::reader::ReadOptions;
use crate::scope::XML_NAMESPACE;
use crate::verdict::{Invalid, Objection, Unusable};

/// What SignedInfo says about itself; known before anything is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Methods {
    /// Of CanonicalizationMethod.
    pub(crate) form: Form,
    /// The URI of CanonicalizationMethod.
    pub(crate) form_uri: &'static str,
    pub(crate) signature: SignatureMethod,
}

/// One Reference of the profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) target: Target,
    /// The enveloped-signature transform: the target is taken without the Signature.
    pub(crate) enveloped: bool,
    pub(crate) form: Form,
    pub(crate) digest: DigestMethod,
    pub(crate) value: Vec<u8>,
}

/// What a Reference is about (XML Signature section 4.4.3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `URI=""`.
    Document,
    /// `URI="#…"`: the element with this Id.
    Element(String),
}

/// A parsed SignedInfo.
pub(crate) struct SignedInfo {
    root: Node,
}

impl SignedInfo {
    /// Parses canonical octets.
    pub(crate) fn parse(octets: &[u8], limits: &Limits) -> Result<Self, Objection> {
        let mut tree = Tree { open: Vec::new(), root: None };
        drive(octets, limits, &mut tree)?;
        match tree.root {
            Some(root) if root.is("SignedInfo") => Ok(Self { root }),
            _ => Err(Objection::structure("SignedInfo cannot be read")),
        }
    }

    /// CanonicalizationMethod and SignatureMethod.
    pub(crate) fn methods(&self, limits: &Limits, legacy_sha1: bool) -> Result<Methods, Objection> {
        self.root.only_attributes(&["Id"])?;
        self.root.no_text()?;
        let [canonicalisation, signature] =
            self.root.first_children(["CanonicalizationMethod", "SignatureMethod"])?;
        let uri = canonicalisation.algorithm()?;
        let Some(known) = Canonicalisation::from_uri(uri) else {
            return Err(Objection::algorithm(format!("CanonicalizationMethod {}", cut(uri))));
        };
        let prefixes = canonicalisation.prefix_list(known.method, limits)?;
        let form = Form { method: known.method, comments: known.comments, prefixes };
        let uri = signature.algorithm()?;
        let signature_known = SignatureMethod::from_uri(uri, legacy_sha1)?;
        if signature.children.iter().any(|child| child.is("HMACOutputLength")) {
            return Err(Objection::forbidden("HMACOutputLength"));
        }
        if signature.children.iter().any(|child| child.local == "RSAPSSParams") {
            return Err(Objection::algorithm("RSA-PSS with parameters"));
        }
        signature.no_parameters()?;
        Ok(Methods { form, form_uri: known.uri, signature: signature_known })
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

/// SignedInfo, kept as a document of its own, in the canonical form that it asks for.
pub(crate) fn canonical(
    kept: &[u8],
    form: &Form,
    inherited: &[Inherited],
    limits: &Limits,
) -> Result<Vec<u8>, Objection> {
    let mut apex = Apex { canonical: Canonical::new(form, Bounded::new(limits.signature_bytes)), inherited };
    drive(kept, limits, &mut apex)?;
    let octets = apex.canonical.into_octets().into_inner();
    octets.ok_or_else(|| {
        Objection::Invalid(Invalid::Limit, "SignedInfo is longer than signature_bytes".to_owned())
    })
}

/// Reads a SignedInfo in canonical form. Its apex carries every binding, and an attribute may grow when it is escaped.
fn drive(octets: &[u8], limits: &Limits, sink: &mut impl Sink) -> Result<(), Objection> {
    let mut input = octets;
    let limits = Limits {
        markup_bytes: limits.markup_bytes.saturating_mul(6),
        attributes: limits.attributes.saturating_add(limits.namespaces),
        total_bytes: u64::MAX,
        ..limits.clone()
    };
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let read = Drive::new(&mut input, &options).and_then(|drive| drive.run(sink));
    read.map(drop).map_err(|error| Objection::structure(format!("SignedInfo: {error}")))
}

/// Strict base64 (RFC 4648 section 4, padded), XML white space left out.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    if !text.bytes().any(is_space) {
        return STANDARD.decode(text).ok();
    }
    let mut packed = Vec::with_capacity(text.len());
    for line in text.as_bytes().split(|&b| is_space(b)) {
        packed.extend_from_slice(line);
    }
    STANDARD.decode(packed).ok()
}

fn reference(node: &Node, limits: &Limits, legacy_sha1: bool) -> Result<Reference, Objection> {
    if !node.is("Reference") {
        return Err(node.unexpected());
    }
    node.only_attributes(&["Id", "URI", "Type"])?;
    node.no_text()?;
    let target = target(node.attribute("URI"))?;
    let (transforms, rest) = match node.children.split_first() {
        Some((first, rest)) if first.is("Transforms") => {
            first.only_attributes(&[])?;
            first.no_text()?;
            (first.children.as_slice(), rest)
        }
        _ => (&[][..], node.children.as_slice()),
    };
    let (enveloped, form) = chain(transforms, &target, limits)?;
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
    Ok(Reference { target, enveloped, form, digest, value })
}

fn target(uri: Option<&str>) -> Result<Target, Objection> {
    let uri = uri.ok_or_else(|| Objection::forbidden("a Reference without URI"))?;
    match uri.strip_prefix('#') {
        None if uri.is_empty() => Ok(Target::Document),
        None => Err(Objection::forbidden(format!("external URI {}", cut(uri)))),
        Some(id) if id.is_empty() || id.contains('(') => {
            Err(Objection::forbidden(format!("XPointer {}", cut(uri))))
        }
        Some(id) => Ok(Target::Element(id.to_owned())),
    }
}

/// Whether the Signature is taken out, and the canonical form, Canonical XML 1.0 when none is named (section 4.4.3.2).
/// `URI=""` needs the enveloped transform: the document cannot hold the digest of a Signature that holds the digest.
fn chain(transforms: &[Node], target: &Target, limits: &Limits) -> Result<(bool, Form), Objection> {
    if transforms.len() > limits.transforms {
        return Err(Objection::Invalid(Invalid::Limit, format!("{} Transforms", transforms.len())));
    }
    let (mut enveloped, mut form) = (false, None);
    for (at, node) in transforms.iter().enumerate() {
        if !node.is("Transform") {
            return Err(node.unexpected());
        }
        match Transform::from_uri(node.algorithm()?)? {
            Transform::Enveloped if at == 0 => {
                node.no_parameters()?;
                enveloped = true;
            }
            Transform::Canonical(Canonicalisation { method, .. }) if form.is_none() => {
                // Comments are gone before the first transform (section 4.4.3.3), so both forms mean the same.
                form = Some(Form { method, comments: false, prefixes: node.prefix_list(method, limits)? });
            }
            _ => {
                let detail = "an unusual chain of transforms".to_owned();
                return Err(Objection::Unusable(Unusable::Reference, detail));
            }
        }
    }
    if *target == Target::Document && !enveloped {
        return Err(Objection::forbidden("URI=\"\" without enveloped-signature as its first transform"));
    }
    Ok((enveloped, form.unwrap_or_default()))
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
            Some(child) => Err(child.unexpected()),
        }
    }

    /// The prefixes of InclusiveNamespaces, which only the exclusive method may have (Exclusive C14N section 3).
    fn prefix_list(&self, method: Method, limits: &Limits) -> Result<Vec<String>, Objection> {
        self.no_text()?;
        let child = match &self.children[..] {
            [] => return Ok(Vec::new()),
            [child]
                if method == Method::Exclusive
                    && child.namespace == EXC_C14N
                    && child.local == "InclusiveNamespaces" =>
            {
                child
            }
            [child, ..] => return Err(child.unexpected()),
        };
        child.only_attributes(&["PrefixList"])?;
        child.no_parameters()?;
        let list = child.attribute("PrefixList").unwrap_or_default();
        let prefixes: Vec<String> = list.split_ascii_whitespace().map(str::to_owned).collect();
        if prefixes.len() > limits.namespaces {
            let detail = format!("a PrefixList of {} prefixes", prefixes.len());
            return Err(Objection::Invalid(Invalid::Limit, detail));
        }
        Ok(prefixes)
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

/// SignedInfo as the apex of a canonical form.
struct Apex<'a> {
    canonical: Canonical<Bounded>,
    inherited: &'a [Inherited],
}

impl Sink for Apex<'_> {
    fn start(&mut self, open: &Open<'_>) -> Result<(), ReadError> {
        self.canonical.start(open, self.inherited);
        Ok(())
    }

    fn text(&mut self, chunk: &str, form: TextForm) -> Result<(), ReadError> {
        self.canonical.text(chunk, form);
        Ok(())
    }

    fn end(&mut self, end: &End<'_>) -> Result<(), ReadError> {
        self.canonical.end(end);
        Ok(())
    }

    fn comment(&mut self, comment: &str, place: Place) -> Result<(), ReadError> {
        self.canonical.comment(comment, place);
        Ok(())
    }
}
