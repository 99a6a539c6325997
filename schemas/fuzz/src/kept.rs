//! The bytes of attachments, kept by the layer.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Cursor};
use std::sync::Arc;

use lienthong_schemas::edxml::{AttachmentSink, EdxmlLimits, Envelope, PacketFault, read_envelope_keeping};

/// What passed of each attachment.
#[derive(Default)]
pub(crate) struct Kept {
    layers: BTreeMap<(usize, u8), Vec<u8>>,
    ended: usize,
}

impl Kept {
    /// Of one layer of one attachment; nothing where it is empty.
    pub(crate) fn layer(&self, attachment: usize, layer: u8) -> &[u8] {
        self.layers.get(&(attachment, layer)).map_or(&[], |bytes| bytes)
    }
}

impl AttachmentSink for Kept {
    fn take(&mut self, attachment: usize, layer: u8, bytes: &[u8]) -> io::Result<()> {
        assert!(attachment >= self.ended, "attachment {attachment} has ended");
        assert!(!bytes.is_empty());
        self.layers.entry((attachment, layer)).or_default().extend(bytes);
        Ok(())
    }

    fn end(&mut self, attachment: usize) -> io::Result<()> {
        assert!(attachment >= self.ended, "attachment {attachment} ends twice");
        self.ended = attachment + 1;
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        *self = Self::default();
        Ok(())
    }
}

/// Reads a packet that was read before, and keeps its attachments.
pub(crate) fn read_keeping(packet: &[u8]) -> (Envelope, Kept) {
    let packet: Arc<[u8]> = packet.into();
    let mut open = || -> io::Result<Box<dyn BufRead>> { Ok(Box::new(Cursor::new(Arc::clone(&packet)))) };
    let mut kept = Kept::default();
    match read_envelope_keeping(&mut open, &EdxmlLimits::default(), &mut kept) {
        Ok((envelope, _)) => (envelope, kept),
        Err(PacketFault::Rejected(rejection)) => panic!("refused where it is kept: {rejection}"),
        Err(PacketFault::Io(error)) => panic!("memory cannot fail: {error}"),
    }
}
