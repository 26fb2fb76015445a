//! Sections 3 to 5: how a connection begins, frames, streams.

use super::super::raw::{self, code, flag, kind};
use super::{
    BODY, CLOSED, COMPRESSION, Case, FRAME_SIZE, GOES_ON, PROTOCOL, Reaction, STREAM_FRAME_SIZE,
    bodiless, case, head,
};

use Reaction::{Connection, Stream};

/// What follows on no block is wrong whatever its stream is (6.10).
const CONTINUATION: &[Reaction] = &[
    Connection(code::PROTOCOL_ERROR),
    Connection(code::STREAM_CLOSED),
    Stream(code::STREAM_CLOSED),
];

/// A stream that nobody has begun.
const IDLE: u32 = 101;

pub(super) const CASES: &[Case] = &[
    case("3.4", "settings that say nothing", GOES_ON, |_| raw::settings(&[])).first_of_all(),
    case("3.4", "a PING before settings", PROTOCOL, |_| raw::ping(1)).first_of_all(),
    case("3.4", "an answer by HTTP/1.1", PROTOCOL, |_| {
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec()
    })
    .first_of_all(),
    case("4.1", "a frame of no known type", GOES_ON, |_| raw::frame(0x16, 0, 0, b"what is it")),
    case("4.1", "a frame of no known type on a stream", GOES_ON, |id| {
        raw::frame(0x16, 0xff, id, b"what is it")
    }),
    case("4.1", "flags that mean nothing", GOES_ON, |_| {
        raw::frame(kind::PING, 0xfe, 0, &7_u64.to_be_bytes())
    }),
    case("4.1", "a reserved bit that is set", GOES_ON, |_| {
        raw::frame(kind::PING, flag::ACK, 1 << 31, &7_u64.to_be_bytes())
    }),
    case("4.2", "data of 16,384 bytes in a frame", GOES_ON, |id| {
        let large = raw::data(id, flag::END_STREAM, &[b'x'; 16_384]);
        [head(id), large].concat()
    })
    .unanswered(),
    case("4.2", "data of 16,385 bytes in a frame", STREAM_FRAME_SIZE, |id| {
        [head(id), raw::data(id, flag::END_STREAM, &[0; 16_385])].concat()
    }),
    case("4.2", "a head of 16,385 bytes in a frame", FRAME_SIZE, |id| {
        let mut block = raw::block(&[(":status", "200")]);
        raw::literal(0, b"x", &[b'x'; 16_374], &mut block);
        raw::frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, id, &block)
    }),
    case("4.3", "a block that breaks off", COMPRESSION, |id| {
        raw::frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, id, &[0x40])
    }),
    case("4.3", "a field of a table that has none", COMPRESSION, |id| {
        raw::frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, id, &[0x88, 0xbe])
    }),
    case("4.3", "a table that is larger than allowed", COMPRESSION, |id| {
        let mut block = Vec::new();
        raw::integer(0x20, 5, 1 << 28, &mut block);
        block.push(0x88);
        raw::frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, id, &block)
    }),
    case("4.3", "a text that Huffman's code does not end", COMPRESSION, |id| {
        raw::frame(kind::HEADERS, flag::END_HEADERS, id, &[0x88, 0x00, 0x81, 0x00, 0x00])
    }),
    case("5.1", "data on an idle stream", PROTOCOL, |_| raw::data(IDLE, 0, b"x")),
    case("5.1", "a reset of an idle stream", PROTOCOL, |_| raw::rst_stream(IDLE, code::CANCEL)),
    case("5.1", "credit for an idle stream", PROTOCOL, |_| raw::window_update(IDLE, 100)),
    case("5.1", "a continuation on an idle stream", PROTOCOL, |_| {
        raw::continuation(IDLE, flag::END_HEADERS, &[0x88])
    }),
    case("5.1", "data after a reset", CLOSED, |id| {
        [head(id), raw::rst_stream(id, code::CANCEL), raw::data(id, flag::END_STREAM, b"x")]
            .concat()
    })
    .unanswered(),
    case("5.1", "a head after a reset", CLOSED, |id| {
        [head(id), raw::rst_stream(id, code::CANCEL), bodiless(id)].concat()
    })
    .unanswered(),
    case("5.1", "a continuation after a reset", CONTINUATION, |id| {
        let late = raw::continuation(id, flag::END_HEADERS, b"");
        [head(id), raw::rst_stream(id, code::CANCEL), late].concat()
    })
    .unanswered(),
    case("5.1", "data after the end", CLOSED, |id| {
        [head(id), raw::data(id, flag::END_STREAM, BODY), raw::data(id, 0, b"x")].concat()
    }),
    case("5.1", "a head after the end", CLOSED, |id| {
        [head(id), raw::data(id, flag::END_STREAM, BODY), bodiless(id)].concat()
    }),
    case("5.1", "a continuation after the end", CONTINUATION, |id| {
        let late = raw::continuation(id, flag::END_HEADERS, b"");
        [head(id), raw::data(id, flag::END_STREAM, BODY), late].concat()
    }),
    case("5.1", "credit, a reset and a priority after the end", GOES_ON, |id| {
        let late =
            [raw::window_update(id, 1), raw::rst_stream(id, 0), raw::priority(id, 0, 1)].concat();
        [head(id), raw::data(id, flag::END_STREAM, BODY), late].concat()
    }),
    case("5.1.1", "a stream of the server's own", PROTOCOL, |_| bodiless(2)),
    case("5.1.1", "a response that nothing was asked for", PROTOCOL, |_| bodiless(IDLE)),
    case("5.4.1", "a PING that is none", FRAME_SIZE, |_| raw::frame(kind::PING, 0, 0, b"short")),
    case("5.5", "a setting and a frame that are not known, on a stream", GOES_ON, |id| {
        [raw::settings(&[(0xfff0, 1)]), raw::frame(0xbe, 0, id, b"")].concat()
    }),
    case("5.5", "a frame that is not known amid a block", PROTOCOL, |id| {
        let begun = raw::frame(kind::HEADERS, 0, id, &[0x88]);
        let end = raw::continuation(id, flag::END_HEADERS, b"");
        [begun, raw::frame(0xbe, 0, id, b""), end].concat()
    }),
];
