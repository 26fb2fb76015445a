//! The application's side of a transfer.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ringdove::Redirect;
use ringdove::engine::{BodySource, Flow, Handler, Outcome};
use ringdove::protocol::{ResponseHead, SourceRead};

use crate::random::Random;

/// What a handler has seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) status: Option<u16>,
    pub(super) body: Vec<u8>,
    pub(super) hops: u32,
    pub(super) done: bool,
    pub(super) removed: bool,
    pub(super) paused: bool,
    pub(super) wants_resume: bool,
    pub(super) aborted: bool,
}

pub(super) struct Watcher {
    pub(super) seen: Rc<RefCell<Seen>>,
    /// At so many bytes of the body.
    pub(super) pause_at: Option<usize>,
    pub(super) abort_at: Option<usize>,
}

impl Watcher {
    fn check(&self) {
        let seen = self.seen.borrow();
        assert!(!(seen.done || seen.removed || seen.aborted), "it is over: {seen:?}");
        assert!(!seen.paused, "it is paused");
    }

    fn flow(&mut self) -> Flow {
        let mut seen = self.seen.borrow_mut();
        let is_at = |at: &Option<usize>| at.is_some_and(|at| at <= seen.body.len());
        if is_at(&self.abort_at) {
            seen.aborted = true;
            return Flow::Abort("enough".to_owned());
        }
        if is_at(&self.pause_at) {
            self.pause_at = None;
            (seen.paused, seen.wants_resume) = (true, true);
            return Flow::Pause;
        }
        Flow::Continue
    }
}

impl Handler for Watcher {
    fn informational(&mut self, head: &ResponseHead<'_>) {
        self.check();
        assert!(self.seen.borrow().status.is_none() && head.status() < 200);
    }

    fn redirected(&mut self, _: &ResponseHead<'_>, _: &Redirect) -> Flow {
        self.check();
        self.seen.borrow_mut().hops += 1;
        Flow::Continue
    }

    fn head(&mut self, head: &ResponseHead<'_>) -> Flow {
        self.check();
        let before = self.seen.borrow_mut().status.replace(head.status());
        assert_eq!(before, None, "a second head");
        self.flow()
    }

    fn body(&mut self, chunk: &[u8]) -> Flow {
        self.check();
        self.seen.borrow_mut().body.extend_from_slice(chunk);
        self.flow()
    }

    fn done(&mut self, _: &Outcome) {
        let mut seen = self.seen.borrow_mut();
        assert!(!seen.done && !seen.removed, "a second end");
        seen.done = true;
    }
}

/// A body in pieces, between which it may have nothing.
pub(super) struct Source {
    pub(super) body: Vec<u8>,
    pub(super) at: usize,
    pub(super) random: Random,
    pub(super) wants_resume: Arc<AtomicBool>,
    pub(super) rewinds: bool,
}

impl BodySource for Source {
    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        let left = self.body.len() - self.at;
        if left == 0 {
            return SourceRead::End;
        }
        if self.random.chance(20) {
            self.wants_resume.store(true, Ordering::Relaxed);
            return SourceRead::Pending;
        }
        let bytes = self.random.size(1, left.min(out.len()));
        out[..bytes].copy_from_slice(&self.body[self.at..self.at + bytes]);
        self.at += bytes;
        SourceRead::Data(bytes)
    }

    fn rewind(&mut self) -> bool {
        if self.rewinds {
            self.at = 0;
        }
        self.rewinds
    }
}
