//! What we write is what we read back: document packets of ours, those of the corpus written anew, any there can be.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Cursor};

use lienthong_schemas::edxml::{
    Attachment, AttachmentSink, BusinessType, Content, DocumentPacket, EdxmlLimits, Envelope, Packing,
    Reference, WriteFault, read_envelope_keeping,
};
use proptest::prelude::*;

use super::packets::{any_packet, full, write};
use super::{codes, corpus, read};

/// Keeps every layer of every attachment.
#[derive(Default)]
struct Files(BTreeMap<(usize, u8), Vec<u8>>);

impl AttachmentSink for Files {
    fn take(&mut self, attachment: usize, layer: u8, bytes: &[u8]) -> io::Result<()> {
        self.0.entry((attachment, layer)).or_default().extend_from_slice(bytes);
        Ok(())
    }

    fn end(&mut self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        self.0.clear();
        Ok(())
    }
}

/// Reads a packet, and the files that receivers open.
fn read_files(packet: &[u8]) -> (Envelope, Vec<Vec<u8>>) {
    let mut kept = Files::default();
    let mut open = || -> io::Result<Box<dyn BufRead>> { Ok(Box::new(Cursor::new(packet.to_vec()))) };
    let read = read_envelope_keeping(&mut open, &EdxmlLimits::default(), &mut kept);
    let (envelope, _) = read.unwrap_or_else(|fault| panic!("{fault}"));
    let attachments = &envelope.claimed_content().attachments;
    let file =
        |(n, attachment): (usize, &Attachment)| kept.0.remove(&(n, attachment.layer())).unwrap_or_default();
    let files = attachments.iter().enumerate().map(file).collect();
    (envelope, files)
}

/// Everything that two packets say, but for the way their attachments are packed and typed.
fn assert_same(name: &str, one: &Content, other: &Content) {
    macro_rules! same {
        ($($field:ident),*) => {
            let Content { $($field: _,)* kind: _, manifest: _, attachments: _, unknown: _, findings: _, .. } = one;
            $(assert_eq!(one.$field, other.$field, "{name}: {}", stringify!($field));)*
        };
    }
    assert_eq!(one.kind, other.kind, "{name}");
    same!(
        from,
        to,
        document_id,
        code_number,
        code_notation,
        promulgation_place,
        promulgation_date,
        document_type,
        document_type_detail,
        document_type_name,
        subject,
        content_summary,
        signer,
        due_date,
        priority,
        to_places,
        sphere,
        typer_notation,
        promulgation_amount,
        page_amount,
        reply_fors,
        reference_codes,
        direction,
        appendixes,
        steering_type,
        task_codes,
        application_type,
        response_for,
        business,
        trace_list,
        trace,
        status,
        manifest_version
    );
    let listed = |content: &Content| -> Vec<_> {
        let parts = |r: &Reference| {
            [&r.content_id, &r.name, &r.description, &r.href, &r.role, &r.link_type].map(String::clone)
        };
        content.manifest.iter().map(parts).collect()
    };
    assert_eq!(listed(one), listed(other), "{name}: manifest");
    let attached = |content: &Content| -> Vec<_> {
        let texts = |a: &Attachment| {
            [&a.name, &a.content_id, &a.description, &a.field_name, &a.mime_type, &a.format]
                .map(String::clone)
        };
        content.attachments.iter().map(|a| (texts(a), a.file.clone(), a.reference)).collect()
    };
    assert_eq!(attached(one), attached(other), "{name}: attachments");
}

#[test]
fn every_document_of_the_corpus_is_written_anew_and_read_the_same() {
    let Some(packets) = corpus::corpus() else { return };
    let mut documents = 0;
    for (name, bytes) in packets.iter().filter(|p| !p.0.starts_with("status-") && !p.0.contains("garbage")) {
        let (envelope, files) = read_files(bytes);
        let packet = DocumentPacket::from_content(envelope.claimed_content()).expect("a document");
        let written = write(&packet, &files).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let (again, files_again) = read_files(&written);
        assert_same(name, envelope.claimed_content(), again.claimed_content());
        assert_eq!(files, files_again, "{name}");
        for attachment in &again.claimed_content().attachments {
            assert_eq!(attachment.packing, Packing::Bare, "{name}");
            assert_ne!(attachment.content_type, "application/zip", "{name}: {}", attachment.name);
        }
        let once_more = DocumentPacket::from_content(again.claimed_content()).expect("a document");
        assert_eq!(
            write(&once_more, &files_again).expect("the same"),
            written,
            "{name}: the same bytes from then on"
        );
        documents += 1;
    }
    assert!(documents >= 9, "{documents}");
}

#[test]
fn the_reference_librarys_packet_is_written_as_it_stands_but_for_its_zips() {
    let Some(packets) = corpus::corpus() else { return };
    let (_, theirs) =
        packets.iter().find(|p| p.0 == "refjar-built-pdf-txt-xlsx").expect("a packet of the corpus");
    let (envelope, files) = read_files(theirs);
    let packet = DocumentPacket::from_content(envelope.claimed_content()).expect("a document");
    let ours = write(&packet, &files).expect("a packet");
    let [theirs, ours] = [theirs, &ours].map(|bytes| String::from_utf8(bytes.clone()).expect("UTF-8"));
    let plain = |text: &str| -> Vec<String> {
        let lines = text.replace("cid:cid:", "cid:");
        let lines = lines.split_inclusive('\n').filter(|line| !line.contains("ContentT"));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(plain(&theirs), plain(&ours));
}

#[test]
fn a_packet_with_every_field_is_read_back_without_a_finding() {
    for kind in BusinessType::ALL {
        let (packet, files) = full(kind);
        assert_eq!(packet.check(), []);
        let bytes = write(&packet, &files).expect("a packet");
        let (envelope, files_again) = read_files(&bytes);
        assert_eq!(codes(&envelope), [""; 0], "{kind:?}");
        assert_eq!(DocumentPacket::from_content(envelope.claimed_content()), Some(packet));
        assert_eq!(files_again, files);
    }
}

#[test]
fn what_is_not_said_is_filled_in() {
    let (mut packet, files) = full(BusinessType::New);
    packet.document_id.clear();
    packet.manifest.clear();
    for attachment in &mut packet.attachments {
        attachment.content_id.clear();
        attachment.content_type.clear();
    }
    packet.subject = format!(" \r\n{}\t", packet.subject);
    let (envelope, _) = read(&write(&packet, &files).expect("a packet")).expect("a packet");
    let content = envelope.claimed_content();
    assert_eq!(content.document_id.as_deref(), Some("H55.15,2026/01/02,12/STN-VP"));
    assert_eq!(content.subject, packet.subject.trim());
    let ids: Vec<_> =
        content.manifest.iter().map(|r| (r.content_id.as_str(), r.content_type.as_str())).collect();
    assert_eq!(ids, [("attachment-1", "application/pdf"), ("attachment-2", "text/plain")]);
    assert_eq!(codes(&envelope), [""; 0]);
}

#[test]
fn attachments_without_an_id_get_one_that_no_other_has() {
    let (packet, files) = full(BusinessType::New);
    let text = String::from_utf8(write(&packet, &files).expect("a packet")).expect("UTF-8");
    let ids: Vec<String> =
        packet.attachments.iter().map(|a| format!("<ContentId>cid:{}</ContentId>", a.content_id)).collect();
    for (first, second) in
        [("", "attachment-1"), ("attachment-2", ""), ("x", "x"), ("", ""), ("attachment-2", "attachment-2")]
    {
        let text = text.replace(&ids[0], &format!("<ContentId>{first}</ContentId>"));
        let text = text.replace(&ids[1], &format!("<ContentId>{second}</ContentId>"));
        let (envelope, files) = read_files(text.as_bytes());
        let again = DocumentPacket::from_content(envelope.claimed_content()).expect("a document");
        assert_eq!(again.check(), [], "{first:?} {second:?}");
        let (_, files_again) = read_files(&write(&again, &files).expect("a packet"));
        assert_eq!(files_again, files);
    }
}

#[test]
fn nothing_is_written_of_a_packet_with_a_flaw() {
    let (mut packet, files) = full(BusinessType::New);
    packet.subject.clear();
    packet.to[1].organ_id = "h55.16".to_owned();
    let mut out = Vec::new();
    let mut open =
        |n: usize| -> io::Result<Box<dyn io::Read>> { Ok(Box::new(Cursor::new(files[n].clone()))) };
    let fault = packet.write_to(&mut open, &mut out).expect_err("two flaws");
    let WriteFault::Flawed(flaws) = fault else { panic!("{fault}") };
    let fields: Vec<_> = flaws.iter().map(|flaw| flaw.field.as_str()).collect();
    assert_eq!(fields, ["edXMLHeader/MessageHeader/To[2]/OrganId", "edXMLHeader/MessageHeader/Subject"]);
    assert!(out.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_packet_is_read_back_as_it_was((packet, files) in any_packet()) {
        prop_assert_eq!(packet.check(), []);
        let bytes = write(&packet, &files).expect("a packet");
        let (envelope, files_again) = read_files(&bytes);
        prop_assert_eq!(files_again, files);
        prop_assert_eq!(DocumentPacket::from_content(envelope.claimed_content()), Some(packet));
    }
}
