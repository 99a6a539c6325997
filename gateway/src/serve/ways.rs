//! The ways out: each adapter with the endpoints that the settings name, replaced as a whole at a reload.

use std::path::Path;
use std::sync::Arc;

use lienthong_adapters::email::{Email, EmailEndpoint, MailSecurity};
use lienthong_adapters::national_axis::{AxisEndpoint, NationalAxis, ToHeader};
use lienthong_adapters::vendor_http::{SLOWEST_BYTES_PER_SECOND, VendorHttp, VendorHttpEndpoint};
use lienthong_config::{AxisSettings, EmailSettings, Settings, VendorHttpSettings};
use lienthong_pipeline::dispatch::DispatchPolicy;
use lienthong_pipeline::ports::Adapter;
use lienthong_pipeline::record::{AdapterKind, MailAddress, SystemId};

/// Messages under way at once: each is held in memory whole (design.md invariant 5).
const MESSAGES_AT_ONCE: usize = 4;

/// Every adapter of the gateway.
pub(super) struct Ways {
    vendor_http: Arc<VendorHttp>,
    email: Arc<Email>,
    national_axis: Arc<NationalAxis>,
}

impl Ways {
    /// The adapters with the endpoints of these settings; what is wrong with the first bad one.
    pub(super) fn open(settings: &Settings) -> Result<Self, String> {
        Endpoints::of(settings)?.open()
    }

    /// Other endpoints for all adapters, or for none when one of them cannot work.
    pub(super) fn replace(&self, settings: &Settings) -> Result<(), String> {
        let endpoints = Endpoints::of(settings)?;
        drop(endpoints.clone().open()?);
        let said = |fault: lienthong_adapters::endpoint::EndpointFault| fault.to_string();
        self.vendor_http.replace(endpoints.vendor_http).map_err(said)?;
        self.email.replace(endpoints.email).map_err(said)?;
        self.national_axis.replace(endpoints.axes).map_err(said)
    }

    /// Each for a dispatch of its own.
    pub(super) fn adapters(&self) -> [Arc<dyn Adapter>; AdapterKind::ALL.len()] {
        [self.vendor_http.clone(), self.email.clone(), self.national_axis.clone()]
    }
}

/// How deliveries of one adapter are tried.
pub(super) fn policy(settings: &Settings, adapter: AdapterKind) -> DispatchPolicy {
    let delivery = &settings.delivery;
    DispatchPolicy {
        retry_first: delivery.retry_first,
        retry_max: delivery.retry_max,
        give_up_after: delivery.give_up_after,
        concurrent: match adapter {
            AdapterKind::VendorHttp | AdapterKind::NationalAxis => delivery.concurrent,
            AdapterKind::Email => delivery.concurrent.min(MESSAGES_AT_ONCE),
        },
        jitter: delivery.jitter,
    }
}

#[derive(Clone)]
struct Endpoints {
    vendor_http: Vec<(SystemId, VendorHttpEndpoint)>,
    email: Vec<(SystemId, EmailEndpoint)>,
    axes: Vec<(SystemId, AxisEndpoint)>,
}

impl Endpoints {
    fn of(settings: &Settings) -> Result<Self, String> {
        let mut endpoints = Self { vendor_http: Vec::new(), email: Vec::new(), axes: Vec::new() };
        for (id, system) in &settings.systems {
            let Some(id) = SystemId::parse(id) else { continue };
            if let Some(vendor) = &system.vendor_http {
                endpoints.vendor_http.push((id.clone(), vendor_http(vendor)?));
            }
            if let Some(mail) = &system.email {
                endpoints.email.push((id, email(mail, settings)?));
            }
        }
        for (id, of) in &settings.axes {
            let Some(id) = SystemId::parse(id) else { continue };
            endpoints.axes.push((id, axis(of)?));
        }
        Ok(endpoints)
    }

    fn open(self) -> Result<Ways, String> {
        let said = |fault: lienthong_adapters::endpoint::EndpointFault| fault.to_string();
        Ok(Ways {
            vendor_http: Arc::new(VendorHttp::new(self.vendor_http).map_err(said)?),
            email: Arc::new(Email::new(self.email).map_err(said)?),
            national_axis: Arc::new(NationalAxis::new(self.axes).map_err(said)?),
        })
    }
}

fn vendor_http(http: &VendorHttpSettings) -> Result<VendorHttpEndpoint, String> {
    Ok(VendorHttpEndpoint {
        url: http.url.as_str().to_owned(),
        secret: http.secret.expose().as_bytes().to_vec(),
        ca_pem: pem(http.ca.as_deref())?,
        connect_timeout: http.connect_timeout,
        timeout: http.timeout,
        slowest_bytes_per_second: SLOWEST_BYTES_PER_SECOND,
    })
}

fn email(mail: &EmailSettings, settings: &Settings) -> Result<EmailEndpoint, String> {
    let from = MailAddress::parse(&mail.from).ok_or_else(|| format!("{}: not a mailbox", mail.from))?;
    Ok(EmailEndpoint {
        host: mail.host.clone(),
        port: mail.port,
        security: match mail.security {
            lienthong_config::MailSecurity::Tls => MailSecurity::Tls,
            lienthong_config::MailSecurity::Starttls => MailSecurity::Starttls,
        },
        user: mail.user.clone(),
        password: mail.password.expose().to_owned(),
        from,
        from_name: mail.from_name.clone(),
        ca_pem: pem(mail.ca.as_deref())?,
        message_bytes_max: mail.message_max.bytes(),
        connect_timeout: mail.connect_timeout,
        timeout: mail.timeout,
        gateway_name: settings.gateway.name.clone(),
        hotline: settings.support.hotline.clone(),
    })
}

fn axis(axis: &AxisSettings) -> Result<AxisEndpoint, String> {
    Ok(AxisEndpoint {
        url: axis.url.as_str().to_owned(),
        system_id: axis.system_id.clone(),
        secret: axis.secret.expose().as_bytes().to_vec(),
        to_header: match axis.to_header {
            lienthong_config::ToHeader::Send => ToHeader::Send,
            lienthong_config::ToHeader::Omit => ToHeader::Omit,
        },
        ca_pem: pem(axis.ca.as_deref())?,
        connect_timeout: axis.connect_timeout,
        timeout: axis.timeout,
        slowest_bytes_per_second: SLOWEST_BYTES_PER_SECOND,
    })
}

fn pem(path: Option<&Path>) -> Result<Option<Vec<u8>>, String> {
    let read = |path: &Path| std::fs::read(path).map_err(|cause| format!("{}: {cause}", path.display()));
    path.map(read).transpose()
}
