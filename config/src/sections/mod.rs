//! The sections of the settings, one file each, and what holds between them.

pub(crate) mod admin_listen;
pub(crate) mod broker;
pub(crate) mod delivery;
pub(crate) mod directory;
pub(crate) mod gateway;
pub(crate) mod listen;
pub(crate) mod log;
pub(crate) mod notify;
pub(crate) mod receipt;
pub(crate) mod retention;
pub(crate) mod systems;
pub(crate) mod trust;

use std::path::Path;

use crate::Settings;
use crate::fault::{FaultCode, Rule};
use crate::reading::Section;
use crate::values::span::Span;

/// Reads every section. `None` stands for a fault that was noted.
pub(crate) fn read(file: &Path, root: &mut Section<'_, '_>) -> Option<Settings> {
    let gateway = root.section("gateway", gateway::GatewaySettings::read);
    let listen = root.section("listen", listen::ListenSettings::read);
    let admin_listen = root.section("admin_listen", admin_listen::AdminListenSettings::read);
    let broker = root.section("broker", broker::BrokerSettings::read);
    let receipt = root.section("receipt", receipt::ReceiptSettings::read);
    let delivery = root.section("delivery", delivery::DeliverySettings::read);
    let notify = root.section("notify", notify::NotifySettings::read);
    let directory = root.section("directory", directory::DirectorySettings::read);
    let trust = root.section("trust", trust::TrustSettings::read);
    let systems = root.section("systems", systems::read);
    let log = root.section("log", log::LogSettings::read);
    let retention = root.section("retention", retention::RetentionSettings::read);
    let settings = Settings {
        file: file.to_owned(),
        gateway: gateway?,
        listen: listen?,
        admin_listen,
        broker: broker?,
        receipt,
        delivery,
        notify,
        directory: directory?,
        trust,
        systems,
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
    let patience = settings.delivery.give_up_after;
    if settings.retention.idempotency < patience {
        let patience = Span::new(patience);
        let rule = Rule::new(
            format!("idempotency phải từ delivery.give_up_after ({patience}) trở lên"),
            format!("idempotency must be at least delivery.give_up_after ({patience})"),
        );
        root.fault("retention", FaultCode::Contradiction, rule);
    }
    for (id, system) in &settings.systems {
        let Some(vendor) = &system.vendor_http else { continue };
        if vendor.timeout > settings.delivery.attempt_timeout {
            let limit = Span::new(settings.delivery.attempt_timeout);
            let rule = Rule::new(
                format!("{id}.vendor_http.timeout dài hơn delivery.attempt_timeout ({limit})"),
                format!("{id}.vendor_http.timeout is longer than delivery.attempt_timeout ({limit})"),
            );
            root.fault("systems", FaultCode::Contradiction, rule);
        }
    }
}
