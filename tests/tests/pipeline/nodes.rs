//! Several gateways on one broker: queues are shared out, and whatever becomes of one of them, every document arrives
//! under the same ids, and the gateway that accepted it learns of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use lienthong_adapters::contract::failure;
use lienthong_broker::{MemoryBroker, MemoryLeases};
use lienthong_config::Undelivered;
use lienthong_outbox::MemoryBookmark;
use lienthong_pipeline::adopt::AdoptRefused;
use lienthong_pipeline::clock::ManualClock;
use lienthong_pipeline::ports::{Broker, DeliveryMessage, FailureClass, Publication};
use lienthong_pipeline::record::{Delivery, NodeLife, NodeName, OwnNode, Receipt, ReceiptLine, State};
use lienthong_schemas::document_name;
use lienthong_schemas::edxml::BusinessType;
use lienthong_schemas::ids::StandingKey;

use super::fan_out::many;
use super::watched::Watch;
use super::world::{A, Among, Setup, World, Wrap, clock, letter, name_of, new_folder, organ};

/// Two gateways, and what they share.
pub(super) struct Pair {
    clock: Arc<ManualClock>,
    leases: Arc<MemoryLeases>,
    pub(super) broker: MemoryBroker,
    _folder: tempfile::TempDir,
    pub(super) codes: Vec<String>,
    pub(super) one: World,
    pub(super) two: World,
}

const SECOND: Duration = Duration::from_secs(1);

impl Pair {
    /// Both run; forty receivers.
    pub(super) async fn new() -> Self {
        Self::wrapped(Setup::default().wrap).await
    }

    /// The same, and this stands between the first one and the broker.
    pub(super) async fn wrapped(wrap: Wrap) -> Self {
        Self::asked_to(Undelivered::Withdraw, [wrap, Setup::default().wrap]).await
    }

    /// The same for both of them, and this is done to what a recall finds waiting.
    async fn asked_to(undelivered: Undelivered, [to_one, to_two]: [Wrap; 2]) -> Self {
        let (clock, folder) = (clock(), new_folder());
        let (_, codes) = many(40);
        let (broker, leases) =
            (MemoryBroker::new(folder.path().to_owned()), Arc::new(MemoryLeases::default()));
        let one = node_behind(to_one, undelivered, &clock, &broker, &leases, "gw-1", 1);
        let two = node_behind(to_two, undelivered, &clock, &broker, &leases, "gw-2", 2);
        let mut pair = Self { clock, leases, broker, _folder: folder, codes, one, two };
        pair.pass(10).await;
        pair
    }

    /// Time goes on for everybody.
    pub(super) async fn pass(&mut self, seconds: u32) {
        for _ in 0..seconds {
            self.clock.advance(SECOND);
            // This moves tokio's clock by a second, for both.
            self.one.quiet().await;
        }
        self.two.quiet().await;
    }

    fn to(&self) -> Vec<&str> {
        self.codes.iter().map(String::as_str).collect()
    }

    /// How often each receiver got each document, from both gateways.
    pub(super) fn got(&self) -> BTreeMap<(String, String), usize> {
        let mut got = BTreeMap::new();
        for code in &self.codes {
            for document in self.one.got(code).into_iter().chain(self.two.got(code)) {
                *got.entry((code.clone(), document)).or_insert(0) += 1;
            }
        }
        got
    }

    fn served_by(world: &World, codes: &[String]) -> BTreeSet<String> {
        codes.iter().filter(|code| !world.got(code).is_empty()).cloned().collect()
    }
}

fn node(
    clock: &Arc<ManualClock>,
    broker: &MemoryBroker,
    leases: &Arc<MemoryLeases>,
    name: &str,
    store: u64,
) -> World {
    node_behind(Setup::default().wrap, Undelivered::Withdraw, clock, broker, leases, name, store)
}

fn node_behind(
    wrap: Wrap,
    undelivered: Undelivered,
    clock: &Arc<ManualClock>,
    broker: &MemoryBroker,
    leases: &Arc<MemoryLeases>,
    name: &str,
    store: u64,
) -> World {
    let node = NodeName::parse(name).expect("a name");
    let own = OwnNode::new(NodeLife { node, store });
    let bookmark = Arc::new(MemoryBookmark::default());
    let among = Among { own, leases: leases.clone(), bookmark, epoch: Arc::default() };
    let setup = Setup { directory: many(40).0, undelivered, wrap, ..Setup::default() };
    World::among(setup, clock.clone(), broker, among)
}

async fn are_all(world: &World, receipt: &Receipt, state: State) -> bool {
    world.states(receipt).await.iter().all(|found| *found == state)
}

#[tokio::test(start_paused = true)]
async fn two_gateways_share_the_work_and_each_knows_what_became_of_its_own() {
    let mut pair = Pair::new().await;
    assert_eq!(pair.one.partitions.held() + pair.two.partitions.held(), 64);
    assert!(pair.one.partitions.held() > 16 && pair.two.partitions.held() > 16);
    let first = pair.one.send(letter(1, &pair.to())).await;
    let second = pair.two.send(letter(2, &pair.to())).await;
    pair.pass(5).await;
    assert!(are_all(&pair.one, &first, State::Received).await);
    assert!(are_all(&pair.two, &second, State::Received).await);
    assert!(pair.got().values().all(|count| *count == 1), "{:?}", pair.got());
    assert_eq!(pair.got().len(), 80);
    let (by_one, by_two) = (Pair::served_by(&pair.one, &pair.codes), Pair::served_by(&pair.two, &pair.codes));
    assert!(by_one.is_disjoint(&by_two) && by_one.len() > 8 && by_two.len() > 8);
}

#[tokio::test(start_paused = true)]
async fn the_same_submission_to_both_is_one_document() {
    let mut pair = Pair::new().await;
    let eight = pair.codes[..8].to_vec();
    let to: Vec<&str> = eight.iter().map(String::as_str).collect();
    let here = pair.one.send(letter(1, &to)).await;
    let there = pair.two.send(letter(1, &to)).await;
    assert_eq!(here.document_id, there.document_id);
    let ids = |receipt: &Receipt| receipt.deliveries.iter().map(|line| line.delivery_id).collect::<Vec<_>>();
    assert_eq!(ids(&here), ids(&there));
    pair.pass(5).await;
    assert_eq!(pair.got().values().copied().collect::<Vec<_>>(), [1; 8]);
    assert!(are_all(&pair.one, &here, State::Received).await);
    assert!(are_all(&pair.two, &there, State::Received).await);
    // And after all is over, to who has only delivered some of it, and to who has none of it.
    let late = pair.two.send(letter(1, &to)).await;
    assert_eq!(ids(&late), ids(&here));
    pair.pass(5).await;
    assert_eq!(pair.got().values().copied().collect::<Vec<_>>(), [1; 8]);
}

#[tokio::test(start_paused = true)]
async fn a_submission_that_is_over_elsewhere_is_over_here() {
    let mut pair = Pair::new().await;
    let eight = pair.codes[..8].to_vec();
    let to: Vec<&str> = eight.iter().map(String::as_str).collect();
    let here = pair.one.send(letter(1, &to)).await;
    pair.pass(5).await;
    assert!(are_all(&pair.one, &here, State::Received).await);
    let there = pair.two.send(letter(1, &to)).await;
    pair.pass(10).await;
    assert!(are_all(&pair.two, &there, State::Received).await, "{:?}", pair.two.states(&there).await);
    assert_eq!(pair.got().values().copied().collect::<Vec<_>>(), [1; 8]);
}

#[tokio::test(start_paused = true)]
async fn the_queues_of_a_dead_gateway_are_served_in_twenty_seconds() {
    let mut pair = Pair::new().await;
    // What the dead one had taken over, and could not deliver.
    pair.two.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
    let before = pair.one.send(letter(1, &pair.to())).await;
    pair.pass(2).await;
    assert!(!are_all(&pair.one, &before, State::Received).await);
    pair.two.kill();
    let after = pair.one.send(letter(2, &pair.to())).await;
    pair.pass(20).await;
    assert!(are_all(&pair.one, &before, State::Received).await);
    assert!(are_all(&pair.one, &after, State::Received).await);
    assert_eq!(pair.one.partitions.held(), 64);
    for code in &pair.codes {
        assert_eq!(pair.one.got(code).len(), 2, "{code}: in order, and each once");
    }
    // It comes back, and knows what went on without it.
    pair.two.answer(|consignment, _| Ok(super::world::taken(consignment)));
    let tried = pair.got();
    pair.two.start();
    pair.pass(30).await;
    assert!(pair.two.partitions.held() > 16, "it has its part again");
    assert_eq!(pair.got(), tried, "nothing goes again");
}

#[tokio::test(start_paused = true)]
async fn what_waits_goes_to_one_that_comes() {
    let (clock, folder) = (clock(), new_folder());
    let (broker, leases) = (MemoryBroker::new(folder.path().to_owned()), Arc::new(MemoryLeases::default()));
    let one = node(&clock, &broker, &leases, "gw-1", 1);
    let two = node(&clock, &broker, &leases, "gw-2", 2);
    let codes = many(40).1;
    let mut pair = Pair { clock, leases, broker, _folder: folder, codes, one, two };
    pair.two.kill();
    pair.pass(30).await;
    assert_eq!(pair.one.partitions.held(), 64);
    pair.one.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
    let waits = pair.one.send(letter(1, &pair.to())).await;
    pair.pass(3).await;
    assert!(are_all(&pair.one, &waits, State::Queued).await);
    pair.two.start();
    pair.pass(30).await;
    let states = pair.one.states(&waits).await;
    let received = states.iter().filter(|state| **state == State::Received).count();
    assert!((8..=32).contains(&received), "{received} of 40 by the one that came");
    pair.one.answer(|consignment, _| Ok(super::world::taken(consignment)));
    pair.pass(120).await;
    assert!(are_all(&pair.one, &waits, State::Received).await);
}

#[tokio::test(start_paused = true)]
async fn without_its_leases_a_gateway_tries_nothing() {
    let mut pair = Pair::new().await;
    pair.leases.stop();
    // A lease that is not renewed is believed in for ten seconds.
    pair.pass(12).await;
    assert_eq!(pair.one.partitions.held() + pair.two.partitions.held(), 0);
    let waits = pair.one.send(letter(1, &pair.to())).await;
    pair.pass(5).await;
    assert!(pair.got().is_empty());
    pair.leases.start();
    pair.pass(30).await;
    assert!(are_all(&pair.one, &waits, State::Received).await);
    assert!(pair.got().values().all(|count| *count == 1));
    assert_eq!(pair.broker.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_lost_store_had_taken_over_is_sent_there_again() {
    let mut pair = Pair::new().await;
    pair.two.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
    let waits = pair.one.send(letter(1, &pair.to())).await;
    pair.pass(2).await;
    let received = pair.one.states(&waits).await.iter().filter(|state| **state == State::Received).count();
    // Another folder under the same name: it has nothing of what it had acknowledged.
    pair.two = node(&pair.clock, &pair.broker, &pair.leases, "gw-2", 22);
    pair.pass(40).await;
    assert!(received < 40);
    assert!(are_all(&pair.one, &waits, State::Received).await, "{:?}", pair.one.states(&waits).await);
    assert!(pair.got().values().all(|count| *count == 1));
}

#[tokio::test(start_paused = true)]
async fn what_a_lost_gateway_had_accepted_is_kept_by_who_adopts_it() {
    let mut pair = Pair::new().await;
    // Nobody is reached, so that nothing is over when the second gateway is lost with its disk.
    for world in [&pair.one, &pair.two] {
        world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
    }
    let scan = std::io::Read::take(std::io::repeat(9), 700_000);
    let codes = pair.codes[..12].to_vec();
    let to: Vec<&str> = codes.iter().map(String::as_str).collect();
    let small = pair.two.send(letter(1, &to)).await;
    let large = pair.two.send(letter(2, &to).attach("scan.pdf", "application/pdf", scan)).await;
    pair.pass(3).await;
    // This one is on its disk only.
    pair.broker.stop();
    let lost = pair.two.send(letter(3, &to)).await;
    pair.pass(1).await;
    pair.two.kill();
    pair.broker.start();
    pair.one.answer(|consignment, _| Ok(super::world::taken(consignment)));

    let adopt = pair.one.adopt.clone().expect("one of several");
    let refused = adopt.adopt("gw-2").await.expect_err("it was alive a moment ago");
    assert!(matches!(refused, AdoptRefused::Alive { .. }), "{refused}");
    for unknown in ["gw-3", "gw-1", "GW"] {
        let refused = adopt.adopt(unknown).await.expect_err("nobody else");
        assert!(matches!(refused, AdoptRefused::Unknown(_)), "{refused}");
    }
    pair.pass(61).await;
    let adopted = adopt.adopt("gw-2").await.expect("adopted");
    assert_eq!((adopted.taken_on + adopted.settled, adopted.epoch), (24, 1), "{adopted:?}");
    assert!(adopted.taken_on > 0 && adopted.documents == 2, "{adopted:?}");
    assert!(adopted.lost.is_empty(), "EVENTS knows nothing of what was on that disk only");
    pair.pass(30).await;
    for receipt in [&small, &large] {
        assert!(are_all(&pair.one, receipt, State::Received).await, "{:?}", pair.one.states(receipt).await);
    }
    let known = pair.one.ports.store.delivery(lost.deliveries[0].delivery_id).await.expect("read");
    assert_eq!(known, None, "nobody else ever heard of it");
    let again = adopt.adopt("gw-2").await.expect("asked again it finds nothing more");
    assert_eq!((again.taken_on, again.settled), (0, 24));

    // The disk is found again. It takes nothing on, and gives away what only it had.
    pair.two.start();
    pair.pass(40).await;
    assert!(pair.two.partitions.drains() && pair.two.partitions.held() == 0);
    assert!(pair.two.bring(letter(4, &to).to_bytes().expect("written"), "mot").await.is_err());
    assert!(are_all(&pair.two, &lost, State::Received).await, "{:?}", pair.two.states(&lost).await);
    for code in &codes {
        let got = pair.one.got(code);
        assert_eq!(got.iter().collect::<BTreeSet<_>>().len(), 3, "{got:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_keeps_its_order_whichever_gateway_is_given_its_messages() {
    let mut pair = Pair::new().await;
    let eight = pair.codes[..8].to_vec();
    let to: Vec<&str> = eight.iter().map(String::as_str).collect();
    for number in 1..=9 {
        let urgent = number % 3 == 0;
        let letter = letter(number, &to);
        let letter = if urgent { letter.priority(4) } else { letter };
        pair.one.send(letter).await;
    }
    pair.pass(20).await;
    for code in &eight {
        let got = pair.one.got(code).into_iter().chain(pair.two.got(code));
        let number = |packet: String| (1..=9).find(|number| packet.contains(&format!(",{number}/STN-VP")));
        let (urgent, normal): (Vec<u32>, Vec<u32>) =
            got.filter_map(number).partition(|number| number % 3 == 0);
        assert_eq!((urgent, normal), (vec![3, 6, 9], vec![1, 2, 4, 5, 7, 8]), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn packets_about_one_document_go_one_behind_the_other_whatever_their_lane() {
    let watch = Watch::new();
    let mut pair = Pair::asked_to(Undelivered::Deliver, [watch.wrap(), watch.wrap()]).await;
    let eight = pair.codes[..8].to_vec();
    let to: Vec<&str> = eight.iter().map(String::as_str).collect();
    let about = |number: u32, of: u32, priority| {
        let update = letter(number, &to).business(BusinessType::Update, "sửa", &name_of(of));
        update.document_id(&name_of(number)).priority(priority)
    };
    pair.broker.stop();
    let mut receipts = Vec::new();
    for packet in [
        letter(1, &to),
        about(2, 1, 0),
        about(3, 1, 4),
        // The urgent one stands in front of the normal one.
        letter(4, &to),
        about(5, 4, 4),
        about(6, 4, 0),
    ] {
        receipts.push(pair.one.send(packet).await);
    }
    watch.hold_deliveries(true);
    pair.broker.start();
    pair.pass(5).await;
    let published = watch.published();
    watch.hold_deliveries(false);
    pair.pass(30).await;
    for (at, code) in eight.iter().enumerate() {
        let [first, second, third, fourth, fifth, sixth] =
            receipts.iter().map(|receipt| receipt.deliveries[at].delivery_id).collect::<Vec<_>>()[..]
        else {
            panic!("six documents");
        };
        let goes_after = |id| &published.iter().find(|(one, _)| *one == id).expect("published").1;
        for (later, earlier) in [(second, first), (third, second), (fifth, fourth), (sixth, fifth)] {
            assert!(goes_after(later).contains(&earlier), "{code}: {published:?}");
        }
        let got: Vec<String> = pair.one.got(code).into_iter().chain(pair.two.got(code)).collect();
        let number =
            |packet: &String| (1..=6).find(|number| packet.contains(&format!("<edXML:CodeNumber>{number}<")));
        let (one, other): (Vec<u32>, Vec<u32>) =
            got.iter().filter_map(number).partition(|number| *number < 4);
        assert_eq!((one, other), (vec![1, 2, 3], vec![4, 5, 6]), "{code}: {got:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_again_has_a_number_that_nobody_has_used() {
    let mut pair = Pair::new().await;
    pair.broker.stop();
    let receipt = pair.one.send(letter(1, &[pair.codes[0].as_str()])).await;
    pair.one.quiet().await;
    let delivery = pair.one.delivery(receipt.deliveries[0].delivery_id).await;
    let packet = std::fs::read(pair.one.folder.path().join("blobs").join(receipt.sha256.to_string()));
    let inline = Some(packet.expect("a packet").into());
    pair.broker.start();
    // Somebody has sent it so often before; the messages are over, and the broker takes no other under these numbers.
    for generation in 1..=3 {
        let delivery = Delivery { generation, state: State::Queued, ..delivery.clone() };
        let message = DeliveryMessage {
            delivery,
            inline: inline.clone(),
            fence: None,
            after: Vec::new(),
            recall: None,
        };
        assert_eq!(pair.broker.publish(&message).await.expect("published"), Publication::New);
    }
    pair.broker.forget_deliveries();
    pair.pass(30).await;
    assert!(are_all(&pair.one, &receipt, State::Received).await, "{:?}", pair.one.states(&receipt).await);
    assert_eq!(pair.one.delivery(delivery.id).await.generation, 4);
}

#[tokio::test(start_paused = true)]
async fn what_another_gateway_holds_is_taken_back_there() {
    let mut pair = Pair::new().await;
    for world in [&pair.one, &pair.two] {
        world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
    }
    let codes = pair.codes[..8].to_vec();
    let to: Vec<&str> = codes.iter().map(String::as_str).collect();
    let sent = pair.one.send(letter(1, &to)).await;
    pair.pass(3).await;
    let revocation = letter(2, &to).business(BusinessType::Revoke, "thu hồi", &name_of(1));
    let revoked = pair.one.send(revocation).await;
    pair.pass(5).await;
    for receipt in [&sent, &revoked] {
        assert!(are_all(&pair.one, receipt, State::Withdrawn).await, "{:?}", pair.one.states(receipt).await);
    }
    let name = document_name::by_document_id(&organ(A), &name_of(1));
    let keys = codes.iter().map(|code| StandingKey::of(&name, &organ(code))).collect();
    let standings = pair.one.ports.store.standings(keys).await.expect("read");
    let states: BTreeSet<_> = standings.iter().map(|found| found.expect("one").state.to_string()).collect();
    assert_eq!(states, BTreeSet::from(["withdrawn".to_owned()]));
    let held_there = async |line: &ReceiptLine| {
        let history = pair.one.history(line.delivery_id).await;
        history.iter().any(|(event, note)| event == "withdrawn" && note.starts_with("[gw-2]"))
    };
    let mut there = 0;
    for line in &sent.deliveries {
        there += usize::from(held_there(line).await);
    }
    assert!((1..8).contains(&there), "{there} of 8 were taken back at the other gateway");
    let owed = pair.one.ports.store.pending_reports(99).await.expect("read");
    assert_eq!(owed, [], "the spool knows");
    // Everybody is there again, and nobody gets either.
    for world in [&pair.one, &pair.two] {
        world.answer(|consignment, _| Ok(super::world::taken(consignment)));
    }
    let before = pair.got();
    pair.pass(120).await;
    assert_eq!(pair.got(), before);
}
