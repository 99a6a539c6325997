//! The entries of the directory's text, each read and checked by itself.

use jiff::civil::Date;
use lienthong_schemas::edxml::SignaturePolicy;
use lienthong_schemas::organ::OrganId;
use serde::Deserialize;
use xml_sig::Certificate;

use super::{Answers, DirectoryFault, Home, Lines, Organisation, Reach};
use crate::record::{AdapterKind, MailAddress, SystemId};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
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

pub(super) fn entries(text: &str, faults: &mut Vec<DirectoryFault>) -> Vec<toml::Table> {
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

pub(super) fn organisation(
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
