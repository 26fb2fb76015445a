//! Many exchanges on one connection, over HTTP/2: a scripted server on the other side, the clock and the driver in the test.

use std::sync::Arc;

use ringdove::engine::{
    Body, BodySource, Config, ConnectionId, Flow, Options, Output, Paused, Request, Timeouts,
    TransferId,
};
use ringdove::error::{Cause, Deadline, Phase, Progress};
use ringdove::limits::H2Limits;
use ringdove::protocol::h2::ErrorCode;
use ringdove::protocol::{DecodePolicy, HttpFault, SourceRead};
use ringdove::{HttpVersions, Politeness, Priority};
use ringdove_test_support::h2::{Credit, End, Last, Length, Plan, Script, Server, pattern, raw};

use crate::decoding::gzip;
use crate::harness::{Harness, Log, at_once, every, following, get, get_url, ms};
use crate::overdue::left;

/// A server on each connection that the engine makes, by the same plan.
struct Peers {
    plan: Plan,
    /// Bytes that arrive at a time.
    cut: usize,
    links: Vec<(ConnectionId, Server)>,
    made: usize,
    /// Bytes that the engine has received.
    received: usize,
}

impl Peers {
    fn new(plan: Plan) -> Peers {
        Peers { plan, cut: 16 * 1024, links: Vec::new(), made: 0, received: 0 }
    }

    fn cut(self, cut: usize) -> Peers {
        Peers { cut, ..self }
    }

    /// Acts upon what the engine wants until it wants nothing more.
    fn run(&mut self, h: &mut Harness) {
        loop {
            let before = h.wants();
            let mut moved = !before.is_empty();
            for want in before {
                match want {
                    Output::Connect { connection, .. } => {
                        h.engine.handle_connected(connection);
                        self.links.push((connection, Server::new(self.plan.clone())));
                        self.made += 1;
                    }
                    Output::Close { connection, last_words } => {
                        let at = self.links.iter().position(|(id, _)| *id == connection);
                        let (_, mut server) = self.links.remove(at.expect("one that is open"));
                        server.receive(&last_words);
                        assert!(server.seen().violations.is_empty(), "{:?}", server.seen());
                    }
                    other => panic!("wants {other:?}"),
                }
            }
            for (connection, server) in &mut self.links {
                server.receive(&h.sent(*connection));
                let wire = server.transmit();
                self.received += wire.len();
                for piece in wire.chunks(self.cut) {
                    h.received(*connection, piece);
                }
                if server.end() == Some(End::Close) && h.level(*connection).recv {
                    h.engine.handle_end(*connection);
                    moved = true;
                }
                moved |= !wire.is_empty();
                assert!(server.seen().violations.is_empty(), "{:?}", server.seen().violations);
            }
            if !moved {
                return;
            }
            h.again();
        }
    }

    fn asked(&self) -> Vec<String> {
        let requests = self.links.iter().flat_map(|(_, server)| &server.seen().requests);
        requests.map(|request| request.path().to_owned()).collect()
    }
}

fn harness() -> Harness {
    Harness::new(8)
}

fn http2() -> Options {
    Options { versions: HttpVersions::Http2, ..Options::default() }
}

fn ask(h: &mut Harness, path: &str) -> (TransferId, Log) {
    add(h, get(path), http2())
}

fn add(h: &mut Harness, request: Request, options: Options) -> (TransferId, Log) {
    let log = Log::default();
    let id = h.engine.add(request.options(Arc::new(options)), Box::new(log.clone())).unwrap();
    (id, log)
}

fn post(url: &str, body: impl Into<Body>) -> Request {
    Request::new(http::Method::POST, url).unwrap().body(body)
}

#[track_caller]
fn succeed(h: &mut Harness, count: usize) {
    for nth in 0..count {
        let message =
            h.engine.poll_message().unwrap_or_else(|| panic!("{nth} of {count} are over"));
        assert!(message.outcome.result.is_ok(), "{message:?}");
    }
    assert!(h.engine.poll_message().is_none());
}

fn end(mut h: Harness, peers: &mut Peers) {
    h.engine.close_idle();
    h.again();
    peers.run(&mut h);
    assert!(h.engine.is_empty(), "{:?}", h.engine.stats());
    assert!(peers.links.is_empty());
}

#[test]
fn a_hundred_requests_share_a_connection() {
    for cut in [1, 7, 100_000] {
        let mut h = harness();
        let mut peers = Peers::new(Plan::new().each(|request| {
            let bytes = request.path().len() as u64 * 100;
            Script::ok(bytes)
        }))
        .cut(cut);
        let logs: Vec<_> = (0..100).map(|nth| ask(&mut h, &format!("/{nth}")).1).collect();
        h.again();
        peers.run(&mut h);
        succeed(&mut h, 100);
        assert_eq!((peers.made, peers.asked().len()), (1, 100));
        for (nth, log) in logs.iter().enumerate() {
            let path = format!("/{nth}");
            assert_eq!(log.body(), pattern(&path, path.len() * 100));
        }
        let stats = h.engine.stats();
        assert_eq!((stats.opened, stats.reused, stats.idle), (1, 99, 1));
        // one more on the same
        ask(&mut h, "/more");
        h.again();
        peers.run(&mut h);
        succeed(&mut h, 1);
        assert_eq!(peers.made, 1);
        end(h, &mut peers);
    }
}

#[test]
fn as_many_connections_are_made_as_the_streams_need() {
    let mut h = harness();
    let few = Plan::new().settings(&[(raw::setting::MAX_CONCURRENT_STREAMS, 100)]);
    let mut peers = Peers::new(few.each(|_| Script::ok(10)));
    for nth in 0..350 {
        ask(&mut h, &format!("/{nth}"));
    }
    h.again();
    peers.run(&mut h);
    succeed(&mut h, 350);
    assert!((1..=4).contains(&peers.made), "{}", peers.made);
    end(h, &mut peers);
}

/// Before it is known how many requests a connection takes, the rest waits; then it goes there.
#[test]
fn a_connection_with_room_for_all_is_the_only_one() {
    for (streams, connections) in [(1000, 1), (250, 4), (100, 10)] {
        let mut h = Harness::new(64);
        let plan = Plan::new().settings(&[(raw::setting::MAX_CONCURRENT_STREAMS, streams)]);
        let mut peers = Peers::new(plan.each(|_| Script::ok(10)));
        for nth in 0..1000 {
            ask(&mut h, &format!("/{nth}"));
        }
        h.again();
        peers.run(&mut h);
        succeed(&mut h, 1000);
        assert!(peers.made <= connections, "{streams}: {}", peers.made);
        end(h, &mut peers);
    }
}

#[test]
fn who_is_removed_while_its_connection_is_made_leaves_it_to_all() {
    let mut h = harness();
    let (first, _) = ask(&mut h, "/first");
    for nth in 0..20 {
        ask(&mut h, &format!("/{nth}"));
    }
    h.again();
    assert!(matches!(h.wants()[..], [Output::Connect { .. }]));
    assert!(h.engine.remove(first).is_some());
    h.again();
    h.wants_nothing();
    assert_eq!((h.engine.stats().opened, h.engine.running()), (1, 20));
}

#[test]
fn no_more_streams_are_open_than_the_peer_allows() {
    let mut h = Harness::new(1);
    let few = Plan::new().settings(&[(raw::setting::MAX_CONCURRENT_STREAMS, 3)]);
    let mut peers = Peers::new(few.each(|_| Script::ok(10)));
    for nth in 0..50 {
        ask(&mut h, &format!("/{nth}"));
    }
    h.again();
    peers.run(&mut h);
    succeed(&mut h, 50);
    assert_eq!(peers.made, 1);
    end(h, &mut peers);
}

#[test]
fn bodies_go_out_within_the_windows() {
    for (credit, cut) in [(Credit::AtOnce, 5000), (Credit::WhenEmpty(1000), 1), (Credit::AtOnce, 1)]
    {
        let mut h = harness();
        let plan = Plan::new().credit(credit).each(|_| Script::echoing());
        let mut peers = Peers::new(plan).cut(cut);
        let bodies: Vec<_> = (0..5).map(|nth| pattern("x", 20_000 * nth)).collect();
        let logs: Vec<_> = bodies
            .iter()
            .map(|body| {
                let request = post("http://10.0.0.1/", body.clone());
                add(&mut h, request, http2()).1
            })
            .collect();
        h.again();
        peers.run(&mut h);
        for nth in 0..5 {
            let message = h.succeeds();
            let report = message.outcome.report;
            assert_eq!(report.body_sent, report.body_received, "{nth}");
            assert!(report.wire_sent > report.body_sent);
        }
        for (body, log) in bodies.iter().zip(&logs) {
            assert_eq!(&log.body(), body);
        }
        end(h, &mut peers);
    }
}

#[test]
fn a_stream_that_is_reset_leaves_the_others_alone() {
    let mut h = harness();
    let plan = Plan::new()
        .path("/reset", Script::new().reset(raw::code::INTERNAL_ERROR))
        .path("/cut", Script::new().head(200, &[]).bytes("some").reset(raw::code::CANCEL))
        .path("/wrong", Script::new().head(99, &[]))
        .path("/ok", Script::ok(1000));
    let mut peers = Peers::new(plan);
    ask(&mut h, "/reset");
    ask(&mut h, "/cut");
    ask(&mut h, "/wrong");
    ask(&mut h, "/ok");
    h.again();
    peers.run(&mut h);
    let mut causes = Vec::new();
    while let Some(message) = h.engine.poll_message() {
        causes.push(message.outcome.result.map(|response| response.status).map_err(|e| e.cause));
    }
    assert_eq!(causes.len(), 4, "{causes:?}");
    assert!(causes.contains(&Err(Cause::Reset(ErrorCode::INTERNAL_ERROR))), "{causes:?}");
    assert!(causes.contains(&Err(Cause::Reset(ErrorCode::CANCEL))), "{causes:?}");
    assert!(causes.iter().any(|cause| matches!(cause, Err(Cause::Http(_)))), "{causes:?}");
    assert!(causes.contains(&Ok(200)));
    assert_eq!(peers.made, 1);
    end(h, &mut peers);
}

/// What the peer says that it has not processed is sent again, whatever its method.
#[test]
fn what_was_refused_is_sent_again() {
    let mut h = harness();
    let plan = Plan::new().each(|request| match request.index {
        0..3 => Script::refused(),
        _ => Script::echoing(),
    });
    let mut peers = Peers::new(plan);
    let body = pattern("p", 30_000);
    let request = post("http://10.0.0.1/", body.clone());
    let (_, log) = add(&mut h, request, http2());
    h.again();
    peers.run(&mut h);
    let message = h.succeeds();
    assert_eq!((message.outcome.report.resent, log.body()), (3, body));
    end(h, &mut peers);
}

#[test]
fn who_refuses_for_ever_is_not_asked_for_ever() {
    let mut h = harness();
    let mut peers = Peers::new(Plan::new().each(|_| Script::refused()));
    ask(&mut h, "/");
    h.again();
    peers.run(&mut h);
    let error = h.fails();
    assert_eq!((error.cause, error.progress as u8), (Cause::Refused, 0));
    assert_eq!(peers.asked().len(), 11);
    end(h, &mut peers);
}

/// A server that goes away finishes what it has begun; the rest is asked of the next connection, POST too.
#[test]
fn who_goes_away_is_followed_by_the_next() {
    let mut h = harness();
    let plan = Plan::new().each(|request| match request.index {
        4 => Script::new().go_away(Last::BeforeThis, raw::code::NO_ERROR),
        _ => Script::ok(500),
    });
    let mut peers = Peers::new(plan);
    for nth in 0..40 {
        match nth % 2 {
            0 => ask(&mut h, &format!("/{nth}")),
            _ => {
                let url = format!("http://10.0.0.1/{nth}");
                add(&mut h, post(&url, "body"), http2())
            }
        };
    }
    h.again();
    peers.run(&mut h);
    succeed(&mut h, 40);
    assert_eq!(peers.made, 10);
    end(h, &mut peers);
}

/// What the server takes of a head is kept to: one that comes to more fails by name, nothing of it is sent, and others go on.
#[test]
fn a_head_that_the_server_does_not_take_fails_by_name() {
    let mut h = harness();
    let mut peers = Peers::new(Plan::new().settings(&[(6, 400)]).each(|_| Script::ok(5)));
    ask(&mut h, "/first");
    h.again();
    peers.run(&mut h);
    succeed(&mut h, 1);
    add(&mut h, get("/long").field("X-Long", "x".repeat(400)).unwrap(), http2());
    ask(&mut h, "/short");
    h.again();
    peers.run(&mut h);
    let error = h.fails();
    let fault = |cause: &Cause| {
        matches!(cause, Cause::Http(HttpFault::RequestTooLarge { size: 500.., limit: 400 }))
    };
    assert!(fault(&error.cause), "{error:?}");
    assert_eq!((error.kind(), error.progress), ("limit", Progress::NothingSent));
    succeed(&mut h, 1);
    assert_eq!((peers.made, peers.asked()), (1, vec!["/first".to_owned(), "/short".to_owned()]));
    end(h, &mut peers);
}

/// An upload that lies in the kernel, and that the peer takes slowly, is no silence, though others are on the connection.
#[test]
fn an_upload_that_the_peer_takes_is_not_silence() {
    let mut h = harness();
    let options = || Options {
        timeouts: Timeouts { first_byte: Some(ms(800)), ..Timeouts::default() },
        ..http2()
    };
    add(&mut h, post("http://10.0.0.1/", vec![7; 20_000]), options());
    h.again();
    let connection = h.connect();
    h.received(connection, &raw::settings(&[]));
    h.sent(connection);
    left(&mut h, connection, 1_102, 90_000);
    left(&mut h, connection, 1_802, 60_000);
    left(&mut h, connection, 2_604, 30_000);
    assert!(h.engine.poll_message().is_none());
    h.at(3_402);
    assert!(h.engine.poll_message().is_none(), "too early");
    // nothing of it was acknowledged since
    left(&mut h, connection, 3_406, 30_000);
    h.fails();
}

/// The time for an answer begins when all of an upload has left, and not with the first of its frames.
#[test]
fn an_answer_is_waited_for_from_the_end_of_an_upload_on() {
    let mut h = harness();
    let options = Options {
        timeouts: Timeouts { first_byte: Some(ms(100)), ..Timeouts::default() },
        ..http2()
    };
    add(&mut h, post("http://10.0.0.1/", vec![7; 20_000]), options);
    h.again();
    let connection = h.connect();
    let mut filled = Vec::new();
    while h.level(connection).send {
        filled.push(h.engine.fill(connection, &mut [0; 4096]));
    }
    assert!(filled.len() > 4, "{filled:?}");
    h.engine.handle_sent(connection, filled[0]);
    h.at(1_500);
    assert!(h.engine.poll_message().is_none(), "most of it has not left");
    h.engine.handle_sent(connection, filled[1..].iter().sum());
    h.times_out(1_600, Deadline::FirstByte, Phase::FirstByte);
}

#[test]
fn trailers_interim_heads_and_heads_alone() {
    let mut h = harness();
    let plan = Plan::new()
        .path("/t", Script::new().head(200, &[]).bytes("x").trailers(&[("checksum", "1")]))
        .path("/i", Script::new().informational(103, &[("link", "</a>")]).head(204, &[]))
        .path("/h", Script::new().head_that_says(200, &[], Length::Says(500)));
    let mut peers = Peers::new(plan);
    ask(&mut h, "/t");
    ask(&mut h, "/i");
    let head = Request::new(http::Method::HEAD, "http://10.0.0.1/h").unwrap();
    add(&mut h, head, http2());
    h.again();
    peers.run(&mut h);
    succeed(&mut h, 3);
    end(h, &mut peers);
}

/// What a paused transfer has yet to take is bounded by the window of its stream, and the others go on.
#[test]
fn a_paused_stream_holds_nobody_up() {
    let mut h = harness();
    let plan = Plan::new().path("/long", Script::ok(1_000_000)).each(|_| Script::ok(300_000));
    let mut peers = Peers::new(plan);
    let (paused, long) = ask(&mut h, "/long");
    long.seen.borrow_mut().at_body = Some(Flow::Pause);
    let others: Vec<_> = (0..20).map(|nth| ask(&mut h, &format!("/{nth}")).1).collect();
    h.again();
    peers.run(&mut h);
    succeed(&mut h, 20);
    assert!(others.iter().all(|log| log.body().len() == 300_000));
    assert!(long.body().len() <= 16 * 1024);
    // no time is held against it
    h.at(1_000_000);
    peers.run(&mut h);
    h.engine.resume(paused);
    h.again();
    peers.run(&mut h);
    succeed(&mut h, 1);
    assert_eq!(long.body(), pattern("/long", 1_000_000));
    end(h, &mut peers);
}

/// However many there are, on however many connections, and however fast they were before.
#[test]
fn what_all_paused_streams_hold_is_bounded() {
    const LINKS: usize = 40;
    const MEMORY: usize = 4 << 20;
    const BEGUN: u64 = 500_000;
    let plan = |rest: u64| {
        let rest = Script::new().head(200, &[]).pattern(BEGUN).await_requests(2).pattern(rest);
        Plan::new().path("/long", rest.end()).path("/go", Script::ok(1))
    };
    // those that have ended count as those that go on
    for rest in [200_000, 1_500_000] {
        let mut h = Harness::with(Config { memory: MEMORY, ..Config::default() });
        let mut peers = Peers::new(plan(rest));
        let url = |nth: usize, path| get_url(&format!("http://10.0.1.{nth}{path}"));
        let (mut all, mut held) = (Vec::new(), 0);
        // in turns: what one has is out of what the others have left
        for nth in 0..LINKS {
            let (id, log) = add(&mut h, url(nth, "/long"), http2());
            h.again();
            peers.run(&mut h);
            assert_eq!(log.body().len() as u64, BEGUN);
            h.engine.pause(id);
            all.push((id, log));
            let before = peers.received;
            add(&mut h, url(nth, "/go"), http2());
            h.again();
            peers.run(&mut h);
            held += peers.received - before;
        }
        let most = MEMORY + LINKS * 66_000;
        assert!((LINKS * 60_000..most).contains(&held), "{held} of {most}");
        for (id, _) in &all {
            h.engine.resume(*id);
        }
        h.again();
        peers.run(&mut h);
        succeed(&mut h, 2 * LINKS);
        assert!(all.iter().all(|(_, log)| log.body().len() as u64 == BEGUN + rest));
        end(h, &mut peers);
    }
}

/// However many of its bodies wait, half of what there is stays for others.
#[test]
fn what_waits_of_one_origin_counts_in_its_part() {
    const BODIES: usize = 18;
    const MEMORY: usize = 8 << 20;
    const BEGUN: u64 = 1_000_000;
    const REST: u64 = 400_000;
    let script = |nth: usize| {
        let begun = Script::new().head(200, &[]).pattern(BEGUN);
        begun.await_requests(2 * nth + 2).pattern(REST).end()
    };
    let plan = (0..BODIES).fold(Plan::new().path("/go", Script::ok(1)), |plan, nth| {
        plan.path(&format!("/long/{nth}"), script(nth))
    });
    let mut h = Harness::with(Config { memory: MEMORY, ..Config::default() });
    let mut peers = Peers::new(plan);
    let (mut all, mut held) = (Vec::new(), 0);
    for nth in 0..BODIES {
        let (id, log) = ask(&mut h, &format!("/long/{nth}"));
        h.again();
        peers.run(&mut h);
        assert_eq!(log.body().len() as u64, BEGUN);
        h.engine.pause(id);
        all.push(id);
        let before = peers.received;
        ask(&mut h, "/go");
        h.again();
        peers.run(&mut h);
        held += peers.received - before;
    }
    let most = MEMORY / 2 + BODIES * 66_000;
    assert!((BODIES * 60_000..most).contains(&held), "{held} of {most}");
    all.iter().for_each(|id| h.engine.resume(*id));
    h.again();
    peers.run(&mut h);
    succeed(&mut h, 2 * BODIES);
    end(h, &mut peers);
}

#[test]
fn a_response_that_came_whole_while_paused_is_delivered_after_the_end() {
    let mut h = harness();
    let plan = Plan::new().path("/", Script::ok(1000)).path("/bye", Script::new().close());
    let mut peers = Peers::new(plan);
    let (id, log) = ask(&mut h, "/");
    h.engine.set_paused(id, Paused { receiving: true, sending: false });
    h.again();
    peers.run(&mut h);
    assert_eq!(log.seen.borrow().status, None);
    ask(&mut h, "/bye");
    h.again();
    peers.run(&mut h);
    assert!(matches!(h.fails().cause, Cause::Closed));
    h.engine.resume(id);
    h.again();
    peers.run(&mut h);
    succeed(&mut h, 1);
    assert_eq!(log.body(), pattern("/", 1000));
    end(h, &mut peers);
}

#[test]
fn a_transfer_that_is_removed_is_cancelled() {
    let mut h = harness();
    let mut peers =
        Peers::new(Plan::new().path("/ok", Script::ok(10)).each(|_| Script::new().stall()));
    let (gone, _) = ask(&mut h, "/gone");
    h.again();
    peers.run(&mut h);
    assert!(h.engine.remove(gone).is_some());
    ask(&mut h, "/ok");
    h.again();
    peers.run(&mut h);
    succeed(&mut h, 1);
    let seen = peers.links[0].1.seen();
    assert_eq!(seen.resets, [(1, raw::code::CANCEL)]);
    end(h, &mut peers);
}

/// Each exchange has its own deadlines. A peer that has said nothing meanwhile is given no more.
#[test]
fn deadlines_are_of_each_exchange() {
    let mut h = harness();
    let slow = Script::new().head(200, &[]).bytes("x").stall();
    let mut peers = Peers::new(Plan::new().path("/slow", slow).each(|_| Script::new().stall()));
    let mut options = http2();
    options.timeouts.first_byte = Some(ms(2_000));
    options.timeouts.idle = Some(ms(5_000));
    add(&mut h, get("/never"), options.clone());
    add(&mut h, get("/slow"), options);
    h.again();
    peers.run(&mut h);
    h.times_out(3_000, Deadline::FirstByte, Phase::FirstByte);
    peers.run(&mut h);
    h.times_out(6_000, Deadline::Idle, Phase::Receive);
    peers.run(&mut h);
    assert_eq!(peers.links.len(), 0, "it is retired, and then closed");
    end(h, &mut peers);
}

#[test]
fn who_is_silent_is_asked_whether_he_is_there() {
    let silent = |plan: Plan| {
        let mut h = harness();
        let mut peers = Peers::new(plan.each(|_| Script::new().stall()));
        let mut options = http2();
        (options.timeouts.first_byte, options.timeouts.idle) = (None, None);
        add(&mut h, get("/"), options);
        h.again();
        peers.run(&mut h);
        h.at(31_001);
        peers.run(&mut h);
        assert_eq!(peers.links[0].1.seen().pings, 1);
        (h, peers)
    };
    let (mut h, mut peers) = silent(Plan::new().never_pong());
    h.times_out(46_001, Deadline::Ping, Phase::FirstByte);
    peers.run(&mut h);
    end(h, &mut peers);
    // one who answers stays, and is asked again, but not soon
    let (mut h, mut peers) = silent(Plan::new());
    let mut at = 31_001;
    for again in 1..10 {
        h.at(at + 300_000);
        peers.run(&mut h);
        assert_eq!(peers.links[0].1.seen().pings, again);
        at += 310_001;
        h.at(at);
        peers.run(&mut h);
        assert_eq!(peers.links[0].1.seen().pings, again + 1);
    }
    assert!(h.engine.poll_message().is_none());
    // until he does not answer any more
    h.at(at + 310_001);
    h.times_out(at + 325_002, Deadline::Ping, Phase::FirstByte);
    peers.run(&mut h);
    end(h, &mut peers);
}

/// A request that comes later is not given to it.
#[test]
fn who_has_not_said_that_he_is_there_is_not_kept() {
    let mut h = harness();
    let plan = Plan::new().path("/", Script::ok(1)).each(|_| Script::new().stall()).never_pong();
    let mut peers = Peers::new(plan);
    let mut options = http2();
    (options.timeouts.first_byte, options.timeouts.idle) = (None, None);
    let (id, _) = add(&mut h, get("/silent"), options);
    h.again();
    peers.run(&mut h);
    h.at(31_001);
    peers.run(&mut h);
    assert_eq!(peers.links[0].1.seen().pings, 1);
    h.engine.remove(id);
    h.again();
    peers.run(&mut h);
    assert_eq!(peers.links.len(), 1, "it is kept");
    h.at(46_002);
    h.again();
    peers.run(&mut h);
    assert_eq!(peers.links.len(), 0);
    ask(&mut h, "/");
    h.again();
    peers.run(&mut h);
    succeed(&mut h, 1);
    end(h, &mut peers);
}

#[test]
fn what_breaks_the_connection_fails_all_that_are_on_it() {
    let mut h = harness();
    let broken = Script::new().raw(|_| raw::frame(raw::kind::PUSH_PROMISE, 4, 1, &[0, 0, 0, 2]));
    let plan = Plan::new().path("/broken", broken).each(|_| Script::new().stall());
    let mut peers = Peers::new(plan);
    for path in ["/1", "/2", "/broken"] {
        ask(&mut h, path);
    }
    h.again();
    peers.run(&mut h);
    for _ in 0..3 {
        assert_eq!(h.fails().kind(), "http2");
    }
    end(h, &mut peers);
}

/// A connection that ends under requests that can be sent again: they are, unless they are on its first exchange.
#[test]
fn a_stale_connection_is_followed_by_another() {
    let mut h = harness();
    let mut peers = Peers::new(Plan::new().each(|_| Script::ok(5)));
    ask(&mut h, "/first");
    h.again();
    peers.run(&mut h);
    succeed(&mut h, 1);
    for nth in 0..10 {
        ask(&mut h, &format!("/{nth}"));
    }
    h.again();
    let (connection, _) = peers.links[0];
    assert!(!h.sent(connection).is_empty());
    h.engine.handle_end(connection);
    peers.run(&mut h);
    succeed(&mut h, 10);
    assert_eq!(peers.made, 2);
    end(h, &mut peers);
}

#[test]
fn an_idle_connection_ends_with_its_time() {
    let mut h = Harness::with(Config { keep_idle: ms(5_000), ..Config::default() });
    let mut peers = Peers::new(Plan::new().each(|_| Script::ok(5)));
    ask(&mut h, "/");
    h.again();
    peers.run(&mut h);
    succeed(&mut h, 1);
    h.at(3_000);
    assert_eq!(h.engine.stats().idle, 1);
    h.at(7_000);
    peers.run(&mut h);
    assert_eq!((h.engine.stats().connections, peers.links.len()), (0, 0));
    end(h, &mut peers);
}

#[test]
fn leave_to_send_a_body_is_waited_for() {
    let mut h = harness();
    let plan = Plan::new()
        .path("/go", Script::new().informational(100, &[]).head(200, &[]).echo())
        .path("/no", Script::new().head(417, &[]))
        .path("/late", Script::new().await_body().head(200, &[]));
    let mut peers = Peers::new(plan);
    let expecting = |path: &str| {
        let request = post(&format!("http://10.0.0.1{path}"), "body");
        request.field("Expect", "100-continue").unwrap()
    };
    let (_, echoed) = add(&mut h, expecting("/go"), http2());
    add(&mut h, expecting("/late"), http2());
    h.again();
    peers.run(&mut h);
    succeed(&mut h, 1);
    assert_eq!(echoed.body(), b"body");
    h.at(2_100);
    peers.run(&mut h);
    succeed(&mut h, 1);
    end(h, &mut peers);
}

/// Others wait for the first connection to see what is spoken on it, but not for long.
#[test]
fn a_connection_that_is_not_made_soon_is_not_waited_for() {
    let mut h = harness();
    for nth in 0..5 {
        ask(&mut h, &format!("/{nth}"));
    }
    h.again();
    assert_eq!(h.wants().len(), 1);
    h.at(1_400);
    assert_eq!(h.wants().len(), 0);
    h.at(1_501);
    assert_eq!(h.wants().len(), 4);
}

#[test]
fn a_rate_is_kept_by_withholding_the_window() {
    let mut h = harness();
    let mut peers = Peers::new(Plan::new().each(|_| Script::ok(300_000)));
    let (_, slow) = add(&mut h, get("/"), Options { max_rate: Some(10_000), ..http2() });
    ask(&mut h, "/quick");
    h.again();
    peers.run(&mut h);
    succeed(&mut h, 1);
    assert!(slow.body().len() <= 65_535);
    let mut now = 1_000;
    while slow.seen.borrow().done == 0 {
        now += 500;
        h.at(now);
        peers.run(&mut h);
        assert!(slow.body().len() as u64 <= 65_535 * 2 + (now - 1_000) * 10, "{now}");
        assert!(now < 100_000);
    }
    assert!(now > 20_000, "{now}");
    succeed(&mut h, 1);
    end(h, &mut peers);
}

/// A peer that takes no more requests for now is not given the next one: it goes on another connection.
#[test]
fn who_takes_no_more_requests_while_idle_is_left() {
    for opening_says in [false, true] {
        let mut h = harness();
        let none = [(raw::setting::MAX_CONCURRENT_STREAMS, 0)];
        let first = match opening_says {
            true => Script::new().settings(&none).head(200, &[]),
            false => Script::new().head(200, &[]).end().settings(&none),
        };
        let plan = Plan::new().path("/first", first).each(|_| Script::ok(10));
        let mut peers = Peers::new(plan);
        ask(&mut h, "/first");
        h.again();
        peers.run(&mut h);
        succeed(&mut h, 1);
        let (_, log) = ask(&mut h, "/next");
        h.again();
        peers.run(&mut h);
        succeed(&mut h, 1);
        assert_eq!((log.body().len(), peers.made), (10, 2));
        end(h, &mut peers);
    }
}

/// What was paused for long, and is resumed, has its deadlines again.
#[test]
fn deadlines_bind_again_after_a_pause() {
    let mut h = harness();
    let stalls = Script::new().head(200, &[]).bytes("x").stall();
    let mut peers = Peers::new(Plan::new().each(move |_| stalls.clone()));
    let mut options = http2();
    options.timeouts.idle = Some(ms(5_000));
    let (id, _) = add(&mut h, get("/"), options);
    h.again();
    peers.run(&mut h);
    h.engine.pause(id);
    h.again();
    h.at(20_000);
    peers.run(&mut h);
    h.engine.resume(id);
    h.again();
    peers.run(&mut h);
    h.times_out(25_000, Deadline::Idle, Phase::Receive);
    peers.run(&mut h);
    end(h, &mut peers);
}

/// Who has begun to answer cannot say that nothing was processed: the handler would have it twice.
#[test]
fn what_was_answered_is_not_refused() {
    let mut h = harness();
    let head = || Script::new().head_that_says(200, &[], Length::Says(100));
    let some = || head().raw(|id| raw::data(id, 0, b"some"));
    let plan = Plan::new()
        .path("/body", some().reset(raw::code::REFUSED_STREAM))
        .path("/early", Script::new().informational(103, &[]).reset(raw::code::REFUSED_STREAM))
        .path("/away", some().go_away(Last::Number(0), 0));
    let mut peers = Peers::new(plan);
    for path in ["/body", "/early", "/away"] {
        let (_, log) = ask(&mut h, path);
        h.again();
        peers.run(&mut h);
        let error = h.fails();
        assert_eq!(error.cause, Cause::Reset(ErrorCode::REFUSED_STREAM), "{path}");
        assert_eq!(error.progress, Progress::ResponseStarted);
        assert_eq!(log.body().len(), if path == "/early" { 0 } else { 4 });
        assert_eq!(log.seen.borrow().done, 1);
    }
    end(h, &mut peers);
}

/// A connection that has ended, and waits for one who is paused, costs no time.
#[test]
fn who_is_paused_on_an_ended_connection_waits_in_peace() {
    for carried in [false, true] {
        let mut h = Harness::with_carried_deadlines(Config::default(), carried);
        let mut peers = Peers::new(Plan::new().each(|_| Script::ok(10)));
        let (id, log) = ask(&mut h, "/");
        h.engine.pause(id);
        h.engine.set_paused(id, Paused { receiving: true, sending: false });
        h.again();
        peers.run(&mut h);
        let (connection, _) = peers.links[0];
        h.engine.handle_end(connection);
        for at in [40_000, 80_000, 200_000] {
            h.at(at);
            peers.run(&mut h);
            let due = [h.engine.next_time(), Some(h.level(connection).deadline)];
            let now = ringdove::Time::from_nanos(at * 1_000_000);
            assert!(due.into_iter().flatten().all(|due| due > now), "{due:?}");
        }
        h.engine.resume(id);
        h.again();
        peers.run(&mut h);
        succeed(&mut h, 1);
        assert_eq!(log.body().len(), 10);
        end(h, &mut peers);
    }
}

/// The room that a transfer leaves, which is removed or whose body fails, is for the next without anything else happening.
#[test]
fn room_that_is_left_is_used_at_once() {
    for fails in [false, true] {
        let mut h = Harness::new(1);
        let one = Plan::new().settings(&[(raw::setting::MAX_CONCURRENT_STREAMS, 1)]);
        let plan = one.path("/ok", Script::ok(10)).each(|_| Script::new().stall());
        let mut peers = Peers::new(plan);
        ask(&mut h, "/ok");
        h.again();
        peers.run(&mut h);
        succeed(&mut h, 1);
        let body = Body::Stream { source: Box::new(Fails(fails)), length: None };
        let (first, _) = add(&mut h, post("http://10.0.0.1/stall", body), http2());
        ask(&mut h, "/ok");
        h.again();
        peers.run(&mut h);
        match fails {
            true => drop(h.fails()),
            false => drop(h.engine.remove(first)),
        }
        assert_eq!(h.engine.next_time(), Some(ringdove::Time::ZERO));
        h.again();
        peers.run(&mut h);
        succeed(&mut h, 1);
        end(h, &mut peers);
    }
}

/// A body that has nothing, or fails.
struct Fails(bool);

impl BodySource for Fails {
    fn read(&mut self, _: &mut [u8]) -> SourceRead {
        match self.0 {
            true => SourceRead::Failed("it fails".to_owned()),
            false => SourceRead::Pending,
        }
    }
}

/// What a redirect leads to is asked for, also where the rest of it never comes.
#[test]
fn a_redirect_is_followed_whatever_becomes_of_its_rest() {
    let to = [("location", "/ok")];
    let some = |id| raw::data(id, 0, b"some");
    let head = || Script::new().head_that_says(302, &to, Length::Says(100)).raw(some);
    let early = Script::new().informational(103, &[]).await_release();
    let plan = Plan::new()
        .path("/close", head().close())
        .path("/reset", head().reset(raw::code::CANCEL))
        .path("/stall", head())
        .path("/early", early.head_that_says(302, &to, Length::Says(100)).raw(some))
        .path("/ok", Script::ok(10));
    for path in ["/close", "/reset", "/stall", "/early"] {
        let mut h = harness();
        let mut peers = Peers::new(plan.clone());
        let mut options = Options { versions: HttpVersions::Http2, ..(*following()).clone() };
        (options.timeouts.first_byte, options.timeouts.idle) = (None, None);
        let (_, log) = add(&mut h, get(path), options);
        h.again();
        peers.run(&mut h);
        peers.links.iter_mut().for_each(|(_, server)| server.release());
        peers.run(&mut h);
        h.at(20_000);
        peers.run(&mut h);
        let message = h.engine.poll_message().unwrap_or_else(|| panic!("{path} is not over"));
        assert!(message.outcome.result.is_ok(), "{path}: {message:?}");
        assert_eq!(log.body().len(), 10, "{path}");
        end(h, &mut peers);
    }
}

/// An address that takes a request in so many milliseconds does so on a kept connection, too.
#[test]
fn gates_of_addresses_hold_on_kept_connections() {
    let politeness = Politeness { per_address: every(1_000), ..Politeness::default() };
    let mut h = Harness::with(Config { politeness, ..Config::default() });
    let mut peers = Peers::new(Plan::new().each(|_| Script::ok(10)));
    for nth in 1..4 {
        ask(&mut h, &format!("/{nth}"));
    }
    h.again();
    peers.run(&mut h);
    for nth in 1..4 {
        succeed(&mut h, 1);
        ask(&mut h, "/late");
        h.at(900 + nth * 1_020);
        peers.run(&mut h);
        succeed(&mut h, 0);
        h.at(1_000 + nth * 1_020);
        peers.run(&mut h);
    }
    assert_eq!(peers.made, 1);
}

/// RFC 9110, 15.5.20: who was asked by mistake is asked again on another connection, once, and where that says the same it is
/// the answer.
#[test]
fn who_was_the_wrong_one_is_asked_once_more_elsewhere() {
    let plan = Plan::new().each(|request| match request.index {
        0 => Script::ok(1),
        _ => Script::new().head(421, &[]).bytes("not here"),
    });
    let mut h = harness();
    let mut peers = Peers::new(plan);
    ask(&mut h, "/first");
    h.again();
    peers.run(&mut h);
    succeed(&mut h, 1);
    let (_, log) = add(&mut h, post("http://10.0.0.1/", "a body"), http2());
    h.again();
    peers.run(&mut h);
    // on the second connection it is the first
    let message = h.succeeds();
    assert_eq!(message.outcome.result.unwrap().status, 200);
    assert_eq!((message.outcome.report.resent, log.body().len()), (1, 1));
    assert_eq!(peers.made, 2);
    // two at once: the one that is not the first elsewhere either has its answer
    for nth in 0..3 {
        ask(&mut h, &format!("/{nth}"));
    }
    h.again();
    peers.run(&mut h);
    let mut statuses: Vec<_> =
        (0..3).map(|_| h.engine.poll_message().unwrap().outcome.result.unwrap().status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 421, 421]);
    end(h, &mut peers);
}

/// Servers take many resets in a short time for an attack: others go on another connection.
#[test]
fn a_connection_on_which_many_were_given_up_is_left() {
    for (given_up, connections) in [(99, 1), (100, 2)] {
        let mut h = harness();
        let mut peers =
            Peers::new(Plan::new().path("/ok", Script::ok(10)).each(|_| Script::new().stall()));
        let (other, _) = ask(&mut h, "/stays");
        for nth in 0..given_up {
            let (gone, _) = ask(&mut h, &format!("/{nth}"));
            h.again();
            peers.run(&mut h);
            assert!(h.engine.remove(gone).is_some());
        }
        ask(&mut h, "/ok");
        h.again();
        peers.run(&mut h);
        succeed(&mut h, 1);
        assert_eq!(peers.made, connections, "{given_up}");
        assert!(h.engine.paused(other).is_some(), "what was on it goes on");
        h.engine.remove(other);
        end(h, &mut peers);
    }
    // as many over a longer time are none
    let mut h = harness();
    let mut peers = Peers::new(Plan::new().each(|_| Script::new().stall()));
    for nth in 0..150 {
        let (gone, _) = ask(&mut h, "/");
        h.at(1_000 + nth * 400);
        peers.run(&mut h);
        assert!(h.engine.remove(gone).is_some());
    }
    assert_eq!(peers.made, 1);
}

/// As many connections as the caller says, however many streams are wanted; one that takes no more is replaced.
#[test]
fn there_are_no_more_connections_than_the_caller_says() {
    for most in [1, 2] {
        let mut h = Harness::with(Config { http2_connections: Some(most), ..Config::default() });
        let few = Plan::new().settings(&[(raw::setting::MAX_CONCURRENT_STREAMS, 3)]);
        let mut peers = Peers::new(few.clone().each(|_| Script::ok(10)));
        for nth in 0..100 {
            ask(&mut h, &format!("/{nth}"));
        }
        h.again();
        // nothing is known for long
        h.at(5_000);
        peers.run(&mut h);
        succeed(&mut h, 100);
        assert_eq!(peers.made, most);
        end(h, &mut peers);
    }
    let mut h = Harness::with(Config { http2_connections: Some(1), ..Config::default() });
    let plan = Plan::new().each(|request| match request.path() {
        "/long" => Script::new().head(200, &[]).await_release().end(),
        "/last" => Script::new().go_away(Last::This, raw::code::NO_ERROR).head(200, &[]).end(),
        _ => Script::ok(10),
    });
    let mut peers = Peers::new(plan);
    ask(&mut h, "/long");
    ask(&mut h, "/last");
    h.again();
    peers.run(&mut h);
    succeed(&mut h, 1);
    ask(&mut h, "/next");
    h.again();
    peers.run(&mut h);
    succeed(&mut h, 1);
    assert_eq!(peers.made, 2);
}

/// Who waits for a place on a connection that is full goes on another as soon as the server goes away, although what is on the one
/// goes on.
#[test]
fn who_waits_does_not_wait_for_a_server_that_goes_away() {
    let mut h = Harness::with(Config { http2_connections: Some(1), ..Config::default() });
    ask(&mut h, "/long");
    h.again();
    let connection = h.connect();
    h.received(connection, &raw::settings(&[(raw::setting::MAX_CONCURRENT_STREAMS, 1)]));
    h.sent(connection);
    ask(&mut h, "/next");
    h.again();
    assert_eq!(h.engine.stats().connections, 1, "there is to be no other");
    h.received(connection, &raw::goaway(1, raw::code::NO_ERROR, b""));
    assert_eq!(h.engine.stats().connections, 2);
    assert!(h.engine.poll_message().is_none(), "what is on it goes on");
}

/// What a server speaks, and how much it takes at a time, is known of it after nothing else is.
#[test]
fn what_is_spoken_is_remembered() {
    let mut h = harness();
    let few = Plan::new().settings(&[(raw::setting::MAX_CONCURRENT_STREAMS, 1)]);
    let mut peers = Peers::new(few.each(|_| Script::ok(10)));
    for waits in [true, false] {
        for nth in 0..3 {
            ask(&mut h, &format!("/{nth}"));
        }
        h.again();
        let wants = h.engine.stats().connections;
        assert_eq!(wants, if waits { 1 } else { 3 });
        peers.run(&mut h);
        succeed(&mut h, 3);
        h.engine.close_idle();
        h.again();
        peers.run(&mut h);
        assert_eq!(h.engine.stats().origins, 0);
    }
    end(h, &mut peers);
}

/// RFC 9218: said of those alone for which it is set.
#[test]
fn priorities_are_told_where_they_are_set() {
    for (priority, told) in [
        (None, None),
        (Some(Priority { urgency: 1, incremental: true }), Some(&b"\0\0\0\x01u=1,i"[..])),
    ] {
        let mut h = harness();
        add(&mut h, get("/"), Options { priority, ..http2() });
        h.again();
        let wants = h.wants();
        let [Output::Connect { connection, .. }] = wants[..] else { panic!("{wants:?}") };
        h.engine.handle_connected(connection);
        let frames = raw::Frame::all(&h.sent(connection));
        let updates: Vec<_> = frames.iter().filter(|frame| frame.kind == 0x10).collect();
        assert_eq!(updates.len(), usize::from(told.is_some()));
        assert_eq!(updates.first().map(|frame| &frame.payload[..]), told);
    }
}

/// What gates count are requests, each on its stream, and not the connection that they share.
#[test]
fn gates_count_the_requests_on_a_connection() {
    let held = || Plan::new().each(|_| Script::new().await_release().head(200, &[]).end());
    for (per_host, per_address) in
        [(at_once(3), Default::default()), (Default::default(), at_once(3))]
    {
        let rules = |most| Politeness {
            per_host: per_host.concurrency.map_or(per_host, |_| at_once(most)),
            per_address: per_address.concurrency.map_or(per_address, |_| at_once(most)),
            ..Politeness::default()
        };
        let mut h = Harness::with(Config { politeness: rules(3), ..Config::default() });
        let mut peers = Peers::new(held());
        let ids: Vec<_> = (0..10).map(|nth| ask(&mut h, &format!("/{nth}")).0).collect();
        let asked = |h: &mut Harness, peers: &mut Peers| {
            h.again();
            peers.run(h);
            peers.asked().len()
        };
        assert_eq!(asked(&mut h, &mut peers), 3);
        // one that is cancelled gives its place to the next
        h.engine.remove(ids[1]);
        assert_eq!(asked(&mut h, &mut peers), 4);
        // those that are there count where the rules change
        h.engine.set_politeness(rules(2));
        h.engine.remove(ids[0]);
        assert_eq!(asked(&mut h, &mut peers), 4);
        h.engine.remove(ids[2]);
        assert_eq!(asked(&mut h, &mut peers), 5);
        h.engine.set_politeness(rules(4));
        assert_eq!(asked(&mut h, &mut peers), 7);
        peers.links.iter_mut().for_each(|(_, server)| server.release());
        h.again();
        peers.run(&mut h);
        succeed(&mut h, 7);
        assert_eq!(peers.made, 1);
        end(h, &mut peers);
    }
}

/// Requests keep their distance on one connection, whether or not those before are answered.
#[test]
fn gates_keep_time_between_requests_on_a_connection() {
    let politeness = Politeness { per_host: every(1_000), ..Politeness::default() };
    let mut h = Harness::with(Config { politeness, ..Config::default() });
    let mut peers = Peers::new(Plan::new().each(|_| Script::new().stall()));
    for nth in 0..4 {
        ask(&mut h, &format!("/{nth}"));
    }
    h.again();
    peers.run(&mut h);
    for nth in 1..4 {
        h.at(900 + 1_020 * nth);
        peers.run(&mut h);
        assert_eq!(peers.asked().len(), nth as usize);
        h.at(1_000 + 1_020 * nth);
        peers.run(&mut h);
        assert_eq!(peers.asked().len(), nth as usize + 1);
    }
    assert_eq!(peers.made, 1);
}

/// Requests that are lost with their connection leave their gates, and begin there anew.
#[test]
fn what_is_lost_with_its_connection_leaves_the_gates() {
    let politeness = Politeness { per_host: at_once(7), ..Politeness::default() };
    let mut h = Harness::with(Config { politeness, ..Config::default() });
    let plan = Plan::new().each(|request| match request.index {
        4 => Script::new().go_away(Last::BeforeThis, raw::code::NO_ERROR),
        _ => Script::ok(500),
    });
    let mut peers = Peers::new(plan);
    for nth in 0..40 {
        ask(&mut h, &format!("/{nth}"));
    }
    h.again();
    peers.run(&mut h);
    succeed(&mut h, 40);
    assert_eq!(peers.made, 10);
    end(h, &mut peers);
}

/// A handler that has enough of what it was paused in is not held up by a response that goes on.
#[test]
fn enough_of_what_was_left_undecoded_is_the_end() {
    let mut h = harness();
    let coded = gzip(&vec![7; 1_000_000]);
    let head = Script::new().head_that_says(200, &[("content-encoding", "gzip")], Length::Absent);
    let script = head.raw(move |id| raw::data(id, 0, &coded));
    let mut peers = Peers::new(Plan::new().each(move |_| script.clone()));
    let mut options = Options { decode: Some(DecodePolicy::default()), ..http2() };
    (options.timeouts.first_byte, options.timeouts.idle) = (None, None);
    let (id, log) = add(&mut h, get("/"), options);
    log.seen.borrow_mut().at_body = Some(Flow::Pause);
    h.again();
    peers.run(&mut h);
    log.seen.borrow_mut().at_body = Some(Flow::Enough);
    h.engine.resume(id);
    h.again();
    peers.run(&mut h);
    succeed(&mut h, 1);
    end(h, &mut peers);
}

#[test]
fn there_may_be_one_stream_at_least() {
    let http2 = H2Limits { streams: 0, ..H2Limits::DEFAULT };
    let mut h = Harness::with(Config { http2, ..Config::default() });
    let mut peers = Peers::new(Plan::new().each(|_| Script::ok(10)));
    for nth in 0..3 {
        ask(&mut h, &format!("/{nth}"));
    }
    h.again();
    peers.run(&mut h);
    succeed(&mut h, 3);
    end(h, &mut peers);
}
