//! What follows from each answer (design.md B6), and what is kept of its words.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lienthong_pipeline::ports::{Adapter, FailureClass, Handover};
use lienthong_pipeline::record::State;

use super::{PATIENCE, adapter, answer, at, attempt, attempt_at};
use crate::http::peer::{Conduct, Peer};
use crate::http::{RETRY_AFTER_MAX, retry_after};
use crate::parcel::Parcel;
use crate::vendor_http::VendorHttpEndpoint;

#[tokio::test]
async fn any_2xx_means_received() {
    for status in ["200 OK", "201 Created", "202 Accepted", "204 No Content", "299 Whatever"] {
        let handover = attempt_at(answer(status, "", "")).await.expect(status);
        assert_eq!(
            handover,
            Handover { state: State::Received, note: format!("HTTP {}", &status[..3]), known_as: None }
        );
    }
    let handover = attempt_at(answer("200 OK", "", "Đã tiếp nhận,\r\n số 15 \n")).await.expect("200");
    assert_eq!(handover.note, "HTTP 200: Đã tiếp nhận, số 15");
}

#[tokio::test]
async fn each_refusal_has_its_class_and_code() {
    use FailureClass::{Document, OursToFix, Permanent, Receiver};
    let table: [(FailureClass, &[u16]); 4] = [
        (Permanent, &[400, 410, 413, 415, 422, 451]),
        (OursToFix, &[401, 402, 403, 404, 405, 406, 407, 408, 409, 411, 412, 414, 416, 421, 426, 431, 499]),
        (Receiver, &[429, 502, 503, 504, 600, 999]),
        (Document, &[500, 501, 505, 507, 508, 511, 599]),
    ];
    for (class, codes) in table {
        for code in codes {
            let failure = attempt_at(answer(&format!("{code} x"), "", "vì thế")).await.expect_err("refused");
            assert_eq!((failure.class, failure.code), (class, format!("http_{code}")));
            assert_eq!(failure.note, format!("HTTP {code}: vì thế"));
        }
    }
}

#[tokio::test]
async fn an_html_502_is_transient_whatever_it_says() {
    let page = "<html><title>413 Request Entity Too Large</title><h1>Permanent error</h1></html>";
    let failure =
        attempt_at(answer("502 Bad Gateway", "Content-Type: text/html\r\n", page)).await.expect_err("502");
    assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Receiver, "http_502"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let location = format!("Location: http://{}/moi\r\n", target.local_addr().expect("its address"));
    for code in [300, 301, 302, 303, 304, 307, 308] {
        let failure =
            attempt_at(answer(&format!("{code} x"), &location, "")).await.expect_err("not followed");
        assert_eq!((failure.class, failure.code.as_str()), (FailureClass::OursToFix, "redirect"));
        if code != 304 {
            assert!(failure.note.contains(location.trim()), "{}", failure.note);
        }
    }
    target.set_nonblocking(true).expect("an option");
    let nobody = target.accept().expect_err("nobody comes to the new place");
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn retry_after_is_taken_in_both_forms() {
    // The attempt is at 02:15:30.75.
    for (value, seconds) in [("120", 120.0), ("Mon, 03 Aug 2026 02:16:31 GMT", 60.25)] {
        for status in ["429 x", "503 x", "408 x", "500 x"] {
            let conduct = answer(status, &format!("Retry-After: {value}\r\n"), "");
            let failure = attempt_at(conduct).await.expect_err(status);
            assert_eq!(failure.retry_after, Some(Duration::from_secs_f64(seconds)), "{status} {value}");
        }
    }
    let last_word = attempt_at(answer("422 x", "Retry-After: 120\r\n", "")).await.expect_err("422");
    assert_eq!(last_word.retry_after, None);
    let none = attempt_at(answer("503 x", "", "")).await.expect_err("503");
    assert_eq!(none.retry_after, None);
}

#[test]
fn retry_after_has_bounds_and_ignores_nonsense() {
    let now: Timestamp = "1994-11-06T08:48:37Z".parse().expect("a time");
    let seconds = |s| Some(Duration::from_secs(s));
    for (value, wait) in [
        ("0", seconds(0)),
        (" 7 ", seconds(7)),
        ("86400", Some(RETRY_AFTER_MAX)),
        ("86401", Some(RETRY_AFTER_MAX)),
        ("99999999999999999999999999", Some(RETRY_AFTER_MAX)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", seconds(60)),
        ("Sunday, 06-Nov-94 08:49:37 GMT", seconds(60)),
        ("Sun Nov  6 08:49:37 1994", seconds(60)),
        ("Mon, 07 Nov 1994 08:48:38 GMT", Some(RETRY_AFTER_MAX)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", Some(RETRY_AFTER_MAX)),
        ("Sun, 06 Nov 1994 08:48:37 GMT", None),
        ("Sun, 06 Nov 1994 08:47:37 GMT", None),
        ("-5", None),
        ("+5", None),
        ("1.5", None),
        ("", None),
        ("soon", None),
        ("Sun, 32 Nov 1994 08:49:37 GMT", None),
        ("1994-11-06T08:49:37Z", None),
    ] {
        assert_eq!(retry_after(value, now), wait, "{value:?}");
    }
}

#[tokio::test]
async fn a_hostile_answer_is_cut_and_escaped() {
    let body = format!("\u{1b}[31mđỏ\u{202e}ngược\u{0}{}", "x".repeat(10 * 1024 * 1024));
    let failure = attempt_at(answer("422 x", "", &body)).await.expect_err("422");
    assert_eq!(failure.class, FailureClass::Permanent);
    let expected = "HTTP 422: \\u{1b}[31mđỏ\\u{202e}ngược\\u{0}xxx";
    assert!(failure.note.starts_with(expected), "{}", failure.note);
    assert!(failure.note.chars().count() <= 200 && failure.note.ends_with('…'), "{}", failure.note);

    let wide = attempt_at(answer("200 OK", "", &"ệ".repeat(5000))).await.expect("200");
    assert!(wide.note.chars().count() <= 200 && wide.note.len() <= 400, "{}", wide.note);

    let location = "Location: http://x/\u{1b}[2J\r\n";
    let failure = attempt_at(answer("302 x", location, "")).await.expect_err("302");
    assert!(!failure.note.chars().any(char::is_control), "{:?}", failure.note);
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let head = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let attempt = tokio::time::timeout(PATIENCE / 2, attempt_at(Conduct::Flood(head)));
    let handover = attempt.await.expect("long before its own timeout").expect("the status is what counts");
    assert_eq!(handover.note, "HTTP 200");
}

#[tokio::test]
async fn an_answer_that_breaks_off_after_its_status_counts() {
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nmot nua".to_vec();
    let handover = attempt_at(Conduct::Answer(cut)).await.expect("200");
    assert_eq!(handover.note, "HTTP 200: mot nua");
    let cut = b"HTTP/1.1 503 x\r\nContent-Length: 100\r\n\r\nmot nua".to_vec();
    let failure = attempt_at(Conduct::Answer(cut)).await.expect_err("503");
    assert_eq!((failure.code.as_str(), failure.note.as_str()), ("http_503", "HTTP 503: mot nua"));
}

#[tokio::test]
async fn an_answer_whose_words_never_come_counts_by_its_status() {
    let words = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nmot nua".to_vec();
    let peer = Peer::start(Conduct::Hang(words));
    let short = VendorHttpEndpoint { timeout: Duration::from_secs(1), ..at(&peer) };
    assert_eq!(attempt(short).await.expect("200").note, "HTTP 200: mot nua");
}

#[tokio::test]
async fn what_is_not_http_is_no_answer() {
    for bytes in ["SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "\u{0}\u{1}\u{2}\r\n\r\n"] {
        let failure = attempt_at(Conduct::Answer(bytes.into())).await.expect_err("not HTTP");
        assert_eq!(
            (failure.class, failure.code.as_str()),
            (FailureClass::Receiver, "bad_answer"),
            "{bytes:?}"
        );
    }
}

/// A packet that no socket buffer takes whole.
fn large() -> Vec<u8> {
    vec![b'x'; 32 * 1024 * 1024]
}

#[tokio::test]
async fn a_2xx_before_the_whole_packet_is_not_received() {
    let early = Conduct::AnswerEarly(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec());
    let (peer, parcel) = (Arc::new(Peer::start(early)), Parcel::of(&large()));
    let failure = adapter(at(&peer)).deliver(&parcel.consignment()).await.expect_err("too early");
    assert_eq!((failure.class, failure.code.as_str()), (FailureClass::OursToFix, "early_answer"));
}

#[tokio::test]
async fn a_refusal_before_the_whole_packet_ends_the_sending() {
    let early = Conduct::AnswerEarly(b"HTTP/1.1 413 x\r\nContent-Length: 0\r\n\r\n".to_vec());
    let (peer, parcel) = (Arc::new(Peer::start(early)), Parcel::of(&large()));
    let failure = adapter(at(&peer)).deliver(&parcel.consignment()).await.expect_err("413");
    assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Permanent, "http_413"));
    let rest = tokio::task::spawn_blocking(move || peer.release_after(|| ())).await.expect("it ends");
    assert!(rest < 32 * 1024 * 1024, "the rest was not sent: {rest}");
}

#[tokio::test]
async fn nothing_is_sent_to_an_unknown_system() {
    let peer = Peer::start(answer("200 OK", "", ""));
    let mut consignment = Parcel::of(b"<edXML/>").consignment();
    consignment.delivery.route.system = crate::parcel::system("qlvb-hai");
    let failure = adapter(at(&peer)).deliver(&consignment).await.expect_err("unknown");
    assert_eq!((failure.class, failure.code.as_str()), (FailureClass::OursToFix, "no_endpoint"));
    assert!(peer.seen().is_empty());
    attempt(at(&peer)).await.expect("the known one works");
}
