//! The mailbox of the axis: what is consigned to codes of the system comes back to it, once for each.

use lienthong_schemas::edxml::{DocumentBuilder, EdxmlLimits, read_envelope};
use serde_json::Value;

use super::*;

impl Ground {
    /// Asks for an operation with these parameters beside those of every one.
    async fn ask(&self, operation: &str, body: &str, more: &[(&'static str, &str)]) -> Value {
        let own = [("systemid", SYSTEM), ("timestamp", &timestamp()), ("Content-Type", "application/json")];
        let all: Vec<_> = own.iter().chain(more).map(|(name, value)| (*name, (*value).to_owned())).collect();
        let head = head(&all, SECRET).replacen(
            "Content-Type: application/octet-stream",
            "Content-Type: application/json",
            1,
        );
        let line = format!("POST /vxp/{operation} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        let request = format!("{line}{head}Content-Length: {}\r\n\r\n{body}", body.len());
        let (head, body) = self.send(request.as_bytes()).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        serde_json::from_str(&body).expect("JSON")
    }

    async fn listed(&self, kind: &str) -> Vec<Value> {
        let answer =
            self.ask("getReceivedEdocList", "", &[("servicetype", "eDoc"), ("messagetype", kind)]).await;
        assert_eq!((&answer["status"], &answer["ErrorCode"]), (&"OK".into(), &"0".into()), "{answer}");
        answer["data"].as_array().expect("a list").clone()
    }

    async fn update(&self, doc_id: &str, status: &str) -> Value {
        self.ask("updateStatus", "{}", &[("docId", doc_id), ("status", status)]).await
    }
}

fn packet_of(mail: &Mail) -> Vec<u8> {
    std::fs::read(&mail.file).expect("kept")
}

fn habits(ours: &[&str]) -> Habits {
    Habits { ours: ours.iter().map(|code| (*code).to_owned()).collect(), ..Habits::default() }
}

/// A consignment of this packet, to these codes or to those that the packet names.
fn consignment(packet: &[u8], to: Option<&str>) -> Vec<u8> {
    let mut all = parameters(to.unwrap_or("[]"));
    all.retain(|(name, _)| to.is_some() || *name != "to");
    let hash = unpadded(&openssl::sha::sha256(packet));
    all.iter_mut().filter(|(name, _)| *name == "hash-file").for_each(|(_, value)| value.clone_from(&hash));
    request(&head(&all, SECRET), &[packet, b"\r\n"].concat())
}

fn letter() -> Vec<u8> {
    let letter = DocumentBuilder::new("H55.01", &["H01", "G22"]).trace("H55.01", "2026/01/02 03:04:05");
    letter.to_bytes().expect("a letter")
}

#[tokio::test]
async fn what_waits_is_listed_until_it_is_done() {
    let ground = Ground::open().await;
    let (letter, word) = (
        ground.axis.offer("edoc", "G22", "H55.15", PACKET),
        ground.axis.offer("status", "G22", "H55.15", b"<s/>"),
    );
    for (kind, id) in [("edoc", &letter), ("status", &word)] {
        let [entry] = &ground.listed(kind).await[..] else { panic!("one of {kind}") };
        assert_eq!((&entry["docId"], &entry["status"]), (&Value::from(id.as_str()), &"initial".into()));
        assert_eq!((&entry["from"], &entry["to"]), (&"G22".into(), &"H55.15".into()));
    }
    let got = ground.ask("getEdoc", "{}", &[("docId", &letter), ("filePath", "/tmp")]).await;
    assert_eq!(got["data"], openssl::base64::encode_block(PACKET));
    assert_eq!(ground.listed("edoc").await.len(), 1, "fetching changes nothing");
    ground.update(&letter, "processing").await;
    assert_eq!(ground.listed("edoc").await[0]["status"], "processing");
    for status in ["done", "done", "fail"] {
        assert_eq!(ground.update(&letter, status).await["ErrorCode"], "0", "{status}");
        assert!(ground.listed("edoc").await.is_empty(), "{status}");
    }
    ground.update(&word, "fail").await;
    assert!(ground.listed("status").await.is_empty());
    ground.axis.behave(Habits { offers_failed: true, ..Habits::default() });
    assert_eq!(ground.listed("status").await[0]["status"], "fail");
    let mail = ground.axis.mail();
    assert_eq!(
        (mail[0].fetched, mail[0].status(), mail[1].said.as_slice()),
        (1, "done", &["fail".to_owned()][..])
    );
    assert_eq!(ground.ask("getEdoc", "{}", &[("docId", "khac")]).await["ErrorCode"], "10");
    assert_eq!(ground.update(&word, "xong").await["ErrorCode"], "22");
}

#[tokio::test]
async fn receivers_of_the_system_get_what_was_consigned_to_them() {
    for (honours_to, to, expected) in [
        (true, Some("[\"H01\"]"), &["H01"][..]),
        (true, Some("[\"G22\"]"), &[]),
        (true, None, &["H01"]),
        (false, Some("[\"G22\"]"), &["H01"]),
    ] {
        let ground = Ground::open().await;
        ground.axis.behave(Habits { honours_to, ..habits(&["H01"]) });
        let (_, first) = ground.send(&consignment(&letter(), to)).await;
        ground.send(&consignment(&letter(), to)).await;
        let mail = ground.axis.mail();
        let got: Vec<&str> = mail.iter().map(|mail| mail.to.as_str()).collect();
        assert_eq!(got, expected, "{to:?}, and a repetition adds nothing");
        assert!(mail.iter().all(|mail| packet_of(mail) == letter() && first.contains(&mail.sender_doc_id)));
    }
}

#[tokio::test]
async fn the_sender_learns_what_became_of_each_receiver() {
    let ground = Ground::open().await;
    ground.axis.behave(habits(&["H01"]));
    ground.send(&consignment(&letter(), Some("[\"H01\",\"G22\"]"))).await;
    let (taken, mail) = (ground.axis.taken().remove(0), ground.axis.mail().remove(0));
    ground.update(&mail.doc_id, "done").await;
    let parameters = [("servicetype", "eDoc"), ("messagetype", "edoc"), ("docId", taken.doc_id.as_str())];
    let sent = ground.ask("getSentEdocList", "", &parameters).await;
    let of = |n: usize, member: &str| sent["data"][n][member].as_str().expect("text").to_owned();
    assert_eq!((of(0, "toCode"), of(0, "receiveStatus")), ("H01".into(), "done".into()));
    assert_eq!((of(0, "receiverDocId"), of(0, "senderDocId")), (mail.doc_id, taken.doc_id));
    assert_eq!((of(1, "toCode"), of(1, "receiveStatus")), ("G22".into(), "initial".into()));
}

#[tokio::test]
async fn a_packet_written_anew_says_the_same_in_other_bytes() {
    let ground = Ground::open().await;
    ground.axis.behave(Habits { rewrites: true, ..habits(&["H01"]) });
    ground.send(&consignment(&letter(), Some("[\"H01\"]"))).await;
    let rewritten = packet_of(&ground.axis.mail()[0]);
    let read = |packet: Vec<u8>| {
        let mut open = || -> std::io::Result<Box<dyn std::io::BufRead>> {
            Ok(Box::new(std::io::Cursor::new(packet.clone())))
        };
        read_envelope(&mut open, &EdxmlLimits::default()).expect("a packet").0
    };
    let (before, after) = (read(letter()), read(rewritten.clone()));
    let (before, after) = (before.claimed_content(), after.claimed_content());
    assert_eq!((&before.subject, &before.document_id), (&after.subject, &after.document_id));
    assert_eq!(after.trace.len(), before.trace.len() + 1);
    assert_ne!(rewritten, letter());
    let signed = letter_with_signature();
    ground.axis.offer("edoc", "G22", "H01", &signed);
    let text = String::from_utf8(packet_of(&ground.axis.mail()[1])).expect("text");
    assert!(!text.contains("xmldsig") && String::from_utf8_lossy(&signed).contains("xmldsig"));
}

fn letter_with_signature() -> Vec<u8> {
    let signature = "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"/></edXML:edXMLHeader>";
    let letter = DocumentBuilder::new("H55.01", &["H01"]).with_raw("</edXML:edXMLHeader>", signature);
    letter.to_bytes().expect("a letter")
}

#[tokio::test]
async fn operations_are_signed_and_have_their_bodies() {
    let ground = Ground::open().await;
    let id = ground.axis.offer("edoc", "G22", "H55.15", PACKET);
    ground.axis.behave(Habits { agencies: vec![Agency::named("H01", "Đơn vị")], ..Habits::default() });
    assert_eq!(ground.ask("getAgenciesList", "", &[]).await["data"][0]["code"], "H01");
    assert_eq!(ground.ask("getEdoc", "", &[("docId", &id)]).await["ErrorCode"], "22", "no body");
    assert_eq!(ground.ask("getEdoc", "{}", &[]).await["ErrorCode"], "22", "no docId");
    let bare =
        "POST /vxp/getAgenciesList HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let (_, body) = ground.send(bare.as_bytes()).await;
    assert!(body.contains("\"15\""), "{body}");
    assert_eq!(ground.axis.complaints().len(), 3);
}
