//! `lienthong axis-double`: an axis to try with, for vendors and operators (docs/axis-double.md). Never for real documents:
//! it keeps what waits in memory, and whoever has a secret of it is believed.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use lienthong_config::{Network, SDK_SYSTEM_ID_BYTES_MAX};
use lienthong_schemas::organ::OrganId;
use serde::Deserialize;
use tokio::net::TcpListener;

use super::{CommandFault, block_on, print, read_small};
use crate::demo::axis::{Agency, AgencyState, Axis, Control, Habits, Plan, System};
use crate::demo::world::random_hex;

/// Most systems of one double.
const SYSTEMS_MAX: usize = 100;
/// Most agencies that a file may list.
const AGENCIES_MAX: usize = 20_000;
/// Shortest secret, in characters.
const SECRET_LEAST: usize = 16;
/// Any free port of the loopback.
const ANYWHERE_HERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

#[derive(Args)]
pub(super) struct AxisDouble {
    /// Tệp cấu hình riêng của trục thử / Settings of its own (docs/axis-double.md)
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Nơi lắng nghe, ví dụ 127.0.0.1:8085 / Where it listens
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Cửa điều khiển, chỉ trên máy này / Where it is commanded, on this machine only
    #[arg(long, value_name = "ADDRESS")]
    control: Option<SocketAddr>,
}

/// The file.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    profile: String,
    listen: SocketAddr,
    control: SocketAddr,
    networks: Vec<String>,
    folder: Option<PathBuf>,
    honours_to: bool,
    reserialise: bool,
    offers_failed: bool,
    checks: bool,
    exact: bool,
    systems: Vec<SystemSettings>,
    agencies: Vec<Agency>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SystemSettings {
    id: String,
    secret: Option<String>,
    organisations: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            profile: String::new(),
            listen: ANYWHERE_HERE,
            control: ANYWHERE_HERE,
            networks: Vec::new(),
            folder: None,
            honours_to: true,
            reserialise: true,
            offers_failed: false,
            checks: true,
            exact: false,
            systems: Vec::new(),
            agencies: Vec::new(),
        }
    }
}

impl Settings {
    /// Where no system is named: two, one for the province of our examples and one for who is beyond, and agencies of all
    /// kinds.
    fn with_examples(mut self) -> Self {
        if !self.systems.is_empty() {
            return self;
        }
        let system = |id: &str, organisations: &[&str]| SystemSettings {
            id: id.to_owned(),
            secret: None,
            organisations: organisations.iter().map(|code| (*code).to_owned()).collect(),
        };
        self.systems = vec![system("thu-nghiem.01", &["H55"]), system("thu-nghiem.02", &["G91", "H91"])];
        if self.agencies.is_empty() {
            self.agencies = example_agencies();
        }
        self
    }
}

fn example_agencies() -> Vec<Agency> {
    use AgencyState::{Closed, Deleted, Locked, Open};
    let rows = [
        ("H55", "000.00.00.H55", "UBND tỉnh (thử nghiệm)", Open),
        ("H55.15", "000.00.15.H55", "Sở Thông tin (thử nghiệm)", Open),
        ("H55.21", "000.00.21.H55", "UBND xã (thử nghiệm)", Open),
        ("G91", "000.00.00.G91", "Bộ Thử (hư cấu)", Open),
        ("H91.02", "000.00.02.H91", "Sở Thử (hư cấu)", Open),
        ("G91.23", "", "Vụ đã khóa (hư cấu)", Locked),
        ("G91.18", "", "Vụ đã đóng (hư cấu)", Closed),
        ("G91.19", "", "Vụ đã xóa (hư cấu)", Deleted),
    ];
    let agency = |(code, old_code, name, state): (&str, &str, &str, AgencyState)| {
        let above = OrganId::parse(code).ok().and_then(|code| code.parent());
        let parent = above.map(|code| code.as_str().to_owned()).unwrap_or_default();
        Agency { old_code: old_code.to_owned(), parent, state, ..Agency::named(code, name) }
    };
    rows.map(agency).to_vec()
}

impl AxisDouble {
    pub(super) fn run(self) -> Result<ExitCode, CommandFault> {
        let mut settings = match &self.config {
            Some(file) => read(file)?,
            None => Settings::default(),
        };
        settings.listen = self.listen.unwrap_or(settings.listen);
        settings.control = self.control.unwrap_or(settings.control);
        block_on(serve(settings.with_examples()))
    }
}

/// Reads the file; paths in it are beside it.
fn read(file: &Path) -> Result<Settings, CommandFault> {
    let at = |what: &dyn std::fmt::Display| CommandFault::at(file.display(), what);
    let text = String::from_utf8(read_small(file)?).map_err(|cause| at(&cause))?;
    let mut settings: Settings = toml::from_str(&text).map_err(|cause| at(&cause))?;
    if settings.profile != "trial" {
        return Err(at(&"cần profile = \"trial\": chỉ để chạy thử (for trials only)"));
    }
    let beside = file.parent().unwrap_or(Path::new(""));
    settings.folder = settings.folder.map(|folder| beside.join(folder));
    Ok(settings)
}

/// A system that is to be, and whether its secret was made just now.
fn systems(settings: Vec<SystemSettings>) -> Result<Vec<(System, bool)>, CommandFault> {
    if settings.is_empty() || settings.len() > SYSTEMS_MAX {
        return Err(CommandFault::at("systems", format!("1-{SYSTEMS_MAX}")));
    }
    let (mut seen, mut systems) = (BTreeSet::new(), Vec::new());
    for system in settings {
        let at = |what: &str| CommandFault::at(format!("systems {}", system.id), what);
        let fits = (1..=SDK_SYSTEM_ID_BYTES_MAX).contains(&system.id.len());
        if !fits || !system.id.bytes().all(|b| b.is_ascii_graphic()) || !seen.insert(system.id.clone()) {
            return Err(at("id sai hoặc trùng (bad or twice)"));
        }
        let codes = system.organisations.iter().map(|code| OrganId::parse(code)).collect::<Result<_, _>>();
        let organisations: Vec<OrganId> = codes.map_err(|cause| at(&cause.to_string()))?;
        if organisations.is_empty() {
            return Err(at("organisations: ít nhất một (at least one)"));
        }
        let is_new = system.secret.is_none();
        let secret = system.secret.clone().unwrap_or_else(random_hex);
        if secret.len() < SECRET_LEAST {
            return Err(at(&format!("secret: {SECRET_LEAST} ký tự trở lên (or more characters)")));
        }
        systems.push((System { id: system.id.clone(), secret: secret.into_bytes(), organisations }, is_new));
    }
    Ok(systems)
}

async fn serve(settings: Settings) -> Result<ExitCode, CommandFault> {
    let mut stop = crate::serve::Stop::listen()?;
    let networks = settings.networks.iter().map(|network| network.parse::<Network>());
    let networks: Vec<Network> =
        networks.collect::<Result<_, _>>().map_err(|cause| CommandFault::at("networks", cause))?;
    if !settings.listen.ip().is_loopback() && networks.is_empty() {
        let why = "ngoài máy này cần networks (beyond this machine it needs networks)";
        return Err(CommandFault::at(settings.listen, why));
    }
    if !settings.control.ip().is_loopback() {
        return Err(CommandFault::at(settings.control, "control: chỉ trên máy này (this machine only)"));
    }
    if settings.agencies.len() > AGENCIES_MAX {
        return Err(CommandFault::at("agencies", format!("> {AGENCIES_MAX}")));
    }
    let all = systems(settings.systems)?;
    let temporary = tempfile::Builder::new().prefix("lienthong-axis-").tempdir();
    let temporary = temporary.map_err(|cause| CommandFault::at("temporary folder", cause))?;
    let folder = settings.folder.unwrap_or_else(|| temporary.path().to_owned());
    let plan = Plan {
        systems: all.iter().map(|(system, _)| system.clone()).collect(),
        habits: Habits {
            ours: Vec::new(),
            honours_to: settings.honours_to,
            rewrites: settings.reserialise,
            offers_failed: settings.offers_failed,
            agencies: settings.agencies,
            checks: settings.checks,
            exact: settings.exact,
        },
        networks,
        folder: folder.clone(),
    };
    let axis = Axis::open_at(plan, listen(settings.listen).await?);
    let axis = axis.map_err(|cause| CommandFault::at(folder.display(), cause))?;
    let control = Control::open(axis.clone(), listen(settings.control).await?);
    let control = control.map_err(|cause| CommandFault::at(settings.control, cause))?;
    introduce(&axis, &control, &all);
    stop.asked().await;
    Ok(ExitCode::SUCCESS)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, CommandFault> {
    TcpListener::bind(address).await.map_err(|cause| CommandFault::at(address, cause))
}

/// What somebody needs who is to be connected. A secret that was made just now stands here and nowhere else.
fn introduce(axis: &Arc<Axis>, control: &Control, systems: &[(System, bool)]) {
    let url = axis.url();
    print(
        "Trục thử nghiệm, không dùng cho văn bản thật; Ctrl-C để dừng / An axis to try with; Ctrl-C ends it",
    );
    print(&format!("\nĐịa chỉ / Address:    {url}"));
    print(&format!("Điều khiển / Control: {}/double/faults", control.url()));
    for (system, is_new) in systems {
        let codes: Vec<&str> = system.organisations.iter().map(OrganId::as_str).collect();
        print(&format!("\nHệ thống cho / A system for {}:", codes.join(", ")));
        print(&format!("  service.endpoint={url}\n  systemid={}", system.id));
        match is_new {
            true => print(&format!("  secret={}", String::from_utf8_lossy(&system.secret))),
            false => print("  secret=(trong tệp cấu hình / as in the file)"),
        }
    }
    let id = systems.first().map_or("", |(system, _)| &system.id);
    print("\nTrong cấu hình của lienthong / In the settings of lienthong:");
    print(&format!(
        "  [axes.thu-nghiem]\n  name = \"Trục thử nghiệm\"\n  url = \"{url}\"\n  system_id = \"{id}\"\n  \
         secret_file = \"thu-nghiem.secret\"\n\n  [axes.thu-nghiem.poll]\n  every = \"5s\""
    ));
}
