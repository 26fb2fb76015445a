//! Names with several addresses, of which some do not answer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ringdove::driver::Kind;
use ringdove::error::{Cause, Deadline, Operation, Phase};
use ringdove::{Config, Options, Request};

use crate::run::{NOISE, Run, Transfer, on_every_driver};
use ringdove_test_support::certs::Authority;
use ringdove_test_support::dead_end::{Blackhole, Refusing};
use ringdove_test_support::hostile::{Hostile, Plan, Script};

on_every_driver! {
    the_second_address_answers,
    many_races_at_once,
    a_race_over_tls,
    two_black_holes,
    all_refuse_at_once,
    removed_while_it_races,
}

const DELAY: Duration = Duration::from_millis(250);

/// Fixes what `a.test` means.
fn resolve(run: &mut Run, port: u16, addresses: &[&str]) {
    let url = format!("http://a.test:{port}/");
    let host = Request::get(&url).expect("a good URL").head().origin().host().clone();
    let addresses: Arc<[IpAddr]> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
    run.driver.settings().set_override(host, port, addresses);
}

/// A black hole, and a server with the same port at 127.0.0.2.
fn hole_and(plan: impl Fn() -> Plan) -> (Blackhole, Hostile) {
    let hole = Blackhole::start().expect("an address that does not answer");
    let at = SocketAddr::from(([127, 0, 0, 2], hole.addr().port()));
    (hole, plan().addr(at).start())
}

fn fine() -> Plan {
    Plan::new().path("/", Script::new().ok("fine"))
}

fn ends(transfer: &Transfer) -> Vec<&'static str> {
    let attempts = transfer.outcome().report.attempts.expect("more than one was tried");
    attempts.iter().map(|attempt| attempt.end.name()).collect()
}

fn the_second_address_answers(kind: Kind) {
    let (hole, server) = hole_and(fine);
    let port = hole.addr().port();
    let mut run = Run::new(kind);
    resolve(&mut run, port, &["127.0.0.1", "127.0.0.2"]);
    let transfer = run.get(&format!("http://a.test:{port}/"));
    run.finish();
    transfer.assert_response(200, b"fine");
    let report = transfer.outcome().report;
    assert_eq!(report.remote, Some(server.addr()));
    assert_eq!(ends(&transfer), ["lost", "connected"]);
    let connect = report.times.connect;
    assert!(connect >= DELAY, "{connect:?}");
    assert!(connect < DELAY + NOISE, "{connect:?} of 30 s");
    assert_eq!((server.connections(), server.requests().len()), (1, 1));
}

/// Each with its own race, more than there are slots for all attempts.
fn many_races_at_once(kind: Kind) {
    let (hole, server) = hole_and(|| Plan::new().connection(Script::new().read_head().ok("fine")));
    let port = hole.addr().port();
    let mut run = Run::with(kind, Config { max_connections: 24, ..Config::default() });
    resolve(&mut run, port, &["127.0.0.1", "127.0.0.2"]);
    let options = Options { attempt_delay: Some(Duration::from_millis(10)), ..Options::default() };
    let options = Arc::new(options);
    let url = format!("http://a.test:{port}/");
    let transfers: Vec<_> = (0..16)
        .map(|_| run.add(Request::get(&url).expect("a good URL").options(options.clone())))
        .collect();
    run.finish();
    transfers.iter().for_each(|transfer| transfer.assert_response(200, b"fine"));
    assert_eq!(server.requests().len(), 16, "none was sent twice");
}

/// The ClientHello goes along with each connect.
fn a_race_over_tls(kind: Kind) {
    let authority = Authority::new();
    let config = authority.server().server_config();
    let (hole, server) = hole_and(|| fine().tls(config.clone()));
    let port = hole.addr().port();
    let policy = ringdove::TlsPolicy::builder().insecure().build().expect("a policy");
    let mut run = Run::with(kind, Config { tls: Some(policy), ..Config::default() });
    resolve(&mut run, port, &["127.0.0.1", "127.0.0.2"]);
    let transfer = run.get(&format!("https://a.test:{port}/"));
    run.finish();
    transfer.assert_response(200, b"fine");
    assert_eq!(ends(&transfer), ["lost", "connected"]);
    assert_eq!(server.requests().len(), 1);
}

/// Two addresses that do not answer, at one port, and a driver to which both are `a.test`'s.
fn between_black_holes(kind: Kind) -> ([Blackhole; 2], u16, Run) {
    let hole = Blackhole::start().expect("an address that does not answer");
    let port = hole.addr().port();
    let at = SocketAddr::from(([127, 0, 0, 2], port));
    let other = Blackhole::start_at(at).expect("another one");
    let mut run = Run::new(kind);
    resolve(&mut run, port, &["127.0.0.1", "127.0.0.2"]);
    ([hole, other], port, run)
}

fn two_black_holes(kind: Kind) {
    let (_holes, port, mut run) = between_black_holes(kind);
    let after = Duration::from_millis(600);
    let mut options = Options::default();
    options.timeouts.connect = Some(after);
    let transfer = run.get_with(&format!("http://a.test:{port}/"), options);
    run.finish();
    transfer.assert_timed_out(Deadline::Connect, Phase::Connect, after);
    assert_eq!(ends(&transfer), ["unanswered", "unanswered"]);
    let text = transfer.error().to_string();
    for address in ["127.0.0.1", "127.0.0.2"] {
        assert!(text.contains(&format!("{address}:{port}: no answer, after ")), "{text}");
    }
}

fn all_refuse_at_once(kind: Kind) {
    let refusing = Refusing::start().expect("an address that refuses");
    let port = refusing.addr().port();
    let mut run = Run::new(kind);
    resolve(&mut run, port, &["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    let transfer = run.get(&format!("http://a.test:{port}/"));
    run.finish();
    let error = transfer.error();
    let cause = Cause::Os { operation: Operation::Connect, errno: 111 };
    assert_eq!((&error.cause, error.phase), (&cause, Phase::Connect));
    assert_eq!(ends(&transfer), ["failed"; 3]);
    let text = error.to_string();
    for address in ["127.0.0.1", "127.0.0.2", "127.0.0.3"] {
        let refused = format!("{address}:{port}: connect: Connection refused");
        assert!(text.contains(&refused), "{text}");
    }
}

fn removed_while_it_races(kind: Kind) {
    let (_holes, port, mut run) = between_black_holes(kind);
    let transfer = run.get(&format!("http://a.test:{port}/"));
    run.turn_until("both are tried", |run| run.driver.stats().connections == 2);
    run.driver.remove(transfer.id).expect("it runs");
    run.turn(Duration::ZERO);
    assert_eq!(run.driver.stats().connections, 0);
}
