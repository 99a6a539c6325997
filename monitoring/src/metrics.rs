//! The list of metrics. The doc comment of each is its help text.

use prometheus::process_collector::ProcessCollector;
use prometheus::{IntGauge, Opts, Registry, TextEncoder};

use crate::anomaly::Anomaly;
use crate::family::{Counter, CounterBy, CounterByTwo, Family, Gauge, GaugeBy, Seconds, SecondsBy, Timer};
use crate::step::Step;

/// What the name of every metric of ours begins with.
pub const METRIC_PREFIX: &str = "lienthong_";

macro_rules! metrics {
    ($( #[doc = $help:literal] $field:ident: $kind:ident = $name:literal $([$($label:literal),+])? ; )+) => {
        /// All metrics of one gateway, on a registry of their own.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            $( #[doc = $help] pub $field: $kind, )+
        }

        impl Metrics {
            /// Every metric at its start. `version` is shown as the label of `lienthong_build_info`.
            pub fn new(version: &'static str) -> Self {
                let registry = Registry::new();
                $(
                    let name = concat!("lienthong_", $name);
                    let $field = $kind::register(&registry, name, $help.trim(), &[$($($label),+)?]);
                )+
                let metrics = Self { registry, $($field),+ };
                metrics.about(version);
                metrics
            }
        }

        #[cfg(test)]
        const NAMES: &[(&str, &str)] = &[$( (concat!("lienthong_", $name), stringify!($kind)) ),+];
    };
}

metrics! {
    /// Documents accepted: on disk and receipted.
    accepted: Counter = "accepted_total";
    /// Documents refused, by the code of the rejection table.
    refused: CounterBy = "refused_total" ["code"];
    /// Deliveries that the receiver's side took, by adapter.
    delivered: CounterBy = "delivered_total" ["adapter"];
    /// Deliveries that reached a state, by state.
    settled: CounterBy = "settled_total" ["state"];
    /// Delivery attempts that failed, by adapter and class of failure.
    failed: CounterByTwo = "failed_attempts_total" ["adapter", "class"];
    /// Delivery attempts after the first one, by adapter.
    retries: CounterBy = "retries_total" ["adapter"];
    /// Deliveries put aside for the operator.
    parked: Counter = "parked_total";
    /// Deliveries given up after the time set.
    given_up: Counter = "given_up_total";
    /// Deliveries that are not in a final state.
    outbox_pending: Gauge = "outbox_pending";
    /// Deliveries that the broker has not acknowledged.
    outbox_unpublished: Gauge = "outbox_unpublished";
    /// 1 while the store takes documents; 0 while one that broke is built anew.
    outbox_up: Gauge = "outbox_up";
    /// Times that the store was built anew while the gateway ran.
    outbox_restarts: Counter = "outbox_restarts_total";
    /// Generations of the store: the one that is written, and those that still answer for their keys.
    outbox_generations: Gauge = "outbox_generations";
    /// Times that the store began its next generation.
    outbox_rotations: Counter = "outbox_rotations_total";
    /// Documents removed because they are kept no longer.
    pruned_documents: Counter = "pruned_documents_total";
    /// Bytes of packets removed with them.
    pruned_bytes: Counter = "pruned_bytes_total";
    /// Age of the oldest delivery that is not in a final state; 0 when there is none.
    oldest_pending: Seconds = "oldest_pending_seconds";
    /// Deliveries that are not over although they should be (delivery.late_after); at most 10000 are counted.
    late_deliveries: Gauge = "late_deliveries";
    /// Time spent in each step of a document's way.
    step_seconds: SecondsBy = "step_seconds" ["step"];
    /// Calls of the national SDK's operations, by operation and outcome.
    sdk_calls: CounterByTwo = "sdk_calls_total" ["operation", "outcome"];
    /// Addresses that a system with the SDK came from for the first time.
    sdk_new_sources: Counter = "sdk_new_sources_total";
    /// What waits in mailboxes, by list: documents, statuses; looked at once a minute.
    mailbox_waiting: GaugeBy = "mailbox_waiting" ["list"];
    /// Age of the receipt of the oldest that waits in a mailbox; 0 when nothing does.
    mailbox_oldest: Seconds = "mailbox_oldest_seconds";
    /// Uploads that are coming in.
    uploads_in_flight: Gauge = "uploads_in_flight";
    /// Receivers that are paused, by adapter.
    receivers_paused: GaugeBy = "receivers_paused" ["adapter"];
    /// Receivers that wait because the breaker of their system is open, by adapter.
    receivers_held: GaugeBy = "receivers_held" ["adapter"];
    /// Systems that nobody is tried at because they failed for several receivers in a row, by adapter.
    breakers_open: GaugeBy = "breakers_open" ["adapter"];
    /// Systems that one receiver is tried at for all that wait, by adapter.
    breakers_half_open: GaugeBy = "breakers_half_open" ["adapter"];
    /// Times that a system's breaker opened, by adapter.
    breaker_opened: CounterBy = "breaker_opened_total" ["adapter"];
    /// Bytes of packets in the spool, those that are coming in included.
    spool_bytes: Gauge = "spool_bytes";
    /// Bytes of packets above which documents are refused; 0 when there is no such limit.
    spool_quota: Gauge = "spool_quota_bytes";
    /// Bytes that are free for the gateway on the disk of the spool.
    disk_free: Gauge = "disk_free_bytes";
    /// 1 while the broker is connected and its streams are as they should be, else 0.
    broker_up: Gauge = "broker_up";
    /// Times that the broker of our own was started again.
    broker_restarts: Counter = "broker_restarts_total";
    /// 1 while packets of other gateways are left in the broker because the outbox is nearly full, by adapter.
    takeover_paused: GaugeBy = "takeover_paused" ["adapter"];
    /// Partitions of queues that this gateway dispatches for; all 64 where it is alone.
    partitions_held: Gauge = "partitions_held";
    /// Times that the broker's server refused something to this gateway by its permissions.
    broker_refusals: Counter = "broker_refusals_total";
    /// Puts into the Object Store whose chunks were removed because nobody had named them.
    blobs_swept: Counter = "blobs_swept_total";
    /// Looks at the mailbox of an axis, by result: answered, failed.
    axis_polls: CounterBy = "axis_polls_total" ["result"];
    /// Questions to axes what became of a packet of ours, by result: answered, failed.
    axis_asked: CounterBy = "axis_asked_total" ["result"];
    /// Packets that waited at an axis, by what became of them.
    axis_packets: CounterBy = "axis_packets_total" ["outcome"];
    /// Packets of axes that were not taken and wait for the operator.
    axis_quarantined: Gauge = "axis_quarantined";
    /// Unix time at which the axis last answered that has not for longest; 0 when none is polled.
    axis_polled: Seconds = "axis_polled_seconds";
    /// Looks at the agencies of an axis that are staged into the directory, by result: taken, waiting (for an operator), failed.
    axis_syncs: CounterBy = "axis_syncs_total" ["result"];
    /// Lists of axes that wait for an operator, because too many of their agencies are gone.
    agency_lists_waiting: Gauge = "agency_lists_waiting";
    /// Registrations and deletions of agencies that systems have asked for and no operator has decided.
    agency_requests_waiting: Gauge = "agency_requests_waiting";
    /// Times that the directory was read again, by result.
    directory_reloads: CounterBy = "directory_reloads_total" ["result"];
    /// Unix time by which the first revocation list of the settings must have been replaced; 0 when there is none.
    crl_next_update: Seconds = "crl_next_update_seconds";
    /// When the directory was last read again and taken, in seconds since 1970; 0: not since the start.
    last_reload: Seconds = "last_reload_seconds";
    /// Packets delivered although they do not fit what was said of their document before, by kind.
    anomalies: CounterBy = "anomalies_total" ["kind"];
    /// Senders told of what was given up, by packet or mail, by result: told, refused (for good), failed (tried again).
    notices: CounterBy = "sender_notices_total" ["result"];
    /// Things that operators did to deliveries by hand, by act.
    operator_acts: CounterBy = "operator_acts_total" ["act"];
}

impl Metrics {
    /// Starts the measurement of a step; it ends when the timer is dropped.
    pub fn timer(&self, step: Step) -> Timer {
        self.step_seconds.timer(step.as_str())
    }

    /// All metrics in the Prometheus text format (version 0.0.4).
    pub fn render(&self) -> String {
        let encoded = TextEncoder::new().encode_to_string(&self.registry.gather());
        encoded.unwrap_or_else(|cause| {
            tracing::error!(%cause, "metrics cannot be encoded");
            String::new()
        })
    }

    /// What is known at start: version, process, and series that are to be seen from the first scrape.
    fn about(&self, version: &'static str) {
        let options = Opts::new(format!("{METRIC_PREFIX}build_info"), "Always 1; the version is a label.");
        let registered = IntGauge::with_opts(options.const_label("version", version)).and_then(|build| {
            build.set(1);
            self.registry.register(Box::new(build))?;
            self.registry.register(Box::new(ProcessCollector::for_self()))
        });
        registered.expect("no metric of the list is called build_info or process_*");
        self.step_seconds.declare(Step::ALL.map(Step::as_str));
        self.anomalies.declare(Anomaly::ALL.map(Anomaly::as_str));
        self.directory_reloads.declare(["applied", "refused"]);
        self.axis_polls.declare(["answered", "failed"]);
        self.axis_asked.declare(["answered", "failed"]);
        self.axis_syncs.declare(["taken", "waiting", "failed"]);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    /// A registry on which everything has happened once, so that every family is rendered.
    fn busy() -> Metrics {
        let metrics = Metrics::new("0.0.0-test");
        metrics.accepted.inc();
        metrics.refused.of("SIGNATURE_INVALID").inc();
        metrics.delivered.of("vendor_http").add(2);
        metrics.settled.of("received").inc();
        metrics.failed.of("vendor_http", "receiver").inc();
        metrics.retries.of("vendor_http").inc();
        metrics.outbox_pending.set(3);
        metrics.oldest_pending.set(std::time::Duration::from_millis(1_500));
        metrics.receivers_paused.of("vendor_http").set(1);
        metrics.receivers_held.of("vendor_http").set(1);
        metrics.breakers_open.of("vendor_http").set(1);
        metrics.breakers_half_open.of("vendor_http").set(1);
        metrics.breaker_opened.of("vendor_http").inc();
        metrics.takeover_paused.of("vendor_http").set(1);
        metrics.notices.of("told").inc();
        metrics.operator_acts.of("retry").inc();
        metrics.axis_packets.of("taken").inc();
        metrics.sdk_calls.of("getEdoc", "ok").inc();
        metrics.mailbox_waiting.of("documents").set(1);
        drop(metrics.timer(Step::Verify));
        metrics
    }

    #[test]
    fn every_metric_is_rendered_with_its_help() {
        let text = busy().render();
        for (name, _) in NAMES {
            assert!(text.contains(&format!("# HELP {name} ")), "{name} is missing in:\n{text}");
        }
        for line in [
            "lienthong_accepted_total 1",
            "lienthong_refused_total{code=\"SIGNATURE_INVALID\"} 1",
            "lienthong_delivered_total{adapter=\"vendor_http\"} 2",
            "lienthong_failed_attempts_total{adapter=\"vendor_http\",class=\"receiver\"} 1",
            "lienthong_oldest_pending_seconds 1.5",
            "lienthong_crl_next_update_seconds 0",
            "lienthong_step_seconds_count{step=\"verify\"} 1",
            "lienthong_step_seconds_count{step=\"report\"} 0",
            "lienthong_anomalies_total{kind=\"status_unexpected\"} 0",
            "lienthong_directory_reloads_total{result=\"refused\"} 0",
            "lienthong_build_info{version=\"0.0.0-test\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in:\n{text}");
        }
        assert!(text.contains("process_resident_memory_bytes"));
    }

    #[test]
    fn counters_end_in_total_and_lengths_in_seconds() {
        for (name, kind) in NAMES {
            assert_eq!(name.ends_with("_total"), kind.starts_with("Counter"), "{name}");
            assert_eq!(name.ends_with("_seconds"), kind.starts_with("Seconds"), "{name}");
        }
    }

    #[test]
    fn two_gateways_in_one_process_count_apart() {
        let (one, two) = (busy(), Metrics::new("0.0.0-test"));
        assert_eq!((one.accepted.value(), two.accepted.value()), (1, 0));
    }

    #[test]
    fn promtool_finds_nothing_to_say() {
        let child = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut child) = child else {
            println!("SKIPPED: promtool absent (Debian package prometheus; ./check installs it)");
            return;
        };
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(busy().render().as_bytes()).expect("promtool reads");
        drop(stdin);
        let output = child.wait_with_output().expect("promtool ends");
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.trim().is_empty(), "promtool: {said}");
    }
}
