//! Section 10.5: frames without end.

use super::super::raw::{self, code, flag, kind, setting};
use super::Reaction::{Connection, Stream};
use super::{Case, Reaction, case, head};

/// More than anybody has use for.
const MANY: usize = 20_000;

const TOO_MUCH: &[Reaction] = &[
    Connection(code::ENHANCE_YOUR_CALM),
    Connection(code::PROTOCOL_ERROR),
    Connection(code::INTERNAL_ERROR),
];
const TOO_MUCH_OF_A_STREAM: &[Reaction] = &[
    Stream(code::ENHANCE_YOUR_CALM),
    Stream(code::PROTOCOL_ERROR),
    Stream(code::INTERNAL_ERROR),
    Stream(code::CANCEL),
    Connection(code::ENHANCE_YOUR_CALM),
    Connection(code::PROTOCOL_ERROR),
    Connection(code::INTERNAL_ERROR),
];

pub(super) const CASES: &[Case] = &[
    case("10.5", "PINGs", TOO_MUCH, |_| raw::ping(1).repeat(MANY)),
    case("10.5", "settings", TOO_MUCH, |_| raw::settings(&[]).repeat(MANY)),
    case("10.5", "settings that change the window to and fro", TOO_MUCH, |_| {
        let set = |value| raw::settings(&[(setting::INITIAL_WINDOW_SIZE, value)]);
        [set(1), set(2)].concat().repeat(MANY / 2)
    }),
    case("10.5", "priorities", TOO_MUCH, |id| raw::priority(id, 0, 1).repeat(MANY)),
    case("10.5", "data of nothing", TOO_MUCH_OF_A_STREAM, |id| {
        [head(id), raw::data(id, 0, b"").repeat(MANY)].concat()
    }),
    case("10.5", "padding", TOO_MUCH_OF_A_STREAM, |id| {
        [head(id), raw::padded_data(id, 0, b"", 0).repeat(MANY)].concat()
    }),
    case("10.5", "credit by the byte", TOO_MUCH, |_| raw::window_update(0, 1).repeat(MANY)),
    case("10.5", "frames that are not known", TOO_MUCH, |_| {
        raw::frame(0xbe, 0, 0, b"").repeat(MANY)
    }),
    case("10.5", "resets of a stream that is over", TOO_MUCH, |id| {
        raw::rst_stream(id, code::CANCEL).repeat(MANY)
    }),
    case("10.5", "informational responses", TOO_MUCH_OF_A_STREAM, |id| {
        raw::headers(id, 0, &[(":status", "103")]).repeat(MANY)
    }),
    case("6.10", "continuations of nothing", TOO_MUCH, |id| {
        [raw::frame(kind::HEADERS, 0, id, &[0x88]), raw::continuation(id, 0, b"").repeat(MANY)]
            .concat()
    }),
    case("6.10", "continuations of something", TOO_MUCH, |id| {
        let fields = raw::block(&[("a", "b")]).repeat(1000);
        [raw::frame(kind::HEADERS, 0, id, &[0x88]), raw::continuation(id, 0, &fields).repeat(1000)]
            .concat()
    }),
    case("10.5.1", "a bomb of fields", TOO_MUCH_OF_A_STREAM, |id| {
        let block = raw::bomb(4000, 10_000);
        raw::frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, id, &block)
    }),
];
