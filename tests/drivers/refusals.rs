//! Connections that are refused, or never answered, and addresses tried in turn.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ringdove::driver::Kind;
use ringdove::error::{Cause, Deadline, Operation, Phase, Progress};
use ringdove::{Config, Options, Request};

use crate::run::{Run, on_every_driver};
use ringdove_test_support::certs::Authority;
use ringdove_test_support::dead_end::{Blackhole, Refusing};
use ringdove_test_support::hostile::{Plan, Script};

on_every_driver! {
    a_refused_connection,
    many_refused_connections,
    a_black_hole,
    the_next_address_is_tried,
    every_address_refuses,
    overrides_replace_the_look_up,
    certificates_that_do_not_fit,
}

const ECONNREFUSED: i32 = 111;

/// Fixes what `name:port` means.
fn set_override(run: &mut Run, name: &str, port: u16, addresses: &[&str]) {
    let url = format!("http://{name}:{port}/");
    let host = Request::get(&url).expect("a good URL").head().origin().host().clone();
    let addresses: Arc<[IpAddr]> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
    run.driver.settings().set_override(host, port, addresses);
}

#[track_caller]
fn assert_refused(transfer: &crate::run::Transfer) {
    let error = transfer.error();
    let cause = Cause::Os { operation: Operation::Connect, errno: ECONNREFUSED };
    assert_eq!(error.cause, cause);
    assert_eq!((error.phase, error.progress), (Phase::Connect, Progress::NothingSent));
}

fn a_refused_connection(kind: Kind) {
    let refusing = Refusing::start().expect("an address that refuses");
    let mut run = Run::new(kind);
    let transfer = run.get(&format!("http://{}/", refusing.addr()));
    run.finish();
    assert_refused(&transfer);
    assert_eq!(transfer.outcome().report.remote, Some(refusing.addr()));
}

fn many_refused_connections(kind: Kind) {
    let refusing = Refusing::start().expect("an address that refuses");
    let server = Plan::new().path("/", Script::new().ok("fine")).start();
    let mut run = Run::with(kind, Config { max_connections: 8, ..Config::default() });
    let refused: Vec<_> =
        (0..100).map(|_| run.get(&format!("http://{}/", refusing.addr()))).collect();
    let fine: Vec<_> = (0..100).map(|_| run.get(&server.url("/"))).collect();
    run.finish();
    refused.iter().for_each(assert_refused);
    fine.iter().for_each(|transfer| transfer.assert_response(200, b"fine"));
}

fn a_black_hole(kind: Kind) {
    let blackhole = Blackhole::start().expect("an address that does not answer");
    let mut run = Run::new(kind);
    let after = Duration::from_millis(300);
    let mut options = Options::default();
    options.timeouts.connect = Some(after);
    let transfer = run.get_with(&format!("http://{}/", blackhole.addr()), options);
    run.finish();
    transfer.assert_timed_out(Deadline::Connect, Phase::Connect, after);
    let report = transfer.outcome().report;
    assert_eq!((report.wire_sent, report.remote), (0, Some(blackhole.addr())));
    assert!(report.times.connect >= after, "{:?}", report.times);
}

pub(crate) fn the_next_address_is_tried(kind: Kind) {
    // nobody listens on this port of the other addresses
    let server = Plan::new().path("/", Script::new().ok("fine")).start();
    let port = server.addr().port();
    let mut run = Run::new(kind);
    set_override(&mut run, "two.test", port, &["127.0.0.2", "127.0.0.1"]);
    set_override(&mut run, "four.test", port, &["127.0.0.4", "::1", "127.0.0.2", "127.0.0.1"]);
    for name in ["two.test", "four.test"] {
        let transfer = run.get(&format!("http://{name}:{port}/"));
        run.finish();
        transfer.assert_response(200, b"fine");
        assert_eq!(transfer.outcome().report.remote, Some(server.addr()));
    }
    assert_eq!(server.requests()[0].field("host"), Some(format!("two.test:{port}")));
}

fn every_address_refuses(kind: Kind) {
    let refusing = Refusing::start().expect("an address that refuses");
    let port = refusing.addr().port();
    let mut run = Run::new(kind);
    set_override(&mut run, "none.test", port, &["127.0.0.1", "127.0.0.1", "127.0.0.1"]);
    let transfer = run.get(&format!("http://none.test:{port}/"));
    run.finish();
    assert_refused(&transfer);
}

/// As curl's `--resolve`: for one port of one name, in any case, and for no other.
fn overrides_replace_the_look_up(kind: Kind) {
    let server = Plan::new().path("/", Script::new().ok("fine")).start();
    let port = server.addr().port();
    let mut run = Run::new(kind);
    set_override(&mut run, "name.invalid", port, &["127.0.0.1"]);
    for name in ["name.invalid", "NAME.invalid", "name.invalid."] {
        let transfer = run.get(&format!("http://{name}:{port}/"));
        run.finish();
        transfer.assert_response(200, b"fine");
    }
    assert_eq!(run.driver.stats().lookups, 0);
    let other_port = run.get("http://name.invalid:1/");
    let other_name = run.get(&format!("http://other.invalid:{port}/"));
    run.finish();
    for transfer in [other_port, other_name] {
        assert!(matches!(transfer.error().cause, Cause::Resolve(_)), "{:?}", transfer.error());
    }
}

fn certificates_that_do_not_fit(kind: Kind) {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let serve = |identity: ringdove_test_support::certs::Identity| {
        Plan::new().tls(identity.server_config()).path("/", Script::new().ok("fine")).start()
    };
    let bad = [authority.wrong_name(), authority.expired(), stranger.server()].map(serve);
    let good = serve(authority.server());
    let mut run = Run::trusting(kind, &authority);
    let refused = [&bad[0], &bad[1], &bad[2]].map(|server| run.get(&server.url("/")));
    let fine = run.get(&good.url("/"));
    run.finish();
    fine.assert_response(200, b"fine");
    for transfer in refused {
        let error = transfer.error();
        assert!(matches!(error.cause, Cause::Tls(_)), "{error:?}");
        assert_eq!((error.phase, error.progress), (Phase::Tls, Progress::NothingSent));
    }
    assert!(bad.iter().all(|server| server.requests().is_empty()));
}
