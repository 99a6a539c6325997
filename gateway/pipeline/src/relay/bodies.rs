//! Packets for messages that are on their way: the spool is read once for all receivers of a document, and a large
//! packet is put into the Object Store once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use lienthong_schemas::ids::PacketDigest;
use tokio::sync::{OnceCell, Semaphore};

use super::INLINE_BYTES_MAX;
use crate::ports::{Fault, Ports};
use crate::record::Delivery;

/// Packets remembered, those whose messages are under way first: 4 MiB at most beside those.
const REMEMBERED_MAX: usize = 16;
/// Packets put into the Object Store at once.
const UPLOADS_AT_ONCE: usize = 4;
/// Packets under way of which is known that they are.
const UNDER_WAY_MAX: usize = 256;

/// Where the bytes of a packet are, for its message.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// In the message.
    Inline(Bytes),
    /// In the Object Store.
    Stored,
    /// Nowhere whole.
    Missing,
}

type Place = Arc<OnceCell<Body>>;

/// See the module.
pub(super) struct Bodies {
    under_way: Mutex<VecDeque<(PacketDigest, Weak<OnceCell<Body>>)>>,
    /// Small ones only: a large one may leave the Object Store as soon as nobody here sends it.
    remembered: Mutex<VecDeque<Place>>,
    uploads: Semaphore,
}

impl Default for Bodies {
    fn default() -> Self {
        let uploads = Semaphore::new(UPLOADS_AT_ONCE);
        Self { under_way: Mutex::default(), remembered: Mutex::default(), uploads }
    }
}

/// A packet, held as long as messages with it are under way.
pub(super) struct Held(Place);

impl Held {
    /// Where it is; who asks first finds out, and the others wait.
    pub(super) async fn body(
        &self,
        bodies: &Bodies,
        ports: &Ports,
        delivery: &Delivery,
    ) -> Result<Body, Fault> {
        self.0.get_or_try_init(|| find(ports, &bodies.uploads, delivery)).await.cloned()
    }
}

impl Bodies {
    pub(super) fn hold(&self, delivery: &Delivery) -> Held {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.retain(|(_, place)| place.strong_count() > 0);
        let same = under_way.iter().find(|(digest, _)| *digest == delivery.digest);
        if let Some(place) = same.and_then(|(_, place)| place.upgrade()) {
            return Held(place);
        }
        let place = Place::default();
        if under_way.len() < UNDER_WAY_MAX {
            under_way.push_back((delivery.digest, Arc::downgrade(&place)));
        }
        drop(under_way);
        if delivery.bytes <= INLINE_BYTES_MAX {
            let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
            remembered.push_back(place.clone());
            if remembered.len() > REMEMBERED_MAX {
                remembered.pop_front();
            }
        }
        Held(place)
    }
}

async fn find(ports: &Ports, uploads: &Semaphore, delivery: &Delivery) -> Result<Body, Fault> {
    let digest = delivery.digest;
    if delivery.bytes <= INLINE_BYTES_MAX {
        let whole = ports.spool.read(digest, INLINE_BYTES_MAX).await?;
        let whole = whole.filter(|body| PacketDigest::of(body) == digest);
        return Ok(whole.map_or(Body::Missing, Body::Inline));
    }
    let Some(file) = ports.spool.blob(digest).await? else { return Ok(Body::Missing) };
    let _place = uploads.acquire().await.map_err(|closed| Fault::new("relay", closed))?;
    ports.broker.put_blob(digest, delivery.bytes, file).await?;
    Ok(Body::Stored)
}
