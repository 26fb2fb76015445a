//! Section 8: responses that are none, and some that are.

use super::super::raw::{Fields, code, data, flag, frame, headers, kind, literal, rst_stream};
use super::{BODY, Case, GOES_ON, STREAM_PROTOCOL, case, head};

const OK: (&str, &str) = (":status", "200");

/// A response with these fields, in this order.
fn with(id: u32, fields: Fields<'_>) -> Vec<u8> {
    [headers(id, 0, fields), data(id, flag::END_STREAM, BODY)].concat()
}

/// One with trailers of these.
fn with_trailers(id: u32, fields: Fields<'_>) -> Vec<u8> {
    [head(id), data(id, 0, BODY), headers(id, flag::END_STREAM, fields)].concat()
}

pub(super) const CASES: &[Case] = &[
    case("8.1", "informational responses, a body in pieces, and trailers", GOES_ON, |id| {
        let hint = headers(id, 0, &[(":status", "103"), ("link", "</a>")]);
        let pieces = [data(id, 0, b"o"), data(id, 0, b""), data(id, 0, b"k")].concat();
        [hint.clone(), hint, head(id), pieces, headers(id, flag::END_STREAM, &[("a", "b")])]
            .concat()
    }),
    case("8.1", "a response that is whole, and a reset without an error", GOES_ON, |id| {
        [with(id, &[OK]), rst_stream(id, code::NO_ERROR)].concat()
    }),
    case("8.1", "data before the head", STREAM_PROTOCOL, |id| data(id, 0, b"x")),
    case("8.1", "an informational response and no other", STREAM_PROTOCOL, |id| {
        headers(id, flag::END_STREAM, &[(":status", "103")])
    }),
    case("8.1", "data after an informational response", STREAM_PROTOCOL, |id| {
        [headers(id, 0, &[(":status", "103")]), data(id, 0, b"x")].concat()
    }),
    case("8.1", "trailers that do not end the stream", STREAM_PROTOCOL, |id| {
        [head(id), headers(id, 0, &[("a", "b")])].concat()
    }),
    case("8.1.1", "fewer bytes than announced", STREAM_PROTOCOL, |id| {
        with(id, &[OK, ("content-length", "3")])
    }),
    case("8.1.1", "more bytes than announced", STREAM_PROTOCOL, |id| {
        with(id, &[OK, ("content-length", "1")])
    }),
    case("8.1.1", "announced bytes, and none", STREAM_PROTOCOL, |id| {
        headers(id, flag::END_STREAM, &[OK, ("content-length", "1")])
    }),
    case("8.1.1", "fewer bytes than announced before trailers", STREAM_PROTOCOL, |id| {
        let head = headers(id, 0, &[OK, ("content-length", "3")]);
        [head, data(id, 0, BODY), headers(id, flag::END_STREAM, &[("a", "b")])].concat()
    }),
    case("8.1.1", "two lengths", STREAM_PROTOCOL, |id| {
        with(id, &[OK, ("content-length", "2"), ("content-length", "3")])
    }),
    case("8.2.1", "a name with a capital letter", STREAM_PROTOCOL, |id| {
        with(id, &[OK, ("A", "b")])
    }),
    case("8.2.1", "a name with a space", STREAM_PROTOCOL, |id| with(id, &[OK, ("a b", "c")])),
    case("8.2.1", "a name of nothing", STREAM_PROTOCOL, |id| with(id, &[OK, ("", "c")])),
    case("8.2.1", "a value with a line's end", STREAM_PROTOCOL, |id| {
        with(id, &[OK, ("a", "b\r\nc: d")])
    }),
    case("8.2.1", "a value with a NUL", STREAM_PROTOCOL, |id| with(id, &[OK, ("a", "b\0c")])),
    case("8.2.1", "a value of other bytes than ASCII", GOES_ON, |id| {
        let mut block = vec![0x88];
        literal(0, b"a", b"\xff\xfe\x80", &mut block);
        let head = frame(kind::HEADERS, flag::END_HEADERS, id, &block);
        [head, data(id, flag::END_STREAM, BODY)].concat()
    }),
    case("8.2.2", "a field of a connection", STREAM_PROTOCOL, |id| {
        with(id, &[OK, ("connection", "keep-alive")])
    }),
    case("8.2.2", "a transfer coding", STREAM_PROTOCOL, |id| {
        with(id, &[OK, ("transfer-encoding", "chunked")])
    }),
    case("8.3", "a pseudo-header field that is not known", STREAM_PROTOCOL, |id| {
        with(id, &[OK, (":version", "2")])
    }),
    case("8.3", "a pseudo-header field of requests", STREAM_PROTOCOL, |id| {
        with(id, &[OK, (":path", "/")])
    }),
    case("8.3", "a status after another field", STREAM_PROTOCOL, |id| with(id, &[("a", "b"), OK])),
    case("8.3", "a pseudo-header field in trailers", STREAM_PROTOCOL, |id| {
        with_trailers(id, &[OK])
    }),
    case("8.3.2", "no status", STREAM_PROTOCOL, |id| with(id, &[("a", "b")])),
    case("8.3.2", "two statuses", STREAM_PROTOCOL, |id| with(id, &[OK, OK])),
    case("8.3.2", "a status of two digits", STREAM_PROTOCOL, |id| with(id, &[(":status", "20")])),
    case("8.6", "101", STREAM_PROTOCOL, |id| headers(id, 0, &[(":status", "101")])),
];
