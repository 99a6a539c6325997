//! Canonical forms against the specifications' rules and the corpus, at several chunk sizes.

use std::io::{BufRead, BufReader};
use std::path::Path;

use super::*;
use crate::driver::Drive;
use crate::error::ReadError;
use crate::events::Sink;
use crate::limits::Limits;
use crate::octets::Bounded;
use crate::reader::ReadOptions;

/// The whole document, or the first element of a local name as apex.
struct Subset<'a> {
    apex: Option<&'a str>,
    open: usize,
    canonical: Canonical<Bounded>,
    inherited: Vec<Inherited>,
}

impl Sink for Subset<'_> {
    fn start(&mut self, open: &Open<'_>) -> Result<(), ReadError> {
        if self.open > 0 || self.apex.is_none_or(|local| open.tag.name.local == local) {
            self.open += 1;
            self.canonical.start(open, &self.inherited);
        }
        Ok(())
    }

    fn text(&mut self, chunk: &str, form: TextForm) -> Result<(), ReadError> {
        if self.open > 0 {
            self.canonical.text(chunk, form);
        }
        Ok(())
    }

    fn end(&mut self, end: &End<'_>) -> Result<(), ReadError> {
        if self.open > 0 {
            self.open -= 1;
            self.canonical.end(end);
        }
        Ok(())
    }

    fn instruction(&mut self, target: &str, data: &str, place: Place) -> Result<(), ReadError> {
        if self.apex.is_none() {
            self.canonical.instruction(target, data, place);
        }
        Ok(())
    }
}

fn form_of(
    bytes: &[u8],
    method: Method,
    apex: Option<&str>,
    inherited: &[Inherited],
    chunk: usize,
) -> Vec<u8> {
    let mut input: Box<dyn BufRead> = match chunk {
        0 => Box::new(bytes),
        size => Box::new(BufReader::with_capacity(size, bytes)),
    };
    let canonical = Canonical::new(&Form { method, ..Form::default() }, Bounded::new(1 << 20));
    let mut subset = Subset { apex, open: 0, canonical, inherited: inherited.to_vec() };
    let options = ReadOptions { limits: &Limits::default(), initial_namespaces: &[("given", "u:given")] };
    Drive::new(&mut *input, &options).unwrap().run(&mut subset).unwrap();
    subset.canonical.into_octets().into_inner().unwrap()
}

fn check(document: &str, method: Method, apex: Option<&str>, expected: &str) {
    for chunk in [0, 1, 7, 64 << 10] {
        let got = form_of(document.as_bytes(), method, apex, &[], chunk);
        assert_eq!(String::from_utf8(got).unwrap(), expected, "{method:?}, chunks of {chunk}");
    }
}

#[test]
fn text_attributes_and_instructions_are_written_canonically() {
    let document = "\u{FEFF}<?xml version='1.0'?>\n<!-- gone --><?p  one \r\n two?>\n<a  z='1'\n b='&lt;\"&#9;&#xA;&#xD;\t>&apos;'\
        ><b/>1 &lt; 2 &gt; 1 > \r\n&#13;<![CDATA[<&>\r\n]]>&quot;<!-- gone --><?q?></a >\n<?r ?><!-- gone -->\n";
    let expected = "<?p one \n two?>\n<a b=\"&lt;&quot;&#x9;&#xA;&#xD; >'\" z=\"1\"><b></b>1 &lt; 2 &gt; 1 &gt; \n&#xD;&lt;&amp;&gt;\n\"<?q?></a>\n<?r?>";
    check(document, Method::Inclusive, None, expected);
    check(document, Method::Exclusive, None, expected);
}

#[test]
fn namespaces_come_first_by_prefix_and_attributes_by_uri() {
    let document = "<a xmlns:z='u:a' xmlns:y='u:b' xmlns='u:c' z:x='1' y:x='2' x='3' y:a='4'/>";
    let expected =
        "<a xmlns=\"u:c\" xmlns:y=\"u:b\" xmlns:z=\"u:a\" x=\"3\" z:x=\"1\" y:a=\"4\" y:x=\"2\"></a>";
    check(document, Method::Inclusive, None, expected);
}

#[test]
fn inclusive_renders_what_changes_and_exclusive_what_is_used() {
    let document = "<a xmlns='u:1' xmlns:p='u:p' xmlns:xml='http://www.w3.org/XML/1998/namespace'>\
        <b xmlns='' xmlns:p='u:p'><c xmlns=''/><p:d xmlns='u:1' xml:lang='vi'><e xmlns:p='u:q'><p:f/><p:g p:h=''/></e></p:d></b></a>";
    let inclusive = "<a xmlns=\"u:1\" xmlns:p=\"u:p\"><b xmlns=\"\"><c></c><p:d xmlns=\"u:1\" xml:lang=\"vi\">\
        <e xmlns:p=\"u:q\"><p:f></p:f><p:g p:h=\"\"></p:g></e></p:d></b></a>";
    let exclusive = "<a xmlns=\"u:1\"><b xmlns=\"\"><c></c><p:d xmlns:p=\"u:p\" xml:lang=\"vi\"><e xmlns=\"u:1\">\
        <p:f xmlns:p=\"u:q\"></p:f><p:g xmlns:p=\"u:q\" p:h=\"\"></p:g></e></p:d></b></a>";
    check(document, Method::Inclusive, None, inclusive);
    check(document, Method::Exclusive, None, exclusive);
}

#[test]
fn an_apex_carries_its_context_in_the_inclusive_form_only() {
    let document =
        "<a xmlns='u:1' xmlns:p='u:p' xmlns:q='u:q'><b xmlns='' xmlns:q='u:r'><s p:x=''><t/></s></b></a>";
    check(document, Method::Inclusive, Some("s"), "<s xmlns:p=\"u:p\" xmlns:q=\"u:r\" p:x=\"\"><t></t></s>");
    check(document, Method::Exclusive, Some("s"), "<s xmlns:p=\"u:p\" p:x=\"\"><t></t></s>");
}

#[test]
fn an_apex_inherits_xml_attributes_that_it_lacks_in_the_inclusive_form_only() {
    let inherited = |local: &str, value: &str| Inherited { local: local.to_owned(), value: value.to_owned() };
    let given = [inherited("lang", "vi"), inherited("space", "preserve")];
    let document = b"<s xml:space='default' a=''/>";
    let inclusive = form_of(document, Method::Inclusive, None, &given, 0);
    assert_eq!(inclusive, b"<s a=\"\" xml:lang=\"vi\" xml:space=\"default\"></s>");
    let exclusive = form_of(document, Method::Exclusive, None, &given, 0);
    assert_eq!(exclusive, b"<s a=\"\" xml:space=\"default\"></s>");
}

#[test]
fn relative_uris_are_told_from_absolute_ones() {
    for absolute in ["", "http://a/b", "urn:x", "u:", "a+b-c.1:x"] {
        assert!(!is_relative(absolute), "{absolute}");
    }
    for relative in ["a", "./a", "../a", "/a", "//a/b:c", "#a", "1a:b", ":a", "a/b:c", "?a:b"] {
        assert!(is_relative(relative), "{relative}");
    }
}

#[test]
fn the_corpus_canonicalises_as_independent_engines_do() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/xmldsig/c14n");
    let mut documents = 0;
    for number in 1..=99 {
        let file = |extension: &str| std::fs::read(folder.join(format!("gen-11-{number}.{extension}")));
        let Ok(document) = file("xml") else { break };
        for (method, extension) in [(Method::Inclusive, "inc"), (Method::Exclusive, "exc")] {
            let expected = file(extension).unwrap();
            for chunk in [0, 1, 7, 64 << 10] {
                let got = form_of(&document, method, None, &[], chunk);
                assert!(got == expected, "gen-11-{number} {method:?}, chunks of {chunk}");
            }
        }
        documents += 1;
    }
    if documents == 0 {
        println!("SKIPPED: corpus absent");
    }
}
