//! `lienthong serve`: the parts of one gateway put together, started in order and stopped in the other order.

mod agencies;
mod broker;
mod cluster;
mod descriptors;
mod files;
mod parts;
mod reload;
pub mod settings;
mod signals;
mod tls;
mod ways;

pub(crate) use self::ways::axis as axis_endpoint;
mod written;

use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use lienthong_config::Settings;
use lienthong_outbox::{DataLock, OutboxOptions};
use lienthong_pipeline::clock::SystemClock;
use lienthong_pipeline::ports::Ports;
use lienthong_pipeline::tasks::{TaskFailure, Tasks};

use crate::cli::CommandFault;
use crate::http::listener::GRACE;
use parts::Running;
pub(crate) use parts::engine;
use settings::Loaded;
pub(crate) use signals::Stop;

/// Threads for requests and deliveries; hashing and files have the blocking pool besides.
const WORKERS_MIN: usize = 2;
/// How long all parts have to end: the requests under way, and 10 s more for what they promised.
const STOP_WITHIN: Duration = GRACE.saturating_add(Duration::from_secs(10));
/// Exit code of a gateway that was told twice to stop.
const STOPPED_AT_ONCE: i32 = 1;

/// Makes ring the one TLS provider of this process. May be called again.
pub fn install_crypto() {
    // An error means that it is installed already.
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// Runs the gateway until it is told to stop.
pub fn run(config: &Path) -> Result<ExitCode, CommandFault> {
    let loaded = settings::load_all(config).map_err(|faults| {
        CommandFault(format!("cấu hình có lỗi (settings have faults):\n{}", faults.join("\n")))
    })?;
    let level = tracing::Level::from_str(loaded.settings.log.level.as_str());
    let level = level.map_err(|cause| CommandFault::at("log.level", cause))?;
    lienthong_monitoring::logs::install(log_format(&loaded.settings), level)
        .map_err(|cause| CommandFault::at("log", cause))?;
    install_crypto();
    descriptors::raise();
    let workers = std::thread::available_parallelism().map_or(WORKERS_MIN, |n| n.get().max(WORKERS_MIN));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    let runtime = runtime.map_err(|cause| CommandFault::at("runtime", cause))?;
    let outcome = runtime.block_on(serve(loaded));
    // Whatever did not end in its time must not hold up the process.
    runtime.shutdown_background();
    outcome
}

fn log_format(settings: &Settings) -> lienthong_monitoring::logs::LogFormat {
    match settings.log.format {
        lienthong_config::LogFormat::Json => lienthong_monitoring::logs::LogFormat::Json,
        lienthong_config::LogFormat::Text => lienthong_monitoring::logs::LogFormat::Text,
    }
}

/// Lock and ports of a gateway that is stopped, for commands that read its data folder.
pub fn offline(settings: &Settings) -> Result<(DataLock, Ports), CommandFault> {
    let data = &settings.gateway.data_dir;
    let at_data = |cause: &dyn std::fmt::Display| CommandFault::at(data.display(), cause);
    let lock = DataLock::acquire(data).map_err(|cause| at_data(&cause))?;
    let OutboxOptions { keeper, clock, keep_documents, .. } = parts::outbox_options(settings);
    let opened = lienthong_outbox::open_keeping(data, keeper, &clock, Some(keep_documents));
    let (store, spool, _) = opened.map_err(|cause| at_data(&cause))?;
    let broker = Arc::new(parts::NoBroker);
    Ok((lock, Ports { clock: Arc::new(SystemClock), spool: Arc::new(spool), store: Arc::new(store), broker }))
}

async fn serve(loaded: Loaded) -> Result<ExitCode, CommandFault> {
    let mut stop = Stop::listen()?;
    let tasks = Tasks::new();
    let (running, stopping) = {
        let start = parts::start(loaded, &tasks);
        tokio::pin!(start);
        tokio::select! {
            started = start.as_mut() => (started?, false),
            // What is half open is opened to its end, and then closed in order.
            () = stop.asked() => (or_at_once(start, &mut stop).await?, true),
        }
    };
    tracing::info!(
        listen = %running.public_address, admin = %running.admin_address,
        version = env!("CARGO_PKG_VERSION"), "ready",
    );
    let failed = tokio::select! {
        () = async { if !stopping { stop.asked().await } } => false,
        () = tasks.failed() => true,
    };
    tracing::info!("stopping");
    tasks.stop();
    let ended = or_at_once(end(running, &tasks), &mut stop).await;
    if failed || !ended.is_empty() {
        return Err(CommandFault(
            "một phần của trục bị lỗi, xem nhật ký (a part failed; see the log)".to_owned(),
        ));
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Every task ends, then the parts are closed; failures of tasks.
async fn end(running: Running, tasks: &Tasks) -> Vec<TaskFailure> {
    let ended = tokio::time::timeout(STOP_WITHIN, tasks.join()).await.unwrap_or_else(|_| {
        tracing::error!("some tasks did not end in time and were cut");
        vec![TaskFailure { name: "stop".to_owned(), cause: "it took too long".to_owned() }]
    });
    running.finish().await;
    ended
}

/// Does this, unless somebody asks again to stop: then the process ends here, without closing anything. That is safe
/// like a loss of power is: what was promised is on disk, and a broker of our own dies with us (prctl(2),
/// PR_SET_PDEATHSIG).
async fn or_at_once<T>(work: impl Future<Output = T>, stop: &mut Stop) -> T {
    tokio::select! {
        done = work => done,
        () = stop.asked() => {
            tracing::warn!("asked again: stopping at once");
            std::process::exit(STOPPED_AT_ONCE)
        }
    }
}
