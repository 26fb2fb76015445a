//! HTTP/2 with canned responses to 100 requests at a time: what the codec costs a request by itself, and in an engine.

use std::sync::Arc;
use std::time::Duration;

use ringdove::engine::{ConnectionId, Engine, Output};
use ringdove::limits::{H2Limits, HttpLimits};
use ringdove::protocol::h2::hpack::{Encoder, Indexing};
use ringdove::protocol::h2::{Connection, Event, Mark, RequestFault, Requests, Reserve, StreamId};
use ringdove::protocol::{BodyLength, RequestHead, SourceRead};
use ringdove::{Config, Discard, HttpVersions, Method, Options, Request, Time};
use url::Url;

/// How a server writes the heads of its responses.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Heads {
    /// As indexes, once each field was sent: nghttpd.
    Indexed,
    /// Each field as a literal, for a table that it has set to nothing: nginx.
    Literal,
}

pub(crate) struct Http2 {
    connection: Connection,
    requests: Canned,
    streams: Vec<StreamId>,
    out: Vec<u8>,
    responses: Responses,
}

/// An engine, and a driver without a kernel.
pub(crate) struct Http2Engine {
    engine: Engine,
    connection: Option<ConnectionId>,
    url: Url,
    options: Arc<Options>,
    now: Time,
    out: Vec<u8>,
    responses: Responses,
}

/// Responses to one stream after the other, of which each has this length.
struct Responses {
    wire: Vec<u8>,
    length: usize,
    /// The next stream's number.
    next: u32,
}

/// The same request again and again.
struct Canned {
    head: RequestHead,
    marks: u64,
}

impl Requests for Canned {
    fn head(&self, _: u64) -> Option<&RequestHead> {
        Some(&self.head)
    }

    fn read(&mut self, _: u64, _: &mut [u8]) -> SourceRead {
        SourceRead::End
    }

    fn wrote(&mut self, _: u64, _: Mark) {
        self.marks += 1;
    }

    fn failed(&mut self, _: u64, _: RequestFault) {}
}

impl Http2 {
    pub(crate) fn new(heads: Heads) -> Http2 {
        let url = Url::parse("https://www.example.com/some/path").expect("a URL");
        let mut head = RequestHead::new(Method::GET, &url).expect("a good request");
        for (name, value) in [("User-Agent", "ringdove/0.1"), ("Accept", "*/*")] {
            head.field(name, value).expect("a good field");
        }
        let limits = H2Limits::DEFAULT;
        let reserve = Reserve::new(limits.windows);
        let mut connection = Connection::new(&HttpLimits::DEFAULT, &limits, &reserve);
        let settings = frame(4, 0, &[]);
        connection.read(&settings).expect("settings");
        let (first, responses) = Responses::new(heads);
        let mut http2 = Http2 {
            connection,
            requests: Canned { head, marks: 0 },
            streams: Vec::new(),
            out: vec![0; 16 * 1024],
            responses,
        };
        // one that fills the table
        http2.begin(1);
        http2.receive(&first);
        http2
    }

    /// So many requests, 100 at a time.
    pub(crate) fn run(&mut self, requests: u64) {
        let mut left = requests as usize;
        while left > 0 {
            let now = left.min(AT_A_TIME);
            self.begin(now);
            let mut responses = std::mem::replace(&mut self.responses, Responses::none());
            self.receive(responses.to(now));
            self.responses = responses;
            left -= now;
        }
    }

    /// Gives up what a connection that waits does not need, and leaves the connection.
    pub(crate) fn into_idle(self) -> Connection {
        let mut connection = self.connection;
        connection.shrink();
        connection
    }

    fn begin(&mut self, requests: usize) {
        self.streams.clear();
        for key in 0..requests as u64 {
            let stream = self.connection.begin(key, &self.requests.head, BodyLength::None);
            self.streams.push(stream.expect("there is capacity"));
        }
        while self.connection.wants_fill() {
            self.connection.fill(&mut self.out, &mut self.requests);
        }
    }

    fn receive(&mut self, mut input: &[u8]) {
        loop {
            let read = self.connection.read(input).expect("no fault");
            input = &input[read.consumed..];
            match read.event {
                Event::NeedMore => break,
                Event::Head { head, .. } => assert_eq!(head.status(), 200),
                Event::Body { key, bytes } => {
                    let bytes = bytes.len();
                    self.connection.consumed(self.streams[key as usize], bytes);
                }
                Event::Complete { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(self.connection.open(), 0);
    }
}

impl Http2Engine {
    pub(crate) fn new(heads: Heads) -> Http2Engine {
        Http2Engine::with_room_for(1, heads)
    }

    /// For so many connections, of which there is one.
    pub(crate) fn with_room_for(connections: usize, heads: Heads) -> Http2Engine {
        let options = Options { versions: HttpVersions::Http2, ..Options::default() };
        let config = Config { max_connections: connections, ..Config::default() };
        let mut http2 = Http2Engine {
            engine: Engine::new(config),
            connection: None,
            url: Url::parse("http://127.0.0.1:8080/some/path/of/a/file.txt").expect("a URL"),
            options: Arc::new(options),
            now: Time::from_nanos(1 << 40),
            out: vec![0; 16 * 1024],
            responses: Responses::none(),
        };
        http2.connect(heads);
        http2
    }

    /// Goes on with another origin; the connection to the one before stays.
    pub(crate) fn go_elsewhere(&mut self, heads: Heads) {
        let port = self.url.port().map(|port| port + 1);
        self.url.set_port(port).expect("a URL with a host");
        self.connection = None;
        self.connect(heads);
    }

    /// Nothing happens, for longer than what a busy connection needs is kept.
    pub(crate) fn rest(&mut self) {
        self.now = self.now + Duration::from_secs(5);
        self.engine.advance(self.now);
        self.engine.expire();
        self.act();
    }

    /// With a first request, whose response fills the table.
    fn connect(&mut self, heads: Heads) {
        let (first, responses) = Responses::new(heads);
        self.responses = responses;
        self.ask(1);
        self.receive(&frame(4, 0, &[]));
        self.receive(&first);
        self.finish(1);
    }

    /// So many transfers, 100 at a time.
    pub(crate) fn run(&mut self, transfers: u64) {
        let mut left = transfers as usize;
        while left > 0 {
            let now = left.min(AT_A_TIME);
            self.ask(now);
            let mut responses = std::mem::replace(&mut self.responses, Responses::none());
            self.receive(responses.to(now));
            self.responses = responses;
            self.finish(now);
            left -= now;
        }
    }

    fn ask(&mut self, transfers: usize) {
        for _ in 0..transfers {
            let request = Request::for_url(Method::GET, &self.url).expect("a good URL");
            let request = request.options(self.options.clone());
            self.engine.add(request, Box::new(Discard)).expect("a good request");
        }
        self.now = self.now + Duration::from_micros(50);
        self.engine.advance(self.now);
        self.act();
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.now = self.now + Duration::from_micros(50);
        self.engine.advance(self.now);
        let connection = self.connection.expect("one that is open");
        self.engine.handle_received(connection, bytes);
        self.engine.expire();
        self.act();
    }

    fn finish(&mut self, transfers: usize) {
        for _ in 0..transfers {
            let message = self.engine.poll_message().expect("a transfer is over");
            assert!(message.outcome.result.is_ok(), "{message:?}");
        }
        assert_eq!(self.engine.running(), 0);
    }

    fn act(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            if let Output::Connect { connection, .. } = output {
                self.engine.handle_connected(connection);
                self.connection = Some(connection);
            }
            if let Some(connection) = self.connection {
                while self.engine.wants_send(connection) {
                    let filled = self.engine.fill(connection, &mut self.out);
                    self.engine.handle_sent(connection, filled);
                }
            }
        }
    }
}

impl Responses {
    /// The one that fills the table, to the first stream; and all after it.
    fn new(heads: Heads) -> (Vec<u8>, Responses) {
        let (first, block) = blocks(heads);
        let response = [frame(1, 4, &block), frame(0, 1, BODY)].concat();
        let first = [numbered(frame(1, 4, &first), 1), numbered(frame(0, 1, BODY), 1)];
        let (wire, length) = (response.repeat(AT_A_TIME), response.len());
        (first.concat(), Responses { wire, length, next: 3 })
    }

    fn none() -> Responses {
        Responses { wire: Vec::new(), length: 1, next: 0 }
    }

    /// Responses to the next streams, so many.
    fn to(&mut self, streams: usize) -> &[u8] {
        for response in self.wire.chunks_exact_mut(self.length).take(streams) {
            let data = self.length - (FRAME + BODY.len());
            for at in [0, data] {
                response[at + 5..at + FRAME].copy_from_slice(&self.next.to_be_bytes());
            }
            self.next += 2;
        }
        &self.wire[..streams * self.length]
    }
}

/// The first block, and all after it.
fn blocks(heads: Heads) -> (Vec<u8>, Vec<u8>) {
    let mut encoder = Encoder::new(4096);
    let mut block = |each: bool| {
        let mut block = vec![STATUS_200];
        for (name, value) in FIELDS {
            if each {
                encoder = Encoder::new(4096);
            }
            encoder.field(name.as_bytes(), value.as_bytes(), Indexing::Insert, &mut block);
        }
        block
    };
    match heads {
        Heads::Indexed => (block(false), block(false)),
        Heads::Literal => ([&[TABLE_OF_NOTHING], &block(true)[..]].concat(), block(true)),
    }
}

/// A frame of the stream zero.
fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, 0], payload].concat()
}

fn numbered(mut frame: Vec<u8>, stream: u32) -> Vec<u8> {
    frame[5..FRAME].copy_from_slice(&stream.to_be_bytes());
    frame
}

/// As nginx answers for a small static file.
const FIELDS: [(&str, &str); 7] = [
    ("server", "nginx/1.27.3"),
    ("date", "Mon, 03 Mar 2025 10:00:00 GMT"),
    ("content-type", "text/plain"),
    ("content-length", "12"),
    ("last-modified", "Mon, 03 Mar 2025 09:00:00 GMT"),
    ("etag", "\"67c5719f-c\""),
    ("accept-ranges", "bytes"),
];

const BODY: &[u8] = b"hello, world";
const AT_A_TIME: usize = 100;
/// Bytes before a frame's payload.
const FRAME: usize = 9;
const STATUS_200: u8 = 0x88;
const TABLE_OF_NOTHING: u8 = 0x20;
