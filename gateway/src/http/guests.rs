//! What the public door knows of the connected systems: their tokens and places, and the hotline that refusals name.
//! Replaced as a whole when the settings are read again.

use std::collections::HashMap;
use std::sync::Arc;

use lienthong_pipeline::record::SystemId;
use lienthong_schemas::rejections::{Rejection, RejectionCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::auth::Credentials;

/// Documents that one system may look at at once; each look holds its whole answer in memory.
const LOOKS_PER_SYSTEM: usize = 16;
/// When a system whose places are all taken may try again, in seconds.
const PLACE_RETRY_SECONDS: u32 = 5;

/// See the module.
pub struct Guests {
    /// Tokens.
    pub credentials: Credentials,
    /// `support.hotline`.
    pub hotline: String,
    places: HashMap<SystemId, Places>,
}

#[derive(Clone)]
struct Places {
    uploads: Arc<Semaphore>,
    looks: Arc<Semaphore>,
}

impl Guests {
    /// What the settings say; `uploads` places for each system.
    pub fn new(
        systems: impl IntoIterator<Item = SystemId>,
        credentials: Credentials,
        hotline: String,
        uploads: usize,
    ) -> Self {
        let places = || Places {
            uploads: Arc::new(Semaphore::new(uploads)),
            looks: Arc::new(Semaphore::new(LOOKS_PER_SYSTEM)),
        };
        let places = systems.into_iter().map(|system| (system, places())).collect();
        Self { credentials, hotline, places }
    }

    /// These, with the places of systems that were known before: what is taken there stays taken.
    #[must_use]
    pub fn after(mut self, before: &Self) -> Self {
        for (system, places) in &mut self.places {
            if let Some(known) = before.places.get(system) {
                *places = known.clone();
            }
        }
        self
    }

    /// A place for one upload of this system.
    ///
    /// # Errors
    /// [`RejectionCode::UploadsTooMany`] while it has taken all of them.
    pub fn upload(&self, system: &SystemId) -> Result<OwnedSemaphorePermit, Rejection> {
        place(self.places.get(system).map(|places| &places.uploads), RejectionCode::UploadsTooMany)
    }

    /// A place for one look of this system.
    ///
    /// # Errors
    /// [`RejectionCode::LooksTooMany`] while it has taken all of them.
    pub fn look(&self, system: &SystemId) -> Result<OwnedSemaphorePermit, Rejection> {
        place(self.places.get(system).map(|places| &places.looks), RejectionCode::LooksTooMany)
    }
}

fn place(room: Option<&Arc<Semaphore>>, otherwise: RejectionCode) -> Result<OwnedSemaphorePermit, Rejection> {
    let place = room.and_then(|room| room.clone().try_acquire_owned().ok());
    place.ok_or_else(|| {
        let mut rejection = Rejection::new(otherwise);
        rejection.retry_after_seconds = Some(PLACE_RETRY_SECONDS);
        rejection
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guests(systems: &[&str]) -> Guests {
        let systems = systems.iter().filter_map(|id| SystemId::parse(id));
        Guests::new(systems, Credentials::default(), String::new(), 1)
    }

    #[test]
    fn a_reload_gives_nobody_more_places_than_it_has() {
        let [a, b] = ["a", "b"].map(|id| SystemId::parse(id).expect("an id"));
        let before = guests(&["a"]);
        let taken = before.upload(&a).expect("a place");
        let now = guests(&["a", "b"]).after(&before);
        assert_eq!(now.upload(&a).expect_err("taken").code, RejectionCode::UploadsTooMany);
        drop(now.upload(&b).expect("a system that is new has its own"));
        drop(taken);
        drop(now.upload(&a).expect("given back"));
        let without = guests(&["b"]).after(&now);
        assert!(without.upload(&a).is_err(), "a system that is gone has no place");
    }
}
