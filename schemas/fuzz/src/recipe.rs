//! Archives made from a few numbers each: good ones of every shape that the format allows, and ones in which one thing or
//! another is wrong, in each other. Numbers that are zero make good ones.

use std::io::Write;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use xml_sig_fuzz::edits::{Numbers, Script};

/// Archives in each other.
const LEVELS_MAX: usize = 5;
/// Files of one archive.
const FILES_MAX: usize = 3;

/// What a recipe gave.
pub(crate) struct Made {
    pub(crate) bytes: Vec<u8>,
    /// Every archive in it is as the format has it, and holds one file that is not encrypted.
    pub(crate) good: bool,
    /// How many stand in each other.
    pub(crate) levels: usize,
}

/// A file with what the headers say of it.
struct File {
    name: Vec<u8>,
    data: Vec<u8>,
    flags: u16,
    method: u16,
    crc: u32,
    packed: u64,
    unpacked: u64,
    wide: bool,
    offset: u64,
}

/// Makes archives in each other; what is left of the script is in the innermost.
pub(crate) fn make(script: &mut Script<'_>) -> Made {
    let levels = 1 + script.below(LEVELS_MAX);
    let recipes: Vec<Vec<usize>> =
        (0..levels).map(|_| (0..10).map(|_| script.below(256)).collect()).collect();
    let mut made = Made { bytes: script.0.to_vec(), good: true, levels };
    for recipe in &recipes {
        let mut numbers = Recipe(recipe.iter());
        made.good &= archive(&mut made.bytes, &mut numbers);
    }
    made
}

/// The numbers of one archive.
struct Recipe<'r>(std::slice::Iter<'r, usize>);

impl Numbers for Recipe<'_> {
    fn next(&mut self) -> usize {
        self.0.next().copied().unwrap_or_default()
    }
}

/// Puts what is in `bytes` into an archive. Whether nothing is wrong with it.
fn archive(bytes: &mut Vec<u8>, numbers: &mut Recipe<'_>) -> bool {
    let content = std::mem::take(bytes);
    let count = 1 + numbers.below(16) / 8 * numbers.below(FILES_MAX);
    let mut good = count == 1;
    let mut files = Vec::new();
    for n in 0..count {
        let content = if n == 0 { &content[..] } else { b"another" };
        let (file, fine) = local(bytes, content, n, numbers);
        good &= fine;
        files.push(file);
    }
    let gap = numbers.below(64);
    if gap >= 60 {
        // What only a reader of the directory passes over.
        bytes.extend([b"gap".as_slice(), b"PK\x03\x04", b"PK\x01\x02", b""][gap - 60]);
        good &= gap == 63;
    }
    let (mut listed, flaw) = (files, numbers.below(32));
    match flaw {
        20 => listed[0].crc ^= 1,
        21 => listed[0].unpacked += 1,
        22 => listed[0].packed += 1,
        23 => listed[0].offset = listed[0].offset.wrapping_add(1),
        24 => listed[0].method ^= 8,
        25 => listed.truncate(listed.len() - 1),
        26 => listed.reverse(),
        _ => {}
    }
    good &= !(20..=25).contains(&flaw);
    let at = bytes.len() as u64;
    listed.iter().for_each(|file| central(bytes, file));
    let length = bytes.len() as u64 - at;
    let flaw = numbers.below(32);
    if flaw == 19 {
        // A second directory, which the end of the archive points to or not.
        listed.iter().for_each(|file| central(bytes, file));
    }
    end(bytes, listed.len() as u64, at, length, flaw);
    good && !(16..=24).contains(&flaw)
}

/// A local header and its data; false when something is wrong with it, or it cannot be read.
fn local(out: &mut Vec<u8>, content: &[u8], n: usize, numbers: &mut Recipe<'_>) -> (File, bool) {
    let (form, flaw) = (numbers.below(16), numbers.below(64));
    let mut crc = Crc::new();
    crc.update(content);
    let deflated = form & 1 == 0;
    let data = if deflated {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new((form / 4) as u32 % 10));
        encoder.write_all(content).expect("memory takes all");
        encoder.finish().expect("memory takes all")
    } else {
        content.to_vec()
    };
    // A stored file has its lengths before it.
    let described = deflated && form & 2 == 0;
    let wide = form & 12 == 12;
    let mut file = File {
        // Some readers take two files of one name for one.
        name: [&b"a.txt"[..form % 6], &b"012"[..n]].concat(),
        packed: data.len() as u64,
        unpacked: content.len() as u64,
        data,
        flags: if described { 0x0808 } else { 0 },
        method: if deflated { 8 } else { 0 },
        crc: crc.sum(),
        wide,
        offset: out.len() as u64,
    };
    let told = (file.crc, file.packed, file.unpacked);
    match flaw {
        50 => file.flags |= 1,
        51 => file.method = 9,
        52 => file.crc ^= 1,
        53 => file.unpacked += 1,
        54 => file.packed = file.packed.saturating_sub(1),
        55 => file.data.truncate(file.data.len() / 2),
        56 => file.flags ^= 8,
        _ => {}
    }
    local_header(out, &file, described);
    out.extend(&file.data);
    if described {
        descriptor(out, &file, flaw);
    }
    // The directory has the truth.
    if flaw >= 52 {
        (file.crc, file.packed, file.unpacked) = told;
    }
    (file, !(50..=56).contains(&flaw))
}

fn local_header(out: &mut Vec<u8>, file: &File, described: bool) {
    out.extend(b"PK\x03\x04");
    two(out, if file.wide { 45 } else { 20 });
    two(out, file.flags);
    two(out, file.method);
    four(out, 0x0021_0000);
    let (crc, packed, unpacked) = if described { (0, 0, 0) } else { (file.crc, file.packed, file.unpacked) };
    let in_extra = file.wide && !described;
    four(out, crc);
    four(out, if in_extra { u32::MAX } else { packed as u32 });
    four(out, if in_extra { u32::MAX } else { unpacked as u32 });
    two(out, file.name.len() as u16);
    two(out, if in_extra { 26 } else { 0 });
    out.extend(&file.name);
    if in_extra {
        // Some other field, then ZIP64 (APPNOTE 4.5.3).
        two(out, 0x5855);
        two(out, 2);
        two(out, 0);
        two(out, 1);
        two(out, 16);
        eight(out, unpacked);
        eight(out, packed);
    }
}

fn descriptor(out: &mut Vec<u8>, file: &File, flaw: usize) {
    // Without its signature (APPNOTE 4.3.9.3), as some writers have it.
    if flaw % 4 != 3 {
        out.extend(b"PK\x07\x08");
    }
    four(out, file.crc);
    four(out, file.packed as u32);
    four(out, file.unpacked as u32);
}

fn central(out: &mut Vec<u8>, file: &File) {
    out.extend(b"PK\x01\x02");
    two(out, 20);
    two(out, if file.wide { 45 } else { 20 });
    two(out, file.flags);
    two(out, file.method);
    four(out, 0x0021_0000);
    four(out, file.crc);
    four(out, if file.wide { u32::MAX } else { file.packed as u32 });
    four(out, if file.wide { u32::MAX } else { file.unpacked as u32 });
    two(out, file.name.len() as u16);
    two(out, if file.wide { 28 } else { 0 });
    two(out, 0);
    out.extend([0; 8]);
    four(out, if file.wide { u32::MAX } else { file.offset as u32 });
    out.extend(&file.name);
    if file.wide {
        two(out, 1);
        two(out, 24);
        eight(out, file.unpacked);
        eight(out, file.packed);
        eight(out, file.offset);
    }
}

fn end(out: &mut Vec<u8>, count: u64, at: u64, length: u64, flaw: usize) {
    let record = out.len() as u64;
    let wide = flaw == 1;
    if wide {
        // ZIP64 end of central directory record and locator (APPNOTE 4.3.14, 4.3.15).
        out.extend(b"PK\x06\x06");
        eight(out, 44);
        two(out, 45);
        two(out, 45);
        four(out, 0);
        four(out, 0);
        eight(out, count);
        eight(out, count);
        eight(out, length);
        eight(out, at);
        out.extend(b"PK\x06\x07");
        four(out, 0);
        eight(out, record);
        four(out, 1);
    }
    let listed = match flaw {
        16 => count + 1,
        17 => count.saturating_sub(1),
        _ => count,
    };
    let comment: &[u8] = match flaw {
        2 => b"a comment",
        3 => b"PK\x05\x06",
        _ => b"",
    };
    let before = out.len();
    out.extend(b"PK\x05\x06");
    four(out, 0);
    two(out, if wide { u16::MAX } else { listed as u16 });
    two(out, if wide { u16::MAX } else { listed as u16 });
    four(out, if wide { u32::MAX } else { length as u32 });
    let at = if flaw == 18 { at + 1 } else { at };
    four(out, if wide { u32::MAX } else { at as u32 });
    two(out, comment.len() as u16);
    out.extend(comment);
    match flaw {
        20 => out.truncate(before),
        21 => out.truncate(before + 10),
        22 => out.extend(b"behind"),
        23 => out.truncate(at as usize),
        // A second end.
        24 => out.extend_from_within(before..),
        _ => {}
    }
}

fn two(out: &mut Vec<u8>, number: u16) {
    out.extend(number.to_le_bytes());
}

fn four(out: &mut Vec<u8>, number: u32) {
    out.extend(number.to_le_bytes());
}

fn eight(out: &mut Vec<u8>, number: u64) {
    out.extend(number.to_le_bytes());
}
