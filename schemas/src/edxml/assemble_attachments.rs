//! Attachments and the manifest: what each file is, and which reference is about it.

use std::collections::HashSet;

use super::assemble_parts::bare_content_id;
use super::attachment::kinds;
use super::content::{Attachment, Content, FileFacts, Packing, Reference};
use super::file_kind::FileKind;
use super::finding::Finding;
use super::node::Node;
use crate::ids::PacketDigest;

/// `AttachmentEncoded/Attachment`, with what is odd about each.
pub(super) fn attachments(root: &Node, content: &mut Content) {
    let Some(list) = root.child("AttachmentEncoded") else { return };
    for node in list.all("Attachment") {
        let field = format!("AttachmentEncoded/{}", node.step().unwrap_or_default());
        let decoded = node.decoded("ContentTransferEncoded");
        let layer = decoded.and_then(|d| d.layers.first());
        let head = layer.map_or(&[][..], |l| &l.head);
        let packed = FileFacts {
            bytes: layer.map_or(0, |l| l.bytes),
            sha256: layer.map_or_else(|| PacketDigest::of(b""), |l| l.sha256),
            kind: FileKind::of(head),
        };
        let attachment = Attachment {
            name: node.text(&["AttachmentName"]).to_owned(),
            content_id: bare_content_id(node.text(&["ContentId"])),
            content_type: node.text(&["ContentType"]).to_owned(),
            description: node.text(&["Description"]).to_owned(),
            field_name: node.text(&["FieldName"]).to_owned(),
            mime_type: node.text(&["MimeType"]).to_owned(),
            format: node.text(&["Format"]).to_owned(),
            encoded: decoded.map_or(0, |d| d.encoded),
            packed: packed.clone(),
            file: packed,
            packing: Packing::Bare,
            reference: None,
            placeholder: decoded.is_some_and(|d| d.placeholder),
        };
        if attachment.placeholder {
            content.note(Finding::PlaceholderAttachment, &field);
        } else if attachment.packed.bytes == 0 {
            content.note(Finding::AttachmentEmpty, &field);
        } else {
            if kinds::contradicts(&attachment.content_type, &attachment.name, head) {
                content.note(Finding::ContentTypeMismatch, format!("{field}/ContentType"));
            }
            if kinds::is_mangled(head) {
                content.note(Finding::AttachmentMangled, format!("{field}/ContentTransferEncoded"));
            }
        }
        content.attachments.push(attachment);
    }
}

/// Matches manifest and attachments by `ContentId`, and what is left by position. An attachment without a name takes
/// the one of its reference.
pub(super) fn references_match(content: &mut Content) {
    let referenced: HashSet<&str> = content.manifest.iter().map(|r| r.content_id.as_str()).collect();
    let attached: HashSet<&str> = content.attachments.iter().map(|a| a.content_id.as_str()).collect();
    let by_id = |id: &str| !id.is_empty() && referenced.contains(id) && attached.contains(id);
    let free_reference: Vec<bool> = content.manifest.iter().map(|r| !by_id(&r.content_id)).collect();
    let free_attachment: Vec<bool> = content.attachments.iter().map(|a| !by_id(&a.content_id)).collect();
    let free = |list: &[bool], n: usize| list.get(n).copied().unwrap_or(false);
    for (n, unmatched) in free_attachment.iter().enumerate() {
        if *unmatched && !free(&free_reference, n) {
            content.note(Finding::AttachmentUnreferenced, format!("AttachmentEncoded/Attachment[{}]", n + 1));
        }
    }
    for (n, unmatched) in free_reference.iter().enumerate() {
        if *unmatched && !free(&free_attachment, n) {
            let field = format!("edXMLBody/edXMLManifest/Reference[{}]", n + 1);
            content.note(Finding::ReferenceUnresolved, field);
        }
    }
    for n in 0..content.attachments.len() {
        if content.attachments[n].name.is_empty() {
            let id = &content.attachments[n].content_id;
            let same = |r: &&Reference| !id.is_empty() && r.content_id == *id;
            let reference = content.manifest.iter().find(same).or_else(|| content.manifest.get(n));
            content.attachments[n].name = reference.map_or(String::new(), |r| r.name.clone());
        }
    }
}
