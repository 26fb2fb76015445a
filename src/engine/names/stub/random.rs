//! The ids of queries, which nobody can foresee who does not know the seed.
//!
//! Knows a seed and how often it was used. Must not know what the numbers are for. Invariant: what was given
//! tells nothing of what will be (SHA-256 in counter mode).

use sha2::{Digest, Sha256};

pub(super) struct Random {
    seed: [u8; 32],
    blocks: u64,
    block: [u8; 32],
    used: usize,
}

impl Random {
    pub(super) fn new(seed: [u8; 32]) -> Random {
        Random { seed, blocks: 0, block: [0; 32], used: 32 }
    }

    pub(super) fn next(&mut self) -> u16 {
        if self.used == self.block.len() {
            // whatever else is made from this seed is another stream
            let hash = Sha256::new().chain_update(b"ringdove names").chain_update(self.seed);
            self.block = hash.chain_update(self.blocks.to_be_bytes()).finalize().into();
            self.blocks += 1;
            self.used = 0;
        }
        let number = u16::from_be_bytes([self.block[self.used], self.block[self.used + 1]]);
        self.used += 2;
        number
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_stream_is_its_seeds_and_spreads_over_all_numbers() {
        let stream = |seed| {
            let mut random = Random::new([seed; 32]);
            (0..10_000).map(|_| random.next()).collect::<Vec<_>>()
        };
        assert_eq!(stream(1), stream(1));
        assert_ne!(stream(1), stream(2));
        // of 10,000 draws among 65,536 some 9,280 differ
        let different: HashSet<_> = stream(1).into_iter().collect();
        assert!((9_100..9_450).contains(&different.len()), "{}", different.len());
    }
}
