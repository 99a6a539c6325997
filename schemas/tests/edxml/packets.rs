//! Document packets to be written: one with every field, and any there can be.

use std::io::{self, Read};

use lienthong_schemas::edxml::{
    BusinessType, DocumentPacket, PacketAttachment, PacketBusiness, PacketChanges, PacketHop, PacketOrgan,
    PacketReceiverChange, PacketReference, PacketReplaced, PacketSigner, PacketStaff, PacketSubject,
    PacketTraceList, WriteFault,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Writes a packet whose attachments hold these bytes.
pub(crate) fn write(packet: &DocumentPacket, files: &[Vec<u8>]) -> Result<Vec<u8>, WriteFault> {
    let mut bytes = Vec::new();
    let mut open = |n: usize| -> io::Result<Box<dyn Read>> {
        let file = files.get(n).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(io::Cursor::new(file.clone())))
    };
    packet.write_to(&mut open, &mut bytes).map(|()| bytes)
}

/// A letter, and what only its business type has: every field there is, and nothing that any rule or reader minds.
pub(crate) fn full(kind: BusinessType) -> (DocumentPacket, Vec<Vec<u8>>) {
    let text = str::to_owned;
    let organ = |id: &str, name: &str| PacketOrgan {
        organ_id: text(id),
        organization_in_charge: text("UBND tỉnh Thái Nguyên"),
        organ_name: text(name),
        address: text("Số 17, đường Đội Cấn"),
        email: text("vanthu@example.vn"),
        telephone: text("0208 3855 001"),
        fax: text("0208 3855 002"),
        website: text("https://stn.example.vn"),
    };
    let attachment = |name: &str, content_type: &str, id: &str| PacketAttachment {
        name: text(name),
        content_type: text(content_type),
        description: text("Tệp đính kèm"),
        content_id: text(id),
        field_name: text("tep"),
        mime_type: text(content_type),
        format: name.rsplit_once('.').expect("an ending").1.to_owned(),
        ..PacketAttachment::default()
    };
    let attachments = vec![
        attachment("Công văn số 12.pdf", "application/pdf", "cv"),
        attachment("phụ lục.txt", "text/plain", "pl"),
    ];
    let packet = DocumentPacket {
        from: organ("H55.15", "Sở Thử nghiệm"),
        to: vec![organ("H55.16", "Sở Liên thông"), organ("G22", "Văn phòng Chính phủ")],
        document_id: text("H55.15,2026/01/02,12/STN-VP"),
        code_number: text("12"),
        code_notation: text("STN-VP"),
        promulgation_place: text("Thái Nguyên"),
        promulgation_date: text("2026/01/02"),
        document_type: text("2"),
        document_type_detail: text("18"),
        document_type_name: text("Công văn"),
        subject: text("V/v thử nghiệm <liên thông> & \"kết nối\""),
        content_summary: text("Dòng một\nDòng hai"),
        signer: PacketSigner {
            competence: text("KT. GIÁM ĐỐC"),
            position: text("PHÓ GIÁM ĐỐC"),
            full_name: text("Người Ký"),
        },
        due_date: text("2026/02/03"),
        priority: 1,
        sphere: text("Liên thông"),
        typer_notation: text("TVC"),
        promulgation_amount: text("2"),
        page_amount: text("22"),
        reply_fors: text("7/UBND-VP"),
        reference_codes: text("8/UBND-VP"),
        direction: text("false"),
        appendixes: vec![text("Phụ lục I"), text("Phụ lục II")],
        response_for: vec![PacketSubject {
            organ_id: text("H55"),
            code: text("7/UBND-VP"),
            document_id: text("H55,2025/12/31,7/UBND-VP"),
            promulgation_date: text("2025/12/31"),
        }],
        steering_type: text("1"),
        task_codes: vec![text("NV-1"), text("NV-2")],
        application_type: text("1"),
        to_places: vec![text("Như trên"), text("Lưu: VT")],
        business: Some(business(kind)),
        trace_list: PacketTraceList {
            id: text("0a1b2c3d"),
            version: text("1.0"),
            must_understand: text("1"),
            actor: text("http://schemas.xmlsoap.org/soap/actor/next"),
        },
        trace: vec![
            PacketHop { organ_id: text("H55.15"), timestamp: text("2026/01/02 07:08:09") },
            PacketHop { organ_id: text("H55"), timestamp: text("2026/01/02 07:08:09") },
        ],
        manifest_version: text("1.0"),
        manifest: attachments.iter().map(reference).collect(),
        attachments,
    };
    (packet, vec![b"%PDF-1.7 x".to_vec(), "xin chào".into()])
}

fn reference(attachment: &PacketAttachment) -> PacketReference {
    PacketReference {
        content_id: attachment.content_id.clone(),
        content_type: attachment.content_type.clone(),
        name: attachment.name.clone(),
        description: attachment.description.clone(),
        href: format!("cid:{}", attachment.content_id),
        role: "XLinkRole".to_owned(),
        link_type: "simple".to_owned(),
    }
}

fn business(kind: BusinessType) -> PacketBusiness {
    let text = str::to_owned;
    let mut business = PacketBusiness::new(kind);
    business.reason = text("Lý do");
    business.paper = Some(true);
    business.staff = vec![PacketStaff {
        department: text("Văn thư"),
        department_id: text("VT"),
        name: text("Người Liên Hệ"),
        staff_id: text("nlh"),
        email: text("nlh@example.vn"),
        mobile: text("0912 000 001"),
    }];
    if matches!(kind, BusinessType::Revoke | BusinessType::Update) {
        business.document_id = text("H55.15,2026/01/02,12/STN-VP");
    }
    if kind == BusinessType::Update {
        let change = |organ_id, receiver_type| PacketReceiverChange {
            organ_id: text(organ_id),
            receiver_type: text(receiver_type),
        };
        business.changes = Some(PacketChanges {
            document: true,
            receivers: true,
            receiver_changes: vec![change("H55.16", "0"), change("G22", "1")],
        });
    }
    if kind == BusinessType::Replace {
        let replaced = |document_id| PacketReplaced {
            document_id: text(document_id),
            organ_ids: vec![text("H55.16"), text("G22")],
        };
        business.replaced =
            vec![replaced("H55.15,2025/12/01,3/STN-VP"), replaced("H55.15,2025/12/02,4/STN-VP")];
    }
    business
}

/// Any packet that may be written, everything said in it that would be filled in: it is read back as it is here.
pub(crate) fn any_packet() -> impl Strategy<Value = (DocumentPacket, Vec<Vec<u8>>)> {
    (any_letter(), any_values(), proptest::option::of(any_business()), any_trace(), any_attachments())
        .prop_map(|(mut packet, values, business, (trace_list, trace), attached)| {
            let (date, due, priority, numbers, direction) = values;
            packet.promulgation_date = date;
            packet.due_date = due;
            packet.priority = priority;
            let [kind, detail, amount, pages, steering] = numbers;
            packet.document_type = kind.unwrap_or_else(|| "1".to_owned());
            packet.document_type_detail = detail.unwrap_or_default();
            packet.promulgation_amount = amount.unwrap_or_default();
            packet.page_amount = pages.unwrap_or_default();
            packet.steering_type = steering.unwrap_or_default();
            packet.direction = direction;
            packet.business = business;
            packet.trace_list = trace_list;
            packet.trace = trace;
            let (attachments, files): (Vec<_>, Vec<_>) = attached.into_iter().unzip();
            (packet.attachments, packet.manifest) = attachments.into_iter().unzip();
            if files.is_empty() {
                packet.manifest_version = String::new();
            }
            (packet, files)
        })
}

/// Characters that XML can carry, those that mean something to it more often than the rest.
fn text() -> impl Strategy<Value = String> {
    let carried = |c: &char| !matches!(c, '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    let telling: Vec<char> =
        "<>&\"'\r\n\t ]]>-đĐịú\u{301}\u{200b}\u{202e}\u{feff}\u{85}\u{2028}\u{10ffff}".chars().collect();
    let character = prop_oneof![
        3 => any::<char>().prop_filter("XML can carry it", carried),
        1 => proptest::sample::select(telling),
        1 => "[ -~]".prop_map(|s| s.chars().next().expect("one")),
    ];
    vec(character, 0..12).prop_map(|text| text.into_iter().collect::<String>().trim().to_owned())
}

fn said() -> impl Strategy<Value = String> {
    (text(), "[a-z]").prop_map(|(text, letter)| format!("{letter}{text}"))
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    vec(said(), 0..3)
}

fn organ_id() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Z][0-9]{2}(\\.[0-9A-Z]{1,3}){0,3}", "[0-9A-Za-z._-]{1,64}"]
}

fn date() -> impl Strategy<Value = String> {
    (0..=9999_u32, 1..=12_u32, 1..=28_u32)
        .prop_map(|(year, month, day)| format!("{year:04}/{month:02}/{day:02}"))
}

fn optional<T: Strategy<Value = String>>(value: T) -> impl Strategy<Value = String> {
    proptest::option::of(value).prop_map(Option::unwrap_or_default)
}

fn organ() -> impl Strategy<Value = PacketOrgan> {
    (organ_id(), [text(), text(), text(), text(), text(), text(), text()]).prop_map(|(organ_id, texts)| {
        let [organization_in_charge, organ_name, address, email, telephone, fax, website] = texts;
        PacketOrgan { organ_id, organization_in_charge, organ_name, address, email, telephone, fax, website }
    })
}

fn subject() -> impl Strategy<Value = PacketSubject> {
    (organ_id(), text(), said(), optional(date())).prop_map(
        |(organ_id, code, document_id, promulgation_date)| PacketSubject {
            organ_id,
            code,
            document_id,
            promulgation_date,
        },
    )
}

fn any_letter() -> impl Strategy<Value = DocumentPacket> {
    let texts_of_letter = [said(), said(), said(), said(), said(), said()];
    let more: [_; 9] = std::array::from_fn(|_| text());
    let lists = [texts(), texts(), texts()];
    (organ(), vec(organ(), 1..4), texts_of_letter, more, lists, vec(subject(), 0..3)).prop_map(
        |(from, mut to, said, more, lists, response_for)| {
            to.sort_by_key(|to| to.organ_id.to_uppercase());
            to.dedup_by_key(|to| to.organ_id.to_uppercase());
            let [document_id, code_number, code_notation, document_type_name, subject, full_name] = said;
            let [
                promulgation_place,
                content_summary,
                competence,
                position,
                sphere,
                typer_notation,
                reply_fors,
                reference_codes,
                application_type,
            ] = more;
            let [appendixes, task_codes, to_places] = lists;
            let signer = PacketSigner { competence, position, full_name };
            DocumentPacket {
                from,
                to,
                document_id,
                code_number,
                code_notation,
                promulgation_place,
                document_type_name,
                subject,
                content_summary,
                signer,
                sphere,
                typer_notation,
                reply_fors,
                reference_codes,
                appendixes,
                response_for,
                task_codes,
                application_type,
                to_places,
                ..DocumentPacket::default()
            }
        },
    )
}

type Values = (String, String, u8, [Option<String>; 5], String);

fn any_values() -> impl Strategy<Value = Values> {
    let number = || proptest::option::of("[0-9]{1,9}");
    let direction = proptest::sample::select(vec!["", "true", "false"]).prop_map(str::to_owned);
    (date(), optional(date()), 0..=4_u8, [number(), number(), number(), number(), number()], direction)
}

fn any_business() -> impl Strategy<Value = PacketBusiness> {
    let change = (organ_id(), "[01]")
        .prop_map(|(organ_id, receiver_type)| PacketReceiverChange { organ_id, receiver_type });
    let changes = (any::<bool>(), any::<bool>(), vec(change, 1..3)).prop_map(
        |(document, receivers, receiver_changes)| PacketChanges { document, receivers, receiver_changes },
    );
    let replaced = (said(), vec(organ_id(), 1..3))
        .prop_map(|(document_id, organ_ids)| PacketReplaced { document_id, organ_ids });
    let staff = (said(), [text(), text(), text(), text(), text()]).prop_map(|(name, texts)| {
        let [department, department_id, staff_id, email, mobile] = texts;
        PacketStaff { department, department_id, name, staff_id, email, mobile }
    });
    let kind = proptest::sample::select(BusinessType::ALL.to_vec());
    let parts = (proptest::option::of(changes), vec(replaced, 1..3), vec(staff, 0..3));
    (kind, text(), said(), any::<bool>(), parts).prop_map(|(kind, document_id, reason, paper, parts)| {
        let (changes, mut replaced, staff) = parts;
        for (n, replaced) in replaced.iter_mut().enumerate() {
            replaced.document_id.push_str(&n.to_string());
        }
        PacketBusiness { kind, document_id, reason, paper: Some(paper), changes, replaced, staff }
    })
}

fn any_trace() -> impl Strategy<Value = (PacketTraceList, Vec<PacketHop>)> {
    let time = (date(), 0..24_u8, 0..60_u8, 0..60_u8)
        .prop_map(|(date, hour, minute, second)| format!("{date} {hour:02}:{minute:02}:{second:02}"));
    let hop = (text(), time).prop_map(|(organ_id, timestamp)| PacketHop { organ_id, timestamp });
    let list = [text(), text(), text(), text()].prop_map(|[id, version, must_understand, actor]| {
        PacketTraceList { id, version, must_understand, actor }
    });
    (list, vec(hop, 0..3))
}

type Attached = ((PacketAttachment, PacketReference), Vec<u8>);

fn any_attachments() -> impl Strategy<Value = Vec<Attached>> {
    let texts: [_; 5] = std::array::from_fn(|_| text());
    let attachment = (said(), said(), texts, [text(), text(), text(), text()], vec(any::<u8>(), 0..200));
    vec(attachment, 0..4).prop_map(|attachments| {
        let one = |(n, (name, content_type, texts, links, bytes)): (usize, (_, _, _, _, Vec<u8>))| {
            let [description, content_id, field_name, mime_type, format]: [String; 5] = texts;
            let attachment = PacketAttachment {
                file: String::new(),
                name,
                content_type,
                description,
                content_id: format!("{n}{content_id}"),
                field_name,
                mime_type,
                format,
            };
            let [description, href, role, link_type]: [String; 4] = links;
            let reference = PacketReference { description, href, role, link_type, ..reference(&attachment) };
            ((attachment, reference), bytes)
        };
        attachments.into_iter().enumerate().map(one).collect()
    })
}
