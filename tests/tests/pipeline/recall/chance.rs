//! Whatever comes between: a letter and its revocation both go to a receiver, in their order, or neither does.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

const RECEIVERS: [&str; 5] = [B, C, D, X, Y];

/// Attempts that may have brought a document to a receiver, oldest first.
type Arrived = Arc<Mutex<Vec<(DocumentId, String)>>>;

/// Receivers that take, refuse for certain, or break off without a word, by lot.
fn moody(world: &World, seed: u64) -> Arrived {
    let arrived = Arrived::default();
    let (seen, mut dice) = (arrived.clone(), StdRng::seed_from_u64(seed));
    world.answer(move |consignment, _| {
        let mut seen = seen.lock().expect("a list");
        let fate = dice.random_range(0..10);
        if fate >= 5 {
            return Err(failure(FailureClass::Receiver, "connect"));
        }
        seen.extend(consignment.receivers.iter().map(|to| (consignment.delivery.document, to.to_string())));
        match fate {
            0..=2 => Ok(taken(consignment)),
            _ => {
                Err(DeliveryFailure { may_have_arrived: true, ..failure(FailureClass::Receiver, "timeout") })
            }
        }
    });
    arrived
}

async fn one_run(seed: u64) {
    println!("seed {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let mut world = World::open(withdrawing());
    let arrived = moody(&world, seed);
    let mut pairs: Vec<(Receipt, Option<Receipt>)> = Vec::new();
    for number in 0..60 {
        match dice.random_range(0..6) {
            0 => world.broker.stop(),
            1 => world.broker.start(),
            _ => {}
        }
        let open: Vec<usize> = (0..pairs.len()).filter(|at| pairs[*at].1.is_none()).collect();
        if open.len() < 3 || dice.random_range(0..2) == 0 {
            let to: Vec<&str> = RECEIVERS.into_iter().filter(|_| dice.random_range(0..2) == 0).collect();
            let to = if to.is_empty() { vec![B] } else { to };
            pairs.push((world.send(letter(number, &to).priority(dice.random_range(0..2))).await, None));
        } else {
            let at = open[dice.random_range(0..open.len())];
            let document = &pairs[at].0;
            let to: Vec<&str> = document.deliveries.iter().map(|line| line.receiver.as_str()).collect();
            let revokes =
                letter(number, &to).business(BusinessType::Revoke, "nhầm", &document.sender_document_id);
            let revocation = world.send(revokes.priority(dice.random_range(0..2))).await;
            pairs[at].1 = Some(revocation);
        }
        for _ in 0..dice.random_range(0..300) {
            tokio::task::yield_now().await;
        }
        if dice.random_range(0..4) == 0 {
            world.kill();
            world.start();
        }
        world.clock.advance(Duration::from_secs(dice.random_range(0..60)));
    }
    world.broker.start();
    world.answer({
        let seen = arrived.clone();
        move |consignment, _| {
            let to = consignment.receivers.iter().map(|to| (consignment.delivery.document, to.to_string()));
            seen.lock().expect("a list").extend(to);
            Ok(taken(consignment))
        }
    });
    tokio::time::advance(Duration::from_secs(61)).await;
    world.pass(Duration::from_secs(1_200), Duration::from_secs(10)).await;
    let (mut withdrawn, mut delivered) = (0, 0);
    let arrived = arrived.lock().expect("a list").clone();
    for (document, revocation) in &pairs {
        for (at, line) in document.deliveries.iter().enumerate() {
            let first = |receipt: &Receipt| {
                let here = (receipt.document_id, line.receiver.to_string());
                arrived.iter().position(|arrived| *arrived == here)
            };
            let letter_is = world.delivery(line.delivery_id).await.state;
            let Some(revocation) = revocation else {
                assert!(matches!(letter_is, State::Received | State::HandedOver), "seed {seed}");
                continue;
            };
            let revocation_is = world.delivery(revocation.deliveries[at].delivery_id).await.state;
            match (first(document), first(revocation)) {
                (None, None) => {
                    assert_eq!(
                        (letter_is, revocation_is),
                        (State::Withdrawn, State::Withdrawn),
                        "seed {seed}"
                    );
                    withdrawn += 1;
                }
                (Some(letter), Some(after)) => {
                    assert!(letter < after, "seed {seed}");
                    assert_eq!(letter_is, revocation_is, "seed {seed}");
                    assert!(matches!(letter_is, State::Received | State::HandedOver), "seed {seed}");
                    delivered += 1;
                }
                halves => {
                    panic!("seed {seed}: {halves:?} at {}, {letter_is:?}, {revocation_is:?}", line.receiver)
                }
            }
        }
    }
    assert!(withdrawn > 0 && delivered > 0, "seed {seed}: {withdrawn} and {delivered}");
    assert!(world.ports.store.pending_reports(9).await.expect("read").is_empty(), "seed {seed}");
}

#[tokio::test(start_paused = true)]
async fn a_letter_and_its_revocation_both_arrive_or_neither_does() {
    let chance: u64 = rand::rng().random();
    for seed in [1, 2, 3, chance] {
        one_run(seed).await;
    }
}
