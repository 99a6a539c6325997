//! What a packet says of documents that came before it, and what that does to their business states
//! (`lienthong_schemas::business_state`). Nothing is refused for it: what does not fit is a finding.
//!
//! First [`Said::by`] finds the documents and receivers that are spoken of; then, while nobody else moves these documents
//! ([`Said::documents`]), [`Said::effects`] says what becomes of them.

mod find;

use std::collections::BTreeSet;

use jiff::civil::Date;
use lienthong_monitoring::Anomaly;
use lienthong_schemas::business_state::{BusinessState, Event};
use lienthong_schemas::document_name;
use lienthong_schemas::edxml::{BusinessType, Content, Finding, PacketKind, StatusCode};
use lienthong_schemas::ids::StandingKey;
use lienthong_schemas::organ::OrganId;

use self::find::{Search, Spoken, Subject};
use crate::directory::Directory;
use crate::ports::{Fault, OutboxStore};
use crate::record::{Move, RecognitionKeys, Standing};

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
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// The name of the document that a packet of type 1 or 2 is about, when that is not its own.
    pub changes: Option<[u8; 16]>,
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
}

impl Said {
    /// What a packet of `sender`, its code in the directory, says.
    pub async fn by(
        sender: &OrganId,
        content: &Content,
        keys: &RecognitionKeys,
        store: &dyn OutboxStore,
        directory: &Directory,
        today: Date,
    ) -> Result<Self, Fault> {
        let search = Search { store, directory, today };
        match content.kind {
            PacketKind::Status => Self::status(sender, content, search).await,
            PacketKind::Document(BusinessType::New) => Ok(Self::default()),
            PacketKind::Document(kind @ (BusinessType::Revoke | BusinessType::Update)) => {
                Self::change(sender, content, kind, keys, search).await
            }
            PacketKind::Document(BusinessType::Replace) => {
                Self::replacement(sender, content, keys, search).await
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
                let finding = Finding::StatusUnexpected;
                let happening = Happening { key, event: Some(event), finding, field };
                return Ok(Self {
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
        said.add(&spoken, content, &|_| true, &event, &search).await?;
        let document = spoken.names.first().copied();
        said.changes = document.filter(|name| keys.name.or(keys.code) != Some(*name));
        Ok(said)
    }

    /// A packet of type 3: itself a new document, and for each that it replaces a question to those whom the list names.
    async fn replacement(
        sender: &OrganId,
        content: &Content,
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
            said.add(&spoken, content, &is_meant, &event, &search).await?;
        }
        Ok(said)
    }

    /// What happens to one document at those receivers of the packet who are meant.
    async fn add(
        &mut self,
        spoken: &Spoken,
        content: &Content,
        is_meant: &(dyn Fn(&OrganId) -> bool + Sync),
        event: &(dyn Fn(&OrganId) -> Option<Event> + Sync),
        search: &Search<'_>,
    ) -> Result<(), Fault> {
        let Some(document) = spoken.names.first() else { return Ok(()) };
        let meant = content.to.iter().enumerate().filter(|(_, to)| is_meant(&to.organ_id));
        let room = Move::PER_ADMISSION_MAX.saturating_sub(self.happenings.len());
        let meant: Vec<_> = meant.take(room).collect();
        let bodies: Vec<_> = meant.iter().map(|(_, to)| search.bodies(&to.organ_id)).collect();
        let places = search.receivers_of(*document, spoken, &bodies).await?;
        let mut seen: BTreeSet<_> = self.happenings.iter().map(|happening| happening.key).collect();
        for ((n, to), place) in meant.into_iter().zip(places) {
            let field = format!("{MESSAGE}/To[{}]/OrganId", n + 1);
            let (finding, event) = (Finding::ChangeUnexpected, event(&to.organ_id));
            if event.is_some() && !place.is_receiver && !spoken.documents.is_empty() {
                self.notices.push(Notice::new(finding, &field, format!("{}: -", to.organ_text)));
            }
            // Two bodies that one took over are one receiver.
            if seen.insert(place.key) {
                self.happenings.push(Happening { key: place.key, event, finding, field });
            }
        }
        self.documents.insert(*document);
        Ok(())
    }

    /// What becomes of the states. Nobody else moves them meanwhile.
    pub async fn effects(self, store: &dyn OutboxStore) -> Result<Effects, Fault> {
        let Self { happenings, notices, .. } = self;
        let mut effects = Effects { moves: Vec::new(), notices };
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
        let Happening { key, event, finding, field } = happening;
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
