//! Pausing, resuming and aborting, from the handler and from outside.

use std::time::Duration;

use ringdove::driver::Kind;
use ringdove::error::{Cause, Deadline, Phase};
use ringdove::{MultiError, Options, Request};
use std::sync::Arc;

use crate::run::{Recorder, Run, Told, on_every_driver};
use ringdove_test_support::PATIENCE;
use ringdove_test_support::certs::Authority;
use ringdove_test_support::hostile::{Framing, Hostile, Plan, Script};

on_every_driver! {
    a_handler_pauses_in_the_body,
    a_handler_pauses_in_the_body_over_tls,
    a_handler_pauses_at_the_head,
    a_handler_pauses_all_the_time,
    a_handler_pauses_all_the_time_over_tls,
    a_pause_from_outside,
    a_paused_transfer_is_not_timed_out_as_idle,
    a_paused_transfer_whose_peer_goes_away,
    a_paused_transfer_costs_no_turns,
    a_handler_aborts,
    the_over_cannot_be_paused,
}

const SIZE: usize = 3_000_000;

fn body() -> Vec<u8> {
    (0..SIZE).map(|i| (i * 31 % 253) as u8).collect()
}

fn serving() -> Plan {
    Plan::new()
        .path("/", Script::new().respond("200 OK", Framing::ContentLength, body()))
        .path("/chunked", Script::new().respond("200 OK", Framing::Chunked(7000), body()))
}

pub(crate) fn a_handler_pauses_in_the_body(kind: Kind) {
    let server = serving().start();
    pause_in_body(Run::new(kind), &server);
}

fn a_handler_pauses_in_the_body_over_tls(kind: Kind) {
    let authority = Authority::new();
    let server = serving().tls(authority.server().server_config()).start();
    pause_in_body(Run::trusting(kind, &authority), &server);
}

fn pause_in_body(mut run: Run, server: &Hostile) {
    for (path, pause_at) in [("/", 1), ("/", 1_000_000), ("/chunked", 1_000_000)] {
        let request = Request::get(&server.url(path)).unwrap();
        let transfer = run.add_recorded(request, Recorder::pausing_at(pause_at));
        run.turn_until("it is paused", |_| transfer.body_len() >= pause_at);
        let paused_at = transfer.body_len();
        run.turn_for(Duration::from_millis(50));
        assert_eq!(transfer.body_len(), paused_at, "nothing is delivered while it is paused");
        run.driver.resume(transfer.id).expect("it runs");
        run.finish();
        transfer.assert_response(200, &body());
    }
}

fn a_handler_pauses_at_the_head(kind: Kind) {
    let server = serving().start();
    let mut run = Run::new(kind);
    let transfer =
        run.add_recorded(Request::get(&server.url("/")).unwrap(), Recorder::pausing_at(0));
    run.turn_until("the head has come", |_| !transfer.told().is_empty());
    run.turn_for(Duration::from_millis(50));
    assert_eq!(transfer.told().len(), 1);
    run.driver.resume(transfer.id).expect("it runs");
    run.finish();
    transfer.assert_response(200, &body());
}

fn framings() -> Plan {
    let body = &body()[..200_000];
    Plan::new()
        .path("/length", Script::new().respond("200 OK", Framing::ContentLength, body))
        .path("/chunked", Script::new().respond("200 OK", Framing::Chunked(7000), body))
        .path("/close", Script::new().respond("200 OK", Framing::UntilClose, body).close())
}

fn a_handler_pauses_all_the_time(kind: Kind) {
    let server = framings().start();
    pause_all_the_time(Run::new(kind), &server);
}

fn a_handler_pauses_all_the_time_over_tls(kind: Kind) {
    let authority = Authority::new();
    let server = framings().tls(authority.server().server_config()).start();
    pause_all_the_time(Run::trusting(kind, &authority), &server);
}

fn pause_all_the_time(mut run: Run, server: &Hostile) {
    for path in ["/length", "/chunked", "/close"] {
        let request = Request::get(&server.url(path)).unwrap();
        let transfer = run.add_recorded(request, Recorder::pausing_always());
        run.turn_until("the head has come", |_| !transfer.told().is_empty());
        run.turn_until("it is over", |run| {
            let _ = run.driver.resume(transfer.id);
            transfer.is_done()
        });
        transfer.assert_response(200, &body()[..200_000]);
    }
}

fn a_pause_from_outside(kind: Kind) {
    let trickle = Script::new()
        .trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n", 1000, Duration::ZERO)
        .trickle([b'x'; 40], 1, Duration::from_millis(2));
    let server = Plan::new().path("/", trickle).start();
    let mut run = Run::new(kind);
    let transfer = run.get(&server.url("/"));
    run.turn_until("some of the body", |_| transfer.body_len() >= 10);
    run.driver.pause(transfer.id).expect("it runs");
    let before = transfer.body_len();
    run.turn_for(Duration::from_millis(150));
    assert_eq!(transfer.body_len(), before, "nothing is delivered while it is paused");
    run.driver.resume(transfer.id).expect("it runs");
    run.finish();
    transfer.assert_response(200, &[b'x'; 40]);
}

fn a_paused_transfer_is_not_timed_out_as_idle(kind: Kind) {
    let server = serving().start();
    let mut run = Run::new(kind);
    let short = Duration::from_millis(100);
    let mut options = Options::default();
    options.timeouts.idle = Some(short);
    let request = Request::get(&server.url("/")).unwrap().options(Arc::new(options));
    let transfer = run.add_recorded(request, Recorder::pausing_at(1));
    run.turn_until("it is paused", |_| transfer.body_len() > 0);
    run.turn_for(short * 3);
    assert!(!transfer.is_done(), "{:?}", transfer.outcome());
    run.driver.resume(transfer.id).expect("it runs");
    run.finish();
    transfer.assert_response(200, &body());

    // but as a whole it is
    let total = Duration::from_millis(200);
    let mut options = Options::default();
    options.timeouts.total = Some(total);
    let request = Request::get(&server.url("/")).unwrap().options(Arc::new(options));
    let transfer = run.add_recorded(request, Recorder::pausing_at(1));
    run.finish();
    transfer.assert_timed_out(Deadline::Total, Phase::Receive, total);
}

/// What has arrived is delivered when it is resumed, then the end.
fn a_paused_transfer_whose_peer_goes_away(kind: Kind) {
    let whole = Script::new().respond("200 OK", Framing::UntilClose, "until the end").close();
    let cut = Script::new().respond("200 OK", Framing::Declared(99), "cut short").close();
    let server = Plan::new().path("/whole", whole).path("/cut", cut).start();
    let mut run = Run::new(kind);
    for path in ["/whole", "/cut"] {
        let transfer =
            run.add_recorded(Request::get(&server.url(path)).unwrap(), Recorder::pausing_at(0));
        let gone = |seen: &[ringdove_test_support::hostile::SeenConnection]| {
            seen.iter().all(|connection| connection.end.is_some())
        };
        run.turn_until("it is paused", |_| !transfer.told().is_empty());
        assert!(server.wait_for(PATIENCE, gone), "{}", server.dump());
        run.turn_for(Duration::from_millis(30));
        assert!(!transfer.is_done());
        run.driver.resume(transfer.id).expect("it runs");
        run.finish();
        if path == "/whole" {
            transfer.assert_response(200, b"until the end");
        } else {
            assert!(matches!(transfer.error().cause, Cause::Http(_)));
            assert_eq!(transfer.record().body, b"cut short");
        }
    }
}

/// Also when its peer has reset the connection, which epoll and poll report whether asked or not.
fn a_paused_transfer_costs_no_turns(kind: Kind) {
    let reset = Script::new().respond("200 OK", Framing::Declared(99), "more to come").reset();
    let flood = Script::new().respond("200 OK", Framing::ContentLength, body());
    let server = Plan::new().path("/reset", reset).path("/flood", flood).start();
    for path in ["/reset", "/flood"] {
        let mut run = Run::new(kind);
        let transfer =
            run.add_recorded(Request::get(&server.url(path)).unwrap(), Recorder::pausing_at(0));
        run.turn_until("it is paused or over", |_| !transfer.told().is_empty());
        if transfer.is_done() {
            // the RST came before the head could be read
            continue;
        }
        run.turn_for(Duration::from_millis(30));
        let start = std::time::Instant::now();
        let mut turns = 0;
        while start.elapsed() < Duration::from_millis(100) {
            run.driver.turn(Some(Duration::from_millis(100))).expect("the driver can go on");
            turns += 1;
        }
        assert!(turns <= 5, "{path}: {turns} turns in 100 ms for nothing");
        run.driver.remove(transfer.id).expect("it runs");
    }
}

fn a_handler_aborts(kind: Kind) {
    let server = serving().start();
    let mut run = Run::new(kind);
    for abort_at in [0, 1, 1_000_000] {
        let recorder = Recorder::aborting_at(abort_at);
        let transfer = run.add_recorded(Request::get(&server.url("/")).unwrap(), recorder);
        run.finish();
        let error = transfer.error();
        assert_eq!(error.cause, Cause::Aborted("had enough".to_owned()));
        assert_eq!(error.phase, Phase::Receive);
        assert!(transfer.body_len() < SIZE);
        let ends = transfer.told().iter().filter(|told| **told == Told::Done).count();
        assert_eq!(ends, 1);
        assert_eq!(run.driver.stats().connections, 0, "half a response is on it");
    }
}

fn the_over_cannot_be_paused(kind: Kind) {
    let server = serving().start();
    let mut run = Run::new(kind);
    let transfer = run.get(&server.url("/"));
    run.finish();
    let unknown = |result: Result<(), MultiError>| matches!(result, Err(MultiError::UnknownTransfer(id)) if id == transfer.id);
    assert!(unknown(run.driver.pause(transfer.id)));
    assert!(unknown(run.driver.resume(transfer.id)));
    assert!(unknown(run.driver.remove(transfer.id).map(drop)));
}
