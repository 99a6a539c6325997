//! Certificates, answers and lists that somebody made to be taken for others, and KeyInfos made to be slow.

use std::sync::Arc;

use openssl::bn::BigNum;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private, Public};
use openssl::rsa::Rsa;
use openssl::x509::X509;
use openssl::x509::extension::KeyUsage;
use xml_sig::{Authorities, Crl, Limits, Reach, ReadOptions, Signers, Subject, Trust, Verdict, locate};

use crate::answers::*;
use crate::revocation::{OCSP_SIGNING, Source, ask, authority, ec_identity, is_unknown, read, responder};
use crate::support::*;

fn document(identity: &Identity, named: &[&Identity]) -> String {
    let key_info: String = named.iter().map(|named| named.key_info()).collect();
    let key_info = key_info.replace("</ds:KeyInfo><ds:KeyInfo>", "");
    Draft { key_info, ..Draft::new(identity) }.document()
}

fn below(anchors: &[&Identity]) -> Trust {
    under(pinned(&[]), anchors, Vec::new())
}

fn sources(anchors: &[&Identity], crls: Vec<Crl>, sources: Vec<Source>) -> Trust {
    let anchors = anchors.iter().map(|anchor| anchor.certificate()).collect();
    let authorities = Authorities { anchors, crls, sources, ..Authorities::default() };
    Trust { authorities: Arc::new(authorities), ..pinned(&[]) }
}

#[test]
fn an_authority_says_so_in_basic_constraints() {
    let root = authority(None, "root", 1);
    let usage = |set: fn(&mut KeyUsage) -> &mut KeyUsage| {
        let mut usage = KeyUsage::new();
        set(&mut usage);
        Some(usage)
    };
    let through = |wanted: Wanted<'_>| {
        let middle = ec_identity(Some(&root), Wanted { name: "middle", ..wanted });
        let signer = ec_identity(Some(&middle), Wanted::default());
        judge(&document(&signer, &[&signer, &middle]), &below(&[&root]))
    };
    assert_eq!(through(Wanted { authority: true, ..Wanted::default() }), "valid");
    let signs = usage(|usage| usage.digital_signature().key_cert_sign());
    assert_eq!(through(Wanted { usage: signs, ..Wanted::default() }), "invalid untrusted", "keyUsage alone");
    let netscape: &[(&str, bool, &[u8])] = &[("2.16.840.1.113730.1.1", false, b"\x03\x02\x00\x07")];
    assert_eq!(
        through(Wanted { extensions: netscape, ..Wanted::default() }),
        "invalid untrusted",
        "Netscape"
    );
    let not: &[(&str, bool, &[u8])] = &[("2.5.29.19", true, b"\x30\x00")];
    assert_eq!(through(Wanted { extensions: not, ..Wanted::default() }), "invalid untrusted", "cA false");
}

#[test]
fn nobody_vouches_for_himself() {
    let root = authority(None, "root", 1);
    for extensions in [&[][..], &[("1.3.6.1.5.5.7.48.1.5", false, &b"\x05\x00"[..])]] {
        let wanted =
            Wanted { purposes: &["1.3.6.1.5.5.7.3.4", OCSP_SIGNING], extensions, ..Wanted::default() };
        let signer = ec_identity(Some(&root), wanted);
        let said = [About::new(7, &root)];
        let own = read(&Response { certificates: &[&signer], ..Response::new(&signer, &said) });
        assert!(is_unknown(&ask(&own, &signer, &root)), "{extensions:?}");
        // Nor by another certificate of the same key.
        let wanted = Wanted { purposes: &[OCSP_SIGNING], extensions, serial: 9, ..Wanted::default() };
        let twin = issue(&signer.key, Some(&root), wanted);
        let own = read(&Response { certificates: &[&twin], ..Response::new(&twin, &said) });
        assert!(is_unknown(&ask(&own, &signer, &root)), "{extensions:?}");
    }
}

#[test]
fn whoever_says_that_a_responder_is_revoked_is_believed() {
    let root = authority(None, "root", 1);
    let signer = ec_identity(Some(&root), Wanted::default());
    let (one, two) = (
        responder(&root, Wanted::default()),
        ec_identity(
            Some(&root),
            Wanted { name: "two", serial: 10, purposes: &[OCSP_SIGNING], ..Wanted::default() },
        ),
    );
    let by_one = [About::new(7, &root)];
    let by_one = read(&Response { certificates: &[&one], ..Response::new(&one, &by_one) });
    let revoked = [About { said: Said::Revoked("20261110000000Z"), ..About::new(9, &root) }];
    let by_two = read(&Response { certificates: &[&two], ..Response::new(&two, &revoked) });
    let signed = document(&signer, &[&signer]);
    let judged = |all: Vec<Source>| judge(&signed, &sources(&[&root], Vec::new(), all));
    assert_eq!(judged(vec![by_one.clone()]), "valid");
    assert_eq!(judged(vec![by_one.clone(), by_two.clone()]), "unusable revocation-unknown");
    assert_eq!(judged(vec![by_two, by_one]), "unusable revocation-unknown");
}

#[test]
fn an_authority_that_its_issuers_new_key_revokes_is_revoked() {
    let (old, new) = (authority(None, "root", 1), authority(None, "root", 2));
    let middle = authority(Some(&old), "middle", 5);
    let signer = ec_identity(Some(&middle), Wanted::default());
    let signed = document(&signer, &[&signer, &middle]);
    let lists = |revoked| {
        vec![List::new(&old).made(), List { revoked, ..List::new(&new) }.made(), List::new(&middle).made()]
    };
    let judged =
        |anchors: &[&Identity], revoked| judge(&signed, &sources(anchors, lists(revoked), Vec::new()));
    assert_eq!(judged(&[&old, &new], &[]), "valid");
    assert_eq!(judged(&[&old, &new], &[(5, &[])]), "invalid revoked");
    assert_eq!(judged(&[&new, &old], &[(5, &[])]), "invalid revoked");
    assert_eq!(judged(&[&old], &[(5, &[])]), "valid", "who has only the name of the root");
}

#[test]
fn of_two_anchors_of_one_name_the_right_one_is_found() {
    let (old, new) = (authority(None, "root", 1), authority(None, "root", 1));
    let signer = ec_identity(Some(&old), Wanted::default());
    let signed = document(&signer, &[&signer]);
    assert_eq!(judge(&signed, &below(&[&old, &new])), "valid");
    assert_eq!(judge(&signed, &below(&[&new, &old])), "valid");
}

/// An RSA key that nobody can sign with, and that takes OpenSSL as long as any.
fn widest(turn: u8) -> PKey<Public> {
    let mut modulus = vec![0xFF; 1024];
    modulus[8] = turn;
    let exponent = BigNum::from_hex_str("FFFFFFFFFFFFFFC5").unwrap();
    let key = Rsa::from_public_components(BigNum::from_slice(&modulus).unwrap(), exponent).unwrap();
    PKey::from_rsa(key).unwrap()
}

/// The verdict on a document with these certificates in its KeyInfo.
fn judged_in(key: &PKey<Private>, named: &[X509], trust: &Trust) -> Verdict {
    let named = named.iter().map(|x509| Identity { key: key.clone(), x509: x509.clone() });
    let named: Vec<Identity> = named.collect();
    let key_info: String = named.iter().map(Identity::key_info).collect();
    let key_info = key_info.replace("</ds:KeyInfo><ds:KeyInfo>", "");
    let draft = Draft { key_info, ..Draft::new(&named[0]) };
    let signed = match named[0].x509.public_key().unwrap().size() {
        1024 => {
            let method = element("SignatureMethod", RSA_SHA256);
            Draft { method, ..draft }.document_with(|_| vec![1; 1024])
        }
        _ => draft.document(),
    };
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let located =
        locate(&mut signed.as_bytes(), &options, &PLACES, Reach::End, &mut Record::default()).unwrap();
    located.verify(&mut signed.as_bytes(), trust, &mut Record::default()).unwrap()
}

/// What a stranger can put into a KeyInfo: sixteen certificates whose keys take long; sixteen of the key that made the
/// SignatureValue, authorities that signed each other in a loop; and one that fills the Signature.
#[test]
fn a_key_info_made_to_be_slow_is_refused_in_few_words() {
    let root = authority(None, "root", 1);
    let anchors: Vec<Identity> = (0..8).map(|_| authority(None, "root", 1)).collect();
    let anchors: Vec<&Identity> = anchors.iter().chain([&root]).collect();
    let named = |text: &str| {
        let subjects = vec![Subject::parse(text).unwrap()];
        Trust { signers: Arc::new(Signers { subjects, ..Signers::default() }), ..below(&anchors) }
    };
    let stranger = ec_identity(None, Wanted { name: "root", authority: true, ..Wanted::default() });
    let (own, p521) = (&stranger.key, ec_key(Nid::SECP521R1));
    let wide: Vec<X509> = (0..16)
        .map(|turn| certify(&widest(turn), Some(&stranger), &stranger.key, Wanted::default()))
        .collect();
    let of_loop = |key: &PKey<Private>| -> Vec<X509> {
        let loops = |turn| {
            let (name, authority) = ("root", turn % 2 == 0);
            issue(key, Some(&stranger), Wanted { name, serial: turn, authority, ..Wanted::default() }).x509
        };
        (0..16).map(loops).collect()
    };
    let long = "x".repeat(60);
    let entries = [(Nid::ORGANIZATIONALUNITNAME, &*long); 1200];
    let fills = |wanted| vec![issue(own, Some(&stranger), wanted).x509];
    let purposes = vec![OCSP_SIGNING; 10_000];
    let names: Vec<u8> = (0..30_000_u32).flat_map(|_| *b"\x82\x03abc").collect();
    let names = der_of(0x30, &names);
    for (name, key, certificates) in [
        ("wide", own, wide),
        ("a loop", own, of_loop(own)),
        ("a loop on P-521", &p521, of_loop(&p521)),
        ("a long subject", own, fills(Wanted { more: &entries, ..Wanted::default() })),
        ("many purposes", own, fills(Wanted { purposes: &purposes, ..Wanted::default() })),
        (
            "many names",
            own,
            fills(Wanted { extensions: &[("2.5.29.17", false, &names)], ..Wanted::default() }),
        ),
    ] {
        for trust in [
            below(&anchors),
            Trust { legacy_sha1: true, ..below(&anchors) },
            named("CN=root,C=VN"),
            named("CN=signer,C=VN"),
        ] {
            let verdict = judged_in(key, &certificates, &trust);
            let (Verdict::Invalid { detail, .. } | Verdict::Unusable { detail, .. }) = verdict else {
                panic!("{name}: {verdict:?}");
            };
            assert!(detail.len() <= 1024, "{name}: {}", detail.len());
        }
    }
}
