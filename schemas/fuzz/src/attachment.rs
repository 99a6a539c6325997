//! The attachment decoder: it decodes what another decoder decodes, and unpacks a file only where others find the same one;
//! no cut of the input matters, and no limit is passed.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use lienthong_schemas::edxml::{Attachment, EdxmlLimits, Envelope, FileKind, Finding, Packing};
use lienthong_schemas::ids::PacketDigest;
use xml_sig_fuzz::edits::{Numbers, Script};

use crate::kept::read_keeping;
use crate::other_unzip::{by_directory, in_order};
use crate::read::{check_bounds, read_cut_alike, told};
use crate::recipe::make;

const NAMES: [&str; 8] = ["a.txt", "a.docx", "a.zip", "a.ods", "a.pdf", "", "a", "a.exe"];
const TYPES: [&str; 4] = ["application/zip", "application/pdf", "", "text/plain"];

/// Low enough to be reached by inputs of a few hundred bytes.
fn low() -> EdxmlLimits {
    EdxmlLimits {
        archive_levels: 1,
        archive_entries: 1,
        archive_ratio: 2,
        archive_ratio_from: 64,
        archive_bytes: 512,
        ..EdxmlLimits::default()
    }
}

/// Checks one input; returns how its file is packed, if there is one.
pub fn check(input: &[u8]) -> Option<Packing> {
    let mut script = Script(input);
    let (kind, name, mime) =
        (script.below(4), NAMES[script.below(NAMES.len())], TYPES[script.below(TYPES.len())]);
    let (text, made) = match kind {
        0 => (text(script.0), None),
        1 => (STANDARD.encode(script.0), None),
        _ => {
            let made = make(&mut script);
            (STANDARD.encode(&made.bytes), Some(made))
        }
    };
    let packet = packet(name, mime, &text);
    let usual = EdxmlLimits::default();
    let whole = read_cut_alike(&packet, &[1, 7, 64 + text.len() % 64], &usual);
    check_bounds(&whole, &usual);
    bounded(&packet, &told(&whole));
    let strict = decoded(&text);
    let code = whole.as_ref().map_or_else(|rejection| rejection.code.row().name, |_| "");
    match (&strict, code) {
        (None, "ATTACHMENT_INVALID") => return None,
        (_, "ARCHIVE_NESTED" | "ARCHIVE_RATIO" | "ARCHIVE_ENTRIES" | "ARCHIVE_TOO_LARGE") => return None,
        (_, "") => {}
        _ => panic!("refused: {}", told(&whole)),
    }
    let (envelope, _) = whole.expect("read");
    let decoded = decoded_leniently(&text);
    let Some(attachment) = envelope.claimed_content().attachments.first() else {
        assert!(decoded.is_empty() || text.trim_start().starts_with('$'));
        return None;
    };
    if attachment.placeholder {
        assert!(text.trim_start().starts_with('$'));
        return None;
    }
    let odd = envelope.claimed_content().findings.has(Finding::AttachmentBase64);
    assert!(odd == strict.is_none(), "what is not quite base64 is told: {text:?}");
    assert!(strict.is_none_or(|strict| strict == decoded));
    assert_eq!(attachment.packed.sha256, PacketDigest::of(&decoded));
    assert_eq!(attachment.packed.bytes, decoded.len() as u64);
    unpacked_alike(attachment, &decoded);
    if let Some(made) = made
        && made.good
        && name == "a.txt"
        && !envelope.claimed_content().findings.has(Finding::AttachmentMangled)
    {
        opened(&envelope, attachment, made.levels);
    }
    kept(&packet, attachment);
    Some(attachment.packing)
}

/// Text that XML can carry.
fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().filter(|c| matches!(c, '\t' | '\n' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}')).collect()
}

fn packet(name: &str, mime: &str, text: &str) -> Vec<u8> {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!(
        "<edXML xmlns=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\"><edXMLEnvelope><edXMLHeader><MessageHeader>\
         <From><OrganId>H55.15</OrganId></From><To><OrganId>H55.16</OrganId></To><DocumentId>1</DocumentId>\
         <Code><CodeNumber>1</CodeNumber><CodeNotation>A</CodeNotation></Code><PromulgationInfo><PromulgationDate>\
         2026/01/02</PromulgationDate></PromulgationInfo><DocumentType><TypeName>Công văn</TypeName></DocumentType>\
         <Subject>x</Subject><SignerInfo><FullName>x</FullName></SignerInfo></MessageHeader></edXMLHeader>\
         </edXMLEnvelope><AttachmentEncoded><Attachment><ContentTransferEncoded>{text}</ContentTransferEncoded>\
         <AttachmentName>{name}</AttachmentName><ContentType>{mime}</ContentType></Attachment></AttachmentEncoded>\
         </edXML>"
    )
    .into_bytes()
}

/// By the decoder of the library, over the whole text at once: strictly.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let solid: String = text.chars().filter(|c| !matches!(c, ' ' | '\t' | '\n' | '\r')).collect();
    STANDARD.decode(solid).ok()
}

/// The same as lenient readers do it: letters of the alphabet up to the first padding, whatever stands between, and no
/// group of one letter.
fn decoded_leniently(text: &str) -> Vec<u8> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::RequireNone),
    );
    let letters = text.chars().take_while(|c| *c != '=');
    let mut letters: String =
        letters.filter(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/')).collect();
    if letters.len() % 4 == 1 {
        letters.pop();
    }
    LENIENT.decode(letters).expect("nothing else is in it")
}

/// With lower limits it is refused for one of them, or nothing is different.
fn bounded(packet: &[u8], whole: &str) {
    let limits = low();
    let bounded = read_cut_alike(packet, &[3], &limits);
    match &bounded {
        Err(rejection) if rejection.code.row().name.starts_with("ARCHIVE_") => {}
        _ => assert_eq!(told(&bounded), whole),
    }
    if let Ok((envelope, _)) = &bounded
        && let Some(attachment) = envelope.claimed_content().attachments.first()
        && attachment.packing != Packing::Bare
        && attachment.packing != Packing::Unreadable
    {
        assert!(attachment.layer() <= limits.archive_levels);
        assert!(attachment.file.bytes <= limits.archive_bytes.max(attachment.packed.bytes));
    }
}

/// The file is where the reference library looks for it, and where a file manager does.
fn unpacked_alike(attachment: &Attachment, decoded: &[u8]) {
    let mut bytes = decoded.to_vec();
    for level in 1..=attachment.layer() {
        let single = attachment.packing == Packing::Zipped(attachment.layer()) || level < attachment.layer();
        let first =
            in_order(&bytes).unwrap_or_else(|| panic!("from the front there is no file, level {level}"));
        // Of several, the first is told with a warning.
        if single {
            let listed =
                by_directory(&bytes).unwrap_or_else(|| panic!("there is no directory, level {level}"));
            assert_eq!(listed, (1, Some(first.clone())), "the directory leads elsewhere, level {level}");
        }
        bytes = first;
    }
    assert_eq!(attachment.file.sha256, PacketDigest::of(&bytes), "{:?}", attachment.packing);
    assert_eq!(attachment.file.bytes, bytes.len() as u64);
}

/// A good archive is opened, but for one that is a document itself.
fn opened(envelope: &Envelope, attachment: &Attachment, levels: usize) {
    let found = usize::from(attachment.layer());
    let document = attachment.file.kind.is_document_in_zip();
    assert!(
        found >= levels || document || attachment.file.kind != FileKind::Zip,
        "{levels} archives, of which {found} were opened: {:?}",
        envelope.claimed_content().findings
    );
    assert!(found >= 1 || document, "{:?}", envelope.claimed_content().findings);
}

/// Who wants the bytes gets those that are told of.
fn kept(packet: &[u8], attachment: &Attachment) {
    let (_, kept) = read_keeping(packet);
    assert_eq!(attachment.packed.sha256, PacketDigest::of(kept.layer(0, 0)));
    assert_eq!(attachment.file.sha256, PacketDigest::of(kept.layer(0, attachment.layer())));
}
