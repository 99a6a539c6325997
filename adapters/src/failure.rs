//! How an adapter says that an attempt failed, and how outside text gets into a note.

use lienthong_pipeline::ports::{DeliveryFailure, FailureClass};
use lienthong_schemas::safe_text::SafeText;

/// Longest note, in characters.
pub(crate) const NOTE_CHARS_MAX: usize = 200;

/// Longest note, in bytes: it fits a line of a delivery's history (design.md B2: 512) with room for the rest.
pub(crate) const NOTE_BYTES_MAX: usize = 400;

/// A failure with an escaped and cut note and no Retry-After, after which the receiver cannot have the packet.
pub(crate) fn failed(class: FailureClass, code: impl Into<String>, cause: &str) -> DeliveryFailure {
    DeliveryFailure {
        class,
        code: code.into(),
        note: note(cause),
        retry_after: None,
        may_have_arrived: false,
    }
}

/// Outside text as it may stand in logs and on screens: one line, control, ANSI and bidi characters escaped, at most
/// [`NOTE_CHARS_MAX`] characters and [`NOTE_BYTES_MAX`] bytes.
pub(crate) fn note(text: &str) -> String {
    let line: Vec<&str> = text.split_whitespace().collect();
    let safe = SafeText::new(&line.join(" "));
    let end = safe.as_str().char_indices().nth(NOTE_CHARS_MAX).map_or(usize::MAX, |(offset, _)| offset);
    safe.cut(end.min(NOTE_BYTES_MAX)).into_string()
}
