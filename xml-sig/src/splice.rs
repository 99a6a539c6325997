//! A document with a text put into it, read as one, so that what is verified and what is written go the same way.

use std::io::{self, BufRead, Read};

use openssl::sha::Sha256;

/// What is put into a document.
pub(crate) struct Splice {
    /// Where, in bytes from the start.
    pub(crate) at: u64,
    /// Bytes of the document that it stands for.
    pub(crate) replaced: u64,
    pub(crate) text: String,
}

/// Reads a document with a splice in it, and keeps count.
pub(crate) struct Spliced<'s> {
    source: Box<dyn BufRead + 's>,
    before: u64,
    text: &'s [u8],
    replaced: u64,
    sha256: Sha256,
    bytes: u64,
}

impl<'s> Spliced<'s> {
    pub(crate) fn new(source: Box<dyn BufRead + 's>, splice: &'s Splice) -> Self {
        Self {
            source,
            before: splice.at,
            text: splice.text.as_bytes(),
            replaced: splice.replaced,
            sha256: Sha256::new(),
            bytes: 0,
        }
    }

    /// How many bytes were read, and their SHA-256.
    pub(crate) fn finish(self) -> (u64, [u8; 32]) {
        (self.bytes, self.sha256.finish())
    }

    /// Passes over what the splice stands for, when its turn has come.
    fn pass_over(&mut self) -> io::Result<()> {
        while self.before == 0 && self.text.is_empty() && self.replaced > 0 {
            let there = self.source.fill_buf()?.len();
            let count = there.min(usize::try_from(self.replaced).unwrap_or(usize::MAX));
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.source.consume(count);
            self.replaced -= count as u64;
        }
        Ok(())
    }
}

impl BufRead for Spliced<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.pass_over()?;
        if self.before == 0 && !self.text.is_empty() {
            return Ok(self.text);
        }
        let buffer = self.source.fill_buf()?;
        match (self.before, buffer) {
            (0, buffer) => Ok(buffer),
            (_, []) => Err(io::ErrorKind::UnexpectedEof.into()),
            (before, buffer) => {
                Ok(&buffer[..buffer.len().min(usize::try_from(before).unwrap_or(usize::MAX))])
            }
        }
    }

    fn consume(&mut self, count: usize) {
        if self.before == 0 && !self.text.is_empty() {
            let (gone, left) = self.text.split_at(count);
            self.sha256.update(gone);
            self.text = left;
        } else {
            // The buffer is the one that was given out; were it another, the digest would tell.
            let buffer = self.source.fill_buf().unwrap_or_default();
            self.sha256.update(&buffer[..count.min(buffer.len())]);
            self.source.consume(count);
            self.before = self.before.saturating_sub(count as u64);
        }
        self.bytes += count as u64;
    }
}

impl Read for Spliced<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(to)?;
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use openssl::sha::sha256;

    use super::*;

    fn read(document: &'static [u8], splice: &Splice, chunk: usize) -> io::Result<(Vec<u8>, u64, [u8; 32])> {
        let mut spliced = Spliced::new(Box::new(BufReader::with_capacity(chunk, document)), splice);
        let mut all = Vec::new();
        spliced.read_to_end(&mut all)?;
        let (bytes, digest) = spliced.finish();
        Ok((all, bytes, digest))
    }

    #[test]
    fn the_text_stands_in_its_place_whatever_the_buffer() {
        for chunk in 1..12 {
            for (at, replaced, wanted) in [
                (0, 0, "XYZ0123456789"),
                (3, 0, "012XYZ3456789"),
                (3, 2, "012XYZ56789"),
                (8, 2, "01234567XYZ"),
                (10, 0, "0123456789XYZ"),
            ] {
                let splice = Splice { at, replaced, text: "XYZ".to_owned() };
                let (all, bytes, digest) = read(b"0123456789", &splice, chunk).unwrap();
                assert_eq!(String::from_utf8(all).unwrap(), wanted, "{chunk}");
                assert_eq!(bytes, wanted.len() as u64);
                assert_eq!(digest, sha256(wanted.as_bytes()));
            }
        }
    }

    #[test]
    fn a_document_too_short_for_the_place_is_an_error() {
        for (at, replaced) in [(11, 0), (9, 2), (10, 1)] {
            let splice = Splice { at, replaced, text: "XYZ".to_owned() };
            let error = read(b"0123456789", &splice, 4).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{at} {replaced}");
        }
    }
}
