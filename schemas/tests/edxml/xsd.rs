//! The schema of `schemas/xsd` takes what we write, and nothing that has one thing broken. Judged by libxml2.

use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;
use lienthong_schemas::edxml::{
    BusinessType, PacketStaff, StatusCode, StatusContact, StatusPacket, StatusSender, StatusSubject,
};
use lienthong_schemas::organ::OrganId;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::packets::{any_packet, full, write};
use super::{built, corpus, letter};

/// Any packets tried: enough that every optional field is there and is not.
const ANY_PACKETS: usize = 300;

/// Which packets the schema takes, or `None` without the program.
fn taken(packets: &[Vec<u8>]) -> Option<Vec<bool>> {
    let folder = tempfile::tempdir().expect("a folder");
    let schema = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("xsd/edxml.xsd");
    let mut command = Command::new("xmllint");
    command.current_dir(folder.path()).args(["--noout", "--nonet", "--schema"]).arg(schema);
    for (n, packet) in packets.iter().enumerate() {
        let name = format!("{n}.edxml");
        std::fs::write(folder.path().join(Path::new(&name)), packet).expect("written");
        command.arg(name);
    }
    let output = match command.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("SKIPPED: xmllint absent");
            return None;
        }
        output => output.expect("xmllint runs"),
    };
    let said = String::from_utf8_lossy(&output.stderr);
    let judged = (0..packets.len()).map(|n| {
        let says = |what: &str| said.lines().any(|line| line == format!("{n}.edxml {what}"));
        let unread = said
            .lines()
            .any(|line| line.starts_with(&format!("{n}.edxml:")) && line.contains("parser error"));
        let (takes, refuses) = (says("validates"), says("fails to validate") || unread);
        assert!(takes != refuses, "packet {n} of {}: {said}", packets.len());
        takes
    });
    Some(judged.collect())
}

fn assert_taken(packets: &[(String, Vec<u8>)]) {
    let bytes: Vec<_> = packets.iter().map(|(_, bytes)| bytes.clone()).collect();
    let Some(taken) = taken(&bytes) else { return };
    for ((name, bytes), taken) in packets.iter().zip(taken) {
        assert!(taken, "{name}:\n{}", String::from_utf8_lossy(bytes));
    }
}

/// The schema must refuse these.
fn assert_refused(packets: Vec<(String, String)>) {
    assert!(!packets.is_empty());
    let (names, bytes): (Vec<_>, Vec<_>) =
        packets.into_iter().map(|(name, packet)| (name, packet.into_bytes())).unzip();
    let Some(taken) = taken(&bytes) else { return };
    let wrongly: Vec<_> = names.iter().zip(taken).filter(|(_, taken)| *taken).map(|(name, _)| name).collect();
    assert!(wrongly.is_empty(), "taken: {wrongly:#?}");
}

fn full_text(kind: BusinessType) -> String {
    let (packet, files) = full(kind);
    String::from_utf8(write(&packet, &files).expect("a packet")).expect("UTF-8")
}

fn status(code: StatusCode, said: bool) -> Vec<u8> {
    let text = |text: &str| if said { text.to_owned() } else { String::new() };
    let organ = |text| OrganId::parse(text).expect("a code");
    let contact = StatusContact {
        address: text("Số 17 <&>"),
        email: text("a@example.vn"),
        telephone: text("0208"),
        fax: text("0209"),
        website: text("example.vn"),
    };
    let staff =
        PacketStaff { name: text("Người Liên Hệ"), mobile: text("0912"), ..PacketStaff::default() };
    let packet = StatusPacket {
        from: StatusSender {
            organ_id: organ("H55.16"),
            organization_in_charge: text("UBND tỉnh ]]>"),
            organ_name: text("Sở \u{202e}\r\n\"x\""),
            contact,
        },
        response_for: StatusSubject {
            organ_id: organ("000.00.15.H55"),
            code: text("12/STN-VP"),
            document_id: "H55.15,2026/01/02,12/STN-VP".to_owned(),
            promulgation_date: text("2026/01/02"),
        },
        staff: said.then_some(staff),
        code,
        description: text("vì \u{0} <lý do>"),
        timestamp: Timestamp::from_second(1_790_000_000).expect("a time"),
    };
    packet.to_xml()
}

#[test]
fn the_schema_takes_what_we_write() {
    let mut packets = vec![("a letter of the builder".to_owned(), built(letter()))];
    for kind in BusinessType::ALL {
        packets.push((format!("{kind:?}"), full_text(kind).into_bytes()));
    }
    for (code, said) in StatusCode::ALL.iter().flat_map(|code| [(*code, true), (*code, false)]) {
        packets.push((format!("status {code} {said}"), status(code, said)));
    }
    // Always the same packets: a packet that fails here fails again.
    let mut runner = TestRunner::deterministic();
    for n in 0..ANY_PACKETS {
        let (packet, files) = any_packet().new_tree(&mut runner).expect("a packet").current();
        packets.push((format!("any {n}"), write(&packet, &files).expect("a packet")));
    }
    assert_taken(&packets);
}

#[test]
fn the_schema_takes_what_the_reference_library_wrote() {
    let Some(packets) = corpus::corpus() else { return };
    let theirs = [
        "edoc-two-attachments-zipped-txt",
        "received-from-axis-2025-pdf-type-but-zip",
        "refjar-built-pdf-txt-xlsx",
        "status-01-reference-jar-order",
    ];
    let (theirs, others): (Vec<_>, Vec<_>) =
        packets.into_iter().partition(|p| theirs.contains(&p.0.as_str()));
    assert_eq!(theirs.len(), 4);
    assert_taken(&theirs);
    let others = others.into_iter().map(|(name, bytes)| (name, String::from_utf8(bytes).expect("UTF-8")));
    assert_refused(others.collect());
}

/// The lines of the envelope that are one element with text: indentation, name, text, where the line stands.
fn leaves(packet: &str) -> Vec<(usize, String, String, std::ops::Range<usize>)> {
    let mut leaves = Vec::new();
    let mut at = 0;
    for line in packet.split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        if let Some((name, rest)) = line.trim_start().strip_prefix("<edXML:").and_then(|l| l.split_once('>'))
            && let Some((text, _)) = rest.split_once(&format!("</edXML:{name}>"))
        {
            leaves.push((indent, name.to_owned(), text.to_owned(), at..at + line.len()));
        }
        at += line.len();
    }
    leaves
}

fn replaced(packet: &str, range: std::ops::Range<usize>, with: &str) -> String {
    format!("{}{with}{}", &packet[..range.start], &packet[range.end..])
}

/// Elements that may stand several times in their parent.
const MANY: [&str; 4] = ["Appendix", "TaskCode", "Place", "OrganId"];
/// Elements that a `ResponseFor` may hold empty.
const MAY_BE_EMPTY: [&str; 3] = ["Code", "DocumentId", "PromulgationDate"];

#[test]
fn the_schema_refuses_every_element_out_of_its_place() {
    let mut broken = Vec::new();
    for kind in BusinessType::ALL {
        let packet = full_text(kind);
        let leaves = leaves(&packet);
        assert!(leaves.len() > 70, "{}", leaves.len());
        for (n, (indent, name, text, range)) in leaves.iter().enumerate() {
            let line = &packet[range.clone()];
            let parent = packet[..range.start].rsplit_once("<edXML:").map_or("", |(_, last)| last);
            let listed = MANY.contains(&name.as_str()) && !text.contains("Thái Nguyên");
            if !listed || (name == "OrganId" && !parent.starts_with("OrganId")) {
                broken.push((
                    format!("{kind:?} {name} twice"),
                    replaced(&packet, range.start..range.start, line),
                ));
            }
            let in_response = packet[..range.start]
                .rfind("<edXML:ResponseFor>")
                .is_some_and(|open| !packet[open..range.start].contains("</edXML:ResponseFor>"));
            if !(in_response && MAY_BE_EMPTY.contains(&name.as_str())) {
                let empty = format!("{:indent$}<edXML:{name}></edXML:{name}>\r\n", "");
                broken.push((format!("{kind:?} {name} empty"), replaced(&packet, range.clone(), &empty)));
                let element = line.replacen('>', "><edXML:x/>", 1);
                broken.push((
                    format!("{kind:?} {name} with an element"),
                    replaced(&packet, range.clone(), &element),
                ));
            }
            let foreign =
                line.replace("edXML:", "x:").replacen(name, &format!("{name} xmlns:x=\"urn:x\""), 1);
            broken.push((
                format!("{kind:?} {name} of another namespace"),
                replaced(&packet, range.clone(), &foreign),
            ));
            let attribute = line.replacen(name, &format!("{name} x=\"1\""), 1);
            broken.push((
                format!("{kind:?} {name} with an attribute"),
                replaced(&packet, range.clone(), &attribute),
            ));
            if let Some((_, next, _, after)) =
                leaves.get(n + 1).filter(|l| l.3.start == range.end && l.1 != *name)
            {
                let swapped = format!("{}{line}", &packet[after.clone()]);
                broken.push((
                    format!("{kind:?} {next} before {name}"),
                    replaced(&packet, range.start..after.end, &swapped),
                ));
            }
        }
    }
    assert_refused(broken);
}

#[test]
fn the_schema_refuses_a_packet_without_what_it_must_have() {
    let mandatory: [(BusinessType, &[&str]); 2] = [
        (
            BusinessType::Update,
            &[
                "OrganId",
                "DocumentId",
                "CodeNumber",
                "CodeNotation",
                "PromulgationDate",
                "Type",
                "TypeName",
                "Subject",
                "FullName",
                "Priority",
                "Timestamp",
                "BussinessDocType",
                "DocumentInfo",
                "DocumentReceiver",
                "ReceiverType",
                "ContentId",
                "ContentType",
                "AttachmentName",
            ],
        ),
        (BusinessType::Replace, &["DocumentId"]),
    ];
    let mut broken = Vec::new();
    for (kind, names) in mandatory {
        let packet = full_text(kind);
        let leaves = leaves(&packet);
        for name in names {
            // The last DocumentId of a replacement, the first of all others.
            let mut found = leaves.iter().filter(|leaf| leaf.1 == *name);
            let leaf = if kind == BusinessType::Replace { found.next_back() } else { found.next() };
            let (_, _, _, range) = leaf.expect("the element is there");
            broken.push((format!("no {name}"), replaced(&packet, range.clone(), "")));
        }
    }
    let answer = String::from_utf8(status(StatusCode::Refused, true)).expect("UTF-8");
    for (_, name, _, range) in
        leaves(&answer).iter().filter(|l| ["StatusCode", "Timestamp"].contains(&l.1.as_str()))
    {
        broken.push((format!("no {name}"), replaced(&answer, range.clone(), "")));
    }
    for (packet, element) in [
        (
            &full_text(BusinessType::New),
            &[
                "From",
                "To",
                "Code",
                "PromulgationInfo",
                "DocumentType",
                "SignerInfo",
                "OtherInfo",
                "edXMLBody",
            ][..],
        ),
        (&answer, &["From", "ResponseFor", "MessageHeader"]),
    ] {
        for name in element {
            let start = packet.find(&format!("<edXML:{name}>")).expect("the element is there");
            let last = packet.rfind(&format!("</edXML:{name}>")).expect("its end");
            let end = last + format!("</edXML:{name}>").len();
            broken.push((format!("no {name}"), replaced(packet, start..end, "")));
        }
    }
    assert_refused(broken);
}

#[test]
fn the_schema_refuses_values_that_no_list_and_no_calendar_has() {
    let dates = [
        "2023/02/29",
        "2026/04/31",
        "2026/13/01",
        "2026/00/10",
        "2026-01-02",
        "02/01/2026",
        "2026/1/2",
        " 2026/01/02",
        "2026/01/02 00:00:00",
    ];
    let times = [
        "2026/01/02",
        "2026/01/02 24:00:00",
        "2026/01/02 07:60:00",
        "2026/02/30 07:08:09",
        "2026-01-02 07:08:09",
        "2026/01/02T07:08:09",
    ];
    let numbers = ["-1", "1.5", "x", "1234567890", " 1"];
    let lists: &[(&str, &[&str])] = &[
        ("PromulgationDate", &dates),
        ("DueDate", &dates),
        ("Timestamp", &times),
        ("Type", &numbers),
        ("TypeDetail", &numbers),
        ("SteeringType", &numbers),
        ("PromulgationAmount", &numbers),
        ("PageAmount", &numbers),
        ("Priority", &["5", "-1", "01", "khẩn"]),
        ("Direction", &["True", "0", "yes"]),
        ("BussinessDocType", &["4", "44", "00"]),
        ("Paper", &["2", "true"]),
        ("DocumentInfo", &["2"]),
        ("DocumentReceiver", &["2"]),
        ("ReceiverType", &["2"]),
        ("OrganId", &["H55 15", "H55/15", "Sở", "H55.15 "]),
        ("ContentId", &["cv", "cid:", "cid: "]),
    ];
    let packet = full_text(BusinessType::Update);
    let mut broken = Vec::new();
    for (name, values) in lists {
        let leaves = leaves(&packet);
        let (_, _, _, range) = leaves.iter().find(|leaf| leaf.1 == *name).expect("the element is there");
        for value in *values {
            let line = format!("<edXML:{name}>{value}</edXML:{name}>");
            broken.push((format!("{name} {value}"), replaced(&packet, range.clone(), &line)));
        }
    }
    let answer = String::from_utf8(status(StatusCode::Refused, true)).expect("UTF-8");
    for code in ["1", "00", "07", "12", "14", "17", "2 ", "١٣"] {
        broken.push((format!("status {code}"), answer.replace(">02<", &format!(">{code}<"))));
    }
    assert_refused(broken);
}

#[test]
fn the_schema_refuses_what_does_not_fit_together() {
    let packet = full_text(BusinessType::New);
    let with = |old: &str, new: &str| {
        assert!(packet.contains(old), "{old}");
        packet.replacen(old, new, 1)
    };
    let header_end = "</edXML:edXMLHeader>";
    let broken = [
        ("a receiver twice", with("<edXML:OrganId>G22<", "<edXML:OrganId>H55.16<")),
        ("an attachment that is not listed", with("<ContentId>cid:pl<", "<ContentId>cid:x<")),
        ("two references to one attachment", with("<edXML:ContentId>cid:pl<", "<edXML:ContentId>cid:cv<")),
        (
            "no attachments",
            packet.split("  <AttachmentEncoded>").next().expect("the envelope").to_owned() + "</edXML>",
        ),
        ("base64 that is none", with("\">JVBE", "\">*JVBE")),
        ("another root", packet.replace("<edXML xmlns", "<EdXML xmlns").replace("</edXML>", "</EdXML>")),
        ("another namespace", packet.replace("TBT/QCVN_102_2016", "TBT/QCVN_102_2022")),
        (
            "another manifest",
            with(
                "version=\"1.0\">\r\n        <edXML:Reference",
                "version=\"2.0\">\r\n        <edXML:Reference",
            ),
        ),
        ("another attribute of XLink", with("xlink:role", "xlink:title")),
        ("a DigitalSignature", with(header_end, &format!("<edXML:DigitalSignature/>{header_end}"))),
        ("a Signature in our namespace", with(header_end, &format!("<edXML:Signature/>{header_end}"))),
        ("an element in between", with("<edXML:TraceHeaderList ", "<edXML:More/><edXML:TraceHeaderList ")),
        ("something behind the attachments", with("</edXML>", "<more/></edXML>")),
        ("text between elements", with("<edXML:Code>", "and<edXML:Code>")),
        (
            "a status beside a document",
            with("<edXML:SteeringType>", "<edXML:StatusCode>01</edXML:StatusCode><edXML:SteeringType>"),
        ),
    ];
    assert_refused(broken.into_iter().map(|(name, packet)| (name.to_owned(), packet)).collect());
    let signature = "<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><SignedInfo/></Signature>";
    let signed = with(header_end, &format!("{signature}{header_end}"));
    assert_taken(&[("signed".to_owned(), signed.into_bytes())]);
}
