//! The ground of a drill in one folder: senders with keys, receivers with systems, settings, a broker.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use anyhow::Context;
use lienthong::demo::world::{AGENCIES, Wishes, World, free_addresses};

use serde_json::Value;
use tokio::sync::RwLock;

use super::broker::{Broker, BrokerKind};
use super::plan::{RECEIVERS, SENDERS, SHARED, SINGLES};
use super::receivers::{Book, System};
use crate::{BROKER_VARIABLE, broker_program, run_with, text};

/// How far the gateway's clock is ahead of the real one when it is right, with the fault layer: the senders'
/// certificates begin today, and its clock has to be able to go back.
pub(super) const CLOCK_AHEAD: i64 = 40 * 86_400;

/// What a drill stands on.
pub(super) struct Ground {
    /// Senders, settings, packets; as each gateway sees them.
    pub(super) worlds: Vec<World>,
    /// Systems: of each sender, of each single organisation, and the shared one.
    pub(super) systems: Vec<System>,
    /// What came to them.
    pub(super) book: Arc<Book>,
    /// The broker.
    pub(super) broker: Broker,
    /// The code of each receiver.
    pub(super) codes: Vec<String>,
    /// The gateway under test.
    pub(super) program: PathBuf,
    /// How often each gateway was lost with its disk.
    pub(super) lives: Vec<AtomicU32>,
    /// Who submits to a gateway reads its lock; who holds it for writing has closed that gateway's door.
    pub(super) doors: Vec<RwLock<()>>,
    /// Tokens of the senders' systems.
    pub(super) tokens: Vec<String>,
}

impl Ground {
    /// Makes it in `folder`, which is there and empty, for so many gateways. The store is kept by `engine`, or by the
    /// default one.
    ///
    /// # Errors
    /// Files or ports cannot be had.
    pub(super) async fn make(
        folder: &Path,
        program: &Path,
        kind: BrokerKind,
        engine: Option<&str>,
        gateways: usize,
    ) -> anyhow::Result<Self> {
        let broker = Broker::make(kind, folder)?;
        let lines = [
            ("delivery", "retry_first = \"100ms\"".to_owned()),
            ("delivery", "give_up_after = \"90d\"".to_owned()),
            ("listen", "uploads_per_system = 32".to_owned()),
        ];
        let mut wishes = Wishes { settings: lines.to_vec(), directory: String::new() };
        wishes.settings.extend(broker.settings().into_iter().map(|line| ("broker", line)));
        let world = World::make(folder, &wishes).await.map_err(|fault| anyhow::anyhow!(fault.0))?;
        std::fs::create_dir(folder.join("packets"))?;
        let book = Arc::new(Book::default());
        let mut systems = Vec::new();
        for _ in 0..=SENDERS + SINGLES {
            systems.push(System::open(&book).await);
        }
        let mut settings = std::fs::read_to_string(&world.config)?;
        for (receiver, system) in world.receivers.iter().zip(&systems) {
            settings = settings.replace(&receiver.url(), &system.url());
            receiver.close();
        }
        settings = settings.replace("timeout = \"60s\"", "timeout = \"5s\"");
        let mut directory = std::fs::read_to_string(folder.join("directory.toml"))?;
        let mut codes: Vec<String> = AGENCIES.iter().map(|agency| agency.code.to_owned()).collect();
        for (at, system) in systems.iter().enumerate().skip(SENDERS) {
            settings += &system_settings(at, &system.url());
        }
        for at in SENDERS..RECEIVERS {
            let (code, system) = (format!("H55.{}", at + 100), at.min(SENDERS + SINGLES));
            directory += &format!(
                "\n[[organisation]]\norgan_id = \"{code}\"\nname = \"Đơn vị {code} (diễn tập)\"\n\
                 home = {{ system = \"dv-{system}\" }}\n"
            );
            codes.push(code);
        }
        let uid = rustix::process::geteuid().as_raw();
        settings += &format!("\n[operators.dien-tap]\nuid = {uid}\nrole = \"operator\"\n");
        settings += "\n[retention]\nidempotency = \"90d\"\n";
        settings += &engine.map(|name| format!("\n[outbox]\nengine = \"{name}\"\n")).unwrap_or_default();
        if gateways > 1 {
            settings += &format!("\n[cluster]\nnode = \"{}\"\n", node(0));
        }
        std::fs::write(&world.config, &settings)?;
        std::fs::write(folder.join("directory.toml"), directory)?;
        let token = |at| std::fs::read_to_string(world.token_file(at));
        let tokens = (0..SENDERS).map(token).collect::<Result<_, _>>().context("tokens")?;
        let mut worlds = vec![world];
        for at in 1..gateways {
            worlds.push(another(&worlds[0], at, &settings)?);
        }
        debug_assert_eq!(codes.len(), SENDERS + SINGLES + SHARED);
        let lives = worlds.iter().map(|_| AtomicU32::default()).collect();
        let doors = worlds.iter().map(|_| RwLock::default()).collect();
        Ok(Self { lives, doors, worlds, systems, book, broker, codes, program: program.to_owned(), tokens })
    }

    /// An operator's command at a gateway; `None` when it is refused, or nobody answers.
    pub(super) fn operate(&self, gateway: usize, arguments: &[&str]) -> Option<Value> {
        let config = self.worlds[gateway].config.to_string_lossy();
        let program = broker_program();
        let program = program.to_string_lossy();
        let all = [arguments, &["--json", "-c", &config]].concat();
        let output = run_with(&self.program, &all, &[(BROKER_VARIABLE, &program)]);
        serde_json::from_str(&text(&output.stdout)).ok()
    }

    /// The data folder of a gateway.
    pub(super) fn data(&self, gateway: usize) -> PathBuf {
        self.worlds[gateway].folder.join(data_name(gateway))
    }
}

/// The name of a gateway among several.
pub(super) fn node(gateway: usize) -> String {
    format!("gw-{}", gateway + 1)
}

fn data_name(gateway: usize) -> String {
    if gateway == 0 { "data".to_owned() } else { format!("data-{}", gateway + 1) }
}

/// The world as another gateway sees it: the same directory, systems and secrets; its own name, doors and data.
fn another(first: &World, at: usize, settings: &str) -> anyhow::Result<World> {
    let [public, admin] = free_addresses().map_err(|fault| anyhow::anyhow!(fault.0))?;
    let text = settings
        .replace(&format!("node = \"{}\"", node(0)), &format!("node = \"{}\"", node(at)))
        .replace("data_dir = \"data\"", &format!("data_dir = \"{}\"", data_name(at)))
        .replace(&first.public, &public)
        .replace(&first.admin, &admin);
    let (config, log) =
        (first.folder.join(format!("{}.toml", node(at))), first.folder.join(format!("{}.log", node(at))));
    std::fs::write(&config, text)?;
    let mut world = first.clone();
    (world.config, world.public, world.admin, world.log) = (config, public, admin, log);
    Ok(world)
}

fn system_settings(at: usize, url: &str) -> String {
    format!(
        "\n[systems.dv-{at}]\nname = \"Đơn vị {at} (diễn tập)\"\n\n[systems.dv-{at}.vendor_http]\nurl = \"{url}\"\n\
         secret = \"khoa-dien-tap-{at}-0123456789\"\nconnect_timeout = \"2s\"\ntimeout = \"5s\"\n"
    )
}
