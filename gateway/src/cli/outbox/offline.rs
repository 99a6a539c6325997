//! `lienthong outbox export | migrate | rebuild`: what is done with the store while no gateway runs. Exit codes: 0 done,
//! 1 refused (no store, a damaged one, something had to be left out), 3 usage or I/O.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use clap::builder::PossibleValuesParser;
use lienthong_config::Settings;
use lienthong_outbox::{DataLock, Engine, Exported, OfflineFault};
use lienthong_pipeline::clock::SystemClock;
use serde_json::json;

use crate::cli::reach::EXIT_REFUSED;
use crate::cli::tables::{facts, json};
use crate::cli::{CommandFault, complain};

/// A gateway that is stopped.
#[derive(Args)]
struct Stopped {
    /// Tệp cấu hình của trục / Settings file of the gateway
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
}

impl Stopped {
    fn open(&self) -> Result<(Settings, DataLock), CommandFault> {
        let settings = crate::serve::settings::load(&self.config)?;
        let lock = DataLock::acquire(&settings.gateway.data_dir)
            .map_err(|cause| CommandFault::at(settings.gateway.data_dir.display(), cause))?;
        Ok((settings, lock))
    }
}

#[derive(Args)]
pub(in crate::cli) struct Export {
    #[command(flatten)]
    at: Stopped,
    /// Tệp mới để ghi; không khai: ra stdout / A new file to write; stdout without it
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Kết quả dạng JSON; ra stdout thì luôn là JSON / Result as JSON, as stdout always is
    #[arg(long)]
    json: bool,
}

impl Export {
    pub(super) fn run(&self) -> Result<ExitCode, CommandFault> {
        let (settings, lock) = self.at.open()?;
        let data = &settings.gateway.data_dir;
        let Some(to) = &self.to else {
            let exported = lienthong_outbox::export(&lock, data, &mut BufWriter::new(io::stdout().lock()));
            return match exported {
                // A reader that went away has what it wanted.
                Err(OfflineFault::Io { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
                    Ok(ExitCode::SUCCESS)
                }
                exported => exported.map(|_| ExitCode::SUCCESS).or_else(refused),
            };
        };
        match into_file(&lock, data, to) {
            Ok(exported) => self.shown(&exported),
            Err(fault) => refused(fault),
        }
    }

    fn shown(&self, exported: &Exported) -> Result<ExitCode, CommandFault> {
        if self.json {
            json(exported)?;
        } else {
            facts([
                ("Văn bản (documents)", exported.documents.to_string()),
                ("Bản chuyển (deliveries)", exported.deliveries.to_string()),
                ("Khóa chống gửi lặp (idempotency keys)", exported.idempotency_keys.to_string()),
                ("Trạng thái nghiệp vụ (business states)", exported.standings.to_string()),
                ("Sự kiện chưa gửi (events not sent)", exported.events.to_string()),
            ]);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Only this user may read it, and it is there only when it is whole and on disk.
fn into_file(lock: &DataLock, data: &Path, to: &Path) -> Result<Exported, OfflineFault> {
    let at = |source| OfflineFault::Io { path: to.to_owned(), source };
    let mut options = File::options();
    let file = options.write(true).create_new(true).mode(0o600).open(to).map_err(at)?;
    let mut out = BufWriter::new(file);
    let exported = lienthong_outbox::export(lock, data, &mut out).and_then(|exported| {
        out.flush().and_then(|()| out.get_ref().sync_all()).map_err(at)?;
        Ok(exported)
    });
    if exported.is_err() {
        // What is said is why it failed; half a file helps nobody.
        drop(std::fs::remove_file(to));
    }
    exported
}

#[derive(Args)]
pub(in crate::cli) struct Migrate {
    #[command(flatten)]
    at: Stopped,
    /// Cách lưu mới / The engine to move to
    #[arg(long, value_name = "ENGINE", value_parser = PossibleValuesParser::new(Engine::ALL.map(Engine::as_str)))]
    engine: String,
    /// Kết quả dạng JSON / Result as JSON
    #[arg(long)]
    json: bool,
}

impl Migrate {
    pub(super) fn run(&self) -> Result<ExitCode, CommandFault> {
        let engine = Engine::named(&self.engine).ok_or_else(|| CommandFault::at("--engine", &self.engine))?;
        let (settings, lock) = self.at.open()?;
        let moved = match lienthong_outbox::migrate(&lock, &settings.gateway.data_dir, engine) {
            Ok(moved) => moved,
            Err(fault) => return refused(fault),
        };
        if self.json {
            json(&moved)?;
            return Ok(ExitCode::SUCCESS);
        }
        let result = match &moved.kept_at {
            None => format!("đã là {} từ trước (it was {} already)", moved.to, moved.to),
            Some(_) => format!("{} → {}", moved.from, moved.to),
        };
        facts([
            ("Kết quả (result)", result),
            (
                "Khóa đã chép và đọc lại (keys copied and read back)",
                format!("{}  {} byte", moved.entries, moved.bytes),
            ),
            ("Bản cũ, xóa được (the old one, may be removed)", shown(moved.kept_at.as_deref())),
            (
                "Phải ghi vào cấu hình (must be in the settings)",
                format!("[outbox] engine = \"{}\"", moved.to),
            ),
        ]);
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Args)]
pub(in crate::cli) struct Rebuild {
    #[command(flatten)]
    at: Stopped,
    /// Kết quả dạng JSON / Result as JSON
    #[arg(long)]
    json: bool,
}

impl Rebuild {
    pub(super) fn run(&self) -> Result<ExitCode, CommandFault> {
        let (settings, lock) = self.at.open()?;
        let engine = crate::serve::engine(&settings);
        let data = &settings.gateway.data_dir;
        let rebuilt = lienthong_outbox::rebuild(&lock, data, engine, Arc::new(SystemClock))
            .map_err(|cause| CommandFault::at(data.display(), cause))?;
        if self.json {
            json(&json!({
                "documents": rebuilt.documents,
                "unsettled": rebuilt.unsettled,
                "damaged": rebuilt.damaged,
                "kept_at": rebuilt.moved_to,
            }))?;
        } else {
            facts([
                ("Văn bản (documents)", rebuilt.documents.to_string()),
                ("Bản chuyển còn phải đi (deliveries that go on)", rebuilt.unsettled.to_string()),
                ("Tệp và dòng hỏng, bỏ qua (damaged, left out)", rebuilt.damaged.to_string()),
                ("Bản cũ (the old one)", shown(rebuilt.moved_to.as_deref())),
            ]);
        }
        Ok(if rebuilt.damaged == 0 { ExitCode::SUCCESS } else { ExitCode::from(EXIT_REFUSED) })
    }
}

fn shown(path: Option<&Path>) -> String {
    path.map_or_else(String::new, |path| path.display().to_string())
}

/// What cannot be done with this store is refused; what the disk or the settings do not let is an error.
fn refused(fault: OfflineFault) -> Result<ExitCode, CommandFault> {
    match fault {
        OfflineFault::NoStore(_) | OfflineFault::Damaged(_) => {
            complain(&fault.to_string());
            Ok(ExitCode::from(EXIT_REFUSED))
        }
        OfflineFault::Open(_) | OfflineFault::Io { .. } | OfflineFault::Unequal => {
            Err(CommandFault(fault.to_string()))
        }
    }
}
