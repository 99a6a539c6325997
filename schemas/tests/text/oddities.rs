//! What is told of a text, and what is not.

use std::collections::BTreeSet;

use lienthong_schemas::edxml::Finding;
use lienthong_schemas::text::oddities;
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

use crate::{corpus, samples};

fn kinds(text: &str) -> Vec<Finding> {
    oddities(text).into_iter().map(|(finding, _)| finding).collect()
}

fn detail(text: &str, wanted: Finding) -> String {
    let found = oddities(text).into_iter().find(|(finding, _)| *finding == wanted);
    found.unwrap_or_else(|| unreachable!("{wanted} in {text}")).1
}

const ORDINARY: &[&str] = &[
    "",
    "12/STN-VP",
    "28/2018/QĐ-TTg",
    "000.00.15.H55,2026/07/15,123/STN-VP",
    "V/v triển khai trục liên thông văn bản quốc gia (lần 2)?",
    "Công an",
    "Thái Bình",
    "Thông tin và truyền thông: có gì mới?",
    "Cô giáo và các em bé có quà",
    "Hà Nam, Hoà Bình, Quý Châu",
    "Tôi là ai? Ông là ai? Bà, cô, chú và các bác",
    "Ý kiến: kính trình",
    "Khoá hoá, loà xoà, toán hoãn, loài, thuý, thuở, khoẻ",
    "Ðộc lập",
    "Don't worry, it's the firm's; I'm sure you're right. They've gone, haven't they?",
    "Is it so? Are you? No. Me too. Go to. Be. A. B. C. e.g. i.e. a.m. p.m. U.N. I.T. etc.",
    "L'eau qu'on boit, qu'un homme qu'en a. C'est aujourd'hui jusqu'au soir. J'ai dit qu'il a l'air d'un ami",
    "Société Générale d'électricité, près de l'Hôtel de Ville: le maïs, naïf, où, haï, Noël, le goût, le coût d'août",
    "Où ?",
    "Le côté du rôle",
    "Tôt ou tard, plus tôt",
    "Dès demain, même très tôt, à côté",
    "Straße, Größe, Müller, für Köln, Österreich, schön, über",
    "El niño pequeño comió jamón en España. ¿Qué? ¡Más!",
    "São Paulo, não, coração, pão, três, avô",
    "25 °C, 30 m², 5 µm ± 1 ½, 3 × 4 ÷ 2, § 12, ©2026 ®, «la vie», £5 ¥6 ¢7, 1ª 2º",
    "·Tin ·Nam",
    "a.b@example.gov.vn, van.thu+cv@thainguyen.gov.vn, ten_toi~1@example.com",
    "https://example.gov.vn/a(b)?c=d&e=f#g~h, www.thainguyen.gov.vn, ftp://a.b.c/~user/",
    "C++, C#, A+B, a+b=c, o+, IQ+, Zoo+, a^n + b^n, f(a(b)), x^2, O(n), e^x",
    "dd/MM/yyyy, DDoS, add, daddy, Hanoi.vn, Tp.HCM, TT.Hue, Q.1, P.An",
    "cong van den (ban 2), kem theo(ban sao), ma(n), so(u)",
    "Cong hoa xa hoi chu nghia Viet Nam. Co gi la. Ai. Ha? Sao? La.",
    "Co^ng?",
    "\u{201c}Nghị định\u{201d} \u{2013} số 01\u{2026}",
    "\tdòng một\r\n  dòng hai\u{a0}",
    "日本語 Привет Ελλάδα",
    "5.2.1. Mục tiêu; 5.2.2. Nhiệm vụ (a), (b), (c)+(d)",
];

#[test]
fn ordinary_text_has_nothing_odd() {
    for text in ORDINARY {
        assert_eq!(oddities(text), [], "{text}");
        for word in text.split_whitespace() {
            assert_eq!(oddities(word), [], "{word} of {text}");
        }
    }
}

#[test]
fn samples_in_unicode_have_nothing_odd_and_old_ones_are_told() {
    let name = |encoding: &str| match encoding {
        "tcvn3" | "tcvn5712-vn1" => Some("TCVN3: "),
        "vni-windows" => Some("VNI: "),
        "viqr" => Some("VIQR: "),
        "windows-1258" => Some("CP1258: "),
        _ => None,
    };
    for sample in samples() {
        assert_eq!(oddities(&sample.source), [], "{}", sample.source);
        // Single letters are no words in any encoding.
        let letters = sample.source.starts_with("ẳ ẵ");
        match name(&sample.encoding) {
            Some(start) if !sample.surface.is_empty() && !letters => {
                let detail = detail(&sample.surface, Finding::TextLegacy);
                assert_eq!(detail, format!("{start}{}", sample.expected), "{}", sample.surface);
            }
            Some(_) => {}
            None => {
                let text = String::from_utf8(sample.bytes).expect("UTF-8");
                let odd = (sample.encoding == "utf8-nfd").then_some(Finding::TextDecomposed);
                assert_eq!(kinds(&text), Vec::from_iter(odd), "{text}");
            }
        }
    }
}

#[test]
fn short_old_text_is_told() {
    for (text, meant) in [
        ("Hµ Néi", "TCVN3: Hà Nội"),
        ("ViÖt Nam", "TCVN3: Việt Nam"),
        ("UBND tØnh Th¸i Nguyªn", "TCVN3: UBND tỉnh Thái Nguyên"),
        ("QuyÕt ®Þnh sè 12/Q§-UBND", "TCVN3: Quyết định số 12/QĐ-UBND"),
        ("Haø Noäi", "VNI: Hà Nội"),
        ("Tröôûng phoøng", "VNI: Trưởng phòng"),
        ("Ha` No^.i", "VIQR: Hà Nội"),
        ("Th\u{ad}êng trùc", "TCVN3: Thường trực"),
    ] {
        assert_eq!(oddities(text), [(Finding::TextLegacy, meant.to_owned())], "{text}");
    }
}

#[test]
fn forms_are_told_apart() {
    assert_eq!(kinds("Co\u{323}\u{302}ng hoa"), [Finding::TextDecomposed]);
    assert_eq!(kinds("Co\u{323}\u{302}ng hòa"), [Finding::TextMixedForms]);
    assert_eq!(detail("C\u{f4}\u{323}ng", Finding::TextMixedForms), "ộ (U+00F4 U+0323)");
    assert_eq!(kinds("đo\u{302}"), [Finding::TextDecomposed], "đ has one form only");
    assert_eq!(kinds("x\u{336}y"), [], "a mark that no letter has in one piece");
}

#[test]
fn hidden_characters_are_named() {
    let text = "a\u{200b}b\u{200b}\u{feff}\u{202e}c\u{2066}";
    let expected = [
        (Finding::TextInvisible, "U+200B U+FEFF".to_owned()),
        (Finding::TextBidi, "U+202E U+2066".to_owned()),
    ];
    assert_eq!(oddities(text), expected);
    let many: String = ('\u{2060}'..='\u{2064}').chain('\u{fe00}'..='\u{fe0f}').collect();
    assert!(detail(&many, Finding::TextInvisible).ends_with("U+FE02 …"));
    assert_eq!(kinds("Việt\u{ad}Nam"), [Finding::TextInvisible]);
    assert_eq!(kinds("a\u{7f}"), [Finding::TextInvisible]);
}

/// Every text and attribute of every packet of the corpus, attachments apart: one letter of one name is half composed,
/// nothing else is odd.
#[test]
fn packets_of_the_corpus_have_no_other_odd_text() {
    let Some(folder) = corpus("edxml") else { return };
    let (mut texts, mut odd) = (0, BTreeSet::new());
    for entry in std::fs::read_dir(folder).expect("the corpus") {
        let path = entry.expect("an entry").path();
        let packet =
            if path.extension().is_some_and(|e| e == "edxml") { std::fs::read(path) } else { continue };
        let packet = packet.expect("a packet");
        let packet = String::from_utf8_lossy(&packet);
        for text in packet.split(['<', '>', '"']).filter(|text| text.len() < 2000) {
            texts += 1;
            odd.extend(
                oddities(text).into_iter().map(|(finding, detail)| (text.to_owned(), finding, detail)),
            );
        }
    }
    assert!(texts > 1000, "{texts}");
    let name =
        ("Trương Minh Tuâ\u{301}n".to_owned(), Finding::TextMixedForms, "ấ (U+00E2 U+0301)".to_owned());
    assert_eq!(odd, BTreeSet::from([name]));
}

/// Syllables that Vietnamese has, in all tones that it allows.
fn syllable() -> impl Strategy<Value = String> {
    let text = include_str!("syllables.txt");
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    (prop::sample::select(words), 0..3_u8).prop_map(|(word, case)| match case {
        0 => word.to_uppercase(),
        1 => {
            let mut chars = word.chars();
            chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
        }
        _ => word,
    })
}

proptest! {
    #[test]
    fn composed_vietnamese_is_never_odd(words in prop::collection::vec(syllable(), 0..12)) {
        let text = words.join(" ");
        prop_assert_eq!(oddities(&text), []);
    }

    #[test]
    fn decomposed_vietnamese_is_never_called_old(words in prop::collection::vec(syllable(), 0..12)) {
        let text: String = words.join(" ").nfd().collect();
        prop_assert!(!kinds(&text).contains(&Finding::TextLegacy));
    }

    #[test]
    fn any_text_can_be_judged(text in any::<String>()) {
        oddities(&text);
    }
}
