//! A reader that may block, read on a thread of its own.
//!
//! Knows the thread and the pieces that it has read. Must not know where they go. Invariants: no more than [`AHEAD`] pieces wait;
//! a thread that reads for nobody ends with its next piece.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::body::BoxError;

/// Pieces that are read ahead.
const AHEAD: usize = 4;

/// Bytes of a piece.
const PIECE: usize = 64 * 1024;

pub(crate) struct Reader {
    shared: Arc<Shared>,
    /// Until the first poll.
    unread: Option<Box<dyn Read + Send>>,
    length: Option<u64>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    room: Condvar,
}

#[derive(Default)]
struct State {
    pieces: VecDeque<Result<Bytes, BoxError>>,
    task: Option<Waker>,
    has_ended: bool,
    is_abandoned: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands over what was read; `None` is the end. Says whether anybody wants more.
    fn hand_over(&self, piece: Option<Result<Bytes, BoxError>>) -> bool {
        let mut state = self.lock();
        while state.pieces.len() >= AHEAD && !state.is_abandoned {
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        match piece {
            Some(piece) => state.pieces.push_back(piece),
            None => state.has_ended = true,
        }
        let (task, is_abandoned) = (state.task.take(), state.is_abandoned);
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
        !is_abandoned
    }
}

impl Reader {
    pub(crate) fn new(reader: impl Read + Send + 'static, length: Option<u64>) -> Reader {
        Reader { shared: Arc::default(), unread: Some(Box::new(reader)), length }
    }
}

/// Reads until the end, an error, or until nobody wants more.
fn read(mut reader: Box<dyn Read + Send>, shared: &Shared) {
    let mut buffer = vec![0; PIECE];
    loop {
        let piece = match reader.read(&mut buffer) {
            Ok(0) => None,
            Ok(length) => Some(Ok(Bytes::copy_from_slice(&buffer[..length]))),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => Some(Err(error.into())),
        };
        let is_last = !matches!(piece, Some(Ok(_)));
        if !shared.hand_over(piece) || is_last {
            return;
        }
    }
}

impl HttpBody for Reader {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(reader) = self.unread.take() {
            let shared = self.shared.clone();
            let thread = std::thread::Builder::new().name("ringdove-reader".to_owned());
            #[expect(clippy::disallowed_methods, reason = "what blocks has a thread of its own")]
            let spawned = thread.spawn(move || read(reader, &shared));
            if let Err(error) = spawned {
                return Poll::Ready(Some(Err(error.into())));
            }
        }
        let mut state = self.shared.lock();
        let piece = state.pieces.pop_front();
        if piece.is_none() && !state.has_ended {
            state.task = Some(cx.waker().clone());
            return Poll::Pending;
        }
        drop(state);
        self.shared.room.notify_one();
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.lock().is_abandoned = true;
        self.shared.room.notify_one();
    }
}
