//! The command line as operators and scripts meet it: exit codes, what is said, and that other tools agree.
#![allow(clippy::panic, clippy::print_stdout, reason = "this is test code, though not in test functions")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use acceptance::{Stage, letter, run_with, text, workspace};
use lienthong::demo::world::AGENCIES;
use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::PKey;
use openssl::x509::X509;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");

fn run(arguments: &[&str]) -> Output {
    run_with(PROGRAM.as_ref(), arguments, &[])
}

fn code(arguments: &[&str]) -> i32 {
    run(arguments).status.code().expect("an exit code")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|cause| panic!("{cause}: {} {}", text(&output.stdout), text(&output.stderr)))
}

/// A folder of the corpus, or `None` with a word.
fn corpus(folder: &str) -> Option<PathBuf> {
    let path = workspace().join("../shared/corpus").join(folder);
    if path.is_dir() {
        return Some(path);
    }
    println!("SKIPPED: corpus absent");
    None
}

/// A folder with a trial PKI, a letter and its signed form.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().expect("a folder") };
        let pki = desk.path("pki");
        assert_eq!(code(&["keygen", &pki, "--organ", "H55", "--organ", "H55.15"]), 0);
        let document = letter(1, &[1]).attach("a.txt", "text/plain", &b"xin ch\xc3\xa0o"[..]);
        desk.write("letter.edxml", &document.to_bytes().expect("a packet"));
        desk
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("a plain path").to_owned()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        std::fs::write(self.folder.path().join(name), bytes).expect("written");
        self.path(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).expect("read")
    }

    /// The certificate and key files of an organisation, by the order of `keygen`'s lines.
    fn files_of(&self, organ: &str) -> (String, String) {
        let named = |ending: &str| {
            let folder = std::fs::read_dir(self.folder.path().join("pki")).expect("the PKI");
            let names = folder.map(|entry| entry.expect("an entry").file_name());
            let mut names = names.map(|name| name.to_str().expect("plain").to_owned());
            let wanted = format!("{}.{ending}", organ.replace('.', "_"));
            let found = names.find(|name| *name == wanted || *name == format!("{organ}.{ending}"));
            self.path(&format!("pki/{}", found.unwrap_or_else(|| panic!("no {wanted}"))))
        };
        (named("crt"), named("key"))
    }

    fn sign(&self, organ: &str, out: &str) -> String {
        let (certificate, key) = self.files_of(organ);
        let (from, to) = (self.path("letter.edxml"), self.path(out));
        let output = run(&["sign", &from, "--key", &key, "--cert", &certificate, "-o", &to]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        to
    }
}

#[test]
fn inspect_reads_the_corpus_but_for_leading_garbage() {
    let Some(corpus) = corpus("edxml") else { return };
    let mut read = 0;
    for entry in std::fs::read_dir(corpus).expect("the corpus") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|ending| ending != "edxml") {
            continue;
        }
        let file = path.to_str().expect("a plain path");
        let (plain, output) = (run(&["inspect", file]), run(&["inspect", file, "--json"]));
        assert_eq!(plain.status.code(), output.status.code(), "{file}");
        assert!(!plain.stdout.is_empty(), "{file}");
        let shown = json(&output);
        if path.file_stem().is_some_and(|name| name == "edoc-new-leading-garbage") {
            assert_eq!(output.status.code(), Some(1), "{file}");
            assert_eq!(shown["rejected"][0]["code"], "XML_MALFORMED", "{file}");
        } else {
            assert_eq!(output.status.code(), Some(0), "{file}: {shown}");
            assert!(shown["kind"].is_string() && shown["from"]["organ_id"].is_string(), "{file}: {shown}");
            read += 1;
        }
    }
    assert!(read >= 15, "only {read} packets");
}

#[test]
fn inspect_escapes_what_a_packet_says() {
    let desk = Desk::new();
    let document = letter(2, &[1]).subject("V/v \u{202e}đảo ngược");
    let file = desk.write("bidi.edxml", &document.to_bytes().expect("a packet"));
    let output = run(&["inspect", &file]);
    assert_eq!(output.status.code(), Some(0));
    let said = text(&output.stdout);
    assert!(said.contains("đảo ngược") && !said.contains('\u{202e}'), "{said}");
}

#[test]
fn verify_tells_every_outcome_by_its_exit_code() {
    let desk = Desk::new();
    let ca = desk.path("pki/ca.crt");
    let certificate = desk.files_of("H55").0;
    let signed = desk.sign("H55", "signed.edxml");
    let verify = |file: &str| code(&["verify", file, "--cert", &certificate, "--ca", &ca]);
    assert_eq!(verify(&signed), 0);
    let tampered = desk.read("signed.edxml").replace("thử nghiệm số 1", "thử nghiệm số 9");
    assert_eq!(verify(&desk.write("tampered.edxml", tampered.as_bytes())), 1);
    let doctype = desk.read("signed.edxml").replacen("?>", "?>\n<!DOCTYPE edXML>", 1);
    assert_eq!(verify(&desk.write("doctype.edxml", doctype.as_bytes())), 1);
    assert_eq!(verify(&desk.sign("H55.15", "foreign.edxml")), 1, "another organisation's signature");
    assert_eq!(verify(&desk.path("letter.edxml")), 2, "no signature");
    let mut wide = vec![0xff, 0xfe];
    let text = desk.read("signed.edxml").replace("UTF-8", "UTF-16");
    wide.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    assert_eq!(verify(&desk.write("utf16.edxml", &wide)), 2, "an encoding outside the profile");
    assert_eq!(verify(&desk.path("missing.edxml")), 3);
    let no_key = desk.write("bad.crt", b"no certificate");
    assert_eq!(code(&["verify", &signed, "--cert", &no_key]), 3);
    assert_eq!(code(&["verify", &signed, "--cert", &certificate, "--at", "yesterday"]), 3);
    assert_eq!(code(&["verify"]), 3, "usage");
}

#[test]
fn sign_takes_a_pkcs12_file_and_its_password_from_a_file_only() {
    let desk = Desk::new();
    let (certificate, key) = desk.files_of("H55");
    let private = PKey::private_key_from_pem(&std::fs::read(key).expect("a key")).expect("a key");
    let x509 = X509::from_pem(&std::fs::read(&certificate).expect("PEM")).expect("a certificate");
    let file = Pkcs12::builder().pkey(&private).cert(&x509).build2("mật khẩu").and_then(|file| file.to_der());
    std::fs::write(desk.path("key.p12"), file.expect("a PKCS #12 file")).expect("written");
    let (from, to, file) = (desk.path("letter.edxml"), desk.path("p12.edxml"), desk.path("key.p12"));
    let sign = |more: &[&str]| run(&[&["sign", &from, "-o", &to], more].concat());

    let wrong = desk.write("wrong", "khác\n".as_bytes());
    let output = sign(&["--pkcs12", &file, "--password-file", &wrong]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("password"), "{}", text(&output.stderr));
    assert!(!Path::new(&to).exists(), "nothing appears");
    for incomplete in [
        &["--pkcs12", &*file][..],
        &["--password-file", &wrong],
        &["--cert", &certificate],
        &["--pkcs12", &file, "--password-file", &wrong, "--cert", &certificate],
        &[],
    ] {
        assert_eq!(sign(incomplete).status.code(), Some(3), "{incomplete:?}");
    }

    for written in ["mật khẩu\r\n", "\u{FEFF}mật khẩu\r\n"] {
        let password = desk.write("password", written.as_bytes());
        let output = sign(&["--pkcs12", &file, "--password-file", &password]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_eq!(code(&["verify", &to, "--cert", &certificate]), 0);
    }

    let output = run(&["sign", &to, "--pkcs12", &file, "--password-file", &desk.path("password")]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("đã có chữ ký (the document has a signature already)"));
    let long =
        desk.write("long", &[std::fs::read(&certificate).expect("a file"), vec![b'\n'; 1 << 20]].concat());
    let output = run(&["verify", &to, "--cert", &long]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("larger than 1 MiB"), "{}", text(&output.stderr));
}

#[test]
fn sign_refuses_a_certificate_that_is_not_valid_today() {
    let desk = Desk::new();
    let (from, to, key) = (desk.path("letter.edxml"), desk.path("late.edxml"), desk.files_of("H55").1);
    let private = PKey::private_key_from_pem(&std::fs::read(&key).expect("a key")).expect("a key");
    for (begins, ends, word) in [
        ("20200101000000Z", "20210101000000Z", "expired"),
        ("22000101000000Z", "22010101000000Z", "not yet valid"),
    ] {
        let time = |text: &str| Asn1Time::from_str(text).expect("a time");
        let mut builder = X509::builder().expect("a builder");
        builder.set_pubkey(&private).expect("a key");
        builder.set_not_before(&time(begins)).expect("a time");
        builder.set_not_after(&time(ends)).expect("a time");
        builder.sign(&private, MessageDigest::sha256()).expect("a signature");
        let certificate = desk.write("late.crt", &builder.build().to_pem().expect("PEM"));
        let output = run(&["sign", &from, "--key", &key, "--cert", &certificate, "-o", &to]);
        assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(word), "{}", text(&output.stderr));
        assert!(!Path::new(&to).exists(), "nothing appears");
    }
}

#[test]
fn xmlsec1_agrees_with_what_sign_writes() {
    let desk = Desk::new();
    let ca = desk.path("pki/ca.crt");
    for organ in ["H55", "H55.15"] {
        let signed = desk.sign(organ, &format!("{organ}.signed"));
        let arguments = ["--verify", "--trusted-pem", &ca, "--enabled-key-data", "x509", &signed];
        let output = Command::new("xmlsec1").args(arguments).output();
        let output = output.expect("this test needs xmlsec1 (Debian package xmlsec1; ./check installs it)");
        assert!(output.status.success(), "{organ}: {}", text(&output.stderr));
    }
}

#[test]
fn keygen_touches_no_folder_that_exists() {
    let desk = Desk::new();
    let before = desk.read("pki/ca.crt");
    assert_eq!(code(&["keygen", &desk.path("pki")]), 3);
    assert_eq!(desk.read("pki/ca.crt"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn config_check_lists_everything_that_is_wrong_at_once() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let config = stage.world.config.to_str().expect("a plain path").to_owned();
    let good = run(&["config", "check", "-c", &config]);
    assert_eq!(good.status.code(), Some(0), "{}", text(&good.stderr));

    let broken = std::fs::read_to_string(&config).expect("the settings");
    let broken = broken
        .replace("retry_max = \"2s\"", "retry_max = \"soon\"\nretry_often = true")
        .replace("profile = \"trial\"", "profile = \"test\"")
        .replace("pki/ca.crt", "pki/absent.crt")
        .replace("timeout = \"60s\"", "timeout = -1");
    std::fs::write(&config, broken).expect("written");
    let output = run(&["config", "check", "-c", &config]);
    assert_eq!(output.status.code(), Some(3));
    let said = text(&output.stdout) + &text(&output.stderr);
    for key in ["retry_max", "retry_often", "profile", "trust.ca", "timeout"] {
        assert!(said.contains(key), "{key} is not named:\n{said}");
    }
    let serve = run(&["serve", "-c", &config]);
    assert_eq!(serve.status.code(), Some(3));
    assert!(text(&serve.stderr).contains("retry_often"), "{}", text(&serve.stderr));
    assert_eq!(code(&["config", "check", "-c", &format!("{config}.absent")]), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn trial_keys_do_not_meet_real_traffic() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let config = stage.world.config.to_str().expect("a plain path").to_owned();
    let settings = std::fs::read_to_string(&config).expect("the settings");
    std::fs::write(&config, settings.replace("\"trial\"", "\"production\"")).expect("written");
    let output = stage.run(&["serve", "-c", &config]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("profile = \"trial\""), "{}", text(&output.stderr));
    assert!(!stage.world.folder.join("data").exists(), "nothing was begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_gateway_answers_send_and_documents_show() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let mut gateway = stage.start().await;
    let plain = |path: &Path| path.to_str().expect("a plain path").to_owned();
    let (config, packet) = (plain(&stage.world.config), plain(&stage.letter(1, &[1])));
    let (url, token) = (format!("http://{}", stage.world.public), plain(&stage.world.token_file(0)));
    let sent = run(&["send", &packet, "--url", &url, "--token-file", &token, "--idempotency-key", "k"]);
    assert_eq!(sent.status.code(), Some(0), "{}", text(&sent.stderr));
    let id = json(&sent)["document_id"].as_str().expect("an id").to_owned();
    stage.delivered(&id, packet.as_ref(), &[1]).await;

    let shown = run(&["documents", "show", &id, "--url", &url, "--token-file", &token]);
    assert_eq!(shown.status.code(), Some(0), "{}", text(&shown.stderr));
    assert_eq!(json(&shown)["deliveries"][0]["state"], "received");
    let others = plain(&stage.world.token_file(2));
    assert_eq!(code(&["documents", "show", &id, "--url", &url, "--token-file", &others]), 1);
    let unsigned = plain(&stage.world.unsigned("u.edxml", letter(2, &[1])).expect("a packet"));
    let refused = run(&["send", &unsigned, "--url", &url, "--token-file", &token]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("SIGNATURE_MISSING"), "{}", text(&refused.stderr));

    let offline = ["documents", "show", &id, "-c", &config];
    let busy = run(&offline);
    assert_eq!(busy.status.code(), Some(1), "no operator, no answer: {}", text(&busy.stdout));
    assert!(text(&busy.stderr).contains("[operators."), "{}", text(&busy.stderr));
    let second = stage.run(&["serve", "-c", &config]);
    assert_eq!(second.status.code(), Some(3), "one gateway on a data folder");
    assert!(text(&second.stderr).contains("data"), "{}", text(&second.stderr));
    assert_eq!(stage.readyz().await.0, 200, "the first one does not mind");

    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    let stopped = run(&offline);
    assert_eq!(stopped.status.code(), Some(0), "{}", text(&stopped.stderr));
    let view = json(&stopped);
    assert_eq!(view["receipt"]["document_id"], id.as_str());
    assert_eq!(view["deliveries"][0]["receiver"], AGENCIES[1].code);
    assert_eq!(code(&["send", &packet, "--url", &url, "--token-file", &token]), 3, "nobody is there");
}
