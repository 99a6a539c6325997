//! One canonicalisation into one hash: the target of a Reference while it goes by.

use crate::algorithms::DigestMethod;
use crate::c14n::{Canonical, Inherited};
use crate::events::{End, Open};
use crate::octets::Hashing;
use crate::signed_info::{Reference, Target};
use crate::verdict::{ElementPath, Step};

/// One digest in the making, for all References that ask for the same.
pub(crate) struct Running {
    pub(crate) target: Target,
    pub(crate) enveloped: bool,
    digest: DigestMethod,
    pub(crate) canonical: Canonical<Hashing>,
    pub(crate) expected: Vec<Vec<u8>>,
    /// The `xml:` attributes around the target, nearest first.
    pub(crate) inherited: Vec<Inherited>,
    pub(crate) extent: Extent,
    pub(crate) path: ElementPath,
}

/// How much of its target has been read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Nothing yet.
    Ahead,
    /// Begun at this byte; the element of this depth, 0 for the document.
    Open(u64, usize),
    /// All: these bytes.
    Passed(u64, u64),
}

impl Extent {
    /// The bytes of a target that has been read; the document has `all`.
    pub(crate) fn bytes(self, all: u64) -> Option<(u64, u64)> {
        match self {
            Self::Ahead => None,
            Self::Open(start, _) => Some((start, all)),
            Self::Passed(start, end) => Some((start, end)),
        }
    }
}

impl Running {
    pub(crate) fn new(reference: &Reference) -> Self {
        let Reference { target, enveloped, form, digest, value } = reference;
        Self {
            target: target.clone(),
            enveloped: *enveloped,
            digest: *digest,
            canonical: Canonical::new(form, Hashing::new(digest.digest())),
            expected: vec![value.clone()],
            inherited: Vec::new(),
            extent: if *target == Target::Document { Extent::Open(0, 0) } else { Extent::Ahead },
            path: ElementPath { steps: Vec::new() },
        }
    }

    /// Whether this is what the Reference asks for.
    pub(crate) fn is_for(&self, reference: &Reference) -> bool {
        self.target == reference.target
            && self.enveloped == reference.enveloped
            && *self.canonical.form() == reference.form
            && self.digest == reference.digest
    }

    /// Whether what goes by is part of the target; `inside` the Signature.
    pub(crate) fn takes(&self, inside: bool) -> bool {
        matches!(self.extent, Extent::Open(..)) && !(self.enveloped && inside)
    }

    /// The target begins. `numbers` says which child of its parent each element is from the root to here.
    pub(crate) fn begin(
        &mut self,
        open: &Open<'_>,
        numbers: impl Iterator<Item = usize>,
        inherited: Vec<Inherited>,
    ) {
        let steps = open.scope.names().zip(numbers).map(|(name, child)| Step::of(&name, child)).collect();
        self.path = ElementPath { steps };
        self.extent = Extent::Open(open.tag.offset, open.tag.depth);
        self.inherited = inherited;
    }

    /// An element ends, perhaps the target.
    pub(crate) fn end(&mut self, end: &End<'_>) {
        if let Extent::Open(start, depth) = self.extent
            && depth == end.depth
        {
            self.extent = Extent::Passed(start, end.offset_end);
        }
    }
}
