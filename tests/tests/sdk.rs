//! The door for systems that have the national SDK built in, over the running gateway, asked by a client of its own that
//! knows nothing but the protocol.

#[path = "sdk/day.rs"]
mod day;
#[path = "sdk/ground.rs"]
mod ground;
#[path = "sdk/hostile.rs"]
mod hostile;
#[path = "sdk/large.rs"]
mod large;
#[path = "sdk/lists.rs"]
mod lists;
#[path = "sdk/mailbox.rs"]
mod mailbox;
#[path = "sdk/ping.rs"]
mod ping;
#[path = "sdk/register.rs"]
mod register;
#[path = "sdk/submit.rs"]
mod submit;
