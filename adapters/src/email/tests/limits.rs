//! Sizes at their limits, and settings that cannot work.

use std::time::Duration;

use lienthong_pipeline::ports::{Adapter, FailureClass};
use lienthong_pipeline::record::Cover;
use lienthong_schemas::edxml::PacketKind;
use lienthong_schemas::ids::PacketDigest;

use super::peer::willing;
use super::{Ground, MESSAGE_BYTES_MAX, attempt, mailbox, to_mailbox, told};
use crate::email::wire::Message;
use crate::email::{Email, EmailEndpoint, MESSAGE_REST_BYTES_MAX, packet_bytes_max};
use crate::endpoint::EndpointCause;
use crate::parcel::{Parcel, system};

/// An endpoint for messages that are only made, and for settings that are only read.
fn settings() -> EmailEndpoint {
    let authority = crate::http::authority::Authority::make("Thư thử");
    EmailEndpoint {
        host: "thu.example".into(),
        port: 465,
        security: crate::email::MailSecurity::Tls,
        user: "truc".into(),
        password: "bí mật".into(),
        from: mailbox("truc@thu.example"),
        from_name: "Trục".into(),
        ca_pem: Some(authority.pem()),
        message_bytes_max: MESSAGE_BYTES_MAX,
        connect_timeout: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        gateway_name: "Trục".into(),
        hotline: "1900".into(),
    }
}

#[test]
fn the_rest_of_a_message_stays_below_its_allowance() {
    let parcel = Parcel::of(b"");
    // Four bytes each, and escaped ten for one.
    for longest in ["𠀀".repeat(5000), "\u{10ffff}".repeat(5000), "ệ ".repeat(5000), "=?".repeat(5000)] {
        let mut consignment = to_mailbox(&parcel);
        consignment.addressee.name = longest.clone();
        let long_domain =
            format!("{}@{}", "a".repeat(64), ["b".repeat(63), "c".repeat(63), "d".repeat(60)].join("."));
        let from = mailbox(&long_domain);
        consignment.cover = Cover {
            from_name: longest.clone(),
            code: longest.clone(),
            date: longest.clone(),
            subject: longest.clone(),
            priority: 4,
            type_name: longest.clone(),
            paper_follows: None,
            signature: longest.clone(),
        };
        let endpoint = EmailEndpoint {
            from: from.clone(),
            from_name: longest.clone(),
            gateway_name: longest.clone(),
            hotline: longest.clone(),
            ..settings()
        };
        for kind in PacketKind::ALL {
            consignment.delivery.kind = kind.id_text().into();
            let message = Message::new(&consignment, &endpoint, &from, Vec::new()).expect("a message");
            assert!(message.bytes() < MESSAGE_REST_BYTES_MAX, "{kind}: {}", message.bytes());
        }
    }
}

#[test]
fn the_length_of_a_message_is_known_before_it_is_made() {
    let parcel = Parcel::of(b"");
    let (consignment, endpoint, to) = (to_mailbox(&parcel), settings(), mailbox("a@b.example"));
    for bytes in (0..=116).chain([57 * 1024 - 1, 57 * 1024, 57 * 1024 + 1, 57 * 1024 * 2 + 58]) {
        let message = Message::new(&consignment, &endpoint, &to, vec![7; bytes]).expect("a message");
        let made: usize = message.parts().map(|part| part.len()).sum();
        assert_eq!(message.bytes(), made as u64 + 2, "{bytes} bytes of packet");
    }
}

#[test]
fn the_largest_packet_is_the_largest_whose_message_fits() {
    // What base64 makes of so many bytes, counted by hand.
    let encoded = |bytes: u64| {
        let full = bytes / 57;
        let rest = bytes % 57;
        full * 78 + if rest == 0 { 0 } else { rest.div_ceil(3) * 4 + 2 }
    };
    for limit in (0..200).map(|more| MESSAGE_REST_BYTES_MAX + more).chain([1, 1024 * 1024, MESSAGE_BYTES_MAX])
    {
        let most = packet_bytes_max(limit);
        if limit <= MESSAGE_REST_BYTES_MAX {
            assert_eq!(most, 0);
            continue;
        }
        assert!(encoded(most) + MESSAGE_REST_BYTES_MAX <= limit, "{most} in {limit}");
        assert!(encoded(most + 1) + MESSAGE_REST_BYTES_MAX > limit, "{most} in {limit}");
    }
    assert_eq!(packet_bytes_max(MESSAGE_BYTES_MAX), 19_132_731);
    assert!(packet_bytes_max(u64::MAX) > u64::MAX / 2);
}

#[tokio::test]
async fn a_message_at_the_limit_is_sent_and_one_over_it_is_not() {
    let ground = Ground::tls(willing);
    ground.attempt().await.expect("taken");
    let bytes = ground.peer.messages()[0].len() as u64;
    // A limit is at least the allowance and a byte, so the packet must be larger than that.
    let packet = vec![b'x'; 64 * 1024];
    let larger = Parcel::of(&packet);
    attempt(ground.endpoint.clone(), &larger).await.expect("taken");
    let exact = ground.peer.messages()[1].len() as u64;
    assert!(exact > bytes);
    for (limit, fits) in [(exact, true), (exact - 1, false)] {
        let endpoint = EmailEndpoint { message_bytes_max: limit, ..ground.endpoint.clone() };
        let outcome = attempt(endpoint, &larger).await;
        assert_eq!(outcome.is_ok(), fits, "{limit}: {outcome:?}");
        if !fits {
            let (class, code, note) = told(outcome);
            assert_eq!((class, code.as_str()), (FailureClass::Permanent, "too_large"), "{note}");
        }
    }
    assert_eq!(ground.peer.sessions().len(), 3, "nothing is said about a message that is not sent");
}

#[tokio::test]
async fn a_large_packet_arrives_byte_for_byte() {
    let packet: Vec<u8> = (0..3_000_001_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let (ground, parcel) = (Ground::tls(willing), Parcel::of(&packet));
    attempt(ground.endpoint.clone(), &parcel).await.expect("taken");
    let arrived = super::reader::text_and_packet(&ground.peer.messages()[0]).1;
    assert_eq!(PacketDigest::of(&arrived), PacketDigest::of(&packet));
}

#[tokio::test]
async fn an_empty_packet_is_a_message_too() {
    let (ground, parcel) = (Ground::tls(willing), Parcel::of(b""));
    attempt(ground.endpoint.clone(), &parcel).await.expect("taken");
    assert_eq!(super::reader::text_and_packet(&ground.peer.messages()[0]).1, b"");
}

#[test]
fn settings_that_cannot_work_are_refused_at_once() {
    let refused = |endpoint: EmailEndpoint| {
        let fault = Email::new([(system("thu-mot"), endpoint)]).err().expect("refused");
        assert!(fault.to_string().starts_with("email endpoint of thu-mot: "), "{fault}");
        fault.cause
    };
    for host in ["", "a b", "thu.example:25", "[::1]", "thu.example/x", "thử.example"] {
        assert_eq!(refused(EmailEndpoint { host: host.into(), ..settings() }), EndpointCause::Host, "{host}");
    }
    for (user, password) in [("", "x"), ("x", ""), ("x\0y", "z"), ("x", "y\0z")] {
        let (user, password) = (user.into(), password.into());
        assert_eq!(refused(EmailEndpoint { user, password, ..settings() }), EndpointCause::Account);
    }
    for pem in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert_eq!(refused(EmailEndpoint { ca_pem: Some(pem.into()), ..settings() }), EndpointCause::Ca);
    }
    for endpoint in [
        EmailEndpoint { port: 0, ..settings() },
        EmailEndpoint { timeout: Duration::ZERO, ..settings() },
        EmailEndpoint { connect_timeout: Duration::ZERO, ..settings() },
        EmailEndpoint { message_bytes_max: MESSAGE_REST_BYTES_MAX, ..settings() },
    ] {
        assert_eq!(refused(endpoint), EndpointCause::Zero);
    }
    for host in ["thu.example", "127.0.0.1", "::1", "localhost"] {
        Email::new([(system("thu-mot"), EmailEndpoint { host: host.into(), ..settings() })]).expect(host);
    }
}

#[tokio::test]
async fn other_endpoints_take_the_place_of_all_present_ones() {
    let (one, two) = (Ground::tls(willing), Ground::tls(willing));
    let adapter = super::adapter(one.endpoint.clone());
    let parcel = Parcel::of(b"<edXML/>");
    let broken = EmailEndpoint { port: 0, ..two.endpoint.clone() };
    adapter.replace([(system("thu-mot"), broken)]).expect_err("it cannot work");
    adapter.deliver(&to_mailbox(&parcel)).await.expect("the present one stays");
    adapter.replace([(system("thu-mot"), two.endpoint.clone())]).expect("it works");
    adapter.deliver(&to_mailbox(&parcel)).await.expect("the other one");
    assert_eq!((one.peer.messages().len(), two.peer.messages().len()), (1, 1));
    adapter.replace([]).expect("none is fine");
    assert_eq!(told(adapter.deliver(&to_mailbox(&parcel)).await).1, "no_endpoint");
}

#[test]
fn a_password_is_not_printed() {
    let endpoint = EmailEndpoint { password: "rất bí mật".into(), ..settings() };
    let printed = format!("{endpoint:?}");
    assert!(!printed.contains("bí mật") && printed.contains("password: \"***\""), "{printed}");
}
