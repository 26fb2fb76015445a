//! A connection between a peer that is played frame by frame, and an owner of requests who notes what it is told.

mod faults;
mod flow;
mod life;
mod peer;
mod requests;
mod responses;

use std::collections::BTreeMap;

use ::http::Method;
use url::Url;

use super::frame::{ACK, END_HEADERS, END_STREAM, FrameHeader, PADDED, PRIORITIZED, kind};
use super::hpack::{Decoder, Encoder, Field, Indexing, Lines};
use super::*;
use crate::limits::{H2Limits, HttpLimits};
use crate::protocol::{BodyLength, RequestHead, SourceRead};

/// A frame of the peer's.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let header = FrameHeader { length: payload.len(), kind, flags, stream };
    [&header.bytes(), payload].concat()
}

fn settings(list: &[(u16, u32)]) -> Vec<u8> {
    let setting =
        |&(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    let payload: Vec<u8> = list.iter().flat_map(setting).collect();
    frame(kind::SETTINGS, 0, 0, &payload)
}

/// Fields, none of which goes into a table.
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let (mut encoder, mut block) = (Encoder::new(4096), Vec::new());
    for (name, value) in fields {
        encoder.field(name.as_bytes(), value.as_bytes(), Indexing::Without, &mut block);
    }
    block
}

fn headers(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(kind::HEADERS, flags | END_HEADERS, stream, &block(fields))
}

fn data(stream: u32, flags: u8, bytes: &[u8]) -> Vec<u8> {
    frame(kind::DATA, flags, stream, bytes)
}

fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

fn rst_stream(stream: u32, code: ErrorCode) -> Vec<u8> {
    frame(kind::RST_STREAM, 0, stream, &code.0.to_be_bytes())
}

fn goaway(last: u32, code: ErrorCode) -> Vec<u8> {
    let payload = [&last.to_be_bytes()[..], &code.0.to_be_bytes(), b"why"].concat();
    frame(kind::GOAWAY, 0, 0, &payload)
}

const OK: &[(&str, &str)] = &[(":status", "200")];

/// What an event says, in a line.
fn told(event: &Event<'_>) -> String {
    let text = |head: &[u8]| String::from_utf8_lossy(head).trim_end().replace("\r\n", "|");
    match event {
        Event::NeedMore => "need more".to_owned(),
        Event::Informational { key, head } => format!("{key} informational {}", text(head.raw())),
        Event::Head { key, head, length: None } => format!("{key} head {}", text(head.raw())),
        Event::Head { key, head, length: Some(length) } => {
            format!("{key} head {} length {length}", text(head.raw()))
        }
        Event::Body { key, bytes } => format!("{key} body {}", text(bytes)),
        Event::Trailers { key, fields } => {
            let lines: Vec<_> =
                fields.clone().map(|(name, value)| format!("{name}: {}", text(&value))).collect();
            format!("{key} trailers {}", lines.join("|"))
        }
        Event::Complete { key } => format!("{key} complete"),
        Event::Failed { key, fault } => format!("{key} failed {fault}"),
        Event::Reset { key, code } => format!("{key} reset {code}"),
        Event::Refused { key } => format!("{key} refused"),
        Event::GoAway { goaway, debug } => {
            format!("goaway {} {} {}", goaway.last, goaway.code, text(debug))
        }
        Event::Pong { payload } => format!("pong {payload}"),
    }
}

/// A request as its owner has it.
struct Asked {
    head: RequestHead,
    /// What the source says next.
    source: Vec<SourceRead>,
    /// What is left of the data that it gave.
    bytes: Vec<u8>,
    id: StreamId,
}

/// The owner of the requests.
#[derive(Default)]
struct Owner {
    asked: BTreeMap<u64, Asked>,
    marks: Vec<(u64, Mark)>,
    failed: Vec<(u64, RequestFault)>,
}

impl Requests for Owner {
    fn head(&self, key: u64) -> Option<&RequestHead> {
        self.asked.get(&key).map(|asked| &asked.head)
    }

    fn read(&mut self, key: u64, out: &mut [u8]) -> SourceRead {
        assert!(!out.is_empty(), "a source is never asked for nothing");
        let asked = self.asked.get_mut(&key).expect("a request that was begun");
        if !asked.bytes.is_empty() {
            let len = asked.bytes.len().min(out.len());
            out[..len].copy_from_slice(&asked.bytes[..len]);
            asked.bytes.drain(..len);
            return SourceRead::Data(len);
        }
        if asked.source.is_empty() { SourceRead::Pending } else { asked.source.remove(0) }
    }

    fn wrote(&mut self, key: u64, mark: Mark) {
        self.marks.push((key, mark));
    }

    fn failed(&mut self, key: u64, fault: RequestFault) {
        self.failed.push((key, fault));
    }
}

/// A connection with its owner, and what came of both.
struct Link {
    connection: Connection,
    owner: Owner,
    told: Vec<String>,
    /// Consumes each body as it is told.
    consumes: bool,
    decoder: Decoder,
}

impl Link {
    fn new() -> Link {
        Link::with(&HttpLimits::DEFAULT, &H2Limits::DEFAULT)
    }

    fn with(http: &HttpLimits, limits: &H2Limits) -> Link {
        Link {
            connection: Connection::new(http, limits, &Reserve::new(limits.windows)),
            owner: Owner::default(),
            told: Vec::new(),
            consumes: true,
            decoder: Decoder::new(4096),
        }
    }

    /// One on which the first settings of both sides are through.
    fn settled() -> Link {
        Link::settled_with(&H2Limits::DEFAULT)
    }

    fn settled_with(limits: &H2Limits) -> Link {
        let mut link = Link::with(&HttpLimits::DEFAULT, limits);
        link.receive(&settings(&[])).unwrap();
        link.sent();
        link
    }

    /// One with requests of keys from one on, whose heads have left.
    fn asking(requests: u64) -> Link {
        let mut link = Link::settled();
        for key in 1..=requests {
            link.get(key);
        }
        link.sent();
        link
    }

    fn get(&mut self, key: u64) -> StreamId {
        self.begin(key, head(Method::GET), BodyLength::None, Vec::new(), b"")
    }

    fn post(&mut self, key: u64, length: BodyLength, bytes: &[u8], end: SourceRead) -> StreamId {
        self.begin(key, head(Method::POST), length, vec![end], bytes)
    }

    fn begin(
        &mut self,
        key: u64,
        head: RequestHead,
        length: BodyLength,
        source: Vec<SourceRead>,
        bytes: &[u8],
    ) -> StreamId {
        let id = self.connection.begin(key, &head, length).expect("there is capacity");
        self.owner.asked.insert(key, Asked { head, source, bytes: bytes.to_vec(), id });
        id
    }

    fn id(&self, key: u64) -> StreamId {
        self.owner.asked[&key].id
    }

    /// Receives bytes at once, and notes the events.
    fn receive(&mut self, mut input: &[u8]) -> Result<(), LinkFault> {
        loop {
            let Read { consumed, event } = self.connection.read(input)?;
            if event == Event::NeedMore {
                assert_eq!(consumed, input.len(), "all of it is consumed");
                return Ok(());
            }
            let line = told(&event);
            let body = match event {
                Event::Body { key, bytes } => Some((key, bytes.len())),
                _ => None,
            };
            input = &input[consumed..];
            // bodies that come in pieces read the same
            match (&body, self.told.last_mut()) {
                (Some((key, _)), Some(last)) if last.starts_with(&format!("{key} body ")) => {
                    last.push_str(line.split_once(" body ").unwrap().1);
                }
                _ => self.told.push(line),
            }
            if let (Some((key, len)), true) = (body, self.consumes) {
                let id = self.id(key);
                self.connection.consumed(id, len);
            }
        }
    }

    /// All that is to be sent, as frames in words.
    fn sent(&mut self) -> Vec<String> {
        let bytes = self.sent_bytes(64 * 1024);
        self.frames(&bytes)
    }

    fn sent_bytes(&mut self, size: usize) -> Vec<u8> {
        let (mut bytes, mut out) = (Vec::new(), vec![0; size]);
        loop {
            let len = self.connection.fill(&mut out, &mut self.owner);
            if len == 0 {
                return bytes;
            }
            bytes.extend_from_slice(&out[..len]);
        }
    }

    fn frames(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut rest = bytes.strip_prefix(frame::PREFACE).unwrap_or(bytes);
        let mut frames = Vec::new();
        while let Some(bytes) = rest.first_chunk() {
            let header = FrameHeader::read(bytes);
            let payload = &rest[FrameHeader::LEN..FrameHeader::LEN + header.length];
            rest = &rest[FrameHeader::LEN + header.length..];
            frames.push(self.frame_in_words(header, payload));
        }
        assert!(rest.is_empty(), "whole frames");
        frames
    }

    fn frame_in_words(&mut self, header: FrameHeader, payload: &[u8]) -> String {
        let word = |at: usize| u32::from_be_bytes(*payload[at..].first_chunk().unwrap());
        let FrameHeader { stream, length, .. } = header;
        let end = if header.has(END_STREAM) { " end" } else { "" };
        match header.kind {
            kind::DATA => format!("{stream} data {length}{end}"),
            kind::HEADERS => format!("{stream} {}{end}", self.fields(payload)),
            kind::RST_STREAM => format!("{stream} rst {}", ErrorCode(word(0))),
            kind::SETTINGS if header.has(ACK) => "settings ack".to_owned(),
            kind::SETTINGS => format!("settings {}", length / 6),
            kind::PING if header.has(ACK) => format!("pong {}", word(4)),
            kind::PING => format!("ping {}", word(4)),
            kind::GOAWAY => format!("goaway {} {}", word(0), ErrorCode(word(4))),
            kind::WINDOW_UPDATE => format!("{stream} window {}", word(0)),
            kind::PRIORITY_UPDATE => {
                format!("{} priority {}", word(0), String::from_utf8_lossy(&payload[4..]))
            }
            other => format!("{stream} kind {other} {length}"),
        }
    }

    fn fields(&mut self, mut block: &[u8]) -> String {
        let mut lines = Lines::new();
        lines.begin(usize::MAX);
        self.decoder.begin();
        while self.decoder.next(&mut block, &mut lines).unwrap() != Field::End {}
        String::from_utf8_lossy(lines.bytes()).trim_end().replace("\r\n", "|")
    }
}

fn head(method: Method) -> RequestHead {
    RequestHead::new(method, &Url::parse("https://example.com/a").unwrap()).unwrap()
}

/// What is told of bytes that a peer sends to whoever asks this much; the same however they are cut.
#[track_caller]
fn told_of(link: impl Fn() -> Link, input: &[u8]) -> (Vec<String>, Result<(), LinkFault>) {
    let whole = {
        let mut link = link();
        let end = link.receive(input);
        (link.told, end)
    };
    for size in [1, 2, 3, 7, 10] {
        let mut link = link();
        let end = input.chunks(size).try_for_each(|piece| link.receive(piece));
        assert_eq!((&link.told, &end), (&whole.0, &whole.1), "in pieces of {size}");
    }
    whole
}
