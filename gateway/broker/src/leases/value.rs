//! What stands in the buckets, as JSON. Anybody who may write there may have written it: it is read with limits, and
//! what does not hold together is a fault.

use bytes::Bytes;
use jiff::Timestamp;
use lienthong_pipeline::ports::{Fault, NodeWord, SeenLease};
use lienthong_pipeline::record::{Fence, NodeName, Partition};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Standing;
use crate::PLACE;

/// Which form is written, and the only one that is read.
const VERSION: u32 = 1;
/// Longest value that is read.
const VALUE_BYTES_MAX: usize = 1_024;

fn fault(cause: impl std::fmt::Display) -> Fault {
    Fault::new(PLACE, cause)
}

/// What stands in front of every version.
#[derive(Deserialize)]
struct Head {
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct LeaseValue {
    version: u32,
    node: NodeName,
    epoch: u64,
    /// The revision that began this holding; it is not known yet to the write that begins it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fence: Option<Fence>,
}

#[derive(Serialize, Deserialize)]
struct NodeValue {
    version: u32,
    /// The one that stands.
    epoch: u64,
    /// That of the node's word.
    said: u64,
    store: u64,
    /// When the word was said, by the server's clock, where this was not written with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
}

/// The key of a partition's lease.
pub(super) fn lease_key(partition: Partition) -> String {
    format!("p.{partition}")
}

/// A lease of this node; `fence` where it goes on.
pub(super) fn write_lease(word: &NodeWord, fence: Option<Fence>) -> Result<Bytes, Fault> {
    write(&LeaseValue { version: VERSION, node: word.node.clone(), epoch: word.epoch, fence })
}

/// The lease that stands under a key with this revision.
pub(super) fn read_lease(key: &str, revision: u64, body: &[u8]) -> Result<SeenLease, Fault> {
    let number = key
        .strip_prefix("p.")
        .filter(|number| number.len() == 2 && number.bytes().all(|byte| byte.is_ascii_digit()));
    let number = number.and_then(|number| number.parse().ok());
    let partition = number.and_then(Partition::numbered).ok_or_else(|| fault("no partition's key"))?;
    let LeaseValue { node, fence, .. } = read(body)?;
    let fence = fence.unwrap_or(Fence(revision));
    if fence.is_alone() || fence.0 > revision {
        return Err(fault("a lease that began after it was written"));
    }
    Ok(SeenLease { partition, node, fence })
}

/// A node; `at` is when its word was said, where that is not now.
pub(super) fn write_node(node: &Standing, at: Option<Timestamp>) -> Result<Bytes, Fault> {
    let (epoch, said, store) = (node.epoch, node.word.epoch, node.word.store);
    write(&NodeValue { version: VERSION, epoch, said, store, at })
}

/// The node that stands under a key, and when it said its word if that was not when this was written.
pub(super) fn read_node(key: &str, body: &[u8]) -> Result<(Standing, Option<Timestamp>), Fault> {
    let node = NodeName::parse(key).ok_or_else(|| fault("no node's key"))?;
    let NodeValue { epoch, said, store, at, .. } = read(body)?;
    if said > epoch {
        return Err(fault("a word with an epoch above the one that stands"));
    }
    Ok((Standing { word: NodeWord { node, epoch: said, store }, epoch }, at))
}

fn write<T: Serialize>(value: &T) -> Result<Bytes, Fault> {
    serde_json::to_vec(value).map(Bytes::from).map_err(fault)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    if body.len() > VALUE_BYTES_MAX {
        return Err(fault(format!("{} bytes, the limit is {VALUE_BYTES_MAX}", body.len())));
    }
    let Head { version } = serde_json::from_slice(body).map_err(fault)?;
    if version != VERSION {
        return Err(fault(format!("version {version}, this program reads {VERSION}")));
    }
    serde_json::from_slice(body).map_err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word() -> NodeWord {
        NodeWord { node: NodeName::parse("gw-1").expect("a name"), epoch: 3, store: u64::MAX }
    }

    #[test]
    fn what_is_written_is_read() {
        let partition = Partition::numbered(7).expect("there is one");
        let (key, node) = (lease_key(partition), word().node);
        assert_eq!(key, "p.07");
        let begun = read_lease(&key, 40, &write_lease(&word(), None).expect("written")).expect("read");
        assert_eq!(begun, SeenLease { partition, node: node.clone(), fence: Fence(40) });
        let body = write_lease(&word(), Some(Fence(40))).expect("written");
        assert_eq!(
            read_lease(&key, 55, &body).expect("read"),
            SeenLease { partition, node, fence: Fence(40) }
        );

        let standing = Standing { word: word(), epoch: 4 };
        for at in [None, Some(Timestamp::from_second(1_000).expect("a time"))] {
            let body = write_node(&standing, at).expect("written");
            assert_eq!(read_node("gw-1", &body).expect("read"), (standing.clone(), at));
        }
    }

    #[test]
    fn what_does_not_hold_together_is_not_read() {
        let lease = |key, body: &str| read_lease(key, 9, body.as_bytes()).is_err();
        assert!(!lease("p.63", r#"{"version":1,"node":"a","epoch":1,"fence":9,"more":1}"#));
        for body in [
            r#"{"version":1,"node":"a","epoch":1,"fence":10}"#,
            r#"{"version":1,"node":"a","epoch":1,"fence":0}"#,
            r#"{"version":2,"node":"a","epoch":1}"#,
            r#"{"version":1,"node":"A b","epoch":1}"#,
            r#"{"version":1,"node":"a","epoch":-1}"#,
            r#"{"version":1}"#,
            "",
            "[]",
        ] {
            assert!(lease("p.63", body), "{body}");
        }
        let padded = format!(r#"{{"version":1,"node":"a","epoch":1{}}}"#, " ".repeat(VALUE_BYTES_MAX));
        assert!(lease("p.63", &padded));
        for key in ["p.64", "p.7", "p.007", "p.+7", "q.07", "p.07.x", ""] {
            assert!(lease(key, r#"{"version":1,"node":"a","epoch":1}"#), "{key}");
        }
        let node = |key, body: &str| read_node(key, body.as_bytes()).is_err();
        assert!(!node("a", r#"{"version":1,"epoch":2,"said":2,"store":1}"#));
        assert!(node("a.b", r#"{"version":1,"epoch":2,"said":2,"store":1}"#));
        assert!(node("a", r#"{"version":1,"epoch":1,"said":2,"store":1}"#));
        assert!(node("a", r#"{"version":1,"epoch":2,"said":2,"store":1,"at":"soon"}"#));
    }
}
