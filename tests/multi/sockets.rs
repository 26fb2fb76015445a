//! What the socket callback is told: CURLMOPT_SOCKETFUNCTION, curl_multi_assign.

use std::time::Duration;

use ringdove::driver::MultiError;
use ringdove::{Action, Collect, Config, Event, Flow, Handler, Request};

use crate::socket_loop::Loop;
use ringdove_test_support::PATIENCE;
use ringdove_test_support::hostile::{Framing, Plan, Script};

fn ok() -> Plan {
    Plan::new().path("/", Script::new().ok("fine"))
}

#[test]
fn only_changes_are_told_and_the_last_is_what_is_wanted() {
    let server = ok().start();
    let mut turning = Loop::new();
    let id = turning.get(&server.url("/"));
    assert_eq!(turning.actions(), [], "add tells nothing of sockets");
    turning.finish();
    assert_eq!(turning.response(), (200, b"fine".to_vec()));
    // connecting, then waiting for the response; the idle connection is watched for its end
    assert_eq!(turning.actions(), [Action::Out, Action::In]);
    let first = turning.record.borrow().changes[0].0;
    assert_eq!(first.transfer, Some(id));
    assert_eq!(first.deadline, None, "this loop carries none");

    // another transfer on the same connection: still In, nothing to tell
    turning.get(&server.url("/"));
    turning.finish();
    assert_eq!(turning.actions(), [Action::Out, Action::In]);
}

#[test]
fn a_blocked_upload_is_watched_for_both() {
    let slow = Script::new().read_head().wait(Duration::from_millis(100)).read_body().ok("taken");
    let server = Plan::new().recv_buffer(4096).connection(slow).start();
    let mut turning = Loop::new();
    let request = Request::new(http::Method::POST, &server.url("/")).unwrap();
    let request = request.body(vec![b'x'; 8_000_000]);
    turning.multi.add(request, Box::new(Collect::default())).unwrap();
    turning.finish();
    assert_eq!(turning.response(), (200, b"taken".to_vec()));
    let actions = turning.actions();
    assert!(actions.contains(&Action::InOut), "{actions:?}");
    assert_eq!(actions.last(), Some(&Action::In), "{actions:?}");
}

struct PausesAtOnce(Collect);

impl Handler for PausesAtOnce {
    fn head(&mut self, _: &ringdove::protocol::ResponseHead<'_>) -> Flow {
        Flow::Pause
    }

    fn body(&mut self, chunk: &[u8]) -> Flow {
        self.0.body(chunk)
    }
}

#[test]
fn a_paused_transfer_is_watched_for_nothing() {
    let server = ok().start();
    let mut turning = Loop::new();
    let request = Request::get(&server.url("/")).unwrap();
    let id = turning.multi.add(request, Box::new(PausesAtOnce(Collect::default()))).unwrap();
    turning.turn_until("it is paused", |turning| turning.actions().contains(&Action::None));
    let told = turning.actions().len();
    turning.turn_for(Duration::from_millis(50));
    assert_eq!(turning.actions().len(), told);
    turning.multi.resume(id).unwrap();
    turning.finish();
    assert_eq!(turning.actions().last(), Some(&Action::In));
    let (message, _) = turning.multi.info_read().unwrap();
    assert_eq!(message.into_parts::<PausesAtOnce>().unwrap().1.0.body, b"fine");
}

/// That REMOVE comes before the close, once for each socket, is asserted by the loop itself.
#[test]
fn every_socket_that_was_told_is_removed_once() {
    let server = ok()
        .path("/close", Script::new().ok("").close())
        .path("/cut", Script::new().respond("200 OK", Framing::Declared(9), "cut").close())
        .path("/reset", Script::new().reset())
        .path("/stall", Script::new().stall())
        .start();
    let mut turning = Loop::new();
    for path in ["/", "/close", "/cut", "/reset"] {
        turning.get(&server.url(path));
    }
    let stalled = turning.get(&server.url("/stall"));
    turning.turn_until("the others are over", |turning| turning.multi.running() == 1);
    turning.multi.remove(stalled).unwrap();
    turning.multi.close_idle().unwrap();
    turning.turn().unwrap();
    assert_eq!(turning.watched(), []);
    let actions = turning.actions();
    let removed = actions.iter().filter(|&&action| action == Action::Remove).count();
    assert_eq!(removed as u64, turning.multi.stats().opened);
    let all_ended = |seen: &[ringdove_test_support::hostile::SeenConnection]| {
        seen.iter().all(|connection| connection.end.is_some())
    };
    assert!(server.wait_for(PATIENCE, all_ended), "{}", server.dump());
}

#[test]
fn dropping_the_handle_removes_every_socket() {
    let server = ok().path("/stall", Script::new().stall()).start();
    let mut turning = Loop::new();
    for path in ["/stall", "/stall", "/"] {
        turning.get(&server.url(path));
    }
    turning.turn_until("requests have arrived", |turning| {
        turning.multi.running() == 2 && server.requests().len() == 3
    });
    let _waker = turning.multi.waker().unwrap();
    let record = turning.record.clone();
    assert_eq!(record.borrow().watched.len(), 4);
    drop(turning);
    assert!(record.borrow().watched.is_empty());
}

/// curl_multi_assign: absent until set, handed back from then on, gone with the socket.
#[test]
fn a_private_value_is_handed_back() {
    let server = ok().path("/close", Script::new().ok("").close()).start();
    let mut turning = Loop::new();
    turning.get(&server.url("/close"));
    turning.turn_until("a socket is told", |turning| !turning.actions().is_empty());
    assert_eq!(turning.record.borrow().changes[0].1, None);
    let token = turning.token();
    turning.multi.assign(token, Some(1)).unwrap();
    turning.multi.assign(token, Some(77)).unwrap();
    turning.finish();
    turning.turn_until("the connection is gone", |turning| turning.watched().is_empty());
    let values: Vec<_> = turning.record.borrow().changes.iter().map(|(_, value)| *value).collect();
    assert_eq!(values[0], None);
    assert!(values[1..].iter().all(|value| *value == Some(77)), "{values:?}");
    assert_eq!(turning.actions().last(), Some(&Action::Remove));
    let gone = turning.multi.assign(token, Some(2));
    assert!(matches!(gone, Err(MultiError::UnknownSocket(unknown)) if unknown == token));

    // the next socket begins without
    let before = turning.actions().len();
    turning.get(&server.url("/close"));
    turning.turn_until("a socket is told", |turning| turning.actions().len() > before);
    assert_eq!(turning.record.borrow().changes[before].1, None);
    turning.finish();
}

#[test]
fn a_callback_may_set_the_private_value_itself() {
    let server = ok().start();
    let mut turning = Loop::new();
    turning.record.borrow_mut().value_for_new = Some(5);
    turning.get(&server.url("/"));
    turning.finish();
    let values: Vec<_> = turning.record.borrow().changes.iter().map(|(_, value)| *value).collect();
    assert_eq!(values, [Some(5), Some(5)]);
}

/// A mask of zero: the handle finds out, also while the socket connects.
#[test]
fn an_unknown_readiness_is_found_out() {
    let server = ok().start();
    let mut turning = Loop::new();
    turning.get(&server.url("/"));
    turning.multi.socket_action(Event::Timeout).unwrap();
    let token = turning.token();
    let start = std::time::Instant::now();
    while turning.multi.running() > 0 {
        assert!(start.elapsed() < PATIENCE);
        turning.multi.socket_action(Event::Check(token)).unwrap();
    }
    assert_eq!(turning.response(), (200, b"fine".to_vec()));
}

/// And finds that a connect is not over, without harm.
#[test]
fn checking_a_socket_that_connects_changes_nothing() {
    let blackhole = ringdove_test_support::dead_end::Blackhole::start().unwrap();
    let mut turning = Loop::new();
    let id = turning.get(&format!("http://{}/", blackhole.addr()));
    turning.multi.socket_action(Event::Timeout).unwrap();
    let token = turning.token();
    for _ in 0..10 {
        assert_eq!(turning.multi.socket_action(Event::Check(token)).unwrap(), 1);
    }
    assert_eq!(turning.actions(), [Action::Out]);
    turning.multi.remove(id).unwrap();
    assert_eq!(turning.actions(), [Action::Out, Action::Remove]);
}

#[test]
fn socket_all_starts_and_carries_on_alone() {
    let server = ok().start();
    let mut turning = Loop::new();
    for _ in 0..3 {
        turning.get(&server.url("/"));
    }
    assert_eq!(turning.multi.socket_all().unwrap(), 3);
    assert_eq!(turning.watched().len(), 3);
    let start = std::time::Instant::now();
    while turning.multi.socket_all().unwrap() > 0 {
        assert!(start.elapsed() < PATIENCE);
    }
    assert_eq!(turning.multi.stats().succeeded, 3);
}

#[test]
fn removing_a_transfer_removes_its_socket_and_no_other() {
    let server = ok().path("/stall", Script::new().stall()).start();
    let mut turning: Loop = Loop::with(Config::default());
    let ids = [0, 1, 2].map(|_| turning.get(&server.url("/stall")));
    turning.turn_until("requests have arrived", |_| server.requests().len() == 3);
    let gone: Vec<_> =
        turning.watched().into_iter().filter(|change| change.transfer == Some(ids[1])).collect();
    turning.multi.remove(ids[1]).unwrap();
    let last = turning.last_change();
    assert_eq!((last.action, last.token), (Action::Remove, gone[0].token));
    assert_eq!(turning.watched().len(), 2);
    assert_eq!(turning.multi.running(), 2);
}
