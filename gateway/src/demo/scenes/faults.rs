//! The faults of the day: a system that is down, one that refuses, 100 MB, and processes that are killed.

use std::time::Duration;

use serde_json::Value;

use super::{Scenes, delivery_to, failed, letter};
use crate::cli::CommandFault;
use crate::demo::cast::{B, C, D, E, PARTIES};
use crate::demo::child;
use crate::demo::program::run;
use crate::demo::world::scan;

/// The gateway's largest memory while 100 MB pass (issue: VmHWM < 150 MB).
const PEAK_MEMORY_MAX: u64 = 150 * 1000 * 1000;
/// Bytes of the attachment that make a packet of 100 MB in base64.
const SCAN_BYTES: u64 = 75_000_000;
/// How long a killed gateway's broker may live on.
const GONE_WITHIN: Duration = Duration::from_secs(10);

impl Scenes {
    /// A receiver that is down and comes back.
    pub(super) async fn receiver_down(&mut self) -> Result<(), CommandFault> {
        self.story.chapter("2. Hệ thống nhận bị tắt rồi bật lại", "A receiver is down and comes back");
        let receiver = self.cast.world.receivers[B].clone();
        receiver.close();
        self.story.tell("B tắt máy / B is switched off");
        let sent = self.send(letter(103, "V/v lịch họp giao ban", &[B])).await?;
        let tried = |line: &Value| line["attempts"].as_u64() >= Some(2) && line["state"] == "queued";
        self.until(&sent, tried).await?;
        self.story.tell("trục đã thử 2 lần, văn bản vẫn nằm trong hàng đợi / tried twice, still queued");
        receiver.reopen().await.map_err(|cause| CommandFault::at(PARTIES[B].code, cause))?;
        self.story.tell("B bật lại / B is switched on again");
        self.arrived(&sent).await?;
        Ok(())
    }

    /// A receiver refuses for good; the operator sees the dead letter, has the receiver mended, and requeues it.
    pub(super) async fn dead_letter(&mut self) -> Result<(), CommandFault> {
        self.story.chapter(
            "4. Nơi nhận từ chối hẳn; người vận hành gửi lại",
            "A receiver refuses for good; the operator requeues",
        );
        let receiver = self.cast.world.receivers[B].clone();
        receiver.answer_with(Some(410));
        let sent = self.send(letter(104, "V/v kế hoạch nạo vét", &[B])).await?;
        let view = self.until(&sent, |line| line["state"] == "refused").await?;
        receiver.answer_with(None);
        let id = delivery_to(&view, B)?["delivery_id"].as_str().unwrap_or_default().to_owned();
        self.story.tell("B trả HTTP 410: từ chối hẳn / refused for good");
        if self.dead_letters()? != [id.as_str()] {
            return Err(failed(format!("dead letters are {:?}, not only {id}", self.dead_letters()?)));
        }
        self.story.tell(&format!("lienthong dead-letters list: {id}"));
        let config = self.cast.world.config.display().to_string();
        let reason = "B đã sửa xong";
        let arguments = ["dead-letters", "requeue", &id, "--reason", reason, "-c", &config];
        run(&self.program, &arguments, "")?;
        self.story.tell(&format!("lienthong dead-letters requeue {id} --reason \"{reason}\""));
        let view = self.arrived(&sent).await?;
        let delivery = delivery_to(&view, B)?;
        let history = delivery["history"].to_string();
        let taken = receiver.taken();
        if delivery["delivery_id"] != id.as_str() || !taken.contains_key(&id) || !history.contains(reason) {
            return Err(failed(format!("{id} was not received as it was requeued: {view}")));
        }
        if !self.dead_letters()?.is_empty() {
            return Err(failed("a dead letter is left after the requeue"));
        }
        self.story.tell("vẫn mã cũ, lịch sử có tên người và lý do / the same id; who and why are on record");
        Ok(())
    }

    /// Ids of the dead letters, as the command lists them.
    fn dead_letters(&self) -> Result<Vec<String>, CommandFault> {
        let config = self.cast.world.config.display().to_string();
        let said = run(&self.program, &["dead-letters", "list", "--json", "-c", &config], "")?;
        let page: Value = serde_json::from_str(&said).map_err(|cause| CommandFault::at(&said, cause))?;
        let lines = page["deliveries"].as_array().ok_or_else(|| failed(format!("no list: {said}")))?;
        Ok(lines.iter().filter_map(|line| Some(line["delivery_id"].as_str()?.to_owned())).collect())
    }

    /// A 100 MB packet, to a vendor and by the axis; it is too large for mail.
    pub(super) async fn large(&mut self) -> Result<(), CommandFault> {
        self.story.chapter("7. Gói tin 100 MB", "A packet of 100 MB");
        let draft = letter(109, "V/v hồ sơ quét", &[B, D, E])
            .with(|document| document.attach("ho-so.pdf", "application/pdf", scan(SCAN_BYTES, 5)));
        let sent = self.send(draft).await?;
        self.arrived(&sent).await?;
        let peak = self.gateway.peak_memory().ok_or_else(|| failed("VmHWM cannot be read"))?;
        self.story
            .tell(&format!("bộ nhớ cao nhất của trục: {} MB / the gateway's peak memory", peak / 1_000_000));
        if peak >= PEAK_MEMORY_MAX {
            return Err(failed(format!("peak memory {peak} is not below {PEAK_MEMORY_MAX}")));
        }
        Ok(())
    }

    /// SIGKILL of the gateway right after a 202.
    pub(super) async fn killed(&mut self) -> Result<(), CommandFault> {
        self.story.chapter(
            "8. Trục bị ngắt đột ngột ngay sau khi cấp biên nhận",
            "SIGKILL right after the receipt",
        );
        let draft = letter(110, "V/v hỏa tốc phòng chống bão", &[B, C, D, E]).with(|d| d.priority(3));
        let mut sent = self.send(draft).await?;
        sent.killed = true;
        self.sent.pop();
        self.sent.push(sent.clone());
        let broker = self.gateway.broker_pid();
        self.gateway.kill().await?;
        self.story.tell("SIGKILL trục / SIGKILL of the gateway");
        if let Some(pid) = broker {
            gone(pid).await?;
            self.story.tell("nats-server cũng đã dừng theo / its nats-server is gone with it");
        }
        self.gateway = self.cast.world.start(&self.program, &[]).await?;
        self.story.tell("trục chạy lại / the gateway is started again");
        self.arrived(&sent).await?;
        Ok(())
    }

    /// nats-server killed during traffic.
    pub(super) async fn broker_killed(&mut self) -> Result<(), CommandFault> {
        self.story
            .chapter("9. nats-server bị ngắt khi đang có văn bản", "nats-server is killed during traffic");
        let mut sent = Vec::new();
        for number in 111..=120 {
            if number == 114 {
                let pid =
                    self.gateway.broker_pid().ok_or_else(|| failed("no nats-server below the gateway"))?;
                let pid = rustix::process::Pid::from_raw(pid.cast_signed()).ok_or_else(|| failed("pid"))?;
                let killed = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                killed.map_err(|cause| CommandFault::at("nats-server", cause))?;
                self.story.tell("SIGKILL nats-server; vẫn tiếp tục nhận văn bản / intake goes on");
            }
            let draft = letter(number, "V/v văn bản thường ngày", &[B, C, D, E]);
            sent.push(self.send_quietly(draft).await?);
        }
        self.story.tell("đã nhận 10 văn bản / 10 documents accepted");
        for one in &sent {
            self.arrived_quietly(one).await?;
        }
        self.story.tell("10 văn bản đã đến cả bốn nơi / all of them are with all four receivers");
        Ok(())
    }
}

async fn gone(pid: u32) -> Result<(), CommandFault> {
    let begun = std::time::Instant::now();
    let mut ticks = child::ticks();
    while begun.elapsed() < GONE_WITHIN {
        if !child::is_alive(pid) {
            return Ok(());
        }
        ticks.tick().await;
    }
    Err(failed(format!("process {pid} outlived the gateway")))
}
