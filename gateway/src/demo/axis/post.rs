//! What waits at the axis for the system that it knows: one piece of mail for each receiver, with an id of its own, taken
//! out by `done`. Where a packet is rewritten, it is done as the real axis does it.

use std::sync::MutexGuard;

use jiff::Timestamp;
use lienthong_schemas::edxml::{EdxmlLimits, VIETNAM, read_envelope};
use serde_json::{Value, json};

use super::{Axis, Consigned, Failed};
use crate::demo::sockets::lock;

/// How the axis treats what it is given.
#[derive(Clone, Debug)]
pub struct Habits {
    /// Codes that are registered for the system: mail to them waits for it.
    pub ours: Vec<String>,
    /// `to` limits the receivers; else they are those of the packet, whatever `to` says.
    pub honours_to: bool,
    /// Packets come out written anew: another order, the signature in another namespace, one more `TraceHeader`.
    pub rewrites: bool,
    /// What failed is listed again.
    pub offers_failed: bool,
    /// What both lists of agencies tell: code and name.
    pub agencies: Vec<(String, String)>,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            ours: Vec::new(),
            honours_to: true,
            rewrites: false,
            offers_failed: false,
            agencies: Vec::new(),
        }
    }
}

/// One packet for one receiver.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The receiver's id of it.
    pub doc_id: String,
    /// The id of the consignment that it came with; empty when a test put it in.
    pub sender_doc_id: String,
    /// `edoc` or `status`.
    pub message_type: String,
    /// Who sent it.
    pub from: String,
    /// Whom it is for.
    pub to: String,
    /// What `getEdoc` gives.
    pub packet: Vec<u8>,
    /// How often that was asked for.
    pub fetched: u32,
    /// What `updateStatus` said of it, in order.
    pub said: Vec<String>,
}

impl Mail {
    /// The state in lists.
    pub fn status(&self) -> &str {
        match self.said.iter().find(|status| *status == "done") {
            Some(done) => done,
            None => self.said.last().map_or("initial", String::as_str),
        }
    }
}

#[derive(Default)]
pub(super) struct Post {
    habits: Habits,
    mail: Vec<Mail>,
}

/// An id in the form of a UUID, as the real axis gives them to receivers.
fn uuid(number: usize) -> String {
    let sum = hex::encode(openssl::sha::sha256(&number.to_be_bytes()));
    format!("{}-{}-4{}-8{}-{}", &sum[..8], &sum[8..12], &sum[13..16], &sum[17..20], &sum[20..32])
}

/// The members that every answer has, and these.
pub(super) fn ok(more: Value) -> Value {
    let mut all = json!({ "status": "OK", "ErrorCode": "0", "ErrorDesc": "Success" });
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
        all.extend(more);
    }
    all
}

fn time(at: Timestamp) -> String {
    at.to_zoned(VIETNAM.to_time_zone()).strftime("%Y/%m/%d %H:%M:%S").to_string()
}

impl Axis {
    fn post(&self) -> MutexGuard<'_, Post> {
        lock(&self.post)
    }

    /// How it treats what comes from now on.
    pub fn behave(&self, habits: Habits) {
        self.post().habits = habits;
    }

    /// Puts a packet into the mailbox of the system; its id there.
    pub fn offer(&self, message_type: &str, from: &str, to: &str, packet: &[u8]) -> String {
        self.put(&mut self.post(), (message_type, from, ""), to, packet)
    }

    /// All that ever waited, in its order.
    pub fn mail(&self) -> Vec<Mail> {
        self.post().mail.clone()
    }

    fn put(
        &self,
        post: &mut Post,
        (message_type, from, sender_doc_id): (&str, &str, &str),
        to: &str,
        packet: &[u8],
    ) -> String {
        let doc_id = uuid(post.mail.len());
        let packet = match post.habits.rewrites {
            true => rewritten(packet),
            false => packet.to_vec(),
        };
        let [message_type, from, sender_doc_id, to] =
            [message_type, from, sender_doc_id, to].map(str::to_owned);
        let mail = Mail {
            doc_id: doc_id.clone(),
            sender_doc_id,
            message_type,
            from,
            to,
            packet,
            fetched: 0,
            said: Vec::new(),
        };
        post.mail.push(mail);
        doc_id
    }

    /// A consignment was taken: what is for the system's own codes waits for it.
    pub(super) fn distribute(&self, consigned: &Consigned) -> Result<(), Failed> {
        let packet = std::fs::read(&consigned.file).map_err(|cause| ("20", cause.to_string()))?;
        let mut post = self.post();
        let receivers = match post.habits.honours_to && !consigned.to.is_empty() {
            true => consigned.to.clone(),
            false if post.habits.ours.is_empty() => return Ok(()),
            false => receivers_of(&packet).map_err(|why| ("22", why))?,
        };
        let ours: Vec<String> =
            receivers.into_iter().filter(|code| post.habits.ours.contains(code)).collect();
        let about = (consigned.message_type.as_str(), consigned.from.as_str(), consigned.doc_id.as_str());
        for to in ours {
            self.put(&mut post, about, &to, &packet);
        }
        Ok(())
    }

    /// `getReceivedEdocList`: what waits of one message type.
    pub(super) fn received(&self, message_type: &str, now: Timestamp) -> Value {
        let post = self.post();
        let waits = |mail: &&Mail| {
            let listed = match mail.status() {
                "done" => false,
                "fail" => post.habits.offers_failed,
                _ => true,
            };
            listed && mail.message_type == message_type
        };
        let entry = |mail: &Mail| {
            json!({
                "docId": mail.doc_id,
                "serviceType": "eDoc",
                "messageType": mail.message_type,
                "created_time": time(now),
                "updated_time": time(now),
                "from": mail.from,
                "to": mail.to,
                "status": mail.status(),
                "status_desc": "",
            })
        };
        ok(json!({ "data": post.mail.iter().filter(waits).map(entry).collect::<Vec<_>>() }))
    }

    /// `getEdoc`.
    pub(super) fn edoc(&self, doc_id: &str) -> Result<Value, Failed> {
        let mut post = self.post();
        let mail = post.find(doc_id)?;
        mail.fetched += 1;
        Ok(ok(json!({ "data": openssl::base64::encode_block(&mail.packet) })))
    }

    /// `updateStatus`. The last word is `done`; whatever follows changes nothing and is no error.
    pub(super) fn update(&self, doc_id: &str, status: &str) -> Result<Value, Failed> {
        if !matches!(status, "processing" | "done" | "fail") {
            return Err(("22", format!("status {status}")));
        }
        self.post().find(doc_id)?.said.push(status.to_owned());
        Ok(ok(json!({})))
    }

    /// `getSentEdocList`: what became of one consignment, a line for each receiver.
    pub(super) fn sent(&self, doc_id: &str, now: Timestamp) -> Result<Value, Failed> {
        let taken = self.taken();
        let consigned = taken.iter().find(|consigned| consigned.doc_id == doc_id);
        let consigned = consigned.ok_or_else(|| ("10", format!("docId {doc_id}")))?;
        let post = self.post();
        let line = |to: &String| {
            let mail = post.mail.iter().find(|mail| mail.sender_doc_id == doc_id && mail.to == *to);
            let status = mail.map_or("initial", |mail| mail.status());
            json!({
                "serviceType": "eDoc",
                "messageType": consigned.message_type,
                "senderDocId": doc_id,
                "receiverDocId": mail.map_or("", |mail| &mail.doc_id),
                "fromCode": consigned.from,
                "toCode": to,
                "title": "",
                "notation": "",
                "sentTime": time(now),
                "receivedTime": time(now),
                "sendStatus": "done",
                "sendStatusDesc": "",
                "receiveStatus": status,
                "receiveStatusDesc": "",
            })
        };
        Ok(ok(json!({ "data": consigned.to.iter().map(line).collect::<Vec<_>>() })))
    }

    /// `getAgenciesList`.
    pub(super) fn agencies(&self) -> Value {
        let post = self.post();
        let agency = |(n, (code, name)): (usize, &(String, String))| json!({ "id": n.to_string(), "pid": "", "code": code, "name": name, "mail": "", "oldCode": "" });
        ok(json!({ "data": post.habits.agencies.iter().enumerate().map(agency).collect::<Vec<_>>() }))
    }
}

impl Post {
    fn find(&mut self, doc_id: &str) -> Result<&mut Mail, Failed> {
        let found = self.mail.iter_mut().find(|mail| mail.doc_id == doc_id);
        found.ok_or_else(|| ("10", format!("docId {doc_id}")))
    }
}

/// Whom a packet is for: `To`, or `ResponseFor` of a status packet.
fn receivers_of(packet: &[u8]) -> Result<Vec<String>, String> {
    let mut open = || -> std::io::Result<Box<dyn std::io::BufRead>> {
        Ok(Box::new(std::io::Cursor::new(packet.to_vec())))
    };
    let (envelope, _) =
        read_envelope(&mut open, &EdxmlLimits::default()).map_err(|cause| cause.to_string())?;
    let content = envelope.claimed_content();
    if content.status.is_some() {
        return Ok(content.response_for.iter().map(|subject| subject.organ_text.clone()).collect());
    }
    Ok(content.to.iter().map(|to| to.organ_text.clone()).collect())
}

/// The packet as it comes out of the real axis, which reads it by the reference library and writes it anew: the
/// signature is no longer in its namespace, so that nobody can verify it; `Subject` stands elsewhere; and the axis has
/// added itself to the trace. What has no such place comes out as it went in.
fn rewritten(packet: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(packet) else { return packet.to_vec() };
    let mut text =
        text.replace("http://www.w3.org/2000/09/xmldsig#", "http://www.mic.gov.vn/TBT/QCVN_102_2016");
    let (begin, end) = ("<edXML:Subject>", "</edXML:Subject>");
    if let (Some(from), Some(to)) = (text.find(begin), text.find(end))
        && let Some(header) = text.find("<edXML:MessageHeader>").filter(|header| *header < from)
    {
        let subject = text[from..to + end.len()].to_owned();
        text.replace_range(from..to + end.len(), "");
        text.insert_str(header + "<edXML:MessageHeader>".len(), &subject);
    }
    let hop = "<edXML:TraceHeader><edXML:OrganId>000.00.00.G22</edXML:OrganId>\
               <edXML:Timestamp>2026/01/02 03:04:06</edXML:Timestamp></edXML:TraceHeader>";
    if let Some(trace) = text.find("<edXML:TraceHeaderList>") {
        text.insert_str(trace + "<edXML:TraceHeaderList>".len(), hop);
    }
    text.into_bytes()
}
