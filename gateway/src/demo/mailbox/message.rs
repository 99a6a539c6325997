//! What a message that carries a packet must be like: `docs/email.md` as a clerk's mail system reads it.

use openssl::sha::sha256;

use super::Account;
use super::mime::{Entity, words};

/// A message as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// `Message-ID`, with its brackets.
    pub message_id: String,
    /// `X-Lienthong-Delivery-Id`.
    pub delivery_id: String,
    /// `X-Lienthong-Document-Id`.
    pub document_id: String,
    /// `Subject`, decoded.
    pub subject: String,
    /// The text for the clerk.
    pub text: String,
    /// SHA-256 of the packet attached.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
}

/// Reads a message and the packet attached to it; says what is wrong with it.
pub(super) fn read(account: &Account, message: &[u8]) -> Result<(Letter, Vec<u8>), String> {
    let message = Entity::read(message)?;
    headers(account, &message)?;
    let delivery_id = message.header("x-lienthong-delivery-id")?.to_owned();
    let document_id = message.header("x-lienthong-document-id")?.to_owned();
    let message_id = message.header("message-id")?.to_owned();
    let domain = account.sender.rsplit('@').next().unwrap_or_default();
    if message_id != format!("<edxml.{document_id}.{delivery_id}@{domain}>") {
        return Err(format!("Message-ID {message_id} is not made of the ids and {domain}"));
    }
    let subject = words(message.header("subject")?)?;
    let parts = message.parts()?;
    let [text, attached] = parts.as_slice() else {
        return Err(format!("{} parts, not a text and a packet", parts.len()));
    };
    let text = text_of(text)?;
    let packet = packet_of(attached, &delivery_id)?;
    let letter = Letter {
        message_id,
        delivery_id,
        document_id,
        subject,
        text,
        sha256: hex::encode(sha256(&packet)),
        bytes: packet.len() as u64,
    };
    for told in [&letter.delivery_id, &letter.document_id, &letter.sha256] {
        if !letter.text.contains(told.as_str()) {
            return Err(format!("the text does not name {told}"));
        }
    }
    Ok((letter, packet))
}

fn headers(account: &Account, message: &Entity<'_>) -> Result<(), String> {
    for (name, wanted) in [("mime-version", "1.0"), ("auto-submitted", "auto-generated")] {
        let value = message.header(name)?;
        if value != wanted {
            return Err(format!("{name}: {value}"));
        }
    }
    for (name, address) in [("from", &account.sender), ("to", &account.mailbox)] {
        let value = message.header(name)?;
        if value != address && !value.ends_with(&format!("<{address}>")) {
            return Err(format!("{name} is {value}, not {address}"));
        }
    }
    let date = message.header("date")?;
    let read = jiff::fmt::rfc2822::parse(date);
    read.map(drop).map_err(|cause| format!("date {date}: {cause}"))
}

fn text_of(part: &Entity<'_>) -> Result<String, String> {
    let (kind, parameters) = part.structured("content-type")?;
    let charset = parameters.get("charset").map(|charset| charset.to_ascii_lowercase());
    if kind != "text/plain" || charset.as_deref() != Some("utf-8") {
        return Err(format!("the first part is {kind} in {charset:?}"));
    }
    let text = String::from_utf8(part.content()?).map_err(|_| "the text is not UTF-8")?;
    // Letters with two marks (Latin Extended Additional) are Vietnamese's alone.
    if text.chars().filter(|c| ('\u{1ea0}'..='\u{1ef9}').contains(c)).count() < 10 {
        return Err("the text is hardly Vietnamese".to_owned());
    }
    Ok(text)
}

fn packet_of(part: &Entity<'_>, delivery_id: &str) -> Result<Vec<u8>, String> {
    let name = format!("{delivery_id}.edxml");
    let (kind, parameters) = part.structured("content-type")?;
    let (place, placed) = part.structured("content-disposition")?;
    let named = [parameters.get("name"), placed.get("filename")];
    if kind != "application/xml" || place != "attachment" || named != [Some(&name), Some(&name)] {
        return Err(format!("the packet is {kind}, {place}, named {named:?}"));
    }
    if !part.header("content-transfer-encoding")?.eq_ignore_ascii_case("base64") {
        return Err("the packet is not in base64: a relay may change its line ends".to_owned());
    }
    part.content()
}
