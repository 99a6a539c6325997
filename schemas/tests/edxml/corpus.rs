//! Packets of real and reference producers, kept beside the project and not in it.

use std::path::PathBuf;

use lienthong_schemas::edxml::{
    BusinessType, FileKind, PacketKind, Remark, SignaturePolicy, StatusCode, vouch,
};
use xml_sig::Verdict;

use super::corpus_told::TOLD;
use super::{read, read_in_pieces};

pub(crate) fn corpus() -> Option<Vec<(String, Vec<u8>)>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/edxml");
    let Ok(entries) = std::fs::read_dir(folder) else {
        println!("SKIPPED: corpus absent");
        return None;
    };
    let mut packets = Vec::new();
    for entry in entries {
        let path = entry.expect("a folder entry").path();
        if path.extension().is_some_and(|e| e == "edxml") {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            packets.push((name, std::fs::read(path).expect("a readable packet")));
        }
    }
    Some(packets)
}

/// Name, kind, receivers, attachments.
const EXPECTED: &[(&str, &str, usize, usize)] = &[
    ("edoc-new", "document:0", 1, 1),
    ("edoc-replacement", "document:3", 3, 1),
    ("edoc-revocation", "document:1", 3, 1),
    ("edoc-update", "document:2", 3, 1),
    ("edoc-two-attachments-zipped-txt", "document:0", 1, 2),
    ("edoc-vendor-template-illformed-ns", "document:0", 1, 1),
    ("received-from-axis-2025-pdf-type-but-zip", "document:0", 1, 1),
    ("refjar-built-pdf-txt-xlsx", "document:0", 1, 3),
    ("sent-to-axis-2019-original", "document:0", 1, 1),
    ("status-01-inbox", "status", 0, 0),
    ("status-01-reference-jar-order", "status", 0, 0),
    ("status-02-rejection", "status", 0, 0),
    ("status-03-acceptance", "status", 0, 0),
    ("status-04-assignment", "status", 0, 0),
    ("status-06-finish", "status", 0, 0),
    ("status-13-cancellation", "status", 0, 0),
    ("status-15-change-acceptance", "status", 0, 0),
    ("synthetic-dotnet-style", "document:0", 1, 1),
];

#[test]
fn every_packet_of_the_corpus_is_read() {
    let Some(packets) = corpus() else { return };
    let mut known = 0;
    for (name, bytes) in packets {
        if name == "edoc-new-leading-garbage" {
            let rejection = read(&bytes).expect_err("four bytes before the declaration");
            assert_eq!(rejection.code.row().name, "XML_MALFORMED", "{name}: {rejection}");
            continue;
        }
        let (envelope, repaired) = read(&bytes).unwrap_or_else(|r| panic!("{name}: {r}"));
        let template = ["edoc-vendor-template-illformed-ns", "sent-to-axis-2019-original"];
        assert_eq!(repaired, template.contains(&name.as_str()), "{name}");
        let Some((_, kind, receivers, attachments)) = EXPECTED.iter().find(|e| e.0 == name) else {
            println!("no expectation for {name}");
            continue;
        };
        known += 1;
        let content = envelope.claimed_content();
        assert_eq!(content.kind.id_text(), *kind, "{name}");
        assert_eq!(content.to.len(), *receivers, "{name}");
        assert_eq!(content.attachments.len(), *attachments, "{name}");
    }
    assert_eq!(known, EXPECTED.len());
}

/// As an axis' packets are taken: unsigned, whatever they carry.
#[test]
fn all_that_is_odd_about_each_packet_of_the_corpus_is_told_and_nothing_else() {
    let Some(packets) = corpus() else { return };
    for (name, told) in TOLD {
        let (_, bytes) = packets.iter().find(|p| p.0 == *name).unwrap_or_else(|| panic!("no {name}"));
        let (envelope, repaired) = read(bytes).unwrap_or_else(|r| panic!("{name}: {r}"));
        let accepted =
            vouch(envelope, Verdict::Absent, SignaturePolicy::RecordOnly, repaired).expect("unsigned");
        let remark =
            |r: &Remark| format!("{} {} {}", r.finding.severity().as_str(), r.finding.code(), r.field);
        let found: Vec<String> = accepted.findings().remarks().iter().map(remark).collect();
        assert_eq!(found, *told, "{name}");
    }
    let unread = packets.iter().filter(|p| !TOLD.iter().any(|(name, _)| *name == p.0));
    let unread: Vec<&str> = unread.map(|p| p.0.as_str()).collect();
    assert_eq!(unread, ["edoc-new-leading-garbage"], "every packet has its list");
}

#[test]
fn the_fields_of_the_corpus_are_those_of_its_producers() {
    let Some(packets) = corpus() else { return };
    let envelope = |name: &str| {
        let (_, bytes) = packets.iter().find(|p| p.0 == name).expect("a packet of the corpus");
        read(bytes).expect("a readable packet").0
    };

    let update = envelope("edoc-update");
    let content = update.claimed_content();
    let business = content.business.as_ref().expect("business data");
    assert_eq!(business.kind, BusinessType::Update);
    assert_eq!(business.document_id.as_deref(), Some("000.00.00.G22,2014/02/30,7806/VPCP-TTĐT"));
    assert!(business.document_changed && business.receivers_changed);
    let changes: Vec<_> =
        business.receiver_changes.iter().map(|c| (c.organ_text.as_str(), c.receiver_type.as_str())).collect();
    assert_eq!(changes, [("000.00.00.H41", "0"), ("000.00.00.H14", "1")]);
    assert_eq!(content.document_id.as_deref(), Some("000.00.00.G22,2015/09/30,7816/VPCP-TTĐT"));

    let replacement = envelope("edoc-replacement");
    let replaced = &replacement.claimed_content().business.as_ref().expect("business data").replaced;
    assert_eq!(replaced.len(), 1, "the same ReplacementInfo stands twice");
    assert_eq!(replaced[0].organ_ids, ["000.00.00.H41", "000.00.00.H14"]);

    let dotnet = envelope("synthetic-dotnet-style");
    let content = dotnet.claimed_content();
    let list = &content.trace_list;
    let attributes = [&list.id, &list.version, &list.must_understand, &list.actor].map(String::as_str);
    assert_eq!(attributes, ["0a1b2c3d", "1.0", "1", "http://schemas.xmlsoap.org/soap/actor/next"]);
    let reference = &content.manifest[0];
    assert_eq!(reference.href, "cid:11111111-1111-4111-8111-111111111111");
    assert_eq!((reference.role.as_str(), reference.link_type.as_str()), ("XLinkRole", "simple"));
    assert_eq!((content.manifest_version.as_str(), content.attachments[0].reference), ("1.0", Some(0)));

    let axis = envelope("received-from-axis-2025-pdf-type-but-zip");
    let trace: Vec<_> = axis.claimed_content().trace.iter().map(|t| t.organ_text.as_str()).collect();
    assert_eq!(trace, ["null", ""]);

    let jar = envelope("refjar-built-pdf-txt-xlsx");
    let content = jar.claimed_content();
    assert_eq!(content.subject, "Thử <&> \"nghiệm\"");
    let ids: Vec<_> = content.attachments.iter().map(|a| a.content_id.as_str()).collect();
    assert_eq!(ids[..2], ["id-1", "8711665c-c5bb-446e-ba91-e9b8ed4575b1"]);
    assert_eq!(content.attachments[0].packed.bytes, b"%PDF-1.4 demo".len() as u64);
    assert_eq!(content.attachments[2].packed.kind, FileKind::Zip);
}

#[test]
fn the_status_packets_of_the_corpus_say_their_codes() {
    let Some(packets) = corpus() else { return };
    let mut seen = 0;
    for (name, bytes) in packets.iter().filter(|p| p.0.starts_with("status-")) {
        let (envelope, _) = read(bytes).unwrap_or_else(|r| panic!("{name}: {r}"));
        let content = envelope.claimed_content();
        assert_eq!(content.kind, PacketKind::Status);
        let status = content.status.as_ref().expect("a status");
        assert_eq!(StatusCode::parse(&name["status-".len()..][..2]), Some(status.code), "{name}");
        assert!(status.timestamp.parsed.is_some() && !status.description.is_empty(), "{name}");
        assert_eq!(content.response_for[0].code, "7816/VPCP-TTĐT", "{name}");
        seen += 1;
    }
    assert!(seen >= 8, "{seen}");
}

#[test]
fn the_pieces_in_which_a_packet_comes_do_not_matter() {
    let Some(packets) = corpus() else { return };
    for (name, bytes) in packets.iter().filter(|p| p.1.len() < 20_000) {
        let told = |piece| match read_in_pieces(bytes, piece) {
            Ok((envelope, repaired)) => format!("{repaired} {:?}", envelope.claimed_content()),
            Err(rejection) => rejection.to_string(),
        };
        let whole = told(1 << 20);
        for piece in [1, 2, 3, 7, 61, 4096] {
            assert_eq!(told(piece), whole, "{name} in pieces of {piece}");
        }
    }
}
