//! The process is stopped, as by SIGSTOP, a debugger or the freezer of a cgroup, until its deadlines have passed: what came
//! meanwhile counts.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::command::{Ringdove, Running, drivers};
use ringdove_test_support::certs::Authority;
use ringdove_test_support::dead_end::Blackhole;
use ringdove_test_support::hostile::{Hostile, Plan, Script};
use ringdove_test_support::name_server::NameServer;
use ringdove_test_support::{PATIENCE, eventually};

/// How long the peers take to answer.
const ANSWER: Duration = Duration::from_millis(400);

/// What is allowed for that, by option.
const LIMIT: &str = "1.2";

/// How long the process is stopped.
const STOP: Duration = Duration::from_millis(1500);

/// More than one receive takes, in what one socket holds.
const BODY: usize = 40_000;

fn head() -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\n\r\n")
}

fn body() -> Vec<u8> {
    vec![b'x'; BODY]
}

fn answer() -> Vec<u8> {
    [head().into_bytes(), body()].concat()
}

/// Runs something on each driver, all at a time.
fn on_each_driver(run: impl Fn(&'static str) + Sync) {
    thread::scope(|scope| {
        for driver in drivers() {
            let run = &run;
            scope.spawn(move || run(driver));
        }
    });
}

fn fetch(driver: &str, limits: &[&str]) -> Ringdove {
    Ringdove::fetch(["--driver", driver, "-o", "-", "--quiet"]).args(limits)
}

/// Stops the process as soon as something is the case, for as long as the limit lasts and longer.
#[track_caller]
fn stop_once(running: &Running, what: &str, met: impl FnMut() -> bool) {
    stop_for(STOP, running, what, met);
}

#[track_caller]
fn stop_for(length: Duration, running: &Running, what: &str, met: impl FnMut() -> bool) {
    assert!(eventually(PATIENCE, met), "never: {what}");
    running.signal("STOP");
    let status = PathBuf::from(format!("/proc/{}/stat", running.id()));
    let stopped = || fs::read_to_string(&status).is_ok_and(|stat| stat.contains(") T "));
    assert!(eventually(PATIENCE, stopped), "never stopped");
    thread::sleep(length);
    running.signal("CONT");
}

#[track_caller]
fn ends_well(running: Running) {
    assert_eq!(running.wait().exits(0).stdout.len(), BODY);
}

fn asked(server: &Hostile, running: &Running) {
    stop_once(running, "asked", || server.seen().iter().any(|seen| !seen.requests.is_empty()));
}

#[test]
fn before_the_first_byte() {
    on_each_driver(|driver| {
        let server =
            Plan::new().connection(Script::new().read_head().wait(ANSWER).send(answer())).start();
        let running = fetch(driver, &["--idle-timeout", LIMIT]).args([server.url("/")]).start();
        asked(&server, &running);
        ends_well(running);
    });
}

#[test]
fn in_the_body_by_every_limit() {
    on_each_driver(|driver| {
        let script = || {
            let (begin, rest) = (answer()[..1000].to_vec(), answer()[1000..].to_vec());
            Script::new().read_head().send(begin).wait(ANSWER).send(rest)
        };
        let limits: [&[&str]; 3] =
            [&["--idle-timeout", LIMIT], &["--timeout", LIMIT], &["-Y", "5000", "-y", "1"]];
        thread::scope(|scope| {
            for limits in limits {
                scope.spawn(move || {
                    let server = Plan::new().connection(script()).start();
                    let running = fetch(driver, limits).args([server.url("/")]).start();
                    asked(&server, &running);
                    ends_well(running);
                });
            }
        });
    });
}

#[test]
fn in_the_tls_handshake() {
    let authority = Authority::new();
    on_each_driver(|driver| {
        let script = Script::new().wait(ANSWER).handshake().read_head().send(answer());
        let tls = authority.server().server_config();
        let server = Plan::new().tls(tls).connection(script).start();
        let running = fetch(driver, &["--connect-timeout", LIMIT])
            .path("--cacert", &authority.ca_file())
            .args([server.url("/")])
            .start();
        stop_once(&running, "connected", || server.connections() == 1);
        ends_well(running);
    });
}

/// A tunnel takes two answers of its proxy: the second comes when the limit has passed, and was not asked for before.
#[test]
fn in_the_greeting_of_a_proxy() {
    on_each_driver(|driver| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let proxy = format!("socks5h://{}", listener.local_addr().expect("its address"));
        let greeted = AtomicBool::new(false);
        let serve = || {
            let (mut peer, _) = listener.accept().expect("a connection");
            peer.read_exact(&mut [0; 3]).expect("it greets");
            greeted.store(true, Ordering::Relaxed);
            thread::sleep(ANSWER);
            peer.write_all(&[5, 0]).expect("it is taken");
            // CONNECT to a.test:80
            peer.read_exact(&mut [0; 13]).expect("it goes on");
            thread::sleep(ANSWER / 4);
            peer.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 80]).expect("it is taken");
            assert!(peer.read(&mut [0; 1024]).expect("a request") > 0);
            peer.write_all(&answer()).expect("it is taken");
        };
        thread::scope(|scope| {
            scope.spawn(serve);
            let limits = ["--connect-timeout", LIMIT, "-x", &proxy];
            let running = fetch(driver, &limits).args(["http://a.test/"]).start();
            stop_once(&running, "greeted", || greeted.load(Ordering::Relaxed));
            ends_well(running);
        });
    });
}

/// The engine's own look-up: its answer comes 1.3 s after the query.
#[test]
fn in_the_look_up_of_a_name() {
    on_each_driver(|driver| {
        let names = NameServer::start();
        let server = Plan::new().connection(Script::new().read_head().send(answer())).start();
        let url = format!("http://late-{driver}.test:{}/", server.addr().port());
        let dns = names.addr().to_string();
        let running = fetch(driver, &["--connect-timeout", "1.45", "--dns-timeout", "1.45"])
            .args(["--dns-servers", &dns, &url])
            .start();
        // for both families
        stop_for(2 * STOP, &running, "asked for", || names.asked_for("late-") > 1);
        ends_well(running);
    });
}

/// A queue of connections that is full lets the SYN that is sent again in, one second after the first.
#[test]
fn while_it_connects() {
    on_each_driver(|driver| {
        let hole = Blackhole::start().expect("an address that does not answer");
        let addr = hole.addr();
        let running =
            fetch(driver, &["--connect-timeout", "1.4"]).args([format!("http://{addr}/")]).start();
        assert!(eventually(PATIENCE, || sends_syn_to(addr)), "never: a SYN is on its way");
        let server = thread::spawn(move || {
            let mut peer = hole.open().expect("it is let in");
            let mut request = [0; 1024];
            assert!(peer.read(&mut request).expect("a request") > 0);
            peer.write_all(&answer()).expect("it is taken");
        });
        stop_once(&running, "a SYN is on its way", || true);
        ends_well(running);
        server.join().expect("the peer is content");
    });
}

/// Whether some socket waits for the answer to its SYN: `SYN_SENT` in /proc/net/tcp.
fn sends_syn_to(addr: SocketAddr) -> bool {
    let remote = format!("0100007F:{:04X} 02 ", addr.port());
    fs::read_to_string("/proc/net/tcp").is_ok_and(|sockets| sockets.contains(&remote))
}
