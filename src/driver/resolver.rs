//! Names looked up by the system's resolver, on a bounded pool of threads.
//!
//! Knows getaddrinfo(3) (through the standard library) and threads. Must not know who waits.
//! Invariants: no more threads than the bound, started as they are needed; a look-up that was given
//! up is not started, and one that is stuck in the system holds up its thread alone.

use std::collections::VecDeque;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::MultiError;
use crate::engine::{Engine, LookupId};
use crate::protocol::Host;
use crate::sys::Waker;

/// What a look-up found, or why it found nothing.
type Answer = (LookupId, Result<Vec<IpAddr>, String>);

/// The look-ups of one engine: a pool that is made with the first of them.
pub(super) struct Lookups {
    pool: Option<ResolverPool>,
    max_threads: usize,
}

impl Lookups {
    pub(super) fn new(max_threads: usize) -> Self {
        Self { pool: None, max_threads }
    }

    /// Starts a look-up whose answer wakes `waker`. Where the system has no descriptor for that, the
    /// look-up fails, and not the handle.
    pub(super) fn start(
        &mut self,
        engine: &mut Engine,
        waker: Result<Waker, MultiError>,
        lookup: LookupId,
        host: Host,
    ) -> Result<(), MultiError> {
        match waker {
            Ok(waker) => {
                let threads = self.max_threads;
                let pool = self.pool.get_or_insert_with(|| ResolverPool::new(threads, waker));
                pool.start(lookup, host);
                Ok(())
            }
            Err(error) => {
                engine.handle_resolved(lookup, Err(error.to_string()));
                if matches!(error, MultiError::Os { .. }) { Ok(()) } else { Err(error) }
            }
        }
    }

    /// Nobody waits for this look-up any more.
    pub(super) fn abandon(&mut self, lookup: LookupId) {
        if let Some(pool) = &mut self.pool {
            pool.abandon(lookup);
        }
    }

    /// Tells the engine what was found.
    pub(super) fn deliver(&mut self, engine: &mut Engine) {
        let Some(pool) = &mut self.pool else { return };
        for (lookup, result) in pool.take_answers() {
            engine.handle_resolved(lookup, result);
        }
    }
}

struct ResolverPool {
    shared: Arc<Shared>,
    threads: usize,
    max_threads: usize,
}

struct Shared {
    state: Mutex<State>,
    work: Condvar,
    waker: Waker,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(LookupId, Host)>,
    answers: Vec<Answer>,
    waiting_threads: usize,
    closed: bool,
}

impl ResolverPool {
    /// A pool that wakes `waker` when it has answers.
    pub(super) fn new(max_threads: usize, waker: Waker) -> Self {
        let shared = Shared { state: Mutex::default(), work: Condvar::new(), waker };
        Self { shared: Arc::new(shared), threads: 0, max_threads: max_threads.max(1) }
    }

    pub(super) fn start(&mut self, lookup: LookupId, host: Host) {
        let mut state = self.shared.lock();
        state.queue.push_back((lookup, host));
        let needed = state.queue.len() > state.waiting_threads;
        drop(state);
        if needed && self.threads < self.max_threads {
            self.add_thread(lookup);
        }
        self.shared.work.notify_one();
    }

    /// Nobody waits for this look-up any more.
    pub(super) fn abandon(&mut self, lookup: LookupId) {
        self.shared.lock().queue.retain(|&(queued, _)| queued != lookup);
    }

    pub(super) fn take_answers(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.shared.lock().answers)
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that starts threads")]
    fn add_thread(&mut self, lookup: LookupId) {
        let shared = self.shared.clone();
        let name = "ringdove-resolver".to_owned();
        match std::thread::Builder::new().name(name).spawn(move || shared.run()) {
            Ok(_) => self.threads += 1,
            // with no thread at all nobody would ever answer
            Err(error) if self.threads == 0 => {
                let mut state = self.shared.lock();
                state.queue.clear();
                state.answers.push((lookup, Err(format!("no thread to look it up: {error}"))));
                self.shared.waker.wake();
            }
            Err(_) => {}
        }
    }
}

impl Drop for ResolverPool {
    /// Threads end when their look-up does; one that is stuck is not waited for.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        state.queue.clear();
        drop(state);
        self.shared.work.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // a thread that panicked left the queue whole: each change is one call
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        while let Some((lookup, host)) = self.next() {
            let result = look_up(&host);
            let mut state = self.lock();
            if state.closed {
                return;
            }
            state.answers.push((lookup, result));
            drop(state);
            self.waker.wake();
        }
    }

    fn next(&self) -> Option<(LookupId, Host)> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(next) = state.queue.pop_front() {
                return Some(next);
            }
            state.waiting_threads += 1;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting_threads -= 1;
        }
    }
}

fn look_up(host: &Host) -> Result<Vec<IpAddr>, String> {
    let name = host.to_string();
    let found = (name.as_str(), 0).to_socket_addrs().map_err(|error| error.to_string())?;
    let mut addresses = Vec::new();
    for address in found {
        if !addresses.contains(&address.ip()) && addresses.len() < crate::limits::ADDRESSES {
            addresses.push(address.ip());
        }
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::id::Id;
    use crate::protocol::Origin;

    fn host(name: &str) -> Host {
        let url = url::Url::parse(&format!("http://{name}/")).unwrap();
        Origin::from_url(&url).unwrap().host().clone()
    }

    #[test]
    fn finds_localhost_and_says_why_it_finds_nothing() {
        let waker = Waker::new().unwrap();
        let mut pool = ResolverPool::new(2, waker);
        pool.start(Id::from_bits(1), host("localhost"));
        pool.start(Id::from_bits(2), host("no-such-host.invalid"));
        let mut answers = Vec::new();
        for _ in 0..1000 {
            answers.extend(pool.take_answers());
            if answers.len() == 2 {
                break;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        answers.sort_by_key(|answer| answer.0.to_bits());
        let found = answers[0].1.as_ref().unwrap();
        assert!(found.iter().all(IpAddr::is_loopback), "{found:?}");
        assert!(answers[1].1.is_err());
        assert!(pool.threads <= 2);
    }
}
