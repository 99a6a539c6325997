//! Tables for people. Every cell is escaped: whatever came from outside cannot move a cursor or hide a character.

use comfy_table::{Table, presets};
use jiff::Timestamp;
use lienthong_schemas::safe_text::SafeText;
use serde::Serialize;

use super::{CommandFault, print};

/// Longest cell, in bytes.
const CELL_BYTES_MAX: usize = 1_000;

/// Prints rows under a head, Vietnamese words with the English ones below.
pub(super) fn rows<const N: usize>(head: [(&str, &str); N], rows: impl IntoIterator<Item = [String; N]>) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(head.map(|(vi, en)| format!("{vi}\n({en})")));
    for row in rows {
        table.add_row(row.map(|cell| safe(&cell)));
    }
    print(&table.to_string());
}

/// Prints labels and values; a value that is empty is left out.
pub(super) fn facts(facts: impl IntoIterator<Item = (&'static str, String)>) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for (label, value) in facts.into_iter().filter(|(_, value)| !value.is_empty()) {
        let lines: Vec<String> = value.split('\n').map(safe).collect();
        table.add_row([label.to_owned(), lines.join("\n")]);
    }
    print(&table.to_string());
}

/// Prints a value for programs.
pub(super) fn json(value: &impl Serialize) -> Result<(), CommandFault> {
    print(&serde_json::to_string_pretty(value).map_err(|cause| CommandFault::at("JSON", cause))?);
    Ok(())
}

/// A time to the second, or nothing.
pub(super) fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(String::new, |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn safe(text: &str) -> String {
    SafeText::new(text).cut(CELL_BYTES_MAX).into_string()
}
