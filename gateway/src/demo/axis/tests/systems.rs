//! Several systems at one axis that checks what it is given: who may send what to whom, and what comes out.

use std::io::Write as _;

use lienthong_schemas::edxml::{DocumentBuilder, EdxmlLimits, read_envelope};
use lienthong_schemas::organ::OrganId;
use serde_json::Value;

use super::*;

/// Of H55, whose system is the one of the other tests; beside it G22 with one of its own.
fn plan(folder: &Path) -> Plan {
    let system = |id: &str, organisation: &str| System {
        id: id.to_owned(),
        secret: SECRET.to_vec(),
        organisations: vec![OrganId::parse(organisation).expect("a code")],
    };
    let state = |code: &str, state| Agency { state, ..Agency::named(code, "Đơn vị (thử nghiệm)") };
    let old = Agency { old_code: "000.00.01.G22".to_owned(), ..Agency::named("G22.01", "Vụ") };
    let agencies = vec![
        old,
        state("G22.02", AgencyState::Locked),
        state("G22.03", AgencyState::Closed),
        state("G22.04", AgencyState::Deleted),
    ];
    let systems = vec![system(SYSTEM, "H55"), system("other.sys.02", "G22")];
    let habits = Habits { agencies, checks: true, exact: false, ..Habits::default() };
    Plan { systems, habits, networks: Vec::new(), folder: folder.to_owned() }
}

async fn open() -> Ground {
    let folder = tempfile::tempdir().expect("a folder");
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let axis = Axis::open_at(plan(&folder.path().join("axis")), listener).expect("an axis");
    Ground { axis, _folder: folder }
}

/// What a system asks, with its method, body, and parameters beside those of every request. Its clock stands still.
async fn ask(
    ground: &Ground,
    system: &str,
    line: &str,
    body: &[u8],
    more: &[(&'static str, &str)],
) -> (String, String) {
    let own =
        [("systemid", system), ("timestamp", "22112020T150137+0304"), ("Content-Type", "application/json")];
    let mut all: Vec<_> = own.iter().chain(more).map(|(name, value)| (*name, (*value).to_owned())).collect();
    if line.contains("sendEdoc") {
        all.retain(|(name, _)| *name != "Content-Type");
        all.push(("Content-Type", "application/octet-stream".to_owned()));
    }
    let line = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    let mut request =
        format!("{line}{}Content-Length: {}\r\n\r\n", head(&all, SECRET), body.len()).into_bytes();
    request.extend_from_slice(body);
    ground.send(&request).await
}

async fn says(ground: &Ground, system: &str, operation: &str, more: &[(&'static str, &str)]) -> Value {
    let (_, body) = ask(ground, system, &format!("POST /vxp/{operation}"), b"", more).await;
    assert!(body.is_ascii(), "{body}");
    serde_json::from_str(&body).unwrap_or_else(|cause| panic!("{cause}: {body}"))
}

async fn sends(ground: &Ground, system: &str, packet: &[u8], from: &str, to: Option<&str>) -> Value {
    let hash = hex::encode(openssl::sha::sha256(packet));
    let mut more =
        vec![("servicetype", "eDoc"), ("messagetype", "edoc"), ("hash-file", hash.as_str()), ("from", from)];
    more.extend(to.map(|to| ("to", to)));
    let (_, body) = ask(ground, system, "POST /vxp/sendEdoc", packet, &more).await;
    serde_json::from_str(&body).unwrap_or_else(|cause| panic!("{cause}: {body}"))
}

fn letter(from: &str, to: &[&str]) -> Vec<u8> {
    DocumentBuilder::new(from, to).subject("Về việc thử").to_bytes().expect("a letter")
}

#[tokio::test]
async fn each_refusal_has_its_code_and_nothing_is_taken() {
    let ground = open().await;
    let g22 = |to: &[&str]| letter("H55.01", to);
    for (packet, from, to, code) in [
        (b"<edXML/>".to_vec(), "H55.01", None, "22"),
        (letter("H56", &["G22"]), "H56", None, "19"),
        (letter("H56", &["G22"]), "H55.01", None, "19"),
        (letter("G22", &["H55"]), "G22", None, "19"),
        (g22(&["G22", "H99"]), "H55.01", None, "18"),
        (g22(&["G22"]), "H55.01", Some(r#"["G22.01"]"#), "18"),
        (g22(&["G22.03"]), "H55.01", None, "18"),
        (g22(&["G22.04"]), "H55.01", None, "18"),
        (g22(&["G22", "G22.02"]), "H55.01", None, "23"),
    ] {
        let said = sends(&ground, SYSTEM, &packet, from, to).await;
        assert_eq!(
            (&said["status"], &said["ErrorCode"], &said["DocId"]),
            (&"FAIL".into(), &code.into(), &"".into()),
            "{from} {to:?}"
        );
    }
    assert_eq!(sends(&ground, "nobody", &g22(&["G22"]), "H55.01", None).await["ErrorCode"], "15");
    assert!(ground.axis.taken().is_empty() && ground.axis.mail().is_empty());
    let good = sends(&ground, SYSTEM, &g22(&["G22", "G22.02"]), "H55.01", Some(r#"["G22"]"#)).await;
    assert_eq!(good["status"], "OK", "only who is chosen counts: {good}");
}

#[tokio::test]
async fn a_system_sees_its_own_mail_and_what_it_sent() {
    let ground = open().await;
    let packet = letter("H55.01", &["G22", "000.00.01.G22", "H55.02"]);
    let sent =
        sends(&ground, SYSTEM, &packet, "H55.01", None).await["DocId"].as_str().expect("an id").to_owned();
    let list = [("servicetype", "eDoc"), ("messagetype", "edoc")];
    let theirs = says(&ground, "other.sys.02", "getReceivedEdocList", &list).await;
    let to: Vec<&str> =
        theirs["data"].as_array().expect("a list").iter().map(|e| e["to"].as_str().expect("to")).collect();
    assert_eq!(to, ["G22", "000.00.01.G22"]);
    let ours = says(&ground, SYSTEM, "getReceivedEdocList", &list).await;
    assert_eq!(ours["data"].as_array().map(Vec::len), Some(1), "{ours}");
    assert_eq!(says(&ground, "other.sys.02", "countReceiveEdoc", &[]).await["count"], 2);
    assert_eq!(says(&ground, "other.sys.02", "countReceiveStatus", &[]).await["count"], 0);
    let id = theirs["data"][0]["docId"].as_str().expect("an id");
    let of_other = says(&ground, SYSTEM, "getEdoc", &[("docId", id)]).await;
    assert_eq!((&of_other["ErrorCode"], &of_other["data"]), (&"10".into(), &"".into()), "not its mail");
    let mine = says(&ground, "other.sys.02", "getEdoc", &[("docid", id)]).await;
    assert_eq!(mine["data"], openssl::base64::encode_block(&packet));
    let (head, file) = ask(&ground, "other.sys.02", "GET /vxp//downloadEdoc", b"", &[("docId", id)]).await;
    assert!(head.starts_with("HTTP/1.1 200 ") && file.as_bytes() == packet, "{head}");
    let (_, nothing) = ask(&ground, SYSTEM, "GET /vxp/downloadEdoc", b"", &[("docId", id)]).await;
    assert_eq!(nothing, "", "any body would be taken for the file");
    assert!(ground.axis.say(id, "done"));
    let became = says(&ground, SYSTEM, "getSentEdocList", &[("servicetype", "eDoc"), ("docId", &sent)]).await;
    let states: Vec<_> =
        became["data"].as_array().expect("a list").iter().map(|e| e["receiveStatus"].clone()).collect();
    assert_eq!(states, ["done", "initial", "initial"]);
    assert_eq!(
        says(&ground, "other.sys.02", "getSentEdocList", &[("servicetype", "eDoc"), ("docId", &sent)]).await
            ["ErrorCode"],
        "10"
    );
}

#[tokio::test]
async fn agencies_are_listed_registered_and_deleted_within_a_system() {
    let ground = open().await;
    let codes = async |list: &str, old: &str| -> Vec<(String, String)> {
        let said = says(&ground, SYSTEM, list, &[]).await;
        let text = |entry: &Value, name: &str| entry[name].as_str().expect("text").to_owned();
        said["data"].as_array().expect("a list").iter().map(|e| (text(e, "code"), text(e, old))).collect()
    };
    let listed = codes("getAgenciesList", "oldCode").await;
    assert_eq!(listed[0], ("G22.01".to_owned(), "000.00.01.G22".to_owned()));
    assert_eq!(listed.len(), 3, "the deleted one is not there");
    assert_eq!(codes("getAgenciesListQD20", "code102").await, listed);
    let unit = says(&ground, "other.sys.02", "getSynchronizeUnit", &[]).await;
    assert_eq!((&unit["data"]["code"], &unit["data"]["isAgency"]), (&"G22".into(), &true.into()));
    let registers = async |body: &str| -> String {
        let (_, said) = ask(&ground, SYSTEM, "POST /vxp/registerAgency", body.as_bytes(), &[]).await;
        serde_json::from_str::<Value>(&said).expect("JSON")["ErrorCode"].as_str().expect("a code").to_owned()
    };
    assert_eq!(registers(r#"{"id":"7","pcode":"H55","code":"H55.09","name":"Phòng"}"#).await, "0");
    assert_eq!(registers(r#"{"code":"H55.09","name":"Phòng mới"}"#).await, "0");
    assert_eq!(registers(r#"{"code":"G22.09"}"#).await, "19");
    assert_eq!(registers("{").await, "10");
    assert_eq!(codes("getAgenciesList", "oldCode").await.len(), 4);
    let deletes = async |code: &str| {
        says(&ground, SYSTEM, "deleteAgency", &[("AgencyCode", code)]).await["ErrorCode"].clone()
    };
    for (code, said) in [("H55.09", "0"), ("H55.09", "0"), ("H55.10", "18"), ("G22.01", "19")] {
        assert_eq!(deletes(code).await, said, "{code}");
    }
    assert_eq!(codes("getAgenciesList", "oldCode").await.len(), 3);
}

#[tokio::test]
async fn attachments_come_out_zipped_anew_and_hold_the_same() {
    let ground = open().await;
    ground.axis.adjust(|habits| habits.rewrites = true);
    let scan: Vec<u8> = (0..400_000_u32).map(|n| (n ^ (n >> 7)) as u8).collect();
    let attach = |builder: DocumentBuilder, name: &str, bytes: Vec<u8>| {
        builder.attach(name, "application/octet-stream", std::io::Cursor::new(bytes))
    };
    let mut packet = DocumentBuilder::new("H55.01", &["G22"]);
    packet = attach(packet, "scan.pdf", scan.clone());
    packet = attach(packet, "bang.xlsx", scan[7..].to_vec());
    packet = attach(packet, "rong.txt", Vec::new());
    let packet = packet.to_bytes().expect("a letter");
    let said = sends(&ground, SYSTEM, &packet, "H55.01", None).await;
    assert_eq!(said["status"], "OK", "{said}");
    let once = std::fs::read(&ground.axis.mail()[0].file).expect("kept");
    // What was zipped by the axis before is unpacked and zipped once more.
    ground.axis.offer("edoc", "H55.01", "G22", &once);
    let twice = std::fs::read(&ground.axis.mail()[1].file).expect("kept");
    assert!(once != packet && twice != once);
    let read = |packet: &[u8]| {
        let packet = packet.to_vec();
        let mut open = || -> std::io::Result<Box<dyn std::io::BufRead>> {
            Ok(Box::new(std::io::Cursor::new(packet.clone())))
        };
        let (envelope, _) = read_envelope(&mut open, &EdxmlLimits::default()).expect("a packet");
        let content = envelope.claimed_content();
        content
            .attachments
            .iter()
            .map(|a| (a.name.clone(), a.content_type.clone(), a.file.sha256, a.file.bytes))
            .collect::<Vec<_>>()
    };
    let (before, after, again) = (read(&packet), read(&once), read(&twice));
    for ((before, after), again) in before.iter().zip(&after).zip(&again) {
        assert_eq!((&before.0, before.2, before.3), (&after.0, after.2, after.3));
        assert_eq!(after, again);
    }
    let types: Vec<&str> = after.iter().map(|(_, of, ..)| of.as_str()).collect();
    assert_eq!(types, ["application/pdf", "application/zip", "application/zip"]);
}

#[tokio::test]
async fn a_large_packet_comes_out_as_it_went_in() {
    let ground = open().await;
    let mut scan = tempfile::NamedTempFile::new().expect("a file");
    let piece: Vec<u8> = (0..1_000_000_u32).map(|n| (n ^ (n >> 7)) as u8).collect();
    for _ in 0..20 {
        scan.write_all(&piece).expect("written");
    }
    let file = std::fs::File::open(scan.path()).expect("opened");
    let packet = DocumentBuilder::new("H55.01", &["G22"]).attach("scan.pdf", "application/pdf", file);
    let packet = packet.to_bytes().expect("a letter");
    assert_eq!(sends(&ground, SYSTEM, &packet, "H55.01", None).await["status"], "OK");
    let id = ground.axis.mail()[0].doc_id.clone();
    let got = says(&ground, "other.sys.02", "getEdoc", &[("docId", &id)]).await;
    assert!(got["data"] == openssl::base64::encode_block(&packet));
}
