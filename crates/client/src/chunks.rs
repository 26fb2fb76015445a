//! Memory for large bodies: what the driver received into, or pieces that are used again.
//!
//! Knows what an engine fills and callers give back. Must not know whose bodies they are. Large parts of a body are kept where they were
//! received; where that cannot be, as over TLS, they are copied. What one thread allocates and
//! another frees, allocators give back to the system, which clears it for the next time: some 180 page faults for 10 MiB.
//! Invariants: no more than [`KEPT`] pieces wait to be used again, and those that came back last are used first, as the caches still hold
//! them; a piece that a caller holds outlives its engine.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use ringdove::ReceiveBuffers;

/// Bytes of a piece: what one receive on a ring brings.
const PIECE: usize = 32 * 1024;

/// From so many bytes on a piece is of use; smaller ones have memory of their own size.
const LEAST: usize = PIECE / 2;

/// Pieces that wait to be used again: two megabytes.
const KEPT: usize = 64;

/// The memory of an engine's bodies.
pub(crate) struct Chunks {
    received: ReceiveBuffers,
    pieces: Pieces,
}

/// The pieces that wait to be used again.
#[derive(Clone, Default)]
struct Pieces(Arc<Mutex<Vec<Vec<u8>>>>);

/// A piece that a caller has.
struct Piece {
    bytes: Vec<u8>,
    from: Pieces,
}

impl Chunks {
    pub(crate) fn new(received: ReceiveBuffers) -> Chunks {
        Chunks { received, pieces: Pieces::default() }
    }

    /// A part of a body, to be kept.
    pub(crate) fn keep(&self, bytes: &[u8]) -> impl Iterator<Item = Bytes> {
        let kept = if bytes.len() < LEAST { None } else { self.received.keep(bytes) };
        let rest = if kept.is_some() { &[] } else { bytes };
        kept.into_iter().chain(rest.chunks(PIECE).map(|bytes| self.pieces.copy(bytes)))
    }
}

impl Pieces {
    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        // nothing is done under the lock but a push or a pop
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn copy(&self, bytes: &[u8]) -> Bytes {
        if bytes.len() < LEAST {
            return Bytes::copy_from_slice(bytes);
        }
        let used = self.lock().pop();
        let mut piece = used.unwrap_or_else(|| Vec::with_capacity(PIECE));
        piece.extend_from_slice(bytes);
        Bytes::from_owner(Piece { bytes: piece, from: self.clone() })
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        let mut pieces = self.from.lock();
        if pieces.len() < KEPT {
            bytes.clear();
            pieces.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at * 7 % 251) as u8).collect()
    }

    #[test]
    fn copies_are_what_was_copied() {
        let chunks = Chunks::new(ReceiveBuffers::default());
        for length in [0, 1, LEAST - 1, LEAST, PIECE, PIECE + 1, 5 * PIECE + LEAST] {
            let bytes = bytes(length);
            let copies: Vec<_> = chunks.keep(&bytes).collect();
            assert_eq!(copies.concat(), bytes);
            assert_eq!(copies.len(), length.div_ceil(PIECE));
        }
    }

    #[test]
    fn a_piece_that_came_back_is_used_again() {
        let pieces = Pieces::default();
        let first = pieces.copy(&bytes(PIECE));
        let part = first.slice(100..200);
        let place = first.as_ptr();
        drop(first);
        assert_ne!(pieces.copy(&[1; PIECE]).as_ptr(), place, "a part of it is still held");
        assert_eq!(part, bytes(PIECE)[100..200]);
        drop(part);
        let again = pieces.copy(&[2; LEAST]);
        assert_eq!((again.as_ptr(), &again[..]), (place, &[2; LEAST][..]));
    }

    #[test]
    fn no_more_is_kept_than_is_of_use() {
        let pieces = Pieces::default();
        let all: Vec<_> =
            bytes((KEPT + 10) * PIECE).chunks(PIECE).map(|b| pieces.copy(b)).collect();
        assert!(pieces.lock().is_empty());
        drop(all);
        assert_eq!(pieces.lock().len(), KEPT);
        let small = pieces.copy(&[0; LEAST - 1]);
        assert_eq!(pieces.lock().len(), KEPT, "{} bytes have memory of their own", small.len());
    }
}
