//! Admissions beside events: put once for each document, by whoever is first, and read by who adopts a lost gateway.

use async_nats::HeaderMap;
use lienthong_pipeline::ports::Fault;
use lienthong_pipeline::record::Admission;
use lienthong_schemas::ids::DocumentId;

use crate::PLACE;
use crate::behind::{self, Said};
use crate::jetstream::{Link, weight};
use crate::message::{self, Outgoing};
use crate::streams::EVENTS;

/// See [`lienthong_pipeline::ports::Broker::publish_admission`].
pub(crate) async fn put(link: &Link, admission: &Admission) -> Result<(), Fault> {
    let Outgoing { subject, headers, body, .. } = match message::encode_admission(admission) {
        Ok(outgoing) => outgoing,
        Err(fault) => {
            left_out(admission, &fault);
            return Ok(());
        }
    };
    let place = link.in_flight.acquire_many(weight(body.len())).await;
    let _place = place.map_err(|closed| Fault::new(PLACE, closed))?;
    if behind::put(link, EVENTS, subject.clone(), Said { headers, body }, 0).await?.is_some() {
        return Ok(());
    }
    // Another one is there, or only under way, and then it may still fail.
    let there = behind::last(link, EVENTS, &subject).await?;
    there.map(drop).ok_or_else(|| Fault::new(PLACE, format!("{subject} is just being written")))
}

/// See [`lienthong_pipeline::ports::Broker::admission`].
pub(crate) async fn read(link: &Link, document: DocumentId) -> Result<Option<Admission>, Fault> {
    let found = behind::last(link, EVENTS, &message::admission_subject(document)).await?;
    Ok(found.and_then(|found| unpacked(document, &found.headers, &found.payload)))
}

/// What a message says, if it can be read.
pub(crate) fn unpacked(document: DocumentId, headers: &HeaderMap, body: &[u8]) -> Option<Admission> {
    let read = message::decode_admission(document, headers, body);
    read.inspect_err(
        |fault| tracing::error!(document_id = %document, %fault, "an admission in EVENTS cannot be read"),
    )
    .ok()
}

pub(crate) fn left_out(admission: &Admission, fault: &Fault) {
    let document = admission.receipt.document_id;
    tracing::error!(document_id = %document, %fault, "its admission does not go to EVENTS; only its deliveries can be adopted");
}
