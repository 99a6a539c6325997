//! The document interconnection gateway: wiring, HTTP and command line. What happens to a document is decided in
//! `lienthong-pipeline`; here it gets its sockets, files and clock.

pub mod cli;
pub mod control;
pub mod demo;
pub mod http;
pub mod rolls;
pub mod serve;
