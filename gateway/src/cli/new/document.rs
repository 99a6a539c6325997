//! `lienthong new document`: from flags, from a TOML file, or from a file that flags amend.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use lienthong_schemas::codes::{DocumentType, TypeGroup};
use lienthong_schemas::edxml::{
    BusinessType, DateText, DocumentPacket, PacketBusiness, PacketHop, PacketOrgan, PacketReplaced,
    WriteFault, timestamp_text,
};
use lienthong_schemas::safe_text::SafeText;

use super::super::{CommandFault, complain, print, read_small, verify};
use super::attached::Attached;
use super::template::TEMPLATE;
use super::{NewFault, Out, usage};

/// What the reference library's samples give as the reason of a new document.
const NEW_REASON: &str = "Văn bản điện tử mới";

#[derive(Args)]
pub(super) struct NewDocument {
    /// Đọc các trường từ tệp TOML / Fields from a TOML file; flags go before it
    #[arg(long, value_name = "TOML")]
    file: Option<PathBuf>,
    /// In tệp TOML mẫu / Print a commented TOML file
    #[arg(long)]
    print_template: bool,
    /// Mã định danh nơi gửi / The sender's organisation code
    #[arg(long, value_name = "ORGANID")]
    from: Option<String>,
    /// Tên nơi gửi / The sender's name
    #[arg(long, value_name = "NAME")]
    from_name: Option<String>,
    /// Cơ quan chủ quản của nơi gửi / Who is in charge of the sender
    #[arg(long, value_name = "NAME")]
    from_in_charge: Option<String>,
    /// Nơi nhận, có thể kèm tên: H55.16=Sở X / A receiver, its name after "="
    #[arg(long, value_name = "ORGANID[=NAME]")]
    to: Vec<String>,
    /// Mã văn bản, mặc định ghép từ nơi gửi, ngày và số ký hiệu / DocumentId, composed if not given
    #[arg(long, value_name = "ID")]
    document_id: Option<String>,
    /// Số / Number
    #[arg(long)]
    number: Option<String>,
    /// Ký hiệu / Notation
    #[arg(long)]
    notation: Option<String>,
    /// Ngày ban hành / Date of promulgation, yyyy/MM/dd
    #[arg(long)]
    date: Option<String>,
    /// Nơi ban hành / Place of promulgation
    #[arg(long)]
    place: Option<String>,
    /// Tên loại văn bản / Name of the document's type
    #[arg(long = "type", value_name = "NAME")]
    type_name: Option<String>,
    /// Trích yếu / Subject
    #[arg(long)]
    subject: Option<String>,
    /// Nội dung tóm tắt / Summary
    #[arg(long)]
    content: Option<String>,
    /// Người ký / Who signed on paper
    #[arg(long, value_name = "NAME")]
    signer: Option<String>,
    /// Chức vụ người ký / The signer's position
    #[arg(long)]
    position: Option<String>,
    /// Quyền hạn: TM., KT., TL., TUQ. / The signer's competence
    #[arg(long)]
    competence: Option<String>,
    /// Hạn xử lý / Due date, yyyy/MM/dd
    #[arg(long, value_name = "DATE")]
    due: Option<String>,
    /// Độ khẩn: 0 đến 4 hoặc tên / Priority: 0 to 4, or its name
    #[arg(long)]
    priority: Option<String>,
    /// Phạm vi phổ biến / Sphere of promulgation
    #[arg(long)]
    sphere: Option<String>,
    /// Nơi nhận ghi trên văn bản / A place that the paper names
    #[arg(long, value_name = "TEXT")]
    to_place: Vec<String>,
    /// Tệp đính kèm, tên khác sau dấu ":" / An attachment, another name after ":"
    #[arg(long, value_name = "FILE[:NAME]")]
    attach: Vec<String>,
    /// Thu hồi văn bản này / Revoke this document
    #[arg(long, value_name = "ID", group = "change")]
    revoke: Option<String>,
    /// Cập nhật văn bản này / Update this document
    #[arg(long, value_name = "ID", group = "change")]
    update: Option<String>,
    /// Thay thế văn bản này, có thể lặp lại / Replace this document; may be repeated
    #[arg(long, value_name = "ID", group = "change")]
    replace: Vec<String>,
    /// Lý do thu hồi, cập nhật hoặc thay thế / Why
    #[arg(long)]
    reason: Option<String>,
    /// Có gửi kèm bản giấy / A paper original follows
    #[arg(long)]
    paper: bool,
    #[command(flatten)]
    out: Out,
}

impl NewDocument {
    pub(super) fn run(self) -> Result<(), NewFault> {
        if self.print_template {
            print(TEMPLATE.trim_end());
            return Ok(());
        }
        let (mut packet, mut attached) = match &self.file {
            Some(file) => from_file(file)?,
            None => (DocumentPacket::default(), Vec::new()),
        };
        for text in &self.attach {
            attached.push(Attached::flag(text)?);
        }
        packet.attachments = attached.iter().map(|attached| attached.said.clone()).collect();
        self.amend(&mut packet)?;
        complete(&mut packet);
        let mut open = |n: usize| attached.get(n).ok_or(io::ErrorKind::NotFound)?.open();
        let write =
            |out: &mut dyn io::Write| packet.write_to(&mut open, out).map_err(|fault| said(fault, &attached));
        self.out.put(write)
    }

    /// What flags say goes before what the file says.
    fn amend(&self, packet: &mut DocumentPacket) -> Result<(), NewFault> {
        for (flag, field) in [
            (&self.from, &mut packet.from.organ_id),
            (&self.from_name, &mut packet.from.organ_name),
            (&self.from_in_charge, &mut packet.from.organization_in_charge),
            (&self.document_id, &mut packet.document_id),
            (&self.number, &mut packet.code_number),
            (&self.notation, &mut packet.code_notation),
            (&self.date, &mut packet.promulgation_date),
            (&self.place, &mut packet.promulgation_place),
            (&self.subject, &mut packet.subject),
            (&self.content, &mut packet.content_summary),
            (&self.signer, &mut packet.signer.full_name),
            (&self.position, &mut packet.signer.position),
            (&self.competence, &mut packet.signer.competence),
            (&self.due, &mut packet.due_date),
            (&self.sphere, &mut packet.sphere),
        ] {
            if let Some(text) = flag {
                field.clone_from(text);
            }
        }
        if let Some(name) = &self.type_name {
            packet.document_type_name.clone_from(name);
            packet.document_type_detail.clear();
        }
        if let Some(text) = &self.priority {
            packet.priority = DocumentPacket::priority_named(text).ok_or_else(|| {
                usage("--priority: 0 thường, 1 khẩn, 2 thượng khẩn, 3 hỏa tốc, 4 hỏa tốc hẹn giờ")
            })?;
        }
        if !self.to.is_empty() {
            packet.to = self.to.iter().map(|text| receiver(text)).collect();
        }
        if !self.to_place.is_empty() {
            packet.to_places.clone_from(&self.to_place);
        }
        self.amend_business(packet);
        Ok(())
    }

    fn amend_business(&self, packet: &mut DocumentPacket) {
        let changed = match (&self.revoke, &self.update, &self.replace[..]) {
            (Some(id), ..) => Some((BusinessType::Revoke, id.as_str())),
            (_, Some(id), _) => Some((BusinessType::Update, id.as_str())),
            (_, _, []) => None,
            _ => Some((BusinessType::Replace, "")),
        };
        if changed.is_none() && self.reason.is_none() && !self.paper {
            return;
        }
        let business = packet.business.get_or_insert_with(|| PacketBusiness::new(BusinessType::New));
        if let Some((kind, document_id)) = changed {
            business.kind = kind;
            document_id.clone_into(&mut business.document_id);
        }
        if let Some(reason) = &self.reason {
            business.reason.clone_from(reason);
        }
        business.paper = business.paper.or(self.paper.then_some(true));
        if !self.replace.is_empty() {
            let organ_ids: Vec<_> = packet.to.iter().map(|to| to.organ_id.clone()).collect();
            let replaced = |document_id: &String| PacketReplaced {
                document_id: document_id.clone(),
                organ_ids: organ_ids.clone(),
            };
            business.replaced = self.replace.iter().map(replaced).collect();
        }
    }
}

/// `H55.16` or `H55.16=Sở X`.
fn receiver(text: &str) -> PacketOrgan {
    let (organ_id, organ_name) = text.split_once('=').unwrap_or((text, ""));
    PacketOrgan { organ_id: organ_id.to_owned(), organ_name: organ_name.to_owned(), ..PacketOrgan::default() }
}

fn from_file(file: &Path) -> Result<(DocumentPacket, Vec<Attached>), NewFault> {
    let fault = |cause: String| CommandFault::at(file.display(), cause);
    let text =
        String::from_utf8(read_small(file)?).map_err(|_| fault("không phải UTF-8 (not UTF-8)".to_owned()))?;
    let packet: DocumentPacket = toml::from_str(&text).map_err(|cause| {
        let line = cause.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        let cause = SafeText::new(cause.message()).into_string();
        fault(format!("dòng {line} không đúng (line {line}): {cause}"))
    })?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let attached: Result<Vec<_>, _> = packet.attachments.iter().map(|a| Attached::entry(folder, a)).collect();
    Ok((packet, attached?))
}

/// What follows from the rest, where neither flags nor file say it: the numbers of the type, the business, the first hop.
fn complete(packet: &mut DocumentPacket) {
    for date in [&mut packet.promulgation_date, &mut packet.due_date] {
        if let Some(at) = DateText::read(date).parsed {
            *date = at.strftime("%Y/%m/%d").to_string();
        }
    }
    if !packet.document_type_name.trim().is_empty() && packet.document_type_detail.is_empty() {
        complete_type(packet);
    }
    let business = packet.business.get_or_insert_with(|| PacketBusiness::new(BusinessType::New));
    business.paper = business.paper.or(Some(false));
    if business.kind == BusinessType::New && business.reason.is_empty() {
        NEW_REASON.clone_into(&mut business.reason);
    }
    if packet.trace.is_empty() {
        let (organ_id, timestamp) = (packet.from.organ_id.clone(), timestamp_text(verify::now()));
        packet.trace = vec![PacketHop { organ_id, timestamp }];
    }
}

/// Of the types that a name may mean, the administrative one: agencies that make laws say so with a `Type` of 1.
fn complete_type(packet: &mut DocumentPacket) {
    let meant = DocumentType::by_name(&packet.document_type_name);
    if meant.is_empty() {
        let name = SafeText::new(&packet.document_type_name).into_string();
        complain(&format!(
            "lưu ý (warning): loại văn bản ngoài danh mục (no type of the standard's): {name}"
        ));
    }
    let legal = packet.document_type == TypeGroup::Legal.digit().to_string();
    let group = if legal { TypeGroup::Legal } else { TypeGroup::Administrative };
    let Some(meant) = meant.iter().find(|t| t.group == group).or_else(|| meant.first()) else { return };
    packet.document_type = meant.group.digit().to_string();
    packet.document_type_detail = meant.detail.map_or_else(String::new, |detail| detail.to_string());
}

fn said(fault: WriteFault, attached: &[Attached]) -> NewFault {
    match fault {
        WriteFault::Flawed(flaws) => NewFault::Refused(flaws.iter().map(ToString::to_string).collect()),
        WriteFault::Attachment { index, cause } => {
            let place = attached.get(index).map_or_else(String::new, |a| a.path.display().to_string());
            CommandFault::at(place, cause).into()
        }
        WriteFault::Out(cause) => CommandFault::at("gói tin (packet)", cause).into(),
    }
}
