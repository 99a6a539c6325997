//! One round: traffic under blows, then everything is healed, then everything must settle, then it is judged.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::try_join_all;
use serde_json::Value;
use tokio::task::JoinSet;

use super::clients::{Clients, Sent};
use super::judge::{Case, Verdict, may_stay_parked};
use super::keeper::Keeper;
use super::patience::Patience;
use super::plan::{Blow, CLIENTS, Extent, Manner, Plan, Timed};
use super::receivers::pause;
use crate::{BROKER_VARIABLE, broker_program, run_with, text};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(700);
/// Packets of a round that are sent once more in the end.
const SENT_AGAIN: usize = 12;

/// What happens in one world.
pub(super) struct Act {
    keeper: Arc<Keeper>,
    sent: Vec<Sent>,
    views: HashMap<String, Value>,
    /// Of the rounds so far, what is said of order.
    order: Verdict,
}

impl Act {
    pub(super) fn new(keeper: Arc<Keeper>) -> Self {
        Self { keeper, sent: Vec::new(), views: HashMap::new(), order: Verdict::default() }
    }

    /// Broker and gateway run.
    pub(super) async fn begin(&self) -> anyhow::Result<()> {
        self.keeper.ground.broker.start().await;
        self.keeper.start().await
    }

    /// Everything is stopped.
    pub(super) async fn end(&self) {
        if let Err(fault) = self.keeper.stop().await {
            println!("the gateway does not stop: {fault:#}");
        }
    }

    /// What was done, and what receivers answered.
    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = self.keeper.tally.all();
        for (answer, count) in self.keeper.ground.book.answers() {
            let name = if answer == 0 { "answered nothing".to_owned() } else { format!("answered {answer}") };
            counts.insert(name, count);
        }
        if let Some(disk) = &self.keeper.disk {
            counts.extend(disk.counts());
        }
        counts
    }

    /// One round; the verdict is over all rounds of this world. The gateway is kept running meanwhile.
    pub(super) async fn round(
        &mut self,
        plan: &Plan,
        seed: u64,
        span: Duration,
        heal_by_start: bool,
    ) -> anyhow::Result<Verdict> {
        let keeper = self.keeper.clone();
        tokio::select! {
            verdict = self.watched(plan, seed, span, heal_by_start) => verdict,
            Err(fault) = keeper.watch() => Err(fault),
        }
    }

    async fn watched(
        &mut self,
        plan: &Plan,
        seed: u64,
        span: Duration,
        heal_by_start: bool,
    ) -> anyhow::Result<Verdict> {
        let began = self.keeper.right_time();
        self.keeper.ground.book.sicken();
        let clients = Arc::new(Clients::new(self.keeper.ground.clone(), seed));
        let items = Arc::new(plan.items.clone());
        let mut sending = JoinSet::new();
        for client in 0..CLIENTS {
            let (clients, items) = (clients.clone(), items.clone());
            sending.spawn(async move { clients.run(client, &items, span).await });
        }
        let keeper = self.keeper.clone();
        try_join_all(plan.blows.iter().map(|timed| strike(&keeper, timed.clone()))).await?;
        self.heal(heal_by_start || seed.is_multiple_of(2)).await?;
        self.receipts(&clients, sending).await?;
        self.sent.extend(clients.sent());
        self.settle(&clients).await?;
        self.again(&clients, seed).await;
        let book = &self.keeper.ground.book;
        let arrivals = book.arrivals();
        let case = Case {
            sent: &self.sent,
            views: &self.views,
            arrivals: &arrivals,
            codes: &self.keeper.ground.codes,
            round_from: plan.items.first().map_or(0, |item| item.at),
            right: began..=self.keeper.right_time(),
        };
        let mut verdict = case.judge();
        self.order.add(Verdict {
            disordered: verdict.disordered.clone(),
            pairs: verdict.pairs,
            excused: verdict.excused,
            pulled: verdict.pulled,
            late: verdict.late,
            unrecorded: verdict.unrecorded,
            ..Verdict::default()
        });
        let Verdict { disordered, pairs, excused, pulled, late, unrecorded, .. } = self.order.clone();
        verdict = Verdict { disordered, pairs, excused, pulled, late, unrecorded, ..verdict };
        verdict.other.extend(self.keeper.tally.take_complaints());
        Ok(verdict)
    }

    /// Waits until every client has its receipts.
    async fn receipts(
        &self,
        clients: &Clients,
        mut sending: JoinSet<anyhow::Result<()>>,
    ) -> anyhow::Result<()> {
        let mut patience = Patience::new();
        loop {
            tokio::select! {
                ended = sending.join_next() => match ended {
                    Some(ended) => ended??,
                    None => return Ok(()),
                },
                () = pause(LOOK_EVERY) => {
                    if patience.ends(clients.sent().len()) {
                        let text = "clients still wait for receipts though all is well";
                        self.keeper.tally.complain(text.to_owned());
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn heal(&self, by_start: bool) -> anyhow::Result<()> {
        let ground = &self.keeper.ground;
        if let Some(disk) = &self.keeper.disk {
            disk.disarm()?;
            disk.right_the_clock()?;
        }
        for system in &ground.systems {
            system.be(Manner::Well).await;
        }
        ground.book.heal();
        ground.broker.start().await;
        self.keeper.start().await?;
        if by_start || self.keeper.disk_is_bad.load(Ordering::SeqCst) {
            self.keeper.restart().await?;
        }
        self.keeper.disk_is_bad.store(false, Ordering::SeqCst);
        Ok(())
    }

    /// Waits until every delivery is over; requeues dead letters as an operator does who has seen what was healed.
    async fn settle(&mut self, clients: &Clients) -> anyhow::Result<()> {
        let mut patience = Patience::new();
        self.views.clear();
        loop {
            let open = self.look(clients).await;
            if open.is_empty() || patience.ends(open) {
                return Ok(());
            }
            self.requeue()?;
            pause(LOOK_EVERY).await;
        }
    }

    /// Looks at documents that are not over; what is shown of the deliveries that are not.
    async fn look(&mut self, clients: &Clients) -> Vec<Value> {
        let mut open = Vec::new();
        for sent in &self.sent {
            let Some(document) = sent.document_id() else { continue };
            let is_over = |view: &Value| self.open(sent, view).is_empty();
            if self.views.get(document).is_some_and(is_over) {
                continue;
            }
            if let Ok((200, view)) = clients.show(sent.item.sender, document).await {
                self.views.insert(document.to_owned(), view);
            }
            match self.views.get(document) {
                Some(view) => open.extend(self.open(sent, view)),
                None => open.push(Value::Null),
            }
        }
        open
    }

    /// The deliveries of a document that are not over.
    fn open(&self, sent: &Sent, view: &Value) -> Vec<Value> {
        let lines = view["deliveries"].as_array().map(Vec::as_slice).unwrap_or_default();
        let codes = &self.keeper.ground.codes;
        let open = |receiver: &usize| {
            let line = lines.iter().find(|line| line["receiver"] == codes[*receiver].as_str());
            let is_over = match line.and_then(|line| line["state"].as_str()) {
                Some("received" | "withdrawn") => true,
                Some("parked" | "queued") => may_stay_parked(&self.sent, sent, *receiver),
                _ => false,
            };
            (!is_over).then(|| line.cloned().unwrap_or_default())
        };
        sent.item.receivers.iter().filter_map(open).collect()
    }

    /// Every dead letter but what is poison for ever goes once more.
    fn requeue(&self) -> anyhow::Result<()> {
        let Some(page) = self.operator(&["dead-letters", "list", "--limit", "10000"]) else { return Ok(()) };
        let lines = page["deliveries"].as_array().map(Vec::as_slice).unwrap_or_default();
        let codes = &self.keeper.ground.codes;
        let hopeless = |line: &Value| {
            let of_line = self.sent.iter().find(|sent| line["document_id"].as_str() == sent.document_id());
            let receiver = codes.iter().position(|code| line["receiver"] == code.as_str());
            of_line.zip(receiver).is_none_or(|(sent, receiver)| may_stay_parked(&self.sent, sent, receiver))
        };
        let ids: Vec<&str> = lines
            .iter()
            .filter(|line| !hopeless(line))
            .filter_map(|line| line["delivery_id"].as_str())
            .collect();
        if !ids.is_empty() {
            self.keeper.tally.counts("requeued by the operator", ids.len() as u64);
            let arguments = [&["dead-letters", "requeue"], &ids[..], &["--reason", "dien tap"]].concat();
            self.operator(&arguments);
        }
        Ok(())
    }

    /// An operator's command; `None` when it is refused, or nobody answers.
    fn operator(&self, arguments: &[&str]) -> Option<Value> {
        let ground = &self.keeper.ground;
        let config = ground.world.config.to_string_lossy();
        let program = broker_program();
        let program = program.to_string_lossy();
        let all = [arguments, &["--json", "-c", &config]].concat();
        let output = run_with(&ground.program, &all, &[(BROKER_VARIABLE, &program)]);
        serde_json::from_str(&text(&output.stdout)).ok()
    }

    /// Some packets once more: the same receipts.
    async fn again(&self, clients: &Clients, seed: u64) {
        let accepted: Vec<&Sent> = self.sent.iter().filter(|sent| sent.receipted.is_some()).collect();
        let step = (accepted.len() / SENT_AGAIN).max(1);
        let first = usize::try_from(seed % step as u64).unwrap_or_default();
        for sent in accepted.iter().skip(first).step_by(step) {
            let complaint = match clients.post(sent).await {
                Ok((202, true, body)) if Some(&body) == sent.receipts.first() => continue,
                Ok(other) => {
                    format!("item {}: sent again: {other:?}, first {:?}", sent.item.at, sent.receipts.first())
                }
                Err(fault) => format!("item {}: sent again: {fault:?}", sent.item.at),
            };
            self.keeper.tally.complain(complaint);
        }
    }
}

/// Waits for the time of a blow, and strikes.
async fn strike(keeper: &Keeper, timed: Timed) -> anyhow::Result<()> {
    pause(Duration::from_millis(timed.at)).await;
    let ground = &keeper.ground;
    let length = Duration::from_millis;
    let chosen = usize::try_from(timed.at).unwrap_or_default();
    match timed.blow {
        Blow::KillGateway(down) => {
            keeper.tally.count("gateway killed");
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
            keeper.tally.count("gateway frozen");
            keeper.freeze(length(for_)).await;
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
