//! CURLMOPT_TIMERFUNCTION, curl_multi_timeout, and deadlines that a loop carries with its sockets.

use std::time::{Duration, Instant};

use ringdove::error::{Cause, Deadline};
use ringdove::sys::count::{self, Counter};
use ringdove::{Collect, Config, Event, Options, Request, TransferId, sys};

use crate::socket_loop::Loop;
use ringdove_test_support::hostile::{Framing, Plan, Script};
use ringdove_test_support::{PATIENCE, eventually};

fn stalling() -> Plan {
    Plan::new()
        .path("/", Script::new().ok("fine"))
        .path("/stall", Script::new().stall())
        .path("/half", Script::new().respond("200 OK", Framing::Declared(9), "half").stall())
}

fn add<const C: bool>(
    turning: &mut Loop<C>,
    url: &str,
    change: impl Fn(&mut Options),
) -> TransferId {
    let mut options = Options::default();
    change(&mut options);
    let request = Request::get(url).unwrap().options(options.into());
    turning.multi.add(request, Box::new(Collect::default())).unwrap()
}

#[track_caller]
fn assert_timed_out<const C: bool>(turning: &mut Loop<C>, which: Deadline) {
    let (message, _) = turning.multi.info_read().expect("a transfer is over");
    let error = message.outcome.result.expect_err("it failed");
    assert!(
        matches!(error.cause, Cause::Timeout { deadline, .. } if deadline == which),
        "{error:?}"
    );
}

#[test]
fn adding_asks_for_a_call_at_once() {
    let server = stalling().start();
    let mut turning = Loop::new();
    assert_eq!(turning.multi.timeout(), None, "nothing to wait for");
    turning.get(&server.url("/"));
    assert_eq!(turning.record.borrow().timers, [Some(Duration::ZERO)]);
    assert_eq!(turning.multi.timeout(), Some(Duration::ZERO));
    turning.get(&server.url("/"));
    assert_eq!(turning.record.borrow().timers.len(), 1, "only changes are told");
    turning.finish();
}

#[test]
fn the_timer_alone_is_enough_for_deadlines() {
    let server = stalling().start();
    for (path, which) in [("/stall", Deadline::FirstByte), ("/half", Deadline::Idle)] {
        let mut turning = Loop::new();
        let after = Some(Duration::from_millis(150));
        add(&mut turning, &server.url(path), |options| {
            options.timeouts.first_byte = after;
            options.timeouts.idle = after;
        });
        let start = std::time::Instant::now();
        turning.finish();
        assert!(start.elapsed() >= Duration::from_millis(150));
        assert_timed_out(&mut turning, which);
        let record = turning.record.borrow();
        assert!(record.timers.len() < 12, "{:?}", record.timers);
        assert!(record.changes.iter().all(|(change, _)| change.deadline.is_none()));
    }
}

/// As curl does: a timer that was reported, also too early, is told again; it does not repeat.
#[test]
fn a_timer_that_was_reported_is_told_again() {
    let server = stalling().start();
    let mut turning = Loop::new();
    add(&mut turning, &server.url("/stall"), |options| {
        options.timeouts.first_byte = Some(Duration::from_secs(50));
    });
    turning.turn_until("the request has arrived", |_| server.requests().len() == 1);
    turning.turn_for(Duration::from_millis(20));
    for _ in 0..3 {
        let told = turning.record.borrow().timers.len();
        turning.multi.socket_action(Event::Timeout).unwrap();
        let record = turning.record.borrow();
        assert_eq!(record.timers.len(), told + 1);
        let wait = record.timers[told].expect("there is a deadline");
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(51), "{wait:?}");
    }
}

/// A loop that was held up past a deadline, and tells of the time alone: what lies in the socket has come in time.
#[test]
fn the_time_may_be_told_before_the_sockets() {
    let server = Plan::new().path("/", Script::new().ok("in time")).start();
    let mut turning = Loop::new();
    let after = Duration::from_millis(300);
    add(&mut turning, &server.url("/"), |options| options.timeouts.first_byte = Some(after));
    // the request leaves, and nobody looks at the answer
    turning.turn_until("it is asked", |turning| turning.multi.stats().sent > 0);
    let answered = || sys::readiness(turning.last_change().fd).is_ok_and(|ready| ready.recv);
    assert!(eventually(PATIENCE, answered));
    std::thread::sleep(after * 2);
    while turning.multi.socket_action(Event::Timeout).unwrap() > 0 {}
    assert_eq!(turning.response(), (200, b"in time".to_vec()));
}

/// Many that hold no socket, and whose time is over one after the other: all sockets are not looked at for each.
#[test]
fn a_queue_that_ends_bit_by_bit_is_not_paid_for_by_the_sockets() {
    let server = stalling().start();
    let mut turning: Loop = Loop::with(Config { max_connections: 1, ..Config::default() });
    let stalls = turning.get(&server.url("/stall"));
    turning.turn_until("it is asked", |turning| turning.multi.stats().sent > 0);
    let begun = Instant::now();
    let (mut own, queued) = (0, 100);
    for millis in 1..=queued {
        let after = Some(Duration::from_millis(3 * millis));
        add(&mut turning, &server.url("/"), |options| options.timeouts.queue = after);
    }
    while turning.multi.stats().failed < queued {
        std::thread::sleep(Duration::from_millis(1));
        let before = count::snapshot();
        turning.multi.socket_action(Event::Timeout).unwrap();
        own += count::snapshot().since(&before).get(Counter::Poll);
    }
    let looks = begun.elapsed().as_millis() as u64 / 20 + 2;
    assert!(own <= looks, "{own} looks at all sockets, of {looks}");
    turning.multi.remove(stalls).unwrap();
}

/// More than are admitted in one batch: the timer is told for the rest, batch by batch.
#[test]
fn a_crowd_is_admitted_by_the_timer_alone() {
    let server = stalling().start();
    let mut turning: Loop = Loop::with(Config { max_connections: 1, ..Config::default() });
    let ids: Vec<_> = (0..20_000).map(|_| turning.get(&server.url("/stall"))).collect();
    let queued = Some(Duration::from_millis(1));
    let options = Options {
        timeouts: ringdove::Timeouts { queue: queued, ..Default::default() },
        ..Default::default()
    };
    let request = Request::get(&server.url("/stall")).unwrap().options(options.into());
    turning.multi.add(request, Box::new(Collect::default())).unwrap();
    // its deadline begins when it is admitted, after all the others
    turning.turn_until("the last was admitted, and timed out", |turning| {
        turning.multi.stats().failed == 1
    });
    for id in ids {
        turning.multi.remove(id).unwrap();
    }
}

#[test]
fn no_timer_is_wanted_when_nothing_waits() {
    let server = stalling().path("/close", Script::new().ok("").close()).start();
    let mut turning = Loop::new();
    turning.get(&server.url("/close"));
    turning.finish();
    turning.turn_until("the connection is gone", |turning| turning.watched().is_empty());
    assert_eq!(turning.multi.timeout(), None);
    assert_eq!(turning.multi.next_time(), None);
}

#[test]
fn a_carried_deadline_comes_with_the_socket() {
    let server = stalling().start();
    for (path, which) in [("/stall", Deadline::FirstByte), ("/half", Deadline::Idle)] {
        let mut turning: Loop<true> = Loop::with(Config::default());
        let after = Duration::from_millis(150);
        add(&mut turning, &server.url(path), |options| {
            options.timeouts.first_byte = Some(after);
            options.timeouts.idle = Some(after);
        });
        let start = std::time::Instant::now();
        turning.finish();
        assert!(start.elapsed() >= after);
        assert_timed_out(&mut turning, which);
        let record = turning.record.borrow();
        assert!(record.changes.iter().any(|(change, _)| change.deadline.is_some()));
        let waits = record.timers.iter().flatten().filter(|wait| !wait.is_zero()).count();
        assert_eq!(waits, 0, "the timer leaves sockets' deadlines out: {:?}", record.timers);
    }
}

/// A deadline that has moved since it was told is reported in good faith: it is told anew.
#[test]
fn a_deadline_reported_early_is_told_again_and_does_no_harm() {
    let trickle = Script::new().send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n").trickle(
        b"trickled",
        1,
        Duration::from_millis(60),
    );
    let server = Plan::new().path("/", trickle).start();
    let mut turning: Loop<true> = Loop::with(Config::default());
    add(&mut turning, &server.url("/"), |options| {
        options.timeouts.idle = Some(Duration::from_millis(250));
    });
    let soon = ringdove::sys::clock::now() + Duration::from_secs(10);
    turning.finish();
    assert_eq!(turning.response(), (200, b"trickled".to_vec()));
    let record = turning.record.borrow();
    let idle: Vec<_> = record
        .changes
        .iter()
        .filter_map(|(change, _)| change.deadline)
        .filter(|deadline| *deadline < soon)
        .collect();
    assert!(idle.len() >= 2 && idle.is_sorted(), "the later replaces the earlier: {idle:?}");
    drop(record);

    // long before it is due
    turning.get(&server.url("/"));
    turning.turn_until("it is under way", |turning| turning.multi.running() == 1);
    let token = turning.token();
    for _ in 0..10 {
        assert_eq!(turning.multi.socket_action(Event::Deadline(token)).unwrap(), 1);
    }
    turning.finish();
    assert_eq!(turning.response(), (200, b"trickled".to_vec()));
}

/// The socket of a paused transfer is watched for nothing, so the timer has its deadline.
#[test]
fn a_paused_transfer_has_its_deadline_in_the_timer() {
    let server = stalling().start();
    let mut turning: Loop<true> = Loop::with(Config::default());
    let total = Duration::from_millis(200);
    let id = add(&mut turning, &server.url("/half"), |options| {
        options.timeouts.total = Some(total);
    });
    turning.turn_until("half has arrived", |turning| turning.multi.stats().received > 40);
    turning.multi.pause(id).unwrap();
    turning.finish();
    assert_timed_out(&mut turning, Deadline::Total);
}
