//! The crate under measurement, called as its users call it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use xml_sig::{Invalid, Limits, Places, Reach, ReadOptions, Trust, Unwatched, Verdict, locate};

use crate::documents::{PARENTS, Place};
use crate::keys::Identity;

/// Buffer of every reader of a file.
pub(crate) const READ_BYTES: usize = 64 * 1024;

/// What a document's verdict must be, or the measurement is void.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    Valid,
    WrongValue,
}

/// Locates and verifies a document in memory.
pub(crate) fn judge(document: &[u8], trust: &Trust, expected: Expected) -> Result<()> {
    judge_in_two(|| Ok(document), trust, expected)
}

/// Locates and verifies a document in a file, which is read twice.
pub(crate) fn judge_file(file: &Path, trust: &Trust, expected: Expected) -> Result<()> {
    judge_in_two(|| open(file), trust, expected)
}

fn judge_in_two<R: BufRead>(
    open: impl Fn() -> io::Result<R>,
    trust: &Trust,
    expected: Expected,
) -> Result<()> {
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let places = Places { parents: PARENTS, signed: &[] };
    let located = locate(&mut open()?, &options, &places, Reach::Signature, &mut Unwatched)?;
    let verdict = located.verify(&mut open()?, trust, &mut Unwatched)?;
    let found = match &verdict {
        Verdict::Valid(_) => Some(Expected::Valid),
        Verdict::Invalid { why: Invalid::SignatureValue, .. } => Some(Expected::WrongValue),
        _ => None,
    };
    ensure!(found == Some(expected), "unexpected verdict: {verdict:?}");
    Ok(())
}

/// Signs a file into another one.
pub(crate) fn sign(unsigned: &Path, place: Place, identity: &Identity, signed: &Path) -> Result<()> {
    let key = identity.signing_key()?;
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let mut input = || -> io::Result<Box<dyn BufRead>> { Ok(Box::new(open(unsigned)?)) };
    let mut output = BufWriter::new(File::create(signed)?);
    xml_sig::sign(&mut input, place.parent(), &key, &options, &mut output).context("signing")?;
    Ok(output.flush()?)
}

fn open(file: &Path) -> io::Result<BufReader<File>> {
    Ok(BufReader::with_capacity(READ_BYTES, File::open(file)?))
}
