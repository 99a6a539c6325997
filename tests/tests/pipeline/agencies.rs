//! Who takes part in these tests, where they are at home, and what they write.

use lienthong_pipeline::directory::{Directory, Line, Lines};
use lienthong_pipeline::record::{AdapterKind, SystemId};
use lienthong_pipeline::trust::TrustSets;
use lienthong_schemas::edxml::{
    DocumentBuilder, StatusCode, StatusContact, StatusPacket, StatusSender, StatusSubject,
};
use lienthong_schemas::organ::{OrganGroup, OrganId};

/// The code of the gateway's own organisation.
pub(super) const OWN: &str = "H55.99";
/// Sends in these tests; at home in system `mot`.
pub(super) const A: &str = "H55.01";
/// At home in `hai`.
pub(super) const B: &str = "H55.02";
/// Another code of [`B`].
pub(super) const B_ALIAS: &str = "000.00.02.H55";
/// At home in `ba`.
pub(super) const C: &str = "H55.03";
/// At home in `hai`, too; the axis answers for it.
pub(super) const D: &str = "H55.04";

/// A clerk's mailbox, by the mail system `thu`.
pub(super) const M: &str = "H55.05";
/// Has a mailbox, from which the system `hop` fetches.
pub(super) const E: &str = "H77.01";
/// And so does this one; the axis answers for it.
pub(super) const F: &str = "H77.02";
/// At home at the axis `vpcp`.
pub(super) const X: &str = "G01.01";
/// And another one there; the axis answers for it.
pub(super) const Y: &str = "G01.02";
/// And a third.
pub(super) const Z: &str = "G01.03";

const DIRECTORY: &str = r#"
[[organisation]]
organ_id = "H55.01"
name = "Sở Một"
home = { system = "mot" }
[[organisation]]
organ_id = "H55.02"
aliases = ["000.00.02.H55"]
name = "Sở Hai"
home = { system = "hai" }
[[organisation]]
organ_id = "H55.03"
name = "Sở Ba"
home = { system = "ba" }
[[organisation]]
organ_id = "H55.04"
name = "Sở Bốn"
home = { system = "hai" }
answers = "axis-on-behalf"
[[organisation]]
organ_id = "H55.05"
name = "Xã Năm"
home = { system = "thu" }
adapter = { mailbox = "van-thu@xa-nam.example.vn" }
[[organisation]]
organ_id = "H77.01"
name = "Sở Sáu Một"
home = { system = "hop" }
[[organisation]]
organ_id = "H77.02"
name = "Sở Sáu Hai"
home = { system = "hop" }
answers = "axis-on-behalf"
[[organisation]]
organ_id = "G01.01"
name = "Bộ Một"
home = { axis = "vpcp" }
[[organisation]]
organ_id = "G01.02"
name = "Bộ Hai"
home = { axis = "vpcp" }
answers = "axis-on-behalf"
[[organisation]]
organ_id = "G01.03"
name = "Bộ Ba"
home = { axis = "vpcp" }
"#;

/// The lines: systems of vendors `mot`, `hai`, `ba` and, as an axis has that name, `vpcp`; mail `thu`; mailboxes of
/// `hop`; axes `vpcp`, `bo`.
pub(super) fn directory(more: &str) -> Directory {
    directory_of(more, &[])
}

/// The same, and `vpcp` speaks for these groups, if any.
pub(super) fn directory_of(more: &str, groups: &[&str]) -> Directory {
    let line = |id: &str, way| (system(id), Line { way: Some(way), packet_bytes_max: None });
    let vendor = |id| line(id, AdapterKind::VendorHttp);
    let systems = [
        vendor("mot"),
        vendor("hai"),
        vendor("ba"),
        vendor("vpcp"),
        line("thu", AdapterKind::Email),
        line("hop", AdapterKind::Mailbox),
    ];
    let axes = ["vpcp", "bo"].map(|id| line(id, AdapterKind::NationalAxis));
    let group = |code: &&str| OrganGroup::parse(code).expect("a group");
    let speak_for = (!groups.is_empty()).then(|| (system("vpcp"), groups.iter().map(group).collect()));
    let speak_for = speak_for.into_iter().collect();
    let lines = Lines { systems: systems.into(), axes: axes.into(), speak_for };
    let none = &mut |path: &str| Err(format!("no {path}"));
    let trust = TrustSets::default();
    Directory::from_toml(&format!("{DIRECTORY}{more}"), &lines, &trust, none).expect("a directory")
}

pub(super) fn organ(code: &str) -> OrganId {
    OrganId::parse(code).expect("a code")
}

pub(super) fn system(id: &str) -> SystemId {
    SystemId::parse(id).expect("a system")
}

pub(super) fn name_of(number: u32) -> String {
    format!("{A},2026/01/02,{number}/STN-VP")
}

/// A letter of [`A`] with this number, and a DocumentId by it.
pub(super) fn letter(number: u32, to: &[&str]) -> DocumentBuilder {
    DocumentBuilder::new(A, to).code(&number.to_string(), "STN-VP").document_id(&name_of(number))
}

/// A status packet to `to` about letter `number` of [`A`].
pub(super) fn status(
    from: &str,
    to: &str,
    number: u32,
    code: StatusCode,
    at: &str,
    description: &str,
) -> Vec<u8> {
    let from = StatusSender {
        organ_id: organ(from),
        organization_in_charge: String::new(),
        organ_name: String::new(),
        contact: StatusContact::default(),
    };
    let response_for = StatusSubject {
        organ_id: organ(to),
        code: format!("{number}/STN-VP"),
        document_id: name_of(number),
        promulgation_date: "2026/01/02".to_owned(),
    };
    let timestamp = at.parse().expect("a time");
    StatusPacket { from, response_for, staff: None, code, description: description.to_owned(), timestamp }
        .to_xml()
}
