//! Counts what was done to the gateway, and remembers what it did by itself that it should not have.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::disk::Cut;
use super::receivers::lock;

/// Counts by name, and complaints.
#[derive(Default)]
pub(super) struct Tally {
    counts: Mutex<BTreeMap<String, u64>>,
    complaints: Mutex<Vec<String>>,
}

impl Tally {
    /// One more of these.
    pub(super) fn count(&self, what: &str) {
        self.counts(what, 1);
    }

    /// More of these.
    pub(super) fn counts(&self, what: &str, count: u64) {
        *lock(&self.counts).entry(what.to_owned()).or_default() += count;
    }

    /// By name.
    pub(super) fn all(&self) -> BTreeMap<String, u64> {
        lock(&self.counts).clone()
    }

    /// What the gateway did by itself though nothing was wrong with its disk; forgotten with this.
    pub(super) fn take_complaints(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.complaints))
    }

    /// Something is wrong that no receipt shows.
    pub(super) fn complain(&self, text: String) {
        lock(&self.complaints).push(text);
    }

    pub(super) fn starts(&self) {
        self.count("gateway started");
    }

    pub(super) fn ended_by_itself(&self, how: &str, expected: bool) {
        self.count(if expected {
            "gateway ended by itself, its disk was bad"
        } else {
            "gateway ended by itself"
        });
        if !expected {
            self.complain(format!("the gateway ended by itself: {how}"));
        }
    }

    pub(super) fn start_failed(&self, why: &str, expected: bool) {
        self.count("start failed");
        if !expected {
            self.complain(format!("the gateway did not start: {why}"));
        }
    }

    pub(super) fn cut(&self, cut: &Cut) {
        self.count("power cut");
        self.counts("power cut: writes lost", cut.writes);
        self.counts("power cut: names lost", cut.names);
        self.counts("power cut: writes that the disk had made by itself", cut.kept);
    }
}
