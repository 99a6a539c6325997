//! The broker of one gateway: its own, supervised below the data folder, or one that the settings name.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lienthong_broker::{
    Auth, BrokerOptions, GuardProgram, ManagedOptions, ManagedServer, NatsBroker, ServerAddress, StoreKey,
};
use lienthong_config::{BrokerLogin, BrokerServer, Settings};
use lienthong_monitoring::Metrics;
use lienthong_pipeline::ports::{Broker, Fault, SharedRolls};
use lienthong_pipeline::record::OwnNode;
use lienthong_pipeline::tasks::Tasks;

use crate::cli::CommandFault;

/// What is published stays in the streams this long after the last moment it could be delivered (design.md B7).
const AGE_AFTER_GIVE_UP: Duration = Duration::from_secs(30 * 24 * 3600);

/// The use of the key that is derived from the master key for the broker's store. Another text would be another key.
const STORE_PURPOSE: &str = "jetstream store v1";

/// A broker that runs, and the process behind it when it is ours.
pub(super) struct RunningBroker {
    pub(super) broker: Arc<dyn Broker>,
    pub(super) connection: NatsBroker,
    managed: Option<Arc<ManagedServer>>,
}

impl RunningBroker {
    /// The rolls of the directory that it keeps, where gateways are several.
    pub(super) fn shared_rolls(&self) -> Option<Arc<dyn SharedRolls>> {
        self.connection.rolls().map(|rolls| Arc::new(rolls) as Arc<dyn SharedRolls>)
    }

    /// Ends the connection, and then the process, if it is ours.
    pub(super) async fn stop(&self) {
        self.connection.close().await;
        if let Some(managed) = &self.managed {
            managed.stop().await;
        }
    }
}

/// Starts or reaches the broker. It need not answer yet: what is accepted waits in the outbox.
pub(super) async fn start(
    settings: &Settings,
    node: Option<OwnNode>,
    metrics: &Arc<Metrics>,
    tasks: &Tasks,
) -> Result<RunningBroker, CommandFault> {
    let (address, managed, store_bytes_max) = match &settings.broker.server {
        BrokerServer::Managed { nats_server } => {
            let managed = Arc::new(supervise(settings, nats_server.clone()).await?);
            tasks.spawn("broker watch", count_restarts(managed.clone(), metrics.clone(), tasks.clone()));
            (managed.address(), Some(managed), Some(settings.broker.max_store.bytes()))
        }
        BrokerServer::External { url, login, ca, inbox_prefix } => {
            let urls: Vec<String> = url.split(',').map(|url| url.trim().to_owned()).collect();
            let tls = urls.iter().any(|url| url.starts_with("tls://"));
            let inbox_prefix = inbox_prefix.clone();
            (ServerAddress { urls, auth: auth(login), tls, ca: ca.clone(), inbox_prefix }, None, None)
        }
    };
    let options = BrokerOptions {
        address,
        name: format!("lienthong {}", settings.gateway.organ_id),
        node,
        replicas: settings.broker.replicas,
        max_age: settings.give_up_after_longest() + AGE_AFTER_GIVE_UP,
        blob_bytes_max: lienthong_broker::BLOB_BYTES_MAX,
        store_bytes_max,
        ack_wait: lienthong_broker::ACK_WAIT,
        lease_ttl: lienthong_pipeline::ports::LEASE_TTL,
        metrics: metrics.clone(),
    };
    let connection = NatsBroker::connect(&options).await.map_err(|fault| CommandFault(fault.to_string()))?;
    if let Some(withheld) = managed.as_ref().and_then(|managed| managed.withheld()) {
        tracing::error!(%withheld, "no broker is started; what comes in waits in the outbox");
        connection.withhold(withheld);
    }
    Ok(RunningBroker { broker: Arc::new(connection.clone()), connection, managed })
}

async fn supervise(settings: &Settings, program: Option<PathBuf>) -> Result<ManagedServer, CommandFault> {
    let own = std::env::current_exe().map_err(|cause| CommandFault::at("own program", cause))?;
    let options = ManagedOptions {
        data_dir: settings.gateway.data_dir.clone(),
        binary: program.unwrap_or_else(lienthong_broker::program_on_path),
        guard: GuardProgram { program: own, first_args: vec!["broker-guard".to_owned()] },
        max_store_bytes: settings.broker.max_store.bytes(),
        store_key: store_key(settings)?,
    };
    let started = tokio::task::spawn_blocking(move || ManagedServer::start(options)).await;
    started
        .map_err(|panic| CommandFault::at("broker", panic))?
        .map_err(|fault| CommandFault(fault.to_string()))
}

/// What the store of our own broker is encrypted with, where there is a master key.
fn store_key(settings: &Settings) -> Result<Option<StoreKey>, CommandFault> {
    let Some(master) = &settings.gateway.master_key else { return Ok(None) };
    let derived = master.derive(STORE_PURPOSE).map_err(|cause| CommandFault::at("master key", cause))?;
    Ok(Some(StoreKey::new(derived.expose())))
}

fn auth(login: &BrokerLogin) -> Auth {
    match login {
        BrokerLogin::None => Auth::None,
        BrokerLogin::Password { user, password } => {
            Auth::UserPassword { user: user.clone(), password: password.expose().to_owned() }
        }
        BrokerLogin::Token(token) => Auth::Token(token.expose().to_owned()),
        BrokerLogin::Nkey(seed) => Auth::Nkey(seed.expose().to_owned()),
        BrokerLogin::Credentials(file) => Auth::CredsFile(file.clone()),
    }
}

async fn count_restarts(
    managed: Arc<ManagedServer>,
    metrics: Arc<Metrics>,
    tasks: Tasks,
) -> Result<(), Fault> {
    let mut status = managed.watch();
    let mut counted = 0;
    loop {
        tokio::select! {
            changed = status.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                let restarts = status.borrow_and_update().restarts;
                metrics.broker_restarts.add(restarts.saturating_sub(counted));
                counted = restarts;
            }
            () = tasks.stopped() => return Ok(()),
        }
    }
}
