//! What keeps a packet from being written: every rule by field, and packets that a person writes in TOML.

use lienthong_schemas::edxml::{
    BusinessType, DocumentPacket, FlawRule, PacketChanges, PacketFlaw, PacketHop, PacketOrgan,
    PacketReceiverChange, PacketReplaced, PacketStaff, PacketSubject, WriteFault,
};

use super::packets::{full, write};

type Break = fn(&mut DocumentPacket);

/// One thing broken, where it is found, and the rule.
const FLAWS: &[(Break, &str, &str)] = &[
    (|p| p.from.organ_id.clear(), "MessageHeader/From/OrganId", "Missing"),
    (|p| p.from.organ_id = "Sở".to_owned(), "MessageHeader/From/OrganId", "OrganId(Character)"),
    (|p| p.to.clear(), "MessageHeader/To/OrganId", "Missing"),
    (|p| p.to[0].organ_id = "g22".to_owned(), "MessageHeader/To[2]/OrganId", "Repeated"),
    (|p| p.to[1] = PacketOrgan::default(), "MessageHeader/To[2]/OrganId", "Missing"),
    (|p| p.code_number = " ".to_owned(), "MessageHeader/Code/CodeNumber", "Missing"),
    (|p| p.code_notation.clear(), "MessageHeader/Code/CodeNotation", "Missing"),
    (|p| p.promulgation_date.clear(), "MessageHeader/PromulgationInfo/PromulgationDate", "Missing"),
    (
        |p| p.promulgation_date = "2014/02/30".to_owned(),
        "MessageHeader/PromulgationInfo/PromulgationDate",
        "Date",
    ),
    (|p| p.due_date = "2026-02-03".to_owned(), "MessageHeader/DueDate", "Date"),
    (|p| p.document_type.clear(), "MessageHeader/DocumentType/Type", "Missing"),
    (|p| p.document_type = "hai".to_owned(), "MessageHeader/DocumentType/Type", "WholeNumber"),
    (|p| p.document_type_detail = "-1".to_owned(), "MessageHeader/DocumentType/TypeDetail", "WholeNumber"),
    (|p| p.document_type_name.clear(), "MessageHeader/DocumentType/TypeName", "Missing"),
    (|p| p.subject = "\t\r\n".to_owned(), "MessageHeader/Subject", "Missing"),
    (|p| p.subject.push('\u{b}'), "edXMLHeader/MessageHeader/Subject", "Character('\\u{b}')"),
    (|p| p.signer.full_name.clear(), "MessageHeader/SignerInfo/FullName", "Missing"),
    (|p| p.priority = 5, "MessageHeader/OtherInfo/Priority", "OneOf(\"0, 1, 2, 3, 4\")"),
    (
        |p| p.promulgation_amount = "1.5".to_owned(),
        "MessageHeader/OtherInfo/PromulgationAmount",
        "WholeNumber",
    ),
    (|p| p.page_amount = "1234567890".to_owned(), "MessageHeader/OtherInfo/PageAmount", "WholeNumber"),
    (|p| p.direction = "True".to_owned(), "MessageHeader/OtherInfo/Direction", "OneOf(\"true, false\")"),
    (|p| p.steering_type = "x".to_owned(), "MessageHeader/SteeringType", "WholeNumber"),
    (|p| p.response_for.push(PacketSubject::default()), "MessageHeader/ResponseFor[2]/OrganId", "Missing"),
    (
        |p| p.response_for[0].promulgation_date = "x".to_owned(),
        "MessageHeader/ResponseFor[1]/PromulgationDate",
        "Date",
    ),
    (|p| p.trace.push(PacketHop::default()), "TraceHeaderList/TraceHeader[3]/Timestamp", "Missing"),
    (
        |p| p.trace[0].timestamp = "2026/01/02".to_owned(),
        "TraceHeaderList/TraceHeader[1]/Timestamp",
        "Timestamp",
    ),
    (|p| p.trace_list.id = "\u{ffff}".to_owned(), "edXMLHeader/id", "Character('\\u{ffff}')"),
    (|p| reason(p).clear(), "Bussiness/BussinessDocReason", "Missing"),
    (|p| replaced(p).clear(), "Bussiness/ReplacementInfoList/ReplacementInfo/DocumentId", "Missing"),
    (
        |p| replaced(p)[1] = PacketReplaced { document_id: "x".to_owned(), organ_ids: Vec::new() },
        "Bussiness/ReplacementInfoList/ReplacementInfo[2]/OrganIdList/OrganId",
        "Missing",
    ),
    (
        |p| replaced(p)[0].organ_ids[1] = "x y".to_owned(),
        "Bussiness/ReplacementInfoList/ReplacementInfo[1]/OrganIdList/OrganId[2]",
        "OrganId(Character)",
    ),
    (
        |p| replaced(p)[0].document_id.clear(),
        "Bussiness/ReplacementInfoList/ReplacementInfo[1]/DocumentId",
        "Missing",
    ),
    (
        |p| changes(p).receiver_changes[0].receiver_type = "2".to_owned(),
        "Bussiness/BussinessDocumentInfo/ReceiverList/Receiver[1]/ReceiverType",
        "OneOf(\"0, 1\")",
    ),
    (
        |p| changes(p).receiver_changes[0].organ_id.clear(),
        "Bussiness/BussinessDocumentInfo/ReceiverList/Receiver[1]/OrganId",
        "Missing",
    ),
    (
        |p| p.business.as_mut().expect("a business").staff.push(PacketStaff::default()),
        "Bussiness/StaffInfo[2]",
        "Missing",
    ),
    (|p| p.manifest_version = "2.0".to_owned(), "edXMLBody/edXMLManifest/@version", "OneOf(\"1.0\")"),
    // The manifest that is made for the attachments has it too.
    (
        |p| (p.manifest_version, p.manifest) = ("2.0".to_owned(), Vec::new()),
        "edXMLBody/edXMLManifest/@version",
        "OneOf(\"1.0\")",
    ),
    (|p| p.manifest[0].content_id = "x".to_owned(), "edXMLManifest/Reference[1]/ContentId", "Unmatched"),
    (|p| drop(p.manifest.pop()), "AttachmentEncoded/Attachment[2]/ContentId", "Unmatched"),
    (|p| p.manifest[1].content_id = "cid:cv".to_owned(), "edXMLManifest/Reference[2]/ContentId", "Repeated"),
    (
        |p| p.attachments[1].content_id = "cid: cid:cv".to_owned(),
        "AttachmentEncoded/Attachment[2]/ContentId",
        "Repeated",
    ),
    (|p| p.attachments[0].name.clear(), "AttachmentEncoded/Attachment[1]/AttachmentName", "Missing"),
    (|p| p.attachments[0].format.push('\0'), "AttachmentEncoded/Attachment[1]/Format", "Character('\\0')"),
];

fn reason(packet: &mut DocumentPacket) -> &mut String {
    &mut packet.business.as_mut().expect("a business").reason
}

fn replaced(packet: &mut DocumentPacket) -> &mut Vec<PacketReplaced> {
    &mut packet.business.as_mut().expect("a business").replaced
}

fn changes(packet: &mut DocumentPacket) -> &mut PacketChanges {
    let change = PacketReceiverChange { organ_id: "H55".to_owned(), receiver_type: "0".to_owned() };
    let changes = PacketChanges { receiver_changes: vec![change], ..PacketChanges::default() };
    packet.business.as_mut().expect("a business").changes.insert(changes)
}

#[test]
fn every_flaw_is_told_by_field_and_rule() {
    for (breaks, field, rule) in FLAWS {
        let (mut packet, files) = full(BusinessType::Replace);
        breaks(&mut packet);
        let flaws = packet.check();
        let told = |flaw: &PacketFlaw| flaw.field.ends_with(field) && format!("{:?}", flaw.rule) == *rule;
        assert!(flaws.iter().any(told), "{field} {rule}: {flaws:?}");
        let fault = write(&packet, &files).expect_err(field);
        assert!(matches!(fault, WriteFault::Flawed(_)), "{field}: {fault}");
        let (vi, en) = flaws[0].rule.wording();
        assert!(fault.to_string().contains(&vi) && !en.is_empty(), "{fault}");
    }
}

#[test]
fn bytes_that_receivers_would_take_for_others_are_not_written() {
    let of = |name: &str, content_type: &str, bytes: &[u8]| {
        let (mut packet, mut files) = full(BusinessType::New);
        packet.manifest.clear();
        packet.attachments[1].name = name.to_owned();
        packet.attachments[1].content_type = content_type.to_owned();
        files[1] = bytes.to_vec();
        match write(&packet, &files) {
            Ok(_) => None,
            Err(WriteFault::Flawed(flaws)) => flaws.first().map(|flaw| flaw.rule.clone()),
            Err(other) => panic!("{other}"),
        }
    };
    let zip = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    assert_eq!(of("a.txt", "application/zip", b"plain"), Some(FlawRule::NotZip));
    assert_eq!(of("a.zip", " Application/ZIP; x=y", b""), Some(FlawRule::NotZip));
    assert_eq!(of("a.txt", "text/plain", zip), Some(FlawRule::ZipUnderOtherName));
    assert_eq!(of("a.zip", "application/zip", zip), None);
    assert_eq!(of("a.ZIP", "", zip), None);
    assert_eq!(of("a.zip", "", b"plain"), None, "it is written as what it is");
}

#[test]
fn an_attachment_that_cannot_be_read_is_named() {
    let (packet, files) = full(BusinessType::New);
    let fault = write(&packet, &files[..1]).expect_err("the second is not there");
    assert!(matches!(fault, WriteFault::Attachment { index: 1, .. }), "{fault}");
}

#[test]
fn a_packet_in_toml_says_its_fields_and_no_others() {
    let packet: DocumentPacket = toml::from_str(
        "code_number = '1'\npriority = 'Hỏa Tốc hẹn giờ'\n[business]\nkind = 'revoke'\n[[to]]\norgan_id = 'H55'\n",
    )
    .expect("a packet");
    assert_eq!((packet.priority, packet.to.len(), packet.document_type.as_str()), (4, 1, "2"));
    assert_eq!(packet.business.map(|business| business.kind), Some(BusinessType::Revoke));
    for (text, priority) in [("priority = 3", 3), ("priority = '2'", 2), ("priority = 'very urgent'", 2)] {
        let packet: DocumentPacket = toml::from_str(text).expect(text);
        assert_eq!(packet.priority, priority, "{text}");
    }
    for wrong in [
        "subjekt = 'x'",
        "[from]\nname = 'x'",
        "priority = 5",
        "priority = 'gấp'",
        "[business]\nkind = 44",
        "[business]\nreason = 'x'",
        "[[business.replaced]]\nid = 'x'",
        "[[attachments]]\nbytes = 'x'",
    ] {
        assert!(toml::from_str::<DocumentPacket>(wrong).is_err(), "{wrong}");
    }
}
