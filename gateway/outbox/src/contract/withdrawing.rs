//! `Admission::recalls`: decided in the batch that admits, by the deliveries as they are then.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use lienthong_pipeline::ports::{Admitted, HandOff, Listing, OutboxStore, Transition};
use lienthong_pipeline::record::{
    Admission, BootId, Delivery, Fence, Move, Recall, RecallAct, Standing, State,
};
use lienthong_schemas::ids::{DeliveryId, StandingKey};

use super::samples::*;

const BOOT: BootId = BootId::new(1);

/// Document `n` to one receiver, which asks for these deliveries.
fn asking(n: u64, receiver: &str, act: RecallAct, of: &[DeliveryId]) -> Admission {
    let by = delivery_id(n, receiver);
    let recalls = vec![Recall { by, act, of: of.to_vec(), moves: Vec::new(), at_holder: false }];
    Admission { recalls, ..admission(n, &[receiver]) }
}

fn withdraws(n: u64, of: &[DeliveryId]) -> Admission {
    asking(n, "H02", RecallAct::Withdraw, of)
}

async fn admit(store: &dyn OutboxStore, admission: &Admission) {
    assert_eq!(store.admit(admission).await.expect("admitted"), Admitted::Inserted);
}

async fn get(store: &dyn OutboxStore, id: DeliveryId) -> Delivery {
    store.delivery(id).await.expect("read").expect("known")
}

async fn state(store: &dyn OutboxStore, id: DeliveryId) -> State {
    get(store, id).await.state
}

async fn last_note(store: &dyn OutboxStore, id: DeliveryId) -> String {
    store.history(id).await.expect("read").pop().expect("a line").note
}

fn leased() -> Transition {
    Transition::Leased { boot: BOOT, fence: Fence::ALONE }
}

fn lost(note: &str) -> Transition {
    Transition::AttemptFailed {
        due: NOW,
        document_fault: false,
        ours_to_fix: false,
        may_have_arrived: true,
        note: note.to_owned(),
    }
}

/// Whatever way it has gone inside the gateway, the document and what takes it back leave every list, and both are noted.
pub async fn what_has_not_left_is_withdrawn_with_what_takes_it_back(store: Arc<dyn OutboxStore>) {
    let fresh = admitted(&*store, 1, "H02").await;
    let handed_off = taken(&*store, 2, "H02").await;
    change(&*store, handed_off.id, failed(later(60))).await;
    let parked = taken(&*store, 3, "H02").await;
    change(&*store, parked.id, settled(State::Parked)).await;
    let of = [fresh.id, handed_off.id, parked.id];
    admit(&*store, &withdraws(9, &of)).await;

    let revocation = delivery_id(9, "H02");
    for id in of {
        assert_eq!(state(&*store, id).await, State::Withdrawn);
        assert!(last_note(&*store, id).await.contains(&document_id(9).to_string()));
        assert_eq!(store.hand_off(get(&*store, id).await).await.expect("read"), HandOff::Settled);
        refuse(&*store, id, leased()).await;
        refuse(&*store, id, requeued()).await;
        refuse(&*store, id, settled(State::Received)).await;
    }
    assert_eq!(words(&*store, revocation).await, ["accepted", "withdrawn"]);
    assert_eq!(words(&*store, fresh.id).await, ["accepted", "withdrawn"]);
    assert_eq!(state(&*store, revocation).await, State::Withdrawn);
    let stats = store.stats().await.expect("read");
    assert_eq!((stats.pending, stats.unpublished, stats.oldest_pending), (0, 0, None));
    assert_eq!(store.unpublished(9).await.expect("read"), []);
    assert_eq!(store.list(Listing::DeadLetters, None, 9).await.expect("read"), []);
    assert_eq!(store.receivers(fresh.route.adapter).await.expect("read"), []);
    let queue = fresh.route.queue();
    let first = store.first_correlated(&queue, fresh.correlations[0], None).await.expect("read");
    assert_eq!(first, None, "it holds nothing up");

    let owed: Vec<_> = store.pending_reports(9).await.expect("read");
    let owed_ids: Vec<_> = owed.iter().map(|owed| owed.delivery.id).collect();
    assert_eq!(owed_ids, [&of[..], &[revocation]].concat());
    assert!(owed.iter().all(|owed| owed.at == NOW && owed.delivery.state == State::Withdrawn));
    for id in owed_ids {
        let lines = words(&*store, id).await;
        change(&*store, id, Transition::Reported).await;
        assert_eq!(words(&*store, id).await, lines, "that it is noted is nobody's history");
        refuse(&*store, id, Transition::Reported).await;
    }
    assert_eq!(store.pending_reports(9).await.expect("read"), []);
}

/// Under way, cut, without a word, handed over, unknown: nothing changes, and the one that asks goes its way.
pub async fn what_may_have_left_stays_and_so_does_what_takes_it_back(store: Arc<dyn OutboxStore>) {
    let queued = admitted(&*store, 1, "H02").await;
    let under_way = taken(&*store, 2, "H02").await;
    change(&*store, under_way.id, leased()).await;
    let cut = taken(&*store, 3, "H02").await;
    change(&*store, cut.id, leased()).await;
    change(&*store, cut.id, lost("timeout")).await;
    let unclear = taken(&*store, 4, "H02").await;
    change(&*store, unclear.id, lost("timeout")).await;
    change(&*store, unclear.id, settled(State::Parked)).await;
    let received = taken(&*store, 5, "H02").await;
    change(&*store, received.id, settled(State::Received)).await;
    let given_up = admitted(&*store, 6, "H02").await;
    change(&*store, given_up.id, settled(State::GivenUp)).await;
    let unknown = delivery_id(7, "H02");
    let reports = store.pending_reports(9).await.expect("read");
    for (n, late) in [under_way.id, cut.id, unclear.id, received.id, given_up.id, unknown].iter().enumerate()
    {
        for (act, n) in [(RecallAct::Withdraw, 20 + n as u64), (RecallAct::Hold, 30 + n as u64)] {
            let before = (store.delivery(*late).await.expect("read"), get(&*store, queued.id).await);
            admit(&*store, &asking(n, "H02", act, &[queued.id, *late])).await;
            let after = (store.delivery(*late).await.expect("read"), get(&*store, queued.id).await);
            assert_eq!(before, after, "{n}");
            assert_eq!(state(&*store, delivery_id(n, "H02")).await, State::Queued);
            assert_eq!(words(&*store, delivery_id(n, "H02")).await, ["accepted"]);
        }
    }
    assert_eq!(store.pending_reports(9).await.expect("read"), reports);
    change(&*store, under_way.id, failed(NOW)).await;
    admit(&*store, &withdraws(40, &[under_way.id])).await;
    assert_eq!(
        state(&*store, under_way.id).await,
        State::Withdrawn,
        "its attempt ended, and nothing arrived"
    );
}

/// Whoever never saw a document hears neither of its second revocation nor of a 13.
pub async fn what_was_withdrawn_before_is_not_asked_back_again(store: Arc<dyn OutboxStore>) {
    let document = admitted(&*store, 1, "H02").await;
    admit(&*store, &withdraws(2, &[document.id])).await;
    let earlier = [document.id, delivery_id(2, "H02")];
    admit(&*store, &withdraws(3, &earlier)).await;
    admit(&*store, &asking(4, "H02", RecallAct::Hold, &earlier)).await;
    for n in [3, 4] {
        assert_eq!(words(&*store, delivery_id(n, "H02")).await, ["accepted", "withdrawn"]);
    }
    assert_eq!(words(&*store, document.id).await, ["accepted", "withdrawn"]);
}

/// A 13 holds the document and itself; the operator may send both on, and a later revocation withdraws both.
pub async fn what_is_held_waits_for_the_operator(store: Arc<dyn OutboxStore>) {
    let document = taken(&*store, 1, "H02").await;
    let mut asking_back = asking(2, "H02", RecallAct::Hold, &[document.id]);
    asking_back.deliveries[0].reportable = false;
    admit(&*store, &asking_back).await;
    let asks = delivery_id(2, "H02");
    assert_eq!(words(&*store, asks).await, ["accepted", "held"]);
    assert!(last_note(&*store, document.id).await.contains("(13)"));
    for id in [document.id, asks] {
        assert_eq!(state(&*store, id).await, State::Parked);
        refuse(&*store, id, leased()).await;
    }
    let dead = store.list(Listing::DeadLetters, None, 9).await.expect("read");
    assert_eq!(ids(&dead), [document.id, asks]);
    let owed = store.pending_reports(9).await.expect("read");
    assert_eq!(owed.iter().map(|owed| owed.delivery.id).collect::<Vec<_>>(), [document.id, asks]);

    change(&*store, document.id, requeued()).await;
    assert_eq!(state(&*store, document.id).await, State::Queued);
    assert_eq!(store.pending_reports(9).await.expect("read").len(), 1, "it is held no more");
    change(&*store, asks, settled(State::GivenUp)).await;
    assert_eq!(store.pending_reports(9).await.expect("read"), [], "nobody is told of a 13 given up");

    let other = admitted(&*store, 3, "H02").await;
    admit(&*store, &asking(4, "H02", RecallAct::Hold, &[other.id])).await;
    admit(&*store, &withdraws(5, &[other.id, delivery_id(4, "H02")])).await;
    for n in [3, 4, 5] {
        assert_eq!(state(&*store, delivery_id(n, "H02")).await, State::Withdrawn);
    }
    assert_eq!(store.pending_reports(9).await.expect("read").len(), 3);
}

/// Strangers, the same twice, itself, too many: nothing of the document is written.
pub async fn recalls_that_do_not_fit_are_refused_whole(store: Arc<dyn OutboxStore>) {
    let document = admitted(&*store, 1, "H02").await;
    let fits = withdraws(2, &[document.id]);
    let recall = fits.recalls[0].clone();
    let named = |of: Vec<DeliveryId>| Recall { of, ..recall.clone() };
    let many = (0..=Recall::NAMED_MAX).map(|n| delivery_id(1_000 + n as u64, "H02")).collect();
    let key = StandingKey::of(&[7; 16], &organ("H02"));
    let change = Move { key, number: 1, state: "withdrawn".parse().expect("a state") };
    let unfit = [
        vec![Recall { by: document.id, ..recall.clone() }],
        vec![recall.clone(), recall.clone()],
        vec![named(vec![document.id, document.id])],
        vec![named(vec![recall.by])],
        vec![named(many)],
        vec![Recall { moves: vec![change; Move::PER_ADMISSION_MAX + 1], ..recall.clone() }],
    ];
    for recalls in unfit {
        store.admit(&Admission { recalls, ..fits.clone() }).await.expect_err("unfit");
        assert_eq!(store.delivery(delivery_id(2, "H02")).await.expect("read"), None);
        assert_eq!(state(&*store, document.id).await, State::Queued);
    }
    admit(&*store, &fits).await;
}

/// Business states of receivers whose recall succeeds become what it says; those of the others what the packet says.
pub async fn a_recall_is_decided_for_each_receiver_by_itself(store: Arc<dyn OutboxStore>) {
    let codes = ["H02", "H03", "H04"];
    admit(&*store, &admission(1, &codes)).await;
    change(&*store, delivery_id(1, "H03"), settled(State::Received)).await;
    let key = |code: &str| StandingKey::of(&[7; 16], &organ(code));
    let to =
        |code: &str, text: &str| Move { key: key(code), number: 1, state: text.parse().expect("a state") };
    let recalls = ["H02", "H03"].map(|code| Recall {
        by: delivery_id(9, code),
        act: RecallAct::Withdraw,
        of: vec![delivery_id(1, code)],
        moves: vec![to(code, "withdrawn")],
        at_holder: false,
    });
    let moves = codes.map(|code| to(code, "none 1")).to_vec();
    let revocation = Admission { moves, recalls: recalls.to_vec(), ..admission(9, &codes) };
    admit(&*store, &revocation).await;
    let mut states = Vec::new();
    for (n, code) in [1, 9].into_iter().flat_map(|n| codes.map(|code| (n, code))) {
        states.push(state(&*store, delivery_id(n, code)).await);
    }
    use State::{Queued, Received, Withdrawn};
    assert_eq!(states, [Withdrawn, Received, Queued, Withdrawn, Queued, Queued]);
    let standings = store.standings(codes.map(key).to_vec()).await.expect("read");
    let said = |standing: &Option<Standing>| standing.map(|s| (s.state.to_string(), s.number, s.since));
    let at = later(9);
    let wanted = ["withdrawn", "none 1", "none 1"].map(|text| Some((text.to_owned(), 1, at)));
    assert_eq!(standings.iter().map(said).collect::<Vec<_>>(), wanted);
    assert_eq!(store.admit(&revocation).await.expect("read"), Admitted::Existing, "and once");
}

/// Whichever of them the store takes first, the other does not happen.
pub async fn a_withdrawal_and_an_attempt_never_both_happen(store: Arc<dyn OutboxStore>) {
    for n in 0..40 {
        let document = taken(&*store, 2 * n, "H02").await;
        let revocation = withdraws(2 * n + 1, &[document.id]);
        let attempt = store.transition(document.id, NOW, leased());
        let recall = store.admit(&revocation);
        // The one that is asked first is not always the same.
        let (leased, recalled) = if n % 2 == 0 {
            tokio::join!(attempt, recall)
        } else {
            let (recalled, leased) = tokio::join!(recall, attempt);
            (leased, recalled)
        };
        recalled.expect("admitted");
        let leased = leased.expect("written").is_some();
        let states = [2 * n, 2 * n + 1].map(|n| delivery_id(n, "H02"));
        let states = [state(&*store, states[0]).await, state(&*store, states[1]).await];
        let wanted = if leased { [State::Queued; 2] } else { [State::Withdrawn; 2] };
        assert_eq!(states, wanted);
    }
}

/// What the rules say, for somebody who knows only what was done to each delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Naive {
    state: State,
    under_way: bool,
    perhaps_there: bool,
}

impl Naive {
    const NEW: Self = Self { state: State::Queued, under_way: false, perhaps_there: false };

    fn is_here(self) -> bool {
        match self.state {
            State::Withdrawn => true,
            State::Queued | State::Parked => !self.under_way && !self.perhaps_there,
            _ => false,
        }
    }
}

/// Numbers drawn by lot (Steele, Lea, Flood: SplitMix64), the same again from the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or_default() % end
    }
}

/// Deliveries of one receiver under random changes and recalls, beside a naive model. A failure says its seed.
pub async fn recalls_do_as_a_naive_reader_of_the_rules_would(store: Arc<dyn OutboxStore>) {
    let seed = RandomState::new().build_hasher().finish();
    let mut dice = Dice(seed);
    let (mut naive, mut number, mut boot) = (BTreeMap::new(), 0, 1);
    for _ in 0..400 {
        number += 1;
        let pool: Vec<u64> = naive.keys().copied().collect();
        let one = pool.get(dice.below(pool.len().max(1))).copied();
        match (dice.below(9), one) {
            (0..=2, _) | (_, None) => {
                taken(&*store, number, "H02").await;
                naive.insert(number, Naive::NEW);
            }
            (3..=6, Some(n)) => {
                let known = naive.get_mut(&n).expect("a document");
                let (id, choice) = (delivery_id(n, "H02"), dice.below(6));
                let change = match choice {
                    0 => Transition::Leased { boot: BootId::new(boot), fence: Fence::ALONE },
                    1 => failed(NOW),
                    2 => lost("timeout"),
                    3 => settled(State::Parked),
                    4 => settled(State::Received),
                    _ => requeued(),
                };
                boot += 1;
                if let Some(after) = store.transition(id, NOW, change).await.expect("written") {
                    known.perhaps_there |= choice == 2 || (choice == 0 && known.under_way);
                    known.under_way = choice == 0;
                    known.state = after.state;
                }
            }
            (die, Some(_)) => {
                let of: Vec<u64> = pool.iter().copied().filter(|_| dice.below(4) == 0).collect();
                if of.is_empty() {
                    continue;
                }
                let act = if die == 7 { RecallAct::Withdraw } else { RecallAct::Hold };
                let named: Vec<_> = of.iter().map(|n| delivery_id(*n, "H02")).collect();
                admit(&*store, &asking(number, "H02", act, &named)).await;
                let here = of.iter().all(|n| naive[n].is_here());
                let gone = of.iter().all(|n| naive[n].state == State::Withdrawn);
                let to = if act == RecallAct::Hold && !gone { State::Parked } else { State::Withdrawn };
                naive.insert(number, Naive { state: if here { to } else { State::Queued }, ..Naive::NEW });
                for n in of.iter().filter(|_| here) {
                    let known = naive.get_mut(n).expect("a document");
                    known.state = if known.state == State::Withdrawn { State::Withdrawn } else { to };
                }
            }
        }
        for (n, known) in &naive {
            let now = get(&*store, delivery_id(*n, "H02")).await;
            let found = (now.state, now.lease.is_some(), now.may_have_arrived);
            let wanted = (known.state, known.under_way, known.perhaps_there);
            assert_eq!(found, wanted, "seed {seed}, document {n}, step {number}");
        }
    }
}

/// Of several gateways: not with the admission, but where the queue is served, in the batch that takes the one that asks
/// over; by what stands there.
pub async fn a_recall_is_decided_where_its_delivery_is_taken_over(store: Arc<dyn OutboxStore>) {
    let at_holder = |by: DeliveryId, of: &[DeliveryId]| {
        let moves = Vec::new();
        Recall { by, act: RecallAct::Withdraw, of: of.to_vec(), moves, at_holder: true }
    };
    // Accepted here: what is being published may be anywhere.
    let published = admitted(&*store, 1, "H02").await;
    let asks = delivery_id(9, "H02");
    let recalls = vec![at_holder(asks, &[published.id])];
    admit(&*store, &Admission { recalls: recalls.clone(), ..admission(9, &["H02"]) }).await;
    assert_eq!(state(&*store, published.id).await, State::Queued);
    let message = get(&*store, asks).await;
    let taken_over = store.hand_off_asking(message, recalls[0].clone()).await.expect("written");
    assert_eq!(taken_over, HandOff::Taken);
    assert_eq!(state(&*store, published.id).await, State::Queued, "another gateway may have it");
    assert_eq!(state(&*store, asks).await, State::Queued);

    // Accepted elsewhere, served here: nobody here notes it beside an admission.
    let (letter, revocation) = (delivery(2, "H02"), delivery(10, "H02"));
    store.hand_off(letter.clone()).await.expect("written");
    let recall = at_holder(revocation.id, &[letter.id]);
    let taken_over = store.hand_off_asking(revocation.clone(), recall.clone()).await.expect("written");
    assert_eq!(taken_over, HandOff::Taken);
    for id in [letter.id, revocation.id] {
        assert_eq!(state(&*store, id).await, State::Withdrawn);
        assert_eq!(words(&*store, id).await, ["handed_off", "withdrawn"]);
    }
    assert_eq!(store.pending_reports(9).await.expect("read"), []);
    let again = store.hand_off_asking(revocation, recall).await.expect("written");
    assert_eq!(again, HandOff::Settled);

    // Accepted and served here; and one that an attempt may have brought there already.
    let (here, tried) = (taken(&*store, 3, "H03").await, taken(&*store, 4, "H04").await);
    change(&*store, tried.id, leased()).await;
    for (n, code, earlier, end) in
        [(11, "H03", here.id, State::Withdrawn), (12, "H04", tried.id, State::Queued)]
    {
        let recall = at_holder(delivery_id(n, code), &[earlier]);
        admit(&*store, &Admission { recalls: vec![recall.clone()], ..admission(n, &[code]) }).await;
        let message = get(&*store, recall.by).await;
        store.hand_off_asking(message, recall.clone()).await.expect("written");
        assert_eq!((state(&*store, earlier).await, state(&*store, recall.by).await), (end, end));
    }
    let owed: Vec<_> = store.pending_reports(9).await.expect("read");
    assert_eq!(owed.len(), 2, "the spool has yet to know of both");

    let key = StandingKey::of(&[7; 16], &organ("H03"));
    let withdrawn = Move { key, number: 1, state: "withdrawn".parse().expect("a state") };
    for _ in 0..2 {
        store.recalled(vec![withdrawn], NOW).await.expect("written");
        let standing = store.standings(vec![key]).await.expect("read")[0].expect("one");
        assert_eq!((standing.state, standing.since), (withdrawn.state, NOW));
    }
}
