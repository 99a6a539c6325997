//! What follows when there is no answer: nobody listens, the server hangs, is cut off, or never stops talking.

use std::net::TcpListener;
use std::time::Duration;

use lienthong_pipeline::ports::{Adapter, DeliveryFailure, FailureClass, Handover};
use tokio::time::Instant;

use super::peer::{Peer, Say, willing};
use super::{Ground, PATIENCE, adapter, attempt, endpoint, to_mailbox, told};
use crate::email::{EmailEndpoint, MailSecurity};
use crate::http::authority::{Authority, BOTH};
use crate::parcel::{Parcel, system};

/// Every event of a session over implicit TLS but QUIT.
const EVENTS: [&str; 7] = ["CONNECT", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "."];

fn only_at(verb: &'static str, say: Say) -> impl Fn(&str) -> Say + Send + Sync + 'static {
    move |event| if event.starts_with(verb) { say.clone() } else { willing(event) }
}

#[tokio::test]
async fn where_nobody_listens_the_receiver_waits() {
    let port = {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener.local_addr().expect("its address").port()
    };
    let ground = Ground::tls(willing);
    let (class, code, note) =
        told(attempt(EmailEndpoint { port, ..ground.endpoint.clone() }, &Parcel::of(b"<edXML/>")).await);
    assert_eq!((class, code.as_str()), (FailureClass::Receiver, "connect"), "{note}");
}

#[tokio::test]
async fn a_name_that_leads_nowhere_is_the_receivers_trouble() {
    let ground = Ground::tls(willing);
    // RFC 6761 section 6.4: never a name of the DNS.
    let nowhere = EmailEndpoint { host: "thu.invalid".into(), ..ground.endpoint.clone() };
    let (class, code, note) = told(attempt(nowhere, &Parcel::of(b"<edXML/>")).await);
    assert_eq!((class, code.as_str()), (FailureClass::Receiver, "dns"), "{note}");
}

/// An attempt at a server that comes to hang; then the clock is stopped, and goes from one timer to the next.
async fn attempt_that_hangs(ground: &Ground) -> (Result<Handover, DeliveryFailure>, Duration) {
    let hung = async {
        ground.peer.hangs().await;
        tokio::time::pause();
        Instant::now()
    };
    let (outcome, stopped) = tokio::join!(ground.attempt(), hung);
    let waited = stopped.elapsed();
    tokio::time::resume();
    (outcome, waited)
}

#[tokio::test]
async fn a_server_that_hangs_is_left_after_the_timeout() {
    for (event, stage) in [
        ("CONNECT", "greeting"),
        ("EHLO", "greeting"),
        ("AUTH", "AUTH"),
        ("MAIL", "MAIL"),
        ("RCPT", "RCPT"),
        ("DATA", "DATA"),
        ("STARTTLS", "STARTTLS"),
    ] {
        let ground = Ground::of(MailSecurity::Starttls, only_at(event, Say::Hang));
        let (outcome, waited) = attempt_that_hangs(&ground).await;
        let (class, code, note) = told(outcome);
        assert_eq!((class, code.as_str()), (FailureClass::Receiver, "timeout"), "{event}: {note}");
        assert_eq!(note, format!("{stage}: no end after 60s"));
        assert!(waited > PATIENCE / 2 && waited < PATIENCE * 2, "{event}: {waited:?}");
    }
}

#[tokio::test]
async fn the_answer_to_a_message_has_ten_minutes_of_its_own() {
    let mut ground = Ground::tls(only_at(".", Say::Hang));
    ground.endpoint.timeout = Duration::from_secs(20);
    let (outcome, waited) = attempt_that_hangs(&ground).await;
    let (class, code, note) = told(outcome);
    assert_eq!((class, code.as_str()), (FailureClass::Receiver, "timeout"));
    assert_eq!(note, "message: no end after 600s");
    assert!(waited > Duration::from_secs(590) && waited < Duration::from_secs(602), "{waited:?}");
}

#[tokio::test]
async fn a_message_has_time_according_to_its_length() {
    // Nobody reads on after the first bytes, so the rest of it stays where it is.
    let large = Parcel::of(&vec![b'x'; 12 * 1024 * 1024]);
    let mut ground = Ground::tls(only_at("DATA", Say::Stall(1000)));
    ground.endpoint.timeout = Duration::from_secs(20);
    let stalled = async {
        ground.peer.hangs().await;
        tokio::time::pause();
        Instant::now()
    };
    let (outcome, stopped) = tokio::join!(attempt(ground.endpoint.clone(), &large), stalled);
    let waited = stopped.elapsed();
    tokio::time::resume();
    let (class, code, note) = told(outcome);
    assert_eq!((class, code.as_str()), (FailureClass::Receiver, "timeout"));
    // 20 s, and one for each 64 KiB of some 17,220,000 bytes.
    assert_eq!(note, "message: no end after 283s");
    assert!(waited > Duration::from_secs(262) && waited < Duration::from_secs(285), "{waited:?}");
}

#[tokio::test]
async fn a_handshake_that_hangs_is_left_after_its_own_timeout() {
    // What the server says here is never TLS, and it never says it.
    let authority = Authority::make("Thư thử");
    let server = authority.server("127.0.0.1", true, BOTH);
    let peer = Peer::start(MailSecurity::Starttls, server, |_: &str| Say::Hang);
    let endpoint = endpoint(&peer, MailSecurity::Tls, &authority);
    let endpoint = EmailEndpoint { timeout: PATIENCE * 100, ..endpoint };
    let (outcome, waited) = attempt_that_hangs(&Ground { peer, endpoint }).await;
    let (class, code, note) = told(outcome);
    assert_eq!((class, code.as_str()), (FailureClass::Receiver, "timeout"));
    assert_eq!(note, "TLS handshake: no end after 60s");
    assert!(waited < PATIENCE * 2, "{waited:?}");
}

#[tokio::test]
async fn a_server_that_does_not_say_goodbye_is_not_waited_for() {
    let ground = Ground::tls(only_at("QUIT", Say::Hang));
    let (outcome, waited) = attempt_that_hangs(&ground).await;
    outcome.expect("taken is taken");
    assert!(waited < Duration::from_secs(5), "{waited:?}");
}

#[tokio::test]
async fn a_connection_cut_before_the_message_is_the_receivers_trouble() {
    for event in EVENTS.into_iter().filter(|event| !matches!(*event, "DATA" | ".")) {
        for half in ["", "2", "250-half"] {
            let ground = Ground::tls(only_at(event, Say::Last(half.into())));
            let (class, code, note) = told(ground.attempt().await);
            let expected = (FailureClass::Receiver, "connection_lost");
            assert_eq!((class, code.as_str()), expected, "{half:?} at {event}: {note}");
        }
    }
}

#[tokio::test]
async fn a_connection_cut_in_the_message_or_before_its_answer_is_the_documents() {
    // More than any socket buffer takes.
    let large = Parcel::of(&vec![b'x'; 12 * 1024 * 1024]);
    for bytes in [0, 1, 100_000] {
        let ground = Ground::tls(only_at("DATA", Say::MidMessage(bytes, Vec::new())));
        let (class, code, note) = told(attempt(ground.endpoint.clone(), &large).await);
        assert_eq!((class, code.as_str()), (FailureClass::Document, "cut_body"), "{bytes}: {note}");
    }
    for half in ["", "25", "250-2.0.0 half"] {
        let ground = Ground::tls(only_at(".", Say::Last(half.into())));
        let (class, code, note) = told(ground.attempt().await);
        assert_eq!((class, code.as_str()), (FailureClass::Document, "cut_body"), "{half:?}: {note}");
        assert_eq!(ground.peer.messages().len(), 1, "whether it was taken is not known");
    }
}

#[tokio::test]
async fn after_an_unknown_outcome_the_same_message_comes_again() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let cut_once = AtomicBool::new(true);
    let ground = Ground::tls(move |event| match event {
        "." if cut_once.swap(false, Ordering::SeqCst) => Say::Last(Vec::new()),
        _ => willing(event),
    });
    let (adapter, parcel) = (adapter(ground.endpoint.clone()), Parcel::of(b"<edXML/>"));
    adapter.deliver(&to_mailbox(&parcel)).await.expect_err("cut");
    adapter.deliver(&to_mailbox(&parcel)).await.expect("taken");
    let messages = ground.peer.messages();
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0], messages[1], "the same Message-ID and ids, so that the receiver can tell");
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_the_message_is_heard() {
    let large = Parcel::of(&vec![b'x'; 12 * 1024 * 1024]);
    let words = b"552 5.3.4 too big\r\n".to_vec();
    // A server that reads on, and one that closes over what it has not read.
    for say in [Say::Interrupt(1000, words.clone()), Say::MidMessage(1000, words)] {
        let ground = Ground::tls(only_at("DATA", say));
        let (class, code, note) = told(attempt(ground.endpoint.clone(), &large).await);
        assert_eq!((class, code.as_str()), (FailureClass::Permanent, "smtp_552"), "{note}");
    }
}

#[tokio::test]
async fn a_yes_in_the_middle_of_the_message_is_none() {
    let large = Parcel::of(&vec![b'x'; 12 * 1024 * 1024]);
    let words = b"250 queued\r\n".to_vec();
    for say in [Say::Interrupt(1000, words.clone()), Say::MidMessage(1000, words)] {
        let ground = Ground::tls(only_at("DATA", say));
        let (class, code, note) = told(attempt(ground.endpoint.clone(), &large).await);
        assert_eq!((class, code.as_str()), (FailureClass::OursToFix, "early_answer"), "{note}");
        assert_eq!(note, "message: answered before it had the whole: 250 queued");
        assert!(!ground.peer.only().verbs().contains(&"QUIT"), "it would stand in the message");
    }
}

#[tokio::test]
async fn a_message_that_is_cut_in_the_middle_is_sent_no_further() {
    let large = Parcel::of(&vec![b'x'; 12 * 1024 * 1024]);
    for half in ["", "25", "250-2.0.0 half"] {
        let ground = Ground::tls(only_at("DATA", Say::MidMessage(1000, half.into())));
        let (class, code, note) = told(attempt(ground.endpoint.clone(), &large).await);
        assert_eq!((class, code.as_str()), (FailureClass::Document, "cut_body"), "{half:?}: {note}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    for (what, flood) in [
        ("a line without an end", vec![b'x'; 4096]),
        ("an answer without an end", b"250-and\r\n".repeat(400)),
        ("empty lines without an end", b"250-\r\n".repeat(400)),
        ("zero bytes without an end", vec![0; 4096]),
    ] {
        for event in EVENTS {
            let ground = Ground::tls(only_at(event, Say::Flood(flood.clone())));
            let attempt = tokio::time::timeout(PATIENCE / 2, ground.attempt());
            let (class, code, note) = told(attempt.await.expect("long before the timeout"));
            assert_eq!(
                (class, code.as_str()),
                (FailureClass::Receiver, "bad_answer"),
                "{what} at {event}: {note}"
            );
        }
    }
}

#[tokio::test]
async fn before_tls_nothing_endless_is_read_either() {
    for event in ["CONNECT", "EHLO", "STARTTLS"] {
        let ground = Ground::of(MailSecurity::Starttls, only_at(event, Say::Flood(vec![b'x'; 4096])));
        let (class, code, note) = told(ground.attempt().await);
        assert_eq!((class, code.as_str()), (FailureClass::Receiver, "bad_answer"), "{event}: {note}");
    }
}

#[tokio::test]
async fn the_longest_answer_counts() {
    let lines = crate::email::link::LINES_MAX;
    let answer = |lines: usize| "550-5.7.1 no\r\n".repeat(lines - 1) + "550 5.7.1 no\r\n";
    let (class, code, _) = super::failure_at("RCPT", answer(lines)).await;
    assert_eq!((class, code.as_str()), (FailureClass::Permanent, "smtp_550"));
    let (class, code, _) = super::failure_at("RCPT", answer(lines + 1)).await;
    assert_eq!((class, code.as_str()), (FailureClass::Receiver, "bad_answer"));
}

#[tokio::test]
async fn nothing_is_sent_to_an_unknown_system_or_without_a_mailbox() {
    let ground = Ground::tls(willing);
    let (adapter, parcel) = (adapter(ground.endpoint.clone()), Parcel::of(b"<edXML/>"));
    let mut elsewhere = to_mailbox(&parcel);
    elsewhere.delivery.route.system = system("thu-hai");
    let mut nobody = to_mailbox(&parcel);
    nobody.addressee.mailbox = None;
    for (consignment, expected) in [(elsewhere, "no_endpoint"), (nobody, "no_mailbox")] {
        let (class, code, note) = told(adapter.deliver(&consignment).await);
        assert_eq!((class, code.as_str()), (FailureClass::OursToFix, expected), "{note}");
    }
    assert!(ground.peer.sessions().is_empty());
}
