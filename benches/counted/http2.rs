//! An HTTP/2 connection by itself, with canned responses to 100 requests at a time: what the codec costs a request.

use ringdove::Method;
use ringdove::http::h2::hpack::{Encoder, Indexing};
use ringdove::http::h2::{Connection, Event, Mark, Requests, StreamId};
use ringdove::http::{BodyFault, BodyLength, RequestHead, SourceRead};
use ringdove::limits::{H2Limits, HttpLimits};
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
    /// The next stream's number.
    next: u32,
    out: Vec<u8>,
    /// Responses, of which each has this length.
    wire: Vec<u8>,
    response: usize,
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

    fn failed(&mut self, _: u64, _: BodyFault) {}
}

impl Http2 {
    pub(crate) fn new(heads: Heads) -> Http2 {
        let url = Url::parse("https://www.example.com/some/path").expect("a URL");
        let mut head = RequestHead::new(Method::GET, &url).expect("a good request");
        for (name, value) in [("User-Agent", "ringdove/0.1"), ("Accept", "*/*")] {
            head.field(name, value).expect("a good field");
        }
        let mut connection = Connection::new(&HttpLimits::DEFAULT, &H2Limits::DEFAULT);
        let settings = frame(4, 0, &[]);
        connection.read(&settings).expect("settings");
        let (first, block) = blocks(heads);
        let response = [frame(1, 4, &block), frame(0, 1, BODY)].concat();
        let mut http2 = Http2 {
            connection,
            requests: Canned { head, marks: 0 },
            streams: Vec::new(),
            next: 1,
            out: vec![0; 16 * 1024],
            wire: response.repeat(AT_A_TIME),
            response: response.len(),
        };
        // one that fills the table
        http2.begin(1);
        let response = [numbered(frame(1, 4, &first), 1), numbered(frame(0, 1, BODY), 1)];
        http2.receive(&response.concat());
        http2.next += 2;
        http2
    }

    /// So many requests, 100 at a time.
    pub(crate) fn run(&mut self, requests: u64) {
        let mut left = requests as usize;
        while left > 0 {
            let now = left.min(AT_A_TIME);
            self.begin(now);
            let mut wire = std::mem::take(&mut self.wire);
            for response in wire.chunks_exact_mut(self.response).take(now) {
                let data = self.response - (FRAME + BODY.len());
                for at in [0, data] {
                    response[at + 5..at + FRAME].copy_from_slice(&self.next.to_be_bytes());
                }
                self.next += 2;
            }
            self.receive(&wire[..now * self.response]);
            self.wire = wire;
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
