//! However the input is cut, and whichever of the two ways a token is taken, a document gives the same events or the same
//! fault at the same byte. Documents are generated, and most of them broken, from a printed seed.

use std::io::BufReader;

use super::*;
use crate::events::{End, Open, TextForm};
use crate::limits::Limits;
use crate::reader::Name;

const SEED: u64 = 0x5EED_0404;
const ROUNDS: usize = 10_000;
const CHUNKS: [usize; 7] = [0, 1, 2, 7, 63, 4096, 64 << 10];

/// Writes down everything; pieces of one text are joined.
#[derive(Default)]
struct Record {
    events: Vec<String>,
    text: bool,
    ends: usize,
    ends_wanted: Option<usize>,
}

impl Record {
    fn event(&mut self, event: String) -> Result<(), ReadError> {
        self.text = false;
        self.events.push(event);
        Ok(())
    }
}

fn written(name: &Name<'_>) -> String {
    format!("{{{}}}{}:{}", name.namespace, name.prefix, name.local)
}

impl Sink for Record {
    fn start(&mut self, open: &Open<'_>) -> Result<(), ReadError> {
        let tag = &open.tag;
        let attributes = tag.attributes.iter().map(|a| format!(" {}={:?}", written(&a.name), a.value));
        let attributes: String = attributes.collect();
        let declared: Vec<_> = open.scope.declared().collect();
        let (name, qname, canonical) = (written(&tag.name), open.qname, open.canonical);
        let (depth, span) = (tag.depth, tag.offset..open.offset_end);
        self.event(format!(
            "<{name} {qname} {attributes} {declared:?} {canonical:?} {} {depth} {span:?}",
            open.empty
        ))
    }

    fn text(&mut self, chunk: &str, form: TextForm) -> Result<(), ReadError> {
        assert!(!chunk.is_empty());
        assert!(form == TextForm::Mixed || !chunk.contains(['&', '<', '>', '\r']), "{chunk:?} is not plain");
        match self.events.last_mut() {
            Some(last) if self.text => last.push_str(chunk),
            _ => self.event(format!("\"{chunk}"))?,
        }
        self.text = true;
        Ok(())
    }

    fn end(&mut self, end: &End<'_>) -> Result<(), ReadError> {
        self.ends += 1;
        self.event(format!(
            ">{} {} {:?} {} {:?}",
            written(&end.name),
            end.qname,
            end.canonical,
            end.depth,
            end.offset..end.offset_end
        ))
    }

    fn comment(&mut self, comment: &str, place: Place) -> Result<(), ReadError> {
        self.event(format!("!{comment} {place:?}"))
    }

    fn instruction(&mut self, target: &str, data: &str, place: Place) -> Result<(), ReadError> {
        self.event(format!("?{target} {data} {place:?}"))
    }

    fn wants_more(&self) -> bool {
        self.ends_wanted.is_none_or(|wanted| self.ends < wanted)
    }
}

/// The events, and where the reading came to, or the fault.
type Seen = (Vec<String>, Result<(u64, bool), XmlError>);

fn seen(
    document: &[u8],
    chunk: usize,
    limits: &Limits,
    given: &[(&str, &str)],
    ends_wanted: Option<usize>,
) -> Seen {
    let mut input: Box<dyn BufRead> = match chunk {
        0 => Box::new(document),
        size => Box::new(BufReader::with_capacity(size, document)),
    };
    let options = ReadOptions { limits, initial_namespaces: given };
    let mut record = Record { ends_wanted, ..Record::default() };
    let outcome = match Drive::new(&mut *input, &options).and_then(|drive| drive.run(&mut record)) {
        Ok(outcome) => Ok((outcome.bytes, outcome.repaired)),
        Err(ReadError::Xml(error)) => Err(error),
        Err(other) => panic!("{other}"),
    };
    (record.events, outcome)
}

/// What is seen, after checking that it is the same for every way of cutting.
fn seen_alike(
    document: &[u8],
    limits: &Limits,
    given: &[(&str, &str)],
    ends_wanted: Option<usize>,
    of: &str,
) -> Seen {
    let whole = seen(document, 0, limits, given, ends_wanted);
    for chunk in CHUNKS {
        let cut = seen(document, chunk, limits, given, ends_wanted);
        assert!(
            cut == whole,
            "{of}, chunks of {chunk}: {}\n{:?}\n{:?}",
            document.escape_ascii(),
            cut.1,
            whole.1
        );
    }
    whole
}

/// xorshift64*: small, and the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }
}

const NAMES: [&str; 9] = ["a", "p:b", "q:a", "g:c", "đơn", "p:Tên", "a-1.b", "_", "verylongnameindeed"];
const SPACES: [&str; 6] = [" ", " ", " ", "\n", " \t ", "\r\n"];
const VALUES: [&str; 8] =
    ["", "1", "vi", "a > b", "&lt;&#x9;&quot;", "x\r\ny\tz", "Công văn", "it&apos;s \u{FFFD}"];
const TEXTS: [&str; 16] = [
    "x",
    "1000",
    " ",
    "\n",
    "\r\n",
    "\r",
    "Số 12/QĐ-UBND",
    "]",
    "]]",
    ">",
    "&amp;",
    "&#xD;",
    "&#x111;",
    "\u{10FFFF}",
    "\u{FEFF}",
    "x]]&gt;\ty",
];
const BROKEN: [&str; 34] = [
    "<",
    ">",
    "/>",
    "</",
    "</a>",
    "<a>",
    "<!--",
    "-->",
    "--",
    "<![CDATA[",
    "]]>",
    "]]",
    "&",
    ";",
    "&#x",
    "&lt",
    "&nbsp;",
    "<?p ",
    "?>",
    "<?xml version='1.0'?>",
    " xmlns='u:x'",
    " xmlns:p=''",
    " a='1'",
    "\"",
    "'",
    "\r",
    "\u{FEFF}",
    "đ",
    "\0",
    "\u{FFFE}",
    "<!DOCTYPE a>",
    "=",
    ":",
    "<x:y/>",
];

fn element(out: &mut String, random: &mut Random, depth: usize) {
    let name = random.of(&NAMES);
    *out += &format!("<{name}");
    for prefix in ["xmlns", "xmlns:p", "xmlns:q"] {
        if depth == 0 || random.below(9) == 0 {
            let uri = random.of(&["u:1", "u:2", "u:đ&amp;x"]);
            *out += &format!("{}{prefix}='{uri}'", random.of(&SPACES));
        }
    }
    for name in ["z", "a", "p:a", "q:a", "xml:lang", "g:x"] {
        if random.below(6) == 0 {
            let (quote, value) = (random.of(&["\"", "'"]), random.of(&VALUES));
            *out += &format!(
                "{}{name}{}={quote}{value}{quote}",
                random.of(&SPACES),
                random.of(&["", "", "", " "])
            );
        }
    }
    *out += random.of(&["", "", "", " ", "\n"]);
    if random.below(6) == 0 {
        return *out += "/>";
    }
    *out += ">";
    for _ in 0..random.below(6) {
        match random.below(10) {
            0..=2 if depth < 5 => element(out, random, depth + 1),
            3 => *out += &format!("<!--{}-->", random.of(&["", " - ", "đ\r\n", "<a>&x;"])),
            4 => *out += &format!("<?{}?>", random.of(&["p", "p  one \r\n two", "q đ?"])),
            5 => *out += &format!("<![CDATA[{}]]>", random.of(&["", "]", "]]", "<&>\r\n]] >", "đ]", "\r"])),
            6 if random.below(40) == 0 => {
                *out += &random.of(&TEXTS).repeat(random.below(9_000)).replace("]]>", "]] >");
            }
            _ => *out += random.of(&TEXTS),
        }
    }
    *out += &format!("</{name}{}>", random.of(&["", "", " ", "\n"]));
}

fn document(random: &mut Random) -> Vec<u8> {
    let mut out = String::new();
    out += random.of(&[
        "",
        "",
        "\u{FEFF}",
        "<?xml version='1.0' encoding=\"UTF-8\"?>\n",
        "\r\n<!--x-->",
        "<?p?>",
    ]);
    element(&mut out, random, 0);
    out += random.of(&["", "", "\n", "<!-- -->\r\n", "<?p x?>"]);
    out.into_bytes()
}

fn break_it(document: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(document.len() + 1);
    let len = random.below(20).min(document.len() - at);
    match random.below(7) {
        0 if at < document.len() => document[at] ^= 1 << random.below(8),
        1 => drop(document.drain(at..at + len)),
        2 => {
            let copy = document[at..at + len].to_vec();
            let to = random.below(document.len() + 1);
            document.splice(to..to, copy);
        }
        3 if at < document.len() => document[at] = random.below(256) as u8,
        4 => document.truncate(at),
        _ => drop(document.splice(at..at, random.of(&BROKEN).bytes())),
    }
}

#[test]
fn every_way_of_cutting_gives_the_same_events_or_the_same_fault_at_the_same_byte() {
    println!("seed {SEED:#x}");
    let mut random = Random(SEED);
    let (mut good, mut faults) = (0, std::collections::HashSet::new());
    for round in 0..ROUNDS {
        let mut document = document(&mut random);
        for _ in 0..random.below(3) {
            break_it(&mut document, &mut random);
        }
        let limits = match random.below(4) {
            0 => Limits {
                depth: 1 + random.below(6),
                attributes: random.below(6),
                namespaces: 1 + random.below(6),
                namespace_bytes: random.below(9),
                name_bytes: 1 + random.below(20),
                markup_bytes: random.below(150),
                total_bytes: random.below(2 * document.len() + 1) as u64,
                ..Limits::default()
            },
            _ => Limits::default(),
        };
        let ends_wanted = if random.below(8) == 0 { Some(1 + random.below(5)) } else { None };
        let of = format!("seed {SEED:#x} round {round} {limits:?}");
        match seen_alike(&document, &limits, &[("g", "u:given")], ends_wanted, &of).1 {
            Ok(_) => good += 1,
            Err(error) => drop(faults.insert(error.fault)),
        }
    }
    println!("{good} of {ROUNDS} were good, {} different faults", faults.len());
    assert!(good > ROUNDS / 4 && good < ROUNDS && faults.len() > 20);
}

#[test]
fn the_limits_of_size_hold_at_their_value_and_not_one_past_it_however_a_token_is_cut() {
    let outcome =
        |document: &str, limits: &Limits| seen_alike(document.as_bytes(), limits, &[], None, document).1;
    for (document, markup_bytes, name_bytes) in [
        ("<name a='>' b='1234'/>", 22, 4),
        ("<name></name >", 8, 4),
        ("<name></name>", 7, 4),
        ("<n long-name=''/>", 17, 9),
        ("<n xmlns:e='u:'/>", 17, 7),
        ("<n><!-- a comment --></n>", 18, 1),
        ("<n><?target data?></n>", 15, 6),
    ] {
        let total_bytes = document.len() as u64;
        let exact = Limits { markup_bytes, name_bytes, total_bytes, ..Limits::default() };
        assert_eq!(outcome(document, &exact), Ok((total_bytes, false)), "{document}");
        for (limits, of) in [
            (Limits { markup_bytes: markup_bytes - 1, ..exact.clone() }, "markup_bytes"),
            (Limits { name_bytes: name_bytes - 1, ..exact.clone() }, "name_bytes"),
            (Limits { total_bytes: total_bytes - 1, ..exact.clone() }, "total_bytes"),
        ] {
            let fault = outcome(document, &limits).map_err(|error| error.fault);
            assert_eq!(fault, Err(XmlFault::Limit(of)), "{document}");
        }
    }
}

#[test]
fn a_fault_in_a_text_is_where_it_stands_and_the_first_counts() {
    let long = "x".repeat(70_000);
    for (head, tail, fault) in [
        ("<a>x", "]]>y\u{1}</a>", XmlFault::CdataEnd),
        ("<a>x", "\u{1}]]></a>", XmlFault::Character),
        ("<a>đ]]", "\u{FFFE}</a>", XmlFault::Character),
        ("<a><![CDATA[", "\u{0}]]></a>", XmlFault::Character),
        ("<a>đ", "&#0;</a>", XmlFault::Character),
        ("<a>", "&nbsp;</a>", XmlFault::Reference),
    ] {
        for middle in ["", &long] {
            let document = format!("{head}{middle}{tail}");
            let offset = (head.len() + middle.len()) as u64;
            let got = seen_alike(document.as_bytes(), &Limits::default(), &[], None, head).1;
            assert_eq!(got, Err(XmlError { fault, offset }), "{head}…{tail}");
        }
    }
    for bad in [
        &b"\xFF"[..],
        b"\xC3(",
        b"\xC0\xAF",
        b"\xED\xA0\x80",
        b"\xF0\x9F",
        b"\xE1\x84<",
        b"\xE1\x84&",
        b"\x80",
    ] {
        let document = [b"<a>\xC4\x91 ]]", bad, b" \x01</a>"].concat();
        let got = seen_alike(&document, &Limits::default(), &[], None, "not UTF-8").1;
        assert_eq!(got, Err(XmlError { fault: XmlFault::NotUtf8, offset: 8 }), "{}", bad.escape_ascii());
    }
}
