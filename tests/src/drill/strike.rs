//! Does to the gateways, the broker and the receivers what a plan says.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};

use super::keeper::Keeper;
use super::plan::{Blow, Extent, Manner, Timed};
use super::receivers::pause;

/// A gateway that is away for so many milliseconds has lost its leases.
const LONG_FREEZE: u64 = 15_000;

/// Waits for the time of a blow, and strikes.
pub(super) async fn strike(keepers: &[Arc<Keeper>], timed: Timed) -> anyhow::Result<()> {
    pause(Duration::from_millis(timed.at)).await;
    let length = Duration::from_millis;
    let chosen = usize::try_from(timed.at).unwrap_or_default();
    let keeper = &keepers[chosen % keepers.len()];
    let ground = &keeper.ground;
    match timed.blow {
        Blow::KillGateway(down) => {
            let long = if down >= LONG_FREEZE { ", down longer than leases last" } else { "" };
            keeper.tally.count(&format!("gateway killed{long}"));
            keeper.kill(length(down)).await?;
        }
        Blow::StopGateway => {
            keeper.tally.count("gateway stopped");
            keeper.restart().await?;
        }
        Blow::CrashAt(point) => {
            keeper.tally.count(&format!("gateway dies {point}"));
            keeper.crash_at(point).await?;
        }
        Blow::FreezeGateway(for_) => {
            let long = if for_ >= LONG_FREEZE { ", longer than leases last" } else { "" };
            keeper.tally.count(&format!("gateway frozen{long}"));
            keeper.freeze(length(for_)).await;
        }
        Blow::LoseGateway { quiet } => keeper.lose(quiet).await?,
        Blow::KillGateways(down) => {
            keeper.tally.count("gateways killed, all");
            try_join_all(keepers.iter().map(|keeper| keeper.kill(length(down)))).await?;
        }
        Blow::FreezeGateways(for_) => {
            keeper.tally.count("gateways frozen, all");
            join_all(keepers.iter().map(|keeper| keeper.freeze(length(for_)))).await;
        }
        Blow::KillBroker(extent, down) => {
            let own = keeper.broker_pid().await;
            let killed = ground.broker.kill(extent, chosen, own, length(down)).await;
            keeper.tally.counts(broker_word("killed", extent), killed);
        }
        Blow::FreezeBroker(extent, for_) => {
            let own = keeper.broker_pid().await;
            let frozen = ground.broker.freeze(extent, chosen, own, length(for_)).await;
            keeper.tally.counts(broker_word("frozen", extent), frozen);
        }
        Blow::Receiver(who, manner, for_) => {
            keeper.tally.count(&format!("receiver {}", manner_word(manner)));
            for (at, system) in ground.systems.iter().enumerate() {
                if who.is_none_or(|who| who == at) {
                    system.be(manner).await;
                }
            }
            pause(length(for_)).await;
            for (at, system) in ground.systems.iter().enumerate() {
                if who.is_none_or(|who| who == at) {
                    system.be(Manner::Well).await;
                }
            }
        }
        Blow::DeleteStore => {
            keeper.tally.count("store deleted");
            keeper.delete_store().await?;
        }
        Blow::PowerCut(cut) => keeper.power_cut(cut).await?,
        Blow::Disk(fault) => {
            let Some(disk) = &keeper.disk else { return Ok(()) };
            keeper.disk_is_bad.store(true, Ordering::SeqCst);
            disk.arm(fault)?;
            pause(length(fault.lasts)).await;
            disk.disarm_one(fault)?;
        }
        Blow::Clock(by, for_) => {
            let Some(disk) = &keeper.disk else { return Ok(()) };
            keeper.tally.count(if by > 0 { "clock ahead" } else { "clock behind" });
            disk.set_clock(by)?;
            pause(length(for_)).await;
            disk.right_the_clock()?;
        }
    }
    Ok(())
}

fn broker_word(what: &str, extent: Extent) -> &'static str {
    match (what, extent) {
        ("killed", Extent::One) => "one broker killed",
        ("killed", Extent::All) => "brokers killed, all",
        (_, Extent::One) => "one broker frozen",
        (_, Extent::All) => "brokers frozen, all",
    }
}

fn manner_word(manner: Manner) -> String {
    match manner {
        Manner::Well => "well".to_owned(),
        Manner::Slow(_) => "slow".to_owned(),
        Manner::Says(status) => format!("says {status}"),
        Manner::TakesAndSays(status) => format!("takes and says {status}"),
        Manner::TakesAndHangs => "takes and hangs".to_owned(),
        Manner::Hangs => "hangs".to_owned(),
        Manner::CutsBody => "cuts the body".to_owned(),
        Manner::CutsAnswer => "cuts the answer".to_owned(),
        Manner::Closed => "down".to_owned(),
    }
}
