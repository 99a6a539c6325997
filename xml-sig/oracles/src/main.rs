//! Sets xml-sig against other engines, bergshamra and xmlsec1: random documents signed by each and verified by each, and
//! mutants of them, of which the others must accept what we accept. `../run` builds and runs it.

mod bench;
mod bergshamra;
mod engines;
#[path = "../../tests/generate/mod.rs"]
mod generate;
mod keys;
mod ours;
mod report;
mod run;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use bergshamra::Bergshamra;
use engines::Engines;
use generate::signature::Shape;
use ours::Ours;
use report::Report;
use run::Plan;

const USAGE: &str = "oracles [--documents N] [--mutations M] [--seed S] [--keep FOLDER]
oracles judge FILE CERTIFICATE
oracles bench-verify FILE CERTIFICATE

Compares xml-sig with bergshamra and, where it is installed, xmlsec1. N documents (256) are signed by each engine and
verified by each; of M mutants (20) of each signed document, what xml-sig accepts the others must accept. Documents that
they disagree about are kept in FOLDER (disagreements), with the certificates of the run. Keys are new in each run, so the seed S gives the same documents
but other signature values.

judge prints what xml-sig and bergshamra say of one document.

bench-verify prints how many milliseconds bergshamra takes to verify FILE with the key of CERTIFICATE (PEM).";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["bench-verify", document, certificate] => bench::verify(document, certificate).map(|()| true),
        ["judge", document, certificate] => judge(document, certificate),
        _ => compare(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// What we say of a document that was kept, and what bergshamra says.
fn judge(document: &str, certificate: &str) -> Result<bool, Box<dyn Error>> {
    let (document, certificate) = (std::fs::read_to_string(document)?, std::fs::read(certificate)?);
    let root = ours::root(&document)?;
    let shape = if root.1 == "Signature" { Shape::Enveloping } else { Shape::Whole };
    let ours = Ours::verifier(&certificate)?.verify(document.as_bytes(), shape, &root);
    let theirs = Bergshamra::verifier(&certificate)?.verify(&document);
    println!("xml-sig: {ours:?}\nbergshamra: {theirs:?}");
    Ok(ours.is_ok() == theirs.is_ok())
}

/// Whether all agree.
fn compare(arguments: &[&str]) -> Result<bool, Box<dyn Error>> {
    let mut plan = Plan { documents: 256, mutations: 20, seed: 0x5EED_0402 };
    let mut folder = PathBuf::from("disagreements");
    for pair in arguments.chunks(2) {
        match *pair {
            ["--documents", number] => plan.documents = number.parse()?,
            ["--mutations", number] => plan.mutations = number.parse()?,
            ["--seed", number] => plan.seed = number.parse()?,
            ["--keep", path] => folder = path.into(),
            _ => return Err(USAGE.into()),
        }
    }
    println!("--documents {} --mutations {} --seed {}", plan.documents, plan.mutations, plan.seed);
    let scratch = tempfile::tempdir()?;
    let engines: Vec<Engines> = keys::identities()?
        .into_iter()
        .map(|identity| Engines::new(identity, scratch.path()))
        .collect::<Result<_, _>>()?;
    if engines.iter().any(|engines| engines.xmlsec1.is_none()) {
        println!("SKIPPED: xmlsec1 absent");
    }
    std::fs::create_dir_all(&folder)?;
    for engines in &engines {
        std::fs::write(
            folder.join(format!("{:?}.crt", engines.identity.kind)),
            &engines.identity.certificate,
        )?;
    }
    let mut report = Report::new(folder);
    run::run(&plan, &engines, &mut report)?;
    report.print();
    Ok(report.disagreements == 0)
}
