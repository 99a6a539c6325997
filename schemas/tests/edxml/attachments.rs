//! Attachments: what passes, what each file is, and what is refused.

mod archives;
mod findings;
mod limits;
mod unpacking;

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Cursor};

use lienthong_schemas::edxml::{
    Attachment, AttachmentSink, DocumentBuilder, EdxmlLimits, Envelope, PacketFault, REPAIR_NAMESPACES,
    read_envelope, read_envelope_keeping,
};
use lienthong_schemas::ids::PacketDigest;
use lienthong_schemas::rejections::Rejection;

use super::{built, codes, letter, read};

/// Keeps all layers in memory.
#[derive(Default)]
struct Kept {
    layers: BTreeMap<(usize, u8), Vec<u8>>,
    ended: Vec<usize>,
    restarts: usize,
}

impl AttachmentSink for Kept {
    fn take(&mut self, attachment: usize, layer: u8, bytes: &[u8]) -> io::Result<()> {
        self.layers.entry((attachment, layer)).or_default().extend_from_slice(bytes);
        Ok(())
    }

    fn end(&mut self, attachment: usize) -> io::Result<()> {
        self.ended.push(attachment);
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        *self = Self { restarts: self.restarts + 1, ..Self::default() };
        Ok(())
    }
}

fn read_keeping(packet: &[u8], sink: &mut dyn AttachmentSink) -> Result<(Envelope, bool), PacketFault> {
    let mut open = || -> io::Result<Box<dyn BufRead>> {
        Ok(Box::new(BufReader::with_capacity(100, Cursor::new(packet.to_vec()))))
    };
    read_envelope_keeping(&mut open, &EdxmlLimits::default(), sink)
}

fn letter_with_none() -> DocumentBuilder {
    DocumentBuilder::new("H55.15", &["H55.16"])
}

/// A letter with this attachment.
fn packet(name: &str, content_type: &str, bytes: &[u8]) -> Vec<u8> {
    built(letter_with_none().attach(name, content_type, Cursor::new(bytes.to_vec())))
}

/// What is said of it, and the findings about attachments.
fn attached(name: &str, content_type: &str, bytes: &[u8]) -> (Attachment, Vec<&'static str>) {
    let (envelope, _) = read(&packet(name, content_type, bytes)).expect("a packet");
    (envelope.claimed_content().attachments[0].clone(), of_attachments(&envelope))
}

fn of_attachments(envelope: &Envelope) -> Vec<&'static str> {
    codes(envelope).into_iter().filter(|code| *code != "ATTACHMENT_NAME_MISSING").collect()
}

/// The bytes of the attachments of a packet.
fn keeping(packet: &[u8]) -> Kept {
    let mut kept = Kept::default();
    read_keeping(packet, &mut kept).expect("a packet");
    kept
}

fn read_within(packet: &[u8], limits: &EdxmlLimits) -> Result<Envelope, Rejection> {
    let mut open = || -> io::Result<Box<dyn BufRead>> { Ok(Box::new(Cursor::new(packet.to_vec()))) };
    match read_envelope(&mut open, limits) {
        Ok((envelope, _)) => Ok(envelope),
        Err(PacketFault::Rejected(rejection)) => Err(rejection),
        Err(PacketFault::Io(error)) => panic!("memory cannot fail: {error}"),
    }
}

#[test]
fn the_bytes_of_attachments_go_where_they_are_wanted() {
    let long = vec![0xa5; 100_000];
    let packet =
        built(letter().attach("empty", "", io::empty()).attach("long.bin", "", Cursor::new(long.clone())));
    let blank =
        String::from_utf8(packet).expect("UTF-8").replacen("<Attachment>", "<Attachment/><Attachment>", 1);
    let mut kept = Kept::default();
    let (envelope, _) = read_keeping(blank.as_bytes(), &mut kept).expect("a packet");
    let attachments = &envelope.claimed_content().attachments;
    assert_eq!(
        attachments.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(),
        ["cv.pdf", "empty", "long.bin"]
    );
    let layers = BTreeMap::from([((0, 0), b"%PDF-1.4 x".to_vec()), ((2, 0), long)]);
    assert_eq!((kept.layers, kept.ended, kept.restarts), (layers.clone(), vec![0, 2], 0));
    for ((attachment, _), bytes) in layers {
        assert_eq!(attachments[attachment].packed.sha256, PacketDigest::of(&bytes));
    }
}

#[test]
fn a_packet_that_is_read_twice_is_kept_once() {
    let packet = built(letter().with_raw("</edXML:Subject>", "</edXML:Subject><xlink:x/>"));
    let packet = String::from_utf8(packet).expect("UTF-8");
    let late = packet.replacen("<xlink:x/>", "", 1).replacen(
        "</AttachmentEncoded>",
        "</AttachmentEncoded><xlink:x/>",
        1,
    );
    assert!(REPAIR_NAMESPACES.iter().any(|(prefix, _)| *prefix == "xlink"));
    let mut kept = Kept::default();
    let (_, repaired) = read_keeping(late.as_bytes(), &mut kept).expect("a packet");
    assert!(repaired);
    assert_eq!((kept.restarts, kept.ended), (1, vec![0]));
    assert_eq!(kept.layers, BTreeMap::from([((0, 0), b"%PDF-1.4 x".to_vec())]));
}

#[test]
fn a_disk_that_is_full_is_no_fault_of_the_packet() {
    struct Full(&'static str);
    impl AttachmentSink for Full {
        fn take(&mut self, _: usize, _: u8, _: &[u8]) -> io::Result<()> {
            if self.0 == "take" { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }

        fn end(&mut self, _: usize) -> io::Result<()> {
            if self.0 == "end" { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }

        fn restart(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let packet = built(letter());
    read(&packet).expect("the packet is good");
    for at in ["take", "end"] {
        match read_keeping(&packet, &mut Full(at)) {
            Err(PacketFault::Io(error)) => assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{at}"),
            other => panic!("{at}: {other:?}"),
        }
    }
}
