//! Whether the outbox has room for packets of other gateways. Above 80 per cent they stay in the broker's streams; below
//! 75 they are taken again.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::ports::SpoolUsage;

/// Fuller than this, in per cent, and packets that are not here yet are left where they are.
pub const FULL_ABOVE: u64 = 80;
/// No fuller than this, and they are taken again.
pub const ROOM_AT: u64 = 75;

/// Remembers on which side it is.
#[derive(Debug, Default)]
pub(crate) struct Fullness(AtomicBool);

/// What a look has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// There is some, as before.
    Some,
    /// There is some again.
    Again,
    /// There is none any more.
    NoMore,
    /// There is still none.
    None,
}

impl Room {
    /// Whether there is some.
    pub(crate) const fn is_some(self) -> bool {
        matches!(self, Self::Some | Self::Again)
    }
}

impl Fullness {
    /// Looks at the spool's numbers.
    pub(crate) fn look(&self, usage: &SpoolUsage) -> Room {
        let percent = usage.percent_full();
        let was_full = self.0.load(Ordering::Relaxed);
        let is_full = percent > if was_full { ROOM_AT } else { FULL_ABOVE };
        self.0.store(is_full, Ordering::Relaxed);
        match (was_full, is_full) {
            (false, false) => Room::Some,
            (true, false) => Room::Again,
            (false, true) => Room::NoMore,
            (true, true) => Room::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(bytes: u64, quota: Option<u64>, disk_free: u64, disk_free_min: u64) -> SpoolUsage {
        SpoolUsage { bytes, quota, disk_free, disk_free_min }
    }

    #[test]
    fn the_fuller_of_quota_and_disk_counts() {
        for (usage, percent) in [
            (usage(0, None, 0, 0), 0),
            (usage(1 << 50, None, 1, 0), 0),
            (usage(80, Some(100), 1000, 1), 80),
            (usage(1, Some(100), 125, 100), 80),
            (usage(1, Some(100), 100, 100), 100),
            (usage(300, Some(100), 100, 0), 300),
            (usage(0, Some(0), 100, 0), 100),
            (usage(0, None, 0, 1), 100),
            (usage(u64::MAX, Some(1), 1, u64::MAX), u64::MAX),
        ] {
            assert_eq!(usage.percent_full(), percent, "{usage:?}");
        }
    }

    #[test]
    fn what_was_full_has_room_only_well_below() {
        let fullness = Fullness::default();
        let looks =
            [(80, Room::Some), (81, Room::NoMore), (90, Room::None), (76, Room::None), (75, Room::Again)];
        for (percent, seen) in looks.into_iter().chain([(80, Room::Some)]) {
            assert_eq!(fullness.look(&usage(percent, Some(100), 0, 0)), seen, "{percent}");
        }
    }
}
