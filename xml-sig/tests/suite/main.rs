//! The crate through its front door. One test binary, one module a subject; `support` makes keys and documents.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the helpers of tests are tests too; clippy.toml allows it in #[test] functions only"
)]

mod answers;
mod apex;
mod bound;
mod by_id;
mod certificates;
mod corpus;
mod coverage;
mod differential;
mod enveloping;
mod fuzzed;
#[path = "../generate/mod.rs"]
mod generate;
mod hostile_trust;
mod keys;
mod mutate;
mod ocsp;
mod parts;
mod pieces;
mod profile;
mod reach;
mod reader;
mod revocation;
mod sign;
mod support;
mod survey;
mod trust;
mod vectors;
mod verify;
mod xmlsec1;
