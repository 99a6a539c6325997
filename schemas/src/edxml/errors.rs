//! All that is wrong with the fields of one packet, so that its sender need not find the faults one by one.

use crate::rejections::{Rejection, RejectionCode};

/// The errors found so far, in the order of the specification; what is over the limit is dropped.
#[derive(Debug, Default)]
pub(super) struct Errors(Vec<Rejection>);

impl Errors {
    /// One for the rejection itself, and those that travel with it.
    const MAX: usize = 1 + Rejection::ALSO_MAX;

    /// Keeps an error.
    pub(super) fn add(&mut self, error: Rejection) {
        if self.0.len() < Self::MAX {
            self.0.push(error);
        }
    }

    /// The value, or none and its error kept.
    pub(super) fn take<T>(&mut self, result: Result<T, Rejection>) -> Option<T> {
        result.map_err(|error| self.add(error)).ok()
    }

    /// The one refusal for all of them.
    pub(super) fn into_rejection(self) -> Option<Rejection> {
        Rejection::of_all(self.0)
    }
}

/// A mandatory field is absent or empty.
pub(super) fn missing(path: impl AsRef<str>) -> Rejection {
    Rejection::new(RejectionCode::FieldMissing).at(path)
}

/// A field has a value that it may not have.
pub(super) fn invalid(path: impl AsRef<str>, value: impl AsRef<str>) -> Rejection {
    Rejection::new(RejectionCode::FieldInvalid).at(path).because(value)
}
