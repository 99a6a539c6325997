//! `lienthong new status`: an answer to a document, from the document itself or from flags.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use lienthong_schemas::edxml::{
    DateText, EdxmlLimits, Envelope, PacketFault, PacketStaff, StatusCode, StatusContact, StatusPacket,
    StatusSender, StatusSubject, VIETNAM, read_envelope,
};
use lienthong_schemas::organ::OrganId;
use lienthong_schemas::safe_text::SafeText;

use super::super::{CommandFault, verify};
use super::{NewFault, Out, usage};

#[derive(Args)]
pub(super) struct NewStatus {
    /// Mã trạng thái: 01 đến 06, 13, 15, 16 / Status code
    #[arg(long, value_name = "CODE")]
    code: String,
    /// Mã định danh nơi trả lời / The answering organisation's code
    #[arg(long, value_name = "ORGANID")]
    from: String,
    /// Tên nơi trả lời / Its name
    #[arg(long, value_name = "NAME", default_value = "")]
    from_name: String,
    /// Cơ quan chủ quản / Who is in charge of it
    #[arg(long, value_name = "NAME", default_value = "")]
    from_in_charge: String,
    /// Gói tin văn bản được trả lời / The document packet that is answered
    #[arg(long, value_name = "PACKET")]
    about: Option<PathBuf>,
    /// Đơn vị được báo; với --about, chỉ khi lấy lại từ một trong nhiều nơi nhận
    /// / Whom it informs; with --about, only to recall from one of several receivers
    #[arg(long, value_name = "ORGANID")]
    to: Option<String>,
    /// Mã văn bản được trả lời / DocumentId of the document answered
    #[arg(long, value_name = "ID", conflicts_with = "about")]
    document_id: Option<String>,
    /// Số/ký hiệu của văn bản / Number/notation of the document
    #[arg(long, value_name = "NUMBER/NOTATION", conflicts_with = "about")]
    document_code: Option<String>,
    /// Ngày ban hành văn bản / Its date, yyyy/MM/dd
    #[arg(long, value_name = "DATE", conflicts_with = "about")]
    document_date: Option<String>,
    /// Nội dung, lý do / Description, reason
    #[arg(long, default_value = "")]
    reason: String,
    /// Người xử lý / Who answers in person
    #[arg(long, value_name = "NAME")]
    staff: Option<String>,
    /// Phòng ban / Their department
    #[arg(long, value_name = "NAME")]
    department: Option<String>,
    /// Thời gian, mặc định là bây giờ / When, yyyy/MM/dd HH:mm:ss; now if not given
    #[arg(long, value_name = "TIME")]
    timestamp: Option<String>,
    #[command(flatten)]
    out: Out,
}

impl NewStatus {
    pub(super) fn run(self) -> Result<(), NewFault> {
        let code = StatusCode::parse(&self.code)
            .ok_or_else(|| usage("--code: 01, 02, 03, 04, 05, 06, 13, 15, 16"))?;
        let response_for = match &self.about {
            Some(packet) => self.subject_of(packet, code)?,
            None => self.subject()?,
        };
        let texts = [&self.staff, &self.department].map(|text| text.clone().unwrap_or_default());
        let [name, department] = texts;
        let said = !name.is_empty() || !department.is_empty();
        let packet = StatusPacket {
            from: StatusSender {
                organ_id: organ("--from", &self.from)?,
                organization_in_charge: self.from_in_charge.clone(),
                organ_name: self.from_name.clone(),
                contact: StatusContact::default(),
            },
            response_for,
            staff: said.then_some(PacketStaff { name, department, ..PacketStaff::default() }),
            code,
            description: self.reason.clone(),
            timestamp: self.timestamp()?,
        };
        let needs_reason = [StatusCode::Refused, StatusCode::RecallAsked, StatusCode::ChangeRefused];
        if needs_reason.contains(&code) && self.reason.trim().is_empty() {
            let line = "edXMLHeader/MessageHeader/Description: bắt buộc phải có (must be there): --reason";
            return Err(NewFault::Refused(vec![line.to_owned()]));
        }
        let flaws = packet.check();
        if !flaws.is_empty() {
            return Err(NewFault::Refused(flaws.iter().map(ToString::to_string).collect()));
        }
        let bytes = packet.to_xml();
        self.out.put(|out| {
            out.write_all(&bytes).map_err(|cause| CommandFault::at("gói tin (packet)", cause).into())
        })
    }

    fn subject(&self) -> Result<StatusSubject, NewFault> {
        let said = |text: &Option<String>| text.clone().unwrap_or_default();
        let date = said(&self.document_date);
        let read = DateText::read(&date);
        if read.is_unreadable() {
            return Err(usage(
                "--document-date: phải là ngày có thật, dạng yyyy/MM/dd (must be a day, yyyy/MM/dd)",
            ));
        }
        Ok(StatusSubject {
            organ_id: organ("--to", self.to.as_deref().unwrap_or_default())?,
            code: said(&self.document_code),
            document_id: said(&self.document_id),
            promulgation_date: read.parsed.map_or(date, |at| at.strftime("%Y/%m/%d").to_string()),
        })
    }

    /// What a status says of the document in `packet`. Its sender is informed, but for a recall (13): that one comes from
    /// the sender and goes to a receiver.
    fn subject_of(&self, packet: &Path, code: StatusCode) -> Result<StatusSubject, NewFault> {
        let envelope = read(packet)?;
        let content = envelope.claimed_content();
        let informed = match (&self.to, code, &content.to[..]) {
            (Some(to), StatusCode::RecallAsked, _) => organ("--to", to)?,
            (Some(_), ..) => {
                return Err(usage("--to: với --about chỉ dùng cho 13 (with --about only for 13)"));
            }
            (None, StatusCode::RecallAsked, [to]) => to.organ_id.clone(),
            (None, StatusCode::RecallAsked, _) => {
                let several =
                    "13: văn bản có nhiều nơi nhận, dùng --to (the document has several receivers; use --to)";
                return Err(usage(several));
            }
            _ => content.from.organ_id.clone(),
        };
        let answering = organ("--from", &self.from)?;
        let received = |organ: &OrganId| content.to.iter().any(|to| to.organ_id == *organ);
        let entitled = match code {
            StatusCode::RecallAsked => content.from.organ_id == answering && received(&informed),
            _ => received(&answering),
        };
        if !entitled {
            let who = "--from, --to: không phải nơi nhận hay nơi gửi của văn bản (neither received nor sent the document)";
            return Err(NewFault::Refused(vec![who.to_owned()]));
        }
        Ok(StatusSubject {
            organ_id: informed,
            code: format!("{}/{}", content.code_number, content.code_notation),
            document_id: content.document_id.clone().unwrap_or_default(),
            promulgation_date: content.promulgation_date.text.clone(),
        })
    }

    fn timestamp(&self) -> Result<Timestamp, NewFault> {
        let Some(text) = &self.timestamp else { return Ok(verify::now()) };
        let local = DateText::read(text).parsed;
        local.and_then(|local| VIETNAM.to_timestamp(local).ok()).ok_or_else(|| {
            usage("--timestamp: phải là thời gian dạng yyyy/MM/dd HH:mm:ss (must be a time, yyyy/MM/dd HH:mm:ss)")
        })
    }
}

fn organ(flag: &str, text: &str) -> Result<OrganId, NewFault> {
    OrganId::parse(text).map_err(|fault| {
        usage(format!("{flag}: phải là mã định danh (must be an organisation code): {fault}"))
    })
}

/// The content of a document packet.
fn read(packet: &Path) -> Result<Envelope, NewFault> {
    let mut open = || -> io::Result<Box<dyn BufRead>> { Ok(Box::new(BufReader::new(File::open(packet)?))) };
    let (envelope, _) = read_envelope(&mut open, &EdxmlLimits::default()).map_err(|fault| match fault {
        PacketFault::Rejected(rejection) => {
            usage(format!("{}: {}", packet.display(), SafeText::new(&rejection.to_string()).into_string()))
        }
        PacketFault::Io(cause) => CommandFault::at(packet.display(), cause).into(),
    })?;
    if envelope.claimed_content().status.is_some() {
        return Err(usage(format!("{}: là gói tin trạng thái (is a status packet)", packet.display())));
    }
    Ok(envelope)
}
