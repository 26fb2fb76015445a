//! How a connection begins, is kept, and ends.

use super::*;

#[test]
fn a_connection_begins_with_the_preface_and_settings() {
    let mut link = Link::new();
    assert!(link.connection.wants_fill());
    let bytes = link.sent_bytes(1000);
    assert!(bytes.starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    assert_eq!(link.frames(&bytes), ["settings 4", "0 window 67043329"]);
    assert!(!link.connection.wants_fill());
    // no pushes; the table's size, and the longest list
    let payload = &bytes[24 + 9..24 + 9 + 24];
    assert_eq!(payload[..12], [0, 1, 0, 0, 0x10, 0, 0, 2, 0, 0, 0, 0]);
    assert_eq!(payload[18..], [0, 6, 0, 4, 0xb0, 0]);
}

#[test]
fn requests_leave_before_the_peer_has_said_anything() {
    let mut link = Link::new();
    assert_eq!(link.connection.capacity(), 100);
    link.get(1);
    assert_eq!(
        link.sent()[2],
        "1 :method: GET|:path: /a|:scheme: https|:authority: example.com end"
    );
}

#[test]
fn the_first_frame_is_settings() {
    let table: [&[u8]; 4] = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        &frame(kind::PING, 0, 0, &[0; 8]),
        &frame(kind::SETTINGS, ACK, 0, &[]),
        &frame(99, 0, 0, &[]),
    ];
    for bytes in table {
        let (told, end) = told_of(Link::new, bytes);
        assert_eq!((told, end), (vec![], Err(LinkFault::NoSettings)));
    }
}

#[test]
fn settings_and_pings_are_acknowledged_in_their_order() {
    let mut link = Link::settled();
    link.receive(&settings(&[(3, 7)])).unwrap();
    link.receive(&frame(kind::PING, 0, 0, &5u64.to_be_bytes())).unwrap();
    link.receive(&settings(&[(3, 8)])).unwrap();
    assert_eq!(link.connection.capacity(), 8);
    assert_eq!(link.sent(), ["settings ack", "pong 5", "settings ack"]);
}

#[test]
fn a_ping_of_ours_is_answered() {
    let mut link = Link::settled();
    assert!(link.connection.ping(7));
    assert!(!link.connection.ping(8));
    assert_eq!(link.sent(), ["ping 7"]);
    link.receive(&frame(kind::PING, ACK, 0, &8u64.to_be_bytes())).unwrap();
    link.receive(&frame(kind::PING, ACK, 0, &7u64.to_be_bytes())).unwrap();
    link.receive(&frame(kind::PING, ACK, 0, &7u64.to_be_bytes())).unwrap();
    assert_eq!(link.told, ["pong 7"]);
    assert!(link.connection.ping(8));
}

/// RFC 9113, 6.8: above the last stream nothing was processed, the others go on, and none is begun.
#[test]
fn a_peer_that_goes_away_refuses_what_it_has_not_processed() {
    let told = told_of(
        || Link::asking(4),
        &[
            goaway(5, ErrorCode::NO_ERROR),
            headers(1, END_STREAM, OK),
            headers(3, 0, OK),
            goaway(3, ErrorCode::INTERNAL_ERROR),
            data(3, END_STREAM, b"x"),
        ]
        .concat(),
    );
    let expected = [
        "goaway 5 NO_ERROR why",
        "4 refused",
        "1 head HTTP/2 200",
        "1 complete",
        "2 head HTTP/2 200",
        "goaway 3 INTERNAL_ERROR why",
        "3 refused",
        "2 body x",
        "2 complete",
    ];
    assert_eq!(told, (expected.map(str::to_owned).to_vec(), Ok(())));
    let mut link = Link::asking(1);
    link.receive(&goaway(0x7fff_ffff, ErrorCode::NO_ERROR)).unwrap();
    assert_eq!(link.told, ["goaway 2147483647 NO_ERROR why"]);
    assert!(link.connection.is_draining() && link.connection.capacity() == 0);
    assert_eq!(link.connection.begin(9, &head(Method::GET), BodyLength::None), None);
    assert_eq!(link.connection.open(), 1);
    assert_eq!(link.connection.eof(), Err(LinkFault::UnexpectedEof));
}

/// Whatever the last stream is: what has not left does not.
#[test]
fn requests_that_have_not_left_are_refused_by_any_goaway() {
    let mut link = Link::asking(1);
    link.get(2);
    link.get(3);
    link.receive(&goaway(0x7fff_ffff, ErrorCode::NO_ERROR)).unwrap();
    assert_eq!(link.told, ["goaway 2147483647 NO_ERROR why", "2 refused", "3 refused"]);
    assert_eq!(link.sent(), [""; 0]);
}

/// RFC 9113, 7: what was not processed is to be asked for by HTTP/1.1, and not by HTTP/2 elsewhere.
#[test]
fn who_goes_away_for_http1_resets_what_he_has_not_processed() {
    let mut link = Link::asking(2);
    link.receive(&goaway(1, ErrorCode::HTTP_1_1_REQUIRED)).unwrap();
    assert_eq!(link.told, ["goaway 1 HTTP_1_1_REQUIRED why", "2 reset HTTP_1_1_REQUIRED"]);
}

#[test]
fn a_goaway_never_takes_back_another() {
    let bytes = [goaway(1, ErrorCode::NO_ERROR), goaway(3, ErrorCode::NO_ERROR)].concat();
    let (told, end) = told_of(|| Link::asking(1), &bytes);
    assert_eq!(told, ["goaway 1 NO_ERROR why"]);
    assert_eq!(end.unwrap_err().code(), ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn who_shuts_down_finishes_what_it_has_begun() {
    let mut link = Link::asking(1);
    link.connection.shut_down();
    link.connection.shut_down();
    assert_eq!(link.connection.capacity(), 0);
    assert_eq!(link.sent(), ["goaway 0 NO_ERROR"]);
    link.receive(&headers(1, END_STREAM, OK)).unwrap();
    assert_eq!(link.told, ["1 head HTTP/2 200", "1 complete"]);
    assert_eq!(link.connection.eof(), Ok(()));
}

#[test]
fn a_connection_that_ends_under_requests_is_a_fault() {
    let mut link = Link::asking(1);
    assert_eq!(link.connection.eof(), Err(LinkFault::UnexpectedEof));
    assert_eq!(Link::settled().connection.eof(), Ok(()));
}

/// RFC 9113, 5.1.2: the peer may allow fewer than are open, or none.
#[test]
fn capacity_is_what_the_peer_allows() {
    let mut link = Link::new();
    for key in 1..=3 {
        link.get(key);
    }
    link.receive(&settings(&[(3, 2)])).unwrap();
    assert_eq!(link.connection.capacity(), 0);
    // the third was begun, and waits
    assert_eq!(link.sent().len(), 2 + 1 + 2);
    assert!(!link.connection.wants_fill());
    link.receive(&headers(1, END_STREAM, OK)).unwrap();
    assert!(link.connection.wants_fill());
    assert!(link.sent()[0].starts_with("5 :method: GET"));
    link.receive(&settings(&[(3, 0)])).unwrap();
    link.receive(&headers(3, END_STREAM, OK)).unwrap();
    link.receive(&headers(5, END_STREAM, OK)).unwrap();
    assert_eq!((link.connection.open(), link.connection.capacity()), (0, 0));
    link.receive(&settings(&[(3, 5000)])).unwrap();
    assert_eq!(link.connection.capacity(), 1000);
}

#[test]
fn numbers_run_out() {
    let mut link = Link::settled();
    link.connection.next = frame::MOST_STREAM - 2;
    assert_eq!((link.connection.capacity(), link.connection.numbers_left()), (2, 2));
    assert_eq!(link.get(1).number(), frame::MOST_STREAM - 2);
    assert_eq!(link.get(2).number(), frame::MOST_STREAM);
    assert!(link.connection.is_draining() && link.connection.capacity() == 0);
    assert_eq!(link.connection.begin(3, &head(Method::GET), BodyLength::None), None);
    link.sent();
    link.receive(&headers(frame::MOST_STREAM, END_STREAM, OK)).unwrap();
    assert_eq!(link.told, ["2 head HTTP/2 200", "2 complete"]);
}

#[test]
fn an_idle_connection_gives_its_memory_back() {
    let mut link = Link::asking(100);
    let long = "x".repeat(5000);
    for key in 1..=100 {
        link.receive(&headers(2 * key - 1, END_STREAM, &[(":status", "200"), ("a", &long)]))
            .unwrap();
    }
    link.connection.shrink();
    assert!(link.connection.heads.capacity() + link.connection.bodies.capacity() < 10);
    assert_eq!(link.connection.section.len(), 0);
    link.get(101);
    assert_eq!(
        link.sent(),
        ["201 :method: GET|:path: /a|:scheme: https|:authority: example.com end"]
    );
}
