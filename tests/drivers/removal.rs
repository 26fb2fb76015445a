//! Removing a transfer in each phase: its handler comes back, its peer sees the end, others go on.

use std::time::Duration;

use ringdove::driver::Kind;
use ringdove::sys::ring::SetupFlag;
use ringdove::{Config, Request};

use crate::run::{Recorder, Run, Transfer, closes_late, on_every_driver, policy};
use ringdove_test_support::PATIENCE;
use ringdove_test_support::certs::Authority;
use ringdove_test_support::dead_end::Blackhole;
use ringdove_test_support::hostile::{Framing, Hostile, Plan, Script, SeenConnection};

on_every_driver! {
    before_the_first_turn,
    in_the_queue,
    while_resolving,
    while_connecting,
    while_shaking_hands,
    while_sending,
    before_the_first_byte,
    in_the_body,
    while_paused,
    after_the_end,
    all_of_many_without_another_turn,
    the_only_one_without_another_turn,
    a_dropped_driver_drops_all,
}

/// Removes a transfer: nothing more is told of it, and nothing is left of it.
#[track_caller]
fn remove(run: &mut Run, transfer: &Transfer) {
    let told = transfer.told();
    let before = run.driver.stats();
    let handler = run.driver.remove(transfer.id).expect("it runs");
    let handler: Box<dyn std::any::Any> = handler;
    assert!(handler.downcast::<Recorder>().is_ok(), "the handler comes back");
    run.turn_for(Duration::from_millis(20));
    assert_eq!(transfer.told(), told, "nothing more is told");
    let stats = run.driver.stats();
    let others_ended = stats.succeeded - before.succeeded;
    assert_eq!(stats.removed, before.removed + 1);
    assert_eq!(stats.running, before.running - 1 - others_ended as usize);
}

#[track_caller]
fn assert_peer_sees_the_end(server: &Hostile) {
    assert!(server.wait_for(PATIENCE, all_ended), "{}", server.dump());
}

fn all_ended(seen: &[SeenConnection]) -> bool {
    seen.iter().all(|connection| connection.end.is_some())
}

fn ok() -> Plan {
    Plan::new().path("/ok", Script::new().ok("fine"))
}

/// Another transfer goes its way.
#[track_caller]
fn assert_others_unharmed(run: &mut Run, server: &Hostile) {
    let other = run.get(&server.url("/ok"));
    run.finish();
    other.assert_response(200, b"fine");
}

fn before_the_first_turn(kind: Kind) {
    let server = ok().start();
    let mut run = Run::new(kind);
    let transfer = run.get(&server.url("/ok"));
    remove(&mut run, &transfer);
    assert_eq!(server.connections(), 0);
    assert_others_unharmed(&mut run, &server);
}

fn in_the_queue(kind: Kind) {
    let server = ok().path("/stall", Script::new().stall()).start();
    let mut run = Run::with(kind, Config { max_connections: 1, ..Config::default() });
    let first = run.get(&server.url("/stall"));
    let queued = run.get(&server.url("/ok"));
    let last = run.get(&server.url("/ok"));
    run.turn_until("the first is under way", |_| server.requests().len() == 1);
    remove(&mut run, &queued);
    remove(&mut run, &first);
    run.finish();
    last.assert_response(200, b"fine");
    assert_eq!(server.requests().len(), 2, "{}", server.dump());
}

fn while_resolving(kind: Kind) {
    let server = ok().start();
    let mut run = Run::new(kind);
    let url = format!("http://localhost:{}/ok", server.addr().port());
    for _ in 0..20 {
        let transfer = run.get(&url);
        run.driver.turn(Some(Duration::ZERO)).expect("the driver can go on");
        if transfer.is_done() {
            continue;
        }
        remove(&mut run, &transfer);
    }
    assert_others_unharmed(&mut run, &server);
}

fn while_connecting(kind: Kind) {
    let server = ok().start();
    let blackhole = Blackhole::start().expect("an address that does not answer");
    let mut run = Run::new(kind);
    let transfer = run.get(&format!("http://{}/", blackhole.addr()));
    run.turn_for(Duration::from_millis(20));
    assert_eq!(run.driver.stats().connections, 1);
    remove(&mut run, &transfer);
    assert_eq!(run.driver.stats().connections, 0);
    assert_others_unharmed(&mut run, &server);
}

fn while_shaking_hands(kind: Kind) {
    let authority = Authority::new();
    let server = ok()
        .tls(authority.server().server_config())
        .connection(Script::new().read_at_least(1).stall())
        .connection(Script::new().handshake().serve())
        .start();
    let config = Config { tls: Some(policy(&authority)), ..Config::default() };
    let mut run = Run::with(kind, config);
    let transfer = run.get(&server.url("/"));
    run.turn_until("the handshake has begun", |_| {
        server.seen().first().is_some_and(|seen| seen.received_len > 0)
    });
    remove(&mut run, &transfer);
    assert_peer_sees_the_end(&server);
    assert_others_unharmed(&mut run, &server);
}

fn while_sending(kind: Kind) {
    let server = ok()
        .recv_buffer(4096)
        .connection(Script::new().read_head().wait(Duration::from_millis(200)).stall())
        .connection(Script::new().serve())
        .start();
    let mut run = Run::new(kind);
    let request = Request::new(http::Method::POST, &server.url("/")).unwrap();
    let transfer = run.add(request.body(vec![b'x'; 8_000_000]));
    run.turn_until("the head has arrived", |_| server.requests().len() == 1);
    remove(&mut run, &transfer);
    // what was sent without a copy is waited for first, from turn to turn
    run.turn_until("the peer sees the end", |_| all_ended(&server.seen()));
    assert_others_unharmed(&mut run, &server);
}

fn before_the_first_byte(kind: Kind) {
    let server = ok().path("/stall", Script::new().stall()).start();
    let mut run = Run::new(kind);
    let transfer = run.get(&server.url("/stall"));
    run.turn_until("the request has arrived", |_| server.requests().len() == 1);
    remove(&mut run, &transfer);
    assert_peer_sees_the_end(&server);
    assert_others_unharmed(&mut run, &server);
}

pub(crate) fn in_the_body(kind: Kind) {
    let half = Script::new().respond("200 OK", Framing::Declared(10), "half").stall();
    let server = ok().path("/half", half).start();
    let mut run = Run::new(kind);
    let transfer = run.get(&server.url("/half"));
    run.turn_until("half has arrived", |_| transfer.body_len() == 4);
    remove(&mut run, &transfer);
    assert_peer_sees_the_end(&server);
    assert_others_unharmed(&mut run, &server);
}

fn while_paused(kind: Kind) {
    let half = Script::new().respond("200 OK", Framing::Declared(10), "half").stall();
    let server = ok().path("/half", half).start();
    let mut run = Run::new(kind);
    let recorder = Recorder::pausing_at(0);
    let request = Request::get(&server.url("/half")).unwrap();
    let transfer = run.add_recorded(request, recorder);
    run.turn_until("it is paused", |_| !transfer.told().is_empty());
    run.turn_for(Duration::from_millis(20));
    remove(&mut run, &transfer);
    assert_peer_sees_the_end(&server);
    assert_others_unharmed(&mut run, &server);
}

/// A kernel thread submits, which does so when it is given a CPU.
fn is_slow_to_submit(run: &Run) -> bool {
    let report = run.driver.ring_report();
    let slow = report.is_some_and(|report| report.flags.contains(&SetupFlag::SqPoll));
    if slow {
        eprintln!("skipped: what a kernel thread is to close is closed with a later turn");
    }
    slow
}

/// Whoever has no transfer left may never take another turn.
fn all_of_many_without_another_turn(kind: Kind) {
    let server = ok().path("/stall", Script::new().stall()).start();
    let config = Config { max_connections: 200, max_per_origin: 200, ..Config::default() };
    let mut run = Run::with(kind, config);
    if is_slow_to_submit(&run) {
        return;
    }
    let transfers: Vec<_> = (0..200).map(|_| run.get(&server.url("/stall"))).collect();
    run.turn_until("all requests have arrived", |_| server.requests().len() == 200);
    for transfer in transfers {
        run.driver.remove(transfer.id).expect("it runs");
    }
    assert_peer_sees_the_end(&server);
}

fn the_only_one_without_another_turn(kind: Kind) {
    let server = ok().path("/stall", Script::new().stall()).start();
    for turns in [0, 1, 1, 1, 2, 3] {
        let mut run = Run::new(kind);
        if is_slow_to_submit(&run) {
            return;
        }
        let transfer = run.get(&server.url("/stall"));
        for _ in 0..turns {
            run.driver.turn(Some(Duration::ZERO)).expect("the driver can go on");
        }
        run.driver.remove(transfer.id).expect("it runs");
        // what a worker has to do first is done when it is
        if !closes_late(&run.driver) {
            assert_eq!(run.driver.ring_in_use().unwrap_or_default().streams, 0);
        }
        assert_peer_sees_the_end(&server);
    }
}

fn after_the_end(kind: Kind) {
    let server = ok().start();
    let mut run = Run::new(kind);
    let transfer = run.get(&server.url("/ok"));
    run.finish();
    assert!(run.driver.remove(transfer.id).is_err());
    assert_others_unharmed(&mut run, &server);
    assert_eq!(run.driver.stats().opened, 1, "removing the over closes nothing");
}

/// With transfers in every phase: what the census counts is the test.
fn a_dropped_driver_drops_all(kind: Kind) {
    let blackhole = Blackhole::start().expect("an address that does not answer");
    let server = ok()
        .path("/stall", Script::new().stall())
        .path("/half", Script::new().respond("200 OK", Framing::Declared(10), "half").stall())
        .start();
    let mut driver = ringdove::Driver::new(kind, Config::default()).expect("asked before");
    let urls = [
        server.url("/stall"),
        server.url("/half"),
        format!("http://{}/", blackhole.addr()),
        "http://localhost:9/".to_owned(),
    ];
    for url in &urls {
        driver.add(Request::get(url).unwrap(), Box::new(ringdove::Discard)).expect("adds");
    }
    for _ in 0..5 {
        driver.turn(Some(Duration::from_millis(10))).expect("the driver can go on");
    }
    driver.add(Request::get(&urls[0]).unwrap(), Box::new(ringdove::Discard)).expect("adds");
    drop(driver);
    assert_peer_sees_the_end(&server);
}
