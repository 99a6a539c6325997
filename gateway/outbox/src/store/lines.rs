//! What a store holds, line by line, for a person or a program to read: entries of indexes are left out, as the records
//! say the same.

use std::io;
use std::ops::Bound;

use jiff::Timestamp;
use lienthong_pipeline::record::{Event, HistoryEntry, RecognitionKeys, Standing};
use lienthong_schemas::ids::{DocumentId, PacketDigest, StandingKey};
use serde::Serialize;

use super::engine::Reader;
use super::keys;
use super::view::{DocumentRecord, IdempotencyRecord, ReadFault, View, unsealed};
use crate::change::Record;
use crate::offline::OfflineFault;
use crate::sealed::Damage;

/// One line.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Line {
    /// A document, and what repeats of it are recognised by.
    Document { document_id: DocumentId, keys: RecognitionKeys, digest: PacketDigest },
    /// A delivery, and what came of it, oldest first.
    Delivery {
        #[serde(flatten)]
        record: Box<Record>,
        history: Vec<HistoryEntry>,
    },
    /// What an idempotency key stands for.
    Idempotency { system: String, key: String, document_id: DocumentId, digest: PacketDigest, at: Timestamp },
    /// A business state.
    Standing {
        key: StandingKey,
        #[serde(flatten)]
        standing: Standing,
    },
    /// An event that is not sent.
    Event { number: u64, event: Event },
}

/// Hands on every line, in the order of the keys.
pub(crate) fn lines(
    reader: &dyn Reader,
    each: &mut dyn FnMut(Line) -> io::Result<()>,
) -> Result<(), OfflineFault> {
    let tree = reader.tree().map_err(|cause| unreadable(&cause.into()))?;
    let view = View(&*tree);
    for entry in tree.range((Bound::Unbounded, Bound::Unbounded)) {
        let (key, sealed) = entry.map_err(|cause| unreadable(&cause.into()))?;
        let line = line(&view, &key, &sealed).map_err(|fault| unreadable(&fault))?;
        if let Some(line) = line {
            each(line).map_err(|source| OfflineFault::Io { path: "export".into(), source })?;
        }
    }
    Ok(())
}

fn unreadable(fault: &ReadFault) -> OfflineFault {
    match fault {
        ReadFault::Engine(cause) => OfflineFault::Damaged(cause.to_string()),
        ReadFault::Damaged(key, damage) => OfflineFault::Damaged(format!("{}: {damage}", keys::shown(key))),
    }
}

fn line(view: &View<'_>, key: &[u8], sealed: &[u8]) -> Result<Option<Line>, ReadFault> {
    let short = || ReadFault::Damaged(key.to_vec(), Damage::Short);
    let line = match key.get(..2).unwrap_or_default() {
        keys::DOCUMENTS => {
            let DocumentRecord { keys, digest } = unsealed(key, sealed)?;
            Line::Document { document_id: keys::document_in(key).ok_or_else(short)?, keys, digest }
        }
        keys::DELIVERIES => {
            let record: Box<Record> = unsealed(key, sealed)?;
            let history = view.history(record.delivery.id)?;
            Line::Delivery { record, history }
        }
        keys::IDEMPOTENCY => {
            let IdempotencyRecord { document, digest, at } = unsealed(key, sealed)?;
            let (system, key) = keys::idempotency_in(key).ok_or_else(short)?;
            Line::Idempotency { system, key, document_id: document, digest, at }
        }
        keys::STANDINGS => Line::Standing {
            key: keys::standing_in(key).ok_or_else(short)?,
            standing: unsealed(key, sealed)?,
        },
        keys::EVENTS => {
            Line::Event { number: keys::event_in(key).ok_or_else(short)?, event: unsealed(key, sealed)? }
        }
        _ => return Ok(None),
    };
    Ok(Some(line))
}
