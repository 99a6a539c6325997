//! One layer of an attachment as it passes: hashed, counted, and where it is a ZIP taken apart.

use std::io;

use sha2::{Digest, Sha256};

use super::{AttachmentFault, AttachmentSink};
use crate::ids::PacketDigest;

/// Bytes kept to tell what a file is.
pub(super) const HEAD_BYTES: usize = 4096;

/// What is known of a layer after it has passed.
#[derive(Debug)]
pub(in crate::edxml) struct LayerFacts {
    /// Its length.
    pub(in crate::edxml) bytes: u64,
    /// SHA-256 of it.
    pub(in crate::edxml) sha256: PacketDigest,
    /// The first of it.
    pub(in crate::edxml) head: Vec<u8>,
}

/// What the layers of one attachment share while they pass.
pub(super) struct Passing<'p, 's> {
    /// Who else wants the bytes.
    pub(super) sink: Option<&'p mut (dyn AttachmentSink + 's)>,
    /// Which attachment this is.
    pub(super) attachment: usize,
}

impl Passing<'_, '_> {
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
}

impl Layer {
    /// The start of a layer; `level` archives stand around it.
    pub(super) fn new(level: u8) -> Self {
        Self { level, bytes: 0, hash: Sha256::new(), head: Vec::new() }
    }

    /// Takes the next bytes.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        passing: &mut Passing<'_, '_>,
    ) -> Result<(), AttachmentFault> {
        passing.keep(self.level, bytes)?;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        let room = HEAD_BYTES - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        Ok(())
    }

    /// The layer has ended.
    pub(super) fn finish(self) -> LayerFacts {
        let sha256 = PacketDigest::from_bytes(self.hash.finalize().into());
        LayerFacts { bytes: self.bytes, sha256, head: self.head }
    }
}
