//! Distinguished names as one text each (RFC 4514), read from DER: the text of a certificate's subject is what a binding
//! in a directory is compared with, so two names that differ never have the same one.

use std::fmt::{self, Write as _};

use crate::der::element;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const UTF8_STRING: u8 = 0x0C;
const BMP_STRING: u8 = 0x1E;
/// NumericString, PrintableString, IA5String, VisibleString.
const ASCII_STRINGS: [u8; 4] = [0x12, 0x13, 0x16, 0x1A];
/// Longest text that [`Subject::parse`] reads, in bytes.
const SUBJECT_BYTES_MAX: usize = 4096;

/// Attribute types that are written by name: those of RFC 4514 section 3 and the usual ones of certificates, as OpenSSL
/// abbreviates them.
static TYPES: [(&[u8], &str); 24] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 4], "SN"),
    (&[0x55, 4, 5], "serialNumber"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "street"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x55, 4, 12], "title"),
    (&[0x55, 4, 13], "description"),
    (&[0x55, 4, 15], "businessCategory"),
    (&[0x55, 4, 17], "postalCode"),
    (&[0x55, 4, 20], "telephoneNumber"),
    (&[0x55, 4, 41], "name"),
    (&[0x55, 4, 42], "GN"),
    (&[0x55, 4, 43], "initials"),
    (&[0x55, 4, 44], "generationQualifier"),
    (&[0x55, 4, 46], "dnQualifier"),
    (&[0x55, 4, 65], "pseudonym"),
    (&[0x55, 4, 97], "organizationIdentifier"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xF2, 0x2C, 0x64, 1, 1], "UID"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xF2, 0x2C, 0x64, 1, 25], "DC"),
    (&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 9, 1], "emailAddress"),
];

/// The subject that a certificate must have, in the one form that [`crate::Certificate::subject`] writes: RFC 4514, most
/// specific part first. Everything is compared exactly: order, letters, spaces; no Unicode normalisation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(String);

/// A text that is no subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectError {
    /// It is empty or too long.
    #[error("a subject has 1 to {SUBJECT_BYTES_MAX} bytes")]
    Length,
    /// This part is no `type=value`.
    #[error("\"{0}\" is not type=value; parts are joined by ',' or '+' without a space")]
    Part(String),
    /// No such attribute type.
    #[error("\"{0}\" is no attribute type that is written by name; others are OID=#hex")]
    Type(String),
    /// A character that must be escaped, or an escape that is none.
    #[error("in \"{0}\" a special character is not escaped as RFC 4514 section 2.4 says")]
    Escape(String),
}

impl Subject {
    /// Reads a subject such as `CN=Sở Y tế,O=UBND tỉnh,C=VN`. The parts of a multi-valued RDN (`+`) may stand in any
    /// order, names of types in any case.
    ///
    /// # Errors
    /// [`SubjectError`], by RFC 4514 section 3; and a type with a name that is written as an OID.
    pub fn parse(text: &str) -> Result<Self, SubjectError> {
        if !(1..=SUBJECT_BYTES_MAX).contains(&text.len()) {
            return Err(SubjectError::Length);
        }
        let rdns = split(text, ',').into_iter().map(|rdn| {
            let parts: Result<Vec<String>, SubjectError> = split(rdn, '+').into_iter().map(part).collect();
            Ok(joined(parts?))
        });
        Ok(Self(rdns.collect::<Result<Vec<String>, SubjectError>>()?.join(",")))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The canonical text of a Name in DER (RFC 5280 section 4.1.2.4); `None` when it is not built as one.
pub(crate) fn name_text(der: &[u8]) -> Option<String> {
    let (tag, mut list, rest) = element(der)?;
    if tag != SEQUENCE || !rest.is_empty() {
        return None;
    }
    let mut rdns = Vec::new();
    while !list.is_empty() {
        let (tag, mut set, rest) = element(list)?;
        if tag != SET || set.is_empty() {
            return None;
        }
        let mut parts = Vec::new();
        while !set.is_empty() {
            let (tag, pair, rest) = element(set)?;
            let (id_tag, id, value) = element(pair)?;
            if (tag, id_tag) != (SEQUENCE, OID) {
                return None;
            }
            parts.push(attribute(id, value)?);
            set = rest;
        }
        rdns.push(joined(parts));
        list = rest;
    }
    rdns.reverse();
    Some(rdns.join(","))
}

/// One RDN: its parts in one order, whatever order they came in.
fn joined(mut parts: Vec<String>) -> String {
    parts.sort_unstable();
    parts.join("+")
}

fn attribute(id: &[u8], value: &[u8]) -> Option<String> {
    let (tag, content, rest) = element(value)?;
    if !rest.is_empty() {
        return None;
    }
    let mut text = String::new();
    let named = TYPES.iter().find(|(oid, _)| *oid == id).map(|(_, name)| *name);
    match named {
        Some(name) => text.push_str(name),
        None => text.push_str(&dotted(id)?),
    }
    text.push('=');
    match string(tag, content).filter(|_| named.is_some()) {
        Some(value) => escape_into(&value, &mut text),
        None => {
            text.push('#');
            for byte in value {
                write!(text, "{byte:02x}").ok()?;
            }
        }
    }
    Some(text)
}

fn string(tag: u8, content: &[u8]) -> Option<String> {
    match tag {
        UTF8_STRING => String::from_utf8(content.to_vec()).ok(),
        BMP_STRING if content.len().is_multiple_of(2) => {
            let units = content.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
            units.map(char::from_u32).collect()
        }
        tag if ASCII_STRINGS.contains(&tag) && content.is_ascii() => String::from_utf8(content.to_vec()).ok(),
        _ => None,
    }
}

/// An object identifier (X.690 section 8.19) in dotted form.
pub(crate) fn dotted(id: &[u8]) -> Option<String> {
    let (mut text, mut arc, mut first) = (String::new(), 0_u64, true);
    for byte in id {
        arc = arc.checked_mul(128)? | u64::from(byte & 0x7F);
        if byte & 0x80 == 0 {
            if first {
                let root = (arc / 40).min(2);
                write!(text, "{root}.{}", arc - root * 40).ok()?;
            } else {
                write!(text, ".{arc}").ok()?;
            }
            (arc, first) = (0, false);
        }
    }
    (!first && id.last().is_some_and(|byte| byte & 0x80 == 0)).then_some(text)
}

/// RFC 4514 section 2.4, and `\XX` for control characters.
fn escape_into(value: &str, text: &mut String) {
    let last = value.chars().count().saturating_sub(1);
    for (at, c) in value.chars().enumerate() {
        let edge = (at == 0 && (c == ' ' || c == '#')) || (at == last && c == ' ');
        if edge || is_special(c) {
            text.push('\\');
            text.push(c);
        } else if c.is_control() {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to a String does not fail.
                write!(text, "\\{byte:02X}").unwrap_or_default();
            }
        } else {
            text.push(c);
        }
    }
}

fn is_special(c: char) -> bool {
    matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\')
}

/// Splits where the separator is not escaped.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut from, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == separator {
            parts.push(&text[from..at]);
            from = at + c.len_utf8();
        }
    }
    parts.push(&text[from..]);
    parts
}

/// One `type=value`, in canonical form.
fn part(text: &str) -> Result<String, SubjectError> {
    let broken = || SubjectError::Part(text.to_owned());
    let (name, value) = text.split_once('=').ok_or_else(broken)?;
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        let hex = value.strip_prefix('#').filter(|hex| is_hex(hex)).ok_or_else(broken)?;
        // A type that has a name never comes out of a certificate as an OID.
        let known = TYPES.iter().any(|(id, _)| dotted(id).as_deref() == Some(name));
        let arcs = name.split('.').all(|arc| !arc.is_empty() && arc.bytes().all(|b| b.is_ascii_digit()));
        return match known || !arcs {
            true => Err(SubjectError::Type(name.to_owned())),
            false => Ok(format!("{name}=#{}", hex.to_ascii_lowercase())),
        };
    }
    let known = TYPES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name));
    let (_, name) = known.ok_or_else(|| match name.trim() == name {
        true => SubjectError::Type(name.to_owned()),
        false => broken(),
    })?;
    if let Some(hex) = value.strip_prefix('#') {
        let hex = Some(hex).filter(|hex| is_hex(hex)).ok_or_else(broken)?;
        return Ok(format!("{name}=#{}", hex.to_ascii_lowercase()));
    }
    let mut canonical = format!("{name}=");
    escape_into(&unescaped(value).ok_or_else(|| SubjectError::Escape(text.to_owned()))?, &mut canonical);
    Ok(canonical)
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.len().is_multiple_of(2) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The value that an escaped text stands for; `None` when something in it should have been escaped.
fn unescaped(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let Some(c) = rest.chars().next() {
        let first = rest.len() == text.len();
        rest = &rest[c.len_utf8()..];
        if c != '\\' {
            let edge = c == ' ' && (first || rest.is_empty());
            if edge || is_special(c) || c.is_control() {
                return None;
            }
            bytes.extend(c.encode_utf8(&mut [0; 4]).bytes());
            continue;
        }
        let escaped = rest.chars().next()?;
        if is_special(escaped) || matches!(escaped, ' ' | '#' | '=') {
            bytes.push(u8::try_from(escaped).ok()?);
            rest = &rest[1..];
        } else {
            let hex = rest.get(..2).filter(|hex| is_hex(hex))?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &rest[2..];
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OID, tag of the value, value.
    type Part<'a> = (&'a [u8], u8, &'a [u8]);

    /// DER of these RDNs.
    fn der(rdns: &[&[Part<'_>]]) -> Vec<u8> {
        let wrap = |tag: u8, content: &[u8]| {
            let length = u8::try_from(content.len()).expect("short");
            assert!(length < 0x80);
            [&[tag, length], content].concat()
        };
        let rdn = |parts: &&[Part<'_>]| {
            let parts = parts
                .iter()
                .map(|(id, tag, value)| wrap(SEQUENCE, &[wrap(OID, id), wrap(*tag, value)].concat()));
            wrap(SET, &parts.collect::<Vec<_>>().concat())
        };
        wrap(SEQUENCE, &rdns.iter().map(rdn).collect::<Vec<_>>().concat())
    }

    const CN: &[u8] = &[0x55, 4, 3];
    const O: &[u8] = &[0x55, 4, 10];
    const C: &[u8] = &[0x55, 4, 6];

    #[test]
    fn names_that_differ_have_different_texts() {
        let utf8 = |text: &'static str| (UTF8_STRING, text.as_bytes());
        let name = |id: &'static [u8], (tag, value): (u8, &'static [u8])| (id, tag, value);
        let cases: Vec<(Vec<u8>, &str)> = vec![
            (der(&[&[name(C, (0x13, b"VN"))], &[name(CN, utf8("Sở"))]]), "CN=Sở,C=VN"),
            (der(&[&[name(CN, utf8("Sở"))], &[name(C, (0x13, b"VN"))]]), "C=VN,CN=Sở"),
            // One RDN with two parts, in both orders, and two RDNs.
            (der(&[&[name(O, utf8("b")), name(CN, utf8("a"))]]), "CN=a+O=b"),
            (der(&[&[name(CN, utf8("a")), name(O, utf8("b"))]]), "CN=a+O=b"),
            (der(&[&[name(CN, utf8("a"))], &[name(CN, utf8("a"))]]), "CN=a,CN=a"),
            // A value that looks like more parts.
            (der(&[&[name(CN, utf8("a,O=b"))]]), "CN=a\\,O=b"),
            (der(&[&[name(CN, utf8("a+O=b"))]]), "CN=a\\+O=b"),
            (der(&[&[name(CN, utf8("#0c0161"))]]), "CN=\\#0c0161"),
            (der(&[&[name(CN, utf8("a\0b"))]]), "CN=a\\00b"),
            // BMPString is the same text; a T61String, which no two programs read alike, is bytes.
            (der(&[&[name(CN, (BMP_STRING, b"\x1E\xDF\0a"))]]), "CN=\u{1EDF}a"),
            (der(&[&[name(CN, (BMP_STRING, b"\xD8\0"))]]), "CN=#1e02d800"),
            (der(&[&[name(CN, (0x14, b"a"))]]), "CN=#140161"),
            (der(&[&[name(CN, (UTF8_STRING, b"\xFF"))]]), "CN=#0c01ff"),
            (der(&[&[name(CN, (0x13, b"\xC3"))]]), "CN=#1301c3"),
            (der(&[&[name(&[0x55, 4, 51], utf8("a"))]]), "2.5.4.51=#0c0161"),
            (der(&[&[name(&[0x2A, 0x86, 0x48], utf8("a"))]]), "1.2.840=#0c0161"),
            (der(&[]), ""),
        ];
        for (der, text) in cases {
            assert_eq!(name_text(&der).as_deref(), Some(text));
            if !text.is_empty() {
                assert_eq!(Subject::parse(text).expect(text).as_str(), text, "it is read as it is written");
            }
        }
        for broken in [&b"\x30\x02\x31\x00"[..], b"\x30\x00\x00", b"\x31\x00", b"", b"\x30\x03\x31\x01\x30"] {
            assert_eq!(name_text(broken), None);
        }
        assert_eq!(name_text(&der(&[&[(&[0x80], UTF8_STRING, b"a")]])), None, "an OID without end");
    }

    #[test]
    fn a_subject_is_read_by_the_rules_and_made_canonical() {
        for (text, canonical) in [
            ("cn=Sở Y tế,O=UBND tỉnh,C=VN", "CN=Sở Y tế,O=UBND tỉnh,C=VN"),
            ("O=b+CN=a", "CN=a+O=b"),
            ("CN=a\\2C b", "CN=a\\, b"),
            ("CN=S\\E1\\BB\\9F", "CN=Sở"),
            ("CN=\\ a\\ ", "CN=\\ a\\ "),
            ("CN=a\\=b", "CN=a=b"),
            ("CN=a=b", "CN=a=b"),
            ("CN=", "CN="),
            ("2.5.4.51=#0C0161", "2.5.4.51=#0c0161"),
        ] {
            assert_eq!(Subject::parse(text).expect(text).as_str(), canonical);
        }
        let part = |text: &str| Err(SubjectError::Part(text.to_owned()));
        let escape = |text: &str| Err(SubjectError::Escape(text.to_owned()));
        let unknown = |text: &str| Err(SubjectError::Type(text.to_owned()));
        for (text, why) in [
            ("", Err(SubjectError::Length)),
            ("Sở Y tế", part("Sở Y tế")),
            ("CN=a, O=b", part(" O=b")),
            ("CN=a,", part("")),
            ("CN=a/O=b\\", escape("CN=a/O=b\\")),
            ("CN= a", escape("CN= a")),
            ("CN=a\\\\ ", escape("CN=a\\\\ ")),
            ("CN=a ,O=b", escape("CN=a ")),
            ("CN=a;O=b", escape("CN=a;O=b")),
            ("CN=a\nO=b", escape("CN=a\nO=b")),
            ("CN=\\FF", escape("CN=\\FF")),
            ("CN=\\x", escape("CN=\\x")),
            ("CN=#0", part("CN=#0")),
            ("2.5.4.51=a", part("2.5.4.51=a")),
            ("2.5.4.3=#0c0161", unknown("2.5.4.3")),
            ("2..3=#0c0161", unknown("2..3")),
            ("KEY=a", unknown("KEY")),
        ] {
            assert_eq!(Subject::parse(text), why, "{text}");
        }
        let long = |bytes: usize| format!("CN={}", "a".repeat(bytes - 3));
        assert!(Subject::parse(&long(SUBJECT_BYTES_MAX)).is_ok());
        assert_eq!(Subject::parse(&long(SUBJECT_BYTES_MAX + 1)), Err(SubjectError::Length));
    }
}
