//! What goes wrong at an axis on command: each documented way, for so many requests or until it is switched off.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::{Answer, ok};
use super::operation::Operation;

/// Faults that may be on at a time.
pub const FAULTS_MAX: usize = 100;
/// The longest that [`Manner::Slow`] may take, in milliseconds.
pub const SLOW_MAX_MILLISECONDS: u64 = 600_000;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Manner {
    /// Nothing is done; an empty answer with this HTTP status.
    Status {
        /// 200 to 599.
        http: u16,
    },
    /// Nothing is done; the HTML page of an intermediary.
    Page {
        /// 200 to 599.
        #[serde(default = "bad_gateway")]
        http: u16,
    },
    /// Nothing is done, and nothing is ever said.
    Hang,
    /// The connection is cut in the middle of the request's body.
    CutBody,
    /// It is done, and the connection is cut before the first byte of the answer.
    LostAnswer,
    /// It is done, and the connection is cut in the middle of the answer's body.
    CutAnswer,
    /// It is done, slowly: the answer comes so much later.
    Slow {
        /// At most [`SLOW_MAX_MILLISECONDS`].
        milliseconds: u64,
    },
    /// Nothing is done; `FAIL` with this `ErrorCode`.
    Code {
        /// Such as `20`.
        code: String,
    },
    /// It is done, and the answer says `OK` and `ErrorCode` 7.
    Contradiction,
    /// It is done, and the answer has no `DocId` or `data`.
    NoData,
    /// Each entry of the list stands twice.
    Duplicates,
    /// Members of entries are null, and so is one entry.
    Nulls,
    /// The packet is not base64.
    BadBase64,
}

/// One fault that is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Which operation has it; `None`: all.
    #[serde(default)]
    pub operation: Option<Operation>,
    /// What goes wrong.
    #[serde(flatten)]
    pub manner: Manner,
    /// For so many requests more; `None`: until it is switched off.
    #[serde(default)]
    pub times: Option<u32>,
}

fn bad_gateway() -> u16 {
    502
}

impl Fault {
    /// A fault of one operation, until it is switched off.
    pub fn of(operation: Operation, manner: Manner) -> Self {
        Self { operation: Some(operation), manner, times: None }
    }

    /// What is wrong with it, if anything.
    pub fn flaw(&self) -> Option<&'static str> {
        match &self.manner {
            Manner::Status { http } | Manner::Page { http } if !(200..=599).contains(http) => {
                Some("http: 200-599")
            }
            Manner::Slow { milliseconds } if *milliseconds > SLOW_MAX_MILLISECONDS => {
                Some("milliseconds: 0-600000")
            }
            Manner::Code { code } if code.is_empty() || code.len() > 16 || code == "0" => {
                Some("code: 1-16 characters, not 0")
            }
            _ if self.times == Some(0) => Some("times: 1 or more"),
            _ => None,
        }
    }
}

/// All that are on, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    /// One more; `false`: too many are on.
    pub(super) fn add(&mut self, fault: Fault) -> bool {
        let fits = self.0.len() < FAULTS_MAX;
        if fits {
            self.0.push(fault);
        }
        fits
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn all(&self) -> &[Fault] {
        &self.0
    }

    /// What becomes of the next request for an operation.
    pub(super) fn next(&mut self, operation: Operation) -> Option<Manner> {
        let concerns = |fault: &Fault| fault.operation.is_none_or(|of| of == operation);
        let at = self.0.iter().position(concerns)?;
        let manner = self.0[at].manner.clone();
        if let Some(times) = &mut self.0[at].times {
            *times -= 1;
            if *times == 0 {
                self.0.remove(at);
            }
        }
        Some(manner)
    }
}

/// An answer as a fault changes it.
pub(super) fn altered(answer: Answer, manner: &Manner) -> Answer {
    match (manner, answer) {
        (Manner::Contradiction, Answer::Json(mut said)) => {
            said["status"] = "OK".into();
            said["ErrorCode"] = "7".into();
            Answer::Json(said)
        }
        (Manner::Contradiction, Answer::Packet(_)) => {
            Answer::Json(json!({ "status": "OK", "ErrorCode": "7", "ErrorDesc": "", "data": "" }))
        }
        (Manner::NoData, Answer::Json(mut said)) => {
            if let Some(said) = said.as_object_mut() {
                said.remove("data");
                said.remove("DocId");
            }
            Answer::Json(said)
        }
        (Manner::NoData, Answer::Packet(_)) => Answer::Json(ok(json!({}))),
        (Manner::BadBase64, Answer::Packet(_)) => Answer::Json(ok(json!({ "data": "PGVkWE1M*=" }))),
        (Manner::Duplicates | Manner::Nulls, Answer::Json(mut said)) => {
            if let Some(entries) = said["data"].as_array_mut() {
                match manner {
                    Manner::Nulls => nulls(entries),
                    _ => entries.extend(entries.clone()),
                }
            }
            Answer::Json(said)
        }
        (_, answer) => answer,
    }
}

fn nulls(entries: &mut Vec<Value>) {
    for entry in entries.iter_mut() {
        for member in ["from", "to", "status", "created_time", "sendStatusDesc", "receiveStatusDesc"] {
            if entry.get(member).is_some() {
                entry[member] = Value::Null;
            }
        }
    }
    entries.insert(0, Value::Null);
    entries.insert(1, json!({ "docId": null, "from": "G22" }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_go_by_operation_and_are_used_up_in_order() {
        let mut faults = Faults::default();
        let fault = |operation, manner, times| Fault { operation, manner, times };
        assert!(faults.add(fault(Some(Operation::SendEdoc), Manner::Hang, Some(2))));
        assert!(faults.add(fault(None, Manner::CutBody, None)));
        let mut next = |operation| faults.next(operation);
        assert_eq!(next(Operation::GetEdoc), Some(Manner::CutBody));
        assert_eq!(next(Operation::SendEdoc), Some(Manner::Hang));
        assert_eq!(next(Operation::SendEdoc), Some(Manner::Hang));
        assert_eq!(next(Operation::SendEdoc), Some(Manner::CutBody));
        faults.clear();
        assert_eq!(faults.next(Operation::SendEdoc), None);
        for _ in 0..FAULTS_MAX {
            assert!(faults.add(fault(None, Manner::Hang, None)));
        }
        assert!(!faults.add(fault(None, Manner::Hang, None)));
    }

    #[test]
    fn faults_are_written_as_the_manual_says() {
        let read = |text: &str| serde_json::from_str::<Fault>(text).map_err(|cause| cause.to_string());
        let page = Fault { operation: None, manner: Manner::Page { http: 502 }, times: Some(3) };
        assert_eq!(read(r#"{"fault":"page","times":3}"#), Ok(page));
        let code = Fault::of(Operation::GetEdoc, Manner::Code { code: "18".to_owned() });
        assert_eq!(read(r#"{"operation":"getEdoc","fault":"code","code":"18"}"#), Ok(code));
        for bad in [
            r#"{"fault":"status","http":99}"#,
            r#"{"fault":"slow","milliseconds":600001}"#,
            r#"{"fault":"code","code":"0"}"#,
            r#"{"fault":"hang","times":0}"#,
        ] {
            assert!(read(bad).expect(bad).flaw().is_some(), "{bad}");
        }
        for bad in [r#"{"fault":"other"}"#, r#"{"operation":"x","fault":"hang"}"#, "{}"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
