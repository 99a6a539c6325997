//! The doors over HTTP/1.1: one for connected systems, one for the operator.

pub mod admin;
pub mod auth;
pub mod body;
pub mod guests;
pub mod listener;
pub(crate) mod patient;
mod peers;
pub mod problem;
pub mod public;
pub mod sdk;
