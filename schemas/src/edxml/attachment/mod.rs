//! Attachments as they pass: base64 decoded, hashed, and unpacked where they were zipped for the way (spec edxml
//! section 8); memory does not grow with them. What they mean for the packet is said in `assemble_attachments`.

mod archive_end;
mod base64;
mod entry;
pub(super) mod kinds;
mod layer;
mod sink;
mod unpack;

use std::io;

use xml_sig::Stop;

use base64::{Base64Fault, Base64Stream};
pub(super) use layer::LayerFacts;
use layer::{Layer, Passing};
pub use sink::AttachmentSink;
pub(super) use unpack::Archive;

use super::limits::EdxmlLimits;
use crate::rejections::{Rejection, RejectionCode};

/// What is known of an attachment after it has passed.
#[derive(Debug)]
pub(super) struct Decoded {
    /// Characters of base64, white space left out.
    pub(super) encoded: u64,
    /// No data, but the unfilled slot of a template: `${...}`.
    pub(super) placeholder: bool,
    /// What is not quite base64 in its text.
    pub(super) odd: Option<String>,
    /// The decoded bytes; after them the first file of the ZIP that they are, and so on.
    pub(super) layers: Vec<LayerFacts>,
}

impl Decoded {
    /// Neither data nor the place for it.
    pub(super) fn is_empty(&self) -> bool {
        !self.placeholder && self.layers.first().is_none_or(|packed| packed.bytes == 0)
    }
}

/// Why an attachment does not pass.
#[derive(Debug, thiserror::Error)]
enum AttachmentFault {
    #[error(transparent)]
    Base64(#[from] Base64Fault),
    #[error(transparent)]
    Archive(#[from] ArchiveFault),
    #[error(transparent)]
    Sink(#[from] io::Error),
}

/// What an archive may not be. Unlike one that is only damaged it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum ArchiveFault {
    #[error("more than {0} times its packed size")]
    Ratio(u32),
    #[error("more than {0} bytes out of all archives together")]
    TooLarge(u64),
    #[error("a ZIP in more than {0} others")]
    Nested(u8),
    #[error("{0} files, more than {1}")]
    Entries(u64, u64),
}

impl ArchiveFault {
    fn code(self) -> RejectionCode {
        match self {
            Self::Ratio(_) => RejectionCode::ArchiveRatio,
            Self::TooLarge(_) => RejectionCode::ArchiveTooLarge,
            Self::Nested(_) => RejectionCode::ArchiveNested,
            Self::Entries(..) => RejectionCode::ArchiveEntries,
        }
    }
}

impl AttachmentFault {
    fn stop(self, path: &str) -> Stop {
        let refuse = |code, why: String| Stop(Box::new(Rejection::new(code).at(path).because(why)));
        match self {
            Self::Base64(fault) => refuse(RejectionCode::AttachmentInvalid, fault.to_string()),
            Self::Archive(fault) => refuse(fault.code(), fault.to_string()),
            Self::Sink(error) => Stop(Box::new(error)),
        }
    }
}

/// The attachments of one packet as they pass.
pub(super) struct Attached<'s> {
    limits: EdxmlLimits,
    sink: Option<&'s mut (dyn AttachmentSink + 's)>,
    /// Bytes that came out of archives.
    inflated: u64,
    /// Bytes of the archives that have passed.
    packed: u64,
    /// How many have passed that hold anything.
    passed: usize,
    open: Option<Open>,
}

struct Open {
    base64: Base64Stream,
    packed: Layer,
    /// Bytes of it that were unpacked.
    unpacked: u64,
}

impl<'s> Attached<'s> {
    /// None yet.
    pub(super) fn new(limits: &EdxmlLimits) -> Self {
        Self { limits: limits.clone(), sink: None, inflated: 0, packed: 0, passed: 0, open: None }
    }

    /// Their bytes go here as well.
    pub(super) fn keep_in(&mut self, sink: &'s mut (dyn AttachmentSink + 's)) {
        self.sink = Some(sink);
    }

    /// The base64 text of one begins.
    pub(super) fn begin(&mut self) {
        self.open = Some(Open { base64: Base64Stream::new(), packed: Layer::new(0), unpacked: 0 });
    }

    /// Whether the text of one is passing.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Takes the next piece of text. `path` says where, should it be wrong.
    pub(super) fn push(&mut self, chunk: &str, path: impl Fn() -> String) -> Result<(), Stop> {
        let text = chunk.as_bytes();
        self.pass(|base64, take| base64.push(text, take)).map_err(|fault| fault.stop(&path()))
    }

    /// The text ends. `path` says where, should it be wrong.
    pub(super) fn end(&mut self, path: impl Fn() -> String) -> Result<Option<Box<Decoded>>, Stop> {
        self.finish().map_err(|fault| fault.stop(&path()))
    }

    /// An `Attachment` element has ended, which holds something: the next one is another of the content.
    pub(super) fn count(&mut self) {
        self.passed += 1;
    }

    fn finish(&mut self) -> Result<Option<Box<Decoded>>, AttachmentFault> {
        self.pass(|base64, take| base64.finish(take))?;
        let Some(Open { base64, packed, unpacked }) = self.open.take() else { return Ok(None) };
        self.packed += unpacked;
        let mut layers = Vec::new();
        packed.finish(&self.limits, &mut layers)?;
        let decoded = Decoded {
            encoded: base64.encoded(),
            placeholder: base64.is_placeholder(),
            odd: base64.odd().map(|odd| odd.to_string()),
            layers,
        };
        if let Some(sink) = &mut self.sink
            && !decoded.is_empty()
        {
            sink.end(self.passed)?;
        }
        Ok(Some(Box::new(decoded)))
    }

    /// Lets text through base64 to the first layer.
    fn pass(
        &mut self,
        decode: impl FnOnce(&mut Base64Stream, &mut base64::Take<'_>) -> Result<(), AttachmentFault>,
    ) -> Result<(), AttachmentFault> {
        let Some(Open { base64, packed, unpacked }) = &mut self.open else { return Ok(()) };
        let mut passing = Passing {
            limits: &self.limits,
            sink: self.sink.as_deref_mut(),
            attachment: self.passed,
            packed: *unpacked,
            packed_before: self.packed,
            inflated: &mut self.inflated,
        };
        let passed = decode(base64, &mut |bytes| packed.push(bytes, &mut passing));
        *unpacked = passing.packed;
        passed
    }
}
