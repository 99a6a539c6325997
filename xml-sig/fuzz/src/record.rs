//! What an observer sees of a document, written down.

use xml_sig::{Limits, Name, Observer, ReadError, ReadOptions, StartTag, Stop, XmlError, read};

use crate::pieces::{Cut, Pieces};

/// An expanded name with its prefix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OwnedName {
    pub(crate) namespace: String,
    pub(crate) local: String,
    pub(crate) prefix: String,
}

impl OwnedName {
    fn of(name: &Name<'_>) -> Self {
        Self {
            namespace: name.namespace.to_owned(),
            local: name.local.to_owned(),
            prefix: name.prefix.to_owned(),
        }
    }

    /// As it is written.
    pub(crate) fn qualified(&self) -> String {
        if self.prefix.is_empty() { self.local.clone() } else { format!("{}:{}", self.prefix, self.local) }
    }
}

/// One event; text is joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Start { name: OwnedName, attributes: Vec<(OwnedName, String)>, depth: usize, offset: u64 },
    Text(String),
    End(OwnedName),
}

/// The events of one reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) events: Vec<Event>,
}

impl Record {
    /// The same with nothing left that a canonical form changes: where tags stand, in which order attributes do.
    pub(crate) fn content(mut self) -> Self {
        for event in &mut self.events {
            if let Event::Start { attributes, offset, .. } = event {
                attributes.sort();
                *offset = 0;
            }
        }
        self
    }
}

impl Observer for Record {
    fn start(&mut self, tag: &StartTag<'_>) -> Result<(), Stop> {
        let attributes =
            tag.attributes.iter().map(|a| (OwnedName::of(&a.name), a.value.to_owned())).collect();
        let name = OwnedName::of(&tag.name);
        self.events.push(Event::Start { name, attributes, depth: tag.depth, offset: tag.offset });
        Ok(())
    }

    fn text(&mut self, chunk: &str) -> Result<(), Stop> {
        match self.events.last_mut() {
            Some(Event::Text(text)) => text.push_str(chunk),
            _ => self.events.push(Event::Text(chunk.to_owned())),
        }
        Ok(())
    }

    fn end(&mut self, name: &Name<'_>) -> Result<(), Stop> {
        self.events.push(Event::End(OwnedName::of(name)));
        Ok(())
    }
}

/// Reads a document.
pub(crate) fn record(document: &[u8], cut: Cut, limits: &Limits) -> Result<Record, XmlError> {
    let mut record = Record::default();
    let options = ReadOptions { limits, initial_namespaces: &[] };
    match read(&mut Pieces::new(document, cut), &options, &mut record) {
        Ok(()) => Ok(record),
        Err(error) => Err(fault(error)),
    }
}

/// The rule that was broken: nothing else can go wrong with an input in memory and an observer that never stops.
pub(crate) fn fault(error: ReadError) -> XmlError {
    match error {
        ReadError::Xml(error) => error,
        other => panic!("no fault of the document: {other}"),
    }
}
