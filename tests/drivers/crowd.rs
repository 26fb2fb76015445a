//! Many transfers over few connections, and fewer descriptors than connections.

use std::time::Duration;

use ringdove::driver::Kind;
use ringdove::error::{Deadline, Operation, Phase};
use ringdove::sys::Errno;
use ringdove::{Config, Options};

use crate::run::{self, NAMES, Run, on_every_driver};
use crate::scarcity::told_of_exhaustion;
use ringdove_test_support::hostile::{Plan, Script};
use ringdove_test_support::nginx::{Nginx, NginxConfig, OK_BODY};

on_every_driver! {
    waiting_in_the_queue_eats_no_other_deadline,
    waiting_in_the_queue_has_a_deadline_of_its_own,
    all_origins_get_their_turn,
    two_thousand_over_sixty_four,
    a_burst_leaves_its_connections_idle,
}

/// libcurl counts the wait for a connection as connecting; here the run takes longer than each of
/// the deadlines allows for its own wait, and nothing is timed out.
fn waiting_in_the_queue_eats_no_other_deadline(kind: Kind) {
    let slow = Script::new().wait(Duration::from_millis(8)).ok("served");
    let server = Plan::new().path("/", slow).start();
    let mut run = Run::with(kind, Config { max_connections: 6, ..Config::default() });
    let short = Some(Duration::from_millis(400));
    let mut options = Options::default();
    options.timeouts.connect = short;
    options.timeouts.first_byte = short;
    options.timeouts.idle = short;
    let start = std::time::Instant::now();
    let transfers: Vec<_> =
        (0..500).map(|_| run.get_with(&server.url("/"), options.clone())).collect();
    run.finish();
    assert!(start.elapsed() > Duration::from_millis(600), "a run that is too short shows nothing");
    transfers.iter().for_each(|transfer| transfer.assert_response(200, b"served"));
    let last = transfers[499].outcome().report.times;
    assert!(last.queue > Duration::from_millis(400), "{last:?}");
    assert_eq!(server.connections(), 6);
}

fn waiting_in_the_queue_has_a_deadline_of_its_own(kind: Kind) {
    let server = Plan::new().path("/", Script::new().stall()).start();
    let mut run = Run::with(kind, Config { max_connections: 1, ..Config::default() });
    let after = Duration::from_millis(200);
    let mut options = Options::default();
    options.timeouts.queue = Some(after);
    let first = run.get_with(&server.url("/"), options.clone());
    let queued: Vec<_> = (0..10).map(|_| run.get_with(&server.url("/"), options.clone())).collect();
    run.turn_until("the queued are over", |_| queued.iter().all(|transfer| transfer.is_done()));
    for transfer in queued {
        transfer.assert_timed_out(Deadline::Queue, Phase::Queue, after);
    }
    assert!(!first.is_done());
    run.driver.remove(first.id).expect("it runs");
}

/// More origins than connections: idle ones make room.
fn all_origins_get_their_turn(kind: Kind) {
    let addresses: Vec<_> = (1..=20).map(|i| format!("127.0.0.{i}").parse().unwrap()).collect();
    let nginx =
        Nginx::start(NginxConfig { addresses: addresses.clone(), ..NginxConfig::default() });
    let port = nginx.addr().port();
    let mut run = Run::with(kind, Config { max_connections: 3, ..Config::default() });
    let transfers: Vec<_> = (0..200)
        .map(|i| run.get(&format!("http://{}:{port}/ok", addresses[i % addresses.len()])))
        .collect();
    run.finish();
    transfers.iter().for_each(|transfer| transfer.assert_response(200, OK_BODY));
    assert!(run.driver.stats().connections <= 3);
}

pub(crate) fn two_thousand_over_sixty_four(kind: Kind) {
    let nginx = Nginx::plain();
    let mut run = Run::with(kind, Config { max_connections: 64, ..Config::default() });
    let transfers: Vec<_> = (0..2000).map(|_| run.get(&nginx.url("/ok"))).collect();
    run.finish();
    transfers.iter().for_each(|transfer| transfer.assert_response(200, OK_BODY));
    let stats = run.driver.stats();
    assert_eq!((stats.opened, stats.reused), (64, 1936));
}

fn a_burst_leaves_its_connections_idle(kind: Kind) {
    let nginx = Nginx::plain();
    let mut run = Run::with(kind, Config { max_connections: 8, ..Config::default() });
    for _ in 0..3 {
        for _ in 0..100 {
            run.get(&nginx.url("/ok"));
        }
        run.finish();
        let stats = run.driver.stats();
        assert_eq!((stats.opened, stats.idle, stats.evicted), (8, 8, 0));
    }
}

/// Connections may be many more than descriptors: transfers wait, and all succeed.
#[test]
fn descriptors_run_out() {
    for driver in NAMES {
        let path = concat!(module_path!(), "::descriptors_run_out");
        // one process for each driver, of which each runs its own
        run::isolated_under(&["prlimit", "--nofile=40:"], driver, path, |kind| {
            let nginx = Nginx::plain();
            let config = Config { max_connections: 500, max_per_origin: 500, ..Config::default() };
            let mut run = Run::with(kind, config);
            let transfers: Vec<_> = (0..1000).map(|_| run.get(&nginx.url("/ok"))).collect();
            run.finish();
            transfers.iter().for_each(|transfer| transfer.assert_response(200, OK_BODY));
            let stats = run.driver.stats();
            assert!(stats.exhausted > 0, "{stats:?}");
            assert!(stats.opened <= 500, "each is tried once, then one waits: {stats:?}");
            // by whichever system call takes a descriptor
            let errno = Errno::EMFILE;
            let told = told_of_exhaustion(&transfers, Operation::Socket, errno);
            assert_eq!(told, stats.exhausted);
            assert_eq!(stats.exhausted_last, Some((Operation::Socket, errno.raw())));
            assert!(stats.exhausted_wait > Duration::ZERO, "{stats:?}");
        });
    }
}
