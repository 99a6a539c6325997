//! The journal of the fault layer, read and written; what a record is says `faultfs::journal`.

use anyhow::ensure;

const MAGIC: u32 = 0x3130_4a46;
const HEAD: usize = 16;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Write { inode: u64, offset: u64, count: u64, length: u64, before: Vec<u8> },
    Truncate { inode: u64, before: u64, after: u64, cut: Vec<u8> },
    SyncBegun { token: u64, inode: u64 },
    SyncDone { token: u64 },
    SyncLost { token: u64 },
    Names { token: u64, durable_with: u64, changes: Vec<Change> },
    NamesFailed { token: u64 },
}

/// A name that changed: what it stood for, and stands for since; 0: nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) folder: u64,
    pub(super) name: Vec<u8>,
    pub(super) before: u64,
    pub(super) after: u64,
}

/// Every whole record. One that a killed process did not finish is the last one of its life: its call was not made.
pub(super) fn read(mut bytes: &[u8]) -> anyhow::Result<Vec<Record>> {
    let mut records = Vec::new();
    while bytes.len() >= HEAD {
        let mut head = Numbers(&bytes[8..HEAD]);
        ensure!(bytes[..4] == MAGIC.to_ne_bytes(), "the journal is damaged after {} records", records.len());
        let kind = u32::from_ne_bytes(bytes[4..8].try_into()?);
        let length = usize::try_from(head.next()?)?;
        let Some(body) = bytes.get(HEAD..HEAD + length) else { break };
        records.push(record(kind, Numbers(body))?);
        bytes = &bytes[HEAD + length..];
    }
    Ok(records)
}

/// The bytes of records.
pub(super) fn written(records: &[Record]) -> Vec<u8> {
    records.iter().flat_map(bytes_of).collect()
}

fn record(kind: u32, mut body: Numbers<'_>) -> anyhow::Result<Record> {
    Ok(match kind {
        1 => {
            let [inode, offset, count, length] = body.take()?;
            Record::Write { inode, offset, count, length, before: body.0.to_vec() }
        }
        2 => {
            let [inode, before, after] = body.take()?;
            Record::Truncate { inode, before, after, cut: body.0.to_vec() }
        }
        3 => {
            let [token, inode] = body.take()?;
            Record::SyncBegun { token, inode }
        }
        4 => Record::SyncDone { token: body.next()? },
        5 => Record::SyncLost { token: body.next()? },
        6 => {
            let [token, durable_with, count] = body.take()?;
            let mut changes = Vec::new();
            for _ in 0..count {
                let [folder, before, after, length] = body.take()?;
                let name = body.bytes(usize::try_from(length)?)?.to_vec();
                changes.push(Change { folder, name, before, after });
            }
            Record::Names { token, durable_with, changes }
        }
        7 => Record::NamesFailed { token: body.next()? },
        _ => anyhow::bail!("a record of kind {kind}"),
    })
}

fn bytes_of(record: &Record) -> Vec<u8> {
    let (kind, numbers, bytes): (u32, Vec<u64>, Vec<u8>) = match record {
        Record::Write { inode, offset, count, length, before } => {
            (1, vec![*inode, *offset, *count, *length], before.clone())
        }
        Record::Truncate { inode, before, after, cut } => (2, vec![*inode, *before, *after], cut.clone()),
        Record::SyncBegun { token, inode } => (3, vec![*token, *inode], Vec::new()),
        Record::SyncDone { token } => (4, vec![*token], Vec::new()),
        Record::SyncLost { token } => (5, vec![*token], Vec::new()),
        Record::Names { token, durable_with, changes } => {
            let mut bytes = Vec::new();
            for Change { folder, name, before, after } in changes {
                let numbers = [*folder, *before, *after, name.len() as u64];
                numbers.iter().for_each(|number| bytes.extend(number.to_ne_bytes()));
                bytes.extend(name);
            }
            (6, vec![*token, *durable_with, changes.len() as u64], bytes)
        }
        Record::NamesFailed { token } => (7, vec![*token], Vec::new()),
    };
    let length = (numbers.len() * 8 + bytes.len()) as u64;
    let mut out = Vec::new();
    out.extend(MAGIC.to_ne_bytes());
    out.extend(kind.to_ne_bytes());
    out.extend(length.to_ne_bytes());
    numbers.iter().for_each(|number| out.extend(number.to_ne_bytes()));
    out.extend(bytes);
    out
}

/// Numbers from the front of bytes.
struct Numbers<'a>(&'a [u8]);

impl<'a> Numbers<'a> {
    fn bytes(&mut self, count: usize) -> anyhow::Result<&'a [u8]> {
        ensure!(self.0.len() >= count, "a record is too short");
        let (bytes, rest) = self.0.split_at(count);
        self.0 = rest;
        Ok(bytes)
    }

    fn next(&mut self) -> anyhow::Result<u64> {
        Ok(u64::from_ne_bytes(self.bytes(8)?.try_into()?))
    }

    fn take<const N: usize>(&mut self) -> anyhow::Result<[u64; N]> {
        let mut numbers = [0; N];
        for number in &mut numbers {
            *number = self.next()?;
        }
        Ok(numbers)
    }
}
