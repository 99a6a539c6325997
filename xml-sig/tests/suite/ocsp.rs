//! Answers of OCSP responders: who may give them, which certificate they are about, and how strictly they are read.

use std::process::Command;
use std::sync::Arc;

use openssl::hash::MessageDigest;
use openssl::x509::extension::KeyUsage;
use xml_sig::{Certificate, Link, OCSP_RESPONSE_BYTES_MAX, OcspError, OcspResponse, Revocation, Status};

use crate::answers::*;
use crate::revocation::*;
use crate::support::*;

const NONCE: &[u8] = b"\x2B\x06\x01\x05\x05\x07\x30\x01\x02";

#[test]
fn a_responder_needs_a_certificate_from_the_issuer_for_it() {
    let root = authority(None, "root", 1);
    let twin = authority(None, "root", 1);
    let below = authority(Some(&root), "below", 2);
    let signer = ec_identity(Some(&root), Wanted::default());
    let said = [About::new(7, &root)];
    let status = |by: &Identity, named: Option<&Identity>, by_key, certificates: &[&Identity]| {
        let response = Response { named, by_key, certificates, ..Response::new(by, &said) };
        ask(&read(&response), &signer, &root)
    };
    let by = |identity: &Identity| status(identity, None, false, &[identity]);
    let good = responder(&root, Wanted::default());
    for by_key in [false, true] {
        assert_eq!(status(&root, None, by_key, &[]), Status::Good);
        assert_eq!(status(&good, None, by_key, &[&good]), Status::Good);
        assert_eq!(status(&good, None, by_key, &[&signer, &below, &good]), Status::Good, "among others");
        assert!(is_unknown(&status(&good, None, by_key, &[])), "its certificate is not there");
        assert!(is_unknown(&status(&good, Some(&signer), by_key, &[&good])), "another is named");
        assert!(is_unknown(&status(&root, Some(&good), by_key, &[&good])), "another is named");
        assert!(is_unknown(&status(&twin, None, by_key, &[&twin])), "who has the issuer's name");
        assert!(is_unknown(&status(&twin, Some(&root), by_key, &[])), "and says that it is the issuer");
    }
    let usage = |set: fn(&mut KeyUsage) -> &mut KeyUsage| {
        let mut usage = KeyUsage::new();
        set(&mut usage);
        Some(usage)
    };
    for (name, identity, fits) in [
        ("no purpose", ec_identity(Some(&root), Wanted { name: "responder", ..Wanted::default() }), false),
        (
            "any purpose",
            ec_identity(Some(&root), Wanted { purposes: &["2.5.29.37.0"], ..Wanted::default() }),
            false,
        ),
        (
            "several purposes",
            ec_identity(
                Some(&root),
                Wanted { purposes: &["1.3.6.1.5.5.7.3.1", OCSP_SIGNING], ..Wanted::default() },
            ),
            true,
        ),
        ("of another of the name", responder(&twin, Wanted::default()), false),
        ("of an authority below", responder(&below, Wanted::default()), false),
        ("by itself", ec_identity(None, Wanted { purposes: &[OCSP_SIGNING], ..Wanted::default() }), false),
        (
            "signs",
            responder(&root, Wanted { usage: usage(KeyUsage::digital_signature), ..Wanted::default() }),
            true,
        ),
        (
            "deciphers",
            responder(&root, Wanted { usage: usage(KeyUsage::key_agreement), ..Wanted::default() }),
            false,
        ),
        ("expired", responder(&root, Wanted { to: "20261122235959Z", ..Wanted::default() }), false),
        ("to the last second", responder(&root, Wanted { to: "20261123000000Z", ..Wanted::default() }), true),
        ("not yet valid", responder(&root, Wanted { from: "20261123000001Z", ..Wanted::default() }), false),
        (
            "from the first second",
            responder(&root, Wanted { from: "20261123000000Z", ..Wanted::default() }),
            true,
        ),
        ("SHA-1", responder(&root, Wanted { digest: MessageDigest::sha1(), ..Wanted::default() }), false),
        (
            "critical and unknown",
            responder(&root, Wanted { extensions: &[("1.2.3.4", true, b"\x05\x00")], ..Wanted::default() }),
            false,
        ),
    ] {
        let status = by(&identity);
        assert_eq!(status == Status::Good, fits, "{name}: {status:?}");
        assert_eq!(is_unknown(&status), !fits, "{name}: {status:?}");
    }
    let weak = issue(&rsa_key(1024), Some(&root), Wanted { purposes: &[OCSP_SIGNING], ..Wanted::default() });
    assert!(is_unknown(&by(&weak)), "RSA of 1024 bits");
    let strong = issue(&rsa().key, Some(&root), Wanted { purposes: &[OCSP_SIGNING], ..Wanted::default() });
    assert_eq!(by(&strong), Status::Good, "RSA of 2048 bits");

    // An issuer whose key is not for signing anything but certificates and lists.
    let mut certificates_only = KeyUsage::new();
    certificates_only.critical().key_cert_sign().crl_sign();
    let quiet =
        ec_identity(None, Wanted { authority: true, usage: Some(certificates_only), ..Wanted::default() });
    let signer = ec_identity(Some(&quiet), Wanted::default());
    let said = [About::new(7, &quiet)];
    assert!(is_unknown(&ask(&read(&Response::new(&quiet, &said)), &signer, &quiet)));
}

#[test]
fn an_answer_is_of_one_serial_number_of_one_issuer() {
    let root = authority(None, "root", 1);
    let twin = authority(None, "root", 1);
    let signer = ec_identity(Some(&root), Wanted::default());
    let status = |about: &[About<'_>]| ask(&read(&Response::new(&root, about)), &signer, &root);
    let right = About::new(7, &root);
    let revoked = About { said: Said::Revoked("20261110000000Z"), ..right };
    let unknown = About { said: Said::Unknown, ..right };
    let old = About { next_update: Some("20261110000000Z"), ..right };
    let md5: &[u8] = b"\x2A\x86\x48\x86\xF7\x0D\x02\x05";
    assert_eq!(status(&[right]), Status::Good);
    assert_eq!(status(&[About { identified_by: SHA256_ID, ..right }]), Status::Good);
    assert_eq!(status(&[About { identified_by: md5, ..right }]), Status::Silent);
    assert_eq!(status(&[About { serial: 8, ..right }]), Status::Silent);
    assert_eq!(status(&[About { issuer: &twin, ..right }]), Status::Silent, "another key");
    let renamed = authority(None, "renamed", 1);
    assert_eq!(status(&[About { issuer: &renamed, ..right }]), Status::Silent);
    assert_eq!(status(&[]), Status::Silent);
    assert!(is_unknown(&status(&[unknown])));
    // Several that contradict each other.
    for about in [[right, revoked], [revoked, right], [unknown, revoked], [old, revoked]] {
        assert!(is_revoked(&status(&about)));
    }
    assert_eq!(status(&[old, right]), Status::Good);
    assert_eq!(status(&[About { serial: 8, ..revoked }, right]), Status::Good);
    // A responder's clock may be ahead, by so much.
    let ahead = |this_update| status(&[About { this_update, ..right }]);
    assert_eq!(ahead("20261123000500Z"), Status::Good);
    assert!(is_unknown(&ahead("20261123000501Z")));
}

#[test]
fn an_answer_is_read_strictly_and_within_limits() {
    let root = authority(None, "root", 1);
    let signer = ec_identity(Some(&root), Wanted::default());
    let said = [About::new(7, &root)];
    let plain = Response::new(&root, &said);
    let der = plain.der();
    let error = |der: &[u8]| OcspResponse::from_der(der).err();
    assert_eq!(error(&der), None);
    for end in 0..der.len() {
        assert_eq!(error(&der[..end]), Some(OcspError::Unreadable), "cut to {end}");
    }
    assert_eq!(error(&[&der[..], b"\0"].concat()), Some(OcspError::Unreadable));
    // A bit turned anywhere: it is not read, or no longer believed.
    for at in 0..der.len() {
        for bit in 0..8 {
            let mut turned = der.clone();
            turned[at] ^= 1 << bit;
            if let Ok(response) = OcspResponse::from_der(&turned) {
                let source: Source = Arc::new(response);
                let status = ask(&source, &signer, &root);
                assert!(
                    !matches!(status, Status::Good | Status::Revoked(_)),
                    "bit {bit} of byte {at}: {status:?}"
                );
            }
        }
    }
    for status in [1, 2, 3, 5, 6] {
        assert_eq!(error(&[0x30, 3, 0x0A, 1, status]), Some(OcspError::Unsuccessful(status)));
    }
    assert_eq!(error(&[0x30, 3, 0x0A, 1, 0]), Some(OcspError::Unreadable));
    let algorithm = Response { digest: MessageDigest::md5(), ..Response::new(rsa(), &said) };
    assert_eq!(error(&algorithm.der()), Some(OcspError::Algorithm));

    // A nonce is of no use, and does no harm; what is critical is not understood.
    for (critical, expected) in [(false, None), (true, Some(OcspError::Unreadable))] {
        let extras = [(NONCE, critical, &b"\x04\x01\x01"[..])];
        assert_eq!(error(&Response { extras: &extras, ..plain }.der()), expected);
        let about = [About { extras: &extras, ..said[0] }];
        assert_eq!(error(&Response::new(&root, &about).der()), expected);
    }

    let many = |count| vec![said[0]; count];
    assert_eq!(error(&Response::new(&root, &many(64)).der()), None);
    assert_eq!(error(&Response::new(&root, &many(65)).der()), Some(OcspError::Limit));
    let certificates = |count| vec![&root; count];
    assert_eq!(error(&Response { certificates: &certificates(8), ..plain }.der()), None);
    assert_eq!(error(&Response { certificates: &certificates(9), ..plain }.der()), Some(OcspError::Limit));

    // ECDSA values are of no one length: as many tries as it takes.
    let mut tried = [false; 2];
    let mut length = OCSP_RESPONSE_BYTES_MAX - der.len() - 32;
    while tried != [true; 2] {
        let nonce = vec![0; length];
        let long = Response { extras: &[(NONCE, false, &nonce)], ..plain }.der();
        match long.len() {
            OCSP_RESPONSE_BYTES_MAX => {
                assert_eq!(error(&long), None);
                tried[0] = true;
                length += 1;
            }
            longer if longer > OCSP_RESPONSE_BYTES_MAX => {
                assert_eq!(error(&long), Some(OcspError::Limit));
                tried[1] = true;
                length -= 1;
            }
            _ => length += 1,
        }
    }
}

#[test]
fn an_answer_tells_when_it_was_made_and_must_be_replaced() {
    let root = authority(None, "root", 1);
    let response = |about: &[About<'_>]| OcspResponse::from_der(&Response::new(&root, about).der()).unwrap();
    let one = About::new(7, &root);
    let sooner = About { next_update: Some("20261124000000Z"), ..About::new(8, &root) };
    let both = response(&[one, sooner]);
    assert_eq!(both.produced_at(), "2026-11-01T00:00:00Z".parse().unwrap());
    assert_eq!(both.next_update(), Some("2026-11-24T00:00:00Z".parse().unwrap()));
    assert_eq!(response(&[one, About { next_update: None, ..sooner }]).next_update(), None);
    assert_eq!(response(&[]).next_update(), None);
}

/// The program `openssl` as the responder: what it answers to a request of ours.
fn openssl_answers(folder: &std::path::Path, request: &[u8], more: &[&str]) -> Option<Vec<u8>> {
    std::fs::write(folder.join("request.der"), request).unwrap();
    let made = Command::new("openssl")
        .current_dir(folder)
        .args([
            "ocsp",
            "-index",
            "index.txt",
            "-CA",
            "root.pem",
            "-reqin",
            "request.der",
            "-respout",
            "answer.der",
        ])
        .args(["-ndays", "7", "-rsigner", "responder.pem", "-rkey", "responder.key"])
        .args(more)
        .output();
    match made {
        Ok(made) => {
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            Some(std::fs::read(folder.join("answer.der")).unwrap())
        }
        Err(error) => {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
            println!("SKIPPED: no openssl program");
            None
        }
    }
}

#[test]
fn another_programs_answers_to_our_requests_are_understood() {
    let wanted = || Wanted { from: "20200101000000Z", to: "20491231235959Z", ..Wanted::default() };
    let root = ec_identity(None, Wanted { name: "root", authority: true, serial: 1, ..wanted() });
    let responder = responder(&root, wanted());
    let signers = [7, 8, 11].map(|serial| ec_identity(Some(&root), Wanted { serial, ..wanted() }));
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| std::fs::write(folder.path().join(name), content).unwrap();
    write("root.pem", &root.certificate_pem());
    write("responder.pem", &responder.certificate_pem());
    write("responder.key", &responder.key_pem());
    // Status, expiry, revocation, serial number, file, subject; 0B is not there.
    let lines = "V\t491231235959Z\t\t07\tunknown\t/C=VN/CN=signer\n\
                 R\t491231235959Z\t261110000000Z,keyCompromise\t08\tunknown\t/C=VN/CN=signer\n";
    write("index.txt", lines.as_bytes());
    let issuer = root.certificate();
    for more in [&[][..], &["-resp_key_id"], &["-rmd", "sha512"]] {
        let statuses: Option<Vec<Status>> = signers
            .iter()
            .map(|signer| {
                let certificate = signer.certificate();
                let request = OcspResponse::request(&certificate, &issuer).unwrap();
                let response =
                    OcspResponse::from_der(&openssl_answers(folder.path(), &request, more)?).unwrap();
                // The program's clock is its own.
                let link = Link {
                    certificate: &certificate,
                    issuer: &issuer,
                    at: response.produced_at(),
                    legacy_sha1: false,
                };
                let answer = response.answer(&link);
                let delegate = answer.delegate.as_ref().map(Certificate::subject);
                assert_eq!(delegate.as_deref(), Some("CN=responder,C=VN"), "{more:?}: {:?}", answer.status);
                Some(answer.status)
            })
            .collect();
        let Some(statuses) = statuses else { return };
        assert_eq!(statuses[0], Status::Good, "{more:?}");
        assert!(is_revoked(&statuses[1]), "{more:?}: {statuses:?}");
        assert!(is_unknown(&statuses[2]), "{more:?}: {statuses:?}");
    }
}
