//! ZIP archives (APPNOTE 6.3), deflated, as sending software makes them.

use std::io::Write;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// An archive of these files: names and contents.
pub(crate) fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content).expect("deflated");
        let packed = encoder.finish().expect("deflated");
        let mut crc = Crc::new();
        crc.update(content);
        let at = u32::try_from(archive.len()).expect("small");
        // Version, flags (UTF-8), method, time and date, then what was counted.
        let mut facts = Vec::new();
        [20u16, 0x800, 8, 0, 0x5c22].iter().for_each(|field| facts.extend(field.to_le_bytes()));
        facts.extend(crc.sum().to_le_bytes());
        for length in [packed.len(), content.len()] {
            facts.extend(u32::try_from(length).expect("small").to_le_bytes());
        }
        facts.extend(u16::try_from(name.len()).expect("short").to_le_bytes());
        facts.extend([0, 0]);
        archive.extend(b"PK\x03\x04");
        archive.extend(&facts);
        archive.extend(name.as_bytes());
        archive.extend(&packed);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&facts);
        // Comment, disk, attributes, then where it is.
        directory.extend([0; 10]);
        directory.extend(at.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (count, begin) =
        (u16::try_from(files.len()).expect("few"), u32::try_from(archive.len()).expect("small"));
    archive.extend(&directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend(count.to_le_bytes());
    archive.extend(count.to_le_bytes());
    archive.extend(u32::try_from(directory.len()).expect("small").to_le_bytes());
    archive.extend(begin.to_le_bytes());
    archive.extend([0, 0]);
    archive
}
