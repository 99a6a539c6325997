//! What an operator is answered, without sockets: the running gateway's routes ask here, and so does the command line
//! while the gateway is stopped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use lienthong_monitoring::Metrics;
use lienthong_outbox::{Outbox, OutboxCheck};
use lienthong_pipeline::adopt::Adopt;
use lienthong_pipeline::clock::after;
use lienthong_pipeline::directory::Directory;
use lienthong_pipeline::mailbox::{Mailboxes, Overview};
use lienthong_pipeline::operate::look::{self, Line, Page, Shown, Wanted};
use lienthong_pipeline::operate::{Act, By, Operate, Outcome, Pass, REASON_CHARS_MAX, Reason, Target};
use lienthong_pipeline::ports::{Listing, Ports};
use lienthong_pipeline::record::AdapterKind;
use lienthong_pipeline::view::{self, Anywhere, DocumentView, Viewer};
use lienthong_schemas::ids::{DeliveryId, DocumentId};
use lienthong_schemas::safe_text::SafeText;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::agencies::Staged;
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
    /// After so long a delivery that is not over is late.
    pub late_after: Duration,
    /// What can be checked while it is in use.
    pub outbox: Option<OutboxInUse>,
    /// What stands beside the directory file, of a gateway that runs.
    pub staged: Option<Staged>,
    /// What waits for systems that fetch, of a gateway that runs.
    pub mailboxes: Option<Arc<Mailboxes>>,
    /// The other gateways, where there are some and this one runs.
    pub adopt: Option<Adopt>,
    /// Documents of all gateways, of one that runs.
    pub anywhere: Option<Arc<Anywhere>>,
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

/// What an operator may ask for, as the last part of an address and of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// [`Act::Retry`].
    Retry,
    /// [`Act::Requeue`].
    Requeue,
    /// [`Act::GiveUp`].
    GiveUp,
    /// [`Act::Reroute`].
    Reroute,
}

impl Verb {
    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Requeue => "requeue",
            Self::GiveUp => "give-up",
            Self::Reroute => "reroute",
        }
    }

    fn act(self, to: Option<Target>) -> Result<Act, Trouble> {
        match (self, to) {
            (Self::Reroute, to) => Ok(Act::Reroute(to.unwrap_or(Target::Directory))),
            (_, Some(_)) => Err(Trouble::invalid("to: chỉ dùng với reroute / only with reroute")),
            (Self::Retry, None) => Ok(Act::Retry),
            (Self::Requeue, None) => Ok(Act::Requeue),
            (Self::GiveUp, None) => Ok(Act::GiveUp),
        }
    }
}

/// A request to do something to deliveries: to these, or to one page of those that a filter names.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActRequest {
    /// To which; at most [`IDS_MAX`].
    #[serde(default)]
    pub ids: Vec<DeliveryId>,
    /// Or to at most [`PASS_MAX`](lienthong_pipeline::operate::PASS_MAX) of those in the list of the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Wanted>,
    /// Of a reroute: where to; the directory decides without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Target>,
    /// Why; 1 to 200 characters.
    pub reason: String,
    /// Nothing is done; the answer says what would be.
    #[serde(default)]
    pub dry_run: bool,
}

/// One outcome for each delivery, in the order of the request, or of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes {
    /// The outcomes.
    pub outcomes: Vec<Outcome>,
    /// Of a filter: where the next page begins, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<DeliveryId>,
    /// Of a filter: to be given with the next page, so that nothing is done to what appears meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
}

/// A request that may be carried out.
#[derive(Clone, Debug)]
pub struct Job {
    act: Act,
    by: By,
    which: Which,
    dry_run: bool,
}

#[derive(Clone, Debug)]
enum Which {
    These(Vec<DeliveryId>),
    Page(Listing, Box<Wanted>),
}

impl ActRequest {
    /// The request as it may be done by this operator.
    ///
    /// # Errors
    /// Ids and a filter, or neither; too many ids; no reason or too long a one; a way for what is not rerouted.
    pub fn checked(self, listing: Listing, verb: Verb, operator: &str) -> Result<Job, Trouble> {
        let which = match (self.filter, self.ids.len()) {
            (Some(filter), 0) => Which::Page(listing, Box::new(filter)),
            (None, 1..=IDS_MAX) => Which::These(self.ids),
            _ => return Err(Trouble::invalid(format_args!("ids: 1..={IDS_MAX} | filter"))),
        };
        let reason = Reason::parse(&self.reason);
        let reason = reason.ok_or_else(|| {
            Trouble::invalid(format_args!("reason: 1..={REASON_CHARS_MAX} ký tự / characters"))
        })?;
        let by = By { operator: operator.to_owned(), reason };
        Ok(Job { act: verb.act(self.to)?, by, which, dry_run: self.dry_run })
    }
}

impl Desk {
    /// How mailboxes are.
    ///
    /// # Errors
    /// The gateway is stopped; index or store fail.
    pub async fn mailboxes(&self) -> Result<Overview, Trouble> {
        let mailboxes = self.mailboxes.as_ref().ok_or_else(|| {
            Trouble::new(
                TroubleCode::RequestInvalid,
                "trục đang dừng: hộp thư chỉ xem được khi trục chạy",
                "the gateway is stopped: mailboxes are seen while it runs",
            )
        })?;
        Ok(mailboxes.overview().await?)
    }

    /// A page of a list.
    ///
    /// # Errors
    /// The page begins nowhere; our own trouble.
    pub async fn list(&self, listing: Listing, wanted: &Wanted) -> Result<Page, Trouble> {
        let wanted = self.in_time(wanted.clone());
        let mut page = look::list(&self.ports, listing, &wanted).await?;
        page.deliveries.iter_mut().for_each(|line| self.mark_late(line));
        Ok(page)
    }

    /// Does what was asked for, or says what would be done.
    ///
    /// # Errors
    /// The page begins nowhere; our own trouble with the list. What became of each delivery is in the answer.
    pub async fn act(&self, operate: &Operate, job: Job) -> Result<Outcomes, Trouble> {
        let Job { act, by, which, dry_run } = job;
        match which {
            Which::These(ids) => {
                let outcomes = match dry_run {
                    true => operate.foresee(act, &ids, &by).await,
                    false => operate.act(act, &ids, &by).await,
                };
                Ok(Outcomes { outcomes, ..Outcomes::default() })
            }
            Which::Page(listing, wanted) => {
                let wanted = self.in_time(*wanted);
                let Pass { outcomes, next, as_of } =
                    operate.act_on_page(&act, (listing, &wanted), &by, dry_run).await?;
                Ok(Outcomes { outcomes, next, as_of: Some(as_of) })
            }
        }
    }

    /// `late` as a time.
    fn in_time(&self, wanted: Wanted) -> Wanted {
        if wanted.late != Some(true) {
            return wanted;
        }
        // What is as old as that is late, to the nanosecond.
        let now = wanted.as_of.unwrap_or_else(|| self.ports.clock.now());
        let late = now.saturating_sub(self.late_after).unwrap_or(Timestamp::MIN);
        let late = late.saturating_add(Duration::from_nanos(1)).unwrap_or(Timestamp::MAX);
        let before = wanted.accepted_before.map_or(late, |before| before.min(late));
        Wanted { accepted_before: Some(before), ..wanted }
    }

    fn mark_late(&self, line: &mut Line) {
        let late = after(line.accepted_at, self.late_after);
        line.late_since = (!line.state.is_final() && late <= self.ports.clock.now()).then_some(late);
    }

    /// One delivery.
    ///
    /// # Errors
    /// There is none; our own trouble.
    pub async fn delivery(&self, id: DeliveryId) -> Result<Shown, Trouble> {
        let directory = self.directory.as_ref().map(|directory| directory.load_full());
        let mut shown = look::show(&self.ports, directory.as_deref(), id).await?;
        if let Some(shown) = &mut shown {
            self.mark_late(&mut shown.delivery);
        }
        shown.ok_or_else(|| Trouble::not_found("bản chuyển", "delivery"))
    }

    /// One document, whichever gateway accepted it; of one that is stopped, its own.
    ///
    /// # Errors
    /// There is none; our own trouble, and that of the broker, which alone knows what others have.
    pub async fn document(&self, id: DocumentId) -> Result<DocumentView, Trouble> {
        // An operator sees everything, whoever is at home where. Without a directory only successors are not known.
        let directory = self.directory.as_ref().map(|directory| directory.load_full()).unwrap_or_default();
        let (viewer, late_after) = (Viewer::Operator, self.late_after);
        let view = match &self.anywhere {
            Some(anywhere) => anywhere.document(&directory, id, viewer, late_after).await?,
            None => view::document(&self.ports, &directory, id, viewer, late_after).await?,
        };
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
    use lienthong_pipeline::record::SystemId;

    use super::*;

    fn request(ids: usize, reason: &str) -> ActRequest {
        let ids = vec!["0".repeat(32).parse().expect("an id"); ids];
        ActRequest { ids, filter: None, to: None, reason: reason.to_owned(), dry_run: false }
    }

    fn checked(request: ActRequest, verb: Verb) -> Result<Job, Trouble> {
        request.checked(Listing::DeadLetters, verb, "lan")
    }

    #[test]
    fn ids_and_reasons_have_limits() {
        let long = "ệ".repeat(REASON_CHARS_MAX);
        let job = checked(request(IDS_MAX, &format!("  {long}\n")), Verb::Requeue);
        let job = job.expect("within the limits");
        assert!(matches!(&job.which, Which::These(ids) if ids.len() == IDS_MAX));
        assert_eq!((job.by.reason.as_str(), job.act), (long.as_str(), Act::Requeue));
        let job = checked(request(1, "a\u{1b}[2J\r\nb\u{202e}"), Verb::GiveUp).expect("escaped, not refused");
        assert_eq!(job.by.reason.as_str(), "a\\u{1b}[2J\\u{d}\\u{a}b\\u{202e}");
        for (ids, reason) in [(0, "x"), (IDS_MAX + 1, "x"), (1, ""), (1, " \n"), (1, &(long + "x"))] {
            let trouble = checked(request(ids, reason), Verb::Requeue).expect_err("over a limit");
            assert_eq!(trouble.code, TroubleCode::RequestInvalid);
        }
    }

    #[test]
    fn a_request_is_about_ids_or_about_a_filter_and_only_a_reroute_has_a_way() {
        let filtered = |ids| ActRequest { filter: Some(Wanted::default()), ..request(ids, "x") };
        assert!(matches!(
            checked(filtered(0), Verb::Requeue).expect("a filter").which,
            Which::Page(Listing::DeadLetters, _)
        ));
        assert_eq!(checked(filtered(1), Verb::Requeue).expect_err("both").code, TroubleCode::RequestInvalid);
        let to = |to| ActRequest { to, ..request(1, "x") };
        let via = Some(Target::Via(SystemId::parse("post").expect("an id")));
        for (target, wanted) in [(None, Target::Directory), (via.clone(), via.clone().expect("set"))] {
            assert_eq!(checked(to(target), Verb::Reroute).expect("a way").act, Act::Reroute(wanted));
        }
        for verb in [Verb::Retry, Verb::Requeue, Verb::GiveUp] {
            let trouble = checked(to(via.clone()), verb).expect_err("no way there");
            assert_eq!(trouble.code, TroubleCode::RequestInvalid, "{}", verb.word());
        }
    }
}
