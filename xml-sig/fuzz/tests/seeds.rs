//! The seeds show that the targets reach what they are for: documents that are read, signatures that are valid, edits
//! after which they are and edits after which they are not.

use std::collections::BTreeMap;
use std::path::Path;

use xml_sig_fuzz::{canonicaliser, reader, signature, verify};

fn seeds(folder: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(folder);
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|e| (e.file_name().into_string().unwrap(), std::fs::read(e.path()).unwrap())).collect()
}

#[test]
fn documents_pass() {
    for document in seeds("documents").values() {
        reader::check(document);
        canonicaliser::check(document);
    }
}

#[test]
fn signatures_are_valid_where_they_should_be() {
    let refused = ["hmac.xml", "stranger.xml", "truncated.xml", "xpath.xml"];
    for (name, seed) in seeds("signature") {
        assert_eq!(signature::check(&seed), !refused.contains(&name.as_str()), "{name}");
    }
}

#[test]
fn edits_leave_some_documents_valid() {
    for (name, seed) in seeds("verify") {
        // Comments are never signed, and neither is the place of parts that are signed each for itself.
        let kept = ["unchanged-", "comment-", "move-2", "wrap-2"].iter().any(|kept| name.starts_with(kept));
        assert_eq!(verify::check(&seed), kept, "{name}");
    }
}
