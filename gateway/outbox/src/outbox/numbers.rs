//! Numbers of events as callers have them: tied to the store that gave them, because one that is built anew counts from
//! the beginning again, and a confirmation on its way while a store is replaced would else be taken for other events.

use super::Epoch;

/// Bits of a store's own number; the epoch stands above them. A store that sends a million events a second reaches the
/// end of them after nine years.
const NUMBER_BITS: u32 = 48;
const NUMBER: u64 = (1 << NUMBER_BITS) - 1;

/// A store's own number, as callers have it.
pub(super) const fn tied(number: u64, epoch: Epoch) -> u64 {
    ((epoch as u64) << NUMBER_BITS) | (number & NUMBER)
}

/// The store's own number, if the store of this epoch gave it.
pub(super) fn of_epoch(tied: u64, epoch: Epoch) -> Option<u64> {
    (tied >> NUMBER_BITS == u64::from(epoch)).then_some(tied & NUMBER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_known_to_its_own_epoch_only() {
        for number in [1, 77, NUMBER] {
            for epoch in [0, 1, Epoch::MAX] {
                assert_eq!(of_epoch(tied(number, epoch), epoch), Some(number));
                assert_eq!(of_epoch(tied(number, epoch), epoch.wrapping_add(1)), None);
            }
        }
    }
}
