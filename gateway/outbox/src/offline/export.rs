//! A store as lines of JSON, in the order of its keys, one at a time: what has a state and what repeats are recognised
//! by. The last line counts the others, so that a file that was cut off is noticed.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use serde::Serialize;

use super::{OfflineFault, present};
use crate::format;
use crate::lock::DataLock;
use crate::open::OpenFault;
use crate::store::{Line, lines, look_at, said};

/// What was written out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// Documents.
    pub documents: u64,
    /// Deliveries, each with its history.
    pub deliveries: u64,
    /// Idempotency keys.
    pub idempotency_keys: u64,
    /// Business states.
    pub standings: u64,
    /// Events that are not sent.
    pub events: u64,
}

impl Exported {
    fn count(&mut self, line: &Line) {
        let count = match line {
            Line::Document { .. } => &mut self.documents,
            Line::Delivery { .. } => &mut self.deliveries,
            Line::Idempotency { .. } => &mut self.idempotency_keys,
            Line::Standing { .. } => &mut self.standings,
            Line::Event { .. } => &mut self.events,
        };
        *count += 1;
    }
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum End {
    End(Exported),
}

/// Writes out the store of a gateway that is stopped. Memory does not grow with it. No content changes.
///
/// # Errors
/// There is no store; it is damaged, at the first value that is; `out` takes no more.
pub fn export(_lock: &DataLock, data_dir: &Path, out: &mut dyn Write) -> Result<Exported, OfflineFault> {
    format::look(data_dir).map_err(OpenFault::from)?;
    let folder = present(data_dir);
    let work = || {
        let Some(backend) = look_at(&folder)? else { return Err(OfflineFault::NoStore(folder.clone())) };
        let mut exported = Exported::default();
        lines(&*backend, &mut |line| {
            exported.count(&line);
            write(out, &line)
        })?;
        write(out, &End::End(exported)).and_then(|()| out.flush()).map_err(super::at(Path::new("export")))?;
        Ok(exported)
    };
    let panicked = |panic: Box<dyn std::any::Any + Send>| {
        Err(OfflineFault::Damaged(format!("the engine panicked: {}", said(&*panic))))
    };
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(panicked)
}

fn write(out: &mut dyn Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
