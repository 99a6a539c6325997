//! Step report (design.md B6): what the sender is told by a status packet of ours. Only two occasions: one 01 on
//! `received`, where the directory says that the axis answers for this receiver; one 02 in our own name on `given_up`.
//! A status packet's outcome never makes a status packet.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use jiff::Timestamp;
use lienthong_config::GivenUpNotice;
use lienthong_monitoring::{Metrics, Step};
use lienthong_schemas::edxml::{StatusCode, StatusContact, StatusPacket, StatusSender, StatusSubject};
use lienthong_schemas::ids::{DeliveryId, digest16};
use lienthong_schemas::organ::OrganId;

use crate::clock::after;
use crate::directory::{Answers, Directory};
use crate::examine::Refused;
use crate::intake::{Intake, Origin};
use crate::ports::{Fault, PendingReport, Ports, Transition};
use crate::record::{Admission, State};
use crate::settle::Settle;
use crate::tasks::Tasks;
use crate::wakes::Wakes;

const BATCH: usize = 32;
/// A report that could not be made is tried again after this.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Pause when the store cannot be read.
const STORE_AGAIN_AFTER: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(3600);

/// Who we are in a status packet.
#[derive(Clone, Debug)]
pub struct Reporter {
    /// Our own code.
    pub own: OrganId,
    /// Our name.
    pub name: String,
    /// `notify.given_up`.
    pub given_up: GivenUpNotice,
}

/// Writes status packets for settled deliveries and sends them in by the one intake.
pub struct Report {
    ports: Ports,
    intake: Arc<Intake>,
    directory: Arc<ArcSwap<Directory>>,
    reporter: Reporter,
    metrics: Arc<Metrics>,
    wakes: Wakes,
    settle: Settle,
    passed_over: HashMap<DeliveryId, Timestamp>,
}

impl Report {
    /// The reporter of one gateway.
    pub fn new(
        ports: Ports,
        intake: Arc<Intake>,
        directory: Arc<ArcSwap<Directory>>,
        reporter: Reporter,
        metrics: Arc<Metrics>,
        wakes: Wakes,
    ) -> Self {
        let settle = Settle::new(ports.clone(), metrics.clone(), wakes.clone());
        Self { ports, intake, directory, reporter, metrics, wakes, settle, passed_over: HashMap::new() }
    }

    /// Runs until shutdown.
    ///
    /// # Errors
    /// Only when the store has ended.
    pub async fn run(mut self, tasks: Tasks) -> Result<(), Fault> {
        while !tasks.is_stopping() {
            let due = match self.report_all().await {
                Err(fault) if !fault.fatal => {
                    tracing::warn!(%fault, "senders are told later");
                    after(self.ports.clock.now(), STORE_AGAIN_AFTER)
                }
                due => due?,
            };
            tokio::select! {
                () = self.wakes.report.notified() => {}
                () = self.ports.clock.sleep_until(due) => {}
                () = tasks.stopped() => break,
            }
        }
        Ok(())
    }

    /// Reports what is pending; returns when to look again. One that cannot be made now (a full disk, a damaged
    /// admission) is passed over and tried later, so that it does not hold up the others.
    async fn report_all(&mut self) -> Result<Timestamp, Fault> {
        loop {
            let now = self.ports.clock.now();
            let pending = self.ports.store.pending_reports(BATCH + self.passed_over.len()).await?;
            let due = |report: &PendingReport| {
                self.passed_over.get(&report.delivery.id).is_none_or(|at| *at <= now)
            };
            let pending: Vec<PendingReport> = pending.into_iter().filter(due).collect();
            if pending.is_empty() {
                self.passed_over.retain(|_, at| *at > now);
                let idle = after(now, IDLE);
                return Ok(self.passed_over.values().min().map_or(idle, |at| *at));
            }
            for report in pending {
                let id = report.delivery.id;
                match self.report(&report).await {
                    Ok(()) => drop(self.passed_over.remove(&id)),
                    Err(fault) if fault.fatal => return Err(fault),
                    Err(fault) => {
                        tracing::error!(delivery_id = %id, %fault, "the sender cannot be told now");
                        let again = after(now, AGAIN_AFTER);
                        self.passed_over.insert(id, again);
                    }
                }
            }
        }
    }

    async fn report(&self, pending: &PendingReport) -> Result<(), Fault> {
        let timer = self.metrics.timer(Step::Report);
        let delivery = &pending.delivery;
        if matches!(delivery.state, State::Withdrawn | State::Parked) {
            // A recall's outcome is no news to its sender; but the spool has yet to know.
            return self.settle.note_recalled(delivery, pending.at).await;
        }
        let admission = self.ports.spool.admission(delivery.document).await?;
        let packet = admission.and_then(|admission| self.status_packet(pending, &admission));
        if let Some((code, packet)) = packet {
            self.send(pending, code, packet).await?;
        }
        let now = self.ports.clock.now();
        self.ports.store.transition(delivery.id, now, Transition::Reported).await?;
        self.wakes.relay.notify_one();
        if let Err(fault) = self.ports.spool.reported(delivery.document, delivery.id).await {
            // Only a rebuild of the store would miss it: it would tell the sender once more, by the same packet.
            tracing::error!(delivery_id = %delivery.id, %fault, "the note that the sender was told is not on disk");
        }
        drop(timer);
        Ok(())
    }

    /// The packet to send, if this outcome calls for one. The same every time it is made, but for names in the directory.
    fn status_packet(&self, pending: &PendingReport, admission: &Admission) -> Option<(StatusCode, Vec<u8>)> {
        let delivery = &pending.delivery;
        let directory = self.directory.load();
        let receiver = directory.find(&delivery.route.receiver);
        let name = receiver.map(|r| r.name.clone()).unwrap_or_default();
        let (from, from_name, code, description) = match delivery.state {
            State::Received if receiver.is_some_and(|r| r.answers == Answers::AxisOnBehalf) => {
                let text = format!("Trục liên thông báo thay: văn bản đã đến hệ thống của {name}");
                (delivery.route.receiver.clone(), name, StatusCode::Arrived, text)
            }
            State::GivenUp if self.reporter.given_up == GivenUpNotice::Status02 => {
                let receiver = &delivery.route.receiver;
                let text = format!("Không gửi được văn bản đến {name} ({receiver}) trong thời hạn quy định");
                (self.reporter.own.clone(), self.reporter.name.clone(), StatusCode::Refused, text)
            }
            _ => return None,
        };
        let subject = &admission.subject;
        let packet = StatusPacket {
            from: StatusSender {
                organ_id: from,
                organization_in_charge: String::new(),
                organ_name: from_name,
                contact: StatusContact::default(),
            },
            response_for: StatusSubject {
                organ_id: delivery.sender.clone(),
                code: subject.code.clone(),
                document_id: subject.document_id.clone(),
                promulgation_date: subject.promulgation_date.clone(),
            },
            staff: None,
            code,
            description,
            timestamp: pending.at,
        };
        Some((code, packet.to_xml()))
    }

    /// A sender is told once of a delivery by each code: a repeat is known by these two, though its time or a name in it
    /// may be another one by then.
    async fn send(&self, pending: &PendingReport, code: StatusCode, packet: Vec<u8>) -> Result<(), Fault> {
        let says = digest16(&[b"report", pending.delivery.id.as_bytes(), code.digits().as_bytes()]);
        let mut sink = self.ports.spool.receive_ours().await?;
        sink.write(Bytes::from(packet)).await?;
        let incoming = sink.finish().await?;
        match self.intake.admit(incoming, &Origin::Gateway { says }, None).await {
            Ok(accepted) => {
                let status = accepted.receipt.document_id;
                tracing::info!(delivery_id = %pending.delivery.id, status_document_id = %status, "sender told");
                Ok(())
            }
            Err(Refused::Rejected(rejection)) => {
                // The sender is gone from the directory, or takes nothing: the API still shows the outcome.
                tracing::error!(delivery_id = %pending.delivery.id, %rejection, "sender cannot be told");
                Ok(())
            }
            Err(Refused::Fault(fault)) => Err(fault),
        }
    }
}
