//! Numbers, dates and sizes as clerks write them, and names for what packets give as digits.

use lienthong_schemas::codes::{Certainty, Level1, Priority};
use lienthong_schemas::edxml::DateText;
use lienthong_schemas::organ::OrganId;

use super::layout::flat;

/// `dd/MM/yyyy`, with the time where there is one; the packet's own text where it is no date.
pub(super) fn date(date: &DateText) -> String {
    match date.parsed {
        None if date.text.is_empty() => String::new(),
        None => format!("\"{}\" (không đọc được)", flat(&date.text)),
        Some(at) => {
            let day = format!("{:02}/{:02}/{:04}", at.day(), at.month(), at.year());
            if date.text.contains(':') {
                format!("{day} {:02}:{:02}:{:02}", at.hour(), at.minute(), at.second())
            } else {
                day
            }
        }
    }
}

/// `2018-09-28` or `2018-09-28T17:25:11`, Vietnam time; nothing where the text is no date.
pub(super) fn iso(date: &DateText) -> Option<String> {
    let at = date.parsed?;
    Some(if date.text.contains(':') { at.to_string() } else { at.date().to_string() })
}

/// A number with points between the thousands.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('.');
        }
        text.push(digit);
    }
    text
}

/// `12,3 KB`: units of 1024, one place behind the comma.
pub(super) fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} byte");
    }
    let (mut tenths, mut unit) = (bytes / 1024 * 10 + bytes % 1024 * 10 / 1024, 0);
    while tenths >= 10_240 {
        tenths /= 1024;
        unit += 1;
    }
    let unit = ["KB", "MB", "GB", "TB", "PB", "EB"][unit];
    format!("{},{} {unit}", number(tenths / 10), tenths % 10)
}

/// The name of a priority, Vietnamese and English.
pub(super) fn priority(digit: u8) -> (&'static str, &'static str) {
    Priority::from_digit(digit).map_or(("không rõ", "unknown"), Priority::wording)
}

/// The level-1 body that a code belongs to, in words; empty where it is not known, or is the one named beside.
pub(super) fn within(organ: &OrganId, name: &str) -> String {
    let Some(level1) = Level1::of(organ) else { return String::new() };
    let itself = organ.form().level() == Some(1);
    if itself && level1.vi.to_lowercase() == name.to_lowercase() && level1.valid_to.is_none() {
        return String::new();
    }
    let maybe = if level1.certainty == Certainty::Inferred { "có lẽ " } else { "" };
    let mut text = if itself {
        format!("{maybe}mã của {}", level1.vi)
    } else {
        format!("{maybe}thuộc {} {}", level1.code, level1.vi)
    };
    if let Some(last) = level1.valid_to {
        text.push_str(&format!(", mã dùng đến {:02}/{:02}/{:04}", last.day(), last.month(), last.year()));
        let heirs: Vec<_> = level1.successors().map(|heir| format!("{} {}", heir.code, heir.vi)).collect();
        if !heirs.is_empty() {
            text.push_str(&format!(", nay là {}", heirs.join(", ")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_sizes_are_written_as_clerks_do() {
        let shown = |text: &str| (date(&DateText::read(text)), iso(&DateText::read(text)));
        assert_eq!(shown("2015/9/3"), ("03/09/2015".to_owned(), Some("2015-09-03".to_owned())));
        assert_eq!(shown("2018/09/28 17:25:11").0, "28/09/2018 17:25:11");
        assert_eq!(shown("2018/09/28 17:25:11").1.as_deref(), Some("2018-09-28T17:25:11"));
        assert_eq!(shown("2014/02/30"), ("\"2014/02/30\" (không đọc được)".to_owned(), None));
        assert_eq!(shown(""), (String::new(), None));
        assert_eq!(
            (number(0), number(1_234_567), number(100)),
            ("0".into(), "1.234.567".into(), "100".into())
        );
        assert_eq!(
            (size(1023), size(1024), size(1_500_000)),
            ("1023 byte".into(), "1,0 KB".into(), "1,4 MB".into())
        );
        assert_eq!((size(1 << 30), size(u64::MAX)), ("1,0 GB".into(), "15,9 EB".into()));
    }
}
