//! The scenes of the demo, in order. Each says what it does, waits for the outcome and looks at what became of it; in the
//! end every byte of everything that was sent is compared.

mod compare;
mod faults;
mod refusals;
mod ways;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use lienthong_schemas::edxml::DocumentBuilder;
use serde_json::Value;

use super::cast::{A, Cast, PAPER, PARTIES};
use super::child::{self, Gateway};
use super::story::Story;
use super::world::digest;
use crate::cli::{CommandFault, print};

/// How long anything may take to arrive.
const ARRIVES_WITHIN: Duration = Duration::from_secs(90);

const LETTER: &[u8] = include_bytes!("../files/cong-van.pdf");
const LIST: &[u8] = include_bytes!("../files/danh-sach.csv");

/// The gateway, its world, and what is told of them.
pub(super) struct Scenes {
    cast: Cast,
    gateway: Gateway,
    program: PathBuf,
    story: Story,
    sent: Vec<Sent>,
}

/// A packet to be sent.
struct Draft {
    number: u32,
    subject: &'static str,
    to: &'static [usize],
    document: DocumentBuilder,
}

/// A packet that must arrive.
#[derive(Clone)]
struct Sent {
    /// Number and notation.
    code: String,
    /// What it is about.
    subject: &'static str,
    file: PathBuf,
    document_id: String,
    /// Whose system brought it.
    sender: usize,
    /// Places in [`PARTIES`].
    to: &'static [usize],
    /// The gateway was killed while it was on its way: a delivery may have been made twice.
    killed: bool,
}

fn failed(what: impl Into<String>) -> CommandFault {
    CommandFault(what.into())
}

/// A letter of A.
fn letter(number: u32, subject: &'static str, to: &'static [usize]) -> Draft {
    let codes: Vec<&str> = to.iter().map(|&at| PARTIES[at].code).collect();
    let document = DocumentBuilder::new(PARTIES[A].code, &codes)
        .code(&number.to_string(), "UBND-VP")
        .document_id(&name_of(number))
        .subject(subject);
    Draft { number, subject, to, document }
}

/// The `DocumentId` of such a letter.
fn name_of(number: u32) -> String {
    format!("{},2026/01/02,{number}/UBND-VP", PARTIES[A].code)
}

impl Draft {
    fn with(mut self, more: impl FnOnce(DocumentBuilder) -> DocumentBuilder) -> Self {
        self.document = more(self.document);
        self
    }
}

impl Scenes {
    pub(super) async fn open(cast: Cast, program: PathBuf) -> Result<Self, CommandFault> {
        let story = Story::begin();
        story.chapter("Chuẩn bị", "Setting the stage");
        for party in &PARTIES {
            let way = match party.way {
                super::cast::Way::Vendor(at) => {
                    format!("hệ thống / system {}", cast.world.receivers[at].name())
                }
                super::cast::Way::Mail => format!("hộp thư / mailbox {}", cast.mailbox.account().mailbox),
                super::cast::Way::Axis => format!("trục / axis {}", cast.axis.url()),
            };
            story.tell(&format!("{}: {}, {way}", party.shown(), party.name));
        }
        story.tell(
            "khóa HMAC của trục VPCP: lienthong secret seal, chỉ bản niêm phong nằm trong cấu hình / sealed secret",
        );
        let gateway = cast.world.start(&program, &[]).await?;
        story.tell(&format!("trục đã sẵn sàng tại http://{} / the gateway is ready", cast.world.public));
        Ok(Self { cast, gateway, program, story, sent: Vec::new() })
    }

    pub(super) async fn play(&mut self) -> Result<(), CommandFault> {
        self.three_ways().await?;
        self.receiver_down().await?;
        self.status_packet().await?;
        self.dead_letter().await?;
        self.refusals().await?;
        self.paper().await?;
        self.large().await?;
        self.killed().await?;
        self.broker_killed().await?;
        self.compare().await
    }

    /// Sends a letter of A and tells of it.
    async fn send(&mut self, draft: Draft) -> Result<Sent, CommandFault> {
        let sent = self.send_quietly(draft).await?;
        let (_, bytes) = digest(&sent.file)?;
        let to: Vec<&str> = sent.to.iter().map(|&at| PARTIES[at].code).collect();
        let (code, id) = (&sent.code, &sent.document_id);
        self.story.tell(&format!("{code} → {}: 202, {bytes} byte, {id}", to.join(", ")));
        Ok(sent)
    }

    async fn send_quietly(&mut self, draft: Draft) -> Result<Sent, CommandFault> {
        let world = &self.cast.world;
        let file = world.packet(&format!("{}.edxml", draft.number), draft.document, A)?;
        let document_id = world.submit(A, &file).await?.document_id()?;
        let code = format!("{}/UBND-VP", draft.number);
        let (subject, to) = (draft.subject, draft.to);
        let sent = Sent { code, subject, file, document_id, sender: A, to, killed: false };
        self.sent.push(sent.clone());
        Ok(sent)
    }

    /// Waits for its end at every receiver, and tells of it. The document as its sender sees it then.
    async fn arrived(&self, sent: &Sent) -> Result<Value, CommandFault> {
        let view = self.arrived_quietly(sent).await?;
        for delivery in deliveries(&view) {
            let text = |key: &str| delivery[key].as_str().unwrap_or_default().to_owned();
            let (receiver, vi, en) = (text("receiver"), text("state_vi"), text("state_en"));
            self.story.tell(&format!("{}: {receiver}: {vi} / {en}", sent.code));
        }
        Ok(view)
    }

    async fn arrived_quietly(&self, sent: &Sent) -> Result<Value, CommandFault> {
        self.until(sent, |line| line["state"] == end_of(line["receiver"].as_str().unwrap_or_default())).await
    }

    /// Waits until every delivery is as it should be; a peer that complains ends the wait.
    async fn until(&self, sent: &Sent, holds: impl Fn(&Value) -> bool) -> Result<Value, CommandFault> {
        let mut ticks = child::ticks();
        let begun = Instant::now();
        let mut last = Value::Null;
        while begun.elapsed() < ARRIVES_WITHIN {
            ticks.tick().await;
            last = self.cast.world.show(sent.sender, &sent.document_id).await?.body;
            if !deliveries(&last).is_empty() && deliveries(&last).iter().all(&holds) {
                return Ok(last);
            }
            let complaints = self.cast.complaints();
            if !complaints.is_empty() {
                return Err(failed(format!("{}: peers complain: {complaints:?}", sent.code)));
            }
        }
        Err(failed(format!("{}: not as expected: {last}", sent.code)))
    }

    /// Leaves everything up until Ctrl-C, and says where to look.
    pub(super) async fn stay(&self) -> Result<(), CommandFault> {
        let world = &self.cast.world;
        let config = world.config.display();
        print(&format!(
            "\nTrục vẫn chạy; Ctrl-C để dừng / still running; Ctrl-C ends it\n\
             API:      http://{}/api/v1/documents\n\
             token:    {}\n\
             metrics:  http://{}/metrics   readyz: http://{}/readyz\n\
             log:      {}\n\
             settings: {config}\n\
             thư / mail: {}   trục VPCP / axis: {}\n\
             thử / try: lienthong send {} --url http://{} --token-file {}\n\
             thử / try: lienthong status -c {config}; lienthong deliveries list -c {config}",
            world.public,
            world.token_file(A).display(),
            world.admin,
            world.admin,
            world.log.display(),
            world.folder.join("mailbox").display(),
            world.folder.join("axis").display(),
            world.folder.join("101.edxml").display(),
            world.public,
            world.token_file(A).display(),
        ));
        tokio::signal::ctrl_c().await.map_err(|cause| CommandFault::at("Ctrl-C", cause))
    }

    /// Stops the gateway as an operator would; it must end well.
    pub(super) async fn close(&mut self) -> Result<(), CommandFault> {
        match self.gateway.stop().await? {
            Some(0) => Ok(()),
            code => Err(failed(format!("the gateway ended with {code:?} at SIGTERM"))),
        }
    }
}

/// The deliveries of a document that was shown.
fn deliveries(view: &Value) -> &[Value] {
    view["deliveries"].as_array().map_or(&[], Vec::as_slice)
}

/// The delivery of one of [`PARTIES`] in a document that was shown.
fn delivery_to(view: &Value, at: usize) -> Result<&Value, CommandFault> {
    let found = deliveries(view).iter().find(|line| line["receiver"] == PARTIES[at].code);
    found.ok_or_else(|| failed(format!("no delivery to {} in {view}", PARTIES[at].code)))
}

/// The state in which a delivery to this code ends well.
fn end_of(code: &str) -> &'static str {
    match PARTIES.iter().find(|party| party.code == code) {
        Some(party) => party.end(),
        None if code == PAPER => "paper",
        None => "",
    }
}
