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
    word: Vec<u8>,
    /// Of the last words, the latest last.
    last: [u64; SHINGLE],
    words: usize,
    /// In how many shingles each bit is set,
    counts: [u32; 64],
    /// but for the last ones: of each eighth bit in the bytes of one number.
    lately: [u64; 8],
}

impl Default for Simhash {
    fn default() -> Simhash {
        Simhash {
            word: Vec::with_capacity(limits::SIMHASH_WORD + 4),
            last: [0; SHINGLE],
            words: 0,
            counts: [0; 64],
            lately: [0; 8],
        }
    }
}

impl Simhash {
    /// More of it. A word may go on in the next piece.
    pub fn write(&mut self, text: &str) {
        for char in text.chars() {
            // most are these
            if char.is_ascii_alphanumeric() {
                if self.word.len() < limits::SIMHASH_WORD {
                    self.word.push(char.to_ascii_lowercase() as u8);
                }
                continue;
            }
            let has_no_blanks = char >= '\u{2e80}';
            if has_no_blanks || !char.is_alphanumeric() {
                self.end_word();
            }
            if char.is_alphanumeric() && self.word.len() < limits::SIMHASH_WORD {
                let mut bytes = [0; 4];
                for small in char.to_lowercase() {
                    self.word.extend(small.encode_utf8(&mut bytes).as_bytes());
                }
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
        self.last[SHINGLE - 1] = XxHash64::oneshot(0, &self.word);
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
        for (bit, bytes) in self.lately.iter_mut().enumerate() {
            *bytes += hash >> bit & 0x0101_0101_0101_0101;
        }
        if self.shingles().is_multiple_of(usize::from(u8::MAX)) {
            self.count_up();
        }
    }

    fn shingles(&self) -> usize {
        (self.words + 1).saturating_sub(SHINGLE)
    }

    /// Before a byte is full.
    fn count_up(&mut self) {
        for (bit, bytes) in std::mem::take(&mut self.lately).into_iter().enumerate() {
            for (byte, count) in bytes.to_le_bytes().into_iter().enumerate() {
                self.counts[byte * 8 + bit] += u32::from(count);
            }
        }
    }

    /// The end of it; none of a text of fewer than [`limits::SIMHASH_LEAST`] words.
    pub fn end(mut self) -> Option<u64> {
        self.end_word();
        self.count_up();
        let half = self.shingles() / 2;
        let bits = self.counts.iter().enumerate();
        let hash =
            bits.fold(0, |hash, (bit, count)| hash | u64::from(*count as usize > half) << bit);
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
