//! Streams, consumers and buckets of design.md B7: made or changed, then read back and compared field by field,
//! because a server may drop what it does not know without a word.

use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::{
    self, AckPolicy, DeliverPolicy, IntoConsumerConfig, ReplayPolicy, pull,
};
use async_nats::jetstream::context::{ConsumerInfoErrorKind, Context, GetStreamErrorKind};
use async_nats::jetstream::stream::{self, DiscardPolicy, RetentionPolicy, StorageType, Stream};
use lienthong_pipeline::ports::Fault;
use lienthong_pipeline::record::{AdapterKind, Lane};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::PLACE;

/// The stream of deliveries.
pub(crate) const DELIVERIES: &str = "DELIVERIES";
/// The stream of events.
pub(crate) const EVENTS: &str = "EVENTS";
/// The Object Store bucket of packets that do not ride along.
pub(crate) const BLOBS: &str = "BLOBS";
/// The key-value bucket of the leases that gateways hold, and its stream.
pub(crate) const LEASES: &str = "LEASES";
pub(crate) const KV_LEASES: &str = "KV_LEASES";
/// The key-value bucket of what gateways say of themselves, and its stream.
pub(crate) const NODES: &str = "NODES";
pub(crate) const KV_NODES: &str = "KV_NODES";
/// The key-value bucket of the rolls that gateways share, and its stream.
pub(crate) const ROLLS: &str = "ROLLS";
pub(crate) const KV_ROLLS: &str = "KV_ROLLS";

/// Repeats within this time are dropped by the server; later ones are known by their ids elsewhere.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(2 * 60 * 60);
/// Writers of key-value buckets do not repeat themselves; this is what servers put where nothing is said.
const KV_DUPLICATE_WINDOW: Duration = Duration::from_secs(2 * 60);
/// A message comes again when it was not acknowledged, nor said to be worked on, within this time.
pub const ACK_WAIT: Duration = Duration::from_secs(60);
/// Most messages of one consumer that are neither acknowledged nor given back.
const ACK_PENDING_MAX: i64 = 256;
/// Most pull requests that wait at one consumer (the server's default).
const PULLS_WAITING_MAX: i64 = 512;

/// What the settings say about all streams.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) replicas: usize,
    pub(crate) max_age: Duration,
    pub(crate) ack_wait: Duration,
    /// How long leases last, where the gateway is one of several.
    pub(crate) lease_ttl: Option<Duration>,
}

/// `<adapter>-<u|n>`.
pub(crate) fn consumer_name(adapter: AdapterKind, lane: Lane) -> String {
    format!("{}-{}", adapter.as_str(), lane.token())
}

impl Shape {
    fn stream(&self, name: &str, subjects: &[&str]) -> stream::Config {
        stream::Config {
            name: name.to_owned(),
            subjects: subjects.iter().map(|&subject| subject.to_owned()).collect(),
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::New,
            storage: StorageType::File,
            num_replicas: self.replicas,
            max_age: self.max_age,
            duplicate_window: DUPLICATE_WINDOW.min(self.max_age),
            max_bytes: -1,
            max_messages: -1,
            max_messages_per_subject: -1,
            max_message_size: -1,
            max_consumers: -1,
            ..stream::Config::default()
        }
    }

    /// The bucket's stream as object stores lay it out. A blob lives twice as long as a message, so that a delivery
    /// which is published again with a blob that is there already does not outlive it.
    fn bucket(&self) -> stream::Config {
        let (chunks, names) = (format!("$O.{BLOBS}.C.>"), format!("$O.{BLOBS}.M.>"));
        stream::Config {
            max_age: self.max_age.saturating_mul(2),
            allow_rollup: true,
            allow_direct: true,
            ..self.stream(&format!("OBJ_{BLOBS}"), &[&chunks, &names])
        }
    }

    /// A key-value bucket's stream as ADR-8 of the server lays it out, of one value for each key; an age of zero is none.
    fn key_values(&self, stream: &str, bucket: &str, max_age: Duration) -> stream::Config {
        let window = if max_age.is_zero() { KV_DUPLICATE_WINDOW } else { KV_DUPLICATE_WINDOW.min(max_age) };
        stream::Config {
            max_age,
            duplicate_window: window,
            max_messages_per_subject: 1,
            allow_rollup: true,
            allow_direct: true,
            deny_delete: true,
            ..self.stream(stream, &[&format!("$KV.{bucket}.>")])
        }
    }

    fn consumer(&self, adapter: AdapterKind, lane: Lane) -> pull::Config {
        let name = consumer_name(adapter, lane);
        pull::Config {
            durable_name: Some(name.clone()),
            name: Some(name),
            filter_subject: format!("lt.dlv.{}.{}.>", adapter.as_str(), lane.token()),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            replay_policy: ReplayPolicy::Instant,
            ack_wait: self.ack_wait,
            max_ack_pending: ACK_PENDING_MAX,
            max_deliver: -1,
            max_waiting: PULLS_WAITING_MAX,
            ..pull::Config::default()
        }
    }

    /// Makes or changes what differs, and reads everything back.
    pub(crate) async fn ensure(&self, js: &Context) -> Result<(), Fault> {
        let deliveries = ensure_stream(js, &self.stream(DELIVERIES, &["lt.dlv.>"])).await?;
        ensure_stream(js, &self.stream(EVENTS, &["lt.evt.>"])).await?;
        ensure_stream(js, &self.bucket()).await?;
        if let Some(lease_ttl) = self.lease_ttl {
            ensure_stream(js, &self.key_values(KV_LEASES, LEASES, lease_ttl)).await?;
            ensure_stream(js, &self.key_values(KV_NODES, NODES, Duration::ZERO)).await?;
            ensure_stream(js, &self.key_values(KV_ROLLS, ROLLS, Duration::ZERO)).await?;
        }
        for adapter in AdapterKind::ALL {
            for lane in Lane::ALL {
                ensure_consumer(&deliveries, &self.consumer(adapter, lane)).await?;
            }
        }
        Ok(())
    }
}

async fn ensure_stream(js: &Context, wanted: &stream::Config) -> Result<Stream, Fault> {
    let fault = |doing: &str, error: &dyn std::fmt::Display| {
        Fault::new(PLACE, format!("{doing} stream {}: {error}", wanted.name))
    };
    match js.get_stream(&wanted.name).await {
        Ok(stream) => match difference(wanted, &stream.cached_info().config) {
            None => return Ok(stream),
            Some(found) => {
                tracing::warn!(stream = wanted.name, %found, "changing a stream");
                let updated = js.update_stream(wanted).await;
                updated.map_err(|error| fault("changing", &format!("{error} ({found})")))?;
            }
        },
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                tracing::info!(stream = wanted.name, "making a stream");
                js.create_stream(wanted).await.map_err(|error| fault("making", &error))?;
            }
            _ => return Err(fault("reading", &error)),
        },
    }
    let stream = js.get_stream(&wanted.name).await.map_err(|error| fault("reading back", &error))?;
    match difference(wanted, &stream.cached_info().config) {
        None => Ok(stream),
        Some(found) => Err(fault("reading back", &found)),
    }
}

async fn ensure_consumer(stream: &Stream, wanted: &pull::Config) -> Result<(), Fault> {
    let name = wanted.durable_name.clone().unwrap_or_default();
    let fault = |doing: &str, error: &dyn std::fmt::Display| {
        Fault::new(PLACE, format!("{doing} consumer {name}: {error}"))
    };
    let config: consumer::Config = wanted.into_consumer_config();
    match stream.consumer_info(&name).await {
        Ok(there) => match difference(&config, &there.config) {
            None => return Ok(()),
            Some(found) => {
                tracing::warn!(consumer = name, %found, "changing a consumer");
                let updated = stream.update_consumer(wanted.clone()).await;
                updated.map_err(|error| fault("changing", &format!("{error} ({found})")))?;
            }
        },
        Err(error) if error.kind() == ConsumerInfoErrorKind::NotFound => {
            tracing::info!(consumer = name, "making a consumer");
            stream.create_consumer(wanted.clone()).await.map_err(|error| fault("making", &error))?;
        }
        Err(error) => return Err(fault("reading", &error)),
    }
    let there = stream.consumer_info(&name).await.map_err(|error| fault("reading back", &error))?;
    match difference(&config, &there.config) {
        None => Ok(()),
        Some(found) => Err(fault("reading back", &found)),
    }
}

/// The first field in which two configurations differ. `metadata` is left out: servers write notes there.
fn difference<T: Serialize>(wanted: &T, got: &T) -> Option<String> {
    let (wanted, got) = (fields(wanted), fields(got));
    let names = wanted.keys().chain(got.keys()).filter(|name| *name != "metadata");
    let found = names.into_iter().find(|name| wanted.get(*name) != got.get(*name))?;
    let show = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
    Some(format!("{found}: wanted {}, got {}", show(wanted.get(found)), show(got.get(found))))
}

/// What is set; a field that is off, zero, empty or `none` is the same as one that is not there.
fn fields<T: Serialize>(config: &T) -> Map<String, Value> {
    let is_set = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::Number(number) => number.as_i64() != Some(0),
        Value::String(text) => !text.is_empty() && text != "none",
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(true) => true,
    };
    match serde_json::to_value(config) {
        Ok(Value::Object(fields)) => fields.into_iter().filter(|(_, value)| is_set(value)).collect(),
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_that_differs_is_named() {
        let max_age = Duration::from_secs(86_400);
        let shape = Shape { replicas: 1, max_age, ack_wait: ACK_WAIT, lease_ttl: None };
        let wanted = shape.stream(DELIVERIES, &["lt.dlv.>"]);
        assert_eq!(difference(&wanted, &wanted.clone()), None);
        for (field, got) in [
            ("duplicate_window", stream::Config { duplicate_window: Duration::ZERO, ..wanted.clone() }),
            ("num_replicas", stream::Config { num_replicas: 3, ..wanted.clone() }),
            ("discard", stream::Config { discard: DiscardPolicy::Old, ..wanted.clone() }),
            ("retention", stream::Config { retention: RetentionPolicy::WorkQueue, ..wanted.clone() }),
            ("storage", stream::Config { storage: StorageType::Memory, ..wanted.clone() }),
            ("sealed", stream::Config { sealed: true, ..wanted.clone() }),
            ("subjects", stream::Config { subjects: vec!["lt.>".to_owned()], ..wanted.clone() }),
            ("max_bytes", stream::Config { max_bytes: 1, ..wanted.clone() }),
        ] {
            let found = difference(&wanted, &got).expect("differs");
            assert!(found.starts_with(&format!("{field}: wanted")), "{found}");
        }
        let consumer = |pending| consumer::Config { max_ack_pending: pending, ..Default::default() };
        let found = difference(&consumer(256), &consumer(1000));
        assert_eq!(found.as_deref(), Some("max_ack_pending: wanted 256, got 1000"));
    }
}
