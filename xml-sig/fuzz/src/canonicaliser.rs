//! The canonicaliser: a canonical form is one whatever way the input is cut, is its own canonical form, reads as the
//! document that it was made of, and is what another canonicaliser makes.

use xml_sig::{Form, Limits, Method, ReadOptions, XmlError, XmlFault, canonicalise};

use crate::other_canonicaliser;
use crate::pieces::{Cut, Pieces, cuts, seed};
use crate::record::{fault, record};

/// The prefixes that the seeds and the mutations use.
const PREFIXES: [&str; 3] = ["#default", "p", "q"];

/// Both methods, with and without comments, the exclusive one with a PrefixList, and the inclusive one's next version.
fn forms() -> [Form; 6] {
    let form = |method, comments| Form { method, comments, prefixes: Vec::new() };
    let prefixes = PREFIXES.map(str::to_owned).to_vec();
    [
        form(Method::Inclusive, false),
        form(Method::Inclusive, true),
        form(Method::Exclusive, false),
        form(Method::Exclusive, true),
        Form { method: Method::Exclusive, comments: false, prefixes },
        form(Method::Inclusive11, false),
    ]
}

/// Checks one input.
pub fn check(document: &[u8]) {
    let read = record(document, Cut::Whole, &Limits::default());
    let forms = forms();
    let octets = forms.each_ref().map(|form| canonical(document, Cut::Whole, form));
    // Each form takes its turn with another way of cutting.
    for (turn, (form, octets)) in (seed(document) as usize % 3..).zip(forms.iter().zip(&octets)) {
        let cut = cuts(document)[turn % 3];
        assert_eq!(&canonical(document, cut, form), octets, "cut {cut:?}, {form:?}");
    }
    for octets in &octets {
        match (octets, &read) {
            (Ok(octets), Ok(read)) => {
                let again = record(octets, Cut::Whole, &Limits::default()).expect("a canonical form is read");
                assert_eq!(again.content(), read.clone().content(), "a canonical form reads otherwise");
                assert!(!octets.contains(&b'\r'), "a carriage return in a canonical form");
            }
            // Anywhere before the end or the other fault.
            (Err(XmlError { fault: XmlFault::RelativeNamespace, .. }), _) => {}
            (Ok(_), Err(error)) => panic!("a canonical form of what is not read: {error}"),
            (Err(error), read) => assert_eq!(Some(error), read.as_ref().err(), "another fault"),
        }
    }
    for (form, octets) in forms.iter().zip(&octets) {
        let (Ok(text), Ok(octets)) = (std::str::from_utf8(document), octets) else { continue };
        if let Some(other) = other_canonicaliser::canonical(text, form) {
            assert_eq!(
                octets.escape_ascii().to_string(),
                other.as_bytes().escape_ascii().to_string(),
                "{form:?}"
            );
        }
    }
    let mut complete = Vec::new();
    for octets in octets {
        match octets {
            Ok(octets) => complete.push(octets),
            Err(_) => assert!(complete.is_empty(), "some forms are made and some are not"),
        }
    }
    if let Ok([inclusive, inclusive_comments, exclusive, exclusive_comments, listed, newer]) =
        <[Vec<u8>; 6]>::try_from(complete)
    {
        let of = |octets: &[u8], form: usize| {
            canonical(octets, Cut::Whole, &forms[form]).expect("a canonical form is read")
        };
        assert!(inclusive == newer, "the two versions of Canonical XML differ in a whole document");
        // Each form of itself, and of each richer one.
        let same = [
            (&inclusive, 0, &inclusive),
            (&inclusive_comments, 1, &inclusive_comments),
            (&exclusive, 2, &exclusive),
            (&exclusive_comments, 3, &exclusive_comments),
            (&listed, 4, &listed),
            (&inclusive_comments, 0, &inclusive),
            (&exclusive_comments, 2, &exclusive),
            (&inclusive, 2, &exclusive),
            (&inclusive_comments, 3, &exclusive_comments),
            (&inclusive, 4, &listed),
            (&listed, 2, &exclusive),
            // What the exclusive method leaves out, the inclusive one does not bring back.
            (&exclusive, 0, &exclusive),
            (&exclusive_comments, 1, &exclusive_comments),
        ];
        for (from, form, to) in same {
            assert_eq!(
                of(from, form).escape_ascii().to_string(),
                to.escape_ascii().to_string(),
                "{:?} of {}",
                forms[form],
                from.escape_ascii()
            );
        }
    }
}

/// One canonical form, or the fault.
pub(crate) fn canonical(document: &[u8], cut: Cut, form: &Form) -> Result<Vec<u8>, XmlError> {
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let mut octets = Vec::new();
    match canonicalise(&mut Pieces::new(document, cut), &options, form, &mut octets) {
        Ok(()) => Ok(octets),
        Err(error) => Err(fault(error)),
    }
}
