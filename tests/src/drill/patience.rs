//! Tells a gateway that is slow from one that is stuck: as long as anything of what is waited for changes, it is waited
//! for, however busy the machine is.

use std::time::Duration;

use tokio::time::Instant;

/// Nothing of what is waited for may stay as it is for longer. A message that a dead gateway held comes out of the broker
/// after a minute; no pause of the drill's settings is longer than that.
const UNCHANGED: Duration = Duration::from_secs(240);
/// What goes on changing is not waited for longer than this.
const AT_ALL: Duration = Duration::from_secs(1_800);

/// One wait.
pub(super) struct Patience<T> {
    begun: Instant,
    seen: Option<T>,
    since: Instant,
}

impl<T: PartialEq> Patience<T> {
    /// It begins.
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { begun: now, seen: None, since: now }
    }

    /// Whether it ends, with what is waited for as it is now.
    pub(super) fn ends(&mut self, state: T) -> bool {
        let now = Instant::now();
        if self.seen.as_ref() != Some(&state) {
            (self.seen, self.since) = (Some(state), now);
        }
        now - self.since > UNCHANGED || now - self.begun > AT_ALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_lasts_while_something_changes_and_not_for_ever() {
        let mut patience = Patience::new();
        for change in 0..7 {
            assert!(!patience.ends(change));
            tokio::time::advance(UNCHANGED).await;
            assert!(!patience.ends(change), "not longer than it may");
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(patience.ends(6), "nothing changed");
        assert!(!patience.ends(7));
        tokio::time::advance(UNCHANGED).await;
        assert!(patience.ends(8), "for ever");
    }
}
