//! The systems that speak the SDK's protocol: their ids, secrets and networks. Replaced as a whole at a reload.

use std::collections::HashMap;
use std::net::IpAddr;

use lienthong_config::{FanIn, HashFile, Network, Settings};
use lienthong_pipeline::record::SystemId;
use lienthong_schemas::organ::OrganGroup;
use rand::Rng;

use super::signed::Claim;

/// Secrets tried for every request, whoever it claims to be from.
const SECRETS: usize = 2;

/// One system.
#[derive(Clone)]
pub struct Account {
    /// Which one.
    pub system: SystemId,
    /// It has a mailbox here.
    pub mailbox: bool,
    /// How often a document comes there that is for several of its organisations.
    pub fan_in: FanIn,
    /// Whether a submission may leave out `hash-file`.
    pub hash_file: HashFile,
    /// The groups in which it may ask for organisations to be registered; none: it may not.
    pub register: Vec<OrganGroup>,
    secrets: Vec<Vec<u8>>,
    networks: Vec<Network>,
}

impl Account {
    /// Whether it may call from this address.
    pub(super) fn allows(&self, address: IpAddr) -> bool {
        self.networks.is_empty() || self.networks.iter().any(|network| network.contains(address))
    }

    /// Whether its settings name this address.
    pub(super) fn names(&self, address: IpAddr) -> bool {
        !self.networks.is_empty() && self.allows(address)
    }
}

/// All of them, by `systemid`.
pub struct Accounts {
    by_id: HashMap<String, Account>,
    /// Stands in for a system that there is not, and for a second secret.
    nobody: Vec<u8>,
}

impl Accounts {
    /// Those of the settings.
    pub fn of(settings: &Settings) -> Self {
        let accounts = settings.systems.iter().filter_map(|(id, system)| {
            let sdk = system.sdk.as_ref()?;
            let account = Account {
                system: SystemId::parse(id)?,
                mailbox: sdk.mailbox,
                fan_in: sdk.fan_in,
                hash_file: sdk.hash_file,
                register: sdk
                    .register_agencies
                    .iter()
                    .filter_map(|text| OrganGroup::parse(text).ok())
                    .collect(),
                secrets: sdk.secrets.iter().map(|secret| secret.expose().as_bytes().to_vec()).collect(),
                networks: sdk.allowed_cidrs.clone(),
            };
            Some((sdk.system_id.clone(), account))
        });
        Self { by_id: accounts.collect(), nobody: rand::rng().random::<[u8; 32]>().to_vec() }
    }

    /// Whose id this is.
    pub(super) fn find(&self, system_id: &str) -> Option<&Account> {
        self.by_id.get(system_id)
    }

    /// Whose secret made the signature of this claim: as many are tried for an id that nobody has.
    pub(super) fn signer_of(&self, claim: &Claim<'_>) -> Option<&Account> {
        let account = self.find(claim.system_id);
        let mut signed = false;
        for at in 0..SECRETS {
            let secret = account.and_then(|account| account.secrets.get(at));
            let fits = claim.is_signed_by(secret.unwrap_or(&self.nobody));
            signed |= fits & secret.is_some();
        }
        account.filter(|_| signed)
    }
}
