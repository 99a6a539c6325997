//! Typed settings of the gateway: one TOML file, one source file a section, everything wrong listed at once.
//! Start at [`Settings::load`]; the commented example is `config/examples/lienthong.toml`.
//! Organisation codes stay text here: what a code is, `schemas` knows.

pub mod environment;
mod fault;
mod reading;
mod seal;
mod sections;
mod values;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use environment::Environment;
pub use fault::{FaultCode, SettingsFault};
pub use seal::{MASTER_KEY_BYTES, MasterKey, SealFault, SecretPlace, SecretPlaceFault};
pub use sections::admin_listen::AdminListenSettings;
pub use sections::axes::{AxisAgenciesSettings, AxisPollSettings, AxisSettings, GROUPS_MAX, ToHeader};
pub use sections::broker::{BrokerLogin, BrokerServer, BrokerSettings};
pub use sections::cluster::ClusterSettings;
pub use sections::delivery::{AdapterDeliverySettings, DeliverySettings};
pub use sections::directory::DirectorySettings;
pub use sections::email::{EmailSettings, MailSecurity};
pub use sections::gateway::{GatewaySettings, Profile};
pub use sections::line::{SDK_SYSTEM_ID_BYTES_MAX, SYSTEM_ID_BYTES_MAX};
pub use sections::listen::{ListenSecurity, ListenSettings};
pub use sections::log::{LogFormat, LogLevel, LogSettings};
pub use sections::notify::{GivenUpNotice, NotifySettings};
pub use sections::operators::{OPERATOR_NAME_BYTES_MAX, OperatorRole, OperatorSettings};
pub use sections::outbox::{OutboxEngine, OutboxSettings};
pub use sections::recall::{RecallSettings, Undelivered};
pub use sections::receipt::{ReceiptAfter, ReceiptSettings};
pub use sections::retention::RetentionSettings;
pub use sections::retry::{LineRetrySettings, RetrySettings};
pub use sections::route::{RouteSettings, UpdateReceivers};
pub use sections::sdk::{FanIn, HashFile, SDK_NETWORKS_MAX, SdkSettings};
pub use sections::spool::SpoolSettings;
pub use sections::support::SupportSettings;
pub use sections::systems::{SystemSettings, TOKENS_PER_SYSTEM_MAX, VendorHttpSettings};
pub use sections::trust::{TRUST_FILES_MAX, TRUST_SETS_MAX, TrustSetSettings, TrustSettings};
pub use values::byte_size::{ByteSize, ByteSizeFault};
pub use values::network::{Network, NetworkFault};
pub use values::secret::{SECRET_BYTES_MAX, SECRET_BYTES_MIN, Secret};
pub use values::span::{Span, SpanFault};
pub use values::url::{HttpUrl, HttpUrlFault};

use reading::Reading;

/// Largest settings file read, in bytes. A thousand systems need about 400 kB.
pub const SETTINGS_BYTES_MAX: u64 = 4 << 20;

/// All settings, checked. There is no other way to make them than [`Settings::load`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The file they were read from.
    pub file: PathBuf,
    /// `[gateway]`: who we are and where our data lives.
    pub gateway: GatewaySettings,
    /// `[support]`: whom a sender can ask.
    pub support: SupportSettings,
    /// `[listen]`: the door for connected systems.
    pub listen: ListenSettings,
    /// `[admin_listen]`: the door for metrics and health.
    pub admin_listen: AdminListenSettings,
    /// `[broker]`: the one we run ourselves or somebody else's.
    pub broker: BrokerSettings,
    /// `[cluster]`: this gateway as one of several.
    pub cluster: ClusterSettings,
    /// `[receipt]`: when a sender gets its receipt.
    pub receipt: ReceiptSettings,
    /// `[outbox]`: how the store keeps what has been accepted.
    pub outbox: OutboxSettings,
    /// `[spool]`: how much of the disk packets may take.
    pub spool: SpoolSettings,
    /// `[delivery]`: attempts, pauses and the end of patience.
    pub delivery: DeliverySettings,
    /// `[notify]`: how senders learn of what could not be delivered.
    pub notify: NotifySettings,
    /// `[recall]`: what becomes of a document that its sender takes back.
    pub recall: RecallSettings,
    /// `[route]`: to whom packets go besides their `To`.
    pub route: RouteSettings,
    /// `[directory]`: the file of organisations.
    pub directory: DirectorySettings,
    /// `[trust]`: whose signatures count.
    pub trust: TrustSettings,
    /// `[systems.<id>]`: who may connect; the key is the id, `[a-z0-9-]{1,32}`.
    pub systems: BTreeMap<String, SystemSettings>,
    /// `[axes.<id>]`: axes that documents are handed on to; the key is the id, of the same form, which no system has.
    pub axes: BTreeMap<String, AxisSettings>,
    /// `[operators.<name>]`: who may give commands; the key is the name, `[a-z0-9.-]{1,32}`.
    pub operators: BTreeMap<String, OperatorSettings>,
    /// `[log]`: form and detail of the log.
    pub log: LogSettings,
    /// `[retention]`: how long things are remembered.
    pub retention: RetentionSettings,
}

impl Settings {
    /// Reads settings from a file. Relative paths in it are relative to its folder.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the file: unreadable file, syntax, unknown keys, wrong types, values
    /// out of range, contradictions, missing files, duplicate tokens. The list is never empty.
    pub fn load(file: &Path, environment: &Environment) -> Result<Self, Vec<SettingsFault>> {
        let text = reading::read_limited(file, SETTINGS_BYTES_MAX)
            .map_err(|cause| vec![SettingsFault::unreadable(file, &cause)])?;
        Reading::new(file, &text, environment).run(|root| sections::read(file, root))
    }
}

#[cfg(test)]
mod tests;
