//! A page of text: headings, labels with values beside them, and items, wrapped to a width. Whatever is put on it is
//! escaped here, so nothing from a packet can leave its place or drive a terminal.

use comfy_table::{Column, ColumnConstraint, ContentArrangement, Table, Width, presets};
use lienthong_schemas::safe_text::SafeText;

/// Columns of the labels.
const LABEL: usize = 18;
/// Narrowest page; below it nothing could be read.
pub(super) const WIDTH_MIN: u16 = 50;
/// Widest page: longer lines are hard to read.
pub(super) const WIDTH_MAX: u16 = 120;
/// Longest value shown, in bytes; the whole of it is in the JSON form.
const VALUE_BYTES_MAX: usize = 4_000;
/// Most lines of a value, before they are wrapped.
const VALUE_LINES_MAX: usize = 40;

/// How loud something is, on a terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Strong,
    Good,
    Careful,
    Bad,
}

impl Tone {
    /// Select graphic rendition (ISO 6429).
    const fn sequence(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Strong => "\x1b[1m",
            Self::Good => "\x1b[1;32m",
            Self::Careful => "\x1b[1;33m",
            Self::Bad => "\x1b[1;31m",
        }
    }
}

/// A page in the making.
pub(super) struct Page {
    width: usize,
    colour: bool,
    /// Where the text of the last item begins.
    indent: usize,
    text: String,
}

impl Page {
    /// An empty page.
    pub(super) fn new(width: u16, colour: bool) -> Self {
        Self { width: usize::from(width.clamp(WIDTH_MIN, WIDTH_MAX)), colour, indent: 2, text: String::new() }
    }

    /// The page, without a line end behind it.
    pub(super) fn finish(mut self) -> String {
        self.text.truncate(self.text.trim_end().len());
        self.text
    }

    /// A heading, with a blank line before it.
    pub(super) fn heading(&mut self, text: &str, tone: Tone) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.put("", 0, text, tone);
    }

    /// A blank line.
    pub(super) fn gap(&mut self) {
        self.text.push('\n');
    }

    /// A label with its value; nothing where the value is empty.
    pub(super) fn row(&mut self, label: &str, value: &str) {
        if !value.trim().is_empty() {
            self.put(label, LABEL, value, Tone::Plain);
        }
    }

    /// A label with a list below each other; nothing where it is empty.
    pub(super) fn list(&mut self, label: &str, values: impl IntoIterator<Item = String>) {
        let mut label = label;
        for value in values.into_iter().filter(|value| !value.trim().is_empty()) {
            self.put(label, LABEL, &value, Tone::Plain);
            label = "";
        }
    }

    /// An item of a list, its mark before it.
    pub(super) fn item(&mut self, mark: &str, text: &str) {
        self.indent = 2 + mark.len() + 1;
        self.put(&format!("  {mark}"), self.indent, text, Tone::Plain);
    }

    /// What belongs to the item before, below it; nothing where it is empty.
    pub(super) fn below(&mut self, text: &str) {
        if !text.trim().is_empty() {
            self.put("", self.indent, text, Tone::Plain);
        }
    }

    /// A line by itself.
    pub(super) fn line(&mut self, text: &str, tone: Tone) {
        self.put("", 2, text, tone);
    }

    fn put(&mut self, label: &str, indent: usize, text: &str, tone: Tone) {
        let mut label = label;
        for line in lines(text) {
            for piece in wrapped(&line, self.width.saturating_sub(indent)) {
                let tone = if self.colour { tone } else { Tone::Plain };
                let (on, off) = (tone.sequence(), if tone == Tone::Plain { "" } else { "\x1b[0m" });
                let line = format!("{on}{}{piece}{off}", padded(label, indent));
                self.text.push_str(line.trim_end());
                self.text.push('\n');
                label = "";
            }
        }
    }
}

/// A text on one line: white space of every kind becomes one blank.
pub(super) fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The lines of a value, escaped, and no more than a page can bear.
fn lines(text: &str) -> Vec<String> {
    let escaped = |line: &str| SafeText::new(&line.replace('\t', " ")).cut(VALUE_BYTES_MAX).into_string();
    let mut lines: Vec<String> = Vec::new();
    let mut bytes = 0;
    for line in text.trim().lines().map(str::trim_end) {
        if lines.len() == VALUE_LINES_MAX || bytes > VALUE_BYTES_MAX {
            lines.push("…".to_owned());
            break;
        }
        let line = escaped(line);
        bytes += line.len();
        lines.push(line);
    }
    lines
}

fn padded(label: &str, columns: usize) -> String {
    // Labels are Vietnamese letters in composed form: a character is a column.
    format!("{label:columns$}")
}

/// Wrapped between words; a word that is too long is broken.
fn wrapped(line: &str, columns: usize) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let columns = u16::try_from(columns).unwrap_or(WIDTH_MAX);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
    table.add_row([line]);
    if let Some(column) = table.column_mut(0) {
        Column::set_padding(column, (0, 0));
        column.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(columns)));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_keeps_its_width_and_its_margins() {
        let mut page = Page::new(60, false);
        page.heading("GÓI TIN VĂN BẢN", Tone::Strong);
        page.row("Trích yếu", &"Về việc triển khai ".repeat(10));
        page.row("Rỗng", " ");
        page.row("Dài", &"x".repeat(200));
        page.item("1.", "một tệp");
        let text = page.finish();
        assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
        let indented = text.lines().filter(|line| line.starts_with(&" ".repeat(LABEL))).count();
        assert!(indented >= 8, "{text}");
        assert!(!text.contains("Rỗng") && text.contains("\n  1. một tệp"), "{text}");
        assert!(text.lines().all(|line| line == line.trim_end()), "no blanks at line ends");
    }

    #[test]
    fn colour_begins_and_ends_on_its_line() {
        let page = |colour| {
            let mut page = Page::new(80, colour);
            page.line("KHÔNG HỢP LỆ", Tone::Bad);
            page.row("Trích yếu", "V/v");
            page.finish()
        };
        assert_eq!(page(true), "\u{1b}[1;31m  KHÔNG HỢP LỆ\u{1b}[0m\nTrích yếu         V/v");
        assert_eq!(page(false), "  KHÔNG HỢP LỆ\nTrích yếu         V/v");
    }

    #[test]
    fn nothing_leaves_its_place() {
        let mut page = Page::new(80, true);
        page.row("Trích yếu", "một\r\nChữ ký số        HỢP LỆ\u{1b}[31m\u{202e}\tba");
        let text = page.finish();
        assert!(text.lines().skip(1).all(|line| line.starts_with(&" ".repeat(LABEL))), "{text}");
        assert!(text.contains("\\u{1b}[31m\\u{202e} ba") && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn long_values_end() {
        let mut page = Page::new(80, false);
        page.row("Dòng", &"a\n".repeat(10_000));
        page.row("Chữ", &"đ".repeat(100_000));
        let text = page.finish();
        assert!(text.len() < 3 * VALUE_BYTES_MAX && text.matches('…').count() == 2, "{}", text.len());
    }
}
