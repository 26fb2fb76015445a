//! Bytes that are left over for later, as they seldom are.
//!
//! Knows bytes alone. Invariant: where there are none it is a pointer, and nothing else is kept.

use std::mem;

#[derive(Default)]
pub(in crate::engine) struct Leftover(Option<Box<Bytes>>);

/// At least one that was not taken.
struct Bytes {
    all: Vec<u8>,
    taken: usize,
}

impl Leftover {
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        match bytes.is_empty() {
            true => Self(None),
            false => Self(Some(Box::new(Bytes { all: bytes, taken: 0 }))),
        }
    }

    #[inline]
    pub(in crate::engine) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(in crate::engine) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |bytes| bytes.all.len() - bytes.taken)
    }

    /// Some more, after those that are there.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Some(there) => there.all.extend_from_slice(bytes),
            None => *self = Self::of(bytes.to_vec()),
        }
    }

    /// Fills `out` as far as they reach; says how far that is.
    pub(super) fn fill(&mut self, out: &mut [u8]) -> usize {
        let Some(bytes) = &mut self.0 else { return 0 };
        let rest = &bytes.all[bytes.taken..];
        let filled = rest.len().min(out.len());
        out[..filled].copy_from_slice(&rest[..filled]);
        bytes.taken += filled;
        if bytes.taken == bytes.all.len() {
            self.0 = None;
        }
        filled
    }

    /// All of them.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let Some(mut bytes) = self.0.take() else { return Vec::new() };
        bytes.all.drain(..mem::take(&mut bytes.taken));
        bytes.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_taken_in_order_and_nothing_is_kept() {
        let mut left = Leftover::of(b"abc".to_vec());
        let mut out = [0; 2];
        assert_eq!((left.fill(&mut out), &out), (2, b"ab"));
        left.push(b"de");
        assert_eq!((left.len(), left.take()), (3, b"cde".to_vec()));
        left.push(b"");
        assert!(left.is_empty());
        left.push(b"f");
        assert_eq!((left.fill(&mut out), out[0], left.is_empty()), (1, b'f', true));
        assert_eq!(size_of::<Leftover>(), size_of::<usize>());
    }
}
