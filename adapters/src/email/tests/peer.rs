//! A submission server on a free loopback port, on the level of bytes: it shows what was said and answers by a script.
//! It runs in the test's own runtime, so that a test may stop the clock.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::email::MailSecurity;

/// What the server does at an event: `CONNECT`, a command line, or `.` after a message.
#[derive(Clone)]
pub(super) enum Say {
    /// These bytes.
    Words(Vec<u8>),
    /// These bytes, and then TLS.
    Secure(Vec<u8>),
    /// These bytes, and then it closes.
    Last(Vec<u8>),
    /// After 354 and so many bytes of the message these bytes, and then it closes.
    MidMessage(usize, Vec<u8>),
    /// After 354 and so many bytes of the message these bytes, and it goes on listening.
    Interrupt(usize, Vec<u8>),
    /// After 354 and so many bytes of the message it reads no more, and keeps the connection.
    Stall(usize),
    /// Nothing until the client goes.
    Hang,
    /// These bytes again and again, for as long as the client listens.
    Flood(Vec<u8>),
}

type Script = dyn Fn(&str) -> Say + Send + Sync;

/// One connection, as the server saw it.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    /// Commands before TLS.
    pub(super) clear: Vec<String>,
    /// Commands inside TLS.
    pub(super) secure: Vec<String>,
    /// Messages that came whole, dots undone.
    pub(super) messages: Vec<Vec<u8>>,
}

pub(super) struct Peer {
    pub(super) address: SocketAddr,
    sessions: Arc<Mutex<Vec<Session>>>,
    hangs: Arc<Notify>,
    _tasks: JoinSet<()>,
}

/// A server to which everything is welcome.
pub(super) fn willing(event: &str) -> Say {
    let verb = event.split(' ').next().unwrap_or_default();
    let words = match verb {
        "CONNECT" => "220 thu.example ESMTP\r\n",
        "EHLO" => {
            "250-thu.example\r\n250-SIZE 26214400\r\n250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n250-DSN\r\n250 8BITMIME\r\n"
        }
        "STARTTLS" => return Say::Secure(b"220 2.0.0 ready\r\n".to_vec()),
        "AUTH" => "235 2.7.0 ok\r\n",
        "MAIL" | "RCPT" => "250 2.1.0 ok\r\n",
        "DATA" => "354 go on\r\n",
        "." => "250 2.0.0 Ok: queued as 4ABC\r\n",
        "QUIT" => return Say::Last(b"221 bye\r\n".to_vec()),
        _ => "500 5.5.2 what?\r\n",
    };
    Say::Words(words.as_bytes().to_vec())
}

impl Peer {
    pub(super) fn start(
        security: MailSecurity,
        tls: Arc<ServerConfig>,
        script: impl Fn(&str) -> Say + Send + Sync + 'static,
    ) -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener.set_nonblocking(true).expect("an option");
        let address = listener.local_addr().expect("its address");
        let listener = TcpListener::from_std(listener).expect("a listener");
        let sessions: Arc<Mutex<Vec<Session>>> = Arc::default();
        let hangs = Arc::default();
        let (seen, script) = (Arc::clone(&sessions), Arc::new(script));
        let served = Served { sessions: seen, script, tls, security, hangs: Arc::clone(&hangs) };
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that breaks off is a case under test, which looks at what was seen.
                served.one(stream).await.ok();
            }
        });
        Self { address, sessions, hangs, _tasks: tasks }
    }

    /// Returns when the server has come to [`Say::Hang`]: nothing is under way any more.
    pub(super) async fn hangs(&self) {
        self.hangs.notified().await;
    }

    /// Every connection so far.
    pub(super) fn sessions(&self) -> Vec<Session> {
        self.sessions.lock().expect("no panic holds it").clone()
    }

    /// The only connection.
    pub(super) fn only(&self) -> Session {
        let mut sessions = self.sessions();
        assert_eq!(sessions.len(), 1, "one connection an attempt");
        sessions.remove(0)
    }

    /// The messages of all connections.
    pub(super) fn messages(&self) -> Vec<Vec<u8>> {
        self.sessions().into_iter().flat_map(|session| session.messages).collect()
    }
}

impl Session {
    /// The command with this verb that was given once.
    pub(super) fn command(&self, verb: &str) -> &str {
        let mut found = self.secure.iter().filter(|line| line.starts_with(verb));
        let line = found.next().unwrap_or_else(|| panic!("no {verb} in {self:?}"));
        assert!(found.next().is_none(), "{verb} was given twice");
        line
    }

    /// Verbs inside TLS, in order.
    pub(super) fn verbs(&self) -> Vec<&str> {
        self.secure.iter().map(|line| line.split(' ').next().unwrap_or_default()).collect()
    }
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

struct Served {
    sessions: Arc<Mutex<Vec<Session>>>,
    script: Arc<Script>,
    tls: Arc<ServerConfig>,
    security: MailSecurity,
    hangs: Arc<Notify>,
}

impl Served {
    async fn one(&self, stream: TcpStream) -> io::Result<()> {
        let at = {
            let mut sessions = self.sessions.lock().expect("no panic holds it");
            sessions.push(Session::default());
            sessions.len() - 1
        };
        let note = |change: &dyn Fn(&mut Session)| {
            change(&mut self.sessions.lock().expect("no panic holds it")[at]);
        };
        let mut wire = Wire { stream: Box::new(stream), came: Vec::new() };
        let mut secure = self.security == MailSecurity::Tls;
        if secure {
            wire = wire.secured(&self.tls).await?;
        }
        let mut event = "CONNECT".to_owned();
        loop {
            match (self.script)(&event) {
                Say::Words(words) => {
                    wire.say(&words).await?;
                    if event == "DATA" && words.starts_with(b"354") {
                        let message = wire.message().await?;
                        note(&|session| session.messages.push(message.clone()));
                        ".".clone_into(&mut event);
                        continue;
                    }
                }
                Say::Secure(words) => {
                    wire.say(&words).await?;
                    wire = wire.secured(&self.tls).await?;
                    secure = true;
                }
                Say::Last(words) => return wire.last(&words).await,
                Say::MidMessage(bytes, words) => {
                    wire.say(b"354 go on\r\n").await?;
                    wire.take(bytes).await?;
                    return wire.last(&words).await;
                }
                Say::Interrupt(bytes, words) => {
                    wire.say(b"354 go on\r\n").await?;
                    wire.take(bytes).await?;
                    wire.say(&words).await?;
                    return wire.take(usize::MAX).await;
                }
                Say::Stall(bytes) => {
                    wire.say(b"354 go on\r\n").await?;
                    wire.take(bytes).await?;
                    self.hangs.notify_one();
                    return std::future::pending().await;
                }
                Say::Hang => {
                    self.hangs.notify_one();
                    return wire.take(usize::MAX).await;
                }
                Say::Flood(words) => loop {
                    wire.say(&words).await?;
                },
            }
            event = wire.line().await?;
            note(&|session| {
                let commands = if secure { &mut session.secure } else { &mut session.clear };
                commands.push(event.clone());
            });
        }
    }
}

struct Wire {
    stream: Box<dyn Duplex>,
    came: Vec<u8>,
}

impl Wire {
    async fn secured(self, tls: &Arc<ServerConfig>) -> io::Result<Self> {
        assert!(self.came.is_empty(), "the client waits for the answer to STARTTLS");
        let stream = TlsAcceptor::from(Arc::clone(tls)).accept(self.stream).await?;
        Ok(Self { stream: Box::new(stream), came: Vec::new() })
    }

    async fn say(&mut self, words: &[u8]) -> io::Result<()> {
        self.stream.write_all(words).await?;
        self.stream.flush().await
    }

    async fn last(&mut self, words: &[u8]) -> io::Result<()> {
        self.say(words).await?;
        self.stream.shutdown().await
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.came).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Takes so many bytes, and forgets them.
    async fn take(&mut self, mut bytes: usize) -> io::Result<()> {
        while self.came.len() < bytes {
            bytes -= self.came.len();
            self.came.clear();
            self.more().await?;
        }
        self.came.drain(..bytes);
        Ok(())
    }

    /// A command line without its CR LF.
    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.came.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8(self.came[..end].to_vec()).expect("commands are ASCII");
                self.came.drain(..end + 2);
                assert!(!line.contains(['\r', '\n']), "one command a line: {line:?}");
                return Ok(line);
            }
            self.more().await?;
        }
    }

    /// A message up to its last dot, dots undone (RFC 5321 section 4.5.2).
    async fn message(&mut self) -> io::Result<Vec<u8>> {
        let mut looked = 0;
        let end = loop {
            let from = usize::saturating_sub(looked, 4);
            if let Some(at) = self.came[from..].windows(5).position(|five| five == b"\r\n.\r\n") {
                break from + at + 2;
            }
            looked = self.came.len();
            self.more().await?;
        };
        let whole: Vec<u8> = self.came.drain(..end + 3).take(end).collect();
        let mut message = Vec::with_capacity(whole.len());
        for line in whole.split_inclusive(|byte| *byte == b'\n') {
            assert!(line.ends_with(b"\r\n") && line.len() <= 1000, "RFC 5321 section 4.5.3.1.6");
            assert!(!line[..line.len() - 2].contains(&b'\r'), "no CR without LF");
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        }
        Ok(message)
    }
}
