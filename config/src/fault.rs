//! What can be wrong in the settings, told in Vietnamese and English.
//! Values are never repeated in a fault: the next line of the file may be a secret.

use std::fmt;
use std::path::Path;

/// The kind of a fault. The words of [`FaultCode::as_str`] are stable: scripts may rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultCode {
    /// The settings file cannot be read.
    Unreadable,
    /// It is not TOML.
    Syntax,
    /// A key or section that the gateway does not know.
    UnknownKey,
    /// A key that is needed.
    Missing,
    /// A value of another type or form.
    WrongType,
    /// A value outside its limits.
    OutOfRange,
    /// Keys that do not go together.
    Contradiction,
    /// A named file is missing or unreadable.
    FileMissing,
    /// A value that must be unique stands twice.
    Duplicate,
    /// A secret that must not stand in the settings as it is.
    SecretInClear,
    /// A sealed secret that does not open.
    WrongSeal,
}

impl FaultCode {
    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "settings-unreadable",
            Self::Syntax => "syntax",
            Self::UnknownKey => "unknown-key",
            Self::Missing => "missing",
            Self::WrongType => "wrong-type",
            Self::OutOfRange => "out-of-range",
            Self::Contradiction => "contradiction",
            Self::FileMissing => "file-missing",
            Self::Duplicate => "duplicate",
            Self::SecretInClear => "secret-in-clear",
            Self::WrongSeal => "wrong-seal",
        }
    }
}

/// One thing that is wrong in the settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SettingsFault {
    /// Path of the key, such as `systems.qlvb-a.vendor_http.url`; a variable's name; empty for the file itself.
    pub key: String,
    /// Line in the file, from 1; `None` where nothing stands in the file.
    pub line: Option<usize>,
    /// Its kind.
    pub code: FaultCode,
    /// The rule that it breaks, in Vietnamese.
    pub vietnamese: String,
    /// The same in English.
    pub english: String,
}

impl SettingsFault {
    pub(crate) fn unreadable(file: &Path, cause: &std::io::Error) -> Self {
        Self {
            key: String::new(),
            line: None,
            code: FaultCode::Unreadable,
            vietnamese: format!("không đọc được tệp cấu hình {}", file.display()),
            english: format!("the settings file cannot be read: {cause}"),
        }
    }
}

impl fmt::Display for SettingsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "dòng (line) {line}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{} ({}) [{}]", self.vietnamese, self.english, self.code.as_str())
    }
}

/// A rule in both languages, Vietnamese first.
#[derive(Clone, Debug)]
pub(crate) struct Rule(pub(crate) String, pub(crate) String);

impl Rule {
    pub(crate) fn new(vietnamese: impl Into<String>, english: impl Into<String>) -> Self {
        Self(vietnamese.into(), english.into())
    }
}
