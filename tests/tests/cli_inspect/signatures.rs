//! What is said of the packet's signature: with nobody trusted, whether it fits the content and no more; else as `verify`.

use std::path::PathBuf;

use acceptance::letter;
use serde_json::Value;

use super::{Desk, corpus, json, packet, plain, run, said};

/// A packet signed by H55, and the PKI that it is of.
struct Signed {
    desk: Desk,
    file: PathBuf,
}

impl Signed {
    fn new() -> Self {
        let desk = Desk::new();
        let pki = desk.path("pki");
        let made = run(&["keygen", plain(&pki), "--organ", "H55"]);
        assert_eq!(made.status.code(), Some(0), "{}", acceptance::text(&made.stderr));
        let (letter, file) = (desk.packet(letter(1, &[1])), desk.path("signed.edxml"));
        let (key, certificate) = (desk.path("pki/H55.key"), desk.path("pki/H55.crt"));
        let (key, certificate) = (plain(&key), plain(&certificate));
        said(&["sign", plain(&letter), "--key", key, "--cert", certificate, "-o", plain(&file)]);
        Self { desk, file }
    }

    fn judged(&self, file: &str, more: &[&str]) -> Value {
        json(&[&[file], more].concat())["signature"].clone()
    }
}

#[test]
fn without_trust_a_signature_that_fits_says_nothing_of_its_signer() {
    let signed = Signed::new();
    let file = plain(&signed.file);
    let judged = signed.judged(file, &[]);
    assert_eq!(judged["verdict"], "intact");
    let checked = serde_json::json!({ "content": true, "signer": false, "revocation": false });
    assert_eq!(judged["checked"], checked);
    assert!(judged["signer"]["subject"].as_str().is_some_and(|subject| subject.contains("H55")), "{judged}");
    assert_eq!(judged["covers"], "the whole document");
    let page = said(&["inspect", file]);
    assert!(page.contains("KHỚP NỘI DUNG; người ký CHƯA XÉT") && !page.contains("  HỢP LỆ"), "{page}");
    assert!(page.contains("  Nơi cấp"), "{page}");

    let text = std::fs::read_to_string(&signed.file).expect("the packet");
    let tampered = signed.desk.path("tampered.edxml");
    std::fs::write(&tampered, text.replace("thử nghiệm số 1", "thử nghiệm số 9")).expect("written");
    let judged = signed.judged(plain(&tampered), &[]);
    assert_eq!((&judged["verdict"], &judged["why"]), (&"invalid".into(), &"digest".into()));
    assert_eq!(judged["checked"]["content"], false);
    let page = said(&["inspect", plain(&tampered)]);
    assert!(page.contains("KHÔNG HỢP LỆ: nội dung đã bị thay đổi sau khi ký"), "{page}");
    assert!(!page.contains("Nơi cấp"), "a certificate beside a bad signature is nobody's: {page}");
}

#[test]
fn with_trust_it_is_judged_as_verify_judges_it() {
    let signed = Signed::new();
    let file = plain(&signed.file);
    let (ca, certificate) = (signed.desk.path("pki/ca.crt"), signed.desk.path("pki/H55.crt"));
    let other = Signed::new();
    let stranger = other.desk.path("pki/ca.crt");
    for (trust, verdict, why) in [
        (vec!["--ca", plain(&ca)], "valid", None),
        (vec!["--cert", plain(&certificate)], "valid", None),
        (vec!["--ca", plain(&stranger)], "invalid", Some("untrusted")),
        (vec!["--ca", plain(&ca), "--at", "2001-01-01T00:00:00Z"], "invalid", Some("not-yet-valid")),
    ] {
        let judged = signed.judged(file, &trust);
        assert_eq!((judged["verdict"].as_str(), judged["why"].as_str()), (Some(verdict), why), "{trust:?}");
        let exit = run(&[&["verify", file], &trust[..]].concat()).status.code();
        assert_eq!(exit, Some(i32::from(verdict != "valid")), "{trust:?}");
    }
    let page = said(&["inspect", file, "--ca", plain(&ca)]);
    assert!(page.contains("  HỢP LỆ.") && page.contains("CHƯA xét thu hồi"), "{page}");
}

#[test]
fn what_is_no_signature_is_not_taken_for_one() {
    let bare = json(&[plain(&packet("document.edxml"))]);
    assert_eq!(bare["signature"]["verdict"], "absent");
    let signed = Signed::new();
    let text = std::fs::read_to_string(&signed.file).expect("the packet");
    for (old, new, verdict, why) in [
        (
            "http://www.w3.org/2000/09/xmldsig#",
            "http://www.mic.gov.vn/TBT/QCVN_102_2016",
            "wrong-namespace",
            "wrong-namespace",
        ),
        ("rsa-sha256", "rsa-strange", "unusable", "algorithm"),
        ("ecdsa-sha256", "ecdsa-strange", "unusable", "algorithm"),
    ] {
        if !text.contains(old) {
            continue;
        }
        let file = signed.desk.path("strange.edxml");
        std::fs::write(&file, text.replace(old, new)).expect("written");
        let judged = signed.judged(plain(&file), &[]);
        assert_eq!((&judged["verdict"], &judged["why"]), (&verdict.into(), &why.into()), "{old}");
        assert!(judged["why_vi"].is_string() && judged["signer"].is_null(), "{judged}");
    }
}

#[test]
fn no_certificate_in_the_packet_means_that_nothing_is_known() {
    let signed = Signed::new();
    let text = std::fs::read_to_string(&signed.file).expect("the packet");
    let (from, to) = (text.find("<ds:KeyInfo").or(text.find("<KeyInfo")), text.rfind("KeyInfo>"));
    let (from, to) = (from.expect("a KeyInfo"), to.expect("its end") + "KeyInfo>".len());
    let file = signed.desk.path("bare.edxml");
    std::fs::write(&file, format!("{}{}", &text[..from], &text[to..])).expect("written");
    let judged = signed.judged(plain(&file), &[]);
    assert_eq!(
        (&judged["verdict"], &judged["why"]),
        (&"unusable".into(), &"no-certificate".into()),
        "{judged}"
    );
}

#[test]
fn no_signature_of_the_corpus_fits() {
    for path in corpus() {
        let shown = json(&[plain(&path)]);
        let verdict = shown["signature"]["verdict"].as_str().unwrap_or("refused");
        assert!(
            ["absent", "wrong-namespace", "unusable", "refused"].contains(&verdict),
            "{verdict}: {}",
            path.display()
        );
    }
}
