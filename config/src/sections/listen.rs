//! `[listen]`: the door for connected systems, with every limit on what they may do there.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::fault::{FaultCode, Rule};
use crate::reading::Section;
use crate::values::byte_size::ByteSize;
use crate::values::network::Network;
use crate::values::span::Span;

/// Longest `sdk_prefix`, in bytes.
const SDK_PREFIX_BYTES_MAX: usize = 128;

/// What protects the door (design.md B8). A door to other machines without TLS is open to named networks only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenSecurity {
    /// TLS 1.2 or later.
    Tls {
        /// PEM file of the certificate chain.
        cert: PathBuf,
        /// PEM file of the private key.
        key: PathBuf,
    },
    /// Plain HTTP on a loopback address: a proxy before it has the TLS.
    Loopback,
    /// Plain HTTP for callers from these networks; anyone else is turned away.
    InsecureHttp {
        /// At least one; none of them is the whole Internet.
        networks: Vec<Network>,
    },
}

/// The door for connected systems.
#[derive(Clone, Debug)]
pub struct ListenSettings {
    /// Address and port; port 0 lets the system choose.
    pub address: SocketAddr,
    /// TLS or the exception from it.
    pub security: ListenSecurity,
    /// Longest wait for a complete request head.
    pub header_timeout: Duration,
    /// A body slower than this many bytes a second, over [`ListenSettings::slowest_rate_window`], is cut off.
    pub slowest_rate_bytes: u64,
    /// The time over which the rate is measured.
    pub slowest_rate_window: Duration,
    /// Largest packet taken.
    pub body_max: ByteSize,
    /// Uploads that one system may have open at once.
    pub uploads_per_system: usize,
    /// Connections open at once, of all callers.
    pub connections_max: usize,
    /// What the operations of the SDK's protocol stand behind: `/sdk`; `None`: they are switched off.
    pub sdk_prefix: Option<String>,
}

impl ListenSettings {
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        let address = section.read("address").unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080)));
        let security = security(section, address);
        let seconds = |n| Span::new(Duration::from_secs(n));
        let header_timeout = section.ranged("header_timeout", seconds(10), seconds(1), seconds(300));
        let slowest_rate_bytes = section.ranged("slowest_rate_bytes", 16_384, 1, 1 << 30);
        let window = section.ranged("slowest_rate_window", seconds(30), seconds(1), seconds(600));
        let megabytes = |n: u64| ByteSize::new(n * 1_000_000);
        let body_max = section.ranged("body_max", megabytes(200), ByteSize::new(1_000), megabytes(4_000));
        let uploads_per_system = section.count("uploads_per_system", 4, 1, 1_024);
        let connections_max = section.count("connections_max", 1_024, 1, 65_535);
        let sdk_prefix = sdk_prefix(section);
        Some(Self {
            address,
            security: security?,
            header_timeout: header_timeout.duration(),
            slowest_rate_bytes,
            slowest_rate_window: window.duration(),
            body_max,
            uploads_per_system,
            connections_max,
            sdk_prefix,
        })
    }
}

/// Segments of a path, none of them ours; empty for no door.
fn sdk_prefix(section: &mut Section<'_, '_>) -> Option<String> {
    const KEY: &str = "sdk_prefix";
    let text = section.read(KEY).unwrap_or_else(|| "/sdk".to_owned());
    if text.is_empty() {
        return None;
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let segment = |part: &str| !part.is_empty() && part.bytes().all(plain) && part.bytes().any(|b| b != b'.');
    let fits = text.len() <= SDK_PREFIX_BYTES_MAX
        && text
            .strip_prefix('/')
            .is_some_and(|path| path.split('/').all(segment) && path.split('/').next() != Some("api"));
    if !fits {
        let rule = Rule::new(
            format!(
                "phải là đường dẫn như \"/sdk\", không có / ở cuối, không bắt đầu bằng /api, tối đa {SDK_PREFIX_BYTES_MAX} byte; \"\" là tắt"
            ),
            format!(
                "a path such as \"/sdk\" without / at its end, not below /api, at most {SDK_PREFIX_BYTES_MAX} bytes; \"\" switches it off"
            ),
        );
        section.fault(KEY, FaultCode::WrongType, rule);
    }
    Some(text)
}

/// The three ways to be safe, of which exactly one must be meant.
fn security(section: &mut Section<'_, '_>, address: SocketAddr) -> Option<ListenSecurity> {
    let cert = section.file("tls_cert");
    let key = section.file("tls_key");
    let insecure = section.read("insecure_http").unwrap_or(false);
    let networks: Vec<Network> = section.read("insecure_networks").unwrap_or_default();
    if networks.iter().any(|network| network.prefix() == 0) {
        section.contradiction(
            "insecure_networks",
            "không được là toàn bộ Internet",
            "a network must not be the whole Internet",
        );
    }
    if !insecure && !networks.is_empty() {
        section.contradiction(
            "insecure_networks",
            "chỉ dùng khi insecure_http = true",
            "only with insecure_http = true",
        );
    }
    match (section.is_set("tls_cert"), section.is_set("tls_key"), insecure) {
        (true, true, false) => return Some(ListenSecurity::Tls { cert: cert?, key: key? }),
        (true, true, true) => section.contradiction(
            "insecure_http",
            "không đi cùng tls_cert và tls_key",
            "does not go together with tls_cert and tls_key",
        ),
        (true, false, _) => section.contradiction("tls_cert", "thiếu tls_key", "tls_key is missing"),
        (false, true, _) => section.contradiction("tls_key", "thiếu tls_cert", "tls_cert is missing"),
        (false, false, true) if networks.is_empty() => section.contradiction(
            "insecure_http",
            "phải kèm danh sách insecure_networks",
            "needs a list insecure_networks of callers",
        ),
        (false, false, true) => return Some(ListenSecurity::InsecureHttp { networks }),
        (false, false, false) if address.ip().to_canonical().is_loopback() => return Some(ListenSecurity::Loopback),
        (false, false, false) => section.contradiction(
            "address",
            "địa chỉ ngoài máy này cần tls_cert và tls_key, hoặc insecure_http = true kèm insecure_networks",
            "an address beyond this machine needs tls_cert and tls_key, or insecure_http = true with insecure_networks",
        ),
    }
    None
}
