//! Signing: one pass for digest and place, then the document with the Signature in it is verified, and only then written.
//! The signature value is made over the same canonical form that verification takes.

use std::io::{self, BufRead, Write};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::hash::MessageDigest;

use crate::algorithms::{C14N, DS, DigestMethod, ENVELOPED};
use crate::c14n::{Canonical, Form, Inherited, is_relative};
use crate::certificate::Certificate;
use crate::driver::Drive;
use crate::error::ReadError;
use crate::events::{End, Open, Place, Sink, TextForm};
use crate::limits::Limits;
use crate::locate::{Finding, Paths, Places, Reach, XmlAttributes, locate};
use crate::octets::Hashing;
use crate::reader::{ReadOptions, Unwatched};
use crate::scope::Origin;
use crate::signed_info::canonical;
use crate::signing_key::{SigningFault, SigningKey};
use crate::splice::{Splice, Spliced};
use crate::trust::Trust;
use crate::verdict::{Coverage, Invalid, Objection, Verdict};

/// Why a document was not signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The document cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The output cannot be written, or the input not opened.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// There is a ds:Signature already.
    #[error("the document has a signature already")]
    AlreadySigned,
    /// The element that is to hold the Signature is missing, or there are several.
    #[error("{0} elements to put the signature in, there must be one")]
    Parent(usize),
    /// Such a document has no canonical form.
    #[error("the document has a relative namespace URI")]
    RelativeNamespace,
    /// The document needs given namespace bindings: nobody else could verify the signature.
    #[error("the document leaves namespace prefixes undeclared")]
    Repaired,
    /// The input was another one when it was read again. Something may have been written by then: it is of no use.
    #[error("the document changed while it was signed")]
    Changed,
    /// The digest of the document could not be made.
    #[error("the digest could not be made")]
    Digest,
    /// The key did not sign.
    #[error("making the signature: {0}")]
    Key(#[from] SigningFault),
    /// The key has no certificate.
    #[error("the key has no certificate")]
    NoCertificate,
    /// What the key made is no signature of its certificate.
    #[error("what the key made is no signature of its certificate: {0}")]
    ForeignValue(String),
    /// The signed document does not pass our own verification; so it would not pass the receiver's.
    #[error("the signed document cannot be verified: {code}: {detail}")]
    Unverifiable {
        /// The code of the verdict ([`crate::Invalid::code`], [`crate::Unusable::code`]).
        code: &'static str,
        /// What exactly, for a person. May quote the document.
        detail: String,
    },
}

impl SignError {
    fn unverifiable(objection: Objection) -> Self {
        let (code, detail) = match objection {
            Objection::Unusable(why, detail) => (why.code(), detail),
            Objection::Invalid(why, detail) => (why.code(), detail),
        };
        Self::Unverifiable { code, detail }
    }
}

/// Signs a document: enveloped, URI="", Canonical XML 1.0, SHA-256, certificates in KeyInfo, all of the Signature in
/// canonical form; the Signature becomes the last child of the element at `parent`, a path of (namespace, local name)
/// from the root, root included. The output is the input, byte for byte, with the Signature in it (and an empty-element
/// tag `<parent/>` opened up).
///
/// Nothing is written before the signed document was verified with the key's first certificate, its usage included, in
/// the way that [`crate::Located::verify`] takes. Its dates do not count here: whether a certificate may sign today is
/// the caller's question.
///
/// `input` opens the document; it is called four times and must give the same bytes each time.
///
/// # Errors
/// See [`SignError`]. When it is [`SignError::Changed`] or [`SignError::Io`], a part of the document may have been
/// written.
pub fn sign(
    input: &mut dyn FnMut() -> io::Result<Box<dyn BufRead>>,
    parent: &[(&str, &str)],
    key: &dyn SigningKey,
    options: &ReadOptions<'_>,
    output: &mut dyn Write,
) -> Result<(), SignError> {
    let certificates = key.certificates().to_vec();
    let signer = certificates.first().ok_or(SignError::NoCertificate)?;
    let surveyed = survey(&mut *input()?, parent, options)?;
    let signature = signature(&surveyed, key, &certificates, options)?;
    let splice = surveyed.spot.splice(&signature);
    let bytes = surveyed.bytes - splice.replaced + splice.text.len() as u64;

    let sha256 = verify(input, &splice, parent, signer, options)?;
    let mut signed = Spliced::new(input()?, &splice);
    io::copy(&mut signed, output)?;
    output.flush()?;
    if signed.finish() == (bytes, sha256) { Ok(()) } else { Err(SignError::Changed) }
}

/// The digest of a document, and where its Signature goes.
struct Surveyed {
    spot: Spot,
    digest: Vec<u8>,
    bytes: u64,
}

fn survey(
    input: &mut dyn BufRead,
    parent: &[(&str, &str)],
    options: &ReadOptions<'_>,
) -> Result<Surveyed, SignError> {
    let mut survey = Survey {
        paths: Paths::new(&[parent]),
        parent_len: parent.len(),
        bytes_max: options.limits.markup_bytes,
        xml_attributes: XmlAttributes::default(),
        canonical: Canonical::new(&Form::default(), Hashing::new(MessageDigest::sha256())),
        spots: 0,
        spot: None,
        signed: false,
        relative_namespace: false,
    };
    let outcome = Drive::new(input, options)?.run(&mut survey)?;
    let Survey { canonical, spots, spot, signed, relative_namespace, .. } = survey;
    if signed {
        return Err(SignError::AlreadySigned);
    }
    if outcome.repaired {
        return Err(SignError::Repaired);
    }
    if relative_namespace {
        return Err(SignError::RelativeNamespace);
    }
    let spot = spot.filter(|_| spots == 1).ok_or(SignError::Parent(spots))?;
    let digest = canonical.into_octets().finish().ok_or(SignError::Digest)?;
    Ok(Surveyed { spot, digest, bytes: outcome.bytes })
}

/// Judges the signed document as a receiver would, dates left aside; the SHA-256 of what was judged.
fn verify(
    input: &mut dyn FnMut() -> io::Result<Box<dyn BufRead>>,
    splice: &Splice,
    parent: &[(&str, &str)],
    signer: &Certificate,
    options: &ReadOptions<'_>,
) -> Result<[u8; 32], SignError> {
    // Nobody else has the given bindings.
    let options = ReadOptions { limits: options.limits, initial_namespaces: &[] };
    let places = Places { parents: &[parent], signed: &[] };
    let trust = Trust {
        signers: Arc::new(vec![signer.clone()].into()),
        authorities: Arc::default(),
        at: signer.not_before(),
        legacy_sha1: false,
    };
    let mut first = Spliced::new(input()?, splice);
    let located = locate(&mut first, &options, &places, Reach::Signature, &mut Unwatched)?;
    let mut second = Spliced::new(input()?, splice);
    match located.verify(&mut second, &trust, &mut Unwatched)? {
        Verdict::Valid(valid) if *valid.covers() == Coverage::WholeDocument => Ok(second.finish().1),
        // The signature value was checked when it was made.
        Verdict::Invalid { why: Invalid::Digest, .. } => Err(SignError::Changed),
        Verdict::Invalid { why, detail, .. } => Err(SignError::unverifiable(Objection::Invalid(why, detail))),
        Verdict::Unusable { why, detail, .. } => {
            Err(SignError::unverifiable(Objection::Unusable(why, detail)))
        }
        Verdict::Valid(_) | Verdict::Absent => Err(SignError::Changed),
    }
}

fn signature(
    surveyed: &Surveyed,
    key: &dyn SigningKey,
    certificates: &[Certificate],
    options: &ReadOptions<'_>,
) -> Result<String, SignError> {
    let method = key.method().algorithm();
    let signed_info = format!(
        "<ds:SignedInfo><ds:CanonicalizationMethod Algorithm=\"{C14N}\"></ds:CanonicalizationMethod>\
         <ds:SignatureMethod Algorithm=\"{}\"></ds:SignatureMethod><ds:Reference URI=\"\"><ds:Transforms>\
         <ds:Transform Algorithm=\"{ENVELOPED}\"></ds:Transform></ds:Transforms>\
         <ds:DigestMethod Algorithm=\"{}\"></ds:DigestMethod>\
         <ds:DigestValue>{}</ds:DigestValue></ds:Reference></ds:SignedInfo>",
        method.uri,
        DigestMethod::Sha256.uri(),
        STANDARD.encode(&surveyed.digest)
    );
    let octets = canonical_signed_info(&signed_info, &surveyed.spot, options)?;
    let value = key.sign(&octets)?;
    let signer = certificates.first().ok_or(SignError::NoCertificate)?;
    signer.check_value(method, &octets, &value).map_err(|objection| match objection {
        Objection::Unusable(_, detail) | Objection::Invalid(_, detail) => SignError::ForeignValue(detail),
    })?;
    let value = STANDARD.encode(value);
    let mut named = String::new();
    for certificate in certificates {
        let encoded = STANDARD.encode(certificate.der());
        named += &format!("<ds:X509Certificate>{encoded}</ds:X509Certificate>");
    }
    Ok(format!(
        "<ds:Signature xmlns:ds=\"{DS}\">{signed_info}<ds:SignatureValue>{value}</ds:SignatureValue>\
         <ds:KeyInfo><ds:X509Data>{named}</ds:X509Data></ds:KeyInfo></ds:Signature>"
    ))
}

/// SignedInfo as it will be canonical in its place: the Signature stands in a small document whose root has every binding
/// and `xml:` attribute of the place, and goes the way of verification.
fn canonical_signed_info(
    signed_info: &str,
    spot: &Spot,
    options: &ReadOptions<'_>,
) -> Result<Vec<u8>, SignError> {
    let mut context = String::new();
    for (prefix, uri) in spot.bindings.iter().filter(|(prefix, _)| prefix != "ds") {
        let colon = if prefix.is_empty() { "" } else { ":" };
        context += &format!(" xmlns{colon}{prefix}=\"{}\"", escaped(uri));
    }
    for (at, attribute) in spot.inherited.iter().enumerate() {
        if !spot.inherited[..at].iter().any(|nearer| nearer.local == attribute.local) {
            context += &format!(" xml:{}=\"{}\"", attribute.local, escaped(&attribute.value));
        }
    }
    let small = format!(
        "<ds:Place xmlns:ds=\"{DS}\"{context}><ds:Signature>{signed_info}<ds:SignatureValue></ds:SignatureValue>\
         </ds:Signature></ds:Place>"
    );
    let limits = Limits {
        total_bytes: u64::MAX,
        attributes: options.limits.attributes.saturating_add(options.limits.namespaces),
        ..options.limits.clone()
    };
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let places = Places { parents: &[&[(DS, "Place")]], signed: &[] };
    let located = locate(&mut small.as_bytes(), &options, &places, Reach::End, &mut Unwatched)?;
    let Finding::One(captured) = located.finding else { return Err(SignError::Changed) };
    let said = captured.said.map_err(|(objection, _)| SignError::unverifiable(objection))?;
    canonical(&said.signed_info, &Form::default(), &said.inherited, &limits).map_err(SignError::unverifiable)
}

fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out += &format!("&#{};", c as u32),
            c => out.push(c),
        }
    }
    out
}

/// Where the Signature goes.
struct Spot {
    /// Offset of the parent's end tag, or of its `/>`.
    at: u64,
    empty: bool,
    qname: String,
    bindings: Vec<(String, String)>,
    inherited: Vec<Inherited>,
}

impl Spot {
    fn splice(&self, signature: &str) -> Splice {
        if self.empty {
            // For the `/>` that stands there.
            return Splice { at: self.at, replaced: 2, text: format!(">{signature}</{}>", self.qname) };
        }
        Splice { at: self.at, replaced: 0, text: signature.to_owned() }
    }
}

struct Survey<'a> {
    paths: Paths<'a>,
    parent_len: usize,
    bytes_max: usize,
    xml_attributes: XmlAttributes,
    canonical: Canonical<Hashing>,
    spots: usize,
    spot: Option<Spot>,
    signed: bool,
    relative_namespace: bool,
}

impl Sink for Survey<'_> {
    fn start(&mut self, open: &Open<'_>) -> Result<(), ReadError> {
        let tag = &open.tag;
        self.signed |= tag.name.is(DS, "Signature");
        self.relative_namespace |= open.scope.declared().any(|binding| is_relative(binding.uri));
        self.xml_attributes.open(open, self.bytes_max)?;
        self.paths.start(&tag.name, tag.depth);
        // A child of this element would have an allowed parent: this is the one.
        if tag.depth == self.parent_len && self.paths.parent_allowed(tag.depth + 1) {
            self.spots += 1;
            let in_force = open.scope.in_force().into_iter().filter(|b| b.origin == Origin::Declared);
            self.spot = Some(Spot {
                at: open.offset_end.saturating_sub(2),
                empty: open.empty,
                qname: open.scope.qname().to_owned(),
                bindings: in_force.map(|b| (b.prefix.to_owned(), b.uri.to_owned())).collect(),
                inherited: self.xml_attributes.nearest_first(),
            });
        }
        self.canonical.start(open, &[]);
        Ok(())
    }

    fn text(&mut self, chunk: &str, form: TextForm) -> Result<(), ReadError> {
        self.canonical.text(chunk, form);
        Ok(())
    }

    fn end(&mut self, end: &End<'_>) -> Result<(), ReadError> {
        if end.depth == self.parent_len
            && self.paths.parent_allowed(end.depth + 1)
            && let Some(spot) = self.spot.as_mut().filter(|spot| !spot.empty)
        {
            spot.at = end.offset;
        }
        self.paths.end(end.depth);
        self.xml_attributes.close(end.depth);
        self.canonical.end(end);
        Ok(())
    }

    fn instruction(&mut self, target: &str, data: &str, place: Place) -> Result<(), ReadError> {
        self.canonical.instruction(target, data, place);
        Ok(())
    }
}
