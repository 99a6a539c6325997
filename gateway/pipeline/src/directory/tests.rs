//! The directory: what is refused, found and told.

use super::*;
use crate::trust::tests::{Authority, NAME};

fn read(text: &str) -> Result<Directory, Vec<DirectoryFault>> {
    read_with(text, &TrustSets::default(), &mut |path| Err(format!("no {path}")))
}

fn read_with(
    text: &str,
    trust: &TrustSets,
    load: &mut dyn FnMut(&str) -> Result<Vec<u8>, String>,
) -> Result<Directory, Vec<DirectoryFault>> {
    let line = |way| Line { way, packet_bytes_max: None };
    let id = |text| SystemId::parse(text).expect("an id");
    let vendor = line(Some(AdapterKind::VendorHttp));
    let mail = Line { way: Some(AdapterKind::Email), packet_bytes_max: Some(1_000) };
    let systems = [(id("a"), vendor), (id("b"), vendor), (id("mute"), line(None)), (id("mail"), mail)];
    let axes = [(id("vpcp"), line(Some(AdapterKind::NationalAxis)))];
    let lines = Lines { systems: systems.into(), axes: axes.into(), ..Lines::default() };
    Directory::from_toml(text, &lines, trust, load)
}

fn entry(id: &str, more: &str) -> String {
    format!("[[organisation]]\norgan_id = \"{id}\"\nname = \"n\"\nhome = {{ system = \"a\" }}\n{more}\n")
}

#[test]
fn an_organisation_is_found_by_every_code() {
    let directory = read(&entry("H55.15", "aliases = [\"000.00.15.H55\"]")).expect("reads");
    let old = OrganId::parse("000.00.15.h55").expect("a code");
    assert_eq!(directory.find(&old).map(|o| o.id.as_str()), Some("H55.15"));
    assert!(directory.find(&OrganId::parse("H55").expect("a code")).is_none());
}

#[test]
fn who_took_over_speaks_for_those_who_are_closed() {
    let closed = |day: &str, next: &str| format!("valid_to = \"{day}\"\nsuccessors = [{next}]");
    let text = entry("H1", &closed("2025-06-30", "\"H2\""))
        + &entry("H2", &closed("2025-12-31", "\"H3\", \"H4\""))
        + &entry("H3", "aliases = [\"000.00.00.H03\"]")
        + &entry("H4", "")
        + &entry("H5", &closed("2025-06-30", "\"000.00.00.H03\""));
    let directory = read(&text).expect("reads");
    let bodies = |code: &str, day: &str| {
        let bodies = directory.bodies(&OrganId::parse(code).expect("a code"), day.parse().expect("a day"));
        bodies.iter().map(|code| code.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(bodies("H3", "2026-01-01"), ["H3", "H2", "H5", "H1"]);
    assert_eq!(bodies("000.00.00.H03", "2025-12-31"), ["H3", "H5"], "H2 is still there");
    assert_eq!(bodies("H3", "2025-06-30"), ["H3"]);
    assert_eq!(bodies("H4", "2026-01-01"), ["H4", "H2", "H1"]);
    assert_eq!(bodies("H1", "2026-01-01"), ["H1"]);
    assert_eq!(bodies("H9", "2026-01-01"), ["H9"], "whom nobody knows");
    let many: String = (100..300).map(|n| entry(&format!("H{n}"), &closed("2025-06-30", "\"H3\""))).collect();
    let directory = read(&(many + &entry("H3", ""))).expect("reads");
    let bodies =
        directory.bodies(&OrganId::parse("H3").expect("a code"), "2026-01-01".parse().expect("a day"));
    assert_eq!((bodies.len(), bodies[0].as_str()), (Directory::BODIES_MAX, "H3"));
}

#[test]
fn everything_wrong_is_listed_at_once() {
    let text = entry("H1", "aliases = [\"H2\"]\nsuccessors = [\"H9\"]")
        + &entry("H2", "certificates = [\"x.pem\"]\nvalid_to = \"31/12/2025\"")
        + &entry("bad code", "")
        + "[[organisation]]\norgan_id = \"H4\"\nname = \"n\"\nhome = { system = \"zz\" }\n"
        + "[[organisation]]\norgan_id = \"H5\"\nname = \"n\"\nhome = { system = \"a\", axis = \"b\" }\n"
        + "[[organisation]]\norgan_id = \"H6\"\nname = \"n\"\n"
        + "[[organisation]]\norgan_id = \"H7\"\nname = \"n\"\nhoem = 1\n"
        + "[[organisation]]\norgan_id = \"H8\"\nname = \"n\"\nhome = { axis = \"zz\" }\n"
        + "[[organisation]]\norgan_id = \"H10\"\nname = \"n\"\nhome = { system = \"mute\" }\n"
        + "[[organisation]]\norgan_id = \"H11\"\nname = \"n\"\nhome = { system = \"mail\" }\n"
        + &entry("H12", "adapter = { mailbox = \"x@y.vn\" }")
        + "[[organisation]]\norgan_id = \"H13\"\nname = \"n\"\nhome = { system = \"mail\" }\nadapter = { mailbox = \"x y@z\" }\n";
    let faults = read(&text).expect_err("faults");
    let places: Vec<&str> = faults.iter().map(|f| f.place.as_str()).collect();
    for place in [
        "H2.certificates",
        "H2.valid_to",
        "bad code.organ_id",
        "H4.home.system",
        "H5.home",
        "H6.home",
        "H7.",
        "H8.home.axis",
        "H10.home",
        "H11.adapter.mailbox",
        "H12.adapter.mailbox",
        "H13.adapter.mailbox",
    ] {
        assert!(places.contains(&place), "{place} in {places:?}");
    }
    assert!(faults.iter().any(|f| f.rule.contains("H2") && f.rule.contains("twice")));
    assert!(faults.iter().any(|f| f.place == "H1.successors"));
}

#[test]
fn the_smaller_limit_of_an_organisation_and_of_its_line_counts() {
    let mail = |more: &str| {
        let adapter = "adapter = { mailbox = \"van-thu@xa.example.vn\" }";
        let home = "home = { system = \"mail\" }";
        let text = format!("[[organisation]]\norgan_id = \"H1\"\nname = \"n\"\n{home}\n{adapter}\n{more}\n");
        let organisation = read(&text).expect("reads").organisations()[0].clone();
        (organisation.accepts_max_bytes, organisation.mailbox.map(|m| m.to_string()), organisation.way)
    };
    let mailbox = Some("van-thu@xa.example.vn".to_owned());
    assert_eq!(mail(""), (Some(1_000), mailbox.clone(), Some(AdapterKind::Email)));
    assert_eq!(mail("accepts_max_bytes = 999").0, Some(999));
    assert_eq!(mail("accepts_max_bytes = 1001").0, Some(1_000));
}

#[test]
fn a_cycle_of_successors_is_refused() {
    let ring = entry("H1", "successors = [\"H2\"]")
        + &entry("H2", "successors = [\"H3\"]")
        + &entry("H3", "successors = [\"H1\"]");
    assert!(read(&ring).expect_err("a cycle").iter().any(|f| f.rule.contains("cycle")));
    let diamond = entry("H1", "successors = [\"H2\", \"H3\"]")
        + &entry("H2", "successors = [\"H3\"]")
        + &entry("H3", "");
    assert!(read(&diamond).is_ok());
}

#[test]
fn a_code_is_open_on_its_first_and_last_day() {
    let text = entry("H1", "valid_from = \"2020-01-02\"\nvalid_to = \"2025-06-30\"");
    let directory = read(&text).expect("reads");
    let organisation = &directory.organisations()[0];
    for (day, open) in
        [("2020-01-01", false), ("2020-01-02", true), ("2025-06-30", true), ("2025-07-01", false)]
    {
        assert_eq!(organisation.is_open(day.parse().expect("a day")), open, "{day}");
    }
}

#[test]
fn a_reload_says_what_changed() {
    let old = read(&(entry("H1", "") + &entry("H2", ""))).expect("reads");
    let new = read(&(entry("H2", "contact = \"x\"") + &entry("H3", ""))).expect("reads");
    let lists = old.difference(&new);
    assert_eq!((lists["added"].join(","), lists["removed"].join(",")), ("H3".into(), "H1".into()));
    assert_eq!(lists["changed"], ["H2"]);
}

/// What is wrong with an entry, as place and English rule.
fn faults_of(more: &str, trust: &TrustSets, files: &HashMap<&str, Vec<u8>>) -> Vec<(String, String)> {
    let mut load = |path: &str| files.get(path).cloned().ok_or_else(|| format!("no {path}"));
    let faults = read_with(&entry("H1", more), trust, &mut load).err().unwrap_or_default();
    let english =
        |rule: &str| rule.rsplit_once(" (").map(|(_, english)| english.trim_end_matches(')').to_owned());
    faults.into_iter().map(|fault| (fault.place, english(&fault.rule).unwrap_or(fault.rule))).collect()
}

#[test]
fn a_signer_is_bound_by_file_digest_or_subject_each_once() {
    let authority = Authority::new("root");
    let (one, two) = (authority.certificate("one"), authority.certificate("two"));
    let pem = |certificates: &[&xml_sig::Certificate]| -> Vec<u8> {
        certificates.iter().flat_map(|c| Authority::pem(c)).collect()
    };
    let files: HashMap<&str, Vec<u8>> =
        [("one.pem", pem(&[&one])), ("both.pem", pem(&[&one, &two])), ("bad.pem", b"x".to_vec())].into();
    let trust = authority.set(Vec::new());
    let hex: String = one.sha256().iter().map(|byte| format!("{byte:02X}")).collect();
    let colons: Vec<String> = one.sha256().iter().map(|byte| format!("{byte:02x}")).collect();
    let (subject, colons) = (format!("CN=one,{NAME}"), colons.join(":"));

    let good = format!(
        "certificates = [\"both.pem\"]\ncertificate_sha256 = [\"{hex}\"]\nsigners = [\"{subject}\"]\n"
    );
    let mut load = |path: &str| files.get(path).cloned().ok_or_else(|| format!("no {path}"));
    let directory = read_with(&entry("H1", &good), &trust, &mut load).expect("reads");
    let signers = &directory.organisations()[0].signers;
    assert_eq!(signers.certificates, [one.clone(), two]);
    assert_eq!(signers.certificate_sha256, [one.sha256()]);
    assert_eq!(signers.subjects[0].as_str(), one.subject());
    assert_eq!(faults_of(&format!("certificate_sha256 = [\"{colons}\"]"), &trust, &files), []);

    for (more, key, rule) in [
        ("certificates = [\"no.pem\"]".to_owned(), "certificates", "no no.pem"),
        ("certificates = [\"bad.pem\"]".to_owned(), "certificates", "no PEM block"),
        ("certificates = [\"one.pem\", \"both.pem\"]".to_owned(), "certificates", "stands twice"),
        (format!("certificate_sha256 = [\"{hex}\", \"{colons}\"]"), "certificate_sha256", "stands twice"),
        (format!("certificate_sha256 = [\"{}\"]", &hex[1..]), "certificate_sha256", "64 hex digits"),
        (format!("certificate_sha256 = [\"+{}\"]", &hex[1..]), "certificate_sha256", "64 hex digits"),
        (format!("signers = [\"{subject}\", \"{subject}\"]"), "signers", "stands twice"),
        ("signers = [\"Sở Y tế\"]".to_owned(), "signers", "not RFC 4514"),
        ("signers = [\"CN=a, C=VN\"]".to_owned(), "signers", "not RFC 4514"),
        ("trust = \"bo\"".to_owned(), "trust", "no such set"),
    ] {
        let faults = faults_of(&more, &trust, &files);
        assert!(faults.len() == 1, "{more}: {faults:?}");
        assert_eq!(faults[0].0, format!("H1.{key}"), "{more}");
        assert!(faults[0].1.contains(rule), "{more}: {faults:?}");
    }
    let many = |count: usize| {
        let subjects: Vec<String> = (0..count).map(|at| format!("\"CN={at}\"")).collect();
        faults_of(&format!("signers = [{}]", subjects.join(",")), &trust, &files)
    };
    assert_eq!(many(64), []);
    assert_eq!(many(65), [("H1.signers".to_owned(), "at most 64".to_owned())]);
}

#[test]
fn a_subject_needs_the_authorities_of_its_own_set() {
    let (one, other) = (Authority::new("one"), Authority::new("other"));
    let named = TrustSets::new(Authorities::default(), [("bo".to_owned(), one.authorities(Vec::new()))]);
    let subject = "signers = [\"CN=a\"]\n";
    let none = HashMap::new();
    let needs = [("H1.signers".to_owned(), "needs authorities".to_owned())];
    assert_eq!(faults_of(subject, &named, &none), needs);
    assert_eq!(faults_of(&format!("{subject}trust = \"bo\""), &named, &none), []);

    let both =
        TrustSets::new(other.authorities(Vec::new()), [("bo".to_owned(), one.authorities(Vec::new()))]);
    let text = entry("H1", "") + &entry("H2", "trust = \"bo\"");
    let directory = read_with(&text, &both, &mut |path| Err(path.to_owned())).expect("reads");
    let anchor = |at: usize| {
        let set = directory.authorities_of(&directory.organisations()[at]);
        set.anchors[0].subject()
    };
    assert_eq!((anchor(0), anchor(1)), (other.subject(), one.subject()));
}

#[test]
fn a_changed_binding_is_a_change_and_a_newer_list_is_none() {
    let authority = Authority::new("root");
    let one = authority.certificate("a");
    // The same subject, another key.
    let two = authority.certificate("a");
    let read = |pem: &xml_sig::Certificate, trust: &TrustSets| {
        let pem = Authority::pem(pem);
        read_with(&entry("H1", "certificates = [\"a.pem\"]"), trust, &mut |_| Ok(pem.clone())).expect("reads")
    };
    let (none, listed) = (authority.set(Vec::new()), authority.set(vec![authority.list(0, 10)]));
    let before = read(&one, &none);
    assert_eq!(before.difference(&read(&two, &none))["changed"], ["H1"]);
    assert!(before.difference(&read(&one, &listed)).values().all(Vec::is_empty));
}
