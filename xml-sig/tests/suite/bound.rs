//! Certificates bound to a sender by subject or digest, below an authority that many senders share.

use std::sync::Arc;

use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::x509::extension::KeyUsage;
use xml_sig::{Certificate, Crl, Limits, ReadOptions, Signers, Subject, Trust, Verdict, Warning};

use crate::support::*;

const O: Nid = Nid::ORGANIZATIONNAME;
const OU: Nid = Nid::ORGANIZATIONALUNITNAME;
const SUBJECT: &str = "CN=Sở Y tế,O=UBND tỉnh,C=VN";

fn ec() -> openssl::pkey::PKey<openssl::pkey::Private> {
    ec_key(Nid::X9_62_PRIME256V1)
}

/// An authority that signs certificates and nothing else.
fn authority(name: &str, issuer: Option<&Identity>, wanted: Wanted<'_>) -> Identity {
    let mut usage = KeyUsage::new();
    usage.critical().key_cert_sign().crl_sign();
    issue(&ec(), issuer, Wanted { name, authority: true, usage: Some(usage), ..wanted })
}

/// A certificate of `Sở Y tế`, or of whom else.
fn signer(issuer: &Identity, name: &str, more: &[(Nid, &str)]) -> Identity {
    issue(&ec(), Some(issuer), Wanted { name, more, ..Wanted::default() })
}

fn to(subjects: &[&str], anchor: &Identity, crls: Vec<Crl>) -> Trust {
    let subjects = subjects.iter().map(|text| Subject::parse(text).expect(text)).collect();
    let signers = Arc::new(Signers { subjects, ..Signers::default() });
    under(Trust { signers, ..pinned(&[]) }, &[anchor], crls)
}

/// A document with these certificates in its KeyInfo.
fn document(identity: &Identity, named: &[&Identity]) -> String {
    let key_info: String = named.iter().map(|named| named.key_info()).collect();
    let key_info = key_info.replace("</ds:KeyInfo><ds:KeyInfo>", "");
    Draft { key_info, ..Draft::new(identity) }.document()
}

#[test]
fn another_holder_of_a_certificate_of_the_same_authority_cannot_sign() {
    let root = authority("root", None, Wanted::default());
    let trust = to(&[SUBJECT], &root, Vec::new());
    let good = signer(&root, "Sở Y tế", &[(O, "UBND tỉnh")]);
    assert_eq!(good.certificate().subject(), SUBJECT);
    assert_eq!(judge(&document(&good, &[&good]), &trust), "valid");
    // Renewed: another key and serial number, the same subject.
    let renewed = signer(&root, "Sở Y tế", &[(O, "UBND tỉnh")]);
    assert_eq!(judge(&document(&renewed, &[&renewed]), &trust), "valid");

    let others: [(&str, &[(Nid, &str)]); 12] = [
        ("Sở Nội vụ", &[(O, "UBND tỉnh")]),
        ("Sở Y tế", &[(O, "UBND huyện")]),
        ("Sở Y tế", &[]),
        ("Sở Y tế", &[(OU, "UBND tỉnh")]),
        ("Sở Y tế", &[(O, "UBND tỉnh"), (O, "UBND tỉnh")]),
        ("Sở Y tế", &[(O, "UBND tỉnh"), (OU, "Phòng 1")]),
        ("Sở Y tế,O=UBND tỉnh", &[]),
        ("SỞ Y TẾ", &[(O, "UBND tỉnh")]),
        ("Sở Y tế ", &[(O, "UBND tỉnh")]),
        ("Sở Y t\u{1EBF}\u{200B}", &[(O, "UBND tỉnh")]),
        // The letter with its marks apart, and a Cyrillic one.
        ("Sở Y te\u{302}\u{301}", &[(O, "UBND tỉnh")]),
        ("Sở \u{423} tế", &[(O, "UBND tỉnh")]),
    ];
    for (name, more) in others {
        let other = signer(&root, name, more);
        let subject = other.certificate().subject();
        assert_eq!(judge(&document(&other, &[&other]), &trust), "invalid foreign-signer", "{subject}");
        // The genuine certificate is public; to name it beside the own one, or instead of it, does not help.
        for named in [&[&other, &good][..], &[&good, &other], &[&good]] {
            assert_eq!(judge(&document(&other, named), &trust), "invalid signature-value", "{subject}");
        }
    }
}

#[test]
fn a_subject_counts_in_its_own_order_and_below_its_own_anchor_only() {
    let root = authority("root", None, Wanted::default());
    let good = signer(&root, "Sở Y tế", &[(O, "UBND tỉnh")]);
    let signed = document(&good, &[&good]);
    for other in ["C=VN,O=UBND tỉnh,CN=Sở Y tế", "O=UBND tỉnh,CN=Sở Y tế,C=VN", "CN=Sở Y tế+O=UBND tỉnh,C=VN"]
    {
        assert_eq!(judge(&signed, &to(&[other], &root, Vec::new())), "invalid foreign-signer", "{other}");
    }
    assert_eq!(judge(&signed, &to(&["CN=a,C=VN", SUBJECT], &root, Vec::new())), "valid");

    // An authority of the same name with another key, and a certificate by itself with the very subject.
    let twin = authority("root", None, Wanted::default());
    assert_eq!(judge(&signed, &to(&[SUBJECT], &twin, Vec::new())), "invalid untrusted");
    let by_itself =
        issue(&ec(), None, Wanted { name: "Sở Y tế", more: &[(O, "UBND tỉnh")], ..Wanted::default() });
    let trust = to(&[SUBJECT], &root, Vec::new());
    assert_eq!(judge(&document(&by_itself, &[&by_itself]), &trust), "invalid untrusted");
    assert_eq!(judge(&document(&good, &[]), &trust), "unusable no-certificate");

    // Without authorities a subject is worth nothing.
    let nobody = Trust { authorities: Arc::default(), ..trust };
    assert_eq!(judge(&signed, &nobody), "unusable no-trust");
    let certificates = vec![root.certificate()];
    let signers = Signers { certificates, ..(*nobody.signers).clone() };
    assert_eq!(judge(&signed, &Trust { signers: Arc::new(signers), ..nobody }), "invalid foreign-signer");
}

#[test]
fn an_authority_below_the_anchor_cannot_name_itself_as_the_signer() {
    let root = authority("root", None, Wanted::default());
    let more = &[(O, "UBND tỉnh")][..];
    let authority =
        issue(&ec(), Some(&root), Wanted { name: "Sở Y tế", more, authority: true, ..Wanted::default() });
    let signed = document(&authority, &[&authority]);
    assert_eq!(judge(&signed, &to(&[SUBJECT], &root, Vec::new())), "invalid key-usage");
    assert_eq!(judge(&signed, &under(pinned(&[]), &[&root], Vec::new())), "invalid key-usage");
    // Who pins it has said that it is the one.
    assert_eq!(judge(&signed, &under(pinned(&[&authority]), &[&root], Vec::new())), "valid");
}

#[test]
fn a_digest_binds_one_certificate_and_the_chain_must_hold_besides() {
    let root = authority("root", None, Wanted::default());
    let good = signer(&root, "a", &[]);
    let twin = signer(&root, "a", &[]);
    let of = |identity: &Identity| {
        let certificate_sha256 = vec![identity.certificate().sha256()];
        Trust { signers: Arc::new(Signers { certificate_sha256, ..Signers::default() }), ..pinned(&[]) }
    };
    let signed = document(&good, &[&good]);
    assert_eq!(judge(&signed, &of(&good)), "valid");
    assert_eq!(judge(&signed, &of(&twin)), "invalid foreign-signer");
    assert_eq!(judge(&document(&good, &[]), &of(&good)), "unusable no-certificate");
    assert_eq!(judge(&signed, &under(of(&good), &[&root], Vec::new())), "valid");
    let other = authority("root", None, Wanted::default());
    assert_eq!(judge(&signed, &under(of(&good), &[&other], Vec::new())), "invalid untrusted");
}

#[test]
fn key_info_helps_to_build_the_chain_within_the_rules_of_authorities() {
    let root = authority("root", None, Wanted::default());
    let more = &[(O, "UBND tỉnh")][..];
    let trust = |anchor: &Identity| to(&[SUBJECT], anchor, Vec::new());
    let chain = |middle: &[&Identity]| {
        let good = signer(middle.last().expect("an authority"), "Sở Y tế", more);
        let named: Vec<&Identity> = middle.iter().copied().chain([&good]).collect();
        judge(&document(&good, &named), &trust(&root))
    };
    let one = authority("one", Some(&root), Wanted::default());
    let two = authority("two", Some(&one), Wanted::default());
    assert_eq!(chain(&[&one, &two]), "valid");
    assert_eq!(chain(&[&two, &one]), "valid", "in any order: the signer is below the last");

    let last = authority("last", Some(&root), Wanted { path_len: Some(0), ..Wanted::default() });
    assert_eq!(chain(&[&last]), "valid");
    let beyond = authority("beyond", Some(&last), Wanted::default());
    assert_eq!(chain(&[&last, &beyond]), "invalid untrusted", "past the path length");

    let mut usage = KeyUsage::new();
    usage.critical().digital_signature();
    let no_signer = issue(
        &ec(),
        Some(&root),
        Wanted { name: "x", authority: true, usage: Some(usage), ..Wanted::default() },
    );
    assert_eq!(chain(&[&no_signer]), "invalid untrusted", "no keyCertSign");
    let colleague = signer(&root, "Sở Nội vụ", more);
    assert_eq!(chain(&[&colleague]), "invalid untrusted", "an ordinary certificate issues nothing");
    let weak =
        issue(&rsa_key(1024), Some(&root), Wanted { name: "weak", authority: true, ..Wanted::default() });
    assert_eq!(chain(&[&weak]), "invalid untrusted", "RSA of 1024 bits in the chain");

    // Eight authorities between signer and anchor, and not one more.
    let mut between = vec![authority("0", Some(&root), Wanted::default())];
    for name in ["1", "2", "3", "4", "5", "6", "7", "8"] {
        let length = between.len();
        let refs: Vec<&Identity> = between.iter().collect();
        assert_eq!(chain(&refs), "valid", "{length}");
        let next = authority(name, between.last(), Wanted::default());
        between.push(next);
    }
    assert_eq!(chain(&between.iter().collect::<Vec<_>>()), "invalid untrusted", "{}", between.len());
}

#[test]
fn sha1_in_a_chain_is_for_those_who_may_use_it_and_shows() {
    let root = issue(
        &rsa().key,
        None,
        Wanted { name: "root", authority: true, digest: MessageDigest::sha1(), ..Wanted::default() },
    );
    let sha1 = |issuer: &Identity| {
        let more = &[(O, "UBND tỉnh")][..];
        issue(
            &ec(),
            Some(issuer),
            Wanted { name: "Sở Y tế", more, digest: MessageDigest::sha1(), ..Wanted::default() },
        )
    };
    let good = sha1(&root);
    let strict = to(&[SUBJECT], &root, Vec::new());
    let legacy = Trust { legacy_sha1: true, ..strict.clone() };
    let signed = document(&good, &[&good]);
    assert_eq!(judge(&signed, &strict), "invalid untrusted");
    assert_eq!(judge(&signed, &legacy), "valid");
    assert_eq!(warnings(&signed, &legacy), [Warning::Sha1, Warning::RevocationNotChecked]);
    // How the anchor itself is signed does not matter.
    let modern = signer(&root, "Sở Y tế", &[(O, "UBND tỉnh")]);
    assert_eq!(judge(&document(&modern, &[&modern]), &strict), "valid");
    assert_eq!(warnings(&document(&modern, &[&modern]), &legacy), [Warning::RevocationNotChecked]);

    // It opens no other door: MD5, short keys, other subjects, other anchors.
    let md5 = issue(
        &ec(),
        Some(&root),
        Wanted { name: "md5", authority: true, digest: MessageDigest::md5(), ..Wanted::default() },
    );
    let below = sha1(&md5);
    assert_eq!(judge(&document(&below, &[&md5, &below]), &legacy), "invalid untrusted");
    let weak = issue(
        &rsa_key(1024),
        Some(&root),
        Wanted { name: "weak", authority: true, digest: MessageDigest::sha1(), ..Wanted::default() },
    );
    let below = sha1(&weak);
    assert_eq!(judge(&document(&below, &[&weak, &below]), &legacy), "invalid untrusted");
    let other = issue(&ec(), Some(&root), Wanted { digest: MessageDigest::sha1(), ..Wanted::default() });
    assert_eq!(judge(&document(&other, &[&other]), &legacy), "invalid foreign-signer");
    let twin = authority("root", None, Wanted::default());
    let elsewhere = Trust { legacy_sha1: true, ..to(&[SUBJECT], &twin, Vec::new()) };
    assert_eq!(judge(&signed, &elsewhere), "invalid untrusted");
}

fn warnings(document: &str, trust: &Trust) -> Vec<Warning> {
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    match judge_with(document.as_bytes(), 0, &PLACES, &options, trust).unwrap().0 {
        Verdict::Valid(valid) => valid.warnings().to_vec(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_list_tells_whose_it_is_and_remembers_who_signed_it() {
    let root = authority("root", None, Wanted::default());
    let twin = authority("root", None, Wanted::default());
    let good = signer(&root, "Sở Y tế", &[(O, "UBND tỉnh")]);
    let list = |revoked: &[u32]| crl(&root, revoked, "20261101000000Z", "20261201000000Z");
    let of = list(&[]);
    assert_eq!(
        (of.issuer(), of.this_update().to_string().as_str()),
        ("CN=root,C=VN", "2026-11-01T00:00:00Z")
    );
    for _ in 0..3 {
        assert!(of.is_by(&root.certificate()));
        assert!(!of.is_by(&twin.certificate()), "the same name with another key");
        assert!(!of.is_by(&good.certificate()));
    }
    let signed = document(&good, &[&good]);
    assert_eq!(judge(&signed, &to(&[SUBJECT], &root, vec![of])), "valid");
    assert_eq!(judge(&signed, &to(&[SUBJECT], &root, vec![list(&[7])])), "invalid revoked");
}

#[test]
fn a_multi_valued_subject_is_told_from_two_parts() {
    let root = authority("root", None, Wanted::default());
    // CN and O in one RDN, made by hand: OpenSSL's builder gives each part a set of its own.
    // With a long key, so that all lengths outside have two bytes.
    let wanted = Wanted { name: "a", more: &[(O, "b")], ..Wanted::default() };
    let two = issue(&rsa().key, Some(&root), wanted);
    assert_eq!(two.certificate().subject(), "CN=a,O=b,C=VN");
    let der = two.x509.to_der().unwrap();
    let set = |content: &[u8]| [&[0x31, u8::try_from(content.len()).unwrap()], content].concat();
    let pair = |id: u8, value: &[u8]| [&[0x30, 8, 0x06, 3, 0x55, 4, id, 0x0C, 1], value].concat();
    let (o, cn) = (pair(10, b"b"), pair(3, b"a"));
    let apart = [set(&o), set(&cn)].concat();
    let together = set(&[cn, o].concat());
    let at = der.windows(apart.len()).position(|window| window == apart).expect("the subject's two sets");
    // Two bytes less in the subject, in what is signed, and in all; its signature no longer fits, nor need it.
    let mut der = [&der[..at], &together, &der[at + apart.len()..]].concat();
    let name =
        der[..at].windows(2).rposition(|window| window[0] == 0x30 && usize::from(window[1]) > apart.len());
    der[name.expect("the subject") + 1] -= 2;
    for outer in [2, 6] {
        let length = u16::from_be_bytes([der[outer], der[outer + 1]]) - 2;
        der[outer..outer + 2].copy_from_slice(&length.to_be_bytes());
    }
    assert_eq!(Certificate::from_der(&der).unwrap().subject(), "CN=a+O=b,C=VN");
}
