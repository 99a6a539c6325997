//! How long bergshamra takes to verify a document that is in memory: a peer for `./bench xml-sig`.

use std::error::Error;
use std::time::{Duration, Instant};

use crate::bergshamra::Bergshamra;

/// Verifies for about a second, at least three times; prints the median in milliseconds.
pub(crate) fn verify(document: &str, certificate: &str) -> Result<(), Box<dyn Error>> {
    let document = std::fs::read_to_string(document)?;
    let verifier = Bergshamra::verifier(&std::fs::read(certificate)?)?;
    let begin = Instant::now();
    let mut took = Vec::new();
    while took.len() < 3 || begin.elapsed() < Duration::from_secs(1) {
        let once = Instant::now();
        verifier.verify(&document)?;
        took.push(once.elapsed());
    }
    took.sort();
    println!("{:.4}", took[took.len() / 2].as_secs_f64() * 1e3);
    Ok(())
}
