//! Names that the engine looks up itself, at name servers real and scripted.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use ringdove::driver::Kind;
use ringdove::engine::NameService;
use ringdove::error::{Cause, Phase, Progress};
use ringdove::{Config, Stats};

use crate::run::{Run, Transfer, on_every_driver};
use crate::support::hostile::{Plan, Script};
use crate::support::name_server::NameServer;
use crate::support::nginx::Nginx;
use crate::support::nsd::Nsd;

on_every_driver! {
    each_name_is_asked_for_once,
    a_real_server_says_no,
    whatever_a_server_does_the_outcome_is_right,
    a_server_that_is_not_there,
    names_that_never_resolve_hold_nobody_up,
}

fn run(kind: Kind, server: std::net::SocketAddr) -> Run {
    let names = NameService::Servers(vec![server]);
    Run::with(kind, Config { names, ..Config::default() })
}

fn each_name_is_asked_for_once(kind: Kind) {
    const NAMES: usize = 300;
    let mut zone = String::new();
    (0..NAMES).for_each(|n| writeln!(zone, "h{n} A 127.0.0.1").expect("a string"));
    let (nsd, nginx) = (Nsd::start(&zone), Nginx::plain());
    let mut run = run(kind, nsd.addr());
    let port = nginx.addr().port();
    let transfers: Vec<_> =
        (0..2 * NAMES).map(|n| run.get(&format!("http://h{}.test:{port}/ok", n % NAMES))).collect();
    run.finish();
    transfers.iter().for_each(|transfer| transfer.assert_response(200, b"hello world\n"));
    let asked = nsd.queries();
    assert_eq!((asked.a, asked.aaaa, asked.all), (NAMES as u64, NAMES as u64, 2 * NAMES as u64));
    let Stats { lookups, .. } = run.driver.stats();
    assert_eq!(lookups, NAMES as u64);
    let report = transfers[0].outcome().report;
    assert!(report.times.resolve > Duration::ZERO);
    assert_eq!(report.remote, Some(nginx.addr()));
}

fn a_real_server_says_no(kind: Kind) {
    let nsd = Nsd::start("nothing TXT \"no address\"\nround CNAME about\nabout CNAME round\n");
    let mut run = run(kind, nsd.addr());
    let table = [
        ("none.test", "NXDOMAIN"),
        ("nothing.test", "no address"),
        ("round.test", "circle"),
        ("x.example", "REFUSED"),
    ];
    let transfers = table.map(|(name, _)| run.get(&format!("http://{name}/")));
    run.finish();
    for (transfer, (name, why)) in transfers.iter().zip(table) {
        assert_unresolved(transfer, name, why);
    }
}

#[track_caller]
fn assert_unresolved(transfer: &Transfer, name: &str, why: &str) {
    let error = transfer.error();
    assert_eq!((error.phase, error.progress), (Phase::Resolve, Progress::NothingSent), "{name}");
    let Cause::Resolve(text) = &error.cause else { panic!("{name}: {error:?}") };
    assert!(text.contains(why), "{name}: {text}");
}

/// The table of manners: which names are found in the end, and what is said of the others.
fn whatever_a_server_does_the_outcome_is_right(kind: Kind) {
    let names = NameServer::start();
    let server = Plan::new().path("/", Script::new().ok("fine")).start();
    let mut run = run(kind, names.addr());
    let mut get = |name: String| {
        let url = format!("http://{name}.test:{}/", server.addr().port());
        (run.get(&url), name)
    };
    let found: Vec<_> =
        ["good", "lossy", "late", "wrongid", "question", "address", "malformed", "truncated"]
            .into_iter()
            .flat_map(|manner| (0..20).map(move |n| format!("{manner}{n}")))
            .map(&mut get)
            .collect();
    let lost = [("loop-a", "circle"), ("failing", "SERVFAIL"), ("never", "in time")]
        .map(|(name, why)| (get(name.to_owned()), why));
    let start = Instant::now();
    run.finish();
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    for (transfer, name) in &found {
        assert_eq!(transfer.outcome().result.map(|response| response.status), Ok(200), "{name}");
    }
    for ((transfer, name), why) in &lost {
        assert_unresolved(transfer, name, why);
    }
    let (most, name) = names.most_asked();
    assert!(most <= 8, "{name} was asked {most} times");
}

fn a_server_that_is_not_there(kind: Kind) {
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let server = nobody.local_addr().expect("it has one");
    drop(nobody);
    let mut run = run(kind, server);
    let transfer = run.get("http://h.test/");
    let start = Instant::now();
    run.finish();
    assert_unresolved(&transfer, "h.test", "Connection refused");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

fn names_that_never_resolve_hold_nobody_up(kind: Kind) {
    let names = NameServer::start();
    let server = Nginx::plain();
    let mut run = run(kind, names.addr());
    let port = server.addr().port();
    let stuck: Vec<_> =
        (0..200).map(|n| run.get(&format!("http://never{n}.test:{port}/ok"))).collect();
    let good: Vec<_> =
        (0..500).map(|n| run.get(&format!("http://good{n}.test:{port}/ok"))).collect();
    run.turn_until("the good ones are over", |_| good.iter().all(Transfer::is_done));
    good.iter().for_each(|transfer| transfer.assert_response(200, b"hello world\n"));
    assert!(!stuck.iter().any(Transfer::is_done), "they took as long as those that never come");
    stuck.iter().for_each(|transfer| drop(run.driver.remove(transfer.id).expect("it runs")));
}
