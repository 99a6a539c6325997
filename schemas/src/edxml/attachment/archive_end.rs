//! The end of a ZIP (PKWARE APPNOTE 4.3.14 to 4.3.16): how many files its directory lists.

/// End of central directory record, without its comment.
const END_BYTES: usize = 22;
/// What is kept: that record with the longest comment, and before it the ZIP64 locator (20 bytes) and record (56).
const KEPT_BYTES: usize = END_BYTES + 0xffff + LOCATOR64_BYTES + 56;
const LOCATOR64_BYTES: usize = 20;
/// A file in the directory, without its name.
const CENTRAL_BYTES: u64 = 46;

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

    /// How many files the directory lists; `None` when the archive has no end, or one that contradicts itself.
    pub(super) fn entries(&self) -> Option<u64> {
        let kept = &self.kept[self.kept.len().saturating_sub(KEPT_BYTES)..];
        let last = kept.len().checked_sub(END_BYTES)?;
        let room = |at: usize| kept.len() - at - END_BYTES;
        let ends = || memchr::memmem::rfind_iter(kept, END).filter(|at| *at <= last);
        // The comment may hold the signature itself, and some writers leave bytes behind the comment.
        let at = ends()
            .find(|at| usize::from(u16_at(kept, *at + 20)) == room(*at))
            .or_else(|| ends().find(|at| usize::from(u16_at(kept, *at + 20)) < room(*at)))?;
        let short = (u64::from(u16_at(kept, at + 10)), u64::from(u32_at(kept, at + 12)));
        let (entries, bytes) = match wide(&kept[..at]) {
            Some(wide) if short.0 == wide.0 || short.0 == 0xffff => wide,
            Some(_) => return None,
            None => short,
        };
        // The head of the directory may have been read before the end was kept.
        let room = self.passed + CENTRAL_BYTES;
        (bytes <= room && entries.checked_mul(CENTRAL_BYTES)? <= bytes).then_some(entries)
    }

    /// The last bytes of the directory.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.kept
    }
}

/// Entries and bytes of the directory by the ZIP64 record, to which a locator points that ends here.
fn wide(kept: &[u8]) -> Option<(u64, u64)> {
    let locator = kept.len().checked_sub(LOCATOR64_BYTES).filter(|at| kept[*at..].starts_with(LOCATOR64))?;
    let record = memchr::memmem::rfind(&kept[..locator], END64)?;
    Some((u64_at(kept, record + 32), u64_at(kept, record + 40)))
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
