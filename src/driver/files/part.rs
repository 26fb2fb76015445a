//! One file on its way to its name: a closed machine.
//!
//! Knows what is done to a file and in which order. Must not know who does it (a ring, a thread), nor transfers. Invariants:
//! one operation is under way at a time, so that bytes are written in order; under its name the file is whole or not
//! there; what was made aside is renamed or removed, also where something failed before.

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::{Existing, Written};
use crate::sys::Errno;
use crate::sys::file::{FileDone, FileOp, Found, position, stand_at};

/// A file, from the first bytes for it to its name.
///
/// * What it is given: [`push`](Part::push), [`end`](Part::end).
/// * What it wants: [`next`](Part::next), of which the outcome goes to [`handle`](Part::handle).
/// * What came of it: [`take_result`](Part::take_result).
#[derive(Debug)]
pub(super) struct Part {
    target: Target,
    state: State,
    blocks: VecDeque<Vec<u8>>,
    /// Where in the file the next byte is written; where it stands, if it has no positions.
    at: Option<u64>,
    /// Bytes of the first block that are written.
    written: usize,
    /// Bytes of all blocks that are not.
    unwritten: usize,
    end: Option<End>,
    failure: Option<Errno>,
}

/// How a file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// All bytes were given, and it is to get its name.
    Whole,
    /// It is not wanted.
    Dropped,
}

#[derive(Debug)]
enum Target {
    /// Written aside, to get a name.
    Aside(Aside),
    /// Written where it is.
    Open,
}

/// A file that is written beside its name.
#[derive(Debug)]
struct Aside {
    path: PathBuf,
    existing: Existing,
    /// Whose the file is that it is to replace.
    old: Option<Found>,
    /// What makes its name aside one that no other has.
    mark: u64,
    /// How often that was another's.
    taken: u32,
    /// How many names were another's, where it gets a number.
    number: u32,
    /// There is a file under its name aside.
    is_made: bool,
}

#[derive(Debug)]
enum State {
    /// There is nothing of it yet.
    Unmade,
    /// It is known what it replaces.
    Looked,
    /// It has permissions to get before its bytes.
    Bare(OwnedFd),
    Open(OwnedFd),
    Closed,
    /// An operation is under way.
    Asked,
    Over(Option<Written>),
}

/// The last number that a file's name gets, as curl has it.
const LAST_NUMBER: u32 = 100;

/// Names aside that are tried.
const NAMES: u32 = 16;

impl Part {
    /// A file that is to have this name; `mark` is of no other file that is written.
    pub(super) fn aside(path: PathBuf, existing: Existing, mark: u64) -> Part {
        let aside = Aside { path, existing, old: None, mark, taken: 0, number: 0, is_made: false };
        Part::new(Target::Aside(aside), State::Unmade, Some(0))
    }

    /// A file that is written from where it stands, and stays what it is.
    pub(super) fn open(file: File) -> Part {
        let at = position(&file);
        Part::new(Target::Open, State::Open(file.into()), at)
    }

    fn new(target: Target, state: State, at: Option<u64>) -> Part {
        let (blocks, end, failure) = (VecDeque::new(), None, None);
        Part { target, state, blocks, at, written: 0, unwritten: 0, end, failure }
    }

    /// Bytes that follow on those before.
    pub(super) fn push(&mut self, block: Vec<u8>) {
        if self.failure.is_none() {
            self.unwritten += block.len();
            self.blocks.push_back(block);
        }
    }

    /// No more bytes come. What was said last holds.
    pub(super) fn end(&mut self, end: End) {
        self.end = Some(end);
    }

    /// Bytes that it holds.
    pub(super) fn held(&self) -> usize {
        self.unwritten
    }

    /// It has its name already.
    pub(super) fn is_in_place(&self) -> bool {
        matches!(self.target, Target::Open)
    }

    pub(super) fn failure(&self) -> Option<Errno> {
        self.failure
    }

    /// Nothing more is done to it.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Over(_))
    }

    /// What came of it, once it is over.
    pub(super) fn take_result(&mut self) -> Option<Result<Written, Errno>> {
        let State::Over(written) = &mut self.state else { return None };
        match self.failure {
            Some(failure) => Some(Err(failure)),
            None => written.take().map(Ok),
        }
    }

    /// What is to be done next, if nothing is under way.
    pub(super) fn next(&mut self) -> Option<FileOp> {
        let state = std::mem::replace(&mut self.state, State::Asked);
        let (state, op) = match state {
            State::Unmade => self.next_unmade(),
            State::Looked => self.next_looked(),
            State::Bare(file) => self.next_bare(file),
            State::Open(file) => self.next_open(file),
            State::Closed => self.next_closed(),
            state @ (State::Asked | State::Over(_)) => (state, None),
        };
        self.state = state;
        op
    }

    fn next_unmade(&mut self) -> (State, Option<FileOp>) {
        match (&self.target, self.end) {
            (_, Some(End::Dropped)) => (State::Over(None), None),
            (_, None) if self.blocks.is_empty() => (State::Unmade, None),
            (Target::Aside(Aside { path, .. }), _) => {
                (State::Asked, Some(FileOp::Look { path: path.clone() }))
            }
            (Target::Open, _) => (State::Over(None), None),
        }
    }

    fn next_looked(&mut self) -> (State, Option<FileOp>) {
        match &self.target {
            Target::Aside(aside) if !self.is_given_up() => {
                // nobody reads of the new what they may not read of the old
                let mode = if aside.old.is_some() { 0o600 } else { 0o666 };
                (State::Asked, Some(FileOp::Make { path: aside.name(), mode }))
            }
            Target::Aside(_) | Target::Open => (State::Over(None), None),
        }
    }

    fn next_bare(&mut self, file: OwnedFd) -> (State, Option<FileOp>) {
        match &self.target {
            Target::Aside(Aside { old: Some(other), .. }) if !self.is_given_up() => {
                (State::Asked, Some(FileOp::TakeAfter { file, other: *other }))
            }
            Target::Aside(_) | Target::Open => self.next_open(file),
        }
    }

    fn next_open(&mut self, file: OwnedFd) -> (State, Option<FileOp>) {
        // what was to be written where it is goes on being it, as far as it came
        let wants = self.failure.is_none()
            && (self.end != Some(End::Dropped) || matches!(self.target, Target::Open));
        if wants && let Some(bytes) = self.blocks.pop_front() {
            let (from, at) = (self.written, self.at);
            return (State::Asked, Some(FileOp::Write { file, bytes, from, at }));
        }
        match (&self.target, self.end, &self.failure) {
            (_, None, None) => (State::Open(file), None),
            (Target::Open, ..) => {
                self.forget_bytes();
                let file = File::from(file);
                // as if it had been written to where it stood
                if let Some(Err(errno)) = self.at.map(|at| stand_at(&file, at)) {
                    self.fail(errno);
                }
                (State::Over(Some(Written::Open(file))), None)
            }
            (Target::Aside(_), ..) => {
                self.forget_bytes();
                (State::Asked, Some(FileOp::Close { file }))
            }
        }
    }

    fn next_closed(&mut self) -> (State, Option<FileOp>) {
        match &self.target {
            Target::Aside(aside) if self.is_given_up() && aside.is_made => {
                (State::Asked, Some(FileOp::Remove { path: aside.name() }))
            }
            Target::Aside(aside) if !self.is_given_up() => {
                let (to, replace) = (aside.numbered(), aside.existing == Existing::Replace);
                (State::Asked, Some(FileOp::Rename { from: aside.name(), to, replace }))
            }
            Target::Aside(_) | Target::Open => (State::Over(None), None),
        }
    }

    fn is_given_up(&self) -> bool {
        self.failure.is_some() || self.end == Some(End::Dropped)
    }

    fn forget_bytes(&mut self) {
        self.blocks = VecDeque::new();
        (self.written, self.unwritten) = (0, 0);
    }

    fn fail(&mut self, errno: Errno) {
        // what failed first is why what comes after does
        self.failure.get_or_insert(errno);
        self.forget_bytes();
    }

    /// What became of the operation that was under way.
    pub(super) fn handle(&mut self, done: FileDone) {
        self.state = match done {
            FileDone::Looked(found) => self.handle_looked(found),
            FileDone::Opened(made) => self.handle_made(made),
            FileDone::TakenAfter(file, taken) => {
                if let Err(errno) = taken {
                    self.fail(errno);
                }
                State::Open(file)
            }
            FileDone::Moved(file, bytes, written) => {
                self.handle_written(bytes, written);
                State::Open(file)
            }
            FileDone::Closed(closed) => {
                if let Err(errno) = closed {
                    self.fail(errno);
                }
                State::Closed
            }
            FileDone::Renamed(renamed) => self.handle_renamed(renamed),
            // there is nobody to be told that it could not be
            FileDone::Removed(_) => State::Over(None),
        };
    }

    fn handle_looked(&mut self, found: Result<Option<Found>, Errno>) -> State {
        match (found, &mut self.target) {
            (Ok(found), Target::Aside(aside)) => aside.old = found,
            (Err(errno), _) => self.fail(errno),
            (Ok(_), Target::Open) => {}
        }
        State::Looked
    }

    fn handle_made(&mut self, made: Result<OwnedFd, Errno>) -> State {
        match (made, &mut self.target) {
            (Ok(file), Target::Aside(aside)) => {
                aside.is_made = true;
                if aside.old.is_some() { State::Bare(file) } else { State::Open(file) }
            }
            (Err(Errno::EEXIST), Target::Aside(aside)) if aside.taken < NAMES => {
                aside.taken += 1;
                State::Looked
            }
            (Err(errno), _) => {
                self.fail(errno);
                State::Over(None)
            }
            (Ok(file), Target::Open) => State::Open(file),
        }
    }

    fn handle_written(&mut self, bytes: Vec<u8>, written: Result<usize, Errno>) {
        match written {
            // there was room for nothing, and no error says why
            Ok(0) => self.fail(Errno::ENOSPC),
            Ok(written) => {
                self.unwritten = self.unwritten.saturating_sub(written);
                self.written += written;
                self.at = self.at.map(|at| at + written as u64);
                if self.written < bytes.len() {
                    self.blocks.push_front(bytes);
                } else {
                    self.written = 0;
                }
            }
            Err(Errno::EINTR) => self.blocks.push_front(bytes),
            Err(errno) => self.fail(errno),
        }
    }

    fn handle_renamed(&mut self, renamed: Result<(), Errno>) -> State {
        match (renamed, &mut self.target) {
            (Ok(()), Target::Aside(aside)) => {
                aside.is_made = false;
                State::Over(Some(Written::Named(aside.numbered())))
            }
            (Err(Errno::EEXIST), Target::Aside(aside))
                if aside.existing == Existing::Number && aside.number < LAST_NUMBER =>
            {
                aside.number += 1;
                State::Closed
            }
            (Err(errno), _) => {
                self.fail(errno);
                State::Closed
            }
            (Ok(()), Target::Open) => State::Over(None),
        }
    }
}

impl Aside {
    /// Its name as long as it is not whole, which no URL has: in the directory of the name that it gets.
    fn name(&self) -> PathBuf {
        let mark = self.mark.wrapping_add(u64::from(self.taken) << 32);
        self.path.with_file_name(format!(".ringdove-{mark:016x}.part"))
    }

    /// The name that it is to get now.
    fn numbered(&self) -> PathBuf {
        match self.number {
            0 => self.path.clone(),
            number => with_number(&self.path, number),
        }
    }
}

fn with_number(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The words for what was done, in order.
    fn word(op: &FileOp) -> &'static str {
        match op {
            FileOp::Look { .. } => "look",
            FileOp::Open { .. } => "open",
            FileOp::Read { .. } => "read",
            FileOp::Make { .. } => "make",
            FileOp::TakeAfter { .. } => "take after",
            FileOp::Write { .. } => "write",
            FileOp::Close { .. } => "close",
            FileOp::Rename { .. } => "rename",
            FileOp::Remove { .. } => "remove",
        }
    }

    /// As if the system refused it.
    fn refused(op: FileOp, errno: Errno) -> FileDone {
        match op {
            FileOp::Look { .. } => FileDone::Looked(Err(errno)),
            FileOp::Make { .. } | FileOp::Open { .. } => FileDone::Opened(Err(errno)),
            FileOp::TakeAfter { file, .. } => FileDone::TakenAfter(file, Err(errno)),
            FileOp::Write { file, bytes, .. } | FileOp::Read { file, bytes, .. } => {
                FileDone::Moved(file, bytes, Err(errno))
            }
            FileOp::Close { .. } => FileDone::Closed(Err(errno)),
            FileOp::Rename { .. } => FileDone::Renamed(Err(errno)),
            FileOp::Remove { .. } => FileDone::Removed(Err(errno)),
        }
    }

    /// Does all that a file wants, but for the step of this number, which fails.
    fn work(part: &mut Part, failing: Option<(usize, Errno)>) -> Vec<&'static str> {
        let mut done = Vec::new();
        while let Some(op) = part.next() {
            let fails = failing.filter(|(at, _)| *at == done.len());
            done.push(word(&op));
            part.handle(match fails {
                Some((_, errno)) => refused(op, errno),
                None => op.perform(),
            });
        }
        done
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn replacing(directory: &Path) -> Part {
        fs::write(directory.join("file"), "old").unwrap();
        let mut part = Part::aside(directory.join("file"), Existing::Replace, 1);
        part.push(b"new".to_vec());
        part.push(b"er".to_vec());
        part
    }

    #[test]
    fn a_file_is_made_aside_and_gets_its_name_when_it_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let mut part = Part::aside(directory.path().join("file"), Existing::Replace, 1);
        assert_eq!(work(&mut part, None), [""; 0], "there is nothing to be written");
        part.push(b"new".to_vec());
        assert_eq!(work(&mut part, None), ["look", "make", "write"]);
        assert_eq!(names(directory.path()), [".ringdove-0000000000000001.part"]);
        part.push(b"er".to_vec());
        part.end(End::Whole);
        assert_eq!(work(&mut part, None), ["write", "close", "rename"]);
        assert!(part.is_over());
        assert!(matches!(part.take_result(), Some(Ok(Written::Named(_)))));
        assert!(part.take_result().is_none(), "once");
        assert_eq!(fs::read(directory.path().join("file")).unwrap(), b"newer");
    }

    #[test]
    fn an_empty_file_is_one_too() {
        let directory = tempfile::tempdir().unwrap();
        let mut part = Part::aside(directory.path().join("file"), Existing::Keep, 1);
        part.end(End::Whole);
        assert_eq!(work(&mut part, None), ["look", "make", "close", "rename"]);
        assert_eq!(fs::read(directory.path().join("file")).unwrap(), b"");
    }

    #[test]
    fn whatever_step_fails_the_old_file_stays_and_nothing_else() {
        let steps = ["look", "make", "take after", "write", "write", "close", "rename"];
        for (at, step) in steps.into_iter().enumerate() {
            let directory = tempfile::tempdir().unwrap();
            let mut part = replacing(directory.path());
            part.end(End::Whole);
            let done = work(&mut part, Some((at, Errno::EIO)));
            assert_eq!(done[..=at], steps[..=at]);
            assert!(part.is_over(), "{step}");
            assert_eq!(part.held(), 0, "{step}");
            assert!(matches!(part.take_result(), Some(Err(Errno::EIO))), "{step}");
            assert_eq!(names(directory.path()), ["file"], "{step}");
            assert_eq!(fs::read(directory.path().join("file")).unwrap(), b"old", "{step}");
        }
    }

    #[test]
    fn wherever_it_is_dropped_the_old_file_stays_and_nothing_else() {
        for steps in 0..=6 {
            let directory = tempfile::tempdir().unwrap();
            let mut part = replacing(directory.path());
            if steps >= 5 {
                part.end(End::Whole);
            }
            for _ in 0..steps {
                if let Some(op) = part.next() {
                    part.handle(op.perform());
                }
            }
            part.end(End::Dropped);
            work(&mut part, None);
            assert!(part.is_over());
            assert!(part.take_result().is_none());
            assert_eq!(names(directory.path()), ["file"], "after {steps}");
            assert_eq!(fs::read(directory.path().join("file")).unwrap(), b"old");
        }
    }

    #[test]
    fn what_a_write_left_is_written_next() {
        let directory = tempfile::tempdir().unwrap();
        let mut part = replacing(directory.path());
        part.end(End::Whole);
        let mut written: Vec<(u8, Option<u64>)> = Vec::new();
        while let Some(op) = part.next() {
            part.handle(match op {
                FileOp::Write { file, bytes, from, at } => {
                    written.push((bytes[from], at));
                    FileDone::Moved(file, bytes, Ok(1))
                }
                op => op.perform(),
            });
        }
        let expected: Vec<_> = b"newer".iter().copied().zip((0..).map(Some)).collect();
        assert_eq!(written, expected, "each where the one before has ended");
        assert!(matches!(part.take_result(), Some(Ok(_))));
    }

    #[test]
    fn a_name_aside_that_is_taken_is_another() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(".ringdove-0000000000000001.part"), "").unwrap();
        let mut part = Part::aside(directory.path().join("file"), Existing::Keep, 1);
        part.end(End::Whole);
        assert_eq!(work(&mut part, None), ["look", "make", "make", "close", "rename"]);
        assert!(matches!(part.take_result(), Some(Ok(_))));
    }

    #[test]
    fn what_is_there_stays_where_that_is_wanted() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("file"), "old").unwrap();
        let path = directory.path().join("file");
        let mut kept = Part::aside(path.clone(), Existing::Keep, 1);
        let mut numbered = Part::aside(path, Existing::Number, 2);
        for part in [&mut kept, &mut numbered] {
            part.end(End::Whole);
            work(part, None);
        }
        assert!(matches!(kept.take_result(), Some(Err(Errno::EEXIST))));
        let number = directory.path().join("file.1");
        assert!(matches!(numbered.take_result(), Some(Ok(Written::Named(path))) if path == number));
        assert_eq!(names(directory.path()), ["file", "file.1"]);
    }

    #[test]
    fn what_is_open_gets_what_came_also_if_no_more_does() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        for end in [End::Whole, End::Dropped] {
            let mut part = Part::open(File::create(&path).unwrap());
            part.push(b"some".to_vec());
            part.end(end);
            assert_eq!(work(&mut part, None), ["write"]);
            assert!(matches!(part.take_result(), Some(Ok(Written::Open(_)))));
            assert_eq!(fs::read(&path).unwrap(), b"some");
        }
    }
}
