//! Every refusal that this crate can make has a packet that triggers it: a good one with one thing broken.

use std::collections::BTreeSet;

use lienthong_schemas::edxml::{BusinessType, DocumentBuilder, check_carried};
use lienthong_schemas::rejections::{Rejection, RejectionCode};

use super::{built, letter, letter_with, read};

const HEADER: &str = "edXMLHeader/MessageHeader";

fn refused(bytes: &[u8]) -> Rejection {
    match read(bytes) {
        Err(rejection) => rejection,
        Ok((envelope, _)) => check_carried(envelope.claimed_content()).expect_err("a refusal"),
    }
}

/// A status packet with one thing replaced.
fn status_with(old: &str, new: &str) -> Vec<u8> {
    let status = r#"<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016"><edXMLEnvelope><edXMLHeader><MessageHeader>
        <From><OrganId>H55.16</OrganId></From>
        <ResponseFor><OrganId>H55.15</OrganId><Code>12/STN-VP</Code><DocumentId>x</DocumentId></ResponseFor>
        <StatusCode>01</StatusCode><Timestamp>2026/01/02 03:04:05</Timestamp>
        </MessageHeader></edXMLHeader></edXMLEnvelope></edXML>"#;
    read(status.as_bytes()).expect("the packet is good before it is broken");
    assert!(status.contains(old), "{old}");
    status.replacen(old, new, 1).into_bytes()
}

/// (code, field, packet)
fn broken_packets() -> Vec<(RejectionCode, Option<String>, Vec<u8>)> {
    use RejectionCode as Code;
    let at = |path: &str| Some(format!("{HEADER}/{path}"));
    let broken = |old: &str, new: &str| built(letter().with_raw(old, new));
    let without = |leaf: &str| {
        let whole = String::from_utf8(built(letter())).expect("UTF-8");
        let (open, close) = (format!("<edXML:{leaf}>"), format!("</edXML:{leaf}>"));
        let (start, end) = (whole.find(&open).expect("an element"), whole.find(&close).expect("its end"));
        [&whole[..start], &whole[end + close.len()..]].concat().into_bytes()
    };
    let doctype = "<!DOCTYPE edXML [<!ENTITY a \"b\">]>\r\n<edXML xmlns=";
    let attachment = |old: &str, new: &str| {
        let whole = String::from_utf8(built(letter())).expect("UTF-8");
        assert!(whole.contains(old), "{old}");
        whole.replacen(old, new, 1).into_bytes()
    };
    let content = Some("AttachmentEncoded/Attachment[1]/ContentTransferEncoded".to_owned());
    vec![
        (Code::XmlMalformed, None, [b"1212".as_slice(), &built(letter())].concat()),
        (Code::XmlMalformed, None, Vec::new()),
        (Code::XmlMalformed, None, [built(letter()).as_slice(), b"x"].concat()),
        (Code::XmlMalformed, None, broken("</edXML:From>", "</edXML:To>")),
        (Code::XmlMalformed, None, broken("<edXML:Subject>", "<other:Subject>")),
        (Code::XmlForbidden, None, broken("<edXML xmlns=", doctype)),
        (Code::FieldTooLong, at("Subject"), built(letter().subject(&"x".repeat(64 * 1024 + 1)))),
        (
            Code::XmlLimit,
            None,
            broken("<edXML:Subject>", &format!("<edXML:{}/><edXML:Subject>", "x".repeat(2_000))),
        ),
        (Code::XmlTooDeep, None, broken("<edXML:Subject>", &"<x>".repeat(200))),
        (
            Code::XmlTagTooLarge,
            None,
            broken(
                "<edXML:Subject>",
                &format!("<edXML:Subject{}>", (0..300).map(|n| format!(" a{n}=\"\"")).collect::<String>()),
            ),
        ),
        (
            Code::AttachmentsTooMany,
            Some("AttachmentEncoded/Attachment".to_owned()),
            built((0..1_001).fold(DocumentBuilder::new("H55.15", &["H55.16"]), |letter, _| {
                letter.attach("a", "", std::io::empty())
            })),
        ),
        (
            Code::PacketNotEdxml,
            None,
            broken(
                "<edXML xmlns=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\"",
                "<edXML xmlns=\"http://www.go.vn/eDoc\"",
            ),
        ),
        (
            Code::PacketNotEdxml,
            None,
            b"<edXMLEnvelope xmlns=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\"/>".to_vec(),
        ),
        (
            Code::FieldMissing,
            Some("edXMLEnvelope".to_owned()),
            b"<edXML xmlns=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\"/>".to_vec(),
        ),
        (Code::FieldMissing, at("From/OrganId"), without("From")),
        (Code::FieldMissing, at("From/OrganId"), broken("<edXML:OrganId>H55.15<", "<edXML:OrganId> <")),
        (
            Code::FieldMissing,
            at("To[2]/OrganId"),
            broken("<edXML:OrganId>H55.17</edXML:OrganId>", "<edXML:OrganName>x</edXML:OrganName>"),
        ),
        (Code::FieldMissing, at("Code/CodeNumber"), without("CodeNumber")),
        (Code::FieldMissing, at("Code/CodeNotation"), without("CodeNotation")),
        (Code::FieldMissing, at("PromulgationInfo/PromulgationDate"), without("PromulgationDate")),
        (Code::FieldMissing, at("DocumentType/TypeName"), without("TypeName")),
        (Code::FieldMissing, at("Subject"), built(letter().subject(" \n"))),
        (Code::FieldMissing, at("SignerInfo/FullName"), without("SignerInfo")),
        (
            Code::FieldMissing,
            Some("edXMLHeader/TraceHeaderList/Bussiness/BussinessDocType".to_owned()),
            built(
                letter()
                    .business(BusinessType::Revoke, "x", "y")
                    .with_raw("<edXML:BussinessDocType>1<", "<edXML:BussinessDocType><"),
            ),
        ),
        (Code::FieldInvalid, at("From/OrganId"), built(DocumentBuilder::new("H55 15", &["H55.16"]))),
        (Code::FieldInvalid, at("To[1]/OrganId"), built(DocumentBuilder::new("H55.15", &["../etc"]))),
        (Code::FieldInvalid, at("OtherInfo/Priority"), built(letter().priority(5))),
        (Code::FieldInvalid, at("OtherInfo/Priority"), broken("<edXML:Priority>0<", "<edXML:Priority>khẩn<")),
        (
            Code::FieldInvalid,
            at("From/OrganId"),
            broken("<edXML:OrganId>H55.15<", "<edXML:OrganId>H55<x/>.15<"),
        ),
        (
            Code::FieldInvalid,
            Some("edXMLHeader/TraceHeaderList/Bussiness/BussinessDocType".to_owned()),
            built(
                letter()
                    .business(BusinessType::Revoke, "x", "y")
                    .with_raw("<edXML:BussinessDocType>1<", "<edXML:BussinessDocType>44<"),
            ),
        ),
        (Code::FieldInvalid, at("ResponseFor/OrganId"), status_with("<OrganId>H55.15<", "<OrganId>đ<")),
        (
            Code::FieldRepeated,
            at("From"),
            broken("<edXML:To>", "<edXML:From><edXML:OrganId>H01</edXML:OrganId></edXML:From><edXML:To>"),
        ),
        (
            Code::FieldRepeated,
            at("To[1]/OrganId"),
            broken("<edXML:OrganId>H55.16<", "<edXML:OrganId>H01</edXML:OrganId><edXML:OrganId>H55.16<"),
        ),
        (
            Code::FieldRepeated,
            at("DocumentId"),
            broken("<edXML:Code>", "<edXML:DocumentId>x</edXML:DocumentId><edXML:Code>"),
        ),
        (
            Code::FieldRepeated,
            Some(HEADER.to_owned()),
            broken("</edXML:edXMLHeader>", "<edXML:MessageHeader/></edXML:edXMLHeader>"),
        ),
        (
            Code::FieldRepeated,
            Some("edXMLHeader".to_owned()),
            broken("</edXML:edXMLHeader>", "</edXML:edXMLHeader><edXML:edXMLHeader/>"),
        ),
        (
            Code::FieldRepeated,
            at("StatusCode"),
            status_with("<StatusCode>", "<StatusCode>03</StatusCode><StatusCode>"),
        ),
        (
            Code::FieldRepeated,
            at("ResponseFor"),
            status_with("<StatusCode>", "<ResponseFor><OrganId>H01</OrganId></ResponseFor><StatusCode>"),
        ),
        (
            Code::KindUnclear,
            Some(HEADER.to_owned()),
            broken("<edXML:Subject>", "<edXML:StatusCode>01</edXML:StatusCode><edXML:Subject>"),
        ),
        (
            Code::KindUnclear,
            Some(HEADER.to_owned()),
            status_with("<StatusCode>01</StatusCode>", "<StatusCode/>"),
        ),
        (
            Code::KindUnclear,
            Some(HEADER.to_owned()),
            status_with("<StatusCode>", "<To><OrganId>H01</OrganId></To><StatusCode>"),
        ),
        (
            Code::KindUnclear,
            Some(HEADER.to_owned()),
            status_with("<StatusCode>", "<Subject>[MẬT] V/v diễn tập</Subject><StatusCode>"),
        ),
        (
            Code::KindUnclear,
            Some(HEADER.to_owned()),
            status_with(
                "<StatusCode>",
                "<DocumentType><TypeName>Công văn mật</TypeName></DocumentType><StatusCode>",
            ),
        ),
        (
            Code::KindUnclear,
            Some(HEADER.to_owned()),
            status_with(
                "</edXMLHeader>",
                "</edXMLHeader><edXMLBody><edXMLManifest><Reference><ContentId>1</ContentId></Reference></edXMLManifest></edXMLBody>",
            ),
        ),
        (
            Code::KindUnclear,
            Some(HEADER.to_owned()),
            status_with(
                "</edXMLEnvelope>",
                "</edXMLEnvelope><AttachmentEncoded><Attachment><ContentTransferEncoded>JVBERi0=</ContentTransferEncoded></Attachment></AttachmentEncoded>",
            ),
        ),
        (Code::AttachmentInvalid, content.clone(), attachment("JVBERi0", "JVBE-i0")),
        (Code::AttachmentInvalid, content.clone(), attachment("JVBERi0", "JVBERi0=")),
        (Code::AttachmentInvalid, content.clone(), attachment("JVBERi0", "<x/>JVBERi0")),
        (Code::SecretNotCarried, at("DocumentType/TypeName"), built(letter().type_name("Công văn mật"))),
        (Code::SecretNotCarried, at("DocumentType/TypeName"), built(letter().type_name("Đơn khiếu nại"))),
        (Code::SecretNotCarried, at("Code/CodeNotation"), built(letter().code("1", "CV-MẬT"))),
        (Code::SecretNotCarried, at("Subject"), built(letter().subject("[TỐI MẬT] V/v diễn tập"))),
        (Code::ReceiverMissing, at("To/OrganId"), built(DocumentBuilder::new::<&str>("H55.15", &[]))),
        (Code::ReceiverMissing, at("To/OrganId"), built(DocumentBuilder::new("H55.15", &[""]))),
        (
            Code::ReceiverRepeated,
            at("To[3]/OrganId"),
            built(DocumentBuilder::new("H55.15", &["H01", "H02", "h01"])),
        ),
        (Code::ReceiversTooMany, at("To"), built(DocumentBuilder::new("H55.15", &receivers(5_001)))),
        (Code::StatusCodeUnknown, at("StatusCode"), status_with("<StatusCode>01<", "<StatusCode>07<")),
        (
            Code::StatusSubjectMissing,
            at("ResponseFor/OrganId"),
            status_with("<OrganId>H55.15<", "<OrganId><"),
        ),
        (
            Code::StatusSubjectMissing,
            at("ResponseFor/DocumentId"),
            status_with("<Code>12/STN-VP</Code><DocumentId>x<", "<DocumentId><"),
        ),
        (
            Code::StatusSubjectMissing,
            at("ResponseFor"),
            status_with(
                "<ResponseFor><OrganId>H55.15</OrganId><Code>12/STN-VP</Code><DocumentId>x</DocumentId></ResponseFor>",
                "<ResponseFor/>",
            ),
        ),
    ]
}

fn receivers(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("H55.{n}")).collect()
}

#[test]
fn every_refusal_names_its_code_and_its_field() {
    read(&built(letter())).expect("the packet is good before it is broken");
    for (code, field, bytes) in broken_packets() {
        let rejection = refused(&bytes);
        let packet = String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]).into_owned();
        assert_eq!((rejection.code, rejection.field.clone()), (code, field), "{rejection}\n{packet}");
    }
}

#[test]
fn every_row_that_reading_can_give_is_given() {
    use RejectionCode as Code;
    let reading: BTreeSet<_> = Code::ALL.iter().copied().filter(|c| *c >= Code::XmlMalformed).collect();
    let elsewhere = BTreeSet::from([
        // ZIP archives: `attachments/limits.rs`.
        Code::ArchiveRatio,
        Code::ArchiveTooLarge,
        Code::ArchiveNested,
        Code::ArchiveEntries,
        // The verdict on the signature: `verdicts.rs`.
        Code::SignatureMissing,
        Code::SignatureUnusable,
        Code::SignatureInvalid,
        Code::SignerNotTrusted,
        Code::RevocationUnknown,
        // The door of the SDK, which knows hash and receivers of a submission from its head.
        Code::HashMismatch,
        Code::ReceiverNotInPacket,
        // What axes and systems say of organisations.
        Code::AxisSpeaksNot,
        Code::AgencyOutOfScope,
        Code::AgencyElsewhere,
        Code::AgencyFixed,
        Code::AgencyRequestsTooMany,
        // The directory and the store.
        Code::SenderUnknown,
        Code::SenderNotYours,
        Code::SenderClosed,
        Code::ReceiverUnknown,
        Code::ReceiverClosed,
        Code::ReceiverUnreachable,
        Code::ReceiverLimit,
        Code::DocumentConflict,
        Code::Loop,
    ]);
    let given: BTreeSet<_> = broken_packets().into_iter().map(|p| p.0).collect();
    assert_eq!(given, &reading - &elsewhere);
}

#[test]
fn a_secret_is_not_repeated_in_its_refusal() {
    let rejection = refused(&built(letter().subject("[MẬT] V/v kế hoạch phòng thủ")));
    let told = rejection.to_string();
    assert!(!told.contains("phòng thủ") && told.contains("độ mật"), "{told}");
}

#[test]
fn an_element_counts_only_at_its_true_path() {
    let decoys = "<x:Other xmlns:x=\"urn:x\"><x:OrganId>H01</x:OrganId></x:Other><edXML:Other><edXML:OrganId>H02</edXML:OrganId></edXML:Other>";
    let (envelope, _) =
        letter_with("<edXML:OrganId>H55.15<", &format!("{decoys}<edXML:OrganId>H55.15<")).expect("a letter");
    assert_eq!(envelope.claimed_sender().as_str(), "H55.15");
    let outside = "<edXML:DocumentId>elsewhere</edXML:DocumentId></edXML:edXMLHeader>";
    let (envelope, _) = letter_with("</edXML:edXMLHeader>", outside).expect("a letter");
    assert_eq!(envelope.claimed_document_id(), Some("H55.15,2026/01/02,12/STN-VP"));
}

/// Readers that match by local name only would take these for ours.
#[test]
fn a_known_name_in_another_namespace_is_refused_at_its_place() {
    let whole = String::from_utf8(built(letter())).expect("UTF-8");
    let double = |before: &str, element: &str| {
        assert!(whole.contains(before), "{before}");
        refused(whole.replacen(before, &format!("{element}{before}"), 1).as_bytes())
    };
    for (before, element, field) in [
        (
            "<edXML:From>",
            "<From xmlns='urn:x'><OrganId>H01</OrganId></From>",
            "edXMLHeader/MessageHeader/From",
        ),
        ("<edXML:From>", "<x:To xmlns:x='urn:x'/>", "edXMLHeader/MessageHeader/To"),
        (
            "<edXML:OrganId>H55.16<",
            "<OrganId xmlns=''>H01</OrganId>",
            "edXMLHeader/MessageHeader/To[1]/OrganId",
        ),
        ("</edXML:edXMLHeader>", "<Status xmlns='urn:x'/>", "edXMLHeader/MessageHeader"),
        ("</edXML:edXMLHeader>", "<TraceHeaderList xmlns='urn:x'/>", "edXMLHeader/TraceHeaderList"),
        ("<edXML:edXMLHeader>", "<edXMLBody xmlns='urn:x'/>", "edXMLBody"),
        ("</edXML:edXMLEnvelope>", "<edXMLHeader xmlns='urn:x'/>", "edXMLHeader"),
        ("</edXML>", "<AttachmentEncoded xmlns='urn:x'/>", "AttachmentEncoded"),
        ("</edXML>", "<edXMLEnvelope xmlns='urn:x'/>", "edXMLEnvelope"),
    ] {
        let rejection = double(before, element);
        let told = (rejection.code, rejection.field.as_deref());
        assert_eq!(told, (RejectionCode::FieldInvalid, Some(field)), "{element}: {rejection}");
    }
    for signature in [
        "<Signature xmlns='urn:x'/>",
        "<DigitalSignature xmlns='urn:x'/>",
        "<ds:Signature xmlns:ds='http://www.w3.org/2000/09/xmldsig#'/>",
        "<x:Unknown xmlns:x='urn:x'/>",
    ] {
        let before = "</edXML:edXMLHeader>";
        letter_with(before, &format!("{signature}{before}")).expect(signature);
    }
}

#[test]
fn a_status_may_hold_the_empty_elements_of_a_document() {
    for (before, element) in [
        ("<StatusCode>", "<Subject> </Subject><DocumentType><TypeName/></DocumentType>"),
        ("</edXMLHeader>", "</edXMLHeader><edXMLBody><edXMLManifest/></edXMLBody>"),
        (
            "</edXMLEnvelope>",
            "</edXMLEnvelope><AttachmentEncoded><Attachment><ContentTransferEncoded/></Attachment></AttachmentEncoded>",
        ),
    ] {
        let added = if before.starts_with("</") { element.to_owned() } else { format!("{element}{before}") };
        let (envelope, _) = read(&status_with(before, &added)).expect(element);
        assert!(envelope.claimed_content().status.is_some());
    }
}
