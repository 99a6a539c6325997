//! A packet as it comes out of the real axis, which reads it by the reference library and writes it anew: the signature is
//! no longer in its namespace, so that nobody can verify it; `Subject` stands elsewhere; the axis has added itself to the
//! trace; attachments are unpacked and zipped again (spec edxml sections 8 and 9). What has no such place comes out as it
//! went in. Memory does not grow with attachments.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use tempfile::{NamedTempFile, TempPath};

use super::zip::{self, Encoder};

/// The code by which the axis signs the trace.
pub(super) const CENTRE: &str = "000.00.00.G22";
/// As much of a packet, before its attachments, as is rewritten.
const HEAD_BYTES_MAX: usize = 16 << 20;
/// As much of an attachment beside its data.
const AROUND_BYTES_MAX: usize = 64 << 10;
/// What the reference library does not zip.
const AS_THEY_ARE: [&str; 6] = ["pdf", "doc", "docx", "xsl", "xslx", "zip"];

/// Writes the packet anew, into a file in `folder`.
pub(super) fn rewrite(packet: &Path, folder: &Path) -> io::Result<TempPath> {
    let mut from = BufReader::with_capacity(1 << 18, File::open(packet)?);
    let draft = NamedTempFile::new_in(folder)?;
    let mut out = BufWriter::with_capacity(1 << 18, draft.as_file());
    let mut head = Vec::new();
    while head.len() < HEAD_BYTES_MAX && !ends_with_tag(&head, "AttachmentEncoded") {
        if from.read_until(b'>', &mut head)? == 0 {
            break;
        }
    }
    out.write_all(&head_anew(&head))?;
    while let Some(attachment) = Attachment::read(&mut from, &mut out, folder)? {
        attachment.write(&mut out, folder)?;
    }
    out.flush()?;
    drop(out);
    Ok(draft.into_temp_path())
}

/// The local name of the tag that these bytes end with, whether it begins or ends an element.
fn last_tag(bytes: &[u8]) -> Option<&str> {
    let begin = bytes.iter().rposition(|b| *b == b'<')? + 1;
    let inner = std::str::from_utf8(bytes.get(begin..bytes.len().checked_sub(1)?)?).ok()?;
    let name = inner.trim_start_matches('/').split([' ', '\t', '\r', '\n', '/']).next()?;
    Some(name.rsplit_once(':').map_or(name, |(_, local)| local))
}

fn is_end(bytes: &[u8]) -> bool {
    let begin = bytes.iter().rposition(|b| *b == b'<');
    begin.is_some_and(|begin| bytes.get(begin + 1) == Some(&b'/'))
}

fn ends_with_tag(bytes: &[u8], name: &str) -> bool {
    bytes.ends_with(b">") && last_tag(bytes) == Some(name) && !is_end(bytes) && !bytes.ends_with(b"/>")
}

fn ends_with_end(bytes: &[u8], name: &str) -> bool {
    bytes.ends_with(b">") && last_tag(bytes) == Some(name) && is_end(bytes)
}

fn head_anew(head: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(head) else { return head.to_vec() };
    let mut text =
        text.replace("http://www.w3.org/2000/09/xmldsig#", "http://www.mic.gov.vn/TBT/QCVN_102_2016");
    let (begin, end) = ("<edXML:Subject>", "</edXML:Subject>");
    if let (Some(from), Some(to)) = (text.find(begin), text.find(end))
        && let Some(header) = text.find("<edXML:MessageHeader>").filter(|header| *header < from)
    {
        let subject = text[from..to + end.len()].to_owned();
        text.replace_range(from..to + end.len(), "");
        text.insert_str(header + "<edXML:MessageHeader>".len(), &subject);
    }
    let hop = format!(
        "<edXML:TraceHeader><edXML:OrganId>{CENTRE}</edXML:OrganId>\
         <edXML:Timestamp>2026/01/02 03:04:06</edXML:Timestamp></edXML:TraceHeader>"
    );
    let list = "<edXML:TraceHeaderList>";
    if let Some(trace) = text.find(list) {
        text.insert_str(trace + list.len(), &hop);
    } else if let Some(end) = text.find("</edXML:edXMLHeader>") {
        text.insert_str(end, &format!("{list}{hop}</edXML:TraceHeaderList>"));
    }
    text.into_bytes()
}

/// An `Attachment`, its data decoded into a file.
struct Attachment {
    before: Vec<u8>,
    /// The data as it stands, and decoded if it is base64.
    data: File,
    decoded: Option<File>,
    after: Vec<u8>,
}

impl Attachment {
    /// Copies what is before the next attachment, and reads that; `None` when there is none.
    fn read(from: &mut impl BufRead, out: &mut impl Write, folder: &Path) -> io::Result<Option<Self>> {
        let mut before = Vec::new();
        loop {
            if from.read_until(b'>', &mut before)? == 0 {
                out.write_all(&before)?;
                return Ok(None);
            }
            if ends_with_tag(&before, "ContentTransferEncoded") {
                break;
            }
            if before.len() > AROUND_BYTES_MAX || ends_with_end(&before, "Attachment") {
                out.write_all(&before)?;
                before.clear();
            }
        }
        let mut data = tempfile::tempfile_in(folder)?;
        let is_base64 = {
            let mut raw = BufWriter::with_capacity(1 << 18, &mut data);
            let mut decoder = zip::Decoder::new(tempfile::tempfile_in(folder)?);
            loop {
                let held = from.fill_buf()?;
                let run = held.iter().position(|b| *b == b'<').unwrap_or(held.len());
                raw.write_all(&held[..run])?;
                decoder.push(&held[..run])?;
                let is_over = run < held.len() || held.is_empty();
                from.consume(run);
                if is_over {
                    break;
                }
            }
            raw.flush()?;
            decoder.end()?
        };
        let mut after = Vec::new();
        while after.len() < AROUND_BYTES_MAX && !ends_with_end(&after, "Attachment") {
            if from.read_until(b'>', &mut after)? == 0 {
                break;
            }
        }
        Ok(Some(Self { before, data, decoded: is_base64, after }))
    }

    fn write(mut self, out: &mut impl Write, folder: &Path) -> io::Result<()> {
        let Some(decoded) = self.decoded.take() else { return self.write_as_it_was(out) };
        let extension = self.extension();
        let plain = match self.text("ContentType").as_deref() == Some("application/zip") && extension != "zip"
        {
            true => zip::first_entry(&decoded, folder)?.unwrap_or(decoded),
            false => decoded,
        };
        let (content_type, bytes) = match AS_THEY_ARE.contains(&extension.as_str()) {
            true => (format!("application/{extension}"), plain),
            false => ("application/zip".to_owned(), zip::zipped(plain, &extension, folder)?),
        };
        self.set("ContentType", &content_type);
        out.write_all(&self.before)?;
        let mut encoder = Encoder::new(out);
        zip::copy_all(bytes, &mut encoder)?;
        encoder.end()?;
        out.write_all(&self.after)
    }

    fn write_as_it_was(self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&self.before)?;
        zip::copy_all(self.data, out)?;
        out.write_all(&self.after)
    }

    /// In small letters; `Format`, or what the name ends with.
    fn extension(&self) -> String {
        let named = || {
            let name = self.text("AttachmentName").unwrap_or_default();
            name.rsplit_once('.').map(|(_, extension)| extension.to_owned())
        };
        let format = self.text("Format").filter(|text| !text.is_empty());
        let extension = format.or_else(named).unwrap_or_default().to_lowercase();
        if extension.len() <= 8 && extension.bytes().all(|b| b.is_ascii_alphanumeric()) {
            extension
        } else {
            String::new()
        }
    }

    /// Where an element's text stands: in which part, from where to where.
    fn place(&self, name: &str) -> Option<(bool, std::ops::Range<usize>)> {
        [(false, &self.before), (true, &self.after)].into_iter().find_map(|(is_after, bytes)| {
            let text = std::str::from_utf8(bytes).ok()?;
            let ends = [format!(":{name}>"), format!("<{name}>")];
            let (at, end) = ends.iter().find_map(|end| Some((text.find(end.as_str())?, end)))?;
            let begin = at + end.len();
            Some((is_after, begin..begin + text[begin..].find('<')?))
        })
    }

    fn text(&self, name: &str) -> Option<String> {
        let (is_after, range) = self.place(name)?;
        let part = if is_after { &self.after } else { &self.before };
        Some(String::from_utf8_lossy(&part[range]).trim().to_owned())
    }

    fn set(&mut self, name: &str, text: &str) {
        if let Some((is_after, range)) = self.place(name) {
            let part = if is_after { &mut self.after } else { &mut self.before };
            part.splice(range, text.bytes());
        }
    }
}
