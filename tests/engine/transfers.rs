//! One transfer: what it reports, what it may take, and how its owner ends it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use http::Method;
use ringdove::Handler;
use ringdove::engine::{Flow, Options, Output, Request};
use ringdove::error::{Cause, Operation, Phase};
use ringdove::protocol::Fields;

use crate::harness::{Harness, Log, OK, following, get, get_url, ms};

/// A handler may know its transfer's id from the beginning.
#[test]
fn a_handler_may_know_its_id() {
    struct Named(ringdove::TransferId);

    impl Handler for Named {
        fn body(&mut self, _: &[u8]) -> Flow {
            Flow::Continue
        }
    }

    let mut h = Harness::new(1);
    let id = h.engine.add_with(get("/"), Named).unwrap();
    let handler = h.engine.remove(id).unwrap();
    let handler: Box<dyn std::any::Any> = handler;
    assert_eq!(handler.downcast::<Named>().unwrap().0, id);
}

#[test]
fn requests_of_the_crate_http_are_taken() {
    let request =
        http::Request::put("http://a.test/x?y").header("X-One", "1").body("hello").unwrap();
    let request = Request::try_from(request).unwrap();
    assert_eq!((request.head().target(), request.head().fields()), ("/x?y", &b"x-one: 1\r\n"[..]));
    let again = request.try_clone().expect("its body is in memory");
    assert_eq!(again.head(), request.head());
    let old =
        http::Request::get("http://a.test/").version(http::Version::HTTP_10).body(()).unwrap();
    assert_eq!(Request::try_from(old).unwrap().head().version(), ringdove::Version::Http10);
    let reserved = http::Request::get("http://a.test/").header("te", "trailers").body(()).unwrap();
    assert!(Request::try_from(reserved).is_err());
}

#[test]
fn the_report_says_what_it_took() {
    let mut h = Harness::new(1);
    h.add(get_url("http://a.test/").body("hello"));
    let lookup = h.wants_lookup();
    h.at(1_010);
    h.resolved(lookup, &["10.0.0.9"]);
    let (connection, _) = h.wants_connect();
    h.at(1_030);
    h.engine.handle_connected(connection);
    let sent = h.sent(connection);
    h.at(1_060);
    h.received(connection, &OK[..5]);
    h.at(1_100);
    h.received(connection, &OK[5..]);
    let report = h.succeeds().outcome.report;
    let times = report.times;
    assert_eq!((times.queue, times.resolve, times.connect), (ms(0), ms(10), ms(20)));
    assert_eq!((times.tls, times.first_byte, times.total), (ms(0), ms(30), ms(100)));
    assert_eq!((report.wire_sent, report.wire_received), (sent.len() as u64, OK.len() as u64));
    assert_eq!((report.body_received, report.status), (2, Some(200)));
    assert_eq!(report.remote.unwrap().to_string(), "10.0.0.9:80");
    assert_eq!((report.reused, report.resent), (false, 0));
    // the second on the connection counts for itself alone
    h.at(1_200);
    h.add(get_url("http://a.test/"));
    let sent = h.sent(connection);
    h.received(connection, OK);
    let report = h.succeeds().outcome.report;
    assert_eq!((report.wire_sent, report.wire_received), (sent.len() as u64, OK.len() as u64));
    assert_eq!((report.times.total, report.reused), (ms(0), true));
    h.ends_empty();
}

/// Keeps what goes out.
#[derive(Clone, Default)]
struct Outgoing(Rc<RefCell<(Vec<u8>, Vec<u8>)>>);

impl Handler for Outgoing {
    fn sending(&mut self, head: &[u8], body: &[u8]) {
        let mut kept = self.0.borrow_mut();
        kept.0.extend_from_slice(head);
        kept.1.extend_from_slice(body);
    }

    fn body(&mut self, _: &[u8]) -> Flow {
        Flow::Continue
    }
}

#[test]
fn a_handler_sees_what_is_sent_of_each_request() {
    let long = "x".repeat(20_000);
    for url in ["http://10.0.0.1/a".to_owned(), format!("http://10.0.0.1/{long}")] {
        let mut h = Harness::new(1);
        let outgoing = Outgoing::default();
        let request = Request::new(Method::PUT, &url).unwrap().body(long.as_str());
        h.add_with(request.options(following()), outgoing.clone());
        let connection = h.connect();
        let mut sent = h.sent(connection);
        h.received(connection, b"HTTP/1.1 303 See\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n");
        sent.extend(h.sent(connection));
        h.received(connection, OK);
        h.succeeds();
        let (head, body) = outgoing.0.take();
        assert_eq!(body, long.as_bytes());
        let second = String::from_utf8_lossy(&head).find("GET /b").expect("of both requests");
        assert!([&head[..second], &body, &head[second..]].concat() == sent, "all that was sent");
    }
}

#[test]
fn a_failure_reports_what_it_took_too() {
    let mut h = Harness::new(1);
    h.add(get("/"));
    let connection = h.ask();
    h.received(connection, b"HTTP/1.1 206 Some\r\nContent-Length: 10\r\n\r\nabc");
    h.engine.handle_failed(connection, Operation::Recv, 104);
    let message = h.message();
    let report = message.outcome.report;
    assert_eq!((report.status, report.body_received), (Some(206), 3));
    let error = message.outcome.result.unwrap_err();
    assert_eq!(error.cause, Cause::Os { operation: Operation::Recv, errno: 104 });
    assert_eq!(error.phase, Phase::Receive);
}

#[test]
fn the_largest_body_is_taken_and_one_byte_more_is_not() {
    let limited = |limit| Arc::new(Options { max_body: Some(limit), ..Options::default() });
    let responses: [&[u8]; 2] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n",
    ];
    for response in responses {
        let mut h = Harness::new(1);
        h.add(get("/").options(limited(6)));
        let connection = h.ask();
        h.received(connection, response);
        h.succeeds();
        h.add(get("/").options(limited(5)));
        h.sent(connection);
        h.received(connection, response);
        assert_eq!(h.fails().cause, Cause::BodyTooLarge { limit: 5 });
        h.wants_close(connection);
        h.ends_empty();
    }
    // a length that is announced is enough; one that describes no body here is not
    let mut h = Harness::new(1);
    h.add(get("/").options(limited(5)));
    let connection = h.ask();
    h.received(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n");
    assert_eq!(h.fails().cause, Cause::BodyTooLarge { limit: 5 });
    h.wants_close(connection);
    h.add(Request::new(Method::HEAD, "http://10.0.0.1/").unwrap().options(limited(5)));
    let connection = h.ask();
    h.received(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n");
    h.succeeds();
}

#[test]
fn a_handler_aborts() {
    for log in [Log::at_head(Flow::Abort("no".into())), Log::at_body(Flow::Abort("no".into()))] {
        let mut h = Harness::new(1);
        h.add_with(get("/"), log.clone());
        let connection = h.ask();
        h.received(connection, OK);
        assert_eq!(h.fails().cause, Cause::Aborted("no".into()));
        assert_eq!(log.seen.borrow().done, 1);
        h.wants_close(connection);
        h.ends_empty();
    }
}

#[test]
fn removed_in_each_state() {
    enum At {
        Admission,
        Queue,
        Lookup,
        Connecting,
        Sending,
        Receiving,
        Paused,
    }
    use At::*;
    for at in [Admission, Queue, Lookup, Connecting, Sending, Receiving, Paused] {
        let mut h = Harness::new(1);
        let log = Log::default();
        let url = if matches!(at, Lookup) { "http://a.test/" } else { "http://10.0.0.1/" };
        if matches!(at, Queue) {
            h.add(get("/first"));
            h.connect();
        }
        let id = h.engine.add(get_url(url), Box::new(log.clone())).unwrap();
        if !matches!(at, Admission) {
            h.again();
        }
        let connection = match at {
            Admission | Queue | Lookup => None,
            Connecting => Some(h.wants_connect().0),
            Sending => Some(h.connect()),
            Receiving | Paused => {
                let connection = h.ask();
                h.received(connection, &OK[..30]);
                Some(connection)
            }
        };
        if matches!(at, Paused) {
            h.engine.pause(id);
            h.received(connection.unwrap(), &OK[30..]);
        }
        let lookup = matches!(at, Lookup).then(|| h.wants_lookup());
        assert!(h.engine.remove(id).is_some());
        assert!(h.engine.paused(id).is_none() && h.engine.remove(id).is_none());
        h.engine.resume(id);
        h.engine.pause(id);
        h.again();
        match (connection, lookup) {
            (Some(connection), _) => {
                h.wants_close(connection);
                h.received(connection, OK);
                h.engine.handle_end(connection);
            }
            (None, Some(lookup)) => assert_eq!(h.wants(), [Output::Abandon { lookup }]),
            (None, None) => h.wants_nothing(),
        }
        assert!(h.engine.poll_message().is_none());
        assert_eq!(log.seen.borrow().done, 0);
        assert_eq!(h.engine.stats().removed, 1);
        if !matches!(at, Queue) {
            h.ends_empty();
        }
    }
}

#[test]
fn a_removed_transfer_lets_the_next_one_go() {
    let mut h = Harness::new(1);
    let first = h.add(get("/first"));
    let connection = h.ask();
    h.add(get("/second"));
    h.engine.remove(first);
    assert_eq!(h.engine.next_time(), Some(ringdove::Time::ZERO));
    h.again();
    assert!(matches!(h.wants()[..], [Output::Close { .. }, Output::Connect { .. }]));
    assert!(!h.engine.is_open(connection));
}

#[test]
fn a_message_comes_after_its_end_and_its_handler_with_it() {
    let mut h = Harness::new(1);
    let id = h.add_with(get("/"), ringdove::Collect::default());
    let connection = h.ask();
    h.received(connection, OK);
    assert!(h.engine.remove(id).is_none(), "it is over already");
    let message = h.succeeds();
    assert_eq!(message.transfer, id);
    let message = message.into_parts::<ringdove::Discard>().expect_err("it is of another type");
    let (outcome, page) = message.into_parts::<ringdove::Collect>().unwrap();
    let head = page.head.expect("it has arrived");
    assert_eq!((outcome.result.unwrap().status, head.status.as_u16()), (200, 200));
    assert_eq!(page.body, b"ok");
}

/// What a request was given comes back with its message, to be taken as what it is; a failure says what was asked for.
#[test]
fn a_message_says_what_was_asked_for() {
    let mut h = Harness::new(1);
    h.add(get("/").value("a row".to_owned()));
    let connection = h.ask();
    h.received(connection, OK);
    let mut message = h.succeeds();
    assert!(message.value::<u32>().is_none() && message.take_value::<u32>().is_none());
    assert_eq!(message.value::<String>().unwrap(), "a row");
    assert_eq!(message.take_value::<String>().unwrap(), "a row");
    assert!(message.take_value::<String>().is_none());
    let mut h = Harness::new(1);
    h.add(get_url("http://me:secret@10.0.0.1/broken?q#part").value(7_u8));
    let connection = h.ask();
    h.engine.handle_failed(connection, Operation::Recv, 104);
    let message = h.message();
    assert_eq!(message.value::<u8>(), Some(&7));
    let error = message.outcome.result.unwrap_err();
    assert_eq!(error.url(), Some("http://10.0.0.1/broken?q#part"));
}

#[test]
fn informational_responses_come_before_the_final_one() {
    let log = Log::default();
    let mut h = Harness::new(1);
    h.add_with(get("/"), log.clone());
    let connection = h.ask();
    let early = b"HTTP/1.1 103 Early Hints\r\n\r\n";
    h.received(connection, &[&early[..], &early[..], OK].concat());
    h.succeeds();
    assert_eq!(log.seen.borrow().status, Some(200));
    assert_eq!(h.engine.stats().idle, 1);
}

#[test]
fn facts_about_connections_that_are_gone_are_none() {
    let mut h = Harness::new(1);
    let gone = h.idle();
    h.engine.close_idle();
    h.wants_close(gone);
    h.add(get("/"));
    let connection = h.ask();
    assert_eq!(connection.slot(), gone.slot());
    h.engine.handle_connected(gone);
    h.engine.handle_sent(gone, 7);
    h.received(gone, OK);
    h.engine.handle_end(gone);
    h.engine.handle_failed(gone, Operation::Recv, 104);
    h.engine.handle_exhausted(gone, Operation::Socket, 24);
    h.engine.handle_deadline(gone);
    assert_eq!(h.engine.fill(gone, &mut [0; 256]), 0);
    assert!(!h.level(gone).recv && !h.level(gone).send);
    assert!(h.engine.poll_message().is_none());
    h.received(connection, OK);
    h.succeeds();
}

/// A driver that has the first flight before the connection, as the kernel may send both at once.
#[test]
fn the_first_flight_is_there_before_the_connection() {
    let mut h = Harness::new(1);
    h.add(get_url("http://a.test/early").body("body"));
    let lookup = h.wants_lookup();
    h.resolved(lookup, &["10.0.0.1"]);
    let (connection, _) = h.wants_connect();
    let mut buffer = [0; 1024];
    let filled = h.engine.fill(connection, &mut buffer);
    let flight = &buffer[..filled];
    assert!(flight.starts_with(b"GET /early") && flight.ends_with(b"\r\n\r\nbody"));
    // of several addresses nobody would know which one gets it, but one that is found later may
    let host = get_url("http://a.test/").head().origin().host().clone();
    h.engine.set_override(host, 80, ["10.0.0.2".parse().unwrap()].into());
    h.engine.handle_failed(connection, Operation::Connect, 111);
    h.wants_connect();
    // the driver has it still
    assert_eq!(h.engine.fill(connection, &mut [0; 1024]), 0);
    h.engine.handle_connected(connection);
    assert!(!h.level(connection).send);
    h.engine.handle_sent(connection, filled);
    h.received(connection, OK);
    let report = h.succeeds().outcome.report;
    assert_eq!((report.wire_sent, report.reused), (filled as u64, false));
    h.ends_empty();
}

/// Takes trailers, and answers so.
struct Trailed {
    told: Rc<RefCell<Vec<String>>>,
    answer: Flow,
}

impl Handler for Trailed {
    fn body(&mut self, chunk: &[u8]) -> Flow {
        self.told.borrow_mut().push(String::from_utf8_lossy(chunk).into());
        Flow::Continue
    }

    fn trailers(&mut self, fields: Fields<'_>) -> Flow {
        for (name, value) in fields {
            self.told.borrow_mut().push(format!("{name}={}", String::from_utf8_lossy(&value)));
        }
        self.answer.clone()
    }
}

const TRAILED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
    2\r\nok\r\n0\r\nDigest: a\r\nno field\r\nX: b\r\n\r\n";

/// What comes after the body is told after it, however it is cut, and the connection goes on.
#[test]
fn fields_after_the_body_are_told() {
    for size in [1, 7, TRAILED.len()] {
        let mut h = Harness::new(1);
        let told = Rc::default();
        let handler = Trailed { told: Rc::clone(&told), answer: Flow::Pause };
        h.add_with(get("/"), handler);
        let connection = h.ask();
        for piece in TRAILED.chunks(size) {
            assert!(h.engine.poll_message().is_none());
            h.received(connection, piece);
        }
        let told = told.borrow().concat();
        assert_eq!(told, "okDigest=aX=b", "{size}");
        assert_eq!(h.succeeds().outcome.report.body_received, 2);
        assert_eq!(h.engine.stats().idle, 1);
    }
}

/// With their framing, they are told as part of it.
#[test]
fn fields_after_a_raw_body_are_a_part_of_it() {
    let mut h = Harness::new(1);
    let told = Rc::default();
    let handler = Trailed { told: Rc::clone(&told), answer: Flow::Continue };
    let raw = Options { raw: true, ..Options::default() };
    h.add_with(get("/").options(Arc::new(raw)), handler);
    let connection = h.ask();
    h.received(connection, TRAILED);
    let body = TRAILED.split_at(TRAILED.len() - 39).1;
    assert_eq!(told.borrow().concat().as_bytes(), body);
    h.succeeds();
}

/// A check that fails only at the end fails the transfer.
#[test]
fn trailers_can_fail_a_transfer() {
    let mut h = Harness::new(1);
    let answer = Flow::Abort("the digest is another".into());
    h.add_with(get("/"), Trailed { told: Rc::default(), answer });
    let connection = h.ask();
    h.received(connection, TRAILED);
    let error = h.fails();
    assert_eq!(error.cause, Cause::Aborted("the digest is another".into()));
}
