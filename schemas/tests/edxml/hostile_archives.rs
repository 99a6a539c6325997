//! Archives in which readers would find different files: one that goes from the front, as the reference library's does,
//! and one that goes by the directory. Such an archive is left as it is. And archives that are small, but many.

use std::io::{Cursor, Read};

use lienthong_schemas::edxml::{Finding, Packing};

use super::made::bombs;
use super::made::zip::{END_BYTES, ZipWriter, stored, zipped};
use super::{built, letter, read};

/// Of a file header in the directory, without its name (APPNOTE 4.3.12).
const CENTRAL_BYTES: usize = 46;

fn packing(archive: Vec<u8>) -> Packing {
    let (envelope, _) = read(&bombs::zipped("a.txt", archive)).expect("a letter");
    let content = envelope.claimed_content();
    let [attachment] = &content.attachments[..] else { panic!("one attachment") };
    let unreadable = attachment.packing == Packing::Unreadable;
    assert_eq!(content.findings.has(Finding::AttachmentZipUnreadable), unreadable);
    assert!(!unreadable || attachment.file == attachment.packed);
    attachment.packing
}

/// Local part, directory and end of an archive with one file called `a.txt`.
fn parts(archive: &[u8]) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let (rest, end) = archive.split_at(archive.len() - END_BYTES);
    let (local, directory) = rest.split_at(rest.len() - CENTRAL_BYTES - "a.txt".len());
    assert!(directory.starts_with(b"PK\x01\x02") && end.starts_with(b"PK\x05\x06"));
    (local.to_vec(), directory.to_vec(), end.to_vec())
}

fn put(bytes: &mut [u8], at: usize, number: &[u8]) {
    bytes[at..at + number.len()].copy_from_slice(number);
}

fn long(number: usize) -> [u8; 4] {
    u32::try_from(number).expect("a short archive").to_le_bytes()
}

#[test]
fn the_end_of_an_archive_leads_to_the_directory_that_was_read() {
    assert_eq!(packing(stored("a.txt", b"first")), Packing::Zipped(1));
    // Behind the directory of the first file.
    let (local, directory, _) = parts(&stored("a.txt", b"first"));
    let (mut archive, begins) = ([&local[..], &directory].concat(), local.len() + directory.len());
    let (local, mut directory, mut end) = parts(&stored("a.txt", b"other"));
    put(&mut directory, 42, &long(begins));
    put(&mut end, 16, &long(begins + local.len()));
    archive.extend([local, directory, end].concat());
    assert_eq!(packing(archive), Packing::Unreadable);
    // In the first file.
    let (hidden, mut directory, _) = parts(&stored("a.txt", b"other"));
    put(&mut directory, 42, &long(30 + "a.txt".len()));
    let (local, listed, mut end) = parts(&stored("a.txt", &[&hidden[..], &directory].concat()));
    put(&mut end, 16, &long(30 + "a.txt".len() + hidden.len()));
    assert_eq!(packing([local, listed, end].concat()), Packing::Unreadable);
}

#[test]
fn an_archive_ends_once_and_all_of_it_agrees() {
    let archive = stored("a.txt", b"first");
    let (local, directory, end) = parts(&archive);
    assert_eq!(packing([&archive[..], &end].concat()), Packing::Unreadable, "two ends");
    let mut commented = end.clone();
    put(&mut commented, 20, &[22, 0]);
    let behind = [&local[..], &directory, &commented, &end].concat();
    assert_eq!(packing(behind), Packing::Unreadable, "an end in the comment");
    let twice = [&local[..], &directory, &directory, &end].concat();
    assert_eq!(packing(twice), Packing::Unreadable, "a file listed twice, counted once");
    let numbers: [(usize, &[u8], &str); 5] = [
        (4, &[1], "another disk"),
        (8, &[2], "another number of files on this disk"),
        (12, &[1, 1], "the directory's length"),
        (16, &[0, 0], "the directory's place"),
        (16, &[0xff; 4], "a place that a record tells which is not there"),
    ];
    for (at, number, what) in numbers {
        let mut end = end.clone();
        put(&mut end, at, number);
        assert_eq!(packing([&local[..], &directory, &end].concat()), Packing::Unreadable, "{what}");
    }
}

#[test]
fn the_directory_describes_the_file_that_was_read() {
    let (local, directory, end) = parts(&zipped("a.txt", b"first"));
    let numbers: [(usize, &[u8], &str); 7] = [
        (8, &[1], "encrypted"),
        (10, &[0], "another method"),
        (16, &[0], "the checksum"),
        (20, &[0xff; 4], "a packed length that an extra field tells which is not there"),
        (24, &[0xff; 4], "the same of the unpacked length"),
        (42, &[1], "where the file begins"),
        (42, &[0xff; 4], "where the file begins, told by an extra field which is not there"),
    ];
    for (at, number, what) in numbers {
        let mut directory = directory.clone();
        put(&mut directory, at, number);
        assert_eq!(packing([&local[..], &directory, &end].concat()), Packing::Unreadable, "{what}");
    }
}

#[test]
fn a_wide_place_in_the_directory_is_looked_up() {
    let (local, directory, end) = parts(&zipped("a.txt", b"first"));
    let listed = |place: u64| {
        let (mut directory, mut end) = (directory.clone(), end.clone());
        put(&mut directory, 30, &[12, 0]);
        put(&mut directory, 42, &[0xff; 4]);
        // ZIP64 with the one number that the header leaves to it (APPNOTE 4.5.3).
        directory.extend([&[1, 0, 8, 0][..], &place.to_le_bytes()].concat());
        put(&mut end, 12, &long(directory.len()));
        [&local[..], &directory, &end].concat()
    };
    assert_eq!(packing(listed(0)), Packing::Zipped(1));
    assert_eq!(packing(listed(1)), Packing::Unreadable);
}

#[test]
fn a_stored_file_has_its_length_before_it() {
    // ZipInputStream of the JDK: "only DEFLATED entries can have EXT descriptor".
    let (mut local, directory, mut end) = parts(&stored("a.txt", b"first"));
    local[6] |= 8;
    let descriptor = [b"PK\x07\x08", &local[14..26]].concat();
    local.extend(descriptor);
    put(&mut end, 16, &long(local.len()));
    assert_eq!(packing([local, directory, end].concat()), Packing::Unreadable);
}

#[test]
fn many_small_archives_count_like_a_large_one() {
    let mut zip = ZipWriter::new(Vec::new()).best();
    zip.deflated("a.txt", &mut std::io::repeat(0).take(200 << 10)).expect("memory takes all");
    let small = zip.finish().expect("memory takes all");
    assert!(small.len() < 500, "{} bytes", small.len());
    let with = |count: usize| {
        let attach = |letter: lienthong_schemas::edxml::DocumentBuilder, n| {
            letter.attach(&format!("{n}.txt"), "application/zip", Cursor::new(small.clone()))
        };
        read(&built((0..count).fold(letter(), attach)))
    };
    with(1).expect("one is no bomb");
    let rejection = with(100).expect_err("a hundred are");
    assert_eq!(rejection.code.row().name, "ARCHIVE_RATIO", "{rejection}");
    assert_eq!(rejection.field.as_deref(), Some("AttachmentEncoded/Attachment[7]/ContentTransferEncoded"));
}
