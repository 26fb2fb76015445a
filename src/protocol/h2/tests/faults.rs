//! What ends a connection: frames that cannot be, and more than bounds allow.

use super::*;

#[track_caller]
fn fault_of(frames: &[Vec<u8>]) -> LinkFault {
    let (_, end) = told_of(|| Link::asking(2), &frames.concat());
    let fault = end.expect_err("a fault");
    let mut link = Link::asking(2);
    assert_eq!(link.receive(&frames.concat()), Err(fault));
    assert_eq!(link.receive(b""), Err(fault), "faults stay");
    assert_eq!(link.connection.eof(), Err(fault));
    let sent = link.sent();
    assert_eq!(sent.last().unwrap(), &format!("goaway 0 {}", fault.code()));
    assert!(!link.connection.wants_fill());
    assert_eq!((link.connection.open(), link.connection.capacity()), (0, 0));
    assert!(!fault.to_string().is_empty());
    fault
}

#[track_caller]
fn code_of(frames: &[Vec<u8>]) -> ErrorCode {
    fault_of(frames).code()
}

#[test]
fn frames_that_cannot_be() {
    use kind::*;
    let protocol: &[(u8, u8, u32, &[u8])] = &[
        (DATA, 0, 0, b"x"),
        (HEADERS, END_HEADERS, 0, &[0x88]),
        (PRIORITY, 0, 0, &[0; 5]),
        (RST_STREAM, 0, 0, &[0; 4]),
        (SETTINGS, 0, 1, &[]),
        (PING, 0, 1, &[0; 8]),
        (GOAWAY, 0, 1, &[0; 8]),
        (PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, 0x88]),
        (CONTINUATION, END_HEADERS, 1, &[0x88]),
        (SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 1]),
        (WINDOW_UPDATE, 0, 0, &[0; 4]),
        (HEADERS, END_HEADERS | PADDED, 1, &[5, 0x88]),
        (HEADERS, END_HEADERS, 2, &[0x88]),
        (HEADERS, END_HEADERS, 5, &[0x88]),
        (DATA, 0, 5, b"x"),
        (DATA, 0, 4, b"x"),
        (RST_STREAM, 0, 5, &[0; 4]),
        (WINDOW_UPDATE, 0, 5, &[0, 0, 0, 1]),
    ];
    for &(kind, flags, stream, payload) in protocol {
        let frame = frame(kind, flags, stream, payload);
        assert_eq!(
            code_of(std::slice::from_ref(&frame)),
            ErrorCode::PROTOCOL_ERROR,
            "{kind} {stream}"
        );
    }
    let size: &[(u8, u8, u32, &[u8])] = &[
        (PRIORITY, 0, 1, &[0; 4]),
        (RST_STREAM, 0, 1, &[0; 5]),
        (SETTINGS, 0, 0, &[0; 5]),
        (SETTINGS, ACK, 0, &[0; 6]),
        (PING, 0, 0, &[0; 7]),
        (GOAWAY, 0, 0, &[0; 7]),
        (WINDOW_UPDATE, 0, 1, &[0; 3]),
        (DATA, PADDED, 1, &[]),
        (DATA, 0, 1, &[0; 16_385]),
        (99, 0, 1, &[0; 16_385]),
    ];
    for &(kind, flags, stream, payload) in size {
        let frame = frame(kind, flags, stream, payload);
        assert_eq!(
            code_of(std::slice::from_ref(&frame)),
            ErrorCode::FRAME_SIZE_ERROR,
            "{kind} {stream}"
        );
    }
    let padding = frame(DATA, PADDED, 1, b"\x05abcd");
    assert_eq!(code_of(&[headers(1, 0, OK), padding]), ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn a_block_is_not_interrupted() {
    let begun = frame(kind::HEADERS, 0, 1, &block(OK));
    let table = [
        data(1, 0, b"x"),
        headers(3, 0, OK),
        frame(kind::CONTINUATION, END_HEADERS, 3, b""),
        frame(kind::PING, 0, 0, &[0; 8]),
        frame(99, 0, 0, b""),
    ];
    for frame in table {
        assert_eq!(code_of(&[begun.clone(), frame]), ErrorCode::PROTOCOL_ERROR);
    }
}

#[test]
fn a_block_that_cannot_be_decoded_ends_the_connection() {
    for block in [&[0xbe][..], &[0x3f, 0xe2, 0x1f], &[0x88, 0x20], &[0x80]] {
        let frame = frame(kind::HEADERS, END_HEADERS, 1, block);
        assert_eq!(code_of(&[frame]), ErrorCode::COMPRESSION_ERROR);
    }
    // also one that nobody wants
    let mut link = Link::asking(1);
    link.connection.cancel(link.id(1));
    let fault = link.receive(&frame(kind::HEADERS, END_HEADERS, 1, &[0xbe])).unwrap_err();
    assert_eq!(fault.code(), ErrorCode::COMPRESSION_ERROR);
}

/// nginx (1.22) does so where the head of an empty body could not leave at once. It brings nothing, and is counted so.
#[test]
fn an_end_that_is_said_twice_is_passed_over() {
    for again in [data(1, END_STREAM, &[]), frame(kind::DATA, PADDED | END_STREAM, 1, &[1, 0])] {
        let mut link = Link::asking(2);
        link.receive(&headers(1, END_STREAM, OK)).unwrap();
        link.receive(&again).unwrap();
        link.receive(&headers(3, END_STREAM, OK)).unwrap();
        assert_eq!(link.told.last().unwrap(), "2 complete");
        let fault = link.receive(&again.repeat(1100)).unwrap_err();
        assert!(fault.is_limit(), "{fault}");
    }
}

/// RFC 9113, 5.1: on streams that we gave up frames may be late, on those that the peer ended they cannot be.
#[test]
fn frames_on_streams_that_the_peer_has_ended_are_faults() {
    let ended = headers(1, END_STREAM, OK);
    for frame in [data(1, 0, b"x"), headers(1, 0, OK), headers(1, END_STREAM, &[("a", "b")])] {
        assert_eq!(fault_of(&[ended.clone(), frame.clone()]), LinkFault::StreamClosed);
        assert_eq!(
            fault_of(&[rst_stream(1, ErrorCode::CANCEL), frame.clone()]),
            LinkFault::StreamClosed
        );
        let mut link = Link::asking(2);
        link.connection.cancel(link.id(1));
        assert_eq!(link.receive(&frame), Ok(()));
    }
    // these may have crossed its end
    let late = [
        window_update(1, 1),
        rst_stream(1, ErrorCode::NO_ERROR),
        frame(kind::PRIORITY, 0, 1, &[0; 5]),
    ];
    let (_, end) = told_of(|| Link::asking(2), &[ended, late.concat()].concat());
    assert_eq!(end, Ok(()));
}

/// A response to what has not been asked yet.
#[test]
fn a_request_that_has_not_left_has_no_response() {
    let mut link = Link::settled();
    link.get(1);
    let fault = link.receive(&headers(1, END_STREAM, OK)).unwrap_err();
    assert_eq!(fault.code(), ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn windows_beyond_their_bound() {
    let most = window_update(0, 0x7fff_ffff);
    assert_eq!(code_of(&[most]), ErrorCode::FLOW_CONTROL_ERROR);
    assert_eq!(code_of(&[settings(&[(4, 1 << 31)])]), ErrorCode::FLOW_CONTROL_ERROR);
    let grown = [window_update(1, 0x7fff_0000), settings(&[(4, 0x7fff_ffff)])];
    assert_eq!(code_of(&grown), ErrorCode::FLOW_CONTROL_ERROR);
    // of one stream alone
    let mut link = Link::asking(2);
    link.receive(&window_update(1, 0x7fff_ffff)).unwrap();
    link.receive(&window_update(3, 0)).unwrap();
    let expected = [
        "1 failed a malformed response: its window is beyond 2^31-1",
        "2 failed a malformed response: its window changes by nothing",
    ];
    assert_eq!(link.told, expected);
    assert_eq!(link.sent(), ["1 rst FLOW_CONTROL_ERROR", "3 rst PROTOCOL_ERROR"]);
}

#[test]
fn continuations_are_bounded_in_number() {
    let begun = frame(kind::HEADERS, 0, 1, &block(OK));
    let more = frame(kind::CONTINUATION, 0, 1, b"");
    let last = frame(kind::CONTINUATION, END_HEADERS, 1, b"");
    let (told, end) = told_of(|| Link::asking(1), &[begun.clone(), more.repeat(7), last].concat());
    assert_eq!((told, end), (vec!["1 head HTTP/2 200".to_owned()], Ok(())));
    let fault = fault_of(&[begun, more.repeat(9)]);
    assert_eq!((fault, fault.is_limit()), (LinkFault::TooManyContinuations { limit: 8 }, true));
}

#[test]
fn blocks_are_bounded_also_those_that_nobody_wants() {
    let limits = HttpLimits { head_bytes: 1000, ..HttpLimits::DEFAULT };
    for is_wanted in [true, false] {
        let mut link = Link::with(&limits, &H2Limits::DEFAULT);
        link.receive(&settings(&[])).unwrap();
        let id = link.get(1);
        link.sent();
        if !is_wanted {
            link.connection.cancel(id);
        }
        link.receive(&frame(kind::HEADERS, 0, 1, &[0; 600])).unwrap();
        let fault = link.receive(&frame(kind::CONTINUATION, 0, 1, &[0; 401])).unwrap_err();
        assert_eq!(fault, LinkFault::BlockTooLarge { limit: 1000 });
        assert_eq!(fault.code(), ErrorCode::ENHANCE_YOUR_CALM);
    }
}

#[test]
fn frames_that_bring_nothing_are_bounded() {
    let limits = H2Limits { barren_frames: 10, answers: 1000, ..H2Limits::DEFAULT };
    let link = || {
        let mut link = Link::settled_with(&limits);
        for key in 1..=3 {
            link.get(key);
        }
        link.sent();
        link.connection.cancel(link.id(2));
        link.receive(&headers(1, 0, OK)).unwrap();
        link
    };
    let barren = [
        settings(&[]),
        frame(kind::SETTINGS, ACK, 0, &[]),
        frame(kind::PING, 0, 0, &[0; 8]),
        frame(kind::PING, ACK, 0, &[0; 8]),
        frame(kind::PRIORITY, 0, 1, &[0; 5]),
        window_update(0, 1),
        window_update(1, 1),
        frame(99, 0, 0, b"x"),
        data(1, 0, b""),
        frame(kind::DATA, PADDED, 1, b"\x02__"),
        data(3, 0, b""),
        headers(3, 0, OK),
        rst_stream(3, ErrorCode::CANCEL),
        goaway(7, ErrorCode::NO_ERROR),
    ];
    for frame in barren {
        let mut link = link();
        link.receive(&frame.repeat(10)).unwrap();
        assert_eq!(link.receive(&frame), Err(LinkFault::TooManyBarren { limit: 10 }), "{frame:?}");
    }
}

/// What was under way when we reset a stream, in as small frames as its peer likes, is nobody's fault; what comes beyond the
/// stream's window was not under way.
#[test]
fn data_that_is_late_is_bounded_by_the_window_that_its_stream_had() {
    let limits = H2Limits { barren_frames: 10, ..H2Limits::DEFAULT };
    let mut link = Link::settled_with(&limits);
    link.get(1);
    link.sent();
    let window = limits.initial_window.max(65_535) as usize;
    link.connection.cancel(link.id(1));
    let late = data(1, 0, &[0; 25]);
    for _ in 0..window / 25 {
        link.receive(&late).unwrap();
        link.sent();
    }
    link.receive(&late.repeat(10)).unwrap();
    assert_eq!(link.receive(&late), Err(LinkFault::TooManyBarren { limit: 10 }));
}

/// Who is sent data, or sends some, may say much between.
#[test]
fn progress_refills_what_may_bring_nothing() {
    let limits = H2Limits { barren_frames: 10, ..H2Limits::DEFAULT };
    let mut link = Link::settled_with(&limits);
    link.get(1);
    link.sent();
    link.receive(&headers(1, 0, OK)).unwrap();
    for _ in 0..1000 {
        let frames =
            [data(1, 0, b"x"), window_update(0, 1), frame(kind::PING, 0, 0, &[0; 8])].concat();
        link.receive(&frames).unwrap();
        link.sent();
    }
    // an upload, of which each byte is granted by itself
    let mut link = Link::settled_with(&limits);
    link.post(1, BodyLength::Unknown, &[0; 70_000], SourceRead::End);
    link.sent();
    for _ in 0..1000 {
        link.receive(&[window_update(0, 1), window_update(1, 1)].concat()).unwrap();
        assert_eq!(link.sent().len(), 1);
    }
    // and a response that is long in coming
    let mut link = Link::settled_with(&limits);
    for _ in 0..1000 {
        link.receive(&frame(kind::PING, 0, 0, &[0; 8])).unwrap();
        link.sent();
        link.connection.rested();
    }
}

#[test]
fn answers_that_cannot_leave_are_bounded() {
    let mut link = Link::settled();
    link.receive(&frame(kind::PING, 0, 0, &[0; 8]).repeat(64)).unwrap();
    let fault = link.receive(&frame(kind::PING, 0, 0, &[0; 8])).unwrap_err();
    assert_eq!(fault, LinkFault::TooManyAcks { limit: 64 });
}

/// A compression bomb: each byte of the block is 4 KiB of fields.
#[test]
fn a_bomb_takes_no_more_than_the_limit_of_a_head() {
    let mut block = block(OK);
    block.extend_from_slice(&[0x40, 1, b'a', 0x7f, 0x80 + 1, 0x1e]);
    let len = 127 + 1 + (0x1e << 7);
    block.resize(block.len() + len, b'x');
    block.resize(16_000, 0xbe);
    let mut link = Link::asking(2);
    let frame = frame(kind::HEADERS, END_HEADERS | END_STREAM, 1, &block);
    link.receive(&frame).unwrap();
    assert_eq!(link.told, ["1 failed the response head is larger than the limit of 307200 bytes"]);
    assert!(link.connection.section.len() <= 307_200);
    link.receive(&headers(3, END_STREAM, OK)).unwrap();
    assert_eq!(link.told.last().unwrap(), "2 complete");
}
