//! Text as it streams by: UTF-8 across chunk ends, line ends, forbidden characters, `]]>`. Memory: one chunk.

use crate::chars::{all_chars, is_plain};
use crate::error::{ReadError, XmlFault};

/// What a canonicaliser may assume of a piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextForm {
    /// No `&`, `<`, `>` and no carriage return: canonical as it is.
    Plain,
    /// Any character.
    Mixed,
}

/// Which rules a run of text is under.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Within {
    /// Ordinary character data: no `]]>`.
    Text,
    /// A CDATA section.
    Cdata,
}

/// Why a run was not taken: a rule, or the sink's own error.
pub(crate) enum Refusal {
    /// A rule of the reader.
    Fault(XmlFault),
    /// The sink wants no more.
    Sink(ReadError),
}

impl From<XmlFault> for Refusal {
    fn from(fault: XmlFault) -> Self {
        Self::Fault(fault)
    }
}

type Taken = Result<(), Refusal>;

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
    /// Takes the next bytes of one run of text, without `<` and `&` unless in CDATA.
    pub(crate) fn take(
        &mut self,
        bytes: &[u8],
        within: Within,
        emit: &mut dyn FnMut(&str, TextForm) -> Result<(), ReadError>,
    ) -> Taken {
        let bytes = if self.carried > 0 { self.complete(bytes, emit)? } else { bytes };
        if bytes.is_empty() {
            return Ok(());
        }
        let whole = std::str::from_utf8(bytes);
        let plain =
            || is_plain(bytes) && (within == Within::Text || memchr::memchr2(b'<', b'&', bytes).is_none());
        if let (Ok(text), false) = (&whole, self.after_cr)
            && plain()
        {
            self.brackets = trailing_brackets(bytes, self.brackets);
            return emit(text, TextForm::Plain).map_err(Refusal::Sink);
        }
        let valid = match whole {
            Ok(text) => text,
            Err(error) if error.error_len().is_some() => return Err(XmlFault::NotUtf8.into()),
            Err(error) => {
                let (valid, rest) = bytes.split_at(error.valid_up_to());
                self.carry[..rest.len()].copy_from_slice(rest);
                self.carried = rest.len();
                std::str::from_utf8(valid).map_err(|_| XmlFault::NotUtf8)?
            }
        };
        self.mixed(valid, within, emit)
    }

    /// The run is over: markup, a reference or the end of the input follows.
    pub(crate) fn finish(&mut self) -> Result<(), XmlFault> {
        self.after_cr = false;
        self.brackets = 0;
        if self.carried > 0 { Err(XmlFault::NotUtf8) } else { Ok(()) }
    }

    /// Completes a UTF-8 sequence that the last chunk cut; returns what is left.
    fn complete<'b>(
        &mut self,
        bytes: &'b [u8],
        emit: &mut dyn FnMut(&str, TextForm) -> Result<(), ReadError>,
    ) -> Result<&'b [u8], Refusal> {
        let len = match self.carry[0] {
            0xF0.. => 4,
            0xE0.. => 3,
            _ => 2,
        };
        let (head, rest) = bytes.split_at(bytes.len().min(len - self.carried));
        self.carry[self.carried..self.carried + head.len()].copy_from_slice(head);
        self.carried += head.len();
        if self.carried < len {
            return Ok(rest);
        }
        self.carried = 0;
        self.brackets = 0;
        self.after_cr = false;
        let carry = self.carry;
        let text = std::str::from_utf8(&carry[..len]).map_err(|_| XmlFault::NotUtf8)?;
        if !all_chars(text) {
            return Err(XmlFault::Character.into());
        }
        emit(text, TextForm::Plain).map_err(Refusal::Sink)?;
        Ok(rest)
    }

    fn mixed(
        &mut self,
        text: &str,
        within: Within,
        emit: &mut dyn FnMut(&str, TextForm) -> Result<(), ReadError>,
    ) -> Taken {
        if text.is_empty() {
            return Ok(());
        }
        if !all_chars(text) {
            return Err(XmlFault::Character.into());
        }
        let greater = memchr::memchr(b'>', text.as_bytes()).is_some();
        if within == Within::Text && greater && self.ends_cdata(text.as_bytes()) {
            return Err(XmlFault::CdataEnd.into());
        }
        self.brackets = trailing_brackets(text.as_bytes(), self.brackets);
        let form = if greater || within == Within::Cdata { TextForm::Mixed } else { TextForm::Plain };
        let text = if self.after_cr { text.strip_prefix('\n').unwrap_or(text) } else { text };
        self.after_cr = text.ends_with('\r');
        if text.is_empty() {
            return Ok(());
        }
        if memchr::memchr(b'\r', text.as_bytes()).is_none() {
            return emit(text, form).map_err(Refusal::Sink);
        }
        normalise_line_ends(text, &mut self.normalised);
        emit(&self.normalised, form).map_err(Refusal::Sink)
    }

    /// Whether `]]>` ends in `bytes`, given the brackets before them.
    fn ends_cdata(&self, bytes: &[u8]) -> bool {
        memchr::memchr_iter(b'>', bytes).any(|at| trailing_brackets(&bytes[..at], self.brackets) == 2)
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
