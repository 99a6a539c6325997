//! Whether a server may have the message after an attempt that failed: a withdrawal counts on it. The last dot decides.

use std::time::Duration;

use lienthong_pipeline::ports::DeliveryFailure;

use super::peer::{Say, willing};
use super::{Ground, attempt};
use crate::parcel::Parcel;

fn only_at(verb: &'static str, say: Say) -> impl Fn(&str) -> Say + Send + Sync + 'static {
    move |event| if event.starts_with(verb) { say.clone() } else { willing(event) }
}

/// One attempt at a server that says this there; with a packet that no socket buffer takes whole, or a small one.
async fn failure(verb: &'static str, say: Say, large: bool) -> DeliveryFailure {
    let ground = Ground::tls(only_at(verb, say));
    let packet = if large { vec![b'x'; 12 * 1024 * 1024] } else { b"<edXML/>".to_vec() };
    attempt(ground.endpoint.clone(), &Parcel::of(&packet)).await.expect_err("a failure")
}

#[tokio::test]
async fn before_the_last_dot_nothing_has_arrived() {
    for verb in ["CONNECT", "EHLO", "AUTH", "MAIL", "RCPT", "DATA"] {
        for words in ["421 no\r\n", "451 no\r\n", "550 no\r\n"] {
            let failure = failure(verb, Say::Words(words.into()), false).await;
            assert!(!failure.may_have_arrived, "{verb}: {failure}");
        }
        let failure = failure(verb, Say::Last(Vec::new()), false).await;
        assert!(!failure.may_have_arrived, "{verb}: {failure}");
    }
    for words in ["", "25", "552 5.3.4 too big\r\n", "250 queued\r\n"] {
        let failure = failure("DATA", Say::MidMessage(1000, words.into()), true).await;
        assert!(!failure.may_have_arrived, "{words:?}: {failure}");
    }
}

#[tokio::test]
async fn after_the_last_dot_a_refusal_is_a_word_and_the_rest_is_none() {
    for code in [421, 450, 451, 452, 530, 550, 554] {
        let failure = failure(".", Say::Words(format!("{code} no\r\n").into()), false).await;
        assert!(!failure.may_have_arrived, "{failure}");
    }
    for say in [
        Say::Last(Vec::new()),
        Say::Last(b"25".to_vec()),
        Say::Last(b"250-2.0.0 half".to_vec()),
        Say::Flood(vec![b'x'; 4096]),
        Say::Words(b"354 go on\r\n".to_vec()),
    ] {
        let failure = failure(".", say, false).await;
        assert!(failure.may_have_arrived, "{failure}");
    }
}

/// An attempt at a server that comes to hang; then the clock goes from one timer to the next.
async fn timeout(verb: &'static str, say: Say, large: bool) -> DeliveryFailure {
    let mut ground = Ground::tls(only_at(verb, say));
    ground.endpoint.timeout = Duration::from_secs(20);
    let hung = async {
        ground.peer.hangs().await;
        tokio::time::pause();
    };
    let packet = if large { vec![b'x'; 12 * 1024 * 1024] } else { b"<edXML/>".to_vec() };
    let parcel = Parcel::of(&packet);
    let (outcome, ()) = tokio::join!(attempt(ground.endpoint.clone(), &parcel), hung);
    tokio::time::resume();
    outcome.expect_err("a failure")
}

#[tokio::test]
async fn a_server_that_hangs_may_have_it_from_the_last_dot_on() {
    for (verb, say, large, may) in [
        ("RCPT", Say::Hang, false, false),
        ("DATA", Say::Stall(1000), true, false),
        (".", Say::Hang, false, true),
    ] {
        let failure = timeout(verb, say, large).await;
        assert_eq!((failure.code.as_str(), failure.may_have_arrived), ("timeout", may), "{verb}: {failure}");
    }
}
