//! Rolls: what lists and requests do to them, and what stands in the way.

use lienthong_schemas::organ::OrganGroup;
use lienthong_schemas::rejections::RejectionCode;

use super::agencies::{Agency, joined};
use super::requests::{REQUESTS_MAX, Request, Undecided, Wish};
use super::roll::{Decided, Roll, Why};
use super::staging::{Beside, List};
use super::*;

const FILE: &str = r#"
[[organisation]]
organ_id = "H55.01"
aliases = ["000.00.01.H55"]
name = "Sở Một"
home = { system = "mot" }
[[organisation]]
organ_id = "G09"
name = "Bộ Chín"
home = { axis = "khac" }
[[organisation]]
organ_id = "G08"
name = "Bộ Tám"
home = { axis = "vpcp" }
"#;

fn organ(code: &str) -> OrganId {
    OrganId::parse(code).expect("a code")
}

fn id(id: &str) -> SystemId {
    SystemId::parse(id).expect("an id")
}

fn axis() -> Home {
    Home::Axis(id("vpcp"))
}

fn system() -> Home {
    Home::System(id("mot"))
}

fn file() -> Directory {
    let line = |name: &str, way| (id(name), Line { way, packet_bytes_max: Some(9_000) });
    let axes = ["vpcp", "khac"].map(|name| line(name, Some(AdapterKind::NationalAxis)));
    let systems =
        [line("mot", Some(AdapterKind::Mailbox)), line("thu", Some(AdapterKind::Email)), line("cam", None)];
    let speak_for = [(id("vpcp"), ["G", "G01", "G02", "G05", "G08", "G09", "G80", "H55"].map(group).into())];
    let lines = Lines { systems: systems.into(), axes: axes.into(), speak_for: speak_for.into() };
    let none = &mut |path: &str| Err(format!("no {path}"));
    Directory::from_toml(FILE, &lines, &TrustSets::default(), none).expect("a directory")
}

fn group(text: &str) -> OrganGroup {
    OrganGroup::parse(text).expect("a group")
}

fn agency(code: &str, other: &[&str], name: &str) -> Agency {
    Agency { code: organ(code), other: other.iter().map(|c| organ(c)).collect(), name: name.to_owned() }
}

fn today() -> Date {
    "2026-01-05".parse().expect("a day")
}

fn at(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(second).expect("a time")
}

fn list(second: i64, agencies: &[Agency]) -> List {
    List { at: at(second), joined: joined(agencies.to_vec(), Vec::new()), has_qd20: false }
}

/// The roll after a list, beside the file and the roll.
fn after(roll: &Roll, list: List) -> (Roll, Plan) {
    let (directory, _) = file().with_rolls([roll]);
    let own = organ("H55.TRUC");
    roll.with_list(Beside { directory: &directory, own: &own, today: today(), lost: &[] }, list)
        .expect("room")
}

fn codes(list: &[OrganId]) -> Vec<&str> {
    list.iter().map(OrganId::as_str).collect()
}

#[test]
fn a_list_comes_in_and_moves_nobody() {
    let all = [
        agency("G01", &["000.00.00.G01"], "Bộ Một"),
        agency("H55.01", &[], "Sở khác"),
        agency("G09", &[], "Bộ khác"),
        agency("G08", &[], "Bộ Tám (mới)"),
        agency("G02", &["G05"], "Bộ Hai"),
        agency("G05", &["G02"], "Bộ Năm"),
        agency("H55.TRUC", &[], "Trục tỉnh"),
        agency("G77", &[], "ngoài nhóm"),
        agency("G80.1", &["X01"], "một mã ngoài nhóm"),
    ];
    let (roll, plan) = after(&Roll::new(axis()), list(5, &all));
    assert_eq!((codes(&plan.opens), plan.needs_approval), (vec!["G01"], false));
    assert_eq!(codes(&plan.comparison.elsewhere), ["H55.01", "G09"]);
    assert_eq!(codes(&plan.outside), ["H55.TRUC", "G77", "G80.1"]);
    assert_eq!(codes(&plan.in_file), ["G08"]);
    assert_eq!(plan.comparison.ambiguous, all[4..6]);
    assert_eq!((roll.synced_at, roll.decisions.len(), roll.pending.clone()), (Some(at(5)), 1, None));

    let (directory, left_out) = file().with_rolls([&roll]);
    assert_eq!((directory.organisations().len(), left_out.len()), (4, 0));
    let found = directory.find(&organ("000.00.00.G01")).expect("by its other code");
    assert_eq!(
        (found.id.as_str(), found.home.clone(), found.way, found.accepts_max_bytes),
        ("G01", Some(axis()), Some(AdapterKind::NationalAxis), Some(9_000))
    );
    assert!(directory.is_written(&organ("G08")) && !directory.is_written(&organ("G01")));
    assert_eq!(directory.find(&organ("G08")).expect("in the file").name, "Bộ Tám");
    let (again, plan) = after(&roll, list(6, &all));
    assert!(plan.is_empty() && again.decisions == roll.decisions, "{plan:?}");
}

#[test]
fn the_file_wins_whatever_comes_first() {
    let (roll, _) = after(&Roll::new(axis()), list(5, &[agency("G01", &[], "Bộ"), agency("G02", &[], "Bộ")]));
    let mut other = Roll::new(Home::Axis(id("khac")));
    other.entries = roll.entries[1..].to_vec();
    let mut mute = Roll::new(Home::System(id("cam")));
    mute.entries = vec![Listed { code: organ("H55.07"), ..roll.entries[0].clone() }];
    let text = format!(
        "{FILE}[[organisation]]\norgan_id = \"X1\"\naliases = [\"G01\"]\nname = \"x\"\nhome = {{ system = \"mot\" }}\n"
    );
    let lines = file().lines().clone();
    let next = Directory::from_toml(&text, &lines, &TrustSets::default(), &mut |_| Err(String::new()));
    let (directory, left_out) = next.expect("reads").with_rolls([&other, &roll, &mute]);
    let left = |home: &Home, code: &str, why| LeftOut { home: home.clone(), code: organ(code), why };
    assert_eq!(
        left_out,
        [
            left(&mute.home, "H55.07", Why::NoWay),
            left(&axis(), "G01", Why::CodeTaken),
            left(&axis(), "G02", Why::CodeTaken)
        ]
    );
    assert_eq!(directory.find(&organ("G01")).map(|o| o.id.as_str()), Some("X1"));
    assert_eq!(directory.find(&organ("G02")).and_then(|o| o.home.clone()), Some(Home::Axis(id("khac"))));
    let (without, _) = directory.with_rolls([]);
    assert_eq!(without.organisations().len(), 4, "what stood beside it is gone");
}

/// The twin of a code: H55.15 in the operator's file or a system's roll, and 000.00.15.H55 in the list.
#[test]
fn the_other_form_of_a_code_is_not_taken_from_who_has_it() {
    let more = "[[organisation]]\norgan_id = \"H55.15\"\nname = \"Sở Y tế\"\nhome = { system = \"mot\" }\n\
                [[organisation]]\norgan_id = \"G80.9\"\nname = \"Vụ\"\nhome = { axis = \"vpcp\" }\n";
    let lines = file().lines().clone();
    let text = format!("{FILE}{more}");
    let file = Directory::from_toml(&text, &lines, &TrustSets::default(), &mut |_| Err(String::new()));
    let file = file.expect("reads");
    let own = organ("H55.90");
    fn beside<'d>(directory: &'d Directory, own: &'d OrganId) -> Beside<'d> {
        Beside { directory, own, today: today(), lost: &[] }
    }
    let twins = [
        agency("000.00.15.H55", &[], "Sở Y tế"),
        agency("G80.9", &["15.H55"], "Vụ"),
        agency("000.00.90.H55", &[], "Trục tỉnh"),
        agency("000.00.08.G80", &["G80.8"], "Cục"),
    ];
    let (roll, plan) = Roll::new(axis()).with_list(beside(&file, &own), list(5, &twins)).expect("room");
    assert_eq!((codes(&plan.opens), codes(&plan.changes)), (vec!["000.00.08.G80"], vec![]));
    assert_eq!(codes(&plan.comparison.elsewhere), ["H55.15"]);
    assert_eq!((&plan.comparison.ambiguous[..], codes(&plan.outside)), (&twins[1..2], vec!["000.00.90.H55"]));

    // It was staged before the file had the other form.
    let mut staged = roll.clone();
    staged.entries.push(Listed { code: organ("000.00.15.H55"), other: vec![], ..roll.entries[0].clone() });
    let (directory, left_out) = file.with_rolls([&staged]);
    assert_eq!(
        left_out.iter().map(|one| (one.code.as_str(), one.why)).collect::<Vec<_>>(),
        [("000.00.15.H55", Why::CodeTaken)]
    );
    assert!(directory.find(&organ("000.00.15.H55")).is_none() && directory.find(&organ("G80.8")).is_some());

    // What a system has is its own while it is not connected, in both forms, whatever the order of the rolls.
    let entry = |code: &str| Listed { code: organ(code), other: vec![], ..roll.entries[0].clone() };
    for home in ["mot", "thu", "cam", "gone"] {
        let mut registered = Roll::new(Home::System(id(home)));
        registered.entries = vec![entry("H55.16")];
        let mut behind = Roll::new(axis());
        behind.entries = vec![entry("000.00.16.H55"), entry("H55.16"), entry("G80.1")];
        let (directory, left_out) = file.with_rolls([&behind, &registered]);
        let of_axis = left_out.iter().filter(|one| one.home == axis()).map(|one| one.code.as_str());
        assert_eq!(of_axis.collect::<Vec<_>>(), ["000.00.16.H55", "H55.16"], "{home}");
        let come = [agency("000.00.16.H55", &[], "x"), agency("H55.16", &[], "x"), agency("G80.1", &[], "x")];
        let (_, plan) = Roll::new(axis()).with_list(beside(&directory, &own), list(5, &come)).expect("room");
        assert_eq!((codes(&plan.opens), plan.comparison.elsewhere.len()), (vec![], 2), "{home}");
    }
    // An axis that the settings do not have any more keeps nothing.
    let mut left = Roll::new(Home::Axis(id("cu")));
    left.entries = vec![entry("G80.1")];
    let (directory, _) = file.with_rolls([&left]);
    let come = [agency("G80.1", &[], "x")];
    let (_, plan) = Roll::new(axis()).with_list(beside(&directory, &own), list(5, &come)).expect("room");
    assert_eq!(codes(&plan.opens), ["G80.1"]);
}

#[test]
fn who_has_a_code_outside_is_not_gone() {
    let (roll, _) =
        after(&Roll::new(axis()), list(5, &[agency("G01", &[], "Bộ Một"), agency("G02", &[], "x")]));
    let (next, plan) = after(&roll, list(6, &[agency("G01", &["X01"], "Bộ Một"), agency("G02", &[], "x")]));
    assert_eq!((codes(&plan.outside), codes(&plan.closes)), (vec!["G01"], vec![]));
    assert_eq!((next.pending, next.entries), (None, roll.entries));
}

#[test]
fn who_is_gone_is_closed_and_may_come_back() {
    let many: Vec<Agency> = (0..40).map(|n| agency(&format!("G80.{n}"), &[], "Đơn vị")).collect();
    let (roll, _) = after(&Roll::new(axis()), list(5, &many));
    let (roll, plan) = after(&roll, list(6, &many[2..]));
    assert_eq!((codes(&plan.closes), plan.needs_approval), (vec!["G80.0", "G80.1"], false));
    let (directory, _) = file().with_rolls([&roll]);
    let gone = directory.find(&organ("G80.0")).expect("not removed");
    assert_eq!((gone.valid_to, gone.is_open(today())), ("2026-01-04".parse().ok(), false));
    let (roll, plan) = after(&roll, list(7, &many[1..]));
    assert_eq!((codes(&plan.opens), codes(&plan.closes)), (vec!["G80.1"], vec![]));
    let last = roll.decisions.last().expect("one");
    assert_eq!((last.opened, last.closed, last.operator.as_str(), last.decided), (1, 0, "", Decided::Taken));
}

#[test]
fn too_many_gone_wait_for_an_operator_and_nothing_counts_until_then() {
    let many: Vec<Agency> = (0..40).map(|n| agency(&format!("G80.{n}"), &[], "Đơn vị")).collect();
    let (roll, _) = after(&Roll::new(axis()), list(5, &many));
    let mut short = many[3..].to_vec();
    short.push(agency("G01", &[], "Bộ Một"));
    for list_of in [&short[..], &[]] {
        let (waiting, plan) = after(&roll, list(6, list_of));
        assert!(plan.needs_approval);
        assert_eq!((&waiting.entries, waiting.synced_at), (&roll.entries, Some(at(6))));
        assert_eq!(waiting.pending.as_ref().map(|pending| pending.at), Some(at(6)));
    }
    let (waiting, _) = after(&roll, list(6, &short));
    let (directory, _) = file().with_rolls([&waiting]);
    let own = organ("H55.TRUC");
    let beside = Beside { directory: &directory, own: &own, today: today(), lost: &[] };
    let word = |decided| waiting.with_word(beside, decided, at(9), ("lan", "đã hỏi")).expect("room");
    let (approved, plan) = word(Decided::Approved).expect("one waits");
    assert_eq!((plan.closes.len(), codes(&plan.opens), &approved.pending), (3, vec!["G01"], &None));
    assert_eq!(approved.entries.iter().filter(|one| one.closed.is_some()).count(), 3);
    let last = approved.decisions.last().expect("one");
    assert_eq!(
        (last.operator.as_str(), last.reason.as_str(), last.decided),
        ("lan", "đã hỏi", Decided::Approved)
    );
    let (rejected, _) = word(Decided::Rejected).expect("one waits");
    assert_eq!((&rejected.entries, &rejected.pending), (&roll.entries, &None));
    assert!(rejected.with_word(beside, Decided::Approved, at(9), ("lan", "")).expect("room").is_none());
    let (whole, _) = after(&waiting, list(7, &many));
    assert_eq!(whole.pending, None, "a later list takes its place");
}

/// A roll that is damaged says of no code that it is its system's.
#[test]
fn while_a_roll_is_lost_nobody_comes_in_without_an_operator() {
    let (roll, _) = after(&Roll::new(axis()), list(5, &[agency("G01", &[], "Bộ Một")]));
    let (directory, _) = file().with_rolls([&roll]);
    let (own, lost) = (organ("H55.TRUC"), [id("mot")]);
    let beside = Beside { directory: &directory, own: &own, today: today(), lost: &lost };
    let same = [agency("G01", &[], "Bộ Một")];
    let (taken, plan) = roll.with_list(beside, list(6, &same)).expect("room");
    assert_eq!((plan.needs_approval, &plan.in_doubt[..], taken.pending), (false, &[][..], None));
    for came in [agency("H55.15", &[], "Sở Y tế"), agency("G01", &["G02"], "Bộ Một")] {
        let (waiting, plan) = roll.with_list(beside, list(6, &[same[0].clone(), came])).expect("room");
        assert_eq!((plan.needs_approval, &plan.in_doubt[..]), (true, &lost[..]));
        assert_eq!(waiting.entries, roll.entries, "nothing of it counts");
        let word = waiting.with_word(beside, Decided::Approved, at(9), ("lan", "đã hỏi")).expect("room");
        let (approved, _) = word.expect("one waits");
        assert!(approved.entries != roll.entries && approved.pending.is_none(), "somebody said so");
    }
}

#[test]
fn who_is_unclear_in_a_list_is_not_gone() {
    let (roll, _) = after(&Roll::new(axis()), list(5, &[agency("G02", &[], "Bộ"), agency("G05", &[], "Bộ")]));
    let swapped = [agency("G02", &["G05"], "Bộ Hai"), agency("G05", &["G02"], "Bộ Năm")];
    let (next, plan) = after(&roll, list(6, &swapped));
    assert_eq!((plan.closes.len(), plan.comparison.ambiguous.len()), (0, 2));
    assert_eq!(next.entries, roll.entries);
}

#[test]
fn a_roll_has_an_end() {
    let many: Vec<Agency> = (0..ROLL_ENTRIES_MAX).map(|n| agency(&format!("G80.{n}"), &[], "")).collect();
    let (roll, _) = after(&Roll::new(axis()), list(5, &many));
    assert_eq!(roll.entries.len(), ROLL_ENTRIES_MAX);
    let (directory, _) = file().with_rolls([&roll]);
    let own = organ("H55.TRUC");
    let beside = Beside { directory: &directory, own: &own, today: today(), lost: &[] };
    let more: Vec<Agency> = many.into_iter().chain([agency("G01", &[], "")]).collect();
    assert_eq!(roll.with_list(beside, list(6, &more)).map(drop), Err(RollFull));
    // One that waited until there was no room any more can be refused, and not taken.
    let pending = Pending { at: at(6), agencies: more, unclear: Vec::new() };
    let waiting = Roll { pending: Some(pending), ..roll.clone() };
    let word = |decided| waiting.with_word(beside, decided, at(9), ("lan", "x"));
    assert_eq!(word(Decided::Approved).map(drop), Err(RollFull));
    let (rejected, _) = word(Decided::Rejected).expect("needs no room").expect("one waits");
    assert_eq!((rejected.pending, rejected.decisions.len()), (None, roll.decisions.len() + 1));
    let long: Vec<String> = (0..30).map(|n| format!("G01.{n}")).collect();
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    let (roll, _) = after(&Roll::new(axis()), list(5, &[agency("G01", &long, "")]));
    assert_eq!((roll.entries[0].other.len(), roll.entries[0].name.as_str()), (OTHER_CODES_MAX, "G01"));
}

fn register(code: &str, name: &str) -> Request {
    let wish = Wish::Register { name: name.to_owned(), contact: String::new(), parent: String::new() };
    Request { code: organ(code), wish, at: at(5) }
}

fn delete(code: &str) -> Request {
    Request { code: organ(code), wish: Wish::Delete, at: at(6) }
}

/// The roll after a request; it stays when nothing is to be done.
fn asked(roll: &Roll, request: Request) -> Result<Roll, RejectionCode> {
    let (directory, _) = file().with_rolls([roll]);
    let (own, scope) = (organ("H55.TRUC"), [group("H55"), group("G01")]);
    let beside = Beside { directory: &directory, own: &own, today: today(), lost: &[] };
    let next = roll.with_request(beside, &scope, request).map_err(|rejection| rejection.code)?;
    Ok(next.unwrap_or_else(|| roll.clone()))
}

fn answered(roll: &Roll, code: &str, decided: Decided) -> Result<Roll, Undecided> {
    let (directory, _) = file().with_rolls([roll]);
    let own = organ("H55.TRUC");
    let beside = Beside { directory: &directory, own: &own, today: today(), lost: &[] };
    roll.with_answer(beside, &organ(code), decided, at(9), ("lan", "hợp lệ"))
}

#[test]
fn a_registration_waits_and_then_is_at_home_at_its_system() {
    let empty = Roll::new(system());
    let waiting = asked(&empty, register("H55.15", "Sở Y tế")).expect("within the scope");
    assert_eq!(asked(&waiting, register("H55.15", "Sở Y tế")), Ok(waiting.clone()), "the SDK repeats itself");
    let (directory, _) = file().with_rolls([&waiting]);
    assert!(directory.find(&organ("H55.15")).is_none(), "nobody has decided");
    let renamed = asked(&waiting, register("H55.15", "Sở Y tế tỉnh")).expect("a later wish");
    assert_eq!(renamed.requests.len(), 1);

    let taken = answered(&renamed, "H55.15", Decided::Approved).expect("approved");
    let (directory, _) = file().with_rolls([&taken]);
    let found = directory.find(&organ("H55.15")).expect("registered");
    assert_eq!((found.name.as_str(), found.home.clone()), ("Sở Y tế tỉnh", Some(system())));
    assert_eq!((taken.requests.len(), taken.decisions[0].opened), (0, 1));
    assert_eq!(asked(&taken, register("H55.15", "Sở Y tế tỉnh")), Ok(taken.clone()), "it is so");
    assert_eq!(answered(&taken, "H55.15", Decided::Approved), Err(Undecided::Nothing));

    let leaving = asked(&taken, delete("H55.15")).expect("its own");
    let closed = answered(&leaving, "H55.15", Decided::Approved).expect("approved");
    let (directory, _) = file().with_rolls([&closed]);
    assert!(!directory.find(&organ("H55.15")).expect("not removed").is_open(today()));
    assert_eq!(asked(&closed, delete("H55.15")), Ok(closed.clone()), "it is so");
    let back = asked(&closed, register("H55.15", "Sở Y tế")).expect("again");
    let back = answered(&back, "H55.15", Decided::Approved).expect("approved");
    assert_eq!((back.entries.len(), back.entries[0].closed), (1, None));

    let rejected = answered(&waiting, "H55.15", Decided::Rejected).expect("rejected");
    assert_eq!((rejected.entries.len(), rejected.requests.len(), rejected.decisions[0].opened), (0, 0, 0));
    let taken_back = asked(&waiting, delete("H55.15")).expect("nobody had decided");
    assert_eq!((taken_back.requests.len(), &taken_back.entries), (0, &empty.entries));
    assert_eq!(asked(&taken_back, delete("H55.15")), Ok(taken_back.clone()), "the SDK repeats itself");
    let anew = asked(&taken_back, register("H55.15", "Sở Y tế")).expect("asked for anew");
    assert_eq!(anew, waiting);
    let rejected = answered(&anew, "H55.15", Decided::Rejected).expect("rejected");
    assert_eq!(
        asked(&rejected, delete("H55.15")),
        Err(RejectionCode::NotFound),
        "nothing of it was taken back"
    );
    let many = (0..=REQUESTS_MAX).fold(empty, |roll, n| {
        let code = format!("H55.{}", n + 100);
        let waiting = asked(&roll, register(&code, "x")).expect("room");
        asked(&waiting, delete(&code)).expect("nobody had decided")
    });
    assert_eq!((many.requests.len(), many.withdrawn.len()), (0, REQUESTS_MAX));
}

#[test]
fn a_registration_moves_nobody_and_stays_in_its_scope() {
    let roll = Roll::new(system());
    for (request, why) in [
        (register("H56.1", "x"), RejectionCode::AgencyOutOfScope),
        (register("H551", "x"), RejectionCode::AgencyOutOfScope),
        (register("H55.TRUC", "x"), RejectionCode::AgencyOutOfScope),
        (register("000.00.01.H55", "tên khác"), RejectionCode::AgencyFixed),
        (delete("H55.01"), RejectionCode::AgencyFixed),
        (delete("H55.77"), RejectionCode::NotFound),
    ] {
        assert_eq!(asked(&roll, request.clone()), Err(why), "{request:?}");
    }
    assert_eq!(asked(&roll, register("000.00.01.H55", "Sở Một")), Ok(roll.clone()), "as the file has it");

    // Nor is the other form of a code registered.
    let (behind, _) = after(&Roll::new(axis()), list(5, &[agency("H55.30", &[], "Sở")]));
    let mine = answered(&asked(&roll, register("H55.15", "x")).expect("waits"), "H55.15", Decided::Approved);
    let mine = mine.expect("approved");
    let (directory, _) = file().with_rolls([&behind, &mine]);
    let (own, scope) = (organ("H55.TRUC"), [group("H55")]);
    let beside = Beside { directory: &directory, own: &own, today: today(), lost: &[] };
    for (code, why) in [
        ("01.H55", RejectionCode::AgencyFixed),
        ("000.00.15.H55", RejectionCode::AgencyFixed),
        ("000.00.30.H55", RejectionCode::AgencyElsewhere),
    ] {
        let refused = mine.with_request(beside, &scope, register(code, "x")).map(drop);
        assert_eq!(refused.map_err(|no| no.code), Err(why), "{code}");
        let waiting = Roll { requests: vec![register(code, "x")], ..mine.clone() };
        let late = waiting.with_answer(beside, &organ(code), Decided::Approved, at(9), ("lan", "x"));
        assert_eq!(late, Err(Undecided::Taken(organ(code))));
    }

    // What an axis has is not taken from it, before the request or after it.
    let (behind, _) = after(&Roll::new(axis()), list(5, &[agency("G01", &[], "Bộ")]));
    let (directory, _) = file().with_rolls([&behind, &roll]);
    let (own, scope) = (organ("H55.TRUC"), [group("G01")]);
    let beside = Beside { directory: &directory, own: &own, today: today(), lost: &[] };
    let refused = |request| roll.with_request(beside, &scope, request).map(drop).map_err(|no| no.code);
    assert_eq!(refused(register("G01", "x")), Err(RejectionCode::AgencyElsewhere));
    assert_eq!(refused(delete("G01")), Err(RejectionCode::NotFound), "as if there were none");
    let waiting = asked(&roll, register("G01", "x")).expect("before the axis had it");
    let late = waiting.with_answer(beside, &organ("G01"), Decided::Approved, at(9), ("lan", "x"));
    assert_eq!(late, Err(Undecided::Taken(organ("G01"))));

    for home in ["thu", "cam"] {
        let mute = Roll::new(Home::System(id(home)));
        assert_eq!(asked(&mute, register("H55.15", "x")), Err(RejectionCode::OperationOff), "{home}");
    }
    let full = (0..REQUESTS_MAX)
        .fold(roll, |roll, n| asked(&roll, register(&format!("H55.{}", n + 100), "x")).expect("room"));
    assert_eq!(asked(&full, register("H55.15", "x")), Err(RejectionCode::AgencyRequestsTooMany));
    assert_eq!(asked(&full, register("H55.100", "y")).map(|roll| roll.requests.len()), Ok(REQUESTS_MAX));
}

#[test]
fn a_roll_reads_as_it_was_written() {
    let (mut roll, _) = after(&Roll::new(axis()), list(5, &[agency("G01", &["000.00.00.G01"], "Bộ")]));
    roll.pending = Some(Pending { at: at(7), agencies: vec![agency("G02", &[], "")], unclear: Vec::new() });
    roll.requests = vec![register("H55.1", "a"), delete("H55.2")];
    let text = serde_json::to_string(&roll).expect("written");
    assert!(text.starts_with(r#"{"home":{"axis":"vpcp"},"entries":[{"code":"G01""#), "{text}");
    assert_eq!(serde_json::from_str::<Roll>(&text).expect("reads"), roll);
    let least: Roll = serde_json::from_str(r#"{"home":{"system":"mot"}}"#).expect("reads");
    assert_eq!(least, Roll::new(system()));
}
