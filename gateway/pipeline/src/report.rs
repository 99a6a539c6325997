//! Step report (design.md B6): what the sender is told by a status packet of ours. Only two occasions: one 01 on
//! `received`, where the directory says that the axis answers for this receiver; one 02 in our own name on `given_up`, or
//! a letter instead (`mail`). A status packet's outcome never makes a status packet.

mod mail;

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
use crate::record::{Admission, Delivery, State};
use crate::settle::Settle;
use crate::tasks::Tasks;
use crate::wakes::Wakes;

pub use mail::MailNotice;
use mail::{Ended, Mailing};

const BATCH: usize = 32;
/// Reports looked at, at most, to find one that is due.
const LOOK_MAX: usize = BATCH << 10;
/// A report that could not be made is tried again after this.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Pause when the store cannot be read.
const STORE_AGAIN_AFTER: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(3600);

/// What stands in the history of a delivery whose sender is told by nobody.
pub const LEFT_TO_THE_API: &str = "api: notify.given_up = \"api\"";

/// Who we are in a status packet, and how senders are told.
#[derive(Clone)]
pub struct Reporter {
    /// Our own code.
    pub own: OrganId,
    /// Our name.
    pub name: String,
    /// `notify.given_up`.
    pub given_up: GivenUpNotice,
    /// How letters go out; without it `Mail` is as `Api`.
    pub mail: Option<MailNotice>,
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
    mailing: Mailing,
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
        let mailing = Mailing::new(reporter.mail.clone(), &metrics);
        let passed_over = HashMap::new();
        Self { ports, intake, directory, reporter, metrics, wakes, settle, passed_over, mailing }
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
                ended = self.mailing.ended() => self.mailed(ended).await,
                () = tasks.stopped() => break,
            }
        }
        Ok(())
    }

    /// Reports what is pending; returns when to look again. One that cannot be made now (a full disk, a damaged
    /// admission, a mail system that is away) is passed over and tried later, so that it does not hold up the others.
    async fn report_all(&mut self) -> Result<Timestamp, Fault> {
        let mut limit = BATCH;
        loop {
            let now = self.ports.clock.now();
            let mut pending = self.ports.store.pending_reports(limit).await?;
            let is_all = pending.len() < limit || limit == LOOK_MAX;
            pending.retain(|report| self.is_due(report, now));
            if pending.is_empty() && is_all {
                self.passed_over.retain(|_, at| *at > now);
                let again = self.passed_over.values().copied().chain(self.mailing.again_at(now)).min();
                return Ok(again.unwrap_or_else(|| after(now, IDLE)));
            }
            if pending.is_empty() {
                limit = (limit * 4).min(LOOK_MAX);
            }
            for report in pending.iter().take(BATCH) {
                // A letter that has begun meanwhile has the others wait.
                if self.is_due(report, now) {
                    self.report_or_pass_over(report, now).await?;
                }
            }
        }
    }

    fn is_due(&self, report: &PendingReport, now: Timestamp) -> bool {
        let passed_over = self.passed_over.get(&report.delivery.id).is_some_and(|at| *at > now);
        let waits = self.is_mailed(&report.delivery) && self.mailing.waits(now);
        !passed_over && !waits
    }

    fn is_mailed(&self, delivery: &Delivery) -> bool {
        delivery.state == State::GivenUp && self.reporter.given_up == GivenUpNotice::Mail
    }

    async fn report_or_pass_over(&mut self, report: &PendingReport, now: Timestamp) -> Result<(), Fault> {
        let id = report.delivery.id;
        match self.report(report).await {
            Ok(()) => drop(self.passed_over.remove(&id)),
            Err(fault) if fault.fatal => return Err(fault),
            Err(fault) => {
                tracing::error!(delivery_id = %id, %fault, "the sender cannot be told now");
                self.passed_over.insert(id, after(now, AGAIN_AFTER));
            }
        }
        Ok(())
    }

    async fn report(&mut self, pending: &PendingReport) -> Result<(), Fault> {
        let timer = self.metrics.timer(Step::Report);
        let delivery = &pending.delivery;
        if matches!(delivery.state, State::Withdrawn | State::Parked) {
            // A recall's outcome is no news to its sender; but the spool has yet to know.
            self.move_states(delivery).await?;
            return self.settle.note_recalled(delivery, pending.at).await;
        }
        let admission = self.ports.spool.admission(delivery.document).await?;
        let outcome = match &admission {
            Some(admission) if self.is_mailed(delivery) => return self.mail(pending, admission).await,
            Some(admission) => match self.status_packet(pending, admission) {
                Some((code, packet)) => self.send(pending, code, packet).await?,
                None if delivery.state == State::GivenUp => return self.left_to_the_api(delivery).await,
                None => Ok(()),
            },
            None => Ok(()),
        };
        match outcome {
            Ok(()) => {
                if delivery.state == State::GivenUp && admission.is_some() {
                    self.metrics.notices.of("told").inc();
                }
                self.reported(delivery).await?;
            }
            Err(note) => self.not_told(delivery, note).await?,
        }
        drop(timer);
        Ok(())
    }

    /// A recall that another gateway decided, or this one when it took it over, has succeeded: business states follow.
    async fn move_states(&self, delivery: &Delivery) -> Result<(), Fault> {
        let Some(admission) = self.ports.spool.admission(delivery.document).await? else { return Ok(()) };
        let accepted_at = admission.receipt.accepted_at;
        let decided =
            admission.recalls.into_iter().find(|recall| recall.by == delivery.id && recall.at_holder);
        match decided {
            Some(recall) => self.ports.store.recalled(recall.moves, accepted_at).await,
            None => Ok(()),
        }
    }

    /// Nobody is told, as the settings want it: the sender asks.
    async fn left_to_the_api(&self, delivery: &Delivery) -> Result<(), Fault> {
        self.keep_untold(delivery, LEFT_TO_THE_API.to_owned()).await
    }

    /// The sender has been told, or need not be.
    async fn reported(&self, delivery: &Delivery) -> Result<(), Fault> {
        let now = self.ports.clock.now();
        self.ports.store.transition(delivery.id, now, Transition::Reported).await?;
        self.wakes.events.notify_one();
        // Behind the note of the state that asked for it.
        let _turn = self.wakes.noting.take(delivery.id).await;
        if let Err(fault) = self.ports.spool.reported(delivery.document, delivery.id).await {
            // Only a rebuild of the store would miss it: it would tell the sender once more, by the same packet.
            tracing::error!(delivery_id = %delivery.id, %fault, "the note that the sender was told is not on disk");
        }
        Ok(())
    }

    /// The sender cannot be told, and it stands in the delivery's history: the API still shows the outcome.
    async fn not_told(&self, delivery: &Delivery, note: String) -> Result<(), Fault> {
        tracing::error!(delivery_id = %delivery.id, sender = %delivery.sender, note, "sender cannot be told");
        self.metrics.notices.of("refused").inc();
        self.keep_untold(delivery, note).await
    }

    /// Why nobody is told stands in the delivery's history, and it is over with that.
    async fn keep_untold(&self, delivery: &Delivery, note: String) -> Result<(), Fault> {
        let now = self.ports.clock.now();
        self.ports.store.transition(delivery.id, now, Transition::NotTold { note }).await?;
        self.wakes.events.notify_one();
        Ok(())
    }

    /// Has the sender written to; without an address that is over at once.
    async fn mail(&mut self, pending: &PendingReport, admission: &Admission) -> Result<(), Fault> {
        let delivery = &pending.delivery;
        let lines = self.ports.store.history(delivery.id).await?;
        let directory = self.directory.load_full();
        match self.mailing.notice(&directory, pending, admission, &lines) {
            None => self.left_to_the_api(delivery).await,
            Some(Err(note)) => self.not_told(delivery, note).await,
            Some(Ok(notice)) => {
                self.mailing.begin(pending.clone(), notice);
                Ok(())
            }
        }
    }

    /// What became of a letter. Until that is written down the letter is not over: it would be sent again, under its id.
    async fn mailed(&mut self, ended: Ended) {
        let Ended { pending: PendingReport { delivery, .. }, outcome } = ended;
        let now = self.ports.clock.now();
        let written = match outcome {
            Ok(said) => {
                tracing::info!(delivery_id = %delivery.id, sender = %delivery.sender, said, "sender told by mail");
                self.metrics.notices.of("told").inc();
                self.mailing.works();
                self.reported(&delivery).await
            }
            Err(failure) if mail::is_final(&failure) => {
                self.mailing.works();
                self.not_told(&delivery, failure.to_string()).await
            }
            Err(failure) => {
                tracing::warn!(
                    delivery_id = %delivery.id, class = failure.class.as_str(), code = failure.code,
                    note = failure.note, "a letter to a sender failed",
                );
                self.metrics.notices.of("failed").inc();
                let again = self.mailing.failed(&failure, now);
                self.passed_over.insert(delivery.id, again);
                Ok(())
            }
        };
        if let Err(fault) = written {
            tracing::error!(delivery_id = %delivery.id, %fault, "what became of a letter cannot be written down now");
            self.passed_over.insert(delivery.id, after(now, AGAIN_AFTER));
        }
    }

    /// The packet to send, if this outcome calls for one. The same every time it is made, but for names in the directory.
    fn status_packet(&self, pending: &PendingReport, admission: &Admission) -> Option<(StatusCode, Vec<u8>)> {
        let delivery = &pending.delivery;
        let directory = self.directory.load();
        let receiver = directory.find(&delivery.route.receiver);
        let named = |code: &OrganId| {
            let name = directory.find(code).map_or("", |found| found.name.as_str());
            format!("{name} ({code})")
        };
        let addressed = addressed(delivery, admission);
        let (from, from_name, code, description) = match delivery.state {
            // Who got it instead of the receiver is nobody whose answer the sender waits for.
            State::Received
                if is_answered_for(&directory, &delivery.route.receiver)
                    && *addressed == delivery.route.receiver =>
            {
                let name = receiver.map(|r| r.name.clone()).unwrap_or_default();
                let text = format!("Trục liên thông báo thay: văn bản đã đến hệ thống của {name}");
                (delivery.route.receiver.clone(), name, StatusCode::Arrived, text)
            }
            State::GivenUp if self.reporter.given_up == GivenUpNotice::Status02 => {
                let moved = match *addressed == delivery.route.receiver {
                    true => String::new(),
                    false => format!(", đã chuyển sang {}", named(&delivery.route.receiver)),
                };
                let to = named(addressed);
                let text = format!("Không gửi được văn bản đến {to}{moved} trong thời hạn quy định");
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
    /// may be another one by then. An error is why it cannot be told at all.
    async fn send(
        &self,
        pending: &PendingReport,
        code: StatusCode,
        packet: Vec<u8>,
    ) -> Result<Result<(), String>, Fault> {
        let says = says(pending.delivery.id, code);
        let mut sink = self.ports.spool.receive_ours().await?;
        sink.write(Bytes::from(packet)).await?;
        let incoming = sink.finish().await?;
        match self.intake.admit(incoming, &Origin::Gateway { says }, None).await {
            Ok(accepted) => {
                let status = accepted.receipt.document_id;
                tracing::info!(delivery_id = %pending.delivery.id, status_document_id = %status, "sender told");
                Ok(Ok(()))
            }
            // The sender is gone from the directory, or takes nothing: the API still shows the outcome.
            Err(Refused::Rejected(rejection)) => Ok(Err(rejection.to_string())),
            Err(Refused::Fault(fault)) => Err(fault),
        }
    }
}

/// What a report says, whatever its bytes: that a sender is told this of a delivery.
pub(crate) fn says(delivery: DeliveryId, code: StatusCode) -> [u8; 16] {
    digest16(&[b"report", delivery.as_bytes(), code.digits().as_bytes()])
}

/// Whether nobody is told of this state by a status packet: a receiver has it and answers by itself.
pub(crate) fn untold(directory: &Directory, delivery: &Delivery, state: State) -> bool {
    state == State::Received && !is_answered_for(directory, &delivery.route.receiver)
}

/// The directory says that the axis answers on behalf of a receiver.
fn is_answered_for(directory: &Directory, receiver: &OrganId) -> bool {
    directory.find(receiver).is_some_and(|found| found.answers == Answers::AxisOnBehalf)
}

/// The receiver for whom a delivery was made, whoever it was sent to since.
fn addressed<'a>(delivery: &'a Delivery, admission: &'a Admission) -> &'a OrganId {
    let made = admission.deliveries.iter().find(|made| made.id == delivery.id);
    made.map_or(&delivery.route.receiver, |made| &made.route.receiver)
}
