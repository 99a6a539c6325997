//! What the gateway does not carry: forgeries, and letters to who is closed; and who gets paper.

use std::path::Path;

use lienthong_schemas::edxml::DocumentBuilder;

use super::{Scenes, failed, letter};
use crate::cli::CommandFault;
use crate::demo::cast::{A, B, CLOSED, PAPER, PARTIES};
use crate::demo::story::Line;
use crate::demo::world::HOTLINE;

impl Scenes {
    /// A tampered packet, one signed by another organisation, and one to a code that is closed.
    pub(super) async fn refusals(&mut self) -> Result<(), CommandFault> {
        self.story.chapter(
            "5. Văn bản bị sửa, ký bằng khóa của đơn vị khác, gửi đến mã đã đóng",
            "Forgeries, and a closed code",
        );
        let world = &self.cast.world;
        let genuine = world.packet("105.edxml", letter(105, "V/v chi 1.000.000 đồng", &[B]).document, A)?;
        let text =
            std::fs::read_to_string(&genuine).map_err(|cause| CommandFault::at(genuine.display(), cause))?;
        let tampered = world.folder.join("105-tampered.edxml");
        std::fs::write(&tampered, text.replace("1.000.000", "9.000.000"))
            .map_err(|cause| CommandFault::at(tampered.display(), cause))?;
        let foreign = world.packet("106.edxml", letter(106, "V/v mạo danh", &[B]).document, B)?;
        let closed = DocumentBuilder::new(PARTIES[A].code, &[CLOSED]).code("107", "UBND-VP");
        let closed = world.packet("107.edxml", closed, A)?;
        self.refused("105/UBND-VP, bị sửa / tampered", &tampered, "SIGNATURE_INVALID").await?;
        self.refused("106/UBND-VP, B ký / signed by B", &foreign, "SIGNER_NOT_TRUSTED").await?;
        let answer = self.refused("107/UBND-VP → H55.14", &closed, "RECEIVER_CLOSED").await?;
        if answer["successors"] != serde_json::json!([PARTIES[B].code]) {
            return Err(failed(format!("the successor is not named: {answer}")));
        }
        self.story.tell(&format!("{CLOSED} → {}: kế thừa / the successor is named", PARTIES[B].code));
        Ok(())
    }

    /// Submits what must be refused with this code, in words and with the hotline. The problem.
    async fn refused(
        &mut self,
        what: &str,
        packet: &Path,
        code: &str,
    ) -> Result<serde_json::Value, CommandFault> {
        let answer = self.cast.world.submit(A, packet).await?;
        if answer.body["code"] != code || answer.status != 422 || answer.body["support"] != HOTLINE {
            return Err(failed(format!("{what}: expected {code}, got {} {}", answer.status, answer.body)));
        }
        let title = answer.body["title"].as_str().unwrap_or_default();
        self.story.tell(&format!("{what}: {} {code}, {title}; hỗ trợ / support {HOTLINE}", answer.status));
        let receivers = PARTIES.iter().map(|_| "–".to_owned()).collect();
        self.story.note(Line { what: what.to_owned(), answer: code.to_owned(), receivers });
        Ok(answer.body)
    }

    /// A letter to B and to who gets paper.
    pub(super) async fn paper(&mut self) -> Result<(), CommandFault> {
        self.story.chapter("6. Một nơi chỉ nhận giấy", "A receiver that gets paper");
        let to = [PARTIES[B].code, PAPER];
        let mut draft = letter(108, "V/v chúc thọ", &[B]);
        draft.document = DocumentBuilder::new(PARTIES[A].code, &to)
            .code("108", "UBND-VP")
            .document_id(&super::name_of(108))
            .subject(draft.subject);
        let sent = self.send(draft).await?;
        let receipt = self.arrived(&sent).await?["receipt"].take();
        let lines = receipt["deliveries"].as_array().map_or(&[][..], Vec::as_slice);
        let line = lines.iter().find(|line| line["receiver"] == PAPER);
        if !line.is_some_and(|line| line["state"] == "paper" && line["state_vi"] == "phải gửi bản giấy")
        {
            return Err(failed(format!("the receipt does not ask for paper: {receipt}")));
        }
        self.story.tell(&format!("biên nhận / receipt: {PAPER}: phải gửi bản giấy / paper copy needed"));
        Ok(())
    }
}
