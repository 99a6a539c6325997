//! Looks whether store and spool are whole and agree, and changes nothing: `inspect` in the store looks at each key,
//! `files` at each file. A gateway may be at work meanwhile: what looks wrong is looked at again before it is said.

mod files;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use lienthong_pipeline::ports::Fault;
use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

pub(crate) use self::files::Files;
use crate::change::PLACE;
use crate::format;
use crate::lock::DataLock;
use crate::offline::present;
use crate::open::{OpenFault, STORE};
use crate::spool::FileSpool;
use crate::store::{FileStore, Inspector, StoreFault, Suspect, look_at, said};

/// Faults that are told one by one; more are counted.
pub const FAULTS_MAX: usize = 100;
/// What looked wrong and is remembered to be looked at again; more is counted as it looked.
const SUSPECTS_MAX: usize = 1_000;
/// Looks at a file that seems wrong, after the first one: an admission is on disk a moment before the store has it.
const LOOKS: usize = 6;
/// Time between them.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxCheck {
    /// Documents that the store has.
    pub documents: u64,
    /// Deliveries that the store has, those taken over from other gateways included.
    pub deliveries: u64,
    /// Of these, not in a final state.
    pub pending: u64,
    /// Outcomes that are not noted beside their admission, because the gateway was killed or the disk was full just then.
    /// No fault: if the store were lost, these deliveries would be tried once more with the same ids (design.md B2).
    pub unnoted: u64,
    /// Packets in `blobs/`.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What is wrong, at most [`FAULTS_MAX`].
    pub faults: Vec<CheckFault>,
    /// Faults beyond these.
    pub more_faults: u64,
}

impl OutboxCheck {
    /// Nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.faults.is_empty() && self.more_faults == 0
    }

    fn add(&mut self, faults: Vec<CheckFault>) {
        for fault in faults {
            if self.faults.len() < FAULTS_MAX {
                self.faults.push(fault);
            } else {
                self.more_faults += 1;
            }
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckFault {
    /// What kind of fault.
    pub code: FaultCode,
    /// Where: a key of the store, or a file below the data folder. Escaped.
    pub place: String,
    /// In words. Escaped.
    pub detail: String,
}

impl CheckFault {
    pub(crate) fn new(code: FaultCode, place: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { code, place: place.into(), detail: detail.into() }
    }
}

/// The kinds of faults. The words do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultCode {
    /// The store is not there.
    StoreMissing,
    /// The store cannot be read; the next start builds it anew.
    StoreUnreadable,
    /// Damage was met before and noted; the next start builds the store anew.
    DamageNoted,
    /// An earlier program wrote the store; the next start indexes it anew. Its entries were not looked at.
    LayoutOld,
    /// The store was never filled to its end; the next start goes on.
    NotWhole,
    /// A value is not the one that was written.
    ValueDamaged,
    /// A key that this program does not write.
    KeyUnknown,
    /// An entry names a record, or a document, that is not there.
    EntryDangling,
    /// An entry does not belong to its record as that stands.
    EntryStale,
    /// A record is not found under one of its keys.
    EntryMissing,
    /// The last line of a delivery's history is not there.
    HistoryMissing,
    /// A number that was given out already would be given out again, or a count is wrong.
    Counter,
    /// A file cannot be read now.
    FileUnreadable,
    /// A file that is not ours lies among ours.
    FileForeign,
    /// An admission is torn, altered, or of a newer program.
    AdmissionDamaged,
    /// A delivery that goes on has no admission.
    AdmissionMissing,
    /// The store does not know an admission; the next start takes it in.
    AdmissionUnknown,
    /// The store lacks a delivery of an admission.
    DeliveryMissing,
    /// A line beside an admission is torn or altered.
    NoteDamaged,
    /// What is noted beside an admission contradicts the store.
    NoteDiffers,
    /// A business state is neither the one that an admission made it nor a later one.
    StandingDiffers,
    /// A delivery that goes on has no packet.
    BlobMissing,
    /// A packet has another length than its delivery says.
    BlobLength,
    /// A packet's bytes do not have its digest.
    BlobDamaged,
}

/// What the first look found, and what has to be looked at again.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) check: OutboxCheck,
    suspects: Vec<Suspect>,
}

impl Findings {
    /// Something looked wrong in so many ways.
    pub(crate) fn suspect(&mut self, suspect: impl FnOnce() -> Suspect, faults: usize) {
        if faults == 0 {
        } else if self.suspects.len() < SUSPECTS_MAX {
            self.suspects.push(suspect());
        } else {
            self.check.more_faults += faults as u64;
        }
    }

    /// What nobody else changes.
    pub(crate) fn fault(&mut self, fault: CheckFault) {
        self.check.add(vec![fault]);
    }
}

/// Checks the data folder of a gateway that is stopped; the lock says that it is. With `deep` the digest of every packet is
/// made. Blocks. The store's engine may tidy up its own files, as at any opening; no content changes.
///
/// # Errors
/// The folder is of a newer format, or no data folder; else what is wrong is in the answer.
pub fn check(_lock: &DataLock, data_dir: &Path, deep: bool) -> Result<OutboxCheck, OpenFault> {
    format::look(data_dir)?;
    let spool = FileSpool::look_at(data_dir);
    let mut findings = Findings::default();
    let trees = match catch_unwind(AssertUnwindSafe(|| look_at(&present(data_dir)))) {
        Ok(Ok(Some(trees))) => Some(trees),
        Ok(Ok(None)) => {
            findings.fault(CheckFault::new(FaultCode::StoreMissing, STORE, "there is no store"));
            None
        }
        Ok(Err(
            fault @ (StoreFault::Io { .. } | StoreFault::Newer { .. } | StoreFault::OtherEngine { .. }),
        )) => return Err(fault.into()),
        Ok(Err(StoreFault::Damaged { cause, .. })) => {
            findings.fault(CheckFault::new(FaultCode::StoreUnreadable, STORE, cause));
            None
        }
        Err(panic) => {
            let said = format!("the engine panicked: {}", said(&*panic));
            findings.fault(CheckFault::new(FaultCode::StoreUnreadable, STORE, said));
            None
        }
    };
    let work = || {
        let inspector = trees.as_deref().map(|trees| Inspector::new(trees, &spool));
        first_look(&mut findings, inspector.as_ref(), &spool, deep);
        let suspects = std::mem::take(&mut findings.suspects);
        suspects.iter().for_each(|suspect| {
            let faults = again(inspector.as_ref(), &spool, suspect);
            findings.check.add(faults);
        });
    };
    if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
        let said = format!("the engine panicked: {}", said(&*panic));
        findings.fault(CheckFault::new(FaultCode::StoreUnreadable, STORE, said));
    }
    Ok(findings.check)
}

fn first_look(findings: &mut Findings, inspector: Option<&Inspector<'_>>, spool: &FileSpool, deep: bool) {
    if let Some(inspector) = inspector {
        inspector.look_at_all(findings);
    }
    let files = Files { spool, inspector };
    files.admissions(findings);
    files.blobs(findings, deep);
}

fn again(inspector: Option<&Inspector<'_>>, spool: &FileSpool, suspect: &Suspect) -> Vec<CheckFault> {
    match (suspect, inspector) {
        (Suspect::Paper(name), inspector) => Files { spool, inspector }.paper(name).faults,
        (suspect, Some(inspector)) => inspector.again(suspect),
        (_, None) => Vec::new(),
    }
}

impl FileStore {
    /// Checks store and spool while the gateway is at work. With `deep` the digest of every packet is made. Memory is
    /// bounded, whatever is stored; it takes as long as reading all of it does.
    ///
    /// # Errors
    /// The store has ended. What is wrong is in the answer.
    pub async fn check(&self, spool: &FileSpool, deep: bool) -> Result<OutboxCheck, Fault> {
        let first = self.inspect(spool, move |inspector, spool| {
            let mut findings = Findings::default();
            first_look(&mut findings, Some(inspector), spool, deep);
            findings
        });
        let Findings { mut check, suspects } = first.await?;
        if self.is_damaged() {
            let why = "damage was met, and the next start builds the store anew";
            check.add(vec![CheckFault::new(FaultCode::DamageNoted, STORE, why)]);
        }
        let (papers, mut keys): (Vec<_>, Vec<_>) =
            suspects.into_iter().partition(|suspect| matches!(suspect, Suspect::Paper(_)));
        keys.extend(self.miscounted().await?.then_some(Suspect::Counts));
        for suspect in keys {
            // Nothing changes while the committer looks, so one more look is enough.
            let spool = spool.clone();
            let faults = self.as_committer(move |writer| writer.look_again(&spool, &suspect)).await?;
            check.add(faults);
        }
        let faults = self.papers_again(spool, papers).await?;
        check.add(faults);
        Ok(check)
    }

    /// The faults of files that look wrong every time.
    async fn papers_again(
        &self,
        spool: &FileSpool,
        mut papers: Vec<Suspect>,
    ) -> Result<Vec<CheckFault>, Fault> {
        let mut faults = Vec::new();
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        for _ in 0..LOOKS {
            if papers.is_empty() {
                return Ok(faults);
            }
            ticks.tick().await;
            let look = move |inspector: &Inspector<'_>, spool: &FileSpool| {
                let mut found: Vec<_> =
                    papers.into_iter().map(|paper| (again(Some(inspector), spool, &paper), paper)).collect();
                found.retain(|(faults, _)| !faults.is_empty());
                found
            };
            let found = self.inspect(spool, look).await?;
            (faults, papers) = (Vec::new(), Vec::with_capacity(found.len()));
            for (of_paper, paper) in found {
                faults.extend(of_paper);
                papers.push(paper);
            }
        }
        Ok(faults)
    }

    async fn inspect<T: Send + 'static>(
        &self,
        spool: &FileSpool,
        look: impl FnOnce(&Inspector<'_>, &FileSpool) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let (reader, spool) = (self.reader()?, spool.clone());
        let work = move || look(&Inspector::new(&*reader, &spool), &spool);
        tokio::task::spawn_blocking(work).await.map_err(|panic| Fault::new(PLACE, panic))
    }
}

/// A path below the data folder, for a person.
pub(crate) fn shown(folder: &str, name: &std::ffi::OsStr) -> String {
    let name = lienthong_schemas::safe_text::SafeText::new(&name.to_string_lossy()).cut(100);
    format!("{folder}/{}", name.as_str())
}
