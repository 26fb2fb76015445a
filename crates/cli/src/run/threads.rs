//! A fetch as a whole: on one thread, or on several (`--threads`), each with a driver and a share of the URLs.
//!
//! Knows threads, and the options before anything is made of them. Must not know transfers. Invariants: no thread begins before all can; what all came to is told once;
//! none is ended by the panic of another, which would leave parts of its files behind.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

use super::fetch::{Ended, Run};
use crate::interrupt::no_thread;
use crate::options::fetch::FetchArgs;
use crate::plan::purposes;
use crate::plan::share::{self, Share};
use crate::plan::whole::{Whole, settle};
use crate::report::console::{Console, Place};
use crate::status::Status;

/// Fetches what the command line says.
pub(crate) fn run(mut args: FetchArgs) -> Status {
    let mut sets = std::mem::take(&mut args.later);
    sets.insert(0, args);
    // before any file is emptied
    let fit = settle(&mut sets).and_then(|()| purposes::check(&sets));
    let fit = fit.and_then(|()| share::check(&sets));
    let stderr = sets.iter().rev().find_map(|set| set.stderr.as_deref());
    let (place, fit) = match fit.and_then(|()| Place::open(stderr)) {
        Ok(place) => (place, Ok(())),
        Err(reason) => (Place::StandardError, Err(reason)),
    };
    let ended = fit.and_then(|()| match sets[0].connection.threads {
        1 => Run::new(Whole::new(&sets, Share::WHOLE)?, sets, place.clone(), Share::WHOLE)
            .map(Run::end),
        threads => on_several(&sets, &place, threads),
    });
    match ended {
        Ok(ended) => ended.tell(place),
        Err(reason) => {
            Console::new(place, true, None).fail(&reason);
            Status::Usage
        }
    }
}

/// A thread that waits for leave to begin.
struct Waiting {
    thread: JoinHandle<Option<Ended>>,
    /// Dropped, it is to end.
    leave: Sender<()>,
}

/// What all threads came to, or why none has begun.
fn on_several(sets: &[FetchArgs], place: &Place, threads: usize) -> Result<Ended, String> {
    let (told, tidings) = channel();
    let start = |share| start(share, sets.to_vec(), place.clone(), told.clone());
    let waiting = Share::all(threads).map(start).collect::<Result<Vec<_>, _>>()?;
    // each says so once, or is gone
    for tiding in tidings.iter().take(threads) {
        tiding?;
    }
    for thread in &waiting {
        // one that panicked since is seen when it is joined
        _ = thread.leave.send(());
    }
    let ended = join_all(waiting.into_iter().map(|waiting| waiting.thread));
    let ended = ended.into_iter().map(|ended| ended.expect("it was given leave"));
    Ok(ended.reduce(Ended::join).expect("there is at least one thread"))
}

/// Waits for all of them, also where one has panicked, which then goes on here.
fn join_all<T>(threads: impl Iterator<Item = JoinHandle<T>>) -> Vec<T> {
    let all: Vec<_> = threads.map(JoinHandle::join).collect();
    all.into_iter()
        .map(|one| one.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "as many as were asked for")]
fn start(
    share: Share,
    sets: Vec<FetchArgs>,
    place: Place,
    told: Sender<Result<(), String>>,
) -> Result<Waiting, String> {
    let (leave, granted) = channel();
    let work = move || work(share, sets, place, &told, &granted);
    match Builder::new().name("ringdove-fetch".to_owned()).spawn(work) {
        Ok(thread) => Ok(Waiting { thread, leave }),
        Err(error) => Err(no_thread("has a share of the URLs", &error)),
    }
}

fn work(
    share: Share,
    sets: Vec<FetchArgs>,
    place: Place,
    told: &Sender<Result<(), String>>,
    granted: &Receiver<()>,
) -> Option<Ended> {
    let run = Whole::new(&sets, share).and_then(|whole| Run::new(whole, sets, place, share));
    let (run, tiding) = match run {
        Ok(run) => (Some(run), Ok(())),
        Err(reason) => (None, Err(reason)),
    };
    // nobody listens any more where another could not begin
    _ = told.send(tiding);
    granted.recv().ok()?;
    run.map(Run::end)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn one_that_panics_ends_no_other() {
        let (gone, has_ended) = (channel::<()>(), Arc::new(AtomicBool::new(false)));
        let ended = has_ended.clone();
        let (held, waits) = gone;
        let panics = thread::spawn(move || {
            let _held = held;
            panic_any("of this one alone");
        });
        let goes_on = thread::spawn(move || {
            // until the other has unwound, and a little longer
            assert!(waits.recv().is_err());
            (0..1_000).for_each(|_| thread::yield_now());
            ended.store(true, Ordering::SeqCst);
        });
        let all = [panics, goes_on].into_iter();
        let panic = catch_unwind(AssertUnwindSafe(|| join_all(all))).expect_err("it goes on");
        assert_eq!(panic.downcast_ref(), Some(&"of this one alone"));
        assert!(has_ended.load(Ordering::SeqCst));
    }
}
