//! From an address to a client that connects in the background, tries for ever, and logs what the server refuses.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use lienthong_pipeline::ports::Fault;
use tokio::sync::Notify;

use crate::PLACE;
use crate::nkey::Nkey;
use crate::refusals::Refusals;

/// A half-open link is noticed after two of these.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const CONNECTION_WAIT: Duration = Duration::from_secs(5);
const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(2);

/// Who we are to the server.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    /// Nobody in particular.
    None,
    /// By name and password.
    UserPassword {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// By a shared token.
    Token(String),
    /// By an nkey: its seed (`SU…`).
    Nkey(String),
    /// By a creds file (JWT and seed).
    CredsFile(PathBuf),
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::UserPassword { .. } => "UserPassword(***)",
            Self::Token(_) => "Token(***)",
            Self::Nkey(_) => "Nkey(***)",
            Self::CredsFile(_) => "CredsFile(***)",
        })
    }
}

/// Where the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// One or more of `nats://host:port`, `tls://host:port`. No user or password in them: URLs get into logs.
    pub urls: Vec<String>,
    /// Who we are.
    pub auth: Auth,
    /// No connection without TLS, whatever the URLs say.
    pub tls: bool,
    /// A PEM file with certificate authorities, beside the system's.
    pub ca: Option<PathBuf>,
    /// What the subjects of answers begin with; `None`: `_INBOX`.
    pub inbox_prefix: Option<String>,
}

/// A client in the state "connecting". Returns at once; fails only on settings that cannot work (no or broken URL,
/// unreadable creds file).
/// `connected` is told of each connection, `refusals` of what the server refuses.
pub(crate) async fn client(
    address: &ServerAddress,
    name: &str,
    connected: Arc<Notify>,
    refusals: Arc<Refusals>,
) -> Result<Client, Fault> {
    let servers = servers(&address.urls)?;
    let mut options = ConnectOptions::new()
        .name(name)
        .retry_on_initial_connect()
        .max_reconnects(None)
        .ping_interval(PING_INTERVAL)
        .connection_timeout(CONNECTION_WAIT)
        .reconnect_delay_callback(reconnect_delay)
        .event_callback(move |event| {
            let (connected, refusals) = (connected.clone(), refusals.clone());
            async move {
                log(&event);
                if let Event::ServerError(error) = &event {
                    refusals.note(error);
                }
                if let Event::ClientError(error) = &event {
                    refusals.note_away(error);
                }
                if event == Event::Connected {
                    refusals.connected();
                    connected.notify_one();
                }
            }
        })
        .require_tls(address.tls);
    if let Some(ca) = &address.ca {
        options = options.add_root_certificates(ca.clone());
    }
    if let Some(prefix) = &address.inbox_prefix {
        options = options.custom_inbox_prefix(prefix);
    }
    options = match &address.auth {
        Auth::None => options,
        Auth::UserPassword { user, password } => options.user_and_password(user.clone(), password.clone()),
        Auth::Token(token) => options.token(token.clone()),
        Auth::Nkey(seed) => {
            Nkey::of_seed(seed)?;
            options.nkey(seed.trim().to_owned())
        }
        Auth::CredsFile(path) => {
            let read = options.credentials_file(path).await;
            read.map_err(|error| Fault::new(PLACE, format!("creds file {}: {error}", path.display())))?
        }
    };
    options.connect(servers).await.map_err(|error| Fault::new(PLACE, error))
}

fn servers(urls: &[String]) -> Result<Vec<ServerAddr>, Fault> {
    if urls.is_empty() {
        return Err(Fault::new(PLACE, "no server url"));
    }
    let parse = |url: &String| {
        // The text stays out of the message: it may hold a password.
        let server: ServerAddr = url.parse().map_err(|_| Fault::new(PLACE, "a server url cannot be read"))?;
        if server.has_user_pass() {
            return Err(Fault::new(
                PLACE,
                "a server url holds a user or password; they have settings of their own",
            ));
        }
        Ok(server)
    };
    urls.iter().map(parse).collect()
}

fn reconnect_delay(attempts: usize) -> Duration {
    let tenths = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
    Duration::from_millis(100).saturating_mul(tenths).min(RECONNECT_DELAY_MAX)
}

/// A refused permission shows elsewhere as a timeout only; here is its reason.
fn log(event: &Event) {
    match event {
        Event::Connected => tracing::info!("connected to the broker"),
        Event::Disconnected => tracing::warn!("disconnected from the broker"),
        Event::ServerError(error) => tracing::error!(%error, "the broker reports an error"),
        Event::ClientError(error) => tracing::debug!(%error, "the broker's client reports an error"),
        Event::SlowConsumer(_) => tracing::error!("messages of the broker were dropped: too slow"),
        Event::LameDuckMode | Event::Draining | Event::Closed => {
            tracing::info!(%event, "the broker's connection")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        for auth in [
            Auth::UserPassword { user: "s3cret".into(), password: "s3cret".into() },
            Auth::Token("s3cret".into()),
            Auth::Nkey("s3cret".into()),
            Auth::CredsFile("s3cret".into()),
        ] {
            assert!(!format!("{auth:?}").contains("s3cret"));
        }
    }

    #[test]
    fn a_url_with_a_password_is_refused_without_repeating_it() {
        for url in ["nats://me:s3cret@host:4222", "nats://s3cret:4x2"] {
            let fault = servers(&[url.to_owned()]).expect_err("refused");
            assert!(!fault.to_string().contains("s3cret"), "{fault}");
        }
        assert!(servers(&[]).is_err());
        assert_eq!(servers(&["tls://host:4222".to_owned()]).map(|servers| servers.len()).ok(), Some(1));
    }

    #[test]
    fn reconnects_never_wait_long() {
        assert_eq!(reconnect_delay(1), Duration::ZERO);
        assert_eq!(reconnect_delay(usize::MAX), RECONNECT_DELAY_MAX);
    }
}
