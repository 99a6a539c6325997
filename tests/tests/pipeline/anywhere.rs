//! "Where is my document?" is answered by every gateway, whichever accepted it, and to the same people.

use std::time::Duration;

use lienthong_adapters::contract::failure;
use lienthong_pipeline::directory::Directory;
use lienthong_pipeline::ports::{FailureClass, Fault};
use lienthong_pipeline::record::{HistoryEntry, State, SystemId};
use lienthong_pipeline::view::{Anywhere, DeliveryView, DocumentView, Viewer};
use lienthong_schemas::ids::DocumentId;

use super::nodes::Pair;
use super::world::{World, letter};

const LATE_AFTER: Duration = Duration::from_secs(3_600);

async fn shown(
    world: &World,
    directory: &Directory,
    id: DocumentId,
    viewer: Viewer<'_>,
) -> Result<Option<DocumentView>, Fault> {
    let anywhere = Anywhere::new(world.ports.clone(), world.partitions.clone());
    anywhere.document(directory, id, viewer, LATE_AFTER).await
}

async fn seen(world: &World, id: DocumentId, viewer: Viewer<'_>) -> Option<DocumentView> {
    shown(world, &world.directory(), id, viewer).await.expect("looked for")
}

fn system(name: &str) -> SystemId {
    SystemId::parse(name).expect("a name")
}

fn states(view: &DocumentView) -> Vec<(String, State, u32)> {
    let line = |line: &DeliveryView| (line.receiver.as_str().to_owned(), line.state, line.attempts);
    view.deliveries.iter().map(line).collect()
}

#[tokio::test(start_paused = true)]
async fn a_gateway_shows_what_another_one_accepted() {
    let mut pair = Pair::new().await;
    for world in [&pair.one, &pair.two] {
        world.answer(|consignment, _| match consignment.delivery.route.receiver.as_str().ends_with('0') {
            true => Err(failure(FailureClass::Receiver, "connect")),
            false => Ok(super::world::taken(consignment)),
        });
    }
    let codes = pair.codes.clone();
    let to: Vec<&str> = codes.iter().map(String::as_str).collect();
    let receipt = pair.one.send(letter(1, &to)).await;
    let id = receipt.document_id;
    pair.pass(5).await;
    let there = seen(&pair.one, id, Viewer::Operator).await.expect("its own");
    let here = seen(&pair.two, id, Viewer::Operator).await.expect("shown here too");
    assert_eq!(there.accepted_by, None);
    assert_eq!(here.accepted_by.as_ref().map(|node| node.to_string()).as_deref(), Some("gw-1"));
    assert_eq!((&here.receipt, states(&here)), (&there.receipt, states(&there)));
    let waiting = states(&here).iter().filter(|(_, state, _)| *state == State::Queued).count();
    assert_eq!(waiting, 4);
    for (here, there) in here.deliveries.iter().zip(&there.deliveries) {
        let words = |history: &[HistoryEntry]| {
            let mut words: Vec<_> = history.iter().map(|line| (line.at, line.event.clone())).collect();
            words.sort();
            words
        };
        assert_eq!(words(&here.history), words(&there.history), "{}", here.receiver);
        let marked = here.history.iter().find(|line| line.event == "accepted");
        assert_eq!(marked.map(|line| line.note.as_str()), Some("[gw-1]"));
    }

    // Its sender's system, that of the receivers, and one that has nothing to do with it.
    let (mot, hai, ba) = (system("mot"), system("hai"), system("ba"));
    for (viewer, count) in [(&mot, 40), (&hai, 40), (&ba, 0)] {
        let [there, here] = [
            seen(&pair.one, id, Viewer::System(viewer)).await,
            seen(&pair.two, id, Viewer::System(viewer)).await,
        ];
        assert_eq!(here.as_ref().map_or(0, |view| view.deliveries.len()), count, "{viewer}");
        assert_eq!(here.as_ref().map(states), there.as_ref().map(states), "{viewer}");
    }

    // It is gone with its disk, and nobody has adopted it yet.
    pair.one.kill();
    assert!(seen(&pair.two, id, Viewer::System(&mot)).await.is_some());
    let nobodys = DocumentId::from_bytes([7; 16]);
    assert!(seen(&pair.two, nobodys, Viewer::Operator).await.is_none());
    pair.broker.stop();
    for id in [id, nobodys] {
        let looked = shown(&pair.two, &pair.two.directory(), id, Viewer::System(&mot)).await;
        assert!(looked.is_err(), "only the broker knows");
    }
}
