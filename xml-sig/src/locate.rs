//! Pass 1: finds the Signature, checks its place, and keeps what is needed to judge it. The observer sees the document
//! go by.

use std::collections::HashSet;
use std::io::BufRead;

use crate::algorithms::DS;
use crate::c14n::{Inherited, is_relative};
use crate::capture::{Around, Capture, Captured};
use crate::driver::Drive;
use crate::error::{ReadError, XmlError, XmlFault};
use crate::events::{End, Open, Place, Sink, TextForm};
use crate::limits::Limits;
use crate::reader::{Name, Observer, ReadOptions, Shown};
use crate::scope::XML_NAMESPACE;

/// A path of (namespace, local name) from the root of a document, root included. The namespace `*` stands for any: some
/// readers go by local names.
pub type Path<'a> = &'a [(&'a str, &'a str)];

/// What a document must look like to be signed.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// Where the one ds:Signature may stand: the paths of its allowed parents.
    pub parents: &'a [Path<'a>],
    /// What must be signed unless the whole document is: every element at one of these paths must be covered, else the
    /// verdict is [`crate::Invalid::Coverage`]. Empty: any coverage will do, and the caller looks at
    /// [`crate::Valid::covers`].
    pub signed: &'a [Path<'a>],
}

/// How far pass 1 reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// As far as the end of the first Signature that stands where one may; to the end of the document where there is
    /// none, and where namespaces are given ([`ReadOptions::initial_namespaces`]): whether one of them is needed
    /// decides the verdict. What follows is read, and judged by the same rules, in pass 2.
    Signature,
    /// To the end of the document.
    End,
}

/// What pass 1 found. Nothing is verified yet.
pub struct Located {
    pub(crate) limits: Limits,
    pub(crate) given: Vec<(String, String)>,
    pub(crate) signed: Vec<Vec<(String, String)>>,
    pub(crate) repaired: bool,
    pub(crate) relative_namespace: Option<u64>,
    pub(crate) finding: Finding,
}

/// The Signature elements of a document, as far as it was read.
pub(crate) enum Finding {
    /// There is none.
    None,
    /// There is none, but one of that name in another namespace, where one is allowed; and where that is.
    WrongNamespace(String, u64),
    /// More than one; where the second is.
    Duplicate(u64),
    /// One where none is allowed; where it is.
    Misplaced(u64),
    /// One, where it may be.
    One(Box<Captured>),
}

impl Located {
    /// Whether there is an element ds:Signature, wherever it stands.
    pub fn signature_present(&self) -> bool {
        !matches!(self.finding, Finding::None | Finding::WrongNamespace(..))
    }
}

/// Reads a document for the first time.
///
/// # Errors
/// As far as it was read, the document breaks a rule of the reader; the input fails; the observer stops it.
pub fn locate(
    input: &mut dyn BufRead,
    options: &ReadOptions<'_>,
    places: &Places<'_>,
    reach: Reach,
    observer: &mut dyn Observer,
) -> Result<Located, ReadError> {
    let mut locator = Locator {
        shown: Shown(observer),
        paths: Paths::new(places.parents),
        limits: options.limits,
        reach: if options.initial_namespaces.is_empty() { reach } else { Reach::End },
        xml_attributes: XmlAttributes::default(),
        ancestors: Vec::new(),
        open: None,
        captured: None,
        misplaced: None,
        duplicate: None,
        wrong_namespace: None,
        relative_namespace: None,
    };
    let outcome = Drive::new(input, options)?.run(&mut locator)?;
    let finding = match (locator.duplicate, locator.misplaced, locator.captured) {
        (Some(at), _, _) => Finding::Duplicate(at),
        (None, Some(at), _) => Finding::Misplaced(at),
        (None, None, Some(captured)) => Finding::One(Box::new(captured)),
        (None, None, None) => {
            locator.wrong_namespace.map_or(Finding::None, |(name, at)| Finding::WrongNamespace(name, at))
        }
    };
    let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(one, two)| ((*one).to_owned(), (*two).to_owned())).collect()
    };
    Ok(Located {
        limits: options.limits.clone(),
        given: owned(options.initial_namespaces),
        signed: places.signed.iter().map(|path| owned(path)).collect(),
        repaired: outcome.repaired,
        relative_namespace: locator.relative_namespace,
        finding,
    })
}

struct Locator<'a> {
    shown: Shown<'a>,
    paths: Paths<'a>,
    limits: &'a Limits,
    reach: Reach,
    xml_attributes: XmlAttributes,
    /// Where the open elements begin.
    ancestors: Vec<u64>,
    /// The Signature that is being read.
    open: Option<Capture>,
    captured: Option<Captured>,
    misplaced: Option<u64>,
    duplicate: Option<u64>,
    wrong_namespace: Option<(String, u64)>,
    relative_namespace: Option<u64>,
}

impl Locator<'_> {
    fn signature(&mut self, open: &Open<'_>) {
        let at = open.tag.offset;
        if self.open.is_some() || self.captured.is_some() || self.misplaced.is_some() {
            self.duplicate.get_or_insert(at);
        } else if self.paths.parent_allowed(open.tag.depth) {
            let inherited = self.xml_attributes.nearest_first();
            let around = Around { inherited, ancestors: self.ancestors.clone(), reads_key_info: true };
            self.open = Some(Capture::new(open, around, self.limits));
        } else {
            self.misplaced = Some(at);
        }
    }
}

impl Sink for Locator<'_> {
    fn start(&mut self, open: &Open<'_>) -> Result<(), ReadError> {
        let tag = &open.tag;
        note_relative(open, &mut self.relative_namespace);
        if self.captured.is_none() {
            // What follows the Signature does not inherit to it, and is counted in pass 2 where it matters.
            self.xml_attributes.open(open, self.limits.markup_bytes)?;
        }
        if let Some(capture) = &mut self.open {
            capture.start(open);
        }
        if tag.name.local == "Signature" {
            if tag.name.namespace == DS {
                self.signature(open);
            } else if self.paths.parent_allowed(tag.depth) {
                let namespace = || (tag.name.namespace.chars().take(200).collect(), tag.offset);
                self.wrong_namespace.get_or_insert_with(namespace);
            }
        }
        self.ancestors.push(tag.offset);
        self.paths.start(&tag.name, tag.depth);
        self.shown.start(open)
    }

    fn text(&mut self, chunk: &str, form: TextForm) -> Result<(), ReadError> {
        if let Some(capture) = &mut self.open {
            capture.text(chunk, form);
        }
        self.shown.text(chunk, form)
    }

    fn end(&mut self, end: &End<'_>) -> Result<(), ReadError> {
        if let Some(capture) = self.open.take_if(|capture| capture.depth() == end.depth) {
            self.captured = Some(capture.finish(end.offset_end));
        } else if let Some(capture) = &mut self.open {
            capture.end(end);
        }
        self.ancestors.pop();
        self.paths.end(end.depth);
        self.xml_attributes.close(end.depth);
        self.shown.end(end)
    }

    fn comment(&mut self, comment: &str, _: Place) -> Result<(), ReadError> {
        if let Some(capture) = &mut self.open {
            capture.comment(comment);
        }
        Ok(())
    }

    fn instruction(&mut self, _: &str, _: &str, _: Place) -> Result<(), ReadError> {
        if let Some(capture) = &mut self.open {
            capture.instruction();
        }
        Ok(())
    }

    fn wants_more(&self) -> bool {
        self.reach == Reach::End || self.captured.is_none()
    }
}

/// Keeps where the first relative namespace URI is declared.
pub(crate) fn note_relative(open: &Open<'_>, first: &mut Option<u64>) {
    if first.is_none() && open.scope.declared().any(|binding| is_relative(binding.uri)) {
        *first = Some(open.tag.offset);
    }
}

/// How far the open elements follow each of some paths.
pub(crate) struct Paths<'a> {
    followed: Vec<(Path<'a>, usize)>,
}

impl<'a> Paths<'a> {
    pub(crate) fn new(paths: &[Path<'a>]) -> Self {
        Self { followed: paths.iter().map(|path| (*path, 0)).collect() }
    }

    /// Whether the element at `depth` that has just begun stands at the end of an allowed path.
    pub(crate) fn is_at_end(&self, depth: usize) -> bool {
        self.followed.iter().any(|(path, to)| *to == path.len() && depth == path.len())
    }

    /// Whether an element at `depth` that is about to begin has its parent at the end of a path.
    pub(crate) fn parent_allowed(&self, depth: usize) -> bool {
        self.followed.iter().any(|(path, to)| *to == path.len() && depth == path.len() + 1)
    }

    pub(crate) fn start(&mut self, name: &Name<'_>, depth: usize) {
        for (path, to) in &mut self.followed {
            let fits = |(namespace, local): &(&str, &str)| {
                name.local == *local && (*namespace == "*" || name.namespace == *namespace)
            };
            if *to == depth - 1 && path.get(depth - 1).is_some_and(fits) {
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

    /// Whether one of them is `xml:base`.
    pub(crate) fn has_base(&self) -> bool {
        self.open.iter().any(|(_, attribute)| attribute.local == "base")
    }

    /// Each name once, with the value of the nearest element that has it.
    pub(crate) fn nearest_first(&self) -> Vec<Inherited> {
        let mut seen = HashSet::new();
        let nearest = self.open.iter().rev().filter(|(_, attribute)| seen.insert(attribute.local.as_str()));
        nearest.map(|(_, attribute)| attribute.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_inherited_has_each_name_once_and_from_nearest() {
        let mut attributes = XmlAttributes::default();
        for (depth, local, value) in [(1, "lang", "vi"), (1, "space", "preserve"), (2, "lang", "en")] {
            attributes.open.push((depth, Inherited { local: local.to_owned(), value: value.to_owned() }));
        }
        let inherited = |attributes: &XmlAttributes| -> Vec<(String, String)> {
            attributes.nearest_first().into_iter().map(|one| (one.local, one.value)).collect()
        };
        let pair = |local: &str, value: &str| (local.to_owned(), value.to_owned());
        assert_eq!(inherited(&attributes), [pair("lang", "en"), pair("space", "preserve")]);
        attributes.bytes = 100;
        attributes.close(2);
        assert_eq!(inherited(&attributes), [pair("space", "preserve"), pair("lang", "vi")]);
    }

    #[test]
    fn a_path_leads_from_the_root_and_takes_any_namespace_only_where_it_says_so() {
        let name = |namespace, local| Name { prefix: "", local, namespace };
        let path: Path<'_> = &[("u:a", "a"), ("*", "b")];
        let paths = [path];
        let mut followed = Paths::new(&paths);
        let mut ends = |way: &[(&'static str, &'static str)]| {
            let mut at_end = false;
            for (at, (namespace, local)) in way.iter().enumerate() {
                followed.start(&name(namespace, local), at + 1);
                at_end = followed.is_at_end(at + 1);
            }
            for depth in (1..=way.len()).rev() {
                followed.end(depth);
            }
            at_end
        };
        for way in [[("u:a", "a"), ("u:a", "b")], [("u:a", "a"), ("", "b")]] {
            assert!(ends(&way), "{way:?}");
        }
        for way in [&[("u:a", "a")][..], &[("u:b", "a"), ("u:a", "b")], &[("u:a", "a"), ("u:a", "c")]] {
            assert!(!ends(way), "{way:?}");
        }
        assert!(!ends(&[("u:a", "a"), ("u:a", "a"), ("u:a", "b")]), "the path begins at the root");
        assert!(!ends(&[("u:a", "a"), ("u:a", "b"), ("u:a", "b")]), "and ends where it ends");
    }
}
