//! What fuzzing found (`xml-sig/fuzz`), each with the smallest input that showed it.

use std::io::{BufRead, BufReader};

use xml_sig::{Limits, ReadError, ReadOptions, Unwatched, XmlError, XmlFault, read};

/// How the reading of a document ends that may have so many bytes.
fn fault(document: &str, total_bytes: u64) -> XmlError {
    let limits = Limits { total_bytes, ..Limits::default() };
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let fault = |input: &mut dyn BufRead| match read(input, &options, &mut Unwatched) {
        Err(ReadError::Xml(error)) => error,
        other => panic!("{document} within {total_bytes} bytes: {other:?}"),
    };
    let whole = fault(&mut document.as_bytes());
    assert_eq!(
        fault(&mut BufReader::with_capacity(1, document.as_bytes())),
        whole,
        "{document}, {total_bytes}"
    );
    whole
}

#[test]
fn markup_that_the_limit_cuts_is_past_the_limit_and_not_malformed() {
    for document in ["<r><![CDATA[x]]></r>", "<r><!--x--></r>", "<r/><!--x-->"] {
        for total_bytes in 0..document.len() as u64 {
            let expected = XmlError { fault: XmlFault::Limit("total_bytes"), offset: total_bytes };
            assert_eq!(fault(document, total_bytes), expected, "{document}");
        }
    }
    // However the input is cut.
    for document in ["<r/><second></second>", "<r><!ELEMENT r></r>"] {
        for total_bytes in 0..document.len() as u64 {
            fault(document, total_bytes);
        }
    }
    // What is merely not there is no matter of limits.
    assert_eq!(fault("<r><![CDA", 9).fault, XmlFault::Markup);
}
