//! Changes to a document, each chosen and placed by a few numbers: of elements, of attributes, of bytes. A script of them
//! is what the target `verify` is fuzzed with; the other targets use single ones as mutations.

use std::ops::Range;

use crate::markup::{Element, Markup};

/// What is put in between tags, or anywhere.
const FRAGMENTS: [&[u8]; 28] = [
    b"<",
    b">",
    b"</",
    b"/>",
    b"&",
    b"]]>",
    b"&amp;",
    b"&#13;",
    b"&#x9;",
    b"\r\n",
    b"\r",
    b" ",
    b"1",
    b"\0",
    "\u{111}".as_bytes(),
    "\u{FEFF}".as_bytes(),
    "\u{1F4DC}".as_bytes(),
    b"\xC3",
    b"<!--x-->",
    b"<?p x?>",
    b"<![CDATA[x]]>",
    b"<a/>",
    b"<p:a/>",
    b"<ds:Object>",
    b"<ds:Signature xmlns:ds='http://www.w3.org/2000/09/xmldsig#'/>",
    b"<!DOCTYPE r>",
    b"<?xml version='1.0'?>",
    b"&#x20;",
];
/// What is put into a start tag.
const ATTRIBUTES: [&[u8]; 20] = [
    b" a='1'",
    b" b=\"2\"",
    b" p:a='1'",
    b" Id='a'",
    b" Id='b'",
    b" xml:lang='vi'",
    b" xml:space='preserve'",
    b" xml:id='a'",
    b" xml:base='x'",
    b" xmlns=''",
    b" xmlns='urn:p'",
    b" xmlns='urn:d'",
    b" xmlns:p='urn:p'",
    b" xmlns:p='urn:q'",
    b" xmlns:q='urn:p'",
    b" xmlns:q='relative'",
    b" xmlns:ds='http://www.w3.org/2000/09/xmldsig#'",
    b" xmlns:xml='http://www.w3.org/XML/1998/namespace'",
    b" a='&#10;&quot;&lt;\t'",
    b" URI='#a'",
];
/// Names of elements.
const NAMES: [&[u8]; 7] = [b"a", b"b", b"p:a", b"q:b", b"r", b"h", b"ds:Object"];
/// No document grows past this by edits.
const BYTES_MAX: usize = 16 << 10;
/// Bytes that one edit of bytes takes away or copies.
const RUN_MAX: usize = 64;

/// Numbers that place an edit.
pub trait Numbers {
    /// The next one. There is always one.
    fn next(&mut self) -> usize;

    /// The next one, below `bound`; 0 if there is none.
    fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { self.next() % bound }
    }
}

/// Numbers from a seed (xorshift64*).
pub struct Random(u64);

impl Random {
    /// The same numbers for the same seed.
    pub fn new(seed: u32) -> Self {
        Self(u64::from(seed) << 1 | 1)
    }
}

impl Numbers for Random {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize
    }
}

/// The bytes of a script: each is a number by itself, two where a number has to be large. Zero when there are no more.
pub struct Script<'s>(pub &'s [u8]);

impl Script<'_> {
    /// Whether there is nothing left of it.
    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    fn byte(&mut self) -> usize {
        match self.0 {
            [first, rest @ ..] => {
                self.0 = rest;
                usize::from(*first)
            }
            [] => 0,
        }
    }
}

impl Numbers for Script<'_> {
    fn next(&mut self) -> usize {
        self.byte()
    }

    fn below(&mut self, bound: usize) -> usize {
        let large = bound > 256;
        let number = if large { self.byte() << 8 | self.byte() } else { self.byte() };
        if bound == 0 { 0 } else { number % bound }
    }
}

/// Makes one change.
pub fn edit(document: &mut Vec<u8>, numbers: &mut dyn Numbers) {
    let markup = Markup::of(document);
    let kind = numbers.below(16);
    if kind >= 11 || markup.elements.is_empty() {
        edit_bytes(document, &markup, kind, numbers);
    } else {
        edit_elements(document, &markup, kind, numbers);
    }
    document.truncate(BYTES_MAX);
}

fn edit_elements(document: &mut Vec<u8>, markup: &Markup, kind: usize, numbers: &mut dyn Numbers) {
    let mut element = || &markup.elements[numbers.below(markup.elements.len())];
    let one = element();
    match kind {
        0 | 1 => {
            let two = element();
            swap(document, one, two);
        }
        2 => {
            let two = element();
            let copy = document[two.span.clone()].to_vec();
            document.splice(one.span.clone(), copy);
        }
        3 => drop(document.drain(one.span.clone())),
        4 => {
            let name = pick(&NAMES, numbers);
            document.splice(one.span.end..one.span.end, [b"</", name, b">"].concat());
            document.splice(one.span.start..one.span.start, [b"<", name, b">"].concat());
        }
        5 | 6 => {
            let attribute = pick(&ATTRIBUTES, numbers);
            let at = one.start.end - if document[one.start.clone()].ends_with(b"/>") { 2 } else { 1 };
            let at = if numbers.below(2) == 0 { at } else { name_of(document, one).end };
            document.splice(at..at, attribute.iter().copied());
        }
        7 => rename(document, one, pick(&NAMES, numbers)),
        // The document inside an element of itself.
        8 => {
            let whole = document.clone();
            document.splice(one.content(), whole);
        }
        // A copy at another place; with 10, the element leaves its own.
        _ => {
            let to = markup.boundaries[numbers.below(markup.boundaries.len())];
            let copy = document[one.span.clone()].to_vec();
            let moves = kind == 10 && !one.span.contains(&to);
            if moves && to > one.span.start {
                document.splice(to..to, copy);
                document.drain(one.span.clone());
            } else {
                if moves {
                    document.drain(one.span.clone());
                }
                document.splice(to..to, copy);
            }
        }
    }
}

fn edit_bytes(document: &mut Vec<u8>, markup: &Markup, kind: usize, numbers: &mut dyn Numbers) {
    let at = numbers.below(document.len() + 1);
    match kind {
        11 if at < document.len() => document[at] = numbers.below(256) as u8,
        12 => drop(document.drain(run(document, at, numbers))),
        13 => {
            let copy = document[run(document, at, numbers)].to_vec();
            let to = numbers.below(document.len() + 1);
            document.splice(to..to, copy);
        }
        14 => {
            let to = markup.boundaries[at % markup.boundaries.len()];
            document.splice(to..to, pick(&FRAGMENTS, numbers).iter().copied());
        }
        _ => drop(document.splice(at..at, pick(&FRAGMENTS, numbers).iter().copied())),
    }
}

fn pick<'f>(list: &[&'f [u8]], numbers: &mut dyn Numbers) -> &'f [u8] {
    list[numbers.below(list.len())]
}

fn run(document: &[u8], at: usize, numbers: &mut dyn Numbers) -> Range<usize> {
    at..document.len().min(at + 1 + numbers.below(RUN_MAX))
}

/// Exchanges two elements, neither of which is in the other.
fn swap(document: &mut Vec<u8>, one: &Element, two: &Element) {
    let (first, last) = if one.span.start < two.span.start { (one, two) } else { (two, one) };
    if first.span.end <= last.span.start {
        let copies = (document[first.span.clone()].to_vec(), document[last.span.clone()].to_vec());
        document.splice(last.span.clone(), copies.0);
        document.splice(first.span.clone(), copies.1);
    }
}

fn name_of(document: &[u8], element: &Element) -> Range<usize> {
    let from = element.start.start + 1;
    let is_name = |byte: &u8| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'/' | b'>');
    from..from + document[from..element.start.end].iter().take_while(|&byte| is_name(byte)).count()
}

fn rename(document: &mut Vec<u8>, element: &Element, name: &[u8]) {
    if !element.end.is_empty() {
        document.splice(element.end.clone(), [b"</", name, b">"].concat());
    }
    document.splice(name_of(document, element), name.iter().copied());
}

/// Changes what libFuzzer holds in its buffer: one to three edits. Returns the new size.
pub fn mutate(buffer: &mut [u8], size: usize, size_max: usize, seed: u32) -> usize {
    let mut random = Random::new(seed);
    let mut document = buffer[..size].to_vec();
    for _ in 0..=random.below(3) {
        edit(&mut document, &mut random);
    }
    let size = document.len().min(size_max).min(buffer.len());
    buffer[..size].copy_from_slice(&document[..size]);
    size
}
