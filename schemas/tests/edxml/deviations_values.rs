//! Deviations 13 to 19 and 22 of the list: what producers put into fields, each in a packet of our own.

use lienthong_schemas::edxml::{BusinessType, DocumentBuilder, PacketKind, correlations};
use lienthong_schemas::ids::CorrelationKey;

use super::producers::{MESSAGE, PDF, dotnet, whole_document};
use super::{built, codes, letter, read, remarks};

#[test]
fn d13_trace_headers_may_have_no_organisation() {
    let list = "<TraceHeaderList id=\"x\" mustUnderstand=\"1\"><TraceHeader><OrganId>null</OrganId></TraceHeader>\
                <TraceHeader><Timestamp>2025/10/23 16:28:43</Timestamp></TraceHeader>\
                <TraceHeader><OrganId>00.22.W00</OrganId></TraceHeader></TraceHeaderList>";
    let (envelope, _) = read(dotnet("", list, PDF).as_bytes()).expect("a packet");
    let trace: Vec<_> = envelope.claimed_content().trace.iter().map(|t| t.organ_text.as_str()).collect();
    assert_eq!(trace, ["null", "", "00.22.W00"]);
    let hops: Vec<_> =
        remarks(&envelope).into_iter().filter(|(_, field, _)| field.contains("TraceHeader[")).collect();
    let missing = |n: u8| format!("edXMLHeader/TraceHeaderList/TraceHeader[{n}]/OrganId");
    let (first, second) = (missing(1), missing(2));
    let expected = [("TRACE_ORGAN_MISSING", &*first, "null"), ("TRACE_ORGAN_MISSING", &*second, "")];
    assert_eq!(hops, expected, "a centre's own code is no oddity of a hop");
}

#[test]
fn d14_without_trace_or_business_data_a_document_is_new() {
    for (list, finding) in [
        ("", "TRACE_MISSING"),
        ("<TraceHeaderList/>", "ELEMENT_EMPTY"),
        (
            "<TraceHeaderList><TraceHeader><OrganId>H55</OrganId></TraceHeader></TraceHeaderList>",
            "BUSINESS_MISSING",
        ),
        ("<TraceHeaderList><Bussiness/><TraceHeader/></TraceHeaderList>", "ELEMENT_EMPTY"),
    ] {
        let (envelope, _) = read(dotnet("", list, PDF).as_bytes()).expect("a packet");
        let content = envelope.claimed_content();
        assert_eq!(content.kind, PacketKind::Document(BusinessType::New), "{list}");
        assert!(content.business.is_none());
        let told = content.findings.kinds().iter().any(|f| f.code() == finding);
        assert!(told, "{list}: {:?}", content.findings);
    }
}

#[test]
fn d15_type_numbers_are_kept_and_the_name_is_believed() {
    for (kind, detail, name, told) in [
        ("18", "0", "Công văn", vec!["VALUE_UNKNOWN"]),
        ("1", "0", "Công văn", vec!["DOCUMENT_TYPE_DIFFERS"]),
        ("2", "1", "Báo cáo", vec!["DOCUMENT_TYPE_DIFFERS"]),
        ("2", "18", "CÔNG VĂN", vec![]),
        ("2", "0", "Công văn", vec![]),
        ("hai", "-1", "Công văn", vec!["NUMBER_UNREADABLE"]),
        ("2", "7", "Một loại khác", vec![]),
    ] {
        let whole = whole_document();
        let old =
            "<edXML:Type>2</edXML:Type><edXML:TypeDetail>18</edXML:TypeDetail><edXML:TypeName>Công văn<";
        assert!(whole.contains(old));
        let new = format!(
            "<edXML:Type>{kind}</edXML:Type><edXML:TypeDetail>{detail}</edXML:TypeDetail><edXML:TypeName>{name}<"
        );
        let (envelope, _) = read(whole.replacen(old, &new, 1).as_bytes()).expect("a packet");
        let content = envelope.claimed_content();
        let read = [&content.document_type, &content.document_type_detail, &content.document_type_name];
        assert_eq!((read.map(String::as_str), codes(&envelope)), ([kind, detail, name], told));
    }
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
    assert_eq!(
        remarks(&envelope)[..3],
        [
            ("DATE_UNREADABLE", &*format!("{MESSAGE}/PromulgationInfo/PromulgationDate"), "2014/02/30"),
            ("DATE_UNREADABLE", &format!("{MESSAGE}/DueDate"), "mai"),
            ("DOCUMENT_ID_DIFFERS", &format!("{MESSAGE}/DocumentId"), "2026/01/02"),
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
fn d19_codes_of_any_form_are_taken() {
    let pattern = vec!["ORGAN_ID_PATTERN"];
    for (code, told) in [
        ("000.00.15.H37", vec![]),
        ("H37.DN.001", vec![]),
        ("0100109106-001", vec![]),
        ("002.00.20.H13", pattern.clone()),
        ("28.22.H17", pattern.clone()),
        ("999.010.01.H22", vec!["ORGAN_ID_PATTERN", "ORGAN_ID_CLOSED"]),
        ("001.00.20.TT2", pattern.clone()),
        ("00.00.008.K99", pattern),
        ("vxp.saas.02", vec!["ORGAN_ID_PATTERN", "ORGAN_ID_CASE"]),
        ("h37.02", vec!["ORGAN_ID_CASE"]),
    ] {
        let (envelope, _) = read(&built(DocumentBuilder::new("H55.15", &[code]))).expect("a letter");
        let receiver = &envelope.claimed_content().to[0];
        let upper = code.to_ascii_uppercase();
        assert_eq!((receiver.organ_id.as_str(), receiver.organ_text.as_str()), (&*upper, code));
        assert_eq!(codes(&envelope), told, "{code}");
    }
    let longest = format!("H55.{}", "A".repeat(60));
    let (envelope, _) = read(&built(DocumentBuilder::new("H55.15", &[&longest]))).expect("64 bytes");
    assert_eq!(codes(&envelope), ["FIELD_LONG", "ORGAN_ID_PATTERN"]);
}

/// A code is closed for who writes after the day on which it was; an older packet could not know.
#[test]
fn d19_closed_codes_are_told_by_the_day_of_the_document() {
    for (date, told) in [
        ("2025/06/30", vec![]),
        ("2025/07/01", vec!["ORGAN_ID_CLOSED"]),
        ("2014/02/30", vec!["DATE_UNREADABLE"]),
    ] {
        let id = format!("H55.15,{date},12/STN-VP");
        let builder = DocumentBuilder::new("H55.15", &["000.00.15.H03"]).date(date).document_id(&id);
        let (envelope, _) = read(&built(builder)).expect("a letter");
        assert_eq!(codes(&envelope), told, "{date}");
    }
}

#[test]
fn d22_a_packet_to_its_own_sender_is_noticed() {
    let builder = DocumentBuilder::new(" vxp.saas.03 ", &["VXP.SAAS.03", "H55.16"]);
    let (envelope, _) = read(&built(builder)).expect("a letter");
    assert_eq!(envelope.claimed_sender().as_str(), "VXP.SAAS.03");
    let expected = ["ORGAN_ID_PATTERN", "BLANKS_TRIMMED", "ORGAN_ID_CASE", "SELF_ADDRESSED"];
    assert_eq!(codes(&envelope), expected);
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
