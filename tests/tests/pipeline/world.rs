//! A gateway without a process around it: intake, relay, takeover, dispatch and report over ports in memory.
//! Tokio's clock is paused in these tests, so it moves only when no task has work left; the gateway's own clock is moved
//! by hand.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use lienthong_adapters::contract::{MemoryAdapter, handed_over, received};
use lienthong_broker::MemoryBroker;
use lienthong_config::{GivenUpNotice, ReceiptAfter, Undelivered, UpdateReceivers};
use lienthong_monitoring::Metrics;
use lienthong_outbox::{FileSpool, MemoryBookmark, MemoryIndex, MemoryStore};
use lienthong_pipeline::adopt::Adopt;
use lienthong_pipeline::axis_lists::AxisLists;
use lienthong_pipeline::clock::ManualClock;
use lienthong_pipeline::directory::Directory;
use lienthong_pipeline::dispatch::{Dispatch, DispatchPolicy, Policies};
use lienthong_pipeline::examine::{PacketLimits, Refused};
use lienthong_pipeline::follow::Follow;
use lienthong_pipeline::intake::{Accepted, Beside, Intake, IntakePolicy, Origin};
use lienthong_pipeline::mailbox::{MailboxPolicy, Mailboxes};
use lienthong_pipeline::partitions::{Keep, Moves, Partitions};
use lienthong_pipeline::poll::{Poll, PollPolicies};
use lienthong_pipeline::ports::{AxisInbox, Clock, Leases, Spool};
use lienthong_pipeline::ports::{Broker, Consignment, DeliveryFailure, Fault, Handover, OutboxStore, Ports};
use lienthong_pipeline::record::{
    AdapterKind, BootId, Delivery, IdempotencyKey, Lane, OwnNode, Receipt, State,
};
use lienthong_pipeline::relay::Relay;
use lienthong_pipeline::report::{MailNotice, Report, Reporter};
use lienthong_pipeline::takeover::Takeover;
use lienthong_pipeline::tasks::Tasks;
use lienthong_pipeline::tidings::Tidings;
use lienthong_pipeline::wakes::Wakes;
use lienthong_schemas::edxml::DocumentBuilder;
use lienthong_schemas::ids::{DeliveryId, DocumentId};
use lienthong_schemas::rejections::{Rejection, RejectionCode};
use rand::Rng;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::agencies::directory;
pub(super) use super::agencies::{
    A, B, B_ALIAS, C, D, E, F, M, OWN, X, Y, Z, letter, name_of, organ, status, system,
};

/// When deliveries are late for who looks at a document.
pub(super) const LATE_AFTER: Duration = Duration::from_secs(24 * 3600);

/// How long what is over can be had from a mailbox.
pub(super) const KEEP_DONE: Duration = Duration::from_secs(90 * 24 * 3600);

/// The adapter's label in metrics.
pub(super) const ADAPTER: &str = "vendor_http";
/// That of the axis.
pub(super) const AXIS: &str = "national_axis";

type Script = dyn FnMut(&Consignment, usize) -> Result<Handover, DeliveryFailure> + Send;
pub(super) type Wrap = Box<dyn Fn(MemoryBroker) -> Arc<dyn Broker>>;

/// What a test may choose.
pub(super) struct Setup {
    /// More organisations, in TOML.
    pub(super) directory: String,
    pub(super) policy: DispatchPolicy,
    pub(super) given_up: GivenUpNotice,
    /// Who writes to senders.
    pub(super) mail: Option<MailNotice>,
    pub(super) undelivered: Undelivered,
    pub(super) update_receivers: UpdateReceivers,
    /// `receipt.after`.
    pub(super) receipt_after: ReceiptAfter,
    /// What stands between the gateway and its broker.
    pub(super) wrap: Wrap,
}

impl Default for Setup {
    fn default() -> Self {
        let policy = DispatchPolicy {
            retry_first: Duration::from_secs(10),
            retry_max: Duration::from_secs(80),
            give_up_after: Duration::from_secs(48 * 3600),
            concurrent: 8,
            jitter: 0.0,
        };
        let wrap: Wrap = Box::new(|broker| Arc::new(broker));
        Self {
            directory: String::new(),
            policy,
            given_up: GivenUpNotice::Status02,
            mail: None,
            // Most tests are about the order of what is delivered; `recall` is about what is not.
            undelivered: Undelivered::Deliver,
            update_receivers: UpdateReceivers::To,
            receipt_after: ReceiptAfter::Outbox,
            wrap,
        }
    }
}

/// What makes a world one of several.
#[derive(Clone)]
pub(super) struct Among {
    pub(super) own: OwnNode,
    pub(super) leases: Arc<dyn Leases>,
    pub(super) bookmark: Arc<MemoryBookmark>,
    /// As it is remembered from life to life.
    pub(super) epoch: Arc<Mutex<Option<u64>>>,
}

/// See the module.
pub(super) struct World {
    pub(super) clock: Arc<ManualClock>,
    pub(super) ports: Ports,
    pub(super) broker: MemoryBroker,
    pub(super) adapter: Arc<MemoryAdapter>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) intake: Arc<Intake>,
    /// Those of the tasks that run now.
    pub(super) wakes: Wakes,
    /// As they are kept by the tasks that run now.
    pub(super) mailboxes: Arc<Mailboxes>,
    /// The index beneath them, which a kill leaves as it is.
    pub(super) index: Arc<MemoryIndex>,
    pub(super) folder: TempDir,
    /// What axes say of who is there; nobody looks unless a test does.
    pub(super) lists: Arc<AxisLists>,
    script: Arc<Mutex<Box<Script>>>,
    /// The leases of the life that runs now.
    pub(super) partitions: Arc<Partitions>,
    among: Option<Among>,
    /// Adopts what another gateway had accepted, where there are others.
    pub(super) adopt: Option<Adopt>,
    setup: Setup,
    policies: Arc<ArcSwap<Policies>>,
    directory: Arc<ArcSwap<Directory>>,
    tasks: JoinSet<Result<(), Fault>>,
}

impl World {
    /// The usual one, running; every receiver takes everything.
    pub(super) fn new() -> Self {
        Self::open(Setup::default())
    }

    /// A running one.
    pub(super) fn open(setup: Setup) -> Self {
        let (clock, folder) = (clock(), new_folder());
        let spool = FileSpool::open(folder.path()).expect("a spool");
        let store = Arc::new(MemoryStore::new(clock.clone()));
        Self::over(setup, clock, folder, store, Arc::new(spool))
    }

    /// A running one over a given store.
    pub(super) fn over(
        setup: Setup,
        clock: Arc<ManualClock>,
        folder: TempDir,
        store: Arc<dyn OutboxStore>,
        spool: Arc<dyn Spool>,
    ) -> Self {
        let blobs = folder.path().join("object-store");
        std::fs::create_dir(&blobs).expect("a folder");
        Self::with(setup, clock, folder, store, spool, MemoryBroker::new(blobs), None)
    }

    /// A running one of several, over what they share: a clock, a broker, and leases.
    pub(super) fn among(setup: Setup, clock: Arc<ManualClock>, broker: &MemoryBroker, among: Among) -> Self {
        let folder = new_folder();
        let spool = Arc::new(FileSpool::open(folder.path()).expect("a spool"));
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let broker = broker.of_node(among.own.clone());
        Self::with(setup, clock, folder, store, spool, broker, Some(among))
    }

    fn with(
        setup: Setup,
        clock: Arc<ManualClock>,
        folder: TempDir,
        store: Arc<dyn OutboxStore>,
        spool: Arc<dyn Spool>,
        broker: MemoryBroker,
        among: Option<Among>,
    ) -> Self {
        let wrapped = (setup.wrap)(broker.clone());
        let ports = Ports { clock: clock.clone(), spool, store, broker: wrapped };
        let take: Box<Script> = Box::new(|consignment, _| Ok(taken(consignment)));
        let script = Arc::new(Mutex::new(take));
        let asked = script.clone();
        let adapter = MemoryAdapter::answering(move |consignment, nth| {
            (asked.lock().expect("a script"))(consignment, nth)
        });
        let directory = Arc::new(ArcSwap::from_pointee(directory(&setup.directory)));
        let metrics = Arc::new(Metrics::new("test"));
        let wakes = Wakes::default();
        let partitions = Arc::new(Partitions::alone());
        let intake = intake(&setup, &ports, &directory, &metrics, &wakes, &partitions);
        let index = Arc::new(MemoryIndex::default());
        let mailboxes = mailboxes(&ports, &index, &metrics, &wakes);
        let mut world = Self {
            clock,
            ports,
            broker,
            adapter: Arc::new(adapter),
            metrics,
            intake,
            wakes,
            mailboxes,
            index,
            folder,
            lists: Arc::default(),
            script,
            partitions,
            among,
            adopt: None,
            policies: Arc::new(ArcSwap::from_pointee(setup.policy.into())),
            setup,
            directory,
            tasks: JoinSet::new(),
        };
        world.start();
        world
    }

    /// Starts the tasks of a gateway, over whatever the ports hold.
    pub(super) fn start(&mut self) {
        let boot = BootId::new(rand::rng().random());
        let stop = self.start_all_but_dispatch(boot);
        for kind in AdapterKind::ALL {
            let (ports, directory) = (self.ports.clone(), self.directory.clone());
            let (metrics, wakes) = (self.metrics.clone(), self.wakes.clone());
            let adapter = Arc::new(self.adapter.playing(kind));
            let dispatch =
                Dispatch::new(ports, directory, adapter, self.policies.clone(), metrics, wakes, boot);
            let dispatch = dispatch.with_lists(self.lists.clone()).among(self.partitions.clone());
            self.tasks.spawn(dispatch.run(stop.clone()));
        }
    }

    /// The same, and nobody delivers.
    pub(super) fn start_without_dispatch(&mut self) -> Tasks {
        self.start_all_but_dispatch(BootId::new(rand::rng().random()))
    }

    fn start_all_but_dispatch(&mut self, boot: BootId) -> Tasks {
        let (wakes, metrics) = (Wakes::default(), self.metrics.clone());
        self.wakes = wakes.clone();
        let own = self.among.as_ref().map(|among| among.own.clone());
        self.partitions = Arc::new(own.map_or_else(Partitions::alone, Partitions::of));
        self.share(boot);
        self.intake = intake(&self.setup, &self.ports, &self.directory, &metrics, &wakes, &self.partitions);
        self.mailboxes = mailboxes(&self.ports, &self.index, &metrics, &wakes);
        let stop = Tasks::new();
        self.tasks.spawn(self.mailboxes.clone().run(stop.clone()));
        let relay = Relay::new(self.ports.clone(), metrics.clone(), wakes.clone());
        let relay = relay.among(self.partitions.clone(), boot);
        self.tasks.spawn(relay.run(stop.clone()));
        for kind in AdapterKind::ALL {
            for lane in Lane::ALL {
                let takeover = Takeover::new(self.ports.clone(), metrics.clone(), kind, lane, wakes.clone());
                self.tasks.spawn(takeover.among(self.partitions.clone()).run(stop.clone()));
            }
        }
        let reporter = Reporter {
            own: organ(OWN),
            name: "Trục tỉnh".to_owned(),
            given_up: self.setup.given_up,
            mail: self.setup.mail.clone(),
        };
        let (intake, directory) = (self.intake.clone(), self.directory.clone());
        let report = Report::new(self.ports.clone(), intake, directory, reporter, metrics, wakes);
        self.tasks.spawn(report.run(stop.clone()));
        stop
    }

    /// What it does because there are others.
    fn share(&mut self, boot: BootId) {
        let Some(Among { leases, bookmark, epoch, .. }) = self.among.clone() else { return };
        let known = *epoch.lock().expect("an epoch");
        let (ports, partitions, metrics) = (&self.ports, &self.partitions, &self.metrics);
        let wakes = &self.wakes;
        let follow = Follow::new(ports.clone(), bookmark, partitions.clone(), metrics.clone(), wakes.clone());
        let follow = Arc::new(follow);
        let moves = Moves::new(ports.clone(), partitions.clone(), follow.clone(), wakes.clone(), boot);
        let (leases_too, follow_too) = (leases.clone(), follow.clone());
        let adopt = Adopt::new(ports.clone(), leases_too, partitions.clone(), follow_too, wakes.clone());
        let keep =
            Keep::new(ports.clone(), leases, partitions.clone(), known, metrics.clone(), wakes.clone());
        self.tasks.spawn(follow.run(Tasks::new()));
        self.tasks.spawn(moves.run(Tasks::new()));
        let keep = keep.remembering(move |begun| {
            *epoch.lock().expect("an epoch") = Some(begun);
            Ok(())
        });
        self.tasks.spawn(keep.run(Tasks::new()));
        self.adopt = Some(adopt);
    }

    /// Polls axes, until a kill or the end.
    pub(super) fn poll(&mut self, inbox: Arc<dyn AxisInbox>, policies: Arc<ArcSwap<PollPolicies>>) {
        let (ports, intake, metrics) = (self.ports.clone(), self.intake.clone(), self.metrics.clone());
        self.tasks.spawn(Poll::new(ports, intake, inbox, policies, metrics).run(Tasks::new()));
    }

    /// Does this beside everything else, until a kill or the end.
    pub(super) fn run(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(async move {
            work.await;
            Ok(())
        });
    }

    /// Asks axes what became of what they took, until a kill or the end.
    pub(super) fn ask(&mut self, inbox: Arc<dyn AxisInbox>, policies: Arc<ArcSwap<PollPolicies>>) {
        let (ports, metrics, wakes) = (self.ports.clone(), self.metrics.clone(), self.wakes.clone());
        let tidings = Tidings::new(ports, inbox, self.directory.clone(), policies, metrics, wakes);
        self.tasks.spawn(tidings.run(Tasks::new()));
    }

    /// Cuts every task where it stands, as a kill would.
    pub(super) fn kill(&mut self) {
        self.tasks = JoinSet::new();
    }

    /// Ends it and leaves its folder.
    pub(super) fn into_folder(self) -> TempDir {
        self.folder
    }

    /// The directory is replaced, as by a reload.
    pub(super) fn reload(&self, more: &str) {
        self.directory.store(Arc::new(directory(more)));
    }

    /// Other pauses and another patience, as by a reload.
    pub(super) fn reload_policies(&self, policies: Policies) {
        self.policies.store(Arc::new(policies));
    }

    /// The directory as it is.
    pub(super) fn directory(&self) -> Arc<Directory> {
        self.directory.load_full()
    }

    /// The directory, for who follows its reloads.
    pub(super) fn directory_in_use(&self) -> Arc<ArcSwap<Directory>> {
        self.directory.clone()
    }

    /// From now on receivers answer so. The number counts the attempts of one delivery, from 1.
    pub(super) fn answer(
        &self,
        script: impl FnMut(&Consignment, usize) -> Result<Handover, DeliveryFailure> + Send + 'static,
    ) {
        *self.script.lock().expect("a script") = Box::new(script);
    }

    /// Returns when no task has anything left to do before a clock moves. Fails when a task has ended.
    pub(super) async fn quiet(&mut self) {
        self.rest().await;
        if let Some(ended) = self.tasks.try_join_next() {
            panic!("a task of the gateway ended: {ended:?}");
        }
    }

    /// The same, and looks at no task.
    pub(super) async fn rest(&self) {
        // With tokio's clock paused this is no wait: its time moves when all tasks, and all work off them, rest.
        let rest = tokio::time::timeout(Duration::from_secs(1), std::future::pending::<()>()).await;
        assert!(rest.is_err(), "nothing ends a wait for nothing");
    }

    /// Moves the gateway's clock and lets everything happen that is due.
    pub(super) async fn advance(&mut self, by: Duration) {
        self.clock.advance(by);
        self.quiet().await;
    }

    /// Moves the clock in steps.
    pub(super) async fn pass(&mut self, whole: Duration, step: Duration) {
        let end = self.clock.now() + whole;
        while self.clock.now() < end {
            self.advance(step).await;
        }
    }

    /// Brings bytes in over the connection of a system.
    pub(super) async fn bring(&self, bytes: Vec<u8>, system: &str) -> Result<Accepted, Refused> {
        self.bring_keyed(bytes, system, None).await
    }

    /// Brings bytes in by the SDK's protocol, with what is said beside them.
    pub(super) async fn bring_beside(
        &self,
        bytes: Vec<u8>,
        system: &str,
        from: &str,
        to: Option<&[&str]>,
    ) -> Result<Accepted, Refused> {
        let mut sink = self.ports.spool.receive().await?;
        sink.write(Bytes::from(bytes)).await?;
        let to = to.map(|codes| codes.iter().map(|code| organ(code)).collect());
        let beside = Beside { from: organ(from), to };
        let origin = Origin::Sdk { system: self::system(system), beside };
        self.intake.admit(sink.finish().await?, &origin, None).await
    }

    /// The same with an `Idempotency-Key`.
    pub(super) async fn bring_keyed(
        &self,
        bytes: Vec<u8>,
        system: &str,
        key: Option<IdempotencyKey>,
    ) -> Result<Accepted, Refused> {
        let mut sink = self.ports.spool.receive().await?;
        sink.write(Bytes::from(bytes)).await?;
        let packet = sink.finish().await?;
        self.intake.admit(packet, &Origin::System(self::system(system)), key).await
    }

    /// Sends a letter of [`A`]; it must be accepted.
    pub(super) async fn send(&self, letter: DocumentBuilder) -> Receipt {
        self.accept(letter).await.receipt
    }

    /// The same with the word on whether it was a repeat.
    pub(super) async fn accept(&self, letter: DocumentBuilder) -> Accepted {
        self.bring(letter.to_bytes().expect("written"), "mot").await.expect("accepted")
    }

    /// Sends a letter of [`A`]; it must be refused under this code.
    pub(super) async fn refused(&self, letter: DocumentBuilder, code: RejectionCode) -> Rejection {
        let refused = self.bring(letter.to_bytes().expect("written"), "mot").await;
        match refused.expect_err("refused") {
            Refused::Rejected(rejection) => {
                assert_eq!(rejection.code, code, "{rejection}");
                *rejection
            }
            Refused::Fault(fault) => panic!("{fault}"),
        }
    }

    /// The delivery as it is.
    pub(super) async fn delivery(&self, id: DeliveryId) -> Delivery {
        self.ports.store.delivery(id).await.expect("the store answers").expect("a delivery")
    }

    /// States of a document's deliveries, in the order of its receipt.
    pub(super) async fn states(&self, receipt: &Receipt) -> Vec<State> {
        let mut states = Vec::new();
        for line in &receipt.deliveries {
            states.push(self.delivery(line.delivery_id).await.state);
        }
        states
    }

    /// Words and notes of a delivery's history.
    pub(super) async fn history(&self, id: DeliveryId) -> Vec<(String, String)> {
        let lines = self.ports.store.history(id).await.expect("the store answers");
        lines.into_iter().map(|line| (line.event, line.note)).collect()
    }

    /// The documents of all attempts so far, oldest first.
    pub(super) fn tried(&self) -> Vec<DocumentId> {
        self.adapter.attempts().into_iter().map(|attempt| attempt.seen.document).collect()
    }

    /// The packets that reached this organisation, as text, oldest first.
    pub(super) fn got(&self, organisation: &str) -> Vec<String> {
        let attempts = self.adapter.attempts().into_iter();
        let here = attempts.filter(|attempt| attempt.consignment.receivers.contains(&organ(organisation)));
        let read = |attempt: lienthong_adapters::contract::Attempt| {
            std::fs::read_to_string(attempt.consignment.packet).expect("a packet")
        };
        here.map(read).collect()
    }

    /// Documents and receivers of all attempts at the axes so far, oldest first.
    pub(super) fn consigned(&self) -> Vec<(DocumentId, Vec<String>)> {
        let attempts = self.adapter.attempts().into_iter().map(|attempt| attempt.consignment);
        let axis =
            attempts.filter(|consignment| consignment.delivery.route.adapter == AdapterKind::NationalAxis);
        let to = |consignment: &Consignment| consignment.receivers.iter().map(ToString::to_string).collect();
        axis.map(|consignment| (consignment.delivery.document, to(&consignment))).collect()
    }

    /// Removes a packet from the spool.
    pub(super) fn lose_blob(&self, receipt: &Receipt) {
        let blob = self.folder.path().join("blobs").join(receipt.sha256.to_string());
        std::fs::remove_file(blob).expect("it was there");
    }

    /// Attempts that failed in this class.
    pub(super) fn failed(&self, class: &'static str) -> u64 {
        self.metrics.failed.of(ADAPTER, class).value()
    }

    /// Receivers paused now.
    pub(super) fn paused(&self) -> i64 {
        self.metrics.receivers_paused.of(ADAPTER).value()
    }
}

/// A clock at the time at which worlds begin.
pub(super) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new("2026-01-05T01:00:00Z".parse().expect("a time")))
}

/// An empty folder.
pub(super) fn new_folder() -> TempDir {
    tempfile::Builder::new().prefix("lienthong-test-").tempdir().expect("a folder")
}

/// The answer of who takes everything: a vendor's system has it, mail and axis hand it over, a mailbox offers it.
pub(super) fn taken(consignment: &Consignment) -> Handover {
    match consignment.delivery.route.adapter {
        AdapterKind::VendorHttp => received(),
        AdapterKind::Email | AdapterKind::NationalAxis => handed_over(),
        AdapterKind::Mailbox => Handover { state: State::Offered, note: "waits".to_owned(), known_as: None },
    }
}

fn mailboxes(
    ports: &Ports,
    index: &Arc<MemoryIndex>,
    metrics: &Arc<Metrics>,
    wakes: &Wakes,
) -> Arc<Mailboxes> {
    let policy = MailboxPolicy { keep_done: KEEP_DONE };
    Arc::new(Mailboxes::new(ports.clone(), index.clone(), policy, metrics.clone(), wakes.clone()))
}

fn intake(
    setup: &Setup,
    ports: &Ports,
    directory: &Arc<ArcSwap<Directory>>,
    metrics: &Arc<Metrics>,
    wakes: &Wakes,
    partitions: &Arc<Partitions>,
) -> Arc<Intake> {
    let policy = IntakePolicy {
        own: organ(OWN),
        limits: PacketLimits::default(),
        examinations: 2,
        idempotency: Duration::from_secs(24 * 3600),
        undelivered: setup.undelivered,
        update_receivers: setup.update_receivers,
        receipt_after: setup.receipt_after,
    };
    let (ports, directory, metrics) = (ports.clone(), directory.clone(), metrics.clone());
    let intake = Intake::new(ports, policy, directory, metrics, wakes.clone());
    Arc::new(intake.among(partitions.clone()))
}
