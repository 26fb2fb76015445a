//! One exchange, as it is taken down.
//!
//! Knows a transfer's events. Must not know what they are for. Invariants: no more of a body is kept than is wanted; all bodies together have
//! a bounded room, in which each has its share, whatever others take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use ringdove::protocol::{Coding, ContentDecoder, DecodePolicy, codings};
use ringdove::sys::clock;
use ringdove::{Flow, Handler, ResponseHead};

/// The room for the bodies of all that is in flight.
#[derive(Debug)]
pub(super) struct Room {
    held: AtomicUsize,
    most: usize,
    /// What each may take even where nothing is left: as many as can be in flight have that.
    share: usize,
}

impl Room {
    /// Of `most` bytes, for so many at once.
    pub(super) fn new(most: usize, parallel: usize) -> Arc<Room> {
        Arc::new(Room { held: AtomicUsize::new(0), most, share: most / parallel.max(1) })
    }

    /// How many of `wanted` bytes more a body may take that has `len`; they are its own from here on.
    fn take(&self, len: usize, wanted: usize) -> usize {
        let left = self.most.saturating_sub(self.held.load(Ordering::Relaxed));
        let taken = wanted.min(left.max(self.share.saturating_sub(len)));
        self.held.fetch_add(taken, Ordering::Relaxed);
        taken
    }
}

/// What was sent and what came.
pub(super) struct Fetch {
    /// When the request went out.
    pub(super) date: SystemTime,
    /// The head of the request.
    pub(super) request: Vec<u8>,
    /// The head of the response, as it came.
    pub(super) head: Vec<u8>,
    pub(super) status: u16,
    pub(super) fields: HeaderMap,
    /// The body, without transfer coding.
    pub(super) body: Vec<u8>,
    /// There was more of it.
    pub(super) is_cut: bool,
    /// None of an unknown coding.
    codings: Option<Vec<Coding>>,
    max_body: usize,
    room: Arc<Room>,
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.room.held.fetch_sub(self.body.len(), Ordering::Relaxed);
    }
}

impl Fetch {
    pub(super) fn new(max_body: usize, room: Arc<Room>) -> Fetch {
        Fetch {
            room,
            date: SystemTime::UNIX_EPOCH,
            request: Vec::new(),
            head: Vec::new(),
            status: 0,
            fields: HeaderMap::new(),
            body: Vec::new(),
            is_cut: false,
            codings: None,
            max_body,
        }
    }

    /// The value of a field, as far as it is text.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.to_str().ok()
    }

    /// The body without content coding, as far as it can be decoded: the first `most` bytes.
    pub(super) fn decoded(&self, most: usize) -> std::borrow::Cow<'_, [u8]> {
        let Some(codings) = self.codings.as_deref().filter(|codings| !codings.is_empty()) else {
            return (&self.body[..self.body.len().min(most)]).into();
        };
        let mut decoder = ContentDecoder::new(codings, DecodePolicy::default());
        let (mut input, mut out, mut buffer) = (&self.body[..], Vec::new(), vec![0; 64 * 1024]);
        while let Ok(decoded) = decoder.decode(input, &mut buffer) {
            input = &input[decoded.consumed..];
            let room = most - out.len();
            out.extend_from_slice(&buffer[..decoded.produced.min(room)]);
            if out.len() == most || !decoded.more && (input.is_empty() || decoded.consumed == 0) {
                break;
            }
        }
        out.into()
    }
}

impl Handler for Fetch {
    fn starting(&mut self) -> Flow {
        let micros = u64::try_from(clock::unix_micros()).unwrap_or(0);
        self.date = SystemTime::UNIX_EPOCH + Duration::from_micros(micros);
        self.request.clear();
        Flow::Continue
    }

    fn sending(&mut self, head: &[u8], _: &[u8]) {
        self.request.extend_from_slice(head);
    }

    fn head(&mut self, head: &ResponseHead<'_>) -> Flow {
        self.head = head.raw().to_vec();
        self.status = head.status();
        self.fields = head.fields().to_map();
        self.codings = codings(head).ok();
        Flow::Continue
    }

    fn body(&mut self, chunk: &[u8]) -> Flow {
        let wanted = chunk.len().min(self.max_body - self.body.len());
        let taken = self.room.take(self.body.len(), wanted);
        self.body.extend_from_slice(&chunk[..taken]);
        self.is_cut |= chunk.len() > taken;
        if self.is_cut { Flow::Enough } else { Flow::Continue }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever takes most is cut, and whoever takes no more than its share is not.
    #[test]
    fn bodies_share_a_room() {
        let room = Room::new(1_000, 10);
        let fetch = || Fetch::new(usize::MAX, Arc::clone(&room));
        let (mut greedy, mut late, mut small) = (fetch(), fetch(), fetch());
        assert!(matches!(greedy.body(&[0; 900]), Flow::Continue));
        assert!(matches!(small.body(&[0; 90]), Flow::Continue));
        // all but ten bytes are taken
        assert!(matches!(late.body(&[0; 200]), Flow::Enough));
        assert_eq!((late.body.len(), late.is_cut), (100, true));
        assert!(matches!(small.body(&[0; 10]), Flow::Continue));
        assert!(matches!(greedy.body(&[0; 1]), Flow::Enough));
        drop(greedy);
        assert_eq!(room.held.load(Ordering::Relaxed), 200);
        assert!(matches!(small.body(&[0; 800]), Flow::Continue));
        drop((late, small));
        assert_eq!(room.held.load(Ordering::Relaxed), 0);
    }
}
