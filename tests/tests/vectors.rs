//! The attack vectors of the shared corpus through `lienthong verify`, as an operator would ask about them.

use std::path::{Path, PathBuf};

use acceptance::{run_with, text, workspace};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");

/// Rows whose verdict we do not share, each with the reason. They must disagree for as long as they stand here.
const DISAGREEMENTS: [(&str, &str); 0] = [];

/// (file, verdict, key) of each row of the README's table.
fn rows(folder: &Path) -> Vec<[String; 3]> {
    let readme = std::fs::read_to_string(folder.join("README.md")).expect("the README");
    let rows = readme.lines().filter(|line| line.starts_with("| attacks/"));
    let cells = |line: &str| -> Vec<String> { line.split('|').map(|cell| cell.trim().to_owned()).collect() };
    rows.map(cells).map(|cells| [cells[1].clone(), cells[3].clone(), cells[4].clone()]).collect()
}

/// The exit code and everything that was said.
fn verify(folder: &Path, [file, verdict, key]: &[String; 3]) -> (i32, String) {
    let at = |name: &str| folder.join(name).to_str().expect("a plain path").to_owned();
    let (file, key, ca, crl) = (at(file), at(key), at("keys/ca.crt"), at("keys/ca.crl"));
    let mut arguments = vec!["verify", &file, "--cert", &key, "--ca", &ca, "--crl", &crl];
    // The certificates of the corpus will not live for ever.
    arguments.extend(["--at", "2026-11-23T00:00:00Z"]);
    arguments.extend((verdict == "legacy").then_some("--legacy-sha1"));
    let output = run_with(PROGRAM.as_ref(), &arguments, &[]);
    let said = text(&output.stdout) + &text(&output.stderr);
    (output.status.code().expect("an exit code"), said)
}

#[test]
fn attacks_get_the_exit_codes_that_the_corpus_asks_for() {
    let folder: PathBuf = workspace().join("../shared/corpus/xmldsig");
    if !folder.is_dir() {
        println!("SKIPPED: corpus absent");
        return;
    }
    let rows = rows(&folder);
    assert!(rows.len() >= 40, "the table has {} rows", rows.len());
    let mut wrong = Vec::new();
    for row in rows {
        let [file, verdict, _] = &row;
        let (exit, said) = verify(&folder, &row);
        let right = match verdict.as_str() {
            "valid" | "valid-read-whole" | "valid-but-malleable" | "legacy" => exit == 0,
            "invalid" | "invalid-by-policy" => exit == 1 || exit == 2,
            "unsupported" => exit == 2,
            other => panic!("{file}: nobody knows what {other} means"),
        };
        let listed = DISAGREEMENTS.iter().find(|(name, _)| name == file);
        if right == listed.is_some() {
            wrong.push(format!(
                "{file}: {verdict}: exit code {exit}: {said} {}",
                listed.map_or("", |(_, why)| why)
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
