//! Every letter in every encoding, both ways, and the corpus' samples.

use lienthong_schemas::text::{Encoding, encode};

use crate::{hex_bytes, samples};

/// A row of the table beside the code.
pub(crate) struct Row {
    pub(crate) letter: char,
    cells: Vec<String>,
}

pub(crate) fn rows() -> Vec<Row> {
    let table = include_str!("../../data/encodings/letters.tsv");
    let row = |line: &str| {
        let mut cells = line.split('\t').map(str::to_owned);
        let letter = cells.next().and_then(|c| c.chars().next()).expect("a letter");
        Row { letter, cells: cells.collect() }
    };
    let rows: Vec<Row> = table.lines().skip(1).map(row).collect();
    assert_eq!(rows.len(), 134);
    rows
}

impl Row {
    /// The letter's bytes; `None` where the encoding lacks it.
    pub(crate) fn bytes(&self, encoding: Encoding) -> Option<Vec<u8>> {
        let cell = match encoding {
            Encoding::Tcvn3 => 2,
            Encoding::Tcvn3Capitals => 3,
            Encoding::Tcvn5712 => 4,
            Encoding::Vni => 5,
            Encoding::Viqr => return Some(self.cells[6].clone().into_bytes()),
            Encoding::Cp1258 => 7,
            other => unreachable!("{other:?} is no old encoding"),
        };
        Some(hex_bytes(&self.cells[cell])).filter(|bytes| !bytes.is_empty())
    }
}

const OLD: [Encoding; 6] = [
    Encoding::Tcvn3,
    Encoding::Tcvn3Capitals,
    Encoding::Tcvn5712,
    Encoding::Vni,
    Encoding::Viqr,
    Encoding::Cp1258,
];

/// The corpus' name of an old encoding.
pub(crate) fn encoding_of(name: &str) -> Option<Encoding> {
    Some(match name {
        "tcvn3" => Encoding::Tcvn3,
        "tcvn5712-vn1" => Encoding::Tcvn5712,
        "vni-windows" => Encoding::Vni,
        "viqr" => Encoding::Viqr,
        "windows-1258" => Encoding::Cp1258,
        _ => return None,
    })
}

#[test]
fn every_letter_is_written_as_the_table_has_it() {
    for row in rows() {
        for encoding in OLD {
            let written = encode(&row.letter.to_string(), encoding).ok();
            let expected = match (encoding, row.bytes(encoding)) {
                // Capitals without tones have bytes of their own.
                (Encoding::Tcvn3Capitals, None) => {
                    row.bytes(Encoding::Tcvn3).filter(|_| row.letter.is_uppercase())
                }
                (_, bytes) => bytes,
            };
            assert_eq!(written, expected, "{} in {encoding:?}", row.letter);
        }
    }
}

#[test]
fn samples_are_written_as_they_stand_in_the_corpus() {
    for sample in samples() {
        let Some(encoding) = encoding_of(&sample.encoding) else { continue };
        let written = encode(&sample.source, encoding);
        if sample.fidelity == "exact" {
            assert_eq!(written, Ok(sample.bytes), "{}", sample.source);
        } else {
            assert!(written.is_err(), "{encoding:?} has no capitals for {}", sample.source);
            assert_eq!(encode(&sample.expected, encoding), Ok(sample.bytes), "{}", sample.expected);
        }
    }
}

#[test]
fn viqr_escapes_what_would_be_read_as_marks() {
    for (text, viqr) in [
        ("ba.", "ba\\."),
        ("bá.", "ba'."),
        ("â'", "a^\\'"),
        ("add", "ad\\d"),
        ("đd Dd", "ddd D\\d"),
        ("a(b)?", "a\\(b)?"),
        ("\\ là?", "\\\\ la`?"),
    ] {
        assert_eq!(encode(text, Encoding::Viqr).expect("VIQR"), viqr.as_bytes(), "{text}");
    }
}

#[test]
fn a_letter_that_an_encoding_lacks_is_named() {
    let fault = encode("Ủy ban", Encoding::Tcvn3).expect_err("no such capital");
    assert_eq!((fault.character, fault.offset), ('Ủ', 0));
    let fault = encode("số €", Encoding::Viqr).expect_err("not ASCII");
    assert_eq!((fault.character, fault.offset), ('€', "số ".len()));
}
