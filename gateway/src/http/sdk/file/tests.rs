//! Bodies of every form, in pieces of every length.

use lienthong_adapters::contract::MemorySink;

use super::*;

/// The packet that a body holds, if it is readable, and what was sent. The same however the body is cut.
async fn packet(body: &[u8]) -> (Option<Vec<u8>>, Sent) {
    let mut outcomes = Vec::new();
    for length in [1, 2, 3, 5, 64, body.len().max(1)] {
        let sent = Sent::default();
        let mut sink = Box::new(FileSink::new(MemorySink::open(), sent.clone()));
        for piece in body.chunks(length) {
            sink.write(Bytes::copy_from_slice(piece)).await.expect("written");
        }
        let incoming = sink.finish().await.expect("finished");
        let mut bytes = Vec::new();
        incoming.open().expect("opened").read_to_end(&mut bytes).expect("read");
        outcomes.push((Some(bytes).filter(|_| !sent.is_unreadable()), sent));
    }
    let last = outcomes.pop().expect("an outcome");
    assert!(outcomes.iter().all(|(bytes, _)| *bytes == last.0), "{:?}", String::from_utf8_lossy(body));
    last
}

#[tokio::test]
async fn one_line_end_behind_the_file_is_left_out_and_nothing_else() {
    for (body, file) in [
        ("<edXML/>\r\n", "<edXML/>"),
        ("<edXML/>", "<edXML/>"),
        ("<edXML/>\n", "<edXML/>\n"),
        ("<edXML/>\r\n\r\n", "<edXML/>\r\n"),
        ("\r\n <edXML/>\r", "\r\n <edXML/>\r"),
        ("\u{feff}<edXML/>\r\n", "\u{feff}<edXML/>"),
        ("\r\n", ""),
        ("", ""),
        ("&", "&"),
    ] {
        let (found, _) = packet(body.as_bytes()).await;
        assert_eq!(found.as_deref(), Some(file.as_bytes()), "{body:?}");
    }
}

#[tokio::test]
async fn a_file_may_come_as_base64() {
    let file = "\u{feff} <edXML>đơn thư, ba byte một nhóm</edXML>".as_bytes();
    let text = STANDARD.encode(file);
    let lines: String =
        text.as_bytes().chunks(20).map(|line| format!("{}\r\n", String::from_utf8_lossy(line))).collect();
    for body in [
        text.clone(),
        format!("{text}\r\n"),
        format!(" \n{lines}"),
        text.trim_end_matches('=').to_owned() + "\r\n",
    ] {
        let (found, sent) = packet(body.as_bytes()).await;
        assert_eq!(found.as_deref(), Some(file), "{body:?}");
        let hashed = body.strip_suffix("\r\n").unwrap_or(&body);
        assert!(sent.is_digested_as(&hex::encode(Sha256::digest(hashed))), "the digest is of what was sent");
        assert!(!sent.is_digested_as(&hex::encode(Sha256::digest(file))));
    }
    for length in 0..9 {
        let file = format!("<a>{}</a>", "x".repeat(length));
        assert_eq!(packet(STANDARD.encode(&file).as_bytes()).await.0.as_deref(), Some(file.as_bytes()));
    }
}

#[tokio::test]
async fn what_is_neither_is_unreadable() {
    let not_xml = STANDARD.encode("không phải XML");
    let more = STANDARD.encode("<a/>") + "AAAA";
    let blank = STANDARD.encode(" ".repeat(BLANKS_MAX + 9));
    for body in [
        "hello",
        "PGEv*4=",
        "PGEvPg==PGEvPg==",
        "A",
        &not_xml,
        &more.replace("PAAAA", "P=AAA"),
        &blank,
        "77u/",
    ] {
        assert!(packet(body.as_bytes()).await.0.is_none(), "{body:?}");
    }
}

#[tokio::test]
async fn a_digest_is_taken_in_each_of_its_spellings() {
    let (_, sent) = packet(b"<edXML/>\r\n").await;
    let padded = "8d55f6c7bf7cd534cf027a10e1bb5731c68279c3cb991c0f4844774c685b3758";
    let unpadded = "8d55f6c7bf7cd534cf27a10e1bb5731c68279c3cb991cf4844774c685b3758";
    let whole = hex::encode(Sha256::digest(b"<edXML/>\r\n"));
    for fine in [padded, unpadded, &padded.to_uppercase(), &whole] {
        assert!(sent.is_digested_as(fine), "{fine}");
    }
    for wrong in ["", "0", &padded[1..], &hex::encode(Sha256::digest(b"<edXML/>\n"))] {
        assert!(!sent.is_digested_as(wrong), "{wrong}");
    }
    assert!(!Sent::default().is_digested_as(padded), "nothing has come");
}
