//! What stands beside the directory file, opened and kept up: see `rolls`.

use std::path::Path;
use std::sync::Arc;

use lienthong_monitoring::Metrics;
use lienthong_pipeline::axis_lists::AxisLists;
use lienthong_pipeline::ports::Ports;
use lienthong_pipeline::tasks::Tasks;

use super::settings::Loaded;
use super::ways::Ways;
use crate::cli::CommandFault;
use crate::rolls::Rolls;
use crate::rolls::sync::Sync;

/// The directory file with what stands beside it.
pub(super) async fn open(
    data: &Path,
    loaded: &Loaded,
    ports: &Ports,
    metrics: &Arc<Metrics>,
) -> Result<Arc<Rolls>, CommandFault> {
    let (folder, own, file) = (data.to_owned(), loaded.own.clone(), loaded.directory.clone());
    let (clock, metrics) = (ports.clock.clone(), metrics.clone());
    let opened = tokio::task::spawn_blocking(move || Rolls::open(&folder, own, &file, clock, metrics)).await;
    let opened = opened.map_err(|panic| CommandFault::at(data.display(), panic))?;
    opened.map(Arc::new).map_err(|cause| CommandFault(cause.to_string()))
}

/// Asks axes who is registered there.
pub(super) fn start_sync(
    ports: &Ports,
    ways: &Ways,
    rolls: &Arc<Rolls>,
    lists: &Arc<AxisLists>,
    metrics: &Arc<Metrics>,
    tasks: &Tasks,
) {
    let sync = Sync {
        register: ways.register(),
        rolls: rolls.clone(),
        lists: lists.clone(),
        policies: ways.syncs(),
        clock: ports.clock.clone(),
        metrics: metrics.clone(),
    };
    tasks.spawn("agencies", sync.run(tasks.clone()));
}
