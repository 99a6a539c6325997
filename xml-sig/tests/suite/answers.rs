//! Revocation lists and responders' answers, written in DER by hand, so that every part of them can be wrong.

use openssl::hash::{MessageDigest, hash};
use openssl::pkey::Id;
use openssl::sign::Signer;
use xml_sig::Crl;

use crate::support::*;

const ECDSA_SHA1: &[u8] = b"\x2A\x86\x48\xCE\x3D\x04\x01";
const ECDSA_SHA256: &[u8] = b"\x2A\x86\x48\xCE\x3D\x04\x03\x02";
const RSA_SHA256: &[u8] = b"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0B";
const RSA_MD5: &[u8] = b"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x04";
const BASIC: &[u8] = b"\x2B\x06\x01\x05\x05\x07\x30\x01\x01";
/// Digests that identify a certificate.
pub(crate) const SHA1_ID: &[u8] = b"\x2B\x0E\x03\x02\x1A";
pub(crate) const SHA256_ID: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02\x01";

pub(crate) const THIS_UPDATE: &str = "20261101000000Z";
pub(crate) const NEXT_UPDATE: &str = "20261201000000Z";

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    der_of(0x30, &parts.concat())
}

fn time(text: &str) -> Vec<u8> {
    der_of(0x18, text.as_bytes())
}

fn algorithm(id: &[u8]) -> Vec<u8> {
    sequence(&[&der_of(0x06, id)])
}

/// AlgorithmIdentifier and BIT STRING of a signature.
fn signature(by: &Identity, digest: MessageDigest, octets: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let id = match (by.key.id(), digest.type_()) {
        (Id::EC, openssl::nid::Nid::SHA1) => ECDSA_SHA1,
        (Id::EC, _) => ECDSA_SHA256,
        (_, openssl::nid::Nid::MD5) => RSA_MD5,
        _ => RSA_SHA256,
    };
    let value = Signer::new(digest, &by.key).unwrap().sign_oneshot_to_vec(octets).unwrap();
    (algorithm(id), der_of(0x03, &[&[0], &value[..]].concat()))
}

/// Extension: the content of its OID, whether critical, its value.
pub(crate) type Extra<'a> = (&'a [u8], bool, &'a [u8]);

fn extras(extras: &[Extra<'_>]) -> Vec<u8> {
    let one = |(id, critical, value): &Extra<'_>| {
        let critical = if *critical { &b"\x01\x01\xFF"[..] } else { b"" };
        sequence(&[&der_of(0x06, id), critical, &der_of(0x04, value)])
    };
    sequence(&[&extras.iter().map(one).collect::<Vec<_>>().concat()])
}

/// A revocation list.
#[derive(Clone, Copy)]
pub(crate) struct List<'a> {
    pub(crate) by: &'a Identity,
    /// Serial numbers, with an extension of the entry or none.
    pub(crate) revoked: &'a [(u8, &'a [Extra<'a>])],
    pub(crate) this_update: &'a str,
    pub(crate) next_update: Option<&'a str>,
    pub(crate) extras: &'a [Extra<'a>],
    pub(crate) digest: MessageDigest,
}

impl<'a> List<'a> {
    pub(crate) fn new(by: &'a Identity) -> Self {
        Self {
            by,
            revoked: &[],
            this_update: THIS_UPDATE,
            next_update: Some(NEXT_UPDATE),
            extras: &[],
            digest: MessageDigest::sha256(),
        }
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        let (algorithm, _) = signature(self.by, self.digest, b"");
        let entry = |(serial, of_entry): &(u8, &[Extra<'_>])| {
            let of_entry = if of_entry.is_empty() { Vec::new() } else { extras(of_entry) };
            sequence(&[&der_of(0x02, &[*serial]), &time(self.this_update), &of_entry])
        };
        let entries: Vec<u8> = self.revoked.iter().flat_map(entry).collect();
        let entries = if entries.is_empty() { entries } else { sequence(&[&entries]) };
        let more = if self.extras.is_empty() { Vec::new() } else { der_of(0xA0, &extras(self.extras)) };
        let to_sign = sequence(&[
            &der_of(0x02, &[1]),
            &algorithm,
            &self.by.x509.subject_name().to_der().unwrap(),
            &time(self.this_update),
            &self.next_update.map(time).unwrap_or_default(),
            &entries,
            &more,
        ]);
        let (algorithm, value) = signature(self.by, self.digest, &to_sign);
        sequence(&[&to_sign, &algorithm, &value])
    }

    pub(crate) fn made(&self) -> Crl {
        Crl::from_der(&self.der()).unwrap()
    }
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Said<'a> {
    Good,
    Revoked(&'a str),
    Unknown,
}

/// What an answer says of one certificate.
#[derive(Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) serial: u8,
    pub(crate) issuer: &'a Identity,
    pub(crate) identified_by: &'a [u8],
    pub(crate) said: Said<'a>,
    pub(crate) this_update: &'a str,
    pub(crate) next_update: Option<&'a str>,
    pub(crate) extras: &'a [Extra<'a>],
}

impl<'a> About<'a> {
    pub(crate) fn new(serial: u8, issuer: &'a Identity) -> Self {
        Self {
            serial,
            issuer,
            identified_by: SHA1_ID,
            said: Said::Good,
            this_update: THIS_UPDATE,
            next_update: Some(NEXT_UPDATE),
            extras: &[],
        }
    }

    fn der(&self) -> Vec<u8> {
        let digest = match self.identified_by {
            SHA1_ID => MessageDigest::sha1(),
            SHA256_ID => MessageDigest::sha256(),
            _ => MessageDigest::md5(),
        };
        let hashed = |octets: &[u8]| der_of(0x04, &hash(digest, octets).unwrap());
        let id = sequence(&[
            &algorithm(self.identified_by),
            &hashed(&self.issuer.x509.subject_name().to_der().unwrap()),
            &hashed(&key_bits(self.issuer)),
            &der_of(0x02, &[self.serial]),
        ]);
        let status = match self.said {
            Said::Good => der_of(0x80, b""),
            Said::Revoked(since) => der_of(0xA1, &[time(since), der_of(0xA0, b"\x0A\x01\x01")].concat()),
            Said::Unknown => der_of(0x82, b""),
        };
        let next = self.next_update.map(|next| der_of(0xA0, &time(next))).unwrap_or_default();
        let more = if self.extras.is_empty() { Vec::new() } else { der_of(0xA1, &extras(self.extras)) };
        sequence(&[&id, &status, &time(self.this_update), &next, &more])
    }
}

/// The key without the octet of unused bits.
fn key_bits(of: &Identity) -> Vec<u8> {
    let key_info = of.key.public_key_to_der().unwrap();
    let (fields, _) = der_content(&key_info);
    let (_, bits) = der_content(fields);
    der_content(bits).0[1..].to_vec()
}

/// A responder's response.
#[derive(Clone, Copy)]
pub(crate) struct Response<'a> {
    pub(crate) by: &'a Identity,
    /// Who is said to have signed, when it is somebody else.
    pub(crate) named: Option<&'a Identity>,
    pub(crate) by_key: bool,
    pub(crate) about: &'a [About<'a>],
    pub(crate) certificates: &'a [&'a Identity],
    pub(crate) extras: &'a [Extra<'a>],
    pub(crate) digest: MessageDigest,
}

impl<'a> Response<'a> {
    pub(crate) fn new(by: &'a Identity, about: &'a [About<'a>]) -> Self {
        Self {
            by,
            named: None,
            by_key: false,
            about,
            certificates: &[],
            extras: &[],
            digest: MessageDigest::sha256(),
        }
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        let named = self.named.unwrap_or(self.by);
        let responder = match self.by_key {
            true => {
                let sha1 = hash(MessageDigest::sha1(), &key_bits(named)).unwrap();
                der_of(0xA2, &der_of(0x04, &sha1))
            }
            false => der_of(0xA1, &named.x509.subject_name().to_der().unwrap()),
        };
        let about: Vec<u8> = self.about.iter().flat_map(About::der).collect();
        let more = if self.extras.is_empty() { Vec::new() } else { der_of(0xA1, &extras(self.extras)) };
        let to_sign = sequence(&[&responder, &time(THIS_UPDATE), &sequence(&[&about]), &more]);
        let (algorithm, value) = signature(self.by, self.digest, &to_sign);
        let certificates: Vec<u8> = self.certificates.iter().flat_map(|i| i.x509.to_der().unwrap()).collect();
        let certificates =
            if certificates.is_empty() { certificates } else { der_of(0xA0, &sequence(&[&certificates])) };
        let basic = sequence(&[&to_sign, &algorithm, &value, &certificates]);
        let bytes = sequence(&[&der_of(0x06, BASIC), &der_of(0x04, &basic)]);
        sequence(&[b"\x0A\x01\x00", &der_of(0xA0, &bytes)])
    }
}
