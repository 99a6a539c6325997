//! Reads tables key by key and gathers every fault on the way, so that a writer sees all of them at once.
//! A section asks for its keys ([`Section`]); whatever nobody asked for is an unknown key.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::environment::Environment;
use crate::fault::{FaultCode, Rule, SettingsFault};
use crate::reading::secrets::Master;
use crate::reading::setting::Setting;

mod secrets;
mod setting;
mod suggestion;

pub(crate) use secrets::InClear;

/// Reads a file whole, unless it is longer than `bytes_max`.
pub(crate) fn read_limited(file: &Path, bytes_max: u64) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(bytes_max + 1).read_to_string(&mut text)?;
    if text.len() as u64 > bytes_max {
        return Err(io::Error::other(format!("longer than {bytes_max} bytes")));
    }
    Ok(text)
}

/// One reading of one file: where it lies, and what was wrong so far.
pub(crate) struct Reading<'t> {
    folder: PathBuf,
    text: &'t str,
    /// Where each line but the first begins.
    line_starts: Vec<usize>,
    environment: &'t Environment,
    /// What sealed secrets are opened with.
    master: Master,
    faults: Vec<SettingsFault>,
    /// Every key that was asked for, so that a test can look for it in the example.
    #[cfg(test)]
    pub(crate) asked: Vec<String>,
}

impl<'t> Reading<'t> {
    pub(crate) fn new(file: &Path, text: &'t str, environment: &'t Environment) -> Self {
        let folder = file.parent().unwrap_or(Path::new("")).to_owned();
        let line_starts = text.match_indices('\n').map(|(at, _)| at + 1).collect();
        Self {
            folder,
            text,
            line_starts,
            environment,
            master: Master::Absent,
            faults: Vec::new(),
            #[cfg(test)]
            asked: Vec::new(),
        }
    }

    /// Runs `read` over the whole file. `None` from it stands for a fault that was noted.
    pub(crate) fn run<T>(
        &mut self,
        read: impl FnOnce(&mut Section<'_, 't>) -> Option<T>,
    ) -> Result<T, Vec<SettingsFault>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        if !errors.is_empty() {
            return Err(errors.iter().map(|error| self.syntax(error)).collect());
        }
        let mut root = Section::new(self, String::new(), None, table.into_inner());
        let value = read(&mut root);
        root.finish();
        let mut faults = std::mem::take(&mut self.faults);
        faults.sort_by_key(|fault| fault.line.unwrap_or(usize::MAX));
        value.filter(|_| faults.is_empty()).ok_or(faults)
    }

    fn syntax(&self, error: &toml::de::Error) -> SettingsFault {
        SettingsFault {
            key: String::new(),
            line: error.span().map(|span| self.line(span.start)),
            code: FaultCode::Syntax,
            vietnamese: "không đúng cú pháp TOML".to_owned(),
            english: format!("not TOML: {}", error.message()),
        }
    }

    fn line(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at) + 1
    }
}

/// Whether a key is for the file of a secret: `secret_file`, `password_file`, `token_file`, `master_key_file`. Somebody may
/// have written the secret itself there, so its value is not repeated.
fn names_secret(key: &str) -> bool {
    key.ends_with("_file")
}

/// One table of the file. Every key is asked for once, by its name.
pub(crate) struct Section<'r, 't> {
    reading: &'r mut Reading<'t>,
    path: String,
    line: Option<usize>,
    entries: DeTable<'t>,
    lines: BTreeMap<String, usize>,
    known: Vec<String>,
}

impl<'r, 't> Section<'r, 't> {
    fn new(reading: &'r mut Reading<'t>, path: String, line: Option<usize>, entries: DeTable<'t>) -> Self {
        let line_of = |at| reading.line(at);
        let lines =
            entries.keys().map(|key| (key.get_ref().to_string(), line_of(key.span().start))).collect();
        Self { reading, path, line, entries, lines, known: Vec::new() }
    }

    /// Notes a fault at a key of this section.
    pub(crate) fn fault(&mut self, key: &str, code: FaultCode, rule: Rule) {
        let line = self.lines.get(key).copied().or(self.line);
        self.reading.faults.push(SettingsFault {
            key: self.path_of(key),
            line,
            code,
            vietnamese: rule.0,
            english: rule.1,
        });
    }

    /// Notes that keys do not go together.
    pub(crate) fn contradiction(&mut self, key: &str, vietnamese: &str, english: &str) {
        self.fault(key, FaultCode::Contradiction, Rule::new(vietnamese, english));
    }

    /// Whether the writer set this key.
    pub(crate) fn is_set(&self, key: &str) -> bool {
        self.lines.contains_key(key)
    }

    /// How many faults were noted so far, in all sections.
    pub(crate) fn faults_noted(&self) -> usize {
        self.reading.faults.len()
    }

    /// The environment.
    pub(crate) fn environment(&self) -> &'t Environment {
        self.reading.environment
    }

    /// The value of a key; `None` when it is not set, or wrong, which is noted.
    pub(crate) fn read<T: Setting>(&mut self, key: &str) -> Option<T> {
        let value = self.take(key)?;
        T::read(&value).map_err(|rule| self.fault(key, FaultCode::WrongType, rule)).ok()
    }

    /// The value of a key that must be set.
    pub(crate) fn required<T: Setting>(&mut self, key: &str) -> Option<T> {
        self.needed(key);
        self.read(key)
    }

    /// Notes a key that this section must not have, when it is set; its value is not looked at.
    pub(crate) fn refuse(&mut self, key: &str, code: FaultCode, rule: Rule) {
        if self.entries.remove(key).is_some() {
            self.fault(key, code, rule);
        }
    }

    /// Notes a key that is not set.
    pub(crate) fn needed(&mut self, key: &str) {
        if !self.is_set(key) {
            self.fault(key, FaultCode::Missing, Rule::new("bắt buộc phải khai", "this key is needed"));
        }
    }

    /// The value of a key, or its default; a value outside the limits is noted.
    pub(crate) fn ranged<T>(&mut self, key: &str, default: T, least: T, most: T) -> T
    where
        T: Setting + PartialOrd + std::fmt::Display,
    {
        let value = self.read(key).unwrap_or(default);
        if value < least || value > most {
            let rule = Rule::new(format!("phải từ {least} đến {most}"), format!("from {least} to {most}"));
            self.fault(key, FaultCode::OutOfRange, rule);
        }
        value
    }

    /// The value of a key, if it is set; a value outside the limits is noted.
    pub(crate) fn ranged_if_set<T>(&mut self, key: &str, least: T, most: T) -> Option<T>
    where
        T: Setting + PartialOrd + Copy + std::fmt::Display,
    {
        self.is_set(key).then(|| self.ranged(key, least, least, most))
    }

    /// A number of things, or its default; outside the limits it is noted.
    pub(crate) fn count(&mut self, key: &str, default: u16, least: u16, most: u16) -> usize {
        let number = self.ranged(key, u64::from(default), u64::from(least), u64::from(most));
        usize::try_from(number).unwrap_or(usize::from(most))
    }

    /// A text of 1 to `bytes_max` bytes without control characters that must be set.
    pub(crate) fn required_text(&mut self, key: &str, bytes_max: usize) -> Option<String> {
        let text: String = self.required(key)?;
        self.checked_text(key, text, 1, bytes_max)
    }

    /// A text of at most `bytes_max` bytes without control characters; empty when it is not set.
    pub(crate) fn text(&mut self, key: &str, bytes_max: usize) -> Option<String> {
        let text: String = self.read(key).unwrap_or_default();
        self.checked_text(key, text, 0, bytes_max)
    }

    fn checked_text(&mut self, key: &str, text: String, least: usize, most: usize) -> Option<String> {
        let text = text.trim().to_owned();
        if (least..=most).contains(&text.len()) && !text.chars().any(char::is_control) {
            return Some(text);
        }
        let rule = Rule::new(
            format!("phải là một dòng chữ từ {least} đến {most} byte"),
            format!("one line of {least} to {most} bytes"),
        );
        self.fault(key, FaultCode::OutOfRange, rule);
        None
    }

    /// One of several words.
    pub(crate) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)], default: T) -> T {
        let Some(word) = self.read::<String>(key) else {
            return default;
        };
        if let Some((_, value)) = choices.iter().find(|choice| choice.0 == word) {
            return *value;
        }
        let offered: Vec<&str> = choices.iter().map(|choice| choice.0).collect();
        let offered = offered.join(", ");
        let rule = Rule::new(format!("phải là một trong: {offered}"), format!("one of: {offered}"));
        self.fault(key, FaultCode::WrongType, rule);
        default
    }

    /// One of several words that must be set.
    pub(crate) fn required_choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)], or: T) -> T {
        self.needed(key);
        self.choice(key, choices, or)
    }

    /// A path, relative to the folder of the settings. Nothing is checked.
    pub(crate) fn path(&mut self, key: &str) -> Option<PathBuf> {
        let text: String = self.read(key)?;
        if text.is_empty() || text.contains('\0') {
            let rule = Rule::new("phải là một đường dẫn", "a path that is not empty");
            self.fault(key, FaultCode::WrongType, rule);
            return None;
        }
        Some(self.reading.folder.join(text))
    }

    /// A path that must be set.
    pub(crate) fn required_path(&mut self, key: &str) -> Option<PathBuf> {
        self.needed(key);
        self.path(key)
    }

    /// A file that must be there and readable.
    pub(crate) fn file(&mut self, key: &str) -> Option<PathBuf> {
        let path = self.path(key)?;
        self.existing(key, path)
    }

    /// A file that must be named, there and readable.
    pub(crate) fn required_file(&mut self, key: &str) -> Option<PathBuf> {
        self.needed(key);
        self.file(key)
    }

    /// Files that must be there and readable.
    pub(crate) fn files(&mut self, key: &str) -> Vec<PathBuf> {
        let names: Vec<String> = self.read(key).unwrap_or_default();
        let paths: Vec<PathBuf> = names.iter().map(|name| self.reading.folder.join(name)).collect();
        paths.into_iter().filter_map(|path| self.existing(key, path)).collect()
    }

    /// The path when a readable file lies there.
    pub(crate) fn existing(&mut self, key: &str, path: PathBuf) -> Option<PathBuf> {
        let opened = File::open(&path).and_then(|file| file.metadata());
        let cause = match opened {
            Ok(metadata) if metadata.is_file() => return Some(path),
            Ok(_) => "not a file".to_owned(),
            Err(error) => error.to_string(),
        };
        let rule = if names_secret(key) {
            Rule::new("không đọc được tệp này", format!("this file cannot be read: {cause}"))
        } else {
            let path = path.display();
            Rule::new(format!("không đọc được tệp {path}"), format!("{path} cannot be read: {cause}"))
        };
        self.fault(key, FaultCode::FileMissing, rule);
        None
    }

    /// A table inside this one; without it, `read` sees an empty one.
    pub(crate) fn section<T>(&mut self, key: &str, read: impl FnOnce(&mut Section<'_, 't>) -> T) -> T {
        let table = match self.take(key) {
            None => DeTable::new(),
            Some(DeValue::Table(table)) => table,
            Some(_) => {
                let rule = Rule::new(format!("phải là một bảng [{key}]"), format!("a table [{key}]"));
                self.fault(key, FaultCode::WrongType, rule);
                DeTable::new()
            }
        };
        let line = self.lines.get(key).copied();
        let path = self.path_of(key);
        let mut inner = Section::new(self.reading, path, line, table);
        let value = read(&mut inner);
        inner.finish();
        value
    }

    /// The names of this section's keys, for sections whose keys the writer chooses.
    pub(crate) fn names(&self) -> Vec<String> {
        self.lines.keys().cloned().collect()
    }

    fn take(&mut self, key: &str) -> Option<DeValue<'t>> {
        self.known.push(key.to_owned());
        #[cfg(test)]
        self.reading.asked.push(self.path_of(key));
        self.entries.remove(key).map(toml::Spanned::into_inner)
    }

    /// Notes what nobody asked for.
    fn finish(mut self) {
        let known = std::mem::take(&mut self.known);
        let strangers: Vec<String> = self.entries.keys().map(|key| key.get_ref().to_string()).collect();
        for key in strangers {
            let rule = match suggestion::closest(&key, &known) {
                Some(near) => Rule::new(
                    format!("không có khóa này; có phải là \"{near}\"?"),
                    format!("unknown key; did you mean \"{near}\"?"),
                ),
                None => Rule::new("không có khóa này", "unknown key"),
            };
            self.fault(&key, FaultCode::UnknownKey, rule);
        }
    }

    fn path_of(&self, key: &str) -> String {
        let bare = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        let key = if key.bytes().all(bare) { key.to_owned() } else { format!("{key:?}") };
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }
}
