//! The way of a document inside one process: the real pipeline over stores, broker and receivers in memory, with a clock
//! that is moved by hand. What needs processes, sockets or a real server is in the other files beside this one.
#![allow(clippy::panic, clippy::print_stdout, reason = "this is test code, though not in test functions")]

mod pipeline;
