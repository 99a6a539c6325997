//! One module an idea; `world` is the ground that they stand on.

mod failing;
mod known;
mod order;
mod outages;
mod reports;
mod restarts;
mod routes;
mod turns;
mod world;
