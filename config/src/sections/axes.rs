//! `[axes.<id>]`: axes that we hand documents on to, such as the Government Office's. They speak the protocol of the
//! national SDK (`sendEdoc`). Which organisations are behind one, the directory's `home` says.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::environment::SecretOf;
use crate::fault::{FaultCode, Rule};
use crate::reading::{InClear, Section};
use crate::sections::gateway::LINE_BYTES_MAX;
use crate::sections::line;
use crate::sections::retry::LineRetrySettings;
use crate::sections::systems::SystemSettings;
use crate::values::byte_size::ByteSize;
use crate::values::secret::Secret;
use crate::values::span::Span;
use crate::values::url::HttpUrl;

/// Whether a submission names its receivers outside the packet. The meaning of the header is not known for certain
/// (spec/vxp-api.md section 9), so an axis can be told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToHeader {
    /// `to` has exactly the receivers of the consignment.
    Send,
    /// No `to`: the axis takes the receivers of the packet.
    Omit,
}

/// An axis that we hand documents on to.
#[derive(Clone, Debug)]
pub struct AxisSettings {
    /// Its name, as operators read it.
    pub name: String,
    /// What operations are appended to, without query.
    pub url: HttpUrl,
    /// The `systemid` that the axis gave us: printable ASCII without blanks.
    pub system_id: String,
    /// The key of the signature over each request, shared with the axis.
    pub secret: Secret,
    /// Whether submissions name their receivers.
    pub to_header: ToHeader,
    /// PEM file of the authorities that may vouch for the axis; `None`: the system's.
    pub ca: Option<PathBuf>,
    /// Largest packet it takes; `None`: not known.
    pub packet_max: Option<ByteSize>,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest time of one request.
    pub timeout: Duration,
    /// Pauses and patience of its own.
    pub retry: LineRetrySettings,
    /// How often we look what waits for us there; `None`: never.
    pub poll: Option<AxisPollSettings>,
    /// How often we ask who is registered there, to stage it into the directory; `None`: only when an operator does.
    pub agencies: Option<AxisAgenciesSettings>,
    /// Codes of the groups that it speaks for, as written, at most [`GROUPS_MAX`]; empty: whoever is not at home here.
    pub speaks_for: Vec<String>,
}

/// Most groups of organisations that one axis speaks for, or that one system may register in.
pub const GROUPS_MAX: usize = 256;

/// `[axes.<id>.agencies]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AxisAgenciesSettings {
    /// From one look at its lists to the next; a tenth more or less each time.
    pub every: Duration,
}

/// `[axes.<id>.poll]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AxisPollSettings {
    /// From one look to the next; a tenth more or less each time.
    pub every: Duration,
    /// From one look at what became of what we sent there to the next; `None`: never.
    pub sent_every: Option<Duration>,
}

/// Reads all of them; the keys are their ids, which no system has.
pub(crate) fn read(
    systems: &BTreeMap<String, SystemSettings>,
    section: &mut Section<'_, '_>,
) -> BTreeMap<String, AxisSettings> {
    let mut axes: BTreeMap<String, AxisSettings> = BTreeMap::new();
    let ids = line::ids(section);
    for id in &ids {
        if systems.contains_key(id) {
            let rule = Rule::new(
                format!("trùng với mục [systems.{id}]"),
                format!("there is a section [systems.{id}] too"),
            );
            section.fault(id, FaultCode::Duplicate, rule);
        }
        let axis = section.section(id, |section| axis(id, section));
        let mailbox = |axis: &AxisSettings| {
            let url = axis.url.as_str().trim_end_matches('/').to_owned();
            axis.poll.map(|_| (url, axis.system_id.clone()))
        };
        let polled = axis.as_ref().and_then(mailbox);
        if let Some(other) = axes.iter().find(|(_, other)| polled.is_some() && mailbox(other) == polled) {
            // Two who look into one mailbox would take turns at taking its packets out.
            let rule = Rule::new(
                format!("[axes.{}.poll] đã lấy cùng url và system_id", other.0),
                format!("[axes.{}.poll] looks into the same mailbox: same url and system_id", other.0),
            );
            section.fault(id, FaultCode::Duplicate, rule);
        }
        axes.extend(axis.map(|axis| (id.clone(), axis)));
    }
    line::strange_variables(SecretOf::Axis, &ids, section);
    axes
}

fn axis(id: &str, section: &mut Section<'_, '_>) -> Option<AxisSettings> {
    let name = section.required_text("name", LINE_BYTES_MAX);
    let url = line::url(section);
    if url.as_ref().is_some_and(|url| url.as_str().contains('?')) {
        section.contradiction("url", "không được có phần ?…", "must not have a query");
    }
    let system_id = line::sdk_system_id(section);
    let secret = section.required_secret("secret", &SecretOf::Axis.variable(id), InClear::Refused);
    let words = [("send", ToHeader::Send), ("omit", ToHeader::Omit)];
    let to_header = section.choice("to_header", &words, ToHeader::Send);
    let ca = section.file("ca");
    let (least, most) = (ByteSize::new(1_000), ByteSize::new(4_000_000_000));
    let packet_max = section.ranged_if_set("packet_max", least, most);
    let waits = line::waits(section);
    let retry = LineRetrySettings::read(section);
    let has_poll = section.is_set("poll");
    let poll = section.section("poll", |section| has_poll.then(|| poll(section))?);
    let has_agencies = section.is_set("agencies");
    let agencies = section.section("agencies", |section| has_agencies.then(|| agencies(section))?);
    let speaks_for = groups("speaks_for", section);
    Some(AxisSettings {
        name: name?,
        url: url?,
        system_id: system_id?,
        secret: secret?,
        to_header,
        ca,
        packet_max,
        connect_timeout: waits.connect,
        timeout: waits.whole,
        retry,
        poll,
        agencies,
        speaks_for,
    })
}

fn poll(section: &mut Section<'_, '_>) -> Option<AxisPollSettings> {
    let seconds = |n| Span::new(Duration::from_secs(n));
    let every = section.ranged("every", seconds(60), seconds(1), seconds(86_400)).duration();
    let sent_every = section.ranged("sent_every", seconds(900), seconds(0), seconds(86_400)).duration();
    let enabled = section.read("enabled").unwrap_or(true);
    let sent_every = Some(sent_every).filter(|every| !every.is_zero());
    enabled.then_some(AxisPollSettings { every, sent_every })
}

fn agencies(section: &mut Section<'_, '_>) -> Option<AxisAgenciesSettings> {
    let seconds = |n| Span::new(Duration::from_secs(n));
    let every = section.ranged("every", seconds(86_400), seconds(60), seconds(31 * 86_400)).duration();
    let enabled = section.read("enabled").unwrap_or(true);
    enabled.then_some(AxisAgenciesSettings { every })
}

/// A list of groups of organisations, as written: what a code is, others know.
pub(crate) fn groups(key: &str, section: &mut Section<'_, '_>) -> Vec<String> {
    let groups: Vec<String> = section.read(key).unwrap_or_default();
    if groups.len() > GROUPS_MAX {
        let most = GROUPS_MAX;
        let rule = Rule::new(format!("tối đa {most} nhóm"), format!("at most {most} groups"));
        section.fault(key, FaultCode::OutOfRange, rule);
    }
    groups
}
