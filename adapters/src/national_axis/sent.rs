//! `getSentEdocList`: what became of one submission, line by line. A line that is odd is passed over.

use lienthong_pipeline::ports::SentEntry;
use lienthong_pipeline::record::BeyondWord;
use serde_json::Value;

use crate::failure::note;

/// Longest list, in bytes: some thousand receivers.
pub(super) const SENT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest code that is taken over from a list, in bytes.
const CODE_BYTES_MAX: usize = 128;

/// The entries of `data`; `None` when it is no array.
pub(super) fn entries(data: &Value) -> Option<Vec<SentEntry>> {
    Some(data.as_array()?.iter().filter_map(entry).collect())
}

fn entry(line: &Value) -> Option<SentEntry> {
    let text = |member: &str| line.get(member).and_then(Value::as_str).unwrap_or_default().trim();
    let to = text("toCode");
    if to.is_empty() || to.len() > CODE_BYTES_MAX {
        return None;
    }
    let said = ["receiveStatusDesc", "receivedTime", "receiverDocId"].map(text);
    let said: Vec<&str> = said.into_iter().filter(|text| !text.is_empty()).collect();
    Some(SentEntry {
        to: to.to_owned(),
        word: BeyondWord::parse(text("receiveStatus")),
        note: note(&said.join("; ")),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_receiver_has_a_line_and_odd_ones_are_passed_over() {
        let data = json!([
            null, 7, {}, { "toCode": null, "receiveStatus": "done" }, { "toCode": "x".repeat(129) },
            { "toCode": " H01 ", "receiveStatus": "Done", "receivedTime": "2026/11/23 08:00:00", "receiverDocId": "a-1" },
            { "toCode": "H02", "receiveStatus": "fail", "receiveStatusDesc": "hỏng\ntệp" },
            { "toCode": "H03", "receiveStatus": "delivered" },
            { "toCode": "H04", "receiveStatus": null },
        ]);
        let entries = entries(&data).expect("a list");
        let all: Vec<_> = entries.iter().map(|e| (e.to.as_str(), e.word)).collect();
        let word = |word| Some(word);
        assert_eq!(
            all,
            [("H01", word(BeyondWord::Done)), ("H02", word(BeyondWord::Fail)), ("H03", None), ("H04", None)]
        );
        assert_eq!(entries[0].note, "2026/11/23 08:00:00; a-1");
        assert!(!entries[1].note.contains('\n'), "{}", entries[1].note);
        for none in [json!(null), json!(""), json!({})] {
            assert_eq!(super::entries(&none), None, "{none}");
        }
    }
}
