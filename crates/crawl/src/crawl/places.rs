//! How many requests may be under way.
//!
//! Knows counts. Must not know hosts. Invariant: those that wait at the engine's gates, since others of their domain or address are asked,
//! take no places but those that there are for such.

use crate::limits;

/// How many more requests may be begun, where so many at once may be under way, so many were begun and are not over, and so many
/// of these wait at gates.
pub(super) fn free(parallel: usize, begun: usize, held_up: usize) -> usize {
    let asked = begun.saturating_sub(held_up);
    let most = parallel.saturating_mul(1 + limits::HELD_UP);
    parallel.saturating_sub(asked).min(most.saturating_sub(begun))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_at_a_gate_takes_no_place_of_others() {
        let table = [
            ((2, 0, 0), 2),
            ((2, 2, 0), 0),
            ((2, 2, 1), 1),
            ((2, 5, 4), 1),
            // there are places for three times as many as may be asked
            ((2, 7, 6), 1),
            ((2, 8, 6), 0),
            ((2, 8, 8), 0),
            // what the engine counts may be of a moment before
            ((2, 1, 2), 2),
            ((usize::MAX, 1, 0), usize::MAX - 1),
        ];
        for ((parallel, begun, held_up), expected) in table {
            assert_eq!(free(parallel, begun, held_up), expected, "{parallel} {begun} {held_up}");
        }
    }
}
