//! The least that a verification can cost, beside `measure::least`: SHA-256 in other ways, one RSA verification.

use std::fs::File;
use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use openssl::hash::{Hasher, MessageDigest};
use openssl::pkey::{PKey, Public};
use openssl::sign::Verifier;

use crate::engine::READ_BYTES;
use crate::keys::Identity;

/// Less than the nearest cache of a core holds.
const NEAR_BYTES: usize = 16 << 10;

/// SHA-256 of as many bytes that never leave the nearest cache: what the hash takes by itself.
pub(crate) fn hash_near(bytes: &[u8]) -> Result<()> {
    let near = &bytes[..bytes.len().min(NEAR_BYTES)];
    let mut hasher = Hasher::new(MessageDigest::sha256())?;
    for _ in 0..bytes.len() / near.len().max(1) {
        hasher.update(black_box(near))?;
    }
    black_box(hasher.finish()?);
    Ok(())
}

/// SHA-256 of a file, read once in the pieces in which ours reads it twice.
pub(crate) fn hash_file(path: &Path) -> Result<()> {
    let mut reader = BufReader::with_capacity(READ_BYTES, File::open(path)?);
    let mut hasher = Hasher::new(MessageDigest::sha256())?;
    loop {
        let piece = reader.fill_buf()?;
        if piece.is_empty() {
            black_box(hasher.finish()?);
            return Ok(());
        }
        hasher.update(piece)?;
        let read = piece.len();
        reader.consume(read);
    }
}

/// A signature over all bytes of a document, and the key to check it with.
pub(crate) struct Plain {
    public: PKey<Public>,
    signature: Vec<u8>,
}

impl Plain {
    pub(crate) fn sign(identity: &Identity, bytes: &[u8]) -> Result<Self> {
        Ok(Self { public: identity.public()?, signature: identity.sign_plainly(bytes)? })
    }

    /// One digest and one verification.
    pub(crate) fn verify(&self, bytes: &[u8]) -> Result<()> {
        let mut verifier = Verifier::new(MessageDigest::sha256(), &self.public).context("a plain key")?;
        ensure!(verifier.verify_oneshot(&self.signature, bytes)?, "the plain signature does not verify");
        Ok(())
    }
}
