//! The way in, top to bottom: one packet from `incoming/` to a receipt (ARCHITECTURE.md, steps 2 to 8).
//! Receiving the bytes and knowing who is connected is the door's business (gateway/src/http); nothing here is
//! undone: a packet that is refused simply never leaves `incoming/`.

mod axis;
mod beside;
mod elsewhere;
mod follow;
mod link;
mod published;

pub use self::axis::FromAxis;
pub use self::beside::Beside;
pub use crate::acknowledged::BROKER_WAIT;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::civil::Date;
use lienthong_config::{ReceiptAfter, Undelivered, UpdateReceivers};
use lienthong_monitoring::{Metrics, Step};
use lienthong_schemas::edxml::{
    Content, Envelope, Finding, VIETNAM, VerifiedEnvelope, check_carried, content_digest,
};
use lienthong_schemas::ids::{DocumentId, PacketDigest};
use lienthong_schemas::organ::OrganId;
use lienthong_schemas::rejections::{Rejection, RejectionCode};
use lienthong_schemas::safe_text::SafeText;
use tokio::sync::Semaphore;
use tracing::Instrument;

use crate::directory::{Directory, Home};
use crate::examine::{EXAMINATION, PacketLimits, Refused, examine, in_its_place};
use crate::partitions::Partitions;
use crate::ports::{Admitted, Fault, Incoming, Ports};
use crate::recognise::{Recognised, Submission, keys, recognise};
use crate::record::{Admission, IdempotencyKey, Receipt, RecognitionKeys, State, SystemId};
use crate::route::{Routed, addressed, open_successors, route};
use crate::standing::{Effects, Notice};
use crate::trust::sender_trust;
use crate::turns::{Turn, Turns};
use crate::wakes::Wakes;

/// What the intake may do; from the settings.
#[derive(Clone, Debug)]
pub struct IntakePolicy {
    /// Our own organisation code.
    pub own: OrganId,
    /// Packet sizes.
    pub limits: PacketLimits,
    /// How many packets are read and verified at once.
    pub examinations: usize,
    /// How long an `Idempotency-Key` is remembered.
    pub idempotency: std::time::Duration,
    /// What a revocation does that meets a delivery which has not left.
    pub undelivered: Undelivered,
    /// To whom an update goes.
    pub update_receivers: UpdateReceivers,
    /// What is done before a sender gets its receipt.
    pub receipt_after: ReceiptAfter,
}

/// Who brought a packet: never read from the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A connected system, authenticated on its connection.
    System(SystemId),
    /// A connected system that speaks the SDK's protocol.
    Sdk {
        /// Which one, by its signature.
        system: SystemId,
        /// What it says beside the packet.
        beside: Beside,
    },
    /// An axis, at which we fetched it ([`Intake::admit_from_axis`]).
    Axis {
        /// Which one.
        axis: SystemId,
        /// For whom it gave it, where it says so.
        to: Option<OrganId>,
    },
    /// The gateway itself (status packets of design.md B6).
    Gateway {
        /// Stands for what the packet says: the same in every packet that says it, whatever its bytes.
        says: [u8; 16],
    },
}

impl Origin {
    fn system(&self) -> SystemId {
        match self {
            Self::System(system) | Self::Sdk { system, .. } | Self::Axis { axis: system, .. } => {
                system.clone()
            }
            Self::Gateway { .. } => SystemId::gateway(),
        }
    }
}

/// A packet was taken.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// What the sender gets.
    pub receipt: Receipt,
    /// It had been taken before; nothing new was begun.
    pub replayed: bool,
}

/// The receivers that a submission is limited to; see [`Origin::chosen`].
type Chosen = Option<BTreeSet<OrganId>>;

/// The one way in.
pub struct Intake {
    ports: Ports,
    policy: IntakePolicy,
    directory: Arc<ArcSwap<Directory>>,
    metrics: Arc<Metrics>,
    examinations: Semaphore,
    turns: Turns<[u8; 16]>,
    standing_turns: Turns<[u8; 16]>,
    idempotency_turns: Turns<IdempotencyKey>,
    wakes: Wakes,
    partitions: Arc<Partitions>,
}

impl Intake {
    /// The intake of one gateway.
    pub fn new(
        ports: Ports,
        policy: IntakePolicy,
        directory: Arc<ArcSwap<Directory>>,
        metrics: Arc<Metrics>,
        wakes: Wakes,
    ) -> Self {
        let examinations = Semaphore::new(policy.examinations);
        let (turns, standing_turns) = (Turns::default(), Turns::default());
        let idempotency_turns = Turns::default();
        Self {
            ports,
            policy,
            directory,
            metrics,
            examinations,
            turns,
            standing_turns,
            idempotency_turns,
            wakes,
            partitions: Arc::new(Partitions::alone()),
        }
    }

    /// The same, of one of several gateways.
    pub fn among(self, partitions: Arc<Partitions>) -> Self {
        Self { partitions, ..self }
    }

    /// Takes an `Idempotency-Key` for one request.
    ///
    /// # Errors
    /// [`RejectionCode::IdempotencyKeyInvalid`], or [`RejectionCode::IdempotencyKeyInFlight`] while another request of
    /// the same system has it.
    pub fn begin(&self, system: &SystemId, key: &str) -> Result<Turn<IdempotencyKey>, Rejection> {
        let header = |code| Rejection::new(code).at("Idempotency-Key");
        if key.is_empty() || key.len() > 128 || !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(header(RejectionCode::IdempotencyKeyInvalid));
        }
        let key = IdempotencyKey { system: system.clone(), key: key.to_owned() };
        self.idempotency_turns.try_take(key).ok_or_else(|| header(RejectionCode::IdempotencyKeyInFlight))
    }

    /// Takes a packet: verified, recognised, routed and on disk when this returns `Ok`, and in the broker too where
    /// [`IntakePolicy::receipt_after`] says so.
    ///
    /// Must not be cancelled half way by a client that goes away: the caller runs it to its end
    /// ([`crate::tasks::Tasks::complete`]).
    pub async fn admit(
        &self,
        packet: Box<dyn Incoming>,
        origin: &Origin,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Accepted, Refused> {
        let accepted = self.admit_here(packet, origin, idempotency).await?;
        self.until_durable(accepted.receipt.document_id, origin).await?;
        Ok(accepted)
    }

    async fn admit_here(
        &self,
        packet: Box<dyn Incoming>,
        origin: &Origin,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Accepted, Refused> {
        if self.partitions.drains() && !matches!(origin, Origin::Gateway { .. }) {
            return Err(Fault::new("intake", "another gateway has adopted what this one accepted").into());
        }
        if let Some(key) = &idempotency
            && let Some(accepted) = self.replay_by_key(key, packet.digest()).await?
        {
            return Ok(accepted);
        }
        let directory = self.directory.load_full();
        let (packet, envelope) = self.parse_and_verify(packet, origin, directory.clone()).await?;
        self.admit_verified(packet, envelope, origin, idempotency, directory).await
    }

    async fn admit_verified(
        &self,
        packet: Box<dyn Incoming>,
        envelope: VerifiedEnvelope,
        origin: &Origin,
        idempotency: Option<IdempotencyKey>,
        directory: Arc<Directory>,
    ) -> Result<Accepted, Refused> {
        let digest = packet.digest();
        let content = envelope.content();
        let timer = self.metrics.timer(Step::Attribute);
        let sender = self.attribute(&directory, content, origin)?;
        origin.check_from(&directory, &sender)?;
        drop(timer);
        let timer = self.metrics.timer(Step::Conform);
        self.conform(content, origin)?;
        drop(timer);

        let document_id = content.document_id.as_deref().unwrap_or_default();
        let chosen = origin.chosen(&directory, content)?;
        let kind = Origin::kind_text(content.kind.id_text(), chosen.as_ref());
        let id = DocumentId::derive(&sender, document_id, &kind, &digest);
        let span = tracing::info_span!("document", document_id = %id, sender = %sender);
        let mut keys = keys(&envelope, &sender);
        if matches!(origin, Origin::Axis { .. }) {
            // An axis writes packets anew: those of every type are known again by what they say.
            keys.semantic = content_digest(&envelope, &sender);
        }
        let work = self.take_in(packet, envelope, origin, idempotency, directory, (id, keys, chosen));
        work.instrument(span).await
    }

    async fn take_in(
        &self,
        packet: Box<dyn Incoming>,
        envelope: VerifiedEnvelope,
        origin: &Origin,
        idempotency: Option<IdempotencyKey>,
        directory: Arc<Directory>,
        (id, mut keys, chosen): (DocumentId, RecognitionKeys, Chosen),
    ) -> Result<Accepted, Refused> {
        if let Origin::Gateway { says } = origin {
            // Two receivers given up in one second would have one key, and one told of after its name changed, two.
            keys.status = Some(*says);
        }
        let _turn = self.turns.take(turn_of(&keys, id)).await;

        let timer = self.metrics.timer(Step::Recognise);
        let elsewhere = self.elsewhere(envelope.content(), &keys, origin).await;
        let (chosen_ref, elsewhere) = (chosen.as_ref(), elsewhere.as_slice());
        let submission = Submission { id, digest: packet.digest(), origin, chosen: chosen_ref, elsewhere };
        let recognised = recognise(&*self.ports.store, &directory, &envelope, &keys, submission).await?;
        drop(timer);
        let (served, reused, copy_of) = match recognised {
            Recognised::Repeat(known) => {
                self.link_repeat(origin, &*packet, idempotency.as_ref(), known).await?;
                if let Some(key) = &idempotency {
                    let now = self.ports.clock.now();
                    self.ports.store.remember(key, known, packet.digest(), now).await?;
                }
                return self.replay(known).await;
            }
            Recognised::New { served, reused, copy_of } => (served, reused, copy_of),
        };

        let timer = self.metrics.timer(Step::Route);
        let content = envelope.content();
        let (mut to, mut notices) = addressed(content, self.policy.update_receivers);
        if let Some(chosen) = &chosen {
            to.retain(|one| chosen.contains(&directory.resolved(one.code)));
        }
        if matches!(origin, Origin::Axis { .. }) {
            (to, _) = self.of_ours(&directory, content, to, packet.bytes());
        }
        let (routed, unreached) = route(&directory, content, &mut to, packet.bytes(), self.today(), &served)?;
        notices.extend(unreached);
        drop(timer);

        let said = self.said(content, &to, &keys, origin, &directory).await?;
        let _states = self.standing_turns.take_all(said.documents()).await;
        keys.changes = said.changes;
        let mut effects = self.effects(said, id, &routed, &directory).await?;
        if matches!(origin, Origin::Gateway { .. }) {
            // What we say for a receiver may come after its own word: that is nobody's mistake.
            effects.notices.clear();
        }
        effects.notices.extend(notices);
        if reused {
            let field = "edXMLHeader/MessageHeader/DocumentId";
            effects.notices.push(Notice::new(Finding::DocidReused, field, ""));
        }

        let admission = self.compose(&*packet, &envelope, origin, idempotency, keys, id, &routed, &effects);
        if let Some(first) = copy_of {
            self.link_further(origin, &*packet, admission.idempotency.as_ref(), (first, id)).await?;
        }
        let accepted = self.commit(packet, admission).await?;
        if !accepted.replayed {
            self.note_anomalies(&effects.notices);
        }
        Ok(accepted)
    }

    async fn parse_and_verify(
        &self,
        packet: Box<dyn Incoming>,
        origin: &Origin,
        directory: Arc<Directory>,
    ) -> Result<(Box<dyn Incoming>, VerifiedEnvelope), Refused> {
        let room = self.examinations.acquire().await;
        let _room = room.map_err(|closed| Fault::new(EXAMINATION, closed))?;
        let (bytes, limits) = (packet.bytes(), self.policy.limits.clone());
        let (now, origin, metrics) = (self.ports.clock.now(), origin.clone(), self.metrics.clone());
        let work = move || {
            // The first read ends, and the second begins, when the claimed sender is known.
            let (parse, verify) = (Cell::new(Some(metrics.timer(Step::Parse))), Cell::new(None));
            let trust_of = |claims: &Envelope| {
                drop(parse.take());
                verify.set(Some(metrics.timer(Step::Verify)));
                Ok(sender_trust(claims, &origin, &directory, now))
            };
            let envelope = examine(&*packet, &limits, &trust_of)?;
            Ok::<_, Refused>((packet, envelope))
        };
        in_its_place(bytes, work).await
    }

    /// Step attribute: this connection, and the signer the directory names for it, may speak for `From/OrganId`.
    fn attribute(
        &self,
        directory: &Directory,
        content: &Content,
        origin: &Origin,
    ) -> Result<OrganId, Rejection> {
        let field = "edXMLHeader/MessageHeader/From/OrganId";
        let claimed = &content.from.organ_id;
        let refuse = |code| Rejection::new(code).at(field).because(claimed.as_str());
        let system = match origin {
            Origin::Gateway { .. } => return Ok(claimed.clone()),
            Origin::Axis { axis, .. } => return self.attribute_to_axis(directory, claimed, axis),
            Origin::System(system) | Origin::Sdk { system, .. } => system,
        };
        let sender = directory.find(claimed).ok_or_else(|| refuse(RejectionCode::SenderUnknown))?;
        if sender.home != Some(Home::System(system.clone())) {
            return Err(refuse(RejectionCode::SenderNotYours));
        }
        let today = self.today();
        if !sender.is_open(today) {
            let mut rejection = refuse(RejectionCode::SenderClosed);
            rejection.successors = open_successors(directory, sender, today);
            return Err(rejection);
        }
        Ok(sender.id.clone())
    }

    /// The day it is in Vietnam, by which codes are open or closed.
    fn today(&self) -> Date {
        self.ports.clock.now().to_zoned(VIETNAM.to_time_zone()).date()
    }

    /// Step conform: what may not be carried, and what has already passed here.
    fn conform(&self, content: &Content, origin: &Origin) -> Result<(), Rejection> {
        check_carried(content)?;
        if content.attachments.iter().any(|attachment| attachment.placeholder) {
            let field = "AttachmentEncoded/Attachment/ContentTransferEncoded";
            return Err(Rejection::new(RejectionCode::AttachmentInvalid).at(field).because("placeholder"));
        }
        let ours = |hop: &str| OrganId::parse(hop).is_ok_and(|hop| hop == self.policy.own);
        if matches!(origin, Origin::System(_) | Origin::Sdk { .. })
            && content.trace.iter().any(|hop| ours(&hop.organ_text))
        {
            let field = "edXMLHeader/TraceHeaderList/TraceHeader/OrganId";
            return Err(Rejection::new(RejectionCode::Loop).at(field).because(self.policy.own.as_str()));
        }
        Ok(())
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "every part of a receipt is decided elsewhere and only joined here"
    )]
    fn compose(
        &self,
        packet: &dyn Incoming,
        envelope: &VerifiedEnvelope,
        origin: &Origin,
        idempotency: Option<IdempotencyKey>,
        keys: RecognitionKeys,
        id: DocumentId,
        routed: &[Routed],
        effects: &Effects,
    ) -> Admission {
        let document = crate::compose::Document {
            id,
            digest: packet.digest(),
            bytes: packet.bytes(),
            accepted_at: self.ports.clock.now(),
            origin: origin.system(),
            from_axis: matches!(origin, Origin::Axis { .. }),
            durability: match self.policy.receipt_after {
                ReceiptAfter::Outbox => "local",
                ReceiptAfter::Broker => "broker",
            },
        };
        crate::compose::admission(&document, envelope, routed, effects, keys, idempotency)
    }

    /// Step commit (design.md B2): blob and admission on disk, then one batch of the store, then the receipt.
    async fn commit(&self, packet: Box<dyn Incoming>, admission: Admission) -> Result<Accepted, Refused> {
        let timer = self.metrics.timer(Step::Commit);
        // An admission may be left from before a crash; what is on disk is what will be shown again, so it counts.
        let earlier = self.ports.spool.admit(packet, &admission).await?;
        let admission = earlier.unwrap_or(admission);
        let admitted = self.ports.store.admit(&admission).await?;
        drop(timer);
        if admission.recalls.is_empty() {
            self.wakes.admitted.notify_one();
        } else {
            self.wakes.relay.notify_one();
            // What was taken back is noted in the spool, and holds nothing up any more.
            self.wakes.report.notify_one();
        }
        let receipt = admission.receipt;
        let replayed = admitted == Admitted::Existing;
        if !replayed {
            self.metrics.accepted.inc();
            let parked =
                admission.deliveries.iter().filter(|delivery| delivery.state == State::Parked).count();
            self.metrics.parked.add(parked as u64);
            let receivers = receipt.deliveries.len();
            tracing::info!(bytes = receipt.bytes, receivers, signature = receipt.signature, "accepted");
        }
        Ok(Accepted { receipt, replayed })
    }

    async fn replay_by_key(
        &self,
        key: &IdempotencyKey,
        digest: PacketDigest,
    ) -> Result<Option<Accepted>, Refused> {
        let now = self.ports.clock.now();
        let not_before = now.saturating_sub(self.policy.idempotency).unwrap_or(jiff::Timestamp::MIN);
        match self.ports.store.idempotent(key, not_before).await? {
            None => Ok(None),
            Some((id, same)) if same == digest => self.replay(id).await.map(Some),
            Some(_) => Err(Rejection::new(RejectionCode::IdempotencyKeyReused).at("Idempotency-Key").into()),
        }
    }

    async fn replay(&self, id: DocumentId) -> Result<Accepted, Refused> {
        let admission = self.ports.spool.admission(id).await?;
        let admission = admission.ok_or_else(|| Fault::new("spool", format!("no admission of {id}")))?;
        tracing::info!(document_id = %id, "repeated");
        Ok(Accepted { receipt: admission.receipt, replayed: true })
    }
}

/// Packets that could be the same document take turns under one key.
fn turn_of(keys: &RecognitionKeys, id: DocumentId) -> [u8; 16] {
    keys.name.or(keys.status).unwrap_or(*id.as_bytes())
}

/// A sender's text for records and receipts.
pub(crate) fn shown(text: &str) -> String {
    SafeText::new(text).cut(200).into_string()
}
