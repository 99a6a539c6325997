//! A packet to bytes: checked whole before the first byte, then the envelope, then the attachments as they are read.

use std::io::{self, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::check::{attachment_id, bare, reference_to};
use super::flaw::{FlawRule, PacketFlaw, WriteFault};
use super::{DocumentPacket, layout, media_type};
use crate::edxml::write::{END_ATTACHMENT, PacketText, begin_attachment};

/// Bytes of an attachment encoded at once; a multiple of three.
const BATCH: usize = 48 * 1024;

/// Gives the bytes of the attachment with this number, from 0, the same each time: they are opened twice.
pub type OpenAttachment<'a> = dyn FnMut(usize) -> io::Result<Box<dyn Read + 'a>> + 'a;

impl DocumentPacket {
    /// Writes the packet in the layout of the reference library, attachments as they are (never zipped), batch by batch.
    ///
    /// Nothing is written while anything is missing or wrong: [`WriteFault::Flawed`] names all of it. What an attachment
    /// is declared to be must not make a receiver unzip what is no ZIP, nor the other way round.
    pub fn write_to(&self, open: &mut OpenAttachment<'_>, out: &mut dyn Write) -> Result<(), WriteFault> {
        let mut flaws = self.check();
        let heads = self.heads(open)?;
        flaws.extend(self.byte_flaws(&heads));
        if !flaws.is_empty() {
            return Err(WriteFault::Flawed(flaws));
        }
        let packet = self.completed(&heads);
        let mut text = PacketText::exact();
        layout::envelope(&mut text, &packet);
        out.write_all(text.end_envelope().as_bytes())?;
        write_attachments(&packet, open, out)
    }

    fn heads(&self, open: &mut OpenAttachment<'_>) -> Result<Vec<Vec<u8>>, WriteFault> {
        let mut head = |index| {
            let mut head = Vec::new();
            open(index)?.take(media_type::HEAD_BYTES as u64).read_to_end(&mut head)?;
            Ok(head)
        };
        (0..self.attachments.len())
            .map(|index| head(index).map_err(|cause| WriteFault::Attachment { index, cause }))
            .collect()
    }

    fn byte_flaws(&self, heads: &[Vec<u8>]) -> Vec<PacketFlaw> {
        let mut flaws = Vec::new();
        for (n, (attachment, head)) in self.attachments.iter().zip(heads).enumerate() {
            let declared = attachment.content_type.split(';').next().unwrap_or_default().trim();
            let (zip, field) = (media_type::is_zip(head), format!("AttachmentEncoded/Attachment[{}]", n + 1));
            if !zip && declared.eq_ignore_ascii_case("application/zip") {
                flaws.push(PacketFlaw { field: format!("{field}/ContentType"), rule: FlawRule::NotZip });
            }
            if zip && !media_type::is_zip_name(&attachment.name) {
                let field = format!("{field}/AttachmentName");
                flaws.push(PacketFlaw { field, rule: FlawRule::ZipUnderOtherName });
            }
        }
        flaws
    }

    /// The packet with everything said that follows from the rest.
    pub(super) fn completed(&self, heads: &[Vec<u8>]) -> Self {
        let mut packet = self.clone();
        if packet.document_id.trim().is_empty() {
            packet.document_id = packet.composed_id();
        }
        for (n, (attachment, head)) in packet.attachments.iter_mut().zip(heads).enumerate() {
            attachment.content_id = attachment_id(attachment, n);
            attachment.name = attachment.name.trim().to_owned();
            attachment.content_type = match attachment.content_type.trim() {
                "" => media_type::media_type(&attachment.name, head).to_owned(),
                declared => declared.to_owned(),
            };
        }
        if packet.manifest.is_empty() {
            packet.manifest = packet.attachments.iter().map(reference_to).collect();
        }
        for reference in &mut packet.manifest {
            reference.content_id = bare(&reference.content_id).to_owned();
            let Some(attachment) = packet.attachments.iter().find(|a| a.content_id == reference.content_id)
            else {
                continue;
            };
            for (text, other) in [
                (&mut reference.content_type, &attachment.content_type),
                (&mut reference.name, &attachment.name),
            ] {
                if text.trim().is_empty() {
                    text.clone_from(other);
                }
            }
        }
        packet
    }
}

/// The attachments and the end of the packet.
pub(in crate::edxml) fn write_attachments(
    packet: &DocumentPacket,
    open: &mut OpenAttachment<'_>,
    out: &mut dyn Write,
) -> Result<(), WriteFault> {
    if !packet.attachments.is_empty() {
        out.write_all(b"  <AttachmentEncoded>\r\n")?;
        for (index, attachment) in packet.attachments.iter().enumerate() {
            let fields = layout::attachment(attachment);
            begin_attachment(out, &fields.each_ref().map(|(name, text)| (*name, text.as_str())))?;
            let bytes = open(index).map_err(|cause| WriteFault::Attachment { index, cause })?;
            copy_encoded(index, bytes, out)?;
            out.write_all(END_ATTACHMENT)?;
        }
        out.write_all(b"  </AttachmentEncoded>\r\n")?;
    }
    out.write_all(b"</edXML>\r\n")?;
    Ok(())
}

/// An attachment's bytes in one line of base64, as the reference library writes them.
fn copy_encoded(index: usize, mut bytes: Box<dyn Read + '_>, out: &mut dyn Write) -> Result<(), WriteFault> {
    let mut text = String::with_capacity(BATCH / 3 * 4);
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        batch.clear();
        let read = bytes.by_ref().take(BATCH as u64).read_to_end(&mut batch);
        let read = read.map_err(|cause| WriteFault::Attachment { index, cause })?;
        text.clear();
        STANDARD.encode_string(&batch, &mut text);
        out.write_all(text.as_bytes())?;
        if read < BATCH {
            return Ok(());
        }
    }
}
