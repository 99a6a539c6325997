//! The strict reader through its front door: what it shows, what it refuses, the same at every chunk size.

use std::io::{BufRead, BufReader};

use xml_sig::{Limits, Name, Observer, ReadError, ReadOptions, StartTag, Stop, XmlFault, read};

/// Writes down what it sees; text of one node is joined.
#[derive(Default, PartialEq, Eq, Debug)]
struct Record(Vec<String>);

impl Observer for Record {
    fn start(&mut self, tag: &StartTag<'_>) -> Result<(), Stop> {
        let mut line = format!(
            "<{}{{{}}}{} {}@{}",
            tag.name.prefix, tag.name.namespace, tag.name.local, tag.depth, tag.offset
        );
        for a in tag.attributes {
            line += &format!(" {}{{{}}}{}={:?}", a.name.prefix, a.name.namespace, a.name.local, a.value);
        }
        self.0.push(line);
        Ok(())
    }

    fn text(&mut self, chunk: &str) -> Result<(), Stop> {
        assert!(!chunk.is_empty());
        match self.0.last_mut() {
            Some(last) if last.starts_with('"') => last.push_str(chunk),
            _ => self.0.push(format!("\"{chunk}")),
        }
        Ok(())
    }

    fn end(&mut self, name: &Name<'_>) -> Result<(), Stop> {
        self.0.push(format!(">{}", name.local));
        Ok(())
    }
}

fn run_with(
    bytes: &[u8],
    chunk: usize,
    limits: &Limits,
    given: &[(&str, &str)],
) -> Result<Vec<String>, XmlFault> {
    let mut input: Box<dyn BufRead> = match chunk {
        0 => Box::new(bytes),
        size => Box::new(BufReader::with_capacity(size, bytes)),
    };
    let mut record = Record::default();
    let options = ReadOptions { limits, initial_namespaces: given };
    match read(&mut *input, &options, &mut record) {
        Ok(()) => Ok(record.0),
        Err(ReadError::Xml(error)) => Err(error.fault),
        Err(other) => panic!("{other}"),
    }
}

/// The result, after checking that every chunk size gives the same.
fn run(bytes: &[u8]) -> Result<Vec<String>, XmlFault> {
    let whole = run_with(bytes, 0, &Limits::default(), &[]);
    for chunk in [1, 2, 3, 7, 64 << 10] {
        assert_eq!(
            run_with(bytes, chunk, &Limits::default(), &[]),
            whole,
            "chunks of {chunk}: {}",
            bytes.escape_ascii()
        );
    }
    whole
}

#[test]
fn a_document_is_shown_with_its_namespaces_and_its_text_resolved() {
    let document = "\u{FEFF}<?xml version='1.0' encoding=\"utf-8\" standalone='yes' ?>\r\n<!-- - --><?p  d\r\n?>\n\
        <a xmlns='u:d' xmlns:p=\"u:p\" p:x='1' x='&lt;\t'><p:b/>t&amp;x<!---->y<![CDATA[]<]]&]]]>\r\nđ\r&#13;]]<c xmlns=''\n/></a >\n<!---->";
    let got = run(document.as_bytes()).unwrap();
    let at = |what: &str| document.find(what).unwrap();
    assert_eq!(
        got,
        [
            format!("<{{u:d}}a 1@{} p{{u:p}}x=\"1\" {{}}x=\"< \"", at("<a ")).as_str(),
            format!("<p{{u:p}}b 2@{}", at("<p:b")).as_str(),
            ">b",
            "\"t&xy]<]]&]\nđ\n\r]]",
            format!("<{{}}c 2@{}", at("<c ")).as_str(),
            ">c",
            ">a"
        ]
    );
}

#[test]
fn malformed_documents_are_refused_by_name() {
    use XmlFault::*;
    let cases: &[(&[u8], XmlFault)] = &[
        (b"", NotOneDocument),
        (b"  \n", NotOneDocument),
        (b"\xEF\xBB\xBF", NotOneDocument),
        (b"x<a/>", NotOneDocument),
        (b"<a/>x", NotOneDocument),
        (b"<a/><b/>", NotOneDocument),
        (b"<a/>&#32;", NotOneDocument),
        (b"<a/><![CDATA[]]>", NotOneDocument),
        (b"<a/>\0junk", NotOneDocument),
        (b"<a>", Truncated),
        (b"<a", Truncated),
        (b"<a b='", Truncated),
        (b"<a>t", Truncated),
        (b"<a><![CDATA[", Truncated),
        (b"<a><![CDATA[ ]]", Truncated),
        (b"<a>&am", Truncated),
        (b"<a><!-- ", Truncated),
        (b"<a/><?p ", Truncated),
        (b"<!DOCTYPE a><a/>", Doctype),
        (b"<!doctype a><a/>", Doctype),
        (b"<a><!DOCTYPE a></a>", Doctype),
        (b"<a><!ELEMENT a></a>", Markup),
        (b"<a><![CDAT[]]></a>", Markup),
        (b"<a><!></a>", Markup),
        (b"<a><!-x-></a>", Markup),
        (b"\xFE\xFF\0<\0a", Encoding),
        (b"<\0a\0/\0>\0", Encoding),
        (b"<?xml version='1.0' encoding='UTF-16'?><a/>", Encoding),
        (b"<?xml version='1.0' encoding='UTF-7'?><a/>", Encoding),
        (b"<a>\xC3\x28</a>", NotUtf8),
        (b"<a>\xC0\xAF</a>", NotUtf8),
        (b"<a>\xED\xA0\x80</a>", NotUtf8),
        (b"<a>\xE1\x84<b/></a>", NotUtf8),
        (b"<a>\xE1\x84&amp;</a>", NotUtf8),
        (b"<a><![CDATA[\xC3]]></a>", NotUtf8),
        (b"<a b='\xFF'/>", NotUtf8),
        (b"<a>\0</a>", Character),
        (b"<a>\x0B</a>", Character),
        ("<a>\u{FFFE}</a>".as_bytes(), Character),
        (b"<a><!--\x01--></a>", Character),
        (b"<a><?p \x01?></a>", Character),
        (b"<a><![CDATA[\x01]]></a>", Character),
        (b"<a>&#x1F;</a>", Character),
        (b"<a>&#xFFFF;</a>", Character),
        (b"<a>&nbsp;</a>", Reference),
        (b"<a>&;</a>", Reference),
        (b"<a>&#;</a>", Reference),
        (b"<a>&#X41;</a>", Reference),
        (b"<a>& b;</a>", Reference),
        (b"<a>&#x0000000000000000000000000000000000041;</a>", Reference),
        (b" <?xml version='1.0'?><a/>", Declaration),
        (b"<a/><?xml version='1.0'?>", Declaration),
        (b"<?XML version='1.0'?><a/>", Declaration),
        (b"<?xml?><a/>", Declaration),
        (b"<?xml ?><a/>", Declaration),
        (b"<?xml version='1.1'?><a/>", Declaration),
        (b"<?xml encoding='UTF-8'?><a/>", Declaration),
        (b"<?xml encoding='UTF-8' version='1.0'?><a/>", Declaration),
        (b"<?xml version='1.0' standalone='yes' encoding='UTF-8'?><a/>", Declaration),
        (b"<?xml version='1.0' standalone='maybe'?><a/>", Declaration),
        (b"<?xml version='1.0' version='1.0'?><a/>", Declaration),
        (b"<?xml version='1.0'encoding='UTF-8'?><a/>", Declaration),
        (b"<?xml version='1.&#48;'?><a/>", Declaration),
        (b"<?xml version='1.0' encoding='UTF&#45;8'?><a/>", Declaration),
        (b"<?xml version='1.0' standalone='&#121;es'?><a/>", Declaration),
        (b"<1a/>", Name),
        (b"<>", Name),
        (b"< a/>", Attribute),
        (b"<a:/>", Name),
        (b"<:a/>", Name),
        (b"<a:b:c/>", Name),
        (b"<a xmlns:='u:'/>", Name),
        (b"<a 1='x'/>", Name),
        (b"<xmlns:a/>", Name),
        (b"<a/ >", Name),
        (b"<a b='1'c='2'/>", Attribute),
        (b"<a b/>", Attribute),
        (b"<a b=c/>", Attribute),
        (b"<a b='<'/>", Attribute),
        (b"<a b='' /c=''/>", Name),
        (b"<a b='1' b='2'/>", DuplicateAttribute),
        (b"<a xmlns:p='u:' xmlns:q='u:' p:b='' q:b=''/>", DuplicateAttribute),
        (b"<a xmlns:p='u:' xmlns:p='u:'/>", DuplicateAttribute),
        (b"<a xmlns='u:' xmlns='v:'/>", DuplicateAttribute),
        (b"<a c='' d='' e='' f='' g='' h='' i='' j='' k='' c=''/>", DuplicateAttribute),
        (b"<p:a/>", UnboundPrefix),
        (b"<a p:b=''/>", UnboundPrefix),
        (b"<a><b xmlns:p='u:'/><p:c/></a>", UnboundPrefix),
        (b"<a xmlns:xml='u:'/>", NamespaceDeclaration),
        (b"<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>", NamespaceDeclaration),
        (b"<a xmlns='http://www.w3.org/2000/xmlns/'/>", NamespaceDeclaration),
        (b"<a xmlns:xmlns='u:'/>", NamespaceDeclaration),
        (b"<a xmlns:p=''/>", NamespaceDeclaration),
        (b"<a></b>", EndTag),
        (b"<a></a b='1'>", EndTag),
        (b"<a></ a>", EndTag),
        (b"</a>", EndTag),
        (b"<a/></a>", EndTag),
        (b"<a>]]></a>", CdataEnd),
        (b"<a>]]]></a>", CdataEnd),
        ("<a>đ]]></a>".as_bytes(), CdataEnd),
        (b"<a><!-- -- --></a>", Comment),
        (b"<a><!-- ---></a>", Comment),
        (b"<a><?p:q?></a>", Instruction),
        (b"<a><? p?></a>", Instruction),
        (b"<a><??></a>", Instruction),
    ];
    for (document, fault) in cases {
        assert_eq!(run(document), Err(*fault), "{}", document.escape_ascii());
    }
}

#[test]
fn brackets_that_only_look_like_an_end_are_text() {
    for document in ["<a>]] ></a>", "<a>]]<!---->></a>", "<a>]]&#62;</a>", "<a>]&#93;></a>", "<a>]></a>"] {
        assert!(run(document.as_bytes()).is_ok(), "{document}");
    }
    assert_eq!(run(b"<a><![CDATA[]]]]><![CDATA[>]]></a>").unwrap()[1], "\"]]>");
    assert_eq!(run(b"<a><![CDATA[]]]]]]></a>").unwrap()[1], "\"]]]]");
}

#[test]
fn given_namespaces_bind_what_the_document_leaves_unbound() {
    let given = [("p", "u:given"), ("", "u:default")];
    let got =
        run_with(b"<a p:x=''><p:b xmlns:p='u:own' p:y=''/></a>", 7, &Limits::default(), &given).unwrap();
    assert_eq!(got[0], "<{u:default}a 1@0 p{u:given}x=\"\"");
    assert_eq!(got[1], "<p{u:own}b 2@10 p{u:own}y=\"\"");
}

#[test]
fn every_limit_holds_at_its_value_and_not_one_past_it() {
    let small = Limits {
        depth: 2,
        attributes: 2,
        namespaces: 2,
        markup_bytes: 30,
        total_bytes: 60,
        ..Limits::default()
    };
    let cases: [(&'static str, String, String); 9] = [
        ("depth", "<a><b/></a>".into(), "<a><b><c/></b></a>".into()),
        ("attributes", "<a b='' c=''/>".into(), "<a b='' c='' d=''/>".into()),
        ("attributes", "<a xmlns='u:' c=''/>".into(), "<a xmlns='u:' c='' d=''/>".into()),
        (
            "namespaces",
            "<a xmlns='u:'><b xmlns:p='u:'/></a>".into(),
            "<a xmlns='u:' xmlns:p='u:'><b xmlns='u:'/></a>".into(),
        ),
        (
            "markup_bytes",
            format!("<a><!--{}--></a>", "x".repeat(23)),
            format!("<a><!--{}--></a>", "x".repeat(24)),
        ),
        ("markup_bytes", format!("<{} b=''/>", "x".repeat(22)), format!("<{} b=''/>", "x".repeat(23))),
        ("markup_bytes", format!("<?{}?><a/>", "x".repeat(26)), format!("<?{}?><a/>", "x".repeat(27))),
        (
            "markup_bytes",
            format!("<{0}><{0}/></{0}>", "x".repeat(15)),
            format!("<{0}><x{0}/></{0}>", "x".repeat(15)),
        ),
        ("total_bytes", format!("<a>{}</a>", "x".repeat(53)), format!("<a>{}</a>", "x".repeat(54))),
    ];
    for (limit, good, bad) in &cases {
        for chunk in [0, 1, 7] {
            let got = run_with(good.as_bytes(), chunk, &small, &[]);
            assert!(got.is_ok(), "{limit}: {good}: {got:?}");
            assert_eq!(run_with(bad.as_bytes(), chunk, &small, &[]), Err(XmlFault::Limit(limit)), "{bad}");
        }
    }
}

#[test]
fn names_and_namespaces_hold_at_their_limits_and_not_one_byte_past_them() {
    let limits = Limits { namespace_bytes: 6, name_bytes: 8, ..Limits::default() };
    for (limit, good, bad) in [
        ("namespace_bytes", "<a xmlns='u:6789'/>", "<a xmlns='u:67890'/>"),
        ("namespace_bytes", "<a xmlns:p='&#117;:6789'/>", "<a xmlns:p='&#117;:67890'/>"),
        ("name_bytes", "<a2345678/>", "<a23456789/>"),
        ("name_bytes", "<p:b45678 xmlns:p='u:'/>", "<p:b456789 xmlns:p='u:'/>"),
        ("name_bytes", "<a b2345678=''/>", "<a b23456789=''/>"),
        ("name_bytes", "<a xmlns:pq='u:'/>", "<a xmlns:pqr='u:'/>"),
        ("name_bytes", "<?p2345678 x?><a/>", "<?p23456789 x?><a/>"),
    ] {
        let got = run_with(good.as_bytes(), 7, &limits, &[]);
        assert!(got.is_ok(), "{good}: {got:?}");
        assert_eq!(run_with(bad.as_bytes(), 7, &limits, &[]), Err(XmlFault::Limit(limit)), "{bad}");
    }
    let given = |uri| run_with(b"<a/>", 0, &limits, &[("", uri)]).err();
    assert_eq!((given("u:6789"), given("u:67890")), (None, Some(XmlFault::Limit("namespace_bytes"))));
}

#[test]
fn long_namespaces_do_not_multiply_the_work_of_short_names() {
    let limits = Limits::default();
    let root = |bytes: usize| format!("<a xmlns:p='u:{}'/>", "x".repeat(bytes - 2));
    assert!(run_with(root(2048).as_bytes(), 0, &limits, &[]).is_ok());
    let over = run_with(root(2049).as_bytes(), 0, &limits, &[]);
    assert_eq!(over, Err(XmlFault::Limit("namespace_bytes")));
    let name = |bytes: usize| format!("<{}/>", "x".repeat(bytes));
    assert!(run_with(name(1024).as_bytes(), 0, &limits, &[]).is_ok());
    assert_eq!(run_with(name(1025).as_bytes(), 0, &limits, &[]), Err(XmlFault::Limit("name_bytes")));
}

/// Wants no more at the first text.
struct Stopper;

impl Observer for Stopper {
    fn start(&mut self, _: &StartTag<'_>) -> Result<(), Stop> {
        Ok(())
    }

    fn text(&mut self, _: &str) -> Result<(), Stop> {
        Err(Stop("enough".into()))
    }

    fn end(&mut self, _: &Name<'_>) -> Result<(), Stop> {
        Ok(())
    }
}

#[test]
fn an_observer_can_stop_the_reading_with_its_own_reason() {
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    for document in ["<a>x<b></a>", "<a><![CDATA[x]]><b></a>", "<a>&lt;<b></a>", "<a>đ<b></a>"] {
        match read(&mut document.as_bytes(), &options, &mut Stopper) {
            Err(ReadError::Stopped(stop)) => assert_eq!(stop.0.to_string(), "enough"),
            other => panic!("{document}: {other:?}"),
        }
    }
}

#[test]
fn an_input_that_fails_is_told_from_a_document_that_is_wrong() {
    struct Failing;
    impl std::io::Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("gone"))
        }
    }
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    for start in ["", "<a", "<a>", "<a>te", "<a><![CDATA[x]", "<a>&l"] {
        let mut input = BufReader::with_capacity(3, std::io::Read::chain(start.as_bytes(), Failing));
        let ended = read(&mut input, &options, &mut Record::default());
        assert!(matches!(ended, Err(ReadError::Io(_))), "{start}: {ended:?}");
    }
}
