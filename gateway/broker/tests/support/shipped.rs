//! Three nodes with the settings that are shipped (`config/cluster`), filled in for the loopback: what a node has of its
//! own, and throw-away keys.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use lienthong_broker::{Auth, Nkey, ServerAddress};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name};
use tokio::sync::mpsc;

use super::cluster::{Node, free_addresses};

/// Who the shipped `accounts.conf` knows, by what stands there instead of a key.
const USERS: [&str; 4] = ["U_ADMIN", "U_GW_1", "U_GW_2", "U_MONITOR"];

/// The first gateway.
pub(crate) const GATEWAY: &str = "gw-1";
/// Who looks only.
pub(crate) const MONITOR: &str = "monitor";

/// The nodes and the seeds of their users.
pub(crate) struct Shipped {
    pub(crate) nodes: [Node; 3],
    ca: PathBuf,
    seeds: [String; USERS.len()],
}

fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/cluster").join(name);
    std::fs::read_to_string(path).expect("a shipped file")
}

impl Shipped {
    pub(crate) fn start(folder: &Path) -> Self {
        let addresses: [SocketAddr; 9] = free_addresses();
        let (clients, others) = addresses.split_at(3);
        let (routes, monitoring) = others.split_at(3);
        certificates(folder).expect("certificates");
        let nkeys: [Nkey; USERS.len()] = std::array::from_fn(|_| Nkey::generate());
        let accounts = USERS.into_iter().zip(&nkeys).fold(shipped("accounts.conf"), |text, (user, nkey)| {
            assert_eq!(text.matches(user).count(), 1, "{user}");
            text.replace(user, &nkey.public())
        });
        let all: Vec<String> = routes.iter().map(|route| format!("\"tls://{route}\"")).collect();
        let mut nodes: [Node; 3] = std::array::from_fn(|at| {
            let node = folder.join(format!("node-{at}"));
            std::fs::create_dir(&node).expect("made");
            let filled = fill(
                &shipped("node.conf"),
                &[
                    ("NODE_NAME", format!("\"node-{at}\"")),
                    ("CLIENTS", format!("\"{}\"", clients[at])),
                    ("ROUTES_LISTEN", format!("\"{}\"", routes[at])),
                    ("ROUTES", format!("[{}]", all.join(", "))),
                    ("CERTIFICATE", format!("\"{}\"", folder.join("node.pem").display())),
                    ("KEY", format!("\"{}\"", folder.join("node.key").display())),
                    ("CA", format!("\"{}\"", folder.join("ca.pem").display())),
                    ("STORE", format!("\"{}\"", node.join("store").display())),
                    ("STORE_BYTES", "1GB".to_owned()),
                    ("MONITORING", format!("\"{}\"", monitoring[at])),
                ],
            );
            std::fs::write(node.join("node.conf"), filled).expect("written");
            // The account's room is more than these disks are given.
            let small = accounts.replace("max_file: 540GB", "max_file: 2GB");
            assert_ne!(small, accounts);
            std::fs::write(node.join("accounts.conf"), small).expect("written");
            let config = node.join("nats-server.conf");
            std::fs::write(&config, shipped("nats-server.conf")).expect("written");
            Node::of_config(config, clients[at])
        });
        nodes.iter_mut().for_each(Node::start);
        let seeds = nkeys.map(|nkey| nkey.expose_seed().expect("a seed"));
        Self { nodes, ca: folder.join("ca.pem"), seeds }
    }

    /// How this user gets to the nodes.
    pub(crate) fn address(&self, user: &str) -> ServerAddress {
        let at = [("admin", 0), (GATEWAY, 1), ("gw-2", 2), (MONITOR, 3)];
        let (_, at) = at.into_iter().find(|(name, _)| *name == user).expect("one of ours");
        ServerAddress {
            urls: self.nodes.iter().map(|node| format!("tls://{}", node.address)).collect(),
            auth: Auth::Nkey(self.seeds[at].clone()),
            tls: true,
            ca: Some(self.ca.clone()),
            inbox_prefix: Some(format!("_INBOX.{user}")),
        }
    }

    /// A client of this user with nothing around it, and what the server reports to it.
    pub(crate) async fn client(&self, user: &str) -> (Client, mpsc::UnboundedReceiver<String>) {
        let address = self.address(user);
        let Auth::Nkey(seed) = address.auth else { panic!("every user has one") };
        let servers: Vec<ServerAddr> = address.urls.iter().map(|url| url.parse().expect("a url")).collect();
        let (reports, heard) = mpsc::unbounded_channel();
        let client = ConnectOptions::new()
            .nkey(seed)
            .require_tls(true)
            .add_root_certificates(self.ca.clone())
            .custom_inbox_prefix(format!("_INBOX.{user}"))
            .retry_on_initial_connect()
            .event_callback(move |event| {
                let reports = reports.clone();
                async move {
                    if let Event::ServerError(error) = event {
                        reports.send(error.to_string()).ok();
                    }
                }
            });
        (client.connect(servers).await.expect("connects, or will"), heard)
    }
}

/// Puts values in place of those that the shipped file has. A value may go over several lines, in `[` and `]`.
fn fill(text: &str, values: &[(&str, String)]) -> String {
    let mut filled = String::new();
    let mut lines = text.lines();
    let mut found = 0;
    while let Some(line) = lines.next() {
        let value = line.split_once(": ").and_then(|(key, _)| values.iter().find(|(name, _)| *name == key));
        let Some((key, value)) = value else {
            assert!(line.is_empty() || line.starts_with('#'), "{line} is not filled in");
            continue;
        };
        filled += &format!("{key}: {value}\n");
        found += 1;
        if line.ends_with('[') {
            lines.by_ref().find(|line| *line == "]").expect("its end");
        }
    }
    assert_eq!(found, values.len());
    filled
}

/// `ca.pem`, `node.pem`, `node.key`: one certificate for all nodes, for the loopback.
fn certificates(folder: &Path) -> Result<(), ErrorStack> {
    let (ca_key, key) = (key()?, key()?);
    let (ca_name, name) = (name("cluster CA")?, name("node")?);
    let mut ca = begin(&ca_name, &ca_name, &ca_key, 1)?;
    ca.append_extension(BasicConstraints::new().critical().ca().build()?)?;
    ca.append_extension(KeyUsage::new().critical().key_cert_sign().build()?)?;
    ca.sign(&ca_key, MessageDigest::sha256())?;
    let ca = ca.build();
    let mut node = begin(&name, &ca_name, &key, 2)?;
    node.append_extension(KeyUsage::new().critical().digital_signature().build()?)?;
    node.append_extension(ExtendedKeyUsage::new().server_auth().client_auth().build()?)?;
    let names = SubjectAlternativeName::new().ip("127.0.0.1").build(&node.x509v3_context(Some(&ca), None))?;
    node.append_extension(names)?;
    node.sign(&ca_key, MessageDigest::sha256())?;
    let node: X509 = node.build();
    for (file, bytes) in [
        ("ca.pem", ca.to_pem()?),
        ("node.pem", node.to_pem()?),
        ("node.key", key.private_key_to_pem_pkcs8()?),
    ] {
        std::fs::write(folder.join(file), bytes).expect("written");
    }
    Ok(())
}

fn key() -> Result<PKey<Private>, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    PKey::from_ec_key(EcKey::generate(&group)?)
}

fn name(common: &str) -> Result<X509Name, ErrorStack> {
    let mut name = X509Name::builder()?;
    name.append_entry_by_nid(Nid::COMMONNAME, common)?;
    Ok(name.build())
}

fn begin(
    subject: &X509Name,
    issuer: &X509Name,
    key: &PKey<Private>,
    serial: u32,
) -> Result<X509Builder, ErrorStack> {
    let mut builder = X509Builder::new()?;
    builder.set_version(2)?;
    let serial = BigNum::from_u32(serial)?.to_asn1_integer()?;
    builder.set_serial_number(&serial)?;
    builder.set_subject_name(subject)?;
    builder.set_issuer_name(issuer)?;
    let (from, to) = (Asn1Time::days_from_now(0)?, Asn1Time::days_from_now(2)?);
    builder.set_not_before(&from)?;
    builder.set_not_after(&to)?;
    builder.set_pubkey(key)?;
    Ok(builder)
}
