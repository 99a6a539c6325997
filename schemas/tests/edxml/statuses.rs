//! Status packets that we write are read back by our own reader.

use jiff::Timestamp;
use lienthong_schemas::edxml::{
    PacketKind, StatusCode, StatusContact, StatusPacket, StatusSender, StatusSubject, correlations,
};
use lienthong_schemas::ids::CorrelationKey;
use lienthong_schemas::organ::OrganId;

use super::{codes, read};

fn packet(code: StatusCode) -> StatusPacket {
    let organ = |text| OrganId::parse(text).expect("a code");
    StatusPacket {
        from: StatusSender {
            organ_id: organ("H55.16"),
            organization_in_charge: "UBND tỉnh <&>".to_owned(),
            organ_name: String::new(),
            contact: StatusContact::default(),
        },
        response_for: StatusSubject {
            organ_id: organ("000.00.15.H55"),
            code: "12/STN-VP".to_owned(),
            document_id: "H55.15,2026/01/02,12/STN-VP ]]>".to_owned(),
            promulgation_date: "2026/01/02".to_owned(),
        },
        staff: None,
        code,
        description: "Lý do: \u{0}\u{1b}<a> & \"b\"".to_owned(),
        timestamp: "2026-01-02T20:25:11.5Z".parse::<Timestamp>().expect("a timestamp"),
    }
}

#[test]
fn every_status_code_is_written_and_read_back() {
    for code in StatusCode::ALL {
        let (envelope, repaired) = read(&packet(code).to_xml()).expect("a status packet");
        let content = envelope.claimed_content();
        assert!(!repaired && codes(&envelope).is_empty(), "{:?}", content.findings);
        assert_eq!((content.kind, content.to.len()), (PacketKind::Status, 0));
        assert_eq!(content.from.organ_id.as_str(), "H55.16");
        assert_eq!(content.from.organization_in_charge, "UBND tỉnh <&>");
        let subject = &content.response_for[0];
        assert_eq!(subject.organ_id.as_ref().map(OrganId::as_str), Some("000.00.15.H55"));
        assert_eq!(subject.document_id, "H55.15,2026/01/02,12/STN-VP ]]>");
        assert_eq!(subject.code, "12/STN-VP");
        let status = content.status.as_ref().expect("a status");
        assert_eq!(status.code, code);
        assert_eq!(status.description, "Lý do: <a> & \"b\"");
        assert_eq!(status.timestamp.text, "2026/01/03 03:25:11");
        assert_eq!(correlations(content), [CorrelationKey::of(&subject.document_id)]);
    }
}

#[test]
fn a_status_packet_has_the_layout_of_the_reference_library() {
    let text = String::from_utf8(packet(StatusCode::Refused).to_xml()).expect("UTF-8");
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
                <edXML xmlns=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\">\r\n  \
                <edXML:edXMLEnvelope xmlns:edXML=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\">\r\n    \
                <edXML:edXMLHeader>\r\n      <edXML:MessageHeader>\r\n        <edXML:From>\r\n          \
                <edXML:OrganId>H55.16</edXML:OrganId>\r\n";
    assert!(text.starts_with(head), "{text}");
    assert!(text.ends_with("    </edXML:edXMLHeader>\r\n  </edXML:edXMLEnvelope>\r\n</edXML>\r\n"), "{text}");
    assert!(text.contains("        <edXML:StatusCode>02</edXML:StatusCode>\r\n"), "{text}");
    assert!(!text.contains("OrganName"), "what is empty is left out");
}
