//! What the cases stand on: a world whose receivers are all one sink, a broker of the benchmark's own that it can ask how
//! much it stores, and the gateway as a child process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use lienthong::demo::child::Gateway;
use lienthong::demo::world::{AGENCIES, Beside, Wishes, World};
use lienthong_broker::{Auth, Bare, GuardProgram, ManagedOptions, ManagedServer, Phase, program_on_path};
use lienthong_config::Environment;
use lienthong_config::environment::NATS_SERVER;

use super::sink::Sink;

/// How long anything may take that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);
/// A sender of whom no signature is asked: its packets are made faster.
pub(crate) const SENDER: &str = "H55.90";
/// Room for all streams.
const STORE_BYTES: u64 = 20_000_000_000;
/// Organisations below one of the second level.
const BELOW: usize = 90;

/// See the module.
pub(crate) struct Ground {
    pub(crate) world: World,
    pub(crate) sink: Arc<Sink>,
    pub(crate) bare: Bare,
    pub(crate) token: String,
    /// From its start to the first `/readyz` that says so.
    pub(crate) ready_in: Duration,
    gateway: Gateway,
    broker: ManagedServer,
}

impl Ground {
    /// A fresh world with so many receivers, each with a system of its own at the sink but for the `dead` first ones, whose
    /// port nobody opens.
    pub(crate) async fn open(program: &Path, folder: &Path, receivers: usize, dead: usize) -> Result<Self> {
        let sink = Sink::open().await?;
        let beside = beside(&sink, receivers, dead);
        Self::start(program, folder, sink, beside).await
    }

    /// A fresh world with the sender, and with these systems and organisations.
    pub(crate) async fn open_beside(program: &Path, folder: &Path, more: Beside) -> Result<Self> {
        let sink = Sink::open().await?;
        let mut beside = beside(&sink, 0, 0);
        beside.settings += &more.settings;
        beside.directory += &more.directory;
        Self::start(program, folder, sink, beside).await
    }

    async fn start(program: &Path, folder: &Path, sink: Arc<Sink>, beside: Beside) -> Result<Self> {
        std::fs::create_dir(folder)?;
        let broker = broker(program, folder).await?;
        let bare = Bare::connect(&broker.address()).await?;
        let wishes = wishes(&broker)?;
        let world = World::make_of(&AGENCIES, folder, &wishes, &beside).await?;
        let begun = std::time::Instant::now();
        let gateway = world.start(program, &[]).await?;
        let ready_in = begun.elapsed();
        let token = std::fs::read_to_string(world.token_file(0))?;
        Ok(Self { world, sink, bare, token, ready_in, gateway, broker })
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Result<u32> {
        self.gateway.pid().context("the gateway has ended")
    }

    /// The broker's process.
    pub(crate) fn broker_pid(&self) -> Result<u32> {
        match self.broker.status().phase {
            Phase::Running { pid } => Ok(pid),
            phase => bail!("the broker is not running: {phase:?}"),
        }
    }

    /// The end of this ground: the gateway must stop as it should.
    pub(crate) async fn close(mut self) -> Result<()> {
        let code = self.gateway.stop().await?;
        self.world.receivers.iter().for_each(|receiver| receiver.close());
        ensure!(code == Some(0), "the gateway ended with {code:?}, see {}", self.world.log.display());
        Ok(())
    }

    /// Waits until the gateway has nothing pending.
    pub(crate) async fn settled(&self) -> Result<()> {
        let begun = std::time::Instant::now();
        let mut ticks = lienthong::demo::child::ticks();
        while begun.elapsed() < PATIENCE {
            ticks.tick().await;
            if self.metric("lienthong_outbox_pending").await? == 0.0
                && self.metric("lienthong_outbox_unpublished").await? == 0.0
            {
                return Ok(());
            }
        }
        bail!("the gateway still has deliveries pending")
    }

    /// Waits until the broker has everything that was accepted.
    pub(crate) async fn published(&self) -> Result<()> {
        let begun = std::time::Instant::now();
        let mut ticks = lienthong::demo::child::ticks();
        while begun.elapsed() < PATIENCE {
            ticks.tick().await;
            if self.metric("lienthong_outbox_unpublished").await? == 0.0 {
                return Ok(());
            }
        }
        bail!("the gateway still has deliveries to publish")
    }

    async fn metric(&self, name: &str) -> Result<f64> {
        let text = self.world.metrics().await?;
        let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        found.with_context(|| format!("no metric {name}"))
    }
}

/// The code of the nth receiver.
pub(crate) fn receiver(n: usize) -> String {
    format!("H55.{:02}.{:02}", n / BELOW + 1, n % BELOW + 1)
}

async fn broker(program: &Path, folder: &Path) -> Result<ManagedServer> {
    let binary = Environment::of_process().value(NATS_SERVER).map_or_else(program_on_path, PathBuf::from);
    let options = ManagedOptions {
        data_dir: folder.join("broker"),
        binary,
        guard: GuardProgram { program: program.to_owned(), first_args: vec!["broker-guard".to_owned()] },
        max_store_bytes: STORE_BYTES,
        store_key: None,
    };
    let server = tokio::task::spawn_blocking(|| ManagedServer::start(options)).await??;
    let mut status = server.watch();
    let running = status.wait_for(|status| matches!(status.phase, Phase::Running { .. }));
    tokio::time::timeout(PATIENCE, running).await.context("the broker does not answer")??;
    Ok(server)
}

fn wishes(broker: &ManagedServer) -> Result<Wishes> {
    let address = broker.address();
    let mut lines = vec![format!("url = \"{}\"", address.urls.join(","))];
    match &address.auth {
        Auth::UserPassword { user, password } => {
            lines.push(format!("user = \"{user}\"\npassword = \"{password}\""));
        }
        Auth::Token(token) => lines.push(format!("token = \"{token}\"")),
        other => bail!("the broker wants {other:?}"),
    }
    let mut settings: Vec<_> = lines.into_iter().map(|line| ("broker", line)).collect();
    settings.push(("listen", "uploads_per_system = 1024\nbody_max = \"1100MB\"".to_owned()));
    settings.push(("delivery", "retry_first = \"100ms\"".to_owned()));
    Ok(Wishes { settings, ..Wishes::default() })
}

/// Systems and organisations of the receivers, and of the sender that does not sign.
fn beside(sink: &Sink, receivers: usize, dead: usize) -> Beside {
    let (system, sender) = (AGENCIES[0].system, SENDER);
    let mut beside = Beside::default();
    beside.directory += &format!(
        "[[organisation]]\norgan_id = \"{sender}\"\nname = \"Đơn vị gửi (đo)\"\nhome = {{ system = \"{system}\" }}\n\n"
    );
    for n in 0..receivers {
        // Port 9 (discard) is opened by nobody.
        let address = if n < dead { "127.0.0.1:9" } else { &sink.address };
        beside.settings += &format!(
            "\n[systems.r{n}]\nname = \"Nơi nhận {n}\"\ntoken_sha256 = [\"{n:064x}\"]\n\n[systems.r{n}.vendor_http]\n\
             url = \"http://{address}/r{n}\"\nsecret = \"bench-secret-{n:032}\"\nconnect_timeout = \"2s\"\ntimeout = \"120s\"\n"
        );
        beside.directory += &format!(
            "[[organisation]]\norgan_id = \"{}\"\nname = \"Nơi nhận {n}\"\nhome = {{ system = \"r{n}\" }}\n\n",
            receiver(n)
        );
    }
    beside
}
