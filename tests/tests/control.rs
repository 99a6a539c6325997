//! The operator at a running gateway, and at one that is stopped: the control socket and the commands over it (design.md
//! B8), as `lienthong` prints them.

mod control {
    mod bulk;
    mod cuts;
    mod door;
    mod hands;
    mod states;
    mod stopped;
}

use std::path::PathBuf;
use std::process::Output;

use acceptance::{Stage, text};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");
/// A reason that would write a log line of its own, clear a screen and turn a line around.
const HOSTILE: &str = "đã sửa\r\n{\"level\":\"ERROR\"}\u{1b}[2J\u{202e}\u{200b}";
/// The same as everybody sees it.
const HARMLESS: &str = "đã sửa\\u{d}\\u{a}{\"level\":\"ERROR\"}\\u{1b}[2J\\u{202e}\\u{200b}";

/// A gateway's world in which this user is the operator `lan`, and the command line.
struct Hands {
    stage: Stage,
}

impl Hands {
    async fn open() -> Self {
        let hands = Self { stage: Stage::open(PROGRAM, &[]).await };
        hands.settings(|text| text + &operator("lan", "operator"));
        hands
    }

    /// Changes the settings file.
    fn settings(&self, change: impl FnOnce(String) -> String) {
        let file = &self.stage.world.config;
        let text = std::fs::read_to_string(file).expect("the settings");
        std::fs::write(file, change(text)).expect("written");
    }

    fn config(&self) -> &str {
        self.stage.world.config.to_str().expect("a plain path")
    }

    fn data(&self) -> PathBuf {
        self.stage.world.folder.join("data")
    }

    fn socket(&self) -> PathBuf {
        self.data().join("control.sock")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.stage.world.log).expect("a log")
    }

    /// Runs a command with the settings file.
    fn run(&self, words: &[&str]) -> Output {
        let output = self.stage.run(&[words, &["-c", self.config()]].concat());
        is_harmless(&output);
        output
    }

    /// Runs a command that must end so; its JSON.
    fn json(&self, code: i32, words: &[&str]) -> Value {
        let output = self.run(&[words, &["--json"]].concat());
        assert_eq!(
            output.status.code(),
            Some(code),
            "{words:?}: {} {}",
            text(&output.stdout),
            text(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Ids in a list.
    fn listed(&self, list: &str) -> Vec<String> {
        let page = self.json(0, &[list, "list"]);
        let lines = page["deliveries"].as_array().expect("deliveries");
        lines.iter().map(|line| line["delivery_id"].as_str().expect("an id").to_owned()).collect()
    }

    /// The first delivery of a document.
    async fn delivery_of(&self, document_id: &str) -> String {
        let shown = self.stage.world.show(0, document_id).await.expect("an answer").body;
        shown["deliveries"][0]["delivery_id"].as_str().expect("an id").to_owned()
    }
}

/// The settings' entry of the user who runs the tests.
fn operator(name: &str, role: &str) -> String {
    let uid = rustix::process::geteuid().as_raw();
    format!("\n[operators.{name}]\nuid = {uid}\nrole = \"{role}\"\n")
}

/// Nothing that a command prints moves a cursor, reorders a line or hides a character.
fn is_harmless(output: &Output) {
    let printed = text(&output.stdout) + &text(&output.stderr);
    let hidden = |c: char| {
        (c.is_control() && c != '\n') || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
    };
    assert!(!printed.chars().any(hidden), "{printed:?}");
}
