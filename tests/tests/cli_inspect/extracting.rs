//! `--extract`: every attachment or none, inside the folder whatever its name, and over nothing that is there.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Command;

use acceptance::{letter, text};
use lienthong_schemas::edxml::DocumentBuilder;
use lienthong_schemas::ids::PacketDigest;

use super::archive::zip;
use super::{Desk, PROGRAM, corpus, json, packet, plain, run, said};

/// All that is in a folder: names, and contents of plain files.
fn folder(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry"));
    let named = |entry: std::fs::DirEntry| {
        let bytes = if entry.file_type().expect("a type").is_file() {
            std::fs::read(entry.path()).expect("a file")
        } else {
            Vec::new()
        };
        (entry.file_name().into_string().expect("UTF-8"), bytes)
    };
    entries.map(named).collect()
}

fn attached(files: &[(&str, &[u8])]) -> DocumentBuilder {
    files.iter().fold(letter(1, &[1]), |letter, (name, bytes)| {
        letter.attach(name, "application/octet-stream", std::io::Cursor::new(bytes.to_vec()))
    })
}

/// Extraction that must not happen: the exit code, what is said, and nothing in the folder but what was there.
fn nothing_comes_of(file: &Path, into: &Path, code: i32) -> String {
    let before = into.is_dir().then(|| folder(into));
    let output = run(&["inspect", plain(file), "--extract", plain(into)]);
    let told = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert_eq!(into.is_dir().then(|| folder(into)), before, "{told}");
    told
}

#[test]
fn attachments_are_written_as_receivers_open_them() {
    let desk = Desk::new();
    let out = desk.path("out");
    let page = said(&["inspect", plain(&packet("document.edxml")), "--extract", plain(&out)]);
    let written = folder(&out);
    assert_eq!(written.keys().collect::<Vec<_>>(), ["15_STN-VP.pdf", "phu luc.txt"]);
    assert!(written["15_STN-VP.pdf"].starts_with(b"%PDF-1.7"));
    assert_eq!(text(&written["phu luc.txt"]), "Danh mục mã định danh\n".repeat(200), "out of its ZIP");
    for (name, bytes) in &written {
        assert!(page.contains(&PacketDigest::of(bytes).to_string()), "{page}");
        assert!(page.replace(char::is_whitespace, "").contains(&name.replace(' ', "")), "{page}");
        let mode = std::fs::metadata(out.join(name)).expect("a file").mode() & 0o777;
        assert_eq!(mode & !0o640, 0, "{mode:o}");
    }
    let shown = json(&[plain(&packet("document.edxml")), "--extract", plain(&desk.path("again"))]);
    assert_eq!(shown["attachments"][1]["saved"], "phu luc.txt");
    assert_eq!(folder(&desk.path("again")), written);
    let unsaved = json(&[plain(&packet("document.edxml"))]);
    let one = &unsaved["attachments"][1];
    assert!(one["saved"].is_null() && one["safe_name"] == "phu luc.txt", "{one}");
}

#[test]
fn hostile_names_stay_in_the_folder() {
    let long = format!("{}.pdf", "đ".repeat(150));
    let names = [
        "../../x",
        "/etc/passwd",
        "..",
        ".",
        "",
        "NUL",
        "con.txt",
        "a/b\\c:d",
        "\u{202e}fdp.exe",
        "-rf",
        ".bashrc",
        "cv.pdf",
        "cv.pdf",
        "CV.PDF",
        "x\u{9b}31m",
        "..\\..\\y",
        &long,
    ];
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, name.as_bytes())).collect();
    let desk = Desk::new();
    let file = desk.packet(attached(&files));
    let before = folder(desk.0.path());
    let shown = json(&[plain(&file), "--extract", plain(&desk.path("out"))]);
    let written = folder(&desk.path("out"));
    assert_eq!(written.len(), names.len(), "{:?}", written.keys());
    for (at, name) in names.iter().enumerate() {
        let saved = shown["attachments"][at]["saved"].as_str().expect("a name");
        assert_eq!(written[saved], name.as_bytes(), "{name:?} is {saved:?}");
        assert!(saved.len() <= 200 && !saved.starts_with(['.', '-']), "{saved:?}");
        assert!(!saved.chars().any(|c| c.is_control() || "/\\:\u{202e}".contains(c)), "{saved:?}");
    }
    let mut after = folder(desk.0.path());
    after.remove("out");
    assert_eq!(after, before, "nothing lies beside the folder");
}

#[test]
fn what_is_there_is_never_written_over_nor_followed() {
    let desk = Desk::new();
    let (file, out) = (desk.packet(attached(&[("a.txt", b"one"), ("b.txt", b"two")])), desk.path("out"));
    std::fs::create_dir(&out).expect("a folder");
    let target = desk.path("target");
    std::fs::write(&target, b"mine").expect("written");

    std::fs::write(out.join("b.txt"), b"mine").expect("written");
    let told = nothing_comes_of(&file, &out, 3);
    assert!(told.contains("b.txt") && told.contains("không ghi đè"), "{told}");
    std::fs::remove_file(out.join("b.txt")).expect("removed");

    for to in [target.as_path(), &desk.path("nowhere")] {
        symlink(to, out.join("b.txt")).expect("a link");
        nothing_comes_of(&file, &out, 3);
        std::fs::remove_file(out.join("b.txt")).expect("removed");
    }
    assert_eq!(std::fs::read(&target).expect("the target"), b"mine");
    assert!(!desk.path("nowhere").exists());

    std::fs::create_dir(out.join("a.txt")).expect("a folder");
    nothing_comes_of(&file, &out, 3);
}

#[test]
fn a_refused_packet_leaves_nothing() {
    let desk = Desk::new();
    let bytes = attached(&[("a.txt", b"one"), ("b.txt", b"two")]).to_bytes().expect("a packet");
    let whole = String::from_utf8(bytes).expect("UTF-8");
    for (broken, code) in [
        (whole.replace("dHdv", "dHd!"), "ATTACHMENT_INVALID"),
        (whole.replace("</edXML>", ""), "XML_MALFORMED"),
        (whole.replace("Công văn</edXML:TypeName>", "</edXML:TypeName>"), "FIELD_MISSING"),
    ] {
        assert_ne!(broken, whole);
        let file = desk.path("broken.edxml");
        std::fs::write(&file, broken).expect("written");
        let told = nothing_comes_of(&file, &desk.path("out"), 1);
        assert!(told.contains(code) && !desk.path("out").exists(), "{told}");
    }
    let there = desk.path("there");
    std::fs::create_dir(&there).expect("a folder");
    std::fs::write(there.join("mine"), b"mine").expect("written");
    nothing_comes_of(&desk.path("broken.edxml"), &there, 1);
}

#[test]
fn a_bomb_leaves_nothing() {
    let desk = Desk::new();
    let zeros = vec![0; 8 << 20];
    let bomb = zip(&[("a.txt", &zeros)]);
    let nested = (0..4).fold(b"hello".to_vec(), |inner, _| zip(&[("a.zip", &inner)]));
    for (bytes, code) in [(bomb, "ARCHIVE_RATIO"), (nested, "ARCHIVE_NESTED")] {
        let file = desk.packet(attached(&[("before.txt", b"one"), ("a.txt", &bytes)]));
        let told = nothing_comes_of(&file, &desk.path("out"), 1);
        assert!(told.contains(code) && !desk.path("out").exists(), "{told}");
    }
}

#[test]
fn of_several_files_the_first_is_written_and_the_archive_beside_it() {
    let desk = Desk::new();
    let archive = zip(&[("mot.txt", b"first"), ("../../hai.txt", b"second")]);
    let twice = zip(&[("x.txt", &archive)]);
    let file = desk.packet(attached(&[("a.txt", &archive), ("b.txt", &twice), ("c.zip", &archive)]));
    let shown = json(&[plain(&file), "--extract", plain(&desk.path("out"))]);
    let written = folder(&desk.path("out"));
    let names = ["a.txt", "a.txt.zip", "b.txt", "b.txt.zip", "c.zip"];
    assert_eq!(written.keys().collect::<Vec<_>>(), names);
    assert_eq!((&written["a.txt"][..], &written["b.txt"][..]), (&b"first"[..], &b"first"[..]));
    assert!([&written["a.txt.zip"], &written["b.txt.zip"], &written["c.zip"]].iter().all(|a| **a == archive));
    assert_eq!(shown["attachments"][1]["saved_archive"], "b.txt.zip");
    assert_eq!(shown["attachments"][1]["packing"], "first-of-several");
    assert!(shown["attachments"][2]["saved_archive"].is_null());
}

#[test]
fn empty_files_are_files_and_placeholders_are_not() {
    let desk = Desk::new();
    let file =
        desk.packet(attached(&[("rong.txt", b""), ("mau.txt", b"one"), ("nen.txt", &zip(&[("x", b"")]))]));
    let text = std::fs::read_to_string(&file).expect("the packet");
    std::fs::write(&file, text.replace(">b25l<", ">${__File(x)}<")).expect("written");
    let shown = json(&[plain(&file), "--extract", plain(&desk.path("out"))]);
    let written = folder(&desk.path("out"));
    assert_eq!(written.keys().collect::<Vec<_>>(), ["nen.txt", "rong.txt"], "{shown}");
    assert!(written.values().all(Vec::is_empty));
    assert!(shown["attachments"][1]["saved"].is_null(), "{shown}");
}

#[test]
fn a_packet_that_is_read_twice_is_written_once() {
    let desk = Desk::new();
    let file = desk.packet(attached(&[("a.txt", b"one"), ("b.txt", b"two")]));
    let text = std::fs::read_to_string(&file).expect("the packet");
    let (head, last) = text.split_at(text.rfind("<ContentType>").expect("a ContentType"));
    let last = last.replacen("<ContentType>", "<edXML:ContentType>", 1);
    let last = last.replacen("</ContentType>", "</edXML:ContentType>", 1);
    std::fs::write(&file, format!("{head}{last}")).expect("written");
    let shown = json(&[plain(&file), "--extract", plain(&desk.path("out"))]);
    assert_eq!(shown["undeclared_prefixes_repaired"], true);
    let written = folder(&desk.path("out"));
    assert_eq!((&written["a.txt"][..], &written["b.txt"][..]), (&b"one"[..], &b"two"[..]));
    assert_eq!(written.len(), 2);
}

#[test]
fn a_disk_that_takes_no_more_leaves_nothing() {
    let desk = Desk::new();
    let large = vec![b'x'; 1 << 20];
    let (file, out) = (desk.packet(attached(&[("a.txt", b"one"), ("b.txt", &large)])), desk.path("out"));
    // Files of this process tree end at 64 KiB, with an error and no signal.
    let script = "trap '' XFSZ; ulimit -f 128; exec \"$0\" inspect \"$1\" --extract \"$2\"";
    let output = Command::new("sh").args(["-c", script, PROGRAM, plain(&file), plain(&out)]).output();
    let output = output.expect("sh runs");
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains(plain(&out)) && !out.exists(), "{}", text(&output.stderr));
}

#[test]
fn a_folder_that_cannot_be_is_told_before_anything_is_read() {
    let desk = Desk::new();
    let file = desk.packet(attached(&[("a.txt", b"one")]));
    for out in [desk.path("no/such"), file.clone()] {
        let output = run(&["inspect", plain(&file), "--extract", plain(&out)]);
        assert_eq!(output.status.code(), Some(3));
        assert!(output.stdout.is_empty() && text(&output.stderr).contains(plain(&out)));
    }
}

#[test]
fn every_attachment_of_the_corpus_has_its_own_digest() {
    for path in corpus() {
        let desk = Desk::new();
        let shown = json(&[plain(&path), "--extract", plain(&desk.path("out"))]);
        let Some(attachments) = shown["attachments"].as_array() else { continue };
        let written = folder(&desk.path("out"));
        let saved: Vec<_> = attachments.iter().filter(|a| a["saved"].is_string()).collect();
        assert!(
            saved.len() <= written.len() && (saved.is_empty() == written.is_empty()),
            "{}",
            path.display()
        );
        for attachment in saved {
            let bytes = &written[attachment["saved"].as_str().expect("a name")];
            assert_eq!(
                attachment["file"]["sha256"],
                PacketDigest::of(bytes).to_string(),
                "{}",
                path.display()
            );
            assert_eq!(attachment["file"]["bytes"], bytes.len() as u64);
        }
    }
}
