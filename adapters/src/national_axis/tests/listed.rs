//! Lists and confirmations: what is asked, and that nothing but a list is a list.

use std::time::Duration;

use jiff::Timestamp;
use lienthong_pipeline::ports::{
    AxisDocId, AxisInbox, AxisList, Confirmation, DeliveryFailure, FailureClass, FetchFailure, Traffic,
};

use super::{AxisEndpoint, SECRET, adapter, answer, at, hmac, is};
use crate::contract::MemorySink;
use crate::http::peer::{Conduct, Peer};
use crate::parcel::system;

/// 03:04:05 in Vietnam.
pub(super) const AT: &str = "2025-01-31T20:04:05.006Z";

pub(super) fn now() -> Timestamp {
    AT.parse().expect("a time")
}

pub(super) fn doc_id(text: &str) -> AxisDocId {
    AxisDocId::parse(text).expect("an id")
}

fn ok(data: &str) -> String {
    format!(r#"{{"status":"OK","ErrorCode":"0","ErrorDesc":"Success","data":{data}}}"#)
}

async fn list_of(conduct: Conduct) -> Result<AxisList, DeliveryFailure> {
    let inbox = adapter(at(&Peer::start(conduct)));
    inbox.waiting(&system("truc-vpcp"), Traffic::Documents, now()).await
}

async fn list(body: &str) -> Result<AxisList, DeliveryFailure> {
    list_of(answer("200 OK", "", body)).await
}

/// Ids of the lines, and how many are none.
async fn lines(data: &str) -> (Vec<String>, usize) {
    let list = list(&ok(data)).await.expect(data);
    (list.entries.iter().map(|entry| entry.id.to_string()).collect(), list.broken)
}

#[tokio::test]
async fn a_list_is_asked_for_as_the_sdk_does() {
    let peer = Peer::start(answer("200 OK", "", &ok("[]")));
    let endpoint = AxisEndpoint { url: format!("http://{}/truc/", peer.address), ..at(&peer) };
    let inbox = adapter(endpoint);
    for (traffic, kind) in [(Traffic::Documents, "edoc"), (Traffic::Statuses, "status")] {
        let list = inbox.waiting(&system("truc-vpcp"), traffic, now()).await.expect("a list");
        assert_eq!(list, AxisList::default());
        let request = peer.seen().pop().expect("a request");
        assert!(request.head.starts_with("POST /truc/getReceivedEdocList HTTP/1.1\r\n"), "{}", request.head);
        assert_eq!(request.field("content-length"), "0");
        assert_eq!(
            request.field("xroadvnpt-sign-header-key"),
            "systemid;servicetype;messagetype;timestamp;Content-Type"
        );
        let signed = request.field("xroadvnpt-sign-header");
        let expected = format!(
            r#"{{"XroadVnpt-systemid":"demo.sys.01","XroadVnpt-servicetype":"eDoc","XroadVnpt-messagetype":"{kind}","XroadVnpt-timestamp":"01022025T030405+0006","XroadVnpt-Content-Type":"application/json"}}"#
        );
        assert_eq!(signed, expected);
        assert_eq!(request.field("xroadvnpt-hash-header"), hmac(SECRET, signed));
        assert_eq!(request.field("content-type"), "application/json");
        assert_eq!(request.field("user-agent"), "JAVASDKAgent/1.0.0 XRoad/VPCP");
    }
    // The worked example of the protocol.
    let first = &peer.seen()[0];
    let mac = "da284728c4275fe1c420b23026c11100c6e4f0c80c446bfd165b03c57f879706";
    assert_eq!(first.field("xroadvnpt-hash-header"), mac);
}

#[tokio::test]
async fn a_confirmation_is_signed_as_the_sdk_does() {
    let peer = Peer::start(answer("200 OK", "", r#"{"status":"OK","ErrorCode":0,"ErrorDesc":"Success"}"#));
    let inbox = adapter(at(&peer));
    for (word, status) in [(Confirmation::Done, "done"), (Confirmation::Fail, "fail")] {
        inbox.confirm(&system("truc-vpcp"), &doc_id("d-1"), word, now()).await.expect("OK");
        let request = peer.seen().pop().expect("a request");
        assert!(request.head.starts_with("POST /truc/updateStatus HTTP/1.1\r\n"), "{}", request.head);
        assert_eq!((request.body.as_slice(), request.field("content-length")), (&b"{}"[..], "2"));
        assert_eq!(request.field("xroadvnpt-docid"), "d-1");
        assert_eq!(request.field("xroadvnpt-status"), status);
        let signed = request.field("xroadvnpt-sign-header");
        assert_eq!(request.field("xroadvnpt-hash-header"), hmac(SECRET, signed));
    }
}

#[tokio::test]
async fn lines_are_taken_one_by_one() {
    let whole = r#"{"docId":"a-1","serviceType":"eDoc","messageType":"edoc","created_time":"2026/01/02 03:04:05","updated_time":"","from":"G22","to":"H55.15","status":"initial","status_desc":""}"#;
    let taken = list(&ok(&format!("[{whole}]"))).await.expect("a list").entries.remove(0);
    assert_eq!((taken.id.as_str(), taken.from.as_str(), taken.to.as_str()), ("a-1", "G22", "H55.15"));
    let none: (Vec<String>, usize) = (vec![], 1);
    for broken in [
        r#"[null]"#,
        r#"["a-1"]"#,
        r#"[7]"#,
        r#"[true]"#,
        r#"[-1.5e3]"#,
        r#"[[{"docId":"a-1"}]]"#,
        r#"[{}]"#,
        r#"[{"docId":null}]"#,
        r#"[{"docId":""}]"#,
        r#"[{"docId":"a b"}]"#,
        r#"[{"docId":{"docId":"a-1"}}]"#,
        r#"[{"docId":["a-1"]}]"#,
        r#"[{"docid":"a-1"}]"#,
        r#"[{"docId":"a-1","docId":"a-2"}]"#,
        &format!(r#"[{{"docId":"{}"}}]"#, "x".repeat(129)),
    ] {
        assert_eq!(lines(broken).await, none, "{broken}");
    }
    let odd = format!(
        r#"[null,{{"docId":"b","from":null,"to":[1]}},{whole},7,{whole},{{"docId":"c","to":"{}"}}]"#,
        "H".repeat(129)
    );
    assert_eq!(lines(&odd).await, (vec!["b".into(), "a-1".into(), "c".into()], 2));
    let entries = list(&ok(&odd)).await.expect("a list").entries;
    assert!(entries[0].from.is_empty() && entries[0].to.is_empty() && entries[2].to.is_empty());
}

#[tokio::test]
async fn nothing_but_a_list_is_a_list() {
    let page = "<html><h1>502 Bad Gateway</h1></html>";
    for body in [
        page,
        "",
        "[]",
        "null",
        r#"{"status":"OK","ErrorCode":"0","ErrorDesc":"Success"}"#,
        &ok("null"),
        &ok("{}"),
        &ok(r#""""#),
        &ok("0"),
        &ok("[").replace("}", ""),
        r#"{"status":"OK","ErrorCode":"0","ErrorDesc":"","data":[],"data":[]}"#,
        r#"{"status":"FAIL","ErrorCode":"0","ErrorDesc":"","data":[]}"#,
        r#"{"status":"OK","ErrorCode":"20","ErrorDesc":"","data":[]}"#,
        r#"{"ErrorCode":"0","ErrorDesc":"","data":[]}"#,
        r#"{"status":null,"ErrorCode":"0","ErrorDesc":"","data":[]}"#,
        &format!("{} x", ok("[]")),
    ] {
        is(&list(body).await.expect_err(body), FailureClass::Receiver, "bad_answer");
    }
    let fail = |code: &str, data: &str| {
        format!(r#"{{"status":"FAIL","ErrorCode":"{code}","ErrorDesc":"vì sao","data":{data}}}"#)
    };
    for data in ["[]", r#""""#, "null"] {
        let failure = list(&fail("20", data)).await.expect_err("the axis is in trouble");
        is(&failure, FailureClass::Receiver, "axis_20");
        assert!(failure.note.starts_with("vì sao; "), "{failure}");
    }
    is(&list(&fail("15", "[]")).await.expect_err("15"), FailureClass::OursToFix, "axis_15");
    for (status, class) in [
        ("502 x", FailureClass::Receiver),
        ("404 x", FailureClass::OursToFix),
        ("500 x", FailureClass::Document),
    ] {
        let failure = list_of(answer(status, "", page)).await.expect_err(status);
        is(&failure, class, &format!("http_{}", &status[..3]));
        let failure = list_of(answer(status, "", &ok("[]"))).await.expect_err(status);
        is(&failure, class, &format!("http_{}", &status[..3]));
    }
    let cut = format!("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{}", ok("[]"));
    is(
        &list_of(Conduct::Answer(cut.into_bytes())).await.expect_err("cut"),
        FailureClass::Document,
        "cut_body",
    );
    let flood = b"HTTP/1.1 200 OK\r\n\r\n{\"data\":[".to_vec();
    is(&list_of(Conduct::Flood(flood)).await.expect_err("endless"), FailureClass::Receiver, "bad_answer");
}

#[tokio::test]
async fn who_is_silent_or_slow_is_cut_off() {
    let list = ok("[]");
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", list.len());
    for said in ["", &head, &format!("{head}{}", &list[..20])] {
        let peer = Peer::start(Conduct::Hang(said.as_bytes().to_vec()));
        let endpoint = AxisEndpoint { timeout: Duration::from_millis(200), ..at(&peer) };
        let inbox = adapter(endpoint);
        let axis = system("truc-vpcp");
        let failure = inbox.waiting(&axis, Traffic::Documents, now()).await.expect_err("silent");
        is(&failure, FailureClass::Receiver, "timeout");
        let failure = inbox.fetch(&axis, &doc_id("d-1"), MemorySink::open(), u64::MAX / 8, now()).await;
        let Err(FetchFailure::Axis(failure)) = failure else { panic!("silent: {said}") };
        is(&failure, FailureClass::Receiver, "timeout");
    }
}
