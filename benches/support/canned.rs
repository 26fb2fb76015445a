//! A driver without a kernel: every socket connects at once, and every request is answered at once
//! with the same bytes. What is left to measure is the engine.
//!
//! It asks the engine for the same things, in the same order, as the drivers do.

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use ringdove::engine::{ConnectionId, Engine, Output};
use ringdove::{Config, Discard, Options, Request, Time};
use url::Url;

/// The head of a response of nginx for a small static file, less its length.
const HEAD: &str = "HTTP/1.1 200 OK\r\nServer: nginx/1.27.3\r\n\
    Date: Mon, 03 Mar 2025 10:00:00 GMT\r\nContent-Type: text/plain\r\n\
    Last-Modified: Mon, 03 Mar 2025 09:00:00 GMT\r\nETag: \"67c5719f-c\"\r\n\
    Accept-Ranges: bytes\r\n";

/// Bytes that one receive brings at most.
const RECEIVE: usize = 64 * 1024;

/// Connections that one wait finds ready at most.
const EVENTS: usize = 1024;

/// What the loop is asked to do again and again.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) connections: usize,
    pub(crate) response: Vec<u8>,
    pub(crate) options: Arc<Options>,
}

impl Scenario {
    /// Keep-alive on so many connections, 12 bytes of body.
    pub(crate) fn keepalive(connections: usize) -> Self {
        Self { connections, response: sized(12, true), options: Arc::default() }
    }

    /// A connection for each transfer.
    pub(crate) fn new_connections(connections: usize) -> Self {
        Self { response: sized(12, false), ..Self::keepalive(connections) }
    }

    /// A body of so many bytes with a Content-Length.
    pub(crate) fn body(connections: usize, bytes: usize) -> Self {
        Self { response: sized(bytes, true), ..Self::keepalive(connections) }
    }

    /// A body of so many bytes in chunks of 4 KiB.
    pub(crate) fn chunked(connections: usize, bytes: usize) -> Self {
        let mut response = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
        for _ in 0..bytes / 4096 {
            response.extend_from_slice(b"1000\r\n");
            response.resize(response.len() + 4096, b'x');
            response.extend_from_slice(b"\r\n");
        }
        response.extend_from_slice(b"0\r\n\r\n");
        Self { response, ..Self::keepalive(connections) }
    }

    /// The same with a deadline for each wait, also for that in the queue.
    pub(crate) fn with_all_deadlines(self) -> Self {
        let mut options = Options::default();
        options.timeouts.queue = Some(Duration::from_secs(3600));
        options.timeouts.total = Some(Duration::from_secs(7200));
        Self { options: Arc::new(options), ..self }
    }
}

/// The engine and its loop.
pub(crate) struct Canned {
    pub(crate) engine: Engine,
    scenario: Scenario,
    url: Url,
    now: Time,
    /// Connections whose request was sent whole, in that order.
    asked: VecDeque<ConnectionId>,
    send: Box<[u8]>,
    finished: u64,
}

impl Canned {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let config = Config {
            max_connections: scenario.connections,
            max_per_origin: scenario.connections,
            ..Config::default()
        };
        Self {
            engine: Engine::new(config),
            scenario: scenario.clone(),
            url: Url::parse("http://127.0.0.1:8080/some/path/of/a/file.txt").expect("a URL"),
            now: Time::from_nanos(1 << 40),
            asked: VecDeque::new(),
            send: vec![0; 16 * 1024].into(),
            finished: 0,
        }
    }

    /// Adds so many transfers.
    pub(crate) fn add(&mut self, transfers: u64) {
        for _ in 0..transfers {
            let request = Request::for_url(Method::GET, &self.url).expect("a good URL");
            let request = request.options(self.scenario.options.clone());
            self.engine.add(request, Box::new(Discard)).expect("a good request");
        }
    }

    /// Adds so many transfers and runs until nothing runs.
    pub(crate) fn run(&mut self, transfers: u64) {
        self.add(transfers);
        while self.engine.running() > 0 {
            self.turn();
        }
    }

    /// Runs until so many more have finished, adding one for each, so that the queue stays as long
    /// as it is.
    pub(crate) fn run_steadily(&mut self, transfers: u64) {
        let end = self.finished + transfers;
        while self.finished < end {
            let finished = self.turn();
            self.add(finished);
        }
    }

    /// One batch: answers what was asked. Returns how many transfers finished.
    pub(crate) fn turn(&mut self) -> u64 {
        self.now = self.now + Duration::from_micros(50);
        self.engine.advance(self.now);
        let ready = self.asked.len().min(EVENTS);
        for id in self.asked.drain(..ready) {
            for piece in self.scenario.response.chunks(RECEIVE) {
                self.engine.handle_received(id, piece);
            }
        }
        self.engine.expire();
        self.act();
        let before = self.finished;
        while let Some(message) = self.engine.poll_message() {
            assert!(message.outcome.result.is_ok(), "{message:?}");
            self.finished += 1;
        }
        self.finished - before
    }

    fn act(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Connect { connection, .. } => {
                    self.engine.handle_connected(connection);
                    self.drive(connection);
                }
                Output::Level { connection } => self.drive(connection),
                Output::Close { .. } => {}
                Output::Resolve { .. } | Output::Abandon { .. } => unreachable!("an IP literal"),
            }
        }
    }

    fn drive(&mut self, id: ConnectionId) {
        let mut sent = false;
        while self.engine.wants_send(id) {
            let filled = self.engine.fill(id, &mut self.send);
            self.engine.handle_sent(id, filled);
            sent = true;
        }
        black_box(self.engine.level(id));
        if sent {
            self.asked.push_back(id);
        }
    }
}

fn sized(bytes: usize, keepalive: bool) -> Vec<u8> {
    let connection = if keepalive { "keep-alive" } else { "close" };
    let head = format!("{HEAD}Content-Length: {bytes}\r\nConnection: {connection}\r\n\r\n");
    let mut response = head.into_bytes();
    response.resize(response.len() + bytes, b'x');
    response
}
