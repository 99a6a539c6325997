//! Packets made to hurt: every limit is met at its number and refused one past it.

use std::io::{BufRead, BufReader, Read};

use lienthong_schemas::edxml::{
    CORRELATIONS_MAX, DocumentBuilder, EdxmlLimits, Envelope, EnvelopeReader, Finding, Findings, PacketFault,
    ReadMode, check_carried, correlations, read_envelope,
};
use lienthong_schemas::ids::PacketDigest;
use xml_sig::{Limits, ReadOptions};

use super::{built, letter, letter_with, read, read_in_pieces};

fn refusal(result: Result<(Envelope, bool), lienthong_schemas::rejections::Rejection>) -> &'static str {
    result.expect_err("a refusal").code.row().name
}

fn within(bytes: &[u8], limits: &EdxmlLimits) -> Result<(), String> {
    let mut open =
        || -> std::io::Result<Box<dyn BufRead>> { Ok(Box::new(std::io::Cursor::new(bytes.to_vec()))) };
    read_envelope(&mut open, limits).map(drop).map_err(|fault| fault.to_string())
}

#[test]
fn deep_wide_and_long_markup_is_refused() {
    let deep = "<x>".repeat(100_000);
    assert_eq!(refusal(letter_with("<edXML:Subject>", &format!("{deep}<edXML:Subject>"))), "XML_TOO_DEEP");
    let wide: String = (0..100_000).map(|n| format!(" a{n}=\"\"")).collect();
    assert_eq!(
        refusal(letter_with("<edXML:Subject>", &format!("<edXML:Subject{wide}>"))),
        "XML_TAG_TOO_LARGE"
    );
    let long = format!("<edXML:Subject a=\"{}\">", "x".repeat(2 << 20));
    assert_eq!(refusal(letter_with("<edXML:Subject>", &long)), "XML_TAG_TOO_LARGE");
}

#[test]
fn receivers_are_taken_up_to_their_limit() {
    let to = |count: usize| {
        let receivers: Vec<_> = (0..count).map(|n| format!("H55.{n}")).collect();
        read(&built(DocumentBuilder::new("H55.15", &receivers)))
    };
    assert_eq!(to(5_000).expect("at the limit").0.claimed_content().to.len(), 5_000);
    assert_eq!(refusal(to(5_001)), "RECEIVERS_TOO_MANY");
    assert_eq!(refusal(to(10_000)), "RECEIVERS_TOO_MANY");
}

#[test]
fn every_other_limit_holds_at_its_number() {
    let limits = EdxmlLimits {
        receivers: 2,
        attachments: 2,
        entries: 3,
        field_bytes: 64,
        text_bytes: 600,
        ..EdxmlLimits::default()
    };
    let two = |builder: DocumentBuilder| builder.attach("b.pdf", "application/pdf", &b"%PDF"[..]);
    assert_eq!(within(&built(two(letter())), &limits), Ok(()), "two receivers, attachments and references");
    let three_attachments = within(&built(two(two(letter()))), &limits).expect_err("three attachments");
    assert!(
        three_attachments.starts_with("ATTACHMENTS_TOO_MANY at AttachmentEncoded/Attachment"),
        "{three_attachments}"
    );
    let entry = |builder: DocumentBuilder| builder.trace("H01", "2026/01/02 03:04:05");
    assert_eq!(within(&built(entry(two(letter()))), &limits), Ok(()), "three entries");
    let four = within(&built(entry(entry(two(letter())))), &limits).expect_err("four entries");
    assert!(four.starts_with("XML_LIMIT at "), "{four}");
    assert_eq!(within(&built(letter().subject(&"x".repeat(64))), &limits), Ok(()));
    let long = within(&built(letter().subject(&"x".repeat(65))), &limits).expect_err("a long field");
    assert!(
        long.starts_with("FIELD_TOO_LONG at edXMLHeader/MessageHeader/Subject: more than 64 bytes"),
        "{long}"
    );
    let tight = EdxmlLimits { text_bytes: 100, ..limits };
    let all = within(&built(letter()), &tight).expect_err("much text in all");
    assert!(all.contains("in all fields together"), "{all}");
}

#[test]
fn the_limit_that_a_text_passes_first_is_told_however_it_is_cut() {
    let packet: std::sync::Arc<[u8]> = built(letter().subject(&"ậ".repeat(200))).into();
    let refused = |text_bytes, piece| {
        let limits = EdxmlLimits { field_bytes: 300, text_bytes, ..EdxmlLimits::default() };
        let mut open = || -> std::io::Result<Box<dyn BufRead>> {
            let packet = std::io::Cursor::new(std::sync::Arc::clone(&packet));
            Ok(Box::new(BufReader::with_capacity(piece, packet)))
        };
        let fault = read_envelope(&mut open, &limits).expect_err("a long subject");
        fault.to_string()
    };
    let before = (200..2_000)
        .find(|text_bytes| refused(*text_bytes, 8192).starts_with("FIELD_TOO_LONG"))
        .expect("room for the field");
    for text_bytes in before - 8..before + 8 {
        let whole = refused(text_bytes, 8192);
        assert!(
            whole.contains(if text_bytes < before { "in all fields" } else { "more than 300" }),
            "{whole}"
        );
        for piece in [1, 5, 64] {
            assert_eq!(refused(text_bytes, piece), whole, "{text_bytes} in pieces of {piece}");
        }
    }
}

#[test]
fn notes_are_bounded_whatever_a_packet_says() {
    let receivers: Vec<_> = (0..1_000).map(|n| format!("odd-{n}")).collect();
    let (envelope, _) = read(&built(DocumentBuilder::new("H55.15", &receivers))).expect("a letter");
    let findings = &envelope.claimed_content().findings;
    let odd_codes = findings.remarks().iter().filter(|r| r.finding == Finding::OrganIdPattern);
    assert_eq!(odd_codes.count(), Findings::PLACES_MAX);
    let plain = [Finding::OrganIdPattern, Finding::OrganIdCase, Finding::FieldAbsent, Finding::TraceMissing];
    assert_eq!(findings.kinds(), plain);
}

#[test]
fn every_truncation_of_a_packet_is_refused() {
    let whole = built(letter());
    let end = whole.len() - "\r\n".len();
    for length in (0..end).step_by(7).chain([end - 1]) {
        let rejection = read(&whole[..length]).expect_err("a part of a packet");
        assert_eq!(rejection.code.row().name, "XML_MALFORMED", "{length}: {rejection}");
    }
    read(&whole[..end]).expect("the line end after the root is not needed");
}

#[test]
fn pieces_do_not_matter_for_a_letter_of_ours() {
    let zip: Vec<u8> = (0..5_000u32).map(|n| (n % 253) as u8).collect();
    let whole = built(letter().attach("b.bin", "", std::io::Cursor::new(zip.clone())));
    let told = |piece| format!("{:?}", read_in_pieces(&whole, piece).expect("a letter").0.claimed_content());
    let expected = told(1 << 20);
    assert!(expected.contains(&PacketDigest::of(&zip).to_string()));
    for piece in [1, 2, 3, 5, 17, 1024] {
        assert_eq!(told(piece), expected, "pieces of {piece}");
    }
}

#[test]
fn a_large_attachment_streams_from_writer_to_reader() {
    // A multiple of three, so that there is no padding.
    const LENGTH: u64 = 24 << 20;
    let file = || std::io::repeat(0x5a).take(LENGTH);
    let (mut sent, mut packet) = std::io::pipe().expect("a pipe");
    let writing = std::thread::spawn(move || {
        DocumentBuilder::new("H55.15", &["H55.16"]).attach("scan.bin", "", file()).write_to(&mut packet)
    });
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let mut reader = EnvelopeReader::new(ReadMode::Full, &EdxmlLimits::default());
    xml_sig::read(&mut BufReader::new(&mut sent), &options, &mut reader).expect("well-formed");
    writing.join().expect("the writer ends").expect("the writer is read to its end");
    let envelope = reader.finish().expect("a letter");
    let attachment = &envelope.claimed_content().attachments[0];
    assert_eq!((attachment.packed.bytes, attachment.encoded), (LENGTH, LENGTH / 3 * 4));
}

#[test]
fn no_mutation_of_a_packet_brings_the_reader_down() {
    let whole = built(
        letter()
            .replaces("lý do", &["A"])
            .trace("H01", "2026-01-02T03:04:05+07:00")
            .due_date("02/01/2026")
            .response_for("H01", "1/X", "y", "2026/01/01"),
    );
    let mut state: u64 = 0x5eed_1234_5678_9abc;
    println!("seed {state:#x}");
    let mut next = |below: usize| {
        // Xorshift64 (Marsaglia 2003): good enough to pick places.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).expect("below a usize")
    };
    let pieces: [&[u8]; 12] =
        [b"<", b">", b"/", b"&", b"\"", b" ", b"\0", b"\xff", b"]]>", b"<!--", "ậ\u{202e}".as_bytes(), b"-"];
    let (mut read_well, mut refused) = (0, 0);
    for _ in 0..4_000 {
        let mut packet = whole.clone();
        for _ in 0..=next(3) {
            let at = next(packet.len());
            let until = (at + next(12)).min(packet.len());
            packet.splice(at..until, pieces[next(pieces.len())].iter().copied());
        }
        match read(&packet) {
            Ok((envelope, _)) => {
                read_well += 1;
                let content = envelope.claimed_content();
                assert!(correlations(content).len() <= CORRELATIONS_MAX);
                assert!(check_carried(content).is_ok_and(|()| !content.to.is_empty()));
            }
            Err(rejection) => {
                refused += 1;
                assert!(!rejection.to_string().contains(['\0', '\u{202e}', '\n']), "{rejection}");
            }
        }
    }
    assert!(
        read_well > 100 && refused > 100,
        "{read_well} read, {refused} refused: the mutations are too tame"
    );
}

#[test]
fn claims_are_read_without_the_attachments() {
    let whole = String::from_utf8(built(letter())).expect("UTF-8").replace("JVBERi0", "!!!not base64");
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let mut claims = EnvelopeReader::new(ReadMode::Claims, &EdxmlLimits::default());
    xml_sig::read(&mut whole.as_bytes(), &options, &mut claims).expect("claims do not decode");
    let envelope = claims.finish().expect("claims");
    assert_eq!(envelope.claimed_sender().as_str(), "H55.15");
    assert!(envelope.claimed_content().attachments.is_empty());
    assert_eq!(refusal(read(whole.as_bytes())), "ATTACHMENT_INVALID");
}

#[test]
fn a_failing_disk_is_not_the_senders_fault() {
    let mut open = || -> std::io::Result<Box<dyn BufRead>> { Err(std::io::Error::other("gone")) };
    let fault = read_envelope(&mut open, &EdxmlLimits::default()).expect_err("no input");
    assert!(matches!(fault, PacketFault::Io(_)), "{fault}");
    let early =
        EnvelopeReader::new(ReadMode::Full, &EdxmlLimits::default()).finish().expect_err("nothing was read");
    assert_eq!(early.code.row().name, "XML_MALFORMED");
}

#[test]
fn the_builder_says_when_it_would_break_nothing() {
    let error = letter().with_raw("no such text", "x").to_bytes().expect_err("nothing to break");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}
