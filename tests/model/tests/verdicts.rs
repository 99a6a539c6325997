//! What the model says of the protocol, and that each broken rule is noticed.

use lienthong_model::properties::SETTLES;
use lienthong_model::{Explored, Mutation, Subject, broken, explore, whole};

/// Explores one of the whole models; every property holds in every state.
#[expect(clippy::print_stdout, reason = "how many states there are belongs to the verdict")]
fn holds(at: usize) -> Explored {
    let subject = &whole()[at];
    let found = explore(subject);
    println!("{}: {} states, depth {}, {:?}", subject.name, found.states, found.depth, found.took);
    assert!(found.broken.is_empty(), "{}: {:#?}", subject.name, found.broken);
    found
}

#[test]
fn one_delivery_withstands_every_fault() {
    let found = holds(0);
    assert!(found.states > 1_000_000, "{} states: something is not explored any more", found.states);
    assert!(found.loses_what_was_local, "a disk can be lost before anything left it");
}

#[test]
fn one_delivery_withstands_three_faults() {
    let found = holds(1);
    assert!(found.states > 1_000_000, "{} states: something is not explored any more", found.states);
}

#[test]
fn two_documents_and_two_receivers_withstand_three_faults() {
    let found = holds(2);
    assert!(found.states > 1_000_000, "{} states: something is not explored any more", found.states);
}

#[test]
fn all_four_deliveries_of_two_documents_withstand_a_fault() {
    let found = holds(3);
    assert!(found.states > 500_000, "{} states: something is not explored any more", found.states);
}

#[test]
fn every_broken_rule_is_caught_by_its_property() {
    for subject in broken() {
        let found = explore(&subject);
        let expected = subject.caught_by.expect("each is caught by one");
        let caught: Vec<&str> = found.broken.iter().map(|(property, _)| *property).collect();
        assert!(caught.contains(&expected), "{}: only {caught:?}, {} states", subject.name, found.states);
    }
}

#[test]
fn a_trace_leads_to_what_is_broken() {
    let wedged = |subject: &Subject| subject.cluster.mutation == Some(Mutation::MadeWithoutReading);
    let subject = broken().into_iter().find(wedged).expect("it is one of them");
    let found = explore(&subject);
    let (_, trace) = found.broken.iter().find(|(property, _)| *property == SETTLES).expect("it is caught");
    assert!(trace.iter().any(|action| action.starts_with("Step(Commit")), "{trace:#?}");
    assert!(trace.iter().any(|action| action.starts_with("Fault(")), "{trace:#?}");
}
