//! What a packet says of documents that came before it, and what that does to their business states
//! (`lienthong_schemas::business_state`). Nothing is refused for it: what does not fit is a finding.
//!
//! First `Said::by` finds the documents and receivers that are spoken of; then, while nobody else moves these documents
//! (`Said::documents`), `Said::effects` says what becomes of them.

mod find;

use std::collections::BTreeSet;

use lienthong_monitoring::Anomaly;
use lienthong_schemas::business_state::{BusinessState, Event};
use lienthong_schemas::document_name;
use lienthong_schemas::edxml::{BusinessType, Content, Finding, PacketKind, StatusCode};
use lienthong_schemas::ids::StandingKey;
use lienthong_schemas::organ::OrganId;

pub(crate) use self::find::{DOCUMENTS_MAX, Search};
use self::find::{Spoken, Subject};
use crate::ports::{Fault, OutboxStore};
use crate::recall::Asks;
use crate::record::{Move, Recall, RecallAct, RecognitionKeys, Standing};
use crate::route::Addressed;

/// Most documents that one packet of type 3 replaces for us; of more the first ones.
const REPLACED_MAX: usize = 100;

const MESSAGE: &str = "edXMLHeader/MessageHeader";
const BUSSINESS: &str = "edXMLHeader/TraceHeaderList/Bussiness";

/// A finding that does not come from reading the packet, but from what is known besides it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What.
    pub finding: Finding,
    /// Where.
    pub field: String,
    /// The value or the cause, as it stands in the packet.
    pub detail: String,
}

impl Notice {
    /// A finding at a place.
    pub fn new(finding: Finding, field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { finding, field: field.into(), detail: detail.into() }
    }

    /// Under which label it is counted.
    pub fn anomaly(&self) -> Option<Anomaly> {
        match self.finding {
            Finding::StatusDocumentUnknown => Some(Anomaly::StatusDocumentUnknown),
            Finding::StatusSenderUnrelated => Some(Anomaly::StatusSenderUnrelated),
            Finding::StatusUnexpected => Some(Anomaly::StatusUnexpected),
            Finding::ChangeDocumentUnknown => Some(Anomaly::ChangeDocumentUnknown),
            Finding::ChangeUnexpected => Some(Anomaly::ChangeUnexpected),
            _ => None,
        }
    }
}

/// What happens to one document at one receiver.
#[derive(Clone, Debug)]
struct Happening {
    key: StandingKey,
    /// `None`: it begins there.
    event: Option<Event>,
    finding: Finding,
    field: String,
    /// The receiver's code in the directory.
    receiver: OrganId,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// The name of the document that a packet of type 1 or 2, or a 13, is about, when that is not its own.
    pub changes: Option<[u8; 16]>,
    /// The document that it takes back, if it does.
    pub(crate) asks: Option<Asks>,
    documents: BTreeSet<[u8; 16]>,
    happenings: Vec<Happening>,
    notices: Vec<Notice>,
}

/// What becomes of business states, and what is odd about it.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// For the admission.
    pub moves: Vec<Move>,
    /// For the receipt.
    pub notices: Vec<Notice>,
    /// What it asks of earlier deliveries.
    pub recalls: Vec<Recall>,
    /// What becomes of the state at a receiver where the document is taken back before it left.
    pub(crate) withdrawn: Vec<(OrganId, Move)>,
}

impl Said {
    /// What a packet of `sender`, its code in the directory, says to those whom it is for.
    pub(crate) async fn by(
        sender: &OrganId,
        content: &Content,
        to: &[Addressed<'_>],
        keys: &RecognitionKeys,
        search: Search<'_>,
    ) -> Result<Self, Fault> {
        match content.kind {
            PacketKind::Status => Self::status(sender, content, search).await,
            PacketKind::Document(BusinessType::New) => Ok(Self::default()),
            PacketKind::Document(kind @ (BusinessType::Revoke | BusinessType::Update)) => {
                Self::change(sender, content, to, kind, keys, search).await
            }
            PacketKind::Document(BusinessType::Replace) => {
                Self::replacement(sender, content, to, keys, search).await
            }
        }
    }

    /// The names of the documents whose states may move, ascending: whoever moves one takes its turn.
    pub fn documents(&self) -> impl Iterator<Item = [u8; 16]> {
        self.documents.iter().copied()
    }

    /// A status packet: the receiver speaks to the sender, but for 13. When there is no such document, perhaps one side
    /// says what is the other's to say.
    async fn status(sender: &OrganId, content: &Content, search: Search<'_>) -> Result<Self, Fault> {
        let (Some(status), Some(response)) = (&content.status, content.response_for.first()) else {
            return Ok(Self::default());
        };
        let Some(other) = &response.organ_id else { return Ok(Self::default()) };
        let (from, to) = (search.bodies(sender), search.bodies(other));
        let subject = Subject {
            document_id: &response.document_id,
            date: &response.promulgation_date,
            code: &response.code,
        };
        let by_receiver = (&to, &from, Event::Receiver(status.code));
        let by_sender = (&from, &to, Event::Sender(status.code));
        let ways = match status.code {
            StatusCode::RecallAsked => [by_sender, by_receiver],
            _ => [by_receiver, by_sender],
        };
        let mut is_known = false;
        for (senders, receivers, event) in ways {
            let spoken = search.spoken(senders, subject).await?;
            is_known |= !spoken.documents.is_empty();
            if let Some((document, key)) = search.receiver_of(&spoken, receivers).await? {
                let field = format!("{MESSAGE}/StatusCode");
                let (finding, receiver) = (Finding::StatusUnexpected, search.id_of(other));
                let happening = Happening { key, event: Some(event), finding, field, receiver };
                let asks_back = event == Event::Sender(StatusCode::RecallAsked);
                let asks = asks_back.then(|| {
                    let names = spoken.names.clone();
                    Asks { act: RecallAct::Hold, names, from: None, is_whole: false }
                });
                return Ok(Self {
                    changes: asks_back.then_some(document),
                    asks,
                    documents: [document].into(),
                    happenings: vec![happening],
                    ..Self::default()
                });
            }
        }
        let notice = match is_known {
            true => {
                let field = format!("{MESSAGE}/From/OrganId");
                Notice::new(Finding::StatusSenderUnrelated, field, &content.from.organ_text)
            }
            false => {
                let field = format!("{MESSAGE}/ResponseFor/DocumentId");
                Notice::new(Finding::StatusDocumentUnknown, field, &response.document_id)
            }
        };
        Ok(Self { notices: vec![notice], ..Self::default() })
    }

    /// A packet of type 1 or 2, about the document that `Bussiness` names, or else about the one whose number it has.
    async fn change(
        sender: &OrganId,
        content: &Content,
        to: &[Addressed<'_>],
        kind: BusinessType,
        keys: &RecognitionKeys,
        search: Search<'_>,
    ) -> Result<Self, Fault> {
        let named = content.business.as_ref().and_then(|business| business.document_id.as_deref());
        let own = content.document_id.as_deref();
        let code = format!("{}/{}", content.code_number, content.code_notation);
        let subject = Subject {
            document_id: named.or(own).unwrap_or_default(),
            date: &content.promulgation_date,
            code: if named.is_none() { &code } else { "" },
        };
        let spoken = search.spoken(&search.bodies(sender), subject).await?;
        let mut said = Self::default();
        if spoken.documents.is_empty() {
            let field = if named.is_some() {
                format!("{BUSSINESS}/DocumentId")
            } else {
                format!("{MESSAGE}/DocumentId")
            };
            said.notices.push(Notice::new(Finding::ChangeDocumentUnknown, field, subject.document_id));
        }
        let event = |receiver: &OrganId| match (kind, receiver_type(content, receiver, &search)) {
            (BusinessType::Update, Some("1")) => None,
            (BusinessType::Update, Some("0")) => Some(Event::Packet(BusinessType::Revoke)),
            _ => Some(Event::Packet(kind)),
        };
        said.add(&spoken, to, &|_| true, &event, &search).await?;
        let removed = || {
            let removed = |code: &&OrganId| receiver_type(content, code, &search) == Some("0");
            to.iter().map(|to| to.code).filter(removed).map(|code| search.id_of(code)).collect()
        };
        let is_whole = kind == BusinessType::Revoke;
        let from: Option<BTreeSet<OrganId>> = (!is_whole).then(removed);
        if !spoken.documents.is_empty() && from.as_ref().is_none_or(|from| !from.is_empty()) {
            let names = spoken.names.clone();
            said.asks = Some(Asks { act: RecallAct::Withdraw, names, from, is_whole });
        }
        let document = spoken.names.first().copied();
        said.changes = document.filter(|name| keys.name.or(keys.code) != Some(*name));
        Ok(said)
    }

    /// A packet of type 3: itself a new document, and for each that it replaces a question to those whom the list names.
    async fn replacement(
        sender: &OrganId,
        content: &Content,
        to: &[Addressed<'_>],
        keys: &RecognitionKeys,
        search: Search<'_>,
    ) -> Result<Self, Fault> {
        let Some(business) = &content.business else { return Ok(Self::default()) };
        let from = search.bodies(sender);
        let listed = business.replaced.iter().enumerate().map(|(n, replaced)| {
            let field = format!("{BUSSINESS}/ReplacementInfoList/ReplacementInfo[{}]/DocumentId", n + 1);
            (field, replaced.document_id.as_str(), replaced.organ_ids.as_slice())
        });
        let alone = business.document_id.iter().filter(|_| business.replaced.is_empty());
        let alone = alone.map(|id| (format!("{BUSSINESS}/DocumentId"), id.as_str(), &[][..]));
        let mut said = Self::default();
        for (field, document_id, organs) in listed.chain(alone).take(REPLACED_MAX) {
            let own = Some(document_name::by_document_id(sender, document_id)) == keys.name;
            if own || document_id.is_empty() {
                continue;
            }
            let subject = Subject { document_id, date: &content.promulgation_date, code: "" };
            let spoken = search.spoken(&from, subject).await?;
            if spoken.documents.is_empty() {
                said.notices.push(Notice::new(Finding::ChangeDocumentUnknown, field, document_id));
            }
            let organs: BTreeSet<OrganId> = organs
                .iter()
                .filter_map(|text| OrganId::parse(text).ok())
                .map(|id| search.id_of(&id))
                .collect();
            let is_meant = |receiver: &OrganId| organs.is_empty() || organs.contains(&search.id_of(receiver));
            let event = |_: &OrganId| Some(Event::Packet(BusinessType::Replace));
            said.add(&spoken, to, &is_meant, &event, &search).await?;
        }
        Ok(said)
    }

    /// What happens to one document at those receivers of the packet who are meant.
    async fn add(
        &mut self,
        spoken: &Spoken,
        to: &[Addressed<'_>],
        is_meant: &(dyn Fn(&OrganId) -> bool + Sync),
        event: &(dyn Fn(&OrganId) -> Option<Event> + Sync),
        search: &Search<'_>,
    ) -> Result<(), Fault> {
        let Some(document) = spoken.names.first() else { return Ok(()) };
        let meant = to.iter().filter(|to| is_meant(to.code));
        let room = Move::PER_ADMISSION_MAX.saturating_sub(self.happenings.len());
        let meant: Vec<_> = meant.take(room).collect();
        let bodies: Vec<_> = meant.iter().map(|to| search.bodies(to.code)).collect();
        let places = search.receivers_of(*document, spoken, &bodies).await?;
        let mut seen: BTreeSet<_> = self.happenings.iter().map(|happening| happening.key).collect();
        for (to, place) in meant.into_iter().zip(places) {
            let (finding, event, field) = (Finding::ChangeUnexpected, event(to.code), to.field.clone());
            if event.is_some() && !place.is_receiver && !spoken.documents.is_empty() {
                self.notices.push(Notice::new(finding, &field, format!("{}: -", to.text)));
            }
            // Two bodies that one took over are one receiver.
            if seen.insert(place.key) {
                let receiver = search.id_of(to.code);
                self.happenings.push(Happening { key: place.key, event, finding, field, receiver });
            }
        }
        self.documents.insert(*document);
        Ok(())
    }

    /// What becomes of the states. Nobody else moves them meanwhile.
    pub async fn effects(self, store: &dyn OutboxStore) -> Result<Effects, Fault> {
        let Self { happenings, notices, .. } = self;
        let mut effects = Effects { notices, ..Effects::default() };
        if happenings.is_empty() {
            return Ok(effects);
        }
        let keys = happenings.iter().map(|happening| happening.key).collect();
        for (happening, known) in happenings.into_iter().zip(store.standings(keys).await?) {
            effects.add(happening, known);
        }
        Ok(effects)
    }
}

impl Effects {
    fn add(&mut self, happening: Happening, known: Option<Standing>) {
        let Happening { key, event, finding, field, receiver } = happening;
        let before = known.map(|known| known.state).unwrap_or_default();
        let number = known.map_or(0, |known| known.number).saturating_add(1);
        let Some(event) = event else {
            // To who refused it, finished it or gave it up, the document comes anew.
            if known.is_none() || before.stage().is_end() {
                self.moves.push(Move { key, number, state: BusinessState::default() });
            }
            return;
        };
        let moved = before.apply(event);
        if !moved.legal {
            self.notices.push(Notice::new(finding, field, format!("{before} → {}", word(event))));
        }
        if moved.state != before {
            self.moves.push(Move { key, number, state: moved.state });
        }
        let state = BusinessState::taken_back();
        if event == Event::Packet(BusinessType::Revoke) && state != before {
            self.withdrawn.push((receiver, Move { key, number, state }));
        }
    }
}

fn word(event: Event) -> String {
    match event {
        Event::Receiver(code) | Event::Sender(code) => code.digits().to_owned(),
        Event::Packet(kind) => format!("type {}", kind.digit()),
    }
}

/// What an update says of this receiver: `0` removed, `1` added.
fn receiver_type<'c>(content: &'c Content, receiver: &OrganId, search: &Search<'_>) -> Option<&'c str> {
    let business = content.business.as_ref()?;
    let id = search.id_of(receiver);
    let change = business
        .receiver_changes
        .iter()
        .find(|change| change.organ_id.as_ref().is_some_and(|organ| search.id_of(organ) == id))?;
    Some(change.receiver_type.trim())
}
