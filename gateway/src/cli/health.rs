//! `lienthong health`: asks the running gateway's own listener whether documents can be accepted, for container engines
//! and scripts. Exit 0: yes; 1: no; 3: nobody answers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::{CommandFault, block_on, send};

/// Longest wait for the answer.
const PATIENCE: Duration = Duration::from_secs(4);

#[derive(Args)]
pub(super) struct Health {
    /// Tệp cấu hình TOML / Settings file
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
}

impl Health {
    pub(super) fn run(self) -> Result<ExitCode, CommandFault> {
        let settings = crate::serve::settings::load(&self.config)?;
        block_on(ask(reachable(settings.admin_listen.address)))
    }
}

async fn ask(address: SocketAddr) -> Result<ExitCode, CommandFault> {
    let url = format!("http://{address}/readyz");
    let request = send::client(None)?.get(&url).timeout(PATIENCE);
    let response = request.send().await.map_err(|cause| send::unreachable(&url, cause))?;
    send::answer(&url, response).await
}

/// An address to connect to: a listener on every address is asked on loopback.
fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_asked_on_loopback() {
        for (listener, asked) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:2", "[::1]:2"), ("10.0.0.1:3", "10.0.0.1:3")]
        {
            let parsed = |text: &str| text.parse::<SocketAddr>().expect("an address");
            assert_eq!(reachable(parsed(listener)), parsed(asked));
        }
    }
}
