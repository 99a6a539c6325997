//! `lienthong text convert` as a person meets it: old text in, Unicode out, and nothing half.
#![allow(clippy::panic, clippy::print_stdout, reason = "this is test code, though not in test functions")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use acceptance::{letter, run_with, text, workspace};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");

const OLD: &[u8] = b"C\xe9ng h\xdfa x\xb7 h\xe9i ch\xf1 ngh\xdca Vi\xd6t Nam\n";
const MEANT: &str = "Cộng hòa xã hội chủ nghĩa Việt Nam\n";

fn convert(arguments: &[&str]) -> Output {
    run_with(PROGRAM.as_ref(), &[&["text", "convert"], arguments].concat(), &[])
}

fn piped(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(PROGRAM)
        .args(["text", "convert"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    let mut stdin = child.stdin.take().expect("its input");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("its end");
    writer.join().expect("all of it was offered");
    output
}

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("a plain path").to_owned()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        std::fs::write(self.path(name), bytes).expect("written");
        self.path(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).expect("the folder");
        let mut names: Vec<_> =
            entries.map(|e| e.expect("an entry").file_name().into_string().expect("plain")).collect();
        names.sort();
        names
    }
}

#[test]
fn standard_input_is_converted_by_name_or_by_itself() {
    for from in ["tcvn3", "tcvn5712", "auto"] {
        let output = piped(&["--from", from], OLD);
        assert_eq!((output.status.code(), text(&output.stdout).as_ref()), (Some(0), MEANT), "{from}");
    }
    let output = piped(&["--from", "auto", "-"], OLD);
    assert!(text(&output.stderr).contains("nhận ra bảng mã TCVN3"), "{}", text(&output.stderr));
    let surface: String = OLD.iter().map(|b| char::from(*b)).collect();
    for from in ["tcvn3", "auto"] {
        assert_eq!(text(&piped(&["--from", from], surface.as_bytes()).stdout), MEANT, "old letters in UTF-8");
    }
    let capitals = piped(&["--from", "auto", "--capitals"], OLD);
    assert_eq!(text(&capitals.stdout), MEANT.to_uppercase());
    let nfd = piped(&["--from", "auto", "--to", "nfd"], MEANT.as_bytes());
    assert_eq!(
        text(&nfd.stdout),
        "Co\u{323}\u{302}ng ho\u{300}a xa\u{303} ho\u{323}\u{302}i chu\u{309} nghi\u{303}a \
                                   Vie\u{323}\u{302}t Nam\n"
    );
    assert_eq!(text(&piped(&["--from", "auto"], &nfd.stdout).stdout), MEANT);
    assert_eq!(text(&piped(&["--from", "viqr"], b"Ho^.i ddo^`ng").stdout), "Hội đồng");
    assert_eq!(text(&piped(&["--from", "vni"], b"Ho\xe4i \xf1o\xe0ng").stdout), "Hội đồng");
    assert_eq!(text(&piped(&["--from", "cp1258"], b"H\xf4\xf2i \xf0\xf4\xccng").stdout), "Hội đồng");
}

#[test]
fn files_are_converted_one_after_the_other_each_by_its_own_encoding() {
    let desk = Desk::new();
    let (a, b) = (desk.write("a.txt", OLD), desk.write("b.txt", "Hà Nội\r\n".as_bytes()));
    let output = convert(&["--from", "auto", &a, &b]);
    assert_eq!(text(&output.stdout), format!("{MEANT}Hà Nội\r\n"));
    let out = desk.path("out.txt");
    assert_eq!(convert(&["--from", "auto", &a, &b, "-o", &out]).status.code(), Some(0));
    assert_eq!(std::fs::read(&out).expect("the result"), output.stdout);
    // In place, and with the permissions that the file had.
    let mode = |path: &str| {
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).expect("a file").permissions())
    };
    let private = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o640);
    std::fs::set_permissions(&a, private).expect("mine");
    std::os::unix::fs::symlink("a.txt", desk.path("link")).expect("a link");
    assert_eq!(convert(&["--from", "tcvn3", &a, "-o", &desk.path("link")]).status.code(), Some(0));
    assert_eq!(std::fs::read_to_string(&a).expect("the result"), MEANT);
    assert_eq!(mode(&a) & 0o777, 0o640);
    assert_eq!(desk.names(), ["a.txt", "b.txt", "link", "out.txt"]);
}

#[test]
fn what_cannot_be_converted_is_named_and_nothing_is_written() {
    let desk = Desk::new();
    let good = desk.write("good.txt", OLD);
    // Beyond the first piece that is read.
    let bad = desk.write("bad.txt", &[OLD.repeat(4000), b"abc\xff".to_vec()].concat());
    let out = desk.path("out.txt");
    let at = OLD.len() * 4000 + 3;
    for output in [
        convert(&["--from", "auto", &good, &bad]),
        convert(&["--from", "tcvn3", &good, &bad, "-o", &out]),
        convert(&["--from", "tcvn3", &bad, "-o", &good]),
    ] {
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
        let words = text(&output.stderr);
        assert!(words.contains(&format!("byte {at} (FF): không đọc được theo TCVN3")), "{words}");
    }
    assert_eq!(std::fs::read(&good).expect("untouched"), OLD);
    assert_eq!(desk.names(), ["bad.txt", "good.txt"], "no draft is left");
}

#[test]
fn what_is_not_certain_is_refused() {
    for (bytes, words) in [
        (&b"C\xe9ng"[..], "có thể là TCVN3"),
        (b"Ho^.i ngh", "có thể là UTF-8, VIQR"),
        (b"Soci\xe9t\xe9 G\xe9n\xe9rale", "không nhận ra bảng mã"),
        (b"a\0b", "có byte 0"),
    ] {
        let output = piped(&["--from", "auto"], bytes);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
        assert!(text(&output.stderr).contains(words), "{}", text(&output.stderr));
    }
    assert_eq!(convert(&["--from", "latin1"]).status.code(), Some(3));
    assert_eq!(convert(&["--from", "vni", "--capitals"]).status.code(), Some(3));
    assert_eq!(convert(&["--from", "auto", "/nowhere/\x1b[31m"]).status.code(), Some(3));
    let words = convert(&["--from", "auto", "/nowhere/\x1b[31m"]).stderr;
    assert!(!words.contains(&0x1b), "{}", text(&words));
    let desk = Desk::new();
    assert_eq!(piped(&["--from", "vni", "-o", &desk.path("")], b"x").status.code(), Some(3), "a folder");
}

/// Whatever command complains of it.
#[test]
fn a_file_whose_name_holds_escapes_moves_no_cursor() {
    let name = "/nowhere/\x1b[31m\u{9b}2J\u{202e}.edxml";
    for arguments in [
        &["inspect", name][..],
        &["verify", name],
        &["sign", name, "--key", name, "--cert", name],
        &["text", "convert", "--from", "auto", name],
    ] {
        let output = run_with(PROGRAM.as_ref(), arguments, &[]);
        let said = text(&output.stderr);
        assert!(said.contains("\\u{1b}[31m\\u{9b}2J\\u{202e}"), "{arguments:?}: {said}");
        assert!(!said.contains(['\x1b', '\u{9b}', '\u{202e}']), "{arguments:?}");
    }
}

#[test]
fn packets_are_never_rewritten() {
    let desk = Desk::new();
    let packet = letter(1, &[1]).to_bytes().expect("a packet");
    let utf16: Vec<u8> =
        [&b"\xff\xfe"[..], &packet.iter().flat_map(|b| [*b, 0]).collect::<Vec<_>>()].concat();
    let garbage = [b"1212<!-- a --><?b c?>", &packet[..]].concat();
    let mut packets = vec![desk.write("a.edxml", &packet), desk.write("b.edxml", &utf16)];
    packets.push(desk.write("c.edxml", &garbage));
    packets.extend(corpus_packets().iter().map(|path| path.to_str().expect("plain").to_owned()));
    for packet in packets {
        for from in ["auto", "vni"] {
            let output = convert(&["--from", from, &packet, "-o", &desk.path("out")]);
            assert_eq!(output.status.code(), Some(1), "{packet}");
            assert!(text(&output.stderr).contains("lienthong inspect"), "{}", text(&output.stderr));
        }
    }
    assert_eq!(desk.names(), ["a.edxml", "b.edxml", "c.edxml"]);
    for other in ["Trong <edXML> có gì", "<html><edXML/></html>", "a < b", "<?xml version='1.0'?>"] {
        let expected = if other.starts_with("Trong") { Some(1) } else { Some(0) };
        assert_eq!(piped(&["--from", "auto"], other.as_bytes()).status.code(), expected, "{other}");
    }
}

/// The corpus' packets, or none with a word.
fn corpus_packets() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(workspace().join("../shared/corpus/edxml")) else {
        println!("SKIPPED: corpus absent");
        return Vec::new();
    };
    let is_packet = |path: &PathBuf| path.extension().is_some_and(|e| e == "edxml");
    entries.map(|e| e.expect("an entry").path()).filter(is_packet).collect()
}

/// A terminal would obey what stands in the text; `script` gives the program one.
#[test]
fn a_terminal_gets_the_text_escaped() {
    let desk = Desk::new();
    let file = desk.write("a.txt", "Hà\tNội\x1b[2J\u{202e}\r\nhết\n".as_bytes());
    if !Path::new("/usr/bin/script").exists() {
        println!("SKIPPED: no script(1)");
        return;
    }
    let line = format!("{PROGRAM} text convert --from auto {file}");
    let output = run_with("/usr/bin/script".as_ref(), &["-qec", &line, "/dev/null"], &[]);
    let shown = text(&output.stdout).replace("\r\n", "\n");
    assert_eq!(shown, "Hà\tNội\\u{1b}[2J\\u{202e}\nhết\n");
    let output = convert(&["--from", "auto", &file]);
    assert_eq!(output.stdout, std::fs::read(&file).expect("the file"), "a file or pipe gets it as it is");
}

/// The corpus' sentences, through the program.
#[test]
fn samples_of_the_corpus_are_converted() {
    let Ok(table) = std::fs::read_to_string(workspace().join("../shared/corpus/encodings/samples.tsv"))
    else {
        println!("SKIPPED: corpus absent");
        return;
    };
    let mut rows = 0;
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let from = match cells[1] {
            "tcvn3" => "tcvn3",
            "tcvn5712-vn1" => "tcvn5712",
            "vni-windows" => "vni",
            "viqr" => "viqr",
            "windows-1258" => "cp1258",
            _ => "utf8",
        };
        let bytes =
            cells[2].split(' ').map(|byte| u8::from_str_radix(byte, 16).expect("hex")).collect::<Vec<_>>();
        let output = piped(&["--from", from], &bytes);
        assert_eq!((output.status.code(), text(&output.stdout).as_ref()), (Some(0), cells[4]), "{line}");
        rows += 1;
    }
    assert!(rows >= 56);
}
