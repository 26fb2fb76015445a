//! Whether two texts are nearly the same: a simhash (Charikar 2002) of 64 bits, over shingles of three words.
//!
//! Knows text. Must not know where it stands. Invariants: the same words make the same number, on every machine and for ever; a text of few words makes none,
//! since nearly all such are alike.

use twox_hash::XxHash64;

use crate::limits;

/// Words that are hashed together.
const SHINGLE: usize = 3;

/// Reads a text in pieces.
///
/// ```
/// use ringdove_crawl::simhash::{Simhash, distance};
///
/// let of = |last: &str| {
///     let mut simhash = Simhash::default();
///     (0..200).for_each(|number| simhash.write(&format!("word{number} ")));
///     simhash.write(last);
///     simhash.end().unwrap()
/// };
/// assert!(distance(of("end"), of("other")) <= 3);
/// ```
#[derive(Debug, Clone)]
pub struct Simhash {
    word: String,
    /// Of the last words, the latest last.
    last: [u64; SHINGLE],
    words: usize,
    /// By how many shingles more each bit is set than not.
    counts: [i32; 64],
}

impl Default for Simhash {
    fn default() -> Simhash {
        Simhash { word: String::new(), last: [0; SHINGLE], words: 0, counts: [0; 64] }
    }
}

impl Simhash {
    /// More of it. A word may go on in the next piece.
    pub fn write(&mut self, text: &str) {
        for char in text.chars() {
            let has_no_blanks = char >= '\u{2e80}';
            if has_no_blanks || !char.is_alphanumeric() {
                self.end_word();
            }
            if char.is_alphanumeric() && self.word.len() < limits::SIMHASH_WORD {
                self.word.extend(char.to_lowercase());
            }
            if has_no_blanks {
                self.end_word();
            }
        }
    }

    fn end_word(&mut self) {
        if self.word.is_empty() {
            return;
        }
        self.last.rotate_left(1);
        self.last[SHINGLE - 1] = XxHash64::oneshot(0, self.word.as_bytes());
        self.word.clear();
        self.words += 1;
        if self.words < SHINGLE {
            return;
        }
        let mut shingle = [0; SHINGLE * 8];
        for (bytes, word) in shingle.chunks_exact_mut(8).zip(self.last) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        let hash = XxHash64::oneshot(0, &shingle);
        for (bit, count) in self.counts.iter_mut().enumerate() {
            let step = if hash >> bit & 1 == 1 { 1 } else { -1 };
            *count = count.saturating_add(step);
        }
    }

    /// The end of it; none of a text of fewer than [`limits::SIMHASH_LEAST`] words.
    pub fn end(mut self) -> Option<u64> {
        self.end_word();
        let bits = self.counts.iter().enumerate();
        let hash = bits.fold(0, |hash, (bit, count)| hash | u64::from(*count > 0) << bit);
        (self.words >= limits::SIMHASH_LEAST).then_some(hash)
    }
}

/// In how many bits two of them differ.
pub fn distance(one: u64, other: u64) -> u32 {
    (one ^ other).count_ones()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pieces: &[&str]) -> Option<u64> {
        let mut simhash = Simhash::default();
        pieces.iter().for_each(|piece| simhash.write(piece));
        simhash.end()
    }

    /// So many words, some of which are others in each text.
    fn text(words: u64, is_other: impl Fn(u64) -> bool) -> String {
        let word = |at: u64| format!("{}{} ", if is_other(at) { "other" } else { "word" }, at * at);
        (0..words).map(word).collect()
    }

    #[test]
    fn pieces_and_signs_make_no_difference() {
        let whole = text(100, |_| false);
        let expected = of(&[&whole]);
        assert!(expected.is_some());
        let pieces: Vec<_> = whole.split_inclusive(['r', '1']).collect();
        assert_eq!(of(&pieces), expected);
        assert_eq!(of(&[&whole.to_uppercase().replace(' ', " -- ")]), expected);
        // what another implementation of XXH64 and of this comes to
        assert_eq!(expected, Some(0x1042_72ab_bb1b_514e));
        assert_eq!(of(&["a few words"]), None);
        // each sign of a script without blanks is a word
        let signs: String = (0..100).map(|at| char::from_u32(0x4e00 + at * at).unwrap()).collect();
        assert!(of(&[&signs]).is_some());
    }

    #[test]
    fn what_is_nearly_the_same_is_near() {
        let words = 1_000;
        let one = of(&[&text(words, |_| false)]).unwrap();
        let near = of(&[&text(words, |at| at == 500)]).unwrap();
        let far = of(&[&text(words, |at| at.is_multiple_of(2))]).unwrap();
        assert!(distance(one, near) <= limits::SIMHASH_NEAR, "{}", distance(one, near));
        assert!(distance(one, far) > 3 * limits::SIMHASH_NEAR, "{}", distance(one, far));
    }
}
