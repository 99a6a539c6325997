//! Two gateways and the rolls that they share: whoever decides, decides for both, and nobody decides alone.

use std::path::Path;

use async_trait::async_trait;
use jiff::Timestamp;
use lienthong_broker::MemoryRolls;
use lienthong_monitoring::Metrics;
use lienthong_pipeline::clock::ManualClock;
use lienthong_pipeline::directory::{
    Agency, Decided, Directory, Line, Lines, List, Request, Undecided, Wish, joined,
};
use lienthong_pipeline::record::AdapterKind;
use lienthong_pipeline::trust::TrustSets;
use lienthong_schemas::organ::{OrganGroup, OrganId};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::super::{NotAsked, Word};
use super::*;

const WORD: Word<'_> = Word { operator: "lan", reason: "đã hỏi", since: None };
const CODE: &str = "H55.15";

fn id(id: &str) -> SystemId {
    SystemId::parse(id).expect("an id")
}

fn organ(code: &str) -> OrganId {
    OrganId::parse(code).expect("a code")
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

/// Alone, from this folder.
fn alone(folder: &Path) -> Rolls {
    let line = |way| Line { way: Some(way), packet_bytes_max: None };
    let lines = Lines {
        systems: [(id("mot"), line(AdapterKind::Mailbox))].into(),
        axes: [(id("vpcp"), line(AdapterKind::NationalAxis))].into(),
        ..Lines::default()
    };
    let none = &mut |path: &str| Err(format!("no {path}"));
    let text = "[[organisation]]\norgan_id = \"H55.01\"\nname = \"Sở Một\"\nhome = { system = \"mot\" }\n";
    let file = Directory::from_toml(text, &lines, &TrustSets::default(), none).expect("a directory");
    let (clock, metrics) = (Arc::new(ManualClock::new(at(9))), Arc::new(Metrics::new("test")));
    Rolls::open(folder, organ("H55.TRUC"), &file, clock, metrics).expect("opens")
}

/// Two gateways, each with its own folder.
struct Two {
    folders: [TempDir; 2],
    shared: MemoryRolls,
    runtime: Runtime,
}

impl Two {
    fn new() -> Self {
        let folder = || tempfile::tempdir().expect("a folder");
        let runtime = Runtime::new().expect("a runtime");
        Self { folders: [folder(), folder()], shared: MemoryRolls::new(), runtime }
    }

    fn alone(&self, at: usize) -> Rolls {
        alone(self.folders[at].path())
    }

    fn open(&self, at: usize) -> Rolls {
        self.alone(at).among(Arc::new(self.shared.clone()), self.runtime.handle().clone())
    }

    /// The version under which something is shared.
    fn version(&self, of: &SystemId) -> RollVersion {
        let read = self.runtime.block_on(self.shared.read(of, None));
        read.expect("asked").expect("nothing is known").0
    }

    /// Files of a gateway's rolls, by their names.
    fn files(&self, at: usize) -> Vec<String> {
        let entries = std::fs::read_dir(self.folders[at].path().join("directory")).expect("a folder");
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("read").file_name();
        let mut names: Vec<String> =
            entries.map(|entry| name(entry).into_string().expect("a name")).collect();
        names.sort();
        names
    }
}

fn ask(rolls: &Rolls, code: &str) -> Result<(), NotAsked> {
    let scope = [OrganGroup::parse("H55").expect("a group")];
    let wish = Wish::Register { name: "Sở".to_owned(), contact: String::new(), parent: String::new() };
    rolls.ask(&id("mot"), &scope, &Request { code: organ(code), wish, at: at(1) })
}

fn answer(rolls: &Rolls, code: &str, decided: Decided) -> Result<(), RollTrouble> {
    rolls.answer(&id("mot"), &organ(code), decided, WORD)
}

fn has(rolls: &Rolls, code: &str) -> bool {
    rolls.directory().load().find(&organ(code)).is_some()
}

fn list(second: i64, codes: &[&str]) -> List {
    let agency =
        |code: &&str| Agency { code: organ(code), other: Vec::new(), name: format!("Đơn vị {code}") };
    let joined = joined(codes.iter().map(agency).collect(), Vec::new());
    List { at: at(second), joined, has_qd20: false }
}

#[test]
fn what_is_asked_at_one_is_decided_at_the_other_and_counts_at_both() {
    let two = Two::new();
    let [one, other] = [two.open(0), two.open(1)];
    ask(&one, CODE).expect("asked");
    answer(&other, CODE, Decided::Approved).expect("what was asked at the other one is decided here");
    assert!(has(&other, CODE) && !has(&one, CODE), "that one has not heard of it yet");
    let again = answer(&one, CODE, Decided::Rejected).expect_err("it is decided");
    assert!(matches!(again, RollTrouble::Undecided(Undecided::Nothing)), "{again}");
    assert!(has(&one, CODE), "it looked before it decided");
    other.take_list(&id("vpcp"), &list(3, &["G01"])).expect("taken");
    assert_eq!(one.behind(&[(id("vpcp"), two.version(&id("vpcp")))].into()), [id("mot"), id("vpcp")].into());
    assert!(!one.follow(&id("vpcp")).expect("followed"));
    assert!(has(&one, "G01"));
    assert_eq!(one.synced(&id("vpcp")).0, Some(at(3)));
    let all = ["mot", "vpcp"].map(|of| (id(of), two.version(&id(of)))).into();
    assert_eq!(one.behind(&all), BTreeSet::new());
    // Started with the others away, each has it from its own file.
    for at in [0, 1] {
        assert!(has(&two.alone(at), CODE) && has(&two.alone(at), "G01"));
    }
}

/// What another gateway writes between the look of this one and its own writing.
type Meanwhile = Mutex<Option<Box<dyn FnOnce() + Send>>>;

struct Late {
    inner: MemoryRolls,
    meanwhile: Meanwhile,
}

#[async_trait]
impl SharedRolls for Late {
    async fn other_than(&self, known: Option<&RollVersions>) -> RollVersions {
        self.inner.other_than(known).await
    }

    async fn read(
        &self,
        of: &SystemId,
        known: Option<RollVersion>,
    ) -> Result<Option<(RollVersion, Shared)>, Fault> {
        self.inner.read(of, known).await
    }

    async fn put(&self, of: &SystemId, after: u64, roll: &Roll) -> Result<Option<RollVersion>, Fault> {
        if let Some(meanwhile) = lock(&self.meanwhile).take() {
            std::thread::spawn(meanwhile).join().expect("the other one writes");
        }
        self.inner.put(of, after, roll).await
    }
}

#[test]
fn whoever_is_slower_decides_again_and_writes_over_nothing() {
    let two = Two::new();
    let other = Arc::new(two.open(1));
    ask(&other, CODE).expect("asked");
    for (code, is_decided) in [("H55.16", false), (CODE, true)] {
        let faster = other.clone();
        let meanwhile: Box<dyn FnOnce() + Send> = Box::new(move || match is_decided {
            false => ask(&faster, "H55.17").expect("asked"),
            true => answer(&faster, CODE, Decided::Rejected).expect("decided"),
        });
        let late = Late { inner: two.shared.clone(), meanwhile: Mutex::new(Some(meanwhile)) };
        let one = two.alone(0).among(Arc::new(late), two.runtime.handle().clone());
        match is_decided {
            false => ask(&one, code).expect("asked beside what the other one wrote"),
            true => {
                let slower = answer(&one, CODE, Decided::Approved).expect_err("it was rejected meanwhile");
                assert!(matches!(slower, RollTrouble::Undecided(Undecided::Nothing)), "{slower}");
                assert!(!has(&one, CODE));
            }
        }
    }
    other.follow(&id("mot")).expect("followed");
    let roll = other.state().rolls[&id("mot")].clone();
    let waiting: Vec<&str> = roll.requests.iter().map(|request| request.code.as_str()).collect();
    assert_eq!((waiting, roll.decisions.len()), (vec!["H55.17", "H55.16"], 1));
}

#[test]
fn while_the_others_cannot_be_reached_nothing_is_decided_and_everything_is_routed() {
    let two = Two::new();
    let one = two.open(0);
    one.take_list(&id("vpcp"), &list(1, &["G01"])).expect("taken");
    ask(&one, CODE).expect("asked");
    let before = two.version(&id("mot"));
    two.shared.stop();
    let refused = answer(&one, CODE, Decided::Approved).expect_err("nobody decides alone");
    assert!(matches!(refused, RollTrouble::Away(_)), "{refused}");
    let refused = ask(&one, "H55.16").expect_err("that as well");
    assert!(matches!(refused, NotAsked::Trouble(RollTrouble::Away(_))), "{refused:?}");
    one.take_list(&id("vpcp"), &list(2, &["G01", "G02"])).expect_err("a list is one more decision");
    let started_anew = two.open(0);
    for rolls in [&one, &started_anew] {
        assert!(has(rolls, "G01") && !has(rolls, "G02") && !has(rolls, CODE));
    }
    two.shared.start();
    assert_eq!(two.version(&id("mot")), before, "nothing was written");
    answer(&started_anew, CODE, Decided::Approved).expect("decided");
    assert!(has(&started_anew, CODE));
}

#[test]
fn at_the_first_start_files_are_put_there_and_what_one_alone_knows_is_kept_beside() {
    let two = Two::new();
    for at in [0, 1] {
        let rolls = two.alone(at);
        ask(&rolls, CODE).expect("asked");
        answer(&rolls, CODE, Decided::Approved).expect("decided");
        rolls.take_list(&id("vpcp"), &list(1, &[["G01"], ["G02"]][at])).expect("taken");
    }
    let [one, other] = [two.open(0), two.open(1)];
    let follow = |rolls: &Rolls| {
        for id in rolls.behind(&RollVersions::new()) {
            assert!(!rolls.follow(&id).expect("followed"));
        }
    };
    follow(&one);
    follow(&other);
    follow(&one);
    for rolls in [&one, &other] {
        assert!(has(rolls, CODE) && has(rolls, "G01") && !has(rolls, "G02"), "the first one's");
    }
    assert_eq!(two.files(0), ["mot.json", "vpcp.json"]);
    assert_eq!(two.files(1), ["mot.json", "vpcp.json", "vpcp.json.apart-9"], "G02 was decided there only");
    assert!(has(&two.open(1), "G01"), "and what is apart is no roll");
}

#[test]
fn what_is_damaged_is_put_there_again_or_counts_as_lost() {
    let two = Two::new();
    let [one, other] = [two.open(0), two.open(1)];
    ask(&one, CODE).expect("asked");
    answer(&one, CODE, Decided::Approved).expect("decided");
    let whole = one.state().rolls[&id("mot")].clone();
    // The other one has an older copy, and leaves it to the one that has the same.
    two.shared.harm(&id("mot"), Some(&whole));
    assert!(other.follow(&id("mot")).expect("looked at"), "it is not that one's");
    assert!(!one.follow(&id("mot")).expect("put again"));
    other.follow(&id("mot")).expect("followed");
    assert!(has(&other, CODE));
    assert_eq!(two.files(1), ["mot.json", "mot.json.broken"], "until somebody has seen to it");
    let plan = other.take_list(&id("vpcp"), &list(2, &["G01"])).expect("waits");
    assert!(plan.needs_approval && plan.in_doubt == [id("mot")]);
    one.follow(&id("vpcp")).expect("followed");

    // Nobody knows what it was: the copies count, and the next writing takes its place.
    for of in ["mot", "vpcp"] {
        two.shared.harm(&id(of), None);
        for rolls in [&one, &other] {
            assert!(rolls.follow(&id(of)).expect("looked at"), "{of} is damaged");
            assert!(!rolls.follow(&id(of)).expect("looked at"), "and said once");
            assert_eq!(rolls.is_of_axis(&id(of)), of == "vpcp");
        }
    }
    assert!(has(&one, CODE) && has(&other, CODE));
    ask(&one, "H55.16").expect("written over it");
    answer(&other, "H55.16", Decided::Approved).expect("decided");
    assert!(has(&other, CODE) && has(&other, "H55.16"));
}
