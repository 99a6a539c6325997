//! Acts by filter: a page at a time, in the order of the store, never on what came later; and what a dry run says.

use lienthong_pipeline::operate::look::FixBy;
use lienthong_pipeline::operate::{PASS_MAX, Pass, Target};
use lienthong_pipeline::ports::Clock;
use lienthong_pipeline::record::AdapterKind;
use lienthong_schemas::edxml::BusinessType;

use super::*;
use crate::pipeline::world::{name_of, organ, system, taken};

/// Page after page, as the command line asks.
async fn all(world: &World, act: &Act, listing: Listing, wanted: Wanted, dry_run: bool) -> Vec<Outcome> {
    let (operate, mut wanted, mut outcomes) = (hands(world), wanted, Vec::new());
    loop {
        let pass = operate.act_on_page(act, (listing, &wanted), &by(), dry_run).await.expect("a page");
        let Pass { outcomes: page, next, as_of } = pass;
        assert!(page.len() <= wanted.limit.unwrap_or(PASS_MAX));
        outcomes.extend(page);
        (wanted.after, wanted.as_of) = (next, Some(as_of));
        if next.is_none() {
            return outcomes;
        }
    }
}

fn ids(outcomes: &[Outcome]) -> Vec<DeliveryId> {
    outcomes.iter().map(|outcome| outcome.delivery_id).collect()
}

async fn histories(world: &World, ids: &[DeliveryId]) -> Vec<usize> {
    let mut lines = Vec::new();
    for id in ids {
        lines.push(world.history(*id).await.len());
    }
    lines
}

/// Letters to B that it refused, in this number.
async fn refused(world: &mut World, count: u32) -> Vec<DeliveryId> {
    world.answer(|_, _| Err(failure(FailureClass::Permanent, "http_422")));
    let mut ids = Vec::new();
    for number in 1..=count {
        ids.push(world.send(letter(number, &[B])).await.deliveries[0].delivery_id);
        world.advance(SECOND).await;
    }
    ids
}

#[tokio::test(start_paused = true)]
async fn a_filter_requeues_all_in_order_and_only_what_was_there() {
    let mut world = World::new();
    let waiting = refused(&mut world, 5).await;
    let wanted = Wanted { receiver: Some(organ(B)), limit: Some(2), ..Wanted::default() };
    let before = histories(&world, &waiting).await;
    let foreseen = all(&world, &Act::Requeue, Listing::DeadLetters, wanted.clone(), true).await;
    assert_eq!(ids(&foreseen), waiting);
    assert!(foreseen.iter().all(|one| one.dry_run && !one.done && one.is_good()));
    assert!(foreseen.iter().all(|one| one.text_vi.starts_with("sẽ ") && after(one).0 == State::Refused));
    assert_eq!(histories(&world, &waiting).await, before, "a dry run does nothing");
    assert_eq!(world.metrics.operator_acts.of("requeue").value(), 0);

    // Between two pages another one becomes a dead letter, and one of the first page is refused once more.
    let operate = hands(&world);
    let first = operate.act_on_page(&Act::Requeue, (Listing::DeadLetters, &wanted), &by(), false).await;
    let first = first.expect("a page");
    assert_eq!(ids(&first.outcomes), waiting[..2]);
    world.advance(SECOND).await;
    let late = world.send(letter(9, &[B])).await.deliveries[0].delivery_id;
    world.quiet().await;
    assert_eq!(world.delivery(late).await.state, State::Refused);
    let rest = Wanted { after: first.next, as_of: Some(first.as_of), ..wanted };
    let rest = all(&world, &Act::Requeue, Listing::DeadLetters, rest, false).await;
    assert_eq!(ids(&rest), waiting[2..], "each once, and not what came later");
    assert_eq!(world.metrics.operator_acts.of("requeue").value(), 5);
    world.answer(|_, _| Ok(received()));
    world.quiet().await;
    let tried = world.adapter.attempts();
    let again: Vec<_> = tried[tried.len() - 3..].iter().map(|attempt| attempt.seen.delivery).collect();
    assert_eq!(again, waiting[2..], "in the order of the store");
}

#[tokio::test(start_paused = true)]
async fn every_filter_narrows_what_is_acted_on() {
    let mut world = World::new();
    world.answer(|consignment, _| match consignment.delivery.route.receiver.as_str() {
        B => Err(failure(FailureClass::Permanent, "http_422")),
        C => Err(failure(FailureClass::Permanent, "http_410")),
        _ => Ok(taken(consignment)),
    });
    let old = world.send(letter(1, &[B, C])).await;
    world.quiet().await;
    world.advance(HOUR).await;
    let young = world.send(letter(2, &[B])).await;
    world.quiet().await;
    let now = world.clock.now();
    let hour_ago = now - HOUR / 2;
    let [b, c, late] =
        [old.deliveries[0].delivery_id, old.deliveries[1].delivery_id, young.deliveries[0].delivery_id];
    let cases = [
        (Wanted::default(), vec![b, c, late]),
        (Wanted { system: Some(system("ba")), ..Wanted::default() }, vec![c]),
        (Wanted { document: Some(old.document_id), ..Wanted::default() }, vec![b, c]),
        (Wanted { document: Some(old.document_id), after: Some(b), ..Wanted::default() }, vec![c]),
        (Wanted { reason: Some("HTTP_410".into()), ..Wanted::default() }, vec![c]),
        (Wanted { reason: Some("failed in memory".into()), ..Wanted::default() }, vec![b, c, late]),
        (Wanted { reason: Some("smtp".into()), ..Wanted::default() }, vec![]),
        (Wanted { accepted_before: Some(hour_ago), ..Wanted::default() }, vec![b, c]),
        (Wanted { accepted_after: Some(hour_ago), ..Wanted::default() }, vec![late]),
        (Wanted { as_of: Some(hour_ago), ..Wanted::default() }, vec![b, c]),
        (Wanted { state: Some(State::Parked), ..Wanted::default() }, vec![]),
    ];
    for (wanted, expected) in cases {
        let foreseen = all(&world, &Act::Requeue, Listing::DeadLetters, wanted.clone(), true).await;
        assert_eq!(ids(&foreseen), expected, "{wanted:?}");
        let page = look::list(&world.ports, Listing::DeadLetters, &wanted).await.expect("a page");
        let listed: Vec<_> = page.deliveries.iter().map(|line| line.delivery_id).collect();
        assert_eq!(listed, expected, "the list has the same");
    }
    assert!(all(&world, &Act::Retry, Listing::Pending, Wanted::default(), true).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_list_of_what_is_pending_ends_where_the_rest_is_younger() {
    let mut world = World::new();
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
    let old = world.send(letter(1, &[B])).await.deliveries[0].delivery_id;
    world.advance(HOUR).await;
    let young = world.send(letter(2, &[C])).await.deliveries[0].delivery_id;
    world.quiet().await;
    let before = |at| Wanted { accepted_before: Some(at), ..Wanted::default() };
    let now = world.clock.now();
    for (wanted, expected) in [(before(now - HOUR / 2), vec![old]), (before(now + HOUR), vec![old, young])] {
        let outcomes = all(&world, &Act::Retry, Listing::Pending, wanted, false).await;
        assert_eq!(ids(&outcomes), expected);
        assert!(outcomes.iter().all(|one| one.verdict == Verdict::Hastened));
        world.advance(SECOND).await;
    }
}

/// A dry run over several pages says of related ones what would become of them.
#[tokio::test(start_paused = true)]
async fn a_dry_run_knows_what_would_be_elsewhere_by_then() {
    let mut world = World::new();
    world.answer(|consignment, _| match consignment.delivery.route.adapter {
        AdapterKind::VendorHttp => Err(failure(FailureClass::Receiver, "connect")),
        _ => Ok(taken(consignment)),
    });
    let mut waiting = vec![world.send(letter(1, &[B])).await.deliveries[0].delivery_id];
    for number in 2..=4 {
        let update = letter(number, &[B]).business(BusinessType::Update, "sửa", &name_of(1));
        waiting.push(world.send(update).await.deliveries[0].delivery_id);
    }
    world.quiet().await;
    let act = Act::Reroute(Target::Via(system("vpcp")));
    // In the directory of these tests `vpcp` is a vendor's system, too; its queue is that of the receiver.
    let same_queue = all(&world, &act, Listing::Pending, Wanted::default(), true).await;
    assert!(same_queue.iter().all(|one| one.verdict == Verdict::Rerouted && one.parked.is_empty()));
    let act = Act::Reroute(Target::Via(system("bo")));
    for limit in [1, 3, 9] {
        let wanted = Wanted { limit: Some(limit), ..Wanted::default() };
        let foreseen = all(&world, &act, Listing::Pending, wanted, true).await;
        let verdicts: Vec<_> = foreseen.iter().map(|one| one.verdict).collect();
        assert_eq!((ids(&foreseen), verdicts), (waiting.clone(), vec![Verdict::Rerouted; 4]), "{limit}");
    }
    // Without the first one, the others would overtake it.
    let foreseen = hands(&world).foresee(act.clone(), &waiting[1..], &by()).await;
    assert!(
        foreseen.iter().all(|one| (one.verdict, one.because) == (Verdict::RelatedFirst, Some(waiting[0])))
    );
    let done =
        all(&world, &act, Listing::Pending, Wanted { limit: Some(3), ..Wanted::default() }, false).await;
    assert!(done.iter().all(|one| one.done), "{done:?}");
    world.pass(SECOND * 200, SECOND * 10).await;
    let left: Vec<_> = world.consigned().into_iter().map(|(document, _)| document).collect();
    let mut expected = Vec::new();
    for id in &waiting {
        expected.push(world.delivery(*id).await.document);
    }
    assert_eq!(left, expected, "in their order");
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_says_which_document_why_since_when_and_who_may_fix_it() {
    let mut world = World::new();
    world.answer(|consignment, nth| match (consignment.delivery.route.receiver.as_str(), nth) {
        (B, 1) => Err(failure(FailureClass::Receiver, "connect")),
        (B, _) => Err(failure(FailureClass::Permanent, "http_422")),
        (C, _) => Err(failure(FailureClass::Receiver, "timeout")),
        _ => Ok(taken(consignment)),
    });
    let receipt = world.send(letter(1, &[B, C]).subject("V/v \u{9b}2J\u{202e}họp")).await;
    world.quiet().await;
    world.advance(SECOND * 10).await;
    let refused_at = world.clock.now();
    world.pass(HOUR * 49, HOUR / 2).await;
    let page = look::list(&world.ports, Listing::DeadLetters, &Wanted::default()).await.expect("a page");
    let [refused, given_up] = [&page.deliveries[0], &page.deliveries[1]];
    assert_eq!((refused.state, refused.since, refused.attempts), (State::Refused, Some(refused_at), 2));
    assert_eq!(refused.reason, "http_422: failed in memory");
    assert_eq!(
        (refused.last_failure.as_str(), refused.fix_by),
        ("connect: failed in memory", Some(FixBy::Sender))
    );
    assert!(refused.fix_by_vi.contains("bên gửi") && !refused.fix_by_en.is_empty());
    let face = refused.document.as_ref().expect("its face");
    assert_eq!((face.code.as_str(), face.subject.as_str()), ("1/STN-VP", "V/v \\u{9b}2J\\u{202e}họp"));
    assert_eq!((given_up.state, given_up.fix_by), (State::GivenUp, Some(FixBy::Receiver)));
    assert_eq!(given_up.reason, "not deliverable within the time set");
    assert_eq!(given_up.last_failure, "timeout: failed in memory");
    let since = given_up.since.expect("since when");
    assert!(since >= receipt.accepted_at + HOUR * 48 && since < receipt.accepted_at + HOUR * 49, "{since}");
}
