//! The least that reading a packet can cost: one pass of quick-xml, base64, SHA-256, and for what is zipped inflating, each
//! over all bytes at once.

use std::hint::black_box;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{Decompress, FlushDecompress, Status};
use measure::least::{hash, parse};
use quick_xml::Reader;
use quick_xml::events::Event;

use crate::packets::Packet;

/// One reading, its buffers made beforehand.
pub(crate) struct Least<'p> {
    packet: &'p Packet,
    decoded: Vec<u8>,
    unpacked: Vec<u8>,
}

impl<'p> Least<'p> {
    pub(crate) fn of(packet: &'p Packet) -> Self {
        let unpacked = packet.zipped.as_ref().map_or(0, |zipped| zipped.unpacked_bytes);
        Self { packet, decoded: vec![0; packet.text.len()], unpacked: vec![0; unpacked] }
    }

    /// All of it.
    pub(crate) fn all(&mut self) -> Result<()> {
        self.parse()?;
        let length = self.decode()?;
        hash(&self.decoded[..length])?;
        if let Some(zipped) = &self.packet.zipped {
            let mut inflate = Decompress::new(false);
            let packed = &self.decoded[zipped.data.clone()];
            let status = inflate.decompress(packed, &mut self.unpacked, FlushDecompress::Finish)?;
            ensure!(status == Status::StreamEnd, "the entry does not end");
            hash(&self.unpacked)?;
        }
        Ok(())
    }

    pub(crate) fn parse(&self) -> Result<()> {
        black_box(parse(&self.packet.bytes)?);
        Ok(())
    }

    pub(crate) fn decode(&mut self) -> Result<usize> {
        let length = STANDARD.decode_slice(&self.packet.text, &mut self.decoded).context("base64")?;
        Ok(black_box(length))
    }

    pub(crate) fn hash(&self) -> Result<()> {
        hash(&self.decoded[..self.packet.text.len() / 4 * 3])
    }
}

/// One pass of quick-xml over a packet in which it finds a fault when it is nearly through, if at all.
pub(crate) fn parse_bomb(bytes: &[u8]) -> Result<()> {
    let mut reader = Reader::from_reader(bytes);
    loop {
        match reader.read_event() {
            Ok(Event::Eof) => return Ok(()),
            Ok(event) => drop(black_box(event)),
            Err(fault) => {
                let nearly = bytes.len() as u64 / 10 * 9;
                return if reader.buffer_position() > nearly { Ok(()) } else { Err(fault.into()) };
            }
        }
    }
}
