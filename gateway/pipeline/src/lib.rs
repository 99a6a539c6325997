//! The way of a document: decisions without sockets or a clock of its own. Read `intake` (in), `relay` (to the broker),
//! `takeover` and `dispatch` (out), `report` (back to the sender), in this order.

mod acknowledged;
mod attempt;
mod breaker;
mod compose;
mod consign;
mod names;
mod recall;
mod retry;
mod schedule;
mod settle;

pub mod adopt;
pub mod axis_lists;
pub mod clock;
pub mod crash;
pub mod directory;
pub mod dispatch;
pub mod examine;
pub mod follow;
pub mod fullness;
pub mod intake;
pub mod late;
pub mod mailbox;
pub mod operate;
pub mod partitions;
pub mod poll;
pub mod ports;
pub mod queue;
pub mod recognise;
pub mod record;
pub mod relay;
pub mod report;
pub mod route;
pub mod standing;
pub mod takeover;
pub mod tasks;
pub mod tidings;
pub mod trust;
pub mod turns;
pub mod view;
pub mod wakes;
