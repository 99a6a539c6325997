//! Three broker nodes with the settings that are shipped (`config/cluster`), filled in for the loopback and throw-away keys.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use lienthong_broker::program_on_path;
use lienthong_config::{Environment, environment};
use tokio::process::{Child, Command};

use crate::cli::{CommandFault, make_nkey};
use crate::demo::pki::{NodeTls, node_tls};
use crate::demo::world::{free_addresses, random_hex, write};

const SERVER: &str = include_str!("../../../../config/cluster/nats-server.conf");
const NODE: &str = include_str!("../../../../config/cluster/node.conf");
const ACCOUNTS: &str = include_str!("../../../../config/cluster/accounts.conf");

/// The variable from which the nodes take the key of their stores.
const STORE_KEY: &str = "LIENTHONG_JETSTREAM_KEY";
/// How many there are.
pub(super) const NODES: usize = 3;
/// Room of a node: a demo must run on a small disk too.
const STORE_BYTES: &str = "1GB";
/// Room of the account, every copy counted.
const ACCOUNT_BYTES: &str = "2GB";

/// Who stands in the shipped `accounts.conf`, and the file of that one's seed.
const USERS: [(&str, &str); 4] =
    [("U_ADMIN", "admin.nk"), ("U_GW_1", "gw-1.nk"), ("U_GW_2", "gw-2.nk"), ("U_MONITOR", "monitor.nk")];

/// One node.
struct Node {
    name: String,
    folder: PathBuf,
    child: Option<Child>,
}

/// The cluster.
pub(super) struct Cluster {
    nodes: Vec<Node>,
    program: PathBuf,
    store_key: String,
    /// What a gateway's settings name.
    pub(super) urls: String,
    /// The authority of the nodes.
    pub(super) ca: PathBuf,
    folder: PathBuf,
}

impl Cluster {
    /// Makes keys and settings in `folder`, and starts all nodes.
    pub(super) fn start(folder: &Path) -> Result<Self, CommandFault> {
        let io = |cause: std::io::Error| CommandFault::at(folder.display(), cause);
        std::fs::create_dir(folder).map_err(io)?;
        let tls = node_tls(folder, "127.0.0.1")?;
        let mut accounts = ACCOUNTS.replace("max_file: 540GB", &format!("max_file: {ACCOUNT_BYTES}"));
        for (user, seed) in USERS {
            accounts = accounts.replace(user, &make_nkey(&folder.join(seed))?);
        }
        let addresses: [String; 3 * NODES] = free_addresses()?;
        let (clients, others) = addresses.split_at(NODES);
        let (routes, monitoring) = others.split_at(NODES);
        let all: Vec<String> = routes.iter().map(|route| format!("\"tls://{route}\"")).collect();
        let all = format!("[{}]", all.join(", "));
        let mut nodes = Vec::new();
        for at in 0..NODES {
            let name = format!("node-{}", at + 1);
            let of_node = folder.join(&name);
            std::fs::create_dir(&of_node).map_err(io)?;
            let values = [
                ("NODE_NAME", quoted(&name)),
                ("CLIENTS", quoted(&clients[at])),
                ("ROUTES_LISTEN", quoted(&routes[at])),
                ("ROUTES", all.clone()),
                ("CERTIFICATE", path(&tls.certificate)),
                ("KEY", path(&tls.key)),
                ("CA", path(&tls.ca)),
                ("STORE", path(&of_node.join("store"))),
                ("STORE_BYTES", STORE_BYTES.to_owned()),
                ("MONITORING", quoted(&monitoring[at])),
            ];
            write(&of_node.join("node.conf"), filled(&values)?.as_bytes())?;
            write(&of_node.join("accounts.conf"), accounts.as_bytes())?;
            write(&of_node.join("nats-server.conf"), SERVER.as_bytes())?;
            nodes.push(Node { name, folder: of_node, child: None });
        }
        let NodeTls { ca, .. } = tls;
        let urls: Vec<String> = clients.iter().map(|client| format!("tls://{client}")).collect();
        let named = Environment::of_process().value(environment::NATS_SERVER).map(PathBuf::from);
        let mut cluster = Self {
            nodes,
            program: named.unwrap_or_else(program_on_path),
            // A letter first: servers read the variable as a value of their settings.
            store_key: format!("k{}", random_hex()),
            urls: urls.join(","),
            ca,
            folder: folder.to_owned(),
        };
        (0..NODES).try_for_each(|at| cluster.start_node(at))?;
        Ok(cluster)
    }

    /// The file of a gateway's seed.
    pub(super) fn seed(&self, gateway: &str) -> PathBuf {
        self.folder.join(format!("{gateway}.nk"))
    }

    /// The name of a node.
    pub(super) fn name(&self, at: usize) -> &str {
        &self.nodes[at].name
    }

    /// Starts a node, again or for the first time.
    pub(super) fn start_node(&mut self, at: usize) -> Result<(), CommandFault> {
        let node = &mut self.nodes[at];
        let log = node.folder.join("log");
        let output = File::options().create(true).append(true).open(&log);
        let output = output.map_err(|cause| CommandFault::at(log.display(), cause))?;
        let child = Command::new(&self.program)
            .arg("-c")
            .arg(node.folder.join("nats-server.conf"))
            .env(STORE_KEY, &self.store_key)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .kill_on_drop(true)
            .spawn();
        node.child = Some(child.map_err(|cause| CommandFault::at(self.program.display(), cause))?);
        Ok(())
    }

    /// SIGKILL of a node.
    pub(super) async fn kill_node(&mut self, at: usize) -> Result<(), CommandFault> {
        let Some(mut child) = self.nodes[at].child.take() else { return Ok(()) };
        child.kill().await.map_err(|cause| CommandFault::at(&self.nodes[at].name, cause))
    }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

fn path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

/// The shipped file of a node with other values: every key of it, and no other. A list there ends with a line of its own.
fn filled(values: &[(&str, String)]) -> Result<String, CommandFault> {
    let mut text = String::new();
    let mut lines = NODE.lines();
    while let Some(line) = lines.next() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let key = line.split_once(": ").map_or(line, |(key, _)| key);
        let value = values.iter().find(|(name, _)| *name == key);
        let (key, value) = value.ok_or_else(|| CommandFault(format!("node.conf: {key} is not filled in")))?;
        text += &format!("{key}: {value}\n");
        if line.ends_with('[') {
            lines.by_ref().find(|line| *line == "]");
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_not_filled_in_is_named() {
        let fault = filled(&[("NODE_NAME", "\"a\"".to_owned())]).expect_err("others are missing");
        assert!(fault.0.contains("CLIENTS"), "{}", fault.0);
    }
}
