//! The packet reader: however the input is cut, it says the same; what it keeps is bounded; lower limits only refuse more;
//! what is read for claims, to the Signature or to the end, is what the whole packet says; what may be written reads the
//! same again.

use lienthong_schemas::edxml::{
    CORRELATIONS_MAX, EdxmlLimits, Envelope, EnvelopeReader, PLACES, REPAIR_NAMESPACES, ReadMode,
    check_carried, correlations,
};
use lienthong_schemas::rejections::Rejection;
use xml_sig::{Limits, Reach, ReadOptions, locate};

use crate::read::{check_bounds, read_cut_alike, told};
use crate::round_trip;

/// What a packet may be refused with for a limit alone.
const LIMIT_CODES: [&str; 8] = [
    "XML_LIMIT",
    "FIELD_TOO_LONG",
    "RECEIVERS_TOO_MANY",
    "ATTACHMENTS_TOO_MANY",
    "ARCHIVE_RATIO",
    "ARCHIVE_TOO_LARGE",
    "ARCHIVE_NESTED",
    "ARCHIVE_ENTRIES",
];

/// Low enough to be reached by packets of a few kilobytes.
fn low() -> EdxmlLimits {
    EdxmlLimits {
        receivers: 2,
        attachments: 2,
        entries: 4,
        field_bytes: 60,
        text_bytes: 600,
        ..EdxmlLimits::default()
    }
}

/// How far an input came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// It is refused.
    Nothing,
    /// It is read.
    Read,
    /// It is read, and may be written.
    Written,
}

/// Checks one input.
pub fn check(packet: &[u8]) -> Reached {
    let usual = EdxmlLimits::default();
    let whole = read_cut_alike(packet, &[1, 7, 64 + packet.len() % 64], &usual);
    check_bounds(&whole, &usual);
    let bounded = read_cut_alike(packet, &[5], &low());
    check_bounds(&bounded, &low());
    if !bounded.as_ref().is_err_and(is_limit) {
        assert_eq!(told(&bounded), told(&whole), "lower limits say something else");
    }
    let Ok((envelope, repaired)) = whole else { return Reached::Nothing };
    let content = envelope.claimed_content();
    assert!(correlations(content).len() <= CORRELATIONS_MAX);
    if let Err(rejection) = check_carried(content) {
        check_bounds(&Err(rejection), &usual);
    }
    claims_agree(packet, &envelope, repaired);
    if round_trip::check(packet) { Reached::Written } else { Reached::Read }
}

fn is_limit(rejection: &Rejection) -> bool {
    LIMIT_CODES.contains(&rejection.code.row().name)
}

/// The keys of the sender are looked for by what is claimed before the packet was read as a whole.
fn claims_agree(packet: &[u8], whole: &Envelope, repaired: bool) {
    let limits = Limits::default();
    let initial_namespaces = if repaired { REPAIR_NAMESPACES } else { &[] };
    let options = ReadOptions { limits: &limits, initial_namespaces };
    for reach in [Reach::Signature, Reach::End] {
        let mut reader = EnvelopeReader::new(ReadMode::Claims, &EdxmlLimits::default());
        let located = locate(&mut &*packet, &options, &PLACES, reach, &mut reader);
        // A packet may have more Signatures than one can be judged of.
        if located.is_err() || (reach == Reach::Signature && !reader.has_claims()) {
            continue;
        }
        let claims = reader.finish().unwrap_or_else(|rejection| panic!("no claims, {reach:?}: {rejection}"));
        assert_eq!(claims.claimed_sender(), whole.claimed_sender(), "{reach:?}");
        assert_eq!(claims.claimed_kind(), whole.claimed_kind(), "{reach:?}");
        assert_eq!(claims.claimed_document_id(), whole.claimed_document_id(), "{reach:?}");
        assert!(claims.claimed_content().attachments.is_empty());
        if reach == Reach::End {
            same_header(&claims, whole);
        }
    }
}

fn same_header(claims: &Envelope, whole: &Envelope) {
    let (claims, whole) = (claims.claimed_content(), whole.claimed_content());
    macro_rules! same {
        ($($field:ident)*) => {
            $(assert_eq!(format!("{:?}", claims.$field), format!("{:?}", whole.$field), stringify!($field));)*
        };
    }
    same!(from to code_number code_notation promulgation_place promulgation_date document_type
        document_type_detail document_type_name subject content_summary signer due_date priority to_places sphere
        typer_notation promulgation_amount page_amount reply_fors reference_codes direction appendixes steering_type
        task_codes application_type response_for business trace_list trace status manifest_version manifest);
}
