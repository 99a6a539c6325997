//! Random XML documents and mutations of them, the same for a seed on every machine. Used by the tests of this crate, by
//! `oracles` and by `fuzz`, each by `#[path]`; it knows nothing of xml-sig.
#![allow(dead_code, reason = "each of its users needs a part of it")]

pub(crate) mod content;
pub(crate) mod document;
pub(crate) mod gaps;
pub(crate) mod mutate;
pub(crate) mod random;
pub(crate) mod respell;
pub(crate) mod signature;
pub(crate) mod tokens;
pub(crate) mod xmlsec1;
