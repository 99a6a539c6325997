//! Text as it streams by: characters cut by the end of a window, line ends, forbidden characters, `]]>`. Memory: one
//! window.

use crate::chars::{Traits, first_odd, is_char};
use crate::error::{XmlError, XmlFault};

/// What a canonicaliser may assume of a piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextForm {
    /// No `&`, `<`, `>` and no carriage return: canonical as it is.
    Plain,
    /// Any character.
    Mixed,
}

/// A piece of one text node or CDATA section, and what is known of it.
#[derive(Clone, Copy)]
pub(crate) struct Run<'t> {
    pub(crate) text: &'t str,
    /// It may have `&`, `<` or `>`; without CDATA only `>`.
    pub(crate) special: bool,
    /// What it may have, being a part of the text of which this is known.
    pub(crate) traits: Traits,
}

impl<'t> Run<'t> {
    /// Text that means itself.
    pub(crate) fn plain(text: &'t str) -> Self {
        Self { text, special: false, traits: Traits::default() }
    }

    /// What stands before `end`, and breaks no rule.
    pub(crate) fn before(self, end: usize) -> Self {
        Self { text: &self.text[..end], ..self }
    }
}

/// A broken rule.
pub(crate) struct Found {
    pub(crate) fault: XmlFault,
    /// The byte that shows it; what stands before it is good.
    pub(crate) seen: usize,
    /// How far before that byte the wrong thing begins, perhaps in the run before.
    pub(crate) back: u64,
}

impl Found {
    /// Where the wrong thing begins when the run is at `offset`.
    pub(crate) fn offset_from(&self, offset: u64) -> u64 {
        (offset + self.seen as u64).saturating_sub(self.back)
    }
}

/// What one run leaves for the next.
#[derive(Default)]
pub(crate) struct TextState {
    carry: [u8; 4],
    carried: usize,
    after_cr: bool,
    brackets: usize,
    normalised: String,
}

impl TextState {
    /// The text is over: markup or a reference follows.
    pub(crate) fn over(&mut self) {
        self.after_cr = false;
        self.brackets = 0;
    }

    /// How many bytes of a character were read whose end was not.
    pub(crate) fn carried(&self) -> usize {
        self.carried
    }

    /// The first rule that `run` breaks.
    pub(crate) fn find_fault(&self, run: &Run<'_>, cdata: bool) -> Option<Found> {
        let character = if run.traits.odd { first_odd(run.text) } else { None };
        let brackets = if run.special && !cdata { self.cdata_end(run.text.as_bytes()) } else { None };
        let character = character.map(|seen| Found { fault: XmlFault::Character, seen, back: 0 });
        let brackets = brackets.map(|seen| Found { fault: XmlFault::CdataEnd, seen, back: 2 });
        character.into_iter().chain(brackets).min_by_key(|found| found.seen)
    }

    /// What is to be shown of `run`, which breaks no rule; nothing if it is the second half of a line end.
    pub(crate) fn take<'t>(&'t mut self, run: Run<'t>, cdata: bool) -> (&'t str, TextForm) {
        let form = if run.special { TextForm::Mixed } else { TextForm::Plain };
        if !cdata {
            self.brackets = trailing_brackets(run.text.as_bytes(), self.brackets);
        }
        if !run.traits.carriage_returns && !self.after_cr {
            return (run.text, form);
        }
        if run.text.is_empty() {
            return ("", form);
        }
        let text = if self.after_cr { run.text.strip_prefix('\n').unwrap_or(run.text) } else { run.text };
        self.after_cr = text.ends_with('\r');
        if memchr::memchr(b'\r', text.as_bytes()).is_none() {
            return (text, form);
        }
        normalise_line_ends(text, &mut self.normalised);
        (&self.normalised, form)
    }

    /// Takes one byte of a character that was cut, or that is none; returns the character when it is whole.
    pub(crate) fn byte(&mut self, byte: u8, offset: u64) -> Result<Option<&str>, XmlError> {
        let start = offset - self.carried as u64;
        self.carry[self.carried] = byte;
        self.carried += 1;
        let text = match std::str::from_utf8(&self.carry[..self.carried]) {
            Ok(text) => text,
            // An incomplete character has three bytes at most.
            Err(error) if error.error_len().is_none() => return Ok(None),
            Err(_) => return Err(XmlError { fault: XmlFault::NotUtf8, offset: start }),
        };
        self.carried = 0;
        self.after_cr = false;
        self.brackets = 0;
        if text.chars().all(is_char) {
            Ok(Some(text))
        } else {
            Err(XmlError { fault: XmlFault::Character, offset: start })
        }
    }

    /// The `>` of a `]]>` in `bytes`, given the brackets before them.
    fn cdata_end(&self, bytes: &[u8]) -> Option<usize> {
        memchr::memchr_iter(b'>', bytes).find(|&at| trailing_brackets(&bytes[..at], self.brackets) == 2)
    }
}

/// XML 1.0 section 2.11: CR LF and CR become LF.
pub(crate) fn normalise_line_ends(text: &str, out: &mut String) {
    out.clear();
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\r', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        out.push('\n');
        rest = &rest[at + 1..];
        rest = rest.strip_prefix('\n').unwrap_or(rest);
    }
    out.push_str(rest);
}

/// How many `]` end `bytes`, at most 2, when `before` of them stand just before.
fn trailing_brackets(bytes: &[u8], before: usize) -> usize {
    match bytes {
        [.., b']', b']'] => 2,
        [b']'] => (before + 1).min(2),
        [.., b']'] => 1,
        [] => before,
        _ => 0,
    }
}
