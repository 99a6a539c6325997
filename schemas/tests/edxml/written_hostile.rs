//! Packets that somebody means ill with, or fills in without measure: what may be written can be read.

use lienthong_schemas::edxml::{
    BusinessType, DocumentPacket, PacketAttachment, PacketHop, PacketReceiverChange, PacketReplaced,
    PacketStaff, WriteFault,
};

use super::packets::{full, write};
use super::read;

type Change = fn(&mut DocumentPacket, &mut Vec<Vec<u8>>);

/// A packet out of measure in one place.
const BEYOND: &[(&str, Change)] = &[
    ("a long text", |p, _| p.subject = "a".repeat((64 << 10) + 1)),
    ("a long text of letters", |p, _| p.subject = "ệ".repeat((64 << 10) / 3 + 1)),
    ("a long text of markup", |p, _| p.subject = "<".repeat(64 << 10)),
    ("a long attribute", |p, _| p.trace_list.id = "a".repeat((64 << 10) + 1)),
    ("a long attribute of markup", |p, _| p.trace_list.actor = "<\"&".repeat(20 << 10)),
    ("a long name", |p, _| p.attachments[0].name = format!("{}.pdf", "a".repeat(64 << 10))),
    ("a long type", |p, _| p.attachments[0].content_type = "a".repeat((64 << 10) + 1)),
    ("a long id", |p, _| {
        p.attachments[0].content_id = "a".repeat(64 << 10);
        p.manifest.clear();
    }),
    ("receivers", |p, _| {
        let one = p.to[0].clone();
        p.to = (0..=5000)
            .map(|n| lienthong_schemas::edxml::PacketOrgan { organ_id: format!("X{n}"), ..one.clone() })
            .collect();
    }),
    ("attachments", |p, files| {
        *files = vec![b"x".to_vec(); 1001];
        p.manifest.clear();
        let one = |n| PacketAttachment { name: format!("{n}.txt"), ..PacketAttachment::default() };
        p.attachments = (0..1001).map(one).collect();
    }),
    ("all texts together", |p, _| p.appendixes = vec!["a".repeat(60 << 10); 150]),
    ("appendixes", |p, _| p.appendixes = vec!["a".to_owned(); 20_000]),
    ("tasks", |p, _| p.task_codes = vec!["a".to_owned(); 20_000]),
    ("places", |p, _| p.to_places = vec!["a".to_owned(); 20_000]),
    ("answers", |p, _| p.response_for = vec![p.response_for[0].clone(); 20_000]),
    ("hops", |p, _| {
        p.trace = vec![PacketHop { organ_id: "H1".into(), timestamp: "2026/01/02 07:08:09".into() }; 20_000];
    }),
    ("staff", |p, _| {
        let staff = PacketStaff { name: "a".into(), ..PacketStaff::default() };
        p.business.as_mut().expect("one").staff = vec![staff; 20_000];
    }),
    ("changed receivers", |p, _| {
        let changes = p.business.as_mut().expect("one").changes.get_or_insert_default();
        changes.receiver_changes =
            vec![PacketReceiverChange { organ_id: "H1".into(), receiver_type: "1".into() }; 20_000];
    }),
    ("replaced documents", |p, _| {
        let one = |n| PacketReplaced { document_id: format!("{n}"), organ_ids: vec!["H1".into()] };
        p.business.as_mut().expect("one").replaced = (0..20_000).map(one).collect();
    }),
    ("receivers of a replacement", |p, _| {
        let one = PacketReplaced {
            document_id: "1".into(),
            organ_ids: (0..20_000).map(|n| format!("H{n}")).collect(),
        };
        p.business.as_mut().expect("one").replaced = vec![one];
    }),
];

#[test]
fn what_is_beyond_measure_is_refused_by_the_writer_or_read_by_the_reader() {
    let mut wrong = Vec::new();
    for (name, change) in BEYOND {
        let (mut packet, mut files) = full(BusinessType::New);
        change(&mut packet, &mut files);
        match write(&packet, &files) {
            Err(WriteFault::Flawed(flaws)) => assert!(!flaws.is_empty()),
            Err(fault) => wrong.push(format!("{name}: {fault}")),
            Ok(bytes) => {
                if let Err(rejection) = read(&bytes) {
                    wrong.push(format!("{name}: written, and not read: {rejection}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
