//! Whom an engine has something for.
//!
//! Knows the tasks that are to be woken after a turn. Must not know what for. Waking a task from another thread costs that
//! thread's runtime a look into its queue, and often a system call; waking it from a task of the same runtime costs next to nothing.
//! So of many only a few are woken here, and these wake the others before they look for what is theirs. And whoever would find but
//! a little more of a long body can wait for the turns that follow at once, if they bring more. Invariants: whoever was
//! told of is woken after the turn, or is left to one that is, or put off while there is more at once, for [`PUT_OFF`] turns at most;
//! what has been left for longer than [`PATIENCE`] is woken by the engine, since the others' runtime may be held up.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Waker;
use std::time::Duration;

/// Of so many tasks one is woken here.
const PUMPED: usize = 32;

/// How long tasks are left to others.
pub(crate) const PATIENCE: Duration = Duration::from_millis(1);

/// For so many turns tasks are put off.
pub(crate) const PUT_OFF: u32 = 16;

/// The tasks that a turn has something for, as handlers collect them.
#[derive(Default)]
pub(crate) struct Wakes(RefCell<Lists>);

#[derive(Default)]
struct Lists {
    now: Vec<Waker>,
    put_off: Vec<Waker>,
}

impl Wakes {
    /// Tasks that are to be woken, and with them those that were put off.
    pub(crate) fn add(&self, tasks: impl IntoIterator<Item = Waker>) {
        let Lists { now, put_off } = &mut *self.0.borrow_mut();
        now.extend(tasks);
        if !put_off.is_empty() {
            now.append(put_off);
        }
    }

    /// A task that can wait for more.
    pub(crate) fn put_off(&self, task: Option<Waker>) {
        self.0.borrow_mut().put_off.extend(task);
    }

    /// Whether some are put off.
    pub(crate) fn has_put_off(&self) -> bool {
        !self.0.borrow().put_off.is_empty()
    }

    /// Wakes all that are not put off: those of an engine that has a thread of its own by `pump`. Whether some are left to it.
    pub(crate) fn wake(&self, pump: Option<&Pump>) -> bool {
        // tasks may be woken in place, and ask for more
        let mut tasks = std::mem::take(&mut self.0.borrow_mut().now);
        match pump {
            Some(pump) if tasks.len() > 1 => {
                let first = tasks.len() - tasks.len().div_ceil(PUMPED);
                let pumping = tasks.split_off(first);
                pump.leave(tasks);
                pumping.into_iter().for_each(Waker::wake);
                true
            }
            _ => {
                tasks.drain(..).for_each(Waker::wake);
                // its memory is of use for the next turn
                let own = &mut self.0.borrow_mut().now;
                if own.is_empty() {
                    *own = tasks;
                }
                false
            }
        }
    }
}

/// Tasks that are left to others.
#[derive(Default)]
pub(crate) struct Pump {
    has_some: AtomicBool,
    tasks: Mutex<Vec<Waker>>,
}

impl Pump {
    fn leave(&self, tasks: Vec<Waker>) {
        let mut left = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        left.extend(tasks);
        self.has_some.store(true, Ordering::Release);
    }

    /// Whether some are left.
    pub(crate) fn has_some(&self) -> bool {
        self.has_some.load(Ordering::Relaxed)
    }

    /// Wakes them: a task does this that looks for what is its own.
    pub(crate) fn run(&self) {
        if !self.has_some.load(Ordering::Acquire) {
            return;
        }
        let mut left = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let tasks = std::mem::take(&mut *left);
        self.has_some.store(false, Ordering::Release);
        drop(left);
        tasks.into_iter().for_each(Waker::wake);
    }
}
