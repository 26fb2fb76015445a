//! Waits that another thread ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringdove::driver::Kind;
use ringdove::sys::ring::Options;
use ringdove::{Config, Driver};

use crate::run::{Run, on_every_driver};
use ringdove_test_support::PATIENCE;
use ringdove_test_support::hostile::{Plan, Script};

on_every_driver! {
    a_wait_without_end_is_ended,
    wakes_are_heard_however_crowded_it_is,
}

/// A wake that comes before the wait ends it too.
fn a_wait_without_end_is_ended(kind: Kind) {
    let mut run = Run::new(kind);
    let waker = run.driver.waker().expect("it has one");
    for before in [true, false, true, false] {
        let waker = waker.clone();
        let delay = if before { Duration::ZERO } else { Duration::from_millis(20) };
        let begin = Instant::now();
        let waking = thread::spawn(move || {
            thread::sleep(delay);
            waker.wake();
        });
        if before {
            waking.join().expect("it wakes");
            run.driver.turn(None).expect("the driver can go on");
        } else {
            // one wake may be heard in two turns
            while begin.elapsed() < delay {
                run.driver.turn(None).expect("the driver can go on");
            }
            waking.join().expect("it wakes");
        }
        assert!(begin.elapsed() < PATIENCE);
    }
}

/// The kernel ends the poll of the waker when the completion queue overflows.
fn wakes_are_heard_however_crowded_it_is(kind: Kind) {
    let server = Plan::new().path("/", Script::new().ok("here")).start();
    let options = Options { sq_entries: 8, cq_entries: 16, ..Options::default() };
    let config = Config { max_connections: 100, max_per_origin: 100, ..Config::default() };
    let driver = Driver::with_ring(kind, config, &options).expect("asked before");
    let mut run = Run { driver };
    let waker = run.driver.waker().expect("it has one");
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                waker.wake();
                thread::yield_now();
            }
        });
        for _ in 0..10 {
            let transfers: Vec<_> = (0..100).map(|_| run.get(&server.url("/"))).collect();
            run.finish();
            transfers.iter().for_each(|transfer| transfer.assert_response(200, b"here"));
        }
        over.store(true, Ordering::Relaxed);
    });
    run.driver.turn(Some(Duration::ZERO)).expect("the driver can go on");
    let begin = Instant::now();
    waker.wake();
    run.driver.turn(Some(PATIENCE)).expect("the driver can go on");
    assert!(begin.elapsed() < PATIENCE / 2, "it was not heard");
}
