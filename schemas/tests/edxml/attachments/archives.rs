//! ZIP archives in every form that APPNOTE allows, and in some that it does not.

use std::io::Write;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// How one entry is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// 0 or 8; another number is written with the bytes as they are.
    pub(super) method: u16,
    /// A data descriptor follows: with its signature or without.
    pub(super) described: Option<bool>,
    /// Sizes of 64 bits, before and behind the data.
    pub(super) wide: bool,
    /// Further general purpose flags.
    pub(super) flags: u16,
}

pub(super) const STORED: Form = Form { method: 0, described: None, wide: false, flags: 0 };
pub(super) const DEFLATED: Form = Form { method: 8, ..STORED };
/// As the reference library writes: descriptor and UTF-8 flag.
pub(super) const JAR: Form = Form { described: Some(true), flags: 0x0800, ..DEFLATED };

/// Every form that is read.
pub(super) const FORMS: &[Form] = &[
    STORED,
    DEFLATED,
    JAR,
    Form { described: Some(false), ..DEFLATED },
    Form { described: Some(true), wide: true, ..DEFLATED },
    Form { described: Some(false), wide: true, ..DEFLATED },
    Form { wide: true, ..DEFLATED },
    Form { wide: true, ..STORED },
];

/// An archive that is being written.
#[derive(Default)]
pub(super) struct Archive {
    pub(super) bytes: Vec<u8>,
    pub(super) directory: Vec<u8>,
    pub(super) entries: u64,
    /// The comment at its end.
    pub(super) comment: Vec<u8>,
    /// Its end has a ZIP64 record.
    pub(super) wide: bool,
    /// What its directory says instead of the number of entries.
    pub(super) entries_told: Option<u64>,
}

impl Archive {
    pub(super) fn with(mut self, name: &str, content: &[u8], form: Form) -> Self {
        let data = packed(content, form.method);
        let mut crc = Crc::new();
        crc.update(content);
        let offset = self.bytes.len() as u32;
        let flags = form.flags | if form.described.is_some() { 1 << 3 } else { 0 };
        let told = if form.described.is_some() { (0, 0, 0) } else { (crc.sum(), data.len(), content.len()) };
        let extra = if form.wide { wide_sizes(told.2 as u64, told.1 as u64) } else { Vec::new() };
        let size = |n: usize| if form.wide { u32::MAX } else { n as u32 };
        let sizes = [told.0, size(told.1), size(told.2)];
        self.bytes.extend(b"PK\x03\x04");
        self.bytes.extend(shared(name, flags, form.method, sizes, extra.len()));
        self.bytes.extend(name.as_bytes());
        self.bytes.extend(&extra);
        self.bytes.extend(&data);
        if let Some(signed) = form.described {
            self.bytes.extend(if signed { &b"PK\x07\x08"[..] } else { b"" });
            self.bytes.extend(crc.sum().to_le_bytes());
            for length in [data.len(), content.len()] {
                let wide = (length as u64).to_le_bytes();
                self.bytes.extend(if form.wide { &wide[..] } else { &wide[..4] });
            }
        }
        self.directory.extend(b"PK\x01\x02\x14\0");
        let sizes = [crc.sum(), data.len() as u32, content.len() as u32];
        self.directory.extend(shared(name, flags, form.method, sizes, 0));
        self.directory.extend([0; 10]);
        self.directory.extend(offset.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.entries += 1;
        self
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let entries = self.entries_told.unwrap_or(self.entries);
        let at = self.bytes.len() as u64;
        self.bytes.extend(&self.directory);
        let length = self.directory.len() as u64;
        if self.wide {
            let record = self.bytes.len() as u64;
            self.bytes.extend(b"PK\x06\x06");
            self.bytes.extend(44_u64.to_le_bytes());
            self.bytes.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            self.bytes.extend([entries, entries, length, at].map(u64::to_le_bytes).concat());
            self.bytes.extend(b"PK\x06\x07\0\0\0\0");
            self.bytes.extend(record.to_le_bytes());
            self.bytes.extend(1_u32.to_le_bytes());
        }
        let short = if self.wide { u16::MAX } else { u16::try_from(entries).expect("a short number") };
        self.bytes.extend(b"PK\x05\x06\0\0\0\0");
        self.bytes.extend([short, short].map(u16::to_le_bytes).concat());
        self.bytes.extend([length as u32, at as u32].map(u32::to_le_bytes).concat());
        self.bytes.extend((self.comment.len() as u16).to_le_bytes());
        self.bytes.extend(&self.comment);
        self.bytes
    }
}

/// One entry of this form.
pub(super) fn one(content: &[u8], form: Form) -> Vec<u8> {
    Archive::default().with("5f0c6d3e.bin", content, form).finish()
}

/// As the reference library packs a file.
pub(super) fn jar(content: &[u8]) -> Vec<u8> {
    one(content, JAR)
}

/// Two entries.
pub(super) fn two(first: &[u8], second: &[u8]) -> Vec<u8> {
    Archive::default().with("1", first, JAR).with("2", second, DEFLATED).finish()
}

/// The beginning of a document of Word.
pub(super) fn docx() -> Vec<u8> {
    let types = b"<?xml version=\"1.0\"?><Types><Override PartName=\"/word/document.xml\"/></Types>";
    Archive::default()
        .with("[Content_Types].xml", types, DEFLATED)
        .with("word/document.xml", b"<w:document/>", DEFLATED)
        .finish()
}

/// The beginning of a spreadsheet in OpenDocument.
pub(super) fn ods() -> Vec<u8> {
    Archive::default()
        .with("mimetype", b"application/vnd.oasis.opendocument.spreadsheet", STORED)
        .with("content.xml", b"<office:document-content/>", JAR)
        .finish()
}

fn packed(content: &[u8], method: u16) -> Vec<u8> {
    if method != 8 {
        return content.to_vec();
    }
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

fn wide_sizes(unpacked: u64, packed: u64) -> Vec<u8> {
    // Another extra field stands before the one that counts.
    let other = [0x55, 0x54, 1, 0, 9];
    [&other[..], &[1, 0, 16, 0], &unpacked.to_le_bytes(), &packed.to_le_bytes()].concat()
}

fn shared(name: &str, flags: u16, method: u16, sizes: [u32; 3], extra: usize) -> Vec<u8> {
    let mut bytes = [20, flags, method, 0, 0x21].map(u16::to_le_bytes).concat();
    bytes.extend(sizes.map(u32::to_le_bytes).concat());
    bytes.extend([name.len() as u16, extra as u16].map(u16::to_le_bytes).concat());
    bytes
}
