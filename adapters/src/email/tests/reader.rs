//! A message read as its receiver reads it, by code that shares nothing with what writes it.

use openssl::base64::decode_block;

/// A message, or a part of one.
#[derive(Debug)]
pub(super) struct Part {
    head: String,
    pub(super) body: Vec<u8>,
}

impl Part {
    /// Head and body of a message or part. All of the head is ASCII.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a blank line");
        let head = String::from_utf8(bytes[..end].to_vec()).expect("a head");
        assert!(head.is_ascii() && !head.contains(|c: char| c.is_ascii_control() && c != '\r' && c != '\n'));
        Self { head, body: bytes[end + 4..].to_vec() }
    }

    /// Names and values of the head, in order, unfolded.
    pub(super) fn fields(&self) -> Vec<(String, String)> {
        let unfolded = self.head.replace("\r\n ", " ");
        assert!(!unfolded.replace("\r\n", "").contains(['\r', '\n']), "lines end with CR LF: {unfolded:?}");
        let field = |line: &str| {
            let (name, value) = line.split_once(": ").expect("name: value");
            (name.to_ascii_lowercase(), value.to_owned())
        };
        unfolded.split("\r\n").map(field).collect()
    }

    /// The value of a field that stands exactly once.
    pub(super) fn field(&self, name: &str) -> String {
        let fields = self.fields();
        let mut found = fields.iter().filter(|(given, _)| given == name);
        let value = &found.next().unwrap_or_else(|| panic!("no {name} in {}", self.head)).1;
        assert!(found.next().is_none(), "{name} stands twice");
        value.clone()
    }

    /// The value of a field, its encoded words decoded (RFC 2047).
    pub(super) fn shown(&self, name: &str) -> String {
        let (mut shown, mut after_encoded) = (String::new(), false);
        for word in self.field(name).split(' ') {
            let encoded = word.strip_prefix("=?utf-8?b?").and_then(|word| word.strip_suffix("?="));
            assert!(word.len() <= 75 || encoded.is_none(), "RFC 2047 section 2: {word}");
            // Blanks between two encoded words are not shown.
            if !(shown.is_empty() || after_encoded && encoded.is_some()) {
                shown.push(' ');
            }
            after_encoded = encoded.is_some();
            match encoded {
                Some(base64) => {
                    let text = decode_block(base64).expect("base64");
                    shown.push_str(std::str::from_utf8(&text).expect("whole characters in each word"));
                }
                None => shown.push_str(word),
            }
        }
        shown
    }

    /// The parts of a `multipart/mixed` message.
    pub(super) fn parts(&self) -> Vec<Part> {
        let kind = self.field("content-type");
        let boundary = kind.strip_prefix("multipart/mixed; boundary=\"").expect("a boundary");
        let boundary = format!("--{}", boundary.strip_suffix('"').expect("its end"));
        let body = String::from_utf8(self.body.clone()).expect("ASCII");
        let mut pieces = body.split(boundary.as_str());
        assert_eq!(pieces.next(), Some(""), "nothing before the first part");
        let mut pieces: Vec<&str> = pieces.collect();
        assert_eq!(pieces.pop(), Some("--\r\n"), "nothing after the last part");
        let part = |piece: &&str| Part::read(piece.strip_prefix("\r\n").expect("a line end").as_bytes());
        pieces.iter().map(part).collect()
    }

    /// The body of a part in base64.
    pub(super) fn decoded(&self) -> Vec<u8> {
        assert_eq!(self.field("content-transfer-encoding"), "base64");
        let body = std::str::from_utf8(&self.body).expect("ASCII");
        assert!(body.split("\r\n").all(|line| line.len() <= 76), "RFC 2045 section 6.8");
        let body: String = body.split_ascii_whitespace().collect();
        if body.is_empty() { Vec::new() } else { decode_block(&body).expect("base64") }
    }
}

/// The text and the packet of a message of ours.
pub(super) fn text_and_packet(message: &[u8]) -> (String, Vec<u8>) {
    let parts = Part::read(message).parts();
    assert_eq!(parts.len(), 2);
    assert_eq!(parts[0].field("content-type"), "text/plain; charset=utf-8");
    (String::from_utf8(parts[0].decoded()).expect("UTF-8"), parts[1].decoded())
}
