//! Canonical octets of random documents, against libxml2's (the program `xmllint`). More documents than the gate has:
//! `XML_SIG_DOCUMENTS=100000 cargo test -p xml-sig differential`, with another `XML_SIG_SEED`.

use std::io::BufReader;
use std::path::Path;
use std::process::Command;

use xml_sig::{Form, Limits, Method, ReadError, ReadOptions, canonicalise};

use crate::generate::document::{Settings, document};
use crate::generate::random::Random;

const SEED: u64 = 0x5EED_0401;
const DOCUMENTS: u64 = 2_000;
/// Documents to one process.
const BATCH: u64 = 250;
/// Stands between two documents of a batch: no document has such an element.
const SEPARATOR: &str = "<separator.separator></separator.separator>";

/// A number that the environment may set.
#[expect(clippy::disallowed_methods, reason = "how much to test is no setting of the gateway")]
pub(crate) fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// What we write, the same in pieces of any size.
fn ours(document: &str, form: &Form) -> Vec<u8> {
    let canonical = |chunk| -> Result<Vec<u8>, ReadError> {
        let limits = Limits::default();
        let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
        let mut octets = Vec::new();
        let mut input = BufReader::with_capacity(chunk, document.as_bytes());
        canonicalise(&mut input, &options, form, &mut octets)?;
        Ok(octets)
    };
    let whole = canonical(document.len()).unwrap_or_else(|error| panic!("{error}: {document:?}"));
    for chunk in [1, 7, 64 << 10] {
        assert_eq!(canonical(chunk).unwrap(), whole, "pieces of {chunk}: {document:?}");
    }
    whole
}

/// What libxml2 writes, comments too; or `None` without the program.
fn theirs(folder: &Path, option: &str, documents: &[String]) -> Option<Vec<String>> {
    std::fs::write(folder.join("separator"), SEPARATOR).unwrap();
    let mut command = Command::new("xmllint");
    command.current_dir(folder).arg(option);
    for (number, document) in documents.iter().enumerate() {
        let name = number.to_string();
        std::fs::write(folder.join(&name), document).unwrap();
        command.arg(name).arg("separator");
    }
    let output = match command.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("SKIPPED: xmllint absent");
            return None;
        }
        output => output.unwrap(),
    };
    let written = String::from_utf8(output.stdout).unwrap();
    let written: Vec<String> = written.split(SEPARATOR).map(str::to_owned).collect();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(written.len(), documents.len() + 1, "xmllint: {said}");
    Some(written)
}

/// Whether the program was there.
fn compare(folder: &Path, seed: u64, numbers: std::ops::Range<u64>) -> bool {
    let settings = Settings::default();
    let documents: Vec<_> =
        numbers.clone().map(|number| document(&mut Random::of(seed, number), &settings)).collect();
    let plain: Vec<String> = documents.iter().map(|document| document.text.clone()).collect();
    let bare: Vec<String> = documents.iter().map(|document| document.without_comments()).collect();
    for (method, option) in
        [(Method::Inclusive, "--c14n"), (Method::Inclusive11, "--c14n11"), (Method::Exclusive, "--exc-c14n")]
    {
        for comments in [true, false] {
            let form = Form { method, comments, ..Form::default() };
            // In Canonical XML 1.1 libxml2 takes `xml:base=""` out of elements that are no apex (section 2.4 does not).
            let renamed = |texts: &Vec<String>| -> Vec<String> {
                let base = if method == Method::Inclusive11 { "xml:base" } else { "no such thing" };
                texts.iter().map(|text| text.replace(base, "xml:bare")).collect()
            };
            let Some(theirs) = theirs(folder, option, &renamed(if comments { &plain } else { &bare })) else {
                return false;
            };
            for ((number, document), expected) in numbers.clone().zip(&renamed(&plain)).zip(theirs) {
                let got = String::from_utf8(ours(document, &form)).unwrap();
                assert_eq!(got, expected, "{form:?}, seed {seed:#x}, document {number}: {document:?}");
            }
        }
    }
    true
}

#[test]
fn canonical_octets_equal_those_of_libxml2() {
    let seed = from_environment("XML_SIG_SEED", SEED);
    let count = from_environment("XML_SIG_DOCUMENTS", DOCUMENTS);
    println!("seed {seed:#x}, {count} documents");
    let folder = tempfile::tempdir().unwrap();
    let mut from = 0;
    while from < count {
        let to = count.min(from + BATCH);
        if !compare(folder.path(), seed, from..to) {
            return;
        }
        from = to;
    }
}

#[test]
fn escapes_in_namespace_uris_are_written_as_the_standard_says() {
    // libxml2 2.9 writes what stands in a namespace URI as it is, which is not even well-formed: no oracle for these.
    let document = "<a xmlns='u:a&amp;b' xmlns:q='u:&quot;&lt;&gt;&#9;'/>";
    for method in [Method::Inclusive, Method::Exclusive] {
        let got = ours(document, &Form { method, prefixes: vec!["q".to_owned()], ..Form::default() });
        let expected = r#"<a xmlns="u:a&amp;b" xmlns:q="u:&quot;&lt;>&#x9;"></a>"#;
        assert_eq!(String::from_utf8(got).unwrap(), expected);
    }
}

#[test]
fn what_is_written_is_its_own_canonical_form() {
    let seed = from_environment("XML_SIG_SEED", SEED);
    println!("seed {seed:#x}");
    let settings = Settings { awkward_uris: true, ..Settings::default() };
    for number in 0..500 {
        let document = document(&mut Random::of(seed, number), &settings);
        for method in [Method::Inclusive, Method::Exclusive] {
            let form = Form { method, comments: number % 2 == 0, ..Form::default() };
            let once = String::from_utf8(ours(&document.text, &form)).unwrap();
            let twice = String::from_utf8(ours(&once, &form)).unwrap();
            assert_eq!(twice, once, "{form:?}, seed {seed:#x}, document {number}");
        }
    }
}
