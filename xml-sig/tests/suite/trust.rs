//! Whose signatures count: pins, chains, dates, usages, revocation, key sizes.

use openssl::asn1::{Asn1Object, Asn1OctetString};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::x509::X509Extension;
use openssl::x509::extension::KeyUsage;
use xml_sig::{Certificate, Crl, KeyError, Limits, ReadOptions, SoftwareKey, Trust, Verdict, Warning};

use crate::support::*;

const THIS_UPDATE: &str = "20261101000000Z";
const NEXT_UPDATE: &str = "20261201000000Z";

/// A root, an authority under it, and a signer under that.
struct Chain {
    root: Identity,
    authority: Identity,
    signer: Identity,
}

fn chain_of(authority: Wanted<'static>, signer: Wanted<'static>) -> Chain {
    let key = || ec_key(Nid::X9_62_PRIME256V1);
    let root = issue(&key(), None, Wanted { name: "root", authority: true, ..Wanted::default() });
    let authority = issue(&key(), Some(&root), Wanted { name: "authority", ..authority });
    let signer = issue(&key(), Some(&authority), signer);
    Chain { root, authority, signer }
}

fn chain() -> Chain {
    chain_of(Wanted { authority: true, serial: 5, ..Wanted::default() }, Wanted::default())
}

impl Chain {
    /// Signed by the signer, the authority's certificate beside it in KeyInfo.
    fn document(&self) -> String {
        let key_info = format!("{}{}", self.authority.key_info(), self.signer.key_info());
        let key_info = key_info.replace("</ds:KeyInfo><ds:KeyInfo>", "");
        Draft { key_info, ..Draft::new(&self.signer) }.document()
    }

    fn trust(&self) -> Trust {
        under(pinned(&[]), &[&self.root], Vec::new())
    }

    fn with_lists(&self, crls: Vec<Crl>) -> Trust {
        under(pinned(&[]), &[&self.root], crls)
    }

    fn lists(&self, by_root: &[u32], by_authority: &[u32]) -> Vec<Crl> {
        let list = |issuer: &Identity, revoked: &[u32]| crl(issuer, revoked, THIS_UPDATE, NEXT_UPDATE);
        vec![list(&self.root, by_root), list(&self.authority, by_authority)]
    }
}

#[test]
fn without_trust_nothing_is_judged() {
    assert_eq!(judge(&Draft::new(rsa()).document(), &pinned(&[])), "unusable no-trust");
    assert_eq!(judge("<r/>", &pinned(&[])), "absent");
}

#[test]
fn a_certificate_that_is_not_pinned_is_foreign_even_with_the_same_name() {
    let twin = issue(&ec_key(Nid::X9_62_PRIME256V1), None, Wanted { name: "ec", ..Wanted::default() });
    assert_eq!(judge(&Draft::new(&twin).document(), &pinned(&[ec()])), "invalid foreign-signer");
    // The pinned certificate is named, but another key signed.
    let claimed = Draft { key_info: ec().key_info(), ..Draft::new(&twin) };
    assert_eq!(judge(&claimed.document(), &pinned(&[ec()])), "invalid signature-value");
    let unnamed = Draft { key_info: String::new(), ..Draft::new(&twin) };
    assert_eq!(judge(&unnamed.document(), &pinned(&[ec()])), "invalid signature-value");
}

#[test]
fn a_chain_must_lead_to_an_anchor() {
    let good = chain();
    assert_eq!(judge(&good.document(), &good.trust()), "valid");
    assert_eq!(judge(&good.document(), &chain().trust()), "invalid untrusted");
    let intermediate = under(pinned(&[]), &[&good.authority], Vec::new());
    assert_eq!(judge(&Draft::new(&good.signer).document(), &intermediate), "valid");
    assert_eq!(
        judge(&Draft::new(&good.signer).document(), &good.trust()),
        "invalid untrusted",
        "a link is missing"
    );
    let self_signed = Draft::new(ec()).document();
    assert_eq!(judge(&self_signed, &good.trust()), "invalid untrusted");

    let no_authority = chain_of(Wanted::default(), Wanted::default());
    assert_eq!(judge(&no_authority.document(), &no_authority.trust()), "invalid untrusted", "not a CA");
    let sha1 = Wanted { authority: true, digest: MessageDigest::sha1(), ..Wanted::default() };
    let sha1 = chain_of(sha1, Wanted::default());
    assert_eq!(judge(&sha1.document(), &sha1.trust()), "invalid untrusted", "SHA-1 in the chain");
}

#[test]
fn a_certificate_is_needed_when_only_authorities_are_given() {
    let good = chain();
    for key_info in [
        "",
        "<ds:KeyInfo><ds:X509Data><ds:X509Certificate>AAAA</ds:X509Certificate></ds:X509Data></ds:KeyInfo>",
    ] {
        let document = Draft { key_info: key_info.to_owned(), ..Draft::new(&good.signer) }.document();
        assert_eq!(judge(&document, &good.trust()), "unusable no-certificate");
    }
}

#[test]
fn pin_and_chain_must_both_hold_when_both_are_given() {
    let good = chain();
    let both = |identity: &Identity, anchor: &Identity| under(pinned(&[identity]), &[anchor], Vec::new());
    assert_eq!(judge(&good.document(), &both(&good.signer, &good.root)), "valid");
    assert_eq!(judge(&good.document(), &both(ec(), &good.root)), "invalid foreign-signer");
    assert_eq!(judge(&good.document(), &both(&good.signer, ec())), "invalid untrusted");
}

#[test]
fn dates_are_judged_at_the_given_time_also_for_a_pinned_certificate() {
    let good = chain();
    for (at, verdict) in [
        ("2025-12-31T23:59:59Z", "invalid not-yet-valid"),
        ("2026-01-01T00:00:00Z", "valid"),
        ("2026-12-31T23:59:59Z", "valid"),
        ("2027-01-01T00:00:01Z", "invalid expired"),
    ] {
        let at = at.parse().unwrap();
        assert_eq!(judge(&Draft::new(ec()).document(), &Trust { at, ..pinned(&[ec()]) }), verdict, "{at}");
        assert_eq!(judge(&good.document(), &Trust { at, ..good.trust() }), verdict, "{at}");
    }
    let late = Wanted { authority: true, from: "20261201000000Z", ..Wanted::default() };
    let late = chain_of(late, Wanted::default());
    assert_eq!(judge(&late.document(), &late.trust()), "invalid not-yet-valid", "the authority");
    let early = Wanted { authority: true, to: "20261101000000Z", ..Wanted::default() };
    let early = chain_of(early, Wanted::default());
    assert_eq!(judge(&early.document(), &early.trust()), "invalid expired", "the authority");
}

#[test]
fn revocation_is_checked_for_every_link() {
    let good = chain();
    let with = |crls: Vec<Crl>| judge(&good.document(), &good.with_lists(crls));
    assert_eq!(with(good.lists(&[1], &[2])), "valid");
    assert_eq!(with(good.lists(&[], &[7])), "invalid revoked");
    assert_eq!(with(good.lists(&[5], &[])), "invalid revoked", "the authority");
    assert_eq!(with(good.lists(&[], &[]).split_off(1)), "unusable revocation-unknown", "no list of the root");
    let forged = Identity { key: ec().key.clone(), x509: good.authority.x509.clone() };
    let forged = vec![good.lists(&[], &[]).remove(0), crl(&forged, &[], THIS_UPDATE, NEXT_UPDATE)];
    assert_eq!(with(forged), "unusable revocation-unknown", "a list with a wrong signature");
    let stale =
        vec![good.lists(&[], &[]).remove(0), crl(&good.authority, &[], "20261001000000Z", "20261101000000Z")];
    assert_eq!(with(stale), "unusable revocation-unknown", "a list that is out of date");

    let pin = |crls| under(pinned(&[&good.signer]), &[], crls);
    assert_eq!(judge(&good.document(), &pin(good.lists(&[], &[7]))), "invalid revoked", "merely pinned");
    assert_eq!(judge(&good.document(), &pin(good.lists(&[], &[]))), "valid");
}

#[test]
fn only_a_list_that_its_issuer_signed_revokes_below_an_anchor() {
    let good = chain();
    let forged = Identity { key: ec().key.clone(), x509: good.authority.x509.clone() };
    let forged = crl(&forged, &[7], THIS_UPDATE, NEXT_UPDATE);
    let with = |crls: Vec<Crl>| judge(&good.document(), &good.with_lists(crls));
    let mut lists = good.lists(&[], &[]);
    lists.insert(0, forged.clone());
    assert_eq!(with(lists), "valid");
    let by_root = good.lists(&[], &[]).remove(0);
    assert_eq!(with(vec![by_root, forged.clone()]), "unusable revocation-unknown");
    let pinned_only = under(pinned(&[&good.signer]), &[], vec![forged]);
    assert_eq!(judge(&good.document(), &pinned_only), "invalid revoked", "nobody can prove the list");
}

#[test]
fn a_list_without_a_next_one_is_not_current_and_still_revokes() {
    let good = chain();
    let by_root = || good.lists(&[], &[]).remove(0);
    let endless = |revoked: &[u32]| {
        let list = crl_without_next_update(&good.authority, revoked, THIS_UPDATE);
        assert_eq!(list.next_update(), None);
        judge(&good.document(), &good.with_lists(vec![by_root(), list]))
    };
    assert_eq!(endless(&[]), "unusable revocation-unknown");
    assert_eq!(endless(&[7]), "invalid revoked");
}

#[test]
fn of_two_certificates_with_one_key_the_trusted_one_counts_in_any_order() {
    let key = ec_key(Nid::X9_62_PRIME256V1);
    let of = |from, to, serial| issue(&key, None, Wanted { from, to, serial, ..Wanted::default() });
    let old = of("20250101000000Z", "20260101000000Z", 1);
    let new = of("20260101000000Z", "20270101000000Z", 2);
    let next = of("20270101000000Z", "20280101000000Z", 3);
    for key_info in [String::new(), new.key_info()] {
        let document = Draft { key_info, ..Draft::new(&new) }.document();
        for order in [[&old, &new, &next], [&next, &old, &new], [&new, &next, &old]] {
            assert_eq!(judge(&document, &pinned(&order)), "valid");
        }
        let named = document.contains("X509Certificate");
        let other = if named { "invalid foreign-signer" } else { "invalid expired" };
        assert_eq!(judge(&document, &pinned(&[&old, ec()])), other);
    }
    let unnamed = Draft { key_info: String::new(), ..Draft::new(&new) }.document();
    assert_eq!(judge(&unnamed, &pinned(&[&old, &next])), "invalid expired");
    assert_eq!(judge(&unnamed, &pinned(&[ec(), &next, &old])), "invalid not-yet-valid");
}

#[test]
fn a_list_that_covers_a_part_only_is_refused() {
    let root = chain().root;
    let pem = |critical: bool| {
        // issuingDistributionPoint { onlyContainsUserCerts TRUE }
        let value = Asn1OctetString::new_from_bytes(&[0x30, 0x03, 0x81, 0x01, 0xFF]).unwrap();
        let id = Asn1Object::from_str("2.5.29.28").unwrap();
        let extension = X509Extension::new_from_der(&id, critical, &value).unwrap();
        crl_pem(&root, &[], THIS_UPDATE, NEXT_UPDATE, Some(extension))
    };
    for critical in [true, false] {
        assert_eq!(Crl::from_pem(&pem(critical)).err(), Some(KeyError::PartialList));
    }
    let whole = || crl_pem(&root, &[], THIS_UPDATE, NEXT_UPDATE, None);
    let two = [whole(), b"\n# next\n".to_vec(), whole()].concat();
    assert_eq!(Crl::from_pem(&two).unwrap().len(), 2);
}

#[test]
fn a_chain_without_lists_is_valid_with_a_warning() {
    let good = chain();
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let warnings = |trust: &Trust| match judge_with(good.document().as_bytes(), 0, &PLACES, &options, trust)
        .unwrap()
        .0
    {
        Verdict::Valid(valid) => valid.warnings().to_vec(),
        other => panic!("{other:?}"),
    };
    assert_eq!(warnings(&good.trust()), [Warning::RevocationNotChecked]);
    assert_eq!(warnings(&good.with_lists(good.lists(&[], &[]))), []);
}

#[test]
fn the_certificate_must_be_for_signing_documents() {
    let usage = |usage: &mut KeyUsage| {
        let key = ec_key(Nid::X9_62_PRIME256V1);
        let mut taken = KeyUsage::new();
        std::mem::swap(usage, &mut taken);
        issue(&key, None, Wanted { usage: Some(taken), ..Wanted::default() })
    };
    let purposes = |purposes: &[&str]| {
        issue(&ec_key(Nid::X9_62_PRIME256V1), None, Wanted { purposes, ..Wanted::default() })
    };
    for (identity, verdict) in [
        (usage(KeyUsage::new().critical().digital_signature()), "valid"),
        (usage(KeyUsage::new().critical().non_repudiation()), "valid"),
        (usage(KeyUsage::new().critical().key_encipherment().data_encipherment()), "invalid key-usage"),
        (usage(KeyUsage::new().critical().key_cert_sign().crl_sign()), "invalid key-usage"),
        (purposes(&["1.3.6.1.5.5.7.3.4"]), "valid"),
        (purposes(&["1.3.6.1.5.5.7.3.36"]), "valid"),
        (purposes(&["1.3.6.1.4.1.311.10.3.12"]), "valid"),
        (purposes(&["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.4"]), "valid"),
        (purposes(&["1.3.6.1.5.5.7.3.1"]), "invalid key-usage"),
        (purposes(&["1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.8"]), "invalid key-usage"),
        (purposes(&["2.5.29.37.0"]), "invalid key-usage"),
    ] {
        assert_eq!(judge(&Draft::new(&identity).document(), &pinned(&[&identity])), verdict);
    }
}

#[test]
fn an_rsa_key_needs_2048_bits() {
    for (bits, verdict) in [(1024, "invalid weak-key"), (2047, "invalid weak-key"), (2048, "valid")] {
        let identity = issue(&rsa_key(bits), None, Wanted::default());
        assert_eq!(judge(&Draft::new(&identity).document(), &pinned(&[&identity])), verdict, "{bits}");
        let key = SoftwareKey::from_pem(&identity.key_pem(), &identity.certificate_pem());
        assert_eq!(key.is_ok(), bits >= 2048, "{bits}");
    }
}

#[test]
fn unusable_key_files_are_named() {
    let key = |pem: &[u8], certificate: &[u8]| SoftwareKey::from_pem(pem, certificate).err().unwrap();
    assert_eq!(key(b"x", &rsa().certificate_pem()), KeyError::Unreadable("private key"));
    assert_eq!(key(&rsa().key_pem(), b""), KeyError::Missing("certificate"));
    assert_eq!(key(&rsa().key_pem(), &ec().certificate_pem()), KeyError::Mismatch);
    let p384 = issue(&ec_key(Nid::SECP384R1), None, Wanted::default());
    assert_eq!(key(&p384.key_pem(), &p384.certificate_pem()), KeyError::Kind);
    let small = issue(&rsa_key(1024), None, Wanted::default());
    assert_eq!(key(&small.key_pem(), &small.certificate_pem()), KeyError::Size(1024));
    let cipher = openssl::symm::Cipher::aes_128_cbc();
    let encrypted = ec().key.private_key_to_pem_pkcs8_passphrase(cipher, b"word").unwrap();
    assert_eq!(key(&encrypted, &ec().certificate_pem()), KeyError::Unreadable("private key"));

    assert_eq!(Crl::from_pem(b"").err(), Some(KeyError::Missing("CRL")));
    assert_eq!(
        Crl::from_pem(b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----").err(),
        Some(KeyError::Unreadable("CRL"))
    );
    let mut der = ec().x509.to_der().unwrap();
    assert!(Certificate::from_der(&der).is_ok());
    der.push(0);
    assert_eq!(Certificate::from_der(&der).err(), Some(KeyError::Unreadable("certificate")));
}

#[test]
fn a_certificate_tells_its_subject_and_dates() {
    let key = ec_key(Nid::X9_62_PRIME256V1);
    let certificate =
        issue(&key, None, Wanted { name: " Sở, \u{7}\"Y\" tế ", ..Wanted::default() }).certificate();
    assert_eq!(certificate.subject(), "CN=\\ Sở\\, \\07\\\"Y\\\" tế\\ ,C=VN");
    assert_eq!(certificate.issuer(), certificate.subject());
    assert_eq!(certificate.serial(), "07");
    assert_eq!(certificate.not_before(), "2026-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(certificate.not_after(), "2027-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(certificate.sha256()[..], *openssl::sha::sha256(certificate.der()).as_slice());
}

#[test]
fn a_file_that_was_cut_is_not_read() {
    let root = chain().root;
    let list = |revoked: &[u32]| crl_pem(&root, revoked, THIS_UPDATE, NEXT_UPDATE, None);
    let (first, second) = (list(&[]), list(&[7]));
    let whole = [first.clone(), second].concat();
    assert_eq!(Crl::from_pem(&whole).unwrap().len(), 2);
    for end in first.len() + 1..whole.len() - 1 {
        let cut = Crl::from_pem(&whole[..end]);
        assert_eq!(cut.err(), Some(KeyError::Unreadable("CRL")), "{end} of {} bytes", whole.len());
    }
    assert_eq!(Crl::from_pem(&first[..first.len() / 2]).err(), Some(KeyError::Unreadable("CRL")));

    let first = root.certificate_pem();
    let whole = [first.clone(), ec().certificate_pem()].concat();
    assert_eq!(Certificate::from_pem(&whole).unwrap().len(), 2);
    for end in first.len() + 1..whole.len() - 1 {
        let cut = Certificate::from_pem(&whole[..end]);
        assert_eq!(cut.err(), Some(KeyError::Unreadable("certificate")), "{end} of {} bytes", whole.len());
    }
}

#[test]
fn what_stands_beside_the_blocks_is_no_block() {
    let certificate = ec().certificate_pem();
    let beside =
        [ec().key_pem(), b"Ch\xE2 --- subject=CN=x\n".to_vec(), certificate.clone(), ec().key_pem()].concat();
    assert_eq!(Certificate::from_pem(&beside).unwrap().len(), 1);
    let windows = String::from_utf8(certificate.clone()).unwrap().replace('\n', " \r\n");
    assert_eq!(Certificate::from_pem(windows.as_bytes()).unwrap().len(), 1);
    // OpenSSL passes over a block whose first line is not at the margin.
    let indented = [certificate.clone(), b" ".to_vec(), certificate].concat();
    assert_eq!(Certificate::from_pem(&indented).err(), Some(KeyError::Unreadable("certificate")));
}
