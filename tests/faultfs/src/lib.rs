//! Functions of the C library that the gateway reaches its disk and clock through, each of which fails on command.
//!
//! Preloaded into one process. It acts below one folder only, and writes down, before it is done, how to undo everything
//! that was not synced: `acceptance::drill` undoes it, which is a power cut. What the files look like is said in
//! [`control`] and [`journal`]. Calls that Linux does without the C library's functions (rustix) are not seen.
//!
//! Every `unsafe` here stands for the same two facts: the arguments are those that the C library's function would have
//! been called with, and nothing here keeps a pointer after it returns.
#![allow(clippy::missing_safety_doc, reason = "each function is the C library's function of the same name")]
#![allow(unreachable_pub, reason = "the loader reaches them by name")]

mod control;
mod files;
mod journal;
mod layer;
mod names;
mod raw;
mod time;

/// What the loader calls before `main`.
#[used]
#[unsafe(link_section = ".init_array")]
static BEGIN: extern "C" fn() = layer::begin;
