//! The headers of one file in a ZIP (PKWARE APPNOTE 4.3.7, 4.3.9 and 4.3.12), compared with what was counted.

use super::archive_end::{u16_at, u32_at, u64_at};

/// A local file header up to the name.
pub(super) const LOCAL_BYTES: usize = 30;
/// A central file header up to the name.
pub(super) const CENTRAL_BYTES: usize = 46;
/// A data descriptor at its longest, and the signature behind it.
pub(super) const DESCRIPTOR_BYTES: usize = 28;

/// What a local file header begins with.
pub(super) const LOCAL: u32 = 0x0403_4b50;
/// What a central file header begins with.
pub(super) const CENTRAL: u32 = 0x0201_4b50;
const DESCRIPTOR: u32 = 0x0807_4b50;

/// What is known of a file in an archive: what its header says until it has ended, and then what was counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Entry {
    /// Length and checksum stand behind the data.
    pub(super) described_after: bool,
    /// Or else stored.
    pub(super) deflated: bool,
    /// Bytes of its name.
    pub(super) name: usize,
    /// Bytes of its extra field.
    pub(super) extra: usize,
    /// Bytes in the archive.
    pub(super) packed: u64,
    unpacked: u64,
    crc: u32,
}

impl Entry {
    /// Reads a local header, or says why the file cannot be read.
    pub(super) fn begin(header: &[u8; LOCAL_BYTES]) -> Result<Self, &'static str> {
        let flags = u16_at(header, 6);
        let method = u16_at(header, 8);
        // Bits 0, 6 and 13: encrypted, strongly, headers masked (APPNOTE 4.4.4).
        if flags & (1 | 1 << 6 | 1 << 13) != 0 {
            return Err("it is encrypted");
        }
        if !matches!(method, 0 | 8) {
            return Err("its compression is not read");
        }
        Ok(Self {
            described_after: flags & 1 << 3 != 0,
            deflated: method == 8,
            name: u16_at(header, 26).into(),
            extra: u16_at(header, 28).into(),
            packed: u32_at(header, 18).into(),
            unpacked: u32_at(header, 22).into(),
            crc: u32_at(header, 14),
        })
    }

    /// Bytes from the start of the header to the data.
    pub(super) fn before_data(&self) -> u64 {
        (LOCAL_BYTES + self.name + self.extra) as u64
    }

    /// Takes the sizes that do not fit the header from the extra field (APPNOTE 4.5.3). In a local header both must be
    /// there.
    pub(super) fn take_wide_sizes(&mut self, mut extra: &[u8]) -> Result<(), &'static str> {
        let large = u64::from(u32::MAX);
        if self.packed != large && self.unpacked != large {
            return Ok(());
        }
        while extra.len() >= 4 {
            let (id, length) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
            let Some(field) = extra.get(4..4 + length) else { break };
            if id == 1 && length >= 16 {
                (self.unpacked, self.packed) = (u64_at(field, 0), u64_at(field, 8));
                return Ok(());
            }
            extra = &extra[4 + length..];
        }
        Err("its sizes are missing")
    }

    /// What was counted counts from here on. Says whether it is what the header said.
    pub(super) fn count(&mut self, crc: u32, packed: u64, unpacked: u64) -> bool {
        let told = (self.crc, self.packed, self.unpacked);
        (self.crc, self.packed, self.unpacked) = (crc, packed, unpacked);
        told == (crc, packed, unpacked)
    }

    /// Gives what stands behind the data descriptor that these bytes begin with. It may have its signature or not, and
    /// sizes of 32 or 64 bits (APPNOTE 4.3.9): it is the form that agrees with what was counted and has a header behind.
    pub(super) fn described_by<'b>(&self, bytes: &'b [u8; DESCRIPTOR_BYTES]) -> Option<&'b [u8]> {
        let signed = u32_at(bytes, 0) == DESCRIPTOR;
        let forms = [(signed, true), (signed, false), (false, true), (false, false)];
        forms.into_iter().find_map(|(signed, wide)| {
            let at = if signed { 4 } else { 0 };
            let (packed, unpacked, end) = if wide {
                (u64_at(bytes, at + 4), u64_at(bytes, at + 12), at + 20)
            } else {
                (u32_at(bytes, at + 4).into(), u32_at(bytes, at + 8).into(), at + 12)
            };
            let agrees = (u32_at(bytes, at), packed, unpacked) == (self.crc, self.packed, self.unpacked);
            (agrees && matches!(u32_at(bytes, end), LOCAL | CENTRAL)).then(|| &bytes[end..])
        })
    }

    /// Whether the directory speaks of the file that was read: otherwise other readers see another.
    pub(super) fn is_listed_by(&self, header: &[u8; CENTRAL_BYTES]) -> bool {
        let size = |at: usize, counted: u64| {
            let told = u32_at(header, at);
            told == u32::MAX || u64::from(told) == counted
        };
        u32_at(header, 16) == self.crc
            && size(20, self.packed)
            && size(24, self.unpacked)
            && matches!(u32_at(header, 42), 0 | u32::MAX)
    }
}
