//! ZIP and base64 as the reference library makes and takes them, from file to file: one deflated entry under a name that
//! says nothing.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// The largest file that comes out of an archive, in bytes.
const UNPACKED_BYTES_MAX: u64 = 2_000_000_000;
/// A multiple of three, and of four.
const PIECE_BYTES: usize = 48 * 1024;

/// Base64 with blanks in it, decoded as it comes.
pub(super) struct Decoder {
    held: Vec<u8>,
    file: BufWriter<File>,
    /// What was decoded last was padded.
    is_over: bool,
    is_bad: bool,
}

impl Decoder {
    pub(super) fn new(file: File) -> Self {
        Self { held: Vec::new(), file: BufWriter::new(file), is_over: false, is_bad: false }
    }

    pub(super) fn push(&mut self, text: &[u8]) -> io::Result<()> {
        if self.is_bad {
            return Ok(());
        }
        self.held.extend(text.iter().copied().filter(|b| !b.is_ascii_whitespace()));
        let whole = self.held.len() / 4 * 4;
        if whole == 0 {
            return Ok(());
        }
        match STANDARD.decode(&self.held[..whole]) {
            Ok(bytes) if !self.is_over => self.file.write_all(&bytes)?,
            _ => self.is_bad = true,
        }
        self.is_over |= self.held[whole - 1] == b'=';
        self.held.drain(..whole);
        Ok(())
    }

    /// What it was; `None` when it was not base64.
    pub(super) fn end(mut self) -> io::Result<Option<File>> {
        if self.is_bad || !self.held.is_empty() {
            return Ok(None);
        }
        self.file.flush()?;
        self.file.into_inner().map(Some).map_err(|cause| cause.into_error())
    }
}

/// Bytes as base64, in one line.
pub(super) struct Encoder<'w, W: Write> {
    held: Vec<u8>,
    out: &'w mut W,
}

impl<'w, W: Write> Encoder<'w, W> {
    pub(super) fn new(out: &'w mut W) -> Self {
        Self { held: Vec::with_capacity(2 * PIECE_BYTES), out }
    }

    pub(super) fn end(self) -> io::Result<()> {
        self.out.write_all(STANDARD.encode(self.held).as_bytes())
    }
}

impl<W: Write> Write for Encoder<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        let whole = self.held.len() / 3 * 3;
        if self.held.len() >= PIECE_BYTES {
            self.out.write_all(STANDARD.encode(&self.held[..whole]).as_bytes())?;
            self.held.drain(..whole);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Copies a file from its beginning.
pub(super) fn copy_all(mut file: File, out: &mut impl Write) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    io::copy(&mut BufReader::with_capacity(PIECE_BYTES, file), out).map(drop)
}

/// The first file of an archive; `None` when it is none.
pub(super) fn first_entry(archive: &File, folder: &Path) -> io::Result<Option<File>> {
    let mut from = BufReader::with_capacity(1 << 18, archive.try_clone()?);
    from.seek(SeekFrom::Start(0))?;
    let mut head = [0; 30];
    if from.read_exact(&mut head).is_err() || !head.starts_with(b"PK\x03\x04") {
        return Ok(None);
    }
    let short = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
    let (flags, method) = (short(6), short(8));
    let stored = u32::from_le_bytes([head[18], head[19], head[20], head[21]]);
    from.seek_relative(i64::from(short(26)) + i64::from(short(28)))?;
    let mut out = BufWriter::new(tempfile::tempfile_in(folder)?);
    let unpacked = match method {
        8 => io::copy(&mut DeflateDecoder::new(from).take(UNPACKED_BYTES_MAX), &mut out),
        0 if flags & 8 == 0 => io::copy(&mut from.take(u64::from(stored)), &mut out),
        _ => return Ok(None),
    };
    if unpacked.is_err() {
        return Ok(None);
    }
    out.flush()?;
    out.into_inner().map(Some).map_err(|cause| cause.into_error())
}

/// A file as the only one of an archive, in the form of the reference library: sizes behind the data, names in UTF-8.
pub(super) fn zipped(mut plain: File, extension: &str, folder: &Path) -> io::Result<File> {
    const FLAGS: u16 = 0x0808;
    let random = hex::encode(rand::random::<[u8; 16]>());
    let uuid = format!(
        "{}-{}-4{}-8{}-{}",
        &random[..8],
        &random[8..12],
        &random[13..16],
        &random[17..20],
        &random[20..]
    );
    let name = if extension.is_empty() { uuid } else { format!("{uuid}.{extension}") };
    let length = u16::try_from(name.len()).map_err(io::Error::other)?;
    // Version 2.0, deflated, 1980-01-01: what stands in both headers.
    let common = [20, FLAGS, 8, 0, 0x21].map(u16::to_le_bytes).concat();
    let mut out = BufWriter::with_capacity(1 << 18, tempfile::tempfile_in(folder)?);
    let sizes = |crc: u32, packed: u32, bytes: u32| [crc, packed, bytes].map(u32::to_le_bytes).concat();
    let local =
        [&b"PK\x03\x04"[..], &common, &sizes(0, 0, 0), &length.to_le_bytes(), &[0, 0], name.as_bytes()]
            .concat();
    out.write_all(&local)?;
    plain.seek(SeekFrom::Start(0))?;
    let mut from = BufReader::with_capacity(PIECE_BYTES, plain);
    let (mut crc, mut deflate) = (Crc::new(), DeflateEncoder::new(&mut out, Compression::fast()));
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = from.read(&mut piece)?;
        if read == 0 {
            break;
        }
        crc.update(&piece[..read]);
        deflate.write_all(&piece[..read])?;
    }
    deflate.try_finish()?;
    let packed = u32::try_from(deflate.total_out()).map_err(io::Error::other)?;
    drop(deflate);
    let sizes = sizes(crc.sum(), packed, crc.amount());
    out.write_all(&[&b"PK\x07\x08"[..], &sizes].concat())?;
    let central = local.len() as u64 + u64::from(packed) + 16;
    let central = u32::try_from(central).map_err(io::Error::other)?;
    let entry =
        [&b"PK\x01\x02\x14\x00"[..], &common, &sizes, &length.to_le_bytes(), &[0; 16], name.as_bytes()]
            .concat();
    out.write_all(&entry)?;
    let count = [0, 0, 1, 1].map(u16::to_le_bytes).concat();
    let place =
        [u32::try_from(entry.len()).map_err(io::Error::other)?, central].map(u32::to_le_bytes).concat();
    out.write_all(&[&b"PK\x05\x06"[..], &count, &place, &[0, 0]].concat())?;
    out.flush()?;
    out.into_inner().map_err(|cause| cause.into_error())
}
