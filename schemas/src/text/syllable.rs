//! Whether a word is spelled like a Vietnamese syllable: what tells Vietnamese from the wrong letters of an old
//! encoding. Spelling only; not every syllable that it takes is a word.

use std::sync::LazyLock;

use super::letters::{ACUTE, DOT, Vowel, vowel};

const ONSETS: &[&str] = &[
    "", "b", "c", "ch", "d", "đ", "g", "gh", "gi", "h", "k", "kh", "l", "m", "n", "ng", "ngh", "nh", "p",
    "ph", "qu", "r", "s", "t", "th", "tr", "v", "x",
];

/// What follows the onset, tone left out.
#[rustfmt::skip]
const RIMES: &[&str] = &[
    "a", "ac", "ach", "ai", "am", "an", "ang", "anh", "ao", "ap", "at", "au", "ay", "e", "ec", "em", "en",
    "eng", "eo", "ep", "et", "i", "ia", "ich", "im", "in", "inh", "ip", "it", "iu", "iêc", "iêm", "iên",
    "iêng", "iêp", "iêt", "iêu", "o", "oa", "oac", "oach", "oai", "oam", "oan", "oang", "oanh", "oao", "oap",
    "oat", "oay", "oc", "oe", "oen", "oeo", "oet", "oi", "om", "on", "ong", "ooc", "oong", "op", "ot", "oăc",
    "oăm", "oăn", "oăng", "oăt", "u", "ua", "uc", "ui", "um", "un", "ung", "up", "ut", "uy", "uya", "uych",
    "uyn", "uynh", "uyt", "uyu", "uyên", "uyêt", "uân", "uâng", "uât", "uây", "uê", "uêch", "uênh", "uôc",
    "uôi", "uôm", "uôn", "uông", "uôt", "uơ", "y", "ych", "ynh", "yt", "yêm", "yên", "yêng", "yêt", "yêu",
    "âc", "âm", "ân", "âng", "âp", "ât", "âu", "ây", "ê", "êch", "êm", "ên", "êng", "ênh", "êp", "êt", "êu",
    "ô", "ôc", "ôi", "ôm", "ôn", "ông", "ôp", "ôt", "ăc", "ăk", "ăm", "ăn", "ăng", "ăp", "ăt", "ơ", "ơi", "ơm",
    "ơn", "ơp", "ơt", "ư", "ưa", "ưc", "ưi", "ưng", "ưt", "ưu", "ươc", "ươi", "ươm", "ươn", "ương", "ươp",
    "ươt", "ươu",
];

/// Longest syllable in letters: nghiêng.
const LETTERS_MAX: usize = 7;

/// Letters without tones, each with the number that stands for it in a [`key`].
const ALPHABET: [char; 29] = [
    'a', 'ă', 'â', 'b', 'c', 'd', 'đ', 'e', 'ê', 'g', 'h', 'i', 'k', 'l', 'm', 'n', 'o', 'ô', 'ơ', 'p', 'q',
    'r', 's', 't', 'u', 'ư', 'v', 'x', 'y',
];

/// The two lists by key, sorted.
struct Spelling {
    onsets: Vec<(u32, &'static str)>,
    rimes: Vec<u32>,
}

static SPELLING: LazyLock<Spelling> = LazyLock::new(|| {
    let mut onsets: Vec<_> = ONSETS.iter().map(|onset| (key_of(onset), *onset)).collect();
    let mut rimes: Vec<_> = RIMES.iter().map(|rime| key_of(rime)).collect();
    onsets.sort_unstable();
    rimes.sort_unstable();
    Spelling { onsets, rimes }
});

fn key_of(part: &str) -> u32 {
    key(&part.chars().filter_map(number).collect::<Vec<_>>())
}

fn number(letter: char) -> Option<u8> {
    let at = ALPHABET.iter().position(|c| *c == letter)?;
    u8::try_from(at + 1).ok()
}

/// At most six letters in one number; longer parts are in neither list.
fn key(numbers: &[u8]) -> u32 {
    match numbers.len() {
        0..=6 => numbers.iter().fold(0, |key, n| key << 5 | u32::from(*n)),
        _ => u32::MAX,
    }
}

/// Whether a composed word is a Vietnamese syllable with at most one tone, in any case.
pub(super) fn is_syllable(word: &str) -> bool {
    let mut letters = [0; LETTERS_MAX];
    let (mut length, mut tone) = (0, 0);
    for c in word.chars() {
        let parts = vowel(c).map(|v| Vowel { upper: false, ..v });
        let lower = match parts {
            Some(v) if v.tone > 0 && tone > 0 => return false,
            Some(v) => {
                tone = tone.max(v.tone);
                v.with_tone(0).letter()
            }
            None if c == 'Đ' => 'đ',
            None => c.to_ascii_lowercase(),
        };
        match (letters.get_mut(length), number(lower)) {
            (Some(place), Some(number)) => *place = number,
            _ => return false,
        }
        length += 1;
    }
    let letters = &letters[..length];
    let mut backwards = letters.iter().rev().map(|n| ALPHABET[usize::from(*n) - 1]);
    let stopped = match (backwards.next(), backwards.next()) {
        (Some('h'), before) => before == Some('c'),
        (last, _) => matches!(last, Some('c' | 'k' | 'p' | 't')),
    };
    (!stopped || matches!(tone, ACUTE | DOT)) && (0..=length.min(3)).any(|at| fits(letters, at))
}

/// Whether the first letters are an onset, the others its rime, and the two are spelled so together.
fn fits(letters: &[u8], at: usize) -> bool {
    let (onset, rime) = letters.split_at(at);
    let Ok(found) = SPELLING.onsets.binary_search_by_key(&key(onset), |(key, _)| *key) else { return false };
    let Some(first) = rime.first().map(|n| ALPHABET[usize::from(*n) - 1]) else { return false };
    let front = matches!(first, 'e' | 'ê' | 'i' | 'y');
    let spelled = match SPELLING.onsets[found].1 {
        "k" | "gh" | "ngh" => front,
        "c" | "ng" => !front,
        // "gì", "gìn"; the i of "giêng" is part of its onset here.
        "g" => !front || [key_of("i"), key_of("in")].contains(&key(rime)),
        "qu" => !matches!(first, 'o' | 'u' | 'ư'),
        "" => true,
        _ => rime.len() == 1 || first != 'y',
    };
    spelled && SPELLING.rimes.binary_search(&key(rime)).is_ok()
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
            "gét",
            "gít",
            "qua\u{301}",
            "nghiêngg",
            "quôô",
            "nhyên",
        ] {
            assert!(!is_syllable(word), "{word}");
        }
    }
}
