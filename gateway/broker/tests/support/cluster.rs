//! Servers of a test's own configuration: one, or three that make a cluster.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use lienthong_broker::{Auth, ServerAddress};

use super::nats_server;

/// The user of every server here that is not asked for another one.
pub(crate) const USER: &str = "gateway";
pub(crate) const PASSWORD: &str = "throw-away";

/// The variable from which shipped settings take the key of their store, and a throw-away one.
const STORE_KEY: (&str, &str) = ("LIENTHONG_JETSTREAM_KEY", "k0123456789abcdef0123456789abcdef");

/// Addresses that nobody has now.
pub(crate) fn free_addresses<const COUNT: usize>() -> [SocketAddr; COUNT] {
    let bound: [TcpListener; COUNT] =
        std::array::from_fn(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bound"));
    std::array::from_fn(|at| bound[at].local_addr().expect("an address"))
}

/// One server process; ended when dropped.
pub(crate) struct Node {
    config: PathBuf,
    child: Option<Child>,
    pub(crate) address: SocketAddr,
}

impl Node {
    /// Not started yet. `more` is put into its configuration as it is.
    pub(crate) fn new(folder: &Path, name: &str, address: SocketAddr, more: &str) -> Self {
        let config = folder.join(format!("{name}.conf"));
        let store = folder.join(name);
        let text = format!(
            "server_name: \"{name}\"\nlisten: \"{address}\"\nmax_payload: 2MB\n\
             jetstream {{ store_dir: \"{}\", sync_interval: always }}\n{more}\n",
            store.display()
        );
        std::fs::write(&config, text).expect("written");
        Self::of_config(config, address)
    }

    /// The same with a configuration that is there.
    pub(crate) fn of_config(config: PathBuf, address: SocketAddr) -> Self {
        Self { config, child: None, address }
    }

    pub(crate) fn start(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let log = self.config.with_extension("log");
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).expect("a log");
        let mut command = Command::new(nats_server());
        command.arg("-c").arg(&self.config).stdout(Stdio::null()).stderr(log);
        command.env(STORE_KEY.0, STORE_KEY.1);
        self.child = Some(command.spawn().expect("started"));
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().and_then(|()| child.wait()).expect("killed");
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How a client gets to these servers.
pub(crate) fn address_of<'a>(nodes: impl IntoIterator<Item = &'a Node>) -> ServerAddress {
    let auth = Auth::UserPassword { user: USER.to_owned(), password: PASSWORD.to_owned() };
    let urls = nodes.into_iter().map(Node::url).collect();
    ServerAddress { urls, auth, tls: false, ca: None, inbox_prefix: None }
}

/// Three nodes, started.
pub(crate) struct Cluster {
    pub(crate) nodes: [Node; 3],
}

impl Cluster {
    pub(crate) fn start(folder: &Path) -> Self {
        let addresses: [SocketAddr; 6] = free_addresses();
        let (clients, routes) = addresses.split_at(3);
        let all: Vec<String> = routes.iter().map(|route| format!("\"nats://{route}\"")).collect();
        let mut nodes: [Node; 3] = std::array::from_fn(|at| {
            let more = format!(
                "authorization {{ user: \"{USER}\", password: \"{PASSWORD}\" }}\n\
                 cluster {{ name: TEST, listen: \"{}\", routes: [{}] }}",
                routes[at],
                all.join(", ")
            );
            Node::new(folder, &format!("node-{at}"), clients[at], &more)
        });
        nodes.iter_mut().for_each(Node::start);
        Self { nodes }
    }

    pub(crate) fn address(&self) -> ServerAddress {
        address_of(&self.nodes)
    }

    /// The node of this name.
    pub(crate) fn named(&mut self, name: &str) -> &mut Node {
        let at: usize = name.trim_start_matches("node-").parse().expect("one of ours");
        &mut self.nodes[at]
    }
}
