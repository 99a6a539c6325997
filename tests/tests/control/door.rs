//! Who comes in at the control socket, and what it makes of what is sent there.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use acceptance::{PATIENCE, text, until};
use rustix::process::Signal;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::{Hands, operator};

/// One request by hand; status and body of the answer.
async fn ask(socket: &Path, request: &str) -> (u16, Value) {
    let mut stream = UnixStream::connect(socket).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.expect("in time").expect("read");
    let answer = String::from_utf8(answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, serde_json::from_str(body).expect("JSON"))
}

fn request(method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn only_those_whom_the_settings_name_come_in_and_viewers_only_look() {
    let hands = Hands::open().await;
    let uid = rustix::process::geteuid().as_raw();
    let (named, other) = (operator("lan", "operator"), operator("minh", "viewer"));
    let somebody_else = format!("\n[operators.lan]\nuid = {}\nrole = \"operator\"\n", uid + 1);
    hands.settings(|text| text.replace(&named, &somebody_else));
    let stage = &hands.stage;
    let mut gateway = stage.start().await;
    let found = std::fs::symlink_metadata(hands.socket()).expect("the socket");
    assert!(found.file_type().is_socket());
    assert_eq!(found.mode() & 0o7777, 0o660);

    let id = "0".repeat(32);
    let acts = ["deliveries retry", "dead-letters requeue", "dead-letters give-up"];
    let looks = ["status", "deliveries list", "dead-letters list", "outbox check"];
    let words = |command: &str| command.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let try_all = |expected: &dyn Fn(bool, &std::process::Output)| {
        for (commands, is_act) in [(&acts[..], true), (&looks[..], false)] {
            for command in commands {
                let mut words = words(command);
                if is_act {
                    words.extend([id.clone(), "--reason".to_owned(), "x".to_owned()]);
                }
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                expected(is_act, &hands.run(&words));
            }
        }
    };
    try_all(&|_, output| {
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(1), ""), "{said}");
        assert!(said.contains(&format!("uid = {uid}")) && said.contains("[operators."), "{said}");
    });
    assert!(hands.log().contains("an unknown user at the control socket"));

    // The settings count at once: this user is a viewer now.
    hands.settings(|text| text.replace(&somebody_else, &other));
    hang_up(&hands, &gateway, 1.0).await;
    try_all(&|is_act, output| {
        let said = text(&output.stderr);
        if is_act {
            assert_eq!(output.status.code(), Some(1));
            assert!(said.contains("minh") && said.contains("viewer"), "{said}");
        } else {
            assert_eq!(output.status.code(), Some(0), "{said}");
        }
    });
    hands.settings(|text| text.replace(&other, &named));
    hang_up(&hands, &gateway, 2.0).await;
    let done = hands.json(1, &["dead-letters", "requeue", &id, "--reason", "x"]);
    assert_eq!(done["outcomes"][0]["verdict"], "not_found", "an operator is heard");
    // And again nobody.
    hands.settings(|text| text.replace(&named, ""));
    hang_up(&hands, &gateway, 3.0).await;
    assert_eq!(hands.run(&["status"]).status.code(), Some(1));

    // A killed gateway leaves its socket, and the next one replaces it.
    hands.settings(|text| text + &named);
    gateway.kill().await.expect("killed");
    assert!(hands.socket().exists());
    let mut gateway = stage.start().await;
    assert_eq!(hands.run(&["status"]).status.code(), Some(0));
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    assert!(!hands.socket().exists(), "it goes with the gateway");
    assert!(!hands.data().join(".control").exists());
}

/// Has the settings read again.
async fn hang_up(hands: &Hands, gateway: &lienthong::demo::child::Gateway, times: f64) {
    acceptance::signal(gateway.pid().expect("it runs"), Signal::HUP);
    hands.stage.metric_reaches("lienthong_directory_reloads_total{result=\"applied\"}", times).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_sent_gets_an_answer_that_says_what_is_wrong() {
    let hands = Hands::open().await;
    let mut gateway = hands.stage.start().await;
    let socket = hands.socket();
    let id = "0".repeat(32);
    let ids = |count: usize| vec![format!("\"{id}\""); count].join(",");
    let act = |ids: &str, reason: &str| format!("{{\"ids\":[{ids}],\"reason\":\"{reason}\"}}");
    let requeue = "/v1/dead-letters/requeue";
    let long = "x".repeat(201);
    for (method, path, body, status, code) in [
        ("GET", "/v1/nothing", String::new(), 404, "NOT_FOUND"),
        ("GET", "/v2/status", String::new(), 404, "NOT_FOUND"),
        ("DELETE", "/v1/status", String::new(), 404, "NOT_FOUND"),
        ("GET", requeue, String::new(), 404, "NOT_FOUND"),
        ("GET", "/v1/deliveries/x", String::new(), 400, "REQUEST_INVALID"),
        ("GET", "/v1/deliveries/%ff%00", String::new(), 400, "REQUEST_INVALID"),
        ("GET", &format!("/v1/deliveries/{id}"), String::new(), 404, "NOT_FOUND"),
        ("GET", &format!("/v1/documents/{id}"), String::new(), 404, "NOT_FOUND"),
        ("GET", "/v1/deliveries?limit=x", String::new(), 400, "REQUEST_INVALID"),
        ("GET", "/v1/deliveries?state=%1b%5b2J", String::new(), 400, "REQUEST_INVALID"),
        ("GET", "/v1/deliveries?unknown=1", String::new(), 400, "REQUEST_INVALID"),
        ("GET", &format!("/v1/deliveries?after={id}"), String::new(), 404, "NOT_FOUND"),
        ("POST", requeue, String::new(), 400, "REQUEST_INVALID"),
        ("POST", requeue, "not JSON \u{1b}[2J".to_owned(), 400, "REQUEST_INVALID"),
        ("POST", requeue, act("", "x"), 400, "REQUEST_INVALID"),
        ("POST", requeue, act(&ids(201), "x"), 400, "REQUEST_INVALID"),
        ("POST", requeue, act(&ids(1), ""), 400, "REQUEST_INVALID"),
        ("POST", requeue, act(&ids(1), &long), 400, "REQUEST_INVALID"),
        ("POST", requeue, act(&ids(1), "x\",\"more\":\"x"), 400, "REQUEST_INVALID"),
        ("POST", requeue, " ".repeat(70_000), 400, "REQUEST_INVALID"),
    ] {
        let (got, body) = ask(&socket, &request(method, path, &body)).await;
        assert_eq!((got, body["code"].as_str()), (status, Some(code)), "{method} {path}: {body}");
        for key in ["text_vi", "text_en"] {
            let said = body[key].as_str().expect("a text");
            assert!(!said.is_empty() && !said.chars().any(char::is_control), "{said:?}");
        }
    }
    let (status, body) = ask(&socket, &request("POST", requeue, &act(&ids(200), "x"))).await;
    assert_eq!(
        (status, body["outcomes"].as_array().map(Vec::len)),
        (200, Some(200)),
        "as many as are allowed"
    );

    let socket = socket.to_str().expect("a plain path");
    let by_socket = hands.stage.run(&["status", "--socket", socket, "--json"]);
    assert_eq!(by_socket.status.code(), Some(0), "{}", text(&by_socket.stderr));
    for (words, code) in [
        (vec!["status"], 3),
        (vec!["status", "--socket", socket, "-c", hands.config()], 3),
        (vec!["dead-letters", "requeue", "-c", hands.config(), "--reason", "x"], 3),
        (vec!["dead-letters", "requeue", &id, "-c", hands.config()], 3),
        (vec!["dead-letters", "requeue", &id, "--reason", "", "-c", hands.config()], 3),
        (vec!["dead-letters", "requeue", "xyz", "--reason", "x", "-c", hands.config()], 3),
        (vec!["deliveries", "list", "--state", "lost", "-c", hands.config()], 3),
        (vec!["deliveries", "list", "--limit", "0", "-c", hands.config()], 3),
        (vec!["deliveries", "show", &id, "-c", hands.config()], 1),
    ] {
        assert_eq!(hands.stage.run(&words).status.code(), Some(code), "{words:?}");
    }
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    let stopped = hands.stage.run(&["status", "--socket", socket]);
    assert_eq!(stopped.status.code(), Some(3), "{}", text(&stopped.stdout));
    assert!(text(&stopped.stderr).contains("stopped"), "{}", text(&stopped.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_peers_take_no_place_for_long_and_none_holds_up_the_end() {
    let hands = Hands::open().await;
    let mut gateway = hands.stage.start().await;
    // As many as there are places; none says anything.
    let mut silent = Vec::new();
    for _ in 0..16 {
        silent.push(UnixStream::connect(hands.socket()).await.expect("a connection"));
    }
    let answered = until(async || {
        let output = hands.run(&["status"]);
        (output.status.code() == Some(0)).then_some(())
    });
    assert!(answered.await.is_some(), "their places are free again");
    let late = UnixStream::connect(hands.socket()).await.expect("a connection");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    drop((silent, late));
}
