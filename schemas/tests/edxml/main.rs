//! edXML packets through the public doors of the crate: bytes in, content or refusal out.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests stop the test, and say what they skip"
)]

mod attachments;
mod claims;
mod corpus;
mod corpus_told;
mod deviations;
mod deviations_attachments;
mod deviations_values;
mod flaws;
mod hostile;
mod hostile_archives;
mod hostile_bombs;
#[path = "../made/mod.rs"]
#[allow(dead_code, reason = "shared with other test programs and the benchmark, each of which needs a part")]
mod made;
mod noticed;
mod noticed_cases;
mod packets;
mod parts;
mod paths;
mod producers;
mod refusals;
mod same_text;
mod signer;
mod statuses;
mod tolerance;
mod verdicts;
mod written;
mod written_hostile;
mod xsd;

use std::io::{BufRead, BufReader, Cursor};

use lienthong_schemas::edxml::{DocumentBuilder, EdxmlLimits, Envelope, Finding, PacketFault, read_envelope};
use lienthong_schemas::rejections::Rejection;

/// Reads a packet that the input hands over in pieces of `piece` bytes.
fn read_in_pieces(bytes: &[u8], piece: usize) -> Result<(Envelope, bool), Rejection> {
    let mut open = || -> std::io::Result<Box<dyn BufRead>> {
        Ok(Box::new(BufReader::with_capacity(piece, Cursor::new(bytes.to_vec()))))
    };
    read_envelope(&mut open, &EdxmlLimits::default()).map_err(|fault| match fault {
        PacketFault::Rejected(rejection) => rejection,
        PacketFault::Io(error) => panic!("memory cannot fail: {error}"),
    })
}

fn read(bytes: &[u8]) -> Result<(Envelope, bool), Rejection> {
    read_in_pieces(bytes, 8192)
}

fn built(builder: DocumentBuilder) -> Vec<u8> {
    builder.to_bytes().expect("the builder holds what is replaced")
}

/// A letter with one attachment.
fn letter() -> DocumentBuilder {
    DocumentBuilder::new("H55.15", &["H55.16", "H55.17"]).attach(
        "cv.pdf",
        "application/pdf",
        &b"%PDF-1.4 x"[..],
    )
}

/// Reads a letter in which the first `old` became `new`.
fn letter_with(old: &str, new: &str) -> Result<(Envelope, bool), Rejection> {
    read(&built(letter().with_raw(old, new)))
}

/// What was noticed, less what the builder's plain letter lacks.
fn codes(envelope: &Envelope) -> Vec<&'static str> {
    let plain = [Finding::FieldAbsent, Finding::TraceMissing];
    let kinds = envelope.claimed_content().findings.kinds().iter();
    kinds.filter(|finding| !plain.contains(finding)).map(|finding| finding.code()).collect()
}

/// What was noticed with the code, the place and the detail.
fn remarks(envelope: &Envelope) -> Vec<(&'static str, &str, &str)> {
    let remarks = envelope.claimed_content().findings.remarks().iter();
    remarks.map(|r| (r.finding.code(), r.field.as_str(), r.detail.as_str())).collect()
}
