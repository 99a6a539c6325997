//! An axis that does what a test tells it. While it is well, the demo's axis answers, which verifies every request by
//! code of its own; this one stands before it, hears everything, and has its moods.

use std::path::Path;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use lienthong::demo::axis::Axis;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::http_peer::{Asked, answer, head, header};
use crate::socket::Socket;

/// The id that it knows the gateway by.
pub const SYSTEM_ID: &str = "thu-nghiem.truc.01";

/// What becomes of one request.
#[derive(Clone, Debug)]
pub enum Manner {
    /// It is verified and taken, and the answer comes back.
    Well,
    /// It is not taken; these bytes are the answer, and the connection ends.
    Say(Vec<u8>),
    /// It is taken, and so many bytes of the answer come back before the connection breaks.
    Lost(usize),
    /// It is taken, and the body of the answer is another one.
    Altered(fn(&str) -> String),
    /// It is not taken, and nothing is ever said.
    Hang,
}

impl Manner {
    /// The axis's own refusal.
    pub fn fail(code: &str, why: &str) -> Self {
        let body = json!({ "status": "FAIL", "ErrorCode": code, "ErrorDesc": why });
        Self::Say(answer("200 OK", &[("Content-Type", "application/json")], &body.to_string()))
    }

    /// The page of an intermediary.
    pub fn page(status: &str, headers: &[(&str, &str)]) -> Self {
        Self::Say(answer(status, headers, &format!("<html><body><h1>{status}</h1></body></html>")))
    }
}

type Script = Box<dyn Fn(&Asked) -> Manner + Send + Sync>;

/// The axis.
pub struct ScriptedAxis {
    /// The one behind it.
    pub axis: Arc<Axis>,
    shared: Arc<Shared>,
    socket: Socket,
}

struct Shared {
    behind: String,
    asked: Mutex<Vec<Asked>>,
    script: Mutex<Script>,
}

impl ScriptedAxis {
    /// Opens one that is well and shares `secret` with the gateway; packets are kept in `folder`.
    pub async fn open(secret: &str, folder: &Path) -> Self {
        let axis = Axis::open(SYSTEM_ID, secret.as_bytes(), folder).await.expect("an axis");
        let behind = axis.url().trim_start_matches("http://").trim_end_matches("/vxp").to_owned();
        let shared = Arc::new(Shared {
            behind,
            asked: Mutex::default(),
            script: Mutex::new(Box::new(|_: &Asked| Manner::Well)),
        });
        let of_socket = shared.clone();
        let serve = move |stream| {
            let shared = of_socket.clone();
            async move { shared.answer(stream).await.unwrap_or_default() }.boxed()
        };
        Self { axis, shared, socket: Socket::open(serve).await }
    }

    /// The prefix of its operations.
    pub fn url(&self) -> String {
        format!("http://{}/vxp", self.socket.address())
    }

    /// How it treats every request from now on.
    pub fn behave(&self, script: impl Fn(&Asked) -> Manner + Send + Sync + 'static) {
        *self.shared.script.lock().expect("no panic before") = Box::new(script);
    }

    /// The same for each request alike.
    pub fn is(&self, manner: Manner) {
        self.behave(move |_| manner.clone());
    }

    /// Every request that came whole, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().expect("no panic before").clone()
    }

    /// Connections are refused.
    pub async fn close(&self) {
        self.socket.close().await;
    }

    /// They are taken again.
    pub async fn reopen(&self) {
        self.socket.reopen().await;
    }
}

impl Shared {
    /// One request, one answer; `None` when either side goes away.
    async fn answer(&self, mut stream: TcpStream) -> Option<()> {
        let mut asked = Asked::read(&mut stream).await?;
        let manner = self.script.lock().expect("no panic before")(&asked);
        asked.failed = !matches!(manner, Manner::Well);
        self.asked.lock().expect("no panic before").push(asked.clone());
        let said = match manner {
            Manner::Well => self.behind(&asked).await?,
            Manner::Say(bytes) => bytes,
            Manner::Lost(bytes) => {
                let mut said = self.behind(&asked).await?;
                said.truncate(bytes);
                said
            }
            Manner::Altered(alter) => {
                let said = String::from_utf8(self.behind(&asked).await?).ok()?;
                let body = said.split_once("\r\n\r\n").map_or("", |(_, body)| body);
                answer("200 OK", &[("Content-Type", "application/json")], &alter(body))
            }
            Manner::Hang => std::future::pending().await,
        };
        stream.write_all(&said).await.ok()?;
        stream.shutdown().await.ok()
    }

    /// What the axis behind says to the same bytes.
    async fn behind(&self, asked: &Asked) -> Option<Vec<u8>> {
        let mut stream = TcpStream::connect(&self.behind).await.ok()?;
        stream.write_all(asked.head.as_bytes()).await.ok()?;
        stream.write_all(&asked.body).await.ok()?;
        let (head, mut body) = head(&mut stream).await?;
        let length: usize = header(&head, "content-length")?.parse().ok()?;
        while body.len() < length {
            if stream.read_buf(&mut body).await.ok()? == 0 {
                return None;
            }
        }
        Some([head.into_bytes(), body].concat())
    }
}

/// Whether it is a consignment, and not a question about something.
pub fn is_sent(asked: &Asked) -> bool {
    asked.path() == "/vxp/sendEdoc"
}

/// `to` of a consignment; `None` when the header is not there.
pub fn receivers(asked: &Asked) -> Option<Vec<String>> {
    asked.header("XroadVnpt-to").map(|to| serde_json::from_str(to).expect("an array of codes"))
}
