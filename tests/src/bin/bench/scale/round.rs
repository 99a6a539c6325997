//! One gateway with its broker and its agencies, and its turns.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use measure::process::cpu_of;

use crate::delivery::giant::kib;
use crate::delivery::ground::{Ground, PATIENCE, receiver};
use crate::delivery::letters::{letter, submit_all};

/// Of one document.
pub(super) const BYTES: u64 = 10_000;
pub(super) const CALLERS: usize = 16;

/// Milliseconds a document, of one turn.
pub(super) struct Cost {
    pub(super) gateway: f64,
    pub(super) broker: f64,
    pub(super) wall: f64,
}

/// See the module.
pub(super) struct Stand {
    ground: Ground,
    agencies: usize,
    /// Whose turn it is.
    next: usize,
    /// Resident memory when it was ready, in KiB, and what the broker stored then.
    fresh: (u64, u64),
    pub(super) costs: Vec<Cost>,
}

impl Stand {
    pub(super) async fn open(program: &Path, folder: &Path, agencies: usize) -> Result<Self> {
        let ground = Ground::open(program, folder, agencies, 0).await?;
        let fresh = (kib(ground.pid()?, "VmRSS:")?, ground.bare.stored().await?);
        Ok(Self { ground, agencies, next: 0, fresh, costs: Vec::new() })
    }

    /// So many documents, from the first submission until nothing is pending.
    pub(super) async fn turn(&mut self, documents: usize, counts: bool) -> Result<()> {
        let to = |n: usize| [receiver((self.next + n) % self.agencies)];
        let packets = (0..documents).map(|n| letter(&to(n), BYTES, false)).collect::<Result<Vec<Bytes>>>()?;
        self.next += documents;
        self.ground.settled().await?;
        self.ground.sink.forget();
        let (before, begun) = (self.cpu()?, Instant::now());
        submit_all(&self.ground.world.public, &self.ground.token, CALLERS, packets).await?;
        self.ground.sink.wait_for(documents as u64, PATIENCE).await?;
        let wall = begun.elapsed();
        self.ground.settled().await?;
        let after = self.cpu()?;
        let of_one = |all: Duration| all.as_secs_f64() * 1e3 / documents as f64;
        if counts {
            let (gateway, broker) = (of_one(after.0 - before.0), of_one(after.1 - before.1));
            self.costs.push(Cost { gateway, broker, wall: of_one(wall) });
        }
        Ok(())
    }

    /// Stops it. What its size took besides, in words.
    pub(super) async fn close(self) -> Result<String> {
        let pid = self.ground.pid()?;
        let (now, peak) = (kib(pid, "VmRSS:")?, kib(pid, "VmHWM:")?);
        let stored = (self.ground.bare.stored().await? - self.fresh.1) / self.next.max(1) as u64;
        let begun = Instant::now();
        let metrics = self.ground.world.metrics().await?.len();
        let scrape = begun.elapsed();
        let ready = self.ground.ready_in;
        self.ground.close().await?;
        let mb = |kib: u64| kib as f64 * 1024.0 / 1e6;
        Ok(format!(
            "{:>6} agencies: ready in {:.2} s; gateway {:.0} MB when ready, {:.0} MB at the end, peak {:.0} MB; broker \
             stores {stored} bytes a document; /metrics {metrics} bytes in {:.1} ms",
            self.agencies,
            ready.as_secs_f64(),
            mb(self.fresh.0),
            mb(now),
            mb(peak),
            scrape.as_secs_f64() * 1e3,
        ))
    }

    /// CPU time of gateway and broker so far.
    fn cpu(&self) -> Result<(Duration, Duration)> {
        let of = |pid| cpu_of(pid).context("a process has ended");
        Ok((of(self.ground.pid()?)?, of(self.ground.broker_pid()?)?))
    }
}
