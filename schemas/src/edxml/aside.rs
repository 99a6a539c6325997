//! What stands in a packet and is not read: unknown elements, kept for display, and Signatures, which `xml-sig` judges.
//! Here is only said what is odd about them. An [`Aside`] sees each such element and everything in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use xml_sig::{Certificate, StartTag};

use super::content::{Content, UnknownElement};
use super::finding::{Finding, Findings};

/// The namespace of XML Signature (W3C, XML Signature Syntax and Processing).
const XMLDSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
/// Most certificates of one packet that are looked at.
const CERTIFICATES_MAX: usize = 16;
/// Longest certificate that is looked at, in characters of base64.
const CERTIFICATE_CHARACTERS_MAX: usize = 16 * 1024;

/// Whether a certificate in DER is known to read.
pub(super) type Known<'k> = &'k dyn Fn(&[u8]) -> bool;

/// The elements of one packet that are passed over.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// Open elements inside the one that is passed over, that one included.
    depth: usize,
    /// What the outermost of them is.
    outermost: Outermost,
    /// The text of an `X509Certificate`, and its depth.
    certificate: Option<(usize, String)>,
    certificates: usize,
    /// Signatures, and what is taken for one.
    signatures: usize,
    unknown: Vec<UnknownElement>,
}

#[derive(Debug, Default)]
enum Outermost {
    /// Nothing is said of it.
    #[default]
    Silent,
    /// The last of `unknown`, whose text is kept.
    Unknown,
    /// A Signature at this path.
    Signature(String),
}

impl Aside {
    /// Whether an element is being passed over.
    pub(super) fn is_open(&self) -> bool {
        self.depth > 0
    }

    /// Passes over an element of which nothing is said.
    pub(super) fn begin_silent(&mut self) {
        (self.depth, self.outermost) = (1, Outermost::Silent);
    }

    /// Passes over an element that the standard does not have in this parent.
    pub(super) fn begin(&mut self, tag: &StartTag<'_>, parent: &dyn Fn() -> String, findings: &mut Findings) {
        self.begin_silent();
        let path = || format!("{}/{}", parent(), tag.name.local).trim_start_matches('/').to_owned();
        let signature = ["Signature", "DigitalSignature"].contains(&tag.name.local);
        self.signatures += usize::from(signature);
        match tag.name.local {
            _ if signature && self.signatures > Findings::PLACES_MAX => {}
            "Signature" if tag.name.namespace == XMLDSIG => self.outermost = Outermost::Signature(path()),
            "Signature" => {
                findings.add(Finding::SignatureNamespace, path(), tag.name.namespace);
                self.outermost = Outermost::Signature(path());
            }
            "DigitalSignature" => findings.add(Finding::DigitalSignatureElement, path(), ""),
            _ if self.unknown.len() == Content::UNKNOWN_MAX => {}
            _ => {
                let element = UnknownElement {
                    path: path(),
                    namespace: tag.name.namespace.to_owned(),
                    offset: tag.offset,
                    text: String::new(),
                };
                findings.add(Finding::UnknownElement, element.path.clone(), "");
                self.unknown.push(element);
                self.outermost = Outermost::Unknown;
            }
        }
    }

    /// An element begins inside one that is passed over.
    pub(super) fn start(&mut self, tag: &StartTag<'_>) {
        self.depth += 1;
        let looked_at = matches!(self.outermost, Outermost::Signature(_))
            && tag.name.local == "X509Certificate"
            && self.certificate.is_none()
            && self.certificates < CERTIFICATES_MAX;
        if looked_at {
            self.certificates += 1;
            self.certificate = Some((self.depth, String::new()));
        }
    }

    /// A piece of text inside an element that is passed over.
    pub(super) fn text(&mut self, chunk: &str) {
        if let Some((_, text)) = &mut self.certificate {
            let room = CERTIFICATE_CHARACTERS_MAX.saturating_sub(text.len());
            text.extend(chunk.chars().filter(|c| !c.is_ascii_whitespace()).take(room));
        }
        if let (1, Outermost::Unknown, Some(element)) = (self.depth, &self.outermost, self.unknown.last_mut())
        {
            let text = &mut element.text;
            let chunk = if text.is_empty() { chunk.trim_start() } else { chunk };
            let room = UnknownElement::TEXT_BYTES_MAX - text.len();
            text.push_str(&chunk[..chunk.floor_char_boundary(room)]);
        }
    }

    /// The innermost open element ends.
    pub(super) fn end(&mut self, known: Known<'_>, findings: &mut Findings) {
        if let Some((_, text)) = self.certificate.take_if(|(depth, _)| *depth == self.depth)
            && let Outermost::Signature(path) = &self.outermost
            && let Some(why) = unreadable(&text, known)
        {
            let field = format!("{path}/KeyInfo/X509Data/X509Certificate");
            findings.add(Finding::CertificateTruncated, field, &why);
        }
        self.depth -= 1;
        if let (0, Outermost::Unknown, Some(element)) = (self.depth, &self.outermost, self.unknown.last_mut())
        {
            element.text.truncate(element.text.trim_end().len());
        }
    }

    /// The unknown elements, at most [`Content::UNKNOWN_MAX`].
    pub(super) fn into_unknown(self) -> Vec<UnknownElement> {
        self.unknown
    }
}

/// What is wrong with the base64 of a certificate. An empty one is none, and nothing is wrong with it.
fn unreadable(base64: &str, known: Known<'_>) -> Option<String> {
    if base64.is_empty() {
        return None;
    }
    let Ok(der) = STANDARD.decode(base64) else {
        return Some(format!("{} characters that are not whole base64", base64.len()));
    };
    if known(&der) {
        return None;
    }
    Certificate::from_der(&der).err().map(|error| format!("{} bytes: {error}", der.len()))
}
