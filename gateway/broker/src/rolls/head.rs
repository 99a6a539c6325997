//! What stands under the key of a roll: which writing it is, and how what was written is put together. The roll itself
//! lies beside it in chunks, because it may be longer than a message. Anybody who may write there may have written it.

use bytes::Bytes;
use lienthong_pipeline::ports::{Fault, SHARED_ROLL_BYTES_MAX};
use lienthong_pipeline::record::SystemId;
use serde::{Deserialize, Serialize};

use crate::PLACE;

/// Bytes of a chunk: a message that any server takes, and copies at once.
pub(super) const CHUNK_BYTES: usize = 128 * 1024;

/// Which form is written, and the newest that is read.
const VERSION: u32 = 1;
/// Longest head that is read, in bytes.
const HEAD_BYTES_MAX: usize = 1_024;

/// Keys of all heads.
pub(super) const HEADS: &str = "h.*";

/// One writing of a roll.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    version: u32,
    /// Drawn by who wrote it; never 0.
    pub(super) write: u64,
    /// The revision of the head that it was to follow.
    pub(super) after: u64,
    /// Length of the roll as JSON.
    pub(super) bytes: usize,
    /// Of that.
    pub(super) sha256: String,
}

/// Why a head is none.
#[derive(Debug)]
pub(super) enum NoHead {
    /// A newer program wrote it: nothing of it is touched.
    Newer(Fault),
    /// It makes no sense.
    Damaged(String),
}

/// The key of an id's head.
pub(super) fn key(id: &SystemId) -> String {
    format!("h.{id}")
}

/// The id whose head has this key.
pub(super) fn id(key: &str) -> Option<SystemId> {
    SystemId::parse(key.strip_prefix("h.")?)
}

/// The keys of all chunks of an id.
pub(super) fn all_chunks(id: &SystemId) -> String {
    format!("c.{id}.>")
}

impl Head {
    pub(super) fn new(write: u64, after: u64, bytes: usize, sha256: String) -> Self {
        Self { version: VERSION, write, after, bytes, sha256 }
    }

    pub(super) fn written(&self) -> Result<Bytes, Fault> {
        serde_json::to_vec(self).map(Bytes::from).map_err(|cause| Fault::new(PLACE, cause))
    }

    pub(super) fn read(body: &[u8]) -> Result<Self, NoHead> {
        #[derive(Deserialize)]
        struct First {
            version: u32,
        }
        let damaged = |cause: &dyn std::fmt::Display| NoHead::Damaged(cause.to_string());
        if body.len() > HEAD_BYTES_MAX {
            return Err(damaged(&format!("{} bytes, the limit is {HEAD_BYTES_MAX}", body.len())));
        }
        let First { version } = serde_json::from_slice(body).map_err(|cause| damaged(&cause))?;
        if version > VERSION {
            let why = format!("a roll of version {version}, this program reads up to {VERSION}");
            return Err(NoHead::Newer(Fault::new(PLACE, why)));
        }
        let head: Self = serde_json::from_slice(body).map_err(|cause| damaged(&cause))?;
        if head.version != VERSION || head.write == 0 || head.bytes > SHARED_ROLL_BYTES_MAX {
            return Err(damaged(&"its numbers cannot be"));
        }
        Ok(head)
    }

    /// What stands before the number in the keys of its chunks.
    pub(super) fn chunks_of(id: &SystemId, after: u64, write: u64) -> String {
        format!("c.{id}.{after}.{write:016x}")
    }

    /// The keys of its chunks, in their order.
    pub(super) fn chunks(&self, id: &SystemId) -> impl Iterator<Item = String> + use<> {
        let before = Self::chunks_of(id, self.after, self.write);
        (0..self.bytes.div_ceil(CHUNK_BYTES)).map(move |number| format!("{before}.{number}"))
    }
}

/// Of which writing a chunk with this key is: the revision that it was to follow, and what was drawn.
pub(super) fn writing(key: &str) -> Option<(u64, u64)> {
    let mut parts = key.split('.').skip(2);
    let after = parts.next()?.parse().ok()?;
    Some((after, u64::from_str_radix(parts.next()?, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_its_chunks_are_known_by_their_keys() {
        let id = SystemId::parse("vpcp").expect("an id");
        let head = Head::new(0x2f, 7, CHUNK_BYTES + 1, "ab".to_owned());
        assert_eq!(Head::read(&head.written().expect("written")).expect("read"), head);
        let chunks: Vec<String> = head.chunks(&id).collect();
        assert_eq!(chunks, ["c.vpcp.7.000000000000002f.0", "c.vpcp.7.000000000000002f.1"]);
        assert!(chunks.iter().all(|key| writing(key) == Some((7, 0x2f))));
        assert_eq!(super::id(&key(&id)), Some(id));
        for other in ["c.vpcp", "c.vpcp.x.1.0", "c.vpcp.7"] {
            assert_eq!(writing(other), None, "{other}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_no_head_and_what_is_newer_is_told_apart() {
        let read = |body: &str| Head::read(body.as_bytes());
        assert!(read(r#"{"version":1,"write":1,"after":0,"bytes":2,"sha256":"x","more":1}"#).is_ok());
        assert!(matches!(read(r#"{"version":2,"chunks":[]}"#), Err(NoHead::Newer(_))));
        let padded =
            format!(r#"{{"version":1,"write":1,"after":0,"bytes":2,"sha256":"{}"}}"#, "x".repeat(1_024));
        for body in [
            "",
            "[]",
            "what?",
            r#"{"version":1}"#,
            r#"{"version":0,"write":1,"after":0,"bytes":2,"sha256":"x"}"#,
            r#"{"version":1,"write":0,"after":0,"bytes":2,"sha256":"x"}"#,
            r#"{"version":1,"write":1,"after":0,"bytes":134217729,"sha256":"x"}"#,
            padded.as_str(),
        ] {
            assert!(matches!(read(body), Err(NoHead::Damaged(_))), "{body:.80}");
        }
    }
}
