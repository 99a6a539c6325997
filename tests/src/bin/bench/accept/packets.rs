//! Packets of one size, all different, signed before any clock starts.

use std::io::{BufRead, Cursor};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use bytes::Bytes;
use lienthong::demo::world::{AGENCIES, World, scan};
use lienthong_schemas::edxml::{DocumentBuilder, HEADER_PATH};
use xml_sig::{Limits, ReadOptions, SoftwareKey};

/// Length of a packet, to a few bytes (base64 grows by four).
pub(crate) const PACKET_BYTES: u64 = 10_000;

/// Makes packets of one sender.
pub(super) struct Press {
    key: SoftwareKey,
    attachment_bytes: u64,
    made: AtomicUsize,
}

impl Press {
    /// For the first agency of a world.
    pub(super) fn new(world: &World) -> Result<Self> {
        let identity = world.identity(0);
        let (key, certificate) = (std::fs::read(&identity.key)?, std::fs::read(&identity.certificate)?);
        let key = SoftwareKey::from_pem(&key, &certificate)?;
        let mut press = Self { key, attachment_bytes: 1, made: AtomicUsize::new(0) };
        let rest = (press.packet()?.len() as u64).saturating_sub(4);
        press.attachment_bytes = PACKET_BYTES.saturating_sub(rest) / 4 * 3;
        Ok(press)
    }

    /// This many packets, made by as many threads as there are cores.
    pub(super) fn packets(&self, count: usize) -> Result<Vec<Bytes>> {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let shares = (0..threads).map(|at| count * (at + 1) / threads - count * at / threads);
        let make = |share: usize| (0..share).map(|_| self.packet()).collect::<Result<Vec<Bytes>>>();
        let make = &make;
        let parts: Result<Vec<Vec<Bytes>>> = std::thread::scope(|scope| {
            let running: Vec<_> = shares.map(|share| scope.spawn(move || make(share))).collect();
            let ended = running.into_iter().map(|thread| thread.join().ok().context("signing panicked")?);
            ended.collect()
        });
        Ok(parts?.concat())
    }

    fn packet(&self) -> Result<Bytes> {
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        let (from, to) = (AGENCIES[0].code, AGENCIES[1].code);
        let notation = "UBND-DO";
        let unsigned = DocumentBuilder::new(from, &[to])
            .code(&number.to_string(), notation)
            .document_id(&format!("{from},2026/01/02,{number:08}/{notation}"))
            .attach("ban-quet.pdf", "application/pdf", scan(self.attachment_bytes, number as u64))
            .to_bytes()?;
        let mut open = || Ok(Box::new(Cursor::new(unsigned.clone())) as Box<dyn BufRead>);
        let limits = Limits::default();
        let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
        let mut signed = Vec::with_capacity(PACKET_BYTES as usize + 4);
        xml_sig::sign(&mut open, HEADER_PATH, &self.key, &options, &mut signed)?;
        Ok(signed.into())
    }
}
