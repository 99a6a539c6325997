//! The command line before hostile packets, the corpus, and whoever answers in the gateway's place: nothing that it prints
//! drives a terminal (design.md invariant 8).

use std::path::PathBuf;

use acceptance::hostile::{ANSI, NASTY, is_clean, is_clean_json, is_clean_output, with_strange_algorithm};
use acceptance::{Stage, answer, letter_to, text, workspace};
use lienthong::demo::world::AGENCIES;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");
const VENDOR: &str = AGENCIES[1].code;

#[tokio::test(flavor = "multi_thread")]
async fn inspect_and_verify_escape_every_word_of_a_packet() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let strange = with_strange_algorithm(&stage);
    let plain = |path: &std::path::Path| path.to_str().expect("a plain path").to_owned();
    let (certificate, ca) =
        (plain(&stage.world.identity(0).certificate), plain(&stage.world.folder.join("pki/ca.crt")));
    for (file, code) in [(plain(&stage.world.folder.join("hostile.edxml")), 0), (plain(&strange), 2)] {
        let trust = ["--cert", &certificate, "--ca", &ca];
        for more in [[].as_slice(), &["--json"]] {
            let output = stage.run(&[&["inspect", &file], more].concat());
            assert!(output.status.success(), "{}", text(&output.stderr));
            is_clean_output("inspect", &output);
            let said = text(&output.stdout);
            assert!(said.contains("u{9b}31m") && said.contains("u{202e}"), "shown, and escaped: {said:.300}");
            let output = stage.run(&[&["verify", &file], trust.as_slice(), more].concat());
            assert_eq!(output.status.code(), Some(code), "{}", text(&output.stdout));
            is_clean_output("verify", &output);
            if !more.is_empty() {
                is_clean_json("verify", &serde_json::from_slice(&output.stdout).expect("JSON"));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_answers_in_the_gateways_place_is_shown_harmlessly() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let stranger = stage.with_scripted_vendor(1).await;
    let url = stranger.url().replace("/edxml", "");
    let (token, packet) = (stage.world.token_file(0), stage.signed("1.edxml", letter_to(1, &[VENDOR])));
    let (token, packet) = (token.to_str().expect("plain"), packet.to_str().expect("plain"));
    let words = format!("{ANSI}{NASTY}\r\n");
    let json = serde_json::json!({ (words.clone()): [words.clone(), { "document_id": words.clone() }] });
    let id = "0".repeat(32);
    for (status, code) in [("200 OK", 0), ("502 Bad Gateway", 1)] {
        for body in [json.to_string(), words.clone()] {
            stranger.says(answer(status, &[("Content-Type", "application/json")], &body));
            for command in [vec!["documents", "show", &id], vec!["send", packet]] {
                let output =
                    stage.run(&[command.as_slice(), &["--url", &url, "--token-file", token]].concat());
                assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
                is_clean_output(command[0], &output);
                let said = text(&output.stdout) + &text(&output.stderr);
                assert!(said.contains("u{9b}31m"), "shown, and escaped: {said}");
            }
        }
    }
}

/// Every file of a folder of the corpus.
fn corpus(folder: &str) -> Option<Vec<PathBuf>> {
    let folder = workspace().join("../shared/corpus").join(folder);
    let files = std::fs::read_dir(folder).ok()?;
    Some(files.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_corpus_is_shown_harmlessly() {
    let (Some(packets), Some(attacks)) = (corpus("edxml"), corpus("xmldsig/attacks")) else {
        println!("SKIPPED: corpus absent");
        return;
    };
    let stage = Stage::open(PROGRAM, &[]).await;
    let mut gateway = stage.start().await;
    let certificate = stage.world.identity(0).certificate.to_str().expect("plain").to_owned();
    let files: Vec<_> =
        packets.iter().chain(&attacks).filter(|path| path.extension().is_some_and(|e| e != "md")).collect();
    assert!(files.len() > 60, "{} files", files.len());
    for path in files {
        let file = path.to_str().expect("a plain path");
        for command in [
            vec!["inspect", file],
            vec!["inspect", file, "--json"],
            vec!["verify", file, "--cert", &certificate, "--json"],
        ] {
            is_clean_output(&format!("{command:?}"), &stage.run(&command));
        }
        is_clean_json(file, &stage.submit(path).await.body);
    }
    is_clean("the log", &std::fs::read_to_string(&stage.world.log).expect("the log"));
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
