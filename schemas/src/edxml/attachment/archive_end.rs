//! The end of a ZIP (PKWARE APPNOTE 4.3.14 to 4.3.16): how many files its directory lists, and where that stands.

/// End of central directory record, without its comment.
const END_BYTES: usize = 22;
/// What is kept: that record with the longest comment, and before it the ZIP64 locator (20 bytes) and record (56).
const KEPT_BYTES: usize = END_BYTES + 0xffff + LOCATOR64_BYTES + 56;
const LOCATOR64_BYTES: usize = 20;
/// A file in the directory, without its name.
const CENTRAL_BYTES: u64 = 46;
/// What stands for a number that is in the ZIP64 record.
const WIDE_16: u64 = 0xffff;
const WIDE_32: u64 = 0xffff_ffff;

const END: &[u8] = b"PK\x05\x06";
const LOCATOR64: &[u8] = b"PK\x06\x07";
const END64: &[u8] = b"PK\x06\x06";

/// The last bytes of an archive that passes.
#[derive(Debug, Default)]
pub(super) struct ArchiveEnd {
    kept: Vec<u8>,
    passed: u64,
}

impl ArchiveEnd {
    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.passed += bytes.len() as u64;
        let last = &bytes[bytes.len().saturating_sub(KEPT_BYTES)..];
        if last.len() == KEPT_BYTES {
            self.kept.clear();
        }
        // Moved seldom: as often as all of it was replaced.
        if self.kept.len() + last.len() > 2 * KEPT_BYTES {
            self.kept.drain(..self.kept.len() + last.len() - KEPT_BYTES);
        }
        self.kept.extend_from_slice(last);
    }

    /// What the end says of the directory; `None` when the archive has no end, or one that contradicts itself.
    pub(super) fn directory(&self) -> Option<Directory> {
        let kept = &self.kept[self.kept.len().saturating_sub(KEPT_BYTES)..];
        let last = kept.len().checked_sub(END_BYTES)?;
        let room = |at: usize| kept.len() - at - END_BYTES;
        let ends = || memchr::memmem::rfind_iter(kept, END).filter(|at| *at <= last);
        // The comment may hold the signature itself, and some writers leave bytes behind the comment.
        let at = ends()
            .find(|at| usize::from(u16_at(kept, *at + 20)) == room(*at))
            .or_else(|| ends().find(|at| usize::from(u16_at(kept, *at + 20)) < room(*at)))?;
        let dropped = self.passed - kept.len() as u64;
        let mut directory = Directory {
            entries: u16_at(kept, at + 10).into(),
            bytes: u32_at(kept, at + 12).into(),
            offset: u32_at(kept, at + 16).into(),
            ends: dropped + at as u64,
            record: None,
            unambiguous: u32_at(kept, at + 4) == 0
                && u16_at(kept, at + 8) == u16_at(kept, at + 10)
                && ends().filter(|at| usize::from(u16_at(kept, *at + 20)) <= room(*at)).count() == 1,
        };
        directory.widen(&kept[..at], dropped)?;
        (directory.entries.checked_mul(CENTRAL_BYTES)? <= directory.bytes).then_some(directory)
    }

    /// How many bytes passed.
    pub(super) fn passed(&self) -> u64 {
        self.passed
    }

    /// The last bytes of the directory.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.kept
    }
}

/// The directory by the end of the archive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Directory {
    /// Files listed.
    pub(super) entries: u64,
    /// Its length.
    pub(super) bytes: u64,
    /// Where it begins in the archive.
    pub(super) offset: u64,
    /// Where the first record of the end begins, counted from the first byte that the [`ArchiveEnd`] took.
    pub(super) ends: u64,
    /// Where the ZIP64 record begins in the archive, if there is one.
    pub(super) record: Option<u64>,
    /// Nothing else in what passed looks like an end, and there are no other disks.
    pub(super) unambiguous: bool,
}

impl Directory {
    /// Takes the numbers of the ZIP64 record, to which a locator points that stands at the end of `before`. A number
    /// that both records have is the same; `None` where it is not.
    fn widen(&mut self, before: &[u8], dropped: u64) -> Option<()> {
        let locator = before.len().checked_sub(LOCATOR64_BYTES);
        let Some(locator) = locator.filter(|at| before[*at..].starts_with(LOCATOR64)) else {
            return Some(());
        };
        let at = memchr::memmem::rfind(&before[..locator], END64)?;
        let number = |from: usize| u64_at(before, at + from);
        for (short, wide, mark) in [
            (&mut self.entries, number(32), WIDE_16),
            (&mut self.bytes, number(40), WIDE_32),
            (&mut self.offset, number(48), WIDE_32),
        ] {
            if *short != mark && *short != wide {
                return None;
            }
            *short = wide;
        }
        let behind = number(4).checked_add(12)?.checked_add(at as u64)?;
        self.unambiguous &= behind == locator as u64
            && number(16) == 0
            && number(24) == number(32)
            && u32_at(before, locator + 4) == 0;
        self.ends = dropped + at as u64;
        self.record = Some(u64_at(before, locator + 8));
        Some(())
    }
}

/// A little-endian number; zero where the bytes end before it.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    number(bytes, at).map_or(0, u16::from_le_bytes)
}

/// The same of four bytes.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    number(bytes, at).map_or(0, u32::from_le_bytes)
}

/// The same of eight bytes.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    number(bytes, at).map_or(0, u64::from_le_bytes)
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}
