//! The parts of a running gateway: opened, joined and started in order. Nothing is decided here.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use futures_util::stream::BoxStream;
use lienthong_config::{ListenSecurity, OutboxEngine, Settings, SpoolSettings};
use lienthong_monitoring::Metrics;
use lienthong_outbox::{
    DataLock, Engine, FileIndex, FileSpool, Keeper, Opened, Outbox, OutboxOptions, SpoolLimits,
};
use lienthong_pipeline::axis_lists::AxisLists;
use lienthong_pipeline::clock::SystemClock;
use lienthong_pipeline::directory::Directory;
use lienthong_pipeline::dispatch::Dispatch;
use lienthong_pipeline::examine::PacketLimits;
use lienthong_pipeline::intake::{Intake, IntakePolicy};
use lienthong_pipeline::late::Late;
use lienthong_pipeline::mailbox::{MailboxPolicy, Mailboxes};
use lienthong_pipeline::operate::Operate;
use lienthong_pipeline::partitions::Partitions;
use lienthong_pipeline::poll::{Outcome, Poll};
use lienthong_pipeline::ports::{
    Broker, DeliveryMessage, EventsAfter, EventsSpan, Fault, Incoming, IncomingWriter, Ports, Publication,
    Taken,
};
use lienthong_pipeline::record::{AdapterKind, BootId, Event, Lane, State, SystemId};
use lienthong_pipeline::relay::Relay;
use lienthong_pipeline::report::{MailNotice, Report, Reporter};
use lienthong_pipeline::takeover::Takeover;
use lienthong_pipeline::tasks::Tasks;
use lienthong_pipeline::tidings::Tidings;
use lienthong_pipeline::view::Anywhere;
use lienthong_pipeline::wakes::Wakes;
use lienthong_schemas::ids::PacketDigest;
use lienthong_schemas::rejections::RejectionCode;
use rand::Rng;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::agencies;
use super::broker::{self, RunningBroker};
use super::cluster::{self, Node};
use super::descriptors::{self, Share};
use super::reload::{Apply, Reload};
use super::settings::Loaded;
use super::signals::Hangup;
use super::tls;
use super::ways::Ways;
use crate::cli::CommandFault;
use crate::control;
use crate::control::agencies::Staged;
use crate::control::desk::{About, Desk, OutboxInUse};
use crate::control::operators::Operators;
use crate::http::admin::{self, Admin};
use crate::http::body::BodyLimits;
use crate::http::guests::Guests;
use crate::http::listener::{Door, WRITE_STALL_MAX};
use crate::http::public::{self, Public};
use crate::http::sdk::{self, Accounts, Sdk};
use crate::rolls::Rolls;

/// Packets read and verified at once: each keeps a core busy.
const EXAMINATIONS: usize = 4;
/// Connections to the operator's listener at once.
const ADMIN_CONNECTIONS_MAX: usize = 32;

/// A gateway that runs.
pub(super) struct Running {
    pub(super) public_address: SocketAddr,
    pub(super) admin_address: SocketAddr,
    ports: Ports,
    broker: RunningBroker,
    _lock: DataLock,
}

impl Running {
    /// After every task has ended: the store is closed, the broker of our own stops last.
    pub(super) async fn finish(self) {
        if let Err(fault) = self.ports.store.close().await {
            tracing::error!(%fault, "closing the outbox");
        }
        self.broker.stop().await;
    }
}

pub(super) async fn start(loaded: Loaded, tasks: &Tasks) -> Result<Running, CommandFault> {
    let settings = Arc::new(loaded.settings.clone());
    let data = settings.gateway.data_dir.clone();
    let metrics = Arc::new(metrics());
    let (lock, store, spool, opened) = open_data(&data, &settings, &metrics).await?;
    let outbox = OutboxInUse::new(store.clone());
    let node = cluster::identify(&settings, &opened)?;
    let partitions = Node::partitions(node.as_ref());
    let own = node.as_ref().map(|node| node.own.clone());
    let broker = broker::start(&settings, own, &metrics, tasks).await?;
    let (clock, broker_port) = (Arc::new(SystemClock), broker.broker.clone());
    let ports = Ports { clock, spool, store: store.clone(), broker: broker_port };

    let loaded = Arc::new(loaded);
    let shared_rolls = broker.shared_rolls();
    let rolls = agencies::open(&data, &loaded, &ports, shared_rolls.clone(), &metrics).await?;
    let directory = rolls.directory().clone();
    let wakes = Wakes::default();
    let boot = BootId::new(rand::rng().random());
    let (replaced, adopt) = match &node {
        None => (cluster::alone(&wakes), None),
        Some(node) => node.start(&ports, &broker.connection, &partitions, boot, &metrics, &wakes, tasks)?,
    };
    metrics.partitions_held.set(partitions.held() as u64);
    tasks.spawn("outbox", store.tend(replaced, tasks.clone()));
    let intake = intake(&loaded, &ports, &directory, &partitions, &metrics, &wakes);
    let ways = Arc::new(Ways::open(&settings).map_err(CommandFault)?);
    let lists = Arc::new(AxisLists::default());
    agencies::start_following(&ports, &rolls, shared_rolls, &lists, tasks);
    agencies::start_sync(&ports, &ways, &rolls, &lists, &partitions, &metrics, tasks);
    let sharing = (&partitions, boot);
    start_way_out(&loaded, &ports, &ways, &intake, (&directory, &lists), sharing, &metrics, &wakes, tasks);
    let operators = Arc::new(ArcSwap::from_pointee(Operators::new(&settings.operators)));
    let guests = Arc::new(ArcSwap::from_pointee(guests(&loaded, settings.listen.uploads_per_system)));
    let accounts = Arc::new(ArcSwap::from_pointee(Accounts::of(&settings)));
    let reload = Reload {
        loaded: loaded.clone(),
        rolls: rolls.clone(),
        apply: live(
            ways,
            operators.clone(),
            guests.clone(),
            accounts.clone(),
            settings.listen.uploads_per_system,
        ),
        clock: ports.clock.clone(),
        metrics: metrics.clone(),
        hangup: Hangup::listen()?,
    };
    tasks.spawn("reload", reload.run(tasks.clone()));

    let share =
        descriptors::share(descriptors::left(), settings.listen.connections_max, ADMIN_CONNECTIONS_MAX)?;
    let sdk_rolls = rolls.clone();
    let mailboxes = mailboxes(&settings, &ports, &metrics, &wakes, tasks);
    let staged = Staged { rolls, lists };
    let desk = desk(&settings, &ports, outbox, &directory, staged, &metrics, wakes);
    let anywhere = Arc::new(Anywhere::new(ports.clone(), partitions.clone()));
    let desk = Desk { mailboxes: Some(mailboxes.clone()), adopt, anywhere: Some(anywhere.clone()), ..desk };
    control::open(&data, desk, operators, tasks)
        .map_err(|cause| CommandFault::at(data.join(control::SOCKET).display(), cause))?;
    let public_address = open_public(
        &loaded,
        &ports,
        intake,
        directory,
        guests,
        (accounts, mailboxes, sdk_rolls),
        anywhere,
        &metrics,
        &share,
        tasks,
    )
    .await?;
    let admin_address = open_admin(&settings, &ports, &partitions, &metrics, &share, tasks).await?;
    Ok(Running { public_address, admin_address, ports, broker, _lock: lock })
}

/// What waits for systems that fetch; read from the stream as soon as one of them has a mailbox.
fn mailboxes(
    settings: &Settings,
    ports: &Ports,
    metrics: &Arc<Metrics>,
    wakes: &Wakes,
    tasks: &Tasks,
) -> Arc<Mailboxes> {
    let index = Arc::new(FileIndex::below(&settings.gateway.data_dir, engine(settings)));
    // A packet that is removed can be fetched no more.
    let keep_done = settings.retention.mailboxes.min(settings.retention.documents);
    let policy = MailboxPolicy { keep_done };
    let mailboxes = Arc::new(Mailboxes::new(ports.clone(), index, policy, metrics.clone(), wakes.clone()));
    tasks.spawn("mailboxes", mailboxes.clone().run(tasks.clone()));
    if settings.systems.values().any(|system| system.sdk.as_ref().is_some_and(|sdk| sdk.mailbox)) {
        mailboxes.begin();
    }
    mailboxes
}

/// The metrics, with every series that is known beforehand at 0, so that an alert never waits for a first event.
fn metrics() -> Metrics {
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
    metrics.refused.declare(RejectionCode::ALL.iter().map(|code| code.row().label));
    metrics.settled.declare(State::ALL.iter().map(|state| state.as_str()));
    metrics.delivered.declare(AdapterKind::ALL.iter().map(|adapter| adapter.as_str()));
    metrics.breaker_opened.declare(AdapterKind::ALL.iter().map(|adapter| adapter.as_str()));
    metrics.axis_packets.declare(Outcome::ALL.iter().map(|outcome| outcome.as_str()));
    metrics.retries.declare(AdapterKind::ALL.iter().map(|adapter| adapter.as_str()));
    metrics
}

/// The engine that the settings name.
pub(crate) fn engine(settings: &Settings) -> Engine {
    match settings.outbox.engine {
        OutboxEngine::Sled => Engine::Sled,
        OutboxEngine::Redb => Engine::Redb,
    }
}

/// How the settings want the store kept.
pub(super) fn outbox_options(settings: &Settings) -> OutboxOptions {
    OutboxOptions {
        keeper: Keeper { engine: engine(settings), cache_bytes: settings.outbox.cache },
        clock: Arc::new(SystemClock),
        rotate_every: settings.outbox.rotate_every,
        keep_documents: settings.retention.documents,
        keep_idempotency: settings.retention.idempotency,
    }
}

async fn open_data(
    data: &Path,
    settings: &Settings,
    metrics: &Arc<Metrics>,
) -> Result<(DataLock, Arc<Outbox>, Arc<FileSpool>, Opened), CommandFault> {
    let folder = data.to_owned();
    let SpoolSettings { quota, disk_free_min } = settings.spool;
    let limits = SpoolLimits { quota, disk_free_min };
    let options = outbox_options(settings);
    let metrics = metrics.clone();
    let open = move || {
        let at_data = |cause: &dyn std::fmt::Display| CommandFault::at(folder.display(), cause);
        let lock = DataLock::acquire(&folder).map_err(|cause| at_data(&cause))?;
        let (store, spool, opened) =
            Outbox::open(&folder, options, metrics).map_err(|cause| at_data(&cause))?;
        tracing::info!(?opened, "outbox open");
        Ok((lock, Arc::new(store), Arc::new(spool.with_limits(limits)), opened))
    };
    tokio::task::spawn_blocking(open).await.map_err(|panic| CommandFault::at(data.display(), panic))?
}

fn intake(
    loaded: &Loaded,
    ports: &Ports,
    directory: &Arc<ArcSwap<Directory>>,
    partitions: &Arc<Partitions>,
    metrics: &Arc<Metrics>,
    wakes: &Wakes,
) -> Arc<Intake> {
    let policy = IntakePolicy {
        own: loaded.own.clone(),
        limits: PacketLimits::default(),
        examinations: EXAMINATIONS,
        idempotency: loaded.settings.retention.idempotency,
        undelivered: loaded.settings.recall.undelivered,
        update_receivers: loaded.settings.route.update_receivers,
        receipt_after: loaded.settings.receipt.after,
    };
    let (directory, metrics) = (directory.clone(), metrics.clone());
    let intake = Intake::new(ports.clone(), policy, directory, metrics, wakes.clone());
    Arc::new(intake.among(partitions.clone()))
}

#[expect(clippy::too_many_arguments, reason = "the parts of one gateway are joined here and nowhere else")]
fn start_way_out(
    loaded: &Loaded,
    ports: &Ports,
    ways: &Ways,
    intake: &Arc<Intake>,
    (directory, lists): (&Arc<ArcSwap<Directory>>, &Arc<AxisLists>),
    (partitions, boot): (&Arc<Partitions>, BootId),
    metrics: &Arc<Metrics>,
    wakes: &Wakes,
    tasks: &Tasks,
) {
    let settings = &loaded.settings;
    let relay = Relay::new(ports.clone(), metrics.clone(), wakes.clone());
    let relay = relay.among(partitions.clone(), boot);
    tasks.spawn("relay", relay.run(tasks.clone()));
    for adapter in ways.adapters() {
        for lane in Lane::ALL {
            let takeover = Takeover::new(ports.clone(), metrics.clone(), adapter.kind(), lane, wakes.clone());
            tasks.spawn("takeover", takeover.among(partitions.clone()).run(tasks.clone()));
        }
        let policies = ways.policies(adapter.kind());
        let (ports, directory, metrics, wakes) =
            (ports.clone(), directory.clone(), metrics.clone(), wakes.clone());
        let dispatch = Dispatch::new(ports, directory, adapter, policies, metrics, wakes, boot);
        let dispatch = dispatch.with_lists(lists.clone()).among(partitions.clone());
        tasks.spawn("dispatch", dispatch.run(tasks.clone()));
    }
    let poll = Poll::new(ports.clone(), intake.clone(), ways.inbox(), ways.polls(), metrics.clone());
    tasks.spawn("poll", poll.among(partitions.clone()).run(tasks.clone()));
    let (inbox, polls) = (ways.inbox(), ways.polls());
    let tidings =
        Tidings::new(ports.clone(), inbox, directory.clone(), polls, metrics.clone(), wakes.clone());
    tasks.spawn("tidings", tidings.run(tasks.clone()));
    let late = Late::new(ports.clone(), metrics.clone(), settings.delivery.late_after);
    tasks.spawn("late", late.run(tasks.clone()));
    let reporter = Reporter {
        own: loaded.own.clone(),
        name: settings.gateway.name.clone(),
        given_up: settings.notify.given_up,
        mail: settings
            .notify
            .mail_system
            .as_deref()
            .and_then(SystemId::parse)
            .map(|system| MailNotice { system, notifier: ways.notifier() }),
    };
    let wakes = wakes.clone();
    let report =
        Report::new(ports.clone(), intake.clone(), directory.clone(), reporter, metrics.clone(), wakes);
    tasks.spawn("report", report.run(tasks.clone()));
}

/// What counts at once when the settings are read again; the adapters may refuse, so they come first.
fn live(
    ways: Arc<Ways>,
    operators: Arc<ArcSwap<Operators>>,
    known: Arc<ArcSwap<Guests>>,
    accounts: Arc<ArcSwap<Accounts>>,
    uploads: usize,
) -> Apply {
    Box::new(move |next| {
        ways.replace(&next.settings)?;
        let next_guests = guests(next, uploads).after(&known.load());
        known.store(Arc::new(next_guests));
        accounts.store(Arc::new(Accounts::of(&next.settings)));
        operators.store(Arc::new(Operators::new(&next.settings.operators)));
        Ok(())
    })
}

/// The connected systems, `uploads` places for each: their number is that of the start.
fn guests(loaded: &Loaded, uploads: usize) -> Guests {
    let settings = &loaded.settings;
    let systems = settings.systems.keys().filter_map(|id| SystemId::parse(id));
    Guests::new(systems, loaded.credentials.clone(), settings.support.hotline.clone(), uploads)
}

fn desk(
    settings: &Settings,
    ports: &Ports,
    outbox: OutboxInUse,
    directory: &Arc<ArcSwap<Directory>>,
    staged: Staged,
    metrics: &Arc<Metrics>,
    wakes: Wakes,
) -> Desk {
    let about = About {
        version: env!("CARGO_PKG_VERSION"),
        node: settings.gateway.organ_id.clone(),
        name: settings.gateway.name.clone(),
        started_at: Some(ports.clock.now()),
    };
    let operate = Operate::new(ports.clone(), wakes, metrics.clone()).knowing(directory.clone());
    let (ports, metrics, late_after) = (ports.clone(), metrics.clone(), settings.delivery.late_after);
    let (directory, outbox, staged) = (Some(directory.clone()), Some(outbox), Some(staged));
    Desk {
        ports,
        operate,
        directory,
        metrics,
        about,
        late_after,
        outbox,
        staged,
        mailboxes: None,
        adopt: None,
        anywhere: None,
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "the parts of the public door are joined here and nowhere else"
)]
async fn open_public(
    loaded: &Loaded,
    ports: &Ports,
    intake: Arc<Intake>,
    directory: Arc<ArcSwap<Directory>>,
    guests: Arc<ArcSwap<Guests>>,
    (accounts, mailboxes, rolls): (Arc<ArcSwap<Accounts>>, Arc<Mailboxes>, Arc<Rolls>),
    anywhere: Arc<Anywhere>,
    metrics: &Arc<Metrics>,
    share: &Share,
    tasks: &Tasks,
) -> Result<SocketAddr, CommandFault> {
    let settings = &loaded.settings;
    let listen = &settings.listen;
    let public = Public {
        ports: ports.clone(),
        anywhere,
        intake,
        directory,
        guests,
        uploads_in_all: Arc::new(Semaphore::new(share.uploads)),
        limits: BodyLimits {
            bytes_max: listen.body_max.bytes(),
            slowest_rate: listen.slowest_rate_bytes,
            window: listen.slowest_rate_window,
        },
        late_after: settings.delivery.late_after,
        metrics: metrics.clone(),
        tasks: tasks.clone(),
    };
    let (tls, networks) = match &listen.security {
        ListenSecurity::Tls { cert, key } => (Some(tls::acceptor(cert, key)?), Vec::new()),
        ListenSecurity::Loopback => (None, Vec::new()),
        ListenSecurity::InsecureHttp { networks } => (None, networks.clone()),
    };
    let listener = bind(listen.address).await?;
    let address = listener.local_addr().map_err(|cause| CommandFault::at(listen.address, cause))?;
    let (header_timeout, write_stall) = (listen.header_timeout, WRITE_STALL_MAX);
    let door = Door { listener, tls, networks, header_timeout, write_stall, connections_max: share.public };
    let public = Arc::new(public);
    let mut router = public::router(public.clone());
    if let Some(prefix) = &listen.sdk_prefix {
        let is_guarded = !matches!(listen.security, ListenSecurity::InsecureHttp { .. });
        let own = loaded.own.clone();
        let sdk = Sdk::new(public, accounts, own, mailboxes, rolls, is_guarded, prefix.clone());
        let data = &settings.gateway.data_dir;
        let sdk = sdk.remembering(data).map_err(|cause| CommandFault::at(data.display(), cause))?;
        let sdk = Arc::new(sdk);
        tasks.spawn("sdk sources", sdk.clone().keep_remembering(tasks.clone()));
        router = router.merge(sdk::router(sdk));
    }
    tasks.spawn("public listener", door.serve(router, tasks.clone()));
    Ok(address)
}

async fn open_admin(
    settings: &Settings,
    ports: &Ports,
    partitions: &Arc<Partitions>,
    metrics: &Arc<Metrics>,
    share: &Share,
    tasks: &Tasks,
) -> Result<SocketAddr, CommandFault> {
    let listener = bind(settings.admin_listen.address).await?;
    let address = listener.local_addr();
    let address = address.map_err(|cause| CommandFault::at(settings.admin_listen.address, cause))?;
    let door = Door {
        listener,
        tls: None,
        networks: Vec::new(),
        header_timeout: settings.listen.header_timeout,
        write_stall: WRITE_STALL_MAX,
        connections_max: share.admin,
    };
    let admin = Admin { ports: ports.clone(), partitions: partitions.clone(), metrics: metrics.clone() };
    tasks.spawn("admin listener", door.serve(admin::router(Arc::new(admin)), tasks.clone()));
    Ok(address)
}

async fn bind(address: SocketAddr) -> Result<TcpListener, CommandFault> {
    TcpListener::bind(address).await.map_err(|cause| CommandFault::at(address, cause))
}

/// The broker of commands that need none: every call fails.
pub(super) struct NoBroker;

fn none() -> Fault {
    Fault::new("broker", "this command has no broker")
}

#[async_trait]
impl Broker for NoBroker {
    async fn ready(&self) -> Result<(), Fault> {
        Err(none())
    }
    async fn publish(&self, _: &DeliveryMessage) -> Result<Publication, Fault> {
        Err(none())
    }
    async fn put_blob(&self, _: PacketDigest, _: u64, _: PathBuf) -> Result<(), Fault> {
        Err(none())
    }
    async fn remove_blob(&self, _: PacketDigest) -> Result<(), Fault> {
        Err(none())
    }
    async fn fetch_blob(
        &self,
        _: PacketDigest,
        _: Box<dyn IncomingWriter>,
    ) -> Result<Box<dyn Incoming>, Fault> {
        Err(none())
    }
    async fn publish_event(&self, _: &Event) -> Result<(), Fault> {
        Err(none())
    }
    async fn events_span(&self) -> Result<EventsSpan, Fault> {
        Err(none())
    }
    async fn events_after(&self, _: u64) -> Result<EventsAfter, Fault> {
        Err(none())
    }
    async fn deliveries(&self, _: AdapterKind, _: Lane) -> Result<BoxStream<'static, Box<dyn Taken>>, Fault> {
        Err(none())
    }
}
