//! `[systems.<id>.sdk]`: a system that speaks the protocol of the national SDK to us. We are its axis: it sends with
//! `sendEdoc`, and fetches what is for it from a mailbox.

use std::collections::BTreeSet;

use crate::environment::SecretOf;
use crate::fault::{FaultCode, Rule};
use crate::reading::{InClear, Section};
use crate::sections::{axes, line};
use crate::values::network::Network;
use crate::values::secret::Secret;

/// Networks that one system may be bound to.
pub const SDK_NETWORKS_MAX: usize = 64;

/// Whether a submission may leave out `hash-file`. The SDK always has it; without it nothing that is signed vouches for
/// the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashFile {
    /// It must be there.
    Required,
    /// It is checked if it is there.
    Optional,
}

/// How a document for several organisations of one system comes into its mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FanIn {
    /// Once for each of them.
    #[default]
    Receiver,
    /// Once for all; what the system says of it is said for each.
    System,
}

/// How a system speaks the SDK's protocol to us.
#[derive(Clone, Debug)]
pub struct SdkSettings {
    /// Its `systemid`, which no other system has: printable ASCII without blanks.
    pub system_id: String,
    /// The keys of the signature over each request: one, or two while it is being changed.
    pub secrets: Vec<Secret>,
    /// Where it may come from; empty: from anywhere.
    pub allowed_cidrs: Vec<Network>,
    /// Packets for it wait in a mailbox until it fetches them. `false`: it only sends this way.
    pub mailbox: bool,
    /// How often a document comes to it that is for several of its organisations.
    pub fan_in: FanIn,
    /// Whether `hash-file` may be left out.
    pub hash_file: HashFile,
    /// Codes of the groups in which it may ask for organisations to be registered and deleted, as written, at most
    /// [`GROUPS_MAX`](crate::GROUPS_MAX); empty: it may not.
    pub register_agencies: Vec<String>,
}

impl SdkSettings {
    /// Reads those of the system `id`. `taken` are the `systemid`s of the systems before it.
    pub(crate) fn read(
        id: &str,
        taken: &mut BTreeSet<String>,
        section: &mut Section<'_, '_>,
    ) -> Option<Self> {
        let system_id = system_id(taken, section);
        let secret = section.required_secret("secret", &SecretOf::Sdk.variable(id), InClear::Refused);
        let next = section.secret("secret_next", &SecretOf::NextSdk.variable(id), InClear::Refused);
        let allowed_cidrs = allowed_cidrs(section);
        let mailbox = section.read("mailbox").unwrap_or(true);
        let words = [("required", HashFile::Required), ("optional", HashFile::Optional)];
        let hash_file = section.choice("hash_file", &words, HashFile::Required);
        let words = [("receiver", FanIn::Receiver), ("system", FanIn::System)];
        let fan_in = section.choice("fan_in", &words, FanIn::default());
        let register_agencies = axes::groups("register_agencies", section);
        let secrets = [secret?].into_iter().chain(next).collect();
        Some(Self {
            system_id: system_id?,
            secrets,
            allowed_cidrs,
            mailbox,
            fan_in,
            hash_file,
            register_agencies,
        })
    }
}

/// It tells who asks, so each system has its own.
fn system_id(taken: &mut BTreeSet<String>, section: &mut Section<'_, '_>) -> Option<String> {
    let text = line::sdk_system_id(section)?;
    if !taken.insert(text.clone()) {
        let rule = Rule::new("một hệ thống khác đã có mã này", "another system has this id");
        section.fault("system_id", FaultCode::Duplicate, rule);
        return None;
    }
    Some(text)
}

fn allowed_cidrs(section: &mut Section<'_, '_>) -> Vec<Network> {
    const KEY: &str = "allowed_cidrs";
    let networks: Vec<Network> = section.read(KEY).unwrap_or_default();
    if networks.len() > SDK_NETWORKS_MAX {
        let most = SDK_NETWORKS_MAX;
        let rule = Rule::new(format!("tối đa {most} mạng"), format!("at most {most} networks"));
        section.fault(KEY, FaultCode::OutOfRange, rule);
    }
    if networks.iter().any(|network| network.prefix() == 0) {
        section.contradiction(
            KEY,
            "không được là toàn bộ Internet; để trống nếu không giới hạn",
            "a network must not be the whole Internet; leave the key out for no limit",
        );
    }
    networks
}
