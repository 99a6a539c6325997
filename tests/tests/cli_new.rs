//! `lienthong new` as a person meets it: a packet that every other command takes, or words on what is wrong and no file.
#![allow(clippy::panic, reason = "this is test code, though not in test functions")]

use std::process::Output;

use acceptance::{run_with, text};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");

const PDF: &[u8] = b"%PDF-1.7\n1 0 obj <<>> endobj\n";

fn run(arguments: &[&str]) -> Output {
    run_with(PROGRAM.as_ref(), arguments, &[])
}

/// Runs it with this exit code; what it said on stderr.
fn said(code: i32, arguments: &[&str]) -> String {
    let output = run(arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    said
}

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().expect("a folder"));
        desk.write("cong-van.pdf", PDF);
        desk.write("phu-luc.txt", "xin chào".as_bytes());
        desk
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("a plain path").to_owned()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        std::fs::write(self.0.path().join(name), bytes).expect("written");
        self.path(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).expect("the folder");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn shown(&self, name: &str) -> Value {
        let output = run(&["inspect", &self.path(name), "--json"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

/// Flags of a letter that every rule takes; what `more` says goes before it.
fn letter<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let plain = [
        ["--from", "H55.15"],
        ["--from-name", "Sở Thử nghiệm"],
        ["--to", "H55.16=Sở Liên thông"],
        ["--to", "G22"],
        ["--number", "12"],
        ["--notation", "STN-VP"],
        ["--date", "2026-01-02"],
        ["--place", "Thái Nguyên"],
        ["--type", "Công văn"],
        ["--subject", "V/v <thử nghiệm> & \"liên thông\""],
        ["--signer", "Người Ký"],
        ["--position", "Giám đốc"],
    ];
    let plain = plain.into_iter().filter(|[flag, _]| *flag == "--to" || !more.contains(flag)).flatten();
    ["new"].into_iter().chain(plain).chain(more.iter().copied()).collect()
}

#[test]
fn a_packet_from_flags_is_inspected_signed_and_verified() {
    let desk = Desk::new();
    let (packet, signed) = (desk.path("goi-tin.edxml"), desk.path("da-ky.edxml"));
    let (pdf, other) = (desk.path("cong-van.pdf"), format!("{}:Phụ lục: một.txt", desk.path("phu-luc.txt")));
    said(
        0,
        &letter(&[
            "--attach",
            &pdf,
            "--attach",
            &other,
            "--priority",
            "Hỏa tốc",
            "--due",
            "2026/01/05",
            "-o",
            &packet,
        ]),
    );

    let shown = desk.shown("goi-tin.edxml").to_string();
    for part in [
        "H55.15,2026/01/02,12/STN-VP",
        "Sở Thử nghiệm",
        "Sở Liên thông",
        "2026/01/05",
        "cong-van.pdf",
        "Phụ lục: một.txt",
        "V/v <thử nghiệm> & \\\"liên thông\\\"",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let raw = std::fs::read_to_string(&packet).expect("the packet");
    assert!(raw.contains("<edXML:TypeDetail>18<") && raw.contains("<edXML:Priority>3<"), "{raw}");

    let pki = desk.path("pki");
    said(0, &["keygen", &pki, "--organ", "H55.15"]);
    let file = |ending: &str| {
        let names = std::fs::read_dir(&pki).expect("the PKI").map(|entry| entry.expect("an entry").path());
        let mut paths = names
            .filter(|p| p.to_string_lossy().contains("15") && p.extension().is_some_and(|e| e == ending));
        paths.next().expect("a file of the organisation").to_str().expect("plain").to_owned()
    };
    let (certificate, key) = (file("crt"), file("key"));
    said(0, &["sign", &packet, "--key", &key, "--cert", &certificate, "-o", &signed]);
    said(0, &["verify", &signed, "--cert", &certificate, "--ca", &format!("{pki}/ca.crt")]);
}

#[test]
fn a_packet_comes_from_a_file_that_flags_amend() {
    let desk = Desk::new();
    let template = run(&["new", "--print-template"]);
    assert_eq!(template.status.code(), Some(0));
    let toml = text(&template.stdout)
        .replace("#[[attachments]]\n#file", "[[attachments]]\nfile")
        .replace("#priority = \"khẩn\"", "priority = \"khẩn\"");
    let file = desk.write("goi-tin.toml", toml.as_bytes());
    let packet = desk.path("goi-tin.edxml");
    said(0, &["new", "document", "--file", &file, "--number", "99", "-o", &packet]);
    let raw = std::fs::read_to_string(&packet).expect("the packet");
    for part in [
        "<edXML:CodeNumber>99<",
        "<edXML:Priority>1<",
        "<edXML:DocumentId>H55.15,2026/01/02,99/STN-VP<",
        "<AttachmentName>cong-van.pdf<",
        "<ContentType>application/pdf<",
        "<edXML:BussinessDocType>0<",
    ] {
        assert!(raw.contains(part), "{part}: {raw}");
    }
    let unknown = desk.write("sai.toml", b"subjekt = \"x\"\n");
    let words = said(3, &["new", "--file", &unknown]);
    assert!(words.contains("line 1") && words.contains("subjekt"), "{words}");
    let absent = desk
        .write("thieu.toml", toml.replace("file = \"cong-van.pdf\"", "file = \"khong-co.pdf\"").as_bytes());
    assert!(said(3, &["new", "--file", &absent]).contains("khong-co.pdf"));
}

#[test]
fn changes_name_the_document_and_the_reason() {
    let desk = Desk::new();
    let old = "H55.15,2025/12/30,11/STN-VP";
    for (flag, digit) in [("--revoke", '1'), ("--update", '2'), ("--replace", '3')] {
        let packet = desk.path(&format!("{digit}.edxml"));
        let words = said(1, &letter(&[flag, old, "-o", &packet]));
        assert!(words.contains("Bussiness/BussinessDocReason: bắt buộc phải có (must be there)"), "{words}");
        said(0, &letter(&[flag, old, "--reason", "Sai thể thức", "--paper", "-o", &packet]));
        let raw = std::fs::read_to_string(&packet).expect("the packet");
        let business = raw.split("<edXML:Bussiness>").nth(1).expect("business data");
        assert!(business.contains(&format!("<edXML:BussinessDocType>{digit}<")), "{business}");
        assert!(business.contains(old) && business.contains("<edXML:Paper>1<"), "{business}");
    }
    assert_eq!(run(&letter(&["--revoke", old, "--update", old])).status.code(), Some(3));
}

#[test]
fn a_packet_that_breaks_rules_is_told_by_field_and_not_written() {
    let desk = Desk::new();
    let packet = desk.path("goi-tin.edxml");
    let words = said(1, &["new", "--from", "H55 15", "--date", "2026/02/30", "--number", "1", "-o", &packet]);
    for field in [
        "From/OrganId: phải là mã định danh",
        "To/OrganId: bắt buộc",
        "Code/CodeNotation: bắt buộc",
        "PromulgationDate: phải là ngày có thật",
        "DocumentType/TypeName: bắt buộc",
        "Subject: bắt buộc",
        "FullName: bắt buộc",
    ] {
        assert!(words.contains(field), "{field}: {words}");
    }
    assert!(said(1, &letter(&["--sphere", "Tối mật", "-o", &packet])).contains("SECRET_NOT_CARRIED"));
    let twice = said(1, &letter(&["--to", "h55.16", "-o", &packet]));
    assert!(twice.contains("To[3]/OrganId: bị lặp"), "{twice}");
    let zip = desk.write("a.txt", b"PK\x03\x04 and more");
    assert!(said(1, &letter(&["--attach", &zip, "-o", &packet])).contains("ZIP"));
    assert!(said(3, &letter(&["--priority", "9", "-o", &packet])).contains("--priority"));
    assert!(said(3, &letter(&["--attach", &desk.path("khong-co"), "-o", &packet])).contains("khong-co"));
    assert!(said(3, &letter(&["--attach", &desk.path(""), "-o", &packet])).contains("không phải tệp thường"));
    assert_eq!(desk.names(), ["a.txt", "cong-van.pdf", "phu-luc.txt"], "nothing is left behind");
}

#[test]
fn a_file_that_is_there_is_replaced_only_when_asked_for() {
    let desk = Desk::new();
    let packet = desk.write("goi-tin.edxml", b"old");
    let words = said(3, &letter(&["-o", &packet]));
    assert!(words.contains("--force"), "{words}");
    assert_eq!(std::fs::read(&packet).expect("read"), b"old");
    said(1, &letter(&["-o", &packet, "--force", "--subject", " "]));
    assert_eq!(std::fs::read(&packet).expect("read"), b"old", "a refused packet replaces nothing");
    said(0, &letter(&["-o", &packet, "--force"]));
    let stdout = run(&letter(&[]));
    let [file, stdout] =
        [std::fs::read_to_string(&packet).expect("read"), text(&stdout.stdout)].map(|packet| {
            // Only the time of the first hop differs.
            packet.split("<edXML:Timestamp>").next().expect("the start").to_owned()
        });
    assert_eq!(file, stdout);
    assert_eq!(desk.names(), ["cong-van.pdf", "goi-tin.edxml", "phu-luc.txt"]);
}

#[test]
fn a_type_that_no_list_has_is_said_and_written() {
    let desk = Desk::new();
    let packet = desk.path("goi-tin.edxml");
    let words = said(0, &letter(&["--type", "Giấy khen", "-o", &packet]));
    assert!(words.contains("Giấy khen"), "{words}");
    assert!(said(0, &letter(&["-o", &desk.path("2.edxml")])).is_empty(), "nothing to say of a good packet");
}

#[test]
fn a_status_answers_the_document_it_is_about() {
    let desk = Desk::new();
    let document = desk.path("van-ban.edxml");
    said(0, &letter(&["-o", &document]));
    let answer = desk.path("03.edxml");
    let status = |code: &str, from: &str, more: &[&str]| -> Vec<String> {
        let flags = ["new", "status", "--code", code, "--from", from];
        flags.iter().chain(more).map(|text| (*text).to_owned()).collect()
    };
    let run_status = |code: i32, arguments: Vec<String>| {
        said(code, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    run_status(
        0,
        status(
            "03",
            "H55.16",
            &[
                "--about",
                &document,
                "--timestamp",
                "2026/01/03 08:00:00",
                "--staff",
                "Văn Thư",
                "-o",
                &answer,
            ],
        ),
    );
    let raw = std::fs::read_to_string(&answer).expect("the packet");
    for part in [
        "<edXML:StatusCode>03<",
        "<edXML:Timestamp>2026/01/03 08:00:00<",
        "<edXML:DocumentId>H55.15,2026/01/02,12/STN-VP<",
        "<edXML:Code>12/STN-VP<",
        "<edXML:PromulgationDate>2026/01/02<",
        "<edXML:Staff>Văn Thư<",
    ] {
        assert!(raw.contains(part), "{part}: {raw}");
    }
    assert_eq!(desk.shown("03.edxml")["kind"], "status");

    assert!(run_status(1, status("02", "H55.16", &["--about", &document])).contains("--reason"));
    run_status(1, status("03", "H01", &["--about", &document]));
    assert!(
        run_status(3, status("13", "H55.15", &["--about", &document, "--reason", "nhầm"])).contains("--to")
    );
    run_status(
        0,
        status(
            "13",
            "H55.15",
            &["--about", &document, "--reason", "nhầm", "--to", "G22", "-o", &desk.path("13.edxml")],
        ),
    );
    run_status(3, status("07", "H55.16", &["--about", &document]));
    run_status(3, status("03", "H55.16", &["--about", &answer]));
    let by_hand =
        ["--to", "H55.15", "--document-id", "x", "--document-code", "1/A", "--document-date", "2026-01-02"];
    run_status(0, status("01", "H55.16", &by_hand));
    assert!(run_status(1, status("01", "H55.16", &["--to", "H55.15"])).contains("STATUS_SUBJECT_MISSING"));
}
