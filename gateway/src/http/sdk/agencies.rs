//! The directory as the SDK asks for it: who can be reached by packet today.

use jiff::civil::Date;
use lienthong_pipeline::directory::{Directory, Home, Organisation, Reach};
use lienthong_pipeline::record::{MailAddress, SystemId};
use lienthong_schemas::organ::{Form, OrganId};
use serde_json::{Value, json};

/// `data` of getAgenciesList: `code` is the code that counts, `oldCode` the one before it.
pub(super) fn list(directory: &Directory, today: Date) -> Vec<Value> {
    let unit = |organisation: &Organisation| {
        let mut unit = face(directory, organisation);
        unit["oldCode"] = old_code(organisation).map_or("", OrganId::as_str).into();
        unit
    };
    reachable(directory, today).map(unit).collect()
}

/// `data` of getAgenciesListQD20: `code` of QĐ 20/2020, `code102` of QCVN 102:2016.
pub(super) fn list_qd20(directory: &Directory, today: Date) -> Vec<Value> {
    let unit = |organisation: &Organisation| {
        let new = codes(organisation).find(|code| matches!(code.form(), Form::New { .. }));
        json!({
            "id": organisation.id.as_str(),
            "code": new.unwrap_or(&organisation.id).as_str(),
            "name": organisation.name,
            "mail": mail(organisation),
            "code102": old_code(organisation).map_or("", OrganId::as_str),
        })
    };
    reachable(directory, today).map(unit).collect()
}

/// `data` of getSynchronizeUnit: the first organisation that is at home in this system; `None` when there is none.
pub(super) fn own_unit(
    directory: &Directory,
    system: &SystemId,
    centre: &OrganId,
    today: Date,
) -> Option<Value> {
    let home = Home::System(system.clone());
    let organisation =
        directory.organisations().iter().find(|organisation| organisation.home.as_ref() == Some(&home))?;
    let mut unit = face(directory, organisation);
    unit["centerCode"] = centre.as_str().into();
    unit["version"] = 1.into();
    unit["deleted"] = (!organisation.is_open(today)).into();
    // The directory does not say when an entry was changed.
    unit["modifyDate"] = "".into();
    unit["isAgency"] = true.into();
    Some(unit)
}

fn reachable(directory: &Directory, today: Date) -> impl Iterator<Item = &Organisation> {
    let by_packet =
        |organisation: &&Organisation| organisation.reach == Reach::Electronic && organisation.way.is_some();
    directory.organisations().iter().filter(move |organisation| organisation.is_open(today)).filter(by_packet)
}

fn face(directory: &Directory, organisation: &Organisation) -> Value {
    json!({
        "id": organisation.id.as_str(),
        "pid": parent(directory, organisation).map_or("", |parent| parent.id.as_str()),
        "code": organisation.id.as_str(),
        "name": organisation.name,
        "mail": mail(organisation),
    })
}

/// The nearest organisation above it that the directory has.
fn parent<'d>(directory: &'d Directory, organisation: &Organisation) -> Option<&'d Organisation> {
    let above = |code: &OrganId| std::iter::successors(code.parent(), OrganId::parent).collect::<Vec<_>>();
    let found = codes(organisation).flat_map(above).find_map(|code| directory.find(&code));
    found.filter(|parent| parent.id != organisation.id)
}

fn codes(organisation: &Organisation) -> impl Iterator<Item = &OrganId> {
    std::iter::once(&organisation.id).chain(&organisation.aliases)
}

fn old_code(organisation: &Organisation) -> Option<&OrganId> {
    codes(organisation).find(|code| matches!(code.form(), Form::Old { .. }))
}

fn mail(organisation: &Organisation) -> String {
    let contact = || MailAddress::parse(&organisation.contact);
    organisation.mailbox.clone().or_else(contact).map(|mail| mail.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use lienthong_pipeline::directory::{Line, Lines};
    use lienthong_pipeline::record::AdapterKind;
    use lienthong_pipeline::trust::TrustSets;

    use super::*;

    const DIRECTORY: &str = r#"
        [[organisation]]
        organ_id = "H55"
        name = "UBND tỉnh"
        home = { system = "a" }
        aliases = ["000.00.00.H55"]
        contact = "vanthu@h55.vn"
        [[organisation]]
        organ_id = "H55.15"
        name = "Sở"
        home = { system = "b" }
        aliases = ["000.00.15.H55"]
        contact = "0208 1"
        [[organisation]]
        organ_id = "H55.15.03.07"
        name = "Phòng"
        home = { system = "b" }
        [[organisation]]
        organ_id = "000.00.21.H55"
        name = "Xã"
        home = { system = "b" }
        [[organisation]]
        organ_id = "H55.99"
        name = "Đã đóng"
        valid_to = "2026-01-01"
        successors = ["H55"]
        [[organisation]]
        organ_id = "H55.98"
        name = "Giấy"
        reach = "paper"
    "#;

    fn directory() -> Directory {
        let system = |id: &str| SystemId::parse(id).expect("an id");
        let line = Line { way: Some(AdapterKind::VendorHttp), packet_bytes_max: None };
        let lines = Lines { systems: [(system("a"), line), (system("b"), line)].into(), ..Lines::default() };
        Directory::from_toml(DIRECTORY, &lines, &TrustSets::default(), &mut |_| Err(String::new()))
            .expect("a directory")
    }

    fn today() -> Date {
        "2026-11-23".parse().expect("a day")
    }

    #[test]
    fn the_lists_have_who_can_be_reached_under_both_codes() {
        let units = list(&directory(), today());
        let row = |id: &str, pid: &str, name: &str, mail: &str, old: &str| json!({ "id": id, "pid": pid, "code": id, "name": name, "mail": mail, "oldCode": old });
        assert_eq!(
            units,
            [
                row("H55", "", "UBND tỉnh", "vanthu@h55.vn", "000.00.00.H55"),
                row("H55.15", "H55", "Sở", "", "000.00.15.H55"),
                row("H55.15.03.07", "H55.15", "Phòng", "", ""),
                row("000.00.21.H55", "H55", "Xã", "", "000.00.21.H55"),
            ]
        );
        let units = list_qd20(&directory(), today());
        assert_eq!(
            units[1],
            json!({ "id": "H55.15", "code": "H55.15", "name": "Sở", "mail": "", "code102": "000.00.15.H55" })
        );
        assert_eq!(units.len(), 4);
    }

    #[test]
    fn a_system_is_told_of_its_first_organisation() {
        let (directory, centre) = (directory(), OrganId::parse("H55.TRUC").expect("a code"));
        let of = |id: &str| own_unit(&directory, &SystemId::parse(id).expect("an id"), &centre, today());
        let unit = of("b").expect("a unit");
        assert_eq!(
            unit,
            json!({
                "id": "H55.15", "pid": "H55", "code": "H55.15", "name": "Sở", "mail": "", "centerCode": "H55.TRUC",
                "version": 1, "deleted": false, "modifyDate": "", "isAgency": true,
            })
        );
        assert_eq!(of("c"), None);
    }
}
