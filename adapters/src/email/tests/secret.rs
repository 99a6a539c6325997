//! A server that repeats our password, in whatever form it had it: nothing of it is kept.

use lienthong_pipeline::ports::FailureClass;
use openssl::base64::encode_block;

use super::peer::{Say, willing};
use super::{Ground, PASSWORD, USER, at, failure_at, told};
use crate::email::secrets::Secrets;

/// What AUTH PLAIN sends.
fn plain() -> String {
    encode_block(format!("\0{USER}\0{PASSWORD}").as_bytes())
}

/// The password as it may come back.
fn forms() -> [String; 4] {
    let login = encode_block(PASSWORD.as_bytes());
    [PASSWORD.to_owned(), plain(), login.trim_end_matches('=').to_owned(), plain().to_ascii_uppercase()]
}

#[tokio::test]
async fn of_an_answer_to_auth_only_codes_are_kept() {
    for (words, kept) in [
        // Like sendmail.
        (format!("500 5.5.1 Command unrecognized: \"AUTH PLAIN {}\"\r\n", plain()), "AUTH: 500 5.5.1"),
        (format!("535 5.7.8 no such password: {PASSWORD}\r\n"), "AUTH: 535 5.7.8"),
        (format!("535 {PASSWORD}\r\n"), "AUTH: 535"),
        (format!("535-5.7.8\r\n535 5.7.8 {PASSWORD}\r\n"), "AUTH: 535 5.7.8"),
        (format!("571 5.7.1 {PASSWORD}\r\n"), "AUTH: 551 (571) 5.7.1"),
        // In two halves, which nobody would find.
        (format!("500-{}\r\n500 {}\r\n", &plain()[..20], &plain()[20..]), "AUTH: 500"),
    ] {
        let (class, _, note) = failure_at("AUTH", words).await;
        assert_eq!((class, note.as_str()), (FailureClass::OursToFix, kept));
    }
    for words in [format!("{PASSWORD}\r\n"), format!("354 {}\r\n", plain())] {
        let (_, code, note) = failure_at("AUTH", words).await;
        assert_eq!(code, "bad_answer");
        assert!(note == "AUTH:" || note == "AUTH: 354", "{note}");
    }
}

#[tokio::test]
async fn nor_does_auth_login_put_the_password_into_the_note() {
    let secret = encode_block(PASSWORD.as_bytes());
    let script = move |event: &str| match event.split(' ').next() {
        Some("EHLO") => Say::Words(b"250-thu.example\r\n250 AUTH LOGIN\r\n".to_vec()),
        Some("AUTH") => Say::Words(b"334 VXNlcm5hbWU6\r\n".to_vec()),
        Some(text) if text == encode_block(USER.as_bytes()) => Say::Words(b"334 UGFzc3dvcmQ6\r\n".to_vec()),
        Some(text) if text == secret => {
            Say::Words(format!("500 5.5.1 Command unrecognized: \"{secret}\"\r\n").into_bytes())
        }
        _ => willing(event),
    };
    assert_eq!(told(Ground::tls(script).attempt().await).2, "AUTH: 500 5.5.1");
}

#[tokio::test]
async fn no_later_answer_carries_the_password() {
    for form in forms() {
        for (verb, stage) in [("MAIL", "MAIL"), ("RCPT", "RCPT"), ("DATA", "DATA"), (".", "message")] {
            let (_, _, note) = failure_at(verb, format!("500 what is {form}, {form}?\r\n")).await;
            let rest = note.replace('=', "");
            assert_eq!(rest, format!("{stage}: 500 what is ***, ***?"));
            let (_, code, note) = failure_at(verb, format!("what is {form}?\r\n")).await;
            assert!(code == "bad_answer" && note.contains("***") && !note.contains(&form), "{code} {note}");
        }
        let (_, _, note) = failure_at("RCPT", format!("354 {form}\r\n")).await;
        assert_eq!(note.replace('=', ""), "RCPT: 354 ***");
        let taken = Ground::tls(at(".", format!("250 {form}\r\n"))).attempt().await.expect("taken");
        assert_eq!(taken.note.replace('=', ""), "SMTP 250 ***");
    }
}

#[tokio::test]
async fn no_cut_of_a_long_line_leaves_part_of_the_password() {
    for form in forms() {
        // Blanks are not counted in a note, so the end of what is kept of a line is seen in it.
        for filled in 320 - 4 - form.len()..=320 {
            let secrets = Secrets::new(USER, PASSWORD);
            let line = format!("500 {}{form} and on", " ".repeat(filled));
            let cut = secrets.cut(line.as_bytes(), 320);
            let left = secrets.hidden_in(&String::from_utf8_lossy(cut));
            let rest = left.trim_start_matches("500").trim_start();
            assert!(
                "*** and on".starts_with(rest.trim_start_matches('=')) || rest.starts_with("***"),
                "{left}"
            );
        }
        let words = format!("550 {}{form}\r\n", " ".repeat(320 - 4 - form.len() / 2));
        assert_eq!(failure_at("RCPT", words).await.2, "RCPT: 550");
    }
}
