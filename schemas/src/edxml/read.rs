//! Reading a packet from bytes, where no signature is judged (`inspect`), and what intake needs to do the same.

use std::io::{self, BufRead};

use xml_sig::{Limits, ReadError, ReadOptions, XmlError, XmlFault};

use super::NAMESPACE;
use super::attachment::AttachmentSink;
use super::envelope::Envelope;
use super::limits::EdxmlLimits;
use super::reader::{EnvelopeReader, ReadMode};
use crate::rejections::{Rejection, RejectionCode};

/// The path of `edXMLHeader`, whose last child a signature of ours becomes (design.md B4).
pub const HEADER_PATH: &[(&str, &str)] =
    &[(NAMESPACE, "edXML"), (NAMESPACE, "edXMLEnvelope"), (NAMESPACE, "edXMLHeader")];

/// Bindings for packets that use prefixes without declaring them; real ones do, and the vendors' readers do not notice.
/// Given to the reader for a second reading, and only after [`XmlFault::UnboundPrefix`]: no byte changes, and such a
/// packet can only be Absent or Unusable (invariant 4).
pub const REPAIR_NAMESPACES: &[(&str, &str)] =
    &[("edXML", NAMESPACE), ("xlink", "http://www.w3.org/1999/xlink")];

/// Why a packet was not read.
#[derive(Debug, thiserror::Error)]
pub enum PacketFault {
    /// The sender must change something.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Our own input failed: nothing is known about the packet.
    #[error("reading the packet: {0}")]
    Io(#[from] io::Error),
}

impl From<ReadError> for PacketFault {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Xml(xml) => Self::Rejected(rejection_of(&xml)),
            ReadError::Io(io) => Self::Io(io),
            ReadError::Stopped(stop) => match stop.0.downcast::<Rejection>() {
                Ok(rejection) => Self::Rejected(*rejection),
                Err(other) => match other.downcast::<io::Error>() {
                    Ok(sink) => Self::Io(*sink),
                    Err(other) => Self::Io(io::Error::other(other)),
                },
            },
        }
    }
}

/// The row for a fault of the XML reader, with the rule and the byte offset as its detail.
pub fn rejection_of(xml: &XmlError) -> Rejection {
    let code = match xml.fault {
        XmlFault::Doctype => RejectionCode::XmlForbidden,
        XmlFault::Limit("depth") => RejectionCode::XmlTooDeep,
        XmlFault::Limit("attributes" | "markup_bytes") => RejectionCode::XmlTagTooLarge,
        XmlFault::Limit(_) => RejectionCode::XmlLimit,
        _ => RejectionCode::XmlMalformed,
    };
    Rejection::new(code).because(xml.to_string())
}

/// Reads a whole packet: strictly, and when only a prefix was undeclared, once more with [`REPAIR_NAMESPACES`].
///
/// `open` gives the same bytes each time. Returns the envelope and whether the repair was needed.
pub fn read_envelope(
    open: &mut dyn FnMut() -> io::Result<Box<dyn BufRead>>,
    limits: &EdxmlLimits,
) -> Result<(Envelope, bool), PacketFault> {
    read_twice(open, limits, None)
}

/// The same, and the bytes of the attachments go to `sink` as they pass. A second reading begins with its
/// [`restart`](AttachmentSink::restart).
pub fn read_envelope_keeping(
    open: &mut dyn FnMut() -> io::Result<Box<dyn BufRead>>,
    limits: &EdxmlLimits,
    sink: &mut dyn AttachmentSink,
) -> Result<(Envelope, bool), PacketFault> {
    read_twice(open, limits, Some(sink))
}

fn read_twice(
    open: &mut dyn FnMut() -> io::Result<Box<dyn BufRead>>,
    limits: &EdxmlLimits,
    mut sink: Option<&mut dyn AttachmentSink>,
) -> Result<(Envelope, bool), PacketFault> {
    match read_once(open, limits, &[], reborrow(&mut sink)) {
        Err(ReadOnceFault::Read(ReadError::Xml(XmlError { fault: XmlFault::UnboundPrefix, .. }))) => {}
        Err(fault) => return Err(fault.into()),
        Ok(envelope) => return Ok((envelope, false)),
    }
    if let Some(sink) = &mut sink {
        sink.restart()?;
    }
    Ok((read_once(open, limits, REPAIR_NAMESPACES, sink)?, true))
}

fn reborrow<'s>(sink: &'s mut Option<&mut dyn AttachmentSink>) -> Option<&'s mut dyn AttachmentSink> {
    match sink {
        Some(sink) => Some(&mut **sink),
        None => None,
    }
}

enum ReadOnceFault {
    Read(ReadError),
    Rejected(Rejection),
}

impl From<ReadOnceFault> for PacketFault {
    fn from(fault: ReadOnceFault) -> Self {
        match fault {
            ReadOnceFault::Read(error) => error.into(),
            ReadOnceFault::Rejected(rejection) => rejection.into(),
        }
    }
}

fn read_once(
    open: &mut dyn FnMut() -> io::Result<Box<dyn BufRead>>,
    limits: &EdxmlLimits,
    initial_namespaces: &[(&str, &str)],
    sink: Option<&mut dyn AttachmentSink>,
) -> Result<Envelope, ReadOnceFault> {
    let mut input = open().map_err(|e| ReadOnceFault::Read(e.into()))?;
    let xml_limits = Limits::default();
    let options = ReadOptions { limits: &xml_limits, initial_namespaces };
    let mut reader = EnvelopeReader::new(ReadMode::Full, limits);
    if let Some(sink) = sink {
        reader = reader.keeping(sink);
    }
    xml_sig::read(&mut *input, &options, &mut reader).map_err(ReadOnceFault::Read)?;
    reader.finish().map_err(ReadOnceFault::Rejected)
}
