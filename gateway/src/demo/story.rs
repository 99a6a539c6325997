//! What the demo tells: a timeline that a newcomer understands, and the table of documents and receivers.

use std::time::Instant;

use super::cast::Party;
use crate::cli::print;

/// One thing that was sent and what must have become of it.
pub(super) struct Line {
    /// What it is.
    pub(super) what: String,
    /// What was answered to its sender.
    pub(super) answer: String,
    /// What each receiver has: one text an agency.
    pub(super) receivers: Vec<String>,
}

/// Timeline and table.
pub(super) struct Story {
    begun: Instant,
    lines: Vec<Line>,
}

impl Story {
    /// Begins now.
    pub(super) fn begin() -> Self {
        Self { begun: Instant::now(), lines: Vec::new() }
    }

    /// A new chapter of the timeline.
    pub(super) fn chapter(&self, vi: &str, en: &str) {
        print(&format!("\n── {vi} / {en}"));
    }

    /// One event of the timeline.
    pub(super) fn tell(&self, text: &str) {
        print(&format!("[{:>6.1} s] {text}", self.begun.elapsed().as_secs_f64()));
    }

    /// A line of the table.
    pub(super) fn note(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// Prints the table, with a column for each party.
    pub(super) fn table(&self, parties: &[Party]) {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
        let mut header = vec!["Văn bản / Document".to_owned(), "Trả lời bên gửi / Answer".to_owned()];
        header.extend(parties.iter().map(Party::shown));
        table.set_header(header);
        for line in &self.lines {
            let mut row = vec![line.what.clone(), line.answer.clone()];
            row.extend(line.receivers.iter().cloned());
            table.add_row(row);
        }
        print(&format!("\n{table}\nđúng: đúng từng byte / equal byte for byte\n"));
    }
}
