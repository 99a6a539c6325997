//! What the server refuses this client by its permissions. The call that was refused sees a timeout; the reason comes
//! beside it, as an event of the connection, and is put into the call's fault here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::{ClientError, ServerError};
use lienthong_monitoring::Metrics;
use lienthong_pipeline::ports::Fault;
use lienthong_schemas::safe_text::SafeText;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::PLACE;

/// A refusal is shown to the operator this long after it was last heard of.
const COUNTS: Duration = Duration::from_secs(60);
/// Longest reason that is kept, in characters.
const REASON_MAX: usize = 300;

/// See the module.
pub(crate) struct Refusals {
    last: watch::Sender<Option<Refusal>>,
    /// Why the last connection did not come about.
    away: Mutex<Option<String>>,
    /// Why there is none at all.
    withheld: Mutex<Option<Fault>>,
    metrics: Arc<Metrics>,
}

#[derive(Clone)]
struct Refusal {
    reason: String,
    at: Instant,
}

impl Refusals {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { last: watch::Sender::new(None), away: Mutex::default(), withheld: Mutex::default(), metrics }
    }

    /// Keeps what the server reported, if it is a refusal.
    pub(crate) fn note(&self, error: &ServerError) {
        let text = error.to_string();
        let is_refusal = *error == ServerError::AuthorizationViolation
            || text.to_lowercase().contains("permissions violation");
        if is_refusal {
            self.refused(&text);
        }
    }

    /// Keeps why a connection did not come about; a login that is not taken is a refusal.
    pub(crate) fn note_away(&self, error: &ClientError) {
        let ClientError::Other(text) = error else { return };
        if text.contains("authorization violation") || text.contains("authentication") {
            self.refused(text);
        }
        *self.away() = Some(SafeText::new(text).cut(REASON_MAX).into_string());
    }

    /// There is nobody to connect to, for this reason.
    pub(crate) fn withhold(&self, reason: &str) {
        *self.withheld() = Some(Fault::new(PLACE, reason));
    }

    /// A connection came about.
    pub(crate) fn connected(&self) {
        *self.away() = None;
    }

    /// The fault of a call without a connection.
    pub(crate) fn not_connected(&self) -> Fault {
        if let Some(fault) = &*self.withheld() {
            return fault.clone();
        }
        match &*self.away() {
            Some(reason) => Fault::new(PLACE, format!("not connected: {reason}")),
            None => Fault::new(PLACE, "not connected"),
        }
    }

    fn refused(&self, text: &str) {
        self.metrics.broker_refusals.inc();
        let reason = SafeText::new(text).cut(REASON_MAX).into_string();
        self.last.send_replace(Some(Refusal { reason, at: Instant::now() }));
    }

    fn withheld(&self) -> std::sync::MutexGuard<'_, Option<Fault>> {
        self.withheld.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn away(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was refused lately.
    pub(crate) fn lately(&self) -> Option<Fault> {
        let last = self.last.borrow();
        last.as_ref().filter(|refusal| refusal.at.elapsed() < COUNTS).map(Refusal::fault)
    }

    /// Waits for a call that publishes on `subject`; when the server refuses that, at once with its reason.
    pub(crate) async fn heed<T>(&self, subject: &str, call: impl Future<Output = T>) -> Result<T, Fault> {
        let mut refused = self.last.subscribe();
        let quoted = format!("\"{subject}\"");
        let ours = |refusal: &Option<Refusal>| {
            refusal.as_ref().is_some_and(|refusal| refusal.reason.contains(&quoted))
        };
        let begun = Instant::now();
        tokio::select! {
            biased;
            done = call => Ok(done),
            said = refused.wait_for(|refusal| {
                ours(refusal) && refusal.as_ref().is_some_and(|refusal| refusal.at >= begun)
            }) => {
                let said = said.ok().and_then(|said| said.clone());
                Err(said.map_or_else(|| Fault::new(PLACE, "refused"), |refusal| refusal.fault()))
            }
        }
    }

    /// The fault of a call that began then, with what the server refused meanwhile.
    pub(crate) fn explain(&self, begun: Instant, fault: Fault) -> Fault {
        let last = self.last.borrow();
        match last.as_ref().filter(|refusal| refusal.at >= begun && !fault.cause.contains(&refusal.reason)) {
            Some(refusal) => Fault { cause: format!("{}; {}", fault.cause, refusal.fault().cause), ..fault },
            None => fault,
        }
    }
}

impl Refusal {
    fn fault(&self) -> Fault {
        Fault::new(PLACE, format!("the server refuses this gateway: {}", self.reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusals() -> Refusals {
        Refusals::new(Arc::new(Metrics::new("test")))
    }

    fn refused(what: &str) -> ServerError {
        ServerError::Other(format!("Permissions Violation for {what}"))
    }

    #[tokio::test]
    async fn a_call_ends_with_the_refusal_of_its_own_subject_only() {
        let refusals = refusals();
        refusals.note(&refused("Publish to \"a.b\""));
        let quick = refusals.heed("a.b", async { 1 }).await;
        assert_eq!(quick.expect("what was refused before does not count"), 1);
        let waiting = refusals.heed("a.b", std::future::pending::<()>());
        let noting = async {
            refusals.note(&refused("Publish to \"a.bc\""));
            tokio::task::yield_now().await;
            refusals.note(&refused("Publish to \"a.b\""));
        };
        let (said, ()) = tokio::join!(waiting, noting);
        let said = said.expect_err("refused").to_string();
        assert!(said.ends_with("Permissions Violation for Publish to \"a.b\""), "{said}");
        assert_eq!(refusals.metrics.broker_refusals.value(), 3);
    }

    #[test]
    fn why_there_is_no_connection_is_said_until_there_is_one() {
        let refusals = refusals();
        assert!(refusals.not_connected().to_string().ends_with("not connected"));
        refusals.note_away(&ClientError::Other("TLS error".to_owned()));
        assert!(refusals.not_connected().to_string().ends_with("not connected: TLS error"));
        assert!(refusals.lately().is_none(), "that is no refusal");
        refusals.note_away(&ClientError::Other("authorization violation".to_owned()));
        assert!(refusals.lately().is_some_and(|said| said.cause.contains("authorization violation")));
        assert_eq!(refusals.metrics.broker_refusals.value(), 1);
        refusals.connected();
        assert!(refusals.not_connected().to_string().ends_with("not connected"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_shown_for_a_while_and_explains_what_failed_since() {
        let refusals = refusals();
        let begun = Instant::now();
        let fault = Fault::new(PLACE, "took too long");
        refusals.note(&ServerError::Other("maximum connections exceeded".to_owned()));
        assert!(refusals.lately().is_none(), "that is no refusal");
        assert_eq!(refusals.explain(begun, fault.clone()).cause, "took too long");
        refusals.note(&refused("Publish to \"x\u{1b}[0m\""));
        let said = refusals.explain(begun, fault.clone()).cause;
        assert!(said.starts_with("took too long; the server refuses this gateway: "), "{said}");
        assert!(!said.contains('\u{1b}'), "{said}");
        assert!(refusals.lately().is_some());
        tokio::time::advance(COUNTS).await;
        assert!(refusals.lately().is_none());
        assert_eq!(refusals.explain(Instant::now(), fault).cause, "took too long");
    }
}
