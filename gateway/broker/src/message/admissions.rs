//! Admissions as messages: what a gateway accepted, beside the events of its document, for another one that adopts it. JSON
//! of thousands of deliveries says the same over and over, so it is packed. On a subject of its own, and without the
//! headers of events, so whoever reads those passes over it.

use std::io::{Read, Write};

use async_nats::HeaderMap;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use lienthong_pipeline::ports::Fault;
use lienthong_pipeline::record::Admission;
use lienthong_schemas::ids::DocumentId;
use serde::{Deserialize, Serialize};

use super::{Outgoing, fault, header_value};
use crate::streams::EVENTS;

/// The version of an admission's message; no other message has this header.
const ADMISSION_HEADER: &str = "Lt-Admission";
const VERSION: &str = "1";

/// Largest admission, in bytes: as large as the spool keeps.
const ADMISSION_BYTES_MAX: u64 = 16 << 20;
/// And packed: what a server of any settings takes in one message, headers included.
const PACKED_BYTES_MAX: usize = 1_000_000;

#[derive(Serialize)]
struct Written<'a> {
    admission: &'a Admission,
}

#[derive(Deserialize)]
struct Unpacked {
    admission: Admission,
}

/// `lt.evt.<document id>.admission`.
pub(crate) fn admission_subject(document: DocumentId) -> String {
    format!("lt.evt.{document}.admission")
}

/// An admission as a message.
///
/// # Errors
/// It is too large for one.
pub(crate) fn encode_admission(admission: &Admission) -> Result<Outgoing, Fault> {
    let json = serde_json::to_vec(&Written { admission }).map_err(fault)?;
    if json.len() as u64 > ADMISSION_BYTES_MAX {
        return Err(fault(format!("an admission of {} bytes, at most {ADMISSION_BYTES_MAX}", json.len())));
    }
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::default());
    packer.write_all(&json).map_err(fault)?;
    let packed = packer.finish().map_err(fault)?;
    if packed.len() > PACKED_BYTES_MAX {
        let length = packed.len();
        return Err(fault(format!("an admission of {length} bytes when packed, at most {PACKED_BYTES_MAX}")));
    }
    let mut headers = HeaderMap::new();
    headers.insert(ADMISSION_HEADER, header_value(ADMISSION_HEADER, VERSION)?);
    let subject = admission_subject(admission.receipt.document_id);
    Ok(Outgoing { subject, headers, body: packed.into(), stream: EVENTS })
}

/// The admission of this document in a message.
///
/// # Errors
/// It is of a later version, too large, or not of this document.
pub(crate) fn decode_admission(
    document: DocumentId,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Admission, Fault> {
    let version = headers.get(ADMISSION_HEADER).map(|version| version.as_str());
    if version != Some(VERSION) {
        return Err(fault(format!("an admission of another version than {VERSION}")));
    }
    if body.len() > PACKED_BYTES_MAX {
        return Err(fault(format!("an admission of {} bytes when packed", body.len())));
    }
    let mut json = Vec::new();
    let unpacked = ZlibDecoder::new(body).take(ADMISSION_BYTES_MAX + 1).read_to_end(&mut json);
    unpacked.map_err(fault)?;
    if json.len() as u64 > ADMISSION_BYTES_MAX {
        return Err(fault(format!("an admission of more than {ADMISSION_BYTES_MAX} bytes")));
    }
    let Unpacked { admission } = serde_json::from_slice(&json).map_err(fault)?;
    let receipt = &admission.receipt;
    let fits = admission.deliveries.iter().all(|delivery| {
        delivery.document == document && delivery.digest == receipt.sha256 && delivery.bytes == receipt.bytes
    });
    if receipt.document_id != document || !fits {
        return Err(fault(format!("an admission under {document} that is not its own")));
    }
    Ok(admission)
}
