//! One run: documents signed by each engine and verified by each, then broken in many ways.

use std::error::Error;

use ::bergshamra::c14n::{C14nMode, canonicalize};
use xml_sig::Method;

use crate::engines::Engines;
use crate::generate::document::{Document, Part, Settings, document};
use crate::generate::gaps::Engine;
use crate::generate::mutate::mutate;
use crate::generate::random::Random;
use crate::generate::respell::plain_white;
use crate::generate::signature::{Shape, Template, filled, template};
use crate::ours;
use crate::report::Report;

/// How much, and from which numbers.
pub(crate) struct Plan {
    pub(crate) documents: u64,
    /// To each signed document.
    pub(crate) mutations: u64,
    pub(crate) seed: u64,
}

/// Documents to one process of xmlsec1.
const BATCH: u64 = 64;

/// A signed document.
struct Signed {
    name: String,
    by: Engine,
    text: String,
    shape: Shape,
    root: (String, String),
}

/// Runs the plan; each batch has a key of the next kind.
pub(crate) fn run(plan: &Plan, engines: &[Engines], report: &mut Report) -> Result<(), Box<dyn Error>> {
    let mut from = 0;
    while from < plan.documents {
        let to = plan.documents.min(from + BATCH);
        let engines = &engines[(from / BATCH) as usize % engines.len()];
        batch(plan, from..to, engines, report)?;
        from = to;
    }
    Ok(())
}

fn batch(
    plan: &Plan,
    numbers: std::ops::Range<u64>,
    engines: &Engines,
    report: &mut Report,
) -> Result<(), Box<dyn Error>> {
    let (mut signed, mut templates, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    for number in numbers {
        let mut random = Random::of(plan.seed, number);
        // Most without what one engine is known to get wrong, so that it is an oracle for the rest.
        let plain = !random.one_in(4);
        let settings = Settings { awkward_uris: random.one_in(8), xml_ids: !plain, ..Settings::default() };
        let mut document = document(&mut random, &settings);
        if plain {
            document.text = plain_white(&document.text);
        }
        report.count("documents");
        canonical_forms(number, &document, &mut random, report)?;
        signed.extend(by_us(number, &document, engines, report)?);
        let pss = engines.identity.kind == crate::generate::signature::Key::Rsa && random.one_in(4);
        let certificate = if random.one_in(4) { "" } else { &*engines.identity.in_key_info };
        let mut template = template(&mut random, &document, engines.identity.kind, pss, certificate);
        if plain {
            template.text = plain_white(&template.text);
        }
        signed.extend(by_bergshamra(number, &document, &template, engines, report)?);
        parts.extend(template.parts.clone());
        if !pss {
            templates.push((number, document, template));
        }
    }
    signed.extend(by_xmlsec1(&templates, &parts, engines, report)?);
    agree(&signed, &parts, engines, report)?;
    mutations(plan, &signed, &parts, engines, report)
}

/// Whole documents, as bergshamra writes them; prefix lists too.
fn canonical_forms(
    number: u64,
    document: &Document,
    random: &mut Random,
    report: &mut Report,
) -> Result<(), Box<dyn Error>> {
    let mut prefixes = Vec::new();
    while random.one_in(2) {
        prefixes.push(random.pick(&["p", "q", "r", "ds", "a.b", "#default", "unbound"]).to_owned());
    }
    for (method, comments, mode) in [
        (Method::Inclusive, false, C14nMode::Inclusive),
        (Method::Inclusive, true, C14nMode::InclusiveWithComments),
        (Method::Exclusive, false, C14nMode::Exclusive),
        (Method::Exclusive, true, C14nMode::ExclusiveWithComments),
    ] {
        let ours = ours::canonical(&document.text, method, comments, &prefixes)?;
        report.count("canonical forms");
        let said = match canonicalize(&document.text, mode, None, &prefixes) {
            Ok(theirs) if theirs == ours => continue,
            Ok(theirs) => format!("canonical form {mode:?} {prefixes:?}: {}", difference(&ours, &theirs)),
            Err(error) => format!("canonical form {mode:?}: {error}"),
        };
        report.refused(&[Engine::Bergshamra], &format!("{number}-{mode:?}"), &document.text, &said)?;
    }
    Ok(())
}

/// Where two forms part.
fn difference(ours: &[u8], theirs: &[u8]) -> String {
    let at = ours.iter().zip(theirs).take_while(|(one, other)| one == other).count();
    let part =
        |octets: &[u8]| octets[at.saturating_sub(20)..octets.len().min(at + 40)].escape_ascii().to_string();
    format!("ours …{}…, theirs …{}…", part(ours), part(theirs))
}

fn by_us(
    number: u64,
    document: &Document,
    engines: &Engines,
    report: &mut Report,
) -> Result<Option<Signed>, Box<dyn Error>> {
    let name = format!("{number}-ours");
    match engines.ours.sign(&document.text, &document.root) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(Signed {
            name,
            by: Engine::Ours,
            text,
            shape: Shape::Whole,
            root: document.root.clone(),
        })),
        Some(Err(said)) => {
            report.finding(&format!("not signed by us: {said}"), &name, &document.text)?;
            Ok(None)
        }
    }
}

fn by_bergshamra(
    number: u64,
    document: &Document,
    template: &Template,
    engines: &Engines,
    report: &mut Report,
) -> Result<Option<Signed>, Box<dyn Error>> {
    let name = format!("{number}-bergshamra");
    match engines.signer.sign(&template.text) {
        Ok(text) => Ok(Some(Signed {
            name,
            by: Engine::Bergshamra,
            text,
            shape: template.shape,
            root: document.root.clone(),
        })),
        Err(said) => {
            report.refused(
                &[Engine::Bergshamra],
                &name,
                &template.text,
                &format!("does not sign: {said}"),
            )?;
            Ok(None)
        }
    }
}

/// Twice: as the program writes it, and with its values in the octets of the template.
fn by_xmlsec1(
    templates: &[(u64, Document, Template)],
    parts: &[Part],
    engines: &Engines,
    report: &mut Report,
) -> Result<Vec<Signed>, Box<dyn Error>> {
    let Some(xmlsec1) = &engines.xmlsec1 else { return Ok(Vec::new()) };
    let texts: Vec<&str> = templates.iter().map(|(_, _, template)| template.text.as_str()).collect();
    let mut signed = Vec::new();
    for ((number, document, template), text) in
        templates.iter().zip(xmlsec1.sign(&engines.identity.key, parts, &texts)?)
    {
        let name = format!("{number}-xmlsec1");
        let Some(text) = text else {
            report.refused(&[Engine::Xmlsec1], &name, &template.text, "does not sign")?;
            continue;
        };
        let (by, shape, root) = (Engine::Xmlsec1, template.shape, document.root.clone());
        let in_place = filled(&template.text, &text);
        signed.push(Signed {
            name: format!("{name}-in-place"),
            by,
            text: in_place,
            shape,
            root: root.clone(),
        });
        signed.push(Signed { name, by, text, shape, root });
    }
    Ok(signed)
}

/// Everybody accepts what anybody signed.
fn agree(
    signed: &[Signed],
    parts: &[Part],
    engines: &Engines,
    report: &mut Report,
) -> Result<(), Box<dyn Error>> {
    let documents: Vec<&[u8]> = signed.iter().map(|signed| signed.text.as_bytes()).collect();
    let by_xmlsec1 = engines.xmlsec1_verify(parts, &documents)?;
    for (index, Signed { name, by, text, shape, root }) in signed.iter().enumerate() {
        report.count(format!("signed by {by:?}, {shape:?}"));
        if let Err(said) = engines.ours.verify(text.as_bytes(), *shape, root) {
            report.refused(
                &[*by, Engine::Ours],
                name,
                text,
                &format!("the signature of {by:?} is {said}"),
            )?;
        }
        // A signer's gap makes signatures that are wrong.
        if let Err(said) = engines.verifier.verify(text) {
            report.refused(&[Engine::Bergshamra, *by], name, text, &said)?;
        }
        if by_xmlsec1.as_ref().is_some_and(|valid| !valid[index]) {
            report.refused(&[Engine::Xmlsec1, *by], name, text, "not valid")?;
        }
    }
    Ok(())
}

/// Mutants with what is known of them.
#[derive(Default)]
struct Mutants {
    /// Those that we accept: name, text.
    accepted: Vec<(String, String)>,
    /// Those that bergshamra accepts and we do not: our word, text.
    refused: Vec<(String, String)>,
}

/// What we accept, they must. What both of them accept and we do not is counted by the rule that it breaks.
fn mutations(
    plan: &Plan,
    signed: &[Signed],
    parts: &[Part],
    engines: &Engines,
    report: &mut Report,
) -> Result<(), Box<dyn Error>> {
    let mut mutants = Mutants::default();
    for (index, one) in signed.iter().enumerate() {
        for number in 0..plan.mutations {
            let item = number ^ ((index as u64) << 20) ^ ((one.text.len() as u64) << 32);
            let mut mutant = one.text.clone().into_bytes();
            mutate(&mut mutant, &mut Random::of(plan.seed, item));
            if mutant != one.text.as_bytes() {
                judge(one, &mutant, &format!("{}-mutant{number}", one.name), engines, &mut mutants, report)?;
            }
        }
    }
    for chunk in mutants.accepted.chunks(BATCH as usize) {
        let documents: Vec<&[u8]> = chunk.iter().map(|(_, text)| text.as_bytes()).collect();
        let Some(valid) = engines.xmlsec1_verify(parts, &documents)? else { return Ok(()) };
        for ((name, text), _) in chunk.iter().zip(valid).filter(|(_, valid)| !valid) {
            report.refused(&[Engine::Xmlsec1], name, text, "not valid")?;
        }
    }
    for chunk in mutants.refused.chunks(BATCH as usize) {
        let documents: Vec<&[u8]> = chunk.iter().map(|(_, text)| text.as_bytes()).collect();
        let Some(valid) = engines.xmlsec1_verify(parts, &documents)? else { return Ok(()) };
        for ((code, text), _) in chunk.iter().zip(valid).filter(|(_, valid)| *valid) {
            report.stricter(code, text)?;
        }
    }
    Ok(())
}

fn judge(
    one: &Signed,
    mutant: &[u8],
    name: &str,
    engines: &Engines,
    mutants: &mut Mutants,
    report: &mut Report,
) -> Result<(), Box<dyn Error>> {
    report.count("mutants");
    let ours = engines.ours.verify(mutant, one.shape, &one.root);
    let Ok(text) = String::from_utf8(mutant.to_vec()) else {
        // bergshamra takes text only, and there is nothing to ask.
        report.count("mutants that are not UTF-8");
        return match ours {
            Ok(()) => report.finding("we accept what is not UTF-8", name, &String::from_utf8_lossy(mutant)),
            Err(_) => Ok(()),
        };
    };
    match (ours, engines.verifier.verify(&text)) {
        (Ok(()), theirs) => {
            report.count("mutants that we accept");
            if let Err(said) = theirs {
                report.refused(&[Engine::Bergshamra], name, &text, &said)?;
            }
            mutants.accepted.push((name.to_owned(), text));
        }
        (Err(said), Ok(())) => {
            report.count("mutants that bergshamra accepts and we do not");
            let code = said.split(':').next().unwrap_or_default();
            mutants.refused.push((code.to_owned(), text));
        }
        (Err(_), Err(_)) => report.count("mutants that neither of us accepts"),
    }
    Ok(())
}
