//! Reading as the program does, from memory and in pieces.

use std::io::{self, BufRead, BufReader, Cursor};
use std::sync::Arc;

use lienthong_schemas::edxml::{Content, EdxmlLimits, Envelope, PacketFault, read_envelope};
use lienthong_schemas::rejections::Rejection;

/// What a packet says, and whether it was repaired.
pub(crate) type Reading = Result<(Envelope, bool), Rejection>;

/// Reads a packet that comes in pieces of so many bytes.
pub(crate) fn read(packet: &Arc<[u8]>, piece: usize, limits: &EdxmlLimits) -> Reading {
    let mut open = || -> io::Result<Box<dyn BufRead>> {
        Ok(Box::new(BufReader::with_capacity(piece, Cursor::new(Arc::clone(packet)))))
    };
    read_envelope(&mut open, limits).map_err(|fault| match fault {
        PacketFault::Rejected(rejection) => rejection,
        PacketFault::Io(error) => panic!("memory cannot fail: {error}"),
    })
}

/// Reads a packet as a whole, and once more for each of these lengths of pieces, to the same result.
pub(crate) fn read_cut_alike(packet: &[u8], pieces: &[usize], limits: &EdxmlLimits) -> Reading {
    let packet: Arc<[u8]> = packet.into();
    let whole = read(&packet, packet.len().max(1), limits);
    for &piece in pieces {
        let cut = read(&packet, piece, limits);
        assert_eq!(told(&cut), told(&whole), "in pieces of {piece}");
    }
    whole
}

/// All that is said of a packet.
pub(crate) fn told(reading: &Reading) -> String {
    match reading {
        Ok((envelope, repaired)) => format!("{repaired} {:?}", envelope.claimed_content()),
        Err(rejection) => format!("{rejection:?}"),
    }
}

/// What must hold whatever a packet says: what is kept of it is bounded, and fit for a log.
pub(crate) fn check_bounds(reading: &Reading, limits: &EdxmlLimits) {
    match reading {
        Ok((envelope, _)) => check_content(envelope.claimed_content(), limits),
        Err(rejection) => {
            assert!(rejection.also.len() <= Rejection::ALSO_MAX);
            let also = rejection.also.iter().flat_map(|also| [&also.field, &also.detail]);
            for text in [&rejection.field, &rejection.detail].into_iter().chain(also).flatten() {
                check_printable(text);
            }
        }
    }
}

fn check_content(content: &Content, limits: &EdxmlLimits) {
    use lienthong_schemas::edxml::Findings;
    assert!(content.to.len() <= limits.receivers && content.attachments.len() <= limits.attachments);
    assert!(content.manifest.len() + content.trace.len() + content.to_places.len() <= limits.entries);
    assert!(content.subject.len() <= limits.field_bytes);
    assert!(content.unknown.len() <= Content::UNKNOWN_MAX);
    let findings = &content.findings;
    assert!(findings.remarks().len() <= Findings::REMARKS_MAX);
    for finding in findings.kinds() {
        let places = findings.remarks().iter().filter(|remark| remark.finding == *finding).count();
        assert!(places <= Findings::PLACES_MAX, "{finding}");
    }
    assert!(findings.remarks().is_sorted_by_key(|remark| remark.finding.severity()));
    for remark in findings.remarks() {
        assert!(findings.has(remark.finding));
        check_printable(&remark.detail);
        assert!(remark.field.len() <= 1_000, "{}", remark.field);
    }
}

fn check_printable(text: &str) {
    use lienthong_schemas::rejections::REJECTION_TEXT_BYTES_MAX;
    let turns = |c: char| matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    assert!(!text.contains(|c: char| c.is_control() || turns(c)), "{text:?} is not fit for a log");
    assert!(text.len() <= REJECTION_TEXT_BYTES_MAX, "{} bytes", text.len());
}
