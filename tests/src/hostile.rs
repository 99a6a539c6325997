//! Words that try to drive terminals, break lines and forge headers, and what must not be left of them wherever text is
//! shown.

use std::path::PathBuf;
use std::process::Output;

use lienthong::demo::world::AGENCIES;
use lienthong_schemas::edxml::DocumentBuilder;
use serde_json::Value;

use crate::{Stage, letter_to};

/// What XML 1.0 lets through: control characters of ISO 6429 that begin and end a terminal's command, line ends of every
/// kind, bidirectional overrides, what is not seen at all, and text that only looks like a command.
pub const NASTY: &str = "\u{9b}31m\u{9b}2J\u{85}[31m\u{2028}\u{2029}\u{202e}\u{2066}\u{2069}\u{200b}\u{200f}\u{feff}\u{ad}\
                     \u{7f}\t\u{e0041}=?utf-8?B?DQpCY2M6IHhA?=";
/// The same with a line end and a header behind it, as character references: written out, XML would make one LF of them.
pub const INJECTED: &str = "&#13;&#10;Bcc: ke-gian@xa.example.vn&#13;&#10;&#13;&#10;&lt;script&gt;";
/// What peers may say besides: they are not bound to XML.
pub const ANSI: &str = "\u{1b}[31m\u{1b}]0;x\u{7}\u{8}\u{0}";

/// Characters that move a cursor, break a line, reorder or hide others; a list of our own, not the gateway's.
fn is_raw(c: char) -> bool {
    let hidden = [0xad, 0x34f, 0x61c, 0x115f, 0x1160, 0x180e, 0x3164, 0xfeff, 0xffa0];
    let ranges = [(0x200b, 0x200f), (0x2028, 0x202e), (0x2060, 0x206f), (0xfff9, 0xfffb), (0xe0000, 0xe007f)];
    let n = u32::from(c);
    c.is_control() || hidden.contains(&n) || ranges.iter().any(|(first, last)| (*first..=*last).contains(&n))
}

/// Fails when a text has one of these in it, but for the line ends of the text itself.
pub fn is_clean(what: &str, said: &str) {
    if let Some(at) = said.find(|c| c != '\n' && is_raw(c)) {
        let begin = said.floor_char_boundary(at.saturating_sub(80));
        let end = said.ceil_char_boundary((at + 40).min(said.len()));
        panic!("{what} has {:?} in {:?}", said[at..].chars().next(), &said[begin..end]);
    }
}

/// The same for every text and every key of a JSON value, where not even a line end may be.
pub fn is_clean_json(what: &str, value: &Value) {
    match value {
        Value::String(text) => {
            is_clean(what, text);
            assert!(!text.contains('\n'), "{what} has a line end in {text:?}");
        }
        Value::Array(list) => list.iter().for_each(|value| is_clean_json(what, value)),
        Value::Object(map) => {
            for (key, value) in map {
                is_clean(what, key);
                is_clean_json(&format!("{what}.{key}"), value);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What a command wrote, on either side.
pub fn is_clean_output(what: &str, output: &Output) {
    for bytes in [&output.stdout, &output.stderr] {
        let said = std::str::from_utf8(bytes).unwrap_or_else(|cause| panic!("{what}: {cause}"));
        is_clean(what, said);
    }
}

/// A letter that is hostile wherever a sender writes freely.
pub fn hostile(number: u32, codes: &[&str]) -> DocumentBuilder {
    let long = "đ".repeat(15_000);
    let from = AGENCIES[0].code;
    let leaf = |name: &str| format!("<edXML:{name}>{NASTY}{INJECTED}{name}</edXML:{name}>");
    let organ = |code: &str| format!("<edXML:OrganId>{code}</edXML:OrganId>");
    let named = |code: &str| organ(code) + &leaf("OrganName");
    let document = letter_to(number, codes)
        .subject("SUBJECT")
        .document_id(&format!("{NASTY}\r\nX-Id: {number}"))
        .code(&format!("{number}{NASTY}"), &format!("UBND-VP{NASTY}\r\nX-Code: 1"))
        .type_name(&format!("Công văn{NASTY}\r\nX-Type: 1"))
        .response_for(from, &format!("7{NASTY}"), &format!("H55,2025/01/02,{NASTY}"), NASTY)
        .attach(&format!("{NASTY}\r\n../../x.pdf"), &format!("application/pdf{NASTY}"), &b"%PDF-1.7"[..]);
    document
        .with_raw(">SUBJECT<", &format!(">V/v {NASTY}{INJECTED}{long}<"))
        .with_raw(&organ(from), &named(from))
        .with_raw(&organ(codes[0]), &named(codes[0]))
        .with_raw("Người ký thử nghiệm", &format!("Người ký{NASTY}{INJECTED}"))
        .with_raw(">Giám đốc<", &format!(">Giám đốc{NASTY}<"))
}

/// A signed letter whose signature names an algorithm that does not exist, and more.
pub fn with_strange_algorithm(stage: &Stage) -> PathBuf {
    let packet = stage.signed("hostile.edxml", hostile(20, &[AGENCIES[1].code]));
    let genuine = std::fs::read_to_string(&packet).expect("the packet");
    let algorithm = "Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#";
    let at = genuine.find(algorithm).expect("a signature algorithm") + "Algorithm=\"".len();
    let strange = stage.world.folder.join("strange.edxml");
    let text = format!("{}{NASTY}{INJECTED}{}", &genuine[..at], &genuine[at..]);
    std::fs::write(&strange, text).expect("written");
    strange
}
