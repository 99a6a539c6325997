//! Step report (design.md B6): what the sender is told by a status packet of ours. Only two occasions: one 01 on
//! `received`, where the directory says that the axis answers for this receiver; one 02 in our own name on `given_up`.
//! A status packet's outcome never makes a status packet.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use lienthong_monitoring::{Metrics, Step};
use lienthong_schemas::edxml::{StatusCode, StatusPacket, StatusSender, StatusSubject};
use lienthong_schemas::organ::OrganId;

use crate::directory::{Answers, Directory};
use crate::examine::Refused;
use crate::intake::{Intake, Origin};
use crate::ports::{Fault, PendingReport, Ports, Transition};
use crate::record::{Admission, State};
use crate::tasks::Tasks;
use crate::wakes::Wakes;

const BATCH: usize = 32;

/// How the sender hears that a delivery was given up (`notify.given_up`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenUpNotice {
    /// A status packet 02 from our own organisation.
    Status02,
    /// Only the API and the receipt show it.
    Api,
}

/// Who we are in a status packet.
#[derive(Clone, Debug)]
pub struct Reporter {
    /// Our own code.
    pub own: OrganId,
    /// Our name.
    pub name: String,
    /// See [`GivenUpNotice`].
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
        Self { ports, intake, directory, reporter, metrics, wakes }
    }

    /// Runs until shutdown.
    pub async fn run(self, tasks: Tasks) -> Result<(), Fault> {
        while !tasks.is_stopping() {
            let pending = self.ports.store.pending_reports(BATCH).await?;
            for report in &pending {
                self.report(report).await?;
            }
            if !pending.is_empty() {
                continue;
            }
            tokio::select! {
                () = self.wakes.report.notified() => {}
                () = tasks.stopped() => break,
            }
        }
        Ok(())
    }

    async fn report(&self, pending: &PendingReport) -> Result<(), Fault> {
        let timer = self.metrics.timer(Step::Report);
        let delivery = &pending.delivery;
        let admission = self.ports.spool.admission(delivery.document).await?;
        let packet = admission.and_then(|admission| self.status_packet(pending, &admission));
        if let Some(packet) = packet {
            self.send(pending, packet).await?;
        }
        let now = self.ports.clock.now();
        self.ports.store.transition(delivery.id, now, Transition::Reported).await?;
        self.ports.spool.reported(delivery.document, delivery.id).await?;
        drop(timer);
        Ok(())
    }

    /// The packet to send, if this outcome calls for one. The same every time it is made.
    fn status_packet(&self, pending: &PendingReport, admission: &Admission) -> Option<Vec<u8>> {
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
            },
            response_for: StatusSubject {
                organ_id: delivery.sender.clone(),
                code: subject.code.clone(),
                document_id: subject.document_id.clone(),
                promulgation_date: subject.promulgation_date.clone(),
            },
            code,
            description,
            timestamp: pending.at,
        };
        Some(packet.to_xml())
    }

    async fn send(&self, pending: &PendingReport, packet: Vec<u8>) -> Result<(), Fault> {
        let mut sink = self.ports.spool.receive().await?;
        sink.write(Bytes::from(packet)).await?;
        let incoming = sink.finish().await?;
        match self.intake.admit(incoming, &Origin::Gateway, None).await {
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
