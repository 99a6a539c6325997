//! TLS: whose certificate is taken, what follows when it is not, and that nothing leaves or counts without it.

use std::sync::Arc;

use lienthong_pipeline::ports::{Adapter, DeliveryFailure, FailureClass};
use rustls::{ServerConfig, version};

use super::peer::{Peer, Say, willing};
use super::{Ground, adapter, at, endpoint, to_mailbox, told};
use crate::email::{Email, EmailEndpoint, MailSecurity};
use crate::endpoint::EndpointCause;
use crate::http::authority::{Authority, BOTH};
use crate::parcel::{Parcel, system};

const WAYS: [MailSecurity; 2] = [MailSecurity::Tls, MailSecurity::Starttls];

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken() {
    let authority = Authority::make("Thử một");
    for versions in [BOTH, &[&version::TLS12], &[&version::TLS13]] {
        for security in WAYS {
            let peer = Peer::start(security, authority.server("127.0.0.1", true, versions), willing);
            let adapter = adapter(endpoint(&peer, security, &authority));
            adapter.deliver(&to_mailbox(&Parcel::of(b"<edXML/>"))).await.expect("taken");
            assert_eq!(peer.messages().len(), 1);
        }
    }
}

/// A failed handshake with this server: nothing was said inside TLS, and before it nothing about us.
async fn refused(security: MailSecurity, server: Arc<ServerConfig>, trusted: &Authority) -> DeliveryFailure {
    let peer = Peer::start(security, server, willing);
    let adapter = adapter(endpoint(&peer, security, trusted));
    let outcome = adapter.deliver(&to_mailbox(&Parcel::of(b"<edXML/>"))).await;
    let session = peer.only();
    assert!(session.secure.is_empty() && session.messages.is_empty(), "{session:?}");
    let clear: &[&str] = match security {
        MailSecurity::Tls => &[],
        MailSecurity::Starttls => &["EHLO thu.example", "STARTTLS"],
    };
    assert_eq!(session.clear, clear);
    outcome.expect_err("refused")
}

#[tokio::test]
async fn a_certificate_for_another_name_is_ours_to_fix() {
    let authority = Authority::make("Thử hai");
    for security in WAYS {
        for name in ["thu.example", "127.0.0.2"] {
            let failure = refused(security, authority.server(name, true, BOTH), &authority).await;
            assert_eq!(
                (failure.class, failure.code.as_str()),
                (FailureClass::OursToFix, "tls_name"),
                "{failure}"
            );
        }
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_ours_to_fix() {
    let (ours, theirs) = (Authority::make("Của ta"), Authority::make("Của họ"));
    for security in WAYS {
        let unknown = refused(security, theirs.server("127.0.0.1", true, BOTH), &ours).await;
        let namesake =
            refused(security, Authority::make("Của ta").server("127.0.0.1", true, BOTH), &ours).await;
        let run_out = refused(security, ours.server("127.0.0.1", false, BOTH), &ours).await;
        for failure in [unknown, namesake, run_out] {
            let expected = (FailureClass::OursToFix, "tls_certificate");
            assert_eq!((failure.class, failure.code.as_str()), expected, "{failure}");
            assert!(failure.note.contains("certificate"), "{failure}");
        }
    }
}

#[tokio::test]
async fn without_an_authority_of_its_own_the_platforms_are_asked() {
    let ground = Ground::tls(willing);
    let plain = EmailEndpoint { ca_pem: None, ..ground.endpoint.clone() };
    let adapter = match Email::new([(system("thu-mot"), plain)]) {
        Ok(adapter) => adapter,
        Err(fault) => {
            assert!(matches!(fault.cause, EndpointCause::Client(_)), "{fault}");
            println!("SKIPPED: the platform has no certificate authorities");
            return;
        }
    };
    let (class, code, note) = told(adapter.deliver(&to_mailbox(&Parcel::of(b"<edXML/>"))).await);
    assert_eq!((class, code.as_str()), (FailureClass::OursToFix, "tls_certificate"), "{note}");
    assert!(ground.peer.messages().is_empty());
}

#[tokio::test]
async fn a_server_that_does_not_offer_starttls_gets_nothing() {
    let stripped = "250-thu.example\r\n250-AUTH PLAIN LOGIN\r\n250 XXXXXXXA\r\n";
    let ground = Ground::of(MailSecurity::Starttls, at("EHLO", stripped));
    let (class, code, note) = told(ground.attempt().await);
    assert_eq!((class, code.as_str()), (FailureClass::OursToFix, "starttls_missing"), "{note}");
    let session = ground.peer.only();
    assert_eq!(session.clear, ["EHLO thu.example"], "neither account nor document in clear");
}

#[tokio::test]
async fn a_server_that_refuses_starttls_gets_nothing() {
    for (words, class, expected) in [
        ("454 4.7.0 TLS not available\r\n", FailureClass::Receiver, "smtp_454"),
        ("502 5.5.1 no\r\n", FailureClass::OursToFix, "smtp_502"),
        ("334 go on\r\n", FailureClass::Receiver, "bad_answer"),
    ] {
        let ground = Ground::of(MailSecurity::Starttls, at("STARTTLS", words));
        let (found, code, note) = told(ground.attempt().await);
        assert_eq!((found, code.as_str()), (class, expected), "{note}");
        let session = ground.peer.only();
        assert!(session.clear.iter().all(|line| !line.starts_with("AUTH")), "{session:?}");
        assert!(session.secure.is_empty());
    }
}

#[tokio::test]
async fn words_put_in_before_tls_are_refused() {
    // CVE-2011-0411 and its kin, from the client's side: what came in clear must not be read as said inside TLS.
    let injected = "220 ready\r\n250-evil.example\r\n250-AUTH PLAIN\r\n250 DSN\r\n";
    let script = |event: &str| match event {
        "STARTTLS" => Say::Secure(injected.into()),
        _ => willing(event),
    };
    let ground = Ground::of(MailSecurity::Starttls, script);
    let (class, code, note) = told(ground.attempt().await);
    assert_eq!((class, code.as_str()), (FailureClass::OursToFix, "starttls_injection"), "{note}");
    let session = ground.peer.only();
    assert_eq!(session.clear, ["EHLO thu.example", "STARTTLS"]);
    assert!(session.secure.is_empty(), "no word inside TLS after that");
}

#[tokio::test]
async fn what_is_offered_in_clear_does_not_count_inside_tls() {
    use std::sync::atomic::{AtomicBool, Ordering};
    // Before TLS somebody offers DSN and no limit; inside TLS the server offers neither.
    let clear = AtomicBool::new(true);
    let script = move |event: &str| match event.split(' ').next() {
        Some("EHLO") if clear.swap(false, Ordering::SeqCst) => {
            Say::Words(b"250-x\r\n250-STARTTLS\r\n250-AUTH XOAUTH2\r\n250-DSN\r\n250 SIZE 1\r\n".to_vec())
        }
        Some("EHLO") => Say::Words(b"250-thu.example\r\n250 AUTH PLAIN\r\n".to_vec()),
        _ => willing(event),
    };
    let ground = Ground::of(MailSecurity::Starttls, script);
    ground.attempt().await.expect("taken");
    let session = ground.peer.only();
    assert_eq!(session.command("MAIL"), "MAIL FROM:<truc@thu.example>");
    assert!(session.command("AUTH").starts_with("AUTH PLAIN "));
}

#[tokio::test]
async fn a_broken_handshake_is_the_receivers_trouble() {
    // A server that speaks in clear where TLS is due: nothing that comes back is a TLS record.
    for words in ["220 thu.example ESMTP\r\n", "554 no\r\n"] {
        let authority = Authority::make("Thử ba");
        let server = authority.server("127.0.0.1", true, BOTH);
        let peer = Peer::start(MailSecurity::Starttls, server, move |_: &str| Say::Words(words.into()));
        let adapter = adapter(endpoint(&peer, MailSecurity::Tls, &authority));
        let (class, code, note) = told(adapter.deliver(&to_mailbox(&Parcel::of(b"<edXML/>"))).await);
        assert_eq!((class, code.as_str()), (FailureClass::Receiver, "tls"), "{note}");
        assert!(peer.messages().is_empty());
    }
}
