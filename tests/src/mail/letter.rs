//! A message as it lies in a mailbox, read by a reader that shares nothing with what sends.

use std::fs;
use std::path::Path;

use lienthong::demo::mailbox::mime::{Entity, words};

/// A message and what is in it.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Its bytes, line ends CR LF.
    pub bytes: Vec<u8>,
}

impl Letter {
    /// The value of a header that stands exactly once, encoded words decoded.
    pub fn header(&self, name: &str) -> String {
        let message = self.message();
        let value = message.header(name).unwrap_or_else(|fault| panic!("{fault}"));
        words(value).unwrap_or_else(|fault| panic!("{name}: {fault}"))
    }

    /// The text for the clerk.
    pub fn text(&self) -> String {
        String::from_utf8(self.part(0)).expect("UTF-8")
    }

    /// The text of one that has nothing attached to it.
    pub fn plain(&self) -> String {
        let content = self.message().content().unwrap_or_else(|fault| panic!("{fault}"));
        String::from_utf8(content).expect("UTF-8")
    }

    /// The packet attached to it.
    pub fn packet(&self) -> Vec<u8> {
        self.part(1)
    }

    fn message(&self) -> Entity<'_> {
        Entity::read(&self.bytes).unwrap_or_else(|fault| panic!("{fault}"))
    }

    fn part(&self, at: usize) -> Vec<u8> {
        let message = self.message();
        let parts = message.parts().unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(parts.len(), 2, "a text and a packet");
        parts[at].content().unwrap_or_else(|fault| panic!("{fault}"))
    }
}

/// The messages of a Maildir, in the order of their arrival.
pub(super) fn letters_of(maildir: &Path) -> Vec<Letter> {
    let mut files: Vec<_> = ["new", "cur"]
        .iter()
        // A mailbox is made by its first message.
        .filter_map(|folder| fs::read_dir(maildir.join(folder)).ok())
        .flatten()
        .map(|entry| entry.expect("an entry"))
        .collect();
    files.sort_by_key(|file| arrival(&file.file_name().to_string_lossy()));
    files.iter().map(|file| Letter { bytes: with_crlf(&fs::read(file.path()).expect("a message")) }).collect()
}

/// When a file came, from its name: `<seconds>.M<microseconds>P...`, neither with leading zeros.
fn arrival(name: &str) -> (u64, u64) {
    let (seconds, rest) = name.split_once(".M").unwrap_or_else(|| panic!("{name} tells no time"));
    let microseconds = rest.split('P').next().unwrap_or_default();
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("{name} tells no time"));
    (number(seconds), number(microseconds))
}

/// A mail store may keep bare line feeds.
fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    text.replace('\n', "\r\n").into_bytes()
}
