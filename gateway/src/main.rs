//! The `lienthong` program.
fn main() {}
