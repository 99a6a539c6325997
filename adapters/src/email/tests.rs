//! The adapter against a submission server on a loopback port: what is sent, and what follows from each answer.

mod answers;
mod arrival;
mod broken;
mod limits;
mod notices;
mod peer;
mod reader;
mod secret;
mod sent;
mod tls;

use std::time::Duration;

use lienthong_pipeline::ports::{Adapter, Consignment, DeliveryFailure, FailureClass, Handover};
use lienthong_pipeline::record::{AdapterKind, Cover, MailAddress};

use self::peer::{Peer, Say, willing};
use super::{Email, EmailEndpoint, MailSecurity};
use crate::http::authority::{Authority, BOTH};
use crate::parcel::{Parcel, system};

const USER: &str = "truc@thu.example";
const PASSWORD: &str = "bí mật của kiểm thử";

/// Longer than any test runs.
const PATIENCE: Duration = Duration::from_secs(60);

/// 25 MB, the default of the settings.
const MESSAGE_BYTES_MAX: u64 = 25 * 1024 * 1024;

fn mailbox(text: &str) -> MailAddress {
    MailAddress::parse(text).expect("an address")
}

/// A consignment of `parcel` to the mailbox of H55.15.
fn to_mailbox(parcel: &Parcel) -> Consignment {
    let mut consignment = parcel.consignment();
    consignment.delivery.route.adapter = AdapterKind::Email;
    consignment.delivery.route.system = system("thu-mot");
    consignment.addressee.name = "Sở Nội vụ, tỉnh Thái Nguyên".into();
    consignment.addressee.mailbox = Some(mailbox("vanthu.snv@tinh.example"));
    consignment.cover = Cover {
        from_name: "Ủy ban nhân dân tỉnh".into(),
        code: "12/UBND-VP".into(),
        date: "2026-03-01".into(),
        subject: "V/v chuẩn bị kỳ họp thứ hai".into(),
        priority: 3,
        type_name: "Công văn".into(),
        paper_follows: Some(false),
        signature: "valid".into(),
    };
    consignment
}

/// A submission server with a certificate for 127.0.0.1, and the endpoint that reaches it.
struct Ground {
    peer: Peer,
    endpoint: EmailEndpoint,
}

impl Ground {
    /// Over implicit TLS.
    fn tls(script: impl Fn(&str) -> Say + Send + Sync + 'static) -> Self {
        Self::of(MailSecurity::Tls, script)
    }

    fn of(security: MailSecurity, script: impl Fn(&str) -> Say + Send + Sync + 'static) -> Self {
        let authority = Authority::make("Thư thử");
        let server = authority.server("127.0.0.1", true, BOTH);
        let peer = Peer::start(security, server, script);
        let endpoint = endpoint(&peer, security, &authority);
        Self { peer, endpoint }
    }

    /// One attempt with a small packet.
    async fn attempt(&self) -> Result<Handover, DeliveryFailure> {
        attempt(self.endpoint.clone(), &Parcel::of(b"<edXML/>")).await
    }
}

fn endpoint(peer: &Peer, security: MailSecurity, trusted: &Authority) -> EmailEndpoint {
    EmailEndpoint {
        host: "127.0.0.1".into(),
        port: peer.address.port(),
        security,
        user: USER.into(),
        password: PASSWORD.into(),
        from: mailbox("truc@thu.example"),
        from_name: "Trục liên thông tỉnh".into(),
        ca_pem: Some(trusted.pem()),
        message_bytes_max: MESSAGE_BYTES_MAX,
        connect_timeout: PATIENCE,
        timeout: PATIENCE,
        gateway_name: "Trục liên thông tỉnh Thái Nguyên".into(),
        hotline: "0208 1234 567".into(),
    }
}

fn adapter(endpoint: EmailEndpoint) -> Email {
    Email::new([(system("thu-mot"), endpoint)]).expect("an endpoint that works")
}

async fn attempt(endpoint: EmailEndpoint, parcel: &Parcel) -> Result<Handover, DeliveryFailure> {
    adapter(endpoint).deliver(&to_mailbox(parcel)).await
}

/// A willing server, but for commands that begin with `verb`: there it says this.
fn at(verb: &'static str, words: impl Into<Vec<u8>>) -> impl Fn(&str) -> Say + Send + Sync + 'static {
    let words = words.into();
    move |event| if event.starts_with(verb) { Say::Words(words.clone()) } else { willing(event) }
}

/// One attempt with a server that says this to `verb`: class, code and note of the failure.
async fn failure_at(verb: &'static str, words: impl Into<Vec<u8>>) -> (FailureClass, String, String) {
    told(Ground::tls(at(verb, words)).attempt().await)
}

fn told(outcome: Result<Handover, DeliveryFailure>) -> (FailureClass, String, String) {
    let failure = outcome.expect_err("a failure");
    assert_eq!(failure.retry_after, None, "SMTP has no Retry-After");
    (failure.class, failure.code, failure.note)
}
