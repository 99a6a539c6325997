//! What real producers do differently (a list of 25 deviations), each in a packet of our own.

use lienthong_schemas::edxml::{BusinessType, Envelope, FileKind, PacketKind, correlations};
use lienthong_schemas::ids::{CorrelationKey, PacketDigest};

use super::{built, codes, letter, letter_with, read, remarks};

const NS: &str = "http://www.mic.gov.vn/TBT/QCVN_102_2016";

/// A packet in the manner of the .NET family: no prefix anywhere, other order, other attachment layout.
fn dotnet(message_extra: &str, header_extra: &str, attachment: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<edXML xmlns="{NS}"><edXMLEnvelope><edXMLHeader><MessageHeader>
<DocumentId>H55.07,2025/03/04,15/STN-VP</DocumentId>
<SignerInfo><FullName> Nguyễn  Mẫu
</FullName></SignerInfo><Subject>V/v</Subject>
<DocumentType><TypeName>Công văn</TypeName><Type>18</Type><TypeDetail>0</TypeDetail></DocumentType>
<PromulgationInfo><PromulgationDate>2025/03/04</PromulgationDate></PromulgationInfo>
<Code><CodeNotation>STN-VP</CodeNotation><CodeNumber>15</CodeNumber></Code>
<To><OrganId>H37.02.02</OrganId></To><From><OrganName>Sở</OrganName><OrganId>H55.07</OrganId></From>
{message_extra}</MessageHeader>{header_extra}</edXMLHeader>
<edXMLBody><edXMLManifest version="1.0"><Reference><ContentId>cid:1</ContentId><AttachmentName>cv.pdf</AttachmentName></Reference></edXMLManifest></edXMLBody>
</edXMLEnvelope><AttachmentEncoded>{attachment}</AttachmentEncoded></edXML>"#
    )
}

const PDF: &str = "<Attachment><ContentId>1</ContentId><ContentTransferEncoded>JVBERi0xLjQ=</ContentTransferEncoded></Attachment>";

/// What was noticed of the attachments and their list.
fn of_attachments(envelope: &Envelope) -> Vec<&'static str> {
    let about = |code: &str| ["ATTACHMENT", "REFERENCE", "CONTENT"].iter().any(|word| code.contains(word));
    codes(envelope).into_iter().filter(|code| about(code)).collect()
}

#[test]
fn d01_d02_undeclared_prefixes_are_repaired_and_flagged() {
    for (old, new) in [
        ("<edXML:Reference>", "<edXML:Reference xlink:href=\"\">"),
        (" xmlns:edXML=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\"", ""),
    ] {
        let (envelope, repaired) = letter_with(old, new).expect("a packet that only lacks a declaration");
        assert!(repaired, "{old}");
        assert_eq!(envelope.claimed_content().to.len(), 2);
    }
    assert!(!read(&built(letter())).expect("a letter").1);
    let other = letter_with("<edXML:Subject>", "<soap:Subject>").expect_err("no binding is made up");
    assert_eq!(other.code.row().name, "XML_MALFORMED");
}

#[test]
fn d05_d06_d20_d21_order_prefixes_and_blanks_do_not_matter() {
    let (envelope, repaired) = read(dotnet("", "", PDF).as_bytes()).expect("a packet without prefixes");
    let content = envelope.claimed_content();
    assert!(!repaired && content.kind == PacketKind::Document(BusinessType::New));
    assert_eq!(content.from.organ_name, "Sở");
    assert_eq!(content.signer.full_name, "Nguyễn  Mẫu");
    assert_eq!(content.attachments[0].packed.sha256, PacketDigest::of(b"%PDF-1.4"));
    assert_eq!(content.attachments[0].name, "cv.pdf", "the name comes from the reference");
}

#[test]
fn d04_d25_signatures_in_no_or_the_wrong_namespace_are_no_part_of_the_content() {
    for signature in [
        "<DigitalSignature />",
        "<Signature><SignedInfo><Reference URI=\"\"/></SignedInfo><KeyInfo>MIIFqTCCBJG</KeyInfo></Signature>",
        "<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><Object><MessageHeader/></Object></Signature>",
    ] {
        let (envelope, _) = read(dotnet("", signature, PDF).as_bytes()).expect("a packet");
        assert_eq!(envelope.claimed_sender().as_str(), "H55.07", "{signature}");
    }
}

#[test]
fn d07_content_ids_match_with_any_number_of_cid() {
    for id in ["1", "cid:1", "cid:cid:1", " cid: cid:cid:1\n"] {
        let attachment = PDF.replace("<ContentId>1<", &format!("<ContentId>{id}<"));
        let (envelope, _) = read(dotnet("", "", &attachment).as_bytes()).expect("a packet");
        assert_eq!(envelope.claimed_content().attachments[0].content_id, "1");
        let expected: &[&str] = if id == "cid:1" { &[] } else { &["CONTENT_ID_FORM"] };
        assert_eq!(of_attachments(&envelope), expected, "{id}");
    }
    let by_position = PDF.replace("<ContentId>1<", "<ContentId>other<");
    let (envelope, _) = read(dotnet("", "", &by_position).as_bytes()).expect("a packet");
    assert_eq!(of_attachments(&envelope), ["CONTENT_ID_FORM", "ATTACHMENT_BY_POSITION"]);
    let unlisted = format!("{PDF}{}", PDF.replace("<ContentId>1<", "<ContentId>2<"));
    let (envelope, _) = read(dotnet("", "", &unlisted).as_bytes()).expect("a packet");
    let expected = ["ATTACHMENT_UNREFERENCED", "ATTACHMENT_NAME_MISSING", "CONTENT_ID_FORM"];
    assert_eq!(of_attachments(&envelope), expected);
    let (envelope, _) = read(dotnet("", "", "").as_bytes()).expect("a packet");
    assert_eq!(of_attachments(&envelope), ["REFERENCE_UNRESOLVED"]);
}

#[test]
fn d08_d09_zip_bytes_under_another_type_are_noticed() {
    let zip = &b"PK\x03\x04rest of a zip"[..];
    let of = |name: &str, content_type: &str, bytes: &'static [u8]| {
        let builder = lienthong_schemas::edxml::DocumentBuilder::new("H55.15", &["H55.16"]);
        let (envelope, _) = read(&built(builder.attach(name, content_type, bytes))).expect("a letter");
        (
            codes(&envelope).contains(&"CONTENT_TYPE_MISMATCH"),
            envelope.claimed_content().attachments[0].packed.kind == FileKind::Zip,
        )
    };
    assert_eq!(of("a.pdf", "application/pdf", zip), (true, true));
    assert_eq!(of("a.txt", "text/plain", zip), (true, true));
    assert_eq!(of("a.zip", "application/zip", b"%PDF-1.4"), (true, false));
    assert_eq!(of("a.txt", "application/zip", zip), (false, true), "what the reference library does");
    assert_eq!(of("a.docx", "application/msword", zip), (false, true));
}

#[test]
fn d10_d11_mangled_and_unfilled_attachments_are_noticed() {
    let mangled = &b"%PDF-1.4\n%\xef\xbf\xbd\xef\xbf\xbd\n"[..];
    let builder = lienthong_schemas::edxml::DocumentBuilder::new("H55.15", &["H55.16"]);
    let (envelope, _) = read(&built(builder.attach("a.pdf", "application/pdf", mangled))).expect("a letter");
    assert_eq!(codes(&envelope), ["ATTACHMENT_MANGLED"]);
    let slot = PDF.replace("JVBERi0xLjQ=", "${__StringFromFile(test.txt,,,)}");
    let (envelope, _) = read(dotnet("", "", &slot).as_bytes()).expect("a template");
    let attachment = &envelope.claimed_content().attachments[0];
    assert!(attachment.placeholder && attachment.packed.bytes == 0 && attachment.encoded == 0);
    assert_eq!(of_attachments(&envelope), ["PLACEHOLDER_ATTACHMENT", "CONTENT_ID_FORM"]);
    let wrapped = PDF.replace("JVBERi0xLjQ=", "\r\n\tJVBE\r\n\tRi0x LjQ=\r\n");
    let (envelope, _) = read(dotnet("", "", &wrapped).as_bytes()).expect("wrapped lines");
    assert_eq!(envelope.claimed_content().attachments[0].packed.sha256, PacketDigest::of(b"%PDF-1.4"));
}

#[test]
fn d12_d14_empty_elements_stand_for_absent_ones() {
    let message = "<ResponseFor/><ResponseFor><OrganId> </OrganId><Code/></ResponseFor><To/><DueDate/>\
                   <OtherInfo><Priority/><Appendixes><Appendix/></Appendixes></OtherInfo><StatusCode/>";
    for list in [
        "",
        "<TraceHeaderList/>",
        "<TraceHeaderList><Bussiness/><TraceHeader/></TraceHeaderList>",
        "<TraceHeaderList><Bussiness><Paper>0</Paper><StaffInfo><Mobile/></StaffInfo></Bussiness></TraceHeaderList>",
    ] {
        let (envelope, _) = read(dotnet(message, list, PDF).as_bytes()).expect("a packet");
        let content = envelope.claimed_content();
        assert_eq!(content.kind, PacketKind::Document(BusinessType::New));
        assert!(content.response_for.is_empty() && content.trace.is_empty() && content.appendixes.is_empty());
        assert_eq!((content.to.len(), content.priority), (1, 0));
        assert!(codes(&envelope).contains(&"ELEMENT_EMPTY"), "{:?}", codes(&envelope));
    }
}

#[test]
fn d13_trace_headers_may_have_no_organisation() {
    let list = "<TraceHeaderList id=\"x\" mustUnderstand=\"1\"><TraceHeader><OrganId>null</OrganId></TraceHeader>\
                <TraceHeader><Timestamp>2025/10/23 16:28:43</Timestamp></TraceHeader></TraceHeaderList>";
    let (envelope, _) = read(dotnet("", list, PDF).as_bytes()).expect("a packet");
    let trace: Vec<_> = envelope.claimed_content().trace.iter().map(|t| t.organ_text.as_str()).collect();
    assert_eq!(trace, ["null", ""]);
}

#[test]
fn d15_type_numbers_are_kept_as_they_are() {
    let (envelope, _) = read(dotnet("", "", PDF).as_bytes()).expect("a packet");
    let content = envelope.claimed_content();
    let numbers = (content.document_type.as_str(), content.document_type_detail.as_str());
    assert_eq!((numbers, content.document_type_name.as_str()), (("18", "0"), "Công văn"));
}

#[test]
fn d16_document_ids_are_opaque() {
    for (id, finding) in [
        ("9fbfbad2-f1f8-4256-a2eb-50fb1061cddb", "DOCUMENT_ID_FORM"),
        ("H55-2025-12", "DOCUMENT_ID_FORM"),
        ("H55.15,2026,12", "DOCUMENT_ID_FORM"),
        ("test-doc", "DOCUMENT_ID_FORM"),
        ("a,b", "DOCUMENT_ID_FORM"),
        ("H55.15,2026/01/03,12/STN-VP", "DOCUMENT_ID_DIFFERS"),
        ("H55.16,2026/01/02,12/STN-VP", "DOCUMENT_ID_DIFFERS"),
        ("H55.15,2026/01/02,13/STN-VP", "DOCUMENT_ID_DIFFERS"),
    ] {
        let (envelope, _) = read(&built(letter().document_id(id))).expect("a letter");
        assert_eq!(envelope.claimed_document_id(), Some(id));
        assert_eq!(codes(&envelope), [finding], "{id}");
    }
    let (envelope, _) = read(&built(letter().document_id(""))).expect("a letter");
    assert_eq!((envelope.claimed_document_id(), codes(&envelope)), (None, vec!["DOCUMENT_ID_MISSING"]));
    let composed = CorrelationKey::of("H55.15,2026/01/02,12/STN-VP");
    assert_eq!(correlations(envelope.claimed_content()), [composed], "made up for correlation only");
}

#[test]
fn d17_impossible_dates_keep_their_text() {
    let (envelope, _) = read(&built(letter().date("2014/02/30").due_date("mai"))).expect("a letter");
    let content = envelope.claimed_content();
    assert_eq!(
        (content.promulgation_date.text.as_str(), content.promulgation_date.parsed),
        ("2014/02/30", None)
    );
    let path = "edXMLHeader/MessageHeader";
    assert_eq!(
        remarks(&envelope)[..3],
        [
            ("DATE_UNREADABLE", &*format!("{path}/PromulgationInfo/PromulgationDate"), "2014/02/30"),
            ("DATE_UNREADABLE", &format!("{path}/DueDate"), "mai"),
            ("DOCUMENT_ID_DIFFERS", &format!("{path}/DocumentId"), "2026/01/02"),
        ]
    );
    assert_eq!(codes(&envelope), ["DATE_UNREADABLE", "DOCUMENT_ID_DIFFERS"], "each finding once");
}

#[test]
fn d18_a_replaced_document_counts_once() {
    let (envelope, _) = read(&built(letter().replaces("x", &["A", "B", "A"]))).expect("a letter");
    let content = envelope.claimed_content();
    let replaced = &content.business.as_ref().expect("business data").replaced;
    assert_eq!(replaced.iter().map(|r| r.document_id.as_str()).collect::<Vec<_>>(), ["A", "B"]);
    let expected = ["H55.15,2026/01/02,12/STN-VP", "A", "B"].map(CorrelationKey::of);
    assert_eq!(correlations(content), expected);
}

#[test]
fn d19_d22_odd_codes_and_self_addressed_packets_are_noticed() {
    let builder =
        lienthong_schemas::edxml::DocumentBuilder::new(" vxp.saas.03 ", &["VXP.SAAS.03", "28.22.H17"]);
    let (envelope, _) = read(&built(builder)).expect("a letter");
    assert_eq!(envelope.claimed_sender().as_str(), "VXP.SAAS.03");
    let expected = ["ORGAN_ID_PATTERN", "BLANKS_TRIMMED", "ORGAN_ID_CASE", "SELF_ADDRESSED"];
    assert_eq!(codes(&envelope), expected);
}

#[test]
fn d23_d24_line_ends_and_a_trailing_line_are_nothing() {
    let crlf = built(letter());
    let lf = String::from_utf8(crlf.clone()).expect("UTF-8").replace("\r\n", "\n").replace("  ", "\t");
    let trailing = [crlf.as_slice(), b"\r\n"].concat();
    let told = |bytes: &[u8]| format!("{:?}", read(bytes).expect("a letter").0.claimed_content());
    assert_eq!(told(&crlf), told(lf.as_bytes()));
    assert_eq!(told(&crlf), told(&trailing));
}

#[test]
fn old_names_of_elements_are_read() {
    let whole = dotnet("", "", PDF)
        .replace("edXMLManifest", "Manifest")
        .replace("<FullName>", "<Function>Trưởng phòng</Function><FullName>")
        .replace("MessageHeader>", "Status>");
    let (envelope, _) = read(whole.as_bytes()).expect("a packet");
    assert_eq!(envelope.claimed_content().signer.position, "Trưởng phòng");
    assert_eq!(envelope.claimed_content().manifest.len(), 1);
}

#[test]
fn fields_longer_than_the_standard_are_noticed_and_kept() {
    let subject = "đ".repeat(501);
    let (envelope, _) = read(&built(letter().subject(&subject))).expect("a letter");
    assert_eq!(envelope.claimed_content().subject, subject);
    assert_eq!(codes(&envelope), ["FIELD_LONG"]);
    let (envelope, _) = read(&built(letter().subject(&"đ".repeat(500)))).expect("a letter");
    assert!(codes(&envelope).is_empty());
}
