//! A small strict reader of Internet messages: headers (RFC 5322), multipart and transfer encodings (RFC 2045, 2046),
//! encoded words (RFC 2047). What it does not know it refuses; it shares nothing with the mail library of the gateway.

use std::collections::BTreeMap;

/// Longest line without its CRLF (RFC 5322 section 2.1.1).
const LINE_BYTES_MAX: usize = 998;
/// Longest line of base64 and quoted-printable (RFC 2045 sections 6.7 and 6.8).
const ENCODED_LINE_BYTES_MAX: usize = 76;

/// A message, or one part of it: its headers and its body as it stands.
pub struct Entity<'a> {
    headers: Vec<(String, String)>,
    body: &'a [u8],
}

impl<'a> Entity<'a> {
    /// Reads the headers up to the empty line.
    pub fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let mut headers: Vec<(String, String)> = Vec::new();
        let mut rest = bytes;
        loop {
            let (line, after) = line(rest).ok_or("headers without an end")?;
            rest = after;
            if line.is_empty() {
                return Ok(Self { headers, body: rest });
            }
            if line.len() > LINE_BYTES_MAX || line.iter().any(|b| !matches!(b, b'\t' | b' '..=b'~')) {
                return Err("a header line is too long or not printable ASCII".to_owned());
            }
            let text = String::from_utf8_lossy(line);
            if line[0] == b' ' || line[0] == b'\t' {
                let last = headers.last_mut().ok_or("a folded line without a header")?;
                last.1.push_str(&text);
                continue;
            }
            let (name, value) = text.split_once(':').ok_or_else(|| format!("no header: {text}"))?;
            if name.is_empty() || name.contains([' ', '\t']) {
                return Err(format!("no header name: {name}"));
            }
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// The value of a header that must stand exactly once.
    pub fn header(&self, name: &str) -> Result<&str, String> {
        let mut values = self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(value),
            (None, _) => Err(format!("{name} is missing")),
            _ => Err(format!("{name} stands twice")),
        }
    }

    /// A structured header, `type; name=value; name="value"`: its first word in lower case, and the parameters.
    pub fn structured(&self, name: &str) -> Result<(String, BTreeMap<String, String>), String> {
        let value = self.header(name)?;
        let (word, mut rest) = value.split_once(';').unwrap_or((value, ""));
        let mut parameters = BTreeMap::new();
        while !rest.trim().is_empty() {
            let (key, after) = rest.split_once('=').ok_or_else(|| format!("{name}: {rest}"))?;
            let (text, after) = parameter(after).ok_or_else(|| format!("{name}: {rest}"))?;
            if parameters.insert(key.trim().to_ascii_lowercase(), text).is_some() {
                return Err(format!("{name}: {} twice", key.trim()));
            }
            rest = after;
        }
        Ok((word.trim().to_ascii_lowercase(), parameters))
    }

    /// The parts of a multipart body.
    pub fn parts(&self) -> Result<Vec<Entity<'a>>, String> {
        let (kind, parameters) = self.structured("content-type")?;
        let boundary = parameters.get("boundary").filter(|_| kind.starts_with("multipart/"));
        let boundary = boundary.ok_or_else(|| format!("{kind} is no multipart with a boundary"))?;
        let (open, close) = (format!("--{boundary}"), format!("--{boundary}--"));
        let (mut parts, mut begun, mut rest) = (Vec::new(), None, self.body);
        while let Some((line, after)) = line(rest) {
            let at = self.body.len() - rest.len();
            let ends = line == close.as_bytes();
            if ends || line == open.as_bytes() {
                if let Some(begun) = begun {
                    // The line break before a delimiter is the delimiter's (RFC 2046 section 5.1.1).
                    let part = self.body.get(begun..at.saturating_sub(2)).ok_or("an empty part")?;
                    parts.push(Entity::read(part)?);
                }
                if ends {
                    return Ok(parts);
                }
                begun = Some(self.body.len() - after.len());
            }
            rest = after;
        }
        Err("multipart without an end".to_owned())
    }

    /// The body, decoded from its transfer encoding.
    pub fn content(&self) -> Result<Vec<u8>, String> {
        let encoding = self.header("content-transfer-encoding").unwrap_or("7bit").to_ascii_lowercase();
        match encoding.as_str() {
            "7bit" if self.body.is_ascii() => Ok(self.body.to_vec()),
            "8bit" => Ok(self.body.to_vec()),
            "quoted-printable" => quoted_printable(self.body),
            "base64" => {
                let mut text = Vec::with_capacity(self.body.len());
                for line in self.body.split(|b| *b == b'\n') {
                    let line = line.strip_suffix(b"\r").unwrap_or(line);
                    if line.len() > ENCODED_LINE_BYTES_MAX {
                        return Err("a base64 line is too long".to_owned());
                    }
                    text.extend_from_slice(line);
                }
                base64(&text)
            }
            other => Err(format!("transfer encoding {other}, or bytes that do not fit it")),
        }
    }
}

/// The first line, without its CRLF, and what follows.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.windows(2).position(|pair| pair == b"\r\n");
    match at {
        Some(at) => Some((&bytes[..at], &bytes[at + 2..])),
        None if bytes.is_empty() => None,
        None => Some((bytes, &[])),
    }
}

/// One parameter's value, a token or a quoted string, and what follows its semicolon.
fn parameter(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start();
    let Some(quoted) = text.strip_prefix('"') else {
        let (token, rest) = text.split_once(';').unwrap_or((text, ""));
        let token = token.trim();
        return (!token.is_empty() && !token.contains(['"', ' '])).then(|| (token.to_owned(), rest));
    };
    let (mut value, mut escaped) = (String::new(), false);
    for (at, c) in quoted.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => {
                escaped = true;
                continue;
            }
            '"' => {
                let rest = quoted[at + 1..].trim_start();
                return (rest.is_empty() || rest.starts_with(';'))
                    .then(|| (value, rest.strip_prefix(';').unwrap_or(rest)));
            }
            _ => {}
        }
        value.push(c);
    }
    None
}

/// Strict base64 (RFC 4648 section 4): padded, no other characters, no bits left over.
pub fn base64(text: &[u8]) -> Result<Vec<u8>, String> {
    let digit = |b: u8| match b {
        b'A'..=b'Z' => Some(b - b'A'),
        b'a'..=b'z' => Some(b - b'a' + 26),
        b'0'..=b'9' => Some(b - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let wrong = || "not base64".to_owned();
    if !text.len().is_multiple_of(4) {
        return Err(wrong());
    }
    let padding = text.iter().rev().take_while(|b| **b == b'=').count();
    let digits = text.get(..text.len() - padding).filter(|_| padding <= 2).ok_or_else(wrong)?;
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut held, mut bits) = (0_u32, 0_u32);
    for &b in digits {
        held = (held << 6) | u32::from(digit(b).ok_or_else(wrong)?);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits).to_le_bytes()[0]);
            held &= (1 << bits) - 1;
        }
    }
    if held == 0 { Ok(bytes) } else { Err(wrong()) }
}

fn quoted_printable(body: &[u8]) -> Result<Vec<u8>, String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(body.len()), body);
    while let Some((line, after)) = line(rest) {
        let broken = rest.len() > line.len();
        rest = after;
        let soft = line.strip_suffix(b"=");
        if line.len() > ENCODED_LINE_BYTES_MAX || line.ends_with(b" ") || line.ends_with(b"\t") {
            return Err("a quoted-printable line is too long or ends in a blank".to_owned());
        }
        unquote(soft.unwrap_or(line), &mut bytes)?;
        if soft.is_none() && broken {
            bytes.extend_from_slice(b"\r\n");
        }
    }
    Ok(bytes)
}

/// `=XX` becomes a byte; everything else must be printable ASCII.
fn unquote(text: &[u8], bytes: &mut Vec<u8>) -> Result<(), String> {
    let mut at = 0;
    while let Some(&b) = text.get(at) {
        at += 1;
        if b == b'=' {
            let pair = text.get(at..at + 2).and_then(|pair| hex::decode(pair).ok());
            bytes.extend(pair.ok_or("= without two hexadecimal digits")?);
            at += 2;
        } else if matches!(b, b'\t' | b' '..=b'~') {
            bytes.push(b);
        } else {
            return Err("a byte that must be quoted".to_owned());
        }
    }
    Ok(())
}

/// The text of a header with its encoded words decoded; each must be whole UTF-8 by itself (RFC 2047 section 5).
pub fn words(header: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut after_encoded = false;
    for word in header.split([' ', '\t']).filter(|word| !word.is_empty()) {
        let encoded = word.strip_prefix("=?").and_then(|w| w.strip_suffix("?="));
        // White space between two encoded words is not text (RFC 2047 section 6.2).
        let joined = after_encoded && encoded.is_some();
        if !text.is_empty() && !joined {
            text.push(' ');
        }
        after_encoded = encoded.is_some();
        match encoded {
            None => text.push_str(word),
            Some(encoded) => text.push_str(&encoded_word(encoded, word.len())?),
        }
    }
    Ok(text)
}

fn encoded_word(encoded: &str, length: usize) -> Result<String, String> {
    let fields: Vec<&str> = encoded.split('?').collect();
    let [charset, encoding, text] = fields.as_slice() else {
        return Err(format!("no encoded word: {encoded}"));
    };
    // RFC 2047 section 2: at most 75 characters.
    if !charset.eq_ignore_ascii_case("utf-8") || length > 75 {
        return Err(format!("an encoded word in {charset}, or too long"));
    }
    let bytes = match *encoding {
        "B" | "b" => base64(text.as_bytes())?,
        "Q" | "q" => {
            let mut bytes = Vec::new();
            unquote(text.replace('_', "=20").as_bytes(), &mut bytes)?;
            bytes
        }
        other => return Err(format!("encoding {other} of an encoded word")),
    };
    String::from_utf8(bytes).map_err(|_| "an encoded word that is not whole UTF-8".to_owned())
}
