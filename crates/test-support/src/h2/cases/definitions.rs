//! Section 6: each type of frame.

use super::super::raw::{self, MOST, code, flag, kind, setting};
use super::{
    BODY, Case, FLOW_CONTROL, FRAME_SIZE, GOES_ON, PROTOCOL, STREAM_FLOW_CONTROL,
    STREAM_FRAME_SIZE, STREAM_PROTOCOL, bodiless, case, head,
};

pub(super) const CASES: &[Case] = &[
    case("6.1", "data on stream 0", PROTOCOL, |_| raw::data(0, flag::END_STREAM, b"x")),
    case("6.1", "as much padding as frame", PROTOCOL, |id| {
        [head(id), raw::frame(kind::DATA, flag::PADDED, id, b"\x05abcd")].concat()
    }),
    case("6.1", "padding, and data that is nothing else", GOES_ON, |id| {
        let padding = raw::padded_data(id, 0, b"", 255);
        [head(id), padding, raw::padded_data(id, flag::END_STREAM, BODY, 7)].concat()
    }),
    case("6.2", "a head on stream 0", PROTOCOL, |_| bodiless(0)),
    case("6.2", "more padding than head", PROTOCOL, |id| {
        let flags = flag::PADDED | flag::END_HEADERS | flag::END_STREAM;
        raw::frame(kind::HEADERS, flags, id, &[2, 0x88])
    }),
    case("6.2", "a priority amid a block", PROTOCOL, |id| {
        [raw::frame(kind::HEADERS, flag::END_STREAM, id, &[0x88]), raw::priority(id, 0, 1)].concat()
    }),
    case("6.2", "another stream's head amid a block", PROTOCOL, |id| {
        [raw::frame(kind::HEADERS, flag::END_STREAM, id, &[0x88]), bodiless(id + 2)].concat()
    }),
    case("6.2", "a head with padding and priority", GOES_ON, |id| {
        let fields = [&[0; 5], &raw::block(&[(":status", "200")])[..]].concat();
        let flags = flag::PADDED | flag::PRIORITY | flag::END_HEADERS;
        let head = raw::frame(kind::HEADERS, flags, id, &raw::padded(&fields, 3));
        [head, raw::data(id, flag::END_STREAM, BODY)].concat()
    }),
    case("6.3", "a priority on stream 0", PROTOCOL, |_| raw::priority(0, 1, 1)),
    case("6.3", "a priority of four bytes", STREAM_FRAME_SIZE, |id| {
        raw::frame(kind::PRIORITY, 0, id, &[0; 4])
    }),
    case("6.3", "a priority on a stream that is idle", GOES_ON, |_| raw::priority(101, 0, 1)),
    case("6.4", "a reset of stream 0", PROTOCOL, |_| raw::rst_stream(0, code::CANCEL)),
    case("6.4", "a reset of three bytes", FRAME_SIZE, |id| {
        raw::frame(kind::RST_STREAM, 0, id, &[0; 3])
    }),
    case("6.4", "a reset with a code that is not known", GOES_ON, |id| {
        raw::rst_stream(id, 0xdead_beef)
    })
    .unanswered(),
    case("6.5", "an acknowledgement that says something", FRAME_SIZE, |_| {
        raw::frame(kind::SETTINGS, flag::ACK, 0, &[0; 6])
    }),
    case("6.5", "settings of a stream", PROTOCOL, |id| raw::frame(kind::SETTINGS, 0, id, b"")),
    case("6.5", "settings of five bytes", FRAME_SIZE, |_| {
        raw::frame(kind::SETTINGS, 0, 0, &[0; 5])
    }),
    case("6.5.2", "pushes that a server would have", PROTOCOL, |_| {
        raw::settings(&[(setting::ENABLE_PUSH, 1)])
    }),
    case("6.5.2", "pushes that are two", PROTOCOL, |_| raw::settings(&[(setting::ENABLE_PUSH, 2)])),
    case("6.5.2", "windows that begin beyond 2^31-1", FLOW_CONTROL, |_| {
        raw::settings(&[(setting::INITIAL_WINDOW_SIZE, MOST + 1)])
    }),
    case("6.5.2", "frames of at most 16,383 bytes", PROTOCOL, |_| {
        raw::settings(&[(setting::MAX_FRAME_SIZE, 16_383)])
    }),
    case("6.5.2", "frames of 2^24 bytes", PROTOCOL, |_| {
        raw::settings(&[(setting::MAX_FRAME_SIZE, 1 << 24)])
    }),
    case("6.5.2", "a setting that is not known", GOES_ON, |_| raw::settings(&[(0xff, 1)])),
    case("6.5.3", "settings, one of them twice, and settings again", GOES_ON, |_| {
        let twice = [(setting::INITIAL_WINDOW_SIZE, 1), (setting::INITIAL_WINDOW_SIZE, 70_000)];
        [raw::settings(&twice), raw::settings(&[])].concat()
    }),
    case("6.6", "a push that was refused", PROTOCOL, |id| {
        let fields =
            [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "localhost")];
        raw::push_promise(id, 2, &fields)
    }),
    case("6.7", "a PING", GOES_ON, |_| raw::ping(0x0123_4567_89ab_cdef)),
    case("6.7", "an answer that nobody asked for", GOES_ON, |_| raw::pong(1)),
    case("6.7", "a PING of a stream", PROTOCOL, |id| raw::frame(kind::PING, 0, id, &[0; 8])),
    case("6.7", "a PING of six bytes", FRAME_SIZE, |_| raw::frame(kind::PING, 0, 0, &[0; 6])),
    case("6.8", "a GOAWAY of a stream", PROTOCOL, |id| raw::frame(kind::GOAWAY, 0, id, &[0; 8])),
    case("6.8", "a GOAWAY of seven bytes", FRAME_SIZE, |_| raw::frame(kind::GOAWAY, 0, 0, &[0; 7])),
    case("6.8", "a GOAWAY that leaves what was asked to go on", GOES_ON, |id| {
        [raw::goaway(MOST, 0, b"later"), raw::goaway(id + 2, 0, b"now")].concat()
    }),
    case("6.9", "credit of nothing", PROTOCOL, |_| raw::window_update(0, 0)),
    case("6.9", "credit of nothing for a stream", STREAM_PROTOCOL, |id| raw::window_update(id, 0)),
    case("6.9", "credit of three bytes", FRAME_SIZE, |_| {
        raw::frame(kind::WINDOW_UPDATE, 0, 0, &[0; 3])
    }),
    case("6.9.1", "credit beyond 2^31-1", FLOW_CONTROL, |_| raw::window_update(0, MOST).repeat(2)),
    case("6.9.1", "credit of a stream beyond 2^31-1", STREAM_FLOW_CONTROL, |id| {
        raw::window_update(id, MOST).repeat(2)
    }),
    case("6.9.2", "windows that settings push beyond 2^31-1", FLOW_CONTROL, |id| {
        let settings = raw::settings(&[(setting::INITIAL_WINDOW_SIZE, MOST)]);
        [raw::window_update(id, 1), settings].concat()
    }),
    case("6.10", "a block in three frames", GOES_ON, |id| {
        let block = raw::block(&[(":status", "200"), ("server", "x")]);
        let (first, rest) = block.split_at(3);
        let (second, third) = rest.split_at(9);
        [
            raw::frame(kind::HEADERS, 0, id, first),
            raw::continuation(id, 0, second),
            raw::continuation(id, flag::END_HEADERS, third),
            raw::data(id, flag::END_STREAM, BODY),
        ]
        .concat()
    }),
    case("6.10", "data amid a block", PROTOCOL, |id| {
        let begun = raw::frame(kind::HEADERS, 0, id, &[0x88]);
        [begun, raw::continuation(id, 0, b""), raw::data(id, flag::END_STREAM, b"x")].concat()
    }),
    case("6.10", "a continuation on stream 0", PROTOCOL, |id| {
        let begun = raw::frame(kind::HEADERS, 0, id, &[0x88]);
        [begun, raw::continuation(0, flag::END_HEADERS, b"")].concat()
    }),
    case("6.10", "a continuation of a whole head", PROTOCOL, |id| {
        [head(id), raw::continuation(id, flag::END_HEADERS, b"")].concat()
    }),
    case("6.10", "a continuation of a block that has ended", PROTOCOL, |id| {
        let begun = raw::frame(kind::HEADERS, 0, id, &[0x88]);
        [begun, raw::continuation(id, flag::END_HEADERS, b"").repeat(2)].concat()
    }),
    case("6.10", "a continuation after data", PROTOCOL, |id| {
        [head(id), raw::data(id, 0, b"x"), raw::continuation(id, flag::END_HEADERS, b"")].concat()
    }),
];
