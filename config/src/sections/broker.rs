//! `[broker]`: the message broker, run by us (no `url`) or by somebody else.

use std::path::PathBuf;

use crate::environment;
use crate::fault::{FaultCode, Rule};
use crate::reading::{InClear, Section};
use crate::values::byte_size::ByteSize;
use crate::values::secret::Secret;

/// Where the broker runs.
#[derive(Clone, Debug)]
pub enum BrokerServer {
    /// The gateway starts, watches and stops one of its own.
    Managed {
        /// The program; `None`: the one on `PATH`.
        nats_server: Option<PathBuf>,
    },
    /// It runs elsewhere.
    External {
        /// One or more addresses of one cluster, separated by commas, without passwords.
        url: String,
        /// How we log in.
        login: BrokerLogin,
        /// PEM file of the authorities that may vouch for it; `None`: the system's.
        ca: Option<PathBuf>,
        /// What the subjects of answers to us begin with; `None`: the broker's `_INBOX`.
        inbox_prefix: Option<String>,
    },
}

/// How we log in to a broker that is not ours.
#[derive(Clone, Debug)]
pub enum BrokerLogin {
    /// Not at all.
    None,
    /// Name and password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token.
    Token(Secret),
    /// An nkey: the server knows our public key, and we sign what it makes up.
    Nkey(Secret),
    /// A credentials file, as the broker's own tools write it.
    Credentials(PathBuf),
}

/// The message broker.
#[derive(Clone, Debug)]
pub struct BrokerSettings {
    /// Ours or somebody else's.
    pub server: BrokerServer,
    /// Copies of each stream: 1, 3 or 5; always 1 when managed.
    pub replicas: usize,
    /// Room for all streams and packets.
    pub max_store: ByteSize,
}

/// Keys that only an external broker has.
const EXTERNAL_KEYS: [&str; 13] = [
    "user",
    "password",
    "password_file",
    "password_sealed",
    "token",
    "token_file",
    "token_sealed",
    "nkey_seed_file",
    "nkey_seed_sealed",
    "inbox_prefix",
    "credentials",
    "ca",
    "replicas",
];

/// Variables with what we log in by.
const LOGIN_VARIABLES: [&str; 3] =
    [environment::BROKER_PASSWORD, environment::BROKER_TOKEN, environment::BROKER_NKEY_SEED];

/// Longest prefix of the subjects of answers, in bytes.
const INBOX_PREFIX_BYTES_MAX: usize = 64;

impl BrokerSettings {
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        let gigabytes = |n: u64| ByteSize::new(n * 1_000_000_000);
        let least = ByteSize::new(64_000_000);
        let max_store = section.ranged("max_store", gigabytes(10), least, gigabytes(100_000));
        let replicas = section.count("replicas", 1, 1, 5);
        if replicas.is_multiple_of(2) {
            section.fault("replicas", FaultCode::OutOfRange, Rule::new("phải là 1, 3 hoặc 5", "1, 3 or 5"));
        }
        let nats_server = program(section);
        let login = login(section);
        let ca = section.file("ca");
        let inbox_prefix = inbox_prefix(section);
        let server = match url(section) {
            None => {
                for key in EXTERNAL_KEYS.into_iter().filter(|key| *key != "replicas" || replicas > 1) {
                    if section.is_set(key) {
                        section.contradiction(key, "chỉ dùng khi khai url", "only together with url");
                    }
                }
                for variable in LOGIN_VARIABLES {
                    if section.environment().value(variable).is_some() {
                        section.contradiction(variable, "chỉ dùng khi khai url", "only together with url");
                    }
                }
                BrokerServer::Managed { nats_server }
            }
            Some(url) => {
                if section.is_set("nats_server") {
                    section.contradiction(
                        "nats_server",
                        "không đi cùng url",
                        "does not go together with url",
                    );
                }
                BrokerServer::External { url, login: login?, ca, inbox_prefix }
            }
        };
        Some(Self { server, replicas, max_store })
    }
}

/// The broker's addresses, when it is not ours. What scheme they have, the broker's client knows.
fn url(section: &mut Section<'_, '_>) -> Option<String> {
    let url: String = section.read("url")?;
    let host = |address: &str| {
        let (_, host) = address.trim().split_once("://")?;
        (!host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && b != b'@')).then_some(())
    };
    if !url.split(',').all(|address| host(address).is_some()) {
        let rule = Rule::new(
            "phải là địa chỉ dạng giao-thức://máy:cổng, không kèm mật khẩu",
            "addresses of the form scheme://host:port, without passwords",
        );
        section.fault("url", FaultCode::WrongType, rule);
    }
    Some(url)
}

/// Tokens of letters, digits, `_` and `-`, with points between them: it stands in subjects.
fn inbox_prefix(section: &mut Section<'_, '_>) -> Option<String> {
    let prefix: String = section.read("inbox_prefix")?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let tokens = || prefix.split('.').all(|token| !token.is_empty() && token.bytes().all(is_plain));
    if prefix.len() <= INBOX_PREFIX_BYTES_MAX && tokens() {
        return Some(prefix);
    }
    let rule = Rule::new(
        format!(
            "chỉ gồm chữ, số, _ và -, cách nhau bằng dấu chấm, tối đa {INBOX_PREFIX_BYTES_MAX} byte, như _INBOX.gw-1"
        ),
        format!(
            "letters, digits, _ and -, with points between, {INBOX_PREFIX_BYTES_MAX} bytes at most, as in _INBOX.gw-1"
        ),
    );
    section.fault("inbox_prefix", FaultCode::WrongType, rule);
    None
}

/// The program to run: from the settings, else from the environment.
fn program(section: &mut Section<'_, '_>) -> Option<PathBuf> {
    let named = section.path("nats_server");
    if section.is_set("nats_server") {
        return named.and_then(|path| section.existing("nats_server", path));
    }
    section.environment().value(environment::NATS_SERVER).map(PathBuf::from)
}

/// At most one way to log in.
fn login(section: &mut Section<'_, '_>) -> Option<BrokerLogin> {
    let user: Option<String> = section.read("user");
    let password = section.secret("password", environment::BROKER_PASSWORD, InClear::Allowed);
    let token = section.secret("token", environment::BROKER_TOKEN, InClear::Allowed);
    let seed = section.secret("nkey_seed", environment::BROKER_NKEY_SEED, InClear::Refused);
    let credentials = section.file("credentials");
    let ways = [
        user.is_some() || password.is_some(),
        token.is_some(),
        seed.is_some(),
        section.is_set("credentials"),
    ];
    if ways.into_iter().filter(|way| *way).count() > 1 {
        section.contradiction(
            "user",
            "chỉ một cách đăng nhập: user và password, token, nkey_seed, hoặc credentials",
            "one way to log in: user and password, token, nkey_seed, or credentials",
        );
    }
    match (user, password) {
        (Some(user), Some(password)) => return Some(BrokerLogin::Password { user, password }),
        (Some(_), None) => section.contradiction("user", "thiếu password", "password is missing"),
        (None, Some(_)) => section.contradiction("password", "thiếu user", "user is missing"),
        (None, None) if section.is_set("credentials") => return credentials.map(BrokerLogin::Credentials),
        (None, None) => {
            let key = token.map(BrokerLogin::Token).or(seed.map(BrokerLogin::Nkey));
            return Some(key.unwrap_or(BrokerLogin::None));
        }
    }
    None
}
