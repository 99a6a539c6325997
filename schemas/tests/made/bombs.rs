//! Packets made to cost much: each is refused with a code of its own, after little of it was read.

use lienthong_schemas::edxml::DocumentBuilder;

use super::zip;

/// About how long each packet is.
const BYTES: usize = 10 << 20;
const SUBJECT: &str = "<edXML:Subject>";

/// A packet that must be refused.
pub(crate) struct Bomb {
    /// What it is.
    pub(crate) name: &'static str,
    /// The row of the table of rejections.
    pub(crate) code: &'static str,
    /// Where; empty where the reader of XML stops.
    pub(crate) field: &'static str,
    /// Makes it.
    pub(crate) make: fn() -> Vec<u8>,
}

const fn bomb(name: &'static str, code: &'static str, field: &'static str, make: fn() -> Vec<u8>) -> Bomb {
    Bomb { name, code, field, make }
}

const ENCODED: &str = "AttachmentEncoded/Attachment[1]/ContentTransferEncoded";

/// Those of markup and text.
pub(crate) const BOMBS: &[Bomb] = &[
    bomb("deep nesting", "XML_TOO_DEEP", "", || before_subject(&"<x>".repeat(BYTES / 3))),
    bomb("deep nesting of known elements", "XML_TOO_DEEP", "", || {
        before_subject(&"<edXML:To>".repeat(BYTES / 10))
    }),
    bomb("a million attributes", "XML_TAG_TOO_LARGE", "", || {
        let attributes: String = (0..1_000_000).map(|n| format!(" a{n}=\"\"")).collect();
        instead(SUBJECT, &format!("<edXML:Subject{attributes}>"))
    }),
    bomb("a million namespaces in one tag", "XML_TAG_TOO_LARGE", "", || {
        let namespaces: String = (0..1_000_000).map(|n| format!(" xmlns:a{n}=\"u\"")).collect();
        instead(SUBJECT, &format!("<edXML:Subject{namespaces}>"))
    }),
    bomb("a million namespaces, tag in tag", "XML_LIMIT", "", || {
        let tags: String = (0..1_000_000).map(|n| format!("<x xmlns:a{n}=\"u\">")).collect();
        before_subject(&tags)
    }),
    bomb("an attribute of 10 MB", "XML_TAG_TOO_LARGE", "", || {
        instead(SUBJECT, &format!("<edXML:Subject a=\"{}\">", "x".repeat(BYTES)))
    }),
    bomb("a comment of 10 MB", "XML_TAG_TOO_LARGE", "", || {
        before_subject(&format!("<!--{}-->", "x".repeat(BYTES)))
    }),
    bomb("a DTD", "XML_FORBIDDEN", "", dtd),
    bomb("a subject of 10 MB", "FIELD_TOO_LONG", "edXMLHeader/MessageHeader/Subject", || {
        instead(SUBJECT, &format!("{SUBJECT}{}", "x".repeat(BYTES)))
    }),
    bomb("a subject of references", "FIELD_TOO_LONG", "edXMLHeader/MessageHeader/Subject", || {
        instead(SUBJECT, &format!("{SUBJECT}{}", "&#7853;".repeat(BYTES / 7)))
    }),
    bomb("long fields without end", "XML_LIMIT", "edXMLHeader/MessageHeader/To[132]/OrganName", || {
        let name = "x".repeat(63 << 10);
        before_subject(&to(640, |n| {
            format!("H55.{n}</edXML:OrganId><edXML:OrganName>{name}</edXML:OrganName>")
        }))
    }),
    bomb("a million receivers", "RECEIVERS_TOO_MANY", "edXMLHeader/MessageHeader/To", || {
        before_subject(&to(1_000_000, |n| format!("H55.{n}</edXML:OrganId>")))
    }),
    bomb("a million places", "XML_LIMIT", "edXMLHeader/MessageHeader/ToPlaces/Place", || {
        let places = "<edXML:Place>x</edXML:Place>".repeat(1_000_000);
        before_subject(&format!("<edXML:ToPlaces>{places}</edXML:ToPlaces>"))
    }),
    bomb("100,000 attachments", "ATTACHMENTS_TOO_MANY", "AttachmentEncoded/Attachment", || {
        with_attachments(
            100_000,
            "<Attachment><ContentId>cid:1</ContentId><AttachmentName>1.txt</AttachmentName>\
             <ContentTransferEncoded>eA==</ContentTransferEncoded></Attachment>",
        )
    }),
];

/// Those that are archives.
pub(crate) const ARCHIVE_BOMBS: &[Bomb] = &[
    bomb("a 1000:1 ZIP", "ARCHIVE_RATIO", ENCODED, || zipped("a.txt", zip::of_zeros(BYTES))),
    bomb("a 1000:1 ZIP in a ZIP", "ARCHIVE_RATIO", ENCODED, || {
        zipped("a.txt", zip::stored("b.zip", &zip::of_zeros(BYTES)))
    }),
    bomb("ZIP in ZIP, stored", "ARCHIVE_NESTED", ENCODED, || {
        zipped("a.txt", zip::nested(8, &noise(BYTES), zip::stored))
    }),
    bomb("ZIP in ZIP, deflated", "ARCHIVE_NESTED", ENCODED, || {
        zipped("a.txt", zip::nested(8, &noise(BYTES), zip::zipped))
    }),
];

/// A letter whose one attachment holds this.
pub(crate) fn zipped(name: &str, archive: Vec<u8>) -> Vec<u8> {
    written(letter().attach(name, "application/zip", std::io::Cursor::new(archive)))
}

/// Bytes that cannot be compressed (xorshift64, Marsaglia 2003).
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..length.div_ceil(8)).flat_map(|_| next()).take(length).collect()
}

/// A letter with this attachment so many times.
pub(super) fn with_attachments(count: usize, attachment: &str) -> Vec<u8> {
    let all = format!("<AttachmentEncoded>{}</AttachmentEncoded></edXML>", attachment.repeat(count));
    let letter = String::from_utf8(written(letter())).expect("a packet is UTF-8");
    letter.replacen("</edXML>", &all, 1).into_bytes()
}

pub(super) fn letter() -> DocumentBuilder {
    DocumentBuilder::new("H55.15", &["H55.16"])
}

fn written(builder: DocumentBuilder) -> Vec<u8> {
    builder.to_bytes().expect("the builder holds what is replaced")
}

pub(super) fn instead(old: &str, new: &str) -> Vec<u8> {
    written(letter().with_raw(old, new))
}

pub(super) fn before_subject(markup: &str) -> Vec<u8> {
    instead(SUBJECT, &format!("{markup}{SUBJECT}"))
}

fn to(count: usize, rest: impl Fn(usize) -> String) -> String {
    (0..count).map(|n| format!("<edXML:To><edXML:OrganId>{}</edXML:To>", rest(n))).collect()
}

/// Each entity is ten of the one before it.
fn dtd() -> Vec<u8> {
    let laughs: String =
        (1..10).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10))).collect();
    let declared = format!("?>\n<!DOCTYPE edXML [<!ENTITY l0 \"lol\">{laughs}]>");
    written(
        letter()
            .with_raw("?>", &declared)
            .with_raw(SUBJECT, &format!("{SUBJECT}{}", "&l9;".repeat(BYTES / 4))),
    )
}
