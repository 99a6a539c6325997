//! The verdicts of the shared corpus, made by other engines and other hands.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::x509::X509;
use xml_sig::{Authorities, Certificate, Crl, Limits, Places, ReadError, ReadOptions, Signers, Trust};

use crate::support::{ec, judge_with, word};

const EDXML: &str = "http://www.mic.gov.vn/TBT/QCVN_102_2016";
const PLACES: Places<'static> = Places {
    parents: &[&[(EDXML, "edXML")], &[(EDXML, "edXML"), (EDXML, "edXMLEnvelope"), (EDXML, "edXMLHeader")]],
    signed: &[
        &[(EDXML, "edXML"), (EDXML, "edXMLEnvelope")],
        &[(EDXML, "edXML"), (EDXML, "AttachmentEncoded")],
    ],
};

fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/xmldsig");
    if !folder.is_dir() {
        println!("SKIPPED: corpus absent");
        return None;
    }
    Some(folder)
}

/// (file, verdict, key) of each row of the README's table for a folder.
fn rows(folder: &Path, prefix: &str) -> Vec<(String, String, String)> {
    let text = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with(&format!("| {prefix}/")));
    rows.map(|line| {
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().to_owned()).collect();
        (cells[1].clone(), cells[3].clone(), cells[4].clone())
    })
    .collect()
}

fn certificates(file: &Path) -> Vec<Certificate> {
    std::fs::read(file).ok().and_then(|pem| Certificate::from_pem(&pem).ok()).unwrap_or_default()
}

/// As [`certificates`]; a bare public key gets a certificate made for it.
fn pins(file: &Path) -> Vec<Certificate> {
    let bare = std::fs::read(file).ok().and_then(|pem| PKey::public_key_from_pem(&pem).ok());
    let Some(key) = bare else { return certificates(file) };
    let mut builder = X509::builder().unwrap();
    builder.set_not_before(&Asn1Time::from_str("20000101000000Z").unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_str("20300101000000Z").unwrap()).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.sign(&ec().key, MessageDigest::sha256()).unwrap();
    vec![Certificate::from_der(&builder.build().to_der().unwrap()).unwrap()]
}

/// The verdict's words; the same at every chunk size.
fn judge(document: &[u8], places: &Places<'_>, trust: &Trust) -> String {
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let mut words = Vec::new();
    for chunk in [1, 7, 64 << 10] {
        words.push(match judge_with(document, chunk, places, &options, trust) {
            Ok((verdict, _)) => word(&verdict),
            Err(ReadError::Xml(error)) => format!("unreadable {}", error.fault.code()),
            Err(other) => panic!("{other}"),
        });
    }
    assert!(words.windows(2).all(|pair| pair[0] == pair[1]), "chunk sizes disagree: {words:?}");
    words.remove(0)
}

#[test]
fn attacks_get_the_verdicts_that_the_corpus_asks_for() {
    let Some(folder) = folder() else { return };
    let rows = rows(&folder, "attacks");
    assert!(rows.len() >= 40, "the table has {} rows", rows.len());
    for (file, expected, key) in rows {
        let document = std::fs::read(folder.join(&file)).unwrap();
        let authorities = Authorities {
            anchors: certificates(&folder.join("keys/ca.crt")),
            crls: Crl::from_pem(&std::fs::read(folder.join("keys/ca.crl")).unwrap()).unwrap(),
        };
        let trust = Trust {
            signers: Arc::new(certificates(&folder.join(key)).into()),
            authorities: Arc::new(authorities),
            at: "2026-11-23T00:00:00Z".parse().unwrap(),
            legacy_sha1: false,
        };
        let got = judge(&document, &PLACES, &trust);
        println!("{file}: {expected}: {got}");
        let name = file.trim_start_matches("attacks/");
        let wanted = match &name[..3] {
            "v01" | "v03" | "v05" | "v07" | "v09" | "v11" | "v13" | "s21" => "valid",
            "a01" | "x05" => "invalid",
            "a03" | "c13" | "c15" => "invalid signature-value",
            "a05" => "invalid foreign-signer",
            "a09" => "absent",
            "a07" | "x09" | "x11" => "invalid",
            "a11" | "a13" | "a15" => "invalid structure",
            "c01" | "c03" | "x15" => "invalid forbidden",
            "c05" => "invalid key-mismatch",
            "c07" => "invalid expired",
            "c09" | "c11" => "invalid key-usage",
            "c17" => "invalid relative-namespace",
            "x17" => "invalid limit",
            "s13" => "unreadable encoding",
            "s01" | "s03" | "s05" => "unreadable doctype",
            other if other.starts_with('s') => "unreadable",
            _ => "",
        };
        assert!(got.starts_with(wanted), "{file}: {got} instead of {wanted}");
        assert_eq!(got == "valid", wanted == "valid", "{file}: {got}");
        assert!(got != "valid" || expected.starts_with("valid"), "{file}: {got} instead of {expected}");
    }
}

/// The places of documents that are not edXML: the Signature may be a child of whatever root they have.
fn root_of(document: &[u8]) -> Option<(String, String)> {
    struct Root(Option<(String, String)>);
    impl xml_sig::Observer for Root {
        fn start(&mut self, tag: &xml_sig::StartTag<'_>) -> Result<(), xml_sig::Stop> {
            self.0.get_or_insert((tag.name.namespace.to_owned(), tag.name.local.to_owned()));
            Ok(())
        }
        fn text(&mut self, _: &str) -> Result<(), xml_sig::Stop> {
            Ok(())
        }
        fn end(&mut self, _: &xml_sig::Name<'_>) -> Result<(), xml_sig::Stop> {
            Ok(())
        }
    }
    let limits = Limits::default();
    let mut root = Root(None);
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let read = xml_sig::read(&mut &*document, &options, &mut root);
    read.ok().and(root.0)
}

#[test]
fn no_interop_vector_is_valid_that_the_corpus_does_not_call_so() {
    let Some(folder) = folder() else { return };
    let mut valid = Vec::new();
    for (file, expected, key) in rows(&folder, "interop") {
        let document = std::fs::read(folder.join(&file)).unwrap();
        let Some((namespace, local)) = root_of(&document) else { continue };
        let root = [(namespace.as_str(), local.as_str())];
        let places = Places { parents: &[&[], &root], signed: &[] };
        let signers: Arc<Signers> = Arc::new(pins(&folder.join(&key)).into());
        for (legacy_sha1, at) in
            [(true, "2026-11-23T00:00:00Z"), (true, "2005-01-01T00:00:00Z"), (false, "2013-01-01T00:00:00Z")]
        {
            let at = at.parse().unwrap();
            let trust = Trust { signers: signers.clone(), authorities: Arc::default(), at, legacy_sha1 };
            let got = judge(&document, &places, &trust);
            println!("{file}: {expected}: {got}");
            if got == "valid" {
                let allowed = expected == "valid" || (legacy_sha1 && expected == "legacy");
                assert!(allowed, "{file}: valid instead of {expected}");
                valid.push(file.clone());
            }
        }
    }
    for file in ["microsoft__rsa2048_sha256_c14n", "microsoft__rsa2048_sha1_c14n"] {
        let file = format!("interop/w3c-dsig11-{file}.xml");
        assert!(valid.contains(&file), "{file} is not valid: {valid:?}");
    }
}
