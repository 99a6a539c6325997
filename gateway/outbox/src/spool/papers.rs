//! What is written of a document beside its packet. An admission: a line with the version, one with the JSON, one with
//! the CRC-32C of both. A settled record: lines, each with its own CRC-32C:
//!
//! ```text
//! 2 <delivery> <state> <since when> <crc>    the last one of a delivery counts, so `queued` undoes an earlier end
//! 2 <delivery> reported <crc>                the report that the state above asked for has been admitted; that of a
//!                                            delivery that was given up counts for every state below, too
//! 2 <delivery> closed <crc>                  the operator has dealt with the dead letter that the state above made
//! 2 <delivery> rerouted <adapter> <system> <receiver> <since when> <crc>
//!                                            `queued` since then, on this way, which counts for every line below, too
//! 1 <delivery> <state> <crc>                 the first form: a state whose time is not known
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lienthong_pipeline::record::{Admission, Delivery, Route, State, SystemId};
use lienthong_schemas::ids::{DeliveryId, DocumentId};
use lienthong_schemas::organ::OrganId;
use serde::de::DeserializeOwned;

use super::copies::COPIES;
use crate::change::Noted;
use crate::folder;
use crate::sealed::VERSION;

/// Largest admission written or read, in bytes: 5,000 deliveries at 2 KB, their receipt lines, and room.
pub const ADMISSION_BYTES_MAX: u64 = 16 << 20;

/// The form of the lines that this program writes in settled records.
const LINE_VERSION: u8 = 2;
/// Longest line of a settled record read, in bytes; ours have at most 220.
const LINE_BYTES_MAX: u64 = 256;
/// Lines of a settled record read: each delivery a few times.
const LINES_MAX: usize = 64 * crate::change::DELIVERIES_MAX;

/// An admission as it was found at start-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The admission.
    pub admission: Admission,
    /// What was last noted of a delivery.
    pub settled: BTreeMap<DeliveryId, Noted>,
    /// Lines of the settled record that were torn or damaged, and left out.
    pub lines_damaged: usize,
}

impl Found {
    /// Deliveries that are not in a final state.
    pub fn unsettled(&self) -> u64 {
        let state =
            |delivery: &Delivery| self.settled.get(&delivery.id).map_or(delivery.state, |noted| noted.state);
        self.admission.deliveries.iter().filter(|delivery| !state(delivery).is_final()).count() as u64
    }

    /// Whether all of it is over, dealt with, told of, and older than a time, so that it is kept no longer.
    pub(crate) fn is_old(&self, before: Timestamp) -> bool {
        let is_old = |delivery: &Delivery| {
            self.settled
                .get(&delivery.id)
                .map_or(delivery.state.is_final(), |noted| noted.is_old(delivery, before))
        };
        self.admission.receipt.accepted_at < before && self.admission.deliveries.iter().all(is_old)
    }
}

/// A file among the admissions that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
    /// It is torn, or its checksum is wrong: nothing of it can be had any more, so one that comes again may take its
    /// place. Else it only cannot be read now (an I/O error), or not by this program (a newer version).
    pub is_lost: bool,
}

impl Damaged {
    fn kept(path: &Path, why: impl fmt::Display) -> Self {
        Self { path: path.to_owned(), why: why.to_string(), is_lost: false }
    }

    fn lost(path: &Path, why: &str) -> Self {
        Self { path: path.to_owned(), why: why.to_owned(), is_lost: true }
    }
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.why)
    }
}

/// The admissions of a spool, read one at a time.
pub struct Admissions {
    folder: PathBuf,
    documents: Box<dyn Iterator<Item = Result<DocumentId, Damaged>> + Send>,
}

impl Admissions {
    pub(super) fn list(folder: &Path) -> io::Result<Self> {
        Ok(Self { folder: folder.to_owned(), documents: Box::new(documents(folder)?) })
    }
}

impl Iterator for Admissions {
    type Item = Result<Found, Damaged>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let found = self.documents.next()?.and_then(|id| read(&self.folder.join(id.to_string())));
            if let Some(found) = found.transpose() {
                return Some(found);
            }
        }
    }
}

/// The extension of a settled record.
const SETTLED: &str = "settled";

/// The documents whose admissions lie in a folder, by their names alone.
pub(super) fn documents(
    folder: &Path,
) -> io::Result<impl Iterator<Item = Result<DocumentId, Damaged>> + Send + use<>> {
    let entries = fs::read_dir(folder)?;
    let folder = folder.to_owned();
    let named = move |entry: io::Result<fs::DirEntry>| {
        let path = match entry {
            Ok(entry) => entry.path(),
            Err(cause) => return Some(Err(Damaged::kept(&folder, cause))),
        };
        if path.extension().is_some_and(|extension| extension == SETTLED || extension == COPIES) {
            return None;
        }
        let id = path.file_name().and_then(|name| name.to_str()?.parse().ok());
        Some(id.ok_or_else(|| Damaged::kept(&path, "its name is not the id of a document")))
    };
    Ok(entries.filter_map(named))
}

/// The bytes of an admission file.
pub(super) fn write(admission: &Admission) -> io::Result<Vec<u8>> {
    let mut paper = format!("{VERSION}\n").into_bytes();
    serde_json::to_writer(&mut paper, admission)?;
    paper.push(b'\n');
    let sum = crc32c::crc32c(&paper);
    writeln!(paper, "{sum:08x}")?;
    if paper.len() as u64 > ADMISSION_BYTES_MAX {
        let why = format!("an admission of {} bytes, at most {ADMISSION_BYTES_MAX}", paper.len());
        return Err(io::Error::other(why));
    }
    Ok(paper)
}

/// An admission with its settled record; `None` when there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<Found>, Damaged> {
    let Some(admission) = read_admission(path)? else { return Ok(None) };
    let notes = notes(path).map_err(|cause| Damaged::kept(&path.with_extension(SETTLED), cause))?;
    Ok(Some(Found { admission, settled: notes.states, lines_damaged: notes.damaged }))
}

/// What a settled record says.
pub(crate) struct Notes {
    /// What was last noted of a delivery.
    pub(crate) states: BTreeMap<DeliveryId, Noted>,
    /// Lines that were torn or damaged, and left out.
    pub(crate) damaged: usize,
}

/// The file of the settled record beside an admission.
pub(super) fn settled_record(admission: &Path) -> PathBuf {
    admission.with_extension(SETTLED)
}

/// The settled record beside an admission.
pub(super) fn notes(admission: &Path) -> io::Result<Notes> {
    let (states, damaged) = read_settled(&admission.with_extension(SETTLED))?;
    Ok(Notes { states, damaged })
}

/// An admission alone; `None` when there is no such file.
pub(super) fn read_admission(path: &Path) -> Result<Option<Admission>, Damaged> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(Damaged::kept(path, cause)),
    };
    let mut paper = Vec::new();
    let read = file.take(ADMISSION_BYTES_MAX + 1).read_to_end(&mut paper);
    read.map_err(|cause| Damaged::kept(path, cause))?;
    if paper.len() as u64 > ADMISSION_BYTES_MAX {
        return Err(Damaged::kept(path, format!("more than {ADMISSION_BYTES_MAX} bytes")));
    }
    let admission = parse(path, &paper)?;
    let name = admission.receipt.document_id.to_string();
    if path.file_name().is_none_or(|found| found.as_encoded_bytes() != name.as_bytes()) {
        return Err(Damaged::kept(path, format!("it is the admission of {name}")));
    }
    Ok(Some(admission))
}

fn parse(path: &Path, paper: &[u8]) -> Result<Admission, Damaged> {
    let torn = || Damaged::lost(path, "it is torn");
    let (version, _) = paper.split_at(paper.iter().position(|b| *b == b'\n').ok_or_else(torn)?);
    let version: u32 = std::str::from_utf8(version).ok().and_then(|v| v.parse().ok()).ok_or_else(torn)?;
    if version > u32::from(VERSION) {
        let why = format!("its version is {version}, and this program reads up to {VERSION}");
        return Err(Damaged::kept(path, why));
    }
    let (covered, sum) = paper.split_at_checked(paper.len().saturating_sub(9)).ok_or_else(torn)?;
    if sum != format!("{:08x}\n", crc32c::crc32c(covered)).as_bytes() {
        return Err(Damaged::lost(path, "its checksum is wrong"));
    }
    let body = covered.splitn(2, |b| *b == b'\n').nth(1).ok_or_else(torn)?;
    serde_json::from_slice(body).map_err(|cause| Damaged::kept(path, format!("it does not read: {cause}")))
}

/// The states noted in a settled record, and how many lines were left out.
fn read_settled(path: &Path) -> io::Result<(BTreeMap<DeliveryId, Noted>, usize)> {
    let (mut states, mut damaged) = (BTreeMap::new(), 0);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok((states, damaged)),
        Err(cause) => return Err(cause),
    };
    let mut lines = BufReader::new(file);
    let mut line = Vec::new();
    for _ in 0..LINES_MAX {
        line.clear();
        if lines.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        match parse_settled(&line) {
            Some((delivery, line)) => take_note(&mut states, delivery, line),
            None => damaged += 1,
        }
    }
    Ok((states, damaged))
}

/// What one line adds to what the lines above it say.
fn take_note(states: &mut BTreeMap<DeliveryId, Noted>, delivery: DeliveryId, line: Line) {
    let above = states.get(&delivery);
    let told = above.is_some_and(Noted::is_told);
    let route = above.and_then(|noted| noted.route.clone());
    let (reported, closed) = (false, false);
    match line {
        Line::State(state, at) => {
            states.insert(delivery, Noted { state, at, reported, told, closed, route });
        }
        Line::Rerouted(route, at) => {
            let (state, at, route) = (State::Queued, Some(at), Some(route));
            states.insert(delivery, Noted { state, at, reported, told, closed, route });
        }
        Line::Reported => drop(states.get_mut(&delivery).map(|noted| noted.reported = true)),
        Line::Closed => drop(states.get_mut(&delivery).map(|noted| noted.closed = true)),
    }
}

/// What a line of a settled record says of its delivery.
#[derive(Clone)]
pub(super) enum Line {
    /// It came into this state at this time; no time: the first form.
    State(State, Option<Timestamp>),
    /// The sender has been told.
    Reported,
    /// The operator has dealt with it.
    Closed,
    /// The operator sent it this way; it has been queued since then.
    Rerouted(Route, Timestamp),
}

const REPORTED: &str = "reported";
const CLOSED: &str = "closed";
const REROUTED: &str = "rerouted";

fn written(delivery: DeliveryId, line: &Line) -> String {
    let text = match line {
        Line::State(state, Some(at)) => format!("{LINE_VERSION} {delivery} {} {at}", state.as_str()),
        Line::State(state, None) => format!("1 {delivery} {}", state.as_str()),
        Line::Reported => format!("{LINE_VERSION} {delivery} {REPORTED}"),
        Line::Closed => format!("{LINE_VERSION} {delivery} {CLOSED}"),
        Line::Rerouted(Route { receiver, system, adapter }, at) => {
            let adapter = adapter.as_str();
            format!("{LINE_VERSION} {delivery} {REROUTED} {adapter} {system} {receiver} {at}")
        }
    };
    format!("{text} {:08x}\n", crc32c::crc32c(text.as_bytes()))
}

/// `None` unless the line is, byte for byte, one that a program of ours wrote.
fn parse_settled(text: &[u8]) -> Option<(DeliveryId, Line)> {
    let text = std::str::from_utf8(text).ok()?;
    let words: Vec<&str> = text.strip_suffix('\n')?.splitn(9, ' ').collect();
    let state = named::<State>;
    let (delivery, line) = match words[..] {
        ["1", delivery, word, _] => (delivery, Line::State(state(word)?, None)),
        ["2", delivery, REPORTED, _] => (delivery, Line::Reported),
        ["2", delivery, CLOSED, _] => (delivery, Line::Closed),
        ["2", delivery, REROUTED, adapter, system, receiver, at, _] => {
            let system = match SystemId::parse(system) {
                Some(system) => system,
                None => Some(SystemId::gateway()).filter(|gateway| gateway.as_str() == system)?,
            };
            let route = Route { receiver: OrganId::parse(receiver).ok()?, system, adapter: named(adapter)? };
            (delivery, Line::Rerouted(route, at.parse().ok()?))
        }
        ["2", delivery, word, at, _] => (delivery, Line::State(state(word)?, Some(at.parse().ok()?))),
        _ => return None,
    };
    let delivery = delivery.parse().ok()?;
    (written(delivery, &line) == text).then_some((delivery, line))
}

/// The value that is written as this word.
fn named<T: DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
}

/// Appends lines beside an admission; on disk, with the file's name, when this returns. The caller sees to it that
/// nobody else appends to the same file.
pub(super) fn append_settled(admission: &Path, delivery: DeliveryId, lines: &[Line]) -> io::Result<()> {
    let path = admission.with_extension(SETTLED);
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path)?;
    let length = file.seek(SeekFrom::End(0))?;
    let mut text: String = lines.iter().map(|line| written(delivery, line)).collect();
    if length == 0 {
        path.parent().map_or(Ok(()), folder::sync)?;
    } else if !ends_in_newline(&mut file)? {
        // A torn line stays torn; the one after it must not be lost with it.
        text.insert(0, '\n');
    }
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_data());
    if let Err(cause) = written {
        // Without this a full disk would leave a piece of a line; if even that fails, the newline above heals it.
        file.set_len(length).ok();
        return Err(cause);
    }
    Ok(())
}

fn ends_in_newline(file: &mut File) -> io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}
