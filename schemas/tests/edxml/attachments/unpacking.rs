//! What a ZIP gives: the file that a receiver opens, or a word why not; whatever its form, its damage and its pieces.

use lienthong_schemas::edxml::{Attachment, FileKind, Packing};
use lienthong_schemas::ids::PacketDigest;
use proptest::prelude::*;

use super::archives::{Archive, DEFLATED, FORMS, Form, JAR, STORED, docx, jar, ods, one, two};
use super::{attached, keeping, of_attachments, packet};
use crate::read_in_pieces;

const TEXT: &[u8] = "Kính gửi: Sở Nội vụ.\n".as_bytes();

fn file(name: &str, bytes: &[u8]) -> (Packing, FileKind, PacketDigest, Vec<&'static str>) {
    let (attachment, codes) = attached(name, "", bytes);
    assert_eq!(attachment.packed.sha256, PacketDigest::of(bytes), "{name}");
    assert_eq!(attachment.packed.bytes, bytes.len() as u64, "{name}");
    (attachment.packing, attachment.file.kind, attachment.file.sha256, codes)
}

#[test]
fn every_form_of_zip_gives_the_file_in_it() {
    let long: Vec<u8> = (0..200_000_u32).flat_map(|n| (n / 3).to_le_bytes()).collect();
    for form in FORMS {
        for content in [&b""[..], b"x", TEXT, &long] {
            let archive = one(content, *form);
            let bytes = packet("a.txt", "", &archive);
            for piece in [7, 4096, 1 << 20] {
                let (envelope, _) = read_in_pieces(&bytes, piece).expect("a packet");
                let attachment = &envelope.claimed_content().attachments[0];
                let of = format!("{form:?}, {} bytes in pieces of {piece}", content.len());
                assert_eq!(attachment.packing, Packing::Zipped(1), "{of}");
                assert_eq!(attachment.file.sha256, PacketDigest::of(content), "{of}");
                assert_eq!(attachment.file.bytes, content.len() as u64, "{of}");
                assert_eq!(attachment.packed.sha256, PacketDigest::of(&archive), "{of}");
            }
        }
    }
}

#[test]
fn the_name_says_whether_a_zip_is_opened() {
    use FileKind as Kind;
    use Packing::{Bare, FirstOfSeveral, Zipped};
    let (text, pdf) = (TEXT, &b"%PDF-1.7"[..]);
    let several = "ATTACHMENT_SEVERAL_ENTRIES";
    let differs = "ATTACHMENT_TYPE_DIFFERS";
    let zipped = "ATTACHMENT_ZIPPED";
    for (name, archive, packing, kind, opened, expected) in [
        ("a.txt", jar(text), Zipped(1), Kind::Text, text.to_vec(), vec![zipped]),
        ("a", jar(text), Zipped(1), Kind::Text, text.to_vec(), vec![zipped]),
        ("a.pdf", jar(pdf), Zipped(1), Kind::Pdf, pdf.to_vec(), vec![zipped]),
        ("a.pdf", jar(text), Zipped(1), Kind::Text, text.to_vec(), vec![differs, zipped]),
        ("a.txt", jar(&jar(text)), Zipped(2), Kind::Text, text.to_vec(), vec![zipped]),
        ("a.zip", jar(text), Bare, Kind::Zip, jar(text), vec![]),
        ("a.ZIP ", two(text, pdf), Bare, Kind::Zip, two(text, pdf), vec!["BLANKS_TRIMMED"]),
        ("a.jar", jar(text), Bare, Kind::Zip, jar(text), vec![]),
        ("a.docx", docx(), Bare, Kind::Docx, docx(), vec![]),
        ("a.docx", jar(&docx()), Zipped(1), Kind::Docx, docx(), vec![zipped]),
        ("a.zip", jar(&docx()), Bare, Kind::Zip, jar(&docx()), vec![]),
        ("a.ods", ods(), Bare, Kind::Ods, ods(), vec![]),
        ("a.ods", jar(&ods()), Zipped(1), Kind::Ods, ods(), vec![zipped]),
        ("a.xlsx", two(text, pdf), Bare, Kind::Zip, two(text, pdf), vec![]),
        ("a.doc", docx(), Bare, Kind::Docx, docx(), vec![differs]),
        ("a.txt", two(text, pdf), FirstOfSeveral(1), Kind::Text, text.to_vec(), vec![several]),
        ("a.txt", jar(&two(text, pdf)), FirstOfSeveral(2), Kind::Text, text.to_vec(), vec![several]),
        ("a.txt", two(&jar(text), pdf), FirstOfSeveral(1), Kind::Zip, jar(text), vec![several, differs]),
    ] {
        let of = format!("{name} {packing:?}");
        assert_eq!(file(name, &archive), (packing, kind, PacketDigest::of(&opened), expected), "{of}");
        let kept = keeping(&packet(name, "", &archive));
        let layer = attached(name, "", &archive).0.layer();
        assert_eq!(kept.layers[&(0, layer)], opened, "{of}");
    }
}

#[test]
fn an_attachment_without_an_ending_goes_by_its_format() {
    let bytes = String::from_utf8(packet("bao-cao", "", &jar(TEXT))).expect("UTF-8");
    for (format, packing) in [("txt", Packing::Zipped(1)), ("zip", Packing::Bare)] {
        let told =
            bytes.replacen("<ContentTransfer", &format!("<Format>{format}</Format><ContentTransfer"), 1);
        let told = if told == bytes {
            bytes.replacen(
                "<edXML:ContentTransfer",
                &format!("<Format>{format}</Format><edXML:ContentTransfer"),
                1,
            )
        } else {
            told
        };
        let (envelope, _) = read_in_pieces(told.as_bytes(), 4096).expect("a packet");
        assert_eq!(envelope.claimed_content().attachments[0].packing, packing, "{format}");
    }
}

fn is_left(archive: &[u8], why: &str) {
    let told = file("a.zip", archive);
    let sha256 = PacketDigest::of(archive);
    assert_eq!(
        told,
        (Packing::Unreadable, FileKind::Zip, sha256, vec!["ATTACHMENT_ZIP_UNREADABLE"]),
        "{why}"
    );
    let (envelope, _) = read_in_pieces(&packet("a.zip", "", archive), 4096).expect("a packet");
    let remarks = envelope.claimed_content().findings.remarks();
    let remark = remarks.iter().find(|r| r.finding.code() == "ATTACHMENT_ZIP_UNREADABLE").expect("a finding");
    assert_eq!(remark.field, "AttachmentEncoded/Attachment[1]/ContentTransferEncoded");
    assert_eq!(remark.detail, why);
}

#[test]
fn what_cannot_be_read_is_left_as_it_is() {
    let form = |form| one(TEXT, form);
    let told = |entries| {
        let archive = Archive { entries_told: Some(entries), ..Archive::default() };
        archive.with("1", TEXT, JAR).finish()
    };
    let other_data = |method, described| {
        let mut archive = one(TEXT, Form { method, described, ..STORED });
        let at = archive.windows(5).position(|w| w == b"K\xc3\xadnh").unwrap_or(42);
        archive[at] ^= 1;
        archive
    };
    is_left(&form(Form { flags: 1, ..DEFLATED }), "it is encrypted");
    is_left(&form(Form { flags: 0x41, ..DEFLATED }), "it is encrypted");
    is_left(&form(Form { flags: 1 << 13, ..DEFLATED }), "it is encrypted");
    is_left(&form(Form { method: 12, ..STORED }), "its compression is not read");
    is_left(&form(Form { described: Some(true), ..STORED }), "its first file has no length");
    is_left(&other_data(0, None), "its checksum or length is wrong");
    is_left(&told(2), "its end is missing or contradicts itself");
    is_left(&jar(TEXT)[..jar(TEXT).len() - 1], "its end is missing or contradicts itself");
    is_left(&told(0), "its directory has another number of files");
    is_left(b"PK\x03\x04", "it is cut off");
    is_left(&[&b"PK\x03\x04"[..], &[0; 200]].concat(), "its parts do not follow each other");
    let whole = jar(TEXT);
    let directory = whole.windows(4).position(|w| w == b"PK\x01\x02").expect("a directory");
    let mut foreign = whole.clone();
    foreign[directory + 16] ^= 1;
    is_left(&foreign, "its directory names another file than is there");
    let mut elsewhere = whole;
    elsewhere[directory + 42] = 7;
    is_left(&elsewhere, "its directory names another file than is there");
}

/// The ways to damage a file of so many bytes: (what, its bytes).
fn damaged(whole: &[u8]) -> Vec<(String, Vec<u8>)> {
    let cut = (4..whole.len()).map(|end| (format!("cut at {end}"), whole[..end].to_vec()));
    let flipped = (4..whole.len()).flat_map(|at| {
        [1, 0x80, 0xff].map(|mask| {
            let mut bytes = whole.to_vec();
            bytes[at] ^= mask;
            (format!("{mask:#x} at {at}"), bytes)
        })
    });
    cut.chain(flipped).collect()
}

#[test]
fn no_damage_gives_another_file() {
    let text = TEXT.repeat(4);
    for form in FORMS {
        let whole = one(&text, *form);
        let mut still_read = 0;
        for (damage, bytes) in damaged(&whole) {
            let (attachment, _) = attached("a.txt", "", &bytes);
            assert_eq!(attachment.packed.sha256, PacketDigest::of(&bytes), "{damage}");
            match attachment.packing {
                Packing::Unreadable => assert_eq!(attachment.file, attachment.packed, "{form:?}: {damage}"),
                Packing::Zipped(1) => {
                    assert_eq!(attachment.file.sha256, PacketDigest::of(&text), "{form:?}: {damage}");
                    assert!(!damage.starts_with("cut"), "{form:?}: {damage}");
                    still_read += 1;
                }
                other => panic!("{form:?}: {damage}: {other:?}"),
            }
        }
        assert!(still_read > 0, "names, dates and the like do not matter");
    }
}

#[test]
fn a_damaged_docx_is_not_taken_apart() {
    let whole = docx();
    for (damage, bytes) in damaged(&whole) {
        let (attachment, _) = attached("a.docx", "", &bytes);
        let same_file = attachment.file.sha256 == PacketDigest::of(&bytes);
        assert!(same_file && attachment.layer() == 0, "{damage}: {:?}", attachment.packing);
    }
}

#[test]
fn the_end_of_an_archive_is_found_behind_a_comment() {
    for comment in
        [&b""[..], b"ghi ch\xc3\xba", &[b'x'; 0xffff], b"PK\x05\x06 is no end", &b"PK\x05\x06".repeat(100)]
    {
        for wide in [false, true] {
            let archive = Archive { comment: comment.to_vec(), wide, ..Archive::default() };
            let packing = file("a.txt", &archive.with("1", TEXT, JAR).finish()).0;
            assert_eq!(packing, Packing::Zipped(1), "{wide} {:.20}", comment.escape_ascii().to_string());
        }
    }
    let padded = [jar(TEXT), b"\r\n".to_vec()].concat();
    assert_eq!(file("a.txt", &padded).0, Packing::Zipped(1), "bytes behind the end");
}

#[test]
fn a_file_zipped_once_more_is_the_same_document() {
    use crate::verdicts::semantic;
    let letter = |bytes: Vec<u8>| {
        let to = &["H01"];
        let letter = lienthong_schemas::edxml::DocumentBuilder::new("H55.15", to);
        semantic(letter.attach("bao-cao.txt", "application/zip", std::io::Cursor::new(bytes)))
    };
    let one = letter(TEXT.to_vec());
    assert!(one.is_some());
    for form in FORMS {
        assert_eq!(letter(super::archives::one(TEXT, *form)), one, "{form:?}");
    }
    assert_eq!(letter(jar(&jar(TEXT))), one);
    assert_ne!(letter(jar(b"other")), one);
    // Of several files all count: the others may be what was changed.
    assert_ne!(letter(two(TEXT, b"x")), letter(two(TEXT, b"y")));
    assert_ne!(letter(two(TEXT, b"x")), one);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_pass_and_are_what_they_are(
        start in prop::sample::select(vec![&b""[..], b"PK\x03\x04", b"PK\x05\x06", b"%PDF-", b"MZ", b"<"]),
        rest in prop::collection::vec(any::<u8>(), 0..400),
        piece in 1_usize..300,
        name in "[a-z]{0,3}(\\.(txt|zip|docx|pdf|exe))?",
    ) {
        let bytes = [start, &rest].concat();
        check(&name, &bytes, piece);
    }

    #[test]
    fn any_archive_gives_what_was_put_into_it(
        contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..500), 1..4),
        form in prop::sample::select(FORMS.to_vec()),
        piece in 1_usize..300,
        damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let add = |archive: Archive, content: &Vec<u8>| archive.with("n", content, form);
        let mut bytes = contents.iter().fold(Archive::default(), add).finish();
        if let Some((at, byte)) = damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let attachment = check("a.txt", &bytes, piece);
        let first = PacketDigest::of(&contents[0]);
        match attachment.packing {
            Packing::Zipped(1) => prop_assert!(contents.len() == 1 && attachment.file.sha256 == first),
            Packing::FirstOfSeveral(1) => prop_assert!(contents.len() > 1 && attachment.file.sha256 == first),
            Packing::Unreadable | Packing::Bare => prop_assert!(damage.is_some()),
            other => prop_assert!(false, "{other:?}"),
        }
    }
}

/// Reads a packet with these bytes: what is said of them is so, and their layers are what was kept.
fn check(name: &str, bytes: &[u8], piece: usize) -> Attachment {
    let packet = packet(name, "", bytes);
    let (envelope, _) = read_in_pieces(&packet, piece).expect("a packet");
    let Some(attachment) = envelope.claimed_content().attachments.first().cloned() else {
        panic!("the attachment is not there");
    };
    assert_eq!(attachment.packed.sha256, PacketDigest::of(bytes));
    let kept = keeping(&packet);
    let file = kept.layers.get(&(0, attachment.layer())).cloned().unwrap_or_default();
    assert_eq!(attachment.file.sha256, PacketDigest::of(&file));
    assert_eq!(attachment.file.bytes, file.len() as u64);
    let codes = of_attachments(&envelope);
    let zip_unreadable = codes.contains(&"ATTACHMENT_ZIP_UNREADABLE");
    assert!(!zip_unreadable || attachment.file.kind.is_zip(), "{codes:?}");
    attachment
}
