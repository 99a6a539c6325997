//! The password in the forms in which a server may repeat it, so that no word of a server carries it into a log, a history
//! or the sender's hands. What is said to AUTH itself is not kept at all: see `trouble.rs`.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What stands in a secret's place.
const HIDDEN: &str = "***";

/// What is never repeated, the longest first.
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// The password as it is, and as AUTH PLAIN (RFC 4616 section 2) and AUTH LOGIN send it.
    pub(super) fn new(user: &str, password: &str) -> Self {
        // Without the padding, which a server may have left out and which says nothing.
        let encoded = |text: &str| STANDARD.encode(text).trim_end_matches('=').to_owned();
        let mut forms =
            vec![password.to_owned(), encoded(password), encoded(&format!("\0{user}\0{password}"))];
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        Self(forms)
    }

    /// The text without them.
    pub(super) fn hidden_in(&self, text: &str) -> String {
        let mut left = text.to_owned();
        for form in &self.0 {
            let mut from = 0;
            while let Some(found) = find(form.as_bytes(), left.as_bytes(), from) {
                from = found.start + HIDDEN.len();
                left.replace_range(found, HIDDEN);
            }
        }
        left
    }

    /// The first so many bytes of a line, or fewer: part of a secret could not be found again.
    pub(super) fn cut<'l>(&self, line: &'l [u8], most: usize) -> &'l [u8] {
        let mut end = line.len().min(most);
        // A cut before one may go through another.
        while let Some(found) = self.0.iter().find_map(|form| across(form.as_bytes(), line, end)) {
            end = found.start;
        }
        &line[..end]
    }
}

/// Where `form` goes over `end` in `line`.
fn across(form: &[u8], line: &[u8], end: usize) -> Option<Range<usize>> {
    let first = end.saturating_sub(form.len().saturating_sub(1));
    find(form, line, first).filter(|found| found.start < end && end < found.end)
}

/// The first place at or after `from`; servers turn commands into capitals, so a case is not told from the other.
fn find(form: &[u8], text: &[u8], from: usize) -> Option<Range<usize>> {
    let rest = text.get(from..)?;
    let at = rest.windows(form.len().max(1)).position(|window| window.eq_ignore_ascii_case(form))?;
    Some(from + at..from + at + form.len())
}
