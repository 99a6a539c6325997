//! The verdicts of the shared corpus, made by other engines and other hands: its tables are read from its README.

use std::fs;
use std::io::{self, BufRead, BufReader, Cursor};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use xml_sig::{
    Authorities, Certificate, Crl, Form, Limits, Method, Places, ReadError, ReadOptions, Trust, XmlFault,
    canonicalise,
};

use crate::support::{judge_with, word};

/// The example is judged as it is, and once more as the program that was built beside this one.
#[path = "../../examples/verify/judge.rs"]
pub(crate) mod judge;

/// Sizes of the pieces that a document comes in, in bytes.
const CHUNKS: [usize; 3] = [1, 7, 64 << 10];

const EDXML: &str = "http://www.mic.gov.vn/TBT/QCVN_102_2016";
const PLACES: Places<'static> = Places {
    parents: &[&[(EDXML, "edXML")], &[(EDXML, "edXML"), (EDXML, "edXMLEnvelope"), (EDXML, "edXMLHeader")]],
    signed: &[
        &[("*", "edXML"), ("*", "edXMLEnvelope"), ("*", "edXMLHeader")],
        &[("*", "edXML"), ("*", "edXMLEnvelope"), ("*", "edXMLBody")],
        &[("*", "edXML"), ("*", "AttachmentEncoded")],
    ],
};

/// Rows whose verdict we do not share, each with the reason. They must disagree for as long as they stand here.
const DISAGREEMENTS: [(&str, &str); 0] = [];

/// A row of the README's table.
pub(crate) struct Row {
    file: String,
    verdict: String,
    key: String,
}

impl Row {
    /// Whether an outcome is what the row asks for, or the row is one that we do not share.
    fn settle(&self, is_right: bool, got: &str) {
        let listed = DISAGREEMENTS.iter().find(|(file, _)| *file == self.file);
        match listed {
            None => assert!(is_right, "{}: {got} instead of {}", self.file, self.verdict),
            Some((file, reason)) => assert!(!is_right, "{file} agrees by now: {reason}"),
        }
    }
}

fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/xmldsig");
    if !folder.is_dir() {
        println!("SKIPPED: corpus absent");
        return None;
    }
    Some(folder)
}

fn rows(folder: &Path, prefix: &str) -> Vec<Row> {
    let text = fs::read_to_string(folder.join("README.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with(&format!("| {prefix}/")));
    rows.map(|line| {
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().to_owned()).collect();
        Row { file: cells[1].clone(), verdict: cells[3].clone(), key: cells[4].clone() }
    })
    .collect()
}

fn certificates(file: &Path) -> Vec<Certificate> {
    Certificate::from_pem(&fs::read(file).unwrap()).unwrap()
}

#[test]
fn attacks_get_the_verdicts_that_the_corpus_asks_for() {
    let Some(folder) = folder() else { return };
    let rows = rows(&folder, "attacks");
    assert!(rows.len() >= 40, "the table has {} rows", rows.len());
    let authorities = Arc::new(Authorities {
        anchors: certificates(&folder.join("keys/ca.crt")),
        crls: Crl::from_pem(&fs::read(folder.join("keys/ca.crl")).unwrap()).unwrap(),
        ..Authorities::default()
    });
    for row in rows {
        let document = fs::read(folder.join(&row.file)).unwrap();
        let trust = Trust {
            signers: Arc::new(certificates(&folder.join(&row.key)).into()),
            authorities: authorities.clone(),
            at: "2026-11-23T00:00:00Z".parse().unwrap(),
            legacy_sha1: row.verdict == "legacy",
        };
        let got = judge_everywhere(&document, &PLACES, &trust);
        let right = match row.verdict.as_str() {
            "valid" | "valid-read-whole" | "valid-but-malleable" | "legacy" => got == "valid",
            "unsupported" => got.starts_with("unusable") || got == "unreadable encoding",
            _ => got != "valid",
        };
        row.settle(right, &got);
        if let Some(why) = reason(&row.file) {
            assert!(got.starts_with(why), "{}: {got} instead of {why}", row.file);
        }
    }
}

/// The verdict's words, or those of the reader's fault; the same whatever the size of the pieces.
pub(crate) fn judge_everywhere(document: &[u8], places: &Places<'_>, trust: &Trust) -> String {
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let mut words = CHUNKS.map(|size| match judge_with(document, size, places, &options, trust) {
        Ok((verdict, _)) => word(&verdict),
        Err(ReadError::Xml(error)) => format!("unreadable {}", error.fault.code()),
        Err(other) => panic!("{other}"),
    });
    assert!(words.windows(2).all(|pair| pair[0] == pair[1]), "chunk sizes disagree: {words:?}");
    std::mem::take(&mut words[0])
}

/// The reason that we want for some of them: a refusal for another one could be luck.
fn reason(file: &str) -> Option<&'static str> {
    Some(match file.trim_start_matches("attacks/").get(..3)? {
        "a01" | "x05" | "a13" => "invalid",
        "a03" | "c13" | "c15" => "invalid signature-value",
        "a05" => "invalid foreign-signer",
        "a09" => "absent",
        "a07" | "a11" | "a15" => "invalid structure",
        "x07" => "invalid coverage",
        "x09" | "x11" | "x15" | "x21" | "c01" | "c03" => "invalid forbidden",
        "c05" => "invalid key-mismatch",
        "c07" => "invalid expired",
        "c09" | "c11" => "invalid key-usage",
        "c17" => "invalid relative-namespace",
        "x17" => "invalid limit",
        "s13" => "unreadable encoding",
        "s01" | "s03" | "s05" => "unreadable doctype",
        "s21" => "valid",
        other if other.starts_with('s') => "unreadable",
        _ => return None,
    })
}

#[test]
fn interop_vectors_get_the_verdicts_that_the_corpus_asks_for() {
    let Some(folder) = folder() else { return };
    let rows = rows(&folder, "interop");
    assert!(rows.len() >= 90, "the table has {} rows", rows.len());
    for row in rows {
        let (document, key) = (folder.join(&row.file), folder.join(&row.key));
        for legacy_sha1 in [false, true] {
            let (exit, lines) = answer(&fs::read(&document).unwrap(), &fs::read(&key).unwrap(), legacy_sha1);
            let right = match row.verdict.as_str() {
                "valid" => exit == judge::VALID,
                "legacy" if legacy_sha1 => exit == judge::VALID,
                "legacy" | "unsupported" => exit == judge::NOT_JUDGED,
                _ => exit == judge::REFUSED || exit == judge::NOT_JUDGED,
            };
            row.settle(right, &format!("{exit} (legacy {legacy_sha1}): {lines:#?}"));
            if let Some(program) = example("verify") {
                let (key, document) = (key.to_str().unwrap(), document.to_str().unwrap());
                let mut arguments = vec![document, if legacy_sha1 { "--cert" } else { "--pubkey" }, key];
                arguments.extend(legacy_sha1.then_some("--legacy-sha1"));
                let output = Command::new(program).args(arguments).output().unwrap();
                assert_eq!(output.status.code(), Some(exit.into()), "the program, for {}", row.file);
            }
        }
    }
}

/// What the example says, whatever the size of the pieces that it reads.
pub(crate) fn answer(document: &[u8], key: &[u8], legacy_sha1: bool) -> (u8, Vec<String>) {
    let Ok(key) = judge::key(key) else { return (judge::NOT_JUDGED, vec!["no key".to_owned()]) };
    let document: Arc<[u8]> = document.into();
    let mut answers = Vec::new();
    for size in CHUNKS {
        let mut open = || -> io::Result<Box<dyn BufRead>> {
            Ok(Box::new(BufReader::with_capacity(size, Cursor::new(document.clone()))))
        };
        let answer = judge::judge(&mut open, key.clone(), legacy_sha1).unwrap();
        answers.push((answer.exit, answer.lines));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "chunk sizes disagree: {answers:#?}");
    answers.remove(0)
}

/// An example of the crate as a program. `cargo test` builds them, `cargo test --tests` does not.
pub(crate) fn example(name: &str) -> Option<PathBuf> {
    let ours = std::env::current_exe().unwrap();
    let program = ours.parent().and_then(Path::parent).unwrap().join("examples").join(name);
    if program.is_file() {
        return Some(program);
    }
    println!("SKIPPED: the example {name} was not built");
    None
}

/// The canonical form of a document, whatever the size of the pieces that it comes in.
pub(crate) fn canonical(document: &[u8], form: &Form) -> Result<Vec<u8>, XmlFault> {
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let mut outcomes = Vec::new();
    for size in CHUNKS {
        let mut octets = Vec::new();
        let mut input = BufReader::with_capacity(size, document);
        outcomes.push(match canonicalise(&mut input, &options, form, &mut octets) {
            Ok(()) => Ok(octets),
            Err(ReadError::Xml(error)) => Err(error.fault),
            Err(other) => panic!("{other}"),
        });
    }
    assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]), "chunk sizes disagree");
    outcomes.remove(0)
}

pub(crate) fn form(method: Method, comments: bool) -> Form {
    Form { method, comments, ..Form::default() }
}

#[test]
fn canonical_forms_are_those_of_the_corpus() {
    let Some(folder) = folder() else { return };
    let rows = rows(&folder, "c14n");
    assert!(rows.len() >= 12, "the table has {} rows", rows.len());
    for row in rows {
        let (input, output) = row.file.split_once(" -> ").unwrap();
        let document = fs::read(folder.join(input)).unwrap();
        if output == ".inc / .exc" {
            for (ending, method) in [("inc", Method::Inclusive), ("exc", Method::Exclusive)] {
                let wanted = fs::read(folder.join(input).with_extension(ending)).unwrap();
                let got = canonical(&document, &form(method, false));
                row.settle(got.as_ref() == Ok(&wanted), &format!("{ending}: {got:?}"));
            }
            continue;
        }
        let form = form(Method::Inclusive, row.verdict.contains("comments"));
        // The profile has no DOCTYPE. Where it adds nothing, the rest must come out as the recommendation has it.
        assert_eq!(canonical(&document, &form), Err(XmlFault::Doctype), "{input}");
        if let Some(bare) = without_bare_doctype(&document) {
            let wanted = fs::read(folder.join("c14n").join(output)).unwrap();
            let got = canonical(&bare, &form);
            row.settle(got.as_ref() == Ok(&wanted), &format!("{got:?}"));
        }
    }
}

/// The document without a DOCTYPE that has no declarations inside.
fn without_bare_doctype(document: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(document).unwrap();
    let (before, rest) = text.split_once("<!DOCTYPE")?;
    let (doctype, after) = rest.split_once('>')?;
    (!doctype.contains('[')).then(|| format!("{before}{after}").into_bytes())
}
