//! Acts on whatever a filter names, a page at a time: in the order of the store, so that what is related goes again in
//! its order, and never on what came to be so after the first page was asked for.

use jiff::Timestamp;
use lienthong_schemas::ids::DeliveryId;
use serde::{Deserialize, Serialize};

use super::look::{PageFault, Wanted, wanted_ids};
use super::{Act, By, DryRun, Manner, Operate, Outcome};
use crate::ports::Listing;

/// Most deliveries of one pass.
pub const PASS_MAX: usize = 100;

/// What was done to the deliveries of one page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    /// One outcome for each, in the order of the store.
    pub outcomes: Vec<Outcome>,
    /// The next page begins after this one; `None`: this was the last.
    pub next: Option<DeliveryId>,
    /// To be given with the next page: when the first one was asked for.
    pub as_of: Timestamp,
}

impl Operate {
    /// Does this to the deliveries of one page of a list, or, in a dry run, says what would become of it.
    ///
    /// # Errors
    /// See [`PageFault`]; what becomes of each delivery is in the answer.
    pub async fn act_on_page(
        &self,
        act: &Act,
        (listing, wanted): (Listing, &Wanted),
        by: &By,
        dry_run: bool,
    ) -> Result<Pass, PageFault> {
        let as_of = wanted.as_of.unwrap_or_else(|| self.ports.clock.now());
        let limit = wanted.limit.unwrap_or(PASS_MAX).min(PASS_MAX);
        let wanted = Wanted { as_of: Some(as_of), limit: Some(limit), ..wanted.clone() };
        let (ids, next) = wanted_ids(&self.ports, listing, &wanted).await?;
        let dry_run = dry_run.then(|| DryRun { covers: Some((listing, &wanted)), ..DryRun::default() });
        let outcomes = self.carry_out(act, &ids, &mut Manner { by, dry_run }).await;
        Ok(Pass { outcomes, next, as_of })
    }
}
