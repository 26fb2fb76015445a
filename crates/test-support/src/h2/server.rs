//! A server's side of one connection, as bytes in and bytes out: what it holds, and what is asked of it.
//!
//! What the client says is judged and remembered in `inbound`; scripts are followed in `outbound`. Invariant: the books about
//! what was said to the client are kept of the bytes that leave ([`Server::send`]), whether steps or raw bytes made them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::fields::FieldDecoder;
use super::limits::{Said, list_of};
use super::plan::Plan;
use super::raw::{self, Frame, flag, kind};
use super::record::Seen;
use super::stream::{OwnHalf, Stream};

/// The number of the opening among streams.
pub(super) const OPENING: u32 = 0;

/// About as many bytes are taken at a time.
const PIECE: usize = 64 * 1024;

/// A server's side of one connection.
#[derive(Debug)]
pub struct Server {
    pub(super) plan: Plan,
    pub(super) seen: Seen,
    // the client's side
    pub(super) input: Vec<u8>,
    pub(super) stage: Stage,
    pub(super) block: Option<Block>,
    pub(super) decoder: FieldDecoder,
    pub(super) client: ClientSettings,
    pub(super) highest: u32,
    /// The client has read the output up to here for certain.
    pub(super) proven: u64,
    pub(super) receive_window: i64,
    /// Stands in the output that nobody has taken, so that the client cannot have made use of it: the stream, or zero, and
    /// the increment.
    pub(super) credit: Vec<(u32, u32)>,
    // the server's side
    pub(super) output: Vec<u8>,
    /// Bytes of output from the beginning on.
    pub(super) said_bytes: u64,
    pub(super) said: Said,
    /// PINGs that were not answered: where in the output they ended, and what is in them.
    pub(super) pings: VecDeque<(u64, Vec<u8>)>,
    /// The last stream, and where in the output a GOAWAY said so.
    pub(super) goaway: Option<(u32, u64)>,
    pub(super) send_window: i64,
    pub(super) end: Option<End>,
    pub(super) released: bool,
    // both
    pub(super) streams: BTreeMap<u32, Stream>,
    /// Those whose scripts are not over.
    pub(super) active: BTreeSet<u32>,
    /// Of [`active`](Self::active), who had the last turn.
    pub(super) turn: u32,
}

/// How the server ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In good manner.
    Close,
    /// By resetting it (TCP).
    Abort,
}

/// What comes next of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Preface,
    FirstSettings,
    Frames,
    /// Nothing that could be understood.
    Noise,
}

/// A header block that is coming.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) stream: u32,
    pub(super) ends_stream: bool,
    pub(super) bytes: Vec<u8>,
}

/// What the client's settings allow the server.
#[derive(Debug)]
pub(super) struct ClientSettings {
    pub(super) window: u32,
    pub(super) frame: u32,
}

impl Server {
    /// A server on a connection that was just opened.
    pub fn new(plan: Plan) -> Server {
        let opening = Stream::new(plan.opening.clone());
        let mut server = Server {
            seen: Seen::default(),
            input: Vec::new(),
            stage: Stage::Preface,
            block: None,
            decoder: FieldDecoder::new(),
            client: ClientSettings { window: 65_535, frame: 16_384 },
            highest: 0,
            proven: 0,
            receive_window: 65_535,
            credit: Vec::new(),
            output: Vec::new(),
            said_bytes: 0,
            said: Said::new(),
            pings: VecDeque::new(),
            goaway: None,
            send_window: 65_535,
            end: None,
            released: false,
            streams: BTreeMap::from([(OPENING, opening)]),
            active: BTreeSet::from([OPENING]),
            turn: OPENING,
            plan,
        };
        if let Some(list) = server.plan.settings.clone() {
            server.send(&raw::settings(&list));
        }
        // before anything is answered
        server.work();
        server
    }

    /// Takes bytes of the client's.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.read();
    }

    /// The client has ended the connection.
    pub fn receive_end(&mut self) {
        self.seen.ended = true;
    }

    /// What is to be sent next; nothing if all waits for the client.
    pub fn transmit(&mut self) -> Vec<u8> {
        self.work();
        for (id, increment) in std::mem::take(&mut self.credit) {
            let stream = self.streams.get_mut(&id).filter(|_| id != 0);
            let window =
                stream.map_or(&mut self.receive_window, |stream| &mut stream.receive_window);
            *window += i64::from(increment);
        }
        std::mem::take(&mut self.output)
    }

    /// How the connection is to be ended, once all that [`transmit`](Self::transmit) gave has been sent.
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// Lets go what waits for the test.
    pub fn release(&mut self) {
        self.released = true;
    }

    /// What was seen so far.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Follows scripts until all wait, or there is enough to send.
    fn work(&mut self) {
        while self.output.len() < PIECE && self.end.is_none() && self.take_turn() {}
    }

    /// Puts bytes into the output, and keeps the books about the frames in them.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.said_bytes += bytes.len() as u64;
        self.output.extend_from_slice(bytes);
        for frame in Frame::all(bytes) {
            self.note(&frame);
        }
    }

    fn note(&mut self, frame: &Frame) {
        let at = self.said_bytes;
        match frame.kind {
            kind::SETTINGS if !frame.has(flag::ACK) => self.said.say(at, list_of(&frame.payload)),
            kind::PING if !frame.has(flag::ACK) => {
                self.pings.push_back((at, frame.payload.clone()))
            }
            kind::GOAWAY => self.note_goaway(frame.number_at(0) & raw::MOST),
            kind::WINDOW_UPDATE => {
                self.credit.push((frame.stream, frame.number_at(0) & raw::MOST));
            }
            kind::DATA | kind::HEADERS | kind::RST_STREAM => self.note_message(frame),
            _ => {}
        }
    }

    /// Whoever says so in its own script may still do what is about the connection.
    fn note_goaway(&mut self, last: u32) {
        self.goaway = Some((last, self.said_bytes));
        let after = self.streams.range_mut(last + 1..);
        for (&id, stream) in after.filter(|(_, stream)| stream.own == OwnHalf::Silent) {
            stream.own = OwnHalf::Refused;
            if id != self.turn {
                self.active.remove(&id);
            }
            if let Some(request) = stream.request {
                self.seen.requests[request].processed = false;
            }
        }
    }

    fn note_message(&mut self, frame: &Frame) {
        let Some(stream) = self.streams.get_mut(&frame.stream).filter(|stream| stream.can_send())
        else {
            return;
        };
        if frame.kind == kind::DATA {
            stream.send_window -= frame.payload.len() as i64;
            self.send_window -= frame.payload.len() as i64;
        }
        if frame.kind == kind::RST_STREAM {
            let refused = frame.number_at(0) == raw::code::REFUSED_STREAM;
            if let (true, OwnHalf::Silent, Some(request)) = (refused, stream.own, stream.request) {
                self.seen.requests[request].processed = false;
            }
            stream.own = OwnHalf::Reset(self.said_bytes);
        } else if frame.has(flag::END_STREAM) {
            stream.own = OwnHalf::Ended;
        } else {
            stream.own = OwnHalf::Open;
        }
    }
}
