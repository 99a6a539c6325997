//! Step follow: what a packet does to documents before it: business states (docs/status.md), and what is taken back
//! (docs/recall.md). Nothing is refused for it.

use lienthong_config::Undelivered;
use lienthong_monitoring::Anomaly;
use lienthong_schemas::edxml::Content;
use lienthong_schemas::ids::DocumentId;

use super::{Intake, Origin, shown};
use crate::directory::Directory;
use crate::ports::Fault;
use crate::recall::{How, take_back};
use crate::record::RecognitionKeys;
use crate::route::{Addressed, Routed};
use crate::standing::{Effects, Notice, Said, Search};

impl Intake {
    /// What the packet says of documents before it. That we gave a document up is no word of its receiver.
    pub(super) async fn said(
        &self,
        content: &Content,
        to: &[Addressed<'_>],
        keys: &RecognitionKeys,
        origin: &Origin,
        directory: &Directory,
    ) -> Result<Said, Fault> {
        let code = &content.from.organ_id;
        if matches!(origin, Origin::Gateway { .. }) && *code == self.policy.own {
            return Ok(Said::default());
        }
        let sender = directory.find(code).map_or(code, |organisation| &organisation.id);
        Said::by(sender, content, to, keys, self.search(directory)).await
    }

    /// What becomes of business states, and what is taken back. Nobody else speaks of these documents meanwhile.
    pub(super) async fn effects(
        &self,
        said: Said,
        id: DocumentId,
        routed: &[Routed],
        directory: &Directory,
    ) -> Result<Effects, Fault> {
        let asks = said.asks.clone();
        let mut effects = said.effects(&*self.ports.store).await?;
        if let Some(asks) = asks {
            let search = self.search(directory);
            let withdraws = self.policy.undelivered == Undelivered::Withdraw;
            let how = How { withdraws, at_holder: self.partitions.own().is_some() };
            let taken_back = take_back(&asks, id, routed, &effects.withdrawn, how, &search).await?;
            effects.notices.extend(taken_back.notices);
            effects.recalls = taken_back.recalls;
        }
        Ok(effects)
    }

    fn search<'a>(&'a self, directory: &'a Directory) -> Search<'a> {
        Search { store: &*self.ports.store, directory, today: self.today() }
    }

    /// Once for each kind, however many receivers it is about.
    pub(super) fn note_anomalies(&self, notices: &[Notice]) {
        for kind in Anomaly::ALL {
            let mut of_kind = notices.iter().filter(|notice| notice.anomaly() == Some(kind));
            let Some(Notice { field, detail, .. }) = of_kind.next() else { continue };
            let (kind, detail, more) = (kind.as_str(), shown(detail), of_kind.count());
            self.metrics.anomalies.of(kind).add(1 + more as u64);
            tracing::warn!(kind, field, detail, more, "delivered, and it does not fit");
        }
    }
}
