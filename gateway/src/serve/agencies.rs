//! What stands beside the directory file, opened and kept up: see `rolls`.

use std::path::Path;
use std::sync::Arc;

use lienthong_monitoring::Metrics;
use lienthong_pipeline::axis_lists::AxisLists;
use lienthong_pipeline::partitions::Partitions;
use lienthong_pipeline::ports::{Ports, SharedRolls};
use lienthong_pipeline::tasks::Tasks;
use tokio::runtime::Handle;

use super::settings::Loaded;
use super::ways::Ways;
use crate::cli::CommandFault;
use crate::rolls::Rolls;
use crate::rolls::share::Follow;
use crate::rolls::sync::Sync;

/// The directory file with what stands beside it, shared with other gateways where there are some.
pub(super) async fn open(
    data: &Path,
    loaded: &Loaded,
    ports: &Ports,
    shared: Option<Arc<dyn SharedRolls>>,
    metrics: &Arc<Metrics>,
) -> Result<Arc<Rolls>, CommandFault> {
    let (folder, own, file) = (data.to_owned(), loaded.own.clone(), loaded.directory.clone());
    let (clock, metrics) = (ports.clock.clone(), metrics.clone());
    let opened = tokio::task::spawn_blocking(move || Rolls::open(&folder, own, &file, clock, metrics)).await;
    let opened = opened.map_err(|panic| CommandFault::at(data.display(), panic))?;
    let rolls = opened.map_err(|cause| CommandFault(cause.to_string()))?;
    let rolls = match shared {
        Some(shared) => rolls.among(shared, Handle::current()),
        None => rolls,
    };
    Ok(Arc::new(rolls))
}

/// Takes over what other gateways write, where there are some.
pub(super) fn start_following(
    ports: &Ports,
    rolls: &Arc<Rolls>,
    shared: Option<Arc<dyn SharedRolls>>,
    lists: &Arc<AxisLists>,
    tasks: &Tasks,
) {
    if let Some(shared) = shared {
        let (rolls, lists, clock) = (rolls.clone(), lists.clone(), ports.clock.clone());
        let follow = Follow { rolls, shared, lists, clock };
        tasks.spawn("shared rolls", follow.run(tasks.clone()));
    }
}

/// Asks axes who is registered there.
pub(super) fn start_sync(
    ports: &Ports,
    ways: &Ways,
    rolls: &Arc<Rolls>,
    lists: &Arc<AxisLists>,
    partitions: &Arc<Partitions>,
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
        partitions: partitions.clone(),
    };
    tasks.spawn("agencies", sync.run(tasks.clone()));
}
