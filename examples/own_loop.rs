//! An application with an event loop of its own, here a plain poll(2), that has ringdove watch no
//! socket: `cargo run --example own_loop -- URL…`
//!
//! The loop keeps what it is told, waits for it, and reports what happened. This is all that
//! libcurl's `curl_multi_socket_action` asks of a program, and all that ringdove's own drivers do.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ringdove::sys::{self, Interest};
use ringdove::{
    Action, CallbackError, Collect, Config, Event, Multi, Request, SocketChange, Watch,
};

/// What the application was told: sockets to watch by token, and until when to wait.
#[derive(Default)]
struct PollLoop {
    sockets: BTreeMap<u64, SocketChange>,
    timer: Option<Instant>,
}

impl Watch for PollLoop {
    fn socket(&mut self, change: &SocketChange, _: &mut Option<u64>) -> Result<(), CallbackError> {
        match change.action {
            // poll(2) reports errors and hang-ups of whatever it is given, so that a socket of
            // which nothing is wanted is left out
            Action::None | Action::Remove => self.sockets.remove(&change.token.to_bits()),
            Action::In | Action::Out | Action::InOut => {
                self.sockets.insert(change.token.to_bits(), *change)
            }
        };
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "the application's own clock")]
    fn timer(&mut self, wait: Option<Duration>) -> Result<(), CallbackError> {
        self.timer = wait.map(|wait| Instant::now() + wait);
        Ok(())
    }
}

impl PollLoop {
    /// Waits, and says what has happened. The timer does not repeat.
    #[expect(clippy::disallowed_methods, reason = "the application's own clock")]
    fn wait(&mut self) -> Result<Vec<Event>, sys::Errno> {
        let longest = Duration::from_secs(60);
        let wait = self.timer.map_or(longest, |at| at.saturating_duration_since(Instant::now()));
        let wanted: Vec<(i32, Interest)> =
            self.sockets.values().map(|socket| (socket.fd, socket.action.interest())).collect();
        sys::wait_any(wanted, wait)?;
        let mut events = Vec::new();
        for socket in self.sockets.values() {
            let interest = socket.action.interest();
            let ready = sys::readiness(socket.fd)?;
            if ready.error || ready.recv && interest.recv || ready.send && interest.send {
                events.push(Event::Ready(socket.token, ready));
            }
        }
        if self.timer.is_some_and(|at| at <= Instant::now()) {
            self.timer = None;
            events.push(Event::Timeout);
        }
        Ok(events)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut multi = Multi::new(Config::default(), PollLoop::default());
    for url in std::env::args().skip(1) {
        multi.add(Request::get(&url)?, Box::new(Collect::default()))?;
    }
    while multi.running() > 0 {
        let events = multi.watch_mut().wait()?;
        multi.socket_actions(events)?;
        while let Some((message, _)) = multi.info_read() {
            match &message.outcome.result {
                Ok(response) => println!("{response:?} {:?}", message.outcome.report.times.total),
                Err(error) => eprintln!("{error}"),
            }
        }
    }
    Ok(())
}
