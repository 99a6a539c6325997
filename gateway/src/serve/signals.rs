//! SIGTERM, SIGINT and SIGHUP: listened to from the start of the process to its end, so that none falls between two
//! listeners.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::CommandFault;

/// SIGTERM and SIGINT: stop.
pub(crate) struct Stop {
    term: Signal,
    interrupt: Signal,
}

impl Stop {
    /// Listens from now on; one that comes while nobody waits is kept.
    pub(crate) fn listen() -> Result<Self, CommandFault> {
        Ok(Self { term: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Resolves at the next one.
    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// SIGHUP: read the directory again.
pub(super) struct Hangup(Signal);

impl Hangup {
    /// Listens from now on.
    pub(super) fn listen() -> Result<Self, CommandFault> {
        listen(SignalKind::hangup()).map(Self)
    }

    /// Resolves at the next one.
    pub(super) async fn asked(&mut self) {
        self.0.recv().await;
    }
}

fn listen(kind: SignalKind) -> Result<Signal, CommandFault> {
    signal(kind).map_err(|cause| CommandFault::at("signals", cause))
}
