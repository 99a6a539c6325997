//! What an axis answers: a JSON object with `status`, `ErrorCode` and `ErrorDesc`, and with `DocId` or `data`. No I/O.
//!
//! Only what is said exactly counts. Whatever else comes with a 200 (the page of an intermediary, half an object, a
//! contradiction) is no answer of the axis, and least of all a success.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::marker::PhantomData;

use lienthong_pipeline::ports::{DeliveryFailure, FailureClass};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, MapAccess, Visitor};
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

/// The reply to `sendEdoc` in a whole body; `None` when it is none. A value deeper than serde_json's 128 levels is none.
pub(super) fn read(body: &[u8]) -> Option<Reply> {
    let answered: Answered<Value> = Answered::read(body)?;
    match answered.said()? {
        Said::Ok => {
            let doc_id = answered.members.get("DocId")?.as_str()?;
            (!doc_id.trim().is_empty()).then(|| Reply::Taken { doc_id: doc_id.to_owned() })
        }
        Said::Fail { code, description } => Some(Reply::Refused { code, description }),
    }
}

/// What every answer says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// `OK`, and the code is 0.
    Ok,
    /// `FAIL`, with a code that is not 0.
    Fail {
        /// `ErrorCode` as text.
        code: String,
        /// `ErrorDesc`; empty when there is none.
        description: String,
    },
}

/// An answer: an object with each member once; `data` is read as what the operation gives.
pub(super) struct Answered<D> {
    pub(super) members: BTreeMap<String, Value>,
    pub(super) data: Option<D>,
}

impl<D: DeserializeOwned> Answered<D> {
    /// The answer in a whole body.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// `None` when it contradicts itself, or does not say.
    pub(super) fn said(&self) -> Option<Said> {
        let code = match self.members.get("ErrorCode")? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        let description = match self.members.get("ErrorDesc") {
            Some(Value::String(text)) => text.clone(),
            Some(_) => return None,
            None => String::new(),
        };
        match self.members.get("status")?.as_str()? {
            "OK" if code == "0" => Some(Said::Ok),
            "FAIL" if code != "0" => Some(Said::Fail { code, description }),
            _ => None,
        }
    }
}

/// What follows from an error code (design.md B6). The vocabulary is that of a provincial axis of the same family; a code
/// that is not in it is tried three times, and then the document is parked.
pub(super) fn failure(code: &str, splits: bool, cause: &str) -> DeliveryFailure {
    let class = match code {
        // Not a valid file; the file cannot be worked on; no proper edXML.
        "10" | "21" | "22" => FailureClass::Permanent,
        // A receiver that does not exist.
        "18" => FailureClass::Unlisted { one_of_several: splits },
        // One that is locked.
        "23" if splits => FailureClass::OneOfSeveral,
        "23" => FailureClass::Permanent,
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

impl<'de, D: DeserializeOwned> Deserialize<'de> for Answered<D> {
    fn deserialize<S: Deserializer<'de>>(deserializer: S) -> Result<Self, S::Error> {
        struct Each<D>(PhantomData<D>);
        impl<'de, D: DeserializeOwned> Visitor<'de> for Each<D> {
            type Value = Answered<D>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Answered<D>, A::Error> {
                let mut answered = Answered { members: BTreeMap::new(), data: None };
                while let Some(name) = map.next_key::<String>()? {
                    if name == "data" {
                        let data = map.next_value()?;
                        if answered.data.replace(data).is_some() {
                            return Err(A::Error::custom("data stands twice"));
                        }
                        continue;
                    }
                    match answered.members.entry(name) {
                        Entry::Vacant(place) => place.insert(map.next_value()?),
                        Entry::Occupied(_) => return Err(A::Error::custom("a member stands twice")),
                    };
                }
                Ok(answered)
            }
        }
        deserializer.deserialize_map(Each(PhantomData))
    }
}
