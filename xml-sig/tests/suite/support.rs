//! Keys, certificates and signed documents, made when the tests run.

use std::io::{BufRead, BufReader};
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use openssl::asn1::{Asn1Integer, Asn1Object, Asn1OctetString, Asn1Time};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::{MessageDigest, hash};
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, Id, PKey, PKeyRef, Private};
use openssl::rsa::Rsa;
use openssl::sign::Signer;
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, CrlNumber, ExtendedKeyUsage, KeyUsage,
};
use openssl::x509::{
    X509, X509Builder, X509Crl, X509CrlBuilder, X509Extension, X509NameBuilder, X509RevokedBuilder,
};
use xml_sig::{
    Authorities, Certificate, Crl, Limits, Name, Observer, Places, Reach, ReadError, ReadOptions,
    SoftwareKey, StartTag, Stop, Trust, Verdict, locate,
};

pub(crate) const DS: &str = "http://www.w3.org/2000/09/xmldsig#";

/// The time of the tests; all certificates are valid then unless a test says otherwise.
pub(crate) fn at() -> Timestamp {
    "2026-11-23T00:00:00Z".parse().unwrap()
}

/// A private key with a certificate.
pub(crate) struct Identity {
    pub(crate) key: PKey<Private>,
    pub(crate) x509: X509,
}

impl Identity {
    pub(crate) fn certificate(&self) -> Certificate {
        Certificate::from_der(&self.x509.to_der().unwrap()).unwrap()
    }

    pub(crate) fn key_pem(&self) -> Vec<u8> {
        self.key.private_key_to_pem_pkcs8().unwrap()
    }

    pub(crate) fn certificate_pem(&self) -> Vec<u8> {
        self.x509.to_pem().unwrap()
    }

    pub(crate) fn signing_key(&self) -> SoftwareKey {
        SoftwareKey::from_pem(&self.key_pem(), &self.certificate_pem()).unwrap()
    }

    pub(crate) fn key_info(&self) -> String {
        let der = STANDARD.encode(self.x509.to_der().unwrap());
        format!(
            "<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{der}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
        )
    }
}

/// What a certificate is to say.
pub(crate) struct Wanted<'a> {
    pub(crate) name: &'a str,
    /// Attributes between C and CN.
    pub(crate) more: &'a [(Nid, &'a str)],
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) serial: u32,
    pub(crate) authority: bool,
    pub(crate) path_len: Option<u32>,
    pub(crate) usage: Option<KeyUsage>,
    pub(crate) purposes: &'a [&'a str],
    /// OID, whether it is critical, DER value.
    pub(crate) extensions: &'a [(&'a str, bool, &'a [u8])],
    pub(crate) digest: MessageDigest,
}

impl Default for Wanted<'_> {
    fn default() -> Self {
        Self {
            name: "signer",
            more: &[],
            from: "20260101000000Z",
            to: "20270101000000Z",
            serial: 7,
            authority: false,
            path_len: None,
            usage: None,
            purposes: &[],
            extensions: &[],
            digest: MessageDigest::sha256(),
        }
    }
}

/// A certificate for `key`, by `issuer`, or by itself.
pub(crate) fn issue(key: &PKey<Private>, issuer: Option<&Identity>, wanted: Wanted<'_>) -> Identity {
    let by = issuer.map_or(key, |issuer| &issuer.key);
    Identity { key: key.clone(), x509: certify(key, issuer, by, wanted) }
}

/// A certificate for a key of which only the public half is at hand, signed by `by`.
pub(crate) fn certify<T: HasPublic>(
    key: &PKeyRef<T>,
    issuer: Option<&Identity>,
    by: &PKey<Private>,
    wanted: Wanted<'_>,
) -> X509 {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_nid(Nid::COUNTRYNAME, "VN").unwrap();
    for (id, value) in wanted.more {
        name.append_entry_by_nid(*id, value).unwrap();
    }
    name.append_entry_by_nid(Nid::COMMONNAME, wanted.name).unwrap();
    let name = name.build();
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(issuer.map_or(&*name, |i| i.x509.subject_name())).unwrap();
    let serial = Asn1Integer::from_bn(&BigNum::from_u32(wanted.serial).unwrap()).unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder.set_not_before(&Asn1Time::from_str(wanted.from).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_str(wanted.to).unwrap()).unwrap();
    builder.set_pubkey(key).unwrap();
    if wanted.authority {
        let mut constraints = BasicConstraints::new();
        constraints.critical().ca();
        wanted.path_len.map(|length| constraints.pathlen(length));
        builder.append_extension(constraints.build().unwrap()).unwrap();
    }
    if let Some(usage) = wanted.usage {
        builder.append_extension(usage.build().unwrap()).unwrap();
    }
    if !wanted.purposes.is_empty() {
        let mut purposes = ExtendedKeyUsage::new();
        for purpose in wanted.purposes {
            purposes.other(purpose);
        }
        builder.append_extension(purposes.build().unwrap()).unwrap();
    }
    for (id, critical, value) in wanted.extensions {
        let (id, value) =
            (Asn1Object::from_str(id).unwrap(), Asn1OctetString::new_from_bytes(value).unwrap());
        builder.append_extension(X509Extension::new_from_der(&id, *critical, &value).unwrap()).unwrap();
    }
    builder.sign(by, wanted.digest).unwrap();
    builder.build()
}

/// A list by `issuer` that revokes these serial numbers.
pub(crate) fn crl(issuer: &Identity, revoked: &[u32], this_update: &str, next_update: &str) -> Crl {
    Crl::from_pem(&crl_pem(issuer, revoked, this_update, next_update, None)).unwrap().remove(0)
}

/// A list that does not say when the next one comes: OpenSSL's builder makes none, so the date is taken out of the DER
/// and the rest signed again.
pub(crate) fn crl_without_next_update(issuer: &Identity, revoked: &[u32], this_update: &str) -> Crl {
    const NEXT: &str = "20261231235959Z";
    let pem = crl_pem(issuer, revoked, this_update, NEXT, None);
    let der = X509Crl::from_pem(&pem).unwrap().to_der().unwrap();
    let (list, _) = der_content(&der);
    let (to_sign, rest) = der_content(list);
    let next = [b"\x18\x0F", NEXT.as_bytes()].concat();
    let at = to_sign.windows(next.len()).position(|window| window == next).unwrap();
    let to_sign = der_of(0x30, &[&to_sign[..at], &to_sign[at + next.len()..]].concat());
    let (algorithm, _) = der_content(rest);
    let value =
        Signer::new(MessageDigest::sha256(), &issuer.key).unwrap().sign_oneshot_to_vec(&to_sign).unwrap();
    let value = der_of(0x03, &[&[0], &value[..]].concat());
    let list = [to_sign, der_of(0x30, algorithm), value].concat();
    Crl::from_der(&der_of(0x30, &list)).unwrap()
}

/// The content of the first DER element, and what stands behind it.
pub(crate) fn der_content(der: &[u8]) -> (&[u8], &[u8]) {
    let (from, length) = match der[1] {
        short @ 0..0x80 => (2, usize::from(short)),
        long => {
            let from = 2 + usize::from(long & 0x7F);
            (from, der[2..from].iter().fold(0, |length, &byte| length << 8 | usize::from(byte)))
        }
    };
    der[from..].split_at(length)
}

pub(crate) fn der_of(tag: u8, content: &[u8]) -> Vec<u8> {
    let [.., middle, high, low] = content.len().to_be_bytes();
    match content.len() {
        0..0x80 => [&[tag, low], content].concat(),
        0x80..0x100 => [&[tag, 0x81, low], content].concat(),
        0x100..0x1_0000 => [&[tag, 0x82, high, low], content].concat(),
        _ => [&[tag, 0x83, middle, high, low], content].concat(),
    }
}

/// The same as PEM, perhaps with one more extension.
pub(crate) fn crl_pem(
    issuer: &Identity,
    revoked: &[u32],
    this_update: &str,
    next_update: &str,
    extension: Option<X509Extension>,
) -> Vec<u8> {
    let mut builder = X509CrlBuilder::new().unwrap();
    builder.set_issuer_name(issuer.x509.subject_name()).unwrap();
    builder.set_last_update(&Asn1Time::from_str(this_update).unwrap()).unwrap();
    builder.set_next_update(&Asn1Time::from_str(next_update).unwrap()).unwrap();
    let subject = X509::builder().unwrap();
    let context = subject.x509v3_context(Some(&issuer.x509), None);
    let mut identifier = AuthorityKeyIdentifier::new();
    builder.append_extension(identifier.issuer(true).build(&context).unwrap()).unwrap();
    let number = CrlNumber::new(BigNum::from_u32(1).unwrap()).unwrap();
    builder.append_extension(number.build().unwrap()).unwrap();
    for serial in revoked {
        let mut entry = X509RevokedBuilder::new().unwrap();
        let serial = Asn1Integer::from_bn(&BigNum::from_u32(*serial).unwrap()).unwrap();
        entry.set_serial_number(&serial).unwrap();
        entry.set_revocation_date(&Asn1Time::from_str(this_update).unwrap()).unwrap();
        builder.add_revoked(entry.build()).unwrap();
    }
    if let Some(extension) = extension {
        builder.append_extension(extension).unwrap();
    }
    builder.sort().unwrap();
    builder.sign(&issuer.key, MessageDigest::sha256()).unwrap();
    builder.build().unwrap().to_pem().unwrap()
}

pub(crate) fn rsa_key(bits: u32) -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap()
}

pub(crate) fn ec_key(curve: Nid) -> PKey<Private> {
    let group = EcGroup::from_curve_name(curve).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

/// An RSA-2048 signer with a certificate by itself.
pub(crate) fn rsa() -> &'static Identity {
    static RSA: OnceLock<Identity> = OnceLock::new();
    RSA.get_or_init(|| issue(&rsa_key(2048), None, Wanted::default()))
}

/// A P-256 signer with a certificate by itself.
pub(crate) fn ec() -> &'static Identity {
    static EC: OnceLock<Identity> = OnceLock::new();
    EC.get_or_init(|| issue(&ec_key(Nid::X9_62_PRIME256V1), None, Wanted { name: "ec", ..Wanted::default() }))
}

/// Trust in exactly these certificates.
pub(crate) fn pinned(identities: &[&Identity]) -> Trust {
    let certificates: Vec<Certificate> = identities.iter().map(|i| i.certificate()).collect();
    Trust {
        signers: Arc::new(certificates.into()),
        authorities: Arc::default(),
        at: at(),
        legacy_sha1: false,
    }
}

/// The same with authorities and their lists.
pub(crate) fn under(trust: Trust, anchors: &[&Identity], crls: Vec<Crl>) -> Trust {
    let anchors = anchors.iter().map(|i| i.certificate()).collect();
    Trust { authorities: Arc::new(Authorities { anchors, crls, ..Authorities::default() }), ..trust }
}

/// Writes down what it sees, less offsets and less everything in a ds:Signature.
#[derive(Default, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Record {
    pub(crate) events: Vec<String>,
    text: String,
    inside: usize,
}

impl Record {
    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.events.push(format!("\"{}", std::mem::take(&mut self.text)));
        }
    }
}

impl Observer for Record {
    fn start(&mut self, tag: &StartTag<'_>) -> Result<(), Stop> {
        if self.inside > 0 || tag.name.is(DS, "Signature") {
            self.inside += 1;
            return Ok(());
        }
        self.flush();
        let mut attributes: Vec<_> = tag
            .attributes
            .iter()
            .map(|a| format!(" {{{}}}{}={:?}", a.name.namespace, a.name.local, a.value))
            .collect();
        attributes.sort();
        self.events.push(format!("<{{{}}}{}{}", tag.name.namespace, tag.name.local, attributes.concat()));
        Ok(())
    }

    fn text(&mut self, chunk: &str) -> Result<(), Stop> {
        if self.inside == 0 {
            self.text.push_str(chunk);
        }
        Ok(())
    }

    fn end(&mut self, name: &Name<'_>) -> Result<(), Stop> {
        if self.inside > 0 {
            self.inside -= 1;
            return Ok(());
        }
        self.flush();
        self.events.push(format!(">{}", name.local));
        Ok(())
    }
}

/// The places of these tests' documents: the root `r` and its child `h`.
pub(crate) const PLACES: Places<'static> =
    Places { parents: &[&[("", "r")], &[("", "r"), ("", "h")]], signed: &[] };

/// Locates and verifies, with buffers of `chunk` bytes (0: all at once); also what the second pass showed. How far the
/// first pass reads makes no difference, but that a fault behind the Signature may be met in the second.
pub(crate) fn judge_with(
    document: &[u8],
    chunk: usize,
    places: &Places<'_>,
    options: &ReadOptions<'_>,
    trust: &Trust,
) -> Result<(Verdict, Record), ReadError> {
    let open = || -> Box<dyn BufRead + '_> {
        match chunk {
            0 => Box::new(document),
            size => Box::new(BufReader::with_capacity(size, document)),
        }
    };
    let reaching = |reach| -> Result<(Verdict, Record), ReadError> {
        let mut first = Record::default();
        let located = locate(&mut *open(), options, places, reach, &mut first)?;
        let mut second = Record::default();
        let verdict = located.verify(&mut *open(), trust, &mut second)?;
        if reach == Reach::End && !matches!(verdict, Verdict::Invalid { .. }) {
            assert_eq!(first, second, "both passes show the same");
        }
        Ok((verdict, second))
    };
    let (soon, whole) = (reaching(Reach::Signature), reaching(Reach::End)?);
    let soon = word(&soon?.0);
    // Of several things that are wrong, the one before the Signature's end may be told first.
    assert_eq!(soon == "valid", word(&whole.0) == "valid", "{soon}");
    assert_eq!(soon.split(' ').next(), word(&whole.0).split(' ').next(), "{soon}");
    Ok(whole)
}

/// `valid`, `absent`, or `invalid code` and `unusable code`; the same at every chunk size.
pub(crate) fn judge(document: &str, trust: &Trust) -> String {
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let mut words = Vec::new();
    for chunk in [0, 1, 7, 64 << 10] {
        let judged = judge_with(document.as_bytes(), chunk, &PLACES, &options, trust);
        words.push(judged.map_or_else(|error| format!("error {error}"), |(verdict, _)| word(&verdict)));
    }
    assert!(words.windows(2).all(|pair| pair[0] == pair[1]), "chunk sizes disagree: {words:?}");
    words.remove(0)
}

pub(crate) fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Unusable { why, .. } => format!("unusable {}", why.code()),
        Verdict::Invalid { why, .. } => format!("invalid {}", why.code()),
        other => other.name().to_owned(),
    }
}

/// A signed document made by hand, so that every part of it can be wrong. All its parts are in canonical form already.
pub(crate) struct Draft<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) canonicalisation: String,
    pub(crate) method: String,
    /// `None`: one Reference that is right.
    pub(crate) references: Option<String>,
    pub(crate) signed_info_attributes: &'a str,
    pub(crate) key_info: String,
    /// Behind KeyInfo.
    pub(crate) tail: &'a str,
    pub(crate) body: &'a str,
    pub(crate) digest: MessageDigest,
}

pub(crate) const C14N: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
pub(crate) const EXC: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
pub(crate) const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
pub(crate) const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
pub(crate) const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
pub(crate) const ECDSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";

pub(crate) fn element(local: &str, algorithm: &str) -> String {
    format!("<ds:{local} Algorithm=\"{algorithm}\"></ds:{local}>")
}

/// A Reference with these Transform URIs and digest.
pub(crate) fn reference(uri: &str, transforms: &[&str], digest_uri: &str, value: &[u8]) -> String {
    let transforms: String = transforms.iter().map(|t| element("Transform", t)).collect();
    format!(
        "<ds:Reference{uri}><ds:Transforms>{transforms}</ds:Transforms>{}<ds:DigestValue>{}</ds:DigestValue></ds:Reference>",
        element("DigestMethod", digest_uri),
        STANDARD.encode(value)
    )
}

impl<'a> Draft<'a> {
    pub(crate) fn new(identity: &'a Identity) -> Self {
        let method = if identity.key.id() == Id::EC { ECDSA_SHA256 } else { RSA_SHA256 };
        Self {
            identity,
            canonicalisation: element("CanonicalizationMethod", C14N),
            method: element("SignatureMethod", method),
            references: None,
            signed_info_attributes: "",
            key_info: identity.key_info(),
            tail: "",
            body: "<b>1000</b>",
            digest: MessageDigest::sha256(),
        }
    }

    /// The digest of the document without its Signature.
    pub(crate) fn content_digest(&self) -> Vec<u8> {
        hash(MessageDigest::sha256(), format!("<r>{}</r>", self.body).as_bytes()).unwrap().to_vec()
    }

    pub(crate) fn signature(&self) -> String {
        self.signature_with(|octets| self.value(octets))
    }

    fn signature_with(&self, value: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
        let right = || reference(" URI=\"\"", &[ENVELOPED], SHA256, &self.content_digest());
        let inside = format!(
            "{}{}{}</ds:SignedInfo>",
            self.canonicalisation,
            self.method,
            self.references.clone().unwrap_or_else(right)
        );
        let octets = format!("<ds:SignedInfo xmlns:ds=\"{DS}\"{}>{inside}", self.signed_info_attributes);
        let value = value(octets.as_bytes());
        format!(
            "<ds:Signature xmlns:ds=\"{DS}\"><ds:SignedInfo{}>{inside}<ds:SignatureValue>{}</ds:SignatureValue>{}{}</ds:Signature>",
            self.signed_info_attributes,
            STANDARD.encode(value),
            self.key_info,
            self.tail
        )
    }

    pub(crate) fn document(&self) -> String {
        format!("<r>{}{}</r>", self.body, self.signature())
    }

    /// With a SignatureValue made from the octets of SignedInfo.
    pub(crate) fn document_with(&self, value: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
        format!("<r>{}{}</r>", self.body, self.signature_with(value))
    }

    fn value(&self, octets: &[u8]) -> Vec<u8> {
        if self.identity.key.id() != Id::EC {
            return Signer::new(self.digest, &self.identity.key)
                .unwrap()
                .sign_oneshot_to_vec(octets)
                .unwrap();
        }
        let key = self.identity.key.ec_key().unwrap();
        let signature = EcdsaSig::sign(&hash(self.digest, octets).unwrap(), &key).unwrap();
        let width = i32::try_from(key.group().degree().div_ceil(8)).unwrap();
        let mut value = signature.r().to_vec_padded(width).unwrap();
        value.extend(signature.s().to_vec_padded(width).unwrap());
        value
    }
}
