//! Claims that are read before the end of a packet: as far as its Signature, and no other than those of the whole.

use lienthong_schemas::edxml::{
    BusinessType, DocumentBuilder, EdxmlLimits, Envelope, EnvelopeReader, PLACES, PacketKind, ReadMode,
};
use xml_sig::{Limits, Reach, ReadOptions, locate};

use super::{built, letter};

const SIGNATURE: &str = "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"/>";

/// A reader that saw the packet as far as its Signature.
fn read_to_signature(packet: &[u8], mode: ReadMode) -> EnvelopeReader<'static> {
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let mut reader = EnvelopeReader::new(mode, &EdxmlLimits::default());
    locate(&mut &packet[..], &options, &PLACES, Reach::Signature, &mut reader)
        .expect("as far as it was read");
    reader
}

fn claims(packet: &[u8]) -> Option<Envelope> {
    let reader = read_to_signature(packet, ReadMode::Claims);
    let enough = reader.has_claims();
    let claims = reader.finish();
    assert_eq!(claims.is_ok(), enough, "what is not enough is not given out");
    claims.ok()
}

fn with_signature(builder: DocumentBuilder, before: &str) -> Vec<u8> {
    built(builder.with_raw(before, &format!("{SIGNATURE}{before}")))
}

const END_OF_HEADER: &str = "</edXML:edXMLHeader>";

#[test]
fn sender_and_kind_are_known_at_the_signature_of_a_header_with_its_trace() {
    let kinds = BusinessType::ALL.map(|kind| (letter().business(kind, "x", "y"), PacketKind::Document(kind)));
    let traced = (letter().trace("H55.15", "2026/01/02 03:04:05"), PacketKind::Document(BusinessType::New));
    for (builder, kind) in kinds.into_iter().chain([traced]) {
        let claims =
            claims(&with_signature(builder, END_OF_HEADER)).expect("a MessageHeader and a TraceHeaderList");
        assert_eq!((claims.claimed_sender().as_str(), claims.claimed_kind()), ("H55.15", kind));
        assert!(claims.claimed_content().attachments.is_empty());
    }
}

#[test]
fn without_its_trace_a_header_has_not_said_its_kind() {
    let business = || letter().business(BusinessType::Revoke, "x", "y");
    assert!(claims(&with_signature(letter(), END_OF_HEADER)).is_none(), "one may follow");
    assert!(claims(&with_signature(business(), "<edXML:TraceHeaderList>")).is_none(), "one follows");
    // Many producers write empty elements for absent ones: this is no status yet.
    let blank = business().with_raw("</edXML:MessageHeader>", "<edXML:StatusCode/></edXML:MessageHeader>");
    assert!(claims(&with_signature(blank, "<edXML:TraceHeaderList>")).is_none());
}

#[test]
fn without_its_message_a_header_has_said_nothing() {
    let traced = || letter().trace("H55.15", "2026/01/02 03:04:05");
    for before in ["<edXML:MessageHeader>", "<edXML:edXMLEnvelope"] {
        assert!(claims(&with_signature(traced(), before)).is_none(), "{before}");
    }
}

#[test]
fn only_who_asks_for_claims_gets_them_early() {
    let packet = with_signature(letter().trace("H55.15", "2026/01/02 03:04:05"), END_OF_HEADER);
    assert!(claims(&packet).is_some());
    let reader = read_to_signature(&packet, ReadMode::Full);
    assert!(!reader.has_claims());
    assert_eq!(reader.finish().expect_err("half a packet").code.row().name, "XML_MALFORMED");
}

#[test]
fn what_follows_the_signature_cannot_make_another_packet_of_it() {
    let status = |more: &str| {
        format!(
            "<edXML xmlns=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\"><edXMLEnvelope><edXMLHeader><MessageHeader>\
             <From><OrganId>H55.15</OrganId></From><ResponseFor><OrganId>H55.16</OrganId><DocumentId>y</DocumentId>\
             </ResponseFor><StatusCode>03</StatusCode></MessageHeader>{SIGNATURE}{more}</edXMLHeader></edXMLEnvelope></edXML>"
        )
    };
    let whole = |packet: &str| {
        let read = super::read(packet.as_bytes()).map(|(envelope, _)| envelope.claimed_kind());
        read.map_err(|rejection| rejection.code.row().name)
    };
    assert_eq!(claims(status("").as_bytes()).map(|c| c.claimed_kind()), Some(PacketKind::Status));
    assert_eq!(whole(&status("")), Ok(PacketKind::Status));
    for (more, refusal) in [
        (
            "<TraceHeaderList><Bussiness><BussinessDocType>0</BussinessDocType></Bussiness></TraceHeaderList>",
            "KIND_UNCLEAR",
        ),
        ("<MessageHeader/>", "FIELD_REPEATED"),
        ("<Status/>", "FIELD_REPEATED"),
        ("</edXMLHeader><edXMLHeader>", "FIELD_REPEATED"),
    ] {
        let packet = status(more);
        let early = claims(packet.as_bytes()).map(|c| (c.claimed_sender().to_string(), c.claimed_kind()));
        assert_eq!(early, Some(("H55.15".to_owned(), PacketKind::Status)));
        assert_eq!(whole(&packet), Err(refusal), "{more}");
    }
}
