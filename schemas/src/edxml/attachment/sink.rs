//! Where the bytes of attachments go while a packet is read, for who wants them: `inspect --extract`.

use std::io;

/// Takes the bytes of attachments as they pass.
///
/// An attachment has layers: 0 is what its base64 decodes to; where that is a ZIP, 1 is the first file in it; where
/// that is a ZIP again, 2 is the first file in this one. Which layer is the file that a receiver opens is known only
/// when the packet was read to its end: [`Attachment::layer`](super::super::Attachment::layer) says it. What was
/// taken before is not to be trusted until then, and a layer above 0 may break off.
///
/// An error stops the reading as [`PacketFault::Io`](super::super::PacketFault::Io).
pub trait AttachmentSink {
    /// The next bytes of a layer; never none. `attachment` is the index in
    /// [`Content::attachments`](super::super::Content::attachments). Attachments come one after the other, the pieces
    /// of their layers mixed. An empty file has no pieces.
    fn take(&mut self, attachment: usize, layer: u8, bytes: &[u8]) -> io::Result<()>;

    /// Nothing more comes of this attachment.
    fn end(&mut self, attachment: usize) -> io::Result<()>;

    /// The packet is read once more from its start: everything taken so far is void.
    fn restart(&mut self) -> io::Result<()>;
}
