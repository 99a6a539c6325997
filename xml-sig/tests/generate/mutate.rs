//! Mutations: of bytes, which mostly break a document, and of its structure, which mostly leave it well-formed.

use std::ops::Range;

use super::content;
use super::random::Random;
use super::respell::respell;
use super::tokens::{Kind, Token, attributes, elements, tokens};

/// What is put in somewhere, as bytes.
const PIECES: [&str; 40] = [
    "<",
    ">",
    "/>",
    "</",
    "<!--",
    "-->",
    "<!---->",
    "<![CDATA[",
    "]]>",
    "<![CDATA[]]>",
    "&",
    ";",
    "&#x",
    "&amp;",
    "&#13;",
    "&#0;",
    "<?p ",
    "?>",
    "<?p?>",
    "<?xml version='1.0'?>",
    "<!DOCTYPE a>",
    " xmlns='u:x'",
    " xmlns=''",
    " xmlns:ds=''",
    " xmlns:p='u:p'",
    " xml:lang='x'",
    " a='b'",
    " Id='e0'",
    "\"",
    "'",
    " ",
    "\r",
    "\r\n",
    "\u{FEFF}",
    "\u{1EE6}",
    "\0",
    "<ds:Object>",
    "<a/>",
    "URI=\"#e0\"",
    "=",
];

/// Changes a document once to three times; often only its spelling, so that some of what comes out is still valid.
pub(crate) fn mutate(document: &mut Vec<u8>, random: &mut Random) {
    let only_spelling = random.one_in(3);
    for _ in 0..=random.below(3) {
        match random.below(4) {
            _ if only_spelling => respell(document, random),
            0 => respell(document, random),
            1 => bytes(document, random),
            _ => structure(document, random),
        }
    }
}

/// Flips, deletes, inserts, repeats, swaps bytes.
pub(crate) fn bytes(document: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(document.len() + 1);
    let len = random.below(40).min(document.len() - at);
    match random.below(8) {
        0 | 1 if at < document.len() => document[at] ^= 1 << random.below(8),
        2 if at < document.len() => document[at] = random.below(256) as u8,
        3 => drop(document.drain(at..at + len)),
        4 => {
            let copy = document[at..at + len].to_vec();
            let to = random.below(document.len() + 1);
            document.splice(to..to, copy);
        }
        5 if at + 1 < document.len() => document.swap(at, at + 1),
        6 if random.one_in(4) => document.truncate(at.max(1)),
        _ => {
            let piece = random.pick(&PIECES);
            document.splice(at..at, piece.bytes());
        }
    }
}

/// Moves, repeats, removes, renames elements and attributes; puts comments, instructions and white space in.
pub(crate) fn structure(document: &mut Vec<u8>, random: &mut Random) {
    let tokens = tokens(document);
    if tokens.is_empty() {
        return;
    }
    let elements = elements(&tokens);
    let at = tokens[random.below(tokens.len())].range.start;
    match random.below(12) {
        0 => move_element(document, &elements, at, random),
        1 => {
            if let Some(element) = choose(&elements, random) {
                let copy = document[element].to_vec();
                document.splice(at..at, copy);
            }
        }
        2 => {
            if let Some(element) = choose(&elements, random) {
                document.drain(element);
            }
        }
        3 => swap_elements(document, &elements, random),
        4 => wrap_element(document, &elements, random),
        5 => put(document, at, &content::comment(random)),
        6 => put(document, at, &content::instruction(random)),
        7 => put(document, at, &content::cdata(random)),
        8 => put(document, at, &content::space(random)),
        9 => split_text(document, &tokens, random),
        _ => change_attribute(document, &tokens, random),
    }
}

fn choose(elements: &[Range<usize>], random: &mut Random) -> Option<Range<usize>> {
    (!elements.is_empty()).then(|| elements[random.below(elements.len())].clone())
}

fn put(document: &mut Vec<u8>, at: usize, piece: &str) {
    document.splice(at..at, piece.bytes());
}

fn move_element(document: &mut Vec<u8>, elements: &[Range<usize>], to: usize, random: &mut Random) {
    let Some(element) = choose(elements, random) else { return };
    if element.contains(&to) {
        return;
    }
    let moved = document[element.clone()].to_vec();
    // The later place first, so that the earlier one stays where it is.
    if to < element.start {
        document.drain(element);
        document.splice(to..to, moved);
    } else {
        document.splice(to..to, moved);
        document.drain(element);
    }
}

fn swap_elements(document: &mut Vec<u8>, elements: &[Range<usize>], random: &mut Random) {
    let (Some(one), Some(other)) = (choose(elements, random), choose(elements, random)) else { return };
    let (first, second) = if one.start <= other.start { (one, other) } else { (other, one) };
    if first.end <= second.start {
        let copy = document[first.clone()].to_vec();
        let moved: Vec<u8> = document.splice(second.clone(), copy).collect();
        document.splice(first, moved);
    }
}

/// Puts an element into another: the shape of signature wrapping.
fn wrap_element(document: &mut Vec<u8>, elements: &[Range<usize>], random: &mut Random) {
    let Some(element) = choose(elements, random) else { return };
    let name = random.pick(&["w", "ds:Object", "a", "b"]);
    put(document, element.end, &format!("</{name}>"));
    put(document, element.start, &format!("<{name}>"));
}

/// Puts something into the middle of text.
fn split_text(document: &mut Vec<u8>, tokens: &[Token], random: &mut Random) {
    let texts: Vec<&Token> = tokens.iter().filter(|token| token.kind == Kind::Text).collect();
    if texts.is_empty() {
        return;
    }
    let text = &texts[random.below(texts.len())].range;
    let at = text.start + random.below(text.len());
    let piece = match random.below(5) {
        0 => content::comment(random),
        1 => content::instruction(random),
        2 => content::cdata(random),
        3 => content::text(random),
        _ => content::space(random),
    };
    put(document, at, &piece);
}

fn change_attribute(document: &mut Vec<u8>, tokens: &[Token], random: &mut Random) {
    let tags: Vec<&Token> =
        tokens.iter().filter(|token| matches!(token.kind, Kind::Start | Kind::Empty)).collect();
    if tags.is_empty() {
        return;
    }
    let tag = &tags[random.below(tags.len())].range;
    let attributes = attributes(document, tag);
    let name_end = document[tag.clone()]
        .iter()
        .position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'))
        .map_or(tag.end, |at| tag.start + at);
    if attributes.is_empty() || random.one_in(4) {
        const NEW: [&str; 8] = [
            " new=''",
            " Id='e1'",
            " xml:id='e0'",
            " xml:lang='en'",
            " xmlns:unused='u:unused'",
            " xmlns='u:b'",
            " xmlns:p='u:b'",
            "\r\n",
        ];
        return put(document, name_end, random.pick(&NEW));
    }
    let (name, value) = attributes[random.below(attributes.len())].clone();
    match random.below(5) {
        0 => {
            // One attribute to the front: another order.
            let moved = format!(
                " {}={}",
                String::from_utf8_lossy(&document[name.clone()]),
                String::from_utf8_lossy(&document[value.clone()])
            );
            document.drain(name.start..value.end);
            put(document, name_end, &moved);
        }
        1 => drop(document.drain(name.start..value.end)),
        2 => drop(document.splice(value, content::value(random).into_bytes())),
        3 => drop(document.splice(name, random.pick(&["Id", "a", "xml:id", "p:a", "xmlns", "URI"]).bytes())),
        _ => drop(
            document.splice(value, random.pick(&["\"e0\"", "'e1'", "\"\"", "'#e0'", "'&#x65;0'"]).bytes()),
        ),
    }
}
