//! Lists of agencies: what is asked, and what a line must have.

use lienthong_pipeline::directory::LIST_LINES_MAX;
use lienthong_pipeline::ports::FailureClass;

use super::listed::now;
use super::{adapter, answer, at, is, organ};
use crate::http::peer::Peer;
use crate::national_axis::Register;
use crate::parcel::system;

fn ok(data: &str) -> String {
    format!(r#"{{"status":"OK","ErrorCode":"0","ErrorDesc":"Success","data":{data}}}"#)
}

#[tokio::test]
async fn agencies_come_with_all_their_codes() {
    let lines = r#"[{"id":"1","pid":"","code":"G01","name":" Bộ  Một\u0007 ","mail":"","oldCode":"000.00.00.G01"},
        {"id":"2","code":"g02","name":null,"code102":"G02","oldCode":""},
        {"id":"3","name":"không mã"},null,"x",{"code":7},{"code":"không phải mã"}]"#;
    let peer = Peer::start(answer("200 OK", "", &ok(lines)));
    for (register, path, listed) in [
        (Register::Current, "getAgenciesList", "systemid;timestamp;Content-Type"),
        (Register::Qd20, "getAgenciesListQD20", "systemid;level;timestamp;Content-Type"),
    ] {
        let all = adapter(at(&peer)).agencies(&system("truc-vpcp"), register, now()).await.expect("a list");
        assert_eq!(all.broken, 5);
        let [first, second] = &all.agencies[..] else { panic!("two: {all:?}") };
        assert_eq!((&first.code, &first.other[..]), (&organ("G01"), &[organ("000.00.00.G01")][..]));
        assert!(
            first.name.starts_with("Bộ Một") && !first.name.chars().any(char::is_control),
            "{}",
            first.name
        );
        assert_eq!((&second.code, second.other.len(), second.name.as_str()), (&organ("G02"), 0, ""));
        let request = peer.seen().pop().expect("a request");
        assert!(request.head.starts_with(&format!("POST /truc/{path} HTTP/1.1\r\n")), "{}", request.head);
        assert_eq!(request.field("xroadvnpt-sign-header-key"), listed);
    }
}

#[tokio::test]
async fn what_is_no_list_names_nobody_as_gone() {
    for body in [ok("null"), ok("{}"), ok(r#""""#), ok("[").replace('}', ""), "<html/>".to_owned()] {
        let peer = Peer::start(answer("200 OK", "", &body));
        let failure = adapter(at(&peer)).agencies(&system("truc-vpcp"), Register::Current, now()).await;
        is(&failure.expect_err(&body), FailureClass::Receiver, "bad_answer");
    }
}

#[tokio::test]
async fn a_list_has_an_end() {
    let body = ok(&format!("[{}{{}}]", "{},".repeat(LIST_LINES_MAX)));
    let peer = Peer::start(answer("200 OK", "", &body));
    let failure = adapter(at(&peer)).agencies(&system("truc-vpcp"), Register::Current, now()).await;
    is(&failure.expect_err("too long"), FailureClass::Receiver, "list_too_long");
}
