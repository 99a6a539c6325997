//! The world of the demo in one temporary folder: trial keys, directory, settings, receivers; and packets of its
//! agencies. Also the ground that acceptance tests stand on.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use lienthong_schemas::edxml::DocumentBuilder;
use rand::seq::SliceRandom;
use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};
use sha2::{Digest, Sha256};
use xml_sig::SoftwareKey;

use super::child::Gateway;
use super::receiver::Receiver;
use crate::cli::{CommandFault, TrialIdentity, sign_file, trial_pki};

/// One agency of the demo: code, name, the system that is its home.
pub struct Agency {
    /// Organisation code.
    pub code: &'static str,
    /// Name.
    pub name: &'static str,
    /// Id of its system.
    pub system: &'static str,
}

/// Who takes part. The first one sends.
pub const AGENCIES: [Agency; 3] = [
    Agency { code: "H55", name: "UBND tỉnh (thử nghiệm)", system: "qlvb-tinh" },
    Agency { code: "H55.15", name: "Sở Thông tin (thử nghiệm)", system: "qlvb-so" },
    Agency { code: "H55.21", name: "UBND xã (thử nghiệm)", system: "qlvb-xa" },
];

/// The hotline that stands in every refusal of a world's gateway.
pub const HOTLINE: &str = "0208 000 000";

/// What differs from one world to another.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// Lines put into sections of the settings, such as `("delivery", "retry_first = \"1s\"")`.
    pub settings: Vec<(&'static str, String)>,
    /// Lines put into every directory entry.
    pub directory: String,
}

/// What else the files of a world say: organisations that are reached otherwise, and how.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// Sections after those of the settings.
    pub settings: String,
    /// Entries after those of the directory.
    pub directory: String,
}

/// Files and receivers of one world. A clone has the same ones.
#[derive(Clone)]
pub struct World {
    /// Where everything is.
    pub folder: PathBuf,
    /// The settings file.
    pub config: PathBuf,
    /// `host:port` of the public listener.
    pub public: String,
    /// `host:port` of the operator's listener.
    pub admin: String,
    /// The log of the gateway.
    pub log: PathBuf,
    /// A receiver for each agency, in the order of [`AGENCIES`] or whoever takes part.
    pub receivers: Vec<Arc<Receiver>>,
    agencies: &'static [Agency],
    identities: Vec<TrialIdentity>,
    client: reqwest::Client,
}

/// What the gateway answered.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: serde_json::Value,
    /// `Idempotent-Replayed`.
    pub replayed: bool,
}

impl Answer {
    /// `document_id` of a receipt.
    pub fn document_id(&self) -> Result<String, CommandFault> {
        let id = self.body["document_id"].as_str().filter(|_| self.status == 202);
        id.map(str::to_owned)
            .ok_or_else(|| CommandFault(format!("not accepted: {} {}", self.status, self.body)))
    }
}

impl World {
    /// Makes keys, directory, settings and receivers in `folder`, which must exist and be empty.
    pub async fn make(folder: &Path, wishes: &Wishes) -> Result<Self, CommandFault> {
        Self::make_of(&AGENCIES, folder, wishes, &Beside::default()).await
    }

    /// The same of other agencies, each with a system of its own; the first one sends.
    pub async fn make_of(
        agencies: &'static [Agency],
        folder: &Path,
        wishes: &Wishes,
        beside: &Beside,
    ) -> Result<Self, CommandFault> {
        crate::serve::install_crypto();
        let codes: Vec<&str> = agencies.iter().map(|agency| agency.code).collect();
        let identities = trial_pki(&folder.join("pki"), &codes)?;
        let [public, admin] = free_addresses()?;
        let mut receivers = Vec::new();
        let mut systems = String::new();
        for agency in agencies {
            let secret = random_hex();
            let kept = folder.join("receivers").join(agency.system);
            let receiver = Receiver::open(agency.system, &kept, secret.as_bytes()).await;
            let receiver = receiver.map_err(|cause| CommandFault::at(agency.system, cause))?;
            let token = random_hex();
            write(&folder.join(format!("{}.token", agency.system)), token.as_bytes())?;
            systems += &system_settings(agency, &token, &secret, &receiver.url());
            receivers.push(receiver);
        }
        let (config, log) = (folder.join("lienthong.toml"), folder.join("gateway.log"));
        write(
            &folder.join("directory.toml"),
            (directory(agencies, &identities, wishes) + &beside.directory).as_bytes(),
        )?;
        let settings = settings(&public, &admin, wishes) + &systems + &beside.settings;
        write(&config, settings.as_bytes())?;
        let client = reqwest::Client::builder().no_proxy().build();
        let client = client.map_err(|cause| CommandFault::at("HTTP", cause))?;
        let folder = folder.to_owned();
        Ok(Self { folder, config, public, admin, log, receivers, agencies, identities, client })
    }

    /// Starts the gateway of this world.
    pub async fn start(&self, program: &Path, environment: &[(&str, &str)]) -> Result<Gateway, CommandFault> {
        Gateway::start(program, &self.config, &self.log, &self.admin, environment).await
    }

    /// The file with the token of an agency's system.
    pub fn token_file(&self, agency: usize) -> PathBuf {
        self.folder.join(format!("{}.token", self.agencies[agency].system))
    }

    /// Key and certificate of an agency.
    pub fn identity(&self, agency: usize) -> &TrialIdentity {
        &self.identities[agency]
    }

    /// Writes a packet and signs it with the key of an agency. The file's name is `name`.
    pub fn packet(
        &self,
        name: &str,
        document: DocumentBuilder,
        signer: usize,
    ) -> Result<PathBuf, CommandFault> {
        let unsigned = self.unsigned(&format!("{name}.unsigned"), document)?;
        self.sign(name, &unsigned, signer)
    }

    /// Signs a packet with the key of an agency. The result's name is `name`.
    pub fn sign(&self, name: &str, unsigned: &Path, signer: usize) -> Result<PathBuf, CommandFault> {
        let signed = self.folder.join(name);
        let identity = &self.identities[signer];
        let read = |path: &Path| std::fs::read(path).map_err(|cause| CommandFault::at(path.display(), cause));
        let certificate = read(&identity.certificate)?;
        let key = SoftwareKey::from_pem(&read(&identity.key)?, &certificate)
            .map_err(|cause| CommandFault::at(identity.key.display(), cause))?;
        sign_file(unsigned, &signed, &key)?;
        Ok(signed)
    }

    /// Writes a packet without a signature.
    pub fn unsigned(&self, name: &str, document: DocumentBuilder) -> Result<PathBuf, CommandFault> {
        let path = self.folder.join(name);
        let fault = |cause: std::io::Error| CommandFault::at(path.display(), cause);
        let mut out = BufWriter::new(std::fs::File::create(&path).map_err(fault)?);
        document.write_to(&mut out).map_err(fault)?;
        out.flush().map_err(fault)?;
        Ok(path)
    }

    /// Submits a file from an agency's system.
    pub async fn submit(&self, agency: usize, packet: &Path) -> Result<Answer, CommandFault> {
        self.submit_with(agency, packet, &[]).await
    }

    /// The same with more headers.
    pub async fn submit_with(
        &self,
        agency: usize,
        packet: &Path,
        headers: &[(&str, &str)],
    ) -> Result<Answer, CommandFault> {
        let body = std::fs::read(packet).map_err(|cause| CommandFault::at(packet.display(), cause))?;
        let url = format!("http://{}/api/v1/documents", self.public);
        let mut request = self.client.post(url).bearer_auth(self.token(agency)?).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request).await
    }

    /// Asks for a document as an agency's system.
    pub async fn show(&self, agency: usize, document_id: &str) -> Result<Answer, CommandFault> {
        let url = format!("http://{}/api/v1/documents/{document_id}", self.public);
        answer(self.client.get(url).bearer_auth(self.token(agency)?)).await
    }

    /// What `/readyz` says.
    pub async fn readiness(&self) -> Result<serde_json::Value, CommandFault> {
        Ok(answer(self.client.get(format!("http://{}/readyz", self.admin))).await?.body)
    }

    /// The text of `/metrics`.
    pub async fn metrics(&self) -> Result<String, CommandFault> {
        let fault = |cause: reqwest::Error| CommandFault::at("metrics", cause);
        let response =
            self.client.get(format!("http://{}/metrics", self.admin)).send().await.map_err(fault)?;
        response.text().await.map_err(fault)
    }

    fn token(&self, agency: usize) -> Result<String, CommandFault> {
        let path = self.token_file(agency);
        std::fs::read_to_string(&path).map_err(|cause| CommandFault::at(path.display(), cause))
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Result<Answer, CommandFault> {
    let fault = |cause: reqwest::Error| CommandFault::at("gateway", format!("{cause:?}"));
    let response = request.send().await.map_err(fault)?;
    let status = response.status().as_u16();
    let replayed = response.headers().get("idempotent-replayed").is_some_and(|v| v == "true");
    let text = response.text().await.map_err(fault)?;
    let body = serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text));
    Ok(Answer { status, body, replayed })
}

fn settings(public: &str, admin: &str, wishes: &Wishes) -> String {
    let more = |section: &str| {
        let lines =
            wishes.settings.iter().filter(|(s, _)| *s == section).map(|(_, line)| format!("{line}\n"));
        lines.collect::<String>()
    };
    format!(
        "[gateway]\ndata_dir = \"data\"\norgan_id = \"H55.TRUC\"\nname = \"Trục liên thông (thử nghiệm)\"\n\
         profile = \"trial\"\n{}\
         [support]\nhotline = \"{HOTLINE}\"\n\
         [listen]\naddress = \"{public}\"\n{}\
         [admin_listen]\naddress = \"{admin}\"\n\
         [delivery]\nretry_max = \"2s\"\n{}\
         [notify]\n{}\
         [directory]\nfile = \"directory.toml\"\n\
         [trust]\nca = [\"pki/ca.crt\"]\n\
         [broker]\n{}",
        more("gateway"),
        more("listen"),
        more("delivery"),
        more("notify"),
        more("broker"),
    )
}

fn system_settings(agency: &Agency, token: &str, secret: &str, url: &str) -> String {
    let hash = hex::encode(Sha256::digest(token.as_bytes()));
    let id = agency.system;
    format!(
        "\n[systems.{id}]\nname = \"{}\"\ntoken_sha256 = [\"{hash}\"]\n\n[systems.{id}.vendor_http]\nurl = \"{url}\"\n\
         secret = \"{secret}\"\nconnect_timeout = \"2s\"\ntimeout = \"60s\"\n",
        agency.name
    )
}

fn directory(agencies: &[Agency], identities: &[TrialIdentity], wishes: &Wishes) -> String {
    let entry = |(agency, identity): (&Agency, &TrialIdentity)| {
        let certificate = identity.certificate.file_name().map(|name| name.to_string_lossy().into_owned());
        format!(
            "[[organisation]]\norgan_id = \"{}\"\nname = \"{}\"\nhome = {{ system = \"{}\" }}\n\
             signature = \"required\"\ncertificates = [\"pki/{}\"]\n{}\n\n",
            agency.code,
            agency.name,
            agency.system,
            certificate.unwrap_or_default(),
            wishes.directory,
        )
    };
    agencies.iter().zip(identities).map(entry).collect()
}

/// Below the range from which Linux takes the ports of outgoing connections, so that none of those sits on the port
/// while the gateway is down; and beside the ports that a broker of our own chooses from.
const PORTS: std::ops::Range<u16> = 10_000..20_000;
/// Where processes look first, and how much there is.
const PLACES: u32 = 250;
const PORTS_OF_A_PLACE: u16 = 40;

/// An address of the loopback that was free a moment ago: the gateway must have the same one after a restart.
pub fn free_address() -> Result<String, CommandFault> {
    free_addresses().map(|[address]| address)
}

/// So many of them, no two the same: each is held until all are found. A process gives none twice, and processes that run
/// side by side look in different places first: what was given is not always in use at once.
pub fn free_addresses<const N: usize>() -> Result<[String; N], CommandFault> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut random = rand::rng();
    let first = PORTS.start + (std::process::id() % PLACES) as u16 * PORTS_OF_A_PLACE;
    let mut own: Vec<u16> = (first..first + PORTS_OF_A_PLACE).collect();
    own.shuffle(&mut random);
    let others = std::iter::repeat_with(|| random.random_range(PORTS)).take(200);
    let held: Vec<TcpListener> = own
        .into_iter()
        .chain(others)
        .filter(|port| given.insert(*port))
        .filter_map(|port| TcpListener::bind(("127.0.0.1", port)).ok())
        .take(N)
        .collect();
    let addresses = held.iter().filter_map(|listener| listener.local_addr().ok());
    let addresses: Vec<String> = addresses.map(|address| address.to_string()).collect();
    addresses.try_into().map_err(|_| CommandFault("no free port on the loopback".to_owned()))
}

/// A secret or a token of this world.
pub(crate) fn random_hex() -> String {
    hex::encode(rand::rng().random::<[u8; 32]>())
}

/// Writes a file that only its owner reads.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), CommandFault> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(bytes));
    written.map_err(|cause| CommandFault::at(path.display(), cause))
}

/// SHA-256 and length of a file, read in pieces.
pub fn digest(path: &Path) -> Result<(String, u64), CommandFault> {
    let fault = |cause: std::io::Error| CommandFault::at(path.display(), cause);
    let mut reader = BufReader::with_capacity(1 << 18, std::fs::File::open(path).map_err(fault)?);
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    loop {
        let chunk = reader.fill_buf().map_err(fault)?;
        if chunk.is_empty() {
            return Ok((hex::encode(hash.finalize()), bytes));
        }
        hash.update(chunk);
        let read = chunk.len();
        bytes += read as u64;
        reader.consume(read);
    }
}

/// Scanned pages as a scanner would make them, as far as compression is concerned: bytes without a pattern.
pub fn scan(bytes: u64, seed: u64) -> impl Read + Send + 'static {
    struct Scan(StdRng);
    impl Read for Scan {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            self.0.fill_bytes(out);
            Ok(out.len())
        }
    }
    Scan(StdRng::seed_from_u64(seed)).take(bytes)
}
