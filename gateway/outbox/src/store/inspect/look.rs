//! What is wrong with one key and its value: does it read, does an entry lead to a record that has it, is a record found
//! under all of its keys, and has a delivery that goes on its files.

use jiff::Timestamp;
use lienthong_pipeline::record::{Event, HistoryEntry, Standing};
use lienthong_schemas::ids::{DeliveryId, DocumentId};

use super::{Faults, Inspector, Lookup};
use crate::change::Record;
use crate::check::{CheckFault, FaultCode};
use crate::store::draft::Next;
use crate::store::keys;
use crate::store::prune::Pruned;
use crate::store::view::{DocumentRecord, IdempotencyRecord, ReadFault, unsealed};

impl Inspector<'_> {
    /// What is wrong with one key and its value.
    pub(super) fn look(&self, key: &[u8], sealed: &[u8]) -> Faults {
        let looked = match key.get(..2).unwrap_or_default() {
            b"e|" => self.look_at_record(key, sealed),
            b"m|" => unsealed::<DocumentRecord>(key, sealed).map(|_| Vec::new()),
            b"v|" => unsealed::<Event>(key, sealed).map(|_| Vec::new()),
            b"h|" => self.look_at_line(key, sealed),
            b"b|" => unsealed::<Standing>(key, sealed).map(|_| Vec::new()),
            b"i|" => {
                let named = unsealed::<IdempotencyRecord>(key, sealed);
                named.map(|record| self.look_for_document(key, record.document))
            }
            b"k|" | b"s|" => unsealed(key, sealed).map(|document| self.look_for_document(key, document)),
            b"g|" => unsealed::<DocumentId>(key, sealed).map(|_| Vec::new()),
            b"z|" => look_at_number(key, sealed),
            _ if keys::INDEXES.iter().any(|index| key.starts_with(index)) => self.look_at_entry(key, sealed),
            _ => Ok(vec![fault(FaultCode::KeyUnknown, key, "this program writes no such key")]),
        };
        looked.unwrap_or_else(|fault| vec![unreadable(&fault)])
    }

    fn look_at_record(&self, key: &[u8], sealed: &[u8]) -> Result<Faults, ReadFault> {
        let record: Record = unsealed(key, sealed)?;
        let delivery = &record.delivery;
        let mut faults = Vec::new();
        if keys::delivery(delivery.id) != key {
            faults.push(fault(FaultCode::EntryStale, key, format!("it is the record of {}", delivery.id)));
            return Ok(faults);
        }
        for index in keys::indexes(&record) {
            let found = self.value::<DeliveryId>(&index);
            if matches!(&found, Ok(found) if *found != Some(delivery.id)) {
                let why = format!("it is not found under {}", keys::shown(&index));
                faults.push(fault(FaultCode::EntryMissing, key, why));
            }
        }
        let line = keys::line(delivery.id, record.lines);
        if Lookup::of(self.value::<HistoryEntry>(&line)).is_absent() {
            let why = format!("line {} of its history is not there", record.lines);
            faults.push(fault(FaultCode::HistoryMissing, key, why));
        }
        if !delivery.state.is_final() {
            self.look_for_files(key, &record, &mut faults);
        }
        // Of a document that is being removed some keys may be gone before others.
        let condemned = keys::condemned(delivery.document);
        if !faults.is_empty() && matches!(self.value::<DocumentId>(&condemned), Ok(Some(_))) {
            faults.clear();
        }
        Ok(faults)
    }

    /// What a delivery needs to go on. One taken over from another gateway has its admission there.
    fn look_for_files(&self, key: &[u8], record: &Record, faults: &mut Faults) {
        let delivery = &record.delivery;
        let is_ours = matches!(self.knows(delivery.document), Lookup::Found(()));
        match self.spool.is_admitted(delivery.document) {
            Ok(false) if is_ours => {
                let why = format!("document {} has no admission", delivery.document);
                faults.push(fault(FaultCode::AdmissionMissing, key, why));
            }
            Ok(_) => {}
            Err(cause) => faults.push(fault(FaultCode::FileUnreadable, key, cause.to_string())),
        }
        match self.spool.blob_bytes(delivery.digest) {
            Ok(Some(bytes)) if bytes == delivery.bytes => {}
            Ok(Some(bytes)) => {
                let why = format!("packet {} has {bytes} bytes, not {}", delivery.digest, delivery.bytes);
                faults.push(fault(FaultCode::BlobLength, key, why));
            }
            Ok(None) => {
                let why = format!("packet {} is not there", delivery.digest);
                faults.push(fault(FaultCode::BlobMissing, key, why));
            }
            Err(cause) => faults.push(fault(FaultCode::FileUnreadable, key, cause.to_string())),
        }
    }

    fn look_at_entry(&self, key: &[u8], sealed: &[u8]) -> Result<Faults, ReadFault> {
        let id: DeliveryId = unsealed(key, sealed)?;
        Ok(match self.record(id) {
            Lookup::Found(record) if !keys::indexes(&record).iter().any(|has| has == key) => {
                vec![fault(FaultCode::EntryStale, key, format!("delivery {id} does not belong here"))]
            }
            Lookup::Absent => {
                vec![fault(FaultCode::EntryDangling, key, format!("there is no delivery {id}"))]
            }
            Lookup::Found(_) | Lookup::Unreadable => Vec::new(),
        })
    }

    fn look_at_line(&self, key: &[u8], sealed: &[u8]) -> Result<Faults, ReadFault> {
        unsealed::<HistoryEntry>(key, sealed)?;
        let id = key[2..].first_chunk().map(|id| DeliveryId::from_bytes(*id));
        let Some(id) = id.filter(|_| key.len() == 2 + 16 + 8) else {
            return Ok(vec![fault(FaultCode::KeyUnknown, key, "it is no line of a history")]);
        };
        let line = key[18..].first_chunk().map_or(0, |line| u64::from_be_bytes(*line));
        Ok(match self.record(id) {
            Lookup::Absent => {
                vec![fault(FaultCode::EntryDangling, key, format!("there is no delivery {id}"))]
            }
            Lookup::Found(record) if line > record.lines => {
                let why = format!("the history of {id} ends at {}", record.lines);
                vec![fault(FaultCode::EntryStale, key, why)]
            }
            Lookup::Found(_) | Lookup::Unreadable => Vec::new(),
        })
    }

    fn look_for_document(&self, key: &[u8], document: DocumentId) -> Faults {
        match self.knows(document) {
            Lookup::Absent => {
                vec![fault(FaultCode::EntryDangling, key, format!("there is no document {document}"))]
            }
            Lookup::Found(()) | Lookup::Unreadable => Vec::new(),
        }
    }
}

fn look_at_number(key: &[u8], sealed: &[u8]) -> Result<Faults, ReadFault> {
    match key {
        keys::NEXT => unsealed::<Next>(key, sealed).map(drop),
        keys::WHOLE => unsealed::<bool>(key, sealed).map(drop),
        keys::LAYOUT => unsealed::<u8>(key, sealed).map(drop),
        keys::BEGUN | keys::LEFT => unsealed::<Timestamp>(key, sealed).map(drop),
        keys::PRUNED => unsealed::<Pruned>(key, sealed).map(drop),
        _ => return Ok(vec![fault(FaultCode::KeyUnknown, key, "this program writes no such key")]),
    }?;
    Ok(Vec::new())
}

pub(super) fn fault(code: FaultCode, key: &[u8], detail: impl Into<String>) -> CheckFault {
    CheckFault::new(code, keys::shown(key), detail)
}

pub(super) fn unreadable(cause: &ReadFault) -> CheckFault {
    match cause {
        ReadFault::Engine(cause) => CheckFault::new(FaultCode::StoreUnreadable, "outbox", cause.to_string()),
        ReadFault::Damaged(key, damage) => fault(FaultCode::ValueDamaged, key, damage.to_string()),
    }
}
