//! What an operator looks at: lists of deliveries, and one delivery with all that is known of it. Every text that came
//! from outside is escaped here; every list is a page.

mod line;

use std::collections::HashMap;

use jiff::Timestamp;
use lienthong_schemas::ids::{DeliveryId, DocumentId, PacketDigest};
use lienthong_schemas::organ::OrganId;
use lienthong_schemas::safe_text::SafeText;
use serde::{Deserialize, Serialize};

use crate::directory::{Directory, Home};
use crate::ports::{Fault, Listing, Ports};
use crate::queue::{Kin, kin_by};
use crate::record::{AdapterKind, Admission, Delivery, HistoryEntry, Remark, State, SystemId};
use crate::view::{self, BusinessView};

pub use line::{Brief, FixBy, Line};
use line::{Why, since};

/// Most deliveries on a page.
pub const PAGE_MAX: usize = 200;
/// Deliveries looked at for one page, at most, when a filter lets few pass.
const LOOK_MAX: usize = 5_000;
/// Deliveries read from the store at once.
const BATCH: usize = 200;
/// Dead letters are counted up to this number.
pub const DEAD_LETTERS_COUNTED_MAX: u64 = 10_000;

/// Which deliveries of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// From this organisation.
    pub sender: Option<OrganId>,
    /// To this organisation, by the code of its route.
    pub receiver: Option<OrganId>,
    /// In this state.
    pub state: Option<State>,
    /// On this way out.
    pub adapter: Option<AdapterKind>,
    /// By this system or axis.
    pub system: Option<SystemId>,
    /// Of this document.
    pub document: Option<DocumentId>,
    /// Whose last failure, or the reason why it is where it is, has this code or contains this text, in whichever case.
    pub reason: Option<String>,
    /// Receipted before this time.
    pub accepted_before: Option<Timestamp>,
    /// Receipted at this time or later.
    pub accepted_after: Option<Timestamp>,
    /// Not over although it should be by now; turned into `accepted_before` by whoever knows the settings.
    pub late: Option<bool>,
    /// What became so, or was sent again, after this time is left out.
    pub as_of: Option<Timestamp>,
    /// The page begins after this delivery.
    pub after: Option<DeliveryId>,
    /// Deliveries on the page; at most [`PAGE_MAX`], which is meant without it.
    pub limit: Option<usize>,
}

impl Wanted {
    fn fits(&self, delivery: &Delivery) -> bool {
        self.sender.as_ref().is_none_or(|sender| *sender == delivery.sender)
            && self.receiver.as_ref().is_none_or(|receiver| *receiver == delivery.route.receiver)
            && self.state.is_none_or(|state| state == delivery.state)
            && self.adapter.is_none_or(|adapter| adapter == delivery.route.adapter)
            && self.system.as_ref().is_none_or(|system| *system == delivery.route.system)
            && self.document.is_none_or(|document| document == delivery.document)
            && self.accepted_before.is_none_or(|before| delivery.accepted_at < before)
            && self.accepted_after.is_none_or(|after| after <= delivery.accepted_at)
            && self.as_of.is_none_or(|as_of| delivery.accepted_at.max(delivery.tried_since()) <= as_of)
    }

    /// The same for what only the history tells.
    fn fits_history(&self, listing: Listing, delivery: &Delivery, lines: &[HistoryEntry]) -> bool {
        let became =
            || since(delivery, lines).is_none_or(|since| self.as_of.is_none_or(|as_of| since <= as_of));
        let told = || self.reason.as_ref().is_none_or(|wanted| Why::of(delivery, lines).has(wanted));
        (listing != Listing::DeadLetters || became()) && told()
    }

    fn needs_history(&self, listing: Listing) -> bool {
        self.reason.is_some() || (self.as_of.is_some() && listing == Listing::DeadLetters)
    }

    /// Nothing behind this one in a list of pending deliveries fits: they stand by the time of their receipts.
    fn ends_at(&self, listing: Listing, delivery: &Delivery) -> bool {
        let over = self.accepted_before.is_some_and(|before| before <= delivery.accepted_at);
        listing == Listing::Pending && over
    }
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Its deliveries.
    pub deliveries: Vec<Line>,
    /// The next page begins after this one; `None`: this is the last.
    pub next: Option<DeliveryId>,
}

/// Everything that is known of one delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// As in a list.
    pub delivery: Line,
    /// The packet's digest.
    pub sha256: PacketDigest,
    /// The packet's length in bytes.
    pub bytes: u64,
    /// Whether the spool has the packet: without it nothing can be sent again.
    pub packet_here: bool,
    /// What the receiver has said of the document; see [`crate::view::DeliveryView::business`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business: Option<BusinessView>,
    /// What the receipt and the document's face say; `None`: this gateway did not admit it.
    pub document: Option<Face>,
    /// What goes before it in its queue, while it is queued.
    pub waits_for: Vec<WaitsFor>,
    /// The home that the directory names now, where it is another one than that of the route, which stays. `None` also
    /// when no directory was looked at.
    pub home_now: Option<String>,
    /// The newest 50 lines of its history, oldest first.
    pub history: Vec<HistoryEntry>,
}

/// What tells a clerk which document it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Face {
    /// The sender's own id of it.
    pub sender_document_id: String,
    /// The sender's name.
    pub from_name: String,
    /// Number and notation.
    pub code: String,
    /// Date, as written.
    pub date: String,
    /// Subject.
    pub subject: String,
    /// The system that brought it.
    pub origin: String,
    /// Signature verdict.
    pub signature: String,
    /// Subject of the signer's certificate.
    pub signer: Option<String>,
    /// Findings of its admission.
    pub findings: Vec<String>,
    /// Where, and in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Remark>,
}

/// Something that goes first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitsFor {
    /// The delivery that goes first.
    pub delivery_id: DeliveryId,
    /// Its document.
    pub document_id: DocumentId,
    /// Its state.
    pub state: State,
    /// It shares, or is referred to by, a DocumentId; else it is the head of the same queue.
    pub related: bool,
    /// When it may be tried, while it is queued.
    pub next_attempt: Option<Timestamp>,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum PageFault {
    /// The page should begin after a delivery that nobody knows.
    #[error("there is no such delivery")]
    AfterUnknown,
    /// Our own trouble.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A page of a list. It may be short, even empty, and yet not the last, when a filter lets few pass. Dead letters have the
/// face of their document.
///
/// # Errors
/// See [`PageFault`].
pub async fn list(ports: &Ports, listing: Listing, wanted: &Wanted) -> Result<Page, PageFault> {
    let (found, next) = page(ports, listing, wanted).await?;
    let (mut deliveries, mut briefs) = (Vec::with_capacity(found.len()), HashMap::new());
    for (delivery, lines) in found {
        let lines = match lines {
            Some(lines) => lines,
            None => ports.store.history(delivery.id).await?,
        };
        let mut line = Line::new(&delivery, &lines);
        if listing == Listing::DeadLetters {
            line.document = brief(ports, delivery.document, &mut briefs).await;
        }
        deliveries.push(line);
    }
    Ok(Page { deliveries, next })
}

/// The ids on a page, and where the next one begins.
pub(super) async fn wanted_ids(
    ports: &Ports,
    listing: Listing,
    wanted: &Wanted,
) -> Result<(Vec<DeliveryId>, Option<DeliveryId>), PageFault> {
    let (found, next) = page(ports, listing, wanted).await?;
    Ok((found.into_iter().map(|(delivery, _)| delivery.id).collect(), next))
}

/// Whether a delivery stands in a list and is wanted.
pub(super) async fn is_wanted(
    ports: &Ports,
    listing: Listing,
    wanted: &Wanted,
    delivery: &Delivery,
) -> Result<bool, Fault> {
    Ok(look_at(ports, listing, wanted, delivery).await?.is_some())
}

type Found = (Vec<(Delivery, Option<Vec<HistoryEntry>>)>, Option<DeliveryId>);

async fn page(ports: &Ports, listing: Listing, wanted: &Wanted) -> Result<Found, PageFault> {
    if let Some(after) = wanted.after
        && ports.store.delivery(after).await?.is_none()
    {
        return Err(PageFault::AfterUnknown);
    }
    let limit = wanted.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let (mut found, mut looked, mut after) = (Vec::new(), 0, wanted.after);
    loop {
        let (batch, ends) = batch(ports, listing, wanted, after).await?;
        for delivery in batch {
            if wanted.ends_at(listing, &delivery) {
                return Ok((found, None));
            }
            (looked, after) = (looked + 1, Some(delivery.id));
            if let Some(lines) = look_at(ports, listing, wanted, &delivery).await? {
                found.push((delivery, lines));
            }
            if found.len() == limit {
                return Ok((found, after));
            }
        }
        if ends || looked >= LOOK_MAX {
            return Ok((found, after.filter(|_| !ends)));
        }
    }
}

/// What comes next in a list, and whether that is its end. The deliveries of one document are at hand by its id.
async fn batch(
    ports: &Ports,
    listing: Listing,
    wanted: &Wanted,
    after: Option<DeliveryId>,
) -> Result<(Vec<Delivery>, bool), Fault> {
    let Some(document) = wanted.document else {
        let batch = ports.store.list(listing, after, BATCH).await?;
        let ends = batch.len() < BATCH;
        return Ok((batch, ends));
    };
    let mut all = ports.store.deliveries_of(document).await?;
    if let Some(at) = all.iter().position(|delivery| Some(delivery.id) == after) {
        all.drain(..=at);
    }
    Ok((all, true))
}

/// `Some` when a delivery stands in the list and is wanted; with its history where that was read for it.
async fn look_at(
    ports: &Ports,
    listing: Listing,
    wanted: &Wanted,
    delivery: &Delivery,
) -> Result<Option<Option<Vec<HistoryEntry>>>, Fault> {
    let stands = match listing {
        Listing::Pending => !delivery.state.is_final(),
        Listing::DeadLetters => delivery.is_dead_letter(),
    };
    if !stands || !wanted.fits(delivery) {
        return Ok(None);
    }
    if !wanted.needs_history(listing) {
        return Ok(Some(None));
    }
    let lines = ports.store.history(delivery.id).await?;
    Ok(wanted.fits_history(listing, delivery, &lines).then_some(Some(lines)))
}

/// The face of a document, read once for a page; nothing where this gateway did not admit it, or cannot read that now.
async fn brief(
    ports: &Ports,
    document: DocumentId,
    known: &mut HashMap<DocumentId, Option<Brief>>,
) -> Option<Brief> {
    if let Some(known) = known.get(&document) {
        return known.clone();
    }
    let admission = ports.spool.admission(document).await;
    let admission = admission.unwrap_or_else(|fault| {
        tracing::warn!(document_id = %document, %fault, "listed without its face");
        None
    });
    let brief = admission.map(|admission| Brief::of(&admission.cover));
    known.insert(document, brief.clone());
    brief
}

/// How many dead letters there are, and whether there are more than were counted.
///
/// # Errors
/// The store's.
pub async fn count_dead_letters(ports: &Ports) -> Result<(u64, bool), Fault> {
    let (mut count, mut after) = (0, None);
    while count < DEAD_LETTERS_COUNTED_MAX {
        let batch = ports.store.list(Listing::DeadLetters, after, BATCH).await?;
        count += batch.len() as u64;
        if batch.len() < BATCH {
            return Ok((count, false));
        }
        after = batch.last().map(|delivery| delivery.id);
    }
    Ok((count, true))
}

/// One delivery, `None` when there is none; without a directory nothing is said of where its receiver is at home now.
///
/// # Errors
/// Those of store and spool.
pub async fn show(
    ports: &Ports,
    directory: Option<&Directory>,
    id: DeliveryId,
) -> Result<Option<Shown>, Fault> {
    let Some(delivery) = ports.store.delivery(id).await? else { return Ok(None) };
    let history: Vec<HistoryEntry> = ports.store.history(id).await?.into_iter().map(safe_line).collect();
    let ahead = match delivery.state {
        State::Queued => ahead_of(ports, &delivery).await?,
        _ => Vec::new(),
    };
    let waits_for = ahead.into_iter().map(|earlier| WaitsFor {
        delivery_id: earlier.id,
        document_id: earlier.document,
        state: earlier.state,
        related: earlier.correlations.iter().any(|key| delivery.correlations.contains(key)),
        next_attempt: (earlier.state == State::Queued).then_some(earlier.due),
    });
    let admission = ports.spool.admission(delivery.document).await?;
    let business = match &admission {
        None => None,
        Some(admission) => {
            let (nobody, receiver) = (Directory::default(), [&delivery.route.receiver]);
            let directory = directory.unwrap_or(&nobody);
            view::business(ports, directory, &admission.keys, &receiver).await?.pop().flatten()
        }
    };
    Ok(Some(Shown {
        waits_for: waits_for.collect(),
        delivery: Line::new(&delivery, &history),
        sha256: delivery.digest,
        bytes: delivery.bytes,
        packet_here: ports.spool.blob(delivery.digest).await?.is_some(),
        business,
        document: admission.map(Face::of),
        home_now: directory.and_then(|directory| home_now(directory, &delivery)),
        history,
    }))
}

/// What goes before a delivery in its queue: the head of its lane, and what it shares a DocumentId with.
pub(super) async fn ahead_of(ports: &Ports, delivery: &Delivery) -> Result<Vec<Delivery>, Fault> {
    let (adapter, queue) = (delivery.route.adapter, delivery.route.queue());
    let mut ahead = ports.store.heads(adapter, &queue, delivery.lane, 1).await?;
    for key in &delivery.correlations {
        match kin_by(&*ports.store, &queue, std::slice::from_ref(delivery), *key).await? {
            Some(Kin::Earlier(kin)) => ahead.push(*kin),
            Some(Kin::Parked(referring)) => ahead.extend(referring.into_iter().map(|one| one.because)),
            Some(Kin::Hidden) | None => {}
        }
    }
    // The parts of one document in one queue leave together.
    ahead.retain(|earlier| earlier.order < delivery.order && earlier.document != delivery.document);
    let mut seen = std::collections::HashSet::new();
    ahead.retain(|earlier| seen.insert(earlier.id));
    Ok(ahead)
}

fn home_now(directory: &Directory, delivery: &Delivery) -> Option<String> {
    let organisation = directory.find(&delivery.route.receiver);
    match organisation.map(|organisation| (&organisation.home, organisation.way)) {
        None => Some("không có trong danh bạ (not in the directory)".to_owned()),
        Some((None, _)) => Some("không có (none)".to_owned()),
        Some((Some(Home::System(home) | Home::Axis(home)), way)) => {
            let same = *home == delivery.route.system && way == Some(delivery.route.adapter);
            let way = way.map_or("-", AdapterKind::as_str);
            (!same).then(|| format!("{home} ({way})"))
        }
    }
}

impl Face {
    fn of(admission: Admission) -> Self {
        let Admission { receipt, cover, .. } = admission;
        Self {
            sender_document_id: safe(&receipt.sender_document_id),
            from_name: safe(&cover.from_name),
            code: safe(&cover.code),
            date: safe(&cover.date),
            subject: safe(&cover.subject),
            origin: safe(receipt.origin.as_str()),
            signature: safe(&receipt.signature),
            signer: receipt.signer.as_deref().map(safe),
            findings: receipt.findings.iter().map(|finding| safe(finding)).collect(),
            remarks: receipt.remarks.into_iter().map(safe_remark).collect(),
        }
    }
}

fn safe(text: &str) -> String {
    SafeText::new(text).into_string()
}

/// The same of a remark whose admission another program wrote.
fn safe_remark(remark: Remark) -> Remark {
    let (code, field, detail) = (safe(&remark.code), safe(&remark.field), safe(&remark.detail));
    Remark { code, field, detail, ..remark }.worded()
}

/// Notes are escaped where they are made; a line taken over from another gateway is not ours to vouch for.
fn safe_line(line: HistoryEntry) -> HistoryEntry {
    HistoryEntry { event: safe(&line.event), note: safe(&line.note), ..line }
}
