//! What must hold of the crate for any input, as functions that panic when it does not; `src/bin` gives them to libFuzzer.
//! Four subjects: `reader`, `canonicaliser`, `signature`, `verify`. The rest makes documents and cuts inputs.

mod apex;
pub mod canonicaliser;
pub mod edits;
mod judge;
pub mod markup;
mod other_canonicaliser;
mod other_reader;
mod other_verifier;
mod pieces;
pub mod reader;
mod record;
pub mod signature;
mod signer;
pub mod verify;
