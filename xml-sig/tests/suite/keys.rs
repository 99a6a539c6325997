//! Public keys: every SignatureMethod of the profile with signatures that OpenSSL makes here, and what is near to one.

use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::EcGroup;
use openssl::ecdsa::EcdsaSig;
use openssl::hash::{MessageDigest, hash};
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::{Padding, Rsa};
use openssl::sha::sha256;
use openssl::sign::{RsaPssSaltlen, Signer};
use xml_sig::{Certificate, KeyError, PublicKey, Signers, Trust};

use crate::support::*;

const MORE_2001: &str = "http://www.w3.org/2001/04/xmldsig-more#";
const MORE_2007: &str = "http://www.w3.org/2007/05/xmldsig-more#";
const RSA_SHA1: &str = "http://www.w3.org/2000/09/xmldsig#rsa-sha1";

fn digests() -> [(&'static str, MessageDigest); 4] {
    [
        ("sha1", MessageDigest::sha1()),
        ("sha256", MessageDigest::sha256()),
        ("sha384", MessageDigest::sha384()),
        ("sha512", MessageDigest::sha512()),
    ]
}

fn legacy(identity: &Identity) -> Trust {
    Trust { legacy_sha1: true, ..pinned(&[identity]) }
}

/// A document that names this method, with a value made from SignedInfo.
fn document(identity: &Identity, uri: &str, value: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    Draft { method: element("SignatureMethod", uri), ..Draft::new(identity) }.document_with(value)
}

/// A PSS value with this digest, mask digest and length of salt.
fn pss(key: &PKey<Private>, digest: MessageDigest, mask: MessageDigest, salt: i32, octets: &[u8]) -> Vec<u8> {
    let mut signer = Signer::new(digest, key).unwrap();
    signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
    signer.set_rsa_mgf1_md(mask).unwrap();
    signer.set_rsa_pss_saltlen(RsaPssSaltlen::custom(salt)).unwrap();
    signer.sign_oneshot_to_vec(octets).unwrap()
}

fn pkcs1(key: &PKey<Private>, digest: MessageDigest, octets: &[u8]) -> Vec<u8> {
    Signer::new(digest, key).unwrap().sign_oneshot_to_vec(octets).unwrap()
}

fn ecdsa(key: &PKey<Private>, digest: MessageDigest, width: i32, octets: &[u8]) -> Vec<u8> {
    let signature = EcdsaSig::sign(&hash(digest, octets).unwrap(), &key.ec_key().unwrap()).unwrap();
    [signature.r().to_vec_padded(width).unwrap(), signature.s().to_vec_padded(width).unwrap()].concat()
}

#[test]
fn rsa_is_verified_with_both_paddings_and_every_digest() {
    let key = &rsa().key;
    for (name, digest) in digests() {
        let uri = if name == "sha1" { RSA_SHA1.to_owned() } else { format!("{MORE_2001}rsa-{name}") };
        let signed = document(rsa(), &uri, |octets| pkcs1(key, digest, octets));
        let salt = i32::try_from(digest.size()).unwrap();
        let with_pss = document(rsa(), &format!("{MORE_2007}{name}-rsa-MGF1"), |octets| {
            pss(key, digest, digest, salt, octets)
        });
        for document in [&signed, &with_pss] {
            assert_eq!(judge(document, &legacy(rsa())), "valid", "{document}");
            let strict = if name == "sha1" { "unusable sha1" } else { "valid" };
            assert_eq!(judge(document, &pinned(&[rsa()])), strict, "{document}");
        }
    }
    let sha256 = MessageDigest::sha256();
    let plain =
        document(rsa(), &format!("{MORE_2007}rsa-pss"), |octets| pss(key, sha256, sha256, 32, octets));
    assert_eq!(judge(&plain, &pinned(&[rsa()])), "valid");
}

#[test]
fn ecdsa_is_verified_on_every_curve_with_every_digest() {
    for (curve, width) in [(Nid::X9_62_PRIME256V1, 32), (Nid::SECP384R1, 48), (Nid::SECP521R1, 66)] {
        let identity = issue(&ec_key(curve), None, Wanted::default());
        for (name, digest) in digests() {
            let uri = format!("{MORE_2001}ecdsa-{name}");
            let signed = document(&identity, &uri, |octets| ecdsa(&identity.key, digest, width, octets));
            assert_eq!(judge(&signed, &legacy(&identity)), "valid", "{width} {name}");
            let strict = if name == "sha1" { "unusable sha1" } else { "valid" };
            assert_eq!(judge(&signed, &pinned(&[&identity])), strict, "{width} {name}");
            // The digest that the method names counts, and no other.
            for (other, _) in digests().into_iter().filter(|(other, _)| *other != name) {
                let uri = format!("{MORE_2001}ecdsa-{other}");
                let mixed = document(&identity, &uri, |octets| ecdsa(&identity.key, digest, width, octets));
                assert_eq!(judge(&mixed, &legacy(&identity)), "invalid signature-value", "{name} {other}");
            }
        }
    }
}

#[test]
fn an_rsa_value_that_is_not_exactly_what_the_method_says_is_refused() {
    let key = &rsa().key;
    let (sha1, sha256, sha512) = (MessageDigest::sha1(), MessageDigest::sha256(), MessageDigest::sha512());
    let v15 = format!("{MORE_2001}rsa-sha256");
    let mgf1 = format!("{MORE_2007}sha256-rsa-MGF1");
    let longest_salt = 256 - 32 - 2;
    type Value<'a> = Box<dyn FnOnce(&[u8]) -> Vec<u8> + 'a>;
    let cases: Vec<(&str, &str, Value<'_>)> = vec![
        ("another digest", &v15, Box::new(|o| pkcs1(key, sha512, o))),
        ("PSS for PKCS #1", &v15, Box::new(|o| pss(key, sha256, sha256, 32, o))),
        ("PKCS #1 for PSS", &mgf1, Box::new(|o| pkcs1(key, sha256, o))),
        ("another digest in PSS", &mgf1, Box::new(|o| pss(key, sha512, sha512, 64, o))),
        ("another mask", &mgf1, Box::new(|o| pss(key, sha256, sha1, 32, o))),
        ("no salt", &mgf1, Box::new(|o| pss(key, sha256, sha256, 0, o))),
        ("short salt", &mgf1, Box::new(|o| pss(key, sha256, sha256, 31, o))),
        ("long salt", &mgf1, Box::new(|o| pss(key, sha256, sha256, 33, o))),
        ("longest salt", &mgf1, Box::new(|o| pss(key, sha256, sha256, longest_salt, o))),
        ("a zero before it", &v15, Box::new(|o| [vec![0], pkcs1(key, sha256, o)].concat())),
        ("a zero behind it", &v15, Box::new(|o| [pkcs1(key, sha256, o), vec![0]].concat())),
        ("a byte short", &v15, Box::new(|o| pkcs1(key, sha256, o)[..255].to_vec())),
        ("nothing", &v15, Box::new(|_| Vec::new())),
        ("zeros", &v15, Box::new(|_| vec![0; 256])),
        ("more than the modulus", &v15, Box::new(|_| vec![0xFF; 256])),
        (
            "one bit",
            &v15,
            Box::new(|o| {
                let mut v = pkcs1(key, sha256, o);
                v[100] ^= 1;
                v
            }),
        ),
        ("other octets", &v15, Box::new(|_| pkcs1(key, sha256, b"<ds:SignedInfo/>"))),
    ];
    for (name, uri, value) in cases {
        let verdict = judge(&document(rsa(), uri, value), &pinned(&[rsa()]));
        assert_eq!(verdict, "invalid signature-value", "{name}");
    }
}

/// A value that begins with a zero is a number with fewer bytes: that number alone is another form of the same value,
/// which OpenSSL takes with PSS.
#[test]
fn an_rsa_value_without_its_leading_zero_is_refused() {
    let sha256 = MessageDigest::sha256();
    for uri in [format!("{MORE_2001}rsa-sha256"), format!("{MORE_2007}sha256-rsa-MGF1")] {
        // PSS is made anew each time; for PKCS #1 v1.5 the document changes. One in 256 begins with a zero.
        let found = (0..20_000).find_map(|turn: u32| {
            let attributes = format!(" Id=\"i{turn}\"");
            let mut first = 1;
            let draft = Draft {
                method: element("SignatureMethod", &uri),
                signed_info_attributes: &attributes,
                ..Draft::new(rsa())
            };
            let made = |octets: &[u8]| match uri.ends_with("MGF1") {
                true => pss(&rsa().key, sha256, sha256, 32, octets),
                false => pkcs1(&rsa().key, sha256, octets),
            };
            let mut whole = Vec::new();
            draft.document_with(|octets| {
                whole = made(octets);
                first = whole[0];
                whole.clone()
            });
            (first == 0).then(|| {
                (draft.document_with(|_| whole.clone()), draft.document_with(|_| whole[1..].to_vec()))
            })
        });
        let (whole, cut) = found.expect("one of 20,000 begins with a zero");
        assert_eq!(judge(&whole, &pinned(&[rsa()])), "valid");
        assert_eq!(judge(&cut, &pinned(&[rsa()])), "invalid signature-value");
    }
}

#[test]
fn an_ecdsa_value_that_is_not_exactly_what_the_curve_says_is_refused() {
    let sha256 = MessageDigest::sha256();
    let order = {
        let (mut order, mut context) = (BigNum::new().unwrap(), BigNumContext::new().unwrap());
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        group.order(&mut order, &mut context).unwrap();
        order.to_vec_padded(32).unwrap()
    };
    let good = |octets: &[u8]| ecdsa(&ec().key, sha256, 32, octets);
    let der = |octets: &[u8]| {
        let digest = hash(sha256, octets).unwrap();
        EcdsaSig::sign(&digest, &ec().key.ec_key().unwrap()).unwrap().to_der().unwrap()
    };
    type Value<'a> = Box<dyn FnOnce(&[u8]) -> Vec<u8> + 'a>;
    let cases: Vec<(&str, Value<'_>)> = vec![
        ("DER", Box::new(der)),
        ("a byte short", Box::new(|o| good(o)[..63].to_vec())),
        ("a byte long", Box::new(|o| [good(o), vec![0]].concat())),
        ("padded to 48", Box::new(|o| ecdsa(&ec().key, sha256, 48, o))),
        ("r alone", Box::new(|o| good(o)[..32].to_vec())),
        (
            "s before r",
            Box::new(|o| {
                let v = good(o);
                [&v[32..], &v[..32]].concat()
            }),
        ),
        ("zeros", Box::new(|_| vec![0; 64])),
        ("r zero", Box::new(|o| [&[0; 32], &good(o)[32..]].concat())),
        ("s zero", Box::new(|o| [&good(o)[..32], &[0; 32]].concat())),
        ("r the order", Box::new(|o| [&order[..], &good(o)[32..]].concat())),
        ("s the order", Box::new(|o| [&good(o)[..32], &order[..]].concat())),
        ("ones", Box::new(|_| vec![0xFF; 64])),
        (
            "one bit",
            Box::new(|o| {
                let mut v = good(o);
                v[40] ^= 1;
                v
            }),
        ),
        ("nothing", Box::new(|_| Vec::new())),
    ];
    for (name, value) in cases {
        let verdict = judge(&document(ec(), ECDSA_SHA256, value), &pinned(&[ec()]));
        assert_eq!(verdict, "invalid signature-value", "{name}");
    }
    let p384 = issue(&ec_key(Nid::SECP384R1), None, Wanted::default());
    let narrow = document(&p384, ECDSA_SHA256, |o| ecdsa(&ec().key, sha256, 32, o));
    assert_eq!(judge(&narrow, &pinned(&[&p384])), "invalid signature-value");
}

#[test]
fn a_key_that_does_not_go_with_the_method_is_named() {
    let v15 = format!("{MORE_2001}rsa-sha256");
    let mgf1 = format!("{MORE_2007}sha256-rsa-MGF1");
    let sha256 = MessageDigest::sha256();
    let other = |key: PKey<Private>| issue(&key, Some(rsa()), Wanted::default());
    let ed25519 = other(PKey::generate_ed25519().unwrap());
    for (identity, uri) in [(ec(), &*v15), (ec(), &mgf1), (rsa(), ECDSA_SHA256), (&ed25519, &v15)] {
        let signed = document(identity, uri, |_| vec![1; 64]);
        assert_eq!(judge(&signed, &pinned(&[identity])), "invalid key-mismatch", "{uri}");
    }

    let mut context = PkeyCtx::new_id(Id::RSA_PSS).unwrap();
    context.keygen_init().unwrap();
    context.set_rsa_keygen_bits(2048).unwrap();
    let pss_only = other(context.keygen().unwrap());
    let signed = document(&pss_only, &mgf1, |o| pss(&pss_only.key, sha256, sha256, 32, o));
    assert_eq!(judge(&signed, &pinned(&[&pss_only])), "valid");
    let signed = document(&pss_only, &v15, |_| vec![1; 256]);
    assert_eq!(judge(&signed, &pinned(&[&pss_only])), "invalid key-mismatch");

    let small = issue(&rsa_key(1024), None, Wanted::default());
    let signed = document(&small, &mgf1, |o| pss(&small.key, sha256, sha256, 32, o));
    assert_eq!(judge(&signed, &pinned(&[&small])), "invalid weak-key");
}

fn public_pem(key: &PKey<Private>) -> Vec<u8> {
    key.public_key_to_pem().unwrap()
}

#[test]
fn a_bare_public_key_verifies_what_its_certificate_would() {
    for identity in [rsa(), ec()] {
        let key = PublicKey::from_pem(&public_pem(&identity.key), 2048).unwrap();
        assert_eq!(key.sha256(), sha256(&identity.key.public_key_to_der().unwrap()));
        assert_eq!(key, identity.certificate().public_key().unwrap());
        assert_eq!(key, PublicKey::from_certificate(&identity.certificate(), 2048).unwrap());
        let signers = Signers { keys: vec![key], ..Signers::default() };
        let trust = Trust { signers: signers.into(), ..pinned(&[]) };
        assert_eq!(judge(&Draft::new(identity).document(), &trust), "valid");
        let forged = Draft::new(identity).document().replace("1000", "9000");
        assert_eq!(judge(&forged, &trust), "invalid digest");
        let foreign = if identity.key.id() == Id::EC { ec_key(Nid::X9_62_PRIME256V1) } else { rsa_key(2048) };
        let foreign = issue(&foreign, None, Wanted::default());
        assert_eq!(judge(&Draft::new(&foreign).document(), &trust), "invalid signature-value");
    }
    assert_ne!(rsa().certificate().public_key(), ec().certificate().public_key());
}

#[test]
fn a_bare_rsa_key_needs_as_many_bits_as_the_caller_asks_for() {
    let small = issue(&rsa_key(1024), None, Wanted::default());
    let pem = public_pem(&small.key);
    assert_eq!(PublicKey::from_pem(&pem, 2048), Err(KeyError::Size(1024)));
    assert_eq!(PublicKey::from_pem(&pem, 1025), Err(KeyError::Size(1024)));
    assert_eq!(PublicKey::from_certificate(&small.certificate(), 2048), Err(KeyError::Size(1024)));
    let key = PublicKey::from_pem(&pem, 1024).unwrap();
    assert_eq!(key.to_string(), "RSA 1024");
    let signers = Signers { keys: vec![key], ..Signers::default() };
    let trust = Trust { signers: signers.into(), ..pinned(&[]) };
    assert_eq!(judge(&Draft::new(&small).document(), &trust), "valid");
    // The same key in a pinned certificate is held to the profile.
    assert_eq!(judge(&Draft::new(&small).document(), &pinned(&[&small])), "invalid weak-key");

    // 8193 bits; nobody needs its factors.
    let mut modulus = BigNum::new().unwrap();
    modulus.set_bit(8192).unwrap();
    modulus.set_bit(0).unwrap();
    let large = Rsa::from_public_components(modulus, BigNum::from_u32(65_537).unwrap()).unwrap();
    let pem = PKey::from_rsa(large).unwrap().public_key_to_pem().unwrap();
    assert_eq!(PublicKey::from_pem(&pem, 1024), Err(KeyError::Size(8193)));
}

#[test]
fn an_rsa_exponent_that_protects_nothing_or_takes_long_is_refused() {
    let modulus = || rsa().key.rsa().unwrap().n().to_owned().unwrap();
    for (exponent, taken) in [
        (1, false),
        (2, false),
        (65_536, false),
        (3, true),
        (65_537, true),
        (u64::from(u32::MAX), true),
        (1 << 32 | 1, false),
    ] {
        let key =
            Rsa::from_public_components(modulus(), BigNum::from_slice(&u64::to_be_bytes(exponent)).unwrap())
                .unwrap();
        let pem = PKey::from_rsa(key).unwrap().public_key_to_pem().unwrap();
        let key = PublicKey::from_pem(&pem, 2048);
        assert_eq!(key.is_ok(), taken, "{exponent}: {key:?}");
        if !taken {
            assert_eq!(key, Err(KeyError::Exponent), "{exponent}");
        }
    }
}

#[test]
fn public_key_files_are_read_strictly() {
    let key = |pem: &[u8]| PublicKey::from_pem(pem, 2048);
    for (curve, name) in
        [(Nid::X9_62_PRIME256V1, "P-256"), (Nid::SECP384R1, "P-384"), (Nid::SECP521R1, "P-521")]
    {
        assert_eq!(key(&public_pem(&ec_key(curve))).unwrap().to_string(), name);
    }
    assert_eq!(key(&public_pem(&ec_key(Nid::SECP256K1))), Err(KeyError::Kind));
    assert_eq!(key(&public_pem(&PKey::generate_ed25519().unwrap())), Err(KeyError::Kind));
    assert_eq!(key(b""), Err(KeyError::Missing("public key")));
    assert_eq!(key(&rsa().key_pem()), Err(KeyError::Missing("public key")), "a private key");
    assert_eq!(key(&rsa().certificate_pem()), Err(KeyError::Missing("public key")), "a certificate");
    let pem = public_pem(&rsa().key);
    let cut = &pem[..pem.len() / 2];
    assert_eq!(key(cut), Err(KeyError::Unreadable("public key")));
    assert_eq!(key(&[&pem[..], &pem].concat()), Err(KeyError::Unreadable("public key")), "two");
    let text = [b"Key of the office\n", &pem[..]].concat();
    assert_eq!(key(&text).unwrap().to_string(), "RSA 2048");
    let shown = format!("{:?}", key(&pem).unwrap());
    assert!(shown.starts_with("PublicKey(RSA 2048, ") && shown.len() == 20 + 64 + 1, "{shown}");
}

#[test]
fn a_clone_of_a_certificate_is_the_same_certificate() {
    let certificate = rsa().certificate();
    let again = Certificate::from_der(certificate.der()).unwrap();
    assert_eq!(certificate.clone(), certificate);
    assert_eq!(again, certificate);
    assert_ne!(certificate, ec().certificate());
    assert_eq!(again.public_key(), certificate.public_key());
}
