//! ZIP archives (APPNOTE 6.3.10) as the reference library and others write them, made as they are written.

use std::io::{self, Read, Write};

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// APPNOTE 4.3.7.
const LOCAL: [u8; 4] = *b"PK\x03\x04";
/// APPNOTE 4.3.9.
const DESCRIPTOR: [u8; 4] = *b"PK\x07\x08";
/// APPNOTE 4.3.12.
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
/// APPNOTE 4.3.16.
const END: [u8; 4] = *b"PK\x05\x06";
/// APPNOTE 4.4.4, bit 11: the name is UTF-8.
const UTF8: u16 = 0x0800;
/// APPNOTE 4.4.4, bit 3: a descriptor follows the data, and the lengths before it are zero.
const DESCRIBED: u16 = 0x0008;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// 1 January 1980 (APPNOTE 4.4.6).
const DATE: u16 = 0x21;

/// Bytes of the end of an archive without comment (APPNOTE 4.3.16).
pub(crate) const END_BYTES: usize = 22;

/// What is known of an entry once it was written.
struct Facts {
    crc: u32,
    packed: u32,
    unpacked: u32,
}

impl Facts {
    fn bytes(&self) -> Vec<u8> {
        [self.crc, self.packed, self.unpacked].iter().flat_map(|n| n.to_le_bytes()).collect()
    }
}

/// An archive that is being written, of less than 4 GiB.
pub(crate) struct ZipWriter<W> {
    level: Compression,
    out: Counted<W>,
    central: Vec<u8>,
    entries: u16,
}

impl<W: Write> ZipWriter<W> {
    pub(crate) fn new(out: W) -> Self {
        let out = Counted { out, bytes: 0 };
        Self { level: Compression::fast(), out, central: Vec::new(), entries: 0 }
    }

    /// Deflates as well as can be.
    pub(crate) fn best(self) -> Self {
        Self { level: Compression::best(), ..self }
    }

    /// An entry as the reference library writes them: deflated, its lengths behind it.
    pub(crate) fn deflated(&mut self, name: &str, content: &mut dyn Read) -> io::Result<()> {
        let flags = UTF8 | DESCRIBED;
        let at = self.begin(name, flags, DEFLATED, &Facts { crc: 0, packed: 0, unpacked: 0 })?;
        let from = self.out.bytes;
        let mut encoder = DeflateEncoder::new(&mut self.out, self.level);
        let mut content = Summed { content, crc: Crc::new() };
        io::copy(&mut content, &mut encoder)?;
        encoder.finish()?;
        let facts =
            Facts { crc: content.crc.sum(), packed: self.out.bytes - from, unpacked: content.crc.amount() };
        self.out.write_all(&DESCRIPTOR)?;
        self.out.write_all(&facts.bytes())?;
        self.end(name, flags, DEFLATED, &facts, at)
    }

    /// An entry as it is, its lengths before it.
    pub(crate) fn stored(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut crc = Crc::new();
        crc.update(content);
        let facts = Facts { crc: crc.sum(), packed: crc.amount(), unpacked: crc.amount() };
        let at = self.begin(name, UTF8, STORED, &facts)?;
        self.out.write_all(content)?;
        self.end(name, UTF8, STORED, &facts, at)
    }

    /// The central directory (APPNOTE 4.3.12) and its end.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        let at = self.out.bytes;
        let length = self.central.len() as u32;
        self.out.write_all(&std::mem::take(&mut self.central))?;
        self.out.write_all(&END)?;
        let entries = self.entries.to_le_bytes();
        self.out.write_all(&[[0; 2], [0; 2], entries, entries].concat())?;
        self.out.write_all(&[length.to_le_bytes(), at.to_le_bytes()].concat())?;
        self.out.write_all(&[0; 2])?;
        Ok(self.out.out)
    }

    fn begin(&mut self, name: &str, flags: u16, method: u16, facts: &Facts) -> io::Result<u32> {
        let at = self.out.bytes;
        self.out.write_all(&LOCAL)?;
        self.out.write_all(&shared(name, flags, method, facts))?;
        self.out.write_all(name.as_bytes())?;
        Ok(at)
    }

    fn end(&mut self, name: &str, flags: u16, method: u16, facts: &Facts, at: u32) -> io::Result<()> {
        self.central.extend(CENTRAL);
        self.central.extend(20_u16.to_le_bytes());
        self.central.extend(shared(name, flags, method, facts));
        // No comment, first disk, no attributes.
        self.central.extend([0; 10]);
        self.central.extend(at.to_le_bytes());
        self.central.extend(name.as_bytes());
        self.entries += 1;
        Ok(())
    }
}

/// What a local header and one of the central directory share: from the version that is needed to the lengths.
fn shared(name: &str, flags: u16, method: u16, facts: &Facts) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        [20, flags, method, 0, DATE].iter().flat_map(|n: &u16| n.to_le_bytes()).collect();
    bytes.extend(facts.bytes());
    bytes.extend((name.len() as u16).to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}

/// One deflated entry in memory, as the reference library packs a file.
pub(crate) fn zipped(name: &str, content: &[u8]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Vec::new());
    let written = zip.deflated(name, &mut &*content).and_then(|()| zip.finish());
    written.expect("memory takes all")
}

/// One stored entry in memory.
pub(crate) fn stored(name: &str, content: &[u8]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Vec::new());
    let written = zip.stored(name, content).and_then(|()| zip.finish());
    written.expect("memory takes all")
}

/// An archive of so many small entries.
pub(crate) fn of_entries(count: u16) -> Vec<u8> {
    let mut zip = ZipWriter::new(Vec::new());
    let written =
        (0..count).try_for_each(|n| zip.stored(&format!("{n}.txt"), b"x")).and_then(|()| zip.finish());
    written.expect("memory takes all")
}

/// An archive whose one entry holds almost 1030 times as many zeros as it has bytes itself; its CRC-32 is wrong.
pub(crate) fn of_zeros(packed_bytes: usize) -> Vec<u8> {
    const BLOCK: usize = 16 << 20;
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    // What a flush has ended may be repeated but for references to what was before it, which was zeros too.
    let block = encoder.write_all(&vec![0; BLOCK]).and_then(|()| encoder.flush());
    block.expect("memory takes all");
    let block = encoder.get_ref().clone();
    let last = encoder.finish().expect("memory takes all").split_off(block.len());
    let data = [block.repeat(packed_bytes / block.len()), last].concat();
    let mut zip = ZipWriter::new(Vec::new());
    let facts = Facts { crc: 0, packed: data.len() as u32, unpacked: 0 };
    let written = zip.begin("0.txt", UTF8 | DESCRIBED, DEFLATED, &Facts { crc: 0, packed: 0, unpacked: 0 });
    let at = written.expect("memory takes all");
    zip.out.out.extend(data);
    zip.out.bytes = zip.out.out.len() as u32;
    let ended = zip.end("0.txt", UTF8 | DESCRIBED, DEFLATED, &facts, at).and_then(|()| zip.finish());
    ended.expect("memory takes all")
}

/// Archives in archives, so many, each the one stored or deflated entry of the next.
pub(crate) fn nested(levels: usize, content: &[u8], wrap: fn(&str, &[u8]) -> Vec<u8>) -> Vec<u8> {
    (0..levels).fold(content.to_owned(), |content, level| wrap(&format!("{level}.zip"), &content))
}

/// Counts what is written.
struct Counted<W> {
    out: W,
    bytes: u32,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let written = self.out.write(piece)?;
        self.bytes += written as u32;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Sums what is read.
struct Summed<'c> {
    content: &'c mut dyn Read,
    crc: Crc,
}

impl Read for Summed<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(out)?;
        self.crc.update(&out[..read]);
        Ok(read)
    }
}
