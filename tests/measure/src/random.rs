//! Bytes that cannot be compressed, the same in every run.

use std::io::{self, Read};

/// Characters of base64 without end, as a compressed file gives them (xorshift64).
pub struct Base64 {
    state: u64,
}

impl Default for Base64 {
    fn default() -> Self {
        Self { state: 0x9E37_79B9_7F4A_7C15 }
    }
}

impl Read for Base64 {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for piece in out.chunks_mut(10) {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            for (at, byte) in piece.iter_mut().enumerate() {
                *byte = ALPHABET[(self.state >> (6 * at)) as usize % 64];
            }
        }
        Ok(out.len())
    }
}
