//! The simple loop: curl_multi_perform, curl_multi_poll, curl_multi_wakeup, curl_multi_info_read, and
//! the counts that each call returns.

use std::time::{Duration, Instant};

use ringdove::driver::MultiError;
use ringdove::{Collect, Config, Request};

use crate::socket_loop::Loop;
use ringdove_test_support::PATIENCE;
use ringdove_test_support::hostile::{Framing, Plan, Script};

fn ok() -> Plan {
    Plan::new()
        .path("/", Script::new().ok("fine"))
        .path("/stall", Script::new().stall())
        .path("/half", Script::new().respond("200 OK", Framing::Declared(9), "half").reset())
}

#[test]
fn perform_and_wait_are_a_loop() {
    let server = ok().start();
    let mut turning = Loop::new();
    for _ in 0..10 {
        turning.get(&server.url("/"));
    }
    let start = Instant::now();
    while turning.multi.perform().unwrap() > 0 {
        assert!(start.elapsed() < PATIENCE);
        turning.multi.wait(Duration::from_secs(1)).unwrap();
    }
    assert_eq!(turning.multi.stats().succeeded, 10);
    assert_eq!(turning.multi.perform().unwrap(), 0, "as a precaution, any time");
}

#[test]
fn every_call_returns_how_many_run() {
    let server = ok().start();
    let mut turning: Loop = Loop::with(Config { max_connections: 1, ..Config::default() });
    assert_eq!(turning.multi.perform().unwrap(), 0);
    let stalled = turning.get(&server.url("/stall"));
    turning.get(&server.url("/"));
    assert_eq!(turning.multi.running(), 2, "the queued count");
    assert_eq!(turning.multi.perform().unwrap(), 2);
    turning.multi.remove(stalled).unwrap();
    assert_eq!(turning.multi.running(), 1);
    turning.finish();
    assert_eq!(turning.multi.perform().unwrap(), 0);
}

#[test]
fn info_read_gives_each_end_once_and_says_how_many_are_left() {
    let server = ok().start();
    let mut turning: Loop = Loop::with(Config { max_per_origin: 1, ..Config::default() });
    let mut expected: Vec<_> = (0..5).map(|_| (turning.get(&server.url("/")), true)).collect();
    expected.push((turning.get(&server.url("/half")), false));
    assert!(turning.multi.info_read().is_none());
    turning.finish();
    let mut seen = Vec::new();
    while let Some((message, left)) = turning.multi.info_read() {
        assert_eq!(left, 6 - seen.len() - 1);
        seen.push((message.transfer, message.outcome.result.is_ok()));
    }
    assert_eq!(seen, expected, "in the order in which they ended");
    assert!(turning.multi.info_read().is_none());
}

#[test]
fn wait_ends_with_its_time_or_the_timer() {
    let mut turning = Loop::new();
    let start = Instant::now();
    assert_eq!(turning.multi.wait(Duration::from_millis(50)).unwrap(), 0);
    assert!(start.elapsed() >= Duration::from_millis(50), "without any socket it waits too");

    let server = ok().start();
    turning.get(&server.url("/stall"));
    let start = Instant::now();
    turning.multi.wait(Duration::from_secs(60)).unwrap();
    assert!(start.elapsed() < Duration::from_secs(30), "an added transfer is to be begun at once");
}

/// poll(2) reports errors and hang-ups of any descriptor: those of a paused transfer are left out.
#[test]
fn wait_does_not_spin_on_a_paused_transfer() {
    let server = ok().start();
    let mut turning = Loop::new();
    let id = turning.get(&server.url("/half"));
    while turning.multi.stats().received == 0 {
        turning.multi.perform().unwrap();
        if turning.multi.stats().received > 0 {
            break;
        }
        turning.multi.wait(Duration::from_millis(10)).unwrap();
    }
    if turning.multi.pause(id).is_err() {
        eprintln!("skipped: the reset overtook the response");
        return;
    }
    let ended = |seen: &[ringdove_test_support::hostile::SeenConnection]| seen[0].end.is_some();
    assert!(server.wait_for(PATIENCE, ended), "{}", server.dump());
    turning.multi.perform().unwrap();
    let start = Instant::now();
    assert_eq!(turning.multi.wait(Duration::from_millis(100)).unwrap(), 0);
    assert!(start.elapsed() >= Duration::from_millis(100));
}

#[test]
fn a_wake_up_ends_the_wait() {
    let mut turning = Loop::new();
    let waker = turning.multi.waker().unwrap();
    let other = waker.clone();
    let start = Instant::now();
    let waking = std::thread::spawn(move || {
        std::thread::park_timeout(Duration::from_millis(50));
        other.wake();
    });
    assert_eq!(turning.multi.wait(Duration::from_secs(60)).unwrap(), 1);
    assert!(start.elapsed() < Duration::from_secs(30));
    waking.join().unwrap();
    turning.multi.perform().unwrap();
    assert_eq!(turning.multi.wait(Duration::from_millis(10)).unwrap(), 0, "it ends one wait");

    // when nobody waits, the next wait ends at once; many wake-ups are one
    (0..5).for_each(|_| waker.wake());
    let start = Instant::now();
    assert_eq!(turning.multi.wait(Duration::from_secs(60)).unwrap(), 1);
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_wake_up_reaches_a_socket_loop_as_a_socket() {
    let mut turning = Loop::new();
    let waker = turning.multi.waker().unwrap();
    assert_eq!(turning.watched().len(), 1, "told as any socket");
    assert_eq!(turning.watched()[0].transfer, None);
    turning.multi.assign(turning.token(), Some(3)).unwrap();
    waker.wake();
    let events = turning.wait(PATIENCE);
    assert_eq!(events.len(), 1);
    turning.multi.socket_actions(events).unwrap();
    assert_eq!(turning.wait(Duration::ZERO), [], "taken");
}

#[test]
fn what_is_over_is_unknown() {
    let server = ok().start();
    let mut turning = Loop::new();
    let id = turning.get(&server.url("/"));
    turning.finish();
    for result in
        [turning.multi.pause(id), turning.multi.resume(id), turning.multi.remove(id).map(drop)]
    {
        assert!(matches!(result, Err(MultiError::UnknownTransfer(unknown)) if unknown == id));
    }
    assert_eq!(turning.response(), (200, b"fine".to_vec()), "its message is there still");
}

#[test]
fn what_cannot_be_added_is_refused_at_once() {
    let mut turning = Loop::new();
    let url = "http://127.0.0.1:1/";
    let trace = Request::new(http::Method::TRACE, url).unwrap().body("no body is allowed here");
    let refused = turning.multi.add(trace, Box::new(Collect::default()));
    assert!(matches!(refused, Err(MultiError::Add(_))), "{refused:?}");
    assert_eq!((turning.multi.running(), turning.multi.stats().added), (0, 0));
}

#[test]
fn transfers_may_be_removed_and_added_at_any_time() {
    let server = ok().start();
    let mut turning: Loop = Loop::with(Config { max_connections: 4, ..Config::default() });
    let mut running = Vec::new();
    for round in 0..40 {
        running.push(turning.get(&server.url(if round % 2 == 0 { "/stall" } else { "/" })));
        turning.turn().unwrap();
        if round % 3 == 0 {
            // may be over by itself
            let _ = turning.multi.remove(running.remove(running.len() / 2));
        }
    }
    for id in running {
        let _ = turning.multi.remove(id);
    }
    turning.multi.close_idle().unwrap();
    turning.turn().unwrap();
    assert_eq!(turning.watched(), []);
    assert!(turning.multi.is_empty(), "{:?}", turning.multi.stats());
}
