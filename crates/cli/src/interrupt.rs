//! Signals that end a run, brought to the loop.
//!
//! Knows signals. Must not know what is to be ended. One thread waits for them and wakes the loop,
//! so that the loop makes no system call for them. When the loop does not see them, one more ends the
//! process at once, for a loop that hangs in a write. Invariant: a signal that was ignored when the process began
//! (nohup(1)) stays ignored.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use ringdove::sys::Waker;
use signal_hook::consts::{
    SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU, SIGXFSZ,
};
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

/// By which one asks for an end: what is being written may become whole.
const ASKS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// By which one demands it. Without a handler they would end the process with its parts left behind.
const DEMANDS: [i32; 6] = [SIGQUIT, SIGXCPU, SIGALRM, SIGVTALRM, SIGUSR1, SIGUSR2];

impl Interrupts {
    /// Takes signals from now on; `waker` is woken by each.
    pub(crate) fn listen(waker: Waker) -> Result<Interrupts, String> {
        let interrupts = Interrupts::default();
        let ignored = ignored();
        let wanted = [SIGXFSZ].into_iter().chain(ASKS).chain(DEMANDS);
        let wanted = wanted.filter(|signal| *signal == SIGINT || !ignored(*signal));
        let mut signals =
            Signals::new(wanted).map_err(|error| format!("cannot wait for signals: {error}"))?;
        let seen = interrupts.clone();
        #[expect(clippy::disallowed_methods, reason = "one thread, which sleeps until a signal")]
        let thread =
            std::thread::Builder::new().name("ringdove-signals".to_owned()).spawn(move || {
                for signal in signals.forever() {
                    // that a file may not grow is told by the write that met it
                    if signal != SIGXFSZ {
                        seen.note(signal);
                        waker.wake();
                    }
                }
            });
        match thread {
            Ok(_) => Ok(interrupts),
            Err(error) => Err(no_thread("waits for signals", &error)),
        }
    }

    /// How many came; more than one also stands for one that demands the end.
    pub(crate) fn count(&self) -> u32 {
        self.0.count.load(Ordering::Acquire)
    }

    /// The number of the last one.
    pub(crate) fn last(&self) -> u8 {
        self.0.last.load(Ordering::Acquire)
    }

    fn note(&self, signal: i32) {
        self.0.last.store(signal as u8, Ordering::Release);
        let weight = if ASKS.contains(&signal) { 1 } else { PATIENCE };
        if self.0.count.fetch_add(weight, Ordering::AcqRel) >= PATIENCE {
            std::process::exit(128 + signal);
        }
    }
}

/// Which signals the process was started to ignore (proc(5)). Where that cannot be read, none.
fn ignored() -> impl Fn(i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    move |signal| mask >> (signal - 1) & 1 == 1
}

/// That a thread cannot be made, and what it was for.
pub(crate) fn no_thread(purpose: &str, error: &io::Error) -> String {
    format!("cannot start the thread that {purpose}: {error}")
}
