//! The one Signature element while it goes by: SignedInfo in canonical form (both methods, since the method is named
//! inside it), SignatureValue, certificates. The first thing wrong is kept; what follows it is ignored.

use crate::algorithms::DS;
use crate::c14n::{Canonical, Form, Inherited, Method};
use crate::events::{End, Open, TextForm};
use crate::key_info::{KeyInfo, only_attribute, out_of_place};
use crate::limits::Limits;
use crate::octets::Bounded;
use crate::verdict::{Invalid, Objection, Unusable};

/// X509Certificate elements in a KeyInfo.
const CERTIFICATES_MAX: usize = 16;

/// The children of ds:Signature in their order (XML Signature section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Section {
    Begin,
    SignedInfo,
    SignatureValue,
    KeyInfo,
    Object,
}

/// A Signature element.
pub(crate) struct Capture {
    start: u64,
    end: u64,
    depth: usize,
    bytes_max: usize,
    bytes: usize,
    last: Section,
    within: Option<Section>,
    value: Option<usize>,
    key_info: KeyInfo,
    inherited: Vec<Inherited>,
    canonical: [Option<Canonical<Bounded>>; 2],
    comments: bool,
    signature_value: String,
    certificates: Vec<String>,
    objection: Option<Objection>,
}

/// What a well-built Signature element says.
pub(crate) struct Captured {
    pub(crate) inclusive: Vec<u8>,
    pub(crate) exclusive: Vec<u8>,
    /// SignedInfo has comments, which neither form shows.
    pub(crate) comments: bool,
    pub(crate) signature_value: String,
    pub(crate) certificates: Vec<String>,
}

impl Capture {
    /// The element begins; `inherited` are the `xml:` attributes of it and its ancestors, nearest first.
    pub(crate) fn new(open: &Open<'_>, inherited: Vec<Inherited>, limits: &Limits) -> Self {
        let bytes_max = limits.signature_bytes;
        let canonical = |method| Some(Canonical::new(&Form::of(method), Bounded::new(bytes_max)));
        Self {
            start: open.tag.offset,
            end: open.offset_end,
            depth: open.tag.depth,
            bytes_max,
            bytes: 0,
            last: Section::Begin,
            within: None,
            value: None,
            key_info: KeyInfo::default(),
            inherited,
            canonical: [canonical(Method::Inclusive), canonical(Method::Exclusive)],
            comments: false,
            signature_value: String::new(),
            certificates: Vec::new(),
            objection: only_attribute(&open.tag, "Id").err(),
        }
    }

    /// Its bytes in the document: from its `<` to one past its last `>`.
    pub(crate) fn span(&self) -> (u64, u64) {
        (self.start, self.end)
    }

    /// What was captured, or what is wrong with it.
    pub(crate) fn finish(self) -> Result<Captured, Objection> {
        if let Some(objection) = self.objection {
            return Err(objection);
        }
        if self.end - self.start > self.bytes_max as u64 {
            return Err(over());
        }
        if self.last < Section::SignatureValue {
            return Err(Objection::structure("no SignedInfo or no SignatureValue"));
        }
        let [inclusive, exclusive] = self.canonical.map(|c| c.and_then(|c| c.into_octets().into_inner()));
        Ok(Captured {
            inclusive: inclusive.ok_or_else(over)?,
            exclusive: exclusive.ok_or_else(over)?,
            comments: self.comments,
            signature_value: self.signature_value,
            certificates: self.certificates,
        })
    }

    /// An element inside it begins.
    pub(crate) fn start(&mut self, open: &Open<'_>) {
        if self.is_over() {
            return;
        }
        if self.value.is_some() {
            return self.object(Objection::structure("an element inside a value"));
        }
        let name = &open.tag.name;
        let level = open.tag.depth - self.depth;
        if level == 1 {
            self.section(open);
            if self.is_over() {
                return;
            }
        }
        let is_value = match self.within {
            Some(Section::SignedInfo) => name.is(DS, "DigestValue"),
            Some(Section::SignatureValue) => level == 1,
            Some(Section::KeyInfo) => match self.key_info.start(&open.tag) {
                Ok(certificate) => certificate,
                Err(objection) => return self.object(objection),
            },
            _ => false,
        };
        if is_value {
            self.value = Some(open.tag.depth);
            if self.within == Some(Section::KeyInfo) {
                if self.certificates.len() >= CERTIFICATES_MAX {
                    let detail = format!("more than {CERTIFICATES_MAX} certificates");
                    return self.object(Objection::Invalid(Invalid::Limit, detail));
                }
                self.certificates.push(String::new());
            }
        }
        if self.within == Some(Section::SignedInfo) {
            for canonical in self.canonical.iter_mut().flatten() {
                canonical.start(open, &self.inherited);
            }
        }
    }

    /// Text inside it.
    pub(crate) fn text(&mut self, chunk: &str, form: TextForm) {
        if self.is_over() {
            return;
        }
        self.bytes += chunk.len();
        if self.bytes > self.bytes_max {
            return self.object(over());
        }
        match self.within {
            Some(Section::SignedInfo) => {
                for canonical in self.canonical.iter_mut().flatten() {
                    canonical.text(chunk, form);
                }
            }
            Some(Section::SignatureValue) => self.signature_value.push_str(chunk),
            Some(Section::KeyInfo) if self.value.is_some() => {
                if let Some(certificate) = self.certificates.last_mut() {
                    certificate.push_str(chunk);
                }
            }
            Some(Section::KeyInfo) if self.key_info.takes_text() => {}
            _ if chunk.bytes().any(|b| !crate::chars::is_space(b)) => {
                self.object(Objection::structure("text between the parts of the Signature"));
            }
            _ => {}
        }
    }

    /// An element inside it, or itself, ends.
    pub(crate) fn end(&mut self, end: &End<'_>) {
        self.end = end.offset_end;
        if self.is_over() {
            return;
        }
        if self.value == Some(end.depth) {
            self.value = None;
        }
        if self.within == Some(Section::SignedInfo) {
            for canonical in self.canonical.iter_mut().flatten() {
                canonical.end(end);
            }
        }
        if self.within == Some(Section::KeyInfo) {
            self.key_info.end();
        }
        if end.depth == self.depth + 1 {
            self.within = None;
        }
    }

    /// A comment inside it.
    pub(crate) fn comment(&mut self) {
        if self.value.is_some() {
            self.object(Objection::structure("a comment inside a value"));
        }
        self.comments |= self.within == Some(Section::SignedInfo);
    }

    /// A processing instruction inside it: the profile has no use for one.
    pub(crate) fn instruction(&mut self) {
        self.object(Objection::structure("a processing instruction in the Signature"));
    }

    fn section(&mut self, open: &Open<'_>) {
        let name = &open.tag.name;
        let section = match name.local {
            _ if name.namespace != DS => None,
            "SignedInfo" => Some(Section::SignedInfo),
            "SignatureValue" => Some(Section::SignatureValue),
            "KeyInfo" => Some(Section::KeyInfo),
            "Object" => Some(Section::Object),
            _ => None,
        };
        let next = match (self.last, section) {
            (Section::Begin, Some(Section::SignedInfo)) => true,
            (Section::SignedInfo, Some(Section::SignatureValue)) => true,
            (Section::SignatureValue, Some(Section::KeyInfo)) => true,
            (_, Some(Section::Object)) => self.last >= Section::SignatureValue,
            _ => false,
        };
        match section {
            Some(section) if next => {
                if section == Section::SignatureValue
                    && let Err(objection) = only_attribute(&open.tag, "Id")
                {
                    return self.object(objection);
                }
                self.last = section;
                self.within = Some(section);
                if section == Section::Object {
                    let detail = "the Signature has a ds:Object".to_owned();
                    self.object(Objection::Unusable(Unusable::Object, detail));
                }
            }
            _ => {
                self.object(out_of_place(name));
            }
        }
    }

    /// Nothing more is captured: something is wrong already, or the element is longer than allowed.
    fn is_over(&self) -> bool {
        self.objection.is_some()
    }

    fn object(&mut self, objection: Objection) {
        self.objection.get_or_insert(objection);
    }
}

fn over() -> Objection {
    Objection::Invalid(Invalid::Limit, "the Signature is longer than signature_bytes".to_owned())
}
