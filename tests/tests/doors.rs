//! The public door: who may come in, what a request may be, and what every refusal says. Peers here misbehave, so they
//! speak HTTP by hand.

use acceptance::{Heard, Stage, Wire, letter, until};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");
/// Larger than what must come in one window, so that an upload that stops half way is not yet too slow.
const ATTACHMENT_BYTES: usize = 40_000;
const BODY_MAX: usize = 100_000;

/// A request head for the submission of `length` bytes, or of chunks.
fn head(token: &str, length: Option<usize>, more: &str) -> String {
    let length = match length {
        Some(length) => format!("Content-Length: {length}\r\n"),
        None => "Transfer-Encoding: chunked\r\n".to_owned(),
    };
    let token = if token.is_empty() { String::new() } else { format!("Authorization: {token}\r\n") };
    format!("POST /api/v1/documents HTTP/1.1\r\nHost: x\r\n{token}{length}{more}\r\n")
}

/// Every word that a refusal owes its reader.
fn is_refusal(heard: &Heard, status: u16, code: &str, field: Option<&str>) {
    assert_eq!((heard.status, heard.body["code"].as_str()), (status, Some(code)), "{heard:?}");
    assert_eq!(heard.header("content-type"), Some("application/problem+json"), "{heard:?}");
    assert_eq!(heard.body["status"], status);
    assert_eq!(heard.body["field"].as_str(), field, "{heard:?}");
    assert_eq!(heard.body["support"], "0208 000 000", "the hotline");
    let slug = code.to_lowercase().replace('_', "-");
    assert_eq!(heard.body["type"], format!("urn:lienthong:problem:{slug}"));
    for key in ["title", "title_en", "detail", "detail_en"] {
        assert!(heard.body[key].as_str().is_some_and(|text| !text.is_empty()), "{key} in {heard:?}");
    }
    assert_ne!(heard.body["title"], heard.body["title_en"], "two languages");
}

/// An upload of which half has come.
struct Half {
    wire: Wire,
    rest: Vec<u8>,
}

impl Half {
    async fn begin(stage: &Stage, agency: usize, packet: &[u8], more: &str) -> Self {
        let mut wire = Wire::open(&stage.world.public).await;
        let token = format!("Bearer {}", stage.token(agency));
        wire.send(head(&token, Some(packet.len()), more)).await;
        let (now, later) = packet.split_at(packet.len() / 2);
        wire.send(now).await;
        Self { wire, rest: later.to_vec() }
    }

    async fn end(mut self) -> Heard {
        self.wire.send(&self.rest).await;
        self.wire.answer().await
    }
}

/// A world whose door has small limits.
async fn narrow() -> Stage {
    let body_max = format!("body_max = \"{BODY_MAX}B\"");
    let lines = [
        ("listen", "header_timeout = \"2s\""),
        ("listen", "slowest_rate_bytes = 1000"),
        ("listen", "slowest_rate_window = \"5s\""),
        ("listen", "uploads_per_system = 2"),
        ("listen", body_max.as_str()),
    ];
    Stage::open(PROGRAM, &lines).await
}

/// One head on one connection.
async fn ask(stage: &Stage, request: &str) -> Heard {
    Wire::open(&stage.world.public).await.ask(request).await
}

async fn credentials_come_before_the_body(stage: &Stage) {
    let stranger = format!("Bearer {}", "0".repeat(64));
    let basic = format!("Basic {}", stage.token(0));
    let rows = [
        ("", "CREDENTIALS_MISSING"),
        (basic.as_str(), "CREDENTIALS_MISSING"),
        (stranger.as_str(), "CREDENTIALS_UNKNOWN"),
    ];
    for (token, code) in rows {
        // Nothing of the body is sent; whoever waits for it does not answer.
        for more in ["", "Expect: 100-continue\r\n"] {
            let heard = ask(stage, &head(token, Some(90_000), more)).await;
            is_refusal(&heard, 401, code, Some("Authorization"));
            assert_eq!(heard.header("www-authenticate"), Some("Bearer"));
        }
    }
    let get = "GET /api/v1/documents/00000000000000000000000000000000 HTTP/1.1\r\nHost: x\r\n\r\n";
    is_refusal(&ask(stage, get).await, 401, "CREDENTIALS_MISSING", Some("Authorization"));
}

async fn heads_are_judged_before_the_body(stage: &Stage, token: &str) {
    let heard = ask(stage, &head(token, Some(BODY_MAX + 1), "")).await;
    is_refusal(&heard, 413, "BODY_TOO_LARGE", Some("Content-Length"));
    assert!(heard.body["detail"].as_str().is_some_and(|d| d.contains(&BODY_MAX.to_string())), "{heard:?}");
    for (more, field) in [
        ("Content-Type: application/json\r\n", "Content-Type"),
        ("Content-Type: multipart/form-data; boundary=x\r\n", "Content-Type"),
        ("Content-Encoding: gzip\r\n", "Content-Encoding"),
    ] {
        let heard = ask(stage, &head(token, Some(5_000), more)).await;
        is_refusal(&heard, 415, "CONTENT_TYPE_UNSUPPORTED", Some(field));
    }
    let long = "k".repeat(129);
    for key in ["", "two words", long.as_str()] {
        let heard = ask(stage, &head(token, Some(5_000), &format!("Idempotency-Key: {key}\r\n"))).await;
        is_refusal(&heard, 400, "IDEMPOTENCY_KEY_INVALID", Some("Idempotency-Key"));
    }
    let twice = "Idempotency-Key: a\r\nIdempotency-Key: b\r\n";
    let heard = ask(stage, &head(token, Some(5_000), twice)).await;
    is_refusal(&heard, 400, "IDEMPOTENCY_KEY_INVALID", Some("Idempotency-Key"));
}

async fn bodies_have_limits(stage: &Stage, token: &str) {
    is_refusal(&ask(stage, &head(token, Some(0), "")).await, 400, "BODY_EMPTY", None);
    is_refusal(&ask(stage, &(head(token, None, "") + "0\r\n\r\n")).await, 400, "BODY_EMPTY", None);
    let over = format!("{:x}\r\n{}\r\n1\r\n", BODY_MAX, "x".repeat(BODY_MAX));
    // The last byte is the one too many; no end is announced.
    is_refusal(&ask(stage, &(head(token, None, "") + &over + "x")).await, 413, "BODY_TOO_LARGE", None);
    let exactly = "x".repeat(BODY_MAX);
    let heard = ask(stage, &(head(token, Some(BODY_MAX), "") + &exactly)).await;
    is_refusal(&heard, 422, "XML_MALFORMED", heard.body["field"].as_str());
}

async fn addresses_and_methods(stage: &Stage, token: &str) {
    let of = |method: &str, path: &str| {
        format!("{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Length: 0\r\n\r\n")
    };
    let heard = ask(stage, &of("PUT", "/api/v1/documents")).await;
    is_refusal(&heard, 405, "METHOD_NOT_ALLOWED", None);
    assert_eq!(heard.header("allow"), Some("POST"));
    let id = "/api/v1/documents/00000000000000000000000000000000";
    let heard = ask(stage, &of("DELETE", id)).await;
    is_refusal(&heard, 405, "METHOD_NOT_ALLOWED", None);
    assert!(heard.header("allow").is_some_and(|allow| allow.starts_with("GET")), "{heard:?}");
    is_refusal(&ask(stage, &of("GET", id)).await, 404, "NOT_FOUND", Some("id"));
    is_refusal(&ask(stage, &of("GET", "/api/v1/documents/x")).await, 404, "NOT_FOUND", Some("id"));
    is_refusal(&ask(stage, &of("GET", "/api/v2")).await, 404, "NOT_FOUND", None);
}

/// A body and a head that come too slowly; each takes its time, beside each other.
async fn slowness_has_limits(stage: &Stage, token: &str) {
    let body = async {
        let mut wire = Wire::open(&stage.world.public).await;
        wire.send(head(token, Some(50_000), "")).await;
        wire.send("<").await;
        is_refusal(&wire.answer().await, 408, "BODY_TOO_SLOW", None);
    };
    let head = async {
        let heard = ask(stage, "POST /api/v1/documents HTTP/1.1\r\nHost: x\r\nX-Endless: ").await;
        assert!(heard.status == 0 || heard.status == 408, "a head without end is cut: {heard:?}");
    };
    tokio::join!(body, head);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_limit_of_the_door_holds_and_says_so() {
    let stage = narrow().await;
    let mut gateway = stage.start().await;
    let token = format!("Bearer {}", stage.token(0));
    credentials_come_before_the_body(&stage).await;
    heads_are_judged_before_the_body(&stage, &token).await;
    bodies_have_limits(&stage, &token).await;
    addresses_and_methods(&stage, &token).await;
    slowness_has_limits(&stage, &token).await;
    assert_eq!(std::fs::read_dir(stage.world.folder.join("data/incoming")).expect("a folder").count(), 0);
    assert_eq!(stage.metric("lienthong_refused_total{code=\"body_too_slow\"}").await, 1.0);
    assert_eq!(stage.metric("lienthong_accepted_total").await, 0.0);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

/// A signed letter with an attachment, as bytes.
fn bytes(stage: &Stage, number: u32) -> Vec<u8> {
    let scan = vec![number as u8; ATTACHMENT_BYTES];
    let document = letter(number, &[1]).attach("scan.pdf", "application/pdf", std::io::Cursor::new(scan));
    std::fs::read(stage.signed(&format!("{number}.edxml"), document)).expect("the packet")
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_at_once_and_keys_in_flight_are_bounded_per_system() {
    let stage = narrow().await;
    let mut gateway = stage.start().await;
    let (one, two, three) = (bytes(&stage, 1), bytes(&stage, 2), stage.letter(3, &[1]));
    let own_document = lienthong_schemas::edxml::DocumentBuilder::new("H55.15", &["H55.21"]);
    let of_another = stage.world.packet("b.edxml", own_document, 1).expect("a packet");

    let first = Half::begin(&stage, 0, &one, "Idempotency-Key: key-1\r\n").await;
    stage.metric_reaches("lienthong_uploads_in_flight", 1.0).await;
    let key = [("Idempotency-Key", "key-1")];
    let answer = stage.world.submit_with(0, &three, &key).await.expect("an answer");
    assert_eq!((answer.status, &answer.body["code"]), (409, &Value::from("IDEMPOTENCY_KEY_IN_FLIGHT")));
    let others = stage.world.submit_with(1, &of_another, &key).await.expect("an answer");
    assert_eq!(others.status, 202, "another system's key is another key: {}", others.body);

    let second = Half::begin(&stage, 0, &two, "").await;
    stage.metric_reaches("lienthong_uploads_in_flight", 2.0).await;
    let mut third = Wire::open(&stage.world.public).await;
    let heard = third.ask(&head(&format!("Bearer {}", stage.token(0)), Some(5_000), "")).await;
    is_refusal(&heard, 429, "UPLOADS_TOO_MANY", None);
    assert!(heard.header("retry-after").is_some_and(|s| s.parse::<u32>().is_ok_and(|s| s > 0)), "{heard:?}");
    let again = stage.world.submit(1, &of_another).await.expect("an answer");
    assert!(again.status == 202 && again.replayed, "another system has its own places");

    let (first, second) = (first.end().await, second.end().await);
    assert_eq!((first.status, second.status), (202, 202), "{first:?} {second:?}");
    assert_eq!(
        first.header("location"),
        first.body["document_id"].as_str().map(|id| format!("/api/v1/documents/{id}")).as_deref()
    );
    stage.accepted(&three).await;

    // A sender that goes away frees its place.
    let gone = Half::begin(&stage, 0, &bytes(&stage, 4), "Idempotency-Key: key-4\r\n").await;
    stage.metric_reaches("lienthong_uploads_in_flight", 1.0).await;
    drop(gone);
    let freed = until(async || {
        let answer = stage.world.submit_with(0, &three, &[("Idempotency-Key", "key-4")]).await.ok()?;
        (answer.status == 202).then_some(())
    });
    assert!(freed.await.is_some(), "place and key are free again");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_stands_for_one_body() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let mut gateway = stage.start().await;
    let (one, two) = (stage.letter(1, &[1]), stage.letter(2, &[1]));
    let submit = async |packet: &std::path::Path, key: &str| {
        stage.world.submit_with(0, packet, &[("Idempotency-Key", key)]).await.expect("an answer")
    };
    let longest = "k".repeat(128);
    let first = submit(&one, &longest).await;
    assert_eq!((first.status, first.replayed), (202, false), "{}", first.body);
    let again = submit(&one, &longest).await;
    assert_eq!((again.status, again.replayed), (202, true), "Idempotent-Replayed: true");
    assert_eq!(again.body, first.body, "the same receipt");
    let other = submit(&two, &longest).await;
    assert_eq!((other.status, &other.body["code"]), (422, &Value::from("IDEMPOTENCY_KEY_REUSED")));
    assert_eq!(other.body["field"], "Idempotency-Key");

    // It is remembered across a restart.
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    let mut gateway = stage.start().await;
    let again = submit(&one, &longest).await;
    assert_eq!((again.body, again.replayed), (first.body, true));
    assert_eq!(submit(&two, &longest).await.status, 422);
    assert_eq!(submit(&two, "another").await.status, 202);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
