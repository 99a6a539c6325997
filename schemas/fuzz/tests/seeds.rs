//! The seeds show that the targets reach what they are for: packets that are read, and archives of every kind.

use std::collections::BTreeMap;
use std::path::Path;

use lienthong_schemas::edxml::Packing;
use lienthong_schemas_fuzz::packet::Reached;
use lienthong_schemas_fuzz::{attachment, packet};

fn seeds(folder: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(folder);
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|e| (e.file_name().into_string().unwrap(), std::fs::read(e.path()).unwrap())).collect()
}

#[test]
fn packets_are_read_and_written() {
    // Only documents are written, and only with attachments that have names and dates that are dates.
    let read_only =
        ["status-bare.edxml", "status-refused.edxml", "status.edxml", "unknown.edxml", "unprefixed.edxml"];
    let reached: BTreeMap<String, Reached> =
        seeds("packet").into_iter().map(|(name, seed)| (name, packet::check(&seed))).collect();
    let of = |wanted| {
        reached.iter().filter(move |(_, reached)| **reached == wanted).map(|(name, _)| name.as_str())
    };
    assert_eq!(of(Reached::Read).collect::<Vec<_>>(), read_only);
    assert_eq!(of(Reached::Nothing).next(), None);
}

#[test]
fn archives_are_opened_where_all_readers_find_the_same() {
    let zipped = [
        "bare-descriptor",
        "comment",
        "lengths",
        "one",
        "stored",
        "wide",
        "wide-end",
        "wide-stored",
        "zeros",
    ];
    let damaged = ["cut", "encrypted", "gap-text", "listed-crc", "offset", "unlisted", "wrong-crc"];
    for (name, seed) in seeds("attachment") {
        let packing = attachment::check(&seed);
        let expected = match name.strip_prefix("zip-") {
            Some(kind) if zipped.contains(&kind) => Some(Packing::Zipped(1)),
            Some(kind) if damaged.contains(&kind) => Some(Packing::Unreadable),
            Some("two") => Some(Packing::Zipped(2)),
            Some("three") => Some(Packing::Zipped(3)),
            Some("four") => None,
            Some("several") => Some(Packing::FirstOfSeveral(1)),
            Some("several-inside") => Some(Packing::FirstOfSeveral(2)),
            Some("zip" | "docx") => Some(Packing::Bare),
            // Where readers may differ, what counts is that the target holds.
            Some(_) => continue,
            None if ["text-slot", "text-wrong"].contains(&name.as_str()) => None,
            None => packing.filter(|packing| matches!(packing, Packing::Bare | Packing::Unreadable)),
        };
        assert_eq!(packing, expected, "{name}");
    }
}
