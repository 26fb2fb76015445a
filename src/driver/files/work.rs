//! Who does what files want: the ring as far as it can, else a few threads.
//!
//! Knows threads. Must not know the ring, which is asked through whoever calls. A thread is given a file as a whole, and does
//! all that it wants until it wants nothing: a small file is one job. Where there is no thread, it is done here.

use std::cell::RefMut;
use std::sync::Arc;

use super::Files;
use super::part::Part;
use super::sources::{Source, SourceId, Sources};
use super::table::{PartId, Table};
use crate::driver::threads::Threads;
use crate::engine::{Engine, Message, Paused, TransferId};
use crate::limits;
use crate::sys::file::{FileDone, FileOp};
use crate::sys::{Waker, clock};
use crate::time::Time;

/// A file, and what is to be done to it first.
enum Job {
    Write(PartId, Part, FileOp),
    Read(SourceId, Arc<Source>, FileOp),
}

/// A file of which all was done that it wanted.
enum Performed {
    Write(PartId, Part),
    Read(SourceId),
}

/// What tells the ring's operations on files that are read from others, above the bits of an id.
const READS: u64 = 1 << 63;

/// The files of a driver, and the threads that work on them.
pub(in crate::driver) struct FileWork {
    files: Files,
    threads: Option<Threads<Job, Performed>>,
    /// What ends the loop's wait when a thread is done; without it there are none.
    waker: Option<Waker>,
    /// Files that threads have.
    away: usize,
}

impl FileWork {
    pub(in crate::driver) fn new(seed: u64, waker: Option<Waker>) -> FileWork {
        FileWork { files: Files::new(seed), threads: None, waker, away: 0 }
    }

    pub(in crate::driver) fn files(&self) -> Files {
        self.files.clone()
    }

    fn table(&self) -> RefMut<'_, Table> {
        self.files.table.borrow_mut()
    }

    fn sources(&self) -> RefMut<'_, Sources> {
        self.files.sources.borrow_mut()
    }

    /// Whether there is something to be begun.
    pub(in crate::driver) fn has_work(&self) -> bool {
        self.table().has_work() || self.sources().has_work()
    }

    /// Whether nothing is under way.
    pub(in crate::driver) fn is_empty(&self) -> bool {
        self.table().is_empty() && self.sources().is_empty()
    }

    /// Messages whose files are over.
    pub(in crate::driver) fn released(&self) -> usize {
        self.table().released()
    }

    /// Files that have been ended and are not over.
    pub(in crate::driver) fn ending(&self) -> usize {
        self.table().ending()
    }

    /// Has done what files want: by the ring, if it takes it, else by a thread.
    pub(in crate::driver) fn begin(
        &mut self,
        mut by_ring: impl FnMut(u64, FileOp) -> Result<(), FileOp>,
    ) {
        loop {
            let next = self.table().next_op();
            let Some((id, op)) = next else { break };
            if let Err(op) = by_ring(id.to_bits(), op) {
                let taken = self.table().take_part(id);
                if let Some(part) = taken {
                    self.begin_aside(Job::Write(id, part, op));
                }
            }
        }
        loop {
            let next = self.sources().next_op();
            let Some((id, source, op)) = next else { break };
            if let Err(op) = by_ring(READS | id.to_bits(), op) {
                self.begin_aside(Job::Read(id, source, op));
            }
        }
    }

    fn begin_aside(&mut self, mut job: Job) {
        if let Some(waker) = &self.waker {
            let threads = self.threads.get_or_insert_with(|| {
                Threads::new("ringdove-file", limits::FILE_THREADS, waker.clone(), perform)
            });
            match threads.start(job) {
                Ok(()) => {
                    self.away += 1;
                    return;
                }
                Err((back, _)) => job = back,
            }
        }
        self.give_back(perform(job));
    }

    fn give_back(&self, performed: Performed) {
        match performed {
            Performed::Write(id, part) => self.table().give_back(id, part),
            Performed::Read(id) => self.sources().settle(id),
        }
    }

    /// What became of something that the ring has done.
    pub(in crate::driver) fn handle(&self, user: u64, done: FileDone) {
        match user & READS {
            0 => self.table().handle(PartId::from_bits(user), done),
            _ => self.sources().handle(SourceId::from_bits(user), done),
        }
    }

    /// Takes back what threads are done with.
    pub(in crate::driver) fn collect(&mut self) {
        let Some(threads) = &mut self.threads else { return };
        let answers = threads.take_answers();
        self.away -= answers.len();
        answers.into_iter().for_each(|performed| self.give_back(performed));
    }

    /// Has transfers go on whose files have room again, or more bytes.
    pub(in crate::driver) fn resume(&self, engine: &mut Engine) {
        while let Some(transfer) = { self.sources().next_resumed() } {
            if let Some(paused) = engine.paused(transfer) {
                // whatever is paused stays so: the source is asked again
                engine.set_paused(transfer, paused);
            }
        }
        loop {
            let next = self.table().next_resumed();
            let Some(transfer) = next else { return };
            if let Some(paused) = engine.paused(transfer) {
                engine.set_paused(transfer, Paused { receiving: false, ..paused });
            }
        }
    }

    pub(in crate::driver) fn leave_to_caller(&self, transfer: TransferId) {
        self.table().leave_to_caller(transfer);
    }

    /// The next message whose files are over.
    pub(in crate::driver) fn next_message(&self, engine: &mut Engine) -> Option<Message> {
        let mut table = self.table();
        if let Some(message) = table.next_released() {
            return Some(message);
        }
        loop {
            if let Some(message) = table.hold(engine.poll_message()?) {
                return Some(message);
            }
        }
    }

    pub(in crate::driver) fn take_held(&self, transfer: TransferId) -> Option<Message> {
        self.table().take_held(transfer)
    }

    /// Ends all files, so that nothing is left of those that are not whole. `step` begins what they want, waits until something was
    /// done, the given time at most, and tells what; `false`: nothing can be done any more.
    pub(in crate::driver) fn end(&mut self, mut step: impl FnMut(&mut FileWork, Time) -> bool) {
        // a message may have a writer, which has the table
        let messages = self.table().take_messages();
        drop(messages);
        self.table().close();
        let (mut now, mut left) = (clock::now(), usize::MAX);
        let mut until = now + limits::FILE_PATIENCE;
        while self.ending() > 0 && now < until {
            if self.ending() < left {
                left = self.ending();
                until = now + limits::FILE_PATIENCE;
            }
            let slice = now + limits::SUBMIT_AGAIN;
            if !step(self, if self.away > 0 { until.min(slice) } else { until }) {
                return;
            }
            self.collect();
            now = clock::now();
        }
    }
}

/// Does what a file wants, until it wants nothing.
fn perform(job: Job) -> Performed {
    match job {
        Job::Write(id, mut part, op) => {
            let mut next = Some(op);
            while let Some(op) = next {
                part.handle(op.perform());
                next = part.next();
            }
            Performed::Write(id, part)
        }
        Job::Read(id, source, op) => {
            source.perform(op);
            Performed::Read(id)
        }
    }
}
