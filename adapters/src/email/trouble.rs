//! What follows from an answer, or from none, at each stage of a session (design.md B6), and its stable code.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use lettre::transport::smtp;
use lettre::transport::smtp::response::Response;
use lienthong_pipeline::ports::{DeliveryFailure, FailureClass};

use super::secrets::Secrets;
use crate::failure::failed;
use crate::tls as certificates;

/// How far a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Name resolution and TCP.
    Connect,
    /// The greeting and EHLO.
    Greeting,
    /// The STARTTLS command.
    Starttls,
    /// The TLS handshake.
    Tls,
    /// AUTH.
    Auth,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// The DATA command.
    Data,
    /// From the first byte of the message to the answer after its last dot.
    Message,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::Greeting => "greeting",
            Self::Starttls => "STARTTLS",
            Self::Tls => "TLS handshake",
            Self::Auth => "AUTH",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Message => "message",
        })
    }
}

/// What a refusal means.
pub(super) fn refusal(stage: Stage, code: u16, words: &str) -> (FailureClass, String) {
    use FailureClass::{Document, OursToFix, Permanent, Receiver};
    let class = match (stage, code) {
        // Our account, whatever it is that the server says it of.
        (_, 530 | 535) => OursToFix,
        (Stage::Rcpt | Stage::Data | Stage::Message, 500..) => Permanent,
        // The message's SIZE, in answer to MAIL (RFC 1870 section 6.1): the fact that EHLO tells, told later. These two
        // enhanced codes (RFC 3463) say that it is not our own account that is full.
        (Stage::Mail, 552) if words.starts_with("5.3.4") || words.starts_with("5.2.3") => {
            return (Permanent, "size_limit".to_owned());
        }
        // Nothing of the receiver has been named yet: it is about us.
        (_, 500..) => OursToFix,
        // The server is going (421) or has no room (452): B6's "mailbox busy", whatever the document is.
        (Stage::Message, 421 | 452) => Receiver,
        // It has seen the whole packet and does not want this one now; a scanner that stumbles over it, for example. B6
        // counts that as the document's failure, like an HTTP 500. Nothing is lost if it is the server after all: then
        // the next document, tried in this one's place, fails as well, and that pauses the receiver.
        (Stage::Message, _) => Document,
        // Not one byte of the packet has left: greylisting, a full queue, a locked mailbox.
        _ => Receiver,
    };
    (class, format!("smtp_{code}"))
}

/// The failure that an error of the SMTP client stands for.
pub(super) fn sort(stage: Stage, error: &smtp::Error, secrets: &Secrets) -> DeliveryFailure {
    let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    if let Some(code) = error.status() {
        let code = u16::from(code);
        let (class, name) = refusal(stage, code, &cause);
        return failed(class, name, &format!("{stage}: {code} {}", kept(stage, &cause, secrets)));
    }
    if let Some(broken) = error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
        let (class, name) = broken_off(stage, broken);
        return failed(class, name, &format!("{stage}: {cause}"));
    }
    failed(FailureClass::Receiver, "bad_answer", &format!("{stage}: {}", kept(stage, &cause, secrets)))
}

/// What is kept of a server's words. What it says to AUTH may be our line to it, the password in it, in whatever form it
/// likes; so there it is only what comes first and can be none: the code that `link.rs` put aside, and the enhanced status.
fn kept(stage: Stage, words: &str, secrets: &Secrets) -> String {
    if stage != Stage::Auth {
        return secrets.hidden_in(words);
    }
    let known: Vec<&str> = words.split(' ').take(2).take_while(|word| is_status(word)).collect();
    known.join(" ")
}

/// `(571)`, or the `5.7.8` of RFC 3463 section 2.
fn is_status(word: &str) -> bool {
    let digits =
        |text: &str, most| (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let code = word.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let parts: Vec<&str> = word.split('.').collect();
    code.is_some_and(|code| digits(code, 3))
        || matches!(parts[..], ["2" | "4" | "5", subject, detail] if digits(subject, 3) && digits(detail, 3))
}

/// The server closed the connection.
pub(super) fn is_end(error: &smtp::Error) -> bool {
    let broken = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    broken.is_some_and(|broken| broken.kind() == io::ErrorKind::UnexpectedEof)
}

fn broken_off(stage: Stage, error: &io::Error) -> (FailureClass, &'static str) {
    if let Some(tls) = certificates::within(error) {
        return certificates::classify(tls);
    }
    match (stage, error.kind()) {
        (_, io::ErrorKind::InvalidData) => (FailureClass::Receiver, "bad_answer"),
        // Somewhere in the packet, or after its end: whether it is theirs now is not known. It is sent again under the
        // same Message-ID, and put aside if it goes on while others pass.
        (Stage::Message, _) => (FailureClass::Document, "cut_body"),
        _ => (FailureClass::Receiver, "connection_lost"),
    }
}

/// An answer that does not belong to what was asked.
pub(super) fn out_of_place(stage: Stage, answer: &Response, secrets: &Secrets) -> DeliveryFailure {
    failed(FailureClass::Receiver, "bad_answer", &format!("{stage}: {}", words(stage, answer, secrets)))
}

/// An answer to a message whose end the server has not seen. A yes is none then; it does not say whether it means this
/// message, and will not do better the next time.
pub(super) fn early(answer: &Response, secrets: &Secrets) -> DeliveryFailure {
    let stage = Stage::Message;
    let said = words(stage, answer, secrets);
    let cause = format!("{stage}: answered before it had the whole: {said}");
    failed(FailureClass::OursToFix, "early_answer", &cause)
}

/// An answer, in one line.
pub(super) fn words(stage: Stage, answer: &Response, secrets: &Secrets) -> String {
    let lines: Vec<&str> = answer.message().collect();
    format!("{} {}", answer.code(), kept(stage, &lines.join(" "), secrets))
}

/// Nothing came in time.
pub(super) fn late(stage: Stage, limit: Duration) -> DeliveryFailure {
    failed(FailureClass::Receiver, "timeout", &format!("{stage}: no end after {limit:?}"))
}

/// The server's name leads nowhere.
pub(super) fn dns(error: &io::Error) -> DeliveryFailure {
    failed(FailureClass::Receiver, "dns", &error.to_string())
}

/// Nobody listens, or cannot be reached.
pub(super) fn connect(error: &io::Error) -> DeliveryFailure {
    failed(FailureClass::Receiver, "connect", &error.to_string())
}

/// A TLS handshake that failed.
pub(super) fn tls(error: &io::Error) -> DeliveryFailure {
    let (class, code) =
        certificates::within(error).map_or((FailureClass::Receiver, "tls"), certificates::classify);
    failed(class, code, &format!("{}: {error}", Stage::Tls))
}
