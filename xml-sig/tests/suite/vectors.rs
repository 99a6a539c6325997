//! The crate's own vectors (`tests/vectors`, made by the script `make` there): they need no corpus beside the workspace.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use xml_sig::{Authorities, Certificate, Crl, Method, Places, Trust};

use crate::corpus::{answer, canonical, example, form, judge, judge_everywhere};
use crate::support::at;

const PACKET: &str = "urn:example:packet";
const PLACES: Places<'static> = Places {
    parents: &[&[(PACKET, "packet")], &[(PACKET, "packet"), (PACKET, "envelope"), (PACKET, "header")]],
    signed: &[&[(PACKET, "packet"), (PACKET, "envelope")], &[(PACKET, "packet"), (PACKET, "attachment")]],
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// The cells of each row of a table.
fn rows(table: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(folder().join(table)).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| line.split('\t').map(ToOwned::to_owned).collect()).collect()
}

fn certificates(name: &str) -> Vec<Certificate> {
    Certificate::from_pem(&fs::read(folder().join("keys").join(name)).unwrap()).unwrap()
}

/// With SHA-1 allowed or not, what a row's verdict means.
fn wanted(verdict: &str, legacy_sha1: bool) -> &str {
    match (verdict, legacy_sha1) {
        ("legacy", true) => "valid",
        ("legacy", false) => "unusable sha1",
        (verdict, _) => verdict,
    }
}

#[test]
fn packets_get_their_verdicts() {
    let authorities = Arc::new(Authorities {
        anchors: certificates("ca.crt"),
        crls: Crl::from_pem(&fs::read(folder().join("keys/ca.crl")).unwrap()).unwrap(),
        ..Authorities::default()
    });
    let mut wrong = Vec::new();
    let rows = rows("vectors.tsv").into_iter().filter(|row| row[0].starts_with("packets/"));
    for row in rows {
        let document = fs::read(folder().join(&row[0])).unwrap();
        for legacy_sha1 in [false, true] {
            let trust = Trust {
                signers: Arc::new(certificates(&row[2]).into()),
                authorities: authorities.clone(),
                at: at(),
                legacy_sha1,
            };
            let got = judge_everywhere(&document, &PLACES, &trust);
            let wanted = wanted(&row[1], legacy_sha1);
            // `invalid` without a code: several rules may be the first to see it.
            let right = got == wanted || (!wanted.contains(' ') && got.starts_with(&format!("{wanted} ")));
            if !right {
                wrong.push(format!(
                    "{} (legacy {legacy_sha1}): {got} instead of {wanted}: {}",
                    row[0], row[3]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn documents_of_any_kind_get_their_verdicts_with_a_key() {
    let mut wrong = Vec::new();
    let rows = rows("vectors.tsv").into_iter().filter(|row| row[0].starts_with("others/"));
    for row in rows {
        let (document, key) = (folder().join(&row[0]), folder().join("keys").join(&row[2]));
        for legacy_sha1 in [false, true] {
            let (exit, lines) = answer(&fs::read(&document).unwrap(), &fs::read(&key).unwrap(), legacy_sha1);
            let wanted = wanted(&row[1], legacy_sha1);
            let right = match wanted {
                "valid" => exit == judge::VALID && lines.iter().all(|line| line.starts_with("valid: ")),
                _ => exit != judge::VALID && lines.iter().any(|line| line.starts_with(wanted)),
            };
            if !right {
                wrong.push(format!(
                    "{} (legacy {legacy_sha1}): {lines:?} instead of {wanted}: {}",
                    row[0], row[3]
                ));
            }
        }
        if let Some(program) = example("verify") {
            let output = Command::new(program).arg(&document).arg("--pubkey").arg(&key).output().unwrap();
            let (exit, lines) = answer(&fs::read(&document).unwrap(), &fs::read(&key).unwrap(), false);
            assert_eq!(output.status.code(), Some(exit.into()), "{}", row[0]);
            assert_eq!(String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(), lines);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn canonical_forms_are_those_of_the_vectors() {
    let mut wrong = Vec::new();
    for row in rows("c14n.tsv") {
        let (document, octets) = (folder().join(&row[0]), fs::read(folder().join(&row[1])).unwrap());
        let method = if row[2].starts_with("exc") { Method::Exclusive } else { Method::Inclusive };
        let mut form = form(method, row[2].ends_with("-comments"));
        let list = "#default y p";
        if row[2] == "exc-list" {
            form.prefixes = list.split(' ').map(ToOwned::to_owned).collect();
        }
        let got = canonical(&fs::read(&document).unwrap(), &form);
        if got.as_ref() != Ok(&octets) {
            wrong.push(format!("{}: {got:?}", row[1]));
        }
        if let Some(program) = example("canonicalise") {
            let mut command = Command::new(program);
            command.arg(&document);
            command.args((method == Method::Exclusive).then_some("--exclusive"));
            command.args(form.comments.then_some("--with-comments"));
            command.args((row[2] == "exc-list").then_some(["--prefixes", list]).into_iter().flatten());
            assert_eq!(command.output().unwrap().stdout, octets, "the program, for {}", row[1]);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The program's other exit codes.
#[test]
fn the_example_tells_usage_and_files_from_verdicts() {
    let Some(program) = example("verify") else { return };
    let folder = folder();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let code = |arguments: &[&str]| Command::new(&program).args(arguments).output().unwrap().status.code();
    let (document, key) = (path("others/detached.xml"), path("keys/ec.pub"));
    assert_eq!(code(&[&document, "--pubkey", &key]), Some(0));
    assert_eq!(code(&["--cert", &path("keys/ec.crt"), &document]), Some(0), "in any order");
    assert_eq!(code(&[&document, "--pubkey", &path("keys/other.pub")]), Some(1));
    assert_eq!(code(&[&document, "--pubkey", &path("vectors.tsv")]), Some(2), "a file that is no key");
    assert_eq!(code(&[&document]), Some(3), "no key");
    assert_eq!(code(&[&document, "--pubkey", &path("keys/nobody.pub")]), Some(3));
    assert_eq!(code(&[&path("others/nothing.xml"), "--pubkey", &key]), Some(3));
    assert_eq!(code(&[&document, "--pubkey", &key, "--what"]), Some(3));
}

#[test]
fn the_tables_name_every_vector() {
    let named = rows("vectors.tsv").into_iter().map(|row| row[0].clone());
    let forms = rows("c14n.tsv").into_iter().flat_map(|row| [row[0].clone(), row[1].clone()]);
    let named: BTreeSet<String> = named.chain(forms).collect();
    let mut there = BTreeSet::new();
    for part in ["packets", "others", "c14n"] {
        for entry in fs::read_dir(folder().join(part)).unwrap() {
            there.insert(format!("{part}/{}", entry.unwrap().file_name().to_str().unwrap()));
        }
    }
    assert_eq!(named, there);
    assert!(named.len() >= 300, "{} files", named.len());
}
