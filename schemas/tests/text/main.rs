//! Vietnamese text through the public doors of the crate: what is odd about it, comparing, and the old encodings.

#![expect(clippy::print_stdout, reason = "tests say what they skip")]

mod detection;
mod encodings;
mod oddities;

use std::path::PathBuf;

/// A file of the corpus, or `None` with a word.
fn corpus(path: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus").join(path);
    if path.exists() {
        return Some(path);
    }
    println!("SKIPPED: corpus absent");
    None
}

/// A row of the corpus' samples: a sentence in one encoding.
struct Sample {
    encoding: String,
    bytes: Vec<u8>,
    surface: String,
    expected: String,
    source: String,
    fidelity: String,
}

/// All samples; none, with a word, without the corpus.
fn samples() -> Vec<Sample> {
    let Some(path) = corpus("encodings/samples.tsv") else { return Vec::new() };
    let table = std::fs::read_to_string(path).expect("the samples");
    let rows: Vec<Sample> = table.lines().skip(1).map(sample).collect();
    assert!(rows.len() >= 56);
    rows
}

fn sample(line: &str) -> Sample {
    let cells: Vec<&str> = line.split('\t').collect();
    let [_, encoding, hex, surface, expected, source, fidelity] = cells[..] else { unreachable!("{line}") };
    Sample {
        encoding: encoding.to_owned(),
        bytes: hex_bytes(hex),
        surface: surface.to_owned(),
        expected: expected.to_owned(),
        source: source.to_owned(),
        fidelity: fidelity.to_owned(),
    }
}

/// `61 F9` as bytes.
fn hex_bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect("a byte in hex")).collect()
}
