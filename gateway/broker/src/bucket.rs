//! One key-value bucket, as the server that leads it has it: the last entry of a key, and writes that count only behind
//! the entry that was read. Copies may be behind, so nothing is read from them.

use std::sync::Arc;

use async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE;
use async_nats::jetstream;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use async_nats::{HeaderMap, HeaderValue};
use bytes::Bytes;
use jiff::Timestamp;
use lienthong_pipeline::ports::Fault;

use crate::PLACE;
use crate::jetstream::Link;

/// Says what an entry is when it is no value.
const OPERATION: &str = "KV-Operation";
const DELETED: &str = "DEL";
/// The same, of an entry that the server wrote when the value ended.
const MARKER: &str = "Nats-Marker-Reason";

fn fault(cause: impl std::fmt::Display) -> Fault {
    Fault::new(PLACE, cause)
}

/// See the module.
pub(crate) struct Bucket {
    pub(crate) link: Arc<Link>,
    pub(crate) name: &'static str,
    pub(crate) stream: &'static str,
}

/// The last entry of a key.
pub(crate) struct Entry {
    pub(crate) revision: u64,
    /// By the server's clock.
    pub(crate) written_at: Timestamp,
    /// `None`: the key was deleted.
    pub(crate) value: Option<Bytes>,
}

/// Whether an entry with these headers is a value, and does not say that there is none.
pub(crate) fn is_value(headers: Option<&HeaderMap>) -> bool {
    headers.is_none_or(|headers| headers.get(OPERATION).is_none() && headers.get(MARKER).is_none())
}

/// A time that the server gave.
pub(crate) fn server_time(nanoseconds: i128) -> Timestamp {
    Timestamp::from_nanosecond(nanoseconds).unwrap_or(Timestamp::MIN)
}

impl Bucket {
    fn subject(&self, key: &str) -> String {
        format!("$KV.{}.{key}", self.name)
    }

    /// The last entry of a key; `None` where there is none, or no longer.
    pub(crate) async fn last(&self, key: &str) -> Result<Option<Entry>, Fault> {
        let stream = self.link.usable().await?.get_stream_no_info(self.stream).await.map_err(fault)?;
        match stream.get_last_raw_message_by_subject(&self.subject(key)).await {
            Ok(found) => Ok(Some(Entry {
                revision: found.sequence,
                written_at: server_time(found.time.unix_timestamp_nanos()),
                value: is_value(Some(&found.headers)).then_some(found.payload),
            })),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => {
                if let LastRawMessageErrorKind::JetStream(said) = error.kind()
                    && said.error_code() == ErrorCode::STREAM_NOT_FOUND
                {
                    self.link.mistrust();
                }
                Err(fault(format!("reading {key} of {}: {error}", self.name)))
            }
        }
    }

    /// Writes a value, or that there is none, if `after` is the revision of the key's last entry, 0 where there is to be
    /// none; returns its revision. `None`: it is not.
    pub(crate) async fn put(
        &self,
        key: &str,
        value: Option<Bytes>,
        after: u64,
    ) -> Result<Option<u64>, Fault> {
        self.link.usable().await?;
        let mut headers = HeaderMap::new();
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, HeaderValue::from(after));
        if value.is_none() {
            headers.insert(OPERATION, DELETED);
        }
        let subject = self.subject(key);
        let stored = async {
            let value = value.unwrap_or_default();
            self.link.js.publish_with_headers(subject.clone(), headers, value).await?.await
        };
        match self.link.heed(&subject, stored).await? {
            Ok(stored) if stored.stream == self.stream => Ok(Some(stored.sequence)),
            Ok(stored) => {
                self.link.mistrust();
                Err(fault(format!("stream {} stored what is for {}", stored.stream, self.stream)))
            }
            Err(error) if is_behind(&error) => Ok(None),
            Err(error) => {
                self.link.judge(&error);
                Err(fault(format!("writing {key} of {}: {error}", self.name)))
            }
        }
    }
}

/// Another entry is the last one, or is just being written.
fn is_behind(error: &PublishError) -> bool {
    let source = std::error::Error::source(error);
    let said = source.and_then(|source| source.downcast_ref::<jetstream::Error>());
    error.kind() == PublishErrorKind::WrongLastSequence
        || said.is_some_and(|said| said.error_code() == ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT)
}
