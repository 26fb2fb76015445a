//! Names that the engine looks up itself, at name servers real and scripted.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ringdove::driver::Kind;
use ringdove::engine::NameService;
use ringdove::error::{Cause, Phase, Progress};
use ringdove::{Config, Stats};

use crate::run::{Run, Transfer, on_every_driver};
use ringdove_test_support::hostile::{Framing, Plan, Script};
use ringdove_test_support::isolated;
use ringdove_test_support::name_server::NameServer;
use ringdove_test_support::nginx::Nginx;
use ringdove_test_support::nsd::Nsd;

on_every_driver! {
    each_name_is_asked_for_once,
    a_real_server_says_no,
    whatever_a_server_does_the_outcome_is_right,
    a_server_that_is_not_there,
    names_that_never_resolve_hold_nobody_up,
    a_slow_rate_is_kept,
    addresses_that_expired_serve_if_that_is_wanted,
}

on_every_driver! {
    under crate::names::own_hosts_file:
    a_hosts_file_that_changes_wins,
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

/// 20,000 names are found, a hundred at a time, before any of 500 is given up that are asked for from the beginning on. (That they take
/// no longer than without these is shown where time is virtual, in the resolver's own tests: here a query may be lost.)
fn names_that_never_resolve_hold_nobody_up(kind: Kind) {
    const GOOD: usize = 20_000;
    const STUCK: usize = 500;
    let names = NameServer::start();
    let server = Nginx::plain();
    let mut run = run(kind, names.addr());
    let port = server.addr().port();
    let start = Instant::now();
    let get = |run: &mut Run, name: String| run.get(&format!("http://{name}.test:{port}/ok"));
    let lost: Vec<_> = (0..STUCK).map(|n| get(&mut run, format!("never{n}"))).collect();
    let mut found = Vec::new();
    // a thousand are never waited for in vain, however busy the machine is
    for thousand in 1..=GOOD / 1000 {
        run.turn_until("the good ones are over", |run| {
            let over = run.driver.stats().succeeded as usize;
            while found.len() < GOOD.min(over + 100) {
                found.push(get(run, format!("good{}", found.len())));
            }
            over >= thousand * 1000
        });
    }
    let took = start.elapsed();
    found.iter().for_each(|transfer| transfer.assert_response(200, b"hello world\n"));
    // who is never found is given up after 12 s
    let gone = lost.iter().filter(|transfer| transfer.is_done()).count();
    assert!(gone == 0 || took > Duration::from_secs(12), "{gone} of {STUCK} are over");
    let asked = names.asked_for("good");
    let most = 2 * GOOD as u64 + GOOD as u64 / 50;
    assert!(asked <= most, "{asked} queries: each is for both families, once if none is lost");
    lost.iter().for_each(|transfer| drop(run.driver.remove(transfer.id)));
    // a query that was lost may be asked again, for the other family of a name that was found
    run.turn_until("nothing is looked up", |run| {
        run.driver.close_idle().expect("it can be closed");
        run.driver.is_empty()
    });
}

fn a_slow_rate_is_kept(kind: Kind) {
    let names = NameServer::start();
    let server = Nginx::plain();
    let port = server.addr().port();
    let config = Config {
        names: NameService::Servers(vec![names.addr()]),
        server_queries_per_second: Some(100),
        server_queries: Some(2),
        ..Config::default()
    };
    let mut run = Run::with(kind, config);
    let start = Instant::now();
    let transfers: Vec<_> =
        (0..50).map(|n| run.get(&format!("http://good{n}.test:{port}/ok"))).collect();
    run.finish();
    // a hundred queries
    assert!(start.elapsed() > Duration::from_millis(500), "{:?}", start.elapsed());
    transfers.iter().for_each(|transfer| transfer.assert_response(200, b"hello world\n"));
}

fn addresses_that_expired_serve_if_that_is_wanted(kind: Kind) {
    let server = Nginx::plain();
    let port = server.addr().port();
    for serve_stale in [None, Some(Duration::from_secs(60))] {
        let names = NameServer::start();
        let service = NameService::Servers(vec![names.addr()]);
        let config = Config { names: service, serve_stale, ..Config::default() };
        let mut run = Run::with(kind, config);
        let get = |run: &mut Run| {
            let transfer = run.get(&format!("http://fading.test:{port}/ok"));
            run.finish();
            transfer
        };
        assert!(get(&mut run).outcome().result.is_ok());
        // a second is the least that an answer is kept
        run.turn_for(Duration::from_millis(1100));
        run.driver.close_idle().unwrap();
        let after = get(&mut run);
        assert!(names.asked_for("fading") > 2, "it was asked again");
        match serve_stale {
            Some(_) => assert!(after.outcome().result.is_ok()),
            None => assert_unresolved(&after, "fading.test", "SERVFAIL"),
        }
    }
}

/// /etc/hosts is a file of the test's own.
const OWN_HOSTS_FILE: [&str; 6] = [
    "unshare",
    "--map-root-user",
    "--mount",
    "sh",
    "-ec",
    r#"
mount -t tmpfs tmpfs /mnt
echo "127.0.0.2 moves.test" >/mnt/hosts
mount --bind /mnt/hosts /etc/hosts
exec "$0" "$@"
"#,
];

pub(crate) fn own_hosts_file() -> Option<&'static [&'static str]> {
    isolated::possible(&OWN_HOSTS_FILE, "/etc/hosts cannot be another file here (unshare, mount)")
}

/// What was found in the old one would have held for a minute.
fn a_hosts_file_that_changes_wins(kind: Kind) {
    let respond =
        |body: &'static str| Script::new().respond("200 OK", Framing::UntilClose, body).close();
    let server = |last, body| {
        let at = SocketAddr::from(([127, 0, 0, last], 0));
        Plan::new().addr(at).path("/", respond(body)).start()
    };
    let old = server(2, "old");
    let at = SocketAddr::from(([127, 0, 0, 3], old.addr().port()));
    let new = Plan::new().addr(at).path("/", respond("new")).start();
    let mut run = Run::new(kind);
    let url = format!("http://moves.test:{}/", at.port());
    let before = run.get(&url);
    run.finish();
    before.assert_response(200, b"old");
    std::fs::write("/etc/hosts", "127.0.0.3 moves.test\n").expect("it is ours");
    let start = Instant::now();
    run.turn_until("the new file counts", |run| {
        let transfer = run.get(&url);
        run.finish();
        transfer.outcome().report.remote == Some(new.addr())
    });
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    assert_eq!(run.driver.stats().lookups, 2, "once in each");
}
