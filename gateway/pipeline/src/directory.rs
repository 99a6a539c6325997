//! The directory of organisations (design.md B5): who has which codes, where it is at home, what is asked of it.
//! Read from TOML as a whole or refused as a whole; a reload swaps it.

use std::collections::{BTreeMap, HashMap};

use jiff::civil::Date;
use lienthong_schemas::edxml::SignaturePolicy;
use lienthong_schemas::organ::OrganId;
use serde::Deserialize;
use xml_sig::Certificate;

use crate::record::{AdapterKind, MailAddress, SystemId};

/// The home of an organisation: exactly one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Home {
    /// A connected system.
    System(SystemId),
    /// An axis, such as the Government Office's.
    Axis(SystemId),
}

/// What the settings say of a system or an axis that an organisation can be at home at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// How packets go there; `None`: it takes none.
    pub way: Option<AdapterKind>,
    /// Largest packet that can go there, in bytes.
    pub packet_bytes_max: Option<u64>,
}

/// All lines of the settings.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    /// Connected systems.
    pub systems: HashMap<SystemId, Line>,
    /// Axes.
    pub axes: HashMap<SystemId, Line>,
}

impl Lines {
    fn of(&self, home: &Home) -> Option<Line> {
        match home {
            Home::System(system) => self.systems.get(system).copied(),
            Home::Axis(axis) => self.axes.get(axis).copied(),
        }
    }
}

/// Who says that a document has arrived (`answers`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answers {
    /// The receiver's own system.
    #[default]
    Receiver,
    /// We write one 01 on its behalf.
    AxisOnBehalf,
}

/// How an organisation is reached (`reach`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// By packet.
    #[default]
    Electronic,
    /// By paper only: the receipt says so.
    Paper,
}

/// One organisation.
#[derive(Clone, Debug)]
pub struct Organisation {
    /// Its code now.
    pub id: OrganId,
    /// Other codes, old and new, that mean the same organisation.
    pub aliases: Vec<OrganId>,
    /// Its name.
    pub name: String,
    /// Where it is at home; `None` only for `reach = "paper"` and closed codes.
    pub home: Option<Home>,
    /// How packets go to its home; `None` when they do not.
    pub way: Option<AdapterKind>,
    /// Its mailbox; present where its home is reached by e-mail.
    pub mailbox: Option<MailAddress>,
    /// What is asked of its signatures.
    pub signature: SignaturePolicy,
    /// SHA-1 is taken from this sender.
    pub legacy_sha1: bool,
    /// Certificates that may sign for it. None: a signature cannot be judged.
    pub certificates: Vec<Certificate>,
    /// Who answers.
    pub answers: Answers,
    /// How it is reached.
    pub reach: Reach,
    /// First day of the code.
    pub valid_from: Option<Date>,
    /// Last day of the code.
    pub valid_to: Option<Date>,
    /// Who took over.
    pub successors: Vec<OrganId>,
    /// Telephone or mail of the clerk.
    pub contact: String,
    /// Largest packet it takes, in bytes.
    pub accepts_max_bytes: Option<u64>,
}

impl Organisation {
    /// Whether the code may be used on this day.
    pub fn is_open(&self, day: Date) -> bool {
        self.valid_from.is_none_or(|from| from <= day) && self.valid_to.is_none_or(|to| day <= to)
    }
}

/// Something wrong in the directory's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("organisation {place}: {rule}")]
pub struct DirectoryFault {
    /// Code or number of the entry, and the key.
    pub place: String,
    /// The rule that it breaks, Vietnamese first.
    pub rule: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    organ_id: String,
    #[serde(default)]
    aliases: Vec<String>,
    name: String,
    home: Option<HomeEntry>,
    #[serde(default)]
    adapter: AdapterEntry,
    #[serde(default)]
    signature: SignaturePolicy,
    #[serde(default)]
    legacy_sha1: bool,
    #[serde(default)]
    certificates: Vec<String>,
    #[serde(default)]
    answers: Answers,
    #[serde(default)]
    reach: Reach,
    valid_from: Option<String>,
    valid_to: Option<String>,
    #[serde(default)]
    successors: Vec<String>,
    #[serde(default)]
    contact: String,
    accepts_max_bytes: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AdapterEntry {
    mailbox: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HomeEntry {
    system: Option<String>,
    axis: Option<String>,
}

/// All organisations, found by any of their codes.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    organisations: Vec<Organisation>,
    by_code: HashMap<OrganId, usize>,
}

impl Directory {
    /// Reads a directory. `load` gives the bytes of a certificate file named in it; `lines` are those that the settings
    /// know.
    ///
    /// # Errors
    /// Everything that is wrong, at once: unknown keys, bad codes, a code twice, two homes or none, an unknown system
    /// or axis, one that takes no packets, a mailbox missing where mail goes, or out of place, a successor that is not there, a cycle of successors, an unreadable certificate.
    pub fn from_toml(
        text: &str,
        lines: &Lines,
        load: &mut dyn FnMut(&str) -> Result<Vec<u8>, String>,
    ) -> Result<Self, Vec<DirectoryFault>> {
        let mut faults = Vec::new();
        let mut organisations = Vec::new();
        for (number, table) in entries(text, &mut faults).into_iter().enumerate() {
            let named = table.get("organ_id").and_then(|v| v.as_str()).map(str::to_owned);
            let place = named.unwrap_or_else(|| format!("#{}", number + 1));
            let mut fault = |key: &str, rule: String| {
                faults.push(DirectoryFault { place: format!("{place}.{key}"), rule });
            };
            match Entry::deserialize(toml::Value::Table(table)) {
                Ok(entry) => organisations.extend(organisation(entry, lines, load, &mut fault)),
                Err(error) => fault("", error.message().to_owned()),
            }
        }
        let by_code = index(&organisations, &mut faults);
        successors(&organisations, &by_code, &mut faults);
        if faults.is_empty() { Ok(Self { organisations, by_code }) } else { Err(faults) }
    }

    /// The organisation that a code, old or new, means.
    pub fn find(&self, code: &OrganId) -> Option<&Organisation> {
        self.by_code.get(code).map(|&at| &self.organisations[at])
    }

    /// All of them, as written.
    pub fn organisations(&self) -> &[Organisation] {
        &self.organisations
    }

    /// Codes that are new, gone or changed in `next`, for the log.
    pub fn difference(&self, next: &Self) -> BTreeMap<&'static str, Vec<String>> {
        let shown = |d: &Self| -> BTreeMap<String, String> {
            d.organisations.iter().map(|o| (o.id.to_string(), format!("{o:?}"))).collect()
        };
        let (old, new) = (shown(self), shown(next));
        let mut lists = BTreeMap::new();
        let added: Vec<String> = new.keys().filter(|k| !old.contains_key(*k)).cloned().collect();
        let removed: Vec<String> = old.keys().filter(|k| !new.contains_key(*k)).cloned().collect();
        let changed = |k: &&String| old.get(*k).is_some_and(|before| before != &new[*k]);
        let changed: Vec<String> = new.keys().filter(changed).cloned().collect();
        lists.insert("added", added);
        lists.insert("changed", changed);
        lists.insert("removed", removed);
        lists
    }
}

fn entries(text: &str, faults: &mut Vec<DirectoryFault>) -> Vec<toml::Table> {
    let mut fault = |place: &str, rule: &str| {
        faults.push(DirectoryFault { place: place.to_owned(), rule: rule.to_owned() });
    };
    let mut root = match text.parse::<toml::Table>() {
        Ok(root) => root,
        Err(error) => {
            fault("file", error.message());
            return Vec::new();
        }
    };
    let list = root.remove("organisation");
    for key in root.keys() {
        fault(key, "khóa không có trong danh mục (unknown key)");
    }
    let tables = match list {
        Some(toml::Value::Array(list)) => list,
        _ => {
            fault("file", "cần ít nhất một mục [[organisation]] (at least one [[organisation]] is needed)");
            return Vec::new();
        }
    };
    let table = |value| match value {
        toml::Value::Table(table) => Some(table),
        _ => None,
    };
    tables.into_iter().filter_map(table).collect()
}

fn organisation(
    entry: Entry,
    lines: &Lines,
    load: &mut dyn FnMut(&str) -> Result<Vec<u8>, String>,
    fault: &mut dyn FnMut(&str, String),
) -> Option<Organisation> {
    let mut code = |key: &str, text: &str| {
        OrganId::parse(text).map_err(|cause| fault(key, format!("mã định danh sai ({cause})"))).ok()
    };
    let id = code("organ_id", &entry.organ_id);
    let aliases = entry.aliases.iter().filter_map(|text| code("aliases", text)).collect();
    let successors = entry.successors.iter().filter_map(|text| code("successors", text)).collect();
    let mut day = |key: &str, text: &Option<String>| match text.as_deref().map(str::parse::<Date>) {
        None => None,
        Some(Ok(day)) => Some(day),
        Some(Err(_)) => {
            fault(key, "ngày dạng yyyy-mm-dd (a date is yyyy-mm-dd)".to_owned());
            None
        }
    };
    let valid_from = day("valid_from", &entry.valid_from);
    let valid_to = day("valid_to", &entry.valid_to);
    let needs_home = entry.reach == Reach::Electronic && valid_to.is_none();
    let home = home(entry.home, needs_home, lines, fault);
    let line = home.as_ref().and_then(|home| lines.of(home)).unwrap_or_default();
    if home.is_some() && line.way.is_none() && entry.reach == Reach::Electronic {
        fault("home", "nơi này không khai đường nhận gói tin (this home takes no packets)".to_owned());
    }
    let mailbox = mailbox(entry.adapter.mailbox, line.way, fault);
    let limits = [entry.accepts_max_bytes, line.packet_bytes_max];
    let mut certificates = Vec::new();
    for path in &entry.certificates {
        let read = load(path).and_then(|pem| Certificate::from_pem(&pem).map_err(|e| e.to_string()));
        match read {
            Ok(found) => certificates.extend(found),
            Err(cause) => fault("certificates", format!("không đọc được {path} (cannot be read: {cause})")),
        }
    }
    Some(Organisation {
        id: id?,
        aliases,
        name: entry.name,
        home,
        way: line.way,
        mailbox,
        signature: entry.signature,
        legacy_sha1: entry.legacy_sha1,
        certificates,
        answers: entry.answers,
        reach: entry.reach,
        valid_from,
        valid_to,
        successors,
        contact: entry.contact,
        accepts_max_bytes: limits.into_iter().flatten().min(),
    })
}

fn mailbox(
    text: Option<String>,
    way: Option<AdapterKind>,
    fault: &mut dyn FnMut(&str, String),
) -> Option<MailAddress> {
    let mailbox = text.as_deref().map(MailAddress::parse);
    match (mailbox, way) {
        (Some(None), _) => fault("adapter.mailbox", "không phải hộp thư (not a mailbox)".to_owned()),
        (None, Some(AdapterKind::Email)) => {
            fault("adapter.mailbox", "nơi nhận bằng thư cần hộp thư (mail needs a mailbox)".to_owned());
        }
        (Some(_), Some(AdapterKind::VendorHttp | AdapterKind::NationalAxis) | None) => fault(
            "adapter.mailbox",
            "chỉ dùng khi nơi kết nối nhận thư (only where the home is reached by e-mail)".to_owned(),
        ),
        (mailbox, _) => return mailbox.flatten(),
    }
    None
}

fn home(
    entry: Option<HomeEntry>,
    needed: bool,
    lines: &Lines,
    fault: &mut dyn FnMut(&str, String),
) -> Option<Home> {
    match entry {
        None if needed => fault("home", "chưa khai nơi kết nối (no home)".to_owned()),
        None => {}
        Some(HomeEntry { system: Some(system), axis: None }) => match SystemId::parse(&system) {
            Some(id) if lines.systems.contains_key(&id) => return Some(Home::System(id)),
            _ => {
                fault("home.system", format!("hệ thống {system} chưa khai trong [systems] (unknown system)"))
            }
        },
        Some(HomeEntry { system: None, axis: Some(axis) }) => match SystemId::parse(&axis) {
            Some(id) if lines.axes.contains_key(&id) => return Some(Home::Axis(id)),
            _ => fault("home.axis", format!("trục {axis} chưa khai trong [axes] (unknown axis)")),
        },
        Some(_) => fault("home", "chỉ một nơi: system hoặc axis (exactly one of system, axis)".to_owned()),
    }
    None
}

fn index(organisations: &[Organisation], faults: &mut Vec<DirectoryFault>) -> HashMap<OrganId, usize> {
    let mut by_code = HashMap::new();
    for (at, organisation) in organisations.iter().enumerate() {
        for code in std::iter::once(&organisation.id).chain(&organisation.aliases) {
            if by_code.insert(code.clone(), at).is_some() {
                let rule = format!("mã {code} khai hai lần (the code {code} stands twice)");
                faults.push(DirectoryFault { place: organisation.id.to_string(), rule });
            }
        }
    }
    by_code
}

fn successors(
    organisations: &[Organisation],
    by_code: &HashMap<OrganId, usize>,
    faults: &mut Vec<DirectoryFault>,
) {
    // 0 = not seen, 1 = on the path that is being walked, 2 = free of cycles. Walked without recursion: the depth of a
    // chain of successors is the file's, not ours.
    let mut marks = vec![0_u8; organisations.len()];
    for start in 0..organisations.len() {
        let mut path = vec![(start, 0_usize)];
        while let Some((at, child)) = path.pop() {
            if child == 0 {
                if marks[at] == 2 {
                    continue;
                }
                marks[at] = 1;
            }
            let organisation = &organisations[at];
            let Some(code) = organisation.successors.get(child) else {
                marks[at] = 2;
                continue;
            };
            path.push((at, child + 1));
            let mut fault = |rule: String| {
                faults.push(DirectoryFault { place: format!("{}.successors", organisation.id), rule });
            };
            match by_code.get(code) {
                None => fault(format!("không có đơn vị {code} (no such organisation)")),
                Some(&next) if marks[next] == 1 => fault(format!("vòng lặp qua {code} (a cycle by {code})")),
                Some(&next) => path.push((next, 0)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Directory, Vec<DirectoryFault>> {
        let line = |way| Line { way, packet_bytes_max: None };
        let id = |text| SystemId::parse(text).expect("an id");
        let vendor = line(Some(AdapterKind::VendorHttp));
        let mail = Line { way: Some(AdapterKind::Email), packet_bytes_max: Some(1_000) };
        let systems = [(id("a"), vendor), (id("b"), vendor), (id("mute"), line(None)), (id("mail"), mail)];
        let axes = [(id("vpcp"), line(Some(AdapterKind::NationalAxis)))];
        let lines = Lines { systems: systems.into(), axes: axes.into() };
        Directory::from_toml(text, &lines, &mut |path| Err(format!("no {path}")))
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
            let text =
                format!("[[organisation]]\norgan_id = \"H1\"\nname = \"n\"\n{home}\n{adapter}\n{more}\n");
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
}
