//! A verdict, looked at from all sides: no way of cutting the input, no reach of pass 1 and no other entry of the crate
//! may say otherwise, and what is valid is valid to another verifier.

use std::io::{BufRead, Cursor};

use xml_sig::{
    Coverage, Invalid, Limits, Places, Reach, ReadOptions, Trust, Valid, Verdict, XmlError, locate, survey,
};

use crate::other_verifier::objection;
use crate::pieces::{Cut, Pieces, cuts, seed};
use crate::record::{Record, fault, record};

type Judged = Result<Verdict, XmlError>;

/// Judges a document; what is returned was checked with the other verifier.
pub(crate) fn judge(document: &[u8], places: &Places<'_>, trust: &Trust) -> Option<Valid> {
    let whole = once(document, Cut::Whole, Reach::End, places, trust);
    let cut = cuts(document)[seed(document) as usize % 3];
    assert_eq!(told(&once(document, cut, Reach::End, places, trust)), told(&whole), "cut {cut:?}");
    let early = once(document, cut, Reach::Signature, places, trust);
    let valid = valid(whole);
    let covers = |valid: &Valid| valid.covers().clone();
    // A Signature that is no good is refused sooner, whatever else follows it.
    assert_eq!(
        self::valid(early).as_ref().map(covers),
        valid.as_ref().map(covers),
        "the reach of pass 1 matters"
    );
    surveyed(document, valid.as_ref(), trust);
    if let Some(valid) = &valid {
        holds(document, valid.covers());
    }
    valid
}

fn once(document: &[u8], cut: Cut, reach: Reach, places: &Places<'_>, trust: &Trust) -> Judged {
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let mut first = Record::default();
    let located =
        locate(&mut Pieces::new(document, cut), &options, places, reach, &mut first).map_err(fault)?;
    let mut second = Record::default();
    let verdict = located.verify(&mut Pieces::new(document, cut), trust, &mut second).map_err(fault)?;
    if !matches!(verdict, Verdict::Invalid { .. }) {
        if reach == Reach::End {
            assert_eq!(first, second, "the two passes show two documents");
        }
        let read = record(document, Cut::Whole, &limits);
        assert_eq!(read.as_ref(), Ok(&second), "verification shows another document than reading");
    }
    Ok(verdict)
}

fn valid(judged: Judged) -> Option<Valid> {
    match judged {
        Ok(Verdict::Valid(valid)) => Some(valid),
        _ => None,
    }
}

/// All that a verdict says.
fn told(judged: &Judged) -> String {
    match judged {
        Err(error) => format!("{error}"),
        Ok(Verdict::Absent) => "absent".to_owned(),
        Ok(Verdict::Unusable { why, detail, at }) => format!("unusable {why}: {detail} ({at})"),
        Ok(Verdict::Invalid { why, detail, at }) => format!("invalid {why}: {detail} ({at})"),
        Ok(Verdict::Valid(valid)) => {
            format!("valid {} {} {}", valid.covers(), valid.signature_algorithm(), valid.signer().subject())
        }
    }
}

/// The survey judges the one Signature too; it may only find that what is signed stands in an odd place.
fn surveyed(document: &[u8], valid: Option<&Valid>, trust: &Trust) {
    let limits = Limits::default();
    let Ok(survey) = survey(&mut &*document, &limits) else {
        assert!(valid.is_none(), "valid, and the survey does not read it");
        return;
    };
    let mut open = || -> std::io::Result<Box<dyn BufRead>> { Ok(Box::new(Cursor::new(document.to_vec()))) };
    let judged = survey.verify(&mut open, trust).expect("the document is read again");
    assert!(valid.is_none() || judged.len() == 1, "one Signature");
    if let [judged] = &judged[..] {
        match &judged.verdict {
            Verdict::Valid(surveyed) => holds(document, surveyed.covers()),
            Verdict::Invalid { why: Invalid::Coverage, .. } => {}
            other => assert!(valid.is_none(), "the survey says {}", other.name()),
        }
    }
}

fn holds(document: &[u8], covers: &Coverage) {
    let text = std::str::from_utf8(document).expect("a valid document is UTF-8");
    assert_eq!(objection(text, covers), None, "valid, and to the other verifier it is not: {text}");
}
