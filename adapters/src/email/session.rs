//! One SMTP session for one message (RFC 5321, RFC 6409): connect, secure, authenticate, envelope, message. Every answer
//! is looked at by itself, because what follows from it depends on the stage.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Ehlo, Mail, Rcpt, Starttls};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter, RcptParameter};
use lettre::transport::smtp::response::{Response, Severity};
use lienthong_pipeline::ports::{DeliveryFailure, FailureClass};
use lienthong_schemas::ids::DeliveryId;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::MailSecurity;
use super::link::{Link, handshake};
use super::secrets::Secrets;
use super::trouble::{self, Stage};
use super::wire::Message;
use crate::endpoint::SLOWEST_BYTES_PER_SECOND;
use crate::failure::failed;
use crate::http::patience;

/// How long the answer to our last word is waited for; nothing depends on it.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long the answer to the last dot is waited for: until then the server may be looking at the message, and who leaves
/// earlier sends it twice (RFC 5321 section 4.5.3.2.6).
const LAST_ANSWER: Duration = Duration::from_secs(600);

/// After these failures nobody listens to a goodbye.
const OUT_OF_STEP: [&str; 5] = ["bad_answer", "connection_lost", "cut_body", "early_answer", "timeout"];

/// PLAIN first; LOGIN for servers that offer nothing else. Both only ever run inside TLS.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

/// A submission server and our account there.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: MailSecurity,
    pub(super) name: ServerName<'static>,
    pub(super) connector: TlsConnector,
    pub(super) credentials: Credentials,
    pub(super) secrets: Arc<Secrets>,
    pub(super) hello: ClientId,
    pub(super) connect_timeout: Duration,
    pub(super) timeout: Duration,
}

/// Who sends what to whom.
pub(super) struct Submission<'a> {
    pub(super) from: Address,
    pub(super) to: Address,
    pub(super) id: DeliveryId,
    pub(super) message: &'a Message,
}

/// What the server said that it can do.
struct Offers {
    /// RFC 1870: the longest message in bytes; `Some(0)` is no limit.
    size: Option<u64>,
    /// RFC 3461.
    dsn: bool,
}

impl Server {
    /// Submits a message; the server's words when it took it.
    pub(super) async fn submit(&self, submission: &Submission<'_>) -> Result<String, DeliveryFailure> {
        let (mut stage, begun) = (Stage::Connect, Instant::now());
        let ready = async {
            let (mut smtp, link) = self.open(&mut stage).await?;
            let ready = self.prepare(&mut smtp, submission, &mut stage).await;
            Ok((smtp, link, ready))
        };
        let (mut smtp, link, ready) = match tokio::time::timeout(self.timeout, ready).await {
            Ok(ended) => ended?,
            Err(_) => return Err(trouble::late(stage, self.timeout)),
        };
        let outcome = match ready {
            Ok(()) => self.hand_over(&mut smtp, &link, submission.message, begun).await,
            Err(failure) => Err(failure),
        };
        // The outcome stands. A server that is not told goodbye may keep the connection until its own timeout; one that
        // does not keep to the protocol, or is gone, is not told.
        if outcome.as_ref().err().is_none_or(|failure| !OUT_OF_STEP.contains(&failure.code.as_str())) {
            drop(tokio::time::timeout(FAREWELL, smtp.quit()).await);
        }
        outcome
    }

    /// Connects and secures. Nothing about the account or the document leaves before TLS.
    async fn open(&self, stage: &mut Stage) -> Result<(AsyncSmtpConnection, Link), DeliveryFailure> {
        let link = Link::new(self.connect().await?, Arc::clone(&self.secrets));
        let smtp = match self.security {
            MailSecurity::Tls => {
                *stage = Stage::Tls;
                self.secure(&link).await?;
                *stage = Stage::Greeting;
                self.greet(&link, *stage).await?
            }
            MailSecurity::Starttls => {
                *stage = Stage::Greeting;
                let mut clear = self.greet(&link, *stage).await?;
                *stage = Stage::Starttls;
                if !clear.server_info().supports_feature(Extension::StartTls) {
                    let cause = "the server does not offer STARTTLS, and nothing is sent in clear";
                    return Err(failed(FailureClass::OursToFix, "starttls_missing", cause));
                }
                let ready = self.answered(*stage, clear.command(Starttls).await)?;
                self.expect(*stage, &ready, Severity::PositiveCompletion)?;
                *stage = Stage::Tls;
                self.secure(&link).await?;
                link.greet();
                *stage = Stage::Greeting;
                self.greet(&link, *stage).await?
            }
        };
        Ok((smtp, link))
    }

    async fn connect(&self) -> Result<TcpStream, DeliveryFailure> {
        let connecting = async {
            let found = lookup_host((self.host.as_str(), self.port)).await;
            let addresses: Vec<_> = found.map_err(|error| trouble::dns(&error))?.collect();
            TcpStream::connect(&addresses[..]).await.map_err(|error| trouble::connect(&error))
        };
        self.in_time(Stage::Connect, connecting).await
    }

    async fn secure(&self, link: &Link) -> Result<(), DeliveryFailure> {
        let clear = link.unsecured().map_err(|_too_early| {
            let cause = "the server, or somebody in between, spoke in clear when TLS was to begin";
            failed(FailureClass::OursToFix, "starttls_injection", cause)
        })?;
        let secure = async {
            let clear = clear.ok_or_else(|| trouble::tls(&io::ErrorKind::NotConnected.into()))?;
            handshake(&self.connector, &self.name, clear).await.map_err(|error| trouble::tls(&error))
        };
        link.secured(self.in_time(Stage::Tls, secure).await?);
        Ok(())
    }

    async fn in_time<T>(
        &self,
        stage: Stage,
        work: impl Future<Output = Result<T, DeliveryFailure>>,
    ) -> Result<T, DeliveryFailure> {
        let done = tokio::time::timeout(self.connect_timeout, work).await;
        done.unwrap_or_else(|_| Err(trouble::late(stage, self.connect_timeout)))
    }

    async fn greet(&self, link: &Link, stage: Stage) -> Result<AsyncSmtpConnection, DeliveryFailure> {
        let smtp = AsyncSmtpConnection::connect_with_transport(Box::new(link.clone()), &self.hello).await;
        smtp.map_err(|error| trouble::sort(stage, &error, &self.secrets))
    }

    async fn authenticate(&self, smtp: &mut AsyncSmtpConnection) -> Result<(), DeliveryFailure> {
        if smtp.server_info().get_auth_mechanism(&MECHANISMS).is_none() {
            let cause = "the server offers neither AUTH PLAIN nor AUTH LOGIN";
            return Err(failed(FailureClass::OursToFix, "auth_missing", cause));
        }
        let answer = self.answered(Stage::Auth, smtp.auth(&MECHANISMS, &self.credentials).await)?;
        self.expect(Stage::Auth, &answer, Severity::PositiveCompletion)
    }

    /// All that comes before the message: account and envelope.
    async fn prepare(
        &self,
        smtp: &mut AsyncSmtpConnection,
        submission: &Submission<'_>,
        stage: &mut Stage,
    ) -> Result<(), DeliveryFailure> {
        *stage = Stage::Auth;
        self.authenticate(smtp).await?;
        // The client keeps only what it knows of the answer to its own EHLO.
        *stage = Stage::Greeting;
        let hello = Ehlo::new(self.hello.clone());
        let offers = Offers::of(&self.answered(*stage, smtp.command(hello).await)?);
        let bytes = submission.message.bytes();
        if let Some(most) = offers.size.filter(|most| *most > 0 && bytes > *most) {
            let cause = format!("the message has {bytes} bytes, the server takes {most}");
            return Err(failed(FailureClass::Permanent, "size_limit", &cause));
        }
        *stage = Stage::Mail;
        let mail = Mail::new(Some(submission.from.clone()), offers.of_mail(bytes, submission.id));
        self.expect(*stage, &self.answered(*stage, smtp.command(mail).await)?, Severity::PositiveCompletion)?;
        *stage = Stage::Rcpt;
        let rcpt = Rcpt::new(submission.to.clone(), offers.of_rcpt());
        self.expect(*stage, &self.answered(*stage, smtp.command(rcpt).await)?, Severity::PositiveCompletion)?;
        *stage = Stage::Data;
        self.expect(
            *stage,
            &self.answered(*stage, smtp.command(Data).await)?,
            Severity::PositiveIntermediate,
        )?;
        *stage = Stage::Message;
        Ok(())
    }

    /// The message, and the answer to its last dot. The message has the time of an attempt that began then and grows with
    /// its length; the answer has its own.
    async fn hand_over(
        &self,
        smtp: &mut AsyncSmtpConnection,
        link: &Link,
        message: &Message,
        begun: Instant,
    ) -> Result<String, DeliveryFailure> {
        let limit = patience(self.timeout, SLOWEST_BYTES_PER_SECOND, message.bytes());
        let (all_written, written) = oneshot::channel();
        let late = async {
            let left = limit.saturating_sub(begun.elapsed());
            if tokio::time::timeout(left, written).await.is_err() {
                return trouble::late(Stage::Message, limit);
            }
            tokio::time::sleep(LAST_ANSWER).await;
            DeliveryFailure { may_have_arrived: true, ..trouble::late(Stage::Message, LAST_ANSWER) }
        };
        tokio::select! {
            biased;
            outcome = self.send(smtp, link, message, all_written) => outcome,
            failure = late => Err(failure),
        }
    }

    /// Tells `all_written` when nothing but the last dot is left to write. From then on an end without an answer means that
    /// the server may have the message.
    async fn send(
        &self,
        smtp: &mut AsyncSmtpConnection,
        link: &Link,
        message: &Message,
        all_written: oneshot::Sender<()>,
    ) -> Result<String, DeliveryFailure> {
        const STAGE: Stage = Stage::Message;
        link.message_begins();
        let (mut all_written, dotted) = (Some(all_written), AtomicBool::new(false));
        let end = std::iter::from_fn(|| {
            dotted.store(true, Ordering::Relaxed);
            all_written.take()?.send(()).ok();
            None
        });
        let parts = message.parts().map(|part| part.into_owned()).chain(end);
        let sent = smtp.message_iter(parts).await;
        let unclear = |failure: DeliveryFailure| {
            let may_have_arrived = dotted.load(Ordering::Relaxed);
            DeliveryFailure { may_have_arrived, ..failure }
        };
        let answer = match sent {
            // A server that refuses in the middle says why before it closes, and we were not listening.
            Err(cut) if link.is_in_message() => match smtp.read_response().await {
                Err(refusal) if refusal.status().is_some() => Err(refusal),
                Ok(yes) if yes.code().severity == Severity::PositiveCompletion => {
                    return Err(trouble::early(&yes, &self.secrets));
                }
                Ok(answer) => return Err(unclear(trouble::out_of_place(STAGE, &answer, &self.secrets))),
                // Half a line, and it was gone.
                Err(gone) if trouble::is_end(&gone) => Err(gone),
                Err(_) => Err(cut),
            },
            answer => answer,
        };
        let is_refusal = answer.as_ref().is_err_and(|error| error.status().is_some());
        let answer = self.answered(STAGE, answer);
        let answer = answer.map_err(|failure| if is_refusal { failure } else { unclear(failure) })?;
        self.expect(STAGE, &answer, Severity::PositiveCompletion).map_err(unclear)?;
        Ok(trouble::words(STAGE, &answer, &self.secrets))
    }

    fn answered(&self, stage: Stage, answer: Answered) -> Result<Response, DeliveryFailure> {
        answer.map_err(|error| trouble::sort(stage, &error, &self.secrets))
    }

    /// An answer that goes on where an end was due, or the other way round, is none.
    fn expect(&self, stage: Stage, answer: &Response, severity: Severity) -> Result<(), DeliveryFailure> {
        if answer.code().severity == severity {
            return Ok(());
        }
        Err(trouble::out_of_place(stage, answer, &self.secrets))
    }
}

impl Offers {
    fn of(answer: &Response) -> Self {
        let mut offers = Self { size: None, dsn: false };
        for line in answer.message().skip(1) {
            let mut words = line.split_ascii_whitespace();
            let keyword = words.next().unwrap_or_default();
            if keyword.eq_ignore_ascii_case("SIZE") {
                // No number means no limit, and so does one that nobody can reach.
                offers.size = Some(words.next().and_then(|number| number.parse().ok()).unwrap_or(0));
            } else if keyword.eq_ignore_ascii_case("DSN") {
                offers.dsn = true;
            }
        }
        offers
    }

    fn of_mail(&self, bytes: u64, id: DeliveryId) -> Vec<MailParameter> {
        let other =
            |keyword: &str, value| MailParameter::Other { keyword: keyword.into(), value: Some(value) };
        let mut parameters = Vec::new();
        if self.size.is_some() {
            parameters.push(other("SIZE", bytes.to_string()));
        }
        if self.dsn {
            parameters.push(other("RET", "HDRS".to_owned()));
            parameters.push(other("ENVID", id.to_string()));
        }
        parameters
    }

    fn of_rcpt(&self) -> Vec<RcptParameter> {
        let notify =
            || RcptParameter::Other { keyword: "NOTIFY".into(), value: Some("FAILURE,DELAY".into()) };
        self.dsn.then(notify).into_iter().collect()
    }
}

type Answered = Result<Response, lettre::transport::smtp::Error>;
