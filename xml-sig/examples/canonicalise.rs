//! `canonicalise FILE [--exclusive] [--with-comments] [--prefixes "a b #default"]`: writes the canonical form of a document.
//! Exit code 0: written; 1: no XML; 2: XML that has no canonical form here (DOCTYPE, encoding, limits); 3: usage, files.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::process::ExitCode;

use xml_sig::{Form, Limits, Method, ReadError, ReadOptions, XmlFault, canonicalise};

const USAGE: &str = "usage: canonicalise FILE [--exclusive] [--with-comments] [--prefixes \"a b #default\"]";

fn main() -> ExitCode {
    let outcome = arguments(std::env::args().skip(1)).and_then(|(file, form)| run(&file, &form));
    let Err((exit, cause)) = outcome else { return ExitCode::SUCCESS };
    let told = writeln!(io::stderr(), "{cause}");
    ExitCode::from(if told.is_ok() { exit } else { 3 })
}

fn arguments(mut given: impl Iterator<Item = String>) -> Result<(String, Form), (u8, String)> {
    let usage = || (3, USAGE.to_owned());
    let (mut file, mut form) = (None, Form::default());
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--exclusive" => form.method = Method::Exclusive,
            "--with-comments" => form.comments = true,
            "--prefixes" => {
                let list = given.next().ok_or_else(usage)?;
                form.prefixes = list.split_ascii_whitespace().map(ToOwned::to_owned).collect();
            }
            _ if file.is_none() && !argument.starts_with("--") => file = Some(argument),
            _ => return Err(usage()),
        }
    }
    Ok((file.ok_or_else(usage)?, form))
}

fn run(file: &str, form: &Form) -> Result<(), (u8, String)> {
    let io = |cause: io::Error| (3, format!("{file}: {cause}"));
    let mut input = BufReader::with_capacity(64 << 10, File::open(file).map_err(io)?);
    let mut output = BufWriter::new(io::stdout().lock());
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    match canonicalise(&mut input, &options, form, &mut output) {
        Ok(()) => output.flush().map_err(io),
        Err(ReadError::Io(cause)) => Err(io(cause)),
        Err(ReadError::Xml(error)) => {
            let outside = matches!(
                error.fault,
                XmlFault::Doctype | XmlFault::Encoding | XmlFault::Limit(_) | XmlFault::RelativeNamespace
            );
            Err((if outside { 2 } else { 1 }, format!("{file}: {error}")))
        }
        Err(ReadError::Stopped(stop)) => Err((3, format!("{file}: {}", stop.0))),
    }
}
