//! Keys made at run time, signing, and the two passes that give an envelope and a verdict.

use std::io::{BufRead, Cursor};
use std::sync::Arc;

use jiff::Timestamp;
use lienthong_schemas::edxml::{
    EdxmlLimits, Envelope, EnvelopeReader, HEADER_PATH, NAMESPACE, PLACES, ReadMode,
};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sign::Signer;
use openssl::x509::extension::{AuthorityKeyIdentifier, BasicConstraints, CrlNumber, KeyUsage};
use openssl::x509::{X509, X509CrlBuilder, X509NameBuilder};
use xml_sig::{
    Certificate, Crl, Form, Limits, Method, Reach, ReadOptions, SigningKey, SoftwareKey, Trust, Verdict,
    canonicalise, locate, sign,
};

/// 2026-01-01T00:00:00Z.
const NOT_BEFORE: i64 = 1_767_225_600;
const DAY: i64 = 86_400;
const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";

/// A P-256 key with a self-signed certificate for signing, valid for ten days of January 2026.
pub(crate) fn signer(common_name: &str) -> SoftwareKey {
    let key = p256();
    let certificate = issue(common_name, &key, None);
    signing_key(&key, &certificate)
}

fn p256() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("P-256");
    PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key")
}

fn signing_key(key: &PKey<Private>, certificate: &X509) -> SoftwareKey {
    let certificate = certificate.to_pem().expect("PEM");
    SoftwareKey::from_pem(&key.private_key_to_pem_pkcs8().expect("PEM"), &certificate)
        .expect("key and certificate")
}

/// A certificate for signing documents, by an authority or by itself.
fn issue(common_name: &str, key: &PKey<Private>, issuer: Option<&Authority>) -> X509 {
    let mut name = X509NameBuilder::new().expect("a name");
    name.append_entry_by_nid(Nid::COMMONNAME, common_name).expect("a name");
    let name = name.build();
    let mut certificate = X509::builder().expect("a builder");
    certificate.set_version(2).expect("X.509 v3");
    let serial = BigNum::from_u32(1).and_then(|n| n.to_asn1_integer()).expect("a serial number");
    certificate.set_serial_number(&serial).expect("a serial number");
    certificate.set_subject_name(&name).expect("a subject");
    certificate.set_issuer_name(issuer.map_or(&name, |i| i.x509.subject_name())).expect("an issuer");
    certificate.set_pubkey(key).expect("a key");
    certificate.set_not_before(&Asn1Time::from_unix(NOT_BEFORE).expect("a time")).expect("a time");
    certificate.set_not_after(&Asn1Time::from_unix(NOT_BEFORE + 10 * DAY).expect("a time")).expect("a time");
    let usage = KeyUsage::new().critical().digital_signature().non_repudiation().build().expect("a usage");
    certificate.append_extension(usage).expect("a usage");
    certificate.sign(issuer.map_or(key, |i| &i.key), MessageDigest::sha256()).expect("a signature");
    certificate.build()
}

/// A certification authority.
pub(crate) struct Authority {
    key: PKey<Private>,
    x509: X509,
}

impl Authority {
    pub(crate) fn new(common_name: &str) -> Self {
        let key = p256();
        let mut name = X509NameBuilder::new().expect("a name");
        name.append_entry_by_nid(Nid::COMMONNAME, common_name).expect("a name");
        let name = name.build();
        let mut certificate = X509::builder().expect("a builder");
        certificate.set_version(2).expect("X.509 v3");
        certificate.set_subject_name(&name).expect("a subject");
        certificate.set_issuer_name(&name).expect("an issuer");
        certificate.set_pubkey(&key).expect("a key");
        let time = |days: i64| Asn1Time::from_unix(NOT_BEFORE + days * DAY).expect("a time");
        certificate.set_not_before(&time(0)).expect("a time");
        certificate.set_not_after(&time(10)).expect("a time");
        let constraints = BasicConstraints::new().critical().ca().build().expect("an authority");
        certificate.append_extension(constraints).expect("an authority");
        certificate.sign(&key, MessageDigest::sha256()).expect("a signature");
        Self { x509: certificate.build(), key }
    }

    pub(crate) fn certificate(&self) -> Certificate {
        Certificate::from_der(&self.x509.to_der().expect("DER")).expect("a certificate")
    }

    pub(crate) fn signer(&self, common_name: &str) -> SoftwareKey {
        let key = p256();
        signing_key(&key, &issue(common_name, &key, Some(self)))
    }

    /// An empty list of revoked certificates for the ten days. OpenSSL's builder insists on both extensions.
    pub(crate) fn list(&self) -> Crl {
        let time = |days: i64| Asn1Time::from_unix(NOT_BEFORE + days * DAY).expect("a time");
        let mut list = X509CrlBuilder::new().expect("a builder");
        list.set_issuer_name(self.x509.subject_name()).expect("an issuer");
        list.set_last_update(&time(0)).expect("a time");
        list.set_next_update(&time(10)).expect("a time");
        let subject = X509::builder().expect("a builder");
        let context = subject.x509v3_context(Some(&self.x509), None);
        let identifier = AuthorityKeyIdentifier::new().issuer(true).build(&context).expect("an identifier");
        list.append_extension(identifier).expect("an identifier");
        let number = CrlNumber::new(BigNum::from_u32(1).expect("a number")).and_then(|n| n.build());
        list.append_extension(number.expect("a number")).expect("a number");
        list.sign(&self.key, MessageDigest::sha256()).expect("a signature");
        Crl::from_der(&list.build().expect("a list").to_der().expect("DER")).expect("a list")
    }
}

/// The packet signed with RSA and SHA-1, and the certificate: what this program signs, signed again. Exclusive
/// canonicalisation makes what is signed independent of its place; our signer writes the rest in canonical form.
pub(crate) fn signed_with_sha1(packet: &[u8]) -> (Vec<u8>, Certificate) {
    let key = PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key");
    let signer = signing_key(&key, &issue("x", &key, None));
    let text = String::from_utf8(signed(packet, &signer)).expect("UTF-8");
    let text = text
        .replace(
            "http://www.w3.org/TR/2001/REC-xml-c14n-20010315\"></ds:CanonicalizationMethod>",
            "http://www.w3.org/2001/10/xml-exc-c14n#\"></ds:CanonicalizationMethod>",
        )
        .replace(
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
        );
    let between = |from: &str, to: &str| {
        let begin = text.find(from).expect(from) + from.len();
        begin..begin + text[begin..].find(to).expect(to)
    };
    let inside = between("<ds:SignedInfo>", "</ds:SignedInfo>");
    let octets = format!(
        "<ds:SignedInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">{}</ds:SignedInfo>",
        &text[inside]
    );
    let value =
        Signer::new(MessageDigest::sha1(), &key).and_then(|mut s| s.sign_oneshot_to_vec(octets.as_bytes()));
    let mut packet = text.clone();
    let value = openssl::base64::encode_block(&value.expect("a signature"));
    packet.replace_range(between("<ds:SignatureValue>", "</ds:SignatureValue>"), &value);
    (packet.into_bytes(), signer.certificate().clone())
}

/// The packet, signed.
pub(crate) fn signed(packet: &[u8], key: &SoftwareKey) -> Vec<u8> {
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let mut open = || -> std::io::Result<Box<dyn BufRead>> { Ok(Box::new(Cursor::new(packet.to_vec()))) };
    let mut output = Vec::new();
    sign(&mut open, HEADER_PATH, key, &options, &mut output).expect("a packet that can be signed");
    output
}

/// Trust in these certificates, on the second day of their life.
pub(crate) fn trust(pinned: &[Certificate]) -> Trust {
    trust_after_days(pinned, 1)
}

pub(crate) fn trust_after_days(pinned: &[Certificate], days: i64) -> Trust {
    let at = Timestamp::from_second(NOT_BEFORE + days * DAY).expect("a time");
    Trust { signers: Arc::new(pinned.to_vec().into()), authorities: Arc::default(), at, legacy_sha1: false }
}

/// Both passes, as intake makes them: the envelope of the second, or of the first when the second was cut short.
pub(crate) fn judged(
    packet: &[u8],
    trust: &Trust,
    initial_namespaces: &[(&str, &str)],
) -> (Envelope, Verdict) {
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces };
    let mut claims = EnvelopeReader::new(ReadMode::Claims, &EdxmlLimits::default());
    let located = locate(&mut &packet[..], &options, &PLACES, Reach::End, &mut claims).expect("well-formed");
    let mut whole = EnvelopeReader::new(ReadMode::Full, &EdxmlLimits::default());
    let verdict = located.verify(&mut &packet[..], trust, &mut whole).expect("the same bytes");
    let envelope = whole.finish().or_else(|_| claims.finish()).expect("a packet");
    (envelope, verdict)
}

/// The packet with a Signature over elements, each told by its name, in exclusive canonical form. The Signature stands
/// before `before`, and is taken out of what it stands in.
pub(crate) fn signed_by_parts(packet: &[u8], parts: &[&str], before: &str, key: &SoftwareKey) -> String {
    let mut packet = String::from_utf8(packet.to_vec()).expect("UTF-8");
    for (n, name) in parts.iter().enumerate() {
        let starts = [format!("<{name}>"), format!("<{name} ")];
        let at = starts.iter().find_map(|start| packet.find(start)).expect(name) + 1 + name.len();
        packet.insert_str(at, &format!(" Id=\"part{n}\""));
    }
    let place = packet.find(before).expect(before);
    let references: String = (0..parts.len()).map(|n| reference(&packet, n, place)).collect();
    let signed_info = format!(
        "<ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE}\"></ds:CanonicalizationMethod>\
         <ds:SignatureMethod Algorithm=\"{}\"></ds:SignatureMethod>{references}</ds:SignedInfo>",
        key.method().uri()
    );
    let octets = format!("<ds:SignedInfo xmlns:ds=\"{DS}\">{signed_info}");
    let value = openssl::base64::encode_block(&key.sign(octets.as_bytes()).expect("a value"));
    let signature = format!(
        "<ds:Signature xmlns:ds=\"{DS}\"><ds:SignedInfo>{signed_info}\
         <ds:SignatureValue>{value}</ds:SignatureValue></ds:Signature>"
    );
    packet.insert_str(place, &signature);
    packet
}

/// A Reference to the part of this number.
fn reference(packet: &str, n: usize, place: usize) -> String {
    let id = packet.find(&format!(" Id=\"part{n}\"")).expect("a part");
    let from = packet[..id].rfind('<').expect("a start tag");
    let name = packet[from + 1..].split([' ', '>']).next().expect("a name");
    let close = format!("</{name}>");
    let to = from + packet[from..].find(&close).expect("an end tag") + close.len();
    // As a document of its own; the exclusive form keeps of the bindings what is used.
    let mut part = packet[from..to].to_owned();
    for declaration in [format!(" xmlns=\"{NAMESPACE}\""), format!(" xmlns:edXML=\"{NAMESPACE}\"")] {
        let start_tag = &part[..part.find('>').expect("a start tag")];
        if !start_tag.contains(&declaration) {
            part.insert_str(1 + name.len(), &declaration);
        }
    }
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let form = Form { method: Method::Exclusive, ..Form::default() };
    let mut octets = Vec::new();
    canonicalise(&mut part.as_bytes(), &options, &form, &mut octets).expect("a canonical form");
    let digest = openssl::hash::hash(MessageDigest::sha256(), &octets).expect("a digest");
    let enveloped = (from..to)
        .contains(&place)
        .then(|| format!("<ds:Transform Algorithm=\"{DS}enveloped-signature\"></ds:Transform>"));
    format!(
        "<ds:Reference URI=\"#part{n}\"><ds:Transforms>{}\
         <ds:Transform Algorithm=\"{EXCLUSIVE}\"></ds:Transform></ds:Transforms>\
         <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"></ds:DigestMethod>\
         <ds:DigestValue>{}</ds:DigestValue></ds:Reference>",
        enveloped.unwrap_or_default(),
        openssl::base64::encode_block(&digest)
    )
}
