//! Whether two documents under one name are the same, and which of them goes where when several gateways took them
//! (design.md B3). No I/O: what this gateway knows is compared in `recognise`, what others said in `relay/names.rs`.

use std::collections::{BTreeMap, BTreeSet};

use lienthong_schemas::edxml::{BusinessType, PacketKind};
use lienthong_schemas::ids::{DocumentId, PacketDigest};
use lienthong_schemas::organ::OrganId;

use crate::record::{NameClaim, NameClaims, NodeName};

/// What documents under one name are compared by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Likeness<'a> {
    pub(crate) kind: &'a str,
    pub(crate) digest: PacketDigest,
    pub(crate) semantic: Option<PacketDigest>,
}

/// What one document is to another one under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// It says the same: who has one needs no other.
    Same,
    /// It says something else, and no receiver may have both.
    Other,
    /// Both may go anywhere.
    Apart,
}

impl Likeness<'_> {
    pub(crate) fn to(self, other: Self) -> Relation {
        let is = |kind: PacketKind| self.kind == kind.id_text();
        let says_the_same = self.semantic.is_some() && self.semantic == other.semantic;
        if self.kind != other.kind {
            Relation::Apart
        } else if self.digest == other.digest || says_the_same || is(PacketKind::Status) {
            // The name of a status packet is all that it says.
            Relation::Same
        } else if is(PacketKind::Document(BusinessType::New)) {
            Relation::Other
        } else {
            Relation::Apart
        }
    }
}

impl NameClaim {
    pub(crate) fn likeness(&self) -> Likeness<'_> {
        Likeness { kind: &self.kind, digest: self.digest, semantic: self.semantic }
    }
}

/// The document that a receiver has in place of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Earlier {
    pub(crate) document: DocumentId,
    pub(crate) node: NodeName,
}

/// Where a document does not go, because others under its name were there before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stopped {
    /// Another document is there.
    pub(crate) conflicts: BTreeMap<OrganId, Earlier>,
    /// The same is there.
    pub(crate) served: BTreeMap<OrganId, Earlier>,
    /// The first other document under its name.
    pub(crate) reuses: Option<Earlier>,
}

/// What a document, which names all its receivers, comes to behind those that are known under its name; and what is to be
/// said of the name then, `None` where it was said already or there is no room. Of those `from_axis` nothing conflicts.
pub(crate) fn claim(
    known: &[NameClaim],
    mut own: NameClaim,
    from_axis: bool,
) -> (Stopped, Option<Vec<NameClaim>>) {
    let said = known.iter().find(|claim| claim.document == own.document);
    let goes: BTreeSet<&OrganId> = said.iter().flat_map(|said| &said.receivers).collect();
    let mut stopped = Stopped::default();
    for earlier in known.iter().filter(|claim| claim.document != own.document) {
        let by = || Earlier { document: earlier.document, node: earlier.node.clone() };
        let common = own.receivers.intersection(&earlier.receivers).filter(|common| !goes.contains(common));
        let place = match own.likeness().to(earlier.likeness()) {
            Relation::Same => &mut stopped.served,
            Relation::Other if !from_axis => {
                stopped.reuses.get_or_insert_with(by);
                &mut stopped.conflicts
            }
            Relation::Other | Relation::Apart => continue,
        };
        for receiver in common {
            place.entry(receiver.clone()).or_insert_with(by);
        }
    }
    let Stopped { conflicts, served, .. } = &mut stopped;
    conflicts.retain(|receiver, _| !served.contains_key(receiver));
    if said.is_some() {
        return (stopped, None);
    }
    own.receivers.retain(|receiver| !conflicts.contains_key(receiver) && !served.contains_key(receiver));
    let mut all = known.to_vec();
    all.push(own);
    let receivers: usize = all.iter().map(|claim| claim.receivers.len()).sum();
    let fits = all.len() <= NameClaims::DOCUMENTS_MAX && receivers <= NameClaims::RECEIVERS_MAX;
    (stopped, fits.then_some(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn organ(code: &str) -> OrganId {
        OrganId::parse(code).expect("a code")
    }

    /// The document of these bytes, which says what the text says, for these receivers.
    fn of(bytes: &str, says: &str, receivers: &[&str]) -> NameClaim {
        let digest = PacketDigest::of(bytes.as_bytes());
        let kind = PacketKind::Document(BusinessType::New).id_text().to_owned();
        NameClaim {
            document: DocumentId::derive(&organ("H55"), "one", &kind, &digest),
            node: NodeName::parse("gw-1").expect("a name"),
            kind,
            digest,
            semantic: Some(PacketDigest::of(says.as_bytes())),
            receivers: receivers.iter().map(|code| organ(code)).collect(),
        }
    }

    fn codes<'a>(codes: impl IntoIterator<Item = &'a OrganId>) -> Vec<&'a str> {
        codes.into_iter().map(OrganId::as_str).collect()
    }

    #[test]
    fn another_document_is_stopped_where_the_first_one_is() {
        let first = of("1", "one", &["H55.01", "H55.02"]);
        let (stopped, said) = claim(&[], first.clone(), false);
        assert_eq!((&stopped, said.as_deref()), (&Stopped::default(), Some(std::slice::from_ref(&first))));
        let second = of("2", "two", &["H55.02", "H55.03"]);
        let (stopped, said) = claim(std::slice::from_ref(&first), second.clone(), false);
        assert_eq!(codes(stopped.conflicts.keys()), ["H55.02"]);
        assert_eq!(stopped.reuses.as_ref().map(|earlier| earlier.document), Some(first.document));
        let said = said.expect("to be said");
        assert_eq!(codes(&said[1].receivers), ["H55.03"], "where it goes");
        // Said again after a kill it comes to the same.
        assert_eq!(claim(&said, second.clone(), false), (stopped, None));
        assert_eq!(claim(&said, first, false).0.conflicts, BTreeMap::new(), "the first one stays the first");
        // A third one meets both.
        let (third, _) = claim(&said, of("3", "three", &["H55.01", "H55.03", "H55.04"]), false);
        assert_eq!(codes(third.conflicts.keys()), ["H55.01", "H55.03"]);
        assert_eq!(third.conflicts[&organ("H55.03")].document, second.document);
    }

    #[test]
    fn who_has_the_same_needs_no_other() {
        let first = of("1", "one", &["H55.01", "H55.02"]);
        let (stopped, said) = claim(&[first], of("2", "one", &["H55.02", "H55.03"]), false);
        assert_eq!(codes(stopped.served.keys()), ["H55.02"]);
        assert_eq!((stopped.conflicts.len(), &stopped.reuses), (0, &None));
        let said = said.expect("to be said");
        // Another one conflicts with whoever of them is there; served counts before.
        let (stopped, _) = claim(&said, of("3", "two", &["H55.03"]), false);
        assert_eq!(stopped.conflicts[&organ("H55.03")].document, said[1].document);
    }

    #[test]
    fn what_an_axis_gave_conflicts_with_nothing() {
        let first = of("1", "one", &["H55.01"]);
        let (stopped, said) = claim(&[first], of("2", "two", &["H55.01"]), true);
        assert_eq!(stopped, Stopped::default());
        assert_eq!(said.expect("to be said").len(), 2);
    }

    #[test]
    fn a_name_is_for_the_kinds_that_it_is_for() {
        let with =
            |claim: NameClaim, kind: PacketKind| NameClaim { kind: kind.id_text().to_owned(), ..claim };
        let update = PacketKind::Document(BusinessType::Update);
        let one = |kind| NameClaim { semantic: None, ..with(of("1", "", &["H55.01"]), kind) };
        let two = |kind| NameClaim { semantic: None, ..with(of("2", "", &["H55.01"]), kind) };
        assert_eq!(claim(&[one(update)], two(update), false).0, Stopped::default(), "another digest");
        let new = PacketKind::Document(BusinessType::New);
        assert_eq!(claim(&[one(new)], two(update), false).0, Stopped::default(), "another kind");
        assert_eq!(claim(&[one(PacketKind::Status)], two(PacketKind::Status), false).0.served.len(), 1);
        assert_eq!(claim(&[one(new)], two(new), false).0.conflicts.len(), 1);
    }

    #[test]
    fn a_name_has_no_more_documents_than_fit() {
        let documents = |n: usize| of(&n.to_string(), "one", &[&format!("H{n}")]);
        let full: Vec<_> = (1..=NameClaims::DOCUMENTS_MAX).map(documents).collect();
        assert!(claim(&full[1..], documents(0), false).1.is_some());
        let (stopped, said) = claim(&full, of("x", "two", &["H7"]), false);
        assert_eq!((stopped.conflicts.len(), said), (1, None), "what is known counts all the same");
    }
}
