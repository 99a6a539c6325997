//! Inputs that come in pieces: no result may depend on how a document is cut.

use std::io::{self, BufRead, Read};

/// How an input is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Not at all.
    Whole,
    /// Into pieces of so many bytes.
    Every(usize),
    /// Into pieces of 1 to 40 bytes, their lengths derived from this number.
    Irregular(u32),
}

/// The ways that are set against [`Cut::Whole`].
pub(crate) fn cuts(document: &[u8]) -> [Cut; 3] {
    [Cut::Every(1), Cut::Every(7), Cut::Irregular(seed(document))]
}

/// A number that depends on the whole document (FNV-1a).
pub(crate) fn seed(document: &[u8]) -> u32 {
    document.iter().fold(0x811C_9DC5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// A document in pieces, one a fill.
pub(crate) struct Pieces<'d> {
    rest: &'d [u8],
    shown: usize,
    cut: Cut,
}

impl<'d> Pieces<'d> {
    pub(crate) fn new(document: &'d [u8], cut: Cut) -> Self {
        let mut pieces = Self { rest: document, shown: 0, cut };
        pieces.cut_next();
        pieces
    }

    fn cut_next(&mut self) {
        let wanted = match &mut self.cut {
            Cut::Whole => self.rest.len(),
            Cut::Every(size) => *size,
            Cut::Irregular(state) => {
                *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                1 + (*state >> 16) as usize % 40
            }
        };
        self.shown = wanted.min(self.rest.len());
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Pieces<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(&self.rest[..self.shown])
    }

    fn consume(&mut self, count: usize) {
        assert!(count <= self.shown, "{count} of {} bytes are consumed", self.shown);
        self.rest = &self.rest[count..];
        self.shown -= count;
        if self.shown == 0 {
            self.cut_next();
        }
    }
}
