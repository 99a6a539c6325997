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

/// Bits 0, 6 and 13: encrypted, strongly, headers masked (APPNOTE 4.4.4).
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
/// Bit 3: a data descriptor follows.
const DESCRIBED: u16 = 1 << 3;

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
        if flags & ENCRYPTED != 0 {
            return Err("it is encrypted");
        }
        if !matches!(method, 0 | 8) {
            return Err("its compression is not read");
        }
        // Only the directory says where such a file ends; `ZipInputStream` of the JDK refuses it too.
        if method == 0 && flags & DESCRIBED != 0 {
            return Err("its first file has no length");
        }
        Ok(Self {
            described_after: flags & DESCRIBED != 0,
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
    pub(super) fn take_wide_sizes(&mut self, extra: &[u8]) -> Result<(), &'static str> {
        let large = u64::from(u32::MAX);
        if self.packed != large && self.unpacked != large {
            return Ok(());
        }
        let field = wide_field(extra).filter(|field| field.len() >= 16).ok_or("its sizes are missing")?;
        (self.unpacked, self.packed) = (u64_at(field, 0), u64_at(field, 8));
        Ok(())
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

    /// Whether the directory speaks of the file that was read: otherwise other readers see another. `behind` is what
    /// follows the header: name, extra field, comment.
    pub(super) fn is_listed_by(&self, header: &[u8; CENTRAL_BYTES], behind: &[u8]) -> bool {
        let (name, extra) = (usize::from(u16_at(header, 28)), usize::from(u16_at(header, 30)));
        let mut wide = behind.get(name..name + extra).and_then(wide_field).unwrap_or_default();
        let mut number = |at: usize| match u32_at(header, at) {
            u32::MAX => {
                let (number, rest) = wide.split_at_checked(8)?;
                wide = rest;
                Some(u64_at(number, 0))
            }
            number => Some(number.into()),
        };
        // In the order in which the extra field has them (APPNOTE 4.5.3).
        let told = [number(24), number(20), number(42)];
        let method = if self.deflated { 8 } else { 0 };
        told == [self.unpacked, self.packed, 0].map(Some)
            && u32_at(header, 16) == self.crc
            && u16_at(header, 10) == method
            && u16_at(header, 8) & ENCRYPTED == 0
    }
}

/// Bytes behind a header of the directory: name, extra field, comment.
pub(super) fn bytes_behind(header: &[u8; CENTRAL_BYTES]) -> usize {
    [28, 30, 32].map(|at| usize::from(u16_at(header, at))).iter().sum()
}

/// The ZIP64 extended information in an extra field (APPNOTE 4.5.3).
fn wide_field(mut extra: &[u8]) -> Option<&[u8]> {
    while extra.len() >= 4 {
        let (id, length) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
        let field = extra.get(4..4 + length)?;
        if id == 1 {
            return Some(field);
        }
        extra = &extra[4 + length..];
    }
    None
}
