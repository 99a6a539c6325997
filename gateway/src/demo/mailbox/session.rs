//! One SMTP conversation (RFC 5321), the server's side: STARTTLS (RFC 3207) before anything else, AUTH PLAIN or LOGIN
//! (RFC 4954) before the first message. What a well-behaved client never sends is a complaint.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::mime::base64;
use super::{Account, Mailbox};

/// Longest command (RFC 5321 section 4.5.3.1.4, and room for parameters).
const COMMAND_BYTES_MAX: usize = 2_048;
/// Longest line of a message with its CRLF (RFC 5321 section 4.5.3.1.6).
const TEXT_LINE_BYTES_MAX: usize = 1_000;
/// Largest message.
const MESSAGE_BYTES_MAX: usize = 40_000_000;
/// Longest silence.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Why a conversation ended early.
enum End {
    /// The other side went away: a killed gateway does.
    Gone,
    /// It did what it must not do.
    Wrong(String),
}

impl From<std::io::Error> for End {
    fn from(_: std::io::Error) -> Self {
        Self::Gone
    }
}

pub(super) async fn serve(mailbox: &Mailbox, stream: TcpStream) {
    if let Err(End::Wrong(what)) = converse(mailbox, stream).await {
        mailbox.complain(what);
    }
}

async fn converse(mailbox: &Mailbox, stream: TcpStream) -> Result<(), End> {
    let mut clear = Line::new(stream);
    clear.say("220 thu.example.vn ESMTP san sang / ready").await?;
    loop {
        let (verb, argument) = clear.command().await?;
        match verb.as_str() {
            "EHLO" if !argument.is_empty() => {
                clear
                    .say(&format!("250-thu.example.vn\r\n250-SIZE {MESSAGE_BYTES_MAX}\r\n250 STARTTLS"))
                    .await?;
            }
            "NOOP" => clear.say("250 2.0.0 OK").await?,
            "QUIT" => return Ok(clear.say("221 2.0.0 Tam biet / bye").await?),
            "STARTTLS" if argument.is_empty() => break,
            _ => return Err(clear.refuse("530 5.7.0", format!("{verb} before STARTTLS")).await),
        }
    }
    clear.say("220 2.0.0 TLS").await?;
    let stream = clear.into_stream()?;
    let secure = mailbox.tls.acceptor.accept(stream).await.map_err(|cause| match cause.kind() {
        std::io::ErrorKind::InvalidData => End::Wrong(format!("TLS: {cause}")),
        _ => End::Gone,
    })?;
    Dialogue { mailbox, line: Line::new(secure), greeted: false, signed_in: false, from: false, to: false }
        .run()
        .await
}

/// Bytes in both directions, line by line.
struct Line<S> {
    inner: BufReader<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Line<S> {
    fn new(stream: S) -> Self {
        Self { inner: BufReader::new(stream) }
    }

    /// The stream below, unless something was read beyond what was answered: what came in clear after STARTTLS must not
    /// count as said inside TLS.
    fn into_stream(self) -> Result<S, End> {
        if self.inner.buffer().is_empty() {
            Ok(self.inner.into_inner())
        } else {
            Err(End::Wrong("bytes in clear after STARTTLS".to_owned()))
        }
    }

    async fn say(&mut self, text: &str) -> std::io::Result<()> {
        self.inner.write_all(format!("{text}\r\n").as_bytes()).await?;
        self.inner.flush().await
    }

    /// Answers with a code, and ends the conversation with a complaint.
    async fn refuse(&mut self, code: &str, why: String) -> End {
        let told: String = why.escape_default().take(200).collect();
        match self.say(&format!("{code} {told}")).await {
            Ok(()) => End::Wrong(why),
            Err(_) => End::Gone,
        }
    }

    /// A line without its CRLF.
    async fn read(&mut self, most: usize) -> Result<Vec<u8>, End> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.inner).take(most as u64);
        let read = bounded.read_until(b'\n', &mut line);
        tokio::time::timeout(SILENCE_MAX, read).await.map_err(|_| End::Gone)??;
        if !line.ends_with(b"\n") && line.len() < most {
            return Err(End::Gone);
        }
        match line.strip_suffix(b"\r\n") {
            Some(text) if !text.contains(&b'\r') => Ok(text.to_vec()),
            _ => Err(self.refuse("500 5.5.2", format!("a line of {} bytes without CRLF", line.len())).await),
        }
    }

    /// A command: its verb in upper case, and what follows.
    async fn command(&mut self) -> Result<(String, String), End> {
        let line = String::from_utf8(self.read(COMMAND_BYTES_MAX).await?);
        let Ok(line) = line else {
            return Err(self.refuse("500 5.5.2", "a command that is not UTF-8".to_owned()).await);
        };
        let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
        Ok((verb.to_ascii_uppercase(), argument.to_owned()))
    }

    /// The text after DATA, up to the lone dot, its dots unstuffed (RFC 5321 section 4.5.2).
    async fn text(&mut self) -> Result<Vec<u8>, End> {
        let mut text = Vec::new();
        loop {
            let line = self.read(TEXT_LINE_BYTES_MAX).await?;
            let line = match line.strip_prefix(b".") {
                Some([]) => return Ok(text),
                Some(stuffed) => stuffed,
                None => &line,
            };
            text.extend_from_slice(line);
            text.extend_from_slice(b"\r\n");
            if text.len() > MESSAGE_BYTES_MAX {
                return Err(self.refuse("552 5.3.4", "a message beyond the announced SIZE".to_owned()).await);
            }
        }
    }
}

/// The conversation inside TLS.
struct Dialogue<'a, S> {
    mailbox: &'a Mailbox,
    line: Line<S>,
    greeted: bool,
    signed_in: bool,
    from: bool,
    to: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Dialogue<'_, S> {
    async fn run(mut self) -> Result<(), End> {
        loop {
            let (verb, argument) = self.line.command().await?;
            match verb.as_str() {
                "EHLO" if !argument.is_empty() => {
                    (self.greeted, self.from, self.to) = (true, false, false);
                    let offered = "8BITMIME\r\n250-DSN\r\n250 AUTH PLAIN LOGIN";
                    let size = format!("250-thu.example.vn\r\n250-SIZE {MESSAGE_BYTES_MAX}\r\n250-{offered}");
                    self.line.say(&size).await?;
                }
                "NOOP" => self.line.say("250 2.0.0 OK").await?,
                "RSET" => {
                    (self.from, self.to) = (false, false);
                    self.line.say("250 2.0.0 OK").await?;
                }
                "QUIT" => return Ok(self.line.say("221 2.0.0 Tam biet / bye").await?),
                "AUTH" if self.greeted && !self.signed_in => self.sign_in(&argument).await?,
                "MAIL" | "RCPT" | "DATA" if !self.signed_in => {
                    return Err(self.line.refuse("530 5.7.0", format!("{verb} before AUTH")).await);
                }
                "MAIL" if !self.from => {
                    self.path(&argument, "FROM", |account| &account.sender, "553 5.7.1").await?;
                    self.from = true;
                }
                "RCPT" if self.from && !self.to => {
                    self.path(&argument, "TO", |account| &account.mailbox, "550 5.1.1").await?;
                    self.to = true;
                }
                "DATA" if self.to && argument.is_empty() => self.data().await?,
                _ => return Err(self.line.refuse("503 5.5.1", format!("{verb} at this point")).await),
            }
        }
    }

    async fn sign_in(&mut self, argument: &str) -> Result<(), End> {
        let (mechanism, initial) = argument.split_once(' ').unwrap_or((argument, ""));
        let account = &self.mailbox.account;
        let fits = match mechanism.to_ascii_uppercase().as_str() {
            "PLAIN" => {
                let given = match initial {
                    "" => self.ask("334 ").await?,
                    given => given.to_owned(),
                };
                // RFC 4616: nobody else's rights, then user and password.
                decoded(&given) == format!("\0{}\0{}", account.user, account.password).as_bytes()
            }
            "LOGIN" => {
                let user = match initial {
                    "" => self.ask("334 VXNlcm5hbWU6").await?,
                    given => given.to_owned(),
                };
                let password = self.ask("334 UGFzc3dvcmQ6").await?;
                decoded(&user) == account.user.as_bytes() && decoded(&password) == account.password.as_bytes()
            }
            other => {
                return Err(self.line.refuse("504 5.5.4", format!("AUTH {other} was not offered")).await);
            }
        };
        if !fits {
            return Err(self.line.refuse("535 5.7.8", "wrong user or password".to_owned()).await);
        }
        self.signed_in = true;
        Ok(self.line.say("235 2.7.0 OK").await?)
    }

    async fn ask(&mut self, challenge: &str) -> Result<String, End> {
        self.line.say(challenge).await?;
        Ok(String::from_utf8_lossy(&self.line.read(COMMAND_BYTES_MAX).await?).into_owned())
    }

    /// `FROM:<mailbox> parameters`, or `TO:`.
    async fn path(
        &mut self,
        argument: &str,
        word: &str,
        wanted: impl Fn(&Account) -> &str,
        otherwise: &str,
    ) -> Result<(), End> {
        let (path, parameters) = argument.split_once(' ').unwrap_or((argument, ""));
        let expected = format!("{word}:<{}>", wanted(&self.mailbox.account));
        if !path.eq_ignore_ascii_case(&expected) {
            return Err(self.line.refuse(otherwise, format!("{path} instead of {expected}")).await);
        }
        let offered = ["SIZE", "BODY", "RET", "ENVID", "NOTIFY", "ORCPT"];
        let known = |parameter: &str| {
            let name = parameter.split('=').next().unwrap_or_default();
            offered.iter().any(|offered| offered.eq_ignore_ascii_case(name))
        };
        if let Some(strange) = parameters.split_whitespace().find(|parameter| !known(parameter)) {
            return Err(self.line.refuse("555 5.5.4", format!("{strange} was not offered")).await);
        }
        Ok(self.line.say("250 2.1.0 OK").await?)
    }

    async fn data(&mut self) -> Result<(), End> {
        self.line.say("354 tiep tuc, ket thuc bang dau cham / go on, end with a dot").await?;
        let text = self.line.text().await?;
        (self.from, self.to) = (false, false);
        match self.mailbox.take(&text) {
            Ok(reply) => Ok(self.line.say(reply).await?),
            Err(complaint) => Err(self.line.refuse("554 5.6.0", complaint).await),
        }
    }
}

fn decoded(text: &str) -> Vec<u8> {
    base64(text.as_bytes()).unwrap_or_default()
}
