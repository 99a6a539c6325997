//! Deviations 7 to 11 of the list: how attachments are named, typed and packed, each in a packet of our own. What a file
//! is and how it is packed is in `attachments.rs`.

use lienthong_schemas::edxml::{DocumentBuilder, Envelope, FileKind};
use lienthong_schemas::ids::PacketDigest;

use super::producers::{PDF, dotnet};
use super::{built, codes, read};

/// What was noticed of the attachments and their list.
fn of_attachments(envelope: &Envelope) -> Vec<&'static str> {
    let about = |code: &str| ["ATTACHMENT", "REFERENCE", "CONTENT"].iter().any(|word| code.contains(word));
    codes(envelope).into_iter().filter(|code| about(code)).collect()
}

#[test]
fn d07_content_ids_match_with_any_number_of_cid() {
    for id in ["1", "cid:1", "cid:cid:1", " cid: cid:cid:1\n"] {
        let attachment = PDF.replace("<ContentId>1<", &format!("<ContentId>{id}<"));
        let (envelope, _) = read(dotnet("", "", &attachment).as_bytes()).expect("a packet");
        assert_eq!(envelope.claimed_content().attachments[0].content_id, "1");
        let expected: &[&str] = if id == "cid:1" { &[] } else { &["CONTENT_ID_FORM"] };
        assert_eq!(of_attachments(&envelope), expected, "{id}");
    }
    let by_position = PDF.replace("<ContentId>1<", "<ContentId>other<");
    let (envelope, _) = read(dotnet("", "", &by_position).as_bytes()).expect("a packet");
    assert_eq!(of_attachments(&envelope), ["CONTENT_ID_FORM", "ATTACHMENT_BY_POSITION"]);
    let unlisted = format!("{PDF}{}", PDF.replace("<ContentId>1<", "<ContentId>2<"));
    let (envelope, _) = read(dotnet("", "", &unlisted).as_bytes()).expect("a packet");
    let expected = ["ATTACHMENT_UNREFERENCED", "ATTACHMENT_NAME_MISSING", "CONTENT_ID_FORM"];
    assert_eq!(of_attachments(&envelope), expected);
    let (envelope, _) = read(dotnet("", "", "").as_bytes()).expect("a packet");
    assert_eq!(of_attachments(&envelope), ["REFERENCE_UNRESOLVED"]);
}

#[test]
fn d08_d09_zip_bytes_under_another_type_are_noticed() {
    let zip = &b"PK\x03\x04rest of a zip"[..];
    let of = |name: &str, content_type: &str, bytes: &'static [u8]| {
        let builder = DocumentBuilder::new("H55.15", &["H55.16"]);
        let (envelope, _) = read(&built(builder.attach(name, content_type, bytes))).expect("a letter");
        (
            codes(&envelope).contains(&"CONTENT_TYPE_MISMATCH"),
            envelope.claimed_content().attachments[0].packed.kind == FileKind::Zip,
        )
    };
    assert_eq!(of("a.pdf", "application/pdf", zip), (true, true));
    assert_eq!(of("a.txt", "text/plain", zip), (true, true));
    assert_eq!(of("a.zip", "application/zip", b"%PDF-1.4"), (true, false));
    assert_eq!(of("a.txt", "application/zip", zip), (false, true), "what the reference library does");
    assert_eq!(of("a.docx", "application/msword", zip), (false, true));
}

#[test]
fn d10_d11_mangled_and_unfilled_attachments_are_noticed() {
    let mangled = &b"%PDF-1.4\n%\xef\xbf\xbd\xef\xbf\xbd\n"[..];
    let builder = DocumentBuilder::new("H55.15", &["H55.16"]);
    let (envelope, _) = read(&built(builder.attach("a.pdf", "application/pdf", mangled))).expect("a letter");
    assert_eq!(codes(&envelope), ["ATTACHMENT_MANGLED"]);
    let slot = PDF.replace("JVBERi0xLjQ=", "${__StringFromFile(test.txt,,,)}");
    let (envelope, _) = read(dotnet("", "", &slot).as_bytes()).expect("a template");
    let attachment = &envelope.claimed_content().attachments[0];
    assert!(attachment.placeholder && attachment.packed.bytes == 0 && attachment.encoded == 0);
    assert_eq!(of_attachments(&envelope), ["PLACEHOLDER_ATTACHMENT", "CONTENT_ID_FORM"]);
    let wrapped = PDF.replace("JVBERi0xLjQ=", "\r\n\tJVBE\r\n\tRi0x LjQ=\r\n");
    let (envelope, _) = read(dotnet("", "", &wrapped).as_bytes()).expect("wrapped lines");
    assert_eq!(envelope.claimed_content().attachments[0].packed.sha256, PacketDigest::of(b"%PDF-1.4"));
}
