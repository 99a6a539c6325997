//! Every fault as a plain client sees it, and every command of the control door.

use serde_json::{Value, json};

use super::*;
use crate::demo::axis::Control;

struct Commanded {
    ground: Ground,
    control: Control,
    client: reqwest::Client,
}

impl Commanded {
    async fn open() -> Self {
        crate::serve::install_crypto();
        let ground = Ground::open().await;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let control = Control::open(ground.axis.clone(), listener).expect("a door");
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { ground, control, client }
    }

    async fn command(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let method = method.parse().expect("a method");
        let request = self.client.request(method, format!("{}{path}", self.control.url()));
        let request = request.header("Content-Type", "application/json").body(body.to_owned());
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn fails(&self, fault: Value) {
        let (status, said) = self.command("POST", "/double/faults", &fault.to_string()).await;
        assert_eq!((status, &said["faults"][0]["fault"]), (200, &fault["fault"]), "{said}");
    }

    /// What comes back for a request, byte by byte, until the axis ends the connection or this is patient no more.
    async fn hears(&self, request: &[u8], patience: Duration) -> Option<String> {
        let mut stream = TcpStream::connect(self.ground.axis.address).await.expect("connected");
        // It may be cut before all of it is sent.
        stream.write_all(request).await.unwrap_or_default();
        let mut heard = Vec::new();
        let read = tokio::time::timeout(patience, stream.read_to_end(&mut heard)).await;
        read.ok()?.unwrap_or_default();
        Some(String::from_utf8_lossy(&heard).into_owned())
    }
}

const LONG: Duration = Duration::from_secs(60);

fn list() -> Vec<u8> {
    asks("getReceivedEdocList", "", ("messagetype", "edoc"))
}

fn asks(operation: &str, body: &str, (name, value): (&'static str, &str)) -> Vec<u8> {
    let now = timestamp();
    let all = [
        ("systemid", SYSTEM),
        ("servicetype", "eDoc"),
        (name, value),
        ("timestamp", &now),
        ("Content-Type", "application/json"),
    ];
    let all: Vec<_> = all.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let head = head(&all, SECRET).replacen("Type: application/octet-stream", "Type: application/json", 1);
    let line = format!("POST /vxp/{operation} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    format!("{line}{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test]
async fn every_fault_is_seen_by_a_plain_client_and_passes() {
    let axis = Commanded::open().await;
    let good = good();
    for (fault, begins, holds, is_taken) in [
        (json!({ "fault": "status", "http": 500 }), "HTTP/1.1 500 ", "content-length: 0", false),
        (json!({ "fault": "page" }), "HTTP/1.1 502 ", "<h1>502 Bad Gateway</h1>", false),
        (json!({ "fault": "page", "http": 200 }), "HTTP/1.1 200 ", "<h1>200 OK</h1>", false),
        (json!({ "fault": "code", "code": "20" }), "HTTP/1.1 200 ", r#""ErrorCode":"20""#, false),
        (json!({ "fault": "code", "code": "18" }), "HTTP/1.1 200 ", r#""DocId":"""#, false),
        (json!({ "fault": "cut_body" }), "", "", false),
        (json!({ "fault": "lost_answer" }), "", "", true),
        (json!({ "fault": "cut_answer" }), "HTTP/1.1 200 ", "{", true),
        (json!({ "fault": "contradiction" }), "HTTP/1.1 200 ", r#""ErrorCode":"7""#, true),
        (json!({ "fault": "no_data" }), "HTTP/1.1 200 ", r#""status":"OK""#, true),
        (json!({ "fault": "slow", "milliseconds": 30 }), "HTTP/1.1 200 ", r#""DocId":""#, true),
    ] {
        let before: u32 = axis.ground.axis.taken().iter().map(|taken| taken.times).sum();
        let mut command = fault.clone();
        (command["operation"], command["times"]) = ("sendEdoc".into(), 1.into());
        axis.fails(command).await;
        let heard = axis.hears(&good, LONG).await.expect("an end");
        assert!(heard.starts_with(begins) && heard.contains(holds), "{fault}: {heard}");
        assert!(!begins.is_empty() || heard.is_empty(), "{fault}: {heard}");
        let is_whole =
            heard.ends_with('}') && heard.contains(r#""DocId":""#) && heard.contains(r#""ErrorCode":"0""#);
        assert_eq!(is_whole, fault["fault"] == "slow", "{fault}: {heard}");
        let after: u32 = axis.ground.axis.taken().iter().map(|taken| taken.times).sum();
        assert_eq!(after - before, u32::from(is_taken), "{fault}");
        // It was for one request.
        let (_, well) = axis.ground.send(&good).await;
        assert!(well.contains(r#""status":"OK""#), "{fault}: {well}");
    }
    assert_eq!(axis.ground.axis.taken().len(), 1, "one id, however often");
}

#[tokio::test]
async fn a_hanging_axis_says_nothing_until_it_is_told_to_be_well() {
    let axis = Commanded::open().await;
    axis.fails(json!({ "fault": "hang" })).await;
    for request in [good(), list()] {
        assert_eq!(axis.hears(&request, Duration::from_millis(200)).await, None);
    }
    assert_eq!(axis.command("DELETE", "/double/faults", "").await.1, json!({ "faults": [] }));
    assert!(axis.hears(&list(), LONG).await.is_some_and(|heard| heard.contains(r#""data":[]"#)));
    assert!(axis.ground.axis.taken().is_empty());
}

#[tokio::test]
async fn lists_are_spoilt_on_command() {
    let axis = Commanded::open().await;
    let from = "/double/mail?from=G22&to=H55.15";
    let (status, put) = axis.command("POST", from, "<edXML/>").await;
    let id = put["doc_id"].as_str().expect("an id").to_owned();
    assert_eq!(status, 200);
    for (fault, of) in [("duplicates", 2), ("nulls", 1), ("no_data", 0)] {
        axis.fails(json!({ "operation": "getReceivedEdocList", "fault": fault, "times": 1 })).await;
        let heard = axis.hears(&list(), LONG).await.expect("an end");
        assert_eq!(heard.matches(&id).count(), of, "{fault}: {heard}");
        assert_eq!(heard.contains("null"), fault == "nulls", "{heard}");
    }
    for (fault, holds) in
        [("bad_base64", "PGVkWE1M*="), ("no_data", "Success"), ("contradiction", r#""ErrorCode":"7""#)]
    {
        axis.fails(json!({ "operation": "getEdoc", "fault": fault, "times": 1 })).await;
        let heard = axis.hears(&asks("getEdoc", "{}", ("docId", &id)), LONG).await.expect("an end");
        assert!(heard.contains(holds) && !heard.contains("PGVkWE1MLz4="), "{fault}: {heard}");
    }
    let whole = axis.hears(&asks("getEdoc", "{}", ("docId", &id)), LONG).await.expect("an end");
    assert!(whole.contains("PGVkWE1MLz4="), "{whole}");
    let (_, mail) = axis.command("GET", "/double/mail", "").await;
    assert_eq!((&mail["mail"][0]["to"], &mail["mail"][0]["status"]), (&"H55.15".into(), &"initial".into()));
    let said = axis.command("POST", &format!("/double/mail/{id}"), r#"{"status":"done"}"#).await;
    assert_eq!((said.0, &said.1["mail"][0]["status"]), (200, &"done".into()));
    assert!(axis.hears(&list(), LONG).await.is_some_and(|heard| heard.contains(r#""data":[]"#)));
}

#[tokio::test]
async fn what_was_taken_is_shown_and_given() {
    let axis = Commanded::open().await;
    axis.ground.send(&good()).await;
    let (_, shown) = axis.command("GET", "/double/packets", "").await;
    let taken = &shown["packets"][0];
    assert_eq!(
        (&taken["from"], &taken["to"], &taken["bytes"]),
        (&"H55.01".into(), &json!(["H01", "G22"]), &8.into())
    );
    let id = taken["doc_id"].as_str().expect("an id");
    assert_eq!(axis.command("GET", &format!("/double/packets/{id}"), "").await, (200, "<edXML/>".into()));
    assert_eq!(axis.command("GET", "/double/packets/khac", "").await.0, 404);
    axis.ground.send(&request("", b"")).await;
    let (_, complaints) = axis.command("GET", "/double/complaints", "").await;
    assert_eq!(complaints["complaints"].as_array().map(Vec::len), Some(1));
    let (_, habits) = axis.command("POST", "/double/habits", r#"{"reserialise":true}"#).await;
    assert_eq!((&habits["reserialise"], &habits["honours_to"]), (&true.into(), &true.into()));
}

#[tokio::test]
async fn nobody_but_a_program_of_this_machine_commands() {
    let axis = Commanded::open().await;
    for bad in [r#"{"fault":"status","http":99}"#, r#"{"fault":"tired"}"#, "{"] {
        assert!(matches!(axis.command("POST", "/double/faults", bad).await.0, 400..=422), "{bad}");
    }
    let address = axis.control.url().replace("http://", "");
    for head in ["Host: example.vn", &format!("Host: {address}\r\nOrigin: http://example.vn")] {
        let mut stream = TcpStream::connect(&address).await.expect("connected");
        let request = format!("DELETE /double/faults HTTP/1.1\r\n{head}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    }
    let everywhere = TcpListener::bind(("0.0.0.0", 0)).await.expect("a port");
    assert!(Control::open(axis.ground.axis.clone(), everywhere).is_err());
}
