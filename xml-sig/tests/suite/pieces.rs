//! However the input is cut into pieces, the reader sees the same document: every way of cutting small documents into
//! up to four pieces, and documents cut where the reader's own pieces end.

use std::io::{BufRead, Read};

use xml_sig::{Limits, ReadError, ReadOptions, XmlError, read};

use crate::support::Record;

/// Serves exactly these pieces, one a fill.
struct Pieces<'p> {
    pieces: Vec<&'p [u8]>,
}

impl<'p> Pieces<'p> {
    fn cut(document: &'p [u8], cuts: &[usize]) -> Self {
        let mut pieces = Vec::new();
        let mut rest = document;
        for &cut in cuts.iter().rev() {
            let (head, tail) = rest.split_at(cut);
            pieces.push(tail);
            rest = head;
        }
        pieces.push(rest);
        pieces.retain(|piece| !piece.is_empty());
        Self { pieces }
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Pieces<'_> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        Ok(self.pieces.last().copied().unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        let Some(piece) = self.pieces.last_mut() else { return };
        *piece = &piece[count..];
        if piece.is_empty() {
            self.pieces.pop();
        }
    }
}

fn events(input: &mut dyn BufRead) -> Result<Vec<String>, XmlError> {
    let limits = Limits::default();
    let mut record = Record::default();
    match read(input, &ReadOptions { limits: &limits, initial_namespaces: &[] }, &mut record) {
        Ok(()) => Ok(record.events),
        Err(ReadError::Xml(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn every_way_of_cutting_a_document_gives_the_same_events_and_faults() {
    for document in [
        "<a><!--x-x->y-->z</a>",
        "<a><!---x->-x->--></a>",
        "<a><!-->--><!--->--></a>",
        "<a><!--đ-đ->đ--></a>",
        "<a><!--- --></a>",
        "<a><!--x--->y</a>",
        "<a><!--x-x-x>",
        "<a><?p x?x?>y?></a>",
        "<a><?p?x>?><?q ??></a>",
        "<a><?p ?đ?><?>?></a>",
        "<a><?p ?x",
        "<a b='>\"'c=\">'\">x</a>",
        "<a b='/>'/><!---->",
        "<a b='>' c=\">\" >x</a\t>",
        "<a><![CDATA[]x]>]]]>y</a>",
        "<a><![CDATA[]]]]>]</a>",
        "<a><![CDATA[đ]đ]]]]></a>",
        "<a><![CDATA[x]]x></a>",
        "<a>]x]>]]&gt;]]x></a>",
        "<a>đ]]>y</a>",
        "<a>\r\n\r\r\nđ\r&#13;\n</a>",
        "<a>&lt;&#x111;&am</a>",
        "<?xml version='1.0'?><a/>",
        "\u{FEFF}<!--?--><a/><?p -->?>",
    ] {
        let bytes = document.as_bytes();
        let whole = events(&mut &*bytes);
        for one in 0..bytes.len() {
            for two in one..bytes.len() {
                for three in two..bytes.len() {
                    let cuts = [one, two, three];
                    assert_eq!(events(&mut Pieces::cut(bytes, &cuts)), whole, "{document} at {cuts:?}");
                }
            }
        }
    }
}

#[test]
fn a_comment_ends_at_its_own_end_where_pieces_of_64_kib_end_in_dashes() {
    const PIECE: usize = 64 << 10;
    for last in ["x", "đ"] {
        let one = format!("{}-", "x".repeat(PIECE - "<r><!--".len() - 1));
        let two = format!("{}{last}-", "x".repeat(PIECE - last.len() - 1));
        let document = format!("<r><!--{one}{two}><b/>--><c/></r>");
        assert_eq!(&document.as_bytes()[2 * PIECE - 1..=2 * PIECE], b"->");
        assert_eq!(events(&mut document.as_bytes()).unwrap(), ["<{}r", "<{}c", ">c", ">r"]);
        // A reader of comments may take the piece behind `<!--` for the first.
        let shifted = format!("<r><!--{}-{two}><b/>--><c/></r>", "x".repeat(PIECE - 1));
        assert_eq!(events(&mut shifted.as_bytes()).unwrap(), ["<{}r", "<{}c", ">c", ">r"]);
    }
}
