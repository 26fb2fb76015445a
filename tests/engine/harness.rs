//! An engine, its clock in milliseconds, and a driver played by the test.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ringdove::engine::{
    Allowance, Config, ConnectionId, Engine, Flow, Handler, Level, LookupId, Message, Options,
    Output, Request, TransferId,
};
use ringdove::error::{Deadline, Error, Phase};
use ringdove::protocol::ResponseHead;
use ringdove::{Redirect, RedirectPolicy, Time, Timeouts};

use ringdove_test_support::sim_tls::TlsPeer;

/// A response that leaves the connection as it was.
pub(crate) const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

pub(crate) struct Harness {
    pub(crate) engine: Engine,
    now: u64,
}

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// At most one request in so many milliseconds.
pub(crate) fn every(millis: u64) -> Allowance {
    Allowance { interval: Some(ms(millis)), concurrency: None }
}

/// At most so many requests at once.
pub(crate) fn at_once(concurrency: usize) -> Allowance {
    Allowance { interval: None, concurrency: Some(concurrency) }
}

/// A GET from a host that needs no look-up.
pub(crate) fn get(path: &str) -> Request {
    Request::get(&format!("http://10.0.0.1{path}")).unwrap()
}

/// A GET of a URL.
pub(crate) fn get_url(url: &str) -> Request {
    Request::get(url).unwrap()
}

/// Options with these deadlines, and no others.
pub(crate) fn timeouts(set: impl FnOnce(&mut Timeouts)) -> Arc<Options> {
    let mut timeouts = Timeouts {
        queue: None,
        resolve: None,
        connect: None,
        tls: None,
        expect: None,
        first_byte: None,
        idle: None,
        memory: None,
        total: None,
    };
    set(&mut timeouts);
    Arc::new(Options { timeouts, ..Options::default() })
}

/// Options that follow redirects, and are otherwise the usual ones.
pub(crate) fn following() -> Arc<Options> {
    Arc::new(Options {
        record_hops: true,
        redirects: Some(RedirectPolicy::default()),
        ..Options::default()
    })
}

/// Sends what there is in both directions, until there is no more; returns what the client said.
pub(crate) fn exchange(h: &mut Harness, connection: ConnectionId, peer: &mut TlsPeer) -> Vec<u8> {
    let mut said = Vec::new();
    loop {
        let sent = h.sent(connection);
        said.extend_from_slice(&peer.read(&sent));
        let wire = peer.wire();
        if sent.is_empty() && wire.is_empty() {
            return said;
        }
        h.received(connection, &wire);
    }
}

impl Harness {
    /// An engine with room for so many connections, to one origin as well.
    pub(crate) fn new(connections: usize) -> Self {
        Self::with(Config {
            max_connections: connections,
            max_per_origin: connections,
            ..Config::default()
        })
    }

    pub(crate) fn with(config: Config) -> Self {
        Self::around(Engine::new(config))
    }

    /// With a driver that carries the deadlines of connections, or does not.
    pub(crate) fn with_carried_deadlines(config: Config, carried: bool) -> Self {
        Self::around(Engine::new(config).with_carried_deadlines(carried))
    }

    fn around(engine: Engine) -> Self {
        let mut harness = Harness { engine, now: 0 };
        harness.at(1_000);
        harness
    }

    /// A batch at this time, without other facts so far.
    pub(crate) fn at(&mut self, ms: u64) {
        self.begins_at(ms);
        self.engine.expire();
    }

    /// Begins a batch at this time; nothing has expired yet.
    pub(crate) fn begins_at(&mut self, ms: u64) {
        assert!(ms >= self.now, "time goes on");
        self.now = ms;
        self.engine.advance(Time::from_nanos(ms * 1_000_000));
    }

    /// Begins another batch at the same time.
    pub(crate) fn again(&mut self) {
        self.at(self.now);
    }

    /// Adds a transfer and begins a batch.
    pub(crate) fn add(&mut self, request: Request) -> TransferId {
        self.add_with(request, Log::default())
    }

    pub(crate) fn add_with(&mut self, request: Request, handler: impl Handler) -> TransferId {
        let id = self.engine.add(request, Box::new(handler)).unwrap();
        self.again();
        id
    }

    /// What the engine wants, but for levels.
    pub(crate) fn wants(&mut self) -> Vec<Output> {
        let outputs = std::iter::from_fn(|| self.engine.poll_output());
        outputs.filter(|output| !matches!(output, Output::Level { .. })).collect()
    }

    /// Connects what wants to be, and receives each response on the connection that has a request to send;
    /// returns these requests.
    #[track_caller]
    pub(crate) fn answers(&mut self, responses: &[Vec<u8>]) -> Vec<String> {
        let mut open = Vec::new();
        let mut requests = Vec::new();
        for response in responses {
            for want in self.wants() {
                if let Output::Connect { connection, .. } = want {
                    self.engine.handle_connected(connection);
                    open.push(connection);
                }
            }
            let asks = open.iter().find(|&&connection| self.level(connection).send);
            let connection = *asks.expect("a request goes out");
            requests.push(String::from_utf8(self.sent(connection)).expect("text"));
            self.received(connection, response);
        }
        requests
    }

    /// The one thing that the engine wants: a connection, and where to.
    #[track_caller]
    pub(crate) fn wants_connect(&mut self) -> (ConnectionId, SocketAddr) {
        match &self.wants()[..] {
            [Output::Connect { connection, dial }] => {
                (*connection, dial.remote.ip().expect("an address"))
            }
            other => panic!("wants {other:?}"),
        }
    }

    /// The one thing that the engine wants: a look-up.
    #[track_caller]
    pub(crate) fn wants_lookup(&mut self) -> LookupId {
        match &self.wants()[..] {
            &[Output::Resolve { lookup, .. }] => lookup,
            other => panic!("wants {other:?}"),
        }
    }

    /// The one thing that the engine wants: to close this connection.
    #[track_caller]
    pub(crate) fn wants_close(&mut self, connection: ConnectionId) {
        assert_eq!(self.wants(), [Output::Close { connection, last_words: Vec::new() }]);
    }

    #[track_caller]
    pub(crate) fn wants_nothing(&mut self) {
        assert_eq!(self.wants(), []);
    }

    pub(crate) fn resolved(&mut self, lookup: LookupId, addresses: &[&str]) {
        let addresses: Vec<IpAddr> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
        self.engine.handle_resolved(lookup, Ok(addresses));
    }

    /// The connection that the engine wants, connected.
    #[track_caller]
    pub(crate) fn connect(&mut self) -> ConnectionId {
        let (connection, _) = self.wants_connect();
        self.engine.handle_connected(connection);
        connection
    }

    /// Sends all that the connection has to send, and returns it.
    pub(crate) fn sent(&mut self, connection: ConnectionId) -> Vec<u8> {
        let mut sent = Vec::new();
        while self.level(connection).send {
            let mut buffer = [0; 1024];
            let filled = self.engine.fill(connection, &mut buffer);
            self.engine.handle_sent(connection, filled);
            assert!(sent.len() < 1_000_000, "sends without end");
            sent.extend_from_slice(&buffer[..filled]);
        }
        sent
    }

    pub(crate) fn received(&mut self, connection: ConnectionId, bytes: &[u8]) {
        self.engine.handle_received(connection, bytes);
    }

    /// A connection whose request is sent.
    #[track_caller]
    pub(crate) fn ask(&mut self) -> ConnectionId {
        let connection = self.connect();
        assert!(!self.sent(connection).is_empty());
        connection
    }

    /// A connection that has served one request and is idle.
    #[track_caller]
    pub(crate) fn idle(&mut self) -> ConnectionId {
        self.add(get("/first"));
        let connection = self.ask();
        self.received(connection, OK);
        self.succeeds();
        assert_eq!(self.engine.stats().idle, 1);
        connection
    }

    pub(crate) fn level(&self, connection: ConnectionId) -> Level {
        self.engine.level(connection)
    }

    /// The deadline of a connection, in milliseconds.
    pub(crate) fn deadline(&self, connection: ConnectionId) -> Option<u64> {
        let deadline = self.level(connection).deadline;
        (deadline != Time::NEVER).then(|| deadline.as_nanos() / 1_000_000)
    }

    #[track_caller]
    pub(crate) fn message(&mut self) -> Message {
        self.engine.poll_message().expect("a transfer is over")
    }

    #[track_caller]
    pub(crate) fn succeeds(&mut self) -> Message {
        let message = self.message();
        assert!(message.outcome.result.is_ok(), "{message:?}");
        message
    }

    #[track_caller]
    pub(crate) fn fails(&mut self) -> Error {
        let message = self.message();
        message.outcome.result.expect_err("the transfer fails")
    }

    /// The transfer is not over just before this time, and times out within two milliseconds of it.
    #[track_caller]
    pub(crate) fn times_out(&mut self, at: u64, deadline: Deadline, phase: Phase) {
        self.at(at - 1);
        let early = self.engine.poll_message();
        assert!(early.is_none(), "too early: {early:?}");
        self.at(at + 2);
        let error = self.fails();
        let ringdove::error::Cause::Timeout { deadline: which, .. } = error.cause else {
            panic!("{error:?}")
        };
        assert_eq!((which, error.phase), (deadline, phase));
    }

    /// Nothing is left once the idle connections are closed.
    #[track_caller]
    pub(crate) fn ends_empty(&mut self) {
        self.engine.close_idle();
        self.again();
        self.wants();
        assert!(self.engine.is_empty(), "{:?}", self.engine.stats());
    }
}

/// A handler that shares what it has seen, and says what it was told to say.
#[derive(Clone, Default)]
pub(crate) struct Log {
    pub(crate) seen: Rc<RefCell<Seen>>,
}

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) status: Option<u16>,
    /// The redirects that were followed: the status, and the URL that they led to.
    pub(crate) redirects: Vec<(u16, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) done: u32,
    /// The answer to the next redirect.
    pub(crate) at_redirect: Option<Flow>,
    /// The answer to the head.
    pub(crate) at_head: Option<Flow>,
    /// The answer to the next piece of the body.
    pub(crate) at_body: Option<Flow>,
    /// Whether a response that broke off is forgotten.
    pub(crate) forgets: bool,
}

impl Log {
    pub(crate) fn body(&self) -> Vec<u8> {
        self.seen.borrow().body.clone()
    }

    pub(crate) fn forgetful() -> Log {
        let log = Log::default();
        log.seen.borrow_mut().forgets = true;
        log
    }

    pub(crate) fn at_redirect(flow: Flow) -> Log {
        let log = Log::default();
        log.seen.borrow_mut().at_redirect = Some(flow);
        log
    }

    pub(crate) fn at_head(flow: Flow) -> Log {
        let log = Log::default();
        log.seen.borrow_mut().at_head = Some(flow);
        log
    }

    pub(crate) fn at_body(flow: Flow) -> Log {
        let log = Log::default();
        log.seen.borrow_mut().at_body = Some(flow);
        log
    }
}

impl Handler for Log {
    fn redirected(&mut self, head: &ResponseHead<'_>, next: &Redirect) -> Flow {
        let mut seen = self.seen.borrow_mut();
        assert_eq!(seen.status, None, "the final head is the last");
        seen.redirects.push((head.status(), next.head.url().into()));
        seen.at_redirect.take().unwrap_or(Flow::Continue)
    }

    fn head(&mut self, head: &ResponseHead<'_>) -> Flow {
        let mut seen = self.seen.borrow_mut();
        seen.status = Some(head.status());
        seen.at_head.take().unwrap_or(Flow::Continue)
    }

    fn starts_over(&mut self) -> bool {
        let mut seen = self.seen.borrow_mut();
        if seen.forgets {
            (seen.status, seen.body) = (None, Vec::new());
        }
        seen.forgets
    }

    fn body(&mut self, chunk: &[u8]) -> Flow {
        let mut seen = self.seen.borrow_mut();
        seen.body.extend_from_slice(chunk);
        seen.at_body.take().unwrap_or(Flow::Continue)
    }

    fn done(&mut self, _: &ringdove::Outcome) {
        self.seen.borrow_mut().done += 1;
    }
}
