//! The page: kept as it is word for word for three packets, and in shape for all.

use acceptance::{letter, workspace};
use lienthong_schemas::edxml::DocumentBuilder;

use super::{Desk, corpus, packet, plain, run, said};

#[test]
fn three_pages_are_kept_word_for_word() {
    for name in ["document", "revocation", "status"] {
        let page = said(&["inspect", plain(&packet(&format!("{name}.edxml"))), "--width", "80"]);
        let page = without_findings(&page);
        let kept = workspace().join("tests/tests/cli_inspect/pages").join(format!("{name}.txt"));
        if std::env::var_os("RENDER").is_some() {
            std::fs::write(&kept, &page).expect("written");
        }
        let expected = std::fs::read_to_string(&kept).unwrap_or_default();
        assert_eq!(page, expected, "{name}: make it anew with RENDER=1 and read it as a clerk would");
    }
}

/// What is noticed is the reader's business, and other tests'.
fn without_findings(page: &str) -> String {
    let end = ["\nCẢNH BÁO", "\nLƯU Ý"].iter().filter_map(|heading| page.find(heading)).min();
    let begin = page.find("\n  Gói tin: ").expect("the last lines");
    format!("{}{}", &page[..end.expect("findings")], &page[begin..])
}

#[test]
fn findings_stand_below_each_other_with_their_places() {
    let desk = Desk::new();
    let to: Vec<String> = (1..=8).map(|n| format!("X.Y.{n}")).collect();
    let page = said(&["inspect", plain(&desk.packet(DocumentBuilder::new("H55.30", &to)))]);
    let places: String = (1..=5).map(|n| format!("    To[{n}]/OrganId: X.Y.{n}\n")).collect();
    assert!(page.contains(&format!(" [ORGAN_ID_PATTERN]\n{places}    và 3 chỗ khác\n")), "{page}");
    let warnings = page.find("\nCẢNH BÁO (").expect("warnings");
    assert!(page.find("\nLƯU Ý (").is_some_and(|notes| notes > warnings), "{page}");
}

#[test]
fn every_page_keeps_its_width() {
    let own = ["document.edxml", "revocation.edxml", "status.edxml"].map(packet);
    for path in corpus().iter().chain(&own) {
        for width in [50, 80, 120] {
            let output = run(&["inspect", plain(path), "--width", &width.to_string()]);
            let page = String::from_utf8(output.stdout).expect("UTF-8");
            let columns = page.lines().map(|line| line.chars().count()).max();
            assert!(columns.is_some_and(|columns| columns <= width), "{width}: {columns:?} in {page}");
            assert!(page.lines().all(|line| line.trim_end() == line), "blanks at the end of a line: {page}");
            assert!(!page.contains('\u{1b}'), "colour is for terminals only");
        }
    }
}

#[test]
fn many_receivers_are_counted() {
    let to: Vec<String> = (1..=25).map(|n| format!("H55.{n:02}")).collect();
    let desk = Desk::new();
    let page = said(&["inspect", plain(&desk.packet(DocumentBuilder::new("H55.30", &to)))]);
    assert!(page.contains("Nơi nhận (25)") && page.contains("và 5 nơi nhận khác"), "{page}");
    assert!(page.contains("H55.20") && !page.contains("H55.21"), "{page}");
}

#[test]
fn odd_dates_are_shown_as_they_stand() {
    let desk = Desk::new();
    let odd = letter(1, &[1]).date("2014/02/30").due_date("2015/9/3").priority(4);
    let page = said(&["inspect", plain(&desk.packet(odd))]);
    assert!(page.contains("\"2014/02/30\" (không đọc được)"), "{page}");
    assert!(page.contains("Hạn xử lý         03/09/2015\n") && page.contains("HỎA TỐC HẸN GIỜ"), "{page}");
}

#[test]
fn no_text_of_a_packet_leaves_its_place() {
    let desk = Desk::new();
    let forged = "V/v\r\n\r\nCHỮ KÝ SỐ CỦA GÓI TIN\r\n  HỢP LỆ.\u{202e}\u{9b}31m";
    let page = said(&["inspect", plain(&desk.packet(letter(1, &[1]).subject(forged)))]);
    let headings: Vec<_> = page.lines().filter(|line| line.starts_with("CHỮ KÝ SỐ")).collect();
    assert_eq!(headings.len(), 1, "{page}");
    assert!(!page.lines().any(|line| line.starts_with("  HỢP LỆ")), "{page}");
    assert!(page.contains("\\u{202e}\\u{9b}31m"), "{page}");
}

#[test]
fn a_field_of_many_kilobytes_does_not_fill_the_page() {
    let desk = Desk::new();
    let long = letter(1, &[1]).subject(&"đ ".repeat(15_000));
    let page = said(&["inspect", plain(&desk.packet(long))]);
    assert!(page.len() < 12_000 && page.contains('…'), "{} bytes", page.len());
}
