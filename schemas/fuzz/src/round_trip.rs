//! What is read can be written, and says the same when it is read again.

use std::io::{Cursor, Read};

use lienthong_schemas::edxml::{Content, DocumentPacket, EdxmlLimits, WriteFault};
use lienthong_schemas::ids::PacketDigest;

use crate::kept::read_keeping;
use crate::read::read;

/// Checks a packet that is accepted; returns whether it may be written.
pub(crate) fn check(packet: &[u8]) -> bool {
    let (envelope, kept) = read_keeping(packet);
    let content = envelope.claimed_content();
    let Some(model) = DocumentPacket::from_content(content) else { return false };
    let attachments = content.attachments.iter().enumerate();
    let files: Vec<&[u8]> = attachments.map(|(n, attachment)| kept.layer(n, attachment.layer())).collect();
    let Ok(written) = write(&model, &files) else { return false };
    let again = read(&written.as_slice().into(), written.len(), &EdxmlLimits::default());
    let again = match again {
        Ok((again, repaired)) => {
            assert!(!repaired, "{}", String::from_utf8_lossy(&written));
            again
        }
        Err(rejection) => panic!("written and refused: {rejection}: {}", String::from_utf8_lossy(&written)),
    };
    let read_again = DocumentPacket::from_content(again.claimed_content()).expect("a document");
    assert_eq!(completed(model, &read_again), read_again, "{}", String::from_utf8_lossy(&written));
    assert_eq!(digests(content), digests(again.claimed_content()));
    let twice = write(&read_again, &files).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert_eq!(
        twice.as_deref().map_err(String::as_str),
        Ok(&*String::from_utf8_lossy(&written)),
        "written twice"
    );
    true
}

/// Says why where a rule of ours that the reader does not have forbids it.
fn write(model: &DocumentPacket, files: &[&[u8]]) -> Result<Vec<u8>, String> {
    let mut written = Vec::new();
    let mut open = |n: usize| Ok(Box::new(Cursor::new(files[n])) as Box<dyn Read>);
    match model.write_to(&mut open, &mut written) {
        Ok(()) => Ok(written),
        Err(WriteFault::Flawed(flaws)) => {
            assert!(!flaws.is_empty() && written.is_empty());
            Err(format!("{flaws:?}"))
        }
        Err(fault) => panic!("memory cannot fail: {fault}"),
    }
}

/// With what is told where nothing is said.
fn completed(mut model: DocumentPacket, written: &DocumentPacket) -> DocumentPacket {
    let complete = |text: &mut String, told: &String| {
        if text.is_empty() {
            text.clone_from(told);
        }
    };
    complete(&mut model.document_id, &written.document_id);
    if model.manifest.is_empty() {
        // One that lists nothing is left out, with its version.
        model.manifest.clone_from(&written.manifest);
        model.manifest_version.clone_from(&written.manifest_version);
    }
    for (one, other) in model.attachments.iter_mut().zip(&written.attachments) {
        complete(&mut one.content_type, &other.content_type);
    }
    for (one, other) in model.manifest.iter_mut().zip(&written.manifest) {
        complete(&mut one.content_type, &other.content_type);
        complete(&mut one.name, &other.name);
    }
    model
}

fn digests(content: &Content) -> Vec<(PacketDigest, u64)> {
    content.attachments.iter().map(|attachment| (attachment.file.sha256, attachment.file.bytes)).collect()
}
