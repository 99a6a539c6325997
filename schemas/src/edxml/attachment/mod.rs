//! Attachments as they pass: base64 decoded, hashed, and unpacked where they were zipped for the way (spec edxml
//! section 8); memory does not grow with them. What they mean for the packet is said in `assemble_attachments`.

mod base64;
pub(super) mod kinds;
mod layer;
mod sink;

use std::io;

use xml_sig::Stop;

use base64::{Base64Fault, Base64Stream};
use layer::{Layer, LayerFacts, Passing};
pub use sink::AttachmentSink;

use crate::rejections::{Rejection, RejectionCode};

/// What is known of an attachment after it has passed.
#[derive(Debug)]
pub(super) struct Decoded {
    /// Characters of base64, white space left out.
    pub(super) encoded: u64,
    /// No data, but the unfilled slot of a template: `${...}`.
    pub(super) placeholder: bool,
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
    Sink(#[from] io::Error),
}

impl AttachmentFault {
    fn stop(self, path: &str) -> Stop {
        match self {
            Self::Base64(fault) => {
                let rejection = Rejection::new(RejectionCode::AttachmentInvalid).at(path);
                Stop(Box::new(rejection.because(fault.to_string())))
            }
            Self::Sink(error) => Stop(Box::new(error)),
        }
    }
}

/// The attachments of one packet as they pass.
#[derive(Default)]
pub(super) struct Attached<'s> {
    sink: Option<&'s mut (dyn AttachmentSink + 's)>,
    /// How many have passed that hold anything.
    passed: usize,
    open: Option<(Base64Stream, Layer)>,
}

impl<'s> Attached<'s> {
    /// None yet.
    pub(super) fn new() -> Self {
        Self { sink: None, passed: 0, open: None }
    }

    /// Their bytes go here as well.
    pub(super) fn keep_in(&mut self, sink: &'s mut (dyn AttachmentSink + 's)) {
        self.sink = Some(sink);
    }

    /// The base64 text of one begins.
    pub(super) fn begin(&mut self) {
        self.open = Some((Base64Stream::new(), Layer::new(0)));
    }

    /// Whether the text of one is passing.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Takes the next piece of text. `path` says where, should it be wrong.
    pub(super) fn push(&mut self, chunk: &str, path: impl Fn() -> String) -> Result<(), Stop> {
        let Some((base64, packed)) = &mut self.open else { return Ok(()) };
        let mut passing = passing(&mut self.sink, self.passed);
        base64
            .push(chunk.as_bytes(), &mut |bytes| packed.push(bytes, &mut passing))
            .map_err(|e| e.stop(&path()))
    }

    /// The text ends. `path` says where, should it be wrong.
    pub(super) fn end(&mut self, path: impl Fn() -> String) -> Result<Option<Box<Decoded>>, Stop> {
        let Some((mut base64, mut packed)) = self.open.take() else { return Ok(None) };
        let mut passing = passing(&mut self.sink, self.passed);
        base64.finish(&mut |bytes| packed.push(bytes, &mut passing)).map_err(|e| e.stop(&path()))?;
        let decoded = Decoded {
            encoded: base64.encoded(),
            placeholder: base64.is_placeholder(),
            layers: vec![packed.finish()],
        };
        if let Some(sink) = &mut self.sink
            && !decoded.is_empty()
        {
            sink.end(self.passed).map_err(|e| AttachmentFault::from(e).stop(&path()))?;
        }
        Ok(Some(Box::new(decoded)))
    }

    /// An `Attachment` element has ended, which holds something: the next one is another of the content.
    pub(super) fn count(&mut self) {
        self.passed += 1;
    }
}

fn passing<'p, 's>(
    sink: &'p mut Option<&'s mut (dyn AttachmentSink + 's)>,
    attachment: usize,
) -> Passing<'p, 's> {
    Passing { sink: sink.as_deref_mut(), attachment }
}
