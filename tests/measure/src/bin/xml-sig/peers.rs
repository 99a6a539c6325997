//! Other engines, beside ours where they are installed: for information. They read the document from its file, but for
//! bergshamra, which has it in memory; starting a process and warming it up is not counted.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use measure::print;
use measure::process::{Ended, run};
use measure::turns::Taken;

use crate::documents::Document;

const VERIFY_JAVA: &str = include_str!("../../../peers/Verify.java");
/// Heap of the JDK: with less it dies of 100 MB.
const JAVA_HEAP: &str = "-Xmx6g";
/// About how long a peer is measured.
const SECONDS: f64 = 2.0;
/// Most repetitions of xmlsec1 beside the one that counts as its start.
const REPEATS_MAX: u32 = 8_192;

/// What a peer must say of a document.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Race {
    Valid,
    Refused,
}

/// Milliseconds of one verification, and what is known of memory.
struct Lap {
    wall_ms: f64,
    cpu_ms: Option<f64>,
    peak_kib: u64,
}

/// The peers of this machine.
pub(crate) struct Peers {
    folder: PathBuf,
    xmlsec1: Option<String>,
    java: Option<String>,
    oracles: Option<PathBuf>,
}

impl Peers {
    /// Finds them, and says which are absent.
    pub(crate) fn find(folder: &Path, oracles: Option<PathBuf>) -> Result<Self> {
        let xmlsec1 = version("xmlsec1")?;
        let java = version("java")?;
        let built =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../xml-sig/oracles/target/release/oracles");
        let oracles = Some(oracles.unwrap_or(built)).filter(|program| program.exists());
        std::fs::write(folder.join("Verify.java"), VERIFY_JAVA)?;
        let named = |found: Option<&str>, absent: &str| found.unwrap_or(absent).to_owned();
        print(&format!(
            "peers: {}; {}; {}",
            named(xmlsec1.as_deref(), "xmlsec1 absent (package xmlsec1)"),
            named(
                oracles.as_ref().map(|_| "bergshamra"),
                "bergshamra absent (cargo build --release in xml-sig/oracles)"
            ),
            named(java.as_deref(), "JDK absent"),
        ));
        Ok(Self { folder: folder.to_owned(), xmlsec1, java, oracles })
    }

    /// Lets each of them verify, and prints what it took beside the least that was measured before.
    pub(crate) fn race(&self, document: &Document, least: Taken, race: Race) -> Result<()> {
        type Runner = fn(&Peers, &Document, Race) -> Result<Lap>;
        let runners: [(&str, bool, Runner); 3] = [
            ("xmlsec1", self.xmlsec1.is_some(), Self::xmlsec1),
            ("bergshamra", self.oracles.is_some(), Self::bergshamra),
            ("JDK", self.java.is_some(), Self::java),
        ];
        for (name, _, runner) in runners.into_iter().filter(|(_, present, _)| *present) {
            match runner(self, document, race) {
                Ok(lap) => print(&format!("     peer {name}: {}", lap.show(least))),
                Err(fault) => print(&format!("     peer {name}: no figure: {fault:#}")),
            }
        }
        Ok(())
    }

    /// Times of many repetitions, less those of one.
    fn xmlsec1(&self, document: &Document, race: Race) -> Result<Lap> {
        let once = self.repeat_xmlsec1(document, race, 1)?;
        if race == Race::Refused {
            // It ends with the first refusal.
            return Ok(lap(&once, None, 1.0));
        }
        let mut more = 2;
        loop {
            let all = self.repeat_xmlsec1(document, race, 1 + more)?;
            if more >= REPEATS_MAX || all.wall.as_secs_f64() > SECONDS {
                return Ok(lap(&all, Some(&once), f64::from(more)));
            }
            more = (more * 4).min(REPEATS_MAX);
        }
    }

    fn repeat_xmlsec1(&self, document: &Document, race: Race, times: u32) -> Result<Ended> {
        let mut command = Command::new("xmlsec1");
        command.args(["--verify", "--enabled-key-data", "key-name", "--repeat", &times.to_string()]);
        command.arg("--pubkey-cert-pem").arg(document.certificate()).arg(document.file());
        // It tells every repetition there.
        command.stderr(std::process::Stdio::null());
        let ended = run(&mut command)?;
        ensure!(ended.status.success() == (race == Race::Valid), "it ended with {}", ended.status);
        Ok(ended)
    }

    fn bergshamra(&self, document: &Document, race: Race) -> Result<Lap> {
        ensure!(race == Race::Valid, "it is asked for valid documents only");
        let mut command = Command::new(self.oracles.as_ref().context("absent")?);
        let ended = run(command.arg("bench-verify").arg(document.file()).arg(document.certificate()))?;
        ensure!(ended.status.success(), "it ended with {}", ended.status);
        let [wall_ms] = numbers(&ended.said)?;
        Ok(Lap { wall_ms, cpu_ms: None, peak_kib: ended.peak_kib })
    }

    fn java(&self, document: &Document, race: Race) -> Result<Lap> {
        let mut command = Command::new("java");
        command
            .arg(JAVA_HEAP)
            .arg(self.folder.join("Verify.java"))
            .arg(document.file())
            .arg(document.certificate());
        let expected = race == Race::Valid;
        let ended = run(command.args([SECONDS.to_string(), expected.to_string()]))?;
        ensure!(ended.status.success(), "it ended with {}", ended.status);
        let [wall_ms, cpu_ms] = numbers(&ended.said)?;
        Ok(Lap { wall_ms, cpu_ms: Some(cpu_ms), peak_kib: ended.peak_kib })
    }
}

impl Lap {
    fn show(&self, least: Taken) -> String {
        let cpu = |ms: f64| format!(" (CPU {ms:.2} ms, {:.1} times)", ms / least.cpu / 1e3);
        let cpu = self.cpu_ms.map_or(String::new(), cpu);
        let (wall, peak) = (self.wall_ms, self.peak_kib * 1024 / 1_000_000);
        let ratio = wall / least.wall / 1e3;
        format!("{wall:.2} ms, {ratio:.1} times the least{cpu}; peak of its process {peak} MB")
    }
}

fn lap(all: &Ended, start: Option<&Ended>, times: f64) -> Lap {
    let rest = |of: fn(&Ended) -> f64| (of(all) - start.map_or(0.0, of)) * 1e3 / times;
    let wall_ms = rest(|ended| ended.wall.as_secs_f64());
    Lap { wall_ms, cpu_ms: Some(rest(|ended| ended.cpu.as_secs_f64())), peak_kib: all.peak_kib }
}

/// The first so many numbers of a text.
fn numbers<const N: usize>(said: &str) -> Result<[f64; N]> {
    let found: Vec<f64> = said.split_whitespace().filter_map(|word| word.parse().ok()).take(N).collect();
    found.try_into().ok().with_context(|| format!("{N} numbers in: {said}"))
}

/// The first line of what a program says of its version; `None` when there is none.
fn version(program: &str) -> Result<Option<String>> {
    match run(Command::new(program).arg("--version")) {
        Ok(ended) => Ok(Some(ended.said.lines().next().unwrap_or(program).to_owned())),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(fault) => Err(fault).with_context(|| program.to_owned()),
    }
}
