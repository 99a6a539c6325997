//! What stands on the wire: a message made of headers, a text for the clerk and the packet in base64. No I/O.
//! Everything but `Date` is the same on every attempt.

use std::borrow::Cow;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lettre::Address;
use lettre::message::header::{Date, From, HeaderName, HeaderValue, Headers, MIME_VERSION_1_0, Subject, To};
use lettre::message::{Mailbox, Mailboxes};
use lienthong_pipeline::ports::{Consignment, DeliveryFailure, FailureClass};
use lienthong_pipeline::record::MailAddress;
use lienthong_schemas::edxml::PacketKind;

use super::letter::Letter;
use super::{EmailEndpoint, letter};
use crate::failure::failed;

/// Bytes of the packet in one line of base64 (RFC 2045 section 6.8: at most 76 characters).
pub(super) const LINE_PACKET_BYTES: u64 = 57;
/// CR LF.
pub(super) const LINE_END_BYTES: u64 = 2;
/// Bytes of one full line.
pub(super) const LINE_BYTES: u64 = LINE_PACKET_BYTES / 3 * 4 + LINE_END_BYTES;

/// How much of the packet is encoded at a time: whole lines.
const BLOCK_BYTES: usize = 57 * 1024;

/// A message, ready to be sent in parts. Of its memory the packet is all that grows.
pub(super) struct Message {
    head: String,
    packet: Vec<u8>,
    tail: String,
}

impl Message {
    /// The message of one attempt. Fails as [`FailureClass::Packet`], `bad_record`, when the delivery is of no known kind.
    pub(super) fn new(
        consignment: &Consignment,
        endpoint: &EmailEndpoint,
        receiver: &MailAddress,
        packet: Vec<u8>,
    ) -> Result<Self, DeliveryFailure> {
        let delivery = &consignment.delivery;
        let kind = PacketKind::from_id_text(&delivery.kind)
            .ok_or_else(|| failed(FailureClass::Packet, "bad_record", "the delivery is of no known kind"))?;
        let letter = Letter::new(consignment, kind, endpoint);
        // A dash in front and in the middle: no line of base64 can be taken for it.
        let boundary = format!("lienthong-{}", delivery.id);
        let mut head = headers(consignment, endpoint, receiver, &letter).to_string();
        let text = base64_lines(letter.text().as_bytes());
        let file = file_name(consignment);
        head += &format!(
            "Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\
             \r\n\
             --{boundary}\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: base64\r\n\
             \r\n\
             {text}\
             --{boundary}\r\n\
             Content-Type: application/xml; name=\"{file}\"\r\n\
             Content-Disposition: attachment; filename=\"{file}\"\r\n\
             Content-Transfer-Encoding: base64\r\n\
             \r\n"
        );
        // The last line's end is sent with the dot that ends the message.
        Ok(Self { head, packet, tail: format!("--{boundary}--") })
    }

    /// A message of text alone, without a packet.
    pub(super) fn plain(mut headers: Headers, text: &str) -> Self {
        headers.set(MIME_VERSION_1_0);
        let head = format!(
            "{headers}Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        );
        let mut tail = base64_lines(text.as_bytes());
        // As of the last line above.
        tail.truncate(tail.trim_end().len());
        Self { head, packet: Vec::new(), tail }
    }

    /// Its length in bytes as RFC 1870 section 3 counts it: line ends with it, dots added for transparency without.
    pub(super) fn bytes(&self) -> u64 {
        let packet = self.packet.len() as u64;
        let lines = packet.div_ceil(LINE_PACKET_BYTES);
        let encoded = packet.div_ceil(3) * 4 + lines * LINE_END_BYTES;
        self.head.len() as u64 + encoded + self.tail.len() as u64 + LINE_END_BYTES
    }

    /// Its parts, in order; the line end after the last one is left to the sender.
    pub(super) fn parts(&self) -> impl Iterator<Item = Cow<'_, str>> + Send {
        let packet = self.packet.chunks(BLOCK_BYTES).map(|block| Cow::Owned(base64_lines(block)));
        let whole = |text| std::iter::once(Cow::Borrowed(text));
        whole(self.head.as_str()).chain(packet).chain(whole(self.tail.as_str()))
    }
}

/// The attachment's name: the delivery's id, which is hex.
pub(super) fn file_name(consignment: &Consignment) -> String {
    format!("{}.edxml", consignment.delivery.id)
}

/// An address for commands and headers. `MailAddress` takes nothing but dotted atoms (RFC 5321 section 4.1.2), so it needs
/// no second opinion, and cannot end a path or begin a command.
pub(super) fn address(mailbox: &MailAddress) -> Address {
    let (local, domain) = split(mailbox);
    Address::new_dangerous(local, domain)
}

/// The part before and the part after the `@`.
pub(super) fn split(mailbox: &MailAddress) -> (&str, &str) {
    mailbox.as_str().split_once('@').unwrap_or((mailbox.as_str(), ""))
}

fn headers(
    consignment: &Consignment,
    endpoint: &EmailEndpoint,
    receiver: &MailAddress,
    letter: &Letter<'_>,
) -> Headers {
    let delivery = &consignment.delivery;
    let (document, id) = (delivery.document, delivery.id);
    let mut headers = to_and_from(endpoint, &consignment.addressee.name, receiver, &letter.subject());
    headers.set(Date::new(SystemTime::from(consignment.at)));
    let domain = split(&endpoint.from).1;
    let plain = [
        ("Message-ID", format!("<edxml.{document}.{id}@{domain}>")),
        ("X-Lienthong-Delivery-Id", id.to_string()),
        ("X-Lienthong-Document-Id", document.to_string()),
        ("X-Lienthong-Digest", format!("sha-256={}", delivery.digest)),
        ("X-Lienthong-Sender", delivery.sender.to_string()),
        ("X-Lienthong-Receiver", delivery.route.receiver.to_string()),
        ("X-Lienthong-Kind", delivery.kind.clone()),
        // RFC 3834 section 5: no automatic answer to this.
        ("Auto-Submitted", "auto-generated".to_owned()),
    ];
    for (name, value) in plain {
        headers.insert_raw(HeaderValue::new(HeaderName::new_from_ascii_str(name), value));
    }
    headers.set(MIME_VERSION_1_0);
    headers
}

/// Who writes to whom, and about what.
pub(super) fn to_and_from(endpoint: &EmailEndpoint, name: &str, to: &MailAddress, subject: &str) -> Headers {
    let mailbox = |name: &str, at: &MailAddress| {
        let name = letter::in_header(name);
        Mailbox::new(Some(name).filter(|name| !name.is_empty()), address(at))
    };
    let mut headers = Headers::new();
    headers.set(From::from(Mailboxes::from(mailbox(&endpoint.from_name, &endpoint.from))));
    headers.set(To::from(Mailboxes::from(mailbox(name, to))));
    headers.set(Subject::from(subject.to_owned()));
    headers
}

/// Base64 in lines of at most 76 characters, each ended by CR LF.
fn base64_lines(bytes: &[u8]) -> String {
    let mut lines = String::with_capacity((bytes.len() / 57 + 1) * 78);
    for line in bytes.chunks(57) {
        STANDARD.encode_string(line, &mut lines);
        lines.push_str("\r\n");
    }
    lines
}
