//! One attempt: the packet read whole, one connection, one message, one answer. No retry, nothing pooled.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::extension::ClientId;
use lienthong_pipeline::ports::{Adapter, Consignment, DeliveryFailure, FailureClass, Handover};
use lienthong_pipeline::record::{AdapterKind, State, SystemId};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::secrets::Secrets;
use super::session::{Server, Submission};
use super::wire::{self, Message};
use super::{EmailEndpoint, MESSAGE_REST_BYTES_MAX};
use crate::endpoint::{EndpointCause, EndpointFault, Lines};
use crate::failure::{failed, note};
use crate::packet::PacketReader;

/// The adapter of [`AdapterKind::Email`]. Its endpoints can be replaced while attempts run; each attempt ends with the
/// endpoint that it began with.
pub struct Email {
    pub(super) lines: Lines<EmailEndpoint, MailSystem>,
}

impl Email {
    /// An adapter for these systems.
    pub fn new(
        endpoints: impl IntoIterator<Item = (SystemId, EmailEndpoint)>,
    ) -> Result<Self, EndpointFault> {
        Ok(Self { lines: Lines::new(AdapterKind::Email, MailSystem::open, endpoints)? })
    }

    /// Puts other endpoints in place of all present ones; on an error the present ones stay.
    pub fn replace(
        &self,
        endpoints: impl IntoIterator<Item = (SystemId, EmailEndpoint)>,
    ) -> Result<(), EndpointFault> {
        self.lines.replace(endpoints)
    }
}

#[async_trait]
impl Adapter for Email {
    fn kind(&self) -> AdapterKind {
        AdapterKind::Email
    }

    async fn deliver(&self, consignment: &Consignment) -> Result<Handover, DeliveryFailure> {
        let system = self.lines.of(&consignment.delivery.route.system)?;
        let receiver = consignment.addressee.mailbox.as_ref().ok_or_else(|| {
            let cause = format!("the directory has no mailbox for {}", consignment.delivery.route.receiver);
            failed(FailureClass::OursToFix, "no_mailbox", &cause)
        })?;
        // Before the packet is in memory, and before anything is sent.
        system.admit(consignment.delivery.bytes)?;
        let packet = read(consignment).await?;
        let message = Message::new(consignment, &system.endpoint, receiver, packet)?;
        system.admit(message.bytes())?;
        let submission = Submission {
            from: wire::address(&system.endpoint.from),
            to: wire::address(receiver),
            id: consignment.delivery.id,
            message: &message,
        };
        let said = system.server.submit(&submission).await?;
        Ok(Handover { state: State::HandedOver, note: note(&format!("SMTP {said}")), known_as: None })
    }
}

/// The packet, whole (design.md invariant 5 allows it here), its length and digest checked.
async fn read(consignment: &Consignment) -> Result<Vec<u8>, DeliveryFailure> {
    let mut reader = PacketReader::open(consignment).await?;
    let mut packet = Vec::with_capacity(usize::try_from(reader.left()).unwrap_or_default());
    while let Some(chunk) = poll_fn(|cx| reader.poll_chunk(cx)).await {
        packet.extend_from_slice(&chunk?);
    }
    Ok(packet)
}

/// A mail system as it is reached.
pub(super) struct MailSystem {
    pub(super) server: Server,
    pub(super) endpoint: EmailEndpoint,
}

impl MailSystem {
    fn open(endpoint: EmailEndpoint) -> Result<Self, EndpointCause> {
        let name = ServerName::try_from(endpoint.host.clone()).map_err(|_| EndpointCause::Host)?;
        // NUL separates the fields of AUTH PLAIN (RFC 4616 section 2).
        let account = [&endpoint.user, &endpoint.password];
        if account.iter().any(|text| text.is_empty() || text.contains('\0')) {
            return Err(EndpointCause::Account);
        }
        let timeouts = [endpoint.connect_timeout, endpoint.timeout];
        let message = endpoint.message_bytes_max.saturating_sub(MESSAGE_REST_BYTES_MAX);
        if timeouts.contains(&Duration::ZERO) || endpoint.port == 0 || message == 0 {
            return Err(EndpointCause::Zero);
        }
        let server = Server {
            host: endpoint.host.clone(),
            port: endpoint.port,
            security: endpoint.security,
            name,
            connector: connector(endpoint.ca_pem.as_deref())?,
            credentials: Credentials::new(endpoint.user.clone(), endpoint.password.clone()),
            secrets: Arc::new(Secrets::new(&endpoint.user, &endpoint.password)),
            hello: ClientId::Domain(wire::split(&endpoint.from).1.to_owned()),
            connect_timeout: endpoint.connect_timeout,
            timeout: endpoint.timeout,
        };
        Ok(Self { server, endpoint })
    }

    fn admit(&self, bytes: u64) -> Result<(), DeliveryFailure> {
        let most = self.endpoint.message_bytes_max;
        if bytes <= most {
            return Ok(());
        }
        let cause = format!("a message of at least {bytes} bytes; this mail system is sent at most {most}");
        Err(failed(FailureClass::Permanent, "too_large", &cause))
    }
}

/// TLS 1.2 or 1.3 under these certificate authorities, or the platform's.
fn connector(ca_pem: Option<&[u8]>) -> Result<TlsConnector, EndpointCause> {
    let client = |error: &dyn std::fmt::Display| EndpointCause::Client(note(&error.to_string()));
    let mut roots = RootCertStore::empty();
    match ca_pem {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|_| EndpointCause::Ca)?;
                roots.add(certificate).map_err(|_| EndpointCause::Ca)?;
            }
            if roots.is_empty() {
                return Err(EndpointCause::Ca);
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(client(&"the platform has no certificate authorities"));
            }
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| client(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
