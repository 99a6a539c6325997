//! Whether an axis may have the packet after an attempt that failed: a withdrawal counts on it.

use std::time::Duration;

use super::{OK, answer, at, attempt, attempt_at};
use crate::http::peer::{Conduct, Peer};
use crate::national_axis::AxisEndpoint;

#[tokio::test]
async fn what_the_axis_says_is_known_and_what_it_does_not_say_is_not() {
    let fail = |code: u8| format!(r#"{{"status":"FAIL","ErrorCode":"{code}","ErrorDesc":"x","DocId":""}}"#);
    let table = [
        // Its own word.
        (false, "200 OK", fail(10)),
        (false, "200 OK", fail(20)),
        (false, "500 x", fail(99)),
        // That of somebody before it.
        (false, "413 x", "<html>".to_owned()),
        (false, "429 x", "<html>".to_owned()),
        (false, "503 x", "<html>".to_owned()),
        (false, "302 x", OK.to_owned()),
        // Nothing that can be relied on.
        (true, "200 OK", "<html>".to_owned()),
        (true, "200 OK", OK[..OK.len() - 1].to_owned()),
        (true, "500 x", "<html>".to_owned()),
        (true, "502 x", OK.to_owned()),
        (true, "504 x", String::new()),
    ];
    for (may, status, body) in table {
        let failure = attempt_at(answer(status, "", &body)).await.expect_err("no success");
        assert_eq!(failure.may_have_arrived, may, "{status} {body}: {failure}");
    }
}

#[tokio::test]
async fn half_an_ok_and_silence_leave_it_open() {
    let half = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", OK.len(), &OK[..20]);
    for conduct in
        [Conduct::Answer(half.clone().into()), Conduct::Hang(half.into()), Conduct::Hang(Vec::new())]
    {
        let peer = Peer::start(conduct);
        let short = AxisEndpoint { timeout: Duration::from_millis(300), ..at(&peer) };
        let failure = attempt(short).await.expect_err("no answer");
        assert!(failure.may_have_arrived, "{failure}");
    }
}
