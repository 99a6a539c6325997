//! A ZIP as it passes (PKWARE APPNOTE 6.3.10): its first file is inflated, checked and handed on; of the others only
//! the number is learnt, from the end of the archive. Names of entries are never used.
//!
//! The framing is ours, over flate2's inflater: rc-zip, the one library that can be fed piece by piece, copies what it
//! is fed into a buffer of its own and brings a dozen crates for dates, names and encodings that nothing here wants;
//! the others seek, or pull from a reader.

use std::fmt;

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::archive_end::{ArchiveEnd, u16_at, u32_at, u64_at};
use super::layer::{Layer, Passing};
use super::{ArchiveFault, AttachmentFault};

/// Bytes inflated at once. Only whole ones are handed on, so that the cutting of the input changes nothing.
const OUT_BYTES: usize = 32 * 1024;
/// A local file header (APPNOTE 4.3.7) up to the name.
const LOCAL_BYTES: usize = 30;
/// A central file header (APPNOTE 4.3.12) up to the name.
const CENTRAL_BYTES: usize = 46;
/// A data descriptor (APPNOTE 4.3.9) at its longest, and the signature behind it.
const DESCRIPTOR_BYTES: usize = 28;

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const DESCRIPTOR: u32 = 0x0807_4b50;

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
    /// Bytes of the archive before the data of its first file.
    before_data: u64,
    first: Box<Layer>,
    several: bool,
    end: ArchiveEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Local,
    Name { left: usize },
    Extra { bytes: usize },
    Stored { left: u64 },
    Deflated,
    Descriptor,
    Next,
    Central,
    Rest,
    Unreadable(&'static str),
}

/// What the header says of the first file, and what was counted.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    described_after: bool,
    deflated: bool,
    crc: u32,
    packed: u64,
    unpacked: u64,
    extra: usize,
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
            before_data: 0,
            first: Box::new(Layer::new(level + 1)),
            several: false,
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
                State::Local => {
                    let Some(header) = self.gather::<LOCAL_BYTES>(&mut rest) else { return Ok(()) };
                    self.begin_entry(&header);
                }
                State::Name { left } => {
                    let skipped = left.min(rest.len());
                    rest = &rest[skipped..];
                    self.state = match left - skipped {
                        0 => State::Extra { bytes: self.entry.extra },
                        left => State::Name { left },
                    };
                }
                State::Extra { bytes } => {
                    let missing = bytes - self.held.len();
                    let (more, behind) = rest.split_at(missing.min(rest.len()));
                    self.held.extend_from_slice(more);
                    rest = behind;
                    if self.held.len() == bytes {
                        self.begin_data();
                    }
                }
                State::Stored { left } => {
                    let now = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                    let (data, behind) = rest.split_at(now);
                    self.take_stored(data, left, passing)?;
                    rest = behind;
                }
                State::Deflated => rest = &rest[self.inflate(rest, passing)?..],
                State::Descriptor => {
                    let Some(bytes) = self.gather::<DESCRIPTOR_BYTES>(&mut rest) else { return Ok(()) };
                    match self.descriptor_bytes(&bytes) {
                        Some(length) => {
                            self.state = State::Next;
                            self.push(&bytes[length..], passing)?;
                        }
                        None => self.state = State::Unreadable("its checksum or length is wrong"),
                    }
                }
                State::Next => {
                    let Some(signature) = self.gather::<4>(&mut rest) else { return Ok(()) };
                    self.state = match u32::from_le_bytes(signature) {
                        LOCAL => {
                            self.several = true;
                            State::Rest
                        }
                        CENTRAL => {
                            self.held.extend_from_slice(&signature);
                            State::Central
                        }
                        _ => State::Unreadable("its parts do not follow each other"),
                    };
                }
                State::Central => {
                    let Some(header) = self.gather::<CENTRAL_BYTES>(&mut rest) else { return Ok(()) };
                    self.state = match self.agrees(&header) {
                        true => State::Rest,
                        false => State::Unreadable("its directory names another file than is there"),
                    };
                }
                State::Rest | State::Unreadable(_) => {
                    self.end.push(rest);
                    return Ok(());
                }
            }
            if rest.is_empty() && !self.goes_on_without_bytes() {
                return Ok(());
            }
        }
    }

    /// The archive has ended. Gives what it is, its first file where that is whole, and bytes of its directory.
    pub(super) fn finish(
        self,
        entries_max: u64,
    ) -> Result<(Archive, Option<Layer>, Vec<u8>), AttachmentFault> {
        let entries = self.end.entries();
        // The end of an archive that was not read up to it may be that of a file in it.
        if let (State::Rest, Some(entries)) = (self.state, entries)
            && entries > entries_max
        {
            return Err(ArchiveFault::Entries(entries, entries_max).into());
        }
        let archive = match (self.state, self.several, entries) {
            (State::Unreadable(why), _, _) => Archive::Unreadable(why),
            (State::Rest, false, Some(1)) => Archive::One,
            (State::Rest, true, Some(entries @ 2..)) => Archive::Several(entries),
            (State::Rest, _, Some(_)) => Archive::Unreadable("its directory has another number of files"),
            (State::Rest, _, None) => Archive::Unreadable("its end is missing or contradicts itself"),
            _ => Archive::Unreadable("it is cut off"),
        };
        let first = (!matches!(archive, Archive::Unreadable(_))).then_some(*self.first);
        Ok((archive, first, self.end.into_bytes()))
    }

    /// Collects a header of `N` bytes from what was held and what comes.
    fn gather<const N: usize>(&mut self, rest: &mut &[u8]) -> Option<[u8; N]> {
        let (more, behind) = rest.split_at((N - self.held.len()).min(rest.len()));
        self.held.extend_from_slice(more);
        *rest = behind;
        let whole = <[u8; N]>::try_from(self.held.as_slice()).ok()?;
        self.held.clear();
        Some(whole)
    }

    /// States that a file without name, extra field or data passes through.
    fn goes_on_without_bytes(&self) -> bool {
        match self.state {
            State::Name { left } => left == 0,
            State::Extra { bytes } => self.held.len() == bytes,
            State::Stored { left } => left == 0,
            _ => false,
        }
    }

    fn begin_entry(&mut self, header: &[u8; LOCAL_BYTES]) {
        let flags = u16_at(header, 6);
        let method = u16_at(header, 8);
        self.entry = Entry {
            described_after: flags & 1 << 3 != 0,
            deflated: method == 8,
            crc: u32_at(header, 14),
            packed: u32_at(header, 18).into(),
            unpacked: u32_at(header, 22).into(),
            extra: u16_at(header, 28).into(),
        };
        let name = usize::from(u16_at(header, 26));
        self.before_data = (LOCAL_BYTES + name + self.entry.extra) as u64;
        // Bits 0, 6 and 13: encrypted, strongly, headers masked (APPNOTE 4.4.4).
        self.state = if flags & (1 | 1 << 6 | 1 << 13) != 0 {
            State::Unreadable("it is encrypted")
        } else if !matches!(method, 0 | 8) {
            State::Unreadable("its compression is not read")
        } else {
            State::Name { left: name }
        };
    }

    /// Behind the extra field, which has the sizes that do not fit the header (APPNOTE 4.5.3).
    fn begin_data(&mut self) {
        let large = u64::from(u32::MAX);
        if self.entry.packed == large || self.entry.unpacked == large {
            match zip64_sizes(&self.held) {
                Some((unpacked, packed)) => (self.entry.unpacked, self.entry.packed) = (unpacked, packed),
                None => return self.state = State::Unreadable("its sizes are missing"),
            }
        }
        self.held.clear();
        let entry = self.entry;
        self.state = if entry.deflated {
            let out = vec![0; OUT_BYTES].into_boxed_slice();
            self.inflater = Some(Inflater { inflate: Decompress::new(false), out, filled: 0 });
            State::Deflated
        } else if entry.described_after && entry.packed == 0 {
            // Only the directory says where such a file ends.
            State::Unreadable("its first file has no length")
        } else {
            State::Stored { left: entry.packed }
        };
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
            passing.packed = self.before_data + self.entry.packed - left;
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
                let taken = self.before_data + packed;
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
                self.state = State::Unreadable("its checksum or length is wrong");
                return Ok(used);
            }
            if !full {
                return Ok(input.len());
            }
        }
    }

    /// The data of the first file has ended, after so many bytes.
    fn end_data(&mut self, packed: u64, unpacked: u64) {
        let as_told = (self.entry.crc, self.entry.packed, self.entry.unpacked);
        self.state = if self.entry.described_after {
            State::Descriptor
        } else if as_told == (self.crc.sum(), packed, unpacked) {
            State::Next
        } else {
            State::Unreadable("its checksum or length is wrong")
        };
        (self.entry.packed, self.entry.unpacked) = (packed, unpacked);
    }

    /// The length of the data descriptor that these bytes begin with. It may have its signature or not, and sizes of 32
    /// or 64 bits (APPNOTE 4.3.9): it is the form that agrees with what was counted and has a header behind it.
    fn descriptor_bytes(&self, bytes: &[u8; DESCRIPTOR_BYTES]) -> Option<usize> {
        let signed = u32_at(bytes, 0) == DESCRIPTOR;
        [(signed, true), (signed, false), (false, true), (false, false)].into_iter().find_map(
            |(signed, wide)| {
                let at = if signed { 4 } else { 0 };
                let (packed, unpacked, end) = if wide {
                    (u64_at(bytes, at + 4), u64_at(bytes, at + 12), at + 20)
                } else {
                    (u32_at(bytes, at + 4).into(), u32_at(bytes, at + 8).into(), at + 12)
                };
                let told = (u32_at(bytes, at), packed, unpacked);
                let counted = (self.crc.sum(), self.entry.packed, self.entry.unpacked);
                let behind = u32_at(bytes, end);
                (told == counted && matches!(behind, LOCAL | CENTRAL)).then_some(end)
            },
        )
    }

    /// Whether the directory speaks of the file that was read: otherwise other readers see another.
    fn agrees(&self, header: &[u8; CENTRAL_BYTES]) -> bool {
        let size = |at: usize, counted: u64| {
            let told = u32_at(header, at);
            told == u32::MAX || u64::from(told) == counted
        };
        u32_at(header, 16) == self.crc.sum()
            && size(20, self.entry.packed)
            && size(24, self.entry.unpacked)
            && matches!(u32_at(header, 42), 0 | u32::MAX)
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

/// Both sizes of the ZIP64 extended information: unpacked, packed. In a local header both must be there.
fn zip64_sizes(mut extra: &[u8]) -> Option<(u64, u64)> {
    while extra.len() >= 4 {
        let (id, length) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
        let field = extra.get(4..4 + length)?;
        if id == 1 {
            return (length >= 16).then(|| (u64_at(field, 0), u64_at(field, 8)));
        }
        extra = &extra[4 + length..];
    }
    None
}
