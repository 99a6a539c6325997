//! The axis spoken to by raw sockets: the worked example of the protocol, and everything that it must not let pass.

use http::{HeaderMap, HeaderName, HeaderValue};
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::signed::unpadded;
use super::*;

mod faults;
mod inbox;
mod post;
mod systems;

const SYSTEM: &str = "demo.sys.01";
const SECRET: &[u8] = b"made-up-secret-key";
const PACKET: &[u8] = b"<edXML/>";
/// Of `PACKET`: two zeros of its SHA-256 are left out.
const HASH_FILE: &str = "8d55f6c7bf7cd534cf27a10e1bb5731c68279c3cb991cf4844774c685b3758";

struct Ground {
    axis: Arc<Axis>,
    _folder: TempDir,
}

impl Ground {
    async fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let axis = Axis::open(SYSTEM, SECRET, &folder.path().join("axis")).await.expect("an axis");
        Self { axis, _folder: folder }
    }

    /// Sends bytes and reads the answer to its end: head and body.
    async fn send(&self, request: &[u8]) -> (String, String) {
        let mut stream = TcpStream::connect(self.axis.address).await.expect("connected");
        stream.write_all(request).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        (head.to_owned(), body.to_owned())
    }

    /// Sends what must be refused: the `ErrorCode` and the complaint.
    async fn refused(&self, request: &[u8]) -> (String, String) {
        let (head, body) = self.send(request).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let json: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!((json["status"].as_str(), json["DocId"].as_str()), (Some("FAIL"), Some("")));
        assert!(self.axis.taken().is_empty());
        (json["ErrorCode"].as_str().expect("a code").to_owned(), self.axis.complaints().join("\n"))
    }
}

/// The time as a client in Vietnam writes it.
fn timestamp() -> String {
    let local = SystemClock.now().to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(7)));
    local.strftime("%d%m%YT%H%M%S+0123").to_string()
}

fn parameters(to: &str) -> Vec<(&'static str, String)> {
    let pairs = [
        ("systemid", SYSTEM),
        ("servicetype", "eDoc"),
        ("messagetype", "edoc"),
        ("hash-file", HASH_FILE),
        ("from", "H55.01"),
        ("to", to),
        ("timestamp", &timestamp()),
        ("Content-Type", "application/octet-stream"),
    ];
    pairs.map(|(name, value)| (name, value.to_owned())).to_vec()
}

fn hmac(text: &str, secret: &[u8]) -> String {
    let key = PKey::hmac(secret).expect("a key");
    let mut signer = Signer::new(MessageDigest::sha256(), &key).expect("a signer");
    hex::encode(signer.sign_oneshot_to_vec(text.as_bytes()).expect("signed"))
}

/// The block of headers that the SDK writes for these parameters.
fn head(parameters: &[(&'static str, String)], secret: &[u8]) -> String {
    let (mut lines, mut members) = (String::new(), Vec::new());
    for (name, value) in parameters {
        lines += &format!("XroadVnpt-{name}: {value}\r\n");
        let value = value.replace('"', "\\\"");
        members.push(format!("\"XroadVnpt-{name}\":\"{value}\""));
    }
    let signed = format!("{{{}}}", members.join(","));
    let names: Vec<&str> = parameters.iter().map(|(name, _)| *name).collect();
    format!(
        "Content-Type: application/octet-stream\r\n{lines}XroadVnpt-sign-header-key: {}\r\n\
         XroadVnpt-sign-header: {signed}\r\nXroadVnpt-hash-header: {}\r\n\
         User-Agent: JAVASDKAgent/1.0.0 XRoad/VPCP\r\nXroadVnpt-version: 3.0.201608\r\n",
        names.join(";"),
        hmac(&signed, secret),
    )
}

fn request(head: &str, body: &[u8]) -> Vec<u8> {
    let line = "POST /vxp/sendEdoc HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    let mut bytes = format!("{line}{head}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn good() -> Vec<u8> {
    request(&head(&parameters("[\"H01\",\"G22\"]"), SECRET), b"<edXML/>\r\n")
}

#[test]
fn the_worked_example_of_the_protocol_verifies() {
    let block = "Content-Type: application/octet-stream
XroadVnpt-systemid: demo.sys.01
XroadVnpt-servicetype: eDoc
XroadVnpt-messagetype: edoc
XroadVnpt-hash-file: 8d55f6c7bf7cd534cf27a10e1bb5731c68279c3cb991cf4844774c685b3758
XroadVnpt-from: H55.01
XroadVnpt-to: [\"H01\",\"G22\"]
XroadVnpt-timestamp: 01022025T030405+0006
XroadVnpt-Content-Type: application/octet-stream
XroadVnpt-sign-header-key: systemid;servicetype;messagetype;hash-file;from;to;timestamp;Content-Type
XroadVnpt-sign-header: {\"XroadVnpt-systemid\":\"demo.sys.01\",\"XroadVnpt-servicetype\":\"eDoc\",\"XroadVnpt-messagetype\":\"edoc\",\"XroadVnpt-hash-file\":\"8d55f6c7bf7cd534cf27a10e1bb5731c68279c3cb991cf4844774c685b3758\",\"XroadVnpt-from\":\"H55.01\",\"XroadVnpt-to\":\"[\\\"H01\\\",\\\"G22\\\"]\",\"XroadVnpt-timestamp\":\"01022025T030405+0006\",\"XroadVnpt-Content-Type\":\"application/octet-stream\"}
XroadVnpt-hash-header: 8a8cb70ab21c3836f02a1d747e6d9edaae1dd893a596234787cc6ef9589bf1ba
User-Agent: JAVASDKAgent/1.0.0 XRoad/VPCP
XroadVnpt-version: 3.0.201608";
    let mut headers = HeaderMap::new();
    for line in block.lines() {
        let (name, value) = line.split_once(": ").expect("a header");
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        headers.append(name, HeaderValue::from_str(value).expect("a value"));
    }
    // 03:04:05 in Vietnam.
    let at = "2025-01-31T20:04:05Z".parse().expect("a time");
    let known = |id: &str| (id == SYSTEM).then_some(SECRET);
    let signed = Signed::verify(&headers, known, true, at).expect("it verifies");
    assert_eq!(signed.receivers(), Ok(Some(vec!["H01".to_owned(), "G22".to_owned()])));
    assert_eq!(unpadded(&openssl::sha::sha256(PACKET)), HASH_FILE);
    let later = "2025-01-31T20:10:05Z".parse().expect("a time");
    assert!(Signed::verify(&headers, known, true, later).is_err_and(|why| why.contains("360 s off")));
    assert!(Signed::verify(&headers, known, false, later).is_ok(), "a client may be as old as it likes");
    let another = |_: &str| Some(&b"another"[..]);
    assert!(Signed::verify(&headers, another, true, at).is_err_and(|why| why.contains("HMAC")));
    assert!(Signed::verify(&headers, |_| None, true, at).is_err_and(|why| why.contains("systemid")));
}

#[tokio::test]
async fn a_packet_comes_out_as_it_went_in_and_a_repetition_has_the_same_id() {
    let ground = Ground::open().await;
    let (_, first) = ground.send(&good()).await;
    let (_, second) = ground.send(&good()).await;
    assert_eq!(first, second, "one id for life");
    let json: serde_json::Value = serde_json::from_str(&first).expect("JSON");
    let taken = &ground.axis.taken()[0];
    assert_eq!(json["status"], "OK");
    assert_eq!(json["DocId"], taken.doc_id.as_str());
    assert_eq!((taken.times, taken.doc_id.len(), taken.bytes), (2, 24, 8));
    assert_eq!(std::fs::read(&taken.file).expect("kept"), PACKET);
    assert_eq!(taken.sha256, hex::encode(openssl::sha::sha256(PACKET)));
    assert_eq!((taken.message_type.as_str(), taken.from.as_str()), ("edoc", "H55.01"));
    assert_eq!(taken.to, ["H01", "G22"]);
    // The same packet for another receiver is another consignment.
    ground.send(&request(&head(&parameters("[\"H01\"]"), SECRET), b"<edXML/>\r\n")).await;
    assert_eq!(ground.axis.taken().len(), 2);
    assert!(ground.axis.complaints().is_empty(), "{:?}", ground.axis.complaints());
}

#[tokio::test]
async fn an_axis_that_is_away_answers_a_page_and_takes_nothing() {
    let ground = Ground::open().await;
    ground.axis.be_away_once();
    let (head, body) = ground.send(&good()).await;
    assert!(head.starts_with("HTTP/1.1 502 ") && head.contains("text/html") && body.contains("<html>"));
    assert!(ground.axis.taken().is_empty());
    ground.send(&good()).await;
    assert_eq!(ground.axis.taken().len(), 1);
    assert!(ground.axis.complaints().is_empty());
}

#[tokio::test]
async fn every_part_of_a_request_is_checked() {
    let body = b"<edXML/>\r\n";
    let change = |name: &str, value: &str| {
        let mut all = parameters("[\"H01\"]");
        all.iter_mut().filter(|(n, _)| *n == name).for_each(|(_, v)| value.clone_into(v));
        request(&head(&all, SECRET), body)
    };
    let replace = |old: &str, new: &str| {
        let head = head(&parameters("[\"H01\"]"), SECRET);
        assert!(head.contains(old), "{old}");
        request(&head.replacen(old, new, 1), body)
    };
    for (bytes, code, complaint) in [
        (change("systemid", "other"), "15", "systemid is other"),
        (change("timestamp", "22112026T150137+1000"), "15", "timestamp 22112026T150137+1000"),
        (change("timestamp", "22112020T150137+0304"), "15", "s off"),
        (change("servicetype", "other"), "22", "servicetype"),
        (change("messagetype", "other"), "22", "messagetype other"),
        (change("to", "H01"), "22", "to is H01"),
        (change("hash-file", &hex::encode(openssl::sha::sha256(PACKET))), "21", "hash-file is not"),
        (replace("XroadVnpt-from: H55.01", "XroadVnpt-from: H55.02"), "15", "is not the one signed"),
        (
            replace("XroadVnpt-from: H55.01", "XroadVnpt-from: H55.01\r\nXroadVnpt-from: H55.01"),
            "15",
            "twice",
        ),
        (replace("servicetype;messagetype", "messagetype;servicetype"), "15", "sign-header-key"),
        (replace("3.0.201608", "3.0"), "15", "version"),
        (
            replace("Content-Type: application/octet-stream\r\nX", "Content-Type: text/xml\r\nX"),
            "15",
            "Content-Type",
        ),
        (request(&head(&parameters("[\"H01\"]"), b"other"), body), "15", "not the HMAC"),
        (request(&head(&parameters("[\"H01\"]"), SECRET), b"<edXML/>"), "21", "do not end in CR LF"),
        (request(&head(&parameters("[\"H01\"]"), SECRET), b"<edXml/>\r\n"), "21", "hash-file is not"),
    ] {
        let ground = Ground::open().await;
        let (said, why) = ground.refused(&bytes).await;
        assert_eq!(said, code, "{why}");
        assert!(why.contains(complaint), "{why} instead of {complaint}");
    }
}

#[tokio::test]
async fn a_member_that_stands_twice_is_not_chosen_from() {
    let ground = Ground::open().await;
    let mut all = parameters("[\"H01\"]");
    all.push(("to", "[\"H02\"]".to_owned()));
    let (code, why) = ground.refused(&request(&head(&all, SECRET), b"<edXML/>\r\n")).await;
    assert_eq!((code.as_str(), why.contains("twice")), ("15", true), "{why}");
}

#[tokio::test]
async fn a_body_cut_by_a_kill_is_neither_taken_nor_complained_of() {
    let ground = Ground::open().await;
    let whole = good();
    let mut stream = TcpStream::connect(ground.axis.address).await.expect("connected");
    stream.write_all(&whole[..whole.len() - 3]).await.expect("sent");
    stream.shutdown().await.expect("ended");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("the end");
    assert!(!String::from_utf8_lossy(&answer).contains("\"OK\""));
    assert!(ground.axis.taken().is_empty() && ground.axis.complaints().is_empty());
}

#[tokio::test]
async fn only_the_operation_is_served() {
    let ground = Ground::open().await;
    let bytes = String::from_utf8(good()).expect("text").replace("/vxp/sendEdoc", "/vxp//sendEdoc");
    let (head, _) = ground.send(bytes.as_bytes()).await;
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    assert_eq!(ground.axis.complaints(), ["POST /vxp//sendEdoc"]);
}
