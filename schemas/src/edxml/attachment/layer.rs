//! One layer of an attachment as it passes: hashed, counted, and where it is a ZIP taken apart.

use std::io;

use sha2::{Digest, Sha256};

use super::unpack::{Archive, Unpacker};
use super::{ArchiveFault, AttachmentFault, AttachmentSink, kinds};
use crate::edxml::file_kind::FileKind;
use crate::edxml::limits::EdxmlLimits;
use crate::ids::PacketDigest;

/// What a ZIP begins with: a local file header (APPNOTE 4.3.7).
const ZIP: &[u8; 4] = b"PK\x03\x04";

/// What is known of a layer after it has passed.
#[derive(Debug)]
pub(in crate::edxml) struct LayerFacts {
    /// Its length.
    pub(in crate::edxml) bytes: u64,
    /// SHA-256 of it.
    pub(in crate::edxml) sha256: PacketDigest,
    /// What it is.
    pub(in crate::edxml) kind: FileKind,
    /// It was damaged by a conversion to UTF-8.
    pub(in crate::edxml) mangled: bool,
    /// What archive it is, if any.
    pub(in crate::edxml) archive: Option<Archive>,
}

/// What the layers of one attachment share while they pass.
pub(super) struct Passing<'p, 's> {
    /// What an archive may cost.
    pub(super) limits: &'p EdxmlLimits,
    /// Who else wants the bytes.
    pub(super) sink: Option<&'p mut (dyn AttachmentSink + 's)>,
    /// Which attachment this is.
    pub(super) attachment: usize,
    /// Bytes of the attachment that were unpacked so far.
    pub(super) packed: u64,
    /// The same of the attachments before it.
    pub(super) packed_before: u64,
    /// Bytes that came out of all archives of the packet.
    pub(super) inflated: &'p mut u64,
}

impl Passing<'_, '_> {
    /// So many bytes more were inflated; one archive has given `unpacked` for `taken` by now. What archives in each
    /// other give is measured by the outermost too, and what all of a packet give by all.
    pub(super) fn count_inflated(
        &mut self,
        bytes: u64,
        unpacked: u64,
        taken: u64,
    ) -> Result<(), ArchiveFault> {
        let limits = self.limits;
        *self.inflated += bytes;
        let exceeds = |unpacked: u64, packed: u64| {
            unpacked > limits.archive_ratio_from
                && unpacked > packed.saturating_mul(limits.archive_ratio.into())
        };
        let all = self.packed_before + self.packed;
        if exceeds(unpacked, taken.min(self.packed)) || exceeds(*self.inflated, all) {
            return Err(ArchiveFault::Ratio(limits.archive_ratio));
        }
        if *self.inflated > limits.archive_bytes {
            return Err(ArchiveFault::TooLarge(limits.archive_bytes));
        }
        Ok(())
    }

    fn keep(&mut self, layer: u8, bytes: &[u8]) -> io::Result<()> {
        match &mut self.sink {
            Some(sink) if !bytes.is_empty() => sink.take(self.attachment, layer, bytes),
            _ => Ok(()),
        }
    }
}

/// A layer that passes.
#[derive(Debug)]
pub(super) struct Layer {
    level: u8,
    bytes: u64,
    hash: Sha256,
    head: Vec<u8>,
    archive: Option<Unpacker>,
}

impl Layer {
    /// The start of a layer; `level` archives stand around it.
    pub(super) fn new(level: u8) -> Self {
        Self { level, bytes: 0, hash: Sha256::new(), head: Vec::new(), archive: None }
    }

    /// Takes the next bytes.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        passing: &mut Passing<'_, '_>,
    ) -> Result<(), AttachmentFault> {
        passing.keep(self.level, bytes)?;
        self.hash.update(bytes);
        let before = self.head.len();
        let room = FileKind::HEAD_BYTES - before;
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.bytes += bytes.len() as u64;
        if let Some(archive) = &mut self.archive {
            archive.push(bytes, passing)?;
        } else if before < ZIP.len() && self.head.starts_with(ZIP) {
            if self.level >= passing.limits.archive_levels {
                return Err(ArchiveFault::Nested(passing.limits.archive_levels).into());
            }
            let archive = self.archive.insert(Unpacker::new(self.level));
            archive.push(&self.head[..before], passing)?;
            archive.push(bytes, passing)?;
        }
        Ok(())
    }

    /// The layer has ended. Its facts, and those of the layers in it, are added to `facts`.
    pub(super) fn finish(
        self,
        limits: &EdxmlLimits,
        facts: &mut Vec<LayerFacts>,
    ) -> Result<(), AttachmentFault> {
        let mut layer = LayerFacts {
            bytes: self.bytes,
            sha256: PacketDigest::from_bytes(self.hash.finalize().into()),
            kind: FileKind::of(&self.head),
            mangled: kinds::is_mangled(&self.head),
            archive: None,
        };
        let Some(archive) = self.archive else {
            facts.push(layer);
            return Ok(());
        };
        let (archive, first, directory) = archive.finish(limits.archive_entries)?;
        layer.archive = Some(archive);
        if let (Archive::Several(_), Some(first)) = (archive, &first) {
            layer.kind = FileKind::of_zip(&first.head, &directory);
        }
        facts.push(layer);
        match first {
            Some(first) => first.finish(limits, facts),
            None => Ok(()),
        }
    }
}
