//! `lienthong serve`: the parts of one gateway put together, started in order and stopped in the other order.

mod broker;
mod parts;
pub mod reload;
pub mod settings;
mod signals;
mod tls;

use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

use lienthong_config::Settings;
use lienthong_outbox::DataLock;
use lienthong_pipeline::clock::SystemClock;
use lienthong_pipeline::ports::Ports;
use lienthong_pipeline::tasks::Tasks;

use crate::cli::CommandFault;
use settings::Loaded;

/// Threads for requests and deliveries; hashing and files have the blocking pool besides.
const WORKERS_MIN: usize = 2;

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
    let workers = std::thread::available_parallelism().map_or(WORKERS_MIN, |n| n.get().max(WORKERS_MIN));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    let runtime = runtime.map_err(|cause| CommandFault::at("runtime", cause))?;
    runtime.block_on(serve(loaded))
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
    let (store, spool, _) =
        lienthong_outbox::open_or_rebuild(data, Arc::new(SystemClock)).map_err(|cause| at_data(&cause))?;
    let broker = Arc::new(parts::NoBroker);
    Ok((lock, Ports { clock: Arc::new(SystemClock), spool: Arc::new(spool), store: Arc::new(store), broker }))
}

async fn serve(loaded: Loaded) -> Result<ExitCode, CommandFault> {
    let tasks = Tasks::new();
    let running = parts::start(loaded, &tasks).await?;
    tracing::info!(
        listen = %running.public_address, admin = %running.admin_address,
        version = env!("CARGO_PKG_VERSION"), "ready",
    );
    let failed = tokio::select! {
        () = signals::asked_to_stop() => false,
        () = tasks.failed() => true,
    };
    tracing::info!("stopping");
    tasks.stop();
    let ended = tokio::select! {
        failures = tasks.join() => failures,
        () = signals::asked_to_stop() => {
            tracing::warn!("asked again: stopping at once");
            Vec::new()
        }
    };
    running.finish().await;
    if failed || !ended.is_empty() {
        return Err(CommandFault(
            "một phần của trục bị lỗi, xem nhật ký (a part failed; see the log)".to_owned(),
        ));
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}
