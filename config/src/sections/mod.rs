//! The sections of the settings, one file each, and what holds between them.

pub(crate) mod admin_listen;
pub(crate) mod attempts;
pub(crate) mod axes;
pub(crate) mod broker;
pub(crate) mod cluster;
pub(crate) mod delivery;
pub(crate) mod directory;
pub(crate) mod email;
pub(crate) mod gateway;
pub(crate) mod line;
pub(crate) mod listen;
pub(crate) mod log;
pub(crate) mod notify;
pub(crate) mod operators;
pub(crate) mod outbox;
pub(crate) mod recall;
pub(crate) mod receipt;
pub(crate) mod retention;
pub(crate) mod retry;
pub(crate) mod route;
pub(crate) mod sdk;
pub(crate) mod spool;
pub(crate) mod support;
pub(crate) mod systems;
pub(crate) mod trust;

use std::path::Path;
use std::time::Duration;

use crate::Settings;
use crate::fault::{FaultCode, Rule};
use crate::reading::Section;
use crate::sections::broker::BrokerServer;
use crate::sections::gateway::Profile;
use crate::values::span::Span;

/// Reads every section. `None` stands for a fault that was noted. `[gateway]` comes first: it has the key that sealed
/// secrets of the others are opened with.
pub(crate) fn read(file: &Path, root: &mut Section<'_, '_>) -> Option<Settings> {
    let gateway = root.section("gateway", gateway::GatewaySettings::read);
    let support = root.section("support", support::SupportSettings::read);
    let listen = root.section("listen", listen::ListenSettings::read);
    let admin_listen = root.section("admin_listen", admin_listen::AdminListenSettings::read);
    let broker = root.section("broker", broker::BrokerSettings::read);
    let cluster = root.section("cluster", cluster::ClusterSettings::read);
    let receipt = root.section("receipt", receipt::ReceiptSettings::read);
    let outbox = root.section("outbox", outbox::OutboxSettings::read);
    let spool = root.section("spool", spool::SpoolSettings::read);
    let delivery = root.section("delivery", delivery::DeliverySettings::read);
    let notify = root.section("notify", notify::NotifySettings::read);
    let recall = root.section("recall", recall::RecallSettings::read);
    let route = root.section("route", route::RouteSettings::read);
    let directory = root.section("directory", directory::DirectorySettings::read);
    let trust = root.section("trust", trust::TrustSettings::read);
    let gateway_name = gateway.as_ref().map_or("", |gateway| &gateway.name);
    let systems = root.section("systems", |section| systems::read(gateway_name, section));
    let axes = root.section("axes", |section| axes::read(&systems, section));
    let operators = root.section("operators", operators::read);
    let log = root.section("log", log::LogSettings::read);
    let retention = root.section("retention", retention::RetentionSettings::read);
    let settings = Settings {
        file: file.to_owned(),
        gateway: gateway?,
        support: support?,
        listen: listen?,
        admin_listen,
        broker: broker?,
        cluster,
        receipt,
        outbox,
        spool,
        delivery,
        notify,
        recall,
        route,
        directory: directory?,
        trust,
        systems,
        axes,
        operators,
        log,
        retention,
    };
    between(&settings, root);
    Some(settings)
}

/// Rules that two sections keep together.
fn between(settings: &Settings, root: &mut Section<'_, '_>) {
    let (public, admin) = (settings.listen.address, settings.admin_listen.address);
    if public == admin && public.port() != 0 {
        let rule = Rule::new("trùng với listen.address", "the same as listen.address");
        root.fault("admin_listen", FaultCode::Contradiction, rule);
    }
    let patience = settings.give_up_after_longest();
    if settings.retention.idempotency < patience {
        let patience = Span::new(patience);
        let rule = Rule::new(
            format!("idempotency phải từ give_up_after dài nhất ({patience}) trở lên"),
            format!("idempotency must be at least the longest give_up_after ({patience})"),
        );
        root.fault("retention", FaultCode::Contradiction, rule);
    }
    keeping(settings, root);
    if settings.gateway.profile == Profile::Production && settings.support.hotline.is_empty() {
        let rule = Rule::new(
            "bắt buộc phải khai, vì ghi trong mọi thông báo từ chối; chỉ profile = \"trial\" được để trống",
            "this key is needed, as it stands in every refusal; only profile = \"trial\" may leave it out",
        );
        root.section("support", |section| section.fault("hotline", FaultCode::Missing, rule));
    }
    if settings.cluster.node.is_some() && matches!(settings.broker.server, BrokerServer::Managed { .. }) {
        let rule = Rule::new(
            "chỉ dùng khi các trục chung một cụm: phải khai broker.url",
            "only where gateways share one cluster: broker.url is needed",
        );
        root.section("cluster", |section| section.fault("node", FaultCode::Contradiction, rule));
    }
    letters(settings, root);
    attempts::between(settings, root);
}

/// Days that a document is kept at least after the time in which it is delivered or given up.
const KEPT_AFTER_GIVE_UP: Duration = Duration::from_secs(30 * 86_400);

/// A document is not forgotten before it is over, nor before a repeat of it is.
fn keeping(settings: &Settings, root: &mut Section<'_, '_>) {
    let patience = settings.give_up_after_longest() + KEPT_AFTER_GIVE_UP;
    let longest =
        [("retention.idempotency", settings.retention.idempotency), ("give_up_after + 30d", patience)];
    let short = longest.into_iter().filter(|(_, least)| settings.retention.documents < *least);
    for (key, least) in short.collect::<Vec<_>>() {
        let least = Span::new(least);
        let rule = Rule::new(
            format!("documents phải từ {key} ({least}) trở lên"),
            format!("documents must be at least {key} ({least})"),
        );
        root.fault("retention", FaultCode::Contradiction, rule);
    }
}

/// Letters to senders go out by a system that has a mail account.
fn letters(settings: &Settings, root: &mut Section<'_, '_>) {
    let Some(id) = &settings.notify.mail_system else { return };
    let rule = match settings.systems.get(id) {
        None => Rule::new(
            format!("hệ thống {id} chưa khai trong [systems]"),
            format!("there is no system {id} in [systems]"),
        ),
        Some(system) if system.email.is_none() => Rule::new(
            format!("hệ thống {id} không khai [systems.{id}.email]"),
            format!("the system {id} has no [systems.{id}.email]"),
        ),
        Some(_) => return,
    };
    root.section("notify", |section| section.fault("mail_system", FaultCode::Contradiction, rule));
}
