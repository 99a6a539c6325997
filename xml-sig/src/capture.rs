//! One Signature element while it goes by: SignedInfo, SignatureValue, certificates. The first thing wrong is kept;
//! what follows it is ignored.

use crate::algorithms::DS;
use crate::c14n::{Canonical, Form, Inherited};
use crate::events::{End, Open, Place, TextForm};
use crate::key_info::{KeyInfo, only_attribute, out_of_place};
use crate::limits::Limits;
use crate::octets::Bounded;
use crate::verdict::{Invalid, Objection};

/// X509Certificate elements in a KeyInfo.
const CERTIFICATES_MAX: usize = 16;
/// SignedInfo is kept whole, comments included: every other form of it is made from this one.
const KEPT: Form = Form { method: crate::c14n::Method::Inclusive, comments: true, prefixes: Vec::new() };

/// The children of ds:Signature in their order (XML Signature section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Section {
    Begin,
    SignedInfo,
    SignatureValue,
    KeyInfo,
    Object,
}

/// What is around a Signature, and how it is read.
pub(crate) struct Around {
    /// The `xml:` attributes of it and its ancestors, nearest first.
    pub(crate) inherited: Vec<Inherited>,
    /// Where its ancestors begin, outermost first.
    pub(crate) ancestors: Vec<u64>,
    /// Certificates are taken from KeyInfo, which then must be built as its table says.
    pub(crate) reads_key_info: bool,
}

/// A Signature element that is being read.
pub(crate) struct Capture {
    start: u64,
    depth: usize,
    around: Around,
    bytes_max: usize,
    text_bytes: usize,
    /// Where the open Object began, and the length of those before it.
    object: Option<u64>,
    objects_bytes: u64,
    last: Section,
    within: Option<Section>,
    value: Option<usize>,
    key_info: KeyInfo,
    signed_info: Option<Canonical<Bounded>>,
    signature_value: String,
    certificates: Vec<String>,
    objection: Option<(Objection, u64)>,
}

/// A Signature element that was read.
pub(crate) struct Captured {
    /// Its bytes in the document: from its `<` to one past its last `>`.
    pub(crate) span: (u64, u64),
    /// Where the elements around it begin, outermost first.
    pub(crate) ancestors: Vec<u64>,
    /// What it says, or what is wrong with it and where.
    pub(crate) said: Result<Said, (Objection, u64)>,
}

/// What a well-built Signature element says.
pub(crate) struct Said {
    /// SignedInfo as a document of its own: canonical (inclusive, with comments), without `xml:` attributes of others.
    pub(crate) signed_info: Vec<u8>,
    /// The `xml:` attributes of the elements around SignedInfo, nearest first.
    pub(crate) inherited: Vec<Inherited>,
    pub(crate) signature_value: String,
    pub(crate) certificates: Vec<String>,
}

impl Capture {
    /// The element begins.
    pub(crate) fn new(open: &Open<'_>, around: Around, limits: &Limits) -> Self {
        let bytes_max = limits.signature_bytes;
        Self {
            start: open.tag.offset,
            depth: open.tag.depth,
            around,
            bytes_max,
            text_bytes: 0,
            object: None,
            objects_bytes: 0,
            last: Section::Begin,
            within: None,
            value: None,
            key_info: KeyInfo::default(),
            signed_info: Some(Canonical::new(&KEPT, Bounded::new(bytes_max))),
            signature_value: String::new(),
            certificates: Vec::new(),
            objection: only_attribute(&open.tag, "Id").err().map(|objection| (objection, open.tag.offset)),
        }
    }

    /// Its own depth.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// The element has ended at `end`, one past its last `>`.
    pub(crate) fn finish(mut self, end: u64) -> Captured {
        let (span, ancestors) = ((self.start, end), std::mem::take(&mut self.around.ancestors));
        Captured { span, ancestors, said: self.said(end) }
    }

    fn said(self, end: u64) -> Result<Said, (Objection, u64)> {
        let at = self.start;
        if let Some(objection) = self.objection {
            return Err(objection);
        }
        if end - at - self.objects_bytes > self.bytes_max as u64 {
            return Err((over(), at));
        }
        if self.last < Section::SignatureValue {
            return Err((Objection::structure("no SignedInfo or no SignatureValue"), at));
        }
        let signed_info = self.signed_info.and_then(|canonical| canonical.into_octets().into_inner());
        Ok(Said {
            signed_info: signed_info.ok_or_else(|| (over(), at))?,
            inherited: self.around.inherited,
            signature_value: self.signature_value,
            certificates: self.certificates,
        })
    }

    /// An element inside it begins.
    pub(crate) fn start(&mut self, open: &Open<'_>) {
        if self.is_over() || self.object.is_some() {
            return;
        }
        let at = open.tag.offset;
        if self.value.is_some() {
            return self.object_to(Objection::structure("an element inside a value"), at);
        }
        if open.tag.depth == self.depth + 1
            && let Err(objection) = self.section(open)
        {
            return self.object_to(objection, at);
        }
        match self.within {
            Some(Section::SignedInfo) => {
                if open.tag.name.is(DS, "DigestValue") {
                    self.value = Some(open.tag.depth);
                }
                if let Some(canonical) = &mut self.signed_info {
                    canonical.start(open, &[]);
                }
            }
            Some(Section::SignatureValue) => self.value = Some(open.tag.depth),
            Some(Section::KeyInfo) if self.around.reads_key_info => match self.key_info.start(&open.tag) {
                Ok(true) => self.certificate(open),
                Ok(false) => {}
                Err(objection) => self.object_to(objection, at),
            },
            _ => {}
        }
    }

    /// Text inside it.
    pub(crate) fn text(&mut self, chunk: &str, form: TextForm) {
        if self.is_over() || self.object.is_some() {
            return;
        }
        self.text_bytes += chunk.len();
        if self.text_bytes > self.bytes_max {
            return self.object_to(over(), self.start);
        }
        match self.within {
            Some(Section::SignedInfo) => {
                if let Some(canonical) = &mut self.signed_info {
                    canonical.text(chunk, form);
                }
            }
            Some(Section::SignatureValue) => self.signature_value.push_str(chunk),
            Some(Section::KeyInfo) if self.value.is_some() => {
                if let Some(certificate) = self.certificates.last_mut() {
                    certificate.push_str(chunk);
                }
            }
            Some(Section::KeyInfo) if !self.around.reads_key_info || self.key_info.takes_text() => {}
            _ if chunk.bytes().any(|b| !crate::chars::is_space(b)) => {
                self.object_to(Objection::structure("text between the parts of the Signature"), self.start);
            }
            _ => {}
        }
    }

    /// An element inside it ends.
    pub(crate) fn end(&mut self, end: &End<'_>) {
        if let Some(start) = self.object
            && end.depth == self.depth + 1
        {
            self.object = None;
            self.objects_bytes += end.offset_end - start;
        }
        if self.is_over() || self.object.is_some() {
            return;
        }
        if self.value == Some(end.depth) {
            self.value = None;
        }
        match self.within {
            Some(Section::SignedInfo) => {
                if let Some(canonical) = &mut self.signed_info {
                    canonical.end(end);
                }
            }
            Some(Section::KeyInfo) if self.around.reads_key_info => self.key_info.end(),
            _ => {}
        }
        if end.depth == self.depth + 1 {
            self.within = None;
        }
    }

    /// A comment inside it.
    pub(crate) fn comment(&mut self, comment: &str) {
        if self.is_over() || self.object.is_some() {
            return;
        }
        if self.value.is_some() {
            return self.object_to(Objection::structure("a comment inside a value"), self.start);
        }
        if self.within == Some(Section::SignedInfo)
            && let Some(canonical) = &mut self.signed_info
        {
            canonical.comment(comment, Place::Inside);
        }
    }

    /// A processing instruction inside it: the profile has no use for one outside an Object.
    pub(crate) fn instruction(&mut self) {
        if self.object.is_none() {
            self.object_to(Objection::structure("a processing instruction in the Signature"), self.start);
        }
    }

    /// A child of the Signature begins.
    fn section(&mut self, open: &Open<'_>) -> Result<(), Objection> {
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
        let section = section.filter(|_| next).ok_or_else(|| out_of_place(name))?;
        if section == Section::SignatureValue {
            only_attribute(&open.tag, "Id")?;
        }
        if section == Section::Object {
            self.object = Some(open.tag.offset);
        }
        self.last = section;
        self.within = Some(section);
        Ok(())
    }

    fn certificate(&mut self, open: &Open<'_>) {
        self.value = Some(open.tag.depth);
        if self.certificates.len() >= CERTIFICATES_MAX {
            let detail = format!("more than {CERTIFICATES_MAX} certificates");
            return self.object_to(Objection::Invalid(Invalid::Limit, detail), open.tag.offset);
        }
        self.certificates.push(String::new());
    }

    /// Nothing more is captured: something is wrong already.
    fn is_over(&self) -> bool {
        self.objection.is_some()
    }

    fn object_to(&mut self, objection: Objection, at: u64) {
        self.objection.get_or_insert((objection, at));
    }
}

fn over() -> Objection {
    Objection::Invalid(Invalid::Limit, "the Signature is longer than signature_bytes".to_owned())
}
