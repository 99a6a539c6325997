//! The way of a document: decisions without sockets, files or a clock of its own.

pub mod crash;
pub mod ports;
pub mod record;
