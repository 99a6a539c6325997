//! Signing: one pass for digest and place, then the document is copied with the Signature spliced in. The signature
//! value is made over the same canonical form that verification would take.

use std::io::{self, BufRead, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::{MessageDigest, hash};
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::sign::Signer;

use crate::algorithms::{C14N, DS, DigestMethod, ENVELOPED, SignatureMethod};
use crate::c14n::{Canonical, Form, Inherited, is_relative};
use crate::certificate::{Certificate, KeyError};
use crate::driver::Drive;
use crate::error::ReadError;
use crate::events::{End, Open, Place, Sink, TextForm};
use crate::keys::RSA_BITS;
use crate::limits::Limits;
use crate::locate::{Finding, Paths, Places, Reach, XmlAttributes, locate};
use crate::octets::Hashing;
use crate::reader::{ReadOptions, Unwatched};
use crate::scope::Origin;

/// A private key with its certificate.
pub struct SigningKey {
    key: PKey<Private>,
    certificates: Vec<Certificate>,
}

impl SigningKey {
    /// A private key (PEM, not encrypted) and its certificate; certificates behind the first one go into KeyInfo too.
    ///
    /// # Errors
    /// The key is neither RSA of 2048 to 8192 bits nor P-256, or does not belong to the first certificate.
    pub fn from_pem(key: &[u8], certificate: &[u8]) -> Result<Self, KeyError> {
        // The callback keeps OpenSSL from asking for a passphrase on the terminal.
        let key = PKey::private_key_from_pem_callback(key, |_| Ok(0));
        let key = key.map_err(|_| KeyError::Unreadable("private key"))?;
        let certificates = Certificate::from_pem(certificate)?;
        let curve = key.ec_key().ok().and_then(|key| key.group().curve_name());
        match key.id() {
            Id::RSA if RSA_BITS.contains(&key.bits()) => {}
            Id::RSA => return Err(KeyError::Size(key.bits())),
            Id::EC if curve == Some(Nid::X9_62_PRIME256V1) => {}
            _ => return Err(KeyError::Kind),
        }
        let public = certificates.first().and_then(|first| first.x509().public_key().ok());
        if !public.is_some_and(|public| key.public_eq(&public)) {
            return Err(KeyError::Mismatch);
        }
        Ok(Self { key, certificates })
    }

    /// The signer's certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificates[0]
    }

    fn method(&self) -> &'static str {
        let ec = self.key.id() == Id::EC;
        if ec { SignatureMethod::ECDSA_SHA256.uri } else { SignatureMethod::RSA_SHA256.uri }
    }

    fn value(&self, octets: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        if self.key.id() != Id::EC {
            return Signer::new(MessageDigest::sha256(), &self.key)?.sign_oneshot_to_vec(octets);
        }
        let digest = hash(MessageDigest::sha256(), octets)?;
        let signature = EcdsaSig::sign(&digest, &*self.key.ec_key()?)?;
        let mut value = signature.r().to_vec_padded(32)?;
        value.extend(signature.s().to_vec_padded(32)?);
        Ok(value)
    }
}

/// Why a document was not signed. What was written to the output by then is of no use.
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
    /// The input was another one the second time.
    #[error("the document changed while it was signed")]
    Changed,
    /// OpenSSL could not sign.
    #[error("making the signature: {0}")]
    Crypto(#[from] ErrorStack),
}

/// Signs a document: enveloped, URI="", Canonical XML 1.0, SHA-256, certificate in KeyInfo; the Signature becomes the
/// last child of the element at `parent`, a path of (namespace, local name) from the root, root included.
///
/// `input` opens the document; it is called twice. The output is the input, byte for byte, with the Signature in it
/// (and an empty-element tag `<parent/>` opened up). The caller should verify the output.
pub fn sign(
    input: &mut dyn FnMut() -> io::Result<Box<dyn BufRead>>,
    parent: &[(&str, &str)],
    key: &SigningKey,
    options: &ReadOptions<'_>,
    output: &mut dyn Write,
) -> Result<(), SignError> {
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
    let outcome = Drive::new(&mut *input()?, options)?.run(&mut survey)?;
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
    let digest = canonical.into_octets().finish().ok_or_else(|| SignError::Crypto(ErrorStack::get()))?;
    let signature = signature(&spot, key, &digest, options)?;

    let mut source = input()?;
    let before = copy(&mut *source, spot.at, output)?;
    if spot.empty {
        write!(output, ">{signature}</{}>", spot.qname)?;
        // The `/>` that stood here.
        copy(&mut *source, 2, &mut io::sink())?;
    } else {
        output.write_all(signature.as_bytes())?;
    }
    let after = copy(&mut *source, u64::MAX, output)?;
    output.flush()?;
    let whole = before + if spot.empty { 2 } else { 0 } + after;
    if whole == outcome.bytes { Ok(()) } else { Err(SignError::Changed) }
}

fn signature(
    spot: &Spot,
    key: &SigningKey,
    digest: &[u8],
    options: &ReadOptions<'_>,
) -> Result<String, SignError> {
    let signed_info = format!(
        "<ds:SignedInfo><ds:CanonicalizationMethod Algorithm=\"{C14N}\"></ds:CanonicalizationMethod>\
         <ds:SignatureMethod Algorithm=\"{}\"></ds:SignatureMethod><ds:Reference URI=\"\"><ds:Transforms>\
         <ds:Transform Algorithm=\"{ENVELOPED}\"></ds:Transform></ds:Transforms>\
         <ds:DigestMethod Algorithm=\"{}\"></ds:DigestMethod>\
         <ds:DigestValue>{}</ds:DigestValue></ds:Reference></ds:SignedInfo>",
        key.method(),
        DigestMethod::Sha256.uri(),
        STANDARD.encode(digest)
    );
    let value = STANDARD.encode(key.value(&canonical_signed_info(&signed_info, spot, options)?)?);
    let mut certificates = String::new();
    for certificate in &key.certificates {
        let encoded = STANDARD.encode(certificate.der());
        certificates += &format!("<ds:X509Certificate>{encoded}</ds:X509Certificate>");
    }
    Ok(format!(
        "<ds:Signature xmlns:ds=\"{DS}\">{signed_info}<ds:SignatureValue>{value}</ds:SignatureValue>\
         <ds:KeyInfo><ds:X509Data>{certificates}</ds:X509Data></ds:KeyInfo></ds:Signature>"
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
    let said = captured.said.map_err(|_| SignError::Changed)?;
    crate::signed_info::canonical(&said.signed_info, &Form::default(), &said.inherited, &limits)
        .map_err(|_| SignError::Changed)
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

fn copy(from: &mut dyn BufRead, count: u64, to: &mut dyn Write) -> Result<u64, SignError> {
    io::copy(&mut io::Read::take(from, count), to).map_err(SignError::Io)
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
