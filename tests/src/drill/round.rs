//! One round: traffic under blows, then everything is healed, then everything must settle, then it is judged.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::try_join_all;
use serde_json::Value;
use tokio::task::JoinSet;

use super::clients::{Clients, Giver, Sent};
use super::judge::{Case, Losses, Verdict, Views, may_stay_parked, owes};
use super::keeper::Keeper;
use super::patience::Patience;
use super::plan::{CLIENTS, Manner, Plan};
use super::receivers::{lock, pause};
use super::strike::strike;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(700);
/// Packets of a round that are sent once more in the end.
const SENT_AGAIN: usize = 12;

/// What happens in one world.
pub(super) struct Act {
    keepers: Vec<Arc<Keeper>>,
    sent: Vec<Sent>,
    views: Views,
    /// Of the rounds so far, what is said of order.
    order: Verdict,
}

impl Act {
    pub(super) fn new(keepers: Vec<Arc<Keeper>>) -> Self {
        Self { keepers, sent: Vec::new(), views: Views::new(), order: Verdict::default() }
    }

    /// Gateways that were lost with their disks, and until when what they had accepted was elsewhere, too.
    fn lost(&self) -> Losses {
        let mut all = Losses::new();
        for (at, keeper) in self.keepers.iter().enumerate() {
            let lost = lock(&keeper.lost).clone();
            all.extend((0..).zip(lost).map(|(life, covered)| ((at, life), covered)));
        }
        all
    }

    /// Those of all gateways have one ground and one tally.
    fn keeper(&self) -> &Keeper {
        &self.keepers[0]
    }

    /// Broker and gateways run.
    pub(super) async fn begin(&self) -> anyhow::Result<()> {
        self.keeper().ground.broker.start().await;
        try_join_all(self.keepers.iter().map(|keeper| keeper.start())).await.map(drop)
    }

    /// Everything is stopped.
    pub(super) async fn end(&self) {
        for keeper in &self.keepers {
            if let Err(fault) = keeper.stop().await {
                println!("the gateway does not stop: {fault:#}");
            }
        }
    }

    /// What was done, and what receivers answered.
    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = self.keeper().tally.all();
        for (answer, count) in self.keeper().ground.book.answers() {
            let name = if answer == 0 { "answered nothing".to_owned() } else { format!("answered {answer}") };
            counts.insert(name, count);
        }
        if let Some(disk) = &self.keeper().disk {
            counts.extend(disk.counts());
        }
        counts
    }

    /// Writes what gateways showed of each document and what came, in its order, into files for whoever looks for the cause.
    pub(super) fn tell(&self, folder: &Path) -> anyhow::Result<()> {
        let shown = |((gateway, _), view): (&(usize, String), &Value)| {
            serde_json::json!({ "gateway": gateway, "view": view }).to_string()
        };
        let shown: Vec<String> = self.views.iter().map(shown).collect();
        std::fs::write(folder.join("shown.jsonl"), shown.join("\n"))?;
        let came = self.keeper().ground.book.arrivals();
        let came: Vec<String> = came.iter().map(|arrival| format!("{arrival:?}")).collect();
        std::fs::write(folder.join("came.txt"), came.join("\n"))?;
        let sent: Vec<String> = self.sent.iter().map(|sent| format!("{sent:?}")).collect();
        Ok(std::fs::write(folder.join("sent.txt"), sent.join("\n"))?)
    }

    /// One round; the verdict is over all rounds of this world. The gateway is kept running meanwhile.
    pub(super) async fn round(
        &mut self,
        plan: &Plan,
        seed: u64,
        span: Duration,
        heal_by_start: bool,
    ) -> anyhow::Result<Verdict> {
        let keepers = self.keepers.clone();
        tokio::select! {
            verdict = self.watched(plan, seed, span, heal_by_start) => verdict,
            Err(fault) = try_join_all(keepers.iter().map(|keeper| keeper.watch())) => Err(fault),
        }
    }

    async fn watched(
        &mut self,
        plan: &Plan,
        seed: u64,
        span: Duration,
        heal_by_start: bool,
    ) -> anyhow::Result<Verdict> {
        let began = self.keeper().right_time();
        self.keeper().ground.book.sicken();
        let clients = Arc::new(Clients::new(self.keeper().ground.clone(), seed));
        let items = Arc::new(plan.items.clone());
        let mut sending = JoinSet::new();
        for client in 0..CLIENTS {
            let (clients, items) = (clients.clone(), items.clone());
            sending.spawn(async move { clients.run(client, &items, span).await });
        }
        let keepers = self.keepers.clone();
        try_join_all(plan.blows.iter().map(|timed| strike(&keepers, timed.clone()))).await?;
        self.heal(heal_by_start || seed.is_multiple_of(2)).await?;
        self.receipts(&clients, sending).await?;
        self.sent.extend(clients.sent());
        self.settle(&clients).await?;
        self.again(&clients, seed).await;
        let book = &self.keeper().ground.book;
        let arrivals = book.arrivals();
        let case = Case {
            sent: &self.sent,
            views: &self.views,
            arrivals: &arrivals,
            lost: &self.lost(),
            codes: &self.keeper().ground.codes,
            round_from: plan.items.first().map_or(0, |item| item.at),
            several: self.keepers.len() > 1,
            right: began..=self.keeper().right_time(),
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
        verdict.other.extend(self.keeper().tally.take_complaints());
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
                        self.keeper().tally.complain(text.to_owned());
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn heal(&self, by_start: bool) -> anyhow::Result<()> {
        let ground = &self.keeper().ground;
        if let Some(disk) = &self.keeper().disk {
            disk.disarm()?;
            disk.right_the_clock()?;
        }
        for system in &ground.systems {
            system.be(Manner::Well).await;
        }
        ground.book.heal();
        ground.broker.start().await;
        for keeper in &self.keepers {
            keeper.start().await?;
            if by_start || keeper.disk_is_bad.load(Ordering::SeqCst) {
                keeper.restart().await?;
            }
            keeper.disk_is_bad.store(false, Ordering::SeqCst);
        }
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
            for gateway in 0..self.keepers.len() {
                self.requeue(gateway);
            }
            pause(LOOK_EVERY).await;
        }
    }

    /// Looks at documents that are not over; what is shown of the deliveries that are not.
    async fn look(&mut self, clients: &Clients) -> Vec<Value> {
        let mut open = Vec::new();
        let (lost, codes) = (self.lost(), &self.keeper().ground.codes.clone());
        let arrivals = self.keeper().ground.book.arrivals();
        let stored = arrivals.into_iter().filter(|arrival| arrival.stored);
        let stored: HashSet<_> = stored.map(|arrival| (arrival.document_id, arrival.receiver)).collect();
        for sent in &self.sent {
            let Some(document) = sent.document_id() else { continue };
            for giver in sent.givers() {
                if let Some(covered) = lost.get(&giver.seat()) {
                    let owed = |receiver: &usize| owes(&self.sent, sent, *receiver, giver.at, *covered);
                    let came =
                        |receiver: &usize| stored.contains(&(document.to_owned(), codes[*receiver].clone()));
                    let missing =
                        sent.item.receivers.iter().filter(|receiver| owed(receiver) && !came(receiver));
                    open.extend(missing.map(|receiver| Value::from(format!("{document} {receiver}"))));
                    continue;
                }
                let gateway = giver.gateway;
                let key = (gateway, document.to_owned());
                if self.views.get(&key).is_some_and(|view| self.open(sent, view).is_empty()) {
                    continue;
                }
                if let Ok((200, view)) = clients.show(sent.item.sender, gateway, document).await {
                    self.views.insert(key.clone(), view);
                }
                match self.views.get(&key) {
                    Some(view) => open.extend(self.open(sent, view)),
                    None => open.push(Value::Null),
                }
            }
        }
        open
    }

    /// The deliveries of a document that are not over.
    fn open(&self, sent: &Sent, view: &Value) -> Vec<Value> {
        let lines = view["deliveries"].as_array().map(Vec::as_slice).unwrap_or_default();
        let codes = &self.keeper().ground.codes;
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

    /// Every dead letter of a gateway but what is poison for ever goes once more.
    fn requeue(&self, gateway: usize) {
        let Some(page) = self.keeper().ground.operate(gateway, &["dead-letters", "list", "--limit", "10000"])
        else {
            return;
        };
        let lines = page["deliveries"].as_array().map(Vec::as_slice).unwrap_or_default();
        let codes = &self.keeper().ground.codes;
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
            self.keeper().tally.counts("requeued by the operator", ids.len() as u64);
            let arguments = [&["dead-letters", "requeue"], &ids[..], &["--reason", "dien tap"]].concat();
            self.keeper().ground.operate(gateway, &arguments);
        }
    }

    /// Some packets once more: the same receipts.
    async fn again(&self, clients: &Clients, seed: u64) {
        let accepted: Vec<&Sent> = self.sent.iter().filter(|sent| sent.receipted.is_some()).collect();
        let lost = self.lost();
        let step = (accepted.len() / SENT_AGAIN).max(1);
        let first = usize::try_from(seed % step as u64).unwrap_or_default();
        for sent in accepted.iter().skip(first).step_by(step) {
            let alive = |giver: &Giver| !lost.contains_key(&giver.seat());
            let Some(nth) = sent.given_by.iter().position(alive) else { continue };
            let complaint = match clients.post(sent, sent.given_by[nth].gateway).await {
                Ok((202, true, body)) if body == sent.receipts[nth] => continue,
                Ok(other) => {
                    format!("item {}: sent again: {other:?}, first {:?}", sent.item.at, sent.receipts.first())
                }
                Err(fault) => format!("item {}: sent again: {fault:?}", sent.item.at),
            };
            self.keeper().tally.complain(complaint);
        }
    }
}
