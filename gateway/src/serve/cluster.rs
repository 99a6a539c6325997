//! This gateway as one of several: who it is, by a file below its data folder, and the parts that only exist then.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lienthong_broker::NatsBroker;
use lienthong_config::Settings;
use lienthong_monitoring::Metrics;
use lienthong_outbox::{FileBookmark, KeptFile, Opened};
use lienthong_pipeline::adopt::Adopt;
use lienthong_pipeline::follow::Follow;
use lienthong_pipeline::partitions::{Keep, Moves, Partitions};
use lienthong_pipeline::ports::{Fault, Leases, Ports};
use lienthong_pipeline::record::{BootId, EventsPlace, NodeLife, NodeName, OwnNode};
use lienthong_pipeline::tasks::Tasks;
use lienthong_pipeline::wakes::Wakes;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::cli::CommandFault;

/// Its file below the data folder.
const FILE: &str = "node";

/// What stands in that file.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Identity {
    life: NodeLife,
    /// `None` until it was first among the others.
    epoch: Option<u64>,
}

/// A gateway that is one of several.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) own: OwnNode,
    kept: KeptFile,
    data: PathBuf,
    epoch: Option<u64>,
}

/// Who this gateway is, if it is one of several. A store that was built anew is another one.
///
/// # Errors
/// The folder is that of another node, or cannot be read or written.
pub(super) fn identify(settings: &Settings, opened: &Opened) -> Result<Option<Node>, CommandFault> {
    let data = &settings.gateway.data_dir;
    let Some(name) = settings.cluster.node.as_deref().and_then(NodeName::parse) else { return Ok(None) };
    let at_file = |cause: &dyn std::fmt::Display| CommandFault::at(data.join(FILE).display(), cause);
    let kept = KeptFile::below(data, FILE);
    let known: Option<Identity> = kept.read().map_err(|cause| at_file(&cause))?;
    if let Some(known) = known.as_ref().filter(|known| known.life.node != name) {
        return Err(at_file(&format!(
            "thư mục này là của nút {}, không phải {name} (this folder is that of node {}, not {name})",
            known.life.node, known.life.node
        )));
    }
    let identity = match known.filter(|_| matches!(opened, Opened::Existing)) {
        Some(known) => known,
        None => {
            forget_place(data).map_err(|cause| at_file(&cause))?;
            // What was accepted in an earlier epoch is in the admissions still; only a new folder has nothing of it.
            let epoch = kept.read::<Identity>().ok().flatten().and_then(|known| known.epoch);
            Identity { life: NodeLife { node: name, store: rand::rng().random() }, epoch }
        }
    };
    kept.write(&identity).map_err(|cause| at_file(&cause))?;
    Ok(Some(Node { own: OwnNode::new(identity.life), kept, data: data.clone(), epoch: identity.epoch }))
}

/// How far the others were read belongs to the store that it was written into.
fn forget_place(data: &Path) -> std::io::Result<()> {
    KeptFile::below(data, lienthong_outbox::BOOKMARK_FILE).write(&None::<EventsPlace>)
}

impl Node {
    /// Its leases, for all parts.
    pub(super) fn partitions(node: Option<&Self>) -> Arc<Partitions> {
        Arc::new(node.map_or_else(Partitions::alone, |node| Partitions::of(node.own.clone())))
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one gateway are joined here and nowhere else"
    )]
    /// Starts what reads from the other gateways, and shares the work with them.
    pub(super) fn start(
        &self,
        ports: &Ports,
        broker: &NatsBroker,
        partitions: &Arc<Partitions>,
        boot: BootId,
        metrics: &Arc<Metrics>,
        wakes: &Wakes,
        tasks: &Tasks,
    ) -> Result<(Replaced, Option<Adopt>), CommandFault> {
        let (ports, wakes, anew) = (ports.clone(), wakes.clone(), wakes.clone());
        let follow = Arc::new(Follow::new(
            ports.clone(),
            Arc::new(FileBookmark::below(&self.data)),
            partitions.clone(),
            metrics.clone(),
            wakes.clone(),
        ));
        tasks.spawn("follow", follow.clone().run(tasks.clone()));
        let moves = Moves::new(ports.clone(), partitions.clone(), follow.clone(), wakes.clone(), boot);
        tasks.spawn("moves", moves.run(tasks.clone()));
        let leases = broker.leases().ok_or_else(|| CommandFault("a broker without leases".to_owned()))?;
        let leases: Arc<dyn Leases> = Arc::new(leases);
        let adopt =
            Adopt::new(ports.clone(), leases.clone(), partitions.clone(), follow.clone(), wakes.clone());
        let keep = Keep::new(ports, leases, partitions.clone(), self.epoch, metrics.clone(), wakes);
        let keep = keep.remembering(self.remember());
        tasks.spawn("leases", keep.run(tasks.clone()));
        Ok((self.clone().replaced(follow, anew), Some(adopt)))
    }

    /// Writes down in which epoch it is.
    fn remember(&self) -> impl Fn(u64) -> Result<(), Fault> + Send + Sync + 'static {
        let node = self.clone();
        move |epoch| {
            let identity = Identity { life: node.own.life(), epoch: Some(epoch) };
            node.kept.write(&identity).map_err(|cause| Fault::new("node", cause))
        }
    }

    /// When it has another store, built anew while it runs, the others are to send again what it had taken over, and what
    /// they said is read again.
    fn replaced(self, follow: Arc<Follow>, wakes: Wakes) -> Replaced {
        Box::new(move || {
            self.own.set_store(rand::rng().random());
            let known: Option<Identity> = self.kept.read().ok().flatten();
            let epoch = known.and_then(|known| known.epoch);
            let written = self.kept.write(&Identity { life: self.own.life(), epoch });
            if let Err(cause) = written.and_then(|()| forget_place(&self.data)) {
                tracing::error!(%cause, "which store this gateway has is not written down");
            }
            follow.begin_anew();
            wakes.replaced();
        })
    }
}

/// Called when another store has taken the place of one that broke.
pub(super) type Replaced = Box<dyn Fn() + Send + Sync>;

/// Of a gateway that is alone.
pub(super) fn alone(wakes: &Wakes) -> Replaced {
    let wakes = wakes.clone();
    Box::new(move || wakes.replaced())
}
