//! Answers on the level of HTTP: intermediaries, half answers, late and early ones.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use lienthong_pipeline::ports::{Adapter, FailureClass};
use lienthong_pipeline::record::State;

use super::{OK, PATIENCE, adapter, answer, at, attempt, attempt_at, consignment, is, organ};
use crate::http::peer::{Conduct, Peer};
use crate::national_axis::{AxisEndpoint, ToHeader};
use crate::parcel::Parcel;

const PAGE: &str = "<html><title>413 Request Entity Too Large</title><h1>Permanent error</h1></html>";

#[tokio::test]
async fn the_page_of_an_intermediary_counts_by_its_status() {
    use FailureClass::{Document, OursToFix, Permanent, Receiver};
    let table: [(FailureClass, &[u16]); 4] = [
        (Permanent, &[400, 410, 413, 415, 422, 451]),
        (OursToFix, &[401, 403, 404, 405, 407, 408, 411, 414, 421, 431]),
        (Receiver, &[429, 502, 503, 504, 600]),
        (Document, &[500, 501, 505, 507, 599]),
    ];
    for (class, codes) in table {
        for code in codes {
            let html = "Content-Type: text/html\r\n";
            let failure = attempt_at(answer(&format!("{code} x"), html, PAGE))
                .await
                .expect_err("no answer of the axis");
            is(&failure, class, &format!("http_{code}"));
            assert_eq!(failure.note, format!("HTTP {code}: {PAGE}"));
        }
    }
}

#[tokio::test]
async fn retry_after_is_obeyed_unless_the_answer_is_the_last_word() {
    let fail = |code: u8| format!(r#"{{"status":"FAIL","ErrorCode":"{code}","ErrorDesc":"x","DocId":""}}"#);
    let seconds = |s| Some(Duration::from_secs(s));
    for (status, body, wait) in [
        ("429 x", PAGE.to_owned(), seconds(120)),
        ("503 x", PAGE.to_owned(), seconds(120)),
        ("503 x", fail(20), seconds(120)),
        ("200 OK", fail(20), seconds(120)),
        ("503 x", fail(22), None),
        ("413 x", PAGE.to_owned(), None),
    ] {
        let failure =
            attempt_at(answer(status, "Retry-After: 120\r\n", &body)).await.expect_err("no success");
        assert_eq!(failure.retry_after, wait, "{status} {body}");
    }
    let peer = Peer::start(answer("200 OK", "Retry-After: 120\r\n", &fail(18)));
    let parcel = Parcel::of(b"<edXML/>");
    let two = consignment(&parcel, &[organ("H01"), organ("G22")]);
    let failure = adapter(at(&peer)).deliver(&two).await.expect_err("18");
    is(&failure, FailureClass::Unlisted { one_of_several: true }, "axis_18");
    assert_eq!(failure.retry_after, None, "each receiver is tried at once");
    // Without `to` the axis would serve all of them each time.
    let omitting = AxisEndpoint { to_header: ToHeader::Omit, ..at(&peer) };
    let failure = adapter(omitting).deliver(&two).await.expect_err("18");
    is(&failure, FailureClass::Unlisted { one_of_several: false }, "axis_18");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let location = format!("Location: http://{}/moi\r\n", target.local_addr().expect("its address"));
    for code in [300, 301, 302, 303, 307, 308] {
        let failure =
            attempt_at(answer(&format!("{code} x"), &location, OK)).await.expect_err("not followed");
        is(&failure, FailureClass::OursToFix, "redirect");
        assert!(failure.note.contains(location.trim()), "{}", failure.note);
    }
    target.set_nonblocking(true).expect("an option");
    let nobody = target.accept().expect_err("nobody comes to the new place");
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn half_an_answer_counts_for_the_document() {
    let head = "HTTP/1.1 200 OK\r\n";
    let length = OK.len();
    for cut in [
        String::new(),
        head.to_owned(),
        format!("{head}Content-Length: {}\r\n\r\n{OK}", length + 1),
        format!("{head}Content-Length: {length}\r\n\r\n{}", &OK[..length - 1]),
        format!("{head}Content-Length: {length}\r\n\r\n"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{OK}\r\n"),
    ] {
        let failure = attempt_at(Conduct::Answer(cut.clone().into())).await.expect_err(&cut);
        is(&failure, FailureClass::Document, "cut_body");
    }
    // A status that says enough is heard.
    let cut = format!("HTTP/1.1 503 x\r\nContent-Length: 100\r\n\r\n{}", &PAGE[..10]);
    is(&attempt_at(Conduct::Answer(cut.into())).await.expect_err("503"), FailureClass::Receiver, "http_503");
}

#[tokio::test]
async fn an_answer_in_chunks_is_read_and_garbled_chunks_are_not() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (one, two) = OK.split_at(20);
    let chunks = format!("{head}14\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n", two.len());
    assert_eq!(attempt_at(Conduct::Answer(chunks.into())).await.expect("OK").state, State::HandedOver);
    for garbled in [format!("{head}14\r\n{one}\r\nxyz\r\n{two}\r\n0\r\n\r\n"), format!("{head}{OK}")] {
        let failure = attempt_at(Conduct::Answer(garbled.clone().into())).await.expect_err(&garbled);
        is(&failure, FailureClass::Receiver, "bad_answer");
    }
}

#[tokio::test]
async fn without_a_length_the_end_of_the_connection_is_the_end_of_the_answer() {
    let whole = format!("HTTP/1.1 200 OK\r\n\r\n{OK}");
    assert_eq!(attempt_at(Conduct::Answer(whole.clone().into())).await.expect("OK").state, State::HandedOver);
    let half = whole.as_bytes()[..whole.len() - 1].to_vec();
    is(&attempt_at(Conduct::Answer(half)).await.expect_err("half"), FailureClass::Receiver, "bad_answer");
}

#[tokio::test]
async fn compressed_nonsense_is_no_answer() {
    // Nothing was said of taking compressed answers, and none is opened.
    let mut bytes = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 12\r\n\r\n".to_vec();
    bytes.extend([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xff, 0xff]);
    let failure = attempt_at(Conduct::Answer(bytes)).await.expect_err("nonsense");
    is(&failure, FailureClass::Receiver, "bad_answer");
}

#[tokio::test]
async fn what_is_not_http_is_no_answer() {
    for bytes in ["SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "\u{0}\u{1}\u{2}\r\n\r\n"] {
        let failure = attempt_at(Conduct::Answer(bytes.into())).await.expect_err("not HTTP");
        is(&failure, FailureClass::Receiver, "bad_answer");
    }
}

#[tokio::test]
async fn an_interim_answer_is_not_the_answer() {
    let last = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{OK}", OK.len());
    let both = format!("HTTP/1.1 100 Continue\r\n\r\n{last}");
    let handover = attempt_at(Conduct::Answer(both.into())).await.expect("OK");
    assert_eq!(handover.state, State::HandedOver);
    let failure = attempt_at(Conduct::Answer(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec())).await;
    is(&failure.expect_err("no more came"), FailureClass::Document, "cut_body");
}

#[tokio::test]
async fn an_answer_that_comes_byte_by_byte_is_read() {
    let slow = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{OK}", OK.len());
    assert_eq!(attempt_at(Conduct::Dribble(slow.into())).await.expect("OK").state, State::HandedOver);
}

#[tokio::test]
async fn silence_runs_into_the_timeout() {
    let half = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", OK.len(), &OK[..20]);
    for said in ["", "HTTP/1.1 200 OK\r\n", &half] {
        let peer = Peer::start(Conduct::Hang(said.into()));
        let short = AxisEndpoint { timeout: Duration::from_millis(100), ..at(&peer) };
        is(&attempt(short).await.expect_err("silence"), FailureClass::Receiver, "timeout");
        assert!(peer.seen().len() <= 1, "one attempt is at most one request");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let head = format!("HTTP/1.1 200 OK\r\n\r\n{OK}").into_bytes();
    let attempt = tokio::time::timeout(PATIENCE / 2, attempt_at(Conduct::Flood(head)));
    let failure = attempt.await.expect("long before its own timeout").expect_err("too long");
    is(&failure, FailureClass::Receiver, "bad_answer");
}

/// A packet that no socket buffer takes whole.
fn large() -> Parcel {
    Parcel::of(&vec![b'x'; 32 * 1024 * 1024])
}

fn early(body: &str) -> Arc<Peer> {
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    Arc::new(Peer::start(Conduct::AnswerEarly(answer.into_bytes())))
}

#[tokio::test]
async fn an_ok_before_the_whole_packet_is_no_success() {
    let (peer, parcel) = (early(OK), large());
    let failure =
        adapter(at(&peer)).deliver(&consignment(&parcel, &[organ("H01")])).await.expect_err("too early");
    is(&failure, FailureClass::OursToFix, "early_answer");
}

#[tokio::test]
async fn a_refusal_before_the_whole_packet_ends_the_sending() {
    let (peer, parcel) = (early(r#"{"status":"FAIL","ErrorCode":"10","ErrorDesc":"","DocId":""}"#), large());
    let failure = adapter(at(&peer)).deliver(&consignment(&parcel, &[organ("H01")])).await.expect_err("10");
    is(&failure, FailureClass::Permanent, "axis_10");
    let rest = tokio::task::spawn_blocking(move || peer.release_after(|| ())).await.expect("it ends");
    assert!(rest < 32 * 1024 * 1024, "the rest was not sent: {rest}");
}
