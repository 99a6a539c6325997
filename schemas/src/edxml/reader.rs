//! From the events of the strict XML reader to an [`Envelope`]: the elements of `fields` at their true paths, by
//! namespace-aware name. Order and prefixes do not matter, unknown elements are passed over, their doubles in another
//! namespace are refused, attachments are hashed.

use xml_sig::{Name, Observer, StartTag, Stop};

use super::NAMESPACE;
use super::assemble::assemble;
use super::attachment::{Attached, AttachmentSink, Decoded};
use super::envelope::Envelope;
use super::fields::{Element, Holds, Occurs, ROOT};
use super::limits::EdxmlLimits;
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
    /// Open elements inside one that is passed over, that one included.
    passed_over: usize,
    root: Option<Node>,
    text_bytes: usize,
    receivers: usize,
    attachments: usize,
    entries: usize,
}

impl<'s> EnvelopeReader<'s> {
    /// A reader for one packet.
    pub fn new(mode: ReadMode, limits: &EdxmlLimits) -> Self {
        Self {
            mode,
            limits: limits.clone(),
            open: Vec::new(),
            attached: Attached::new(),
            passed_over: 0,
            root: None,
            text_bytes: 0,
            receivers: 0,
            attachments: 0,
            entries: 0,
        }
    }

    /// Has the bytes of the attachments go to `sink` too as they pass. For [`ReadMode::Full`].
    #[must_use]
    pub fn keeping(mut self, sink: &'s mut (dyn AttachmentSink + 's)) -> Self {
        self.attached.keep_in(sink);
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
        assemble(&root, self.mode)
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
        let Holds::Elements(children) = parent.element.holds else {
            let code = match parent.element.holds {
                Holds::Base64 => RejectionCode::AttachmentInvalid,
                _ => RejectionCode::FieldInvalid,
            };
            return Err(Rejection::new(code).at(self.path()).because(format!("<{}> inside", tag.name.local)));
        };
        let named = |e: &Element| e.name == tag.name.local || e.alias == Some(tag.name.local);
        let Some(index) = children.iter().position(named) else {
            self.passed_over = 1;
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
            self.passed_over = 1;
            return Ok(());
        }
        let position = if element.occurs == Occurs::Once {
            let seen = 1 << index;
            if parent.seen & seen != 0 {
                return Err(Rejection::new(RejectionCode::FieldRepeated).at(self.path_of(element)));
            }
            parent.seen |= seen;
            1
        } else {
            // Looked for from the end: its like is next to it, or was passed over once for each other name.
            let before = parent.children.iter().rev().find(|c| std::ptr::eq(c.element, element));
            before.map_or(1, |node| node.position + 1)
        };
        self.count(element)?;
        self.open.push(Node::new(element, position));
        if matches!(element.holds, Holds::Base64) {
            self.attached.begin();
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
            Holds::Text(_) => {
                node.text.push_str(chunk);
                self.text_bytes += chunk.len();
                let (field, all) = (self.limits.field_bytes, self.limits.text_bytes);
                let (code, over) = if node.text.len() > field {
                    (RejectionCode::FieldTooLong, format!("more than {field} bytes"))
                } else if self.text_bytes > all {
                    (RejectionCode::XmlLimit, format!("more than {all} bytes in all fields together"))
                } else {
                    return Ok(());
                };
                Err(Rejection::new(code).at(self.path()).because(over))
            }
        }
    }

    fn end_element(&mut self) -> Result<(), Rejection> {
        let Some(mut node) = self.open.pop() else { return Ok(()) };
        let trimmed = node.text.trim();
        if trimmed.len() < node.text.len() {
            node.text = trimmed.to_owned();
        }
        if node.element.occurs == Occurs::Attachments && !node.is_blank() {
            self.attached.count();
        }
        match self.open.last_mut() {
            Some(parent) => parent.children.push(node),
            None => self.root = Some(node),
        }
        Ok(())
    }

    /// The base64 of an attachment ends where its element does.
    fn end_attachment(&mut self) -> Result<(), Stop> {
        if self.attached.is_open() {
            let open = &self.open;
            let decoded = self.attached.end(|| path_of(open))?;
            if let Some(node) = self.open.last_mut() {
                node.decoded = decoded;
            }
        }
        Ok(())
    }

    /// The path of a child of the element that is open.
    fn path_of(&self, child: &Element) -> String {
        let path = format!("{}/{}", self.path(), child.name);
        path.trim_start_matches('/').to_owned()
    }

    fn path(&self) -> String {
        path_of(&self.open)
    }
}

fn path_of(open: &[Node]) -> String {
    let steps: Vec<String> = open.iter().filter_map(Node::step).collect();
    steps.join("/")
}

impl Observer for EnvelopeReader<'_> {
    fn start(&mut self, tag: &StartTag<'_>) -> Result<(), Stop> {
        if self.passed_over > 0 {
            self.passed_over += 1;
            return Ok(());
        }
        self.begin_child(tag).map_err(stop)
    }

    fn text(&mut self, chunk: &str) -> Result<(), Stop> {
        if self.passed_over > 0 {
            return Ok(());
        }
        if self.attached.is_open() {
            let open = &self.open;
            return self.attached.push(chunk, || path_of(open));
        }
        self.take_text(chunk).map_err(stop)
    }

    fn end(&mut self, _: &Name<'_>) -> Result<(), Stop> {
        if self.passed_over > 0 {
            self.passed_over -= 1;
            return Ok(());
        }
        self.end_attachment()?;
        self.end_element().map_err(stop)
    }
}

fn stop(rejection: Rejection) -> Stop {
    Stop(Box::new(rejection))
}

/// An element that was read, with what was read in it.
#[derive(Debug)]
pub(super) struct Node {
    element: &'static Element,
    /// Trimmed, once the element has ended.
    text: String,
    children: Vec<Node>,
    decoded: Option<Box<Decoded>>,
    /// Its number among its like in the parent.
    position: usize,
    /// One bit a child element that may stand only once.
    seen: u64,
}

impl Node {
    fn new(element: &'static Element, position: usize) -> Self {
        Self { element, text: String::new(), children: Vec::new(), decoded: None, position, seen: 0 }
    }

    /// The child of this name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|c| c.element.name == name)
    }

    /// All children of this name, less those that hold nothing: many producers write empty elements for absent ones.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |c| c.element.name == name && !c.is_blank())
    }

    /// The text at a path below; empty when there is none.
    pub(super) fn text(&self, path: &[&str]) -> &str {
        let end = path.iter().try_fold(self, |node, name| node.child(name));
        end.map_or("", |node| node.text.as_str())
    }

    /// What was decoded in this child.
    pub(super) fn decoded(&self, name: &str) -> Option<&Decoded> {
        self.child(name)?.decoded.as_deref()
    }

    /// No text and no data in it or below.
    pub(super) fn is_blank(&self) -> bool {
        let data = self.decoded.as_ref().is_some_and(|d| !d.is_empty());
        self.text.is_empty() && !data && self.children.iter().all(Self::is_blank)
    }

    /// Whatever is not blank in it has one of these names.
    pub(super) fn only_has(&self, names: &[&str]) -> bool {
        self.children.iter().all(|c| c.is_blank() || names.contains(&c.element.name))
    }

    /// This step of a path: the name, and for what may repeat its number. Root and envelope are left out of paths.
    pub(super) fn step(&self) -> Option<String> {
        match (self.element.name, self.element.occurs) {
            ("edXML" | "edXMLEnvelope", _) => None,
            (name, Occurs::Once) => Some(name.to_owned()),
            (name, _) => Some(format!("{name}[{}]", self.position)),
        }
    }

    /// Calls `see` with the path of every field that is longer than advised.
    pub(super) fn long_fields(&self, path: &mut Vec<String>, see: &mut dyn FnMut(String)) {
        let step = self.step();
        path.extend(step.clone());
        if let Holds::Text(characters) = self.element.holds
            && self.text.len() > characters
            && self.text.chars().count() > characters
        {
            see(path.join("/"));
        }
        for child in &self.children {
            child.long_fields(path, see);
        }
        if step.is_some() {
            path.pop();
        }
    }
}
