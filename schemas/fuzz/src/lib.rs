//! What must hold of the crate for any input, as functions that panic when it does not; `src/bin` gives them to libFuzzer.
//! Two subjects: `packet`, `attachment`. The rest reads packets, makes archives and reads them in other ways.

pub mod attachment;
mod kept;
mod other_unzip;
pub mod packet;
mod read;
mod recipe;
mod round_trip;
