//! Whoever is not who it says, asks for what it may not, or does not behave.

use acceptance::sdk_client::{SdkClient, exchange, hmac};
use acceptance::{PATIENCE, Wire, text};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::ground::{NEXT_SECRET, SECRET, SYSTEM_ID, client, receiver, stage, stage_with_mailboxes};
use crate::mailbox::{id_of, listed, sent};

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_known_and_who_has_the_wrong_secret_hear_the_same() {
    let stage = stage("").await;
    let mut gateway = stage.start().await;
    let wrong = SdkClient { secret: "not-the-secret-at-all".to_owned(), ..client(&stage) };
    let unknown = SdkClient::new(&stage.world.public, "/sdk", "demo.sys.99", SECRET);
    let mut answers = Vec::new();
    for mut sdk in [wrong, unknown] {
        answers.push(sdk.ask("POST", "getAgenciesList", &[], b"").await.json());
    }
    assert_eq!((&answers[0], &answers[0]["ErrorCode"]), (&answers[1], &json!("15")));
    assert_eq!(answers[0]["data"], json!([]));

    // Without a signature; a download has no body then.
    let ask = |path: &str| {
        format!("GET /sdk/{path} HTTP/1.1\r\nHost: x\r\nXroadVnpt-systemid: {SYSTEM_ID}\r\n\r\n")
    };
    let plain = exchange(&stage.world.public, ask("getAgenciesList").as_bytes()).await.json();
    assert_eq!((plain["ErrorCode"].as_str(), plain["status"].as_str()), (Some("15"), Some("FAIL")));
    for path in ["downloadEdoc", "downloadEdoc2"] {
        let raw = exchange(&stage.world.public, ask(path).as_bytes()).await;
        assert_eq!((raw.status, raw.body.len()), (401, 0), "{path}");
    }
    let mut sdk = client(&stage);
    let raw = sdk.ask("POST", "downloadEdoc2", &[], b"").await;
    assert_eq!((raw.status, raw.body.len()), (403, 0), "it is refused signed, too");
    for (operation, code) in
        [("registerAgency", "10"), ("deleteAgency", "10"), ("nothing", "10"), ("getagencieslist", "10")]
    {
        let answer = sdk.ask("POST", operation, &[("AgencyCode", "H55")], b"{}").await.json();
        assert_eq!(answer["ErrorCode"], code, "{operation}");
    }
    let put = sdk.ask("PUT", "getAgenciesList", &[], b"").await.json();
    assert!(put["ErrorDesc"].as_str().is_some_and(|words| words.contains("METHOD_NOT_ALLOWED")));
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_wrong_secret_is_let_finish_and_hears_so() {
    let stage = stage("").await;
    let mut gateway = stage.start().await;
    let wrong = SdkClient { secret: "not-the-secret-at-all".to_owned(), ..client(&stage) };
    let head = wrong.head("POST", "sendEdoc");
    let whole = |bytes: usize| format!("{head}Host: x\r\nContent-Length: {bytes}\r\n\r\n").into_bytes();
    let body = vec![b' '; 12 << 20];
    let mut stream = TcpStream::connect(&stage.world.public).await.expect("a connection");
    stream.write_all(&whole(body.len())).await.expect("sent");
    stream.write_all(&body).await.expect("all of it is taken");
    let mut said = Vec::new();
    while !said.ends_with(b"}") {
        assert_ne!(stream.read_buf(&mut said).await.expect("an answer"), 0, "{}", text(&said));
    }
    assert!(text(&said).contains("\"ErrorCode\":\"15\"") && text(&said).contains("\"DocId\":\"\""));
    // More than a stranger may send is answered at once.
    let much = exchange(&stage.world.public, &whole(17 << 20)).await;
    assert_eq!(much.json()["ErrorCode"], "15");
    assert_eq!(stage.metric("lienthong_accepted_total").await, 0.0);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_signed_counts() {
    let stage = stage("").await;
    let mut gateway = stage.start().await;
    let id = stage.accepted(&stage.letter(1, &[1])).await;
    let mut sdk = client(&stage);
    sdk.set("docId", &id);
    let head = sdk.head("POST", "getSentEdocList");
    let rest = format!("Host: {}\r\nContent-Length: 0\r\n\r\n", stage.world.public);
    let ask = async |head: String| exchange(&stage.world.public, (head + &rest).as_bytes()).await.json();
    assert_eq!(ask(head.clone()).await["status"], "OK");
    // The loose header is another, or is beside one that is signed, or the only one.
    let other =
        head.replacen(&format!("XroadVnpt-docId: {id}"), &format!("XroadVnpt-docId: {}", "0".repeat(32)), 1);
    assert_eq!(ask(other).await["ErrorCode"], "15");
    assert_eq!(ask(format!("{head}XroadVnpt-docid: {}\r\n", "0".repeat(32))).await["status"], "OK");
    let loose = client(&stage).head("POST", "getSentEdocList") + &format!("XroadVnpt-docId: {id}\r\n");
    assert!(ask(loose).await["ErrorDesc"].as_str().is_some_and(|words| words.contains("FIELD_MISSING")));
    assert_eq!(
        ask(head.to_lowercase().replacen(
            "post /sdk/getsentedoclist http",
            "POST /sdk/getSentEdocList HTTP",
            1
        ))
        .await["ErrorCode"],
        "15"
    );
    // Signed, and odd.
    for odd in
        ["null", "[]", "{\"XroadVnpt-systemid\":null}", "{\"XroadVnpt-systemid\":1}", "{}", "\"x\"", "{\"a\""]
    {
        let head = format!(
            "POST /sdk/getSentEdocList HTTP/1.1\r\nXroadVnpt-systemid: {SYSTEM_ID}\r\nXroadVnpt-sign-header: {odd}\r\n\
             XroadVnpt-hash-header: {}\r\n",
            hmac(SECRET, odd)
        );
        assert_eq!(ask(head).await["ErrorCode"], "15", "{odd}");
    }
    let mut future = client(&stage);
    future.set("timestamp", "01012999T000000+0000");
    assert_eq!(future.call("getAgenciesList", &[]).await["ErrorCode"], "15");
    future.set("timestamp", "01011999T000000+0000");
    assert_eq!(future.call("getAgenciesList", &[]).await["status"], "OK");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_are_as_large_as_the_sdk_makes_them_and_no_larger() {
    let stage = stage("").await;
    let mut gateway = stage.start().await;
    let mut sdk = client(&stage);
    let codes: Vec<String> = (0..5_100).map(|n| format!("\"H55.{n:04}\"")).collect();
    let to = format!("[{}]", codes.join(","));
    assert!(to.len() > 56_000);
    sdk.set("to", &to);
    let head = sdk.head("POST", "getAgenciesList");
    assert!(head.len() > 118 * 1024, "{}", head.len());
    assert_eq!(sdk.call("getAgenciesList", &[]).await["status"], "OK");
    sdk.set("to", &to.repeat(3));
    assert_eq!(sdk.ask("POST", "getAgenciesList", &[], b"").await.status, 431);
    sdk.unset("to");
    // A body where none is asked for.
    let large = vec![b' '; 100_000];
    let answer = sdk.ask("POST", "getAgenciesList", &[], &large).await.json();
    assert!(answer["ErrorDesc"].as_str().is_some_and(|words| words.contains("BODY_TOO_LARGE")));
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_may_be_bound_to_networks() {
    let stage = stage("allowed_cidrs = [\"192.0.2.0/24\"]\n").await;
    let mut gateway = stage.start().await;
    let answer = client(&stage).call("getAgenciesList", &[]).await;
    assert_eq!(answer["ErrorCode"], "15");
    assert!(!answer["ErrorDesc"].as_str().is_some_and(|words| words.contains("cidr")), "it is not said why");
    assert!(stage.log().iter().any(|line| line["message"] == "a right signature from outside allowed_cidrs"));
    assert_eq!(stage.metric("lienthong_sdk_new_sources_total").await, 0.0);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slow_and_does_not_lock_out_who_is_known() {
    let stage = stage("").await;
    let mut gateway = stage.start().await;
    let mut guesser = SdkClient { secret: "a guess, and a wrong one".to_owned(), ..client(&stage) };
    let mut last = json!(null);
    for _ in 0..11 {
        last = guesser.call("getAgenciesList", &[]).await;
    }
    assert!(last["ErrorDesc"].as_str().is_some_and(|words| words.contains("ATTEMPTS_TOO_MANY")), "{last}");
    let mut sdk = client(&stage);
    let held = sdk.call("getAgenciesList", &[]).await;
    assert!(
        held["ErrorDesc"].as_str().is_some_and(|words| words.contains("ATTEMPTS_TOO_MANY")),
        "nobody is known here"
    );
    assert!(stage.metric("lienthong_refused_total{code=\"attempts_too_many\"}").await >= 2.0);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));

    let mut gateway = stage.start().await;
    assert_eq!(sdk.call("getAgenciesList", &[]).await["status"], "OK");
    for _ in 0..12 {
        assert!(
            guesser.call("getAgenciesList", &[]).await["ErrorDesc"]
                .as_str()
                .is_some_and(|words| words.contains("CREDENTIALS_UNKNOWN"))
        );
    }
    assert_eq!(sdk.call("getAgenciesList", &[]).await["status"], "OK", "it is known here");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_never_ends_is_cut() {
    let stage = stage("").await;
    let text = std::fs::read_to_string(&stage.world.config).expect("the settings");
    let slow = text.replacen("[listen]\n", "[listen]\nheader_timeout = \"1s\"\n", 1);
    std::fs::write(&stage.world.config, slow).expect("written");
    let mut gateway = stage.start().await;
    let mut wire = Wire::open(&stage.world.public).await;
    wire.send("POST /sdk/getAgenciesList HTTP/1.1\r\nHost: x\r\nXroadVnpt-systemid: ").await;
    let heard = tokio::time::timeout(PATIENCE, wire.answer()).await.expect("an end");
    assert!([0, 408].contains(&heard.status), "{heard:?}");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_news_once_whatever_is_started_anew() {
    let stage = stage("").await;
    for expected in [1.0, 0.0] {
        let mut gateway = stage.start().await;
        assert_eq!(client(&stage).call("getAgenciesList", &[]).await["status"], "OK");
        assert_eq!(stage.metric("lienthong_sdk_new_sources_total").await, expected);
        assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    }
}

/// Of another system or of nobody: the same words, and none of them says which.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_another_system_is_like_one_of_nobody() {
    let stage = stage_with_mailboxes().await;
    let mut gateway = stage.start().await;
    let (mut sender, mut owner) = (client(&stage), receiver(&stage));
    sent(&stage, &mut sender, 1).await;
    let foreign = id_of(&listed(&mut owner, "edoc", 1).await[0]);
    let unknown = foreign.chars().rev().collect::<String>();
    for (operation, method) in [("getEdoc", "POST"), ("downloadEdoc", "GET"), ("updateStatus", "POST")] {
        let mut heard = Vec::new();
        for id in [&foreign, &unknown] {
            let raw = sender.ask(method, operation, &[("docId", id), ("status", "done")], b"").await;
            heard.push((raw.status, raw.body));
        }
        assert_eq!(heard[0], heard[1], "{operation}");
    }
    assert_eq!(listed(&mut owner, "edoc", 1).await.len(), 1, "nothing became of it");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

/// Everything below the data folder: store, spool, index, what the broker keeps.
fn files(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        match entry.file_type().expect("its type") {
            kind if kind.is_dir() => files(&entry.path(), found),
            kind if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_comes_into_the_broker_the_store_or_the_log() {
    let stage = stage_with_mailboxes().await;
    let guess = "a-guess-of-somebody-that-is-wrong";
    let mut gateway = stage.start().await;
    let mut sender = client(&stage);
    let (document, _) = sent(&stage, &mut sender, 1).await;
    let mut owner = receiver(&stage);
    let id = id_of(&listed(&mut owner, "edoc", 1).await[0]);
    assert_eq!(owner.call("updateStatus", &[("docId", &id), ("status", "done")]).await["status"], "OK");
    let mut next = SdkClient { secret: NEXT_SECRET.to_owned(), ..client(&stage) };
    assert_eq!(next.call("getSentEdocList", &[("docId", &document)]).await["status"], "OK");
    let mut wrong = SdkClient { secret: guess.to_owned(), ..client(&stage) };
    assert_eq!(wrong.call("getAgenciesList", &[]).await["ErrorCode"], "15");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    let mut all = vec![stage.world.log.clone()];
    files(&stage.world.folder.join("data"), &mut all);
    let kept = |part: &str| all.iter().any(|path| path.to_string_lossy().contains(part));
    assert!(kept("/EVENTS/") && kept("/outbox/") && kept("/mailboxes/") && kept("/sdk-sources"), "{all:?}");
    let is_in = |path: &std::path::Path, text: &str| {
        let bytes = std::fs::read(path).expect("a file");
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    assert!(all.iter().any(|path| is_in(path, &id)), "what is looked for would be found");
    for path in &all {
        for secret in [SECRET, NEXT_SECRET, guess] {
            assert!(!is_in(path, secret), "a secret stands in {}", path.display());
        }
    }
}
