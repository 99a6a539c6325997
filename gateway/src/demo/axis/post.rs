//! What the axis has taken, and what waits there for systems: one piece of mail for each receiver, with an id of its own,
//! taken out by `done`.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lienthong_pipeline::clock::SystemClock;
use lienthong_pipeline::ports::Clock;
use lienthong_schemas::edxml::VIETNAM;
use serde::Serialize;
use serde_json::json;

use super::answer::{Answer, ok};
use super::faults::Faults;
use super::plan::{AgencyState, Habits, owner};
use super::rewrite::rewrite;
use super::{Axis, Failed};

/// Most packets that are kept track of; beyond it nothing is taken.
pub(super) const KEPT_MAX: usize = 100_000;
/// Most complaints that are kept; further ones are forgotten.
const COMPLAINTS_MAX: usize = 1_000;

/// One consignment: a packet and exactly the receivers that it was sent for.
#[derive(Clone, Debug, Serialize)]
pub struct Consigned {
    /// The id that the axis gave it.
    pub doc_id: String,
    /// `systemid` of who sent it.
    pub system: String,
    /// `edoc` or `status`.
    pub message_type: String,
    /// `from`.
    pub from: String,
    /// `to`, in its order; empty where the axis was told none.
    pub to: Vec<String>,
    /// Whom the axis took it for; empty where it did not look into the packet.
    pub receivers: Vec<String>,
    /// What it is about, where the axis looked into the packet.
    pub title: String,
    /// SHA-256 of the packet.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// How often it was taken.
    pub times: u32,
    /// When it was first taken.
    pub at: Timestamp,
    /// Where the packet is.
    pub file: PathBuf,
}

/// One packet for one receiver.
#[derive(Clone, Debug, Serialize)]
pub struct Mail {
    /// The receiver's id of it.
    pub doc_id: String,
    /// The id of the consignment that it came with; empty when it was put in by hand.
    pub sender_doc_id: String,
    /// `systemid` of whose mailbox it is in.
    pub system: String,
    /// `edoc` or `status`.
    pub message_type: String,
    /// Who sent it.
    pub from: String,
    /// Whom it is for.
    pub to: String,
    /// What `getEdoc` gives.
    pub file: PathBuf,
    /// When it came.
    pub at: Timestamp,
    /// How often it was asked for.
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

    /// Whether it is in the list of this system and kind.
    fn is_listed(&self, system: &str, message_type: &str, habits: &Habits) -> bool {
        let waits = match self.status() {
            "done" => false,
            "fail" => habits.offers_failed,
            _ => true,
        };
        waits && self.message_type == message_type && self.system == system
    }
}

#[derive(Default)]
pub(super) struct Post {
    pub(super) habits: Habits,
    pub(super) taken: Vec<Consigned>,
    pub(super) mail: Vec<Mail>,
    pub(super) faults: Faults,
    pub(super) complaints: Vec<String>,
}

/// An id in the form of a UUID, as the real axis gives them to receivers. `seed`: another one for each start, for ids must
/// not come again with other packets.
pub(super) fn uuid(seed: u64, number: usize) -> String {
    let sum =
        hex::encode(openssl::sha::sha256(&[seed.to_be_bytes(), (number as u64).to_be_bytes()].concat()));
    format!("{}-{}-4{}-8{}-{}", &sum[..8], &sum[8..12], &sum[13..16], &sum[17..20], &sum[20..32])
}

fn time(at: Timestamp) -> String {
    at.to_zoned(VIETNAM.to_time_zone()).strftime("%Y/%m/%d %H:%M:%S").to_string()
}

impl Axis {
    /// How it treats what comes from now on.
    pub fn behave(&self, habits: Habits) {
        self.post().habits = habits;
    }

    /// Changes one habit or another.
    pub fn adjust(&self, change: impl FnOnce(&mut Habits)) {
        change(&mut self.post().habits);
    }

    /// Puts a packet into the mailbox of the system that speaks for `to`, or else of the first one; its id there. Empty, and
    /// a complaint, when there is no room.
    pub fn offer(&self, message_type: &str, from: &str, to: &str, packet: &[u8]) -> String {
        let offered = tempfile::NamedTempFile::new_in(&self.folder).and_then(|mut draft| {
            std::io::Write::write_all(&mut draft, packet)?;
            self.offer_file(message_type, from, to, draft.into_temp_path())
        });
        offered.unwrap_or_else(|cause| {
            self.complain(format!("offer: {cause}"));
            String::new()
        })
    }

    /// The same of a packet in a file, which is taken.
    pub(super) fn offer_file(
        &self,
        message_type: &str,
        from: &str,
        to: &str,
        packet: tempfile::TempPath,
    ) -> std::io::Result<String> {
        let rewrites = self.post().habits.rewrites;
        let draft = if rewrites { rewrite(&packet, &self.folder)? } else { packet };
        let mut post = self.post();
        if post.mail.len() >= KEPT_MAX {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        let system = owner(&self.systems, &post.habits, to).unwrap_or(0);
        let file = self.folder.join(format!("offered-{}.edxml", uuid(self.seed, post.mail.len())));
        draft.persist(&file).map_err(|cause| cause.error)?;
        Ok(self.put(&mut post, system, (message_type, from, ""), to, &file))
    }

    /// All that ever waited, in its order.
    pub fn mail(&self) -> Vec<Mail> {
        self.post().mail.clone()
    }

    /// What a receiver's system says of its mail, as `updateStatus` does; `false`: there is none with this id.
    pub fn say(&self, doc_id: &str, status: &str) -> bool {
        let mut post = self.post();
        let mail = post.mail.iter_mut().find(|mail| mail.doc_id == doc_id);
        mail.map(|mail| mail.said.push(status.to_owned())).is_some()
    }

    pub(super) fn complain(&self, what: String) {
        let mut post = self.post();
        if post.complaints.len() < COMPLAINTS_MAX {
            post.complaints.push(what);
        }
    }

    pub(super) fn put(
        &self,
        post: &mut Post,
        system: usize,
        (message_type, from, sender_doc_id): (&str, &str, &str),
        to: &str,
        file: &Path,
    ) -> String {
        let doc_id = uuid(self.seed, post.mail.len());
        let [message_type, from, sender_doc_id, to] =
            [message_type, from, sender_doc_id, to].map(str::to_owned);
        let mail = Mail {
            doc_id: doc_id.clone(),
            sender_doc_id,
            system: self.systems.get(system).map(|system| system.id.clone()).unwrap_or_default(),
            message_type,
            from,
            to,
            file: file.to_owned(),
            at: SystemClock.now(),
            fetched: 0,
            said: Vec::new(),
        };
        post.mail.push(mail);
        doc_id
    }

    /// `getReceivedEdocList`: what waits of one message type.
    pub(super) fn received(&self, system: &str, message_type: &str) -> Answer {
        let post = self.post();
        let entry = |mail: &Mail| {
            json!({
                "docId": mail.doc_id,
                "serviceType": "eDoc",
                "messageType": mail.message_type,
                "created_time": time(mail.at),
                "updated_time": time(mail.at),
                "from": mail.from,
                "to": mail.to,
                "status": mail.status(),
                "status_desc": "",
            })
        };
        let waits = post.mail.iter().filter(|mail| mail.is_listed(system, message_type, &post.habits));
        Answer::Json(ok(json!({ "data": waits.map(entry).collect::<Vec<_>>() })))
    }

    /// `countReceiveEdoc`, `countReceiveStatus`.
    pub(super) fn count(&self, system: &str, message_type: &str) -> Answer {
        let post = self.post();
        let waits = post.mail.iter().filter(|mail| mail.is_listed(system, message_type, &post.habits));
        Answer::Json(ok(json!({ "count": waits.count() })))
    }

    /// `getEdoc`, `downloadEdoc`: where the packet is.
    pub(super) fn fetched(&self, system: &str, doc_id: &str) -> Result<PathBuf, Failed> {
        let mut post = self.post();
        let mail = post.find(system, doc_id)?;
        mail.fetched += 1;
        Ok(mail.file.clone())
    }

    /// `updateStatus`. The last word is `done`; whatever follows changes nothing and is no error.
    pub(super) fn update(&self, system: &str, doc_id: &str, status: &str) -> Result<Answer, Failed> {
        if !matches!(status, "processing" | "done" | "fail") {
            return Err(("22", format!("status {status}")));
        }
        self.post().find(system, doc_id)?.said.push(status.to_owned());
        Ok(Answer::Json(ok(json!({}))))
    }

    /// `getSentEdocList`: what became of one consignment, a line for each receiver.
    pub(super) fn sent(&self, system: &str, doc_id: &str) -> Result<Answer, Failed> {
        let post = self.post();
        let of_system = |consigned: &&Consigned| consigned.doc_id == doc_id && consigned.system == system;
        let consigned = post.taken.iter().find(of_system);
        let consigned = consigned.ok_or_else(|| ("10", format!("docId {doc_id}")))?;
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
                "title": consigned.title,
                "notation": "",
                "sentTime": time(consigned.at),
                "receivedTime": if status == "done" { time(consigned.at) } else { String::new() },
                "sendStatus": "done",
                "sendStatusDesc": "",
                "receiveStatus": status,
                "receiveStatusDesc": "",
            })
        };
        let to = if consigned.receivers.is_empty() { &consigned.to } else { &consigned.receivers };
        Ok(Answer::Json(ok(json!({ "data": to.iter().map(line).collect::<Vec<_>>() }))))
    }

    /// `getAgenciesList`, `getAgenciesListQD20`.
    pub(super) fn agencies(&self, qd20: bool) -> Answer {
        let post = self.post();
        let listed = post
            .habits
            .agencies
            .iter()
            .enumerate()
            .filter(|(_, agency)| agency.state != AgencyState::Deleted);
        let line = |(n, agency): (usize, &super::Agency)| {
            let id = (n + 1).to_string();
            let above = post.habits.agencies.iter().position(|above| above.has(&agency.parent));
            let pid = above.map(|n| (n + 1).to_string()).unwrap_or_default();
            let (name, mail) = (&agency.name, &agency.mail);
            match qd20 {
                false => {
                    json!({ "id": id, "pid": pid, "code": agency.code, "name": name, "mail": mail, "oldCode": agency.old_code })
                }
                true => {
                    json!({ "id": id, "code": agency.code, "name": name, "mail": mail, "code102": agency.old_code })
                }
            }
        };
        Answer::Json(ok(json!({ "data": listed.map(line).collect::<Vec<_>>() })))
    }
}

impl Post {
    fn find(&mut self, system: &str, doc_id: &str) -> Result<&mut Mail, Failed> {
        let found = self.mail.iter_mut().find(|mail| mail.doc_id == doc_id && mail.system == system);
        found.ok_or_else(|| ("10", format!("docId {doc_id}")))
    }
}
