//! Those who send: each goes on until it has its receipt, as a careful client does, or is told that its packet is bad.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use lienthong::demo::world::{AGENCIES, digest, scan};
use lienthong_schemas::edxml::{
    BusinessType, DocumentBuilder, StatusCode, StatusContact, StatusPacket, StatusSender, StatusSubject,
};
use lienthong_schemas::organ::OrganId;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use tokio::time::Instant;

use super::ground::Ground;
use super::plan::{Flaw, Item, Kind, Trick, family};
use super::receivers::{lock, pause};

/// How long one try may take.
const TRY_MAX: Duration = Duration::from_secs(60);
/// The same where there is another gateway to try.
const TRY_ONE_MAX: Duration = Duration::from_secs(15);
/// Between two tries.
const AGAIN_AFTER: Duration = Duration::from_millis(150);

/// Who gave a receipt, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Giver {
    /// Which gateway.
    pub(super) gateway: usize,
    /// How often that had been lost with its disk by then.
    pub(super) life: u32,
    /// When.
    pub(super) at: Instant,
}

impl Giver {
    /// The gateway in this life.
    pub(super) fn seat(&self) -> (usize, u32) {
        (self.gateway, self.life)
    }
}

/// What became of a submission.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    /// The plan's.
    pub(super) item: Item,
    /// The packet's SHA-256 in hex.
    pub sha256: String,
    /// Where it is.
    pub(super) file: PathBuf,
    /// When its first try began.
    pub(super) begun: Instant,
    /// When its first receipt was there.
    pub(super) receipted: Option<Instant>,
    /// Every receipt, in the order of arrival.
    pub(super) receipts: Vec<Value>,
    /// Who gave each of them.
    pub(super) given_by: Vec<Giver>,
    /// Gateways that may have it.
    pub(super) tried: BTreeSet<usize>,
    /// Receipts that were marked as replayed.
    pub(super) replayed: u32,
    /// The word that ended it: a status of 4xx, and what it said.
    pub(super) refused: Option<(u16, String)>,
    /// Tries.
    pub(super) tries: u32,
}

impl Sent {
    /// The document's id, when it was accepted.
    pub(super) fn document_id(&self) -> Option<&str> {
        self.receipts.first()?["document_id"].as_str()
    }

    /// Each one that gave a receipt once, the first one first.
    pub(super) fn givers(&self) -> Vec<Giver> {
        let mut givers: Vec<Giver> = Vec::new();
        for giver in &self.given_by {
            if !givers.iter().any(|known| known.seat() == giver.seat()) {
                givers.push(*giver);
            }
        }
        givers
    }
}

/// The clients of one round.
pub(super) struct Clients {
    ground: Arc<Ground>,
    http: reqwest::Client,
    /// Attachments are made of it.
    seed: u64,
    sent: Mutex<Vec<Sent>>,
}

impl Clients {
    /// Nobody has sent anything.
    pub(super) fn new(ground: Arc<Ground>, seed: u64) -> Self {
        let longest = if ground.worlds.len() > 1 { TRY_ONE_MAX } else { TRY_MAX };
        let http = reqwest::Client::builder().no_proxy().timeout(longest).build().expect("a client");
        Self { ground, http, seed, sent: Mutex::default() }
    }

    /// Everything sent so far, in the order of its end.
    pub(super) fn sent(&self) -> Vec<Sent> {
        lock(&self.sent).clone()
    }

    /// Sends what is for this client, one after the other, evenly over `span`.
    ///
    /// # Errors
    /// A packet cannot be made.
    pub(super) async fn run(
        self: &Arc<Self>,
        client: usize,
        items: &[Item],
        span: Duration,
    ) -> anyhow::Result<()> {
        let own: Vec<&Item> = items.iter().filter(|item| item.client == client).collect();
        let begun = Instant::now();
        for (at, item) in own.iter().enumerate() {
            let due = span.mul_f64(at as f64 / own.len() as f64);
            pause(due.saturating_sub(begun.elapsed())).await;
            self.send(item).await?;
        }
        Ok(())
    }

    async fn send(self: &Arc<Self>, item: &Item) -> anyhow::Result<()> {
        let (of_thread, of_item) = (self.clone(), item.clone());
        let file = tokio::task::spawn_blocking(move || of_thread.packet(&of_item)).await??;
        let (sha256, _) = digest(&file).map_err(|fault| anyhow::anyhow!(fault.0))?;
        if let Some((receiver, lasts)) = item.poison {
            self.ground.book.poison(&sha256, &self.ground.codes[receiver], lasts);
        }
        let mut sent = Sent {
            item: item.clone(),
            sha256,
            file,
            begun: Instant::now(),
            receipted: None,
            receipts: Vec::new(),
            given_by: Vec::new(),
            tried: BTreeSet::new(),
            replayed: 0,
            refused: None,
            tries: 0,
        };
        // What is about one document goes to one gateway, as long as that takes it.
        let home = self.one_of_all(family(item));
        if let Trick::Abandon(after) = item.trick {
            sent.tries_at(home);
            // Whatever it would have been told, nobody listens.
            drop(tokio::time::timeout(Duration::from_millis(after), self.post(&sent, home)).await);
        }
        if item.trick == Trick::Twice {
            let next = (home + 1) % self.ground.worlds.len();
            sent.tries_at(home);
            sent.tried.insert(next);
            let seats = (self.seat(home), self.seat(next));
            let (one, other) = tokio::join!(self.post(&sent, home), self.post(&sent, next));
            for (seat, answer) in [(seats.0, one), (seats.1, other)] {
                sent.heard(seat, answer);
            }
        }
        let mut gateway = home;
        while sent.receipts.is_empty() && sent.refused.is_none() {
            sent.tries_at(gateway);
            let seat = self.seat(gateway);
            let answer = self.post(&sent, gateway).await;
            if !sent.heard(seat, answer) {
                gateway = self.one_of_all(item.at.wrapping_add(sent.tries.wrapping_mul(31)));
                pause(AGAIN_AFTER).await;
            }
        }
        if item.trick == Trick::Again {
            let gateway = self.one_of_all(item.at);
            sent.tried.insert(gateway);
            let seat = self.seat(gateway);
            let answer = self.post(&sent, gateway).await;
            sent.heard(seat, answer);
        }
        lock(&self.sent).push(sent);
        Ok(())
    }

    /// A gateway in the life that it has now.
    fn seat(&self, gateway: usize) -> (usize, u32) {
        (gateway, self.ground.lives[gateway].load(Ordering::SeqCst))
    }

    /// One of the gateways, as the seed has it.
    fn one_of_all(&self, at: u32) -> usize {
        let all = self.ground.worlds.len();
        StdRng::seed_from_u64(self.seed.wrapping_add(u64::from(at))).random_range(0..all)
    }

    /// One try: status, `Idempotent-Replayed`, body.
    ///
    /// # Errors
    /// The gateway is not there, or goes away.
    pub(super) async fn post(
        &self,
        sent: &Sent,
        gateway: usize,
    ) -> Result<(u16, bool, Value), reqwest::Error> {
        let Ok(_open) = self.ground.doors[gateway].try_read() else {
            return Ok((http::StatusCode::SERVICE_UNAVAILABLE.as_u16(), false, Value::Null));
        };
        let body = tokio::fs::read(&sent.file).await.expect("the packet is there");
        let url = format!("http://{}/api/v1/documents", self.ground.worlds[gateway].public);
        let token = &self.ground.tokens[sent.item.sender];
        let response = self.http.post(url).bearer_auth(token).body(body).send().await?;
        let status = response.status().as_u16();
        let replayed = response.headers().get("idempotent-replayed").is_some_and(|v| v == "true");
        let text = response.text().await?;
        Ok((status, replayed, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// What a gateway shows the sender's system of a document.
    ///
    /// # Errors
    /// The gateway is not there, or goes away.
    pub(super) async fn show(
        &self,
        sender: usize,
        gateway: usize,
        document_id: &str,
    ) -> Result<(u16, Value), reqwest::Error> {
        let url = format!("http://{}/api/v1/documents/{document_id}", self.ground.worlds[gateway].public);
        let response = self.http.get(url).bearer_auth(&self.ground.tokens[sender]).send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    fn packet(&self, item: &Item) -> anyhow::Result<PathBuf> {
        let world = &self.ground.worlds[0];
        let name = format!("packets/{}.edxml", item.at);
        let fault = |fault: lienthong::cli::CommandFault| anyhow::anyhow!(fault.0);
        let unsigned = match &item.kind {
            Kind::Status(of, code) => {
                let path = world.folder.join(format!("{name}.unsigned"));
                std::fs::write(&path, self.status(item, *of, code))?;
                path
            }
            _ => world.unsigned(&format!("{name}.unsigned"), self.document(item)).map_err(fault)?,
        };
        let signed = world.sign(&name, &unsigned, item.sender).map_err(fault)?;
        std::fs::remove_file(unsigned)?;
        if let Kind::Malformed(flaw) = item.kind {
            let text = std::fs::read_to_string(&signed)?;
            std::fs::write(&signed, spoiled(&text, flaw))?;
        }
        Ok(signed)
    }

    fn name(&self, sender: usize, at: u32) -> String {
        format!("{},2026/01/02,{}/UBND-VP", AGENCIES[sender].code, at)
    }

    fn document(&self, item: &Item) -> DocumentBuilder {
        let (from, number) = (AGENCIES[item.sender].code, item.at);
        let to: Vec<&str> = item.receivers.iter().map(|at| self.ground.codes[*at].as_str()).collect();
        let mut document = DocumentBuilder::new(from, &to)
            .code(&number.to_string(), "UBND-VP")
            .document_id(&self.name(item.sender, item.at))
            .subject(&format!("V/v diễn tập số {number}"))
            .priority(item.priority);
        document = match item.kind {
            Kind::Revoke(of) => {
                document.business(BusinessType::Revoke, "ban hành nhầm", &self.name(item.sender, of))
            }
            Kind::Update(of) => {
                document.business(BusinessType::Update, "sửa nội dung", &self.name(item.sender, of))
            }
            Kind::Replace(of) => document.replaces("thay thế", &[self.name(item.sender, of)]),
            _ => document,
        };
        if item.bytes > 0 {
            let seed = self.seed.wrapping_add(u64::from(item.at));
            document = document.attach("ho-so.pdf", "application/pdf", scan(item.bytes, seed));
        }
        document
    }

    fn status(&self, item: &Item, of: u32, code: &str) -> Vec<u8> {
        let (to, number) = (item.receivers[0], of);
        let organ = |at: usize| OrganId::parse(AGENCIES[at].code).expect("a code");
        let code = StatusCode::ALL.into_iter().find(|known| known.digits() == code).expect("a code");
        let response_for = StatusSubject {
            organ_id: organ(to),
            code: format!("{number}/UBND-VP"),
            document_id: self.name(to, of),
            promulgation_date: "2026/01/02".to_owned(),
        };
        let from = StatusSender {
            organ_id: organ(item.sender),
            organization_in_charge: String::new(),
            organ_name: AGENCIES[item.sender].name.to_owned(),
            contact: StatusContact::default(),
        };
        let timestamp =
            Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(1_767_400_000 + i64::from(item.at));
        let description = format!("diễn tập {}", item.at);
        StatusPacket { from, response_for, staff: None, code, description, timestamp }.to_xml()
    }
}

impl Sent {
    fn tries_at(&mut self, gateway: usize) {
        self.tries += 1;
        self.tried.insert(gateway);
    }

    /// Notes an answer; `false` when it was none that ends the matter.
    fn heard(
        &mut self,
        (gateway, life): (usize, u32),
        answer: Result<(u16, bool, Value), reqwest::Error>,
    ) -> bool {
        match answer {
            Ok((202, replayed, body)) => {
                self.receipted.get_or_insert_with(Instant::now);
                self.receipts.push(body);
                self.given_by.push(Giver { gateway, life, at: Instant::now() });
                self.replayed += u32::from(replayed);
                true
            }
            Ok((status @ 400..=499, _, body)) if ![408, 429].contains(&status) => {
                self.refused = Some((status, body.to_string()));
                true
            }
            _ => false,
        }
    }
}

fn spoiled(text: &str, flaw: Flaw) -> String {
    match flaw {
        Flaw::CutShort => text.chars().take(text.chars().count() * 2 / 3).collect(),
        Flaw::Tampered => text.replacen("diễn tập", "diễn tâp", 1),
        Flaw::Declares => text.replacen("<edXML", "<!DOCTYPE edXML []><edXML", 1),
    }
}
