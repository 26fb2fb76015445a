//! Frames and header blocks, right or wrong: what a test writes by hand.
//!
//! Knows the layouts of RFC 9113 and of RFC 7541, and checks nothing: lengths, flags and streams are whatever the caller says.

/// What a client says first (RFC 9113, 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of a frame's header.
pub const HEADER: usize = 9;

/// The types of frames (RFC 9113, 6).
#[allow(missing_docs, reason = "they are the RFC's names")]
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// The flags of frames. `ACK` is for SETTINGS and PING what `END_STREAM` is for others.
#[allow(missing_docs, reason = "they are the RFC's names")]
pub mod flag {
    pub const END_STREAM: u8 = 0x1;
    pub const ACK: u8 = 0x1;
    pub const END_HEADERS: u8 = 0x4;
    pub const PADDED: u8 = 0x8;
    pub const PRIORITY: u8 = 0x20;
}

/// The settings (RFC 9113, 6.5.2).
#[allow(missing_docs, reason = "they are the RFC's names")]
pub mod setting {
    pub const HEADER_TABLE_SIZE: u16 = 1;
    pub const ENABLE_PUSH: u16 = 2;
    pub const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub const INITIAL_WINDOW_SIZE: u16 = 4;
    pub const MAX_FRAME_SIZE: u16 = 5;
    pub const MAX_HEADER_LIST_SIZE: u16 = 6;
}

/// The error codes (RFC 9113, 7).
#[allow(missing_docs, reason = "they are the RFC's names")]
pub mod code {
    pub const NO_ERROR: u32 = 0;
    pub const PROTOCOL_ERROR: u32 = 1;
    pub const INTERNAL_ERROR: u32 = 2;
    pub const FLOW_CONTROL_ERROR: u32 = 3;
    pub const SETTINGS_TIMEOUT: u32 = 4;
    pub const STREAM_CLOSED: u32 = 5;
    pub const FRAME_SIZE_ERROR: u32 = 6;
    pub const REFUSED_STREAM: u32 = 7;
    pub const CANCEL: u32 = 8;
    pub const COMPRESSION_ERROR: u32 = 9;
    pub const CONNECT_ERROR: u32 = 10;
    pub const ENHANCE_YOUR_CALM: u32 = 11;
    pub const INADEQUATE_SECURITY: u32 = 12;
    pub const HTTP_1_1_REQUIRED: u32 = 13;
}

/// The largest number of a stream, and the largest window.
pub const MOST: u32 = 0x7fff_ffff;

/// Fields of a head or of trailers.
pub type Fields<'a> = &'a [(&'a str, &'a str)];

/// A frame as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// See [`kind`].
    pub kind: u8,
    /// See [`flag`].
    pub flags: u8,
    /// Zero for the connection.
    pub stream: u32,
    /// What is in it, padding included.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The first frame of these bytes and how many of them it has, if all of it is there.
    pub fn first(bytes: &[u8]) -> Option<(Frame, usize)> {
        let header = bytes.get(..HEADER)?;
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        let stream = u32::from_be_bytes([header[5], header[6], header[7], header[8]]) & MOST;
        let payload = bytes.get(HEADER..HEADER + length)?.to_vec();
        Some((Frame { kind: header[3], flags: header[4], stream, payload }, HEADER + length))
    }

    /// All whole frames of these bytes, of which the preface of a client may be the first.
    pub fn all(bytes: &[u8]) -> Vec<Frame> {
        let mut rest = bytes.strip_prefix(PREFACE).unwrap_or(bytes);
        let mut frames = Vec::new();
        while let Some((frame, length)) = Frame::first(rest) {
            frames.push(frame);
            rest = &rest[length..];
        }
        frames
    }

    /// Whether it has this flag.
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Four bytes of what is in it, as a number; zero where there are none.
    pub fn number_at(&self, at: usize) -> u32 {
        let bytes = self.payload.get(at..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |&bytes| u32::from_be_bytes(bytes))
    }
}

/// A frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    frame_that_says(payload.len() as u32, kind, flags, stream, payload)
}

/// A frame that is not as long as it says.
pub fn frame_that_says(length: u32, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = length.to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// DATA.
pub fn data(stream: u32, flags: u8, bytes: &[u8]) -> Vec<u8> {
    frame(kind::DATA, flags, stream, bytes)
}

/// DATA with this much padding.
pub fn padded_data(stream: u32, flags: u8, bytes: &[u8], padding: u8) -> Vec<u8> {
    frame(kind::DATA, flags | flag::PADDED, stream, &padded(bytes, padding))
}

/// HEADERS with a whole block.
pub fn headers(stream: u32, flags: u8, fields: Fields<'_>) -> Vec<u8> {
    frame(kind::HEADERS, flags | flag::END_HEADERS, stream, &block(fields))
}

/// CONTINUATION with a piece of a block.
pub fn continuation(stream: u32, flags: u8, piece: &[u8]) -> Vec<u8> {
    frame(kind::CONTINUATION, flags, stream, piece)
}

/// PRIORITY.
pub fn priority(stream: u32, depends_on: u32, weight: u8) -> Vec<u8> {
    let payload = [&depends_on.to_be_bytes()[..], &[weight]].concat();
    frame(kind::PRIORITY, 0, stream, &payload)
}

/// RST_STREAM.
pub fn rst_stream(stream: u32, code: u32) -> Vec<u8> {
    frame(kind::RST_STREAM, 0, stream, &code.to_be_bytes())
}

/// SETTINGS.
pub fn settings(list: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (id, value) in list {
        payload.extend(id.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    frame(kind::SETTINGS, 0, 0, &payload)
}

/// The acknowledgement of SETTINGS.
pub fn settings_ack() -> Vec<u8> {
    frame(kind::SETTINGS, flag::ACK, 0, b"")
}

/// PUSH_PROMISE of a request.
pub fn push_promise(stream: u32, promised: u32, fields: Fields<'_>) -> Vec<u8> {
    let payload = [&promised.to_be_bytes()[..], &block(fields)].concat();
    frame(kind::PUSH_PROMISE, flag::END_HEADERS, stream, &payload)
}

/// PING.
pub fn ping(payload: u64) -> Vec<u8> {
    frame(kind::PING, 0, 0, &payload.to_be_bytes())
}

/// The answer to a PING.
pub fn pong(payload: u64) -> Vec<u8> {
    frame(kind::PING, flag::ACK, 0, &payload.to_be_bytes())
}

/// GOAWAY.
pub fn goaway(last: u32, code: u32, debug: &[u8]) -> Vec<u8> {
    let payload = [&last.to_be_bytes()[..], &code.to_be_bytes(), debug].concat();
    frame(kind::GOAWAY, 0, 0, &payload)
}

/// WINDOW_UPDATE.
pub fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

/// These bytes as they stand in a padded frame.
pub fn padded(bytes: &[u8], padding: u8) -> Vec<u8> {
    let mut payload = vec![padding];
    payload.extend(bytes);
    payload.resize(payload.len() + usize::from(padding), 0);
    payload
}

/// A header block of literals that no table learns, with names that are spelled out.
pub fn block(fields: Fields<'_>) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        literal(0x00, name.as_bytes(), value.as_bytes(), &mut block);
    }
    block
}

/// A header block that makes the decoder remember one large field, and then names it again and again: few bytes that say
/// `references` times `size`.
pub fn bomb(size: usize, references: usize) -> Vec<u8> {
    let mut block = block(&[(":status", "200")]);
    literal(0x40, b"x", &vec![b'a'; size], &mut block);
    // the newest entry of the dynamic table
    block.resize(block.len() + references, 0x80 | 62);
    block
}

/// A literal field. Its first byte is 0 for a field without indexing, 0x10 for one that is never indexed, 0x40 for one that the
/// table learns.
pub fn literal(first: u8, name: &[u8], value: &[u8], block: &mut Vec<u8>) {
    block.push(first);
    for text in [name, value] {
        integer(0, 7, text.len(), block);
        block.extend(text);
    }
}

/// An integer behind a prefix of so many bits, of which `first` has the others (RFC 7541, 5.1).
pub fn integer(first: u8, bits: u32, value: usize, block: &mut Vec<u8>) {
    let most = (1 << bits) - 1;
    if value < most {
        return block.push(first | value as u8);
    }
    block.push(first | most as u8);
    let mut rest = value - most;
    while rest >= 128 {
        block.push(0x80 | (rest % 128) as u8);
        rest /= 128;
    }
    block.push(rest as u8);
}
