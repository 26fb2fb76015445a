//! SIGINT and SIGTERM, brought to the loop.
//!
//! Knows signals. Must not know what is to be ended. One thread waits for them and wakes the loop,
//! so that the loop makes no system call for them. The third one ends the process at once, for a
//! loop that hangs in a write.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use ringdove::sys::Waker;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Signals so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupts(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    count: AtomicU32,
    last: AtomicU8,
}

/// Signals that a loop may be slow to see; one more ends the process.
const PATIENCE: u32 = 2;

impl Interrupts {
    /// Takes signals from now on; `waker` is woken by each.
    pub(crate) fn listen(waker: Waker) -> io::Result<Interrupts> {
        let interrupts = Interrupts::default();
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let seen = interrupts.clone();
        #[expect(clippy::disallowed_methods, reason = "one thread, which sleeps until a signal")]
        std::thread::Builder::new().name("ringdove-signals".to_owned()).spawn(move || {
            for signal in signals.forever() {
                seen.note(signal as u8);
                waker.wake();
            }
        })?;
        Ok(interrupts)
    }

    /// How many came.
    pub(crate) fn count(&self) -> u32 {
        self.0.count.load(Ordering::Acquire)
    }

    /// The number of the last one.
    pub(crate) fn last(&self) -> u8 {
        self.0.last.load(Ordering::Acquire)
    }

    fn note(&self, signal: u8) {
        self.0.last.store(signal, Ordering::Release);
        if self.0.count.fetch_add(1, Ordering::AcqRel) >= PATIENCE {
            std::process::exit(128 + i32::from(signal));
        }
    }
}
