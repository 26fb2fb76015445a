//! Windows of streams and of the connection, in both directions.

use super::*;

fn data_of(frames: &[String]) -> usize {
    let lens = frames
        .iter()
        .filter_map(|line| line.split(" data ").nth(1)?.split(' ').next()?.parse::<usize>().ok());
    lens.sum()
}

#[test]
fn bodies_leave_within_the_windows_of_stream_and_connection() {
    let mut link = Link::settled();
    for key in 1..=2 {
        link.post(key, BodyLength::Unknown, &[0; 100_000], SourceRead::End);
    }
    assert_eq!(data_of(&link.sent()), 65_535);
    assert!(!link.connection.wants_fill(), "the connection's window is spent");
    link.receive(&window_update(1, 100_000)).unwrap();
    assert!(!link.connection.wants_fill());
    link.receive(&window_update(0, 100_000)).unwrap();
    assert!(link.connection.wants_fill());
    assert_eq!(data_of(&link.sent()), 100_000);
    link.receive(&window_update(0, 100_000)).unwrap();
    // the second stream has no window left
    assert_eq!(data_of(&link.sent()), 100_000 + 65_535 - 165_535);
    assert!(!link.connection.wants_fill());
    link.receive(&window_update(3, 50_000)).unwrap();
    let sent = link.sent();
    assert_eq!(data_of(&sent), 34_465);
    assert!(sent.last().unwrap().ends_with(" end"));
}

/// RFC 9113, 6.9.2: settings change the windows of open streams, which may become negative.
#[test]
fn settings_change_windows_which_may_become_negative() {
    let mut link = Link::settled();
    link.receive(&window_update(0, 1 << 20)).unwrap();
    link.post(1, BodyLength::Unknown, &[0; 200_000], SourceRead::End);
    assert_eq!(data_of(&link.sent()), 65_535);
    link.receive(&settings(&[(4, 0)])).unwrap();
    link.receive(&window_update(1, 65_535)).unwrap();
    assert_eq!(link.sent(), ["settings ack"]);
    link.receive(&window_update(1, 10)).unwrap();
    assert_eq!(link.sent(), ["1 data 10"]);
    link.receive(&settings(&[(4, 1000)])).unwrap();
    assert_eq!(link.sent(), ["settings ack", "1 data 1000"]);
    // of several the last counts
    link.receive(&settings(&[(4, 0), (4, 0x7fff_ffff), (4, 1500)])).unwrap();
    assert_eq!(link.sent(), ["settings ack", "1 data 500"]);
    link.post(2, BodyLength::Unknown, &[0; 2000], SourceRead::End);
    assert_eq!(data_of(&link.sent()), 1500);
}

#[test]
fn what_is_consumed_is_granted_again_and_more() {
    let mut link = Link::asking(1);
    link.receive(&headers(1, 0, OK)).unwrap();
    link.receive(&data(1, 0, &[0; 16_384])).unwrap();
    assert_eq!(link.sent(), [""; 0]);
    link.receive(&data(1, 0, &[0; 16_384])).unwrap();
    // four times as wide: 262,140
    assert_eq!(link.sent(), ["1 window 229373"]);
    for _ in 0..7 {
        link.receive(&data(1, 0, &[0; 16_384])).unwrap();
        assert_eq!(link.sent(), [""; 0]);
    }
    link.receive(&data(1, 0, &[0; 16_384])).unwrap();
    assert_eq!(link.sent(), ["1 window 917492"]);
}

#[test]
fn who_has_a_pace_of_his_own_has_a_window_that_stays() {
    let mut link = Link::asking(2);
    link.connection.pace(link.id(1));
    link.receive(&headers(3, 0, OK)).unwrap();
    link.receive(&data(3, 0, &[0; 16_384]).repeat(2)).unwrap();
    link.receive(&data(3, END_STREAM, &[])).unwrap();
    link.sent();
    // though another one became wide
    link.receive(&headers(1, 0, &[(":status", "200"), ("content-length", "1000000")])).unwrap();
    link.receive(&data(1, 0, &[0; 16_384]).repeat(2)).unwrap();
    assert_eq!(link.sent(), ["1 window 32768"]);
}

/// A pause withholds its own stream's window, and nothing else.
#[test]
fn who_consumes_nothing_is_sent_no_more_than_a_window() {
    let mut link = Link::asking(2);
    link.consumes = false;
    link.receive(&[headers(1, 0, OK), headers(3, 0, OK)].concat()).unwrap();
    link.receive(&data(1, 0, &[0; 16_384]).repeat(3)).unwrap();
    assert_eq!(link.sent(), [""; 0]);
    // the other stream goes on, for as long as the connection does
    link.consumes = true;
    for _ in 0..2000 {
        link.receive(&data(3, 0, &[0; 16_000])).unwrap();
        let frames = link.sent();
        assert!(
            frames.iter().all(|line| line.starts_with("3 window") || line.starts_with("0 window")),
            "{frames:?}"
        );
    }
    link.consumes = false;
    link.receive(&data(1, 0, &[0; 16_000])).unwrap();
    link.receive(&data(1, 0, &[0; 16_000])).unwrap();
    assert_eq!(
        link.told.last().unwrap(),
        "1 failed a malformed response: more data came than its window has room for"
    );
    assert_eq!(link.sent(), ["1 rst FLOW_CONTROL_ERROR"]);
}

#[test]
fn what_was_held_is_granted_when_it_is_consumed() {
    let mut link = Link::asking(1);
    link.consumes = false;
    link.receive(&headers(1, 0, OK)).unwrap();
    link.receive(&data(1, 0, &[0; 16_000]).repeat(4)).unwrap();
    let id = link.id(1);
    link.connection.consumed(id, 32_000);
    assert_eq!(link.sent(), [""; 0]);
    link.connection.consumed(id, 16_000);
    // what comes next is held still, so that the window stays as it is
    assert_eq!(link.sent(), ["1 window 48000"]);
    link.connection.consumed(id, 1_000_000);
    link.connection.consumed(id, 1_000_000);
    assert_eq!(link.sent(), [""; 0]);
}

#[test]
fn a_body_that_fits_is_granted_nothing() {
    let mut link = Link::asking(1);
    link.receive(&headers(1, 0, &[(":status", "200"), ("content-length", "60000")])).unwrap();
    link.receive(&data(1, 0, &[0; 15_000]).repeat(4)).unwrap();
    link.receive(&data(1, END_STREAM, &[])).unwrap();
    assert_eq!(link.told.last().unwrap(), "1 complete");
    assert_eq!(link.sent(), [""; 0]);
}

/// Padding spends a window as well, and nobody knows how much of it will come.
#[test]
fn a_small_body_with_much_padding_is_granted_more() {
    let mut link = Link::asking(1);
    link.receive(&headers(1, 0, &[(":status", "200"), ("content-length", "900")])).unwrap();
    let padded = [&[146, 1, 2][..], &[0; 146]].concat();
    for _ in 0..450 {
        link.receive(&data(1, PADDED, &padded)).unwrap();
    }
    assert!(link.sent().iter().any(|line| line.starts_with("1 window")));
    link.receive(&data(1, END_STREAM, &[])).unwrap();
    assert_eq!(link.told.last().unwrap(), "1 complete");
}

/// Apache, and others by nghttp2, read that a file has ended only once they may send more of it.
#[test]
fn a_body_of_all_that_is_granted_is_granted_more_for_its_end() {
    let mut link = Link::asking(2);
    let pieces = [16_384, 16_384, 16_384, 16_383];
    for number in [1, 3] {
        let length = [(":status", "200"), ("content-length", "65535")];
        link.receive(&headers(number, 0, &length)).unwrap();
        let head = link.sent();
        for bytes in pieces {
            link.receive(&data(number, 0, &vec![0; bytes])).unwrap();
        }
        let granted = [head, link.sent()].concat();
        assert!(granted.iter().any(|line| line.starts_with(&format!("{number} window"))));
    }
    link.receive(&data(3, END_STREAM, &[])).unwrap();
    assert_eq!(link.told.last().unwrap(), "2 complete");
}

/// It is not by its head that a window becomes wide: nobody knows yet whether the body is waited for.
#[test]
fn a_body_after_a_large_one_has_a_wide_window_once_it_is_consumed() {
    let mut link = Link::asking(2);
    link.receive(&headers(1, 0, OK)).unwrap();
    link.receive(&data(1, 0, &[0; 16_384]).repeat(2)).unwrap();
    assert_eq!(link.sent(), ["1 window 229373"]);
    link.receive(&data(1, 0, &[0; 16_384]).repeat(8)).unwrap();
    link.receive(&data(1, END_STREAM, &[])).unwrap();
    assert_eq!(link.sent(), ["1 window 917492"]);
    link.receive(&headers(3, 0, &[(":status", "200"), ("content-length", "1000000")])).unwrap();
    assert_eq!(link.sent(), [""; 0]);
    link.receive(&data(3, 0, &[0; 16_384]).repeat(2)).unwrap();
    // all that is missing, and a byte to spare
    assert_eq!(link.sent(), ["3 window 934466"]);
}

/// RFC 9113, 6.9.1: padding counts, and its credit comes back by itself.
#[test]
fn padding_gives_its_credit_back() {
    let mut link = Link::asking(1);
    link.consumes = false;
    link.receive(&headers(1, 0, OK)).unwrap();
    let padded = frame(kind::DATA, PADDED, 1, &[&[255][..], b"x", &[0; 255]].concat());
    for _ in 0..65_535 / 257 * 3 {
        link.receive(&padded).unwrap();
        link.sent();
    }
    assert!(link.told.last().unwrap().starts_with("1 body"), "{:?}", link.told.last());
}

#[test]
fn more_than_the_connections_window_is_a_fault() {
    let limits = H2Limits { connection_window: 65_535, ..H2Limits::DEFAULT };
    let mut link = Link::settled_with(&limits);
    for key in 1..=5 {
        link.get(key);
    }
    link.sent();
    let all: Vec<u8> = (0..5)
        .flat_map(|nth| [headers(2 * nth + 1, 0, OK), data(2 * nth + 1, 0, &[0; 16_384])].concat())
        .collect();
    // what was received is granted again, and may come as soon as it is
    link.receive(&all).unwrap();
    assert_eq!(link.sent().len(), 1);
    let limits = H2Limits { connection_window: 65_535, ..H2Limits::DEFAULT };
    let mut link = Link::settled_with(&limits);
    link.connection.inbound = crate::protocol::h2::flow::Inbound::new(100);
    link.get(1);
    link.sent();
    link.receive(&headers(1, 0, OK)).unwrap();
    let fault = link.receive(&data(1, 0, &[0; 101])).unwrap_err();
    assert_eq!(fault.code(), ErrorCode::FLOW_CONTROL_ERROR);
}
