//! What is not over in time is late (`delivery.late_after`): its sender sees it, a metric counts it, nothing else changes.

use std::time::Duration;

use lienthong_adapters::contract::{failure, received};
use lienthong_pipeline::late::Late;
use lienthong_pipeline::ports::FailureClass;
use lienthong_pipeline::record::{Receipt, State};
use lienthong_pipeline::tasks::Tasks;
use lienthong_pipeline::view::{self, DeliveryView, Viewer};
use tokio::task::JoinSet;

use super::world::{B, C, LATE_AFTER, World, letter};

const HOUR: Duration = Duration::from_secs(3600);

async fn seen(world: &World, receipt: &Receipt) -> DeliveryView {
    let directory = world.directory();
    let shown =
        view::document(&world.ports, &directory, receipt.document_id, Viewer::Operator, LATE_AFTER).await;
    shown.expect("a view").expect("a document").deliveries.remove(0)
}

#[tokio::test(start_paused = true)]
async fn what_is_not_over_after_a_day_is_late_until_it_is() {
    let mut world = World::new();
    let late = Late::new(world.ports.clone(), world.metrics.clone(), LATE_AFTER);
    let mut counting = JoinSet::new();
    counting.spawn(late.run(Tasks::new()));
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
    let dead = world.send(letter(1, &[B])).await;
    world.pass(HOUR * 12, HOUR / 2).await;
    let younger = world.send(letter(2, &[C])).await;
    world.pass(HOUR * 12 - HOUR / 2, HOUR / 2).await;
    let view = seen(&world, &dead).await;
    assert!(!view.late && view.late_since.is_none() && view.late_vi.is_empty());
    assert_eq!(world.metrics.late_deliveries.value(), 0);

    world.pass(HOUR, HOUR / 2).await;
    let view = seen(&world, &dead).await;
    assert!(view.late && view.late_vi.contains("trễ") && view.late_en.contains("late"));
    assert_eq!(view.late_since, Some(dead.accepted_at + LATE_AFTER), "since then, whenever it is looked at");
    assert!(!seen(&world, &younger).await.late);
    assert_eq!((view.state, world.metrics.late_deliveries.value()), (State::Queued, 1));
    let json = serde_json::to_value(&view).expect("JSON");
    assert_eq!((&json["late"], json["late_since"].is_string()), (&true.into(), true));

    world.pass(HOUR * 12, HOUR / 2).await;
    assert_eq!(world.metrics.late_deliveries.value(), 2);
    world.answer(|_, _| Ok(received()));
    world.pass(HOUR, HOUR / 4).await;
    let view = seen(&world, &dead).await;
    assert_eq!((view.state, view.late, view.late_since), (State::Received, false, None), "it is over");
    assert_eq!(world.metrics.late_deliveries.value(), 0);
    assert!(counting.try_join_next().is_none(), "it goes on counting");
}

/// What was given up is not late any more, and what was sent again after it counts from its receipt.
#[tokio::test(start_paused = true)]
async fn what_is_sent_again_is_as_late_as_it_is() {
    let mut world = World::new();
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
    let receipt = world.send(letter(1, &[B])).await;
    world.pass(HOUR * 49, HOUR / 2).await;
    let view = seen(&world, &receipt).await;
    assert_eq!((view.state, view.late), (State::GivenUp, false));
    assert!(view.told.expect("told").told, "by a status packet");
    let id = receipt.deliveries[0].delivery_id;
    let requeued = lienthong_pipeline::ports::Transition::Requeued { note: String::new() };
    let now = lienthong_pipeline::ports::Clock::now(&*world.clock);
    world.ports.store.transition(id, now, requeued).await.expect("the store answers").expect("fits");
    let view = seen(&world, &receipt).await;
    assert_eq!((view.state, view.late_since), (State::Queued, Some(receipt.accepted_at + LATE_AFTER)));
    assert!(view.told.is_none());
}
