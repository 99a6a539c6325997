//! Names of attachments, made fit for a disk: whatever a sender writes, the file lands in the folder that was meant and
//! under a name that is what it looks like.

use std::collections::HashSet;
use std::fmt;

use crate::text::{hidden, nfc};

/// What a file without a usable name is called.
const UNNAMED: &str = "tep-dinh-kem";

/// Names of devices: a file of such a name, whatever its ending, is the device
/// (learn.microsoft.com, "Naming Files, Paths, and Namespaces").
const DEVICES: &[&str] = &["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"];

/// Characters that some system takes for a separator, a pattern or a stream, and letters that look like separators
/// and become them where Windows converts to an old code page.
const SEPARATORS: &[char] = &[
    '/', '\\', ':', '*', '?', '"', '<', '>', '|', '\u{2044}', '\u{2215}', '\u{29f8}', '\u{ff0f}', '\u{ff3c}',
    '\u{ff1a}',
];

/// One component of a path, for Linux, macOS and Windows.
///
/// It is not empty, has at most [`SafeFileName::BYTES_MAX`] bytes, is in NFC, and has no separators, no control,
/// bidirectional, invisible or private-use characters, no blank, dot or dash at its start, no blank or dot at its end;
/// it is no name of a device. Vietnamese letters and single blanks stay.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SafeFileName(String);

impl SafeFileName {
    /// Most UTF-8 bytes of a name: file systems take 255, and copies get something added.
    pub const BYTES_MAX: usize = 200;

    /// Most bytes of an ending that is kept when the name is cut.
    const ENDING_BYTES_MAX: usize = 20;

    /// The safe name nearest to this text; the text itself where it is safe.
    pub fn new(text: &str) -> Self {
        let shown = text.chars().filter(|c| c.is_whitespace() || hidden(*c).is_none());
        let plain: String = shown
            .map(|c| {
                if SEPARATORS.contains(&c) {
                    '_'
                } else if c.is_whitespace() {
                    ' '
                } else {
                    c
                }
            })
            .collect();
        let composed = nfc(&plain);
        let mut name = trim(&composed).to_owned();
        if is_device(&name) {
            name.insert(0, '_');
        }
        Self(named(cut(&name, Self::BYTES_MAX)))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name before its last dot, and the ending with the dot, which may be empty.
    fn split(&self) -> (&str, &str) {
        split(&self.0)
    }

    /// The same name with a number before its ending: `cv (2).pdf`.
    fn numbered(&self, number: usize) -> Self {
        let (stem, ending) = self.split();
        let number = format!(" ({number})");
        let stem =
            &stem[..stem.floor_char_boundary(Self::BYTES_MAX.saturating_sub(number.len() + ending.len()))];
        Self(format!("{}{number}{ending}", stem.trim_end()))
    }
}

impl fmt::Display for SafeFileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The names of one folder.
#[derive(Clone, Debug, Default)]
pub struct SafeFileNames {
    taken: HashSet<String>,
}

impl SafeFileNames {
    /// A name that no other has, though upper and lower case be one: `cv.pdf`, then `CV (2).pdf`.
    pub fn add(&mut self, text: &str) -> SafeFileName {
        let name = SafeFileName::new(text);
        if self.taken.insert(name.as_str().to_lowercase()) {
            return name;
        }
        // Each number up to one more than there are names is tried: one of them is free.
        let numbers = 2..=self.taken.len() + 2;
        let free =
            numbers.map(|n| name.numbered(n)).find(|name| self.taken.insert(name.as_str().to_lowercase()));
        free.unwrap_or(name)
    }
}

fn trim(name: &str) -> &str {
    name.trim_start_matches(['.', '-', ' ']).trim_end_matches(['.', ' '])
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_lowercase();
    let port = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt"));
    let numbered = port.is_some_and(|n| {
        matches!(n, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³")
    });
    numbered || DEVICES.contains(&stem.as_str())
}

/// The ending with its dot, which is empty where the name has none that is worth keeping.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= SafeFileName::ENDING_BYTES_MAX => name.split_at(dot),
        _ => (name, ""),
    }
}

fn cut(name: &str, bytes_max: usize) -> String {
    if name.len() <= bytes_max {
        return name.to_owned();
    }
    let (stem, ending) = split(name);
    let stem = &stem[..stem.floor_char_boundary(bytes_max - ending.len())];
    let stem = stem.trim_end_matches(['.', ' ']);
    trim(&format!("{stem}{ending}")).to_owned()
}

fn named(name: String) -> String {
    if name.is_empty() { UNNAMED.to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn safe_names_stay_and_others_become_safe() {
        let long = format!("{}.pdf", "ệ".repeat(100));
        let cut = format!("{}.pdf", "ệ".repeat(65));
        for (text, name) in [
            ("Công văn số 12 (bản cuối).pdf", "Công văn số 12 (bản cuối).pdf"),
            ("../../etc/passwd", "_.._etc_passwd"),
            ("C:\\Windows\\x.exe", "C__Windows_x.exe"),
            ("a/b\u{ff0f}c.txt", "a_b_c.txt"),
            ("  .bashrc ", "bashrc"),
            ("-rf", "rf"),
            ("cv.pdf. .", "cv.pdf"),
            ("CON", "_CON"),
            ("nul.txt", "_nul.txt"),
            ("Lpt1 .doc", "_Lpt1 .doc"),
            ("com10.doc", "com10.doc"),
            ("annex\u{202e}fdp.exe", "annexfdp.exe"),
            ("a\u{200b}b\u{0}c\r\nd\te", "abc  d e"),
            ("Tie\u{302}\u{301}ng.doc", "Tiếng.doc"),
            ("", UNNAMED),
            ("...", UNNAMED),
            ("\u{202e}", UNNAMED),
            ("tệp không đuôi", "tệp không đuôi"),
            (&long, &cut),
        ] {
            assert_eq!(SafeFileName::new(text).as_str(), name, "{}", text.escape_debug());
        }
        let no_ending = SafeFileName::new(&format!("a.{}", "x".repeat(300)));
        assert_eq!(no_ending.as_str().len(), SafeFileName::BYTES_MAX);
    }

    #[test]
    fn siblings_have_names_of_their_own() {
        let mut names = SafeFileNames::default();
        let added: Vec<_> = ["cv.pdf", "CV.pdf", "cv.pdf", "cv (2).pdf", "x", "x", "", ""]
            .map(|n| names.add(n).to_string())
            .into();
        let unnamed = format!("{UNNAMED} (2)");
        let expected =
            ["cv.pdf", "CV (2).pdf", "cv (3).pdf", "cv (2) (2).pdf", "x", "x (2)", UNNAMED, &unnamed];
        assert_eq!(added, expected);
        let long = "ệ".repeat(100);
        let lengths: Vec<_> = (0..20).map(|_| names.add(&long).as_str().len()).collect();
        assert!(lengths.iter().all(|l| *l <= SafeFileName::BYTES_MAX), "{lengths:?}");
    }

    fn is_safe(name: &str) {
        assert!(!name.is_empty() && name.len() <= SafeFileName::BYTES_MAX, "{name:?}");
        assert!(!name.contains(SEPARATORS) && name.chars().all(|c| hidden(c).is_none()), "{name:?}");
        assert!(!name.starts_with(['.', '-', ' ']) && !name.ends_with(['.', ' ']), "{name:?}");
        assert!(!is_device(name) && nfc(name) == name, "{name:?}");
        assert_eq!(SafeFileName::new(name).as_str(), name, "a safe name stays");
    }

    proptest! {
        #[test]
        fn any_text_becomes_a_safe_name(text in "\\PC{0,300}|[./ -]{0,8}(?i:con|nul|lpt1)[. ]{0,3}.{0,3}|(.|ệ|[\u{202e}\u{301}\u{200b}\\\\/.-]){0,260}") {
            is_safe(SafeFileName::new(&text).as_str());
        }

        #[test]
        fn any_names_differ_in_one_folder(texts in prop::collection::vec("[aA]{0,2}[./]{0,1}[bB ]{0,2}", 0..40)) {
            let mut names = SafeFileNames::default();
            let mut seen = HashSet::new();
            for text in texts {
                let name = names.add(&text);
                is_safe(name.as_str());
                assert!(seen.insert(name.as_str().to_lowercase()), "{name}");
            }
        }
    }
}
