//! Which document is spoken of, and which of its receivers: by any code that the directory has for them, and by those of
//! bodies that they took over (design.md B5).

use std::collections::BTreeSet;

use jiff::civil::Date;
use lienthong_schemas::document_name;
use lienthong_schemas::edxml::DateText;
use lienthong_schemas::ids::StandingKey;
use lienthong_schemas::organ::OrganId;

use crate::directory::Directory;
use crate::ports::{Fault, OutboxStore};
use crate::recognise::delivery_id;
use crate::record::KnownDocument;

/// Documents under one name that are looked through for a receiver, at most: the newest.
pub(crate) const DOCUMENTS_MAX: usize = 50;

/// How a packet names a document; each part may be empty.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub(super) document_id: &'a str,
    pub(super) date: &'a DateText,
    pub(super) code: &'a str,
}

/// A document that is spoken of.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    /// Under which its states may stand, the likeliest first. They may stand there although no document is known: for a
    /// packet of type 1 or 2 about one that did not pass here.
    pub(super) names: Vec<[u8; 16]>,
    /// The packets that brought it, the newest first.
    pub(super) documents: Vec<KnownDocument>,
}

/// One receiver of a document.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) key: StandingKey,
    /// It was sent to it before, or something was said there.
    pub(super) is_receiver: bool,
}

/// Where to look.
#[derive(Clone, Copy)]
pub(crate) struct Search<'a> {
    pub(crate) store: &'a dyn OutboxStore,
    pub(crate) directory: &'a Directory,
    pub(crate) today: Date,
}

impl Search<'_> {
    pub(crate) fn bodies(&self, code: &OrganId) -> Vec<OrganId> {
        self.directory.bodies(code, self.today)
    }

    pub(crate) fn id_of(&self, code: &OrganId) -> OrganId {
        self.directory.find(code).map_or_else(|| code.clone(), |organisation| organisation.id.clone())
    }

    /// By its DocumentId; if there is none, or none known, by date and number.
    pub(super) async fn spoken(&self, senders: &[OrganId], subject: Subject<'_>) -> Result<Spoken, Fault> {
        let Subject { document_id, date, code } = subject;
        let by_id = senders.iter().map(|sender| document_name::by_document_id(sender, document_id));
        let by_id: Vec<_> = by_id.filter(|_| !document_id.is_empty()).collect();
        let by_code = senders.iter().filter_map(|sender| document_name::by_code(sender, date, code));
        let by_code: Vec<_> = by_code.collect();
        let mut documents = Vec::new();
        for names in [&by_id, &by_code] {
            for name in names {
                let room = DOCUMENTS_MAX - documents.len();
                let known = self.store.known(*name).await?.into_iter().rev();
                // Packets about it that have another name say nothing of who received it.
                documents.extend(known.filter(|known| known.keys.changes != Some(*name)).take(room));
            }
            if !documents.is_empty() {
                break;
            }
        }
        let mut spoken = Spoken { names: Vec::new(), documents };
        let main = spoken.documents.iter().filter_map(|document| document.keys.document_name());
        let fallback = if by_id.is_empty() { by_code } else { by_id };
        for name in main.chain(fallback).collect::<Vec<_>>() {
            if !spoken.names.contains(&name) {
                spoken.names.push(name);
            }
        }
        Ok(spoken)
    }

    /// The first of these bodies that is a receiver, with the name of the document that it received.
    pub(super) async fn receiver_of(
        &self,
        spoken: &Spoken,
        bodies: &[OrganId],
    ) -> Result<Option<([u8; 16], StandingKey)>, Fault> {
        for body in bodies {
            let keys: Vec<_> = spoken.names.iter().map(|name| StandingKey::of(name, body)).collect();
            let standings = self.store.standings(keys.clone()).await?;
            if let Some(at) = standings.iter().position(Option::is_some) {
                return Ok(Some((spoken.names[at], keys[at])));
            }
            for document in &spoken.documents {
                let Some(name) = document.keys.document_name() else { continue };
                if self.store.delivery(delivery_id(document.id, body)).await?.is_some() {
                    return Ok(Some((name, StandingKey::of(&name, body))));
                }
            }
        }
        Ok(None)
    }

    /// The same for many, each with the bodies that it may stand for; who is no receiver stands for itself.
    pub(super) async fn receivers_of(
        &self,
        name: [u8; 16],
        spoken: &Spoken,
        each: &[Vec<OrganId>],
    ) -> Result<Vec<Place>, Fault> {
        let keys = each.iter().flatten().map(|body| StandingKey::of(&name, body)).collect();
        let mut standings = self.store.standings(keys).await?.into_iter();
        let mut receivers = BTreeSet::new();
        for document in &spoken.documents {
            let deliveries = self.store.deliveries_of(document.id).await?;
            receivers.extend(deliveries.into_iter().map(|delivery| delivery.route.receiver));
        }
        let places = each.iter().map(|bodies| {
            let moved: Vec<bool> =
                standings.by_ref().take(bodies.len()).map(|found| found.is_some()).collect();
            let mut known = bodies.iter().zip(moved);
            let found = known.find(|(body, moved)| *moved || receivers.contains(*body)).map(|(body, _)| body);
            let body = found.or(bodies.first());
            body.map(|body| Place { key: StandingKey::of(&name, body), is_receiver: found.is_some() })
        });
        // A code stands for itself at least.
        Ok(places.flatten().collect())
    }
}
