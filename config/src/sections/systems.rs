//! `[systems.<id>]`: the systems that may connect, and how each is reached.
//! For whom a system may speak is not said here: the directory's `home` decides.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use crate::environment::SecretOf;
use crate::fault::{FaultCode, Rule};
use crate::reading::{InClear, Section};
use crate::sections::email::EmailSettings;
use crate::sections::gateway::LINE_BYTES_MAX;
use crate::sections::line;
use crate::sections::retry::LineRetrySettings;
use crate::sections::sdk::SdkSettings;
use crate::values::secret::Secret;
use crate::values::url::HttpUrl;

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
    /// Packets are posted to it over HTTP. It has at most one of this, `email` and a mailbox; with none of them it takes none.
    pub vendor_http: Option<VendorHttpSettings>,
    /// It is a mail system, and packets go to its mailboxes.
    pub email: Option<EmailSettings>,
    /// It speaks the SDK's protocol to us; with [`SdkSettings::mailbox`] that is its one way in.
    pub sdk: Option<SdkSettings>,
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
    /// Longest time of one request with an empty body; the packet's size adds to it. At most `delivery.attempt_timeout`.
    pub timeout: Duration,
    /// Pauses and patience of its own.
    pub retry: LineRetrySettings,
}

/// Reads all of them; the keys are their ids. `gateway_name` is ours.
pub(crate) fn read(gateway_name: &str, section: &mut Section<'_, '_>) -> BTreeMap<String, SystemSettings> {
    let mut systems = BTreeMap::new();
    let (mut tokens, mut sdk_ids) = (BTreeSet::new(), BTreeSet::new());
    let ids = line::ids(section);
    for id in &ids {
        let system =
            section.section(id, |section| system(id, gateway_name, &mut tokens, &mut sdk_ids, section));
        systems.extend(system.map(|system| (id.clone(), system)));
    }
    for kind in [SecretOf::System, SecretOf::Sdk, SecretOf::NextSdk] {
        line::strange_variables(kind, &ids, section);
    }
    systems
}

fn system(
    id: &str,
    gateway_name: &str,
    tokens: &mut BTreeSet<[u8; 32]>,
    sdk_ids: &mut BTreeSet<String>,
    section: &mut Section<'_, '_>,
) -> Option<SystemSettings> {
    let name = section.required_text("name", LINE_BYTES_MAX);
    let token_sha256 = token_hashes(tokens, section);
    let (has_vendor, has_email) = (section.is_set("vendor_http"), section.is_set("email"));
    if has_vendor && has_email {
        section.contradiction(
            "email",
            "không đi cùng vendor_http: một hệ thống chỉ nhận theo một đường",
            "does not go together with vendor_http: a system has one way in",
        );
    }
    let vendor_http =
        section.section("vendor_http", |section| has_vendor.then(|| vendor_http(id, section))?);
    let email = section
        .section("email", |section| has_email.then(|| EmailSettings::read(id, gateway_name, section))?);
    let has_sdk = section.is_set("sdk");
    let sdk = section.section("sdk", |section| has_sdk.then(|| SdkSettings::read(id, sdk_ids, section))?);
    if sdk.as_ref().is_some_and(|sdk| sdk.mailbox) && (has_vendor || has_email) {
        section.contradiction(
            "sdk",
            "mailbox = true không đi cùng vendor_http, email: một hệ thống chỉ nhận theo một đường",
            "mailbox = true does not go together with vendor_http or email: a system has one way in",
        );
    }
    Some(SystemSettings { name: name?, token_sha256, vendor_http, email, sdk })
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

fn vendor_http(id: &str, section: &mut Section<'_, '_>) -> Option<VendorHttpSettings> {
    let url = line::url(section);
    let secret = section.required_secret("secret", &SecretOf::System.variable(id), InClear::Allowed);
    let ca = section.file("ca");
    let waits = line::waits(section);
    let retry = LineRetrySettings::read(section);
    Some(VendorHttpSettings {
        url: url?,
        secret: secret?,
        ca,
        connect_timeout: waits.connect,
        timeout: waits.whole,
        retry,
    })
}
