//! Names of documents: who says one first has it, and readers of events pass over it.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use lienthong_pipeline::ports::Broker;
use lienthong_pipeline::record::{Lane, NameClaim, NameClaims, NodeName};
use lienthong_schemas::ids::PacketDigest;
use lienthong_schemas::organ::OrganId;

use super::{Stage, becomes_ready, read_to, sample};

const NAME: [u8; 16] = *b"the name of one.";
const CONTESTED: [u8; 16] = *b"the name of two.";

fn of(number: u32) -> NameClaim {
    let delivery = sample::inline(number, Lane::Normal, b"packet").delivery;
    NameClaim {
        document: delivery.document,
        node: NodeName::parse("gw-1").expect("a name"),
        kind: delivery.kind,
        digest: delivery.digest,
        semantic: number.is_multiple_of(2).then(|| PacketDigest::of(b"says")),
        receivers: BTreeSet::from([delivery.route.receiver]),
    }
}

pub(super) async fn run(stage: &dyn Stage) {
    a_name_is_had_by_who_says_it_first(stage.broker()).await;
    of_many_that_say_a_name_one_has_it(stage.broker()).await;
    a_full_name_is_read_as_it_was_said(stage.broker()).await;
    readers_of_events_pass_over_names(stage.broker()).await;
    a_name_outlives_an_outage(stage).await;
}

async fn a_name_is_had_by_who_says_it_first(broker: &dyn Broker) {
    assert_eq!(broker.name_claims(NAME).await.expect("read"), NameClaims::nothing());
    let (first, both) = (vec![of(1)], vec![of(1), of(2)]);
    assert!(!broker.claim_name(NAME, &first, 7).await.expect("asked"), "nothing was said yet");
    assert!(broker.claim_name(NAME, &first, 0).await.expect("said"));
    assert!(!broker.claim_name(NAME, &both, 0).await.expect("asked"), "something was said");
    let said = broker.name_claims(NAME).await.expect("read");
    assert_eq!(said.claims.as_deref(), Some(&first[..]));
    assert!(broker.claim_name(NAME, &both, said.sequence).await.expect("said"));
    assert!(!broker.claim_name(NAME, &first, said.sequence).await.expect("asked"), "more was said since");
    assert_eq!(broker.name_claims(NAME).await.expect("read").claims, Some(both));
}

async fn of_many_that_say_a_name_one_has_it(broker: &dyn Broker) {
    let claims: Vec<_> = (1..=8).map(|number| vec![of(number)]).collect();
    let said = join_all(claims.iter().map(|claims| broker.claim_name(CONTESTED, claims, 0))).await;
    let said: Vec<bool> = said.into_iter().map(|said| said.expect("asked")).collect();
    let first = said.iter().position(|said| *said).expect("one of them");
    assert_eq!(said.iter().filter(|said| **said).count(), 1, "{said:?}");
    let stands = broker.name_claims(CONTESTED).await.expect("read");
    assert_eq!(stands.claims.as_ref(), Some(&claims[first]));
}

async fn a_full_name_is_read_as_it_was_said(broker: &dyn Broker) {
    let code = |n| OrganId::parse(&format!("H55.{n:010}.{n:010}.{n:08}")).expect("a code");
    let receivers = (0..NameClaims::RECEIVERS_MAX).map(code).collect();
    let claims = vec![NameClaim { receivers, ..of(2) }];
    let name = *b"a name of many..";
    assert!(broker.claim_name(name, &claims, 0).await.expect("said"));
    assert!(broker.name_claims(name).await.expect("read").claims == Some(claims));
}

async fn readers_of_events_pass_over_names(broker: &dyn Broker) {
    let begun = broker.events_span().await.expect("a stream").last;
    assert!(broker.claim_name(*b"and another name", &[of(3)], 0).await.expect("said"));
    let end = broker.events_span().await.expect("a stream").last;
    assert_eq!(end.sequence, begun.sequence + 1);
    let mut messages = broker.events_after(begun.sequence).await.expect("read");
    assert!(!messages.is_end);
    assert_eq!(read_to(&mut messages.messages, end.sequence).await, [], "it says nothing of mailboxes");
}

async fn a_name_outlives_an_outage(stage: &dyn Stage) {
    stage.stop().await;
    assert!(stage.broker().name_claims(NAME).await.is_err(), "that nothing was said must not be thought");
    assert!(stage.broker().claim_name(NAME, &[of(3)], 0).await.is_err());
    stage.start().await;
    becomes_ready(stage.broker()).await;
    let said = stage.broker().name_claims(NAME).await.expect("read");
    assert_eq!(said.claims, Some(vec![of(1), of(2)]));
}
