//! Archives and hostile packets that are made for tests and for the benchmark, the same in every run.

pub(crate) mod bombs;
pub(crate) mod crowds;
pub(crate) mod zip;
