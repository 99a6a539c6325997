//! The files of the spool: admissions and the notes beside them read, the store knows what they say, packets have their
//! digests.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use lienthong_pipeline::record::{Delivery, Move, Route, Standing, State};
use lienthong_schemas::ids::{DocumentId, PacketDigest, StandingKey};

use super::{CheckFault, FaultCode, Findings, shown};
use crate::change::{Noted, Record};
use crate::spool::{FileSpool, Notes};
use crate::store::{Inspector, Lookup, Suspect};

/// Faults that are listed of one document; the last one says how many there are besides.
const OF_ONE_MAX: usize = 20;

/// Looks at the files of one spool.
pub(crate) struct Files<'a> {
    pub(crate) spool: &'a FileSpool,
    /// The store to compare with, when it can be read.
    pub(crate) inspector: Option<&'a Inspector<'a>>,
}

/// What one file of `admissions/` showed.
#[derive(Default)]
pub(crate) struct Paper {
    pub(crate) faults: Vec<CheckFault>,
    unnoted: u64,
}

/// What a file of `admissions/` is, by its name.
enum Kind {
    Admission,
    /// What became of deliveries.
    Note,
    /// What axes gave that says the same.
    Copies,
}

impl Files<'_> {
    /// Every file of `admissions/`.
    pub(crate) fn admissions(&self, findings: &mut Findings) {
        each(self.spool.admissions_folder(), "admissions", findings, |name, findings| {
            let Paper { faults, unnoted } = self.paper(name);
            findings.check.unnoted += unnoted;
            findings.suspect(|| Suspect::Paper(name.to_owned()), faults.len());
        });
    }

    /// Every file of `blobs/`. A packet never changes, so it is looked at once.
    pub(crate) fn blobs(&self, findings: &mut Findings, deep: bool) {
        each(self.spool.blobs_folder(), "blobs", findings, |name, findings| match self.blob(name, deep) {
            Ok(None) => {}
            Ok(Some(bytes)) => {
                findings.check.blobs += 1;
                findings.check.bytes += bytes;
            }
            Err(fault) => findings.fault(fault),
        });
    }

    /// One file of `admissions/`.
    pub(crate) fn paper(&self, name: &OsStr) -> Paper {
        let place = shown("admissions", name);
        let whole = name.to_str();
        let beside = |end| whole.and_then(|name| name.strip_suffix(end));
        let (stem, kind) = match (beside(".settled"), beside(".copies")) {
            (Some(stem), _) => (Some(stem), Kind::Note),
            (_, Some(stem)) => (Some(stem), Kind::Copies),
            _ => (whole, Kind::Admission),
        };
        let document =
            stem.and_then(|stem| stem.parse::<DocumentId>().ok().filter(|id| id.to_string() == stem));
        let Some(document) = document else {
            let why = "its name is not the id of a document";
            return one(CheckFault::new(FaultCode::FileForeign, place, why));
        };
        match kind {
            Kind::Admission => self.admission(document, place),
            Kind::Note => self.note(document, place),
            Kind::Copies => self.copies(document, place),
        }
    }

    fn copies(&self, document: DocumentId, place: String) -> Paper {
        match self.spool.read_copies(document) {
            Ok(Ok(_)) => Paper::default(),
            Ok(Err(damage)) => one(CheckFault::new(FaultCode::NoteDamaged, place, damage.to_string())),
            Err(cause) => one(CheckFault::new(FaultCode::FileUnreadable, place, cause.to_string())),
        }
    }

    fn note(&self, document: DocumentId, place: String) -> Paper {
        match self.spool.notes(document) {
            Ok(Notes { damaged: 0, .. }) => Paper::default(),
            Ok(Notes { damaged, .. }) => {
                one(CheckFault::new(FaultCode::NoteDamaged, place, format!("{damaged} lines do not read")))
            }
            Err(cause) => one(CheckFault::new(FaultCode::FileUnreadable, place, cause.to_string())),
        }
    }

    fn admission(&self, document: DocumentId, place: String) -> Paper {
        let admission = match self.spool.admission_of(document) {
            Ok(Some(admission)) => admission,
            Ok(None) => return Paper::default(),
            Err(damaged) => return one(CheckFault::new(FaultCode::AdmissionDamaged, place, damaged.why)),
        };
        let Some(inspector) = self.inspector else { return Paper::default() };
        match inspector.knows(document) {
            Lookup::Found(_) => {}
            Lookup::Unreadable => return Paper::default(),
            Lookup::Absent if self.is_left_out(inspector, document) => return Paper::default(),
            Lookup::Absent => {
                let why = "the store does not know it; the next start takes it in";
                return one(CheckFault::new(FaultCode::AdmissionUnknown, place, why));
            }
        }
        // What is wrong with the notes is said where their own file is looked at.
        let states = self.spool.notes(document).map(|notes| notes.states).unwrap_or_default();
        let mut paper = Paper::default();
        let mut faults = Vec::new();
        for delivery in &admission.deliveries {
            let fault = match inspector.record(delivery.id) {
                Lookup::Found(record) => {
                    let agrees = compare(delivery, states.get(&delivery.id), &record);
                    paper.unnoted += u64::from(agrees == Ok(false));
                    agrees.err().map(|why| (FaultCode::NoteDiffers, why))
                }
                Lookup::Absent => Some((FaultCode::DeliveryMissing, "the store does not have it".to_owned())),
                Lookup::Unreadable => None,
            };
            faults.extend(fault.map(|(code, why)| (code, format!("delivery {}: {why}", delivery.id))));
        }
        let at = admission.receipt.accepted_at;
        let may_be_gone = inspector.pruned_before().is_some_and(|before| at < before);
        let by_recall: HashMap<StandingKey, &Move> = admission
            .recalls
            .iter()
            .flat_map(|recall| &recall.moves)
            .map(|change| (change.key, change))
            .collect();
        let moved = admission.moves.iter().filter_map(|change| {
            let found = inspector.standing(change.key);
            if may_be_gone && matches!(found, Lookup::Absent) {
                return None;
            }
            let instead = by_recall.get(&change.key);
            let fits = instead.is_some_and(|change| differs(change, at, &found).is_none());
            differs(change, at, &found).filter(|_| !fits)
        });
        faults.extend(moved.map(|why| (FaultCode::StandingDiffers, why)));
        let besides = faults.len().saturating_sub(OF_ONE_MAX);
        let listed = faults.into_iter().take(OF_ONE_MAX);
        paper.faults.extend(listed.map(|(code, why)| CheckFault::new(code, &*place, why)));
        if let Some(last) = paper.faults.last_mut().filter(|_| besides > 0) {
            last.detail += &format!(" (and {besides} more of this document)");
        }
        paper
    }

    /// A document that is kept no longer: a store that was built anew did not take it in, and it is removed in a while.
    fn is_left_out(&self, inspector: &Inspector<'_>, document: DocumentId) -> bool {
        let Some(before) = inspector.pruned_before() else { return false };
        matches!(self.spool.read_admission(document), Ok(Some(found)) if found.is_old(before))
    }

    fn blob(&self, name: &OsStr, deep: bool) -> Result<Option<u64>, CheckFault> {
        let place = shown("blobs", name);
        let digest = name
            .to_str()
            .and_then(|text| text.parse::<PacketDigest>().ok().filter(|d| d.to_string() == text));
        let path = self.spool.blobs_folder().join(name);
        let found = match fs::symlink_metadata(&path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found,
        };
        let unreadable =
            |cause: io::Error| CheckFault::new(FaultCode::FileUnreadable, &*place, cause.to_string());
        let found = found.map_err(unreadable)?;
        let Some(digest) = digest.filter(|_| found.is_file()) else {
            return Err(CheckFault::new(
                FaultCode::FileForeign,
                place,
                "it is not a packet under its digest",
            ));
        };
        if deep && crate::spool::digest_of(&path).map_err(unreadable)? != digest {
            return Err(CheckFault::new(
                FaultCode::BlobDamaged,
                place,
                "its bytes are not the ones that came",
            ));
        }
        Ok(Some(found.len()))
    }
}

/// Whether a store that is lost would be built anew as it is: `Ok(false)` when an attempt would be repeated.
fn compare(admitted: &Delivery, noted: Option<&Noted>, record: &Record) -> Result<bool, String> {
    let (goes, went) = (&record.delivery.route, noted.and_then(|noted| noted.route.as_ref()));
    match went {
        None if *goes != admitted.route => {
            let (went, goes) = (shown_way(&admitted.route), shown_way(goes));
            return Err(format!("not noted as going another way than by {went}, and by {goes} in the store"));
        }
        // The note comes first: a reroute was cut, and should the store be lost it is done, as was asked.
        Some(went) if went != goes => return Ok(false),
        _ => {}
    }
    let is = record.delivery.state;
    let was = noted.map_or(admitted.state, |noted| noted.state);
    let held = |state| state == State::Parked;
    match (was.is_final(), is.is_final()) {
        (true, true) if was != is => {}
        (true, false) => {}
        // Parking is noted only where a recall did it; a requeue always is.
        (false, false) if held(was) && !held(is) => {}
        (false, true) => return Ok(false),
        _ => return Ok(true),
    }
    Err(format!("noted as {}, and {} in the store", was.as_str(), is.as_str()))
}

fn shown_way(route: &Route) -> String {
    format!("{} {} to {}", route.adapter.as_str(), route.system, route.receiver)
}

/// Whether a move, made at this time, is neither what holds nor behind it; why.
fn differs(change: &Move, at: Timestamp, found: &Lookup<Standing>) -> Option<String> {
    let (key, number, state) = (change.key, change.number, change.state);
    let found = match found {
        Lookup::Found(found) if (found.number, found.since) > (number, at) => return None,
        Lookup::Found(found) if (found.number, found.since, found.state) == (number, at, state) => {
            return None;
        }
        Lookup::Found(found) => format!("{} by move {}", found.state, found.number),
        Lookup::Absent => "nothing".to_owned(),
        Lookup::Unreadable => return None,
    };
    Some(format!("state {key}: {state} by move {number}, and {found} in the store"))
}

fn one(fault: CheckFault) -> Paper {
    Paper { faults: vec![fault], unnoted: 0 }
}

/// Looks at every name of a folder; a folder that cannot be listed is a fault.
fn each(folder: &Path, shown_as: &str, findings: &mut Findings, mut look: impl FnMut(&OsStr, &mut Findings)) {
    let unreadable =
        |cause: io::Error| CheckFault::new(FaultCode::FileUnreadable, shown_as, cause.to_string());
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) => return findings.fault(unreadable(cause)),
    };
    for entry in entries {
        let name: OsString = match entry {
            Ok(entry) => entry.file_name(),
            Err(cause) => {
                findings.fault(unreadable(cause));
                continue;
            }
        };
        look(&name, findings);
    }
}
