//! Whom a sender's signature is checked against: named sets of authorities with their revocation lists, and, for one
//! packet, the certificates that the directory binds to its sender. A set belongs to the directory that was read with it,
//! so that both are swapped together.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use lienthong_schemas::edxml::{Envelope, PacketKind, SignaturePolicy};
use xml_sig::{Authorities, Crl, Trust};

use crate::directory::Directory;
use crate::examine::SenderTrust;
use crate::intake::Origin;

/// A revocation list is old when less than this is left of it, or less than a third of its life if that is shorter.
const OLD_BEFORE_END: SignedDuration = SignedDuration::from_hours(3 * 24);

/// The authorities of the settings: the set that holds for every sender whose entry names none, and those with a name.
#[derive(Clone, Debug, Default)]
pub struct TrustSets {
    default: Arc<Authorities>,
    named: BTreeMap<String, Arc<Authorities>>,
}

/// The newest revocation list of one authority in one set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationList {
    /// The set's name; empty for the default one.
    pub set: String,
    /// The authority's subject (RFC 4514).
    pub issuer: String,
    /// Its dates; `None` when the set has lists, and none that this anchor signed.
    pub dates: Option<ListDates>,
}

/// When a list was made, and by when the next one is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListDates {
    /// thisUpdate.
    pub this_update: Timestamp,
    /// nextUpdate; thisUpdate when the list does not say, for such a list is never current.
    pub next_update: Timestamp,
}

/// Whether a list can still be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freshness {
    /// Nothing to do.
    Fresh,
    /// It must be replaced soon.
    Old,
    /// Signatures below this authority are not judged until there is a newer one.
    Expired,
    /// The same, for there is none.
    Missing,
}

impl RevocationList {
    /// How it stands at a time.
    pub fn freshness(&self, at: Timestamp) -> Freshness {
        let Some(dates) = self.dates else { return Freshness::Missing };
        let third = dates.next_update.duration_since(dates.this_update) / 3;
        let left = dates.next_update.duration_since(at);
        match left {
            left if left.is_negative() => Freshness::Expired,
            left if left < third.min(OLD_BEFORE_END) => Freshness::Old,
            _ => Freshness::Fresh,
        }
    }
}

impl TrustSets {
    /// The sets of the settings.
    pub fn new(default: Authorities, named: impl IntoIterator<Item = (String, Authorities)>) -> Self {
        let named = named.into_iter().map(|(name, set)| (name, Arc::new(set)));
        Self { default: Arc::new(default), named: named.collect() }
    }

    /// The set of this name, or the default one.
    pub fn find(&self, name: Option<&str>) -> Option<&Arc<Authorities>> {
        name.map_or(Some(&self.default), |name| self.named.get(name))
    }

    /// All sets, with their names; the default one has none.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Authorities)> {
        let named = self.named.iter().map(|(name, set)| (name.as_str(), &**set));
        std::iter::once(("", &*self.default)).chain(named)
    }

    /// What there is to know of revocation: for each set with lists, the newest list of each authority that has one,
    /// and each anchor without. A set without lists checks no revocation and is not here.
    pub fn revocation_lists(&self) -> Vec<RevocationList> {
        self.all()
            .filter(|(_, set)| !set.crls.is_empty())
            .flat_map(|(name, set)| lists_of(name, set))
            .collect()
    }

    /// The time by which the first of all lists must have been replaced.
    pub fn earliest_next_update(&self) -> Option<Timestamp> {
        self.revocation_lists().iter().filter_map(|list| Some(list.dates?.next_update)).min()
    }
}

fn lists_of(name: &str, set: &Authorities) -> Vec<RevocationList> {
    let mut newest: BTreeMap<String, Option<ListDates>> =
        set.anchors.iter().map(|anchor| (anchor.subject(), None)).collect();
    for crl in &set.crls {
        // A list with the name of an anchor counts when the anchor signed it. Others are of authorities below, whose
        // certificates come with the documents.
        let mut anchors = set.anchors.iter().filter(|anchor| anchor.subject() == crl.issuer()).peekable();
        if anchors.peek().is_some() && !anchors.any(|anchor| crl.is_by(anchor)) {
            continue;
        }
        let dates = dates_of(crl);
        let known = newest.entry(crl.issuer().to_owned()).or_default();
        if known.is_none_or(|known| known.next_update < dates.next_update) {
            *known = Some(dates);
        }
    }
    let list = |(issuer, dates)| RevocationList { set: name.to_owned(), issuer, dates };
    newest.into_iter().map(list).collect()
}

fn dates_of(crl: &Crl) -> ListDates {
    let this_update = crl.this_update();
    ListDates { this_update, next_update: crl.next_update().unwrap_or(this_update) }
}

/// What a claimed sender's signature is checked against. A sender that this connection may not speak for is refused
/// later, by attribute; here it only has nothing to be trusted by.
pub(crate) fn sender_trust(
    claims: &Envelope,
    origin: &Origin,
    directory: &Directory,
    now: Timestamp,
) -> SenderTrust {
    let sender = directory.find(claims.claimed_sender());
    // Without a certificate bound to this sender, a chain would let any holder of a certificate sign for it.
    let bound = sender.filter(|sender| !sender.signers.is_empty());
    let (signers, authorities) =
        bound.map(|sender| (sender.signers.clone(), directory.authorities_of(sender))).unwrap_or_default();
    let policy = match (origin, claims.claimed_kind()) {
        (Origin::Gateway { .. }, _) => SignaturePolicy::VerifyIfPresent,
        // It writes packets anew, and no signature survives that (design.md B4).
        (Origin::Axis { .. }, _) => SignaturePolicy::RecordOnly,
        // No status packet in use is signed (spec edxml section 1); the connection speaks for it.
        (Origin::System(_) | Origin::Sdk { .. }, PacketKind::Status) => SignaturePolicy::VerifyIfPresent,
        (Origin::System(_) | Origin::Sdk { .. }, PacketKind::Document(_)) => {
            sender.map(|s| s.signature).unwrap_or_default()
        }
    };
    let legacy_sha1 = sender.is_some_and(|sender| sender.legacy_sha1);
    SenderTrust { trust: Trust { signers, authorities, at: now, legacy_sha1 }, policy }
}

#[cfg(test)]
pub(crate) mod tests;
