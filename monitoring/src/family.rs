//! The kinds of metric, so that no other crate names a metrics library and no label is a text of somebody else's.

use prometheus::core::Collector;
use prometheus::{
    Gauge as FloatGauge, Histogram, HistogramOpts, HistogramTimer, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, IntGaugeVec, Opts, Registry,
};

/// Upper bounds of the histogram of seconds: from a parsed header to a 100 MB upload over a thin line.
const SECONDS_BUCKETS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// A kind of metric that is registered under a name, with help and labels.
pub(crate) trait Family: Sized {
    /// Registers it. The list in `metrics.rs` is the only caller; its test reads every line of it.
    fn register(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Self;
}

const DECLARED_ONCE: &str = "each metric of the list has a name of its own and well-formed labels";

fn registered<C: Collector + Clone + 'static>(registry: &Registry, metric: prometheus::Result<C>) -> C {
    let metric = metric.expect(DECLARED_ONCE);
    registry.register(Box::new(metric.clone())).expect(DECLARED_ONCE);
    metric
}

/// Counts events.
#[derive(Clone, Debug)]
pub struct Counter(IntCounter);

impl Counter {
    /// One more.
    pub fn inc(&self) {
        self.0.inc();
    }

    /// So many more.
    pub fn add(&self, events: u64) {
        self.0.inc_by(events);
    }

    /// The count so far.
    pub fn value(&self) -> u64 {
        self.0.get()
    }
}

impl Family for Counter {
    fn register(registry: &Registry, name: &str, help: &str, _: &[&str]) -> Self {
        Self(registered(registry, IntCounter::new(name, help)))
    }
}

/// Counts events by one label.
#[derive(Clone, Debug)]
pub struct CounterBy(IntCounterVec);

impl CounterBy {
    /// The counter of one label.
    pub fn of(&self, label: &'static str) -> Counter {
        Counter(self.0.with_label_values(&[label]))
    }

    /// Shows these labels with 0 until something happens, so that alerts see the first event as a rise.
    pub fn declare(&self, labels: impl IntoIterator<Item = &'static str>) {
        labels.into_iter().for_each(|label| drop(self.of(label)));
    }
}

impl Family for CounterBy {
    fn register(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Self {
        Self(registered(registry, IntCounterVec::new(Opts::new(name, help), labels)))
    }
}

/// Counts events by two labels.
#[derive(Clone, Debug)]
pub struct CounterByTwo(IntCounterVec);

impl CounterByTwo {
    /// The counter of one pair of labels, in the order of their declaration.
    pub fn of(&self, first: &'static str, second: &'static str) -> Counter {
        Counter(self.0.with_label_values(&[first, second]))
    }
}

impl Family for CounterByTwo {
    fn register(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Self {
        Self(registered(registry, IntCounterVec::new(Opts::new(name, help), labels)))
    }
}

/// A whole number that goes up and down.
#[derive(Clone, Debug)]
pub struct Gauge(IntGauge);

impl Gauge {
    /// Sets it; numbers beyond 2⁶³ stay there.
    pub fn set(&self, value: u64) {
        self.0.set(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// One more.
    pub fn inc(&self) {
        self.0.inc();
    }

    /// One less.
    pub fn dec(&self) {
        self.0.dec();
    }

    /// The number now.
    pub fn value(&self) -> i64 {
        self.0.get()
    }
}

impl Family for Gauge {
    fn register(registry: &Registry, name: &str, help: &str, _: &[&str]) -> Self {
        Self(registered(registry, IntGauge::new(name, help)))
    }
}

/// Whole numbers that go up and down, by one label.
#[derive(Clone, Debug)]
pub struct GaugeBy(IntGaugeVec);

impl GaugeBy {
    /// The number of one label.
    pub fn of(&self, label: &'static str) -> Gauge {
        Gauge(self.0.with_label_values(&[label]))
    }
}

impl Family for GaugeBy {
    fn register(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Self {
        Self(registered(registry, IntGaugeVec::new(Opts::new(name, help), labels)))
    }
}

/// A length of time that goes up and down.
#[derive(Clone, Debug)]
pub struct Seconds(FloatGauge);

impl Seconds {
    /// Sets it, in seconds.
    pub fn set(&self, length: std::time::Duration) {
        self.0.set(length.as_secs_f64());
    }

    /// The length now; zero for what is no length.
    pub fn value(&self) -> std::time::Duration {
        std::time::Duration::try_from_secs_f64(self.0.get()).unwrap_or_default()
    }
}

impl Family for Seconds {
    fn register(registry: &Registry, name: &str, help: &str, _: &[&str]) -> Self {
        Self(registered(registry, FloatGauge::new(name, help)))
    }
}

/// How long things took, by one label.
#[derive(Clone, Debug)]
pub struct SecondsBy(HistogramVec);

impl SecondsBy {
    /// Starts a measurement, which ends when the timer is dropped.
    pub fn timer(&self, label: &'static str) -> Timer {
        Timer { _ends_on_drop: self.of(label).start_timer() }
    }

    /// Notes a length that was measured elsewhere.
    pub fn observe(&self, label: &'static str, length: std::time::Duration) {
        self.of(label).observe(length.as_secs_f64());
    }

    fn of(&self, label: &'static str) -> Histogram {
        self.0.with_label_values(&[label])
    }

    pub(crate) fn declare(&self, labels: impl IntoIterator<Item = &'static str>) {
        labels.into_iter().for_each(|label| drop(self.of(label)));
    }
}

impl Family for SecondsBy {
    fn register(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Self {
        let options = HistogramOpts::new(name, help).buckets(SECONDS_BUCKETS.to_vec());
        Self(registered(registry, HistogramVec::new(options, labels)))
    }
}

/// A running measurement. It is noted when this is dropped, also on an early return.
#[must_use = "the measurement ends when the timer is dropped"]
pub struct Timer {
    _ends_on_drop: HistogramTimer,
}
