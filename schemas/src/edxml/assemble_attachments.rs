//! Attachments and the manifest: what each file is, and which reference is about it (spec edxml section 8).

use std::collections::HashMap;

use super::assemble_parts::bare_content_id;
use super::attachment::{Archive, LayerFacts, kinds};
use super::content::{Attachment, Content, FileFacts, Packing};
use super::file_kind::FileKind;
use super::file_name::SafeFileName;
use super::finding::Finding;
use super::node::Node;
use crate::ids::PacketDigest;
use crate::text::nfc;

/// `AttachmentEncoded/Attachment`, each with its reference, the file that a receiver opens, and what is odd about it.
pub(super) fn attachments(root: &Node, content: &mut Content) {
    let nodes = attachment_nodes(root);
    let references = reference_nodes(root);
    content.attachments = nodes.iter().map(|node| as_written(node)).collect();
    let (attached, referenced) = (paths(ATTACHED, &nodes), paths(MANIFEST, &references));
    note_content_ids(content, &nodes, &attached);
    note_content_ids(content, &references, &referenced);
    match_references(content, &attached, &referenced);
    for (n, node) in nodes.iter().enumerate() {
        let decoded = node.decoded(DATA);
        let layers = decoded.map_or(&[][..], |decoded| &decoded.layers);
        let whole = Whole { n, field: &attached[n], layers };
        if let Some(odd) = decoded.and_then(|decoded| decoded.odd.as_deref()) {
            content.note_value(Finding::AttachmentBase64, format!("{}/{DATA}", attached[n]), odd);
        }
        take_names(content, &whole, &referenced);
        open_file(content, &whole);
        note_file(content, &whole, &referenced);
    }
}

const ATTACHED: &str = "AttachmentEncoded";
const MANIFEST: &str = "edXMLBody/edXMLManifest";
const DATA: &str = "ContentTransferEncoded";

/// One attachment while it is looked at.
struct Whole<'n> {
    /// Its index in the content.
    n: usize,
    /// Its path.
    field: &'n str,
    /// What passed of it.
    layers: &'n [LayerFacts],
}

fn attachment_nodes(root: &Node) -> Vec<&Node> {
    root.child(ATTACHED).map_or(Vec::new(), |list| list.all("Attachment").collect())
}

/// The same as in [`Content::manifest`].
fn reference_nodes(root: &Node) -> Vec<&Node> {
    let path = ["edXMLEnvelope", "edXMLBody", "edXMLManifest"];
    let manifest = path.iter().try_fold(root, |node, name| node.child(name));
    manifest.map_or(Vec::new(), |manifest| manifest.all("Reference").collect())
}

fn paths(parent: &str, nodes: &[&Node]) -> Vec<String> {
    nodes.iter().map(|node| format!("{parent}/{}", node.step().unwrap_or_default())).collect()
}

fn as_written(node: &Node) -> Attachment {
    let take = |name: &str| node.text(&[name]).to_owned();
    let decoded = node.decoded(DATA);
    let packed = decoded.and_then(|d| d.layers.first()).map_or_else(no_bytes, facts);
    Attachment {
        name: take("AttachmentName"),
        content_id: bare_content_id(node.text(&["ContentId"])),
        content_type: take("ContentType"),
        description: take("Description"),
        field_name: take("FieldName"),
        mime_type: take("MimeType"),
        format: take("Format"),
        encoded: decoded.map_or(0, |d| d.encoded),
        packed: packed.clone(),
        file: packed,
        packing: Packing::Bare,
        reference: None,
        placeholder: decoded.is_some_and(|d| d.placeholder),
    }
}

fn facts(layer: &LayerFacts) -> FileFacts {
    FileFacts { bytes: layer.bytes, sha256: layer.sha256, kind: layer.kind }
}

fn no_bytes() -> FileFacts {
    FileFacts { bytes: 0, sha256: PacketDigest::of(b""), kind: FileKind::Empty }
}

/// `cid:` stands before an id exactly once, and the id is of one only.
fn note_content_ids(content: &mut Content, nodes: &[&Node], paths: &[String]) {
    let mut seen = HashMap::new();
    for (node, path) in nodes.iter().zip(paths) {
        let written = node.text(&["ContentId"]);
        let id = bare_content_id(written);
        if id.is_empty() {
            continue;
        }
        let field = format!("{path}/ContentId");
        if written.strip_prefix("cid:") != Some(&id) {
            content.note_value(Finding::ContentIdForm, &field, written);
        }
        if seen.insert(id, ()).is_some() {
            content.note_value(Finding::ContentIdRepeated, field, written);
        }
    }
}

/// By `ContentId`, each reference once, in order; and what is left by position.
fn match_references(content: &mut Content, attached: &[String], referenced: &[String]) {
    let mut by_id: HashMap<&str, Vec<usize>> = HashMap::new();
    for (n, reference) in content.manifest.iter().enumerate().rev() {
        if !reference.content_id.is_empty() {
            by_id.entry(&reference.content_id).or_default().push(n);
        }
    }
    let mut taken = vec![false; referenced.len()];
    let mut matches: Vec<Option<usize>> = Vec::with_capacity(attached.len());
    for attachment in &content.attachments {
        let found = by_id.get_mut(attachment.content_id.as_str()).and_then(Vec::pop);
        if let Some(reference) = found {
            taken[reference] = true;
        }
        matches.push(found);
    }
    for (n, found) in matches.into_iter().enumerate() {
        let position = || (taken.get(n) == Some(&false)).then_some(n);
        let Some(reference) = found.or_else(position) else {
            let id = content.attachments[n].content_id.clone();
            content.note_value(Finding::AttachmentUnreferenced, &attached[n], &id);
            continue;
        };
        if found.is_none() {
            taken[reference] = true;
            let id = content.attachments[n].content_id.clone();
            let child = if id.is_empty() { "" } else { "/ContentId" };
            content.note_value(Finding::AttachmentByPosition, format!("{}{child}", attached[n]), &id);
        }
        content.attachments[n].reference = Some(reference);
    }
    for (n, _) in taken.iter().enumerate().filter(|(_, taken)| !**taken) {
        let reference = &content.manifest[n];
        let told = if reference.name.is_empty() { &reference.content_id } else { &reference.name }.clone();
        content.note_value(Finding::ReferenceUnresolved, &referenced[n], &told);
    }
}

/// An attachment without a name takes the one of its reference.
fn take_names(content: &mut Content, whole: &Whole<'_>, referenced: &[String]) {
    let attachment = &content.attachments[whole.n];
    let mut field = format!("{}/AttachmentName", whole.field);
    let named = attachment.reference.map(|r| (content.manifest[r].name.clone(), &referenced[r]));
    let name = attachment.name.clone();
    match named {
        Some((other, reference)) if name.is_empty() && !other.is_empty() => {
            content.attachments[whole.n].name = other;
            field = format!("{reference}/AttachmentName");
        }
        Some((other, reference)) if !other.is_empty() && other != name => {
            content.note_value(Finding::AttachmentNameDiffers, format!("{reference}/AttachmentName"), &other);
        }
        _ => {}
    }
    let name = content.attachments[whole.n].name.clone();
    if name.is_empty() {
        content.note(Finding::AttachmentNameMissing, field);
    } else if SafeFileName::new(&name).as_str() != nfc(&name) {
        content.note_value(Finding::AttachmentNameUnsafe, field, &name);
    }
}

/// Finds the file that a receiver opens: the reference library unpacks by type and ending of the name, and so the real
/// type and the ending decide here. A document whose parts are in a ZIP is never taken apart, whatever it is called.
fn open_file(content: &mut Content, whole: &Whole<'_>) {
    let attachment = &content.attachments[whole.n];
    let (name, format) = (kinds::ending(&attachment.name), kinds::ending(&format!(".{}", attachment.format)));
    let ending = if name.is_empty() { format } else { name };
    let field = format!("{}/{DATA}", whole.field);
    let mut depth = 0;
    let mut packing = Packing::Bare;
    while let Some(layer) = whole.layers.get(depth) {
        let leave = kinds::is_archive_ending(&ending) || layer.kind.is_document_in_zip();
        let inner = u8::try_from(depth + 1).unwrap_or(u8::MAX);
        match layer.archive {
            Some(Archive::One) if !leave => packing = Packing::Zipped(inner),
            Some(Archive::Several(files)) if !leave && !kinds::is_document_ending(&ending) => {
                packing = Packing::FirstOfSeveral(inner);
                content.note_value(Finding::AttachmentSeveralEntries, &field, &files.to_string());
                break;
            }
            Some(Archive::Unreadable(why)) if !layer.mangled => {
                if depth == 0 {
                    packing = Packing::Unreadable;
                }
                content.note_value(Finding::AttachmentZipUnreadable, &field, why);
                break;
            }
            _ => break,
        }
        depth += 1;
    }
    if let Packing::Zipped(_) = packing {
        let name = content.attachments[whole.n].name.clone();
        content.note_value(Finding::AttachmentZipped, &field, &name);
    }
    let attachment = &mut content.attachments[whole.n];
    attachment.packing = packing;
    if let Some(file) = whole.layers.get(usize::from(attachment.layer())) {
        attachment.file = facts(file);
    }
}

fn note_file(content: &mut Content, whole: &Whole<'_>, referenced: &[String]) {
    let attachment = content.attachments[whole.n].clone();
    let data = format!("{}/{DATA}", whole.field);
    if attachment.placeholder {
        return content.note_value(Finding::PlaceholderAttachment, data, &attachment.name);
    }
    if attachment.file.bytes == 0 {
        return content.note_value(Finding::AttachmentEmpty, data, &attachment.name);
    }
    if whole.layers.iter().take(usize::from(attachment.layer()) + 1).any(|layer| layer.mangled) {
        content.note_value(Finding::AttachmentMangled, &data, &attachment.name);
    }
    let (packed, file) = (attachment.packed.kind, attachment.file.kind);
    let differs = |mime: &str, kind| kinds::type_differs(mime, &attachment.name, kind);
    if differs(&attachment.content_type, packed) {
        let field = format!("{}/ContentType", whole.field);
        content.note_value(Finding::ContentTypeMismatch, field, &attachment.content_type);
    }
    if let Some(r) = attachment.reference {
        // Here it may be said of the file as well as of its ZIP.
        let mime = content.manifest[r].content_type.clone();
        if differs(&mime, packed) && differs(&mime, file) {
            content.note_value(Finding::ContentTypeMismatch, format!("{}/ContentType", referenced[r]), &mime);
        }
    }
    let ending = kinds::ending(&attachment.name);
    if kinds::ending_differs(&ending, file) {
        let told = format!("{}: {file}", attachment.name);
        content.note_value(Finding::AttachmentTypeDiffers, format!("{}/AttachmentName", whole.field), &told);
    }
    if file.is_program() || FileKind::with_ending(&ending).any(FileKind::is_program) {
        content.note_value(Finding::AttachmentProgram, data, &attachment.name);
    }
}
