//! Is the supervised server answering? One short hand-shake of the NATS client protocol (INFO, CONNECT, PING, PONG),
//! without the client library, because the supervisor is a plain thread.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde::Deserialize;

use crate::identity::Identity;

const WAIT: Duration = Duration::from_secs(1);
const LINE_BYTES_MAX: u64 = 16 * 1024;

#[derive(Deserialize)]
struct Info {
    server_name: String,
}

/// Connects, checks that it is our server that answers, and logs in. Takes a few seconds at most.
pub(crate) fn hello(identity: &Identity) -> io::Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, identity.port));
    let mut stream = TcpStream::connect_timeout(&address, WAIT)?;
    stream.set_read_timeout(Some(WAIT))?;
    stream.set_write_timeout(Some(WAIT))?;
    let mut lines = BufReader::new(stream.try_clone()?.take(LINE_BYTES_MAX));

    let first = line(&mut lines)?;
    let info = first.strip_prefix("INFO ").ok_or_else(|| io::Error::other("no INFO"))?;
    let info: Info = serde_json::from_str(info).map_err(io::Error::other)?;
    if info.server_name != identity.server_name {
        return Err(io::Error::other("another server has the port"));
    }

    let login = serde_json::json!({ "verbose": false, "user": identity.user, "pass": identity.password });
    stream.write_all(format!("CONNECT {login}\r\nPING\r\n").as_bytes())?;
    loop {
        match line(&mut lines)?.as_str() {
            "PONG" => return Ok(()),
            error if error.starts_with("-ERR") => return Err(io::Error::other(error.to_owned())),
            _ => {}
        }
    }
}

fn line(lines: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if lines.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.truncate(line.trim_end().len());
    Ok(line)
}
