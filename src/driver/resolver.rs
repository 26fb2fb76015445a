//! Names looked up by the system's resolver, on a bounded pool of threads.
//!
//! Knows getaddrinfo(3) (through the standard library). Must not know who waits. Invariant: a look-up that was given up is
//! not started.

use std::net::{IpAddr, ToSocketAddrs};

use super::MultiError;
use super::threads::Threads;
use crate::engine::{Engine, LookupId};
use crate::protocol::Host;
use crate::sys::Waker;

/// What a look-up found, or why it found nothing.
type Answer = (LookupId, Result<Vec<IpAddr>, String>);

/// The look-ups of one engine: a pool that is made with the first of them.
pub(super) struct Lookups {
    pool: Option<Threads<(LookupId, Host), Answer>>,
    max_threads: usize,
}

impl Lookups {
    pub(super) fn new(max_threads: usize) -> Self {
        Self { pool: None, max_threads }
    }

    /// Starts a look-up whose answer wakes `waker`. Where the system has no descriptor for that, or no thread, the
    /// look-up fails, and not the handle.
    pub(super) fn start(
        &mut self,
        engine: &mut Engine,
        waker: Result<Waker, MultiError>,
        lookup: LookupId,
        host: Host,
    ) -> Result<(), MultiError> {
        let refused = match waker {
            Ok(waker) => {
                let threads = self.max_threads;
                let pool = self.pool.get_or_insert_with(|| pool(threads, waker));
                let Err((_, error)) = pool.start((lookup, host)) else { return Ok(()) };
                format!("no thread to look it up: {error}")
            }
            Err(error @ MultiError::Os { .. }) => error.to_string(),
            Err(error) => {
                engine.handle_resolved(lookup, Err(error.to_string()));
                return Err(error);
            }
        };
        engine.handle_resolved(lookup, Err(refused));
        Ok(())
    }

    /// Nobody waits for this look-up any more.
    pub(super) fn abandon(&mut self, lookup: LookupId) {
        if let Some(pool) = &mut self.pool {
            pool.retain(|&(queued, _)| queued != lookup);
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

fn pool(most: usize, waker: Waker) -> Threads<(LookupId, Host), Answer> {
    Threads::new("ringdove-resolver", most, waker, |(lookup, host)| (lookup, look_up(&host)))
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
        let mut pool = pool(2, waker);
        pool.start((Id::from_bits(1), host("localhost"))).unwrap();
        pool.start((Id::from_bits(2), host("no-such-host.invalid"))).unwrap();
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
        assert!(pool.count() <= 2);
    }
}
