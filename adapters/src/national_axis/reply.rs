//! What an axis answers to `sendEdoc`: a JSON object with `status`, `ErrorCode`, `ErrorDesc` and `DocId`. No I/O.
//!
//! Only what is said exactly counts. Whatever else comes with a 200 (the page of an intermediary, half an object, a
//! contradiction) is no answer of the axis, and least of all a success.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use lienthong_pipeline::ports::{DeliveryFailure, FailureClass};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

use crate::failure::failed;

/// Longest error code that is taken into a failure's code, in bytes.
const CODE_BYTES_MAX: usize = 16;

/// What the axis says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// It has the packet.
    Taken {
        /// Its id of the submission (the sender's `docId`).
        doc_id: String,
    },
    /// It does not take it.
    Refused {
        /// `ErrorCode` as text.
        code: String,
        /// `ErrorDesc`; empty when there is none.
        description: String,
    },
}

/// The reply in a whole body; `None` when it is none. A value deeper than serde_json's 128 levels is none.
pub(super) fn read(body: &[u8]) -> Option<Reply> {
    let Members(members) = serde_json::from_slice(body).ok()?;
    let code = match members.get("ErrorCode")? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let description = match members.get("ErrorDesc") {
        Some(Value::String(text)) => text.clone(),
        Some(_) => return None,
        None => String::new(),
    };
    match members.get("status")?.as_str()? {
        "OK" if code == "0" => {
            let doc_id = members.get("DocId")?.as_str()?;
            (!doc_id.trim().is_empty()).then(|| Reply::Taken { doc_id: doc_id.to_owned() })
        }
        "FAIL" if code != "0" => Some(Reply::Refused { code, description }),
        _ => None,
    }
}

/// What follows from an error code (design.md B6). The vocabulary is that of a provincial axis of the same family; a code
/// that is not in it is tried three times, and then the document is parked.
pub(super) fn failure(code: &str, splits: bool, cause: &str) -> DeliveryFailure {
    let class = match code {
        // Not a valid file; the file cannot be worked on; no proper edXML.
        "10" | "21" | "22" => FailureClass::Permanent,
        // A receiver that does not exist; one that is locked.
        "18" | "23" if splits => FailureClass::OneOfSeveral,
        "18" | "23" => FailureClass::Permanent,
        // Wrong system id or secret; the sender is not registered.
        "15" | "19" => FailureClass::OursToFix,
        // The axis itself is in trouble.
        "20" => FailureClass::Receiver,
        _ => FailureClass::Document,
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let fits = !code.is_empty() && code.len() <= CODE_BYTES_MAX && code.bytes().all(plain);
    failed(class, format!("axis_{}", if fits { code } else { "unknown" }), cause)
}

/// The members of an object, each name once.
struct Members(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry()? {
                    match members.entry(name) {
                        Entry::Vacant(place) => place.insert(value),
                        Entry::Occupied(_) => return Err(A::Error::custom("a member stands twice")),
                    };
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Each)
    }
}
