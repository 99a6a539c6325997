//! What a run found: counts, and each disagreement with its file.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

use crate::generate::gaps::{Engine, GAPS, gap};

/// The findings so far.
pub(crate) struct Report {
    /// Where documents are kept that engines disagree about.
    folder: PathBuf,
    counts: BTreeMap<String, u64>,
    gaps: BTreeMap<usize, u64>,
    pub(crate) disagreements: u64,
}

impl Report {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, counts: BTreeMap::new(), gaps: BTreeMap::new(), disagreements: 0 }
    }

    pub(crate) fn count(&mut self, what: impl Into<String>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }

    /// The first of these engines refuses what it should accept: a gap of one of them, or a finding.
    pub(crate) fn refused(
        &mut self,
        engines: &[Engine],
        name: &str,
        document: &str,
        said: &str,
    ) -> Result<(), Box<dyn Error>> {
        if let Some(gap) = engines.iter().find_map(|engine| gap(*engine, document, said)) {
            *self.gaps.entry(gap).or_default() += 1;
            return Ok(());
        }
        self.finding(&format!("{:?} refuses: {said}", engines[0]), name, document)
    }

    /// Both others accept what we do not: no finding, since the profile is stricter than they are; one of each kind is
    /// kept, to be looked at.
    pub(crate) fn stricter(&mut self, code: &str, document: &str) -> Result<(), Box<dyn Error>> {
        self.count(format!("mutants that both others accept and we find {code}"));
        fs::write(self.folder.join(format!("stricter-{}.xml", code.replace(' ', "-"))), document)?;
        Ok(())
    }

    /// A disagreement: printed, and the document kept.
    pub(crate) fn finding(&mut self, what: &str, name: &str, document: &str) -> Result<(), Box<dyn Error>> {
        self.disagreements += 1;
        let file = self.folder.join(format!("{name}.xml"));
        fs::write(&file, document)?;
        println!("DISAGREEMENT {name}: {what}; {}", file.display());
        Ok(())
    }

    pub(crate) fn print(&self) {
        for (what, count) in &self.counts {
            println!("{count:>9}  {what}");
        }
        for (gap, count) in &self.gaps {
            println!("{count:>9}  gap of {:?}: {}", GAPS[*gap].engine, GAPS[*gap].why);
        }
        println!("{:>9}  disagreements", self.disagreements);
    }
}
