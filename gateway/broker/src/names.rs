//! Names of documents in `EVENTS` (design.md B3): the last message of a name's subject counts, and of two that write behind
//! the same one only one is stored.

use lienthong_pipeline::ports::Fault;
use lienthong_pipeline::record::{NameClaim, NameClaims};
use tokio::time::timeout;

use crate::jetstream::{Link, PUBLISH_WAIT, weight};
use crate::streams::EVENTS;
use crate::{PLACE, behind, message};

fn fault(cause: impl std::fmt::Display) -> Fault {
    Fault::new(PLACE, cause)
}

/// See [`lienthong_pipeline::ports::Broker::name_claims`].
pub(crate) async fn read(link: &Link, name: [u8; 16]) -> Result<NameClaims, Fault> {
    let subject = message::name_subject(name);
    let found = timeout(PUBLISH_WAIT, behind::last(link, EVENTS, &subject)).await;
    let found = found.unwrap_or_else(|_| Err(fault("looking at a name took too long")))?;
    Ok(found.map_or_else(NameClaims::nothing, |found| NameClaims {
        sequence: found.sequence,
        claims: message::read_names(&subject, &found.payload),
    }))
}

/// See [`lienthong_pipeline::ports::Broker::claim_name`].
pub(crate) async fn write(
    link: &Link,
    name: [u8; 16],
    claims: &[NameClaim],
    after: u64,
) -> Result<bool, Fault> {
    let body = message::encode_names(claims)?;
    let _place = link.in_flight.acquire_many(weight(body.len())).await.map_err(fault)?;
    let stored = behind::put(link, EVENTS, message::name_subject(name), body, after);
    let stored = timeout(PUBLISH_WAIT, stored).await;
    Ok(stored.unwrap_or_else(|_| Err(fault("claiming a name took too long")))?.is_some())
}
