//! Every Signature of a document of any kind, judged each for itself: for who asks what the cryptography says, such as a
//! test with the vectors of others. A gateway asks [`crate::locate`], which knows where its one Signature stands.

use std::io::{self, BufRead};

use crate::algorithms::DS;
use crate::capture::{Around, Capture, Captured};
use crate::digest::{Rule, relative};
use crate::driver::Drive;
use crate::error::{ReadError, XmlError, XmlFault};
use crate::events::{End, Open, Place, Sink, TextForm};
use crate::limits::Limits;
use crate::locate::{XmlAttributes, note_relative};
use crate::reader::{ReadOptions, Unwatched};
use crate::trust::Trust;
use crate::verdict::{Coverage, Invalid, Objection, Verdict};
use crate::verify::{digest, plan};

/// All Signatures of a document, wherever they stand. Nothing is verified yet.
pub struct Survey {
    limits: Limits,
    found: Vec<Captured>,
    relative_namespace: Option<u64>,
}

/// One Signature of a [`Survey`].
#[derive(Clone, Debug)]
pub struct Judged {
    /// Where it begins, in bytes from the start of the document.
    pub offset: u64,
    /// What is to be said of it.
    pub verdict: Verdict,
}

/// Reads a document and keeps its Signatures in the order of their ends. KeyInfo is not read: the keys are those of
/// [`crate::Signers::keys`] and the pinned certificates.
///
/// # Errors
/// The document breaks a rule of the reader, or has more Signatures than [`Limits::signatures`]; the input fails.
pub fn survey(input: &mut dyn BufRead, limits: &Limits) -> Result<Survey, ReadError> {
    let options = ReadOptions { limits, initial_namespaces: &[] };
    let mut surveyor = Surveyor {
        limits,
        xml_attributes: XmlAttributes::default(),
        ancestors: Vec::new(),
        open: Vec::new(),
        found: Vec::new(),
        relative_namespace: None,
    };
    Drive::new(input, &options)?.run(&mut surveyor)?;
    let Surveyor { found, relative_namespace, .. } = surveyor;
    Ok(Survey { limits: limits.clone(), found, relative_namespace })
}

/// What one good Signature covers.
struct Covered {
    /// All of the document but the Signature.
    whole: bool,
    /// The names of the elements that it covers, less the document's.
    names: Vec<(String, String)>,
    spans: Vec<(u64, u64)>,
}

impl Survey {
    /// The number of Signatures.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Judges each Signature, reading the document once more for each and once for all.
    ///
    /// Beside what [`crate::Located::verify`] asks of a Signature, what it signs must stand near it (an ancestor, a child
    /// of one, or in the Signature), and there must be no element of the name of a signed one that no good Signature
    /// covers: it could be taken for the signed one ([`Invalid::Coverage`]).
    ///
    /// # Errors
    /// The document cannot be read again.
    pub fn verify(
        &self,
        open: &mut dyn FnMut() -> io::Result<Box<dyn BufRead>>,
        trust: &Trust,
    ) -> Result<Vec<Judged>, ReadError> {
        let options = ReadOptions { limits: &self.limits, initial_namespaces: &[] };
        let (mut judged, mut covered) = (Vec::new(), Vec::new());
        for captured in &self.found {
            let (verdict, covers) = self.judge(captured, open, trust, &options)?;
            judged.push(Judged { offset: captured.span.0, verdict });
            covered.push(covers);
        }
        let found = vec![None; covered.len()];
        let mut twins = Twins { covered: &covered, root: (String::new(), String::new()), found };
        if covered.iter().any(Option::is_some) {
            Drive::new(&mut *open()?, &options)?.run(&mut twins)?;
        }
        for (judged, twin) in judged.iter_mut().zip(twins.found) {
            if let Some(at) = twin {
                let detail = "an element of the name of a signed one, which is not signed".to_owned();
                judged.verdict = Objection::Invalid(Invalid::Coverage, detail).at(at);
            }
        }
        Ok(judged)
    }

    fn judge(
        &self,
        captured: &Captured,
        open: &mut dyn FnMut() -> io::Result<Box<dyn BufRead>>,
        trust: &Trust,
        options: &ReadOptions<'_>,
    ) -> Result<(Verdict, Option<Covered>), ReadError> {
        if let Some(at) = self.relative_namespace {
            return Ok((relative().at(at), None));
        }
        let plan = match plan(captured, &self.limits, trust) {
            Ok(plan) => plan,
            Err((objection, at)) => return Ok((objection.at(at), None)),
        };
        match digest(&mut *open()?, captured, &plan.references, Rule::Among, options, &mut Unwatched)? {
            Ok(digested) => {
                let (whole, paths) = match &digested.covers {
                    Coverage::WholeDocument => (true, &[][..]),
                    Coverage::Elements(paths) => (false, paths.as_slice()),
                };
                let last = paths.iter().filter_map(|path| path.steps.last());
                let names = last.map(|step| (step.namespace.clone(), step.local.clone())).collect();
                let covered = Covered { whole, names, spans: digested.spans.clone() };
                Ok((plan.valid(digested), Some(covered)))
            }
            Err((objection, at)) => Ok((objection.at(at), None)),
        }
    }
}

struct Surveyor<'a> {
    limits: &'a Limits,
    xml_attributes: XmlAttributes,
    ancestors: Vec<u64>,
    /// Signatures that are being read, each in the one before it.
    open: Vec<Capture>,
    found: Vec<Captured>,
    relative_namespace: Option<u64>,
}

impl Sink for Surveyor<'_> {
    fn start(&mut self, open: &Open<'_>) -> Result<(), ReadError> {
        note_relative(open, &mut self.relative_namespace);
        self.xml_attributes.open(open, self.limits.markup_bytes)?;
        for capture in &mut self.open {
            capture.start(open);
        }
        if open.tag.name.is(DS, "Signature") {
            if self.open.len() + self.found.len() >= self.limits.signatures {
                let fault = XmlFault::Limit("signatures");
                return Err(XmlError { fault, offset: open.tag.offset }.into());
            }
            let inherited = self.xml_attributes.nearest_first();
            let around = Around { inherited, ancestors: self.ancestors.clone(), reads_key_info: false };
            self.open.push(Capture::new(open, around, self.limits));
        }
        self.ancestors.push(open.tag.offset);
        Ok(())
    }

    fn text(&mut self, chunk: &str, form: TextForm) -> Result<(), ReadError> {
        for capture in &mut self.open {
            capture.text(chunk, form);
        }
        Ok(())
    }

    fn end(&mut self, end: &End<'_>) -> Result<(), ReadError> {
        if let Some(capture) = self.open.pop_if(|capture| capture.depth() == end.depth) {
            self.found.push(capture.finish(end.offset_end));
        }
        for capture in &mut self.open {
            capture.end(end);
        }
        self.ancestors.pop();
        self.xml_attributes.close(end.depth);
        Ok(())
    }

    fn comment(&mut self, comment: &str, _: Place) -> Result<(), ReadError> {
        for capture in &mut self.open {
            capture.comment(comment);
        }
        Ok(())
    }

    fn instruction(&mut self, _: &str, _: &str, _: Place) -> Result<(), ReadError> {
        for capture in &mut self.open {
            capture.instruction();
        }
        Ok(())
    }
}

/// Looks for elements that have the name of a signed one and are in none.
struct Twins<'a> {
    covered: &'a [Option<Covered>],
    /// Namespace and local name.
    root: (String, String),
    /// For each Signature, the first.
    found: Vec<Option<u64>>,
}

impl Sink for Twins<'_> {
    fn start(&mut self, open: &Open<'_>) -> Result<(), ReadError> {
        let tag = &open.tag;
        if tag.depth == 1 {
            self.root = (tag.name.namespace.to_owned(), tag.name.local.to_owned());
        }
        let within = |span: &(u64, u64)| (span.0..span.1).contains(&tag.offset);
        if self.covered.iter().flatten().any(|covered| covered.spans.iter().any(within)) {
            return Ok(());
        }
        let named = |(namespace, local): &(String, String)| tag.name.is(namespace, local);
        for (covered, found) in self.covered.iter().zip(&mut self.found) {
            let Some(Covered { whole, names, .. }) = covered else { continue };
            let twin = (*whole && named(&self.root)) || names.iter().any(named);
            if found.is_none() && twin && !is_part_of_signature(open) {
                *found = Some(tag.offset);
            }
        }
        Ok(())
    }

    fn text(&mut self, _: &str, _: TextForm) -> Result<(), ReadError> {
        Ok(())
    }

    fn end(&mut self, _: &End<'_>) -> Result<(), ReadError> {
        Ok(())
    }
}

/// Whether this is a child of a Signature other than an Object: keys and values, which nobody takes for content.
fn is_part_of_signature(open: &Open<'_>) -> bool {
    let parent = open.tag.depth.checked_sub(2).and_then(|at| open.scope.names().nth(at));
    let name = &open.tag.name;
    name.namespace == DS && name.local != "Object" && parent.is_some_and(|parent| parent.is(DS, "Signature"))
}
