//! A loop as an application would write it: it keeps what it is told of sockets and timer, waits by
//! poll(2), and reports. It also keeps a record, and holds the multi handle to what must always be
//! true of what it tells.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use ringdove::driver::{CallbackError, MultiError};
use ringdove::sys::{self, Interest};
use ringdove::{
    Action, Collect, Config, Event, Multi, Request, SocketChange, Time, Token, TransferId, Watch,
};

use ringdove_test_support::PATIENCE;

/// What the application was told, and what it should fail at.
#[derive(Default)]
pub(crate) struct Record {
    /// Every call of the socket callback, with the private value that came with it.
    pub(crate) changes: Vec<(SocketChange, Option<u64>)>,
    /// Every call of the timer callback.
    pub(crate) timers: Vec<Option<Duration>>,
    /// Sockets that are to be watched.
    pub(crate) watched: BTreeMap<u64, SocketChange>,
    /// When the (single, non-repeating) timer is due.
    pub(crate) timer: Option<Instant>,
    /// What the callback gives each new socket as its private value.
    pub(crate) value_for_new: Option<u64>,
    /// The next socket callback, or timer callback, fails with this.
    pub(crate) fail_socket: Option<&'static str>,
    pub(crate) fail_timer: Option<&'static str>,
}

/// The watch of a loop that carries deadlines, or does not.
pub(crate) struct Recording<const CARRIES: bool>(Rc<RefCell<Record>>);

impl<const CARRIES: bool> Watch for Recording<CARRIES> {
    const CARRIES_DEADLINES: bool = CARRIES;

    fn socket(
        &mut self,
        change: &SocketChange,
        value: &mut Option<u64>,
    ) -> Result<(), CallbackError> {
        let mut record = self.0.borrow_mut();
        if let Some(why) = record.fail_socket.take() {
            return Err(why.into());
        }
        let bits = change.token.to_bits();
        let known = record.watched.get(&bits).copied();
        assert!(
            known.is_none_or(
                |known| known.action != change.action || known.deadline != change.deadline
            ),
            "told what it knows: {change:?}"
        );
        // a socket that is open: what is told of it is told before it is closed
        let open = std::fs::symlink_metadata(format!("/proc/self/fd/{}", change.fd)).is_ok();
        assert!(open, "closed before it is told: {change:?}");
        if change.action == Action::Remove {
            assert!(known.is_some(), "removed twice, or never told: {change:?}");
            record.watched.remove(&bits);
        } else {
            record.watched.insert(bits, *change);
            if value.is_none() {
                *value = record.value_for_new;
            }
        }
        record.changes.push((*change, *value));
        Ok(())
    }

    fn timer(&mut self, wait: Option<Duration>) -> Result<(), CallbackError> {
        let mut record = self.0.borrow_mut();
        if let Some(why) = record.fail_timer.take() {
            return Err(why.into());
        }
        record.timers.push(wait);
        record.timer = wait.map(|wait| Instant::now() + wait);
        Ok(())
    }
}

/// A multi handle in such a loop.
pub(crate) struct Loop<const CARRIES: bool = false> {
    pub(crate) multi: Multi<Recording<CARRIES>>,
    pub(crate) record: Rc<RefCell<Record>>,
}

impl Loop {
    pub(crate) fn new() -> Loop {
        Loop::with(Config::default())
    }
}

impl<const CARRIES: bool> Loop<CARRIES> {
    pub(crate) fn with(config: Config) -> Self {
        let record = Rc::new(RefCell::new(Record::default()));
        Loop { multi: Multi::new(config, Recording(record.clone())), record }
    }

    pub(crate) fn get(&mut self, url: &str) -> TransferId {
        let request = Request::get(url).expect("a good URL");
        self.multi.add(request, Box::new(Collect::default())).expect("it can be added")
    }

    /// The actions told of all sockets, in order.
    pub(crate) fn actions(&self) -> Vec<Action> {
        self.record.borrow().changes.iter().map(|(change, _)| change.action).collect()
    }

    pub(crate) fn last_change(&self) -> SocketChange {
        self.record.borrow().changes.last().expect("a socket was told").0
    }

    pub(crate) fn watched(&self) -> Vec<SocketChange> {
        self.record.borrow().watched.values().copied().collect()
    }

    /// Does what is due: the timer, the sockets' deadlines, what is ready. Waits for that if need be.
    pub(crate) fn turn(&mut self) -> Result<usize, MultiError> {
        let events = self.wait(Duration::from_millis(50));
        self.multi.socket_actions(events)
    }

    /// What there is to report, after a wait of `max` at most.
    pub(crate) fn wait(&mut self, max: Duration) -> Vec<Event> {
        let watched = self.watched();
        let interests: Vec<(i32, Interest)> = watched
            .iter()
            .map(|change| (change.fd, change.action.interest()))
            .filter(|(_, interest)| *interest != Interest::NONE)
            .collect();
        let now = sys::clock::now();
        let deadlines = watched.iter().filter_map(|change| change.deadline);
        let until = deadlines.map(|deadline| deadline.since(now)).min();
        let timer = self.record.borrow().timer;
        let timer = timer.map(|at| at.saturating_duration_since(Instant::now()));
        let wait = [until, timer].into_iter().flatten().fold(max, Duration::min);
        sys::wait_any(interests, wait).expect("poll(2) works");
        let mut events = self.ready(&watched);
        let now = sys::clock::now();
        let passed = |change: &&SocketChange| change.deadline.is_some_and(|at: Time| at <= now);
        events.extend(watched.iter().filter(passed).map(|change| Event::Deadline(change.token)));
        let mut record = self.record.borrow_mut();
        if record.timer.is_some_and(|at| at <= Instant::now()) {
            record.timer = None;
            events.push(Event::Timeout);
        }
        events
    }

    fn ready(&self, watched: &[SocketChange]) -> Vec<Event> {
        let ready = |change: &SocketChange| {
            let interest = change.action.interest();
            let mut ready = sys::readiness(change.fd).expect("poll(2) works");
            if interest == Interest::NONE {
                return None;
            }
            ready.recv &= interest.recv;
            ready.send &= interest.send;
            let any = ready.recv || ready.send || ready.error;
            any.then_some(Event::Ready(change.token, ready))
        };
        watched.iter().filter_map(ready).collect()
    }

    /// Turns until nothing runs.
    #[track_caller]
    pub(crate) fn finish(&mut self) {
        self.turn_until("all transfers are over", |turning| turning.multi.running() == 0);
    }

    #[track_caller]
    pub(crate) fn turn_until(&mut self, what: &str, met: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !met(self) {
            assert!(start.elapsed() < PATIENCE, "never: {what}; {:?}", self.multi.stats());
            self.turn().expect("the handle can go on");
        }
    }

    #[track_caller]
    pub(crate) fn turn_for(&mut self, time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            let events = self.wait(time.saturating_sub(start.elapsed()));
            self.multi.socket_actions(events).expect("the handle can go on");
        }
    }

    /// The message of the only transfer that is over: its status and body.
    #[track_caller]
    pub(crate) fn response(&mut self) -> (u16, Vec<u8>) {
        let (message, left) = self.multi.info_read().expect("a transfer is over");
        assert_eq!(left, 0);
        let (outcome, Collect { body, .. }) = message.into_parts().expect("as added");
        (outcome.result.expect("it ended well").status, body)
    }

    #[track_caller]
    pub(crate) fn token(&self) -> Token {
        self.watched()[0].token
    }
}
