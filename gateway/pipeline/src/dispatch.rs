//! The way out: one loop an adapter (ARCHITECTURE.md, steps 10 to 12). It listens for news of queues, gives turns as
//! `schedule` says, and learns from them; what a turn is stands in `attempt`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use lienthong_monitoring::Metrics;
use lienthong_schemas::organ::ReceiverToken;
use tokio::task::{JoinError, JoinSet};

use crate::attempt::{Call, Ended, Known, Shared, Turn};
use crate::axis_lists::AxisLists;
use crate::clock::after;
use crate::directory::Directory;
use crate::partitions::Partitions;
use crate::ports::{Adapter, Fault, Ports};
use crate::record::{BootId, Lane};
use crate::schedule::{Errand, Report, Schedule};
use crate::settle::Settle;
use crate::tasks::Tasks;
use crate::wakes::{News, Wakes};

pub use crate::breaker::OPENS_AFTER;
pub use crate::retry::{DispatchPolicy, LinePolicy, Policies};

/// All queues are looked for this often. Every change names its queue, so this finds what a lost word left behind.
const LOOK_FOR_ALL_EVERY: Duration = Duration::from_secs(600);
/// A store that fails is asked again after this, and after twice as long each further time.
const STORE_AGAIN_FIRST: Duration = Duration::from_millis(500);
const STORE_AGAIN_MOST: Duration = Duration::from_secs(5);
/// Notes that the spool did not take are tried again after this, if nothing happens before.
const NOTES_EVERY: Duration = Duration::from_secs(5);

/// One adapter's loop. A receiver here is a queue ([`crate::record::Route::queue`]).
pub struct Dispatch {
    shared: Arc<Shared>,
    wakes: Wakes,
    schedule: Schedule,
    known: HashMap<ReceiverToken, Known>,
    turns: JoinSet<Ended>,
    /// Of queues that have a turn.
    calls: HashMap<ReceiverToken, (Errand, Call)>,
    look_for_all: Timestamp,
    /// What is known of the queues is to be learnt anew at the next look for all.
    anew: bool,
    /// Nothing is begun before this time: the store failed.
    rest_until: Option<Timestamp>,
    rest: Duration,
    /// The latest time seen; an earlier one means that the clock was set back.
    seen: Timestamp,
}

impl Dispatch {
    /// The loop of one adapter, in this life of the gateway. Other policies count from the next attempt on.
    pub fn new(
        ports: Ports,
        directory: Arc<ArcSwap<Directory>>,
        adapter: Arc<dyn Adapter>,
        policies: Arc<ArcSwap<Policies>>,
        metrics: Arc<Metrics>,
        wakes: Wakes,
        boot: BootId,
    ) -> Self {
        let settle = Arc::new(Settle::new(ports.clone(), metrics.clone(), wakes.clone()));
        let schedule = Schedule::new(policies.load().all.concurrent);
        let now = ports.clock.now();
        let breakers = Mutex::default();
        let began = now;
        let (lists, partitions) = (Arc::default(), Arc::new(Partitions::alone()));
        let shared = Shared {
            ports,
            directory,
            adapter,
            policies,
            metrics,
            settle,
            breakers,
            lists,
            partitions,
            boot,
            began,
        };
        Self {
            shared: Arc::new(shared),
            wakes,
            schedule,
            known: HashMap::new(),
            turns: JoinSet::new(),
            calls: HashMap::new(),
            look_for_all: now,
            anew: true,
            rest_until: None,
            rest: STORE_AGAIN_FIRST,
            seen: now,
        }
    }

    /// The same, with the lists of axes to look receivers up in that an axis does not know; to be called before it runs.
    /// Without, nobody is refused because of that.
    pub fn with_lists(mut self, lists: Arc<AxisLists>) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.lists = lists;
        }
        self
    }

    /// The same, of one of several gateways; to be called before it runs.
    pub fn among(mut self, partitions: Arc<Partitions>) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.partitions = partitions;
        }
        self
    }

    /// Runs until shutdown; attempts that are under way then are cut, and repeated with the same ids, but what receivers
    /// have said by then is written.
    ///
    /// # Errors
    /// Only when the store has ended.
    pub async fn run(mut self, tasks: Tasks) -> Result<(), Fault> {
        while !tasks.is_stopping() {
            let due = self.round(&tasks).await?;
            tokio::select! {
                () = self.wakes.dispatch(self.shared.adapter.kind()) => {}
                () = self.shared.ports.clock.sleep_until(due) => {}
                Some(ended) = self.turns.join_next() => {
                    self.ended(ended)?;
                    while let Some(ended) = self.turns.try_join_next() {
                        self.ended(ended)?;
                    }
                }
                () = tasks.stopped() => break,
            }
        }
        while let Some(ended) = self.turns.join_next().await {
            self.ended(ended)?;
        }
        Ok(())
    }

    /// Begins what is due and returns when to look again.
    async fn round(&mut self, tasks: &Tasks) -> Result<Timestamp, Fault> {
        let now = self.shared.ports.clock.now();
        self.notice_time(now);
        self.schedule.resize(self.shared.policies.load().all.concurrent);
        if self.wakes.take_replaced(self.shared.adapter.kind()) {
            self.look_anew(now);
        }
        for (queue, news) in self.wakes.take_news(self.shared.adapter.kind()) {
            self.hear(&queue, news, now);
        }
        self.shared.settle.write_notes().await;
        if self.rest_until.is_none_or(|until| until <= now) {
            self.rest_until = None;
            self.look_for_all(now).await?;
        }
        if self.rest_until.is_none() {
            self.schedule.pass(now);
            self.release(now);
            while let Some(turn) = self.schedule.next() {
                let known = self.known.remove(&turn.queue).unwrap_or_default();
                let most = turn.most;
                let (shared, tasks, called) = (self.shared.clone(), tasks.clone(), Call::default());
                self.calls.insert(turn.queue.clone(), (turn.errand, called.clone()));
                self.turns
                    .spawn(Turn { shared, tasks, queue: turn.queue, known, called, most }.take(turn.errand));
            }
        }
        self.show();
        Ok(self.next_time())
    }

    /// After a clock was set back, times that were noted before say nothing.
    fn notice_time(&mut self, now: Timestamp) {
        if now < self.seen {
            tracing::warn!(from = %self.seen, to = %now, "the clock was set back");
            self.schedule.forget(now);
            self.look_for_all = now;
            self.rest_until = self.rest_until.map(|_| now);
        }
        self.seen = now;
    }

    fn hear(&mut self, queue: &ReceiverToken, news: News, now: Timestamp) {
        if let Some((errand, call)) = self.calls.get(queue) {
            let overtakes = news.arrived[Lane::Urgent as usize] && *errand == Errand::Serve(Lane::Normal);
            if overtakes || news.changed || news.resumed {
                call.call();
            }
        }
        if news.changed {
            self.schedule.changed(queue);
        }
        for lane in Lane::ALL.into_iter().filter(|lane| news.arrived[*lane as usize]) {
            self.schedule.arrived(queue, lane);
        }
        if news.resumed {
            self.shared.breakers().hasten(queue, now);
            self.schedule.resumed(queue);
        }
    }

    /// Looks for every queue, where that is due.
    async fn look_for_all(&mut self, now: Timestamp) -> Result<(), Fault> {
        if now < self.look_for_all {
            return Ok(());
        }
        match self.shared.ports.store.receivers(self.shared.adapter.kind()).await {
            Ok(queues) => {
                if std::mem::take(&mut self.anew) {
                    self.schedule.forget(now);
                }
                queues.iter().for_each(|queue| self.schedule.found(queue));
                self.look_for_all = after(now, LOOK_FOR_ALL_EVERY);
                self.rest = STORE_AGAIN_FIRST;
                Ok(())
            }
            Err(fault) => self.store_failed(fault),
        }
    }

    /// A store that comes back may be another one: what was known of its queues is forgotten.
    fn store_failed(&mut self, fault: Fault) -> Result<(), Fault> {
        if fault.fatal {
            return Err(fault);
        }
        let now = self.shared.ports.clock.now();
        if self.rest_until.is_none_or(|until| until <= now) {
            tracing::warn!(%fault, adapter = self.shared.adapter.kind().as_str(), "the store does not answer");
            self.rest_until = Some(after(now, self.rest));
            self.rest = (self.rest * 2).min(STORE_AGAIN_MOST);
        }
        self.look_anew(now);
        Ok(())
    }

    fn look_anew(&mut self, now: Timestamp) {
        self.known.values_mut().for_each(Known::forget);
        (self.look_for_all, self.anew) = (now, true);
    }

    /// Lets those come again that waited for a breaker.
    fn release(&mut self, now: Timestamp) {
        let mut breakers = self.shared.breakers();
        loop {
            let due = breakers.due(now);
            if due.is_empty() {
                return;
            }
            for queue in due {
                if !self.schedule.released(&queue) {
                    breakers.pass(&queue, now);
                }
            }
        }
    }

    fn ended(&mut self, ended: Result<Ended, JoinError>) -> Result<(), Fault> {
        let Ended { queue, known, outcome } = ended.map_err(|panic| Fault::new("dispatch", panic))?;
        self.shared.breakers().pass(&queue, self.shared.ports.clock.now());
        self.calls.remove(&queue);
        let report = match outcome {
            Ok(report) => report,
            Err(fault) => {
                self.store_failed(fault)?;
                Report::default()
            }
        };
        self.schedule.ended(&queue, report);
        if self.schedule.knows(&queue) {
            self.known.insert(queue, known);
        }
        Ok(())
    }

    fn next_time(&self) -> Timestamp {
        if let Some(until) = self.rest_until {
            return until;
        }
        let notes = self.shared.settle.has_notes().then(|| after(self.seen, NOTES_EVERY));
        let times = [self.schedule.next_time(), self.shared.breakers().next(), notes];
        times.into_iter().flatten().fold(self.look_for_all, Timestamp::min)
    }

    fn show(&self) {
        let (metrics, adapter) = (&self.shared.metrics, self.shared.adapter.kind().as_str());
        let count = self.shared.breakers().count();
        metrics.receivers_paused.of(adapter).set(self.schedule.paused());
        metrics.receivers_held.of(adapter).set(count.waiting);
        metrics.breakers_open.of(adapter).set(count.open);
        metrics.breakers_half_open.of(adapter).set(count.half_open);
    }
}
