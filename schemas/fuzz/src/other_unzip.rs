//! Archives as other programs read them: from the front, as the class ZipInputStream of the JDK does and the reference
//! library by it; and by the directory at the end, as file managers do.

use std::io::{Cursor, Read};

use flate2::Crc;
use flate2::read::DeflateDecoder;

/// Most that is unpacked of one file.
const UNPACKED_MAX: u64 = 1 << 20;

/// The first file, read from the front; `None` where a reader would give up.
pub(crate) fn in_order(archive: &[u8]) -> Option<Vec<u8>> {
    let rest = archive.strip_prefix(b"PK\x03\x04")?;
    let word = |at: usize| rest.get(at..at + 2).map(|two| u16::from_le_bytes([two[0], two[1]]));
    let long = |at: usize| Some(u32::from(word(at)?) | u32::from(word(at + 2)?) << 16);
    let (flags, method) = (word(2)?, word(4)?);
    let (crc, packed, name, extra) = (long(10)?, long(14)?, word(22)?, word(24)?);
    let begins = 26 + usize::from(name) + usize::from(extra);
    let data = rest.get(begins..)?;
    let mut content = Vec::new();
    match method {
        _ if flags & 1 != 0 => return None,
        0 if packed == u32::MAX => {
            // ZIP64: the lengths are in the extra field, and equal.
            let at =
                rest[26 + usize::from(name)..begins].windows(4).position(|four| four == [1, 0, 16, 0])?;
            let length = rest.get(26 + usize::from(name) + at + 4..)?.get(..8)?;
            let length = usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).ok()?;
            content.extend(data.get(..length)?);
        }
        0 => content.extend(data.get(..packed as usize)?),
        8 => {
            let mut inflater = DeflateDecoder::new(data);
            inflater.by_ref().take(UNPACKED_MAX).read_to_end(&mut content).ok()?;
        }
        _ => return None,
    }
    let mut summed = Crc::new();
    summed.update(&content);
    (flags & 8 != 0 || summed.sum() == crc).then_some(content)
}

/// What the directory leads to: how many files, and the first of them; `None` where that cannot be read.
pub(crate) fn by_directory(archive: &[u8]) -> Option<(usize, Option<Vec<u8>>)> {
    let mut archive = zip::ZipArchive::new(Cursor::new(archive)).ok()?;
    let count = archive.len();
    let mut content = Vec::new();
    let read =
        archive.by_index(0).ok().and_then(|file| file.take(UNPACKED_MAX).read_to_end(&mut content).ok());
    Some((count, read.map(|_| content)))
}
