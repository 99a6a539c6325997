//! Invariant 7: documents marked secret, and letters of complaint, denunciation or dispute, are not carried.
//! There is no field for either in edXML, so the rule reads the words that senders put in the header.

use super::content::Content;
use super::kind::PacketKind;
use crate::rejections::{Rejection, RejectionCode};
use crate::text::fold;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NotCarried {
    /// Marked mật, tối mật or tuyệt mật.
    Secret,
    /// A letter of complaint, denunciation or dispute (đơn khiếu nại, tố cáo, tranh chấp).
    Letter,
}

/// Refuses a document that must not travel by this way. Status packets are never refused.
///
/// Letters: `TypeName` begins with "đơn", "thư" or "đơn thư" and names khiếu nại, tố cáo or tranh chấp, or is nothing but
/// these words; or `Subject` begins with such a name. A decision *on* a complaint, or a letter that forwards one
/// ("V/v chuyển đơn ..."), is administrative correspondence and is carried.
///
/// Secrets: a mark is "mật", "tối mật" or "tuyệt mật" as whole words, never part of bảo mật, bí mật, giải mật, cơ mật,
/// mật mã, mật khẩu, mật độ and their like. It counts
/// - in `CodeNotation`, between its dashes and slashes (`CV-MẬT`);
/// - in `TypeName` and `SphereOfPromulgation`, as a part of its own (`Công văn (mật)`, `Độ mật: tối mật`) or as the
///   last words (`Công văn mật`);
/// - in `Subject`, only as a label in brackets at either end (`[TỐI MẬT] V/v ...`) or before a first colon: a subject
///   may well speak *about* secrets.
///
/// Letters are compared without regard to case, to the Unicode form (NFC, NFD) and to characters that are not seen.
pub fn check_carried(content: &Content) -> Result<(), Rejection> {
    if content.kind == PacketKind::Status {
        return Ok(());
    }
    let fields: [(&str, &str, Rule); 4] = [
        ("DocumentType/TypeName", &content.document_type_name, in_type_name),
        ("Code/CodeNotation", &content.code_notation, in_notation),
        ("OtherInfo/SphereOfPromulgation", &content.sphere, in_sphere),
        ("Subject", &content.subject, in_subject),
    ];
    for (path, text, rule) in fields {
        // The text itself is kept out of the refusal, and so out of every log.
        if let Some(why) = rule(&fold(text)) {
            let field = format!("edXMLHeader/MessageHeader/{path}");
            return Err(Rejection::new(RejectionCode::SecretNotCarried).at(field).because(why.wording()));
        }
    }
    Ok(())
}

impl NotCarried {
    const fn wording(self) -> &'static str {
        match self {
            Self::Secret => "dấu chỉ độ mật / a secrecy mark",
            Self::Letter => {
                "đơn thư khiếu nại, tố cáo, tranh chấp / a letter of complaint, denunciation or dispute"
            }
        }
    }
}

type Rule = fn(&str) -> Option<NotCarried>;

const MARKS: [&[&str]; 3] = [&["mật"], &["tối", "mật"], &["tuyệt", "mật"]];
/// Before "mật": bảo mật (security), bí mật, giải mật (declassified), cơ mật.
const OTHER_BEFORE: [&str; 4] = ["bảo", "bí", "giải", "cơ"];
const MATTERS: [&[&str]; 3] = [&["khiếu", "nại"], &["tố", "cáo"], &["tranh", "chấp"]];

fn in_type_name(text: &str) -> Option<NotCarried> {
    let words = words(text);
    let letter = names_a_letter(&words) || (!words.is_empty() && only_matters(&words));
    if letter { Some(NotCarried::Letter) } else { in_sphere(text) }
}

fn in_sphere(text: &str) -> Option<NotCarried> {
    let part_is_mark = parts(text).any(|part| is_mark(&words(part)));
    (part_is_mark || parts(text).any(|part| ends_with_mark(&words(part)))).then_some(NotCarried::Secret)
}

fn in_notation(text: &str) -> Option<NotCarried> {
    let words = words(text);
    let marked =
        (0..words.len()).any(|n| words[n] == "mật" && (n == 0 || !OTHER_BEFORE.contains(&words[n - 1])));
    marked.then_some(NotCarried::Secret)
}

fn in_subject(text: &str) -> Option<NotCarried> {
    let text = text.trim();
    if names_a_letter(&words(text)) {
        return Some(NotCarried::Letter);
    }
    let brackets = [('(', ')'), ('[', ']'), ('{', '}'), ('<', '>'), ('【', '】')];
    let in_front = brackets.iter().find_map(|(open, close)| text.strip_prefix(*open)?.split_once(*close));
    let at_end = brackets.iter().find_map(|(open, close)| text.strip_suffix(*close)?.rsplit_once(*open));
    let before_colon = text.split_once(':');
    let labels = [in_front.map(|p| p.0), at_end.map(|p| p.1), before_colon.map(|p| p.0)];
    labels.into_iter().flatten().any(|label| is_mark(&words(label))).then_some(NotCarried::Secret)
}

/// A mark alone, or after "độ" / "độ mật" ("độ tối mật", "độ mật tuyệt mật").
fn is_mark(words: &[&str]) -> bool {
    let words = words.strip_prefix(&["độ"]).filter(|rest| rest.len() > 1).unwrap_or(words);
    let words = words.strip_prefix(&["mật"]).filter(|rest| !rest.is_empty()).unwrap_or(words);
    MARKS.contains(&words)
}

/// "công văn mật", "tài liệu tuyệt mật"; not "quy chế bảo mật", and not "độ mật", which names the field.
fn ends_with_mark(words: &[&str]) -> bool {
    match words {
        [.., before, "mật"] => !OTHER_BEFORE.contains(before) && *before != "độ",
        _ => false,
    }
}

fn names_a_letter(words: &[&str]) -> bool {
    let rest = match words {
        ["đơn", "thư", rest @ ..] | ["đơn", rest @ ..] | ["thư", rest @ ..] => rest,
        _ => return false,
    };
    MATTERS.iter().any(|matter| rest.starts_with(matter))
        || (rest.starts_with(&["kiến", "nghị"]) && MATTERS.iter().any(|m| rest[2..].starts_with(m)))
}

fn only_matters(mut words: &[&str]) -> bool {
    while !words.is_empty() {
        match MATTERS.iter().find_map(|matter| words.strip_prefix(*matter)) {
            Some(rest) => words = rest,
            None => return false,
        }
    }
    true
}

/// What stands between brackets, colons, commas, slashes and dashes.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && !c.is_whitespace())
}

fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_seen_in_any_case_and_unicode_form() {
        for type_name in [
            "Mật",
            "TỐI MẬT",
            "Tuyệt mật",
            "Công văn mật",
            "Công văn (Mật)",
            "Mật - Công văn",
            "Độ mật: tối mật",
            "Tài liệu tuyệt mật",
            "Công văn m\u{1ead}t",
            "Công văn ma\u{323}\u{302}t",
            "Công văn ma\u{302}\u{323}t",
            "M\u{200b}ật",
            "Văn bản độ tối mật",
        ] {
            assert_eq!(in_type_name(&fold(type_name)), Some(NotCarried::Secret), "{type_name}");
        }
        for notation in ["CV-MẬT", "UBND/Mật", "MẬT", "BC-UBND (tối mật)", "QĐ-TUYỆT MẬT-BQP"]
        {
            assert_eq!(in_notation(&fold(notation)), Some(NotCarried::Secret), "{notation}");
        }
        for sphere in ["Mật", "Phạm vi: tuyệt mật", "Lưu hành mật"] {
            assert_eq!(in_sphere(&fold(sphere)), Some(NotCarried::Secret), "{sphere}");
        }
        for subject in [
            "[TỐI MẬT] V/v diễn tập",
            "(Mật) Báo cáo",
            "V/v diễn tập (Tuyệt mật)",
            "MẬT: báo cáo tháng",
            "Độ mật tối mật: x",
        ] {
            assert_eq!(in_subject(&fold(subject)), Some(NotCarried::Secret), "{subject}");
        }
    }

    #[test]
    fn words_about_secrets_are_carried() {
        for type_name in [
            "Công văn",
            "Giấy mời",
            "Quy chế bảo mật",
            "Danh mục bí mật nhà nước",
            "Mật mã dân sự",
            "Giấy phép mật mã",
            "Quyết định giải mật",
        ] {
            assert_eq!(in_type_name(&fold(type_name)), None, "{type_name}");
        }
        for notation in ["VPCP-TTĐT", "BQP-BẢO MẬT", "UBND", "CV-MTTQ", "MAT-CNTT"] {
            assert_eq!(in_notation(&fold(notation)), None, "{notation}");
        }
        for sphere in ["Lưu hành nội bộ", "Liên thông", "Độ mật: thường", ""] {
            assert_eq!(in_sphere(&fold(sphere)), None, "{sphere}");
        }
        for subject in [
            "Giấy mời họp về bảo mật hệ thống",
            "V/v hướng dẫn quản lý văn bản mật, tối mật, tuyệt mật",
            "V/v kiểm tra công tác bảo vệ bí mật nhà nước",
            "Mật độ dân số năm 2025",
            "Mật ong xuất khẩu: kết quả kiểm tra",
            "V/v đổi mật khẩu (bảo mật)",
            "Bảo mật: yêu cầu tối thiểu",
        ] {
            assert_eq!(in_subject(&fold(subject)), None, "{subject}");
        }
    }

    #[test]
    fn a_long_row_of_words_takes_no_stack() {
        let text = format!("{} đất", "khiếu nại ".repeat(1 << 16));
        let small = std::thread::Builder::new().stack_size(64 << 10);
        let judged = small.spawn(move || in_type_name(&text)).expect("a thread").join();
        assert_eq!(judged.expect("an answer"), None);
    }

    #[test]
    fn letters_of_complaint_are_told_from_answers_to_them() {
        for name in [
            "Đơn khiếu nại",
            "ĐƠN TỐ CÁO",
            "Đơn thư khiếu nại, tố cáo",
            "Đơn tranh chấp đất đai",
            "Thư tố cáo",
            "Khiếu nại, tố cáo",
            "Tranh chấp",
            "Đơn kiến nghị, khiếu nại",
            "\u{110}o\u{31b}n khiê\u{301}u na\u{323}i",
        ] {
            assert_eq!(in_type_name(&fold(name)), Some(NotCarried::Letter), "{name}");
        }
        assert_eq!(in_subject(&fold("Đơn khiếu nại của công dân")), Some(NotCarried::Letter));
        for name in [
            "Quyết định giải quyết khiếu nại",
            "Thông báo thụ lý tố cáo",
            "Đơn vị",
            "Đơn xin nghỉ phép",
            "Thư công",
        ] {
            assert_eq!(in_type_name(&fold(name)), None, "{name}");
        }
        for subject in ["V/v chuyển đơn khiếu nại của công dân", "Đơn vị tranh chấp", "Giải quyết tranh chấp"]
        {
            assert_eq!(in_subject(&fold(subject)), None, "{subject}");
        }
    }
}
