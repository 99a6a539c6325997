//! `lienthong inspect`: what a packet says. Nothing of it is vouched for, and every word from the packet is printed
//! escaped.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use lienthong_schemas::edxml::{Content, EdxmlLimits, FileKind, PacketFault, PacketKind, read_envelope};
use lienthong_schemas::safe_text::SafeText;
use serde_json::{Value, json};

use super::{CommandFault, print};

#[derive(Args)]
pub(super) struct Inspect {
    /// Gói tin / The packet
    file: PathBuf,
    /// Kết quả dạng JSON / Result as JSON
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub(super) fn run(self) -> Result<ExitCode, CommandFault> {
        let mut open = || File::open(&self.file).map(|f| Box::new(BufReader::new(f)) as Box<dyn BufRead>);
        match read_envelope(&mut open, &EdxmlLimits::default()) {
            Ok((envelope, repaired)) => {
                let shown = shown(envelope.claimed_content(), repaired);
                if self.json {
                    print(&shown.to_string())
                } else {
                    table(&shown)
                }
                Ok(ExitCode::SUCCESS)
            }
            Err(PacketFault::Io(cause)) => Err(CommandFault::at(self.file.display(), cause)),
            Err(PacketFault::Rejected(rejection)) => {
                let row = rejection.code.row();
                if self.json {
                    let (code, field, detail) = (row.name, &rejection.field, &rejection.detail);
                    print(&json!({ "rejected": code, "field": field, "detail": detail }).to_string());
                } else {
                    print(&format!("{rejection}\n{}\n{}", row.rule_vi, row.rule_en));
                }
                Ok(ExitCode::from(1))
            }
        }
    }
}

fn safe(text: &str) -> Value {
    Value::String(SafeText::new(text).into_string())
}

fn shown(content: &Content, repaired: bool) -> Value {
    let party =
        |p: &lienthong_schemas::edxml::Party| json!({ "organ_id": p.organ_id, "name": safe(&p.organ_name) });
    let attachments = content.attachments.iter().map(|a| {
        json!({
            "name": safe(&a.name), "content_type": safe(&a.content_type), "bytes": a.packed.bytes,
            "sha256": a.packed.sha256, "zip": a.packed.kind == FileKind::Zip,
        })
    });
    let kind_vi = match content.kind {
        PacketKind::Document(business) => format!("gói tin văn bản: {}", business.wording().0),
        PacketKind::Status => "gói tin trạng thái".to_owned(),
    };
    let status = content.status.as_ref().map(|s| {
        json!({
            "code": s.code.digits(), "meaning": s.code.wording().0, "description": safe(&s.description),
            "timestamp": safe(&s.timestamp.text),
        })
    });
    let subjects = content.response_for.iter().map(|r| {
        json!({ "organ_id": safe(&r.organ_text), "document_id": safe(&r.document_id), "code": safe(&r.code) })
    });
    json!({
        "kind": content.kind.id_text(), "kind_vi": kind_vi,
        "from": party(&content.from),
        "to": content.to.iter().map(party).collect::<Vec<_>>(),
        "document_id": content.document_id.as_deref().map(safe),
        "number": safe(&format!("{}/{}", content.code_number, content.code_notation)),
        "promulgation_date": safe(&content.promulgation_date.text),
        "document_type": safe(&content.document_type_name),
        "subject": safe(&content.subject),
        "signer": safe(&content.signer.full_name),
        "priority": content.priority,
        "response_for": subjects.collect::<Vec<_>>(),
        "status": status,
        "attachments": attachments.collect::<Vec<_>>(),
        "findings": content.findings.kinds().iter().map(|f| f.code()).collect::<Vec<_>>(),
        "undeclared_prefixes_repaired": repaired,
    })
}

/// The same for people: label and value, Vietnamese labels.
fn table(shown: &Value) {
    let labels = [
        ("kind_vi", "Loại gói tin"),
        ("document_id", "Mã văn bản"),
        ("number", "Số, ký hiệu"),
        ("promulgation_date", "Ngày ban hành"),
        ("document_type", "Loại văn bản"),
        ("subject", "Trích yếu"),
        ("signer", "Người ký"),
        ("priority", "Độ khẩn"),
        ("from", "Nơi gửi"),
        ("to", "Nơi nhận"),
        ("response_for", "Trả lời cho"),
        ("status", "Trạng thái"),
        ("attachments", "Tệp đính kèm"),
        ("findings", "Lưu ý"),
    ];
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    for (key, label) in labels {
        let text = match &shown[key] {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            Value::Array(list) => list.iter().map(one_line).collect::<Vec<_>>().join("\n"),
            other => one_line(other),
        };
        if !text.is_empty() && text != "/" {
            table.add_row([label.to_owned(), text]);
        }
    }
    print(&table.to_string());
}

fn one_line(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(map) => {
            let parts = map.values().filter(|v| !v.is_null() && *v != "" && *v != false).map(one_line);
            parts.collect::<Vec<_>>().join("  ")
        }
        other => other.to_string(),
    }
}
