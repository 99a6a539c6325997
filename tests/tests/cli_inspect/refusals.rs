//! A packet that is refused: every error with its field and its rule, and exit code 1.

use acceptance::{letter, text};

use super::{Desk, json, plain, run};

#[test]
fn every_error_of_a_packet_is_told() {
    let desk = Desk::new();
    let broken = letter(1, &[1])
        .with_raw("<edXML:FullName>Người ký thử nghiệm</edXML:FullName>", "")
        .with_raw("<edXML:TypeName>Công văn</edXML:TypeName>", "");
    let file = desk.packet(broken);
    let output = run(&["inspect", plain(&file)]);
    assert_eq!(output.status.code(), Some(1));
    let page = text(&output.stdout);
    let shown = json(&[plain(&file)]);
    let fields: Vec<_> = shown["rejected"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|error| error["field"].as_str().expect("a field").rsplit('/').next().expect("a step"))
        .collect();
    assert_eq!(fields, ["TypeName", "FullName"], "{shown}");
    for (n, field) in fields.iter().enumerate() {
        assert!(page.contains(&format!("  {}. ", n + 1)) && page.contains(field), "{page}");
    }
    assert!(page.starts_with("GÓI TIN KHÔNG HỢP LỆ, 2 lỗi (refused, errors: 2)\n"), "{page}");
    let rule = shown["rejected"][0]["rule_en"].as_str().expect("a rule");
    let unwrapped = page.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(unwrapped.contains(rule), "{page}");
}

#[test]
fn what_is_no_xml_is_refused_with_its_place() {
    let desk = Desk::new();
    let file = desk.path("letter.edxml");
    for (bytes, code) in [
        (&b"1212<?xml version=\"1.0\"?><edXML/>"[..], "XML_MALFORMED"),
        (b"<!DOCTYPE edXML><edXML/>", "XML_FORBIDDEN"),
        (b"<letter/>", "PACKET_NOT_EDXML"),
        (b"", "XML_MALFORMED"),
    ] {
        std::fs::write(&file, bytes).expect("written");
        assert_eq!(json(&[plain(&file)])["rejected"][0]["code"], code);
        assert_eq!(run(&["inspect", plain(&file)]).status.code(), Some(1));
    }
}
