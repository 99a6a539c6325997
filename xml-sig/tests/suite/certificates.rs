//! Certificates that break the rules of RFC 5280 section 4.2 and 6, and keys that protect nothing, alone and in a chain.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use openssl::bn::BigNum;
use openssl::ec::{Asn1Flag, EcGroup, EcKey};
use openssl::hash::{MessageDigest, hash};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::X509;
use xml_sig::{Authorities, Certificate, KeyError, PublicKey, Signers, Trust};

use crate::support::*;

const O: Nid = Nid::ORGANIZATIONNAME;

fn p256() -> PKey<Private> {
    ec_key(Nid::X9_62_PRIME256V1)
}

fn root() -> Identity {
    issue(&p256(), None, Wanted { name: "root", authority: true, ..Wanted::default() })
}

fn document(identity: &Identity, named: &[&Identity]) -> String {
    let key_info: String = named.iter().map(|named| named.key_info()).collect();
    let key_info = key_info.replace("</ds:KeyInfo><ds:KeyInfo>", "");
    Draft { key_info, ..Draft::new(identity) }.document()
}

/// The verdicts on a signer with these extensions: pinned; below a root; and on an ordinary one below an authority with
/// them.
fn verdicts(extensions: &[(&str, bool, &[u8])]) -> [String; 3] {
    let root = root();
    let below = |anchor: &Identity| under(pinned(&[]), &[anchor], Vec::new());
    let signer = issue(&p256(), Some(&root), Wanted { extensions, ..Wanted::default() });
    let signed = document(&signer, &[&signer]);
    [judge(&signed, &pinned(&[&signer])), judge(&signed, &below(&root)), through(&root, &p256(), extensions)]
}

/// The verdict on an ordinary signer below an authority with this key and these extensions.
fn through(root: &Identity, key: &PKey<Private>, extensions: &[(&str, bool, &[u8])]) -> String {
    let wanted = Wanted { name: "authority", authority: true, extensions, ..Wanted::default() };
    let authority = issue(key, Some(root), wanted);
    let signer = issue(&p256(), Some(&authority), Wanted::default());
    judge(&document(&signer, &[&signer, &authority]), &under(pinned(&[]), &[root], Vec::new()))
}

#[test]
fn extensions_that_are_critical_must_be_understood() {
    assert_eq!(verdicts(&[]), ["valid"; 3]);
    assert_eq!(verdicts(&[("1.2.3.4", false, b"\x05\x00")]), ["valid"; 3]);
    let refused = ["invalid key-usage", "invalid key-usage", "invalid untrusted"];
    assert_eq!(verdicts(&[("1.2.3.4", true, b"\x05\x00")]), refused);
    // privateKeyUsagePeriod: it restricts, and is not applied.
    assert_eq!(verdicts(&[("2.5.29.16", true, b"\x30\x00")]), refused);
    // A critical subjectAltName is what a certificate without a subject needs.
    assert_eq!(verdicts(&[("2.5.29.17", true, b"\x30\x03\x82\x01a")]), ["valid"; 3]);
}

#[test]
fn no_extension_stands_twice_and_none_is_malformed() {
    let refused = ["invalid key-usage", "invalid key-usage", "invalid untrusted"];
    // The first would do, the second would not.
    let email: &[u8] = b"\x30\x0A\x06\x08\x2B\x06\x01\x05\x05\x07\x03\x04";
    let server: &[u8] = b"\x30\x0A\x06\x08\x2B\x06\x01\x05\x05\x07\x03\x01";
    for pair in [[email, server], [server, email]] {
        assert_eq!(verdicts(&[("2.5.29.37", false, pair[0]), ("2.5.29.37", false, pair[1])]), refused);
    }
    let (signs, deciphers): (&[u8], &[u8]) = (b"\x03\x02\x01\x86", b"\x03\x02\x03\x08");
    for pair in [[signs, deciphers], [deciphers, signs]] {
        assert_eq!(verdicts(&[("2.5.29.15", true, pair[0]), ("2.5.29.15", true, pair[1])]), refused);
    }
    assert_eq!(verdicts(&[("1.2.3.4", false, b"\x05\x00"), ("1.2.3.4", false, b"\x05\x00")]), refused);
    for (id, value) in [
        ("2.5.29.37", &b"\x30\x00"[..]),
        ("2.5.29.37", b"\x04\x00"),
        ("2.5.29.15", b"\x03\x02\x01"),
        ("2.5.29.15", b"\x03\x02\x09\x80"),
    ] {
        assert_eq!(verdicts(&[(id, false, value)]), refused, "{id} {value:?}");
    }
}

#[test]
fn purposes_of_an_authority_restrict_those_below_it() {
    let purpose = |last: u8| [b"\x30\x0A\x06\x08\x2B\x06\x01\x05\x05\x07\x03", &[last][..]].concat();
    let root = root();
    for (value, verdict) in [
        (purpose(4), "valid"),
        (purpose(36), "valid"),
        (b"\x30\x06\x06\x04\x55\x1D\x25\x00".to_vec(), "valid"),
        (purpose(1), "invalid untrusted"),
        (purpose(9), "invalid untrusted"),
    ] {
        assert_eq!(through(&root, &p256(), &[("2.5.29.37", false, &value)]), verdict, "{value:?}");
    }
}

#[test]
fn names_and_policies_that_an_authority_demands_are_needed() {
    let root = root();
    let key = p256();
    let verdict =
        |of_authority: &[(&str, bool, &[u8])], of_signer: &[(&str, bool, &[u8])], organisation: &str| {
            let wanted =
                Wanted { name: "authority", authority: true, extensions: of_authority, ..Wanted::default() };
            let authority = issue(&key, Some(&root), wanted);
            let more = &[(O, organisation)][..];
            let signer =
                issue(&key, Some(&authority), Wanted { more, extensions: of_signer, ..Wanted::default() });
            judge(&document(&signer, &[&signer, &authority]), &under(pinned(&[]), &[&root], Vec::new()))
        };
    // permittedSubtrees: a directoryName of C=VN, O=A.
    let mut name = openssl::x509::X509NameBuilder::new().unwrap();
    name.append_entry_by_nid(Nid::COUNTRYNAME, "VN").unwrap();
    name.append_entry_by_nid(O, "A").unwrap();
    let name = der_of(0xA4, &name.build().to_der().unwrap());
    for (tag, allowed, refused) in [(0xA0, "A", "B"), (0xA1, "B", "A")] {
        let constraints = der_of(0x30, &der_of(tag, &der_of(0x30, &name)));
        let extensions = [("2.5.29.30", true, &constraints[..])];
        assert_eq!(verdict(&extensions, &[], allowed), "valid");
        assert_eq!(verdict(&extensions, &[], refused), "invalid untrusted");
    }
    // requireExplicitPolicy from here on, and a policy 1.2.3. Whether it is the right one nobody here can say.
    let explicit: (&str, bool, &[u8]) = ("2.5.29.36", true, b"\x30\x03\x80\x01\x00");
    let policy: (&str, bool, &[u8]) = ("2.5.29.32", false, b"\x30\x06\x30\x04\x06\x02\x2A\x03");
    let other: (&str, bool, &[u8]) = ("2.5.29.32", false, b"\x30\x06\x30\x04\x06\x02\x2A\x04");
    for of_signer in [&[][..], &[policy], &[other]] {
        assert_eq!(verdict(&[explicit, policy], of_signer, "A"), "invalid untrusted");
    }
    assert_eq!(verdict(&[policy], &[policy], "A"), "valid");
    assert_eq!(verdict(&[policy], &[other], "A"), "valid", "nobody demands one");
}

#[test]
fn a_certificate_by_itself_is_below_no_anchor_but_itself() {
    let root = root();
    let by_itself = ec();
    let signed = document(by_itself, &[by_itself]);
    let both = |anchor: &Identity| under(pinned(&[by_itself]), &[anchor], Vec::new());
    assert_eq!(judge(&signed, &both(&root)), "invalid untrusted");
    assert_eq!(judge(&signed, &both(by_itself)), "valid");
    // Another by itself with the name, and one more with the name and the key, of the anchor.
    let twin = issue(&p256(), None, Wanted { name: "ec", ..Wanted::default() });
    assert_eq!(
        judge(&document(&twin, &[&twin]), &under(pinned(&[]), &[by_itself], Vec::new())),
        "invalid untrusted"
    );
}

#[test]
fn dates_may_be_far_and_are_exact() {
    for to in ["20491231235959Z", "20500101000000Z", "20991231235959Z", "99991231235959Z"] {
        let root = issue(&p256(), None, Wanted { name: "root", authority: true, to, ..Wanted::default() });
        let signer = issue(&p256(), Some(&root), Wanted { to, ..Wanted::default() });
        let signed = document(&signer, &[&signer]);
        let trust = under(pinned(&[&signer]), &[&root], Vec::new());
        assert_eq!(judge(&signed, &trust), "valid", "{to}");
        let at = Timestamp::MAX;
        let far = if to.starts_with("9999") { "valid" } else { "invalid expired" };
        assert_eq!(judge(&signed, &Trust { at, ..pinned(&[&signer]) }), far, "{to}");
        assert_eq!(judge(&signed, &Trust { at, ..trust }), far, "{to}");
    }
    // A part of a second past the end, of the signer and of the authority.
    let end: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
    let past = end + SignedDuration::from_nanos(1);
    for (of_root, of_signer) in
        [("20261201000000Z", "20270101000000Z"), ("20270101000000Z", "20261201000000Z")]
    {
        let wanted = Wanted { name: "root", authority: true, to: of_root, ..Wanted::default() };
        let root = issue(&p256(), None, wanted);
        let signer = issue(&p256(), Some(&root), Wanted { to: of_signer, ..Wanted::default() });
        let trust = under(pinned(&[]), &[&root], Vec::new());
        let signed = document(&signer, &[&signer]);
        assert_eq!(judge(&signed, &Trust { at: end, ..trust.clone() }), "valid");
        assert_eq!(judge(&signed, &Trust { at: past, ..trust }), "invalid expired");
    }
}

/// A key on a curve whose parameters are spelt out.
fn explicit_curve() -> PKey<Private> {
    let mut group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    group.set_asn1_flag(Asn1Flag::EXPLICIT_CURVE);
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

#[test]
fn keys_of_other_forms_vouch_for_nothing() {
    let root = root();
    let explicit = issue(&explicit_curve(), Some(&root), Wanted::default());
    let signed = document(&explicit, &[&explicit]);
    assert_eq!(judge(&signed, &pinned(&[&explicit])), "unusable algorithm");
    assert_eq!(judge(&signed, &under(pinned(&[]), &[&root], Vec::new())), "unusable algorithm");

    let bare = PublicKey::from_pem(&explicit.key.public_key_to_pem().unwrap(), 2048);
    assert_eq!(bare.err(), Some(KeyError::Kind));
    assert_eq!(through(&root, &explicit_curve(), &[]), "invalid untrusted", "explicit parameters");
    for curve in [Nid::X9_62_PRIME192V1, Nid::SECP224R1, Nid::SECP256K1, Nid::BRAINPOOL_P256R1] {
        assert_eq!(
            through(&root, &ec_key(curve), &[]),
            "invalid untrusted",
            "{}",
            curve.short_name().unwrap()
        );
    }
    for curve in [Nid::SECP384R1, Nid::SECP521R1] {
        assert_eq!(through(&root, &ec_key(curve), &[]), "valid", "{}", curve.short_name().unwrap());
    }
    for (bits, verdict) in [(1024, "invalid untrusted"), (2047, "invalid untrusted"), (2049, "valid")] {
        assert_eq!(through(&root, &rsa_key(bits), &[]), verdict, "{bits}");
    }
}

/// RSA with the exponent 1: what is to be signed, padded, is its own signature (RFC 8017 section 9.2).
struct Transparent {
    public: PKey<openssl::pkey::Public>,
}

impl Transparent {
    fn new() -> Self {
        let modulus = rsa().key.rsa().unwrap().n().to_owned().unwrap();
        let public = Rsa::from_public_components(modulus, BigNum::from_u32(1).unwrap()).unwrap();
        Self { public: PKey::from_rsa(public).unwrap() }
    }

    /// A signature that anybody can make.
    fn forged(octets: &[u8]) -> Vec<u8> {
        const SHA256: &[u8] = b"\x30\x31\x30\x0D\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";
        let digest = hash(MessageDigest::sha256(), octets).unwrap();
        let padding = vec![0xFF; 256 - 3 - SHA256.len() - digest.len()];
        [&[0, 1], &padding[..], &[0], SHA256, &digest].concat()
    }
}

#[test]
fn an_exponent_of_one_signs_nothing() {
    let root = root();
    let transparent = Transparent::new();
    // OpenSSL itself takes it: the rule is ours.
    let mut verifier = openssl::sign::Verifier::new(MessageDigest::sha256(), &transparent.public).unwrap();
    assert!(verifier.verify_oneshot(&Transparent::forged(b"x"), b"x").unwrap());

    // An authority with such a key, and what is forged below it.
    let wanted = Wanted { name: "authority", authority: true, ..Wanted::default() };
    let x509 = certify(&transparent.public, Some(&root), &root.key, wanted);
    let authority = Identity { key: rsa().key.clone(), x509 };
    let signer = issue(&p256(), Some(&authority), Wanted::default());
    let der = signer.x509.to_der().unwrap();
    let (outer, _) = der_content(&der);
    let (to_sign, rest) = der_content(outer);
    let to_sign = der_of(0x30, to_sign);
    let algorithm = der_of(0x30, der_content(rest).0);
    let value = der_of(0x03, &[&[0], &Transparent::forged(&to_sign)[..]].concat());
    let forged = X509::from_der(&der_of(0x30, &[to_sign, algorithm, value].concat())).unwrap();
    assert!(forged.verify(&transparent.public).unwrap(), "it is a good forgery");
    let forged = Identity { key: signer.key.clone(), x509: forged };
    let trust = under(pinned(&[]), &[&root], Vec::new());
    assert_eq!(judge(&document(&forged, &[&forged, &authority]), &trust), "invalid untrusted");
    let anchored = under(pinned(&[]), &[&authority], Vec::new());
    assert_eq!(
        judge(&document(&forged, &[&forged]), &anchored),
        "invalid untrusted",
        "not even as an anchor"
    );
}

#[test]
fn a_chain_that_held_holds_no_longer_than_it_should() {
    let root = root();
    let wanted = Wanted { name: "authority", authority: true, to: "20261201000000Z", ..Wanted::default() };
    let authority = issue(&p256(), Some(&root), wanted);
    let signer = issue(&p256(), Some(&authority), Wanted::default());
    let whole = document(&signer, &[&signer, &authority]);
    let alone = document(&signer, &[&signer]);
    let trust = under(pinned(&[]), &[&root], Vec::new());
    let at = |at: &str| Trust { at: at.parse().unwrap(), ..trust.clone() };
    assert_eq!(judge(&whole, &trust), "valid");
    // What is remembered is shared, and asks for the same certificates, dates and anchors each time.
    assert_eq!(judge(&alone, &trust), "invalid untrusted");
    assert_eq!(judge(&whole, &at("2026-12-01T00:00:00Z")), "valid");
    assert_eq!(judge(&whole, &at("2026-12-01T00:00:01Z")), "invalid expired");
    assert_eq!(judge(&whole, &at("2025-12-31T23:59:59Z")), "invalid not-yet-valid");
    assert_eq!(judge(&whole, &trust), "valid");

    // The list of another day, the same chain.
    let with = |crls| Trust {
        authorities: Arc::new(Authorities { crls, ..(*trust.authorities).clone() }),
        ..trust.clone()
    };
    let list = |revoked: &[u32]| crl(&authority, revoked, "20261101000000Z", "20261201000000Z");
    let of_root = crl(&root, &[], "20261101000000Z", "20261201000000Z");
    assert_eq!(judge(&whole, &with(vec![of_root.clone(), list(&[])])), "valid");
    assert_eq!(judge(&whole, &with(vec![of_root, list(&[7])])), "invalid revoked");

    // An anchor that is taken out of the very value that remembers.
    let mut changed = trust;
    let authorities = Arc::get_mut(&mut changed.authorities).expect("the only one");
    authorities.anchors = vec![ec().certificate()];
    assert_eq!(judge(&whole, &changed), "invalid untrusted");
}

#[test]
fn what_sha1_made_hold_does_not_hold_without_it() {
    let root = root();
    let sha1 = Wanted { digest: MessageDigest::sha1(), ..Wanted::default() };
    let signer = issue(&p256(), Some(&root), sha1);
    let signed = document(&signer, &[&signer]);
    let strict = under(pinned(&[]), &[&root], Vec::new());
    for (legacy_sha1, verdict) in
        [(false, "invalid untrusted"), (true, "valid"), (false, "invalid untrusted")]
    {
        assert_eq!(judge(&signed, &Trust { legacy_sha1, ..strict.clone() }), verdict);
    }
}

#[test]
fn a_key_without_a_certificate_binds_without_a_chain_only() {
    let key =
        |identity: &Identity| PublicKey::from_pem(&identity.key.public_key_to_pem().unwrap(), 2048).unwrap();
    let trust = |keys: Vec<PublicKey>, certificates: Vec<Certificate>| {
        let signers = Arc::new(Signers { keys, certificates, ..Signers::default() });
        Trust { signers, ..pinned(&[]) }
    };
    let expired = issue(&p256(), None, Wanted { to: "20260601000000Z", ..Wanted::default() });
    let named = document(&expired, &[&expired]);
    let unnamed = document(&expired, &[]);
    let other = document(&expired, &[ec()]);
    let bare = trust(vec![key(&expired)], Vec::new());
    for document in [&named, &unnamed, &other] {
        assert_eq!(judge(document, &bare), "valid", "nothing but the key counts");
        assert_eq!(judge(document, &trust(vec![key(ec())], Vec::new())), "invalid signature-value");
        assert_eq!(judge(document, &under(bare.clone(), &[&expired], Vec::new())), "invalid untrusted");
    }
    // Not by its certificate, either: only the key itself was bound.
    let root = root();
    let signer = issue(&p256(), Some(&root), Wanted::default());
    let below = under(trust(vec![key(&signer)], Vec::new()), &[&root], Vec::new());
    assert_eq!(judge(&document(&signer, &[&signer]), &below), "invalid untrusted");
    let both = under(trust(vec![key(&signer)], vec![signer.certificate()]), &[&root], Vec::new());
    assert_eq!(judge(&document(&signer, &[&signer]), &both), "valid", "the certificate is bound too");
}
