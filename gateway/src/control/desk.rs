//! What an operator is answered, without sockets: the running gateway's routes ask here, and so does the command line
//! while the gateway is stopped.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use lienthong_monitoring::Metrics;
use lienthong_outbox::{Outbox, OutboxCheck};
use lienthong_pipeline::directory::Directory;
use lienthong_pipeline::operate::look::{self, Page, Shown, Wanted};
use lienthong_pipeline::operate::{By, Operate, Outcome, REASON_CHARS_MAX, Reason};
use lienthong_pipeline::ports::{Listing, Ports};
use lienthong_pipeline::record::AdapterKind;
use lienthong_pipeline::view::{self, DocumentView, Viewer};
use lienthong_schemas::ids::{DeliveryId, DocumentId};
use lienthong_schemas::safe_text::SafeText;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::{IDS_MAX, Trouble, TroubleCode};

/// Which gateway this is.
#[derive(Clone, Debug)]
pub struct About {
    /// Its program's version.
    pub version: &'static str,
    /// Its own code.
    pub node: String,
    /// Its name.
    pub name: String,
    /// When it was started; `None`: it is stopped.
    pub started_at: Option<Timestamp>,
}

/// Where answers come from.
pub struct Desk {
    /// Store, spool, broker, time.
    pub ports: Ports,
    /// The acts.
    pub operate: Operate,
    /// Who is at home where, of a gateway that runs.
    pub directory: Option<Arc<ArcSwap<Directory>>>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Which gateway.
    pub about: About,
    /// What can be checked while it is in use.
    pub outbox: Option<OutboxInUse>,
}

/// Store and spool of a gateway that runs; one check at a time.
pub struct OutboxInUse {
    store: Arc<Outbox>,
    turn: Semaphore,
}

impl OutboxInUse {
    /// Those of one gateway.
    pub fn new(store: Arc<Outbox>) -> Self {
        Self { store, turn: Semaphore::new(1) }
    }
}

/// How a gateway is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// The gateway's own code.
    pub node: String,
    /// Its name.
    pub name: String,
    /// Whether it runs.
    pub running: bool,
    /// Since when.
    pub started_at: Option<Timestamp>,
    /// For how long, in seconds.
    pub uptime_seconds: Option<u64>,
    /// When this was looked at.
    pub at: Timestamp,
    /// `ok`, or why the broker cannot be used.
    pub broker: String,
    /// Deliveries that are not in a final state.
    pub pending: u64,
    /// Of these, not yet acknowledged by the broker.
    pub unpublished: u64,
    /// When the oldest of them was accepted.
    pub oldest_pending: Option<Timestamp>,
    /// Dead letters; at most 10,000 are counted.
    pub dead_letters: u64,
    /// There are more than that.
    pub dead_letters_more: bool,
    /// Queues that are paused now, by adapter.
    pub paused: BTreeMap<String, u64>,
    /// Organisations in the directory.
    pub organisations: Option<u64>,
    /// Bytes of packets in the spool.
    pub spool_bytes: Option<u64>,
    /// What they may come to by intake.
    pub spool_quota: Option<u64>,
    /// Bytes free on its disk.
    pub disk_free: Option<u64>,
    /// When the directory was last read again and taken; `None`: not since the start.
    pub last_reload: Option<Timestamp>,
    /// Times that the directory was read again and taken since the start.
    pub reloads_applied: u64,
    /// Times that it was refused.
    pub reloads_refused: u64,
}

/// A request to do something to deliveries.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActRequest {
    /// To which; at most [`IDS_MAX`].
    pub ids: Vec<DeliveryId>,
    /// Why; 1 to 200 characters.
    pub reason: String,
}

/// One outcome for each delivery, in the order of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes {
    /// The outcomes.
    pub outcomes: Vec<Outcome>,
}

impl ActRequest {
    /// The request as it may be done by this operator.
    ///
    /// # Errors
    /// No id or too many, no reason or too long a one.
    pub fn checked(self, operator: &str) -> Result<(Vec<DeliveryId>, By), Trouble> {
        if !(1..=IDS_MAX).contains(&self.ids.len()) {
            return Err(Trouble::invalid(format_args!("ids: 1..={IDS_MAX}")));
        }
        let reason = Reason::parse(&self.reason);
        let reason = reason.ok_or_else(|| {
            Trouble::invalid(format_args!("reason: 1..={REASON_CHARS_MAX} ký tự / characters"))
        })?;
        Ok((self.ids, By { operator: operator.to_owned(), reason }))
    }
}

impl Desk {
    /// A page of a list.
    ///
    /// # Errors
    /// The page begins nowhere; our own trouble.
    pub async fn list(&self, listing: Listing, wanted: &Wanted) -> Result<Page, Trouble> {
        Ok(look::list(&self.ports, listing, wanted).await?)
    }

    /// One delivery.
    ///
    /// # Errors
    /// There is none; our own trouble.
    pub async fn delivery(&self, id: DeliveryId) -> Result<Shown, Trouble> {
        let directory = self.directory.as_ref().map(|directory| directory.load_full());
        let shown = look::show(&self.ports, directory.as_deref(), id).await?;
        shown.ok_or_else(|| Trouble::not_found("bản chuyển", "delivery"))
    }

    /// One document.
    ///
    /// # Errors
    /// There is none; our own trouble.
    pub async fn document(&self, id: DocumentId) -> Result<DocumentView, Trouble> {
        // An operator sees everything, whoever is at home where. Without a directory only successors are not known.
        let directory = self.directory.as_ref().map(|directory| directory.load_full()).unwrap_or_default();
        let view = view::document(&self.ports, &directory, id, Viewer::Operator).await?;
        view.ok_or_else(|| Trouble::not_found("văn bản", "document"))
    }

    /// Whether store and spool are whole and agree; with `deep` every packet is read.
    ///
    /// # Errors
    /// Somebody else's check is under way; our own trouble.
    pub async fn check(&self, deep: bool) -> Result<OutboxCheck, Trouble> {
        let Some(outbox) = &self.outbox else { return Err(Trouble::not_found("kho", "outbox")) };
        let Ok(turn) = outbox.turn.try_acquire() else {
            let (vi, en) = ("một lần kiểm tra khác đang chạy", "another check is under way");
            return Err(Trouble::new(TroubleCode::Busy, vi, en));
        };
        let check = outbox.store.check(deep).await;
        drop(turn);
        Ok(check?)
    }

    /// How the gateway is.
    ///
    /// # Errors
    /// Our own trouble.
    pub async fn status(&self) -> Result<Status, Trouble> {
        let stats = self.ports.store.stats().await?;
        let (dead_letters, dead_letters_more) = look::count_dead_letters(&self.ports).await?;
        let broker = self.ports.broker.ready().await;
        let at = self.ports.clock.now();
        let About { version, node, name, started_at } = self.about.clone();
        let uptime = started_at.map(|started_at| at.duration_since(started_at).unsigned_abs().as_secs());
        let paused = AdapterKind::ALL.map(AdapterKind::as_str).map(|adapter| {
            let paused = self.metrics.receivers_paused.of(adapter).value();
            (adapter.to_owned(), u64::try_from(paused).unwrap_or_default())
        });
        let reloads = |result| self.metrics.directory_reloads.of(result).value();
        let last_reload = i64::try_from(self.metrics.last_reload.value().as_secs()).unwrap_or_default();
        // A disk that does not say how full it is keeps nobody from looking at the rest.
        let usage = self.ports.spool.usage().await.ok();
        Ok(Status {
            version: version.to_owned(),
            node,
            name: SafeText::new(&name).into_string(),
            running: started_at.is_some(),
            started_at,
            uptime_seconds: uptime,
            at,
            broker: broker
                .err()
                .map_or_else(|| "ok".to_owned(), |fault| SafeText::new(&fault.to_string()).into_string()),
            pending: stats.pending,
            unpublished: stats.unpublished,
            oldest_pending: stats.oldest_pending,
            dead_letters,
            dead_letters_more,
            paused: paused.into(),
            organisations: self.directory.as_ref().map(|d| d.load().organisations().len() as u64),
            spool_bytes: usage.map(|usage| usage.bytes),
            spool_quota: usage.and_then(|usage| usage.quota),
            disk_free: usage.map(|usage| usage.disk_free),
            last_reload: Timestamp::from_second(last_reload).ok().filter(|_| last_reload > 0),
            reloads_applied: reloads("applied"),
            reloads_refused: reloads("refused"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_reasons_have_limits() {
        let request = |ids: usize, reason: &str| {
            let ids = vec!["0".repeat(32).parse().expect("an id"); ids];
            ActRequest { ids, reason: reason.to_owned() }.checked("lan")
        };
        let long = "ệ".repeat(REASON_CHARS_MAX);
        let (ids, by) = request(IDS_MAX, &format!("  {long}\n")).expect("within the limits");
        assert_eq!((ids.len(), by.reason.as_str()), (IDS_MAX, long.as_str()));
        let (_, by) = request(1, "a\u{1b}[2J\r\nb\u{202e}").expect("escaped, not refused");
        assert_eq!(by.reason.as_str(), "a\\u{1b}[2J\\u{d}\\u{a}b\\u{202e}");
        for (ids, reason) in [(0, "x"), (IDS_MAX + 1, "x"), (1, ""), (1, " \n"), (1, &(long + "x"))] {
            let trouble = request(ids, reason).expect_err("over a limit");
            assert_eq!(trouble.code, TroubleCode::RequestInvalid);
        }
    }
}
