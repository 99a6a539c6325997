//! A ZIP as it passes (PKWARE APPNOTE 6.3.10): its first file is inflated, checked and handed on; of the others only
//! the number is learnt, from the end of the archive. Names of entries are never used.
//!
//! The framing is ours, over flate2's inflater: rc-zip, the one library that can be fed piece by piece, copies what it
//! is fed into a buffer of its own and brings a dozen crates for dates, names and encodings that nothing here wants;
//! the others seek, or pull from a reader.

use std::fmt;

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::archive_end::{ArchiveEnd, Directory};
use super::entry::{CENTRAL, CENTRAL_BYTES, DESCRIPTOR_BYTES, Entry, LOCAL, LOCAL_BYTES, bytes_behind};
use super::layer::{Layer, Passing};
use super::{ArchiveFault, AttachmentFault};

/// Bytes inflated at once. Only whole ones are handed on, so that the cutting of the input changes nothing.
const OUT_BYTES: usize = 32 * 1024;

const WRONG: &str = "its checksum or length is wrong";

/// What an archive turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::edxml) enum Archive {
    /// It holds one file, which was read to its end and checked.
    One,
    /// It holds so many, of which the first was read.
    Several(u64),
    /// It cannot be read, for this reason.
    Unreadable(&'static str),
}

/// An archive that passes.
pub(super) struct Unpacker {
    /// Archives around this one.
    level: u8,
    state: State,
    /// Bytes of a header that is not yet whole.
    held: Vec<u8>,
    entry: Entry,
    inflater: Option<Inflater>,
    crc: Crc,
    first: Box<Layer>,
    several: bool,
    /// Where the directory of the one file begins.
    directory: u64,
    /// Its header.
    listed: [u8; CENTRAL_BYTES],
    end: ArchiveEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Local,
    Name { left: usize },
    Extra,
    Stored { left: u64 },
    Deflated,
    Descriptor,
    Next,
    Central,
    Listed,
    Rest,
    Unreadable(&'static str),
}

struct Inflater {
    inflate: Decompress,
    out: Box<[u8]>,
    filled: usize,
}

impl Unpacker {
    /// The start of an archive; `level` others stand around it.
    pub(super) fn new(level: u8) -> Self {
        Self {
            level,
            state: State::Local,
            held: Vec::new(),
            entry: Entry::default(),
            inflater: None,
            crc: Crc::new(),
            first: Box::new(Layer::new(level + 1)),
            several: false,
            directory: 0,
            listed: [0; CENTRAL_BYTES],
            end: ArchiveEnd::default(),
        }
    }

    /// Takes the next bytes.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        passing: &mut Passing<'_, '_>,
    ) -> Result<(), AttachmentFault> {
        let mut rest = bytes;
        loop {
            match self.state {
                State::Stored { left } => {
                    let now = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                    let (data, behind) = rest.split_at(now);
                    self.take_stored(data, left, passing)?;
                    rest = behind;
                }
                State::Deflated => rest = &rest[self.inflate(rest, passing)?..],
                State::Descriptor => {
                    let Some(bytes) = self.gather::<DESCRIPTOR_BYTES>(&mut rest) else { return Ok(()) };
                    match self.entry.described_by(&bytes) {
                        Some(behind) => {
                            self.directory += (bytes.len() - behind.len()) as u64;
                            self.state = State::Next;
                            self.push(behind, passing)?;
                        }
                        None => self.state = State::Unreadable(WRONG),
                    }
                }
                State::Rest | State::Unreadable(_) => {
                    self.end.push(rest);
                    return Ok(());
                }
                _ => {
                    if !self.take_header(&mut rest) {
                        return Ok(());
                    }
                }
            }
            if rest.is_empty() && !self.goes_on_without_bytes() {
                return Ok(());
            }
        }
    }

    /// Goes on to the next state, or says that bytes are missing for that.
    fn take_header(&mut self, rest: &mut &[u8]) -> bool {
        let next = match self.state {
            State::Local => self.gather::<LOCAL_BYTES>(rest).map(|header| match Entry::begin(&header) {
                Ok(entry) => {
                    self.entry = entry;
                    State::Name { left: entry.name }
                }
                Err(why) => State::Unreadable(why),
            }),
            State::Name { left } => {
                let (skipped, behind) = rest.split_at(left.min(rest.len()));
                *rest = behind;
                match left - skipped.len() {
                    0 => Some(State::Extra),
                    left => Some(State::Name { left }),
                }
            }
            State::Extra => self.gather_to(self.entry.extra, rest).then(|| self.begin_data()),
            State::Next => self.gather::<4>(rest).map(|signature| match u32::from_le_bytes(signature) {
                LOCAL => {
                    self.several = true;
                    State::Rest
                }
                CENTRAL => {
                    self.held.extend_from_slice(&signature);
                    State::Central
                }
                _ => State::Unreadable("its parts do not follow each other"),
            }),
            State::Central => self.gather::<CENTRAL_BYTES>(rest).map(|header| {
                self.listed = header;
                State::Listed
            }),
            State::Listed => self.gather_to(bytes_behind(&self.listed), rest).then(|| {
                let behind = std::mem::take(&mut self.held);
                if self.entry.is_listed_by(&self.listed, &behind) {
                    State::Rest
                } else {
                    State::Unreadable("its directory names another file than is there")
                }
            }),
            state => Some(state),
        };
        self.state = next.unwrap_or(self.state);
        next.is_some()
    }

    /// The archive has ended. Gives what it is, its first file where that is whole, and bytes of its directory.
    pub(super) fn finish(
        self,
        entries_max: u64,
    ) -> Result<(Archive, Option<Layer>, Vec<u8>), AttachmentFault> {
        let directory = self.end.directory();
        // The end of an archive that was not read up to it may be that of a file in it.
        if let (State::Rest, Some(Directory { entries, .. })) = (self.state, directory)
            && entries > entries_max
        {
            return Err(ArchiveFault::Entries(entries, entries_max).into());
        }
        let archive = match (self.state, directory) {
            (State::Unreadable(why), _) => Archive::Unreadable(why),
            (State::Rest, Some(end)) if self.several && end.entries > 1 && end.bytes <= self.end.passed() => {
                Archive::Several(end.entries)
            }
            (State::Rest, Some(end)) if !self.several && self.is_whole_by(&end) => Archive::One,
            (State::Rest, Some(end)) if end.entries == 0 || (end.entries > 1) != self.several => {
                Archive::Unreadable("its directory has another number of files")
            }
            (State::Rest, Some(_)) => Archive::Unreadable("its end tells of another directory"),
            (State::Rest, None) => Archive::Unreadable("its end is missing or contradicts itself"),
            _ => Archive::Unreadable("it is cut off"),
        };
        let first = (!matches!(archive, Archive::Unreadable(_))).then_some(*self.first);
        Ok((archive, first, self.end.into_bytes()))
    }

    /// Whether the end leads to the one header in the directory that was read, and nothing else is there: other readers
    /// begin at the end.
    fn is_whole_by(&self, end: &Directory) -> bool {
        let bytes = (CENTRAL_BYTES + bytes_behind(&self.listed)) as u64;
        (end.entries, end.offset, end.bytes, end.ends) == (1, self.directory, bytes, 0)
            && end.record.is_none_or(|record| record == self.directory + bytes)
            && end.unambiguous
    }

    /// Collects a header of `N` bytes from what was held and what comes.
    fn gather<const N: usize>(&mut self, rest: &mut &[u8]) -> Option<[u8; N]> {
        self.gather_to(N, rest);
        let whole = <[u8; N]>::try_from(self.held.as_slice()).ok()?;
        self.held.clear();
        Some(whole)
    }

    /// Holds so many bytes of what was held and what comes; says whether they are all there.
    fn gather_to(&mut self, length: usize, rest: &mut &[u8]) -> bool {
        let (more, behind) = rest.split_at((length - self.held.len()).min(rest.len()));
        self.held.extend_from_slice(more);
        *rest = behind;
        self.held.len() == length
    }

    /// States that a file without name, extra field or data passes through.
    fn goes_on_without_bytes(&self) -> bool {
        match self.state {
            State::Name { left } => left == 0,
            State::Extra => self.held.len() == self.entry.extra,
            State::Listed => self.held.len() == bytes_behind(&self.listed),
            State::Stored { left } => left == 0,
            _ => false,
        }
    }

    /// Behind the extra field.
    fn begin_data(&mut self) -> State {
        let extra = std::mem::take(&mut self.held);
        if let Err(why) = self.entry.take_wide_sizes(&extra) {
            return State::Unreadable(why);
        }
        if self.entry.deflated {
            let out = vec![0; OUT_BYTES].into_boxed_slice();
            self.inflater = Some(Inflater { inflate: Decompress::new(false), out, filled: 0 });
            State::Deflated
        } else {
            State::Stored { left: self.entry.packed }
        }
    }

    fn take_stored(
        &mut self,
        data: &[u8],
        left: u64,
        passing: &mut Passing<'_, '_>,
    ) -> Result<(), AttachmentFault> {
        let left = left - data.len() as u64;
        self.state = State::Stored { left };
        if self.level == 0 {
            passing.packed = self.entry.before_data() + self.entry.packed - left;
        }
        self.crc.update(data);
        self.first.push(data, passing)?;
        if left == 0 {
            self.end_data(self.entry.packed, self.entry.packed);
        }
        Ok(())
    }

    /// Gives the number of bytes taken from `input`.
    fn inflate(&mut self, input: &[u8], passing: &mut Passing<'_, '_>) -> Result<usize, AttachmentFault> {
        let Some(inflater) = &mut self.inflater else { return Ok(input.len()) };
        let mut used = 0;
        loop {
            let (before_in, before_out) = (inflater.inflate.total_in(), inflater.inflate.total_out());
            let out = &mut inflater.out[inflater.filled..];
            let status = inflater.inflate.decompress(&input[used..], out, FlushDecompress::None);
            let (packed, unpacked) = (inflater.inflate.total_in(), inflater.inflate.total_out());
            // Neither can be more than what was given.
            used += usize::try_from(packed - before_in).unwrap_or_default();
            inflater.filled += usize::try_from(unpacked - before_out).unwrap_or_default();
            let Ok(status) = status else {
                self.state = State::Unreadable("its data is damaged");
                return Ok(used);
            };
            let ended = status == Status::StreamEnd;
            let full = inflater.filled == OUT_BYTES;
            if full || ended {
                let taken = self.entry.before_data() + packed;
                if self.level == 0 {
                    passing.packed = taken;
                }
                let bytes = &inflater.out[..inflater.filled];
                passing.count_inflated(bytes.len() as u64, unpacked, taken)?;
                self.crc.update(bytes);
                self.first.push(bytes, passing)?;
                inflater.filled = 0;
            }
            if ended {
                self.inflater = None;
                self.end_data(packed, unpacked);
                return Ok(used);
            }
            if !self.entry.described_after && packed > self.entry.packed {
                self.state = State::Unreadable(WRONG);
                return Ok(used);
            }
            if !full {
                return Ok(input.len());
            }
        }
    }

    /// The data of the first file has ended, after so many bytes.
    fn end_data(&mut self, packed: u64, unpacked: u64) {
        let agrees = self.entry.count(self.crc.sum(), packed, unpacked);
        self.directory = self.entry.before_data() + packed;
        self.state = if self.entry.described_after {
            State::Descriptor
        } else if agrees {
            State::Next
        } else {
            State::Unreadable(WRONG)
        };
    }
}

impl fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unpacker")
            .field("level", &self.level)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
