//! All files of a driver that bodies are read from, and what they hold.
//!
//! Knows which of them want something, whose transfers are to go on, and how many bytes all hold together. Must not know what a
//! file goes through, which is [`Ahead`]'s, nor who does that. A source is asked where its transfer is, which may be on its way
//! from another thread, so that what it shares with the table lies behind locks, which nobody holds while a disk is waited for.
//! Invariants: a source that wants something is in the queue, or on its way there, or something of it is under way; each
//! byte is counted until it is given or dropped; where there is no room, one that holds nothing reads a little all the same, so that
//! none waits for another's peer.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::ahead::Ahead;
use crate::engine::TransferId;
use crate::id::{Id, Slab};
use crate::limits;
use crate::protocol::SourceRead;
use crate::sys::file::{FileDone, FileOp};

/// The name of a file that is read.
pub(super) type SourceId = Id<Arc<Source>>;

/// The sources of a driver.
pub(super) struct Sources {
    entries: Slab<Arc<Source>>,
    news: Arc<News>,
    /// Those that may want something done.
    queue: VecDeque<SourceId>,
    resumed: VecDeque<TransferId>,
}

/// A file, and what its reader and the table say of it to each other.
pub(super) struct Source {
    state: Mutex<State>,
    news: Arc<News>,
}

struct State {
    ahead: Ahead,
    transfer: Option<TransferId>,
    /// The table has yet to look at what it was told.
    is_told: bool,
}

/// What readers tell the table.
#[derive(Default)]
struct News {
    told: Mutex<Vec<SourceId>>,
    /// Bytes of all sources.
    held: AtomicUsize,
}

impl Default for Sources {
    fn default() -> Sources {
        Sources {
            entries: Slab::new(),
            news: Arc::default(),
            queue: VecDeque::new(),
            resumed: VecDeque::new(),
        }
    }
}

impl Sources {
    pub(super) fn insert(
        &mut self,
        path: PathBuf,
        from: u64,
        length: u64,
    ) -> (SourceId, Arc<Source>) {
        let ahead = Ahead::new(path, from, length);
        let state = Mutex::new(State { ahead, transfer: None, is_told: false });
        let source = Arc::new(Source { state, news: Arc::clone(&self.news) });
        (self.entries.insert(Arc::clone(&source)), source)
    }

    /// Whether there is something to be begun, or somebody to be resumed.
    pub(super) fn has_work(&self) -> bool {
        !(self.queue.is_empty() && self.resumed.is_empty() && self.news.told().is_empty())
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The next thing to be done.
    pub(super) fn next_op(&mut self) -> Option<(SourceId, Arc<Source>, FileOp)> {
        let told = std::mem::take(&mut *self.news.told());
        self.queue.extend(told);
        while let Some(id) = self.queue.pop_front() {
            let Some(source) = self.entries.get(id) else { continue };
            let (op, is_over) = source.with(|state, most| {
                state.is_told = false;
                (state.ahead.next(most), state.ahead.is_over())
            });
            match op {
                Some(op) => return Some((id, Arc::clone(source), op)),
                None if is_over => _ = self.entries.remove(id),
                None => {}
            }
        }
        None
    }

    /// What became of it.
    pub(super) fn handle(&mut self, id: SourceId, done: FileDone) {
        if let Some(source) = self.entries.get(id) {
            source.with(|state, _| state.ahead.handle(done));
            self.settle(id);
        }
    }

    /// Takes account of what was done to a source.
    pub(super) fn settle(&mut self, id: SourceId) {
        let Some(source) = self.entries.get(id) else { return };
        let due = source.with(|state, _| state.transfer.filter(|_| state.ahead.take_due()));
        self.resumed.extend(due);
        self.queue.push_back(id);
    }

    /// A transfer of whose body there is more.
    pub(super) fn next_resumed(&mut self) -> Option<TransferId> {
        self.resumed.pop_front()
    }
}

impl Source {
    /// Looks at it, or changes it, with the bytes that it may hold at most.
    fn with<T>(&self, act: impl FnOnce(&mut State, usize) -> T) -> T {
        // one that panicked meanwhile left it whole: each change is one call
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.ahead.held();
        let result = act(&mut state, self.news.most());
        self.news.count(before, state.ahead.held());
        result
    }

    /// As [`Source::with`], by its reader: the table is told if it is wanted for something.
    fn tell<T>(&self, id: SourceId, act: impl FnOnce(&mut State) -> T) -> T {
        let (result, is_news) = self.with(|state, most| {
            let result = act(state);
            let has_work = state.ahead.has_work(most) || state.ahead.is_over();
            (result, has_work && !std::mem::replace(&mut state.is_told, has_work))
        });
        if is_news {
            self.news.told().push(id);
        }
        result
    }

    pub(super) fn give(&self, id: SourceId, out: &mut [u8]) -> SourceRead {
        self.tell(id, |state| state.ahead.give(out))
    }

    pub(super) fn rewind(&self, id: SourceId) {
        self.tell(id, |state| state.ahead.rewind());
    }

    pub(super) fn drop_it(&self, id: SourceId) {
        self.tell(id, |state| state.ahead.drop_it());
    }

    pub(super) fn bind(&self, transfer: TransferId) {
        self.with(|state, _| state.transfer = Some(transfer));
    }

    /// Does what it wants, from this on: until it wants nothing, or has something for who waits.
    pub(super) fn perform(&self, op: FileOp) {
        let mut next = Some(op);
        while let Some(op) = next {
            let done = op.perform();
            next = self.with(|state, most| {
                state.ahead.handle(done);
                if state.ahead.is_due() { None } else { state.ahead.next(most) }
            });
        }
    }
}

impl News {
    fn told(&self) -> std::sync::MutexGuard<'_, Vec<SourceId>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that one source may hold now.
    fn most(&self) -> usize {
        match self.held.load(Ordering::Relaxed) < limits::FILES_AHEAD {
            true => limits::FILE_AHEAD,
            false => limits::FILE_AHEAD_CROWDED,
        }
    }

    fn count(&self, before: usize, now: usize) {
        if now > before {
            self.held.fetch_add(now - before, Ordering::Relaxed);
        } else {
            self.held.fetch_sub(before - now, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(sources: &mut Sources) {
        while let Some((id, _, op)) = sources.next_op() {
            sources.handle(id, op.perform());
        }
    }

    #[test]
    fn where_all_hold_too_much_each_reads_a_little() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, vec![7; 1 << 20]).unwrap();
        let mut sources = Sources::default();
        let most = limits::FILES_AHEAD / limits::FILE_AHEAD;
        let readers: Vec<_> =
            (0..2 * most).map(|_| sources.insert(path.clone(), 0, 1 << 20)).collect();
        for (number, (id, source)) in readers.iter().enumerate() {
            source.bind(TransferId::from_bits(number as u64));
            assert_eq!(source.give(*id, &mut [0; 10]), SourceRead::Pending);
            work(&mut sources);
            assert_eq!(sources.next_resumed(), Some(TransferId::from_bits(number as u64)));
        }
        let held = sources.news.held.load(Ordering::Relaxed);
        assert_eq!(held, limits::FILES_AHEAD + most * limits::FILE_AHEAD_CROWDED);
        // one that has nothing is never held up by others
        let (last, source) = readers.last().unwrap();
        let mut out = vec![0; limits::FILE_AHEAD_CROWDED];
        for _ in 0..8 {
            assert_eq!(source.give(*last, &mut out), SourceRead::Data(out.len()));
            work(&mut sources);
        }
        readers.into_iter().for_each(|(id, source)| source.drop_it(id));
        assert!(sources.has_work());
        work(&mut sources);
        assert!(sources.is_empty() && !sources.has_work());
        assert_eq!(sources.news.held.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_table_is_told_once_until_it_has_looked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, vec![7; 1 << 20]).unwrap();
        let mut sources = Sources::default();
        let (id, source) = sources.insert(path, 0, 1 << 20);
        assert!(!sources.has_work(), "nobody has asked");
        for _ in 0..3 {
            assert_eq!(source.give(id, &mut [0; 10]), SourceRead::Pending);
            assert_eq!(sources.news.told().len(), 1);
        }
        let (_, _, op) = sources.next_op().unwrap();
        assert_eq!(source.give(id, &mut [0; 10]), SourceRead::Pending);
        assert!(!sources.has_work(), "it is under way");
        sources.handle(id, op.perform());
        work(&mut sources);
        source.drop_it(id);
        work(&mut sources);
        assert!(sources.is_empty());
    }
}
