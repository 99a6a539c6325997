//! The entries of the directory's text, each read and checked by itself.

use std::sync::Arc;

use jiff::civil::Date;
use lienthong_schemas::edxml::SignaturePolicy;
use lienthong_schemas::organ::OrganId;
use serde::Deserialize;
use xml_sig::{Certificate, Signers, Subject};

use super::{Answers, DirectoryFault, Home, Lines, Organisation, Reach};
use crate::record::{AdapterKind, MailAddress, SystemId};
use crate::trust::TrustSets;

/// Certificates that one entry may bind, in each of the three ways.
const BINDINGS_MAX: usize = 64;

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
    trust: Option<String>,
    #[serde(default)]
    certificates: Vec<String>,
    #[serde(default)]
    certificate_sha256: Vec<String>,
    #[serde(default)]
    signers: Vec<String>,
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
    trust: &TrustSets,
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
    let signers = signers(&entry, load, fault);
    let needs_home = entry.reach == Reach::Electronic && valid_to.is_none();
    let home = home(entry.home, needs_home, lines, fault);
    let line = home.as_ref().and_then(|home| lines.of(home)).unwrap_or_default();
    if home.is_some() && line.way.is_none() && entry.reach == Reach::Electronic {
        fault("home", "nơi này không khai đường nhận gói tin (this home takes no packets)".to_owned());
    }
    let mailbox = mailbox(entry.adapter.mailbox, line.way, fault);
    let limits = [entry.accepts_max_bytes, line.packet_bytes_max];
    match trust.find(entry.trust.as_deref()) {
        None => fault("trust", "tập chưa khai trong [trust.sets] (no such set)".to_owned()),
        Some(set) if set.anchors.is_empty() && !signers.subjects.is_empty() => {
            fault("signers", "cần chứng thư gốc: ca trong [trust] (needs authorities)".to_owned());
        }
        Some(_) => {}
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
        signers: Arc::new(signers),
        trust: entry.trust,
        answers: entry.answers,
        reach: entry.reach,
        valid_from,
        valid_to,
        successors,
        contact: entry.contact,
        accepts_max_bytes: limits.into_iter().flatten().min(),
    })
}

/// The certificates bound to an organisation (design.md B4), by file, digest or subject; each once.
fn signers(
    entry: &Entry,
    load: &mut dyn FnMut(&str) -> Result<Vec<u8>, String>,
    fault: &mut dyn FnMut(&str, String),
) -> Signers {
    let mut signers = Signers::default();
    for (key, list) in [
        ("certificates", &entry.certificates),
        ("certificate_sha256", &entry.certificate_sha256),
        ("signers", &entry.signers),
    ] {
        if list.len() > BINDINGS_MAX {
            fault(key, format!("tối đa {BINDINGS_MAX} mục (at most {BINDINGS_MAX})"));
            continue;
        }
        for text in list {
            let bound = match key {
                "certificates" => by_file(text, load, &mut signers),
                "certificate_sha256" => by_digest(text, &mut signers),
                _ => by_subject(text, &mut signers),
            };
            bound.unwrap_or_else(|rule| fault(key, rule));
        }
    }
    signers
}

fn by_file(
    path: &str,
    load: &mut dyn FnMut(&str) -> Result<Vec<u8>, String>,
    signers: &mut Signers,
) -> Result<(), String> {
    let found = load(path).and_then(|pem| Certificate::from_pem(&pem).map_err(|e| e.to_string()));
    let found = found.map_err(|cause| format!("không đọc được {path} (cannot be read: {cause})"))?;
    for certificate in found {
        push_once(&mut signers.certificates, certificate, path)?;
    }
    Ok(())
}

/// As `openssl x509 -fingerprint -sha256` prints it, with or without colons.
fn by_digest(text: &str, signers: &mut Signers) -> Result<(), String> {
    let wrong = || format!("{text}: cần 64 chữ số hex (64 hex digits are needed)");
    let digits: Vec<u8> = text.bytes().filter(|b| *b != b':').collect();
    let mut digest = [0; 32];
    if digits.len() != 2 * digest.len() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(wrong());
    }
    for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
    }
    push_once(&mut signers.certificate_sha256, digest, text)
}

fn by_subject(text: &str, signers: &mut Signers) -> Result<(), String> {
    let subject =
        Subject::parse(text).map_err(|cause| format!("chủ thể không đúng RFC 4514 (not RFC 4514: {cause})"));
    push_once(&mut signers.subjects, subject?, text)
}

fn push_once<T: PartialEq>(list: &mut Vec<T>, item: T, named: &str) -> Result<(), String> {
    if list.contains(&item) {
        return Err(format!("{named} khai hai lần (stands twice)"));
    }
    list.push(item);
    Ok(())
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
        (
            Some(_),
            Some(AdapterKind::VendorHttp | AdapterKind::NationalAxis | AdapterKind::Mailbox) | None,
        ) => fault(
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
