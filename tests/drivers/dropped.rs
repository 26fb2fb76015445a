//! A driver that is dropped with thousands of operations in flight, of every kind.

use std::fs::File;
use std::time::Duration;

use ringdove::driver::Kind;
use ringdove::sys::count::{self, Counter};
use ringdove::sys::ring::{Options, ZeroCopy};
use ringdove::{Body, Bytes, Config, Discard, Driver, Request};

use crate::run::{on_every_driver, policy};
use ringdove_test_support::certs::Authority;
use ringdove_test_support::dead_end::Blackhole;
use ringdove_test_support::hostile::{End, Plan, Script};
use ringdove_test_support::nginx::Nginx;
use ringdove_test_support::{PATIENCE, eventually};

on_every_driver! {
    a_driver_can_be_dropped_in_the_midst_of_everything,
    kept_connections_hear_of_the_end,
}

const CONNECTS: usize = 2000;
const DOWNLOADS: usize = 300;
const UPLOADS: usize = 50;

/// Connects that hang, bodies that come faster than they are taken, bodies that nobody takes and that are not copied.
fn a_driver_can_be_dropped_in_the_midst_of_everything(kind: Kind) {
    let blackhole = Blackhole::start().expect("loopback");
    let nginx = Nginx::plain();
    File::create(nginx.docroot().join("large"))
        .and_then(|file| file.set_len(64 << 20))
        .expect("a file");
    let deaf = Plan::new().connection(Script::new().never_read()).recv_buffer(4096).start();
    let before = count::snapshot();
    for turns in [0, 1, 2, 5, 50] {
        let mut driver = busy(
            kind,
            &format!("http://{}/", blackhole.addr()),
            &nginx.url("/large"),
            &deaf.url("/"),
        );
        for _ in 0..turns {
            driver.turn(Some(Duration::ZERO)).expect("the driver goes on");
        }
        if turns == 50 {
            let flowing = eventually(PATIENCE, || {
                driver.turn(Some(Duration::from_millis(1))).expect("the driver goes on");
                let stats = driver.stats();
                let sends = || count::snapshot().since(&before).get(Counter::ZeroCopySends);
                let sends_again = kind != Kind::Ring || sends() > UPLOADS as u64;
                stats.received > 50_000_000 && stats.sent > 1_000_000 && sends_again
            });
            assert!(flowing, "{:?}", driver.stats());
            if kind == Kind::Ring {
                let held = driver.ring_in_use().expect("a ring");
                assert!(
                    held.streams == CONNECTS + DOWNLOADS + UPLOADS && held.owed > CONNECTS,
                    "{held:?}"
                );
                assert!(held.slots >= CONNECTS, "{held:?}");
            }
        }
        drop(driver);
    }
    let counts = count::snapshot().since(&before);
    for lost in [Counter::StaleCqes, Counter::LostCqes, Counter::LeakedCqes] {
        assert_eq!(counts.get(lost), 0, "{counts:?}");
    }
}

fn busy(kind: Kind, hangs: &str, large: &str, deaf: &str) -> Driver {
    let config = Config { max_connections: 10_000, max_per_origin: 10_000, ..Config::default() };
    let options = Options { zero_copy: ZeroCopy::Always, ..Options::default() };
    let mut driver = Driver::with_ring(kind, config, &options).expect("asked before");
    let body = Bytes::from(vec![7; 4 << 20]);
    let post = || {
        let request = Request::new(http::Method::POST, deaf).expect("a good URL");
        request.body(Body::Memory(body.clone()))
    };
    let get = |url: &str| Request::get(url).expect("a good URL");
    let gets = (0..CONNECTS).map(|_| get(hangs)).chain((0..DOWNLOADS).map(|_| get(large)));
    for request in gets.chain((0..UPLOADS).map(|_| post())) {
        driver.add(request, Box::new(Discard)).expect("it can be added");
    }
    driver
}

/// RFC 9112, 9.8: close_notify before the FIN.
fn kept_connections_hear_of_the_end(kind: Kind) {
    let authority = Authority::new();
    let server = Plan::new()
        .tls(authority.server().server_config())
        .path("/", Script::new().ok("kept"))
        .start();
    let tls = Some(policy(&authority));
    let mut driver = Driver::new(kind, Config { tls, ..Config::default() }).expect("as before");
    for _ in 0..3 {
        let request = Request::get(&server.url("/")).expect("a good URL");
        driver.add(request, Box::new(Discard)).expect("it can be added");
    }
    while driver.turn(None).expect("the driver goes on") > 0 {}
    assert_eq!(driver.stats().idle, 3, "{:?}", driver.stats());
    drop(driver);
    let ended = server.wait_for(PATIENCE, |seen| seen.iter().all(|seen| seen.end.is_some()));
    assert!(ended, "{}", server.dump());
    for seen in server.seen() {
        assert_eq!(seen.end, Some(End::PeerClosed));
    }
}
