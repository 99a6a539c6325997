//! From the events of the strict XML reader to an [`Envelope`]: the elements of `fields` at their true paths, by
//! namespace-aware name. Order and prefixes do not matter, unknown elements are kept aside, doubles of known ones in
//! another namespace are refused, attachments are hashed.
//!
//! An element that may stand once and stands twice is refused, with two exceptions on which nothing hangs:
//! the same text again, and, in text for persons, an empty element beside a filled one. What a text for persons has of
//! markup in it is kept aside, and the text in that belongs to it.

use xml_sig::{Name, Observer, StartTag, Stop};

use super::NAMESPACE;
use super::aside::{Aside, Known};
use super::assemble::assemble;
use super::attachment::{Attached, AttachmentSink};
use super::envelope::Envelope;
use super::fields::{Element, Holds, Occurs, ROOT};
use super::finding::{Finding, Findings};
use super::limits::EdxmlLimits;
use super::node::Node;
use crate::rejections::{Rejection, RejectionCode};

/// How much of a packet is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadMode {
    /// The header and the manifest: for logs, rejections and for finding the sender's keys. Attachments are passed over.
    Claims,
    /// All of it: attachments are decoded and hashed.
    Full,
}

/// One reading of one packet. It stops the reading ([`Stop`]) with a [`Rejection`] as soon as something cannot be right.
pub struct EnvelopeReader<'s> {
    mode: ReadMode,
    limits: EdxmlLimits,
    open: Vec<Node>,
    attached: Attached<'s>,
    aside: Aside,
    known: Known<'s>,
    findings: Findings,
    root: Option<Node>,
    text_bytes: usize,
    receivers: usize,
    attachments: usize,
    entries: usize,
    repeats: usize,
}

/// Most elements that are passed over because they say again what stands before them. Each is looked for among the
/// children of its parent, of which there may be thousands.
const REPEATS_MAX: usize = 100;

impl<'s> EnvelopeReader<'s> {
    /// A reader for one packet.
    pub fn new(mode: ReadMode, limits: &EdxmlLimits) -> Self {
        Self {
            mode,
            limits: limits.clone(),
            open: Vec::new(),
            attached: Attached::new(limits),
            aside: Aside::default(),
            known: &|_| false,
            findings: Findings::default(),
            root: None,
            text_bytes: 0,
            receivers: 0,
            attachments: 0,
            entries: 0,
            repeats: 0,
        }
    }

    /// Has the bytes of the attachments go to `sink` too as they pass. For [`ReadMode::Full`].
    #[must_use]
    pub fn keeping(mut self, sink: &'s mut (dyn AttachmentSink + 's)) -> Self {
        self.attached.keep_in(sink);
        self
    }

    /// Certificates in DER for which `known` gives `true` are not read only to see whether they can be: that costs OpenSSL 3
    /// more than all the rest of a small packet.
    #[must_use]
    pub fn knowing(mut self, known: &'s dyn Fn(&[u8]) -> bool) -> Self {
        self.known = known;
        self
    }

    /// Whether what was read so far is enough to say who sends the packet and what kind it is: all of it, or, for claims,
    /// the children of its header that say so. A signed packet that ends its header with the Signature need not be read
    /// twice.
    pub fn has_claims(&self) -> bool {
        if self.root.is_some() {
            return true;
        }
        let header = self.open.iter().find(|node| node.element.name == "edXMLHeader");
        self.mode == ReadMode::Claims
            && header.is_some_and(|header| {
                let message = header.child("MessageHeader");
                let status = message.is_some_and(|message| message.all("StatusCode").next().is_some());
                message.is_some() && (status || header.child("TraceHeaderList").is_some())
            })
    }

    /// What the packet says, after the XML reader has returned without a fault.
    ///
    /// Refuses a packet that lacks a mandatory field, or whose fields cannot be read for what they must be. A reader
    /// that did not see the end of the root gives `XML_MALFORMED`, unless it [has the claims](Self::has_claims) that it
    /// was made for.
    pub fn finish(mut self) -> Result<Envelope, Rejection> {
        if self.root.is_none() && self.has_claims() {
            while !self.open.is_empty() {
                self.end_element()?;
            }
        }
        let Some(root) = self.root else {
            return Err(
                Rejection::new(RejectionCode::XmlMalformed).because("the packet was not read to its end")
            );
        };
        assemble(&root, self.mode, self.aside.into_unknown(), self.findings)
    }

    fn begin_root(&mut self, tag: &StartTag<'_>) -> Result<(), Rejection> {
        if !tag.name.is(NAMESPACE, ROOT.name) {
            let found = format!("{{{}}}{}", tag.name.namespace, tag.name.local);
            return Err(Rejection::new(RejectionCode::PacketNotEdxml).because(found));
        }
        self.open.push(Node::new(&ROOT, 1));
        Ok(())
    }

    fn begin_child(&mut self, tag: &StartTag<'_>) -> Result<(), Rejection> {
        let Some(parent) = self.open.last_mut() else { return self.begin_root(tag) };
        let children = match parent.element.holds {
            Holds::Elements(children) => children,
            Holds::Prose(_) => &[],
            Holds::Base64 => return Err(self.markup_inside(RejectionCode::AttachmentInvalid, tag)),
            Holds::Text(_) => return Err(self.markup_inside(RejectionCode::FieldInvalid, tag)),
        };
        let named = |e: &Element| e.name == tag.name.local || e.alias == Some(tag.name.local);
        let Some(index) = children.iter().position(named) else {
            self.aside.begin(tag, &|| path(&self.open), &mut self.findings);
            return Ok(());
        };
        let element = &children[index];
        if tag.name.namespace != NAMESPACE {
            // The reference library goes by local names: it would read what we pass over.
            let path = self.path_of(element);
            let why = format!("in the namespace \"{}\"", tag.name.namespace);
            return Err(Rejection::new(RejectionCode::FieldInvalid).at(path).because(why));
        }
        if self.mode == ReadMode::Claims && element.name == "AttachmentEncoded" {
            self.aside.begin_silent();
            return Ok(());
        }
        let mut repeats = false;
        let position = if element.occurs == Occurs::Once {
            let seen = 1 << index;
            repeats = parent.seen & seen != 0;
            self.repeats += usize::from(repeats);
            let may_repeat = matches!(element.holds, Holds::Text(_) | Holds::Prose(_));
            if repeats && (!may_repeat || self.repeats > REPEATS_MAX) {
                return Err(self.repeated(element));
            }
            parent.seen |= seen;
            1
        } else {
            // Looked for from the end: its like is next to it, or was passed over once for each other name.
            let before = parent.children.iter().rev().find(|c| std::ptr::eq(c.element, element));
            before.map_or(1, |node| node.position + 1)
        };
        self.count(element)?;
        self.note_prefix(element, tag);
        let node = Node { repeats, ..Node::new(element, position) };
        self.open.push(node);
        if matches!(element.holds, Holds::Base64) {
            self.attached.begin();
        }
        self.take_attributes(element, tag)
    }

    fn markup_inside(&self, code: RejectionCode, tag: &StartTag<'_>) -> Rejection {
        Rejection::new(code).at(path(&self.open)).because(format!("<{}> inside", tag.name.local))
    }

    fn repeated(&self, element: &Element) -> Rejection {
        Rejection::new(RejectionCode::FieldRepeated).at(self.path_of(element))
    }

    /// Some receivers read the elements of the envelope only with the prefix that the reference library gives them.
    fn note_prefix(&mut self, element: &Element, tag: &StartTag<'_>) {
        let within = self.open.len() > 1 && self.open[1].element.name == "edXMLEnvelope";
        let odd = tag.name.prefix != "edXML" && (within || element.name == "edXMLEnvelope");
        if odd && !self.findings.has(Finding::ElementPrefix) {
            self.findings.add(Finding::ElementPrefix, self.path_of(element), tag.name.prefix);
        }
    }

    fn take_attributes(&mut self, element: &Element, tag: &StartTag<'_>) -> Result<(), Rejection> {
        let mut taken = Vec::new();
        for name in element.attributes {
            let Some(attribute) = tag.attributes.iter().find(|a| a.name.local == *name) else { continue };
            let value = attribute.value.trim();
            self.text_bytes += value.len();
            if let Some(over) = self.over(value.len()) {
                return Err(over.at(format!("{}/@{name}", path(&self.open))));
            }
            taken.push((*name, value.to_owned()));
        }
        if let Some(node) = self.open.last_mut() {
            node.attributes = taken.into();
        }
        Ok(())
    }

    fn count(&mut self, element: &Element) -> Result<(), Rejection> {
        let (count, limit, code) = match element.occurs {
            Occurs::Once => return Ok(()),
            Occurs::Receivers => {
                (&mut self.receivers, self.limits.receivers, RejectionCode::ReceiversTooMany)
            }
            Occurs::Attachments => {
                (&mut self.attachments, self.limits.attachments, RejectionCode::AttachmentsTooMany)
            }
            Occurs::Entries => (&mut self.entries, self.limits.entries, RejectionCode::XmlLimit),
        };
        *count += 1;
        if *count > limit {
            return Err(Rejection::new(code).at(self.path_of(element)).because(format!("more than {limit}")));
        }
        Ok(())
    }

    fn take_text(&mut self, chunk: &str) -> Result<(), Rejection> {
        let Some(node) = self.open.last_mut() else { return Ok(()) };
        match node.element.holds {
            Holds::Elements(_) | Holds::Base64 => Ok(()),
            Holds::Text(_) | Holds::Prose(_) => {
                node.text.push_str(chunk);
                let field_bytes = node.text.len();
                self.text_bytes += chunk.len();
                self.over(field_bytes).map_or(Ok(()), |over| Err(over.at(path(&self.open))))
            }
        }
    }

    /// The refusal of a field of so many bytes, when that is too many, or when all fields together have too many: for
    /// the limit that was passed first, however the text is cut.
    fn over(&self, field_bytes: usize) -> Option<Rejection> {
        let (field, all) = (self.limits.field_bytes, self.limits.text_bytes);
        let (over_field, over_all) = (field_bytes.saturating_sub(field), self.text_bytes.saturating_sub(all));
        if over_field > 0 && over_field >= over_all {
            let why = format!("more than {field} bytes");
            Some(Rejection::new(RejectionCode::FieldTooLong).because(why))
        } else if over_all > 0 {
            let why = format!("more than {all} bytes in all fields together");
            Some(Rejection::new(RejectionCode::XmlLimit).because(why))
        } else {
            None
        }
    }

    fn end_element(&mut self) -> Result<(), Rejection> {
        let Some(mut node) = self.open.pop() else { return Ok(()) };
        node.close();
        if node.element.occurs == Occurs::Attachments && !node.is_blank() {
            self.attached.count();
        }
        match self.open.last_mut() {
            Some(_) if node.repeats => self.end_repeated(node)?,
            Some(parent) => parent.children.push(node),
            None => self.root = Some(node),
        }
        Ok(())
    }

    /// The base64 of an attachment ends where its element does.
    fn end_attachment(&mut self) -> Result<(), Stop> {
        if self.attached.is_open() {
            let open = &self.open;
            let decoded = self.attached.end(|| path(open))?;
            if let Some(node) = self.open.last_mut() {
                node.decoded = decoded;
            }
        }
        Ok(())
    }

    /// The second element of a name that may stand once. Where it is refused, and where not: see the top of this file.
    fn end_repeated(&mut self, node: Node) -> Result<(), Rejection> {
        let field = self.path_of(node.element);
        let Some(parent) = self.open.last_mut() else { return Ok(()) };
        let Some(first) = parent.children.iter_mut().find(|c| std::ptr::eq(c.element, node.element)) else {
            return Ok(());
        };
        let one_is_blank = first.text.is_empty() || node.text.is_empty();
        if first.text != node.text && !(one_is_blank && matches!(node.element.holds, Holds::Prose(_))) {
            return Err(self.repeated(node.element));
        }
        if first.text.is_empty() {
            first.text = node.text;
        }
        self.findings.add(Finding::ElementRepeated, field, "");
        Ok(())
    }

    /// The path of a child of the element that is open.
    fn path_of(&self, child: &Element) -> String {
        let path = format!("{}/{}", path(&self.open), child.name);
        path.trim_start_matches('/').to_owned()
    }
}

fn path(open: &[Node]) -> String {
    let steps: Vec<String> = open.iter().filter_map(Node::step).collect();
    steps.join("/")
}

impl Observer for EnvelopeReader<'_> {
    fn start(&mut self, tag: &StartTag<'_>) -> Result<(), Stop> {
        if self.aside.is_open() {
            self.aside.start(tag);
            return Ok(());
        }
        self.begin_child(tag).map_err(stop)
    }

    fn text(&mut self, chunk: &str) -> Result<(), Stop> {
        if self.aside.is_open() {
            self.aside.text(chunk);
            let within_prose = self.open.last().is_some_and(|n| matches!(n.element.holds, Holds::Prose(_)));
            if !within_prose {
                return Ok(());
            }
        } else if self.attached.is_open() {
            let open = &self.open;
            return self.attached.push(chunk, || path(open));
        }
        self.take_text(chunk).map_err(stop)
    }

    fn end(&mut self, _: &Name<'_>) -> Result<(), Stop> {
        if self.aside.is_open() {
            self.aside.end(self.known, &mut self.findings);
            return Ok(());
        }
        self.end_attachment()?;
        self.end_element().map_err(stop)
    }
}

fn stop(rejection: Rejection) -> Stop {
    Stop(Box::new(rejection))
}
