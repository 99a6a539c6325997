//! The protocol between gateways, small enough to be explored to its last state: what every reachable state keeps, and that
//! everything comes to its end from each of them. `docs/model.md` says what is in it and what is not.

mod cluster;
mod explore;
mod faults;
mod follow;
pub mod properties;
pub mod state;
mod step;
mod tidy;

pub use cluster::{Action, Cluster, Mutation};
pub use explore::{Explored, Subject, broken, explore, whole};
pub use faults::Fault;
pub use step::Step;
