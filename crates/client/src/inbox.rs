//! What callers ask of an engine.
//!
//! Knows the commands on their way from callers, on whatever threads, to the one thread that an engine runs on. Must not know
//! what an engine makes of them. Invariants: commands are swapped out by the batch; the bell rings for an engine that sleeps, once,
//! and for no other; whatever is posted to an engine that has ended is refused, and what it had not read is handed back, to be told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use ringdove::Stats;
use ringdove::engine::OriginStats;

use crate::call::Call;
use crate::error::Gone;
use crate::seats::Seat;
use crate::wakes::Pump;

/// What a caller asks for.
pub(crate) enum Command {
    /// A transfer begins.
    Start(Arc<Call>, Option<Seat>),
    /// Nobody waits for this call any more.
    Cancel(Arc<Call>),
    /// There is room for more of its response, or more of its request's body.
    GoOn(Arc<Call>),
    /// The counters are wanted.
    Stats(Arc<Asked<Stats>>),
    /// So is what there is of each origin.
    Origins(Arc<Asked<Vec<OriginStats>>>),
    /// This engine needs connections that others do not use.
    Lend(Arc<Inbox>),
    /// So many are lent by another.
    Borrow(usize),
    /// Idle connections are to be closed.
    CloseIdle,
    /// What runs may end within this time, and nothing else begins.
    Shutdown(std::time::Duration),
    /// Nobody is left.
    End,
}

/// An answer that is waited for.
pub(crate) struct Asked<T>(Mutex<(Option<T>, Option<std::task::Waker>)>);

impl<T> Default for Asked<T> {
    fn default() -> Self {
        Asked(Mutex::new((None, None)))
    }
}

impl<T> Asked<T> {
    pub(crate) fn answer(&self, answer: T) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = Some(answer);
        if let Some(task) = state.1.take() {
            task.wake();
        }
    }

    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<T> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.0.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                state.1 = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// Where the commands for one engine are put, and whom it leaves to be woken.
#[derive(Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    pub(crate) pump: Pump,
}

#[derive(Default)]
struct State {
    commands: Vec<Command>,
    /// Ends the engine's wait.
    bell: Option<ringdove::Waker>,
    /// The engine waits, or is about to, and nobody has rung.
    is_asleep: bool,
    /// The task that drives the engine, while it waits; then the bell is left alone.
    driving: Option<std::task::Waker>,
    /// No call begins any more.
    closing: bool,
    gone: Option<Gone>,
    /// Who waits for the engine's end.
    waiting: Vec<std::task::Waker>,
}

impl Inbox {
    pub(crate) fn new(bell: ringdove::Waker) -> Arc<Inbox> {
        let state = Mutex::new(State { bell: Some(bell), ..State::default() });
        Arc::new(Inbox { state, pump: Pump::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // whoever panicked held it for a push or a swap, and left it whole
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the engine read a command with its next batch.
    pub(crate) fn post(&self, command: Command) -> Result<(), Gone> {
        let mut state = self.lock();
        if let Some(gone) = &state.gone {
            return Err(gone.clone());
        }
        if state.closing && matches!(command, Command::Start(..)) {
            return Err(Gone::shut_down());
        }
        state.closing |= matches!(command, Command::Shutdown(_));
        state.commands.push(command);
        let driving = state.driving.take();
        let sleeps = std::mem::take(&mut state.is_asleep);
        let bell = if sleeps && driving.is_none() { state.bell.clone() } else { None };
        drop(state);
        if let Some(driving) = driving {
            driving.wake();
        }
        if let Some(bell) = bell {
            bell.wake();
        }
        Ok(())
    }

    /// Swaps what has been posted for `into`, which is empty. The engine is awake.
    pub(crate) fn take(&self, into: &mut Vec<Command>) {
        let mut state = self.lock();
        state.is_asleep = false;
        std::mem::swap(&mut state.commands, into);
    }

    /// Whether the engine may wait: there is nothing to be taken, and the bell rings when there is.
    pub(crate) fn may_sleep(&self) -> bool {
        let mut state = self.lock();
        state.is_asleep = state.commands.is_empty();
        state.is_asleep
    }

    /// Ends the engine's wait, if it waits.
    pub(crate) fn ring(&self) {
        let bell = self.lock().bell.clone();
        if let Some(bell) = bell {
            bell.wake();
        }
    }

    /// Whether there is something to be taken; otherwise the task is woken when there is, and no bell rings for it.
    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if !state.commands.is_empty() {
            return Poll::Ready(());
        }
        state.driving = Some(cx.waker().clone());
        Poll::Pending
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().commands.is_empty()
    }

    /// The engine has ended. What it had not read is handed back.
    pub(crate) fn close(&self, gone: Gone) -> Vec<Command> {
        let mut state = self.lock();
        state.gone.get_or_insert(gone);
        state.bell = None;
        let (commands, waiting) =
            (std::mem::take(&mut state.commands), std::mem::take(&mut state.waiting));
        drop(state);
        waiting.into_iter().for_each(std::task::Waker::wake);
        commands
    }

    /// Ready once the engine has ended.
    pub(crate) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<Gone> {
        let mut state = self.lock();
        match &state.gone {
            Some(gone) => Poll::Ready(gone.clone()),
            None => {
                state.waiting.push(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
