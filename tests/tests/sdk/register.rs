//! registerAgency and deleteAgency: within its scope a system asks, and an operator decides.

use acceptance::sdk_client::SdkClient;
use acceptance::{Stage, letter_to, text};
use lienthong::demo::world::AGENCIES;
use serde_json::{Value, json};

use crate::ground::{SCOPE, client, receiver, stage_with_mailboxes};

const SYSTEM: &str = AGENCIES[1].system;

/// As the vendors' manual has it.
fn data(code: &str, name: &str) -> String {
    json!({ "id": "1", "pcode": SCOPE, "code": code, "name": name, "mail": "vanthu@phong.vn", "mobile": "", "fax": "" })
        .to_string()
}

/// Asks for it, twice as the SDK may, and it is taken.
pub(crate) async fn register(sdk: &mut SdkClient, code: &str, name: &str) {
    for _ in 0..2 {
        let answer = sdk.ask("POST", "registerAgency", &[], data(code, name).as_bytes()).await.json();
        assert_eq!(answer, json!({ "status": "OK", "ErrorCode": "0", "ErrorDesc": "Success" }));
    }
}

/// Whether both lists have a code.
pub(crate) async fn is_listed(sdk: &mut SdkClient, code: &str) -> bool {
    let mut found = Vec::new();
    for list in ["getAgenciesList", "getAgenciesListQD20"] {
        let all = sdk.call(list, &[("level", "1")]).await;
        found.push(all["data"].as_array().expect("a list").iter().any(|one| one["code"] == code));
    }
    assert_eq!(found[0], found[1]);
    found[0]
}

async fn refused(
    sdk: &mut SdkClient,
    operation: &str,
    parameters: &[(&str, &str)],
    body: &str,
) -> (String, String) {
    let answer = sdk.ask("POST", operation, parameters, body.as_bytes()).await.json();
    assert_eq!(answer["status"], "FAIL", "{operation} {body}");
    let words = answer["ErrorDesc"].as_str().expect("words");
    let name = words.split_once('[').map_or("", |(_, rest)| rest).split([' ', ':', ']']).next();
    (answer["ErrorCode"].as_str().expect("a code").to_owned(), name.unwrap_or_default().to_owned())
}

fn requests(stage: &Stage) -> Value {
    let all = stage.operator(&["agencies", "pending"]);
    all[0]["requests"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_decides_what_a_system_registers_and_deletes() {
    let stage = stage_with_mailboxes().await;
    stage.write_more("", "");
    let mut gateway = stage.start().await;
    let (mut one, mut two) = (client(&stage), receiver(&stage));
    register(&mut two, "H55.40.07", "Phòng \u{1f4dc} Một").await;
    register(&mut two, "000.08.40.H55", "Phòng Hai").await;
    assert_eq!(stage.metric("lienthong_agency_requests_waiting").await, 2.0);
    let waiting = requests(&stage);
    assert_eq!(
        (&waiting[0]["code"], &waiting[1]["wish"]["register"]["name"]),
        (&json!("H55.40.07"), &json!("Phòng Hai"))
    );
    stage.operator(&["agencies", "reject", SYSTEM, "000.08.40.H55", "--reason", "mã cũ"]);
    let at = waiting[0]["at"].as_str().expect("a time");
    let approve = ["agencies", "approve", SYSTEM, "H55.40.07", "--reason", "đúng hồ sơ"];
    let blind = stage.operator_says(&approve, false);
    assert_eq!(blind.status.code(), Some(3), "nobody looked: {}", text(&blind.stderr));
    let shown = stage.operator_says(&["agencies", "pending"], false);
    let command = format!("lienthong agencies approve {SYSTEM} H55.40.07 --since {at} --reason");
    assert!(text(&shown.stdout).contains(&command), "{}", text(&shown.stdout));
    let seen = [&approve[..], &["--since", at]].concat();
    stage.operator(&seen);
    let again = stage.operator_says(&seen, false);
    assert_eq!(again.status.code(), Some(1), "{}", text(&again.stderr));
    assert!(is_listed(&mut one, "H55.40.07").await && !is_listed(&mut one, "000.08.40.H55").await);

    // It is at home there now, for what it sends and for what comes, after a start too.
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    let mut gateway = stage.start().await;
    let letter = stage.signed("1.edxml", letter_to(1, &["H55.40.07"]));
    stage.accepted(&letter).await;
    let delete = [("AgencyCode", "H55.40.07")];
    for _ in 0..2 {
        let answer = two.ask("POST", "deleteAgency", &delete, b"{}").await.json();
        assert_eq!(answer["status"], "OK", "{answer}");
    }
    assert!(is_listed(&mut one, "H55.40.07").await, "nobody has agreed");
    let waiting = requests(&stage);
    let at = waiting[0]["at"].as_str().expect("a time");
    stage.operator(&["agencies", "approve", SYSTEM, "H55.40.07", "--since", at, "--reason", "đã giải thể"]);
    assert!(!is_listed(&mut one, "H55.40.07").await);
    let closed = stage.submit(&stage.signed("2.edxml", letter_to(2, &["H55.40.07"]))).await;
    assert_eq!(closed.body["code"], "RECEIVER_CLOSED");
    let shown = stage.operator(&["agencies", "pending"]);
    let decisions = shown[0]["decisions"].as_array().expect("decisions");
    let who = |at: usize| (decisions[at]["decided"].clone(), decisions[at]["operator"].clone());
    assert_eq!(decisions.len(), 3, "{shown}");
    assert_eq!(who(0), (json!("rejected"), json!("van-hanh")));
    assert_eq!(who(2), (json!("approved"), json!("van-hanh")));
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_registers_only_what_it_may() {
    let stage = stage_with_mailboxes().await;
    stage.write_more("", "");
    let mut gateway = stage.start().await;
    let (mut one, mut two) = (client(&stage), receiver(&stage));
    let of = |code: &str, name: &str| (code.to_owned(), name.to_owned());
    let off = refused(&mut one, "registerAgency", &[], &data("H55.40.01", "x")).await;
    assert_eq!(off, of("10", "OPERATION_OFF"), "agency 0 has no scope");
    for (body, why) in [
        (data("H55.4.01", "x"), of("19", "AGENCY_OUT_OF_SCOPE")),
        (data("H55.401", "x"), of("19", "AGENCY_OUT_OF_SCOPE")),
        (data("000.00.04.H55", "x"), of("19", "AGENCY_OUT_OF_SCOPE")),
        (data(AGENCIES[0].code, "x"), of("19", "AGENCY_OUT_OF_SCOPE")),
        (data("H55 40", "x"), of("22", "FIELD_INVALID")),
        (data("H55.40.01", ""), of("22", "FIELD_MISSING")),
        ("{}".to_owned(), of("22", "FIELD_MISSING")),
        ("{\"code\":\"H55.40.01\",\"name\":\"x\",}".to_owned(), of("10", "BODY_NOT_JSON")),
        ("x".repeat(70_000), of("21", "BODY_TOO_LARGE")),
    ] {
        assert_eq!(refused(&mut two, "registerAgency", &[], &body).await, why, "{body:.80}");
    }
    // Whose it is, and whether it is there, sound alike.
    for code in ["H55.40.99", "H55.40"] {
        let gone = refused(&mut two, "deleteAgency", &[("AgencyCode", code)], "{}").await;
        assert_eq!(gone, of("10", "NOT_FOUND"), "{code}");
    }
    assert_eq!(stage.operator(&["agencies", "pending"]), json!([]), "nothing waits");
    // What was asked for is taken back, however often the SDK asks.
    register(&mut two, "H55.40.09", "Phòng Ba").await;
    for _ in 0..2 {
        let answer = two.ask("POST", "deleteAgency", &[("AgencyCode", "H55.40.09")], b"{}").await.json();
        assert_eq!(answer["status"], "OK", "{answer}");
    }
    assert_eq!(requests(&stage), json!([]), "nothing waits");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_registered_over_a_line_that_others_can_read() {
    let stage = stage_with_mailboxes().await;
    let listen = "[listen]\ninsecure_http = true\ninsecure_networks = [\"127.0.0.0/8\"]\n";
    stage.set("[listen]\n", listen);
    let mut gateway = stage.start().await;
    let mut two = receiver(&stage);
    let answer = refused(&mut two, "registerAgency", &[], &data("H55.40.01", "x")).await;
    assert_eq!(answer, ("15".to_owned(), "TLS_REQUIRED".to_owned()));
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
