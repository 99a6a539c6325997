//! The ways out: each adapter with the endpoints that the settings name, and how patiently they are tried; replaced as a
//! whole at a reload.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use lienthong_adapters::email::{Email, EmailEndpoint, MailSecurity};
use lienthong_adapters::endpoint::SLOWEST_BYTES_PER_SECOND;
use lienthong_adapters::mailbox::Mailbox;
use lienthong_adapters::national_axis::{AxisEndpoint, NationalAxis, ToHeader};
use lienthong_adapters::vendor_http::{VendorHttp, VendorHttpEndpoint};
use lienthong_config::{
    AxisSettings, EmailSettings, LineRetrySettings, RetrySettings, Settings, VendorHttpSettings,
};
use lienthong_pipeline::dispatch::{DispatchPolicy, LinePolicy, Policies};
use lienthong_pipeline::poll::{PollPolicies, PollPolicy};
use lienthong_pipeline::ports::{Adapter, AxisInbox, Notifier};
use lienthong_pipeline::record::{AdapterKind, MailAddress, SystemId};

use super::files::read;
use super::settings::PEM_BYTES_MAX;
use crate::rolls::sync::SyncPolicies;

/// Messages under way at once: each is held in memory whole (design.md invariant 5).
const MESSAGES_AT_ONCE: usize = 4;

/// Every adapter of the gateway.
pub(super) struct Ways {
    vendor_http: Arc<VendorHttp>,
    email: Arc<Email>,
    national_axis: Arc<NationalAxis>,
    policies: [Arc<ArcSwap<Policies>>; AdapterKind::ALL.len()],
    polls: Arc<ArcSwap<PollPolicies>>,
    syncs: Arc<ArcSwap<SyncPolicies>>,
    /// `gateway.name` as it was at the start: another one counts after a restart, in letters as everywhere.
    gateway_name: String,
}

impl Ways {
    /// The adapters with the endpoints of these settings; what is wrong with the first bad one.
    pub(super) fn open(settings: &Settings) -> Result<Self, String> {
        let gateway_name = settings.gateway.name.clone();
        Endpoints::of(settings, &gateway_name)?.open(settings, gateway_name)
    }

    /// Other endpoints for all adapters, or for none when one of them cannot work.
    pub(super) fn replace(&self, settings: &Settings) -> Result<(), String> {
        let endpoints = Endpoints::of(settings, &self.gateway_name)?;
        drop(endpoints.clone().open(settings, self.gateway_name.clone())?);
        let said = |fault: lienthong_adapters::endpoint::EndpointFault| fault.to_string();
        self.vendor_http.replace(endpoints.vendor_http).map_err(said)?;
        self.email.replace(endpoints.email).map_err(said)?;
        self.national_axis.replace(endpoints.axes).map_err(said)?;
        for (kind, of) in AdapterKind::ALL.into_iter().zip(&self.policies) {
            of.store(Arc::new(policies(settings, kind)));
        }
        self.polls.store(Arc::new(polls(settings)));
        self.syncs.store(Arc::new(syncs(settings)));
        Ok(())
    }

    /// How each adapter's deliveries are tried, as the settings say now.
    pub(super) fn policies(&self, adapter: AdapterKind) -> Arc<ArcSwap<Policies>> {
        self.policies[adapter as usize].clone()
    }

    /// What waits for us at axes.
    pub(super) fn inbox(&self) -> Arc<dyn AxisInbox> {
        self.national_axis.clone()
    }

    /// How it is looked for, as the settings say now.
    pub(super) fn polls(&self) -> Arc<ArcSwap<PollPolicies>> {
        self.polls.clone()
    }

    /// Who is asked for the agencies of axes.
    pub(super) fn register(&self) -> Arc<NationalAxis> {
        self.national_axis.clone()
    }

    /// How often, as the settings say now.
    pub(super) fn syncs(&self) -> Arc<ArcSwap<SyncPolicies>> {
        self.syncs.clone()
    }

    /// Who writes to senders about what was given up.
    pub(super) fn notifier(&self) -> Arc<dyn Notifier> {
        self.email.clone()
    }

    /// Each for a dispatch of its own.
    pub(super) fn adapters(&self) -> [Arc<dyn Adapter>; AdapterKind::ALL.len()] {
        [self.vendor_http.clone(), self.email.clone(), self.national_axis.clone(), Arc::new(Mailbox)]
    }
}

/// The axes that are polled. What may be sent to us may be fetched too.
fn polls(settings: &Settings) -> PollPolicies {
    let bytes_max = settings.listen.body_max.bytes();
    let polled = settings.axes.iter().filter_map(|(id, axis)| Some((SystemId::parse(id)?, axis.poll?)));
    polled
        .map(|(id, poll)| (id, PollPolicy { every: poll.every, sent_every: poll.sent_every, bytes_max }))
        .collect()
}

/// All axes, and how often the lists of those are staged that are.
fn syncs(settings: &Settings) -> SyncPolicies {
    let every = |axis: &AxisSettings| axis.agencies.map(|agencies| agencies.every);
    settings.axes.iter().filter_map(|(id, axis)| Some((SystemId::parse(id)?, every(axis)))).collect()
}

/// How deliveries of one adapter are tried, and of single lines of it.
fn policies(settings: &Settings, adapter: AdapterKind) -> Policies {
    let delivery = &settings.delivery;
    let of = match adapter {
        AdapterKind::VendorHttp => delivery.vendor_http,
        AdapterKind::Email => delivery.email,
        AdapterKind::NationalAxis => delivery.national_axis,
        AdapterKind::Mailbox => delivery.mailbox,
    };
    let concurrent = match adapter {
        AdapterKind::VendorHttp | AdapterKind::NationalAxis | AdapterKind::Mailbox => of.concurrent,
        AdapterKind::Email => of.concurrent.min(MESSAGES_AT_ONCE),
    };
    let RetrySettings { retry_first, retry_max, give_up_after } = of.retry;
    let all = DispatchPolicy { retry_first, retry_max, give_up_after, concurrent, jitter: of.jitter };
    let systems = settings.systems.iter().filter_map(|(id, system)| {
        let retry = match adapter {
            AdapterKind::VendorHttp => system.vendor_http.as_ref()?.retry,
            AdapterKind::Email => system.email.as_ref()?.retry,
            AdapterKind::NationalAxis | AdapterKind::Mailbox => return None,
        };
        Some((id, retry))
    });
    let axes = settings.axes.iter().filter(|_| adapter == AdapterKind::NationalAxis);
    let lines = systems.chain(axes.map(|(id, axis)| (id, axis.retry)));
    let line = |retry: LineRetrySettings| LinePolicy {
        retry_first: retry.retry_first,
        retry_max: retry.retry_max,
        give_up_after: retry.give_up_after,
    };
    let lines = lines.filter_map(|(id, retry)| Some((SystemId::parse(id)?, line(retry)))).collect();
    Policies { all, lines }
}

#[derive(Clone)]
struct Endpoints {
    vendor_http: Vec<(SystemId, VendorHttpEndpoint)>,
    email: Vec<(SystemId, EmailEndpoint)>,
    axes: Vec<(SystemId, AxisEndpoint)>,
}

impl Endpoints {
    fn of(settings: &Settings, gateway_name: &str) -> Result<Self, String> {
        let mut endpoints = Self { vendor_http: Vec::new(), email: Vec::new(), axes: Vec::new() };
        for (id, system) in &settings.systems {
            let Some(id) = SystemId::parse(id) else { continue };
            if let Some(vendor) = &system.vendor_http {
                endpoints.vendor_http.push((id.clone(), vendor_http(vendor)?));
            }
            if let Some(mail) = &system.email {
                endpoints.email.push((id, email(mail, settings, gateway_name)?));
            }
        }
        for (id, of) in &settings.axes {
            let Some(id) = SystemId::parse(id) else { continue };
            endpoints.axes.push((id, axis(of)?));
        }
        Ok(endpoints)
    }

    fn open(self, settings: &Settings, gateway_name: String) -> Result<Ways, String> {
        let said = |fault: lienthong_adapters::endpoint::EndpointFault| fault.to_string();
        Ok(Ways {
            vendor_http: Arc::new(VendorHttp::new(self.vendor_http).map_err(said)?),
            email: Arc::new(Email::new(self.email).map_err(said)?),
            national_axis: Arc::new(NationalAxis::new(self.axes).map_err(said)?),
            policies: AdapterKind::ALL.map(|kind| Arc::new(ArcSwap::from_pointee(policies(settings, kind)))),
            polls: Arc::new(ArcSwap::from_pointee(polls(settings))),
            syncs: Arc::new(ArcSwap::from_pointee(syncs(settings))),
            gateway_name,
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

fn email(mail: &EmailSettings, settings: &Settings, gateway_name: &str) -> Result<EmailEndpoint, String> {
    // `from_name` is the gateway's name where none is set, and then it waits for a restart with it.
    let from_name = if mail.from_name == settings.gateway.name { gateway_name } else { &mail.from_name };
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
        from_name: from_name.to_owned(),
        ca_pem: pem(mail.ca.as_deref())?,
        message_bytes_max: mail.message_max.bytes(),
        connect_timeout: mail.connect_timeout,
        timeout: mail.timeout,
        gateway_name: gateway_name.to_owned(),
        hotline: settings.support.hotline.clone(),
    })
}

/// An axis as its client reaches it; its file of authorities is read.
pub(crate) fn axis(axis: &AxisSettings) -> Result<AxisEndpoint, String> {
    Ok(AxisEndpoint {
        url: axis.url.as_str().to_owned(),
        system_id: axis.system_id.clone(),
        secret: axis.secret.expose().as_bytes().to_vec(),
        to_header: match axis.to_header {
            lienthong_config::ToHeader::Send => ToHeader::Send,
            lienthong_config::ToHeader::Omit => ToHeader::Omit,
        },
        asks_after: axis.poll.is_some_and(|poll| poll.sent_every.is_some()),
        ca_pem: pem(axis.ca.as_deref())?,
        connect_timeout: axis.connect_timeout,
        timeout: axis.timeout,
        slowest_bytes_per_second: SLOWEST_BYTES_PER_SECOND,
    })
}

fn pem(path: Option<&Path>) -> Result<Option<Vec<u8>>, String> {
    path.map(|path| read(path, PEM_BYTES_MAX)).transpose()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lienthong_config::Environment;

    use super::*;
    use crate::serve::written::Written;

    /// A gateway of this name with a mail system that has these lines besides the least ones.
    fn settings(name: &str, more: &str) -> (Written, Settings) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("directory.toml"), "").expect("written");
        let file = folder.path().join("lienthong.toml");
        let text = format!(
            "[gateway]\ndata_dir = \"data\"\norgan_id = \"H55\"\nname = \"{name}\"\n\
             [directory]\nfile = \"directory.toml\"\n[support]\nhotline = \"0\"\n[systems.a]\nname = \"A\"\n\
             [systems.a.email]\nhost = \"thu.example\"\nuser = \"u\"\npassword = \"p\"\nfrom = \"u@thu.example\"\n{more}"
        );
        std::fs::write(&file, text).expect("written");
        (Written::of(&file), Settings::load(&file, &Environment::empty()).expect("loads"))
    }

    #[test]
    fn the_name_that_waits_for_a_restart_is_not_in_the_next_letter() {
        let ((before, old), (after, new)) = (settings("Trục cũ", ""), settings("Trục mới", ""));
        assert!(before.waiting_for_restart(&after).contains("gateway.name"));
        let ways = Ways::open(&old).expect("opens");
        ways.replace(&new).expect("replaced");
        let letters = |settings: &Settings| {
            let mut endpoints = Endpoints::of(settings, &ways.gateway_name).expect("endpoints");
            let endpoint = endpoints.email.remove(0).1;
            (endpoint.gateway_name, endpoint.from_name)
        };
        let names = |gateway: &str, from: &str| (gateway.to_owned(), from.to_owned());
        assert_eq!(letters(&new), names("Trục cũ", "Trục cũ"));
        let (_, named) = settings("Trục mới", "from_name = \"Phòng\"\n");
        assert_eq!(letters(&named), names("Trục cũ", "Phòng"), "a name of its own counts at once");
    }

    #[test]
    fn a_file_of_authorities_is_read_up_to_its_limit() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        file.as_file().set_len(PEM_BYTES_MAX).expect("sized");
        assert!(pem(Some(file.path())).is_ok());
        file.as_file().set_len(PEM_BYTES_MAX + 1).expect("sized");
        assert!(pem(Some(file.path())).is_err_and(|fault| fault.contains("larger than")));
        assert_eq!(pem(None), Ok(None));
    }

    #[test]
    fn pauses_and_patience_are_those_of_the_line_else_of_the_adapter_else_of_all() {
        let all = "[delivery]\nretry_first = \"7s\"\nretry_max = \"70s\"\nconcurrent = 9\n";
        let adapter =
            "[delivery.email]\nretry_max = \"80s\"\njitter = 0\n[delivery.national_axis]\nconcurrent = 3\n";
        let (_, old) = settings("A", &format!("{all}{adapter}"));
        let line = "retry_first = \"9s\"\ngive_up_after = \"3d\"\n";
        let (_, new) = settings("A", &format!("{line}{all}{adapter}"));
        let ways = Ways::open(&old).expect("opens");
        let seconds = Duration::from_secs;
        let of = |kind| ways.policies(kind).load_full();
        let (vendor, mail, axis) =
            (of(AdapterKind::VendorHttp), of(AdapterKind::Email), of(AdapterKind::NationalAxis));
        assert_eq!((vendor.all.retry_first, vendor.all.retry_max), (seconds(7), seconds(70)));
        assert_eq!((mail.all.retry_first, mail.all.retry_max), (seconds(7), seconds(80)));
        assert_eq!(
            (vendor.all.concurrent, mail.all.concurrent, axis.all.concurrent),
            (9, MESSAGES_AT_ONCE, 3)
        );
        assert_eq!((vendor.all.jitter, mail.all.jitter), (0.2, 0.0));
        let system = SystemId::parse("a").expect("an id");
        assert_eq!(mail.lines[&system], LinePolicy::default());
        ways.replace(&new).expect("replaced");
        let expected = LinePolicy {
            retry_first: Some(seconds(9)),
            give_up_after: Some(seconds(3 * 86_400)),
            retry_max: None,
        };
        assert_eq!(of(AdapterKind::Email).lines[&system], expected, "a reload counts at once");
        assert!(of(AdapterKind::VendorHttp).lines.is_empty());
        assert_eq!(new.give_up_after_longest(), seconds(7 * 86_400));
    }
}
