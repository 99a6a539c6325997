//! Pass 2: the parts of the document that the References name go into their hashes, the observer sees all of it, and
//! what must be signed is held against what is.

use crate::algorithms::DS;
use crate::c14n::Method;
use crate::error::ReadError;
use crate::events::{End, Open, Place, Sink, TextForm};
use crate::ids::is_id;
use crate::limits::Limits;
use crate::locate::{Path, Paths, XmlAttributes, note_relative};
use crate::reader::Shown;
use crate::running::{Extent, Running};
use crate::signed_info::{Reference, Target};
use crate::verdict::{Coverage, Invalid, Objection, Unusable};

/// A Signature whose digests are to be made.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// Its bytes in the document.
    pub(crate) span: (u64, u64),
    /// Where the elements around it begin, outermost first.
    pub(crate) ancestors: &'a [u64],
    pub(crate) references: &'a [Reference],
    pub(crate) rule: Rule<'a>,
}

/// What else a document must be like.
#[derive(Clone, Copy)]
pub(crate) enum Rule<'a> {
    /// There is no other Signature, every element at one of these paths is covered, and so is what Objects hold.
    Alone(&'a [Path<'a>]),
    /// There may be others. What is signed stands near the Signature: it is an ancestor, a child of one, or in the
    /// Signature itself. Elsewhere it may have been moved out of the way of a forged one.
    Among,
}

/// What a document with good digests has.
pub(crate) struct Digested {
    pub(crate) covers: Coverage,
    /// The bytes that are covered.
    pub(crate) spans: Vec<(u64, u64)>,
}

/// The digests of one Signature while the document goes by.
pub(crate) struct Digests<'a> {
    shown: Shown<'a>,
    subject: Subject<'a>,
    limits: &'a Limits,
    running: Vec<Running>,
    /// Some Reference names an element.
    by_id: bool,
    /// Some Reference names the whole document.
    whole: bool,
    signed: Paths<'a>,
    /// Depth of the Signature while it goes by.
    inside: Option<usize>,
    seen: bool,
    changed: bool,
    /// Of the open elements: where they begin, and how many children have begun. Kept with `by_id` only.
    open: Vec<(u64, usize)>,
    xml_attributes: XmlAttributes,
    relative_namespace: Option<u64>,
    objection: Option<(Objection, u64)>,
    /// What must be signed and is not.
    uncovered: Option<(Objection, u64)>,
    /// An Object that no Reference covers, at this depth; its children may be covered.
    object: Option<usize>,
}

impl<'a> Digests<'a> {
    pub(crate) fn new(subject: Subject<'a>, limits: &'a Limits, shown: Shown<'a>) -> Self {
        let signed: &[Path<'a>] = match subject.rule {
            Rule::Alone(signed) => signed,
            Rule::Among => &[],
        };
        let mut digests = Self {
            shown,
            subject,
            limits,
            running: Vec::new(),
            by_id: subject.references.iter().any(|r| r.target != Target::Document),
            whole: subject.references.iter().any(|r| r.target == Target::Document),
            signed: Paths::new(signed),
            inside: None,
            seen: false,
            changed: false,
            open: Vec::new(),
            xml_attributes: XmlAttributes::default(),
            relative_namespace: None,
            objection: None,
            uncovered: None,
            object: None,
        };
        for reference in subject.references {
            digests.add(reference);
        }
        if digests.open_digests() > limits.digests {
            digests.object_to(too_many(limits), subject.span.0);
        }
        digests
    }

    fn add(&mut self, reference: &Reference) {
        match self.running.iter_mut().find(|running| running.is_for(reference)) {
            Some(running) => running.expected.push(reference.value.clone()),
            None => self.running.push(Running::new(reference)),
        }
    }

    /// The outcome, when the whole document has gone by; `bytes` is its length. Where the Signature itself is at fault,
    /// its offset is told.
    pub(crate) fn finish(self, repaired: bool, bytes: u64) -> Result<Digested, (Objection, u64)> {
        let at = self.subject.span.0;
        let refuse = |why, detail: &str| Err((Objection::Invalid(why, detail.to_owned()), at));
        if self.changed || !self.seen {
            return refuse(Invalid::Digest, "the document changed between the two passes");
        }
        if repaired {
            return Err((undeclared(), at));
        }
        let mut objection = self.objection;
        if let Some(at) = self.relative_namespace {
            keep(&mut objection, relative(), at);
        }
        if let (Some(_), Some((uncovered, at))) = (&objection, &self.uncovered) {
            keep(&mut objection, uncovered.clone(), *at);
        }
        if let Some(objection) = objection {
            return Err(objection);
        }
        let whole = self.whole;
        let envelops = |running: &Running| match running.extent {
            Extent::Passed(start, _) => self.subject.ancestors.contains(&start),
            _ => false,
        };
        if !whole && self.running.iter().any(|r| r.enveloped) && !self.running.iter().any(envelops) {
            return refuse(
                Invalid::Structure,
                "an enveloped signature, and no Reference names what envelops it",
            );
        }
        let (mut paths, mut spans) = (Vec::new(), Vec::new());
        for running in self.running {
            let Some((start, end)) = running.extent.bytes(bytes) else {
                return refuse(Invalid::Id, "a Reference names an Id that no element has");
            };
            if running.enveloped && (start..end).contains(&self.subject.span.0) {
                spans.extend([(start, self.subject.span.0), (self.subject.span.1, end)]);
            } else {
                spans.push((start, end));
            }
            let Some(made) = running.canonical.into_octets().finish() else {
                return refuse(Invalid::Digest, "the digest could not be made");
            };
            if running.expected.iter().any(|value| *value != made) {
                let detail = "the content is not what was signed".to_owned();
                let at = if running.target == Target::Document { at } else { start };
                return Err((Objection::Invalid(Invalid::Digest, detail), at));
            }
            if !paths.contains(&running.path) {
                paths.push(running.path);
            }
        }
        if let Some(uncovered) = self.uncovered {
            return Err(uncovered);
        }
        let covers = if whole { Coverage::WholeDocument } else { Coverage::Elements(paths) };
        Ok(Digested { covers, spans })
    }

    fn object_to(&mut self, objection: Objection, at: u64) {
        keep(&mut self.objection, objection, at);
    }

    /// Running canonicalisations that take what goes by: none once the digests decide nothing more.
    fn taking(&mut self) -> impl Iterator<Item = &mut Running> {
        let (inside, decided) = (self.inside.is_some(), self.objection.is_some());
        self.running.iter_mut().filter(move |running| !decided && running.takes(inside))
    }

    fn open_digests(&self) -> usize {
        self.running.iter().filter(|running| matches!(running.extent, Extent::Open(..))).count()
    }

    fn is_covered(&self) -> bool {
        self.running.iter().any(|running| running.takes(self.inside.is_some()))
    }

    fn signature(&mut self, open: &Open<'_>) {
        if open.tag.offset == self.subject.span.0 {
            self.inside = Some(open.tag.depth);
        } else if matches!(self.subject.rule, Rule::Alone(_)) {
            let more = Objection::Invalid(Invalid::Duplicate, "more than one ds:Signature".to_owned());
            self.object_to(more, open.tag.offset);
        }
    }

    /// Begins what this element is the target of.
    fn begin(&mut self, open: &Open<'_>) {
        let tag = &open.tag;
        if let Some((_, children)) = self.open.last_mut() {
            *children += 1;
        }
        let mut begun = false;
        for at in 0..self.running.len() {
            let Target::Element(id) = &self.running[at].target else { continue };
            if !tag.attributes.iter().any(|attribute| is_id(&attribute.name) && attribute.value == id) {
                continue;
            }
            if self.running[at].extent != Extent::Ahead {
                let detail = "the Id that a Reference names stands more than once".to_owned();
                self.object_to(Objection::Invalid(Invalid::Id, detail), tag.offset);
                continue;
            }
            begun = true;
            self.begin_at(at, open);
        }
        if begun && self.open_digests() > self.limits.digests {
            self.object_to(too_many(self.limits), tag.offset);
        }
        self.open.push((tag.offset, 0));
    }

    /// Begins one target. What is around it is in `open` and `xml_attributes`.
    fn begin_at(&mut self, at: usize, open: &Open<'_>) {
        let offset = open.tag.offset;
        if self.running[at].enveloped && self.inside.is_some() {
            let detail = "an enveloped signature's Reference names an element inside the Signature";
            self.object_to(Objection::structure(detail), offset);
        }
        if matches!(self.subject.rule, Rule::Among) && !self.is_near(offset) {
            let detail = "a signed element stands away from its Signature".to_owned();
            keep(&mut self.uncovered, Objection::Invalid(Invalid::Coverage, detail), offset);
        }
        if self.running[at].canonical.form().method == Method::Inclusive11 && self.xml_attributes.has_base() {
            let detail = "Canonical XML 1.1 of an element below xml:base";
            self.object_to(Objection::algorithm(detail), offset);
        }
        let numbers = std::iter::once(1).chain(self.open.iter().map(|(_, children)| *children));
        self.running[at].begin(open, numbers, self.xml_attributes.nearest_first());
    }

    /// Whether an element that begins here is the Signature, in it, an ancestor of it, or a child of an ancestor.
    fn is_near(&self, offset: u64) -> bool {
        let ancestors = self.subject.ancestors;
        let parent = self.open.last().map(|(parent, _)| parent);
        self.inside.is_some()
            || ancestors.contains(&offset)
            || parent.is_some_and(|parent| ancestors.contains(parent))
    }

    /// Looks whether this element must be covered, once its own targets have begun.
    fn hold_against_rules(&mut self, open: &Open<'_>) {
        let tag = &open.tag;
        if self.whole && self.inside.is_none() {
            return;
        }
        self.signed.start(&tag.name, tag.depth);
        let must = self.signed.is_at_end(tag.depth);
        let alone = matches!(self.subject.rule, Rule::Alone(_));
        let object = alone && self.inside == Some(tag.depth - 1) && tag.name.is(DS, "Object");
        let in_object = self.object == Some(tag.depth - 1);
        if !(must || object || in_object) || self.is_covered() {
            return;
        }
        if must {
            let name: String = tag.name.local.chars().take(80).collect();
            let objection = Objection::Invalid(Invalid::Coverage, format!("{name} is not signed"));
            keep(&mut self.uncovered, objection, tag.offset);
        } else if object {
            self.object = Some(tag.depth);
        } else {
            keep(&mut self.uncovered, unsigned_object(), tag.offset);
        }
    }
}

impl Sink for Digests<'_> {
    fn start(&mut self, open: &Open<'_>) -> Result<(), ReadError> {
        let tag = &open.tag;
        note_relative(open, &mut self.relative_namespace);
        let signature = tag.name.local == "Signature" && tag.name.namespace == DS;
        if signature {
            self.signature(open);
        } else if tag.offset == self.subject.span.0 {
            self.changed = true;
        }
        if self.by_id {
            self.begin(open);
            self.xml_attributes.open(open, self.limits.markup_bytes)?;
        }
        self.hold_against_rules(open);
        for running in self.taking() {
            running.canonical.start(open, &running.inherited);
        }
        self.shown.start(open)
    }

    fn text(&mut self, chunk: &str, form: TextForm) -> Result<(), ReadError> {
        for running in self.taking() {
            running.canonical.text(chunk, form);
        }
        if self.object.is_some() && !self.is_covered() && chunk.bytes().any(|b| !crate::chars::is_space(b)) {
            keep(&mut self.uncovered, unsigned_object(), self.subject.span.0);
        }
        self.shown.text(chunk, form)
    }

    fn end(&mut self, end: &End<'_>) -> Result<(), ReadError> {
        for running in self.taking() {
            running.canonical.end(end);
        }
        if self.by_id {
            for running in &mut self.running {
                running.end(end);
            }
            self.open.pop();
            self.xml_attributes.close(end.depth);
        }
        if self.object == Some(end.depth) {
            self.object = None;
        }
        if self.inside == Some(end.depth) {
            self.inside = None;
            self.seen = true;
            self.changed |= end.offset_end != self.subject.span.1;
        }
        self.signed.end(end.depth);
        self.shown.end(end)
    }

    fn instruction(&mut self, target: &str, data: &str, place: Place) -> Result<(), ReadError> {
        for running in self.taking() {
            running.canonical.instruction(target, data, place);
        }
        Ok(())
    }
}

/// Keeps the first objection, but one that refuses rather than one that cannot judge.
fn keep(kept: &mut Option<(Objection, u64)>, objection: Objection, at: u64) {
    let graver = match kept {
        None => true,
        Some((Objection::Unusable(..), _)) => matches!(objection, Objection::Invalid(..)),
        Some(_) => false,
    };
    if graver {
        *kept = Some((objection, at));
    }
}

fn too_many(limits: &Limits) -> Objection {
    let detail = format!("more than {} digests of one part of the document", limits.digests);
    Objection::Invalid(Invalid::Limit, detail)
}

fn unsigned_object() -> Objection {
    Objection::Unusable(Unusable::Object, "the Signature has a ds:Object that is not signed".to_owned())
}

pub(crate) fn undeclared() -> Objection {
    Objection::Unusable(Unusable::Namespaces, "the document leaves prefixes undeclared".to_owned())
}

pub(crate) fn relative() -> Objection {
    Objection::Invalid(Invalid::RelativeNamespace, "a relative namespace URI".to_owned())
}
