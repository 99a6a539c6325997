//! One key-value bucket: the last entry of a key, and writes that count only behind the entry that was read.

use std::sync::Arc;

use async_nats::HeaderMap;
use bytes::Bytes;
use jiff::Timestamp;
use lienthong_pipeline::ports::Fault;

use crate::behind::{self, Said};
use crate::jetstream::Link;

/// Says what an entry is when it is no value.
const OPERATION: &str = "KV-Operation";
const DELETED: &str = "DEL";
/// The same, of an entry that the server wrote when the value ended.
const MARKER: &str = "Nats-Marker-Reason";

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
        let found = behind::last(&self.link, self.stream, &self.subject(key)).await?;
        Ok(found.map(|found| Entry {
            revision: found.sequence,
            written_at: server_time(found.time.unix_timestamp_nanos()),
            value: is_value(Some(&found.headers)).then_some(found.payload),
        }))
    }

    /// Writes a value, or that there is none, if `after` is the revision of the key's last entry, 0 where there is to be
    /// none; returns its revision. `None`: it is not.
    pub(crate) async fn put(
        &self,
        key: &str,
        value: Option<Bytes>,
        after: u64,
    ) -> Result<Option<u64>, Fault> {
        let mut headers = HeaderMap::new();
        if value.is_none() {
            headers.insert(OPERATION, DELETED);
        }
        let said = Said { headers, body: value.unwrap_or_default() };
        behind::put(&self.link, self.stream, self.subject(key), said, after).await
    }
}
