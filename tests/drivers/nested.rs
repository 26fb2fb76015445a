//! A driver inside another loop, which waits for its descriptor.

use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;
use std::time::Duration;

use ringdove::Config;
use ringdove::driver::Kind;
use ringdove::sys::{Interest, wait_any};

use crate::run::{Run, on_every_driver};
use ringdove_test_support::PATIENCE;
use ringdove_test_support::hostile::{Plan, Script};

on_every_driver! {
    a_nested_driver_is_woken_for_all_it_has_to_do,
    a_nested_driver_is_woken_for_many_things_at_once,
    a_nested_driver_is_woken_by_others,
    an_idle_driver_is_woken_once_to_close_what_is_idle,
}

/// Waits as an outer loop does. A descriptor that is never readable is told from a deadline of the driver's.
fn wait(run: &mut Run, descriptor: &OwnedFd) {
    let timeout = run.driver.timeout();
    if timeout == Some(Duration::ZERO) {
        return;
    }
    let interest = Interest { recv: true, send: false };
    let wait = timeout.unwrap_or(PATIENCE).min(PATIENCE);
    let ready = wait_any([(descriptor.as_raw_fd(), interest)], wait).expect("it waits");
    assert!(ready > 0 || timeout.is_some_and(|timeout| timeout < PATIENCE), "{timeout:?}");
}

fn turn(run: &mut Run) {
    run.driver.turn(Some(Duration::ZERO)).expect("the driver can go on");
    while run.driver.next_message().is_some() {}
}

fn a_nested_driver_is_woken_for_all_it_has_to_do(kind: Kind) {
    let body = vec![b'x'; 300_000];
    let slowly = Script::new().send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
    let server = Plan::new()
        .path("/large", Script::new().ok(&body))
        .path("/slow", slowly.wait(Duration::from_millis(30)).send("llo"))
        .start();
    let config = Config { max_per_origin: 3, ..Config::default() };
    let mut run = Run::with(kind, config);
    let descriptor = run.driver.descriptor().expect("an eventfd");
    let other = run.driver.descriptor().expect("another");
    drop(other);
    let paths = ["/large", "/slow"].iter().cycle().take(20);
    let transfers: Vec<_> = paths.map(|path| run.get(&server.url(path))).collect();
    while run.driver.running() > 0 {
        wait(&mut run, &descriptor);
        turn(&mut run);
    }
    assert!(transfers.iter().all(|transfer| transfer.status() == 200));
}

/// More than what a kernel posts to whoever enters it without waiting.
fn a_nested_driver_is_woken_for_many_things_at_once(kind: Kind) {
    let server = Plan::new().path("/", Script::new().ok("here")).start();
    let config = Config { max_per_origin: 200, ..Config::default() };
    let mut run = Run::with(kind, config);
    let descriptor = run.driver.descriptor().expect("an eventfd");
    for _ in 0..5 {
        let transfers: Vec<_> = (0..200).map(|_| run.get(&server.url("/"))).collect();
        while run.driver.running() > 0 {
            wait(&mut run, &descriptor);
            turn(&mut run);
        }
        assert!(transfers.iter().all(|transfer| transfer.status() == 200));
    }
}

fn a_nested_driver_is_woken_by_others(kind: Kind) {
    let mut run = Run::new(kind);
    let descriptor = run.driver.descriptor().expect("an eventfd");
    let waker = run.driver.waker().expect("it has one");
    while run.driver.timeout() == Some(Duration::ZERO) {
        turn(&mut run);
    }
    // what the first calls had to tell is heard
    turn(&mut run);
    for _ in 0..10 {
        let waker = waker.clone();
        let waking = thread::spawn(move || waker.wake());
        wait(&mut run, &descriptor);
        waking.join().expect("it wakes");
        turn(&mut run);
    }
}

fn an_idle_driver_is_woken_once_to_close_what_is_idle(kind: Kind) {
    let server = Plan::new().path("/", Script::new().ok("here")).start();
    let mut run = Run::with(kind, Config { keep_idle: KEPT, ..Config::default() });
    for _ in 0..20 {
        let transfers: Vec<_> = (0..5).map(|_| run.get(&server.url("/"))).collect();
        run.finish();
        transfers.iter().for_each(|transfer| transfer.assert_response(200, b"here"));
    }
    while run.driver.timeout() == Some(Duration::ZERO) {
        turn(&mut run);
    }
    // on polls the kernel has the deadlines
    let timeout = run.driver.timeout();
    assert!(timeout.is_none_or(|timeout| timeout > KEPT - PATIENCE), "{timeout:?}");
}

/// Longer than any of the default deadlines.
const KEPT: Duration = Duration::from_secs(10_000);
