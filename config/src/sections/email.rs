//! `[systems.<id>.email]`: a mail system (RFC 6409 submission) that takes packets for its mailboxes.
//! Which mailbox, the directory says.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::environment::SecretOf;
use crate::fault::{FaultCode, Rule};
use crate::reading::{InClear, Section};
use crate::sections::gateway::LINE_BYTES_MAX;
use crate::sections::line;
use crate::sections::retry::LineRetrySettings;
use crate::values::byte_size::ByteSize;
use crate::values::secret::Secret;

/// Longest mailbox taken, in bytes (RFC 5321 section 4.5.3.1.3, brackets left out).
const MAILBOX_BYTES_MAX: usize = 254;

/// Longest local part of a mailbox, in bytes (RFC 5321 section 4.5.3.1.1).
const LOCAL_PART_BYTES_MAX: usize = 64;

/// Longest host name, in bytes (RFC 1035 section 2.3.4).
const HOST_BYTES_MAX: usize = 253;

/// How the connection to the mail server is encrypted. There is no third way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailSecurity {
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// TLS after the command STARTTLS (RFC 3207), never without.
    Starttls,
}

impl MailSecurity {
    /// The port of submission (RFC 8314 section 7.3, RFC 6409 section 3.1).
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Tls => 465,
            Self::Starttls => 587,
        }
    }
}

/// A mail system that takes packets.
#[derive(Clone, Debug)]
pub struct EmailSettings {
    /// The submission server: a name or an IP address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub security: MailSecurity,
    /// Our name there.
    pub user: String,
    /// Our password there.
    pub password: Secret,
    /// The mailbox that messages come from, `local@domain` in ASCII.
    pub from: String,
    /// The name beside it, as clerks read it.
    pub from_name: String,
    /// PEM file of the authorities that may vouch for the server; `None`: the system's.
    pub ca: Option<PathBuf>,
    /// Largest message it takes, encoded, headers included.
    pub message_max: ByteSize,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest time of one attempt.
    pub timeout: Duration,
    /// Pauses and patience of its own.
    pub retry: LineRetrySettings,
}

impl EmailSettings {
    /// `id` is the system's, `gateway_name` the name where none is set.
    pub(crate) fn read(id: &str, gateway_name: &str, section: &mut Section<'_, '_>) -> Option<Self> {
        let host = host(section);
        let words = [("tls", MailSecurity::Tls), ("starttls", MailSecurity::Starttls)];
        let security = section.choice("security", &words, MailSecurity::Tls);
        let port = section.ranged("port", u64::from(security.default_port()), 1, u64::from(u16::MAX));
        let user = section.required_text("user", LINE_BYTES_MAX);
        let password = section.required_secret("password", &SecretOf::System.variable(id), InClear::Allowed);
        let from = from(section);
        let from_name = section.text("from_name", LINE_BYTES_MAX);
        let ca = section.file("ca");
        let megabytes = |n: u64| ByteSize::new(n * 1_000_000);
        let message_max =
            section.ranged("message_max", megabytes(25), ByteSize::new(200_000), megabytes(200));
        let waits = line::waits(section);
        let retry = LineRetrySettings::read(section);
        Some(Self {
            host: host?,
            port: u16::try_from(port).unwrap_or(security.default_port()),
            security,
            user: user?,
            password: password?,
            from: from?,
            from_name: from_name.map(|name| if name.is_empty() { gateway_name.to_owned() } else { name })?,
            ca,
            message_max,
            connect_timeout: waits.connect,
            timeout: waits.whole,
            retry,
        })
    }
}

fn host(section: &mut Section<'_, '_>) -> Option<String> {
    let host: String = section.required("host")?;
    if host.parse::<IpAddr>().is_ok() || (host.len() <= HOST_BYTES_MAX && is_domain(&host)) {
        return Some(host);
    }
    let rule = Rule::new(
        "phải là tên máy hoặc địa chỉ IP, không kèm cổng",
        "a host name or an IP address, without a port",
    );
    section.fault("host", FaultCode::WrongType, rule);
    None
}

fn from(section: &mut Section<'_, '_>) -> Option<String> {
    let from: String = section.required("from")?;
    if is_mailbox(&from) {
        return Some(from);
    }
    let rule = Rule::new(
        "phải là một hộp thư dạng ten@ten-mien, chỉ gồm ASCII",
        "one mailbox of the form local@domain, in ASCII",
    );
    section.fault("from", FaultCode::WrongType, rule);
    None
}

/// Labels of letters, digits and hyphens between dots (RFC 952, RFC 1123 section 2.1).
fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(fits)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.split('.').all(label)
}

/// A mailbox without quoting, comments or an address literal (RFC 5321 section 4.1.2).
fn is_mailbox(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&b);
    let atoms = local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(fits));
    text.len() <= MAILBOX_BYTES_MAX && local.len() <= LOCAL_PART_BYTES_MAX && atoms && is_domain(domain)
}
