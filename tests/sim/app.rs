//! The simulated application's side of one transfer: what its handler sees, and what it says.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ringdove::engine::{BodySource, Flow, Handler, Outcome};
use ringdove::protocol::{ResponseHead, SourceRead};

use crate::plan::{BodyPlan, Plan, byte_at};
use crate::random::Random;

/// What the handler of one transfer has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) status: Option<u16>,
    pub(crate) informational: u32,
    pub(crate) body: usize,
    pub(crate) done: bool,
    pub(crate) aborted: bool,
    /// The handler asked for a pause that nobody has undone yet.
    pub(crate) wants_resume: bool,
    /// Paused, whoever did it: nothing may be delivered.
    pub(crate) paused: bool,
    /// Given back by `remove`: nothing may be called.
    pub(crate) removed: bool,
}

/// A handler that holds the engine to its word.
pub(crate) struct Watcher {
    id: usize,
    pause_at: Option<usize>,
    abort_at: Option<usize>,
    seen: Rc<RefCell<Seen>>,
}

impl Watcher {
    pub(crate) fn new(plan: &Plan, seen: Rc<RefCell<Seen>>) -> Watcher {
        let Plan { id, pause_at, abort_at, .. } = *plan;
        Watcher { id, pause_at, abort_at, seen }
    }

    fn flow(&mut self) -> Flow {
        let mut seen = self.seen.borrow_mut();
        if self.abort_at.is_some_and(|at| at <= seen.body) {
            seen.aborted = true;
            return Flow::Abort("enough".into());
        }
        if self.pause_at.is_some_and(|at| at <= seen.body) {
            self.pause_at = None;
            seen.wants_resume = true;
            seen.paused = true;
            return Flow::Pause;
        }
        Flow::Continue
    }

    fn check(&self, what: &str) {
        let seen = self.seen.borrow();
        let id = self.id;
        assert!(!seen.done, "{what} of {id} after its end");
        assert!(!seen.removed, "{what} of {id} after its removal");
        assert!(!seen.aborted, "{what} of {id} after its handler aborted it");
        assert!(!seen.paused, "{what} of {id} while it is paused");
    }
}

impl Handler for Watcher {
    fn informational(&mut self, head: &ResponseHead<'_>) {
        self.check("an informational response");
        let mut seen = self.seen.borrow_mut();
        assert!(seen.status.is_none() && (100..200).contains(&head.status()));
        seen.informational += 1;
    }

    fn head(&mut self, head: &ResponseHead<'_>) -> Flow {
        self.check("the head");
        let before = self.seen.borrow_mut().status.replace(head.status());
        assert_eq!(before, None, "two heads for {}", self.id);
        self.flow()
    }

    fn body(&mut self, chunk: &[u8]) -> Flow {
        self.check("a piece of the body");
        {
            let mut seen = self.seen.borrow_mut();
            assert!(seen.status.is_some() && !chunk.is_empty());
            for &byte in chunk {
                let wanted = byte_at(self.id, 0, seen.body);
                assert_eq!(byte, wanted, "byte {} of the body of {}", seen.body, self.id);
                seen.body += 1;
            }
        }
        self.flow()
    }

    fn done(&mut self, _: &Outcome) {
        let mut seen = self.seen.borrow_mut();
        assert!(!seen.done && !seen.removed, "a second end of {}", self.id);
        seen.done = true;
    }
}

/// A request's body in pieces, with pauses.
pub(crate) struct Source {
    id: usize,
    at: usize,
    size: usize,
    pending: bool,
    rewinds: bool,
    fails: bool,
    random: Random,
    signals: Signals,
}

impl Source {
    pub(crate) fn new(plan: &Plan, random: Random, signals: &Signals) -> Source {
        let BodyPlan::Stream { size, pending, rewinds, fails, .. } = plan.body else {
            panic!("{} has no stream", plan.id)
        };
        let signals = signals.clone();
        Source { id: plan.id, at: 0, size, pending, rewinds, fails, random, signals }
    }
}

/// What a source and its application tell each other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Signals {
    /// The source had nothing.
    pub(crate) wants_resume: Arc<AtomicBool>,
    pub(crate) failed: Arc<AtomicBool>,
    /// The application has paused the sending: the source is not to be asked.
    pub(crate) paused: Arc<AtomicBool>,
}

impl BodySource for Source {
    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        let Signals { wants_resume, failed, paused } = &self.signals;
        assert!(!out.is_empty(), "an empty slice for the source of {}", self.id);
        assert!(!paused.load(Ordering::Relaxed), "the source of {}, which is paused", self.id);
        if self.fails && self.random.chance(30) {
            failed.store(true, Ordering::Relaxed);
            return SourceRead::Failed("the source of a simulated body".into());
        }
        if self.at == self.size {
            return SourceRead::End;
        }
        if self.pending && self.random.chance(20) {
            wants_resume.store(true, Ordering::Relaxed);
            return SourceRead::Pending;
        }
        let n = self.random.size(1, (self.size - self.at).min(out.len()));
        for byte in &mut out[..n] {
            *byte = byte_at(self.id, 1, self.at);
            self.at += 1;
        }
        SourceRead::Data(n)
    }

    fn rewind(&mut self) -> bool {
        if self.rewinds {
            self.at = 0;
        }
        self.rewinds
    }
}
