//! A bounded pool of threads for what may wait on the system.
//!
//! Knows threads. Must not know what they do. Invariants: no more threads than the bound, started as they are needed; a job
//! that is stuck holds up its thread alone.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::sys::Waker;

/// Threads that make an answer of each job.
pub(super) struct Threads<J, A> {
    shared: Arc<Shared<J, A>>,
    name: &'static str,
    count: usize,
    most: usize,
}

struct Shared<J, A> {
    state: Mutex<State<J, A>>,
    work: Condvar,
    waker: Waker,
    perform: fn(J) -> A,
}

struct State<J, A> {
    queue: VecDeque<J>,
    answers: Vec<A>,
    waiting: usize,
    closed: bool,
}

impl<J: Send + 'static, A: Send + 'static> Threads<J, A> {
    /// A pool of so many at most, that wakes `waker` when it has answers.
    pub(super) fn new(
        name: &'static str,
        most: usize,
        waker: Waker,
        perform: fn(J) -> A,
    ) -> Threads<J, A> {
        let (queue, answers) = (VecDeque::new(), Vec::new());
        let state = Mutex::new(State { queue, answers, waiting: 0, closed: false });
        let shared = Arc::new(Shared { state, work: Condvar::new(), waker, perform });
        Threads { shared, name, count: 0, most: most.max(1) }
    }

    /// Has a job done.
    ///
    /// # Errors
    ///
    /// Where there is not one thread, and why: the job comes back.
    pub(super) fn start(&mut self, job: J) -> Result<(), (J, io::Error)> {
        let mut state = self.shared.lock();
        state.queue.push_back(job);
        let needed = state.queue.len() > state.waiting;
        drop(state);
        if needed && self.count < self.most {
            self.add()?;
        }
        self.shared.work.notify_one();
        Ok(())
    }

    /// Forgets jobs that have not begun.
    pub(super) fn retain(&mut self, keep: impl FnMut(&J) -> bool) {
        self.shared.lock().queue.retain(keep);
    }

    /// What has been done.
    pub(super) fn take_answers(&mut self) -> Vec<A> {
        std::mem::take(&mut self.shared.lock().answers)
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that starts threads")]
    fn add(&mut self) -> Result<(), (J, io::Error)> {
        let shared = self.shared.clone();
        match std::thread::Builder::new().name(self.name.to_owned()).spawn(move || shared.run()) {
            Ok(_) => self.count += 1,
            // with no thread at all nobody would ever do it
            Err(error) if self.count == 0 => {
                let job = self.shared.lock().queue.pop_back();
                return job.map_or(Ok(()), |job| Err((job, error)));
            }
            Err(_) => {}
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.count
    }
}

impl<J, A> Drop for Threads<J, A> {
    /// Threads end when their job does; one that is stuck is not waited for.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        state.queue.clear();
        drop(state);
        self.shared.work.notify_all();
    }
}

impl<J, A> Shared<J, A> {
    fn lock(&self) -> MutexGuard<'_, State<J, A>> {
        // a thread that panicked left the queue whole: each change is one call
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        while let Some(job) = self.next() {
            let answer = (self.perform)(job);
            let mut state = self.lock();
            if state.closed {
                return;
            }
            state.answers.push(answer);
            drop(state);
            self.waker.wake();
        }
    }

    fn next(&self) -> Option<J> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(next) = state.queue.pop_front() {
                return Some(next);
            }
            state.waiting += 1;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
    }
}
