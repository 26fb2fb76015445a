//! One file that is read ahead of whoever sends it: a closed machine.
//!
//! Knows what is done to a file that is read, and what was read and not given yet. Must not know who reads (a ring, a thread),
//! nor transfers. Invariants: nothing is read before somebody asks; one operation is under way at a time, so that bytes come in
//! order; exactly the bytes that were announced are given, or it fails; what was begun before a rewind gives nothing after it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use crate::limits;
use crate::protocol::SourceRead;
use crate::sys::Errno;
use crate::sys::file::{FileDone, FileOp};

/// A part of a file, from the first byte that is asked for to its last.
///
/// * What it is asked: [`give`](Ahead::give), [`rewind`](Ahead::rewind), [`drop_it`](Ahead::drop_it).
/// * What it wants: [`next`](Ahead::next), of which the outcome goes to [`handle`](Ahead::handle).
pub(super) struct Ahead {
    path: PathBuf,
    /// Where in the file the part begins.
    from: u64,
    length: u64,
    state: State,
    demand: Demand,
    /// What is open, or under way, is of before a rewind.
    is_stale: bool,
    blocks: VecDeque<Vec<u8>>,
    /// Bytes of the first block that were given.
    given: usize,
    /// Bytes of all blocks, and of what is being read.
    held: usize,
    /// Bytes of the part that were read.
    read: u64,
    failure: Option<String>,
}

enum State {
    Closed,
    Open(OwnedFd),
    /// An operation is under way.
    Asked,
}

/// Who wants bytes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Demand {
    /// Nobody yet.
    Unasked,
    /// Somebody who has some to go on with.
    Asked,
    /// Somebody who waits.
    Awaited,
    /// Nobody any more.
    Dropped,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
enum Want {
    Nothing,
    Open,
    Read(usize),
    Close,
}

impl Ahead {
    pub(super) fn new(path: PathBuf, from: u64, length: u64) -> Ahead {
        Ahead {
            path,
            from,
            length,
            state: State::Closed,
            demand: Demand::Unasked,
            is_stale: false,
            blocks: VecDeque::new(),
            given: 0,
            held: 0,
            read: 0,
            failure: None,
        }
    }

    /// Gives bytes that were read, or has some read.
    pub(super) fn give(&mut self, out: &mut [u8]) -> SourceRead {
        if let Some(block) = self.blocks.front() {
            let rest = &block[self.given..];
            let bytes = rest.len().min(out.len());
            out[..bytes].copy_from_slice(&rest[..bytes]);
            self.given += bytes;
            if self.given == block.len() {
                self.held -= block.len();
                self.given = 0;
                self.blocks.pop_front();
            }
            self.demand = Demand::Asked;
            return SourceRead::Data(bytes);
        }
        match &self.failure {
            Some(why) => SourceRead::Failed(why.clone()),
            None if self.read == self.length => SourceRead::End,
            None => {
                self.demand = Demand::Awaited;
                SourceRead::Pending
            }
        }
    }

    /// Begins anew, with the file that has the name then.
    pub(super) fn rewind(&mut self) {
        self.forget_bytes();
        (self.read, self.failure, self.demand) = (0, None, Demand::Unasked);
        self.is_stale = !matches!(self.state, State::Closed);
    }

    /// Nobody wants any of it any more.
    pub(super) fn drop_it(&mut self) {
        self.forget_bytes();
        self.demand = Demand::Dropped;
    }

    fn forget_bytes(&mut self) {
        let blocks: usize = self.blocks.iter().map(Vec::len).sum();
        self.held -= blocks;
        (self.blocks, self.given) = (VecDeque::new(), 0);
    }

    /// Bytes that it holds, or has room for.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Whether there is something to be done, where it may hold so many bytes at `most`.
    pub(super) fn has_work(&self, most: usize) -> bool {
        self.want(most) != Want::Nothing
    }

    /// Nobody wants it, and nothing of it is left.
    pub(super) fn is_over(&self) -> bool {
        self.demand == Demand::Dropped && matches!(self.state, State::Closed)
    }

    /// Whether somebody waits who need not any longer.
    pub(super) fn is_due(&self) -> bool {
        self.demand == Demand::Awaited && !(self.blocks.is_empty() && self.failure.is_none())
    }

    /// Whoever waited is told.
    pub(super) fn take_due(&mut self) -> bool {
        let is_due = self.is_due();
        if is_due {
            self.demand = Demand::Asked;
        }
        is_due
    }

    fn want(&self, most: usize) -> Want {
        let is_wanted = matches!(self.demand, Demand::Asked | Demand::Awaited);
        let has_more = !self.is_stale && self.failure.is_none() && self.read < self.length;
        match self.state {
            State::Asked => Want::Nothing,
            State::Closed if is_wanted && has_more => Want::Open,
            State::Closed => Want::Nothing,
            State::Open(_) if self.demand == Demand::Dropped || !has_more => Want::Close,
            State::Open(_) if is_wanted => {
                let block = limits::FILE_BLOCK.min(most);
                if self.held > 0 && self.held + block > most {
                    return Want::Nothing;
                }
                let left = self.length - self.read;
                Want::Read(usize::try_from(left).map_or(block, |left| left.min(block)))
            }
            State::Open(_) => Want::Nothing,
        }
    }

    /// What is to be done next, if nothing is under way.
    pub(super) fn next(&mut self, most: usize) -> Option<FileOp> {
        let want = self.want(most);
        if want == Want::Nothing {
            return None;
        }
        match (std::mem::replace(&mut self.state, State::Asked), want) {
            (State::Open(file), Want::Read(bytes)) => {
                self.held += bytes;
                Some(FileOp::Read { file, bytes: vec![0; bytes], at: self.from + self.read })
            }
            (State::Open(file), _) => Some(FileOp::Close { file }),
            (State::Closed | State::Asked, _) => Some(FileOp::Open { path: self.path.clone() }),
        }
    }

    /// What became of the operation that was under way.
    pub(super) fn handle(&mut self, done: FileDone) {
        self.state = match done {
            FileDone::Opened(Ok(file)) => State::Open(file),
            FileDone::Opened(Err(errno)) => {
                if !std::mem::take(&mut self.is_stale) {
                    self.fail(errno);
                }
                State::Closed
            }
            FileDone::Moved(file, bytes, read) => {
                self.handle_read(bytes, read);
                State::Open(file)
            }
            // what was read is none the worse for how it was closed, and nothing else of it is ever asked for
            FileDone::Closed(_)
            | FileDone::Looked(_)
            | FileDone::TakenAfter(..)
            | FileDone::Renamed(_)
            | FileDone::Removed(_) => {
                self.is_stale = false;
                State::Closed
            }
        };
    }

    fn handle_read(&mut self, mut bytes: Vec<u8>, read: Result<usize, Errno>) {
        self.held -= bytes.len();
        if self.is_stale || self.demand == Demand::Dropped {
            return;
        }
        match read {
            Ok(0) => {
                let (path, left) = (self.path.display(), self.length - self.read);
                let why = format!("{path} is shorter by {left} bytes than it was");
                self.failure = Some(why);
            }
            Ok(read) => {
                bytes.truncate(read);
                // a file that gives little at a time is not to hold much for each
                if read < bytes.capacity() / 2 {
                    bytes.shrink_to_fit();
                }
                self.read += read as u64;
                self.held += read;
                self.blocks.push_back(bytes);
            }
            Err(Errno::EINTR) => {}
            Err(errno) => self.fail(errno),
        }
    }

    fn fail(&mut self, errno: Errno) {
        let why = io::Error::from(errno);
        self.failure = Some(format!("cannot read {}: {why}", self.path.display()));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const MOST: usize = limits::FILE_AHEAD;

    fn content(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|at| (at * 7 % 251) as u8).collect()
    }

    fn file(directory: &Path, bytes: usize) -> PathBuf {
        let path = directory.join("file");
        std::fs::write(&path, content(bytes)).unwrap();
        path
    }

    /// Does all that is wanted.
    fn work(ahead: &mut Ahead) {
        while let Some(op) = ahead.next(MOST) {
            ahead.handle(op.perform());
        }
    }

    fn give_all(ahead: &mut Ahead, room: usize) -> Result<Vec<u8>, String> {
        let (mut all, mut out) = (Vec::new(), vec![0; room]);
        loop {
            match ahead.give(&mut out) {
                SourceRead::Data(bytes) => all.extend_from_slice(&out[..bytes]),
                SourceRead::Pending => {
                    work(ahead);
                    assert!(ahead.take_due(), "who waits hears of it");
                }
                SourceRead::Failed(why) => return Err(why),
                SourceRead::End => return Ok(all),
                SourceRead::Piece(_) | SourceRead::EndWith(_) => unreachable!(),
            }
            assert!(ahead.held() <= MOST);
        }
    }

    #[test]
    fn exactly_the_bytes_that_were_announced_are_given() {
        let directory = tempfile::tempdir().unwrap();
        let path = file(directory.path(), 300_000);
        for (from, length) in [(0, 0), (0, 1), (0, 300_000), (1, 65_536), (299_999, 1), (7, 65_537)]
        {
            for room in [1_000, 16_384, 200_000] {
                let mut ahead = Ahead::new(path.clone(), from, length);
                work(&mut ahead);
                assert_eq!(ahead.held(), 0, "nobody has asked");
                let all = give_all(&mut ahead, room).unwrap();
                let end = (from + length) as usize;
                assert!(all == content(300_000)[from as usize..end], "{from}, {length}");
                assert!(matches!(ahead.state, State::Closed), "it is closed with the last of it");
                assert_eq!(ahead.held(), 0);
            }
        }
    }

    #[test]
    fn wherever_it_is_rewound_it_begins_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = file(directory.path(), 100_000);
        for steps in 0..=5 {
            for is_under_way in [false, true] {
                let mut ahead = Ahead::new(path.clone(), 0, 100_000);
                let _ = ahead.give(&mut [0; 10]);
                for _ in 0..steps {
                    if let Some(op) = ahead.next(MOST) {
                        ahead.handle(op.perform());
                    }
                }
                let op = if is_under_way { ahead.next(MOST) } else { None };
                ahead.rewind();
                let _ = ahead.give(&mut [0; 10]);
                if let Some(op) = op {
                    assert!(ahead.next(MOST).is_none(), "one at a time");
                    ahead.handle(op.perform());
                }
                work(&mut ahead);
                assert!(ahead.take_due());
                assert!(give_all(&mut ahead, 10_000).unwrap() == content(100_000), "{steps}");
            }
        }
    }

    #[test]
    fn a_failure_of_before_a_rewind_is_none_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let mut ahead = Ahead::new(path, 0, 10);
        let _ = ahead.give(&mut [0; 10]);
        let op = ahead.next(MOST).unwrap();
        ahead.rewind();
        ahead.handle(op.perform());
        file(directory.path(), 10);
        assert_eq!(give_all(&mut ahead, 10).unwrap(), content(10));
    }

    #[test]
    fn a_file_that_is_gone_or_shorter_is_told_of_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = file(directory.path(), 100_000);
        let name = path.display().to_string();
        let mut ahead = Ahead::new(path.clone(), 0, 100_001);
        let why = give_all(&mut ahead, 10_000).unwrap_err();
        assert_eq!(why, format!("{name} is shorter by 1 bytes than it was"));
        work(&mut ahead);
        assert!(matches!(ahead.state, State::Closed));
        std::fs::remove_file(path).unwrap();
        ahead.rewind();
        let why = give_all(&mut ahead, 10_000).unwrap_err();
        assert!(why.starts_with(&format!("cannot read {name}: No such file")), "{why}");
    }

    #[test]
    fn wherever_it_is_dropped_nothing_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = file(directory.path(), 300_000);
        for steps in 0..=4 {
            for is_under_way in [false, true] {
                let mut ahead = Ahead::new(path.clone(), 0, 300_000);
                let _ = ahead.give(&mut [0; 10]);
                for _ in 0..steps {
                    if let Some(op) = ahead.next(MOST) {
                        ahead.handle(op.perform());
                    }
                }
                let op = if is_under_way { ahead.next(MOST) } else { None };
                ahead.drop_it();
                op.into_iter().for_each(|op| ahead.handle(op.perform()));
                work(&mut ahead);
                assert!(ahead.is_over() && ahead.held() == 0, "{steps}");
            }
        }
    }
}
