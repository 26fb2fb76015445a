//! An engine with one transfer, and whatever a peer sends it.

#![allow(dead_code, reason = "each target uses a part")]

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ringdove::engine::{Config, ConnectionId, Engine, Handler, Output};
use ringdove::{Flow, Options, Request, Time, Timeouts};

/// Batches until nothing is left to be done but to wait.
const BATCHES: usize = 10_000;

/// Pieces that are sent at most where nothing but a head and handshakes is to be sent.
const SENDS: usize = 1000;

pub struct Client {
    pub engine: Engine,
    /// Connections that were asked for and are open.
    open: Vec<ConnectionId>,
    /// What was sent and not looked at yet, and where.
    sent: Vec<(ConnectionId, Vec<u8>)>,
    now: u64,
    body: Rc<RefCell<Vec<u8>>>,
}

/// What became of the transfer.
#[derive(Debug, PartialEq)]
pub struct Ending {
    pub body: Vec<u8>,
    /// The status, or the kind of error.
    pub result: Result<u16, &'static str>,
}

struct Body(Rc<RefCell<Vec<u8>>>);

impl Handler for Body {
    fn body(&mut self, piece: &[u8]) -> Flow {
        self.0.borrow_mut().extend_from_slice(piece);
        Flow::Continue
    }
}

impl Client {
    /// A client that asks for a URL.
    pub fn new(config: Config, url: &str, options: Options) -> Client {
        let mut client = Client::idle(config);
        client.ask(url, options);
        client
    }

    /// A client that asks for nothing yet.
    pub fn idle(config: Config) -> Client {
        Client {
            engine: Engine::new(config),
            open: Vec::new(),
            sent: Vec::new(),
            now: 0,
            body: Rc::default(),
        }
    }

    pub fn ask(&mut self, url: &str, options: Options) {
        let timeouts = Timeouts { total: Some(Duration::from_secs(60)), ..Timeouts::default() };
        let request = Request::get(url).expect("a URL");
        let request = request.options(Arc::new(Options { timeouts, ..options }));
        self.engine.add(request, Box::new(Body(self.body.clone()))).expect("it can be added");
        self.batch();
    }

    /// What was sent since this was asked last, and where.
    pub fn take_sent(&mut self) -> Vec<(ConnectionId, Vec<u8>)> {
        std::mem::take(&mut self.sent)
    }

    /// Has the peer of the connection that was opened last say this.
    pub fn hear(&mut self, bytes: &[u8]) {
        if let Some(&connection) = self.open.last() {
            self.hear_on(connection, bytes);
        }
    }

    /// Has the peer of this connection say this.
    pub fn hear_on(&mut self, connection: ConnectionId, bytes: &[u8]) {
        if self.engine.wants_recv(connection) {
            self.engine.handle_received(connection, bytes);
        }
        self.batch();
    }

    /// Does what the engine wants.
    fn batch(&mut self) {
        self.engine.advance(Time::from_nanos(self.now));
        self.engine.expire();
        let mut batches = 0;
        while let Some(output) = self.engine.poll_output() {
            batches += 1;
            assert!(batches < BATCHES, "wants without end");
            match output {
                Output::Connect { connection, .. } => {
                    self.open.push(connection);
                    self.engine.handle_connected(connection);
                }
                Output::Level { connection } => self.send(connection),
                Output::Close { connection, .. } => self.open.retain(|&id| id != connection),
                Output::Resolve { .. } | Output::Abandon { .. } => {}
            }
        }
    }

    fn send(&mut self, connection: ConnectionId) {
        while self.engine.wants_send(connection) {
            let mut buffer = [0; 1024];
            let filled = self.engine.fill(connection, &mut buffer);
            self.engine.handle_sent(connection, filled);
            self.sent.push((connection, buffer[..filled].to_vec()));
            assert!(filled > 0 && self.sent.len() < SENDS, "sends without end");
        }
    }

    /// The peer says no more, and time passes until the transfer is over.
    pub fn end(mut self) -> Ending {
        for connection in std::mem::take(&mut self.open) {
            self.engine.handle_end(connection);
        }
        self.batch();
        // whatever is waited for ends, at the latest with the time that all of it may take
        self.now = 100_000_000_000;
        for _ in 0..8 {
            self.batch();
        }
        let message = self.engine.poll_message().expect("the transfer is over");
        let result = message.outcome.result.map(|response| response.status);
        Ending { body: self.body.take(), result: result.map_err(|error| error.kind()) }
    }
}

/// The pieces of some bytes, cut at random.
pub fn pieces(bytes: &[u8], seed: u64) -> impl Iterator<Item = &[u8]> {
    let (mut seed, mut rest) = (seed | 1, bytes);
    std::iter::from_fn(move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let length = (seed % 24) as usize + 1;
        let (piece, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}
