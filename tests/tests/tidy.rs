//! What a machine can check of `ARCHITECTURE.md` and of the house rules: imports, words, files, examples.
//! Every file below the workspace is read, but for what is built (`target`) and what git keeps (`.git`).

use std::path::{Path, PathBuf};
use std::process::Command;

use lienthong_config::{Environment, Settings};
use lienthong_pipeline::directory::Directory;
use lienthong_pipeline::trust::TrustSets;

/// Which crates lie on which storey. A crate imports from lower storeys only, never from its own.
const STOREYS: [&[&str]; 6] = [
    &["xml-sig", "faultfs", "lienthong-model"],
    &["lienthong-schemas", "lienthong-monitoring", "lienthong-config"],
    &["lienthong-pipeline", "measure"],
    &["lienthong-adapters", "lienthong-outbox", "lienthong-broker"],
    &["lienthong"],
    &["acceptance"],
];

/// Names of products, and the folders whose code says them: the crate that uses it, and where it is a word of the settings.
const PRODUCTS: [(&str, &[&str]); 3] = [
    ("sled", &["gateway/outbox/", "config/src/"]),
    ("redb", &["gateway/outbox/", "config/src/"]),
    ("nats", &["gateway/broker/"]),
];

/// Words with a product's name in them that may be said anywhere: a settings key, a variable, and an English word.
const WORDS_ALLOWED: [&str; 3] = ["nats_server", "lienthong_nats_server", "misled"];

/// What else may be said below a path, each with its reason.
const PERMITTED: [(&str, &str, &str); 7] = [
    ("gateway/pipeline/src/", "Nats-Msg-Id", "design.md B1 fixes what this header is made of"),
    ("gateway/src/serve/", "Engine::Sled", "the wiring chooses the engine of the store"),
    ("gateway/src/serve/", "Engine::Redb", "the wiring chooses the engine of the store"),
    ("gateway/src/serve/", "NatsBroker", "the wiring chooses the implementation of the port"),
    ("gateway/src/demo/", "nats-server", "the demo tells which process it kills, as `ps` shows it"),
    ("tests/tests/pipeline/", "NatsBroker", "what the real broker stores is measured"),
    ("tests/src/", "nats-server", "the tests find the pinned program by the name of its file"),
];

/// A file of the workspace: its path from the root, with `/`, and its text.
struct Source {
    path: String,
    text: String,
}

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the crate lies in the workspace").to_owned()
}

/// Every file of the workspace. Bytes that are not UTF-8 are replaced.
fn sources() -> Vec<Source> {
    let root = root();
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let entry = entry.expect("an entry");
            let (path, kind) = (entry.path(), entry.file_type().expect("a kind"));
            let name = entry.file_name();
            // In a worktree of git this is a file.
            if name == "target" || name == ".git" {
                continue;
            }
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                let bytes = std::fs::read(&path).expect("a file");
                let path =
                    path.strip_prefix(&root).expect("below the root").to_string_lossy().replace('\\', "/");
                sources.push(Source { path, text: String::from_utf8_lossy(&bytes).into_owned() });
            }
        }
    }
    sources.sort_by(|one, two| one.path.cmp(&two.path));
    assert!(sources.iter().any(|source| source.path == "Cargo.toml"), "the root of the workspace");
    sources
}

/// The Rust files among them, but for this one, which names everything that it looks for.
fn rust() -> Vec<Source> {
    let is_ours = |source: &Source| source.path.ends_with(".rs") && source.path != "tests/tests/tidy.rs";
    sources().into_iter().filter(is_ours).collect()
}

/// Fails with one line for each place.
fn assert_none(rule: &str, places: &[String]) {
    assert!(places.is_empty(), "{rule}:\n{}", places.join("\n"));
}

/// `path:line: text` of the lines that fit.
fn lines_that(source: &Source, fits: impl Fn(&str) -> bool) -> Vec<String> {
    let lines = source.text.lines().enumerate().filter(|(_, line)| fits(line));
    lines.map(|(at, line)| format!("{}:{}: {}", source.path, at + 1, line.trim())).collect()
}

#[test]
fn imports_point_down() {
    let storey = |name: &str| STOREYS.iter().position(|crates| crates.contains(&name));
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut wrong = Vec::new();
    let packages = metadata["packages"].as_array().expect("packages");
    assert_eq!(
        packages.len(),
        STOREYS.iter().map(|crates| crates.len()).sum::<usize>(),
        "every crate has a storey"
    );
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        let own = storey(name).unwrap_or_else(|| panic!("{name} has no storey"));
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let imported = dependency["name"].as_str().expect("a name");
            // A crate may import itself, for its own tests with another feature.
            let is_ours = dependency["path"].is_string() && imported != name;
            if is_ours && storey(imported).is_none_or(|theirs| theirs >= own) {
                wrong.push(format!("{name} imports {imported}"));
            }
        }
    }
    assert_none("imports point down", &wrong);
}

#[test]
fn a_product_is_named_in_one_crate_only() {
    let mut wrong = Vec::new();
    for source in rust() {
        let permitted: Vec<&str> = PERMITTED
            .iter()
            .filter(|(path, ..)| source.path.starts_with(path))
            .map(|(_, said, _)| *said)
            .collect();
        for (product, homes) in PRODUCTS {
            if homes.iter().any(|home| source.path.starts_with(home)) {
                continue;
            }
            let names = |line: &str| {
                let line = permitted.iter().fold(line.to_owned(), |line, said| line.replace(said, ""));
                let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_lowercase);
                words.any(|word| word.contains(product) && !WORDS_ALLOWED.contains(&word.as_str()))
            };
            let places = lines_that(&source, names);
            wrong.extend(places.into_iter().map(|place| format!("{place}   (only {homes:?} say {product})")));
        }
    }
    assert_none("a product is named in one crate only", &wrong);
}

#[test]
fn every_permission_is_still_used() {
    let rust = rust();
    for (path, said, reason) in PERMITTED {
        let uses = |source: &Source| source.path.starts_with(path) && source.text.contains(said);
        assert!(rust.iter().any(uses), "nothing below {path} says {said} ({reason})");
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<String> = rust()
        .into_iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| source.path)
        .collect();
    assert_none("every file opens with //!", &silent);
}

#[test]
fn every_test_runs_and_none_sleeps() {
    let mut ignored = Vec::new();
    let mut asleep = Vec::new();
    for source in rust() {
        ignored.extend(lines_that(&source, |line| line.contains("#[ignore")));
        let file = source.path.rsplit('/').next().unwrap_or_default();
        let is_test = source.path.split('/').any(|folder| folder == "tests") || file.ends_with("tests.rs");
        let tests = match source.text.find("#[cfg(test)]\nmod ") {
            _ if is_test => 0,
            Some(at) => source.text[..at].lines().count(),
            None => continue,
        };
        let skipped: usize = source.text.split_inclusive('\n').take(tests).map(str::len).sum();
        let tests = Source { path: source.path, text: source.text[skipped..].to_owned() };
        asleep.extend(lines_that(&tests, |line| {
            line.contains("thread::sleep") || line.contains("time::sleep")
        }));
    }
    assert_none("no test is ignored", &ignored);
    assert_none("tests wait for events, not for time", &asleep);
}

#[test]
fn no_private_key_lies_in_the_tree() {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| source.path != "tests/tests/tidy.rs") {
        let is_key = |line: &str| {
            line.split("BEGIN ").skip(1).any(|rest| {
                rest.split("PRIVATE KEY").next().is_some_and(|kind| {
                    kind.len() < rest.len() && kind.bytes().all(|b| b.is_ascii_uppercase() || b == b' ')
                })
            })
        };
        found.extend(lines_that(source, is_key).into_iter().map(|place| place.chars().take(80).collect()));
        if [".key", ".p12", ".pfx", ".jks"].iter().any(|ending| source.path.ends_with(ending)) {
            found.push(source.path.clone());
        }
    }
    assert_none("tests make their keys when they run", &found);
}

#[test]
fn no_path_of_one_machine_is_written_down() {
    let mut found = Vec::new();
    for source in sources() {
        let is_path = |line: &str| {
            ["/work/", "/root/", "/home/"].iter().any(|folder| {
                line.match_indices(folder).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    let after = line[at + folder.len()..].chars().next();
                    !before.is_some_and(|c| c.is_alphanumeric() || c == '.')
                        && after.is_some_and(|c| c.is_ascii_lowercase() || c == '.')
                })
            })
        };
        found.extend(lines_that(&source, is_path));
    }
    assert_none("no path of one machine is written down", &found);
}

#[test]
fn the_examples_load() {
    let file = root().join("config/examples/lienthong.toml");
    let secrets = ["SYSTEM_QLVB_SO_NOI_VU", "SYSTEM_THU_CONG_VU", "SDK_QLVB_XA", "AXIS_VPCP"];
    let with = |all: Environment, of| all.with(format!("LIENTHONG_{of}_SECRET"), "sixteen bytes or more");
    let settings = Settings::load(&file, &secrets.into_iter().fold(Environment::empty(), with));
    let settings = settings.unwrap_or_else(|faults| panic!("lienthong.toml: {faults:#?}"));
    let lines = lienthong::serve::settings::lines(&settings).expect("lines");
    assert_eq!(lines.systems.len(), settings.systems.len(), "config and pipeline agree on what an id is");
    assert_eq!(lines.axes.len(), settings.axes.len(), "config and pipeline agree on what an id is");
    let text = std::fs::read_to_string(&settings.directory.file).expect("directory.toml");
    let load = &mut |name: &str| Err(format!("{name}: the example names no certificate that is set"));
    let directory = Directory::from_toml(&text, &lines, &TrustSets::default(), load);
    let directory = directory.unwrap_or_else(|faults| panic!("directory.toml: {faults:#?}"));
    assert!(!directory.organisations().is_empty());
}
