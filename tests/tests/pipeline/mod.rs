//! One module an idea; `world` is the ground that they stand on.

mod agencies;
mod axis_failing;
mod axis_large;
mod axis_order;
mod codes;
mod consignments;
mod cuts;
mod failing;
mod fan_out;
mod hooks;
mod known;
mod late;
mod log;
mod operate;
mod order;
mod outages;
mod parked;
mod recall;
mod reports;
mod restarts;
mod routes;
mod states;
mod takeovers;
mod turns;
mod watched;
mod world;
