//! HTTP/1.1 as a peer hears it, by hand, and a vendor's system that says whatever a test wants.

use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::socket::Socket;

/// Longest head taken, in bytes; the gateway's own limit towards an axis is 127 KiB.
const HEAD_BYTES_MAX: usize = 128 * 1024;

/// A request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// When its connection was there.
    pub at: Instant,
    /// Request line and headers, with the blank line.
    pub head: String,
    /// Its body.
    pub body: Vec<u8>,
    /// It was not taken: whoever asked has to come again, or not.
    pub failed: bool,
}

impl Asked {
    /// Reads a whole request; `None` when the other side goes away before its end.
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Self> {
        let at = Instant::now();
        let (head, mut body) = head(stream).await?;
        let mut asked = Self { at, head, body: Vec::new(), failed: false };
        let length = asked.header("content-length").map_or(0, |text| text.parse().expect("a length"));
        while body.len() < length {
            if stream.read_buf(&mut body).await.ok()? == 0 {
                return None;
            }
        }
        asked.body = body;
        Some(asked)
    }

    /// Where it goes, without the host.
    pub fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// A header's value; `None` when it is missing. It must not stand twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

/// A vendor's system that takes whatever comes and answers with the bytes that it was given, at once or when it is told to.
pub struct ScriptedHttp {
    says: Arc<Mutex<Vec<u8>>>,
    asked: watch::Sender<Vec<Asked>>,
    silent: watch::Sender<bool>,
    socket: Socket,
}

impl ScriptedHttp {
    /// Opens one that is content.
    pub(crate) async fn open() -> Self {
        let says = Arc::new(Mutex::new(answer("200 OK", &[], "")));
        let (asked, silent) = (watch::Sender::default(), watch::Sender::new(false));
        let of_socket = (says.clone(), asked.clone(), silent.clone());
        let serve = move |mut stream: TcpStream| {
            let (says, asked, silent) = of_socket.clone();
            async move {
                if let Some(request) = Asked::read(&mut stream).await {
                    asked.send_modify(|all: &mut Vec<Asked>| all.push(request));
                    drop(silent.subscribe().wait_for(|silent| !silent).await);
                    let bytes = says.lock().expect("no panic before").clone();
                    // The gateway may be killed meanwhile.
                    drop(stream.write_all(&bytes).await);
                }
            }
            .boxed()
        };
        Self { says, asked, silent, socket: Socket::open(serve).await }
    }

    /// Where packets are posted.
    pub fn url(&self) -> String {
        format!("http://{}/edxml", self.socket.address())
    }

    /// Takes what comes, and keeps its answers back until this is said again with `false`.
    pub fn is_silent(&self, silent: bool) {
        self.silent.send_replace(silent);
    }

    /// Waits for this many requests that came whole, answered or not; all of them, oldest first.
    pub async fn asked(&self, count: usize) -> Vec<Asked> {
        let mut asked = self.asked.subscribe();
        let wait = tokio::time::timeout(crate::PATIENCE, asked.wait_for(|asked| asked.len() >= count));
        let reached = wait.await.expect("so many requests in time").expect("the peer is there");
        reached.clone()
    }

    /// Answers so from now on.
    pub fn says(&self, bytes: Vec<u8>) {
        *self.says.lock().expect("no panic before") = bytes;
    }
}

/// A header's value in a head; it must not stand twice.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let mut values =
        fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
    let value = values.next();
    assert!(values.next().is_none(), "{name} stands twice in {head}");
    value
}

/// A head with its blank line, and what came behind it.
pub(crate) async fn head(stream: &mut (impl AsyncRead + Unpin)) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Some((String::from_utf8(bytes).expect("a head in UTF-8"), rest));
        }
        assert!(bytes.len() <= HEAD_BYTES_MAX, "a head of {} bytes", bytes.len());
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// A whole answer that ends its connection.
pub fn answer(status: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    (text + "\r\n" + body).into_bytes()
}
