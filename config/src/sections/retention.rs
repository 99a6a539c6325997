//! `[retention]`: how long things are remembered.

use std::time::Duration;

use crate::reading::Section;
use crate::values::span::Span;

/// How long things are remembered.
#[derive(Clone, Debug)]
pub struct RetentionSettings {
    /// For this long a repeated request with the same idempotency key gets the same receipt.
    pub idempotency: Duration,
}

impl RetentionSettings {
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Self {
        let days = |n: u64| Span::new(Duration::from_secs(n * 86_400));
        Self { idempotency: section.ranged("idempotency", days(30), days(1), days(3_650)).duration() }
    }
}
