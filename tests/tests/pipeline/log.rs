//! What the gateway of this test's thread writes to its log.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Metadata, Subscriber};

/// Warnings heard so far; each is its message and its fields, `name=value`. It listens until it is dropped.
pub(super) struct Warnings {
    heard: Arc<Mutex<Vec<String>>>,
    _listening: DefaultGuard,
}

impl Warnings {
    /// From now on, on this thread.
    pub(super) fn listen() -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listening = tracing::subscriber::set_default(Listener(heard.clone()));
        Self { heard, _listening: listening }
    }

    /// Those that have this text, since the last look.
    pub(super) fn take(&self, text: &str) -> Vec<String> {
        let heard = std::mem::take(&mut *self.heard.lock().expect("heard"));
        heard.into_iter().filter(|line| line.contains(text)).collect()
    }
}

struct Listener(Arc<Mutex<Vec<String>>>);

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() == Level::WARN
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().expect("heard").push(line.0);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).expect("written");
    }
}
