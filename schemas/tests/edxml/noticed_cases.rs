//! Packets with one thing odd about each, and what must be told of it: for `noticed.rs`.

use super::producers::{MESSAGE, whole_document, whole_status};

/// A packet and what must be told of it, all of it.
pub(super) struct Case {
    pub(super) packet: String,
    /// The codes, warnings first.
    pub(super) codes: &'static str,
    /// The place of the first.
    pub(super) field: String,
    /// Its value or cause.
    pub(super) detail: &'static str,
}

/// What stands in the whole packet, what is put there, and the codes, the path (below `MessageHeader` where it begins
/// with a slash) and the detail.
type Change = (&'static str, &'static str, &'static str, &'static str, &'static str);

fn cases(whole: &str, changes: &[Change]) -> Vec<Case> {
    let case = |(old, new, codes, field, detail): &Change| {
        assert!(whole.contains(old), "{old}");
        let field = if field.starts_with('/') { format!("{MESSAGE}{field}") } else { (*field).to_owned() };
        Case { packet: whole.replacen(old, new, 1), codes, field, detail }
    };
    changes.iter().map(case).collect()
}

const LIST: &str = "edXMLHeader/TraceHeaderList";
const BUSSINESS: &str = "edXMLHeader/TraceHeaderList/Bussiness";
const HEADER_ENDS: &str = "</edXML:edXMLHeader>";

/// How a packet is written.
pub(super) fn written() -> Vec<Case> {
    let changes: &[Change] = &[
        (
            HEADER_ENDS,
            "<Signature><KeyInfo/></Signature></edXML:edXMLHeader>",
            "SIGNATURE_NAMESPACE",
            "edXMLHeader/Signature",
            "http://www.mic.gov.vn/TBT/QCVN_102_2016",
        ),
        (
            HEADER_ENDS,
            "<ds:Signature xmlns:ds='http://www.w3.org/2000/09/xmldsig#'><ds:X509Certificate> MIIFqTCC\nBJE= \
             </ds:X509Certificate></ds:Signature></edXML:edXMLHeader>",
            "CERTIFICATE_TRUNCATED",
            "edXMLHeader/Signature/KeyInfo/X509Data/X509Certificate",
            "8 bytes",
        ),
        (
            HEADER_ENDS,
            "<edXML:DigitalSignature/></edXML:edXMLHeader>",
            "DIGITAL_SIGNATURE_ELEMENT",
            "edXMLHeader/DigitalSignature",
            "",
        ),
        ("<edXML:Code>", "<x/><edXML:Code>", "UNKNOWN_ELEMENT", "/x", ""),
        (
            "<edXML:CodeNumber>12</edXML:CodeNumber><edXML:CodeNotation>STN-VP</edXML:CodeNotation>",
            "<edXML:CodeNotation>STN-VP</edXML:CodeNotation><edXML:CodeNumber>12</edXML:CodeNumber>",
            "ELEMENT_ORDER",
            "/Code",
            "CodeNumber after CodeNotation",
        ),
        (
            "<edXML:Subject>V/v thử nghiệm</edXML:Subject>",
            "<Subject>V/v thử nghiệm</Subject>",
            "ELEMENT_PREFIX",
            "/Subject",
            "",
        ),
        ("<edXML:DueDate>2026/01/09<", "<edXML:DueDate> <", "ELEMENT_EMPTY", "/DueDate", ""),
        ("<edXML:OrganName>Sở", "<edXML:OrganName>\n Sở", "BLANKS_TRIMMED", "/From/OrganName", ""),
        (
            "<edXML:Fax>0208 2</edXML:Fax>",
            "<edXML:Fax>0208 2</edXML:Fax><edXML:Fax>0208 2</edXML:Fax>",
            "ELEMENT_REPEATED",
            "/From/Fax",
            "",
        ),
        (">TVC<", ">TVC VP UBND<", "FIELD_LONG", "/OtherInfo/TyperNotation", "11 > 10"),
    ];
    cases(&whole_document(), changes)
}

/// What does not fit in the message header of a document.
pub(super) fn values() -> Vec<Case> {
    let changes: &[Change] = &[
        ("<edXML:OrganAdd>Số 1</edXML:OrganAdd>", "", "FIELD_ABSENT", "/From", "OrganAdd"),
        (
            ">2</edXML:PageAmount>",
            ">hai</edXML:PageAmount>",
            "NUMBER_UNREADABLE",
            "/OtherInfo/PageAmount",
            "hai",
        ),
        ("<edXML:SteeringType>0", "<edXML:SteeringType>0.5", "NUMBER_UNREADABLE", "/SteeringType", "0.5"),
        (
            ">2</edXML:Type><edXML:TypeDetail>18<",
            ">18</edXML:Type><edXML:TypeDetail>0<",
            "VALUE_UNKNOWN",
            "/DocumentType/Type",
            "18",
        ),
        ("<edXML:Direction>false", "<edXML:Direction>no", "VALUE_UNKNOWN", "/OtherInfo/Direction", "no"),
        (
            "</edXML:edXMLEnvelope>",
            "<edXML:edXMLBody><edXML:edXMLManifest version='2.0'/></edXML:edXMLBody></edXML:edXMLEnvelope>",
            "VALUE_UNKNOWN ELEMENT_EMPTY",
            "edXMLBody/edXMLManifest/@version",
            "2.0",
        ),
        (">2026/01/09<", ">09/01/2026<", "DATE_FORM", "/DueDate", "09/01/2026"),
        (">2026/01/09<", ">2026/01/01<", "DUE_DATE_EARLY", "/DueDate", "2026/01/01"),
        (">2026/01/09<", ">2026/13/09<", "DATE_UNREADABLE", "/DueDate", "2026/13/09"),
        (
            "<edXML:DocumentId>H55.15,2026/01/02,12/STN-VP</edXML:DocumentId>",
            "",
            "DOCUMENT_ID_MISSING",
            "/DocumentId",
            "",
        ),
        (">H55.15,2026/01/02,12/STN-VP<", ">so-12<", "DOCUMENT_ID_FORM", "/DocumentId", "so-12"),
        (
            ">H55.15,2026/01/02,12/STN-VP<",
            ">000.00.15.H55,2026/01/02,13/STN-VP<",
            "DOCUMENT_ID_DIFFERS",
            "/DocumentId",
            "000.00.15.H55, 13/STN-VP",
        ),
        (
            "<edXML:TypeDetail>18<",
            "<edXML:TypeDetail>14<",
            "DOCUMENT_TYPE_DIFFERS",
            "/DocumentType",
            "2, 14: Công văn",
        ),
        (">H37.02<", ">h37.02<", "ORGAN_ID_CASE", "/To[1]/OrganId", "h37.02"),
        (">H37.02<", ">28.22.H37<", "ORGAN_ID_PATTERN", "/To[1]/OrganId", "28.22.H37"),
        (">H37.02<", ">002.00.20.H37<", "ORGAN_ID_PATTERN", "/To[1]/OrganId", "002.00.20.H37"),
        (">H37.02<", ">000.00.02.H03<", "ORGAN_ID_CLOSED", "/To[1]/OrganId", "H03 -> H55"),
        (">H37.02<", ">H55.15<", "SELF_ADDRESSED", "/To[1]/OrganId", "H55.15"),
    ];
    cases(&whole_document(), changes)
}

/// Odd letters in texts.
pub(super) fn letters() -> Vec<Case> {
    let changes: &[Change] = &[
        (
            "V/v thử nghiệm</edXML:Subject>",
            "V/v thu\u{31b}\u{309} nghie\u{323}\u{302}m</edXML:Subject>",
            "TEXT_DECOMPOSED",
            "/Subject",
            "ử (U+0075",
        ),
        (
            "V/v thử nghiệm</edXML:Content>",
            "V/v thử nghiê\u{323}m</edXML:Content>",
            "TEXT_MIXED_FORMS",
            "/Content",
            "ệ (U+00EA",
        ),
        ("Nguyễn Thị Mẫu", "Nguyễn Thị\u{200b} Mẫu", "TEXT_INVISIBLE", "/SignerInfo/FullName", "U+200B"),
        ("Liên thông", "Liên \u{202e}thông", "TEXT_BIDI", "/OtherInfo/SphereOfPromulgation", "U+202E"),
        (
            "<edXML:OrganName>Sở Thử nghiệm",
            "<edXML:OrganName>Uû ban nh©n d©n tØnh Th¸i Nguyªn",
            "TEXT_LEGACY",
            "/From/OrganName",
            "TCVN3",
        ),
    ];
    cases(&whole_document(), changes)
}

/// What does not fit in a status packet.
pub(super) fn statuses() -> Vec<Case> {
    let changes: &[Change] = &[
        (
            "<edXML:Description>Sai nơi nhận</edXML:Description>",
            "",
            "STATUS_REASON_MISSING",
            "/Description",
            "",
        ),
        (">02<", ">2<", "STATUS_CODE_FORM", "/StatusCode", "2"),
        ("<edXML:Timestamp>2026/01/03 08:09:10</edXML:Timestamp>", "", "TIMESTAMP_MISSING", "/Timestamp", ""),
        (
            ">2026/01/03 08:09:10<",
            ">2026/01/03 25:09:10<",
            "DATE_UNREADABLE",
            "/Timestamp",
            "2026/01/03 25:09:10",
        ),
        (">H55.15<", ">h55.15<", "ORGAN_ID_CASE", "/ResponseFor[1]/OrganId", "h55.15"),
        (">H55.16<", ">K03<", "ORGAN_ID_CLOSED", "/From/OrganId", "K03 -> K55"),
        (">2026/01/02<", ">02-01-2026<", "DATE_UNREADABLE", "/ResponseFor[1]/PromulgationDate", "02-01-2026"),
    ];
    cases(&whole_status(), changes)
}

/// What does not fit in the trace and the business data.
pub(super) fn business() -> Vec<Case> {
    let update = "<DocumentId>H55.15,2026/01/02,12/STN-VP</DocumentId><BussinessDocType>2</BussinessDocType>\
                  <BussinessDocReason>x</BussinessDocReason><Paper>0</Paper><BussinessDocumentInfo>\
                  <DocumentInfo>1</DocumentInfo><DocumentReceiver>1</DocumentReceiver><ReceiverList><Receiver>\
                  <OrganId>H37.02</OrganId><ReceiverType>1</ReceiverType></Receiver></ReceiverList>\
                  </BussinessDocumentInfo>";
    let replace = "<BussinessDocType>3</BussinessDocType><BussinessDocReason>x</BussinessDocReason>\
                   <ReplacementInfoList><ReplacementInfo><DocumentId>A</DocumentId><OrganIdList><OrganId>H37.02</OrganId>\
                   </OrganIdList></ReplacementInfo></ReplacementInfoList>";
    let own_id = "<DocumentId>H55.15,2026/01/02,12/STN-VP</DocumentId>";
    let again = "<ReplacementInfo><DocumentId>A</DocumentId><OrganIdList><OrganId>H37.02</OrganId></OrganIdList>\
                 </ReplacementInfo></ReplacementInfoList>";
    let receiver = "/BussinessDocumentInfo[1]/ReceiverList/Receiver[1]";
    let case =
        |(text, old, new, codes, field, detail): (&str, &str, &str, &'static str, &str, &'static str)| {
            assert!(text.contains(old), "{old}");
            let packet = with_business(&text.replacen(old, new, 1));
            Case { packet, codes, field: format!("{BUSSINESS}{field}"), detail }
        };
    [
        (
            update,
            "<BussinessDocReason>x</BussinessDocReason>",
            "",
            "REASON_MISSING",
            "/BussinessDocReason",
            "",
        ),
        (update, own_id, "", "FIELD_ABSENT", "", "DocumentId"),
        (update, own_id, "<DocumentId>y</DocumentId>", "DOCUMENT_ID_DIFFERS", "/DocumentId", "y"),
        (
            update,
            own_id,
            "<DocumentId>H55.15,2026/02/30,1/A</DocumentId>",
            "DATE_UNREADABLE DOCUMENT_ID_DIFFERS",
            "/DocumentId",
            "2026/02/30",
        ),
        (update, "<Paper>0<", "<Paper>2<", "VALUE_UNKNOWN", "/Paper", "2"),
        (
            update,
            "<DocumentInfo>1<",
            "<DocumentInfo>x<",
            "VALUE_UNKNOWN",
            "/BussinessDocumentInfo[1]/DocumentInfo",
            "x",
        ),
        (
            update,
            "<ReceiverType>1<",
            "<ReceiverType>3<",
            "VALUE_UNKNOWN",
            &format!("{receiver}/ReceiverType"),
            "3",
        ),
        (update, ">H37.02<", ">28.H37<", "ORGAN_ID_PATTERN", &format!("{receiver}/OrganId"), "28.H37"),
        (update, ">H37.02<", ">H03<", "ORGAN_ID_CLOSED", &format!("{receiver}/OrganId"), "H03 -> H55"),
        (replace, "<BussinessDocType>3<", "<BussinessDocType>1<", "FIELD_ABSENT", "", "DocumentId"),
        (
            replace,
            "</ReplacementInfoList>",
            again,
            "REPLACEMENT_REPEATED",
            "/ReplacementInfoList[1]/ReplacementInfo[2]",
            "A",
        ),
    ]
    .into_iter()
    .map(case)
    .collect()
}

/// The whole document with other business data.
fn with_business(text: &str) -> String {
    let whole = whole_document();
    let start = whole.find("<edXML:BussinessDocType>").expect("business data");
    let end = whole.find("</edXML:Bussiness>").expect("its end");
    let text = text.replace("</", "\u{0}").replace('<', "<edXML:").replace('\u{0}', "</edXML:");
    [&whole[..start], text.as_str(), &whole[end..]].concat()
}

/// What the header does not have, or has oddly, beside its message.
pub(super) fn traces() -> Vec<Case> {
    let whole = whole_document();
    let list_ends = "</edXML:TraceHeaderList>";
    let start = whole.find("<edXML:TraceHeaderList>").expect("a list");
    let end = whole.find(list_ends).expect("its end") + list_ends.len();
    let with = |list: &str| [&whole[..start], list, &whole[end..]].concat();
    let hop = |content: &str| {
        let business =
            "<edXML:Bussiness><edXML:BussinessDocType>0</edXML:BussinessDocType></edXML:Bussiness>";
        with(&format!(
            "<edXML:TraceHeaderList><edXML:TraceHeader>{content}</edXML:TraceHeader>{business}</edXML:TraceHeaderList>"
        ))
    };
    let case =
        |packet, codes, field: &str, detail| Case { packet, codes, field: format!("{LIST}{field}"), detail };
    vec![
        case(with(""), "TRACE_MISSING", "", ""),
        case(with("<edXML:TraceHeaderList/>"), "ELEMENT_EMPTY", "", ""),
        case(
            with(
                "<edXML:TraceHeaderList><edXML:TraceHeader><edXML:OrganId>H55</edXML:OrganId></edXML:TraceHeader>\
                 </edXML:TraceHeaderList>",
            ),
            "BUSINESS_MISSING",
            "/Bussiness",
            "",
        ),
        case(
            with(
                "<edXML:TraceHeaderList><edXML:Bussiness><edXML:BussinessDocType>0</edXML:BussinessDocType></edXML:Bussiness>\
                 <edXML:Paper>2</edXML:Paper></edXML:TraceHeaderList>",
            ),
            "VALUE_UNKNOWN FIELD_ABSENT",
            "/Paper",
            "2",
        ),
        case(
            hop("<edXML:OrganId>null</edXML:OrganId>"),
            "TRACE_ORGAN_MISSING",
            "/TraceHeader[1]/OrganId",
            "null",
        ),
        case(
            hop("<edXML:OrganId>H55</edXML:OrganId><edXML:Timestamp>2026-01-02T08:09:10</edXML:Timestamp>"),
            "DATE_FORM",
            "/TraceHeader[1]/Timestamp",
            "2026-01-02T08:09:10",
        ),
    ]
}
