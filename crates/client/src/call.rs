//! One call: what the engine has of a response, and what the caller has of a request's body, on their way to each other.
//!
//! Knows both ends of a call, which share its state under a lock that neither holds for long. Must not know runtimes nor
//! drivers. Invariants: what waits of a response is bounded by its window and one receive, what waits of a request's body by
//! its window and one frame; a call ends once, and one whose engine is gone ends with an error. What crosses from thread to thread
//! lies in memory that the caller has made and frees itself, where it is small: what one thread allocates and another frees costs
//! an allocator several times as much.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::Bytes;
use http::HeaderMap;
use ringdove::protocol::{HeadStart, ResponseHead, SourceRead, Trailers};
use ringdove::{BodySource, Report, Request, TransferId, Url};

use crate::chunks::Chunks;
use crate::error::Error;
use crate::telemetry::Told;

/// Bytes that the caller brings for the head and the first of the body: more than nearly all heads have.
const ROOM: usize = 1024;

/// Bytes of a response that one turn of the engine may bring beyond its window. What has been received by then is as well kept here as
/// there, from where it would be copied once more.
const AHEAD: usize = 1024 * 1024;

/// Whether a call takes more of its response.
pub(crate) enum Room {
    Some,
    /// As long as the turn lasts; this is said once.
    Little,
    None,
}

/// The state of a call that the engine and the caller share.
pub(crate) struct Call {
    state: Mutex<State>,
    /// So many bytes of the response may wait, and so many of the request's body.
    window: usize,
    pub(crate) told: Told,
}

#[derive(Default)]
pub(crate) struct State {
    /// Its name in the engine, once that has begun it.
    pub(crate) transfer: Option<TransferId>,
    /// Until the engine takes it.
    pub(crate) request: Option<Request>,
    /// Who waits for more of the response.
    pub(crate) task: Option<Waker>,
    /// The head, until it is given out: so many bytes at the beginning of `room`.
    head: Option<(HeadStart, usize)>,
    /// The head and, while there is room, what of the body comes before that is given out.
    room: Vec<u8>,
    /// Where redirects have led, if there were any.
    pub(crate) url: Option<Box<Url>>,
    /// What of the body came together with the head; `chunks` come after it.
    first: Bytes,
    chunks: VecDeque<Bytes>,
    buffered: usize,
    /// The engine delivers no more until there is room.
    pub(crate) is_paused: bool,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) end: End,
    pub(crate) report: Option<Report>,
    pub(crate) upload: Upload,
}

/// How far a call has come.
#[derive(Default)]
pub(crate) enum End {
    #[default]
    Running,
    Whole,
    Failed(Error),
    /// The caller has been told of the failure.
    Told,
}

/// What the engine has yet to take of a request's body.
#[derive(Default)]
pub(crate) struct Upload {
    chunks: VecDeque<Bytes>,
    buffered: usize,
    /// The engine has found nothing, and is to be told when there is more.
    is_hungry: bool,
    /// Who has found no room, and is to be told when there is.
    task: Option<Waker>,
    end: Option<UploadEnd>,
}

/// What comes after the last byte of a request's body.
pub(crate) enum UploadEnd {
    Whole(Option<Trailers>),
    Failed(String),
}

impl Call {
    pub(crate) fn new(window: usize, told: Told) -> Call {
        let state = State { room: Vec::with_capacity(ROOM), ..State::default() };
        Call { state: Mutex::new(state), window: window.max(1), told }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // a panic of a task's waker, at worst, and that is called last
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a part of the response's body in. Says whether there is room for more.
    pub(crate) fn take_in(&self, state: &mut State, chunk: &[u8], chunks: &Chunks) -> Room {
        let fits = state.room.capacity() - state.room.len() >= chunk.len();
        match state.head.is_some() && state.chunks.is_empty() && fits {
            true => state.room.extend_from_slice(chunk),
            false => state.chunks.extend(chunks.keep(chunk)),
        }
        state.buffered += chunk.len();
        if state.buffered < self.window {
            return Room::Some;
        }
        match (std::mem::replace(&mut state.is_paused, true), state.buffered >= self.window + AHEAD)
        {
            (_, true) => Room::None,
            (false, false) => Room::Little,
            (true, false) => Room::Some,
        }
    }

    /// Whether there is so much of the body that whoever waits for it is not to be left waiting for more.
    pub(crate) fn has_much(&self, state: &State) -> bool {
        state.buffered >= self.window / 2
    }

    /// The next part of the response's body, and whether the engine is to go on with it.
    pub(crate) fn give_out(&self, state: &mut State) -> Option<(Bytes, bool)> {
        let chunk = match state.first.is_empty() {
            true => state.chunks.pop_front()?,
            false => std::mem::take(&mut state.first),
        };
        state.buffered -= chunk.len();
        let goes_on = state.is_paused && state.buffered <= self.window / 2;
        state.is_paused &= !goes_on;
        Some((chunk, goes_on))
    }

    /// Ends it with a failure, unless it has ended.
    pub(crate) fn fail(&self, error: Error) {
        self.told.end_without(error.word());
        let mut state = self.lock();
        if let End::Running = state.end {
            state.end = End::Failed(error);
        }
        let tasks = state.take_tasks();
        drop(state);
        tasks.into_iter().flatten().for_each(Waker::wake);
    }

    /// Whether there is room for a part of the request's body; if not, whoever polls is woken when there is.
    pub(crate) fn has_room(&self, state: &mut State, task: &Waker) -> bool {
        let has_room = state.upload.buffered < self.window;
        if !has_room {
            state.upload.task = Some(task.clone());
        }
        has_room
    }
}

impl State {
    /// Takes the head of the response in.
    pub(crate) fn take_head_in(&mut self, head: &ResponseHead<'_>) {
        self.room.extend_from_slice(head.raw());
        self.head = Some((head.start(), head.raw().len()));
    }

    /// The head, with its bytes: not read yet, so that whoever asks for it does that without the lock.
    pub(crate) fn give_head_out(&mut self) -> Option<(HeadStart, Bytes)> {
        let (start, length) = self.head.take()?;
        self.first = std::mem::take(&mut self.room).into();
        let raw = self.first.split_to(length);
        Some((start, raw))
    }

    /// Whether all of the body that has come was given out.
    pub(crate) fn is_drained(&self) -> bool {
        self.first.is_empty() && self.chunks.is_empty()
    }

    /// Whoever waits for anything, at the end.
    pub(crate) fn take_tasks(&mut self) -> [Option<Waker>; 2] {
        [self.task.take(), self.upload.task.take()]
    }
}

impl Upload {
    /// Puts a part of the request's body in. Says whether the engine waits for it.
    pub(crate) fn put(&mut self, chunk: Bytes) -> bool {
        self.buffered += chunk.len();
        self.chunks.push_back(chunk);
        std::mem::take(&mut self.is_hungry)
    }

    /// Nothing follows but this. Says whether the engine waits for it.
    pub(crate) fn finish(&mut self, end: UploadEnd) -> bool {
        self.end.get_or_insert(end);
        std::mem::take(&mut self.is_hungry)
    }

    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        let mut read = 0;
        while let Some(chunk) = self.chunks.front_mut() {
            let part = chunk.len().min(out.len() - read);
            out[read..read + part].copy_from_slice(&chunk.split_to(part));
            read += part;
            if !chunk.is_empty() {
                break;
            }
            self.chunks.pop_front();
        }
        self.buffered -= read;
        if read > 0 {
            return SourceRead::Data(read);
        }
        match &mut self.end {
            None => {
                self.is_hungry = true;
                SourceRead::Pending
            }
            Some(UploadEnd::Whole(trailers)) => {
                trailers.take().map_or(SourceRead::End, SourceRead::EndWith)
            }
            Some(UploadEnd::Failed(why)) => SourceRead::Failed(std::mem::take(why)),
        }
    }
}

/// Where the engine takes a request's body from.
pub(crate) struct Feed(pub(crate) std::sync::Arc<Call>);

impl BodySource for Feed {
    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        let mut state = self.0.lock();
        let read = state.upload.read(out);
        let has_room = state.upload.buffered <= self.0.window / 2;
        let task = if has_room { state.upload.task.take() } else { None };
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(window: usize) -> (Call, Chunks) {
        let url = Url::parse("http://localhost/").unwrap();
        let chunks = Chunks::new(ringdove::ReceiveBuffers::default());
        (Call::new(window, Told::begin(&http::Method::GET, &url)), chunks)
    }

    /// A window that is used up is told of once, and as soon as half of it is free the engine goes on.
    #[test]
    fn a_turn_goes_on_beyond_the_window_to_a_bound() {
        let (call, chunks) = call(100_000);
        let mut state = call.lock();
        let take = |state: &mut State| call.take_in(state, &[7; 25_000], &chunks);
        let rooms = [0; 5].map(|_| take(&mut state));
        assert!(matches!(rooms, [Room::Some, Room::Some, Room::Some, Room::Little, Room::Some]));
        assert!(state.is_paused);
        let mut most = state.buffered;
        while !matches!(take(&mut state), Room::None) {
            most = state.buffered;
        }
        assert!(most < 100_000 + AHEAD, "{most}");
        let mut left = state.buffered;
        while let Some((chunk, goes_on)) = call.give_out(&mut state) {
            let before = std::mem::replace(&mut left, state.buffered);
            assert_eq!(before - chunk.len(), left);
            assert_eq!(goes_on, before > 50_000 && left <= 50_000);
        }
        assert_eq!((left, state.is_paused), (0, false));
        assert!(matches!(take(&mut state), Room::Some));
    }
}
