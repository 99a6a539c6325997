//! The connection beneath the SMTP client: TCP, then TLS, and a guard on what the server says. lettre reads answers
//! without a limit on a line's length, takes one that is not UTF-8 for a broken connection, and keeps what came in clear
//! when TLS begins. So it is given one line at a time: cut, repaired, and only when it is the server's turn.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::secrets::Secrets;

/// What is kept of a line, in bytes. lettre refuses lines over 1,000 bytes, and a byte that is not UTF-8 becomes three.
const LINE_BYTES_KEPT: usize = 320;

/// A line without an end is given up after this many bytes.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// Longest answer, in lines.
pub(super) const LINES_MAX: usize = 100;

/// Size of one read, in bytes.
const CHUNK_BYTES: usize = 2 * 1024;

/// A connection that is shared with the SMTP client above it, so that TLS can begin beneath.
#[derive(Clone)]
pub(super) struct Link(Arc<Mutex<Guarded>>);

/// The server spoke when it was not asked: before TLS that is somebody's attempt to put words into its mouth (RFC 3207
/// section 6).
pub(super) struct SpokeTooEarly;

impl Link {
    pub(super) fn new(stream: TcpStream, secrets: Arc<Secrets>) -> Self {
        Self(Arc::new(Mutex::new(Guarded {
            stream: Stream::Clear(stream),
            secrets,
            in_message: false,
            came: Vec::new(),
            line: Vec::new(),
            lines: 0,
        })))
    }

    /// Takes the connection in clear out of its place, to be put back by [`Link::secured`].
    pub(super) fn unsecured(&self) -> Result<Option<TcpStream>, SpokeTooEarly> {
        let mut guarded = self.lock();
        if !guarded.is_quiet() {
            return Err(SpokeTooEarly);
        }
        match std::mem::replace(&mut guarded.stream, Stream::Gone) {
            Stream::Clear(stream) => Ok(Some(stream)),
            Stream::Secure(_) | Stream::Gone => Ok(None),
        }
    }

    /// Goes on over TLS.
    pub(super) fn secured(&self, stream: TlsStream<TcpStream>) {
        let mut guarded = self.lock();
        guarded.stream = Stream::Secure(Box::new(stream));
        guarded.lines = 0;
    }

    /// Lets the SMTP client read a greeting of ours: it always begins with one, and after STARTTLS the server gives none.
    pub(super) fn greet(&self) {
        self.lock().line = b"220 secured\r\n".to_vec();
    }

    /// From here on every write first looks for what the server says in the middle of the message, and fails if there is
    /// something. Without that, it would be taken for the answer to the last dot.
    pub(super) fn message_begins(&self) {
        self.lock().in_message = true;
    }

    /// Whether the message's last dot has yet to be sent.
    pub(super) fn is_in_message(&self) -> bool {
        self.lock().in_message
    }

    fn lock(&self) -> MutexGuard<'_, Guarded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One TLS handshake with this server; the certificate must be for `name`.
pub(super) async fn handshake(
    connector: &TlsConnector,
    name: &ServerName<'static>,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    connector.connect(name.clone(), stream).await
}

enum Stream {
    Clear(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
    /// Between the two, or after a handshake that failed.
    Gone,
}

struct Guarded {
    stream: Stream,
    /// What no cut may go through.
    secrets: Arc<Secrets>,
    /// A message is being sent, and it is not the server's turn before its last dot.
    in_message: bool,
    /// What came and is not a line yet, or not the next one.
    came: Vec<u8>,
    /// What is left of the line that is being read.
    line: Vec<u8>,
    /// Lines since we last spoke.
    lines: usize,
}

impl Guarded {
    fn is_quiet(&self) -> bool {
        self.came.is_empty() && self.line.is_empty()
    }

    /// Makes the next line ready to be read, when it has come whole.
    fn next_line(&mut self) -> io::Result<bool> {
        let Some(end) = self.came.iter().position(|byte| *byte == b'\n') else {
            return match self.came.len() > LINE_BYTES_MAX {
                true => Err(nonsense("a line without end")),
                false => Ok(false),
            };
        };
        self.lines += 1;
        if self.lines > LINES_MAX {
            return Err(nonsense("an answer without end"));
        }
        self.line = repaired(&self.came[..end], &self.secrets);
        self.came.drain(..=end);
        Ok(true)
    }

    fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.line.is_empty() && !self.next_line()? {
            ready!(self.poll_more(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut chunk = [0; CHUNK_BYTES];
        let mut buffer = ReadBuf::new(&mut chunk);
        ready!(self.stream.poll_read(cx, &mut buffer))?;
        if buffer.filled().is_empty() {
            return Poll::Ready(Err(ErrorKind::UnexpectedEof.into()));
        }
        self.came.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(()))
    }
}

/// A line as lettre reads it: cut, UTF-8, CR LF at its end, a blank after a bare code (RFC 5321 section 4.2: the text may
/// be missing, and with it the blank). Codes whose second digit has no meaning (section 4.2.1), like the 571 of some
/// filters, get one that has; then the text says what it was.
fn repaired(line: &[u8], secrets: &Secrets) -> Vec<u8> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut text = String::from_utf8_lossy(secrets.cut(line, LINE_BYTES_KEPT)).into_owned();
    if text.len() == 3 {
        text.push(' ');
    }
    if let [b'2'..=b'5', b'6'..=b'9', b'0'..=b'9', b' ' | b'-', ..] = text.as_bytes() {
        let said = format!("({}) ", &text[..3]);
        text.insert_str(4, &said);
        text.replace_range(1..2, "5");
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// An answer that is none.
fn nonsense(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

impl Stream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Clear(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Secure(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Gone => Poll::Ready(Err(ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncRead for Link {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut guarded = self.lock();
        // The client reads only when all that it wrote is sent, or could not be.
        guarded.in_message = false;
        ready!(guarded.poll_line(cx))?;
        let taken = guarded.line.len().min(buffer.remaining());
        buffer.put_slice(&guarded.line[..taken]);
        guarded.line.drain(..taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Link {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut guarded = self.lock();
        if guarded.in_message
            && guarded.is_quiet()
            && let Poll::Ready(gone @ Err(_)) = guarded.poll_more(cx)
        {
            return Poll::Ready(gone.map(|()| 0));
        }
        if !guarded.is_quiet() {
            // Else the answer to nothing would be taken for the answer to this.
            return Poll::Ready(Err(nonsense("the server answered before it was asked")));
        }
        guarded.lines = 0;
        match &mut guarded.stream {
            Stream::Clear(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Secure(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Gone => Poll::Ready(Err(ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.lock().stream {
            Stream::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Secure(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Gone => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.lock().stream {
            Stream::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Secure(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Gone => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncTokioStream for Link {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.lock().stream {
            Stream::Clear(stream) => stream.peer_addr(),
            Stream::Secure(stream) => stream.get_ref().0.peer_addr(),
            Stream::Gone => Err(ErrorKind::NotConnected.into()),
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link")
    }
}
