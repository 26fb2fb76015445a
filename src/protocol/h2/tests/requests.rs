//! Requests: their heads, bodies and trailers, and what ends them.

use super::*;
use crate::protocol::{BodyFault, Trailers};

const POST: &str = ":method: POST|:path: /a|:scheme: https|:authority: example.com";

#[test]
fn heads_have_their_pseudo_header_fields_first() {
    let mut link = Link::settled();
    let mut head =
        RequestHead::new(Method::PUT, &Url::parse("http://u:p@Example.com:8080/?q").unwrap())
            .unwrap();
    head.field("X-Up", " a ").unwrap();
    head.field("Connection", "close").unwrap();
    head.field("Host", "other").unwrap();
    head.field("Authorization", "Basic x").unwrap();
    head.set_cookies(Some(b"a=b".to_vec()));
    link.begin(1, head, BodyLength::Known(0), Vec::new(), b"");
    let star = {
        let mut head = super::head(Method::OPTIONS);
        head.set_target_asterisk().unwrap();
        head
    };
    link.begin(2, star, BodyLength::None, Vec::new(), b"");
    let connect =
        RequestHead::new(Method::CONNECT, &Url::parse("https://example.com/").unwrap()).unwrap();
    link.begin(3, connect, BodyLength::None, Vec::new(), b"");
    link.begin(4, super::head(Method::POST), BodyLength::None, Vec::new(), b"");
    let expected = [
        "1 :method: PUT|:path: /?q|:scheme: http|:authority: other|x-up: a|authorization: Basic x|cookie: a=b|\
         content-length: 0 end",
        "3 :method: OPTIONS|:path: *|:scheme: https|:authority: example.com end",
        "5 :method: CONNECT|:authority: example.com:443 end",
        "7 :method: POST|:path: /a|:scheme: https|:authority: example.com|content-length: 0 end",
    ];
    assert_eq!(link.sent(), expected);
}

/// What requests share is encoded once, and what comes again is an index.
#[test]
fn requests_that_resemble_each_other_become_short() {
    let mut link = Link::settled();
    let mut lens = Vec::new();
    for key in 1..=5 {
        let mut head = super::head(Method::GET);
        head.field("User-Agent", "ringdove/0.1").unwrap();
        head.field("Accept", if key == 4 { "text/html" } else { "*/*" }).unwrap();
        head.field("X-Own", "value").unwrap();
        link.begin(key, head, BodyLength::None, Vec::new(), b"");
        let bytes = link.sent_bytes(1000);
        lens.push(bytes.len());
        let accept = if key == 4 { "text/html" } else { "*/*" };
        let words = link.frames(&bytes).remove(0);
        assert!(
            words.ends_with(&format!("user-agent: ringdove/0.1|accept: {accept}|x-own: value end")),
            "{words}"
        );
    }
    assert!(
        lens[0] > 50 && lens[1] < 30 && lens[1..3] == [lens[1]; 2] && lens[4] == lens[1],
        "{lens:?}"
    );
    // a peer that keeps no table any more: what was an index is none
    link.receive(&settings(&[(1, 0)])).unwrap();
    let mut head = super::head(Method::GET);
    for (name, value) in [("User-Agent", "ringdove/0.1"), ("Accept", "*/*"), ("X-Own", "value")] {
        head.field(name, value).unwrap();
    }
    link.begin(9, head, BodyLength::None, Vec::new(), b"");
    assert!(link.sent()[1].ends_with("user-agent: ringdove/0.1|accept: */*|x-own: value end"));
}

#[test]
fn bodies_of_known_length_end_with_their_last_byte() {
    let mut link = Link::settled();
    link.post(1, BodyLength::Known(20_000), &[b'x'; 20_000], SourceRead::Pending);
    assert_eq!(
        link.sent(),
        [&format!("1 {POST}|content-length: 20000"), "1 data 16384", "1 data 3616 end"]
    );
    let parts: Vec<_> =
        link.owner.marks.iter().map(|(_, mark)| (mark.part, mark.is_last)).collect();
    assert_eq!(parts, [(Part::Head, false), (Part::Body(16_384), false), (Part::Body(3616), true)]);
    let progress = link.connection.progress(link.id(1)).unwrap();
    assert!(progress.is_request_complete && progress.body_sent == 20_000 && !progress.has_response);
}

#[test]
fn bodies_of_unknown_length_end_when_their_source_does() {
    let mut link = Link::settled();
    link.post(1, BodyLength::Unknown, b"hello", SourceRead::End);
    assert_eq!(link.sent(), [&format!("1 {POST}"), "1 data 5 end"]);
    link.post(2, BodyLength::Unknown, b"", SourceRead::End);
    assert_eq!(link.sent(), [&format!("3 {POST}"), "3 data 0 end"]);
    let trailers = Trailers::new().field("Digest", "x").unwrap();
    link.post(3, BodyLength::Unknown, b"hello", SourceRead::EndWith(trailers.clone()));
    link.post(4, BodyLength::Unknown, b"", SourceRead::EndWith(trailers));
    let expected = [
        &format!("5 {POST}"),
        &format!("7 {POST}"),
        "5 data 5",
        "5 digest: x end",
        "7 digest: x end",
    ];
    assert_eq!(link.sent(), expected);
}

#[test]
fn a_source_that_has_nothing_is_asked_again_when_it_may_have() {
    let mut link = Link::settled();
    let id = link.post(1, BodyLength::Unknown, b"a", SourceRead::Pending);
    assert_eq!(link.sent(), [&format!("1 {POST}"), "1 data 1"]);
    assert!(!link.connection.wants_fill());
    let asked = link.owner.asked.get_mut(&1).unwrap();
    asked.bytes = b"bc".to_vec();
    asked.source = vec![SourceRead::End];
    assert_eq!(link.sent(), [""; 0]);
    link.connection.resume(id);
    assert!(link.connection.wants_fill());
    assert_eq!(link.sent(), ["1 data 2 end"]);
    link.connection.resume(id);
    assert!(!link.connection.wants_fill());
}

#[test]
fn sources_that_break_their_word_reset_their_stream() {
    let table = [
        (
            BodyLength::Known(5),
            &b"abc"[..],
            SourceRead::End,
            BodyFault::Short { given: 3, announced: 5 },
        ),
        (
            BodyLength::Known(5),
            b"abc",
            SourceRead::Data(3),
            BodyFault::Long { given: 6, announced: 5 },
        ),
        (
            BodyLength::Known(5),
            b"",
            SourceRead::Failed("x".to_owned()),
            BodyFault::Source("x".to_owned()),
        ),
        (
            BodyLength::Unknown,
            b"",
            SourceRead::Failed("x".to_owned()),
            BodyFault::Source("x".to_owned()),
        ),
    ];
    for (length, bytes, end, fault) in table {
        let mut link = Link::settled();
        let id = link.post(1, length, bytes, end);
        link.get(2);
        let sent = link.sent();
        assert!(sent[0].starts_with("1 ") && sent[1].starts_with("3 "), "{sent:?}");
        assert_eq!(sent[2..], ["1 rst CANCEL"]);
        assert_eq!(link.owner.failed, [(1, RequestFault::Body(fault))]);
        assert_eq!(link.connection.progress(id), None);
    }
}

/// What a head comes to is as the peer counts it, to the byte; one that comes to more is not sent, and no stream is opened by it.
#[test]
fn a_head_that_the_peer_does_not_take_is_not_sent() {
    // `:method GET`, `:scheme https`, `:path /`, `:authority example.com`
    const BARE: usize = (7 + 3) + (7 + 5) + (5 + 1) + (10 + 11) + 4 * 32;
    let fields = [("X-Long", "x".repeat(100)), ("Connection", "close".into())];
    let size = BARE + 6 + 100 + 32;
    for (limit, is_sent) in [(size, true), (size - 1, false), (0, false)] {
        let mut link = Link::settled();
        link.receive(&settings(&[(6, limit as u32)])).unwrap();
        link.sent();
        let url = Url::parse("https://example.com/").unwrap();
        let mut head = RequestHead::new(Method::GET, &url).unwrap();
        for (name, value) in &fields {
            head.field(name, value).unwrap();
        }
        let id = link.begin(1, head, BodyLength::None, Vec::new(), b"");
        let sent = link.sent();
        match is_sent {
            true => assert!(sent[0].starts_with("1 ") && link.owner.failed.is_empty(), "{sent:?}"),
            false => {
                let fault = RequestFault::HeadTooLarge { size, limit: limit as u32 };
                assert_eq!(
                    (sent.len(), &link.owner.failed[..]),
                    (0, &[(1, fault)][..]),
                    "{sent:?}"
                );
                assert_eq!(link.connection.progress(id), None);
            }
        }
    }
}

#[test]
fn bodies_leave_in_turn() {
    let mut link = Link::settled();
    link.receive(&window_update(0, 1 << 20)).unwrap();
    for key in 1..=3 {
        link.post(key, BodyLength::Unknown, &[0; 40_000], SourceRead::End);
    }
    let turns: Vec<_> = link.sent().iter().filter(|line| line.contains("data")).cloned().collect();
    let numbers: Vec<_> = turns.iter().map(|line| &line[..1]).collect();
    assert_eq!(numbers[..6], ["1", "3", "5", "1", "3", "5"]);
}

#[test]
fn what_leaves_is_the_same_in_outputs_of_every_size() {
    let filled = || {
        let mut link = Link::settled();
        let mut long = super::head(Method::GET);
        long.field("X-Long", "v".repeat(40_000)).unwrap();
        link.begin(1, long, BodyLength::None, Vec::new(), b"");
        link.post(2, BodyLength::Unknown, &[7; 500], SourceRead::End);
        link.connection.prioritize(link.id(2), 1, true);
        link
    };
    let expected = [
        kind::PRIORITY_UPDATE,
        kind::HEADERS,
        kind::CONTINUATION,
        kind::CONTINUATION,
        kind::HEADERS,
    ];
    for size in [64, 65, 100, 511, 512, 1000, 16_384, 65_536] {
        let mut link = filled();
        let bytes = link.sent_bytes(size);
        // frames of a block follow on one another
        let mut rest = &bytes[..];
        let (mut body, mut block, mut kinds) = (0, 0, Vec::new());
        while let Some(chunk) = rest.first_chunk() {
            let header = FrameHeader::read(chunk);
            rest = &rest[FrameHeader::LEN + header.length..];
            kinds.push(header.kind);
            match header.kind {
                kind::DATA => body += header.length,
                kind::HEADERS | kind::CONTINUATION if header.stream == 1 => block += header.length,
                _ => {}
            }
        }
        kinds.retain(|kind| *kind != kind::DATA);
        assert_eq!(kinds, expected, "{size}");
        assert!(body == 500 && block > 20_000, "{size}: {body} {block}");
        let last = link.owner.marks.last().unwrap();
        assert_eq!((last.0, last.1.is_last), (2, true));
    }
}

/// Marks say up to where an output is of whom.
#[test]
fn marks_say_what_left_and_where_it_ends() {
    let mut link = Link::settled();
    link.get(7);
    link.post(8, BodyLength::Known(3), b"abc", SourceRead::End);
    let bytes = link.sent_bytes(1000);
    let marks: Vec<_> =
        link.owner.marks.iter().map(|(key, mark)| (*key, mark.part, mark.is_last)).collect();
    assert_eq!(marks, [(7, Part::Head, true), (8, Part::Head, false), (8, Part::Body(3), true)]);
    let ends: Vec<_> = link.owner.marks.iter().map(|(_, mark)| mark.end).collect();
    assert_eq!(ends[2], bytes.len());
    assert_eq!(link.frames(&bytes[..ends[0]]).len(), 1);
    assert_eq!(bytes[ends[1]..], data(3, END_STREAM, b"abc"));
}

#[test]
fn a_request_that_has_not_left_is_given_up_without_a_trace() {
    let mut link = Link::settled();
    let id = link.get(1);
    link.get(2);
    assert!(!link.connection.progress(id).unwrap().is_sent);
    assert!(!link.connection.cancel(id));
    assert!(!link.connection.cancel(id));
    assert_eq!(
        link.sent(),
        ["3 :method: GET|:path: /a|:scheme: https|:authority: example.com end"]
    );
    assert_eq!(link.connection.resets(), 0);
    assert!(link.connection.cancel(link.id(2)));
    assert_eq!((link.sent(), link.connection.resets()), (vec!["3 rst CANCEL".to_owned()], 1));
    assert_eq!(link.connection.capacity(), 100);
    // an owner who has let go of its request
    link.get(3);
    link.owner.asked.clear();
    assert_eq!(link.sent(), [""; 0]);
    assert_eq!(link.connection.open(), 0);
}

/// RFC 9113, 8.1: a complete response, and a request that is not; then a reset without an error.
#[test]
fn an_early_response_ends_the_request_and_counts() {
    let mut link = Link::settled();
    link.post(1, BodyLength::Unknown, b"abc", SourceRead::Pending);
    link.sent();
    link.receive(&headers(1, END_STREAM, &[(":status", "413")])).unwrap();
    link.receive(&rst_stream(1, ErrorCode::NO_ERROR)).unwrap();
    assert_eq!(link.told, ["1 head HTTP/2 413", "1 complete"]);
    assert_eq!(link.sent(), ["1 rst CANCEL"]);
    assert_eq!(link.connection.open(), 0);
}

#[test]
fn a_response_without_success_stops_the_body() {
    let posting = |status: &str| {
        let mut link = Link::settled();
        let id = link.post(1, BodyLength::Unknown, b"abc", SourceRead::Pending);
        link.sent();
        link.receive(&headers(1, 0, &[(":status", status)])).unwrap();
        link.owner.asked.get_mut(&1).unwrap().bytes = b"more".to_vec();
        link.connection.resume(id);
        link.sent()
    };
    assert_eq!(posting("200"), ["1 data 4"]);
    assert_eq!(posting("403"), [""; 0]);
    assert_eq!(posting("302"), [""; 0]);
}

#[test]
fn a_body_may_wait_to_be_asked_for() {
    let expecting = || {
        let mut link = Link::settled();
        let mut head = super::head(Method::POST);
        head.field("Expect", "100-continue").unwrap();
        let id = link.begin(1, head, BodyLength::Known(3), vec![SourceRead::End], b"abc");
        assert_eq!(link.sent(), [format!("1 {POST}|expect: 100-continue|content-length: 3")]);
        assert!(link.connection.progress(id).unwrap().awaits_continue);
        link
    };
    let mut link = expecting();
    link.receive(&headers(1, 0, &[(":status", "102")])).unwrap();
    assert_eq!(link.sent(), [""; 0]);
    link.receive(&headers(1, 0, &[(":status", "100")])).unwrap();
    assert_eq!(link.sent(), ["1 data 3 end"]);
    let mut link = expecting();
    link.connection.send_body(link.id(1));
    assert_eq!(link.sent(), ["1 data 3 end"]);
    for status in ["200", "417"] {
        let mut link = expecting();
        link.receive(&headers(1, 0, &[(":status", status)])).unwrap();
        assert_eq!(link.sent(), [""; 0], "{status}");
        link.receive(&data(1, END_STREAM, b"x")).unwrap();
        assert_eq!(link.sent(), ["1 rst CANCEL"]);
        assert_eq!(link.told.last().unwrap(), "1 complete");
    }
}

#[test]
fn priority_is_told_where_it_is_set() {
    let mut link = Link::settled();
    let id = link.get(1);
    link.connection.prioritize(id, 5, false);
    link.connection.prioritize(id, 99, true);
    let sent = link.sent();
    assert_eq!(sent[..2], ["1 priority u=5", "1 priority u=7,i"]);
    assert_eq!(sent.len(), 3);
}
