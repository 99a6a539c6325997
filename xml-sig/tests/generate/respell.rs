//! Another way of writing the same document: the canonical form without comments stays as it was, so a signature over it
//! stays valid (unless the place is inside a value of the Signature).

use super::content;
use super::random::Random;
use super::tokens::{Kind, Token, attributes, tokens};

/// Changes the spelling at one place.
pub(crate) fn respell(document: &mut Vec<u8>, random: &mut Random) {
    let tokens = tokens(document);
    match random.below(10) {
        0 => emptiness(document, &tokens, random),
        1 => quotes(document, &tokens, random),
        2 => order(document, &tokens, random),
        3 => space_in_tag(document, &tokens, random),
        4 => comment(document, &tokens, random),
        5 => reference(document, &tokens, random),
        6 => line_end(document, &tokens, random),
        7 => section(document, &tokens, random),
        8 if document.starts_with(b"\xEF\xBB\xBF") => drop(document.drain(..3)),
        8 => put(document, 0, "\u{FEFF}"),
        _ => document.extend(content::space(random).bytes()),
    }
}

/// The same without CR, and with no white space but spaces in attribute values: nothing that a reader must change (XML 1.0
/// sections 2.11 and 3.3.3). Every byte stays where it was.
pub(crate) fn plain_white(document: &str) -> String {
    let mut plain = document.replace('\r', "\n").into_bytes();
    for tag in tokens(&plain).iter().filter(|token| matches!(token.kind, Kind::Start | Kind::Empty)) {
        for (_, value) in attributes(&plain, &tag.range) {
            plain[value]
                .iter_mut()
                .filter(|byte| matches!(byte, b'\t' | b'\n'))
                .for_each(|byte| *byte = b' ');
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

fn put(document: &mut Vec<u8>, at: usize, piece: &str) {
    document.splice(at..at, piece.bytes());
}

fn choose<'a>(tokens: &'a [Token], kinds: &[Kind], random: &mut Random) -> Option<&'a Token> {
    let fitting: Vec<&Token> = tokens.iter().filter(|token| kinds.contains(&token.kind)).collect();
    (!fitting.is_empty()).then(|| fitting[random.below(fitting.len())])
}

fn name_end(document: &[u8], tag: &Token) -> usize {
    let name = document[tag.range.clone()].iter();
    let length = name
        .skip(1)
        .position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'))
        .map_or(tag.range.len(), |at| at + 1);
    tag.range.start + length
}

/// `<a/>` to `<a></a>`, and back.
fn emptiness(document: &mut Vec<u8>, tokens: &[Token], random: &mut Random) {
    let pairs = tokens.windows(2).filter(|pair| pair[0].kind == Kind::Start && pair[1].kind == Kind::End);
    let pairs: Vec<_> = pairs.map(|pair| pair[0].range.end - 1..pair[1].range.end).collect();
    if !pairs.is_empty() && random.one_in(2) {
        document.splice(pairs[random.below(pairs.len())].clone(), *b"/>");
    } else if let Some(tag) = choose(tokens, &[Kind::Empty], random) {
        let name = document[tag.range.start + 1..name_end(document, tag)].to_vec();
        let end = [b"></", &name[..], b">"].concat();
        document.splice(tag.range.end - 2..tag.range.end, end);
    }
}

fn quotes(document: &mut [u8], tokens: &[Token], random: &mut Random) {
    let Some(tag) = choose(tokens, &[Kind::Start, Kind::Empty], random) else { return };
    for (_, value) in attributes(document, &tag.range) {
        let other = if document[value.start] == b'"' { b'\'' } else { b'"' };
        if !document[value.clone()].contains(&other) {
            document[value.start] = other;
            document[value.end - 1] = other;
        }
    }
}

/// One attribute to the front.
fn order(document: &mut Vec<u8>, tokens: &[Token], random: &mut Random) {
    let Some(tag) = choose(tokens, &[Kind::Start, Kind::Empty], random) else { return };
    let attributes = attributes(document, &tag.range);
    if attributes.is_empty() {
        return;
    }
    let (name, value) = attributes[random.below(attributes.len())].clone();
    let moved = [b" ", &document[name.start..value.end]].concat();
    let to = name_end(document, tag);
    document.drain(name.start..value.end);
    document.splice(to..to, moved);
}

fn space_in_tag(document: &mut Vec<u8>, tokens: &[Token], random: &mut Random) {
    let Some(tag) = choose(tokens, &[Kind::Start, Kind::Empty, Kind::End], random) else { return };
    let at = match tag.kind {
        Kind::Empty => tag.range.end - 2,
        _ => tag.range.end - 1,
    };
    put(document, at, &content::space(random));
}

fn comment(document: &mut Vec<u8>, tokens: &[Token], random: &mut Random) {
    if let Some(token) = choose(tokens, &[Kind::Start, Kind::End, Kind::Empty], random) {
        put(document, token.range.end, &content::comment(random));
    }
}

/// Where a letter or digit of some text stands, outside of references.
fn letter(document: &[u8], tokens: &[Token], random: &mut Random) -> Option<usize> {
    let text = choose(tokens, &[Kind::Text], random)?;
    let slice = &document[text.range.clone()];
    let at = random.below(slice.len());
    let inside = slice[..at].iter().rev().take_while(|byte| **byte != b';').any(|byte| *byte == b'&');
    (slice[at].is_ascii_alphanumeric() && !inside).then_some(text.range.start + at)
}

fn reference(document: &mut Vec<u8>, tokens: &[Token], random: &mut Random) {
    if let Some(at) = letter(document, tokens, random) {
        let written = format!("&#x{:x};", document[at]);
        document.splice(at..=at, written.bytes());
    }
}

fn section(document: &mut Vec<u8>, tokens: &[Token], random: &mut Random) {
    if let Some(at) = letter(document, tokens, random) {
        let written = [b"<![CDATA[", &document[at..=at], b"]]>"].concat();
        document.splice(at..=at, written);
    }
}

/// LF to CRLF in text.
fn line_end(document: &mut Vec<u8>, tokens: &[Token], random: &mut Random) {
    let Some(text) = choose(tokens, &[Kind::Text], random) else { return };
    let ends = (text.range.start + 1..text.range.end)
        .filter(|&at| document[at] == b'\n' && document[at - 1] != b'\r')
        .collect::<Vec<_>>();
    if let Some(&at) = ends.first() {
        put(document, at, "\r");
    }
}
