//! `[log]`: form and detail of the log.

use crate::reading::Section;

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    Json,
    /// Lines for people.
    Text,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Only what somebody must look at.
    Error,
    /// Also what somebody should look at.
    Warn,
    /// Also each step of each document.
    Info,
    /// Also why.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The level's name, as log filters take it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Form and detail of the log.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// The form of its lines.
    pub format: LogFormat,
    /// How much of our own is logged; libraries log from `warn` up.
    pub level: LogLevel,
}

impl LogSettings {
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Self {
        let formats = [("json", LogFormat::Json), ("text", LogFormat::Text)];
        let levels = [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];
        let levels = levels.map(|level| (level.as_str(), level));
        Self {
            format: section.choice("format", &formats, LogFormat::Json),
            level: section.choice("level", &levels, LogLevel::Info),
        }
    }
}
