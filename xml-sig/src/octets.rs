//! What takes canonical octets: a hash, or a bounded buffer. A failure is remembered and never becomes a digest.

use openssl::hash::{Hasher, MessageDigest};

use crate::c14n::Octets;

/// Small pieces are gathered up to this size before they are hashed.
const GATHER_BYTES: usize = 16 << 10;

/// Hashes.
pub(crate) struct Hashing {
    hasher: Option<Hasher>,
    gathered: Vec<u8>,
}

impl Hashing {
    pub(crate) fn new(digest: MessageDigest) -> Self {
        Self { hasher: Hasher::new(digest).ok(), gathered: Vec::with_capacity(GATHER_BYTES) }
    }

    /// The digest; `None` when the hash failed anywhere.
    pub(crate) fn finish(mut self) -> Option<Vec<u8>> {
        self.flush();
        self.hasher?.finish().ok().map(|digest| digest.to_vec())
    }

    /// Takes what does not fit beside what was gathered.
    fn put_more(&mut self, octets: &[u8]) {
        self.flush();
        if octets.len() < GATHER_BYTES {
            self.gathered.extend_from_slice(octets);
        } else if let Some(hasher) = &mut self.hasher
            && hasher.update(octets).is_err()
        {
            self.hasher = None;
        }
    }

    fn flush(&mut self) {
        if let Some(hasher) = &mut self.hasher
            && hasher.update(&self.gathered).is_err()
        {
            self.hasher = None;
        }
        self.gathered.clear();
    }
}

impl Octets for Hashing {
    #[inline]
    fn put(&mut self, octets: &[u8]) {
        if octets.len() <= GATHER_BYTES - self.gathered.len() {
            return self.gathered.extend_from_slice(octets);
        }
        self.put_more(octets);
    }
}

/// Keeps up to a number of octets.
pub(crate) struct Bounded {
    octets: Vec<u8>,
    max: usize,
    over: bool,
}

impl Bounded {
    pub(crate) fn new(max: usize) -> Self {
        Self { octets: Vec::new(), max, over: false }
    }

    /// All octets; `None` when there were more than allowed.
    pub(crate) fn into_inner(self) -> Option<Vec<u8>> {
        if self.over { None } else { Some(self.octets) }
    }
}

impl Octets for Bounded {
    fn put(&mut self, octets: &[u8]) {
        if self.over || self.octets.len() + octets.len() > self.max {
            self.over = true;
        } else {
            self.octets.extend_from_slice(octets);
        }
    }
}
