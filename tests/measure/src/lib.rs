//! What measuring programs share: the conditions of a run, turns, medians and ranges, the time and memory that a process
//! took, what was asked for. The benchmarks of XML signatures and of packets are programs of this crate; the one that
//! starts a gateway is in `acceptance`.

pub mod conditions;
pub mod figures;
pub mod least;
pub mod process;
pub mod random;
pub mod turns;
pub mod wanted;

/// Prints a line of data. A reader that went away (`| head`) is no fault.
pub fn print(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n"));
    drop(written);
}
