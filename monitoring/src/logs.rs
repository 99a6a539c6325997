//! The set-up of logs: one JSON object a line for machines, or lines for people; to stderr.
//! Times are RFC 3339 in UTC. What may be logged is decided where it is logged: never bodies, keys, passwords.

use std::io::{self, IsTerminal};

use tracing::Level;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line; fields of the spans around an event are listed, outermost first.
    Json,
    /// Lines for people; coloured on a terminal.
    Text,
}

/// Sends the log of this process to stderr. Our own crates log from `level` up, libraries from `warn` up.
///
/// # Errors
/// A log is set up already.
pub fn install(format: LogFormat, level: Level) -> Result<(), SetGlobalDefaultError> {
    tracing::subscriber::set_global_default(subscriber(format, level, io::stderr().is_terminal(), io::stderr))
}

/// The subscriber that [`install`] installs, writing elsewhere.
fn subscriber<W>(
    format: LogFormat,
    level: Level,
    coloured: bool,
    writer: W,
) -> Box<dyn tracing::Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // A directive holds for every target that begins with its name: all crates `lienthong` and `lienthong_*`.
    let libraries = level.min(Level::WARN);
    let filter = EnvFilter::new(format!("{libraries},lienthong={level},xml_sig={level}"));
    let lines = fmt::layer().with_writer(writer).with_ansi(coloured);
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(false).with_span_list(true);
            Box::new(registry.with(lines))
        }
        LogFormat::Text => Box::new(registry.with(lines)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic before").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, level: Level, work: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(format, level, false, move || writer.clone());
        tracing::subscriber::with_default(subscriber, work);
        let bytes = lines.0.lock().expect("no panic before").clone();
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn an_event_is_one_json_object_with_its_document() {
        let text = logged(LogFormat::Json, Level::INFO, || {
            let _span = tracing::info_span!("document", document_id = "ab12", sender = "H55").entered();
            tracing::info!(step = "commit", "nhận\nvăn bản");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(line["message"], "nhận\nvăn bản");
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["step"], "commit");
        assert_eq!(line["spans"][0]["document_id"], "ab12");
        let time = line["timestamp"].as_str().expect("a time");
        let digits: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(digits, "0000-00-00T00:00:00.000000Z", "RFC 3339 in UTC: {time}");
    }

    #[test]
    fn libraries_are_quieter_than_we_are() {
        let work = || {
            tracing::debug!("ours");
            tracing::debug!(target: "lienthong_pipeline::intake", "pipeline");
            tracing::debug!(target: "hyper::proto", "library detail");
            tracing::warn!(target: "hyper::proto", "library warning");
        };
        let text = logged(LogFormat::Text, Level::DEBUG, work);
        let said: Vec<bool> =
            ["ours", "pipeline", "library detail", "library warning"].map(|m| text.contains(m)).to_vec();
        assert_eq!(said, [true, true, false, true], "{text}");
        assert_eq!(logged(LogFormat::Text, Level::ERROR, work), "");
    }

    #[test]
    fn a_line_for_people_cannot_drive_the_terminal() {
        let text = logged(LogFormat::Text, Level::INFO, || tracing::info!(note = "a\u{1b}[2Jb", "x"));
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
}
