//! The packets that are measured: letters as the builder of the crate writes them, with attachments of several kinds.

use std::io::{self, Cursor, Read, Write};
use std::ops::Range;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use lienthong_schemas::edxml::DocumentBuilder;
use measure::random::Base64;

use crate::made::bombs::noise;
use crate::made::zip::{ZipWriter, zipped};

/// Receivers of a letter: with them its header has some 6 KB.
const RECEIVERS: usize = 30;
/// Bytes of an attachment that make a packet of 10 MB.
const ATTACHMENT_BYTES: usize = 7_490_000;
/// Characters of a wrapped line (RFC 2045 section 6.8).
const LINE: usize = 76;

/// A packet with one attachment.
pub(crate) struct Packet {
    pub(crate) bytes: Arc<[u8]>,
    /// The base64 of the attachment, without white space.
    pub(crate) text: Vec<u8>,
    /// What a receiver opens is in a ZIP.
    pub(crate) zipped: Option<Zipped>,
}

/// The one entry of a ZIP.
pub(crate) struct Zipped {
    /// Its deflated bytes in the archive.
    pub(crate) data: Range<usize>,
    pub(crate) unpacked_bytes: usize,
}

/// What is attached.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Bytes of no known kind.
    Plain,
    /// They begin as a PDF does.
    Pdf,
    /// A PDF whose base64 stands in lines.
    Wrapped,
    /// A ZIP of several entries, which is left as it is.
    Docx,
    /// A text, zipped for the way by the reference library.
    ZippedText,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [Self::Plain, Self::Pdf, Self::Wrapped, Self::Docx, Self::ZippedText];

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Plain => "bytes of no known kind",
            Self::Pdf => "a PDF",
            Self::Wrapped => "a PDF, base64 in lines of 76",
            Self::Docx => "a DOCX",
            Self::ZippedText => "a text that the reference library zipped",
        }
    }

    /// A packet of 10 MB.
    pub(crate) fn packet(self) -> Result<Packet> {
        let mut zipped_text = None;
        let (name, attached) = match self {
            Self::Plain => ("so-lieu.bin", noise(ATTACHMENT_BYTES)),
            Self::Pdf | Self::Wrapped => ("cong-van.pdf", pdf(ATTACHMENT_BYTES)),
            Self::Docx => ("cong-van.docx", docx()?),
            Self::ZippedText => {
                let (text, name) = (text(), "5f0c6d3e-3c1c-4e0e-9d0a-6f1d1f0f7a11.txt");
                let archive = zipped(name, &text);
                let ends =
                    archive.windows(4).rposition(|four| four == b"PK\x07\x08").context("a descriptor")?;
                let data = 30 + name.len()..ends;
                zipped_text = Some(Zipped { data, unpacked_bytes: text.len() });
                ("bao-cao.txt", archive)
            }
        };
        let packet = letter().attach(name, "application/octet-stream", Cursor::new(attached)).to_bytes()?;
        let begins = find(&packet, b"<edXML:ContentTransferEncoded")?;
        let begins = begins + find(&packet[begins..], b">")? + 1;
        let ends = begins + find(&packet[begins..], b"<")?;
        let text = packet[begins..ends].to_vec();
        let bytes = if self == Self::Wrapped {
            let lines: Vec<&[u8]> = text.chunks(LINE).collect();
            [&packet[..begins], &lines.join(&b"\r\n"[..]), &packet[ends..]].concat()
        } else {
            packet
        };
        ensure!((9_500_000..11_000_000).contains(&bytes.len()), "a packet of {} bytes", bytes.len());
        Ok(Packet { bytes: bytes.into(), text, zipped: zipped_text })
    }
}

/// A packet of 10 KB.
pub(crate) fn small() -> Result<Arc<[u8]>> {
    let bytes = letter().attach("cv.pdf", "application/pdf", Cursor::new(pdf(3_800))).to_bytes()?;
    ensure!((9_000..11_000).contains(&bytes.len()), "a packet of {} bytes", bytes.len());
    Ok(bytes.into())
}

/// Packets of a gigabyte, which are nowhere as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Long {
    /// One attachment of unknown kind
    One,
    /// One attachment in a ZIP
    Zipped,
    /// A thousand attachments
    Many,
}

impl Long {
    /// Base64 in the packet.
    pub(crate) const ENCODED_BYTES: u64 = 1_000_000_000;
    const BYTES: u64 = Self::ENCODED_BYTES / 4 * 3 + 3;

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::One => "one attachment",
            Self::Zipped => "one attachment, zipped by the reference library",
            Self::Many => "1,000 attachments",
        }
    }

    /// Writes it to a pipe.
    pub(crate) fn write(self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::One => letter().attach("scan.bin", "", endless().take(Self::BYTES)).write_to(out),
            Self::Zipped => {
                // Base64 is deflated to three quarters of itself.
                let (zip, mut sent) = io::pipe()?;
                let zipping = thread::spawn(move || {
                    let mut zip = ZipWriter::new(&mut sent);
                    zip.deflated("scan.txt", &mut Base64::default().take(Self::BYTES / 3 * 4))?;
                    zip.finish().map(drop)
                });
                letter().attach("scan.txt", "application/zip", zip).write_to(out)?;
                zipping.join().map_err(|_| io::Error::other("the archive broke"))?
            }
            Self::Many => {
                let one = |letter: DocumentBuilder, n| {
                    letter.attach(&format!("{n}.bin"), "", endless().take(Self::BYTES / 1_000 + 1))
                };
                (0..1_000).fold(letter(), one).write_to(out)
            }
        }
    }
}

/// Every byte is in it, and it does not begin as an archive does.
fn endless() -> impl Read + Send + 'static {
    Base64::default()
}

fn letter() -> DocumentBuilder {
    let receivers: Vec<String> = (1..=RECEIVERS).map(|n| format!("H55.{n:02}")).collect();
    DocumentBuilder::new("H55.15", &receivers)
}

fn pdf(length: usize) -> Vec<u8> {
    let mut bytes = noise(length);
    bytes[..9].copy_from_slice(b"%PDF-1.7\n");
    bytes
}

fn docx() -> Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Vec::new());
    zip.deflated("[Content_Types].xml", &mut &b"<Types/>"[..])?;
    zip.deflated("word/document.xml", &mut text().as_slice().take(1 << 20))?;
    zip.stored("word/media/image1.jpeg", &noise(ATTACHMENT_BYTES - (400 << 10)))?;
    Ok(zip.finish()?)
}

/// Words that deflate to about 7.5 MB.
fn text() -> Vec<u8> {
    const WORDS: [&str; 16] = [
        "Ủy",
        "ban",
        "nhân",
        "dân",
        "tỉnh",
        "kính",
        "gửi",
        "văn",
        "bản",
        "số",
        "ngày",
        "về",
        "việc",
        "triển",
        "khai",
        "nhiệm vụ",
    ];
    let numbers = noise(3_800_000);
    let words = numbers.iter().map(|n| WORDS[usize::from(n % 16)]);
    words.collect::<Vec<_>>().join(" ").into_bytes()
}

fn find(text: &[u8], wanted: &[u8]) -> Result<usize> {
    text.windows(wanted.len()).position(|at| at == wanted).context("the packet lacks its parts")
}
