//! Rolls on a disk: when a list comes in, and when the directory is another one.

use lienthong_pipeline::clock::ManualClock;
use lienthong_pipeline::directory::{Agency, Line, Lines, Wish, joined};
use lienthong_pipeline::record::AdapterKind;
use lienthong_pipeline::trust::TrustSets;

use super::*;

fn organ(code: &str) -> OrganId {
    OrganId::parse(code).expect("a code")
}

fn id(id: &str) -> SystemId {
    SystemId::parse(id).expect("an id")
}

fn open(folder: &Path) -> Rolls {
    let line = |way| Line { way: Some(way), packet_bytes_max: None };
    let lines = Lines {
        systems: [(id("mot"), line(AdapterKind::Mailbox))].into(),
        axes: [(id("vpcp"), line(AdapterKind::NationalAxis))].into(),
        ..Lines::default()
    };
    let none = &mut |path: &str| Err(format!("no {path}"));
    let text = "[[organisation]]\norgan_id = \"H55.01\"\nname = \"Sở Một\"\nhome = { system = \"mot\" }\n";
    let file = Directory::from_toml(text, &lines, &TrustSets::default(), none).expect("a directory");
    let clock = Arc::new(ManualClock::new(at(9)));
    let metrics = Arc::new(Metrics::new("test"));
    Rolls::open(folder, organ("H55.TRUC"), &file, clock, metrics).expect("opens")
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

fn list(second: i64, codes: &[&str]) -> List {
    let agency =
        |code: &&str| Agency { code: organ(code), other: Vec::new(), name: format!("Đơn vị {code}") };
    let joined = joined(codes.iter().map(agency).collect(), Vec::new());
    List { at: at(second), joined, has_qd20: false }
}

const WORD: Word<'_> = Word { operator: "lan", reason: "đã hỏi", since: None };

#[test]
fn the_directory_is_another_one_only_when_a_roll_has_others_in_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let rolls = open(folder.path());
    let now = || rolls.directory().load_full();
    let before = now();
    rolls.take_list(&id("vpcp"), &list(1, &["G01"])).expect("taken");
    let with_one = now();
    assert!(!Arc::ptr_eq(&before, &with_one) && with_one.find(&organ("G01")).is_some());
    rolls.take_list(&id("vpcp"), &list(2, &["G01"])).expect("taken");
    assert!(Arc::ptr_eq(&with_one, &now()), "the list says what it said");
    assert_eq!(rolls.synced(&id("vpcp")).0, Some(at(2)));
    rolls.take_list(&id("vpcp"), &list(3, &[])).expect("waits");
    assert!(Arc::ptr_eq(&with_one, &now()), "nobody has agreed");
    assert_eq!(rolls.metrics.agency_lists_waiting.value(), 1);
    rolls.decide_list(&id("vpcp"), Decided::Approved, WORD).expect("agreed");
    assert!(!Arc::ptr_eq(&with_one, &now()), "G01 is closed");
    assert_eq!(rolls.metrics.agency_lists_waiting.value(), 0);
}

/// An axis must not get the codes of a system because the disk has lost who had them.
#[test]
fn what_a_damaged_roll_may_have_had_is_given_to_nobody_unasked() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mot, vpcp, code) = (id("mot"), id("vpcp"), organ("H55.15"));
    let scope = [OrganGroup::parse("H55").expect("a group")];
    {
        let rolls = open(folder.path());
        let wish = Wish::Register { name: "Sở".to_owned(), contact: String::new(), parent: String::new() };
        rolls.ask(&mot, &scope, &Request { code: code.clone(), wish, at: at(1) }).expect("asked");
        rolls.answer(&mot, &code, Decided::Approved, WORD).expect("approved");
        rolls.take_list(&vpcp, &list(2, &["G01"])).expect("taken");
    }
    for damaged in ["mot.json", "vpcp.json"] {
        std::fs::write(folder.path().join("directory").join(damaged), "{}").expect("written");
    }
    let rolls = open(folder.path());
    let list = |second| list(second, &["G01", "000.00.15.H55"]);
    assert!(!rolls.would_take(&vpcp, &list(3).joined), "nobody is final by it");
    let plan = rolls.take_list(&vpcp, &list(3)).expect("waits");
    assert_eq!((plan.needs_approval, plan.in_doubt), (true, vec![mot.clone()]), "of an axis it comes again");
    assert!(rolls.directory().load().find(&organ("000.00.15.H55")).is_none());
    let views = rolls.views();
    let waits = views.iter().find(|view| view.id == vpcp).and_then(|view| view.pending.as_ref());
    let plan = waits.and_then(|pending| pending.plan.as_ref()).expect("a list waits");
    assert_eq!((plan.opens.len(), &plan.in_doubt), (2, &vec![mot]));

    std::fs::remove_file(folder.path().join("directory/mot.json.broken")).expect("somebody saw to it");
    let plan = rolls.take_list(&vpcp, &list(4)).expect("taken");
    assert_eq!((plan.needs_approval, plan.opens.len()), (false, 2));
}
