//! The scenes of the demo, in order. Each says what it does, waits for the outcome and compares bytes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lienthong_schemas::edxml::DocumentBuilder;

use super::child::{self, Gateway};
use super::receiver_names;
use super::story::{Line, Story};
use super::world::{AGENCIES, World, digest, scan};
use crate::cli::{CommandFault, print};

/// How long anything may take to arrive.
const ARRIVES_WITHIN: Duration = Duration::from_secs(90);
/// The gateway's largest memory while 100 MB pass (issue: VmHWM < 150 MB).
const PEAK_MEMORY_MAX: u64 = 150 * 1000 * 1000;
/// Bytes of the attachment that make a packet of 100 MB in base64.
const SCAN_BYTES: u64 = 75_000_000;

const LETTER: &[u8] = include_bytes!("files/cong-van.pdf");
const LIST: &[u8] = include_bytes!("files/danh-sach.csv");

/// The gateway, its world, and what is told of them.
pub(super) struct Scenes {
    world: World,
    gateway: Gateway,
    program: PathBuf,
    story: Story,
}

/// A packet that must arrive.
struct Sent {
    what: String,
    file: PathBuf,
    document_id: String,
    receivers: &'static [usize],
}

fn failed(what: impl Into<String>) -> CommandFault {
    CommandFault(what.into())
}

impl Scenes {
    pub(super) async fn open(world: World) -> Result<Self, CommandFault> {
        let program = child::own_program()?;
        let story = Story::begin();
        story.chapter("Chuẩn bị", "Setting the stage");
        story.tell("khóa thử, danh mục 3 đơn vị, 3 hệ thống nhận / trial keys, a directory of 3 agencies, 3 receiving systems");
        let gateway = world.start(&program, &[]).await?;
        story.tell(&format!("trục đã sẵn sàng tại http://{} / the gateway is ready", world.public));
        Ok(Self { world, gateway, program, story })
    }

    pub(super) async fn play(&mut self) -> Result<(), CommandFault> {
        let mut sent = Vec::new();
        sent.push(self.two_receivers().await?);
        sent.push(self.receiver_down().await?);
        self.refusals().await?;
        sent.push(self.large().await?);
        sent.push(self.killed().await?);
        sent.extend(self.broker_killed().await?);
        self.compare(&sent)?;
        self.story.table(&receiver_names());
        Ok(())
    }

    /// 1: a signed packet with two real attachments to two receivers.
    async fn two_receivers(&mut self) -> Result<Sent, CommandFault> {
        self.story
            .chapter("1. Văn bản có hai tệp đính kèm, hai nơi nhận", "A signed packet to two receivers");
        let document = letter("101", "V/v báo cáo tình hình chuyển đổi số", &[1, 2])
            .attach("cong-van.pdf", "application/pdf", LETTER)
            .attach("danh-sach.csv", "text/csv", LIST);
        let sent = self.send("101/UBND-VP", document, &[1, 2]).await?;
        self.arrived(&sent).await?;
        let again = self.world.submit(0, &sent.file).await?;
        if !again.replayed || again.document_id()? != sent.document_id {
            return Err(failed("a repeat did not give the same receipt"));
        }
        self.story
            .tell("gửi lại lần nữa: cùng một biên nhận, không chuyển lần hai / sent again: the same receipt");
        Ok(sent)
    }

    /// 2: a receiver that is down and comes back.
    async fn receiver_down(&mut self) -> Result<Sent, CommandFault> {
        self.story.chapter("2. Hệ thống nhận bị tắt rồi bật lại", "A receiver is down and comes back");
        self.world.receivers[2].close();
        self.story.tell("H55.21 tắt máy / H55.21 is switched off");
        let sent = self.send("102/UBND-VP", letter("102", "V/v lịch họp giao ban", &[2]), &[2]).await?;
        self.attempted(&sent, 2).await?;
        self.story.tell("trục đã thử 2 lần, văn bản vẫn nằm trong hàng đợi / tried twice, still queued");
        let reopened = self.world.receivers[2].reopen().await;
        reopened.map_err(|cause| CommandFault::at("H55.21", cause))?;
        self.story.tell("H55.21 bật lại / H55.21 is switched on again");
        self.arrived(&sent).await?;
        Ok(sent)
    }

    /// 3: a tampered packet, and one signed by another organisation.
    async fn refusals(&mut self) -> Result<(), CommandFault> {
        self.story
            .chapter("3. Văn bản bị sửa, văn bản ký bằng khóa của đơn vị khác", "Forgeries are refused");
        let genuine = self.world.packet("103.edxml", letter("103", "V/v chi 1.000.000 đồng", &[1]), 0)?;
        let text = read_text(&genuine)?;
        let tampered = self.world.folder.join("103-tampered.edxml");
        let changed = text.replace("1.000.000", "9.000.000");
        std::fs::write(&tampered, changed).map_err(|cause| CommandFault::at(tampered.display(), cause))?;
        self.refused("103/UBND-VP, bị sửa / tampered", &tampered, "SIGNATURE_INVALID").await?;
        let foreign = self.world.packet("104.edxml", letter("104", "V/v mạo danh", &[1]), 1)?;
        self.refused("104/UBND-VP, H55.15 ký / signed by another", &foreign, "SIGNER_NOT_TRUSTED").await
    }

    async fn refused(&mut self, what: &str, packet: &Path, code: &str) -> Result<(), CommandFault> {
        let answer = self.world.submit(0, packet).await?;
        if answer.body["code"] != code || answer.status != 422 {
            return Err(failed(format!("{what}: expected {code}, got {} {}", answer.status, answer.body)));
        }
        let title = answer.body["title"].as_str().unwrap_or_default();
        self.story.tell(&format!("{what}: {} {code}, {title}", answer.status));
        let receivers = AGENCIES.iter().map(|_| "–".to_owned()).collect();
        self.story.note(Line { what: what.to_owned(), answer: code.to_owned(), receivers });
        Ok(())
    }

    /// 4: a 100 MB packet.
    async fn large(&mut self) -> Result<Sent, CommandFault> {
        self.story.chapter("4. Gói tin 100 MB", "A packet of 100 MB");
        let document =
            letter("105", "V/v hồ sơ quét", &[1]).attach("ho-so.pdf", "application/pdf", scan(SCAN_BYTES, 5));
        let sent = self.send("105/UBND-VP", document, &[1]).await?;
        self.arrived(&sent).await?;
        let peak = self.gateway.peak_memory().ok_or_else(|| failed("VmHWM cannot be read"))?;
        self.story
            .tell(&format!("bộ nhớ cao nhất của trục: {} MB / the gateway's peak memory", peak / 1_000_000));
        if peak >= PEAK_MEMORY_MAX {
            return Err(failed(format!("peak memory {peak} is not below {PEAK_MEMORY_MAX}")));
        }
        Ok(sent)
    }

    /// 5: SIGKILL of the gateway right after a 202.
    async fn killed(&mut self) -> Result<Sent, CommandFault> {
        self.story.chapter(
            "5. Trục bị ngắt đột ngột ngay sau khi cấp biên nhận",
            "SIGKILL right after the receipt",
        );
        let document = letter("106", "V/v hỏa tốc phòng chống bão", &[1, 2]).priority(3);
        let sent = self.send("106/UBND-VP, hỏa tốc / urgent", document, &[1, 2]).await?;
        let broker = self.gateway.broker_pid();
        self.gateway.kill().await?;
        self.story.tell("SIGKILL trục / SIGKILL of the gateway");
        if let Some(pid) = broker {
            gone(pid).await?;
            self.story.tell("nats-server cũng đã dừng theo / its nats-server is gone with it");
        }
        self.gateway = self.world.start(&self.program, &[]).await?;
        self.story.tell("trục chạy lại / the gateway is started again");
        self.arrived(&sent).await?;
        Ok(sent)
    }

    /// 6: nats-server killed during traffic.
    async fn broker_killed(&mut self) -> Result<Vec<Sent>, CommandFault> {
        self.story
            .chapter("6. nats-server bị ngắt khi đang có văn bản", "nats-server is killed during traffic");
        let mut sent = Vec::new();
        for number in 107..=116 {
            if number == 110 {
                let pid =
                    self.gateway.broker_pid().ok_or_else(|| failed("no nats-server below the gateway"))?;
                let pid = rustix::process::Pid::from_raw(pid.cast_signed()).ok_or_else(|| failed("pid"))?;
                let killed = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                killed.map_err(|cause| CommandFault::at("nats-server", cause))?;
                self.story.tell("SIGKILL nats-server; vẫn tiếp tục nhận văn bản / intake goes on");
            }
            let document = letter(&number.to_string(), "V/v văn bản thường ngày", &[1, 2]);
            sent.push(self.send_quietly(&format!("{number}/UBND-VP"), document, &[1, 2]).await?);
        }
        self.story.tell("đã nhận 10 văn bản / 10 documents accepted");
        for one in &sent {
            self.arrived_quietly(one).await?;
        }
        self.story.tell("10 văn bản đã đến cả hai nơi / all of them are with both receivers");
        Ok(sent)
    }

    async fn send(
        &self,
        what: &str,
        document: DocumentBuilder,
        receivers: &'static [usize],
    ) -> Result<Sent, CommandFault> {
        let sent = self.send_quietly(what, document, receivers).await?;
        let (_, bytes) = digest(&sent.file)?;
        self.story.tell(&format!("{what}: 202, {bytes} byte, {}", sent.document_id));
        Ok(sent)
    }

    async fn send_quietly(
        &self,
        what: &str,
        document: DocumentBuilder,
        receivers: &'static [usize],
    ) -> Result<Sent, CommandFault> {
        let name = format!("{}.edxml", what.split('/').next().unwrap_or(what));
        let file = self.world.packet(&name, document, 0)?;
        let document_id = self.world.submit(0, &file).await?.document_id()?;
        Ok(Sent { what: what.to_owned(), file, document_id, receivers })
    }

    async fn arrived(&self, sent: &Sent) -> Result<(), CommandFault> {
        self.arrived_quietly(sent).await?;
        for &at in sent.receivers {
            self.story.tell(&format!("{}: {} đã nhận / has it", sent.what, AGENCIES[at].code));
        }
        Ok(())
    }

    async fn arrived_quietly(&self, sent: &Sent) -> Result<(), CommandFault> {
        for &at in sent.receivers {
            let found = self.world.receivers[at].wait_for(&sent.document_id, ARRIVES_WITHIN).await;
            found.ok_or_else(|| failed(format!("{} did not reach {}", sent.what, AGENCIES[at].code)))?;
        }
        self.settled(sent).await
    }

    /// The sender sees `received` for every receiver.
    async fn settled(&self, sent: &Sent) -> Result<(), CommandFault> {
        self.until(sent, |deliveries| deliveries.iter().all(|d| d["state"] == "received")).await
    }

    async fn attempted(&self, sent: &Sent, times: u64) -> Result<(), CommandFault> {
        self.until(sent, |deliveries| {
            deliveries
                .iter()
                .all(|d| d["attempts"].as_u64().is_some_and(|n| n >= times) && d["state"] == "queued")
        })
        .await
    }

    async fn until(
        &self,
        sent: &Sent,
        holds: impl Fn(&[serde_json::Value]) -> bool,
    ) -> Result<(), CommandFault> {
        let mut ticks = child::ticks();
        let begun = std::time::Instant::now();
        let mut last = serde_json::Value::Null;
        while begun.elapsed() < ARRIVES_WITHIN {
            ticks.tick().await;
            last = self.world.show(0, &sent.document_id).await?.body;
            if last["deliveries"].as_array().is_some_and(|list| holds(list)) {
                return Ok(());
            }
        }
        Err(failed(format!("{}: not as expected: {last}", sent.what)))
    }

    /// Every byte of every document at every receiver, nothing else anywhere, no complaint.
    fn compare(&mut self, sent: &[Sent]) -> Result<(), CommandFault> {
        self.story.chapter("So từng byte", "Comparing every byte");
        let mut expected = 0;
        for one in sent {
            let (sha256, bytes) = digest(&one.file)?;
            let mut receivers = Vec::new();
            for (at, receiver) in self.world.receivers.iter().enumerate() {
                let found = receiver.taken().into_values().find(|t| t.document_id == one.document_id);
                let due = one.receivers.contains(&at);
                receivers.push(match (found, due) {
                    (None, false) => "–".to_owned(),
                    (Some(taken), true) => {
                        expected += 1;
                        let (kept, length) = digest(&taken.file)?;
                        if (kept, length) != (sha256.clone(), bytes) || taken.receiver != AGENCIES[at].code {
                            return Err(failed(format!("{}: other bytes at {}", one.what, receiver.name())));
                        }
                        if taken.times > 1 {
                            format!("đúng từng byte ({}×)", taken.times)
                        } else {
                            "đúng từng byte".to_owned()
                        }
                    }
                    _ => return Err(failed(format!("{}: wrong receiver {}", one.what, receiver.name()))),
                });
            }
            let answer = "202".to_owned();
            self.story.note(Line { what: one.what.clone(), answer, receivers });
        }
        let taken: usize = self.world.receivers.iter().map(|receiver| receiver.taken().len()).sum();
        let complaints: Vec<String> = self.world.receivers.iter().flat_map(|r| r.complaints()).collect();
        if taken != expected || !complaints.is_empty() {
            return Err(failed(format!(
                "{taken} deliveries instead of {expected}; complaints: {complaints:?}"
            )));
        }
        self.story.tell(&format!("{expected} bản chuyển, đúng từng byte, không thừa / {expected} deliveries, equal byte for byte, none too many"));
        Ok(())
    }

    /// Leaves everything up until Ctrl-C, and says where to look.
    pub(super) async fn stay(&self) -> Result<(), CommandFault> {
        let world = &self.world;
        print(&format!(
            "\nTrục vẫn chạy; Ctrl-C để dừng / still running; Ctrl-C ends it\n\
             API:      http://{}/api/v1/documents\n\
             token:    {}\n\
             metrics:  http://{}/metrics   readyz: http://{}/readyz\n\
             log:      {}\n\
             settings: {}\n\
             thử / try: lienthong send {} --url http://{} --token-file {}",
            world.public,
            world.token_file(0).display(),
            world.admin,
            world.admin,
            world.log.display(),
            world.config.display(),
            world.folder.join("101.edxml").display(),
            world.public,
            world.token_file(0).display(),
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

fn letter(number: &str, subject: &str, receivers: &[usize]) -> DocumentBuilder {
    let to: Vec<&str> = receivers.iter().map(|&at| AGENCIES[at].code).collect();
    let from = AGENCIES[0].code;
    DocumentBuilder::new(from, &to)
        .code(number, "UBND-VP")
        .document_id(&format!("{from},2026/01/02,{number}/UBND-VP"))
        .subject(subject)
}

fn read_text(path: &Path) -> Result<String, CommandFault> {
    std::fs::read_to_string(path).map_err(|cause| CommandFault::at(path.display(), cause))
}

async fn gone(pid: u32) -> Result<(), CommandFault> {
    let mut ticks = child::ticks();
    for _ in 0..200 {
        if !child::is_alive(pid) {
            return Ok(());
        }
        ticks.tick().await;
    }
    Err(failed(format!("process {pid} outlived the gateway")))
}
