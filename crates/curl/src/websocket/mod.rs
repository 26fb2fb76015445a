//! Websockets (RFC 6455) over connections that a response has upgraded: `ws` and `wss` URLs.
//!
//! Knows what the handshake says, the frames of one connection in both directions, and the program's flags for them. Bytes come
//! and go by `easy::link`; what C calls is with `interface`. Invariant: pings are answered here unless the program wants to, and
//! not at all by a peer that does not read its answers.

mod frames;
mod interface;
mod upload;

use std::cell::{Cell, RefCell};
use std::ffi::c_int;
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ringdove::sys::random;

use crate::codes::Code;
use crate::easy::Easy;
use crate::easy::callbacks::{self, Written};
use crate::easy::delivery;
use crate::easy::link::Link;
use crate::errors::Failure;
use frames::{Decoder, Encoder, Kind, Piece, Refusal};
pub(crate) use upload::Sending;

/// CURLWS_*
mod flag {
    pub(super) const TEXT: u32 = 1 << 0;
    pub(super) const BINARY: u32 = 1 << 1;
    pub(super) const CONT: u32 = 1 << 2;
    pub(super) const CLOSE: u32 = 1 << 3;
    pub(super) const PING: u32 = 1 << 4;
    pub(super) const OFFSET: u32 = 1 << 5;
    pub(super) const PONG: u32 = 1 << 6;
}

/// Bits of CURLOPT_WS_OPTIONS.
mod option {
    pub(super) const RAW_MODE: i64 = 1 << 0;
    pub(super) const NO_AUTO_PONG: i64 = 1 << 1;
}

/// `struct curl_ws_frame`
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    age: c_int,
    flags: c_int,
    offset: i64,
    left: i64,
    length: usize,
}

impl Meta {
    const NONE: Meta = Meta { age: 0, flags: 0, offset: 0, left: 0, length: 0 };

    fn of(piece: &Piece) -> Meta {
        let kind = match piece.kind {
            Kind::Text => flag::TEXT,
            Kind::Binary => flag::BINARY,
            Kind::Close => flag::CLOSE,
            Kind::Ping => flag::PING,
            Kind::Pong => flag::PONG,
        };
        let more = if piece.is_last { 0 } else { flag::CONT };
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        Meta {
            age: 0,
            flags: (kind | more) as c_int,
            offset: number(piece.offset),
            left: number(piece.left),
            length: piece.length,
        }
    }
}

/// Masks, of which nobody can guess the next (RFC 6455, 5.3).
#[derive(Default)]
struct Masks {
    random: Vec<[u8; 4]>,
}

impl Masks {
    fn next(&mut self) -> Option<[u8; 4]> {
        if self.random.is_empty() {
            let seed = random::seed()?;
            self.random = seed.as_chunks().0.to_vec();
        }
        self.random.pop()
    }
}

/// A piece of a frame that the program has not taken.
type Refused = (Meta, Vec<u8>);

/// The websocket of a handle.
pub(crate) struct Websocket {
    pub(crate) link: Rc<Link>,
    /// The program gets bytes and no frames, and sends such.
    pub(crate) is_raw: bool,
    answers_pings: bool,
    decoder: RefCell<Decoder>,
    encoder: RefCell<Encoder>,
    masks: RefCell<Masks>,
    refused: RefCell<Option<Refused>>,
    /// What is told of the piece that came last.
    meta: Cell<Meta>,
    /// The write callback runs.
    is_telling: Cell<bool>,
}

impl Websocket {
    pub(crate) fn new(link: Rc<Link>, options: i64) -> Websocket {
        Websocket {
            link,
            is_raw: options & option::RAW_MODE != 0,
            answers_pings: options & option::NO_AUTO_PONG == 0,
            decoder: RefCell::default(),
            encoder: RefCell::default(),
            masks: RefCell::default(),
            refused: RefCell::default(),
            meta: Cell::new(Meta::NONE),
            is_telling: Cell::new(false),
        }
    }

    /// The next piece of at most so many bytes that is for the program.
    fn next(&self, most: usize) -> Result<Option<Refused>, Failure> {
        loop {
            let read =
                self.link.take_by(|input| match self.decoder.borrow_mut().read(input, most) {
                    Ok((done, piece)) => {
                        let bytes =
                            |piece: &Piece| input[piece.start..piece.start + piece.length].to_vec();
                        (done, Ok(piece.map(|piece| (piece, bytes(&piece)))))
                    }
                    Err(fault) => (0, Err(fault)),
                });
            match read {
                Ok(Some((piece, bytes))) if piece.kind == Kind::Ping && self.answers_pings => {
                    self.answer(&bytes);
                }
                Ok(piece) => return Ok(piece.map(|(piece, bytes)| (Meta::of(&piece), bytes))),
                Err(fault) => {
                    return Err(Failure::new(Code::RECV_ERROR, format!("[WS] {fault}")));
                }
            }
        }
    }

    /// Answers a ping, unless the peer has left too much unread: it may be answered by a later one alone (RFC 6455, 5.5.3).
    fn answer(&self, payload: &[u8]) {
        // a frame that the program is in the midst of cannot be broken
        if self.link.is_full() || self.encoder.borrow().left() > 0 {
            return;
        }
        if let Some(mask) = self.masks.borrow_mut().next()
            && let Ok(pong) = frames::control(Kind::Pong, payload, mask)
        {
            self.link.say(&pong);
        }
    }

    /// Gives what has come to the write callback, piece by piece. False if it paused: what it did not take is kept.
    pub(crate) fn deliver(&self, easy: &Rc<Easy>) -> Result<bool, Failure> {
        let result = self.deliver_pieces(easy);
        if self.link.has_unsent()
            && let Some(multi) = easy.its_multi()
        {
            // the engine may be what delivers
            multi.pause_later(easy);
        }
        result
    }

    fn deliver_pieces(&self, easy: &Easy) -> Result<bool, Failure> {
        let most = delivery::portion(easy);
        loop {
            if easy.run.paused.get().receiving {
                return Ok(false);
            }
            let refused = self.refused.take();
            let next = if refused.is_some() { refused } else { self.next(most)? };
            let Some((meta, bytes)) = next else { return Ok(true) };
            self.meta.set(meta);
            self.is_telling.set(true);
            let written = callbacks::write(easy, &bytes);
            self.is_telling.set(false);
            match written {
                Written::All => {}
                Written::Pause => {
                    self.refused.replace(Some((meta, bytes)));
                    easy.run.pause_receiving();
                }
                Written::Failed => return Err(delivery::not_written()),
            }
        }
    }

    /// Whether something is left that the program has not taken.
    pub(crate) fn holds(&self) -> bool {
        self.refused.borrow().is_some() || self.link.has_received()
    }

    /// Whether the peer has said that it says no more: then it does not matter how the connection ends.
    pub(crate) fn is_closed(&self) -> bool {
        self.decoder.borrow().is_over()
    }

    /// The connection has ended, which fails the transfer if it is in the midst of a message.
    pub(crate) fn end(&self, easy: &Easy) -> Option<Failure> {
        self.link.has_ended.set(true);
        // what is kept for a callback that has paused is whole as far as is known
        let is_kept = self.is_raw || easy.run.paused.get().receiving;
        let is_within = self.decoder.borrow().is_within() || self.link.has_received();
        (is_within && !is_kept)
            .then(|| Failure::new(Code::RECV_ERROR, "[WS] the connection ended within a message"))
    }

    /// Begins a frame of so many bytes, as the program's flags say.
    fn begin(&self, flags: u32, length: u64) -> Result<(), Failure> {
        let refused = |why: String| Err(Failure::new(Code::BAD_FUNCTION_ARGUMENT, why));
        let is_last = flags & flag::CONT == 0;
        let kind = match flags & !(flag::CONT | flag::OFFSET) {
            0 => None,
            flag::TEXT => Some(Kind::Text),
            flag::BINARY => Some(Kind::Binary),
            flag::CLOSE => Some(Kind::Close),
            flag::PING => Some(Kind::Ping),
            flag::PONG => Some(Kind::Pong),
            _ => {
                let text = format!("[WS] unknown flags: {flags:x}");
                return Err(Failure::new(Code::SEND_ERROR, text));
            }
        };
        let Some(mask) = self.masks.borrow_mut().next() else {
            return Err(Failure::plain(Code::FAILED_INIT));
        };
        let mut head = Vec::new();
        match self.encoder.borrow_mut().begin(kind, is_last, length, mask, &mut head) {
            Ok(()) => {
                self.link.say(&head);
                Ok(())
            }
            Err(Refusal::NothingToGoOnWith) if is_last => refused("[WS] no flags given".to_owned()),
            Err(Refusal::NothingToGoOnWith) => {
                refused("[WS] No ongoing fragmented message to continue".to_owned())
            }
            Err(Refusal::ControlInPieces) => {
                refused("[WS] a control frame must not be fragmented".to_owned())
            }
            Err(Refusal::LongControl) => refused("[WS] given control frame is too big".to_owned()),
            Err(Refusal::Unfinished(left)) => {
                let text = format!(
                    "[WS] starting new frame with {left} bytes from last one remaining to be sent"
                );
                Err(Failure::new(Code::SEND_ERROR, text))
            }
        }
    }

    /// Has the next bytes of the frame go out: as many as are left of it at most.
    fn payload(&self, bytes: &[u8]) -> usize {
        let mut masked = Vec::with_capacity(bytes.len());
        let taken = self.encoder.borrow_mut().payload(bytes, &mut masked);
        self.link.say(&masked);
        taken
    }
}

/// The scheme of HTTP that a websocket is asked for by; `None` for what is no websocket.
pub(crate) fn asked_by(scheme: &[u8]) -> Option<&'static [u8]> {
    match scheme {
        b"ws" => Some(b"http"),
        b"wss" => Some(b"https"),
        _ => None,
    }
}

/// What the handshake says (RFC 6455, 4.1), in curl's order; `None` without randomness.
pub(crate) fn handshake() -> Option<Vec<(&'static str, Vec<u8>)>> {
    let key = STANDARD.encode(&random::seed()?[..16]);
    Some(vec![
        ("Upgrade", b"websocket".to_vec()),
        ("Sec-WebSocket-Version", b"13".to_vec()),
        ("Sec-WebSocket-Key", key.into_bytes()),
        ("Connection", b"Upgrade".to_vec()),
    ])
}
