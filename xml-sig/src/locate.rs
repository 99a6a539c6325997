//! Pass 1: finds the one Signature, checks its place, and keeps what is needed to judge it. The observer sees the
//! document go by.

use std::io::BufRead;

use crate::algorithms::DS;
use crate::c14n::{Inherited, is_relative};
use crate::capture::Capture;
use crate::driver::Drive;
use crate::error::{ReadError, XmlError, XmlFault};
use crate::events::{End, Open, Place, Sink, TextForm};
use crate::limits::Limits;
use crate::reader::{Name, Observer, ReadOptions, Shown};
use crate::scope::XML_NAMESPACE;

/// Where a ds:Signature may stand.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// Its allowed parents, each a path of (namespace, local name) from the root, root included.
    pub parents: &'a [&'a [(&'a str, &'a str)]],
}

/// What pass 1 found. Nothing is verified yet.
pub struct Located {
    pub(crate) limits: Limits,
    pub(crate) given: Vec<(String, String)>,
    pub(crate) repaired: bool,
    pub(crate) relative_namespace: bool,
    pub(crate) finding: Finding,
}

/// The Signature elements of a document.
pub(crate) enum Finding {
    /// There is none.
    None,
    /// There is none, but one of that name in another namespace, where one is allowed.
    WrongNamespace(String),
    /// More than one.
    Duplicate,
    /// One where none is allowed.
    Misplaced,
    /// One, where it may be.
    One(Box<Capture>),
}

impl Located {
    /// Whether there is an element ds:Signature, wherever it stands.
    pub fn signature_present(&self) -> bool {
        !matches!(self.finding, Finding::None | Finding::WrongNamespace(_))
    }
}

/// Reads a document for the first time: the whole of it, well-formedness included.
pub fn locate(
    input: &mut dyn BufRead,
    options: &ReadOptions<'_>,
    places: &Places<'_>,
    observer: &mut dyn Observer,
) -> Result<Located, ReadError> {
    let mut locator = Locator {
        shown: Shown(observer),
        paths: Paths::new(places),
        limits: options.limits,
        xml_attributes: XmlAttributes::default(),
        capture: None,
        open: None,
        signatures: 0,
        misplaced: false,
        wrong_namespace: None,
        relative_namespace: false,
    };
    let outcome = Drive::new(input, options)?.run(&mut locator)?;
    let finding = match (locator.signatures, locator.capture) {
        (0, _) => locator.wrong_namespace.map_or(Finding::None, Finding::WrongNamespace),
        (1, Some(capture)) if !locator.misplaced => Finding::One(Box::new(capture)),
        (1, _) => Finding::Misplaced,
        _ => Finding::Duplicate,
    };
    let given = options.initial_namespaces.iter().map(|(p, u)| ((*p).to_owned(), (*u).to_owned())).collect();
    Ok(Located {
        limits: options.limits.clone(),
        given,
        repaired: outcome.repaired,
        relative_namespace: locator.relative_namespace,
        finding,
    })
}

struct Locator<'a> {
    shown: Shown<'a>,
    paths: Paths<'a>,
    limits: &'a Limits,
    xml_attributes: XmlAttributes,
    capture: Option<Capture>,
    /// Depth of the Signature that is being captured.
    open: Option<usize>,
    signatures: usize,
    misplaced: bool,
    wrong_namespace: Option<String>,
    relative_namespace: bool,
}

impl Locator<'_> {
    fn signature(&mut self, open: &Open<'_>) {
        self.signatures += 1;
        if !self.paths.parent_allowed(open.tag.depth) {
            self.misplaced = true;
        } else if self.signatures == 1 {
            self.capture = Some(Capture::new(open, self.xml_attributes.nearest_first(), self.limits));
            self.open = Some(open.tag.depth);
        }
    }

    fn capturing(&mut self) -> Option<&mut Capture> {
        if self.open.is_some() { self.capture.as_mut() } else { None }
    }
}

impl Sink for Locator<'_> {
    fn start(&mut self, open: &Open<'_>) -> Result<(), ReadError> {
        let tag = &open.tag;
        self.relative_namespace |= open.scope.declared().any(|binding| is_relative(binding.uri));
        self.xml_attributes.open(open, self.limits.markup_bytes)?;
        if let Some(capture) = self.capturing() {
            capture.start(open);
        }
        if tag.name.is(DS, "Signature") {
            self.signature(open);
        } else if tag.name.local == "Signature" && self.paths.parent_allowed(tag.depth) {
            let namespace = || tag.name.namespace.chars().take(200).collect();
            self.wrong_namespace.get_or_insert_with(namespace);
        }
        self.paths.start(&tag.name, tag.depth);
        self.shown.start(open)
    }

    fn text(&mut self, chunk: &str, form: TextForm) -> Result<(), ReadError> {
        if let Some(capture) = self.capturing() {
            capture.text(chunk, form);
        }
        self.shown.text(chunk, form)
    }

    fn end(&mut self, end: &End<'_>) -> Result<(), ReadError> {
        if let Some(capture) = self.capturing() {
            capture.end(end);
        }
        if self.open == Some(end.depth) {
            self.open = None;
        }
        self.paths.end(end.depth);
        self.xml_attributes.close(end.depth);
        self.shown.end(end)
    }

    fn comment(&mut self, _: &str, _: Place) -> Result<(), ReadError> {
        if let Some(capture) = self.capturing() {
            capture.comment();
        }
        Ok(())
    }

    fn instruction(&mut self, _: &str, _: &str, _: Place) -> Result<(), ReadError> {
        if let Some(capture) = self.capturing() {
            capture.instruction();
        }
        Ok(())
    }
}

/// How far the open elements follow each allowed path.
pub(crate) struct Paths<'a> {
    followed: Vec<(&'a [(&'a str, &'a str)], usize)>,
}

impl<'a> Paths<'a> {
    pub(crate) fn new(places: &Places<'a>) -> Self {
        Self { followed: places.parents.iter().map(|path| (*path, 0)).collect() }
    }

    /// Whether an element at `depth` that is about to begin has an allowed parent.
    pub(crate) fn parent_allowed(&self, depth: usize) -> bool {
        self.followed.iter().any(|(path, to)| *to == path.len() && depth == path.len() + 1)
    }

    pub(crate) fn start(&mut self, name: &Name<'_>, depth: usize) {
        for (path, to) in &mut self.followed {
            let expected = path.get(depth - 1);
            if *to == depth - 1 && expected.is_some_and(|(namespace, local)| name.is(namespace, local)) {
                *to = depth;
            }
        }
    }

    pub(crate) fn end(&mut self, depth: usize) {
        for (_, to) in &mut self.followed {
            *to = (*to).min(depth - 1);
        }
    }
}

/// The `xml:` attributes of the open elements, names and values bounded together.
#[derive(Default)]
pub(crate) struct XmlAttributes {
    open: Vec<(usize, Inherited)>,
    bytes: usize,
}

impl XmlAttributes {
    pub(crate) fn open(&mut self, open: &Open<'_>, bytes_max: usize) -> Result<(), ReadError> {
        for attribute in open.tag.attributes.iter().filter(|a| a.name.namespace == XML_NAMESPACE) {
            self.bytes += attribute.name.local.len() + attribute.value.len();
            if self.bytes > bytes_max {
                let fault = XmlFault::Limit("markup_bytes");
                return Err(XmlError { fault, offset: open.tag.offset }.into());
            }
            let local = attribute.name.local.to_owned();
            self.open.push((open.tag.depth, Inherited { local, value: attribute.value.to_owned() }));
        }
        Ok(())
    }

    pub(crate) fn close(&mut self, depth: usize) {
        while self.open.last().is_some_and(|(at, _)| *at == depth) {
            if let Some((_, attribute)) = self.open.pop() {
                self.bytes -= attribute.local.len() + attribute.value.len();
            }
        }
    }

    /// Of the same name, only the first counts.
    pub(crate) fn nearest_first(&self) -> Vec<Inherited> {
        self.open.iter().rev().map(|(_, attribute)| attribute.clone()).collect()
    }
}
