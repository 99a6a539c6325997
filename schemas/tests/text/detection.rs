//! `--from auto`: right or refused, never wrong.

use lienthong_schemas::text::{Confidence, Encoding, Form, Source, Undetected, decode, detect, encode};

use crate::encodings::encoding_of;
use crate::samples;

const LETTER: &str = "Kính gửi: Bộ Thông tin và Truyền thông\nVề việc triển khai trục liên thông văn bản quốc gia, \
                      theo Quyết định số 28/2018/QĐ-TTg ngày 12 tháng 7 năm 2018, Văn phòng đề nghị các đơn vị thực hiện.\n";

fn found(bytes: &[u8]) -> Result<(Encoding, bool, Confidence), Undetected> {
    detect(bytes).map(|d| (d.source.encoding, d.source.surface, d.confidence))
}

#[test]
fn a_letter_is_recognised_in_every_encoding() {
    for encoding in [Encoding::Tcvn3, Encoding::Vni, Encoding::Viqr, Encoding::Cp1258] {
        let bytes = encode(LETTER, encoding).expect("encodable");
        assert_eq!(found(&bytes), Ok((encoding, false, Confidence::Likely)));
        if encoding != Encoding::Viqr {
            let surface: String = bytes.iter().map(|b| char::from(*b)).collect();
            assert_eq!(found(surface.as_bytes()), Ok((encoding, true, Confidence::Likely)));
            let marked = format!("\u{feff}{surface}");
            let source = Source { encoding, surface: true };
            assert_eq!(found(marked.as_bytes()), Ok((encoding, true, Confidence::Likely)));
            assert_eq!(decode(marked.as_bytes(), source, Form::Nfc).as_deref(), Ok(LETTER));
        }
    }
    let capitals = LETTER.to_uppercase();
    let vn1 = encode(&capitals, Encoding::Tcvn5712).expect("VN1 has all capitals");
    assert_eq!(found(&vn1), Ok((Encoding::Tcvn5712, false, Confidence::Likely)));
    assert_eq!(
        encode(&capitals, Encoding::Tcvn3Capitals).map(|b| found(&b)),
        Ok(found(b"C\xe9NG H\xdfA X\xb7"))
    );
    for utf8 in [LETTER.to_owned(), decode(LETTER.as_bytes(), UTF8, Form::Nfd).expect("UTF-8"), String::new()]
    {
        assert_eq!(found(utf8.as_bytes()), Ok((Encoding::Utf8, false, Confidence::Certain)));
    }
    for (mark, encoding) in [(&b"\xff\xfe"[..], Encoding::Utf16Le), (b"\xfe\xff", Encoding::Utf16Be)] {
        let bytes = [mark, &encode(LETTER, encoding).expect("Unicode")].concat();
        assert_eq!(found(&bytes), Ok((encoding, false, Confidence::Certain)));
        assert_eq!(decode(&bytes, Source { encoding, surface: false }, Form::Nfc).as_deref(), Ok(LETTER));
    }
    assert_eq!(found(b"\xef\xbb\xbfabc"), Ok((Encoding::Utf8, false, Confidence::Certain)));
    assert_eq!(found(b"plain ASCII, don't you know?"), Ok((Encoding::Utf8, false, Confidence::Certain)));
}

const UTF8: Source = Source { encoding: Encoding::Utf8, surface: false };

#[test]
fn what_is_not_certain_is_refused() {
    let ambiguous = |encodings: &[Encoding]| Err(Undetected::Ambiguous(encodings.to_vec()));
    assert_eq!(found(b"a\0b\0"), Err(Undetected::Binary));
    assert_eq!(
        found(b"Soci\xe9t\xe9 G\xe9n\xe9rale, pr\xe8s de l'H\xf4tel"),
        Err(Undetected::Unknown),
        "French"
    );
    assert_eq!(found(b"Stra\xdfe, Gr\xf6\xdfe, M\xfcller"), Err(Undetected::Unknown), "German");
    assert_eq!(found(b"\x89PNG\r\n\x1a\n\xff\xd8\xff"), Err(Undetected::Unknown));
    assert_eq!(found(b"C\xe9ng"), ambiguous(&[Encoding::Tcvn3]), "one word is not enough");
    assert_eq!(found(b"Ho^.i ngh"), ambiguous(&[Encoding::Utf8, Encoding::Viqr]));
}

#[test]
fn every_sample_is_right_or_refused() {
    let mut right = 0;
    for sample in samples() {
        let Ok(found) = detect(&sample.bytes) else { continue };
        let text = decode(&sample.bytes, found.source, Form::Nfc).expect("what was recognised can be read");
        // Letters alone in VIQR are ASCII with signs: nothing says that they are more.
        if found.source.encoding != Encoding::Utf8 || encoding_of(&sample.encoding).is_none() {
            assert_eq!(text, sample.expected, "{found:?} of {}", sample.encoding);
            right += 1;
        }
    }
    assert!(right == 0 || right >= 48, "{right} of 56");
}

/// A cut in the middle of a character or a word changes nothing.
#[test]
fn the_head_of_a_big_file_tells() {
    for encoding in [Encoding::Utf8, Encoding::Tcvn3, Encoding::Vni, Encoding::Cp1258, Encoding::Viqr] {
        let bytes = encode(&LETTER.repeat(600), encoding).expect("encodable");
        for length in (64 << 10)..(64 << 10) + 4 {
            assert_eq!(detect(&bytes[..length]).map(|d| d.source.encoding), Ok(encoding));
        }
    }
}
