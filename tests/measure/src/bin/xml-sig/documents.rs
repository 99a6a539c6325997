//! The documents that are measured: a header as packets have it, and behind it one long attachment or very many small
//! elements. All of it is the same in every run but for the signature.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use measure::random::Base64;

use crate::engine;
use crate::keys::Identity;

/// QCVN 102:2016/BTTTT.
const EDXML: &str = "http://www.mic.gov.vn/TBT/QCVN_102_2016";
const ROOT: &[(&str, &str)] = &[(EDXML, "edXML")];
const HEADER: &[(&str, &str)] = &[(EDXML, "edXML"), (EDXML, "edXMLEnvelope"), (EDXML, "edXMLHeader")];
/// Where a Signature may stand in every one of these documents.
pub(crate) const PARENTS: &[&[(&str, &str)]] = &[ROOT, HEADER];

/// Receivers in a header: with them it has about 120 elements and 7 KB.
const RECEIVERS: usize = 22;
/// Dense elements are written by the row of five.
const ROWS: usize = 78_000;

/// Where the Signature stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// The last child of the header, before the long part: where `lienthong sign` puts it.
    Header,
    /// The last child of the root, behind the long part: pass 1 must read everything.
    Last,
}

impl Place {
    pub(crate) const BOTH: [Self; 2] = [Self::Header, Self::Last];

    pub(crate) fn parent(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Header => HEADER,
            Self::Last => ROOT,
        }
    }

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Header => "Signature in the header",
            Self::Last => "Signature last",
        }
    }
}

/// What stands behind the header.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    /// One attachment in base64, without line ends; the signed document has this many bytes, to a few.
    Attachment { signed_bytes: u64 },
    /// 390,000 elements of about 27 bytes each, some with attributes, prefixes, no content.
    Dense,
}

/// A signed document in a folder of its own, which has the signer's certificate too.
pub(crate) struct Document {
    folder: PathBuf,
}

impl Document {
    /// Makes one in a new folder.
    pub(crate) fn make(folder: PathBuf, shape: Shape, place: Place, identity: &Identity) -> Result<Self> {
        std::fs::create_dir(&folder)?;
        let document = Self { folder };
        std::fs::write(document.certificate(), identity.certificate_pem()?)?;
        match shape {
            Shape::Attachment { signed_bytes } => {
                document.sign(place, identity, |out| write_packet(0, out))?;
                let rest = signed_bytes.saturating_sub(std::fs::metadata(document.file())?.len());
                // Base64 comes by the four.
                document.sign(place, identity, |out| write_packet(rest / 4 * 4, out))?;
            }
            Shape::Dense => document.sign(place, identity, write_dense)?,
        }
        Ok(document)
    }

    /// What was made in this folder.
    pub(crate) fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join("signed.xml")
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.join("certificate.pem")
    }

    pub(crate) fn bytes(&self) -> Result<Vec<u8>> {
        Ok(std::fs::read(self.file())?)
    }

    /// Changes one character of the SignatureValue: it can be decoded, and is not what was signed.
    pub(crate) fn spoil(&self, place: Place) -> Result<()> {
        const VALUE: &[u8] = b"<ds:SignatureValue>";
        /// More than a Signature with what may stand before or behind it.
        const NEAR: u64 = 32 << 10;
        let mut file = File::options().read(true).write(true).open(self.file())?;
        let from = match place {
            Place::Header => 0,
            Place::Last => file.metadata()?.len().saturating_sub(NEAR),
        };
        file.seek(SeekFrom::Start(from))?;
        let mut near = Vec::new();
        (&file).take(NEAR).read_to_end(&mut near)?;
        let value =
            near.windows(VALUE.len()).position(|window| window == VALUE).context("no SignatureValue")?;
        let at = value + VALUE.len() + 100;
        let other = if near.get(at) == Some(&b'A') { b"B" } else { b"A" };
        file.write_all_at(other, from + at as u64)?;
        Ok(())
    }

    pub(crate) fn remove(self) -> Result<()> {
        Ok(std::fs::remove_dir_all(self.folder)?)
    }

    fn sign(
        &self,
        place: Place,
        identity: &Identity,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<()> {
        let unsigned = self.folder.join("unsigned.xml");
        let mut out = BufWriter::new(File::create(&unsigned)?);
        write(&mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?;
        engine::sign(&unsigned, place, identity, &self.file())?;
        std::fs::remove_file(unsigned)?;
        Ok(())
    }
}

fn write_packet(attachment_bytes: u64, out: &mut dyn Write) -> io::Result<()> {
    write_header(out)?;
    out.write_all(
        b"<AttachmentEncoded><Attachment><AttachmentName>ban-quet.pdf</AttachmentName>\
        <ContentType>application/pdf</ContentType><AttachmentContent>",
    )?;
    io::copy(&mut Base64::default().take(attachment_bytes), out)?;
    out.write_all(b"</AttachmentContent></Attachment></AttachmentEncoded></edXML>\n")
}

fn write_dense(out: &mut dyn Write) -> io::Result<()> {
    write_header(out)?;
    out.write_all(b"<x:tags xmlns:x=\"urn:example:x\" xmlns:y=\"urn:example:y\">\n")?;
    for row in 0..ROWS {
        writeln!(
            out,
            "<x:row id=\"{row:07}\" y:k=\"1\" kind=\"thu\"><name>Nguyễn {:03}</name><y:sum c=\"VND\">{:06}</y:sum>\
             <note k='a'/><x:on>2026-01-02</x:on></x:row>",
            row % 1_000,
            row * 7_919 % 1_000_000,
        )?;
    }
    out.write_all(b"</x:tags></edXML>\n")
}

/// Everything up to the long part.
fn write_header(out: &mut dyn Write) -> io::Result<()> {
    write!(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<edXML xmlns=\"{EDXML}\" xmlns:xlink=\"http://www.w3.org/1999/xlink\">\n\
         <edXMLEnvelope>\n  <edXMLHeader>\n    <MessageHeader>\n      <From><OrganId>H55</OrganId>\
         <OrganName>Ủy ban nhân dân tỉnh</OrganName></From>\n",
    )?;
    for at in 1..=RECEIVERS {
        writeln!(
            out,
            "      <To>\n        <OrganId>H55.{at:02}</OrganId>\n        <OrganName>Sở Nội vụ và Công thương, phòng số {at}\
             </OrganName>\n        <OrganAdd>Số {at} đường Hùng Vương, thành phố</OrganAdd>\n        \
             <Email>van-thu-{at}@example.vn</Email>\n      </To>",
        )?;
    }
    out.write_all(
        "      <Code><CodeNumber>1024</CodeNumber><CodeNotation>UBND-NC</CodeNotation></Code>\n      \
         <PromulgationInfo><Place>Hà Nội</Place><PromulgationDate>2026/01/02</PromulgationDate></PromulgationInfo>\n      \
         <Subject>V/v triển khai liên thông văn bản điện tử &amp; chữ ký số</Subject>\n    </MessageHeader>\n  \
         </edXMLHeader>\n  <edXMLBody>\n    <edXMLManifest><Reference xlink:href=\"cid:1\"/></edXMLManifest>\n  \
         </edXMLBody>\n</edXMLEnvelope>\n"
            .as_bytes(),
    )
}
