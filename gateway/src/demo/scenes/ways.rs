//! One document by three ways at once, its revocation in order behind it, and an answer that comes back.

use lienthong_pipeline::clock::SystemClock;
use lienthong_pipeline::ports::Clock;
use lienthong_schemas::edxml::{
    BusinessType, StatusCode, StatusContact, StatusPacket, StatusSender, StatusSubject,
};
use lienthong_schemas::organ::OrganId;
use serde_json::Value;

use super::{LETTER, LIST, Scenes, Sent, delivery_to, failed, letter, name_of};
use crate::cli::CommandFault;
use crate::demo::cast::{A, B, C, D, E, PARTIES};

impl Scenes {
    /// A signed packet with two real attachments to a vendor, a mailbox and the axis, while the mail system is busy and
    /// something in front of the axis answers HTML; an urgent revocation right behind it.
    pub(super) async fn three_ways(&mut self) -> Result<(), CommandFault> {
        self.story.chapter(
            "1. Một văn bản, bốn nơi nhận, ba đường; rồi thu hồi",
            "One packet, four receivers, three ways; then its revocation",
        );
        self.cast.mailbox.be_busy_once();
        self.cast.axis.be_away_once();
        self.story.tell("hộp thư sẽ trả 451, trước trục VPCP sẽ có trang lỗi HTML 502 / faults are laid out");
        let draft = letter(101, "V/v báo cáo tình hình chuyển đổi số", &[B, C, D, E]).with(|document| {
            document.attach("cong-van.pdf", "application/pdf", LETTER).attach(
                "danh-sach.csv",
                "text/csv",
                LIST,
            )
        });
        let first = self.send(draft).await?;
        let draft = letter(102, "V/v thu hồi văn bản 101/UBND-VP", &[B, C, D, E]).with(|document| {
            document.business(BusinessType::Revoke, "Ban hành nhầm phụ lục", &name_of(101)).priority(3)
        });
        let revocation = self.send(draft).await?;
        self.story.tell("102 thu hồi 101, hỏa tốc, không được vượt lên trước / urgent, must not overtake");
        let view = self.arrived(&first).await?;
        for (at, code) in [(C, "smtp_451"), (D, "http_502"), (E, "http_502")] {
            let note = failure(delivery_to(&view, at)?, code)?;
            self.story.tell(&format!("101 → {}, lần đầu / first attempt: {note}", PARTIES[at].code));
        }
        if delivery_to(&view, B)?["attempts"] != 1 {
            return Err(failed(format!("B was tried more than once: {view}")));
        }
        self.arrived(&revocation).await?;
        self.in_order(&first, &revocation)?;
        self.story.tell("ở cả bốn nơi: 101 trước, 102 sau / in this order at all four");
        let again = self.cast.world.submit(A, &first.file).await?;
        if !again.replayed || again.document_id()? != first.document_id {
            return Err(failed("a repeat did not give the same receipt"));
        }
        self.story
            .tell("gửi lại 101: cùng một biên nhận, không chuyển lần hai / sent again: the same receipt");
        Ok(())
    }

    /// At every peer the first came before the second.
    fn in_order(&self, first: &Sent, second: &Sent) -> Result<(), CommandFault> {
        let ids = [first, second].map(|sent| sent.document_id.as_str());
        let vendor: Vec<_> = self.cast.world.receivers[B].taken().into_values().collect();
        let vendor = ids.map(|id| vendor.iter().find(|t| t.document_id == id).map(|t| t.order));
        let mail: Vec<_> = self.cast.mailbox.taken().into_values().collect();
        let mail = ids.map(|id| mail.iter().find(|k| k.letter.document_id == id).map(|k| k.order));
        let axis = self.cast.axis.taken();
        let mut sums = Vec::new();
        for sent in [first, second] {
            sums.push(crate::demo::world::digest(&sent.file)?.0);
        }
        let axis = [0, 1].map(|n| axis.iter().position(|consigned| consigned.sha256 == sums[n]));
        for (peer, [earlier, later]) in [("vendor", vendor), ("mailbox", mail), ("axis", axis)] {
            if earlier.is_none() || earlier >= later {
                return Err(failed(format!("{peer}: {} at {earlier:?}, {} at {later:?}", ids[0], ids[1])));
            }
        }
        Ok(())
    }

    /// B says that it has finished with 103.
    pub(super) async fn status_packet(&mut self) -> Result<(), CommandFault> {
        self.story.chapter("3. B báo lại A: đã hoàn thành xử lý (06)", "A status packet from B back to A");
        let organ = |at: usize| {
            OrganId::parse(PARTIES[at].code).map_err(|cause| CommandFault::at(PARTIES[at].code, cause))
        };
        let packet = StatusPacket {
            from: StatusSender {
                organ_id: organ(B)?,
                organization_in_charge: String::new(),
                organ_name: PARTIES[B].name.to_owned(),
                contact: StatusContact::default(),
            },
            response_for: StatusSubject {
                organ_id: organ(A)?,
                code: "103/UBND-VP".to_owned(),
                document_id: name_of(103),
                promulgation_date: "2026/01/02".to_owned(),
            },
            staff: None,
            code: StatusCode::Finished,
            description: "Đã dự họp và có báo cáo".to_owned(),
            timestamp: SystemClock.now(),
        };
        let world = &self.cast.world;
        let unsigned = world.folder.join("103-06.unsigned");
        std::fs::write(&unsigned, packet.to_xml())
            .map_err(|cause| CommandFault::at(unsigned.display(), cause))?;
        let file = world.sign("103-06.edxml", &unsigned, B)?;
        let document_id = world.submit(B, &file).await?.document_id()?;
        let sent = Sent {
            code: "06 (103/UBND-VP)".to_owned(),
            subject: "",
            file,
            document_id,
            sender: B,
            to: &[A],
            killed: false,
        };
        self.sent.push(sent.clone());
        self.arrived(&sent).await?;
        let taken = self.cast.world.receivers[A].taken();
        if taken.len() != 1 || taken.values().any(|taken| taken.kind != "status") {
            return Err(failed(format!("A has something else than this one status packet: {taken:?}")));
        }
        self.story.tell(
            "A chỉ có đúng gói tin này: trục không tự viết trạng thái nào / A has this one: none was invented",
        );
        Ok(())
    }
}

/// The note of the failed attempt with this code in a delivery's history.
fn failure<'a>(delivery: &'a Value, code: &str) -> Result<&'a str, CommandFault> {
    let lines = delivery["history"].as_array().map_or(&[][..], Vec::as_slice);
    let found = lines.iter().find_map(|line| line["note"].as_str().filter(|note| note.contains(code)));
    found.ok_or_else(|| failed(format!("no {code} in the history of {delivery}")))
}
