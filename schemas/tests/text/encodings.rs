//! Every letter in every encoding, both ways, and the corpus' samples.

use lienthong_schemas::text::{
    Converter, Encoding, Form, Source, Unconvertible, decode, detect, encode, nfc, source_of,
};
use proptest::prelude::*;

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
    /// Its decomposed (0) or half composed (1) form.
    fn code_points(&self, cell: usize) -> String {
        let point =
            |name: &str| u32::from_str_radix(name.trim_start_matches("U+"), 16).ok().and_then(char::from_u32);
        self.cells[cell].split_whitespace().map(|name| point(name).expect("a code point")).collect()
    }

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

fn read(bytes: &[u8], encoding: Encoding) -> Result<String, Unconvertible> {
    decode(bytes, Source { encoding, surface: false }, Form::Nfc)
}

/// Each byte as the Latin-1 character of its number, in UTF-8.
fn surface(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|b| char::from(*b)).collect::<String>().into_bytes()
}

#[test]
fn every_letter_is_read_as_the_table_has_it() {
    for row in rows() {
        let composed = row.letter.to_string();
        for encoding in OLD {
            let Some(bytes) = row.bytes(encoding) else { continue };
            assert_eq!(read(&bytes, encoding), Ok(composed.clone()), "{encoding:?}");
            let source = Source { encoding, surface: true };
            assert_eq!(decode(&surface(&bytes), source, Form::Nfc), Ok(composed.clone()), "{encoding:?}");
            let nfd = decode(&bytes, Source { encoding, surface: false }, Form::Nfd);
            assert_eq!(nfd, Ok(row.code_points(0)), "{encoding:?}");
        }
        for form in [0, 1] {
            assert_eq!(read(row.code_points(form).as_bytes(), Encoding::Utf8), Ok(composed.clone()));
        }
        let single = hex_bytes(&row.cells[8]);
        if !single.is_empty() {
            assert_eq!(read(&single, Encoding::Cp1258), Ok(composed.clone()));
        }
    }
    for (bytes, letter) in
        [(&b"Dd"[..], "Đ"), (b"dD", "Đ"), (b"a\\.", "a."), (b"a^\\'", "â'"), (b"a'?", "á?")]
    {
        assert_eq!(read(bytes, Encoding::Viqr).expect("VIQR"), letter);
    }
    assert_eq!(read(b"e\xb4\xaa\xb3a\xb0", Encoding::Tcvn5712).expect("VN1"), "ẹếà", "marks of their own");
    assert_eq!(read(b"A\xf9a\xd9", Encoding::Vni).expect("VNI"), "Áá", "marks in the other case");
}

#[test]
fn samples_are_read_from_bytes_and_surfaces() {
    for sample in samples() {
        let encoding = encoding_of(&sample.encoding).unwrap_or(Encoding::Utf8);
        assert_eq!(read(&sample.bytes, encoding).as_ref(), Ok(&sample.expected));
        if !sample.surface.is_empty() && sample.encoding != "viqr" {
            let source = source_of(encoding, sample.surface.as_bytes());
            assert!(source.surface);
            assert_eq!(decode(sample.surface.as_bytes(), source, Form::Nfc).as_ref(), Ok(&sample.expected));
        }
        assert!(!source_of(encoding, &sample.bytes).surface, "{}", sample.source);
    }
}

#[test]
fn fonts_of_capitals_make_every_letter_one() {
    assert_eq!(read(b"C\xe9ng h\xdfa", Encoding::Tcvn3Capitals).expect("TCVN3"), "CỘNG HÒA");
    assert_eq!(encode("CỘNG HÒA", Encoding::Tcvn3Capitals).expect("capitals"), b"C\xe9NG H\xdfA");
    assert!(encode("Cộng", Encoding::Tcvn3Capitals).is_err());
}

#[test]
fn what_cannot_be_read_is_named_by_its_place() {
    for (bytes, encoding, at, bad) in [
        (&b"C\xe9ng \xe0"[..], Encoding::Tcvn3, 5, &b"\xe0"[..]),
        (b"\xc0", Encoding::Tcvn3, 0, b"\xc0"),
        (b"abc\xe4", Encoding::Vni, 3, b"\xe4"),
        (b"Co\xe4ng b\xf9", Encoding::Vni, 7, b"\xf9"),
        (b"ba\xc3", Encoding::Viqr, 2, b"\xc3"),
        (b"ba\x8a", Encoding::Cp1258, 2, b"\x8a"),
        (b"ba\xc3", Encoding::Utf8, 2, b"\xc3"),
        (b"\xff\xfea\0\0\xd8", Encoding::Utf16Le, 4, b"\0\xd8"),
        (b"\xff\xfea", Encoding::Utf16Le, 2, b"a"),
    ] {
        let expected = Unconvertible::Bytes { offset: at, bytes: bad.to_vec(), encoding };
        assert_eq!(read(bytes, encoding), Err(expected));
    }
    let source = Source { encoding: Encoding::Tcvn3, surface: true };
    let fault = decode("– Céng Å".as_bytes(), source, Form::Nfc).expect_err("U+00C5 is no byte of TCVN3");
    let at = "– Céng ".len() as u64;
    assert_eq!(fault, Unconvertible::Bytes { offset: at, bytes: vec![0xc5], encoding: Encoding::Tcvn3 });
}

#[test]
fn a_row_of_marks_without_end_is_refused() {
    let utf8 = Source { encoding: Encoding::Utf8, surface: false };
    let marks = |bytes: usize| format!("a{}", "\u{301}".repeat(bytes / 2));
    assert!(decode(marks(Converter::MARKS_BYTES_MAX - 2).as_bytes(), utf8, Form::Nfc).is_ok());
    let fault = decode(marks(Converter::MARKS_BYTES_MAX).as_bytes(), utf8, Form::Nfc).expect_err("too many");
    assert!(matches!(fault, Unconvertible::Marks { .. }), "{fault}");
}

/// Text that every encoding has: small letters, đ, digits and signs.
fn shared_text() -> impl Strategy<Value = String> {
    let letters: Vec<char> = rows().into_iter().map(|row| row.letter).filter(|c| c.is_lowercase()).collect();
    let plain: Vec<char> = (' '..='~').chain(['\n', '\t']).collect();
    let one = prop_oneof![prop::sample::select(letters), prop::sample::select(plain)];
    prop::collection::vec(one, 0..60).prop_map(|chars| chars.into_iter().collect())
}

fn any_encoding() -> impl Strategy<Value = Encoding> {
    let unicode = [Encoding::Utf8, Encoding::Utf16Le, Encoding::Utf16Be];
    prop::sample::select(OLD.into_iter().chain(unicode).collect::<Vec<_>>())
}

#[test]
fn the_first_fault_is_told_however_the_input_is_cut() {
    let source = Source { encoding: Encoding::Utf8, surface: true };
    let bytes = [0xc2, 0x80, 0, 0, 0x80, 0];
    let whole = decode(&bytes, source, Form::Nfc).expect_err("a lone continuation byte on the surface");
    assert!(matches!(whole, Unconvertible::Bytes { offset: 0, .. }), "{whole}");
    let mut converter = Converter::new(source, Form::Nfc);
    let in_pieces = bytes.chunks(1).try_for_each(|piece| converter.push(piece, &mut String::new()));
    assert_eq!(in_pieces, Err(whole));
}

#[test]
fn a_letter_of_viqr_takes_no_mark_of_the_next() {
    for text in ["dđ", "DĐ", "ddđ", "đd", "đđ", "dddđd", "d\\đ", "adđa"] {
        let bytes = encode(text, Encoding::Viqr).expect("VIQR has every letter");
        let source = Source { encoding: Encoding::Viqr, surface: false };
        assert_eq!(decode(&bytes, source, Form::Nfc).as_deref(), Ok(text), "{}", bytes.escape_ascii());
    }
}

proptest! {
    #[test]
    fn writing_and_reading_gives_the_same(text in shared_text(), encoding in any_encoding()) {
        let text = if encoding == Encoding::Tcvn3Capitals { text.to_uppercase() } else { text };
        let Ok(bytes) = encode(&text, encoding) else {
            prop_assert!(matches!(encoding, Encoding::Tcvn3Capitals), "{text} in {encoding:?}");
            return Ok(());
        };
        prop_assert_eq!(read(&bytes, encoding), Ok(text));
    }

    #[test]
    fn what_can_be_written_of_any_text_reads_back_composed(text in any::<String>(), encoding in any_encoding()) {
        if let Ok(bytes) = encode(&text, encoding) && !text.starts_with('\u{feff}') {
            prop_assert_eq!(read(&bytes, encoding), Ok(nfc(&text).into_owned()));
        }
    }

    #[test]
    fn pieces_give_what_the_whole_gives(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        piece in 1..9_usize,
        encoding in any_encoding(),
        surface: bool,
    ) {
        let source = Source { encoding, surface };
        let mut text = String::new();
        let mut converter = Converter::new(source, Form::Nfc);
        let mut in_pieces = bytes.chunks(piece).try_for_each(|piece| converter.push(piece, &mut text));
        if in_pieces.is_ok() {
            in_pieces = converter.finish(&mut text);
        }
        prop_assert_eq!(in_pieces.map(|()| text), decode(&bytes, source, Form::Nfc));
    }

    #[test]
    fn decomposed_text_in_pieces_is_composed(text in shared_text(), piece in 1..9_usize) {
        let source = Source { encoding: Encoding::Utf8, surface: false };
        let nfd = decode(text.as_bytes(), source, Form::Nfd).expect("UTF-8");
        let mut composed = String::new();
        let mut converter = Converter::new(source, Form::Nfc);
        for piece in nfd.as_bytes().chunks(piece) {
            converter.push(piece, &mut composed).expect("UTF-8");
        }
        converter.finish(&mut composed).expect("UTF-8");
        prop_assert_eq!(composed, text);
    }

    #[test]
    fn any_bytes_can_be_judged(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(found) = detect(&bytes) {
            let _text = decode(&bytes, found.source, Form::Nfc);
        }
    }
}
