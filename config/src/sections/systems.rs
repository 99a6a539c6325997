//! `[systems.<id>]`: the systems that may connect, and how each is reached.
//! For whom a system may speak is not said here: the directory's `home` decides.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use crate::environment::Environment;
use crate::fault::{FaultCode, Rule};
use crate::reading::Section;
use crate::sections::gateway::LINE_BYTES_MAX;
use crate::values::secret::{SECRET_BYTES_MIN, Secret};
use crate::values::span::Span;
use crate::values::url::HttpUrl;

/// Longest id of a system, in bytes.
pub const SYSTEM_ID_BYTES_MAX: usize = 32;

/// Tokens that one system may have at once.
pub const TOKENS_PER_SYSTEM_MAX: usize = 8;

/// A connected system.
#[derive(Clone, Debug)]
pub struct SystemSettings {
    /// Its name, as operators read it.
    pub name: String,
    /// SHA-256 of each token that it may show. Two at once let a token be changed without a pause; none: it cannot
    /// send to us.
    pub token_sha256: Vec<[u8; 32]>,
    /// How packets are handed to it; `None`: it takes none.
    pub vendor_http: Option<VendorHttpSettings>,
}

/// The way out to a vendor's document system over HTTP.
#[derive(Clone, Debug)]
pub struct VendorHttpSettings {
    /// Where packets are posted.
    pub url: HttpUrl,
    /// The key of the signature over each request, shared with the vendor.
    pub secret: Secret,
    /// PEM file of the authorities that may vouch for the vendor; `None`: the system's.
    pub ca: Option<PathBuf>,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest time of one request.
    pub timeout: Duration,
}

/// Reads all of them; the keys are their ids.
pub(crate) fn read(section: &mut Section<'_, '_>) -> BTreeMap<String, SystemSettings> {
    let mut systems = BTreeMap::new();
    let mut tokens = BTreeSet::new();
    let ids = section.names();
    for id in &ids {
        if !is_id(id) {
            let rule = Rule::new(
                "tên hệ thống chỉ gồm a-z, 0-9, dấu gạch nối, tối đa 32 ký tự",
                "the id of a system has a-z, 0-9 and hyphens only, at most 32",
            );
            section.fault(id, FaultCode::WrongType, rule);
        }
        let system = section.section(id, |section| system(id, &mut tokens, section));
        systems.extend(system.map(|system| (id.clone(), system)));
    }
    let variables: Vec<String> = ids.iter().map(|id| Environment::system_secret(id)).collect();
    let strangers =
        section.environment().system_secrets().filter(|name| !variables.iter().any(|v| v == name));
    for variable in strangers {
        let rule = Rule::new(
            format!("biến môi trường {variable} không ứng với hệ thống nào"),
            format!("the variable {variable} belongs to no system"),
        );
        section.fault(variable, FaultCode::UnknownKey, rule);
    }
    systems
}

fn is_id(id: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=SYSTEM_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(fits)
}

fn system(
    id: &str,
    tokens: &mut BTreeSet<[u8; 32]>,
    section: &mut Section<'_, '_>,
) -> Option<SystemSettings> {
    let name = section.required_text("name", LINE_BYTES_MAX);
    let token_sha256 = token_hashes(tokens, section);
    let has_vendor = section.is_set("vendor_http");
    let vendor_http = section.section("vendor_http", |section| vendor_http(id, has_vendor, section));
    Some(SystemSettings { name: name?, token_sha256, vendor_http })
}

/// The hashes of a system's tokens, which no other system has.
fn token_hashes(tokens: &mut BTreeSet<[u8; 32]>, section: &mut Section<'_, '_>) -> Vec<[u8; 32]> {
    const KEY: &str = "token_sha256";
    let texts: Vec<String> = section.read(KEY).unwrap_or_default();
    if texts.len() > TOKENS_PER_SYSTEM_MAX {
        let most = TOKENS_PER_SYSTEM_MAX;
        let rule = Rule::new(format!("tối đa {most} mã"), format!("at most {most} tokens"));
        section.fault(KEY, FaultCode::OutOfRange, rule);
    }
    let mut hashes = Vec::new();
    for text in texts {
        let mut hash = [0; 32];
        if hex::decode_to_slice(&text, &mut hash).is_err() {
            let rule = Rule::new("mỗi mã là SHA-256 gồm 64 chữ số hex", "each is a SHA-256 of 64 hex digits");
            section.fault(KEY, FaultCode::WrongType, rule);
        } else if tokens.insert(hash) {
            hashes.push(hash);
        } else {
            let rule = Rule::new("một mã khai hai lần", "a token stands twice, here or in another system");
            section.fault(KEY, FaultCode::Duplicate, rule);
        }
    }
    hashes
}

fn vendor_http(id: &str, is_set: bool, section: &mut Section<'_, '_>) -> Option<VendorHttpSettings> {
    if !is_set {
        return None;
    }
    let url: Option<HttpUrl> = section.required("url");
    let insecure = section.read("insecure_http").unwrap_or(false);
    if url.as_ref().is_some_and(|url| !url.is_https() && !url.is_loopback() && !insecure) {
        section.contradiction(
            "url",
            "phải là https://, trừ khi khai insecure_http = true",
            "must be https://, unless insecure_http = true",
        );
    }
    let variable = Environment::system_secret(id);
    let faults_before = section.faults_noted();
    let secret = section.secret("secret", &variable, SECRET_BYTES_MIN);
    if secret.is_none() && section.faults_noted() == faults_before {
        let rule = Rule::new(
            format!("cần secret, secret_file hoặc biến môi trường {variable}"),
            format!("secret, secret_file or the variable {variable} is needed"),
        );
        section.fault("secret", FaultCode::Missing, rule);
    }
    let ca = section.file("ca");
    let seconds = |n| Span::new(Duration::from_secs(n));
    let connect_timeout = section.ranged("connect_timeout", seconds(10), seconds(1), seconds(300));
    let timeout = section.ranged("timeout", seconds(120), seconds(1), seconds(3_600));
    if connect_timeout > timeout {
        section.contradiction("connect_timeout", "dài hơn timeout", "longer than timeout");
    }
    Some(VendorHttpSettings {
        url: url?,
        secret: secret?,
        ca,
        connect_timeout: connect_timeout.duration(),
        timeout: timeout.duration(),
    })
}
