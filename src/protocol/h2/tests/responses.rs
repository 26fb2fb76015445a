//! Responses: what becomes of their heads, bodies and trailers, and what is wrong with one alone.

use super::*;

/// What is told of frames to one who asks three times.
#[track_caller]
fn told_of_three(frames: &[Vec<u8>]) -> Vec<String> {
    let (told, end) = told_of(|| Link::asking(3), &frames.concat());
    assert_eq!(end, Ok(()));
    told
}

#[test]
fn a_response_reads_like_one_of_http_1() {
    let fields = &[
        (":status", "200"),
        ("server", "x"),
        ("content-length", "5"),
        ("set-cookie", "a=b"),
        ("set-cookie", "c=d"),
        ("x-empty", ""),
    ];
    let told =
        told_of_three(&[headers(1, 0, fields), data(1, 0, b"he"), data(1, END_STREAM, b"llo")]);
    let expected = [
        "1 head HTTP/2 200 |server: x|content-length: 5|set-cookie: a=b|set-cookie: c=d|x-empty: length 5",
        "1 body hello",
        "1 complete",
    ];
    assert_eq!(told, expected);
    let mut link = Link::asking(1);
    let bytes = headers(1, 0, fields);
    let Ok(Read { event: Event::Head { head, .. }, .. }) = link.connection.read(&bytes) else {
        panic!("it is a head");
    };
    assert_eq!((head.status(), head.version()), (200, crate::protocol::Version::Http2));
    assert_eq!(head.reason(), b"");
    assert_eq!(head.field("SERVER").as_deref(), Some(&b"x"[..]));
    assert_eq!(head.fields().count(), 5);
    assert_eq!(head.to_parts().version, ::http::Version::HTTP_2);
}

#[test]
fn responses_of_several_streams_mix() {
    let told = told_of_three(&[
        headers(3, 0, OK),
        headers(1, 0, OK),
        data(1, 0, b"a"),
        data(3, 0, b"b"),
        headers(5, END_STREAM, &[(":status", "404")]),
        data(1, END_STREAM, b"c"),
        data(3, END_STREAM, b""),
    ]);
    let expected = [
        "2 head HTTP/2 200",
        "1 head HTTP/2 200",
        "1 body a",
        "2 body b",
        "3 head HTTP/2 404",
        "3 complete",
        "1 body c",
        "1 complete",
        "2 complete",
    ];
    assert_eq!(told, expected);
}

#[test]
fn informational_responses_come_before_the_final_one() {
    let told = told_of_three(&[
        headers(1, 0, &[(":status", "103"), ("link", "</a>")]),
        headers(1, 0, &[(":status", "100")]),
        headers(1, END_STREAM, OK),
    ]);
    let expected = [
        "1 informational HTTP/2 103 |link: </a>",
        "1 informational HTTP/2 100",
        "1 head HTTP/2 200",
        "1 complete",
    ];
    assert_eq!(told, expected);
}

#[test]
fn endless_informational_responses_end() {
    let hint = headers(1, 0, &[(":status", "103"), ("link", "</a>")]);
    let limits = HttpLimits { informational: 2, ..HttpLimits::DEFAULT };
    let asking = |limits: &HttpLimits| {
        let mut link = Link::with(limits, &H2Limits::DEFAULT);
        link.receive(&settings(&[])).unwrap();
        link.get(1);
        link.sent();
        link
    };
    let mut link = asking(&limits);
    link.receive(&hint.repeat(3)).unwrap();
    assert_eq!(link.told[2], "1 failed more than 2 informational responses");
    let limits = HttpLimits { head_bytes: 100, ..HttpLimits::DEFAULT };
    let mut link = asking(&limits);
    link.receive(&hint.repeat(6)).unwrap();
    assert_eq!(
        link.told[3],
        "1 failed the informational responses are larger than the limit of 100 bytes"
    );
    assert_eq!(link.sent(), ["1 rst PROTOCOL_ERROR"]);
}

#[test]
fn trailers_come_after_the_body() {
    let told = told_of_three(&[
        headers(1, 0, OK),
        data(1, 0, b"a"),
        headers(1, END_STREAM, &[("digest", "x"), ("x-y", "z")]),
        headers(3, 0, OK),
        headers(3, END_STREAM, &[]),
    ]);
    let expected = [
        "1 head HTTP/2 200",
        "1 body a",
        "1 trailers digest: x|x-y: z",
        "1 complete",
        "2 head HTTP/2 200",
        "2 trailers ",
        "2 complete",
    ];
    assert_eq!(told, expected);
}

/// RFC 9113, 8.1.1: what is announced must come, but where there is no body whatever is announced.
#[test]
fn content_length_is_compared_with_the_data() {
    let five = &[(":status", "200"), ("content-length", "5")];
    let mismatch = |bytes: u64| {
        format!(
            "1 failed the body is not as long as announced: {bytes} bytes came, and Content-Length says 5"
        )
    };
    let head = "1 head HTTP/2 200 |content-length: 5 length 5".to_owned();
    let told = told_of_three(&[headers(1, 0, five), data(1, 0, b"1234"), data(1, END_STREAM, b"")]);
    assert_eq!(told, [head.clone(), "1 body 1234".to_owned(), mismatch(4)]);
    let told = told_of_three(&[headers(1, 0, five), data(1, 0, b"1234"), data(1, 0, b"56")]);
    assert_eq!(told, [head.clone(), "1 body 1234".to_owned(), mismatch(6)]);
    let told =
        told_of_three(&[headers(1, 0, five), data(1, 0, b"1234"), headers(1, END_STREAM, &[])]);
    assert_eq!(told, [head, "1 body 1234".to_owned(), mismatch(4)]);
    let told = told_of_three(&[headers(1, END_STREAM, five)]);
    assert_eq!(told, [mismatch(0)]);
    for status in ["204", "304"] {
        let told = told_of_three(&[headers(
            1,
            END_STREAM,
            &[(":status", status), ("content-length", "5")],
        )]);
        assert_eq!(
            told,
            [format!("1 head HTTP/2 {status} |content-length: 5"), "1 complete".to_owned()]
        );
    }
}

#[test]
fn the_response_to_head_has_no_body() {
    let asking = || {
        let mut link = Link::settled();
        link.begin(1, head(Method::HEAD), BodyLength::None, Vec::new(), b"");
        link.sent();
        link
    };
    let five = headers(1, 0, &[(":status", "200"), ("content-length", "5")]);
    let (told, end) = told_of(asking, &[&five[..], &data(1, END_STREAM, b"")].concat());
    assert_eq!(told, ["1 head HTTP/2 200 |content-length: 5", "1 complete"]);
    assert_eq!(end, Ok(()));
    let (told, _) = told_of(asking, &[&five[..], &data(1, END_STREAM, b"hello")].concat());
    assert!(told[1].starts_with("1 failed the body is not as long as announced: 5"), "{told:?}");
}

/// Each ends its stream alone, with PROTOCOL_ERROR.
#[test]
fn malformed_responses_end_their_stream() {
    let status = (":status", "200");
    let table: &[(&[(&str, &str)], &str)] = &[
        (&[], "a malformed response: it has no :status"),
        (&[("a", "b")], "a malformed response: it has no :status"),
        (&[status, status], "a malformed response: it has :status twice"),
        (
            &[("a", "b"), status],
            "a malformed response: a pseudo-header field that cannot stand there",
        ),
        (
            &[status, (":path", "/")],
            "a malformed response: a pseudo-header field that cannot stand there",
        ),
        (
            &[(":other", ""), status],
            "a malformed response: a pseudo-header field that cannot stand there",
        ),
        (&[(":status", "20")], "malformed field line: \":status: 20\""),
        (&[(":status", "099")], "malformed field line: \":status: 099\""),
        (&[(":status", "2000")], "malformed field line: \":status: 2000\""),
        (&[(":status", "101")], "101 Switching Protocols, but no upgrade was offered"),
        (&[status, ("Server", "x")], "malformed field line: \"Server: x\""),
        (&[status, ("a b", "x")], "malformed field line: \"a b: x\""),
        (&[status, ("", "x")], "malformed field line: \": x\""),
        (&[status, ("a", "x\r\nb: c")], "malformed field line: \"a: x\""),
        (&[status, ("a", "x\nb")], "malformed field line: \"a: x\""),
        (&[status, ("a", "\0")], "malformed field line: \"a: \\x00\""),
        (&[status, ("connection", "close")], "malformed field line: \"connection: close\""),
        (&[status, ("keep-alive", "5")], "malformed field line: \"keep-alive: 5\""),
        (&[status, ("proxy-connection", "x")], "malformed field line: \"proxy-connection: x\""),
        (
            &[status, ("transfer-encoding", "chunked")],
            "malformed field line: \"transfer-encoding: chunked\"",
        ),
        (&[status, ("upgrade", "x")], "malformed field line: \"upgrade: x\""),
        (&[status, ("content-length", "-1")], "malformed Content-Length: \"-1\""),
        (&[status, ("content-length", "")], "malformed Content-Length: \"\""),
        (
            &[status, ("content-length", "1"), ("content-length", "2")],
            "conflicting Content-Lengths: 1 and 2",
        ),
    ];
    for (fields, why) in table {
        let told = told_of_three(&[headers(3, 0, fields), headers(1, END_STREAM, OK)]);
        assert_eq!(
            told,
            [&format!("2 failed {why}"), "1 head HTTP/2 200", "1 complete"],
            "{fields:?}"
        );
        let mut link = Link::asking(3);
        link.receive(&headers(3, 0, fields)).unwrap();
        assert_eq!(link.sent(), ["3 rst PROTOCOL_ERROR"]);
    }
}

#[test]
fn what_is_let_pass() {
    let table: &[(&[(&str, &str)], &str)] = &[
        (&[(":status", "299"), ("a", " b\t")], "299 |a:  b"),
        (&[(":status", "200"), ("a", "\x01\x7f")], "200 |a: \x01\x7f"),
        (&[(":status", "200"), ("content-length", "0, 0"), ("content-length", "0")], ""),
        (&[(":status", "999")], "999"),
    ];
    for (fields, expected) in table {
        let told = told_of_three(&[headers(1, END_STREAM, fields)]);
        assert!(told[0].contains(expected) && told[1] == "1 complete", "{told:?}");
    }
}

#[test]
fn messages_out_of_order_end_their_stream() {
    let table = [
        (vec![data(1, 0, b"x")], "data came before its head"),
        (vec![headers(1, END_STREAM, &[(":status", "100")])], "it ends with an informational head"),
        (vec![headers(1, 0, OK), headers(1, 0, &[("a", "b")])], "it goes on after its trailers"),
        (
            vec![headers(1, 0, OK), headers(1, END_STREAM, OK)],
            "a pseudo-header field that cannot stand there",
        ),
    ];
    for (frames, why) in table {
        let told = told_of_three(&frames);
        assert_eq!(told.last().unwrap(), &format!("1 failed a malformed response: {why}"));
        // what comes late is passed over
        let told = told_of_three(&[frames.concat(), headers(1, 0, OK), data(1, END_STREAM, b"x")]);
        assert_eq!(told.last().unwrap(), &format!("1 failed a malformed response: {why}"));
    }
}

#[test]
fn heads_and_trailers_are_bounded() {
    let limits = HttpLimits { head_bytes: 300, trailer_bytes: 60, ..HttpLimits::DEFAULT };
    let asking = || {
        let mut link = Link::with(&limits, &H2Limits::DEFAULT);
        link.receive(&settings(&[])).unwrap();
        link.get(1);
        link.get(2);
        link.sent();
        link
    };
    // :status counts 42, and each of these 34
    let with = |fields: usize| {
        let mut list = vec![(":status", "200")];
        list.resize(1 + fields, ("a", "b"));
        headers(1, END_STREAM, &list)
    };
    let (told, _) = told_of(asking, &with(7));
    assert_eq!(told[1], "1 complete");
    let (told, _) = told_of(asking, &[with(8), headers(3, END_STREAM, OK)].concat());
    let expected = [
        "1 failed the response head is larger than the limit of 300 bytes",
        "2 head HTTP/2 200",
        "2 complete",
    ];
    assert_eq!(told, expected);
    let frames = [headers(1, 0, OK), headers(1, END_STREAM, &[("a", "b"), ("c", "d")])].concat();
    let (told, _) = told_of(asking, &frames);
    assert_eq!(told[1], "1 failed the trailer section is larger than the limit of 60 bytes");
}

#[test]
fn field_lines_are_counted() {
    let limits = HttpLimits { head_bytes: 1 << 20, ..HttpLimits::DEFAULT };
    let mut link = Link::with(&limits, &H2Limits { continuations: 1000, ..H2Limits::DEFAULT });
    link.receive(&settings(&[])).unwrap();
    link.get(1);
    link.sent();
    let mut fields = vec![(":status", "200")];
    fields.resize(5002, ("a", "b"));
    let block = block(&fields);
    let (first, rest) = block.split_at(16_384);
    link.receive(&frame(kind::HEADERS, 0, 1, first)).unwrap();
    link.receive(&frame(kind::CONTINUATION, END_HEADERS, 1, rest)).unwrap();
    assert_eq!(link.told, ["1 failed the response head has more than 5000 field lines"]);
}

#[test]
fn blocks_come_in_several_frames() {
    let block = block(&[(":status", "200"), ("server", "x")]);
    let (first, rest) = block.split_at(3);
    let (second, third) = rest.split_at(2);
    let told = told_of_three(&[
        frame(kind::HEADERS, END_STREAM, 1, first),
        frame(kind::CONTINUATION, 0, 1, second),
        frame(kind::CONTINUATION, 0, 1, b""),
        frame(kind::CONTINUATION, END_HEADERS, 1, third),
        frame(kind::HEADERS, END_STREAM, 3, b""),
        frame(kind::CONTINUATION, END_HEADERS, 3, &block),
    ]);
    let expected = [
        "1 head HTTP/2 200 |server: x",
        "1 complete",
        "2 head HTTP/2 200 |server: x",
        "2 complete",
    ];
    assert_eq!(told, expected);
}

#[test]
fn padding_and_priority_are_read_past() {
    let padded = [&[3][..], &[0, 0, 0, 0, 16], &block(OK), &[0; 3]].concat();
    let told = told_of_three(&[
        frame(kind::HEADERS, PADDED | PRIORITIZED | END_HEADERS, 1, &padded),
        frame(kind::DATA, PADDED, 1, b"\x02ab__"),
        frame(kind::DATA, PADDED, 1, b"\x00c"),
        frame(kind::DATA, PADDED, 1, b"\x01_"),
        frame(kind::PRIORITY, 0, 1, &[0; 5]),
        frame(kind::PRIORITY, 0, 99, &[0; 5]),
        frame(0xbe, 0xff, 77, b"what nobody knows"),
        frame(kind::DATA, PADDED | END_STREAM, 1, b"\x03d___"),
        headers(3, 0, OK),
        frame(kind::DATA, PADDED | END_STREAM, 3, b"\x03___"),
    ]);
    let expected =
        ["1 head HTTP/2 200", "1 body abcd", "1 complete", "2 head HTTP/2 200", "2 complete"];
    assert_eq!(told, expected);
}

#[test]
fn resets_are_told_and_refusals_apart() {
    let told = told_of_three(&[
        rst_stream(1, ErrorCode::REFUSED_STREAM),
        headers(3, 0, OK),
        rst_stream(3, ErrorCode::HTTP_1_1_REQUIRED),
        rst_stream(5, ErrorCode(99)),
        rst_stream(5, ErrorCode::NO_ERROR),
    ]);
    assert_eq!(
        told,
        ["1 refused", "2 head HTTP/2 200", "2 reset HTTP_1_1_REQUIRED", "3 reset error 0x63"]
    );
}

/// The table of the decoder has to see what nobody wants.
#[test]
fn late_blocks_are_decoded_and_late_data_gives_its_credit_back() {
    let mut link = Link::asking(3);
    assert!(link.connection.cancel(link.id(1)));
    let mut late = block(OK);
    // into the table: a: b
    late.extend_from_slice(&[0x40, 1, b'a', 1, b'b']);
    link.receive(&frame(kind::HEADERS, END_HEADERS, 1, &late)).unwrap();
    link.receive(&frame(kind::HEADERS, END_HEADERS | END_STREAM, 3, &[0x88, 0xbe])).unwrap();
    assert_eq!(link.told, ["2 head HTTP/2 200 |a: b", "2 complete"]);
    assert_eq!(link.sent(), ["1 rst CANCEL"]);
    let frames = data(1, 0, &[0; 16_384]).repeat(600);
    link.receive(&frames).unwrap();
    assert_eq!(link.sent(), ["0 window 9437184"]);
}

#[test]
fn a_stream_that_is_given_up_amid_its_data_is_told_no_more() {
    let mut link = Link::asking(2);
    link.receive(&headers(1, 0, OK)).unwrap();
    let frame = frame(kind::DATA, PADDED | END_STREAM, 1, b"\x02abcdef__");
    link.receive(&frame[..13]).unwrap();
    link.connection.cancel(link.id(1));
    link.receive(&frame[13..]).unwrap();
    link.receive(&headers(3, END_STREAM, OK)).unwrap();
    assert_eq!(link.told, ["1 head HTTP/2 200", "1 body abc", "2 head HTTP/2 200", "2 complete"]);
}
