//! Every metric once, with its help text ([`Metrics`]), and the set-up of logs ([`logs`]).
//! Labels are `&'static str`: they come from enums and tables, never from what somebody sent.

mod anomaly;
mod family;
pub mod logs;
mod metrics;
mod step;

pub use anomaly::Anomaly;
pub use family::{Counter, CounterBy, CounterByTwo, Gauge, GaugeBy, Seconds, SecondsBy, Timer};
pub use metrics::{METRIC_PREFIX, Metrics};
pub use step::Step;
