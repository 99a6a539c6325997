//! What follows from each answer at each stage (design.md B6), and what is kept of its words.

use lienthong_pipeline::ports::FailureClass::{self, Document, OursToFix, Permanent, Receiver};

use super::peer::{Say, willing};
use super::{Ground, at, failure_at, told};

/// What the server refuses, with which codes, and what follows.
const TABLE: &[(&str, &[u16], FailureClass)] = &[
    // Greeting, EHLO, AUTH, MAIL: about our account or our settings.
    ("CONNECT", &[554, 550], OursToFix),
    ("CONNECT", &[421, 450], Receiver),
    ("EHLO", &[500, 502, 504, 550], OursToFix),
    ("EHLO", &[421], Receiver),
    ("AUTH", &[530, 534, 535, 538, 500, 504, 550], OursToFix),
    ("AUTH", &[421, 432, 454], Receiver),
    ("MAIL", &[501, 530, 535, 550, 552, 553, 554, 555], OursToFix),
    ("MAIL", &[421, 450, 451, 452, 455], Receiver),
    // The receiver's mailbox.
    ("RCPT", &[500, 501, 503, 550, 551, 552, 553, 554, 555], Permanent),
    ("RCPT", &[530, 535], OursToFix),
    ("RCPT", &[421, 450, 451, 452, 455], Receiver),
    // The message.
    ("DATA", &[503, 550, 554], Permanent),
    ("DATA", &[530, 535], OursToFix),
    ("DATA", &[421, 450, 451, 452], Receiver),
    (".", &[550, 552, 554], Permanent),
    (".", &[530, 535], OursToFix),
    (".", &[421, 452], Receiver),
    (".", &[450, 451, 454], Document),
];

#[tokio::test]
async fn each_refusal_has_its_class_and_code() {
    for (verb, codes, class) in TABLE {
        for code in *codes {
            let (found, name, note) = failure_at(verb, format!("{code} 9.9.9 vì thế\r\n")).await;
            assert_eq!((found, name), (*class, format!("smtp_{code}")), "{verb}: {note}");
            // 9.9.9 is no enhanced status, so of an answer to AUTH it is not kept.
            let kept =
                if *verb == "AUTH" { format!("AUTH: {code}") } else { format!(": {code} 9.9.9 vì thế") };
            assert!(note.ends_with(&kept), "{verb}: {note}");
        }
    }
}

#[tokio::test]
async fn the_note_says_at_which_stage() {
    for (verb, note) in [
        ("CONNECT", "greeting: 554 không"),
        ("EHLO", "greeting: 554 không"),
        ("AUTH", "AUTH: 554"),
        ("MAIL", "MAIL: 554 không"),
        ("RCPT", "RCPT: 554 không"),
        ("DATA", "DATA: 554 không"),
        (".", "message: 554 không"),
    ] {
        assert_eq!(failure_at(verb, "554 không\r\n").await.2, note);
    }
}

#[tokio::test]
async fn a_refusal_is_followed_by_quit() {
    let ground = Ground::tls(at("RCPT", "550 5.1.1 no such user\r\n"));
    ground.attempt().await.expect_err("550");
    assert_eq!(ground.peer.only().verbs(), ["EHLO", "AUTH", "EHLO", "MAIL", "RCPT", "QUIT"]);
}

#[tokio::test]
async fn a_size_that_the_server_does_not_take_is_final() {
    let size = |line: &str| format!("250-thu.example\r\n250-AUTH PLAIN\r\n250 {line}\r\n");
    let ground = Ground::tls(at("EHLO", size("SIZE 1000")));
    let (class, code, note) = told(ground.attempt().await);
    assert_eq!((class, code.as_str()), (Permanent, "size_limit"), "{note}");
    assert_eq!(ground.peer.only().verbs(), ["EHLO", "AUTH", "EHLO", "QUIT"], "the message is not offered");

    // No limit, or none that can be read.
    for line in ["SIZE", "SIZE 0", "size 99999999", "SIZE viel", "SIZE 99999999999999999999999"] {
        Ground::tls(at("EHLO", size(line))).attempt().await.expect(line);
    }
    for words in ["552 5.3.4 too big\r\n", "552 5.2.3 too long\r\n"] {
        let (class, code, note) = failure_at("MAIL", words).await;
        assert_eq!((class, code.as_str()), (Permanent, "size_limit"), "{note}");
    }
}

#[tokio::test]
async fn a_size_limit_is_exact() {
    let ground = Ground::tls(willing);
    ground.attempt().await.expect("taken");
    let bytes = ground.peer.messages()[0].len();
    for (limit, fits) in [(bytes, true), (bytes - 1, false)] {
        let words = format!("250-thu.example\r\n250-AUTH PLAIN\r\n250 SIZE {limit}\r\n");
        assert_eq!(Ground::tls(at("EHLO", words)).attempt().await.is_ok(), fits, "{limit} for {bytes}");
    }
}

#[tokio::test]
async fn a_server_without_a_way_in_is_ours_to_fix() {
    for words in ["250 thu.example\r\n", "250-thu.example\r\n250 AUTH CRAM-MD5 GSSAPI\r\n"] {
        let ground = Ground::tls(at("EHLO", words));
        let (class, code, note) = told(ground.attempt().await);
        assert_eq!((class, code.as_str()), (OursToFix, "auth_missing"), "{note}");
    }
}

#[tokio::test]
async fn answers_of_several_lines_are_one_answer() {
    let ground = Ground::tls(at(".", "250-2.0.0 Ok:\r\n250-queued\r\n250 as 4ABC\r\n"));
    assert_eq!(ground.attempt().await.expect("taken").note, "SMTP 250 2.0.0 Ok: queued as 4ABC");
    let (class, code, note) =
        failure_at("RCPT", "550-5.1.1 không có\r\n550-5.1.1 hộp thư\r\n550 5.1.1 này\r\n").await;
    assert_eq!((class, code.as_str()), (Permanent, "smtp_550"));
    assert_eq!(note, "RCPT: 550 5.1.1 không có hộp thư này");
}

#[tokio::test]
async fn answers_that_are_merely_careless_count() {
    // Without a text, with bare line feeds, in an old encoding, and far too long.
    for words in [&b"250\r\n"[..], b"250 \r\n", b"250 ok\n", b"250-\n250 ok\n"] {
        let shown = String::from_utf8_lossy(words);
        Ground::tls(at(".", words)).attempt().await.unwrap_or_else(|failure| panic!("{shown:?}: {failure}"));
    }
    let (class, code, note) = failure_at("RCPT", b"550 h\xe9p th\xad kh\xabng c\xe3\r\n").await;
    assert_eq!((class, code.as_str()), (Permanent, "smtp_550"), "{note}");
    let (class, code, note) = failure_at("RCPT", format!("550 {}\r\n", "ệ".repeat(5000))).await;
    assert_eq!((class, code.as_str()), (Permanent, "smtp_550"), "{note}");
}

#[tokio::test]
async fn codes_that_no_standard_has_count_by_their_first_digit() {
    for (verb, words, class, expected) in [
        ("RCPT", "571 5.7.1 không nhận\r\n", Permanent, "RCPT: 551 (571) 5.7.1 không nhận"),
        ("RCPT", "471 4.7.1 chờ\r\n", Receiver, "RCPT: 451 (471) 4.7.1 chờ"),
        (".", "571-5.7.1 a\r\n571 5.7.1 b\r\n", Permanent, "message: 551 (571) 5.7.1 a (571) 5.7.1 b"),
        ("AUTH", "571\r\n", OursToFix, "AUTH: 551 (571)"),
    ] {
        let (found, _, note) = failure_at(verb, words).await;
        assert_eq!((found, note.as_str()), (class, expected));
    }
    assert_eq!(Ground::tls(at(".", "299 ok\r\n")).attempt().await.expect("taken").note, "SMTP 259 (299) ok");
}

#[tokio::test]
async fn what_is_no_answer_is_the_receivers_trouble() {
    for words in [
        "HTTP/1.1 400 Bad Request\r\n",
        "+OK POP3\r\n",
        "* OK IMAP\r\n",
        "\r\n",
        "25\r\n",
        "999 x\r\n",
        "150 x\r\n",
    ] {
        for verb in ["CONNECT", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "."] {
            let (class, code, note) = failure_at(verb, words).await;
            assert_eq!((class, code.as_str()), (Receiver, "bad_answer"), "{words:?} at {verb}: {note}");
        }
    }
    let (class, code, note) = failure_at("RCPT", "550-no\r\n250 yes\r\n").await;
    assert_eq!((class, code.as_str()), (Receiver, "bad_answer"), "two codes in one: {note}");
}

#[tokio::test]
async fn an_answer_out_of_place_takes_nothing_for_done() {
    for (verb, words) in
        [("MAIL", "354 go\r\n"), ("RCPT", "354 go\r\n"), ("DATA", "250 ok\r\n"), (".", "354 go\r\n")]
    {
        let (class, code, note) = failure_at(verb, words).await;
        assert_eq!((class, code.as_str()), (Receiver, "bad_answer"), "{words:?} at {verb}: {note}");
    }
}

#[tokio::test]
async fn an_answer_before_the_question_takes_nothing_for_done() {
    for (verb, words) in [
        (
            "EHLO",
            "250-thu.example\r\n250 AUTH PLAIN\r\n235 ok\r\n250 thu\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n",
        ),
        ("RCPT", "250 ok\r\n354 go\r\n250 ok\r\n"),
        ("DATA", "354 go\r\n250 queued\r\n"),
        ("DATA", "354 go\r\n354 go\r\n"),
        ("DATA", "354 go\r\nqueued\r\n"),
    ] {
        let ground = Ground::tls(at(verb, words));
        let (class, code, note) = told(ground.attempt().await);
        let yes = verb == "DATA" && words.contains("250");
        let expected = if yes { (OursToFix, "early_answer") } else { (Receiver, "bad_answer") };
        assert_eq!((class, code.as_str()), expected, "{verb}: {note}");
        assert!(ground.peer.messages().is_empty());
    }
}

#[tokio::test]
async fn a_hostile_answer_is_cut_and_escaped() {
    let words = format!("550 \u{1b}[31mđỏ\u{202e}ngược\u{0}\r\r{}\r\n", "x".repeat(10_000));
    let note = failure_at("RCPT", words).await.2;
    let expected = "RCPT: 550 \\u{1b}[31mđỏ\\u{202e}ngược\\u{0} xxx";
    assert!(note.starts_with(expected), "{note}");
    assert!(note.chars().count() <= 200 && note.len() <= 400 && note.ends_with('…'), "{note}");
    let taken = Ground::tls(at(".", "250 \u{1b}]0;x\u{7}\u{2066}ok\r\n")).attempt().await.expect("taken");
    assert_eq!(taken.note, "SMTP 250 \\u{1b}]0;x\\u{7}\\u{2066}ok");
}

#[tokio::test]
async fn what_is_said_at_the_end_changes_nothing() {
    for words in ["500 no\r\n", "nonsense\r\n"] {
        Ground::tls(at("QUIT", words)).attempt().await.expect("taken is taken");
    }
    let gone = |event: &str| if event == "." { Say::Last(b"250 ok\r\n".to_vec()) } else { willing(event) };
    Ground::tls(gone).attempt().await.expect("taken is taken");
}
