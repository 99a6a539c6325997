//! The crate under measurement, called as its users call it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use lienthong_schemas::edxml::{EdxmlLimits, Envelope, PacketFault, read_envelope};
use measure::print;
use measure::process::{peak_kib, resident_kib};

use crate::packets::Long;

/// Buffer of every reader of a file or a pipe.
const READ_BYTES: usize = 64 << 10;

/// Reads a packet in memory that must be accepted.
pub(crate) fn accept(packet: &Arc<[u8]>) -> Result<Envelope> {
    read(packet).map_err(|fault| anyhow!("refused: {fault}"))
}

/// Reads a packet in memory: with which code it is refused, and where; `None` if it is not.
pub(crate) fn refuse(packet: &Arc<[u8]>) -> Result<Option<(&'static str, String)>> {
    refusal(read(packet))
}

fn read(packet: &Arc<[u8]>) -> Result<Envelope, PacketFault> {
    let mut open = || -> io::Result<Box<dyn BufRead>> { Ok(Box::new(Cursor::new(Arc::clone(packet)))) };
    read_envelope(&mut open, &EdxmlLimits::default()).map(|(envelope, _)| envelope)
}

fn refusal(read: Result<Envelope, PacketFault>) -> Result<Option<(&'static str, String)>> {
    match read {
        Ok(_) => Ok(None),
        Err(PacketFault::Rejected(refused)) => {
            Ok(Some((refused.code.row().name, refused.field.unwrap_or_default())))
        }
        Err(fault) => Err(fault.into()),
    }
}

/// Prints how many KiB the peak of this process lies above what it held before it read, and the seconds that it read.
pub(crate) fn print_growth_of_long(long: Long) -> Result<()> {
    let (received, mut sent) = io::pipe()?;
    let writing = std::thread::spawn(move || long.write(&mut sent));
    let mut received = Some(BufReader::with_capacity(READ_BYTES, received));
    let mut open = || -> io::Result<Box<dyn BufRead>> {
        Ok(Box::new(received.take().ok_or_else(|| io::Error::other("a packet of ours is read once"))?))
    };
    let (before, begun) = (resident()?, Instant::now());
    let (envelope, _) = read_envelope(&mut open, &EdxmlLimits::default())?;
    let seconds = begun.elapsed().as_secs_f64();
    let peak = peak_kib().context(SILENT)?;
    writing.join().map_err(|_| anyhow!("the writer broke"))??;
    let content = envelope.claimed_content();
    let encoded: u64 = content.attachments.iter().map(|attachment| attachment.encoded).sum();
    ensure!(encoded >= Long::ENCODED_BYTES, "only {encoded} bytes were seen");
    print(&format!("{} {seconds}", peak.saturating_sub(before)));
    Ok(())
}

/// Prints how many KiB the peak of this process lies above what it held before it read what it must refuse.
pub(crate) fn print_growth_of_file(file: &Path) -> Result<()> {
    let mut open = || -> io::Result<Box<dyn BufRead>> {
        Ok(Box::new(BufReader::with_capacity(READ_BYTES, File::open(file)?)))
    };
    let (before, begun) = (resident()?, Instant::now());
    refusal(read_envelope(&mut open, &EdxmlLimits::default()).map(|(envelope, _)| envelope))?;
    let seconds = begun.elapsed().as_secs_f64();
    let peak = peak_kib().context(SILENT)?;
    print(&format!("{} {seconds}", peak.saturating_sub(before)));
    Ok(())
}

const SILENT: &str = "the system does not tell the memory of a process";

fn resident() -> Result<u64> {
    resident_kib().context(SILENT)
}
