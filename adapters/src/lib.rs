//! The ways out to receivers: modules of one shape.
//!
//! An adapter is a folder: `mod.rs` (what the outside system is and what it must do), `outlet.rs` (the attempt),
//! `inlet.rs` if it also receives, `wire.rs` (bytes in and out, no I/O), `tests.rs`. It implements
//! [`lienthong_pipeline::ports::Adapter`], passes [`contract::holds`], tries once, and knows no other adapter.

pub mod contract;
pub mod email;
pub mod endpoint;
mod failure;
mod http;
pub mod mailbox;
pub mod national_axis;
mod packet;
#[cfg(test)]
mod parcel;
mod tls;
pub mod vendor_http;
