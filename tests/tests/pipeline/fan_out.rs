//! A document for very many receivers: its packet goes once, messages in bounded numbers, events together; and one store
//! fault that passes stops nothing.

use std::fmt::Write;
use std::time::Duration;

use lienthong_pipeline::ports::Transition;
use lienthong_pipeline::record::State;

use super::hooks::{Fate, hooked};
use super::watched::Watch;
use super::world::{B, C, Setup, World, letter};

/// So many organisations at home in one system, and their codes.
pub(super) fn many(count: usize) -> (String, Vec<String>) {
    let codes: Vec<String> = (0..count).map(|number| format!("H55.X{number:04}")).collect();
    let mut directory = String::new();
    for code in &codes {
        let written = write!(
            directory,
            "[[organisation]]\norgan_id = \"{code}\"\nname = \"{code}\"\nhome = {{ system = \"hai\" }}\n"
        );
        written.expect("written");
    }
    (directory, codes)
}

#[tokio::test(start_paused = true)]
async fn a_large_packet_for_hundreds_is_put_once_and_goes_to_each() {
    let (directory, codes) = many(300);
    let watch = Watch::new();
    let mut world = World::open(Setup { directory, wrap: watch.wrap(), ..Setup::default() });
    world.broker.stop();
    let to: Vec<&str> = codes.iter().map(String::as_str).collect();
    let scan = std::io::Read::take(std::io::repeat(9), 700_000);
    let receipt = world.send(letter(1, &to).attach("scan.pdf", "application/pdf", scan)).await;
    world.quiet().await;
    let (puts, events) = (watch.puts(), watch.event_messages());
    world.broker.start();
    world.advance(Duration::from_secs(5)).await;
    assert!(world.states(&receipt).await.iter().all(|state| *state == State::Received));
    assert!(watch.puts() - puts <= 8, "{} puts", watch.puts() - puts);
    assert!((2..=64).contains(&watch.published_at_once()), "{} at once", watch.published_at_once());
    let stored = world.broker.events();
    for word in ["accepted", "published", "handed_off", "settled"] {
        assert_eq!(stored.iter().filter(|event| event.entry.event == word).count(), 300, "{word}");
    }
    let messages = watch.event_messages() - events;
    assert!(messages < 300, "{messages} messages for {} events", stored.len());
    let attempts = world.adapter.attempts();
    assert_eq!(attempts.len(), 300);
}

#[tokio::test(start_paused = true)]
async fn deliveries_go_on_after_store_faults_that_pass() {
    let (mut world, store) = hooked(Setup::default());
    store.reads.set(|()| Fate::Fails);
    store.transition.set(|(_, change)| match change {
        Transition::Published { .. } => Fate::Fails,
        _ => Fate::Passes,
    });
    let receipt = world.send(letter(1, &[B, C])).await;
    world.pass(Duration::from_secs(30), Duration::from_secs(5)).await;
    assert_eq!(world.states(&receipt).await, [State::Queued; 2], "nobody could read what is to go");
    store.reads.clear();
    world.pass(Duration::from_secs(30), Duration::from_secs(5)).await;
    store.transition.clear();
    world.pass(Duration::from_secs(30), Duration::from_secs(5)).await;
    assert_eq!(world.states(&receipt).await, [State::Received; 2]);
    assert_eq!(world.adapter.attempts().len(), 2, "and each goes once");
    assert!(world.ports.store.unpublished(9).await.expect("read").is_empty());
    assert!(world.ports.store.unsent_events(9).await.expect("read").is_empty());
}
