//! Whether a word is spelled like a Vietnamese syllable: what tells Vietnamese from the wrong letters of an old
//! encoding. Spelling only; not every syllable that it takes is a word.

use super::letters::{ACUTE, DOT, vowel};

const ONSETS: &[&str] = &[
    "", "b", "c", "ch", "d", "đ", "g", "gh", "gi", "h", "k", "kh", "l", "m", "n", "ng", "ngh", "nh", "p",
    "ph", "qu", "r", "s", "t", "th", "tr", "v", "x",
];

/// What follows the onset, tone left out.
#[rustfmt::skip]
const RIMES: &[&str] = &[
    "a", "ac", "ach", "ai", "am", "an", "ang", "anh", "ao", "ap", "at", "au", "ay",
    "ăc", "ăk", "ăm", "ăn", "ăng", "ăp", "ăt",
    "âc", "âm", "ân", "âng", "âp", "ât", "âu", "ây",
    "e", "ec", "em", "en", "eng", "eo", "ep", "et",
    "ê", "êch", "êm", "ên", "êng", "ênh", "êp", "êt", "êu",
    "i", "ia", "ich", "iêc", "iêm", "iên", "iêng", "iêp", "iêt", "iêu", "im", "in", "inh", "ip", "it", "iu",
    "o", "oa", "oac", "oach", "oai", "oam", "oan", "oang", "oanh", "oao", "oap", "oat", "oay",
    "oăc", "oăm", "oăn", "oăng", "oăt", "oc", "oe", "oen", "oeo", "oet", "oi", "om", "on", "ong", "ooc", "oong",
    "op", "ot",
    "ô", "ôc", "ôi", "ôm", "ôn", "ông", "ôp", "ôt",
    "ơ", "ơi", "ơm", "ơn", "ơp", "ơt",
    "u", "ua", "uân", "uâng", "uât", "uây", "uc", "uê", "uêch", "uênh", "ui", "um", "un", "ung", "uôc", "uôi",
    "uôm", "uôn", "uông", "uôt", "uơ", "up", "ut", "uy", "uya", "uych", "uyên", "uyêt", "uyn", "uynh", "uyt", "uyu",
    "ư", "ưa", "ưc", "ưi", "ưng", "ưt", "ươc", "ươi", "ươm", "ươn", "ương", "ươp", "ươt", "ươu", "ưu",
    "y", "ych", "yêm", "yên", "yêng", "yêt", "yêu", "ynh", "yt",
];

/// Longest syllable in letters: nghiêng.
const LETTERS_MAX: usize = 7;

/// Whether a composed word is a Vietnamese syllable with at most one tone, in any case.
pub(super) fn is_syllable(word: &str) -> bool {
    let mut bare = String::with_capacity(word.len());
    let mut tone = 0;
    for c in word.chars().take(LETTERS_MAX + 1).flat_map(char::to_lowercase) {
        let parts = vowel(c);
        match parts {
            Some(v) if v.tone > 0 && tone > 0 => return false,
            Some(v) => {
                tone = tone.max(v.tone);
                bare.push(v.with_tone(0).letter());
            }
            None => bare.push(c),
        }
    }
    if bare.chars().count() > LETTERS_MAX {
        return false;
    }
    let stopped = ["c", "k", "ch", "p", "t"].iter().any(|stop| bare.ends_with(stop));
    if stopped && !matches!(tone, ACUTE | DOT) {
        return false;
    }
    ONSETS.iter().any(|onset| bare.strip_prefix(onset).is_some_and(|rime| fits(onset, rime)))
}

/// The spelling rules between an onset and its rime.
fn fits(onset: &str, rime: &str) -> bool {
    let front = rime.starts_with(['e', 'ê', 'i', 'y']);
    let spelled = match onset {
        "k" | "gh" | "ngh" => front,
        "c" | "ng" => !front,
        // "gì", "gìn", "giêng".
        "g" => !front || matches!(rime, "i" | "in" | "iêng"),
        "qu" => !rime.starts_with(['o', 'u', 'ư']),
        "" => true,
        _ => rime.len() == 1 || !rime.starts_with('y'),
    };
    spelled && RIMES.contains(&rime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vietnamese_is_told_from_the_rest() {
        let text = "Cộng hòa xã hội chủ nghĩa Việt Nam Độc lập Tự do Hạnh phúc Kính gửi Bộ Thông tin và Truyền thông \
                    Về việc triển khai trục liên văn bản quốc gia Ủy ban nhân dân thành phố Đà Nẵng Quyết định số ngày \
                    tháng năm Nguyễn Thị Ánh Tuyết Đỗ Ỷ Lan Lý Thường Kiệt hoà thuý quý giờ gì gìn giữ giếng khoẻ khỏe \
                    nghiêng ngoằn huỳnh khuya khuỷu yêu quyền ĐẮK";
        for word in text.split_whitespace() {
            assert!(is_syllable(word), "{word}");
        }
        for word in [
            "",
            "ẵ",
            "đ",
            "f",
            "été",
            "Cộngg",
            "tót2",
            "Céng",
            "hßa",
            "th«ng",
            "côp",
            "kô",
            "ngiêng",
            "ghà",
            "Company",
            "hóá",
            "qua\u{301}",
            "nghiêngg",
            "quôô",
            "nhyên",
        ] {
            assert!(!is_syllable(word), "{word}");
        }
    }
}
