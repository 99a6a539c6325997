//! The bindings that the open output elements carry, which Exclusive C14N asks for, in one arena that shrinks as
//! elements end.

use std::ops::Range;

/// The stack.
#[derive(Default)]
pub(super) struct Rendered {
    text: String,
    bindings: Vec<(Range<usize>, Range<usize>)>,
    levels: Vec<usize>,
}

impl Rendered {
    /// An element begins.
    pub(super) fn open(&mut self) {
        self.levels.push(self.bindings.len());
    }

    /// The innermost element ends.
    pub(super) fn close(&mut self) {
        let count = self.levels.pop().unwrap_or_default();
        if count < self.bindings.len() {
            self.bindings.truncate(count);
            self.text.truncate(self.bindings.last().map_or(0, |(_, uri)| uri.end));
        }
    }

    /// The innermost element carries this binding.
    pub(super) fn push(&mut self, prefix: &str, uri: &str) {
        let from = self.text.len();
        self.text.push_str(prefix);
        let middle = self.text.len();
        self.text.push_str(uri);
        self.bindings.push((from..middle, middle..self.text.len()));
    }

    /// What the nearest element that carries `prefix` has it stand for; empty when there is none.
    pub(super) fn uri(&self, prefix: &str) -> &str {
        let found = self.bindings.iter().rev().find(|(at, _)| &self.text[at.clone()] == prefix);
        found.map_or("", |(_, uri)| &self.text[uri.clone()])
    }
}
