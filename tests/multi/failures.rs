//! A callback that fails stops the call that led to it, which says so; the handle stays usable.
//!
//! (libcurl makes all transfers fail and leaves the handle in doubt.)

use std::time::Instant;

use ringdove::driver::MultiError;
use ringdove::{Action, Collect, Request};

use crate::socket_loop::Loop;
use ringdove_test_support::PATIENCE;
use ringdove_test_support::dead_end::Refusing;
use ringdove_test_support::hostile::{Framing, Plan, Script};

#[track_caller]
fn assert_callback<T: std::fmt::Debug>(result: Result<T, MultiError>, why: &str) {
    match result {
        Err(MultiError::Callback(error)) => assert_eq!(error.to_string(), why),
        other => panic!("{other:?}"),
    }
}

fn ok() -> Plan {
    Plan::new()
        .path("/", Script::new().ok("fine"))
        .path("/close", Script::new().respond("200 OK", Framing::UntilClose, "fine").close())
        .path("/stall", Script::new().stall())
}

/// Each call of the socket callback in turn fails once; all transfers are told their end.
#[test]
fn a_socket_callback_that_fails() {
    for failing in 0..8 {
        let server = ok().start();
        let mut turning = Loop::new();
        for path in ["/", "/close", "/close"] {
            turning.get(&server.url(path));
        }
        let (start, mut armed) = (Instant::now(), false);
        while turning.multi.running() > 0 {
            assert!(start.elapsed() < PATIENCE, "{failing}: {:?}", turning.multi.stats());
            if turning.actions().len() >= failing && !armed {
                turning.record.borrow_mut().fail_socket = Some("no room");
                armed = true;
            }
            if let Err(error) = turning.turn() {
                assert_callback::<()>(Err(error), "no room");
            }
        }
        turning.record.borrow_mut().fail_socket = None;
        while let Some((message, _)) = turning.multi.info_read() {
            assert!(message.outcome.result.is_ok(), "{failing}: {:?}", message.outcome);
        }
        assert_eq!(turning.multi.stats().succeeded, 3, "{failing}");
    }
}

/// The change is told by the next call, whatever that is for.
#[test]
fn what_could_not_be_told_is_told_by_the_next_call() {
    let server = ok().start();
    let mut turning = Loop::new();
    turning.get(&server.url("/"));
    turning.record.borrow_mut().fail_socket = Some("not now");
    assert_callback(turning.multi.socket_action(ringdove::Event::Timeout), "not now");
    assert_eq!(turning.actions(), []);
    turning.multi.socket_actions([]).unwrap();
    assert_eq!(turning.actions(), [Action::Out]);
    turning.finish();
    assert_eq!(turning.response(), (200, b"fine".to_vec()));
}

/// The transfer is told its end although the removal of its socket could not be told.
#[test]
fn a_removal_that_fails_loses_no_transfer() {
    let refusing = Refusing::start().unwrap();
    let mut turning = Loop::new();
    turning.get(&format!("http://{}/", refusing.addr()));
    turning.multi.socket_action(ringdove::Event::Timeout).unwrap();
    if turning.watched().is_empty() {
        eprintln!("skipped: the connect was refused before it could be watched");
        return;
    }
    let events = turning.wait(ringdove_test_support::PATIENCE);
    turning.record.borrow_mut().fail_socket = Some("gone");
    assert_callback(turning.multi.socket_actions(events), "gone");
    assert_eq!(turning.multi.socket_actions([]).unwrap(), 0);
    let (message, _) = turning.multi.info_read().expect("its end is told");
    assert!(message.outcome.result.is_err());
}

/// The transfer is gone, and so is its handler; one that is not there is told apart.
#[test]
fn a_removal_of_a_transfer_that_cannot_be_told() {
    let server = ok().start();
    let mut turning = Loop::new();
    let id = turning.get(&server.url("/stall"));
    turning.turn_until("it is sent", |turning| turning.actions().last() == Some(&Action::In));
    turning.record.borrow_mut().fail_socket = Some("not now");
    assert_callback(turning.multi.remove(id).map(drop), "not now");
    assert_eq!(turning.multi.running(), 0);
    let again = turning.multi.remove(id).map(drop);
    assert!(matches!(again, Err(MultiError::UnknownTransfer(unknown)) if unknown == id));
    turning.multi.socket_actions([]).unwrap();
    assert!(turning.multi.is_empty(), "{:?}", turning.multi.stats());
}

#[test]
fn a_timer_callback_that_fails() {
    let server = ok().start();
    let mut turning = Loop::new();
    turning.record.borrow_mut().fail_timer = Some("no timer");
    let request = Request::get(&server.url("/")).unwrap();
    let refused = turning.multi.add(request, Box::new(Collect::default()));
    assert_callback(refused, "no timer");
    assert_eq!(turning.multi.running(), 0, "a transfer without a name is not kept");

    turning.get(&server.url("/"));
    turning.record.borrow_mut().fail_timer = Some("again");
    assert_callback(turning.turn(), "again");
    turning.finish();
    assert_eq!(turning.response(), (200, b"fine".to_vec()));
}
