//! A submission server (RFC 6409, implicit TLS) that does what a test tells it, and keeps every message that came whole.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use lienthong::demo::pki::{PeerTls, peer_tls};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::socket::Socket;

/// The user that may hand in.
pub const USER: &str = "truc-lien-thong";
/// The sender.
pub const SENDER: &str = "truc@thunghiem.example.vn";

/// Where in a conversation the script is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// `MAIL FROM`.
    Mail,
    /// `RCPT TO`.
    Rcpt,
    /// `DATA`.
    Data,
    /// The message is here, up to its last dot.
    Message,
}

/// What becomes of a command or a message.
#[derive(Clone, Debug)]
pub enum Manner {
    /// It goes on.
    Well,
    /// This line, or these, are the answer. After a message it has not been taken.
    Say(String),
    /// The connection breaks without an answer.
    Cut,
    /// Nothing is ever said.
    Hang,
}

/// A connection.
#[derive(Clone, Copy, Debug)]
pub struct Visit {
    /// When it was there.
    pub at: Instant,
    /// A message was taken on it.
    pub taken: bool,
}

/// A message that came whole, taken or not.
#[derive(Clone, Debug)]
pub struct Came {
    /// Its headers and body, dots unstuffed.
    pub text: String,
    /// It was taken.
    pub taken: bool,
}

type Script = Box<dyn Fn(Point, &str) -> Manner + Send + Sync>;

/// The server.
pub struct ScriptedSmtp {
    shared: Arc<Shared>,
    socket: Socket,
}

struct Shared {
    password: Mutex<String>,
    tls: Mutex<Arc<PeerTls>>,
    script: Mutex<Script>,
    visits: Mutex<Vec<Visit>>,
    came: Mutex<Vec<Came>>,
}

impl ScriptedSmtp {
    /// Opens one that is well, with a certificate for its address; its authority's certificate goes to `ca`.
    pub async fn open(password: &str, ca: &std::path::Path) -> Self {
        let tls = peer_tls(ca, "127.0.0.1").expect("certificates");
        let shared = Arc::new(Shared {
            password: Mutex::new(password.to_owned()),
            tls: Mutex::new(Arc::new(tls)),
            script: Mutex::new(Box::new(|_, _| Manner::Well)),
            visits: Mutex::default(),
            came: Mutex::default(),
        });
        let of_socket = shared.clone();
        let serve = move |stream| {
            let shared = of_socket.clone();
            async move { shared.serve(stream).await.unwrap_or_default() }.boxed()
        };
        Self { shared, socket: Socket::open(serve).await }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.socket.address().port()
    }

    /// The certificate of its authority, PEM.
    pub fn ca(&self) -> PathBuf {
        self.shared.tls.lock().expect("no panic before").ca.clone()
    }

    /// Shows this certificate from now on: what was shown before.
    pub fn show(&self, tls: Arc<PeerTls>) -> Arc<PeerTls> {
        std::mem::replace(&mut self.shared.tls.lock().expect("no panic before"), tls)
    }

    /// How it answers from now on; asked with the argument of a command, or the message.
    pub fn behave(&self, script: impl Fn(Point, &str) -> Manner + Send + Sync + 'static) {
        *self.shared.script.lock().expect("no panic before") = Box::new(script);
    }

    /// Answers at one point so, and elsewhere well.
    pub fn at(&self, point: Point, manner: Manner) {
        self.behave(move |at, _| if at == point { manner.clone() } else { Manner::Well });
    }

    /// Is well.
    pub fn is_well(&self) {
        self.behave(|_, _| Manner::Well);
    }

    /// Every connection, in order.
    pub fn visits(&self) -> Vec<Visit> {
        self.shared.visits.lock().expect("no panic before").clone()
    }

    /// Every message that came whole, in order.
    pub fn came(&self) -> Vec<Came> {
        self.shared.came.lock().expect("no panic before").clone()
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
    /// One conversation; `None` when it broke off.
    async fn serve(&self, stream: TcpStream) -> Option<()> {
        let visit = {
            let mut visits = self.visits.lock().expect("no panic before");
            visits.push(Visit { at: Instant::now(), taken: false });
            visits.len() - 1
        };
        let tls = self.tls.lock().expect("no panic before").clone();
        let mut line = Line(BufReader::new(tls.acceptor.accept(stream).await.ok()?));
        line.say("220 thu.example.vn ESMTP").await?;
        loop {
            let command = line.read().await?;
            let (verb, argument) = command.split_once(' ').unwrap_or((&command, ""));
            let (point, well) = match verb.to_ascii_uppercase().as_str() {
                "EHLO" => {
                    line.say("250-thu.example.vn\r\n250-SIZE 40000000\r\n250 AUTH PLAIN").await?;
                    continue;
                }
                "AUTH" => {
                    let fits = argument.split_once(' ').is_some_and(|(_, given)| given == self.account());
                    let said = if fits { "235 2.7.0 OK" } else { "535 5.7.8 wrong user or password" };
                    line.say(said).await?;
                    continue;
                }
                "MAIL" => (Point::Mail, "250 2.1.0 OK"),
                "RCPT" => (Point::Rcpt, "250 2.1.5 OK"),
                "DATA" => (Point::Data, "354 go on"),
                "QUIT" => return line.say("221 2.0.0 bye").await,
                _ => {
                    line.say("250 2.0.0 OK").await?;
                    continue;
                }
            };
            if self.answer(&mut line, point, argument, well).await? && point == Point::Data {
                let text = line.text().await?;
                let at = self.keep(&text);
                if self.answer(&mut line, Point::Message, &text, "250 2.0.0 taken").await? {
                    self.came.lock().expect("no panic before")[at].taken = true;
                    self.visits.lock().expect("no panic before")[visit].taken = true;
                }
            }
        }
    }

    /// Answers as the script wants; whether it went well.
    async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        line: &mut Line<S>,
        point: Point,
        text: &str,
        well: &str,
    ) -> Option<bool> {
        let manner = self.script.lock().expect("no panic before")(point, text);
        match manner {
            Manner::Well => line.say(well).await.map(|()| true),
            Manner::Say(said) => line.say(&said).await.map(|()| false),
            Manner::Cut => None,
            Manner::Hang => std::future::pending().await,
        }
    }

    fn keep(&self, text: &str) -> usize {
        let mut came = self.came.lock().expect("no panic before");
        came.push(Came { text: text.to_owned(), taken: false });
        came.len() - 1
    }

    /// What AUTH PLAIN must say (RFC 4616 section 2).
    fn account(&self) -> String {
        let password = self.password.lock().expect("no panic before");
        openssl::base64::encode_block(format!("\0{USER}\0{password}").as_bytes())
    }
}

/// Bytes in both directions, line by line.
struct Line<S>(BufReader<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Line<S> {
    async fn say(&mut self, text: &str) -> Option<()> {
        self.0.write_all(format!("{text}\r\n").as_bytes()).await.ok()?;
        self.0.flush().await.ok()
    }

    async fn read(&mut self) -> Option<String> {
        let mut line = String::new();
        self.0.read_line(&mut line).await.ok()?;
        line.strip_suffix("\r\n").map(str::to_owned)
    }

    /// Up to the lone dot, dots unstuffed (RFC 5321 section 4.5.2).
    async fn text(&mut self) -> Option<String> {
        let mut text = String::new();
        loop {
            let line = self.read().await?;
            match line.strip_prefix('.') {
                Some("") => return Some(text),
                Some(stuffed) => text.push_str(stuffed),
                None => text.push_str(&line),
            }
            text.push_str("\r\n");
        }
    }
}

impl Came {
    /// A header's value as it stands, folded lines joined; it stands once.
    pub fn header(&self, name: &str) -> String {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let fields = head.split("\r\n").filter_map(|line| line.split_once(": "));
        let values: Vec<&str> =
            fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, v)| v).collect();
        assert_eq!(values.len(), 1, "{name} in {head}");
        values[0].to_owned()
    }

    /// Everything but `Date`, which tells one attempt from another.
    pub fn without_date(&self) -> String {
        let lines = self.text.split_inclusive("\r\n");
        let kept: String = lines.filter(|line| !line.starts_with("Date: ")).collect();
        assert!(kept.len() < self.text.len(), "there is a Date");
        kept
    }

    /// The packet attached: the last part, out of its base64.
    pub fn packet(&self) -> Vec<u8> {
        let part = self.text.rsplit("\r\n\r\n").next().unwrap_or_default();
        let base64: String = part.split("\r\n").take_while(|line| !line.starts_with("--")).collect();
        openssl::base64::decode_block(&base64).expect("base64")
    }
}
