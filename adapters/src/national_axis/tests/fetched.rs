//! Packets that are fetched: decoded as they come, whatever the pieces, and never taken when anything is odd.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lienthong_pipeline::ports::{AxisInbox, FailureClass, FetchFailure, Incoming};
use lienthong_schemas::ids::PacketDigest;

use super::listed::{doc_id, now};
use super::{AxisEndpoint, adapter, answer, at, is};
use crate::contract::MemorySink;
use crate::http::peer::{Conduct, Peer};
use crate::national_axis::unwrap::{Odd, Unwrap};
use crate::parcel::system;

const MIB: u64 = 1024 * 1024;
const OK: &str = r#""status":"OK","ErrorCode":"0","ErrorDesc":"Success""#;

fn around(data: &str) -> String {
    format!(r#"{{{OK},"data":"{data}"}}"#)
}

async fn fetch(conduct: Conduct, bytes_max: u64) -> Result<Box<dyn Incoming>, FetchFailure> {
    let inbox = adapter(at(&Peer::start(conduct)));
    inbox.fetch(&system("truc-vpcp"), &doc_id("d-1"), MemorySink::open(), bytes_max, now()).await
}

async fn fetch_body(body: &str) -> Result<Box<dyn Incoming>, FetchFailure> {
    fetch(answer("200 OK", "", body), MIB).await
}

async fn failure(conduct: Conduct) -> lienthong_pipeline::ports::DeliveryFailure {
    match fetch(conduct, MIB).await {
        Err(FetchFailure::Axis(failure)) => failure,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was taken"),
    }
}

/// The packet and the rest of an answer that comes in pieces of so many bytes.
fn unwrapped(body: &str, piece: usize) -> Result<(Vec<u8>, String), Odd> {
    let (mut unwrap, mut packet) = (Unwrap::default(), Vec::new());
    for piece in body.as_bytes().chunks(piece) {
        unwrap.push(piece, &mut packet)?;
    }
    let rest = unwrap.rest()?;
    Ok((packet, String::from_utf8(rest).expect("text")))
}

#[test]
fn a_packet_is_the_same_in_whatever_pieces_it_comes() {
    let packets: [&[u8]; 4] = [b"<edXML/>", b"x", b"", &[0xfb; 1000]];
    for packet in packets {
        let text = STANDARD.encode(packet);
        let lines: Vec<_> = text.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line)).collect();
        for (data, name) in [
            (text.clone(), "plain"),
            (lines.join("\\r\\n"), "lines"),
            (lines.join("\n"), "raw line breaks"),
            (text.replace('/', "\\/"), "escaped solidus"),
            (text.replace('=', "\\u003d").replace('+', "\\u002B"), "escaped as HTML"),
        ] {
            let before = format!(r#"{{"data":"{data}",{OK}}}"#);
            let nested =
                format!(r#"{{"x":{{"data":"no"}},"y":["data","z"],"\"data":1,{OK},"data" : "{data}"}}"#);
            for body in [around(&data), before, nested] {
                for piece in [1, 2, 3, 7, 64, 100_000] {
                    let (got, rest) = unwrapped(&body, piece).unwrap_or_else(|odd| panic!("{name}: {odd:?}"));
                    assert_eq!(got, packet, "{name} by {piece}");
                    assert_eq!(rest, body.replace(&data, ""), "{name} by {piece}");
                }
            }
        }
    }
}

#[test]
fn what_is_no_base64_is_no_packet() {
    for (data, why) in [
        ("PGE+", None),
        ("PGE", Some("base64 that is cut off")),
        ("PGE*", Some("not base64")),
        ("PG E", Some("not base64")),
        ("PGE+PGE", Some("base64 that is cut off")),
        ("eA==eA==", Some("not base64")),
        ("eA==\\n", None),
        ("eB==", Some("not base64")),
        ("====", Some("not base64")),
        ("PGE\\u00e9", Some("a character that is no base64")),
        ("PGE\\u0", Some("an escape that is none")),
        ("PGE\\t", Some("an escape that is no base64")),
        ("PGE\\", Some("an escape that is no base64")),
        ("PGEé", Some("not base64")),
    ] {
        for piece in [1, 4, 1000] {
            let outcome = unwrapped(&around(data), piece).err().map(|Odd(why)| why);
            let behind = outcome == Some("base64 behind its end");
            assert!(
                outcome == why || (behind && data.starts_with("eA==e")),
                "{data} by {piece}: {outcome:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_packet_is_asked_for_as_the_sdk_does() {
    let peer = Peer::start(answer("200 OK", "", &around(&STANDARD.encode(b"<edXML/>"))));
    let endpoint = AxisEndpoint { url: format!("http://{}/truc", peer.address), ..at(&peer) };
    let got =
        adapter(endpoint).fetch(&system("truc-vpcp"), &doc_id("d-1"), MemorySink::open(), 8, now()).await;
    let got = got.expect("a packet");
    assert_eq!((got.bytes(), got.digest()), (8, PacketDigest::of(b"<edXML/>")));
    let request = peer.only();
    assert!(request.head.starts_with("POST /truc/getEdoc HTTP/1.1\r\n"), "{}", request.head);
    assert_eq!(request.body, b"{}");
    let listed = "systemid;docId;filePath;timestamp;Content-Type";
    assert_eq!(request.field("xroadvnpt-sign-header-key"), listed);
    assert_eq!(request.field("xroadvnpt-docid"), "d-1");
}

#[tokio::test]
async fn a_packet_over_the_limit_is_not_read_to_its_end() {
    let packet = vec![b'x'; 300_000];
    let body = around(&STANDARD.encode(&packet));
    assert_eq!(fetch(answer("200 OK", "", &body), 300_000).await.expect("it fits").bytes(), 300_000);
    let refused = fetch(answer("200 OK", "", &body), 299_999).await;
    assert!(matches!(refused, Err(FetchFailure::TooLarge { bytes_max: 299_999 })));
    // This one never ends.
    let begin = format!("HTTP/1.1 200 OK\r\n\r\n{{{OK},\"data\":\"{}", STANDARD.encode(&packet));
    let refused = fetch(Conduct::Hang(begin.into_bytes()), 200_000).await;
    assert!(matches!(refused, Err(FetchFailure::TooLarge { .. })));
}

#[tokio::test]
async fn only_a_whole_answer_that_says_ok_is_taken() {
    let text = STANDARD.encode(b"<edXML/>");
    for body in [
        "<html><h1>502 Bad Gateway</h1></html>".to_owned(),
        String::new(),
        format!("{{{OK}}}"),
        around(""),
        format!("{{{OK},\"data\":null}}"),
        format!("{{{OK},\"data\":[\"{text}\"]}}"),
        format!("{{\"data\":\"{text}\"}}"),
        format!("{{{OK},\"data\":\"{text}\",\"data\":\"{text}\"}}"),
        format!("{} x", around(&text)),
        around(&text).replace("OK", "FAIL"),
        around(&text).replace("\"0\"", "\"10\""),
        format!("{{{OK},\"data\":\"{text}\",\"x\":\"{}\"}}", "y".repeat(70_000)),
        around(&text)[..around(&text).len() - 1].to_owned(),
        around(&text)[..around(&text).len() - 4].to_owned(),
    ] {
        let failure = failure(answer("200 OK", "", &body)).await;
        assert_eq!(failure.code, "bad_answer", "{body}: {failure}");
    }
    assert_eq!(fetch_body(&around(&text)).await.expect("a packet").bytes(), 8);
    for (code, class) in
        [("10", FailureClass::Permanent), ("15", FailureClass::OursToFix), ("20", FailureClass::Receiver)]
    {
        let body = format!(r#"{{"status":"FAIL","ErrorCode":"{code}","ErrorDesc":"x","data":""}}"#);
        is(&failure(answer("200 OK", "", &body)).await, class, &format!("axis_{code}"));
        is(&failure(answer("500 x", "", &body)).await, class, &format!("axis_{code}"));
    }
    is(&failure(answer("502 x", "", "<html/>")).await, FailureClass::Receiver, "http_502");
    is(&failure(answer("302 x", "Location: /x\r\n", "")).await, FailureClass::OursToFix, "redirect");
    let whole = around(&text);
    for bytes in [0, 20, whole.len() - 5] {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", whole.len());
        let cut = Conduct::Answer([head.as_bytes(), &whole.as_bytes()[..bytes]].concat());
        is(&failure(cut).await, FailureClass::Document, "cut_body");
    }
}
