//! Names of documents as messages of `EVENTS`: what is last on the subject of a name counts. Without the headers by which
//! readers of events know what concerns them, they pass over it.

use bytes::Bytes;
use lienthong_pipeline::ports::Fault;
use lienthong_pipeline::record::{NameClaim, NameClaims};
use serde::{Deserialize, Serialize};

use super::fault;

/// Which form is written, and the only one that is read.
const VERSION: u32 = 1;
/// Longest message that is written or read; a server takes 1 MB where nothing else is said.
const BYTES_MAX: usize = 768 * 1024;

/// What stands in front of every version.
#[derive(Deserialize)]
struct Head {
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Named {
    version: u32,
    documents: Vec<NameClaim>,
}

/// `lt.evt.name.<32 hex>`: a document's own subject has one part less.
pub(crate) fn name_subject(name: [u8; 16]) -> String {
    format!("lt.evt.name.{:032x}", u128::from_be_bytes(name))
}

/// What is said of a name.
pub(crate) fn encode_names(claims: &[NameClaim]) -> Result<Bytes, Fault> {
    let body = serde_json::to_vec(&Named { version: VERSION, documents: claims.to_vec() }).map_err(fault)?;
    if body.len() > BYTES_MAX {
        return Err(fault(format!("{} bytes about one name, at most {BYTES_MAX} are said", body.len())));
    }
    Ok(body.into())
}

/// What was said of a name; one that cannot be read is logged.
pub(crate) fn read_names(subject: &str, body: &[u8]) -> Option<Vec<NameClaim>> {
    let read = decode_names(body);
    read.inspect_err(|fault| tracing::error!(subject, %fault, "what is said of a name cannot be read")).ok()
}

fn decode_names(body: &[u8]) -> Result<Vec<NameClaim>, Fault> {
    if body.len() > BYTES_MAX {
        return Err(fault(format!("{} bytes about one name, at most {BYTES_MAX} are read", body.len())));
    }
    let Head { version } = serde_json::from_slice(body).map_err(fault)?;
    if version != VERSION {
        return Err(fault(format!("version {version} of a name, this program reads {VERSION}")));
    }
    let Named { documents, .. } = serde_json::from_slice(body).map_err(fault)?;
    let receivers: usize = documents.iter().map(|claim| claim.receivers.len()).sum();
    if documents.len() > NameClaims::DOCUMENTS_MAX || receivers > NameClaims::RECEIVERS_MAX {
        return Err(fault("more documents or receivers under one name than are said"));
    }
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ours_is_not_read() {
        for body in ["", "{}", "[]", r#"{"version":2,"documents":[]}"#, r#"{"version":1,"documents":[{}]}"#] {
            assert!(decode_names(body.as_bytes()).is_err(), "{body}");
        }
        assert_eq!(decode_names(br#"{"version":1,"documents":[]}"#).ok(), Some(Vec::new()));
        assert!(decode_names(&[b' '; BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn a_name_has_a_subject_of_its_own() {
        let name = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255];
        assert_eq!(name_subject(name), "lt.evt.name.000102030405060708090a0b0c0d0eff");
    }
}
