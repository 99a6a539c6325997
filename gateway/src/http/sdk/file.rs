//! The body of sendEdoc on its way into the spool: the one CR LF that the SDK appends is left out here and nowhere else,
//! base64 is decoded, and what was sent is digested, all of it as it comes.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bytes::Bytes;
use lienthong_pipeline::ports::{Fault, Incoming, IncomingWriter};
use sha2::{Digest, Sha256};

/// What the SDK appends to a file.
const AFTER_FILE: &[u8] = b"\r\n";
/// Blanks before the first character that are looked at; behind more of them a body is no base64.
const BLANKS_MAX: usize = 4_096;
/// The mark of UTF-8, which may stand before the first character.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What was sent, known when all of it has come.
#[derive(Clone, Default)]
pub(super) struct Sent(Arc<Mutex<Option<Facts>>>);

#[derive(Clone)]
struct Facts {
    /// SHA-256 of the body without what the SDK appends, and of all of it.
    digests: [[u8; 32]; 2],
    is_unreadable: bool,
}

impl Sent {
    /// Whether this is the SHA-256 of what was sent, of the file or of the whole body: 64 hex digits, or without the zero
    /// before a single digit, as the SDK writes it.
    pub(super) fn is_digested_as(&self, hash_file: &str) -> bool {
        let written = hash_file.to_ascii_lowercase();
        let unpadded = |digest: &[u8; 32]| digest.iter().map(|byte| format!("{byte:x}")).collect::<String>();
        let fits = |digest: &[u8; 32]| written == hex::encode(digest) || written == unpadded(digest);
        self.facts().is_some_and(|facts| facts.digests.iter().any(fits))
    }

    /// It began like base64, and was none, or none of a packet.
    pub(super) fn is_unreadable(&self) -> bool {
        self.facts().is_some_and(|facts| facts.is_unreadable)
    }

    fn facts(&self) -> Option<Facts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The sink before the spool's.
pub(super) struct FileSink {
    spool: Box<dyn IncomingWriter>,
    sent: Sent,
    digest: Sha256,
    /// The end of what came, which may be what the SDK appends.
    held: Vec<u8>,
    form: Form,
}

enum Form {
    /// Nothing but these blanks has come.
    Blank(Vec<u8>),
    Xml,
    Base64(Decoder),
    /// The rest is only digested.
    Unreadable,
}

impl FileSink {
    /// A sink that writes the packet to `spool`, and says of what was sent in `sent`.
    pub(super) fn new(spool: Box<dyn IncomingWriter>, sent: Sent) -> Self {
        let (digest, held) = (Sha256::new(), Vec::new());
        Self { spool, sent, digest, held, form: Form::Blank(Vec::new()) }
    }

    /// Bytes of the file.
    async fn add(&mut self, bytes: Bytes) -> Result<(), Fault> {
        self.digest.update(&bytes);
        if let Form::Blank(blanks) = &mut self.form {
            let first = bytes.iter().position(|b| !b.is_ascii_whitespace());
            let blank = blanks.len() + first.unwrap_or(bytes.len());
            let base64 =
                first.is_some_and(|at| bytes[at].is_ascii_alphanumeric() || b"+/".contains(&bytes[at]));
            match first {
                None if blank <= BLANKS_MAX => {
                    blanks.extend_from_slice(&bytes);
                    return Ok(());
                }
                Some(_) if base64 && blank <= BLANKS_MAX => self.form = Form::Base64(Decoder::default()),
                _ => {
                    let blanks = std::mem::take(blanks);
                    self.form = Form::Xml;
                    self.spool.write(blanks.into()).await?;
                }
            }
        }
        let packet = match &mut self.form {
            Form::Blank(_) | Form::Unreadable => return Ok(()),
            Form::Xml => bytes,
            Form::Base64(decoder) => match decoder.decode(&bytes) {
                Some(packet) => packet.into(),
                None => {
                    self.form = Form::Unreadable;
                    return Ok(());
                }
            },
        };
        self.spool.write(packet).await
    }
}

#[async_trait]
impl IncomingWriter for FileSink {
    async fn write(&mut self, chunk: Bytes) -> Result<(), Fault> {
        if chunk.len() < AFTER_FILE.len() {
            self.held.extend_from_slice(&chunk);
            let ready = self.held.len().saturating_sub(AFTER_FILE.len());
            let ready: Vec<u8> = self.held.drain(..ready).collect();
            return self.add(ready.into()).await;
        }
        let held = std::mem::take(&mut self.held);
        self.add(held.into()).await?;
        let ready = chunk.len() - AFTER_FILE.len();
        self.held = chunk[ready..].to_vec();
        self.add(chunk.slice(..ready)).await
    }

    async fn finish(mut self: Box<Self>) -> Result<Box<dyn Incoming>, Fault> {
        let held = std::mem::take(&mut self.held);
        let appended = held == AFTER_FILE;
        if !appended {
            self.add(held.into()).await?;
        }
        let mut is_unreadable = matches!(self.form, Form::Unreadable);
        if let Form::Base64(decoder) = &mut self.form {
            match decoder.end() {
                Some(rest) => self.spool.write(rest.into()).await?,
                None => is_unreadable = true,
            }
        }
        let file: [u8; 32] = self.digest.clone().finalize().into();
        let mut whole = self.digest;
        whole.update(if appended { AFTER_FILE } else { b"" });
        let facts = Facts { digests: [file, whole.finalize().into()], is_unreadable };
        *self.sent.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(facts);
        self.spool.finish().await
    }
}

/// Base64 (RFC 4648 section 4) with blanks anywhere, of something that begins as XML does.
#[derive(Default)]
struct Decoder {
    /// Fewer than four digits.
    left: Vec<u8>,
    /// Padding has come: nothing may follow.
    is_over: bool,
    /// What came first, until it is seen how that begins.
    begin: Option<Vec<u8>>,
    has_begun: bool,
}

impl Decoder {
    /// What these digits stand for; `None`: it is no base64, or none of XML.
    fn decode(&mut self, text: &[u8]) -> Option<Vec<u8>> {
        self.left.extend(text.iter().filter(|b| !b.is_ascii_whitespace()));
        if self.is_over {
            return self.left.is_empty().then(Vec::new);
        }
        let whole = self.left.len() / 4 * 4;
        let digits: Vec<u8> = self.left.drain(..whole).collect();
        self.is_over = digits.ends_with(b"=");
        let decoded = STANDARD.decode(&digits).ok()?;
        if self.is_over && !self.left.is_empty() {
            return None;
        }
        self.begun(decoded)
    }

    /// The last ones, which may lack their padding.
    fn end(&mut self) -> Option<Vec<u8>> {
        let decoded = STANDARD_NO_PAD.decode(std::mem::take(&mut self.left)).ok()?;
        let rest = self.begun(decoded)?;
        self.has_begun.then_some(rest)
    }

    fn begun(&mut self, decoded: Vec<u8>) -> Option<Vec<u8>> {
        if self.has_begun {
            return Some(decoded);
        }
        let mut begin = self.begin.take().unwrap_or_default();
        begin.extend_from_slice(&decoded);
        let after_mark = begin.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&begin);
        match after_mark.iter().find(|b| !b.is_ascii_whitespace()) {
            Some(b'<') => {
                self.has_begun = true;
                Some(begin)
            }
            // A mark that has not come whole.
            Some(_) if begin.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(&begin) => {
                self.begin = Some(begin);
                Some(Vec::new())
            }
            None if begin.len() <= BLANKS_MAX => {
                self.begin = Some(begin);
                Some(Vec::new())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
