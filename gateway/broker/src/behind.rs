//! The last message of a subject, as the server that leads its stream has it, and writes that count only behind the message
//! that was read. Copies may be behind, so nothing is read from them.

use async_nats::HeaderMap;
use async_nats::HeaderValue;
use async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE;
use async_nats::jetstream;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use bytes::Bytes;
use lienthong_pipeline::ports::Fault;

use crate::PLACE;
use crate::jetstream::Link;

fn fault(cause: impl std::fmt::Display) -> Fault {
    Fault::new(PLACE, cause)
}

/// What is written.
pub(crate) struct Said {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl From<Bytes> for Said {
    fn from(body: Bytes) -> Self {
        Self { headers: HeaderMap::new(), body }
    }
}

/// The last message of a subject; `None` where there is none, or no longer.
pub(crate) async fn last(link: &Link, stream: &str, subject: &str) -> Result<Option<StreamMessage>, Fault> {
    let stream = link.usable().await?.get_stream_no_info(stream).await.map_err(fault)?;
    match stream.get_last_raw_message_by_subject(subject).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => {
            if let LastRawMessageErrorKind::JetStream(said) = error.kind()
                && said.error_code() == ErrorCode::STREAM_NOT_FOUND
            {
                link.mistrust();
            }
            Err(fault(format!("reading the last of {subject}: {error}")))
        }
    }
}

/// Writes a message if `after` is the number of its subject's last one, 0 where there is to be none; returns its own.
/// `None`: it is not.
pub(crate) async fn put(
    link: &Link,
    stream: &str,
    subject: String,
    message: impl Into<Said>,
    after: u64,
) -> Result<Option<u64>, Fault> {
    link.usable().await?;
    let Said { mut headers, body } = message.into();
    headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, HeaderValue::from(after));
    let stored = async { link.js.publish_with_headers(subject.clone(), headers, body).await?.await };
    match link.heed(&subject, stored).await? {
        Ok(stored) if stored.stream == stream => Ok(Some(stored.sequence)),
        Ok(stored) => {
            link.mistrust();
            Err(fault(format!("stream {} stored what is for {stream}", stored.stream)))
        }
        Err(error) if is_behind(&error) => Ok(None),
        Err(error) => {
            link.judge(&error);
            Err(fault(format!("writing {subject}: {error}")))
        }
    }
}

/// Another message is the last one, or is just being written.
fn is_behind(error: &PublishError) -> bool {
    let source = std::error::Error::source(error);
    let said = source.and_then(|source| source.downcast_ref::<jetstream::Error>());
    error.kind() == PublishErrorKind::WrongLastSequence
        || said.is_some_and(|said| said.error_code() == ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT)
}
