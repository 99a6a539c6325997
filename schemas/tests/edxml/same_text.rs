//! Two spellings in Unicode of the same letters are the same text wherever texts are compared; ids of documents are not
//! texts, and stay as they are.

use lienthong_schemas::edxml::{DocumentBuilder, correlations};
use lienthong_schemas::ids::CorrelationKey;

use super::verdicts::semantic;
use super::{built, codes, letter, read};

/// The same letters, decomposed: as some Macintosh and Java programs write them.
const DECOMPOSED: [(&str, &str); 3] = [
    ("Công văn", "Co\u{302}ng va\u{306}n"),
    ("V/v thử nghiệm", "V/v thu\u{31b}\u{309} nghie\u{323}\u{302}m"),
    ("QĐ-UBNDÊ", "QĐ-UBNDE\u{302}"),
];

fn decree(spelled: fn((&'static str, &'static str)) -> &'static str) -> DocumentBuilder {
    let [type_name, subject, notation] = DECOMPOSED.map(spelled);
    let letter = DocumentBuilder::new("H55.15", &["H01"]).type_name(type_name).subject(subject);
    letter.code("12", notation).document_id("H55.15,2026/01/02,12/QĐ-UBNDÊ")
}

#[test]
fn a_document_that_is_spelled_otherwise_is_the_same_document() {
    let (composed, decomposed) = (semantic(decree(|pair| pair.0)), semantic(decree(|pair| pair.1)));
    assert!(composed.is_some());
    assert_eq!(composed, decomposed);
    assert_ne!(composed, semantic(decree(|pair| pair.0).subject("V/v thư nghiệm")));
    let (envelope, _) = read(&built(decree(|pair| pair.1))).expect("a letter");
    assert!(!codes(&envelope).contains(&"DOCUMENT_ID_DIFFERS"), "{:?}", codes(&envelope));
    assert_eq!(
        envelope.claimed_content().code_notation,
        "QĐ-UBNDE\u{302}",
        "what is shown is what was written"
    );
}

/// Digests are stored: a gateway must find the documents that an earlier version took.
#[test]
fn the_digest_of_a_composed_packet_never_changes() {
    let letter =
        DocumentBuilder::new("H55.15", &["H01"]).attach("cv.pdf", "application/pdf", &b"%PDF-1.4 x"[..]);
    let digest = "3354e2af613044d8505b9ce1ff0fa80f8d0ed23dae48a1fbce6117fa3d00a352";
    assert_eq!(semantic(letter).as_deref(), Some(digest));
}

#[test]
fn documents_are_found_under_either_spelling_of_their_id() {
    let id = "H55.15,2026/01/02,12/QĐ-UBNDÊ";
    let decomposed = "H55.15,2026/01/02,12/QĐ-UBNDE\u{302}";
    let (envelope, _) = read(&built(letter().document_id(decomposed))).expect("a letter");
    assert_eq!(envelope.claimed_document_id(), Some(decomposed), "byte for byte");
    assert_eq!(correlations(envelope.claimed_content()), [CorrelationKey::of(id)]);
    assert_ne!(CorrelationKey::of(id), CorrelationKey::of("H55.15,2026/01/02,12/QD-UBNDE"));
}
